"""Processes that have ended: what is known of their streams, and who may still hand it on
(semantics.md 2, "Closing a stream")."""

from __future__ import annotations

from tests.mesh.stories import overtake
from tests.mesh.test_stability import hold, left, pair, trio


def test_a_process_that_ended_holds_nothing_up_once_all_have_answered() -> None:
    mesh, a, b, c = trio()
    a("SADD", "s", "x")
    mesh.flow()
    hold(mesh, a, b, c)
    a("SADD", "s", "lost by a")
    mesh.flow()
    mesh.crash(0, a.saves[-1])
    a.activate()
    old = a.past[-2]
    assert old in a.member.stability.open
    a.beat()
    assert old in a.member.stability.open  # nobody has answered, though a disk has all that is here
    mesh.heal()
    hold(mesh, a, b, c)
    assert a.member.stability.open == set()
    for node in mesh.nodes:
        assert old in node.member.stability.ends
        assert not node.member.stability.closers
        assert left(node) == {}
    assert mesh.both("SMEMBERS", "s") == frozenset({b"x", b"lost by a"})


def test_a_removal_does_not_wait_for_what_nobody_has_any_more() -> None:
    mesh, a, b, c = trio()
    hold(mesh, a, b, c)
    mesh.cut(0, 2)
    a("SADD", "s", "x")
    mesh.flow()
    b("SREM", "s", "x")
    mesh.flow()
    assert c.member.memory.removals.count == 1
    mesh.cut_all()
    mesh.crash(0, a.saves[-1])
    a.activate()
    mesh.crash(1, b.saves[-1])
    b.activate()
    mesh.heal()
    hold(mesh, a, b, c)
    assert [node.member.memory.removals.count for node in mesh.nodes] == [0, 0, 0]
    assert [left(node) for node in mesh.nodes] == [{}, {}, {}]


def test_what_one_has_in_memory_alone_of_an_ended_process_is_not_handed_on() -> None:
    mesh, a, b, c = trio()
    hold(mesh, a, b, c)
    mesh.cut_all()
    a("SADD", "s", "x")
    mesh.up(a, b)  # b has it in memory
    mesh.cut_all()
    mesh.crash(0, a.saves[-1])
    a.activate()
    mesh.up(a, c)
    c.beat()  # c answers without it
    mesh.cut_all()
    mesh.up(b, c)
    assert c("EXISTS", "s") == 0
    b.save()
    b.beat()
    mesh.cut(1, 2)
    mesh.up(b, c)
    mesh.cut(1, 2)
    mesh.up(b, c)
    assert c("SISMEMBER", "s", "x") == 1
    mesh.heal()
    assert mesh.both("SMEMBERS", "s") == frozenset({b"x"})


def test_a_restarted_node_has_its_last_writes_at_once_though_its_peer_has_not_saved() -> None:
    mesh, a, b = pair()
    hold(mesh, a, b)
    a("SADD", "s", "x")
    mesh.flow()
    mesh.crash(0, a.saves[-1])
    a.activate()
    mesh.up(b, a)
    mesh.up(a, b)
    assert mesh.both("SMEMBERS", "s") == frozenset({b"x"})
    for node in (a, b, a):
        node.beat()
        mesh.flow()
    assert a.member.stability.open, "no disk has all of it yet"
    a.save()
    for node in (a, b, a):
        node.beat()
        mesh.flow()
    assert not a.member.stability.open and not b.member.stability.closers


def test_what_both_had_in_memory_alone_is_no_end_that_a_third_waits_for() -> None:
    mesh, a, b, c = trio()
    hold(mesh, a, b, c)
    mesh.cut_all()
    a("SADD", "s", "x")
    mesh.up(a, b)
    mesh.cut_all()
    mesh.crash(0, a.saves[-1])
    a.activate()
    mesh.up(b, a)
    mesh.up(a, b)
    assert a("SISMEMBER", "s", "x") == 1
    for node in (c, b, a):
        mesh.up(c, a)
        node.beat()
        mesh.flow()
    mesh.cut_all()
    for node in (a, b):
        mesh.crash(mesh.nodes.index(node), node.saves[-1])
        node.activate()
    mesh.heal()
    hold(mesh, a, b, c)
    for node in mesh.nodes:
        assert not node.member.stability.closers
        assert left(node) == {}


def test_what_was_not_taken_before_it_was_on_disk_is_asked_for_again() -> None:
    mesh, a, b, c = trio()
    hold(mesh, a, b, c)
    mesh.cut_all()
    a("SADD", "s", "x")
    a("SADD", "s", "y")
    mesh.up(a, b)  # b has both in memory
    mesh.cut_all()
    mesh.crash(0, a.saves[-1])
    a.activate()
    mesh.up(a, c)
    mesh.cut_all()
    wire = mesh.wires[1, 2]
    assert wire.connect()
    wire.answer()
    while not wire.inbox.refused:
        assert wire.deliver(lambda size: 1)  # the first of them is not taken
    b.save()
    b.beat()
    overtake(b, c)  # c hears that b has them on disk, before the second comes
    assert c("EXISTS", "s") == 0
    resumes = wire.resumes
    mesh.up(b, c)
    assert wire.resumes == resumes + 1
    assert c("SCARD", "s") == 2
    mesh.heal()


def test_a_restart_says_no_more_than_it_started_with_while_its_old_stream_is_open() -> None:
    mesh, a, b = pair()
    hold(mesh, a, b)
    mesh.cut_all()
    a("SADD", "s", "x")
    mesh.crash(0, a.saves[-1])
    a.activate()
    started = dict(a.member.stability.reportable())
    b("SADD", "s", "y")
    mesh.up(b, a)
    a.save()
    a.beat()
    assert a.member.stability.reportable() == started
    mesh.crash(0, a.saves[-1])
    a.activate()
    assert a.member.stability.reportable() == started
    mesh.heal()
    hold(mesh, a, b)
    assert left(a) == left(b) == {}


def test_a_restart_knows_what_was_forgotten() -> None:
    mesh, a, b = pair()
    a("SADD", "s", "x", "y")
    a("INCR", "n")
    a("SET", "k", "v")
    a("EXPIRE", "k", "1000")
    hold(mesh, a, b)
    cut = dict(a.member.stability.cut)
    a.save()
    mesh.crash(0, a.saves[-1])
    a.activate()
    assert left(a) == {}
    assert all(a.member.stability.cut.get(uuid, 0) >= stamp for uuid, stamp in cut.items())
    b("SREM", "s", "x")
    a("INCR", "n")
    mesh.heal()
    assert mesh.both("SMEMBERS", "s") == frozenset({b"y"})
    assert mesh.both("GET", "n") == b"2"
    assert mesh.both("TTL", "k") != -1
