"""Seeds: random sorted-set commands on few keys and random networks end with equal nodes that show
what the oracle says, byte for byte."""

from __future__ import annotations

import random

import pytest

from node.digest import digest_of
from node.store.values.zsets import ZSetValue
from tests.mesh.commands import Client
from tests.mesh.test_convergence import Schedule
from tests.support.seeds import seeds
from tests.support.simnode import DATABASES, SimNode

SEEDS = seeds()
SHARDS = 8
AMOUNTS = ("0.1", "0.2", "0.3", "-0.7", "1", "2.5", "1e17", "-1e17", "1e308", "-1e308", "3e-320")


class Scorer(Client):
    """Sorted sets on few keys and few members; at times another type under the same key."""

    def __init__(self, rng: random.Random, seed: int) -> None:
        super().__init__(rng, seed)
        self.strays = (0.0, 0.0, 0.08)[seed % 3]

    def command(self, node: SimNode) -> tuple[str, ...]:
        rng = self.rng
        key, other = rng.choice(self.keys), rng.choice(self.keys)
        pick = rng.random()
        if pick < self.strays:
            return rng.choice([("SADD", key, self.member()), ("SET", key, "v"),
                               ("HSET", key, self.member(), "1"), ("INCR", key)])  # fmt: skip
        if pick < 0.15:
            return self.of_whole_keys(node, key, other)
        return self.of_zsets(key, other)

    def score(self) -> str:
        """Scores that often are equal, at times without end."""
        return self.rng.choice(["inf", "-inf", "0", "1", "1", "2", "7.25", "-3", "1e308"])

    def of_zsets(self, key: str, other: str) -> tuple[str, ...]:
        """Scores: set, raised, lowered, counted; members removed by name, rank and score."""
        rng = self.rng
        score, amount = self.score(), rng.choice(AMOUNTS)
        return rng.choice([
            ("ZADD", key, score, self.member(), "1", self.member()),
            ("ZADD", key, score, self.member()),
            ("ZADD", key, "GT", score, self.member(), self.score(), self.member()),
            ("ZADD", key, "GT", score, self.member()),
            ("ZADD", key, "LT", score, self.member()),
            ("ZADD", key, "NX", score, self.member()),
            ("ZADD", key, "GT", "INCR", amount, self.member()),
            ("ZINCRBY", key, amount, self.member()),
            ("ZINCRBY", key, amount, self.member()),
            ("ZINCRBY", key, rng.choice(["inf", "-inf", "1", "2"]), self.member()),
            ("ZREM", key, self.member()),
            ("ZREM", key, self.member(), self.member()),
            ("ZPOPMIN", key),
            ("ZPOPMAX", key, "2"),
            ("ZREMRANGEBYSCORE", key, "-inf", "2"),
            ("ZREMRANGEBYRANK", key, "0", "0"),
            ("ZUNIONSTORE", key, "2", key, other),
            ("ZINTERSTORE", key, "2", key, other),
            ("ZRANGESTORE", key, other, "0", "2"),
            ("GEOADD", key, "13.3", "38.1", self.member()),
        ])  # fmt: skip


def run(seed: int, phases: int = 3, events: int = 90) -> None:
    """One schedule from beginning to end: all nodes show the same, and DUMP the same."""
    schedule = Schedule(seed, ("", "random", "frame")[seed % 3])
    world = schedule.world
    schedule.client = Scorer(world.random, seed)
    try:
        for _ in range(phases):
            schedule.run(1, events)
            for node in world.nodes:
                schedule.client.forget(node)  # one of them was started again
                while not node.resolver.active and not node.activate():
                    node.work()
            world.settle()
            equal(schedule)
    except AssertionError as error:
        raise AssertionError(f"{world}: {error}") from error
    except Exception as error:
        raise AssertionError(f"{world}: {type(error).__name__}: {error}") from error


def equal(schedule: Schedule) -> None:
    """Digests and DUMPs of all nodes are one."""
    world = schedule.world
    world.check()
    latest = max(int(node.engine.now.ms) for node in world.nodes)
    for node in world.nodes:
        node.engine.now.ms = latest
    assert len({digest_of(node.engine.databases) for node in world.nodes}) == 1
    for number in range(DATABASES):
        for key in schedule.client.keys:
            dumps = {dump(node, number, key) for node in world.nodes}
            assert len(dumps) == 1, f"{key} in {number}: {dumps}"


def dump(node: SimNode, number: int, key: str) -> object:
    """The DUMP of a sorted set, by a client of its own; a set's members have no order."""
    entry = node.engine.databases[number].keys.get(key.encode())
    if entry is None or not isinstance(entry.value, ZSetValue):
        return None
    session = node.engine.session()
    node.run(session, "SELECT", str(number))
    return node.run(session, "DUMP", key)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_random_schedules_of_sorted_sets_converge(shard: int) -> None:
    for seed in range(shard, SEEDS // 64, SHARDS):
        run(seed)
