"""The append-only file of real processes: what was acknowledged under `appendfsync always` is there
after kill -9, ends that a crash cut off are repaired, damage is named, the file does not grow for
ever, and a member of a mesh that crashed goes on from where its file ends, without a transfer."""

from __future__ import annotations

import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tests.support.servers import Client, Ours, RealRedis, Server, wait_until
from tests.support.transcript import read_shown
from tests.wire.mesh_support import CATCH_UP_S, QUIET, Mesh, Node, await_equal, encoded

ALWAYS = ("--appendonly", "yes", "--appendfsync", "always")
ACKNOWLEDGED = 300  # batches, at least, before the process is killed
BATCH = 5

# For each type one command that adds the number, and one that counts what is there.
WRITES: dict[str, tuple[Callable[[bytes], list[bytes]], list[bytes]]] = {
    "string": (lambda n: [b"SET", b"string:" + n, n], [b"KEYS", b"string:*"]),
    "counter": (lambda n: [b"INCR", b"counter"], [b"GET", b"counter"]),
    "list": (lambda n: [b"RPUSH", b"list", n], [b"LLEN", b"list"]),
    "set": (lambda n: [b"SADD", b"set", n], [b"SCARD", b"set"]),
    "hash": (lambda n: [b"HSET", b"hash", n, n], [b"HLEN", b"hash"]),
    "zset": (lambda n: [b"ZADD", b"zset", n, n], [b"ZCARD", b"zset"]),
    "stream": (lambda n: [b"XADD", b"stream", b"*", b"n", n], [b"XLEN", b"stream"]),
    "bits": (lambda n: [b"BITFIELD", b"bits", b"INCRBY", b"u32", b"0", b"1"],
             [b"BITFIELD_RO", b"bits", b"GET", b"u32", b"0"]),
}  # fmt: skip


class Writer:
    """One client that writes numbers to one key until its server dies; `acknowledged` batches."""

    def __init__(self, port: int, kind: str) -> None:
        self.kind = kind
        self.batches = 0
        self.over = False
        self.client = Client(port, CATCH_UP_S)
        self.thread = threading.Thread(target=self.run, name=f"writer-{kind}", daemon=True)
        self.thread.start()

    def run(self) -> None:
        make = WRITES[self.kind][0]
        number = 0
        with suppress(OSError, EOFError, ValueError):
            while not self.over:
                commands = [encoded(make(b"%d" % (number + at))) for at in range(BATCH)]
                self.client.socket.sendall(b"".join(commands))
                for _ in commands:
                    assert read_shown(self.client.stream).kind != "error"
                number += BATCH
                self.batches += 1

    def end(self) -> int:
        """No more of them; how many writes were acknowledged."""
        self.over = True
        self.thread.join(CATCH_UP_S)
        self.client.close()
        return self.batches * BATCH


def load_and_kill(node: Ours) -> dict[str, int]:
    """Writes of every type until the process is killed; how many of each were acknowledged."""
    writers = [Writer(node.port, kind) for kind in WRITES]
    wait_until(
        lambda: sum(each.batches for each in writers) >= ACKNOWLEDGED, "writes", CATCH_UP_S
    )
    node.kill()
    return {each.kind: each.end() for each in writers}


def present(node: Ours) -> dict[str, int]:
    """How many writes of each type are there."""
    with node.client() as client:
        found = {}
        for kind, (_, count) in WRITES.items():
            reply = client.call(*count)
            if kind == "string":
                found[kind] = len(reply.items)
            else:
                found[kind] = int((reply.items[0] if reply.items else reply).text or b"0")
    return found


def assert_kept(found: dict[str, int], acknowledged: dict[str, int]) -> None:
    """Nothing acknowledged is missing; of each writer one batch may have been under way."""
    for kind, count in acknowledged.items():
        assert count <= found[kind] <= count + BATCH, kind


@pytest.fixture
def alone() -> Iterator[Ours]:
    """A node without a mesh whose acknowledged writes are on the disk."""
    with Ours(*QUIET, *ALWAYS) as node:
        yield node


def log_file(node: Ours) -> Path:
    """Its newest increment."""
    files = (node.folder / "appendonlydir").glob("*.incr.aof")
    return max(files, key=lambda path: int(path.name.split(".")[-3]))


def digest(node: Ours) -> bytes:
    """DEBUG DIGEST."""
    with node.client() as client:
        return client.call("DEBUG", "DIGEST").text


def info(node: Server) -> dict[str, str]:
    """INFO persistence."""
    with node.client() as client:
        text = client.call("INFO", "persistence").text.decode()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


def test_every_acknowledged_write_of_every_type_is_there_after_kill_9(alone: Ours) -> None:
    acknowledged = load_and_kill(alone)
    alone.start()
    assert_kept(present(alone), acknowledged)
    more = load_and_kill(alone)  # the same file goes on
    alone.start()
    found = present(alone)
    assert all(found[kind] >= count for kind, count in more.items())


def test_a_file_that_was_cut_off_loses_only_what_is_cut(alone: Ours) -> None:
    with alone.client() as client:
        client.call("SET", "first", "1")
        client.call("SET", "last", "x" * 100)
    alone.kill()
    path = log_file(alone)
    path.write_bytes(path.read_bytes()[:-50])
    alone.start()
    with alone.client() as client:
        assert client.call("GET", "first").text == b"1"
        assert client.call("GET", "last").kind == "nil"
        client.call("SET", "after", "2")
    assert "append_only_cut" in alone.output() and path.name in alone.output()
    alone.kill()
    alone.start()
    with alone.client() as client:
        assert client.call("MGET", "first", "after").items[1].text == b"2"


def refused_start(node: Ours) -> str:
    """What a node prints that does not start with its files."""
    with pytest.raises(pytest.fail.Exception, match="ended with code 1"):
        node.start()
    node.process = None
    return node.output()


def test_without_leave_to_repair_a_cut_file_ends_the_start() -> None:
    with Ours(*QUIET, *ALWAYS, "--aof-load-truncated", "no") as node:
        with node.client() as client:
            client.call("SET", "k", "v")
        node.kill()
        path = log_file(node)
        whole = path.read_bytes()
        path.write_bytes(whole[:-1])
        assert "ends within a frame" in refused_start(node)
        path.write_bytes(whole)
        node.start()


def test_damage_in_the_middle_ends_the_start_and_is_named(alone: Ours) -> None:
    with alone.client() as client:
        for number in range(10):
            client.call("SET", f"key{number}", "value")
    alone.kill()
    path = log_file(alone)
    data = path.read_bytes()
    at = data.index(b"key5")
    frame = data.rindex(b"*9\r\n", 0, at)
    for damaged in (
        data[: at - 4] + b"$99" + data[at - 1 :],  # a length that reaches beyond the file's end
        data[:frame] + b"x" + data[frame + 1 :],
        data[:frame] + data[data.index(b"*9\r\n", at) :],  # a frame is missing
    ):
        path.write_bytes(damaged)
        assert f"{path.name}: damaged at byte {frame}" in refused_start(alone)
    path.write_bytes(data)
    alone.start()


def test_it_can_be_switched_on_and_off_while_the_node_runs() -> None:
    with Ours(*QUIET, "--appendfsync", "always") as node:
        with node.client() as client:
            client.call("SET", "before", "1")
            assert client.call("CONFIG", "SET", "appendonly", "yes").text == b"OK"
            wait_until(lambda: info(node)["aof_rewrite_in_progress"] == "0", "the base")
            client.call("SET", "after", "2")
        node.kill()
        node.args = (*node.args, "--appendonly", "yes")
        node.start()
        with node.client() as client:
            assert [each.text for each in client.call("MGET", "before", "after").items] == [
                b"1", b"2",
            ]  # fmt: skip
            assert client.call("CONFIG", "SET", "appendonly", "no").text == b"OK"
            client.call("SET", "unwritten", "3")
        assert info(node)["aof_enabled"] == "0"
        node.kill()
        node.start()
        with node.client() as client:
            assert client.call("GET", "unwritten").kind == "nil"


def test_the_first_start_with_it_takes_over_the_rdb_file() -> None:
    """Redis would begin empty, and soon overwrite what was there."""
    with Ours(*QUIET) as node:
        with node.client() as client:
            client.call("SET", "old", "1")
            client.call("SAVE")
        node.terminate()
        node.args = (*node.args, *ALWAYS)
        node.start()
        node.kill()
        (node.folder / "dump.rdb").unlink()
        node.start()
        with node.client() as client:
            assert client.call("GET", "old").text == b"1"


def test_it_begins_anew_when_it_has_grown_and_nothing_is_lost() -> None:
    grown = ("--auto-aof-rewrite-min-size", "20kb", "--auto-aof-rewrite-percentage", "50")
    with Ours(*QUIET, *ALWAYS, *grown, "--enable-debug-command", "yes") as node:
        with node.client() as client:
            while int(info(node)["aof_rewrites"]) < 4:
                for number in range(100):
                    client.call("SET", f"key{number}", str(number))
                    client.call("INCR", "counter")
        files = {path.name for path in (node.folder / "appendonlydir").iterdir()}
        assert len(files) <= 5, files
        before = digest(node)
        node.kill()
        node.start()
        assert digest(node) == before


def test_a_failed_rewrite_or_crash_within_one_leaves_a_file_that_says_everything(
    alone: Ours,
) -> None:
    """The manifest names the old base, its increment, and the one that was begun."""
    with alone.client() as client:
        client.call("SET", "k", "1")
        client.call("INCR", "k")
    folder = alone.folder / "appendonlydir"
    alone.kill()
    manifest = folder / "appendonly.aof.manifest"
    text = manifest.read_text()
    (folder / "appendonly.aof.2.incr.aof").write_bytes(b"")
    (folder / "temp-appendonly.aof.1.2.rdb").write_bytes(b"REDIS")
    manifest.write_text(text + "file appendonly.aof.2.incr.aof seq 2 type i\n")
    alone.start()
    with alone.client() as client:
        assert client.call("INCR", "k").text == b"3"
    alone.kill()
    alone.start()
    with alone.client() as client:
        assert client.call("GET", "k").text == b"3"
    assert not list(folder.glob("temp-*"))


def test_info_has_redis_fields() -> None:
    with RealRedis("--appendonly", "yes") as real, Ours(*QUIET, *ALWAYS) as node:
        theirs = [name for name in info(real) if name.startswith("aof_")]
        ours = [name for name in info(node) if name.startswith("aof_")]
    theirs.remove("aof_last_cow_size")  # there is no fork
    assert ours == theirs


def test_a_folder_of_redis_is_refused_with_words() -> None:
    with RealRedis("--appendonly", "yes") as real, Ours(*QUIET) as node:
        node.kill()
        (real.folder / "appendonlydir").rename(node.folder / "appendonlydir")
        node.args = (*node.args, *ALWAYS)
        assert "not written by Plexis" in refused_start(node)


def test_on_a_full_disk_reads_go_on_and_no_write_is_acknowledged_that_is_not_there(
    alone: Ours,
) -> None:
    with alone.client() as writer, alone.client() as other:
        writer.call("SET", "k", "1")
        size = log_file(alone).stat().st_size
        unlimited = resource.prlimit(alone.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(alone.pid, resource.RLIMIT_FSIZE, (size + 50, unlimited[1]))
        writer.send([b"SET", b"k", b"2"])
        wait_until(lambda: info(alone)["aof_last_write_status"] == "err", "the error")
        assert other.call("GET", "k").text == b"2"
        refused = other.call("SET", "k", "3")
        assert refused.text.startswith(b"MISCONF Errors writing to the AOF file: ")
        writer.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            writer.socket.recv(1)
        writer.socket.settimeout(CATCH_UP_S)
        resource.prlimit(alone.pid, resource.RLIMIT_FSIZE, unlimited)
        assert writer.socket.recv(5) == b"+OK\r\n"
        assert other.call("APPEND", "k", "!").text == b"2"
    alone.kill()
    alone.start()
    with alone.client() as client:
        assert client.call("GET", "k").text == b"2!"


# --- in a mesh --------------------------------------------------------------------------------


def test_a_member_that_crashed_under_load_goes_on_without_a_transfer() -> None:
    with Mesh(2, *ALWAYS) as mesh:
        a, b = mesh.nodes
        before = a.transfers()
        for _ in range(2):
            other = Writer(a.port, "set")
            acknowledged = load_and_kill(b)
            other.end()
            b.start()
            found = present(b)
            for kind, count in acknowledged.items():
                assert found[kind] >= count, kind
            mesh.await_links()
            await_equal(mesh.nodes)
        assert a.transfers() == before
        assert b.transfers() == (0, 0)


def test_a_member_whose_file_lost_its_end_gets_it_back_from_the_others() -> None:
    with Mesh(2, *ALWAYS) as mesh:
        a, b = mesh.nodes
        for number in range(50):
            b.ask("RPUSH", "list", f"element{number}")
            b.ask("INCR", "counter")
        mesh.await_equal()
        before = a.transfers()
        b.kill()
        path = log_file(b)
        path.write_bytes(path.read_bytes()[:-2000])
        b.start()
        mesh.await_links()
        mesh.await_equal()
        assert b.ask("GET", "counter").text == b"50"
        assert b.ask("LLEN", "list").text == b"50"
        assert (a.transfers(), b.transfers()) == (before, (0, 0))


def test_a_transfer_is_in_the_file_soon_and_a_node_may_join_and_leave_with_its_file() -> None:
    with Node(*QUIET, *ALWAYS, "--active-replica", "yes") as old, Node(*QUIET, *ALWAYS) as new:
        for number in range(20):
            old.ask("SADD", "s", str(number))
            new.ask("INCR", "counter")
        plain = new.args
        new.terminate()
        new.args = (*plain, "--active-replica", "yes", "--replicaof", "127.0.0.1", str(old.port))
        new.start()
        wait_until(lambda: new.links_up() == 1 and old.links_up() == 1, "links", CATCH_UP_S)
        await_equal([old, new])
        # What the new one held came to the old one by transfer, when that dialled back.
        kept = partial(has_kept, old)
        wait_until(kept, "the file to hold what came by transfer", CATCH_UP_S)
        transfers = new.transfers()
        old.kill()
        old.start()
        wait_until(lambda: new.links_up() == 1 and old.links_up() == 1, "links", CATCH_UP_S)
        shown = await_equal([old, new])
        assert old.transfers() == (0, 0) and new.transfers() == transfers
        old.kill()
        new.kill()
        new.args = plain
        new.start()
        assert new.ask("SCARD", "s").text == b"20"
        assert new.digest() == shown
        new.ask("SREM", "s", "1")
        new.kill()
        new.start()
        assert new.ask("SCARD", "s").text == b"19"


def has_kept(node: Node) -> bool:
    """Has a new base been made since the transfer?"""
    fields = node.info("persistence")
    return fields["aof_rewrites"] == "2" and fields["aof_rewrite_in_progress"] == "0"
