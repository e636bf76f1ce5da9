"""Forgetting: what every member has on disk needs no dot any more (semantics.md 2, "Causal
stability").  [compiled]

What was written between two heartbeats is one Epoch. When the stable cut has passed all that was
applied at its end, its places are looked at once, in slices: members and fields lose their dots,
concurrent losers, claims and hidden values of other types go, counters fold into their value,
deleted and expired keys are dropped. So the work is bounded by what was written, never by the data.
Where too much waits (a member is away), places are no longer noted, and all keys are looked at.

All dots of one place are forgotten together or not at all; increments and patches fold in the
order of their stamps, as far as every stream's writes are stable (Cut.before). What shows never
changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, cast

from mypy_extensions import i64

from mesh.dots import Streams
from mesh.fold import (
    drop_forgotten,
    fold_key,
    has_only_deadlines,
    is_forgotten,
    values_of,
)  # fmt: skip
from mesh.forget_counters import CounterForgetter
from mesh.merge.covers import Cut
from mesh.merge.dot_forget import forget_fields, forget_members, forget_scores
from mesh.merge.kinds.table import KINDS
from mesh.merge.place_forget import (
    PlaceForgetter,
    are_stable,
    fold_deadlines,
    in_sight,
    in_sight_of,
    remembered_places,
)  # fmt: skip
from mesh.merge.rule import Memory
from mesh.merge.slots import is_opaque, slot_of
from mesh.touched import (
    FIRST_NAME,
    LEAVES_NOTHING,
    NAME_STEP,
    NAMES_AT_ONCE,
    Epoch,
    Touched,
)  # fmt: skip
from mesh.usage import MEASURED, Meter
from node.engine import Engine
from node.journal import Commit
from node.ports import Reader
from node.store.effect import (
    CREATION,
    FLUSH,
    HEXPIRE,
    HINCR,
    LAPSE,
    MERGE,
    PUT,
    RETYPES,
    SWAP,
    ZINCR,
    Effect,
)  # fmt: skip
from node.store.entry import (
    ABSENT,
    COUNTED,
    NO_REGISTER,
    STABLE,
    Entry,
)  # fmt: skip
from node.store.keyspace import Database
from node.store.mutate import Outcome
from node.store.shards import SHARDS
from node.store.trash import discard_entry
from node.store.values.container import Container
from node.store.values.hashes import HashValue
from node.store.values.sets import SetValue
from node.store.values.value import Value
from node.store.values.zsets import ZSetValue

# Places that are noted at most, some 100 bytes each; beyond, all keys are looked at instead.
NOTED_MAX: Final = 500_000
# Increments of one heartbeat are a chunk of their own from so many on: it goes as a whole.
CHUNK_LEAST: Final = 256
AT_ONCE: Final = 16  # touched places between two looks at the budget
# Names of a large value that are looked at in one slice: 0.2 ms.
NAMES: Final = 500


class Forgetter(Reader):
    """Notes what is written, and forgets its metadata once it is stable."""

    def __init__(self, engine: Engine, memory: Memory) -> None:
        self.engine = engine
        self.memory = memory
        self.streams: Streams = memory.streams
        self.databases: list[Database] = engine.databases
        self.noted = 0  # places that wait
        self.noted_max = NOTED_MAX
        self.forgotten: i64 = 0  # places looked at whose dots went
        self.epochs: list[Epoch] = []
        self._now = Epoch(1)
        self.streams.beats = self._now.number
        self._now.everything = True  # what was loaded
        self._vanished: dict[tuple[int, bytes], int] = {}  # hidden keys, by when they vanished
        self._moves: i64 = 0
        self._work: Iterator[None] | None = None
        self._again: list[bytes] = []  # places that the cut, or the time, has not passed yet
        self.places = PlaceForgetter()
        self.counters = CounterForgetter(engine, memory)
        self.meter = Meter(engine, memory)
        self.meter.unsure = True
        self.meter.count()

    # --- noting ---------------------------------------------------------------------------------

    def read(self, commit: Commit) -> None:
        first = commit.first
        if first is None or (commit.count == 1 and self._note_quickly(first)):
            return
        self._note(first)
        if commit.count > 1:
            for effect in commit.rest:
                self._note(effect)

    def _note_quickly(self, effect: Effect) -> bool:
        """What nearly every write is: one that leaves nothing, or a place of a key that was
        written in this heartbeat already. False: it is to be looked at closely."""
        op = effect.op
        if self.places.active or self.databases[effect.db].hidden:
            return False
        step = NAME_STEP[op]
        if step == 0:
            return LEAVES_NOTHING[op] or (
                op == PUT and isinstance(effect.value, bytes)
                and not effect.flags & (RETYPES | CREATION)
            )  # fmt: skip
        now = self._now
        last = now.last.get(effect.key)
        if last is None or last.db != effect.db or now.everything:
            return False
        arguments = cast(list[bytes], effect.value)
        at = effect.number + FIRST_NAME[op]
        known = last.names
        if at + step < len(arguments) or len(known) >= NAMES_AT_ONCE:
            return False
        now.places += 1
        name = arguments[at]
        if name not in known:
            known[name] = None
            self.noted += 1
            if self.noted > self.noted_max:
                self._collapse()
        return True

    def look_at_all(self) -> None:
        """A snapshot was merged, or a file loaded: nothing is known of what it brought."""
        self._collapse()
        self.meter.unsure = True
        self.meter.count()

    def _note(self, effect: Effect) -> None:
        op = effect.op
        value = effect.value
        db = self.databases[effect.db]
        places = self.places
        if op == SWAP:
            return
        if op == FLUSH:  # orders of lists are left, hidden
            self._now.touched.append(Touched(FLUSH, effect.db, b"", [], True))
            return
        is_hidden = len(db.hidden) > 0 and effect.key in db.hidden
        names: list[bytes] = []
        if places.active or op == HEXPIRE or op == LAPSE:
            names = places.note(effect, db.raw(effect.key), int(self._now.number))
        if is_hidden:
            self._vanished[int(effect.db), effect.key] = int(self._now.number)
        elif not names and (LEAVES_NOTHING[op] or op == LAPSE):
            return
        if self._now.everything:
            if not MEASURED[op]:
                self._now.places += len(value) if isinstance(value, list) else 1
            return
        whole = False
        if op == PUT:
            whole = isinstance(value, Value)
            if not whole and not is_hidden and not self._hides(effect):
                return
        elif NAME_STEP[op] != 0:
            self._note_places(effect, op, cast(list[bytes], value))
            return
        elif op == HINCR:
            names = [value if isinstance(value, bytes) else cast(list[bytes], value)[0]]
        elif op == ZINCR:
            names = [cast(list[bytes], value)[1]]
        elif op == MERGE:
            if value is None:
                return  # a watched key after a transfer: it is looked at with all others
            names = [step.place for step in cast(Outcome, value).steps]
        if not MEASURED[op]:  # what is measured itself is not counted here
            self._now.places += len(names) if names else 1
        self.noted += int(self._now.touch(op, effect.db, effect.key, names, whole))
        if self.noted > self.noted_max:
            self._collapse()

    def _note_places(self, effect: Effect, op: i64, arguments: list[bytes]) -> None:
        """The members or fields that an argument list names."""
        now = self._now
        names = arguments[int(effect.number + FIRST_NAME[op]) :: int(NAME_STEP[op])]
        now.places += len(names)
        self.noted += int(now.touch(op, effect.db, effect.key, names, False))
        if self.noted > self.noted_max:
            self._collapse()

    def _hides(self, effect: Effect) -> bool:
        """Is something left, hidden, of what a string took the place of?"""
        if not effect.flags & (RETYPES | CREATION):
            return False
        entry = self.databases[effect.db].keys.get(effect.key)
        return entry is not None and entry.dots is not None

    def _collapse(self) -> None:
        """Too much waits to be noted: one look at everything takes the place of all epochs."""
        for epoch in self.epochs:
            self._now.places += epoch.places
            self.meter.places -= epoch.places
            self.meter.ever -= epoch.places
        self.meter.note(self._now.touched)
        self.epochs = []
        self.noted = 0
        self._now.touched = []
        self._now.everything = True
        self.places.begin_anew(int(self._now.number))

    # --- forgetting -----------------------------------------------------------------------------

    def beat(self) -> None:
        """Once a heartbeat, behind it: the epoch ends."""
        if self._vanished and not any(db.hidden for db in self.databases):
            self._vanished.clear()
        for of_fields in (False, True):
            for _, log in self.memory.ledger.logs(of_fields):
                log.turn(CHUNK_LEAST)
        now = self._now
        self.meter.note(now.touched)
        self.meter.wrote(now.places)
        if now.touched or now.everything:
            now.row = self.streams.vector_row()
            self.epochs.append(now)
        self._now = Epoch(now.number + 1)
        self.streams.beats = self._now.number

    def step(self, budget: int) -> bool:
        """A slice of about so many places; True: nothing is to be done now.

        Nobody may be walking over the data: a snapshot's head says up to where its writer has
        forgotten.
        """
        work = self._work
        if work is None:
            if self._moves == self.memory.cut.moves:
                return True
            self._moves = self.memory.cut.moves
            work = self._round()
            self._work = work
        for _ in range(budget):
            if next(work, self) is self:
                self._work = None
                return self._moves == self.memory.cut.moves
        return False

    def _round(self) -> Iterator[None]:
        """All that the cut has passed, a place or so at a time."""
        cut = self.memory.cut
        while self.epochs and cut.has_row(self.epochs[0].row):
            epoch = self.epochs.pop(0)
            cut.beats = epoch.number
            if epoch.everything:
                yield from self._everything(epoch, cut)
                self.meter.looked_at(epoch.places, True)
                continue
            seen: dict[tuple[int, bytes], bool] = {}
            looked_at = 0
            for each in epoch.touched:
                self.noted -= 1 + len(each.names)
                looked_at += 1 + len(each.names)
                if each.op == FLUSH:
                    yield from self._hidden(self.databases[each.db], epoch, cut)
                    continue
                if each.whole:
                    yield from self._forget(each, epoch, seen, cut)
                    continue
                names = list(each.names)
                for at in range(AT_ONCE, len(names), AT_ONCE):
                    self._forget_some(each, names[at : at + AT_ONCE], epoch, cut)
                    yield None
                if names:
                    self._forget_some(each, names[:AT_ONCE], epoch, cut)
                self._end_of(each, epoch, seen, cut)
                if looked_at >= AT_ONCE:
                    looked_at = 0
                    yield None
            self.noted = max(self.noted, 0)
            self.meter.looked_at(epoch.places, False)
        self.memory.locations.forget(cut)
        for of_fields in (False, True):
            yield from self.counters.forget(of_fields)

    def _everything(self, epoch: Epoch, cut: Cut) -> Iterator[None]:
        """Every key, by shards."""
        for db in self.databases:
            for number in range(SHARDS):
                for key in list(db.keys.dicts[number]):
                    yield from self._forget(Touched(PUT, db.number, key, [], True), epoch, {}, cut)
            yield from self._hidden(db, epoch, cut)

    def _hidden(self, db: Database, epoch: Epoch, cut: Cut) -> Iterator[None]:
        """Every key of a database that shows nothing."""
        for key in list(db.hidden):
            yield from self._forget(Touched(PUT, db.number, key, [], True), epoch, {}, cut)

    def _forget(
        self, touched: Touched, epoch: Epoch, seen: dict[tuple[int, bytes], bool], cut: Cut
    ) -> Iterator[None]:
        """One key, and all its places; between two slices it may have become another."""
        db = self.databases[touched.db]
        entry = db.raw(touched.key)
        if entry is None:
            return
        for value in values_of(entry):
            cursor = 0
            known = remembered_places(value)
            for at in range(0, len(known), NAMES):
                self._forget_places(touched, entry, value, known[at : at + NAMES], epoch, cut)
                yield None
            while isinstance(value, (SetValue, HashValue, ZSetValue)):
                cursor, names = value.scan(cursor, NAMES)
                self._forget_names(entry, value, names, cut)
                if cursor == 0:
                    break
                yield None
        if db.raw(touched.key) is entry:
            self._forget_key(touched, entry, epoch, seen, cut)
        yield None

    def _forget_some(
        self, touched: Touched, names: list[bytes], epoch: Epoch, cut: Cut
    ) -> None:
        """Some of the places of a key that were touched."""
        entry = self.databases[touched.db].raw(touched.key)
        if entry is None:
            return
        if entry.dots is None:
            self._forget_places(touched, entry, entry.value, names, epoch, cut)
            return
        for value in values_of(entry):
            self._forget_places(touched, entry, value, names, epoch, cut)

    def _end_of(
        self, touched: Touched, epoch: Epoch, seen: dict[tuple[int, bytes], bool], cut: Cut
    ) -> None:
        """The key whose places were looked at."""
        entry = self.databases[touched.db].raw(touched.key)
        if entry is None:
            self._again = []
        else:
            self._forget_key(touched, entry, epoch, seen, cut)

    def _forget_key(
        self, touched: Touched, entry: Entry, epoch: Epoch,
        seen: dict[tuple[int, bytes], bool], cut: Cut,
    ) -> None:  # fmt: skip
        """What is known of the key as a whole: once for all that touched it in an epoch."""
        db = self.databases[touched.db]
        key = touched.key
        if self._again:
            self.noted += 1 + len(self._again)
            self._now.places += len(self._again)
            self._now.touched.append(Touched(ZINCR, touched.db, key, self._again, False))
            self._again = []
        name = (int(touched.db), key)
        if name not in seen or self.places.dropped:
            seen[name] = True
            self.places.dropped = False
            unparked = in_sight(entry, list(touched.names))
            self._forget_header(db, key, entry, cut)
            if any(is_waiting(value) for value in values_of(entry)):
                self._now.touched.append(Touched(LAPSE, db.number, key, [], False))
            for parked in unparked:
                parked.park(db.now.ms)
            if db.hidden.get(key) is entry:
                self._drop(db, key, entry, epoch)
            else:
                self._vanished.pop(name, None)

    def _forget_places(
        self, touched: Touched, entry: Entry, value: object, names: list[bytes], epoch: Epoch,
        cut: Cut,
    ) -> None:  # fmt: skip
        """Members or fields of a value, and what is remembered of their deadlines."""
        if not isinstance(value, Container) or value.deadlines is None:
            self._forget_names(entry, value, names, cut)
            return
        unparked = in_sight_of(value, names)
        self._forget_names(entry, value, names, cut)
        fold_deadlines(value, names, cut)
        unparked.park(self.databases[touched.db].now.ms)
        self._again += self.places.forget(
            touched.db, touched.key, entry, value, names, cut, self.oldest_ms(),
            int(epoch.number), int(self._now.number),
        )  # fmt: skip

    def _forget_names(
        self, entry: Entry, value: object, names: list[bytes], cut: Cut
    ) -> None:
        """Members or fields of a value."""
        dots = entry.dots
        rivals = None if dots is None else dots.rivals
        if isinstance(value, SetValue):
            self.forgotten += forget_members(value, names, rivals, cut)
        elif isinstance(value, HashValue):
            self.forgotten += forget_fields(value, names, rivals, cut)
        elif isinstance(value, ZSetValue):
            self.forgotten += forget_scores(value, names, cut, self._again)

    def _forget_header(self, db: Database, key: bytes, entry: Entry, cut: Cut) -> None:
        """What is remembered of the key as a whole, and of contested places."""
        for value in values_of(entry):
            slot = slot_of(value)
            if is_opaque(slot) and isinstance(value, Value):
                KINDS[slot].forget(value, cut)
                self.meter.see(db.number, key)
        dots = entry.dots
        if dots is None:
            if entry.flags & COUNTED:
                fold_key(self.memory, self.engine.writer.trash, db, key, entry)
            return
        drop_forgotten(dots)
        ttls = dots.ttls
        if has_only_deadlines(dots) and not entry.flags & (COUNTED | ABSENT | NO_REGISTER):
            if ttls is not None and not are_stable(ttls, cut):
                return
            if not isinstance(entry.value, bytes) and isinstance(entry.value, Value):
                entry.dots = None  # the deadline stands in the entry
            elif entry.flags & STABLE or cut.has(entry.stamp, i64(entry.origin)):
                entry.flags |= STABLE
                entry.dots = None
            return
        if dots.patches is not None:
            self.meter.see(db.number, key)
        fold_key(self.memory, self.engine.writer.trash, db, key, entry)
        dots = entry.dots
        if dots is not None and dots.patches is not None:  # later than what folds in one order
            self._now.touched.append(Touched(LAPSE, db.number, key, [], False))

    # --- keys that show nothing -----------------------------------------------------------------

    def _drop(self, db: Database, key: bytes, entry: Entry, epoch: Epoch) -> None:
        """A key that was deleted, emptied or has expired goes once nobody can ask for it."""
        name = (int(db.number), key)
        if self._vanished.get(name, 0) > epoch.number:
            return  # what took the last of it is not stable yet
        if 0 < entry.deadline < db.now.ms:
            if entry.deadline >= self.oldest_ms():
                self._vanished[name] = int(self._now.number)
                self._now.touched.append(Touched(LAPSE, db.number, key, [], False))
                return
        elif not is_forgotten(self.memory, int(db.number), key, entry):
            if entry.flags & COUNTED:  # increments fold later than what is stable by stream
                self._now.touched.append(Touched(LAPSE, db.number, key, [], False))
            return
        self._vanished.pop(name, None)
        del db.hidden[key]
        discard_entry(self.engine.writer.trash, entry)
        self.forgotten += 1

    def oldest_ms(self) -> i64:
        """The time that every live stream's writes here have passed: no older one can come."""
        oldest: i64 = 0
        for stream in self.streams.all:
            if stream.ended or stream.seen == 0:
                continue
            passed = stream.seen >> 20
            if oldest == 0 or passed < oldest:
                oldest = passed
        return oldest


def is_waiting(value: object) -> bool:
    """Can something of this be forgotten when more is stable?"""
    slot = slot_of(value)
    return is_opaque(slot) and isinstance(value, Value) and KINDS[slot].waits(value)
