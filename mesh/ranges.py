"""Leaves: all keys of a node in ranges by a hash, and what stands in each, to find what differs.
[compiled]

A key lies in one of L leaves by a CRC of database and name. A leaf's digest is the sum of its keys'
fingerprints (mesh/fingerprint.py) modulo 2^48, so the order of keys does not matter, and a key that
was counted twice makes another sum. Walks go in slices; what is shown of a database comes before
what is hidden, so a key that vanishes meanwhile is met at least once.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Final
from zlib import crc32

from mypy_extensions import i64

from mesh.fingerprint import UNKNOWN, KeyFingerprint, key_fingerprint
from mesh.merge.rule import Memory
from node.store.entry import Entry
from node.store.keyspace import Database
from node.store.shards import SHARDS
from node.store.values.value import Value

PRINT_BYTES: Final = 6
PRINT_MASK: Final[i64] = 0xFFFFFFFFFFFF
# About so many keys share a leaf: then digests and fingerprints of one key in a hundred are least.
KEYS_PER_LEAF: Final = 12
LEAVES_LEAST: Final = 256
LEAVES_MOST: Final = 1_048_576
LEAVES_BYTE: Final = 8  # fewer would not fill a byte of a bit map
# Values of more places are looked at in slices of so many, about a millisecond; and what such a
# slice counts in a step's budget of keys.
LARGE: Final[i64] = 1000
LARGE_PLACES: Final[i64] = 500
SLICE_KEYS: Final[i64] = 100
ENDED: Final = object()
BITS: Final = (1, 2, 4, 8, 16, 32, 64, 128)

Name = tuple[int, bytes]


def leaves_for(keys: int, least: int = LEAVES_LEAST) -> int:
    """How many leaves for so many keys: a power of two."""
    leaves = least
    while leaves * KEYS_PER_LEAF < keys and leaves < LEAVES_MOST:
        leaves *= 2
    return leaves


def is_leaf_count(leaves: int) -> bool:
    """May there be so many leaves? A peer's word is not taken for it."""
    return LEAVES_BYTE <= leaves <= LEAVES_MOST and leaves & (leaves - 1) == 0


def leaf_of(number: i64, key: bytes, leaves: i64) -> i64:
    """Which leaf a key lies in; `leaves` is a power of two. The same in every process."""
    return i64(crc32(key, int(number))) & (leaves - 1)


class KeyWalk:
    """Meets every key that is here, shown or hidden, and hands its fingerprint to `meet`.

    `cut` is what both nodes know to be stable, as a row (mesh/fingerprint.py).
    """

    def __init__(
        self, memory: Memory, databases: list[Database], salt: bytes, leaves: int, cut: bytes = b""
    ) -> None:
        self.memory = memory
        self.salt = salt
        self.cut = cut
        self.leaves: i64 = leaves
        self.total = sum(int(db.keys.size) + len(db.hidden) for db in databases)
        self.seen = 0
        self.done = False
        self._lists = True  # counters will be searched for among all increments
        self._todo: list[tuple[Database, int]] = []
        for db in reversed(databases):
            self._todo.append((db, SHARDS))  # stands for what is hidden, after all that is shown
            shards = db.keys.dicts  # what comes into an empty one is new
            self._todo += [(db, each) for each in range(SHARDS - 1, -1, -1) if shards[each]]
        self._at: Database | None = None
        self._names: list[bytes] = []
        self._large: Iterator[None] | None = None
        self._large_print: KeyFingerprint | None = None

    @property
    def progress(self) -> float:
        """The share of keys that were met, 0 to 1."""
        return 1.0 if self.done else min(self.seen / max(self.total, 1), 0.99)

    def step(self, budget: i64) -> bool:
        """Meets about so many keys; True when all were met."""
        while budget > 0 and not self.done:
            if self._lists:
                self._lists = self.memory.ledger.list_some(int(LARGE))
                budget -= SLICE_KEYS
            elif self._large is not None:
                self._go_on()
                budget -= SLICE_KEYS
            elif self._names:
                self._visit(self._names.pop())
                budget -= 1
            elif self._todo:
                db, number = self._todo.pop()
                self._at = db
                self._names = list(db.hidden if number == SHARDS else db.keys.dicts[number])
                budget -= 1
            else:
                self.done = True
        return self.done

    def _visit(self, key: bytes) -> None:
        db = self._at
        assert db is not None
        self.seen += 1
        entry = db.raw(key)
        leaf = leaf_of(db.number, key, self.leaves)
        if entry is None or not self.wants(leaf):
            return
        if is_large(entry):
            made = KeyFingerprint(
                self.memory, db.number, key, entry, self.salt, self.cut
            )
            self._large_print = made
            self._large = made.slices(LARGE_PLACES)
            return
        made_at_once = key_fingerprint(
            self.memory, db.number, key, entry, self.salt, self.cut
        )
        self.meet(leaf, i64(made_at_once) & PRINT_MASK, int(db.number), key)

    def _go_on(self) -> None:
        """A slice of a large key. Where it changes meanwhile its number is worth nothing, but then
        it travels: see docs/decisions/0024."""
        work, made = self._large, self._large_print
        assert work is not None and made is not None
        try:
            if next(work, ENDED) is not ENDED:
                return
        except (RuntimeError, LookupError):
            made.number = 1  # it was changed between two slices: like nothing that a peer has
        self._large = None
        self._large_print = None
        leaf = leaf_of(made.db, made.key, self.leaves)
        self.meet(leaf, made.number & PRINT_MASK, int(made.db), made.key)

    def wants(self, leaf: i64) -> bool:
        """Shall keys of this leaf be met?"""
        return True

    def meet(self, leaf: i64, print: i64, number: int, key: bytes) -> None:
        """A key and its fingerprint, cut to 48 bits."""


class LeafWalk(KeyWalk):
    """Adds up the digest of every leaf."""

    def __init__(
        self, memory: Memory, databases: list[Database], salt: bytes, leaves: int, cut: bytes = b""
    ) -> None:
        super().__init__(memory, databases, salt, leaves, cut)
        self.sums = array("Q", bytes(8 * leaves))

    def meet(self, leaf: i64, print: i64, number: int, key: bytes) -> None:
        sums = self.sums
        sums[leaf] = int((i64(sums[leaf]) + print) & PRINT_MASK)

    def digests(self, first: int, count: int) -> bytes:
        """The digests of so many leaves, PRINT_BYTES each."""
        return b"".join([
            each.to_bytes(PRINT_BYTES, "big") for each in self.sums[first : first + count]
        ])  # fmt: skip


class PrintWalk(KeyWalk):
    """Collects the keys of some leaves by their fingerprints. A key that is met twice counts as
    it was first: what was equal once stays told (docs/decisions/0024). What is as good as not
    there is left out."""

    def __init__(
        self, memory: Memory, databases: list[Database], salt: bytes, chosen: bytearray,
        cut: bytes = b"",
    ) -> None:  # fmt: skip
        super().__init__(memory, databases, salt, 8 * len(chosen), cut)
        self.chosen = chosen  # a bit for each leaf
        self.prints: dict[int, dict[int, Name]] = {}
        self._met: set[Name] = set()

    def wants(self, leaf: i64) -> bool:
        return is_set(self.chosen, leaf)

    def meet(self, leaf: i64, print: i64, number: int, key: bytes) -> None:
        name = (number, key)
        if name not in self._met:
            self._met.add(name)
            if print == UNKNOWN:
                return  # every member knows that it is deleted: as good as forgotten
            self.prints.setdefault(int(leaf), {})[int(print)] = name


def is_large(entry: Entry) -> bool:
    """Has it more places than are looked at at once?"""
    value = entry.value
    return isinstance(value, Value) and value.size() > LARGE


def is_set(bits: bytearray, at: i64) -> bool:
    """Is this bit set?"""
    return i64(bits[at >> 3]) >> (at & 7) & 1 != 0


def set_bit(bits: bytearray, at: int) -> None:
    """Sets a bit."""
    bits[at >> 3] |= BITS[at & 7]
