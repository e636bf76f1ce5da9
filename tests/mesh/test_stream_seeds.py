"""Seeds over streams: whatever is written on links that break, through restarts and transfers, all
nodes show the same once they have everything, and the same again when they are started anew."""

from __future__ import annotations

import random
from typing import ClassVar

import pytest

from node.digest import digest_of
from node.journal import Commit
from node.resp.replies import Failure
from node.store.values.group_dots import Delivery
from node.store.values.streams import StreamValue
from tests.mesh.stories import overtake
from tests.support import simnode
from tests.support.acts import Recorder
from tests.support.seeds import seeds
from tests.support.simnode import SimNode
from tests.support.simulation import World
from tests.support.stream_oracle import Act, acts_of, expected

SEEDS = seeds()
SHARDS = 4
KEYS = ("s", "t")


class StreamRecorder(Recorder):
    """Notes what streams are told, beside what the other oracle wants. With `strangers` a key may
    show another type, or have passed its deadline."""

    acts: ClassVar[list[Act]] = []
    strangers = False

    def read(self, commit: Commit) -> None:
        super().read(commit)
        self.acts.extend(acts_of(commit, self.streams))


class StreamClient:
    """Random commands on two streams, which at times are strings or sets."""

    def __init__(self, rng: random.Random, strangers: bool) -> None:
        self.rng = rng
        self.strangers = strangers

    def write(self, node: SimNode) -> None:
        """One command, or a few in a transaction. Failures of a client's own making are none."""
        if self.rng.random() < 0.08:
            node("MULTI")
            for _ in range(self.rng.randrange(2, 5)):
                node(*self.command())
            node("EXEC")
            return
        reply = node(*self.command())
        assert not (isinstance(reply, Failure) and reply.text.startswith(b"ERR internal")), reply

    def entry_id(self) -> str:
        """An ID that may be there."""
        return f"{self.rng.randrange(1, 12)}-{self.rng.randrange(1, 3)}"

    def command(self) -> tuple[str, ...]:
        """Mostly entries and groups, seldom the whole key."""
        rng = self.rng
        key, other = rng.choice(KEYS), rng.choice(KEYS)
        group, consumer = f"g{rng.randrange(2)}", f"c{rng.randrange(2)}"
        read = ("XREADGROUP", "GROUP", group, consumer, "COUNT", str(rng.randrange(1, 4)))
        if rng.random() < 0.06:
            strange: list[tuple[str, ...]] = [
                ("SET", key, "v"), ("SADD", key, "m"), ("PEXPIRE", key, "20"), ("PERSIST", key),
            ]  # fmt: skip
            return rng.choice([
                ("DEL", key), ("COPY", key, other, "REPLACE"), ("RENAME", key, other),
                ("FLUSHALL",), *(strange if self.strangers else []),
            ])  # fmt: skip
        return rng.choice([
            ("XADD", key, "*", "f", str(rng.randrange(9))),
            ("XADD", key, self.entry_id(), "f", str(rng.randrange(9))),
            ("XADD", key, self.entry_id(), "g", "1", "h", "2"),
            ("XADD", key, f"{rng.randrange(1, 12)}-*", "f", "v"),
            ("XADD", key, "MAXLEN", "4", "*", "f", "v"),
            ("XDEL", key, self.entry_id(), self.entry_id()),
            ("XDELEX", key, "DELREF", "IDS", "1", self.entry_id()),
            ("XTRIM", key, "MAXLEN", str(rng.randrange(5))),
            ("XTRIM", key, "MINID", self.entry_id()),
            ("XTRIM", key, "MAXLEN", "2", "ACKED"),
            ("XSETID", key, f"{rng.randrange(20, 30)}-1"),
            ("XSETID", key, "31-1", "ENTRIESADDED", "50", "MAXDELETEDID", "3-1"),
            ("XGROUP", "CREATE", key, group, rng.choice(["0", "$", "4"]), "MKSTREAM"),
            ("XGROUP", "CREATE", key, group, "0", "MKSTREAM"),
            ("XGROUP", "SETID", key, group, rng.choice(["0", "$", "3-1"])),
            ("XGROUP", "DESTROY", key, group),
            ("XGROUP", "CREATECONSUMER", key, group, consumer),
            ("XGROUP", "DELCONSUMER", key, group, consumer),
            (*read, "STREAMS", key, ">"), (*read, "STREAMS", key, ">"),
            (*read, "NOACK", "STREAMS", key, ">"),
            (*read, "STREAMS", key, "0"),
            ("XACK", key, group, self.entry_id(), self.entry_id(), self.entry_id()),
            ("XACKDEL", key, group, "DELREF", "IDS", "1", self.entry_id()),
            ("XCLAIM", key, group, consumer, "0", self.entry_id(), self.entry_id(), "FORCE"),
            ("XCLAIM", key, group, consumer, "0", self.entry_id(), "RETRYCOUNT", "7", "JUSTID"),
            ("XAUTOCLAIM", key, group, consumer, "0", "0", "COUNT", "2"),
        ])  # fmt: skip


def written_at_once(seed: int) -> World:
    """Writes everywhere on links that break."""
    world = World(
        seed, nodes=2 + seed % 2, backlog_bytes=(0, 3_000)[seed // 2 % 2],
        forgets=("frame", "random", "")[seed // 4 % 3],
    )  # fmt: skip
    rng = world.random
    StreamRecorder.acts = []
    StreamRecorder.strangers = seed % 5 > 2
    client = StreamClient(rng, StreamRecorder.strangers)
    pairs = list(world.wires)
    try:
        world.found()
        for _ in range(4):
            for _ in range(60):
                event = rng.random()
                if event < 0.55:
                    client.write(rng.choice(world.nodes))
                elif event < 0.61:
                    overtake(*rng.sample(world.nodes, 2))
                elif event < 0.9:
                    world.step(rng.choice(pairs))
                    rng.choice(world.nodes).work()
                elif event < 0.94:
                    world.cut(*rng.choice(pairs))
                elif event < 0.97:
                    world.down.discard(rng.choice(pairs))
                else:
                    rng.choice(world.nodes).beat()
                if rng.random() < 0.01:
                    restart(world, rng.randrange(len(world.nodes)))
                world.time_s += rng.randrange(3) / 1000.0
            world.settle()
            equal(world)
            at = rng.randrange(len(world.nodes))
            before = world.nodes[at].shown()
            restart(world, at)
            node = world.nodes[at]
            node.engine.now.ms = max(int(each.engine.now.ms) for each in world.nodes)
            world.compare(f"{node.name} after a restart", node.shown(), before)
            world.settle()
            equal(world)
        if world.forgets:
            world.check_forgotten()
            equal(world)
            for node in world.nodes:
                assert unstable(node) == 0, f"{node.name} remembers more than all need"
    except Exception as error:
        raise AssertionError(f"{world}: {type(error).__name__}: {error}") from error
    return world


def restart(world: World, at: int) -> None:
    """A node is started again from a save of this moment."""
    node = world.nodes[at]
    while node.work():
        pass
    node.save()
    world.crash(at, node.saves[-1])
    node.activate()


def equal(world: World) -> None:
    """All nodes show the same, and what the oracle says; groups and entries are whole."""
    world.check()
    vector = world.nodes[0].member.vector()
    acts = [each for each in StreamRecorder.acts if each.when[0] <= vector.get(each.stream, 0)]
    shown = world.nodes[0].shown()
    for key in KEYS:
        name = (0, key.encode())
        wanted = expected(acts, name)
        if name in shown and shown[name][0] == "stream":
            assert shown[name][1] == wanted, f"{key}: {shown[name][1]} instead of {wanted}"
        elif not StreamRecorder.strangers:
            assert wanted is None, f"{key} is gone instead of {wanted}"
    assert len({digest_of(node.engine.databases) for node in world.nodes}) == 1
    dumps = [[node("DUMP", key) for key in KEYS] for node in world.nodes]
    assert all(each == dumps[0] for each in dumps), "the dumps differ"
    for node in world.nodes:
        assert node.member.memory.removals.count == 0
        for key in KEYS:
            if node("TYPE", key).text == b"stream":  # type: ignore[attr-defined]
                whole(node, key)


def whole(node: SimNode, key: str) -> None:
    """IDs ascend, the counts are right, what is pending is with a consumer that is there."""
    entry = node.engine.databases[0].keys.get(key.encode())
    assert entry is not None
    value = entry.value
    assert isinstance(value, StreamValue)
    ids = [row[0] for row in node("XRANGE", key, "-", "+")]  # type: ignore[attr-defined]
    assert len(ids) == len(set(ids)) == value.length
    assert value.entries_added >= value.length
    assert value.last_id >= value.last_entry_id()
    for group in value.groups.values():
        assert sorted(group.pending) == group.order.all()
        held = [n for consumer in group.consumers.values() for n in consumer.pending.all()]
        assert sorted(held) == group.order.all()
        assert all(each.consumer.name in group.consumers for each in group.pending.values())


def unstable(node: SimNode) -> int:
    """How much is remembered of streams beyond what shows."""
    found = 0
    for key in KEYS:
        entry = node.engine.databases[0].keys.get(key.encode())
        value = None if entry is None else entry.value
        if not isinstance(value, StreamValue) or value.memory is None:
            continue
        memory = value.memory
        found += sum(1 for each in value.nodes[int(value.head) :] if each.dots is not None)
        claims = [*memory.made.claims, *memory.tops.claims, *memory.tally.bases]
        found += len(memory.rivals) + len(memory.tally.logs) + len(value.hidden_groups)
        for group in value.groups.values():
            rest = group.memory
            assert rest is not None
            claims += [*rest.made.claims, *rest.lasts.claims, *rest.reads.claims]
            found += len(rest.acks) + len(rest.recent)
            found += sum(not is_split(each) for each in rest.contested.values())
        found += sum(1 for each in claims if each.stamp != 0)
    return found


def is_split(deliveries: list[Delivery]) -> bool:
    """Are these of several consumers, whose deletion must find its own, and without dots?"""
    return len({each.consumer for each in deliveries}) > 1 and not any(
        each.stamp for each in deliveries
    )


@pytest.mark.parametrize("shard", range(SHARDS))
def test_streams_written_at_once_end_equal(
    shard: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simnode, "Recorder", StreamRecorder)
    for seed in range(shard, SEEDS // 32, SHARDS):
        written_at_once(seed)
