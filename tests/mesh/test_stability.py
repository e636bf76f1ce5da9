"""What every member has on disk is forgotten: no dot too early, none for ever (semantics.md 2, 7
and 8: invariants 12 and 13)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mesh.dots import row_of
from mesh.merge.covers import Cut
from mesh.rreplay import FrameError
from node.store.entry import Dot
from node.store.values.sets import SetValue
from tests.mesh.stories import Mesh
from tests.mesh.test_convergence import run
from tests.support.remembered import remembered
from tests.support.seeds import seeds
from tests.support.simnode import SimNode

SEEDS = seeds()
SHARDS = 8


def trio() -> tuple[Mesh, SimNode, SimNode, SimNode]:
    mesh = Mesh("abc", forgets="beat")
    return mesh, mesh.nodes[0], mesh.nodes[1], mesh.nodes[2]


def pair() -> tuple[Mesh, SimNode, SimNode]:
    mesh = Mesh("ab", forgets="beat")
    return mesh, mesh.nodes[0], mesh.nodes[1]


def hold(mesh: Mesh, *nodes: SimNode) -> None:
    """These nodes save, say so, and forget what is stable then."""
    for _ in range(3):
        mesh.time_s += 1.0
        for node in nodes:
            node.save()
            node.beat()
        mesh.flow()
    for node in nodes:
        node.forget_now()


def left(node: SimNode) -> dict[str, int]:
    """What a node remembers, by kind, without what it does not."""
    found = remembered(node.engine.databases, node.member.memory)
    return {kind: count for kind, count in found.items() if count}


def no_log(*nodes: SimNode) -> None:
    """These nodes can serve nobody who lacks anything: it takes a transfer."""
    for node in nodes:
        for stream in node.streams.all:
            node.member.backlog.hole(stream.number, stream.seen)


def dots(node: SimNode, key: bytes) -> int:
    """How many members of a set have a dot."""
    entry = node.engine.databases[0].raw(key)
    value = None if entry is None else entry.value
    assert isinstance(value, SetValue)
    return sum(isinstance(value.slot(name), Dot) for name in value.names())


# --- what is stable -----------------------------------------------------------------------------


def test_what_all_have_on_disk_needs_no_dots() -> None:
    mesh, a, b, c = trio()
    a("SADD", "s", "x", "y")
    a("SREM", "s", "y")
    a("HSET", "h", "f", "v")
    a("HINCRBY", "h", "n", "3")
    b("SET", "k", "v")
    b("EXPIRE", "k", "1000")
    b("INCR", "n")
    c("INCRBYFLOAT", "n", "0.25")
    c("SET", "gone", "v")
    c("DEL", "gone")
    b("SADD", "e", "x")
    b("SREM", "e", "x")
    mesh.heal()
    hold(mesh, a, b, c)
    for node in mesh.nodes:
        assert left(node) == {}
    assert mesh.both("GET", "n") == b"1.25"
    assert mesh.both("HGET", "h", "n") == b"3"
    assert mesh.both("TTL", "k") != -1
    assert mesh.both("SMEMBERS", "s") == frozenset({b"x"})


def test_what_was_only_applied_is_not_stable() -> None:
    mesh, a, b = pair()
    a("SADD", "s", "x")
    for _ in range(3):
        a.save()
        a.beat()
        b.beat()
        mesh.flow()
    assert dots(a, b"s") == 1
    hold(mesh, b)
    a.beat()
    assert dots(a, b"s") == 0


def test_a_dead_peer_holds_the_cut_up_and_is_named() -> None:
    mesh, a, b, c = trio()
    mesh.part(0, 2)
    mesh.part(1, 2)
    a("SADD", "s", "x")
    a("INCR", "n")
    hold(mesh, a, b)
    assert left(a) == left(b) == {"increments": 1, "rare": 2, "members": 1}
    assert a.member.stability.laggard() == c.member_id
    mesh.heal()
    hold(mesh, a, b, c)
    assert left(a) == left(b) == left(c) == {}


def test_nothing_is_stable_where_nobody_knows_the_members() -> None:
    mesh, a, b = pair()
    a.member.stability.members = lambda: None
    a("SADD", "s", "x")
    hold(mesh, a, b)
    assert dots(a, b"s") == 1
    assert dots(b, b"s") == 0


def test_a_place_with_a_rival_that_is_not_stable_keeps_all_its_dots() -> None:
    mesh, a, b, c = trio()
    mesh.cut_all()
    a("HSET", "h", "f", "a")
    b("HSET", "h", "f", "b")
    mesh.down.difference_update({(0, 1), (1, 0)})
    mesh.flow()
    mesh.up(a, c)
    mesh.up(c, a)
    hold(mesh, a, c)  # b has not said that it holds anything since
    assert left(a).get("fields") == 1
    mesh.heal()
    hold(mesh, a, b, c)
    assert left(a) == left(b) == left(c) == {}


def test_a_hot_counter_folds_while_it_counts() -> None:
    mesh, a, b = pair()
    for _ in range(20):
        for _ in range(100):
            a("INCR", "n")
            b("HINCRBY", "h", "f", "2")
        for node in (a, b):
            node.save()
            node.beat()
        mesh.time_s += 1.0
        mesh.flow()
    assert left(a)["increments"] < 1500 < 20 * 200
    mesh.heal()
    hold(mesh, a, b)
    assert left(a) == left(b) == {}
    assert (mesh.both("GET", "n"), mesh.both("HGET", "h", "f")) == (b"2000", b"4000")


def test_what_is_counted_while_counters_are_looked_at_in_slices_is_not_passed_over() -> None:
    mesh, a, b = pair()
    for number in range(50):
        a("HINCRBY", "h", f"f{number}", "1")
    mesh.heal()
    a.forget = lambda budget=0: None  # type: ignore[method-assign]
    hold(mesh, a, b)
    assert left(a)["increments"] == left(a)["fields"] == 50
    member = a.member
    while left(a)["fields"] == 50:
        assert not member.forget_step(1)  # the first of them are folded
    assert left(a)["fields"] > 0
    a("HINCRBY", "h", "late", "7")
    hold(mesh, a, b)  # the cut passes that too, before the round is over
    while not member.forget_step(1):
        pass
    assert left(a) == {}
    mesh.restart_alike(0)
    mesh.heal()
    assert mesh.both("HGET", "h", "late") == b"7"


def test_the_cut_covers_its_stamp_and_none_above() -> None:
    cut = Cut()
    cut.move(row_of([0, 7, 9]), 7)
    assert cut.has(7, 1) and not cut.has(8, 1)
    assert cut.has(0, 5) and not cut.has(1, 5)  # a place without a dot; a stream that nobody holds


# --- keys that show nothing ---------------------------------------------------------------------


def test_an_emptied_key_keeps_its_deadline_until_the_removal_is_stable() -> None:
    mesh, a, b = pair()
    a("SADD", "s", "x")
    a("PEXPIREAT", "s", mesh.deadline(60_000))
    hold(mesh, a, b)
    mesh.cut_all()
    a("SREM", "s", "x")
    b("SADD", "s", "z")
    a.save()
    a.beat()
    mesh.heal()
    assert mesh.both("SMEMBERS", "s") == frozenset({b"z"})
    assert mesh.both("PEXPIRETIME", "s") == int(mesh.deadline(60_000))


def test_an_expired_key_goes_when_no_extension_can_be_in_flight() -> None:
    mesh, a, b = pair()
    a("SET", "k", "v", "PXAT", mesh.deadline(10_000))
    hold(mesh, a, b)
    mesh.cut_all()
    mesh.at(9_000)
    b("PEXPIREAT", "k", mesh.deadline(90_000))
    mesh.at(20_000)
    assert a("EXISTS", "k") == 0
    hold(mesh, a)
    assert left(a) == {"hidden": 1}
    mesh.heal()
    assert mesh.both("GET", "k") == b"v"
    mesh.at(100_000)
    assert mesh.both("EXISTS", "k") == 0
    hold(mesh, a, b)
    assert left(a) == left(b) == {}


def test_a_type_that_lost_goes_when_the_claims_are_stable() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    a("SADD", "k", "x")
    mesh.at(50)
    b("HSET", "k", "f", "v")
    mesh.heal()
    hold(mesh, a, b)
    assert left(a) == left(b) == {}
    assert mesh.both("HDEL", "k", "f") == 1 or mesh.both("EXISTS", "k") == 0
    mesh.heal()
    assert mesh.both("EXISTS", "k") == 0


# --- transfers ----------------------------------------------------------------------------------


def test_a_forgotten_member_that_was_removed_elsewhere_goes_with_a_transfer() -> None:
    mesh, a, b = pair()
    a("SADD", "s", "x", "y")
    hold(mesh, a, b)
    mesh.cut_all()
    b("SREM", "s", "x")
    no_log(a, b)
    mesh.heal()
    assert mesh.counts["resync"] > 0
    assert mesh.both("SMEMBERS", "s") == frozenset({b"y"})


def forgotten_on_one_side() -> Iterator[tuple[Mesh, SimNode, SimNode]]:
    """A node that has forgotten, and one that has not yet; the second's log is gone, or the
    first's."""
    for at in (0, 1):
        mesh, a, b = pair()
        a("SADD", "s", "x")
        a("HSET", "h", "f", "v")
        a("HINCRBY", "h", "n", "3")
        a("SET", "n", "10")
        a("EXPIRE", "n", "1000")
        mesh.flow()
        a("INCR", "n")
        b("INCR", "n")
        mesh.flow()
        for node in (a, b):
            node.save()
            node.beat()
        mesh.flow()
        b.member.stability.active = False  # it hears what others hold, and forgets nothing
        a.beat()
        hold(mesh, a)
        assert left(a) == {}
        assert dots(b, b"s") == 1
        mesh.cut_all()
        b("SADD", "s", "new")
        a("SADD", "s", "other")
        no_log(mesh.nodes[at])
        b.member.stability.active = True
        yield mesh, a, b


def test_what_one_side_has_forgotten_and_the_other_not_is_the_same() -> None:
    for mesh, a, b in forgotten_on_one_side():
        mesh.heal()
        assert mesh.both("SMEMBERS", "s") == frozenset({b"x", b"new", b"other"})
        assert mesh.both("GET", "n") == b"12"
        assert mesh.both("HMGET", "h", "f", "n") == frozenset({b"v", b"3"})
        assert mesh.both("TTL", "n") != -1
        hold(mesh, a, b)
        assert left(a) == left(b) == {}


def test_what_the_other_removed_before_it_forgot_goes() -> None:
    for mesh, a, b in forgotten_on_one_side():
        b("SREM", "s", "x")
        b("HDEL", "h", "f")
        b("DEL", "n")
        mesh.heal()
        assert mesh.both("SMEMBERS", "s") == frozenset({b"new", b"other"})
        assert mesh.both("HKEYS", "h") == frozenset({b"n"})
        assert mesh.both("EXISTS", "n") == 0
        hold(mesh, a, b)


def test_a_removal_that_waits_does_not_hit_what_was_added_without_it_and_is_forgotten() -> None:
    mesh, a, b, c = trio()
    mesh.cut(2, 0)
    c("SADD", "s", "late")
    mesh.flow()
    b("SREM", "s", "late")
    mesh.flow()
    assert a.member.memory.removals.count == 1  # it waits for the add of c
    a("SADD", "s", "late")
    mesh.heal()
    assert mesh.both("SMEMBERS", "s") == frozenset({b"late"})
    hold(mesh, a, b, c)
    assert mesh.both("SMEMBERS", "s") == frozenset({b"late"})


def test_an_empty_newcomer_gets_what_has_no_dots() -> None:
    mesh, a, b = pair()
    a("SADD", "s", "x")
    a("HSET", "h", "f", "v")
    a("INCR", "n")
    hold(mesh, a, b)
    assert left(a) == {}
    no_log(a, b)
    c = mesh.add("c")
    mesh.heal()
    assert c("SMEMBERS", "s") is not None
    assert mesh.both("SMEMBERS", "s") == frozenset({b"x"})
    assert mesh.both("GET", "n") == b"1"
    hold(mesh, a, b, c)
    assert left(c) == {}


def test_a_node_with_data_that_lacks_what_others_forgot_takes_theirs_and_writes_its_own_anew() -> (
    None
):
    mesh, a, b = pair()
    a("SADD", "s", "x")
    hold(mesh, a, b)
    no_log(a, b)
    c = mesh.add("c")
    c("SADD", "other", "y")
    mesh.cut(2, 0)
    mesh.cut(2, 1)
    mesh.flow()
    assert c("SMEMBERS", "s") is not None and c("EXISTS", "s", "other") == 2
    mesh.heal()
    assert mesh.both("SMEMBERS", "s") == frozenset({b"x"})
    assert mesh.both("SMEMBERS", "other") == frozenset({b"y"})
    hold(mesh, a, b, c)
    assert left(a) == left(b) == left(c) == {}


# --- the lemma ----------------------------------------------------------------------------------


def test_a_frame_that_had_not_seen_what_is_stable_is_refused() -> None:
    mesh, a, b = pair()
    b("SADD", "s", "x")
    mesh.flow()
    mesh.cut_all()
    b("SADD", "s", "y")
    a("SREM", "s", "x")
    b.member.stability.take_cut(b.member.vector())  # as if a had said that it holds y
    b.forget_now()
    mesh.down.clear()
    refusal = ""
    try:
        mesh.flow()
    except FrameError as error:
        refusal = str(error)
    assert "without knowing" in refusal
    assert b.member.memory.cut.violations == 1
    assert b("SISMEMBER", "s", "x") == 1


# --- limits -------------------------------------------------------------------------------------


def test_beyond_its_limit_nothing_is_noted_and_all_keys_are_looked_at() -> None:
    mesh, a, b = pair()
    for node in (a, b):
        node.member.forgetter.noted_max = 10
    for number in range(50):
        a("SADD", f"s{number}", "x")
    assert a.member.forgetter.noted <= 11
    mesh.heal()
    hold(mesh, a, b)
    assert left(a) == left(b) == {}


@pytest.mark.parametrize("shard", range(SHARDS))
def test_random_schedules_converge_while_nodes_forget(shard: int) -> None:
    for seed in range(shard, SEEDS // 25, SHARDS):
        run(seed, forgets=("frame", "random")[seed // SHARDS % 2])
