"""Stream IDs: `milliseconds-sequence`, both up to 2**64 - 1, as one number.  [compiled]

An ID is a Python int, milliseconds << 64 | sequence, so that IDs compare as numbers do.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from mypy_extensions import i64

from node.store.values.strings import integer_of

SEQUENCE_MAX: Final = 0xFFFF_FFFF_FFFF_FFFF
ID_MAX: Final = 0xFFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF
# A sequence in a mesh is a multiple of this and the slot of the node that gave it.
SLOTS: Final = 4096
# Redis copies the text into a buffer of 128 bytes with a closing zero.
TEXT_BYTES_MAX: Final = 127
# Sorted IDs are kept in chunks of up to twice this size: an insertion moves half a chunk at most.
CHUNK: Final = 512


def id_of(ms: int, sequence: int) -> int:
    """The ID of these two parts."""
    return ms << 64 | sequence


def next_id_of_slot(last: int, slot: int, ms: int) -> int:
    """The first ID above `last`, and not before this millisecond, that a node of a mesh gives: its
    sequence ends with the node's slot, so no other node gives it."""
    if ms > last >> 64:
        return ms << 64 | slot
    sequence = last & SEQUENCE_MAX
    found = sequence - sequence % SLOTS + slot
    if found <= sequence:
        found += SLOTS
    if found > SEQUENCE_MAX:
        return ((last >> 64) + 1) << 64 | slot
    return last >> 64 << 64 | found


def id_text(number: int) -> bytes:
    """The ID as clients see it."""
    return b"%d-%d" % (number >> 64, number & SEQUENCE_MAX)


def unsigned(text: bytes) -> int | None:
    """A part of an ID as Redis reads it (string2ull): strtoull for what is no plain integer."""
    plain = integer_of(text)
    if plain is not None:
        return plain if plain >= 0 else None
    digits = text.lstrip(b" \t\n\v\f\r")
    negative = digits[:1] == b"-"
    if digits[:1] in (b"-", b"+"):
        digits = digits[1:]
    if not digits.isdigit():
        return None
    number = int(digits)
    if number > SEQUENCE_MAX:
        return None
    return -number & SEQUENCE_MAX if negative else number


def read_id(text: bytes, missing: int = 0) -> int | None:
    """An ID from its text, where `missing` stands for a sequence that is left out; None: none."""
    if len(text) > TEXT_BYTES_MAX:
        return None
    if b"\0" in text:
        text = text[: text.index(b"\0")]
    dash = text.find(b"-")
    ms = unsigned(text if dash < 0 else text[:dash])
    if ms is None:
        return None
    sequence = missing if dash < 0 else unsigned(text[dash + 1 :])
    return None if sequence is None else ms << 64 | sequence


class IdOrder:
    """Different IDs in ascending order: O(1) at the end, O(log n) to find a place."""

    def __init__(self) -> None:
        self.count: i64 = 0
        self._chunks: list[list[int]] = []
        self._lasts: list[int] = []

    def add(self, number: int) -> None:
        """Takes in an ID that is not there."""
        self.count += 1
        chunks = self._chunks
        if not chunks:
            chunks.append([number])
            self._lasts.append(number)
            return
        place = len(chunks) - 1
        if number > self._lasts[place]:
            self._lasts[place] = number
            chunk = chunks[place]
            chunk.append(number)
        else:
            place = bisect_left(self._lasts, number)
            chunk = chunks[place]
            chunk.insert(bisect_left(chunk, number), number)
        if len(chunk) > 2 * CHUNK:
            rest = chunk[CHUNK:]
            del chunk[CHUNK:]
            chunks.insert(place + 1, rest)
            self._lasts.insert(place, chunk[-1])

    def remove(self, number: int) -> None:
        """Lets go of an ID; nothing happens where it is not there."""
        place = bisect_left(self._lasts, number)
        if place == len(self._lasts):
            return
        chunk = self._chunks[place]
        at = bisect_left(chunk, number)
        if chunk[at] != number:
            return
        del chunk[at]
        self.count -= 1
        if not chunk:
            del self._chunks[place]
            del self._lasts[place]
        elif at == len(chunk):
            self._lasts[place] = chunk[-1]

    def first(self) -> int:
        """The lowest ID; there is one."""
        return self._chunks[0][0]

    def last(self) -> int:
        """The highest ID; there is one."""
        return self._lasts[-1]

    def from_id(self, start: int, count: i64) -> list[int]:
        """Up to `count` IDs in order, from `start` on."""
        place = bisect_left(self._lasts, start)
        found: list[int] = []
        if place == len(self._lasts) or count <= 0:
            return found
        chunk = self._chunks[place]
        at = bisect_left(chunk, start)
        found = chunk[at : min(at + int(count), len(chunk))]
        place += 1
        while len(found) < count and place < len(self._chunks):
            found += self._chunks[place]
            place += 1
        if len(found) > count:
            del found[count:]
        return found

    def all(self) -> list[int]:
        """Every ID in order."""
        found: list[int] = []
        for chunk in self._chunks:
            found += chunk
        return found

    def drop_last(self, count: i64) -> None:
        """Lets go of about so many of the highest IDs: freeing in slices."""
        while count > 0 and self._chunks:
            chunk = self._chunks.pop()
            self._lasts.pop()
            count -= len(chunk)
            self.count -= len(chunk)
