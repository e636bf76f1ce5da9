"""Feed: one member that follows us. Continues from its vector or sends a snapshot, then the stream,
and beside it those streams of others that the follower wants relayed (mesh/topology.py).

It has the socket that a client's connection handed over at PSYNC. Between our nodes byte offsets
only count ACKs: they say which of our stamps the follower has applied, for WAIT and for the page.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from typing import TYPE_CHECKING

import structlog

from mesh.asking import ASK, CANCEL, Answering
from mesh.backlog import Follower
from mesh.clock_guard import CLOCK
from mesh.handshake import COMPARED
from mesh.link import GETACK
from mesh.outflow import Outflow, can_compare
from mesh.range_server import RangeError
from mesh.status import DIGEST, DOWN, IN_SYNC, SYNCING
from mesh.topology import RELAY, Relaying, Taker, read_relay, routes_command
from node.resp.parser import Parser
from node.resp.replies import Failure

if TYPE_CHECKING:
    from mesh.agent import Agent

LOG = structlog.get_logger()

# ACKs arrive once a second; this many sent pieces are remembered between two, then they are joined.
SENT_MAX = 100_000
# A follower that compares says at least once a heartbeat that it is alive.
SILENCE_S = 15.0
SALT_BYTES = 16  # of a comparison's fingerprints


class Feed(Follower):
    """One follower; `host` and `port` are where it says that it listens."""

    def __init__(
        self, agent: Agent, host: str, port: int, member_id: bytes, stream: bytes,
        compares: bool = False,
    ) -> None:  # fmt: skip
        self.agent = agent
        self.host = host
        self.port = port
        self.member_id = member_id
        self.stream = stream
        self.transport: asyncio.Transport | None = None
        self.state = SYNCING
        self.since_ms = agent.now_ms()
        self.offset = 0
        self.acked_offset = 0
        self.acked_stamp = 0
        self.relayed_bytes = 0
        self.last_ack_s = agent.loop_s()
        self.full = False
        self.compares = compares  # it has data, and can compare digests
        self.outflow: Outflow | None = None  # while a transfer is sent
        self._sent: deque[tuple[int, int]] = deque()
        self._parser = Parser()
        self._behind = False
        self.relaying = Relaying(agent.member.backlog, self, stream)
        self._taker = Taker(member_id, stream, self._tell_routes)
        self._answering = Answering(agent, self._write)
        self._limit = agent.feed_limit_bytes

    @property
    def address(self) -> str:
        """Where the follower listens."""
        return f"{self.host}:{self.port}"

    # --- beginning ------------------------------------------------------------------------------

    def start(
        self, vector: dict[bytes, int], elsewhere: frozenset[bytes], whole: bool = False
    ) -> None:
        """The socket is ours: continue, or begin a snapshot."""
        agent = self.agent
        parts = None
        if not whole:
            parts = agent.member.backlog.resume(vector, self.stream, elsewhere)
        if parts is not None:
            agent.given.partial += 1
            self._write(b"+CONTINUE\r\n")
            self.go_live(parts, vector, elsewhere)
            return
        if not whole and any(uuid != self.stream for uuid in vector):
            agent.given.refused += 1  # it had followed before
        mark = os.urandom(20).hex().encode()
        outflow = Outflow(
            agent.member, agent.snapshots, self, self.stream, agent.call_soon, mark
        )
        self.outflow = outflow
        head = b"%s %d" % (agent.replication_id, agent.member.backlog.offset)
        if self.compares and not whole and can_compare(agent.member, vector):
            agent.given.range += 1
            LOG.info("comparison_began", follower=self.address)
            outflow.by_digest(head, os.urandom(SALT_BYTES))
            return
        agent.given.full += 1
        self.full = True
        LOG.info("transfer_sent", follower=self.address)
        outflow.whole(head)

    def go_live(
        self, parts: list[bytes], vector: dict[bytes, int], elsewhere: frozenset[bytes]
    ) -> None:
        """Frames flow from now on: these first."""
        self._count_transfer()
        for part in parts:
            self._limit += len(part)  # what it lacked is sent at once, however slowly it reads
            self._write(part)
            self.offset += len(part)
        self._sent.append((self.offset, int(self.agent.streams.own.seen)))
        self.agent.member.backlog.followers.append(self)
        self._become(IN_SYNC)
        self.relaying.began(vector, elsewhere)
        self.agent.member.routes.add_taker(self._taker)
        self.agent.roster.settle_routes()

    def _become(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self.since_ms = self.agent.now_ms()

    # --- a transfer -----------------------------------------------------------------------------

    def ready(self) -> bool:
        """May more bytes of a transfer come?"""
        return not self._behind

    def write(self, data: bytes) -> None:
        """Bytes of a transfer."""
        self._write(data)

    def failed(self, reason: str) -> None:
        """The transfer cannot be ended: the follower comes back by its vector."""
        LOG.warning("transfer_failed", follower=self.address, reason=reason)
        self.close(reason)

    def keepalive(self) -> None:
        """Says that this node is alive, while the follower waits for its transfer to begin.

        Who compares says so too: it holds up saves and other followers.
        """
        outflow = self.outflow
        if outflow is None:
            return
        outflow.keepalive()
        agent = self.agent
        silent_s = agent.loop_s() - max(self.last_ack_s, agent.awake_since_s)
        if outflow.phase == DIGEST and silent_s > SILENCE_S:
            self.failed(f"it said nothing for {silent_s:.0f} s while its data were compared")

    def _compared(self, message: bytes) -> None:
        """The follower says what differs, or what it lacks."""
        if self.outflow is None:
            raise RangeError("the follower compares, but no transfer runs")
        self.outflow.take(message)

    def _count_transfer(self) -> None:
        """A transfer has ended, well or not."""
        outflow, self.outflow = self.outflow, None
        if outflow is None:
            return
        outflow.cancel()
        if outflow.ranges is None:
            self.agent.given.full_bytes += outflow.bytes_sent
        else:
            self.agent.given.range_bytes += outflow.bytes_sent

    # --- the stream -----------------------------------------------------------------------------

    def send(self, data: bytes, last: int) -> None:
        self._write(data)
        self.offset += len(data)
        self._sent.append((self.offset, int(last)))
        if len(self._sent) > SENT_MAX:
            self._sent.popleft()
        self._look_whether_it_keeps_up(len(data))

    def relay(self, data: bytes) -> None:
        self._write(data)
        self.offset += len(data)
        self.relayed_bytes += len(data)
        self._look_whether_it_keeps_up(len(data))

    def _look_whether_it_keeps_up(self, size: int) -> None:
        """So many bytes were sent as one. One unit may be larger than the limit: it must get there
        all the same, or it would be sent again and again."""
        self._limit = max(self._limit, self.agent.feed_limit_bytes + size)
        if self._behind and self.unsent_bytes() > self._limit:
            self.close("it does not keep up: client-output-buffer-limit replica")

    def _tell_routes(self, offers: bytes) -> None:
        data = routes_command(offers)
        self._write(data)
        self.offset += len(data)

    def _relay_asked(self, words: list[bytes]) -> None:
        wanted, vector = read_relay(words)
        parts = self.relaying.ask(wanted, vector)
        if parts is None:
            self.close("frames that it wants relayed are gone: it comes back by its vector")
            return
        for part in parts:
            self.relay(part)

    def ask_ack(self) -> None:
        """WAIT wants to know at once."""
        if self.state == IN_SYNC:
            self._write(GETACK)
            self.offset += len(GETACK)

    def _write(self, data: bytes) -> None:
        if self.transport is not None and data:
            self.transport.write(data)

    def unsent_bytes(self) -> int:
        """What still waits in the socket's buffer."""
        return 0 if self.transport is None else self.transport.get_write_buffer_size()

    @property
    def backlog_bytes(self) -> int:
        """What was sent and not yet acknowledged."""
        return self.offset - self.acked_offset

    # --- the socket -----------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """ACKs, and newlines that only say: alive."""
        self.last_ack_s = self.agent.loop_s()
        parser = self._parser
        try:
            parser.feed(data)
            while True:
                words = parser.next()
                if words is None:
                    break
                name = words[1].lower() if len(words) > 2 else b""
                if name == b"ack":
                    self._acked(int(words[2]))
                elif name == CLOCK and self.state == IN_SYNC:
                    self._write(self.agent.clocks.answer(words[2]))
                elif name == ASK and self.state == IN_SYNC:
                    self._answering.take(words)
                elif name == CANCEL:
                    self._answering.cancel(int(words[2]))
                elif name == COMPARED:
                    self._compared(words[2])
                elif name == RELAY and self.state == IN_SYNC:
                    self._relay_asked(words)
        except RangeError as error:
            self.failed(str(error))
        except (Failure, ValueError) as error:
            self.close(f"neither ACK nor MESH-RELAY: {error}")

    def _acked(self, offset: int) -> None:
        if offset < self.acked_offset:
            return
        self.acked_offset = offset
        sent = self._sent
        while sent and sent[0][0] <= offset:
            self.acked_stamp = sent.popleft()[1]
        self.agent.member.spend(self.acked_stamp)
        self.agent.acked()

    def pause_writing(self) -> None:
        """The follower does not read as fast as we write."""
        self._behind = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self._behind = False
        if self.outflow is not None:
            self.outflow.go_on()
        else:
            self.agent.snapshots.go_on()

    def connection_lost(self) -> None:
        """The follower is gone."""
        self._become(DOWN)
        self._count_transfer()
        self._answering.close()
        self.relaying.end()
        self.agent.member.routes.remove_taker(self._taker)
        self.agent.feed_lost(self)

    def close(self, reason: str) -> None:
        """Ends the feed; the follower comes back by its vector."""
        LOG.info("feed_closed", follower=self.address, reason=reason)
        if self.transport is not None:
            self.transport.abort()
