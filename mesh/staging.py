"""Staging: a peer's snapshot is put aside record by record, then merged in one step, never flushed.

While it arrives clients go on at the old state and frames of all links wait. At the switch the
vector, the rows and the waiting removals are taken over, and from then on every key of both sides
counts as joined by the rule of semantics.md 2: mesh/merge_walk.py. So at every moment the state
that anybody can see is exactly what the vector says.
"""

from __future__ import annotations

from collections.abc import Callable

from mesh.backlog import Backlog
from mesh.merge.rule import Memory
from mesh.merge.state import Cover
from mesh.merge.whole import NOBODY
from mesh.merge_walk import ALL_PLACES, MergeWalk, Waiting
from mesh.metadata import DOTS, HEAD, HIDDEN, STAMP, Incoming, read_hidden, take_removals
from mesh.range_follower import RangeFollower
from mesh.shelf import PART, Shelf, Staged, is_large, is_large_stream, parts_of
from mesh.stability import Stability
from node.engine import Engine
from node.persist.contents import value_of
from node.persist.partial import absent_names
from node.persist.rdb_codes import AUX_ABSENT, AUX_PARTIAL, RdbError
from node.persist.rdb_records import Aux, KeyRecord, Opaque, Record

# Values of more places than this are merged in slices.
LARGE = 5000
WRITTEN_AT_ONCE = 10  # parts of a large record: 2 ms, and more than came in meanwhile


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
                stream.wrote = stamp
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
