"""Mutations of sorted sets: ZADD, ZMAX, ZMIN, ZREM, ZINCR.  [compiled]

While the mesh is on (the effect has a dot) scores are written with it, and increments are
remembered one by one; a node alone adds plain floats as Redis does. Those that put scores return
how many changed and how many are new (values/zsets.py `changed_of`, `added_of`). A text that is
no score changes nothing.
"""

from __future__ import annotations

from typing import cast

from mypy_extensions import i16, i64

from node.store.effect import ZADD, ZMAX, Effect
from node.store.entry import Dot, Entry
from node.store.mutation import Mutation
from node.store.values.scored import LOWERED, RAISED, SET, Scored
from node.store.values.scores import read_score
from node.store.values.zsets import SAME, ZSetValue


class Zadd(Mutation):
    """ZADD, and with a condition on the score that is there ZMAX and ZMIN."""

    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = entry.value
        if not isinstance(value, ZSetValue):
            value = ZSetValue()
        dot = effect.dot
        if dot is not None:
            written = write_scores(value, effect, dot)
            entry.value = value if value.size() > 0 else None
            return written
        outcome = SAME
        op = effect.op
        arguments = cast(list[bytes], effect.value)
        i: i64 = effect.number
        n: i64 = len(arguments)
        while i + 1 < n:
            score = read_score(arguments[i])
            member = arguments[i + 1]
            i += 2
            if score != score:
                continue
            if op != ZADD:
                old = value.score_of(member)
                if old is not None and (score <= old if op == ZMAX else score >= old):
                    continue
            outcome += value.do_put(member, score)
        entry.value = value if value.size() > 0 else None
        return outcome


def write_scores(value: ZSetValue, effect: Effect, dot: Dot) -> i64:
    """Registers with their dot; the last pair of a member counts.

    Whoever wrote GT or LT has left out what it did not change, so nothing is compared here: what
    shows now was seen by the writer, or a rule of the mesh would have taken the matter in hand.
    """
    outcome = SAME
    op = effect.op
    how = how_of(op)
    arguments = cast(list[bytes], effect.value)
    i: i64 = effect.number
    n: i64 = len(arguments)
    while i + 1 < n:
        score = read_score(arguments[i])
        member = arguments[i + 1]
        i += 2
        if score == score:
            slot = Scored(score + 0.0, dot.stamp, dot.origin, how)
            outcome += value.do_write(member, slot, value.score_of(member))
    return outcome


def how_of(op: i64) -> i16:
    """How ZADD, ZMAX and ZMIN write their registers."""
    if op == ZADD:
        return SET
    return RAISED if op == ZMAX else LOWERED


class Zmax(Zadd):
    """A score counts where it is greater than the one there, or the member is new."""


class Zmin(Zadd):
    """A score counts where it is less than the one there, or the member is new."""


class Zrem(Mutation):
    """Returns how many members there were. A value that goes as a whole is left as it is: the
    writer frees it in slices."""

    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = entry.value
        if not isinstance(value, ZSetValue):
            return 0
        names = cast(list[bytes], effect.value)
        if value.names_all(names, effect.number) and not value.remembers():
            entry.value = None
            return value.size()
        removed = value.do_remove(names, effect.number)
        if value.size() == 0:
            entry.value = None
        return removed


class Zincr(Mutation):
    """Adds to a member's score, 0 for a new one. A sum that is no number changes nothing."""

    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = entry.value
        if not isinstance(value, ZSetValue):
            value = ZSetValue()
        increment, member = cast(list[bytes], effect.value)
        dot = effect.dot
        if dot is not None:
            amount = read_score(increment)
            if amount == amount:
                entry.value = value
                return value.do_count(member, amount, dot.stamp, dot.origin)
        old = value.score_of(member)
        score = read_score(increment)
        if old is not None:
            score += old
        outcome = SAME
        if score == score:
            outcome = value.do_put(member, score)
        entry.value = value if value.size() > 0 else None
        return outcome
