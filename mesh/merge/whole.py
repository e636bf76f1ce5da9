"""Two nodes' knowledge of one key become one: the rule of a full sync (semantics.md 2, "State
merge").  [compiled]

A dot is kept that both have, or that one has and the other's vector does not cover. No superset
union: what the other side has seen and has no more was removed there. Removals that wait on
either side are applied to what is kept, for their ops will not come again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, cast

from mypy_extensions import i64

from mesh.conflicts import IMPORT_CONFLICT
from mesh.merge.bare import DotName, beside, join_bare_claims, join_bare_registers
from mesh.merge.covers import Late
from mesh.merge.increments import Increment, field_place
from mesh.merge.kinds.table import KINDS
from mesh.merge.ledger import Book
from mesh.merge.noted import note_clash, note_import, note_key_import
from mesh.merge.opening import open_state
from mesh.merge.patch_order import join_patches
from mesh.merge.peer_key import PeerKey
from mesh.merge.place_deadlines import PlacesJoin
from mesh.merge.rule import Memory, slots
from mesh.merge.slots import (
    HASH_SLOT,
    LIST_SLOT,
    OPAQUE_SLOTS,
    SET_SLOT,
    empty_value,
)
from mesh.merge.state import (
    FIELD_RIVALS,
    SET_RIVALS,
    Cover,
    FieldState,
    KeyState,
    newest_claim,
)
from mesh.removals import DEADLINE, FIELD, KEY, MEMBER, TTL, TYPE, Pending
from node.store.effect import MERGE, QUIET, Effect
from node.store.entry import COUNTED, NO_REGISTER, Claim, Dot, Entry, Field, Register
from node.store.keyspace import ALL
from node.store.mutate import Step
from node.store.values.sets import SetValue
from node.store.values.value import Value

# Whose value of a slot stays in a merge: see `choose`.
HERE: Final = 0
THERE: Final = 1
NEWER_HERE: Final = 2
NEWER_THERE: Final = 3
CHOSEN_SLOTS: Final = (HASH_SLOT, SET_SLOT, *OPAQUE_SLOTS)
# A Cover whose origin is nobody's: covers by its row alone.
NOBODY: Final[i64] = -1


class KeyMerge:
    """One key's two states on their way to be one.

    `mine` covers what this node had applied before the switch, `theirs` the snapshot's vector.
    Members and fields are joined so many (`places`) at a time, and between two slices those that
    were joined are carried out. So nobody may look at the key from the first slice to the last.
    """

    def __init__(
        self, memory: Memory, entry: Entry, fresh: bool, peer: PeerKey, mine: Cover, theirs: Cover,
        places: i64 = ALL,
    ) -> None:  # fmt: skip
        self.memory = memory
        self.peer = peer
        self.mine = mine
        self.theirs = theirs
        self.places: i64 = places
        self.state = open_state(entry, peer.db, peer.key, fresh, memory.streams, memory.ledger)
        self.chosen: dict[int, int] = {}
        self.differs = 0
        self.effect: Effect | None = None
        self._dot = Dot(0, 0)
        self._joined: i64 = 0

    def slices(self) -> Iterator[None]:
        """Does the work, and yields between two slices of it; then `effect` is there."""
        memory, state, peer = self.memory, self.state, self.peer
        before = slots(state)
        told = memory.conflicts.found
        self.differs = join_string(memory, state, peer, self.mine, self.theirs)
        timed = PlacesJoin(state, peer, self.mine, self.theirs, join_claims)
        for _ in timed.collect(self.places):
            yield None
        for slot in CHOSEN_SLOTS:
            self.chosen[slot] = choose(state, peer, slot, self.mine, self.theirs)
        state.claims = join_claims(state.claims, peer.claims, self.mine, self.theirs)
        for slot in OPAQUE_SLOTS:
            if KINDS[slot].by_places:
                continue
            choice = self.chosen[slot]
            unmet = choice == NEWER_HERE or choice == NEWER_THERE
            if unmet and spelled(state.opaque.get(slot)) != spelled(peer.opaque.get(slot)):
                self.differs += 1
        for slot in OPAQUE_SLOTS:
            for _ in self._join_value(slot):
                yield None
        state.shed()
        state.ttls = join_claims(state.ttls, peer.ttls, self.mine, self.theirs)
        if state.set is not None or peer.members.size() > 0:
            for _ in self._members():
                yield None
        if state.hash is not None or peer.fields.size() + peer.texts.size() > 0:
            for _ in self._fields():
                yield None
        timed.finish()
        if slots(state) > max(before, 1):
            note_clash(memory.conflicts, state, -1)
            self.differs += 1
        for _ in range(self.differs):
            memory.conflicts.count(IMPORT_CONFLICT)
        if self.differs != 0 and memory.conflicts.found == told:
            note_key_import(memory.conflicts, IMPORT_CONFLICT, state)
        seen = memory.streams.own.seen
        effect = Effect(MERGE, peer.db, peer.key, state.close(), 0, seen, 0, 0)
        effect.flags = QUIET
        self.effect = effect

    def _join_value(self, slot: int) -> Iterator[None]:
        """A list, sorted set or stream: place by place, or as a whole."""
        state = self.state
        here = state.opaque.get(slot)
        there = self.peer.opaque.get(slot)
        if not KINDS[slot].by_places:
            if self._takes_theirs(slot):
                state.opaque[slot] = empty_value(slot) if there is None else there
            return
        if here is None and there is None:
            return
        joining = KINDS[slot].joining(
            here, there, self.mine, self.theirs, state.streams, self._takes_theirs(slot)
        )
        while not joining.step(self.places):
            yield None
        self.differs += joining.differs
        if slot == LIST_SLOT:
            self.memory.locations.settle(state.db, state.key, joining.value)
        if joining.value is not None:
            state.opaque[slot] = joining.value
        elif here is not None:
            del state.opaque[slot]

    def _is_slice(self, count: i64) -> bool:
        """So many places more were joined. Is that enough for a slice?

        Then the steps so far are carried out: so they do not pile up, nor are all done at once.
        """
        self._joined += count
        if self._joined < self.places:
            return False
        self._joined = 0
        steps = self.state.steps
        self.state.steps = []
        for step in steps:
            step.carry_out()
        return True

    # --- members --------------------------------------------------------------------------------

    def _members(self) -> Iterator[None]:
        """The set slot, member by member. Members of one side alone are no conflict: sets unite."""
        value = self.state.set
        if value is not None:
            for chunk in value.chunks():
                for names in parts(list(chunk), self.places):
                    self._join_members(chunk, names)
                    if self._is_slice(len(names)):
                        yield None
        for chunk in self.peer.members.chunks():
            for names in parts(list(chunk), self.places):
                self._take_members(chunk, names)
                if self._is_slice(len(names)):
                    yield None

    def _takes_theirs(self, slot: int) -> bool:
        """Of deadlines on both sides, are the peer's those of who knows more?"""
        return self.chosen[slot] == THERE or self.chosen[slot] == NEWER_THERE

    def _join_members(self, chunk: dict[bytes, object], names: list[bytes]) -> None:
        """Members that are here; what the peer says of them is done with."""
        state, mine, theirs = self.state, self.mine, self.theirs
        peer = self.peer
        rare = len(state.rivals) > 0
        for member in names:
            there = peer.take_dots(member)
            dot = cast("Dot | None", chunk[member])
            if dot is None or (rare and SET_RIVALS + member in state.rivals):
                other = [] if there is None else there
                joined = join_registers(state.member_dots(member), other, mine, theirs)
                state.put_member(member, joined)
            elif there is None:
                if theirs.has(dot.stamp, dot.origin):
                    state.put_member(member, [])
            elif (
                len(there) != 1 or there[0].stamp != dot.stamp or there[0].origin != dot.origin
            ):  # fmt: skip
                dots = state.member_dots(member)
                state.put_member(member, join_registers(dots, there, mine, theirs))

    def _take_members(self, chunk: dict[bytes, object], names: list[bytes]) -> None:
        """Members that only the peer has."""
        state, mine = self.state, self.mine
        for member in names:
            there = cast(list[Register], chunk[member])
            if len(there) != 1:
                state.put_member(member, join_registers([], there, mine, self.theirs))
            elif not mine.has(there[0].stamp, there[0].origin):
                if state.set is None:
                    state.set = SetValue()
                state.steps.append(Step(state.set, member, self._shared(there[0]), False))
                state.members += 1

    def _shared(self, register: Register) -> Dot | None:
        """A member's dot; one object for those that follow each other with the same."""
        if register.stamp == 0:
            return None
        dot = self._dot
        if dot.stamp != register.stamp or dot.origin != register.origin:
            dot = Dot(register.stamp, register.origin)
            self._dot = dot
        return dot

    # --- fields ---------------------------------------------------------------------------------

    def _fields(self) -> Iterator[None]:
        """The hash slot, field by field."""
        value = self.state.hash
        if value is not None:
            for chunk in value.chunks():
                for names in parts(list(chunk), self.places):
                    self._join_fields(chunk, names)
                    if self._is_slice(len(names)):
                        yield None
        for others in (self.peer.texts, self.peer.fields):
            for chunk in others.chunks():
                for names in parts(list(chunk), self.places):
                    self._take_fields(names)
                    if self._is_slice(len(names)):
                        yield None

    def _join_fields(self, chunk: dict[bytes, object], names: list[bytes]) -> None:
        """Fields that are here; what the peer says of them is done with."""
        state, peer = self.state, self.peer
        rare = len(state.rivals) > 0
        for field in names:
            slot = chunk[field]
            there = peer.take_text(field)
            spelled = peer.take_field(field)
            if (
                not isinstance(slot, Field)
                or slot.flags & (COUNTED | NO_REGISTER)
                or spelled is not None
                or (rare and FIELD_RIVALS + field in state.rivals)
            ):
                self._join_field(field, spelled_out(there, spelled))
            elif there is None:
                if self.theirs.has(slot.stamp, i64(slot.origin)):
                    state.put_field(field, FieldState())
            elif there.stamp != slot.stamp or there.origin != i64(slot.origin):
                self._join_field(field, spelled_out(there, None))

    def _take_fields(self, names: list[bytes]) -> None:
        """Fields that only the peer has."""
        for field in names:
            other = self.peer.field(field)
            if other is not None:
                self._join_field(field, other)

    def _join_field(self, field: bytes, other: FieldState) -> None:
        """One field, spelled out on both sides."""
        state = self.state
        spelled = state.field_state(field)
        had = len(spelled.registers) + len(spelled.increments)
        spelled.registers = join_registers(
            spelled.registers, other.registers, self.mine, self.theirs,
            beside(spelled.increments), beside(other.increments),
        )  # fmt: skip
        spelled.increments = join_increments(
            spelled.increments, other.increments, self.mine, self.theirs,
            self.memory.ledger.fields, state.db, field_place(self.peer.key, field),
        )  # fmt: skip
        if different(spelled.registers):
            self.differs += 1
            note_import(self.memory.conflicts, IMPORT_CONFLICT, state, field, spelled.registers)
        if had or spelled.registers or spelled.increments:
            state.put_field(field, spelled)


def merge_key(
    memory: Memory, entry: Entry, fresh: bool, peer: PeerKey, mine: Cover, theirs: Cover
) -> Effect:
    """The MERGE effect that makes the key what both sides know together; see KeyMerge."""
    merge = KeyMerge(memory, entry, fresh, peer, mine, theirs)
    for _ in merge.slices():
        pass
    effect = merge.effect
    assert effect is not None
    return effect


def parts(names: list[bytes], places: i64) -> list[list[bytes]]:
    """The names in parts of at most so many."""
    n: i64 = len(names)
    if n <= places:
        return [names] if names else []
    found: list[list[bytes]] = []
    at: i64 = 0
    while at < n:
        found.append(names[at : at + places])
        at += places
    return found


def spelled_out(register: Register | None, state: FieldState | None) -> FieldState:
    """What a peer says of a field, in whichever form."""
    if state is not None:
        return state
    state = FieldState()
    if register is not None:
        state.registers.append(register)
    return state


def choose(state: KeyState, peer: PeerKey, slot: int, mine: Cover, theirs: Cover) -> int:
    """Whose value of a slot knows more: HERE, THERE, or with NEWER_ either, of two that had not
    seen each other's last change.

    A claim without a value is a value that was emptied.
    """
    here = [each for each in state.claims if each.number == slot]
    there = [each for each in peer.claims if each.number == slot]
    if not there:
        return HERE
    if not here:
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


def spelled(value: Value | None) -> list[bytes]:
    """What clients can see of a value that may have been emptied."""
    return [] if value is None else value.parts()


def join_registers(
    here: list[Register], there: list[Register], mine: Cover, theirs: Cover,
    ours: list[DotName] | None = None, others: list[DotName] | None = None,
) -> list[Register]:
    """The rule for registers or members' dots of one place; `ours` and `others` count on them."""
    kept = join_bare_registers(here, there, ours or [], others or [], mine, theirs)
    for each in here:
        if each.stamp != 0 and (
            among(each, there) or not theirs.has(each.stamp, each.origin)
        ):  # fmt: skip
            kept.append(each)
    for each in there:
        if each.stamp != 0 and not among(each, here) and not mine.has(each.stamp, each.origin):
            kept.append(each)
    return kept


def among(register: Register, others: list[Register]) -> bool:
    """Is the same dot in the list?"""
    return any(each.stamp == register.stamp and each.origin == register.origin for each in others)


def join_claims(here: list[Claim], there: list[Claim], mine: Cover, theirs: Cover) -> list[Claim]:
    """The rule for type or TTL claims."""
    ours = {(each.stamp, each.origin) for each in here}
    others = {(each.stamp, each.origin) for each in there}
    kept = join_bare_claims(here, there, mine, theirs)
    kept += [
        each for each in here
        if each.stamp != 0 and (
            (each.stamp, each.origin) in others or not theirs.has(each.stamp, each.origin)
        )
    ]  # fmt: skip
    kept += [
        each for each in there
        if each.stamp != 0
        and (each.stamp, each.origin) not in ours and not mine.has(each.stamp, each.origin)
    ]  # fmt: skip
    return kept


def join_increments(
    here: list[Increment],
    there: list[Increment],
    mine: Cover,
    theirs: Cover,
    book: Book,
    db: i64,
    place: bytes,
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
        kept.append(book.log(db, each.origin).add(place, each, 0))
    return kept


def join_string(memory: Memory, state: KeyState, peer: PeerKey, mine: Cover, theirs: Cover) -> int:
    """The string slot; 1 where two values met that neither had seen, else 0."""
    state.registers = join_registers(
        state.registers, peer.registers, mine, theirs,
        beside(state.increments, state.patches), beside(peer.increments, peer.patches),
    )  # fmt: skip
    state.increments = join_increments(
        state.increments, peer.increments, mine, theirs, memory.ledger.strings, peer.db, peer.key
    )
    state.patches = join_patches(state.patches, peer.patches, mine, theirs, state.streams)
    if not different(state.registers):
        return 0
    note_import(memory.conflicts, IMPORT_CONFLICT, state, b"", state.registers)
    return 1


def different(registers: list[Register]) -> bool:
    """Are there two registers with different values?"""
    return len({each.value if isinstance(each.value, bytes) else b"" for each in registers}) > 1


def apply_pending(memory: Memory, entry: Entry, db: int, key: bytes, pending: Pending) -> Effect:
    """The MERGE effect that applies a removal taken over from a snapshot to what is here."""
    state = open_state(entry, db, key, False, memory.streams, memory.ledger)
    cover = Late(pending)
    for kind, place in pending.scopes:
        if kind == KEY:
            state.clear_key(cover)
        elif kind == TYPE:
            state.clear_claims(cover)
        elif kind == TTL:
            state.clear_ttls(cover)
        elif kind == MEMBER:
            state.revise_member(place, cover, None)
        elif kind == DEADLINE:
            slot = place[0]
            claims = state.uncovered_claims(slot, place[1:], cover)
            state.put_claims(slot, place[1:], claims, None)
        elif kind == FIELD:
            state.clear_field(place, cover)
    for slot, value in state.opaque.items():
        KINDS[slot].clear_scopes(value, pending.scopes, cover, memory.streams)
    effect = Effect(MERGE, db, key, state.close(), 0, memory.streams.own.seen, 0, 0)
    effect.flags = QUIET
    return effect
