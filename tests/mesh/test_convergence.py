"""Seeds: random writes on random networks end with equal nodes that show what the oracle says."""

from __future__ import annotations

import os

import pytest

from tests.mesh.commands import random_write
from tests.support.simulation import World

SEEDS = int(os.environ.get("PLEXIS_SEEDS", "200"))
SHARDS = 16


def run(seed: int, steps: int = 160) -> World:
    """One schedule: writes, deliveries, cuts, saves, crashes; then healing and the oracle."""
    backlog = 0 if seed % 3 else 20_000
    world = World(seed, nodes=2 + seed % 2, backlog_bytes=backlog)
    rng = world.random
    pairs = list(world.wires)
    for _ in range(steps):
        world.time_s += rng.randrange(0, 4) / 1000.0
        pick = rng.random()
        at = rng.randrange(len(world.nodes))
        node = world.nodes[at]
        if pick < 0.50:
            random_write(node, rng)
            world.counts["writes"] += 1
        elif pick < 0.86:
            world.step(rng.choice(pairs))
        elif pick < 0.89:
            pair = rng.choice(pairs)
            if pair in world.down:
                world.down.discard(pair)
            else:
                world.down.add(pair)
                world.wires[pair].cut()
                world.counts["cut"] += 1
        elif pick < 0.93:
            node.wake()
            node.member.heartbeat()
            node.member.backlog.flush()
        elif pick < 0.97:
            node.save()
        elif pick < 0.985:
            node.wake()
            node.engine.tick(world.time_s + node.skew_ms / 1000.0)
        else:
            world.crash(at)
    world.settle()
    world.check()
    return world


@pytest.mark.parametrize("shard", range(SHARDS))
def test_random_schedules_converge_to_what_the_oracle_says(shard: int) -> None:
    for seed in range(shard, SEEDS, SHARDS):
        try:
            run(seed)
        except AssertionError:
            raise
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error
