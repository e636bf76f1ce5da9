"""Digest of what clients can see: two nodes that show the same data have the same one.

Covers of every visible key its database, name, type, value and absolute deadline, and nothing of
how it is held or remembered: no stamps, no order, no encoding. Redis's DEBUG DIGEST has the same
form (40 hexadecimal digits, zeros where there is no data) but other digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha1
from typing import Final

from node.store.keyspace import Database
from node.store.values.strings import shown
from node.store.values.value import Value

SIZE: Final = 20
NOTHING: Final = bytes(SIZE)


def digest_of(databases: Iterable[Database]) -> bytes:
    """The digest of all visible keys, 20 bytes. O(N log N) in all members and fields.

    The keys' digests are joined by exclusive or, so their order does not matter, and one key more
    or less can be reckoned without looking at the others.
    """
    total = 0
    for _, one in key_digests(databases):
        total ^= int.from_bytes(one, "big")
    return total.to_bytes(SIZE, "big")


def key_digests(databases: Iterable[Database]) -> Iterator[tuple[bytes, bytes]]:
    """Every visible key with its digest, in no order."""
    for db in databases:
        db.merge_all()
        now_ms = db.now.ms
        for shard in db.keys.dicts:
            for key, entry in shard.items():
                if entry.deadline == 0 or entry.deadline > now_ms:
                    number, deadline_ms = int(db.number), int(entry.deadline)
                    yield key, key_digest(number, key, entry.value, deadline_ms)


def key_digest(number: int, key: bytes, value: object, deadline_ms: int) -> bytes:
    """The digest of one key: `number` is its database, `deadline_ms` 0 where it has none."""
    head = b"%d %d %d " % (number, deadline_ms, len(key))
    return sha1(head + key + value_digest(value)).digest()


def value_digest(value: object) -> bytes:
    """The digest of a value alone; NOTHING for a key that is absent (None)."""
    if value is None:
        return NOTHING
    if isinstance(value, Value):
        found = sha1(value.kind())
        for part in value.parts():
            found.update(b"%d " % len(part))
            found.update(part)
        return found.digest()
    return sha1(b"string" + shown(value)).digest()


def hexadecimal(digest: bytes) -> bytes:
    """The 40 digits that DEBUG DIGEST shows."""
    return digest.hex().encode()
