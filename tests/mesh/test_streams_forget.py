"""What is forgotten of streams and their groups changes nothing, whoever has forgotten it already
(semantics.md 2, "Causal stability")."""

from __future__ import annotations

import pytest

from mesh.usage import stream_size
from node.store.values.groups import Group
from node.store.values.streams import StreamValue
from tests.mesh.stories import Mesh
from tests.mesh.test_stability import hold, no_log
from tests.mesh.test_streams import pending
from tests.support.simnode import SimNode

READ = ("XREADGROUP", "GROUP", "g")
SIDES = (0, 1)


def group_of(node: SimNode) -> Group:
    """The group g of the stream s."""
    entry = node.engine.databases[0].keys.get(b"s")
    assert entry is not None and isinstance(entry.value, StreamValue)
    return entry.value.groups[b"g"]


def given_to_both(consumers: tuple[str, str]) -> tuple[Mesh, SimNode, SimNode]:
    """An entry that two nodes gave to a consumer each, not knowing of each other; the second's
    delivery is the newer. The first node has forgotten what is stable of it, the other has not."""
    mesh = Mesh("ab", forgets="beat")
    a, b = mesh.nodes
    a("XADD", "s", "1-1", "f", "v")
    a("XGROUP", "CREATE", "s", "g", "0")
    mesh.heal()
    mesh.cut_all()
    a(*READ, consumers[0], "STREAMS", "s", ">")
    mesh.at(50)
    b(*READ, consumers[1], "STREAMS", "s", ">")
    mesh.heal()
    for node in (a, b):
        node.save()
        node.beat()
    mesh.flow()
    b.member.stability.active = False  # it hears what others hold, and forgets nothing
    hold(mesh, a)
    b.member.stability.active = True
    assert [(name, count) for _, name, count in pending(mesh)] == [(consumers[1].encode(), 2)]
    return mesh, a, b


def forget_all(mesh: Mesh) -> None:
    """Everybody holds everything and forgets."""
    mesh.heal()
    hold(mesh, *mesh.nodes)
    mesh.heal()


@pytest.mark.parametrize("gone", ["c", "d"])
@pytest.mark.parametrize("at", SIDES)
def test_a_consumer_deleted_by_one_that_has_not_forgotten_its_delivery(gone: str, at: int) -> None:
    mesh, _, _ = given_to_both(("c", "d"))
    mesh.nodes[at]("XGROUP", "DELCONSUMER", "s", "g", gone)
    mesh.heal()
    assert pending(mesh) == [(b"1-1", b"d" if gone == "c" else b"c", 1)]
    forget_all(mesh)
    assert pending(mesh) == [(b"1-1", b"d" if gone == "c" else b"c", 1)]
    assert mesh.both("XACK", "s", "g", "1-1") in (0, 1)


@pytest.mark.parametrize("gone", ["c", "d"])
@pytest.mark.parametrize("at", SIDES)
def test_a_transfer_between_one_that_has_forgotten_deliveries_and_one_that_has_not(
    gone: str, at: int
) -> None:
    mesh, a, b = given_to_both(("c", "d"))
    mesh.cut_all()
    mesh.nodes[at]("XGROUP", "DELCONSUMER", "s", "g", gone)
    mesh.nodes[1 - at]("XADD", "s", "2-1", "f", "v")
    no_log(a, b)
    mesh.heal()
    assert mesh.counts["resync"] > 0
    assert pending(mesh) == [(b"1-1", b"d" if gone == "c" else b"c", 1)]


def test_deliveries_to_one_consumer_become_one() -> None:
    mesh, a, _ = given_to_both(("c", "c"))
    memory = group_of(a).memory
    assert memory is not None and not memory.contested
    forget_all(mesh)
    assert pending(mesh) == [(b"1-1", b"c", 2)]
    a("XGROUP", "DELCONSUMER", "s", "g", "c")
    mesh.heal()
    assert pending(mesh) == []


def test_deliveries_to_two_consumers_are_known_until_the_entry_is_acknowledged() -> None:
    mesh, a, b = given_to_both(("c", "d"))
    forget_all(mesh)
    for node in (a, b):
        memory = group_of(node).memory
        assert memory is not None
        assert [(each.stamp, each.consumer) for each in memory.contested[(1 << 64) + 1]] == [
            (0, b"d"), (0, b"c")
        ]  # fmt: skip
    mesh.restart(1)
    mesh.heal()
    assert pending(mesh) == [(b"1-1", b"d", 2)]
    a("XACK", "s", "g", "1-1")
    forget_all(mesh)
    for node in (a, mesh.nodes[1]):
        memory = group_of(node).memory
        assert memory is not None and not memory.contested and not memory.acks


def test_what_is_remembered_of_streams_is_measured_and_goes_to_nothing() -> None:
    mesh = Mesh("ab", forgets="beat")
    a, b = mesh.nodes
    mesh.cut_all()
    for node in (a, b):
        node("XADD", "s", "1-1", "f", node.name)
        node("XADD", "s", "*", "f", "v")
        node("XSETID", "s", "9999999999999-1", "ENTRIESADDED", "70", "MAXDELETEDID", "3-1")
        node("XGROUP", "CREATE", "s", "g", "0")
        node(*READ, node.name, "STREAMS", "s", ">")
        node("XGROUP", "CREATE", "s", f"h{node.name}", "0")
        node("XGROUP", "DESTROY", "s", f"h{node.name}")
        node("COPY", "s", f"t{node.name}")
        node.beat()
    alone = size(a)
    assert alone > 0
    mesh.down.clear()
    mesh.flow()
    assert size(a) > alone  # deliveries and entries of one ID from both
    b("XACK", "s", "g", "1-1")
    forget_all(mesh)
    assert [size(node) for node in (a, b)] == [0, 0]


def size(node: SimNode) -> int:
    """What INFO counts of a node's streams, by the keys that are there."""
    found = 0
    for entry in node.engine.databases[0].keys.dicts:
        found += sum(stream_size(each.value) for each in entry.values()
                     if isinstance(each.value, StreamValue))  # fmt: skip
    return found
