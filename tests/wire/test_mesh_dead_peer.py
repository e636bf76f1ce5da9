"""A member that dies never makes the metadata of the others grow past its cap (semantics.md
2, "Dead peer"), on real processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.support.servers import wait_until
from tests.support.transcript import Shown
from tests.wire.mesh_support import Mesh, Node, await_equal, run_all
from tests.wire.test_mesh_members import saying

pytestmark = pytest.mark.wire

CAP_BYTES = 60_000
BOUNDED = (
    "--appendonly", "yes",
    "--mesh-heartbeat-ms", "100", "--mesh-unstable-max-bytes", str(CAP_BYTES),
)  # fmt: skip
BATCH = 100  # members written between two looks: 4,900 bytes


@pytest.fixture
def trio() -> Iterator[Mesh]:
    with Mesh(3, *BOUNDED) as mesh:
        for node in mesh.nodes:
            wait_until(knows(node, 3), "three members")
        yield mesh


def number(node: Node, name: str) -> int:
    """One number of INFO replication."""
    return int(node.info("replication")[name])


def knows(node: Node, count: int) -> Callable[[], bool]:
    """Does it know so many members that are joined?"""
    return lambda: sum(state == b"joined" for state in states(node)) == count


def states(node: Node) -> list[bytes]:
    """What MESH PEERS says of each member."""
    found: list[bytes] = []
    for each in node.ask("MESH", "PEERS").items:
        names = [item.text for item in each.items[::2]]
        fields: dict[bytes, Shown] = dict(zip(names, each.items[1::2], strict=True))
        found.append(fields[b"state"].text)
    return found


def is_clean(node: Node) -> bool:
    """Does it remember nothing beside its data?"""
    return number(node, "mesh_unstable_bytes") == 0


def measured(node: Node) -> int:
    """What it remembered at its last heartbeat, in bytes."""
    return number(node, "mesh_unstable_bytes")


def moved(node: Node, seen: int) -> bool:
    """Has it measured more than this, or expelled somebody?"""
    return measured(node) > seen or knows(node, 2)()


def is_away(node: Node) -> bool:
    """Has it noticed that somebody is away?"""
    return number(node, "mesh_members_away") == 1


def write(node: Node, first: int) -> None:
    """A batch of members of one set."""
    run_all(node.client(), [("SADD", "s", f"m{first + at}") for at in range(BATCH)])


def test_a_killed_member_is_expelled_at_the_cap_and_told_when_it_is_back(trio: Mesh) -> None:
    a, b, c = trio.nodes
    write(a, 0)
    await_equal([a, b, c])
    for node in trio.nodes:
        wait_until(partial(is_clean, node), "metadata of all to go", 20.0)
    c.kill()
    for node in (a, b):
        wait_until(partial(is_away, node), "it to be noticed", 20.0)
    written = BATCH
    peak = 0
    while knows(a, 3)():
        assert written < 60 * BATCH, "nobody is expelled"
        write(a if written // BATCH % 2 else b, written)
        written += BATCH
        wait_until(partial(moved, a, peak), "a heartbeat")
        peak = max(peak, measured(a), measured(b))
    assert CAP_BYTES // 2 < peak < 2 * CAP_BYTES
    for _ in range(3):
        write(b, written)
        written += BATCH
    for node in (a, b):
        wait_until(knows(node, 2), "the member to be expelled")
        wait_until(partial(is_clean, node), "metadata to go", 20.0)
    await_equal([a, b])
    assert a.ask("SCARD", "s").text == b"%d" % written
    c.start()
    wait_until(saying(c, "was expelled"), "it to be told", 20.0)
    assert "at mesh-unstable-max-bytes" in c.last_errors()
    assert "joins as a new member" in c.last_errors()
    write(a, written)
    wait_until(lambda: is_clean(a), "metadata to go", 20.0)


def test_a_member_that_is_back_in_time_lets_all_be_forgotten(trio: Mesh) -> None:
    a, b, c = trio.nodes
    member = c.info("replication")["mesh_member_id"]
    c.kill()
    for node in (a, b):
        wait_until(partial(is_away, node), "it to be noticed", 20.0)
    for first in range(0, 5 * BATCH, BATCH):
        write(a, first)
    wait_until(lambda: number(b, "mesh_unstable_bytes") > 4 * BATCH * 49, "metadata")
    wait_until(lambda: a.info("replication")["mesh_held_up_by"] != "", "a heartbeat")
    wait_until(lambda: number(a, "mesh_held_up_ms") > 0, "a heartbeat")
    wait_until(lambda: a.mesh()["held_up_by"] == member, "it to be told who holds all up", 20.0)
    c.start()
    await_equal([a, b, c])
    for node in trio.nodes:
        wait_until(partial(is_clean, node), "metadata to go", 20.0)
        assert states(node) == [b"joined"] * 3
