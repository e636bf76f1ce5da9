"""Staging: a peer's snapshot is put aside record by record, then merged in one step, never flushed.

While it arrives clients go on at the old state and frames of all links wait. At the switch the
vector, the rows and the waiting removals are taken over, and from then on every key of both sides
counts as joined by the rule of semantics.md 2: it is merged at its first touch, or by a walk in
slices. So at every moment the state that anybody can see is exactly what the vector says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mesh.backlog import Backlog
from mesh.key_reader import read_in_slices
from mesh.merge.list_moves import taken_from
from mesh.merge.peer_key import PeerKey
from mesh.merge.rule import Memory
from mesh.merge.state import Cover
from mesh.merge.whole import NOBODY, KeyMerge, apply_pending
from mesh.metadata import DOTS, HEAD, HIDDEN, STAMP, Incoming, read_hidden, take_removals
from mesh.range_follower import RangeFollower
from mesh.removals import Pending
from mesh.shelf import PART, Shelf, Staged, is_large, is_large_stream, parts_of
from mesh.stability import Stability
from node.engine import Engine
from node.persist.contents import value_of
from node.persist.gradual import Gradual
from node.persist.partial import absent_names
from node.persist.rdb_codes import AUX_ABSENT, AUX_PARTIAL, RdbError
from node.persist.rdb_records import Aux, KeyRecord, Opaque, Record
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

# Values of more places than this are merged in slices.
LARGE = 5000
NODES = 20  # of a stream, of up to 100 entries each, that are read at once
WRITTEN_AT_ONCE = 10  # parts of a large record: 2 ms, and more than came in meanwhile
ALL_PLACES = int(ALL)
ENDED = object()


class StagingError(Exception):
    """The snapshot cannot be taken in; the link says so and tries again."""


class ClockError(StagingError):
    """It holds stamps too far ahead: the peer is not followed until its clock has passed them."""


class Staging:
    """A snapshot on its way in."""

    def __init__(
        self, engine: Engine, memory: Memory, backlog: Backlog, shelf: Shelf, large: int = LARGE
    ) -> None:
        self.engine = engine
        self.memory = memory
        self.backlog = backlog
        self.shelf = shelf
        self.large = large
        self.guard: Callable[[int], str] | None = None  # refuses stamps too far ahead
        self.incoming = Incoming(memory.streams)
        self.headed = False
        self.stability: Stability | None = None
        self.ranges: RangeFollower | None = None  # what was compared before
        self.chosen: int | None = None  # of a snapshot of some keys alone: how many
        self.records = 0
        self.must_replace = ""  # why no other transfer than one that replaces is of use
        self.is_void: Callable[[str], None] = unheard  # told why, where that comes out here
        self.replaces = False  # nothing that stands here stays: it lacks what others have forgotten

    def add(self, record: Record) -> None:
        """One record of the snapshot. StagingError where it is none of a member's."""
        if isinstance(record, Aux):
            try:
                self._add_field(record)
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                raise StagingError(
                    f"the snapshot's {record.name.decode('latin-1')} field is damaged: {error!r}"
                ) from error
            return
        if not isinstance(record, KeyRecord):
            return
        self.records += 1
        fields = dict(record.aux)
        dots = fields.get(DOTS)
        if not self.headed or dots is None:
            raise StagingError(
                f"key {record.key!r} of the snapshot has no {DOTS.decode()} field"
                f" ({STAMP.decode()} alone is not enough): the peer is no member"
            )
        self._check_database(int(record.db))
        staged = Staged(record.kind, None, dots, None)
        staged.aux = [each for each in record.aux if each[0] not in (DOTS, STAMP)]
        content = record.value
        if isinstance(content, list) and is_large(record.kind, content, self.large):
            staged.places = len(content)
            staged.parts = parts_of(content)
        elif isinstance(content, Opaque) and is_large_stream(record.kind, content, self.large):
            staged.places = len(content.data)
            staged.value = content
        else:
            try:
                staged.value = value_of(record.kind, content, record.aux)
            except RdbError as error:
                raise StagingError(f"key {record.key!r} of the snapshot: {error}") from error
        self._put(int(record.db), record.key, staged, content)

    def _put(self, number: int, key: bytes, staged: Staged, content: object) -> None:
        try:
            self.shelf.put(number, key, staged, content)
        except OSError as error:
            raise unwritten(error) from error

    def work(self, parts: int = WRITTEN_AT_ONCE) -> bool:
        """Puts a piece of a large record into the file; True: all is in its place.

        Called between the pieces of the snapshot, and then until it is True. StagingError: the disk
        is full.
        """
        try:
            return self.shelf.work(parts)
        except OSError as error:
            raise unwritten(error) from error

    def _add_field(self, record: Aux) -> None:
        if record.name == HEAD:
            self.incoming.head(record.value)
            self._check_clock()
            self._check_stable()
            if (self.ranges is None) != (self.chosen is None):
                raise StagingError("the snapshot is not of the keys that were asked for")
            self.headed = True
        elif record.name == AUX_PARTIAL:
            self.chosen = int(record.value)
        elif record.name == AUX_ABSENT and self.ranges is not None:
            names = absent_names(record.value)
            self.records += len(names)
            self.ranges.lone.update(names)
        elif record.name == HIDDEN:
            self.records += 1
            peer = read_hidden(record.value, self.incoming)
            self._check_database(peer.db)
            self._put(peer.db, peer.key, Staged(b"", None, None, record.value), None)

    def _check_database(self, number: int) -> None:
        if not 0 <= number < len(self.engine.databases):
            raise StagingError(
                f"the snapshot has database {number}, this node has"
                f" {len(self.engine.databases)}: set `databases` alike on both"
            )

    def _check_clock(self) -> None:
        """The switch takes the newest stamp over into our clock: refused where it is far ahead."""
        newest = max(self.incoming.vector.values(), default=0)
        if self.guard is not None and newest > self.engine.clock.last:
            refusal = self.guard(newest)
            if refusal:
                raise ClockError(refusal)

    def _check_stable(self) -> None:
        """Two states become one only where each knows what the other has forgotten the dots of."""
        stability = self.stability
        if stability is None:
            return
        incoming = self.incoming
        reason = self.must_replace or stability.why_replace(incoming.said)
        if reason:
            if self.ranges is not None:
                self.is_void(reason)
                raise StagingError(f"{reason}: asking for the peer's whole state")
            self.replaces = True
        refusal = stability.refusal(
            incoming.said, incoming.vector, incoming.member_id, self.replaces
        )
        if refusal:
            raise StagingError(refusal)

    def close(self) -> None:
        """The transfer broke: nothing of it stays."""
        self.shelf.close()

    def switch(self, places: int = PART) -> MergeWalk:
        """One step: the vector and the rows are joined; from now on the state is both sides' state.

        The keys themselves are merged by the walk that is returned: each at its first touch, the
        rest in slices, large ones so many places at a time.
        """
        if not self.headed:
            raise StagingError("the snapshot has no plexis-mesh field: the peer is no member")
        self.work(ALL_PLACES)
        memory = self.memory
        incoming = self.incoming
        mine = Cover(b"" if self.replaces else memory.streams.vector_row(), NOBODY)
        theirs = Cover(incoming.row(incoming.vector), NOBODY)
        mine.cut = memory.cut.row
        theirs.cut = incoming.row(incoming.said.cut)
        waiting = Waiting(memory, incoming)
        for stamp in incoming.vector.values():
            self.engine.clock.observe(stamp)
        take_removals(memory, incoming)
        self._take_vector()
        if self.stability is not None:
            self.stability.take(incoming.said)
        memory.removals.settle()
        return MergeWalk(self, mine, theirs, waiting, places)

    def _take_vector(self) -> None:
        streams = self.memory.streams
        incoming = self.incoming
        for uuid, stamp in incoming.vector.items():
            stream = streams.of(uuid)
            if stamp > stream.seen:
                stream.seen = stamp
                self.backlog.hole(stream.number, stamp)
            if incoming.members.get(uuid):
                stream.member = incoming.members[uuid]
        for uuid, row in incoming.rows.items():
            streams.join_row(streams.of(uuid), row)
        for stream in streams.all:
            stream.uncovered = not streams.covers(stream)
        self.backlog.vector_moved = True


def unheard(reason: str) -> None:
    """Nobody wants to know."""


def unwritten(error: OSError) -> StagingError:
    """The file cannot be written."""
    return StagingError(
        f"the snapshot cannot be staged in a temporary file: {error}: make room in `dir`, or raise"
        " mesh-staging-memory"
    )


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
