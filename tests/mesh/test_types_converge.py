"""Seeds, type by type: whatever is written at once on networks that break, all nodes end equal.

The oracle of test_convergence.py says *what* must show for strings, counters, sets and hashes; here
no value is known beforehand, but every node must show the same to the byte: values, order,
deadlines, what DUMP says, and that must outlive a restart and a full transfer.
"""

from __future__ import annotations

import random

import pytest

from node.digest import digest_of
from tests.mesh.all_commands import AllTypes
from tests.support.seeds import seeds
from tests.support.simnode import SimNode
from tests.support.simulation import World

SEEDS = seeds()
# What a schedule's commands are of; the last ones let types meet under one key.
MIXES = (
    ("patches", "strings", "whole"),
    ("lists", "lists", "whole"),
    ("zsets", "zsets", "whole"),
    ("streams", "streams", "whole"),
    ("places", "places", "hashes", "sets"),
    ("places", "zsets", "sets", "whole"),
    ("lists",),
    ("zsets", "counters", "hashes"),
    ("patches", "lists", "zsets", "streams", "places", "sets", "hashes", "strings", "whole"),
)


# When nodes forget: see World. In the last schedules no node ever does.
FORGETS = ("mixed", "frame", "random", "")

# DUMP of these has an order that is part of the value. A hash or set has that of its additions, as
# in Redis, a stream's nodes that of its past.
BYTE_EQUAL = ("string", "list", "zset")


class OfSome(AllTypes):
    """Commands of some types, on the same few keys."""

    def __init__(self, rng: random.Random, seed: int, kinds: tuple[str, ...]) -> None:
        super().__init__(rng, seed)
        self.kinds = kinds
        self.homes = kinds if len(kinds) > 4 and seed % 3 else (kinds[0],)

    def kind(self) -> str:
        return self.rng.choice(self.kinds)

    def home(self, kind: str) -> str:
        return self.rng.choice(self.homes)


def written_at_once(seed: int) -> World:
    """Writes everywhere on links that break, crashes, saves; then equal nodes, several times."""
    kinds = MIXES[seed % len(MIXES)]
    world = World(
        seed, nodes=2 + seed % 2, backlog_bytes=(0, 4_000, 0, 9_000)[seed // 2 % 4],
        forgets=FORGETS[seed // len(MIXES) % len(FORGETS)],
    )  # fmt: skip
    rng = world.random
    client = OfSome(rng, seed, kinds)
    pairs = list(world.wires)
    crashes = seed % 5 == 3
    try:
        world.found()
        for _ in range(3):
            for _ in range(90):
                event(world, client, rng.choice(world.nodes), pairs, crashes)
                world.time_s += rng.randrange(3) / 1000.0
            world.settle()
            equal(world)
            if rng.random() < 0.3:
                restarted(world)
        if world.forgets:
            world.check_forgotten(lambda: equal(world))
    except Exception as error:
        raise AssertionError(f"{world}, {kinds}: {type(error).__name__}: {error}") from error
    return world


def event(
    world: World, client: OfSome, node: SimNode, pairs: list[tuple[int, int]], crashes: bool
) -> None:
    """One thing that happens somewhere."""
    rng = world.random
    pick = rng.random()
    if pick < 0.55:
        client.write(node)
    elif pick < 0.86:
        world.step(rng.choice(pairs))
        node.work()
    elif pick < 0.91:
        world.cut(*rng.choice(pairs))
    elif pick < 0.96:
        world.down.discard(rng.choice(pairs))
    elif pick < 0.98:
        node.begin_save()
    elif crashes and node.saves:
        # An older save holds less than the node has reported: it would have to join anew.
        data = node.saves[-1] if world.forgets else rng.choice(node.saves)
        world.crash(world.nodes.index(node), data)
        node.activate()
    else:
        node.beat()


def restarted(world: World) -> None:
    """A node is started again from a save of this moment and shows the same."""
    world.restart_alike(world.random.randrange(len(world.nodes)))
    world.settle()
    equal(world)


def equal(world: World) -> None:
    """All nodes show the same."""
    latest = max(int(node.engine.now.ms) for node in world.nodes)
    latest = max(latest, *(int(node.engine.clock.last) >> 20 for node in world.nodes))
    for node in world.nodes:
        node.engine.now.ms = latest
    first = world.nodes[0]
    shown = first.shown()
    for node in world.nodes:
        world.compare(node.name, node.shown(), shown)
        world.check_books(node)
    digests = {digest_of(node.engine.databases) for node in world.nodes}
    assert len(digests) == 1, "the digests differ"
    for (db, key), (kind, _, _) in shown.items():
        if kind not in BYTE_EQUAL:
            continue
        for node in world.nodes:
            node("SELECT", str(db))
        dumps = {node("DUMP", key.decode()) for node in world.nodes}
        assert len(dumps) == 1, f"DUMP of {key!r} in {db} differs: {dumps}"


@pytest.mark.parametrize("mix", range(len(MIXES)), ids=["+".join(each) for each in MIXES])
def test_what_is_written_at_once_is_equal_everywhere(mix: int) -> None:
    for seed in range(mix, SEEDS // 16, len(MIXES)):
        written_at_once(seed)
