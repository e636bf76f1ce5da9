"""Whole values (PUT, DROP) and deadlines (EXPIRE): the newest dot shows, the longest TTL wins.
[compiled]

A string's value is a register; deleting a string writes ABSENT, which competes by stamp; deleting a
collection clears what was seen of it and leaves the rest (semantics.md 3, 4.11).
"""

from __future__ import annotations

from mypy_extensions import i16, i64

from mesh.conflicts import STAND_IN_CONFLICT
from mesh.merge.kinds.table import KINDS
from mesh.merge.rule import Rule, carried_out, saw
from mesh.merge.slots import is_opaque, slot_of
from mesh.merge.state import Cover, KeyState, newest_claim, surviving
from mesh.removals import FIELD, KEY, MEMBER, TTL, TYPE
from node.ports import Seen
from node.store.effect import DROP, WAS_STRING, Effect
from node.store.entry import (
    ABSENT,
    ENCODED,
    HELD,
    LATER,
    Claim,
    Dot,
    Dots,
    Entry,
    Register,
)  # fmt: skip
from node.store.values.hashes import HashValue, plain
from node.store.values.lists import ListValue
from node.store.values.sets import SetValue
from node.store.values.value import Value


class Registers(Rule):
    """PUT and DROP."""

    def local(self, effect: Effect, entry: Entry, fresh: bool) -> None:
        before = entry.value
        entry.flags = entry.flags & HELD
        if effect.index != 0:
            entry.flags |= LATER
        entry.stamp = effect.stamp
        entry.origin = 0
        if effect.op == DROP:
            entry.dots = None
            if isinstance(before, bytes) or isinstance(before, int):
                effect.flags |= WAS_STRING
                entry.flags |= ABSENT
            return
        value = effect.value
        if isinstance(value, bytes):  # what nearly every PUT is
            if entry.dots is not None:
                entry.dots = None
        elif isinstance(value, Value):
            if isinstance(value, ListValue):
                # The identity of its first element.
                effect.dot = Dot(self.memory.number_inserts(value.length), 0)
            else:
                effect.dot = Dot(effect.stamp, 0)
            dots = Dots()
            dots.ttls = [Claim(effect.stamp, 0, effect.number)]
            entry.dots = dots
        elif entry.dots is not None:
            entry.dots = None

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        if not self.plain(effect):
            return self.general(effect, entry, fresh, seen)
        value = effect.value
        drop = effect.op == DROP
        if not isinstance(value, bytes) and isinstance(value, Value):
            return self.general(effect, entry, fresh, seen)
        if drop and not effect.flags & WAS_STRING:
            return None if fresh else self.general(effect, entry, fresh, seen)
        if not fresh:
            here = entry.value
            if (
                entry.dots is not None
                or entry.flags & ~(HELD | ABSENT | LATER | ENCODED) != 0
                or not saw(seen.row, effect.origin, entry.stamp, i64(entry.origin))
                or (not isinstance(here, bytes) and isinstance(here, Value))
            ):
                return self.general(effect, entry, fresh, seen)
        entry.stamp = effect.stamp
        entry.origin = i16(effect.origin)
        entry.flags = entry.flags & HELD
        if effect.index != 0:
            entry.flags |= LATER
        if drop:
            entry.flags |= ABSENT
            if fresh:
                entry.value = None
        return effect

    def change(self, state: KeyState, effect: Effect, cover: Cover) -> None:
        key = [(KEY, b"")]
        value = effect.value
        if isinstance(value, Value):
            self._put_collection(state, effect, cover, value)
            return
        state.clear_key(cover)
        if effect.op == DROP:
            if effect.flags & WAS_STRING and not self.drops(effect, key):
                state.contested = len(state.registers) > 0
                state.registers.append(Register(effect.stamp, effect.origin, None))
            return
        state.contested = len(state.registers) > 0
        if not self.drops(effect, key):
            state.registers.append(Register(effect.stamp, effect.origin, value))
        if not self.drops(effect, [(TTL, b"")]):
            state.ttls.append(Claim(effect.stamp, effect.origin, effect.number))

    def _put_collection(self, state: KeyState, effect: Effect, cover: Cover, value: Value) -> None:
        """The result of COPY, RENAME or *STORE: every place gets this effect's dot."""
        slot = slot_of(value)
        opaque = is_opaque(slot)
        known = not opaque or KINDS[slot].by_places or state.is_seen(slot, cover)
        state.clear_string(cover)
        state.clear_claims(cover)
        state.clear_ttls(cover)
        if isinstance(value, SetValue):
            self._put_members(state, effect, cover, value)
        else:
            state.clear_members(cover)
        if isinstance(value, HashValue):
            self._put_fields(state, effect, cover, value)
        else:
            state.clear_fields(cover)
        if opaque and KINDS[slot].by_places:
            here = state.opaque.pop(slot, None)
            made = KINDS[slot].overwrite(here, effect, cover, self.memory.removals)
            state.clear_opaque(cover)
            state.opaque[slot] = made
        else:
            state.clear_opaque(cover)
            if opaque and not self.drops(effect, []):
                self._put_opaque(state, effect, known, slot)
        if not self.drops(effect, [(TYPE, b"")]):
            state.claims.append(Claim(effect.stamp, effect.origin, slot))
        if not self.drops(effect, [(TTL, b"")]):
            state.ttls.append(Claim(effect.stamp, effect.origin, effect.number))

    def _put_members(self, state: KeyState, effect: Effect, cover: Cover, value: SetValue) -> None:
        dot = Dot(effect.stamp, effect.origin)
        late = self.memory.removals.count != 0
        state.leave_members(cover)
        old = [] if state.set is None else state.set.names()
        for member in dict.fromkeys([*old, *value.names()]):
            gone = late and self.drops(effect, [(MEMBER, member)])
            adds = value.has(member) and not gone
            state.revise_member(member, cover, dot if adds else None)
            if adds:
                state.set_deadline(state.set, member, value.deadline_of(member))

    def _put_fields(self, state: KeyState, effect: Effect, cover: Cover, value: HashValue) -> None:
        late = self.memory.removals.count != 0
        state.leave_fields(cover)
        old = [] if state.hash is None else state.hash.names()
        for field in dict.fromkeys([*old, *value.names()]):
            spelled = state.field_state(field)
            spelled.registers = [
                each for each in spelled.registers if not cover.has(each.stamp, each.origin)
            ]
            spelled.increments = surviving(spelled.increments, cover)
            adds = value.has(field) and not (late and self.drops(effect, [(FIELD, field)]))
            if adds:
                text = plain(value.slot(field))
                spelled.registers.append(Register(effect.stamp, effect.origin, text))
            state.put_field(field, spelled)
            if adds:
                state.set_deadline(state.hash, field, value.deadline_of(field))

    def _put_opaque(self, state: KeyState, effect: Effect, known: bool, slot: int) -> None:
        """Of two values that meet as a whole the newer stays."""
        newest = Claim(effect.stamp, effect.origin, slot)
        mine = [each for each in state.claims if each.number == slot]
        if mine:
            newest = newest_claim([newest, *mine], state.streams)
        if not known:
            self.memory.conflicts.count(STAND_IN_CONFLICT)
        if newest.stamp == effect.stamp and newest.origin == effect.origin:
            made = carried_out(None, effect)
            assert isinstance(made, Value)
            state.opaque[slot] = made


class Deadlines(Rule):
    """EXPIRE and PERSIST: clears the TTL claims it had seen and adds its own; the latest shows."""

    def local(self, effect: Effect, entry: Entry, fresh: bool) -> None:
        dots = entry.dots
        if dots is None:
            dots = Dots()
            entry.dots = dots
        dots.ttls = [Claim(effect.stamp, 0, effect.number)]

    def scopes(self, effect: Effect) -> list[tuple[int, bytes]]:
        return [(TTL, b"")]

    def change(self, state: KeyState, effect: Effect, cover: Cover) -> None:
        state.clear_ttls(cover)
        if not self.drops(effect, [(TTL, b"")]):
            state.ttls.append(Claim(effect.stamp, effect.origin, effect.number))
