"""Increments that may still meet a write that had not seen them: the log of one stream in one
database.  [compiled]

A counter's increment is a dot with a delta (semantics.md 4.2). They stand in logs beside the
data, 32 bytes each, not on the key: (stamp, delta, over) and the place's name. `over` names the
register that the increment counts on at this node (`base_of`); when the key's register is another
one, the increment is dead. So a local SET, which has seen everything here, kills without a
search; a remote write that leaves an increment alive searches the logs and moves it (`over` never
travels).
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter, read_i64_le, write_i64_le
from mypy_extensions import i64

# A log of so few chunks is searched chunk by chunk: no list of where its places stand is kept.
FEW_CHUNKS: Final = 4
# Records of one chunk: bounds a look into the newest chunk (a copy of 96 KB).
CHUNK_RECORDS: Final = 4096
RECORD_BYTES: Final[i64] = 24
DEAD: Final[i64] = -1
BASE_MASK: Final[i64] = 0x3FFFFFFFFFFFFFFF
BASE_STAMP: Final[i64] = 0x1E3779B97F4A7C15
BASE_ORIGIN: Final[i64] = 0x2545F4914F6CDD1D


def base_of(stamp: i64, origin: i64) -> i64:
    """What increments count on: the register's dot as one number.

    A hash modulo 2**62, since two streams may give one stamp at one moment and the origin does
    not fit beside it; that two dots of one key meet in it has a chance of 2**-62.
    """
    return (stamp * BASE_STAMP + (origin + 1) * BASE_ORIGIN) & BASE_MASK


class Increment:
    """One live increment, as read from a log; `decimal` is its exact text where it is no
    integer."""

    def __init__(self, stamp: i64, origin: i64, delta: i64, decimal: bytes | None) -> None:
        self.stamp: i64 = stamp
        self.origin: i64 = origin
        self.delta: i64 = delta
        self.decimal = decimal
        self.chunk: Chunk | None = None
        self.at = 0

    def move(self, over: i64) -> None:
        """It counts on another register now (DEAD: on none)."""
        chunk = self.chunk
        if chunk is not None:
            chunk.moved[self.at] = int(over)


class Chunk:
    """A run of records in the order of their stamps."""

    def __init__(self, number: int, generation: i64) -> None:
        self.number = number  # in its log
        self.generation: i64 = generation
        self.top: i64 = 0  # the highest stamp: those that a merge brings are out of order
        self.places: list[bytes] = []
        self.packed = BytesWriter()
        self.frozen = b""
        self.moved: dict[int, int] = {}
        self.decimals: dict[int, bytes] = {}
        self.listed = 0  # of its places, how many the log's list of places has
        self._index: dict[bytes, list[int]] = {}
        self._indexed = 0

    def append(self, place: bytes, stamp: i64, delta: i64, over: i64) -> None:
        """One more record."""
        if stamp > self.top:
            self.top = stamp
        self.places.append(place)
        packed = self.packed
        write_i64_le(packed, stamp)
        write_i64_le(packed, delta)
        write_i64_le(packed, over)

    def freeze(self) -> None:
        """It has no more records."""
        self.frozen = self.packed.getvalue()
        self.packed = BytesWriter()

    def find(self, place: bytes) -> list[int]:
        """The records of a place. The index is built while somebody searches."""
        places = self.places
        index = self._index
        at = self._indexed
        while at < len(places):
            name = places[at]
            known = index.get(name)
            if known is None:
                index[name] = [at]
            else:
                known.append(at)
            at += 1
        self._indexed = at
        return index.get(place, [])

    def counting_on(self, place: bytes, over: i64) -> list[int]:
        """The records of a place that count on the register `over`."""
        records = self.find(place)
        if not records:
            return records
        data = self.data()
        moved = self.moved
        found: list[int] = []
        for at in records:
            counts_on = moved.get(at)
            if counts_on is None:
                counts_on = int(read_i64_le(data, i64(at) * RECORD_BYTES + 16))
            if counts_on == over:
                found.append(at)
        return found

    def over(self, at: int) -> i64:
        """What a record counts on."""
        moved = self.moved.get(at)
        return read_i64_le(self.data(), i64(at) * RECORD_BYTES + 16) if moved is None else moved

    def data(self) -> bytes:
        """The records' bytes."""
        if self.frozen:
            return self.frozen
        return self.packed.getvalue()


class Log:
    """The increments of one stream in one database, of string keys or of hash fields."""

    def __init__(self, origin: i64, generation: i64) -> None:
        self.origin: i64 = origin
        self.generation: i64 = generation
        self.newest = Chunk(0, generation)
        self.chunks: list[Chunk] = [self.newest]
        self._numbered: dict[int, Chunk] = {0: self.newest}
        self._made = 1  # chunks, so far
        self.late: Chunk | None = None  # of the generation before: what came behind its end
        self.records: i64 = 0
        # In which chunks a place stands: made, and kept up, by who searches. A counter is in few
        # chunks of the thousands that fill while a member is away.
        self._where: dict[bytes, list[int]] = {}
        self._old: list[dict[bytes, list[int]]] = []  # such lists of before, to be freed

    def take(self) -> Log:
        """All that stands here, in a log of its own; this one, which a rule may hold, is empty
        then."""
        taken = Log(self.origin, self.generation)
        taken.chunks = self.chunks
        taken.newest = self.newest
        taken.records = self.records
        taken._where = self._where
        taken._numbered = self._numbered
        taken._made = self._made
        self._where = {}
        self._numbered = {}
        self.late = None
        self.newest = self._new_chunk(self.generation)
        self.chunks = [self.newest]
        self.records = 0
        return taken

    def append(self, place: bytes, stamp: i64, delta: i64, over: i64) -> None:
        """One more increment."""
        chunk = self.newest
        if len(chunk.places) >= CHUNK_RECORDS:
            chunk = self._turn()
        chunk.append(place, stamp, delta, over)
        self.records += 1

    def append_late(self, place: bytes, stamp: i64, delta: i64, over: i64, generation: i64) -> None:
        """One more increment, of a generation that has ended."""
        chunk = self.late
        if chunk is None or chunk.generation != generation or len(chunk.places) >= CHUNK_RECORDS:
            if chunk is not None:
                chunk.freeze()
            chunk = self._new_chunk(generation)
            self.late = chunk
            self.chunks.insert(0, chunk)
        chunk.append(place, stamp, delta, over)
        self.records += 1

    def append_decimal(self, place: bytes, stamp: i64, decimal: bytes, over: i64) -> None:
        """One more increment by an exact decimal."""
        self.append(place, stamp, 0, over)
        self.newest.decimals[len(self.newest.places) - 1] = decimal

    def add(self, place: bytes, one: Increment, over: i64) -> Increment:
        """Writes an increment down that came with a merge, or its record anew; returns it."""
        if one.decimal is None:
            self.append(place, one.stamp, one.delta, over)
        else:
            self.append_decimal(place, one.stamp, one.decimal, over)
        one.chunk = self.newest
        one.at = len(self.newest.places) - 1
        return one

    def drop(self, chunk: Chunk) -> None:
        """None of its records counts any more."""
        self.records -= len(chunk.places)
        self._numbered.pop(chunk.number, None)
        if len(self._where) > 2 * self.records + CHUNK_RECORDS:  # names of what is gone mostly
            self._old.append(self._where)
            self._where = {}
            for each in self.chunks:
                each.listed = 0
        self.chunks = [each for each in self.chunks if each is not chunk]
        if chunk is self.newest:
            self.newest = self._new_chunk(self.generation)
            self.chunks.append(self.newest)
        if chunk is self.late:
            self.late = None

    def begin(self, generation: i64) -> None:
        """What is appended from now on belongs to this generation."""
        self.generation = generation
        if self.newest.places:
            self._turn()
        else:
            self.newest.generation = generation

    def drop_one(self, until: i64) -> Chunk | None:
        """Drops the oldest chunk if it is of a generation up to this one; None: it is not."""
        oldest = self.chunks[0]
        if oldest.generation > until:
            return None
        self.drop(oldest)
        return oldest

    def _new_chunk(self, generation: i64) -> Chunk:
        chunk = Chunk(self._made, generation)
        self._numbered[self._made] = chunk
        self._made += 1
        return chunk

    def _turn(self) -> Chunk:
        self.newest.freeze()
        self.newest = self._new_chunk(self.generation)
        self.chunks.append(self.newest)
        return self.newest

    def free(self) -> bool:
        """Frees a chunk's worth of what was searched by; False: there is no more of it."""
        if not self._old:
            return False
        old = self._old[-1]
        for _ in range(min(CHUNK_RECORDS, len(old))):
            old.popitem()
        if not old:
            self._old.pop()
        return True

    def _chunks_of(self, place: bytes) -> list[Chunk]:
        """The chunks that may have records of a place."""
        chunks = self.chunks
        if len(chunks) <= FEW_CHUNKS:
            return chunks
        self._list_places()
        found: list[Chunk] = []
        numbers = self._where.get(place)
        if numbers is None:
            return found
        for number in numbers:
            chunk = self._numbered.get(number)
            if chunk is not None:
                found.append(chunk)
        if not found:
            del self._where[place]
        elif 2 * len(found) < len(numbers):  # most were dropped
            self._where[place] = [each.number for each in found]
        return found

    def _list_places(self) -> None:
        """Lists what has come since somebody searched: at the end, and in front what came late."""
        for at in range(len(self.chunks) - 1, -1, -1):
            chunk = self.chunks[at]
            if chunk.listed == len(chunk.places) and chunk is not self.newest:
                break
            self._list(chunk)
        for chunk in self.chunks:
            if chunk.listed == len(chunk.places) and chunk is not self.late:
                break
            self._list(chunk)

    def _list(self, chunk: Chunk) -> None:
        places = chunk.places
        where = self._where
        number = chunk.number
        is_new = chunk.listed == 0
        at = chunk.listed
        while at < len(places):
            known = where.get(places[at])
            if known is None:
                where[places[at]] = [number]
            elif known[-1] != number and (is_new or number not in known):
                known.append(number)
            at += 1
        chunk.listed = at

    def live(self, place: bytes, over: i64, below: i64, found: list[Increment]) -> None:
        """Adds to `found` the increments of a place that count on the register `over`, but those
        of generations up to `below`."""
        for chunk in self._chunks_of(place):
            records = chunk.counting_on(place, over) if chunk.generation > below else []
            if not records:
                continue
            data = chunk.data()
            for at in records:
                base = i64(at) * RECORD_BYTES
                one = Increment(
                    read_i64_le(data, base), self.origin, read_i64_le(data, base + 8),
                    chunk.decimals.get(at),
                )  # fmt: skip
                one.chunk = chunk
                one.at = at
                found.append(one)

    def sum_after(self, place: bytes, over: i64, below: i64, before: i64) -> tuple[int, int, int]:
        """Of the increments of a place that `live` finds: how many there are, how many are later
        than `before`, and the sum of these. All -1 where one of them is no integer."""
        count = 0
        later = 0
        total = 0
        for chunk in self._chunks_of(place):
            records = chunk.counting_on(place, over) if chunk.generation > below else []
            if not records:
                continue
            data = chunk.data()
            for at in records:
                base = i64(at) * RECORD_BYTES
                if at in chunk.decimals:
                    return -1, -1, -1
                count += 1
                if read_i64_le(data, base) > before:
                    later += 1
                    total += int(read_i64_le(data, base + 8))
        return count, later, total

    def bury(self, place: bytes, over: i64, before: i64) -> None:
        """The increments of a place that count on `over` and are not later than this count on
        nothing any more."""
        for chunk in self._chunks_of(place):
            records = chunk.counting_on(place, over)
            if not records:
                continue
            data = chunk.data()
            for at in records:
                if read_i64_le(data, i64(at) * RECORD_BYTES) <= before:
                    chunk.moved[at] = int(DEAD)


def key_and_field(place: bytes) -> tuple[bytes, bytes]:
    """The reverse of field_place."""
    size = int.from_bytes(place[:4], "big")
    return place[4 : 4 + size], place[4 + size :]


def field_place(key: bytes, field: bytes) -> bytes:
    """One name for a hash field; unambiguous for any bytes."""
    return len(key).to_bytes(4, "big") + key + field
