"""Writer: the single write path. stamp -> admit -> mutate -> record, in this order.  [compiled]

A client's handler calls `emit`, a peer's frame `replay`; both meet here. The unit that collects the
effects is published by the engine when the command, transaction or frame ends. Keys whose
deadline has passed are taken out of sight here too, as units of their own.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i16, i64, mypyc_attr

from node.journal import Commit, Journal
from node.ports import Clock, Resolver, Seen
from node.store.effect import (
    APPEARS,
    CREATION,
    DROP,
    EMPTIED,
    EXPIRE,
    FLUSH,
    HDEL,
    HEXPIRE,
    INSERT,
    LAPSE,
    LSET,
    MERGE,
    NEWEST_WINS,
    OPS,
    OVERWRITES,
    PUSH,
    PUT,
    QUIET,
    REMOVE,
    RETYPES,
    SADD,
    SREM,
    SWAP,
    UNCHANGED,
    XACK,
    XDEL,
    XDELIVER,
    XSETID,
    ZADD,
    ZINCR,
    ZMAX,
    ZMIN,
    ZREM,
    Effect,
)  # fmt: skip
from node.store.entry import HELD, Dots, Entry
from node.store.events import HEXPIRED, NO_EVENT, SREM_EVENT
from node.store.events import ZREM as ZREM_EVENT
from node.store.keyspace import ALL, Database, Lapse
from node.store.mutate import MUTATE
from node.store.parking import (
    MAKES_PLACES,
    forgotten_places,
    removal_of,
    still_known,
    unpark,
)  # fmt: skip
from node.store.trash import discard, discard_entry, discard_list, discard_lost, free
from node.store.values.container import Container
from node.store.values.hashes import HashValue
from node.store.values.member_deadlines import Lapsed
from node.store.values.sets import SetValue
from node.store.values.value import Value

EMPTIES: Final = [op in (SREM, HDEL, REMOVE, ZREM, HEXPIRE) for op in range(OPS)]
TAKES: Final = [
    EMPTIES[op] or op in (DROP, EXPIRE, INSERT, LSET, XDEL, XSETID, XDELIVER, XACK)
    for op in range(OPS)
]


# What is said of an entry whose metadata is about to be forgotten while a walk runs.
READY: Final[i64] = 0
SHOWN: Final[i64] = 1  # as READY: the entry was saved for it, which took its time
LATER: Final[i64] = 2  # not this one yet: go on with others
HALT: Final[i64] = 3  # none, for a moment


@mypyc_attr(allow_interpreted_subclasses=True)
class BeforeChange:
    """The snapshot walk: is shown each entry before its first change."""

    def before(self, db: Database, key: bytes, entry: Entry) -> None:
        """Saves the entry as it is, if the walk has not had it yet."""

    def flushed(
        self, db: Database, old: list[dict[bytes, Entry]], hidden: dict[bytes, Entry]
    ) -> None:
        """A database was emptied; the old maps do not change any more."""

    def may_forget(self) -> bool:
        """May metadata be forgotten while this runs? Then `forgetting` is asked for each entry."""
        return False

    def forgetting(self, db: Database, key: bytes, entry: Entry) -> i64:
        """Metadata of an entry is about to be forgotten. READY: the walk has had it; SHOWN: it was
        saved as it is; LATER; HALT."""
        return HALT


class Writer(Lapse):
    """Makes effects happen, and records them in the current unit."""

    def __init__(self, clock: Clock, resolver: Resolver, commit: Commit, journal: Journal) -> None:
        self.clock = clock
        self.resolver = resolver
        self.commit = commit
        self.journal = journal
        self.databases: list[Database] = []  # all there are, by number: the engine's
        self.walk: BeforeChange | None = None
        self.phase: i16 = 0  # what HELD is in entries that the next walk has not had
        self.dirty: i64 = 0
        self.expired_keys: i64 = 0
        self.expired_places: i64 = 0
        self.may_expire = True  # a replica that follows does not expire by itself
        self.kept: Value | None = None  # what a key that is made anew keeps of what was hidden
        self.trash: list[object] = []  # see node/store/trash.py

    def emit(
        self,
        db: Database,
        op: i64,
        key: bytes,
        value: object = None,
        number: i64 = 0,
        events: i64 = 0,
    ) -> i64:
        """A client's effect: stamped, admitted (always), carried out, recorded.

        A collection that is PUT belongs to the effect alone: it is copied, and freed afterwards.
        """
        commit = self.commit
        index = commit.count
        if index == 0:
            commit.stamp = self.clock.next()
        stamp = commit.stamp
        effect = Effect(op, db.number, key, value, number, stamp, 0, index)
        effect.events = events
        entry = db.find(key)
        if MAKES_PLACES[op] and entry is not None and self._buries(db, effect, entry):
            return self.emit(db, op, key, value, number, events)
        fresh = entry is None
        kept: Value | None = None
        if entry is None:
            if takes(op):
                return 0
            entry = self._created(db, effect)
            kept = self.kept
        elif self.walk is not None:
            self.walk.before(db, key, entry)
        before = entry.deadline
        old = entry.value
        dots = entry.dots
        hidden = None if dots is None else dots.hidden
        if op == PUT and not fresh:
            effect.flags |= replacing(old, value)
        self.resolver.local(effect, entry, fresh)
        if kept is not None:
            self.kept = None
            self.resolver.keep(effect, entry, kept)
        n = MUTATE[op].apply(entry, effect)
        hides = EMPTIES[op] and still_known(entry, old)
        if hidden is not None or (
            entry.value is not old and not isinstance(old, bytes) and isinstance(old, Value)
        ):
            discard_lost(self.trash, entry, old, hidden)
        if op == PUT and not isinstance(value, bytes):
            discard(self.trash, value)
        if entry.value is None or hides:
            self._vanish(db, effect, entry)
        elif fresh:
            db.put(key, entry)
        elif entry.deadline != before:
            db.retime(key, before, entry.deadline)
        if op == HEXPIRE or (
            op == PUT and not fresh and (not isinstance(value, bytes) or db.timed.size() != 0)
        ):
            db.note_places(key, entry.value)
        if n == 0 and refreshes(op):
            effect.flags |= UNCHANGED
        else:
            self.dirty += 1
        if index == 0:
            commit.first = effect
        else:
            commit.rest.append(effect)
        commit.count = index + 1
        return n

    def _buries(self, db: Database, effect: Effect, entry: Entry) -> bool:
        """Places that are about to be made are removed first where they are not there but
        remembered; False: there are none."""
        gone = forgotten_places(entry.value, effect)
        if gone:
            self.emit(db, removal_of(entry.value), effect.key, gone, 0, NO_EVENT)
        return len(gone) > 0

    def _created(self, db: Database, effect: Effect) -> Entry:
        """A new entry; whatever was remembered under the key is cleared by the creation."""
        effect.flags |= CREATION
        if db.holds_last():
            # Past its deadline, and found inside a unit: goes without a unit of its own.
            self._forget(db, effect.key, db.drop(effect.key))
        if db.hidden:
            self._forget(db, effect.key, db.hidden.pop(effect.key, None))
        entry = Entry(None, effect.stamp, 0)
        entry.flags = self.phase
        return entry

    def _forget(self, db: Database, key: bytes, entry: Entry | None) -> None:
        """Nothing of an entry that was just taken out is kept; a snapshot walk sees it first."""
        if entry is not None:
            if self.walk is not None:
                self.walk.before(db, key, entry)
            self.kept = self.resolver.kept(entry)
            discard_entry(self.trash, entry)

    def _vanish(self, db: Database, effect: Effect, entry: Entry) -> None:
        key = effect.key
        if empties(effect.op):
            effect.flags |= EMPTIED
            if effect.number == 0 and isinstance(effect.value, list):
                discard_list(self.trash, effect.value)  # made by the handler, not a client's
        old = db.drop(key)
        if self.resolver.vanished(effect, entry):
            db.hide(key, entry)
            return
        if old is None and db.hidden:
            db.hidden.pop(key, None)
        discard_entry(self.trash, entry)

    def replay(self, db: Database, effect: Effect, seen: Seen) -> None:
        """One effect of a peer's unit: the resolver says what of it shows."""
        if effect.op == FLUSH:
            self._replay_flush(db, effect, seen)
            return
        if effect.op == SWAP:
            self._exchange(effect)
            return
        key = effect.key
        if db.merging is not None:
            db.merging.touch(db, key)
        visible = db.seek(key)
        entry = visible
        if entry is None and db.hidden:
            entry = db.hidden.get(key)
        if visible is not None and self._empties_before(db, effect, visible):
            visible = None
            entry = db.hidden.get(key)
        fresh = entry is None
        if entry is None:
            entry = Entry(None, effect.stamp, effect.origin)
            entry.flags = self.phase
        elif self.walk is not None:
            self.walk.before(db, key, entry)
        if effect.op == PUT:
            discard(self.trash, effect.value)  # read from the frame, and what is put is a copy
        before = entry.deadline
        old = entry.value
        dots = entry.dots
        hidden = None if dots is None else dots.hidden
        unparked = unpark(entry, effect, seen.row)
        shown = self.resolver.remote(effect, entry, fresh, seen)
        if shown is None:
            for parked in unparked:
                parked.park(db.now.ms)
            return
        if shown.op == PUT and visible is not None and old is not None:
            shown.flags |= replacing(old, shown.value)
        n = MUTATE[shown.op].apply(entry, shown)
        if EMPTIES[shown.op]:
            still_known(entry, old)
        for parked in unparked:
            parked.park(db.now.ms)
        if n == 0 and refreshes(shown.op):
            shown.flags |= UNCHANGED
        if entry.value is not old or hidden is not None:
            discard_lost(self.trash, entry, old, hidden)
        self.settle(db, shown, entry, visible is not None, before)
        self.record(shown)
        if effect.op == PUSH:
            for each in self.resolver.taken():
                self.replay(self.databases[each.db], each, seen)

    def settle(
        self, db: Database, effect: Effect, entry: Entry, visible: bool, before: i64
    ) -> None:
        """Puts an entry where it belongs after a peer's change: in sight, remembered, or gone."""
        key = effect.key
        keep = True
        if entry.value is None:
            keep = self.resolver.vanished(effect, entry)
        if shows(entry) and (entry.deadline == 0 or entry.deadline >= db.now.ms):
            if not visible:
                if db.hidden:
                    db.hidden.pop(key, None)
                db.put(key, entry)
                effect.flags |= APPEARS
            elif entry.deadline != before:
                db.retime(key, before, entry.deadline)
            value = entry.value
            if effect.op == HEXPIRE or effect.op == PUT or effect.op == MERGE or (
                isinstance(value, Container) and value.deadlines is not None
            ):
                db.note_places(key, value)
            return
        if visible:
            if empties(effect.op):
                effect.flags |= EMPTIED
            after = entry.deadline
            entry.deadline = before  # drop counts by what it was
            db.drop(key)
            entry.deadline = after
        else:
            effect.flags |= UNCHANGED
        if keep:
            db.hide(key, entry)
            return
        if db.hidden:
            db.hidden.pop(key, None)
        discard_entry(self.trash, entry)

    def record(self, effect: Effect) -> None:
        """Appends an effect that was carried out to the current unit."""
        commit = self.commit
        if commit.count == 0:
            commit.first = effect
        else:
            commit.rest.append(effect)
        commit.count += 1
        self.dirty += 1

    def flush(self, db: Database) -> i64:
        """FLUSHDB by a client: everything seen goes at once; returns how many keys there were."""
        commit = self.commit
        if commit.count == 0:
            commit.stamp = self.clock.next()
        effect = Effect(FLUSH, db.number, b"", None, 0, commit.stamp, 0, commit.count)
        n = db.keys.size
        self.resolver.flush(effect, None)
        kept = self.resolver.survivors([*db.keys.dicts, db.hidden])
        self.empty(db)
        for key, value in kept:
            self._hide_kept(db, key, value)
        self.record(effect)
        self.dirty += n
        return n

    def _hide_kept(self, db: Database, key: bytes, value: Value) -> None:
        """Nothing is left of a key but what others may name."""
        entry = Entry(None, 0, 0)
        entry.flags = self.phase
        dots = Dots()
        dots.hidden = [value]
        entry.dots = dots
        db.hide(key, entry)

    def _replay_flush(self, db: Database, effect: Effect, seen: Seen) -> None:
        db.merge_all()
        if self.resolver.flush(effect, seen):
            for key in [*self._all_keys(db), *list(db.hidden)]:
                single = Effect(
                    DROP, db.number, key, None, 0, effect.stamp, effect.origin, effect.index
                )
                # A flush tells of no key; what it overrules it overrules of each.
                single.flags = QUIET | (effect.flags & NEWEST_WINS)
                self.replay(db, single, seen)
        else:
            self.empty(db)
        self.record(effect)

    def swap(self, first: Database, second: Database) -> None:
        """SWAPDB by a client."""
        commit = self.commit
        if commit.count == 0:
            commit.stamp = self.clock.next()
        self._exchange(
            Effect(
                SWAP, first.number, b"", None, second.number, commit.stamp, 0, commit.count
            )
        )

    def _exchange(self, effect: Effect) -> None:
        first = self.databases[effect.db]
        second = self.databases[effect.number]
        first.merge_all()
        second.merge_all()
        first.exchange(second)
        self.record(effect)

    def _all_keys(self, db: Database) -> list[bytes]:
        keys: list[bytes] = []
        for shard in db.keys.dicts:
            keys.extend(shard)
        return keys

    def empty(self, db: Database) -> None:
        """Every key of the database goes, remembered ones too; the memory is freed in slices."""
        if db.merging is not None:
            db.merging.finish()
        hidden = db.hidden
        db.hidden = {}
        old = db.clear()
        if self.walk is not None:
            self.walk.flushed(db, old, hidden)
        else:
            self.trash.extend(old)
            self.trash.append(hidden)

    def free(self, places: i64) -> bool:
        """Frees up to `places` keys or members of what was dropped large; True: more is waiting."""
        return free(self.trash, places)

    def lapse(self, db: Database, key: bytes, entry: Entry) -> None:
        """The deadline of a visible key has passed: hides it, as a unit of its own.

        Inside a unit that has effects already this one is published first.
        """
        if not self.may_expire:
            return
        if self.walk is not None:
            self.walk.before(db, key, entry)
        db.drop(key)
        if self.resolver.lapsed(entry):
            db.hide(key, entry)
        else:
            discard_entry(self.trash, entry)
        self.expired_keys += 1
        self._publish_alone(Effect(LAPSE, db.number, key, None, entry.deadline, 0, 0, 0))

    def _publish_alone(self, effect: Effect) -> None:
        """An effect of this node alone, as a unit of its own, also in the middle of another."""
        commit = self.commit
        count = commit.count
        first = commit.first
        rest = commit.rest
        origin = commit.origin
        end = commit.end
        commit.first = effect
        commit.rest = []
        commit.count = 1
        commit.origin = 0
        commit.end = 0
        self.journal.publish(commit)
        commit.count = count
        commit.first = first
        commit.rest = rest
        commit.origin = origin
        commit.end = end

    def lapse_places(self, db: Database, key: bytes, entry: Entry) -> bool:
        """Members or fields of a visible key past their deadlines go, as a unit of its own.

        True: the last one was among them, and the key is gone.
        """
        self._lapse_places(db, key, entry, db.now.ms, ALL)
        return db.keys.get(key) is not entry

    def _empties_before(self, db: Database, effect: Effect, entry: Entry) -> bool:
        """Does a visible key end before a peer's effect? What its writer saw as gone goes now.

        Nothing else: what has passed here since may be what the effect lets live longer.
        """
        if db.timed.size() == 0:
            return False
        now_ms = effect.stamp >> 20
        if db.timed.first_ms >= now_ms:
            return False
        self._lapse_places(db, effect.key, entry, now_ms, ALL)
        return db.keys.get(effect.key) is not entry

    def lapse_due(self, db: Database, most: i64) -> i64:
        """The same for all keys that have such members, up to `most`; returns how many went."""
        if not self.may_expire:
            return 0
        gone: i64 = 0
        for key in db.timed.due(int(db.now.ms), int(most)):
            entry = db.keys.get(key)
            if entry is not None:
                gone += self._lapse_places(db, key, entry, db.now.ms, most - gone)
                if entry.value is not None and db.keys.get(key) is entry:
                    db.note_places(key, entry.value)
        return gone

    def _lapse_places(self, db: Database, key: bytes, entry: Entry, now_ms: i64, most: i64) -> i64:
        value = entry.value
        if not self.may_expire or not isinstance(value, Container):
            return 0
        deadlines = value.deadlines
        if deadlines is None or deadlines.earliest_ms() >= now_ms:
            return 0
        if self.walk is not None:
            self.walk.before(db, key, entry)
        lapsed = Lapsed(now_ms, most)
        lapsed.parks = self.resolver.lapsed(entry)
        effect = Effect(LAPSE, db.number, key, lapsed, 0, 0, 0, 0)
        effect.events = ZREM_EVENT
        if isinstance(value, HashValue):
            effect.events = HEXPIRED
        elif isinstance(value, SetValue):
            effect.events = SREM_EVENT
        gone = MUTATE[LAPSE].apply(entry, effect)
        if not shows(entry):
            effect.flags |= EMPTIED
            db.drop(key)
            if lapsed.parks:
                db.hide(key, entry)
            else:
                discard(self.trash, value)
        self.expired_places += gone
        self._publish_alone(effect)
        return gone


def shows(entry: Entry) -> bool:
    """Has the entry anything that a client could see, deadlines aside?"""
    value = entry.value
    if value is None:
        return False
    if isinstance(value, Value):
        return value.is_shown()
    return True


def takes(op: i64) -> bool:
    """Does the op only take away or change what is there? Where nothing is, it is nothing."""
    return TAKES[op]


def refreshes(op: i64) -> bool:
    """May the op change nothing that is seen, and yet be told to peers for its dot?"""
    return op == SADD or op == ZADD or op == ZMAX or op == ZMIN or op == ZINCR


def empties(op: i64) -> bool:
    """May the op take the last element, member or field?"""
    return EMPTIES[op]


def replacing(old: object, new: object) -> i64:
    """The flags of a PUT over a visible value."""
    if isinstance(old, bytes) or isinstance(old, int):
        same = isinstance(new, bytes) or isinstance(new, int)
    else:
        same = type(old) is type(new)
    return OVERWRITES if same else OVERWRITES | RETYPES


def other_phase(phase: i16) -> i16:
    """What HELD will be in entries that the walk after this one has not had."""
    return HELD - phase
