"""How dots, texts and numbers stand in a plexis-dots field: what codec.py and key_reader.py share
with the kinds of values.  [compiled]"""

from __future__ import annotations

from librt.strings import (
    BytesWriter,
    read_i16_le,
    read_i32_le,
    read_i64_le,
    write_i16_le,
    write_i32_le,
    write_i64_le,
)  # fmt: skip
from mypy_extensions import i16, i32, i64


def put_dot(out: BytesWriter, stamp: i64, origin: i64) -> None:
    """Eight bytes of stamp, two of stream number."""
    write_i64_le(out, stamp)
    write_i16_le(out, i16(origin))


def put_text(out: BytesWriter, text: bytes) -> None:
    """Four bytes of length, then the text."""
    write_i32_le(out, i32(len(text)))
    out.write(text)


class Source:
    """Reads what was written, with the writing process's stream numbers turned into ours.

    ValueError where the bytes are cut short or of another format.
    """

    def __init__(self, data: bytes, origins: list[int]) -> None:
        self.data = data
        self.pos: i64 = 0
        self.origins = origins
        self.stamp: i64 = 0
        self.origin: i64 = 0

    def need(self, size: i64) -> i64:
        """The position of the next `size` bytes; stands behind them then."""
        pos = self.pos
        if size < 0 or pos + size > len(self.data):
            raise ValueError("a plexis-dots field is cut short")
        self.pos = pos + size
        return pos

    def byte(self) -> i64:
        """One byte."""
        pos = self.need(1)
        return i64(self.data[pos])

    def count(self) -> i64:
        """Four bytes."""
        return i64(read_i32_le(self.data, self.need(4)))

    def number(self) -> i64:
        """Eight bytes."""
        return read_i64_le(self.data, self.need(8))

    def dot(self) -> None:
        """A stamp and a stream, into `stamp` and `origin`."""
        pos = self.need(10)
        self.stamp = read_i64_le(self.data, pos)
        number = i64(read_i16_le(self.data, pos + 8))
        if number < 0 or number >= len(self.origins):
            raise ValueError(f"a plexis-dots field names stream {number}, which the file lacks")
        self.origin = self.origins[number] if self.stamp != 0 else 0  # no dot is nobody's

    def text(self) -> bytes:
        """Length and text."""
        size = self.count()
        pos = self.need(size)
        return self.data[pos : pos + size]
