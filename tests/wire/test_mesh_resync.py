"""Resync by digest between real nodes: a backlog that is too short costs only what differs."""

from __future__ import annotations

import json
import threading
import time
from functools import partial

import pytest

from tests.support.servers import Client, wait_until
from tests.wire.mesh_load import base
from tests.wire.mesh_peers import Master
from tests.wire.mesh_support import (
    ACTIVE,
    CATCH_UP_S,
    SAVES,
    Mesh,
    Node,
    await_equal,
    run_all,
    scaled,
)

pytestmark = pytest.mark.wire

KEYS = scaled(5_000)
CHANGED = KEYS // 100
SMALL = ("--repl-backlog-size", "64kb")
# Frames that a backlog of this size does not hold.
TOO_MANY = 2_000


def counts(node: Node) -> dict[str, int]:
    """Transfers taken in and sent, by kind."""
    info = node.info("replication")
    names = ("mesh_resync_range", "mesh_resync_full", "mesh_resync_range_bytes",
             "mesh_resync_full_bytes", "mesh_resync_range_sent")  # fmt: skip
    return {name.removeprefix("mesh_resync_"): int(info[name]) for name in names}


def fill(node: Node, keys: int = KEYS) -> None:
    """As many strings, some sets and hashes."""
    with node.client() as client:
        run_all(client, ([b"SET", b"k:%d" % at, b"value %d" % at] for at in range(keys)))
        run_all(client, base(keys // 20))


def overwrite(node: Node, name: bytes, first: int) -> None:
    """Some keys are changed, so often that the backlog loses the first of it."""
    with node.client() as client:
        run_all(
            client,
            ([b"SET", b"k:%d" % (first + at % CHANGED), b"%b %d" % (name, at)]
             for at in range(max(TOO_MANY, CHANGED))),
        )  # fmt: skip


def test_only_what_differs_travels_and_both_are_equal() -> None:
    with Mesh(2, *SMALL) as mesh:
        a, b = mesh.nodes
        fill(a)
        mesh.await_equal()
        before = [counts(node) for node in mesh.nodes]
        mesh.cut(0, 1)
        overwrite(a, b"a", 0)
        overwrite(b, b"b", 2 * CHANGED)
        mesh.heal(0, 1)
        mesh.await_links()
        mesh.await_equal()
        for node, was in zip(mesh.nodes, before, strict=True):
            now = counts(node)
            assert now["range"] == was["range"] + 1, "one comparison"
            assert now["full"] == was["full"], "no whole state"
            assert now["range_bytes"] - was["range_bytes"] < 40 * KEYS
        assert b.ask("GET", "k:0").text.startswith(b"a ")
        assert a.ask("GET", b"k:%d" % (2 * CHANGED)).text.startswith(b"b ")


class Writing:
    """A client that writes without end, to keys that are compared and new ones."""

    def __init__(self, node: Node, name: str) -> None:
        self.node = node
        self.name = name
        self.count = 0
        self.longest_s = 0.0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, name=name)
        self.thread.start()

    def run(self) -> None:
        with Client(self.node.port, CATCH_UP_S) as client:
            while not self.stopping.is_set():
                began_s = time.monotonic()
                assert client.call("INCR", "count").kind == "integer"
                client.call("SADD", "all", f"{self.name} {self.count}")
                client.call("SET", f"k:{self.count % KEYS}", f"{self.name} {self.count}")
                client.call("DEL", f"k:{(self.count * 7) % KEYS}")
                self.longest_s = max(self.longest_s, time.monotonic() - began_s)
                self.count += 1

    def stop(self) -> None:
        """Ends it."""
        self.stopping.set()
        self.thread.join()


def test_nothing_is_lost_that_both_write_while_they_compare() -> None:
    with Mesh(2, *SMALL) as mesh:
        a, b = mesh.nodes
        fill(a)
        mesh.await_equal()
        mesh.cut(0, 1)
        overwrite(a, b"a", 0)
        overwrite(b, b"b", 2 * CHANGED)
        writers = [Writing(a, "a"), Writing(b, "b")]
        mesh.heal(0, 1)
        for node in mesh.nodes:
            wait_until(partial(has_compared, node), "a comparison", CATCH_UP_S)
        mesh.await_links()
        for writer in writers:
            writer.stop()
        mesh.await_equal()
        total = sum(writer.count for writer in writers)
        assert int(a.ask("GET", "count").text) == total
        assert int(b.ask("SCARD", "all").text) == total
        assert counts(a)["full"] + counts(b)["full"] == 0
        assert max(writer.longest_s for writer in writers) < 5.0


def has_compared(node: Node) -> bool:
    """Has it taken in what differs?"""
    return counts(node)["range"] > 0


def test_a_link_that_breaks_again_and_again_leaves_nothing_behind() -> None:
    with Mesh(2, *SMALL) as mesh:
        a, b = mesh.nodes
        fill(a)
        mesh.await_equal()
        mesh.cut(0, 1)
        overwrite(a, b"a", 0)
        overwrite(b, b"b", 2 * CHANGED)
        for _ in range(4):
            mesh.heal(0, 1)
            wait_until(partial(is_syncing, mesh.nodes), "a comparison to begin", CATCH_UP_S)
            mesh.cut(0, 1)
        mesh.heal(0, 1)
        mesh.await_links()
        mesh.await_equal()
        a.ask("SAVE")
        b.ask("BGSAVE")


def is_syncing(nodes: list[Node]) -> bool:
    """Does one of them take something in, or has it already?"""
    return any(
        node.info("replication")["master_sync_in_progress"] == "1" or has_compared(node)
        for node in nodes
    )


def test_progress_is_told_while_two_compare() -> None:
    with Mesh(2, *SMALL) as mesh:
        a, b = mesh.nodes
        fill(a)
        mesh.await_equal()
        mesh.cut(0, 1)
        overwrite(a, b"a", 0)
        mesh.proxies[1, 0].delay(50)  # so that each phase lasts longer than between two looks
        mesh.proxies[1, 0].heal()
        seen: set[str] = set()

        def done() -> bool:
            info = b.info("replication")
            phase = info["master_sync_phase"]
            seen.add(phase)
            if phase in ("digest", "transfer"):
                assert 0.0 <= float(info["master_sync_progress"]) <= 1.0
            return has_compared(b)

        wait_until(done, "a comparison", CATCH_UP_S)
        assert seen <= {"", "connect", "digest", "transfer", "merge", "catch-up"}
        assert seen & {"digest", "transfer", "merge"}, seen
        mesh.proxies[0, 1].heal()
        mesh.await_equal()
        (link,) = b.links()
        assert link["resync_range"] == 1 and link["resync_range_bytes"] > 0
        assert link["resync_full"] == 0 and link["phase"] in ("", "catch up", "merge")


def test_status_says_what_info_says_and_no_count_goes_with_its_link() -> None:
    with Mesh(2, *SMALL) as mesh:
        a, b = mesh.nodes
        fill(a, scaled(500))
        mesh.await_equal()
        mesh.cut(0, 1)
        overwrite(a, b"a", 0)
        mesh.heal(0, 1)
        wait_until(lambda: has_compared(b), "a comparison", CATCH_UP_S)
        mesh.await_links()
        mesh.await_equal()
        for node in mesh.nodes:
            stats, replication = node.info("stats"), node.info("replication")
            told = json.loads(node.ask("MESH", "STATUS").text)["node"]
            assert told["resyncs_full"] == int(stats["sync_full"])
            assert told["resyncs_partial_accepted"] == int(stats["sync_partial_ok"]) > 0
            assert told["resyncs_partial_refused"] == int(stats["sync_partial_err"])
            assert told["connected_followers"] == int(replication["connected_slaves"]) == 1
            assert told["replication_id"] == replication["master_replid"]
            assert told["backlog_active"] and replication["repl_backlog_active"] == "1"
            assert told["backlog_size_bytes"] == int(replication["repl_backlog_size"]) > 0
        assert int(a.info("stats")["sync_partial_err"]) > 0
        before = counts(b)
        assert before["range"] > 0
        host, port = b.links()[0]["source"].rsplit(":", 1)
        b.ask("REPLICAOF", "REMOVE", host, port)
        assert b.links() == []
        assert counts(b) == before
        a.ask("CONFIG", "RESETSTAT")
        stats = a.info("stats")
        assert stats["sync_partial_err"] == stats["sync_partial_ok"] == "0"


def test_four_that_restart_at_once_take_one_transfer_each_at_most() -> None:
    """And those that lack nothing take none."""
    with Mesh(4, *SMALL, *SAVES) as mesh:
        for at, node in enumerate(mesh.nodes):
            with node.client() as client:
                run_all(client, ([b"SET", b"%d:%d" % (at, n), b"v"] for n in range(500)))
        await_equal(mesh.nodes)
        for node in mesh.nodes:
            node.ask("SAVE")
        for other in (1, 2, 3):
            mesh.cut(0, other)
        overwrite(mesh.nodes[0], b"late", 0)
        mesh.nodes[0].ask("SAVE")
        for node in mesh.nodes:
            node.kill()
        for other in (1, 2, 3):
            mesh.heal(0, other)
        for node in mesh.nodes:
            node.start()
        mesh.await_links()
        await_equal(mesh.nodes)
        taken = [node.transfers()[1] for node in mesh.nodes]
        assert taken[0] == 0 and max(taken) <= 1, taken


def test_a_peer_that_was_asked_is_not_kept_waiting_while_another_ones_transfer_comes() -> None:
    """Its answer would not be read, and a comparison holds the one place for walks: three nodes
    that waited so for one another stood still until a comparison was given up, 15 s later."""
    with Master() as asked, Master() as sends:
        peers = [word for each in (asked, sends)
                 for word in ("--replicaof", "127.0.0.1", str(each.port))]  # fmt: skip
        options = (*ACTIVE, "--mesh-dial-back", "no", "--multi-master", "yes", *peers)
        with Node(*options) as node, asked.accept(b"") as waiting:
            with sends.accept(b"+FULLRESYNC %b 0\r\n$EOF:%b\r\n" % (b"0" * 40, b"1" * 40)):
                assert waiting.await_end()
                assert [each["state"] for each in node.links()][1] == "syncing"
                with asked.listener.accept()[0]:  # it comes back, and asks when its turn has come
                    assert node.ask("PING").text == b"PONG"
