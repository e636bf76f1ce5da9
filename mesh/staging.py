"""Staging: a peer's snapshot is put aside record by record, then merged in one step, never flushed.

While it arrives clients go on at the old state and frames of all links wait. At the switch every key of
both sides is joined by the rule of semantics.md 2, and the vector, the rows and the waiting removals
are taken over; so at every moment the state is exactly what the vector says.
"""

from __future__ import annotations

from mesh.backlog import Backlog
from mesh.codec import read_key
from mesh.merge.rule import Memory
from mesh.merge.state import Cover
from mesh.merge.whole import NOBODY, PeerKey, apply_pending, merge_key
from mesh.metadata import DOTS, HEAD, HIDDEN, STAMP, Incoming, read_hidden, take_removals
from mesh.removals import Pending
from node.engine import Engine
from node.persist.rdb_records import Aux, KeyRecord, Record
from node.store.effect import Effect
from node.store.entry import Entry
from node.store.keyspace import Database
from node.store.mutate import MUTATE
from node.store.writer import shows

# Effects published together: WATCH and blocked clients are told in slices of this many.
UNIT_KEYS = 1000


class StagingError(Exception):
    """The snapshot cannot be taken in; the link says so and tries again."""


class Staged:
    """One key of the snapshot, as it came: decoded only when it is merged."""

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
        self.incoming = Incoming(memory.streams)
        self.keys: dict[tuple[int, bytes], Staged] = {}
        self.headed = False
        self.bytes_staged = 0

    def add(self, record: Record) -> None:
        """One record of the snapshot. StagingError where it is none of a member's."""
        if isinstance(record, Aux):
            if record.name == HEAD:
                self.incoming.head(record.value)
                self.headed = True
            elif record.name == HIDDEN:
                peer = read_hidden(record.value, self.incoming)
                self.keys[peer.db, peer.key] = Staged(None, None, record.value)
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
        if int(record.db) >= len(self.engine.databases):
            raise StagingError(
                f"the snapshot has database {record.db}, this node has"
                f" {len(self.engine.databases)}: set `databases` alike on both"
            )
        self.keys[int(record.db), record.key] = Staged(record.value, dots, None)

    def switch(self) -> None:
        """One step: joins every key, then vector, rows and waiting removals."""
        if not self.headed:
            raise StagingError("the snapshot has no plexis-mesh field: the peer is no member")
        memory = self.memory
        streams = memory.streams
        incoming = self.incoming
        mine = Cover(streams.vector_row(), NOBODY)
        theirs = Cover(incoming.row(incoming.vector), NOBODY)
        engine = self.engine
        for stamp in incoming.vector.values():
            engine.clock.observe(stamp)
        waiting = dict(memory.removals.by_key)
        flushes = dict(memory.removals.flushes)
        take_removals(memory, incoming)
        for db in engine.databases:
            for key in [*(key for shard in db.keys.dicts for key in shard), *db.hidden]:
                if (int(db.number), key) not in self.keys:
                    self._merge(PeerKey(int(db.number), key), mine, theirs)
        for (number, key), staged in self.keys.items():
            self._merge(self._decode(number, key, staged), mine, theirs)
        engine.publish()
        self._apply_waiting(waiting, flushes)
        self._take_vector()
        memory.removals.settle()

    def _decode(self, number: int, key: bytes, staged: Staged) -> PeerKey:
        if staged.hidden is not None:
            return read_hidden(staged.hidden, self.incoming)
        assert staged.dots is not None
        return read_key(staged.dots, self.incoming.origins, number, key, staged.value)

    def _merge(self, peer: PeerKey, mine: Cover, theirs: Cover) -> None:
        db = self.engine.databases[peer.db]
        entry = db.raw(peer.key)
        fresh = entry is None
        writer = self.engine.writer
        if entry is None:
            entry = Entry(None, 0, 0)
            entry.flags = writer.phase
        elif writer.walk is not None:
            writer.walk.before(db, peer.key, entry)
        effect = merge_key(self.memory, entry, fresh, peer, mine, theirs)
        self._install(db, entry, effect)

    def _install(self, db: Database, entry: Entry, effect: Effect) -> None:
        writer = self.engine.writer
        visible = db.keys.get(effect.key) is entry
        before = entry.deadline
        MUTATE[effect.op].apply(entry, effect)
        writer.settle(db, effect, entry, visible, before)
        if visible or shows(entry):
            writer.record(effect)
        commit = self.engine.commit
        if commit.count >= UNIT_KEYS:
            self.engine.publish()

    def _apply_waiting(
        self,
        mine: dict[tuple[int, bytes], list[Pending]],
        flushes: dict[int, list[Pending]],
    ) -> None:
        """Removals that waited on either side: their ops are in the joined vector, and not again."""
        databases = self.engine.databases
        everywhere: list[tuple[int, bytes | None, Pending]] = list(self.incoming.removals)
        for (number, key), waiting in mine.items():
            everywhere += [(number, key, each) for each in waiting]
        for number, waiting in flushes.items():
            everywhere += [(number, None, each) for each in waiting]
        for number, name, pending in everywhere:
            db = databases[number]
            keys = (
                [*(key for shard in db.keys.dicts for key in shard), *db.hidden]
                if name is None
                else [name]
            )
            for key in keys:
                entry = db.raw(key)
                if entry is not None:
                    self._install(db, entry, apply_pending(self.memory, entry, number, key, pending))
        self.engine.publish()

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


