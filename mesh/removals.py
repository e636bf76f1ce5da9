"""Removals that wait for writes not seen yet (semantics.md 2, "Pending removal").  [compiled]

A removal whose context names writes that have not arrived here is remembered until this node's
vector covers that context; a late write that it had seen is dropped on arrival. Kept by key, and
for FLUSH by database. With two nodes none of these ever waits.

A newest-wins removal (docs/decisions/0026) overrules older writes that it had not seen, of every
stream that its writer had heard of: it waits, on every node, its own among them, until these
streams have passed its stamp.

Thousands may wait while a link of three nodes is cut, and after each frame some may be past: each
is filed under the first write it waits for, so a frame costs as many looks as there are streams.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Final

from librt.strings import read_i64_le
from mypy_extensions import i64

from mesh.dots import Stream, Streams, row_of, unpack_row

# Kinds of scope.
KEY: Final = 0
TYPE: Final = 1
TTL: Final = 2
MEMBER: Final = 3
FIELD: Final = 4
SPAN: Final = 5  # elements of a list, entries of a stream: the first and last name of a span
SCORE: Final = 6  # a member of a sorted set
PLACE: Final = 7  # a position, group, consumer or pending entry of a stream
DEADLINE: Final = 8  # that of a field or member: a byte of its type's slot, and its name

END_OF_ALL: Final = 1 << 62  # above every stamp


def deadline_scope(slot: int, place: bytes) -> tuple[int, bytes]:
    """The scope of a field's or member's deadline alone."""
    return DEADLINE, bytes((slot,)) + place


class Pending:
    """What one effect clears, and what its writer had seen; the own stream's place in `row` is 0.

    `ranks`: the streams, where it is newest-wins and overrules what is older than `stamp`.
    """

    def __init__(
        self, stamp: i64, origin: i64, row: bytes, scopes: list[tuple[int, bytes]],
        ranks: Streams | None = None,
    ) -> None:  # fmt: skip
        self.stamp: i64 = stamp
        self.origin: i64 = origin
        self.row = row
        self.scopes = scopes
        self.ranks = ranks

    def covers(self, stamp: i64, origin: i64) -> bool:
        """Had the removal seen this dot, or does it overrule it?"""
        place = origin << 3
        if place + 8 <= len(self.row) and stamp <= read_i64_le(self.row, place):
            return True
        return self.overrules(stamp, origin)

    def overrules(self, stamp: i64, origin: i64) -> bool:
        """Is it newest-wins, and this dot an older one of a stream that its writer knew?

        Only of these: one that nobody has heard of yet may begin with any stamp, so a removal that
        is over could not be told from one that is not.
        """
        ranks = self.ranks
        if ranks is None or (origin != self.origin and self._row_at(origin) == 0):
            return False
        return ranks.newer(self.stamp, self.origin, stamp, origin)

    def _row_at(self, number: i64) -> i64:
        place = number << 3
        return read_i64_le(self.row, place) if place + 8 <= len(self.row) else 0

    def waits_for(self, stream: Stream) -> i64:
        """The stamp up to which it still needs this stream; 0 where it needs nothing of it."""
        number = stream.number
        stamp = self._row_at(number)
        if stamp != 0 and stamp < self.stamp and self.ranks is not None and number != 0:
            stamp = self.stamp  # the own stream's clock is past it
        return stamp if stream.lacks(stamp) else 0

    def renumber(self, former: i64) -> None:
        """Number 0 is a new stream of this node; that before it has this number."""
        if self.origin == 0:
            self.origin = former
        numbers = unpack_row(self.row)
        numbers += [0] * (int(former) + 1 - len(numbers))
        numbers[int(former)] = numbers[0]
        numbers[0] = 0
        self.row = row_of(numbers)

    def takes_in(self, other: Pending) -> bool:
        """Of two newest-wins removals of one writer, the later of the same places says it all."""
        if self.ranks is None or other.ranks is None or self.origin != other.origin:
            return False
        if self.stamp > other.stamp or self.scopes != other.scopes:
            return False
        self.stamp = other.stamp
        self.row = other.row
        return True


class Removals:
    """All that wait."""

    def __init__(self, streams: Streams) -> None:
        self.streams = streams
        self.count: i64 = 0
        self.by_key: dict[tuple[int, bytes], list[Pending]] = {}
        self.flushes: dict[int, list[Pending]] = {}
        # By stream: (stamp that is waited for, running number, db, key or None for all, removal).
        self._waiters: dict[int, list[tuple[int, int, int, bytes | None, Pending]]] = {}
        self._filed = 0

    def touches(self, db: i64, key: bytes) -> bool:
        """Does anything wait that may concern this key?"""
        if self.count == 0:
            return False
        return (int(db), key) in self.by_key or int(db) in self.flushes

    def add(self, db: i64, key: bytes, pending: Pending) -> None:
        """Remembers a removal of a key's scopes."""
        if pending.ranks is not None and self._past(pending):
            return  # nobody is there who might have written
        waiting = self.by_key.setdefault((int(db), key), [])
        if waiting and waiting[-1].takes_in(pending):
            return
        waiting.append(pending)
        self.count += 1
        self._file(int(db), key, pending)

    def add_flush(self, db: i64, pending: Pending) -> None:
        """Remembers a flush of a whole database."""
        if pending.ranks is not None and self._past(pending):
            return
        self.flushes.setdefault(int(db), []).append(pending)
        self.count += 1
        self._file(int(db), None, pending)

    def waiting(self, db: i64, key: bytes) -> list[Pending]:
        """The removals that concern a key."""
        return self.by_key.get((int(db), key), []) + self.flushes.get(int(db), [])

    def drops(
        self, db: i64, key: bytes, scopes: list[tuple[int, bytes]], stamp: i64, origin: i64
    ) -> bool:
        """Is a new dot that lies in all of `scopes` cleared by a removal that waits?"""
        for pending in self.waiting(db, key):
            if pending.stamp == stamp and pending.origin == origin:
                continue  # the same unit: its removals are in order with its adds
            if not pending.covers(stamp, origin):
                continue
            for scope in pending.scopes:
                if scope[0] == KEY or scope in scopes:
                    return True
        return False

    def reset(self) -> None:
        """Nothing waits: another state takes the place of the one that they were for."""
        self.count = 0
        self.by_key = {}
        self.flushes = {}
        self._waiters = {}

    def settle(self) -> None:
        """Forgets what this node's vector covers now."""
        for number in list(self._waiters):
            stream = self.streams.all[number]
            seen = int(stream.seen)
            if stream.is_over():
                seen = END_OF_ALL  # what it has lost will never come
            heap = self._waiters[number]
            while heap and heap[0][0] <= seen:
                _, _, db, key, pending = heappop(heap)
                if self._past(pending):
                    self._forget(db, key, pending)
                else:
                    self._file(db, key, pending)
            if not heap:
                del self._waiters[number]

    def _file(self, db: int, key: bytes | None, pending: Pending) -> None:
        """Under the first write that has not arrived; under the own stream where all have."""
        number = 0
        stamp = 0
        for stream in self.streams.all:
            stamp = int(pending.waits_for(stream))
            if stamp != 0:
                number = int(stream.number)
                break
        self._filed += 1
        heap = self._waiters.setdefault(number, [])
        heappush(heap, (stamp, self._filed, db, key, pending))

    def _forget(self, db: int, key: bytes | None, pending: Pending) -> None:
        self.count -= 1
        if key is None:
            kept = [each for each in self.flushes[db] if each is not pending]
            if kept:
                self.flushes[db] = kept
            else:
                del self.flushes[db]
            return
        kept = [each for each in self.by_key[db, key] if each is not pending]
        if kept:
            self.by_key[db, key] = kept
        else:
            del self.by_key[db, key]

    def _past(self, pending: Pending) -> bool:
        return all(pending.waits_for(stream) == 0 for stream in self.streams.all)
