"""Spelled: the registers, claims, members and fields of one key, cleared and added to.  [compiled]

The half of a KeyState (state.py) that rules and merges write to. Values are not touched here but by
the kinds of lists, sorted sets and streams: all other changes are Steps.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i16, i64

from mesh.dots import Streams
from mesh.merge.covers import Cover, fields_are_covered, members_are_covered
from mesh.merge.increments import DEAD, Increment, base_of, field_place
from mesh.merge.kinds.table import KINDS
from mesh.merge.ledger import Ledger
from mesh.merge.patch_order import place_patch
from mesh.merge.slots import (
    HASH_SLOT,
    OPAQUE_SLOTS,
    SET_SLOT,
    STRING_SLOT,
)
from mesh.merge.totals import beyond, keeps_text, total, without
from node.store.entry import (
    COUNTED,
    NO_REGISTER,
    STABLE,
    Claim,
    Dot,
    Field,
    Patch,
    Register,
    Rivals,
)  # fmt: skip
from node.store.mutate import DeadlineStep, ShowDeadline, Step
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


class Spelled:
    """One key spelled out: what is remembered of it, cleared and added to."""

    def __init__(self, db: i64, key: bytes, streams: Streams, ledger: Ledger) -> None:
        self.db: i64 = db
        self.key = key
        self.streams = streams
        self.ledger = ledger
        self.stamp: i64 = 0  # of the entry that was spelled out
        self.origin: i64 = 0
        self.registers: list[Register] = []
        self.increments: list[Increment] = []
        self.patches: list[Patch] = []  # in the order of their stamps
        self.patched_text: object = None  # what showed when it was opened
        self.text_stays = False  # the change does not concern the string: what showed shows
        self.claims: list[Claim] = []
        self.ttls: list[Claim] = []
        self.set: SetValue | None = None
        self.hash: HashValue | None = None
        self.opaque: dict[int, Value] = {}  # lists, sorted sets, streams; see `shed`
        self.members: i64 = 0
        self.fields: i64 = 0
        self.rivals: dict[bytes, Rivals] = {}
        self.steps: list[Step] = []
        self.timed: set[int] = set()  # types whose places are given claims of a deadline
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
        """Clears the string slot: registers, increments and patches."""
        self.registers = [each for each in self.registers if not cover.has(each.stamp, each.origin)]
        self.increments = surviving(self.increments, cover)
        if self.patches:
            self.patches = [each for each in self.patches if not cover.has(each.stamp, each.origin)]

    def add_patch(self, patch: Patch) -> None:
        """One patch more, where its stamp says."""
        place_patch(self.patches, patch, self.streams)

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
        for slot in OPAQUE_SLOTS:
            value = self.opaque.get(slot)
            if value is None:
                continue
            kind = KINDS[slot]
            kept = self.kept_claims(slot, cover)
            if kind.is_covered(value, cover) and not any(kept.values()):
                left = kind.remains(value)
                if left is None:
                    del self.opaque[slot]
                else:
                    self.opaque[slot] = left
            else:
                kind.clear(value, cover)
                for place, claims in kept.items():
                    self.put_claims(slot, place, claims, None)
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
            if not kept and isinstance(value, Container):
                kept = value.remembers() or slot in self.timed
            if not kept:
                del self.opaque[slot]

    def is_seen(self, slot: int, cover: Cover) -> bool:
        """Had a write with this context seen the last change of this slot?"""
        for each in self.claims:
            if each.number == slot and not cover.has(each.stamp, each.origin):
                return False
        if slot == STRING_SLOT:
            for register in self.registers:
                if not cover.has(register.stamp, register.origin):
                    return False
        return True

    # --- deadlines of places --------------------------------------------------------------------

    def container(self, slot: int) -> Container | None:
        """The value of a type whose places may have deadlines; None where there is none."""
        value = self.value_of(slot)
        return value if isinstance(value, Container) else None

    def place_claims(self, slot: int, place: bytes) -> list[Claim]:
        """The claims of a place's deadline, also those that are not written down."""
        value = self.container(slot)
        if value is None:
            return []
        deadlines = value.deadlines
        if deadlines is not None:
            found = deadlines.claims.get(place)
            if found is not None:
                return list(found)
            deadline_ms = deadlines.get(place)
            if deadline_ms != 0:
                return [Claim(0, 0, deadline_ms)]
        if slot != HASH_SLOT:
            return []
        registers = self.field_state(place).registers
        return [Claim(each.stamp, each.origin, 0) for each in registers]

    def surviving_claims(self, slot: int, place: bytes, cover: Cover) -> list[Claim] | None:
        """What `cover` leaves of a place's claims; None where it needs not be written down: to be
        asked before the place itself is changed."""
        value = self.container(slot)
        if value is None or value.deadlines is None or not value.deadlines.knows(place):
            return None
        return self.uncovered_claims(slot, place, cover)

    def uncovered_claims(self, slot: int, place: bytes, cover: Cover) -> list[Claim]:
        """The same in any case."""
        return [
            each for each in self.place_claims(slot, place)
            if not cover.has(each.stamp, each.origin)
        ]  # fmt: skip

    def kept_claims(self, slot: int, cover: Cover) -> dict[bytes, list[Claim]]:
        """The same of all places of a type of which anything is written down."""
        value = self.container(slot)
        kept: dict[bytes, list[Claim]] = {}
        if value is not None and value.deadlines is not None:
            for place in [*value.deadlines.claims, *value.deadlines.of]:
                claims = self.surviving_claims(slot, place, cover)
                if claims is not None:
                    kept[place] = claims
        return kept

    def put_claims(
        self, slot: int, place: bytes, claims: list[Claim] | None, more: Claim | None
    ) -> None:
        """Makes these the claims of a place, and one more; behind the step that makes the place."""
        value = self.container(slot)
        if value is None:
            return
        if claims is None:
            if more is None or more.number == 0:
                return
            claims = self.place_claims(slot, place)
        if more is not None:
            claims.append(more)
        self.claim_place(value, slot, place, claims)

    def claim_place(
        self, value: Container, slot: int, place: bytes, claims: list[Claim]
    ) -> None:
        """The step that gives a place its claims."""
        self.steps.append(DeadlineStep(value, place, claims))
        if claims:
            self.timed.add(slot)

    def clear_deadlines(self, value: Container, slot: int, cover: Cover) -> None:
        """Clears what `cover` has of the claims of all places of a value."""
        if value.deadlines is not None:
            for place, claims in self.kept_claims(slot, cover).items():
                self.put_claims(slot, place, claims, None)

    def _show_claims(self, value: Container, place: bytes) -> None:
        """A place appears: its deadline is what claims say that were here before it."""
        deadlines = value.deadlines
        if deadlines is not None and place in deadlines.claims:
            self.steps.append(ShowDeadline(value, place))

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
        dot = None if newest.stamp == 0 else Dot(newest.stamp, newest.origin)
        self.steps.append(Step(value, member, dot, False))
        if len(dots) > 1:
            rivals = Rivals()
            rivals.registers = [each for each in dots if each is not newest]
            self.rivals[name] = rivals
        if not present:
            self.members += 1
            self._show_claims(value, member)

    # --- fields ---------------------------------------------------------------------------------

    def field_state(self, field: bytes) -> FieldState:
        """All registers and live increments of a field."""
        value = self.hash
        return self.field_of(field, None if value is None else value.slot(field))

    def field_of(self, field: bytes, slot: object) -> FieldState:
        """The same of a field with this slot."""
        state = FieldState()
        if slot is None:
            return state
        if not isinstance(slot, Field):
            state.registers.append(Register(0, 0, slot))
            return state
        if slot.flags & COUNTED:
            state.increments = self.ledger.fields.live(
                self.db, field_place(self.key, field), base_of(slot.stamp, i64(slot.origin)),
                slot.flags,
            )  # fmt: skip
        if not slot.flags & NO_REGISTER:
            base = slot.value
            if slot.flags & COUNTED:
                kept = self.rivals.get(FIELD_BASE + field)
                base = (
                    kept.registers[0].value if kept is not None else without(base, state.increments)
                )
            if slot.flags & STABLE:
                state.registers.append(Register(0, 0, base))
            else:
                state.registers.append(Register(slot.stamp, i64(slot.origin), base))
        rivals = self.rivals.get(FIELD_RIVALS + field)
        if rivals is not None:
            state.registers += rivals.registers
        return state

    def clear_field(self, field: bytes, cover: Cover) -> None:
        """Clears what `cover` has of a field, and of its deadline."""
        claims = self.surviving_claims(HASH_SLOT, field, cover)
        state = self.field_state(field)
        state.registers = [
            each for each in state.registers if not cover.has(each.stamp, each.origin)
        ]
        state.increments = surviving(state.increments, cover)
        self.put_field(field, state)
        self.put_claims(HASH_SLOT, field, claims, None)

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
            slot.flags = NO_REGISTER
        if slot.stamp == 0 and state.increments:
            last = last_of(state.increments)
            slot.stamp = last.stamp
            slot.origin = i16(last.origin)
            if not slot.flags:
                slot.flags = STABLE
        over = base_of(slot.stamp, i64(slot.origin))
        name = field_place(self.key, field)
        self.ledger.fields.bury(self.db, name, over)
        if state.increments:
            slot.flags |= COUNTED
            self.ledger.fields.counted.see(self.db, name)
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
        is_bare = slot.stamp == 0 and not slot.flags and len(state.registers) == 1
        self.steps.append(Step(value, field, slot.value if is_bare else slot, False))
        if not present:
            self.fields += 1
            self._show_claims(value, field)

    def clear_fields(self, cover: Cover) -> None:
        """Clears the hash slot."""
        if self.hash is not None and not self.leave_fields(cover):
            for field in self.hash.names():
                self.clear_field(field, cover)
            self.clear_deadlines(self.hash, HASH_SLOT, cover)

    def leave_fields(self, cover: Cover) -> bool:
        """Clears the whole hash slot at once, if all of it is covered and none of it rare."""
        value = self.hash
        if value is None:
            return True
        if self.rivals or value.remembers() or not fields_are_covered(value, cover):
            return False
        self.hash = None
        self.fields = 0
        return True

    def clear_members(self, cover: Cover) -> None:
        """Clears the set slot."""
        if self.set is not None and not self.leave_members(cover):
            for member in self.set.names():
                self.revise_member(member, cover, None)
            self.clear_deadlines(self.set, SET_SLOT, cover)

    def leave_members(self, cover: Cover) -> bool:
        """Clears the whole set slot at once, if all of it is covered and none of it rare."""
        value = self.set
        if value is None:
            return True
        if self.rivals or value.remembers() or not members_are_covered(value, cover):
            return False
        self.set = None
        self.members = 0
        return True

    def value_of(self, slot: int) -> Value | None:
        """The value of a type, None where it has none; a string's is not one thing."""
        if slot == SET_SLOT:
            return self.set
        if slot == HASH_SLOT:
            return self.hash
        return self.opaque.get(slot)


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
