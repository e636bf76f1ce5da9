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
    AGAIN,
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
    SmallKey,
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
from node.store.entry import Entry
from node.store.keyspace import Database
from node.store.mutate import Outcome
from node.store.trash import discard_list
from node.store.values.container import Container
from node.store.values.hashes import HashValue
from node.store.values.sets import SetValue
from node.store.values.value import Value
from node.store.values.zsets import ZSetValue

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
        self.noted: i64 = 0  # places that wait, keys and epochs
        self.noted_max: i64 = NOTED_MAX
        self.epochs: list[Epoch] = []
        self.behind: list[Epoch] = []  # stable, but a walk is to have their keys first
        self._now = Epoch(1)
        self.streams.beats = self._now.number
        self._now.everything = True  # what was loaded
        self.collapsed: i64 = 1  # the last epoch that looks at everything
        self._nobody = Touched(PUT, NO_DB, b"", [], False)
        self._last = self._nobody  # what was noted last, where it may be noted again
        # What was noted last of those that are looked at whole in this heartbeat.
        self._hot_db = self.databases[0]
        self._no_entry = Entry(None, 0, 0)
        self._hot = self._no_entry
        self._vanished: dict[tuple[int, bytes], int] = {}  # hidden keys, by when they vanished
        self.places = PlaceForgetter()
        self.meter = Meter(engine, memory)
        self.meter.brought()

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
                elif op == HINCR:
                    # The key that was counted up just now: the increment stands in the ledger.
                    if (
                        first.key == self._last.key and first.db == self._last.db
                        and not self.places.active
                    ):  # fmt: skip
                        self._now.places += 1
                        return
                elif op == SADD or op == HSET or op == ZADD:
                    if self._hot_db.is_recent(first.key, self._hot) and not self.places.active:
                        self._now.places += places_of(first, op)
                        return
                    if self._note_place(first, op):
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
        self.meter.brought()

    def _note_place(self, effect: Effect, op: i64) -> bool:
        """One more member or field of a key that was written in this heartbeat already. False: it
        is to be looked at closely."""
        if self.places.active:
            return False
        count = places_of(effect, op)
        now = self._now
        last = self._last
        db = self.databases[effect.db]
        entry = db.recent(effect.key)
        if last.whole and last.db == effect.db and last.key == effect.key:
            now.places += count  # the large key that is written all the time
            if entry is not None:
                self._hot_db = db
                self._hot = entry
                if isinstance(entry.value, Container):
                    entry.value.noted = now.number
            return True
        value = None if entry is None else entry.value
        if noted_in(value) == now.number:
            now.places += count
            return True
        if last.key != effect.key or last.db != effect.db:
            if entry is not None and self._note_collection(effect, entry):
                now.places += count
                return True
            found = self._noted_last(effect)
            if found is None:
                return False
            last = found
        if last.whole:
            if isinstance(value, Container):
                value.noted = now.number
            now.places += count
            return True
        if count > 1:
            return False
        if MEASURED[last.op]:
            return False
        self._now.places += 1
        arguments = cast(list[bytes], effect.value)
        last.names.append(arguments[effect.number + 1 if op == ZADD else effect.number])
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
        is_last = last.key == effect.key and last.db == effect.db
        if how == AGAIN and not (is_last and op == HINCR) and self._is_marked(effect):
            self._now.places += 1
            return True
        if not is_last:
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

    def _note_collection(self, effect: Effect, entry: Entry) -> bool:
        """Notes a small collection as a whole. It stands in one epoch alone: one that waits to be
        looked at is only marked as written anew, and goes on to this epoch when its turn comes."""
        value = entry.value
        if not isinstance(value, Container):
            return False
        size: i64 = value.size()
        dots = entry.dots
        if size > SMALL or (dots is not None and dots.hidden is not None):
            return False
        now = self._now
        mark = value.mark
        if not isinstance(mark, SmallKey):
            mark = SmallKey(0, effect.db, effect.key, size)
            value.mark = mark
        waits = mark.number > self.collapsed
        mark.number = now.number
        mark.size = size
        value.noted = now.number
        if not waits and not now.everything:
            mark.put_off = 0
            now.small.append(mark)
            self.noted += 1
            if self.noted > self.noted_max:
                self._collapse()
        return True

    def _is_marked(self, effect: Effect) -> bool:
        """Is the key's value a collection that was noted as a whole in this heartbeat?"""
        entry = self.databases[effect.db].recent(effect.key)
        return entry is not None and noted_in(entry.value) == self._now.number

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
        if (
            (op == SADD or op == HSET or op == ZADD) and not is_hidden
            and self._note_place(effect, op)
        ):  # fmt: skip
            return
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
            self.noted -= known
            self._look_whole(touched)
        else:
            touched.limit = known * 2
        if self.noted > self.noted_max:
            self._collapse()

    def _look_whole(self, touched: Touched) -> None:
        """Its names are not needed any more."""
        touched.whole = True
        discard_list(self.engine.writer.trash, touched.names)
        touched.names = []

    def _hides(self, effect: Effect) -> bool:
        """Is something left, hidden, of what a string took the place of?"""
        if not effect.flags & (RETYPES | CREATION):
            return False
        entry = self.databases[effect.db].keys.get(effect.key)
        return entry is not None and entry.dots is not None

    def _collapse(self) -> None:
        """Too much waits to be noted: one look at everything takes the place of all epochs."""
        for epoch in [*self.behind, *self.epochs]:
            self._now.places += epoch.places
            self.meter.places -= epoch.places
            self.meter.ever -= epoch.places
        self.meter.note(self._now.touched)
        self.epochs = []
        self.behind = []
        self.noted = 0
        self._last = self._nobody
        self._hot = self._no_entry
        self._now.touched = []
        self._now.small = []
        self._now.last = {}
        self._now.everything = True
        self.collapsed = self._now.number
        self.places.begin_anew(int(self._now.number))

    def end_epoch(self) -> None:
        """Once a heartbeat, behind it."""
        now = self._now
        self.meter.note(now.touched)
        self.meter.wrote(now.places - now.told)
        if now.touched or now.places or now.everything:  # of places some key waits for this epoch
            now.row = self.streams.write_row()
            self.epochs.append(now)
            self.noted += 1
        self._last = self._nobody
        self._hot = self._no_entry
        self._now = Epoch(now.number + 1)
        self.streams.beats = self._now.number
        if self.noted > self.noted_max:
            self._collapse()


def places_of(effect: Effect, op: i64) -> i64:
    """How many members or fields a SADD, HSET or ZADD names."""
    count: i64 = len(cast(list[bytes], effect.value)) - effect.number
    return count if op == SADD else count >> 1  # pairs


def noted_in(value: object) -> i64:
    """In which epoch a collection was noted last as a whole; 0: in none. Each class by name: that
    is one comparison, a base class is a search."""
    if isinstance(value, SetValue):
        return value.noted
    if isinstance(value, HashValue):
        return value.noted
    if isinstance(value, ZSetValue):
        return value.noted
    return 0
