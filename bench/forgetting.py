"""What forgetting adds to a write: CPU time with it beside CPU time without, in one process.

Two active nodes without sockets (bench/inprocess.py) are fed the same commands, a few milliseconds
each in alternation, so that what disturbs the machine disturbs both. Each turn is one heartbeat's
writes, the heartbeat and all the slices of forgetting that come of it: noting, visits and reports
are all counted, parsing, execution and frames too; not the event loop and the kernel, beside which
the share is smaller. What was written in one turn becomes stable in the next. What is written again
and again is looked at once in eight turns: these are a round, of which all time is added up, and
the ratio is the median over the rounds.

A keyspace is so many strings, members of one collection, or members of small collections;
small, its places are written many times between two heartbeats; large, nearly each write is the
first to its place.
"""

from __future__ import annotations

import gc
import random
from statistics import median
from time import process_time_ns
from typing import Final

from bench.inprocess import PIPELINE, InProcess, words
from bench.tables import BenchError, table
from mesh.forget_task import FORGET_PLACES
from mesh.touched import PUT_OFF_MOST
from node.build import compiled
from node.engine import FREE_PER_TICK
from node.resp.client import command

# Those behind: many small hashes and sets instead of one large one, and counters in one hash.
SMALL_HASHES: Final = "HSET, keys"
SMALL_SETS: Final = "SADD, keys"
COMMANDS: Final = (
    "SET", "SADD", "HSET", "INCR", "ZADD", "LPUSH", "HINCRBY", SMALL_HASHES, SMALL_SETS,
)  # fmt: skip
MEMBERS_OF_SMALL: Final = 8
KEYSPACES: Final = (1_000, 100_000)
# Writes between two heartbeats: about what one node takes in a second.
WRITES: Final = 200_000 if compiled() else 20_000
PIECE: Final = 32  # batches that one node is fed before the other
TURNS_EACH: Final = int(PUT_OFF_MOST) + 1  # to a round: what is put off is looked at once in it
WARM_TURNS: Final = 2
REST_TURNS: Final = TURNS_EACH + 4  # without writes: then nothing may be remembered any more
POPPED: Final = 10  # LPUSH: turns until the list is emptied, lest its length is what is measured
GOAL: Final = 0.05


def line(name: str, number: int) -> bytes:
    """One command of a keyspace, for the key or member of this number."""
    digits = b"%012d" % number
    if name == "ZADD":
        return command(b"ZADD", b"myzset", b"%d" % (number * 7919 % 1009), b"element:" + digits)
    if name == "LPUSH":
        return command(b"LPUSH", b"mylist", b"element:" + digits)
    if name == "HINCRBY":
        return command(b"HINCRBY", b"myhash", b"element:" + digits, b"1")
    key, part = divmod(number, MEMBERS_OF_SMALL)
    if name == SMALL_HASHES:
        return command(b"HSET", b"hash:%d" % key, b"field:%d" % part, digits)
    if name == SMALL_SETS:
        return command(b"SADD", b"set:%d" % key, b"member:%d" % part)
    return command(*words(name, number))


def turn(nodes: list[InProcess], batches: list[bytes]) -> list[int]:
    """A heartbeat's writes and what comes of them, on each node; nanoseconds of CPU."""
    spent = [0 for _ in nodes]
    for begin in range(0, len(batches), PIECE):
        piece = batches[begin : begin + PIECE]
        for at in range(len(nodes)):
            each = (at + begin // PIECE) % len(nodes)
            began = process_time_ns()
            nodes[each].feed(piece)
            spent[each] += process_time_ns() - began
    for at, node in enumerate(nodes):
        began = process_time_ns()
        node.member.heartbeat()
        while not node.member.forget_step(FORGET_PLACES):
            pass
        while node.engine.writer.free(FREE_PER_TICK):
            pass
        node.held = int(node.member.streams.own.seen)
        spent[at] += process_time_ns() - began
    return spent


def batches_of(rng: random.Random, name: str, keyspace: int, writes: int) -> list[bytes]:
    """Pipelines of writes to random places."""
    return [
        b"".join(line(name, rng.randrange(keyspace)) for _ in range(PIPELINE))
        for _ in range(writes // PIPELINE)
    ]


def measure(name: str, keyspace: int, rounds: int, writes: int) -> tuple[float, float, float]:
    """Microseconds per write without forgetting, with it, and the median of the ratios."""
    rng = random.Random(1)
    nodes = [InProcess(True), InProcess(True, forgets=True)]
    filling = [
        b"".join(line(name, at) for at in range(begin, min(begin + PIPELINE, keyspace)))
        for begin in range(0, keyspace, PIPELINE)
    ]
    turn(nodes, filling)
    spent: list[list[int]] = []
    for at in range(WARM_TURNS + TURNS_EACH * rounds):
        batches = batches_of(rng, name, keyspace, writes)
        if name == "LPUSH" and at % POPPED == 0:
            batches.append(command(b"LTRIM", b"mylist", b"0", b"999"))
        gc.collect()
        gc.freeze()
        gc.disable()
        took = turn(nodes, batches)
        gc.enable()
        if at >= WARM_TURNS:
            spent.append(took)
    for _ in range(REST_TURNS):
        turn(nodes, [])
    left = int(nodes[1].member.forgetter.meter.measure().unstable())
    if left:
        raise BenchError(f"{name}: {left} bytes are still remembered, so not all was counted")
    count = writes // PIPELINE * PIPELINE * TURNS_EACH * 1000
    without: list[int] = []
    within: list[int] = []
    for begin in range(0, len(spent), TURNS_EACH):
        part = spent[begin : begin + TURNS_EACH]
        without.append(sum(each[0] for each in part))
        within.append(sum(each[1] for each in part))
    ratio = median([more / less for more, less in zip(within, without, strict=True)])
    return median(without) / count, median(within) / count, ratio


def run(rounds: int, quick: bool) -> None:
    """Prints the share by command and size of the keyspace; `quick`: fewer writes and rounds."""
    rounds = 1 if quick else rounds
    writes = WRITES if not quick else WRITES // 2
    rows: list[tuple[str, ...]] = [("", "places", "us without", "us with", "added", "below 5 %")]
    for name in COMMANDS:
        for keyspace in KEYSPACES:
            without, within, ratio = measure(name, keyspace, rounds, writes)
            verdict = "yes" if ratio - 1 < GOAL else "NO"
            rows.append((
                name, f"{keyspace:,}", f"{without:.2f}", f"{within:.2f}", f"{ratio - 1:+.1%}",
                verdict,
            ))  # fmt: skip
    how = "compiled" if compiled() else "pure Python"
    print(f"CPU per write, {how}, {writes:,} writes to a heartbeat, pipelines of 16\n")
    print(table(rows))
