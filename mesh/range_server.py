"""The sending side of a resync by digest: what differs is found, and only that is sent. No sockets.

From W0 on the names of keys that change are noted, so that what was compared need not be kept as
it was; at W the noting ends, and the keys that were asked for or noted travel as they are then
(docs/decisions/0024). A session holds the one place for walks from W0 to W: whoever saves, or wants
a snapshot, waits that long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from mesh.agreed_cut import agreed, cut_of, row_in
from mesh.dots import pack_marks, unpack_marks
from mesh.merge.rule import Memory
from mesh.ranges import LEAVES_LEAST, PRINT_BYTES, LeafWalk, Name, PrintWalk, leaves_for
from node.engine import Engine
from node.journal import RESYNC, Commit
from node.ports import Reader
from node.store.effect import FLUSH, SWAP
from node.store.entry import Entry
from node.store.keyspace import Database
from node.store.writer import BeforeChange

# Kinds of messages, their first byte. Both ways, before all others:
CUT: Final = b"C"  # what the sender knows to be stable, as marks
# To the follower:
DIGESTS: Final = b"D"  # the number of the first leaf, then their digests
PRINTS: Final = b"P"  # of each leaf: its number, how many, their fingerprints
PRINTS_END: Final = b"p"
SNAPSHOT: Final = b"S"  # what differs follows, as a snapshot
# To the server:
DIFFERENT: Final = b"L"  # a place in the bit map of leaves, then its bytes
WANTED: Final = b"W"  # fingerprints, each with its leaf
WANTED_END: Final = b"w"

NUMBER_BYTES: Final = 4
WANTED_BYTES: Final = NUMBER_BYTES + PRINT_BYTES
# A message is at most about so long, so that neither side has much to do at once.
PIECE_BYTES: Final = 20_000
PIECE_LEAVES: Final = PIECE_BYTES // PRINT_BYTES
# Names that are noted at most, some 100 bytes each: where more keys change while two nodes compare,
# the whole state costs less.
NOTED_MOST: Final = 2_000_000


class RangeError(Exception):
    """The session cannot go on; the link is tried again."""


class Noted(BeforeChange):
    """The names of all keys that change: of those that are here, before they do."""

    def __init__(self, trash: list[object]) -> None:
        self.names: set[Name] = set()
        self.broken = ""
        self.most = NOTED_MOST
        self._trash = trash

    def before(self, db: Database, key: bytes, entry: Entry) -> None:
        self.note((int(db.number), key))

    def note(self, name: Name) -> None:
        """This key changes."""
        if len(self.names) < self.most:
            self.names.add(name)
        else:
            self.broken = "too many keys changed while two nodes compared what they have"

    def flushed(
        self, db: Database, old: list[dict[bytes, Entry]], hidden: dict[bytes, Entry]
    ) -> None:
        self.broken = "a database was flushed while two nodes compared what they have"
        self._trash.extend(old)
        self._trash.append(hidden)


class NotedCommits(Reader):
    """The names of keys that are made anew: those nobody is shown before."""

    def __init__(self, noted: Noted) -> None:
        self.noted = noted

    def read(self, commit: Commit) -> None:
        for effect in commit.effects():
            if effect.op == FLUSH or effect.op == SWAP:
                self.noted.broken = "a whole database changed while two nodes compared it"
            else:
                self.noted.note((int(effect.db), effect.key))


class RangeServer:
    """One session, from W0 to W. `send` takes whole messages; step it while it says True."""

    def __init__(
        self, engine: Engine, memory: Memory, salt: bytes, send: Callable[[bytes], None],
        least_leaves: int = LEAVES_LEAST,
    ) -> None:  # fmt: skip
        self.engine = engine
        self.memory = memory
        self.salt = salt
        self.send = send
        self.least_leaves = least_leaves
        self.noted = Noted(engine.writer.trash)
        self.asked: set[Name] = set()
        self.leaves = 0
        self.begun = False
        self.wanted_all = False  # the follower has asked for all that it lacks
        self._mine: dict[bytes, int] = {}  # the own stable cut at W0
        self._row: bytes | None = None  # the one that both go by
        self._digests: LeafWalk | None = None
        self._prints: PrintWalk | None = None
        self._different = bytearray()
        self._filled = 0
        self._known: dict[int, dict[int, Name]] = {}
        self._messages: Iterator[bytes] | None = None

    def begin(self) -> None:
        """W0: this is the one who walks now."""
        engine = self.engine
        keys = sum(int(db.keys.size) + len(db.hidden) for db in engine.databases)
        self.leaves = leaves_for(keys, self.least_leaves)
        self._different = bytearray(self.leaves // 8)
        self._mine = cut_of(self.memory)
        self._messages = iter((CUT + pack_marks(self._mine),))
        engine.journal.wake(RESYNC, NotedCommits(self.noted))
        self.begun = True

    def end(self) -> None:
        """W, or the follower is gone: nothing is noted any more."""
        if self.begun:
            self.begun = False
            self.engine.journal.rest(RESYNC)
            self._messages = None
            self._known = {}
            self._prints = self._digests = None

    def answer(self) -> bytes:
        """What PSYNC is answered with, behind the offset: salt and number of leaves."""
        return b"%s %d" % (self.salt.hex().encode(), self.leaves)

    @property
    def progress(self) -> float:
        """How far the walk is that runs, 0 to 1."""
        walk = self._prints or self._digests
        return 1.0 if walk is None else walk.progress

    def step(self, budget: int) -> bool:
        """About so many keys, or one message. False: nothing to do before the follower speaks.

        RangeError where it cannot go on.
        """
        if self.noted.broken:
            raise RangeError(self.noted.broken)
        if self._messages is not None:
            message = next(self._messages, b"")
            if message:
                self.send(message)
            else:
                self._messages = None
            return True
        digests = self._digests
        if digests is not None:
            if digests.step(budget):
                self._digests = None
                self._messages = self._summed(digests)
            return True
        prints = self._prints
        if prints is not None:
            if prints.step(budget):
                self._prints = None
                self._known = prints.prints
                self._messages = self._spelled()
            return True
        return False

    def _summed(self, walk: LeafWalk) -> Iterator[bytes]:
        """The digests of all leaves, in messages."""
        for first in range(0, self.leaves, PIECE_LEAVES):
            digests = walk.digests(first, PIECE_LEAVES)
            yield DIGESTS + first.to_bytes(NUMBER_BYTES, "big") + digests

    def _spelled(self) -> Iterator[bytes]:
        """The fingerprints in the leaves that differ, in messages."""
        piece: list[bytes] = []
        size = 0
        for leaf, known in self._known.items():
            head = leaf.to_bytes(NUMBER_BYTES, "big") + len(known).to_bytes(NUMBER_BYTES, "big")
            piece.append(head)
            piece += [each.to_bytes(PRINT_BYTES, "big") for each in known]
            size += len(head) + PRINT_BYTES * len(known)
            if size >= PIECE_BYTES:
                yield PRINTS + b"".join(piece)
                piece, size = [], 0
        yield PRINTS + b"".join(piece)
        yield PRINTS_END

    # --- what the follower says -----------------------------------------------------------------

    def take(self, message: bytes) -> None:
        """A message of the follower. RangeError where it makes no sense."""
        kind, data = message[:1], message[1:]
        if kind == CUT and self._row is None:
            self._row = row_in(self.memory.streams, agreed(self._mine, marks_in(data)))
            self._digests = LeafWalk(
                self.memory, self.engine.databases, self.salt, self.leaves, self._row
            )
        elif kind == DIFFERENT and self._row is not None and self._filled < len(self._different):
            at = int.from_bytes(data[:NUMBER_BYTES], "big")
            bits = data[NUMBER_BYTES:]
            if at != self._filled or not bits or at + len(bits) > len(self._different):
                raise RangeError("the follower names leaves that there are not")
            self._different[at : at + len(bits)] = bits
            self._filled += len(bits)
            if self._filled == len(self._different):
                self._prints = PrintWalk(
                    self.memory, self.engine.databases, self.salt, self._different, self._row
                )
        elif kind == WANTED and not self.wanted_all and len(data) % WANTED_BYTES == 0:
            for at in range(0, len(data), WANTED_BYTES):
                leaf = int.from_bytes(data[at : at + NUMBER_BYTES], "big")
                name = self._known.get(leaf, {}).get(
                    int.from_bytes(data[at + NUMBER_BYTES : at + WANTED_BYTES], "big")
                )
                if name is None:
                    raise RangeError("the follower asks for a key that it was not told of")
                self.asked.add(name)
        elif kind == WANTED_END and self._filled == len(self._different):
            self.wanted_all = True
        else:
            raise RangeError(f"the follower says {message[:20]!r}: not what comes next")

    def chosen(self) -> set[Name]:
        """W: the keys that travel. RangeError where too much has changed."""
        if self.noted.broken:
            raise RangeError(self.noted.broken)
        chosen = self.noted.names
        chosen |= self.asked
        return chosen


def marks_in(data: bytes) -> dict[bytes, int]:
    """The stamps by stream of a message. RangeError where it has none."""
    try:
        return unpack_marks(data)
    except ValueError as error:
        raise RangeError(f"a stable cut that cannot be read: {error}") from error
