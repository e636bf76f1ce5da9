"""Places in a list by its order: what is put in anywhere but at an end, by peers.  [compiled]

The elements that are alive stand in the chunks in the order of node/store/values/order.py. So the
place of a new one is the number of living elements before it, counted from the nearer end.
"""

from __future__ import annotations

from mypy_extensions import i64

from node.store.values.chunks import Chunk
from node.store.values.lists import ListValue
from node.store.values.order import NONE, Order, Ranks, Span
from node.store.values.runs import Run, part_of


class Living:
    """The living elements of a list one after another, from its head or from its tail."""

    def __init__(self, chunks: list[Chunk], from_head: bool) -> None:
        self.chunks = chunks
        self.from_head = from_head
        self.chunk: i64 = 0 if from_head else len(chunks) - 1
        self.run: i64 = 0
        self.used: i64 = 0
        self.runs: list[Run] = []
        self._open()

    def _open(self) -> None:
        """Goes to the first run of the chunk, or of the next that has some."""
        n: i64 = len(self.chunks)
        while 0 <= self.chunk < n:
            runs = self.chunks[self.chunk].runs
            if runs:
                self.runs = runs
                self.run = 0 if self.from_head else len(runs) - 1
                return
            self.chunk += 1 if self.from_head else -1
        self.runs = []
        self.run = 0

    def pass_over(self, span: Span) -> i64:
        """Passes over what is alive of a span; how many these are."""
        found: i64 = 0
        while self.runs:
            run = self.runs[self.run]
            if run.origin != span.origin or run.first == 0:
                break
            step = run.step if run.count > 1 else 1
            number = run.first + step * self.used
            if not self.from_head:
                number = run.first + step * (run.count - 1 - self.used)
                step = -step
            if number < span.low or number >= span.low + span.count:
                break
            left = span.low + span.count - number if step > 0 else number - span.low + 1
            if left > run.count - self.used:
                left = run.count - self.used
            found += left
            self.used += left
            if self.used == run.count:
                self.used = 0
                self.run += 1 if self.from_head else -1
                if self.run < 0 or self.run == len(self.runs):
                    self.chunk += 1 if self.from_head else -1
                    self._open()
        return found


def living_before(value: ListValue, order: Order, place: i64, with_span: bool) -> i64:
    """How many living elements stand before a span, or before its end."""
    spans = order.spans
    ahead = spans[place].after
    back = spans[place].before
    while ahead != NONE and back != NONE:
        ahead = spans[ahead].after
        back = spans[back].before
    living = Living(value.chunks, ahead != NONE)
    count: i64 = 0
    if ahead != NONE:
        at = order.head
        while at != place:
            count += living.pass_over(spans[at])
            at = spans[at].after
        if with_span:
            count += living.pass_over(spans[place])
        return count
    at = order.tail
    while at != place:
        count += living.pass_over(spans[at])
        at = spans[at].before
    if not with_span:
        count += living.pass_over(spans[place])
    return value.length - count


def open_order(value: ListValue, ranks: Ranks | None) -> Order | None:
    """The list's order, made where there is none yet; None where no mesh is."""
    order = value.order
    if order is None:
        if ranks is None or value.length != 0:
            return None
        order = Order(ranks)
        value.order = order
    elif ranks is not None:
        order.ranks = ranks
    return order


def identify(value: ListValue, order: Order, origin: i64, first: i64, stamp: i64) -> i64:
    """Gives the elements without identity the numbers first, first + 1, ... of a stream, each next
    to its neighbours; returns how many. A node becomes active, or a whole list is put."""
    value.order = order
    before = value.runs()
    given = value.do_identify(origin, first)
    if given == 0:
        return 0
    order.of(origin).note(first, stamp)
    if not before:
        before = [Run(0, 0, 0, value.length)]
    number = first
    left_origin: i64 = 0
    left: i64 = 0
    n: i64 = len(before)
    i: i64 = 0
    while i < n:
        run = before[i]
        last = part_of(run, run.count - 1, 1)
        if run.first == 0:
            after = before[i + 1] if i + 1 < n else Run(0, 0, 0, 0)
            if order.goes_left(left_origin, left, after.origin, after.first):
                order.put(origin, number, 1, after.origin, after.first, True)
            else:
                order.put(origin, number, 1, left_origin, left, False)
            if run.count > 1:
                order.put(origin, number + 1, run.count - 1, origin, number, False)
            number += run.count
            last = Run(origin, number - 1, 1, 1)
        left_origin = last.origin
        left = last.first
        i += 1
    return given


def put_anywhere(
    value: ListValue, order: Order, items: list[bytes], begin: i64, run: Run, parent: Run | None,
    left: bool,
) -> i64:  # fmt: skip
    """Puts items[begin:] one by one where the order says; the position of the first in the list."""
    n: i64 = len(items)
    position: i64 = 0
    origin: i64 = 0
    number: i64 = 0
    if parent is not None:
        origin = parent.origin
        number = parent.first
    i = begin
    while i < n:
        single = Run(run.origin, run.first + i - begin, 1, 1)
        at = put_one(value, order, items[i], single, origin, number, left)
        if i == begin or at < position:
            position = at
        origin = single.origin
        number = single.first
        i += 1
    return position


def put_one(
    value: ListValue, order: Order, item: bytes, run: Run, origin: i64, number: i64, left: bool
) -> i64:
    """Puts one element where the order says, and brings along what waited for it."""
    known = order.find(run.origin, run.first)
    if known != NONE and order.spans[known].known:
        return value.length  # a stream gives a number once
    if known != NONE:
        bring(value, order, known, run, origin, number, left)
        place = known
    else:
        place = order.put(run.origin, run.first, 1, origin, number, left)
    span = order.spans[place]
    # It is the span's newest element: at the end of one that rises, else at its beginning.
    position = living_before(value, order, place, span.rises and span.count > 1)
    value.do_insert(position, item, run)
    return position


def bring(
    value: ListValue, order: Order, place: i64, run: Run, origin: i64, number: i64, left: bool
) -> None:
    """A parent has come that was only named so far: all below it goes where it belongs."""
    begin = order.first_below(place)
    end = order.last_below(place)
    first = living_before(value, order, begin, False)
    after = living_before(value, order, end, True)
    items = value.range(first, after)
    runs: list[Run] = []
    if items:
        runs = value.do_remove([(int(first), len(items))])
    order.put(run.origin, run.first, 1, origin, number, left)
    if not items:
        return
    at = living_before(value, order, begin, False)
    i = 0
    for each in runs:
        j: i64 = 0
        while j < each.count:
            value.do_insert(at + i, items[i], part_of(each, j, 1))
            i += 1
            j += 1
