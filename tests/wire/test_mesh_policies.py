"""Two real nodes: policies set at run time, eviction told to both, blocked readers of a stream."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.support.servers import wait_until
from tests.wire.mesh_support import CATCH_UP_S, Mesh, Node

pytestmark = pytest.mark.wire


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    with Mesh(2) as running:
        yield running


def clock_ms(node: Node) -> int:
    """What the node's clock says."""
    seconds, micros = (int(each.text) for each in node.ask("TIME").items)
    return seconds * 1000 + micros // 1000


def test_a_policy_set_at_run_time_counts_for_the_next_removal(mesh: Mesh) -> None:
    a, b = mesh.nodes
    assert a.ask("CONFIG", "SET", "conflict-policy", "newest-wins cache:*").text == b"OK"
    assert a.ask("CONFIG", "GET", "conflict-policy").items[1].text == b"newest-wins cache:*"
    for key in ("cache:1", "other"):
        assert a.ask("SADD", key, "old").text == b"1"
    b.ask("SET", "known", "to all")
    mesh.await_equal()
    mesh.cut(0, 1)
    for key in ("cache:1", "other"):
        assert b.ask("SADD", key, "new").text == b"1"
    # What both write in one millisecond is in the order of counters and names.
    written_ms = clock_ms(b)
    wait_until(lambda: clock_ms(a) > written_ms, "the next millisecond")
    for key in ("cache:1", "other"):
        assert a.ask("DEL", key).text == b"1"
    mesh.heal(0, 1)
    mesh.await_links()
    mesh.await_equal()
    for node in (a, b):
        assert node.ask("EXISTS", "cache:1").text == b"0"
        assert node.ask("SMEMBERS", "other").items[0].text == b"new"
    for node in (a, b):
        wait_until(
            lambda node=node: node.info("replication")["mesh_pending_removals"] == "0",  # type: ignore[misc]
            "the removal is past", CATCH_UP_S,
        )  # fmt: skip


def test_locks_are_refused_or_counted(mesh: Mesh) -> None:
    a, b = mesh.nodes
    a.ask("CONFIG", "SET", "mesh-nx-policy", "reject")
    b.ask("CONFIG", "SET", "mesh-nx-policy", "warn")
    with a.client() as client:
        reply = client.call("SET", "lock", "1", "NX")
    assert reply.kind == "error" and b"mesh-nx-policy" in reply.text
    assert b.ask("SETNX", "lock", "1").text == b"1"
    assert b.info("replication")["mesh_decided_here"] == "1"
    for node in (a, b):
        node.ask("CONFIG", "SET", "mesh-nx-policy", "allow")


def test_what_one_node_evicts_goes_on_both(mesh: Mesh) -> None:
    a, b = mesh.nodes
    with a.client() as client:
        for at in range(300):
            client.call("SET", f"big:{at}", "v" * 4000)
    mesh.await_equal()
    a.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    a.ask("CONFIG", "SET", "maxmemory", "1000000")
    wait_until(
        lambda: 0 < int(a.ask("DBSIZE").text) < 260, "a has made room", CATCH_UP_S
    )
    a.ask("CONFIG", "SET", "maxmemory", "0")
    mesh.await_equal()
    assert int(a.info("stats")["evicted_keys"]) > 40
    assert b.info("stats")["evicted_keys"] == "0"
    assert a.ask("DBSIZE").text == b.ask("DBSIZE").text


def test_a_blocked_reader_gets_what_is_settled(mesh: Mesh) -> None:
    """The entry is shown when the peer's next frame says that none before it is on its way."""
    a, b = mesh.nodes
    b.ask("CONFIG", "SET", "mesh-stream-stable-reads", "yes")
    found: list[bytes] = []

    def read() -> None:
        with b.client() as client:
            reply = client.call("XREAD", "BLOCK", "20000", "STREAMS", "x", "0")
            found.append(reply.items[0].items[1].items[0].items[1].items[1].text)

    thread = threading.Thread(target=read)
    thread.start()
    wait_until(
        lambda: b.info("clients")["blocked_clients"] == "1", "the reader waits", CATCH_UP_S
    )
    b.ask("XADD", "x", "*", "f", "v")
    thread.join(CATCH_UP_S)
    assert found == [b"v"]
    assert a.ask("XLEN", "x").text in (b"0", b"1")
