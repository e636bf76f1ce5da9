"""Orders: what is kept of large values while somebody scans them or picks from them.

A scan of a large value needs its members sorted by hash, a random pick needs them numbered. Making
either takes O(n) once; it is kept for a few values, and dropped when it was not used for a while.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from node.store.shards import hash_of
from node.store.values.picks import Container, Picks

# Values with a kept order of each kind: a handful of clients scan or pick at once, and each order
# costs about as much memory as the value's own dict.
KEPT_MAX: Final = 8
IDLE_S: Final = 30.0  # a scan's next call comes sooner, or it is made again
# Up to here a list of all members is made for each pick: a microsecond.
SMALL: Final = 128


class Scanned:
    """A value's members in the order of their hashes, as they were when it was made."""

    def __init__(self, value: Container) -> None:
        self.value = value
        self.ordered = [(int(hash_of(member)), member) for member in value.places()]
        self.ordered.sort()
        self.used_s = 0.0


class Picked:
    """A value that has Picks."""

    def __init__(self, value: Container) -> None:
        self.value = value
        self.used_s = 0.0


class Orders:
    """At most KEPT_MAX values scanned and KEPT_MAX picked from; the oldest makes room."""

    def __init__(self) -> None:
        self._scanned: dict[int, Scanned] = {}
        self._picked: dict[int, Picked] = {}

    def scan(
        self, value: Container, cursor: int, count: int, now_s: float
    ) -> tuple[int, list[bytes]]:
        """About `count` members from `cursor` on, and the next cursor (0: that was all).

        A cursor is a hash, so a member that is there during the whole scan is returned, whatever
        else changes and whether or not the order was made anew meanwhile. Members of one hash
        come together. A member that was removed is not returned.
        """
        if cursor < 0 or cursor.bit_length() > 62:
            return 0, []
        scanned = self._scanned.get(id(value))
        if scanned is None or scanned.value is not value or cursor == 0:
            scanned = Scanned(value)
            self._scanned.pop(id(value), None)
            while len(self._scanned) >= KEPT_MAX:
                self._scanned.pop(next(iter(self._scanned)))
            self._scanned[id(value)] = scanned
        scanned.used_s = now_s
        ordered = scanned.ordered
        members = value.places()
        first = bisect_left(ordered, (cursor, b""))
        end = min(first + count, len(ordered))
        while 0 < end < len(ordered) and ordered[end][0] == ordered[end - 1][0]:
            end += 1
        found = [member for _, member in ordered[first:end] if member in members]
        if end < len(ordered):
            return ordered[end][0], found
        self._scanned.pop(id(value), None)
        return 0, found

    def numbered(self, value: Container, now_s: float) -> list[bytes]:
        """The members in a list, each once. Nobody may change the list.

        O(1) but for a large value's first time, and O(1) for each member added since the last call.
        """
        members = value.places()
        if len(members) <= SMALL:
            return list(members)
        picks = value.picks
        if picks is None:
            while len(self._picked) >= KEPT_MAX:
                self._drop(next(iter(self._picked)))
            picks = Picks()
            value.picks = picks
            self._picked[id(value)] = Picked(value)
        picked = self._picked.get(id(value))
        if picked is not None:
            picked.used_s = now_s
        return picks.catch_up(members)

    def forget(self, now_s: float) -> None:
        """Drops what was not used for IDLE_S."""
        if self._scanned:
            for number, scanned in list(self._scanned.items()):
                if scanned.used_s < now_s - IDLE_S:
                    del self._scanned[number]
        if self._picked:
            for number, picked in list(self._picked.items()):
                if picked.used_s < now_s - IDLE_S:
                    self._drop(number)

    def _drop(self, number: int) -> None:
        self._picked.pop(number).value.picks = None
