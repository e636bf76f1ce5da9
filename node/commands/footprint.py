"""How much memory a key takes (MEMORY USAGE): an estimate from the sizes of its objects."""

from __future__ import annotations

from itertools import islice
from sys import getsizeof
from typing import Final

from node.store.entry import Field
from node.store.values.hashes import HashValue
from node.store.values.sets import SetValue

SAMPLES: Final = 5
ENTRY_BYTES: Final = 64
# A slot of the dict that the key stands in, with the room that a dict keeps free.
SLOT_BYTES: Final = 36
FIELD_BYTES: Final = 40


def footprint(key: bytes, value: object, samples: int) -> int:
    """Bytes of key, entry and value; of a collection `samples` members are measured, 0: all."""
    base = getsizeof(key) + SLOT_BYTES + ENTRY_BYTES
    if isinstance(value, SetValue | HashValue):
        return base + measured(value.places(), samples)
    return base + getsizeof(value)


def measured(places: dict[bytes, object], samples: int) -> int:
    """A dict, and its members as far as they are measured, stretched to all of them."""
    size = getsizeof(places)
    count = len(places)
    looked_at = count if samples == 0 else min(samples, count)
    if looked_at == 0:
        return size
    some = islice(places.items(), looked_at)
    found = sum(getsizeof(name) + slot_bytes(slot) for name, slot in some)
    return size + found * count // looked_at


def slot_bytes(slot: object) -> int:
    """What stands behind a member or field; a dot is shared and not counted."""
    if isinstance(slot, Field):
        return FIELD_BYTES + getsizeof(slot.value)
    return getsizeof(slot) if isinstance(slot, bytes | int) else 0
