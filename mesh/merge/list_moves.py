"""Where moved elements are: a register of each, the newest move counts (LMOVE and its kin).
[compiled]

A moved element is put in as a new one that says which it was before its first move. Of two nodes
that move one element at once the newest move wins: in the other list it is removed, so nobody loses
it and nobody has it twice. What moves a list knows stands in its value; the table here is made of
that. A removal takes the element from where its writer saw it, so one that was moved meanwhile
stays where it went.
"""

from __future__ import annotations

from librt.strings import read_i64_le
from mypy_extensions import i64

from mesh.conflicts import OVERWRITE, Conflicts, Side
from mesh.dots import Streams
from mesh.merge.covers import Cover
from mesh.merge.kinds.lists import take_out, take_out_late
from mesh.merge.ledger import Ledger
from mesh.merge.opening import open_state
from mesh.merge.slots import LIST_SLOT
from node.ports import Seen
from node.store.effect import MERGE, QUIET, REMOVE, Effect
from node.store.entry import Entry
from node.store.values.list_effects import Pushed, Removed
from node.store.values.lists import ListValue
from node.store.values.runs import Run
from node.store.values.value import Value


class Location:
    """Where an element was moved to, and by which write."""

    def __init__(
        self, stamp: i64, origin: i64, index: i64, db: i64, key: bytes, number: i64
    ) -> None:
        self.stamp: i64 = stamp
        self.origin: i64 = origin
        self.index: i64 = index
        self.db: i64 = db
        self.key = key
        self.number: i64 = number

    def is_at(self, db: i64, key: bytes, origin: i64, number: i64) -> bool:
        """Is it this element of this list?"""
        return (
            self.number == number and self.origin == origin and self.db == db and self.key == key
        )


class Locations:
    """The newest move of every element that was moved, by its first identity."""

    def __init__(self, streams: Streams, conflicts: Conflicts) -> None:
        self.streams = streams
        self.conflicts = conflicts
        self.table: dict[tuple[int, int], Location] = {}
        self.taken: list[Effect] = []  # removals of elements that went elsewhere, to be carried out

    def reset(self) -> None:
        """Another state takes the place of the one whose elements these were."""
        self.table = {}
        self.taken = []

    def note(self, kept: Run, location: Location) -> None:
        """A move of this node, which had seen all others."""
        self.table[int(kept.origin), int(kept.first)] = location

    def move(self, kept: Run, location: Location, seen: Seen | None) -> bool:
        """A peer's move, or one that a file knows; False: there is a newer one.

        Where it is the newest and its writer had not seen the last, the element is taken from
        where it is now.
        """
        name = (int(kept.origin), int(kept.first))
        last = self.table.get(name)
        if last is None:
            self.table[name] = location
            return True
        if last.is_at(location.db, location.key, location.origin, location.number):
            return True
        if not self._is_newer(location, last):
            if seen is not None:
                self._met(last, location, location.origin)
            return False
        self.table[name] = location
        if seen is not None and (
            last.origin == location.origin
            or last.stamp <= read_i64_le(seen.row, last.origin << 3)
        ):
            return True  # it takes the element out of where it was by itself
        if seen is not None:
            self._met(location, last, location.origin)
        removed = Removed([])
        removed.runs = [Run(last.origin, last.number, 1, 1)]
        removed.elsewhere = True
        self.taken.append(
            Effect(
                REMOVE, last.db, last.key, removed, 0,
                location.stamp, location.origin, location.index,
            )
        )  # fmt: skip
        return True

    def _met(self, winner: Location, loser: Location, origin: i64) -> None:
        """Two moves that had not seen each other, the later of them here of this origin: told
        under the list where the element is, with both lists as values."""
        conflicts = self.conflicts
        conflicts.count(OVERWRITE, origin)
        conflicts.remember(
            OVERWRITE, winner.db, winner.key, b"",
            Side(winner.stamp, winner.origin, conflicts.cut(winner.key)),
            Side(loser.stamp, loser.origin, conflicts.cut(loser.key)),
        )

    def _is_newer(self, one: Location, other: Location) -> bool:
        if one.stamp == other.stamp and one.origin == other.origin:
            return one.index > other.index
        return self.streams.newer(one.stamp, one.origin, other.stamp, other.origin)

    def is_elsewhere(self, db: i64, key: bytes, pushed: Pushed, origin: i64) -> bool:
        """Has the element of a move gone elsewhere by a newer one?"""
        kept = pushed.kept
        if kept is None:
            return False
        last = self.table.get((int(kept.origin), int(kept.first)))
        return last is not None and not last.is_at(db, key, origin, pushed.first)

    def settle(self, db: i64, key: bytes, value: Value | None) -> None:
        """Takes in what a list from a file or a peer's snapshot knows of moves; elements that went
        elsewhere by a newer one go.

        Nothing of moves that every member has: where one of them and another meet is settled by
        who has both, or the other had seen it and has removed the element by itself.
        """
        if not isinstance(value, ListValue) or value.moved is None or value.order is None:
            return
        gone: list[Run] = []
        for (origin, number), moved in value.moved.items():
            stamp = value.order.of(origin).stamp_of(number)
            if stamp == 0:
                continue
            location = Location(stamp, origin, moved.index, db, key, number)
            kept = Run(moved.origin, moved.number, 1, 1)
            if not self.move(kept, location, None):
                gone.append(Run(origin, number, 1, 1))
        if gone:
            take_out(value, gone)

    def forget(self, cut: Cover) -> None:
        """Moves that every member knows: whoever moves such an element anew has seen them."""
        stable = [
            name for name, each in self.table.items() if cut.has(each.stamp, each.origin)
        ]
        for name in stable:
            del self.table[name]

    def take(self) -> list[Effect]:
        """The removals that are to be carried out, once."""
        taken = self.taken
        if taken:
            self.taken = []
        return taken


def taken_from(
    streams: Streams, ledger: Ledger, entry: Entry, effect: Effect
) -> Effect:
    """The MERGE that takes an element which went elsewhere out of a key."""
    state = open_state(entry, effect.db, effect.key, False, streams, ledger)
    value = state.opaque.get(LIST_SLOT)
    removed = effect.value
    if isinstance(value, ListValue) and isinstance(removed, Removed):
        take_out_late(value, removed.runs)
    made = Effect(MERGE, effect.db, effect.key, state.close(), 0, streams.own.seen, 0, 0)
    made.flags = QUIET
    return made
