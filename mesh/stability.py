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

from mesh.departures import Departures
from mesh.dots import Stream, Streams, pack_marks, row_of, unpack_marks
from mesh.holding import MEMORY, Holding
from mesh.merge.rule import Memory
from mesh.said import Said, spell
from mesh.vectors import Vector, covers, join, least

END: Final = b"MESH.END"


class Stability(Holding):
    """What this node knows of who holds what."""

    def __init__(self, memory: Memory, member_id: bytes) -> None:
        super().__init__(memory.streams, member_id)
        self.memory = memory
        # Off: nothing is said or stable, and a process that has ended is like any other.
        self.active = False
        self.announce: Callable[[list[bytes]], None] = silent  # a frame of the own stream
        self.rows: dict[bytes, Vector] = {}  # what each member holds, as far as it counts
        self.sponsored: set[bytes] = set()  # members that are given a state, and were not heard yet
        self.waiting: dict[bytes, Vector] = {}  # reports that do not count yet, by stream
        self.closers: dict[bytes, bytes] = {}  # streams that are being closed, and by which member
        self.is_told_more = False  # has anybody reported since the cut was moved last?
        self.cut: Vector = {}
        self.begun = 0  # the stamp of the own stream's first frame
        self.advanced = 0  # how often the cut has moved
        # What members have on disk though it may not count yet: frames of ended processes are
        # taken from them.
        self.disks: dict[bytes, Vector] = {}
        self.in_memory: set[bytes] = set()  # members who keep nothing on disk
        self.departures = Departures(self)  # who has left or was expelled

    # --- the own side ---------------------------------------------------------------------------

    def start(self, stamp: int, older: list[bytes]) -> None:
        """The own stream begins with this frame, which names the older ones."""
        self.begun = stamp
        self.departures.close()  # all that the data file and the log have is here now
        if self.has_told and self.told is None:
            self.tell()
        self.open = {uuid for uuid in older if uuid not in self.ends and self.active}
        for uuid in self.open:
            self.streams.of(uuid).member = self.member_id
            self.close(uuid, self.member_id)

    def report(self) -> bool:
        """Once a heartbeat: says what is held now, where that has moved; True: it was said.

        Looks as well whether the older streams can be ended.
        """
        if not self.active:
            return False
        self._end_older()
        self._end_departed()
        if not self.may_tell():
            return False
        self.tell()
        words = self.words()
        if words:
            self.announce(words)
        if self.keeps():
            self.redeem_all()
        return bool(words)

    def retire(self) -> None:
        """Streams that have ended are left out of what is told from now on, where every member has
        all of them and the frame that ended them on disk, and was told so.

        Whoever is told knows by that frame what is meant (mesh/dots.py `completed`): a node that
        lacks any of it lacks that frame too, or names the stream. So it is none of its own frames.
        """
        for uuid, end in self.ends.items():
            stream = self.streams.of(uuid)
            if stream.retired or stream.seen < end:
                continue
            if min(self.cut.get(uuid, 0), self.said.get(uuid, 0)) >= end and any(
                ender != uuid and self.cut.get(ender, 0) >= at for ender, at in stream.enders
            ):
                stream.retired = True

    def _end_older(self) -> None:
        """The own older streams are ended when every member has answered the first frame and all
        that they had of them then is here."""
        members = self.member_ids()
        if not self.open or members is None:
            return
        needed: Vector = {}
        # The state that was loaded may be older than a member that has more of these streams.
        for member in members | (self.lent() - self.departures.known.keys()):
            if member == self.member_id:
                continue
            answer = self.answer_of(member)
            if answer is None or answer.get(self.streams.own.uuid, 0) < self.begun:
                return
            for uuid in self.open:
                needed[uuid] = max(needed.get(uuid, 0), answer.get(uuid, 0))
        if any(stamp > self.streams.of(uuid).seen for uuid, stamp in needed.items()):
            return
        if not all(self.is_safe(self.streams.of(uuid)) for uuid in self.open):
            return
        ends = {uuid: int(self.streams.of(uuid).seen) for uuid in self.open}
        self.closed = join(self.closed, ends)
        self._announce_ends(ends)

    def is_safe(self, stream: Stream) -> bool:
        """Is all that is here of a stream on some disk? Else everybody would wait for its end where
        those who have it in memory crash. Where nobody keeps anything that cannot be helped."""
        stamp = int(stream.seen)
        rows = [self.on_disk(), *self.disks.values()]
        if any(row.get(stream.uuid, 0) >= stamp for row in rows):
            return True
        others = (self.member_ids() or frozenset()) - {self.member_id}
        return not self.keeps() and others <= self.in_memory

    def _announce_ends(self, ends: Vector) -> None:
        self.announce([END, pack_marks(ends)])
        own = self.streams.own
        self.ended(ends, own.uuid, int(own.seen))

    def _end_departed(self) -> None:
        """As the closer of members that have left or were expelled: says where they end."""
        ends = self.departures.work()
        if ends:
            self._announce_ends(ends)
        for member in self.departures.done():
            self.departures.say_closed(member)

    def answer_of(self, member: bytes) -> Vector | None:
        """What the member's present stream has said that it had applied, and how far it is
        itself."""
        found: Vector | None = None
        newest = 0
        for stream in self.streams.all:
            if stream.member == member and stream.uuid not in self.closers and stream.seen > newest:
                if stream.uuid in self.ends:
                    continue
                newest = int(stream.seen)
                found = {**self.streams.row_marks(stream), stream.uuid: newest}
        return found

    # --- what peers say -------------------------------------------------------------------------

    def began(self, member: bytes, older: list[bytes]) -> None:
        """A peer's stream has begun; these streams of the member's are being closed."""
        for uuid in older:
            self.streams.of(uuid).member = member
            if uuid not in self.ends:
                self.close(uuid, member)
        if member in self.departures.known:
            self.departures.close()

    def close(self, uuid: bytes, closer: bytes) -> None:
        """A stream's process has ended, or its member has departed; who says where it ends."""
        if self.active and uuid != self.streams.own.uuid:
            self.streams.of(uuid).closing = True
            self.closers[uuid] = closer

    def reported(self, stream: Stream, marks: bytes, more: list[bytes]) -> None:
        """A member says what it holds, and what it has on disk where that is not the same, or that
        it keeps nothing there. ValueError where a field is damaged."""
        uuid = stream.uuid
        held = unpack_marks(marks)
        on_disk = unpack_marks(more[0]) if more else held
        self.waiting[uuid] = join(self.waiting.get(uuid, {}), held)
        self.is_told_more = True
        member = stream.member
        if MEMORY in more[1:]:
            self.in_memory.add(member)
            self.disks.pop(member, None)
        else:
            self.in_memory.discard(member)
            self.disks[member] = join(self.disks.get(member, {}), on_disk)

    def ended(self, ends: Vector, ender: bytes = b"", at: int = 0) -> None:
        """The closer of these streams says where they end: what was lost of them will never
        come. It says so in the stream `ender`, with the stamp `at`."""
        for uuid, stamp in ends.items():
            stream = self.streams.of(uuid)
            stream.closing = True
            stream.ended = True
            stream.end = stamp
            if ender and (ender, at) not in stream.enders:
                stream.enders.append((ender, at))
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
        the closer was told that it is not. The closer itself takes it from everybody: it says no
        end beyond what a disk has (`is_safe`). What lies beyond the end comes from nobody.
        """
        end = self.ends.get(stream.uuid)
        if end is not None:
            return stamp <= end
        closer = self.closers.get(stream.uuid)
        if closer is None or closer == member or closer == self.member_id:
            return True
        return self.held_by(member).get(stream.uuid, 0) >= stamp

    def held_by(self, member: bytes) -> Vector:
        """All that a member has ever said it has on disk."""
        return self.disks.get(member, {})

    # --- the cut --------------------------------------------------------------------------------

    def advance(self) -> bool:
        """Counts the reports that may count now, and moves the cut; True: it has moved."""
        self.is_told_more = False
        self._count_reports()
        members = self.member_ids()
        if not members or self.member_id not in members or not self.may_tell():
            return False
        self.tell()
        holding = self.departures.holding()
        for member in self.departures.known:
            if member not in holding:
                self.rows.pop(member, None)
        own = join(self.rows.get(self.member_id, {}), self.reportable())
        self.rows[self.member_id] = own
        rows: list[Vector] = []
        for member in (*members, *holding):
            row = self.rows.get(member)
            if row is None:
                return False
            rows.append(row)
        return self.take_cut(least(rows))

    def take_cut(self, cut: Vector) -> bool:
        """All members hold this; True: the cut has moved."""
        joined = join(self.cut, cut)
        before = self.settled(joined)
        if joined == self.cut and before <= self.memory.cut.before:
            return False
        if joined != self.cut:
            self.advanced += 1
        self.cut = joined
        self.memory.cut.move(cut_row(self.streams, joined), before)
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
                self.sponsored.discard(member)
                del self.waiting[uuid]

    def _is_here(self, uuid: bytes, stamp: int, member: bytes) -> bool:
        stream = self.streams.of(uuid)
        return stamp <= stream.seen or (stream.member != b"" and stream.member != member)

    def joined(self, member: bytes) -> None:
        """A new member takes a sponsor's state. It counts as holding nothing before it says what it
        has taken: several may let it in at once, each with more than another one gives it."""
        if member not in self.rows:
            self.rows[member] = {}
            self.sponsored.add(member)

    def unsponsor(self) -> None:
        """This node is given a whole state, so it was nobody's sponsor: whom it has let in holds
        nothing by that of what was written here."""
        for member in self.sponsored:
            self.rows.pop(member, None)
        self.sponsored = set()

    def laggard(self) -> bytes:
        """The member that holds the cut up; b"" where none does, or nobody can tell."""
        members = self.member_ids()
        worst = b""
        least_sum = -1
        for member in members or ():
            row = self.rows.get(member)
            if row is None:
                return member
            oldest = self.oldest(row)
            if least_sum < 0 or oldest < least_sum:
                worst, least_sum = member, oldest
        return worst

    def oldest(self, row: Vector) -> int:
        """Up to which stamp this has every stream's writes; 0 where it has nothing of one.

        A stream that has ended counts until all of it is there: what was written last of it is as
        new as anything.
        """
        stamps = [
            row.get(each.uuid, 0) for each in self.streams.all
            if (each.seen != 0 or each.ended) and not has_all(row, each)
        ]  # fmt: skip
        return min(stamps, default=0)

    def settled(self, cut: Vector) -> int:
        """Up to which stamp a cut has every stream's writes, and no older one can come.

        Of a stream whose last write it has it has all up to the newest frame here: heartbeats
        behind that are on nobody's disk. But not beyond the newest stamp that it has of any: who
        starts again from its disk, with a clock that was set back, has seen no later one.
        """
        newest = max(cut.values(), default=0)
        stamps: list[int] = []
        for each in self.streams.all:
            if (each.seen == 0 and not each.ended) or has_all(cut, each):
                continue
            stamp = cut.get(each.uuid, 0)
            if stamp >= each.wrote:
                if each.is_over():
                    continue
                stamp = max(stamp, min(int(each.seen), newest))
            stamps.append(stamp)
        return min(stamps, default=0)

    # --- transfers ------------------------------------------------------------------------------

    def lacks(self, said: Said) -> bool:
        """Have the peer's members forgotten what is not here? Then nothing here may stay: a
        removal could not be told from what never was there."""
        here = {each.uuid: int(each.seen) for each in self.streams.all}
        return not covers(here, said.cut, {**self.ends, **said.ends})

    def why_replace(self, said: Said) -> str:
        """Why what stands here cannot become one with a state that says this; "" where it can."""
        here = {each.uuid: int(each.seen) for each in self.streams.all}
        if self.lacks(said):
            return "this node has less than all members were known to have on disk"
        own = {} if self.member_id in said.sponsored else said.rows.get(self.member_id, {})
        if not covers(here, own, {**self.ends, **said.ends}):
            return "this node has less than it had said that its disk holds"
        if any(here.get(uuid, 0) > end for uuid, end in said.ends.items()):
            return "this node has more of an ended process than any member"
        return ""

    def refusal(self, said: Said, vector: Vector, member: bytes, replaces: bool) -> str:
        """Why a snapshot of this vector is not taken in; "" where it is fine.

        Of an ended process only what the peer has on disk comes in, as with single frames.
        """
        if not replaces and not covers(vector, self.cut, {**self.ends, **said.ends}):
            return (
                "the peer has less than all members were known to have on disk: an older state was"
                " restored there; it must join anew"
            )
        held = join(self.held_by(member), said.held)
        for uuid, closer in self.closers.items():
            stamp = vector.get(uuid, 0)
            # What is ended there may come from anybody, up to its end.
            known = max(int(self.streams.of(uuid).seen), held.get(uuid, 0), said.ends.get(uuid, 0))
            if stamp > known and closer not in (member, self.member_id):
                return "the peer has writes of an ended process that are not on its disk yet"
        return ""

    # --- snapshots and files --------------------------------------------------------------------

    def fields(self) -> dict[str, object]:
        """For the head of a snapshot or file, as JSON takes it; streams by uuid in hex."""
        return {
            "cut": spell(self.cut),
            "holds": {member.decode(): spell(row) for member, row in self.rows.items()},
            "sponsored": [member.decode() for member in self.sponsored],
            "reports": {uuid.hex(): spell(row) for uuid, row in self.waiting.items()},
            "closers": {uuid.hex(): member.decode() for uuid, member in self.closers.items()},
            "ends": spell(self.ends),
            "enders": {
                uuid.hex(): spell(dict(self.streams.of(uuid).enders)) for uuid in self.ends
            },
            "retired": spell({
                each.uuid: int(each.end) for each in self.streams.all if each.retired
            }),
            "held": spell(self.on_disk()),
            "memory": not self.keeps(),
            "told": None if self.told is None else [name.decode() for name in sorted(self.told)],
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
        self.told = said.told
        self.take(said)
        for uuid in said.retired:
            self.streams.of(uuid).retired = True

    def take(self, said: Said) -> None:
        """What a snapshot or file says, beside what is known; the vector was joined before."""
        for member, row in said.rows.items():
            if member in self.sponsored and member not in said.sponsored:
                self.sponsored.discard(member)
            elif member in said.sponsored and member not in self.rows:
                self.sponsored.add(member)
            self.rows[member] = join(self.rows.get(member, {}), row)
        for uuid, row in said.waiting.items():
            self.waiting[uuid] = join(self.waiting.get(uuid, {}), row)
        self.ended(said.ends)
        for uuid, enders in said.enders.items():
            for ender, at in enders:
                self.ended({uuid: said.ends[uuid]}, ender, at)
        for uuid, member in said.closers.items():
            if uuid not in self.ends:
                self.close(uuid, member)
        self.departures.close()
        if said.cut and self.told is None:
            self.tell()
        self.take_cut(said.cut)


def has_all(row: Vector, stream: Stream) -> bool:
    """Has a stream ended, and is nothing of it missing there?"""
    return stream.retired or (stream.ended and row.get(stream.uuid, 0) >= stream.end)


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
