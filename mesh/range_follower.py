"""The receiving side of a resync by digest: which keys does this node lack, which of its own may
have been removed? No sockets.

Both sides add up their leaves at once; the leaves that differ are told to the server, whose
fingerprints there are compared with those here. Clients go on writing meanwhile, frames wait:
docs/decisions/0024 says why each order of events is right.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from mesh.agreed_cut import agreed, cut_of, row_in
from mesh.dots import pack_marks
from mesh.merge.rule import Memory
from mesh.range_server import (
    CUT,
    DIFFERENT,
    DIGESTS,
    NUMBER_BYTES,
    PIECE_BYTES,
    PRINTS,
    PRINTS_END,
    SNAPSHOT,
    WANTED,
    WANTED_BYTES,
    WANTED_END,
    RangeError,
    marks_in,
)
from mesh.ranges import PRINT_BYTES, LeafWalk, Name, PrintWalk, is_leaf_count, set_bit
from node.engine import Engine

PIECE_WANTED: Final = PIECE_BYTES // WANTED_BYTES
# About a millisecond of work.
LEAVES_AT_ONCE: Final = 4096
LEFT_AT_ONCE: Final = 500
HALF: Final = 0.5


class RangeFollower:
    """One session; `out` holds messages that are to be sent, `step` it while it says True."""

    def __init__(self, engine: Engine, memory: Memory, salt: bytes, leaves: int) -> None:
        if not is_leaf_count(leaves):
            raise RangeError(f"the peer wants {leaves} leaves")
        self.engine = engine
        self.memory = memory
        self.salt = salt
        self.leaves = leaves
        self._cut = cut_of(memory)
        self.out: list[bytes] = [CUT + pack_marks(self._cut)]
        self.lone: set[Name] = set()  # keys here of which the peer has nothing alike
        self.wanted = 0
        self.differing = 0
        self.compared = False  # all is asked for
        self.ended = False  # the snapshot follows
        self._row: bytes | None = None  # the cut that both go by
        self._walk: LeafWalk | None = None
        self._sums: LeafWalk | None = None
        self._prints: PrintWalk | None = None
        self._mine: dict[int, dict[int, Name]] | None = None
        self._theirs = bytearray()
        self._different = bytearray(leaves // 8)
        self._leaf = 0  # those before were compared
        self._told: deque[bytes] = deque()  # fingerprints that are to be compared
        self._told_all = False
        self._asked: list[bytes] = []

    @property
    def progress(self) -> float:
        """The share done of the comparison, 0 to 1."""
        if self._walk is not None:
            return self._walk.progress * HALF
        if self._prints is not None:
            return HALF + self._prints.progress * HALF
        if self._row is None:
            return 0.0
        return 1.0 if self.compared else HALF

    # --- what the server says -------------------------------------------------------------------

    def take(self, message: bytes) -> None:
        """A message of the server; an empty one says that it is alive. RangeError."""
        kind, data = message[:1], message[1:]
        if kind == CUT and self._row is None:
            self._row = row_in(self.memory.streams, agreed(self._cut, marks_in(data)))
            self._walk = LeafWalk(
                self.memory, self.engine.databases, self.salt, self.leaves, self._row
            )
        elif kind == DIGESTS and self._row is not None:
            first = int.from_bytes(data[:NUMBER_BYTES], "big")
            digests = data[NUMBER_BYTES:]
            done = len(self._theirs) + len(digests)
            if first * PRINT_BYTES != len(self._theirs) or done > self.leaves * PRINT_BYTES:
                raise RangeError("digests of leaves that there are not")
            self._theirs += digests
        elif kind == PRINTS and self._was_told and not self._told_all:
            self._told.append(data)
        elif kind == PRINTS_END and self._was_told:
            self._told_all = True
        elif kind == SNAPSHOT and self.compared:
            self.ended = True
        elif message:
            raise RangeError(f"the peer says {message[:20]!r}: not what comes next")

    @property
    def _was_told(self) -> bool:
        """Was the server told which leaves differ?"""
        return self._prints is not None or self._mine is not None

    # --- the own walks --------------------------------------------------------------------------

    def step(self, budget: int) -> bool:
        """About so many keys, or as much of what is to be compared. False: nothing to do before
        the server speaks. RangeError."""
        walk = self._walk
        if walk is not None:
            if walk.step(budget):
                self._walk = None
                self._sums = walk
            return True
        if self._sums is not None:
            return len(self._theirs) == self.leaves * PRINT_BYTES and self._compare_leaves()
        prints = self._prints
        if prints is not None:
            if prints.step(budget):
                self._prints = None
                self._mine = prints.prints
            return True
        if self._mine is None or self.compared:
            return False
        if self._told:
            self._compare(self._mine, self._told.popleft())
            return True
        if self._told_all:
            self._leave(self._mine)
            return True
        return False

    def _compare_leaves(self) -> bool:
        """Some leaves more; after the last the server is told which differ."""
        sums = self._sums
        assert sums is not None
        theirs = self._theirs
        first = self._leaf
        for leaf in range(first, min(first + LEAVES_AT_ONCE, self.leaves)):
            at = leaf * PRINT_BYTES
            if theirs[at : at + PRINT_BYTES] != sums.sums[leaf].to_bytes(PRINT_BYTES, "big"):
                set_bit(self._different, leaf)
                self.differing += 1
        self._leaf = first + LEAVES_AT_ONCE
        if self._leaf >= self.leaves:
            self._sums = None
            different = self._different
            for at in range(0, len(different), PIECE_BYTES):
                head = DIFFERENT + at.to_bytes(NUMBER_BYTES, "big")
                self.out.append(head + bytes(different[at : at + PIECE_BYTES]))
            self._prints = PrintWalk(
                self.memory, self.engine.databases, self.salt, different, self._row or b""
            )
        return True

    def _compare(self, mine: dict[int, dict[int, Name]], data: bytes) -> None:
        """What the server has in some leaves: what is equal is done with, the rest is lacked."""
        at = 0
        while at < len(data):
            head = data[at : at + NUMBER_BYTES]
            leaf = int.from_bytes(head, "big")
            at += 2 * NUMBER_BYTES
            count = int.from_bytes(data[at - NUMBER_BYTES : at], "big")
            end = at + count * PRINT_BYTES
            if end > len(data):
                raise RangeError("fingerprints that are cut short")
            here = mine.get(leaf, {})
            for place in range(at, end, PRINT_BYTES):
                name = data[place : place + PRINT_BYTES]
                if here.pop(int.from_bytes(name, "big"), None) is None:
                    self._asked.append(head + name)
                    self.wanted += 1
            at = end
        self._ask(PIECE_WANTED)

    def _ask(self, least: int) -> None:
        """Asks for what is lacked, where it is so much."""
        while len(self._asked) >= least:
            self.out.append(WANTED + b"".join(self._asked[:PIECE_WANTED]))
            del self._asked[:PIECE_WANTED]

    def _leave(self, mine: dict[int, dict[int, Name]]) -> None:
        """What the server has nothing alike of, some leaves at once; then all is compared."""
        for _ in range(min(len(mine), LEFT_AT_ONCE)):
            _, left = mine.popitem()
            self.lone.update(left.values())
        if not mine:
            self._ask(1)
            self.out.append(WANTED_END)
            self.compared = True
