"""A link is cut while both sides take writes of every type: after healing both show all of them."""

from __future__ import annotations

import threading
import time
from functools import partial
from types import TracebackType
from typing import Self

import pytest

from tests.support.servers import Client, wait_until
from tests.wire.mesh_load import Expected, base, writes
from tests.wire.mesh_support import CATCH_UP_S, Mesh, Node, run_all, scaled

pytestmark = pytest.mark.wire

COUNT = scaled(10_000)
# The longest that a client may wait while a snapshot is sent, staged and merged.
PAUSE_S = 10.0


def diverge(mesh: Mesh, count: int) -> Expected:
    """Data on both, the link cut, `count` writes of every type on each side; what must show."""
    expected = Expected()
    a, b = mesh.nodes
    with a.client() as client:
        run_all(client, base(count))
    expected.apply(base(count))
    mesh.await_equal()
    mesh.cut(0, 1)
    for side, node in enumerate((a, b)):
        with node.client() as client:
            run_all(client, writes(side, 0, count))
        expected.apply(writes(side, 0, count))
    assert a.digest() != b.digest()
    return expected


def check(mesh: Mesh, expected: Expected) -> None:
    """Both nodes show the same, and what must show."""
    mesh.await_equal()
    for node in mesh.nodes:
        with node.client() as client:
            expected.check(client)


def has_taken(node: Node, transfers: int) -> bool:
    """Has the node taken in so many snapshots since its start?"""
    return node.transfers()[1] >= transfers


class Counting:
    """A client that increments a counter one by one, and notes how long it waited at most."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.count = 0
        self.longest_s = 0.0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, name="counting")

    def run(self) -> None:
        with Client(self.node.port, CATCH_UP_S) as client:
            while not self.stopping.is_set():
                began_s = time.monotonic()
                assert client.call("INCR", "served").kind == "integer"
                self.longest_s = max(self.longest_s, time.monotonic() - began_s)
                self.count += 1

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stopping.set()
        self.thread.join()


def test_a_link_that_comes_back_brings_what_was_written_and_no_snapshot() -> None:
    with Mesh(2) as mesh:
        expected = diverge(mesh, COUNT)
        before = [node.transfers() for node in mesh.nodes]
        mesh.heal(0, 1)
        mesh.await_links()
        check(mesh, expected)
        assert [node.transfers() for node in mesh.nodes] == before


def test_a_backlog_too_small_costs_a_snapshot_that_is_merged_while_both_serve() -> None:
    with Mesh(2, "--repl-backlog-size", "64kb") as mesh:
        expected = diverge(mesh, COUNT)
        a, b = mesh.nodes
        before = [node.transfers() for node in mesh.nodes]
        with Counting(a) as on_a, Counting(b) as on_b:
            wait_until(lambda: on_a.count > 0 and on_b.count > 0, "both to be counting")
            mesh.heal(0, 1)
            for node, (_, taken) in zip(mesh.nodes, before, strict=True):
                wait_until(partial(has_taken, node, taken + 1), "a snapshot", CATCH_UP_S)
            mesh.await_links()
        print(f"longest waits: {on_a.longest_s:.3f} s and {on_b.longest_s:.3f} s")
        expected.apply([[b"INCRBY", b"served", b"%d" % (on_a.count + on_b.count)]])
        check(mesh, expected)
        assert max(on_a.longest_s, on_b.longest_s) < PAUSE_S
