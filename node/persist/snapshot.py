"""The snapshot walk: all data as it was at one moment, as RDB bytes, without fork and in slices.

Three rules. What was made since the walk began is not in it. What was changed since is in it as it
was: the writer shows each entry before its first change, and a mark on the entry (HELD) says
whether the walk has had it, never its stamp. One walk serves all who wait when it begins; who comes
later waits for the next (`Snapshots`).

The marks of all entries must be set when a walk ends, or the next could not tell; so a walk that
nobody wants any more goes on to the end without writing anything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from mypy_extensions import i16, i64

from node.persist import rdb_codes as codes
from node.persist.contents import Reading, content_of, large_content_of, member_fields
from node.persist.cron_jobs import job_fields, keydb_fields
from node.persist.rdb_put import Thresholds
from node.persist.rdb_writer import RdbWriter
from node.persist.sinks import Sink
from node.ports import LaterFields, Metadata
from node.store.entry import HELD, Entry
from node.store.keyspace import Database
from node.store.values.container import Container
from node.store.values.cron import CronValue
from node.store.values.value import Value
from node.store.writer import HALT, LATER, READY, SHOWN, BeforeChange, Writer, other_phase

# Values of more places than this are encoded in pieces, over as many steps as it takes.
LARGE: Final = 2000
# What a piece of a large value (64 kB) counts in a step's budget.
PIECE_KEYS: Final = 250
# What the early saves of one step may add to it, so that they do not wait for long.
EARLY_PER_STEP: Final = 4096
# Bytes given in one step, a millisecond of checksum: a long string is encoded as a whole, but it
# goes out in slices.
SLICE_BYTES: Final = 262_144


class Large:
    """A value to be encoded in pieces: a copy, or a Reading that is frozen before it changes."""

    def __init__(
        self,
        number: int,
        kind: bytes,
        key: bytes,
        value: object,
        deadline_ms: int,
        fields: LaterFields,
        more: list[tuple[bytes, bytes]],
    ) -> None:
        self.number = number
        self.kind = kind
        self.key = key
        self.value = value
        self.deadline_ms = deadline_ms
        self.fields = fields
        self.more = more  # fields beside those of the metadata


class SnapshotWalk(BeforeChange):
    """One walk, from its making to the end; `step` gives the file's bytes in order.

    With `marking` off it is for a caller that lets nothing happen between its steps (SAVE): no
    mark is set, no hook is used.
    """

    def __init__(
        self,
        writer: Writer,
        databases: list[Database],
        metadata: Metadata,
        head: list[tuple[bytes, bytes]],
        version: int = codes.VERSION_SET_LISTPACK,
        checksum: bool = True,
        marking: bool = True,
    ) -> None:
        self.error = ""
        self.large = LARGE
        self.written = False  # the last byte was given
        self.done = False
        self.keys_written = 0
        self.phase: i16 = 0
        self._writer = writer
        self._metadata = metadata
        self._marking = marking
        self._checksum = checksum
        self._crc: i64 = 0
        self._quiet = False
        self._ended = False  # its last byte was made, the checksum apart
        self._data = b""  # made, and given from `_given` on
        self._given = 0
        self._small = RdbWriter(i64(version), Thresholds(), False)
        self._slow = RdbWriter(i64(version), Thresholds(), False)
        self._chunks = [self._small.header([*head, *metadata.file_fields()])]
        if marking:
            assert writer.walk is None, "a second walk must wait for the first"
            writer.phase = other_phase(writer.phase)
            self.phase = writer.phase
            writer.walk = self
        # The maps of this moment: FLUSHALL replaces them and leaves these to us.
        self._dicts = [db.keys.dicts for db in databases]
        self._hidden = [db.hidden for db in databases]
        self._sizes = [(int(db.keys.size), int(db.expires)) for db in databases]
        self._databases = databases
        self._early: deque[tuple[int, bytes]] = deque()
        self._large: deque[Large] = deque()
        self._pieces: Iterator[bytes] | None = None
        # What is being read while it may still change, and whose value it is.
        self._reading: Reading | None = None
        self._read_entry: Entry | None = None
        self._read_fields: LaterFields | None = None
        self._selected = -1
        self._steps = self._walk()

    @property
    def progress(self) -> float:
        """The share of the keys that were met, 0 to 1."""
        keys = sum(size for size, _ in self._sizes)
        return 1.0 if self.written else min(self.keys_written / max(keys, 1), 1.0)

    # --- the caller's side --------------------------------------------------------------------

    def step(self, budget_keys: int) -> list[bytes] | None:
        """The next bytes, after about so many keys; None when the last were given.

        An error ends the output (`error` says why), but not the walk: it must be stepped on.
        """
        if self._given < len(self._data):
            return self._slice()
        if self.done:
            return None
        chunks = self._chunks
        self._chunks = []
        left = budget_keys
        try:
            while left > 0 and not self.done:
                cost = self._advance(chunks)
                left -= cost
                if cost == 0:
                    self._end(chunks)
        except Exception as error:
            self._fail(error)
        return [] if self._quiet else self._sealed(chunks)

    def abandon(self) -> None:
        """Nobody wants the bytes any more: the walk must be stepped to its end all the same."""
        self._quiet = True
        self.written = self.written or self._ended
        self._data = b""
        self._early.clear()
        self._large.clear()
        self._pieces = None
        self._reading = None
        self._read_entry = None
        self._read_fields = None

    # --- the writer's side --------------------------------------------------------------------

    def before(self, db: Database, key: bytes, entry: Entry) -> None:
        if entry.flags & HELD == self.phase:
            if entry is self._read_entry:
                self._freeze()
            return
        self._mark(entry)
        self._save(self._number_of(db), key, entry, db.keys.get(key) is entry)
        if entry is self._read_entry:
            self._freeze()

    def may_forget(self) -> bool:
        return True

    def forgetting(self, db: Database, key: bytes, entry: Entry) -> i64:
        """As a change, but nobody waits for it: what it takes to show the entry is put off."""
        if entry.flags & HELD == self.phase:
            return READY if entry is not self._read_entry or self._shows_alone(entry) else LATER
        if len(self._early) >= EARLY_PER_STEP:
            return HALT
        value = entry.value
        if isinstance(value, Value) and value.size() > self.large:
            return LATER  # it would be copied, and what is being read as well
        self.before(db, key, entry)
        return SHOWN

    def _shows_alone(self, entry: Entry) -> bool:
        """Is only what shows of the value still to be read, and does no name go when its dots are
        forgotten?"""
        value = entry.value
        return (
            self._read_fields is None and entry.dots is None
            and isinstance(value, Container) and value.deadlines is None
        )  # fmt: skip

    def flushed(
        self, db: Database, old: list[dict[bytes, Entry]], hidden: dict[bytes, Entry]
    ) -> None:
        if not any(dicts is old for dicts in self._dicts):
            self._writer.trash.extend(old)
        if not any(each is hidden for each in self._hidden):
            self._writer.trash.append(hidden)

    # --- inside -------------------------------------------------------------------------------

    def _freeze(self) -> None:
        """The value that is being read is about to change."""
        reading = self._reading
        fields = self._read_fields
        self._reading = None
        self._read_entry = None
        self._read_fields = None
        if fields is not None:
            fields.step(True)
        if reading is not None:
            reading.freeze()

    def _fail(self, error: Exception) -> None:
        self.error = f"{type(error).__name__}: {error}"
        self.abandon()

    def _number_of(self, db: Database) -> int:
        """The number that what the database holds now had when the walk began (SWAPDB).

        What came into being since is in none of the walk's maps, and never saved.
        """
        number = int(db.number)
        maps = db.keys.dicts
        if self._dicts[number] is maps:
            return number
        for each, dicts in enumerate(self._dicts):
            if dicts is maps:
                return each
        return number

    def _mark(self, entry: Entry) -> None:
        entry.flags = i16((entry.flags & ~HELD) | self.phase)

    def _advance(self, chunks: list[bytes]) -> int:
        """One piece of work, and what it counts; 0 when nothing is left."""
        pieces = self._pieces
        if pieces is not None:
            piece = next(pieces, None)
            if piece is not None:
                chunks.append(piece)
                return PIECE_KEYS
            self._pieces = None
            self._reading = None
            self._read_entry = None
            self._read_fields = None
        if self._early:
            number, data = self._early.popleft()
            self._put(chunks, number, data)
            return 1
        if self._large:
            each = self._large[0]
            if not each.fields.step(False):
                return PIECE_KEYS
            self._large.popleft()
            if each.fields is self._read_fields:
                self._read_fields = None
            self._put(chunks, each.number, b"")
            self._pieces = self._slow.pieces(
                each.kind, each.key, each.value, i64(each.deadline_ms),
                [*each.fields.fields, *each.more],
            )  # fmt: skip
            return 1
        return next(self._steps, 0)

    def _walk(self) -> Iterator[int]:
        """Every entry of the moment of the beginning that was not saved before a change."""
        for number, dicts in enumerate(self._dicts):
            for shard in dicts:
                for key in list(shard):
                    entry = shard.get(key)
                    if entry is not None:
                        self._visit(number, key, entry, True)
                    yield 1
            hidden = self._hidden[number]
            for key in list(hidden):
                entry = hidden.get(key)
                if entry is not None:
                    self._visit(number, key, entry, False)
                yield 1

    def _visit(self, number: int, key: bytes, entry: Entry, visible: bool) -> None:
        if self._marking:
            if entry.flags & HELD == self.phase:
                return
            self._mark(entry)
        self._save(number, key, entry, visible)

    def _save(self, number: int, key: bytes, entry: Entry, visible: bool) -> None:
        """Encodes an entry as it is now. An error fails the snapshot, never a client's write."""
        if self._quiet:
            return
        try:
            self._encode(number, key, entry, visible)
        except Exception as error:
            self._fail(error)

    def _encode(self, number: int, key: bytes, entry: Entry, visible: bool) -> None:
        """Puts an entry's bytes into the queue; a large value is copied and left for later."""
        if not visible:
            field = self._metadata.hidden_field(i64(number), key, entry)
            if field is not None:
                self._early.append((-1, self._small.aux(codes.AUX_HIDDEN, field)))
            return
        value = entry.value
        more: list[tuple[bytes, bytes]] = []
        if isinstance(value, Container) and value.has_deadlines():
            more = member_fields(value)
        elif isinstance(value, CronValue):
            more = [*job_fields(value), *keydb_fields(key, value)]
        self.keys_written += 1
        if isinstance(value, Value) and value.size() > self.large:
            later = self._metadata.later_fields(i64(number), key, entry)
            kind, content = large_content_of(value, self._small.version)
            if isinstance(content, Reading):
                self._freeze()  # one at a time is read as it stands
                self._reading = content
                self._read_entry = entry
                self._read_fields = later
            else:
                later.step(True)
            self._large.append(Large(number, kind, key, content, int(entry.deadline), later, more))
        else:
            fields = self._metadata.key_fields(i64(number), key, entry)
            fields.extend(more)
            kind, content = content_of(value, self._small.version)
            data = self._small.key(kind, key, content, entry.deadline, fields)
            self._early.append((number, data))

    def _put(self, chunks: list[bytes], number: int, data: bytes) -> None:
        """Appends what belongs to a database, -1 for none, after naming it where needed."""
        if number >= 0 and number != self._selected:
            self._selected = number
            keys, expires = self._sizes[number]
            chunks.append(self._small.select(i64(number), i64(keys), i64(expires)))
        chunks.append(data)

    def _finish(self) -> None:
        """Nothing more is written but the end of the file."""
        if not self._ended:
            self._ended = True
            self.written = self._quiet
            self._chunks.append(bytes([codes.OP_EOF]))

    def _end(self, chunks: list[bytes]) -> None:
        self.done = True
        self._finish()
        writer = self._writer
        if not self._marking:
            return
        writer.walk = None
        # Maps that a flush left to us while we walked over them.
        for dicts in self._dicts:
            if not any(db.keys.dicts is dicts for db in self._databases):
                writer.trash.extend(dicts)
        for hidden in self._hidden:
            if not any(db.hidden is hidden for db in self._databases):
                writer.trash.append(hidden)

    def _sealed(self, chunks: list[bytes]) -> list[bytes]:
        """The first slice of these chunks, the file's end behind them."""
        self._data = b"".join([*chunks, *self._chunks])
        self._given = 0
        self._chunks = []
        return self._slice()

    def _slice(self) -> list[bytes]:
        """The next bytes, counted into the checksum, which follows the last."""
        data = self._data
        end = min(len(data), self._given + SLICE_BYTES)
        piece = data[self._given : end]
        self._given = end
        if self._checksum:
            self._crc = codes.crc64_update(piece, 0, len(piece), self._crc)
        if end == len(data):
            self._data = b""
            self._given = 0
            if self._ended and not self.written:
                self.written = True
                crc = int(self._crc) & codes.MASK_64
                piece += crc.to_bytes(8, "little")
        return [piece] if piece else []


class Snapshots:
    """Who wants a snapshot, and the one walk that runs.

    `soon` calls a function in one of the next turns of the loop; `head` gives the file's fields.
    """

    def __init__(
        self,
        writer: Writer,
        databases: list[Database],
        metadata: Metadata,
        head: Callable[[], list[tuple[bytes, bytes]]],
        soon: Callable[[Callable[[], None]], object],
        budget_keys: int,
    ) -> None:
        self._writer = writer
        self._databases = databases
        self._metadata = metadata
        self._head = head
        self._soon = soon
        self._budget_keys = budget_keys
        self.large = LARGE
        self._waiting: list[Sink] = []
        self._served: list[Sink] = []
        self._walk: SnapshotWalk | None = None
        self._holder: Sink | None = None  # who is shown what changes, see Sink.hold
        self._scheduled = False

    @property
    def running(self) -> bool:
        """Is a walk under way, wanted or not?"""
        return self._walk is not None

    def progress_of(self, sink: Sink) -> float | None:
        """The share of the keys that this one was given, 0 to 1; None before its walk begins."""
        walk = self._walk
        return None if walk is None or sink not in self._served else walk.progress

    def request(self, sink: Sink) -> None:
        """The next walk is for this one too; it begins when none runs."""
        self._waiting.append(sink)
        self.go_on()

    def cancel(self, sink: Sink) -> None:
        """It wants no more bytes; its `end` is not called."""
        if sink in self._waiting:
            self._waiting.remove(sink)
        if self._holder is sink:
            self._holder = None
            self._writer.walk = None
            self.go_on()
        if sink in self._served:
            self._served.remove(sink)
            if not self._served and self._walk is not None:
                self._walk.abandon()
            self.go_on()

    def choose(self, sink: Sink, make: Callable[[Writer], SnapshotWalk]) -> None:
        """Who held the data has chosen: at this very moment the walk that `make` makes begins."""
        assert self._holder is sink, "only who holds the data can choose"
        self._holder = None
        self._writer.walk = None
        self._served = [sink]
        self._walk = make(self._writer)
        self._walk.large = self.large
        sink.begin()
        self.go_on()

    def whole(self, checksum: bool) -> Iterator[bytes]:
        """The present state at once, for a caller that lets nothing happen meanwhile (SAVE)."""
        walk = SnapshotWalk(
            self._writer, self._databases, self._metadata, self._head(),
            checksum=checksum, marking=False,
        )  # fmt: skip
        while (chunks := walk.step(EARLY_PER_STEP)) is not None:
            if walk.error:
                raise codes.RdbError(walk.error)
            yield from chunks

    def go_on(self) -> None:
        """Steps again soon: a sink is ready, or has come."""
        if self._holder is not None:
            return  # for as long as it takes two nodes to compare
        if not self._scheduled and (self._walk is not None or self._waiting):
            self._scheduled = True
            self._soon(self._step)

    def _step(self) -> None:
        self._scheduled = False
        walk = self._walk
        if walk is None:
            walk = self._begin()
        elif not all(sink.ready() for sink in self._served):
            return  # go_on will be called
        if walk is not None:
            chunks = walk.step(self._budget_keys)
            for chunk in chunks or []:
                for sink in list(self._served):
                    sink.write(chunk)
            if walk.error or walk.written:
                served = self._served
                self._served = []
                if walk.done:
                    self._walk = None
                for sink in served:
                    sink.end(walk.error)
        self.go_on()

    def _begin(self) -> SnapshotWalk | None:
        """A walk for all who wait and want the same form; None while another kind of walk runs."""
        if not self._waiting or self._writer.walk is not None:
            return None
        first = self._waiting[0]
        if first.holds:
            self._waiting.pop(0)
            self._holder = first
            self._writer.walk = first.hold()
            return None
        form = (first.version, first.checksum)
        self._served = [
            each for each in self._waiting
            if (each.version, each.checksum) == form and not each.holds
        ]  # fmt: skip
        self._waiting = [each for each in self._waiting if each not in self._served]
        self._walk = SnapshotWalk(
            self._writer, self._databases, self._metadata, self._head(), int(first.version),
            first.checksum,
        )  # fmt: skip
        self._walk.large = self.large
        for sink in list(self._served):
            sink.begin()
        return self._walk
