"""Stability: which writes every member has on disk, so that their metadata may be forgotten.

Each member says in its own stream what it holds (`MESH.REPORT`): what its disk has, or, where it
keeps nothing on disk, what it has applied. The stable cut is, by stream, the least of what all
members hold (semantics.md 2, "Causal stability"). The lemma that everything rests on: an op that
is not applied here has a context that covers this node's cut; `Cut.allows` asserts it at each
frame.

A process that starts again has older streams whose tails may be lost, or may still be on their way
from one peer to another. It reports no more than it started with until they are ended ("Closing a
stream"): every member has answered its first frame, and what they had of them then is here.

With `members` None nothing is ever stable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mesh.dots import Stream, Streams, pack_marks, row_of, unpack_marks
from mesh.merge.rule import Memory

REPORT: Final = b"MESH.REPORT"
END: Final = b"MESH.END"
Vector = dict[bytes, int]


class Stability:
    """What this node knows of who holds what."""

    def __init__(self, memory: Memory, member_id: bytes) -> None:
        self.memory = memory
        self.streams: Streams = memory.streams
        self.member_id = member_id
        # Who counts; None while nobody can tell, and nothing is stable then.
        self.members: Callable[[], frozenset[bytes] | None] | None = None
        # What this node's disk has; what it has applied, where it keeps nothing on disk.
        self.held: Callable[[], Vector] = dict
        # Off: nothing is said or stable, and a process that has ended is like any other.
        self.active = False
        self.announce: Callable[[list[bytes]], None] = silent  # a frame of the own stream
        self.rows: dict[bytes, Vector] = {}  # what each member holds, as far as it counts
        self.waiting: dict[bytes, Vector] = {}  # reports that do not count yet, by stream
        self.closers: dict[bytes, bytes] = {}  # streams that are being closed, and by which member
        self.ends: Vector = {}  # where ended streams ended
        self.cut: Vector = {}
        self.open: set[bytes] = set()  # the own older streams that are not ended
        self.begun = 0  # the stamp of the own stream's first frame
        self.started_with: Vector = {}
        self.closed: Vector = {}  # where the own older streams ended
        self.advanced = 0  # how often the cut has moved
        # What members have on disk though it may not count yet: frames of ended processes are
        # taken from them.
        self.disks: dict[bytes, Vector] = {}
        self._said: Vector = {}
        self._said_disk: Vector = {}

    # --- the own side ---------------------------------------------------------------------------

    def start(self, stamp: int, older: list[bytes]) -> None:
        """The own stream begins with this frame, which names the older ones."""
        self.begun = stamp
        self.open = {uuid for uuid in older if uuid not in self.ends and self.active}
        for uuid in self.open:
            self._close(uuid, self.member_id)

    def reportable(self) -> Vector:
        """What this node may say that it holds.

        Not what the disk had while older streams were open: a write of theirs that came here later
        need not have seen all of that.
        """
        if self.open:
            return self.started_with
        held = self.held()
        if any(stamp > held.get(uuid, 0) for uuid, stamp in self.closed.items()):
            return self.started_with
        return held

    def report(self) -> bool:
        """Once a heartbeat: says what is held now, where that has moved; True: it was said.

        Looks as well whether the older streams can be ended.
        """
        if not self.active:
            return False
        self._end_older()
        held = self.reportable()
        disk = self.held() if self.open else held
        said = moves(self._said, held) or moves(self._said_disk, disk)
        if said:
            self._said = join(self._said, held)
            self._said_disk = join(self._said_disk, disk)
            words = [REPORT, pack_marks(self._said)]
            if self._said_disk != self._said:
                words.append(pack_marks(self._said_disk))
            self.announce(words)
        return said

    def _end_older(self) -> None:
        """The own older streams are ended when every member has answered the first frame and all
        that they had of them then is here."""
        members = self._members()
        if not self.open or members is None:
            return
        needed: Vector = {}
        for member in members:
            if member == self.member_id:
                continue
            answer = self._answer_of(member)
            if answer is None or answer.get(self.streams.own.uuid, 0) < self.begun:
                return
            for uuid in self.open:
                needed[uuid] = max(needed.get(uuid, 0), answer.get(uuid, 0))
        if any(stamp > self.streams.of(uuid).seen for uuid, stamp in needed.items()):
            return
        ends = {uuid: int(self.streams.of(uuid).seen) for uuid in self.open}
        self.announce([END, pack_marks(ends)])
        self.closed = join(self.closed, ends)
        self.ended(ends)

    def _answer_of(self, member: bytes) -> Vector | None:
        """What the member's present stream has said that it had applied."""
        found: Vector | None = None
        newest = 0
        for stream in self.streams.all:
            if stream.member == member and stream.uuid not in self.closers and stream.seen > newest:
                if stream.uuid in self.ends:
                    continue
                newest = int(stream.seen)
                found = self.streams.row_marks(stream)
        return found

    # --- what peers say -------------------------------------------------------------------------

    def began(self, member: bytes, older: list[bytes]) -> None:
        """A peer's stream has begun; these streams of the member's are being closed."""
        for uuid in older:
            if uuid not in self.ends:
                self._close(uuid, member)

    def _close(self, uuid: bytes, member: bytes) -> None:
        stream = self.streams.of(uuid)
        stream.member = member
        if self.active:
            stream.closing = True
            self.closers[uuid] = member

    def reported(self, stream: Stream, marks: bytes, disk: bytes) -> None:
        """A member says what it holds, and what it has on disk where that is more. ValueError
        where a field is damaged."""
        uuid = stream.uuid
        held = unpack_marks(marks)
        self.waiting[uuid] = join(self.waiting.get(uuid, {}), held)
        on_disk = join(held, unpack_marks(disk))
        self.disks[stream.member] = join(self.disks.get(stream.member, {}), on_disk)

    def ended(self, ends: Vector) -> None:
        """The closer of these streams says where they end: what was lost of them will never
        come."""
        for uuid, stamp in ends.items():
            stream = self.streams.of(uuid)
            stream.closing = True
            stream.ended = True
            stream.end = stamp
            self.ends[uuid] = stamp
            self.closers.pop(uuid, None)
            self.open.discard(uuid)
        self._pass_ends()

    def _pass_ends(self) -> None:
        """Removals that wait for what an ended stream has lost wait for nothing."""
        self.memory.removals.settle()

    def may_take(self, stream: Stream, stamp: int, member: bytes) -> bool:
        """May a frame of a stream that is being closed be taken from this member?

        Only from the closer, or where the member has it on disk: else it could turn up here after
        the closer was told that it is not. What lies beyond the end comes from nobody.
        """
        end = self.ends.get(stream.uuid)
        if end is not None:
            return stamp <= end
        closer = self.closers.get(stream.uuid)
        if closer is None or (closer == member and closer != self.member_id):
            return True
        return self.held_by(member).get(stream.uuid, 0) >= stamp

    def held_by(self, member: bytes) -> Vector:
        """All that a member has ever said it has on disk."""
        return self.disks.get(member, {})

    # --- the cut --------------------------------------------------------------------------------

    def _members(self) -> frozenset[bytes] | None:
        return None if self.members is None else self.members()

    def advance(self) -> bool:
        """Counts the reports that may count now, and moves the cut; True: it has moved."""
        self._count_reports()
        members = self._members()
        if not members or self.member_id not in members:
            return False
        own = join(self.rows.get(self.member_id, {}), self.reportable())
        self.rows[self.member_id] = own
        rows: list[Vector] = []
        for member in members:
            row = self.rows.get(member)
            if row is None:
                return False
            rows.append(row)
        return self.take_cut(least(rows))

    def take_cut(self, cut: Vector) -> bool:
        """All members hold this; True: the cut has moved."""
        joined = join(self.cut, cut)
        if joined == self.cut:
            return False
        self.cut = joined
        self.advanced += 1
        stamps = [joined.get(each.uuid, 0) for each in self.streams.all if is_live(each)]
        self.memory.cut.move(cut_row(self.streams, joined), min(stamps, default=0))
        return True

    def _count_reports(self) -> None:
        """A report counts once all ops that it may hide are here: those of its member's older
        streams."""
        for uuid in list(self.waiting):
            member = self.streams.of(uuid).member
            if not member:
                continue
            report = self.waiting[uuid]
            if all(self._is_here(name, stamp, member) for name, stamp in report.items()):
                self.rows[member] = join(self.rows.get(member, {}), report)
                del self.waiting[uuid]

    def _is_here(self, uuid: bytes, stamp: int, member: bytes) -> bool:
        stream = self.streams.of(uuid)
        return stamp <= stream.seen or (stream.member != b"" and stream.member != member)

    def joined(self, member: bytes, vector: Vector) -> None:
        """A new member starts with what its sponsor had then."""
        self.rows.setdefault(member, dict(vector))

    def left(self, member: bytes) -> None:
        """A member has left, or was expelled: it holds nothing up any more."""
        self.rows.pop(member, None)

    def laggard(self) -> bytes:
        """The member that holds the cut up; b"" where none does, or nobody can tell."""
        members = self._members()
        worst = b""
        least_sum = -1
        for member in members or ():
            row = self.rows.get(member)
            if row is None:
                return member
            oldest = min(
                (row.get(each.uuid, 0) for each in self.streams.all if is_live(each)), default=0
            )
            if least_sum < 0 or oldest < least_sum:
                worst, least_sum = member, oldest
        return worst

    # --- transfers ------------------------------------------------------------------------------

    def lacks(self, said: Said) -> bool:
        """Have the peer's members forgotten what is not here? Then nothing here may stay: a
        removal could not be told from what never was there."""
        here = {each.uuid: int(each.seen) for each in self.streams.all}
        return not covers(here, said.cut, {**self.ends, **said.ends})

    def refusal(self, said: Said, vector: Vector, member: bytes) -> str:
        """Why a snapshot of this vector is not taken in; "" where it is fine.

        Of an ended process only what the peer has on disk comes in, as with single frames.
        """
        if not covers(vector, self.cut, {**self.ends, **said.ends}):
            return (
                "the peer has less than all members were known to have on disk: an older state was"
                " restored there; it must join anew"
            )
        held = join(self.held_by(member), said.held)
        for uuid, closer in self.closers.items():
            stamp = vector.get(uuid, 0)
            is_new = stamp > self.streams.of(uuid).seen and stamp > held.get(uuid, 0)
            if is_new and (closer != member or closer == self.member_id):
                return "the peer has writes of an ended process that are not on its disk yet"
        return ""

    # --- snapshots and files --------------------------------------------------------------------

    def fields(self) -> dict[str, object]:
        """For the head of a snapshot or file, as JSON takes it; streams by uuid in hex."""
        return {
            "cut": spell(self.cut),
            "holds": {member.decode(): spell(row) for member, row in self.rows.items()},
            "reports": {uuid.hex(): spell(row) for uuid, row in self.waiting.items()},
            "closers": {uuid.hex(): member.decode() for uuid, member in self.closers.items()},
            "ends": spell(self.ends),
            "held": spell(self.held()),
            "starts": spell(self._starts()),
        }

    def _starts(self) -> Vector:
        """What a process that starts with this file may say it holds while its older streams are
        open: never what came in while this process's own were."""
        if self.open:
            return self.started_with
        return {each.uuid: int(each.seen) for each in self.streams.all if each.seen != 0}

    def load(self, said: Said) -> None:
        """What the own file says, at start."""
        self.started_with = dict(said.starts)
        self.take(said)

    def take(self, said: Said) -> None:
        """What a snapshot or file says, beside what is known; the vector was joined before."""
        for member, row in said.rows.items():
            self.rows[member] = join(self.rows.get(member, {}), row)
        for uuid, row in said.waiting.items():
            self.waiting[uuid] = join(self.waiting.get(uuid, {}), row)
        self.ended(said.ends)
        for uuid, member in said.closers.items():
            if uuid not in self.ends:
                self._close(uuid, member)
        self.take_cut(said.cut)


class Said:
    """What the head of a snapshot says of stability."""

    def __init__(self) -> None:
        self.cut: Vector = {}
        self.rows: dict[bytes, Vector] = {}
        self.waiting: dict[bytes, Vector] = {}
        self.closers: dict[bytes, bytes] = {}
        self.ends: Vector = {}
        self.held: Vector = {}
        self.starts: Vector = {}

    def read(self, fields: dict[str, dict[str, object]]) -> None:
        """The reverse of Stability.fields. ValueError, TypeError or AttributeError where it is
        damaged."""
        self.cut = unspell(fields.get("cut", {}))
        self.ends = unspell(fields.get("ends", {}))
        self.held = unspell(fields.get("held", {}))
        self.starts = unspell(fields.get("starts", {}))
        self.rows = {
            member.encode(): unspell(row) for member, row in fields.get("holds", {}).items()
        }
        self.waiting = {
            bytes.fromhex(uuid): unspell(row) for uuid, row in fields.get("reports", {}).items()
        }
        self.closers = {
            bytes.fromhex(uuid): str(member).encode()
            for uuid, member in fields.get("closers", {}).items()
        }


def join(here: Vector, there: Vector) -> Vector:
    """By stream the greater of the two; a new vector."""
    joined = dict(here)
    for uuid, stamp in there.items():
        if stamp > joined.get(uuid, 0):
            joined[uuid] = stamp
    return joined


def least(rows: list[Vector]) -> Vector:
    """By stream the least of all rows; what one of them lacks is not in it."""
    found: Vector = {}
    for uuid in rows[0]:
        stamp = min(row.get(uuid, 0) for row in rows)
        if stamp > 0:
            found[uuid] = stamp
    return found


def moves(before: Vector, now: Vector) -> bool:
    """Is there more in `now`?"""
    return any(stamp > before.get(uuid, 0) for uuid, stamp in now.items())


def covers(here: Vector, there: Vector, ends: Vector) -> bool:
    """Is all of `there` in `here`? What an ended stream has lost counts as covered."""
    for uuid, stamp in there.items():
        if min(stamp, ends.get(uuid, stamp)) > here.get(uuid, 0):
            return False
    return True


def is_live(stream: Stream) -> bool:
    """May writes of this stream still come?"""
    return not stream.ended and stream.seen != 0


def spell(vector: Vector) -> dict[str, int]:
    """A vector as JSON takes it."""
    return {uuid.hex(): stamp for uuid, stamp in vector.items()}


def unspell(fields: object) -> Vector:
    """The reverse of `spell`."""
    assert isinstance(fields, dict)
    return {bytes.fromhex(uuid): int(stamp) for uuid, stamp in fields.items()}


def silent(words: list[bytes]) -> None:
    """Nobody to tell: the own stream has not begun."""


def cut_row(streams: Streams, cut: Vector) -> bytes:
    """The cut by stream number."""
    for uuid in cut:
        streams.of(uuid)
    numbers = [0] * streams.width
    for uuid, stamp in cut.items():
        numbers[streams.of(uuid).number] = stamp
    return row_of(numbers)
