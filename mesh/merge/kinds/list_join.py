"""Two nodes' knowledge of one list become one: the rule of a full transfer.  [compiled]

An element stays that is alive on both sides, or on one and unknown to the other's vector. Both
orders are parts of one tree, so what one lacks is put in where it belongs.
"""

from __future__ import annotations

from typing import cast

from mypy_extensions import i64

from mesh.dots import Streams
from mesh.merge.covers import Cover
from node.store.entry import Register
from node.store.values.lists import ListValue
from node.store.values.order import Order
from node.store.values.runs import Run, add_run

Names = dict[int, dict[int, bytes]]


def join_lists(
    here: ListValue | None, there: ListValue | None, mine: Cover, theirs: Cover, streams: Streams
) -> ListValue:
    """The joined list: one of the two, changed; `there` is given away."""
    if here is None:
        here = ListValue()
    if there is None:
        there = ListValue()
    if here.order is None:
        here.order = Order(streams)
    order = here.order
    order.ranks = streams
    order.note_unclear()
    order.mark = None
    other = there.order
    moved = False
    if other is not None:
        moved = unite(order, other)
    ours = living(here)
    new = living(there)
    gone: list[Run] = []
    for origin, items in ours.items():
        met = new.get(origin)
        for number in items:
            if met is not None and number in met:
                continue
            if is_seen(order, theirs, origin, number):
                gone.append(Run(origin, number, 1, 1))
    come = False
    for origin, items in new.items():
        met = ours.get(origin)
        for number, item in items.items():
            if met is not None and number in met:
                continue
            if not is_seen(order, mine, origin, number):
                ours.setdefault(origin, {})[number] = item
                met = ours[origin]
                come = True
    for run in gone:
        del ours[int(run.origin)][int(run.first)]
    join_registers(here, there, mine, theirs, streams)
    if there.moved is not None:
        here.moved = there.moved if here.moved is None else {**there.moved, **here.moved}
    if come or moved:
        rebuild(here, order, ours)
    elif gone:
        here.do_remove(here.positions_of(gone))
    forget_dead(here, order, ours)
    show_registers(here)
    return here


def is_seen(order: Order, cover: Cover, origin: i64, number: i64) -> bool:
    """Is this element in what a node had applied? One that was put in long ago is."""
    stamp = order.of(origin).stamp_of(number)
    return cover.has(stamp, 0 if stamp == 0 else origin)


def living(value: ListValue) -> Names:
    """The living elements: their items by stream and number."""
    found: Names = {}
    items = value.range(0, value.length)
    at = 0
    for run in value.runs():
        count = int(run.count)
        if run.first != 0:
            first = int(run.first)
            step = int(run.step)
            mine = found.setdefault(int(run.origin), {})
            for i in range(count):
                mine[first + i * step] = items[at + i]
        at += count
    return found


def unite(order: Order, other: Order) -> bool:
    """Puts what another order has into this one; True where what was here may have moved."""
    strangers = order.strangers
    for origin, numbers in other.numbers.items():
        mine = order.of(origin)
        for i, birth in enumerate(numbers.births):
            mine.note(birth, numbers.stamps[i])
    for span in other.parents_first():
        if span.known:
            order.unite(span)
    return strangers != 0


def rebuild(value: ListValue, order: Order, items: Names) -> None:
    """The list has these items, in the order of their elements."""
    shown: list[bytes] = []
    runs: list[Run] = []
    for span in order.in_order():
        mine = items.get(int(span.origin))
        if not mine or not span.known:
            continue
        low = int(span.low)
        high = low + int(span.count)
        numbers = range(low, high) if span.rises else range(high - 1, low - 1, -1)
        for number in numbers:
            item = mine.get(number)
            if item is not None:
                shown.append(item)
                add_run(runs, Run(span.origin, number, 1, 1))
    value.chunks = []
    value.length = 0
    if shown:
        value.do_push(shown, 0, False, None)
        value.do_set_runs(runs)


def join_registers(
    here: ListValue, there: ListValue, mine: Cover, theirs: Cover, streams: Streams
) -> None:
    """What was assigned: the same rule, assignment by assignment."""
    ours = {} if here.registers is None else here.registers
    others = {} if there.registers is None else there.registers
    joined: dict[tuple[int, int], list[Register]] = {}
    for name in dict.fromkeys([*ours, *others]):
        one = ours.get(name, [])
        other = others.get(name, [])
        kept = [
            each for each in one
            if among(each, other) or not theirs.has(each.stamp, each.origin)
        ]  # fmt: skip
        kept += [
            each for each in other
            if not among(each, one) and not mine.has(each.stamp, each.origin)
        ]  # fmt: skip
        if kept:
            joined[name] = ascending(kept, streams)
    here.registers = joined if joined else None


def among(register: Register, others: list[Register]) -> bool:
    """Is the same assignment in the list?"""
    return any(each.stamp == register.stamp and each.origin == register.origin for each in others)


def ascending(registers: list[Register], streams: Streams) -> list[Register]:
    """Assignments with the one that shows last."""
    return sorted(
        registers, key=lambda each: (each.stamp, streams.all[each.origin].uuid)
    )


def forget_dead(value: ListValue, order: Order, items: Names) -> None:
    """Nothing is remembered of what was assigned to elements that are removed."""
    registers = value.registers
    if registers is None:
        return
    for origin, number in list(registers):
        mine = items.get(origin)
        if (mine is None or number not in mine) and order.knows(origin, number):
            del registers[origin, number]
    if not registers:
        value.registers = None


def show_registers(value: ListValue) -> None:
    """Every element shows what was assigned to it last."""
    registers = value.registers
    if registers is None:
        return
    for (origin, number), assigned in registers.items():
        for position, _ in value.positions_of([Run(origin, number, 1, 1)]):
            value.do_assign(position, cast(bytes, assigned[-1].value))
