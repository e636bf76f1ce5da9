"""A node is killed while its link is cut or busy, and starts again: what may be missing then.

May be missing: what had reached neither a save nor the peer. Everything else comes back, while the
node already takes writes; no stream is written by two processes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.support.servers import Client, wait_until
from tests.wire.mesh_load import Expected, base, writes
from tests.wire.mesh_support import CATCH_UP_S, SAVES, Mesh, Node, members, run_all, scaled

pytestmark = pytest.mark.wire

COUNT = scaled(10_000)
AFTER = scaled(500)
LOST = scaled(1_000)


def write(node: Node, side: int, first: int, last: int) -> None:
    """Numbers `first` to below `last` of the load, all acknowledged."""
    with node.client() as client:
        run_all(client, writes(side, first, last))


class Streams:
    """Looks at a node's vector: no entry of it may ever move backwards.

    A stream that has ended, and that every member has, is named no more.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self.vector: dict[str, int] = {}
        self.look()

    def look(self) -> dict[str, int]:
        """The vector now; fails where an entry is behind what was seen before."""
        vector = self.node.vector()
        for stream, stamp in self.vector.items():
            assert vector.get(stream, stamp) >= stamp, f"{stream} went backwards"
        self.vector = {**self.vector, **vector}
        return vector


@pytest.mark.parametrize(
    ("saves", "backlog"),
    [(True, ""), (True, "64kb"), (False, "")],
    ids=["saved", "saved-small-backlog", "unsaved"],
)
def test_a_node_killed_while_cut_off_gets_back_what_was_saved_or_sent(
    saves: bool, backlog: str
) -> None:
    options = ["--repl-backlog-size", backlog] if backlog else []
    options += SAVES if saves else ()
    with Mesh(2, *options) as mesh:
        a, b = mesh.nodes
        with a.client() as client:
            run_all(client, base(COUNT))
        mesh.await_equal()
        mesh.cut(0, 1)
        write(a, 0, 0, COUNT)
        write(b, 1, 0, COUNT)
        expected = Expected()
        expected.apply(base(COUNT))
        if saves:
            a.ask("SAVE")
            expected.apply(writes(0, 0, COUNT))
        expected.apply(writes(1, 0, COUNT))
        write(a, 0, COUNT, COUNT + LOST)  # reaches neither a save nor the peer
        on_b = Streams(b)
        old_stream, old_stamp = a.stream(), a.vector()[a.stream()]

        a.kill()
        a.start()
        on_a = Streams(a)
        assert a.stream() != old_stream
        assert on_a.vector.get(old_stream, 0) < old_stamp
        # It takes writes before it has anything of its peer's.
        start = COUNT + LOST
        write(a, 0, start, start + AFTER)
        if saves:
            expected.apply(writes(0, start, start + AFTER))
        mesh.heal(0, 1)
        mesh.await_links()
        mesh.await_equal()
        on_b.look()
        on_a.look()
        if saves:
            for node in mesh.nodes:
                with node.client() as client:
                    expected.check(client)
        else:
            check_unsaved(mesh, expected, start)
        ends = {node.vector().get(old_stream, 0) for node in mesh.nodes} - {0}
        assert len(ends) <= 1 and all(end < old_stamp for end in ends)


def check_unsaved(mesh: Mesh, expected: Expected, start: int) -> None:
    """Without a save the node was empty when it wrote again: nothing was there to be removed."""
    after = Expected()
    after.apply(base(COUNT))
    after.apply(writes(1, 0, COUNT))
    for words in writes(0, start, start + AFTER):
        removes = words[0] in (b"DEL", b"SREM", b"HDEL")
        if not removes or not words[-1].startswith((b"gone:", b"met:")):
            after.apply([words])
    for node in mesh.nodes:
        with node.client() as client:
            after.check(client)
    assert after.data.keys() >= expected.data.keys()


class Writing:
    """A client that adds the members 0, 1, 2 ... to a set and counts them until its node dies."""

    def __init__(self, node: Node, wait: bool) -> None:
        self.node = node
        self.wait = wait
        self.acknowledged = 0  # by the node
        self.confirmed = 0  # by its peer too (WAIT)
        self.thread = threading.Thread(target=self.run, name="writing")
        self.thread.start()

    def run(self) -> None:
        try:
            with Client(self.node.port, CATCH_UP_S) as client:
                while True:
                    self.step(client)
        except (OSError, EOFError):
            return  # the node was killed

    def step(self, client: Client) -> None:
        """One member, one increment, sometimes a WAIT."""
        run_all(client, [[b"SADD", b"all", b"%d" % self.acknowledged], [b"INCR", b"sum"]])
        self.acknowledged += 1
        if self.wait and self.acknowledged % 20 == 0:
            assert client.call("WAIT", "1", "0").text == b"1"
            self.confirmed = self.acknowledged


def test_a_node_killed_in_full_run_loses_only_the_end_that_nobody_had() -> None:
    """Rounds of kill -9 on a linked node: the peer's copy has no hole, and the sum fits the set."""
    with Mesh(2) as mesh:
        a, b = mesh.nodes
        seen: set[str] = set()
        for number in range(3):
            seen.add(a.stream())
            with b.client() as client:
                client.call("DEL", "all", "sum")
            mesh.await_equal()
            writing = Writing(a, wait=True)
            wait_until(enough(writing), "a few confirmed writes", CATCH_UP_S)
            if number == 1:
                a.ask("SAVE")
            a.kill()
            writing.thread.join()
            a.start()
            mesh.await_links()
            mesh.await_equal()
            held = members(a.ask("SMEMBERS", "all"))
            assert held == {b"%d" % at for at in range(len(held))}, "a hole"
            # The last pair may have been cut between the two, and its reply may have been lost.
            assert writing.confirmed <= len(held) <= writing.acknowledged + 1
            total = int(a.ask("GET", "sum").text)
            assert len(held) - 1 <= total <= len(held)
        assert len(seen) == 3 and a.stream() not in seen


def enough(writing: Writing) -> Callable[[], bool]:
    """Has the peer confirmed so many writes that a kill is in full run?"""
    return lambda: writing.confirmed >= 100
