"""Holding: what this node itself holds, and what it has said of that: the own side of stability.

A node that puts what is written on a disk holds what a restart would find there. One that keeps
nothing, neither save points nor an append-only file, holds what it has applied: it loses all of
that at once, and whoever starts again from there is a new member (mesh/promises.py), so nobody
waits for what it had. What it was given is safe with the others, or lost with it.

What is kept may change while it runs. Nothing that was said is ever taken back: a node that begins
to save has said more than its disk holds until that has caught up, and is a new member if it starts
again before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mesh.dots import Streams, pack_marks, unpack_row
from mesh.vectors import Vector, covers, join, moves

REPORT: Final = b"MESH.REPORT"
# Behind a report: what is held is in memory alone.
MEMORY: Final = b"memory"


class Holding:
    """The half of Stability that knows no peers."""

    def __init__(self, streams: Streams, member_id: bytes) -> None:
        self.streams = streams
        self.member_id = member_id
        # Who counts; None while nobody can tell, and nothing is stable then.
        self.members: Callable[[], frozenset[bytes] | None] | None = None
        self.held: Callable[[], Vector] = dict  # what this node's disk has
        self.keeps: Callable[[], bool] = always  # is what is written here put on a disk at all?
        self.merging: Callable[[], bool] = never  # is a state that was taken in still being merged?
        self.may_say: Callable[[], bool] = always  # may it say what it holds?
        # Others are about to rely on it (mesh/promises.py), though it is on no disk (True). False:
        # that cannot be noted, so nothing may be said.
        self.promise: Callable[[bool], bool] = taken
        self.redeem: Callable[[], None] = nobody_asks  # all that was said is on the disk
        self.lent: Callable[[], frozenset[bytes]] = frozenset  # members who may have our frames
        self.ends: Vector = {}  # where ended streams ended
        self.open: set[bytes] = set()  # the own older streams that are not ended
        self.started_with: Vector = {}
        self.closed: Vector = {}  # where the own older streams ended
        # Whom this node knew as members whenever it said, or counted itself, what it holds; None:
        # it never has, so nothing of it can be stable anywhere.
        self.told: frozenset[bytes] | None = None
        self.has_told = False  # a process before this one has: it may have been after the last save
        self.said: Vector = {}
        self._said_disk: Vector = {}
        self._said_keeps = True
        self._settled: Vector = {}  # what was applied when nothing was being merged

    # --- what is held ---------------------------------------------------------------------------

    def reportable(self) -> Vector:
        """What this node may say that it holds.

        Not what it held while older streams were open: a write of theirs that came here later
        need not have seen all of that.
        """
        if self.open:
            return self.started_with
        held = self.holds()
        if any(stamp > held.get(uuid, 0) for uuid, stamp in self.closed.items()):
            return self.started_with
        return held

    def holds(self) -> Vector:
        """What its disk has; where it keeps nothing there, what it has applied, but not what is
        still being merged."""
        if self.keeps():
            return self.on_disk()
        if not self.merging():
            self._settled = {each.uuid: int(each.seen) for each in self.streams.all}
        return self._here(self._settled)

    def not_held(self) -> int:
        """Of how many streams more is applied here than is held."""
        held = self.holds()
        return sum(1 for each in self.streams.all if each.seen > held.get(each.uuid, 0))

    def on_disk(self) -> Vector:
        """What the disk has of what counts here: a state that was replaced is still on it.

        Nothing where nothing is kept: a file of another day is void at the next start.
        """
        return self._here(self.held()) if self.keeps() else {}

    def _here(self, vector: Vector) -> Vector:
        here = self.streams.of
        return {
            uuid: min(stamp, int(here(uuid).seen)) for uuid, stamp in vector.items()
            if here(uuid).seen != 0
        }  # fmt: skip

    def has_to_say(self, row: bytes) -> bool:
        """Is all of this held, and was some of it not said yet?"""
        wanted = self.marks_of(row)
        return moves(self.said, wanted) and not moves(self.reportable(), wanted)

    def marks_of(self, row: bytes) -> Vector:
        """A row as a vector."""
        stamps = zip(self.streams.all, unpack_row(row), strict=False)  # rows are wider
        return {stream.uuid: stamp for stream, stamp in stamps if stamp}

    # --- what is said ---------------------------------------------------------------------------

    def words(self) -> list[bytes]:
        """The next report: MESH.REPORT <held> [<on disk, where that is not the same> [memory]];
        [] where nothing has moved."""
        held = self.reportable()
        keeps = self.keeps()
        disk: Vector = {}
        if keeps:
            disk = self.on_disk() if self.open else held
        is_known = keeps == self._said_keeps
        if is_known and not moves(self.said, held) and not moves(self._said_disk, disk):
            return []
        self._said_keeps = keeps
        self.said = join(self.said, held)
        self._said_disk = join(self._said_disk, disk) if keeps else {}
        words = [REPORT, self._pack(self.said)]
        if not keeps:
            return [*words, b"", MEMORY]
        return words if self._said_disk == self.said else [*words, self._pack(self._said_disk)]

    def _pack(self, held: Vector) -> bytes:
        return pack_marks({
            uuid: stamp for uuid, stamp in held.items() if not self.streams.of(uuid).retired
        })  # fmt: skip

    def say_anew(self) -> None:
        """What was said so far was of a state that was replaced."""
        self.said = {}
        self._said_disk = {}

    def tell(self) -> None:
        """What is held is about to count for these members."""
        members = self.member_ids() or frozenset()
        self.told = members if self.told is None else self.told & members

    def may_tell(self) -> bool:
        """May what is held count now? Where others are members they rely on it from then on, and
        the next process must know of that."""
        is_alone = self.member_ids() == frozenset((self.member_id,))
        return self.may_say() and (is_alone or self.promise(not self.keeps()))

    def meets(self) -> None:
        """Another member is about to be let in: what this node has told alone is relied on then."""
        if self.told is not None:
            self.promise(not self.keeps())

    def redeem_all(self) -> None:
        """Is all that was ever said to be held on the disk now? Then a start finds it there."""
        if covers(self._here(self.held()), self.said, self.ends):
            self.redeem()

    def member_ids(self) -> frozenset[bytes] | None:
        """Who counts; None where nobody can tell."""
        return None if self.members is None else self.members()


def always() -> bool:
    """Whatever is held is on a disk, and may be said."""
    return True


def never() -> bool:
    """Nothing is being merged."""
    return False


def taken(memory: bool) -> bool:
    """Nobody starts again from what this process leaves behind."""
    return True


def nobody_asks() -> None:
    """Nothing was promised."""
