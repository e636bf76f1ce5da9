"""A member who is away never makes the others' metadata grow past its cap (semantics.md 2, "Dead
peer", and invariant 13)."""

from __future__ import annotations

from functools import partial

from mesh.cap import FULL, NEAR, OK
from mesh.membership import END, LEFT
from mesh.usage import PLACE_BYTES
from node.resp.replies import Failure
from tests.mesh.stories import Mesh
from tests.mesh.test_departures import gone, introduce, meshed
from tests.mesh.test_rejoin import come_back
from tests.mesh.test_stability import hold, left
from tests.support.simnode import SimNode

CAP_BYTES = 40_000
PLACES = CAP_BYTES // PLACE_BYTES


def capped(names: str, *directives: str) -> Mesh:
    """A mesh with a small cap, on a clock that only the story moves."""
    mesh = meshed(names)
    for node in mesh.nodes:
        cap_of(mesh, node, *directives)
    hold(mesh, *mesh.nodes)
    return mesh


def cap_of(mesh: Mesh, node: SimNode, *directives: str) -> None:
    node.member.cap.clock_s = lambda: mesh.time_s
    node("CONFIG", "SET", "mesh-unstable-max-bytes", str(CAP_BYTES), *directives)


def write(node: SimNode, first: int, count: int, each: int = 20) -> None:
    """So many members of one set."""
    for number in range(first, first + count, each):
        reply = node("SADD", "s", *(f"m{at}" for at in range(number, number + each)))
        assert not isinstance(reply, Failure), reply


def used(node: SimNode) -> int:
    return node.member.cap.usage.unstable()


def states(*nodes: SimNode) -> list[str]:
    return [node.member.cap.state for node in nodes]


# --- the cap ------------------------------------------------------------------------------------


def test_a_dead_peer_is_expelled_at_the_cap_and_writes_go_on() -> None:
    mesh = capped("abc")
    a, b, c = mesh.nodes
    gone(mesh, 2)
    peaks = []
    for step in range(40):
        write(a, step * 60, 60)
        hold(mesh, a, b)
        peaks.append(max(used(a), used(b)))
        assert peaks[-1] <= CAP_BYTES
    assert max(peaks) > CAP_BYTES * 8 // 10
    assert a.member.membership.refusal(c.member_id) and b.member.membership.refusal(c.member_id)
    assert a.member.cap.expelled + b.member.cap.expelled >= 1
    hold(mesh, a, b)
    assert (used(a), used(b)) == (0, 0)
    assert left(a) == left(b) == {}
    assert states(a, b) == [OK, OK]
    assert a("SCARD", "s") == b("SCARD", "s") == 2400


def test_an_expelled_peer_that_is_back_is_told_so_and_may_join_anew() -> None:
    mesh = capped("abc")
    a, b, c = mesh.nodes
    saved = c.saves[-1]
    gone(mesh, 2)
    write(a, 0, PLACES + 40)
    for _ in range(3):
        hold(mesh, a, b)
    refusal = a.member.membership.refusal(c.member_id)
    assert "was expelled" in refusal and "at mesh-unstable-max-bytes" in refusal
    assert "it joins as a new member" in refusal
    c = come_back(mesh, 2, saved)
    introduce(mesh)
    mesh.heal_apart()
    for _ in range(3):
        hold(mesh, a, b, c)
    assert c("SCARD", "s") == a("SCARD", "s")
    assert (used(a), used(b)) == (0, 0)


def test_a_peer_that_is_back_before_the_cap_is_expelled_by_nobody() -> None:
    mesh = capped("abc")
    a, b, c = mesh.nodes
    mesh.part(0, 2)
    mesh.part(1, 2)
    write(a, 0, PLACES * 85 // 100)
    for _ in range(3):
        hold(mesh, a, b)
    assert states(a, b) == [NEAR, NEAR]
    assert a.member.cap.away() == [c.member_id]
    assert a.member.cap.held_up_by() == c.member_id
    assert a.member.cap.held_up_ms(int(mesh.time_s * 1000)) > 2000
    mesh.heal()
    hold(mesh, a, b, c)
    assert (used(a), used(b)) == (0, 0)
    assert states(a, b) == [OK, OK]
    assert a.member.cap.away() == []
    assert len(a.member.membership.ids()) == 3


def test_a_member_that_is_here_but_never_saves_is_named_and_not_expelled() -> None:
    mesh = capped("abc")
    a, b, c = mesh.nodes
    write(a, 0, PLACES + 40)
    for _ in range(3):
        mesh.time_s += 2.0
        for node in (a, b):
            node.save()
        for node in mesh.nodes:
            node.beat()
        mesh.flow()
    assert a.member.cap.state == FULL and not a.member.cap.fenced
    assert a.member.cap.held_up_by() == c.member_id
    assert len(a.member.membership.ids()) == 3
    write(a, PLACES + 40, 20)


def test_who_has_too_much_that_is_not_on_its_disk_saves() -> None:
    mesh = capped("ab")
    a, b = mesh.nodes
    asked: list[str] = []
    for node in mesh.nodes:
        node.member.cap.save = partial(asked.append, node.name)
    write(a, 0, PLACES * 85 // 100)
    for _ in range(3):
        mesh.time_s += 1.0
        a.beat()
        b.beat()
        mesh.flow()
    assert sorted(asked) == ["a", "b"]  # not again before a minute has passed
    hold(mesh, a, b)
    assert (used(a), used(b)) == (0, 0)


def test_one_place_that_is_written_all_the_time_expels_nobody() -> None:
    """However often it is noted, for as long as a count takes less than to note a fifth more."""
    mesh = capped("abc")
    a, b, _ = mesh.nodes
    gone(mesh, 2)
    for times in (PLACES // 3, PLACES * 3 // 4, PLACES * 11 // 10):
        for _ in range(4):
            for _ in range(times):
                a("HSET", "h", "f", "v")
            hold(mesh, a, b)
    assert a.member.cap.expelled + b.member.cap.expelled == 0
    assert len(a.member.membership.ids()) == 3
    hold(mesh, a, b)
    assert states(a, b) == [OK, OK]


def test_while_it_is_counted_the_cap_is_passed_by_a_fifth_at_most() -> None:
    cap = capped("ab").nodes[0].member.cap
    for used, uncounted, expected in (
        (79, 0, OK), (80, 0, NEAR), (99, 0, NEAR), (100, 0, FULL), (100, 50, FULL),
        (100, 51, NEAR), (119, 119, NEAR), (120, 120, FULL),
    ):  # fmt: skip
        cap.usage.dots = CAP_BYTES * used // 100
        cap.uncounted_bytes = CAP_BYTES * uncounted // 100
        assert cap.standing() == expected, (used, uncounted)
    cap.usage.dots = CAP_BYTES * 95 // 100
    cap.uncounted_bytes = 0
    for growth, expected in ((4, NEAR), (5, FULL)):
        cap.growth_bytes = CAP_BYTES * growth // 100
        assert cap.standing() == expected
    cap.usage.dots = CAP_BYTES * 89 // 100
    cap.growth_bytes = CAP_BYTES
    assert cap.standing() == NEAR


def test_new_places_after_one_that_is_written_all_the_time_expel_at_the_cap() -> None:
    mesh = capped("abc")
    a, b, c = mesh.nodes
    gone(mesh, 2)
    for _ in range(4):
        for _ in range(PLACES * 3 // 4):
            a("HSET", "h", "f", "v")
        hold(mesh, a, b)
    for step in range(40):
        write(a, step * 60, 60)
        hold(mesh, a, b)
        assert max(used(a), used(b)) <= CAP_BYTES
    assert "at mesh-unstable-max-bytes" in a.member.membership.refusal(c.member_id)
    hold(mesh, a, b)
    assert (used(a), used(b)) == (0, 0)


# --- who may expel ------------------------------------------------------------------------------


def test_the_smaller_side_expels_nobody_and_takes_no_writes_at_the_cap() -> None:
    mesh = capped("abc")
    a, b, c = mesh.nodes
    gone(mesh, 2)
    write(c, 0, PLACES + 40)
    for _ in range(3):
        hold(mesh, c)
    assert len(c.member.membership.ids()) == 3
    assert c.member.cap.state == FULL
    reply = c("SADD", "s", "more")
    assert isinstance(reply, Failure) and reply.text.startswith(b"MESHFULL ")
    assert "MESH FORGET" in c.member.cap.fenced
    assert c("SCARD", "s") == PLACES + 40 - (PLACES + 40) % 20 + (20 if PLACES % 20 else 0)
    mesh.missing.clear()
    mesh.heal()
    for _ in range(2):
        hold(mesh, a, b, c)
    assert c.member.cap.fenced == ""
    write(c, 9000, 20)
    assert (used(a), used(b)) == (0, 0)


def test_of_two_equal_halves_the_one_with_the_oldest_member_goes_on() -> None:
    mesh = capped("ab")
    mesh.no_link(0, 1)
    for wire in mesh.wires.values():
        wire.cut()
    by_age = sorted(
        mesh.nodes,
        key=lambda node: (entry_since(mesh.nodes[0], node.member_id), node.member_id),
    )  # fmt: skip
    for node in by_age:
        write(node, 0, PLACES + 40)
        for _ in range(3):
            hold(mesh, node)
    older, younger = by_age
    assert older.member.membership.ids() == {older.member_id}
    assert left(older) == {}
    assert len(younger.member.membership.ids()) == 2 and younger.member.cap.fenced
    younger("CONFIG", "SET", "mesh-expel-quorum", "any")
    hold(mesh, younger)
    hold(mesh, younger)
    assert younger.member.membership.ids() == {younger.member_id}
    assert left(younger) == {} and not younger.member.cap.fenced


def entry_since(node: SimNode, member: bytes) -> int:
    entry = node.member.membership.entry(member)
    assert entry is not None
    return entry.since


# --- by time ------------------------------------------------------------------------------------


def test_who_is_away_for_too_long_is_expelled_by_time() -> None:
    mesh = capped("abc", "mesh-peer-expel-after", "30")
    a, b, c = mesh.nodes
    gone(mesh, 2)
    for _ in range(14):
        mesh.time_s += 2.0
        a.beat()
        b.beat()
        mesh.flow()
    assert len(a.member.membership.ids()) == 3
    for _ in range(3):
        mesh.time_s += 2.0
        a.beat()
        b.beat()
        mesh.flow()
    assert len(a.member.membership.ids()) == 2
    assert "after mesh-peer-expel-after" in b.member.membership.refusal(c.member_id)


def test_a_node_that_stood_still_expels_nobody() -> None:
    mesh = capped("abc", "mesh-peer-expel-after", "30")
    a = mesh.nodes[0]
    mesh.time_s += 3600.0
    a.beat()
    assert a.member.cap.away() == []
    assert len(a.member.membership.ids()) == 3


def test_without_the_directive_time_alone_expels_nobody() -> None:
    mesh = capped("abc")
    a, b, c = mesh.nodes
    gone(mesh, 2)
    for _ in range(50):
        mesh.time_s += 2.0
        a.beat()
        b.beat()
        mesh.flow()
    assert a.member.cap.away() == [c.member_id]
    assert len(a.member.membership.ids()) == 3


def test_who_has_left_and_writes_on_up_to_the_cap_is_told_what_to_do() -> None:
    mesh = capped("ab")
    a = mesh.nodes[0]
    a.member.change_membership([(a.member_id + END, {"state": LEFT, "by": a.member_id.decode()})])
    mesh.cut_all()
    write(a, 0, PLACES + 100)
    for _ in range(8):
        mesh.time_s += 1.0
        a.beat()
    assert "no member any more (left)" in a.member.cap.fenced
    assert "MESH REJOIN" in a.member.cap.fenced


# --- what is measured ---------------------------------------------------------------------------


def test_one_place_written_again_and_again_is_counted_once_where_it_matters() -> None:
    mesh = capped("abc")
    a = mesh.nodes[0]
    gone(mesh, 2)
    for _ in range(PLACES):
        a("HSET", "h", "f", "v")
    mesh.time_s += 1.0
    a.beat()
    assert a.member.forgetter.meter.counts > 0
    for _ in range(2):
        mesh.time_s += 1.0
        a.beat()
    assert used(a) < CAP_BYTES // 20
    assert len(a.member.membership.ids()) == 3


def test_each_kind_of_metadata_is_measured_and_goes_to_zero() -> None:
    mesh = capped("abc")
    a, b, c = mesh.nodes
    a("CONFIG", "SET", "mesh-unstable-max-bytes", "0")
    mesh.cut_all()
    a("SADD", "s", "x", "y")
    a("HSET", "h", "f", "v")
    a("ZADD", "z", "1", "m")
    a("INCR", "n")
    for _ in range(5):
        a("RPUSH", "l", "x")
    a("LPOP", "l")
    a("LSET", "l", "0", "z")
    a("XADD", "x", "*", "f", "v")
    a("XGROUP", "CREATE", "x", "g", "0")
    a("XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">")
    a("APPEND", "p", "x" * 500)
    a.beat()
    usage = a.member.cap.usage
    assert usage.dots >= 4 * PLACE_BYTES + 32
    assert usage.lists > 0 and usage.streams > 0 and usage.spans > 0
    assert usage.strings > 500
    info = dict(a.member.cap.info(int(mesh.time_s * 1000)))
    assert info["mesh_unstable_bytes"] == usage.unstable()
    assert info["mesh_metadata_strings_bytes"] == usage.strings
    mesh.heal()
    for _ in range(2):
        hold(mesh, a, b, c)
    for node in mesh.nodes:
        node.beat()
        usage = node.member.cap.usage
        assert usage.unstable() == 0, (node.name, left(node))
        assert usage.spans > 0  # the identities of three elements


def test_a_newcomer_that_was_alone_for_a_while_takes_the_frames_of_the_mesh() -> None:
    mesh = Mesh("a", forgets="beat")
    a = mesh.nodes[0]
    a.member.stability.members = a.member.membership.ids
    a.member.alone_bytes = 0
    a("SADD", "s", "x")
    hold(mesh, a)
    b = mesh.add("b")
    mesh.part(0, 1)
    b.member.stability.members = b.member.membership.ids
    b.member.alone_bytes = 0
    b("SET", "own", "v")
    for _ in range(3):
        b.save()
        b.beat()
    assert b.member.stability.cut
    a("SADD", "s", "y")
    mesh.down.clear()
    introduce(mesh)
    a("SADD", "s", "z")
    mesh.heal_apart()
    assert b.member.memory.cut.violations == 0
    assert a("SCARD", "s") == b("SCARD", "s") == 3
    assert a("GET", "own") == b("GET", "own") == b"v"
