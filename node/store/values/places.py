"""Places: a map of names to slots that never stops the server while it grows.  [compiled]

What sets, hashes and sorted sets keep their members in. One dict up to LARGE names, in the order in
which they were made, as Redis shows what it keeps packed; one dict of a million names would stand
still for 30 ms when it grows. Above LARGE the names are shared out to dicts by the highest bits of
their hashes (node/store/shards.py), and a dict that gets too large is divided in two: Fagin and
others, "Extendible Hashing", 1979. So any change, a random pick, and one call of a scan take about
as long in a large value as in a small one. A value that has become large stays so; a copy of what
has shrunk is small.

Who goes through many names of a small value takes `small` once and works on the dict; it must leave
at most LARGE names in it.
"""

from __future__ import annotations

from itertools import islice
from sys import getsizeof
from typing import Final

from mypy_extensions import i64

from node.store.shards import CURSOR_MAX, MASK, hash_of
from node.store.values.value import Value

# A dict of so many takes 0.1 ms to grow, to divide or to look through.
LARGE: Final[i64] = 2000
# Names in one dict of a large value: dividing it takes 20 us, and a pick passes half of them.
SHARE_MAX: Final[i64] = 256
HASH_BITS: Final[i64] = 62
FIRST_BITS: Final[i64] = 4
FIRST_DICTS: Final = 16  # 2 to the power of that
# At most 65,536 dicts, so that names made to have like hashes do no harm: of more than 16 million
# names, or of such, dicts grow larger.
MOST_BITS: Final[i64] = 16
NO_DICTS: Final[list[dict[bytes, object]]] = []  # of a small value; nobody changes it


class Places(Value):
    """The names of a value with their slots; a slot may be None."""

    def __init__(self) -> None:
        self.small: dict[bytes, object] | None = {}
        # By the highest bits of the hash, 2 to the power of so many dicts; one that was not divided
        # as often as others stands in several entries that follow each other.
        self._dicts: list[dict[bytes, object]] = NO_DICTS
        self._shift: i64 = 0  # from a hash to its entry
        self._count: i64 = 0  # names in `_dicts`
        self._widest: i64 = 0  # no dict has more names; a power of two

    def size(self) -> int:
        """How many names."""
        small = self.small
        return int(self._count) if small is None else len(small)

    def has(self, name: bytes) -> bool:
        """Is the name here?"""
        small = self.small
        if small is not None:
            return name in small
        return name in self._dicts[hash_of(name) >> self._shift]

    def slot(self, name: bytes) -> object:
        """What stands under the name; None where it is not here."""
        small = self.small
        if small is not None:
            return small.get(name)
        return self._dicts[hash_of(name) >> self._shift].get(name)

    def chunks(self) -> list[dict[bytes, object]]:
        """All dicts, to be read only; a new name may stand in none of them."""
        small = self.small
        if small is not None:
            return [small]
        found: list[dict[bytes, object]] = []
        last: dict[bytes, object] | None = None
        for chunk in self._dicts:
            if chunk is not last:
                found.append(chunk)
                last = chunk
        return found

    def names(self) -> list[bytes]:
        """All names, a copy. They come in an order that a map filled with them has as well."""
        small = self.small
        if small is not None:
            return list(small)
        found: list[bytes] = []
        for chunk in self.chunks():
            found.extend(chunk)
        return found

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """At least `count` names from `cursor` on, where there are so many, and the next cursor.

        A cursor is the hash to go on at, 0 at the end: whatever else changes, a name that is there
        during a whole scan is returned, and none is returned twice. The work is `count` names and
        looking through a dict or two.
        """
        if cursor < 0 or cursor > CURSOR_MAX:
            return 0, []
        found: list[bytes] = []
        at: i64 = cursor
        while at <= MASK and len(found) < count:
            at = self._scan_part(at, count - len(found), found)
        return int(at) if at <= MASK else 0, found

    def _scan_part(self, begin: i64, wanted: i64, found: list[bytes]) -> i64:
        """Appends some names of the dict in which a hash stands; returns where it left off."""
        chunk, low, high = self._around(begin)
        size: i64 = len(chunk)
        likely = wanted + (wanted >> 3) + 4  # so many, lest there are often too few
        end = high
        if likely < size:
            part = (high - low) // size * likely
            if part < high - begin:
                end = begin + part
        if begin == low and end == high:
            found.extend(chunk)
            return end
        for name in chunk:
            place = hash_of(name)
            if begin <= place and place < end:
                found.append(name)
        return end

    def _around(self, place: i64) -> tuple[dict[bytes, object], i64, i64]:
        """The dict in which a hash stands, and the hashes it has: from the one to before the
        other."""
        small = self.small
        if small is not None:
            end_of_all: i64 = MASK  # not 1 << 62: mypyc would write that as a C int
            end_of_all += 1
            return small, 0, end_of_all
        first, end = self._entries(place >> self._shift)
        return self._dicts[first], first << self._shift, end << self._shift

    def _entries(self, at: i64) -> tuple[i64, i64]:
        """The entries in which the same dict stands: from the one to before the other."""
        dicts = self._dicts
        chunk = dicts[at]
        n: i64 = len(dicts)
        first = at
        while first > 0 and dicts[first - 1] is chunk:
            first -= 1
        end = at + 1
        while end < n and dicts[end] is chunk:
            end += 1
        return first, end

    def drawn(self, number: i64) -> bytes | None:
        """One try to pick a name of a large value by a random number of 62 bits; each is equally
        likely.

        None where it is to be tried again: of a value that has not shrunk, one try in two to four
        finds a name.
        """
        dicts = self._dicts
        at = number >> self._shift
        chunk = dicts[at]
        place = number & (self._widest - 1)
        if place >= len(chunk) or (at > 0 and dicts[at - 1] is chunk):
            return None
        return next(islice(chunk, int(place), None))

    def nth(self, number: int) -> bytes:
        """The name of this number, 0 to size - 1; takes a step for each dict."""
        left: i64 = number
        for chunk in self.chunks():
            n: i64 = len(chunk)
            if left < n:
                return next(islice(chunk, int(left), None))
            left -= n
        raise IndexError("a name is asked for by a number that is none")

    def at(self, numbers: list[int]) -> list[bytes]:
        """The names of many numbers, in the order of these; all names are listed once for it."""
        names = self.names()
        return [names[number] for number in numbers]

    def release_places(self, places: i64) -> i64:
        """Of `release`: frees up to so many names; how many more it could have been."""
        small = self.small
        if small is not None:
            while small and places > 0:
                small.popitem()
                places -= 1
            return places
        dicts = self._dicts
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
        directory = 0 if self.small is not None else getsizeof(self._dicts)
        return directory + sum([getsizeof(chunk) for chunk in self.chunks()])

    def do_place(self, name: bytes, slot: object) -> None:
        """Puts a slot under a name, new or not."""
        small = self.small
        if small is not None:
            small[name] = slot
            if len(small) > LARGE:
                self._spread(small)
            return
        at = hash_of(name) >> self._shift
        chunk = self._dicts[at]
        before: i64 = len(chunk)
        chunk[name] = slot
        after: i64 = len(chunk)
        if after != before:
            self._count += 1
            if after > SHARE_MAX:
                self._divide(at)

    def do_chunk(self, name: bytes) -> dict[bytes, object]:
        """The dict in which a name stands, if it is here: whoever asks may give a name that stands
        in it another slot, and change nothing else."""
        small = self.small
        if small is not None:
            return small
        return self._dicts[hash_of(name) >> self._shift]

    def do_chunk_from(self, begin: i64) -> tuple[dict[bytes, object], i64]:
        """The dict in which a hash stands, to be changed as one of `do_chunk`, and the first hash
        behind it; -1: there is none.

        From 0 on these are all dicts: each name that is there all the while stands in one of them,
        whatever is put in or taken out meanwhile.
        """
        chunk, _, end = self._around(begin)
        return chunk, end if end <= MASK else -1

    def do_take(self, name: bytes) -> object:
        """Takes a name out, which need not be here; returns its slot."""
        small = self.small
        if small is not None:
            return small.pop(name, None)
        chunk = self._dicts[hash_of(name) >> self._shift]
        before: i64 = len(chunk)
        slot = chunk.pop(name, None)
        self._count -= before - len(chunk)
        return slot

    def do_fill_names(self, names: list[bytes], slot: object) -> None:
        """Takes these names as the whole content, each with the same slot."""
        if len(names) <= LARGE:
            self._hold(dict.fromkeys(names, slot))
            return
        self._hold({})
        for name in names:
            self.do_place(name, slot)

    def do_fill_pairs(self, pairs: list[tuple[bytes, object]]) -> None:
        """Takes these names with their slots as the whole content."""
        if len(pairs) <= LARGE:
            self._hold(dict(pairs))
            return
        self._hold({})
        for name, slot in pairs:
            self.do_place(name, slot)

    def do_fill_dict(self, content: dict[bytes, object]) -> None:
        """Takes a dict as the whole content: it belongs to it from now on."""
        if len(content) <= LARGE:
            self._hold(content)
        else:
            self.do_fill_pairs(list(content.items()))

    def do_fill_as(self, other: Places, chunks: list[dict[bytes, object]]) -> None:
        """Takes the names of another (or its own) with other slots as the whole content.

        `chunks` are one for each of `other.chunks()`; they belong to it from now on.
        """
        if other.small is not None:
            self._hold(chunks[0])
            return
        if other.size() <= LARGE:
            joined: dict[bytes, object] = {}
            for chunk in chunks:
                joined.update(chunk)
            self._hold(joined)
            return
        dicts: list[dict[bytes, object]] = []
        at = -1
        last: dict[bytes, object] | None = None
        for chunk in other._dicts:
            if chunk is not last:
                last = chunk
                at += 1
            dicts.append(chunks[at])
        self.small = None
        self._dicts = dicts
        self._shift = other._shift
        self._count = other._count
        self._widest = other._widest

    def _hold(self, small: dict[bytes, object]) -> None:
        self.small = small
        self._dicts = NO_DICTS
        self._count = 0

    def _spread(self, small: dict[bytes, object]) -> None:
        """Becomes large. Whoever still reads the one dict has it as it was."""
        dicts: list[dict[bytes, object]] = [{} for _ in range(FIRST_DICTS)]
        shift = HASH_BITS - FIRST_BITS
        for name, slot in small.items():
            dicts[hash_of(name) >> shift][name] = slot
        self.small = None
        self._dicts = dicts
        self._shift = shift
        self._count = len(small)
        self._widest = SHARE_MAX
        at: i64 = 0
        while at < len(self._dicts):
            self._divide(at)
            at += 1

    def _divide(self, at: i64) -> None:
        """Divides the dict of an entry until none of it is too large, or may not be divided.

        Whether it may be depends on its names alone, not on what was before: so a map filled with
        the names of another, in their order, has them in the same order.
        """
        while True:
            chunk = self._dicts[at]
            if len(chunk) <= SHARE_MAX:
                return
            first, end = self._entries(at)
            if end - first == 1:
                if self._shift == HASH_BITS - MOST_BITS:
                    while self._widest < len(chunk):
                        self._widest *= 2
                    return
                self._double()
                at *= 2
                continue
            middle = (first + end) >> 1
            border = middle << self._shift
            low: dict[bytes, object] = {}
            high: dict[bytes, object] = {}
            for name, slot in chunk.items():
                if hash_of(name) < border:
                    low[name] = slot
                else:
                    high[name] = slot
            for i in range(first, middle):
                self._dicts[i] = low
            for i in range(middle, end):
                self._dicts[i] = high
            at = first if len(low) > SHARE_MAX else middle

    def _double(self) -> None:
        """Every dict stands in twice as many entries."""
        doubled: list[dict[bytes, object]] = []
        for chunk in self._dicts:
            doubled.append(chunk)
            doubled.append(chunk)
        self._dicts = doubled
        self._shift -= 1
