"""ListValue: chunks of items.  [compiled]

Both ends take and give items in constant time; a place in the middle is found, filled or emptied
in O(sqrt n), because chunks grow with the square root of the list. While the mesh is on each
element has an identity that never changes (node/store/values/runs.py), and the order of all that
was ever put in is kept beside the chunks (node/store/values/order.py).
"""

from __future__ import annotations

from sys import getsizeof
from typing import Final

from mypy_extensions import i64

from node.store.entry import Register
from node.store.values.chunks import Chunk, look
from node.store.values.list_effects import Assigned, Inserted, Pushed, Removed
from node.store.values.list_moved import Moved, moved_among
from node.store.values.order import Order
from node.store.values.runs import (
    Run,
    Wanted,
    add_before,
    add_run,
    add_runs,
    add_span,
    deal,
    drop_first,
    drop_last,
    named_only,
    nameless,
    part_of,
    run_at,
    total,
    turn,
)  # fmt: skip
from node.store.values.value import Value

__all__ = ["Assigned", "Inserted", "ListValue", "Pushed", "Removed", "Run", "list_of"]

# Items of a chunk, at most, in lists of up to EDGE * EDGE elements; in larger ones sqrt(n) to twice
# that. The first chunk is kept as small as this, since all of it moves when its head does.
EDGE: Final[i64] = 128
CHUNK_BYTES: Final = 40
RUN_BYTES: Final = 56  # a Run and its place in a list
SPAN_BYTES: Final = 300  # a Span and its places in the tables of an Order
BIRTH_BYTES: Final = 16


class ListValue(Value):
    """A list. Chunks are never empty, and there is always one while there are items."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self.length: i64 = 0
        self.limit: i64 = EDGE  # items of a chunk
        self.identified = False  # some chunk has runs
        self.order: Order | None = None  # while the mesh is on
        # What LSET assigned, by stream and number of the element; the newest shows.
        self.registers: dict[tuple[int, int], list[Register]] | None = None
        self.moved: dict[tuple[int, int], Moved] | None = None  # what came from other lists

    def kind(self) -> bytes:
        return b"list"

    def size(self) -> int:
        """LLEN."""
        return int(self.length)

    def get(self, position: i64) -> bytes:
        """The item at this position; it must be one of the list."""
        if position == 0:
            return self.chunks[0].items[0]
        if position == self.length - 1:
            items = self.chunks[len(self.chunks) - 1].items
            return items[len(items) - 1]
        number, place = self._locate(position)
        return self.chunks[number].items[place]

    def range(self, begin: i64, end: i64) -> list[bytes]:
        """The items from `begin` up to but not with `end`, in a list of its own."""
        if begin >= end:
            return []
        number, place = self._locate(begin)
        items = self.chunks[number].items
        left = end - begin
        found = items[place : place + left]
        left -= len(found)
        while left > 0:
            number += 1
            items = self.chunks[number].items
            if len(items) <= left:
                found.extend(items)
                left -= len(items)
            else:
                found.extend(items[:left])
                left = 0
        return found

    def matches(self, item: bytes, from_head: bool, most: int, places: int) -> list[int]:
        """Positions of equal items in the order met: from head or tail, the first `most` of them
        (0: all), looking at so many places (0: all)."""
        found: list[int] = []
        chunks = self.chunks
        length = int(self.length)  # what is compared with it may be any size
        if most == 0 or most > length:
            most = length
        left = self.length if places == 0 or places > length else i64(places)
        at: i64 = 0 if from_head else self.length
        count: i64 = len(chunks)
        i: i64 = 0
        while i < count and left > 0:
            items = chunks[i].items if from_head else chunks[count - 1 - i].items
            size: i64 = len(items)
            if not from_head:
                at -= size
            if item in items:
                j: i64 = 0
                last: i64 = left if left < size else size
                while j < last:
                    place = j if from_head else size - 1 - j
                    if items[place] == item:
                        found.append(int(at + place))
                        if len(found) == most:
                            return found
                    j += 1
            if from_head:
                at += size
            left -= size
            i += 1
        return found

    def _locate(self, position: i64) -> tuple[i64, i64]:
        """The number of the chunk with this position, and the place in it; from the nearer end."""
        chunks = self.chunks
        if position * 2 < self.length:
            number: i64 = 0
            size: i64 = len(chunks[0].items)
            while position >= size:
                position -= size
                number += 1
                size = len(chunks[number].items)
            return number, position
        number = len(chunks)
        begin = self.length
        while position < begin:
            number -= 1
            begin -= len(chunks[number].items)
        return number, position - begin

    # --- identities ---------------------------------------------------------------------------

    def runs(self) -> list[Run]:
        """The identities of all elements in order, merged where adjacent; [] where none has one."""
        found: list[Run] = []
        if not self.identified:
            return found
        for chunk in self.chunks:
            runs = chunk.runs
            if runs is None:
                add_run(found, nameless(len(chunk.items)))
            else:
                for run in runs:
                    add_run(found, part_of(run, 0, run.count))
        return found

    def identity_at(self, position: i64) -> Run | None:
        """The identity of one element, None where it has none or there is no such element."""
        if not self.identified or position < 0 or position >= self.length:
            return None
        number, place = self._locate(position)
        runs = self.chunks[number].runs
        if runs is None:
            return None
        run = run_at(runs, place)
        return None if run.first == 0 else run

    def element_at(self, position: i64) -> Run | None:
        """As `identity_at`; of an element that was moved the identity before its first move."""
        run = self.identity_at(position)
        if run is None or self.moved is None:
            return run
        moved = self.moved.get((int(run.origin), int(run.first)))
        return run if moved is None else Run(moved.origin, moved.number, 1, 1)

    def positions_of(self, runs: list[Run]) -> list[tuple[int, int]]:
        """Where the elements with these identities are, those that are here: spans (position,
        count), ascending and apart. Both ends are looked at first, since queues are popped there.
        """
        spans: list[tuple[int, int]] = []
        wanted = Wanted(runs)
        chunks = self.chunks
        n: i64 = len(chunks)
        if n == 0 or wanted.count == 0:
            return spans
        found = look(wanted, chunks[0], 0, spans)
        if n == 1 or found == wanted.count:
            return spans
        last = chunks[n - 1]
        tail_begin = self.length - len(last.items)
        tail: list[tuple[int, int]] = []
        found += look(wanted, last, tail_begin, tail)
        at: i64 = len(chunks[0].items)
        i: i64 = 1
        while found < wanted.count and i < n - 1:
            found += look(wanted, chunks[i], at, spans)
            at += len(chunks[i].items)
            i += 1
        for position, count in tail:
            add_span(spans, position, count)
        return spans

    def do_identify(self, origin: i64, first: i64) -> i64:
        """Gives the elements that have no identity the numbers first, first + 1, ... of a stream;
        returns how many it gave. The node becomes active."""
        given: i64 = 0
        for chunk in self.chunks:
            given += chunk.identify(origin, first + given)
        if self.chunks:
            self.identified = True
        return given

    def do_note_move(self, run: Run, kept: Run, index: i64) -> None:
        """An element was moved here, which had the identity `kept` before its first move."""
        if self.moved is None:
            self.moved = {}
        self.moved[int(run.origin), int(run.first)] = Moved(kept.origin, kept.first, index)

    def shell(self) -> ListValue | None:
        """What stays when all elements go: an empty list with this one's order; None without."""
        order = self.order
        if order is None:
            return None
        order.next_number = 0  # new elements have higher numbers than all before
        order.numbers_end = 0
        shell = ListValue()
        shell.order = order
        shell.moved = self.moved
        if self.moved is not None:
            order.gone += moved_among(self.moved, self.runs())
        if self.registers is not None:
            strange = {
                name: held for name, held in self.registers.items() if not order.knows(*name)
            }
            shell.registers = strange if strange else None
        return shell

    def do_forget(self, runs: list[Run]) -> None:
        """Nothing is remembered of what was assigned to these elements: they are removed."""
        if self.moved is not None and self.order is not None:
            self.order.gone += moved_among(self.moved, runs)
        registers = self.registers
        if registers is None:
            return
        gone = Wanted(runs)
        for name in [name for name in registers if gone.has(*name)]:
            del registers[name]
        if not registers:
            self.registers = None

    def do_set_runs(self, runs: list[Run]) -> None:
        """The identities of all elements in order, as `runs` gave them (a snapshot was loaded).

        ValueError where they are not as many as the elements; [] takes all identities away.
        """
        if runs and total(runs) != self.length:
            raise ValueError(
                f"a list of {self.length} elements cannot have {total(runs)} identities"
            )
        i = 0
        used: i64 = 0
        for chunk in self.chunks:
            if not runs:
                chunk.runs = None
                continue
            own: list[Run] = []
            left: i64 = len(chunk.items)
            while left > 0:
                run = runs[i]
                take = run.count - used
                if take > left:
                    take = left
                add_run(own, part_of(run, used, take))
                used += take
                left -= take
                if used == run.count:
                    i += 1
                    used = 0
            chunk.runs = own
        self.identified = len(runs) > 0

    # --- what only mutations do ---------------------------------------------------------------

    def do_push(self, items: list[bytes], begin: i64, at_head: bool, run: Run | None) -> None:
        """Puts items[begin:] one after another at an end. `run` are their identities in that order,
        None for none."""
        n: i64 = len(items)
        if run is not None:
            self.identified = True
        self._grow(n - begin)
        if at_head:
            self._push_head(items, begin, run)
        else:
            self._push_tail(items, begin, run)

    def _grow(self, count: i64) -> None:
        """The list is about to have so many more items: larger lists have larger chunks."""
        self.length += count
        while self.length > self.limit * self.limit:
            self.limit *= 2

    def _push_tail(self, items: list[bytes], begin: i64, run: Run | None) -> None:
        chunks = self.chunks
        n: i64 = len(items)
        i = begin
        while i < n:
            count: i64 = len(chunks)
            if count == 0 or len(chunks[count - 1].items) >= self.limit:
                chunk = Chunk([], None)
                chunks.append(chunk)
            else:
                chunk = chunks[count - 1]
            own = chunk.items
            take = self.limit - len(own)
            if take > n - i:
                take = n - i
            if self.identified:
                more = nameless(take) if run is None else part_of(run, i - begin, take)
                add_run(chunk.named(), more)
            if take == 1:
                own.append(items[i])
            else:
                own.extend(items[i : i + take])
            i += take

    def _push_head(self, items: list[bytes], begin: i64, run: Run | None) -> None:
        chunks = self.chunks
        n: i64 = len(items)
        i = begin
        while i < n:
            if not chunks or len(chunks[0].items) >= EDGE:
                self._open_head()
            chunk = chunks[0]
            take = EDGE - len(chunk.items)
            if take > n - i:
                take = n - i
            if self.identified:
                more = nameless(take) if run is None else part_of(run, i - begin, take)
                if run is not None:
                    turn(more)
                add_before(chunk.named(), more)
            if take == 1:
                chunk.items.insert(0, items[i])
            else:
                moved = items[i : i + take]
                moved.reverse()
                moved.extend(chunk.items)
                chunk.items = moved
            i += take

    def _open_head(self) -> None:
        """Room for new items before the first: a chunk of their own. The full one is joined to the
        next where that may take it."""
        chunks = self.chunks
        if len(chunks) > 1 and len(chunks[0].items) + len(chunks[1].items) <= self.limit:
            full = chunks[0]
            full.join(chunks[1])
            chunks[1] = full
            chunks[0] = Chunk([], None)
        else:
            chunks.insert(0, Chunk([], None))

    def do_pop(self, at_head: bool) -> Run | None:
        """Takes the first or the last element out; its identity. There must be one."""
        chunks = self.chunks
        last = len(chunks) - 1
        run: Run | None = None
        if at_head:
            chunk = chunks[0]
            if len(chunk.items) > 2 * EDGE:
                # Popping on here would move a large chunk each time.
                chunks.insert(1, chunk.split(EDGE))
            chunk.items.pop(0)
        else:
            chunk = chunks[last]
            chunk.items.pop()
        runs = chunk.runs
        if runs is not None:
            run = drop_first(runs) if at_head else drop_last(runs)
        if not chunk.items:
            chunks.pop(0 if at_head else last)
        self.length -= 1
        return run

    def do_insert(self, position: i64, item: bytes, run: Run | None) -> None:
        """Puts an item before the one at `position`, at the length: behind all."""
        if position == self.length:
            self.do_push([item], 0, False, run)
            return
        if run is not None:
            self.identified = True
        number, place = self._locate(position)
        self._grow(1)
        chunk = self.chunks[number]
        chunk.items.insert(place, item)
        if self.identified:
            if chunk.runs is None:
                chunk.runs = [nameless(len(chunk.items) - 1)]
            before: list[Run] = []
            after: list[Run] = []
            deal(chunk.named(), [place, len(chunk.items) - 1], before, after)
            add_run(before, nameless(1) if run is None else run)
            add_runs(before, after)
            chunk.runs = before
        size: i64 = len(chunk.items)
        if size > self.limit:
            self.chunks.insert(number + 1, chunk.split(size >> 1))

    def do_remove(self, spans: list[tuple[int, int]]) -> list[Run]:
        """Takes out the elements at these spans (position, count), which lie in the list, ascending
        and apart; their identities in order."""
        removed: list[Run] = []
        kept: list[Chunk] = []
        n: i64 = len(spans)
        number: i64 = 0
        at: i64 = 0
        left: i64 = 0
        for chunk in self.chunks:
            size: i64 = len(chunk.items)
            if number < n and i64(spans[number][0]) < at + size:
                number = chunk.cut(at, spans, number, removed)
            at += size
            size = len(chunk.items)
            if size == 0:
                continue
            left += size
            # Half the limit, so that a chunk that was split is not joined again at once.
            if kept and (len(kept[-1].items) + size) * 2 <= self.limit:
                kept[-1].join(chunk)
            else:
                kept.append(chunk)
        self.chunks = kept
        self.length = left
        return named_only(removed)

    def do_assign(self, position: i64, item: bytes) -> None:
        """The element at `position` has another value."""
        number, place = self._locate(position)
        self.chunks[number].items[place] = item

    # --- Value --------------------------------------------------------------------------------

    def content(self) -> object:
        return self.range(0, self.length)

    def parts(self) -> list[bytes]:
        return self.range(0, self.length)

    def copy(self) -> ListValue:
        """The same items without identities."""
        return list_of(self.range(0, self.length))

    def release(self, places: i64) -> i64:
        while self.chunks and places > 0:
            items = self.chunks[len(self.chunks) - 1].items
            size: i64 = len(items)
            if size <= places:
                self.chunks.pop()
                self.length -= size
                places -= size
            else:
                del items[size - places :]
                self.length -= places
                places = 0
        return self.length

    def footprint(self, samples: int) -> int:
        size = getsizeof(self.chunks)
        for chunk in self.chunks:
            size += CHUNK_BYTES + getsizeof(chunk.items)
            if chunk.runs is not None:
                size += getsizeof(chunk.runs) + RUN_BYTES * len(chunk.runs)
        count = int(self.length)
        order = self.order
        if order is not None:
            size += SPAN_BYTES * int(order.size())
            size += sum([BIRTH_BYTES * len(each.births) for each in order.numbers.values()])
        looked_at = count if samples == 0 else min(samples, count)
        if looked_at == 0:
            return size
        found = sum([getsizeof(item) for item in self.range(0, looked_at)])
        return size + found * count // looked_at


def list_of(items: list[bytes]) -> ListValue:
    """A list of these items without identities: what was loaded, or a result that is put."""
    value = ListValue()
    value.do_push(items, 0, False, None)
    return value
