"""Inbox: a peer's frames, in: own? seen? a gap? -> clock -> engine.replay -> kept.  [compiled]

One per link. Each frame names the stamp of its stream's previous frame, so order without gaps is
checked, not assumed (semantics.md W3). The untouched frame is kept for others, also when nothing
of it won here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mypy_extensions import i64, mypyc_attr

from mesh.backlog import Backlog
from mesh.dots import SAYINGS, Stream, Streams, uuid_bytes
from mesh.frames import Frame
from mesh.merge.rule import Memory
from mesh.rreplay import FrameError, FrameReader, Inner, StampError
from node.engine import Engine
from node.store.effect import Effect

# What became of the bytes.
MORE: Final = 0  # all whole frames were taken; the rest is wanted again
GAP: Final = 1  # frames are missing: resume the link from our vector
FORKED: Final = 2  # the stream is written by two: refuse the peer
OTHER: Final = 3  # something that is no frame of ours stands at `pos`


@mypyc_attr(allow_interpreted_subclasses=True)
class Control:
    """Who is told of `MESH.*` commands in peers' streams: the agent."""

    def control(self, stream: Stream, stamp: i64, words: list[bytes]) -> None:
        """A control frame of this stream was applied."""

    def may_take(self, stream: Stream, stamp: i64, peer: bytes) -> bool:
        """May a frame of a stream whose process has ended be taken from this member?"""
        return True


class Inbox:
    """Applies one link's frames to the engine."""

    def __init__(
        self, engine: Engine, streams: Streams, memory: Memory, backlog: Backlog, agent: Control
    ) -> None:
        self.engine = engine
        self.streams = streams
        self.memory = memory
        self.backlog = backlog
        self.agent = agent
        self.applied: i64 = 0
        self.duplicates: i64 = 0
        self.refused: i64 = 0  # frames of ended processes that this peer may not hand on
        self.peer_member = b""
        self.stamp: i64 = 0  # of the newest frame applied over this link
        self.pos: i64 = 0
        self.wants: i64 = 0  # bytes from `pos` on without which it is of no use to ask again
        self.guard: Callable[[int], str] | None = None  # refuses stamps too far ahead
        self.databases: i64 = len(engine.databases)
        self._guarded_ms: i64 = 0  # stamps up to here were let pass by the guard
        self._reader = FrameReader()
        self._inner = Inner(streams)
        self._last: Stream = streams.own
        self._run_start: i64 = 0
        self._run_first: i64 = 0
        self._run_end: i64 = 0
        self._run: Stream | None = None

    def take(self, data: bytes, start: i64) -> int:
        """Applies the frames in data[start:]; `pos` is where the first byte not used stands."""
        self._reader.open(data, start)
        self._run = None
        try:
            result = self._read(data)
        finally:  # a frame is refused: what was applied before it must not be missing for others
            self._keep(data)
        self.pos = self._reader.pos
        self.wants = self._reader.wants
        return result

    def _read(self, data: bytes) -> int:
        reader = self._reader
        n: i64 = len(data)
        while reader.pos < n:
            before = reader.pos
            if not reader.quick(data, before):
                if not reader.at_frame():
                    return OTHER
                if not reader.careful():
                    break
            frame = reader.frame
            stream = self._stream(frame.uuid_text)
            if stream is not self._run:
                self._keep(data)
            if stream.number == 0 or frame.stamp <= stream.seen:
                self.duplicates += 1
                self._keep(data)
                continue
            if stream.closing and not self.agent.may_take(stream, frame.stamp, self.peer_member):
                self.refused += 1
                self._keep(data)
                continue
            if frame.previous != stream.seen:
                reader.pos = before
                return GAP if frame.previous > stream.seen else FORKED
            self._apply(stream, data, frame)
            if self._run is None:
                self._run = stream
                self._run_start = before
                self._run_first = frame.stamp
            self._run_end = reader.pos
        return MORE

    def _keep(self, data: bytes) -> None:
        """The run of frames of one stream that was applied goes into the backlog as one piece."""
        run = self._run
        if run is not None:
            self._run = None
            self.backlog.keep(
                run.number, self._run_first, run.seen, data[self._run_start : self._run_end]
            )

    def _stream(self, text: bytes) -> Stream:
        last = self._last
        if text is last.text:
            return last
        try:
            stream = self.streams.of(uuid_bytes(text))
        except ValueError as error:
            raise FrameError(f"a frame's uuid: {error}") from error
        self._last = stream
        self._reader.usual.expect(stream.text)
        return stream

    def _apply(self, stream: Stream, data: bytes, frame: Frame) -> None:
        engine = self.engine
        stamp = frame.stamp
        hybrid = stamp >> 20
        clock = engine.clock
        if hybrid > clock.now_ms and hybrid > self._guarded_ms and stamp > clock.last:
            guard = self.guard
            if guard is not None:
                refusal = guard(int(stamp))
                if refusal:
                    raise StampError(refusal)
                self._guarded_ms = hybrid
        memory = self.memory
        inner = self._inner
        effects: list[Effect] | None = None
        effect = inner.one(data, frame, stream.number, self.databases)
        if effect is None:
            effects = inner.read(data, frame, stream.number, self.databases)
        if frame.marks:
            try:
                self.streams.add_marks(stream, frame.marks)
            except ValueError as error:
                raise FrameError(str(error)) from error
            stream.uncovered = not self.streams.covers(stream)
        elif stream.uncovered:
            stream.uncovered = not self.streams.covers(stream)
        if stream.checked != memory.cut.moves and (effect is not None or effects):
            if not self.streams.covers_cut(stream, memory.cut.row):
                memory.cut.violations += 1
                raise FrameError(
                    f"frame {stamp} of stream {stream.text.decode()} was written without knowing"
                    " what all members were said to have on disk: it is not applied; the member"
                    " that wrote it must join anew"
                )
            stream.checked = memory.cut.moves
        clock.observe(stamp)
        if hybrid > engine.now.ms:
            engine.now.ms = hybrid
        memory.uncovered = stream.uncovered
        if effect is not None:
            stream.wrote = stamp
            engine.replay_one(frame.db, effect, stream)
        elif effects is not None and effects:
            stream.wrote = stamp
            engine.replay(frame.db, effects, stream)
        memory.uncovered = False
        if inner.control is not None:
            if inner.control[0] not in SAYINGS:
                stream.wrote = stamp
            self.agent.control(stream, stamp, inner.control)
        stream.seen = stamp
        self.stamp = stamp
        self.applied += 1
        self.backlog.vector_moved = True
        if memory.removals.count != 0:
            memory.removals.settle()
        if engine.blocking.pending:
            engine.blocking.serve()
