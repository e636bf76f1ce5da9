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
from mesh.handshake import Handshake, HandshakeError
from mesh.inbox import FORKED, GAP, OTHER, Inbox
from mesh.range_server import RangeError
from mesh.resync import Resync
from mesh.rreplay import FrameError, StampError
from mesh.staging import ClockError, StagingError
from mesh.status import CONNECTING, DOWN, HANDSHAKE, IN_SYNC, LAGGING, MERGING, NEVER, REFUSED
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
        self.resync = Resync(self)
        self.reconnects = 0
        self.bytes_received = 0
        self.offset = 0
        self.closed = False
        self.inbox: Inbox = agent.member.inbox()
        self.transport: asyncio.Transport | None = None
        self._handshake: Handshake | None = None
        self._replies = ReplyParser()
        self._turn_bytes = 0
        self._pieces: list[bytes] = []
        self._held = 0
        self._wants = 0
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
        self.drop("closed")
        if self._task is not None:
            self._task.cancel()

    def restart(self, reason: str) -> None:
        """Drops the connection; it comes back by version vector, and asks for every stream."""
        self._asks_all = True
        self.drop(reason)

    def become(self, state: str) -> None:
        """The state is another one from now on."""
        if state != self.state:
            self.state = state
            self.since_ms = self.agent.now_ms()

    async def _run(self) -> None:
        wait_s = RETRY_FIRST_S
        while not self.closed:
            await self._may_run.wait()
            self.become(CONNECTING)
            self._lost.clear()
            started = asyncio.get_running_loop().time()
            try:
                await asyncio.wait_for(self._connect(), self.agent.timeout_s)
                await self._lost.wait()
            except (OSError, TimeoutError) as error:
                self.failed(f"cannot connect: {str(error) or type(error).__name__}", DOWN)
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
        self.become(HANDSHAKE)
        self._pieces = []
        self._held = 0
        self._wants = 0
        self._replies = ReplyParser()
        self._paused = False
        self.inbox = self.agent.member.inbox()
        self._handshake = Handshake(self.agent.identity, self.agent.streams.told)
        self._handshake.compares = self.resync.may_compare()
        self._handshake.card = lambda member: self.agent.member.card(member).pack()
        self._handshake.meet = self.agent.member.meet
        self._handshake.is_void = lambda: bool(self.agent.member.void)
        self.agent.clocks.watch(self._handshake, self.meter)
        self.last_io_s = self.agent.loop_s()
        self.send(self._handshake.begin())

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self.agent.asking.lost(self)
        if self._way is not None:
            # The peer may have closed since frames that we asked it to relay are gone there.
            self._asks_all = self._asks_all or bool(self._way.asked)
            self.agent.member.routes.remove_way(self._way)
            self._way = None
            self.agent.roster.settle_routes()
        self.resync.broke()
        if self.state not in (REFUSED, DOWN):
            self.failed(f"connection lost: {error or 'closed by the peer'}", DOWN)
        self._lost.set()

    def data_received(self, data: bytes) -> None:
        self.last_io_s = self.agent.loop_s()
        self.bytes_received += len(data)
        self._take_turns(len(data))
        try:
            if self._handshake is not None:
                self._shake(data)
            elif self.resync.intake is not None:
                self.resync.take(data)
            else:
                self._take_frames(data)
        except HandshakeError as error:
            self.failed(str(error), REFUSED if error.final else DOWN)
            if error.state:
                self.agent.roster.told(self.address, error.state, str(error))
            self.drop("handshake")
        except (StampError, ClockError) as error:
            self.refuse(str(error))
        except (FrameError, StagingError, RangeError, RdbError, Failure, ValueError) as error:
            self.failed(f"{type(error).__name__}: {error}", DOWN)
            self.drop("bad data")

    def _take_turns(self, size: int) -> None:
        """Whoever catches up sends without end: clients are served between two pieces."""
        self._turn_bytes += size
        if self._turn_bytes > TURN_BYTES and not self._paused:
            self.pause(True)
            asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._turn_bytes = 0
        if not self.resync.switching and self.agent.may_read(self):
            self.pause(False)

    def send(self, data: bytes) -> None:
        """Sends bytes to the peer, where a connection is."""
        if self.transport is not None and data:
            self.transport.write(data)

    def drop(self, reason: str) -> None:
        """Ends the connection; another one is tried soon."""
        if self.transport is not None:
            self.transport.abort()

    def failed(self, text: str, state: str) -> None:
        """Notes why the link is not live. The log is told each reason once, and not again at each
        attempt: `last_error` is empty again when the link is live."""
        if text != self.last_error:
            LOG.warning("link_lost", peer=self.address, reason=text)
        self.last_error = text
        self.become(state)

    # --- handshake ------------------------------------------------------------------------------

    def _shake(self, data: bytes) -> None:
        handshake = self._handshake
        assert handshake is not None
        self._replies.feed(data.lstrip(b"\n") if not self._replies.pending() else data)
        while not handshake.done:
            reply = self._replies.next()
            if reply is INCOMPLETE:
                return
            self.send(handshake.reply(reply))
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
        self.resync.asked()
        self.send(handshake.psync(self._elsewhere()))

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
            self.resync.begin(handshake, rest)
            return
        self.resync.partial += 1
        self.agent.taken.partial += 1
        self._became_live()
        self._take_frames(rest)

    def _became_live(self) -> None:
        self.last_error = ""
        self.become(self._live_word())
        self.ack()
        LOG.info("link_up", peer=self.address, member=self.peer_member.decode())
        self._way = Way(self.peer_member, self.peer_stream, self._ask_relays)
        self.agent.member.routes.add_way(self._way)
        self.agent.link_is_up(self)
        self.agent.roster.settle_routes()

    def _ask_relays(self, streams: frozenset[bytes]) -> None:
        """Streams of others that are to come over this link too."""
        self.send(relay_command(streams, self.agent.streams.told()))

    # --- a transfer -----------------------------------------------------------------------------

    def unstaged(self, error: StagingError) -> None:
        """The last of the snapshot could not be staged: the link is tried again."""
        self.resync.switching = False
        self.failed(f"StagingError: {error}", DOWN)
        self.drop("staging failed")

    def switched(self) -> None:
        """The snapshot counts now; its keys are merged while frames flow again."""
        rest = self.resync.switched()
        if self.transport is not None:
            self.pause(False)
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
                if told is None:
                    told = self.agent.asking.answered(buffer, start)
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
                self.drop("gap")
                return
            if result == FORKED:
                self.failed("its stream was written by two processes: a copied node", REFUSED)
                self.drop("forked")
                return
            break
        self._held = len(buffer) - start
        self._pieces = [buffer[start:]] if self._held else []
        self._wants = int(self.inbox.wants)
        if self.inbox.applied != before:
            behind = self.agent.now_ms() - (int(self.inbox.stamp) >> 20)
            self.apply_lag_ms = max(0.0, float(behind))
            self.become(self._live_word())
            self.resync.lags()
        self.agent.after_frames()

    def _take_offers(self, packed: bytes) -> None:
        if self._way is not None:
            self._way.offers = unpack_offers(packed)
            self.agent.roster.settle_routes()

    def _live_word(self) -> str:
        if self.agent.member.merging is not None and self.resync.full + self.resync.range:
            return MERGING
        return LAGGING if self.apply_lag_ms > self.agent.warn_lag_ms else IN_SYNC

    def merged(self) -> None:
        """The walk that merges a snapshot has ended."""
        if self.live and self.state == MERGING and not self.resync.switching:
            self.become(self._live_word())

    def ack(self) -> None:
        """Tells the peer how far we are."""
        if self.live:
            self.send(command(b"REPLCONF", b"ACK", b"%d" % self.offset))
        elif self._handshake is None:
            self.send(b"\n")

    def ask_time(self) -> None:
        """Asks the peer what its clock says."""
        if self.live:
            self.send(question(self.agent.now_us()))

    def hold(self, on: bool) -> None:
        """MESH PAUSE: no connection until MESH RESUME."""
        if on:
            self._may_run.clear()
            self.failed("paused by MESH PAUSE", DOWN)
            self.drop("paused")
        else:
            self._may_run.set()

    def refuse(self, reason: str) -> None:
        """The peer must not be followed now; it is tried again seldom."""
        self.failed(reason, REFUSED)
        self.drop("refused")

    @property
    def live(self) -> bool:
        """Do frames flow?"""
        return (
            self.transport is not None
            and self._handshake is None
            and not self.resync.runs
        )

    def stand_back(self) -> None:
        """Another link brings a transfer: this one is not read until it is staged and counts.

        A peer that was asked already hears at once that nobody reads its answer: who compares for a
        follower that says nothing holds up its own switch, and three nodes in a ring one another.
        """
        if self._handshake is not None and self._handshake.asked:
            self.failed("another peer's transfer began before this one had answered", DOWN)
            self.drop("another transfer runs")
        else:
            self.pause(True)

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
                self.failed(f"silent for {silent_s:.1f} s", DOWN)
                self.drop("silent")
