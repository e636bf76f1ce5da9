"""Touched keys and places: what was written between two heartbeats, for mesh/forget.py.
[compiled]"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

# Names of one key in one note: a dict of so many takes 0.1 ms to grow.
NAMES_AT_ONCE: Final = 2000


class Touched:
    """A key that was written, and which of its places; `whole`: any of them."""

    def __init__(self, op: i64, db: i64, key: bytes, names: list[bytes], whole: bool) -> None:
        self.op: i64 = op
        self.db: i64 = db
        self.key = key
        self.names: dict[bytes, None] = dict.fromkeys(names)
        self.whole = whole


class Epoch:
    """What was written between two heartbeats; `row` is what was applied at its end."""

    def __init__(self, number: i64) -> None:
        self.number: i64 = number
        self.row = b""
        self.places: i64 = 0  # how many were written, also those that are not noted
        self.touched: list[Touched] = []
        self.everything = False  # too much to be noted: every key is looked at
        self._last: dict[bytes, Touched] = {}

    def touch(self, op: i64, db: i64, key: bytes, names: list[bytes], whole: bool) -> i64:
        """Notes a write; how much more is noted by that.

        A key or place that is written again and again, as a queue is, is one that was touched.
        """
        count: i64 = len(names)
        if whole:
            self.touched.append(Touched(op, db, key, names, True))
            return 1 + count
        last = self._last.get(key)
        if last is not None and last.db == db and len(last.names) < NAMES_AT_ONCE:
            before: i64 = len(last.names)
            for name in names:
                last.names[name] = None
            return len(last.names) - before
        last = Touched(op, db, key, names, False)
        self._last[key] = last
        self.touched.append(last)
        return 1 + count

    def touch_one(self, op: i64, db: i64, key: bytes, name: bytes) -> i64:
        """The same of a single place: what nearly every write is."""
        last = self._last.get(key)
        if last is not None and last.db == db:
            known = last.names
            before: i64 = len(known)
            if before < NAMES_AT_ONCE:
                known[name] = None
                return len(known) - before
        return self.touch(op, db, key, [name], False)
