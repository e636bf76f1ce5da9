"""Two nodes' knowledge of a sorted set become one, so many members at a time.  [compiled]

A dot is kept that both have, or that one has and the other's vector does not cover (semantics.md 2,
"State merge"). A member without a dot is one that every node has: see mesh/merge/bare.py.
"""

from __future__ import annotations

from typing import Any, cast

from mypy_extensions import i64

from mesh.dots import Streams
from mesh.merge.bare import HERE, THERE, DotName, whose
from mesh.merge.covers import Cover
from mesh.merge.kinds.kind import Joining
from mesh.merge.kinds.zset_members import (
    add_register,
    has_bare,
    is_covered,
    registers_of,
    revise,
    write,
)
from node.store.values.scored import (
    Scored,
    ScoreRegister,
    ScoreStep,
    SpelledScore,
    StreamSteps,
    score_in,
)
from node.store.values.zsets import ZSetValue


class ZSetKeep(Joining):
    """Only one side has the value: what the other had seen of it was removed there."""

    def __init__(self, value: ZSetValue, cover: Cover) -> None:
        super().__init__()
        self.here = value
        self.value = value
        self.cover = cover
        self._chunks = value.chunks()

    def step(self, places: i64) -> bool:
        value = self.here
        cover = self.cover
        while self._chunks and places > 0:
            chunk = self._chunks.pop()
            places -= len(chunk)
            gone: list[bytes] = []
            spelled: list[bytes] = []
            for member, slot in chunk.items():
                if is_covered(slot, cover):
                    gone.append(member)
                elif isinstance(slot, SpelledScore):
                    spelled.append(member)
            if gone:
                value.do_remove(gone, 0)
            for member in spelled:
                revise(value, member, cover, None, None)
        if self._chunks:
            return False
        if value.size() == 0:
            self.value = None
        return True


class ZSetJoin(Joining):
    """What is here is changed in place, what is there is given away; members' deadlines are joined
    elsewhere (mesh/merge/place_deadlines.py)."""

    def __init__(
        self, here: ZSetValue, there: ZSetValue, mine: Cover, theirs: Cover, streams: Streams
    ) -> None:
        super().__init__()
        self.here = here
        self.value = here
        self.there = there
        self.mine = mine
        self.theirs = theirs
        self.streams = streams
        self._chunks = here.chunks()
        self._others = there.chunks()
        self._names: list[bytes] = []
        self._at: i64 = 0
        self._joins = True  # members that are here; afterwards those that only the peer has

    def step(self, places: i64) -> bool:
        while places > 0:
            if self._at >= len(self._names) and not self._next_names():
                if self.here.size() == 0:
                    self.value = None
                return True
            stop: i64 = len(self._names)
            if stop - self._at > places:
                stop = self._at + places
            places -= stop - self._at
            while self._at < stop:
                member = self._names[self._at]
                self._at += 1
                if self._joins:
                    self._join(member)
                elif not self.here.has(member):
                    self._take(member)
        return False

    def _next_names(self) -> bool:
        """The members of the next dict; a dict that is read does not change meanwhile."""
        self._at = 0
        if self._joins:
            if self._chunks:
                self._names = list(self._chunks.pop())
                return True
            self._joins = False
        if not self._others:
            return False
        self._names = list(self._others.pop())
        return True

    def _join(self, member: bytes) -> None:
        """A member that is here, with what the peer says of it."""
        value = self.here
        here: object = value.slot(member)
        there: object = self.there.slot(member)
        if there is None:
            revise(value, member, self.theirs, None, None)
            return
        if not is_same(here, there):
            if meets(here, there):
                self.differs += 1
            join_slots(value, member, there, self.mine, self.theirs, self.streams)

    def _take(self, member: bytes) -> None:
        """A member that only the peer has: what was not known here was written there."""
        other = self.there
        if is_covered(other.slot(member), self.mine):
            return
        revise(other, member, self.mine, None, None)
        slot: Any = other.slot(member)
        if isinstance(slot, Scored):
            self.here.do_write(member, slot, None)
        else:
            self.here.do_put(member, cast(float, slot))


def is_same(here: object, there: object) -> bool:
    """Do both sides remember one and the same register, or none?"""
    if isinstance(here, Scored) and isinstance(there, Scored):
        if isinstance(here, SpelledScore) or isinstance(there, SpelledScore):
            return False
        return here.stamp == there.stamp and here.origin == there.origin
    return not isinstance(here, Scored) and not isinstance(there, Scored)


def meets(here: object, there: object) -> bool:
    """Have two nodes each another newest register of a member, with another score?"""
    ours = registers_of(here)
    others = registers_of(there)
    if not ours or not others or ours[0].score == others[0].score:
        return False
    return ours[0].stamp != others[0].stamp or ours[0].origin != others[0].origin


def join_slots(
    value: ZSetValue, member: bytes, there: object, mine: Cover, theirs: Cover, streams: Streams
) -> None:
    """Makes of a member what both sides know of it."""
    here: object = value.slot(member)
    ours = registers_of(here)
    others = registers_of(there)
    choice = whose(
        has_bare(ours), has_bare(others), dots_of(ours, here), dots_of(others, there), mine, theirs
    )
    kept: list[ScoreRegister] = []
    for each in ours:
        if each.stamp == 0:
            if choice == HERE:
                kept.append(each)
        elif is_among(each, others) or not theirs.has(each.stamp, each.origin):
            kept.append(each)
    for each in others:
        if each.stamp == 0:
            if choice == THERE:
                add_register(kept, each, streams)
        elif not is_among(each, ours) and not mine.has(each.stamp, each.origin):
            add_register(kept, each, streams)
    steps: SpelledScore | None = None
    if isinstance(here, SpelledScore) or isinstance(there, SpelledScore):
        steps = joined_steps(here, there, mine, theirs)
        if choice == HERE and isinstance(here, SpelledScore):
            steps.set_tail(list(here.tail))
        elif choice == THERE and isinstance(there, SpelledScore):
            steps.set_tail(list(there.tail))
    write(value, member, kept, steps, score_in(here))


def dots_of(registers: list[ScoreRegister], slot: object) -> list[DotName]:
    """All dots of a member."""
    found = [(int(each.stamp), int(each.origin)) for each in registers if each.stamp != 0]
    if isinstance(slot, SpelledScore):
        for steps in slot.streams:
            found += [(int(step.stamp), int(steps.origin)) for step in steps.steps]
    return found


def is_among(register: ScoreRegister, others: list[ScoreRegister]) -> bool:
    """Is the same dot in the list?"""
    return any(each.stamp == register.stamp and each.origin == register.origin for each in others)


def joined_steps(here: object, there: object, mine: Cover, theirs: Cover) -> SpelledScore:
    """The steps that stay."""
    ours: list[StreamSteps] = here.streams if isinstance(here, SpelledScore) else []
    others: list[StreamSteps] = there.streams if isinstance(there, SpelledScore) else []
    made = SpelledScore()
    named = {int(each.origin): each.steps for each in others}
    for each in ours:
        origin = each.origin
        for step in both_steps(each.steps, named.pop(int(origin), []), origin, mine, theirs):
            made.add(step.amount, step.stamp, origin)
    for number, steps in named.items():
        for step in steps:
            if not mine.has(step.stamp, number):
                made.add(step.amount, step.stamp, number)
    return made


def both_steps(
    ours: list[ScoreStep], others: list[ScoreStep], origin: i64, mine: Cover, theirs: Cover
) -> list[ScoreStep]:
    """The steps of one stream that stay, in the order of their stamps."""
    known = {int(step.stamp) for step in ours}
    there = {int(step.stamp) for step in others}
    kept = [
        step for step in ours if int(step.stamp) in there or not theirs.has(step.stamp, origin)
    ]
    for step in others:
        if int(step.stamp) not in known and not mine.has(step.stamp, origin):
            kept.append(step)
    kept.sort(key=stamp_of)
    return kept


def stamp_of(step: ScoreStep) -> int:
    """To sort steps by."""
    return int(step.stamp)
