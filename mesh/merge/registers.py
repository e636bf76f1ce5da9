"""Whole values (PUT, DROP) and deadlines (EXPIRE): the newest dot shows, the longest TTL wins.
[compiled]

A string's value is a register; deleting a string writes ABSENT, which competes by stamp; deleting a
collection clears what was seen of it and leaves the rest (semantics.md 3, 4.11).
"""

from __future__ import annotations

from mypy_extensions import i16, i64

from mesh.conflicts import OVERWRITE
from mesh.merge.anchors import hide_anchors, keep_anchors, kept_shell
from mesh.merge.kinds.table import KINDS
from mesh.merge.noted import note_key_left
from mesh.merge.rule import Rule, carried_out, saw
from mesh.merge.slots import HASH_SLOT, SET_SLOT, is_opaque, slot_of
from mesh.merge.state import Cover, KeyState, newest_claim, surviving
from mesh.removals import FIELD, KEY, MEMBER, TTL, TYPE, deadline_scope
from node.ports import Seen
from node.store.effect import DROP, WAS_STRING, Effect
from node.store.entry import (
    ABSENT,
    COUNT_BITS,
    ENCODED,
    HELD,
    LATER,
    STABLE,
    Claim,
    Dot,
    Dots,
    Entry,
    Register,
)  # fmt: skip
from node.store.events import EVICTED
from node.store.mutate import Told
from node.store.values.container import Container
from node.store.values.hashes import HashValue, plain
from node.store.values.lists import ListValue
from node.store.values.order import Order
from node.store.values.sets import SetValue
from node.store.values.value import Value


class Registers(Rule):
    """PUT and DROP."""

    def local(self, effect: Effect, entry: Entry, fresh: bool) -> None:
        before = entry.value
        shell: ListValue | None = None
        if entry.dots is not None or not isinstance(before, bytes):
            shell = kept_shell(entry)
        entry.flags = entry.flags & HELD
        if effect.index != 0:
            entry.flags |= LATER
        entry.stamp = effect.stamp
        entry.origin = 0
        if effect.op == DROP:
            entry.dots = None
            # An eviction competes with nothing: it takes what was seen, of a string as of a set.
            if effect.events != EVICTED and (isinstance(before, bytes) or isinstance(before, int)):
                effect.flags |= WAS_STRING
                entry.flags |= ABSENT
            if shell is not None:
                if not effect.flags & WAS_STRING:
                    entry.stamp = 0  # nothing is written that would compete
                if shell.order is not None:
                    shell.order.note_removal(0, effect.stamp)
                hide_anchors(entry, shell)
            return
        value = effect.value
        if isinstance(value, bytes):  # what nearly every PUT is
            if entry.dots is not None:
                entry.dots = None
        elif isinstance(value, Value):
            if isinstance(value, ListValue):
                # The identity of its first element.
                effect.dot = Dot(self.memory.number_inserts(value.length), 0)
                value.order = Order(self.memory.streams)
                value.moved = None  # it may have been another key's (RENAME)
                value.registers = None
            else:
                effect.dot = Dot(effect.stamp, 0)
            dots = Dots()
            dots.ttls = [Claim(effect.stamp, 0, effect.number)]
            entry.dots = dots
        elif entry.dots is not None:
            entry.dots = None
        if shell is not None:
            keep_anchors(effect, entry, shell)

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
                or entry.flags & ~(HELD | ABSENT | LATER | ENCODED | STABLE | COUNT_BITS) != 0
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
            if not effect.flags & WAS_STRING:
                note_key_left(self.memory.conflicts, state, effect)
            elif not self.drops(effect, key):
                self._note_rivals(state, effect)
                state.registers.append(Register(effect.stamp, effect.origin, None))
            return
        if not self.drops(effect, key):
            self._note_rivals(state, effect)
            state.registers.append(Register(effect.stamp, effect.origin, value))
        if not self.drops(effect, [(TTL, b"")]):
            state.ttls.append(Claim(effect.stamp, effect.origin, effect.number))

    def _note_rivals(self, state: KeyState, effect: Effect) -> None:
        """The registers that this write had not seen."""
        for other in state.registers:
            self.memory.conflicts.overwrite(
                effect, b"", effect.value, other.stamp, other.origin, other.value
            )

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
            kept = state.kept_claims(slot, cover)
            here = state.opaque.pop(slot, None)
            made = KINDS[slot].overwrite(here, effect, cover, self.memory.removals)
            state.clear_opaque(cover)
            state.opaque[slot] = made
            for place, claims in kept.items():
                state.put_claims(slot, place, claims, None)
            if isinstance(value, Container):
                self._put_deadlines(state, effect, value, slot, kept)
            if isinstance(made, Container):
                for place in KINDS[slot].written(effect):
                    state.steps.append(Told(made, place))
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
        kept = state.kept_claims(SET_SLOT, cover)
        old = [] if state.set is None else state.set.names()
        for member in dict.fromkeys([*old, *value.names()]):
            gone = late and self.drops(effect, [(MEMBER, member)])
            adds = value.has(member) and not gone
            state.revise_member(member, cover, dot if adds else None)
        if state.set is not None:
            state.clear_deadlines(state.set, SET_SLOT, cover)
        self._put_deadlines(state, effect, value, SET_SLOT, kept)

    def _put_deadlines(
        self, state: KeyState, effect: Effect, value: Container, slot: int,
        kept: dict[bytes, list[Claim]],
    ) -> None:  # fmt: skip
        """The claims of its places' deadlines; a member without deadline has none, a field "none"
        under the dot of its register."""
        for place, deadline_ms in value.deadline_items():
            scopes = [deadline_scope(slot, place)]
            if slot == HASH_SLOT:
                scopes.append((FIELD, place))
            if not self.drops(effect, scopes):
                mine = Claim(effect.stamp, effect.origin, deadline_ms)
                state.put_claims(slot, place, list(kept.get(place, ())), mine)

    def _put_fields(self, state: KeyState, effect: Effect, cover: Cover, value: HashValue) -> None:
        late = self.memory.removals.count != 0
        state.leave_fields(cover)
        old = [] if state.hash is None else state.hash.names()
        kept = state.kept_claims(HASH_SLOT, cover)
        for place, _ in value.deadline_items():
            kept[place] = state.uncovered_claims(HASH_SLOT, place, cover)
        if state.hash is not None:
            state.clear_deadlines(state.hash, HASH_SLOT, cover)
        for field in dict.fromkeys([*old, *value.names()]):
            claims = state.surviving_claims(HASH_SLOT, field, cover)
            if late:
                claims = state.uncovered_claims(HASH_SLOT, field, cover)
            spelled = state.field_state(field)
            spelled.registers = [
                each for each in spelled.registers if not cover.has(each.stamp, each.origin)
            ]
            spelled.increments = surviving(spelled.increments, cover)
            adds = value.has(field) and not (late and self.drops(effect, [(FIELD, field)]))
            if adds:
                text = plain(value.slot(field))
                for other in spelled.registers:
                    self.memory.conflicts.overwrite(
                        effect, field, text, other.stamp, other.origin, other.value
                    )
                spelled.registers.append(Register(effect.stamp, effect.origin, text))
            state.put_field(field, spelled)
            if claims is not None and (not adds or value.deadline_of(field) == 0):
                scopes = [(FIELD, field), deadline_scope(HASH_SLOT, field)]
                none = Claim(effect.stamp, effect.origin, 0)
                gone = not adds or (late and self.drops(effect, scopes))
                state.put_claims(HASH_SLOT, field, claims, None if gone else none)
        self._put_deadlines(state, effect, value, HASH_SLOT, kept)

    def _put_opaque(self, state: KeyState, effect: Effect, known: bool, slot: int) -> None:
        """Of two values that meet as a whole the newer stays."""
        newest = Claim(effect.stamp, effect.origin, slot)
        mine = [each for each in state.claims if each.number == slot]
        if mine:
            newest = newest_claim([newest, *mine], state.streams)
        if not known:
            self.memory.conflicts.count(OVERWRITE, effect.origin)
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
        state.text_stays = True
        state.clear_ttls(cover)
        if not self.drops(effect, [(TTL, b"")]):
            state.ttls.append(Claim(effect.stamp, effect.origin, effect.number))
