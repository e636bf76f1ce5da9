"""Lists forget what every member has on disk: no element is lost or comes back by it, and nothing
but the identities of living elements stays (semantics.md 2 and 4.6)."""

from __future__ import annotations

from node.store.values.lists import ListValue
from node.store.values.order import Order
from tests.mesh.stories import Mesh
from tests.support.remembered import remembered
from tests.support.simnode import SimNode


def pair() -> tuple[Mesh, SimNode, SimNode]:
    mesh = Mesh("ab", forgets="beat")
    return mesh, mesh.nodes[0], mesh.nodes[1]


def hold(mesh: Mesh) -> None:
    """All nodes save, say so, and forget what is stable then."""
    for _ in range(3):
        mesh.time_s += 1.0
        for node in mesh.nodes:
            node.save()
            node.beat()
        mesh.flow()
    for node in mesh.nodes:
        node.forget_now()


def asks_for_no_relay(node: SimNode) -> None:
    """The node hears of what a peer has written from that peer alone, or not at all."""
    node.settle_routes = lambda: None  # type: ignore[method-assign]


def beat(mesh: Mesh, *nodes: SimNode) -> None:
    """Everything arrives; these nodes save and say so."""
    mesh.flow()
    for node in nodes:
        node.save()
        node.beat()
    mesh.flow()


def restart(mesh: Mesh, node: SimNode) -> None:
    """A node starts again from what it has saved just now."""
    mesh.restart(mesh.nodes.index(node))


def order_of(node: SimNode, key: str) -> Order:
    """The order of a list that has one."""
    entry = node.engine.databases[0].raw(key.encode())
    assert entry is not None and isinstance(entry.value, ListValue)
    assert entry.value.order is not None
    return entry.value.order


def test_an_element_that_was_moved_twice_is_there_after_a_restart() -> None:
    """Where it was in between it stands as an anchor that holds two others apart, and when the
    moves were is forgotten: neither tells any more which was the newer."""
    mesh, a, b = pair()
    for item, first, second in (("x", a, b), ("y", b, a)):
        a("RPUSH", "from" + item, item)
        mesh.heal()
        first("LMOVE", "from" + item, "by" + item, "LEFT", "LEFT")
        mesh.heal()
        mesh.cut_all()
        first("LPUSH", "by" + item, "1")
        first("RPUSH", "by" + item, "2")
        second("LMOVE", "by" + item, "to" + item, "LEFT", "LEFT")
        mesh.heal()
    hold(mesh)
    for node in (a, b):
        restart(mesh, node)
        a("RPUSH", "log", "1")
        b("RPUSH", "log", "1")
        mesh.heal()
        for item in ("x", "y"):
            assert mesh.ordered("LRANGE", "to" + item, "0", "-1") == [item.encode()]
            assert mesh.ordered("LRANGE", "by" + item, "0", "-1") == [b"1", b"2"]


def left(node: SimNode) -> dict[str, int]:
    """What a node remembers, by kind, without what it does not."""
    found = remembered(node.engine.databases, node.member.memory)
    return {kind: count for kind, count in found.items() if count}


def test_a_list_below_a_string_that_is_written_again_and_again_goes() -> None:
    """Each write clears what the list may have got meanwhile, so it is looked at again."""
    mesh, a, b = pair()
    a("RPUSH", "l", "x")
    hold(mesh)
    b("SET", "l", "1")
    beat(mesh, a, b)
    b("SET", "l", "2")
    b.beat()
    hold(mesh)
    hold(mesh)
    assert left(a) == left(b) == {}


def test_the_order_of_a_flushed_list_goes() -> None:
    for flush in ("FLUSHDB", "FLUSHALL"):
        mesh, a, b = pair()
        a("RPUSH", "l", "x", "y")
        mesh.heal()
        hold(mesh)
        b(flush)
        mesh.flow()
        assert left(a)["hidden"] == left(b)["hidden"] == 1
        hold(mesh)
        hold(mesh)
        assert left(a) == left(b) == {}


def test_the_order_of_a_list_from_before_the_mesh_goes() -> None:
    mesh = Mesh("", forgets="beat")
    a = mesh.add("a", active=False)
    a("RPUSH", "l", "x", "y")
    a.activate()
    b = mesh.add("b")
    mesh.heal()
    a("DEL", "l")
    hold(mesh)
    hold(mesh)
    assert left(a) == left(b) == {}


def test_an_anchor_stays_until_its_removal_is_stable_though_that_came_before_its_push() -> None:
    """c hears of the removal first, so nothing is removed when it comes; d has not heard of it
    when it puts an element next to the one that was removed."""
    mesh = Mesh("abcd", forgets="beat")
    a, b, c, d = mesh.nodes
    for node in (c, d):
        asks_for_no_relay(node)
    hold(mesh)
    mesh.cut(0, 2)
    mesh.cut(1, 3)
    a("RPUSH", "l", "p", "q")
    a("LPUSH", "l", "x")
    mesh.flow()
    assert b("LPOP", "l") == b"x"
    mesh.flow()
    mesh.up(a, c)
    hold(mesh)
    assert d("LPUSH", "l", "n") == 4
    mesh.heal()
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"n", b"p", b"q"]


def test_a_removal_that_waits_leaves_an_element_that_all_have_but_its_writer_had_not() -> None:
    """When that was put in is forgotten; that it was not seen must not be taken from that."""
    mesh = Mesh("abcd", forgets="beat")
    a, b, c, d = mesh.nodes
    asks_for_no_relay(b)
    asks_for_no_relay(c)
    a("RPUSH", "l", "p")
    mesh.heal()
    mesh.cut(0, 1)
    a("RPUSH", "l", "n")
    beat(mesh, a, c, d)
    mesh.cut(3, 2)
    d("SET", "w", "1")
    mesh.flow()
    b("DEL", "l")
    mesh.flow()
    assert c("LRANGE", "l", "0", "-1") == [b"n"]
    assert c.member.memory.removals.count == 1
    mesh.up(a, b)
    for _ in range(2):
        mesh.time_s += 1.0
        beat(mesh, a, b, c)
    c.forget_now()
    assert not any(each.births for each in order_of(c, "l").numbers.values())
    mesh.cut(0, 2)
    a("SET", "z", "1")
    for stream in a.streams.all:
        a.member.backlog.hole(stream.number, stream.seen)
    mesh.cut(1, 2)
    mesh.up(a, c)
    assert c.member.transfers > 0
    mesh.heal()
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"n"]


def test_an_element_next_to_one_that_is_lost_leaves_nothing() -> None:
    """What a had pushed and b gone on from is lost with both; c has what b wrote."""
    mesh = Mesh("abc", forgets="beat")
    a, b, c = mesh.nodes
    asks_for_no_relay(c)
    hold(mesh)
    mesh.cut(0, 2)
    a("RPUSH", "l", "x")
    mesh.flow()
    b("RPUSH", "l", "n")
    b("LSET", "l", "0", "y")
    mesh.flow()
    assert c("LRANGE", "l", "0", "-1") == [b"n"]
    for at in (0, 1):
        mesh.crash(at, mesh.nodes[at].saves[-1])
        mesh.nodes[at].activate()
    mesh.heal()
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"n"]
    c("LPOP", "l")
    for _ in range(3):
        hold(mesh)
    assert left(a) == left(b) == left(c) == {}


def test_a_queue_through_which_elements_move_keeps_no_more_than_it_holds() -> None:
    mesh, a, b = pair()
    for number in range(40):
        a("RPUSH", "todo", str(number))
        a("LMOVE", "todo", "doing", "LEFT", "RIGHT")
        if number:
            b("LREM", "doing", "1", str(number - 1))
        mesh.flow()
    hold(mesh)
    hold(mesh)
    for node in (a, b):
        entry = node.engine.databases[0].raw(b"doing")
        assert entry is not None and isinstance(entry.value, ListValue)
        assert len(entry.value.moved or {}) == entry.value.size() == 1
        assert order_of(node, "doing").size() == 1
        assert left(node) == {}
