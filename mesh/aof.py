"""AppendOnly: the frames of this node in its append-only file, and how far they are on the disk.

A member of a mesh writes the frames of its backlog: its own as they are made for the followers,
those of others untouched. A node alone has a backlog of its own that nobody follows, so its file
has the same form. The replies to writes wait for the disk under `appendfsync always`
(node/net/gate.py); frames to followers do not: what a peer has and this node lost in a crash comes
back as frames of a stream that has ended, since every start opens a new one (semantics.md W4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog
from mypy_extensions import i64

from conf import Config
from mesh.backlog import Backlog, FrameLog
from mesh.dots import Streams
from mesh.member import Member
from node.engine import Engine
from node.gates import IS_LOG_BROKEN
from node.journal import AOF
from node.net.gate import ReplyGate
from node.persist.aof import ALWAYS
from node.persist.aof_files import ALONE, MESH, AofError, Manifest
from node.persist.aof_store import AofStore, Owner

LOG = structlog.get_logger("aof")

# While the disk takes nothing, frames of others are kept for it up to this size; beyond, they come
# again from their nodes. Own frames cannot outgrow it: clients may not write meanwhile.
FOREIGN_BYTES_MOST: Final = 256 * 1024 * 1024
# After a quiet moment a node alone writes at once, under load once in so long (as mesh/agent.py).
FLUSH_S: Final = 0.001
NOT_TURNED_ON: Final = "Unable to turn on AOF. Check server logs."


class Chain:
    """How far each stream could be replayed from one base: beyond a hole nothing is."""

    def __init__(self, vector: dict[int, int]) -> None:
        self.ends = vector
        self.holes: set[int] = set()

    def note(self, origin: int, last: int) -> None:
        """Frames up to `last` were appended."""
        if origin not in self.holes:
            self.ends[origin] = last

    def hole(self, origin: int, stamp: int) -> None:
        """Everything up to `stamp` is here, but not in the file."""
        if stamp > self.ends.get(origin, 0):
            self.holes.add(origin)

    def renewed(self, former: int) -> None:
        """What was the own stream has this number now. The new one goes on a state that is not in
        the file: a gap."""
        move(self.ends, former)
        self.holes.add(0)


class MeshFrames(FrameLog):
    """What the member's backlog, or that of a node alone, hands on."""

    def __init__(self, aof: AppendOnly) -> None:
        self._aof = aof

    def write(self, origin: i64, last: i64, data: bytes) -> None:
        self._aof.write(int(origin), int(last), data)

    def hole(self, origin: i64, stamp: i64) -> None:
        self._aof.hole(int(origin), int(stamp))

    def woken(self) -> None:
        self._aof.woken()

    def renewed(self, former: i64) -> None:
        self._aof.renewed(int(former))


class AppendOnly(Owner):
    """`soon` and `later` call a function in the loop, `clock` gives seconds of any beginning."""

    def __init__(
        self,
        config: Config,
        engine: Engine,
        member: Member,
        gate: ReplyGate,
        soon: Callable[[Callable[[], None]], object],
        later: Callable[[float, Callable[[], None]], object],
        clock: Callable[[], float],
    ) -> None:
        self.config = config
        self.engine = engine
        self.member = member
        self.gate = gate
        self.store: AofStore  # set by who makes both
        self.kind = ""  # whose frames are written: MESH, ALONE or, while none are, nobody's
        self._soon = soon
        self._later = later
        self._clock = clock
        self._frames = MeshFrames(self)
        self._alone: Backlog | None = None
        self._scheduled = False
        self._flushed_s = 0.0
        self._starting = False
        self._chain: Chain | None = None  # from the base that the manifest names
        self._next: Chain | None = None  # from the one that is being made
        self._base: dict[int, int] = {}
        self._sealed: dict[int, int] = {}
        self._held: dict[int, int] = {}
        # Of a node alone, whose base says no stamps: the own writes that are in the file, those on
        # their way to the disk, those there, and those in a base that is being made.
        self._written = 0
        self._leaving = 0
        self._arrived = 0
        self._in_base = 0
        self.moved: Callable[[], None] = nobody_waits  # more is on the disk
        member.stream_started = self.stream_started
        member.make_durable = self.make_durable

    # --- on and off ---------------------------------------------------------------------------

    def start(self, manifest: Manifest | None) -> None:
        """The data was loaded, from this manifest's files or another one's. AofError."""
        kind = MESH if self.config.yes("active-replica") else ALONE
        self._starting = True
        if manifest is not None and manifest.kind == kind:
            self.store.go_on(manifest)
            self._chain = Chain(self._vector())
            self._held = dict(self._chain.ends)
            self._attach(kind)
        elif kind == ALONE:
            self.store.begin_now(ALONE)

    def started(self) -> None:
        """The node serves clients from now on."""
        self._starting = False

    def stream_started(self) -> None:
        """The node has become a member: from its stream's first frame on these are written.

        At a start: AofError. Later the file begins anew in the background, as long as that cannot
        be done at once clients may not write.
        """
        wanted = self.store.on or (self._starting and self.config.yes("appendonly"))
        if not wanted or self.kind == MESH:
            return
        try:
            self.store.begin_now(MESH)
        except AofError as error:
            if self._starting:
                raise
            LOG.error("append_only_not_begun", reason=str(error))
            self._shut(str(error))
            self.turn_off()
            self.store.turn_on(MESH)

    def turn_on(self) -> str:
        """CONFIG SET appendonly yes: why not, or ""."""
        if not self.store.on:
            try:
                self.store.turn_on(MESH if self.member.started else ALONE)
            except AofError as error:
                LOG.error("append_only_not_begun", reason=str(error))
                return NOT_TURNED_ON
        return ""

    def turn_off(self) -> None:
        """CONFIG SET appendonly no: what was written stays in the file, nothing waits any more."""
        if self.store.on:
            self.store.turn_off()
            self._detach()
            self.gate.seal()
            self.gate.release()
            self.moved()

    def close(self) -> None:
        """The process ends in good order: everything is on the disk."""
        if self.store.on:
            self.store.turn_off()
            self._detach()

    def _attach(self, kind: str) -> None:
        self._detach()
        self.kind = kind
        if kind == MESH:
            self.member.backlog.flush()  # the base has what waits: later writes wake us
            self.member.backlog.log = self._frames
        else:
            self._alone = Backlog(Streams(self.member.streams.own.uuid), 0)
            self._alone.log = self._frames
            self.engine.journal.wake(AOF, self._alone)

    def _detach(self) -> None:
        self.kind = ""
        self.member.backlog.log = None
        self.engine.journal.rest(AOF)
        self._alone = None

    # --- frames -------------------------------------------------------------------------------

    def write(self, origin: int, last: int, data: bytes) -> None:
        """Frames of one stream, own or not, come to the end of the file."""
        log = self.store.log
        if origin != 0 and log.broken and log.buffered_bytes > FOREIGN_BYTES_MOST:
            self.hole(origin, last)
            return
        if origin == 0:
            self._written = last
        for chain in (self._chain, self._next):
            if chain is not None:
                chain.note(origin, last)
        log.append(data)

    def hole(self, origin: int, stamp: int) -> None:
        """A stream goes on beyond what the file has of it; `tick` begins a new file."""
        for chain in (self._chain, self._next):
            if chain is not None:
                chain.hole(origin, stamp)

    def renewed(self, former: int) -> None:
        """The own stream is a new one, its state that of a peer; `tick` begins a new file."""
        for chain in (self._chain, self._next):
            if chain is not None:
                chain.renewed(former)
        for vector in (self._base, self._sealed, self._held):
            move(vector, former)

    def woken(self) -> None:
        """This node writes: under `always` replies wait from here on."""
        if self.store.log.policy == ALWAYS:
            if self.store.manifest is not None:
                self.gate.mark()
        elif self._alone is None:
            return  # the agent's own flush, within a millisecond, brings the frames
        if self._scheduled:
            return
        self._scheduled = True
        if self.store.log.policy == ALWAYS or self._clock() - self._flushed_s >= FLUSH_S:
            self._soon(self._flush)
        else:
            self._later(FLUSH_S, self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        self._flushed_s = self._clock()
        self.collect()

    def collect(self) -> None:
        if self._alone is not None:
            self._alone.flush()
        elif self.kind == MESH:
            self.member.backlog.flush()

    def make_durable(self) -> None:
        """What is sent to a peer as a state, not as frames, must be here after a crash. Blocks."""
        if self.store.manifest is not None:
            self.store.settle()

    # --- how far it is ------------------------------------------------------------------------

    def _vector(self) -> dict[int, int]:
        return {int(each.number): int(each.seen) for each in self.member.streams.all if each.seen}

    def held_vector(self) -> dict[bytes, int] | None:
        """What a restart would bring back, by stream: flushed, and without a gap behind the base.

        None where no append-only file is kept. Under `appendfsync no` it moves every 30 s.
        """
        if not self.store.on:
            return None
        streams = self.member.streams.all
        return {streams[origin].uuid: stamp for origin, stamp in self._held.items()}

    def logged(self) -> int | None:
        """Up to which stamp the file has the own writes on the disk, -1 before it has a base; None
        where there is none."""
        if not self.store.on:
            return None
        if self.store.manifest is None:
            return -1
        return self._held.get(0, 0) if self.kind == MESH else self._arrived

    def sealed(self) -> None:
        self.gate.seal()
        self._leaving = self._written
        if self._chain is not None:
            self._sealed = dict(self._chain.ends)

    def durable(self) -> None:
        if self._chain is not None:
            self._held = self._sealed
        self._arrived = max(self._arrived, self._leaving)
        self.gate.release()
        self.moved()

    def switched(self) -> None:
        kind = MESH if self.member.started else ALONE
        if self.kind != kind:
            self._attach(kind)
        self._next = Chain(self._vector()) if kind == MESH else None
        self._base = self._vector()
        self._in_base = int(self.engine.clock.last)

    def based(self) -> None:
        chain = self._next
        self._next = None
        self._chain = chain
        if chain is not None:
            self._sealed = dict(chain.ends)
            for origin, stamp in self._base.items():
                self._held[origin] = max(stamp, self._held.get(origin, 0))
        self._arrived = max(self._arrived, self._in_base)
        self._open()
        self.moved()
        LOG.info("append_only_began", files=str(self.store.folder.path), kind=self.kind)

    # --- trouble ------------------------------------------------------------------------------

    def failed(self, error: OSError) -> None:
        text = error.strerror or str(error)
        if not self.engine.closed & IS_LOG_BROKEN:
            LOG.error("append_only_not_written", reason=text)
        self.gate.block()
        self._shut(text)

    def healed(self) -> None:
        LOG.info("append_only_written_again")
        self.gate.unblock()
        self._open()

    def rewrite_failed(self, error: str) -> None:
        LOG.error("append_only_not_rewritten", reason=error)

    def _shut(self, reason: str) -> None:
        self.engine.log_error = reason.encode("utf-8", "surrogateescape")
        self.engine.closed |= IS_LOG_BROKEN

    def _open(self) -> None:
        if not self.store.log.broken:
            self.engine.closed &= ~IS_LOG_BROKEN

    def tick(self) -> None:
        """Several times a second."""
        self.store.tick()
        chain = self._chain
        if chain is None or not chain.holes or self.store.rewriting or self.store.failures:
            return
        member = self.member
        if member.staging is None and member.merging is None and not self.store.log.broken:
            self.store.rewrite()


def nobody_waits() -> None:
    """Nobody wants to know."""


def move(vector: dict[int, int], former: int) -> None:
    """What a vector says of the own stream it says of the stream with this number."""
    if 0 in vector:
        vector[former] = vector.pop(0)
