"""Usage: what the mesh remembers beside the data, in bytes, by kind.  [compiled]

Places with dots are noted as they are written; who writes one place again and again notes it as
often. So where that comes to much, all places are counted anew in slices, one by one, and what is
noted after that is added. Lists, streams and strings that are written in place are measured
themselves, those that were written lately or wait to be forgotten; and all others by turns, since
what takes the last of a key away need not be noted anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final, cast

from mypy_extensions import i64

from mesh.fold import values_of
from mesh.merge.rule import Memory
from mesh.touched import MEASURED, Touched
from node.engine import Engine
from node.store.effect import PUT
from node.store.entry import COUNTED, Dot, Entry, Field
from node.store.shards import SHARDS
from node.store.values.container import Container
from node.store.values.lists import BIRTH_BYTES, RUN_BYTES, SPAN_BYTES, ListValue
from node.store.values.scored import Scored
from node.store.values.stream_dots import DOT_BYTES, Peak, Peaks
from node.store.values.streams import StreamValue

INCREMENT_BYTES: Final = 32
PLACE_BYTES: Final = 49  # a dot and its share of what holds it, as measured
REMOVAL_BYTES: Final = 200
STREAM_END_BYTES: Final = 200  # a stream that is being closed
RECORD_BYTES: Final = 104  # one of the rare records: a claim, a register, a rival, a delivery
# Keys whose own metadata is measured in one heartbeat; the others keep what they had.
MEASURED_MOST: Final = 1000
# Keys that are measured by turns in one heartbeat though nothing is known to have changed.
CHECKED_MOST: Final = 100
# Chunks of a list that are looked at for its runs; of a longer one all spans count as identities.
CHUNKS_MOST: Final = 10_000
# Of a count, in slots of dicts: as many as take as long as to look at a key, or to forget a place;
# and between two looks at the budget.
SLOTS_A_PLACE: Final[i64] = 16
SLOTS_AT_ONCE: Final[i64] = 800


class Usage:
    """Bytes by kind. Identity spans of live list elements, and of removed ones that hold them
    apart, and which other list they came from, are not forgotten before these are removed: they
    stand apart."""

    def __init__(self) -> None:
        self.dots = 0  # members, fields, scores, increments, claims
        self.lists = 0
        self.streams = 0
        self.strings = 0  # patches
        self.removals = 0
        self.closings = 0
        self.spans = 0

    def unstable(self) -> int:
        """All but the identities of live list elements."""
        return (
            self.dots + self.lists + self.streams + self.strings + self.removals + self.closings
        )

    def add(self, other: Usage, times: i64) -> None:
        """That of one key too, or, `times` -1, without it."""
        self.lists += int(times) * other.lists
        self.streams += int(times) * other.streams
        self.strings += int(times) * other.strings
        self.spans += int(times) * other.spans


class Meter:
    """Measures one node's usage: `note` and `measure` once a heartbeat, `step` in slices."""

    def __init__(self, engine: Engine, memory: Memory) -> None:
        self.engine = engine
        self.memory = memory
        self.closing = 0  # streams that are being closed
        self.unsure = False  # data was loaded or merged: only a count tells what it brought
        self.places: i64 = 0  # noted, and not looked at since
        self.ever: i64 = 0  # noted since the start
        self.counts = 0  # how often all places were counted
        self._counted: i64 = -1  # places found by the last count; -1: there was none
        self._counted_at: i64 = 0  # `ever` when it began
        self._work: Iterator[int] | None = None
        self._sizes: dict[tuple[int, bytes], Usage] = {}
        self._sum = Usage()  # of all sizes
        self._due: dict[tuple[int, bytes], None] = {}
        self._turns: list[tuple[int, bytes]] = []  # known keys that are still to be checked

    # --- what is written ------------------------------------------------------------------------

    def note(self, touched: list[Touched]) -> None:
        """What was written in a heartbeat: keys that have metadata of their own are measured."""
        last = b""
        last_db: i64 = -1
        for each in touched:
            if each.key != last or each.db != last_db:
                last = each.key
                last_db = each.db
                if MEASURED[each.op] or each.op == PUT:
                    self._due[int(each.db), each.key] = None

    def see(self, db: i64, key: bytes) -> None:
        """A key with metadata of its own was looked at, or some of it forgotten."""
        self._due[int(db), key] = None

    def check(self, name: tuple[int, bytes]) -> None:
        """A key was looked at, or is not there any more: if it was measured, it is so again."""
        if name in self._sizes:
            self._due[name] = None

    def wrote(self, places: i64) -> None:
        """So many places were written in a heartbeat."""
        self.places += places
        self.ever += places

    def brought(self) -> None:
        """Data was loaded or merged. What was counted before may be forgotten by now, as may what a
        count that is under way has found: only one that begins now tells what is here."""
        self.unsure = True
        self._counted = -1
        self._work = self._counting()

    def looked_at(self, places: i64, everything: bool) -> None:
        """What was written then is stable; `everything`: all keys were looked at."""
        self.places -= places
        if everything:
            self.unsure = False
            for name in self._sizes:  # those that are not there were not looked at
                self._due[name] = None

    # --- measuring ------------------------------------------------------------------------------

    def measure(self) -> Usage:
        """The usage of this moment."""
        for name in list(islice(self._due, MEASURED_MOST)):
            del self._due[name]
            self._measure(name)
        if not self._turns:
            self._turns = list(self._sizes)
        for _ in range(min(CHECKED_MOST, len(self._turns))):
            self._measure(self._turns.pop())
        found = Usage()
        found.add(self._sum, 1)
        memory = self.memory
        found.dots = memory.ledger.records() * INCREMENT_BYTES + int(self.dotted()) * PLACE_BYTES
        found.removals = int(memory.removals.count) * REMOVAL_BYTES
        found.closings = self.closing * STREAM_END_BYTES
        return found

    def _measure(self, name: tuple[int, bytes]) -> None:
        """What is in one key now, and in the sum."""
        db, key = name
        entry = self.engine.databases[db].raw(key)
        size = None if entry is None else size_of(entry)
        before = self._sizes.get(name)
        if before is not None:
            self._sum.add(before, -1)
        if size is not None:
            self._sum.add(size, 1)
            self._sizes[name] = size
        elif before is not None:
            del self._sizes[name]

    def dotted(self) -> i64:
        """Places that may have a dot: as many as were noted, or as were counted and noted since;
        and keys that show nothing."""
        hidden: i64 = 0
        for db in self.engine.databases:
            hidden += len(db.hidden)
        return self._places() + hidden

    def _places(self) -> i64:
        if self._counted >= 0:
            since = self._counted + self.ever - self._counted_at
            if since < self.places or self.unsure:
                return since
        return self.places

    def uncounted(self) -> i64:
        """How many of these were only noted: one place, written again and again, may be all."""
        places = self._places()
        return places if self._counted < 0 else min(places, self.ever - self._counted_at)

    # --- counting -------------------------------------------------------------------------------

    def count(self) -> None:
        """All places are to be counted anew, unless that is under way: `step` does it."""
        if self._work is None:
            self._work = self._counting()

    def step(self, budget: int) -> bool:
        """A slice as long as it takes to forget so many places; True: nothing is to be done."""
        work = self._work
        if work is None:
            return True
        left: i64 = budget
        while left > 0:
            cost: i64 = next(work, 0)
            if cost == 0:
                self._work = None
                return True
            left -= cost
        return False

    def _counting(self) -> Iterator[int]:
        """Yields what it has cost since, in places."""
        began = self.ever
        found: i64 = 0
        slots: i64 = 0
        for db in self.engine.databases:
            for number in range(SHARDS):
                for entry in list(db.keys.dicts[number].values()):
                    slots += SLOTS_A_PLACE
                    if entry.dots is not None or entry.flags & COUNTED:
                        found += 1
                    for value in values_of(entry):
                        if isinstance(value, Container):
                            for chunk in value.chunks():
                                slots += len(chunk)
                                found += dots_in(chunk)
                                if slots >= SLOTS_AT_ONCE:
                                    yield int(slots // SLOTS_A_PLACE)
                                    slots = 0
                    if slots >= SLOTS_AT_ONCE:
                        yield int(slots // SLOTS_A_PLACE)
                        slots = 0
        self._counted = found
        self._counted_at = began
        self.counts += 1


def dots_in(chunk: dict[bytes, object]) -> i64:
    """How many places of a dict have a dot."""
    found: i64 = 0
    for slot in chunk.values():
        if isinstance(slot, (Dot, Field, Scored)):
            found += 1
    return found


def size_of(entry: Entry) -> Usage | None:
    """What is remembered in the values of one key, and of patches; None for nothing."""
    found = Usage()
    for value in values_of(entry):
        if isinstance(value, ListValue):
            list_size(value, found)
        elif isinstance(value, StreamValue):
            found.streams += stream_size(value)
    dots = entry.dots
    patches = None if dots is None else dots.patches
    if patches is not None:
        for patch in patches:
            payload = patch.value
            found.strings += RECORD_BYTES
            if isinstance(payload, bytes):
                found.strings += len(payload)
    if found.unstable() == 0 and found.spans == 0:
        return None
    return found


def list_size(value: ListValue, found: Usage) -> None:
    """A list: its spans, of which those of live elements stay, and those of removed ones that hold
    them apart, and where live ones came from; and what is not stable."""
    order = value.order
    if order is None:
        return
    spans = int(order.size())
    live = spans
    if len(value.chunks) <= CHUNKS_MOST:
        runs = 0
        for chunk in value.chunks:
            runs += 0 if chunk.runs is None else len(chunk.runs)
        if not order.is_settled():
            live = min(spans, runs)
        found.spans += runs * RUN_BYTES
    found.spans += live * SPAN_BYTES
    found.lists += (spans - live) * SPAN_BYTES
    for numbers in order.numbers.values():
        found.lists += BIRTH_BYTES * len(numbers.births)
    registers = value.registers
    if registers is not None:
        found.lists += RECORD_BYTES * len(cast("dict[tuple[int, int], object]", registers))
    moved = value.moved
    if moved is not None:
        gone = len(moved) if order.unclear != 0 else min(len(order.gone), len(moved))
        found.lists += RECORD_BYTES * gone
        found.spans += RECORD_BYTES * (len(moved) - gone)


def stream_size(value: StreamValue) -> int:
    """A stream: the dots of its entries, its claims, and those of its groups."""
    found = 0
    for node in value.nodes[int(value.head) :]:
        dots = node.dots
        if dots is not None:
            found += DOT_BYTES if dots.is_one() else DOT_BYTES * int(node.live + node.dead)
    memory = value.memory
    if memory is not None:
        found += peaks_size(memory.made) + peaks_size(memory.tops) + peaks_size(memory.deleted)
        found += RECORD_BYTES * len(memory.rivals) + claims_size(memory.tally.bases)
        found += 8 * int(memory.tally.counted())
    for group in [*value.groups.values(), *value.hidden_groups.values()]:
        known = group.memory
        if known is None:
            continue
        found += peaks_size(known.made) + peaks_size(known.lasts) + peaks_size(known.reads)
        for peaks in known.consumers.values():
            found += peaks_size(peaks)
        found += RECORD_BYTES * (len(known.acks) + len(known.recent))
        for deliveries in known.contested.values():
            # Those of several consumers stay as they are until the entry is acknowledged.
            found += RECORD_BYTES * sum([1 for each in deliveries if each.stamp != 0])
    return found


def peaks_size(peaks: Peaks) -> int:
    """Claims, without those that every member has."""
    return claims_size(peaks.claims)


def claims_size(claims: list[Peak]) -> int:
    """As that, of claims alone."""
    return RECORD_BYTES * sum([1 for each in claims if each.stamp != 0])
