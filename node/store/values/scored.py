"""Scored: a sorted set's member with who wrote its score, as it is kept while the mesh is on.
[compiled]

A member's slot is a plain float where nothing is remembered: on a node alone, and where every node
has it. It is Scored where its score is one register with a dot, SpelledScore where there is more to
know: concurrent registers, increments (semantics.md 4.5).

What shows is the register plus the increments, added exactly and rounded once, so no order of
arrival makes a difference. A sum beyond the largest float shows as infinity until it comes back.
Infinity swallows what is finite; infinities of both signs make 0, as in ZUNIONSTORE: nan never
shows.
"""

from __future__ import annotations

from typing import Any, Final, cast

from mypy_extensions import i16, i64, mypyc_attr

INFINITY: Final = float("inf")
GREATEST: Final = 1.7976931348623157e308  # there is
# Bytes of the objects here, with the places in lists that name them.
SCORED_BYTES: Final = 48
SPELLED_BYTES: Final = 240
STEP_BYTES: Final = 48

# How a register was written. Of concurrent ones the newest shows, but of those that were all
# written with ZADD GT the greatest, with LT the least.
SET: Final[i16] = 0
RAISED: Final[i16] = 1
LOWERED: Final[i16] = 2


@mypyc_attr(acyclic=True)
class Scored:
    """A score with its register's dot. `score` is the very float object that the ranking holds."""

    __slots__ = ("how", "origin", "score", "stamp")

    def __init__(self, score: Any, stamp: i64, origin: i64, how: i16) -> None:
        self.score: Any = score
        self.stamp: i64 = stamp
        self.origin: i16 = i16(origin)
        self.how: i16 = how

    def footprint(self) -> int:
        """Bytes in memory, the score apart."""
        return SCORED_BYTES


@mypyc_attr(acyclic=True)
class ScoreRegister:
    """One of several registers of a member; stamp 0: a score that every node has."""

    __slots__ = ("how", "origin", "score", "stamp")

    def __init__(self, score: float, stamp: i64, origin: i64, how: i16) -> None:
        self.score: float = score
        self.stamp: i64 = stamp
        self.origin: i64 = origin
        self.how: i16 = how


@mypyc_attr(acyclic=True)
class ScoreStep:
    """One ZINCRBY that no later write of the member had seen."""

    __slots__ = ("amount", "stamp")

    def __init__(self, amount: float, stamp: i64) -> None:
        self.amount: float = amount
        self.stamp: i64 = stamp


@mypyc_attr(acyclic=True)
class StreamSteps:
    """The steps of one stream, in the order of their stamps."""

    __slots__ = ("origin", "steps")

    def __init__(self, origin: i64) -> None:
        self.origin: i64 = origin
        self.steps: list[ScoreStep] = []


@mypyc_attr(acyclic=True)
class SpelledScore(Scored):
    """A member spelled out. Its registers stand the newest first; it may have none.

    `tail` belongs to a register without a dot: what the exact sum that was folded into it has
    beyond its score. The sum of tail and steps is kept as a fraction, `_top` over 2 to the power of
    `_bits`, and two counts of infinities, so that one more step costs the same however many there
    are.
    """

    __slots__ = ("_above", "_below", "_bits", "_top", "registers", "streams", "tail")

    def __init__(self) -> None:
        super().__init__(0.0, 0, 0, SET)
        self.registers: list[ScoreRegister] = []
        self.streams: list[StreamSteps] = []
        self.tail: list[float] = []
        self._top: Any = 0
        self._bits: Any = 0
        self._above: i64 = 0
        self._below: i64 = 0

    def footprint(self) -> int:
        size = SPELLED_BYTES + SCORED_BYTES * len(self.registers)
        for each in self.streams:
            size += SPELLED_BYTES + STEP_BYTES * len(each.steps)
        return size

    def is_counted(self) -> bool:
        """Has it steps?"""
        return len(self.streams) > 0

    def is_folded(self) -> bool:
        """Is it one register without a dot, and its tail?"""
        return not self.streams and len(self.registers) == 1 and self.registers[0].stamp == 0

    def set_tail(self, tail: list[float]) -> None:
        """Another tail, or none."""
        for amount in self.tail:
            self._count(amount, -1)
        for amount in tail:
            self._count(amount, 1)
        self.tail = tail

    def fold(self, before: i64) -> bool:
        """Makes one register without a dot of all registers, the tail and the steps up to a stamp.
        What shows stays. False: there is nothing to fold."""
        low = SpelledScore()
        count = 0
        for each in self.streams:
            for step in each.steps:
                if step.stamp > before:
                    break
                low._count(step.amount, 1)
                count += 1
        if count == 0 and (self.streams or not self.registers):
            return False
        register = shown_register(self.registers)
        low._count(0.0 if register is None else register.score, 1)
        for amount in self.tail:
            low._count(amount, 1)
        parts = low._parts()
        for each in self.streams:
            n: i64 = 0
            for step in each.steps:
                if step.stamp > before:
                    break
                n += 1
            self.drop_first(each, n)
        self.registers = [ScoreRegister(parts[0], 0, 0, SET)]
        self.set_tail(parts[1:])
        self.tidy()
        self.show()
        return True

    def _parts(self) -> list[float]:
        """The floats, the greatest first, whose sum this exactly is. Beside infinity nothing
        counts."""
        if self._above > 0:
            return [INFINITY, -INFINITY] if self._below > 0 else [INFINITY]
        if self._below > 0:
            return [-INFINITY]
        found: list[float] = []
        top = self._top
        bits = self._bits
        while top != 0 or not found:
            part = rounded(top, bits)
            if part == INFINITY:
                part = GREATEST
            elif part == -INFINITY:
                part = -GREATEST
            found.append(part)
            top, bits = plus(top, bits, part, -1)
        return found

    def add(self, amount: float, stamp: i64, origin: i64) -> None:
        """One more step; the stamps of a stream come in order. `show` tells what it makes."""
        found: StreamSteps | None = None
        for each in self.streams:
            if each.origin == origin:
                found = each
        if found is None:
            found = StreamSteps(origin)
            self.streams.append(found)
        found.steps.append(ScoreStep(amount, stamp))
        self._count(amount, 1)

    def drop_first(self, steps: StreamSteps, count: i64) -> None:
        """Takes back the first steps of a stream; where none is left `tidy` is to be called."""
        for step in steps.steps[:count]:
            self._count(step.amount, -1)
        del steps.steps[:count]

    def tidy(self) -> None:
        """Forgets streams without steps."""
        self.streams = [each for each in self.streams if each.steps]
        if not self.streams and not self.tail:
            self._top = 0
            self._bits = 0

    def show(self) -> None:
        """Works out the score, after a change."""
        register = shown_register(self.registers)
        base = 0.0
        if register is not None:
            base = register.score
            self.stamp = register.stamp
            self.origin = i16(register.origin)
            self.how = register.how
        self.score = self._total(base)

    def _count(self, amount: float, sign: i64) -> None:
        if amount == INFINITY:
            self._above += sign
        elif amount == -INFINITY:
            self._below += sign
        else:
            self._top, self._bits = plus(self._top, self._bits, amount, sign)

    def _total(self, base: float) -> float:
        above = self._above
        below = self._below
        if base == INFINITY:
            above += 1
        elif base == -INFINITY:
            below += 1
        if above > 0:
            return 0.0 if below > 0 else INFINITY
        if below > 0:
            return -INFINITY
        top, bits = plus(self._top, self._bits, base, 1)
        return rounded(top, bits)


def plus(top: Any, bits: Any, amount: float, sign: i64) -> tuple[Any, Any]:
    """The exact fraction `top` / 2**`bits`, with a finite float added (sign 1) or taken (-1)."""
    pair: Any = amount.as_integer_ratio()
    more: Any = pair[0]
    more_bits: Any = pair[1].bit_length() - 1
    if sign < 0:
        more = -more
    if more_bits > bits:
        return (top << (more_bits - bits)) + more, more_bits
    return top + (more << (bits - more_bits)), bits


def rounded(top: Any, bits: Any) -> float:
    """The float that is nearest to `top` / 2**`bits`; never minus zero."""
    if top == 0:
        return 0.0
    one: Any = 1
    try:
        return cast(float, top / (one << bits)) + 0.0
    except OverflowError:
        return INFINITY if top > 0 else -INFINITY


def shown_register(registers: list[ScoreRegister]) -> ScoreRegister | None:
    """Of registers that stand the newest first, the one that shows; None of none."""
    if not registers:
        return None
    best = registers[0]
    how = best.how
    if how == SET or len(registers) == 1:
        return best
    for each in registers:
        if each.how != how:
            return registers[0]
        if (how == RAISED and each.score > best.score) or (
            how == LOWERED and each.score < best.score
        ):
            best = each
    return best


def score_in(slot: Any) -> Any:
    """The score of a member's slot, a float; None of none."""
    if isinstance(slot, Scored):
        return slot.score
    return slot
