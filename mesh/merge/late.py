"""Late writes: what was added to a list, sorted set or stream and is removed already by a write
that came here first.  [compiled]

The removal waits, as one of set members does (mesh/removals.py), by the names of what it removed:
members, or spans of elements (stream and number) and of entries (ID).
"""

from __future__ import annotations

from typing import Final, cast

from mypy_extensions import i64

from mesh.dots import Streams
from mesh.merge.rule import Memory
from mesh.removals import MEMBER, SPAN, Pending
from node.store.effect import (
    INSERT,
    PUSH,
    REMOVE,
    XADD,
    XDEL,
    ZADD,
    ZINCR,
    ZMAX,
    ZMIN,
    ZREM,
    Effect,
)  # fmt: skip
from node.store.values.lists import Inserted, Pushed, Removed
from node.store.values.runs import Run
from node.store.values.streams import Added, Deleted

Scope = tuple[int, bytes]
# Of a list element: a stream's uuid and eight bytes of number.
NAME_BYTES: Final = 24


def taken_scopes(effect: Effect, streams: Streams) -> list[Scope]:
    """What a removal names; nothing for what only changes what is there."""
    value = effect.value
    if effect.op == ZREM:
        return [(MEMBER, member) for member in cast(list[bytes], value)[int(effect.number) :]]
    if effect.op == REMOVE:
        return [(SPAN, span_of(run, streams)) for run in cast(Removed, value).runs]
    if effect.op == XDEL:
        deleted = cast(Deleted, value)
        scopes = [(SPAN, entry_name(number) * 2) for number in deleted.ids]
        if deleted.below > 0:
            scopes.append((SPAN, entry_name(0) + entry_name(deleted.below - 1)))
        return scopes
    return []


def element_name(origin: i64, number: i64, streams: Streams) -> bytes:
    """A list element by its identity; names of one stream are in the order of its numbers."""
    return streams.all[origin].uuid + int(number).to_bytes(8, "big")


def entry_name(number: int) -> bytes:
    """A stream's entry by its ID, in the order of IDs."""
    return number.to_bytes(16, "big")


def span_of(run: Run, streams: Streams) -> bytes:
    """A run's first and last name, in ascending order."""
    last = run.first + run.step * (run.count - 1)
    low = run.first if run.first < last else last
    high = run.first + last - low
    return element_name(run.origin, low, streams) + element_name(run.origin, high, streams)


def is_taken(memory: Memory, effect: Effect, kind: int, name: bytes) -> bool:
    """Does a removal wait that had seen this write and names this place?"""
    size = len(name)
    for pending in memory.removals.waiting(effect.db, effect.key):
        if not pending.covers(effect.stamp, effect.origin):
            continue
        if pending.stamp == effect.stamp and pending.origin == effect.origin:
            continue  # the same unit: its removals are in order with its adds
        for its_kind, place in pending.scopes:
            if its_kind != kind:
                continue
            if kind == MEMBER:
                if place == name:
                    return True
            elif len(place) == 2 * size and place[:size] <= name <= place[size:]:
                return True
    return False


def without_taken(memory: Memory, effect: Effect) -> Effect | None:
    """An add without what is removed already; None where nothing of it is left."""
    op = effect.op
    value = effect.value
    if op == ZADD or op == ZMAX or op == ZMIN:
        words = cast(list[bytes], value)
        left: list[bytes] = []
        for at in range(int(effect.number), len(words) - 1, 2):
            if not is_taken(memory, effect, MEMBER, words[at + 1]):
                left += words[at : at + 2]
        return part_of(effect, left) if left else None
    if op == ZINCR:
        member = cast(list[bytes], value)[1]
        return None if is_taken(memory, effect, MEMBER, member) else effect
    return effect


def part_of(effect: Effect, words: list[bytes]) -> Effect:
    """The same effect with fewer words."""
    part = Effect(
        effect.op, effect.db, effect.key, words, 0, effect.stamp, effect.origin, effect.index
    )
    part.flags = effect.flags
    return part


def taken_back(memory: Memory, effect: Effect) -> Effect | None:
    """The removal of what a PUSH, INSERT or XADD adds and is removed already; None for nothing.

    It is added first, so that neighbours stand where they should and a stream counts it.
    """
    if effect.op == XADD:
        number = cast(Added, effect.value).number
        trimmed = waiting_span(memory, effect, entry_name(number))
        if trimmed is None:
            return None
        entries = Deleted([number], 0, trimmed)
        return Effect(
            XDEL, effect.db, effect.key, entries, 0, effect.stamp, effect.origin, effect.index
        )
    return taken_elements(memory, effect)


def waiting_span(memory: Memory, effect: Effect, name: bytes) -> bool | None:
    """Is an entry removed already, and (True) by a trim of all before an ID?"""
    if not is_taken(memory, effect, SPAN, name):
        return None
    for pending in memory.removals.waiting(effect.db, effect.key):
        if (SPAN, name * 2) in pending.scopes:
            return False
    return True


def taken_elements(memory: Memory, effect: Effect) -> Effect | None:
    """The REMOVE of those elements of a PUSH or INSERT that are removed already; None for none."""
    origin = effect.origin
    first: i64 = 0
    count: i64 = 1
    if effect.op == PUSH:
        pushed = cast(Pushed, effect.value)
        kept = pushed.kept
        first = pushed.first
        count = len(pushed.items) - pushed.begin
        if kept is not None:
            origin = kept.origin
            first = kept.first
    elif effect.op == INSERT:
        first = cast(Inserted, effect.value).first
    if first == 0:
        return None
    streams = memory.streams
    runs: list[Run] = []
    number = first
    while number < first + count:
        if is_taken(memory, effect, SPAN, element_name(origin, number, streams)):
            runs.append(Run(origin, number, 1, 1))
        number += 1
    return removal_of(effect, runs) if runs else None


def removal_of(effect: Effect, runs: list[Run]) -> Effect:
    """A REMOVE of these elements."""
    removed = Removed([])
    removed.runs = runs
    return Effect(
        REMOVE, effect.db, effect.key, removed, 0, effect.stamp, effect.origin, effect.index
    )


def late_removals(db: i64, key: bytes, pending: Pending, streams: Streams) -> list[Effect]:
    """What a removal that waits takes out of values as a whole, as effects."""
    made: list[Effect] = []
    members = [place for kind, place in pending.scopes if kind == MEMBER]
    if members:
        made.append(Effect(ZREM, db, key, members, 0, pending.stamp, pending.origin, 0))
    runs: list[Run] = []
    deleted: list[Effect] = []
    for kind, place in pending.scopes:
        if kind != SPAN:
            continue
        size = len(place) // 2
        if size == NAME_BYTES:
            first = int.from_bytes(place[16:size], "big")
            last = int.from_bytes(place[size + 16 :], "big")
            origin = streams.of(place[:16]).number
            runs.append(Run(origin, i64(first), 1, i64(last - first + 1)))
            continue
        low = int.from_bytes(place[:size], "big")
        high = int.from_bytes(place[size:], "big")
        entries = Deleted([low]) if low == high else Deleted([], high + 1, True)
        deleted.append(Effect(XDEL, db, key, entries, 0, pending.stamp, pending.origin, 0))
    if runs:
        removed = Removed([])
        removed.runs = runs
        made.append(Effect(REMOVE, db, key, removed, 0, pending.stamp, pending.origin, 0))
    return made + deleted
