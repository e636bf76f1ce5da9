"""Links are made, taken away and refused: by command, by identity, by password."""

from __future__ import annotations

import shutil
from functools import partial

import pytest

from tests.support.servers import wait_until
from tests.support.transcript import Shown
from tests.wire.mesh_support import (
    ACTIVE,
    CATCH_UP_S,
    Mesh,
    Node,
    await_equal,
    await_links,
    await_vectors,
    members,
    run_all,
)

pytestmark = pytest.mark.wire

LONELY = (*ACTIVE, "--mesh-dial-back", "no")
MEMBER_FILE = "plexis-member.id"


def follow(node: Node, port: int) -> Shown:
    """REPLICAOF."""
    return node.ask("REPLICAOF", "127.0.0.1", str(port))


def says(node: Node, text: str) -> bool:
    """Does one of its links give this as its last error?"""
    return text in node.last_errors()


def await_refusal(node: Node, text: str) -> None:
    """Returns when the node's link was refused with this text, which is in its log too."""
    wait_until(partial(says, node, text), f"a link refused: {text}", CATCH_UP_S)
    assert node.links_up() == 0
    assert "link_lost" in node.output() and text in node.output()


def check_serving(node: Node) -> None:
    """A refused link disturbs no client."""
    assert node.ask("SET", "served", "v").text == b"OK"
    assert node.ask("GET", "served").text == b"v"


def test_replicaof_no_one_ends_every_link_and_the_other_side_goes_on_following() -> None:
    with Node(*ACTIVE) as a, Node(*ACTIVE) as b:
        follow(a, b.port)
        await_links((a, b), 1)
        a.ask("REPLICAOF", "NO", "ONE")
        wait_until(lambda: a.links() == [], "the link to be gone")
        a.ask("SADD", "s", "a")
        b.ask("SADD", "s", "b")
        wait_until(lambda: b.ask("SCARD", "s").text == b"2", "the other side to hear of it")
        # Longer than dialling back takes: three heartbeats of the other side.
        heard = a.vector()[a.stream()]
        wait_until(lambda: a.vector()[a.stream()] > heard + (3000 << 20), "three heartbeats")
        assert a.links() == [] and members(a.ask("SMEMBERS", "s")) == {b"a"}
        assert a.info("replication")["role"] == "master"
        follow(a, b.port)
        await_links((a, b), 1)
        await_equal((a, b))
        assert members(a.ask("SMEMBERS", "s")) == {b"a", b"b"}


def test_replicaof_remove_takes_one_link_away() -> None:
    with Mesh(3) as mesh:
        a, b, c = mesh.nodes
        port = str(mesh.proxies[0, 1].port)
        with a.client() as client:
            unknown = client.call("REPLICAOF", "REMOVE", "127.0.0.1", "1")
            assert (unknown.kind, unknown.text) == ("error", b"ERR Master not found")
            again = client.call("REPLICAOF", "127.0.0.1", port)
            assert again.text == b"OK Already connected to specified master"
            assert client.call("REPLICAOF", "REMOVE", "127.0.0.1", port).text == b"OK"
        assert a.info("replication")["connected_masters"] == "1"
        rows = a.ask("CONFIG", "GET", "replicaof").items[1].text
        assert port.encode() not in rows and str(mesh.proxies[0, 2].port).encode() in rows
        await_links((b, c), 2)
        # What b writes comes round by c.
        b.ask("SET", "k", "v")
        await_vectors(mesh.nodes)
        assert a.ask("GET", "k").text == b"v"
        assert a.ask("REPLICAOF", "127.0.0.1", port).text == b"OK"
        mesh.await_links()
        mesh.await_equal()


def test_without_multi_master_another_replicaof_takes_the_place_of_the_first() -> None:
    with Node(*LONELY) as a, Node(*LONELY) as b, Node(*LONELY) as c:
        follow(a, b.port)
        await_links((a,), 1)
        follow(a, c.port)
        await_links((a,), 1)
        assert [each["source"] for each in a.links()] == [f"127.0.0.1:{c.port}"]


def test_a_node_is_called_back_unless_that_is_off() -> None:
    with Node(*LONELY) as silent, Node(*ACTIVE) as b:
        follow(b, silent.port)
        await_links((b,), 1)
        heard = b.vector()[b.stream()]
        wait_until(lambda: b.vector()[b.stream()] > heard + (3000 << 20), "three heartbeats")
        assert silent.links() == []
        silent.ask("CONFIG", "SET", "mesh-dial-back", "yes")
        await_links((silent,), 1)
        assert silent.mesh()["nodes"][0]["configured"] is False
        for node in (silent, b):
            node.ask("SADD", "s", str(node.port))
        await_equal((silent, b))
        assert silent.ask("SCARD", "s").text == b"2"


def test_a_node_does_not_follow_itself() -> None:
    with Node(*ACTIVE) as node:
        follow(node, node.port)
        await_refusal(node, "is this very node")
        check_serving(node)
        assert node.info("replication")["connected_slaves"] == "0"


@pytest.mark.parametrize("whole", [False, True], ids=["member-id", "whole-folder"])
def test_a_copied_data_directory_is_refused(whole: bool) -> None:
    with Node(*LONELY) as original, Node(*LONELY) as copy:
        original.ask("SADD", "s", "m")
        original.ask("SAVE")
        copy.terminate()
        names = (MEMBER_FILE, "dump.rdb") if whole else (MEMBER_FILE,)
        for name in names:
            shutil.copy(original.folder / name, copy.folder / name)
        copy.start()
        member = [node.info("replication")["mesh_member_id"] for node in (original, copy)]
        assert member[0] == member[1]
        follow(copy, original.port)
        await_refusal(copy, "one of the two data directories is a copy")
        follow(original, copy.port)
        await_refusal(original, "one of the two data directories is a copy")
        for node in (original, copy):
            check_serving(node)
        # As the message says: without its id the copy is a member of its own.
        copy.terminate()
        (copy.folder / MEMBER_FILE).unlink()
        copy.start()
        follow(copy, original.port)
        await_links((copy, original), 1)
        await_equal((original, copy))
        assert original.info("replication")["mesh_member_id"] == member[0]


def test_the_wrong_masterauth_is_refused_until_it_is_right() -> None:
    guarded = ("--requirepass", "secret")
    with Node(*LONELY, *guarded) as a, Node(*LONELY, *guarded, "--masterauth", "wrong") as b:
        follow(b, a.port)
        await_refusal(b, "refused our masterauth: WRONGPASS")
        check_serving(b)
        b.ask("CONFIG", "SET", "masterauth", "")
        wait_until(partial(says, b, "asks for a password"), "another refusal", CATCH_UP_S)
        b.ask("CONFIG", "SET", "masterauth", "secret")
        await_links((b,), 1)
        a.ask("SET", "k", "v")
        wait_until(lambda: b.ask("GET", "k").text == b"v", "the write to arrive")


def test_two_nodes_with_passwords_follow_each_other() -> None:
    options = ("--requirepass", "secret", "--masterauth", "secret")
    with Mesh(2, *options) as mesh:
        for at, node in enumerate(mesh.nodes):
            with node.client() as client:
                run_all(client, [["INCRBY", "n", "1"], ["SADD", "s", str(at)]])
        mesh.await_equal()
        assert mesh.nodes[0].ask("GET", "n").text == b"2"
        mesh.cut(0, 1)
        mesh.heal(0, 1)
        mesh.await_links()


def test_a_node_that_is_not_active_is_neither_followed_nor_follows() -> None:
    alone = tuple(word for word in LONELY if word not in ("--active-replica", "yes"))
    with Node(*alone) as plain, Node(*LONELY) as active:
        follow(active, plain.port)
        await_refusal(active, "not active")
        with plain.client() as client:
            refused = client.call("REPLICAOF", "127.0.0.1", str(active.port))
        assert refused.kind == "error" and b"CONFIG SET active-replica yes" in refused.text
        plain.ask("CONFIG", "SET", "active-replica", "yes")
        await_links((active,), 1)


def test_a_peer_that_says_nothing_is_taken_for_lost() -> None:
    with Mesh(2) as mesh:
        a, b = mesh.nodes
        mesh.proxies[0, 1].stall()
        wait_until(partial(says, a, "silent for"), "the silence to be noticed", CATCH_UP_S)
        assert b.links_up() == 1, "the other direction flows"
        b.ask("SET", "k", "v")
        mesh.proxies[0, 1].heal()
        mesh.await_links()
        mesh.await_equal()
        assert a.ask("GET", "k").text == b"v"


def test_the_log_says_once_that_a_peer_is_not_there_and_who_comes_and_goes() -> None:
    with Node(*ACTIVE, "--node-name", "a") as a:
        with Node(*ACTIVE, "--node-name", "b", "--replicaof", "127.0.0.1", str(a.port)) as b:
            await_links((a, b), 1)
            wait_until(lambda: "member_joined" in a.output(), "it to be told")
        wait_until(lambda: a.links()[0]["state"] == "down", "its end to be noticed")
        first = a.links()[0]["reconnects"]
        wait_until(lambda: a.links()[0]["reconnects"] > first + 4, "some attempts")
        assert a.output().count("Connection refused") == 1
        a.ask("MESH", "FORGET", "b")
        told = [line for line in a.output().splitlines() if "member_expelled" in line]
        assert len(told) == 1 and "MESH FORGET" in told[0] and "name=b" in told[0]


def test_a_node_that_stood_still_itself_does_not_take_its_peers_for_lost() -> None:
    """Their heartbeats wait to be read: it was this node that said and heard nothing."""
    with Mesh(2, "--mesh-heartbeat-ms", "100") as mesh:
        a, b = mesh.nodes
        attempts = a.links()[0]["reconnects"]
        a.freeze()
        try:
            wait_until(partial(says, b, "silent for"), "the other side to notice", CATCH_UP_S)
        finally:
            a.thaw()
        mesh.await_links()
        b.ask("SADD", "s", "b")
        mesh.await_equal()
        assert a.links()[0]["reconnects"] == attempts, a.output()


def test_a_unit_larger_than_what_may_wait_for_a_follower_gets_there_at_once() -> None:
    with Mesh(2, "--client-output-buffer-limit", "replica 1mb 1mb 60") as mesh:
        a, b = mesh.nodes
        attempts = b.links()[0]["reconnects"]
        a.ask("SET", "k", b"x" * (40 << 20))
        mesh.await_equal()
        assert b.ask("STRLEN", "k").text == b"%d" % (40 << 20)
        assert b.links()[0]["reconnects"] == attempts, a.output()
