"""RREPLAY between our nodes: `*9 RREPLAY uuid inner db stamp v1 previous marks flags`, read and
made.  [compiled]

The form is semantics.md W2; docs/wire.md has test vectors. KeyDB reads the first five arguments and
passes on what it does not know. Third parties serve a frame byte for byte, so a Frame keeps where
it lies. What is malformed closes the link: FrameError says where.
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter, read_i16_le
from mypy_extensions import i64, mypyc_attr

from mesh.dots import Streams
from mesh.frames import CRLF, HEAD_BYTES, TENTH_MAX, Frame, UsualFrames
from mesh.frames import FRAME_HEAD as FRAME_HEAD
from mesh.tags import TagError, has_tag, tag_of, take_tag
from node.journal import Commit
from node.persist import canon_hashes, canon_lists, canon_streams, canon_strings, canon_zsets
from node.persist.canon import command_of, effect_of, put_command
from node.persist.canon_words import CanonError
from node.persist.rdb_codes import RdbError
from node.resp.encoder import put_bulk
from node.resp.numbers import BAD, parse_int
from node.resp.parser import Parser, ProtocolError, name_code
from node.store.effect import (
    CREATION,
    HSET,
    INCR,
    LAPSE,
    MERGE,
    NEWEST_WINS,
    PUT,
    SADD,
    SWAP,
    WAS_STRING,
    Effect,
)  # fmt: skip

# Longest frame that is read, from a peer or from the own log: 8 GB, sixteen times the longest
# argument that clients may send by default. What a node has done it must be able to say: a unit
# that nobody takes would part the mesh for ever. Nothing is allocated before its bytes have come.
FRAME_BYTES_MAX: Final[i64] = 8589934592
# The `MESH.*` commands that say an effect; the others are control commands.
EFFECT_NAMES: Final = frozenset(
    name
    for names in (
        canon_hashes.NAMES, canon_lists.NAMES, canon_streams.NAMES, canon_strings.NAMES,
        canon_zsets.NAMES,
    )
    for name in names
    if name.startswith(b"MESH.")
)  # fmt: skip
# Commands whose effect is made without a look at their name (`Inner.one`).
SET_CODE: Final[i64] = name_code(b"set")
INCR_CODE: Final[i64] = name_code(b"incr")
INCRBY_CODE: Final[i64] = name_code(b"incrby")
SADD_CODE: Final[i64] = name_code(b"sadd")
HSET_CODE: Final[i64] = name_code(b"hset")


@mypyc_attr(native_class=False)
class FrameError(Exception):
    """A peer sent what no frame is; the link is closed with this text."""


@mypyc_attr(native_class=False)
class StampError(FrameError):
    """A peer's stamp lies too far ahead: it is not followed until its clock is right."""


class FrameReader:
    """Reads frames out of a buffer: `next` fills `frame`, or says that more bytes are needed."""

    def __init__(self) -> None:
        self.data = b""
        self.pos: i64 = 0
        self.wants: i64 = 0  # bytes of the frame that is not whole, at least; 0: not known
        self._start: i64 = 0
        self.frame = Frame()
        self.usual = UsualFrames()

    def open(self, data: bytes, start: i64) -> None:
        """Reads on in this buffer from `start`."""
        self.data = data
        self.pos = start
        self.wants = 0

    def at_frame(self) -> bool:
        """Does a frame begin here (as far as its bytes are there)?"""
        data = self.data
        pos = self.pos
        n: i64 = len(data) - pos
        if n >= HEAD_BYTES:
            return data.startswith(FRAME_HEAD, pos)
        return FRAME_HEAD.startswith(data[pos:])

    def next(self) -> bool:
        """The next frame, whole; False where its end is not there yet. Stands behind it then."""
        return self.quick(self.data, self.pos) or self.careful()

    def careful(self) -> bool:
        """As `next`, for frames of every form."""
        data = self.data
        start = self.pos
        self._start = start
        n: i64 = len(data)
        if n - start < HEAD_BYTES + 40:
            return False
        frame = self.frame
        self.pos = start + HEAD_BYTES
        frame.uuid_text = self.usual.uuid(data, self.pos)
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

    def quick(self, data: bytes, start: i64) -> bool:
        """As `next`, for a frame of the usual form; False, and nothing is changed, for another."""
        end = self.usual.read(data, start, self.frame)
        if end < 0:
            return False
        self.pos = end
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

    def __init__(self, streams: Streams) -> None:
        self._parser = Parser()
        self._streams = streams
        self.control: list[bytes] | None = None
        self.may_swap = False  # a node's own log, without a mesh, may say SWAPDB
        self._letters: list[bytes] = []

    def one(self, data: bytes, frame: Frame, origin: i64, databases: i64) -> Effect | None:
        """The effect of a frame of one common write; None leaves the frame to `read`."""
        db = frame.db
        if db >= databases:
            return None
        parser = self._parser
        words = parser.within(data, frame.inner_start, frame.inner_end)
        if words is None or parser.pos != frame.inner_end:
            return None
        code = parser.code
        n: i64 = len(words)
        op = PUT
        value: object = None
        number: i64 = 0
        if code == SET_CODE and n == 3:
            value = words[2]
        elif code == SADD_CODE and n >= 3:
            op = SADD
            value = words
            number = 2
        elif code == HSET_CODE and n >= 4 and n & 1 == 0:
            op = HSET
            value = words
            number = 2
        elif code == INCR_CODE and n == 2:
            op = INCR
            number = 1
        elif code == INCRBY_CODE and n == 3:
            op = INCR
            number = parse_int(words[2])
            if number == BAD:
                return None
        else:
            return None
        flags: i64 = 0
        if frame.flags:
            if len(frame.flags) != 1 or frame.flags[0] != 99:
                return None
            flags = CREATION
        effect = Effect(op, db, words[1], value, number, frame.stamp, origin, 0)
        effect.flags = flags
        self.control = None
        return effect

    def read(self, data: bytes, frame: Frame, origin: i64, databases: i64) -> list[Effect]:
        """The effects of the frame, in index order. FrameError where it says something else."""
        self.control = None
        effects: list[Effect] = []
        self._letters = frame.flags.split(b",") if frame.flags else []
        parser = self._parser
        if frame.inner_end - frame.inner_start > 1048576:
            parser = Parser()
            parser.max_bulk = FRAME_BYTES_MAX
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
                if name.startswith(b"MESH.") and name not in EFFECT_NAMES:
                    self.control = words
                    continue
                if db < 0 or db >= databases:
                    raise FrameError(
                        f"database {db} is out of range: this node has {databases} databases"
                    )
                effect = effect_of(words, db, frame.stamp, origin, len(effects))
                if effect is not None and effect.op == SWAP and not self.may_swap:
                    raise FrameError("a peer swapped databases, which a mesh cannot follow")
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
        letters = self._letters[index]
        colon = letters.find(b":")
        if colon >= 0:
            try:
                take_tag(effect, letters[colon + 1 :], self._streams)
            except TagError as error:
                raise FrameError(f"a frame's flags: {error}") from error
            letters = letters[:colon]
        for letter in letters:
            if letter == 99:
                effect.flags |= CREATION
            elif letter == 97:
                effect.flags |= WAS_STRING
            elif letter == 110:
                effect.flags |= NEWEST_WINS
            else:
                raise FrameError(f"unknown flag letter {chr(letter)!r}")


def flags_of(commit: Commit, streams: Streams) -> bytes:
    """The flags argument of a unit: letters per effect, empty where none has any."""
    first = commit.first
    if commit.count == 1 and first is not None:
        return letters(first, streams)
    parts = [letters(effect, streams) for effect in commit.effects() if travels(effect)]
    return b",".join(parts) if any(parts) else b""


def letters(effect: Effect, streams: Streams) -> bytes:
    """`c` creation, `a` DEL of a string, `n` newest-wins; behind `:` the tag of a list's effect."""
    if has_tag(effect):
        tag = tag_of(effect, streams)
        if tag:
            return plain_letters(effect) + b":" + tag
    return plain_letters(effect)


def plain_letters(effect: Effect) -> bytes:
    """The letters alone."""
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
