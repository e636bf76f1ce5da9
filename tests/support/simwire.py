"""Wire: one direction between two simulated nodes; both halves, mesh/feed.py and mesh/link.py.

Bytes arrive in random pieces; what is in flight when the link is cut is lost. Transfers are the
product's own (mesh/outflow.py, mesh/intake.py), in slices.
"""

from __future__ import annotations

from collections.abc import Callable

from mesh.backlog import NOWHERE, Follower
from mesh.inbox import FORKED, GAP, MORE, OTHER, Inbox
from mesh.intake import Intake
from mesh.outflow import Outflow, can_compare
from mesh.range_server import RangeError
from mesh.rejoin import has_lost
from mesh.rreplay import FRAME_HEAD, StampError, stamps_of
from mesh.staging import StagingError
from mesh.topology import Relaying, Taker, Way, routes_at, routes_command, unpack_offers
from tests.support.simnode import SimNode

DIGEST_KEYS = 2  # looked at in one slice of a comparison, so that writes come between
WORDS = {GAP: "a gap", FORKED: "forked"}


class Wire(Follower):
    """One direction between two nodes: bytes in flight, and what the receiver has not used yet."""

    def __init__(self, source: SimNode, target: SimNode) -> None:
        self.source = source
        self.target = target
        self.open = False
        self.asked: dict[bytes, int] | None = None
        self.elsewhere: frozenset[bytes] = NOWHERE
        self.asks_all = False
        self.flight: list[bytes] = []
        self.buffer = b""
        self.inbox: Inbox = target.member.inbox()
        self.outflow: Outflow | None = None  # a transfer, at the source
        self.intake: Intake | None = None  # the same, once the target has heard that it comes
        self.answers: list[bytes] = []  # what the target says of it, on its way back
        self.transfer_bytes = 0
        self.sent_bytes = 0
        self.applied = 0
        self.resumes = 0
        self.whole = False  # the source's state must take the place of the target's
        self.refused = False  # its transfer or a stamp is not taken: it asks again later
        self.way: Way | None = None  # while frames flow
        self.taker: Taker | None = None
        self.relaying: Relaying | None = None
        self.requests: list[tuple[frozenset[bytes], dict[bytes, int]]] = []  # on their way back
        self.carried: list[bytes] | None = None  # what was sent, where a test counts frames

    # --- the source's half, as mesh/feed.py does it ---------------------------------------------

    def send(self, data: bytes, last: int) -> None:
        self.relay(data)

    def relay(self, data: bytes) -> None:
        echo = FRAME_HEAD + self.target.streams.own.text
        assert echo not in data, "a frame is sent back to its origin"
        self.sent_bytes += len(data)
        self.flight.append(data)
        if self.carried is not None:
            self.carried.append(data)

    def frames(self) -> list[tuple[bytes, int]]:
        """Stream and stamp of every frame that was sent since `carried` was set."""
        found: list[tuple[bytes, int]] = []
        for data in self.carried or []:
            for stamp, start, _ in stamps_of(data):
                start += len(FRAME_HEAD)
                found.append((data[start : start + 36], stamp))
        return found

    def write(self, data: bytes) -> None:
        """Bytes of a transfer."""
        self.transfer_bytes += len(data)
        self.flight.append(data)

    def ready(self) -> bool:
        """May more bytes come?"""
        return True

    def failed(self, reason: str) -> None:
        """The transfer cannot be ended: a flush, another transfer, many writes since."""
        assert not reason.startswith("the snapshot failed"), reason
        self.cut()

    def go_live(
        self, parts: list[bytes], vector: dict[bytes, int], elsewhere: frozenset[bytes]
    ) -> None:
        for part in parts:
            self.send(part, 0)
        member = self.source.member
        member.backlog.followers.append(self)
        target = self.target
        stream = target.streams.own.uuid
        self.relaying = Relaying(member.backlog, self, stream)
        self.relaying.began(vector, elsewhere)
        self.taker = Taker(
            target.member_id, stream, lambda offers: self.flight.append(routes_command(offers))
        )
        member.routes.add_taker(self.taker)
        self.source.settle_routes()

    def _serve(self) -> bool:
        """The source hears what the target says of a comparison, or which streams of others it
        wants."""
        if self.answers and self.outflow is not None:
            try:
                self.outflow.take(self.answers.pop(0))
            except RangeError:
                self.cut()
            return True
        if not self.requests or self.relaying is None:
            return False
        parts = self.relaying.ask(*self.requests.pop(0))
        if parts is None:
            self.cut()
            return True
        for part in parts:
            self.relay(part)
        return True

    # --- the target's half, as mesh/link.py does it ---------------------------------------------

    def connect(self) -> bool:
        """The target asks for what it lacks, unless it takes in a snapshot or is not active yet."""
        source, target = self.source, self.target
        if not (source.member.started and target.member.started) or target.incoming is not None:
            return False
        if self.refused or not self._meet():
            return False
        self.asked = target.streams.told()
        others = frozenset(target.member.routes.paths()) - {source.streams.own.uuid}
        self.elsewhere = NOWHERE if self.asks_all else others
        self.asks_all = False
        self.flight = []
        self.buffer = b""
        self.inbox = target.member.inbox()
        self.inbox.peer_member = source.member_id
        self.open = True
        return True

    def _meet(self) -> bool:
        """Both say what their mesh is, as mesh/replication.py and mesh/link.py have it: may the
        target follow the source (now)? Where members are counted by the mesh's own map, each lets
        the other in."""
        source, target = self.source, self.target
        world = source.world
        if not world.by_membership:
            source.member.hear(target.member.card(source.member_id))
            return not target.member.meet(source.member.card(target.member_id).pack())[0]
        if self._outside(source, target) or self._outside(target, source):
            return False
        if not world.may_meet(source, target):
            return False
        _, admits = source.member.called_by(target.member.card(source.member_id).pack())
        if admits:
            world.admit(source, target)
        if target.member.meet(source.member.card(target.member_id).pack())[0]:
            return False
        if not target.member.void:
            world.admit(target, source)
        return source.member.may_be_followed(target.member_id)

    @staticmethod
    def _outside(node: SimNode, other: SimNode) -> bool:
        """Is this node, or the other one as far as this one knows, no member any more?"""
        refusal = node.member.membership.refusal
        return bool(refusal(node.member_id) or refusal(other.member_id))

    def answer(self) -> None:
        """The source goes on from there, or sends a snapshot."""
        assert self.asked is not None
        if self.source.world.by_membership:
            self.source.world.admit(self.source, self.target)
        self.source.member.lend(self.target.member_id)
        asked = self.source.streams.completed(self.asked)
        own = self.target.streams.own.uuid
        self.whole = bool(self.target.member.void) or has_lost(
            self.source.member, self.target.member_id, asked
        )
        parts = None
        if not self.whole:
            parts = self.source.member.backlog.resume(asked, own, self.elsewhere)
        self.asked = None
        if parts is not None:
            self.resumes += 1
            self.go_live(parts, asked, self.elsewhere)
        elif self.target.incoming is not None:
            self.cut()  # another transfer runs
        else:
            self._transfer(asked)

    def _transfer(self, asked: dict[bytes, int]) -> None:
        """The source begins a transfer: of what differs where both have something."""
        source, world = self.source, self.source.world
        number = world.counts["resync"]
        world.counts["resync"] += 1
        self.transfer_bytes = 0
        outflow = Outflow(
            source.member, source.snapshots, self, self.target.streams.own.uuid,
            source.queue.append, b"%040d" % number, DIGEST_KEYS,
        )  # fmt: skip
        self.outflow = outflow
        whole = self.whole or number % world.whole_each == world.whole_each - 1
        if whole or not self.target.member.has_keys() or not can_compare(source.member, asked):
            outflow.whole(b"%040d 0" % number)
        else:
            world.counts["ranges"] += 1
            outflow.by_digest(b"%040d 0" % number, number.to_bytes(16, "big"))

    def lacks(self) -> bool:
        """Has the source something that the target has not, from whomever?"""
        source = self.source.member.vector()
        target = self.target.member.vector()
        return any(stamp > target.get(name, 0) for name, stamp in source.items())

    def cut(self) -> None:
        """What is in flight is lost."""
        if not self.open:
            return
        self.open = False
        self.asked = None
        followers = self.source.member.backlog.followers
        if self in followers:
            followers.remove(self)
        if self.outflow is not None:
            self.outflow.cancel()
            self.outflow = None
        if self.intake is not None:
            self.target.member.abandon()
            self.target.incoming = None
        self.intake = None
        self.answers = []
        self.flight = []
        self.buffer = b""
        self.requests = []
        if self.relaying is not None and self.taker is not None:
            self.relaying.end()
            self.source.member.routes.remove_taker(self.taker)
        self.relaying = self.taker = None
        if self.way is not None:
            self.asks_all = self.asks_all or bool(self.way.asked)
            self.target.member.routes.remove_way(self.way)
            self.way = None
            self.target.settle_routes()
        self.source.settle_routes()

    def _up(self) -> Way:
        """Frames flow: from now on others' streams may be asked for."""
        source = self.source
        vector = self.target.member.vector
        way = Way(
            source.member_id, source.streams.own.uuid,
            lambda streams: self.requests.append((streams, vector())),
        )  # fmt: skip
        self.way = way
        self.target.member.routes.add_way(way)
        self.target.settle_routes()
        return way

    def deliver(self, piece: Callable[[int], int]) -> bool:
        """Some of what is in flight arrives, cut anywhere. False: nothing could."""
        incoming = self.target.incoming
        if self._serve():
            return True
        if not self.flight or (incoming is not None and incoming is not self):
            return False  # while a snapshot is taken in other links are not read
        if incoming is self and self.intake is None and self.target.member.staging is not None:
            return False  # nor this one, between the last key and the switch
        data = b"".join(self.flight)
        if not data:
            self.flight = []
            return False
        size = piece(len(data))
        self.flight = [data[size:]] if size < len(data) else []
        data = data[:size]
        intake = self.intake
        if intake is None and self.outflow is not None:
            self._take_answer(data)
        elif intake is None:
            self._take(data)
        else:
            self.attend(intake, data)
        return True

    def attend(self, intake: Intake, data: bytes = b"", budget: int = 0) -> bool:
        """Something of a transfer's at the target; what is refused ends it."""
        more = True
        try:
            if data:
                intake.take(data)
            else:
                more = intake.step(budget)
        except StagingError:
            self.source.world.counts["refused"] += 1
            self.cut()
            self.refused = True
            return True
        if intake.staged:
            self.flight.insert(0, intake.rest)
            self.intake = self.outflow = None
        return more

    def _take_answer(self, data: bytes) -> None:
        """+FULLRESYNC or +RANGES, and what is behind it."""
        line, end, rest = (self.buffer + data).lstrip(b"\n").partition(b"\r\n")
        self.buffer = b"" if end else line
        if not end:
            return
        self.flight.insert(0, rest)
        words = line.split()
        member = self.target.member
        if words[0] == b"+RANGES":
            staging = member.stage(bytes.fromhex(words[3].decode()), int(words[4]))
        else:
            staging = member.stage()
        self.intake = Intake(staging, self.answers.append)
        self.target.incoming = self

    @property
    def staged(self) -> bool:
        """Is the whole snapshot here? The switch comes when no walk of the target's own runs."""
        return self.target.incoming is self and self.intake is None

    def _take(self, data: bytes) -> None:
        self.buffer += data
        way = self.way or self._up()
        while True:
            try:
                result = self.inbox.take(self.buffer, 0)
            except StampError:
                self.source.world.counts["ahead"] += 1
                self.cut()
                self.refused = True  # as a link that waits before it asks again
                return
            self.buffer = self.buffer[self.inbox.pos :]
            if result != OTHER:
                break
            routes = routes_at(self.buffer, 0)
            if routes is None:
                return
            self.buffer = self.buffer[routes[1] :]
            way.offers = unpack_offers(routes[0])
            self.target.settle_routes()
        self.target.member.backlog.flush()
        if self.target.world.forgets_at(self.target) == "frame":
            self.target.forget_now()
        if result == GAP and self.may_lack():
            self.cut()  # as mesh/link.py does it: what is missing is asked for by vector
            return
        # A feed goes on from the vector that was asked with: no frame can be missing.
        assert result == MORE, (WORDS.get(result, "no frame"), self.buffer)

    def may_lack(self) -> bool:
        """May frames be missing that were not lost? A transfer took the place of those that would
        have been relayed, or those of an ended process were not taken while the source did not
        have them on disk."""
        transfers = self.target.member.transfers + self.source.member.transfers
        return int(transfers) + int(self.inbox.refused) > 0
