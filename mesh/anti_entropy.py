"""Anti-entropy: what two members tell each other of one key, and who of them repairs it.

Two members that have applied the same hold the same, by the rules of the mesh. That is checked now
and then in the background: mesh/anti_entropy_rounds.py compares, mesh/anti_entropy_answers.py is
the other side, mesh/anti_entropy_task.py runs both with sockets. docs/decisions/0025 says why a key
that is found to differ is really so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mesh.agreed_cut import cut_of, row_in
from mesh.fingerprint import KeyFingerprint
from mesh.fingerprint_hash import Mixer
from mesh.fingerprint_shown import ShownHash
from mesh.ranges import LARGE, LARGE_PLACES
from node.store.keyspace import ALL, Database
from node.store.values.container import Container
from node.store.values.value import Value

if TYPE_CHECKING:
    from mesh.member import Member

# What a member says of a key beside its fingerprint.
NOTHING: Final = 0  # it shows nothing
SHOWN: Final = 1
DUE: Final = 2  # it is near a deadline or past it: when it goes is each node's own affair
PARKED: Final = 3  # it is shown, and remembers places that are past theirs
# So near a deadline nothing is repaired: clocks differ, and what has passed is forgotten later.
NEAR_MS: Final = 60_000
NEVER_MS: Final = 1 << 61

CHANGED: Final = 1  # the fingerprint of a large key that changed between two slices: like no other

MINE: Final = "mine"
THEIRS: Final = "theirs"
NOBODY: Final = "nobody"
LATER: Final = "later"


@dataclass(frozen=True)
class Facts:
    """A key on one member: fingerprint, one of the words above, the newest stamp, and a hash of
    what clients see, 0 for nothing."""

    number: int
    state: int
    stamp: int
    shown: int

    def fields(self) -> list[object]:
        """As it travels."""
        return [self.number, self.state, self.stamp, self.shown]


NO_FACTS: Final = Facts(0, NOTHING, 0, 0)


@dataclass
class Totals:
    """What INFO tells, since the process started."""

    rounds: int = 0
    keys_compared: int = 0
    suspects: int = 0
    more: int = 0
    """Rounds in which more differed than one round looks at."""
    repaired: int = 0
    last_ms: int = 0
    """How long the last round took."""
    last_error: str = ""


class Ground:
    """The data that is compared, and what this node has applied of it."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.engine = member.engine
        self.memory = member.memory
        self.databases: list[Database] = member.engine.databases

    def is_whole(self) -> bool:
        """Is the state that of one vector? Not while a snapshot is taken in."""
        member = self.member
        return member.started and member.staging is None and member.merging is None

    def cut(self) -> dict[bytes, int]:
        """What this node knows to be stable, by stream."""
        return cut_of(self.memory)

    def row(self, stamps: dict[bytes, int]) -> bytes:
        """Stamps by stream as a row in this node's numbers."""
        return row_in(self.memory.streams, stamps)

    def covers(self, stamps: dict[bytes, int]) -> bool:
        """Has this node applied all of that?"""
        for uuid, stamp in stamps.items():
            stream = self.memory.streams.known(uuid)
            if stream is None or stream.lacks(stamp):
                return False
        return True

    def database(self, number: int) -> Database | None:
        """The database of this number, None where there is none."""
        return self.databases[number] if 0 <= number < len(self.databases) else None


class Look:
    """Looks at one key in slices; then `facts` is set."""

    def __init__(self, ground: Ground, db: Database, key: bytes, salt: bytes, cut: bytes) -> None:
        self.ground = ground
        self.db = db
        self.key = key
        self.salt = salt
        self.cut = cut
        self.facts = NO_FACTS

    def slices(self) -> Iterator[None]:
        """Works, and yields after each slice of a large value."""
        memory = self.ground.memory
        db = self.db
        key = self.key
        entry = db.raw(key)
        value = None if entry is None else entry.value
        large = isinstance(value, Value) and value.size() > LARGE
        places = LARGE_PLACES if large else ALL
        made = KeyFingerprint(memory, db.number, key, entry, self.salt, self.cut)
        shown = None
        try:
            yield from made.slices(places)
            if entry is not None and db.keys.get(key) is entry:
                shown = ShownHash(Mixer(memory.streams, self.salt, b""), entry)
                yield from shown.slices(places)
        except (RuntimeError, LookupError):
            made.number = CHANGED
        self.facts = Facts(
            int(made.number), self._state(), 0 if entry is None else int(entry.stamp),
            0 if shown is None else int(shown.number),
        )

    def _state(self) -> int:
        db = self.db
        entry = db.raw(self.key)
        if entry is None:
            return NOTHING
        near_ms = int(entry.deadline)
        state = SHOWN if db.keys.get(self.key) is entry else NOTHING
        value = entry.value
        if isinstance(value, Container) and value.deadlines is not None:
            if value.deadlines.of:
                near_ms = min(near_ms or NEVER_MS, int(value.deadlines.earliest_ms()))
            if value.deadlines.parked:
                state = PARKED
        return DUE if 0 < near_ms < int(db.now.ms) + NEAR_MS else state


def verdict(mine: Facts, theirs: Facts, forgets: bool) -> str:
    """Who writes the key anew: MINE or THEIRS; LATER: only if the next round finds the same;
    NOBODY.

    `forgets`: what is stable is forgotten (mesh-forget). When a node does so is its own affair, so
    a difference in what is remembered alone proves nothing.
    """
    if mine.number == theirs.number or DUE in (mine.state, theirs.state):
        return NOBODY
    if mine.shown != theirs.shown:
        return winner(mine, theirs)
    return NOBODY if forgets or PARKED in (mine.state, theirs.state) else LATER


def winner(mine: Facts, theirs: Facts) -> str:
    """The member that shows the key where the other shows nothing, else the one with the newer
    stamp, then with the greater fingerprint: both members come to the same."""
    shows = mine.shown != 0
    if shows != (theirs.shown != 0):
        return MINE if shows else THEIRS
    if mine.stamp != theirs.stamp:
        return MINE if mine.stamp > theirs.stamp else THEIRS
    return MINE if mine.number > theirs.number else THEIRS
