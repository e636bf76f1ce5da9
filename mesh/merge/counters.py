"""Counters of string keys (INCR): increments add up; a SET or DEL clears those it had seen.
[compiled]"""

from __future__ import annotations

from mypy_extensions import i16, i64

from mesh.merge.counted import MODEST
from mesh.merge.increments import Increment, base_of
from mesh.merge.patch_order import of_unit, patch_of
from mesh.merge.rule import Memory, Rule
from mesh.merge.state import Cover, KeyState
from mesh.merge.totals import keeps_text
from mesh.removals import KEY, TYPE
from node.ports import Seen
from node.store.effect import CREATION, Effect
from node.store.entry import ABSENT, COUNT_MARK, COUNTED, HELD, LATER, NO_REGISTER, Dots, Entry
from node.store.values.strings import NEAR


class Counters(Rule):
    """INCR, DECR, INCRBY, DECRBY, INCRBYFLOAT."""

    def __init__(self, memory: Memory) -> None:
        super().__init__(memory)
        self._book = memory.ledger.strings

    def local(self, effect: Effect, entry: Entry, fresh: bool) -> None:
        first = fresh or not entry.flags & COUNTED
        if fresh:
            begin_counting(entry, effect)
        else:
            dots = entry.dots
            if dots is not None:
                dots.claims = None
            if dots is not None and dots.patches is not None:
                if of_unit(dots.patches, effect.stamp, 0):
                    dots.patches.append(patch_of(effect))
                    return
            elif not entry.flags & (COUNTED | NO_REGISTER | ABSENT) and keeps_text(entry.value):
                if dots is None:
                    dots = Dots()
                    entry.dots = dots
                dots.base = entry.value
            entry.flags |= COUNTED
        self.log(effect, entry, first)

    def log(self, effect: Effect, entry: Entry, first: bool) -> None:
        """Remembers the increment; `first`: nothing counts on this register yet."""
        over = base_of(entry.stamp, i64(entry.origin))
        if first and entry.flags & LATER:
            self._book.bury(effect.db, effect.key, over)
        log = self._book.log(effect.db, effect.origin)
        counted = self._book.counted
        decimal = effect.value
        if effect.stamp <= counted.top and decimal is None:
            late = counted.note_late(effect.db, effect.key, entry)
            log.append_late(effect.key, effect.stamp, effect.number, over, late)
            return
        if entry.flags & COUNT_MARK != counted.mark:
            counted.note(effect.db, effect.key, entry)
        if isinstance(decimal, bytes):
            counted.see(effect.db, effect.key)
            log.append_decimal(effect.key, effect.stamp, decimal, over)
            return
        step = effect.number
        if step > MODEST or step < -MODEST:
            counted.now.large = True
        log.append(effect.key, effect.stamp, step, over)

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        if not self.plain(effect):
            return self.general(effect, entry, fresh, seen)
        if fresh:
            if not effect.flags & CREATION:
                return self.general(effect, entry, fresh, seen)
            begin_counting(entry, effect)
            self.log(effect, entry, True)
            return effect
        dots = entry.dots
        here = entry.value
        if (
            effect.flags & CREATION
            or effect.value is not None
            or not isinstance(here, int)
            or not (-NEAR < here < NEAR and -NEAR < effect.number < NEAR)
        ):
            return self.general(effect, entry, fresh, seen)
        if dots is not None and (
            dots.registers is not None or dots.claims is not None or dots.hidden is not None
            or dots.patches is not None
        ):  # fmt: skip
            return self.general(effect, entry, fresh, seen)
        first = not entry.flags & COUNTED
        entry.flags |= COUNTED
        self.log(effect, entry, first)
        return effect

    def scopes(self, effect: Effect) -> list[tuple[int, bytes]]:
        return [(KEY, b"")] if effect.flags & CREATION else [(TYPE, b"")]

    def change(self, state: KeyState, effect: Effect, cover: Cover) -> None:
        self.begin_string(state, effect, cover)
        if self.drops(effect, [(KEY, b"")]):
            return
        if state.patches and of_unit(state.patches, effect.stamp, effect.origin):
            state.add_patch(patch_of(effect))
            return
        decimal = effect.value
        text = decimal if isinstance(decimal, bytes) else None
        one = Increment(effect.stamp, effect.origin, effect.number, text)
        state.increments.append(one)
        self._book.log(effect.db, effect.origin).add(effect.key, one, 0)


def begin_counting(entry: Entry, effect: Effect) -> None:
    """A counter is made by this INCR; its TTL claim "none" is under the same dot, unspoken."""
    entry.dots = None
    entry.flags = (entry.flags & HELD) | COUNTED | NO_REGISTER
    if effect.index != 0:
        entry.flags |= LATER
    entry.deadline = 0
    entry.stamp = effect.stamp
    entry.origin = i16(effect.origin)
