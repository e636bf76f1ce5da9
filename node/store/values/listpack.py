"""Elements of Redis's listpack, the form in which a stream keeps its entries.  [compiled]

Promises the encodings that Redis gives for the same text: numbers as numbers, the narrowest form,
each element with its length behind it. The readers trust the bytes: who takes them from outside
checks them first (node/persist/rdb_streams.py).
"""

from __future__ import annotations

from typing import Final

from librt.strings import (
    BytesWriter,
    read_i16_le,
    read_i32_le,
    read_i64_le,
    write_i16_le,
    write_i32_le,
    write_i64_le,
)
from mypy_extensions import i16, i32, i64, u8

from node.store.values.strings import integer_of

HEADER_BYTES: Final = 6
END: Final = 255
COUNT_UNKNOWN: Final = 65535  # the header's count of elements from here on
NUMBER_DIGITS_MAX: Final = 20


def put_backlen(out: BytesWriter, size: i64) -> None:
    """The length of the element before, to be read from the right; the odd limits are Redis's."""
    if size <= 127:
        out.append(u8(size))
        return
    left: i64 = 2
    if size >= 268435455:
        left = 5
    elif size >= 2097151:
        left = 4
    elif size >= 16383:
        left = 3
    shift = (left - 1) * 7
    mark: i64 = 0
    while left > 0:
        out.append(u8(((size >> shift) & 127) | mark))
        mark = 128
        shift -= 7
        left -= 1


def backlen_bytes(size: i64) -> i64:
    """Bytes that `put_backlen` takes."""
    if size <= 127:
        return 1
    if size < 16383:
        return 2
    if size < 2097151:
        return 3
    return 4 if size < 268435455 else 5


def put_number(out: BytesWriter, number: i64) -> None:
    """An element that is a number."""
    if 0 <= number < 128:
        out.append(u8(number))
        out.append(1)
    elif -4096 <= number < 4096:
        out.append(u8(0xC0 | ((number >> 8) & 31)))
        out.append(u8(number & 255))
        out.append(2)
    elif -0x8000 <= number < 0x8000:
        out.append(0xF1)
        write_i16_le(out, i16(number))
        out.append(3)
    elif -0x80_0000 <= number < 0x80_0000:
        out.append(0xF2)
        out.append(u8(number & 255))
        out.append(u8((number >> 8) & 255))
        out.append(u8((number >> 16) & 255))
        out.append(4)
    elif -0x8000_0000 <= number < 0x8000_0000:
        out.append(0xF3)
        write_i32_le(out, i32(number))
        out.append(5)
    else:
        out.append(0xF4)
        write_i64_le(out, number)
        out.append(9)


def number_bytes(number: i64) -> i64:
    """Bytes that `put_number` takes."""
    if 0 <= number < 128:
        return 2
    if -4096 <= number < 4096:
        return 3
    if -0x8000 <= number < 0x8000:
        return 4
    if -0x80_0000 <= number < 0x80_0000:
        return 5
    if -0x8000_0000 <= number < 0x8000_0000:
        return 6
    return 10


def put_text(out: BytesWriter, text: bytes) -> None:
    """An element that is a text; one that says a 64-bit number is kept as such."""
    length: i64 = len(text)
    if 0 < length <= NUMBER_DIGITS_MAX:
        first: i64 = text[0]
        if first == 45 or 48 <= first <= 57:
            number = integer_of(text)
            if number is not None:
                put_number(out, i64(number))
                return
    size = length + 1
    if length < 64:
        out.append(u8(0x80 | length))
    elif length < 4096:
        out.append(u8(0xE0 | (length >> 8)))
        out.append(u8(length & 255))
        size += 1
    else:
        out.append(0xF0)
        out.append(u8(length & 255))
        out.append(u8((length >> 8) & 255))
        out.append(u8((length >> 16) & 255))
        out.append(u8((length >> 24) & 255))
        size += 4
    out.write(text)
    put_backlen(out, size)


def behind(blob: bytes, at: i64) -> i64:
    """Where the element after the one at `at` begins."""
    first: i64 = blob[at]
    if first < 0x80:
        return at + 2
    if first < 0xC0:
        size = (first & 63) + 1
    elif first < 0xE0:
        return at + 3
    elif first < 0xF0:
        size = (((first & 15) << 8) | i64(blob[at + 1])) + 2
    elif first == 0xF0:
        size = (i64(read_i32_le(blob, at + 1)) & 0xFFFF_FFFF) + 5
    elif first == 0xF4:
        return at + 10
    else:
        return at + first - 0xF0 + 3
    return at + size + backlen_bytes(size)


def number_at(blob: bytes, at: i64) -> i64:
    """The number at `at`; 0 for a text, which does not stand where numbers are read."""
    first: i64 = blob[at]
    if first < 0x80:
        return first
    if first < 0xC0:
        return 0
    if first < 0xE0:
        number = ((first & 31) << 8) | i64(blob[at + 1])
        return number - 8192 if number >= 4096 else number
    if first == 0xF1:
        return i64(read_i16_le(blob, at + 1))
    if first == 0xF2:
        number = i64(blob[at + 1]) | (i64(blob[at + 2]) << 8) | (i64(blob[at + 3]) << 16)
        return number - 0x100_0000 if number >= 0x80_0000 else number
    if first == 0xF3:
        return i64(read_i32_le(blob, at + 1))
    return read_i64_le(blob, at + 1) if first == 0xF4 else 0


def text_at(blob: bytes, at: i64) -> bytes:
    """The element at `at` as text, numbers in decimal."""
    first: i64 = blob[at]
    if 0x80 <= first < 0xC0:
        return blob[at + 1 : at + 1 + (first & 63)]
    if 0xE0 <= first < 0xF0:
        return blob[at + 2 : at + 2 + (((first & 15) << 8) | i64(blob[at + 1]))]
    if first == 0xF0:
        length: i64 = i64(read_i32_le(blob, at + 1)) & 0xFFFF_FFFF
        return blob[at + 5 : at + 5 + length]
    return b"%d" % number_at(blob, at)
