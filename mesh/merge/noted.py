"""What the rules tell of conflicts that need a look at the whole key.  [compiled]"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from mesh.conflicts import REMOVED_UNSEEN, TYPE_CLASH, Conflicts, Side
from mesh.merge.slots import STRING_SLOT, slot_of
from mesh.merge.state import KeyState, newest_claim, newest_of
from node.store.effect import Effect
from node.store.entry import Claim, Register
from node.store.values.value import Value

SLOT_NAMES: Final = ("string", "hash", "set", "list", "zset", "stream", "cron")


def note_clash(conflicts: Conflicts, state: KeyState, origin: i64) -> None:
    """A key has content of one type more than before: the newest claim shows, of the hidden types
    the newest is the loser. `origin`: the stream whose write it was, -1 where two data sets met."""
    conflicts.count(TYPE_CLASH, origin)
    visible = state.visible_slot()
    claims = type_claims(state)
    shown = [each for each in claims if each.number == visible]
    hidden = [each for each in claims if each.number != visible and each.number >= 0]
    conflicts.remember(
        TYPE_CLASH, state.db, state.key, b"",
        claim_side(shown, visible, state), claim_side(hidden, -1, state),
    )  # fmt: skip


def type_claims(state: KeyState) -> list[Claim]:
    """The claims of all types, the string's as well, which is not stored (semantics.md 2)."""
    claims = [each for each in state.claims if each.number >= 0]
    for register in state.registers:
        if register.value is not None:
            claims.append(Claim(register.stamp, register.origin, STRING_SLOT))
    for one in state.increments:
        claims.append(Claim(one.stamp, one.origin, STRING_SLOT))
    for patch in state.patches:
        claims.append(Claim(patch.stamp, patch.origin, STRING_SLOT))
    return claims


def claim_side(claims: list[Claim], slot: int, state: KeyState) -> Side:
    """The newest of some claims, its type as the value."""
    if not claims:
        return Side(0, 0, SLOT_NAMES[slot].encode() if slot >= 0 else None)
    newest = newest_claim(claims, state.streams)
    return Side(newest.stamp, newest.origin, SLOT_NAMES[newest.number].encode())


def note_left(conflicts: Conflicts, effect: Effect, place: bytes, left: list[Register]) -> None:
    """A removal left these dots of a place, which it had not seen: they stay. Nothing for none."""
    if left:
        newest = left[0]
        for each in left:
            if conflicts.streams.newer(each.stamp, each.origin, newest.stamp, newest.origin):
                newest = each
        conflicts.note(
            REMOVED_UNSEEN, effect, place, None, newest.stamp, newest.origin, newest.value, False
        )


def note_key_left(conflicts: Conflicts, state: KeyState, effect: Effect) -> None:
    """A DEL left content that it had not seen. Nothing where it took all."""
    state.shed()
    slot = state.visible_slot()
    value: object = state.value_of(slot)
    if slot == STRING_SLOT:
        if not state.registers or newest_of(state.registers, state.streams).value is None:
            return
        value = newest_of(state.registers, state.streams).value
    elif not (isinstance(value, Value) and slot_of(value) == slot and value.is_shown()):
        return
    shown = [each for each in type_claims(state) if each.number == slot]
    winner = claim_side(shown, slot, state)
    conflicts.note(REMOVED_UNSEEN, effect, b"", None, winner.stamp, winner.origin, value, False)


def note_import(
    conflicts: Conflicts, kind: str, state: KeyState, place: bytes, registers: list[Register]
) -> None:
    """Two data sets met: of a place's different values the newest shows. Counted elsewhere."""
    newest = newest_of(registers, state.streams)
    others = [each for each in registers if each is not newest]
    if not others:
        return
    second = newest_of(others, state.streams)
    conflicts.remember(
        kind, state.db, state.key, place,
        Side(newest.stamp, newest.origin, conflicts.cut(newest.value)),
        Side(second.stamp, second.origin, conflicts.cut(second.value)),
    )  # fmt: skip


def note_key_import(conflicts: Conflicts, kind: str, state: KeyState) -> None:
    """The same where it is not told which places differ: the key's two newest writes."""
    claims = type_claims(state)
    winner = claim_side(claims, -1, state)
    others = [
        each for each in claims if each.stamp != winner.stamp or each.origin != winner.origin
    ]
    conflicts.remember(kind, state.db, state.key, b"", winner, claim_side(others, -1, state))
