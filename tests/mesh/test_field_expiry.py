"""Fields and members with deadlines in a mesh: each node lets them go by itself, at one time.

What is written one after another ends equal everywhere; nothing is sent when a deadline passes.
"""

from __future__ import annotations

import pytest

from node.digest import digest_of
from tests.mesh.stories import Mesh

MAKES = {
    "hash": ("HSET", "k", "a", "1", "b", "2", "n", "5"),
    "set": ("SADD", "k", "a", "b", "n"),
    "zset": ("ZADD", "k", "1", "a", "2", "b", "5", "n"),
}
COUNTS = {"hash": "HLEN", "set": "SCARD", "zset": "ZCARD"}


def equal(mesh: Mesh) -> bool:
    """Do all nodes show the same, after what is under way has arrived?"""
    mesh.heal_apart()
    return len({digest_of(node.engine.databases) for node in mesh.nodes}) == 1


@pytest.mark.parametrize("kind", MAKES)
def test_a_place_goes_on_every_node_at_its_deadline(kind: str) -> None:
    mesh = Mesh()
    a, b = mesh.nodes
    a(*MAKES[kind])
    a("PEXPIREMEMBERAT", "k", "a", mesh.deadline(5_000))
    assert equal(mesh)
    assert b("PTTL", "k", "a") == a("PTTL", "k", "a")
    frames = [int(node.engine.clock.last) for node in mesh.nodes]
    mesh.at(5_002)
    for node in mesh.nodes:
        node.engine.tick(mesh.time_s)
        assert node(COUNTS[kind], "k") == 2
    assert [int(node.engine.clock.last) for node in mesh.nodes] == frames  # nothing was written
    assert equal(mesh)


@pytest.mark.parametrize("kind", MAKES)
def test_the_last_place_takes_the_key_along_and_it_can_be_made_again(kind: str) -> None:
    mesh = Mesh()
    a, b = mesh.nodes
    a(*MAKES[kind])
    for place in ("a", "b", "n"):
        a("PEXPIREMEMBERAT", "k", place, mesh.deadline(5_000))
    assert equal(mesh)
    mesh.at(5_002)
    assert a("EXISTS", "k") == 0
    assert b("EXISTS", "k") == 0
    b(*MAKES[kind])
    assert equal(mesh)
    assert a(COUNTS[kind], "k") == 3
    assert a("TTL", "k", "a") == -1


def test_what_the_commands_of_one_node_did_shows_on_both() -> None:
    mesh = Mesh()
    a, b = mesh.nodes
    a("HSET", "h", "a", "1", "b", "2", "c", "3", "n", "5")
    for words in (
        ("HPEXPIREAT", "h", mesh.deadline(9_000), "FIELDS", "3", "a", "b", "n"),
        ("HPERSIST", "h", "FIELDS", "1", "a"),
        ("HINCRBY", "h", "n", "1"),
        ("HSETEX", "h", "KEEPTTL", "FIELDS", "2", "b", "9", "c", "9"),
        ("HSETEX", "h", "PXAT", mesh.deadline(8_000), "FIELDS", "1", "d", "9"),
        ("HGETEX", "h", "PXAT", mesh.deadline(7_000), "FIELDS", "1", "c"),
        ("KEYDB.HRENAME", "h", "c", "e"),
        ("HPEXPIREAT", "h", "1", "FIELDS", "1", "a"),
        ("KEYDB.NHSET", "h.x.y", "1"),
        ("COPY", "h", "copied"),
        ("SADD", "s", "1", "2"),
        ("PEXPIREMEMBERAT", "s", "1", mesh.deadline(6_000)),
        ("COPY", "s", "set"),
        ("PERSIST", "s", "1"),
    ):
        a(*words)
    assert equal(mesh)
    asked = ("HPEXPIRETIME", "copied", "FIELDS", "6", "a", "b", "d", "e", "n", "x.y")
    nine, eight, seven = (int(mesh.deadline(each)) for each in (9_000, 8_000, 7_000))
    assert b(*asked) == [-2, nine, eight, seven, nine, -1]
    assert b("TTL", "s", "1") == -1
    mesh.at(7_500)
    for node in mesh.nodes:
        node.engine.tick(mesh.time_s)
        for key in ("h", "copied"):
            names = node("HKEYS", key)
            assert isinstance(names, list)
            assert sorted(names) == [b"b", b"d", b"n", b"x.y"]
        assert node("SCARD", "set") == 1
    assert equal(mesh)
