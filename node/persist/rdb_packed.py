"""The packed blobs that stand for small collections inside an RDB value.

Readers take a whole blob and give its elements as bytes, numbers in decimal; they check every
length against the blob, so that damage is an RdbError and never another exception. Writers give
the encodings Redis gives for the same elements: numbers as numbers, the narrowest form.
"""

from typing import Final

from librt.strings import (
    BytesWriter,
    read_i16_le,
    read_i32_be,
    read_i32_le,
    read_i64_le,
    write_i16_le,
    write_i32_le,
    write_i64_le,
)
from mypy_extensions import i64, u8

from node.persist.rdb_codes import RdbError

END: Final = 255  # closes listpack, ziplist and zipmap
LISTPACK_HEADER_BYTES: Final = 6
ZIPLIST_HEADER_BYTES: Final = 10
COUNT_UNKNOWN: Final = 65535  # a 16-bit count that did not fit: walk the entries
_MASK_32: Final = 0xFFFF_FFFF
_INT64_MAX_TEXT: Final = b"9223372036854775807"
_INT64_MIN_TEXT: Final = b"9223372036854775808"  # without its sign
_SMALL: Final = [b"%d" % number for number in range(4096)]  # spares the formatting of most numbers


def is_integer(text: bytes) -> bool:
    """Is text the one decimal form of a signed 64-bit number: no plus, no leading zero, no -0?"""
    size: i64 = len(text)
    if size == 0 or size > 20:
        return False
    first: i64 = text[0]
    pos: i64 = 0
    if first == 45:
        pos = 1
        if size == 1:
            return False
        first = text[1]
    if first < 49 or first > 57:
        return first == 48 and size == 1
    digits = size - pos
    pos += 1
    while pos < size:
        digit: i64 = text[pos]
        if digit < 48 or digit > 57:
            return False
        pos += 1
    if digits < 19:
        return True
    if digits > 19:
        return False
    if size == 20:
        return text[1:] <= _INT64_MIN_TEXT
    return text <= _INT64_MAX_TEXT


def to_integer(text: bytes) -> i64:
    """The number of a text for which `is_integer` holds."""
    size: i64 = len(text)
    negative = text[0] == 45
    pos: i64 = 1 if negative else 0
    number: i64 = 0
    while pos < size:  # downwards, since -2**63 has no positive twin
        number = number * 10 - (i64(text[pos]) - 48)
        pos += 1
    return number if negative else -number


def _decimal(number: i64) -> bytes:
    if 0 <= number < 4096:
        return _SMALL[number]
    return b"%d" % number


def _int24_le(blob: bytes, pos: i64) -> i64:
    number = i64(blob[pos]) | (i64(blob[pos + 1]) << 8) | (i64(blob[pos + 2]) << 16)
    return number - 0x100_0000 if number >= 0x80_0000 else number


# --- listpack: Redis 7, "listpack.c" -------------------------------------------------------


def read_listpack(blob: bytes) -> list[bytes]:
    """The elements of a listpack. RdbError: lengths that do not fit the blob, a wrong count."""
    size: i64 = len(blob)
    if size < LISTPACK_HEADER_BYTES + 1 or (i64(read_i32_le(blob, 0)) & _MASK_32) != size:
        raise RdbError("a listpack does not have the size it announces")
    count: i64 = i64(read_i16_le(blob, 4)) & 0xFFFF
    last = size - 1
    if blob[last] != END:
        raise RdbError("a listpack is not closed")
    out: list[bytes] = []
    pos: i64 = LISTPACK_HEADER_BYTES
    while pos < last:
        head = _listpack_head_bytes(blob[pos])
        if pos + head > last:
            raise RdbError("a listpack entry is cut short")
        length = _listpack_string_bytes(blob, pos)
        if length >= 0:
            stop = pos + head + length
            if stop >= last:
                raise RdbError("a listpack entry reaches past its end")
            out.append(blob[pos + head : stop])
        else:
            stop = pos + head
            out.append(_decimal(_listpack_number(blob, pos)))
        pos = stop + backlen_bytes(stop - pos)
    if pos != last or (count != COUNT_UNKNOWN and count != len(out)):
        raise RdbError("a listpack does not have the entries it announces")
    return out


def _listpack_head_bytes(first: i64) -> i64:
    """Bytes before a string's text, or the whole of a number; 1 for what is no entry."""
    if first < 0xC0:
        return 1  # 0xxxxxxx a number of 7 bits, 10xxxxxx a string up to 63
    if first < 0xF0:
        return 2  # 110xxxxx a number of 13 bits, 1110xxxx a string up to 4095
    if first == 0xF0:
        return 5
    if first <= 0xF3:
        return first - 0xF0 + 2  # 16, 24, 32 bits
    return 9 if first == 0xF4 else 1


def _listpack_string_bytes(blob: bytes, pos: i64) -> i64:
    """The length of the string that starts at pos, -1 for a number."""
    first: i64 = blob[pos]
    if first < 0x80:
        return -1
    if first < 0xC0:
        return first & 63
    if first < 0xE0:
        return -1
    if first < 0xF0:
        return ((first & 15) << 8) | i64(blob[pos + 1])
    if first == 0xF0:
        return i64(read_i32_le(blob, pos + 1)) & _MASK_32
    if first > 0xF4:
        raise RdbError(f"a listpack entry begins with {first}, which is no encoding")
    return -1


def _listpack_number(blob: bytes, pos: i64) -> i64:
    first: i64 = blob[pos]
    if first < 0x80:
        return first
    if first < 0xE0:
        number = ((first & 31) << 8) | i64(blob[pos + 1])
        return number - 8192 if number >= 4096 else number
    if first == 0xF1:
        return i64(read_i16_le(blob, pos + 1))
    if first == 0xF2:
        return _int24_le(blob, pos + 1)
    if first == 0xF3:
        return i64(read_i32_le(blob, pos + 1))
    return read_i64_le(blob, pos + 1)


def backlen_bytes(size: i64) -> i64:
    """Bytes of the back length after an entry of size bytes; the odd limits are Redis's own."""
    if size <= 127:
        return 1
    if size < 16383:
        return 2
    if size < 2097151:
        return 3
    return 4 if size < 268435455 else 5


def listpack_entry_bytes(item: bytes) -> i64:
    """What an element takes in a listpack, its back length counted."""
    if is_integer(item):
        number = to_integer(item)
        if 0 <= number < 128:
            return 2
        if -4096 <= number < 4096:
            return 3
        if -0x8000 <= number < 0x8000:
            return 4
        if -0x80_0000 <= number < 0x80_0000:
            return 5
        return 6 if -0x8000_0000 <= number < 0x8000_0000 else 10
    size: i64 = len(item)
    size += 1 if size < 64 else 2 if size < 4096 else 5
    return size + backlen_bytes(size)


def write_listpack(items: list[bytes], start: i64, stop: i64) -> bytes:
    """The listpack of items[start:stop]."""
    out = BytesWriter()
    write_i32_le(out, 0)
    write_i16_le(out, 0)
    at = start
    while at < stop:
        _append_listpack_entry(out, items[at])
        at += 1
    out.append(END)
    size: i64 = len(out)
    count = stop - start if stop - start < COUNT_UNKNOWN else COUNT_UNKNOWN
    out[0] = u8(size & 255)
    out[1] = u8((size >> 8) & 255)
    out[2] = u8((size >> 16) & 255)
    out[3] = u8((size >> 24) & 255)
    out[4] = u8(count & 255)
    out[5] = u8((count >> 8) & 255)
    return out.getvalue()


def _append_listpack_entry(out: BytesWriter, item: bytes) -> None:
    if is_integer(item):
        _append_listpack_number(out, to_integer(item))
        return
    length: i64 = len(item)
    if length < 64:
        out.append(u8(0x80 | length))
        size = length + 1
    elif length < 4096:
        out.append(u8(0xE0 | (length >> 8)))
        out.append(u8(length & 255))
        size = length + 2
    else:
        out.append(0xF0)
        _append_le(out, length, 4)
        size = length + 5
    out.write(item)
    left = backlen_bytes(size)
    shift = (left - 1) * 7
    mark: i64 = 0  # all but the first byte carry the high bit: it is read from the right
    while left > 0:
        out.append(u8(((size >> shift) & 127) | mark))
        mark = 128
        shift -= 7
        left -= 1


def _append_listpack_number(out: BytesWriter, number: i64) -> None:
    if 0 <= number < 128:
        out.append(u8(number))
        out.append(1)
    elif -4096 <= number < 4096:
        out.append(u8(0xC0 | ((number >> 8) & 31)))
        out.append(u8(number & 255))
        out.append(2)
    elif -0x8000 <= number < 0x8000:
        out.append(0xF1)
        _append_le(out, number, 2)
        out.append(3)
    elif -0x80_0000 <= number < 0x80_0000:
        out.append(0xF2)
        _append_le(out, number, 3)
        out.append(4)
    elif -0x8000_0000 <= number < 0x8000_0000:
        out.append(0xF3)
        _append_le(out, number, 4)
        out.append(5)
    else:
        out.append(0xF4)
        write_i64_le(out, number)
        out.append(9)


def _append_le(out: BytesWriter, number: i64, size: i64) -> None:
    """The low size bytes of number, lowest first: lengths and signed numbers alike."""
    while size > 0:
        out.append(u8(number & 255))
        number >>= 8
        size -= 1


# --- ziplist: Redis before 7 and KeyDB, "ziplist.c" ----------------------------------------


def read_ziplist(blob: bytes) -> list[bytes]:
    """The elements of a ziplist. RdbError: lengths that do not fit the blob, a wrong count."""
    size: i64 = len(blob)
    if size < ZIPLIST_HEADER_BYTES + 1 or (i64(read_i32_le(blob, 0)) & _MASK_32) != size:
        raise RdbError("a ziplist does not have the size it announces")
    count: i64 = i64(read_i16_le(blob, 8)) & 0xFFFF
    last = size - 1
    if blob[last] != END:
        raise RdbError("a ziplist is not closed")
    out: list[bytes] = []
    pos: i64 = ZIPLIST_HEADER_BYTES
    while pos < last:
        pos += 1 if blob[pos] < 254 else 5  # the length of the entry before
        if pos >= last:
            raise RdbError("a ziplist entry is cut short")
        first: i64 = blob[pos]
        head = _ziplist_head_bytes(first)
        if pos + head > last:
            raise RdbError("a ziplist entry is cut short")
        if first < 0xC0:
            stop = pos + head + _ziplist_string_bytes(blob, pos)
            if stop > last:
                raise RdbError("a ziplist entry reaches past its end")
            out.append(blob[pos + head : stop])
            pos = stop
        else:
            out.append(_decimal(_ziplist_number(blob, pos)))
            pos += head
    if pos != last or (count != COUNT_UNKNOWN and count != len(out)):
        raise RdbError("a ziplist does not have the entries it announces")
    return out


def _ziplist_head_bytes(first: i64) -> i64:
    """Bytes before a string's text, or the whole of a number."""
    if first < 0x40:
        return 1
    if first < 0x80:
        return 2
    if first < 0xC0:
        return 5
    if first == 0xC0:
        return 3
    if first == 0xD0:
        return 5
    if first == 0xE0:
        return 9
    if first == 0xF0:
        return 4
    return 2 if first == 0xFE else 1


def _ziplist_string_bytes(blob: bytes, pos: i64) -> i64:
    first: i64 = blob[pos]
    if first < 0x40:
        return first
    if first < 0x80:
        return ((first & 63) << 8) | i64(blob[pos + 1])
    return i64(read_i32_be(blob, pos + 1)) & _MASK_32


def _ziplist_number(blob: bytes, pos: i64) -> i64:
    first: i64 = blob[pos]
    if first == 0xC0:
        return i64(read_i16_le(blob, pos + 1))
    if first == 0xD0:
        return i64(read_i32_le(blob, pos + 1))
    if first == 0xE0:
        return read_i64_le(blob, pos + 1)
    if first == 0xF0:
        return _int24_le(blob, pos + 1)
    if first == 0xFE:
        number: i64 = blob[pos + 1]
        return number - 256 if number > 127 else number
    if 0xF1 <= first <= 0xFD:
        return first - 0xF1
    raise RdbError(f"a ziplist entry begins with {first}, which is no encoding")


def write_ziplist(items: list[bytes], start: i64, stop: i64) -> bytes:
    """The ziplist of items[start:stop], for lists in RDB version 9."""
    out = BytesWriter()
    before: i64 = 0
    tail: i64 = ZIPLIST_HEADER_BYTES
    at = start
    while at < stop:
        tail = ZIPLIST_HEADER_BYTES + i64(len(out))
        if before < 254:
            out.append(u8(before))
        else:
            out.append(254)
            _append_le(out, before, 4)
        _append_ziplist_entry(out, items[at])
        before = ZIPLIST_HEADER_BYTES + i64(len(out)) - tail
        at += 1
    out.append(END)
    count = stop - start if stop - start < COUNT_UNKNOWN else COUNT_UNKNOWN
    head = BytesWriter()
    _append_le(head, ZIPLIST_HEADER_BYTES + i64(len(out)), 4)
    _append_le(head, tail, 4)
    _append_le(head, count, 2)
    return head.getvalue() + out.getvalue()


def _append_ziplist_entry(out: BytesWriter, item: bytes) -> None:
    length: i64 = len(item)
    if is_integer(item):
        number = to_integer(item)
        if 0 <= number <= 12:
            out.append(u8(0xF1 + number))
        elif -128 <= number < 128:
            out.append(0xFE)
            _append_le(out, number, 1)
        elif -0x8000 <= number < 0x8000:
            out.append(0xC0)
            _append_le(out, number, 2)
        elif -0x80_0000 <= number < 0x80_0000:
            out.append(0xF0)
            _append_le(out, number, 3)
        elif -0x8000_0000 <= number < 0x8000_0000:
            out.append(0xD0)
            _append_le(out, number, 4)
        else:
            out.append(0xE0)
            write_i64_le(out, number)
        return
    if length < 64:
        out.append(u8(length))
    elif length < 16384:
        out.append(u8(0x40 | (length >> 8)))
        out.append(u8(length & 255))
    else:
        out.append(0x80)
        out.append(u8((length >> 24) & 255))  # the one length here that has its high byte first
        out.append(u8((length >> 16) & 255))
        out.append(u8((length >> 8) & 255))
        out.append(u8(length & 255))
    out.write(item)


# --- intset and zipmap ---------------------------------------------------------------------


def read_intset(blob: bytes) -> list[bytes]:
    """The members of an intset, ascending. RdbError: a width or a count that does not fit."""
    size: i64 = len(blob)
    if size < 8:
        raise RdbError("an intset is shorter than its header")
    width: i64 = i64(read_i32_le(blob, 0))
    count: i64 = i64(read_i32_le(blob, 4)) & _MASK_32
    if (width != 2 and width != 4 and width != 8) or size != 8 + width * count:
        raise RdbError("an intset does not have the size it announces")
    out: list[bytes] = []
    pos: i64 = 8
    while pos < size:
        if width == 2:
            out.append(_decimal(i64(read_i16_le(blob, pos))))
        elif width == 4:
            out.append(_decimal(i64(read_i32_le(blob, pos))))
        else:
            out.append(_decimal(read_i64_le(blob, pos)))
        pos += width
    return out


def write_intset(members: list[bytes]) -> bytes:
    """The intset of members, for all of which `is_integer` holds: sorted, narrowest width."""
    numbers = [int(to_integer(member)) for member in members]
    numbers.sort()
    width: i64 = 8
    if not numbers or (numbers[0] >= -0x8000 and numbers[-1] < 0x8000):
        width = 2
    elif numbers[0] >= -0x8000_0000 and numbers[-1] < 0x8000_0000:
        width = 4
    out = BytesWriter()
    _append_le(out, width, 4)
    _append_le(out, len(numbers), 4)
    for number in numbers:
        _append_le(out, number, width)
    return out.getvalue()


def read_zipmap(blob: bytes) -> list[bytes]:
    """Fields and values in turn, of Redis before 2.6. RdbError: lengths that do not fit."""
    last: i64 = i64(len(blob)) - 1
    if last < 1 or blob[last] != END:
        raise RdbError("a zipmap is not closed")
    out: list[bytes] = []
    pos: i64 = 1  # after the count, which is only a hint
    while pos < last:
        length: i64 = blob[pos]
        pos += 1
        if length == 254:
            if pos + 4 > last:
                raise RdbError("a zipmap entry is cut short")
            length = i64(read_i32_le(blob, pos)) & _MASK_32
            pos += 4
        unused: i64 = 0
        if len(out) % 2 == 1:  # a value has a byte for the space left behind it
            unused = blob[pos]
            pos += 1
        if length == 255 or pos + length + unused > last:
            raise RdbError("a zipmap entry reaches past its end")
        out.append(blob[pos : pos + length])
        pos += length + unused
    if len(out) % 2 == 1:
        raise RdbError("a zipmap has a field without a value")
    return out
