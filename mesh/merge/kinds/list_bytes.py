"""A list's order and assignments, to bytes and back.  [compiled]"""

from __future__ import annotations

import sys
from array import array
from typing import cast

from librt.strings import BytesWriter, write_i32_le
from mypy_extensions import i32, i64, u8

from mesh.packing import Source, put_dot, put_text
from node.store.entry import Register
from node.store.values.list_moved import Moved
from node.store.values.lists import ListValue
from node.store.values.order import NONE, Order, Ranks, Span

# What is said of a span beside its numbers.
LEFT = 1
STRANGE = 2
FALLS = 4


def put_order(out: BytesWriter, order: Order | None) -> None:
    """All spans in order, then for each stream which number was given when."""
    if order is None:
        write_i32_le(out, i32(-1))
        return
    spans = order.in_order()
    write_i32_le(out, i32(len(spans)))
    for span in spans:
        said = (LEFT if span.left else 0) | (0 if span.known else STRANGE)
        said |= 0 if span.rises else FALLS
        out.append(u8(said))
        put_dot(out, span.low, span.origin)
        write_i32_le(out, i32(span.count))
        put_dot(out, span.parent, span.parent_origin)
        own = span.rank == span.low and span.rank_origin == span.origin
        put_dot(out, 0 if own else span.rank, 0 if own else span.rank_origin)
    written = [origin for origin, numbers in order.numbers.items() if numbers.births]
    write_i32_le(out, i32(len(written)))
    for origin in written:
        numbers = order.numbers[origin]
        put_dot(out, len(numbers.births), origin)
        out.write(little(numbers.births))
        out.write(little(numbers.stamps))


def little(numbers: array[int]) -> bytes:
    """Eight bytes each, the lowest first."""
    if sys.byteorder == "little":
        return numbers.tobytes()
    turned = array("q", numbers)
    turned.byteswap()
    return turned.tobytes()


def read_order(source: Source) -> Order | None:
    """The reverse of put_order. ValueError where it is no order."""
    count = source.count()
    if count < 0:
        return None
    order = Order(Ranks())
    found: dict[int, list[tuple[int, int]]] = {}
    for place in range(int(count)):
        span = read_span(source)
        span.before = place - 1
        span.after = place + 1 if place + 1 < count else NONE
        order.spans.append(span)
        found.setdefault(int(span.origin), []).append((int(span.low), place))
        name = (int(span.parent_origin), int(span.parent), span.left)
        order.kids.setdefault(name, []).append(place)
        if not span.known:
            order.strangers += 1
    if count > 0:
        order.head = 0
        order.tail = count - 1
    for origin, places in found.items():
        places.sort()
        numbers = order.of(origin)
        end = 0
        for low, place in places:
            if low < end:
                raise ValueError("a plexis-dots field has an element of a list twice")
            end = low + int(order.spans[place].count)
            numbers.lows.append(low)
            numbers.places.append(place)
    read_births(source, order)
    return order


def read_span(source: Source) -> Span:
    """One span."""
    said = source.byte()
    source.dot()
    origin = source.origin
    low = source.stamp
    count = source.count()
    source.dot()
    if low < 1 or count < 1 or source.stamp < 0:
        raise ValueError("a plexis-dots field has a span of a list without elements")
    span = Span(origin, low, count, said & FALLS == 0)
    span.known = said & STRANGE == 0
    span.left = said & LEFT != 0
    span.parent = source.stamp
    span.parent_origin = source.origin if source.stamp != 0 else 0
    source.dot()
    if source.stamp != 0:
        span.rank = source.stamp
        span.rank_origin = source.origin
    return span


def read_births(source: Source, order: Order) -> None:
    """Which number was given when, by stream."""
    for _ in range(int(source.count())):
        source.dot()
        size = source.stamp * 8
        numbers = order.of(source.origin)
        numbers.births = numbers_of(source, size)
        numbers.stamps = numbers_of(source, size)


def numbers_of(source: Source, size: i64) -> array[int]:
    """So many bytes of numbers, which ascend."""
    begin = source.need(size)
    numbers = array("q", source.data[begin : begin + size])
    if sys.byteorder != "little":
        numbers.byteswap()
    return numbers


def put_registers(out: BytesWriter, value: ListValue) -> None:
    """What was assigned to elements."""
    registers = value.registers
    if registers is None:
        write_i32_le(out, 0)
        return
    write_i32_le(out, i32(len(registers)))
    for (origin, number), assigned in registers.items():
        put_dot(out, number, origin)
        write_i32_le(out, i32(len(assigned)))
        for each in assigned:
            put_dot(out, each.stamp, each.origin)
            put_text(out, cast(bytes, each.value))


def put_moves(out: BytesWriter, value: ListValue) -> None:
    """Which elements came from other lists."""
    moves = value.moved
    if moves is None:
        write_i32_le(out, 0)
        return
    write_i32_le(out, i32(len(moves)))
    for (origin, number), moved in moves.items():
        put_dot(out, number, origin)
        put_dot(out, moved.number, moved.origin)
        write_i32_le(out, i32(moved.index))


def read_moves(source: Source, value: ListValue) -> None:
    """The reverse of put_moves."""
    moves: dict[tuple[int, int], Moved] = {}
    for _ in range(int(source.count())):
        source.dot()
        name = (int(source.origin), int(source.stamp))
        source.dot()
        moves[name] = Moved(source.origin, source.stamp, 0)
        moves[name].index = source.count()
    value.moved = moves if moves else None


def read_registers(source: Source, value: ListValue) -> None:
    """The reverse of put_registers."""
    registers: dict[tuple[int, int], list[Register]] = {}
    for _ in range(int(source.count())):
        source.dot()
        name = (int(source.origin), int(source.stamp))
        assigned: list[Register] = []
        for _ in range(int(source.count())):
            source.dot()
            stamp = source.stamp
            origin = source.origin
            assigned.append(Register(stamp, origin, source.text()))
        registers[name] = assigned
    value.registers = registers if registers else None
