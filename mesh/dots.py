"""Streams and dots: who wrote what when, and what has been applied of each writer.  [compiled]

A stream is what one process start of one member wrote (semantics.md W4). Inside a process it has a
small number, 0 for the own one; on the wire and on disk its uuid. Stream.seen is this node's
version vector entry; Stream.row is the sum of the stream's marks, the context of its next frame.
"""

from __future__ import annotations

from typing import Final

from librt.strings import read_i64_le
from mypy_extensions import i64

from node.ports import Seen
from node.store.values.order import Ranks

MARK_BYTES: Final = 24
# Frames that write nothing, beside PING: what a member holds, and whose turn it is to own what.
SAYINGS: Final = (b"MESH.REPORT", b"MESH.LEASE")
# Rows grow by this many places at a time.
ROW_STEP: Final = 16


class Stream(Seen):
    """One stream: its names, how far it was applied here (`seen`), and its row of marks."""

    def __init__(self, uuid: bytes, number: i64, width: int) -> None:
        self.row = bytes(8 * width)
        self.uuid = uuid
        self.text = uuid_text(uuid)
        self.number: i64 = number
        self.seen: i64 = 0
        self.wrote: i64 = 0  # the newest of its frames here that is more than a sign of life
        self.member = b""
        self.uncovered = False  # its context names writes that are not here yet
        self.checked: i64 = 0  # for which move of the stable cut its context was looked at
        self.closing = False  # its process has ended: not every peer may hand its frames on
        self.ended = False  # all that will ever come of it ends at `end`
        self.end: i64 = 0
        self.enders: list[tuple[bytes, int]] = []  # the frames that said so: stream and stamp
        self.retired = False  # ended, and stable: no vector that is sent names it any more

    def lacks(self, stamp: i64) -> bool:
        """Has a write of this stream not arrived that may still come?"""
        return stamp > self.seen and not self.is_over()

    def is_over(self) -> bool:
        """Has it ended, and is all of it here?"""
        return self.ended and self.seen >= self.end


class Streams(Ranks):
    """Every stream known here. Number 0 is this process's own."""

    def __init__(self, own_uuid: bytes) -> None:
        super().__init__()
        self.width = ROW_STEP
        self.all: list[Stream] = []
        self._numbers: dict[bytes, Stream] = {}
        self.own = self.of(own_uuid)

    def of(self, uuid: bytes) -> Stream:
        """The stream of this uuid (16 bytes), made known if it was not."""
        stream = self._numbers.get(uuid)
        if stream is None:
            number = len(self.all)
            if number >= self.width:
                self._widen()
            stream = Stream(uuid, number, self.width)
            self.all.append(stream)
            self._numbers[uuid] = stream
        return stream

    def renew(self, uuid: bytes) -> Stream:
        """The own stream is this one from now on. The one before it gets a number like that of any
        ended process and is returned; nothing of what is here may refer to it by its number, 0."""
        own = self.own
        del self._numbers[own.uuid]
        former = self.of(own.uuid)
        former.member = own.member
        own.uuid = uuid
        own.text = uuid_text(uuid)
        own.seen = 0
        own.wrote = 0
        own.row = bytes(8 * self.width)
        self._numbers[uuid] = own
        return former

    def known(self, uuid: bytes) -> Stream | None:
        """The stream of this uuid, None where it is unknown."""
        return self._numbers.get(uuid)

    def _widen(self) -> None:
        self.width += ROW_STEP
        nothing = bytes(8 * self.width)
        for stream in self.all:
            # No write of a retired stream comes any more: they share a row.
            stream.row = nothing if stream.retired else stream.row + bytes(8 * ROW_STEP)

    def newer(self, stamp: i64, origin: i64, than_stamp: i64, than_origin: i64) -> bool:
        """Is the first dot above the second? By stamp, then by the stream's uuid (never its
        number)."""
        if stamp != than_stamp:
            return stamp > than_stamp
        if origin == than_origin:
            return False
        return self.all[origin].uuid > self.all[than_origin].uuid

    def precedes(self, one: i64, other: i64) -> bool:
        """Is the first stream's uuid below the second's? The order of siblings in a list."""
        return self.all[one].uuid < self.all[other].uuid

    def is_lost(self, origin: i64) -> bool:
        return self.all[origin].is_over()

    def vector_row(self) -> bytes:
        """This node's version vector as a row."""
        numbers = [int(stream.seen) for stream in self.all]
        numbers += [0] * (self.width - len(numbers))
        return row_of(numbers)

    def write_row(self) -> bytes:
        """The same without what was only said since the last write of each stream: heartbeats and
        reports are on no disk that is saved now and then, and nothing here came of them."""
        numbers = [int(stream.wrote) for stream in self.all]
        numbers += [0] * (self.width - len(numbers))
        return row_of(numbers)

    def marks(self) -> bytes:
        """The whole version vector as marks: 24 bytes per stream, ascending by uuid."""
        return pack_marks({each.uuid: int(each.seen) for each in self.all if each.seen != 0})

    def covers(self, stream: Stream) -> bool:
        """Is everything that `stream`'s context names (but its own writes) applied here?"""
        row = stream.row
        for other in self.all:
            if other is not stream and other.lacks(read_i64_le(row, other.number << 3)):
                return False
        return True

    def covers_cut(self, stream: Stream, cut: bytes) -> bool:
        """Does `stream`'s context cover what is stable here? An ended stream counts as covered."""
        row = stream.row
        for other in self.all:
            place = other.number << 3
            if (
                other is not stream and not other.ended and place + 8 <= len(cut)
                and read_i64_le(cut, place) > read_i64_le(row, place)
            ):  # fmt: skip
                return False
        return True

    def told(self) -> dict[bytes, int]:
        """The version vector as peers are told it: without what every member has of streams that
        have ended. Of those that are named none is left out, though nothing of it is here."""
        return {
            each.uuid: int(each.seen) for each in self.all
            if not each.retired and (each.seen != 0 or each.ended)
        }  # fmt: skip

    def completed(self, vector: dict[bytes, int]) -> dict[bytes, int]:
        """A vector that a peer has told, with the streams that it has left out: ended ones that
        are not named though the frame which said so is covered. Who lacks some of them names
        them."""
        missing = [
            (max(stamp for _, stamp in each.enders), each) for each in self.all
            if each.enders and each.uuid not in vector
        ]  # fmt: skip
        if not missing:
            return vector
        found = dict(vector)
        # The later ones first: what was left out was ended by one that may be left out as well.
        missing.sort(key=when_ended, reverse=True)
        for _, each in missing:
            for ender, stamp in each.enders:
                if found.get(ender, 0) >= stamp:
                    found[each.uuid] = int(each.end)
        return found

    def complete_row(self, stream: Stream, stamp: i64, lacked: list[bytes]) -> None:
        """A stream has begun: its marks have left out what a vector leaves out; what is `lacked`
        they only do not name."""
        told = self.row_marks(stream)
        told[stream.uuid] = int(stamp)
        for uuid in lacked:
            told.setdefault(uuid, 0)
        row = self.completed(told)
        if row is not told:
            del row[stream.uuid]
            self.join_row(stream, row)
            stream.uncovered = not self.covers(stream)

    def add_marks(self, stream: Stream, marks: bytes) -> None:
        """Takes in the marks of one of the stream's frames. ValueError on a malformed field."""
        numbers = unpack_row(stream.row)
        for uuid, stamp in unpack_marks(marks).items():
            other = self.of(uuid)
            if other.number >= len(numbers):
                numbers += [0] * (self.width - len(numbers))
            if stamp > numbers[other.number]:
                numbers[other.number] = stamp
        stream.row = row_of(numbers)

    def join_row(self, stream: Stream, row: dict[bytes, int]) -> None:
        """Adds another node's sum of marks of the same stream."""
        self.add_marks(stream, pack_marks(row))

    def row_marks(self, stream: Stream) -> dict[bytes, int]:
        """The stream's sum of marks by uuid."""
        numbers = unpack_row(stream.row)
        return {each.uuid: numbers[each.number] for each in self.all if numbers[each.number] != 0}


def when_ended(missing: tuple[int, Stream]) -> int:
    """The stamp of the frame that said so."""
    return missing[0]


def row_of(numbers: list[int]) -> bytes:
    """Stamps by origin number as one row."""
    return b"".join([number.to_bytes(8, "little") for number in numbers])


def unpack_row(row: bytes) -> list[int]:
    """The stamps of a row by origin number."""
    return [int(read_i64_le(row, place)) for place in range(0, len(row), 8)]


def pack_marks(stamps: dict[bytes, int]) -> bytes:
    """Stamps by uuid as the wire has them: 16 bytes of uuid, 8 of stamp big-endian, ascending."""
    return b"".join([uuid + stamps[uuid].to_bytes(8, "big") for uuid in sorted(stamps)])


def unpack_marks(marks: bytes) -> dict[bytes, int]:
    """The reverse of pack_marks. ValueError where the length is no multiple of 24."""
    if len(marks) % MARK_BYTES != 0:
        raise ValueError(f"marks of {len(marks)} bytes: not a multiple of {MARK_BYTES}")
    return {
        marks[at : at + 16]: int.from_bytes(marks[at + 16 : at + 24], "big")
        for at in range(0, len(marks), MARK_BYTES)
    }


def uuid_text(uuid: bytes) -> bytes:
    """16 bytes as the 36 characters of the wire, lower case."""
    digits = uuid.hex()
    return "-".join(
        (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    ).encode()


def uuid_bytes(text: bytes) -> bytes:
    """The reverse of uuid_text, and of nothing else. ValueError where it is no such text."""
    if len(text) != 36:
        raise ValueError("a uuid has 36 characters")
    uuid = bytes.fromhex(text.replace(b"-", b"").decode("ascii"))
    if len(uuid) != 16 or uuid_text(uuid) != text:
        raise ValueError("not a uuid in lower case")
    return uuid
