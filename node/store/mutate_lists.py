"""Mutations of lists.  [compiled]

A client's effect names elements by position, a peer's by identity: what is not here any more is
passed over.
"""

from __future__ import annotations

from typing import cast

from mypy_extensions import i64

from node.store.effect import Effect
from node.store.entry import Entry
from node.store.mutation import Mutation
from node.store.values.lists import Assigned, Inserted, ListValue, Pushed, Removed, Run


class Push(Mutation):
    """Returns the new length."""

    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = list_in(entry)
        pushed = cast(Pushed, effect.value)
        run: Run | None = None
        if pushed.kept is not None:
            run = Run(pushed.kept.origin, pushed.kept.first, 1, 1)
        elif pushed.first != 0:
            run = Run(effect.origin, pushed.first, 1, len(pushed.items) - pushed.begin)
        if run is not None and effect.origin == 0 and pushed.beside is None:
            pushed.beside = value.identity_at(0 if pushed.at_head else value.length - 1)
        value.do_push(pushed.items, pushed.begin, pushed.at_head, run)
        return value.length


class Insert(Mutation):
    """Returns the new length. A peer's element goes behind its left neighbour, else before its
    right one, else to its position."""

    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = list_in(entry)
        inserted = cast(Inserted, effect.value)
        position = inserted.position
        left = inserted.left
        right = inserted.right
        if effect.origin == 0 and left is None and right is None:
            inserted.left = value.identity_at(position - 1)
            inserted.right = value.identity_at(position)
        elif left is not None or right is not None:
            position = place_between(value, left, right, position)
        if position < 0:
            position = 0
        if position > value.length:
            position = value.length
        inserted.position = position
        run: Run | None = None
        if inserted.first != 0:
            run = Run(effect.origin, inserted.first, 1, 1)
        value.do_insert(position, inserted.item, run)
        return value.length


class Remove(Mutation):
    """Returns how many elements went."""

    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = entry.value
        if not isinstance(value, ListValue):
            return 0
        removed = cast(Removed, effect.value)
        length = value.length
        removed.length = length
        named = len(removed.runs) > 0
        if named and value.identified:
            removed.spans = value.positions_of(removed.runs)
        else:
            removed.spans = resolved(removed.spans, length)
        spans = removed.spans
        if len(spans) == 1:
            begin = i64(spans[0][0])
            count = i64(spans[0][1])
            if count == 1 and length > 1 and (begin == 0 or begin == length - 1):
                run = value.do_pop(begin == 0)
                if not named and run is not None and run.first != 0:
                    removed.runs.append(run)
                return 1
            if count == length:
                if not named:
                    removed.runs = [run for run in value.runs() if run.first != 0]
                entry.value = None
                return length
        if not spans:
            return 0
        runs = value.do_remove(spans)
        if not named:
            removed.runs = runs
        if value.length == 0:
            entry.value = None
        return length - value.length


class Assign(Mutation):
    """Returns 1, or 0 where the element is not here any more."""

    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = entry.value
        if not isinstance(value, ListValue):
            return 0
        assigned = cast(Assigned, effect.value)
        position = assigned.position
        run = assigned.run
        if run is not None and value.identified:
            spans = value.positions_of([run])
            if not spans:
                return 0
            position = i64(spans[0][0])
        elif position < 0:
            position += value.length
        if position < 0 or position >= value.length:
            return 0
        assigned.position = position
        if run is None:
            assigned.run = value.identity_at(position)
        value.do_assign(position, assigned.item)
        return 1


def list_in(entry: Entry) -> ListValue:
    """The entry's list; a new one in place of whatever else was there."""
    value = entry.value
    if isinstance(value, ListValue):
        return value
    fresh = ListValue()
    entry.value = fresh
    return fresh


def place_between(value: ListValue, left: Run | None, right: Run | None, position: i64) -> i64:
    """Where an element goes that was inserted between these two, as far as they are here."""
    if left is not None:
        spans = value.positions_of([left])
        if spans:
            return i64(spans[0][0] + 1)
    if right is not None:
        spans = value.positions_of([right])
        if spans:
            return i64(spans[0][0])
    return position


def resolved(spans: list[tuple[int, int]], length: i64) -> list[tuple[int, int]]:
    """The spans of a list of this length: counted from its head, inside it, ascending and apart."""
    if len(spans) == 1:
        begin, count = spans[0]
        if begin >= 0 and count > 0 and begin + count <= length:
            return spans
    found: list[tuple[int, int]] = []
    size = int(length)
    done = 0
    for begin, count in spans:
        end = begin + count + (size if begin < 0 else 0)
        if begin < 0:
            begin += size
        begin = max(begin, done)
        end = min(end, size)
        if begin < end:
            found.append((begin, end - begin))
            done = end
    return found
