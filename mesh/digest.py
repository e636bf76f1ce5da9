"""Digests by key range, of what clients can see: for MESH DIGEST, and for who compares two nodes.

A key lies in one of RANGES ranges by the CRC-32 of its name, whatever the database. A range's
digest is the exclusive or of the first DIGEST_BYTES of each key's digest (node/digest.py), so the
order of keys does not matter, an empty range is all zeros, and one key more or less can be reckoned
alone. Two nodes that show the same have the same digests, however they hold it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from zlib import crc32

from node.digest import key_digests
from node.store.keyspace import Database

RANGES: Final = 256
DIGEST_BYTES: Final = 16


def range_of(key: bytes) -> int:
    """The range of a key: the high byte of its CRC-32."""
    return crc32(key) >> 24


def range_digests(databases: Iterable[Database]) -> list[bytes]:
    """The digest of each range, in order. O(N log N) in all members and fields."""
    totals = [0] * RANGES
    for key, one in key_digests(databases):
        totals[range_of(key)] ^= int.from_bytes(one[:DIGEST_BYTES], "big")
    return [total.to_bytes(DIGEST_BYTES, "big") for total in totals]
