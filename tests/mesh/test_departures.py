"""Who has left or was expelled holds nothing up any more, and nothing of what it wrote is lost
that anybody has (semantics.md 2, "Closing a stream")."""

from __future__ import annotations

import random

import pytest

from mesh.membership import END, LEFT
from tests.mesh.stories import Mesh
from tests.mesh.test_stability import dots, hold, left
from tests.support.simnode import SimNode
from tests.support.simulation import World


def meshed(names: str) -> Mesh:
    """Nodes that know each other as members, and forget by that."""
    mesh = Mesh(names, forgets="beat")
    for node in mesh.nodes:
        node.member.stability.members = node.member.membership.ids
    introduce(mesh)
    return mesh


def introduce(mesh: World) -> None:
    """Each node admits the others; all that is said arrives."""
    for node in mesh.nodes:
        for other in mesh.nodes:
            if other is not node:
                node.member.admit(other.member_id, "", 0, lambda member: True)
        node.beat()
    mesh.flow()
    for node in mesh.nodes:
        node.beat()
    mesh.flow()


def gone(mesh: Mesh, at: int) -> SimNode:
    """This node is never heard of again."""
    for other in range(len(mesh.nodes)):
        if other != at:
            mesh.no_link(at, other)
            mesh.wires[at, other].cut()
            mesh.wires[other, at].cut()
    return mesh.nodes[at]


def ask_again(mesh: Mesh, source: int, target: int) -> None:
    """The link is restarted, as a node does it that lacks what the other one has."""
    mesh.wires[source, target].cut()
    mesh.wires[source, target].asks_all = True


def rest(*nodes: SimNode) -> list[dict[str, int]]:
    """What these nodes remember."""
    return [left(node) for node in nodes]


def test_a_dead_peer_holds_nothing_up_once_it_is_expelled() -> None:
    mesh = meshed("abc")
    a, b, c = mesh.nodes
    a("SADD", "s", "before")
    hold(mesh, a, b, c)
    assert dots(a, b"s") == 0
    gone(mesh, 2)
    a("SADD", "s", "x")
    b("INCR", "n")
    hold(mesh, a, b)
    assert dots(a, b"s") == dots(b, b"s") == 1
    b.member.expel(c.member_id, "it is dead")
    hold(mesh, a, b)
    hold(mesh, a, b)
    assert rest(a, b) == [{}, {}]
    for node in (a, b):
        assert node.member.membership.departures()[c.member_id].closed
        assert node.member.stability.ends[c.streams.own.uuid] > 0
        assert not node.member.stability.closers
    a("SADD", "s", "y")
    hold(mesh, a, b)
    assert rest(a, b) == [{}, {}]


def test_the_last_member_expels_the_other_and_forgets_by_itself() -> None:
    mesh = meshed("ab")
    a, b = mesh.nodes
    gone(mesh, 1)
    a("SADD", "s", "x")
    hold(mesh, a)
    assert dots(a, b"s") == 1
    a.member.expel(b.member_id, "it is dead")
    hold(mesh, a)
    assert rest(a) == [{}]


def test_what_one_member_had_of_the_expelled_reaches_all_before_the_end() -> None:
    mesh = meshed("abc")
    a, b, c = mesh.nodes
    hold(mesh, a, b, c)
    mesh.cut_all()
    c("SADD", "s", "late")
    mesh.up(c, b)
    gone(mesh, 2)
    a.member.expel(c.member_id, "it is dead")
    mesh.up(a, b)
    mesh.up(b, a)
    hold(mesh, a)
    assert not a.member.membership.departures()[c.member_id].closed
    hold(mesh, a, b)  # b has it on disk now, and may hand it on
    ask_again(mesh, 1, 0)
    hold(mesh, a, b)
    hold(mesh, a, b)
    assert a.member.membership.departures()[c.member_id].closed
    assert a("SISMEMBER", "s", "late") == b("SISMEMBER", "s", "late") == 1
    assert rest(a, b) == [{}, {}]


def test_what_is_slow_to_reach_the_closer_bounds_the_end_and_the_cut() -> None:
    mesh = meshed("abcd")
    a, b, c, d = mesh.nodes
    hold(mesh, a, b, c, d)
    mesh.cut_all()
    c("SADD", "s", "late")
    mesh.up(c, b)
    gone(mesh, 2)
    mesh.no_link(0, 1)
    a.member.expel(c.member_id, "it is dead")
    for source, target in ((a, d), (d, a), (d, b), (b, d)):
        mesh.up(source, target)
    for _ in range(3):
        for node in (a, b, d):
            node.beat()
        mesh.flow()
    assert d("SISMEMBER", "s", "late") == 0  # b has it in memory alone, so d does not take it
    assert not a.member.membership.departures()[c.member_id].closed  # a knows that b has it
    a("SADD", "s", "y")
    hold(mesh, a, b, d)  # all have y, which the late write had not seen
    for _ in range(3):
        ask_again(mesh, 1, 3)
        mesh.flow()
        ask_again(mesh, 3, 0)
        hold(mesh, a, b, d)
    for node in (a, b, d):
        assert node("SISMEMBER", "s", "late") == node("SISMEMBER", "s", "y") == 1
        assert node.member.memory.cut.violations == 0
    assert a.member.membership.departures()[c.member_id].closed
    assert rest(a, b, d) == [{}, {}, {}]


def test_a_write_of_the_expelled_that_comes_late_meets_no_cut_it_had_not_seen() -> None:
    mesh = meshed("abcd")
    a, b, c, d = mesh.nodes
    a("SADD", "s", "x")
    hold(mesh, a, b, c, d)
    mesh.cut(3, 1)
    mesh.cut(2, 1)
    mesh.cut(0, 1)
    d("SREM", "s", "x")  # b hears of it last
    mesh.flow()
    gone(mesh, 3)
    a.member.expel(d.member_id, "it is dead")
    a("SADD", "s", "y")
    hold(mesh, a, c)
    mesh.down.discard((0, 1))
    mesh.down.discard((2, 1))
    for _ in range(4):
        hold(mesh, a, b, c)
        ask_again(mesh, 0, 1)
    for node in (a, b, c):
        assert node("SMEMBERS", "s") is not None
        assert node("SISMEMBER", "s", "x") == 0
        assert node.member.memory.cut.violations == 0
    assert rest(a, b, c) == [{}, {}, {}]


def test_who_leaves_ends_its_stream_with_the_frame_that_says_so() -> None:
    mesh = meshed("abc")
    a, b, c = mesh.nodes
    c("SADD", "s", "x")
    hold(mesh, a, b, c)
    c("SADD", "s", "last")
    c.wake()
    c.member.change_membership([(c.member_id + END, {"state": LEFT, "by": c.member_id.decode()})])
    c.member.backlog.flush()
    end = int(c.streams.own.seen)
    mesh.flow()
    gone(mesh, 2)
    c("SADD", "s", "alone")
    assert a.member.stability.ends == b.member.stability.ends == {c.streams.own.uuid: end}
    hold(mesh, a, b)
    hold(mesh, a, b)
    assert rest(a, b) == [{}, {}]
    assert a("SISMEMBER", "s", "last") == 1
    assert a("SISMEMBER", "s", "alone") == 0


def test_who_comes_back_to_its_peer_after_another_has_left_lacks_nothing() -> None:
    # The stream of who left had ended by itself: left out of what is told, nobody could tell that
    # it was meant, and each took the other for one that has lost all of it.
    mesh = meshed("abc")
    a, b, c = mesh.nodes
    c("SADD", "s", "x")
    hold(mesh, a, b, c)
    c.wake()
    c.member.change_membership([(c.member_id + END, {"state": LEFT, "by": c.member_id.decode()})])
    c.member.backlog.flush()
    mesh.flow()
    gone(mesh, 2)
    for _ in range(4):
        hold(mesh, a, b)
    assert a.streams.of(c.streams.own.uuid).retired
    transfers = mesh.counts["resync"]
    mesh.part(0, 1)
    mesh.down = set(mesh.missing)
    a("SADD", "s", "y")
    mesh.flow()
    assert b("SISMEMBER", "s", "y") == 1
    assert mesh.counts["resync"] == transfers
    assert not a.member.void and not b.member.void


def test_when_the_closer_is_expelled_itself_another_closes() -> None:
    mesh = meshed("abc")
    a, b, c = mesh.nodes
    hold(mesh, a, b, c)
    gone(mesh, 2)
    b.member.expel(c.member_id, "it is dead")
    mesh.flow()
    assert a.member.membership.departures()[c.member_id].closer == b.member_id
    gone(mesh, 1)
    a.member.expel(b.member_id, "it is dead")
    a("SADD", "s", "x")
    hold(mesh, a)
    hold(mesh, a)
    assert all(each.closed for each in a.member.membership.departures().values())
    assert rest(a) == [{}]


def test_a_process_of_the_expelled_that_nobody_knew_is_closed_too() -> None:
    mesh = meshed("abc")
    a, b, c = mesh.nodes
    c("SADD", "s", "x")
    hold(mesh, a, b, c)
    mesh.cut_all()
    mesh.crash(2, c.saves[-1])
    c.member.stability.members = c.member.membership.ids
    c.activate()
    c("SADD", "s", "of the new process")
    mesh.up(c, b)
    gone(mesh, 2)
    a.member.expel(c.member_id, "it is dead")
    mesh.up(a, b)
    mesh.down.clear()
    mesh.down |= mesh.missing
    for _ in range(4):
        hold(mesh, a, b)
        ask_again(mesh, 1, 0)
    assert a("SISMEMBER", "s", "of the new process") == 1
    assert {c.past[0], c.past[1]} <= set(a.member.stability.ends)
    assert rest(a, b) == [{}, {}]


def test_the_slot_of_stream_ids_is_used_once_its_claim_is_stable() -> None:
    mesh = meshed("ab")
    a, b = mesh.nodes
    hold(mesh, a, b)
    hold(mesh, a, b)
    slots = [int(node.member.memory.claimed_slot) for node in (a, b)]
    assert sorted(slots) == [1, 2]
    entry = a("XADD", "x", "*", "f", "v")
    assert isinstance(entry, bytes)
    assert int(entry.split(b"-")[1]) & 0xFFF == slots[0]


@pytest.mark.parametrize("seed", range(8))
def test_random_schedules_with_an_expelled_member_converge_and_forget(seed: int) -> None:
    mesh = meshed("abcd")
    dice = random.Random(seed)
    d = mesh.nodes[3]
    for step in range(200):
        mesh.time_s += 0.01
        node = mesh.nodes[dice.randrange(4 if step < 100 else 3)]
        what = dice.random()
        if what < 0.3:
            node("SADD", "s", str(dice.randrange(9)))
        elif what < 0.4:
            node("SREM", "s", str(dice.randrange(9)))
        elif what < 0.5:
            node("INCR", "n")
        elif what < 0.9:
            pair = dice.choice([pair for pair in mesh.wires if pair not in mesh.missing])
            mesh.step(pair)
            node.work()
        elif what < 0.95:
            node.save()
            node.beat()
        else:
            mesh.cut(*dice.choice(list(mesh.wires)))
            mesh.down = set(mesh.missing) if dice.random() < 0.7 else mesh.down
        if step == 100:
            gone(mesh, 3)
            mesh.nodes[dice.randrange(3)].member.expel(d.member_id, "it is dead")
    mesh.down = set(mesh.missing)
    others = mesh.nodes[:3]
    for _ in range(8):
        hold(mesh, *others)
        for at in range(3):
            for to in range(3):
                if at != to:
                    ask_again(mesh, at, to)
        mesh.flow()
    shown = [node.shown() for node in others]
    assert shown[0] == shown[1] == shown[2]
    assert all(node.member.memory.cut.violations == 0 for node in others)
    assert [left(node) for node in others] == [{}, {}, {}]
