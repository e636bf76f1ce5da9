"""How much memory a key takes (MEMORY USAGE): an estimate from the sizes of its objects."""

from __future__ import annotations

from sys import getsizeof
from typing import Final

from node.store.values.value import Value

SAMPLES: Final = 5
ENTRY_BYTES: Final = 64
# A slot of the dict that the key stands in, with the room that a dict keeps free.
SLOT_BYTES: Final = 36


def footprint(key: bytes, value: object, samples: int) -> int:
    """Bytes of key, entry and value; of a collection `samples` members are measured, 0: all."""
    base = getsizeof(key) + SLOT_BYTES + ENTRY_BYTES
    if isinstance(value, Value):
        return base + value.footprint(samples)
    return base + getsizeof(value)
