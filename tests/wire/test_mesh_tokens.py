"""Two real nodes: tokens, waits for named members, conflicts and EXPLAIN, digests, clocks."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.servers import wait_until
from tests.support.transcript import Shown, read_shown
from tests.wire.mesh_peers import Follower, Master, Writer, now_stamp
from tests.wire.mesh_support import ACTIVE, CATCH_UP_S, Mesh, Node

pytestmark = [pytest.mark.wire, pytest.mark.alone]

HOUR_US = 3_600_000_000


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    with Mesh(2) as running:
        yield running


def told(shown: Shown) -> dict[str, Shown]:
    """A map reply of RESP2 by its names."""
    return {
        name.text.decode(): value
        for name, value in zip(shown.items[::2], shown.items[1::2], strict=True)
    }


def time_ms(node: Node) -> int:
    """What the node's clock says."""
    seconds, microseconds = (int(each.text) for each in node.ask("TIME").items)
    return seconds * 1000 + microseconds // 1000


def test_what_was_written_here_is_read_there_by_a_token(mesh: Mesh) -> None:
    a, b = mesh.nodes
    with a.client() as writer, b.client() as reader:
        for number in range(50):
            writer.call("SET", "k", str(number))
            token = writer.call("MESH", "TOKEN").text
            assert reader.call("MESH", "WAITFOR", token, "5000").text == b"1"
            assert reader.call("GET", "k").text == b"%d" % number


def test_waitfor_waits_while_the_link_is_down_and_ends_when_it_is_up(mesh: Mesh) -> None:
    a, b = mesh.nodes
    mesh.cut(0, 1)
    with a.client() as writer, b.client() as reader:
        writer.call("SET", "k", "v")
        token = writer.call("MESH", "TOKEN").text
        began_s = time.monotonic()
        assert reader.call("MESH", "WAITFOR", token, "200").text == b"0"
        assert 0.19 < time.monotonic() - began_s < 2.0
        answers: list[bytes] = []
        thread = threading.Thread(
            target=lambda: answers.append(reader.call("MESH", "WAITFOR", token, "60000").text)
        )
        thread.start()
        assert b.ask("SET", "served", "v").text == b"OK"
        mesh.heal(0, 1)
        thread.join(CATCH_UP_S)
        assert answers == [b"1"] and b.ask("GET", "k").text == b"v"
    mesh.await_links()


def test_mesh_wait_for_all_for_a_majority_and_by_name(mesh: Mesh) -> None:
    a, b = mesh.nodes
    b_id = b.info("replication")["mesh_member_id"]
    with a.client() as client:
        for who in ("all", "majority", b_id):
            client.call("INCR", "n")
            began_s = time.monotonic()
            assert client.call("MESH", "WAIT", who, "5000").text == b"1"
            assert time.monotonic() - began_s < 0.9, "it waited for a heartbeat"
        mesh.cut(0, 1)
        client.call("INCR", "n")
        assert client.call("MESH", "WAIT", "all", "200").text == b"0"
        mesh.heal(0, 1)
        mesh.await_links()
        assert client.call("MESH", "WAIT", "all", "60000").text == b"1"


def test_a_conflict_is_told_on_both_nodes_with_the_measured_skew(mesh: Mesh) -> None:
    a, b = mesh.nodes
    wait_until(
        lambda: all(link["clock_skew_ms"] is not None for node in mesh.nodes
                    for link in node.links()),
        "the clocks to be measured",
    )  # fmt: skip
    mesh.await_equal()
    mesh.cut(0, 1)
    a.ask("SET", "fought", "from a")
    written_ms = time_ms(a)
    wait_until(lambda: time_ms(b) > written_ms + 5, "a later moment")
    b.ask("SET", "fought", "from b")
    mesh.heal(0, 1)
    mesh.await_links()
    mesh.await_equal()
    b_id = b.info("replication")["mesh_member_id"].encode()
    for node in mesh.nodes:
        found = told(node.ask("MESH", "CONFLICTS", "KEY", "fought", "COUNT", "1"))
        (last,) = found["last"].items
        conflict = told(last)
        assert conflict["kind"].text == b"overwrite"
        assert told(conflict["winner"])["value"].text == b"from b"
        assert told(conflict["winner"])["member"].text == b_id
        assert abs(float(conflict["skew-ms"].text)) < 50.0, "both run on one clock"
        why = told(node.ask("MESH", "EXPLAIN", "fought"))
        assert b"highest stamp of 2" in why["why"].text
        values = [told(each)["value"].text for each in why["registers"].items]
        assert values == [b"from b", b"from a"]


def test_digests_are_equal_and_differ_where_the_data_does(mesh: Mesh) -> None:
    a, b = mesh.nodes
    mesh.await_equal()
    assert a.ask("MESH", "DIGEST").text == b.ask("MESH", "DIGEST").text == a.digest()
    ranges = [[each.text for each in node.ask("MESH", "DIGEST", "RANGES").items] for node in (a, b)]
    assert ranges[0] == ranges[1] and len(ranges[0]) == 256


def test_the_commands_are_documented(mesh: Mesh) -> None:
    a = mesh.nodes[0]
    for name in ("conflicts", "explain", "digest", "token", "waitfor", "wait"):
        docs = a.ask("COMMAND", "DOCS", f"mesh|{name}")
        assert docs.items[0].text == f"mesh|{name}".encode()
        assert told(docs.items[1])["summary"].text


def test_clocks_are_measured_and_shown(mesh: Mesh) -> None:
    for node in mesh.nodes:
        info = node.info("replication")
        assert abs(float(info["mesh_clock_skew_ms"])) < 50.0
        assert info["mesh_clock_fenced"] == "0" and info["mesh_clock_alarms"] == "0"
        assert all(0.0 < link["rtt_ms"] < 1000.0 for link in node.links())


# --- a peer whose clock is an hour off ------------------------------------------------------------


class Skewed(Master):
    """A member whose clock differs by so many microseconds, as it says when it is asked."""

    def __init__(self, skew_us: int) -> None:
        super().__init__()
        self.skew_us = skew_us

    def reply(self, connection: object, name: bytes, words: list[bytes]) -> bytes:
        if name == b"REPLCONF" and words[1].lower() == b"mesh-clock":
            return b"+%d\r\n" % (int(words[2]) + self.skew_us)
        return super().reply(connection, name, words)  # type: ignore[arg-type]


def accept_until_closed(peer: Master) -> None:
    """Answers every attempt of the node; none gets as far as PSYNC."""
    with contextlib.suppress(OSError):
        peer.accept()


def test_a_peer_an_hour_ahead_is_not_followed_and_harms_nobody() -> None:
    with Node(*ACTIVE, "--mesh-dial-back", "no") as node, Skewed(HOUR_US) as peer:
        node.ask("REPLICAOF", "127.0.0.1", str(peer.port))
        thread = threading.Thread(target=accept_until_closed, args=(peer,), daemon=True)
        thread.start()
        wait_until(lambda: "s ahead of ours" in node.last_errors(), "the refusal", CATCH_UP_S)
        assert [each["state"] for each in node.links()] == ["refused"]
        assert node.ask("SET", "k", "v").text == b"OK"
        info = node.info("replication")
        assert info["mesh_clock_fenced"] == "0" and int(info["mesh_clock_refusals"]) >= 1


def test_a_write_stamped_an_hour_ahead_is_not_taken_though_the_clock_is_right_by_now() -> None:
    with Node(*ACTIVE, "--mesh-dial-back", "no") as node, Skewed(0) as peer:
        node.ask("SET", "k", "before")
        node.ask("REPLICAOF", "127.0.0.1", str(peer.port))
        writer = Writer(peer.stream, now_stamp() + (3_600_000 << 20))
        with peer.accept() as connection:
            connection.send(writer.frame(["SET", "k", "poison"]).encoded())
            assert connection.await_end()
        wait_until(
            lambda: "newest stamps are farther ahead" in node.last_errors(), "the refusal",
            CATCH_UP_S,
        )  # fmt: skip
        assert [each["state"] for each in node.links()] == ["refused"]
        assert node.ask("GET", "k").text == b"before"
        assert node.ask("SET", "k", "after").text == b"OK" and node.ask("DEL", "k").text == b"1"
        # Its own stamps go by its own clock all the same.
        stamp = node.vector()[node.stream()]
        assert abs((stamp >> 20) - time.time() * 1000) < 60_000


def test_a_node_an_hour_ahead_of_its_peer_refuses_its_clients_writes_until_it_is_right() -> None:
    with Node(*ACTIVE, "--mesh-dial-back", "no") as node, Skewed(-HOUR_US) as peer:
        node.ask("SET", "k", "before")
        node.ask("REPLICAOF", "127.0.0.1", str(peer.port))
        with peer.accept(), node.client() as client:
            refused = client.call("SET", "k", "v")
            assert refused.kind == "error" and refused.text.startswith(b"CLOCKAHEAD ")
            assert client.call("GET", "k").text == b"before"
            assert node.mesh()["clock_fenced"]
            # The peers' limit is a directive: where an hour is allowed, writes are.
            client.call("CONFIG", "SET", "mesh-clock-refuse-ms", "7200000")
            wait_until(
                lambda: client.call("SET", "k", "v").text == b"OK", "the gate to open", CATCH_UP_S
            )


def test_a_follower_that_asks_is_told_the_time() -> None:
    with Node(*ACTIVE) as node, Follower(node.port) as follower:
        follower.frame()
        asked = b"%016d" % (time.time_ns() // 1000)
        follower.client.send([b"REPLCONF", b"MESH-CLOCK", asked])  # among its ACKs
        while True:
            words = [each.text for each in read_shown(follower.client.stream).items]
            if words[:2] == [b"REPLCONF", b"MESH-CLOCK"]:
                break
        assert words[2] == asked and 0 <= int(words[3]) - int(asked) < 5_000_000
