"""redis-py on a node with a live follower: pools, pipelines, transactions, pub/sub, scans."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from tests.support.servers import wait_until
from tests.wire.mesh_support import Mesh, scaled

pytestmark = pytest.mark.wire

KEYS = scaled(2_000)
WRITERS = 8
ROUNDS = scaled(100)
# redis-py's methods are typed as "sync or awaitable"; for these tests a client is just called.
Redis = Any


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    with Mesh(2) as running:
        yield running


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def clients(mesh: Mesh, request: pytest.FixtureRequest) -> Iterator[tuple[Redis, Redis]]:
    """A client of each node, with a connection pool, on empty nodes."""
    pools = [
        redis.ConnectionPool(host="127.0.0.1", port=node.port, protocol=request.param)
        for node in mesh.nodes
    ]
    here, there = (redis.Redis(connection_pool=pool) for pool in pools)
    yield here, there
    here.flushall()
    mesh.await_equal()
    for pool in pools:
        pool.disconnect()


def in_threads(count: int, work: Any) -> None:
    """Runs work(number) in so many threads; an error in one of them fails the test."""
    errors: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_a_pool_serves_threads(mesh: Mesh, clients: tuple[Redis, Redis]) -> None:
    here, there = clients

    def work(number: int) -> None:
        for at in range(ROUNDS):
            here.incr("n")
            assert here.hset(f"h:{number}", mapping={"f": at, "g": "v"}) in (0, 2)
            assert here.hget(f"h:{number}", "f") == b"%d" % at

    in_threads(WRITERS, work)
    mesh.await_equal()
    assert int(there.get("n")) == WRITERS * ROUNDS
    assert there.hgetall("h:0") == {b"f": b"%d" % (ROUNDS - 1), b"g": b"v"}


def test_pipelines(mesh: Mesh, clients: tuple[Redis, Redis]) -> None:
    here, there = clients
    with here.pipeline(transaction=False) as pipe:
        for at in range(KEYS):
            pipe.set(f"k:{at}", at).sadd("all", at)
        replies = pipe.execute()
    assert replies == [True, 1] * KEYS
    with here.pipeline(transaction=False) as pipe:
        pipe.set("text", "x").incr("text").get("text")
        replies = pipe.execute(raise_on_error=False)
    assert replies[0] is True and isinstance(replies[1], redis.ResponseError)
    assert replies[2] == b"x"
    mesh.await_equal()
    assert there.scard("all") == KEYS and there.dbsize() == KEYS + 2


def test_transactions_that_watch_are_retried_until_they_fit(
    mesh: Mesh, clients: tuple[Redis, Redis]
) -> None:
    """Threads move a counter on by GET and SET: without WATCH increments would be lost."""
    here, there = clients
    here.set("account", 0)

    def work(number: int) -> None:
        def step(pipe: Any) -> None:
            held = int(pipe.get("account"))
            pipe.multi()
            pipe.set("account", held + 1).sadd("moves", f"{number}:{held}")

        for _ in range(ROUNDS // 4):
            here.transaction(step, "account")

    in_threads(WRITERS, work)
    assert int(here.get("account")) == WRITERS * (ROUNDS // 4)
    mesh.await_equal()
    assert there.scard("moves") == WRITERS * (ROUNDS // 4)


def test_a_write_of_the_peer_spoils_a_watch(mesh: Mesh, clients: tuple[Redis, Redis]) -> None:
    here, there = clients
    here.set("k", "v")
    mesh.await_equal()
    with here.pipeline() as pipe:
        pipe.watch("k")
        there.set("k", "w")
        wait_until(lambda: here.get("k") == b"w", "the peer's write")
        pipe.multi()
        pipe.set("k", "x")
        with pytest.raises(redis.WatchError):
            pipe.execute()
    assert here.get("k") == b"w"


def test_a_transaction_shows_as_one_at_the_peer(mesh: Mesh, clients: tuple[Redis, Redis]) -> None:
    here, there = clients
    done = threading.Event()
    torn: list[list[bytes]] = []
    here.mset({"a": 0, "b": 0})
    mesh.await_equal()

    def read(number: int) -> None:
        while not done.is_set():
            pair = there.mget("a", "b")
            if pair[0] != pair[1]:
                torn.append(pair)

    reader = threading.Thread(target=read, args=(0,))
    reader.start()
    for at in range(ROUNDS):
        with here.pipeline() as pipe:
            pipe.set("a", at).set("b", at).execute()
    mesh.await_equal()
    done.set()
    reader.join()
    assert not torn and there.mget("a", "b") == [b"%d" % (ROUNDS - 1)] * 2


def test_publish_and_subscribe(mesh: Mesh, clients: tuple[Redis, Redis]) -> None:
    here, _ = clients
    with here.pubsub() as subscriber:
        subscriber.subscribe("news")
        subscriber.psubscribe("n*")
        for _ in range(2):
            assert subscriber.get_message(timeout=5.0)["type"] in ("subscribe", "psubscribe")
        assert here.publish("news", "hello") == 2
        found = [subscriber.get_message(timeout=5.0) for _ in range(2)]
        assert sorted(each["type"] for each in found) == ["message", "pmessage"]
        assert {each["data"] for each in found} == {b"hello"}


def test_keyspace_events_tell_of_the_peers_writes(
    mesh: Mesh, clients: tuple[Redis, Redis]
) -> None:
    here, there = clients
    there.config_set("notify-keyspace-events", "KEA")
    with there.pubsub() as subscriber:
        subscriber.psubscribe("__keyevent@0__:*")
        assert subscriber.get_message(timeout=5.0)["type"] == "psubscribe"
        here.sadd("s", "m")
        message = subscriber.get_message(timeout=5.0)
        assert message["channel"] == b"__keyevent@0__:sadd" and message["data"] == b"s"
    there.config_set("notify-keyspace-events", "")


def test_scans_find_everything_that_stays(mesh: Mesh, clients: tuple[Redis, Redis]) -> None:
    """While the peer adds and removes other keys and members."""
    here, there = clients
    with here.pipeline(transaction=False) as pipe:
        for name in (f"stay:{at}" for at in range(KEYS)):
            pipe.set(name, "v").sadd("members", name).hset("fields", name, "v")
        pipe.execute()
    mesh.await_equal()
    done = threading.Event()

    def churn(number: int) -> None:
        at = 0
        while not done.is_set():
            at += 1
            there.set(f"go:{at}", at)
            there.sadd("members", f"go:{at}")
            there.delete(f"go:{at - 20}")
            there.srem("members", f"go:{at - 20}")

    churning = threading.Thread(target=churn, args=(0,))
    churning.start()
    try:
        wanted = {b"stay:%d" % at for at in range(KEYS)}
        assert set(here.scan_iter(match="stay:*", count=50)) == wanted
        assert wanted <= set(here.sscan_iter("members", count=50))
        assert {field for field, _ in here.hscan_iter("fields", count=50)} == wanted
    finally:
        done.set()
        churning.join()
