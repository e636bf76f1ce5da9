"""ListKind: what a list means to the mesh; docs/decisions/0018 has the rule of its order.
[compiled]

An element's dot is its identity: its stream's numbers ascend with its stamps, and the order knows
which number was given when. So what a write had seen of a list is, for each stream, the elements
below a number.
"""

from __future__ import annotations

from typing import Final, cast

from librt.strings import BytesWriter, write_i32_le
from mypy_extensions import i32, i64

from mesh.dots import Streams
from mesh.merge.covers import Cover
from mesh.merge.kinds.kind import Kind, Scope
from mesh.merge.kinds.list_bytes import (
    put_moves,
    put_order,
    put_registers,
    read_moves,
    read_order,
    read_registers,
)
from mesh.merge.kinds.list_forget import forget_list
from mesh.merge.kinds.list_join import join_lists
from mesh.packing import Source, put_dot
from mesh.removals import KEY, SPAN, Pending, Removals
from node.store.effect import Effect
from node.store.entry import Dot
from node.store.mutate_lists import assign_late
from node.store.values.list_places import identify, put_anywhere
from node.store.values.lists import ListValue
from node.store.values.order import NONE, Order, Ranks
from node.store.values.runs import Run, nameless, part_of
from node.store.values.value import Value

# Of a list element: a stream's uuid and eight bytes of number.
NAME_BYTES: Final = 24


class ListKind(Kind):
    """Lists: elements with identities, in one order."""

    def __init__(self) -> None:
        super().__init__()
        self.by_places = True

    def remembers(self, value: Value) -> bool:
        held = cast(ListValue, value)
        if held.length > 0 or held.registers is not None:
            return True
        order = held.order
        return order is not None and order.size() > 0

    def is_covered(self, value: Value, cover: Cover) -> bool:
        held = cast(ListValue, value)
        return held.length > 0 and not seen_spans(held, cover, False)

    def remains(self, value: Value) -> Value | None:
        return cast(ListValue, value).shell()

    def clear(self, value: Value, cover: Cover) -> None:
        held = cast(ListValue, value)
        spans = seen_spans(held, cover, True)
        if spans:
            held.do_forget(held.do_remove(spans))

    def clear_scopes(
        self, value: Value, scopes: list[Scope], cover: Cover, streams: Streams
    ) -> None:
        runs: list[Run] = []
        for kind, place in scopes:
            if kind == SPAN and len(place) == 2 * NAME_BYTES:
                low = int.from_bytes(place[16:NAME_BYTES], "big")
                high = int.from_bytes(place[NAME_BYTES + 16 :], "big")
                runs.append(Run(streams.of(place[:16]).number, low, 1, high - low + 1))
        if runs:
            take_out_late(cast(ListValue, value), runs)

    def overwrite(self, here: Value | None, effect: Effect, cover: Cover, late: Removals) -> Value:
        put = cast(ListValue, effect.value)
        value = ListValue() if here is None else cast(ListValue, here)
        self.clear(value, cover)
        order = value.order
        if order is None:
            order = Order(late.streams)
            value.order = order
        order.ranks = late.streams
        run = Run(effect.origin, cast(Dot, effect.dot).stamp, 1, put.length)
        order.of(run.origin).note(run.first, effect.stamp)
        items = put.range(0, put.length)
        if value.length == 0 and order.strangers == 0:
            order.put(run.origin, run.first, run.count, 0, 0, False)
            value.do_push(items, 0, False, run)
        else:
            put_anywhere(value, order, items, 0, run, None, False)
        assign_late(value, run)
        if late.count != 0:
            take_out_late(value, taken_runs(late, effect, run))
        return value

    def join(
        self, here: Value | None, there: Value | None, mine: Cover, theirs: Cover, streams: Streams
    ) -> Value | None:
        joined = join_lists(
            cast("ListValue | None", here), cast("ListValue | None", there), mine, theirs, streams
        )
        return joined if self.remembers(joined) else None

    def forget(self, value: Value, cut: Cover) -> None:
        forget_list(cast(ListValue, value), cut)

    def waits(self, value: Value) -> bool:
        order = cast(ListValue, value).order
        return order is not None and order.waits

    def differs(self, here: Value | None, there: Value | None) -> int:
        """Two lists of which neither knows an element of the other: one is appended."""
        if here is None or there is None or here.size() == 0 or there.size() == 0:
            return 0
        mine = cast(ListValue, here).order
        other = cast(ListValue, there).order
        if mine is None or other is None:
            return 0
        for span in other.in_order():
            if mine.knows(span.origin, span.low):
                return 0
        return 1

    def put(self, out: BytesWriter, value: Value) -> None:
        held = cast(ListValue, value)
        runs = held.runs()
        write_i32_le(out, i32(len(runs)))
        for run in runs:
            put_dot(out, run.first, run.origin)
            write_i32_le(out, i32(run.count if run.step >= 0 else -run.count))
        put_order(out, held.order)
        put_registers(out, held)
        put_moves(out, held)

    def read(self, source: Source, value: Value) -> None:
        held = cast(ListValue, value)
        runs: list[Run] = []
        for _ in range(int(source.count())):
            source.dot()
            count = source.count()
            step: i64 = 1 if count >= 0 else -1
            if source.stamp == 0:
                runs.append(nameless(count * step))
            else:
                runs.append(Run(source.origin, source.stamp, step, count * step))
        held.do_set_runs(runs)
        held.order = read_order(source)
        read_registers(source, held)
        read_moves(source, held)

    def give_dots(self, value: Value, stamp: i64, origin: i64, first: i64) -> i64:
        held = cast(ListValue, value)
        order = held.order
        if order is None:
            order = Order(Ranks())
        return identify(held, order, origin, first, stamp)


def take_out(value: ListValue, runs: list[Run]) -> i64:
    """Removes those of these elements that are alive; how many."""
    spans = value.positions_of(runs)
    if not spans:
        return 0
    before = value.length
    value.do_forget(value.do_remove(spans))
    return before - value.length


def take_out_late(value: ListValue, runs: list[Run]) -> None:
    """The same for what others than the present write have removed: when is not known here."""
    if runs and take_out(value, runs) != 0 and value.order is not None:
        value.order.note_unclear()


def show_item(value: ListValue, run: Run, item: bytes) -> None:
    """An element that is here shows this item from now on."""
    for position, _ in value.positions_of([run]):
        value.do_assign(position, item)


def seen_numbers(order: Order | None, origin: i64, cover: Cover) -> tuple[i64, i64]:
    """A write had seen a stream's elements from a number on and below another; NONE: all that
    follow."""
    begin: i64 = 0
    if order is None:
        return begin, NONE
    numbers = order.of(origin)
    stamps = numbers.stamps
    if not cover.has(0, 0):
        if len(stamps) == 0:
            return 0, 0
        begin = i64(numbers.births[0])
    if origin == cover.origin:
        return begin, NONE
    low: i64 = 0
    high: i64 = len(stamps)
    while low < high:
        middle = (low + high) >> 1
        if cover.has(i64(stamps[middle]), origin):
            low = middle + 1
        else:
            high = middle
    return begin, NONE if low == len(stamps) else i64(numbers.births[low])


def seen_spans(value: ListValue, cover: Cover, seen: bool) -> list[tuple[int, int]]:
    """Where the elements stand that a write had seen, or those that it had not; elements without
    identity are in every member, as those are of which it is not known when they were put in."""
    spans: list[tuple[int, int]] = []
    order = value.order
    at: i64 = 0
    runs = value.runs()
    if not runs and value.length > 0:
        runs = [nameless(value.length)]
    for run in runs:
        # Of its elements, by number, so many are seen behind so many that are not.
        skip: i64 = 0
        count: i64 = run.count
        if run.first == 0:
            if not cover.has(0, 0):
                count = 0
        else:
            begin, end = seen_numbers(order, run.origin, cover)
            low = run.first if run.step > 0 else run.first - run.count + 1
            skip = min(max(begin - low, 0), run.count)
            if end != NONE:
                count = min(max(end - low, 0), run.count)
            count = max(count - skip, 0)
        if run.step < 0:
            # The low numbers stand last.
            skip = run.count - skip - count
        if seen:
            add_part(spans, at + skip, count)
        else:
            add_part(spans, at, skip)
            add_part(spans, at + skip + count, run.count - skip - count)
        at += run.count
    return spans


def add_part(spans: list[tuple[int, int]], position: i64, count: i64) -> None:
    """Elements at a position, if there are any."""
    if count > 0:
        spans.append((int(position), int(count)))


def taken_runs(removals: Removals, effect: Effect, run: Run) -> list[Run]:
    """Those of the elements that an effect puts in that are removed already."""
    taken: list[Run] = []
    uuid = removals.streams.all[run.origin].uuid
    for pending in removals.waiting(effect.db, effect.key):
        if pending.stamp == effect.stamp and pending.origin == effect.origin:
            continue  # the same unit: its removals are in order with its adds
        if pending.covers(effect.stamp, effect.origin):
            taken += taken_by(pending, uuid, run)
    return taken


def taken_by(pending: Pending, uuid: bytes, run: Run) -> list[Run]:
    """Those of a run's elements that one removal takes."""
    taken: list[Run] = []
    for kind, place in pending.scopes:
        if kind == KEY:
            return [part_of(run, 0, run.count)]
        if kind != SPAN or len(place) != 2 * NAME_BYTES or place[:16] != uuid:
            continue
        low = i64(int.from_bytes(place[16:NAME_BYTES], "big"))
        high = i64(int.from_bytes(place[NAME_BYTES + 16 :], "big"))
        if low < run.first:
            low = run.first
        if high > run.first + run.count - 1:
            high = run.first + run.count - 1
        if low <= high:
            taken.append(Run(run.origin, low, 1, high - low + 1))
    return taken
