"""Parser and encoder alone: nanoseconds per command and per reply, best of several rounds.

Says first whether the compiled modules are in use. Pipelines of 16 in one buffer, as a client with
P=16 sends them; `lone` is one command in a read, and `split` cuts the pipeline in two reads.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from librt.strings import BytesWriter

import node.resp.parser
from node.resp.client import command
from node.resp.encoder import encode
from node.resp.parser import Parser
from node.resp.replies import OK, Double, Map

PIPELINE = 16
ROUNDS = 9
# Long enough against the clock's resolution, short enough to find a quiet moment.
ROUND_NS = 20_000_000

COMMANDS = {
    "PING": command(b"PING"),
    "GET": command(b"GET", b"key:000000012345"),
    "SET": command(b"SET", b"key:000000012345", b"xxx"),
    "HSET": command(b"HSET", b"key:000000012345", b"field:000012", b"xxx"),
    "SET of 1 KB": command(b"SET", b"key:000000012345", b"x" * 1024),
    "MSET of 10": command(b"MSET", *[b"key:000000012345", b"xxx"] * 10),
}

REPLIES: dict[str, object] = {
    "OK": OK,
    "integer": 1,
    "large integer": 1234567890,
    "bulk of 3": b"xxx",
    "bulk of 100": b"x" * 100,
    "null": None,
    "array of 10 bulks": [b"x" * 12] * 10,
    "map of 10": Map([b"field", b"value"] * 10),
    "double": Double(3.14),
}


def best_ns(operation: Callable[[], None], count: int) -> float:
    """The least time of one of the `count` things that `operation` does."""
    repeats = 1
    while True:
        begin = time.perf_counter_ns()
        for _ in range(repeats):
            operation()
        if time.perf_counter_ns() - begin > ROUND_NS // 4:
            break
        repeats *= 2
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter_ns()
        for _ in range(repeats):
            operation()
        times.append(time.perf_counter_ns() - begin)
    return min(times) / repeats / count


def parse(reads: list[bytes]) -> Callable[[], None]:
    """Feeds `reads`, one after another, taking all commands after each."""
    parser = Parser()

    def operation() -> None:
        for read in reads:
            parser.feed(read)
            while parser.next() is not None:
                pass

    return operation


def write(reply: object, resp: int) -> Callable[[], None]:
    """Encodes PIPELINE replies into one writer, as a connection does for a read."""
    out = BytesWriter()

    def operation() -> None:
        out.truncate(0)
        for _ in range(PIPELINE):
            encode(out, reply, resp)

    return operation


def run(rounds: int, quick: bool) -> None:
    """Prints one row for each command and each reply; `rounds` and `quick` are not used."""
    is_pure = (node.resp.parser.__file__ or "").endswith(".py")
    print(f"{'pure Python' if is_pure else 'compiled'}, {sys.version.split()[0]}, ns each")
    print(f"{'command':20}{'pipelined':>10}{'lone':>10}{'split':>10}")
    for name, request in COMMANDS.items():
        data = request * PIPELINE
        half = len(data) // 2 + 5
        pipelined = best_ns(parse([data]), PIPELINE)
        lone = best_ns(parse([request]), 1)
        split = best_ns(parse([data[:half], data[half:]]), PIPELINE)
        print(f"{name:20}{pipelined:10.0f}{lone:10.0f}{split:10.0f}")
    print(f"{'reply':20}{'RESP2':>10}{'RESP3':>10}")
    for name, reply in REPLIES.items():
        resp2 = best_ns(write(reply, 2), PIPELINE)
        resp3 = best_ns(write(reply, 3), PIPELINE)
        print(f"{name:20}{resp2:10.0f}{resp3:10.0f}")
