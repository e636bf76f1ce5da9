"""Resync: the transfers that come over one link: the one that runs, and what has come so far.

From the peer's answer that frames alone will not do, over what is staged, to the switch after which
frames flow again. The link hands over what it reads meanwhile and hears when it is live again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from mesh.handshake import COMPARED, Handshake
from mesh.intake import Intake
from mesh.outflow import DIGEST_KEYS
from mesh.staging import StagingError
from mesh.status import (
    CATCH_UP,
    CONNECT,
    CONNECTING,
    DOWN,
    HANDSHAKE,
    LAGGING,
    MERGE,
    MERGING,
    SYNCING,
)
from node.resp.client import command

if TYPE_CHECKING:
    from mesh.link import Link

LOG = structlog.get_logger()

# After so many comparisons that were broken off, one after another, all is asked for: where more
# changes than can be noted a comparison never ends.
FAILURES_MOST = 3


class Resync:
    """The transfers of one link, with counts of its own; those of all links are the agent's."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.full = 0
        self.range = 0
        self.partial = 0
        self.full_bytes = 0
        self.range_bytes = 0
        self.intake: Intake | None = None  # while a transfer comes in
        self.switching = False  # all of it is here and is made to count
        self._rest = b""  # frames that came behind it
        self._working = False  # on the comparison of digests
        self._is_range = False  # the last transfer was of what differs
        self._seen = 0  # transfers of this node, when the peer was asked
        self._failures = 0  # of comparisons, one after another
        self._lag_most_ms = 0.0  # since the link began to lag behind; 0.0 while it does not

    @property
    def runs(self) -> bool:
        """Is a transfer on its way, or about to count? Then no frames flow."""
        return self.intake is not None or self.switching

    @property
    def bytes_taken(self) -> int:
        """What came of the transfer that runs."""
        return 0 if self.intake is None else self.intake.bytes_taken

    @property
    def phase(self) -> str:
        """What of a resync is going on: a word of SYNC_PHASES, or "" for none."""
        state = self.link.state
        if state in (CONNECTING, HANDSHAKE):
            return CONNECT
        if self.intake is not None:
            return self.intake.phase
        if state == MERGING:
            return MERGE
        return CATCH_UP if state == LAGGING else ""

    @property
    def progress(self) -> float | None:
        """The share done of the phase, 0 to 1; None where it is not known."""
        if self.intake is not None:
            return self.intake.progress
        state = self.link.state
        if state == LAGGING and self._lag_most_ms > 0.0:
            return 1.0 - self.link.apply_lag_ms / self._lag_most_ms
        merging = self.link.agent.member.merging
        return merging.progress if merging is not None and state == MERGING else None

    def lags(self) -> None:
        """Frames were applied: the link's apply lag, and what it is called, are those of now."""
        lag_ms = self.link.apply_lag_ms
        most_ms = max(self._lag_most_ms, lag_ms)
        self._lag_most_ms = most_ms if self.link.state == LAGGING else 0.0

    def may_compare(self) -> bool:
        """Is a comparison by digests worth a try?"""
        return self._failures < FAILURES_MOST and self.link.agent.member.has_keys()

    def asked(self) -> None:
        """The peer is asked to resume: it may answer with a transfer."""
        self._seen = self.link.agent.member.transfers

    def begin(self, handshake: Handshake, rest: bytes) -> None:
        """The peer sends a transfer; `rest` is what came of it with the answer."""
        link = self.link
        agent = link.agent
        if not agent.may_resume(link):
            link.drop("another transfer runs")
            return
        if self._seen != agent.member.transfers:
            link.drop("what was asked for has come from another peer")
            return
        self.intake = Intake(agent.member.stage(handshake.salt, handshake.leaves), self._compared)
        agent.staging_began(link)
        link.become(SYNCING)
        LOG.info("transfer_began", peer=link.address, by_digest=handshake.leaves > 0)
        self.take(rest)

    def _compared(self, message: bytes) -> None:
        self.link.send(command(b"REPLCONF", COMPARED, message))

    def take(self, data: bytes) -> None:
        """Bytes of the transfer. StagingError, RangeError or RdbError where they are no such."""
        intake = self.intake
        assert intake is not None
        link = self.link
        intake.take(data)
        if not intake.staged:
            if intake.ranges is not None and not self._working:
                self._working = True
                link.agent.call_soon(self._work)
            return
        self._rest = intake.rest
        link.become(MERGING)
        self.intake = None
        self._count(intake)
        self.switching = True
        link.pause(True)
        LOG.info("transfer_staged", peer=link.address, bytes=intake.bytes_taken,
                 keys=intake.staging.records)  # fmt: skip
        link.agent.switch(link)

    def _work(self) -> None:
        """A slice of the comparison of digests, a millisecond; clients are served between two."""
        self._working = False
        intake = self.intake
        if intake is None or self.link.transport is None:
            return
        try:
            more = intake.step(DIGEST_KEYS)
        except StagingError as error:
            self.link.failed(f"StagingError: {error}", DOWN)
            self.link.drop("bad data")
            return
        if more:
            self._working = True
            self.link.agent.call_soon(self._work)

    def _count(self, intake: Intake) -> None:
        self._is_range = intake.ranges is not None
        taken = self.link.agent.taken
        if self._is_range:
            self._failures = 0
            self.range_bytes += intake.bytes_taken
            taken.range_bytes += intake.bytes_taken
        else:
            self.full_bytes += intake.bytes_taken
            taken.full_bytes += intake.bytes_taken

    def broke(self) -> None:
        """The connection is lost: nothing of a transfer that was still coming stays."""
        if self.intake is None:
            return
        if self.intake.ranges is not None:
            self._failures += 1
        self.intake = None
        self.link.agent.member.abandon()
        self.link.agent.staging_ended()

    def switched(self) -> bytes:
        """The transfer counts now. Returns the frames that came behind it."""
        self.switching = False
        if self._is_range:
            self.range += 1
            self.link.agent.taken.range += 1
        else:
            self.full += 1
            self.link.agent.taken.full += 1
        rest, self._rest = self._rest, b""
        return rest
