"""Stand-in rules: ops that are carried out as they come until a finer rule decides them.
[compiled]

mesh/merge/__init__.py lists them. Each remembers the key's last change, so that a write which had
not seen it is noticed (`stand_in_conflict`) and carried out all the same: what was written one
after another is equal everywhere, what was concurrent may differ. Two things are exact even so: the
key's type and deadline go by the claims, as for every type, and a removal that had seen a whole
value takes it.
"""

from __future__ import annotations

from typing import Final, cast

from mypy_extensions import i16, i64

from mesh.conflicts import STAND_IN_CONFLICT
from mesh.merge.elements import crowded
from mesh.merge.late import taken_back, taken_scopes, without_taken
from mesh.merge.rule import Memory, Rule, born, carried_out, claim, make_here, saw
from mesh.merge.slots import (
    HASH_SLOT,
    LIST_SLOT,
    SET_SLOT,
    STREAM_SLOT,
    STRING_SLOT,
    TOUCH,
    ZSET_SLOT,
    empty_value,
    slot_of,
)
from mesh.merge.state import Cover, KeyState, newest_of
from mesh.merge.totals import total
from mesh.removals import KEY, TTL, TYPE
from node.ports import Seen
from node.store.effect import (
    CREATION,
    HEXPIRE,
    INSERT,
    LSET,
    OPS,
    PFMERGE,
    PUSH,
    REMOVE,
    XACK,
    XDEL,
    XDELIVER,
    XGROUP,
    XSETID,
    ZINCR,
    ZREM,
    Effect,
)  # fmt: skip
from node.store.entry import ENCODED, HELD, LATER, Claim, Dots, Entry, Register
from node.store.values.container import Container
from node.store.values.groups import CREATE, CREATE_CONSUMER, GroupChange
from node.store.values.lists import Inserted, Pushed
from node.store.values.member_deadlines import Timed
from node.store.values.value import Value

# These add nothing: they leave a touch, never a claim of the key's type.
TOUCHES: Final = [
    op in (REMOVE, LSET, ZREM, XDEL, XSETID, XDELIVER, XACK) for op in range(OPS)
]


def stand_in(op: int, memory: Memory) -> Rule:
    """The stand-in rule for an op, by what the op writes to."""
    if op == HEXPIRE:
        return PlaceDeadlines(memory)
    if op <= PFMERGE:
        return StringPatches(memory)
    slot = STREAM_SLOT
    if op <= LSET:
        slot = LIST_SLOT
    elif op <= ZINCR:
        slot = ZSET_SLOT
    return OpaqueChanges(memory, slot)


class OpaqueChanges(Rule):
    """Lists, sorted sets, streams: one value under the claims of its type."""

    def __init__(self, memory: Memory, slot: int) -> None:
        super().__init__(memory)
        self.slot = slot

    def adds(self, effect: Effect) -> bool:
        """Does it add something? Then it claims the type, and makes the value where none is."""
        if effect.op == XGROUP:
            kind = cast(GroupChange, effect.value).kind
            return kind == CREATE or kind == CREATE_CONSUMER
        return not TOUCHES[effect.op]

    def local(self, effect: Effect, entry: Entry, fresh: bool) -> None:
        number_elements(self.memory, effect)
        if fresh:
            born(entry, effect)
        elif self.adds(effect):
            entry.stamp = effect.stamp
            entry.origin = 0
            dots = entry.dots
            if dots is not None:
                dots.claims = None
        else:
            touch_here(entry, effect)

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        memory = self.memory
        adds = self.adds(effect)
        if fresh and not adds and not memory.uncovered:
            return None  # a removal of the whole key was here first
        if not self.plain(effect) or (fresh and not effect.flags & CREATION):
            return self.general(effect, entry, fresh, seen)
        if fresh:
            return make_here(entry, effect)
        if effect.flags & CREATION or slot_of(entry.value) != self.slot or crowded(entry):
            return self.general(effect, entry, fresh, seen)
        if not saw_all(entry, effect, seen.row):
            memory.conflicts.count(STAND_IN_CONFLICT)
        if adds:
            claim(entry, effect, seen.row, self.slot, memory.streams)
        else:
            touch(entry, effect, seen.row)
        return effect

    def scopes(self, effect: Effect) -> list[tuple[int, bytes]]:
        if effect.flags & CREATION:
            return [(KEY, b"")]
        if self.adds(effect):
            return [(TYPE, b"")]
        return taken_scopes(effect, self.memory.streams)

    def change(self, state: KeyState, effect: Effect, cover: Cover) -> None:
        adds = self.adds(effect)
        known = state.is_seen(self.slot, cover)
        if effect.flags & CREATION:
            state.clear_key(cover)
            if not self.drops(effect, [(TTL, b"")]):
                state.ttls.append(Claim(effect.stamp, effect.origin, 0))
        elif self.slot not in state.opaque and (adds or self._misses(effect)):
            known = False  # its writer saw a value, and there is none
        if adds:
            state.clear_claims(cover)
        else:
            clear_touches(state, cover)
        if self.drops(effect, []):
            return
        if not known:
            self.memory.conflicts.count(STAND_IN_CONFLICT)
        value = state.opaque.get(self.slot)
        if value is None:
            if not adds:
                return
            value = empty_value(self.slot)
        state.opaque[self.slot] = self._changed(value, effect)
        if not self.drops(effect, [(TYPE, b"")]):
            slot = self.slot if adds else TOUCH
            state.claims.append(Claim(effect.stamp, effect.origin, slot))


    def _misses(self, effect: Effect) -> bool:
        """Does it come before what it changes, without being a removal that waits for that?"""
        return self.memory.uncovered and not self.scopes(effect)

    def _changed(self, value: Value, effect: Effect) -> Value:
        """The value after the effect, without what is removed already."""
        memory = self.memory
        after: object = value
        if memory.removals.count == 0:
            after = carried_out(value, effect)
        else:
            part = without_taken(memory, effect)
            if part is not None:
                after = carried_out(value, part)
            gone = taken_back(memory, effect)
            if gone is not None:
                after = carried_out(after, gone)
        return after if isinstance(after, Value) else empty_value(self.slot)


class StringPatches(Rule):
    """APPEND, SETRANGE, SETBIT, BITFIELD, PFADD: the string becomes a register of its own dot.

    What its writer had seen is folded into it; increments it had not seen stay and count on it. Of
    concurrent patches each is made on what shows here.
    """

    def local(self, effect: Effect, entry: Entry, fresh: bool) -> None:
        if fresh:
            entry.dots = None
            entry.deadline = 0
        else:
            keep_deadline(entry)
            dots = entry.dots
            if dots is not None:
                dots.claims = None
                dots.registers = None
                dots.base = None
                dots.over = 0
        renew(entry, effect)

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        if not self.plain(effect) or (fresh and not effect.flags & CREATION):
            return self.general(effect, entry, fresh, seen)
        if fresh:
            entry.dots = None
            entry.deadline = 0
            renew(entry, effect)
            return effect
        if (
            effect.flags & CREATION
            or entry.flags & ~(HELD | LATER | ENCODED) != 0
            or not saw(seen.row, effect.origin, entry.stamp, i64(entry.origin))
            or slot_of(entry.value) != STRING_SLOT
            or not is_plain(entry)
        ):
            return self.general(effect, entry, fresh, seen)
        keep_deadline(entry)
        renew(entry, effect)
        return effect

    def scopes(self, effect: Effect) -> list[tuple[int, bytes]]:
        return [(KEY, b"")] if effect.flags & CREATION else [(TYPE, b"")]

    def change(self, state: KeyState, effect: Effect, cover: Cover) -> None:
        known = state.is_seen(STRING_SLOT, cover)
        shown: object
        if effect.flags & CREATION:
            state.clear_key(cover)
            shown = newest_text(state)
            if not self.drops(effect, [(TTL, b"")]):
                state.ttls.append(Claim(effect.stamp, effect.origin, 0))
        else:
            known = known and (len(state.registers) > 0 or len(state.increments) > 0)
            seen = [one for one in state.increments if cover.has(one.stamp, one.origin)]
            shown = total(newest_text(state), seen)
            state.clear_string(cover)
            state.clear_claims(cover)
        if self.drops(effect, [(KEY, b"")]):
            return
        if not known:
            self.memory.conflicts.count(STAND_IN_CONFLICT)
        text = carried_out(shown, effect)
        state.registers.append(Register(effect.stamp, effect.origin, text))
        newest = newest_of(state.registers, state.streams)
        if newest.value is not None and newest.value is not text:
            state.registers.remove(newest)
            state.registers.append(Register(newest.stamp, newest.origin, text))


class PlaceDeadlines(Rule):
    """HEXPIRE: deadlines of fields and members. Their own dots stay as they are."""

    def local(self, effect: Effect, entry: Entry, fresh: bool) -> None:
        touch_here(entry, effect)

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        if fresh:
            if self.memory.uncovered:
                self.memory.conflicts.count(STAND_IN_CONFLICT)
            return None  # a removal of the whole key was here first
        if slot_of(entry.value) == STRING_SLOT or crowded(entry):
            return self.general(effect, entry, fresh, seen)
        if not saw_all(entry, effect, seen.row) or lacks(entry.value, effect):
            self.memory.conflicts.count(STAND_IN_CONFLICT)
        touch(entry, effect, seen.row)
        return effect

    def scopes(self, effect: Effect) -> list[tuple[int, bytes]]:
        return []

    def change(self, state: KeyState, effect: Effect, cover: Cover) -> None:
        clear_touches(state, cover)
        slots = (HASH_SLOT, SET_SLOT, ZSET_SLOT)
        if not cast(Timed, effect.value).of_hash:
            slots = (SET_SLOT, ZSET_SLOT, HASH_SLOT)
        for slot in slots:
            value = state.value_of(slot)
            if value is not None:
                if not state.is_seen(slot, cover) or lacks(value, effect):
                    self.memory.conflicts.count(STAND_IN_CONFLICT)
                carried_out(value, effect)
                state.claims.append(Claim(effect.stamp, effect.origin, TOUCH))
                return


def lacks(value: object, effect: Effect) -> bool:
    """Is one of the places that get a deadline not here, removed or past its old one?"""
    if not isinstance(value, Container):
        return False
    return any(not value.has(name) for name in cast(Timed, effect.value).names)


def newest_text(state: KeyState) -> object:
    """The string's newest register; None where it is deleted or there is none."""
    if not state.registers:
        return None
    return newest_of(state.registers, state.streams).value


def number_elements(memory: Memory, effect: Effect) -> None:
    """Elements put into a list get numbers of this stream; those that were moved have theirs."""
    payload = effect.value
    if effect.op == PUSH:
        pushed = cast(Pushed, payload)
        if pushed.kept is None:
            pushed.first = memory.number_inserts(len(pushed.items) - pushed.begin)
    elif effect.op == INSERT:
        cast(Inserted, payload).first = memory.number_inserts(1)


def saw_all(entry: Entry, effect: Effect, row: bytes) -> bool:
    """Had a peer's write seen the last change of a collection here?"""
    if entry.stamp != 0 and not saw(row, effect.origin, entry.stamp, i64(entry.origin)):
        return False
    dots = entry.dots
    if dots is None or dots.claims is None:
        return True
    known = True
    for each in dots.claims:
        known = known and saw(row, effect.origin, each.stamp, each.origin)
    return known


def touch_here(entry: Entry, effect: Effect) -> None:
    """A client changes a collection and adds nothing: it has seen all touches before it."""
    if effect.stamp == entry.stamp:
        return  # the unit has claimed the type; or a deadline has passed, which is no write
    dots = entry.dots
    if dots is None:
        dots = Dots()
        entry.dots = dots
    claims = dots.claims
    mine = Claim(effect.stamp, 0, TOUCH)
    if claims is None:
        dots.claims = [mine]
    else:
        dots.claims = [*[each for each in claims if each.number != TOUCH], mine]


def touch(entry: Entry, effect: Effect, row: bytes) -> None:
    """The same by a peer: touches that it had not seen stay."""
    dots = entry.dots
    if dots is None:
        dots = Dots()
        entry.dots = dots
    mine = Claim(effect.stamp, effect.origin, TOUCH)
    claims = dots.claims
    if claims is None:
        dots.claims = [mine]
        return
    kept = [
        each for each in claims
        if each.number != TOUCH or not saw(row, effect.origin, each.stamp, each.origin)
    ]  # fmt: skip
    kept.append(mine)
    dots.claims = kept


def clear_touches(state: KeyState, cover: Cover) -> None:
    """Clears the touches that a write had seen."""
    state.claims = [
        each for each in state.claims
        if each.number != TOUCH or not cover.has(each.stamp, each.origin)
    ]  # fmt: skip


def keep_deadline(entry: Entry) -> None:
    """A string's register gets another dot, its deadline does not: the claim is written out."""
    dots = entry.dots
    if dots is None:
        dots = Dots()
        entry.dots = dots
    if dots.ttls is None and entry.stamp != 0:
        dots.ttls = [Claim(entry.stamp, i64(entry.origin), entry.deadline)]


def renew(entry: Entry, effect: Effect) -> None:
    """The string is one register from now on, written by this effect."""
    entry.flags = entry.flags & HELD
    if effect.index != 0:
        entry.flags |= LATER
    entry.stamp = effect.stamp
    entry.origin = i16(effect.origin)


def is_plain(entry: Entry) -> bool:
    """Has a string nothing beside its register but deadlines?"""
    dots = entry.dots
    return dots is None or (
        dots.registers is None
        and dots.claims is None
        and dots.hidden is None
        and dots.rivals is None
        and dots.base is None
    )
