"""Noting: what is written, for mesh/forget.py to look at once it is stable.  [compiled]

The last reader but one of the journal. What is noted between two heartbeats is an Epoch
(mesh/touched.py). Where too much waits (a member is away), places are no longer noted, and all keys
are looked at.
"""

from __future__ import annotations

from typing import Final, cast

from mypy_extensions import i64

from mesh.dots import Streams
from mesh.fold import values_of
from mesh.merge.place_forget import PlaceForgetter
from mesh.merge.rule import Memory
from mesh.touched import (
    CLOSELY,
    FIRST_NAME,
    HOW,
    LEAVES_NOTHING,
    MEASURED,
    NAME_STEP,
    SHARE,
    SINGLE,
    WHOLE,
    Epoch,
    Touched,
)  # fmt: skip
from mesh.usage import Meter
from node.engine import Engine
from node.journal import Commit
from node.ports import Reader
from node.store.effect import (
    CREATION,
    FLUSH,
    HEXPIRE,
    HINCR,
    HSET,
    INCR,
    LAPSE,
    MERGE,
    PUT,
    RETYPES,
    SADD,
    SWAP,
    ZADD,
    ZINCR,
    Effect,
)  # fmt: skip
from node.store.keyspace import Database
from node.store.mutate import Outcome
from node.store.trash import discard_list
from node.store.values.container import Container
from node.store.values.value import Value

# Places that are noted at most, some 100 bytes each; beyond, all keys are looked at instead.
NOTED_MAX: Final = 500_000
NO_DB: Final[i64] = -1
# Places of a collection that is looked at whole whatever was written of it.
SMALL: Final = 32


class Noting(Reader):
    """Notes what is written."""

    def __init__(self, engine: Engine, memory: Memory) -> None:
        self.engine = engine
        self.memory = memory
        self.streams: Streams = memory.streams
        self.databases: list[Database] = engine.databases
        self.noted: i64 = 0  # places that wait
        self.noted_max: i64 = NOTED_MAX
        self.epochs: list[Epoch] = []
        self._now = Epoch(1)
        self.streams.beats = self._now.number
        self._now.everything = True  # what was loaded
        self._nobody = Touched(PUT, NO_DB, b"", [], False)
        self._last = self._nobody  # what was noted last, where it may be noted again
        self._vanished: dict[tuple[int, bytes], int] = {}  # hidden keys, by when they vanished
        self.places = PlaceForgetter()
        self.meter = Meter(engine, memory)
        self.meter.unsure = True
        self.meter.count()

    def read(self, commit: Commit) -> None:
        first = commit.first
        if first is None:
            return
        if commit.count == 1:
            op = first.op
            # A client's write that adds something leaves its key in sight.
            if first.origin == 0:
                if op == INCR:
                    return  # it stands in the ledger
                if op == PUT:
                    if not first.flags & (RETYPES | CREATION) and isinstance(first.value, bytes):
                        return
                elif (op == SADD or op == HSET or op == ZADD) and self._note_place(first, op):
                    return
            if self._note_quickly(first, op):
                return
        self._last = self._nobody
        self._note(first)
        if commit.count > 1:
            for effect in commit.rest:
                self._note(effect)

    def look_at_all(self) -> None:
        """A snapshot was merged, or a file loaded: nothing is known of what it brought."""
        self._collapse()
        self.meter.unsure = True
        self.meter.count()

    def _note_place(self, effect: Effect, op: i64) -> bool:
        """One more member or field of a key that was written in this heartbeat already. False: it
        is to be looked at closely."""
        if self.places.active:
            return False
        arguments = cast(list[bytes], effect.value)
        at = effect.number
        count = (len(arguments) - at) // NAME_STEP[op]
        last = self._last
        if last.key != effect.key or last.db != effect.db:
            if self._note_collection(effect, op):
                self._now.places += count
                return True
            found = self._noted_last(effect)
            if found is None:
                return False
            last = found
        if last.whole:
            self._now.places += count
            return True
        if count > 1:
            return False
        if MEASURED[last.op]:
            return False
        self._now.places += 1
        last.names.append(arguments[at + 1 if op == ZADD else at])
        self.noted += 1
        if len(last.names) >= last.limit:
            self._widen(last)
        elif self.noted > self.noted_max:
            self._collapse()
        return True

    def _note_quickly(self, effect: Effect, op: i64) -> bool:
        """As that for other ops, and for what a peer has written: what leaves nothing, or is
        noted already."""
        if self.places.active or self.databases[effect.db].hidden:
            return False
        how = HOW[op]
        if how == CLOSELY:
            return LEAVES_NOTHING[op] or (
                op == PUT and not effect.flags & (RETYPES | CREATION)
                and isinstance(effect.value, bytes)
            )  # fmt: skip
        if how == SINGLE:
            return (op == SADD or op == HSET or op == ZADD) and self._note_place(effect, op)
        last = self._last
        if last.key != effect.key or last.db != effect.db:
            found = self._noted_last(effect)
            if found is None:
                return False
            last = found
        if how == WHOLE:
            return last.whole or MEASURED[last.op]
        if last.whole or op == HINCR:  # the increment itself stands in the ledger
            self._now.places += 1
            return True
        return False

    def _note_collection(self, effect: Effect, op: i64) -> bool:
        """Notes a small collection as a whole, or sees that it was noted in this heartbeat: its
        value says so. It was just written, while what was noted may be far from the processor."""
        db = self.databases[effect.db]
        entry = db.keys.get(effect.key)
        value = None if entry is None else entry.value
        if entry is None or not isinstance(value, Container):
            return False
        now = self._now
        if value.noted == now.number:
            return True
        dots = entry.dots
        if value.size() > SMALL or now.everything or (dots is not None and dots.hidden is not None):
            return False
        value.noted = now.number
        touched = Touched(op, effect.db, effect.key, [], True)
        now.last[effect.key] = touched
        now.touched.append(touched)
        self.noted += 1
        if self.noted > self.noted_max:
            self._collapse()
        return True

    def _noted_last(self, effect: Effect) -> Touched | None:
        """What was noted of this key in this heartbeat; None: nothing."""
        now = self._now
        found = now.last.get(effect.key)
        if found is None or found.db != effect.db or now.everything:
            return None
        self._last = found
        return found

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
            arguments = cast(list[bytes], value)
            names = arguments[int(effect.number + FIRST_NAME[op]) :: int(NAME_STEP[op])]
        elif op == ZINCR:
            names = [cast(list[bytes], value)[1]]
        elif op == MERGE:
            if value is None:
                return  # a watched key after a transfer: it is looked at with all others
            names = [step.place for step in cast(Outcome, value).steps]
        if not MEASURED[op]:  # what is measured itself is not counted here
            self._now.places += len(names) if names or NAME_STEP[op] != 0 else 1
        self._touch(op, effect.db, effect.key, names, whole)

    def _touch(self, op: i64, db: i64, key: bytes, names: list[bytes], whole: bool) -> None:
        """Notes these places of a key, or all of them; the list is the note's from then on."""
        now = self._now
        self.noted += now.touch(op, db, key, names, whole)
        last = now.last[key]
        if len(last.names) >= last.limit:
            self._widen(last)
        elif self.noted > self.noted_max:
            self._collapse()

    def _widen(self, touched: Touched) -> None:
        """Many names of a key were noted: is it to be looked at whole?"""
        entry = self.databases[touched.db].raw(touched.key)
        size: i64 = 0
        if entry is not None:
            for value in values_of(entry):
                if isinstance(value, Container):
                    size += value.size()
        known: i64 = len(touched.names)
        if known * SHARE >= size:
            touched.whole = True
            discard_list(self.engine.writer.trash, touched.names)
            touched.names = []
            self.noted -= known
        else:
            touched.limit = known * 2
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
        self._last = self._nobody
        self._now.touched = []
        self._now.last = {}
        self._now.everything = True
        self.places.begin_anew(int(self._now.number))

    def end_epoch(self) -> None:
        """Once a heartbeat, behind it."""
        now = self._now
        self.meter.note(now.touched)
        self.meter.wrote(now.places)
        if now.touched or now.everything:
            now.row = self.streams.write_row()
            self.epochs.append(now)
        self._last = self._nobody
        self._now = Epoch(now.number + 1)
        self.streams.beats = self._now.number
