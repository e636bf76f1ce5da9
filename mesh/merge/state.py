"""KeyState: everything the mesh remembers of one key, opened for a rule, closed to what shows.
[compiled]

An Entry is compact where nothing is contested; this is the same knowledge spelled out: registers,
increments, type claims, TTL claims, and the values of every type with their members' dots.
`clear` and `add` are the two halves of every write (semantics.md 2); `close` says what is visible
then, as an Outcome that store/mutate.py installs. Values are not touched here: their changes are
Steps. mesh/merge/opening.py makes a KeyState of an entry.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i16, i64

from mesh.dots import Streams
from mesh.merge.covers import Cover as Cover
from mesh.merge.covers import fields_are_covered, members_are_covered
from mesh.merge.increments import DEAD, Increment, Ledger, base_of
from mesh.merge.kinds.table import KINDS
from mesh.merge.slots import (
    HASH_SLOT,
    OPAQUE_SLOTS,
    SET_SLOT,
    SHOWN_ORDER,
    STRING_SLOT,
    TOUCH,
    empty_value,
)
from mesh.merge.totals import beyond, keeps_text, total, without
from node.store.entry import (
    ABSENT,
    COUNTED,
    NO_REGISTER,
    Claim,
    Dot,
    Dots,
    Entry,
    Field,
    Register,
    Rivals,
)  # fmt: skip
from node.store.mutate import DeadlineStep, Outcome, Step
from node.store.values.container import Container
from node.store.values.hashes import HashValue
from node.store.values.sets import SetValue
from node.store.values.value import Value

SET_RIVALS: Final = b"s"
FIELD_RIVALS: Final = b"h"
FIELD_BASE: Final = b"b"


class FieldState:
    """One hash field spelled out: its registers and its live increments."""

    def __init__(self) -> None:
        self.registers: list[Register] = []
        self.increments: list[Increment] = []


class KeyState:
    """One key spelled out."""

    def __init__(self, db: i64, key: bytes, streams: Streams, ledger: Ledger) -> None:
        self.db: i64 = db
        self.key = key
        self.streams = streams
        self.ledger = ledger
        self.registers: list[Register] = []
        self.increments: list[Increment] = []
        self.claims: list[Claim] = []
        self.ttls: list[Claim] = []
        self.set: SetValue | None = None
        self.hash: HashValue | None = None
        self.opaque: dict[int, Value] = {}  # lists, sorted sets, streams; see `shed`
        self.members: i64 = 0
        self.fields: i64 = 0
        self.rivals: dict[bytes, Rivals] = {}
        self.steps: list[Step] = []
        self.contested = False  # a concurrent write of the same place was found
        self.overflows = 0  # counters that left 64 bits just now

    # --- clearing -------------------------------------------------------------------------------

    def clear_key(self, cover: Cover) -> None:
        """Clears the whole key: every slot, every claim."""
        self.clear_string(cover)
        self.clear_claims(cover)
        self.clear_ttls(cover)
        self.clear_members(cover)
        self.clear_fields(cover)
        self.clear_opaque(cover)

    def clear_string(self, cover: Cover) -> None:
        """Clears the string slot: registers and increments."""
        self.registers = [each for each in self.registers if not cover.has(each.stamp, each.origin)]
        self.increments = surviving(self.increments, cover)

    def clear_claims(self, cover: Cover) -> None:
        """Clears the type claims."""
        self.claims = [each for each in self.claims if not cover.has(each.stamp, each.origin)]

    def clear_ttls(self, cover: Cover) -> None:
        """Clears the TTL claims."""
        self.ttls = [each for each in self.ttls if not cover.has(each.stamp, each.origin)]

    def claims_slot(self, slot: int) -> bool:
        """Is a claim of this type left?"""
        return any(each.number == slot for each in self.claims)

    def clear_opaque(self, cover: Cover) -> None:
        """Clears the slots of lists, sorted sets and streams."""
        for slot, value in self.opaque.items():
            KINDS[slot].clear(value, cover)
        self.shed()

    def shed(self) -> None:
        """A value that is one thing lives exactly as long as a claim of its type does, one of many
        places as long as anything of it is remembered."""
        for slot in OPAQUE_SLOTS:
            value = self.opaque.get(slot)
            if value is None:
                continue
            kind = KINDS[slot]
            kept = kind.remembers(value) if kind.by_places else self.claims_slot(slot)
            if not kept:
                del self.opaque[slot]

    def is_seen(self, slot: int, cover: Cover) -> bool:
        """Had a write with this context seen the last change of this slot?"""
        for each in self.claims:
            concerns = each.number == slot or each.number == TOUCH
            if concerns and not cover.has(each.stamp, each.origin):
                return False
        if slot == STRING_SLOT:
            for register in self.registers:
                if not cover.has(register.stamp, register.origin):
                    return False
        return True

    def set_deadline(self, target: Container | None, place: bytes, deadline_ms: int) -> None:
        """A place that is there once all steps are carried out has this deadline; 0: none."""
        if target is not None and (deadline_ms != 0 or target.deadline_of(place) != 0):
            self.steps.append(DeadlineStep(target, place, deadline_ms))

    # --- members --------------------------------------------------------------------------------

    def member_dots(self, member: bytes) -> list[Register]:
        """All dots of a member, newest first or not: the one in its slot and its rivals."""
        value = self.set
        if value is None or not value.has(member):
            return []
        dot = value.dot_of(member)
        dots = [Register(0, 0, None) if dot is None else Register(dot.stamp, dot.origin, None)]
        rivals = self.rivals.get(SET_RIVALS + member)
        if rivals is not None:
            dots += rivals.registers
        return dots

    def revise_member(self, member: bytes, cover: Cover, dot: Dot | None) -> None:
        """Clears what `cover` has of a member, then adds `dot` if there is one."""
        dots = [each for each in self.member_dots(member) if not cover.has(each.stamp, each.origin)]
        if dot is not None:
            dots.append(Register(dot.stamp, dot.origin, None))
        self.put_member(member, dots)

    def put_member(self, member: bytes, dots: list[Register]) -> None:
        """Makes these the member's dots."""
        name = SET_RIVALS + member
        self.rivals.pop(name, None)
        value = self.set
        if value is None:
            if not dots:
                return
            value = SetValue()
            self.set = value
        present = value.has(member)
        if not dots:
            if present:
                self.steps.append(Step(value, member, None, True))
                self.members -= 1
            return
        newest = newest_of(dots, self.streams)
        self.steps.append(Step(value, member, Dot(newest.stamp, newest.origin), False))
        if len(dots) > 1:
            rivals = Rivals()
            rivals.registers = [each for each in dots if each is not newest]
            self.rivals[name] = rivals
        if not present:
            self.members += 1

    # --- fields ---------------------------------------------------------------------------------

    def field_state(self, field: bytes) -> FieldState:
        """All registers and live increments of a field."""
        state = FieldState()
        value = self.hash
        slot: object = None if value is None else value.slot(field)
        if slot is None:
            return state
        if not isinstance(slot, Field):
            state.registers.append(Register(0, 0, slot))
            return state
        if slot.flags & COUNTED:
            state.increments = self.ledger.of_field(
                self.db, self.key, field, base_of(slot.stamp, i64(slot.origin))
            )
        if not slot.flags & NO_REGISTER:
            base = slot.value
            if slot.flags & COUNTED:
                kept = self.rivals.get(FIELD_BASE + field)
                base = (
                    kept.registers[0].value if kept is not None else without(base, state.increments)
                )
            state.registers.append(Register(slot.stamp, i64(slot.origin), base))
        rivals = self.rivals.get(FIELD_RIVALS + field)
        if rivals is not None:
            state.registers += rivals.registers
        return state

    def clear_field(self, field: bytes, cover: Cover) -> None:
        """Clears what `cover` has of a field."""
        state = self.field_state(field)
        state.registers = [
            each for each in state.registers if not cover.has(each.stamp, each.origin)
        ]
        state.increments = surviving(state.increments, cover)
        self.put_field(field, state)

    def put_field(self, field: bytes, state: FieldState) -> None:
        """Makes this the field."""
        self.rivals.pop(FIELD_RIVALS + field, None)
        self.rivals.pop(FIELD_BASE + field, None)
        value = self.hash
        if value is None:
            if not state.registers and not state.increments:
                return
            value = HashValue()
            self.hash = value
        present = value.has(field)
        if not state.registers and not state.increments:
            if present:
                self.steps.append(Step(value, field, None, True))
                self.fields -= 1
            return
        slot = Field(None, 0, 0)
        base: object = None
        if state.registers:
            newest = newest_of(state.registers, self.streams)
            slot.stamp = newest.stamp
            slot.origin = i16(newest.origin)
            base = newest.value
            if len(state.registers) > 1:
                rivals = Rivals()
                rivals.registers = [each for each in state.registers if each is not newest]
                self.rivals[FIELD_RIVALS + field] = rivals
        else:
            last = last_of(state.increments)
            slot.stamp = last.stamp
            slot.origin = i16(last.origin)
            slot.flags = NO_REGISTER
        over = base_of(slot.stamp, i64(slot.origin))
        self.ledger.bury_field(self.db, self.key, field, over)
        if state.increments:
            slot.flags |= COUNTED
            for each in state.increments:
                each.move(over)
            if keeps_text(base):
                kept = Rivals()
                kept.registers = [Register(slot.stamp, i64(slot.origin), base)]
                self.rivals[FIELD_BASE + field] = kept
        slot.value = total(base, state.increments)
        if beyond(slot.value):
            old = value.slot(field)
            if not (isinstance(old, Field) and beyond(old.value)):
                self.overflows += 1
        self.steps.append(Step(value, field, slot, False))
        if not present:
            self.fields += 1

    def clear_fields(self, cover: Cover) -> None:
        """Clears the hash slot."""
        if self.hash is not None and not self.leave_fields(cover):
            for field in self.hash.names():
                self.clear_field(field, cover)

    def leave_fields(self, cover: Cover) -> bool:
        """Clears the whole hash slot at once, if all of it is covered and none of it rare."""
        value = self.hash
        if value is None:
            return True
        if self.rivals or not fields_are_covered(value, cover):
            return False
        self.hash = None
        self.fields = 0
        return True

    def clear_members(self, cover: Cover) -> None:
        """Clears the set slot."""
        if self.set is not None and not self.leave_members(cover):
            for member in self.set.names():
                self.revise_member(member, cover, None)

    def leave_members(self, cover: Cover) -> bool:
        """Clears the whole set slot at once, if all of it is covered and none of it rare."""
        value = self.set
        if value is None:
            return True
        if self.rivals or not members_are_covered(value, cover):
            return False
        self.set = None
        self.members = 0
        return True

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
        if best.number >= 0:
            return int(best.number)
        if not self.registers and not self.increments:
            for slot in SHOWN_ORDER:
                if self._holds(slot):
                    return slot
        return STRING_SLOT

    def value_of(self, slot: int) -> Value | None:
        """The value of a type, None where it has none; a string's is not one thing."""
        if slot == SET_SLOT:
            return self.set
        if slot == HASH_SLOT:
            return self.hash
        return self.opaque.get(slot)

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
        over = base_of(entry.stamp, i64(entry.origin))
        self.ledger.bury_string(self.db, self.key, over)
        if self.increments:
            entry.flags |= COUNTED
            for one in self.increments:
                one.move(over)
            if keeps_text(base):
                dots.base = base
            entry.value = total(base, self.increments)
        else:
            entry.value = base

    def _hide_string(self, entry: Entry, dots: Dots) -> None:
        """Another type shows: all registers are hidden; increments count on the newest of them."""
        if self.registers:
            dots.registers = self.registers
        if self.increments:
            entry.flags |= COUNTED
            if self.registers:
                newest = newest_of(self.registers, self.streams)
                over = base_of(newest.stamp, newest.origin)
            else:
                last = last_of(self.increments)
                over = base_of(last.stamp, last.origin)
            dots.over = over
            self.ledger.bury_string(self.db, self.key, over)
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
        if len(self.ttls) == 1 and entry.flags == 0 and is_text(entry.value):
            only = self.ttls[0]
            if only.stamp == entry.stamp and only.origin == i64(entry.origin):
                return
        if entry.value is None and not self.ttls and (entry.flags == ABSENT or entry.stamp == 0):
            return
        dots.ttls = self.ttls


def is_text(value: object) -> bool:
    """Is this the value of a string?"""
    return isinstance(value, bytes) or isinstance(value, int)


def surviving(increments: list[Increment], cover: Cover) -> list[Increment]:
    """The increments that the clearing write had not seen; the others are dead from now on."""
    kept: list[Increment] = []
    for each in increments:
        if cover.has(each.stamp, each.origin):
            each.move(DEAD)
        else:
            kept.append(each)
    return kept


def newest_of(registers: list[Register], streams: Streams) -> Register:
    """The register that shows: the highest stamp, then the highest stream uuid."""
    best = registers[0]
    for each in registers:
        if streams.newer(each.stamp, each.origin, best.stamp, best.origin):
            best = each
    return best


def newest_claim(claims: list[Claim], streams: Streams) -> Claim:
    """The claim with the highest stamp, then the highest stream uuid."""
    best = claims[0]
    for each in claims:
        if streams.newer(each.stamp, each.origin, best.stamp, best.origin):
            best = each
    return best


def last_of(increments: list[Increment]) -> Increment:
    """The newest of some increments: what a counter without register is known by."""
    last = increments[0]
    for each in increments:
        if each.stamp > last.stamp:
            last = each
    return last
