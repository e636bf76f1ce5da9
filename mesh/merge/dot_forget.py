"""Forgetting the dots of members, fields and scores that every member has on disk.  [compiled]

Runs for each place that was written: one look at the value's dict, and one change of it. Of a value
of which much was written all dicts are passed over instead, one after the other. Of counters in
hashes what folds without being spelled out.
"""

from __future__ import annotations

from mypy_extensions import i16, i64

from mesh.merge.counted import Generation
from mesh.merge.covers import Cut
from mesh.merge.kinds.zset_members import fold_member
from mesh.merge.state import FIELD_BASE, FIELD_RIVALS, SET_RIVALS
from node.store.entry import (
    COUNT_FOLDED,
    COUNT_MARK,
    COUNTED,
    LATER,
    NO_REGISTER,
    STABLE,
    Dot,
    Entry,
    Field,
    Rivals,
)  # fmt: skip
from node.store.values.container import Container
from node.store.values.hashes import HashValue
from node.store.values.scored import Scored, SpelledScore
from node.store.values.sets import SetValue
from node.store.values.strings import NEAR
from node.store.values.zsets import ZSetValue


def forget_members(
    value: SetValue, names: list[bytes], rivals: dict[bytes, Rivals] | None, cut: Cut
) -> i64:
    """Members of a set; how many dots went."""
    forgotten: i64 = 0
    origin: i64 = -1
    until: i64 = 0
    for member in names:
        chunk = value.do_chunk(member)
        dot = chunk.get(member)
        if not isinstance(dot, Dot):
            continue
        if dot.origin != origin:
            origin = dot.origin
            until = cut.until(origin)
        if dot.stamp > until or (rivals is not None and SET_RIVALS + member in rivals):
            continue
        chunk[member] = None
        forgotten += 1
    return forgotten


def forget_fields(
    value: HashValue, names: list[bytes], rivals: dict[bytes, Rivals] | None, cut: Cut
) -> i64:
    """Fields of a hash, but counters; how many dots went."""
    forgotten: i64 = 0
    origin: i64 = -1
    until: i64 = 0
    for name in names:
        chunk = value.do_chunk(name)
        field = chunk.get(name)
        if not isinstance(field, Field) or field.flags & ~LATER:
            continue
        writer = i64(field.origin)
        if writer != origin:
            origin = writer
            until = cut.until(origin)
        if field.stamp > until or (
            rivals is not None and (FIELD_RIVALS + name in rivals or FIELD_BASE + name in rivals)
        ):
            continue
        chunk[name] = field.value
        forgotten += 1
    return forgotten


def forget_scores(value: ZSetValue, names: list[bytes], cut: Cut, again: list[bytes]) -> i64:
    """Members of a sorted set; how many dots went. Those that must be looked at again are added
    to `again`: increments that the cut has not passed."""
    forgotten: i64 = 0
    origin: i64 = -1
    until: i64 = 0
    for member in names:
        chunk = value.do_chunk(member)
        slot = chunk.get(member)
        if not isinstance(slot, Scored):
            continue
        if isinstance(slot, SpelledScore):
            if not fold_member(value, member, cut):
                again.append(member)
            if value.slot(member) is not slot:
                forgotten += 1
            continue
        writer = i64(slot.origin)
        if writer != origin:
            origin = writer
            until = cut.until(origin)
        if slot.stamp <= until:
            chunk[member] = slot.score  # the very float that the ranking has
            forgotten += 1
    return forgotten


def sweep(
    value: Container, chunk: dict[bytes, object], rivals: dict[bytes, Rivals] | None, cut: Cut,
    to: i64, again: list[bytes],
) -> i64:  # fmt: skip
    """All places of one dict of a value, as the others here do it for some of its places; dots
    later than the stamp `to` stay."""
    if isinstance(value, SetValue):
        return sweep_members(chunk, rivals, cut, to)
    if isinstance(value, HashValue):
        return sweep_fields(chunk, rivals, cut, to)
    if isinstance(value, ZSetValue):
        return sweep_scores(value, chunk, cut, to, again)
    return 0


def sweep_members(
    chunk: dict[bytes, object], rivals: dict[bytes, Rivals] | None, cut: Cut, to: i64
) -> i64:
    """Of a set."""
    forgotten: i64 = 0
    origin: i64 = -1
    until: i64 = 0
    for member, dot in chunk.items():
        if not isinstance(dot, Dot):
            continue
        if dot.origin != origin:
            origin = dot.origin
            until = min(cut.until(origin), to)
        if dot.stamp > until or (rivals is not None and SET_RIVALS + member in rivals):
            continue
        chunk[member] = None  # a name that is there: its dict is not changed by that
        forgotten += 1
    return forgotten


def sweep_fields(
    chunk: dict[bytes, object], rivals: dict[bytes, Rivals] | None, cut: Cut, to: i64
) -> i64:
    """Of a hash."""
    forgotten: i64 = 0
    origin: i64 = -1
    until: i64 = 0
    for name, field in chunk.items():
        if not isinstance(field, Field) or field.flags & ~LATER:
            continue
        writer = i64(field.origin)
        if writer != origin:
            origin = writer
            until = min(cut.until(origin), to)
        if field.stamp > until or (
            rivals is not None and (FIELD_RIVALS + name in rivals or FIELD_BASE + name in rivals)
        ):
            continue
        chunk[name] = field.value
        forgotten += 1
    return forgotten


def sweep_scores(
    value: ZSetValue, chunk: dict[bytes, object], cut: Cut, to: i64, again: list[bytes]
) -> i64:
    """Of a sorted set."""
    forgotten: i64 = 0
    origin: i64 = -1
    until: i64 = 0
    spelled: list[bytes] = []
    for member, slot in chunk.items():
        if not isinstance(slot, Scored):
            continue
        if isinstance(slot, SpelledScore):
            spelled.append(member)
            continue
        writer = i64(slot.origin)
        if writer != origin:
            origin = writer
            until = min(cut.until(origin), to)
        if slot.stamp <= until:
            chunk[member] = slot.score
            forgotten += 1
    return forgotten + forget_scores(value, spelled, cut, again) if spelled else forgotten


def fold_marked(sealed: Generation, present: i16, cut: Cut, at: i64, end: i64) -> i64:
    """Fields from one place of a generation that is stable to another, as long as they were counted
    up since, which `present` marks, and need not be spelled out; where it has stopped."""
    slots = sealed.slots
    while at < end:
        slot = slots[at]
        if slot is None or slot.flags & COUNT_MARK != present or not fold_slot(sealed, slot, cut):
            break
        at += 1
    return at


def fold_noted(
    sealed: Generation, present: i16, entry: Entry, name: bytes, noted: Field | None, cut: Cut
) -> bool:
    """A field of this key that was counted up in a generation that is stable, and, as far as its
    slot says, not since: it becomes a plain value. None: it was made in that generation. `present`
    marks what is counted up now. False: it is to be spelled out."""
    value = entry.value
    dots = entry.dots
    if not isinstance(value, HashValue):
        return dots is None or dots.hidden is None
    if value.deadlines is not None or (dots is not None and dots.hidden is not None):
        return False
    chunk = value.do_chunk(name)
    slot = chunk.get(name)
    if not isinstance(slot, Field) or not slot.flags & COUNTED:
        return True
    mark = slot.flags & COUNT_MARK
    if noted is None:
        # What it was made by has its stamp. Counted up since, it was noted once more.
        if slot.stamp > sealed.top or mark == sealed.mark:
            return True
        if mark == present:
            return fold_slot(sealed, slot, cut)
        if mark != 0 or not slot.flags & NO_REGISTER:
            return False
    elif slot is not noted:
        return True  # written anew: what counted on it before does not any more
    elif mark != sealed.mark:
        return False
    if not fold_slot(sealed, slot, cut):
        return False
    chunk[name] = slot.value
    return True


def fold_slot(sealed: Generation, slot: Field, cut: Cut) -> bool:
    """The increments of a generation that is stable become part of the field's register, without a
    look at them, as of a string in fold_quickly. False: it is to be spelled out."""
    flags = slot.flags
    if not flags & COUNTED:
        return True
    value = slot.value
    if not isinstance(value, int) or value > NEAR or value < -NEAR:
        return False
    stamp = slot.stamp
    if not flags & STABLE and (stamp > cut.before or not cut.has(stamp, i64(slot.origin))):
        return False
    slot.flags = flags & ~(NO_REGISTER | COUNT_FOLDED) | STABLE | sealed.folded
    return True
