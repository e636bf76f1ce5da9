"""A node without sockets that is fed the bytes of redis-benchmark: what callgrind counts.

    python -m bench.inprocess SET active

Runs the command on 160 keys in pipelines of 16, first to warm up, then BATCHES times for the
record. In between it calls `getsid`, which the project calls nowhere else: callgrind forgets at
that call what it has counted (bench/instructions.py).
"""

from __future__ import annotations

import gc
import os
import random
import sys
from typing import Final

import conf
from mesh.clock import HybridClock
from mesh.dots import Streams
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
MARK: Final = "getsid"
MODES: Final = ("alone", "active")


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
    """One engine with one connection. `active`: with dots, and with frames for a backlog."""

    def __init__(self, active: bool) -> None:
        config = conf.load([]).config
        streams = Streams(bytes(range(16)))
        resolver = StampResolver(streams)
        self.engine = Engine(config, HybridClock(), resolver, seed=1)
        self.engine.wake(1_700_000_000.0)
        self.member = Member(config, self.engine, resolver, b"bench")
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


def main(argv: list[str]) -> None:
    """Feeds the command and mode that `argv` names."""
    name, mode = argv
    node = InProcess(mode == "active")
    node.feed([command(*words("SET", number)) for number in range(KEYS)])
    warm = batches_of(name, WARM_BATCHES)
    measured = batches_of(name, BATCHES, seed=2)
    node.feed(warm)
    gc.collect()
    gc.freeze()
    gc.disable()
    os.getsid(0)
    node.feed(measured)


if __name__ == "__main__":
    main(sys.argv[1:])
