"""mesh-owner on real nodes: commands run at the owner, clients wait there, workers are killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from tests.support.servers import wait_until
from tests.support.transcript import read_shown
from tests.wire.mesh_support import Mesh, Node, scaled

pytestmark = pytest.mark.wire

CATCH_UP_S = 30.0
JOBS = scaled(1_500)
WORKERS = 8
QUICK = ("--mesh-heartbeat-ms", "100", "--mesh-owner-lease-ms", "1000")
Redis = Any  # redis-py's methods are typed as "sync or awaitable"


def member_id(node: Node) -> str:
    return node.info("replication")["mesh_member_id"]


def own(nodes: list[Node], rows: str) -> None:
    """mesh-owner of all nodes, as CONFIG SET takes it; returns when all know that all have it."""
    for node in nodes:
        node.ask("CONFIG", "SET", "mesh-owner", rows)
    for node in nodes:
        wait_until(
            lambda node=node: node.info("replication")["mesh_owner_ready"] == "1",  # type: ignore[misc]
            "all members to have the same mesh-owner", CATCH_UP_S,
        )  # fmt: skip


def redis_of(node: Node, resp: int = 3) -> Redis:
    return redis.Redis(host="127.0.0.1", port=node.port, protocol=resp, socket_timeout=CATCH_UP_S)


def pops(node: Node) -> bool:
    """May this node's clients pop from q:* now?"""
    with node.client() as client:
        return client.call("LPOP", "q:none").kind != "error"


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    """Two nodes; q:* belongs to the first."""
    with Mesh(2, *QUICK) as running:
        own(running.nodes, f"q:* {member_id(running.nodes[0])}")
        for node in running.nodes:
            wait_until(lambda node=node: pops(node), "the owner to act", CATCH_UP_S)  # type: ignore[misc]
        yield running


@pytest.mark.parametrize("resp", [2, 3])
def test_a_client_elsewhere_gets_the_owners_reply_and_finds_the_effect(
    mesh: Mesh, resp: int
) -> None:
    a, b = (redis_of(node, resp) for node in mesh.nodes)
    a.rpush("q:l", *range(100))
    a.zadd("q:z", {"m": 1.5})
    mesh.await_equal()
    for at in range(50):
        assert b.lpop("q:l") == b"%d" % at
        assert b.llen("q:l") == 99 - at
    assert b.lpop("q:l", 2) == [b"50", b"51"]
    popped = b.zpopmin("q:z")
    assert popped == ([b"m", 1.5] if resp == 3 else [(b"m", 1.5)])
    assert b.lpop("q:nothing") is None
    a.set("q:l2", "text")
    mesh.await_equal()
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        b.lpop("q:l2")
    b.execute_command("SELECT", 3)
    a.flushall()
    mesh.await_equal()


def test_every_node_says_who_owns_a_key(mesh: Mesh) -> None:
    a, b = mesh.nodes
    assert told(a, "q:l")["here"] == b"1" and told(a, "q:l")["why_not"] == b""
    said = told(b, "q:l")
    assert said["here"] == b"0" and said["why_not"] and said["rule"] == said["member"]
    assert said["member"] == member_id(a).encode()
    assert told(b, "free")["here"] == b"1" and told(b, "free")["rule"] == b""


def test_a_pipeline_keeps_its_order(mesh: Mesh) -> None:
    _, b = (redis_of(node) for node in mesh.nodes)
    with b.pipeline(transaction=False) as pipeline:
        for at in range(40):
            pipeline.rpush("mine", at).lpop("q:empty").get("k").llen("mine")
        replies = pipeline.execute()
    assert replies[3::4] == list(range(1, 41))
    b.delete("mine")


def test_who_waits_elsewhere_waits_at_the_owner(mesh: Mesh) -> None:
    a, b = (redis_of(node) for node in mesh.nodes)
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(redis_of(mesh.nodes[1]).blpop("q:w", 30)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    waiting = mesh.nodes[0]
    wait_until(lambda: blocked(waiting) == 3, "three clients wait at the owner", CATCH_UP_S)
    b.rpush("q:w", "x", "y", "z")
    for thread in threads:
        thread.join(CATCH_UP_S)
    assert sorted(map(str, found)) == sorted(str([b"q:w", item]) for item in (b"x", b"y", b"z"))
    assert b.llen("q:w") == 0
    assert a.blpop("q:w", 0.05) is None
    assert b.blpop("q:w", 0.05) is None


def blocked(node: Node) -> int:
    return int(node.info("clients")["blocked_clients"])


def test_a_client_that_goes_away_waits_nowhere_any_more(mesh: Mesh) -> None:
    owner, other = mesh.nodes
    client = other.client()
    client.socket.sendall(b"BLPOP q:gone 0\r\n")
    wait_until(lambda: blocked(owner) == 1, "a client waits at the owner", CATCH_UP_S)
    client.close()
    wait_until(lambda: blocked(owner) == 0, "it is gone there too", CATCH_UP_S)
    with other.client() as client:
        number = client.call("CLIENT", "ID").text.decode()
        client.socket.sendall(b"BLPOP q:gone 0\r\n")
        wait_until(lambda: blocked(owner) == 1, "a client waits at the owner", CATCH_UP_S)
        assert other.ask("CLIENT", "UNBLOCK", number).text == b"1"
        wait_until(lambda: blocked(owner) == 0, "it is gone there too", CATCH_UP_S)
    owner.ask("RPUSH", "q:gone", "x")
    mesh.await_equal()
    assert other.ask("LLEN", "q:gone").text == b"1"
    owner.ask("DEL", "q:gone")


def test_a_lock_is_given_to_one_of_all(mesh: Mesh) -> None:
    for node in mesh.nodes:
        node.ask("CONFIG", "SET", "mesh-nx-policy", "owner")
    given: list[int] = []

    def take(number: int) -> None:
        client = redis_of(mesh.nodes[number % 2])
        for at in range(scaled(100)):
            if client.set(f"q:lock:{at}", number, nx=True):
                given.append(at)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(CATCH_UP_S)
    assert sorted(given) == list(range(scaled(100)))
    mesh.await_equal()
    for node in mesh.nodes:
        node.ask("CONFIG", "SET", "mesh-nx-policy", "allow")


def test_transactions_are_refused_elsewhere_and_so_is_all_by_refuse(mesh: Mesh) -> None:
    other = mesh.nodes[1]
    with other.client() as client:
        client.call("MULTI")
        reply = client.call("LPOP", "q:l")
        assert reply.text.startswith(b"NOOWNER 127.0.0.1:")
        assert client.call("EXEC").text.startswith(b"EXECABORT")
        other.ask("CONFIG", "SET", "mesh-owner-policy", "refuse")
        assert client.call("LPOP", "q:l").text.startswith(b"NOOWNER 127.0.0.1:")
        other.ask("CONFIG", "SET", "mesh-owner-policy", "forward")


def test_without_a_link_who_waits_is_told_and_others_are_refused(mesh: Mesh) -> None:
    owner, other = mesh.nodes
    with other.client() as waits, other.client() as client:
        waits.socket.sendall(b"BLPOP q:w 0\r\n")
        wait_until(lambda: blocked(owner) == 1, "a client waits at the owner", CATCH_UP_S)
        mesh.cut(0, 1)
        assert read_shown(waits.stream).text.startswith(b"NOOWNER ")
        assert client.call("LPOP", "q:w").text.startswith(b"NOOWNER ")
        other.ask("CONFIG", "SET", "mesh-owner-policy", "at-least-once")
        assert client.call("LPOP", "q:w").kind == "nil"
        other.ask("CONFIG", "SET", "mesh-owner-policy", "forward")
        mesh.heal(0, 1)
        mesh.await_links()
        wait_until(lambda: blocked(owner) == 0, "nobody waits at the owner", CATCH_UP_S)
        wait_until(lambda: pops(other), "the owner can be asked again", CATCH_UP_S)


class Crew:
    """Workers of one queue, some at each node: each moves a job to a list of its own, then takes it
    from there; who loses its node goes on at the first that is left."""

    def __init__(self, nodes: list[Node], workers: int) -> None:
        self.nodes = nodes
        self.gone: set[int] = set()
        self.stopped = False
        self.lock = threading.Lock()
        self.given: dict[bytes, list[tuple[int, float]]] = {}  # by job: at which node, when
        self.threads = [
            threading.Thread(target=self.work, args=(number,)) for number in range(workers)
        ]
        for thread in self.threads:
            thread.start()

    def work(self, number: int) -> None:
        at = number % len(self.nodes)
        client = redis_of(self.nodes[at])
        while not self.stopped:
            try:
                job = client.blmove("q:jobs", f"q:work:{number}", 0.2)
                if job is None:
                    continue
                with self.lock:
                    self.given.setdefault(job, []).append((at, time.monotonic()))
                client.lrem(f"q:work:{number}", 1, job)
            except redis.ConnectionError:
                if at in self.gone:
                    at = next(each for each in range(len(self.nodes)) if each not in self.gone)
                    client = redis_of(self.nodes[at])
            except redis.ResponseError as error:
                assert str(error).startswith("NOOWNER"), error

    def count(self) -> int:
        with self.lock:
            return len(self.given)

    def stop(self) -> None:
        self.stopped = True
        for thread in self.threads:
            thread.join(CATCH_UP_S)

    def kill(self, at: int) -> None:
        self.gone.add(at)
        self.nodes[at].kill()

    def left(self, at: int) -> set[bytes]:
        """What is in the workers' own lists, by this node: what was in flight."""
        client = redis_of(self.nodes[at])
        return {
            job for number in range(len(self.threads))
            for job in client.lrange(f"q:work:{number}", 0, -1)
        }  # fmt: skip


def test_a_node_dies_midway_and_no_job_is_done_twice_or_lost() -> None:
    """The queue's owner lives; half of the workers were at the other node."""
    with Mesh(2, *QUICK) as mesh:
        own(mesh.nodes, f"q:* {member_id(mesh.nodes[0])}")
        jobs = [b"job:%d" % number for number in range(JOBS)]
        redis_of(mesh.nodes[0]).rpush("q:jobs", *jobs)
        mesh.await_equal()
        crew = Crew(mesh.nodes, WORKERS)
        wait_until(lambda: crew.count() > JOBS // 3, "a third of the jobs", CATCH_UP_S)
        crew.kill(1)
        first = redis_of(mesh.nodes[0])
        wait_until(lambda: first.llen("q:jobs") == 0, "all jobs to be taken", CATCH_UP_S)
        crew.stop()
        in_flight = crew.left(0)
        twice = {job for job, times in crew.given.items() if len(times) > 1}
        assert not twice, "a job was given to two workers"
        assert set(crew.given) | in_flight == set(jobs), "a job was lost"
        assert len(in_flight) <= 2 * WORKERS
        assert {at for times in crew.given.values() for at, _ in times} == {0, 1}


def test_the_owner_dies_midway_and_a_stand_in_goes_on() -> None:
    """By hash on three nodes: jobs given twice were given by the owner just before its end."""
    with Mesh(3, *QUICK) as mesh:
        own(mesh.nodes, "q:* hash")
        for node in mesh.nodes:
            wait_until(lambda node=node: pops(node), "somebody to own q:none", CATCH_UP_S)  # type: ignore[misc]
        jobs = [b"job:%d" % number for number in range(JOBS)]
        redis_of(mesh.nodes[0]).rpush("q:jobs", *jobs)
        mesh.await_equal()
        owner = owner_of(mesh, "q:jobs")
        crew = Crew(mesh.nodes, WORKERS + 1)
        wait_until(lambda: crew.count() > JOBS // 3, "a third of the jobs", CATCH_UP_S)
        killed_s = time.monotonic()
        crew.kill(owner)
        left = next(at for at in range(3) if at != owner)
        other = redis_of(mesh.nodes[left])
        wait_until(lambda: other.llen("q:jobs") == 0, "all jobs to be taken", CATCH_UP_S)
        crew.stop()
        in_flight = crew.left(left)
        assert set(crew.given) | in_flight == set(jobs), "a job was lost"
        for job, times in crew.given.items():
            assert len(times) <= 2, job
            if len(times) == 2:
                assert times[0][0] == owner and killed_s - 1.0 < times[0][1], (job, times)


def owner_of(mesh: Mesh, key: str) -> int:
    """Which node says that it owns the key; the others must come to name it."""
    for node in mesh.nodes:
        wait_until(lambda node=node: told(node, key)["member"] != b"", "an owner", CATCH_UP_S)  # type: ignore[misc]
    said = [told(node, key) for node in mesh.nodes]
    owners = [at for at, each in enumerate(said) if each["here"] == b"1"]
    assert len(owners) == 1, said
    assert {each["member"] for each in said} == {member_id(mesh.nodes[owners[0]]).encode()}
    return owners[0]


def told(node: Node, key: str) -> dict[str, bytes]:
    """MESH OWNER."""
    texts = [each.text for each in node.ask("MESH", "OWNER", key).items]
    return {name.decode(): text for name, text in zip(texts[::2], texts[1::2], strict=True)}
