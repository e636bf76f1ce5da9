"""Mutations of single places' deadlines: HEXPIRE, and LAPSE where not the whole key goes.
[compiled]"""

from __future__ import annotations

from typing import cast

from mypy_extensions import i64

from node.store.effect import Effect
from node.store.entry import Claim, Entry
from node.store.mutation import Mutation
from node.store.values.container import Container
from node.store.values.member_deadlines import Lapsed, MemberDeadlines, Timed
from node.store.values.zsets import ZSetValue


class ExpireFields(Mutation):
    """HEXPIRE: deadlines of hash fields, and of members (KeyDB's EXPIREMEMBER).

    Places that are not there get none; returns how many there were.
    """

    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = entry.value
        if not isinstance(value, Container):
            return 0
        deadline_ms = int(effect.number)
        dot = effect.dot
        found: i64 = 0
        for name in cast(Timed, effect.value).names:
            if value.has(name):
                if dot is None:
                    value.do_set_deadline(name, deadline_ms)
                else:
                    value.do_claim(name, [Claim(dot.stamp, dot.origin, deadline_ms)])
                found += 1
        return found


class LapsePlaces(Mutation):
    """LAPSE with a payload: takes out what is past its deadline; returns how many."""

    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = entry.value
        if not isinstance(value, Container):
            return 0
        deadlines = value.deadlines
        if deadlines is None:
            return 0
        lapsed = cast(Lapsed, effect.value)
        if lapsed.parks:
            return park_due(value, deadlines, lapsed)
        names = deadlines.do_take_due(lapsed.now_ms, lapsed.most)
        lapsed.names = names
        if isinstance(value, ZSetValue):
            value.do_remove(names, 0)
        else:
            value.do_remember(names, 0, value.size())
            for name in names:
                value.do_take(name)
        value.lost(names, 0)
        if value.size() == 0:
            entry.value = None
        return len(names)


def park_due(value: Container, deadlines: MemberDeadlines, lapsed: Lapsed) -> i64:
    """In a mesh: what is past its deadline is out of sight, its dots and claims stay."""
    due = deadlines.do_take_due_timed(lapsed.now_ms, lapsed.most)
    names = [name for name, _ in due]
    lapsed.names = names
    value.do_remember(names, 0, value.size())
    for name, deadline_ms in due:
        deadlines.do_park(name, value.slot(name), deadline_ms)
        value.do_hide(name)
    return len(names)
