"""Time from a write on one node until a read on the other shows it, on loopback.

One client writes a key on A and, when A has answered, reads it on B again and again until the value
is there; counted from before the write. What a write and a read take by themselves is printed
beside it: no visibility can be shorter than both together.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Final

from bench.servers import LOAD_CORE, ROOT, SERVER_CORE, Client, pair, require_compiled
from bench.tables import BenchError, percentile, table

WRITES: Final = 5_000
QUICK_WRITES: Final = 1_000
TIMEOUT_S: Final = 10.0
KEYS: Final = 100  # of those the probe writes; none that the trickle writes


def see(near: Client, far: Client, number: int) -> tuple[int, int, int]:
    """Nanoseconds until write number `number` was seen, of the write, and of the last read."""
    key = b"probe:%d" % (number % KEYS)
    value = b"%d" % number
    begin = time.perf_counter_ns()
    near.call(b"SET", key, value)
    answered = time.perf_counter_ns()
    while True:
        asked = time.perf_counter_ns()
        found = far.call(b"GET", key)
        now = time.perf_counter_ns()
        if found == value:
            return now - begin, answered - begin, now - asked
        if now - begin > TIMEOUT_S * 1e9:
            raise BenchError(f"write {number} was not seen on the other node in {TIMEOUT_S:g} s")


def probe(near_port: int, far_port: int, writes: int) -> list[tuple[str, ...]]:
    """Percentiles of so many writes, a row each."""
    near, far = Client(near_port), Client(far_port)
    for number in range(writes // 10):
        see(near, far, number)
    seen = [see(near, far, number) for number in range(writes)]
    near.close()
    far.close()
    rows: list[tuple[str, ...]] = []
    for name, at in (("seen on B", 0), ("answered by A", 1), ("one read on B", 2)):
        times_ms = [each[at] / 1e6 for each in seen]
        shown = [f"{percentile(times_ms, percent):.3f}" for percent in (50, 90, 99, 99.9, 100)]
        rows.append((name, *shown))
    return rows


def run(rounds: int, quick: bool) -> None:
    """Prints percentiles in ms, with A idle and with A and B written to. `rounds` is not used."""
    require_compiled()
    writes = QUICK_WRITES if quick else WRITES
    first, second = pair()
    cores = os.sched_getaffinity(0)
    with first, second:
        os.sched_setaffinity(0, {SERVER_CORE})  # B's core is free to apply while we ask
        try:
            idle = probe(first.port, second.port, writes)
            writers = [trickle(first.port), trickle(second.port)]
            try:
                busy = probe(first.port, second.port, writes)
            finally:
                for writer in writers:
                    writer.communicate(timeout=TIMEOUT_S)
        finally:
            os.sched_setaffinity(0, cores)
    heading = ("ms", "p50", "p90", "p99", "p99.9", "most")
    print(f"{writes} writes, one at a time; nothing else is written\n\n{table([heading, *idle])}\n")
    print(f"the same while each node is sent 16,000 SET/s\n\n{table([heading, *busy])}")


def trickle(port: int) -> subprocess.Popen[bytes]:
    """A steady writer that has begun; `communicate` ends it."""
    writer = subprocess.Popen(
        [
            "taskset", "-c", str(LOAD_CORE), sys.executable, "-m", "bench.trickle", str(port),
            "SET", "100000",
        ],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert writer.stdout is not None
    writer.stdout.readline()
    return writer
