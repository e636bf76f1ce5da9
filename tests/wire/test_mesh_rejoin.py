"""Real processes that join by naming one member, come back after they were expelled, hold an old
state, or bring a file (semantics.md 7)."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from functools import partial

import pytest

from tests.support.ports import free_port
from tests.support.servers import wait_until
from tests.wire.mesh_support import QUIET, SAVES, Node, await_equal, await_links
from tests.wire.test_mesh_members import await_states, node, peers, saying

pytestmark = pytest.mark.wire

KEEPS = (*SAVES, "--mesh-heartbeat-ms", "200")
# A tenth of it is remembered before a node alone begins to forget.
FORGETS_ALONE = (*KEEPS, "--mesh-unstable-max-bytes", "40kb")
ANNOUNCED = ("--replica-announce-ip", "127.0.0.1")


def joining(stack: ExitStack, name: str, member: Node, *args: str) -> Node:
    """A node that is started with `mesh-join`."""
    address = f"127.0.0.1:{member.port}"
    words = (*QUIET, *ANNOUNCED, "--node-name", name, "--mesh-join", address, *args)
    return stack.enter_context(Node(*words))


def have_forgotten(nodes: tuple[Node, ...]) -> bool:
    """Saves them all: do they remember nothing of writes that all have on disk?"""
    for each in nodes:
        each.ask("SAVE")
    return all(each.info("replication")["mesh_unstable_bytes"] == "0" for each in nodes)


def all_forget(*nodes: Node) -> None:
    """What was written becomes stable everywhere."""
    wait_until(partial(have_forgotten, nodes), "everything to be stable", 60.0)


def forget_alone(node: Node) -> None:
    """The node has written so much that it forgets though nobody else is there."""
    node.ask("SADD", "much", *[f"{node.port}:{at}" for at in range(100)])
    wait_until(lambda: node.info("replication")["mesh_unstable_peak_bytes"] != "0", "a heartbeat")
    all_forget(node)


def test_newcomers_name_one_member_and_are_linked_with_all() -> None:
    with ExitStack() as stack:
        a = node(stack, "a")
        nodes = [a]
        for name in ("b", "c", "d"):
            nodes.append(joining(stack, name, a))
        await_links(nodes, 3)
        await_states(nodes, a="joined", b="joined", c="joined", d="joined")
        for each in nodes:
            each.ask("SADD", "s", str(each.port))
        await_equal(nodes)
        assert a.ask("SCARD", "s").text == b"4"
        wait_until(
            lambda: nodes[3].ask("MESH", "TOPOLOGY").items[1].text == b"full",
            "all to say whom they follow", 30.0,
        )  # fmt: skip


def test_a_node_that_names_itself_is_a_mesh_of_one() -> None:
    with ExitStack() as stack:
        port = free_port()
        words = (*QUIET, *ANNOUNCED, "--mesh-join", f"127.0.0.1:{port}")
        alone = stack.enter_context(Node(*words, port=port))
        wait_until(lambda: not alone.links(), "the link to itself to go", 30.0)
        assert alone.ask("SET", "k", "v").text == b"OK"


def test_an_expelled_member_rejoins_with_what_it_wrote_meanwhile() -> None:
    with ExitStack() as stack:
        a = node(stack, "a", *KEEPS)
        b = node(stack, "b", *KEEPS, "--replicaof", "127.0.0.1", str(a.port))
        await_links((a, b), 1)
        a.ask("SADD", "s", "x", "gone")
        a.ask("SET", "n", "10")
        await_equal([a, b])
        all_forget(a, b)
        a.ask("MESH", "FORGET", "b")
        wait_until(saying(b, "was expelled (MESH FORGET)"), "a refusal", 30.0)
        assert "run MESH REJOIN" in b.last_errors()
        b.ask("SADD", "s", "own")
        b.ask("INCRBY", "n", "5")
        a.ask("SREM", "s", "gone")
        a.ask("INCR", "n")
        all_forget(a)  # the expelled member holds nothing up
        assert b.ask("MESH", "REJOIN").text.startswith(b"OK restart this node")
        b.restart_saved()
        await_links((a, b), 1)
        wait_until(lambda: a.ask("SISMEMBER", "s", "own").text == b"1", "what b wrote", 30.0)
        await_equal([a, b])
        assert {each.text for each in b.ask("SMEMBERS", "s").items} == {b"x", b"own"}
        assert b.ask("GET", "n").text == b"16"
        await_states([a, b], a="joined", b="joined")
        all_forget(a, b)


def test_an_old_data_directory_that_is_restored_takes_the_meshs_state() -> None:
    with ExitStack() as stack:
        a = node(stack, "a", *KEEPS)
        b = node(stack, "b", *KEEPS, "--replicaof", "127.0.0.1", str(a.port))
        await_links((a, b), 1)
        b.ask("SADD", "s", "x", "gone")
        await_equal([a, b])
        all_forget(a, b)
        shutil.copy(b.folder / "dump.rdb", b.folder / "old.rdb")
        a.ask("SREM", "s", "gone")
        b.ask("SADD", "s", "later")
        await_equal([a, b])
        all_forget(a, b)
        b.kill()
        shutil.copy(b.folder / "old.rdb", b.folder / "dump.rdb")
        b.start()
        await_links((a, b), 1)
        await_equal([a, b])
        assert {each.text for each in b.ask("SMEMBERS", "s").items} == {b"x", b"later"}
        assert b.info("replication")["mesh_must_replace"] == "no"
        b.ask("MESH", "IMPORT", "old.rdb")
        wait_until(
            lambda: b.info("replication")["mesh_import"].startswith("done: 1 keys"), "the import"
        )
        await_equal([a, b])
        assert a.ask("SISMEMBER", "s", "gone").text == b"1", "to get old data back"


def test_two_nodes_with_data_become_one_mesh_and_keep_it() -> None:
    with ExitStack() as stack:
        a = node(stack, "a", *FORGETS_ALONE)
        a.ask("SET", "both", "a")
        a.ask("SADD", "s", "a")
        forget_alone(a)
        b = node(stack, "b", *FORGETS_ALONE)
        b.ask("SET", "both", "b")
        b.ask("SADD", "s", "b")
        b.ask("SET", "b", "own")
        forget_alone(b)
        b.ask("REPLICAOF", "127.0.0.1", str(a.port))
        await_links((a, b), 1)
        wait_until(lambda: a.ask("EXISTS", "b").text == b"1", "what b had", 30.0)
        await_equal([a, b])
        assert a.ask("SCARD", "s").text == b"2"
        assert a.ask("SCARD", "much").text == b"200"
        # The newer one while both stamps are known, else the mesh's.
        assert a.ask("GET", "both").text in (b"a", b"b")
        assert int(b.info("replication")["mesh_conflict_import_conflict"]) >= 1
        all_forget(a, b)


def test_who_has_to_follow_the_caller_calls_back() -> None:
    """The older one, with data that is stable there, is told to follow the younger one."""
    with ExitStack() as stack:
        a = node(stack, "a", *FORGETS_ALONE)
        a.ask("SADD", "s", "a")
        forget_alone(a)
        b = node(stack, "b", *FORGETS_ALONE)
        a.ask("REPLICAOF", "127.0.0.1", str(b.port))
        await_links((a, b), 1)
        wait_until(lambda: b.ask("SCARD", "s").text == b"1", "what a had", 30.0)
        await_equal([a, b])
        all_forget(a, b)


def test_two_meshes_of_several_members_are_refused() -> None:
    with ExitStack() as stack:
        pairs = []
        for first, second in (("a", "b"), ("c", "d")):
            one = node(stack, first, *KEEPS)
            other = node(stack, second, *KEEPS, "--replicaof", "127.0.0.1", str(one.port))
            await_links((one, other), 1)
            await_states([one, other], **{first: "joined", second: "joined"})
            pairs.append((one, other))
        (a, _), (c, _) = pairs
        a.ask("REPLICAOF", "127.0.0.1", str(c.port))
        wait_until(saying(a, "only a mesh of one member can join another"), "a refusal", 30.0)
        assert set(peers(a)) == {"a", "b"}


def test_import_says_what_is_wrong() -> None:
    with ExitStack() as stack:
        a = node(stack, "a")
        with a.client() as client:
            for name, text in (
                ("none.rdb", b"ERR cannot open"), ("../x.rdb", b"ERR MESH IMPORT takes the name"),
            ):
                reply = client.call("MESH", "IMPORT", name)
                assert reply.kind == "error" and reply.text.startswith(text), reply.text
        (a.folder / "bad.rdb").write_bytes(b"REDIS0011\xfano file")
        a.ask("MESH", "IMPORT", "bad.rdb")
        wait_until(lambda: a.info("replication")["mesh_import"].startswith("failed"), "the end")
        assert a.ask("MESH", "REJOIN").text.startswith(b"OK")
