"""Rounds of partition, crash and overflow on real nodes that write every type to their append-only
files: what was acknowledged holds, and all nodes are equal within seconds of healing.

PLEXIS_ROUNDS and PLEXIS_ROUND_WRITES make it longer: `make soak` plays 20 rounds and some 100,000
writes on two, three and five nodes. The seed is printed.
"""

from __future__ import annotations

import os
import random
import time
from functools import partial

import pytest

from tests.support.servers import wait_until
from tests.wire.mesh_rounds import Ledger, Writer, check
from tests.wire.mesh_support import Mesh, are_up

pytestmark = pytest.mark.wire

ROUNDS = int(os.environ.get("PLEXIS_ROUNDS", "2"))
WRITES = int(os.environ.get("PLEXIS_ROUND_WRITES", "1500"))  # of all nodes in a round
EQUAL_S = 5.0  # from healing until all show the same
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")
SMALL_BACKLOG = "16kb"
USUAL_BACKLOG = "64mb"


def equal(mesh: Mesh) -> bool:
    """Are all links up and all digests the same?"""
    if not all(are_up(node, len(mesh.nodes) - 1) for node in mesh.nodes):
        return False
    return len({node.digest() for node in mesh.nodes}) == 1


def run_round(mesh: Mesh, rng: random.Random, ledger: Ledger, number: int) -> float:
    """Breaks something, writes everywhere, breaks more, heals. Seconds until all were equal."""
    count = len(mesh.nodes)
    backlog = SMALL_BACKLOG if number % 3 == 2 else USUAL_BACKLOG
    for node in mesh.nodes:
        node.ask("CONFIG", "SET", "repl-backlog-size", backlog)
    pairs = [(a, b) for a in range(count) for b in range(a)]
    cut = rng.sample(pairs, rng.randint(1, len(pairs)))
    for pair in cut:
        mesh.cut(*pair)
    each = WRITES // count
    writers = [Writer(node, at, ledger, number * each, each) for at, node in enumerate(mesh.nodes)]
    for writer in writers:
        writer.start()
    if number % 2:
        victim = rng.choice(mesh.nodes)
        time_s = rng.uniform(0.05, 0.3)
        wait_until(partial(has_written, ledger, time_s), "some writes")
        victim.kill()
        victim.start()
    for writer in writers:
        writer.join()
        if writer.error is not None:
            raise writer.error
    for pair in cut:
        mesh.heal(*pair)
    return await_equal_within(mesh, EQUAL_S)


def await_equal_within(mesh: Mesh, limit_s: float) -> float:
    """Seconds until all links are up and all nodes show the same; fails above the limit."""
    began_s = time.monotonic()
    wait_until(partial(equal, mesh), "the nodes to be equal", 10 * limit_s)
    took_s = time.monotonic() - began_s
    assert took_s <= limit_s
    return took_s


def has_written(ledger: Ledger, share: float) -> bool:
    """Was this share of a round's writes acknowledged?"""
    with ledger.lock:
        return ledger.acknowledged % WRITES >= share * WRITES


@pytest.mark.parametrize("count", [2, 3, 5])
def test_what_was_acknowledged_holds_through_partition_crash_and_overflow(
    count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("PLEXIS_ROUND_SEED", "1"))
    rng = random.Random(f"{seed}:{count}")
    ledger = Ledger()
    slowest_s = 0.0
    with Mesh(count, *DURABLE) as mesh:
        for number in range(ROUNDS):
            slowest_s = max(slowest_s, run_round(mesh, rng, ledger, number))
            for node in mesh.nodes:
                check(node, ledger)
    with capsys.disabled():
        print(
            f"\n{count} nodes, seed {seed}: {ROUNDS} rounds, {ledger.acknowledged} acknowledged"
            f" writes, equal within {slowest_s:.1f} s of healing"
        )
