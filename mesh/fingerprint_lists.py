"""Lists in a fingerprint: the elements in their order, who they are, and where they were put.
[compiled]

How a list is cut into chunks, runs and spans is a node's own. So neighbours are joined as far as
they can be, and the order is told element by element: most of them stand next to the one before
them, of which a stretch is one record, however it is cut into spans here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final, cast

from librt.strings import BytesWriter, write_i32_le, write_i64_le
from mypy_extensions import i32, i64, u8

from mesh.fingerprint_hash import HASH_BYTES, Mixer
from mesh.merge.state import newest_of
from mesh.packing import put_text
from node.store.entry import Register
from node.store.values.lists import ListValue
from node.store.values.order import Order
from node.store.values.runs import Run
from node.store.values.spans import Numbers

ITEMS: Final = 1
ASSIGNED: Final = 2
MOVES: Final = 3
STREAM: Final = 4
LINKED: Final = 1  # elements each of which is the child of the one before
PUT: Final = 2  # an element that was put somewhere else
NAMED: Final = 3  # one that others only named so far
NO_SIDE: Final = 2


def put_list(out: BytesWriter, mixer: Mixer, value: ListValue, places: i64) -> Iterator[None]:
    """All that is known of a list; nothing where nothing is."""
    if value.length != 0:
        yield from put_elements(out, mixer, value, places)
    order = value.order
    registers = value.registers
    if registers:
        assigned: list[bytes] = []
        for (origin, number), held in registers.items():
            if order is not None and order.knows(origin, number) and mixer.are_stable(held, []):
                continue  # the element shows it
            # The newest decides for ever: whoever clears it has seen it, and writes a newer one.
            newest: Register = newest_of(held, mixer.streams)
            one = BytesWriter()
            mixer.put_name(one, number, origin)
            mixer.put_dot(one, newest.stamp, newest.origin)
            put_text(one, cast(bytes, newest.value))
            assigned.append(one.getvalue())
        mixer.put_items(out, ASSIGNED, assigned)
    moved = value.moved
    if moved and order is not None:
        moves: list[bytes] = []
        for (origin, number), each in moved.items():
            if not order.knows(origin, number):
                continue  # an element of which nothing else is remembered has been forgotten
            one = BytesWriter()
            mixer.put_name(one, number, origin)
            mixer.put_name(one, each.number, each.origin)
            write_i32_le(one, i32(each.index))
            moves.append(one.getvalue())
        mixer.put_items(out, MOVES, moves)
    if order is not None and order.size() > 0:
        yield from put_order(out, mixer, order, places)


def is_done_with(mixer: Mixer, value: ListValue) -> bool:
    """Was all that ever stood in it removed, and does every member know it? Then it makes no
    difference whether a node still remembers where it stood."""
    if value.length != 0 or value.registers or value.moved:
        return False
    order = value.order
    if order is None:
        return True
    if order.unclear != 0:  # when something was removed is not remembered
        return False
    for origin, stamp in order.removed.items():
        if not mixer.is_stable(stamp, origin):
            return False
    for origin, numbers in order.numbers.items():
        for stamp in numbers.stamps:
            if not mixer.is_stable(stamp, origin):
                return False
        for place in numbers.places:
            if not order.spans[place].known:
                return False
    return True


def put_elements(
    out: BytesWriter, mixer: Mixer, value: ListValue, places: i64
) -> Iterator[None]:
    """The items in order, and their identities in stretches."""
    items = blake2b(digest_size=HASH_BYTES, salt=mixer.salt)
    names = Stretches(mixer)
    done: i64 = 0
    for chunk in list(value.chunks):
        part = BytesWriter()
        own = list(chunk.items)
        for item in own:
            put_text(part, item)
        items.update(part.getvalue())
        runs = chunk.runs
        if runs is None:
            names.add(Run(0, 0, 0, len(own)))
        else:
            for run in list(runs):
                names.add(run)
        done += len(own)
        if done >= places:
            done = 0
            yield None
    names.end()
    out.append(u8(ITEMS))
    write_i64_le(out, value.length)
    out.write(items.digest())
    write_i64_le(out, mixer.hash(names.out.getvalue()))


class Stretches:
    """Identities one after another, joined wherever they go on."""

    def __init__(self, mixer: Mixer) -> None:
        self.mixer = mixer
        self.out = BytesWriter()
        self.origin: i64 = 0
        self.first: i64 = 0
        self.step: i64 = 0  # 0: of one element, or of nameless ones
        self.count: i64 = 0

    def add(self, run: Run) -> None:
        """The next elements."""
        if run.count <= 0:
            return
        step: i64 = 0 if run.count == 1 or run.first == 0 else run.step
        if self.count != 0 and run.origin == self.origin:
            if run.first == 0 and self.first == 0:
                self.count += run.count
                return
            if run.first != 0 and self.first != 0:
                last = self.first + self.step * (self.count - 1)
                link = run.first - last
                if (
                    (link == 1 or link == -1) and (self.step == 0 or self.step == link)
                    and (step == 0 or step == link)
                ):  # fmt: skip
                    self.step = link
                    self.count += run.count
                    return
        self.end()
        self.origin = run.origin
        self.first = run.first
        self.step = step
        self.count = run.count

    def end(self) -> None:
        """The stretch ends here."""
        if self.count != 0:
            self.mixer.put_name(self.out, self.first, self.origin)
            write_i64_le(self.out, self.step)
            write_i64_le(self.out, self.count)
        self.count = 0


# --- the order ----------------------------------------------------------------------------------


def put_order(out: BytesWriter, mixer: Mixer, order: Order, places: i64) -> Iterator[None]:
    """Where every element was put, living or not, stream by stream."""
    parts: list[bytes] = []
    done: i64 = 0
    for origin in list(order.numbers):
        numbers = order.numbers[origin]
        if not numbers.lows:
            continue
        links = Links(mixer, order, i64(origin))
        for place in list(numbers.places):
            links.add(i64(place))
            done += 1
            if done >= places:
                done = 0
                yield None
        links.end()
        one = BytesWriter()
        one.write(mixer.streams.all[origin].uuid)
        write_i64_le(one, mixer.hash(links.out.getvalue()))
        write_i64_le(one, mixer.hash(births_of(mixer, order, i64(origin), numbers)))
        parts.append(one.getvalue())
    mixer.put_items(out, STREAM, parts)


class Links:
    """The elements of one stream by number, and next to whom each was put."""

    def __init__(self, mixer: Mixer, order: Order, origin: i64) -> None:
        self.mixer = mixer
        self.order = order
        self.origin: i64 = origin
        self.out = BytesWriter()
        self.low: i64 = 0  # of the stretch of linked elements
        self.count: i64 = 0
        self.side: i64 = NO_SIDE

    def add(self, place: i64) -> None:
        """The next span."""
        span = self.order.spans[place]
        mixer = self.mixer
        own = span.rank == span.low and span.rank_origin == span.origin
        if not span.known:
            self.end()
            self.out.append(u8(NAMED))
            write_i64_le(self.out, span.low)
            write_i64_le(self.out, span.count)
        elif own and span.parent != 0 and (
            span.parent == span.low - 1 and span.parent_origin == span.origin
        ):
            self._link(span.low, 1, 0 if span.left else 1)
        else:
            self.end()
            out = self.out
            out.append(u8(PUT))
            write_i64_le(out, span.low)
            mixer.put_name(out, span.parent, span.parent_origin)
            out.append(u8(1 if span.left and span.parent != 0 else 0))
            mixer.put_name(out, 0 if own else span.rank, span.rank_origin)
        if span.count > 1 and span.known:
            self._link(span.low + 1, span.count - 1, 1 if span.rises else 0)

    def _link(self, low: i64, count: i64, side: i64) -> None:
        """So many elements, each on this side of the one before it."""
        if self.count != 0 and self.side == side and self.low + self.count == low:
            self.count += count
            return
        self.end()
        self.low = low
        self.count = count
        self.side = side

    def end(self) -> None:
        """The stretch ends here."""
        if self.count != 0:
            self.out.append(u8(LINKED))
            write_i64_le(self.out, self.low)
            write_i64_le(self.out, self.count)
            self.out.append(u8(self.side))
        self.count = 0
        self.side = NO_SIDE


def births_of(mixer: Mixer, order: Order, origin: i64, numbers: Numbers) -> bytes:
    """When the elements were put in: the number of the first of each stamp that has any here, and
    that not every member has."""
    out = BytesWriter()
    births = numbers.births
    last: i64 = 0
    n: i64 = len(births)
    i: i64 = 0
    while i < n:
        stamp = i64(numbers.stamps[i])
        if stamp != last and not mixer.is_stable(stamp, origin):
            begin = i64(births[i])
            first = first_from(order, numbers, begin)
            if first != 0 and (i + 1 == n or first < births[i + 1]):
                write_i64_le(out, first)
                write_i64_le(out, stamp)
                last = stamp
        i += 1
    return out.getvalue()


def first_from(order: Order, numbers: Numbers, number: i64) -> i64:
    """The lowest element from this number on, 0 where there is none."""
    at = bisect_right(numbers.lows, number) - 1
    if at >= 0:
        span = order.spans[numbers.places[at]]
        if number < span.low + span.count:
            return number
    at = bisect_left(numbers.lows, number)
    return i64(numbers.lows[at]) if at < len(numbers.lows) else 0
