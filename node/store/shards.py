"""Shards: 256 dicts as one map, chosen by our own hash of the key's bytes.  [compiled]

One dict stops the server while it grows (30 ms at a million keys); a shard does not. The hash is
defined modulo 2**62 and equal in every process and in both builds, so it also orders SCAN: a
cursor is a hash, and a key present during a whole scan is always returned, whatever else changes.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from itertools import islice
from typing import Final

from librt.strings import read_i64_le
from mypy_extensions import i64

from node.store.entry import Entry

MASK: Final[i64] = 0x3FFFFFFFFFFFFFFF
CURSOR_MAX: Final = 0x3FFFFFFFFFFFFFFF  # a plain int: what is compared with it may be any size
MULTIPLIER: Final[i64] = 0x1E3779B97F4A7C15
SPREAD: Final[i64] = 0x0D6E8FEB86659FD9
SHARDS: Final = 256
SHARD_SHIFT: Final[i64] = 54
# A shard that is being scanned keeps its keys in order of hash, also under writes: made once per
# scan, not once per call. So many scans at once, at different places, are kept apart.
SORTED_MAX: Final = 4


def hash_of(key: bytes) -> i64:
    """The key's hash, 0 <= h < 2**62."""
    n: i64 = len(key)
    h: i64 = n
    i: i64 = 0
    if n < 8:
        while i < n:
            h = (h << 8) ^ i64(key[i])
            i += 1
    else:
        h = folded(read_i64_le(key, n - 8) ^ n)
        while i + 8 < n:
            h = folded((((h ^ (h >> 29)) * MULTIPLIER) & MASK) ^ read_i64_le(key, i))
            i += 8
    h = ((h ^ (h >> 31)) * MULTIPLIER) & MASK
    return h ^ (h >> 33)


def folded(word: i64) -> i64:
    """64 bits as 62; the two highest, which tell digits from letters, are spread over the rest."""
    return (word ^ ((word >> 62) * SPREAD)) & MASK


def shard_of(key: bytes) -> i64:
    """Which of the 256 dicts holds the key."""
    return hash_of(key) >> SHARD_SHIFT


class Shards:
    """A map of keys to entries that never stops the server while it grows."""

    def __init__(self) -> None:
        self.dicts: list[dict[bytes, Entry]] = [{} for _ in range(SHARDS)]
        self.size: i64 = 0
        self._sorted: dict[int, list[tuple[int, bytes]]] = {}

    def get(self, key: bytes) -> Entry | None:
        """The entry, or None."""
        return self.dicts[shard_of(key)].get(key)

    def put(self, key: bytes, entry: Entry) -> None:
        """Adds a key, or gives one that is here another entry."""
        h = hash_of(key)
        shard = h >> SHARD_SHIFT
        keys = self.dicts[shard]
        before: i64 = len(keys)
        keys[key] = entry
        if len(keys) != before:
            self.size += 1
            if self._sorted:
                ordered = self._sorted.get(int(shard))
                if ordered is not None:
                    insort(ordered, (int(h), key))

    def pop(self, key: bytes) -> Entry | None:
        """Takes a key out; None where it is not here."""
        h = hash_of(key)
        shard = h >> SHARD_SHIFT
        entry = self.dicts[shard].pop(key, None)
        if entry is not None:
            self.size -= 1
            if self._sorted:
                ordered = self._sorted.get(int(shard))
                if ordered is not None:
                    del ordered[bisect_left(ordered, (int(h), key))]
        return entry

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """At least `count` keys from `cursor` on, where there are so many, and the next cursor.

        A cursor is the hash to go on at, 0 at the end. Keys of one hash are returned together. The
        work is `count` keys, 256 shards and, once per scan and shard, putting the shard in order.
        """
        if cursor < 0 or cursor > CURSOR_MAX:
            return 0, []
        found: list[bytes] = []
        shard = cursor >> int(SHARD_SHIFT)
        while shard < SHARDS:
            if self.dicts[shard]:
                ordered = self._ordered(shard)
                at = bisect_left(ordered, (cursor, b""))
                while at < len(ordered):
                    position, key = ordered[at]
                    if len(found) >= count and ordered[at - 1][0] != position:
                        return position, found
                    found.append(key)
                    at += 1
                self._sorted.pop(shard, None)
            shard += 1
            cursor = shard << int(SHARD_SHIFT)
            if len(found) >= count and shard < SHARDS:
                return cursor, found
        return 0, found

    def _ordered(self, shard: int) -> list[tuple[int, bytes]]:
        ordered = self._sorted.get(shard)
        if ordered is None:
            ordered = [(int(hash_of(key)), key) for key in self.dicts[shard]]
            ordered.sort()
            while len(self._sorted) >= SORTED_MAX:
                self._sorted.pop(next(iter(self._sorted)))
            self._sorted[shard] = ordered
        return ordered

    def sample(self, number: int) -> bytes | None:
        """A key picked by `number`, any non-negative random integer; None where there is none.

        The shard is picked by its size, so every key is equally likely.
        """
        if self.size == 0:
            return None
        left = number % int(self.size)
        for keys in self.dicts:
            n = len(keys)
            if left < n:
                return next(islice(keys, left, None))
            left -= n
        return None

    def clear(self) -> list[dict[bytes, Entry]]:
        """Empties the map; returns the old dicts, for whoever frees them in slices."""
        old = self.dicts
        self.dicts = [{} for _ in range(SHARDS)]
        self.size = 0
        self._sorted = {}
        return old

