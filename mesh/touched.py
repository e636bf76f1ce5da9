"""Touched keys and places: what was written between two heartbeats, for mesh/forget.py.
[compiled]"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.store.effect import (
    DROP,
    HDEL,
    HSET,
    INCR,
    OPS,
    SADD,
    SREM,
    ZADD,
    ZMAX,
    ZMIN,
    ZREM,
)  # fmt: skip

# What an op leaves to be forgotten where nothing is hidden and no place has a deadline. Nothing:
# increments stand in the ledger, a removal has no dot.
LEAVES_NOTHING: Final = [op in (INCR, DROP, SREM, HDEL, ZREM) for op in range(OPS)]
# Ops whose argument list names the places: the first behind `number`, and how far the next.
FIRST_NAME: Final[list[i64]] = [
    1 if op in (ZADD, ZMAX, ZMIN) else 0 for op in range(OPS)
]  # fmt: skip
NAME_STEP: Final[list[i64]] = [
    1 if op == SADD else 2 if op in (HSET, ZADD, ZMAX, ZMIN) else 0 for op in range(OPS)
]  # fmt: skip
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
        self.last: dict[bytes, Touched] = {}  # by key, of any database, what was noted last

    def touch(self, op: i64, db: i64, key: bytes, names: list[bytes], whole: bool) -> i64:
        """Notes a write; how much more is noted by that.

        A key or place that is written again and again, as a queue is, is one that was touched.
        """
        count: i64 = len(names)
        if whole:
            self.touched.append(Touched(op, db, key, names, True))
            return 1 + count
        last = self.last.get(key)
        if last is not None and last.db == db and len(last.names) < NAMES_AT_ONCE:
            before: i64 = len(last.names)
            for name in names:
                last.names[name] = None
            return len(last.names) - before
        last = Touched(op, db, key, names, False)
        self.last[key] = last
        self.touched.append(last)
        return 1 + count
