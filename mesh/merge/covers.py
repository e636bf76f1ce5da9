"""Cover: which dots a clearing write had seen; and whether that is all of a set or hash.
[compiled]"""

from __future__ import annotations

from typing import cast

from librt.strings import read_i64_le
from mypy_extensions import i64

from mesh.removals import Pending
from node.store.entry import COUNTED, Dot, Field
from node.store.values.hashes import HashValue
from node.store.values.sets import SetValue


class Cover:
    """Which dots a clearing write had seen: its context row, and all earlier ones of its stream."""

    def __init__(self, row: bytes, origin: i64) -> None:
        self.row = row
        self.origin: i64 = origin
        self.cut = b""  # of a whole node's knowledge: its stable cut
        self.beats: i64 = 0  # of this node's stable cut: what was applied up to this heartbeat

    def has(self, stamp: i64, origin: i64) -> bool:
        """Had the write seen this dot?"""
        if origin == self.origin:
            return True
        place = origin << 3
        if place + 8 > len(self.row):
            return False
        return stamp <= read_i64_le(self.row, place)

    def has_row(self, row: bytes) -> bool:
        """Has it everything that a node with this vector row had applied?"""
        place: i64 = 0
        n: i64 = len(row)
        while place < n:
            if not self.has(read_i64_le(row, place), place >> 3):
                return False
            place += 8
        return True

    def forgot(self, stamp: i64, origin: i64) -> bool:
        """Of a whole node's knowledge: may it have made this dot a place without one?"""
        place = origin << 3
        if stamp == 0 or place + 8 > len(self.cut):
            return False
        return stamp <= read_i64_le(self.cut, place)


class StampCut(Cover):
    """What a newest-wins removal clears: what it had seen, and what it overrules."""

    def __init__(self, row: bytes, origin: i64, removal: Pending) -> None:
        super().__init__(row, origin)
        self.removal = removal

    def has(self, stamp: i64, origin: i64) -> bool:
        """Had the removal seen this dot, or does it overrule it?"""
        return super().has(stamp, origin) or self.removal.overrules(stamp, origin)


class Late(Cover):
    """What a removal clears that waits: a place without a dot was added since, or is gone."""

    def __init__(self, pending: Pending) -> None:
        super().__init__(pending.row, -1)
        self.pending = pending

    def has(self, stamp: i64, origin: i64) -> bool:
        """Had the removal seen this dot, or does it overrule it?"""
        return stamp != 0 and self.pending.covers(stamp, origin)


class Cut(Cover):
    """The stable cut: covers what every member has on disk (mesh/stability.py).

    `before`: every stream's writes up to this stamp are in it. A counter folds up to there alone,
    so that of two nodes' sums one is always a part of the other. `newest`: the highest stamp in
    it. Whoever starts again from its disk has seen that, so it writes nothing older.
    """

    def __init__(self) -> None:
        super().__init__(b"", -1)
        self.before: i64 = 0
        self.newest: i64 = 0
        self.moves: i64 = 1
        self.violations: i64 = 0

    def move(self, row: bytes, before: i64) -> None:
        """More is stable."""
        self.row = row
        self.before = before
        self.newest = newest_in(row)
        self.moves += 1

    def until(self, origin: i64) -> i64:
        """A stream's writes up to this stamp are stable; 0 for none."""
        place = origin << 3
        if place + 8 > len(self.row):
            return 0
        return read_i64_le(self.row, place)

    def has(self, stamp: i64, origin: i64) -> bool:
        """Is this dot stable? A place without a dot is."""
        if stamp == 0:
            return True
        place = origin << 3
        if place + 8 > len(self.row):
            return False
        return stamp <= read_i64_le(self.row, place)


def newest_in(row: bytes) -> i64:
    """The highest stamp of a row."""
    newest: i64 = 0
    place: i64 = 0
    n: i64 = len(row)
    while place < n:
        stamp = read_i64_le(row, place)
        if stamp > newest:
            newest = stamp
        place += 8
    return newest


def members_are_covered(value: SetValue, cover: Cover) -> bool:
    """Has the cover every member's dot? One look at each, and no object made."""
    last: Dot | None = None
    bare = cover.has(0, 0)
    for chunk in value.chunks():
        for slot in chunk.values():
            dot = cast("Dot | None", slot)
            if dot is None:
                if not bare:
                    return False
            elif dot is not last:
                if not cover.has(dot.stamp, dot.origin):
                    return False
                last = dot  # one unit's members share it
    return True


def fields_are_covered(value: HashValue, cover: Cover) -> bool:
    """Has the cover every field's dot, and is none of them a counter?"""
    bare = cover.has(0, 0)
    for chunk in value.chunks():
        for slot in chunk.values():
            if not isinstance(slot, Field):
                if not bare:
                    return False
            elif slot.flags & COUNTED or not cover.has(slot.stamp, i64(slot.origin)):
                return False
    return True
