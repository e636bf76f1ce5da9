"""Requests/s and CPU time per command of our node in turn with Redis 8.2.3, and KeyDB where it is.

All servers of a test run in one round, one after another, in reversed order every other round, so
that what disturbs the machine meets all of them; a ratio is made inside a round and the median of
the rounds is shown with the least and the greatest. docs/benchmarks.md says how to read it.
"""

from __future__ import annotations

import csv
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from bench.servers import (
    LOAD_CORE,
    ROOT,
    SERVER_CORE,
    Process,
    await_follower,
    keydb,
    ours,
    pair,
    redis,
    require_compiled,
    require_tools,
)
from bench.tables import BenchError, middle, table

TESTS: Final = ("SET", "GET", "INCR", "HSET", "SADD")
CLIENTS: Final = 50
REQUESTS: Final = {1: 60_000, 16: 400_000}  # by pipeline: each about half a second
PURE_SHARE: Final = 5  # pure Python gets a fifth of the requests: it is about as much slower
KEY_RANGES: Final = (100_000, 1_000)
FILL_REQUESTS: Final = 400_000  # four times the keys: 98 % of them exist
RUN_TIMEOUT_S: Final = 300.0


class Result:
    """One run of redis-benchmark against one server."""

    def __init__(self, requests_s: float, p99_ms: float, cpu_ns: float) -> None:
        self.requests_s = requests_s
        self.p99_ms = p99_ms
        self.cpu_ns = cpu_ns


class Candidate:
    """A server in a test. `peer` follows it and is written to meanwhile if `peer_is_written`."""

    def __init__(
        self, name: str, server: Process, peer: Process | None = None, peer_is_written: bool = False
    ) -> None:
        self.name = name
        self.server = server
        self.peer = peer
        self.peer_is_written = peer_is_written
        self.results: list[Result] = []

    def share(self) -> int:
        """By how much fewer requests it is sent."""
        return PURE_SHARE if self.name == "pure" else 1


def benchmark(
    port: int, pipeline: int, keys: int, requests: int, *what: str
) -> subprocess.CompletedProcess[str]:
    """A run of redis-benchmark on the load's core, its result as CSV; `what`: tests, or the words
    of a command."""
    return subprocess.run(
        [
            "taskset", "-c", str(LOAD_CORE), "redis-benchmark", "-p", str(port),
            "-P", str(pipeline), "-r", str(keys), "-n", str(requests), "-c", str(CLIENTS), "--csv",
            *what,
        ],
        capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False,
    )  # fmt: skip


def load(port: int, test: str, pipeline: int, keys: int, requests: int) -> tuple[float, float]:
    """One run of redis-benchmark: requests/s and p99 in ms."""
    done = benchmark(port, pipeline, keys, requests, "-t", test.lower())
    rows = list(csv.DictReader(done.stdout.splitlines()))
    if done.returncode != 0 or len(rows) != 1:
        raise BenchError(f"redis-benchmark {test} failed: {done.stdout}{done.stderr}")
    return float(rows[0]["rps"]), float(rows[0]["p99_latency_ms"])


def measure(candidate: Candidate, test: str, pipeline: int, keys: int, requests: int) -> Result:
    """One run against one server, and what it cost the server."""
    count = requests // candidate.share()
    writer = None
    if candidate.peer is not None and candidate.peer_is_written:
        writer = subprocess.Popen(
            [
                "taskset", "-c", str(LOAD_CORE), sys.executable, "-m", "bench.trickle",
                str(candidate.peer.port), test, str(keys),
            ],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert writer.stdout is not None
        writer.stdout.readline()  # it has begun
    try:
        before = candidate.server.cpu_ns()
        requests_s, p99_ms = load(candidate.server.port, test, pipeline, keys, count)
        spent = candidate.server.cpu_ns() - before
    finally:
        if writer is not None:
            writer.communicate(timeout=RUN_TIMEOUT_S)  # closes its input: it ends
    if candidate.peer is not None:
        await_follower(candidate.server, candidate.peer)
        await_follower(candidate.peer, candidate.server)
    return Result(requests_s, p99_ms, spent / count)


def candidates(stack: ExitStack, test: str, pipeline: int) -> list[Candidate]:
    """Fresh servers for one test: what the last test left would weigh on the next."""
    found = [
        Candidate("redis", stack.enter_context(redis())),
        Candidate("alone", stack.enter_context(ours("alone"))),
    ]
    for name, options in (
        ("keydb", ()),
        ("keydb active", ("--active-replica", "yes")),
    ):
        server = keydb(name, *options)
        if server is not None:
            found.append(Candidate(name, stack.enter_context(server)))
    first, second = pair()
    stack.enter_context(first)
    stack.enter_context(second)
    found.append(Candidate("active", first, second))
    if test != "GET":
        found.append(Candidate("both written", first, second, peer_is_written=True))
    if pipeline == 1:
        found.append(Candidate("pure", stack.enter_context(ours("pure", pure=True))))
    return found


def run_test(test: str, pipeline: int, keys: int, rounds: int, requests: int) -> list[Candidate]:
    """All rounds of one test; the first is not kept."""
    with ExitStack() as stack:
        all_of_them = candidates(stack, test, pipeline)
        for each in all_of_them:
            if not each.peer_is_written:
                filling = min(FILL_REQUESTS, 4 * keys) // each.share()
                load(each.server.port, "SET" if test == "GET" else test, 16, keys, filling)
        for number in range(rounds + 1):
            for each in reversed(all_of_them) if number % 2 else all_of_them:
                result = measure(each, test, pipeline, keys, requests)
                if number > 0:
                    each.results.append(result)
        return all_of_them


def ratios(
    candidate: Candidate, base: Candidate, of: Callable[[Result, Result], float]
) -> list[float]:
    """One ratio a round."""
    return [
        of(mine, other) for mine, other in zip(candidate.results, base.results, strict=True)
    ]


def rows_of(test: str, pipeline: int, found: list[Candidate]) -> list[tuple[str, ...]]:
    """A row for each server; ratios above 1 are better than Redis."""
    base = found[0]
    rows: list[tuple[str, ...]] = []
    for each in found:
        rps = ratios(each, base, lambda mine, other: mine.requests_s / other.requests_s)
        cpu = ratios(each, base, lambda mine, other: other.cpu_ns / mine.cpu_ns)
        rows.append((
            test, f"P={pipeline}", each.name,
            f"{statistics.median(result.requests_s for result in each.results):.0f}",
            "" if each is base else middle(rps),
            f"{statistics.median(result.cpu_ns for result in each.results):.0f}",
            "" if each is base else middle(cpu),
            f"{statistics.median(result.p99_ms for result in each.results):.2f}",
        ))  # fmt: skip
    return rows


def run(rounds: int, quick: bool) -> None:
    """Prints a table for each range of keys (`quick`: 2 rounds of a quarter, 100,000 keys only)."""
    require_tools("redis-benchmark", "taskset")
    require_compiled()
    rounds = min(rounds, 2) if quick else rounds
    if SERVER_CORE == LOAD_CORE:
        print("one core only: servers and load share it, and ratios say little\n")
    load_1m = os.getloadavg()[0]
    print(
        f"{rounds} rounds after one of warming up; {CLIENTS} clients; server on core"
        f" {SERVER_CORE}, load and peer on core {LOAD_CORE}; load average {load_1m:.1f}\n"
        "ratios to Redis in the same round, above 1 is better: median [least-greatest]\n"
    )
    heading = ("", "", "server", "requests/s", "ratio", "CPU ns", "ratio", "p99 ms")
    for keys in KEY_RANGES[:1] if quick else KEY_RANGES:
        rows: list[tuple[str, ...]] = [heading]
        for pipeline, requests in REQUESTS.items():
            for test in TESTS:
                count = requests // 4 if quick else requests
                rows += rows_of(test, pipeline, run_test(test, pipeline, keys, rounds, count))
        print(f"-r {keys}\n\n{table(rows)}\n", flush=True)
