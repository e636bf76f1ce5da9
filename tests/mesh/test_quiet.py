"""Nodes with save points alone that go quiet forget all that their last saves have: heartbeats that
come after these are on no disk, and they are no writes (semantics.md 8, invariant 12)."""

from __future__ import annotations

import pytest

from mesh.merge.counted import BUSY
from tests.mesh.stories import Mesh
from tests.mesh.test_bounded_places import show
from tests.mesh.test_field_deadlines import MAKES, deadline, expire
from tests.mesh.test_stability import hold, left
from tests.support.simnode import SimNode

# What each kind of write leaves behind: some of it takes several looks.
STORIES: dict[str, list[tuple[str, ...]]] = {
    "string": [("SET", "k", "v"), ("SET", "k", "w"), ("SET", "gone", "v"), ("DEL", "gone")],
    "counter": [("INCR", "k"), ("INCRBY", "k", "5"), ("INCRBYFLOAT", "f", "1.5")],
    "patches": [("APPEND", "k", "xy"), ("SETRANGE", "k", "4", "z"), ("SETBIT", "b", "9", "1")],
    "set": [("SADD", "k", "x", "y"), ("SREM", "k", "x"), ("SADD", "gone", "x"), ("DEL", "gone")],
    "hash": [("HSET", "k", "f", "1", "g", "2"), ("HINCRBY", "k", "f", "2"), ("HDEL", "k", "g")],
    "zset": [("ZADD", "k", "1", "x"), ("ZINCRBY", "k", "2", "x"), ("ZINCRBY", "k", "2", "y")],
    "list": [
        ("RPUSH", "k", "x", "y", "z"), ("LINSERT", "k", "BEFORE", "y", "w"),
        ("LSET", "k", "0", "u"),
        ("LREM", "k", "0", "y"), ("LMOVE", "k", "k", "LEFT", "RIGHT"), ("LPOP", "k"),
    ],
    "stream": [
        ("XADD", "k", "1-1", "f", "v"), ("XADD", "k", "1-2", "f", "v"), ("XDEL", "k", "1-1"),
        ("XGROUP", "CREATE", "k", "g", "0"), ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "k", ">"),
        ("XACK", "k", "g", "1-2"),
    ],
    "deadlines": [
        ("SADD", "s", "x"), ("PEXPIRE", "s", "900000"), ("HSET", "k", "f", "1", "g", "2"),
        ("HPEXPIRE", "k", "900000", "FIELDS", "2", "f", "g"), ("HPERSIST", "k", "FIELDS", "1", "f"),
        ("HDEL", "k", "g"),
    ],
    "types": [("SADD", "k", "x"), ("SET", "k", "v"), ("DEL", "k"), ("RPUSH", "k", "x")],
}  # fmt: skip


def used(node: SimNode) -> int:
    return node.member.cap.usage.unstable()


def beats(mesh: Mesh, count: int, every_s: float = 1.0) -> None:
    """So many heartbeats of each node, and nothing else: nobody saves."""
    for _ in range(count):
        mesh.time_s += every_s
        for node in mesh.nodes:
            node.beat()
            mesh.flow()


def write(mesh: Mesh, kind: str) -> None:
    """Each command on another node than the one before, and all once more, apart from each
    other."""
    a, b = mesh.nodes[:2]
    for number, words in enumerate(STORIES[kind]):
        mesh.time_s += 0.01
        (a, b)[number % 2](*words)
        mesh.flow()
    mesh.cut_all()
    for node in (b, a):
        for words in STORIES[kind]:
            mesh.time_s += 0.01
            node(*words)
    mesh.down.clear()
    mesh.flow()


@pytest.mark.parametrize("names", ["ab", "abc"])
@pytest.mark.parametrize("quiet", [0, 3])
@pytest.mark.parametrize("kind", STORIES)
def test_what_the_last_saves_have_is_forgotten_within_two_heartbeats(
    kind: str, quiet: int, names: str
) -> None:
    mesh = Mesh(names, forgets="beat")
    beats(mesh, 2)
    write(mesh, kind)
    beats(mesh, quiet)
    for node in mesh.nodes:
        mesh.time_s += 0.1
        node.save()
        mesh.flow()
    saves = [len(node.saves) for node in mesh.nodes]
    beats(mesh, 2)
    for node in mesh.nodes:
        assert left(node) == {}, node.name
    beats(mesh, 3)
    assert [used(node) for node in mesh.nodes] == [0] * len(names)
    assert [len(node.saves) for node in mesh.nodes] == saves
    mesh.heal()


@pytest.mark.parametrize("words", [("INCR",), ("HINCRBY", "h", "1")], ids=["strings", "fields"])
def test_many_counters_that_were_counted_until_the_save_need_no_later_one(
    words: tuple[str, ...]
) -> None:
    """So many that they are not looked at as long as more come."""
    mesh = Mesh("ab", forgets="beat")
    a, b = mesh.nodes
    for number in range(BUSY + 1000):
        a(*words[:2], str(number), *words[2:])
    mesh.flow()
    for node in mesh.nodes:
        node.save()
    beats(mesh, 3)
    assert left(a) == left(b) == {}


# --- clocks that are set back --------------------------------------------------------------------


def crash(mesh: Mesh, at: int) -> SimNode:
    """A node dies, and starts again from its last save."""
    mesh.crash(at, mesh.nodes[at].saves[-1])
    mesh.nodes[at].activate()
    return mesh.nodes[at]


@pytest.mark.parametrize("kind", MAKES)
def test_a_place_past_its_deadline_stays_until_all_disks_know_how_late_it_is(kind: str) -> None:
    """Who starts again from an older one, with a clock that was set back, may still extend it."""
    mesh = Mesh("ab", forgets="beat")
    a, b = mesh.nodes
    a(*MAKES[kind])
    expire(mesh, a, "m", 10_000)
    mesh.flow()
    for node in mesh.nodes:
        node.save()
    mesh.at(1_000)
    beats(mesh, 3)
    mesh.at(20_000)
    show(mesh)
    beats(mesh, 3)
    assert left(a) and left(b)
    a.skew_ms = -18_000
    a = crash(mesh, 0)
    a.wake()
    expire(mesh, a, "m", 90_000)
    mesh.heal_apart()
    assert deadline(mesh, "m") == 90_000
    a.skew_ms = 0
    mesh.at(120_000)
    show(mesh)
    for _ in range(4):
        hold(mesh, a, b)
    assert left(a) == left(b) == {}


def test_increments_of_who_starts_again_with_its_clock_set_back_are_none_that_were_folded() -> None:
    mesh = Mesh("ab", forgets="beat")
    a, b = mesh.nodes
    for number in range(4):
        (a, b)[number % 2]("INCR", "n")
        mesh.flow()
    for node in mesh.nodes:
        node.save()
        mesh.flow()
    newest = max(max(node.held.values()) for node in mesh.nodes)
    beats(mesh, 30)
    assert left(a) == left(b) == {}
    assert a.member.memory.cut.before <= newest
    b.skew_ms = -40_000
    b = crash(mesh, 1)
    b("INCR", "n")
    assert b.engine.clock.last > a.member.memory.cut.before
    mesh.heal()
    assert mesh.both("GET", "n") == b"5"
