"""Hash fields (HSET, HDEL, HINCR): presence as set members, the value a register or a counter.
[compiled]"""

from __future__ import annotations

from typing import cast

from mypy_extensions import i64

from mesh.conflicts import OVERWRITE, REMOVED_UNSEEN
from mesh.merge.counted import MODEST
from mesh.merge.elements import crowded, named, observed_part
from mesh.merge.increments import Increment, base_of, field_place
from mesh.merge.noted import note_left
from mesh.merge.rule import (
    Memory,
    Rule,
    add_here,
    claim,
    is_timed,
    make_here,
    saw,
    saw_deadlines,
)  # fmt: skip
from mesh.merge.slots import HASH_SLOT
from mesh.merge.state import (
    FIELD_BASE,
    FIELD_RIVALS,
    Cover,
    FieldState,
    KeyState,
    last_of,
    newest_of,
    surviving,
)  # fmt: skip
from mesh.merge.totals import integer_text, keeps_text
from mesh.removals import FIELD, KEY, TYPE, deadline_scope
from node.ports import Seen
from node.store.effect import CREATION, HINCR, Effect
from node.store.entry import (
    COUNT_MARK,
    COUNTED,
    LATER,
    NO_REGISTER,
    STABLE,
    Claim,
    Dot,
    Dots,
    Entry,
    Field,
    Register,
    Rivals,
)
from node.store.values.hashes import HashValue
from node.store.values.strings import NEAR, decimal_of


class Fields(Rule):
    """HSET: a register per field."""

    def local(self, effect: Effect, entry: Entry, fresh: bool) -> None:
        dots = add_here(entry, effect, fresh)
        if dots is not None and dots.rivals is not None:
            forget_fields(dots, set_fields(effect))

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        if not self.plain(effect) or (fresh and not effect.flags & CREATION):
            return self.general(effect, entry, fresh, seen)
        if fresh:
            return make_here(entry, effect)
        value = entry.value
        if effect.flags & CREATION or not isinstance(value, HashValue) or crowded(entry):
            return self.general(effect, entry, fresh, seen)
        row = seen.row
        arguments = cast(list[bytes], effect.value)
        i = effect.number
        if value.deadlines is not None and not saw_deadlines(
            value, arguments, int(i), 2, row, effect.origin, False
        ):
            return self.general(effect, entry, fresh, seen)
        n: i64 = len(arguments)
        while i + 1 < n:
            old = value.slot(arguments[i])
            if isinstance(old, Field) and (
                old.flags & COUNTED or not saw(row, effect.origin, old.stamp, i64(old.origin))
            ):
                return self.general(effect, entry, fresh, seen)
            i += 2
        effect.dot = Dot(effect.stamp, effect.origin)
        claim(entry, effect, row, HASH_SLOT, self.memory.streams)
        return effect

    def scopes(self, effect: Effect) -> list[tuple[int, bytes]]:
        if effect.flags & CREATION:
            return [(KEY, b"")]
        return [(TYPE, b""), *[(FIELD, field) for field in set_fields(effect)]]

    def change(self, state: KeyState, effect: Effect, cover: Cover) -> None:
        self.begin(state, effect, cover, HASH_SLOT)
        arguments = named(effect)
        added: dict[bytes, bytes] = {}
        for at in range(0, len(arguments) - 1, 2):
            added[arguments[at]] = arguments[at + 1]
        if effect.flags & CREATION and not state.leave_fields(cover) and state.hash is not None:
            for field in state.hash.names():
                if field not in added:
                    state.clear_field(field, cover)
            state.clear_deadlines(state.hash, HASH_SLOT, cover)
        for field, text in added.items():
            claims = state.surviving_claims(HASH_SLOT, field, cover)
            if self.memory.removals.count != 0:
                claims = state.uncovered_claims(HASH_SLOT, field, cover)
            spelled = state.field_state(field)
            spelled.registers = [
                each for each in spelled.registers if not cover.has(each.stamp, each.origin)
            ]
            spelled.increments = surviving(spelled.increments, cover)
            if not self.drops(effect, [(FIELD, field)]):
                for other in spelled.registers:
                    self.memory.conflicts.overwrite(
                        effect, field, text, other.stamp, other.origin, other.value
                    )
                spelled.registers.append(Register(effect.stamp, effect.origin, text))
                if spelled.increments and is_no_number(text):
                    last = last_of(spelled.increments)
                    self.memory.conflicts.note(
                        OVERWRITE, effect, field, text, last.stamp, last.origin, None, True
                    )
            state.put_field(field, spelled)
            late = self.drops(effect, [(FIELD, field), deadline_scope(HASH_SLOT, field)])
            none = None if late else Claim(effect.stamp, effect.origin, 0)
            state.put_claims(HASH_SLOT, field, claims, none)


class FieldRemovals(Rule):
    """HDEL: clears the observed registers and increments of the fields it names."""

    def local(self, effect: Effect, entry: Entry, fresh: bool) -> None:
        dots = entry.dots
        if dots is not None and dots.rivals is not None:
            forget_fields(dots, named(effect))

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        value = entry.value
        if not self.plain(effect) or not isinstance(value, HashValue) or crowded(entry):
            return self.late_removal(effect, entry, fresh, seen)
        fields = named(effect)
        if is_timed(value, fields):
            return self.general(effect, entry, fresh, seen)
        gone: list[bytes] = []
        for field in fields:
            slot = value.slot(field)
            if slot is None:
                continue
            if not isinstance(slot, Field):
                gone.append(field)
            elif slot.flags & COUNTED:
                return self.general(effect, entry, fresh, seen)
            elif saw(seen.row, effect.origin, slot.stamp, i64(slot.origin)):
                gone.append(field)
            else:
                self.memory.conflicts.note(
                    REMOVED_UNSEEN, effect, field, None, slot.stamp, i64(slot.origin), slot.value,
                    False,
                )  # fmt: skip
        return observed_part(self.memory, effect, gone)

    def scopes(self, effect: Effect) -> list[tuple[int, bytes]]:
        return [(FIELD, field) for field in named(effect)]

    def change(self, state: KeyState, effect: Effect, cover: Cover) -> None:
        for field in dict.fromkeys(named(effect)):
            claims = state.surviving_claims(HASH_SLOT, field, cover)
            spelled = state.field_state(field)
            spelled.registers = [
                each for each in spelled.registers if not cover.has(each.stamp, each.origin)
            ]
            spelled.increments = surviving(spelled.increments, cover)
            note_left(self.memory.conflicts, effect, field, spelled.registers)
            state.put_field(field, spelled)
            state.put_claims(HASH_SLOT, field, claims, None)


class FieldCounters(Rule):
    """HINCRBY and HINCRBYFLOAT: increments of a field add up."""

    def __init__(self, memory: Memory) -> None:
        super().__init__(memory)
        self._book = memory.ledger.fields

    def local(self, effect: Effect, entry: Entry, fresh: bool) -> None:
        add_here(entry, effect, fresh)
        self.count(effect, entry)

    def count(self, effect: Effect, entry: Entry) -> None:
        """Remembers the increment, on the field's register or on none."""
        field, decimal = step_of(effect)
        over = base_of(effect.stamp, effect.origin)
        first = effect.index != 0
        value = entry.value
        counter: Field | None = None  # it is about to be made
        if isinstance(value, HashValue):
            slot = value.slot(field)
            if isinstance(slot, Field):
                counter = slot
                over = base_of(slot.stamp, i64(slot.origin))
                first = (slot.flags & LATER) != 0 and not slot.flags & COUNTED
                if not slot.flags & (COUNTED | NO_REGISTER) and keeps_text(slot.value):
                    keep_base(entry, field, slot)
                slot.flags |= COUNTED
            elif slot is not None:  # it has no dot any more: every member has it
                counter = Field(slot, effect.stamp, effect.origin)
                counter.flags = COUNTED | STABLE
                if keeps_text(slot):
                    keep_base(entry, field, counter)
                value.do_place(field, counter)
        if first:
            self._book.bury(effect.db, field_place(effect.key, field), over)
        self._append(effect, entry, field, counter, over, decimal)

    def _append(
        self, effect: Effect, entry: Entry, field: bytes, counter: Field | None, over: i64,
        decimal: bytes | None,
    ) -> None:  # fmt: skip
        """Writes the increment down, and that its field was counted up in this generation."""
        log = self._book.log(effect.db, effect.origin)
        counted = self._book.counted
        place = field_place(effect.key, field)
        step = effect.number
        dots = entry.dots
        if (
            decimal is not None or step > MODEST or step < -MODEST
            or (dots is not None and dots.rivals is not None)
        ):  # fmt: skip
            counted.see(effect.db, place)
        if effect.stamp <= counted.top and decimal is None:
            late = counted.note_late_field(effect.db, place, counter)
            log.append_late(place, effect.stamp, step, over, late)
            return
        if counter is None or counter.flags & COUNT_MARK != counted.mark:
            counted.note_field(effect.db, place, counter)
        if decimal is None:
            log.append(place, effect.stamp, step, over)
        else:
            log.append_decimal(place, effect.stamp, decimal, over)

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        if not self.plain(effect) or (fresh and not effect.flags & CREATION):
            return self.general(effect, entry, fresh, seen)
        if fresh:
            made = make_here(entry, effect)
            self.count(effect, entry)
            return made
        value = entry.value
        field, decimal = step_of(effect)
        if (
            effect.flags & CREATION
            or decimal is not None
            or not isinstance(value, HashValue)
            or crowded(entry)
        ):
            return self.general(effect, entry, fresh, seen)
        slot = value.slot(field)
        if not -NEAR < effect.number < NEAR:
            return self.general(effect, entry, fresh, seen)
        if slot is not None:
            # A plain number has no dot any more: every member has it, and so has the writer.
            here = slot.value if isinstance(slot, Field) else slot
            if not (isinstance(here, int) and -NEAR < here < NEAR):
                return self.general(effect, entry, fresh, seen)
        effect.dot = Dot(effect.stamp, effect.origin)
        self.count(effect, entry)
        claim(entry, effect, seen.row, HASH_SLOT, self.memory.streams)
        return effect

    def scopes(self, effect: Effect) -> list[tuple[int, bytes]]:
        return [(KEY, b"")] if effect.flags & CREATION else [(TYPE, b"")]

    def change(self, state: KeyState, effect: Effect, cover: Cover) -> None:
        field, decimal = step_of(effect)
        self.begin(state, effect, cover, HASH_SLOT)
        if effect.flags & CREATION and not state.leave_fields(cover) and state.hash is not None:
            for each in state.hash.names():
                if each != field:
                    state.clear_field(each, cover)
            state.clear_deadlines(state.hash, HASH_SLOT, cover)
        spelled = state.field_state(field)
        if effect.flags & CREATION:
            spelled.registers = [
                each for each in spelled.registers if not cover.has(each.stamp, each.origin)
            ]
            spelled.increments = surviving(spelled.increments, cover)
        if not self.drops(effect, [(FIELD, field)]):
            one = Increment(effect.stamp, effect.origin, effect.number, decimal)
            spelled.increments.append(one)
            place = field_place(effect.key, field)
            self._book.log(effect.db, effect.origin).add(place, one, 0)
            self._note_text(spelled, effect, field, cover)
        state.put_field(field, spelled)


    def _note_text(
        self, spelled: FieldState, effect: Effect, field: bytes, cover: Cover
    ) -> None:
        """Text that the increment had not seen hides it."""
        if not spelled.registers:
            return
        shown = newest_of(spelled.registers, self.memory.streams)
        if is_no_number(shown.value) and not cover.has(shown.stamp, shown.origin):
            self.memory.conflicts.note(
                OVERWRITE, effect, field, None, shown.stamp, shown.origin, shown.value, False
            )


def is_no_number(value: object) -> bool:
    """Is this a register's text that increments cannot count on?"""
    return isinstance(value, bytes) and integer_text(value) is None and decimal_of(value) is None


def set_fields(effect: Effect) -> list[bytes]:
    """The fields of an HSET, without their values."""
    return named(effect)[::2]


def step_of(effect: Effect) -> tuple[bytes, bytes | None]:
    """The field of an HINCR, and its exact decimal where it is no integer."""
    assert effect.op == HINCR
    value = effect.value
    if isinstance(value, bytes):
        return value, None
    pair = cast(list[bytes], value)
    return pair[0], pair[1]


def keep_base(entry: Entry, field: bytes, slot: Field) -> None:
    """Keeps a field's text that its total would not give back ("10.50")."""
    dots = entry.dots
    if dots is None:
        dots = Dots()
        entry.dots = dots
    rivals = dots.rivals
    if rivals is None:
        rivals = {}
        dots.rivals = rivals
    kept = Rivals()
    kept.registers = [Register(slot.stamp, i64(slot.origin), slot.value)]
    rivals[FIELD_BASE + field] = kept


def forget_fields(dots: Dots, fields: list[bytes]) -> None:
    """A local write of these fields has seen all their registers."""
    rivals = dots.rivals
    if rivals is None:
        return
    for field in fields:
        rivals.pop(FIELD_RIVALS + field, None)
        rivals.pop(FIELD_BASE + field, None)
    if not rivals:
        dots.rivals = None
