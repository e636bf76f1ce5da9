"""The longest time another client waits: while a node grows, while it sends or takes a transfer,
and while a key of a million members grows, goes, or is merged.

A process of its own (bench/pinger.py) sends PING every millisecond and notes how long each answer
took. Redis in the same situation stands beside it: what both show is the machine.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from bench.filler import LARGE_KEY
from bench.servers import (
    LOAD_CORE,
    ROOT,
    WAIT_TIMEOUT_S,
    Client,
    Process,
    active,
    ours,
    redis,
    require_compiled,
    require_tools,
)
from bench.tables import BenchError, table
from node.resp.replies import Failure
from tests.support.servers import wait_until

GROWN_KEYS: Final = 1_000_000
TRANSFER_KEYS: Final = 200_000
QUICK_SHARE: Final = 10
# Much less than was written, so that a newcomer gets a snapshot.
SHORT_BACKLOG: Final = ("--repl-backlog-size", "2mb")
NICE: Final = 10  # of the load: the pinger on the same core comes first
FILL_TIMEOUT_S: Final = 300.0
LARGE_KINDS: Final = ("set", "zset", "hash", "list", "stream")
HEADING: Final = ("", "server", "PINGs", "p50 ms", "p99 ms", "p99.9 ms", "longest ms", "late ms")


class Pinged:
    """What a pinger found; filled in when it has ended."""

    def __init__(self) -> None:
        self.row: tuple[str, ...] = ()


@contextmanager
def pinging(port: int) -> Iterator[Pinged]:
    """PINGs the server for as long as the block runs."""
    pinger = subprocess.Popen(
        ["taskset", "-c", str(LOAD_CORE), sys.executable, "-m", "bench.pinger", str(port)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert pinger.stdout is not None
    pinger.stdout.readline()  # it has begun
    found = Pinged()
    try:
        yield found
    finally:
        output, _ = pinger.communicate(timeout=WAIT_TIMEOUT_S)  # closes its input: it ends
    answer = json.loads(output)
    found.row = (
        str(answer["count"]),
        *(f"{answer[name]:.2f}" for name in ("p50", "p99", "p99.9", "longest", "late")),
    )


def fill(server: Process, count: int, *large: str) -> None:
    """Gives a server so many keys, or one large key, in pipelines of 100, from the load's core."""
    subprocess.run(
        [
            "nice", "-n", str(NICE), "taskset", "-c", str(LOAD_CORE), sys.executable, "-m",
            "bench.filler", str(server.port), str(count), *large,
        ],
        cwd=ROOT, timeout=FILL_TIMEOUT_S, check=True,
    )  # fmt: skip


def has_all(client: Client) -> bool:
    """Has the server taken in and merged all that its master had?"""
    answer = client.call(b"INFO", b"replication")
    # Not by DBSIZE: what must look at all keys may have to merge them at once.
    return isinstance(answer, bytes) and b"master_link_status:up" in answer


def is_freed(client: Client) -> bool:
    """Is nothing left of what was dropped large?"""
    answer = client.call(b"INFO", b"memory")
    return isinstance(answer, bytes) and b"lazyfree_pending_objects:0" in answer


def grow(server: Process, count: int) -> tuple[str, ...]:
    """The row of a server that is filled."""
    with server:
        with pinging(server.port) as pinged:
            fill(server, count)
        return ("grows", server.name, *pinged.row)


def drop_large(server: Process, kind: str, count: int) -> list[tuple[str, ...]]:
    """The rows of a server in which one key grows, and is deleted in both ways."""
    with server:
        client = Client(server.port)
        with pinging(server.port) as pinged:
            fill(server, count, kind, "")
        rows = [(f"{kind} grows", server.name, *pinged.row)]
        for word in (b"DEL", b"UNLINK"):
            if client.call(b"EXISTS", LARGE_KEY) == 0:
                fill(server, count, kind, "")
            with pinging(server.port) as pinged:
                client.call(word, LARGE_KEY)
                wait_until(lambda: is_freed(client), "what was dropped is freed", WAIT_TIMEOUT_S)
            rows.append((f"{word.decode()} {kind}", server.name, *pinged.row))
        client.close()
    return rows


def merge_large(kind: str, count: int) -> list[tuple[str, ...]]:
    """The rows of two nodes that both have the key, half of it alike, and become one mesh."""
    with ExitStack() as stack:
        source = stack.enter_context(active("active", *SHORT_BACKLOG))
        target = stack.enter_context(active("active", *SHORT_BACKLOG, core=LOAD_CORE))
        fill(source, count, kind, "a")
        fill(target, count, kind, "b")
        with pinging(source.port) as sent, pinging(target.port) as taken:
            clients = Client(source.port), Client(target.port)
            clients[1].call(b"REPLICAOF", b"127.0.0.1", b"%d" % source.port)
            wait_until(  # the source calls back
                lambda: all(has_all(each) and is_freed(each) for each in clients),
                "both to be in sync", WAIT_TIMEOUT_S,
            )  # fmt: skip
            for client in clients:
                client.close()
    return [
        (f"{kind}: sends", source.name, *sent.row),
        (f"{kind}: takes in", target.name, *taken.row),
    ]


def full_syncs(server: Process) -> int:
    """How many transfers it has sent, by INFO."""
    client = Client(server.port)
    answer = client.call(b"INFO", b"stats")
    client.close()
    found = re.search(rb"sync_full:(\d+)", answer) if isinstance(answer, bytes) else None
    if found is None:
        raise BenchError(f"INFO stats of {server.name} does not tell sync_full")
    return int(found.group(1))


def transfer(
    source: Process, target: Process, count: int, by_snapshot: bool = True
) -> list[tuple[str, ...]]:
    """The rows of a server that gives all it has to an empty one, and of that one.

    BenchError if what went over was not a snapshot, or not the backlog, as the caller meant.
    """
    fill(source, count)
    with pinging(source.port) as sent, pinging(target.port) as taken:
        client = Client(target.port)
        reply = client.call(b"REPLICAOF", b"127.0.0.1", b"%d" % source.port)
        if isinstance(reply, Failure):
            raise BenchError(f"REPLICAOF on {target.name}: {reply}")
        wait_until(lambda: has_all(client), f"{target.name} to be in sync", WAIT_TIMEOUT_S)
        if not by_snapshot:  # frames follow the link's coming up
            what = f"{count} keys on {target.name}"
            wait_until(lambda: client.call(b"DBSIZE") == count, what, WAIT_TIMEOUT_S)
        size = client.call(b"DBSIZE")
        client.close()
    if size != count:
        raise BenchError(f"{target.name} has {size} keys after a transfer of {count}")
    if (full_syncs(source) > 0) != by_snapshot:
        raise BenchError(f"{source.name} was to send {'a snapshot' if by_snapshot else 'frames'}")
    return [("sends", source.name, *sent.row), ("takes in", target.name, *taken.row)]


def run(rounds: int, quick: bool) -> None:
    """Prints one row a situation (`quick`: a tenth of the keys). `rounds` is not used."""
    require_tools("taskset")
    require_compiled()
    grown = GROWN_KEYS // QUICK_SHARE if quick else GROWN_KEYS
    moved = TRANSFER_KEYS // QUICK_SHARE if quick else TRANSFER_KEYS
    rows: list[tuple[str, ...]] = [HEADING]
    rows.append(grow(redis(), grown))
    rows.append(grow(ours("alone"), grown))
    rows.append(grow(active("active"), grown))
    print(f"PING every ms while a node grows to {grown} keys\n\n{table(rows)}\n", flush=True)
    rows = [HEADING]
    with ExitStack() as stack:
        source = stack.enter_context(redis())
        target = stack.enter_context(redis(core=LOAD_CORE))
        rows += transfer(source, target, moved)
    with ExitStack() as stack:
        source = stack.enter_context(active("active", *SHORT_BACKLOG))
        target = stack.enter_context(active("active", core=LOAD_CORE))
        rows += transfer(source, target, moved)
    print(f"PING every ms during a transfer of {moved} keys\n\n{table(rows)}\n", flush=True)
    rows = [HEADING]
    with ExitStack() as stack:
        source = stack.enter_context(active("active"))
        target = stack.enter_context(active("active", core=LOAD_CORE))
        rows += transfer(source, target, moved, by_snapshot=False)
    print(f"the same where the backlog still holds all {moved} writes\n\n{table(rows)}\n")
    large(grown)


def large(count: int) -> None:
    """Prints what one large key of each type costs others."""
    rows: list[tuple[str, ...]] = [HEADING]
    for kind in LARGE_KINDS:
        rows += drop_large(redis(), kind, count)
        rows += drop_large(ours("alone"), kind, count)
    what = f"one key of {count} members grows and goes"
    print(f"PING every ms while {what}\n\n{table(rows)}\n", flush=True)
    rows = [HEADING]
    for kind in LARGE_KINDS:
        rows += merge_large(kind, count)
    print(f"PING every ms while two nodes merge such a key\n\n{table(rows)}")
