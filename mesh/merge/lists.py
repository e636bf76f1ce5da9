"""Lists: PUSH and INSERT add elements to an order that is the same everywhere, REMOVE takes those
that it names, LSET is a register of an element.  [compiled]

docs/decisions/0018 has the order's rule. A removal names what it had seen, so nothing else is ever
cleared by it; an assignment does not revive what is removed.
"""

from __future__ import annotations

from typing import Final, cast

from mypy_extensions import i64

from mesh.conflicts import REMOVED_TWICE
from mesh.dots import Streams
from mesh.merge.elements import crowded
from mesh.merge.kinds.lists import show_item, take_out, take_out_late, taken_runs
from mesh.merge.list_moves import Location
from mesh.merge.rule import Memory, Rule, born, claim, make_here
from mesh.merge.slots import LIST_SLOT
from mesh.merge.state import Cover, KeyState
from mesh.removals import KEY, SPAN, TYPE
from node.ports import Seen
from node.store.effect import CREATION, PUSH, Effect
from node.store.entry import Entry, Register
from node.store.mutate import MUTATE
from node.store.values.list_effects import Assigned, Inserted, Pushed, Removed
from node.store.values.lists import ListValue
from node.store.values.order import Order
from node.store.values.runs import Run

# Numbers that a list gets at once, at least and at most: so that lists which are written in turn
# have runs too, and few numbers stay unused.
BLOCK_LEAST: Final[i64] = 64
BLOCK_MOST: Final[i64] = 65536


def next_number(memory: Memory, value: object, count: i64) -> i64:
    """The first of `count` numbers for new elements of a list; they follow its last ones where
    they can."""
    order: Order | None = None
    if isinstance(value, ListValue):
        order = value.order
    if order is None:
        return memory.number_inserts(count)
    first = order.next_number
    if first == 0 or first + count > order.numbers_end:
        size = order.given
        if size < BLOCK_LEAST:
            size = BLOCK_LEAST
        if size > BLOCK_MOST:
            size = BLOCK_MOST
        if size < count:
            size = count
        begin = memory.number_inserts(size)
        if first == 0 or order.numbers_end != begin:
            first = begin
        order.numbers_end = begin + size
    order.given += count
    order.next_number = first + count
    return first


class ListAdds(Rule):
    """PUSH and INSERT."""

    def local(self, effect: Effect, entry: Entry, fresh: bool) -> None:
        value = entry.value
        if effect.op == PUSH:
            pushed = cast(Pushed, effect.value)
            pushed.ranks = self.memory.streams
            count: i64 = len(pushed.items) - pushed.begin
            pushed.first = next_number(self.memory, value, count)
            if pushed.kept is not None:
                self.memory.locations.note(pushed.kept, location_of(effect, pushed))
        else:
            inserted = cast(Inserted, effect.value)
            inserted.ranks = self.memory.streams
            inserted.first = next_number(self.memory, value, 1)
        if fresh:
            born(entry, effect)
            return
        entry.stamp = effect.stamp
        entry.origin = 0
        dots = entry.dots
        if dots is not None:
            dots.claims = None

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        self._rank(effect)
        if effect.op == PUSH and not self._comes(effect, cast(Pushed, effect.value), seen):
            return self.general(effect, entry, fresh, seen)
        if not self.plain(effect) or (fresh and not effect.flags & CREATION):
            return self.general(effect, entry, fresh, seen)
        if fresh:
            return make_here(entry, effect)
        value = entry.value
        if effect.flags & CREATION or not isinstance(value, ListValue) or crowded(entry):
            return self.general(effect, entry, fresh, seen)
        order = value.order
        if order is None or order.strangers != 0:
            return self.general(effect, entry, fresh, seen)
        claim(entry, effect, seen.row, LIST_SLOT, self.memory.streams)
        return effect

    def _comes(self, effect: Effect, pushed: Pushed, seen: Seen) -> bool:
        """False: a moved element has gone elsewhere meanwhile."""
        kept = pushed.kept
        return kept is None or self.memory.locations.move(kept, location_of(effect, pushed), seen)

    def _rank(self, effect: Effect) -> None:
        """The order needs to know which stream comes first."""
        if effect.op == PUSH:
            cast(Pushed, effect.value).ranks = self.memory.streams
        else:
            cast(Inserted, effect.value).ranks = self.memory.streams

    def scopes(self, effect: Effect) -> list[tuple[int, bytes]]:
        return [(KEY, b"")] if effect.flags & CREATION else [(TYPE, b"")]

    def change(self, state: KeyState, effect: Effect, cover: Cover) -> None:
        self.begin(state, effect, cover, LIST_SLOT)
        value = cast("ListValue | None", state.opaque.get(LIST_SLOT))
        if value is None:
            value = ListValue()
            state.opaque[LIST_SLOT] = value
        scratch = Entry(value, 0, 0)
        MUTATE[effect.op].apply(scratch, effect)
        run = new_run(effect)
        if effect.op == PUSH and self.memory.locations.is_elsewhere(
            effect.db, effect.key, cast(Pushed, effect.value), effect.origin
        ):
            take_out_late(value, [run])
        removals = self.memory.removals
        if removals.count != 0:
            # They are put in first: others may stand next to them.
            take_out_late(value, taken_runs(removals, effect, run))
        state.shed()


def location_of(effect: Effect, pushed: Pushed) -> Location:
    """Where a move puts its element."""
    return Location(
        effect.stamp, effect.origin, effect.index, effect.db, effect.key, pushed.first
    )


def new_run(effect: Effect) -> Run:
    """Who the elements are that a PUSH or INSERT adds."""
    if effect.op == PUSH:
        pushed = cast(Pushed, effect.value)
        return Run(effect.origin, pushed.first, 1, len(pushed.items) - pushed.begin)
    return Run(effect.origin, cast(Inserted, effect.value).first, 1, 1)


class ListRemovals(Rule):
    """REMOVE: takes the elements it names, wherever they stand by now."""

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        value = entry.value
        if not self.plain(effect) or not isinstance(value, ListValue) or crowded(entry):
            return self.late_removal(effect, entry, fresh, seen)
        removed = cast(Removed, effect.value)
        if not removed.runs:
            return None
        removed.spans = value.positions_of(removed.runs)
        removed.located = True
        self._count(effect, removed.spans, removed.runs)
        return effect if removed.spans else None

    def _count(self, effect: Effect, spans: list[tuple[int, int]], runs: list[Run]) -> None:
        """An element that another has removed meanwhile: two clients may have got it."""
        found = 0
        for _, size in spans:
            found += size
        for run in runs:
            found -= int(run.count)
        if found < 0 and not cast(Removed, effect.value).elsewhere:
            self.memory.conflicts.notice(REMOVED_TWICE, effect, b"", True)

    def scopes(self, effect: Effect) -> list[tuple[int, bytes]]:
        streams = self.memory.streams
        return [(SPAN, span_of(run, streams)) for run in cast(Removed, effect.value).runs]

    def change(self, state: KeyState, effect: Effect, cover: Cover) -> None:
        value = cast("ListValue | None", state.opaque.get(LIST_SLOT))
        if value is None:
            return
        runs = cast(Removed, effect.value).runs
        if not self.memory.uncovered:
            self._count(effect, value.positions_of(runs), runs)
        take_out(value, runs)


class Assignments(Rule):
    """LSET: a register of an element; what it had seen assigned goes, of the others the newest
    shows. It lives as long as its element: no removal takes it from one that stays."""

    def local(self, effect: Effect, entry: Entry, fresh: bool) -> None:
        value = entry.value
        if not isinstance(value, ListValue):
            return
        assigned = cast(Assigned, effect.value)
        position = assigned.position
        if position < 0:
            position += value.length
        run = value.identity_at(position)
        if run is None:
            return
        if value.registers is None:
            value.registers = {}
        register = Register(effect.stamp, 0, assigned.item)
        value.registers[int(run.origin), int(run.first)] = [register]

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        value = entry.value
        if not self.plain(effect) or not isinstance(value, ListValue) or crowded(entry):
            return self.late_removal(effect, entry, fresh, seen)
        run = cast(Assigned, effect.value).run
        order = value.order
        if run is None or order is None or not value.positions_of([run]):
            return None
        return effect if self._assign(value, effect, run, Cover(seen.row, effect.origin)) else None

    def _assign(self, value: ListValue, effect: Effect, run: Run, cover: Cover) -> bool:
        """Notes the assignment; does it show?"""
        registers = value.registers
        if registers is None:
            registers = {}
            value.registers = registers
        memory = self.memory
        name = (int(run.origin), int(run.first))
        item = cast(Assigned, effect.value).item
        left = [each for each in registers.get(name, []) if not cover.has(each.stamp, each.origin)]
        at = 0
        for other in left:
            memory.conflicts.overwrite(
                effect, b"", item, other.stamp, other.origin, other.value
            )
            if memory.streams.newer(effect.stamp, effect.origin, other.stamp, other.origin):
                at += 1
        shows = at == len(left)
        left.insert(at, Register(effect.stamp, effect.origin, item))
        registers[name] = left
        return shows

    def scopes(self, effect: Effect) -> list[tuple[int, bytes]]:
        return []

    def change(self, state: KeyState, effect: Effect, cover: Cover) -> None:
        run = cast(Assigned, effect.value).run
        if run is None:
            return
        value = cast("ListValue | None", state.opaque.get(LIST_SLOT))
        if value is None:
            if not self.memory.uncovered:
                return
            value = ListValue()
            value.order = Order(self.memory.streams)
            state.opaque[LIST_SLOT] = value
        order = value.order
        here = len(value.positions_of([run])) > 0
        if not here and order is not None and order.knows(run.origin, run.first):
            return  # it is removed
        if self._assign(value, effect, run, cover) and here:
            show_item(value, run, cast(Assigned, effect.value).item)


def span_of(run: Run, streams: Streams) -> bytes:
    """A run's first and last name, in ascending order; a name is a stream's uuid and a number."""
    last = run.first + run.step * (run.count - 1)
    low = run.first if run.first < last else last
    high = run.first + last - low
    uuid = streams.all[run.origin].uuid
    return uuid + int(low).to_bytes(8, "big") + uuid + int(high).to_bytes(8, "big")
