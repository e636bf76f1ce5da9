"""Real nodes with save points alone: once both have saved, a mesh that went quiet remembers nothing
beside its data, and no later save is needed for that."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import pytest

from tests.support.servers import wait_until
from tests.wire.mesh_support import CATCH_UP_S, Node, await_equal, await_links, run_all, scaled
from tests.wire.test_mesh_members import node

pytestmark = pytest.mark.wire

BEAT_MS = 1000
KEPT = ("--save", "3600 1000000000")  # kept on disk, and never by itself


def unstable(*nodes: Node) -> list[int]:
    return [int(each.info("replication")["mesh_unstable_bytes"]) for each in nodes]


def has_saved(asked: Node, at: str) -> bool:
    found = asked.info("persistence")
    return found["rdb_bgsave_in_progress"] == "0" and found["rdb_saves"] != at


def test_two_nodes_that_have_saved_remember_nothing_within_two_heartbeats() -> None:
    with ExitStack() as stack:
        a = node(stack, "a", *KEPT)
        b = node(stack, "b", *KEPT, "--replicaof", "127.0.0.1", str(a.port))
        nodes = (a, b)
        await_links(nodes, 1)
        for each in nodes:
            client = each.client()
            for number in range(scaled(500)):
                key = f"{number}"
                run_all(client, [
                    ("INCR", "n" + key), ("HSET", "h" + key, "f", "1", "g", "2"),
                    ("HINCRBY", "h" + key, "f", "1"), ("ZINCRBY", "z", "1", key),
                    ("RPUSH", "l", key), ("LPOP", "l"), ("APPEND", "p" + key, "x"),
                    ("SET", "s" + key, key), ("DEL", "s" + key),
                ])  # fmt: skip
            client.close()
        await_equal(nodes)
        wait_until(lambda: min(unstable(*nodes)) > 0, "a heartbeat", CATCH_UP_S)
        for each in nodes:
            at = each.info("persistence")["rdb_saves"]
            each.ask("BGSAVE")
            wait_until(partial(has_saved, each, at), "the save", CATCH_UP_S)
        wait_until(lambda: unstable(*nodes) == [0, 0], "all to be forgotten", CATCH_UP_S)
        saves = [each.info("persistence")["rdb_saves"] for each in nodes]
        stream = a.stream()
        began_ms = b.vector()[stream] >> 20

        def beats_on() -> bool:
            assert unstable(*nodes) == [0, 0]
            return b.vector()[stream] >> 20 > began_ms + 3 * BEAT_MS

        wait_until(beats_on, "some heartbeats", CATCH_UP_S)
        assert [each.info("persistence")["rdb_saves"] for each in nodes] == saves
