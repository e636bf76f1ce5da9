"""Strings as rows of bits and of bytes: what SETBIT, BITFIELD, BITOP and SETRANGE reckon with.
[compiled]

Pure functions from bytes to bytes. Bit 0 is the highest of the first byte, as in Redis; what lies
behind a string's end reads as zero, and writing there makes the string longer.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.store.values.strings import I64_MAX

U64_MAX: Final = 2 * I64_MAX + 1
# A shorter string is spliced faster by plain slices than through memoryviews.
SMALL: Final = 1024
# Long strings are counted and combined in pieces of this size, which stay in the processor's cache.
CHUNK: Final = 65536
# Runs of equal bytes are passed over by comparing with so many at once.
RUN: Final = 4096
ZEROS: Final = bytes(RUN)
ONES: Final = b"\xff" * RUN

# Made once: `1 << n` is not to be written in compiled code.
POWERS: Final = [1 << n for n in range(65)]

WRAP: Final = b"WRAP"
SATURATE: Final = b"SAT"
FAIL: Final = b"FAIL"
# The operations of BITOP; those of SHIFTS are KeyDB's.
COMBINATIONS: Final = (b"AND", b"OR", b"XOR", b"NOT", b"DIFF", b"DIFF1", b"ANDOR", b"ONE")
SHIFTS: Final = (b"LSHIFT", b"RSHIFT")


def overwritten(text: bytes, offset: i64, piece: bytes) -> bytes:
    """SETRANGE: `piece` in place of what stands at byte `offset`; a gap becomes zero bytes."""
    size: i64 = len(text)
    end: i64 = offset + len(piece)
    if size <= SMALL:
        if offset > size:
            return text.ljust(int(offset), b"\0") + piece
        return text[:offset] + piece + text[end:]
    if offset > size:
        return b"".join([text, bytes(int(offset - size)), piece])
    view = memoryview(text)
    return b"".join((view[: int(offset)], piece, view[int(end) :]))


def bit_at(text: bytes, offset: i64) -> i64:
    """GETBIT."""
    byte: i64 = offset >> 3
    if byte >= len(text):
        return 0
    return (i64(text[byte]) >> (7 - (offset & 7))) & 1


def with_bit(text: bytes, offset: i64, bit: i64) -> bytes:
    """SETBIT."""
    byte: i64 = offset >> 3
    value: i64 = i64(text[byte]) if byte < len(text) else 0
    place: i64 = 7 - (offset & 7)
    kept: i64 = value - (((value >> place) & 1) << place)
    return overwritten(text, byte, bytes((int(kept + (bit << place)),)))


class FieldType:
    """An integer within a string, as BITFIELD names it: i5, u8."""

    def __init__(self, signed: bool, width: int) -> None:
        self.signed = signed
        self.width = width  # bits

    def least(self) -> int:
        """The smallest value it can hold."""
        return -POWERS[self.width - 1] if self.signed else 0

    def most(self) -> int:
        """The greatest value it can hold."""
        return POWERS[self.width - 1 if self.signed else self.width] - 1

    def shown(self, bits: int) -> int:
        """The value of so many bits, the highest being the sign where there is one."""
        if self.signed and bits >> (self.width - 1):
            return bits - POWERS[self.width]
        return bits

    def fitted(self, value: int, mode: bytes) -> int | None:
        """`value` as the field can hold it; None where it does not fit and the mode is FAIL."""
        if self.least() <= value <= self.most():
            return value
        if mode == FAIL:
            return None
        if mode == SATURATE:
            return self.most() if value > 0 else self.least()
        return self.shown(value & (POWERS[self.width] - 1))

    def assigned(self, value: int, mode: bytes) -> int | None:
        """As `fitted`, for BITFIELD SET, where Redis reckons in 64 bits: an unsigned field reads a
        negative value modulo 2**64, and SAT takes values far below a signed field for large ones.
        """
        if not self.signed:
            return self.fitted(value & U64_MAX, mode)
        if mode == SATURATE and self.width < 64 and self.most() - value > I64_MAX:
            return self.most()
        return self.fitted(value, mode)


def field_type(word: bytes) -> FieldType | None:
    """The type that a word names: i1 to i64, u1 to u63; None where it is none."""
    digits = word[1:]
    if word[:1] not in (b"i", b"u") or not digits.isdigit() or len(digits) > 2:
        return None
    width = int(digits)
    signed = word[:1] == b"i"
    if digits[:1] == b"0" or width > (64 if signed else 63):
        return None
    return FieldType(signed, width)


def field_at(text: bytes, offset: int, kind: FieldType) -> int:
    """BITFIELD GET: the integer whose highest bit stands at `offset`."""
    first = offset >> 3
    end = (offset + kind.width + 7) >> 3
    size = end - first
    piece = text[first:end].ljust(size, b"\0")
    below = end * 8 - offset - kind.width
    return kind.shown((int.from_bytes(piece, "big") >> below) & (POWERS[kind.width] - 1))


def with_field(text: bytes, offset: int, kind: FieldType, value: int) -> bytes:
    """BITFIELD SET of a value that the field can hold."""
    first = offset >> 3
    end = (offset + kind.width + 7) >> 3
    size = end - first
    piece = int.from_bytes(text[first:end].ljust(size, b"\0"), "big")
    below = end * 8 - offset - kind.width
    mask = POWERS[kind.width] - 1
    piece = (piece & ~(mask << below)) | ((value & mask) << below)
    return overwritten(text, first, piece.to_bytes(size, "big"))


def count_bits(text: bytes, first: i64, last: i64) -> int:
    """How many bits are 1 from bit `first` to bit `last`, both within the string."""
    if first > last:
        return 0
    begin: i64 = first >> 3
    end: i64 = (last >> 3) + 1
    found = 0
    at: i64 = begin
    while at < end:
        until: i64 = at + CHUNK
        if until > end:
            until = end
        found += int.from_bytes(text[at:until], "little").bit_count()
        at = until
    before: i64 = i64(text[begin]) >> (8 - (first & 7))
    after: i64 = i64(text[end - 1]) & (127 >> int(last & 7))
    return found - int(before).bit_count() - int(after).bit_count()


def find_bit(text: bytes, bit: i64, first: i64, last: i64) -> int:
    """The first bit of this value from `first` to `last`, both within the string; -1: none."""
    if first > last:
        return -1
    begin: i64 = first >> 3
    end: i64 = last >> 3
    at: i64 = begin
    while at <= end:
        value: i64 = i64(text[at])
        if bit == 0:
            value = 255 - value
        if at == begin:
            value = value & (255 >> int(first & 7))
        if at == end:
            value = (value >> (7 - (last & 7))) << (7 - (last & 7))
        if value != 0:
            return int(at * 8 + 8) - int(value).bit_length()
        at += 1
        if at < end:
            at = past_run(text, at, end, ZEROS if bit else ONES)
    return -1


def past_run(text: bytes, begin: i64, end: i64, run: bytes) -> i64:
    """The first place from `begin` on that differs from the run's byte, at most `end`."""
    at: i64 = begin
    while at < end:
        piece = text[at : at + RUN]
        if piece != run:
            at += len(piece) - len(piece.lstrip(run[:1]))
            return at if at < end else end
        at += RUN
    return end


def combined(operation: bytes, sources: list[bytes]) -> bytes:
    """BITOP: as long as the longest source, the others are filled up with zeros."""
    size = max([len(source) for source in sources])
    pieces: list[bytes] = []
    for begin in range(0, size, CHUNK):
        width = min(CHUNK, size - begin)
        numbers = [int.from_bytes(source[begin : begin + CHUNK], "little") for source in sources]
        pieces.append(combination(operation, numbers, width).to_bytes(width, "little"))
    return b"".join(pieces)


def combination(operation: bytes, numbers: list[int], width: int) -> int:
    """BITOP of the sources' bits, `width` bytes of each."""
    first = numbers[0]
    if operation == b"NOT":
        return first ^ int.from_bytes(b"\xff" * width, "little")
    if operation == b"AND":
        for number in numbers[1:]:
            first &= number
        return first
    if operation == b"XOR":
        for number in numbers[1:]:
            first ^= number
        return first
    if operation == b"ONE":
        several = 0
        for number in numbers[1:]:
            several |= first & number
            first |= number
        return first ^ several
    others = 0
    for number in numbers[1:]:
        others |= number
    if operation == b"DIFF":
        return first ^ (first & others)
    if operation == b"DIFF1":
        return others ^ (first & others)
    if operation == b"ANDOR":
        return first & others
    return first | others


def shifted_size(size: int, shift: int) -> int:
    """How many bytes `shifted` gives."""
    if shift >= 0:
        return size + (shift + 7) // 8
    return max(size - (-shift) // 8, 0)


def shifted(text: bytes, shift: int) -> bytes:
    """KeyDB's BITOP LSHIFT (`shift` above 0) and RSHIFT: the string is one number, lowest byte
    first.

    To the right by whole bytes KeyDB drops the last bytes instead of the first; so does this, or
    a key would differ between a KeyDB and us after the same command.
    """
    size = shifted_size(len(text), shift)
    if shift < 0 and shift % 8 == 0:
        return text[:size]
    number = int.from_bytes(text, "little")
    moved = number << shift if shift >= 0 else number >> -shift
    return moved.to_bytes(size, "little")
