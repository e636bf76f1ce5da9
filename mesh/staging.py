"""Staging: a peer's snapshot is put aside record by record, then merged in one step, never flushed.

While it arrives clients go on at the old state and frames of all links wait. At the switch the
vector, the rows and the waiting removals are taken over, and from then on every key of both sides
counts as joined by the rule of semantics.md 2: it is merged at its first touch, or by a walk in
slices. So at every moment the state that anybody can see is exactly what the vector says.
"""

from __future__ import annotations

from collections.abc import Callable

from mesh.backlog import Backlog
from mesh.codec import read_key
from mesh.merge.rule import Memory
from mesh.merge.state import Cover
from mesh.merge.whole import NOBODY, PeerKey, apply_pending, merge_key
from mesh.metadata import DOTS, HEAD, HIDDEN, STAMP, Incoming, read_hidden, take_removals
from mesh.removals import Pending
from node.engine import Engine
from node.persist.contents import value_of
from node.persist.rdb_codes import RdbError
from node.persist.rdb_records import Aux, KeyRecord, Record
from node.store.effect import Effect
from node.store.entry import HELD, Entry
from node.store.keyspace import Database, Merging
from node.store.mutate import MUTATE
from node.store.shards import SHARDS, shard_of
from node.store.writer import BeforeChange, other_phase


class StagingError(Exception):
    """The snapshot cannot be taken in; the link says so and tries again."""


class Staged:
    """One key of the snapshot: its value, its dots as they came. Joined only when it is merged."""

    __slots__ = ("dots", "hidden", "value")

    def __init__(self, value: object, dots: bytes | None, hidden: bytes | None) -> None:
        self.value = value
        self.dots = dots
        self.hidden = hidden


class Staging:
    """A snapshot on its way in."""

    def __init__(self, engine: Engine, memory: Memory, backlog: Backlog) -> None:
        self.engine = engine
        self.memory = memory
        self.backlog = backlog
        self.guard: Callable[[int], str] | None = None  # refuses stamps too far ahead
        self.incoming = Incoming(memory.streams)
        self.keys: list[list[dict[bytes, Staged]]] = [
            [{} for _ in range(SHARDS)] for _ in engine.databases
        ]
        self.headed = False
        self.bytes_staged = 0

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
        fields = dict(record.aux)
        dots = fields.get(DOTS)
        if not self.headed or dots is None:
            raise StagingError(
                f"key {record.key!r} of the snapshot has no {DOTS.decode()} field"
                f" ({STAMP.decode()} alone is not enough): the peer is no member"
            )
        self._check_database(int(record.db))
        try:
            value = value_of(record.kind, record.value, record.aux)
        except RdbError as error:
            raise StagingError(f"key {record.key!r} of the snapshot: {error}") from error
        shard = self.keys[int(record.db)][shard_of(record.key)]
        shard[record.key] = Staged(value, dots, None)

    def _add_field(self, record: Aux) -> None:
        if record.name == HEAD:
            self.incoming.head(record.value)
            self._check_clock()
            self.headed = True
        elif record.name == HIDDEN:
            peer = read_hidden(record.value, self.incoming)
            self._check_database(peer.db)
            shard = self.keys[peer.db][shard_of(peer.key)]
            shard[peer.key] = Staged(None, None, record.value)

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
                raise StagingError(refusal)

    def switch(self) -> MergeWalk:
        """One step: the vector and the rows are joined; from now on the state is both sides' state.

        The keys themselves are merged by the walk that is returned: each at its first touch, the
        rest in slices.
        """
        if not self.headed:
            raise StagingError("the snapshot has no plexis-mesh field: the peer is no member")
        memory = self.memory
        incoming = self.incoming
        mine = Cover(memory.streams.vector_row(), NOBODY)
        theirs = Cover(incoming.row(incoming.vector), NOBODY)
        waiting = Waiting(memory, incoming)
        for stamp in incoming.vector.values():
            self.engine.clock.observe(stamp)
        take_removals(memory, incoming)
        self._take_vector()
        memory.removals.settle()
        return MergeWalk(self, mine, theirs, waiting)

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


class MergeWalk(Merging):
    """After a switch: merges each key at its first touch, the others in slices.

    HELD in an entry tells, as in a snapshot walk, whether it was merged; so no snapshot begins
    before the walk has ended.
    """

    def __init__(self, staging: Staging, mine: Cover, theirs: Cover, waiting: Waiting) -> None:
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
        self._staged = staging.keys
        writer.phase = other_phase(writer.phase)
        self.phase = writer.phase
        writer.walk = Flushes(self)
        for db in engine.databases:
            db.merging = self
            db.forget_last()
        self._todo = [(db, number) for db in engine.databases for number in range(SHARDS)]
        self._keys: list[bytes] = []
        self._at: Database | None = None
        self.done = False

    def touch(self, db: Database, key: bytes) -> None:
        staged = self._staged[int(db.number)][shard_of(key)].pop(key, None)
        entry = db.raw(key)
        if entry is not None and entry.flags & HELD == self.phase:
            return
        if entry is None and staged is None:
            return
        self._merge(db, key, entry, staged)

    def shard(self, db: Database, number: int) -> None:
        for key in self._names(db, number):
            self.touch(db, key)

    def whole(self, db: Database) -> None:
        for number in range(SHARDS):
            self.shard(db, number)

    def forget(self, db: Database) -> None:
        """The database was flushed: what was still to be merged counts as seen."""
        self._staged[int(db.number)] = [{} for _ in range(SHARDS)]

    def step(self, budget: int) -> bool:
        """Merges about `budget` keys; True when the last was merged and the walk has ended."""
        while budget > 0 and not self.done:
            if self._keys:
                assert self._at is not None
                self.touch(self._at, self._keys.pop())
                budget -= 1
            elif self._todo:
                self._at, number = self._todo.pop()
                self._keys = self._names(self._at, number)
                budget -= 1
            else:
                self._end()
        return self.done

    def _names(self, db: Database, number: int) -> list[bytes]:
        """The keys of a shard on either side; what is hidden is listed with the first."""
        names = [*db.keys.dicts[number], *self._staged[int(db.number)][number]]
        if number == 0 and db.hidden:
            names += list(db.hidden)
        return names

    def _end(self) -> None:
        self.done = True
        self.engine.writer.walk = None
        for db in self.engine.databases:
            db.merging = None
            db.forget_last()

    def _merge(self, db: Database, key: bytes, entry: Entry | None, staged: Staged | None) -> None:
        number = int(db.number)
        fresh = entry is None
        if entry is None:
            entry = Entry(None, 0, 0)
        entry.flags = (entry.flags & ~HELD) | self.phase
        peer = PeerKey(number, key) if staged is None else self._decode(number, key, staged)
        self._install(db, entry, merge_key(self.memory, entry, fresh, peer, self.mine, self.theirs))
        self.merged += 1
        for pending in self.waiting.of(number, key):
            here = db.raw(key)
            if here is not None:
                self._install(db, here, apply_pending(self.memory, here, number, key, pending))

    def _decode(self, number: int, key: bytes, staged: Staged) -> PeerKey:
        if staged.hidden is not None:
            return read_hidden(staged.hidden, self.incoming)
        assert staged.dots is not None
        return read_key(staged.dots, self.incoming.origins, number, key, staged.value)

    def _install(self, db: Database, entry: Entry, effect: Effect) -> None:
        visible = db.keys.get(effect.key) is entry
        before = entry.deadline
        MUTATE[effect.op].apply(entry, effect)
        self.engine.writer.settle(db, effect, entry, visible, before)
        self.engine.writer.dirty += 1
