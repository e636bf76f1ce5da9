"""Container: what values of named places share (sets, hashes, sorted sets): picks and deadlines.

Picks are the members of a large value by number, so that one is picked in constant time. Made at
the first random pick and kept right from then on: `lose` is called when members go, and what was
added is found when it is needed, because a dict keeps the order of insertion and what is new
stands at its end.
"""

from __future__ import annotations

from itertools import islice
from sys import getsizeof
from typing import Final

from mypy_extensions import i64

from node.store.entry import Field
from node.store.values.member_deadlines import MemberDeadlines
from node.store.values.value import Value

FIELD_BYTES: Final = 40


class Picks:
    """Every member once, in any order, with its place."""

    def __init__(self) -> None:
        self.order: list[bytes] = []
        self.places: dict[bytes, int] = {}

    def catch_up(self, members: dict[bytes, object]) -> list[bytes]:
        """The members in numbered order; takes in those added since the last call."""
        fresh = len(members) - len(self.order)
        if fresh < 0:  # members went without being named here
            self.order = []
            self.places = {}
            fresh = len(members)
        if fresh > 0:
            newest = list(islice(reversed(members), fresh))
            newest.reverse()
            for member in newest:
                self.places[member] = len(self.order)
                self.order.append(member)
        return self.order

    def lose(self, arguments: list[bytes], begin: int) -> None:
        """The members from `begin` on are gone: the last ones take their places."""
        order = self.order
        for i in range(begin, len(arguments)):
            place = self.places.pop(arguments[i], -1)
            if place >= 0:
                last = order.pop()
                if place < len(order):
                    order[place] = last
                    self.places[last] = place


class Container(Value):
    """A value of many places, by name in one dict.

    `deadlines` is None unless a place has one. Whoever looks a key up never sees a place past its
    deadline: the database has it taken out before (Database.peek).
    """

    def __init__(self) -> None:
        self.picks: Picks | None = None
        self.deadlines: MemberDeadlines | None = None
        # What it was before places went: Redis never packs again what it has unpacked, so OBJECT
        # ENCODING and DUMP ask for the most places there were, and for the longest that is gone
        # (of a hash's values, the longest that ever came).
        self.most: i64 = 0
        self.longest: i64 = 0
        self.had_words = False  # a set's member that is no number is gone
        self.was_timed = False  # a place had a deadline

    def do_remember(self, arguments: list[bytes], begin: i64, before: i64) -> None:
        """Places from `begin` on go; there were `before` of them."""
        if before > self.most:
            self.most = before
        longest = self.longest
        i = begin
        n: i64 = len(arguments)
        while i < n:
            size: i64 = len(arguments[i])
            if size > longest and arguments[i] in self.places():
                longest = size
            i += 1
        self.longest = longest

    def take_past(self, other: Container) -> None:
        """It is a copy of the other, or stands in its place: what that was before holds for it."""
        self.most = other.most
        self.longest = other.longest
        self.had_words = other.had_words
        self.was_timed = other.was_timed

    def release(self, places: i64) -> i64:
        own = self.places()
        while own and places > 0:
            own.popitem()
            places -= 1
        return len(own)

    def footprint(self, samples: int) -> int:
        size = measured(self.places(), samples)
        return size if self.deadlines is None else size + self.deadlines.footprint()

    def places(self) -> dict[bytes, object]:
        """The value's own dict, to be read only."""
        return {}

    def lost(self, arguments: list[bytes], begin: int) -> None:
        """Places from `begin` on were taken out; their deadlines go too."""
        picks = self.picks
        if picks is not None:
            picks.lose(arguments, begin)
        if self.deadlines is not None:
            self.do_persist(arguments, begin, 1)

    def note_timed(self) -> None:
        """A deadline was asked for, though perhaps none was set: Redis holds it otherwise then."""
        self.was_timed = True

    def has_deadlines(self) -> bool:
        """Has any place a deadline? Then a hash is RDB's kind hash_ttl."""
        return self.deadlines is not None

    def deadline_of(self, place: bytes) -> int:
        """A place's deadline in ms, 0 where it has none."""
        deadlines = self.deadlines
        return 0 if deadlines is None else deadlines.get(place)

    def deadline_items(self) -> list[tuple[bytes, int]]:
        """Each place that has a deadline, with it, in ms; in the order they were given."""
        deadlines = self.deadlines
        return [] if deadlines is None else list(deadlines.of.items())

    def deadlines_copy(self) -> MemberDeadlines | None:
        """For `copy`: a copied value keeps the deadlines of its places."""
        return None if self.deadlines is None else self.deadlines.copy()

    def deadline_parts(self) -> list[bytes]:
        """For `parts`: nothing while there is no deadline, or else one text of them all."""
        return [] if self.deadlines is None else [self.deadlines.spelled()]

    def do_set_deadline(self, place: bytes, deadline_ms: int) -> None:
        """Gives a place that is there its deadline; 0: none."""
        deadlines = self.deadlines
        if deadline_ms == 0:
            if deadlines is not None:
                self.do_persist([place], 0, 1)
            return
        if deadlines is None:
            deadlines = MemberDeadlines()
            self.deadlines = deadlines
            self.was_timed = True
        deadlines.do_set(place, deadline_ms)

    def do_persist(self, arguments: list[bytes], begin: int, step: int) -> None:
        """Every `step`th place from `begin` on has no deadline any more."""
        deadlines = self.deadlines
        if deadlines is None:
            return
        for i in range(begin, len(arguments), step):
            deadlines.do_clear(arguments[i])
        if deadlines.size() == 0:
            self.deadlines = None


def measured(places: dict[bytes, object], samples: int) -> int:
    """A dict, and its members as far as they are measured, stretched to all of them."""
    size = getsizeof(places)
    count = len(places)
    looked_at = count if samples == 0 else min(samples, count)
    if looked_at == 0:
        return size
    some = islice(places.items(), looked_at)
    found = sum(getsizeof(name) + slot_bytes(slot) for name, slot in some)
    return size + found * count // looked_at


def slot_bytes(slot: object) -> int:
    """What stands behind a member or field; a dot is shared and not counted."""
    if isinstance(slot, Field):
        return FIELD_BYTES + getsizeof(slot.value)
    return getsizeof(slot) if isinstance(slot, (bytes, int)) else 0
