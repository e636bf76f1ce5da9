"""Real nodes that keep nothing on disk: the mesh forgets all the same, and a restart makes a new
member of one, which gets everything from its peer, its own earlier writes included."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import pytest

from tests.support.servers import wait_until
from tests.wire.mesh_support import CATCH_UP_S, SAVES, Node, await_equal, await_links
from tests.wire.test_mesh_members import node, states

pytestmark = pytest.mark.wire

BEATS = ("--mesh-heartbeat-ms", "200")


def two(stack: ExitStack) -> tuple[Node, Node]:
    """Two linked nodes, with data that each has written."""
    a = node(stack, "a", *BEATS)
    b = node(stack, "b", *BEATS, "--replicaof", "127.0.0.1", str(a.port))
    await_links((a, b), 1)
    for each in (a, b):
        each.ask("SADD", "s", *[f"{each.port}:{at}" for at in range(500)])
        each.ask("INCRBY", "n", "20")
    return a, b


def member_id(asked: Node) -> str:
    """Its member id now."""
    return asked.info("replication")["mesh_member_id"]


def remembers_nothing(*nodes: Node) -> bool:
    """Was everything forgotten, of something?"""
    fields = [each.info("replication") for each in nodes]
    return all(
        each["mesh_unstable_bytes"] == "0" != each["mesh_unstable_peak_bytes"] for each in fields
    )


def is_noted(asked: Node, word: str) -> bool:
    """Does the file beside the member id say this?"""
    files = list(asked.folder.glob("*.said"))
    return len(files) == 1 and word in files[0].read_text().split("\n")


def test_a_killed_one_comes_back_as_a_new_member_with_all_that_it_had_written() -> None:
    with ExitStack() as stack:
        a, b = two(stack)
        wait_until(partial(remembers_nothing, a, b), "all to be forgotten", CATCH_UP_S)
        for number in range(2):
            old = member_id(a)
            wait_until(partial(is_noted, a, "memory"), "the note", CATCH_UP_S)
            a.kill()
            b.ask("SREM", "s", f"{a.port}:{number}")
            a.start()
            a.ask("INCR", "n")  # perhaps before it has the state
            assert member_id(a) != old
            await_links((a, b), 1)
            wait_until(lambda: a.ask("SCARD", "s").text != b"0", "the state", CATCH_UP_S)
            await_equal((a, b))
            assert a.ask("SCARD", "s").text == b"%d" % (999 - number)
            assert a.ask("GET", "n").text == b"%d" % (41 + number)
            assert states(b)["a"] == "joined"
        wait_until(partial(remembers_nothing, a, b), "all to be forgotten again", CATCH_UP_S)
        every = [[item.text for item in each.items] for each in b.ask("MESH", "PEERS").items]
        assert sum(b"expelled" in each for each in every) == 2


def test_one_that_has_left_is_told_how_to_bring_along_what_it_has_written_since() -> None:
    with ExitStack() as stack:
        a, b = two(stack)
        await_equal((a, b))
        b.ask("MESH", "LEAVE")
        b.ask("SADD", "s", "own")
        assert b.ask("MESH", "REJOIN").text.startswith(b"OK stop this node by SHUTDOWN SAVE")
        b.ask("CONFIG", "SET", "shutdown-on-sigterm", "save")
        b.terminate()
        b.start()
        await_links((a, b), 1)
        wait_until(lambda: a.ask("SISMEMBER", "s", "own").text == b"1", "what b wrote", CATCH_UP_S)
        await_equal((a, b))
        wait_until(partial(remembers_nothing, a, b), "all to be forgotten again", CATCH_UP_S)


def test_one_that_has_saved_all_is_the_member_it_was() -> None:
    with ExitStack() as stack:
        a, b = two(stack)
        await_equal((a, b))
        old = member_id(a)
        wait_until(partial(is_noted, a, "memory"), "the note", CATCH_UP_S)
        a.ask("CONFIG", "SET", "shutdown-on-sigterm", "save")
        a.terminate()
        assert not is_noted(a, "memory") and is_noted(a, "told")
        a.start()
        assert member_id(a) == old and a.ask("SCARD", "s").text == b"1000"
        await_links((a, b), 1)
        wait_until(partial(is_noted, a, "memory"), "the note again", CATCH_UP_S)
        a.ask("CONFIG", "SET", "save", SAVES[1])
        a.ask("SAVE")
        wait_until(lambda: not is_noted(a, "memory"), "all that was said to be saved", CATCH_UP_S)
        a.ask("INCR", "n")
        await_equal((a, b))
        a.kill()
        a.start()
        assert member_id(a) == old
        await_links((a, b), 1)
        await_equal((a, b))
        assert a.ask("GET", "n").text == b"41"
