"""After a transfer's switch: every key of both sides is merged at its first touch, or by a walk.

The walk goes in slices between which clients are served, large keys so many places at a time; until
it has ended whoever looks at a key sees it merged, because the look merges it (semantics.md 2).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mesh.key_reader import read_in_slices
from mesh.merge.list_moves import taken_from
from mesh.merge.peer_key import PeerKey
from mesh.merge.rule import Memory
from mesh.merge.state import Cover
from mesh.merge.whole import KeyMerge, apply_pending
from mesh.metadata import Incoming, read_hidden
from mesh.removals import Pending
from mesh.shelf import Staged
from node.persist.gradual import Gradual
from node.persist.rdb_codes import RdbError
from node.persist.rdb_records import Opaque
from node.persist.rdb_streams import StreamReading
from node.store.effect import Effect
from node.store.entry import HELD, Entry
from node.store.keyspace import ALL, Database, Merging
from node.store.mutate import MUTATE
from node.store.parking import unpark_all
from node.store.shards import SHARDS
from node.store.trash import discard, discard_lost
from node.store.values.hashes import HashValue
from node.store.values.sets import SetValue
from node.store.values.value import Value
from node.store.values.zsets import ZSetValue
from node.store.writer import BeforeChange, other_phase

if TYPE_CHECKING:
    from mesh.staging import Staging

NODES = 20  # of a stream, of up to 100 entries each, that are read at once
ALL_PLACES = int(ALL)
ENDED = object()


class Waiting:
    """Removals that waited on either side at the switch: their ops will not come again."""

    def __init__(self, memory: Memory, incoming: Incoming) -> None:
        removals = memory.removals
        self.by_key = {name: list(waiting) for name, waiting in removals.by_key.items()}
        self.flushes = {number: list(waiting) for number, waiting in removals.flushes.items()}
        for number, key, pending in incoming.removals:
            if key is None:
                self.flushes.setdefault(number, []).append(pending)
            else:
                self.by_key.setdefault((number, key), []).append(pending)

    def of(self, number: int, key: bytes) -> list[Pending]:
        """Those that concern a key."""
        return self.by_key.get((number, key), []) + self.flushes.get(number, [])


class Flushes(BeforeChange):
    """Keeps the place of a walk while keys are merged, and hears of flushes."""

    def __init__(self, walk: MergeWalk) -> None:
        self.walk = walk

    def flushed(
        self, db: Database, old: list[dict[bytes, Entry]], hidden: dict[bytes, Entry]
    ) -> None:
        self.walk.forget(db)
        trash = self.walk.engine.writer.trash
        trash.extend(old)
        trash.append(hidden)


class Begun:
    """A large key on its way to be merged; until it is, nobody may look at it."""

    def __init__(self, db: Database, key: bytes, work: Iterator[None]) -> None:
        self.db = db
        self.key = key
        self.work = work


class MergeWalk(Merging):
    """After a switch: merges each key at its first touch, the others in slices; a large key goes
    through several slices of the walk, and a touch meanwhile finishes it.

    HELD in an entry tells, as in a snapshot walk, whether it was merged; so no snapshot begins
    before the walk has ended.
    """

    def __init__(
        self, staging: Staging, mine: Cover, theirs: Cover, waiting: Waiting, places: int
    ) -> None:
        engine = staging.engine
        writer = engine.writer
        assert writer.walk is None, "a snapshot or activation walk must end before the switch"
        self.engine = engine
        self.memory = staging.memory
        self.incoming = staging.incoming
        self.mine = mine
        self.theirs = theirs
        self.waiting = waiting
        self.merged = 0
        self.total = staging.records + sum(int(db.keys.size) for db in engine.databases)
        self.places = places
        self.large = staging.large
        self.damaged: list[str] = []
        self._shelf = staging.shelf
        # Of the keys that did not come only these may have been removed by the peer: the others
        # are equal there. None: the peer's whole state came.
        self._lone = None if staging.ranges is None else staging.ranges.lone
        writer.phase = other_phase(writer.phase)
        self.phase = writer.phase
        writer.walk = Flushes(self)
        for db in engine.databases:
            db.merging = self
            db.forget_last()
        self._todo = [(db, number) for db in engine.databases for number in range(SHARDS)]
        self._keys: list[bytes] = []
        self._at: Database | None = None
        self._begun: Begun | None = None
        self.done = False

    @property
    def progress(self) -> float:
        """The share of keys that were merged, 0 to 1, by estimate."""
        return 1.0 if self.done else min(self.merged / max(self.total, 1), 0.99)

    def touch(self, db: Database, key: bytes) -> None:
        begun = self._begun
        if begun is not None and begun.key == key and begun.db is db:
            self.finish()
            return
        work = self._work_on(db, key)
        if work is not None:
            for _ in work:
                pass
        self._settle_moves()

    def shard(self, db: Database, number: int) -> None:
        self.finish()
        for key in self._names(db, number):
            self.touch(db, key)

    def whole(self, db: Database) -> None:
        for number in range(SHARDS):
            self.shard(db, number)

    def finish(self) -> None:
        begun = self._begun
        self._begun = None
        if begun is not None:
            for _ in begun.work:
                pass
            self._settle_moves()

    def forget(self, db: Database) -> None:
        """The database was flushed: what was still to be merged counts as seen."""
        self.engine.writer.trash.extend(self._shelf.forget(int(db.number)))

    def step(self, budget: int) -> bool:
        """Merges about `budget` keys; True when the last was merged and the walk has ended.

        A slice of a large key takes the whole budget.
        """
        while budget > 0 and not self.done:
            if self._begun is not None:
                if next(self._begun.work, ENDED) is ENDED:
                    self._begun = None
                else:
                    budget = 0
            elif self._keys:
                assert self._at is not None
                key = self._keys.pop()
                work = self._work_on(self._at, key)
                if work is not None:
                    self._begun = Begun(self._at, key, work)
                budget -= 1
            elif self._todo:
                self._at, number = self._todo.pop()
                self._keys = self._names(self._at, number)
                budget -= 1
            else:
                self._end()
            if self._begun is None:
                self._settle_moves()
        return self.done

    def _names(self, db: Database, number: int) -> list[bytes]:
        """The keys of a shard on either side; what is hidden is listed with the first."""
        names = [*db.keys.dicts[number], *self._shelf.names(int(db.number), number)]
        if number == 0 and db.hidden:
            names += list(db.hidden)
        return names

    def _end(self) -> None:
        self.done = True
        self.damaged += self._shelf.problems
        self._shelf.close()
        self.engine.writer.walk = None
        for db in self.engine.databases:
            db.merging = None
            db.forget_last()

    def _work_on(self, db: Database, key: bytes) -> Iterator[None] | None:
        """What is to be done to merge a key; None where it is merged, or at once if it is small."""
        number = int(db.number)
        try:
            staged = self._shelf.take(number, key)
        except (OSError, RdbError, ValueError) as error:
            self._note(number, key, error)
            staged = None
        entry = db.raw(key)
        if entry is not None and entry.flags & HELD == self.phase:
            return None
        if entry is None and staged is None:
            return None
        if staged is None and self._lone is not None and (number, key) not in self._lone:
            assert entry is not None
            entry.flags = (entry.flags & ~HELD) | self.phase
            self.merged += 1
            if self.waiting.of(number, key):
                unpark_all(entry)
                self._settle_removals(db, key)
            return None
        large = staged is not None and staged.places > self.large
        if not large and entry is not None and isinstance(entry.value, Value):
            large = entry.value.size() > self.large
        work = self._merge(db, key, entry, staged, self.places if large else ALL_PLACES)
        if large:
            return work
        for _ in work:
            pass
        return None

    def _note(self, number: int, key: bytes, error: Exception) -> None:
        """A record cannot be read. The key stays as it is here: nothing better is known."""
        self.damaged.append(f"key {key!r} in database {number}: {error}")

    def _merge(
        self, db: Database, key: bytes, entry: Entry | None, staged: Staged | None, places: int
    ) -> Iterator[None]:
        number = int(db.number)
        fresh = entry is None
        if entry is None:
            entry = Entry(None, 0, 0)
        entry.flags = (entry.flags & ~HELD) | self.phase
        peer = PeerKey(number, key)
        if staged is not None:
            try:
                if staged.hidden is not None:
                    peer = read_hidden(staged.hidden, self.incoming)
                else:
                    for _ in self._read(staged, peer, places):
                        yield None
            except (OSError, RdbError, ValueError) as error:
                self._note(number, key, error)
                return
        unpark_all(entry)
        merge = KeyMerge(self.memory, entry, fresh, peer, self.mine, self.theirs, places)
        for _ in merge.slices():
            yield None
        assert merge.effect is not None
        self._install(db, entry, merge.effect)
        self.merged += 1
        self._settle_removals(db, key)
        if places != ALL_PLACES:
            trash = self.engine.writer.trash
            for places_of in (peer.members, peer.fields, peer.texts):
                trash.extend(places_of.chunks())
            given = None if staged is None else staged.value
            if isinstance(given, (SetValue, HashValue)) or (
                isinstance(given, ZSetValue) and not is_held(entry, given)
            ):
                discard(trash, given)

    def _settle_removals(self, db: Database, key: bytes) -> None:
        """Removals that wait on either side are applied to what is kept of a key."""
        number = int(db.number)
        for pending in self.waiting.of(number, key):
            here = db.raw(key)
            if here is not None:
                self._install(db, here, apply_pending(self.memory, here, number, key, pending))

    def _read(self, staged: Staged, peer: PeerKey, places: int) -> Iterator[None]:
        """Reads what the peer says of the key into `peer`."""
        if staged.parts is not None:
            made = Gradual(staged.kind, staged.aux)
            for part in staged.parts:
                made.take(part)
                yield None
            staged.parts = None
            staged.value = made.finish()
        elif isinstance(staged.value, Opaque):
            reading = StreamReading(staged.value)
            while not reading.step(NODES):
                yield None
            staged.value = reading.stream
        assert staged.dots is not None
        origins = self.incoming.origins
        yield from read_in_slices(staged.dots, origins, peer, staged.value, places)

    def _install(self, db: Database, entry: Entry, effect: Effect) -> None:
        writer = self.engine.writer
        visible = db.keys.get(effect.key) is entry
        before = entry.deadline
        old = entry.value
        hidden = None if entry.dots is None else entry.dots.hidden
        MUTATE[effect.op].apply(entry, effect)
        discard_lost(writer.trash, entry, old, hidden)
        writer.settle(db, effect, entry, visible, before)
        writer.dirty += 1

    def _settle_moves(self) -> None:
        """Elements that are in lists which were merged just now go from where they were."""
        memory = self.memory
        for effect in memory.locations.take():
            db = self.engine.databases[effect.db]
            self.touch(db, effect.key)
            entry = db.raw(effect.key)
            if entry is not None:
                self._install(db, entry, taken_from(memory.streams, memory.ledger, entry, effect))


def is_held(entry: Entry, value: Value) -> bool:
    """Has the key the peer's value itself now, shown or hidden?"""
    dots = entry.dots
    hidden = None if dots is None else dots.hidden
    return entry.value is value or (hidden is not None and any(each is value for each in hidden))
