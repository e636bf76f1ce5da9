"""Bounds: which ranks of a sorted set lie between two scores, two members or two ranks.
[compiled]"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.store.values.zsets import ZSetValue

# Lexicographic ranges are defined where all scores are equal. Of others Redis walks a set that it
# keeps packed from its first member on, and so is done here up to this size.
WALKED_MAX: Final = 128

LEAST: Final[i64] = -1  # of LexBound.kind: before every text
TEXT: Final[i64] = 0
GREATEST: Final[i64] = 1  # behind every text


class Bounds:
    """The subclasses say what the bounds are."""

    def span(self, value: ZSetValue, reverse: bool, offset: int) -> tuple[i64, i64]:
        """The ranks in between, from the first to before the second; equal where there are none.

        The first `offset` are left out, none remains where it is negative; the last ones with
        `reverse`. Two ranks know no offset; with `reverse` they count from the highest score.
        """
        return 0, 0


class RankBounds(Bounds):
    """Two ranks, both included; negative ones are counted from the end."""

    def __init__(self, start: int, stop: int) -> None:
        self.start = start
        self.stop = stop

    def span(self, value: ZSetValue, reverse: bool, offset: int) -> tuple[i64, i64]:
        size = value.size()
        start = self.start + size if self.start < 0 else self.start
        stop = self.stop + size if self.stop < 0 else self.stop
        start = max(start, 0)
        stop = min(stop, size - 1)
        if start > stop:
            return 0, 0
        if reverse:
            return size - 1 - stop, size - start
        return start, stop + 1


class ScoreBounds(Bounds):
    """Two scores, each included unless its end is open."""

    def __init__(self, low: float, low_open: bool, high: float, high_open: bool) -> None:
        self.low = low
        self.low_open = low_open
        self.high = high
        self.high_open = high_open

    def span(self, value: ZSetValue, reverse: bool, offset: int) -> tuple[i64, i64]:
        start = value.up_to(self.low) if self.low_open else value.below(self.low)
        stop = value.below(self.high) if self.high_open else value.up_to(self.high)
        return without(start, stop, reverse, offset)


class LexBound:
    """One end of a range of members."""

    def __init__(self, kind: i64, text: bytes, is_open: bool) -> None:
        self.kind: i64 = kind
        self.text = text
        self.is_open = is_open


class LexBounds(Bounds):
    """Two members, compared byte by byte."""

    def __init__(self, low: LexBound, high: LexBound) -> None:
        self.low = low
        self.high = high

    def span(self, value: ZSetValue, reverse: bool, offset: int) -> tuple[i64, i64]:
        size: i64 = value.size()
        if self.is_empty() or size == 0:
            return 0, 0
        first = value.scores(0, 1)[0]
        last = value.scores(size - 1, size)[0]
        if first != last and size <= WALKED_MAX:
            return self.walked(value.members(0, size), reverse, offset)
        start, stop = self.searched(value, first)
        return without(start, stop, reverse, offset)

    def is_empty(self) -> bool:
        """Can no member be in between?"""
        low = self.low
        high = self.high
        if low.kind == GREATEST or high.kind == LEAST:
            return True
        if low.kind != TEXT or high.kind != TEXT:
            return False
        if low.text == high.text:
            return low.is_open or high.is_open
        return low.text > high.text

    def searched(self, value: ZSetValue, score: float) -> tuple[i64, i64]:
        """The ranks in a sorted set whose scores are all equal."""
        low = self.low
        high = self.high
        start: i64 = 0
        stop: i64 = value.size()
        if low.kind == TEXT:
            start = value.before(score, low.text)
            if low.is_open and value.has(low.text):
                start += 1
        if high.kind == TEXT:
            stop = value.before(score, high.text)
            if not high.is_open and value.has(high.text):
                stop += 1
        return start, stop

    def walked(self, members: list[bytes], reverse: bool, offset: int) -> tuple[i64, i64]:
        """The ranks as Redis finds them, walking from one end, where scores differ.

        The members that `offset` leaves out are not compared with the other bound.
        """
        if offset < 0 or not self.reaches_low(members[-1]) or not self.reaches_high(members[0]):
            return 0, 0
        size: i64 = len(members)
        if reverse:
            stop = size
            while stop > 0 and not self.reaches_high(members[stop - 1]):
                stop -= 1
            if stop == 0 or not self.reaches_low(members[stop - 1]) or offset >= stop:
                return 0, 0
            stop -= offset
            begin = stop
            while begin > 0 and self.reaches_low(members[begin - 1]):
                begin -= 1
            return begin, stop
        start: i64 = 0
        while start < size and not self.reaches_low(members[start]):
            start += 1
        if start == size or not self.reaches_high(members[start]) or offset >= size - start:
            return 0, 0
        start += offset
        end = start
        while end < size and self.reaches_high(members[end]):
            end += 1
        return start, end

    def reaches_low(self, member: bytes) -> bool:
        """Is the member not before the lower bound?"""
        low = self.low
        if low.kind != TEXT:
            return low.kind == LEAST
        return member > low.text if low.is_open else member >= low.text

    def reaches_high(self, member: bytes) -> bool:
        """Is the member not behind the upper bound?"""
        high = self.high
        if high.kind != TEXT:
            return high.kind == GREATEST
        return member < high.text if high.is_open else member <= high.text


def without(start: i64, stop: i64, reverse: bool, offset: int) -> tuple[i64, i64]:
    """Ranks of which the first ones, or with `reverse` the last ones, are left out."""
    if offset < 0 or offset >= stop - start:
        return 0, 0
    if reverse:
        return start, stop - offset
    return start + offset, stop
