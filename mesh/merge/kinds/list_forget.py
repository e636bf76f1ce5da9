"""What a list needs to know no more: anchors, births and assignments that every member has on disk.
[compiled]

Whoever writes an element that is not here yet has seen all that is stable, so it names no element
whose removal is. Such an anchor goes, unless it holds two others apart. When an element was
removed is not remembered, only each stream's last removal. Where that says nothing (a transfer, a
file), what is dead is marked with what this node has applied by now, and goes once that is stable.
"""

from __future__ import annotations

from mypy_extensions import i64

from mesh.merge.covers import Cover
from node.store.values.list_places import Living
from node.store.values.lists import ListValue
from node.store.values.order import Mark, Order


def forget_list(value: ListValue, cut: Cover) -> None:
    """Forgets what the cut covers, and marks what can go later."""
    order = value.order
    if order is None:
        return
    forget_births(order, cut)
    forget_registers(value, cut)
    mark = order.mark
    if mark is not None:
        if not cut.has_row(mark.row):
            return
        order.mark = None
        forget_anchors(value, order, mark)
    if order.unclear:
        mark = marked(value, order)
        if mark is None or mark.row:  # a list that no rule has met yet says nothing of streams
            order.mark = mark
            order.unclear = False
    elif all(cut.has(stamp, origin) for origin, stamp in order.removed.items()):
        mark = marked(value, order)
        if mark is not None:
            forget_anchors(value, order, mark)


def forget_births(order: Order, cut: Cover) -> None:
    """When elements were put in that every member has."""
    for origin, numbers in order.numbers.items():
        count = 0
        for stamp in numbers.stamps:
            if not cut.has(stamp, origin):
                break
            count += 1
        if count:
            numbers.forget_below(count)


def forget_registers(value: ListValue, cut: Cover) -> None:
    """Assignments to elements that are here: what shows is the element's from now on."""
    registers = value.registers
    order = value.order
    if registers is None or order is None:
        return
    stable = [
        name for name, assigned in registers.items()
        if order.knows(*name) and all(cut.has(each.stamp, each.origin) for each in assigned)
    ]  # fmt: skip
    for name in stable:
        del registers[name]
    if not registers:
        value.registers = None


def marked(value: ListValue, order: Order) -> Mark | None:
    """The spans without living elements; None where none of them could go."""
    could = False
    living = Living(value.chunks, True)
    mark = Mark(order.ranks.vector_row())
    at = order.head
    while at >= 0:
        span = order.spans[at]
        if living.pass_over(span) == 0 and span.known:
            mark.dead.append((int(at), int(span.low), int(span.count)))
            could = could or may_go(order, at)
        at = span.after
    return mark if could else None


def may_go(order: Order, place: i64) -> bool:
    """Does a span hold no two others apart?"""
    span = order.spans[place]
    heads = order.kids.get((int(span.origin), int(span.first()), True))
    tails = order.kids.get((int(span.origin), int(span.last()), False))
    count = 0 if heads is None else len(heads)
    return count + (0 if tails is None else len(tails)) < 2


def forget_anchors(value: ListValue, order: Order, mark: Mark) -> None:
    """The spans of a mark go, again and again: what holds two apart goes once one of them has."""
    moved = value.moved
    dead = mark.dead
    before = len(dead) + 1
    while len(dead) < before:
        before = len(dead)
        left: list[tuple[int, int, int]] = []
        for place, low, count in reversed(dead):
            span = order.spans[place]
            if span.low != low or span.count != count:
                continue  # it was split or went on: it is looked at again
            origin = int(span.origin)
            if not order.forget(place):
                left.append((place, low, count))
            elif moved is not None:
                for number in range(low, low + count):
                    moved.pop((origin, number), None)
        left.reverse()
        dead = left
    if moved is not None and not moved:
        value.moved = None
