"""mesh-nx-policy: what SETNX and its kin may do where another node may say yes as well."""

from __future__ import annotations

from mesh.decided import AGAIN_S, DecidedHere
from node.resp.replies import Failure
from tests.mesh.stories import Mesh, pair
from tests.support.simnode import SimNode


def locks(node: SimNode) -> list[object]:
    """Everything that asks this node alone."""
    return [
        node("SETNX", "a", "1"), node("SET", "b", "1", "NX"), node("SET", "b", "2", "XX"),
        node("MSETNX", "c", "1"), node("HSETNX", "h", "f", "1"), node("GETSET", "a", "2"),
    ]  # fmt: skip


def test_locks_may_be_allowed_counted_or_refused() -> None:
    """mesh-nx-policy."""
    mesh, a, b = pair()
    for node, policy in ((a, "warn"), (b, "reject")):
        node.member.config.set("mesh-nx-policy", [policy])
    assert not any(isinstance(reply, Failure) for reply in locks(a))
    assert int(a.engine.decided_here) == 6
    mesh.heal()
    refused = locks(b)
    assert all(isinstance(each, Failure) and b"mesh-nx-policy" in each.text for each in refused)
    assert b("SET", "b", "3", "KEEPTTL") is not None
    mesh.heal()
    assert mesh.both("GET", "b") == b"3"
    b.member.config.set("mesh-nx-policy", ["allow"])
    assert not any(isinstance(reply, Failure) for reply in locks(b))
    assert int(b.engine.decided_here) == 0


def test_a_node_alone_decides_for_all() -> None:
    mesh = Mesh("")
    node = mesh.add("alone", active=False)
    node.member.config.set("mesh-nx-policy", ["reject"])
    assert not any(isinstance(reply, Failure) for reply in locks(node))


def test_it_is_told_once_a_minute() -> None:
    _, a, _ = pair()
    a.member.config.set("mesh-nx-policy", ["warn"])
    told = DecidedHere(a.engine)
    assert not told.beat(0.0)
    a("SETNX", "k", "1")
    assert told.beat(1.0)
    a("SETNX", "other", "1")
    assert not told.beat(2.0)
    assert told.beat(1.0 + AGAIN_S)
    assert not told.beat(1.0 + 2 * AGAIN_S)
