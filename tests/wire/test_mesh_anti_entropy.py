"""Anti-entropy between real nodes: a value that changed on one disk alone is found and written
anew, once."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.support.servers import wait_until
from tests.wire.mesh_support import ACTIVE, SAVES, Mesh, Node, await_equal, await_links, run_all

pytestmark = pytest.mark.wire

FOUND_S = 30.0  # rounds each second, three looks with pauses of two seconds
EACH_SECOND = ("--mesh-anti-entropy-seconds", "1")
RIGHT = b"the right value"
WRONG = b"the wrong value"


def number(node: Node, name: str) -> int:
    """A number of mesh_anti_entropy_* in INFO."""
    return int(node.info("replication")[f"mesh_anti_entropy_{name}"])


def compared(nodes: list[Node], rounds: int) -> bool:
    """Were so many rounds ended, by whomever?"""
    return sum(number(node, "rounds") for node in nodes) >= rounds


def repaired(nodes: list[Node]) -> int:
    """How many keys were written anew."""
    return sum(number(node, "repaired") for node in nodes)


def has_repaired(nodes: list[Node]) -> bool:
    """Was a key written anew?"""
    return repaired(nodes) > 0


def change_on_disk(file: Path) -> None:
    """Another value in an RDB file; a checksum of zeros says that there is none."""
    data = file.read_bytes()
    assert data.count(RIGHT) == 1
    file.write_bytes(data.replace(RIGHT, WRONG)[:-8] + bytes(8))


def test_a_value_that_changed_on_disk_is_written_anew_once() -> None:
    options = (*ACTIVE, *SAVES, *EACH_SECOND, "--requirepass", "secret", "--masterauth", "secret")
    with Node(*options) as a, Node(*options) as b:
        assert a.ask("REPLICAOF", "127.0.0.1", str(b.port)).text == b"OK"
        nodes = [a, b]
        await_links(nodes, 1)
        with a.client() as client:
            run_all(client, [["SET", "key", RIGHT.decode()], ["RPUSH", "list", "x", "y"],
                             ["HSET", "hash", "f", "v"], ["SADD", "set", "m"]])  # fmt: skip
        await_equal(nodes)
        wait_until(partial(compared, nodes, 2), "two rounds", FOUND_S)
        assert repaired(nodes) == 0
        b.ask("SAVE")
        b.kill()
        change_on_disk(b.folder / "dump.rdb")
        b.start()
        assert b.ask("GET", "key").text == WRONG
        await_links([a], 1)
        wait_until(partial(has_repaired, nodes), "the key to be repaired", FOUND_S)
        await_equal(nodes)
        rounds = sum(number(node, "rounds") for node in nodes)
        wait_until(partial(compared, nodes, rounds + 3), "three rounds more", FOUND_S)
        assert repaired(nodes) == 1
        assert a.ask("GET", "key").text == b.ask("GET", "key").text
        counted = [int(node.info("replication")["mesh_conflict_repaired"]) for node in nodes]
        assert sorted(counted) == [0, 1]
        writer = nodes[counted.index(1)]
        assert "mesh_key_repaired" in writer.output()
        assert writer.mesh()["repairs"] == 1


def test_nothing_is_repaired_under_writes() -> None:
    with Mesh(2, *EACH_SECOND) as mesh:
        for at in range(40):
            for name, node in enumerate(mesh.nodes):
                with node.client() as client:
                    run_all(client, [
                        ["SET", f"key:{at % 7}", f"{name}:{at}"], ["INCR", "counter"],
                        ["RPUSH", "list", f"{name}:{at}"], ["LPOP", "list"],
                        ["HSET", "hash", f"f{at % 5}", f"{name}:{at}"], ["SADD", "set", f"{at}"],
                        ["ZINCRBY", "zset", "0.1", f"m{at % 3}"], ["XADD", "stream", "*", "f", "v"],
                        ["SPOP", "set"], ["DEL", f"key:{at % 3}"],
                    ])  # fmt: skip
        mesh.await_equal()
        wait_until(partial(compared, mesh.nodes, 2), "two rounds", FOUND_S)
        assert repaired(mesh.nodes) == 0
        assert not any(
            node.info("replication")["mesh_anti_entropy_last_error"] for node in mesh.nodes
        )


def test_zero_seconds_turn_it_off() -> None:
    with Mesh(2, "--mesh-anti-entropy-seconds", "0") as mesh:
        mesh.nodes[0].ask("SET", "key", "value")
        mesh.await_equal()
        assert [number(node, "rounds") for node in mesh.nodes] == [0, 0]
        mesh.nodes[0].ask("CONFIG", "SET", "mesh-anti-entropy-seconds", "1")
        wait_until(partial(compared, mesh.nodes, 1), "a round", FOUND_S)
