"""WAITAOF: how far the client's writes are on disks, here and at the other members."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.servers import Client, Ours, RealRedis, Server
from tests.support.transcript import Shown
from tests.wire.mesh_support import Mesh, run_all

pytestmark = [pytest.mark.wire, pytest.mark.alone]

LOGGED = ("--appendonly", "yes")
# Replies that a server with and without the file give, word by word.
CALLS = (
    "WAITAOF 0 0 0", "WAITAOF 1 0 0", "WAITAOF 1 1 50", "SET k v", "WAITAOF 1 0 5000",
    "WAITAOF 0 0 0", "WAITAOF 0 1 50",
    "WAITAOF 1 0 5000", "WAITAOF 1 1 50", "WAITAOF 2 0 0", "WAITAOF -1 0 0", "WAITAOF x 0 0",
    "WAITAOF 0 -1 0", "WAITAOF 0 x 0", "WAITAOF 0 1 -1", "WAITAOF 0 1 x", "WAITAOF 1 0 -1",
    "WAITAOF 0 1 9223372036854775807", "WAITAOF 2 -1 -1", "WAITAOF 0 0", "WAITAOF 0 0 0 0",
    "COMMAND INFO WAITAOF", "COMMAND GETKEYS WAITAOF 0 0 0",
)  # fmt: skip


@pytest.fixture(scope="module", params=["no file", "a file"])
def both(request: pytest.FixtureRequest) -> Iterator[tuple[Server, Server]]:
    """A node of ours alone and a Redis, with the file or without."""
    words = LOGGED if request.param == "a file" else ()
    with Ours(*words) as mine, RealRedis(*words) as redis:
        yield mine, redis


def said(client: Client, line: str) -> Shown:
    return client.call(*line.split())


def test_a_node_alone_answers_as_redis_does(both: tuple[Server, Server]) -> None:
    mine, redis = both
    with mine.client() as ours, redis.client() as theirs:
        for line in CALLS:
            assert said(ours, line) == said(theirs, line), line
        docs = [said(client, "COMMAND DOCS WAITAOF").items[1].items for client in (ours, theirs)]
        assert docs[0][2:] == docs[1][2:]  # all but the summary


def numbers(reply: Shown) -> list[int]:
    assert reply.kind == "array", reply
    return [int(each.text) for each in reply.items]


def test_what_it_says_is_on_the_disk_is_there_after_kill_9() -> None:
    with Ours(*LOGGED) as node:
        with node.client() as client:
            for number in range(3):
                run_all(client, [["RPUSH", "l", str(number)]])
                assert numbers(client.call("WAITAOF", "1", "0", "0")) == [1, 0]
        node.kill()
        node.start()
        with node.client() as client:
            assert client.call("LLEN", "l").text == b"3"


def test_who_waits_when_the_file_is_switched_off_is_told_so() -> None:
    with Ours(*LOGGED, "--appendfsync", "no") as node, node.client() as waiting:
        waiting.call("SET", "k", "v")
        assert numbers(waiting.call("WAITAOF", "1", "0", "100")) == [0, 0]
        waiting.send([b"WAITAOF", b"1", b"1", b"0"])
        with node.client() as other:
            assert other.call("CONFIG", "SET", "appendonly", "no").text == b"OK"
        reply = waiting.receive()
        assert reply.kind == "error" and b"appendonly is disabled" in reply.text


def test_members_count_once_they_have_said_that_their_disk_has_it() -> None:
    with Mesh(3, *LOGGED) as mesh:
        a, b, c = mesh.nodes
        with a.client() as client:
            for number in range(3):
                client.call("SADD", "s", str(number))
                assert numbers(client.call("WAITAOF", "1", "2", "20000")) == [1, 2]
            c.freeze()
            client.call("SADD", "s", "more")
            local, others = numbers(client.call("WAITAOF", "1", "2", "3500"))
            assert local == 1 and others == 1
            b.kill()
            c.kill()
            b.start()
            c.start()
            with b.client() as reader:
                assert reader.call("SCARD", "s").text in (b"3", b"4")
            mesh.await_links()
            assert numbers(client.call("WAITAOF", "1", "2", "20000")) == [1, 2]


def test_inside_a_transaction_it_never_waits() -> None:
    with ExitStack() as stack:
        node = stack.enter_context(Ours(*LOGGED))
        client = stack.enter_context(node.client())
        for words in (["MULTI"], ["SET", "k", "v"], ["WAITAOF", "0", "1", "0"]):
            client.call(*words)
        assert numbers(client.call("EXEC").items[1])[1] == 0
