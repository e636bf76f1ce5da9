"""conflict-policy newest-wins: a removal or overwrite also takes what is older than it and was not
seen; what is newer stays. The node where the client writes decides, all others obey the frame."""

from __future__ import annotations

import pytest

from mesh.policy import policy_of
from mesh.rreplay import FrameReader
from tests.mesh.stories import Mesh, pair, trio
from tests.mesh.test_convergence import Schedule
from tests.mesh.test_types_converge import MIXES, OfSome, equal, event, restarted
from tests.mesh.worked import (
    A_LATER,
    B_LATER,
    WAYS,
    Example,
    Shown,
    Words,
    expect,
    live_on,
    meet,
    settle,
    write,
)  # fmt: skip
from tests.support.seeds import seeds
from tests.support.simulation import World

SEEDS = seeds()
NEWEST = "newest-wins"
ROWS = ((NEWEST,), (f"{NEWEST} s* k*",), (NEWEST, "observed-remove h*"))

# What A does under newest-wins, what B writes meanwhile, and what shows where A, or B, is later.
STORIES = {
    "DEL of a set": (("SADD", "k", "a"), ("DEL", "k"), ("SADD", "k", "z"),
                     ("SMEMBERS", "k"), frozenset(), frozenset({b"z"})),
    "DEL of a hash": (("HSET", "k", "f", "v"), ("DEL", "k"), ("HSET", "k", "g", "1"),
                      ("HLEN", "k"), 0, 1),
    "DEL of a list": (("RPUSH", "k", "x"), ("DEL", "k"), ("RPUSH", "k", "y"),
                      ("LRANGE", "k", "0", "-1"), [], [b"y"]),
    "DEL of a sorted set": (("ZADD", "k", "1", "x"), ("DEL", "k"), ("ZADD", "k", "2", "y"),
                            ("ZCARD", "k"), 0, 1),
    "DEL of a stream": (("XADD", "k", "1-1", "f", "v"), ("DEL", "k"),
                        ("XADD", "k", "2-1", "f", "v"), ("XLEN", "k"), 0, 1),
    "DEL of a counter": (("SET", "k", "10"), ("DEL", "k"), ("INCRBY", "k", "7"),
                         ("GET", "k"), None, b"7"),
    "SET of a counter": (("SET", "k", "10"), ("SET", "k", "100"), ("INCRBY", "k", "7"),
                         ("GET", "k"), b"100", b"107"),
    "SET over a set": (("SADD", "k", "a"), ("SET", "k", "v"), ("SADD", "k", "z"),
                       ("TYPE", "k"), b"string", b"set"),
    "SREM": (("SADD", "k", "a"), ("SREM", "k", "a"), ("SADD", "k", "a"),
             ("SMEMBERS", "k"), frozenset(), frozenset({b"a"})),
    "HDEL": (("HSET", "k", "f", "5"), ("HDEL", "k", "f"), ("HINCRBY", "k", "f", "2"),
             ("HGET", "k", "f"), None, b"2"),
    "ZREM": (("ZADD", "k", "4.5", "x"), ("ZREM", "k", "x"), ("ZINCRBY", "k", "2", "x"),
             ("ZSCORE", "k", "x"), None, b"2"),
    "SUNIONSTORE": (("SADD", "k", "a"), ("SUNIONSTORE", "k", "k"), ("SADD", "k", "z"),
                    ("SMEMBERS", "k"), frozenset({b"a"}), frozenset({b"a", b"z"})),
    "FLUSHALL": (("SADD", "k", "a"), ("FLUSHALL",), ("SADD", "k", "z"),
                 ("SMEMBERS", "k"), frozenset(), frozenset({b"z"})),
    "APPEND before DEL": (("SET", "k", "x"), ("DEL", "k"), ("APPEND", "k", "y"),
                          ("GET", "k"), None, b"y"),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("times", [A_LATER, B_LATER], ids=["A later", "B later"])
@pytest.mark.parametrize("name", STORIES)
def test_the_newest_wins(name: str, times: tuple[int, int], way: str) -> None:
    before, on_a, on_b, question, a_later, b_later = STORIES[name]
    shows: dict[Words, Shown] = {question: a_later if times == A_LATER else b_later}
    example = Example([before], [on_a], [on_b], shows)
    # Where B dies its stream has to be closed, or what it may have written is waited for.
    mesh = Mesh("abcd" if way == "frames" else "ab", forgets="random")
    a, b = mesh.nodes[:2]
    mesh.at(0)
    a(*before)
    b("SADD", "known", "to", "all")
    mesh.heal()
    mesh.set_policy(a, NEWEST)
    mesh.cut_all()
    write(mesh, example, times)
    meet(mesh, way, example)
    for _ in range(4):
        mesh.settle()
    settle(mesh, example)
    expect(mesh, shows)
    live_on(mesh, example)


def test_other_keys_and_other_nodes_keep_what_was_not_seen() -> None:
    """The pattern says which keys, and only what clients write on this node goes by it."""
    mesh, a, b = pair()
    mesh.set_policy(a, f"{NEWEST} cache:* tmp:*", "observed-remove cache:kept:*")
    keys = ("cache:1", "tmp:1", "cache:kept:1", "other")
    for key in keys:
        a("SADD", key, "old")
    b("SADD", "cache:2", "old")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    for key in keys:
        b("SADD", key, "new")
    a("SADD", "cache:2", "new")
    mesh.at(1001)
    for key in keys:
        a("DEL", key)
    b("DEL", "cache:2")
    mesh.heal()
    shown = {key: mesh.both("SMEMBERS", key) for key in (*keys, "cache:2")}
    nothing: frozenset[bytes] = frozenset()
    new = frozenset({b"new"})
    assert shown == {
        "cache:1": nothing, "tmp:1": nothing, "cache:kept:1": new, "other": new, "cache:2": new,
    }  # fmt: skip


def test_the_frame_says_it() -> None:
    """The letter `n` stands with the effect; a node without the policy takes it in so."""
    mesh, a, b = pair()
    mesh.set_policy(a, NEWEST)
    a("SADD", "s", "x")
    b("SADD", "t", "x")
    mesh.heal()
    mesh.count_frames()
    a("DEL", "s")
    mesh.flow()
    carried = b"".join(mesh.wires[0, 1].carried or [])
    reader = FrameReader()
    reader.open(carried, 0)
    assert reader.next()
    assert reader.frame.flags == b"n"


def test_a_removal_waits_on_every_node_until_all_streams_are_past_it() -> None:
    """Its own node too; of one key and one writer the last says it all."""
    mesh, a, b, c = trio()
    mesh.set_policy(a, NEWEST)
    for node in (a, b, c):
        node("SADD", node.name, "x")
    mesh.heal()
    mesh.cut_all()
    b("SADD", "s", "early")
    for at in range(5):
        mesh.at(10 + at)
        a("SADD", "s", f"m{at}")
        a("DEL", "s")
    assert a.member.memory.removals.count == 1
    mesh.up(a, c)
    assert c.member.memory.removals.count == 1
    a.save()
    mesh.crash(0, a.saves[-1])
    a.activate()
    assert a.member.memory.removals.count == 1, "a restart forgets what waits"
    mesh.up(b, a)
    assert a("EXISTS", "s") == 0
    mesh.up(b, c)
    assert c("EXISTS", "s") == 0
    assert c("SADD", "s", "later") == 1
    mesh.heal()
    assert mesh.both("SMEMBERS", "s") == {b"later"}


def test_where_nobody_else_has_written_nothing_waits() -> None:
    mesh = Mesh("a")
    (a,) = mesh.nodes
    mesh.set_policy(a, NEWEST)
    for _ in range(3):
        a("SADD", "s", "x")
        a("DEL", "s")
        a("FLUSHALL")
    assert a.member.memory.removals.count == 0


def test_rows_of_the_directive() -> None:
    assert policy_of([["observed-remove"]]) is None
    policy = policy_of([["newest-wins"], ["observed-remove", "q:*"], ["newest-wins", "q:1"]])
    assert policy is not None
    assert policy.everywhere
    assert [policy.is_newest(key) for key in (b"k", b"q:2", b"q:1")] == [True, False, True]
    some = policy_of([["newest-wins", "q:*"]])
    assert some is not None
    assert not some.everywhere
    assert [some.is_newest(key) for key in (b"k", b"q:2")] == [False, True]


def give_policies(world: World, seed: int) -> None:
    """Some nodes have one, not all the same."""
    for at, node in enumerate(world.nodes):
        if (seed + at) % 3 or seed % 2:
            world.set_policy(node, *ROWS[(seed + at) % 3])


def policed(seeds: range) -> None:
    """Random schedules in which some nodes have policies."""
    for seed in seeds:
        schedule = Schedule(seed)
        give_policies(schedule.world, seed)
        try:
            schedule.run(4, 80)
        except Exception as error:
            raise AssertionError(f"{schedule.world}: {type(error).__name__}: {error}") from error


@pytest.mark.parametrize("shard", range(4))
def test_random_schedules_converge_to_what_the_oracle_says(shard: int) -> None:
    policed(range(shard, SEEDS // 50, 4))


@pytest.mark.parametrize("mix", range(len(MIXES)), ids=["+".join(each) for each in MIXES])
def test_what_is_written_at_once_is_equal_everywhere(mix: int) -> None:
    for seed in range(mix, SEEDS // 50, len(MIXES)):
        world = World(seed, nodes=2 + seed % 2, backlog_bytes=(0, 4_000, 0, 9_000)[seed // 2 % 4])
        give_policies(world, seed)
        client = OfSome(world.random, seed, MIXES[mix])
        try:
            for _ in range(3):
                for _ in range(90):
                    event(world, client, world.random.choice(world.nodes), list(world.wires),
                          seed % 5 == 3)  # fmt: skip
                    world.time_s += world.random.randrange(3) / 1000.0
                world.settle()
                equal(world)
                if world.random.random() < 0.3:
                    restarted(world)
        except Exception as error:
            raise AssertionError(f"{world}: {type(error).__name__}: {error}") from error
