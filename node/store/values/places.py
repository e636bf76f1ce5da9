"""Places: a map of names to slots that never stops the server while it grows.  [compiled]

What sets, hashes and sorted sets keep their members in. One dict up to LARGE names, in the order in
which they were made, as Redis shows what it keeps packed; above that 256 dicts chosen by the name's
hash (node/store/shards.py), in no order to speak of: one dict of a million names stands still for
30 ms when it grows. A value that has become large stays so; a copy of what has shrunk is small.

Who goes through many names of a small value takes `small` once and works on the dict; it must leave
at most LARGE names in it.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import islice
from sys import getsizeof
from typing import Final

from mypy_extensions import i64

from node.store.shards import SHARDS, shard_of
from node.store.values.value import Value

# A dict grows after 10,922 names, which takes 0.3 ms; moving as many to 256 dicts takes 1 ms.
LARGE: Final[i64] = 10_000
NO_DICTS: Final[list[dict[bytes, object]]] = []  # of a small value; nobody changes it


class Places(Value):
    """The names of a value with their slots; a slot may be None."""

    def __init__(self) -> None:
        self.small: dict[bytes, object] | None = {}
        self.dicts: list[dict[bytes, object]] = NO_DICTS
        self._count: i64 = 0  # names in `dicts`

    def size(self) -> int:
        """How many names."""
        small = self.small
        return int(self._count) if small is None else len(small)

    def has(self, name: bytes) -> bool:
        """Is the name here?"""
        small = self.small
        if small is not None:
            return name in small
        return name in self.dicts[shard_of(name)]

    def slot(self, name: bytes) -> object:
        """What stands under the name; None where it is not here."""
        small = self.small
        if small is not None:
            return small.get(name)
        return self.dicts[shard_of(name)].get(name)

    def chunks(self) -> list[dict[bytes, object]]:
        """The dict, or all 256: to be read only, and not after the next change."""
        small = self.small
        return self.dicts if small is None else [small]

    def names(self) -> list[bytes]:
        """All names, a copy. They come in an order that a map filled with them has as well."""
        small = self.small
        if small is not None:
            return list(small)
        found: list[bytes] = []
        for chunk in self.dicts:
            found.extend(chunk)
        return found

    def nth(self, number: int) -> bytes:
        """The name of this number, 0 to size - 1: a random number picks each equally likely.

        Takes 20 us of 5,000 names, whether they are all or the share of one dict.
        """
        small = self.small
        if small is not None:
            return next(islice(small, number, None))
        left: i64 = number
        for chunk in self.dicts:
            n: i64 = len(chunk)
            if left < n:
                return next(islice(chunk, int(left), None))
            left -= n
        raise IndexError("a name is asked for by a number that is none")

    def at(self, numbers: list[int]) -> list[bytes]:
        """The names of many numbers, in the order of these; a dict is listed once at most."""
        chunks = self.chunks()
        ends: list[int] = []
        total = 0
        for chunk in chunks:
            total += len(chunk)
            ends.append(total)
        lists: dict[int, list[bytes]] = {}
        found: list[bytes] = []
        for number in numbers:
            place = bisect_right(ends, number)
            listed = lists.get(place)
            if listed is None:
                listed = list(chunks[place])
                lists[place] = listed
            found.append(listed[number - ends[place]])  # counted from the dict's end
        return found

    def release_places(self, places: i64) -> i64:
        """Of `release`: frees up to so many names; how many more it could have been."""
        small = self.small
        if small is not None:
            while small and places > 0:
                small.popitem()
                places -= 1
            return places
        dicts = self.dicts
        while dicts and places > 0:
            last = dicts[-1]
            if last:
                last.popitem()
                self._count -= 1
            else:
                dicts.pop()
            places -= 1
        return places

    def table_bytes(self) -> int:
        """Bytes of the dicts themselves."""
        return sum([getsizeof(chunk) for chunk in self.chunks()])

    def do_place(self, name: bytes, slot: object) -> None:
        """Puts a slot under a name, new or not."""
        small = self.small
        if small is not None:
            small[name] = slot
            if len(small) > LARGE:
                self._spread(small)
            return
        chunk = self.dicts[shard_of(name)]
        before: i64 = len(chunk)
        chunk[name] = slot
        self._count += len(chunk) - before

    def do_take(self, name: bytes) -> object:
        """Takes a name out, which need not be here; returns its slot."""
        small = self.small
        if small is not None:
            return small.pop(name, None)
        chunk = self.dicts[shard_of(name)]
        before: i64 = len(chunk)
        slot = chunk.pop(name, None)
        self._count -= before - len(chunk)
        return slot

    def do_fill_names(self, names: list[bytes], slot: object) -> None:
        """Takes these names as the whole content, each with the same slot."""
        if len(names) <= LARGE:
            self._hold(dict.fromkeys(names, slot))
            return
        self._spread({})
        for name in names:
            self.do_place(name, slot)

    def do_fill_pairs(self, pairs: list[tuple[bytes, object]]) -> None:
        """Takes these names with their slots as the whole content."""
        if len(pairs) <= LARGE:
            self._hold(dict(pairs))
            return
        self._spread({})
        for name, slot in pairs:
            self.do_place(name, slot)

    def do_fill_chunks(self, chunks: list[dict[bytes, object]]) -> None:
        """Takes dicts like those of `chunks` as the whole content: they belong to it from now on.

        A single dict may have any size.
        """
        if len(chunks) == 1:
            only = chunks[0]
            if len(only) <= LARGE:
                self._hold(only)
            else:
                self._spread(only)
            return
        count: i64 = 0
        for chunk in chunks:
            count += len(chunk)
        if count <= LARGE:
            joined: dict[bytes, object] = {}
            for chunk in chunks:
                joined.update(chunk)
            self._hold(joined)
        else:
            self.small = None
            self.dicts = chunks
            self._count = count

    def _hold(self, small: dict[bytes, object]) -> None:
        self.small = small
        self.dicts = NO_DICTS
        self._count = 0

    def _spread(self, small: dict[bytes, object]) -> None:
        """Becomes large. Whoever still reads the one dict has it as it was."""
        dicts: list[dict[bytes, object]] = [{} for _ in range(SHARDS)]
        for name, slot in small.items():
            dicts[shard_of(name)][name] = slot
        self.small = None
        self.dicts = dicts
        self._count = len(small)
