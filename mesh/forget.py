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
from typing import Final

from mypy_extensions import i64

from mesh.fold import (
    drop_forgotten,
    fold_key,
    has_only_deadlines,
    is_forgotten,
    values_of,
)  # fmt: skip
from mesh.forget_beside import Beside
from mesh.forget_counters import CounterForgetter
from mesh.merge.covers import Cut
from mesh.merge.dot_forget import forget_fields, forget_members, forget_scores, sweep
from mesh.merge.kinds.table import KINDS
from mesh.merge.place_forget import (
    are_stable,
    fold_deadlines,
    in_sight,
    in_sight_of,
    remembered_places,
)  # fmt: skip
from mesh.merge.rule import Memory
from mesh.merge.slots import is_opaque, slot_of
from mesh.put_off import PuttingOff
from mesh.touched import EVERY_STAMP, Epoch, SmallKey, Touched
from node.engine import Engine
from node.store.effect import FLUSH, LAPSE, PUT, ZINCR
from node.store.entry import ABSENT, COUNTED, NO_REGISTER, STABLE, Entry
from node.store.keyspace import Database
from node.store.shards import SHARDS
from node.store.trash import SLOW_FREE, discard_entry, discard_list, has
from node.store.values.container import Container
from node.store.values.hashes import HashValue
from node.store.values.sets import SetValue
from node.store.values.value import Value
from node.store.values.zsets import ZSetValue
from node.store.writer import HALT, LATER, READY

AT_ONCE: Final = 16  # touched places between two looks at the budget
# Names of a large value that are looked at in one slice: 0.2 ms.
NAMES: Final = 500
# Places that are passed over in the dicts of a value, to one look at the budget.
SWEPT_AT_ONCE: Final = 16


class Forgetter(PuttingOff):
    """Forgets the metadata of what was noted once it is stable."""

    def __init__(self, engine: Engine, memory: Memory) -> None:
        super().__init__(engine, memory)
        self.forgotten: i64 = 0  # places looked at whose dots went
        self._moves: i64 = 0
        self._work: Iterator[None] | None = None
        self._again: list[bytes] = []  # places that are to be looked at once more, soon
        self._later: list[bytes] = []  # places that the cut, or the time, has not passed yet
        # What can go once the cut has moved: it is noted again then, lest it is looked at in vain.
        self._late: list[Touched] = []
        self._late_moves: i64 = 0
        self.beside = Beside(engine)
        self.counters = CounterForgetter(engine, memory, self.beside)

    # --- forgetting -----------------------------------------------------------------------------

    def beat(self) -> None:
        """Once a heartbeat, behind it: the epoch ends."""
        if self._vanished and not any(db.hidden for db in self.databases):
            self._vanished.clear()
        cut = self.memory.cut
        if self._late and self._late_moves != cut.moves:
            self._now.touched += self._late
            self._late = []
        self.end_epoch()
        self._forget_looks()
        self._go_back()
        if (self.epochs and cut.has_row(self.epochs[0].row)) or self.counters.are_due():
            self._moves = 0  # there is something to be looked at though the cut has not moved

    def step(self, budget: int) -> bool:
        """A slice of about so many places; True: nothing is to be done now."""
        self.beside.halted = False
        work = self._work
        if work is None:
            if self.beside.were_written(self.behind):
                self._go_back()
            if self._moves == self.memory.cut.moves:
                return True
            self._moves = self.memory.cut.moves
            work = self._round()
            self._work = work
        left: i64 = budget
        while left > 0:
            self.beside.shown = 0
            if next(work, self) is self:
                self._work = None
                return self._moves == self.memory.cut.moves
            if self.beside.halted:
                return False
            # To encode an entry takes as long as to look at some places.
            left -= 1 + self.beside.shown
        return False

    def _round(self) -> Iterator[None]:
        """All that the cut has passed, a place or so at a time."""
        cut = self.memory.cut
        while self.epochs and cut.has_row(self.epochs[0].row):
            epoch = self.epochs.pop(0)
            self.noted -= 1
            cut.beats = max(cut.beats, epoch.number)
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
                    to = self._put_off(each, epoch, cut)
                    if to != 0:
                        yield from self._forget(each, epoch, seen, cut, to)
                    continue
                left: i64 = len(each.names)
                while left >= 0:
                    stand = self.beside.stand(each.db, each.key, False)
                    if stand == READY:
                        some = each.names[max(left - AT_ONCE, 0) : left]
                        left -= AT_ONCE
                        self._forget_some(each, some, epoch, cut)
                        if left <= 0:
                            self._end_of(each, epoch, seen, cut)
                            break
                    elif stand == LATER:
                        self._look_again(each, epoch)
                        break
                    yield None
                discard_list(self.engine.writer.trash, each.names)
                each.names = []
                if looked_at >= AT_ONCE:
                    looked_at = 0
                    yield None
            looked_at = 0
            for small in epoch.small:
                looked_at += 1
                if self._is_due(small, epoch):
                    while self.beside.stand(small.db, small.key, True) == HALT:
                        yield None
                    places = self._forget_small(small, cut)
                    if places < 0:
                        whole = Touched(PUT, small.db, small.key, [], True)
                        yield from self._forget(whole, epoch, seen, cut)
                    looked_at += places
                if looked_at >= AT_ONCE:
                    looked_at = 0
                    yield None
            self.noted = max(self.noted, 0)
            if len(epoch.touched) > SLOW_FREE:
                self.engine.writer.trash += [epoch.last, epoch.touched]
            if len(epoch.small) > SLOW_FREE:
                self.engine.writer.trash.append(epoch.small)
            self.meter.looked_at(epoch.places, False)
        self.memory.locations.forget(cut)
        yield from self.counters.forget(self.memory.ledger.strings)
        yield from self.counters.forget(self.memory.ledger.fields)

    def _forget_small(self, small: SmallKey, cut: Cut) -> i64:
        """The usual small collection, in one step: how many places it has; -1: there is more to it,
        and it is to be looked at as any other key."""
        entry = self.databases[small.db].keys.get(small.key)
        value = None if entry is None else entry.value
        if entry is None or not isinstance(value, Container):
            return -1
        self._unmark(value)
        places = value.small
        dots = entry.dots
        if (
            places is None or value.deadlines is not None or self.places.active
            or (dots is not None and not has_only_deadlines(dots))
            or entry.flags & (COUNTED | ABSENT | NO_REGISTER)
        ):  # fmt: skip
            return -1
        self.forgotten += sweep(value, places, None, cut, EVERY_STAMP, self._later)
        if self._later:
            self._later = []
            return -1
        if dots is not None and (dots.ttls is None or are_stable(dots.ttls, cut)):
            entry.dots = None  # the deadline stands in the entry
        name = (int(small.db), small.key)
        self._vanished.pop(name, None)
        self.meter.check(name)
        return len(places)

    def _unmark(self, value: Container) -> None:
        """A value that is looked at, and that waits for no epoch, needs no mark any more."""
        mark = value.mark
        if not isinstance(mark, SmallKey) or mark.number <= self.collapsed:
            value.mark = None

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
        self, touched: Touched, epoch: Epoch, seen: dict[tuple[int, bytes], bool], cut: Cut,
        to: i64 = EVERY_STAMP,
    ) -> Iterator[None]:  # fmt: skip
        """One key, and all its places, but what is later than the stamp `to`; between two slices
        it may have become another."""
        db = self.databases[touched.db]
        yield from self._halts(touched, epoch)
        entry = db.raw(touched.key)
        if entry is None:
            self.meter.check((int(touched.db), touched.key))
            return
        if self.beside.stand(touched.db, touched.key, epoch.everything) == LATER:
            self._look_again(touched, epoch)
            return
        for value in values_of(entry):
            cursor: i64 = 0
            if isinstance(value, Container):
                self._unmark(value)
            known = remembered_places(value)
            for at in range(0, len(known), NAMES):
                self._forget_places(touched, entry, value, known[at : at + NAMES], epoch, cut)
                yield None
                yield from self._halts(touched, epoch)
                if not self._may_go_on(touched, entry, value, epoch):
                    self._look_again(touched, epoch)
                    return
            while cursor >= 0 and isinstance(value, (SetValue, HashValue, ZSetValue)):
                chunk, cursor = value.do_chunk_from(cursor)
                dots = entry.dots
                rivals = None if dots is None else dots.rivals
                self.forgotten += sweep(value, chunk, rivals, cut, to, self._later)
                for _ in range(len(chunk) // SWEPT_AT_ONCE + 1):
                    yield None
                yield from self._halts(touched, epoch)
                if not self._may_go_on(touched, entry, value, epoch):
                    self._look_again(touched, epoch)
                    return
        self._forget_key(touched, entry, epoch, seen, cut)
        yield None

    def _halts(self, touched: Touched, epoch: Epoch) -> Iterator[None]:
        """Until the key may be looked at or is to be left. Who looks at everything leaves nothing:
        nobody may know how much there is."""
        while self.beside.stand(touched.db, touched.key, epoch.everything) == HALT:
            yield None

    def _may_go_on(
        self, touched: Touched, entry: Entry, value: object, epoch: Epoch
    ) -> bool:
        """After a slice: is it still the entry of its key, has it this value, and may it be
        changed?"""
        if self.databases[touched.db].raw(touched.key) is not entry or not has(entry, value):
            return False
        return self.beside.stand(touched.db, touched.key, epoch.everything) == READY

    def _go_back(self) -> None:
        """What a walk was to have first is looked at again now."""
        if self.behind:
            self.epochs = self.behind + self.epochs
            self.behind = []
            self._moves = 0

    def _look_again(self, touched: Touched, epoch: Epoch) -> None:
        """A value was taken away while it was looked at, and is being freed, or a walk is to have
        it first: if the key is there it is for the next time."""
        self._again = []
        self._later = []
        entry = self.databases[touched.db].raw(touched.key)
        if entry is None:
            return
        names = touched.names
        size: i64 = len(names)
        for value in values_of(entry):
            if touched.whole and isinstance(value, Container):
                size += value.size()
        touched.names = []
        now = self._now
        dots = min(size, epoch.places)  # at most
        self.meter.wrote(dots)
        if self.beside.stand(touched.db, touched.key, epoch.everything) == LATER:
            self._leave(Touched(touched.op, touched.db, touched.key, names, touched.whole), epoch)
            self.behind[-1].places += dots
            return
        now.places += dots
        now.told += dots
        if not now.everything:
            self._touch(PUT, touched.db, touched.key, names, touched.whole)

    def _leave(self, touched: Touched, epoch: Epoch) -> None:
        """A walk is to have this key first: it is stable, and waits for that alone."""
        behind = self.behind
        if not behind or behind[-1].number != epoch.number:
            left = Epoch(epoch.number)
            left.row = epoch.row
            behind.append(left)
            self.noted += 1
        behind[-1].touched.append(touched)
        self.noted += 1 + len(touched.names)

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
            self._later = []
            self.meter.check((int(touched.db), touched.key))
        else:
            self._forget_key(touched, entry, epoch, seen, cut)

    def _forget_key(
        self, touched: Touched, entry: Entry, epoch: Epoch,
        seen: dict[tuple[int, bytes], bool], cut: Cut,
    ) -> None:  # fmt: skip
        """What is known of the key as a whole: once for all that touched it in an epoch."""
        db = self.databases[touched.db]
        key = touched.key
        again = self._again
        if again:
            self._now.touched.append(self._again_of(touched.db, key, again))
            self._again = []
        if self._later:
            self._wait(self._again_of(touched.db, key, self._later))
            self._later = []
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
        self.meter.check(name)

    def _again_of(self, db: i64, key: bytes, names: list[bytes]) -> Touched:
        """These places of a key are to be looked at again."""
        self.noted += 1 + len(names)
        self._now.places += len(names)
        return Touched(ZINCR, db, key, names, False)

    def _wait(self, touched: Touched) -> None:
        """This is to be looked at again once the cut has moved."""
        if not self._late:
            self._late_moves = self.memory.cut.moves
        self._late.append(touched)

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
            int(epoch.number), int(self._now.number), self._later,
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
            self.forgotten += forget_scores(value, names, cut, self._later)

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
            self._wait(Touched(LAPSE, db.number, key, [], False))

    # --- keys that show nothing -----------------------------------------------------------------

    def _drop(self, db: Database, key: bytes, entry: Entry, epoch: Epoch) -> None:
        """A key that was deleted, emptied or has expired goes once nobody can ask for it."""
        name = (int(db.number), key)
        if self._vanished.get(name, 0) > epoch.number:
            return  # what took the last of it is not stable yet
        if 0 < entry.deadline < db.now.ms:
            if entry.deadline >= self.oldest_ms():
                self._vanished[name] = int(self._now.number)
                self._wait(Touched(LAPSE, db.number, key, [], False))
                return
        elif not is_forgotten(self.memory, int(db.number), key, entry):
            if entry.flags & COUNTED:  # increments fold later than what is stable by stream
                self._wait(Touched(LAPSE, db.number, key, [], False))
            return
        self._vanished.pop(name, None)
        del db.hidden[key]
        discard_entry(self.engine.writer.trash, entry)
        self.forgotten += 1

    def oldest_ms(self) -> i64:
        """The time that every live stream's writes here have passed, and that each member's disk
        has: no older one can come, be it of a process that starts again with its clock set back."""
        oldest: i64 = 0
        for stream in self.streams.all:
            if stream.is_over() or stream.seen == 0:
                continue
            passed = stream.seen >> 20
            if oldest == 0 or passed < oldest:
                oldest = passed
        newest = self.memory.cut.newest >> 20
        return newest if newest < oldest else oldest

    def waiting_row(self) -> bytes:
        """What must be on all disks before more can be forgotten; b"" where nothing waits."""
        if self.epochs:
            return self.epochs[0].row
        if self._late or self.memory.ledger.records() > 0:
            return self.streams.vector_row()
        return b""


def is_waiting(value: object) -> bool:
    """Can something of this be forgotten when more is stable?"""
    slot = slot_of(value)
    return is_opaque(slot) and isinstance(value, Value) and KINDS[slot].waits(value)
