"""Rule, what every op's rule has, and Memory, what all rules share.  [compiled]

`local` notes a client's write: it has seen everything here, so it clears and never loses. `remote`
admits a peer's: the common cases at once on the entry, the rest by spelling the key out
(`general`).
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

from librt.strings import read_i64_le
from mypy_extensions import i16, i64

from mesh.conflicts import COUNTER_OVERFLOW, Conflicts
from mesh.dots import Streams
from mesh.merge.covers import Cut, StampCut
from mesh.merge.ledger import Ledger
from mesh.merge.list_moves import Locations
from mesh.merge.noted import note_clash
from mesh.merge.opening import open_state
from mesh.merge.slots import HASH_SLOT, LIST_SLOT, SET_SLOT
from mesh.merge.state import Cover, KeyState
from mesh.merge.totals import beyond
from mesh.policy import Policy
from mesh.removals import KEY, TTL, TYPE, Pending, Removals
from node.ports import Seen
from node.store.effect import CREATION, MERGE, NEWEST_WINS, QUIET, Effect
from node.store.entry import HELD, LATER, STABLE, Claim, Dot, Dots, Entry, Field
from node.store.mutate import MUTATE
from node.store.usual import packed, usual
from node.store.values.container import Container
from node.store.values.hashes import HashValue
from node.store.values.lists import ListValue

SLOT_MASK: Final = 0xFFF


class Memory:
    """What all rules share: the streams, the increments, the waiting removals, the counts."""

    def __init__(self, streams: Streams) -> None:
        self.streams = streams
        self.ledger = Ledger()
        self.removals = Removals(streams)
        self.conflicts = Conflicts(streams)
        self.locations = Locations(streams, self.conflicts)
        self.cut = Cut()  # what every member has on disk
        self.policy: Policy | None = None  # of which keys removals are newest-wins; None: of none
        self.claimed_slot: i64 = -1  # of this member in the membership map; -1: none yet
        self.uncovered = False  # the frame being applied names writes that are not here yet
        self.list_inserts: i64 = 0  # elements that this stream has put into lists

    def slot_number(self) -> i64:
        """What the IDs of stream entries made here end with: the slot that `claimed_slot` says,
        else 12 bits of the member id. Two members may share those: an ID that both gave is counted
        as `stream_dup_id`."""
        if self.claimed_slot >= 0:
            return self.claimed_slot
        return i64(crc32(self.streams.own.member) & SLOT_MASK)

    def number_inserts(self, count: i64) -> i64:
        """The first of `count` new numbers for list elements; none is ever given again."""
        first = self.list_inserts + 1
        self.list_inserts += count
        return first


class Rule:
    """How one op is decided. The default admits everything and remembers nothing."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    def local(self, effect: Effect, entry: Entry, fresh: bool) -> None:
        """Notes a client's write on the entry, before it is carried out."""

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        """What of a peer's effect is to be carried out here."""
        return self.general(effect, entry, fresh, seen)

    def scopes(self, effect: Effect) -> list[tuple[int, bytes]]:
        """What the effect clears."""
        return [(KEY, b"")]

    def change(self, state: KeyState, effect: Effect, cover: Cover) -> None:
        """Clears what the effect's writer had seen, and adds its dots but those already removed."""

    def general(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        """The whole rule, on the key spelled out."""
        memory = self.memory
        events = effect.events if effect.events != 0 else packed(usual(effect))
        state = open_state(entry, effect.db, effect.key, fresh, memory.streams, memory.ledger)
        before = slots(state)
        # What a flush overrules waits for the whole database already.
        newest = (effect.flags & (NEWEST_WINS | QUIET)) == NEWEST_WINS
        self.change(state, effect, self.cover_of(effect, seen))
        elements = state.opaque.get(LIST_SLOT)
        if isinstance(elements, ListValue) and elements.order is not None:
            elements.order.note_removal(effect.origin, effect.stamp)
        if memory.uncovered or newest:
            scopes = self.scopes(effect)
            if scopes:
                row = waiting_row(seen.row, effect.origin)
                ranks = memory.streams if newest else None
                pending = Pending(effect.stamp, effect.origin, row, scopes, ranks)
                memory.removals.add(effect.db, effect.key, pending)
        if slots(state) > max(before, 1):
            note_clash(memory.conflicts, state, effect.origin)
        clipped = beyond(entry.value)
        outcome = state.close()
        if state.overflows != 0 or (not clipped and beyond(outcome.result.value)):
            total = outcome.result.value
            memory.conflicts.note(COUNTER_OVERFLOW, effect, b"", total, 0, 0, None, True)
        shown = Effect(
            MERGE, effect.db, effect.key, outcome, 0, effect.stamp, effect.origin, effect.index
        )
        shown.events = events
        shown.flags = effect.flags
        return shown

    def cover_of(self, effect: Effect, seen: Seen) -> Cover:
        """What the effect clears in its scopes."""
        if effect.flags & NEWEST_WINS:
            ranks = self.memory.streams
            removal = Pending(effect.stamp, effect.origin, seen.row, [], ranks)
            return StampCut(seen.row, effect.origin, removal)
        return Cover(seen.row, effect.origin)

    def late_removal(
        self, effect: Effect, entry: Entry, fresh: bool, seen: Seen
    ) -> Effect | None:
        """A removal of places off the quick way: nothing where one of the whole key was first."""
        if fresh and not self.memory.uncovered and not effect.flags & NEWEST_WINS:
            return None
        return self.general(effect, entry, fresh, seen)

    def begin_string(self, state: KeyState, effect: Effect, cover: Cover) -> None:
        """What every change of a string in place clears, and the TTL claim of one that it makes."""
        if effect.flags & CREATION:
            state.clear_key(cover)
            if not self.drops(effect, [(TTL, b"")]):
                state.ttls.append(Claim(effect.stamp, effect.origin, 0))
        else:
            state.clear_claims(cover)

    def begin(self, state: KeyState, effect: Effect, cover: Cover, slot: i64) -> None:
        """What every add to a collection clears and claims for the key as a whole."""
        if effect.flags & CREATION:
            state.clear_string(cover)
            state.clear_ttls(cover)
            if slot != HASH_SLOT:
                state.clear_fields(cover)
            if slot != SET_SLOT:
                state.clear_members(cover)
            state.clear_opaque(cover)
            if not self.drops(effect, [(TTL, b"")]):
                state.ttls.append(Claim(effect.stamp, effect.origin, 0))
        state.clear_claims(cover)
        if not self.drops(effect, [(TYPE, b"")]):
            state.claims.append(Claim(effect.stamp, effect.origin, slot))

    def plain(self, effect: Effect) -> bool:
        """May the effect take the quick way: nothing waits that may concern its key?"""
        memory = self.memory
        if effect.flags & NEWEST_WINS:
            return False
        return not memory.uncovered and not memory.removals.touches(effect.db, effect.key)

    def drops(self, effect: Effect, scopes: list[tuple[int, bytes]]) -> bool:
        """Was a dot of this effect, lying in these scopes, removed before it arrived?"""
        removals = self.memory.removals
        if removals.count == 0:
            return False
        return removals.drops(effect.db, effect.key, scopes, effect.stamp, effect.origin)


def slots(state: KeyState) -> int:
    """How many types a key has content of; more than one is a clash, all but one are hidden."""
    state.shed()
    found = sum(1 for value in state.opaque.values() if value.is_shown())
    if state.members != 0:
        found += 1
    if state.fields != 0:
        found += 1
    if state.increments or state.patches or any(each.value is not None for each in state.registers):
        found += 1
    return found


def carried_out(value: object, effect: Effect) -> object:
    """What the op makes of a value that stands in no entry; None where it is emptied."""
    scratch = Entry(value, 0, 0)
    MUTATE[effect.op].apply(scratch, effect)
    return scratch.value


def waiting_row(row: bytes, origin: i64) -> bytes:
    """A context row with the writer's own place emptied: its earlier writes are here already."""
    place = int(origin) * 8
    if place + 8 > len(row):
        return row
    return row[:place] + bytes(8) + row[place + 8 :]


def saw(row: bytes, by: i64, stamp: i64, origin: i64) -> bool:
    """Had a write of stream `by` with this context row seen the dot (stamp, origin)?"""
    if origin == by:
        return True
    return stamp <= read_i64_le(row, origin << 3)


def saw_deadlines(
    value: Container, names: list[bytes], begin: int, step: int, row: bytes, origin: i64,
    places: bool,
) -> bool:  # fmt: skip
    """Had a peer's write seen all claims of these places' deadlines, and is none of them parked?

    `places`: also those that are not written down. A field's is that of its register.
    """
    deadlines = value.deadlines
    if deadlines is None and not places:
        return True
    is_hash = places and isinstance(value, HashValue)
    for at in range(begin, len(names), step):
        name = names[at]
        claims: list[Claim] | None = None
        if deadlines is not None:
            if name in deadlines.parked:
                return False
            claims = deadlines.claims.get(name)
        if claims is not None:
            for each in claims:
                if not saw(row, origin, each.stamp, each.origin):
                    return False
        elif is_hash:
            slot = value.slot(name)
            if (
                isinstance(slot, Field) and not slot.flags & STABLE
                and not saw(row, origin, slot.stamp, i64(slot.origin))
            ):  # fmt: skip
                return False
    return True


def is_timed(value: Container, names: list[bytes]) -> bool:
    """Has one of these places a deadline, or is anything remembered of one?"""
    deadlines = value.deadlines
    if deadlines is None:
        return False
    return any(deadlines.knows(name) or name in deadlines.parked for name in names)


def born(entry: Entry, effect: Effect) -> None:
    """A collection or counter is made by this effect: its TTL claim is "none" (semantics.md 2)."""
    dots = Dots()
    dots.ttls = [Claim(effect.stamp, effect.origin, 0)]
    entry.dots = dots
    entry.flags = entry.flags & HELD
    if effect.index != 0:
        entry.flags |= LATER
    entry.deadline = 0
    entry.stamp = effect.stamp
    entry.origin = i16(effect.origin)


def add_here(entry: Entry, effect: Effect, fresh: bool) -> Dots | None:
    """A client adds to a collection: its dot, and the one type claim, since it has seen all others.

    Returns the rare dots, where rivals of the places it writes may be; None where none can be.
    """
    effect.dot = Dot(effect.stamp, 0)
    if fresh:
        born(entry, effect)
        return None
    entry.stamp = effect.stamp
    entry.origin = 0
    dots = entry.dots
    if dots is None:
        entry.dots = Dots()
        return None
    dots.claims = None
    return dots


def make_here(entry: Entry, effect: Effect) -> Effect:
    """A peer's creation of a collection that nothing is known of here: shown as it is."""
    effect.dot = Dot(effect.stamp, effect.origin)
    born(entry, effect)
    return effect


def claim(entry: Entry, effect: Effect, row: bytes, slot: i64, streams: Streams) -> None:
    """A peer's add claims the key's type: what it had seen of the claims goes, its own comes."""
    dots = entry.dots
    stamp = entry.stamp
    origin = i64(entry.origin)
    kept: list[Claim] = []
    if dots is not None and dots.claims is not None:
        kept = [
            each for each in dots.claims if not saw(row, effect.origin, each.stamp, each.origin)
        ]
    if stamp != 0 and not saw(row, effect.origin, stamp, origin):
        if not streams.newer(effect.stamp, effect.origin, stamp, origin):
            kept.append(Claim(effect.stamp, effect.origin, slot))
            set_claims(entry, kept)
            return
        kept.append(Claim(stamp, origin, slot))
    entry.stamp = effect.stamp
    entry.origin = i16(effect.origin)
    set_claims(entry, kept)


def set_claims(entry: Entry, claims: list[Claim]) -> None:
    """Makes these the key's other type claims."""
    dots = entry.dots
    if dots is None:
        if not claims:
            return
        dots = Dots()
        entry.dots = dots
    dots.claims = claims if claims else None
