"""Touched keys and places: what was written between two heartbeats, for mesh/forget.py.
[compiled]"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

# Names of one key that are noted, and later looked at, together.
NAMES_AT_ONCE: Final = 32


class Touched:
    """A key that was written, and which of its places; `whole`: any of them."""

    def __init__(self, op: i64, db: i64, key: bytes, names: list[bytes], whole: bool) -> None:
        self.op: i64 = op
        self.db: i64 = db
        self.key = key
        self.names = names
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
        """Notes a write; how much more is noted by that. `names` is given away.

        A key that is written again and again, as a queue is, is one that was touched.
        """
        count: i64 = len(names)
        if whole:
            self.touched.append(Touched(op, db, key, names, True))
            return 1 + count
        last = self._last.get(key)
        if last is not None and last.db == db and len(last.names) < NAMES_AT_ONCE:
            last.names += names
            return count
        last = Touched(op, db, key, names, False)
        self._last[key] = last
        self.touched.append(last)
        return 1 + count
