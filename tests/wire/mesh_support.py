"""Meshes of real processes whose links can be cut: nodes, proxies between them, what is awaited.

Every link runs through a proxy of its own, so that each can be cut, stalled and delayed alone.
Counts are those of the promises; PLEXIS_WIRE_SCALE below 1.0 makes them smaller for a quick look.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Self, cast

from tests.support.ports import free_port
from tests.support.servers import Client, Ours, Proxy, wait_until
from tests.support.transcript import Shown, read_shown

SCALE = float(os.environ.get("PLEXIS_WIRE_SCALE", "1.0"))

# A full count takes a pure build this long at most, on two cores that do other work as well.
CATCH_UP_S = 90.0
BATCH = 500  # commands sent before their replies are read: far below any socket buffer
QUIET = ("--admin-bind", "", "--save", "", "--enable-debug-command", "local")
ACTIVE = (*QUIET, "--active-replica", "yes")
# A node that is saved by hand in a test comes back as the same member only if it saves at all.
SAVES = ("--save", "3600 1")
LIVE = ("in sync", "lagging")

Words = Sequence[bytes | str]


def scaled(count: int) -> int:
    """A count of the promise, made smaller by PLEXIS_WIRE_SCALE; never below 20."""
    return max(20, round(count * SCALE))


def encoded(words: Words) -> bytes:
    """One command as bytes."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        text = word.encode() if isinstance(word, str) else word
        parts.append(b"$%d\r\n%b\r\n" % (len(text), text))
    return b"".join(parts)


def run_all(client: Client, commands: Iterable[Words]) -> list[Shown]:
    """Sends all commands in pipelines and returns their replies; an error reply fails the test."""
    replies: list[Shown] = []
    waiting: list[bytes] = []
    for words in commands:
        waiting.append(encoded(words))
        if len(waiting) == BATCH:
            exchange(client, waiting, replies)
    exchange(client, waiting, replies)
    return replies


def exchange(client: Client, waiting: list[bytes], replies: list[Shown]) -> None:
    """One pipeline: what waits is sent, then as many replies are read."""
    client.socket.sendall(b"".join(waiting))
    for _ in waiting:
        reply = read_shown(client.stream)
        assert reply.kind != "error", reply.text
        replies.append(reply)
    waiting.clear()


def members(reply: Shown) -> set[bytes]:
    """The elements of an array or set."""
    return {each.text for each in reply.items}


def mapping(reply: Shown) -> dict[bytes, bytes]:
    """The pairs of HGETALL."""
    texts = [each.text for each in reply.items]
    return dict(zip(texts[::2], texts[1::2], strict=True))


class Node(Ours):
    """A node of ours, and what the mesh tests ask it."""

    def client(self) -> Client:
        """A new connection to it, with its password where it has one."""
        client = Client(self.port, CATCH_UP_S)
        if "--requirepass" in self.args:
            password = self.args[self.args.index("--requirepass") + 1]
            assert client.call("AUTH", password).text == b"OK"
        return client

    def start(self) -> None:
        self.asker: Client | None = None
        super().start()

    def ask(self, *words: bytes | str) -> Shown:
        """One command, on a connection kept for this; an error reply fails the test."""
        if self.asker is None:
            self.asker = self.client()
        reply = self.asker.call(*words)
        assert reply.kind != "error", reply.text
        return reply

    def info(self, section: str) -> dict[str, str]:
        """One section of INFO."""
        text = self.ask("INFO", section).text.decode()
        return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)

    def transfers(self) -> tuple[int, int]:
        """Snapshots sent and taken in since the start."""
        return (
            int(self.info("stats")["sync_full"]), int(self.info("replication")["mesh_transfers_in"])
        )  # fmt: skip

    def mesh(self) -> dict[str, Any]:
        """MESH STATUS without the node's own part."""
        packed = json.loads(self.ask("MESH", "STATUS").text)
        return cast(dict[str, Any], packed["mesh"])

    def stream(self) -> str:
        """The uuid of the stream that this process writes."""
        return self.info("replication")["mesh_stream"]

    def vector(self) -> dict[str, int]:
        """What it has applied: the highest stamp of each stream."""
        return {each["stream"]: int(each["stamp"]) for each in self.mesh()["vector"]}

    def links(self) -> list[dict[str, Any]]:
        """The links that end here."""
        return [each for each in self.mesh()["links"] if each["view"] == "follower"]

    def links_up(self) -> int:
        """How many of them carry frames."""
        return sum(each["state"] in LIVE for each in self.links())

    def last_errors(self) -> str:
        """What the links that end here say of their last failure."""
        return "; ".join(each["last_error"] for each in self.links())

    def digest(self) -> bytes:
        """DEBUG DIGEST: equal on nodes that show the same."""
        return self.ask("DEBUG", "DIGEST").text

    def restart_saved(self) -> None:
        """SAVE, then the end and a new start: as a deployment would restart it."""
        self.ask("SAVE")
        self.restart()

    def freeze(self) -> None:
        """Stops the process without ending it: it accepts connections and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it go on."""
        os.kill(self.pid, signal.SIGCONT)


class Mesh:
    """Nodes in full mesh, each link through a proxy; `proxies[a, b]` is how node a reaches node b.

    Dialling back is off: nothing may go around a link that was cut.
    """

    def __init__(self, count: int, *args: str) -> None:
        ports = [free_port() for _ in range(count)]
        self.pairs = [(a, b) for a in range(count) for b in range(count) if a != b]
        self.nodes: list[Node] = []
        self.proxies: dict[tuple[int, int], Proxy] = {}
        many = ("--multi-master", "yes") if count > 2 else ()
        try:
            for at, port in enumerate(ports):
                peers = self.reach(at, ports)
                options = (*ACTIVE, "--mesh-dial-back", "no", *many, *args, *peers)
                self.nodes.append(Node(*options, port=port))
            self.await_links()
        except BaseException:
            self.close()
            raise

    def reach(self, at: int, ports: Sequence[int]) -> list[str]:
        """The options that tell a node how it reaches the others."""
        options: list[str] = []
        for other, port in enumerate(ports):
            if other != at:
                proxy = self.proxies[at, other] = Proxy(port)
                options += ["--replicaof", "127.0.0.1", str(proxy.port)]
        return options

    def lose(self, a: int, b: int) -> None:
        """From now on nothing that node `a` sends reaches node `b`; nobody is told."""
        self.proxies[a, b].forth.clear()
        self.proxies[b, a].back.clear()

    def flow(self) -> None:
        """Everything arrives again, what was lost included."""
        for proxy in self.proxies.values():
            proxy.flow()

    def cut(self, a: int, b: int) -> None:
        """Both directions between two nodes go down; returns when both have noticed."""
        ours = {f"127.0.0.1:{self.proxies[pair].port}" for pair in ((a, b), (b, a))}
        self.proxies[a, b].cut()
        self.proxies[b, a].cut()
        for node in (self.nodes[a], self.nodes[b]):
            wait_until(partial(are_down, node, ours), "a link that was cut to end")

    def heal(self, a: int, b: int) -> None:
        """Both directions may be connected again."""
        self.proxies[a, b].heal()
        self.proxies[b, a].heal()

    def await_links(self) -> None:
        """Returns when every node follows every other."""
        await_links(self.nodes, len(self.nodes) - 1)

    def await_equal(self) -> bytes:
        """Returns the common digest when every node has applied what any has now."""
        return await_equal(self.nodes)

    def close(self) -> None:
        """Ends nodes and proxies."""
        for node in self.nodes:
            node.close()
        for proxy in self.proxies.values():
            proxy.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def are_down(node: Node, addresses: set[str]) -> bool:
    """Do this node's links to the addresses carry no frames?"""
    return not any(each["source"] in addresses and each["state"] in LIVE for each in node.links())


def are_up(node: Node, count: int) -> bool:
    """Do so many of its links carry frames?"""
    return node.links_up() >= count


def await_links(nodes: Iterable[Node], count: int) -> None:
    """Returns when each of the nodes has `count` links that carry frames."""
    for node in nodes:
        what = f"{count} links of the node on port {node.port}"
        wait_until(partial(are_up, node, count), what, CATCH_UP_S)


def await_vectors(nodes: Sequence[Node]) -> None:
    """Returns when every node has applied, of every stream, what any of them has now."""
    tokens = [node.ask("MESH", "TOKEN").text for node in nodes]
    for node in nodes:
        wait_until(partial(has, node, tokens), "every write to arrive", CATCH_UP_S)


def has(node: Node, tokens: Sequence[bytes]) -> bool:
    """Has the node applied all that the tokens name? A vector would not do: whoever has all of a
    stream that has ended may leave it out."""
    return all(node.ask("MESH", "WAITFOR", token, "1").text == b"1" for token in tokens)


def await_equal(nodes: Sequence[Node]) -> bytes:
    """Awaits every write that any node has now; the digests must be equal then. Returns it."""
    await_vectors(nodes)
    digests = {node.digest() for node in nodes}
    assert len(digests) == 1, f"the nodes show different data: {digests}"
    return digests.pop()
