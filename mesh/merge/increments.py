"""Increments that may still meet a write that had not seen them: one log per stream and database.
 [compiled]

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
from mypy_extensions import i16, i64

from mesh.merge.counted import Counted
from node.store.values.strings import I64_MAX, I64_MIN

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

    def __init__(self, generation: i64) -> None:
        self.generation: i64 = generation
        self.top: i64 = 0  # the highest stamp: those that a merge brings are out of order
        self.places: list[bytes] = []
        self.packed = BytesWriter()
        self.frozen = b""
        self.moved: dict[int, int] = {}
        self.decimals: dict[int, bytes] = {}
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
        self.chunks: list[Chunk] = [Chunk(generation)]
        self.newest = self.chunks[0]
        self.late: Chunk | None = None  # of the generation before: what came behind its end
        self.records: i64 = 0

    def take(self) -> Log:
        """All that stands here, in a log of its own; this one, which a rule may hold, is empty
        then."""
        taken = Log(self.origin, self.generation)
        taken.chunks = self.chunks
        taken.newest = self.newest
        taken.records = self.records
        self.late = None
        self.newest = Chunk(self.generation)
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
            chunk = Chunk(generation)
            self.late = chunk
            self.chunks.insert(0, chunk)
        chunk.append(place, stamp, delta, over)
        self.records += 1

    def append_decimal(self, place: bytes, stamp: i64, decimal: bytes, over: i64) -> None:
        """One more increment by an exact decimal."""
        self.append(place, stamp, 0, over)
        self.newest.decimals[len(self.newest.places) - 1] = decimal

    def drop(self, chunk: Chunk) -> None:
        """None of its records counts any more."""
        self.records -= len(chunk.places)
        self.chunks = [each for each in self.chunks if each is not chunk]
        if chunk is self.newest:
            self.newest = Chunk(self.generation)
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

    def _turn(self) -> Chunk:
        self.newest.freeze()
        self.newest = Chunk(self.generation)
        self.chunks.append(self.newest)
        return self.newest

    def live(self, place: bytes, over: i64, below: i64, found: list[Increment]) -> None:
        """Adds to `found` the increments of a place that count on the register `over`, but those
        of generations up to `below`."""
        for chunk in self.chunks:
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
        for chunk in self.chunks:
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
        for chunk in self.chunks:
            records = chunk.counting_on(place, over)
            if not records:
                continue
            data = chunk.data()
            for at in records:
                if read_i64_le(data, i64(at) * RECORD_BYTES) <= before:
                    chunk.moved[at] = int(DEAD)


class Ledger:
    """All logs: by database, by stream, for string keys and for hash fields."""

    def __init__(self) -> None:
        self._strings: list[list[Log]] = []
        self._fields: list[list[Log]] = []
        self.counted = Counted()  # the string keys
        self.counted_fields = Counted()

    def take(self) -> Ledger:
        """All that stands here, in a ledger of its own; this one is empty then."""
        taken = Ledger()
        taken._strings = [[log.take() for log in per_db] for per_db in self._strings]
        taken._fields = [[log.take() for log in per_db] for per_db in self._fields]
        taken.counted = self.counted
        taken.counted_fields = self.counted_fields
        self.counted = Counted()
        self.counted_fields = Counted()
        begin_all(self._strings, self.counted.now.number)
        begin_all(self._fields, self.counted_fields.now.number)
        return taken

    def string_log(self, db: i64, origin: i64) -> Log:
        """The log for INCR on string keys."""
        return log_of(self._strings, db, origin, self.counted.now.number)

    def field_log(self, db: i64, origin: i64) -> Log:
        """The log for HINCRBY."""
        return log_of(self._fields, db, origin, self.counted_fields.now.number)

    def of_string(self, db: i64, key: bytes, over: i64, flags: i16) -> list[Increment]:
        """The live increments of a string key with these flags, of every stream."""
        return gather(self._strings, db, key, over, self.counted.below(flags))

    def settle(
        self, db: i64, key: bytes, over: i64, before: i64, shown: int, flags: i16
    ) -> i64:
        """Takes the increments of a string key that are not later than `before` for counted, where
        they are whole numbers and 64 bits hold what they make; `shown` is the sum of all.

        How many are left, later ones; -1: nothing was done, it is to be spelled out; -2: all are
        later.
        """
        logs = [each for each in self._strings[db] if each.records != 0]
        below = self.counted.below(flags)
        count = 0
        left = 0
        sum_left = 0
        for log in logs:
            found, later, total = log.sum_after(key, over, below, before)
            if found < 0:
                return -1
            count += found
            left += later
            sum_left += total
        low = shown - sum_left
        if count == 0 or low > I64_MAX or low < I64_MIN:
            return -1
        if left < count:
            for log in logs:
                log.bury(key, over, before)
        return left if left < count else -2

    def of_field(
        self, db: i64, key: bytes, field: bytes, over: i64, flags: i16
    ) -> list[Increment]:
        """The live increments of a hash field with these flags, of every stream."""
        below = self.counted_fields.below(flags)
        return gather(self._fields, db, field_place(key, field), over, below)

    def bury_string(self, db: i64, key: bytes, over: i64) -> None:
        """A register begins to be counted on: what counted on the same dot before is dead.

        A dot comes again where one unit clears and writes a key twice.
        """
        for each in gather(self._strings, db, key, over, -1):
            each.move(DEAD)

    def bury_field(self, db: i64, key: bytes, field: bytes, over: i64) -> None:
        """The same for a hash field."""
        for each in gather(self._fields, db, field_place(key, field), over, -1):
            each.move(DEAD)

    def string_logs(self) -> list[Log]:
        """Every log of strings that is not empty."""
        return filled(self._strings)

    def field_logs(self) -> list[Log]:
        """Every log of fields that is not empty."""
        return filled(self._fields)

    def is_due(self) -> bool:
        """Is the generation of string counters that is written to be sealed? Asked once a
        heartbeat at most."""
        return is_due(self.counted, self.string_logs())

    def are_fields_due(self) -> bool:
        """The same of counters in hashes."""
        return is_due(self.counted_fields, self.field_logs())

    def seal(self) -> None:
        """The generation of string counters that was written until now ends."""
        self.counted.seal(top_of(self.string_logs()))
        begin_all(self._strings, self.counted.now.number)

    def seal_fields(self) -> None:
        """The same of counters in hashes."""
        self.counted_fields.seal(top_of(self.field_logs()))
        begin_all(self._fields, self.counted_fields.now.number)

    def keep(self, db: i64, key: bytes, one: Increment) -> None:
        """Writes an increment of a string anew that its generation is to leave."""
        rewrite(self.string_log(db, one.origin), key, one)

    def keep_field(self, db: i64, place: bytes, one: Increment) -> None:
        """The same of a counter in a hash."""
        rewrite(self.field_log(db, one.origin), place, one)

    def records(self) -> int:
        """How many increments are remembered."""
        total = 0
        for logs in (self._strings, self._fields):
            for per_db in logs:
                for log in per_db:
                    total += int(log.records)
        return total


def log_of(logs: list[list[Log]], db: i64, origin: i64, generation: i64) -> Log:
    """The log of a database and stream, made if it was not there."""
    while len(logs) <= db:
        logs.append([])
    per_db = logs[db]
    while len(per_db) <= origin:
        per_db.append(Log(len(per_db), generation))
    return per_db[origin]


def filled(logs: list[list[Log]]) -> list[Log]:
    """Those that have records."""
    return [log for per_db in logs for log in per_db if log.records != 0]


def begin_all(logs: list[list[Log]], generation: i64) -> None:
    """What is appended from now on belongs to this generation."""
    for per_db in logs:
        for log in per_db:
            log.begin(generation)


def top_of(logs: list[Log]) -> i64:
    """The highest stamp."""
    top: i64 = 0
    for log in logs:
        for chunk in log.chunks:
            if chunk.top > top:
                top = chunk.top
    return top


def is_due(counted: Counted, logs: list[Log]) -> bool:
    """Is the generation that is written to be sealed?"""
    found: i64 = 0
    for log in logs:
        for chunk in log.chunks:
            if chunk.generation == counted.now.number:
                found += len(chunk.places)
    counted.now.beats += 1
    return found > 0 and counted.is_due(found)


def rewrite(log: Log, place: bytes, one: Increment) -> None:
    """The increment's record is dead; a new one says the same."""
    chunk = one.chunk
    if chunk is None:
        return
    over = chunk.over(one.at)
    one.move(DEAD)
    if one.decimal is None:
        log.append(place, one.stamp, one.delta, over)
    else:
        log.append_decimal(place, one.stamp, one.decimal, over)


def gather(
    logs: list[list[Log]], db: i64, place: bytes, over: i64, below: i64
) -> list[Increment]:
    """The live increments of a place over all streams of a database, but those of generations up
    to `below`."""
    found: list[Increment] = []
    if db < len(logs):
        for log in logs[db]:
            if log.records != 0:
                log.live(place, over, below, found)
    return found


def key_and_field(place: bytes) -> tuple[bytes, bytes]:
    """The reverse of field_place."""
    size = int.from_bytes(place[:4], "big")
    return place[4 : 4 + size], place[4 + size :]


def field_place(key: bytes, field: bytes) -> bytes:
    """One name for a hash field; unambiguous for any bytes."""
    return len(key).to_bytes(4, "big") + key + field
