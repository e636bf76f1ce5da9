"""Rounds: how a member compares its data with another's, without sockets.

A round fills leaves here and there, lists the keys of those that differ, and looks at the keys
whose fingerprints differ, again and again, at states that must be equal (docs/decisions/0025): what
differs each time, differs silently, and is repaired. `compare` is a generator: it yields what is to
be done next (ask the other member, wait, let others work) and is sent the replies.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Final

from mesh.agreed_cut import agreed
from mesh.anti_entropy import (
    LATER,
    MINE,
    NOBODY,
    Facts,
    Ground,
    Look,
    Totals,
    verdict,
    winner,
)
from mesh.anti_entropy_answers import (
    LEAF_NUMBER_BYTES,
    Session,
    found_walk,
    nothing_repaired,
)
from mesh.dots import pack_marks, unpack_marks
from mesh.fingerprint_leaves import differing
from mesh.ranges import LeafWalk, leaves_for
from mesh.repair import repair
from node.store.keyspace import Database

# Keys that are looked at in one round, and leaves whose keys are listed for it: of a dozen keys of
# a leaf that differs most are equal, so more are listed than can be looked at.
SUSPECTS_MOST: Final = 1000
LEAVES_MOST: Final = 600
# How often a key must be found to differ, and the pause between: longer than frames are under way.
LOOKS: Final = 3
LOOK_PAUSE_S: Final = 2.0
AT_ONCE: Final = 100
# The other member works in slices: its result is asked for this often, and so long at most. A
# comparison of many keys takes an hour; what it has seen takes seconds.
POLL_S: Final = 0.25
RESULT_S: Final = 3600.0
SEEN_S: Final = 30.0
# Keys repaired because of what is remembered alone: once each, and no more than so many.
REMEMBERED_MOST: Final = 1000

Key = tuple[int, bytes]


class CompareError(Exception):
    """The round cannot go on; its text says why."""


@dataclass(frozen=True)
class Ask:
    """The other member is to be asked this: the words behind MESH COMPARE. Where it answers with an
    error, a CompareError is thrown in."""

    words: list[bytes]


@dataclass(frozen=True)
class Pause:
    """Nothing is to be done for so long."""

    seconds: float


@dataclass(frozen=True)
class Work:
    """A slice of work was done: others have their turn."""


Step = Ask | Pause | Work
Steps = Generator[Step, object, None]


class Comparison:
    """Rounds with one other member; what must outlive a round is kept here.

    `salt` (16 bytes) is this node's own secret, so nobody can write two values that look the same.
    """

    def __init__(self, ground: Ground, totals: Totals, peer: bytes, salt: bytes) -> None:
        self.ground = ground
        self.totals = totals
        self.peer = peer
        self.salt = salt
        self.name = salt.hex().encode()
        self.offset = 0  # of the leaf from which on those that differ are looked at
        self.noted: dict[Key, tuple[int, int]] = {}  # differ in what is remembered: both numbers
        self.settled: set[Key] = set()  # of these, which were written anew once
        self.told: Callable[[Database, bytes], None] = nothing_repaired
        self.found: list[tuple[Database, bytes, Facts, Facts, str]] = []

    def compare(self) -> Steps:
        """One round. CompareError where it cannot be ended; nothing is left behind then."""
        self.found = []
        ground = self.ground
        self._check()
        leaves = leaves_for(sum(int(db.keys.size) for db in ground.databases))
        mine = ground.cut()
        own = ground.member.member_id
        reply = yield Ask([b"BEGIN", self.name, b"%d" % leaves, pack_marks(mine), own])
        cut = agreed(mine, stamps_in(reply))
        session = Session(self.salt, leaves, ground.row(cut))
        walk = LeafWalk(ground.memory, ground.databases, self.salt, leaves, session.cut)
        while not walk.step(1):
            yield Work()
            self._check()
        self.totals.keys_compared += walk.seen
        packed = yield from self._result(RESULT_S)
        mine_packed = walk.digests(0, leaves)
        if not isinstance(packed, bytes) or len(packed) != len(mine_packed):
            raise CompareError("the other member answered with other leaves")
        found = differing(mine_packed, packed)
        if found:
            suspects = yield from self._suspects(session, self._some(found, leaves))
            yield from self._look(session, suspects)
            yield from self._repair(session)
        yield Ask([b"END", self.name])
        self.totals.rounds += 1

    def _check(self) -> None:
        if not self.ground.is_whole():
            raise CompareError("this node takes in a snapshot")

    def _result(self, most_s: float) -> Generator[Step, object, object]:
        """Waits until what was asked is made, and returns it."""
        waited_s = 0.0
        pause_s = POLL_S / 8
        while True:
            reply = yield Ask([b"RESULT", self.name])
            if reply is not None:
                return reply
            if waited_s > most_s:
                raise CompareError(f"the other member has not answered after {most_s:.0f} s")
            yield Pause(pause_s)
            self._check()
            waited_s += pause_s
            pause_s = min(POLL_S, pause_s * 2)

    # --- suspects -------------------------------------------------------------------------------

    def _some(self, found: list[int], leaves: int) -> list[int]:
        """As many leaves as one round can look at; the next one goes on behind them."""
        ordered = sorted(found, key=lambda leaf: (leaf - self.offset) % leaves)
        if len(ordered) > LEAVES_MOST:
            self.totals.more += 1
            ordered = ordered[:LEAVES_MOST]
            self.offset = (ordered[-1] + 1) % leaves
        return ordered

    def _suspects(
        self, session: Session, leaves: list[int]
    ) -> Generator[Step, object, list[Key]]:
        """The keys of these leaves that have other fingerprints here and there."""
        packed = b"".join([leaf.to_bytes(LEAF_NUMBER_BYTES, "little") for leaf in leaves])
        yield Ask([b"KEYS", self.name, packed])
        walk = found_walk(self.ground, session, set(leaves))
        while not walk.step(1):
            yield Work()
            self._check()
        reply = yield from self._result(RESULT_S)
        theirs: dict[Key, int] = {}
        if not isinstance(reply, list) or len(reply) % 3:
            raise CompareError("the other member answered with no list of keys")
        for at in range(0, len(reply), 3):
            db, key, number = reply[at : at + 3]
            if not isinstance(db, int) or not isinstance(key, bytes) or not isinstance(number, int):
                raise CompareError("the other member answered with no list of keys")
            theirs[db, key] = number
        suspects = [
            name for name in {**walk.found, **theirs}
            if walk.found.get(name, 0) != theirs.get(name, 0)
            and self.ground.database(name[0]) is not None
        ]  # fmt: skip
        self.totals.suspects += len(suspects[:SUSPECTS_MOST])
        if len(suspects) > SUSPECTS_MOST:
            self.totals.more += 1
        return suspects[:SUSPECTS_MOST]

    def _look(self, session: Session, suspects: list[Key]) -> Steps:
        """Looks at suspects, so many at once."""
        for at in range(0, len(suspects), AT_ONCE):
            some = suspects[at : at + AT_ONCE]
            try:
                yield from self._look_at(session, some)
            except LateError:
                return  # a member lags: these may be looked at in another round

    def _look_at(self, session: Session, keys: list[Key]) -> Steps:
        """The other member's fingerprint at its vector, ours once we have seen that, and the
        other's again once it has seen what we had: if nothing but time has passed there, and ours
        is another, the key differs. So many times, with pauses."""
        first = yield from self._theirs(keys, {})
        for number in range(LOOKS):
            if number:
                yield Pause(LOOK_PAUSE_S)
            yield from self._wait_for(first.vector)
            mine: dict[Key, Facts] = {}
            for db_number, key in keys:
                db = self.ground.databases[db_number]
                look = Look(self.ground, db, key, self.salt, session.cut)
                for _ in look.slices():
                    yield Work()
                    self._check()
                mine[db_number, key] = look.facts
            seen = self.ground.member.vector()
            again = yield from self._theirs(keys, seen)
            keys = [
                name for name in keys
                if first.facts[name].number == again.facts[name].number != mine[name].number
            ]  # fmt: skip
            first = again
            if not keys:
                return
        for name in keys:
            self._judge(name, mine[name], first.facts[name])

    def _wait_for(self, vector: dict[bytes, int]) -> Steps:
        """Until this node has applied so much."""
        waited_s = 0.0
        while not self.ground.covers(vector):
            if waited_s > SEEN_S:
                raise LateError
            yield Pause(POLL_S)
            self._check()
            waited_s += POLL_S

    def _theirs(
        self, keys: list[Key], vector: dict[bytes, int]
    ) -> Generator[Step, object, Theirs]:
        """What the other member has, once it has applied so much."""
        words = [b"LOOK", self.name, pack_marks(vector)]
        for db, key in keys:
            words += [b"%d" % db, key]
        yield Ask(words)
        reply = yield from self._result(SEEN_S)
        if not isinstance(reply, list) or len(reply) != 1 + 4 * len(keys):
            raise CompareError("the other member answered with no facts")
        found: dict[Key, Facts] = {}
        for at, name in enumerate(keys):
            number, state, stamp, shown = reply[1 + 4 * at : 5 + 4 * at]
            if (
                not isinstance(number, int) or not isinstance(state, int)
                or not isinstance(stamp, int) or not isinstance(shown, int)
            ):  # fmt: skip
                raise CompareError("the other member answered with no facts")
            found[name] = Facts(number, state, stamp, shown)
        return Theirs(stamps_in(reply[0]), found)

    # --- repairs --------------------------------------------------------------------------------

    def _judge(self, name: Key, mine: Facts, theirs: Facts) -> None:
        """A key that differs: who writes it anew, if anybody does already?"""
        decided = verdict(mine, theirs, self.ground.member.stability.active)
        if decided == LATER:
            pair = (mine.number, theirs.number)
            if self.noted.get(name) != pair or name in self.settled:
                if len(self.noted) >= REMEMBERED_MOST:
                    self.noted.clear()
                self.noted[name] = pair
                return
            if len(self.settled) >= REMEMBERED_MOST:
                return
            self.settled.add(name)
            decided = winner(mine, theirs)
        if decided != NOBODY:
            self.found.append((self.ground.databases[name[0]], name[1], mine, theirs, decided))

    def _repair(self, session: Session) -> Steps:
        """Writes anew what differs, here or there."""
        ground = self.ground
        for db, key, mine, theirs, decided in self.found:
            if decided != MINE:
                number = b"%d" % theirs.number
                yield Ask([b"REPAIR", self.name, b"%d" % db.number, key, number])
                yield from self._result(SEEN_S)
                continue
            look = Look(ground, db, key, self.salt, session.cut)
            for _ in look.slices():
                yield Work()
                self._check()
            if look.facts.number == mine.number:
                repair(ground, db, key, theirs)
                self.repaired(db, key)

    def repaired(self, db: Database, key: bytes) -> None:
        """A key was written anew here."""
        self.totals.repaired += 1
        self.told(db, key)


class LateError(Exception):
    """A member has not applied in time what the other has."""


@dataclass(frozen=True)
class Theirs:
    """What the other member said of some keys, and what it had applied then."""

    vector: dict[bytes, int]
    facts: dict[Key, Facts]


def stamps_in(reply: object) -> dict[bytes, int]:
    """Stamps by stream out of a reply."""
    if not isinstance(reply, bytes):
        raise CompareError("the other member answered with no stamps by stream")
    try:
        return unpack_marks(reply)
    except ValueError as error:
        raise CompareError(f"the other member answered: {error}") from error
