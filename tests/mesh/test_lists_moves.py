"""What meets a move: another move, a pop of where the element went, an assignment; and frames that
come again and again (semantics.md 4.6, L9 to L11)."""

from __future__ import annotations

import random

import pytest

from mesh.inbox import GAP, MORE
from mesh.rreplay import stamps_of
from node.build import compiled
from tests.mesh.stories import Mesh, identities, pair
from tests.support.simnode import SimNode

PUSHES = 17_786 if compiled() else 1_786


def places(mesh: Mesh) -> dict[str, object]:
    """What each list shows, on all nodes; without those that are not there."""
    shown = {key: mesh.ordered("LRANGE", key, "0", "-1") for key in ("s", "d1", "d2", "d3")}
    return {key: items for key, items in shown.items() if items}


@pytest.mark.parametrize("transfer", [False, True])
@pytest.mark.parametrize("later", [False, True])
def test_of_two_moves_the_newest_counts_though_the_element_was_popped(
    later: bool, transfer: bool
) -> None:
    """Who popped it has it in any case. Where that was the newest place it is gone; where the other
    move is newer it stands there, as after any pop that had not seen a move."""
    mesh, a, b = pair()
    a("RPUSH", "s", "x", "y")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    a("LMOVE", "s", "d1", "LEFT", "LEFT")
    assert a("LPOP", "d1") == b"x"
    mesh.at(2000 if later else 500)
    b("LMOVE", "s", "d2", "LEFT", "LEFT")
    if transfer:
        for node in (a, b):
            mesh.restart_alike(mesh.nodes.index(node))
    mesh.heal()
    assert (mesh.counts["resync"] > 0) == transfer
    assert places(mesh) == ({"s": [b"y"], "d2": [b"x"]} if later else {"s": [b"y"]})


def test_a_pop_by_who_had_seen_one_of_two_moves() -> None:
    """c takes the element from where a put it; b's move of it is the newer one."""
    for ms in (500, 3000):
        mesh = Mesh("abc")
        a, b, c = mesh.nodes
        a("RPUSH", "s", "x")
        mesh.heal()
        for pair_of in ((0, 1), (1, 0), (1, 2), (2, 1)):
            mesh.cut(*pair_of)
        mesh.at(1000)
        a("LMOVE", "s", "d1", "LEFT", "LEFT")
        mesh.flow()
        mesh.at(2000)
        assert c("LPOP", "d1") == b"x"
        mesh.at(ms)
        b("LMOVE", "s", "d2", "LEFT", "LEFT")
        mesh.heal()
        assert places(mesh) == ({"d2": [b"x"]} if ms == 3000 else {})


@pytest.mark.parametrize("transfer", [False, True])
def test_an_element_that_moves_goes_with_the_value_that_its_mover_saw(transfer: bool) -> None:
    """An LSET that the mover had not seen names the element where it was, and is lost with it."""
    for ms in (500, 2000):
        mesh, a, b = pair()
        a("RPUSH", "s", "x")
        mesh.heal()
        mesh.cut_all()
        mesh.at(1000)
        a("LMOVE", "s", "d1", "LEFT", "LEFT")
        mesh.at(ms)
        b("LSET", "s", "0", "y")
        if transfer:
            for node in (a, b):
                mesh.restart_alike(mesh.nodes.index(node))
        mesh.heal()
        assert places(mesh) == {"d1": [b"x"]}
        b("LSET", "d1", "0", "z")
        mesh.heal()
        b("LMOVE", "d1", "d2", "LEFT", "LEFT")
        mesh.heal()
        assert places(mesh) == {"d2": [b"z"]}


def again(source: SimNode, target: SimNode, rng: random.Random) -> None:
    """The source's stream comes once more, from anywhere on."""
    parts = source.member.backlog.resume({}, b"")
    assert parts is not None
    data = b"".join(parts)
    starts = [start for _, start, _ in stamps_of(data)]
    target.wake()
    assert target.member.inbox().take(data[rng.choice(starts) :], 0) in (MORE, GAP)
    target.member.backlog.flush()


def test_a_stream_that_is_sent_again_and_again_pushes_each_element_once() -> None:
    """L10."""
    mesh, a, b = pair()
    rng = random.Random(10)
    for number in range(PUSHES):
        a("LPUSH", "l", str(number))
        if number % 200 == 199:
            again(a, b, rng)
    again(a, b, rng)
    mesh.heal()
    again(a, b, rng)
    assert mesh.both("LLEN", "l") == PUSHES
    assert b("LRANGE", "l", "0", "-1") == [b"%d" % each for each in range(PUSHES - 1, -1, -1)]
    assert len(set(identities(b, "l"))) == PUSHES
