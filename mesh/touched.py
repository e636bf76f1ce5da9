"""Touched keys and places: what was written between two heartbeats, for mesh/forget.py.
[compiled]

A key of which few places were written has their names; they may stand there twice. One of which a
good part was written, as far as can be told, is looked at whole instead: then noting another write
of it takes no memory, and looking at it is one pass over its dicts.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64, mypyc_attr

from node.store.effect import (
    APPEND,
    BITINCR,
    DROP,
    HDEL,
    HINCR,
    HSET,
    INCR,
    LSET,
    OPS,
    PFMERGE,
    PUSH,
    SADD,
    SETBITS,
    SETRANGE,
    SREM,
    XACK,
    XADD,
    ZADD,
    ZINCR,
    ZMAX,
    ZMIN,
    ZREM,
)  # fmt: skip
from node.store.entry import Mark

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
# Ops that leave metadata in the value itself.
MEASURED: Final = [
    PUSH <= op <= LSET or XADD <= op <= XACK or op in (APPEND, SETRANGE, SETBITS, BITINCR, PFMERGE)
    for op in range(OPS)
]
# How a write is noted of a key that was noted already. AGAIN: as one that is looked at as a whole,
# each is a place. WHOLE: likewise, and it has no places. SINGLE: its argument list names one.
CLOSELY: Final[i64] = 0
AGAIN: Final[i64] = 1
WHOLE: Final[i64] = 2
SINGLE: Final[i64] = 3
HOW: Final[list[i64]] = [
    SINGLE if op in (SADD, HSET, ZADD, ZMAX, ZMIN) else WHOLE if MEASURED[op] else
    AGAIN if op in (HINCR, ZINCR) else CLOSELY
    for op in range(OPS)
]  # fmt: skip
# So many names of a key are noted before anybody asks how many places it has.
NAMES_FIRST: Final[i64] = 64
# A key that is looked at whole, and is written again and again, is looked at once in so many
# heartbeats: what is written meanwhile is written over mostly.
PUT_OFF_MOST: Final[i64] = 7
# Whatever is stable goes.
EVERY_STAMP: Final[i64] = 9223372036854775807
# A key is looked at whole when as many names were noted as every fourth of its places.
SHARE: Final[i64] = 4


class Touched:
    """A key that was written, and which of its places; `whole`: any of them.

    `limit`: with so many names it is to be asked whether the key is to be looked at whole;
    `put_off`: for how many epochs before this one that was left to it; `since`: the newest stamp
    that was stable when it was left for the first time, or looked at last; `in_bursts`: it was left
    to an epoch in which it was not written yet.
    """

    def __init__(self, op: i64, db: i64, key: bytes, names: list[bytes], whole: bool) -> None:
        self.op: i64 = op
        self.db: i64 = db
        self.key = key
        self.names = names
        self.whole = whole
        self.limit = NAMES_FIRST
        self.put_off: i64 = 0
        self.since: i64 = 0
        self.in_bursts = False


@mypyc_attr(acyclic=True)
class SmallKey(Mark):
    """A small collection that was written, to be looked at as a whole; its value has this mark,
    and, lest each write has to look here, the number as `noted`.

    It stands in one epoch alone, and `number` is that in which it was written last: later, if it
    was written again, and then it goes on to that one. 0: it stands in none. `size` is how many
    places it had when it was written first in that epoch, `put_off` for how many epochs a look at
    it was left to later ones.
    """

    __slots__ = ("db", "key", "put_off", "size")

    def __init__(self, number: i64, db: i64, key: bytes, size: i64) -> None:
        super().__init__(number)
        self.db: i64 = db
        self.key = key
        self.size: i64 = size
        self.put_off: i64 = 0


class Epoch:
    """What was written between two heartbeats; `row` is what writes were applied at its end."""

    def __init__(self, number: i64) -> None:
        self.number: i64 = number
        self.row = b""
        self.places: i64 = 0  # how many were written, also those that are not noted
        self.told: i64 = 0  # of these, how many the meter was told of before the epoch ends
        self.touched: list[Touched] = []
        self.small: list[SmallKey] = []
        self.everything = False  # too much to be noted: every key is looked at
        self.last: dict[bytes, Touched] = {}  # by key, of any database, what was noted last

    def touch(self, op: i64, db: i64, key: bytes, names: list[bytes], whole: bool) -> i64:
        """Notes a write; how much more is noted by that. The list belongs to the note from then
        on.

        A key that is written again and again, as a queue is, is one that was touched.
        """
        last = self.last.get(key)
        if last is not None and last.db == db:
            if last.whole:
                return 0
            if not whole and MEASURED[last.op] == MEASURED[op]:
                last.names.extend(names)
                return len(names)
        last = Touched(op, db, key, names, whole)
        self.last[key] = last
        self.touched.append(last)
        return 1 + len(names)
