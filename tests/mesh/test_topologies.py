"""Meshes that are not complete: each stream reaches every node over the links there are, each frame
crosses each link at most once, comes to each node once, and never goes back to its writer."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from mesh.dots import uuid_text
from mesh.topology import RELAY_AFTER_S
from tests.support.simulation import World

RING = tuple((at, (at + 1) % 5) for at in range(5))
HUB = tuple((0, at) for at in range(1, 5))
LINE = tuple((at, at + 1) for at in range(4))
# Two triangles that share a bridge, and a link across.
CUSTOM = ((0, 1), (1, 2), (2, 0), (2, 3), (3, 4))
COMPLETE = tuple((a, b) for a in range(5) for b in range(a))
SHAPES = {"ring": RING, "hub": HUB, "line": LINE, "custom": CUSTOM, "complete": COMPLETE}

Pairs = tuple[tuple[int, int], ...]


def shaped(pairs: Pairs, seed: int = 1) -> World:
    """Five nodes with these links only, all up, nothing on its way."""
    world = World(seed, nodes=5)
    world.only_links(*pairs)
    world.settle()
    return world


def write_everywhere(world: World, rounds: int = 3, first: int = 0) -> None:
    """Each node from the first on writes, and everything flows."""
    for number in range(rounds):
        for node in world.nodes[first:]:
            node("SADD", "s", f"{node.name}-{number}")
            node("INCR", "n")
            node("SET", "k", f"{node.name}-{number}")
        world.time_s += 0.01
        world.flow()


def relayed(world: World) -> int:
    """How many frames went over a link whose source had not written them."""
    return sum(
        text != wire.source.streams.own.text
        for wire in world.wires.values() for text, _ in wire.frames()
    )  # fmt: skip


def check_counts(world: World) -> None:
    """Each node is sent each frame of each other node exactly once, over whatever link."""
    for at, node in enumerate(world.nodes):
        came: Counter[tuple[bytes, int]] = Counter()
        for (_, target), wire in world.wires.items():
            if target == at:
                came.update(wire.frames())
        assert set(came.values()) == {1}, f"{node.name} is sent a frame twice"
        assert node.streams.own.text not in {text for text, _ in came}
        assert {text for text, _ in came} == {
            uuid_text(each.streams.own.uuid) for each in world.nodes if each is not node
        }


@pytest.mark.parametrize("shape", SHAPES)
def test_every_frame_comes_to_every_node_exactly_once(shape: str) -> None:
    world = shaped(SHAPES[shape])
    world.count_frames()
    write_everywhere(world)
    assert world.is_level(), "frames arrived by themselves, no link had to be asked again"
    check_counts(world)
    world.check()


def test_where_all_are_linked_nothing_is_relayed() -> None:
    world = shaped(COMPLETE)
    world.count_frames()
    write_everywhere(world)
    assert relayed(world) == 0


def test_a_ring_goes_the_other_way_round_when_a_link_is_cut() -> None:
    world = shaped(RING)
    write_everywhere(world, 1)
    world.part(0, 1)
    world.time_s += RELAY_AFTER_S + 0.1
    for _ in range(3):  # offers come, and then the link is still down
        for node in world.nodes:
            node.beat()
        world.time_s += RELAY_AFTER_S + 0.1
        world.flow()
    world.count_frames()
    write_everywhere(world)
    assert world.is_level()
    check_counts(world)
    world.settle()
    world.count_frames()
    write_everywhere(world)
    assert world.is_level()
    check_counts(world)
    assert world.wires[0, 1].frames(), "the link that is back is used again"
    world.check()


def test_a_cut_that_parts_the_mesh_heals_over_what_comes_back() -> None:
    world = shaped(LINE)
    world.part(1, 2)
    world.flow()
    write_everywhere(world)
    assert not world.is_level()
    world.settle()
    assert world.is_level()
    world.check()


def test_a_hub_that_dies_comes_back_with_a_new_stream_and_serves_all() -> None:
    world = shaped(HUB)
    write_everywhere(world)
    world.nodes[0].save()
    write_everywhere(world)
    world.crash(0, world.nodes[0].saves[-1])
    write_everywhere(world, 1, 1)  # the spokes alone
    world.settle()
    world.count_frames()
    write_everywhere(world)
    assert world.is_level()
    check_counts(world)
    world.check()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("shape", ["ring", "hub", "line", "custom"])
def test_any_shape_converges_after_cuts_crashes_and_transfers(shape: str, seed: int) -> None:
    world = World(seed, nodes=5, backlog_bytes=4096 if seed % 3 == 0 else 0)
    world.only_links(*SHAPES[shape])
    dice = random.Random(seed)
    links = [pair for pair in world.wires if pair not in world.missing]
    for _ in range(150):
        world.time_s += 0.001
        what = dice.random()
        node = dice.choice(world.nodes)
        if what < 0.4:
            node("SADD", "s", str(dice.randrange(20)))
            node("INCRBY", "n", str(dice.randrange(9)))
        elif what < 0.5:
            node("SREM", "s", str(dice.randrange(20)))
        elif what < 0.9:
            world.step(dice.choice(links))
            node.work()
        elif what < 0.94:
            world.cut(*dice.choice(links))
        elif what < 0.97:
            world.down -= {dice.choice(links)}
        elif what < 0.98:
            node.begin_save()
        elif what < 0.985 and node.saves:
            world.crash(world.nodes.index(node), node.saves[-1])
            while not node.resolver.active and not node.activate():
                node.work()
        node.beat()
    world.settle(40)
    world.check()
