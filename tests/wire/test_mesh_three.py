"""Three nodes in full mesh: all are written to while a link is cut and a node starts anew."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.wire.mesh_load import Command, Expected, base, writes
from tests.wire.mesh_support import SAVES, Mesh, Node, await_links, run_all, scaled

pytestmark = pytest.mark.wire

COUNT = scaled(2_000)  # writes of each type on each node, in each of three phases
# Of each phase the side of the load and the first number of each node, in COUNTs. What two sides do
# to the same fields has one answer only where neither can have heard of the other: that is nodes 0
# and 1 in the first phase. Later a transfer from node 2 may bring either what the other wrote.
SHARES = (((0, 0), (1, 0), (0, 5)), ((0, 1), (1, 2), (0, 6)), ((0, 3), (1, 4), (0, 7)))


class Background:
    """Runs functions at the same time; the first error is raised at the end."""

    def __init__(self, *work: Callable[[], None]) -> None:
        self.errors: list[BaseException] = []
        self.threads = [threading.Thread(target=self.run, args=(each,)) for each in work]
        for thread in self.threads:
            thread.start()

    def run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self.errors.append(error)

    def join(self) -> None:
        """Awaits all."""
        for thread in self.threads:
            thread.join()
        if self.errors:
            raise self.errors[0]


def share(at: int, phase: int) -> list[Command]:
    """What node `at` is told in a phase."""
    side, counts = SHARES[phase][at]
    return list(writes(side, counts * COUNT, (counts + 1) * COUNT))


def writing(node: Node, commands: list[Command]) -> Callable[[], None]:
    """All of them, on one connection."""

    def work() -> None:
        with node.client() as client:
            run_all(client, commands)

    return work


def together(mesh: Mesh, phase: int, *numbers: int) -> Background:
    """These nodes take their share of a phase at the same time."""
    return Background(*(writing(mesh.nodes[at], share(at, phase)) for at in numbers))


def test_three_nodes_converge_after_a_cut_and_a_restart() -> None:
    total = 8 * COUNT
    expected = Expected()
    with Mesh(3, *SAVES) as mesh:
        with mesh.nodes[0].client() as client:
            run_all(client, base(total))
        mesh.await_equal()
        expected.apply(base(total))

        third_node = together(mesh, 0, 2)
        mesh.cut(0, 1)
        together(mesh, 0, 0, 1).join()
        third_node.join()

        second = together(mesh, 1, 0, 1)
        mesh.nodes[2].restart_saved()
        second.join()
        writing(mesh.nodes[2], share(2, 1))()

        third = together(mesh, 2, 0, 1, 2)
        mesh.heal(0, 1)
        third.join()

        mesh.await_links()
        mesh.await_equal()
        for at in (0, 1, 2):
            for phase in (0, 1, 2):
                expected.apply(share(at, phase))
        for node in mesh.nodes:
            with node.client() as client:
                expected.check(client)


def test_what_two_nodes_wrote_reaches_a_third_while_their_own_link_is_cut() -> None:
    with Mesh(3) as mesh:
        a, b, c = mesh.nodes
        mesh.cut(0, 1)
        for node in mesh.nodes:
            node.ask("SADD", "s", str(node.port))
        await_links((c,), 2)
        mesh.await_equal()
        assert {node.ask("SCARD", "s").text for node in (a, b, c)} == {b"3"}
