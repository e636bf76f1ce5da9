"""Scans: going through the names of a large value in calls of bounded work: SSCAN and its kin.
[compiled]

A cursor is a hash of node/store/shards.py, so it holds whatever else changes. Names are put in
order one dict of the value at a time, 4,000 names of a million, and the order is kept from call to
call for as long as others do not need the room.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from node.store.shards import CURSOR_MAX, hash_of
from node.store.values.places import Places

# Orders kept at once, of 10,000 names (0.5 MB) or less in most cases: so many clients scan at once
# without making them again in every call.
KEPT_MAX: Final = 16


class Ordered:
    """A dict's names in the order of their hashes, as they were when it was made."""

    def __init__(self, chunk: dict[bytes, object]) -> None:
        self.chunk = chunk
        self.names = sorted(chunk, key=hash_of)
        self.hashes = [int(hash_of(name)) for name in self.names]


class Scans:
    """What is kept of scans under way: at most KEPT_MAX orders, the one unused longest makes
    room."""

    def __init__(self) -> None:
        self._kept: dict[int, Ordered] = {}

    def scan(self, value: Places, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """At least `count` names from `cursor` on, where there are so many, and the next cursor
        (0: that was all).

        A name that is there during the whole scan is returned. Names of one hash come together,
        and one that was removed is not returned.
        """
        if cursor < 0 or cursor > CURSOR_MAX:
            return 0, []
        chunks = value.chunks()
        width = (CURSOR_MAX + 1) // len(chunks)
        found: list[bytes] = []
        number = cursor // width
        while number < len(chunks):
            chunk = chunks[number]
            if chunk:
                ordered = self._ordered(chunk, cursor == number * width)
                hashes = ordered.hashes
                place = bisect_left(hashes, cursor)
                while place < len(hashes):
                    if len(found) >= count and hashes[place - 1] != hashes[place]:
                        return hashes[place], found
                    name = ordered.names[place]
                    if name in chunk:
                        found.append(name)
                    place += 1
                self._kept.pop(id(chunk), None)
            number += 1
            cursor = number * width
            if len(found) >= count and number < len(chunks):
                return cursor, found
        return 0, found

    def _ordered(self, chunk: dict[bytes, object], begins: bool) -> Ordered:
        """The dict's order. A scan that begins with the dict has it made anew, and so nobody who
        goes on in it misses a name that was there when they began."""
        ordered = self._kept.pop(id(chunk), None)
        if begins or ordered is None or ordered.chunk is not chunk:
            ordered = Ordered(chunk)
            while len(self._kept) >= KEPT_MAX:
                self._kept.pop(next(iter(self._kept)))
        self._kept[id(chunk)] = ordered
        return ordered
