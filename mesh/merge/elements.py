"""Set members (SADD, SREM): each on its own; a removal clears the adds it had seen.  [compiled]"""

from __future__ import annotations

from typing import cast

from mypy_extensions import i64

from mesh.conflicts import REMOVED_TWICE, REMOVED_UNSEEN
from mesh.merge.noted import note_left
from mesh.merge.rule import Memory, Rule, add_here, claim, is_timed, make_here, saw
from mesh.merge.slots import SET_SLOT
from mesh.merge.state import SET_RIVALS, Cover, KeyState
from mesh.removals import KEY, MEMBER, TYPE, deadline_scope
from node.ports import Seen
from node.store.effect import CREATION, Effect
from node.store.entry import Dot, Dots, Entry
from node.store.values.sets import SetValue


class Members(Rule):
    """SADD: presence dots, in the slot of the member; the key's type claim moves with it."""

    def local(self, effect: Effect, entry: Entry, fresh: bool) -> None:
        dots = add_here(entry, effect, fresh)
        if dots is not None and dots.rivals is not None:
            forget_rivals(dots, effect, SET_RIVALS)

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        if not self.plain(effect) or (fresh and not effect.flags & CREATION):
            return self.general(effect, entry, fresh, seen)
        if fresh:
            return make_here(entry, effect)
        value = entry.value
        if effect.flags & CREATION or not isinstance(value, SetValue) or crowded(entry):
            return self.general(effect, entry, fresh, seen)
        row = seen.row
        arguments = cast(list[bytes], effect.value)
        i = effect.number
        n: i64 = len(arguments)
        while i < n:
            old = value.slot(arguments[i])
            if isinstance(old, Dot) and not saw(row, effect.origin, old.stamp, old.origin):
                return self.general(effect, entry, fresh, seen)
            i += 1
        effect.dot = Dot(effect.stamp, effect.origin)
        claim(entry, effect, row, SET_SLOT, self.memory.streams)
        return effect

    def scopes(self, effect: Effect) -> list[tuple[int, bytes]]:
        if effect.flags & CREATION:
            return [(KEY, b"")]
        return [(TYPE, b""), *[(MEMBER, member) for member in named(effect)]]

    def change(self, state: KeyState, effect: Effect, cover: Cover) -> None:
        self.begin(state, effect, cover, SET_SLOT)
        dot = Dot(effect.stamp, effect.origin)
        added = dict.fromkeys(named(effect))
        if effect.flags & CREATION and not state.leave_members(cover) and state.set is not None:
            for member in state.set.names():
                if member not in added:
                    state.revise_member(member, cover, None)
            state.clear_deadlines(state.set, SET_SLOT, cover)
        for member in added:
            gone = self.drops(effect, [(MEMBER, member)])
            state.revise_member(member, cover, None if gone else dot)


class MemberRemovals(Rule):
    """SREM and its kin: clears the observed dots of the members it names, and nothing else."""

    def local(self, effect: Effect, entry: Entry, fresh: bool) -> None:
        dots = entry.dots
        if dots is not None and dots.rivals is not None:
            forget_rivals(dots, effect, SET_RIVALS)

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        value = entry.value
        if not self.plain(effect) or not isinstance(value, SetValue) or crowded(entry):
            return self.late_removal(effect, entry, fresh, seen)
        row = seen.row
        members = named(effect)
        if is_timed(value, members):
            return self.general(effect, entry, fresh, seen)
        gone: list[bytes] = []
        for member in members:
            if not value.has(member):  # its writer had it: another has removed it meanwhile
                self.memory.conflicts.notice(REMOVED_TWICE, effect, member, True)
                continue
            dot = value.dot_of(member)
            if dot is None or saw(row, effect.origin, dot.stamp, dot.origin):
                gone.append(member)
            else:
                self.memory.conflicts.note(
                    REMOVED_UNSEEN, effect, member, None, dot.stamp, dot.origin, member, False
                )
        return observed_part(self.memory, effect, gone)

    def scopes(self, effect: Effect) -> list[tuple[int, bytes]]:
        scopes: list[tuple[int, bytes]] = [(MEMBER, member) for member in named(effect)]
        return scopes + [deadline_scope(SET_SLOT, member) for member in named(effect)]

    def change(self, state: KeyState, effect: Effect, cover: Cover) -> None:
        for member in dict.fromkeys(named(effect)):
            claims = state.surviving_claims(SET_SLOT, member, cover)
            left = [
                each
                for each in state.member_dots(member)
                if not cover.has(each.stamp, each.origin)
            ]
            note_left(self.memory.conflicts, effect, member, left)
            state.put_member(member, left)
            state.put_claims(SET_SLOT, member, claims, None)


def observed_part(memory: Memory, effect: Effect, gone: list[bytes]) -> Effect | None:
    """The removal of those places whose dots it had seen; others stay, each is noted."""
    if not gone:
        return None
    shown = Effect(
        effect.op, effect.db, effect.key, gone, 0, effect.stamp, effect.origin, effect.index
    )
    shown.events = effect.events
    return shown


def named(effect: Effect) -> list[bytes]:
    """The members or fields an effect names: its argument list from `number` on."""
    return cast(list[bytes], effect.value)[int(effect.number) :]


def crowded(entry: Entry) -> bool:
    """Is anything hidden under the key, or any member contested?"""
    dots = entry.dots
    return dots is not None and (
        dots.registers is not None
        or dots.hidden is not None
        or dots.rivals is not None
        or dots.over != 0
    )


def forget_rivals(dots: Dots, effect: Effect, prefix: bytes) -> None:
    """A local write of these places has seen all their dots."""
    rivals = dots.rivals
    if rivals is None:
        return
    for place in named(effect):
        rivals.pop(prefix + place, None)
    if not rivals:
        dots.rivals = None
