"""Deadlines: which keys are due, found without a look at the others; TimedKeys: which have
members that are, or a job.

Buckets of 128 ms in a sorted map. A key stands in the one bucket of its deadline, so the memory is
that of the keys that have one, however often deadlines are moved.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64
from sortedcontainers import SortedDict

from node.store.values.member_deadlines import NEVER

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

    def first_ms(self) -> i64:
        """No deadline is before this; NEVER where there is none."""
        if not self._buckets:
            return NEVER
        bucket: int = self._buckets.peekitem(0)[0]
        return bucket << BUCKET_SHIFT

    def size(self) -> int:
        """How many keys stand here. Counts the buckets: for tests and reports."""
        return sum(len(keys) for keys in self._buckets.values())

    def clear(self) -> None:
        """Forgets all."""
        self._buckets.clear()


class TimedKeys:
    """The keys of a database whose members or fields have deadlines, each by the earliest of them;
    or the keys that hold jobs, each by its next time.

    A key may stand here under a deadline that is not its members' any more (the member was
    removed, the deadline moved): it is looked at once then, and listed anew. `first_ms` is the one
    number that every look-up compares: while it lies ahead, nothing is due.
    """

    def __init__(self) -> None:
        self.first_ms: i64 = NEVER
        self._listed: dict[bytes, int] = {}
        self._deadlines = Deadlines()

    def size(self) -> int:
        """How many keys are listed (INFO's subexpiry, and its cron_jobs)."""
        return len(self._listed)

    def note(self, key: bytes, earliest_ms: int) -> None:
        """The earliest deadline of the key's members, in ms."""
        before = self._listed.get(key, 0)
        if before == earliest_ms:
            return
        if before != 0:
            self._deadlines.remove(key, before)
        self._listed[key] = earliest_ms
        self._deadlines.add(key, earliest_ms)
        self.first_ms = self._deadlines.first_ms()

    def forget(self, key: bytes) -> None:
        """The key is gone, or none of its members has a deadline any more."""
        before = self._listed.pop(key, 0)
        if before != 0:
            self._deadlines.remove(key, before)
            self.first_ms = self._deadlines.first_ms()

    def due(self, now_ms: int, most: int) -> list[bytes]:
        """Takes out up to `most` keys that may have members past their deadline.

        Who calls it notes them again where they still have deadlines.
        """
        keys = self._deadlines.due(now_ms, most)
        for key in keys:
            self._listed.pop(key, 0)
        if keys:
            self.first_ms = self._deadlines.first_ms()
        return keys

    def clear(self) -> None:
        """Forgets all."""
        self._listed.clear()
        self._deadlines.clear()
        self.first_ms = NEVER
