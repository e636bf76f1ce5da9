"""Backlog: what was written here and by others, as frames, for those who come back.  [compiled]

A reader of the journal makes one frame per own unit; what one tick wrote is one chunk, and
followers get that very object. Frames of other streams are kept whole, so any node can serve any
stream's tail. Resuming is by version vector: everything above what the follower has, or nothing
if a part is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from librt.strings import BytesWriter, read_i32_le, write_i16_le, write_i32_le, write_i64_le
from mypy_extensions import i32, i64, mypyc_attr

from mesh.dots import SAYINGS, Streams, pack_marks
from mesh.frames import FRAME_HEAD
from mesh.rreplay import control, flags_of, frame_bytes, inner_of, letters, stamps_of
from mesh.tags import has_tag
from node.journal import Commit
from node.ports import Reader
from node.resp.encoder import put_bulk
from node.resp.numbers import DIGITS4, put_uint
from node.store.effect import CREATION, NEWEST_WINS, WAS_STRING

# The low digits of a stamp that are written by table; the others change every 95 ms.
LOW: Final[i64] = 100_000_000
CRLF: Final = 0x0A0D
TWO_DIGITS: Final[i64] = 0x0A0D3030  # "00\r\n" as a little-endian word
# How a frame without marks and flags ends.
TAIL: Final = b"\r\n$0\r\n\r\n$0\r\n\r\n"
# The flags of an effect that its frame says.
SAID: Final[i64] = CREATION | WAS_STRING | NEWEST_WINS
PING: Final = b"*1\r\n$4\r\nPING\r\n"
NOWHERE: Final[frozenset[bytes]] = frozenset()


@mypyc_attr(allow_interpreted_subclasses=True)
class Follower:
    """Who is sent the own stream as it is written, and others as it has asked."""

    def send(self, data: bytes, last: i64) -> None:
        """Whole frames of the own stream; `last` is the stamp of the last one."""

    def relay(self, data: bytes) -> None:
        """Whole frames of another stream that it has asked for (mesh/topology.py)."""


@mypyc_attr(allow_interpreted_subclasses=True)
class FrameLog:
    """Who writes all frames to a file, in the order in which they came to be here."""

    def write(self, origin: i64, last: i64, data: bytes) -> None:
        """Whole frames of one stream; `last` is the stamp of the last one."""

    def hole(self, origin: i64, stamp: i64) -> None:
        """The stream up to `stamp` came by transfer, not as frames."""

    def woken(self) -> None:
        """A frame of this node was made, the first since the last flush."""

    def renewed(self, former: i64) -> None:
        """Number 0 is a new stream of this node; that before it has this number."""


class Chunk:
    """A run of frames of one stream."""

    def __init__(self, origin: i64, first: i64, last: i64, data: bytes) -> None:
        self.origin: i64 = origin
        self.first: i64 = first
        self.last: i64 = last
        self.data = data
        self.end: i64 = 0  # the backlog's offset behind it


class Backlog(Reader):
    """All frames since their floors, in order of arrival; at most `limit` bytes."""

    def __init__(self, streams: Streams, limit: int) -> None:
        self.streams = streams
        self.own = streams.own
        self.limit: i64 = limit
        self.held: i64 = 0
        self.offset: i64 = 0
        self.chunks: list[Chunk] = []
        self.pins: list[int] = []  # offsets behind which snapshots in flight will go on
        self.pin_limit: i64 = limit
        self.floors: dict[int, int] = {}
        self._trim_at: i64 = 0  # so much is held before it is tried again
        self.followers: list[Follower] = []
        self.relays: dict[int, list[Follower]] = {}  # who is relayed a stream, by its number
        self.wake_flush: Callable[[], None] | None = None
        self.log: FrameLog | None = None
        self.vector_moved = True
        self.large: i64 = 1 << 62  # own units of more bytes are counted: mesh-max-unit-bytes
        self.large_units: i64 = 0
        self.frames: i64 = 0
        self.wrote = False  # has the own stream said more than what is said of the mesh?
        self._marked: dict[bytes, int] = {}
        self._tick = BytesWriter()
        self._pending = False
        self._first: i64 = 0
        self._open = False  # the last frame of this tick lacks its TAIL
        self._head = b""
        self._joint = b""
        self._name_own()
        self._base: i64 = -1
        self._db: i64 = 0
        self._stamp_high = b""
        self._previous_base: i64 = -1
        self._previous_high = b""
        self._low: i64 = 0  # the low digits of the stamp written last

    def _name_own(self) -> None:
        """How a frame of the own stream begins."""
        self._head = FRAME_HEAD + self.own.text + b"\r\n$"
        self._joint = TAIL + self._head

    # --- writing --------------------------------------------------------------------------------

    def read(self, commit: Commit) -> None:
        """One unit of this node becomes one frame; a peer's was kept by the inbox."""
        if commit.origin != 0:
            return
        stamp = commit.stamp
        first = commit.first
        if first is None:
            return
        self.wrote = True
        previous = self.own.seen
        if commit.end == 0 or commit.count != 1 or self.vector_moved or previous == 0:
            inner = inner_of(commit)
            if inner:
                self.write(inner, first.db, stamp, flags_of(commit, self.streams))
                self.own.wrote = stamp
            return
        out = self._tick
        out.write(self._joint if self._open else self._head)
        data = commit.data
        start = commit.start
        end = commit.end
        size = end - start
        if size > self.large:
            self.large_units += 1
        if 10 <= size < 100:
            tens = size // 10
            write_i32_le(out, i32(TWO_DIGITS + tens + ((size - tens * 10) << 8)))
        else:
            put_uint(out, size)
            write_i16_le(out, CRLF)
        if start == 0 and end == len(data):
            out.write(data)
        else:
            out.write(data[start:end])
        low = stamp - self._base
        if self._base < 0 or low < 0 or low >= LOW or first.db != self._db:
            high = stamp // LOW
            self._base = high * LOW
            self._db = first.db
            number = b"%d" % first.db
            self._stamp_high = b"\r\n$%d\r\n%b\r\n$19\r\n%d" % (len(number), number, high)
            low = stamp - self._base
        digits = low_digits(low)
        out.write(self._stamp_high)
        write_i64_le(out, digits)
        low = previous - self._previous_base
        if self._previous_base < 0 or low < 0 or low >= LOW:
            high = previous // LOW
            self._previous_base = high * LOW
            self._previous_high = b"\r\n$2\r\nv1\r\n$19\r\n%d" % high
            self._low = low_digits(previous - self._previous_base)
        out.write(self._previous_high)
        write_i64_le(out, self._low)
        self._low = digits
        if stamp - self._previous_base >= LOW:
            self._previous_base = -1
        self._open = first.flags & SAID == 0 and not has_tag(first)
        if not self._open:
            out.write(b"\r\n$0\r\n\r\n")
            put_bulk(out, letters(first, self.streams))
        self._wrote(stamp)
        self.own.wrote = stamp

    def write(self, inner: bytes, db: i64, stamp: i64, flags: bytes) -> None:
        """One frame of the own stream, spelled out, with the marks that have changed."""
        marks = b""
        if self.vector_moved:
            marks = self._changed_marks()
            self.vector_moved = False
        if len(inner) > self.large:
            self.large_units += 1
        self._close()
        self._tick.write(frame_bytes(self.own.text, inner, db, stamp, self.own.seen, marks, flags))
        self._previous_base = -1
        self._wrote(stamp)

    def _close(self) -> None:
        """The end of the last frame, which the next one would have begun with."""
        if self._open:
            self._open = False
            self._tick.write(TAIL)

    def control(self, words: list[bytes], stamp: i64) -> None:
        """A frame around a `MESH.*` command."""
        self.write(control(words), 0, stamp, b"")
        if words[0] not in SAYINGS:
            self.own.wrote = stamp

    def heartbeat(self, stamp: i64) -> None:
        """A frame around PING: an idle stream says so, and its stamp moves."""
        self.write(PING, 0, stamp, b"")

    def _changed_marks(self) -> bytes:
        changed: dict[bytes, int] = {}
        for each in self.streams.all:
            if each is not self.own and each.seen != 0 and not each.retired:
                seen = int(each.seen)
                if self._marked.get(each.uuid) != seen:
                    changed[each.uuid] = seen
                    self._marked[each.uuid] = seen
        return pack_marks(changed)

    def say_all_again(self) -> None:
        """What was said so far is void: the next frame's marks are the whole vector."""
        self._marked = {}
        self.vector_moved = True

    def marked(self) -> dict[bytes, int]:
        """The sum of the own stream's marks, and what they left out: its row, for snapshots."""
        row = dict(self._marked)
        for each in self.streams.all:
            if each.retired:
                row[each.uuid] = int(each.seen)
        return row

    def _wrote(self, stamp: i64) -> None:
        self.own.seen = stamp
        self.frames += 1
        if not self._pending:
            self._pending = True
            self._first = stamp
            log = self.log
            if log is not None:
                log.woken()
            wake = self.wake_flush
            if wake is not None:
                wake()

    def flush(self) -> None:
        """What this tick wrote becomes a chunk and goes to the followers."""
        if not self._pending:
            return
        self._pending = False
        self._close()
        data = self._tick.getvalue()
        self._tick.truncate(0)
        last = self.own.seen
        self._append(Chunk(0, self._first, last, data))
        for follower in list(self.followers):
            follower.send(data, last)

    # --- frames of others -----------------------------------------------------------------------

    def keep(self, origin: i64, first: i64, last: i64, data: bytes) -> None:
        """Frames of another stream, whole, as they came, each once; they go on to whoever asked."""
        self._append(Chunk(origin, first, last, data))
        self.vector_moved = True
        if self.relays:
            takers = self.relays.get(int(origin))
            if takers is not None:
                for follower in list(takers):
                    follower.relay(data)

    def _append(self, chunk: Chunk) -> None:
        log = self.log
        if log is not None:
            log.write(chunk.origin, chunk.last, chunk.data)
        self.chunks.append(chunk)
        size: i64 = len(chunk.data)
        self.held += size
        self.offset += size
        chunk.end = self.offset
        if self.held > self.limit and self.held >= self._trim_at:
            self._trim()

    def _trim(self) -> None:
        """Drops the oldest, but of no stream its last share of a quarter: the heartbeats of a node
        that takes in much would go, and who lacks but one of them would have to compare all keys.

        A quarter more than needed goes, so that this is seldom.
        """
        target = self.limit - self.limit // 4
        pinned: i64 = self.offset if not self.pins else min(self.pins)
        left = self._held_by_stream()
        share = target // (4 * max(1, len(left)))
        kept: list[Chunk] = []
        for chunk in self.chunks[:-1]:
            size: i64 = len(chunk.data)
            rest = left[int(chunk.origin)] - size
            if (
                self.held <= target
                or (rest < share and not self.streams.all[chunk.origin].retired)
                or (chunk.end > pinned and self.held <= self.pin_limit)
            ):
                kept.append(chunk)
                continue
            left[int(chunk.origin)] = int(rest)
            self.held -= size
            # A transfer may have left a hole above it.
            floor = self.floors.get(int(chunk.origin), 0)
            self.floors[int(chunk.origin)] = max(floor, int(chunk.last))
        kept.append(self.chunks[-1])
        self.chunks = kept
        # Where a snapshot holds all of it, not every frame has to find that out.
        self._trim_at = self.held + self.limit // 16

    def _held_by_stream(self) -> dict[int, int]:
        """The bytes that are held of each stream."""
        found: dict[int, int] = {}
        for chunk in self.chunks:
            origin = int(chunk.origin)
            found[origin] = found.get(origin, 0) + len(chunk.data)
        return found

    def pin(self) -> int:
        """A snapshot begins: what comes from now on is kept for its end, above `limit` if need be.

        At most `pin_limit` bytes are held. Returns what `unpin` wants.
        """
        self.pins.append(int(self.offset))
        return int(self.offset)

    def unpin(self, pinned: int) -> None:
        """The snapshot has ended, well or not."""
        self.pins.remove(pinned)
        self._trim_at = 0
        if self.held > self.limit:
            self._trim()

    def put_aside(self) -> None:
        """Another state takes the place of the one that all this made, and may lack some of it:
        nobody is sent that from here, whatever vector he comes with."""
        self.flush()
        for stream in self.streams.all:
            self.hole(stream.number, stream.seen)
        self.chunks = []
        self.held = 0
        self._trim_at = 0

    def renewed(self, former: i64) -> None:
        """After `put_aside`: number 0 is a new stream, whose first frame is still to be written;
        that before it has this number."""
        floor = self.floors.pop(0, 0)
        if floor:
            self.floors[int(former)] = floor
        self._name_own()
        self.wrote = False
        self._previous_base = -1
        log = self.log
        if log is not None:
            log.renewed(former)

    def hole(self, origin: i64, stamp: i64) -> None:
        """Everything of this stream up to `stamp` came by transfer: it cannot be served from
        here."""
        if stamp > self.floors.get(int(origin), 0):
            self.floors[int(origin)] = int(stamp)
        self.vector_moved = True
        log = self.log
        if log is not None:
            log.hole(origin, stamp)

    # --- resuming -------------------------------------------------------------------------------

    def resume(
        self, vector: dict[bytes, int], follower: bytes, elsewhere: frozenset[bytes] = NOWHERE
    ) -> list[bytes] | None:
        """All frames that a follower with this vector lacks, in order; None if a part is gone.

        Frames of `follower`, its own stream, never go back to it, though they may be here already
        and not in the vector: it has written them since it asked. Nor does it lack those of the
        streams that come to it `elsewhere`: they are on their way there.
        """
        self.flush()
        streams = self.streams.all
        has: list[int] = [
            int(each.seen)
            if each.uuid == follower or (each.number != 0 and each.uuid in elsewhere)
            else vector.get(each.uuid, 0)
            for each in streams
        ]
        for each in streams:
            at = int(each.number)
            if each.seen > has[at] and self.floors.get(at, 0) > has[at]:
                return None
        parts: list[bytes] = []
        for chunk in self.chunks:
            lacks = has[chunk.origin]
            if chunk.last > lacks:
                parts.append(frames_after(chunk, lacks))
        return parts

    def tail(self, origin: i64, after: i64) -> list[bytes] | None:
        """The frames of one other stream above a stamp, in order; None if a part is gone."""
        if self.streams.all[origin].seen <= after:
            return []
        if self.floors.get(int(origin), 0) > after:
            return None
        parts: list[bytes] = []
        for chunk in self.chunks:
            if chunk.origin == origin and chunk.last > after:
                parts.append(frames_after(chunk, after))
        return parts


def frames_after(chunk: Chunk, after: i64) -> bytes:
    """The frames of a chunk above a stamp, of which there are some."""
    if chunk.first > after:
        return chunk.data
    for stamp, start, _ in stamps_of(chunk.data):
        if stamp > after:
            return chunk.data[start:]
    return b""


def low_digits(low: i64) -> i64:
    """The eight digits of a number below LOW, with zeros in front, as a little-endian word."""
    upper = low // 10000
    first = i64(read_i32_le(DIGITS4, upper * 4))
    return first | (i64(read_i32_le(DIGITS4, (low - upper * 10000) * 4)) << 32)
