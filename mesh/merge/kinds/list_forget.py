"""What a list needs to know no more: anchors, births and assignments that every member has on disk.
[compiled]

Whoever writes an element that is not here yet has seen all that is stable, so it names no element
whose removal is. Such an anchor goes, unless it holds two others apart. When an element was
removed is not remembered, only each stream's last removal, and at which heartbeat removals were
last carried out that left no such note (a transfer, a file). While those are not stable, as in a
list that is always written, what is dead is marked with what this node has applied by now, and goes
once that is stable.
"""

from __future__ import annotations

from mypy_extensions import i64

from mesh.merge.covers import Cover
from node.store.values.list_places import Living
from node.store.values.lists import ListValue
from node.store.values.order import Mark, Order
from node.store.values.runs import Wanted


def forget_list(value: ListValue, cut: Cover) -> None:
    """Forgets what the cut covers, marks what can go later, and says whether anything waits."""
    order = value.order
    if order is None:
        return
    order.take_lost()
    forget_births(order, cut)
    forget_registers(value, order, cut)
    forget_moves(value, order)
    order.waits = leave_anchors(value, order, cut)
    order.shed()


def leave_anchors(value: ListValue, order: Order, cut: Cover) -> bool:
    """Lets go of the anchors that nobody can name any more; True: others wait for the cut."""
    if order.unclear <= cut.beats and all(
        [cut.has(stamp, origin) for origin, stamp in order.removed.items()]
    ):
        order.mark = None
        order.unclear = 0
        order.removed.clear()
        forget_anchors(value, order, marked(value, order))
        return False
    mark = order.mark
    if mark is not None:
        if not cut.has_row(mark.row):
            return True
        forget_anchors(value, order, mark)
    mark = marked(value, order)
    could = any([may_go(order, i64(place)) for place, _, _ in mark.dead])
    order.mark = mark if could else None
    return could


def forget_births(order: Order, cut: Cover) -> None:
    """When elements were put in that every member has."""
    for origin, numbers in order.numbers.items():
        stamps = numbers.stamps
        count = 0
        end = len(stamps)
        while count < end:  # they ascend
            middle = (count + end) // 2
            if cut.has(stamps[middle], origin):
                count = middle + 1
            else:
                end = middle
        if count:
            numbers.forget_below(count)


def forget_registers(value: ListValue, order: Order, cut: Cover) -> None:
    """Assignments to elements that are here: what shows is the element's from now on. And to those
    that will never come."""
    registers = value.registers
    if registers is None:
        return
    stable = [
        name for name, assigned in registers.items()
        if (order.knows(*name) or order.ranks.is_lost(name[0]))
        and all([cut.has(each.stamp, each.origin) for each in assigned])
    ]  # fmt: skip
    for name in stable:
        del registers[name]
    if not registers:
        value.registers = None


def forget_moves(value: ListValue, order: Order) -> None:
    """Where removed elements came from, once every member knows the move."""
    moved = value.moved
    if moved is None:
        return
    gone = order.gone
    if order.unclear != 0:
        alive = Wanted(value.runs())
        gone = [name for name in moved if not alive.has(*name)]
    order.gone = []
    for name in gone:
        if order.of(name[0]).stamp_of(name[1]) != 0:
            order.gone.append(name)
        elif name in moved:
            del moved[name]
    if not moved:
        value.moved = None


def marked(value: ListValue, order: Order) -> Mark:
    """The spans without living elements."""
    living = Living(value.chunks, True)
    mark = Mark(order.ranks.write_row())
    at = order.head
    while at >= 0:
        span = order.spans[at]
        if living.pass_over(span) == 0 and span.known:
            mark.dead.append((int(at), int(span.low), int(span.count)))
        at = span.after
    return mark


def may_go(order: Order, place: i64) -> bool:
    """Does a span hold no two others apart?"""
    span = order.spans[place]
    heads = order.kids.get((int(span.origin), int(span.first()), True))
    tails = order.kids.get((int(span.origin), int(span.last()), False))
    count = 0 if heads is None else len(heads)
    return count + (0 if tails is None else len(tails)) < 2


def forget_anchors(value: ListValue, order: Order, mark: Mark) -> None:
    """The spans of a mark go, again and again: what holds two apart goes once one of them has."""
    dead = mark.dead
    before = len(dead) + 1
    while len(dead) < before:
        before = len(dead)
        left: list[tuple[int, int, int]] = []
        for place, low, count in reversed(dead):
            span = order.spans[place]
            if span.low != low or span.count != count:
                continue  # it was split or went on: it is looked at again
            if not order.forget(place):
                left.append((place, low, count))
        left.reverse()
        dead = left
