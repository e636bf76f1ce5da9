"""The append-only file into an empty node: the base, then the frames since, each by its own way.

Frames of a mesh go the way of a peer's frames: what the base has already is dropped by its stamp,
and of a stream with a gap nothing beyond it is applied (it comes again from the others). Frames of
a node alone are carried out one after another, as they were. An end that a crash cut off is taken
away up to the last whole frame; damage before that ends the start with its place.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from mypy_extensions import i64

from conf import Config
from mesh.clock import HybridClock
from mesh.dots import Stream, Streams
from mesh.frames import FRAME_HEAD
from mesh.identity import stream_uuid
from mesh.inbox import FORKED, GAP, OTHER, Control, Inbox
from mesh.member import Member
from mesh.merge.resolver import StampResolver
from mesh.rreplay import FrameError, FrameReader, Inner
from node.engine import Engine
from node.persist.aof_files import MESH, AofError, Folder, Manifest, cut
from node.persist.loader import Loaded, Loader
from node.persist.snapshot import Snapshots
from node.ports import Resolver, Seen
from node.store.effect import CREATION, Effect
from node.store.entry import Entry

LOG = structlog.get_logger("aof")

PIECE_BYTES: Final = 1 << 22
# Of what follows a frame that is no frame: an end that a crash has left is looked at so far.
TORN_BYTES_MAX: Final = 1 << 27
REMEDY: Final = (
    "restore the file from a copy; or, giving up what lies beyond, cut it off there:"
    " truncate -s {offset} {path}"
)


class Damaged(Exception):
    """Something at `offset` of a piece is no frame that can follow."""

    def __init__(self, offset: int, text: str) -> None:
        super().__init__(text)
        self.offset = offset


class Replay:
    """Takes frames in; how many there were. `take` is told of a piece and says what it used."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.frames = 0
        self.skipped: dict[str, int] = {}  # frames behind a gap, by stream

    def take(self, data: bytes) -> int:
        """Applies the whole frames in `data`; where the first that is not whole begins. Damaged."""
        raise AssertionError("a subclass knows whose frames they are")

    def begin(self) -> None:
        """The base was loaded."""

    def end(self) -> None:
        """The last frame was applied."""
        self.engine.writer.dirty = 0


class Trusting(Control):
    """A member that takes all that its own file has: it was judged when it came."""

    def __init__(self, member: Member) -> None:
        self._member = member

    def control(self, stream: Stream, stamp: i64, words: list[bytes]) -> None:
        self._member.control(stream, stamp, words)

    def may_take(self, stream: Stream, stamp: i64, peer: bytes) -> bool:
        return True


class MeshReplay(Replay):
    """Frames of a mesh, into a member that is not active yet."""

    def __init__(self, engine: Engine, member: Member) -> None:
        super().__init__(engine)
        self._member = member
        self._inbox = Inbox(
            engine, member.streams, member.memory, member.backlog, Trusting(member)
        )

    def begin(self) -> None:
        self._member.note_holes()
        self._member.resolver.active = True

    def end(self) -> None:
        super().end()
        self._member.resolver.active = False

    def take(self, data: bytes) -> int:
        inbox = self._inbox
        start = 0
        while True:
            before = int(inbox.applied + inbox.duplicates)
            try:
                result = inbox.take(data, start)
            except FrameError as error:
                done = int(inbox.applied + inbox.duplicates) - before
                raise Damaged(end_of(data, start, done), str(error)) from error
            self.frames += int(inbox.applied + inbox.duplicates) - before
            start = int(inbox.pos)
            if result == GAP:
                start = self._skip(data, start)
            elif result == FORKED:
                raise Damaged(start, "a frame does not follow its stream's frame before it")
            elif result == OTHER:
                raise Damaged(start, "this is no frame")
            else:
                return start

    def _skip(self, data: bytes, start: int) -> int:
        reader = FrameReader()
        reader.open(data, start)
        reader.next()
        name = reader.frame.uuid_text.decode()
        self.skipped[name] = self.skipped.get(name, 0) + 1
        return int(reader.pos)


class AloneResolver(Resolver):
    """Carries out what a node alone has done, as it was done: a creation finds nothing there."""

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        if not fresh and effect.flags & CREATION:
            entry.value = None
            entry.deadline = 0
        entry.stamp = effect.stamp
        entry.origin = 0
        return effect


class AloneReplay(Replay):
    """Frames of a node without a mesh."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._resolver = engine.writer.resolver
        self._inner = Inner(Streams(bytes(16)))
        self._inner.may_swap = True
        self._seen = Seen()
        self._ends: dict[bytes, int] = {}

    def begin(self) -> None:
        self.engine.writer.resolver = AloneResolver()

    def end(self) -> None:
        super().end()
        self.engine.writer.resolver = self._resolver
        for db in self.engine.databases:
            db.hidden = {}  # past their deadlines, and nobody can come back to them

    def take(self, data: bytes) -> int:
        reader = FrameReader()
        reader.open(data, 0)
        while True:
            start = int(reader.pos)
            try:
                if not reader.at_frame():
                    raise FrameError("this is no frame")
                if not reader.next():
                    return start
                frame = reader.frame
                uuid = frame.uuid_text
                if int(frame.previous) != self._ends.get(uuid, int(frame.previous)):
                    raise FrameError("a frame is missing before this one")
                self._ends[uuid] = int(frame.stamp)
                databases = len(self.engine.databases)
                stamp = frame.stamp
                number = frame.db
                effect = self._inner.one(data, frame, 0, databases)
                if effect is None:
                    effects = self._inner.read(data, frame, 0, databases)
                else:
                    effects = [effect]
            except FrameError as error:
                raise Damaged(start, str(error)) from error
            self.engine.clock.observe(stamp)
            if effects:
                self.engine.replay(number, effects, self._seen)
            self.frames += 1


def end_of(data: bytes, start: int, count: int) -> int:
    """Where the frame after so many others begins."""
    reader = FrameReader()
    reader.open(data, start)
    for _ in range(count):
        reader.next()
    return int(reader.pos)


def holds_frame(data: bytes, start: int) -> bool:
    """Does a whole frame stand anywhere from `start` on?"""
    at = data.find(FRAME_HEAD, start)
    while at >= 0:
        reader = FrameReader()
        reader.open(data, at)
        try:
            if reader.next():
                return True
        except FrameError:
            pass  # it only looked like one
        at = data.find(FRAME_HEAD, at + 1)
    return False


def replay_file(path: Path, replay: Replay, may_cut: bool, told: Callable[[int], None]) -> None:
    """Replays one increment; `may_cut`: it is the last, and its end may be repaired. AofError.

    `told` is called with the bytes done, piece by piece.
    """
    offset = 0
    rest = b""
    try:
        with path.open("rb") as file:
            # As much as waits already: a large frame is not joined anew for each small piece.
            while piece := file.read(max(PIECE_BYTES, len(rest))):
                data = rest + piece
                try:
                    used = replay.take(data)
                except Damaged as error:
                    tail = data[error.offset :] + file.read(TORN_BYTES_MAX)
                    offset += error.offset
                    if file.read(1) or not is_torn(tail):
                        raise AofError(damage(path, offset, str(error))) from error
                    rest = tail
                    break
                rest = data[used:]
                offset += used
                told(offset)
    except OSError as error:
        raise AofError(f"{path}: {str(error.strerror).lower()}") from error
    if rest:
        if holds_frame(rest, 1):
            raise AofError(damage(path, offset, "a frame is not whole, and others follow it"))
        if not may_cut:
            raise AofError(
                damage(path, offset, "the file ends within a frame")
                + ", or set `aof-load-truncated yes` where it is the last one"
            )
        cut(path, offset)
        LOG.warning(
            "append_only_cut", file=str(path), bytes=len(rest), size=offset,
            reason="the file ended within a frame, as a crash leaves it",
        )  # fmt: skip


def is_torn(tail: bytes) -> bool:
    """Is this the beginning of a frame with nothing behind it but zeros, as some file systems
    leave it after a crash?"""
    begun = tail.rstrip(b"\0")
    if len(begun) == len(tail):
        return False
    reader = FrameReader()
    reader.open(begun, 0)
    try:
        return reader.at_frame() and not reader.next()
    except FrameError:
        return False


def damage(path: Path, offset: int, what: str) -> str:
    """The text of an error that names file, place and remedy."""
    remedy = REMEDY.format(offset=offset, path=path)
    return f"{path}: damaged at byte {offset}: {what}; {remedy}"


class LogLoader:
    """Loads a manifest's files into an engine. `progress` is told the file and bytes done."""

    def __init__(
        self,
        config: Config,
        engine: Engine,
        member: Member,
        folder: Folder,
        head: Callable[[], list[tuple[bytes, bytes]]],
        progress: Callable[[str, int], None],
    ) -> None:
        self.config = config
        self.engine = engine
        self.member = member
        self.folder = folder
        self.head = head
        self.progress = progress
        self.frames = 0

    def load(self, manifest: Manifest) -> Loaded:
        """Base and frames. AofError, LoadError."""
        if manifest.kind == MESH and not self.config.yes("active-replica"):
            return self._without_mesh(manifest)
        return self._load(manifest, self.engine, self.member)

    def _load(self, manifest: Manifest, engine: Engine, member: Member) -> Loaded:
        folder = self.folder
        in_mesh = manifest.kind == MESH
        sizes = [folder.size(each) for each in manifest.increments]
        path = folder.path / manifest.base
        try:
            # A deadline that has passed may have been put off by a frame.
            found = self._loader(engine, member, in_mesh or any(sizes)).load(
                path, lambda done, total: self.progress(path.name, done)
            )
        except FileNotFoundError as error:
            raise AofError(f"{path} is missing, though the manifest names it") from error
        engine.clock.observe(found.last_stamp)
        replay: Replay = MeshReplay(engine, member) if in_mesh else AloneReplay(engine)
        replay.begin()
        for at, name in enumerate(manifest.increments):
            path = folder.path / name
            if not path.exists():
                raise AofError(f"{path} is missing, though the manifest names it")
            last = not any(sizes[at + 1 :])
            may_cut = last and self.config.yes("aof-load-truncated")
            replay_file(path, replay, may_cut, partial(self.progress, name))
        replay.end()
        self.frames = replay.frames
        for stream, count in replay.skipped.items():
            LOG.warning("frames_behind_a_gap", stream=stream, frames=count,
                        reason="they are asked for again")  # fmt: skip
        return found

    def _loader(self, engine: Engine, member: Member, keep_expired: bool) -> Loader:
        return Loader(
            engine.databases, member.metadata, int(engine.now.ms), keep_expired=keep_expired,
            phase=int(engine.writer.phase), verify_checksum=self.config.yes("rdbchecksum"),
            member=member.member_id,
        )  # fmt: skip

    def _without_mesh(self, manifest: Manifest) -> Loaded:
        """A mesh's file into a node that has left it: what shows, without what was remembered."""
        resolver = StampResolver(Streams(stream_uuid()))
        engine = Engine(self.config, HybridClock(), resolver)
        engine.wake(self.engine.time_s)
        member = Member(self.config, engine, resolver, self.member.member_id)
        member.metadata.active = True
        self._load(manifest, engine, member)
        snapshots = Snapshots(
            engine.writer, engine.databases, member.metadata, self.head, nobody, 1
        )
        path = self.folder.path / f"temp-{self.folder.name}.plain.rdb"
        try:
            with path.open("wb") as file:
                for data in snapshots.whole(self.config.yes("rdbchecksum")):
                    file.write(data)
            self.engine.clock.observe(engine.clock.last)
            return self._loader(self.engine, self.member, False).load(path)
        except OSError as error:
            raise AofError(f"{path}: {str(error.strerror).lower()}") from error
        finally:
            path.unlink(missing_ok=True)


def nobody(callback: Callable[[], None]) -> object:
    """Nothing is done later: the snapshot is written at once."""
    return None


