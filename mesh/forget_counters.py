"""Forgetting increments: those that are stable fold into the value they count on, a chunk of the
ledger at a time.  [compiled]"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from librt.strings import read_i64_le
from mypy_extensions import i64

from mesh.fold import fold_field, fold_key, may_count
from mesh.merge.increments import RECORD_BYTES, Chunk, key_and_field
from mesh.merge.opening import open_state
from mesh.merge.place_forget import in_sight
from mesh.merge.rule import Memory
from node.engine import Engine
from node.store.entry import COUNTED, Entry
from node.store.keyspace import Database

DEAD_AT_ONCE: Final = 64  # records with nothing to do, between two looks at the budget
SETTLED_MOST: Final = 2000  # places: a dict of so many takes 0.1 ms to grow


class CounterForgetter:
    """What mesh/forget.py does with the ledgers of all databases."""

    def __init__(self, engine: Engine, memory: Memory) -> None:
        self.engine = engine
        self.memory = memory

    def forget(self, of_fields: bool) -> Iterator[None]:
        """Chunks of increments that are stable as a whole: their places fold, and they go."""
        cut = self.memory.cut
        # Places of a database of which no increment up to this stamp counts.
        settled: dict[bytes, int] = {}
        last_db = -1
        for db, log in self.memory.ledger.logs(of_fields):
            if db != last_db:
                settled.clear()
                last_db = db
            for chunk in list(log.chunks):
                newest = chunk.newest_stamp()
                if not chunk.places or newest > cut.before:
                    continue
                alive = False
                known = len(chunk.places)  # up to here nothing is newer
                at = 0
                while at < len(chunk.places):  # more may come between two slices
                    place = chunk.places[at]
                    at += 1
                    if chunk.is_dead(at - 1):
                        if of_fields or (at <= known and settled.get(place, 0) >= newest):
                            if at % DEAD_AT_ONCE == 0:
                                yield None
                            continue
                        if self._uncount(db, place):
                            settled[place] = int(cut.before)
                    elif self._counts(db, chunk, at - 1, of_fields):
                        alive = True
                    elif not of_fields and chunk.is_dead(at - 1):
                        settled[place] = int(cut.before)
                    if len(settled) > SETTLED_MOST:
                        settled.clear()
                    yield None
                if not alive and chunk.newest_stamp() <= cut.before:
                    log.drop(chunk)

    def _uncount(self, number: int, key: bytes) -> bool:
        """An increment died with what it counted on: does its key still look like a counter?
        True: none up to the cut counts."""
        db = self.engine.databases[number]
        entry = db.raw(key)
        if entry is not None and entry.flags & COUNTED:
            return fold_key(self.memory, self.engine.writer.trash, db, key, entry)
        return True

    def _counts(self, number: int, chunk: Chunk, at: int, of_fields: bool) -> bool:
        """Does a record still count after its place was folded?"""
        db = self.engine.databases[number]
        place = chunk.places[at]
        key, field = key_and_field(place) if of_fields else (place, b"")
        entry = db.raw(key)
        if entry is None or not (of_fields or entry.flags & COUNTED):
            return False
        if not of_fields:
            fold_key(self.memory, self.engine.writer.trash, db, key, entry)
            return self._is_live(db, key, None, entry, chunk, at)
        unparked = in_sight(entry, [field])
        counts = False
        if may_count(entry, field):
            fold_field(self.memory, db, key, field, entry)
            counts = self._is_live(db, key, field, entry, chunk, at)
        for parked in unparked:
            parked.park(db.now.ms)
        return counts

    def _is_live(
        self, db: Database, key: bytes, field: bytes | None, entry: Entry, chunk: Chunk, at: int
    ) -> bool:
        """Is this record among the increments that the key, or a field of it, still has?"""
        if chunk.is_dead(at):
            return False
        stamp = read_i64_le(chunk.data(), i64(at) * RECORD_BYTES)
        memory = self.memory
        state = open_state(entry, db.number, key, False, memory.streams, memory.ledger)
        live = state.increments if field is None else state.field_state(field).increments
        return any(each.chunk is chunk and each.at == at and each.stamp == stamp for each in live)
