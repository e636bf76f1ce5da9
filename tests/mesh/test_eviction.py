"""Eviction: what this node has seen of a key goes when memory is short, and nothing else anywhere;
it begins at 90 %, a share at a time."""

from __future__ import annotations

import pytest

from conf import ConfigError
from node.eviction import BEGIN, FASTEST
from node.gates import IS_FENCED, IS_OUT_OF_MEMORY, IS_OVER_CAP
from node.resp.replies import Failure
from tests.mesh.stories import Mesh, pair
from tests.mesh.worked import A_LATER, B_LATER, WAYS, Example, live_on, meet, settle
from tests.support.simnode import SimNode

VALUES = {
    "string": (("SET", "k", "v"), ("SET", "k", "v2"), ("GET", "k"), b"v2"),
    "counter": (("INCRBY", "k", "5"), ("INCRBY", "k", "2"), ("GET", "k"), b"2"),
    "set": (("SADD", "k", "a"), ("SADD", "k", "b"), ("SMEMBERS", "k"), frozenset({b"b"})),
    "hash": (("HSET", "k", "f", "1"), ("HSET", "k", "g", "2"), ("HLEN", "k"), 1),
    "list": (("RPUSH", "k", "x"), ("RPUSH", "k", "y"), ("LLEN", "k"), 1),
}


def limited(node: SimNode, limit: int, policy: str = "allkeys-random") -> None:
    """maxmemory and its policy."""
    node.member.config.set("maxmemory", [str(limit)])
    node.member.config.set("maxmemory-policy", [policy])


def ticks(node: SimNode, times: int = 1) -> None:
    """So many ticks of the engine."""
    for _ in range(times):
        node.engine.tick(node.world.time_s)


def filled(count: int = 500) -> SimNode:
    """A node alone with so many keys of about a kilobyte."""
    mesh = Mesh("")
    node = mesh.add("alone", active=False)
    for at in range(count):
        node("SET", f"k{at}", "v" * 900)
    return node


def keys(node: SimNode) -> int:
    return int(node.engine.databases[0].keys.size)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("times", [A_LATER, B_LATER], ids=["A later", "B later"])
@pytest.mark.parametrize("kind", VALUES)
def test_an_eviction_leaves_what_it_had_not_seen(
    kind: str, times: tuple[int, int], way: str
) -> None:
    """4.12: A evicts k, B writes it at the same time: B's write shows on all nodes."""
    before, written, question, shown = VALUES[kind]
    example = Example([before], [("anything",)], [written], {question: shown})
    mesh = Mesh("abcd" if way == "frames" else "ab")
    a, b = mesh.nodes[:2]
    mesh.at(0)
    a(*before)
    mesh.heal()
    mesh.cut_all()
    mesh.at(times[0])
    a.wake()
    a.engine.eviction.evict(a.engine.databases[0], b"k")
    assert a("EXISTS", "k") == 0
    mesh.at(times[1])
    b(*written)
    mesh.at(1002)
    meet(mesh, way, example)
    settle(mesh, example)
    assert mesh.both(*question) == shown
    live_on(mesh, example)


def test_an_eviction_goes_to_all_nodes() -> None:
    mesh, a, b = pair()
    a("SET", "k", "v")
    mesh.heal()
    a.engine.eviction.evict(a.engine.databases[0], b"k")
    mesh.heal()
    assert mesh.both("EXISTS", "k") == 0
    b("SET", "k", "again")
    mesh.heal()
    assert mesh.both("GET", "k") == b"again"


def test_under_newest_wins_an_eviction_overrules_nothing() -> None:
    mesh, a, b = pair()
    mesh.set_policy(a, "newest-wins")
    a("SADD", "k", "old")
    b("SADD", "other", "x")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    b("SADD", "k", "new")
    mesh.at(2000)
    a.engine.eviction.evict(a.engine.databases[0], b"k")
    mesh.heal()
    assert mesh.both("SMEMBERS", "k") == {b"new"}


def test_it_begins_at_nine_tenths_and_keeps_the_data_there() -> None:
    node = filled()
    ticks(node, 5)
    used = node.engine.eviction.used_bytes()
    assert used == 0, "nothing is measured where there is no limit"
    limited(node, 1 << 40)
    ticks(node, 5)
    used = node.engine.eviction.used_bytes()
    assert 500 * 900 < used < 500 * 1300
    limited(node, int(used / BEGIN * 1.02))
    ticks(node, 5)
    assert keys(node) == 500
    limited(node, int(used / 0.95))
    ticks(node)
    assert keys(node) > 500 - FASTEST // 2, "a share at a time"
    ticks(node, 50)
    assert 0.80 * 500 < keys(node) < 0.97 * 500
    assert int(node.engine.evicted_keys) == 500 - keys(node)
    assert not node.engine.closed & IS_OUT_OF_MEMORY


def test_without_a_policy_writes_that_need_memory_are_refused() -> None:
    node = filled(200)
    limited(node, 1000, "noeviction")
    ticks(node)
    assert keys(node) == 200
    reply = node("SET", "k", "v")
    assert isinstance(reply, Failure)
    assert reply.text.startswith(b"OOM command not allowed")
    assert node("DEL", "k1") == 1
    limited(node, 1 << 30, "noeviction")
    ticks(node)
    assert not isinstance(node("SET", "k", "v"), Failure)


def test_peers_writes_are_taken_in_however_full_it_is() -> None:
    """W5: never OOM on the way in."""
    mesh, a, b = pair()
    b("SET", "first", "v" * 900)
    mesh.heal()
    limited(b, 100, "noeviction")
    ticks(b)
    assert isinstance(b("SET", "k", "v"), Failure)
    a("SET", "k", "v")
    mesh.heal()
    assert mesh.both("GET", "k") == b"v"


@pytest.mark.parametrize("gate", [IS_FENCED, IS_OVER_CAP])
def test_a_node_that_may_not_write_evicts_nothing(gate: int) -> None:
    node = filled(200)
    limited(node, 1000)
    node.engine.closed |= gate
    ticks(node, 3)
    assert keys(node) == 200
    node.engine.closed &= ~gate
    ticks(node, 3)
    assert keys(node) < 200


@pytest.mark.parametrize(
    ("policy", "goes"), [("volatile-ttl", "soon"), ("volatile-lru", "timed"), ("allkeys-lru", "")]
)
def test_the_policy_says_which_keys_go(policy: str, goes: str) -> None:
    mesh = Mesh("")
    node = mesh.add("alone", active=False)
    for at in range(100):
        mesh.time_s += 1.0
        node("SET", f"plain{at}", "v" * 900)
        node("SET", f"timed-soon{at}" if at % 2 else f"timed-later{at}", "v" * 900,
             "EX", "5000" if at % 2 else "500000")  # fmt: skip
    node.member.config.set("maxmemory-samples", ["64"])
    limited(node, 1 << 40, policy)
    ticks(node, 3)
    limited(node, int(node.engine.eviction.used_bytes() / 0.95), policy)
    ticks(node)
    left = {key for shard in node.engine.databases[0].keys.dicts for key in shard}
    gone = [f"{name}{at}" for at in range(100) for name in (
        "plain", "timed-soon" if at % 2 else "timed-later")
        if f"{name}{at}".encode() not in left]  # fmt: skip
    assert gone
    assert all(goes in name for name in gone), gone


def test_what_is_not_there_yet_is_refused_by_name() -> None:
    """`local`, with stubs and refetching, is no value of mesh-eviction."""
    node = filled(1)
    with pytest.raises(ConfigError, match="replicate"):
        node.member.config.set("mesh-eviction", ["local"])
