"""Container: what sets, hashes and sorted sets share: places by name, the deadlines of these, and
what the value was before places went.  [compiled]"""

from __future__ import annotations

from itertools import islice
from sys import getsizeof
from typing import Final

from mypy_extensions import i64

from node.store.entry import Claim, Field, Mark
from node.store.values.member_deadlines import MemberDeadlines, Timed, latest
from node.store.values.places import Places
from node.store.values.scored import Scored

FIELD_BYTES: Final = 40


class Container(Places):
    """A value of many places, by name.

    `deadlines` is None unless a place has one. Whoever looks a key up never sees a place past its
    deadline: the database has it taken out before (Database.peek).
    """

    def __init__(self) -> None:
        super().__init__()
        self.deadlines: MemberDeadlines | None = None
        # What it was before places went: Redis never packs again what it has unpacked, so OBJECT
        # ENCODING and DUMP ask for the most places there were, and for the longest that is gone
        # (of a hash's values, the longest that ever came).
        self.most: i64 = 0
        self.longest: i64 = 0
        self.had_words = False  # a set's member that is no number is gone
        self.was_timed = False  # a place had a deadline
        # Of whoever follows the journal: when it was noted last as written, and how it waits.
        self.noted: i64 = 0
        self.mark: Mark | None = None

    def do_remember(self, arguments: list[bytes], begin: i64, before: i64) -> None:
        """Places from `begin` on go; there were `before` of them."""
        if before > self.most:
            self.most = before
        longest = self.longest
        i = begin
        n: i64 = len(arguments)
        while i < n:
            size: i64 = len(arguments[i])
            if size > longest and self.has(arguments[i]):
                longest = size
            i += 1
        self.longest = longest

    def note_most(self, most: i64) -> None:
        """So many places there ever were, whatever came in between by the way."""
        self.most = most

    def take_past(self, other: Container) -> None:
        """It is a copy of the other, or stands in its place: what that was before holds for it."""
        self.most = other.most
        self.longest = other.longest
        self.had_words = other.had_words
        self.was_timed = other.was_timed

    def held(self) -> i64:
        deadlines = self.deadlines
        found: i64 = self.size()
        return found if deadlines is None else found + deadlines.held()

    def release(self, places: i64) -> i64:
        self.release_beside(self.release_places(places))
        return self.held()

    def release_beside(self, places: i64) -> None:
        """Of `release`: what is kept beside the members."""
        if places > 0 and self.deadlines is not None and self.deadlines.release(places) == 0:
            self.deadlines = None

    def footprint(self, samples: int) -> int:
        size = measured(self, samples)
        return size if self.deadlines is None else size + self.deadlines.footprint()

    def lost(self, arguments: list[bytes], begin: int) -> None:
        """Places from `begin` on were taken out; their deadlines go too."""
        if self.deadlines is not None:
            self.do_persist(arguments, begin, 1)

    def note_timed(self) -> None:
        """A deadline was asked for, though perhaps none was set: Redis holds it otherwise then."""
        self.was_timed = True

    def has_deadlines(self) -> bool:
        """Has any place a deadline? Then a hash is RDB's kind hash_ttl."""
        deadlines = self.deadlines
        return deadlines is not None and len(deadlines.of) > 0

    def remembers(self) -> bool:
        """Does the mesh remember anything of places that are not there?"""
        deadlines = self.deadlines
        return deadlines is not None and deadlines.remembers()

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
        deadlines = self.deadlines
        return None if deadlines is None or not deadlines.of else deadlines.copy()

    def deadline_parts(self) -> list[bytes]:
        """For `parts`: nothing while there is no deadline, or else one text of them all."""
        deadlines = self.deadlines
        return [] if deadlines is None or not deadlines.of else [deadlines.spelled()]

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

    def do_claim(self, place: bytes, claims: list[Claim] | None) -> None:
        """These are the claims of a place now, and its deadline if it is there; None: those that
        need not be written down, and no deadline."""
        deadlines = self.deadlines
        if deadlines is None:
            if claims is None:
                return
            deadlines = MemberDeadlines()
            self.deadlines = deadlines
        if claims is None:
            deadlines.claims.pop(place, None)
            deadlines.of.pop(place, 0)
        else:
            deadlines.claims[place] = claims
            self.do_show_claims([place], 0)
        if deadlines.is_empty():
            self.deadlines = None

    def do_show_claims(self, arguments: list[bytes], begin: int) -> None:
        """Places from `begin` on were added, perhaps: their deadlines are what claims say that were
        here before them."""
        deadlines = self.deadlines
        if deadlines is None or not deadlines.claims:
            return
        for at in range(begin, len(arguments)):
            claims = deadlines.claims.get(arguments[at])
            if claims is None or not self.has(arguments[at]):
                continue
            deadline_ms = latest(claims)
            if deadline_ms == 0:
                deadlines.of.pop(arguments[at], 0)
            else:
                deadlines.do_set(arguments[at], deadline_ms)
                self.was_timed = True

    def do_claim_all(self, stamp: i64, origin: i64) -> None:
        """All deadlines there are were written by this dot."""
        deadlines = self.deadlines
        if deadlines is not None:
            for place, deadline_ms in deadlines.of.items():
                if place not in deadlines.claims:
                    deadlines.claims[place] = [Claim(stamp, origin, deadline_ms)]

    def do_unpark(self, place: bytes) -> bool:
        """A parked place is in sight again, with the deadline it had; False: it is not parked."""
        deadlines = self.deadlines
        if deadlines is None or place not in deadlines.parked:
            return False
        self.do_restore(place, deadlines.parked.pop(place))
        self.do_show_claims([place], 0)
        return True

    def do_hide(self, place: bytes) -> None:
        """Takes a place out that is kept elsewhere, and leaves what is remembered of it."""
        self.do_take(place)

    def do_restore(self, place: bytes, slot: object) -> None:
        """The reverse of `do_hide`."""
        self.do_place(place, slot)

    def do_persist(self, arguments: list[bytes], begin: int, step: int) -> None:
        """Every `step`th place from `begin` on has no deadline any more."""
        deadlines = self.deadlines
        if deadlines is None:
            return
        for i in range(begin, len(arguments), step):
            deadlines.do_clear(arguments[i])
        if deadlines.is_empty():
            self.deadlines = None


def measured(value: Places, samples: int) -> int:
    """The dicts, and the members as far as they are measured, stretched to all of them."""
    size = value.table_bytes()
    count = value.size()
    wanted = count if samples == 0 else min(samples, count)
    left = wanted
    found = 0
    for chunk in value.chunks():
        if left == 0:
            break
        for name, slot in islice(chunk.items(), left):
            found += getsizeof(name) + slot_bytes(slot)
            left -= 1
    return size if wanted == 0 else size + found * count // wanted


def slot_bytes(slot: object) -> int:
    """What stands behind a member or field; a dot is shared and not counted."""
    if isinstance(slot, Field):
        return FIELD_BYTES + getsizeof(slot.value)
    if isinstance(slot, Scored):
        return slot.footprint()
    return getsizeof(slot) if isinstance(slot, (bytes, int)) else 0


def timed(value: Container, place: bytes) -> Timed:
    """The payload of a HEXPIRE of one place of this value."""
    kind = value.kind()
    return Timed([place], kind == b"hash", kind == b"zset")
