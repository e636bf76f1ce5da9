"""Link: our connection to one peer, whose stream we apply. Connects, resumes, reconnects (asyncio).

Words for its state are those of mesh/status.py. A link that breaks comes back by version vector
after at most a second; what was in flight is asked for again, nothing is lost or applied twice.
"""

from __future__ import annotations

import asyncio
import random
import socket
from typing import TYPE_CHECKING, cast

import structlog

from mesh.backlog import NOWHERE
from mesh.clock_guard import SkewMeter, question
from mesh.handshake import COMPARED, Handshake, HandshakeError
from mesh.inbox import FORKED, GAP, OTHER, Inbox
from mesh.intake import Intake
from mesh.outflow import DIGEST_KEYS
from mesh.range_server import RangeError
from mesh.rreplay import FrameError, StampError
from mesh.staging import ClockError, StagingError
from mesh.status import (
    CATCH_UP,
    CONNECT,
    CONNECTING,
    DOWN,
    HANDSHAKE,
    IN_SYNC,
    LAGGING,
    MERGE,
    MERGING,
    NEVER,
    REFUSED,
    SYNCING,
)
from mesh.topology import Way, relay_command, routes_at, unpack_offers
from node.persist.rdb_codes import RdbError
from node.resp.client import INCOMPLETE, ReplyParser, command
from node.resp.replies import Failure

if TYPE_CHECKING:
    from mesh.agent import Agent

LOG = structlog.get_logger()

# Back-off between attempts: half a mesh heartbeat at most, so that healing is felt at once.
RETRY_FIRST_S = 0.1
RETRY_MOST_S = 1.0
# A refusal that another attempt will not change is tried again this seldom.
REFUSED_RETRY_S = 5.0
GETACK = command(b"REPLCONF", b"GETACK", b"*")
# After so many comparisons that were broken off, one after another, all is asked for: where more
# changes than can be noted a comparison never ends.
FAILURES_MOST = 3
# Bytes taken from one peer before others have their turn: some 700 frames, less than a millisecond.
TURN_BYTES = 131_072


class Link(asyncio.Protocol):
    """One peer that we follow. `run` keeps trying until `close`."""

    def __init__(self, agent: Agent, host: str, port: int, configured: bool) -> None:
        self.agent = agent
        self.host = host
        self.port = port
        self.configured = configured
        self.state = NEVER
        self.since_ms = agent.now_ms()
        self.last_error = ""
        self.peer_member = b""
        self.peer_stream = b""
        self.last_io_s = 0.0
        self.apply_lag_ms = 0.0
        self.meter = SkewMeter()
        self.resync_full = 0
        self.resync_range = 0
        self.resync_partial = 0
        self.resync_full_bytes = 0
        self.resync_range_bytes = 0
        self.reconnects = 0
        self.bytes_received = 0
        self.offset = 0
        self.closed = False
        self.inbox: Inbox = agent.member.inbox()
        self.transport: asyncio.Transport | None = None
        self._handshake: Handshake | None = None
        self._replies = ReplyParser()
        self._intake: Intake | None = None  # while a transfer comes in
        self._working = False  # on the comparison of digests
        self._is_range = False  # the last transfer was of what differs
        self._transfers_seen = 0  # of this node, when PSYNC was sent
        self._failures = 0  # of comparisons, one after another
        self._turn_bytes = 0
        self._pieces: list[bytes] = []
        self._held = 0
        self._wants = 0
        self._rest = b""
        self._switching = False
        self._lost = asyncio.Event()
        self._paused = False
        self._way: Way | None = None
        self._asks_all = False
        self._may_run = asyncio.Event()
        self._may_run.set()
        self._task: asyncio.Task[None] | None = None
        self._jitter = random.Random(f"{host}:{port}")

    @property
    def address(self) -> str:
        """host:port as it was configured."""
        return f"{self.host}:{self.port}"

    def start(self) -> None:
        """Begins to connect."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def close(self) -> None:
        """Ends the link for good."""
        self.closed = True
        self._drop("closed")
        if self._task is not None:
            self._task.cancel()

    def restart(self, reason: str) -> None:
        """Drops the connection; it comes back by version vector, and asks for every stream."""
        self._asks_all = True
        self._drop(reason)

    def _become(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self.since_ms = self.agent.now_ms()

    async def _run(self) -> None:
        wait_s = RETRY_FIRST_S
        while not self.closed:
            await self._may_run.wait()
            self._become(CONNECTING)
            self._lost.clear()
            started = asyncio.get_running_loop().time()
            try:
                await asyncio.wait_for(self._connect(), self.agent.timeout_s)
                await self._lost.wait()
            except (OSError, TimeoutError) as error:
                self._failed(f"cannot connect: {str(error) or type(error).__name__}", DOWN)
            if asyncio.get_running_loop().time() - started > 2 * RETRY_MOST_S:
                wait_s = RETRY_FIRST_S
            refused = self.state == REFUSED
            await asyncio.sleep(
                REFUSED_RETRY_S if refused else wait_s * self._jitter.uniform(0.5, 1.0)
            )
            wait_s = min(wait_s * 2, RETRY_MOST_S)
            self.reconnects += 1

    async def _connect(self) -> None:
        """Asks for the name anew each time, off the loop's thread, and tries all its addresses.

        OSError of the last address where none answers.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        refused: OSError = OSError("the name has no address")
        source = self.agent.config.text("bind-source-addr")
        for family, _, _, _, address in found:
            try:
                await asyncio.wait_for(
                    loop.create_connection(
                        lambda: self, str(address[0]), self.port, family=family,
                        local_addr=(source, 0) if source else None,
                    ),
                    self.agent.timeout_s / len(found),
                )
                return
            except OSError as error:  # no answer in time included
                refused = error
        raise refused

    # --- the socket -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._become(HANDSHAKE)
        self._pieces = []
        self._held = 0
        self._wants = 0
        self._replies = ReplyParser()
        self._paused = False
        self.inbox = self.agent.member.inbox()
        self._handshake = Handshake(self.agent.identity, self.agent.streams.told)
        self._handshake.compares = (
            self._failures < FAILURES_MOST and self.agent.member.has_keys()
        )
        self._handshake.card = lambda member: self.agent.member.card(member).pack()
        self._handshake.meet = self.agent.member.meet
        self._handshake.is_void = lambda: bool(self.agent.member.void)
        self.agent.clocks.watch(self._handshake, self.meter)
        self.last_io_s = self.agent.loop_s()
        self._send(self._handshake.begin())

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        if self._way is not None:
            # The peer may have closed since frames that we asked it to relay are gone there.
            self._asks_all = self._asks_all or bool(self._way.asked)
            self.agent.member.routes.remove_way(self._way)
            self._way = None
            self.agent.roster.settle_routes()
        if self._intake is not None:
            if self._intake.ranges is not None:
                self._failures += 1
            self._intake = None
            self.agent.member.abandon()
            self.agent.staging_ended()
        if self.state not in (REFUSED, DOWN):
            self._failed(f"connection lost: {error or 'closed by the peer'}", DOWN)
        self._lost.set()

    def data_received(self, data: bytes) -> None:
        self.last_io_s = self.agent.loop_s()
        self.bytes_received += len(data)
        self._take_turns(len(data))
        try:
            if self._handshake is not None:
                self._shake(data)
            elif self._intake is not None:
                self._take_transfer(self._intake, data)
            else:
                self._take_frames(data)
        except HandshakeError as error:
            self._failed(str(error), REFUSED if error.final else DOWN)
            self._drop("handshake")
        except (StampError, ClockError) as error:
            self.refuse(str(error))
        except (FrameError, StagingError, RangeError, RdbError, Failure, ValueError) as error:
            self._failed(f"{type(error).__name__}: {error}", DOWN)
            self._drop("bad data")

    def _take_turns(self, size: int) -> None:
        """Whoever catches up sends without end: clients are served between two pieces."""
        self._turn_bytes += size
        if self._turn_bytes > TURN_BYTES and not self._paused:
            self.pause(True)
            asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._turn_bytes = 0
        if not self._switching and self.agent.may_read(self):
            self.pause(False)

    def _send(self, data: bytes) -> None:
        if self.transport is not None and data:
            self.transport.write(data)

    def _drop(self, reason: str) -> None:
        if self.transport is not None:
            self.transport.abort()

    def _failed(self, text: str, state: str) -> None:
        if text != self.last_error or self.state != state:
            LOG.warning("link_lost", peer=self.address, reason=text)
        self.last_error = text
        self._become(state)

    # --- handshake ------------------------------------------------------------------------------

    def _shake(self, data: bytes) -> None:
        handshake = self._handshake
        assert handshake is not None
        self._replies.feed(data.lstrip(b"\n") if not self._replies.pending() else data)
        while not handshake.done:
            reply = self._replies.next()
            if reply is INCOMPLETE:
                return
            self._send(handshake.reply(reply))
            if not handshake.waiting and handshake.peer_member and not handshake.done:
                self.peer_member = handshake.peer_member
                self.peer_stream = handshake.peer_stream
                self.inbox.peer_member = handshake.peer_member
                self.agent.streams.of(handshake.peer_stream).member = handshake.peer_member
                member = self.agent.member
                refusal = member.membership.refusal(self.peer_member)
                if refusal:
                    raise HandshakeError(refusal, True)
                if not member.void:  # else who lets us in says who is a member
                    is_here = self.agent.roster.is_here
                    member.admit(self.peer_member, self.host, self.port, is_here)
                if not self.agent.may_resume(self):
                    return
                self._ask(handshake)
        self._begin(handshake)

    def resume(self) -> None:
        """The staging that was waited for has ended: ask now."""
        handshake = self._handshake
        if handshake is not None and handshake.peer_member and not handshake.waiting:
            self._ask(handshake)

    def _ask(self, handshake: Handshake) -> None:
        self._transfers_seen = self.agent.member.transfers
        self._send(handshake.psync(self._elsewhere()))

    def _elsewhere(self) -> frozenset[bytes]:
        """The streams that come over other links: this one need not send what is on its way."""
        asks_all, self._asks_all = self._asks_all, False
        if asks_all:
            return NOWHERE
        return frozenset(self.agent.member.routes.paths()) - {self.peer_stream}

    def _begin(self, handshake: Handshake) -> None:
        self._handshake = None
        rest = self._replies.rest()
        self.offset = 0
        if handshake.full:
            if not self.agent.may_resume(self):
                self._drop("another transfer runs")
                return
            if self._transfers_seen != self.agent.member.transfers:
                self._drop("what was asked for has come from another peer")
                return
            staging = self.agent.member.stage(handshake.salt, handshake.leaves)
            self._intake = Intake(staging, self._compared)
            self.agent.staging_began(self)
            self._become(SYNCING)
            LOG.info("transfer_began", peer=self.address, by_digest=handshake.leaves > 0)
            self._take_transfer(self._intake, rest)
            return
        self.resync_partial += 1
        self._became_live()
        self._take_frames(rest)

    def _became_live(self) -> None:
        self.last_error = ""
        self._become(self._live_word())
        self.ack()
        LOG.info("link_up", peer=self.address, member=self.peer_member.decode())
        self._way = Way(self.peer_member, self.peer_stream, self._ask_relays)
        self.agent.member.routes.add_way(self._way)
        self.agent.link_is_up(self)
        self.agent.roster.settle_routes()

    def _ask_relays(self, streams: frozenset[bytes]) -> None:
        """Streams of others that are to come over this link too."""
        self._send(relay_command(streams, self.agent.streams.told()))

    # --- a transfer -----------------------------------------------------------------------------

    def _compared(self, message: bytes) -> None:
        self._send(command(b"REPLCONF", COMPARED, message))

    def _take_transfer(self, intake: Intake, data: bytes) -> None:
        intake.take(data)
        if not intake.staged:
            if intake.ranges is not None and not self._working:
                self._working = True
                self.agent.call_soon(self._work)
            return
        self._rest = intake.rest
        self._become(MERGING)
        self._intake = None
        self._count_transfer(intake)
        self._switching = True
        self.pause(True)
        LOG.info("transfer_staged", peer=self.address, bytes=intake.bytes_taken,
                 keys=intake.staging.records)  # fmt: skip
        self.agent.switch(self)

    def _work(self) -> None:
        """A slice of the comparison of digests, a millisecond; clients are served between two."""
        self._working = False
        intake = self._intake
        if intake is None or self.transport is None:
            return
        try:
            more = intake.step(DIGEST_KEYS)
        except StagingError as error:
            self._failed(f"StagingError: {error}", DOWN)
            self._drop("bad data")
            return
        if more:
            self._working = True
            self.agent.call_soon(self._work)

    def _count_transfer(self, intake: Intake) -> None:
        self._is_range = intake.ranges is not None
        if self._is_range:
            self._failures = 0
            self.resync_range_bytes += intake.bytes_taken
        else:
            self.resync_full_bytes += intake.bytes_taken

    @property
    def transfer_bytes(self) -> int:
        """What came of the transfer that runs."""
        return 0 if self._intake is None else self._intake.bytes_taken

    @property
    def phase(self) -> str:
        """What of a resync is going on: a word of SYNC_PHASES, or "" for none."""
        if self.state in (CONNECTING, HANDSHAKE):
            return CONNECT
        if self._intake is not None:
            return self._intake.phase
        if self.state == MERGING:
            return MERGE
        return CATCH_UP if self.state == LAGGING else ""

    @property
    def progress(self) -> float | None:
        """The share done of the phase, 0 to 1; None where it is not known."""
        if self._intake is not None:
            return self._intake.progress
        merging = self.agent.member.merging
        return merging.progress if merging is not None and self.state == MERGING else None

    def unstaged(self, error: StagingError) -> None:
        """The last of the snapshot could not be staged: the link is tried again."""
        self._switching = False
        self._failed(f"StagingError: {error}", DOWN)
        self._drop("staging failed")

    def switched(self) -> None:
        """The snapshot counts now; its keys are merged while frames flow again."""
        self._switching = False
        if self._is_range:
            self.resync_range += 1
        else:
            self.resync_full += 1
        if self.transport is not None:
            self.pause(False)
            rest, self._rest = self._rest, b""
            self._became_live()
            self._take_frames(rest)

    # --- frames ---------------------------------------------------------------------------------

    def _take_frames(self, data: bytes) -> None:
        buffer = data
        if self._held:
            # A large frame comes in many pieces: joined once, when enough of it is here.
            self._pieces.append(data)
            self._held += len(data)
            if self._held < self._wants:
                return
            buffer = b"".join(self._pieces)
        start = 0
        self.agent.wake()
        before = self.inbox.applied
        while True:
            result = self.inbox.take(buffer, start)
            end = int(self.inbox.pos)
            self.offset += end - start
            start = end
            if result == OTHER:
                if buffer.startswith(GETACK, start):
                    start += len(GETACK)
                    self.offset += len(GETACK)
                    self.ack()
                    continue
                if GETACK.startswith(buffer[start:]):
                    break
                told = self.agent.clocks.answered(self, buffer, start)
                if told is not None:
                    if self.state == REFUSED:
                        return
                    if told == 0:
                        break
                    start = told
                    continue
                routes = routes_at(buffer, start)
                if routes is None:
                    break
                self._take_offers(routes[0])
                self.offset += routes[1] - start
                start = routes[1]
                continue
            if result == GAP:
                self.last_error = "frames are missing: asking again from our vector"
                LOG.warning("gap", peer=self.address)
                self._drop("gap")
                return
            if result == FORKED:
                self._failed("its stream was written by two processes: a copied node", REFUSED)
                self._drop("forked")
                return
            break
        self._held = len(buffer) - start
        self._pieces = [buffer[start:]] if self._held else []
        self._wants = int(self.inbox.wants)
        if self.inbox.applied != before:
            behind = self.agent.now_ms() - (int(self.inbox.stamp) >> 20)
            self.apply_lag_ms = max(0.0, float(behind))
            self._become(self._live_word())
        self.agent.after_frames()

    def _take_offers(self, packed: bytes) -> None:
        if self._way is not None:
            self._way.offers = unpack_offers(packed)
            self.agent.roster.settle_routes()

    def _live_word(self) -> str:
        if self.agent.member.merging is not None and self.resync_full + self.resync_range:
            return MERGING
        return LAGGING if self.apply_lag_ms > self.agent.warn_lag_ms else IN_SYNC

    def merged(self) -> None:
        """The walk that merges a snapshot has ended."""
        if self.live and self.state == MERGING and not self._switching:
            self._become(self._live_word())

    def ack(self) -> None:
        """Tells the peer how far we are."""
        if self.live:
            self._send(command(b"REPLCONF", b"ACK", b"%d" % self.offset))
        elif self._handshake is None:
            self._send(b"\n")

    def ask_time(self) -> None:
        """Asks the peer what its clock says."""
        if self.live:
            self._send(question(self.agent.now_us()))

    def hold(self, on: bool) -> None:
        """MESH PAUSE: no connection until MESH RESUME."""
        if on:
            self._may_run.clear()
            self._failed("paused by MESH PAUSE", DOWN)
            self._drop("paused")
        else:
            self._may_run.set()

    def refuse(self, reason: str) -> None:
        """The peer must not be followed now; it is tried again seldom."""
        self._failed(reason, REFUSED)
        self._drop("refused")

    @property
    def live(self) -> bool:
        """Do frames flow?"""
        return (
            self.transport is not None
            and self._handshake is None
            and self._intake is None
            and not self._switching
        )

    def pause(self, paused: bool) -> None:
        """While a snapshot is staged other links are not read: what they send comes again."""
        transport = self.transport
        if transport is None or paused == self._paused:
            return
        self._paused = paused
        if paused:
            transport.pause_reading()
        else:
            self.last_io_s = self.agent.loop_s()  # what it said meanwhile was not read
            transport.resume_reading()

    def check_silence(self) -> None:
        """A peer that says nothing, not even a heartbeat, is taken for lost."""
        if self.transport is not None and not self._paused:
            silent_s = self.agent.loop_s() - max(self.last_io_s, self.agent.awake_since_s)
            if silent_s > self.agent.silence_s:
                self._failed(f"silent for {silent_s:.1f} s", DOWN)
                self._drop("silent")
