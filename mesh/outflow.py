"""Outflow: a transfer on its way out, from PSYNC to the moment frames flow; what mesh/feed.py and
the simulation share.

A follower whose tail is gone compares by digests what both have, and gets what differs; one that
has nothing, or must replace what it has, gets the whole state. No sockets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from mesh.backlog import NOWHERE
from mesh.member import Member
from mesh.range_server import SNAPSHOT, RangeError, RangeServer
from mesh.status import CONNECT, DIGEST, TRANSFER
from mesh.vectors import covers
from node.persist.partial import PartialWalk
from node.persist.sinks import Sink
from node.persist.snapshot import Snapshots, SnapshotWalk
from node.store.writer import BeforeChange, Writer

# Keys that are looked at in one slice of a comparison: about a millisecond.
DIGEST_KEYS: Final = 150
ALIVE: Final = b"$0\r\n\r\n"  # a message that says nothing


class Receiver(Protocol):
    """Whom a transfer goes to."""

    def write(self, data: bytes) -> None:
        """The next bytes."""

    def ready(self) -> bool:
        """May more bytes come? Who says False calls `Outflow.go_on` when it is."""

    def go_live(
        self, parts: list[bytes], vector: dict[bytes, int], elsewhere: frozenset[bytes]
    ) -> None:
        """All is sent: these frames follow, then what is written from now on."""

    def failed(self, reason: str) -> None:
        """The transfer cannot be ended."""


class Outflow(Sink):
    """One transfer; `stream` is the follower's. `budget` keys are looked at in one slice."""

    checksum = True

    def __init__(
        self, member: Member, snapshots: Snapshots, receiver: Receiver, stream: bytes,
        soon: Callable[[Callable[[], None]], object], mark: bytes, budget: int = DIGEST_KEYS,
    ) -> None:  # fmt: skip
        self.member = member
        self.snapshots = snapshots
        self.receiver = receiver
        self.stream = stream
        self.bytes_sent = 0
        self.ranges: RangeServer | None = None
        self.alive = True
        self._soon = soon
        self._mark = mark
        self._budget = budget
        self._head = b""
        self._vector: dict[bytes, int] = {}
        self._pinned = -1  # of the backlog, while a snapshot is sent
        self._begun = False
        self._scheduled = False

    def whole(self, head: bytes) -> None:
        """All that is here is sent, whatever the follower has. `head` begins the answer."""
        self._send(b"+FULLRESYNC " + head + b"\r\n")
        self.snapshots.request(self)

    def by_digest(self, head: bytes, salt: bytes) -> None:
        """What differs is sent. `salt` is new for each session."""
        self._head = head
        member = self.member
        self.ranges = RangeServer(
            member.engine, member.memory, salt, self._message, member.least_leaves
        )
        self.holds = True
        self.snapshots.request(self)

    @property
    def phase(self) -> str:
        """What is going on: a word of mesh/status.py."""
        ranges = self.ranges
        if ranges is None or self._begun:
            return TRANSFER
        return DIGEST if ranges.begun else CONNECT

    @property
    def progress(self) -> float | None:
        """The share done of the phase, 0 to 1; None where it is not known."""
        ranges = self.ranges
        if ranges is None or self._begun:
            return self.snapshots.progress_of(self)
        return ranges.progress

    def _send(self, data: bytes) -> None:
        self.bytes_sent += len(data)
        self.receiver.write(data)

    # --- the comparison -------------------------------------------------------------------------

    def hold(self) -> BeforeChange:
        ranges = self.ranges
        assert ranges is not None
        ranges.begin()
        self._send(b"+RANGES " + self._head + b" " + ranges.answer() + b"\r\n")
        self._work_soon()
        return ranges.noted

    def _message(self, message: bytes) -> None:
        self._send(b"$%d\r\n%b\r\n" % (len(message), message))

    def _work_soon(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._soon(self._work)

    def _work(self) -> None:
        self._scheduled = False
        ranges = self.ranges
        if ranges is None or not self.alive or self._begun or not self.receiver.ready():
            return
        try:
            if ranges.step(self._budget):
                self._work_soon()
        except RangeError as error:
            self.receiver.failed(str(error))

    def go_on(self) -> None:
        """The receiver is ready again."""
        if self.ranges is not None and self.ranges.begun:
            self._work_soon()
        self.snapshots.go_on()

    def take(self, message: bytes) -> None:
        """What the follower says of the comparison. RangeError where it makes no sense."""
        ranges = self.ranges
        if ranges is None or not ranges.begun:
            raise RangeError("the follower answers what it was not asked")
        ranges.take(message)
        if ranges.wanted_all:
            chosen = ranges.chosen()
            ranges.end()
            self.snapshots.choose(self, lambda writer: self._chosen_walk(writer, chosen))
        else:
            self._work_soon()

    def _chosen_walk(self, writer: Writer, chosen: set[tuple[int, bytes]]) -> SnapshotWalk:
        member = self.member
        return PartialWalk(
            writer, member.engine.databases, member.metadata, chosen, self.checksum
        )

    # --- the snapshot ---------------------------------------------------------------------------

    def begin(self) -> None:
        """W: this very moment is what the snapshot shows."""
        backlog = self.member.backlog
        self.member.make_durable()  # or its crash would leave a write half known (part 7)
        self._vector = self.member.vector()
        backlog.flush()
        self._pinned = backlog.pin()
        self._begun = True
        if self.ranges is not None:
            self._message(SNAPSHOT)
        self._send(b"$EOF:" + self._mark + b"\r\n")

    def ready(self) -> bool:
        return self.receiver.ready()

    def write(self, data: bytes) -> None:
        self._send(data)

    def end(self, error: str) -> None:
        parts = None
        if not error:
            parts = self.member.backlog.resume(self._vector, self.stream)
        self._unpin()
        self.alive = False
        if error:
            self.receiver.failed(f"the snapshot failed: {error}")
            return
        self._send(self._mark)
        if parts is None:
            self.receiver.failed(
                "client-output-buffer-limit replica: more was written during the transfer"
            )
            return
        self.receiver.go_live(parts, self._vector, NOWHERE)

    def _unpin(self) -> None:
        """The backlog need not hold for this follower what it would drop."""
        if self._pinned >= 0:
            self.member.backlog.unpin(self._pinned)
            self._pinned = -1

    def keepalive(self) -> None:
        """Says that this node is alive, while nothing else does."""
        if self.alive and not self._begun:
            began = self.ranges is not None and self.ranges.begun
            self.receiver.write(ALIVE if began else b"\n")

    def cancel(self) -> None:
        """The follower is gone."""
        self.alive = False
        if self.ranges is not None:
            self.ranges.end()
        self.snapshots.cancel(self)
        self._unpin()


def can_compare(member: Member, vector: dict[bytes, int]) -> bool:
    """Does a follower with this vector have all that members have forgotten the dots of?

    Else nothing of its own may stay (semantics.md 7): it gets the whole state.
    """
    stability = member.stability
    return covers(vector, stability.cut, stability.ends)
