"""Nodes that keep nothing on disk: what they hold is what they have applied, and whoever starts
again from nothing is a new member that takes the mesh's state (semantics.md 2, 7 and W4)."""

from __future__ import annotations

import pytest

from mesh.promises import Promises
from tests.mesh.stories import Mesh
from tests.mesh.test_departures import introduce
from tests.mesh.test_rejoin import by_membership
from tests.mesh.test_rejoin import equal as settled
from tests.mesh.test_stability import left
from tests.support.simnode import SimNode


def keep_nothing(*nodes: SimNode) -> None:
    """From now on these have no save points and no append-only file."""
    for node in nodes:
        node.member.stability.keeps = lambda: False


def mesh_of(names: str, in_memory: str) -> tuple[Mesh, dict[SimNode, Promises]]:
    """Members of which some keep nothing, and what each has promised."""
    mesh = Mesh(names, forgets="beat")
    promised = {node: Promises() for node in mesh.nodes}
    by_membership(*mesh.nodes)
    for node, promises in promised.items():
        node.member.remember(promises)
        if node.name in in_memory:
            keep_nothing(node)
    introduce(mesh)
    return mesh, promised


def start_again(
    mesh: Mesh, promised: dict[SimNode, Promises], at: int, data: bytes | None = None
) -> SimNode:
    """A node was killed; its next process finds this save, and notes as a real one does."""
    node = mesh.nodes[at]
    promises = promised[node]
    keeps = node.member.stability.keeps()
    if promises.memory:
        promises.become_another(node.member_id)
        node.member_id = f"{at:02x}{mesh.counts['crash']:030x}".encode()
        node.past = []
        promises.forget()
    mesh.crash(at, data)
    by_membership(node)
    node.member.remember(promises)
    if not keeps:
        keep_nothing(node)
    node.activate()
    return node


def link_up(mesh: Mesh) -> None:
    """All links come up. Who has a mesh admits whom it does not know, as a node does it."""
    mesh.down = set(mesh.missing)
    for source, target in mesh.wires:
        node, other = mesh.nodes[source], mesh.nodes[target]
        if (source, target) not in mesh.missing:
            what, admits = node.member.called_by(other.member.card(node.member_id).pack())
            if admits or (not what and not node.member.void):
                node.member.admit(other.member_id, "", 0, lambda member: True)
    mesh.flow()


def equal(mesh: Mesh) -> None:
    """All nodes show the same, and forget all in the end."""
    link_up(mesh)
    settled(mesh)


def beats(mesh: Mesh, count: int = 4, saving: str = "") -> None:
    """Heartbeats of all, and whatever the links carry; some save before each."""
    for _ in range(count):
        mesh.time_s += 1.0
        for node in mesh.nodes:
            if node.name in saving:
                node.save()
        for node in mesh.nodes:
            node.beat()
        mesh.flow()


def fill(node: SimNode) -> None:
    """A bit of each type."""
    node("SET", "k", "v")
    node("SADD", "s", "x", "y")
    node("HSET", "h", "f", "1")
    node("HINCRBY", "h", "n", "40")
    node("INCRBY", "n", "40")
    node("ZADD", "z", "1", "a")
    node("ZINCRBY", "z", "40", "n")
    node("RPUSH", "l", "1", "2")
    node("XADD", "x", "5-1", "f", "v")


def test_what_all_have_applied_is_forgotten_where_nobody_keeps_anything() -> None:
    mesh, promised = mesh_of("abc", "abc")
    for node in mesh.nodes:
        fill(node)
        mesh.flow()
    assert any(left(mesh.nodes[0]).values())
    beats(mesh)
    assert [left(node) for node in mesh.nodes] == [{}, {}, {}]
    assert all(promises.told and promises.memory for promises in promised.values())


def test_one_of_them_that_was_killed_gets_its_own_writes_back_as_a_new_member() -> None:
    mesh, promised = mesh_of("ab", "ab")
    a, b = mesh.nodes
    fill(a)
    b("SADD", "s", "z")
    mesh.flow()
    beats(mesh)
    a("SADD", "s", "late")
    mesh.flow()
    b("SREM", "s", "y")
    mesh.cut_all()
    a("SADD", "s", "lost")
    old, shown = a.member_id, b.shown()
    a = start_again(mesh, promised, 0)
    assert a.member_id != old and not a.shown()
    equal(mesh)
    assert a.shown() == shown
    for node in mesh.nodes:
        assert node.member.membership.departures()[old].closed
        assert node.member.membership.ids() == {a.member_id, b.member_id}
        assert not node.member.stability.closers
    assert promised[a].was == []


def test_what_it_wrote_before_it_had_the_meshs_state_is_written_anew() -> None:
    mesh, promised = mesh_of("ab", "ab")
    fill(mesh.nodes[0])
    mesh.flow()
    beats(mesh)
    mesh.cut_all()
    a = start_again(mesh, promised, 0)
    a("SADD", "s", "new")
    a("HSET", "h", "own", "1")
    a("HINCRBY", "h", "n", "2")
    a("INCRBY", "n", "2")
    a("INCRBY", "own", "7")
    a("ZADD", "z", "3", "own")
    a("ZINCRBY", "z", "2", "n")
    a("ZINCRBY", "z", "9", "mine")
    a("RPUSH", "l", "3")
    a("XADD", "x", "7-1", "f", "w")
    a("SET", "k", "newer")
    equal(mesh)
    assert mesh.both("SMEMBERS", "s") == frozenset({b"x", b"y", b"new"})
    assert mesh.both("HGETALL", "h") == {b"f": b"1", b"n": b"42", b"own": b"1"}
    assert mesh.both("MGET", "k") == {b"newer"}
    assert (mesh.both("GET", "n"), mesh.both("GET", "own")) == (b"42", b"7")
    assert mesh.ordered("ZRANGE", "z", "0", "-1") == [b"a", b"own", b"mine", b"n"]
    assert mesh.both("ZCOUNT", "z", "9", "9") == mesh.both("ZCOUNT", "z", "42", "42") == 1
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"1", b"2", b"3"]
    assert mesh.both("XLEN", "x") == 2


@pytest.mark.parametrize("killed", [0, 1, 2])
@pytest.mark.parametrize("in_memory", ["abc", "ab", "bc", "b"])
def test_in_a_chain_nobody_is_sent_what_had_not_seen_its_cut(killed: int, in_memory: str) -> None:
    mesh, promised = mesh_of("abc", in_memory)
    mesh.only_links((0, 1), (1, 2))
    mesh.part(0, 2)
    for node in mesh.nodes:
        fill(node)
        mesh.flow()
        node.save()
    beats(mesh)
    mesh.part(1, 2)
    node = mesh.nodes[killed]
    node("SADD", "s", "half")  # of three only one other has it
    mesh.nodes[1]("SREM", "s", "x")
    mesh.flow()
    beats(mesh, 1)
    data = None if node.name in in_memory else node.saves[-1]
    node = start_again(mesh, promised, killed, data)
    node("INCR", "n")
    link_up(mesh)
    beats(mesh, 8, saving="abc")
    equal(mesh)
    assert mesh.both("GET", "n") == b"121"
    assert mesh.both("SISMEMBER", "s", "x") == 0


def test_all_of_them_at_once_start_from_nothing() -> None:
    mesh, promised = mesh_of("ab", "ab")
    fill(mesh.nodes[0])
    mesh.flow()
    beats(mesh)
    mesh.cut_all()
    for at in range(2):
        start_again(mesh, promised, at)("SADD", "s", f"after:{at}")
    equal(mesh)
    assert mesh.both("SMEMBERS", "s") == frozenset({b"after:0", b"after:1"})


@pytest.mark.parametrize("first", [0, 1])
def test_all_of_them_start_again_from_what_was_saved_by_hand(first: int) -> None:
    mesh, promised = mesh_of("ab", "ab")
    fill(mesh.nodes[0])
    mesh.flow()
    for node in mesh.nodes:
        node.save()
    mesh.nodes[0]("SADD", "s", "unsaved")
    mesh.flow()
    beats(mesh)
    mesh.cut_all()
    for at in (first, 1 - first):
        node = start_again(mesh, promised, at, mesh.nodes[at].saves[-1])
        assert node.member.void
        node("SADD", "s", f"after:{at}")
        node("INCR", "n")
    equal(mesh)
    assert mesh.both("SMEMBERS", "s") == frozenset({b"x", b"y", b"after:0", b"after:1"})
    assert mesh.both("GET", "n") == b"42"
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"1", b"2"]


def test_a_file_saved_by_hand_brings_nothing_a_second_time() -> None:
    mesh, promised = mesh_of("ab", "ab")
    a, b = mesh.nodes
    beats(mesh)
    mesh.cut_all()
    fill(a)
    a.save()  # and nobody else has any of it
    saved = a.saves[-1]
    a = start_again(mesh, promised, 0, saved)
    link_up(mesh)
    beats(mesh)
    assert b("SCARD", "s") == 2 and mesh.both("GET", "n") == b"40"
    b("SREM", "s", "x")
    b("DEL", "l")
    mesh.flow()
    beats(mesh)
    for _ in range(2):
        a = start_again(mesh, promised, 0, saved)
        link_up(mesh)
        beats(mesh)
    equal(mesh)
    assert mesh.both("SMEMBERS", "s") == frozenset({b"y"})
    assert mesh.both("GET", "n") == b"40" and mesh.both("EXISTS", "l") == 0
    assert mesh.both("HGET", "h", "n") == b"40" and mesh.both("XLEN", "x") == 1


def test_who_closes_a_stream_takes_it_also_from_who_keeps_nothing() -> None:
    mesh, promised = mesh_of("abc", "bc")
    a = mesh.nodes[0]
    fill(a)
    mesh.flow()
    a.save()
    beats(mesh)
    mesh.part(0, 2)
    a("SADD", "s", "tail")  # b has it, c does not, and a's file neither
    mesh.flow()
    mesh.cut_all()
    old = a.member_id
    a = start_again(mesh, promised, 0, a.saves[-1])
    assert a.member_id == old
    link_up(mesh)
    beats(mesh, saving="a")
    equal(mesh)
    assert mesh.both("SISMEMBER", "s", "tail") == 1
    assert not a.member.stability.open


def test_who_begins_to_save_has_promised_more_until_its_disk_has_it() -> None:
    mesh, promised = mesh_of("ab", "a")
    a, b = mesh.nodes
    fill(a)
    mesh.flow()
    beats(mesh, saving="b")
    assert promised[a].memory and left(a) == left(b) == {}
    a.member.stability.keeps = lambda: True
    beats(mesh)
    assert promised[a].memory  # killed now it would have nothing
    a.save()
    beats(mesh, 1)
    assert not promised[a].memory
    old = a.member_id
    a("SADD", "s", "late")
    mesh.flow()
    a = start_again(mesh, promised, 0, a.saves[-1])
    assert a.member_id == old
    equal(mesh)
    assert mesh.both("SISMEMBER", "s", "late") == 1


def test_who_saves_no_more_holds_what_it_has_applied() -> None:
    mesh, promised = mesh_of("ab", "")
    a, b = mesh.nodes
    fill(a)
    mesh.flow()
    beats(mesh, saving="ab")
    a("SADD", "s", "late")
    mesh.flow()
    beats(mesh, saving="b")
    assert any(left(b).values())
    keep_nothing(a)
    beats(mesh, saving="b")
    assert left(b) == {} and promised[a].memory
    a = start_again(mesh, promised, 0, a.saves[-1])  # an old file: void
    assert a.member.void
    equal(mesh)
    assert mesh.both("SISMEMBER", "s", "late") == 1


def test_a_node_does_not_end_its_stream_while_it_knows_of_nobody_who_has_it() -> None:
    """Its file is older than its mesh: what another one has must not be ended at less."""
    mesh, promised = mesh_of("ab", "")
    a, b = mesh.nodes
    fill(a)
    mesh.flow()
    promised[a].lent = [b.member_id]
    mesh.cut_all()
    a = start_again(mesh, promised, 0)
    beats(mesh)
    assert a.member.stability.open
    shown = b.shown()
    b.save()
    equal(mesh)
    assert a.shown() == shown and not a.member.stability.open
