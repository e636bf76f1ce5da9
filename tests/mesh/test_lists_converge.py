"""Seeds over lists: cuts, links that overtake each other, restarts, transfers; then every node
shows what the oracle says."""

from __future__ import annotations

import random

import pytest

from node.digest import digest_of
from node.journal import Commit
from tests.support import simnode
from tests.support.acts import Recorder
from tests.support.list_oracle import Act, acts_of, expected
from tests.support.seeds import seeds
from tests.support.simnode import SimNode
from tests.support.simulation import World

SEEDS = seeds()
SHARDS = 4
KEYS = ("l", "m")


class ListRecorder(Recorder):
    """Notes what lists are told, beside what the other oracle wants."""

    acts: list[Act]

    def read(self, commit: Commit) -> None:
        super().read(commit)
        self.acts += acts_of(commit, self.streams)


class Client:
    """Makes up commands on few lists."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.count = 0
        self.others = seed % 3 == 2  # also what replaces lists
        self.moves = seed % 4 >= 2

    def item(self) -> str:
        self.count += 1
        return f"e{self.count}"

    def write(self, node: SimNode) -> None:
        rng = self.rng
        if rng.random() < 0.1:
            node("MULTI")
            for _ in range(rng.randrange(1, 4)):
                node(*self.command(node))
            node("EXEC")
            return
        node(*self.command(node))

    def command(self, node: SimNode) -> tuple[str, ...]:
        rng = self.rng
        key = rng.choice(KEYS)
        pick = rng.random()
        if pick < 0.45:
            name = rng.choice(["RPUSH", "RPUSH", "LPUSH"])
            return (name, key, *[self.item() for _ in range(rng.choice([1, 1, 3]))])
        if pick < 0.55:
            return (rng.choice(["LPOP", "RPOP"]), key, str(rng.choice([1, 1, 2, 9])))
        here = node.engine.databases[0].keys.get(key.encode())
        size = here.value.size() if here is not None and hasattr(here.value, "size") else 0
        place = str(rng.randrange(size + 1))
        if pick < 0.65:
            return ("LSET", key, place, self.item())
        if pick < 0.78:
            pivot = node("LINDEX", key, place)
            words = pivot.decode() if isinstance(pivot, bytes) else "none"
            if rng.random() < 0.3:
                return ("LREM", key, "1", words)
            return ("LINSERT", key, rng.choice(["BEFORE", "AFTER"]), words, self.item())
        if pick < 0.83:
            return ("LTRIM", key, place, str(rng.choice([-1, -2])))
        if pick < 0.90 and self.moves:
            ends = ("LEFT", "RIGHT")
            return ("LMOVE", key, rng.choice(KEYS), rng.choice(ends), rng.choice(ends))
        if pick < 0.95 or not self.others:
            return ("DEL", key) if rng.random() < 0.4 else ("RPUSH", key, self.item())
        return rng.choice([
            ("RENAME", key, rng.choice(KEYS)), ("COPY", key, "m", "REPLACE"),
            ("SORT", key, "ALPHA", "STORE", "m"), ("SET", key, "v"), ("FLUSHDB",),
            ("SADD", key, "member"),
        ])  # fmt: skip


def run(seed: int, acts: list[Act]) -> World:
    """One schedule from beginning to end."""
    forgets = ("", "random", "frame")[seed % 5 % 3]
    world = World(
        seed, nodes=2 + seed % 2, backlog_bytes=(0, 3_000)[seed % 2], forgets=forgets
    )
    rng = world.random
    client = Client(seed)
    pairs = list(world.wires)
    if forgets:
        world.settle()  # what a node has that is of no mesh yet it writes anew when it joins one
    for _ in range(4):
        for _ in range(60):
            node = rng.choice(world.nodes)
            event = rng.random()
            if seed % 7 == 3 and rng.random() < 0.03:
                save_or_crash(world, node)
            elif event < 0.5:
                client.write(node)
            else:
                world.shake(event, node, pairs, heals_from=0.92)
            world.time_s += rng.randrange(3) / 1000.0
        world.settle()
        check(world, acts, client)
        if rng.random() < 0.4:
            world.restart(rng.randrange(len(world.nodes)))
            world.settle()
            check(world, acts, client)
        if rng.random() < 0.2 and len(world.nodes) < 4:
            world.add(f"late{len(world.nodes)}")
            world.settle()
            check(world, acts, client)
            pairs = list(world.wires)
    if forgets:
        world.check_forgotten()
        check(world, acts, client)
    return world


def save_or_crash(world: World, node: SimNode) -> None:
    """A save that is said; or a crash that loses what was written since the last one."""
    if node.saves and world.random.random() < 0.4:
        world.crash(world.nodes.index(node), node.saves[-1])
        while not node.activate():
            node.work()
    elif node.member.merging is None and node.member.staging is None:
        node.save()
        node.beat()


def check(world: World, acts: list[Act], client: Client) -> None:
    """All nodes are equal, and what they show of lists is what the oracle says."""
    digests = {digest_of(node.engine.databases) for node in world.nodes}
    oracle = expected(acts, world.nodes[0].member.vector())
    for node in world.nodes:
        world.check_books(node)
        for key in KEYS:
            kind = node("TYPE", key).text  # type: ignore[attr-defined]
            wanted = oracle.get((0, key.encode()), [])
            if kind == b"list":
                shown = node("LRANGE", key, "0", "-1")
                assert shown == wanted, f"{node.name} {key}: {shown} instead of {wanted}"
            elif not client.others:
                assert not wanted, f"{node.name} {key} is gone instead of {wanted}"
    assert len(digests) == 1, "the digests differ"
    dumps = [[node("DUMP", key) for key in KEYS] for node in world.nodes]
    assert all(each == dumps[0] for each in dumps)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_lists_converge_to_what_the_oracle_says(
    shard: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simnode, "Recorder", ListRecorder)
    for seed in range(shard, SEEDS // 32, SHARDS):
        ListRecorder.acts = []
        try:
            run(seed, ListRecorder.acts)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
