"""Where the admin page gets its numbers: this node in process, every peer by MESH STATUS.

`StatusSource` is what the node gives the admin page. `Survey` asks all peers of that node at once,
each over one connection that is kept open, with a time limit for every step. What a peer said last
is kept when it falls silent and marked stale: an operator wants the last known numbers of a node
that is gone, and to see that they are old.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from mesh.status import STATUS_BYTES_MAX, MeshStatus, PeerStatus, unpack_status
from node.resp.client import INCOMPLETE, ReplyParser, command
from node.resp.parser import ProtocolError
from node.resp.replies import Failure
from node.status import NodeStatus

# A peer that answers slower than this counts as not answering in this round. It is below the one
# second between rounds, so that a round ends before the next begins.
ANSWER_SECONDS_MAX: Final = 0.8
# One missed answer is a hiccup, two are a fact to show.
STALE_AFTER_MS: Final = 2_000
# Peers asked at the same time; more than this is no mesh that links every pair.
PEERS_MAX: Final = 128
_READ_BYTES: Final = 65_536


class StatusSource:
    """What the admin page needs from the node it runs in. The node overrides `snapshot`."""

    def snapshot(self) -> tuple[NodeStatus, MeshStatus]:
        """This node's statuses of this moment; cheap, visits no key, called once a second."""
        return NodeStatus(), MeshStatus()


@dataclass(frozen=True, slots=True)
class PeerAccess:
    """How to log in at peers, as this node's own links do."""

    user: str = ""
    password: str = ""
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What is known about one node: its own words, how old they are, why there are no newer ones.

    `asked` is the "host:port" at which it was asked, empty for the node of this process. `node`
    and `mesh` are None until it answered once. `age_ms` is the age of the answer.
    """

    asked: str = ""
    node: NodeStatus | None = None
    mesh: MeshStatus | None = None
    age_ms: float = 0.0
    stale: bool = False
    error: str = ""


class PeerProblem(Exception):
    """A peer was reached and did not give its status; the text says why."""


def split_address(address: str) -> tuple[str, int]:
    """Host and port of "host:port" or "[v6]:port"; `ValueError` tells what is wrong."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise ValueError(f'"{address}" is not host:port with a port of 0 to 65535')
    return host.removeprefix("[").removesuffix("]"), int(port)


class PeerConnection:
    """One connection to one peer, opened when first needed and closed after any error."""

    def __init__(self, address: str, access: PeerAccess) -> None:
        self._address: Final = address
        self._access: Final = access
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._parser = ReplyParser(STATUS_BYTES_MAX)

    async def status(self) -> tuple[NodeStatus, MeshStatus]:
        """Ask MESH STATUS; raises `OSError`, `PeerProblem`, `ProtocolError`,
        `ValueError` or `TimeoutError`."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                if self._writer is None:
                    await self._open()
                packed = await self._call(b"MESH", b"STATUS")
        except BaseException:
            self.close()
            raise
        if not isinstance(packed, bytes):
            self.close()
            raise PeerProblem(f"MESH STATUS answered {type(packed).__name__}, not a string")
        return unpack_status(packed)

    def close(self) -> None:
        """Drop the connection without waiting; the next `status` opens a new one."""
        if self._writer is not None:
            with contextlib.suppress(RuntimeError):  # the event loop may be gone already
                self._writer.transport.abort()
        self._reader = None
        self._writer = None

    async def _open(self) -> None:
        host, port = split_address(self._address)
        self._reader, self._writer = await asyncio.open_connection(host, port, ssl=self._access.tls)
        self._parser = ReplyParser(STATUS_BYTES_MAX)
        if self._access.password:
            user = [self._access.user.encode()] if self._access.user else []
            await self._call(b"AUTH", *user, self._access.password.encode())

    async def _call(self, *words: bytes) -> object:
        assert self._reader is not None and self._writer is not None
        self._writer.write(command(*words))
        received = 0
        while (reply := self._parser.next()) is INCOMPLETE:
            data = await self._reader.read(_READ_BYTES)
            received += len(data)
            if not data:
                raise PeerProblem("closed the connection instead of answering")
            if received > STATUS_BYTES_MAX:
                raise PeerProblem(f"sent more than {STATUS_BYTES_MAX} bytes")
            self._parser.feed(data)
        if isinstance(reply, Failure):
            raise PeerProblem(f"{words[0].decode()} refused: {reply}")
        return reply


class Survey:
    """The reports of this node and all its peers; `refresh` asks everybody once."""

    def __init__(
        self, source: StatusSource, access: PeerAccess, monotonic: Callable[[], float]
    ) -> None:
        self._source: Final = source
        self._access: Final = access
        self._monotonic: Final = monotonic
        self._connections: dict[str, PeerConnection] = {}
        self._last: dict[str, NodeReport] = {}
        self._answered_at: dict[str, float] = {}

    async def refresh(self) -> tuple[NodeReport, ...]:
        """Ask all peers at the same time; this node first, then peers as they are configured."""
        node, mesh = self._source.snapshot()
        peers = [peer for peer in mesh.nodes if _can_be_asked(peer, node)][:PEERS_MAX]
        self._forget({peer.address for peer in peers})
        reports = await asyncio.gather(*(self._ask(peer.address) for peer in peers))
        # Taken again: asking may have lasted, and this node is to be as fresh as its peers.
        node, mesh = self._source.snapshot()
        return (NodeReport(node=node, mesh=mesh), *reports)

    def close(self) -> None:
        """Drop all connections."""
        self._forget(set())

    async def _ask(self, address: str) -> NodeReport:
        if address not in self._connections:
            self._connections[address] = PeerConnection(address, self._access)
        error = ""
        try:
            node, mesh = await self._connections[address].status()
        except TimeoutError:
            error = f"no answer within {ANSWER_SECONDS_MAX:g} s"
        except (OSError, PeerProblem, ProtocolError, ValueError) as problem:
            error = reason_of(problem)
        else:
            self._answered_at[address] = self._monotonic()
            self._last[address] = NodeReport(asked=address, node=node, mesh=mesh)
            return self._last[address]
        last = self._last.get(address)
        if last is None:
            return NodeReport(asked=address, error=error, stale=True)
        age_ms = (self._monotonic() - self._answered_at[address]) * 1000
        return replace(last, age_ms=age_ms, stale=age_ms >= STALE_AFTER_MS, error=error)

    def _forget(self, still_there: set[str]) -> None:
        for address in [address for address in self._connections if address not in still_there]:
            self._connections.pop(address).close()
            self._last.pop(address, None)
            self._answered_at.pop(address, None)


def _can_be_asked(peer: PeerStatus, own: NodeStatus) -> bool:
    """A real KeyDB has no MESH STATUS, and a node needs no connection to itself."""
    is_self = bool(peer.member_id) and peer.member_id == own.member_id
    return peer.kind != "keydb" and bool(peer.address) and not is_self


def reason_of(problem: Exception) -> str:
    """The problem in words, without the numbers and tuples of an OSError's own text."""
    if isinstance(problem, ConnectionRefusedError):
        return "connection refused"
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror.lower()
    return str(problem) or type(problem).__name__
