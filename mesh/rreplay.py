"""RREPLAY between our nodes: `*9 RREPLAY uuid inner db stamp v1 previous marks flags`, read and
made.  [compiled]

The form is semantics.md W2; docs/wire.md has test vectors. KeyDB reads the first five arguments and
passes on what it does not know. Third parties serve a frame byte for byte, so a Frame keeps where
it lies. What is malformed closes the link: FrameError says where.
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter, read_i16_le, read_i64_le
from mypy_extensions import i64, mypyc_attr

from node.journal import Commit
from node.persist.canon import command_of, effect_of, put_command
from node.persist.canon_words import CanonError
from node.persist.rdb_codes import RdbError
from node.resp.encoder import put_bulk
from node.resp.parser import Parser, ProtocolError
from node.store.effect import CREATION, LAPSE, MERGE, NEWEST_WINS, WAS_STRING, Effect

FRAME_HEAD: Final = b"*9\r\n$7\r\nRREPLAY\r\n$36\r\n"
HEAD_BYTES: Final[i64] = 22
# Longest frame taken from a peer: mesh-max-unit-bytes (64 MB) and its envelope.
FRAME_BYTES_MAX: Final = 128 * 1024 * 1024
# A number up to this may have one more digit and still fit 63 bits.
TENTH_MAX: Final[i64] = 922337203685477579
CRLF: Final = 0x0A0D


@mypyc_attr(native_class=False)
class FrameError(Exception):
    """A peer sent what no frame is; the link is closed with this text."""


class Frame:
    """One frame where it lies: data[start:end]; inner[...] is the command or MULTI block."""

    def __init__(self) -> None:
        self.uuid_text = b""
        self.inner_start: i64 = 0
        self.inner_end: i64 = 0
        self.db: i64 = 0
        self.stamp: i64 = 0
        self.previous: i64 = 0
        self.marks = b""
        self.flags = b""
        self.start: i64 = 0
        self.end: i64 = 0


class FrameReader:
    """Reads frames out of a buffer: `next` fills `frame`, or says that more bytes are needed."""

    def __init__(self) -> None:
        self.data = b""
        self.pos: i64 = 0
        self.wants: i64 = 0  # bytes of the frame that is not whole, at least; 0: not known
        self._start: i64 = 0
        self.frame = Frame()

    def open(self, data: bytes, start: i64) -> None:
        """Reads on in this buffer from `start`."""
        self.data = data
        self.pos = start
        self.wants = 0

    def at_frame(self) -> bool:
        """Does a frame begin here (as far as its bytes are there)?"""
        data = self.data
        n: i64 = len(data) - self.pos
        if n >= HEAD_BYTES:
            return data.startswith(FRAME_HEAD, self.pos)
        return FRAME_HEAD.startswith(data[self.pos :])

    def next(self) -> bool:
        """The next frame, whole; False where its end is not there yet. Stands behind it then."""
        data = self.data
        start = self.pos
        self._start = start
        n: i64 = len(data)
        if n - start < HEAD_BYTES + 40:
            return False
        frame = self.frame
        self.pos = start + HEAD_BYTES
        frame.uuid_text = data[self.pos : self.pos + 36]
        if read_i16_le(data, self.pos + 36) != CRLF:
            raise FrameError("a frame's uuid is longer than 36 characters")
        self.pos += 38
        size = self._size()
        if size < 0:
            return self._again(start)
        frame.inner_start = self.pos
        frame.inner_end = self.pos + size
        self.pos += size + 2
        db = self._number()
        stamp = self._number() if db >= 0 else -1
        if stamp < 0:
            return self._again(start)
        version = self._bytes()
        if version is None:
            return self._again(start)
        if version != b"v1":
            raise FrameError(f"frame version {version!r}: this node reads v1")
        previous = self._number()
        if previous < 0:
            return self._again(start)
        marks = self._bytes()
        if marks is None:
            return self._again(start)
        flags = self._bytes()
        if flags is None:
            return self._again(start)
        frame.db = db
        frame.stamp = stamp
        frame.previous = previous
        frame.marks = marks
        frame.flags = flags
        frame.start = start
        frame.end = self.pos
        return True

    def _again(self, start: i64) -> bool:
        if len(self.data) - start > FRAME_BYTES_MAX:
            raise FrameError(f"a frame of more than {FRAME_BYTES_MAX} bytes")
        self.pos = start
        return False

    def _size(self) -> i64:
        """A bulk's length; stands at its first byte then. -1: not all there, bulk included."""
        data = self.data
        n: i64 = len(data)
        pos = self.pos
        if pos + 4 > n:
            return -1
        if data[pos] != 36:
            raise FrameError(f"expected a bulk in a frame, got {data[pos : pos + 8]!r}")
        pos += 1
        size: i64 = 0
        first = pos
        while pos < n:
            c: i64 = i64(data[pos])
            if c == 13:
                if pos == first or size > FRAME_BYTES_MAX:
                    raise FrameError(f"a bulk of {size} bytes, or of none, in a frame")
                pos += 2
                if pos + size + 2 > n:
                    self.wants = pos + size + 2 - self._start
                    return -1
                if data[pos - 1] != 10 or read_i16_le(data, pos + size) != CRLF:
                    raise FrameError(f"no line ends where a bulk of {size} bytes should")
                self.pos = pos
                return size
            if c < 48 or c > 57 or pos - first > 10:
                raise FrameError("a bulk's length is no number")
            size = size * 10 + (c - 48)
            pos += 1
        return -1

    def _bytes(self) -> bytes | None:
        size = self._size()
        if size < 0:
            return None
        start = self.pos
        self.pos = start + size + 2
        return self.data[start : start + size]

    def _number(self) -> i64:
        """A bulk that is a plain decimal; -1: not all there."""
        size = self._size()
        if size < 0:
            return -1
        data = self.data
        pos = self.pos
        end = pos + size
        self.pos = end + 2
        value: i64 = 0
        if size == 0 or size > 19:
            raise FrameError("a number of a frame is empty or too long")
        while pos < end:
            c: i64 = i64(data[pos])
            if c < 48 or c > 57:
                raise FrameError("a number of a frame has other characters")
            if value > TENTH_MAX:
                raise FrameError("a number of a frame is too large")
            value = value * 10 + (c - 48)
            pos += 1
        return value


class Inner:
    """Reads a frame's inner commands into effects, or a control command (`MESH.*`, PING)."""

    def __init__(self) -> None:
        self._parser = Parser()
        self.control: list[bytes] | None = None
        self._letters: list[bytes] = []

    def read(self, data: bytes, frame: Frame, origin: i64, databases: i64) -> list[Effect]:
        """The effects of the frame, in index order. FrameError where it says something else."""
        self.control = None
        effects: list[Effect] = []
        self._letters = frame.flags.split(b",") if frame.flags else []
        parser = self._parser
        if frame.inner_end - frame.inner_start > 1048576:
            parser = Parser()
        try:
            parser.feed(data[frame.inner_start : frame.inner_end])
            db = frame.db
            while True:
                words = parser.next()
                if words is None:
                    break
                if not words[0]:
                    words[0] = parser.name()
                name = words[0].upper()
                if name == b"MULTI" or name == b"EXEC":
                    continue
                if name == b"SELECT" and len(words) == 2:
                    db = i64(int(words[1]))
                    continue
                if name.startswith(b"MESH."):
                    self.control = words
                    continue
                if db < 0 or db >= databases:
                    raise FrameError(
                        f"database {db} is out of range: this node has {databases} databases"
                    )
                effect = effect_of(words, db, frame.stamp, origin, len(effects))
                if effect is not None:
                    self._flag(effect, len(effects))
                    effects.append(effect)
            if parser.pending() != 0:
                raise FrameError("a frame's inner command is cut short")
        except (ProtocolError, CanonError, RdbError, ValueError) as error:
            raise FrameError(f"a frame's inner command cannot be read: {error}") from error
        return effects

    def _flag(self, effect: Effect, index: int) -> None:
        if index >= len(self._letters):
            return
        for letter in self._letters[index]:
            if letter == 99:
                effect.flags |= CREATION
            elif letter == 97:
                effect.flags |= WAS_STRING
            elif letter == 110:
                effect.flags |= NEWEST_WINS
            else:
                raise FrameError(f"unknown flag letter {chr(letter)!r}")


def flags_of(commit: Commit) -> bytes:
    """The flags argument of a unit: letters per effect, empty where none has any."""
    first = commit.first
    if commit.count == 1 and first is not None:
        return letters(first)
    parts = [letters(effect) for effect in commit.effects() if travels(effect)]
    return b",".join(parts) if any(parts) else b""


def letters(effect: Effect) -> bytes:
    """`c` creation, `a` DEL of a string, `n` newest-wins."""
    flags = effect.flags & (CREATION | WAS_STRING | NEWEST_WINS)
    if flags == 0:
        return b""
    if flags == CREATION:
        return b"c"
    text = b"c" if flags & CREATION else b""
    if flags & WAS_STRING:
        text += b"a"
    if flags & NEWEST_WINS:
        text += b"n"
    return text


def travels(effect: Effect) -> bool:
    """Is the effect sent to peers? LAPSE and MERGE happen on each node by itself."""
    return effect.op != LAPSE and effect.op != MERGE


def inner_of(commit: Commit) -> bytes:
    """A unit's inner commands: MULTI and EXEC around more than one; b"" where nothing travels."""
    effects = [effect for effect in commit.effects() if travels(effect)]
    if not effects:
        return b""
    out = BytesWriter()
    if len(effects) > 1:
        put_command(out, [b"MULTI"])
    db = effects[0].db
    for effect in effects:
        if effect.db != db:
            db = effect.db
            put_command(out, [b"SELECT", b"%d" % db])
        words = command_of(effect)
        if words is not None:
            put_command(out, words)
    if len(effects) > 1:
        put_command(out, [b"EXEC"])
    return out.getvalue()


def frame_bytes(
    uuid_text: bytes, inner: bytes, db: i64, stamp: i64, previous: i64, marks: bytes, flags: bytes
) -> bytes:
    """One frame, spelled out: for control frames and tests; the backlog has its own quick way."""
    out = BytesWriter()
    out.write(FRAME_HEAD)
    out.write(uuid_text)
    out.write(b"\r\n")
    for part in (inner, b"%d" % db, b"%d" % stamp, b"v1", b"%d" % previous, marks, flags):
        put_bulk(out, part)
    return out.getvalue()


def control(words: list[bytes]) -> bytes:
    """A control command as a frame's inner."""
    out = BytesWriter()
    put_command(out, words)
    return out.getvalue()


def stamps_of(data: bytes) -> list[tuple[int, int, int]]:
    """(stamp, start, end) of each frame in a buffer of whole frames."""
    reader = FrameReader()
    reader.open(data, 0)
    found: list[tuple[int, int, int]] = []
    while reader.pos < len(data):
        if not reader.next():
            raise FrameError("a chunk of frames is cut short")
        frame = reader.frame
        found.append((int(frame.stamp), int(frame.start), int(frame.end)))
    return found


def same_uuid(a: bytes, b: bytes) -> bool:
    """Two uuid texts compared by words: what nearly every frame asks."""
    return (
        read_i64_le(a, 0) == read_i64_le(b, 0)
        and read_i64_le(a, 8) == read_i64_le(b, 8)
        and read_i64_le(a, 16) == read_i64_le(b, 16)
        and read_i64_le(a, 20) == read_i64_le(b, 20)
        and read_i64_le(a, 28) == read_i64_le(b, 28)
    )
