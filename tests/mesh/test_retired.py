"""Streams that have ended and that every member has on disk are left out of what nodes tell each
other (semantics.md 2, "Closing a stream"), and nobody takes that for lacking them."""

from __future__ import annotations

from mesh.dots import Streams, pack_marks, unpack_marks
from mesh.rreplay import stamps_of
from mesh.said import Said
from mesh.stability import Stability
from tests.mesh.stories import Mesh
from tests.mesh.test_stability import hold, left, no_log
from tests.support.seeds import seeds
from tests.support.simnode import SimNode

SEEDS = seeds()
RESTARTS = min(max(60, SEEDS // 20), 1000)


def trio() -> tuple[Mesh, SimNode, SimNode, SimNode]:
    mesh = Mesh("abc", forgets="beat")
    return mesh, mesh.nodes[0], mesh.nodes[1], mesh.nodes[2]


def restart(mesh: Mesh, at: int) -> bytes:
    """A node starts again; the stream that it had."""
    old = mesh.nodes[at].streams.own.uuid
    mesh.restart(at)
    return old


def told(node: SimNode, uuid: bytes) -> bool:
    """Does the node's vector name the stream, as peers see it?"""
    return uuid in node.streams.told()


def sent(node: SimNode) -> int:
    """How many bytes the node's own stream is that its backlog has."""
    parts = node.member.backlog.resume({}, b"") or []
    return sum(
        end - start for data in parts for _, start, end in stamps_of(data)
        if data[start + 22 : start + 58] == node.streams.own.text
    )  # fmt: skip


def test_a_stream_that_has_ended_is_left_out_once_all_have_it() -> None:
    mesh, a, b, c = trio()
    a("SADD", "s", "x", "y")
    mesh.heal()
    old = restart(mesh, 0)
    assert told(b, old)
    mesh.heal()
    hold(mesh, a, b, c)
    hold(mesh, a, b, c)
    for node in mesh.nodes:
        assert not told(node, old)
        assert node.streams.of(old).ended
        assert left(node) == {}
    a("SREM", "s", "x")  # its context does not name the stream that wrote it
    mesh.heal()
    assert mesh.both("SMEMBERS", "s") == frozenset({b"y"})


def test_a_node_that_starts_without_naming_it_has_seen_it() -> None:
    mesh, a, b, c = trio()
    a("SADD", "s", "x", "y")
    mesh.heal()
    old = restart(mesh, 0)
    mesh.heal()
    hold(mesh, a, b, c)
    hold(mesh, a, b, c)
    assert not told(b, old)
    for node in (a, c):  # these two have forgotten neither that it ended nor what it wrote
        node.streams.of(old).retired = False
    restart(mesh, 1)
    mesh.heal()
    row = c.streams.row_marks(c.streams.of(b.streams.own.uuid))
    assert row[old] == c.streams.of(old).end
    mesh.cut(1, 0)
    b("SREM", "s", "x")
    mesh.flow()
    assert c("SISMEMBER", "s", "x") == 0
    assert c.member.memory.removals.count == 0
    mesh.heal()
    assert mesh.both("SMEMBERS", "s") == frozenset({b"y"})


def test_who_has_left_it_out_is_not_sent_it_again() -> None:
    mesh, a, b, c = trio()
    a("SADD", "s", "x")
    mesh.heal()
    old = restart(mesh, 0)
    mesh.heal()
    hold(mesh, a, b, c)
    hold(mesh, a, b, c)
    b.streams.of(old).retired = False
    no_log(b)
    before = mesh.counts["resync"]
    mesh.cut_all()
    b("SADD", "s", "y")
    mesh.heal()
    assert mesh.counts["resync"] == before
    assert mesh.both("SCARD", "s") == 2


def test_who_has_nothing_is_not_taken_for_one_that_leaves_it_out() -> None:
    mesh, a, b, c = trio()
    a("SADD", "s", "x")
    mesh.heal()
    restart(mesh, 0)
    mesh.heal()
    hold(mesh, a, b, c)
    hold(mesh, a, b, c)
    late = mesh.add("late")
    mesh.heal()
    assert late("SISMEMBER", "s", "x") == 1
    mesh.heal()


def test_one_that_knows_the_end_and_lacks_the_stream_names_it() -> None:
    own, other, ender = b"o" * 16, b"x" * 16, b"e" * 16
    streams = Streams(own)
    ended = streams.of(other)
    ended.ended = True
    ended.end = 9
    ended.enders = [(ender, 5)]
    assert streams.told() == {other: 0}
    assert streams.completed({own: 1}) == {own: 1}
    assert streams.completed({ender: 4}) == {ender: 4}
    assert streams.completed({ender: 5}) == {ender: 5, other: 9}
    assert streams.completed({ender: 5, other: 0}) == {ender: 5, other: 0}
    ended.seen = 9
    ended.retired = True
    assert streams.told() == {}
    last = b"l" * 16
    streams.of(ender).ended = True
    streams.of(ender).end = 7
    streams.of(ender).enders = [(last, 20)]
    assert streams.completed({last: 20}) == {last: 20, ender: 7, other: 9}
    assert streams.completed({last: 19}) == {last: 19}
    assert unpack_marks(pack_marks({other: 0})) == {other: 0}


def test_a_file_keeps_what_ended_a_stream() -> None:
    mesh, a, b, c = trio()
    old = restart(mesh, 0)
    mesh.heal()
    hold(mesh, a, b, c)
    said = Said()
    said.read(b.member.stability.fields())  # type: ignore[arg-type]
    fresh = SimNode(mesh, "fresh", 0)
    stability: Stability = fresh.member.stability
    for uuid, stamp in b.member.vector().items():
        fresh.streams.of(uuid).seen = stamp
    stability.load(said)
    assert fresh.streams.of(old).enders == b.streams.of(old).enders != []
    assert fresh.streams.of(old).retired == b.streams.of(old).retired


def test_a_node_that_restarts_again_and_again_makes_no_vector_grow() -> None:
    mesh, a, b, c = trio()
    sizes: list[int] = []
    for number in range(RESTARTS):
        a("SADD", "s", f"{number % 7}")
        a("SREM", "s", f"{(number + 3) % 7}")
        b("INCR", "n")
        mesh.flow()
        restart(mesh, 0)
        mesh.settle()
        hold(mesh, a, b, c)
        sizes.append(sent(a))
        mesh.log.clear()
        assert all(len(node.streams.told()) <= 8 for node in mesh.nodes)
    assert max(sizes[-5:]) <= sizes[len(sizes) // 2] * 1.2
    for _ in range(3):
        hold(mesh, a, b, c)
    assert all(len(node.streams.told()) == 3 for node in mesh.nodes)
    assert [left(node) for node in mesh.nodes] == [{}, {}, {}]
    assert mesh.both("GET", "n") == b"%d" % RESTARTS
    assert all(not node.member.stability.closers for node in mesh.nodes)
