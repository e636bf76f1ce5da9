"""Data from before, activation while writes go on, transfers and restarts: nothing is lost."""

from __future__ import annotations

from node.resp.replies import NULL_ARRAY
from tests.mesh.stories import Mesh, conflicts, pair
from tests.support.simnode import SimNode

SMALL_BACKLOG = 20_000


def alone(mesh: Mesh, name: str) -> SimNode:
    """A node that is not active yet."""
    return mesh.add(name, active=False)


def fill(node: SimNode, count: int = 400) -> None:
    """More frames than a small backlog holds."""
    for number in range(count):
        node("SET", f"fill{number}", "x" * 40)


def start_transfer(mesh: Mesh, source: int, target: int) -> None:
    """The target asks, the source's backlog is too short, a snapshot of all begins."""
    mesh.whole_each = 1
    wire = mesh.wires[source, target]
    wire.cut()
    assert wire.connect()
    wire.answer()
    assert wire.outflow is not None, "the story needs a transfer"
    assert wire.deliver(lambda size: size)  # the answer
    assert mesh.nodes[source].work()


def test_data_written_alone_joins_by_transfer() -> None:
    mesh = Mesh("a")
    a = mesh.nodes[0]
    a("SET", "mesh", "m")
    b = alone(mesh, "b")
    b("SET", "alone", "v", "PXAT", mesh.deadline(90_000))
    b("INCRBY", "n", "5")
    b("SADD", "s", "x", "y")
    b("HSET", "h", "f", "1")
    b("HINCRBY", "h", "f", "2")
    b.activate()
    mesh.heal()
    assert mesh.both("MGET", "mesh", "alone", "n") == {b"m", b"v", b"5"}
    assert mesh.both("SMEMBERS", "s") == {b"x", b"y"}
    assert mesh.both("HGETALL", "h") == {b"f": b"3"}
    assert mesh.both("PEXPIRETIME", "alone") == int(mesh.deadline(90_000))
    a("INCR", "n")
    b("INCR", "n")
    mesh.heal()
    assert mesh.both("GET", "n") == b"7"


def test_two_data_sets_join_key_by_key() -> None:
    mesh = Mesh("")
    a, b = alone(mesh, "a"), alone(mesh, "b")
    mesh.at(1000)
    a("SET", "k", "older")
    a("SADD", "s", "a")
    mesh.at(1001)
    b("SET", "k", "newer")
    b("SADD", "s", "b")
    a.activate()
    b.activate()
    mesh.heal()
    assert mesh.both("GET", "k") == b"newer"
    assert mesh.both("SMEMBERS", "s") == {b"a", b"b"}
    assert conflicts(a, "import_conflict") + conflicts(b, "import_conflict") >= 1


def test_writes_between_the_slices_of_an_activation_are_kept() -> None:
    mesh = Mesh("a")
    b = alone(mesh, "b")
    for number in range(20):
        b("SADD", f"s{number}", "old")
        b("SET", f"k{number}", "old")
    assert b.activate(at_once=False)
    at = 0
    while b.activating:
        b("SADD", f"s{at}", "new")
        b("SET", f"k{19 - at}", "new")
        b("DEL", f"s{19 - at}")
        b("SET", f"fresh{at}", "v")
        at += 1
        b.activation_step()
        if at == 20:
            break
    mesh.heal()
    assert mesh.both("SMEMBERS", "s0") == {b"old", b"new"}
    assert mesh.both("GET", "k19") == b"new"
    assert mesh.both("EXISTS", "s19") == 0
    assert mesh.both("GET", "fresh0") == b"v"


def test_writes_right_after_a_restart_reach_the_peers() -> None:
    """All that was saved has its dots, so the stream starts before the first write."""
    mesh, a, _b = pair()
    for number in range(50):
        a("SADD", f"s{number}", "x")
    mesh.heal()
    a.save()
    mesh.crash(0, a.saves[-1])
    a.activate(at_once=False)
    a("SET", "early", "v")
    a("SADD", "s7", "y")
    mesh.heal()
    assert mesh.both("GET", "early") == b"v"
    assert mesh.both("SMEMBERS", "s7") == {b"x", b"y"}
    assert mesh.counts["resync"] == 0, "frames are enough"


def test_a_restart_from_an_old_save_gets_the_rest_from_its_peers() -> None:
    mesh, a, _b = pair()
    a("SET", "k", "1")
    a("SADD", "s", "gone", "kept")
    mesh.heal()
    a.save()
    old = a.saves[-1]
    a("SET", "k", "2")
    a("SREM", "s", "gone")
    a("INCR", "n")
    mesh.heal()
    a.save()
    mesh.crash(0, old)
    a.activate()
    assert a("GET", "k") == b"1"
    a("INCR", "n")
    a("SADD", "s", "more")
    mesh.heal()
    assert mesh.both("GET", "k") == b"2"
    assert mesh.both("GET", "n") == b"2"
    assert mesh.both("SMEMBERS", "s") == {b"kept", b"more"}


def test_many_restarts_are_many_streams() -> None:
    """More streams than a row has places at first, and removals that wait meanwhile."""
    mesh = Mesh("abc")
    a, b, c = mesh.nodes
    mesh.cut(0, 2)
    a("SADD", "s", "gone")
    mesh.up(a, b)
    b("SREM", "s", "gone")
    mesh.up(b, c)
    mesh.cut(1, 2)
    assert c.member.memory.removals.count == 1
    for number in range(20):
        a("SADD", "s", f"of {number}")
        mesh.up(a, b)
        a.save()
        mesh.crash(0, a.saves[-1])
        a.activate()
    assert c.member.memory.removals.count == 1
    mesh.heal()
    assert len(c.member.vector()) > 20
    assert mesh.both("SCARD", "s") == 20


def test_a_node_that_lost_everything_gets_it_back() -> None:
    mesh, a, _b = pair()
    a("MSET", "k", "v", "n", "1")
    a("DEL", "n")
    mesh.heal()
    mesh.crash(0, None)
    a.activate()
    a("SET", "new", "v")
    mesh.heal()
    assert mesh.both("KEYS", "*") == {b"k", b"new"}


def test_writes_on_both_sides_of_a_transfer_are_kept() -> None:
    mesh = Mesh("ab", backlog_bytes=SMALL_BACKLOG)
    a, b = mesh.nodes
    a("SADD", "s", "seen", "gone")
    a("INCRBY", "n", "10")
    mesh.heal()
    mesh.cut_all()
    fill(a)
    b("SREM", "s", "gone")
    b("SADD", "s", "of b")
    b("INCR", "n")
    mesh.down.clear()
    start_transfer(mesh, 0, 1)
    a("SADD", "s", "of a")
    a("INCR", "n")
    b("SADD", "s", "later")
    b("HSET", "h", "f", "v")
    mesh.heal()
    assert mesh.both("SMEMBERS", "s") == {b"seen", b"of a", b"of b", b"later"}
    assert mesh.both("GET", "n") == b"12"
    assert mesh.both("HGETALL", "h") == {b"f": b"v"}


def test_nothing_of_a_transfer_that_breaks_is_seen() -> None:
    mesh = Mesh("ab", backlog_bytes=SMALL_BACKLOG)
    a, b = mesh.nodes
    b("SET", "k", "b")
    mesh.heal()
    mesh.cut_all()
    fill(a)
    before, vector = b.shown(), b.member.vector()
    mesh.down.clear()
    start_transfer(mesh, 0, 1)
    wire = mesh.wires[0, 1]
    for _ in range(100):
        a.work()
        wire.deliver(lambda size: size)
    assert b.member.staging is not None
    wire.cut()
    assert b.member.staging is None
    assert b.shown() == before
    assert b.member.vector() == vector
    mesh.heal()
    assert b("DBSIZE") == 401


def test_a_watched_key_that_a_transfer_changes_is_spoiled() -> None:
    mesh = Mesh("ab", backlog_bytes=SMALL_BACKLOG)
    a, b = mesh.nodes
    mesh.cut_all()
    fill(a)
    b("WATCH", "fill7")
    mesh.heal()
    b("MULTI")
    b("SET", "fill7", "b")
    assert b("EXEC") is NULL_ARRAY
    assert mesh.both("GET", "fill7") == b"x" * 40


def test_two_nodes_that_lack_each_others_tail_transfer_to_each_other() -> None:
    mesh = Mesh("ab", backlog_bytes=SMALL_BACKLOG)
    a, b = mesh.nodes
    mesh.cut_all()
    fill(a)
    for number in range(400):
        b("SADD", f"set{number}", "y" * 40)
    mesh.heal()
    assert mesh.both("DBSIZE") == 800
    assert mesh.counts["resync"] >= 2


def test_saves_while_writes_go_on_hold_one_moment() -> None:
    mesh, a, _b = pair()
    for number in range(30):
        a("SET", f"k{number}", "0")
    mesh.heal()
    a.begin_save()
    a.work()
    for number in range(30):
        a("SET", f"k{number}", "1")
        a("SADD", f"s{number}", "late")
        a.work()
    while a.work():
        pass
    mesh.flow()
    mesh.crash(0, a.saves[-1])
    values = {a("GET", f"k{number}") for number in range(30)}
    assert values == {b"0"}
    assert a("DBSIZE") == 30
    a.activate()
    mesh.heal()
    assert mesh.both("DBSIZE") == 60
