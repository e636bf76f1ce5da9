"""MemberDeadlines: when single fields or members of one value go; the payload of HEXPIRE.
[compiled]

HEXPIRE of hash fields and KeyDB's EXPIREMEMBER of hash fields, set members and sorted-set members
are this one mechanism. A value has a MemberDeadlines only while one of its places has a deadline,
or while the mesh remembers something of one.

In a mesh a place's deadline is what its claims say, one for each write of it that no later one has
cleared: the longest, and 0 is none at all (semantics.md 4.11). A place past its deadline is parked
then: out of sight, and back if a write comes that lets it live longer.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from sys import getsizeof
from typing import Final

from mypy_extensions import i64

from node.store.entry import Claim

# The latest deadline in ms that Redis takes for a field (the year 4199): 46 bits.
LATEST_MS: Final = 70368744177663
NEVER: Final[i64] = 1152921504606846976
# Entries of the heap that are out of date, beyond as many as there are deadlines: what is below
# this is not worth the work of making it anew.
STALE_MIN: Final = 64
ENTRY_BYTES: Final = 88  # a pair and its number
CLAIM_BYTES: Final = 104  # a list of one claim


class Lapsed:
    """LAPSE of single places: those past their deadline at `now_ms` go, at most `most` of them.

    The mutation fills in `names` while it applies. Every node does this for itself. `parks`: in a
    mesh they are only parked.
    """

    def __init__(self, now_ms: i64, most: i64) -> None:
        self.now_ms: i64 = now_ms
        self.most: i64 = most
        self.parks = False
        self.names: list[bytes] = []

    def __str__(self) -> str:
        return " ".join(name.decode("latin-1") for name in self.names)


class Timed:
    """HEXPIRE: the fields of a hash, or the members of another collection, that are named.

    Nobody changes `names`. `of_hash` decides in which words the effect is written: Redis's or ours;
    `of_zset` says which other collection is meant.
    """

    def __init__(self, names: list[bytes], of_hash: bool, of_zset: bool = False) -> None:
        self.names = names
        self.of_hash = of_hash
        self.of_zset = of_zset

    def __str__(self) -> str:
        return " ".join(name.decode("latin-1") for name in self.names)


class MemberDeadlines:
    """Deadline by place, and the earliest of them in O(1); a change is O(log n).

    The heap holds what was set; an entry that is not the place's deadline any more is left there
    until it comes to the top, and all of them go when they are most of the heap.
    """

    def __init__(self) -> None:
        self.of: dict[bytes, int] = {}
        self.claims: dict[bytes, list[Claim]] = {}  # where they are not what `of` says already
        self.parked: dict[bytes, object] = {}  # by place, its slot
        self._heap: list[tuple[int, bytes]] = []

    def remembers(self) -> bool:
        """Is anything known of places that are not there?"""
        return len(self.claims) > 0 or len(self.parked) > 0

    def knows(self, place: bytes) -> bool:
        """Is anything written down of this place's deadline?"""
        return place in self.of or place in self.claims

    def is_empty(self) -> bool:
        """Is there neither a deadline nor anything remembered?"""
        return not self.of and not self.claims and not self.parked

    def size(self) -> int:
        """How many places have a deadline."""
        return len(self.of)

    def get(self, place: bytes) -> int:
        """The place's deadline in ms, 0 where it has none."""
        return self.of.get(place, 0)

    def do_set(self, place: bytes, deadline_ms: int) -> None:
        """The place has this deadline now; in ms, above 0."""
        of = self.of
        if of.get(place, 0) == deadline_ms:
            return
        of[place] = deadline_ms
        heap = self._heap
        if len(heap) > 2 * len(of) + STALE_MIN:
            self._heap = [(at_ms, name) for name, at_ms in of.items()]
            heapify(self._heap)
        else:
            heappush(heap, (deadline_ms, place))

    def do_clear(self, place: bytes) -> None:
        """The place has no deadline any more, or is gone; nothing of it is remembered."""
        self.of.pop(place, 0)
        if self.claims:
            self.claims.pop(place, None)
        if self.parked:
            self.parked.pop(place, None)

    def earliest_ms(self) -> i64:
        """The first deadline; NEVER where there is none."""
        heap = self._heap
        of = self.of
        while heap:
            deadline_ms, place = heap[0]
            if of.get(place, 0) == deadline_ms:
                return deadline_ms
            heappop(heap)
        return NEVER

    def do_take_due(self, now_ms: i64, most: i64) -> list[bytes]:
        """Up to `most` places whose deadline is before `now_ms`; they have none any more."""
        return [place for place, _ in self.do_take_due_timed(now_ms, most)]

    def do_take_due_timed(self, now_ms: i64, most: i64) -> list[tuple[bytes, int]]:
        """The same, each with the deadline it had."""
        found: list[tuple[bytes, int]] = []
        count: i64 = 0
        while count < most and self.earliest_ms() < now_ms:
            deadline_ms, place = heappop(self._heap)
            self.of.pop(place, 0)
            found.append((place, deadline_ms))
            count += 1
        return found

    def do_park(self, place: bytes, slot: object, deadline_ms: int) -> None:
        """The place is out of sight from now on; it had this deadline in ms."""
        self.parked[place] = slot
        if place not in self.claims:
            self.claims[place] = [Claim(0, 0, deadline_ms)]

    def copy(self) -> MemberDeadlines:
        """The same deadlines; shares nothing. What the mesh remembers stays behind."""
        twin = MemberDeadlines()
        twin.of = dict(self.of)
        twin._heap = [(at_ms, name) for name, at_ms in self.of.items()]
        heapify(twin._heap)
        return twin

    def held(self) -> i64:
        """How many things `release` has to free."""
        return len(self.of) + len(self._heap) + len(self.claims) + len(self.parked)

    def release(self, places: i64) -> i64:
        """Frees so many deadlines of a value that nobody has any more; how many are left."""
        of = self.of
        while of and places > 0:
            of.popitem()
            places -= 1
        while self.claims and places > 0:
            self.claims.popitem()
            places -= 1
        while self.parked and places > 0:
            self.parked.popitem()
            places -= 1
        heap = self._heap
        size: i64 = len(heap)
        if places > 0:
            del heap[size - places if size > places else 0 :]
        return self.held()

    def footprint(self) -> int:
        """Bytes in memory: the map, the heap and its pairs; the names belong to the value."""
        size = getsizeof(self.of) + getsizeof(self._heap) + ENTRY_BYTES * len(self._heap)
        if self.remembers():
            size += getsizeof(self.claims) + CLAIM_BYTES * len(self.claims)
            size += getsizeof(self.parked) + ENTRY_BYTES * len(self.parked)
        return size

    def spelled(self) -> bytes:
        """All of them as one text that is equal on all nodes: for the digest."""
        out = [b"%d %d %b" % (at_ms, len(name), name) for name, at_ms in sorted(self.of.items())]
        return b" ".join(out)


def latest(claims: list[Claim]) -> int:
    """The deadline in ms that shows of a place's claims: the longest, 0 where there is none."""
    found: i64 = 0
    for each in claims:
        if each.number == 0:
            return 0
        if each.number > found:
            found = each.number
    return found
