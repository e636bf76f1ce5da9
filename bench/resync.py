"""What it costs two nodes to become level again when a backlog did not hold what was written.

First: both have the same keys, a share of them is written over while the link is down, and the
backlog is KeyDB's default of 1 MB. The bytes that travel stand beside those of a whole snapshot.
Then: the link is down for a while under constant writes, in the default configuration.
"""

from __future__ import annotations

import select
import time
from dataclasses import dataclass
from typing import Final, cast

from bench.servers import LOAD_CORE, WAIT_TIMEOUT_S, Client, Process, active, await_follower
from bench.tables import BenchError, table
from node.build import compiled
from node.resp.client import command
from node.resp.replies import Failure
from tests.support.ports import free_port
from tests.support.servers import wait_until

VALUE_BYTES: Final = 32
SHORT_BACKLOG: Final = ("--repl-backlog-size", "1mb")
BACKLOG_BYTES: Final = 1024 * 1024
FRAME_BYTES: Final = 150  # a written key at least, in the backlog
DIFFERING: Final = 100  # one key in so many
# A node of pure Python takes in about so much less than a compiled one.
PURE_RATE_SHARE: Final = 10
QUICK_SHARE: Final = 10
TICK_S: Final = 0.05
SYNC_TIMEOUT_S: Final = 10 * WAIT_TIMEOUT_S
HEADING: Final = ("", "keys", "differ", "comparison bytes", "snapshot bytes", "share %", "seconds")


@dataclass(frozen=True)
class Wanted:
    """How much is measured: keys on both sides, writes a second while the link is cut, and for how
    many seconds it is."""

    keys: int = 200_000
    rate: int = 20_000
    cut_s: float = 60.0


def info(node: Process) -> dict[str, str]:
    """INFO replication."""
    client = Client(node.port)
    reply = client.call(b"INFO", b"replication")
    client.close()
    text = bytes(cast(bytes, reply)).decode()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


def pause(node: Process, other: Process, word: bytes) -> None:
    """MESH PAUSE or RESUME of all links between two nodes."""
    client = Client(node.port)
    reply = client.call(b"MESH", word, b"PEER", info(other)["mesh_member_id"].encode())
    client.close()
    if isinstance(reply, Failure):
        raise BenchError(f"MESH {word.decode()}: {reply}")


def is_level(nodes: tuple[Process, Process]) -> bool:
    """Do frames flow in both directions, and is nothing left to be merged?"""
    return all(info(node)["master_link_status"] == "up" for node in nodes)


def resync(first: Process, second: Process) -> float:
    """The link comes up again; how many seconds until both are level."""
    began_s = time.monotonic()
    pause(first, second, b"RESUME")
    pair = (first, second)
    wait_until(lambda: is_level(pair), "both to be level", SYNC_TIMEOUT_S)
    for source, follower in (pair, pair[::-1]):
        await_follower(source, follower)
    return time.monotonic() - began_s


def write(node: Process, keys: range, mark: bytes) -> None:
    """SET of these keys."""
    client = Client(node.port)
    value = mark.ljust(VALUE_BYTES, b"v")
    client.fill(command(b"SET", b"key:%012d" % number, value) for number in keys)
    client.close()


def compare(wanted: Wanted) -> tuple[str, ...]:
    """The row of two nodes that differ in one key of a hundred."""
    ports = free_port(), free_port()
    follow = [["--replicaof", "127.0.0.1", str(port)] for port in ports]
    with active("first", *SHORT_BACKLOG, *follow[1], port=ports[0]) as first:
        write(first, range(wanted.keys), b"")
        with active("second", *SHORT_BACKLOG, *follow[0], core=LOAD_CORE, port=ports[1]) as second:
            pair = (first, second)
            wait_until(lambda: is_level(pair), "the first transfer", SYNC_TIMEOUT_S)
            await_follower(first, second)
            await_follower(second, first)
            whole = int(info(second)["mesh_resync_full_bytes"])
            pause(first, second, b"PAUSE")
            differing = range(0, wanted.keys, DIFFERING)
            for _ in range(2 + BACKLOG_BYTES // (len(differing) * FRAME_BYTES)):
                write(first, differing, b"again")
            before = info(second)
            seconds = resync(first, second)
            after = info(second)
    if int(after["mesh_resync_range"]) != int(before["mesh_resync_range"]) + 1:
        raise BenchError("the second node did not compare: " + str(after))
    name = "mesh_resync_range_bytes"
    compared = int(after[name]) - int(before[name])
    return (
        "1 % differ", f"{wanted.keys:,}", f"{len(differing):,}", f"{compared:,}", f"{whole:,}",
        f"{compared * 100 / whole:.2f}", f"{seconds:.1f}",
    )  # fmt: skip


def load(node: Process, keys: int, rate: int, seconds: float) -> int:
    """Writes at a steady rate, spread over the keys; how many were written."""
    client = Client(node.port)
    value = b"w" * VALUE_BYTES
    each = max(1, int(rate * TICK_S))
    written = 0
    began_s = time.monotonic()
    while (past_s := time.monotonic() - began_s) < seconds:
        late_s = written / rate - past_s
        if late_s > 0:
            select.select([], [], [], late_s)  # it is too early for the next
        batch = [
            command(b"SET", b"key:%012d" % ((written + at) * 7919 % keys), value)
            for at in range(each)
        ]
        client.pipeline(b"".join(batch), each)
        written += each
    client.close()
    return written


def outage(wanted: Wanted) -> str:
    """A sentence on a cut under writes, in the default configuration."""
    rate = wanted.rate if compiled() else wanted.rate // PURE_RATE_SHARE
    ports = free_port(), free_port()
    follow = [["--replicaof", "127.0.0.1", str(port)] for port in ports]
    with (
        active("first", *follow[1], port=ports[0]) as first,
        active("second", *follow[0], core=LOAD_CORE, port=ports[1]) as second,
    ):
        write(first, range(wanted.keys), b"")
        await_follower(first, second)
        await_follower(second, first)
        before = info(second)
        pause(first, second, b"PAUSE")
        written = load(first, wanted.keys, rate, wanted.cut_s)
        seconds = resync(first, second)
        after = info(second)
    grown = {
        kind: int(after[f"mesh_resync_{kind}"]) - int(before[f"mesh_resync_{kind}"])
        for kind in ("partial", "range", "full")
    }
    if grown["full"]:
        raise BenchError(f"a whole snapshot was needed: {grown}")
    way = "digests" if grown["range"] else "the backlog"
    moved = int(after["mesh_resync_range_bytes"]) - int(before["mesh_resync_range_bytes"])
    return (
        f"cut for {wanted.cut_s:.0f} s under {written / wanted.cut_s:,.0f} writes/s on"
        f" {wanted.keys:,} keys: level {seconds:.1f} s after it, from {way}"
        + (f", {moved:,} bytes" if grown["range"] else "")
    )


def run(rounds: int, quick: bool, wanted: Wanted | None = None) -> None:
    """Prints both (`quick`: a tenth of the keys and of the time). `rounds` is not used."""
    chosen = Wanted() if wanted is None else wanted
    if quick:
        chosen = Wanted(
            chosen.keys // QUICK_SHARE, chosen.rate, chosen.cut_s / QUICK_SHARE
        )
    print(f"{'compiled' if compiled() else 'pure Python'}\n", flush=True)
    print(table([HEADING, compare(chosen)]), flush=True)
    print(f"\n{outage(chosen)}", flush=True)
