"""Parked places: fields and members past their deadline, which the mesh may yet let live longer.
[compiled]

A node of a mesh does not drop a place at its deadline: a write that gives it a longer one may be
under way (semantics.md 4.11). It is parked in its value (values/member_deadlines.py), where no
command sees it. Before a peer's write is carried out its places are in sight again, and after it
those that are still past their deadline are parked anew. A client that makes such a place anew
removes the old one first, as everything that it had seen.
"""

from __future__ import annotations

from typing import Final, cast

from librt.strings import read_i64_le
from mypy_extensions import i64

from node.store.effect import (
    CREATION,
    DROP,
    HDEL,
    HEXPIRE,
    HINCR,
    HSET,
    MERGE,
    OPS,
    PUT,
    SADD,
    SREM,
    ZADD,
    ZINCR,
    ZMAX,
    ZMIN,
    ZREM,
    Effect,
)  # fmt: skip
from node.store.entry import Entry
from node.store.values.container import Container
from node.store.values.member_deadlines import MemberDeadlines, Timed, latest
from node.store.values.zsets import ZSetValue

# These make places and leave their deadlines alone; HSET writes "no deadline" itself.
MAKES_PLACES: Final = [op in (SADD, HINCR, ZADD, ZMAX, ZMIN, ZINCR) for op in range(OPS)]
# By op that makes places, what removes them: that of one type of value.
REMOVED_BY: Final[dict[int, int]] = {
    SADD: SREM, HINCR: HDEL, ZADD: ZREM, ZMAX: ZREM, ZMIN: ZREM, ZINCR: ZREM,
}  # fmt: skip
# These clear whatever is under the key.
CLEARS_KEY: Final = [op in (PUT, DROP, MERGE) for op in range(OPS)]


def named_places(effect: Effect) -> list[bytes]:
    """The fields or members that an effect names; [] for an op that names none."""
    op = effect.op
    payload = effect.value
    number = effect.number
    if op == HEXPIRE:
        return cast(Timed, payload).names
    if op == HINCR:
        return [payload if isinstance(payload, bytes) else cast(list[bytes], payload)[0]]
    if op == ZINCR:
        return [cast(list[bytes], payload)[1]]
    if op == SADD or op == SREM or op == HDEL or op == ZREM:
        return cast(list[bytes], payload)[int(number) :]
    if op == HSET:
        return cast(list[bytes], payload)[int(number) :: 2]
    if op == ZADD or op == ZMAX or op == ZMIN:
        return cast(list[bytes], payload)[int(number) + 1 :: 2]
    return []


def forgotten_places(value: object, effect: Effect) -> list[bytes]:
    """Places that a client's effect is about to make, which are not there but remembered."""
    if not isinstance(value, Container) or value.deadlines is None:
        return []
    deadlines = value.deadlines
    if not deadlines.remembers():
        return []
    return [
        name for name in named_places(effect)
        if (name in deadlines.parked or name in deadlines.claims) and not value.has(name)
    ]  # fmt: skip


def removal_of(value: object) -> i64:
    """The op that removes places of such a value."""
    kind = value.kind() if isinstance(value, Container) else b""
    if kind == b"hash":
        return HDEL
    return ZREM if kind == b"zset" else SREM


class Unparked:
    """Places that are in sight while a peer's write is carried out."""

    def __init__(self, value: Container, names: list[bytes]) -> None:
        self.value = value
        self.names = names

    def park(self, now_ms: i64) -> None:
        """Those still past their deadline are out of sight again."""
        value = self.value
        for name in self.names:
            deadline_ms = value.deadline_of(name)
            deadlines = value.deadlines
            if deadlines is not None and 0 < deadline_ms < now_ms and value.has(name):
                deadlines.of.pop(name, 0)
                deadlines.do_park(name, value.slot(name), deadline_ms)
                value.do_hide(name)


def unpark(entry: Entry, effect: Effect, row: bytes) -> list[Unparked]:
    """Brings those places in sight that a peer's effect may concern.

    A place that the effect makes goes where its writer had seen all of its deadlines pass.
    """
    every = CLEARS_KEY[effect.op] or (effect.flags & CREATION) != 0
    found: list[Unparked] = []
    for value in parking_values(entry):
        deadlines = value.deadlines
        assert deadlines is not None
        names = list(deadlines.parked)
        if not every:
            names = named_places(effect)
            if MAKES_PLACES[effect.op] and REMOVED_BY[int(effect.op)] == removal_of(value):
                for name in names:
                    if name in deadlines.parked and saw_pass(deadlines, name, effect, row):
                        value.lost([name], 0)
        names = [name for name in names if value.do_unpark(name)]
        if names:
            found.append(Unparked(value, names))
    return found


def saw_pass(deadlines: MemberDeadlines, name: bytes, effect: Effect, row: bytes) -> bool:
    """Had the writer seen every claim of a parked place, and was the place past all of them?"""
    claims = deadlines.claims.get(name, [])
    for each in claims:
        place = each.origin << 3
        if each.origin == effect.origin or each.stamp == 0:
            continue
        if place + 8 > len(row) or each.stamp > read_i64_le(row, place):
            return False
    return 0 < latest(claims) < effect.stamp >> 20


def unpark_all(entry: Entry) -> None:
    """Brings all places in sight: the key is merged with another node's knowledge of it. Whoever
    looks at it next finds which have passed."""
    for value in parking_values(entry):
        deadlines = value.deadlines
        assert deadlines is not None
        for name in list(deadlines.parked):
            value.do_unpark(name)


def parking_values(entry: Entry) -> list[Container]:
    """The values of an entry, shown or hidden, that have parked places."""
    values: list[object] = [entry.value]
    dots = entry.dots
    if dots is not None and dots.hidden is not None:
        values += dots.hidden
    found: list[Container] = []
    for value in values:
        if isinstance(value, Container):
            deadlines = value.deadlines
            if deadlines is not None and deadlines.parked:
                found.append(value)
    return found


def still_known(entry: Entry, old: object) -> bool:
    """A value whose last place went is kept where the mesh remembers places of it."""
    if entry.value is None and isinstance(old, Container) and old.remembers():
        entry.value = old
        return True
    return False


def parked_scores(deadlines: MemberDeadlines) -> ZSetValue:
    """The parked members of a sorted set as one of their own, with their dots."""
    value = ZSetValue()
    for place, slot in deadlines.parked.items():
        value.do_restore(place, slot)
    value.dotted = True
    return value
