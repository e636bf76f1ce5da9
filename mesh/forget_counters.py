"""Forgetting increments: those that are stable become part of the value they count on.  [compiled]

By generations (mesh/merge/counted.py): each key or field that was counted up in a sealed one is
looked at once, however often it was, and its increments are not. Those that cannot go yet are
written anew, so that all chunks of a generation go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mypy_extensions import i64

from mesh.fold import fold_field, fold_key, fold_quickly, may_count
from mesh.merge.counted import Generation
from mesh.merge.dot_forget import fold_noted, fold_slot
from mesh.merge.increments import Log, key_and_field
from mesh.merge.opening import open_state
from mesh.merge.place_forget import in_sight
from mesh.merge.rule import Memory
from node.engine import Engine
from node.store.entry import (
    COUNT_BITS,
    COUNT_MARK,
    COUNTED,
    Entry,
    Field,
)  # fmt: skip
from node.store.trash import SLOW_FREE

QUICK_AT_ONCE: Final = 8  # keys that fold without being spelled out, likewise
# Freeing so many records of a chunk takes as long as one look at the budget does.
RECORDS_FREED: Final = 20
# The sealed generation, and the one that was written until now: after them nothing has changed.
GENERATIONS: Final = 2


class CounterForgetter:
    """What mesh/forget.py does with the ledgers of all databases."""

    def __init__(self, engine: Engine, memory: Memory) -> None:
        self.engine = engine
        self.memory = memory

    def are_due(self) -> bool:
        """Is a generation to be sealed, perhaps, or a sealed one stable? Where nothing more comes
        to a disk only heartbeats ask."""
        ledger = self.memory.ledger
        if ledger.records() == 0:
            return False
        before = self.memory.cut.before
        for counted in (ledger.counted, ledger.counted_fields):
            sealed = counted.sealed
            if sealed is None or sealed.top <= before:
                return True
        return False

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
            yield from self._drop(log, sealed.number)
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
        """The same of fields."""
        ledger = self.memory.ledger
        for _ in range(GENERATIONS):
            sealed = ledger.counted_fields.sealed
            if sealed is None:
                if not ledger.are_fields_due():
                    return
                ledger.seal_fields()
                sealed = ledger.counted_fields.sealed
            if sealed is None or sealed.top > self.memory.cut.before:
                return
            yield from self._retire_fields(sealed)

    def _retire_fields(self, sealed: Generation) -> Iterator[None]:
        """All fields of a generation, then its chunks, as _retire."""
        ledger = self.memory.ledger
        counted = ledger.counted_fields
        counted.begin()
        at: i64 = 0
        n: i64 = len(sealed.keys)
        while at < n:
            end = min(at + QUICK_AT_ONCE, n)
            while at < end:
                slot = sealed.slots[at]
                if (
                    slot is not None and slot.flags & COUNT_MARK == counted.mark
                    and not sealed.odd and not counted.now.odd
                ):  # fmt: skip
                    quick = fold_slot(sealed, slot, self.memory.cut)
                else:
                    quick = self._fold_field(sealed, sealed.dbs[at], sealed.keys[at], slot)
                at += 1
                if not quick:
                    self._spell_out_field(sealed, int(sealed.dbs[at - 1]), sealed.keys[at - 1])
                    break
            yield None
            if ledger.counted_fields is not counted:
                return
        for number, place in sealed.odd:
            self._spell_out_field(sealed, number, place)
            yield None
            if ledger.counted_fields is not counted:
                return
        for log in ledger.field_logs():
            yield from self._drop(log, sealed.number)
            if ledger.counted_fields is not counted:
                return
        counted.end()
        if n > SLOW_FREE:
            self.engine.writer.trash += [sealed.keys, sealed.slots]

    def _fold_field(
        self, sealed: Generation, db: i64, place: bytes, noted: Field | None
    ) -> bool:
        """The quick way of nearly every field; False: it is to be spelled out."""
        now = self.memory.ledger.counted_fields.now
        if sealed.is_odd(db, place) or now.is_odd(db, place):
            return False
        cut = self.memory.cut
        if noted is not None and noted.flags & COUNT_MARK == now.mark:
            return fold_slot(sealed, noted, cut)
        key, name = key_and_field(place)
        entry = self.engine.databases[db].raw(key)
        return entry is None or fold_noted(sealed, now.mark, entry, name, noted, cut)

    def _spell_out_field(self, sealed: Generation, number: int, place: bytes) -> None:
        """Any field: as _spell_out."""
        db = self.engine.databases[number]
        key, name = key_and_field(place)
        entry = db.raw(key)
        if entry is None:
            return
        memory = self.memory
        unparked = in_sight(entry, [name])
        if may_count(entry, name):
            fold_field(memory, db, key, name, entry)
            state = open_state(entry, number, key, False, memory.streams, memory.ledger)
            slot = None if state.hash is None else state.hash.slot(name)
            if isinstance(slot, Field) and slot.flags & COUNTED:
                for one in state.field_of(name, slot).increments:
                    chunk = one.chunk
                    if chunk is not None and chunk.generation <= sealed.number:
                        memory.ledger.keep_field(number, place, one)
                slot.flags &= ~COUNT_BITS
                memory.ledger.counted_fields.see(number, place)
        for parked in unparked:
            parked.park(db.now.ms)

    def _drop(self, log: Log, until: i64) -> Iterator[None]:
        """The chunks of generations up to this one."""
        chunk = log.drop_one(until)
        while chunk is not None:
            for _ in range(1 + len(chunk.places) // RECORDS_FREED):
                yield None
            chunk = log.drop_one(until)
