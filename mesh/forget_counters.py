"""Forgetting increments: those that are stable become part of the value they count on.  [compiled]

Of string keys by generations (mesh/merge/counted.py): each key that was counted up in a sealed one
is looked at once, however often it was, and its increments are not. Those that cannot go yet are
written anew, so that all chunks of a generation go. Of hash fields by chunks, record by record.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from librt.strings import read_i64_le
from mypy_extensions import i64

from mesh.fold import fold_field, fold_key, fold_quickly, may_count
from mesh.merge.counted import Generation
from mesh.merge.increments import RECORD_BYTES, Chunk, key_and_field
from mesh.merge.opening import open_state
from mesh.merge.place_forget import in_sight
from mesh.merge.rule import Memory
from node.engine import Engine
from node.store.entry import COUNT_BITS, COUNT_MARK, COUNTED, Entry
from node.store.trash import SLOW_FREE

DEAD_AT_ONCE: Final = 64  # records with nothing to do, between two looks at the budget
QUICK_AT_ONCE: Final = 8  # keys that fold without being spelled out, likewise
# Chunks that are freed take as long as so many looks at the budget do.
CHUNK_LOOKS: Final = 200
# The sealed generation, and the one that was written until now: after them nothing has changed.
GENERATIONS: Final = 2


class CounterForgetter:
    """What mesh/forget.py does with the ledgers of all databases."""

    def __init__(self, engine: Engine, memory: Memory) -> None:
        self.engine = engine
        self.memory = memory

    # --- string keys ----------------------------------------------------------------------------

    def forget_strings(self) -> Iterator[None]:
        """Generations that are stable as a whole: their keys fold, and their chunks go."""
        ledger = self.memory.ledger
        for _ in range(GENERATIONS):
            sealed = ledger.counted.sealed
            if sealed is None:
                if not ledger.is_due():
                    return
                ledger.seal()
                sealed = ledger.counted.sealed
            if sealed is None or sealed.top > self.memory.cut.before:
                return
            yield from self._retire(sealed)

    def _retire(self, sealed: Generation) -> Iterator[None]:
        """All keys of a generation, then its chunks; `counted.sealed` may be another's when it
        goes on: all data was replaced meanwhile."""
        ledger = self.memory.ledger
        counted = ledger.counted
        counted.begin()
        at: i64 = 0
        n: i64 = len(sealed.entries)
        while at < n:
            end = min(at + QUICK_AT_ONCE, n)
            while at < end:
                number = sealed.dbs[at]
                key = sealed.keys[at]
                quick = self._fold_one(sealed, number, key, sealed.entries[at])
                at += 1
                if not quick:
                    self._spell_out(sealed, int(number), key)
                    break
            yield None
            if ledger.counted is not counted:
                return
        for number, key in sealed.odd:
            self._spell_out(sealed, number, key)
            yield None
            if ledger.counted is not counted:
                return
        for log in ledger.string_logs():
            while log.drop_one(sealed.number):
                for _ in range(CHUNK_LOOKS):
                    yield None
                if ledger.counted is not counted:
                    return
        counted.end()
        if n > SLOW_FREE:
            self.engine.writer.trash += [sealed.keys, sealed.entries]

    def _fold_one(self, sealed: Generation, db: i64, key: bytes, entry: Entry) -> bool:
        """The quick way of nearly every counter; False: it is to be spelled out."""
        now = self.memory.ledger.counted.now
        if sealed.is_odd(db, key) or now.is_odd(db, key):
            return False
        if now.large and entry.flags & COUNT_MARK == now.mark:
            return False
        return fold_quickly(sealed, now.mark, entry, self.memory.cut)

    def _spell_out(self, sealed: Generation, number: int, key: bytes) -> None:
        """Any key: folds as far as it can; what is left of the generation is written anew."""
        db = self.engine.databases[number]
        entry = db.raw(key)
        if entry is None or not entry.flags & COUNTED:
            return
        memory = self.memory
        fold_key(memory, self.engine.writer.trash, db, key, entry)
        if not entry.flags & COUNTED:
            return
        state = open_state(entry, number, key, False, memory.streams, memory.ledger)
        for one in state.increments:
            chunk = one.chunk
            if chunk is not None and chunk.generation <= sealed.number:
                memory.ledger.keep(number, key, one)
        entry.flags &= ~COUNT_BITS
        memory.ledger.counted.see(number, key)

    # --- hash fields ----------------------------------------------------------------------------

    def forget_fields(self) -> Iterator[None]:
        """Chunks of increments that are stable as a whole: their places fold, and they go."""
        cut = self.memory.cut
        for db, log in self.memory.ledger.field_logs():
            for chunk in list(log.chunks):
                if not chunk.places or chunk.top > cut.before:
                    continue
                alive = False
                at = 0
                while at < len(chunk.places):  # more may come between two slices
                    at += 1
                    if chunk.is_dead(at - 1):
                        if at % DEAD_AT_ONCE == 0:
                            yield None
                        continue
                    if self._counts(db, chunk, at - 1):
                        alive = True
                    yield None
                if not alive and chunk.top <= cut.before:
                    log.drop(chunk)

    def _counts(self, number: int, chunk: Chunk, at: int) -> bool:
        """Does a record still count after its field was folded?"""
        db = self.engine.databases[number]
        key, field = key_and_field(chunk.places[at])
        entry = db.raw(key)
        if entry is None:
            return False
        unparked = in_sight(entry, [field])
        counts = False
        if may_count(entry, field):
            fold_field(self.memory, db, key, field, entry)
            counts = self._is_live(number, key, field, entry, chunk, at)
        for parked in unparked:
            parked.park(db.now.ms)
        return counts

    def _is_live(
        self, number: int, key: bytes, field: bytes, entry: Entry, chunk: Chunk, at: int
    ) -> bool:
        """Is this record among the increments that a field still has?"""
        if chunk.is_dead(at):
            return False
        stamp = read_i64_le(chunk.data(), i64(at) * RECORD_BYTES)
        memory = self.memory
        state = open_state(entry, number, key, False, memory.streams, memory.ledger)
        live = state.field_state(field).increments
        return any(each.chunk is chunk and each.at == at and each.stamp == stamp for each in live)
