"""Ring, hub and custom meshes of real processes: what one node writes reaches all, by relay."""

from __future__ import annotations

from functools import partial
from typing import Self

import pytest

from tests.support.ports import free_port
from tests.support.servers import Proxy, wait_until
from tests.wire.mesh_support import (
    ACTIVE,
    CATCH_UP_S,
    SAVES,
    Node,
    are_down,
    await_equal,
    await_links,
)

pytestmark = pytest.mark.wire

RING = ((0, 1), (1, 2), (2, 3), (3, 0))
HUB = ((0, 1), (0, 2), (0, 3))
ONE_WAY = ((0, 1), (1, 2), (2, 0))


class Shape:
    """Nodes with these links only: for (a, b) data flows from a to b through proxy `ways[a, b]`."""

    def __init__(self, count: int, pairs: tuple[tuple[int, int], ...], *args: str) -> None:
        ports = [free_port() for _ in range(count)]
        self.nodes: list[Node] = []
        self.ways = {(a, b): Proxy(ports[a]) for a, b in pairs}
        try:
            for at, port in enumerate(ports):
                peers: list[str] = []
                for (_, b), proxy in self.ways.items():
                    peers += ["--replicaof", "127.0.0.1", str(proxy.port)] if b == at else []
                options = ("--mesh-dial-back", "no", "--multi-master", "yes", *args, *peers)
                self.nodes.append(Node(*ACTIVE, *options, port=port))
            self.await_links()
        except BaseException:
            self.close()
            raise

    def await_links(self) -> None:
        """Returns when every link carries frames."""
        for at, node in enumerate(self.nodes):
            await_links((node,), sum(b == at for _, b in self.ways))

    def cut(self, a: int, b: int) -> None:
        """Both directions between two nodes go down."""
        for pair in ((a, b), (b, a)):
            self.ways[pair].cut()
            address = {f"127.0.0.1:{self.ways[pair].port}"}
            gone = partial(are_down, self.nodes[pair[1]], address)
            wait_until(gone, "a link that was cut to end")

    def write(self, word: str) -> None:
        """Each node writes."""
        for at, node in enumerate(self.nodes):
            node.ask("SADD", "s", f"{word}-{at}")
            node.ask("INCR", "n")

    def check(self, writes: int) -> None:
        """All have all of it."""
        await_equal(self.nodes)
        for node in self.nodes:
            assert node.ask("SCARD", "s").text == b"%d" % writes
            assert node.ask("GET", "n").text == b"%d" % writes

    def close(self) -> None:
        """Ends nodes and proxies."""
        for node in self.nodes:
            node.close()
        for proxy in self.ways.values():
            proxy.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def both(pairs: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """Links in both directions."""
    return tuple(sorted({*pairs, *((b, a) for a, b in pairs)}))


def shape_is(node: Node, word: str) -> bool:
    """Does the node know what its mesh looks like?"""
    return bool(node.mesh()["topology"] == word)


def ways_of(node: Node) -> int:
    """How many streams come to this node, directly or by relay."""
    ways = node.ask("MESH", "TOPOLOGY").items[5]
    return len(ways.items)


def await_ways(shape: Shape) -> None:
    """Returns when every node gets the stream of every other."""
    for node in shape.nodes:
        wait_until(partial(has_ways, node, len(shape.nodes) - 1), "a way for each", CATCH_UP_S)


def has_ways(node: Node, count: int) -> bool:
    """Does it get so many streams?"""
    return ways_of(node) >= count


def ignored(node: Node) -> int:
    """Frames that came twice."""
    return sum(each["ops_ignored"] for each in node.links())


@pytest.mark.parametrize(
    ("pairs", "word"), [(both(RING), "ring"), (both(HUB), "hub"), (ONE_WAY, "custom")]
)
def test_what_each_node_writes_reaches_all_exactly_once(
    pairs: tuple[tuple[int, int], ...], word: str
) -> None:
    count = 1 + max(a for a, _ in pairs)
    with Shape(count, pairs) as shape:
        await_ways(shape)
        before = [ignored(node) for node in shape.nodes]
        restarted = [sum(each["reconnects"] for each in node.links()) for node in shape.nodes]
        shape.write("a")
        shape.write("b")
        shape.check(2 * count)
        assert [ignored(node) for node in shape.nodes] == before
        again = [sum(each["reconnects"] for each in node.links()) for node in shape.nodes]
        assert again == restarted, "no link had to be asked again"
        for node in shape.nodes:
            wait_until(partial(shape_is, node, word), f"the shape {word}", CATCH_UP_S)


def test_a_ring_whose_link_is_cut_goes_the_other_way_round() -> None:
    with Shape(4, both(RING)) as shape:
        await_ways(shape)
        shape.write("a")
        shape.check(4)
        shape.cut(0, 1)
        shape.write("b")
        shape.check(8)


def test_a_hub_that_is_killed_parts_its_spokes_until_it_is_back() -> None:
    with Shape(4, both(HUB), *SAVES) as shape:
        await_ways(shape)
        shape.write("a")
        shape.check(4)
        hub, *spokes = shape.nodes
        hub.ask("SAVE")
        hub.kill()
        for at, node in enumerate(spokes):
            node.ask("SADD", "s", f"alone-{at}")
            node.ask("INCR", "n")
        hub.start()
        shape.await_links()
        shape.check(7)
        await_ways(shape)
        shape.write("b")
        shape.check(11)
