"""Deadlines of fields and members in a mesh: of each place on its own the longest of concurrent
claims wins, as for keys (semantics.md 4.11)."""

from __future__ import annotations

import random

import pytest

from node.digest import digest_of
from node.store.values.container import Container
from tests.mesh.commands import Client
from tests.mesh.stories import Mesh, pair, trio
from tests.support.seeds import seeds
from tests.support.simnode import SimNode
from tests.support.simulation import World

SEEDS = seeds(25)
SHARDS = 4
MAKES = {
    "hash": ("HSET", "k", "m", "1", "n", "2"),
    "set": ("SADD", "k", "m", "n"),
    "zset": ("ZADD", "k", "1", "m", "2", "n"),
}
REMOVES = {"hash": "HDEL", "set": "SREM", "zset": "ZREM"}


def expire(mesh: Mesh, node: SimNode, place: str, ms: int) -> object:
    """The place of key k goes so many ms after the start."""
    return node("PEXPIREMEMBERAT", "k", place, mesh.deadline(ms))


def deadline(mesh: Mesh, place: str) -> object:
    """The deadline that all nodes show, in ms after the start; None where there is none."""
    start = int(mesh.deadline(0))
    found: set[object] = set()
    for node in mesh.nodes:
        value = node.engine.databases[0].glance(b"k")
        assert isinstance(value, Container)
        at = value.deadline_of(place.encode())
        found.add(at - start if at else None)
    assert len(found) == 1, found
    return found.pop()


@pytest.mark.parametrize("kind", MAKES)
@pytest.mark.parametrize("first", [1000, 1002])
def test_the_longest_of_concurrent_deadlines_wins(kind: str, first: int) -> None:
    """T1, whichever stamp is higher."""
    mesh, a, b = pair()
    a(*MAKES[kind])
    mesh.heal()
    mesh.cut_all()
    mesh.at(first)
    expire(mesh, a, "m", 10_000)
    mesh.at(1001)
    expire(mesh, b, "m", 50_000)
    expire(mesh, b, "n", 30_000)
    mesh.heal()
    assert deadline(mesh, "m") == 50_000
    assert deadline(mesh, "n") == 30_000
    expire(mesh, a, "m", 20_000)
    mesh.heal()
    assert deadline(mesh, "m") == 20_000


@pytest.mark.parametrize("kind", MAKES)
def test_a_deadline_taken_away_beats_one_that_is_given(kind: str) -> None:
    """T7."""
    mesh, a, b = pair()
    a(*MAKES[kind])
    expire(mesh, a, "m", 90_000)
    mesh.heal()
    mesh.cut_all()
    assert a("PERSIST", "k", "m") == 1
    expire(mesh, b, "m", 95_000)
    mesh.heal()
    assert deadline(mesh, "m") is None


def test_a_new_value_of_a_field_has_no_deadline_whatever_was_given_to_the_old() -> None:
    """T2."""
    mesh, a, b = pair()
    a("HSET", "k", "m", "1")
    mesh.heal()
    mesh.cut_all()
    a("HSET", "k", "m", "2")
    expire(mesh, b, "m", 50_000)
    mesh.heal()
    assert mesh.both("HGET", "k", "m") == b"2"
    assert deadline(mesh, "m") is None


def test_a_value_with_a_deadline_and_a_longer_one_for_the_old() -> None:
    """T10: the longest wins."""
    mesh, a, b = pair()
    a("HSET", "k", "m", "1")
    mesh.heal()
    mesh.cut_all()
    a("HSETEX", "k", "PXAT", mesh.deadline(10_000), "FIELDS", "1", "m", "2")
    expire(mesh, b, "m", 50_000)
    mesh.heal()
    assert mesh.both("HGET", "k", "m") == b"2"
    assert deadline(mesh, "m") == 50_000


@pytest.mark.parametrize("kind", MAKES)
def test_a_removal_and_a_deadline_that_had_not_seen_each_other(kind: str) -> None:
    """T6: the place is gone, and comes back without a deadline once both are known."""
    mesh, a, b = pair()
    a(*MAKES[kind])
    mesh.heal()
    mesh.cut_all()
    a(REMOVES[kind], "k", "m")
    expire(mesh, b, "m", 10_000)
    mesh.heal()
    assert b(*MAKES[kind]) == 1
    mesh.heal()
    assert deadline(mesh, "m") is None


@pytest.mark.parametrize("kind", MAKES)
def test_a_key_that_is_deleted_leaves_no_deadline_to_the_next(kind: str) -> None:
    mesh, a, b = pair()
    a(*MAKES[kind])
    mesh.heal()
    mesh.cut_all()
    a("DEL", "k")
    expire(mesh, b, "m", 10_000)
    mesh.heal()
    assert mesh.both("EXISTS", "k") == 0
    b(*MAKES[kind])
    mesh.heal()
    assert deadline(mesh, "m") is None


def test_a_deadline_may_come_before_its_field() -> None:
    mesh, a, b, c = trio()
    mesh.cut(0, 2)
    mesh.cut(2, 0)
    mesh.cut_all()
    a("HSET", "k", "m", "1")
    mesh.up(a, b)
    expire(mesh, b, "m", 10_000)
    b("HDEL", "k", "none")
    mesh.up(b, c)
    mesh.heal()
    assert deadline(mesh, "m") == 10_000
    assert c("HGET", "k", "m") == b"1"


@pytest.mark.parametrize("kind", MAKES)
def test_deadlines_are_joined_by_a_transfer(kind: str) -> None:
    mesh, a, b = pair()
    a(*MAKES[kind])
    expire(mesh, a, "n", 15_000)
    mesh.heal()
    mesh.cut_all()
    expire(mesh, a, "m", 10_000)
    expire(mesh, b, "m", 50_000)
    a("PERSIST", "k", "n")
    for number, node in enumerate((a, b)):
        node.save()
        mesh.crash(number, node.saves[-1])
        node.activate()
    mesh.heal()
    assert deadline(mesh, "m") == 50_000
    assert deadline(mesh, "n") is None
    mesh.add("late")
    mesh.heal()
    assert deadline(mesh, "m") == 50_000
    assert deadline(mesh, "n") is None
    mesh.nodes[2]("PERSIST", "k", "m")
    mesh.heal()
    assert deadline(mesh, "m") is None


def test_deadlines_of_fields_are_equal_and_go_with_a_new_value() -> None:
    mesh, a, b = pair()
    a("HSET", "h", "f", "1", "g", "2")
    mesh.heal()
    b("HPEXPIREAT", "h", mesh.deadline(50_000), "FIELDS", "2", "f", "g")
    mesh.heal()
    a("HSET", "h", "g", "3")
    mesh.heal()
    deadlines = [int(mesh.deadline(50_000)), -1]
    assert mesh.ordered("HPEXPIRETIME", "h", "FIELDS", "2", "f", "g") == deadlines


def test_a_deadline_does_not_touch_the_fields_own_dots() -> None:
    """A removal that had seen the value takes it, whatever deadline it got meanwhile."""
    mesh, a, b = pair()
    a("HSET", "h", "f", "1", "g", "2")
    mesh.heal()
    mesh.cut_all()
    a("HDEL", "h", "f")
    b("HPEXPIREAT", "h", mesh.deadline(50_000), "FIELDS", "1", "f")
    mesh.heal()
    assert mesh.both("HGETALL", "h") == {b"g": b"2"}
    mesh.cut_all()
    a("DEL", "h")
    b("HPEXPIREAT", "h", mesh.deadline(50_000), "FIELDS", "1", "g")
    mesh.heal()
    assert mesh.both("EXISTS", "h") == 0


def test_fields_past_their_deadline_go_on_every_node_and_the_type_stays_claimed() -> None:
    mesh, a, b = pair()
    a("HSET", "h", "f", "1", "g", "2")
    a("HPEXPIREAT", "h", mesh.deadline(2_000), "FIELDS", "1", "f")
    mesh.heal()
    mesh.at(3_000)
    assert mesh.both("HGETALL", "h") == {b"g": b"2"}
    a("HPEXPIREAT", "h", mesh.deadline(4_000), "FIELDS", "1", "g")
    mesh.heal()
    mesh.at(5_000)
    assert mesh.both("EXISTS", "h") == 0
    b("SADD", "h", "m")
    mesh.heal()
    assert mesh.both("SMEMBERS", "h") == {b"m"}


def test_deadlines_of_fields_survive_a_restart_and_copies() -> None:
    mesh, a, b = pair()
    a("HSET", "h", "f", "1", "g", "2", "e", "3")
    a("HPEXPIREAT", "h", mesh.deadline(90_000), "FIELDS", "1", "g")
    a("HPEXPIREAT", "h", mesh.deadline(50_000), "FIELDS", "1", "e")
    mesh.heal()
    b("COPY", "h", "copy")
    mesh.heal()
    a.save()
    mesh.crash(0, a.saves[-1])
    a.activate()
    mesh.heal()
    deadlines = [-1, int(mesh.deadline(90_000)), int(mesh.deadline(50_000))]
    for key in ("h", "copy"):
        assert mesh.ordered("HPEXPIRETIME", key, "FIELDS", "3", "f", "g", "e") == deadlines
        assert mesh.both("HGETALL", key) == {b"f": b"1", b"g": b"2", b"e": b"3"}
    b("HSET", "h", "g", "4")
    mesh.heal()
    assert mesh.both("HGETALL", "h") == {b"f": b"1", b"g": b"4", b"e": b"3"}


READS = {"hash": "HEXISTS", "set": "SISMEMBER", "zset": "ZSCORE"}


def has(mesh: Mesh, kind: str, place: str) -> bool:
    """Do all nodes show the place?"""
    replies = [node(READS[kind], "k", place) for node in mesh.nodes]
    shown = {reply not in (0, None) for reply in replies}
    assert len(shown) == 1, replies
    return shown.pop()


@pytest.mark.parametrize("kind", MAKES)
@pytest.mark.parametrize("places", ["m", "mn"])
def test_a_longer_deadline_brings_back_what_has_passed_elsewhere(kind: str, places: str) -> None:
    """T3; also where the key was gone with its last place."""
    mesh, a, b = pair()
    a(*MAKES[kind])
    for place in places:
        expire(mesh, a, place, 5_000)
    mesh.heal()
    mesh.cut_all()
    mesh.at(4_999)
    expire(mesh, b, "m", 60_000)
    mesh.at(6_000)
    assert a("EXISTS", "k") == (1 if places == "m" else 0)
    assert a(READS[kind], "k", "m") in (0, None)
    mesh.heal()
    assert has(mesh, kind, "m")
    assert has(mesh, kind, "n") == (places == "m")
    assert deadline(mesh, "m") == 60_000


@pytest.mark.parametrize("kind", MAKES)
def test_what_has_passed_is_remembered_through_a_restart_and_a_transfer(kind: str) -> None:
    mesh, a, b = pair()
    a(*MAKES[kind])
    expire(mesh, a, "m", 5_000)
    mesh.heal()
    mesh.cut_all()
    mesh.at(4_999)
    expire(mesh, b, "m", 60_000)
    mesh.at(6_000)
    assert a(READS[kind], "k", "m") in (0, None)
    a.save()
    mesh.crash(0, a.saves[-1])
    a.activate()
    late = mesh.add("late")
    mesh.up(a, late)
    mesh.heal()
    assert has(mesh, kind, "m")
    assert deadline(mesh, "m") == 60_000


def test_a_field_that_has_passed_is_made_anew_from_nothing() -> None:
    """T5: b still holds the old field when a's increment comes."""
    mesh, a, _b = pair()
    a("HSET", "k", "m", "5", "n", "1")
    expire(mesh, a, "m", 5_000)
    mesh.heal()
    mesh.cut_all()
    mesh.at(6_000)
    assert a("HINCRBY", "k", "m", "2") == 2
    mesh.heal()
    assert mesh.both("HGET", "k", "m") == b"2"
    assert deadline(mesh, "m") is None


@pytest.mark.parametrize("kind", MAKES)
def test_a_member_that_has_passed_comes_back_without_a_deadline(kind: str) -> None:
    mesh, a, b = pair()
    a(*MAKES[kind])
    expire(mesh, a, "m", 5_000)
    mesh.heal()
    mesh.cut_all()
    mesh.at(6_000)
    a(*MAKES[kind])
    expire(mesh, b, "n", 90_000)
    mesh.heal()
    assert has(mesh, kind, "m")
    assert deadline(mesh, "m") is None


def test_the_last_field_is_removed_while_another_has_passed() -> None:
    mesh, a, b = pair()
    a("HSET", "k", "m", "5", "n", "1")
    expire(mesh, a, "m", 5_000)
    mesh.heal()
    mesh.cut_all()
    mesh.at(4_999)
    expire(mesh, b, "m", 60_000)
    mesh.at(6_000)
    assert a("HDEL", "k", "n") == 1
    assert a("EXISTS", "k") == 0
    mesh.heal()
    assert mesh.both("HGETALL", "k") == {b"m": b"5"}


def test_a_field_that_has_passed_goes_with_its_key() -> None:
    mesh, a, b = pair()
    a("HSET", "k", "m", "5", "n", "1")
    expire(mesh, a, "m", 5_000)
    mesh.heal()
    mesh.at(6_000)
    assert mesh.both("HGETALL", "k") == {b"n": b"1"}
    b("DEL", "k")
    mesh.heal()
    a("HSET", "k", "n", "2")
    mesh.heal()
    assert mesh.both("HGETALL", "k") == {b"n": b"2"}


def words(rng: random.Random, client: Client, node: SimNode) -> tuple[str, ...]:
    """One random command on a hash, a set and a sorted set."""
    kind = rng.choice(list(MAKES))
    soon = client.soon(node)
    m, other = f"m{rng.randrange(4)}", f"m{rng.randrange(4)}"
    every: list[tuple[str, ...]] = [
        ("PEXPIREMEMBERAT", kind, m, soon), ("PEXPIREMEMBERAT", kind, m, soon),
        ("PEXPIREMEMBERAT", kind, other, soon), ("PERSIST", kind, m), (REMOVES[kind], kind, m),
        ("DEL", kind), ("COPY", kind, kind + "2", "REPLACE"), ("PEXPIREAT", kind, soon),
        ("COPY", kind + "2", kind, "REPLACE"),
    ]  # fmt: skip
    every = rng.choices(every, [3, 3, 3, 2, 3, 1, 1, 1, 1])
    makes = {
        "hash": [
            ("HSET", kind, m, client.number()), ("HSET", kind, m, "1", other, "2"),
            ("HINCRBY", kind, m, "3"), ("HPEXPIREAT", kind, soon, "FIELDS", "2", m, other),
            ("HSETEX", kind, "PXAT", soon, "FIELDS", "1", m, "v"),
            ("HGETEX", kind, "PERSIST", "FIELDS", "1", m), ("HGETDEL", kind, "FIELDS", "1", m),
        ],
        "set": [("SADD", kind, m, other), ("SADD", kind, m), ("SPOP", kind)],
        "zset": [("ZADD", kind, "1", m, "2", other), ("ZINCRBY", kind, "1", m), ("ZPOPMIN", kind)],
    }  # fmt: skip
    return rng.choice([*every, *every, rng.choice(makes[kind])])


def scenario(seed: int) -> World:
    """Writes everywhere on links that break, restarts and transfers; equal nodes after each."""
    world = World(seed, nodes=2 + seed % 2, backlog_bytes=(0, 3_000)[seed % 2])
    rng = world.random
    client = Client(rng, seed)
    pairs = list(world.wires)
    for _ in range(3):
        for _ in range(70):
            node = rng.choice(world.nodes)
            event = rng.random()
            if event < 0.55:
                node(*words(rng, client, node))
            else:
                world.shake(event, node, pairs)
            world.time_s += rng.randrange(4) / 1000.0
        if rng.random() < 0.4:
            world.restart(rng.randrange(len(world.nodes)))
        world.settle()
        world.check()
        check_deadlines(world)
    return world


def check_deadlines(world: World) -> None:
    """All nodes show the deadlines that the oracle says, and have one digest."""
    now_ms = int(world.nodes[0].engine.now.ms)
    expected = world.oracle().expected_deadlines(now_ms)
    for node in world.nodes:
        found = {}
        for db in node.engine.databases:
            for key in db.names():
                value = db.glance(key)
                if isinstance(value, Container):
                    for place, ms in value.deadline_items():
                        found[int(db.number), key, place] = ms
        assert found == expected, f"{node.name}: {found} instead of {expected}"
    assert len({digest_of(node.engine.databases) for node in world.nodes}) == 1


@pytest.mark.parametrize("shard", range(SHARDS))
def test_random_deadlines_end_equal_and_as_the_oracle_says(shard: int) -> None:
    for seed in range(shard, SEEDS, SHARDS):
        try:
            scenario(seed)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
