"""`python -m tests.support.soak --seeds 100000`: plays plans until all are played or one fails.

Seeds go to processes in order, so that the first failure is nearly the lowest seed that fails; it
is shrunk and printed as a test, and the exit code is 1. Progress is a line now and then.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice

from node.build import compiled
from tests.support.plan import Plan, drawn
from tests.support.play import Violation, play
from tests.support.shrink import shortest

BATCH = 50  # seeds a process takes at once
WAITING_MOST = 4  # batches that a process has before it
TOLD_S = 10.0


@dataclass(frozen=True)
class Choice:
    """Which plans: `forgets` as for `drawn`, and whether members depart."""

    forgets: str | None
    departs: bool

    def plan(self, seed: int) -> Plan:
        """The plan of a seed."""
        return drawn(seed, forgets=self.forgets, departs=self.departs)


def failing(seeds: list[int], choice: Choice) -> int:
    """The first seed that fails, -1 where none does."""
    for seed in seeds:
        try:
            play(choice.plan(seed))
        except Violation:
            return seed
    return -1


def batches(first: int, count: int) -> Iterator[list[int]]:
    """The seeds, so many at a time."""
    seeds = iter(range(first, first + count))
    while batch := list(islice(seeds, BATCH)):
        yield batch


def soak(first: int, count: int, jobs: int, choice: Choice) -> int:
    """Plays the seeds; the lowest that is known to fail, -1 where none does."""
    todo = batches(first, count)
    played = 0
    found: list[int] = []
    began_s = told_s = time.monotonic()
    running: dict[Future[int], int] = {}
    with ProcessPoolExecutor(jobs) as pool:
        while True:
            for batch in islice(todo, 0 if found else jobs * WAITING_MOST - len(running)):
                running[pool.submit(failing, batch, choice)] = len(batch)
            if not running:
                return min(found, default=-1)
            done, _ = wait(running, timeout=TOLD_S, return_when=FIRST_COMPLETED)
            for each in done:
                played += running.pop(each)
                if each.result() >= 0:
                    found.append(each.result())
            now_s = time.monotonic()
            if now_s - told_s >= TOLD_S or not running:
                told_s = now_s
                rate = played / max(now_s - began_s, 0.001)
                print(
                    f"{played} of {count} seeds, {rate:.0f} a second,"
                    f" {len(found)} failed", flush=True,
                )  # fmt: skip


def main() -> int:
    """0: no seed failed."""
    parser = argparse.ArgumentParser(description="plays plans of the simulated mesh")
    parser.add_argument("--seeds", type=int, default=50_000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--forgets", choices=("off", "frame", "random", "seed"), default="seed",
                        help="mesh-forget: in no plan, after every frame, at random, or as each"
                             " seed says")  # fmt: skip
    parser.add_argument("--departs", action=argparse.BooleanOptionalAction, default=True,
                        help="members leave, are expelled and come back")  # fmt: skip
    args = parser.parse_args()
    build = "compiled" if compiled() else "pure Python"
    print(f"{build}, PYTHONHASHSEED={os.environ.get('PYTHONHASHSEED', 'random')}", flush=True)
    forgets = {"off": "", "seed": None}.get(args.forgets, args.forgets)
    choice = Choice(forgets, args.departs)
    seed = soak(args.first, args.seeds, args.jobs, choice)
    if seed < 0:
        return 0
    try:
        play(choice.plan(seed))
    except Violation as violation:
        print(shortest(violation))
    else:
        print(f"seed {seed} failed once and not again: set PYTHONHASHSEED")
    return 1


if __name__ == "__main__":
    sys.exit(main())
