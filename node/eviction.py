"""Eviction: keys go when the data comes near `maxmemory`, as `maxmemory-policy` chooses.

An eviction takes what this node has seen of a key, and nothing competes with it: a value that
another node writes at the same time stays, whatever the clocks say. It is sent to the mesh as any
removal is (`mesh-eviction replicate`), so all nodes go on holding the same. It begins at 90 % and
goes faster the nearer the limit is, so that a burst has room; never because a peer is away.

How much the data takes is estimated as MEMORY USAGE does it, from the keys looked at last. What the
mesh remembers beside it has a limit of its own (`mesh-unstable-max-bytes`).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from node.commands.footprint import SAMPLES, footprint
from node.gates import IS_FENCED, IS_LOADING, IS_OUT_OF_MEMORY, IS_OVER_CAP, IS_READONLY
from node.store.effect import DROP
from node.store.entry import Entry
from node.store.events import EVICTED
from node.store.keyspace import Database
from node.store.shards import SHARDS

if TYPE_CHECKING:
    from node.engine import Engine

BEGIN: Final = 0.9
# A node whose own writes the mesh would not take evicts nothing either.
NO_WRITES: Final = IS_FENCED | IS_OVER_CAP
# Keys that one tick measures: about a millisecond. Of so many the mean is known well enough.
MEASURED_PER_TICK: Final = 200
MEASURED_KEPT: Final = 4096
# Keys that one tick evicts, at 90 % and at the limit: at ten ticks a second 200 to 10,000 a second.
SLOWEST: Final = 20
FASTEST: Final = 1000
# So many keys are looked at for one with a deadline.
TRIES_PER_SAMPLE: Final = 20
NONE: Final = "noeviction"


class Eviction:
    """Of one engine; `step` once per tick."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._sizes: deque[int] = deque(maxlen=MEASURED_KEPT)
        self._sum = 0
        self._shards: list[tuple[Database, int]] = []
        self._at: Database | None = None
        self._keys: list[bytes] = []

    def used_bytes(self) -> int:
        """What the data takes, by the keys that were measured last."""
        keys = sum(int(db.keys.size) for db in self.engine.databases)
        return keys * self._sum // len(self._sizes) if self._sizes else 0

    def step(self) -> bool:
        """Measures, and evicts a tick's share; True: there is more to do at once."""
        engine = self.engine
        limit = engine.config.number("maxmemory")
        if limit <= 0 or engine.closed & (IS_LOADING | IS_READONLY):
            engine.closed &= ~IS_OUT_OF_MEMORY
            return False
        self._measure()
        used = self.used_bytes()
        policy = engine.config.text("maxmemory-policy")
        if policy != NONE and used > limit * BEGIN and not engine.closed & NO_WRITES:
            used = self._evict(policy, limit, used)
        if used > limit:
            engine.closed |= IS_OUT_OF_MEMORY
        else:
            engine.closed &= ~IS_OUT_OF_MEMORY
        return False

    def evict(self, db: Database, key: bytes) -> None:
        """One key goes, a unit of its own."""
        self.engine.writer.emit(db, DROP, key, None, 0, EVICTED)
        self.engine.publish()
        self.engine.evicted_keys += 1

    def _evict(self, policy: str, limit: int, used: int) -> int:
        share = min(1.0, (used - limit * BEGIN) / (limit * (1.0 - BEGIN)))
        budget = int(SLOWEST + (FASTEST - SLOWEST) * share)
        for _ in range(budget):
            found = self._worst(policy)
            if found is None:
                break
            self.evict(*found)
            used = self.used_bytes()
            if used <= limit * BEGIN:
                break
        return used

    def _worst(self, policy: str) -> tuple[Database, bytes] | None:
        """Of `maxmemory-samples` keys the one that the policy gives away first."""
        timed = policy.startswith("volatile")
        if timed and not any(db.expires for db in self.engine.databases):
            return None
        wanted = self.engine.config.number("maxmemory-samples")
        best: tuple[Database, bytes] | None = None
        best_rank = 0
        for _ in range(wanted * TRIES_PER_SAMPLE):
            found = self._next()
            if found is None:
                break
            db, key, entry = found
            if timed and entry.deadline == 0:
                continue
            rank = self._rank(policy, db, entry)
            if best is None or rank < best_rank:
                best, best_rank = (db, key), rank
            wanted -= 1
            if wanted == 0:
                break
        return best

    def _rank(self, policy: str, db: Database, entry: Entry) -> int:
        """The lowest goes first: longest unused, seldom used, soonest past its deadline."""
        if policy.endswith("ttl"):
            return int(entry.deadline)
        if policy.endswith("random"):
            return 0
        if db.frequency is not None:
            return int(db.frequency.counter(int(entry.clock), int(db.now.seconds)))
        return int(entry.clock)

    def _measure(self) -> None:
        for _ in range(MEASURED_PER_TICK):
            if self._next() is None:
                return

    def _next(self) -> tuple[Database, bytes, Entry] | None:
        """The next key of a round over all of them, measured; None where there are none."""
        rounds = 0
        while True:
            if not self._keys:
                if not self._shards:
                    rounds += 1
                    if rounds > 1:
                        return None
                    self._shards = [
                        (db, number) for db in self.engine.databases if db.keys.size
                        for number in range(SHARDS)
                    ]
                    self.engine.random.shuffle(self._shards)
                    continue
                db, number = self._shards.pop()
                self._at = db
                self._keys = list(db.keys.dicts[number])
                self.engine.random.shuffle(self._keys)
                continue
            db_at = self._at
            assert db_at is not None
            key = self._keys.pop()
            entry = db_at.keys.get(key)
            if entry is None or db_at.merging is not None:
                continue
            self._note(footprint(key, entry.value, SAMPLES))
            return db_at, key, entry

    def _note(self, size: int) -> None:
        if len(self._sizes) == MEASURED_KEPT:
            self._sum -= self._sizes[0]
        self._sizes.append(size)
        self._sum += size
