"""MemberDeadlines: when single fields or members of one value go; the payload of HEXPIRE.
[compiled]

HEXPIRE of hash fields and KeyDB's EXPIREMEMBER of hash fields, set members and sorted-set members
are this one mechanism. A value has a MemberDeadlines only while one of its places has a deadline.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from sys import getsizeof
from typing import Final

from mypy_extensions import i64

# The latest deadline in ms that Redis takes for a field (the year 4199): 46 bits.
LATEST_MS: Final = 70368744177663
NEVER: Final[i64] = 1152921504606846976
# Entries of the heap that are out of date, beyond as many as there are deadlines: what is below
# this is not worth the work of making it anew.
STALE_MIN: Final = 64
ENTRY_BYTES: Final = 88  # a pair and its number


class Lapsed:
    """LAPSE of single places: those past their deadline at `now_ms` go, at most `most` of them.

    The mutation fills in `names` while it applies. Every node does this for itself.
    """

    def __init__(self, now_ms: i64, most: i64) -> None:
        self.now_ms: i64 = now_ms
        self.most: i64 = most
        self.names: list[bytes] = []

    def __str__(self) -> str:
        return " ".join(name.decode("latin-1") for name in self.names)


class Timed:
    """HEXPIRE: the fields of a hash, or the members of another collection, that are named.

    Nobody changes `names`. `of_hash` decides in which words the effect is written: Redis's or ours.
    """

    def __init__(self, names: list[bytes], of_hash: bool) -> None:
        self.names = names
        self.of_hash = of_hash

    def __str__(self) -> str:
        return " ".join(name.decode("latin-1") for name in self.names)


class MemberDeadlines:
    """Deadline by place, and the earliest of them in O(1); a change is O(log n).

    The heap holds what was set; an entry that is not the place's deadline any more is left there
    until it comes to the top, and all of them go when they are most of the heap.
    """

    def __init__(self) -> None:
        self.of: dict[bytes, int] = {}
        self._heap: list[tuple[int, bytes]] = []

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
        """The place has no deadline any more, or is gone."""
        self.of.pop(place, 0)

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
        found: list[bytes] = []
        count: i64 = 0
        while count < most and self.earliest_ms() < now_ms:
            place = heappop(self._heap)[1]
            self.of.pop(place, 0)
            found.append(place)
            count += 1
        return found

    def copy(self) -> MemberDeadlines:
        """The same deadlines; shares nothing."""
        twin = MemberDeadlines()
        twin.of = dict(self.of)
        twin._heap = [(at_ms, name) for name, at_ms in self.of.items()]
        heapify(twin._heap)
        return twin

    def held(self) -> i64:
        """How many things `release` has to free."""
        return len(self.of) + len(self._heap)

    def release(self, places: i64) -> i64:
        """Frees so many deadlines of a value that nobody has any more; how many are left."""
        of = self.of
        while of and places > 0:
            of.popitem()
            places -= 1
        heap = self._heap
        size: i64 = len(heap)
        if places > 0:
            del heap[size - places if size > places else 0 :]
        return self.held()

    def footprint(self) -> int:
        """Bytes in memory: the map, the heap and its pairs; the names belong to the value."""
        return getsizeof(self.of) + getsizeof(self._heap) + ENTRY_BYTES * len(self._heap)

    def spelled(self) -> bytes:
        """All of them as one text that is equal on all nodes: for the digest."""
        out = [b"%d %d %b" % (at_ms, len(name), name) for name, at_ms in sorted(self.of.items())]
        return b" ".join(out)
