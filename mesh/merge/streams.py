"""Streams (XADD, XDEL, XSETID): each entry on its own; a removal clears the adds it had seen, the
positions are the highest of the claims that are left.  [compiled]

mesh/merge/groups.py has the rules of consumer groups.
"""

from __future__ import annotations

from typing import cast

from mesh.conflicts import REMOVED_UNSEEN, STREAM_DUP_ID, STREAM_LATE_ENTRY
from mesh.merge.elements import crowded
from mesh.merge.rule import Rule, add_here, claim, make_here
from mesh.merge.sights import CoverSight, LateSight
from mesh.merge.slots import STREAM_SLOT
from mesh.merge.state import Cover, KeyState
from mesh.removals import KEY, PLACE, SPAN, TYPE
from node.ports import Seen
from node.store.effect import CREATION, Effect
from node.store.entry import Dot, Entry
from node.store.values.stream_changes import (
    add_entry,
    delete_entries,
    dot_of,
    memory_of,
    new_stream,
    sees_below,
    set_positions,
)
from node.store.values.stream_dots import ADDED, LAST_ID, MAX_DELETED, Sight
from node.store.values.stream_ids import id_text
from node.store.values.streams import Added, Deleted, Positions, StreamValue

Scope = tuple[int, bytes]


class StreamRule(Rule):
    """What the ops of streams have in common. Only what adds claims the key's type."""

    def adds(self, effect: Effect) -> bool:
        """Does it add an entry or a group?"""
        return False

    def is_quick(self, value: StreamValue, effect: Effect, sight: Sight) -> bool:
        """Had its writer seen all that it clears here?"""
        return False

    def note(self, value: StreamValue, effect: Effect) -> None:
        """Counts what it meets."""

    def carry_out(self, value: StreamValue, effect: Effect, dot: Dot, sight: Sight) -> None:
        """Changes the stream as far as the sight goes."""

    def cleared(self, effect: Effect) -> list[Scope]:
        """What it clears of a stream that is there, but the type."""
        return []

    def local(self, effect: Effect, entry: Entry, fresh: bool) -> None:
        if self.adds(effect):
            add_here(entry, effect, fresh)
        else:
            effect.dot = Dot(effect.stamp, 0)

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        if not self.plain(effect):
            return self.general(effect, entry, fresh, seen)
        adds = self.adds(effect)
        creates = effect.flags & CREATION != 0
        if fresh and creates and adds:
            return make_here(entry, effect)
        value = entry.value
        if fresh or creates or not isinstance(value, StreamValue) or crowded(entry):
            return self.general(effect, entry, fresh, seen)
        if not self.is_quick(value, effect, CoverSight(Cover(seen.row, effect.origin))):
            return self.general(effect, entry, fresh, seen)
        self.note(value, effect)
        effect.dot = Dot(effect.stamp, effect.origin)
        if adds:
            claim(entry, effect, seen.row, STREAM_SLOT, self.memory.streams)
        return effect

    def scopes(self, effect: Effect) -> list[Scope]:
        if effect.flags & CREATION:
            return [(KEY, b"")]
        if self.adds(effect):
            return [(TYPE, b""), *self.cleared(effect)]
        return self.cleared(effect)

    def change(self, state: KeyState, effect: Effect, cover: Cover) -> None:
        if self.adds(effect):
            self.begin(state, effect, cover, STREAM_SLOT)
        elif effect.flags & CREATION:
            state.clear_key(cover)
        held = state.opaque.get(STREAM_SLOT)
        value = new_stream() if held is None else cast(StreamValue, held)
        state.opaque[STREAM_SLOT] = value
        self.note(value, effect)
        sight = LateSight(cover, self.memory.removals, effect)
        self.carry_out(value, effect, Dot(effect.stamp, effect.origin), sight)


class StreamEntries(StreamRule):
    """XADD."""

    def adds(self, effect: Effect) -> bool:
        return True

    def is_quick(self, value: StreamValue, effect: Effect, sight: Sight) -> bool:
        number = cast(Added, effect.value).number
        return number > value.last_id or dot_of(value, number) is None

    def note(self, value: StreamValue, effect: Effect) -> None:
        number = cast(Added, effect.value).number
        for group in value.groups.values():
            if group.last_id >= number:
                self.memory.conflicts.notice(STREAM_LATE_ENTRY, effect, id_text(number), True)
                return

    def carry_out(self, value: StreamValue, effect: Effect, dot: Dot, sight: Sight) -> None:
        added = cast(Added, effect.value)
        if add_entry(value, added, dot, sight):
            here = dot_of(value, added.number)
            won = here is not None and here.stamp == dot.stamp and here.origin == dot.origin
            self.memory.conflicts.notice(STREAM_DUP_ID, effect, id_text(added.number), won)


class StreamRemovals(StreamRule):
    """XDEL and trims: the entries that were seen go, late ones stay."""

    def is_quick(self, value: StreamValue, effect: Effect, sight: Sight) -> bool:
        deleted = cast(Deleted, effect.value)
        if deleted.below != 0 and not sees_below(value, deleted.below, sight):
            return False
        rivals = memory_of(value).rivals
        for number in deleted.ids:
            if number in rivals:
                return False
            dot = dot_of(value, number)
            if dot is not None and not sight.has(dot.stamp, dot.origin):
                return False
        return True

    def cleared(self, effect: Effect) -> list[Scope]:
        deleted = cast(Deleted, effect.value)
        scopes = [(SPAN, entry_name(number) * 2) for number in deleted.ids]
        if deleted.below > 0:
            scopes.append((SPAN, entry_name(0) + entry_name(deleted.below - 1)))
        return scopes

    def carry_out(self, value: StreamValue, effect: Effect, dot: Dot, sight: Sight) -> None:
        deleted = cast(Deleted, effect.value)
        if not sees_below(value, deleted.below, sight):
            self.memory.conflicts.notice(REMOVED_UNSEEN, effect, b"", False)
        delete_entries(value, deleted, dot, sight)


class StreamPositions(StreamRule):
    """XSETID: clears the positions it had seen and claims its own."""

    def cleared(self, effect: Effect) -> list[Scope]:
        positions = cast(Positions, effect.value)
        scopes = [(PLACE, LAST_ID[0])]
        if positions.entries_added >= 0:
            scopes.append((PLACE, ADDED[0]))
        if positions.max_deleted_id != 0:
            scopes.append((PLACE, MAX_DELETED[0]))
        return scopes

    def carry_out(self, value: StreamValue, effect: Effect, dot: Dot, sight: Sight) -> None:
        set_positions(value, cast(Positions, effect.value), dot, sight)


def entry_name(number: int) -> bytes:
    """An entry by its ID; names are in the order of the IDs."""
    return number.to_bytes(16, "big")
