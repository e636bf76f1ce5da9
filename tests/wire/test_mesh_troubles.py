"""What happens to machines, on real nodes that write every type to their append-only files: loss in
one direction, a process that stands still, one that is slow, a full disk, a crash. What was
acknowledged holds, and all nodes are equal within seconds.

The test runs with proxies, and once more in a network namespace where the machine allows one.
"""

from __future__ import annotations

import os
import random
import resource
import sys
import threading
from collections.abc import Callable
from functools import partial

import pytest

from tests.support.servers import wait_until
from tests.wire.mesh_rounds import Ledger, Writer, check
from tests.wire.mesh_support import CATCH_UP_S, Mesh, Node
from tests.wire.networks import NamespaceMesh, inside, is_inside, is_possible
from tests.wire.test_mesh_rounds import DURABLE, EQUAL_S, await_equal_within

pytestmark = pytest.mark.wire

WRITES = int(os.environ.get("PLEXIS_TROUBLE_WRITES", "150"))  # of one client during one trouble
NODES = 3
NO_LIMIT = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
INSIDE_S = 240.0

Ends = Callable[[], None]
Trouble = Callable[[Mesh, random.Random], Ends]


def one_way_loss(mesh: Mesh, rng: random.Random) -> Ends:
    """Nothing goes from one node to another until the other has noticed."""
    a, b = rng.sample(range(NODES), 2)
    mesh.lose(a, b)

    def end() -> None:
        wait_until(partial(has_a_link_down, mesh.nodes[b]), "the silence to be noticed", CATCH_UP_S)
        mesh.flow()

    return end


def has_a_link_down(node: Node) -> bool:
    """Carries one of its links no frames?"""
    return node.links_up() < NODES - 1


def standstill(mesh: Mesh, rng: random.Random) -> Ends:
    """A process is stopped until the others take it for lost, then goes on."""
    node = rng.choice(mesh.nodes)
    other = mesh.nodes[mesh.nodes.index(node) - 1]
    node.freeze()

    def end() -> None:
        wait_until(partial(has_a_link_down, other), "the standstill to be noticed", CATCH_UP_S)
        node.thaw()

    return end


def slowness(mesh: Mesh, rng: random.Random) -> Ends:
    """A process that has a tenth of a processor: what is sent to it piles up."""
    node = rng.choice(mesh.nodes)
    stop = threading.Event()

    def stutter() -> None:
        while not stop.is_set():
            node.freeze()
            stop.wait(0.09)
            node.thaw()
            stop.wait(0.01)

    thread = threading.Thread(target=stutter, name="stutter")
    thread.start()

    def end() -> None:
        stop.set()
        thread.join()

    return end


def full_disk(mesh: Mesh, rng: random.Random) -> Ends:
    """The log of a node may not grow: its clients' writes wait or get MISCONF, reads go on."""
    node = rng.choice(mesh.nodes)
    log = max(node.folder.glob("appendonlydir/*.incr.*"), key=lambda path: path.stat().st_mtime)
    most = log.stat().st_size + 2000
    resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    def end() -> None:
        wait_until(partial(cannot_write, node), "the disk to be full", CATCH_UP_S)
        assert node.ask("GET", "no such key").text == b""
        resource.prlimit(node.pid, resource.RLIMIT_FSIZE, NO_LIMIT)

    return end


def cannot_write(node: Node) -> bool:
    """Does the node say that its log cannot be written?"""
    return node.info("persistence")["aof_last_write_status"] == "err"


def crash(mesh: Mesh, rng: random.Random) -> Ends:
    """kill -9, and a start with what is on the disk."""
    node = rng.choice(mesh.nodes)
    node.kill()
    node.start()
    return lambda: None


TROUBLES: tuple[Trouble, ...] = (one_way_loss, standstill, slowness, full_disk, crash)


def write_through(
    mesh: Mesh, trouble: Trouble, rng: random.Random, ledger: Ledger, first: int
) -> None:
    """Every node has a client that writes when the trouble begins, and one that begins in it."""
    clients = [
        Writer(node, number, ledger, first, WRITES)
        for number, node in enumerate([*mesh.nodes, *mesh.nodes])
    ]
    for client in clients[:NODES]:
        client.start()
    end = trouble(mesh, rng)
    for client in clients[NODES:]:
        client.start()
    end()
    for client in clients:
        client.join()
        if client.error is not None:
            raise client.error


def test_what_was_acknowledged_holds_through_what_happens_to_machines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seed = int(os.environ.get("PLEXIS_ROUND_SEED", "1"))
    rng = random.Random(seed)
    ledger = Ledger()
    took: list[str] = []
    make = NamespaceMesh if is_inside() else Mesh
    with make(NODES, *DURABLE, "--mesh-heartbeat-ms", "200") as mesh:
        for number, trouble in enumerate(rng.sample(TROUBLES, len(TROUBLES))):
            write_through(mesh, trouble, rng, ledger, number * WRITES)
            seconds = await_equal_within(mesh, EQUAL_S)
            took.append(f"{trouble.__name__} {seconds:.1f} s")
            for node in mesh.nodes:
                check(node, ledger)
    with capsys.disabled():
        place = "a network namespace" if is_inside() else "proxies"
        print(
            f"\n{place}, seed {seed}: {ledger.acknowledged} acknowledged writes,"
            f" equal after {', '.join(took)}"
        )


def test_the_same_where_the_kernel_loses_the_packets(capsys: pytest.CaptureFixture[str]) -> None:
    if not is_possible():
        with capsys.disabled():
            print("\nno network namespace may be made here: the proxies alone have shown it")
        return
    first = test_what_was_acknowledged_holds_through_what_happens_to_machines.__name__
    done = inside([sys.executable, "-m", "pytest", "-q", f"{__file__}::{first}"], INSIDE_S)
    with capsys.disabled():
        print(f"\n{next((line for line in done.stdout.splitlines() if 'namespace,' in line), '')}")
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout, done.stdout
