"""Answers: what a member tells another that compares its data with ours: MESH COMPARE.

One session for each member that compares: BEGIN says under which salt and how many leaves, and
begins to fill the leaves; KEYS lists the keys of some leaves, LOOK looks at some keys once this
node has applied what is named, RESULT fetches what was asked last (null while it is made), REPAIR
writes a key anew if it still is what it was, END forgets the session. All work is done in slices by
whoever steps `work`: a command only asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from mesh.agreed_cut import agreed
from mesh.anti_entropy import Ground, Look
from mesh.dots import pack_marks, unpack_marks
from mesh.fingerprint_hash import SALT_MAX
from mesh.fingerprint_leaves import FoundWalk
from mesh.ranges import LeafWalk, is_leaf_count
from mesh.repair import repair
from node.commands.args import integer
from node.resp.replies import OK, Failure
from node.store.keyspace import Database

# Two members may compare with us at once, and one that broke off is still here: each session may
# hold a million leaves of 8 bytes.
SESSIONS_MOST: Final = 4
# Nobody has asked for so long: the member is gone, another one may have the place.
IDLE_S: Final = 120.0
# Keys told of the leaves that were asked for, and looked at in one LOOK.
KEYS_MOST: Final = 8000
LOOKS_MOST: Final = 200
LEAF_NUMBER_BYTES: Final = 4
MEMBERS_MOST: Final = 1000  # whose last round is remembered

BUSY: Final = Failure(b"BUSY other members compare with this one, or it takes in a snapshot")
UNKNOWN: Final = Failure(b"ERR no such comparison: it was idle for too long, or never began")


class Session:
    """One comparison: its terms, the work under way, and what came of the last."""

    def __init__(self, salt: bytes, leaves: int, cut: bytes) -> None:
        self.salt = salt
        self.leaves = leaves
        self.cut = cut
        self.work: Iterator[None] | None = None
        self.result: object = None
        self.member = b""
        self.touched_s = 0.0


def found_walk(ground: Ground, session: Session, chosen: set[int]) -> FoundWalk:
    """Lists the keys of some leaves."""
    return FoundWalk(
        ground.memory, ground.databases, session.salt, session.leaves, session.cut, chosen,
        KEYS_MOST,
    )  # fmt: skip


class Answers:
    """All sessions. `now_s` is any clock that does not jump."""

    def __init__(self, ground: Ground, now_s: Callable[[], float]) -> None:
        self.ground = ground
        self.now_s = now_s
        self.sessions: dict[bytes, Session] = {}
        self.compared: dict[bytes, float] = {}  # by member, when it ended a round with us
        self.repaired: Callable[[Database, bytes], None] = nothing_repaired

    def answer(self, words: list[bytes]) -> object:
        """What MESH COMPARE answers: the words behind it. Failure where they make no sense."""
        step = words[0].upper()
        name = words[1]
        rest = words[2:]
        if step == b"BEGIN" and len(rest) == 3:
            return self._begin(name, integer(rest[0]), rest[1], rest[2])
        session = self.sessions.get(name)
        if session is None:
            raise UNKNOWN
        session.touched_s = self.now_s()
        if step == b"RESULT" and not rest:
            return session.result
        if step == b"END" and not rest:
            if len(self.compared) >= MEMBERS_MOST:
                self.compared.clear()
            self.compared[session.member] = self.now_s()
            del self.sessions[name]
            return OK
        if session.work is not None:
            raise Failure(b"ERR what was asked before is still being made")
        session.result = None
        if step == b"KEYS" and len(rest) == 1:
            session.work = self._keys(session, leaf_numbers(rest[0], session.leaves))
        elif step == b"LOOK" and len(rest) >= 3 and len(rest) % 2 == 1:
            session.work = self._looks(session, marks_of(rest[0]), self._named(rest[1:]))
        elif step == b"REPAIR" and len(rest) == 3:
            named = self._named(rest[:2])
            session.work = self._repair(session, named[0], integer(rest[2]))
        else:
            raise Failure(b"ERR wrong step or number of arguments for 'mesh|compare' command")
        return OK

    def _begin(self, name: bytes, leaves: int, marks: bytes, member: bytes) -> object:
        if len(name) != 2 * SALT_MAX:
            raise Failure(b"ERR a comparison is named by 32 hexadecimal digits")
        if not is_leaf_count(leaves):
            raise Failure(b"ERR the number of leaves must be a power of two up to 1048576")
        cut = agreed(self.ground.cut(), marks_of(marks))
        now_s = self.now_s()
        for other in list(self.sessions):
            if other == name or now_s - self.sessions[other].touched_s > IDLE_S:
                del self.sessions[other]
        if len(self.sessions) >= SESSIONS_MOST or not self.ground.is_whole():
            raise BUSY
        try:
            session = Session(bytes.fromhex(name.decode()), leaves, self.ground.row(cut))
        except ValueError as error:
            raise Failure(b"ERR a comparison is named by 32 hexadecimal digits") from error
        session.member = member
        session.touched_s = now_s
        session.work = self._leaves(session)
        self.sessions[name] = session
        return pack_marks(cut)

    def _named(self, words: list[bytes]) -> list[tuple[Database, bytes]]:
        """Databases and keys. Failure where there is no such database, or there are too many."""
        found: list[tuple[Database, bytes]] = []
        for at in range(0, len(words) - 1, 2):
            db = self.ground.database(integer(words[at]))
            if db is None:
                raise Failure(b"ERR DB index is out of range")
            found.append((db, words[at + 1]))
        if len(found) > LOOKS_MOST:
            raise Failure(b"ERR too many keys at once")
        return found

    # --- work -----------------------------------------------------------------------------------

    def is_busy(self) -> bool:
        """Is there work?"""
        return any(session.work is not None for session in self.sessions.values())

    def step(self) -> None:
        """One slice for each session: about one key, or some hundred places of a large one."""
        if not self.ground.is_whole():
            self.sessions.clear()
            return
        for session in list(self.sessions.values()):
            if session.work is not None:
                try:
                    next(session.work)
                except StopIteration:
                    session.work = None

    def _leaves(self, session: Session) -> Iterator[None]:
        ground = self.ground
        walk = LeafWalk(
            ground.memory, ground.databases, session.salt, session.leaves, session.cut
        )
        while not walk.step(1):
            yield None
        session.result = walk.digests(0, session.leaves)

    def _keys(self, session: Session, wanted: set[int]) -> Iterator[None]:
        walk = found_walk(self.ground, session, wanted)
        while not walk.step(1):
            yield None
        found: list[object] = []
        for (db, key), number in walk.found.items():
            found += [db, key, number]
        session.result = found

    def _looks(
        self, session: Session, marks: dict[bytes, int], named: list[tuple[Database, bytes]]
    ) -> Iterator[None]:
        ground = self.ground
        while not ground.covers(marks):
            yield None
        found: list[object] = []
        for db, key in named:
            look = Look(ground, db, key, session.salt, session.cut)
            yield from look.slices()
            found += look.facts.fields()
            yield None
        session.result = [pack_marks(ground.member.vector()), *found]

    def _repair(
        self, session: Session, named: tuple[Database, bytes], number: int
    ) -> Iterator[None]:
        db, key = named
        look = Look(self.ground, db, key, session.salt, session.cut)
        yield from look.slices()
        if look.facts.number == number:
            repair(self.ground, db, key)
            self.repaired(db, key)
            session.result = 1
        else:
            session.result = 0


def nothing_repaired(db: Database, key: bytes) -> None:
    """Nobody wants to know."""


def marks_of(packed: bytes) -> dict[bytes, int]:
    """Stamps by stream. Failure where they are none."""
    try:
        return unpack_marks(packed)
    except ValueError as error:
        raise Failure(b"ERR malformed stamps by stream") from error


def leaf_numbers(packed: bytes, leaves: int) -> set[int]:
    """Numbers of leaves, four bytes each, lowest first. Failure where they are none."""
    if len(packed) % LEAF_NUMBER_BYTES:
        raise Failure(b"ERR malformed numbers of leaves")
    found = {
        int.from_bytes(packed[at : at + LEAF_NUMBER_BYTES], "little")
        for at in range(0, len(packed), LEAF_NUMBER_BYTES)
    }
    if any(leaf >= leaves for leaf in found):
        raise Failure(b"ERR no such leaf")
    return found
