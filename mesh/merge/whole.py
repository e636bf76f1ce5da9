"""Two nodes' knowledge of one key become one: the rule of a full sync (semantics.md 2, "State
merge").  [compiled]

A dot is kept that both have, or that one has and the other's vector does not cover. No superset
union: what the other side has seen and has no more was removed there. Removals that wait on
either side are applied to what is kept, for their ops will not come again.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from mesh.conflicts import IMPORT_CONFLICT, STAND_IN_CONFLICT, TYPE_CLASH
from mesh.merge.increments import Increment, Log, field_place
from mesh.merge.late import late_removals
from mesh.merge.opening import open_state
from mesh.merge.rule import Memory, carried_out, slots
from mesh.merge.slots import (
    HASH_SLOT,
    LIST_SLOT,
    OPAQUE_SLOTS,
    SET_SLOT,
    STREAM_SLOT,
    TOUCH,
    ZSET_SLOT,
    empty_value,
)
from mesh.merge.state import Cover, FieldState, KeyState, newest_claim
from mesh.removals import FIELD, KEY, MEMBER, TTL, TYPE, Pending
from node.store.effect import MERGE, QUIET, XDEL, ZREM, Effect
from node.store.entry import Claim, Entry, Register
from node.store.values.picks import Container
from node.store.values.value import Value

# Whose value of a slot stays in a merge: see `choose`.
HERE: Final = 0
THERE: Final = 1
NEWER_HERE: Final = 2
NEWER_THERE: Final = 3
CHOSEN_SLOTS: Final = (HASH_SLOT, SET_SLOT, *OPAQUE_SLOTS)
# A Cover whose origin is nobody's: covers by its row alone.
NOBODY: Final[i64] = -1


class PeerKey:
    """What a snapshot says of one key, in this node's origin numbers."""

    def __init__(self, db: int, key: bytes) -> None:
        self.db = db
        self.key = key
        self.registers: list[Register] = []
        self.increments: list[Increment] = []
        self.claims: list[Claim] = []
        self.ttls: list[Claim] = []
        self.members: dict[bytes, list[Register]] = {}
        self.fields: dict[bytes, FieldState] = {}
        self.opaque: dict[int, Value] = {}
        self.deadlines: dict[tuple[int, bytes], int] = {}  # of members and fields, by slot


def merge_key(
    memory: Memory, entry: Entry, fresh: bool, peer: PeerKey, mine: Cover, theirs: Cover
) -> Effect:
    """The MERGE effect that makes the key what both sides know together.

    `mine` covers what this node had applied before the switch, `theirs` the snapshot's vector.
    """
    state = open_state(entry, peer.db, peer.key, fresh, memory.streams, memory.ledger)
    before = slots(state)
    differs = join_string(memory, state, peer, mine, theirs)
    chosen = {slot: choose(state, peer, slot, mine, theirs) for slot in CHOSEN_SLOTS}
    state.claims = join_claims(state.claims, peer.claims, mine, theirs)
    differs += join_opaque(memory, state, peer, chosen)
    state.ttls = join_claims(state.ttls, peer.ttls, mine, theirs)
    join_members(state, peer, mine, theirs)
    differs += join_fields(memory, state, peer, mine, theirs)
    join_deadlines(state, peer, chosen)
    if slots(state) > max(before, 1):
        memory.conflicts.count(TYPE_CLASH)
        differs += 1
    for _ in range(differs):
        memory.conflicts.count(IMPORT_CONFLICT)
    effect = Effect(MERGE, peer.db, peer.key, state.close(), 0, memory.streams.own.seen, 0, 0)
    effect.flags = QUIET
    return effect


def choose(state: KeyState, peer: PeerKey, slot: int, mine: Cover, theirs: Cover) -> int:
    """Whose value of a slot knows more: HERE, THERE, or with NEWER_ either, of two that had not
    seen each other's last change.

    A claim without a value is a value that was emptied.
    """
    here = last_changes(state.claims, slot)
    there = last_changes(peer.claims, slot)
    if not any(each.number == slot for each in there):
        return HERE
    if not any(each.number == slot for each in here):
        return THERE
    here_is_seen = all(theirs.has(each.stamp, each.origin) for each in here)
    if all(mine.has(each.stamp, each.origin) for each in there):
        return HERE
    if here_is_seen:
        return THERE
    ours = newest_claim(here, state.streams)
    others = newest_claim(there, state.streams)
    if state.streams.newer(others.stamp, others.origin, ours.stamp, ours.origin):
        return NEWER_THERE
    return NEWER_HERE


def last_changes(claims: list[Claim], slot: int) -> list[Claim]:
    """The dots of a slot's last changes."""
    return [each for each in claims if each.number == slot or each.number == TOUCH]


def join_opaque(memory: Memory, state: KeyState, peer: PeerKey, chosen: dict[int, int]) -> int:
    """Lists, sorted sets and streams, each as a whole; how many differing ones met."""
    differs = 0
    for slot in OPAQUE_SLOTS:
        choice = chosen[slot]
        here = state.opaque.get(slot)
        there = peer.opaque.get(slot)
        met = choice == NEWER_HERE or choice == NEWER_THERE
        if met and spelled(here) != spelled(there):
            memory.conflicts.count(STAND_IN_CONFLICT)
            differs += 1
        if choice == THERE or choice == NEWER_THERE:
            state.opaque[slot] = empty_value(slot) if there is None else there
    state.shed()
    return differs


def spelled(value: Value | None) -> list[bytes]:
    """What clients can see of a value that may have been emptied."""
    return [] if value is None else value.parts()


def join_deadlines(state: KeyState, peer: PeerKey, chosen: dict[int, int]) -> None:
    """Deadlines of fields and members: of those on both sides from who knows more."""
    for slot in (HASH_SLOT, SET_SLOT):
        target: Container | None = state.hash if slot == HASH_SLOT else state.set
        if target is None:
            continue
        theirs = chosen[slot] == THERE or chosen[slot] == NEWER_THERE
        here = target.places()
        for place in peer.fields if slot == HASH_SLOT else peer.members:
            if theirs or place not in here:
                state.set_deadline(target, place, peer.deadlines.get((slot, place), 0))


def join_registers(
    here: list[Register], there: list[Register], mine: Cover, theirs: Cover
) -> list[Register]:
    """The rule for registers or members' dots of one place."""
    kept = [
        each for each in here
        if among(each, there) or not theirs.has(each.stamp, each.origin)
    ]  # fmt: skip
    for each in there:
        if not among(each, here) and not mine.has(each.stamp, each.origin):
            kept.append(each)
    return kept


def among(register: Register, others: list[Register]) -> bool:
    """Is the same dot in the list?"""
    return any(each.stamp == register.stamp and each.origin == register.origin for each in others)


def join_claims(here: list[Claim], there: list[Claim], mine: Cover, theirs: Cover) -> list[Claim]:
    """The rule for type or TTL claims."""
    ours = {(each.stamp, each.origin) for each in here}
    others = {(each.stamp, each.origin) for each in there}
    kept = [
        each for each in here
        if (each.stamp, each.origin) in others or not theirs.has(each.stamp, each.origin)
    ]  # fmt: skip
    kept += [
        each for each in there
        if (each.stamp, each.origin) not in ours and not mine.has(each.stamp, each.origin)
    ]  # fmt: skip
    return kept


def join_increments(
    here: list[Increment],
    there: list[Increment],
    mine: Cover,
    theirs: Cover,
    place: bytes,
    logs: dict[int, Log],
) -> list[Increment]:
    """The rule for increments; those that are new here are written to their streams' logs."""
    ours = {(each.stamp, each.origin) for each in here}
    others = {(each.stamp, each.origin) for each in there}
    kept: list[Increment] = []
    for each in here:
        if (each.stamp, each.origin) in others or not theirs.has(each.stamp, each.origin):
            kept.append(each)
        else:
            each.move(-1)
    for each in there:
        if (each.stamp, each.origin) in ours or mine.has(each.stamp, each.origin):
            continue
        log = logs[int(each.origin)]
        if each.decimal is None:
            log.append(place, each.stamp, each.delta, 0)
        else:
            log.append_decimal(place, each.stamp, each.decimal, 0)
        each.chunk = log.newest
        each.at = len(log.newest.places) - 1
        kept.append(each)
    return kept


def join_string(memory: Memory, state: KeyState, peer: PeerKey, mine: Cover, theirs: Cover) -> int:
    """The string slot; 1 where two values met that neither had seen, else 0."""
    logs = {
        int(each.origin): memory.ledger.string_log(peer.db, each.origin) for each in peer.increments
    }
    state.registers = join_registers(state.registers, peer.registers, mine, theirs)
    state.increments = join_increments(
        state.increments, peer.increments, mine, theirs, peer.key, logs
    )
    return 1 if different(state.registers) else 0


def different(registers: list[Register]) -> bool:
    """Are there two registers with different values?"""
    return len({each.value if isinstance(each.value, bytes) else b"" for each in registers}) > 1


def join_members(state: KeyState, peer: PeerKey, mine: Cover, theirs: Cover) -> None:
    """The set slot, member by member. Members of one side alone are no conflict: sets unite."""
    value = state.set
    here = [] if value is None else list(value.members)
    for member in dict.fromkeys([*here, *peer.members]):
        dots = state.member_dots(member)
        joined = join_registers(dots, peer.members.get(member, []), mine, theirs)
        if dots or joined:
            state.put_member(member, joined)


def join_fields(memory: Memory, state: KeyState, peer: PeerKey, mine: Cover, theirs: Cover) -> int:
    """The hash slot, field by field; in how many two values met that neither had seen."""
    value = state.hash
    here = [] if value is None else list(value.fields)
    differs = 0
    for field in dict.fromkeys([*here, *peer.fields]):
        spelled = state.field_state(field)
        other = peer.fields.get(field)
        if other is None:
            other = FieldState()
        logs = {
            int(each.origin): memory.ledger.field_log(peer.db, each.origin)
            for each in other.increments
        }
        had = len(spelled.registers) + len(spelled.increments)
        spelled.registers = join_registers(spelled.registers, other.registers, mine, theirs)
        spelled.increments = join_increments(
            spelled.increments, other.increments, mine, theirs, field_place(peer.key, field), logs
        )
        if different(spelled.registers):
            differs += 1
        if had or spelled.registers or spelled.increments:
            state.put_field(field, spelled)
    return differs


def apply_pending(memory: Memory, entry: Entry, db: int, key: bytes, pending: Pending) -> Effect:
    """The MERGE effect that applies a removal taken over from a snapshot to what is here."""
    state = open_state(entry, db, key, False, memory.streams, memory.ledger)
    cover = Cover(pending.row, NOBODY)
    for kind, place in pending.scopes:
        if kind == KEY:
            state.clear_key(cover)
        elif kind == TYPE:
            state.clear_claims(cover)
        elif kind == TTL:
            state.clear_ttls(cover)
        elif kind == MEMBER:
            state.revise_member(place, cover, None)
        elif kind == FIELD:
            state.clear_field(place, cover)
    for removal in late_removals(db, key, pending, memory.streams):
        slot = LIST_SLOT
        if removal.op == ZREM:
            slot = ZSET_SLOT
        elif removal.op == XDEL:
            slot = STREAM_SLOT
        value = state.opaque.get(slot)
        if value is not None:
            after = carried_out(value, removal)
            state.opaque[slot] = after if isinstance(after, Value) else empty_value(slot)
    effect = Effect(MERGE, db, key, state.close(), 0, memory.streams.own.seen, 0, 0)
    effect.flags = QUIET
    return effect
