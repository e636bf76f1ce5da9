"""What a node says it remembers is what it remembers: what is gone is not counted any more, however
it went. Else a mesh would expel members, or refuse writes, for nothing (mesh/cap.py)."""

from __future__ import annotations

import pytest

from mesh.cap import OK
from mesh.usage import Usage
from node.store.values.lists import RUN_BYTES, SPAN_BYTES
from tests.mesh.stories import Mesh
from tests.mesh.test_bounded import capped
from tests.mesh.test_stability import hold, left
from tests.support.simnode import SimNode

WRITES = {
    "list": ("RPUSH", "k", "x", "y"), "stream": ("XADD", "k", "*", "f", "v"),
    "string": ("APPEND", "k", "xy"),
}  # fmt: skip
ENDS = {
    "deleted": ("DEL", "k"), "written over": ("SET", "k", "v"), "flushed": ("FLUSHALL",),
    "expires": ("PEXPIRE", "k", "100"), "renamed": ("RENAME", "k", "other"),
}  # fmt: skip


def uncapped(names: str) -> Mesh:
    """A mesh where nobody minds how much is remembered."""
    mesh = capped(names)
    for node in mesh.nodes:
        node("CONFIG", "SET", "mesh-unstable-max-bytes", "0")
    return mesh


def used(node: SimNode) -> Usage:
    """As of its last heartbeat."""
    return node.member.cap.usage


@pytest.mark.parametrize("when", ["at once", "measured", "stable", "when all is looked at"])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("kind", WRITES)
def test_what_is_gone_is_not_counted_any_more(kind: str, end: str, when: str) -> None:
    mesh = uncapped("ab")
    a, b = mesh.nodes
    a(*WRITES[kind])
    mesh.flow()
    if when == "measured":
        for node in mesh.nodes:
            node.beat()
            assert used(node).unstable() > 0
    elif when == "stable":
        hold(mesh, a, b)
        hold(mesh, a, b)
        assert used(a).unstable() == used(b).unstable() == 0
    elif when == "when all is looked at":
        for node in mesh.nodes:
            node.member.forgetter.look_at_all()
            node.beat()
    a(*ENDS[end])
    mesh.flow()
    for node in mesh.nodes:
        node.beat()
    mesh.time_s += 2.0
    assert mesh.both("EXISTS", "k") == int(end == "written over")
    for _ in range(3):
        hold(mesh, a, b)
    for node in mesh.nodes:
        assert used(node).unstable() == 0, (node.name, left(node))
        assert (used(node).spans > 0) == (kind == "list" and end == "renamed")


@pytest.mark.parametrize("end", ["deleted", "written over", "expires"])
@pytest.mark.parametrize("kind", WRITES)
def test_of_many_keys_too_what_is_gone_is_not_counted_as_soon_as_it_is_forgotten(
    kind: str, end: str
) -> None:
    """Far more than those that are looked at by turns."""
    mesh = uncapped("ab")
    a, b = mesh.nodes
    keys = [f"k{number}" for number in range(900)]
    word, _, *rest = WRITES[kind]
    for key in keys:
        a(word, key, *rest)
    mesh.flow()
    for node in mesh.nodes:
        node.beat()
    assert used(a).unstable() > 900 and used(b).unstable() > 900
    word, _, *rest = ENDS[end]
    for key in keys:
        a(word, key, *rest)
    mesh.flow()
    mesh.time_s += 2.0
    mesh.both("EXISTS", *keys)
    hold(mesh, a, b)
    for node in mesh.nodes:
        node.beat()
        assert used(node).unstable() == 0, (node.name, left(node))


def test_a_state_that_was_replaced_is_not_counted_any_more() -> None:
    """A walk over everything, as after a transfer, leaves nothing of keys that are not there."""
    mesh = uncapped("ab")
    a, b = mesh.nodes
    for number in range(2000):
        a("RPUSH", f"l{number}", "x")
    for _ in range(3):
        hold(mesh, a, b)
    before = used(a).spans
    assert before > 0
    a.engine.databases[0].clear()
    a("RPUSH", "l", "x")
    a.member.forgetter.look_at_all()
    for _ in range(4):
        hold(mesh, a, b)
    assert 0 < used(a).spans < before // 1000


def test_a_removed_element_that_holds_two_others_apart_stays_with_them() -> None:
    """It is no more under the cap than the identities of those two: nothing more is to be stable
    that it could go (docs/decisions/0018)."""
    mesh = uncapped("ab")
    a, b = mesh.nodes
    a("RPUSH", "l", "between")
    mesh.flow()
    b("LINSERT", "l", "BEFORE", "between", "x")
    b("LINSERT", "l", "AFTER", "between", "y")
    mesh.flow()
    for _ in range(2):
        hold(mesh, a, b)
    a("LREM", "l", "1", "between")
    mesh.flow()
    a.beat()
    assert used(a).lists > 0, "not every member is known to have the removal"
    for _ in range(3):
        hold(mesh, a, b)
    for node in mesh.nodes:
        assert used(node).unstable() == 0, left(node)
        assert used(node).spans == 3 * SPAN_BYTES + RUN_BYTES
    a("LPOP", "l")
    mesh.flow()
    for _ in range(3):
        hold(mesh, a, b)
    for node in mesh.nodes:
        assert used(node).unstable() == 0, left(node)
        assert used(node).spans == SPAN_BYTES + RUN_BYTES


def test_where_living_elements_came_from_is_nothing_to_be_forgotten() -> None:
    """It stays as long as they do: counted as unstable it would fill the cap for good."""
    mesh = uncapped("ab")
    a, b = mesh.nodes
    a("RPUSH", "from", "x", "y", "z")
    for _ in range(3):
        a("LMOVE", "from", "to", "LEFT", "RIGHT")
    mesh.flow()
    for _ in range(3):
        hold(mesh, a, b)
    for node in mesh.nodes:
        assert left(node) == {}
        assert used(node).unstable() == 0 and used(node).spans > 0
    b("DEL", "to")
    mesh.flow()
    a.beat()
    assert used(a).unstable() > 0
    for _ in range(3):
        hold(mesh, a, b)
    for node in mesh.nodes:
        assert used(node).unstable() == used(node).spans == 0


def test_what_was_counted_and_is_forgotten_is_not_there_when_a_snapshot_is_merged() -> None:
    mesh = capped("ab")
    a, b = mesh.nodes
    for first in range(0, 2000, 20):
        a("SADD", "s", *(f"m{at}" for at in range(first, first + 20)))
    hold(mesh, a, b)
    hold(mesh, a, b)
    assert a.member.forgetter.meter.counts > 1 and used(a).unstable() == 0
    a.member.forgetter.look_at_all()
    a.member.heartbeat()
    assert used(a).unstable() == 0
    assert a.member.cap.state == OK
