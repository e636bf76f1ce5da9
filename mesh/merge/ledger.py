"""Ledger: all increments that may still meet a write that had not seen them.  [compiled]

Two books, of counters in string keys and of those in hash fields: each has one log per stream and
database (mesh/merge/increments.py), and its generations (mesh/merge/counted.py).
"""

from __future__ import annotations

from mypy_extensions import i16, i64

from mesh.merge.counted import Counted
from mesh.merge.increments import DEAD, Increment, Log
from node.store.values.strings import I64_MAX, I64_MIN


class Book:
    """The increments of string keys, or those of hash fields: then a place is a `field_place`."""

    def __init__(self) -> None:
        self.logs: list[list[Log]] = []
        self.counted = Counted()
        self._last: Log | None = None  # the log that was asked for last
        self._last_db: i64 = 0

    def take(self) -> Book:
        """All that stands here, in a book of its own; this one is empty then."""
        taken = Book()
        taken.logs = [[log.take() for log in per_db] for per_db in self.logs]
        taken.counted = self.counted
        self.counted = Counted()
        self._begin()
        return taken

    def _begin(self) -> None:
        """What is written down from now on belongs to the present generation."""
        generation = self.counted.now.number
        for per_db in self.logs:
            for log in per_db:
                log.begin(generation)

    def log(self, db: i64, origin: i64) -> Log:
        """The log of a database and stream, made if it was not there."""
        last = self._last
        if last is not None and last.origin == origin and self._last_db == db:
            return last
        logs = self.logs
        while len(logs) <= db:
            logs.append([])
        per_db = logs[db]
        while len(per_db) <= origin:
            per_db.append(Log(len(per_db), self.counted.now.number))
        last = per_db[origin]
        self._last = last
        self._last_db = db
        return last

    def filled(self) -> list[Log]:
        """Every log that has records."""
        return [log for per_db in self.logs for log in per_db if log.records != 0]

    def live(self, db: i64, place: bytes, over: i64, flags: i16) -> list[Increment]:
        """The live increments of a place that count on `over`, of every stream; the flags are its
        entry's, or its field's."""
        return self._gather(db, place, over, self.counted.below(flags))

    def bury(self, db: i64, place: bytes, over: i64) -> None:
        """A register begins to be counted on: what counted on the same dot before is dead.

        A dot comes again where one unit clears and writes a key twice.
        """
        for each in self._gather(db, place, over, -1):
            each.move(DEAD)

    def _gather(self, db: i64, place: bytes, over: i64, below: i64) -> list[Increment]:
        """The live increments of a place but those of generations up to `below`."""
        found: list[Increment] = []
        if db < len(self.logs):
            for log in self.logs[db]:
                if log.records != 0:
                    log.live(place, over, below, found)
        return found

    def settle(
        self, db: i64, place: bytes, over: i64, before: i64, shown: int, flags: i16
    ) -> i64:
        """Takes the increments of a place that are not later than `before` for counted, where they
        are whole numbers and 64 bits hold what they make; `shown` is the sum of all.

        How many are left, later ones; -1: nothing was done, it is to be spelled out; -2: all are
        later.
        """
        logs = [each for each in self.logs[db] if each.records != 0]
        below = self.counted.below(flags)
        count = 0
        left = 0
        sum_left = 0
        for log in logs:
            found, later, total = log.sum_after(place, over, below, before)
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
                log.bury(place, over, before)
        return left if left < count else -2

    # --- generations ----------------------------------------------------------------------------

    def is_due(self) -> bool:
        """Is the generation that is written to be sealed? Asked once a heartbeat at most."""
        now = self.counted.now
        found: i64 = 0
        for log in self.filled():
            for chunk in log.chunks:
                if chunk.generation == now.number:
                    found += len(chunk.places)
        now.beats += 1
        return found > 0 and self.counted.is_due(found)

    def seal(self) -> None:
        """The generation that was written until now ends."""
        top: i64 = 0
        for log in self.filled():
            for chunk in log.chunks:
                if chunk.top > top:
                    top = chunk.top
        self.counted.seal(top)
        self._begin()

    def keep(self, db: i64, place: bytes, increments: list[Increment], until: i64) -> None:
        """Writes those anew whose generation, up to this one, they are to leave: the records that
        they had are dead."""
        for one in increments:
            chunk = one.chunk
            if chunk is not None and chunk.generation <= until:
                over = chunk.over(one.at)
                one.move(DEAD)
                self.log(db, one.origin).add(place, one, over)

    def records(self) -> int:
        """How many increments are remembered."""
        return sum(int(log.records) for per_db in self.logs for log in per_db)


class Ledger:
    """Both books."""

    def __init__(self) -> None:
        self.strings = Book()
        self.fields = Book()

    def take(self) -> Ledger:
        """All that stands here, in a ledger of its own; this one is empty then."""
        taken = Ledger()
        taken.strings = self.strings.take()
        taken.fields = self.fields.take()
        return taken

    def list_some(self, places: int) -> bool:
        """As of one log; True: there is more."""
        return any(
            log.list_some(places) for book in (self.strings, self.fields) for log in book.filled()
        )

    def records(self) -> int:
        """How many increments are remembered."""
        return self.strings.records() + self.fields.records()
