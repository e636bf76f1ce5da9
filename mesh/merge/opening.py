"""An entry spelled out as a KeyState: the reverse of KeyState.close.  [compiled]"""

from __future__ import annotations

from mypy_extensions import i64

from mesh.dots import Streams
from mesh.merge.increments import base_of
from mesh.merge.ledger import Ledger
from mesh.merge.slots import STRING_SLOT, is_opaque, slot_of
from mesh.merge.state import KeyState
from mesh.merge.totals import without
from node.store.entry import ABSENT, COUNTED, NO_REGISTER, STABLE, Claim, Entry, Register
from node.store.values.hashes import HashValue
from node.store.values.sets import SetValue
from node.store.values.value import Value


def open_state(
    entry: Entry, db: i64, key: bytes, fresh: bool, streams: Streams, ledger: Ledger
) -> KeyState:
    """An entry spelled out. Lists and maps are copies; values and members are the entry's own."""
    state = KeyState(db, key, streams, ledger)
    if fresh:
        return state
    state.stamp = entry.stamp
    state.origin = i64(entry.origin)
    value = entry.value
    dots = entry.dots
    flags = entry.flags
    slot = slot_of(value)
    place(state, slot, value)
    if dots is not None:
        if dots.registers is not None:
            state.registers = list(dots.registers)
        if dots.claims is not None:
            state.claims = list(dots.claims)
        if dots.patches is not None:
            state.patches = list(dots.patches)
            state.patched_text = value
        if dots.rivals is not None:
            state.rivals = dict(dots.rivals)
        if dots.hidden is not None:
            for each in dots.hidden:
                place(state, slot_of(each), each)
    collection = slot != STRING_SLOT
    if collection:
        if entry.stamp != 0 or is_opaque(slot):
            state.claims.append(Claim(entry.stamp, i64(entry.origin), slot))
        if flags & COUNTED and dots is not None:
            state.increments = ledger.strings.live(db, key, dots.over, 0)
    else:
        if flags & COUNTED:
            over = base_of(entry.stamp, i64(entry.origin))
            state.increments = ledger.strings.live(db, key, over, flags)
        if not flags & NO_REGISTER and (entry.stamp != 0 or state.patches):
            base: object
            if flags & ABSENT:
                base = None
            elif dots is not None and dots.base is not None:
                base = dots.base
            else:
                base = without(value, state.increments)
            if flags & STABLE:
                state.registers.append(Register(0, 0, base))
            else:
                state.registers.append(Register(entry.stamp, i64(entry.origin), base))
    if dots is not None and dots.ttls is not None:
        state.ttls = list(dots.ttls)
    elif collection or flags & STABLE:
        state.ttls = [Claim(0, 0, entry.deadline)]
    elif not flags & ABSENT and entry.stamp != 0:
        state.ttls = [Claim(entry.stamp, i64(entry.origin), entry.deadline)]
    if state.set is not None:
        state.members = state.set.size()
    if state.hash is not None:
        state.fields = state.hash.size()
    state.shed()  # a local write clears claims and leaves hidden values where they are
    return state


def place(state: KeyState, slot: int, value: object) -> None:
    """Puts a value into the slot of its type; a string has its registers instead."""
    if isinstance(value, SetValue):
        state.set = value
    elif isinstance(value, HashValue):
        state.hash = value
    elif slot != STRING_SLOT and isinstance(value, Value):
        state.opaque[slot] = value
