"""The bytes of an RDB file that came in pieces, and the primitives that are read from them.
[compiled]

Between two marks lies one unit: what is read whole or, when the bytes end inside it, again from
its beginning once they can suffice. Nothing before the mark is kept, so work and memory stay
linear however the file is cut. Every length is checked against the bytes and against a limit.
"""

from __future__ import annotations

from typing import Final

from librt.strings import read_i16_le, read_i32_be, read_i32_le, read_i64_be, read_i64_le
from mypy_extensions import i64, mypyc_attr

from node.persist import rdb_codes as codes
from node.persist.rdb_codes import RdbError

# A unit of more bytes that is still to come is counted into the checksum piece by piece.
LARGE_UNIT: Final[i64] = 262_144
DAMAGED: Final = "the data is damaged: take another copy, or sync again from a peer"


@mypyc_attr(native_class=False)
class NeedMore(Exception):
    """The bytes end inside a unit; the input knows how many it takes at least."""


class RdbInput:
    """A window on the file: `buf[pos:end]` is what is here and not yet read.

    The readers raise NeedMore when the window ends, and RdbError, with the byte's offset in the
    file, when what is there cannot be.
    """

    def __init__(self) -> None:
        self.buf = b""
        self.pos: i64 = 0
        self.end: i64 = 0
        self.mark: i64 = 0
        self.base: i64 = 0  # the place of the window in the file
        self.crc: i64 = 0  # of all that the window has left behind
        self._waiting: list[bytes] = []
        self._waiting_bytes: i64 = 0
        self._need: i64 = 1
        self.counted: i64 = 0  # bytes behind the mark that `crc` has counted already
        self._raw: list[bytes] = []
        self._raw_from: i64 = -1

    def give(self, piece: bytes) -> bool:
        """Takes a piece; True when the unit at the mark may be whole now: then read on."""
        self._waiting.append(piece)
        self._waiting_bytes += len(piece)
        if self._waiting_bytes < self._need:
            if self._need > LARGE_UNIT:
                self._count(piece)
            return False
        self.open(self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting))
        return True

    def _count(self, piece: bytes) -> None:
        """All that waits, the piece that came last included, is of one unit, whatever follows: its
        checksum is taken now and not in one go when the unit is whole."""
        at: i64 = self._waiting_bytes - len(piece)
        if self.counted == at:
            self.crc = codes.crc64_update(piece, 0, len(piece), self.crc)
        else:
            at = 0
            for each in self._waiting:
                start = max(self.counted - at, 0)
                if start < len(each):
                    self.crc = codes.crc64_update(each, start, len(each), self.crc)
                at += len(each)
        self.counted = self._waiting_bytes

    def open(self, buf: bytes) -> None:
        """Puts the window on buf."""
        self.buf = buf
        self.end = len(buf)
        self.pos = 0
        self.mark = 0

    def release(self) -> None:
        """Lets go of what is before the mark and keeps the rest for the next piece."""
        buf = self.buf
        mark = self.mark
        if self._raw_from >= 0:
            self._raw.append(buf[self._raw_from : mark])
            self._raw_from = 0
        if mark > self.counted:
            self.crc = codes.crc64_update(buf, self.counted, mark, self.crc)
            self.counted = mark
        self.counted -= mark
        left = buf[mark:]
        self.base += mark
        self.open(b"")
        self._waiting = [left]
        self._waiting_bytes = len(left)

    def received(self) -> i64:
        """Bytes of the file that were given, read or not."""
        return self.base + (self.end if self.end > 0 else self._waiting_bytes)

    def begin_raw(self, start: i64) -> None:
        """From buf[start] on, the bytes are kept as they are, over as many pieces as it takes."""
        self._raw_from = start

    def end_raw(self) -> bytes:
        """The bytes kept since `begin_raw`, up to pos."""
        self._raw.append(self.buf[self._raw_from : self.pos])
        data = b"".join(self._raw)
        self._raw = []
        self._raw_from = -1
        return data

    def error(self, text: str, advice: str = DAMAGED) -> RdbError:
        """The error to raise for what was read last."""
        return RdbError(f"RDB byte {self.base + self.pos}: {text}; {advice}")

    def _short(self, stop: i64) -> NeedMore:
        self._need = stop - self.mark
        return NeedMore()

    def byte(self) -> i64:
        """The next byte."""
        pos = self.pos
        if pos >= self.end:
            raise self._short(pos + 1)
        self.pos = pos + 1
        return self.buf[pos]

    def skip(self, size: i64) -> i64:
        """Moves over size bytes and gives the place in buf where they begin."""
        pos = self.pos
        if size > codes.STRING_BYTES_MAX:
            raise self.error(f"a string of {size} bytes, above the limit of 1 GB")
        if pos + size > self.end:
            raise self._short(pos + size)
        self.pos = pos + size
        return pos

    def ms(self) -> i64:
        """Eight bytes: a time in ms, or any signed 64-bit number."""
        return read_i64_le(self.buf, self.skip(8))

    def number(self) -> i64:
        """A number in the variable form of lengths, unsigned, modulo 2**64."""
        first = self.byte()
        if first < 64:
            return first
        if first < 128:
            return ((first & 63) << 8) | self.byte()
        if first == 0x80:
            return i64(read_i32_be(self.buf, self.skip(4))) & 0xFFFF_FFFF
        if first == 0x81:
            return read_i64_be(self.buf, self.skip(8))
        raise self.error(f"a length cannot begin with {first}")

    def length(self) -> i64:
        """A number that counts something."""
        number = self.number()
        if number < 0:
            raise self.error("a length above 2**63")
        return number

    def string(self) -> bytes:
        """A string in any of its encodings, unpacked; numbers in decimal."""
        pos = self.pos
        buf = self.buf
        if pos >= self.end:
            raise self._short(pos + 1)
        size: i64 = buf[pos]
        if size < 64:
            pos += 1
        elif size < 192:
            size = self.length()
            pos = self.skip(size)
        else:
            self.pos = pos + 1
            return self._encoded_string(size & 63)
        stop = pos + size
        if stop > self.end:
            raise self._short(stop)
        self.pos = stop
        return buf[pos:stop]

    def _encoded_string(self, encoding: i64) -> bytes:
        if encoding == codes.ENCODING_INT8:
            number = self.byte()
            return b"%d" % (number - 256 if number > 127 else number)
        if encoding == codes.ENCODING_INT16:
            return b"%d" % i64(read_i16_le(self.buf, self.skip(2)))
        if encoding == codes.ENCODING_INT32:
            return b"%d" % i64(read_i32_le(self.buf, self.skip(4)))
        if encoding != codes.ENCODING_LZF:
            raise self.error(f"a string has the unknown encoding {encoding}")
        size = self.length()
        whole = self.length()
        if (
            size > codes.STRING_BYTES_MAX
            or whole > codes.STRING_BYTES_MAX
            or whole > size * codes.LZF_RATIO_MAX
        ):
            raise self.error(f"a compressed string of {size} bytes announces {whole}")
        start = self.skip(size)
        try:
            return codes.lzf_decompress(self.buf, start, start + size, whole)
        except RdbError as error:
            raise self.error(str(error)) from None

    def skip_string(self) -> None:
        """Moves over a string in any of its encodings."""
        pos = self.pos
        encoding = self.byte() - 192
        if encoding < 0:
            self.pos = pos
            self.skip(self.length())
        elif encoding < codes.ENCODING_INT32:
            self.skip(encoding + 1)
        elif encoding == codes.ENCODING_INT32:
            self.skip(4)
        elif encoding == codes.ENCODING_LZF:
            size = self.length()
            self.length()
            self.skip(size)
        else:
            raise self.error(f"a string has the unknown encoding {encoding}")
