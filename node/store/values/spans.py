"""Spans: what a list's order is made of: elements side by side, and when they were put in.
[compiled]

node/store/values/order.py puts them in order.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from typing import Final

from mypy_extensions import i64, mypyc_attr

NONE: Final[i64] = -1


@mypyc_attr(allow_interpreted_subclasses=True)
class Ranks:
    """Which of two streams comes first, equal on all nodes: by uuid, not by a node's numbers.

    `beats`: how many heartbeats of this node have begun, 0 where nothing is forgotten.
    """

    def __init__(self) -> None:
        self.beats: i64 = 0

    def precedes(self, one: i64, other: i64) -> bool:
        """Does the first stream come before the second?"""
        return one < other

    def write_row(self) -> bytes:
        """What writes this node has applied by now: eight bytes of stamp for each stream."""
        return b""

    def is_lost(self, origin: i64) -> bool:
        """Will nothing more come of this stream? Its process has ended, and all is here that any
        member had of it."""
        return False


@mypyc_attr(acyclic=True)
class Span:
    """Elements low, low + 1, ... of one stream, side by side.

    `rises`: each is the right child of the one before it and stands behind it; else its left child,
    and stands before it. `low` is a child of (parent_origin, parent), parent 0 being the list, on
    the left side or the right, and stands among its siblings by (rank_origin, rank), its own name
    unless what was between has been forgotten. Not `known`: only named by others so far.
    """

    __slots__ = (
        "after", "before", "count", "known", "left", "low", "origin", "parent", "parent_origin",
        "rank", "rank_origin", "rises",
    )  # fmt: skip

    def __init__(self, origin: i64, low: i64, count: i64, rises: bool) -> None:
        self.origin: i64 = origin
        self.low: i64 = low
        self.count: i64 = count
        self.rises = rises
        self.parent_origin: i64 = 0
        self.parent: i64 = 0
        self.left = False
        self.rank_origin: i64 = origin
        self.rank: i64 = low
        self.known = True
        self.before: i64 = NONE
        self.after: i64 = NONE

    def has(self, origin: i64, number: i64) -> bool:
        """Is this element in the span?"""
        return origin == self.origin and self.low <= number < self.low + self.count

    def first(self) -> i64:
        """The number of the element that stands first."""
        return self.low if self.rises else self.low + self.count - 1

    def last(self) -> i64:
        """The number of the element that stands last."""
        return self.low + self.count - 1 if self.rises else self.low


GONE: Final = Span(0, 0, 0, True)  # at places that are free


class Numbers:
    """The spans of one stream by number, and when its elements were put in.

    Element n was put in at stamps[i], births[i] being the greatest birth up to n. Numbers before
    births[0] were put in so long ago that every member has them.
    """

    def __init__(self) -> None:
        self.lows: list[int] = []
        self.places: list[int] = []
        self.births: array[int] = array("q")
        self.stamps: array[int] = array("q")

    def note(self, first: i64, stamp: i64) -> None:
        """Elements from `first` on were put in at this stamp."""
        births = self.births
        if not births or births[-1] < first:
            if not births or self.stamps[-1] != stamp:
                births.append(first)
                self.stamps.append(stamp)
            return
        at = bisect_left(births, first)
        if births[at] != first:
            births.insert(at, first)
            self.stamps.insert(at, stamp)

    def seen_below(self, stamp: i64) -> i64:
        """Elements below this number were put in up to this stamp; NONE: all."""
        at = bisect_right(self.stamps, stamp)
        return NONE if at == len(self.stamps) else i64(self.births[at])

    def forget_below(self, count: i64) -> None:
        """The first so many births are not needed any more: every member has these elements."""
        del self.births[:count]
        del self.stamps[:count]

    def is_empty(self) -> bool:
        """Has the list nothing of the stream, and nothing to remember of it?"""
        return not self.lows and not self.births

    def stamp_of(self, number: i64) -> i64:
        """When an element was put in, 0 where every member has it."""
        at = bisect_right(self.births, number)
        return 0 if at == 0 else i64(self.stamps[at - 1])


class Mark:
    """Spans that were dead when this node had applied so much: places, with lowest number and how
    many."""

    def __init__(self, row: bytes) -> None:
        self.row = row
        self.dead: list[tuple[int, int, int]] = []
