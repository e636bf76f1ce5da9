"""Members of a mesh of real processes: joined by naming one, left, expelled, replaced, paused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from admin_ui import cli
from tests.support.ports import free_port
from tests.support.servers import wait_until
from tests.support.transcript import Shown
from tests.wire.mesh_peers import Follower
from tests.wire.mesh_support import ACTIVE, CATCH_UP_S, SAVES, Node, await_equal, await_links
from tests.wire.test_mesh_links import MEMBER_FILE

pytestmark = pytest.mark.wire

MANY = ("--multi-master", "yes", "--replica-announce-ip", "127.0.0.1")


def node(stack: ExitStack, name: str, *args: str, port: int = 0) -> Node:
    """An active node that ends with the test."""
    return stack.enter_context(Node(*ACTIVE, *MANY, "--node-name", name, *args, port=port))


def peers(asked: Node) -> dict[str, dict[str, Shown]]:
    """MESH PEERS by name; of two members of one name the one that is joined."""
    found: dict[str, dict[str, Shown]] = {}
    for each in reversed(asked.ask("MESH", "PEERS").items):
        names = [item.text.decode() for item in each.items[::2]]
        fields = dict(zip(names, each.items[1::2], strict=True))
        found[fields["name"].text.decode()] = fields
    return found


def states(asked: Node) -> dict[str, str]:
    """The state of each member by name."""
    return {name: fields["state"].text.decode() for name, fields in peers(asked).items()}


def await_states(nodes: list[Node], **wanted: str) -> None:
    """Returns when each of the nodes knows these members so."""
    for each in nodes:
        wait_until(showing(each, wanted), f"members {wanted}", 30.0)


def showing(asked: Node, wanted: dict[str, str]) -> Callable[[], bool]:
    """Does it know these members so?"""
    return lambda: states(asked).items() >= wanted.items()


def saying(asked: Node, words: str) -> Callable[[], bool]:
    """Do its links' errors say this?"""
    return lambda: words in asked.last_errors()


def two(stack: ExitStack, *args: str) -> tuple[Node, Node]:
    """Two nodes that know each other."""
    a = node(stack, "a", *args)
    b = node(stack, "b", *args, "--replicaof", "127.0.0.1", str(a.port))
    await_links((a, b), 1)
    await_states([a, b], a="joined", b="joined")
    return a, b


def test_a_node_joins_by_naming_one_member_and_is_heard_by_all() -> None:
    with ExitStack() as stack:
        a, b = two(stack)
        c = node(stack, "c", "--replicaof", "127.0.0.1", str(b.port))
        await_states([a, b, c], a="joined", b="joined", c="joined")
        for each in (a, b, c):
            each.ask("SADD", "s", str(each.port))
        await_equal([a, b, c])
        assert a.ask("SCARD", "s").text == b"3"
        known = peers(a)
        assert known["c"]["address"].text == f"127.0.0.1:{c.port}".encode()
        assert sorted(each["slot"].text for each in known.values()) == [b"1", b"2", b"3"]
        assert known["a"]["self"].text == b"1"
        assert a.ask("MESH", "READY").text == b"OK"


def test_who_leaves_is_told_so_and_keeps_its_data() -> None:
    with ExitStack() as stack:
        a, b = two(stack)
        b.ask("SET", "k", "v")
        await_equal([a, b])
        assert b.ask("MESH", "LEAVE").text == b"OK"
        await_states([a, b], a="joined", b="left")
        assert b.ask("GET", "k").text == b"v"
        assert b.links() == []
        with b.client() as client:
            again = client.call("REPLICAOF", "127.0.0.1", str(a.port))
            assert again.kind == "error" and b"no member any more (left)" in again.text
        a.ask("SET", "k", "w")
        assert b.ask("GET", "k").text == b"v"
        assert "run MESH REJOIN" in b.mesh()["outside"] and a.mesh()["outside"] == ""


def test_who_was_expelled_is_refused_until_it_comes_as_a_new_member(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ExitStack() as stack:
        a, b = two(stack, *SAVES)
        b.ask("SAVE")
        b.kill()
        assert a.ask("MESH", "FORGET", "b").text == b"OK"
        assert states(a)["b"] == "expelled"
        b.start()
        wait_until(saying(b, "was expelled (MESH FORGET): to come back, run MESH"), "a refusal")
        own = peers(b)["b"]
        assert own["self"].text == b"1" and own["state"].text == b"expelled"
        assert f"127.0.0.1:{a.port}".encode() in own["why"].text
        assert b"was expelled (MESH FORGET)" in own["why"].text
        assert states(b)["a"] == "joined"
        assert "this node was expelled" in b.mesh()["outside"]
        assert "run MESH REJOIN on it" in b.mesh()["outside"] and a.mesh()["outside"] == ""
        assert cli.main(["status", "--port", str(b.port)]) == cli.PROBLEM
        assert "was expelled (MESH FORGET)" in capsys.readouterr().out
        b.terminate()
        for path in b.folder.iterdir():
            path.unlink()
        b.start()
        await_links((a, b), 1)
        await_states([a, b], a="joined", b="joined")
        a.ask("SET", "k", "v")
        await_equal([a, b])


def test_a_wiped_node_back_at_its_address_takes_the_place_of_the_old_one() -> None:
    with ExitStack() as stack:
        a, b = two(stack)
        a.ask("SET", "k", "v")
        await_equal([a, b])
        old = peers(a)["b"]["id"].text
        b.kill()
        for path in b.folder.iterdir():
            path.unlink()
        b.start()
        await_links((a, b), 1)
        await_equal([a, b])
        assert b.ask("GET", "k").text == b"v"

        def is_replaced() -> bool:
            every = a.ask("MESH", "PEERS").items
            return any(
                each.items[1].text == old and each.items[7].text == b"expelled" for each in every
            )

        wait_until(is_replaced, "the old member to be expelled", CATCH_UP_S)


def test_links_that_were_made_by_calling_back_follow_a_member_to_its_new_address() -> None:
    with ExitStack() as stack:
        a, b = two(stack, *SAVES)
        member = peers(a)["b"]["id"].text
        b.ask("SAVE")
        b.terminate()
        b.port = free_port()
        b.start()
        await_links((a, b), 1)
        wait_until(
            lambda: peers(a)["b"]["address"].text == f"127.0.0.1:{b.port}".encode(),
            "the new address", CATCH_UP_S,
        )  # fmt: skip
        assert peers(a)["b"]["id"].text == member
        assert [each["source"] for each in a.links()] == [f"127.0.0.1:{b.port}"]
        b.ask("SET", "k", "v")
        await_equal([a, b])


def test_of_two_live_processes_with_one_member_id_the_later_is_refused() -> None:
    with ExitStack() as stack:
        a, b = two(stack)
        copy = node(stack, "copy")
        copy.terminate()
        shutil.copy(b.folder / MEMBER_FILE, copy.folder / MEMBER_FILE)
        copy.start()
        copy.ask("REPLICAOF", "127.0.0.1", str(a.port))
        wait_until(saying(copy, "another process with this member id is connected"), "a refusal")
        a.ask("SET", "k", "v")
        await_equal([a, b])
        assert copy.ask("GET", "k").kind == "nil"
        b.kill()
        await_links((copy,), 1)  # then it is not a second one any more


def test_a_paused_link_carries_nothing_and_catches_up_when_it_goes_on() -> None:
    with ExitStack() as stack:
        a, b = two(stack)
        assert b.ask("MESH", "PAUSE", "PEER", "a").text == b"OK"
        wait_until(saying(b, "paused by MESH PAUSE"), "the link to be closed")
        wait_until(lambda: not a.links_up() and not b.links_up(), "both links to be down")
        a.ask("SET", "k", "a")
        b.ask("SET", "m", "b")
        assert b.ask("GET", "k").kind == "nil"
        with b.client() as client:
            ready = client.call("MESH", "READY").text
            assert ready.startswith(b"NOTREADY no link carries") and b"by MESH PAUSE" in ready
        assert b.ask("MESH", "RESUME", "PEER", "a").text == b"OK"
        await_links((a, b), 1)
        await_equal([a, b])
        assert (b.ask("GET", "k").text, a.ask("GET", "m").text) == (b"a", b"b")
        link = b.links()[0]["source"]
        assert b.ask("MESH", "PAUSE", "LINK", link).text == b"OK"
        a.ask("SET", "k", "a2")
        b.ask("SET", "m", "b2")
        wait_until(lambda: a.ask("GET", "m").text == b"b2", "the other direction goes on")
        assert b.ask("MESH", "RESUME", "LINK", link).text == b"OK"
        await_equal([a, b])


def test_who_only_follows_is_no_member() -> None:
    with ExitStack() as stack:
        a = node(stack, "a", "--mesh-dial-back", "no")
        with Follower(a.port).client:
            wait_until(lambda: bool(a.ask("MESH", "PEERS").items), "the node's own entry")
            assert [each.items[3].text for each in a.ask("MESH", "PEERS").items] == [b"a"]


def test_who_is_not_heard_by_those_it_follows_says_so() -> None:
    with ExitStack() as stack:
        a = node(stack, "a", "--mesh-dial-back", "no")
        b = node(stack, "b", "--mesh-dial-back", "no", "--replicaof", "127.0.0.1", str(a.port))
        await_links((b,), 1)
        address = f"127.0.0.1:{a.port}"
        wait_until(lambda: not_heard_by(b) == address, "b to say that it only follows", 30.0)
        assert not_heard_by(a) == "" and b.mesh()["not_heard_by"] == address
        a.ask("REPLICAOF", "127.0.0.1", str(b.port))
        wait_until(lambda: not_heard_by(b) == "", "b to be a member", 30.0)
        assert states(a)["b"] == "joined"


def not_heard_by(asked: Node) -> str:
    """Whom it follows without being heard there."""
    return asked.info("replication")["mesh_not_heard_by"]


def test_what_names_no_member_or_link_is_an_error() -> None:
    with ExitStack() as stack:
        a = node(stack, "a", port=free_port())
        with a.client() as client:
            for words, text in (
                (("FORGET", "x"), b"ERR no member is called x: MESH PEERS lists them"),
                (("FORGET", "a"), b"ERR that is this node itself"),
                (("PAUSE", "LINK", "h:1"), b"ERR no link of this node comes from this address"),
                (("PAUSE", "NODE", "x"), b"ERR syntax error"),
            ):
                reply = client.call("MESH", *words)
                assert reply.kind == "error" and reply.text.startswith(text), reply.text
