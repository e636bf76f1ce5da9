"""Sorted sets and places (ZADD, ZMAX, ZMIN, ZREM, ZINCR): presence per member as in sets, the score
a register and the increments that count on it.  [compiled]

A ZADD clears the registers and increments of a member that it had seen; a ZINCRBY clears nothing
and adds one increment, which also makes the member present. Of concurrent registers the newest
shows, of such that were all written with GT the greatest, with LT the least
(node/store/values/scored.py).
"""

from __future__ import annotations

from typing import cast

from mypy_extensions import i64

from mesh.conflicts import OVERWRITE, REMOVED_TWICE, REMOVED_UNSEEN
from mesh.merge.elements import crowded, named, observed_part
from mesh.merge.kinds.zset_members import registers_of, revise, take_out, unseen_registers
from mesh.merge.rule import Rule, add_here, claim, is_timed, make_here, saw
from mesh.merge.slots import ZSET_SLOT
from mesh.merge.state import Cover, KeyState
from mesh.removals import KEY, SCORE, TYPE, deadline_scope
from node.ports import Seen
from node.store.effect import CREATION, Effect
from node.store.entry import Dot, Entry
from node.store.mutate import Told
from node.store.mutate_zsets import how_of
from node.store.values.scored import Scored, ScoreRegister, SpelledScore, score_in
from node.store.values.scores import read_score, score_text
from node.store.values.zsets import ZSetValue


class Scores(Rule):
    """ZADD, ZMAX and ZMIN: a register per member."""

    def local(self, effect: Effect, entry: Entry, fresh: bool) -> None:
        add_here(entry, effect, fresh)

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        if not self.plain(effect) or (fresh and not effect.flags & CREATION):
            return self.general(effect, entry, fresh, seen)
        if fresh:
            return make_here(entry, effect)
        value = entry.value
        if effect.flags & CREATION or not isinstance(value, ZSetValue) or crowded(entry):
            return self.general(effect, entry, fresh, seen)
        row = seen.row
        arguments = cast(list[bytes], effect.value)
        i = effect.number
        n: i64 = len(arguments)
        while i + 1 < n:
            old = value.slot(arguments[i + 1])
            if isinstance(old, Scored) and (
                isinstance(old, SpelledScore)
                or not saw(row, effect.origin, old.stamp, i64(old.origin))
            ):
                return self.general(effect, entry, fresh, seen)
            i += 2
        effect.dot = Dot(effect.stamp, effect.origin)
        claim(entry, effect, row, ZSET_SLOT, self.memory.streams)
        return effect

    def scopes(self, effect: Effect) -> list[tuple[int, bytes]]:
        if effect.flags & CREATION:
            return [(KEY, b"")]
        return [(TYPE, b""), *[(SCORE, member) for member in named(effect)[1::2]]]

    def change(self, state: KeyState, effect: Effect, cover: Cover) -> None:
        self.begin(state, effect, cover, ZSET_SLOT)
        value = scores_of(state)
        arguments = named(effect)
        written: dict[bytes, bytes] = {}
        for at in range(0, len(arguments) - 1, 2):
            written[arguments[at + 1]] = arguments[at]
        for member, text in written.items():
            score = read_score(text)
            if score != score:
                continue
            if self.drops(effect, [(SCORE, member)]):
                revise(value, member, cover, None, None)
                continue
            left = unseen_registers(value.slot(member), cover)
            register = ScoreRegister(score + 0.0, effect.stamp, effect.origin, how_of(effect.op))
            revise(value, member, cover, register, state.streams)
            state.steps.append(Told(value, member))
            if left:
                self._note(effect, value, member, register, left)

    def _note(
        self,
        effect: Effect,
        value: ZSetValue,
        member: bytes,
        register: ScoreRegister,
        left: list[ScoreRegister],
    ) -> None:
        """The registers that this write had not seen: which of the two shows."""
        slot = value.slot(member)
        won = isinstance(slot, Scored) and (
            slot.stamp == register.stamp and i64(slot.origin) == register.origin
        )
        text = score_text(register.score)
        for other in left:
            self.memory.conflicts.note(
                OVERWRITE, effect, member, text, other.stamp, other.origin,
                score_text(other.score), won,
            )  # fmt: skip


class ScoreRemovals(Rule):
    """ZREM and its kin: clears the observed registers and increments of the members it names."""

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        value = entry.value
        if not self.plain(effect) or not isinstance(value, ZSetValue) or crowded(entry):
            return self.late_removal(effect, entry, fresh, seen)
        members = named(effect)
        if is_timed(value, members):
            return self.general(effect, entry, fresh, seen)
        gone: list[bytes] = []
        for member in members:
            slot = value.slot(member)
            if slot is None:  # its writer had it: another has removed it meanwhile
                self.memory.conflicts.notice(REMOVED_TWICE, effect, member, True)
                continue
            if isinstance(slot, SpelledScore):
                return self.general(effect, entry, fresh, seen)
            if isinstance(slot, Scored) and not saw(
                seen.row, effect.origin, slot.stamp, i64(slot.origin)
            ):
                self._note(effect, member, slot)
            else:
                gone.append(member)
        return observed_part(self.memory, effect, gone)

    def scopes(self, effect: Effect) -> list[tuple[int, bytes]]:
        scopes: list[tuple[int, bytes]] = [(SCORE, member) for member in named(effect)]
        return scopes + [deadline_scope(ZSET_SLOT, member) for member in named(effect)]

    def change(self, state: KeyState, effect: Effect, cover: Cover) -> None:
        value = state.opaque.get(ZSET_SLOT)
        if not isinstance(value, ZSetValue):
            return
        for member in dict.fromkeys(named(effect)):
            take_out(value, member, cover)
            slot = value.slot(member)
            if slot is not None:
                self._note(effect, member, slot)

    def _note(self, effect: Effect, member: bytes, slot: object) -> None:
        """What it had not seen of a member stays."""
        registers = registers_of(slot)
        newest = ScoreRegister(0.0, 0, 0, 0)
        if registers:
            newest = registers[0]
        elif isinstance(slot, SpelledScore):
            newest = last_step(slot)
        self.memory.conflicts.note(
            REMOVED_UNSEEN, effect, member, None, newest.stamp, newest.origin,
            score_text(score_in(slot)), False,
        )  # fmt: skip


class ScoreCounters(Rule):
    """ZINCRBY: increments of a score add up."""

    def local(self, effect: Effect, entry: Entry, fresh: bool) -> None:
        add_here(entry, effect, fresh)

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        if not self.plain(effect) or (fresh and not effect.flags & CREATION):
            return self.general(effect, entry, fresh, seen)
        if fresh:
            return make_here(entry, effect)
        if (
            effect.flags & CREATION
            or not isinstance(entry.value, ZSetValue)
            or crowded(entry)
        ):
            return self.general(effect, entry, fresh, seen)
        effect.dot = Dot(effect.stamp, effect.origin)
        claim(entry, effect, seen.row, ZSET_SLOT, self.memory.streams)
        return effect

    def scopes(self, effect: Effect) -> list[tuple[int, bytes]]:
        return [(KEY, b"")] if effect.flags & CREATION else [(TYPE, b"")]

    def change(self, state: KeyState, effect: Effect, cover: Cover) -> None:
        text, member = cast(list[bytes], effect.value)
        self.begin(state, effect, cover, ZSET_SLOT)
        amount = read_score(text)
        if amount == amount and not self.drops(effect, [(SCORE, member)]):
            value = scores_of(state)
            value.do_count(member, amount, effect.stamp, effect.origin)
            state.steps.append(Told(value, member))


def scores_of(state: KeyState) -> ZSetValue:
    """The key's sorted set, made where there is none."""
    value = state.opaque.get(ZSET_SLOT)
    if isinstance(value, ZSetValue):
        return value
    made = ZSetValue()
    state.opaque[ZSET_SLOT] = made
    return made


def last_step(slot: SpelledScore) -> ScoreRegister:
    """The dot of a member's newest increment, for a member without a register."""
    newest = ScoreRegister(0.0, 0, 0, 0)
    for each in slot.streams:
        if each.steps[-1].stamp > newest.stamp:
            newest = ScoreRegister(0.0, each.steps[-1].stamp, each.origin, 0)
    return newest
