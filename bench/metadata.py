"""What a mesh remembers while a member is away: bytes over time, the peak against the cap, and how
soon it is nothing again (the promise of semantics.md 8, 13).

Two nodes with append-only files hold one large set. One is stopped; the other is written on:
a queue is pushed to and popped from, and members of the set go and come. Then the stopped one goes
on, and it is awaited that nothing is remembered any more.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final, cast

import pytest

from bench.servers import LOAD_CORE, SERVER_CORE, Client, Process, active, await_follower
from bench.tables import BenchError, table
from node.build import compiled
from node.resp.client import command
from tests.support.ports import free_port
from tests.support.servers import wait_until

SET: Final = b"bench:members"
QUEUE: Final = b"bench:queue"
MEMBERS_AT_ONCE: Final = 100  # of one SADD
PIPELINE: Final = 200  # commands in one write
TICK_S: Final = 0.05
SAMPLES: Final = 20  # rows of the table, about
QUEUE_DEPTH: Final = 100  # elements that stand in the queue
HEARTBEAT_S: Final = 1.0
AWAIT_S: Final = 600.0
KINDS: Final = ("dots", "lists", "streams", "strings", "removals", "closings")


@dataclass
class Wanted:
    """How much is written, and for how long the peer is away."""

    members: int = 1_000_000
    rate: int = 1_000_000  # pushes, and as many pops, a minute
    churn: int = 500  # members of the set that go and come a second
    down_s: float = 60.0
    cap_bytes: int = 0  # 0: as shipped


@dataclass
class Seen:
    """What was measured."""

    rows: list[tuple[float, dict[str, str]]] = field(default_factory=list)
    pushed: int = 0
    churned: int = 0


class Load:
    """What the node that is up is asked to do, as many a second as is wanted or it can."""

    def __init__(self, client: Client, wanted: Wanted) -> None:
        self.client = client
        self.wanted = wanted
        self.pushed = 0
        self.churned = 0
        self._began_s = time.monotonic()

    def tick(self) -> None:
        """What is due by now; a pause where nothing is."""
        past_s = time.monotonic() - self._began_s
        pushes = int(past_s * self.wanted.rate / 60) - self.pushed
        churns = int(past_s * self.wanted.churn) - self.churned
        if pushes <= 0 and churns <= 0:
            select.select([], [], [], TICK_S)
            return
        commands = [*self._pushes(min(pushes, PIPELINE // 2)), *self._churns(min(churns, PIPELINE))]
        self.client.pipeline(b"".join(commands), len(commands))

    def _pushes(self, count: int) -> Iterator[bytes]:
        for _ in range(count):
            self.pushed += 1
            yield command(b"RPUSH", QUEUE, b"job:%d" % self.pushed)
            if self.pushed > QUEUE_DEPTH:
                yield command(b"LTRIM", QUEUE, b"1", b"-1")  # a pop whose reply is one line

    def _churns(self, count: int) -> Iterator[bytes]:
        for _ in range(count):
            member = b"m:%d" % (self.churned // 2 * 7919 % max(self.wanted.members, 1))
            verb = b"SADD" if self.churned % 2 else b"SREM"
            self.churned += 1
            yield command(verb, SET, member)


def run(rounds: int, quick: bool, wanted: Wanted | None = None) -> None:
    """Prints the table. `rounds` is not used; `quick`: a small set, and a short absence."""
    wanted = wanted or Wanted()
    if quick:
        wanted = Wanted(20_000, min(wanted.rate, 60_000), 100, 10.0, wanted.cap_bytes)
    ports = free_port(), free_port()
    options = ["--appendonly", "yes", "--appendfsync", "always"]
    if wanted.cap_bytes:
        options += ["--mesh-unstable-max-bytes", str(wanted.cap_bytes)]
    follows = ("--replicaof", "127.0.0.1", str(ports[0]))
    with (
        active("measured", *options, port=ports[0], core=SERVER_CORE) as node,
        active("peer", *options, *follows, port=ports[1], core=LOAD_CORE) as peer,
    ):
        measure(node, peer, wanted)


def measure(node: Process, peer: Process, wanted: Wanted) -> None:
    """Fills, takes the peer away, writes, brings it back, and prints."""
    build = "compiled" if compiled() else "pure Python"
    print(
        f"{build}; a set of {wanted.members:,} members, {wanted.rate:,} pushes and as many pops a"
        f" minute, {wanted.churn:,} members that go or come a second; the peer is away for"
        f" {wanted.down_s:g} s\n", flush=True,
    )  # fmt: skip
    asker = Client(node.port)
    await_follower(node, peer)
    filled_s = fill(node, wanted.members)
    await_follower(node, peer)
    settled_s = await_zero(asker, node, peer)
    print(f"filled in {filled_s:.1f} s; nothing was remembered {settled_s:.1f} s later\n")
    os.kill(peer.process.pid, signal.SIGSTOP)
    try:
        seen = write(node, asker, wanted)
    finally:
        os.kill(peer.process.pid, signal.SIGCONT)
    back_s = time.monotonic()
    report(seen, wanted, info(asker))
    await_follower(node, peer, AWAIT_S)
    applied_s = time.monotonic() - back_s
    await_disks(asker, peer)
    held_s = time.monotonic() - back_s
    zero_s = held_s + await_zero(asker, node, peer)
    await_files(asker, peer)
    written_s = time.monotonic() - back_s
    last = info(asker)
    print(
        f"\nafter the peer's return: all applied in {applied_s:.1f} s, on both disks in"
        f" {held_s:.1f} s, nothing remembered by either in {zero_s:.1f} s:"
        f" {(zero_s - held_s) / HEARTBEAT_S:.1f} heartbeats after that; files were being"
        f" written from the data until {written_s:.1f} s\n"
        f"identity spans of live list elements:"
        f" {int(last['mesh_list_span_bytes']):,} bytes for {asker.call(b'LLEN', QUEUE)} elements\n"
        f"transfers taken in by the peer: {info(Client(peer.port))['mesh_transfers_in']}",
        flush=True,
    )  # fmt: skip
    asker.close()


def fill(node: Process, members: int) -> float:
    """Adds the members; how long it took."""
    began_s = time.monotonic()
    client = Client(node.port)
    client.fill(
        command(b"SADD", SET, *(b"m:%d" % at for at in range(first, first + MEMBERS_AT_ONCE)))
        for first in range(0, members, MEMBERS_AT_ONCE)
    )
    client.close()
    return time.monotonic() - began_s


def write(node: Process, asker: Client, wanted: Wanted) -> Seen:
    """Writes for as long as the peer is away, and samples what is remembered."""
    client = Client(node.port)
    load = Load(client, wanted)
    seen = Seen()
    began_s = time.monotonic()
    next_s = 0.0
    while (past_s := time.monotonic() - began_s) < wanted.down_s:
        load.tick()
        if past_s >= next_s:
            next_s += HEARTBEAT_S
            seen.rows.append((past_s, info(asker)))
    seen.rows.append((wanted.down_s, info(asker)))
    seen.pushed = load.pushed
    seen.churned = load.churned
    client.close()
    return seen


def report(seen: Seen, wanted: Wanted, last: dict[str, str]) -> None:
    """The table over time, and the peak."""
    heading = ("s", "unstable", *KINDS, "spans", "state", "members")
    rows: list[tuple[str, ...]] = [heading]
    step = max(1, len(seen.rows) // SAMPLES)
    for past_s, each in [*seen.rows[:-1][::step], seen.rows[-1]]:
        kinds = [f"{int(each[f'mesh_metadata_{kind}_bytes']):,}" for kind in KINDS]
        rows.append((
            f"{past_s:.0f}", f"{int(each['mesh_unstable_bytes']):,}", *kinds,
            f"{int(each['mesh_list_span_bytes']):,}", each["mesh_unstable_state"],
            "2" if each["mesh_members_expelled"] == "0" else "1",
        ))  # fmt: skip
    print(table(rows))
    peak = max(int(each["mesh_unstable_bytes"]) for _, each in seen.rows)
    cap = int(last["mesh_unstable_max_bytes"])
    share = f", {peak * 100 / cap:.0f} % of it" if cap else ""
    print(
        f"\n{seen.pushed:,} pushes ({seen.pushed * 60 / wanted.down_s:,.0f} a minute),"
        f" {seen.churned:,} members gone or come; the peak is {peak:,} bytes against a cap of"
        f" {cap:,}{share}", flush=True,
    )  # fmt: skip


def info(client: Client, section: bytes = b"replication") -> dict[str, str]:
    """A section of INFO."""
    reply = client.call(b"INFO", section)
    text = bytes(cast(bytes, reply)).decode()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


def await_disks(asker: Client, peer: Process) -> None:
    """Returns when neither node has anything that is not on its disk."""
    other = Client(peer.port)
    wait_until(partial(are_on_disk, asker, other), "all to be on disk", AWAIT_S)
    other.close()


def await_files(asker: Client, peer: Process) -> None:
    """Returns when neither node writes a file from its data: large values wait for that."""
    other = Client(peer.port)
    wait_until(partial(are_at_rest, asker, other), "files to be written", AWAIT_S)
    other.close()


def are_at_rest(asker: Client, other: Client) -> bool:
    """Does neither save, nor write its append-only file anew?"""
    names = ("rdb_bgsave_in_progress", "aof_rewrite_in_progress", "aof_rewrite_scheduled")
    found = [info(each, b"persistence") for each in (asker, other)]
    return all(each[name] == "0" for each in found for name in names)


def are_on_disk(asker: Client, other: Client) -> bool:
    """Has each node all on its disk that it has applied?"""
    return all(info(each)["mesh_streams_not_held"] == "0" for each in (asker, other))


def await_zero(asker: Client, node: Process, peer: Process) -> float:
    """Returns how long it took until neither node remembers anything. BenchError: too long."""
    began_s = time.monotonic()
    other = Client(peer.port)
    try:
        wait_until(partial(are_clean, asker, other), "all to be forgotten", AWAIT_S)
    except pytest.fail.Exception as error:
        names = ("mesh_unstable_bytes", "mesh_held_up_by", "mesh_held_up_ms")
        left = {each.name: info(client) for each, client in ((node, asker), (peer, other))}
        shown = {name: {key: found[key] for key in names} for name, found in left.items()}
        raise BenchError(f"{error}: {json.dumps(shown)}") from error
    other.close()
    return time.monotonic() - began_s


def are_clean(asker: Client, other: Client) -> bool:
    """Does neither node remember anything?"""
    return all(info(each)["mesh_unstable_bytes"] == "0" for each in (asker, other))
