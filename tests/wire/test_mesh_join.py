"""Two nodes that both hold data are joined by REPLICAOF on one of them: one data set, the union."""

from __future__ import annotations

import time
from functools import partial

import pytest

from tests.support.servers import Client, wait_until
from tests.wire.mesh_support import (
    ACTIVE,
    CATCH_UP_S,
    QUIET,
    Node,
    await_equal,
    await_links,
    mapping,
    members,
    run_all,
    scaled,
)

pytestmark = pytest.mark.wire

OWN = scaled(2_000)  # keys that only one of the two holds
SHARED = 50  # places where both hold something else


def data(name: str) -> list[list[str]]:
    """What the node of this name holds: own keys, and others that both have."""
    commands = [["SET", f"own:{name}:{at}", name] for at in range(OWN)]
    for at in range(SHARED):
        commands += [
            ["SET", f"string:{at}", name],
            ["SADD", "set", "both", f"{name}:{at}"],
            ["HSET", "hash", "both", "same", f"{name}:{at}", name, f"differs:{at}", name],
        ]
    return [*commands, ["SET", "equal", "same"], ["SET", f"timed:{name}", "v", "EX", "10000"]]


def write(node: Node, commands: list[list[str]]) -> None:
    """Runs the commands on the node."""
    with node.client() as client:
        run_all(client, commands)


def conflicts(node: Node, *kinds: str) -> int:
    """How many conflicts of these kinds INFO counts."""
    fields = node.info("replication")
    return sum(int(fields[f"mesh_conflict_{kind}"]) for kind in kinds)


def join(caller: Node, called: Node) -> None:
    """REPLICAOF on one side; the other, being active, dials back."""
    reply = caller.ask("REPLICAOF", "127.0.0.1", str(called.port))
    assert reply.text == b"OK"
    await_links((caller, called), 1)


def check_union(client: Client, newer: str, more: int = 0) -> None:
    """Everything of both is here, of two values the newer, and `more` other keys."""
    for name in ("a", "b"):
        values = run_all(client, (["GET", f"own:{name}:{at}"] for at in range(OWN)))
        assert {each.text for each in values} == {name.encode()}
        assert 9_000 < int(client.call("TTL", f"timed:{name}").text) <= 10_000
    strings = run_all(client, (["GET", f"string:{at}"] for at in range(SHARED)))
    assert {each.text for each in strings} == {newer.encode()}
    own = {f"{name}:{at}".encode() for name in ("a", "b") for at in range(SHARED)}
    assert members(client.call("SMEMBERS", "set")) == {b"both", *own}
    fields = mapping(client.call("HGETALL", "hash"))
    assert fields.pop(b"both") == b"same"
    assert {fields.pop(f"differs:{at}".encode()) for at in range(SHARED)} == {newer.encode()}
    assert set(fields) == own
    assert client.call("GET", "equal").text == b"same"
    assert client.call("DBSIZE").text == b"%d" % (2 * OWN + SHARED + 5 + more)


def check_alive(a: Node, b: Node) -> None:
    """After the join both take writes, and each hears the other."""
    for at, node in enumerate((a, b)):
        write(node, [["INCRBY", "after", "1"], ["SREM", "set", f"a:{at}"]])
    await_equal((a, b))
    assert a.ask("GET", "after").text == b"2"
    assert not {b"a:0", b"a:1"} & members(b.ask("SMEMBERS", "set"))


@pytest.mark.parametrize("restarted", [False, True], ids=["fresh", "restarted"])
@pytest.mark.parametrize("caller", ["a", "b"])
def test_two_active_nodes_with_data_become_one_data_set(caller: str, restarted: bool) -> None:
    with Node(*ACTIVE) as a, Node(*ACTIVE) as b:
        write(a, data("a"))
        write(b, data("b"))
        for node, amount in ((a, "5"), (b, "7")):
            write(node, [["INCRBY", "counter", amount], ["HINCRBY", "counts", "n", amount]])
            if restarted:
                node.ask("SAVE")
                node.restart()
        join(*((a, b) if caller == "a" else (b, a)))
        await_equal((a, b))
        kinds = ("import_conflict",) if restarted else ("import_conflict", "overwrite")
        for node in (a, b):
            with node.client() as client:
                check_union(client, "b", 2)
                # Of increments neither is the newer: they add up.
                assert client.call("GET", "counter").text == b"12"
                assert mapping(client.call("HGETALL", "counts")) == {b"n": b"12"}
            assert conflicts(node, *kinds) >= SHARED
        check_alive(a, b)


def test_nodes_that_become_active_at_run_time_join_with_what_they_hold() -> None:
    with Node(*QUIET) as a, Node(*QUIET) as b:
        write(a, data("a"))
        write(b, data("b"))
        with a.client() as client:
            refused = client.call("REPLICAOF", "127.0.0.1", str(b.port))
            assert refused.kind == "error" and b"active-replica" in refused.text
        for node in (a, b):
            assert node.info("replication")["mesh_active"] == "0"
            assert node.ask("CONFIG", "SET", "active-replica", "yes").text == b"OK"
            wait_until(partial(is_active, node), "the node to be active")
        join(a, b)
        await_equal((a, b))
        for node in (a, b):
            with node.client() as client:
                check_union(client, "b")
            # Each string and each field of the hash that both held with another value.
            assert conflicts(node, "import_conflict") >= SHARED
        check_alive(a, b)


def test_an_active_node_stays_active() -> None:
    with Node(*QUIET) as node:
        node.ask("CONFIG", "SET", "active-replica", "yes")
        with node.client() as client:
            refused = client.call("CONFIG", "SET", "active-replica", "no")
        assert refused.kind == "error" and b"restart" in refused.text
        assert node.ask("CONFIG", "GET", "active-replica").items[1].text == b"yes"


def test_a_node_becomes_active_while_it_is_written_to_and_loses_nothing() -> None:
    with Node(*ACTIVE) as peer, Node(*QUIET) as node:
        write(peer, [["SET", "peer", "v"]])
        with node.client() as client:
            run_all(client, ([b"SET", b"before:%d" % at, b"v"] for at in range(OWN)))
            client.send([b"CONFIG", b"SET", b"active-replica", b"yes"])
            # In one pipeline with it: these meet the walk that gives the old keys their dots.
            commands = []
            for at in range(OWN):
                commands.append([b"SET", b"after:%d" % at, b"v"])
                commands.append([b"APPEND", b"before:%d" % at, b"w"])
            assert len(run_all(client, commands)) == 2 * OWN
            assert client.receive().kind == "integer"
        node.ask("REPLICAOF", "127.0.0.1", str(peer.port))
        await_links((node, peer), 1)
        await_equal((node, peer))
        with peer.client() as client:
            for prefix, value in (("before", b"vw"), ("after", b"v")):
                found = run_all(client, (["GET", f"{prefix}:{at}"] for at in range(OWN)))
                assert {each.text for each in found} == {value}
        assert node.ask("GET", "peer").text == b"v"


def test_values_of_two_types_are_counted_and_one_type_shows() -> None:
    with Node(*QUIET) as a, Node(*QUIET) as b:
        write(a, [["SET", "clash", "text"], ["SADD", "other", "m"]])
        later_s = time.time() + 0.01  # of two stamps of one millisecond none is the newer
        wait_until(lambda: time.time() > later_s, "the next milliseconds")
        write(b, [["SADD", "clash", "m"], ["SET", "other", "text"]])
        for node in (a, b):
            node.ask("CONFIG", "SET", "active-replica", "yes")
            wait_until(partial(is_active, node), "the node to be active")
        join(a, b)
        await_equal((a, b))
        for node in (a, b):
            assert node.ask("TYPE", "clash").text == b"set"
            assert node.ask("TYPE", "other").text == b"string"
            assert conflicts(node, "import_conflict", "type_clash") >= 2


def is_active(node: Node) -> bool:
    """Has the walk over its data ended?"""
    return node.info("replication")["mesh_active"] == "1"


def test_a_link_comes_up_soon() -> None:
    """Dialling back takes a second and a heartbeat; nobody waits for it much longer."""
    with Node(*ACTIVE) as a, Node(*ACTIVE) as b:
        a.ask("REPLICAOF", "127.0.0.1", str(b.port))
        wait_until(lambda: b.links_up() == 1, "the other side to dial back", CATCH_UP_S)
        assert [each["state"] for each in a.links()] != []
        assert b.mesh()["nodes"][0]["configured"] is False
        assert b.ask("CONFIG", "GET", "replicaof").items[1].text in (b"", b"no one")
