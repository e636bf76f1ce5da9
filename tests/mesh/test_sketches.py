"""HyperLogLogs in a mesh: the higher register stays, a removal takes only what it had seen
(semantics.md 4.9), and GET is equal in every byte."""

from __future__ import annotations

import random

import pytest

from tests.mesh.stories import pair
from tests.support.seeds import seeds
from tests.support.simulation import World

SEEDS = seeds(50)
SHARDS = 4


def test_elements_of_two_nodes_are_both_counted() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    a("PFADD", "h", "e1")
    b("PFADD", "h", "e2")
    mesh.heal()
    assert mesh.both("PFCOUNT", "h") == 2
    mesh.heal()
    assert isinstance(mesh.both("GET", "h"), bytes)


def test_a_deletion_takes_only_the_elements_it_had_seen() -> None:
    for first, second in ((1000, 1001), (1001, 1000)):
        mesh, a, b = pair()
        a("PFADD", "h", "e1")
        mesh.heal()
        mesh.cut_all()
        mesh.at(first)
        a("DEL", "h")
        mesh.at(second)
        b("PFADD", "h", "e2")
        mesh.heal()
        assert mesh.both("PFCOUNT", "h") == 1
        a("PFADD", "h", "e2")
        mesh.heal()
        assert mesh.both("PFCOUNT", "h") == 1


def test_a_string_that_was_set_meanwhile_hides_the_elements() -> None:
    mesh, a, b = pair()
    a("PFADD", "h", "e1")
    mesh.heal()
    mesh.cut_all()
    a("SET", "h", "text")
    b("PFADD", "h", "e2")
    mesh.heal()
    assert mesh.both("GET", "h") == b"text"


@pytest.mark.parametrize("many", [5, 2000])
def test_sketches_sparse_and_dense_are_equal_in_every_byte(many: int) -> None:
    mesh, a, b = pair()
    a("PFADD", "h", *(f"first{number}" for number in range(many)))
    mesh.heal()
    mesh.cut_all()
    for number in range(8):
        mesh.at(1000 + 10 * number)
        a("PFADD", "h", f"a{number}", f"both{number}")
        mesh.at(1000 + 10 * number + (number * 7) % 5)
        b("PFADD", "h", f"b{number}", f"both{number}")
        b("PFADD", "other", f"o{number}")
        if number % 4 == 0:
            a("PFCOUNT", "h")
            b("PFMERGE", "h", "other")
    mesh.heal()
    text = mesh.both("GET", "h")
    assert isinstance(text, bytes)
    a.save()
    mesh.crash(0, a.saves[-1])
    a.activate()
    mesh.add("late")
    mesh.heal()
    assert mesh.both("GET", "h") == text


def scenario(seed: int) -> None:
    """Random sketches on links that break: in the end every node gives the same bytes."""
    world = World(seed, nodes=2 + seed % 2, backlog_bytes=(0, 3_000)[seed % 2])
    rng = random.Random(seed)
    pairs = list(world.wires)
    for _ in range(2):
        for _ in range(60):
            node = rng.choice(world.nodes)
            event = rng.random()
            key, other = rng.choice("hg"), rng.choice("hg")
            if event < 0.5:
                node(*rng.choice([
                    *[("PFADD", key, f"e{rng.randrange(50)}", f"e{rng.randrange(50)}")] * 5,
                    ("PFADD", key, *(f"{seed}{rng.random()}" for _ in range(100))),
                    ("PFADD", key), ("PFCOUNT", key), ("PFMERGE", key, other), ("DEL", key),
                    ("SET", key, "text"), ("COPY", key, other, "REPLACE"),
                ]))  # fmt: skip
            else:
                world.shake(event, node, pairs)
            world.time_s += rng.randrange(3) / 1000.0
        if rng.random() < 0.3:
            world.restart(rng.randrange(len(world.nodes)))
        world.settle()
        world.check()
        for key in "hg":
            assert len({str(node("GET", key)) for node in world.nodes}) == 1


@pytest.mark.parametrize("shard", range(SHARDS))
def test_random_sketches_end_equal_in_every_byte(shard: int) -> None:
    for seed in range(shard, SEEDS, SHARDS):
        try:
            scenario(seed)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
