"""Seeds over every type. Written in turn all nodes are equal; written at once nothing breaks, and a
flush that has seen everything takes everything."""

from __future__ import annotations

import pytest

from node.digest import digest_of
from node.resp.replies import Failure
from tests.mesh.all_commands import AllTypes
from tests.support.seeds import seeds
from tests.support.simulation import World

SEEDS = seeds()
SHARDS = 8


def told(world: World, error: BaseException) -> AssertionError:
    """What went wrong, and with which seed."""
    return AssertionError(f"{world}: {type(error).__name__}: {error}")


def written_in_turn(seed: int) -> World:
    """One node writes, all others take it in, then perhaps another writes."""
    world = World(seed, nodes=2 + seed % 2, backlog_bytes=(0, 0, 6_000)[seed % 3])
    rng = world.random
    client = AllTypes(rng, seed)
    try:
        for _ in range(6):
            node = rng.choice(world.nodes)
            for _ in range(25):
                client.write(node)
                world.time_s += rng.randrange(3) / 1000.0
                if rng.random() < 0.2:
                    world.flow()
            world.settle()
            equal(world)
            event = rng.random()
            if event < 0.25:
                restart(world)
            elif event < 0.35 and len(world.nodes) < 4:
                world.add(f"late{len(world.nodes)}")
                world.settle()
                equal(world)
    except Exception as error:
        raise told(world, error) from error
    return world


def restart(world: World) -> None:
    """A node is started again from a save of this moment and shows the same."""
    world.restart_alike(world.random.randrange(len(world.nodes)))
    world.settle()
    equal(world)


def equal(world: World) -> None:
    """All nodes show the same."""
    world.check()
    digests = {digest_of(node.engine.databases) for node in world.nodes}
    assert len(digests) == 1, "the digests differ"


def written_at_once(seed: int) -> World:
    """Writes everywhere on links that break; then one node flushes and writes anew."""
    world = World(seed, nodes=2 + seed % 2, backlog_bytes=(0, 4_000)[seed % 2])
    rng = world.random
    client = AllTypes(rng, seed)
    pairs = list(world.wires)
    try:
        for _ in range(3):
            for _ in range(80):
                node = rng.choice(world.nodes)
                event = rng.random()
                if event < 0.6:
                    client.write(node)
                else:
                    world.shake(event, node, pairs, cuts_from=0.9)
                world.time_s += rng.randrange(3) / 1000.0
            world.settle()
            for node in world.nodes:
                world.check_books(node)
            if rng.random() < 0.3:
                world.restart(rng.randrange(len(world.nodes)))
                world.settle()
        rewritten(world, client)
    except Exception as error:
        raise told(world, error) from error
    return world


def rewritten(world: World, client: AllTypes) -> None:
    """What one node flushes, having seen everything, is gone everywhere."""
    first = world.random.choice(world.nodes)
    assert not isinstance(first("FLUSHALL"), Failure)
    world.settle()
    for node in world.nodes:
        assert node.shown() == {}, f"{node.name} shows {node.shown()} after a flush"
    for _ in range(40):
        client.write(first)
    world.settle()
    equal(world)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_what_is_written_in_turn_is_equal_everywhere(shard: int) -> None:
    for seed in range(shard, SEEDS // 32, SHARDS):
        written_in_turn(seed)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_what_is_written_at_once_breaks_nothing(shard: int) -> None:
    for seed in range(shard, SEEDS // 32, SHARDS):
        written_at_once(seed)
