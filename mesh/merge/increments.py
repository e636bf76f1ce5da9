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

# Records of one chunk: bounds a look into the newest chunk (a copy of 96 KB).
CHUNK_BITS: Final = 12
CHUNK_RECORDS: Final = 4096  # 2 to the power of CHUNK_BITS
AT_MASK: Final = CHUNK_RECORDS - 1
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
        # The records of a place, by generation: a chunk's number and the place in it. Kept up by
        # who searches: a counter is in few of the thousands of chunks that fill while a member is
        # away.
        self._where: dict[int, dict[bytes, list[int]]] = {}
        self._old: list[dict[bytes, list[int]]] = []  # of generations that are gone, to be freed

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
        self.chunks = [each for each in self.chunks if each is not chunk]
        if chunk is self.newest:
            self.newest = self._new_chunk(self.generation)
            self.chunks.append(self.newest)
        if chunk is self.late:
            self.late = None
        self._forget_places(chunk.generation)

    def begin(self, generation: i64) -> None:
        """What is appended from now on belongs to this generation."""
        self.generation = generation
        if self.newest.places:
            self._turn()
        else:
            before = self.newest.generation
            self.newest.generation = generation
            self._forget_places(before)

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

    def _forget_places(self, generation: i64) -> None:
        """Where places stood in a generation of which nothing is left."""
        number = int(generation)
        if number in self._where and all(one.generation != generation for one in self.chunks):
            self._old.append(self._where.pop(number))

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

    def _counting_on(self, place: bytes, over: i64, below: i64) -> list[int]:
        """The records of a place that count on the register `over`, but those of generations up to
        `below`: three numbers for each, what it is in the list of places, stamp and delta."""
        self._list_places()
        found: list[int] = []
        for generation, where in self._where.items():
            records = where.get(place) if i64(generation) > below else None
            if records is None:
                continue
            chunk: Chunk | None = None
            data = b""
            number: i64 = -1
            for record in records:
                packed = i64(record)
                if packed >> CHUNK_BITS != number:
                    number = packed >> CHUNK_BITS
                    chunk = self._numbered.get(int(number))
                    data = b"" if chunk is None else chunk.data()
                if chunk is None:
                    continue  # it was dropped, and the others of its generation will be
                at = packed & AT_MASK
                base = at * RECORD_BYTES
                counts_on = read_i64_le(data, base + 16)
                if chunk.moved:
                    counts_on = i64(chunk.moved.get(int(at), int(counts_on)))
                if counts_on == over:
                    found.append(record)
                    found.append(int(read_i64_le(data, base)))
                    found.append(int(read_i64_le(data, base + 8)))
        return found

    def list_some(self, places: int) -> bool:
        """Lists so many places that nobody has searched for yet, the oldest first; True: there is
        more than a chunk of them. Before a search among millions, which would list all at once."""
        at = len(self.chunks) - 1
        while at > 0 and self.chunks[at - 1].listed < len(self.chunks[at - 1].places):
            at -= 1
        if at == len(self.chunks) - 1:
            return False
        self._list(self.chunks[at], places)
        return True

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

    def _list(self, chunk: Chunk, most: int = CHUNK_RECORDS) -> None:
        places = chunk.places
        if chunk.listed == len(places):
            return
        end = min(chunk.listed + most, len(places))
        where = self._where.get(int(chunk.generation))
        if where is None:
            where = {}
            self._where[int(chunk.generation)] = where
        base = i64(chunk.number) << CHUNK_BITS
        for at in range(chunk.listed, end):
            records = where.get(places[at])
            if records is None:
                where[places[at]] = [int(base + at)]
            else:
                records.append(int(base + at))
        chunk.listed = end

    def live(self, place: bytes, over: i64, below: i64, found: list[Increment]) -> None:
        """Adds to `found` the increments of a place that count on the register `over`, but those
        of generations up to `below`."""
        records = self._counting_on(place, over, below)
        for first in range(0, len(records), 3):
            chunk = self._numbered[records[first] >> CHUNK_BITS]
            at = records[first] & AT_MASK
            one = Increment(
                i64(records[first + 1]), self.origin, i64(records[first + 2]),
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
        records = self._counting_on(place, over, below)
        for first in range(0, len(records), 3):
            chunk = self._numbered[records[first] >> CHUNK_BITS]
            if chunk.decimals and records[first] & AT_MASK in chunk.decimals:
                return -1, -1, -1
            count += 1
            if i64(records[first + 1]) > before:
                later += 1
                total += records[first + 2]
        return count, later, total

    def bury(self, place: bytes, over: i64, before: i64) -> None:
        """The increments of a place that count on `over` and are not later than this count on
        nothing any more."""
        found: list[Increment] = []
        self.live(place, over, DEAD, found)
        for one in found:
            if one.stamp <= before:
                one.move(DEAD)


def key_and_field(place: bytes) -> tuple[bytes, bytes]:
    """The reverse of field_place."""
    size = int.from_bytes(place[:4], "big")
    return place[4 : 4 + size], place[4 + size :]


def field_place(key: bytes, field: bytes) -> bytes:
    """One name for a hash field; unambiguous for any bytes."""
    return len(key).to_bytes(4, "big") + key + field
