"""Folding: what is stable of one key becomes a plain value, on the key spelled out.  [compiled]

Losers of concurrent writes, claims of types that lost and their values go; a register with the
increments and patches that count on it becomes one register without a dot. What shows stays.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i16, i64

from mesh.merge.counted import Generation
from mesh.merge.covers import Cut
from mesh.merge.increments import DEAD, Increment, base_of
from mesh.merge.kinds.table import KINDS
from mesh.merge.opening import open_state
from mesh.merge.patch_order import replayed
from mesh.merge.rule import Memory
from mesh.merge.slots import (
    HASH_SLOT,
    OPAQUE_SLOTS,
    SET_SLOT,
    STRING_SLOT,
    TIMED_SLOTS,
    slot_of,
)
from mesh.merge.state import (
    FIELD_BASE,
    FIELD_RIVALS,
    SET_RIVALS,
    FieldState,
    KeyState,
    newest_claim,
    newest_of,
)
from mesh.merge.totals import beyond, total
from node.store.effect import MERGE, Effect
from node.store.entry import (
    COUNT_BITS,
    COUNT_FOLDED,
    COUNT_MARK,
    COUNTED,
    ENCODED,
    LATER,
    NO_REGISTER,
    STABLE,
    Claim,
    Dots,
    Entry,
    Field,
    Patch,
    Register,
)  # fmt: skip
from node.store.keyspace import Database
from node.store.mutate import MUTATE
from node.store.trash import discard_lost
from node.store.values.container import Container
from node.store.values.hashes import HashValue
from node.store.values.strings import NEAR
from node.store.values.value import Value

# What the flags of a counter may say besides that folds without being spelled out: COUNTED,
# NO_REGISTER, HELD, LATER, STABLE, COUNT_BITS.
PLAIN_FLAGS: Final[i16] = 3995


def fold_key(
    memory: Memory, trash: list[object], db: Database, key: bytes, entry: Entry
) -> bool:
    """Folds what is stable of a key beside its uncontested members and fields; True: no increment
    up to the cut counts any more, as far as can be told at once."""
    if entry.dots is None and not entry.flags & COUNTED:
        return True
    if fold_counter(memory, db, key, entry):
        return True
    state = open_state(entry, db.number, key, False, memory.streams, memory.ledger)
    uncounted = entry.flags & COUNTED != 0 and not state.increments
    if fold_state(state, memory.cut) or uncounted:
        install(trash, state, entry)
    return entry.flags & COUNTED == 0


def fold_counter(memory: Memory, db: Database, key: bytes, entry: Entry) -> bool:
    """The quick way of nearly every counter: one register or none, whole increments, nothing
    hidden. False: it is to be spelled out."""
    flags = entry.flags
    value = entry.value
    if (
        entry.dots is not None or not flags & COUNTED or not isinstance(value, int)
        or flags & ~PLAIN_FLAGS or beyond(value)
    ):  # fmt: skip
        return False
    cut = memory.cut
    if not flags & STABLE and not cut.has(entry.stamp, i64(entry.origin)):
        return False
    over = base_of(entry.stamp, i64(entry.origin))
    left = memory.ledger.strings.settle(db.number, key, over, cut.before, value, flags)
    if left == -1:
        return False
    if left >= 0:
        entry.flags = folded_flags(flags, left > 0)
    return True


def fold_quickly(generation: Generation, mark: i16, entry: Entry, cut: Cut) -> bool:
    """A key that was counted up in a generation that is stable: its increments up to then become
    part of its register, without a look at them. False: it is to be spelled out.

    `mark` is that of the generation that is written: whose increments have it are not all folded.
    """
    flags = entry.flags
    if not flags & COUNTED:
        return True
    stamp = entry.stamp
    newest = flags & COUNT_MARK
    if not flags & STABLE and (stamp > cut.before or not cut.has(stamp, i64(entry.origin))):
        # It was written anew since. What counted on the register before does not any more.
        return newest == mark and stamp > generation.top
    if entry.dots is not None or flags & ~PLAIN_FLAGS:
        return False
    value = entry.value
    if not isinstance(value, int) or value > NEAR or value < -NEAR:
        return False
    if newest == mark:
        entry.flags = folded_flags(flags & ~COUNT_FOLDED, True) | generation.folded
    elif newest == generation.mark:
        entry.flags = folded_flags(flags & ~COUNT_BITS, False) | generation.folded
    else:
        return False
    return True


def folded_flags(flags: i16, counts: bool) -> i16:
    """The flags of a counter of which something was folded; `counts`: later increments are left."""
    if counts:
        return flags & ~NO_REGISTER | STABLE
    return flags & ~(NO_REGISTER | COUNTED | COUNT_MARK) | STABLE


def install(trash: list[object], state: KeyState, entry: Entry) -> None:
    """Makes the entry what the state says. What shows is the same."""
    old = entry.value
    hidden = None if entry.dots is None else entry.dots.hidden
    kept = entry.flags & (ENCODED | LATER)
    effect = Effect(MERGE, state.db, state.key, state.close(), 0, 0, 0, 0)
    MUTATE[MERGE].apply(entry, effect)
    entry.flags |= kept
    discard_lost(trash, entry, old, hidden)
    dots = entry.dots
    if dots is not None and dots.hidden is not None:
        drop_forgotten(dots)
        if has_only_deadlines(dots) and dots.ttls is None and dots.over == 0:
            entry.dots = None


def fold_state(state: KeyState, cut: Cut) -> bool:
    """True: something was folded."""
    changed = fold_rivals(state, cut)
    if fold_value(state, cut):
        changed = True
    return fold_deadlines(state, cut) or changed


def fold_value(state: KeyState, cut: Cut) -> bool:
    """The string's registers and the type claims: the newest stays."""
    for register in state.registers:
        if not cut.has(register.stamp, register.origin):
            return False
    for claim in state.claims:
        if not cut.has(claim.stamp, claim.origin):
            return False
    waiting = any(each.stamp > cut.before for each in state.increments)
    waiting = waiting or any(each.stamp > cut.before for each in state.patches)
    if not state.claims:
        shows = any(each.value is not None for each in state.registers)
        shows = shows or len(state.increments) > 0 or len(state.patches) > 0
        changed = fold_string(state, cut, waiting)
        if shows and not waiting and has_others(state, STRING_SLOT):
            drop_slots(state, STRING_SLOT, cut)
            changed = True
        return changed
    if waiting:
        return False
    slot = state.visible_slot()
    if slot == STRING_SLOT:
        drop_slots(state, slot, cut)
        state.claims = []
        fold_string(state, cut, False)
        return True
    mine = [each for each in state.claims if each.number == slot]
    if not mine:
        return False
    if (
        len(state.claims) == 1 and not state.registers and not state.increments
        and not state.patches and not has_others(state, slot)
    ):  # fmt: skip
        return False
    state.registers = []
    for one in state.increments:
        one.move(DEAD)
    state.increments = []
    state.patches = []
    state.claims = [newest_claim(mine, state.streams)]
    drop_slots(state, slot, cut)
    return True


def has_others(state: KeyState, slot: int) -> bool:
    """Is there a value of another type than this?"""
    if state.set is not None and slot != SET_SLOT:
        return True
    if state.hash is not None and slot != HASH_SLOT:
        return True
    return any(each != slot for each in state.opaque)


def drop_slots(state: KeyState, slot: int, cut: Cut) -> None:
    """The stable content of the types that lost."""
    if slot != SET_SLOT:
        state.clear_members(cut)
    if slot != HASH_SLOT:
        state.clear_fields(cut)
    for other in OPAQUE_SLOTS:
        value = state.opaque.get(other)
        if other != slot and value is not None and KINDS[other].by_places:
            KINDS[other].clear(value, cut)
            KINDS[other].forget(value, cut)


def fold_string(state: KeyState, cut: Cut, waiting: bool) -> bool:
    """The register and what counts on it, up to `cut.before`; True: something was folded."""
    low = [each for each in state.increments if each.stamp <= cut.before]
    patches: list[Patch] = []
    for each in state.patches:
        if each.stamp > cut.before:
            break
        patches.append(each)
    if not low and not patches:
        if len(state.registers) > 1 and not waiting:
            state.registers = [newest_of(state.registers, state.streams)]
            return True
        return False
    base: object = None
    if state.registers:
        base = newest_of(state.registers, state.streams).value
    value = replayed(base, low, patches, state.streams) if patches else total(base, low)
    if beyond(value):
        return False  # an exact sum that 64 bits do not hold has no other form
    for one in low:
        one.move(DEAD)
    state.increments = [each for each in state.increments if each.stamp > cut.before]
    state.patches = state.patches[len(patches) :]
    state.registers = [Register(0, 0, value)]
    return True


def fold_deadlines(state: KeyState, cut: Cut) -> bool:
    """The TTL claims: the latest stays, without a dot.

    Of a string only together with its register: a string whose claim alone had no dot would take
    as much memory as with it.
    """
    latest: i64 = 0
    endless = len(state.ttls) == 0
    for each in state.ttls:
        if not cut.has(each.stamp, each.origin):
            return False
        if each.number == 0:
            endless = True
        elif each.number > latest:
            latest = each.number
    if state.visible_slot() == STRING_SLOT:
        if len(state.registers) != 1 or state.claims:
            return False  # the register's dot is the string's claim beside that of another type
        register = state.registers[0]
        if register.value is None or not cut.has(register.stamp, register.origin):
            return False
        if register.stamp != 0 and len(state.ttls) == 1:
            only = state.ttls[0]
            if only.stamp == register.stamp and only.origin == register.origin:
                return False  # as compact as can be
        if register.stamp != 0 and (state.increments or state.patches):
            return False
        state.registers = [Register(0, 0, register.value)]
    elif len(state.ttls) == 1 and state.ttls[0].stamp == 0:
        return False
    state.ttls = [Claim(0, 0, 0 if endless else latest)]
    return True


def fold_rivals(state: KeyState, cut: Cut) -> bool:
    """Contested members and fields: the newest stays, without a dot."""
    changed = False
    for name in list(state.rivals):
        place = name[1:]
        if is_stray(state, name, place):
            state.rivals.pop(name, None)
            changed = True
        elif name.startswith(SET_RIVALS):
            dots = state.member_dots(place)
            if dots and all(cut.has(each.stamp, each.origin) for each in dots):
                state.put_member(place, [Register(0, 0, None)])
                changed = True
        elif (
            name in state.rivals
            and (name.startswith(FIELD_RIVALS) or name.startswith(FIELD_BASE))
            and fold_in_state(state, place, cut)
        ):
            changed = True
    return changed


def is_stray(state: KeyState, name: bytes, place: bytes) -> bool:
    """Is the place gone to which this belongs? One past its deadline may come back."""
    slot = SET_SLOT if name.startswith(SET_RIVALS) else HASH_SLOT
    value = state.container(slot)
    if value is None:
        return True
    deadlines = value.deadlines
    return not value.has(place) and (deadlines is None or place not in deadlines.parked)


def fold_in_state(state: KeyState, field: bytes, cut: Cut) -> bool:
    """One field with its increments; True: it was folded."""
    spelled = state.field_state(field)
    for each in spelled.registers:
        if not cut.has(each.stamp, each.origin):
            return False
    low = [each for each in spelled.increments if each.stamp <= cut.before]
    if not low and (len(low) < len(spelled.increments) or not spelled.registers):
        return False
    base: object = None
    if spelled.registers:
        base = newest_of(spelled.registers, state.streams).value
    value = total(base, low)
    if beyond(value):
        return False
    high: list[Increment] = []
    for one in spelled.increments:
        if one.stamp <= cut.before:
            one.move(DEAD)
        else:
            high.append(one)
    folded = FieldState()
    folded.registers.append(Register(0, 0, value))
    folded.increments = high
    state.put_field(field, folded)
    return True


def fold_field(
    memory: Memory, db: Database, key: bytes, field: bytes, entry: Entry
) -> None:
    """A counter in a hash."""
    value = entry.value
    if isinstance(value, HashValue) and (entry.dots is None or entry.dots.hidden is None):
        slot = value.slot(field)
        if not isinstance(slot, Field) or not slot.flags & COUNTED:
            return
    state = open_state(entry, db.number, key, False, memory.streams, memory.ledger)
    if state.hash is not None and fold_in_state(state, field, memory.cut):
        install([], state, entry)


def is_forgotten(memory: Memory, number: int, key: bytes, entry: Entry) -> bool:
    """Is nothing left of a key that shows nothing but what every member knows?"""
    state = open_state(entry, number, key, False, memory.streams, memory.ledger)
    cut = memory.cut
    if state.members or state.fields or state.increments or state.patches:
        return False
    for slot, value in state.opaque.items():
        if KINDS[slot].remembers(value) and not is_known_by_all(value, cut):
            return False
    for slot in TIMED_SLOTS:
        if not is_known_by_all(state.container(slot), cut):
            return False
    for register in state.registers:
        if register.value is not None or not cut.has(register.stamp, register.origin):
            return False
    return all(cut.has(claim.stamp, claim.origin) for claim in [*state.claims, *state.ttls])


def is_known_by_all(value: object, cut: Cut) -> bool:
    """Has every member all that is remembered of the deadlines of a value that shows nothing?

    Whoever makes its key anew clears what is left of them, with all else.
    """
    if not isinstance(value, Container):
        return value is None
    deadlines = value.deadlines
    if value.size() > 0:
        return False
    return deadlines is None or (
        not deadlines.parked
        and all(cut.has(each.stamp, each.origin) for claims in deadlines.claims.values()
                for each in claims)
    )  # fmt: skip


def may_count(entry: Entry, field: bytes) -> bool:
    """May increments of this field be live? A hidden hash is not looked into."""
    for value in values_of(entry):
        if isinstance(value, HashValue):
            slot = value.slot(field)
            if isinstance(slot, Field) and slot.flags & COUNTED:
                return True
    return False


def values_of(entry: Entry) -> list[object]:
    """The value that shows and those of other types that are hidden."""
    dots = entry.dots
    if dots is None or dots.hidden is None:
        return [entry.value]
    return [entry.value, *dots.hidden]


def drop_forgotten(dots: Dots) -> None:
    """Hidden values of which nothing is remembered any more go."""
    hidden = dots.hidden
    if hidden is None:
        return
    kept: list[object] = []
    for value in hidden:
        if isinstance(value, Container) and value.size() == 0 and not value.remembers():
            continue
        kind = KINDS[slot_of(value)]
        if not kind.by_places or not isinstance(value, Value) or kind.remembers(value):
            kept.append(value)
    dots.hidden = kept if kept else None


def has_only_deadlines(dots: Dots) -> bool:
    """Is nothing rare there but TTL claims?"""
    return (
        dots.registers is None and dots.claims is None and dots.hidden is None
        and dots.rivals is None and dots.base is None and dots.patches is None
    )  # fmt: skip
