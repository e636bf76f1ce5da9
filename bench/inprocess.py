"""A node without sockets that is fed the bytes of redis-benchmark: what callgrind counts.

    python -m bench.inprocess SET active

Runs the command on 160 keys in pipelines of 16, first to warm up, then BATCHES times for the
record. In between it calls `getsid`, which the project calls nowhere else: callgrind forgets at
that call what it has counted (bench/instructions.py). Mode `applied` is the other side: the frames
of such a node, as they come in on a second node's link; behind the record it calls `getpgid`.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import sys
import tempfile
from typing import Final, cast

import conf
from mesh.agent import Agent
from mesh.backlog import Follower
from mesh.clock import HybridClock
from mesh.dots import Streams, uuid_text
from mesh.handshake import CAPABILITY
from mesh.link import Link
from mesh.member import Member
from mesh.merge.resolver import StampResolver
from node.commands.table import load
from node.engine import Engine
from node.net.connection import Connection, Hub
from node.resp.client import command

KEYS: Final = 160
PIPELINE: Final = 16
WARM_BATCHES: Final = 200  # 20 times around the keys: every one exists when counting begins
BATCHES: Final = 100
MEASURED: Final = BATCHES * PIPELINE
# Frames that one read of a link holds: what a node writes at P=1 between two sends.
CHUNK: Final = 64
MARK: Final = "getsid"
END_MARK: Final = "getpgid"
APPLIED: Final = "applied"
MODES: Final = ("alone", "active", APPLIED)
SOURCE: Final = bytes(range(16))


def words(name: str, number: int) -> tuple[bytes, ...]:
    """One command as redis-benchmark sends it, for the key or member of this number."""
    digits = b"%012d" % number
    every: dict[str, tuple[bytes, ...]] = {
        "PING": (b"PING",),
        "GET": (b"GET", b"key:" + digits),
        "SET": (b"SET", b"key:" + digits, b"xxx"),
        "INCR": (b"INCR", b"counter:" + digits),
        "SADD": (b"SADD", b"myset", b"element:" + digits),
        "HSET": (b"HSET", b"myhash", b"element:" + digits, b"xxx"),
    }
    return every[name]


class Sink:
    """A transport that swallows what is written."""

    def write(self, data: bytes) -> None:
        """Takes it and does nothing: it is interpreted, and its instructions are counted."""

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        """There is no buffer."""

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        """Nothing to close."""

    def abort(self) -> None:
        """Nothing to close."""


class InProcess:
    """One engine with one connection. `active`: with dots, and with frames for a backlog;
    `forgets`: as the only member of its mesh, with what it had applied at a heartbeat on disk at
    the next."""

    def __init__(self, active: bool, forgets: bool = False) -> None:
        config = conf.load([]).config
        streams = Streams(SOURCE)
        resolver = StampResolver(streams)
        self.engine = Engine(config, HybridClock(), resolver, seed=1)
        self.engine.wake(1_700_000_000.0)
        self.member = Member(config, self.engine, resolver, b"bench")
        stability = self.member.stability
        stability.active = forgets
        stability.members = lambda: frozenset([b"bench"])
        self.member.alone_bytes = 0  # it forgets at once, as a node with peers does
        self.held = 0  # up to here its own stream is on disk
        stability.held = lambda: {streams.own.uuid: self.held}
        load(())
        if active:
            self.member.activate()
            while not self.member.activation_step(1000):
                pass
        hub = Hub(self.engine, soon, lambda connection: b"", notice, failed)
        self.connection = Connection(hub)
        self.connection.connection_made(Sink())

    def feed(self, batches: list[bytes]) -> None:
        """Each batch is one read; a loop's turn ends behind it, so its frames become a chunk."""
        received = self.connection.data_received
        flush = self.member.backlog.flush
        for batch in batches:
            received(batch)
            flush()


class Captured(Follower):
    """A follower that keeps what it is sent."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []

    def send(self, data: bytes, last: int) -> None:
        self.chunks.append(data)


class Receiving(Sink):
    """A link's transport: as a Sink, and it can be told not to read."""

    def __init__(self) -> None:
        self.paused = False

    def pause_reading(self) -> None:
        """As a socket's."""
        self.paused = True

    def resume_reading(self) -> None:
        """As a socket's."""
        self.paused = False


class Peer:
    """An active node with one link, over which it is sent the frames of an `InProcess`."""

    def __init__(self, folder: str) -> None:
        config = conf.load([]).config
        streams = Streams(bytes(range(16, 32)))
        resolver = StampResolver(streams)
        self.engine = Engine(config, HybridClock(), resolver, seed=1)
        self.agent = Agent(config, self.engine, resolver, streams, folder)
        self.agent.member.activate()
        self.transport = Receiving()
        self.link = Link(self.agent, "source", 1, False)
        self.link.connection_made(cast(asyncio.Transport, self.transport))
        stream = b"+%b\r\n" % uuid_text(SOURCE)
        for reply in (b"+PONG\r\n", b"+OK\r\n", b"+OK %b\r\n" % CAPABILITY, stream, b"+source\r\n",
                      b"+no clock\r\n", b"+CONTINUE\r\n"):  # fmt: skip
            self.link.data_received(reply)

    async def feed(self, chunks: list[bytes]) -> None:
        """Each is one read of the link; a turn of the loop where it wants one."""
        received = self.link.data_received
        transport = self.transport
        for chunk in chunks:
            received(chunk)
            while transport.paused:
                await asyncio.sleep(0)


def soon(callback: object) -> None:
    """Nothing here is put off: a batch is far below a connection's slice."""
    raise AssertionError(f"{callback} was put off")


def notice(what: str, connection: Connection, detail: str) -> None:
    """A connection that is closed measures nothing."""
    raise AssertionError(f"{what}: {detail}")


def failed(connection: Connection, error: Exception) -> None:
    """A failed handler measures nothing."""
    raise error


def batches_of(name: str, count: int, seed: int = 1) -> list[bytes]:
    """So many reads of PIPELINE commands on KEYS random keys, the same for the same seed."""
    rng = random.Random(seed)
    return [
        b"".join(command(*words(name, rng.randrange(KEYS))) for _ in range(PIPELINE))
        for _ in range(count)
    ]


def batches_to_feed(name: str) -> tuple[list[bytes], list[bytes]]:
    """What is fed before the record begins, and what is counted."""
    first = [command(*words("SET", number)) for number in range(KEYS)]
    return [*first, *batches_of(name, WARM_BATCHES)], batches_of(name, BATCHES, seed=2)


def begin_record() -> None:
    """No collection disturbs what follows, and callgrind counts from here."""
    gc.collect()
    gc.freeze()
    gc.disable()
    os.getsid(0)


def chunks_of(node: InProcess, batches: list[bytes]) -> list[bytes]:
    """The frames that the node writes for these batches, CHUNK of them in one piece."""
    captured = Captured()
    node.member.backlog.followers = [captured]
    node.feed(batches)
    joined: list[bytes] = []
    pieces = captured.chunks
    step = CHUNK // PIPELINE
    for at in range(0, len(pieces), step):
        joined.append(b"".join(pieces[at : at + step]))
    return joined


async def apply(name: str) -> None:
    """The other side of an active node: what it costs to apply its frames."""
    warm, measured = batches_to_feed(name)
    node = InProcess(True)
    node.member.backlog.flush()
    start = [chunk.data for chunk in node.member.backlog.chunks]
    chunks = [*start, *chunks_of(node, warm)]
    record = chunks_of(node, measured)
    with tempfile.TemporaryDirectory(prefix="plexis-bench-") as folder:
        peer = Peer(folder)
        await peer.feed(chunks)
        before = peer.link.inbox.applied
        begin_record()
        await peer.feed(record)
        os.getpgid(0)
        if peer.link.inbox.applied - before != MEASURED:
            raise AssertionError(f"{peer.link.inbox.applied - before} frames were applied")


def main(argv: list[str]) -> None:
    """Feeds the command and mode that `argv` names."""
    name, mode = argv
    if mode == APPLIED:
        asyncio.run(apply(name))
        return
    node = InProcess(mode == "active")
    warm, measured = batches_to_feed(name)
    node.feed(warm)
    begin_record()
    node.feed(measured)


if __name__ == "__main__":
    main(sys.argv[1:])
