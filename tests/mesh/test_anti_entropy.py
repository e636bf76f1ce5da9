"""Anti-entropy: what differs silently is found, written anew once, and equal then; nothing else is
touched, whatever goes on meanwhile."""

from __future__ import annotations

import random
from typing import cast

import pytest

from mesh.anti_entropy import NOTHING
from mesh.conflicts import REPAIRED
from mesh.fingerprint import key_fingerprint
from node.digest import digest_of
from node.store.entry import Entry
from node.store.values.lists import ListValue
from node.store.values.sets import SetValue
from node.store.values.streams import StreamValue
from node.store.values.zsets import ZSetValue
from tests.mesh.test_types_converge import MIXES, OfSome, event
from tests.support.comparing import Pair
from tests.support.seeds import seeds
from tests.support.simnode import SimNode
from tests.support.simulation import World

SEEDS = seeds(250, least=len(MIXES))


def level(nodes: int = 2) -> World:
    """A mesh with a key of each type on every node."""
    world = World(7, nodes=nodes)
    node = world.nodes[0]
    node("SET", "string", "a value")
    node("INCRBY", "counter", "5")
    node("SADD", "set", "a", "b", "c")
    node("HSET", "hash", "f", "1", "g", "2")
    node("RPUSH", "list", "x", "y", "z")
    node("ZADD", "zset", "1", "one", "2", "two")
    node("XADD", "stream", "1-1", "f", "v")
    node("XGROUP", "CREATE", "stream", "group", "0")
    world.settle()
    return world


def entry_of(node: SimNode, key: bytes) -> Entry:
    entry = node.engine.databases[0].raw(key)
    assert entry is not None
    return entry


def same(world: World) -> bool:
    """Do all nodes show the same?"""
    return len({digest_of(node.engine.databases) for node in world.nodes}) == 1


def prints(world: World, key: bytes) -> set[int]:
    """The fingerprints of a key on all nodes."""
    return {
        key_fingerprint(node.member.memory, 0, key, node.engine.databases[0].raw(key), b"s")
        for node in world.nodes
    }


def test_equal_nodes_repair_nothing() -> None:
    world = level()
    pair = Pair(world.nodes[0], world.nodes[1])
    assert pair.round()
    assert pair.totals.rounds == 1
    assert pair.totals.keys_compared == 7
    assert pair.totals.suspects == pair.repaired == 0


def spoil_string(node: SimNode) -> None:
    entry_of(node, b"string").value = b"another value"


def spoil_counter(node: SimNode) -> None:
    node.engine.databases[0].drop(b"counter")


def spoil_set(node: SimNode) -> None:
    value = entry_of(node, b"set").value
    assert isinstance(value, SetValue)
    value.do_take(b"b")


def spoil_hash(node: SimNode) -> None:
    node.engine.databases[0].drop(b"hash")


def spoil_list(node: SimNode) -> None:
    cast(ListValue, entry_of(node, b"list").value).do_assign(1, b"else")


def spoil_zset(node: SimNode) -> None:
    cast(ZSetValue, entry_of(node, b"zset").value).do_remove([b"two"], 0)


def spoil_stream(node: SimNode) -> None:
    cast(StreamValue, entry_of(node, b"stream").value).groups.clear()


SPOILS = {
    "string": spoil_string, "counter": spoil_counter, "set": spoil_set, "hash": spoil_hash,
    "list": spoil_list, "zset": spoil_zset, "stream": spoil_stream,
}  # fmt: skip


@pytest.mark.parametrize("at", (0, 1), ids=("the comparing node", "the other node"))
@pytest.mark.parametrize("key", SPOILS)
def test_a_key_changed_behind_the_meshs_back_is_repaired_once(key: str, at: int) -> None:
    world = level()
    SPOILS[key](world.nodes[at])
    assert len(prints(world, key.encode())) == 2
    pair = Pair(world.nodes[0], world.nodes[1])
    assert pair.round(world.flow), pair.totals.last_error
    world.settle()
    assert same(world)
    assert pair.repaired == 1
    counted = [node.member.memory.conflicts.counts[REPAIRED] for node in world.nodes]
    assert sum(counted) == 1
    writer = world.nodes[counted.index(1)]
    found = writer.member.memory.conflicts.last[-1]
    assert (found.kind, found.key) == (REPAIRED, key.encode())
    for _ in range(3):
        assert pair.round(world.flow)
    assert pair.repaired == 1
    assert len(prints(world, key.encode())) == 1


def test_whoever_has_the_key_writes_it() -> None:
    world = level()
    world.nodes[0].engine.databases[0].drop(b"string")
    pair = Pair(world.nodes[0], world.nodes[1])
    assert pair.round(world.flow)
    world.settle()
    assert world.nodes[0]("GET", "string") == b"a value"
    assert (pair.totals.repaired, pair.answered) == (0, 1)


def test_a_difference_in_what_is_remembered_waits_for_a_second_round() -> None:
    world = level()
    entry_of(world.nodes[1], b"string").stamp += 1
    pair = Pair(world.nodes[0], world.nodes[1])
    assert pair.round(world.flow)
    assert pair.repaired == 0
    assert pair.round(world.flow)
    world.settle()
    assert pair.repaired == 1
    assert len(prints(world, b"string")) == 1


def test_a_key_near_its_deadline_is_left_alone() -> None:
    world = level()
    soon_ms = int(world.time_s * 1000) + 30_000
    world.nodes[0]("PEXPIREAT", "string", str(soon_ms))
    world.settle()
    spoil_string(world.nodes[1])
    pair = Pair(world.nodes[0], world.nodes[1])
    for _ in range(3):
        assert pair.round(world.flow)
    assert pair.totals.suspects > 0
    assert pair.repaired == 0


def test_a_key_that_only_one_remembers_is_forgotten_or_remembered_by_both() -> None:
    world = level()
    world.nodes[0]("DEL", "string")
    world.settle()
    del world.nodes[1].engine.databases[0].hidden[b"string"]
    pair = Pair(world.nodes[0], world.nodes[1])
    for _ in range(2):
        assert pair.round(world.flow)
    world.settle()
    assert pair.repaired == 1
    assert len(prints(world, b"string")) == 1
    assert world.nodes[0]("EXISTS", "string") == NOTHING


def test_a_node_that_does_not_follow_is_not_repaired() -> None:
    """What the other has not heard of yet is no silent difference."""
    world = level()
    world.part(0, 1)
    world.nodes[0]("SET", "string", "newer")
    world.nodes[1]("SADD", "set", "d")
    pair = Pair(world.nodes[0], world.nodes[1])
    pair.round()
    assert pair.repaired == 0
    world.settle()
    assert same(world)


def test_many_differences_are_repaired_in_several_rounds() -> None:
    world = World(9, nodes=2)
    for number in range(1500):
        world.nodes[0]("SET", f"k{number}", "v")
    world.settle()
    for number in range(1500):
        entry_of(world.nodes[1], b"k%d" % number).value = b"w"
    pair = Pair(world.nodes[0], world.nodes[1])
    assert pair.round(world.flow)
    assert 0 < pair.repaired <= 1000
    assert pair.totals.more > 0
    assert pair.round(world.flow)
    world.settle()
    assert same(world)
    assert pair.repaired == 1500


@pytest.mark.parametrize("mix", range(len(MIXES)), ids=["+".join(each) for each in MIXES])
def test_writes_everywhere_repair_nothing(mix: int) -> None:
    """Rounds within a schedule of writes, cuts and saves: equal by the rules, so left alone."""
    for seed in range(mix, SEEDS, len(MIXES)):
        world = World(seed, nodes=2 + seed % 2, backlog_bytes=(0, 4_000)[seed // 2 % 2])
        client = OfSome(world.random, seed, MIXES[seed % len(MIXES)])
        pairs = [Pair(world.nodes[a], world.nodes[b]) for a, b in world.wires]

        def busy(world: World = world, client: OfSome = client) -> None:
            for _ in range(4):
                event(world, client, world.random.choice(world.nodes), list(world.wires), False)

        for _ in range(2):
            for _ in range(40):
                busy()
            for pair in pairs:
                pair.round(busy)
            world.settle()
            for pair in pairs:
                assert pair.round(world.flow), pair.totals.last_error
        assert [pair.repaired for pair in pairs] == [0] * len(pairs), f"{world}"


def test_nothing_is_repaired_under_constant_writes_to_the_same_keys() -> None:
    world = level()
    rng = random.Random(3)
    pair = Pair(world.nodes[0], world.nodes[1])

    def busy() -> None:
        for _ in range(50):
            node = rng.choice(world.nodes)
            node("INCR", f"counter{rng.randrange(3)}")
            node("RPUSH", "list", "w")
            node("LPOP", "list")
            node("HSET", "hash", "f", str(rng.random()))
            if rng.random() < 0.5:
                world.flow()

    for _ in range(5):
        busy()
        pair.round(busy)
    assert pair.repaired == 0


@pytest.mark.parametrize("seed", (4, 7))
def test_nodes_that_forget_at_other_times_are_not_repaired(seed: int) -> None:
    """What every member has on disk is forgotten by each when it gets to it."""
    world = World(seed, nodes=2 + seed % 2, forgets="random")
    client = OfSome(world.random, seed, MIXES[seed % len(MIXES)])
    pairs = [Pair(world.nodes[a], world.nodes[b]) for a, b in world.wires]

    def calm() -> None:
        for node in world.nodes:
            if world.random.random() < 0.05:
                node.beat()
        world.flow()

    for _ in range(2):
        for _ in range(120):
            event(world, client, world.random.choice(world.nodes), list(world.wires), False)
        world.settle()
        for pair in pairs:
            pair.round(calm)
    assert [pair.repaired for pair in pairs] == [0] * len(pairs)
