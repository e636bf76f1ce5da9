"""KeyState: everything the mesh remembers of one key, opened for a rule, closed to what shows.
[compiled]

An Entry is compact where nothing is contested; this is the same knowledge spelled out: registers,
increments, type claims, TTL claims, and the values of every type with their members' dots.
`clear` and `add` are the two halves of every write (semantics.md 2); `close` says what is visible
then, as an Outcome that store/mutate.py installs. Values are not touched here: their changes are
Steps. mesh/merge/opening.py makes a KeyState of an entry.
"""

from __future__ import annotations

from mypy_extensions import i16, i64

from mesh.merge.covers import Cover as Cover
from mesh.merge.increments import base_of
from mesh.merge.kinds.table import KINDS
from mesh.merge.patch_order import replayed
from mesh.merge.slots import (
    HASH_SLOT,
    SET_SLOT,
    SHOWN_ORDER,
    STRING_SLOT,
    empty_value,
)
from mesh.merge.spelled import FIELD_BASE as FIELD_BASE
from mesh.merge.spelled import FIELD_RIVALS as FIELD_RIVALS
from mesh.merge.spelled import SET_RIVALS as SET_RIVALS
from mesh.merge.spelled import FieldState as FieldState
from mesh.merge.spelled import Spelled
from mesh.merge.spelled import last_of as last_of
from mesh.merge.spelled import newest_claim as newest_claim
from mesh.merge.spelled import newest_of as newest_of
from mesh.merge.spelled import surviving as surviving
from mesh.merge.totals import keeps_text, total
from node.store.entry import (
    ABSENT,
    COUNTED,
    ENCODED,
    NO_REGISTER,
    RAW,
    STABLE,
    Claim,
    Dots,
    Entry,
)  # fmt: skip
from node.store.mutate import Outcome
from node.store.values.value import Value


class KeyState(Spelled):
    """One key spelled out, and what shows of it."""

    # --- what shows -----------------------------------------------------------------------------

    def close(self) -> Outcome:
        """The key's new header and steps: what is visible and what is remembered."""
        outcome = Outcome()
        outcome.steps = self.steps
        entry = outcome.result
        self.shed()
        slot = self.visible_slot()
        dots = Dots()
        hidden: list[object] = []
        for other in SHOWN_ORDER:
            if other != slot and self._keeps(other):
                hidden.append(self.value_of(other))
        if hidden:
            dots.hidden = hidden
        elif slot == STRING_SLOT:
            # Nothing is left that a touch could be the last change of.
            self.claims = [each for each in self.claims if each.number >= 0]
        if slot == STRING_SLOT:
            self._show_string(entry, dots)
            if self.claims:
                dots.claims = self.claims
        else:
            shown = self.value_of(slot)
            entry.value = empty_value(slot) if shown is None else shown
            mine = [each for each in self.claims if each.number == slot]
            if mine:
                newest = newest_claim(mine, self.streams)
                entry.stamp = newest.stamp
                entry.origin = i16(newest.origin)
                others = [each for each in self.claims if each is not newest]
                if others:
                    dots.claims = others
            elif self.claims:
                dots.claims = self.claims
            self._hide_string(entry, dots)
        if self.rivals:
            dots.rivals = self.rivals
        self._show_deadline(entry, dots)
        if (
            dots.registers is not None or dots.claims is not None or dots.ttls is not None
            or dots.hidden is not None or dots.rivals is not None or dots.base is not None
            or dots.patches is not None
        ):  # fmt: skip
            entry.dots = dots
        return outcome

    def visible_slot(self) -> int:
        """The slot of the newest claim; with none left, the first that is not empty."""
        best = Claim(0, 0, -1)
        for each in self.claims:
            if each.number >= 0 and (
                best.number < 0
                or self.streams.newer(each.stamp, each.origin, best.stamp, best.origin)
            ):
                best = each
        for register in self.registers:
            if register.value is not None and (
                best.number < 0
                or self.streams.newer(register.stamp, register.origin, best.stamp, best.origin)
            ):
                best = Claim(register.stamp, register.origin, STRING_SLOT)
        for one in self.increments:
            if best.number < 0 or self.streams.newer(
                one.stamp, one.origin, best.stamp, best.origin
            ):
                best = Claim(one.stamp, one.origin, STRING_SLOT)
        if self.patches:
            last = self.patches[-1]
            if best.number < 0 or self.streams.newer(
                last.stamp, last.origin, best.stamp, best.origin
            ):
                best = Claim(last.stamp, last.origin, STRING_SLOT)
        if best.number >= 0:
            return int(best.number)
        if not self.registers and not self.increments and not self.patches:
            for slot in SHOWN_ORDER:
                if self._holds(slot):
                    return slot
        return STRING_SLOT

    def _holds(self, slot: int) -> bool:
        """Is there content of a type, strings apart?"""
        if slot == SET_SLOT:
            return self.members > 0
        if slot == HASH_SLOT:
            return self.fields > 0
        value = self.opaque.get(slot)
        return value is not None and value.is_shown()

    def _keeps(self, slot: int) -> bool:
        """Is there anything of a type to be remembered, strings apart?"""
        timed = self.container(slot)
        if slot in self.timed or (timed is not None and timed.remembers()):
            return True
        value = self.opaque.get(slot)
        if value is None:
            return self._holds(slot)
        return KINDS[slot].remembers(value)

    def _show_string(self, entry: Entry, dots: Dots) -> None:
        base: object = None
        if self.registers:
            newest = newest_of(self.registers, self.streams)
            entry.stamp = newest.stamp
            entry.origin = i16(newest.origin)
            if newest.stamp == 0:  # the entry's stamp stays what it was, but is no dot
                entry.flags |= STABLE
                entry.stamp = self.stamp if self.stamp != 0 else 1
                entry.origin = i16(self.origin)
            base = newest.value
            if base is None:
                entry.flags |= ABSENT
            if len(self.registers) > 1:
                dots.registers = [each for each in self.registers if each is not newest]
        elif self.increments:
            last = last_of(self.increments)
            entry.stamp = last.stamp
            entry.origin = i16(last.origin)
            entry.flags |= NO_REGISTER
        elif self.patches:
            entry.stamp = self.patches[-1].stamp
            entry.origin = i16(self.patches[-1].origin)
            entry.flags |= NO_REGISTER
        over = base_of(entry.stamp, i64(entry.origin))
        self.ledger.strings.bury(self.db, self.key, over)
        if self.increments:
            entry.flags |= COUNTED
            self.ledger.strings.counted.see(self.db, self.key)
            for one in self.increments:
                one.move(over)
        if self.patches:
            self._show_patched(entry, dots, base)
        elif self.increments:
            if keeps_text(base):
                dots.base = base
            entry.value = total(base, self.increments)
        else:
            entry.value = base

    def _show_patched(self, entry: Entry, dots: Dots, base: object) -> None:
        """A string that was written in place."""
        entry.flags |= RAW
        dots.base = base
        dots.patches = self.patches
        if self.text_stays:
            entry.value = self.patched_text
        else:
            entry.value = replayed(base, self.increments, self.patches, self.streams)

    def _hide_string(self, entry: Entry, dots: Dots) -> None:
        """Another type shows: all registers are hidden; increments count on the newest of them."""
        if self.registers:
            dots.registers = self.registers
        if self.patches:
            dots.patches = self.patches
        if self.increments:
            entry.flags |= COUNTED
            self.ledger.strings.counted.see(self.db, self.key)
            if self.registers:
                newest = newest_of(self.registers, self.streams)
                over = base_of(newest.stamp, newest.origin)
            else:
                last = last_of(self.increments)
                over = base_of(last.stamp, last.origin)
            dots.over = over
            self.ledger.strings.bury(self.db, self.key, over)
            for one in self.increments:
                one.move(over)

    def _show_deadline(self, entry: Entry, dots: Dots) -> None:
        deadline: i64 = 0
        endless = len(self.ttls) == 0
        for each in self.ttls:
            if each.number == 0:
                endless = True
            elif each.number > deadline:
                deadline = each.number
        entry.deadline = 0 if endless else deadline
        if len(self.ttls) == 1 and self.ttls[0].stamp == 0 and (
            entry.flags & STABLE or isinstance(entry.value, Value)
        ):
            return
        if len(self.ttls) == 1 and not entry.flags & ~ENCODED and is_text(entry.value):
            only = self.ttls[0]
            if only.stamp == entry.stamp and only.origin == i64(entry.origin):
                return
        if entry.value is None and not self.ttls and (entry.flags == ABSENT or entry.stamp == 0):
            return
        dots.ttls = self.ttls


def is_text(value: object) -> bool:
    """Is this the value of a string?"""
    return isinstance(value, bytes) or isinstance(value, int)
