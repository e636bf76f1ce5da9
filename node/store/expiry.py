"""Deadlines: which keys are due, found without looking at the others.

Buckets of 128 ms in a sorted map. A key stands in the one bucket of its deadline, so the memory is
that of the keys that have one, however often deadlines are moved.
"""

from __future__ import annotations

from typing import Final

from sortedcontainers import SortedDict

BUCKET_SHIFT: Final = 7
HALF_BUCKET_MS: Final = 64
# A bucket whose time has begun but not ended is handed out while it is this small, so a key goes
# at its millisecond. A larger one waits for its end, at most 128 ms: what is not due yet would go
# in and out of it at every tick.
EARLY_MAX: Final = 256
# Enough for an average that INFO shows, and bounds what INFO costs.
AVERAGED_BUCKETS: Final = 64


class Deadlines:
    """Keys by deadline. Everything is O(1) but for the first and last key of a bucket: O(log n)."""

    def __init__(self) -> None:
        self._buckets: SortedDict[int, dict[bytes, None]] = SortedDict()

    def add(self, key: bytes, deadline_ms: int) -> None:
        """The key has this deadline now."""
        bucket = deadline_ms >> BUCKET_SHIFT
        keys = self._buckets.get(bucket)
        if keys is None:
            self._buckets[bucket] = {key: None}
        else:
            keys[key] = None

    def remove(self, key: bytes, deadline_ms: int) -> None:
        """The key does not have this deadline any more."""
        bucket = deadline_ms >> BUCKET_SHIFT
        keys = self._buckets.get(bucket)
        if keys is not None:
            keys.pop(key, None)
            if not keys:
                del self._buckets[bucket]

    def due(self, now_ms: int, most: int) -> list[bytes]:
        """Takes out up to `most` keys whose deadline has passed, or will within 128 ms.

        Who calls it looks at the deadline itself, and adds again what is not due.
        """
        found: list[bytes] = []
        present = now_ms >> BUCKET_SHIFT
        while self._buckets and len(found) < most:
            bucket, keys = self._buckets.peekitem(0)
            if bucket > present or (bucket == present and len(keys) > EARLY_MAX):
                break
            while keys and len(found) < most:
                found.append(keys.popitem()[0])
            if not keys:
                del self._buckets[bucket]
        return found

    def average_ms(self, now_ms: int) -> int:
        """About how far the deadlines are on average; looks at about 64 buckets."""
        count = len(self._buckets)
        total = keys = 0
        for at in range(0, count, max(1, count // AVERAGED_BUCKETS)):
            bucket, here = self._buckets.peekitem(at)
            total += max(0, (bucket << BUCKET_SHIFT) + HALF_BUCKET_MS - now_ms) * len(here)
            keys += len(here)
        return total // keys if keys else 0

    def size(self) -> int:
        """How many keys stand here. Counts the buckets: for tests and reports."""
        return sum(len(keys) for keys in self._buckets.values())

    def clear(self) -> None:
        """Forgets all."""
        self._buckets.clear()
