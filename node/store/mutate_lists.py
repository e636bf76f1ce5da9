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
from node.store.values.list_effects import AT_END, Assigned, Inserted, Pushed, Removed
from node.store.values.list_places import open_order, put_anywhere
from node.store.values.lists import ListValue
from node.store.values.order import Order
from node.store.values.runs import Run


class Push(Mutation):
    """Returns the new length. A peer's elements go where the list's order says."""

    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = list_in(entry)
        pushed = cast(Pushed, effect.value)
        count: i64 = len(pushed.items) - pushed.begin
        run: Run | None = None
        if pushed.first != 0:
            run = Run(effect.origin, pushed.first, 1, count)
        elif pushed.kept is not None:
            run = Run(pushed.kept.origin, pushed.kept.first, 1, 1)
        order: Order | None = None
        if pushed.first != 0:
            order = open_order(value, pushed.ranks)
        if order is None or run is None:
            if pushed.position != AT_END:
                put_at(value, pushed.items, pushed.begin, pushed.position)
            else:
                value.do_push(pushed.items, pushed.begin, pushed.at_head, run)
            return value.length
        if effect.origin == 0 and pushed.beside is None:
            pushed.beside = end_of(value, pushed.at_head)
        self._put(value, order, effect, pushed, run)
        if pushed.kept is not None:
            value.do_note_move(run, pushed.kept, effect.index)
        if value.registers is not None:
            assign_late(value, run)
        return value.length

    def _put(
        self, value: ListValue, order: Order, effect: Effect, pushed: Pushed, run: Run
    ) -> None:
        order.of(run.origin).note(run.first, effect.stamp)
        beside = pushed.beside
        at_head = pushed.at_head
        if order.strangers == 0 and (
            effect.origin == 0 or value.length == 0 or is_same(beside, end_of(value, at_head))
        ):
            origin: i64 = 0
            number: i64 = 0
            if beside is not None:
                origin = beside.origin
                number = beside.first
            order.put(run.origin, run.first, run.count, origin, number, at_head)
            value.do_push(pushed.items, pushed.begin, at_head, run)
            return
        before = value.length
        position = put_anywhere(value, order, pushed.items, pushed.begin, run, beside, at_head)
        if position != (0 if at_head else before):
            pushed.position = position


class Insert(Mutation):
    """Returns the new length. A peer's element goes where the list's order says."""

    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = list_in(entry)
        inserted = cast(Inserted, effect.value)
        position = inserted.position
        if position < 0:
            position = 0
        if position > value.length:
            position = value.length
        run: Run | None = None
        order: Order | None = None
        if inserted.first != 0:
            run = Run(effect.origin, inserted.first, 1, 1)
            order = open_order(value, inserted.ranks)
        if order is None or run is None:
            value.do_insert(position, inserted.item, run)
            inserted.position = position
            return value.length
        order.of(run.origin).note(run.first, effect.stamp)
        if effect.origin == 0 and inserted.left is None and inserted.right is None:
            choose_neighbour(value, order, inserted, position)
        left = inserted.left is None and inserted.right is not None
        beside = inserted.right if left else inserted.left
        if effect.origin == 0 and order.strangers == 0:
            if beside is None:
                order.put(run.origin, run.first, 1, 0, 0, False)
            else:
                order.put(run.origin, run.first, 1, beside.origin, beside.first, left)
            value.do_insert(position, inserted.item, run)
        else:
            items = [inserted.item]
            position = put_anywhere(value, order, items, 0, run, beside, left)
        inserted.position = position
        if value.registers is not None:
            assign_late(value, run)
        return value.length


class Remove(Mutation):
    """Returns how many elements went."""

    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = entry.value
        if not isinstance(value, ListValue):
            return 0
        removed = cast(Removed, effect.value)
        length = value.length
        if value.order is not None:
            value.order.note_removal(effect.origin, effect.stamp)
        removed.length = length
        named = len(removed.runs) > 0
        if named and value.identified:
            if not removed.located:
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
                value.do_forget(removed.runs)
                return 1
            if count == length:
                if not named:
                    removed.runs = [run for run in value.runs() if run.first != 0]
                removed.left = value.shell()
                entry.value = None
                return length
        if not spans:
            return 0
        runs = value.do_remove(spans)
        if not named:
            removed.runs = runs
        value.do_forget(removed.runs)
        if value.length == 0:
            removed.left = value.shell()
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


def end_of(value: ListValue, at_head: bool) -> Run | None:
    """Who is at an end; None where the list is empty."""
    return value.identity_at(0 if at_head else value.length - 1)


def is_same(one: Run | None, other: Run | None) -> bool:
    """Is it one element?"""
    if one is None or other is None:
        return False
    return one.origin == other.origin and one.first == other.first


def choose_neighbour(value: ListValue, order: Order, inserted: Inserted, position: i64) -> None:
    """Next to which neighbour an element is put before the one at `position`."""
    left = value.identity_at(position - 1)
    right = value.identity_at(position)
    if right is not None and (
        left is None or order.goes_left(left.origin, left.first, right.origin, right.first)
    ):
        inserted.right = right
    else:
        inserted.left = left


def put_at(value: ListValue, items: list[bytes], begin: i64, position: i64) -> None:
    """Puts items[begin:] before the one at `position` (a file's command read back)."""
    at = position if position < value.length else value.length
    n: i64 = len(items)
    i = begin
    while i < n:
        value.do_insert(at + i - begin, items[i], None)
        i += 1


def assign_late(value: ListValue, run: Run) -> None:
    """Elements have come to which was assigned before: the newest assignment shows."""
    registers = value.registers
    if registers is None:
        return
    number = run.first
    while number < run.first + run.count:
        assigned = registers.get((int(run.origin), int(number)))
        if assigned:
            spans = value.positions_of([Run(run.origin, number, 1, 1)])
            if spans:
                # The newest stands last.
                value.do_assign(i64(spans[0][0]), cast(bytes, assigned[-1].value))
        number += 1


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
