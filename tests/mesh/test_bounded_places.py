"""Deadlines of keys, fields and members leave nothing behind once everybody knows them, and what
shows is the same with forgetting and without (semantics.md 4.11; 8: invariants 12 and 13)."""

from __future__ import annotations

import random

import pytest

from tests.mesh.stories import Mesh
from tests.mesh.test_departures import introduce
from tests.mesh.test_field_deadlines import MAKES, REMOVES, deadline, expire
from tests.mesh.test_stability import hold, left
from tests.mesh.test_types_converge import OfSome, equal, event, restarted
from tests.support.remembered import remembered
from tests.support.seeds import seeds
from tests.support.simnode import SimNode
from tests.support.simulation import World

SEEDS = seeds(50)
MIXES = (
    ("places", "places", "hashes", "sets"),
    ("places", "zsets", "sets", "whole"),
    ("places", "counters", "hashes"),
    ("places",),
)


def pair() -> tuple[Mesh, SimNode, SimNode]:
    mesh = Mesh("ab", forgets="beat")
    return mesh, mesh.nodes[0], mesh.nodes[1]


def trio() -> tuple[Mesh, SimNode, SimNode, SimNode]:
    mesh = Mesh("abc", forgets="beat")
    return mesh, mesh.nodes[0], mesh.nodes[1], mesh.nodes[2]


class Forgetful(Mesh):
    """One in which only some forget: those that `who` names."""

    who = "ab"

    def forgets_at(self, node: SimNode) -> str:
        return self.forgets if node.name in self.who else ""


def show(mesh: Mesh) -> None:
    """What is past its deadline goes out of sight."""
    for node in mesh.nodes:
        node.wake()
        node.shown()


# --- claims -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MAKES)
def test_deadlines_that_everybody_has_need_no_claims(kind: str) -> None:
    mesh, a, b = pair()
    a(*MAKES[kind])
    mesh.heal()
    mesh.cut_all()
    expire(mesh, a, "m", 50_000)
    expire(mesh, b, "m", 90_000)
    expire(mesh, b, "n", 70_000)
    mesh.heal()
    assert left(a)["deadlines"] == 2
    hold(mesh, a, b)
    assert left(a) == left(b) == {}
    assert deadline(mesh, "m") == 90_000
    assert deadline(mesh, "n") == 70_000


@pytest.mark.parametrize("kind", MAKES)
def test_a_deadline_that_was_taken_away_leaves_nothing(kind: str) -> None:
    mesh, a, b = pair()
    a(*MAKES[kind])
    expire(mesh, a, "m", 90_000)
    mesh.heal()
    assert b("PERSIST", "k", "m") == 1
    hold(mesh, a, b)
    assert left(a) == left(b) == {}
    assert deadline(mesh, "m") is None
    expire(mesh, a, "m", 60_000)  # seen by nobody as concurrent with what was forgotten
    hold(mesh, a, b)
    assert deadline(mesh, "m") == 60_000


def test_deadlines_of_keys_leave_nothing() -> None:
    mesh, a, b = pair()
    a("SADD", "s", "x")
    a("SET", "k", "v", "PX", "500000")
    a("INCR", "n")
    mesh.heal()
    mesh.cut_all()
    a("PEXPIRE", "s", "100000")
    b("PEXPIRE", "s", "300000")
    b("PERSIST", "k")
    a("GETEX", "k", "PX", "800000")
    b("PEXPIRE", "n", "200000")
    mesh.heal()
    hold(mesh, a, b)
    assert left(a) == left(b) == {}
    assert mesh.both("TTL", "k") == -1
    assert mesh.both("PTTL", "s") != -1


# --- places past their deadline -----------------------------------------------------------------


@pytest.mark.parametrize("kind", MAKES)
def test_a_place_past_its_deadline_goes_when_nothing_can_extend_it(kind: str) -> None:
    mesh, a, b = pair()
    a(*MAKES[kind])
    expire(mesh, a, "m", 10_000)
    mesh.heal()
    mesh.at(20_000)
    show(mesh)
    assert left(a)["deadlines"] == 2  # the place and its claims
    hold(mesh, a, b)
    hold(mesh, a, b)
    assert left(a) == left(b) == {}


@pytest.mark.parametrize("kind", MAKES)
def test_a_place_past_its_deadline_stays_while_it_may_have_been_extended(kind: str) -> None:
    mesh, a, b = pair()
    a(*MAKES[kind])
    expire(mesh, a, "m", 10_000)
    hold(mesh, a, b)
    mesh.cut_all()
    mesh.at(9_000)
    expire(mesh, b, "m", 90_000)
    mesh.at(20_000)
    show(mesh)
    hold(mesh, a)
    mesh.heal()
    assert deadline(mesh, "m") == 90_000
    hold(mesh, a, b)
    assert left(a) == left(b) == {}


def test_a_counter_past_its_deadline_keeps_its_increments_until_it_goes() -> None:
    mesh, a, b = pair()
    a("HSET", "k", "m", "5", "n", "1")
    mesh.heal()
    a("HINCRBY", "k", "m", "2")
    expire(mesh, a, "m", 10_000)
    mesh.heal()
    mesh.cut_all()
    mesh.at(9_500)
    expire(mesh, b, "m", 90_000)
    mesh.at(20_000)
    show(mesh)
    mesh.down.discard((1, 0))
    for _ in range(3):  # all that a has is stable, but for what b has written since
        a.save()
        b.save()
        a.beat()
        a.forget_now()
    mesh.heal()
    assert mesh.both("HGET", "k", "m") == b"7"
    hold(mesh, a, b)
    assert left(a) == left(b) == {}


@pytest.mark.parametrize("who", ["", "a", "b", "ab"])
@pytest.mark.parametrize(
    ("kind", "again", "shown"),
    [
        ("hash", ("HINCRBY", "k", "m", "7"), ("HGET", "k", "m")),
        ("set", ("SADD", "k", "m"), ("SMISMEMBER", "k", "m", "n")),
        ("zset", ("ZINCRBY", "k", "7", "m"), ("ZCOUNT", "k", "7", "7")),
    ],
)
def test_a_place_past_its_deadline_is_made_anew_whoever_has_forgotten_it(
    kind: str, again: tuple[str, ...], shown: tuple[str, ...], who: str
) -> None:
    mesh = Forgetful("ab", forgets="beat")
    a, b = mesh.nodes
    mesh.who = who
    a(*MAKES[kind])
    expire(mesh, a, "m", 10_000)
    mesh.heal()
    mesh.at(20_000)
    show(mesh)
    hold(mesh, a, b)
    hold(mesh, a, b)
    for node in mesh.nodes:
        assert left(node).get("deadlines", 0) == (0 if node.name in who else 2)
    a(*again)
    fresh = {"hash": b"7", "set": [1, 1], "zset": 1}[kind]
    mesh.heal()  # the oracle says so too
    assert mesh.ordered(*shown) == fresh
    assert deadline(mesh, "m") is None
    mesh.who = "ab"
    for _ in range(3):
        hold(mesh, a, b)
    assert left(a) == left(b) == {}
    assert mesh.ordered(*shown) == fresh


# --- claims without a place ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["set", "zset"])
@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_a_deadline_whose_place_was_removed_never_hits_a_new_one(kind: str, steps: int) -> None:
    """Whoever makes the place anew, before it is forgotten or after: it has no deadline."""
    mesh, a, b, c = trio()
    a(*MAKES[kind])
    hold(mesh, a, b, c)
    mesh.cut_all()
    a(REMOVES[kind], "k", "m")
    expire(mesh, b, "m", 90_000)
    mesh.heal()
    assert left(a).get("deadlines") == 1
    for _ in range(steps):
        hold(mesh, a, b, c)
    if steps == 3:
        assert left(a) == left(b) == left(c) == {}
    assert c(*MAKES[kind]) == 1
    mesh.heal()
    assert deadline(mesh, "m") is None
    for _ in range(3):
        hold(mesh, a, b, c)
    assert left(a) == left(b) == left(c) == {}


def test_claims_of_a_removed_place_outlive_a_restart_that_comes_between() -> None:
    mesh, a, b = pair()
    a("SADD", "k", "m", "n")
    hold(mesh, a, b)
    mesh.cut_all()
    a("SREM", "k", "m")
    expire(mesh, b, "m", 90_000)
    mesh.heal()
    hold(mesh, a, b)
    mesh.restart(0)
    a = mesh.nodes[0]
    mesh.heal()
    assert b("SADD", "k", "m") == 1
    mesh.heal()
    assert deadline(mesh, "m") is None
    for _ in range(4):
        hold(mesh, a, b)
    assert left(a) == left(b) == {}


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize(
    "again", [("HINCRBY", "k", "m", "5"), ("SADD", "k", "m"), ("ZINCRBY", "k", "5", "m")]
)
def test_a_deadline_that_was_there_before_its_place_leaves_nothing(
    again: tuple[str, ...], restarts: bool
) -> None:
    """It is stable before the write that made the place, which nobody had noted as one that has a
    deadline: after a restart nothing is known of these yet."""
    mesh, a, b, c = trio()
    kind = {"HINCRBY": "hash", "SADD": "set", "ZINCRBY": "zset"}[again[0]]
    a(*MAKES[kind])
    hold(mesh, a, b, c)
    mesh.cut_all()
    a(REMOVES[kind], "k", "m")
    expire(mesh, b, "m", 90_000)
    mesh.up(a, c)
    c(*again)  # it has seen the removal, and not the deadline
    mesh.up(b, c)
    mesh.up(a, b)
    mesh.up(b, a)
    if restarts:
        mesh.restart(1)
        b = mesh.nodes[1]
    mesh.flow()
    b.beat()
    mesh.up(c, b)
    for _ in range(3):  # all but what c has written, which a does not have
        mesh.time_s += 1.0
        for node in mesh.nodes:
            node.save()
            node.beat()
        mesh.flow()
    mesh.heal()
    for _ in range(4):
        hold(mesh, a, b, c)
    assert left(a) == left(b) == left(c) == {}
    assert deadline(mesh, "m") == 90_000


def test_what_a_type_that_lost_has_past_its_deadline_goes_with_it() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    a("HSET", "k", "m", "1", "n", "2")
    expire(mesh, a, "m", 10_000)
    mesh.at(100)
    b("SADD", "k", "x")
    mesh.at(20_000)
    show(mesh)
    mesh.heal()
    assert mesh.both("SMEMBERS", "k") == frozenset({b"x"})
    for _ in range(3):
        hold(mesh, a, b)
    assert left(a) == left(b) == {}


# --- seeds --------------------------------------------------------------------------------------


def play(seed: int, forgets: str, introduced: bool = True) -> World:
    """Writes everywhere on links that break, saves, crashes; then nothing is remembered."""
    kinds = MIXES[seed % len(MIXES)]
    world = World(
        seed, nodes=2 + seed % 2, backlog_bytes=(0, 4_000, 0, 9_000)[seed // 2 % 4],
        forgets=forgets,
    )  # fmt: skip
    rng = world.random
    if introduced:
        introduce(world)
    client = OfSome(rng, seed, kinds)
    pairs = list(world.wires)
    for _ in range(3):
        for _ in range(90):
            node = rng.choice(world.nodes)
            del node.saves[:-1]  # what was said to be on disk is there after a crash
            event(world, client, node, pairs, seed % 5 == 3)
            world.time_s += rng.randrange(3) / 1000.0
        world.settle()
        equal(world)
        if rng.random() < 0.3:
            restarted(world)
    nothing_left(world)
    return world


def nothing_left(world: World) -> None:
    """A minute later, when all that was soon to go has gone, nothing is remembered."""
    world.time_s += 60.0
    world.settle()
    equal(world)
    for _ in range(9):
        for node in world.nodes:
            node.save()
            node.beat()
            world.flow()
    equal(world)
    for node in world.nodes:
        node.forget()
        found = remembered(node.engine.databases, node.member.memory)
        if node.sums_beyond():  # exact sums that 64 bits do not hold have no other form
            found["increments"] = found["rare"] = found["fields"] = 0
        assert not any(found.values()), f"{world}: {node.name} remembers {found}"


@pytest.mark.parametrize("forgets", ["frame", "random", "beat"])
def test_seeds_of_deadlines_end_equal_and_with_nothing_remembered(forgets: str) -> None:
    for seed in range(SEEDS):
        try:
            play(seed, forgets)
        except Exception as error:
            raise AssertionError(f"seed {seed}, {forgets}: {error}") from error


@pytest.mark.parametrize("seed", [1, 5])
def test_nodes_that_write_before_they_know_each_other_end_equal(seed: int) -> None:
    play(seed, "beat", introduced=False)


def test_the_client_of_these_seeds_writes_deadlines() -> None:
    client = OfSome(random.Random(1), 0, ("places",))
    node = World(1, nodes=1).nodes[0]
    names = {client.command(node)[0] for _ in range(200)}
    assert {"HPEXPIREAT", "HPERSIST", "HGETEX", "HSETEX", "PEXPIREMEMBERAT"} <= names
