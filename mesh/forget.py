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

from librt.strings import read_i64_le
from mypy_extensions import i64

from mesh.dots import Streams
from mesh.fold import fold_field, fold_key, is_forgotten, may_count, values_of
from mesh.merge.covers import Cut
from mesh.merge.increments import RECORD_BYTES, Chunk, key_and_field
from mesh.merge.kinds.table import KINDS
from mesh.merge.kinds.zset_members import fold_member
from mesh.merge.opening import open_state
from mesh.merge.rule import Memory
from mesh.merge.slots import is_opaque, slot_of
from mesh.merge.state import FIELD_BASE, FIELD_RIVALS, SET_RIVALS
from node.engine import Engine
from node.journal import Commit
from node.ports import Reader
from node.store.effect import (
    CREATION,
    DROP,
    FLUSH,
    HDEL,
    HINCR,
    HSET,
    INCR,
    LAPSE,
    MERGE,
    PUT,
    RETYPES,
    SADD,
    SREM,
    SWAP,
    ZADD,
    ZINCR,
    ZMAX,
    ZMIN,
    ZREM,
    Effect,
)  # fmt: skip
from node.store.entry import (
    ABSENT,
    COUNTED,
    LATER,
    NO_REGISTER,
    STABLE,
    Claim,
    Dot,
    Dots,
    Entry,
    Field,
    Rivals,
)  # fmt: skip
from node.store.keyspace import Database
from node.store.mutate import Outcome
from node.store.shards import SHARDS
from node.store.trash import discard_entry
from node.store.values.hashes import HashValue
from node.store.values.scored import Scored
from node.store.values.sets import SetValue
from node.store.values.value import Value
from node.store.values.zsets import ZSetValue

# Places that are noted at most, some 100 bytes each; beyond, all keys are looked at instead.
NOTED_MAX: Final = 200_000
# Increments of one heartbeat are a chunk of their own from so many on: it goes as a whole.
CHUNK_LEAST: Final = 256
AT_ONCE: Final = 16  # touched keys between two looks at the budget
# Names of a large value that are looked at in one slice: 0.2 ms.
NAMES: Final = 500


class Touched:
    """A key that was written, and which of its places; `whole`: any of them."""

    def __init__(self, op: i64, db: i64, key: bytes, names: list[bytes], whole: bool) -> None:
        self.op: i64 = op
        self.db: i64 = db
        self.key = key
        self.names = names
        self.whole = whole


class Epoch:
    """What was written between two heartbeats; `row` is what was applied at its end."""

    def __init__(self, number: i64) -> None:
        self.number: i64 = number
        self.row = b""
        self.touched: list[Touched] = []
        self.everything = False  # too much to be noted: every key is looked at


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
        self._now.everything = True  # what was loaded
        self._vanished: dict[tuple[int, bytes], int] = {}  # hidden keys, by when they vanished
        self._moves: i64 = 0
        self._work: Iterator[None] | None = None
        self._again: list[bytes] = []  # members of a sorted set that the cut has not passed yet

    # --- noting ---------------------------------------------------------------------------------

    def read(self, commit: Commit) -> None:
        first = commit.first
        if first is None:
            return
        self._note(first)
        if commit.count > 1:
            for effect in commit.rest:
                self._note(effect)

    def look_at_all(self) -> None:
        """A snapshot was merged, or a file loaded: nothing is known of what it brought."""
        self._collapse()

    def _note(self, effect: Effect) -> None:
        op = effect.op
        if op == FLUSH or op == SWAP:
            return
        db = self.databases[effect.db]
        is_hidden = len(db.hidden) > 0 and effect.key in db.hidden
        if is_hidden:
            self._vanished[int(effect.db), effect.key] = int(self._now.number)
        elif op == INCR or op == DROP or op == LAPSE or op == SREM or op == HDEL or op == ZREM:
            return
        if self._now.everything:
            return
        value = effect.value
        names: list[bytes] = []
        whole = False
        if op == PUT:
            whole = isinstance(value, Value)
            if not whole and not is_hidden and not self._hides(effect):
                return
        elif op == SADD:
            names = cast(list[bytes], value)[int(effect.number) :]
        elif op == HSET:
            names = cast(list[bytes], value)[int(effect.number) :: 2]
        elif op == HINCR:
            names = [value if isinstance(value, bytes) else cast(list[bytes], value)[0]]
        elif op == ZADD or op == ZMAX or op == ZMIN:
            names = cast(list[bytes], value)[int(effect.number) + 1 :: 2]
        elif op == ZINCR:
            names = [cast(list[bytes], value)[1]]
        elif op == MERGE:
            if value is None:
                return  # a watched key after a transfer: it is looked at with all others
            names = [step.place for step in cast(Outcome, value).steps]
        self.noted += 1 + len(names)
        self._now.touched.append(Touched(op, effect.db, effect.key, names, whole))
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
        self.epochs = []
        self.noted = 0
        self._now.touched = []
        self._now.everything = True

    # --- forgetting -----------------------------------------------------------------------------

    def beat(self) -> None:
        """Once a heartbeat, behind it: the epoch ends."""
        if self._vanished and not any(db.hidden for db in self.databases):
            self._vanished.clear()
        for of_fields in (False, True):
            for _, log in self.memory.ledger.logs(of_fields):
                log.turn(CHUNK_LEAST)
        now = self._now
        if now.touched or now.everything:
            now.row = self.streams.vector_row()
            self.epochs.append(now)
        self._now = Epoch(now.number + 1)

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
            if epoch.everything:
                yield from self._everything(epoch, cut)
                continue
            seen: dict[tuple[int, bytes], bool] = {}
            for number, each in enumerate(epoch.touched):
                self.noted -= 1 + len(each.names)
                if each.whole:
                    yield from self._forget(each, epoch, seen, cut)
                    continue
                self._forget_some(each, epoch, seen, cut)
                if number % AT_ONCE == 0:
                    yield None
            self.noted = max(self.noted, 0)
        self.memory.locations.forget(cut)
        for of_fields in (False, True):
            yield from self._counters(of_fields, cut)

    def _everything(self, epoch: Epoch, cut: Cut) -> Iterator[None]:
        """Every key, by shards."""
        for db in self.databases:
            for number in range(SHARDS):
                for key in list(db.keys.dicts[number]):
                    yield from self._forget(Touched(PUT, db.number, key, [], True), epoch, {}, cut)
            for key in list(db.hidden):
                yield from self._forget(Touched(PUT, db.number, key, [], True), epoch, {}, cut)

    def _forget(
        self, touched: Touched, epoch: Epoch, seen: dict[tuple[int, bytes], bool], cut: Cut
    ) -> Iterator[None]:
        """One key, and all its places."""
        entry = self.databases[touched.db].raw(touched.key)
        if entry is None:
            return
        for value in values_of(entry):
            cursor = 0
            while isinstance(value, (SetValue, HashValue, ZSetValue)):
                cursor, names = value.scan(cursor, NAMES)
                self._forget_names(entry, value, names, cut)
                if cursor == 0:
                    break
                yield None
        self._forget_key(touched, entry, epoch, seen, cut)
        yield None

    def _forget_some(
        self, touched: Touched, epoch: Epoch, seen: dict[tuple[int, bytes], bool], cut: Cut
    ) -> None:
        """One key, and the places that were touched."""
        entry = self.databases[touched.db].raw(touched.key)
        if entry is None:
            return
        names = touched.names
        if names:
            dots = entry.dots
            self._forget_names(entry, entry.value, names, cut)
            if dots is not None and dots.hidden is not None:
                for value in dots.hidden:
                    self._forget_names(entry, value, names, cut)
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
            self._now.touched.append(Touched(ZINCR, touched.db, key, self._again, False))
            self._again = []
        name = (int(touched.db), key)
        if name not in seen:
            seen[name] = True
            self._forget_header(db, key, entry, cut)
            if db.hidden.get(key) is entry:
                self._drop(db, key, entry, epoch)
            else:
                self._vanished.pop(name, None)

    def _forget_names(
        self, entry: Entry, value: object, names: list[bytes], cut: Cut
    ) -> None:
        """Members or fields of a value."""
        dots = entry.dots
        rivals = None if dots is None else dots.rivals
        if isinstance(value, SetValue):
            self._forget_members(value, names, rivals, cut)
        elif isinstance(value, HashValue):
            self._forget_fields(value, names, rivals, cut)
        elif isinstance(value, ZSetValue):
            for member in names:
                slot = value.slot(member)
                if isinstance(slot, Scored):
                    if not fold_member(value, member, cut):
                        self._again.append(member)
                    if value.slot(member) is not slot:
                        self.forgotten += 1

    def _forget_members(
        self, value: SetValue, names: list[bytes], rivals: dict[bytes, Rivals] | None, cut: Cut
    ) -> None:
        for member in names:
            slot = value.slot(member)
            if not isinstance(slot, Dot) or not cut.has(slot.stamp, slot.origin):
                continue
            if rivals is None or SET_RIVALS + member not in rivals:
                value.do_place(member, None)
                self.forgotten += 1

    def _forget_fields(
        self, value: HashValue, names: list[bytes], rivals: dict[bytes, Rivals] | None, cut: Cut
    ) -> None:
        for field in names:
            slot = value.slot(field)
            if (
                not isinstance(slot, Field)
                or slot.flags & ~LATER
                or not cut.has(slot.stamp, i64(slot.origin))
            ):
                continue
            if rivals is None or (
                FIELD_RIVALS + field not in rivals and FIELD_BASE + field not in rivals
            ):
                value.do_place(field, slot.value)
                self.forgotten += 1

    def _forget_header(self, db: Database, key: bytes, entry: Entry, cut: Cut) -> None:
        """What is remembered of the key as a whole, and of contested places."""
        for value in values_of(entry):
            slot = slot_of(value)
            if is_opaque(slot) and isinstance(value, Value):
                KINDS[slot].forget(value, cut)
                if KINDS[slot].waits(value):
                    self._now.touched.append(Touched(LAPSE, db.number, key, [], False))
        dots = entry.dots
        if dots is None:
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
        fold_key(self.memory, self.engine.writer.trash, db, key, entry)

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

    # --- counters -------------------------------------------------------------------------------

    def _counters(self, of_fields: bool, cut: Cut) -> Iterator[None]:
        """Chunks of increments that are stable as a whole: their places fold, and they go."""
        for db, log in self.memory.ledger.logs(of_fields):
            for chunk in list(log.chunks):
                if not chunk.places or chunk.newest_stamp() > cut.before:
                    continue
                alive = False
                for at in range(len(chunk.places)):
                    if chunk.is_dead(at):
                        if not of_fields:
                            self._uncount(db, chunk.places[at])
                    elif self._counts(db, chunk, at, of_fields, cut):
                        alive = True
                    yield None
                if not alive and chunk.newest_stamp() <= cut.before:
                    log.drop(chunk)

    def _uncount(self, number: int, key: bytes) -> None:
        """An increment died with what it counted on: does its key still look like a counter?"""
        db = self.databases[number]
        entry = db.raw(key)
        if entry is not None and entry.flags & COUNTED:
            fold_key(self.memory, self.engine.writer.trash, db, key, entry)

    def _counts(self, number: int, chunk: Chunk, at: int, of_fields: bool, cut: Cut) -> bool:
        """Does a record still count after its place was folded?"""
        db = self.databases[number]
        place = chunk.places[at]
        key, field = key_and_field(place) if of_fields else (place, b"")
        entry = db.raw(key)
        if entry is None or not (of_fields or entry.flags & COUNTED):
            return False
        if of_fields and not may_count(entry, field):
            return False
        stamp = read_i64_le(chunk.data(), i64(at) * RECORD_BYTES)
        if of_fields:
            fold_field(self.memory, db, key, field, entry)
        else:
            fold_key(self.memory, self.engine.writer.trash, db, key, entry)
        if chunk.is_dead(at):
            return False
        state = open_state(entry, db.number, key, False, self.streams, self.memory.ledger)
        live = state.field_state(field).increments if of_fields else state.increments
        return any(each.chunk is chunk and each.at == at and each.stamp == stamp for each in live)


def drop_forgotten(dots: Dots) -> None:
    """Hidden values of which nothing is remembered any more go."""
    hidden = dots.hidden
    if hidden is None:
        return
    kept: list[object] = []
    for value in hidden:
        kind = KINDS[slot_of(value)]
        if not kind.by_places or not isinstance(value, Value) or kind.remembers(value):
            kept.append(value)
    dots.hidden = kept if kept else None


def are_stable(claims: list[Claim], cut: Cut) -> bool:
    """Does the cut cover all of them?"""
    return all(cut.has(each.stamp, each.origin) for each in claims)


def has_only_deadlines(dots: Dots) -> bool:
    """Is nothing rare there but TTL claims?"""
    return (
        dots.registers is None and dots.claims is None and dots.hidden is None
        and dots.rivals is None and dots.base is None and dots.patches is None
    )  # fmt: skip
