"""What forgetting takes of a node's throughput: two pairs of real nodes without files, one that
forgets and one with `mesh-forget no`, which redis-benchmark writes on by turns.

Sockets, the event loop, the frames for the peer and its reports are all in it. CPU is that of the
node that is written on, while it is; what it takes once more when it comes to rest is told apart.
The ratio is the median over the rounds, each one turn of both. Two processes with the same load
differ by a tenth, by where their memory lies, and go on to: so each round has new ones.
"""

from __future__ import annotations

from contextlib import ExitStack
from statistics import median
from typing import Final

from bench.metadata import await_zero
from bench.ratios import benchmark
from bench.servers import Client, Process, await_follower, pair, require_tools
from bench.tables import BenchError, table

PLACES: Final = 100_000
WRITES: Final = 1_000_000
WARM_WRITES: Final = 500_000  # nearly all places are there then
# Writes that the peer, which has the load's core, applies before the next: many times in each
# heartbeat, so that what is looked at is being written.
BURST: Final = 50_000
PIPELINE: Final = 16
GOAL: Final = 0.05
NAME: Final = "element:__rand_int__"
COMMANDS: Final = {
    "SET": ("set", NAME, "xxx"),
    "SADD": ("sadd", "myset", NAME),
    "HSET": ("hset", "myhash", NAME, "xxx"),
    "HINCRBY": ("hincrby", "mycounters", NAME, "1"),
    "ZADD": ("zadd", "myzset", "__rand_int__", NAME),
}


def turn(name: str, nodes: tuple[Process, Process], writes: int) -> float:
    """Writes that the peer has applied: microseconds of CPU for each on the node that took them.
    BenchError."""
    node, peer = nodes
    before_ns = node.cpu_ns()
    for _ in range(writes // BURST):
        burst(name, node)
        await_follower(node, peer)
    return (node.cpu_ns() - before_ns) / 1000 / writes


def rest(nodes: tuple[Process, Process]) -> float:
    """Milliseconds of CPU until nothing is remembered any more. BenchError: too long."""
    node, peer = nodes
    client = Client(node.port)
    before_ns = node.cpu_ns()
    await_zero(client, node, peer)
    client.close()
    return (node.cpu_ns() - before_ns) / 1_000_000


def burst(name: str, node: Process) -> None:
    """BURST writes, as fast as the node takes them. BenchError."""
    done = benchmark(node.port, PIPELINE, PLACES, BURST, *COMMANDS[name])
    if done.returncode != 0:
        raise BenchError(f"redis-benchmark ended early: {done.stdout}{done.stderr}")


def round_of(name: str, number: int, writes: int) -> tuple[float, float, float]:
    """A turn of new pairs, the first without forgetting, and how long the other takes to come to
    rest, in ms; they begin by turns. BenchError."""
    spent = [0.0, 0.0]
    with ExitStack() as ending:
        pairs: list[tuple[Process, Process]] = []
        for options in (("--mesh-forget", "no"), ()):
            pairs.append(pair(*options))
            for each in pairs[-1]:
                ending.enter_context(each)
        order = (0, 1) if number % 2 else (1, 0)
        for at in order:
            turn(name, pairs[at], WARM_WRITES)
        for at in order:
            spent[at] = turn(name, pairs[at], writes)
        return spent[0], spent[1], rest(pairs[1])


def run(rounds: int, quick: bool) -> None:
    """Prints the share by command; `quick`: fewer writes, one round."""
    require_tools("redis-benchmark", "taskset")
    rounds = 1 if quick else rounds
    writes = WRITES // 10 if quick else WRITES
    rows: list[tuple[str, ...]] = [
        ("", "us without", "us with", "added", "of single rounds", "below 5 %", "to rest, ms")
    ]
    for name in COMMANDS:
        turns = [round_of(name, number, writes) for number in range(rounds)]
        ratios = sorted(within / without - 1 for without, within, _ in turns)
        added = median(ratios)
        rows.append((
            name, f"{median(each[0] for each in turns):.2f}",
            f"{median(each[1] for each in turns):.2f}", f"{added:+.1%}",
            f"{ratios[0]:+.1%} to {ratios[-1]:+.1%}", "yes" if added < GOAL else "NO",
            f"{median(each[2] for each in turns):.0f}",
        ))  # fmt: skip
    print(
        f"CPU per write of real nodes, {writes:,} writes to {PLACES:,} places a turn,"
        f" pipelines of {PIPELINE}, {rounds} rounds\n"
    )
    print(table(rows))
