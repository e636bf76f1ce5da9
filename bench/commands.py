"""Every test of redis-benchmark, as it runs without -t, on our node alone and on Redis 8.2.3.

All tests run to their end against one server, then against the other, in turn round by round; the
ratio of each test is made inside a round. `-r` spreads ZADD's members and the keys over 100,000.
"""

from __future__ import annotations

import csv
import statistics
from typing import Final

from bench.ratios import benchmark
from bench.servers import Process, ours, redis, require_compiled, require_tools
from bench.tables import BenchError, middle, table

KEYS: Final = 100_000
REQUESTS: Final = {1: 20_000, 16: 100_000}  # of each test, by pipeline


def load(server: Process, pipeline: int, requests: int) -> dict[str, float]:
    """One run of all tests: requests/s by the test's name."""
    done = benchmark(server.port, pipeline, KEYS, requests)
    found = {
        row["test"]: float(row["rps"]) for row in csv.DictReader(done.stdout.splitlines())
    }
    if done.returncode != 0 or len(found) < 20:
        raise BenchError(f"redis-benchmark ended early: {done.stdout}{done.stderr}")
    return found


def run(rounds: int, quick: bool) -> None:
    """Prints one table for each pipeline (`quick`: one round of a quarter)."""
    require_tools("redis-benchmark", "taskset")
    require_compiled()
    rounds = 1 if quick else rounds
    for pipeline, requests in REQUESTS.items():
        count = requests // 4 if quick else requests
        runs: list[tuple[dict[str, float], dict[str, float]]] = []
        with redis() as theirs, ours("alone") as mine:
            for number in range(rounds + 1):  # the first fills and is not kept
                pair = (load(theirs, pipeline, count), load(mine, pipeline, count))
                if number > 0:
                    runs.append(pair)
        rows: list[tuple[str, ...]] = [("test", "redis requests/s", "ours", "ratio")]
        for test in runs[0][0]:
            rows.append((
                test,
                f"{statistics.median(base[test] for base, _ in runs):.0f}",
                f"{statistics.median(own[test] for _, own in runs):.0f}",
                middle([own[test] / base[test] for base, own in runs]),
            ))  # fmt: skip
        title = f"P={pipeline}, -r {KEYS}, {count} requests of each test"
        print(f"{title}\n\n{table(rows)}\n", flush=True)
