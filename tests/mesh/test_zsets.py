"""Sorted sets: a member goes only by a write that had seen it, its score is the newest register and
the increments that survive (semantics.md 4.5)."""

from __future__ import annotations

import pytest

from node.store.values.zsets import ZSetValue
from tests.mesh.stories import Mesh, conflicts, pair, trio
from tests.support.simnode import SimNode

Command = tuple[str, ...]
INFINITY = float("inf")


def scores(node: SimNode, key: str = "z") -> dict[bytes, float]:
    """A sorted set's members with their scores."""
    entry = node.engine.databases[0].keys.get(key.encode())
    if entry is None:
        return {}
    value = entry.value
    assert isinstance(value, ZSetValue)
    size = value.size()
    return dict(zip(value.members(0, size), value.scores(0, size), strict=True))


def asks_for_no_relay(node: SimNode) -> None:
    """What a stream of a third node names arrives later than the stream itself."""
    node.settle_routes = lambda: None  # type: ignore[method-assign]


# What there is, what A and B write at 1000 and 1001 ms, and what all show then.
EXAMPLES: dict[str, tuple[tuple[Command, ...], Command, Command, dict[bytes, float]]] = {
    "Z1": ((("ZADD", "z", "4.1", "x"),), ("ZREM", "z", "x"), ("ZINCRBY", "z", "2", "x"),
           {b"x": 2.0}),
    "Z2": ((("ZADD", "z", "1.1", "x"),), ("ZINCRBY", "z", "1", "x"), ("ZINCRBY", "z", "1", "x"),
           {b"x": 3.1}),
    "Z3": ((("ZADD", "z", "1", "x"),), ("ZADD", "z", "50", "x"), ("ZINCRBY", "z", "2", "x"),
           {b"x": 52.0}),
    "Z4": ((), ("ZADD", "z", "1.1", "x"), ("ZADD", "z", "2.1", "x"), {b"x": 2.1}),
    "Z5": ((("ZADD", "z", "1", "x"),), ("ZADD", "z", "GT", "7", "x"),
           ("ZADD", "z", "GT", "5", "x"), {b"x": 7.0}),
    "Z5 lower last": ((("ZADD", "z", "1", "x"),), ("ZADD", "z", "GT", "7", "x"),
                      ("ZADD", "z", "GT", "6", "x"), {b"x": 7.0}),
    "Z5 with LT": ((("ZADD", "z", "9", "x"),), ("ZADD", "z", "LT", "5", "x"),
                   ("ZADD", "z", "LT", "7", "x"), {b"x": 5.0}),
    "Z5 on no member": ((), ("ZADD", "z", "GT", "7", "x"), ("ZADD", "z", "GT", "5", "x"),
                        {b"x": 7.0}),
    "GT beside LT: the last writer": ((("ZADD", "z", "6", "x"),), ("ZADD", "z", "GT", "7", "x"),
                                      ("ZADD", "z", "LT", "5", "x"), {b"x": 5.0}),
    "GT beside a plain score: the last writer": (
        (("ZADD", "z", "1", "x"),), ("ZADD", "z", "GT", "7", "x"), ("ZADD", "z", "3", "x"),
        {b"x": 3.0}),
    "Z6": ((("ZADD", "z", "1", "old"),), ("ZREMRANGEBYSCORE", "z", "-inf", "10"),
           ("ZADD", "z", "3", "new"), {b"new": 3.0}),
    "Z7": ((("ZADD", "z", "1", "x", "2", "y"),), ("ZPOPMIN", "z"), ("ZPOPMIN", "z"), {b"y": 2.0}),
    "DEL beside an increment": ((("ZADD", "z", "4.1", "x", "1", "y"),), ("DEL", "z"),
                                ("ZINCRBY", "z", "2", "x"), {b"x": 2.0}),
    "DEL beside a new member": ((("ZADD", "z", "1", "x"),), ("DEL", "z"), ("ZADD", "z", "3", "n"),
                                {b"n": 3.0}),
    "a removal beside a new score": ((("ZADD", "z", "1", "x"),), ("ZREM", "z", "x"),
                                     ("ZADD", "z", "1", "x"), {b"x": 1.0}),
    "a result stored over a new member": (
        (("ZADD", "z", "1", "x"), ("ZADD", "s", "5", "y")), ("ZUNIONSTORE", "z", "1", "s"),
        ("ZADD", "z", "3", "n"), {b"y": 5.0, b"n": 3.0}),
    "a result stored over an increment": (
        (("ZADD", "z", "1", "x"), ("ZADD", "s", "5", "x")), ("ZUNIONSTORE", "z", "1", "s"),
        ("ZINCRBY", "z", "2", "x"), {b"x": 7.0}),
    "infinities of both signs": ((("ZADD", "z", "0", "x"),), ("ZINCRBY", "z", "inf", "x"),
                                 ("ZINCRBY", "z", "-inf", "x"), {b"x": 0.0}),
    "infinity swallows an increment": ((("ZADD", "z", "0", "x"),), ("ZINCRBY", "z", "inf", "x"),
                                       ("ZINCRBY", "z", "7", "x"), {b"x": INFINITY}),
}  # fmt: skip
NAMES = list(EXAMPLES)


@pytest.mark.parametrize("transfer", [False, True], ids=["by frames", "by a transfer"])
@pytest.mark.parametrize("name", NAMES)
def test_two_concurrent_writes(name: str, transfer: bool) -> None:
    """Both orders of arrival: A takes B's write in after its own, B the other way round; C takes
    both in as frames, or at once as a snapshot."""
    before, first, second, final = EXAMPLES[name]
    mesh, a, b, c = trio()
    for words in before:
        a(*words)
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    a(*first)
    mesh.at(1001)
    b(*second)
    if transfer:
        mesh.up(a, b)
        b.save()
        mesh.crash(1, b.saves[-1])  # from now on it has no frames to serve
        b.activate()
        mesh.up(b, c)
        assert mesh.counts["resync"] == 1
        assert scores(c) == final
    mesh.heal()
    for node in mesh.nodes:
        assert scores(node) == final, node.name
    assert len({node("DUMP", "z") for node in mesh.nodes}) == 1


def test_of_two_positions_of_one_place_the_later_shows() -> None:
    """Z8."""
    mesh, a, b = pair()
    mesh.cut_all()
    mesh.at(1000)
    a("GEOADD", "g", "13.361389", "38.115556", "Palermo")
    mesh.at(1001)
    b("GEOADD", "g", "15.087269", "37.502669", "Palermo")
    there = b("GEOHASH", "g", "Palermo")
    mesh.heal()
    assert mesh.ordered("GEOHASH", "g", "Palermo") == there


def test_a_removal_takes_the_increments_it_had_seen() -> None:
    mesh, a, b = pair()
    a("ZADD", "z", "1", "x")
    mesh.heal()
    a("ZINCRBY", "z", "2", "x")
    b("ZINCRBY", "z", "3", "x")
    mesh.heal()
    assert scores(a) == {b"x": 6.0}
    mesh.cut_all()
    a("ZREM", "z", "x")
    b("ZINCRBY", "z", "0.5", "x")
    mesh.heal()
    assert scores(a) == scores(b) == {b"x": 0.5}
    a("ZREM", "z", "x")
    mesh.heal()
    assert mesh.both("EXISTS", "z") == 0


def test_a_score_clears_only_the_increments_it_had_seen() -> None:
    """As C8."""
    mesh, a, b = pair()
    a("ZADD", "z", "0", "x")
    a("ZINCRBY", "z", "1", "x")
    mesh.heal()
    mesh.cut_all()
    a("ZINCRBY", "z", "1", "x")
    b("ZADD", "z", "100", "x")
    mesh.heal()
    assert scores(a) == scores(b) == {b"x": 101.0}


def test_gt_looks_at_the_score_that_shows() -> None:
    mesh, a, b = pair()
    a("ZADD", "z", "5", "x")
    b("ZINCRBY", "z", "3", "x")
    mesh.heal()
    assert a("ZADD", "z", "GT", "CH", "7", "x") == 0
    assert a("ZADD", "z", "GT", "CH", "9", "x") == 1
    mesh.heal()
    assert scores(a) == scores(b) == {b"x": 9.0}


def test_sums_do_not_depend_on_the_order_of_arrival() -> None:
    """0.1 + 0.2 + 0.3 is two different doubles, depending on where one begins."""
    mesh, a, b, c = trio()
    mesh.cut_all()
    a("ZINCRBY", "z", "0.1", "x")
    b("ZINCRBY", "z", "0.2", "x")
    c("ZINCRBY", "z", "0.3", "x")
    a("ZINCRBY", "z", "1e308", "y")
    b("ZINCRBY", "z", "1e308", "y")
    c("ZINCRBY", "z", "-1e308", "y")
    mesh.heal()
    assert scores(a) == scores(b) == scores(c) == {b"x": 0.6, b"y": 1e308}
    assert a("ZINCRBY", "z", "0", "x").value == 0.6  # type: ignore[attr-defined]


def test_an_increment_replies_what_shows() -> None:
    mesh, a, _b = pair()
    a("ZADD", "z", "0.1", "x")
    a("ZINCRBY", "z", "0.2", "x")
    reply = a("ZINCRBY", "z", "0.3", "x")
    assert reply.value == scores(a)[b"x"] == 0.6  # type: ignore[attr-defined]
    mesh.heal()


def test_a_node_alone_adds_doubles_as_redis_does() -> None:
    mesh = Mesh("")
    a = mesh.add("a", active=False)
    for step in ("0.1", "0.2", "0.3"):
        a("ZINCRBY", "z", step, "x")
    assert scores(a) == {b"x": 0.1 + 0.2 + 0.3}


def test_many_writes_of_one_unit_stay_in_order() -> None:
    mesh, a, b = pair()
    a("MULTI")
    for words in (("ZINCRBY", "z", "1", "x"), ("ZADD", "z", "5", "x"), ("ZINCRBY", "z", "2", "x"),
                  ("ZINCRBY", "z", "2", "x"), ("ZADD", "z", "1", "y"), ("ZREM", "z", "y"),
                  ("ZINCRBY", "z", "4", "y"), ("ZADD", "w", "1", "m"), ("DEL", "w")):  # fmt: skip
        a(*words)
    a("EXEC")
    mesh.heal()
    assert scores(a) == scores(b) == {b"x": 9.0, b"y": 4.0}
    assert mesh.both("EXISTS", "w") == 0


def test_a_removal_that_arrives_before_its_score_waits_for_it() -> None:
    """As SE6, with increments on the member meanwhile."""
    mesh, a, b, c = trio()
    asks_for_no_relay(c)
    mesh.cut(0, 2)
    a("ZADD", "z", "1", "x", "2", "y")
    a("ZINCRBY", "z", "5", "x")
    mesh.flow()
    assert b("ZREM", "z", "x") == 1
    c("ZINCRBY", "z", "7", "x")
    mesh.flow()
    assert c.member.memory.removals.count == 1
    assert scores(c) == {b"x": 7.0}
    mesh.up(a, c)
    assert c.member.memory.removals.count == 0
    assert scores(c) == {b"x": 7.0, b"y": 2.0}
    mesh.heal()


def test_a_set_member_of_the_same_name_is_another_place() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    mesh.at(1000)
    a("SADD", "k", "x")
    mesh.at(1001)
    b("ZADD", "k", "1", "x", "2", "y")
    mesh.heal()
    assert scores(a, "k") == {b"x": 1.0, b"y": 2.0}
    assert conflicts(a, "type_clash") >= 1
    a("ZREM", "k", "x", "y")
    mesh.heal()
    assert mesh.both("EXISTS", "k") == 0
    b("ZADD", "k", "3", "z")
    mesh.heal()
    assert scores(a, "k") == scores(b, "k") == {b"z": 3.0}


def test_conflicts_are_counted() -> None:
    mesh, a, b = pair()
    a("ZADD", "z", "1", "x")
    mesh.heal()
    mesh.cut_all()
    a("ZADD", "z", "2", "x")
    b("ZADD", "z", "3", "x")
    mesh.heal()
    assert conflicts(a, "overwrite") == conflicts(b, "overwrite") == 1
    mesh.cut_all()
    a("ZREM", "z", "x")
    b("ZADD", "z", "4", "x")
    mesh.heal()
    assert conflicts(b, "removed_unseen") == 1


def test_what_is_remembered_survives_a_restart() -> None:
    mesh, a, b = pair()
    a("ZADD", "z", "1", "x", "2", "y", "3", "w")
    mesh.heal()
    mesh.cut_all()
    a("ZINCRBY", "z", "2", "x")
    a("ZADD", "z", "GT", "9", "y")
    b("ZADD", "z", "GT", "8", "y")
    b("ZINCRBY", "z", "0.5", "x")
    mesh.up(b, a)
    a.save()
    mesh.crash(0, a.saves[-1])
    a.activate()
    assert scores(a) == {b"x": 3.5, b"y": 9.0, b"w": 3.0}
    b("ZREM", "z", "y", "x")
    mesh.heal()
    assert scores(a) == scores(b) == {b"x": 2.0, b"y": 9.0, b"w": 3.0}


def test_scores_written_alone_join_the_mesh() -> None:
    mesh = Mesh("")
    a, b = mesh.add("a", active=False), mesh.add("b", active=False)
    mesh.at(1000)
    a("ZADD", "z", "1", "x", "1", "y")
    mesh.at(1001)
    b("ZADD", "z", "2", "y", "2", "w")
    a.activate()
    b.activate()
    mesh.heal()
    assert scores(a) == scores(b) == {b"x": 1.0, b"y": 2.0, b"w": 2.0}
    b("ZREM", "z", "x", "y")
    mesh.heal()
    assert scores(a) == scores(b) == {b"w": 2.0}


def test_copies_and_renames_have_dots_of_their_own() -> None:
    mesh, a, b = pair()
    a("ZADD", "z", "1", "x", "2", "y")
    b("ZINCRBY", "z", "1", "x")
    mesh.heal()
    a("COPY", "z", "copy")
    a("RENAME", "z", "other")
    mesh.heal()
    mesh.cut_all()
    a("ZREM", "copy", "x")
    b("ZINCRBY", "copy", "5", "x")
    mesh.heal()
    assert scores(a, "copy") == scores(b, "copy") == {b"x": 5.0, b"y": 2.0}
    assert scores(a, "other") == scores(b, "other") == {b"x": 2.0, b"y": 2.0}
