"""A mesh made of numbers alone: sources to read, and peers that answer MESH STATUS over a socket.

`FakeMesh` holds one status pair per node; tests change them while servers read them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from admin_ui.app import Handle, start
from admin_ui.source import StatusSource
from mesh.status import (
    DOWN,
    FOLLOWER,
    IN_SYNC,
    SENDER,
    CountStatus,
    LinkStatus,
    MeshStatus,
    PeerStatus,
    pack_status,
)
from node.status import CommandStatus, DatabaseStatus, NodeStatus

NOW_MS = 1_760_000_000_000
Result = TypeVar("Result")


def node_status(name: str, port: int, **changes: Any) -> NodeStatus:
    """A healthy node with some numbers in every field that matters."""
    node = NodeStatus(
        name=name,
        member_id=f"member-{name}",
        stream=f"stream-{name}",
        run_id="a" * 40,
        host="127.0.0.1",
        port=port,
        role="active-replica",
        redis_version="8.2.3",
        plexis_version="0.1.0",
        compiled=True,
        uptime_seconds=93_784,
        taken_at_ms=NOW_MS,
        keys=1_200,
        databases=(DatabaseStatus(0, 1_200, 30, 5_500),),
        ops_per_second=6_100,
        commands_processed=812_345,
        command_stats=(CommandStatus("get", 500, 1_250, 1, 2),),
        connected_clients=12,
        maxclients=10_000,
        memory_used_bytes=1_181_116_006,
        maxmemory_bytes=2_147_483_648,
    )
    return replace(node, **changes)


def link_status(source: str, target: str, **changes: Any) -> LinkStatus:
    """A link in sync, told by its follower."""
    link = LinkStatus(
        source=source,
        target=target,
        view=FOLLOWER,
        state=IN_SYNC,
        since_ms=NOW_MS - 93_000_000,
        heartbeat_age_ms=200,
        apply_lag_ms=3,
        rtt_ms=0.8,
        clock_skew_ms=1,
        resync_full=1,
        resync_partial=4,
    )
    return replace(link, **changes)


class FakeMesh:
    """Nodes that all know each other, each pair linked both ways."""

    def __init__(self, ports: dict[str, int]) -> None:
        self.ports = ports
        self.nodes = {name: node_status(name, port) for name, port in ports.items()}
        self.links = {
            (source, target): link_status(source, target)
            for source in ports
            for target in ports
            if source != target
        }
        self.held_up: tuple[str, float | None] = ("", None)  # by which member, and for how long

    def status(self, name: str) -> tuple[NodeStatus, MeshStatus]:
        """What the node says: followers' views of links into it, senders' of those out of it."""
        links: list[LinkStatus] = []
        for (source, target), link in self.links.items():
            if target == name:
                links.append(link)
            elif source == name:
                sent = replace(link, view=SENDER, apply_lag_ms=None, clock_skew_ms=None)
                links.append(replace(sent, backlog_bytes=link.backlog_bytes or 0, backlog_ops=0))
        peers = tuple(
            PeerStatus(other, f"127.0.0.1:{port}", f"member-{other}", last_seen_age_ms=200)
            for other, port in self.ports.items()
            if other != name
        )
        mesh = MeshStatus(
            name="shop",
            taken_at_ms=NOW_MS,
            nodes=peers,
            links=tuple(links),
            conflicts=(CountStatus("string", 3),),
            held_up_by=self.held_up[0],
            stable_age_ms=self.held_up[1],
        )
        return self.nodes[name], mesh

    def change_link(self, source: str, target: str, **changes: Any) -> None:
        """Give one link other numbers, as of now."""
        self.links[source, target] = replace(self.links[source, target], **changes)

    def cut(self, one: str, other: str) -> None:
        """Both directions between two nodes are down."""
        changes = {"state": DOWN, "apply_lag_ms": None, "last_error": "connection timed out"}
        self.change_link(one, other, since_ms=NOW_MS - 2_000, **changes)
        self.change_link(other, one, since_ms=NOW_MS - 2_000, **changes)


class FakeSource(StatusSource):
    """The node in whose process the page runs."""

    def __init__(self, mesh: FakeMesh, name: str) -> None:
        self.mesh = mesh
        self.name = name

    def snapshot(self) -> tuple[NodeStatus, MeshStatus]:
        return self.mesh.status(self.name)


class FakePeer:
    """Answers every line it reads with the node's status; `password` makes it ask for AUTH."""

    def __init__(self, mesh: FakeMesh, name: str, password: str = "") -> None:
        self.mesh = mesh
        self.name = name
        self.password = password
        self.is_mute = False
        self.connections = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen at the node's port in the mesh; port 0 takes a free one and notes it there."""
        port = self.mesh.ports[self.name]
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.mesh.ports[self.name] = int(self._server.sockets[0].getsockname()[1])
        changed = replace(self.mesh.nodes[self.name], port=self.mesh.ports[self.name])
        self.mesh.nodes[self.name] = changed

    async def stop(self) -> None:
        """Close the port and all connections."""
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        is_trusted = not self.password
        try:
            while words := await _read_command(reader):
                if words[0] == b"AUTH":
                    is_trusted = words[-1].decode() == self.password
                    writer.write(b"+OK\r\n" if is_trusted else b"-WRONGPASS no\r\n")
                elif not is_trusted:
                    writer.write(b"-NOAUTH Authentication required.\r\n")
                elif not self.is_mute:
                    packed = pack_status(*self.mesh.status(self.name))
                    writer.write(b"$%d\r\n%b\r\n" % (len(packed), packed))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()


async def _read_command(reader: asyncio.StreamReader) -> list[bytes]:
    header = await reader.readline()
    words = []
    for _ in range(int(header[1:] or b"0")):
        length = int((await reader.readline())[1:])
        words.append((await reader.readexactly(length + 2))[:-2])
    return words


class AdminThread:
    """The admin page and its fake peers on an event loop in a thread, for tests that block."""

    def __init__(self, mesh: FakeMesh, name: str, has_own_port: bool = False) -> None:
        self.mesh = mesh
        self.source = FakeSource(mesh, name)
        asked = [other for other in mesh.ports if other != name or has_own_port]
        self.peers = {other: FakePeer(mesh, other) for other in asked}
        self.handle: Handle | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        for peer in self.peers.values():
            self.run(peer.start())

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine on the thread's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def start(self, bind: str = "127.0.0.1:0", password: str = "") -> str:
        """Serve; the page's address."""
        self.handle = self.run(start(self.source, bind, password))
        return self.handle.url

    def stop(self) -> None:
        """Stop serving; the peers stay."""
        if self.handle is not None:
            self.run(self.handle.stop())
            self.handle = None

    def close(self) -> None:
        """Stop everything and end the thread."""
        self.stop()
        for peer in self.peers.values():
            self.run(peer.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
