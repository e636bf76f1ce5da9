"""Shelf: the staged records of a snapshot by key, in memory up to a limit and then in a file.

What a record needs in memory while it is in the file is eight bytes, and a bit that says whether
it was taken; its key stands in the file too.
"""

from __future__ import annotations

import marshal
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from mesh.spill import Spill
from node.persist.contents import value_of
from node.persist.gradual import KINDS
from node.persist.rdb_codes import KIND_STREAM
from node.persist.rdb_records import Opaque
from node.store.shards import SHARD_SHIFT, SHARDS, hash_of

# Elements of a large value that are handled at once, in memory and in the file.
PART = 1000
# In the index: 24 bits of the key's hash, below those that choose the shard, and the place in the
# file, of up to a terabyte.
TAG_BITS = 24
PLACE_BITS = 40
TAG_SHIFT = int(SHARD_SHIFT) - TAG_BITS
TAG_MASK = (1 << TAG_BITS) - 1
PLACE_MASK = (1 << PLACE_BITS) - 1
# Most records are read whole with the first look.
READ_AHEAD = 4096
SIZE_BYTES = 8
# Objects that stand around a key and around an element, by estimate.
KEY_BYTES = 400
ELEMENT_BYTES = 100
SAMPLES = 16
ENTRY_BYTES = 20  # of a stream: the least that an entry takes, by estimate


class Staged:
    """One key of the snapshot: its value, its dots as they came. Joined only when it is merged.

    A large collection is not made into a value before: `parts` gives its elements then, once.
    """

    __slots__ = ("aux", "dots", "hidden", "kind", "parts", "places", "value")

    def __init__(
        self, kind: bytes, value: object, dots: bytes | None, hidden: bytes | None
    ) -> None:
        self.kind = kind
        self.value = value
        self.dots = dots
        self.hidden = hidden
        self.aux: list[tuple[bytes, bytes]] = []
        self.parts: Iterator[list[object]] | None = None
        self.places = 0


def parts_of(content: list[object]) -> Iterator[list[object]]:
    """A list in parts; what was given is let go."""
    content.reverse()
    while content:
        part = content[-PART:]
        del content[-PART:]
        part.reverse()
        yield part


class Shelf:
    """Keys by database and shard. `limit_bytes` is what may stay in memory, by estimate."""

    def __init__(
        self, databases: int, limit_bytes: int, open_spill: Callable[[], Spill] | None
    ) -> None:
        self.limit_bytes = limit_bytes
        self.bytes_here = 0
        self.records_aside = 0
        self.problems: list[str] = []
        self._open = open_spill
        self._spill: Spill | None = None
        self._here: list[list[dict[bytes, Staged]]] = [
            [{} for _ in range(SHARDS)] for _ in range(databases)
        ]
        self._aside: list[list[Aside]] = [[] for _ in range(databases)]
        self._writing: deque[Writing] = deque()

    def put(self, number: int, key: bytes, staged: Staged, content: object) -> None:
        """One key. `content` is what its record held, for the file. OSError: see Spill."""
        if self.bytes_here < self.limit_bytes or self._open is None or not is_plain(content):
            self.bytes_here += weight(content) + len(key) + len(staged.dots or b"")
            self._here[number][hash_of(key) >> SHARD_SHIFT][key] = staged
            return
        if self._spill is None:
            self._spill = self._open()
        self.records_aside += 1
        if staged.parts is None:
            self._note(number, key, write(self._spill, key, staged, content, []))
        else:
            self._writing.append(Writing(number, key, staged))

    def work(self, parts: int) -> bool:
        """Writes so many parts of large records to the file; True: nothing is left to be written.

        Until then nothing may be asked for. OSError: see Spill.
        """
        while self._writing and parts > 0:
            first = self._writing[0]
            spill = self._spill
            assert spill is not None and first.staged.parts is not None
            part = next(first.staged.parts, None)
            if part is None:
                place = write(spill, first.key, first.staged, None, first.places)
                self._note(first.number, first.key, place)
                self._writing.popleft()
            else:
                elements: list[Any] = part
                first.places.append(append(spill, elements))
                parts -= 1
        return not self._writing

    def _note(self, number: int, key: bytes, place: int) -> None:
        """A record is in the file."""
        if place > PLACE_MASK:
            raise OSError("a staged snapshot cannot have more than a terabyte")
        if not self._aside[number]:
            self._aside[number] = [Aside() for _ in range(SHARDS)]
        h = int(hash_of(key))
        self._aside[number][h >> SHARD_SHIFT].add(tag_of(h), place)

    def take(self, number: int, key: bytes) -> Staged | None:
        """What is staged of a key; it is not here any more then. OSError: it cannot be read."""
        h = int(hash_of(key))
        staged = self._here[number][h >> SHARD_SHIFT].pop(key, None)
        if staged is not None or not self._aside[number]:
            return staged
        aside = self._aside[number][h >> SHARD_SHIFT]
        tag = tag_of(h)
        at = aside.first(tag)
        spill = self._spill
        assert spill is not None
        while at < aside.size() and aside.tag(at) == tag:
            if not aside.is_taken(at):
                found, staged = read(spill, aside.place(at))
                if found == key:
                    aside.take(at)
                    if staged.kind and staged.parts is None and staged.places == 0:
                        staged.value = value_of(staged.kind, staged.value, staged.aux)
                    return staged
            at += 1
        return None

    def names(self, number: int, shard: int) -> list[bytes]:
        """The keys of a shard that were not taken yet. What cannot be read is left out from now
        on, and told in `problems`."""
        found = list(self._here[number][shard])
        if self._aside[number]:
            aside = self._aside[number][shard]
            spill = self._spill
            assert spill is not None
            for at in aside.left():
                try:
                    found.append(read(spill, aside.place(at))[0])
                except OSError as error:
                    aside.take(at)
                    self.problems.append(f"a key in database {number}: {error}")
        return found

    def forget(self, number: int) -> list[dict[bytes, Staged]]:
        """Nothing of a database is wanted any more; its dicts, for whoever frees them."""
        old = self._here[number]
        self._here[number] = [{} for _ in range(SHARDS)]
        self._aside[number] = []
        return old

    def close(self) -> None:
        """The snapshot is merged, or broken."""
        if self._spill is not None:
            self._spill.close()
            self._spill = None


class Writing:
    """A large record on its way to the file: its parts first, in any company."""

    def __init__(self, number: int, key: bytes, staged: Staged) -> None:
        self.number = number
        self.key = key
        self.staged = staged
        self.places: list[int] = []


class Aside:
    """The index of one shard in the file."""

    def __init__(self) -> None:
        self._entries = array("Q")
        self._taken = bytearray()
        self._is_sorted = True

    def add(self, tag: int, place: int) -> None:
        """One record."""
        self._entries.append(tag << PLACE_BITS | place)
        self._is_sorted = False

    def _sort(self) -> None:
        if not self._is_sorted:
            self._entries = array("Q", sorted(self._entries))
            self._is_sorted = True
        if not self._taken:
            self._taken = bytearray((len(self._entries) + 7) // 8)

    def first(self, tag: int) -> int:
        """The number of the first record with this tag or a higher one."""
        self._sort()
        return bisect_left(self._entries, tag << PLACE_BITS)

    def size(self) -> int:
        """How many records."""
        return len(self._entries)

    def tag(self, at: int) -> int:
        """A record's tag."""
        return self._entries[at] >> PLACE_BITS

    def place(self, at: int) -> int:
        """A record's place in the file."""
        return self._entries[at] & PLACE_MASK

    def is_taken(self, at: int) -> bool:
        """Was the record taken?"""
        return bool(self._taken[at >> 3] >> (at & 7) & 1)

    def take(self, at: int) -> None:
        """The record is taken now."""
        self._taken[at >> 3] |= 1 << (at & 7)

    def left(self) -> list[int]:
        """The numbers of what was not taken, in the file's order."""
        self._sort()
        numbers = [at for at in range(self.size()) if not self.is_taken(at)]
        numbers.sort(key=self.place)
        return numbers


def tag_of(h: int) -> int:
    """The bits of a key's hash that stand in the index."""
    return h >> TAG_SHIFT & TAG_MASK


def is_plain(content: object) -> bool:
    """Can the file hold it? A rarity such as a KeyDB cron job stays in memory."""
    return content is None or isinstance(content, (bytes, list, Opaque))


def weight(content: object) -> int:
    """About how many bytes a record's content takes in memory."""
    if isinstance(content, bytes):
        return KEY_BYTES + len(content)
    if isinstance(content, Opaque):
        return KEY_BYTES + 2 * len(content.data)
    if not isinstance(content, list) or not content:
        return KEY_BYTES
    some = list(islice(content, SAMPLES))
    size = sum(ELEMENT_BYTES + text_bytes(each) for each in some)
    return KEY_BYTES + size * len(content) // len(some)


def text_bytes(element: object) -> int:
    """The bytes of an element's texts."""
    if isinstance(element, bytes):
        return len(element)
    if isinstance(element, tuple):
        return sum(ELEMENT_BYTES // 2 + text_bytes(each) for each in element)
    return 0


# --- records in the file ------------------------------------------------------------------------


def append(spill: Spill, content: Any) -> int:
    """Something that marshal knows, with its size before it; its place."""
    data = marshal.dumps(content)
    return spill.append(len(data).to_bytes(SIZE_BYTES, "big") + data)


def write(spill: Spill, key: bytes, staged: Staged, content: object, parts: list[int]) -> int:
    """A record whose elements are in these parts, or in itself; its place."""
    held: Any = content  # nothing that marshal does not know, by is_plain
    if isinstance(content, Opaque):
        held = (int(content.type_number), content.data)
    return append(
        spill,
        (key, staged.kind, held, staged.dots, staged.hidden, staged.aux, parts, staged.places),
    )


def read(spill: Spill, place: int) -> tuple[bytes, Staged]:
    """The record at a place: its key, and what is staged of it. OSError: it cannot be read."""
    key, kind, held, dots, hidden, aux, parts, places = read_one(spill, place)
    if isinstance(held, tuple):
        held = Opaque(*held)
    staged = Staged(kind, held, dots, hidden)
    staged.aux = aux
    staged.places = places
    if parts:
        staged.parts = read_parts(spill, parts)
    return key, staged


def read_parts(spill: Spill, places: list[int]) -> Iterator[list[object]]:
    """The elements of a large record."""
    for place in places:
        yield read_one(spill, place)


def read_one(spill: Spill, place: int) -> Any:
    """What was appended at a place. OSError: it cannot be read."""
    data = spill.read(place, READ_AHEAD)
    end = SIZE_BYTES + int.from_bytes(data[:SIZE_BYTES], "big")
    if end > len(data):
        data += spill.read(place + len(data), end - len(data))
    try:
        return marshal.loads(data[SIZE_BYTES:end])
    except (EOFError, ValueError, TypeError) as error:
        raise OSError(f"the file of staged records was damaged: {error}") from error


def is_large(kind: bytes, content: object, large: int) -> bool:
    """Is it a collection of more elements than this?"""
    return kind in KINDS and isinstance(content, list) and len(content) > large


def is_large_stream(kind: bytes, content: object, large: int) -> bool:
    """Is it a stream of about more entries than this?"""
    return (
        kind == KIND_STREAM
        and isinstance(content, Opaque)
        and len(content.data) > ENTRY_BYTES * large
    )
