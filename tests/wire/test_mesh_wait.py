"""WAIT counts the members that have applied the client's writes, and never waits for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.servers import Client
from tests.wire.mesh_support import Mesh, run_all

pytestmark = [pytest.mark.wire, pytest.mark.alone]


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    with Mesh(2) as running:
        yield running


def timed(client: Client, *words: str) -> tuple[bytes, float]:
    """A reply and how many seconds it took."""
    began_s = time.monotonic()
    reply = client.call(*words)
    assert reply.kind == "integer", reply
    return reply.text, time.monotonic() - began_s


def test_wait_returns_as_soon_as_the_peer_has_the_write(mesh: Mesh) -> None:
    a, b = mesh.nodes
    slowest_s = 0.0
    with a.client() as client, b.client() as reader:
        for number in range(50):
            client.call("SET", "k", str(number))
            replicas, took_s = timed(client, "WAIT", "1", "0")
            assert replicas == b"1"
            # Applied there, not only received.
            assert reader.call("GET", "k").text == b"%d" % number
            slowest_s = max(slowest_s, took_s)
    print(f"slowest of 50: {slowest_s * 1000:.1f} ms")
    assert slowest_s < 0.9, "it waited for a heartbeat or an ACK of its own accord"


def test_wait_for_more_members_than_there_are_ends_by_its_timeout(mesh: Mesh) -> None:
    with mesh.nodes[0].client() as client:
        client.call("INCR", "n")
        replicas, took_s = timed(client, "WAIT", "2", "200")
        assert replicas == b"1" and 0.19 < took_s < 2.0


def test_wait_without_writes_or_for_none_answers_at_once(mesh: Mesh) -> None:
    with mesh.nodes[0].client() as client:
        assert timed(client, "WAIT", "1", "0")[0] == b"1"
        client.call("INCR", "n")
        replicas, took_s = timed(client, "WAIT", "0", "0")
        assert replicas in (b"0", b"1") and took_s < 1.0


def test_wait_gives_up_after_its_timeout_while_the_peer_stands_still(mesh: Mesh) -> None:
    a, b = mesh.nodes
    with a.client() as client, a.client() as other:
        client.call("SET", "k", "before")
        assert timed(client, "WAIT", "1", "0")[0] == b"1"
        b.freeze()
        try:
            client.call("SET", "k", "v")
            replicas, took_s = timed(client, "WAIT", "1", "200")
            print(f"WAIT 1 200 took {took_s * 1000:.1f} ms")
            assert replicas == b"0" and 0.19 < took_s < 0.5
            # The node serves others meanwhile, and those who did not write since wait for nothing.
            assert timed(other, "WAIT", "1", "0")[0] == b"1"
        finally:
            b.thaw()
        assert timed(client, "WAIT", "1", "5000")[0] == b"1"


def test_wait_inside_a_transaction_never_blocks(mesh: Mesh) -> None:
    a, b = mesh.nodes
    b.freeze()
    try:
        with a.client() as client:
            began_s = time.monotonic()
            run_all(client, [["SET", "k", "v"], ["MULTI"], ["SET", "k", "w"], ["WAIT", "1", "0"]])
            reply = client.call("EXEC")
            assert [each.text for each in reply.items][1:] == [b"0"]
            assert time.monotonic() - began_s < 1.0
    finally:
        b.thaw()
    mesh.await_links()


def test_a_client_that_waits_hinders_nobody_and_may_go_away(mesh: Mesh) -> None:
    a, b = mesh.nodes
    b.freeze()
    try:
        with a.client() as gone:
            gone.call("INCR", "n")
            gone.send([b"WAIT", b"1", b"0"])
        with a.client() as waiting, a.client() as client:
            waiting.call("INCR", "n")
            answers: list[bytes] = []
            thread = threading.Thread(
                target=lambda: answers.append(waiting.call("WAIT", "1", "0").text)
            )
            thread.start()
            for _ in range(100):
                assert client.call("INCR", "n").kind == "integer"
            assert answers == []
            b.thaw()
            thread.join()
            assert answers == [b"1"]
    finally:
        b.thaw()


def test_a_lost_peer_does_not_count(mesh: Mesh) -> None:
    with mesh.nodes[0].client() as client:
        client.call("INCR", "n")
        assert timed(client, "WAIT", "1", "0")[0] == b"1"
        mesh.cut(0, 1)
        client.call("INCR", "n")
        assert timed(client, "WAIT", "1", "100")[0] == b"0"
        mesh.heal(0, 1)
        # The follower comes back by its vector and says so: nothing needs to be written for it.
        assert timed(client, "WAIT", "1", "0")[0] == b"1"
    mesh.await_links()


def test_arguments_are_checked_as_in_redis(mesh: Mesh) -> None:
    with mesh.nodes[0].client() as client:
        for words, text in (
            (("WAIT", "x", "0"), b"ERR value is not an integer or out of range"),
            (("WAIT", "1", "x"), b"ERR timeout is not an integer or out of range"),
            (("WAIT", "1", "-1"), b"ERR timeout is negative"),
            (("WAIT", "9", str((1 << 63) - 1)), b"ERR timeout is out of range"),
        ):
            reply = client.call(*words)
            assert (reply.kind, reply.text) == ("error", text)
