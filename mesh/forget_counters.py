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
from mesh.forget_beside import Beside
from mesh.merge.counted import Generation
from mesh.merge.dot_forget import fold_marked, fold_noted, fold_slot
from mesh.merge.increments import Log, key_and_field
from mesh.merge.ledger import Book
from mesh.merge.opening import open_state
from mesh.merge.place_forget import in_sight
from mesh.merge.rule import Memory
from node.engine import Engine
from node.store.entry import (
    COUNT_BITS,
    COUNT_MARK,
    COUNTED,
    Field,
)  # fmt: skip
from node.store.trash import SLOW_FREE
from node.store.writer import READY

QUICK_AT_ONCE: Final = 8  # keys that fold without being spelled out, in one look at the budget
# Freeing so many records of a chunk takes as long as one look at the budget does.
RECORDS_FREED: Final = 20
# Fields are left to the present generation where it has one of so many counted up already.
LEFT_SHARE: Final = 4
# The sealed generation, and the one that was written until now: after them nothing has changed.
GENERATIONS: Final = 2


class CounterForgetter:
    """What mesh/forget.py does with the ledgers of all databases."""

    def __init__(self, engine: Engine, memory: Memory, beside: Beside) -> None:
        self.engine = engine
        self.memory = memory
        self.beside = beside

    def are_due(self) -> bool:
        """Is a generation to be sealed, perhaps, or a sealed one stable? Where nothing more comes
        to a disk only heartbeats ask."""
        ledger = self.memory.ledger
        if ledger.records() == 0:
            return False
        before = self.memory.cut.before
        for book in (ledger.strings, ledger.fields):
            sealed = book.counted.sealed
            if sealed is None or sealed.top <= before:
                return True
        return False

    # --- generations ----------------------------------------------------------------------------

    def forget(self, book: Book) -> Iterator[None]:
        """Generations that are stable as a whole: their counters fold, and their chunks go."""
        for _ in range(GENERATIONS):
            sealed = book.counted.sealed
            if sealed is None:
                if not book.is_due():
                    return
                book.seal()
                sealed = book.counted.sealed
            if sealed is None or sealed.top > self.memory.cut.before:
                return
            yield from self._retire(book, sealed)

    def _retire(self, book: Book, sealed: Generation) -> Iterator[None]:
        """All counters of a generation, then its chunks; the book may have another when it goes
        on: all data was replaced meanwhile."""
        counted = book.counted
        counted.begin()
        is_strings = book is self.memory.ledger.strings
        now = counted.now
        writer = self.engine.writer
        at: i64 = 0
        n: i64 = len(sealed.keys)
        # As many are counted up again: those that are not yet are about to be.
        may_leave = not is_strings and len(now.keys) * LEFT_SHARE >= n
        while at < n:
            end = min(at + QUICK_AT_ONCE, n)
            while at < end:
                if not is_strings and writer.walk is None:
                    at = self._fold_marked(sealed, now, at, end)
                    if at == end:
                        break
                if not self._is_ready(is_strings, sealed.dbs[at], sealed.keys[at]):
                    break
                if is_strings:
                    quick = self._fold_key(sealed, now, at)
                else:
                    quick = may_leave and self._leave(sealed, now, at)
                    if not quick:
                        quick = self._fold_field(
                            sealed, now, sealed.dbs[at], sealed.keys[at], sealed.slots[at]
                        )
                at += 1
                if not quick:
                    self._spell_out(book, sealed, int(sealed.dbs[at - 1]), sealed.keys[at - 1])
                    break
            yield None
            if book.counted is not counted:
                return
        for number, place, slot in rest_of(sealed):
            while not self._is_ready(is_strings, i64(number), place):
                yield None
                if book.counted is not counted:
                    return
            if slot is None or not self._fold_field(sealed, now, i64(number), place, slot):
                self._spell_out(book, sealed, number, place)
            yield None
            if book.counted is not counted:
                return
        for log in book.filled():
            yield from self._drop(log, sealed.number)
            if book.counted is not counted:
                return
        counted.end()
        if n > SLOW_FREE:
            writer.trash += [sealed.keys, sealed.entries, sealed.slots, sealed.left]

    def _is_ready(self, is_string: bool, db: i64, place: bytes) -> bool:
        """May this counter fold now? All of a generation must before its chunks go: so where one
        is to wait the slice ends."""
        if self.engine.writer.walk is None:
            return True  # without a look at the counter's name, which is far away
        key = place if is_string else key_and_field(place)[0]
        return self.beside.stand(db, key, True) == READY

    def _spell_out(self, book: Book, sealed: Generation, number: int, place: bytes) -> None:
        """Any counter: folds as far as it can; what is left of the generation is written anew."""
        if book is self.memory.ledger.strings:
            self._spell_out_key(sealed, number, place)
        else:
            self._spell_out_field(sealed, number, place)

    def _drop(self, log: Log, until: i64) -> Iterator[None]:
        """The chunks of generations up to this one."""
        chunk = log.drop_one(until)
        while chunk is not None:
            for _ in range(1 + len(chunk.places) // RECORDS_FREED):
                yield None
            chunk = log.drop_one(until)
        while log.free():
            yield None

    # --- string keys ----------------------------------------------------------------------------

    def _fold_key(self, sealed: Generation, now: Generation, at: i64) -> bool:
        """The quick way of nearly every counter; False: it is to be spelled out."""
        db = sealed.dbs[at]
        key = sealed.keys[at]
        entry = sealed.entries[at]
        if sealed.is_odd(db, key) or now.is_odd(db, key):
            return False
        if now.large and entry.flags & COUNT_MARK == now.mark:
            return False
        return fold_quickly(sealed, now.mark, entry, self.memory.cut)

    def _spell_out_key(self, sealed: Generation, number: int, key: bytes) -> None:
        """A string key."""
        db = self.engine.databases[number]
        entry = db.raw(key)
        if entry is None or not entry.flags & COUNTED:
            return
        memory = self.memory
        fold_key(memory, self.engine.writer.trash, db, key, entry)
        if not entry.flags & COUNTED:
            return
        state = open_state(entry, number, key, False, memory.streams, memory.ledger)
        book = memory.ledger.strings
        book.keep(number, key, state.increments, sealed.number)
        entry.flags &= ~COUNT_BITS
        book.counted.see(number, key)

    # --- hash fields ----------------------------------------------------------------------------

    def _fold_marked(self, sealed: Generation, now: Generation, at: i64, end: i64) -> i64:
        """The quickest way, of those that were counted up since, until one needs another way; where
        that is."""
        if sealed.odd or now.odd:
            return at
        return fold_marked(sealed, now.mark, self.memory.cut, at, end)

    def _leave(self, sealed: Generation, now: Generation, at: i64) -> bool:
        """Leaves a field, folded, to the present generation. It goes on to be a counter: to make a
        plain value of it, and a counter again, takes longer than to look at it once more."""
        slot = sealed.slots[at]
        if sealed.odd or now.odd or slot is None or slot.flags & COUNT_MARK != sealed.mark:
            return False
        if not slot.flags & COUNTED or not fold_slot(sealed, slot, self.memory.cut):
            return False
        now.leave(sealed.dbs[at], sealed.keys[at], slot)
        return True

    def _fold_field(
        self, sealed: Generation, now: Generation, db: i64, place: bytes, noted: Field | None
    ) -> bool:
        """The quick way of nearly every field; False: it is to be spelled out."""
        if (sealed.odd or now.odd) and (sealed.is_odd(db, place) or now.is_odd(db, place)):
            return False
        cut = self.memory.cut
        if noted is not None and noted.flags & COUNT_MARK == now.mark:
            return fold_slot(sealed, noted, cut)
        key, name = key_and_field(place)
        entry = self.engine.databases[db].raw(key)
        return entry is None or fold_noted(sealed, now.mark, entry, name, noted, cut)

    def _spell_out_field(self, sealed: Generation, number: int, place: bytes) -> None:
        """A field of a hash."""
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
                book = memory.ledger.fields
                increments = state.field_of(name, slot).increments
                book.keep(number, place, increments, sealed.number)
                slot.flags &= ~COUNT_BITS
                book.counted.see(number, place)
        for parked in unparked:
            parked.park(db.now.ms)


def rest_of(sealed: Generation) -> Iterator[tuple[int, bytes, Field | None]]:
    """The counters of a generation that were not counted up in it, or are to be spelled out."""
    yield from sealed.left
    for number, place in sealed.odd:
        yield number, place, None
