"""Server: listens, accepts or refuses, closes idle clients, and ends in good order.

Addresses are bound before data is loaded, so a port that is taken is known at once, and are
listened on when the data is there.
"""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
from collections.abc import Callable
from typing import Any, Final

import structlog

from conf import Config
from node.engine import Engine
from node.net.connection import Connection, Hub
from node.session import BLOCKED, CLOSING, FOLLOWER

# How long a client that was told to close may take to read what is left for it.
LINGER_S: Final = 10.0
# The same at the end of the process, for all clients together.
FLUSH_S: Final = 2.0
# Files that are open besides clients: data files, log, links, the admin page (Redis reserves 32).
RESERVED_FILES: Final = 96

FULL: Final = b"-ERR max number of clients reached\r\n"
DENIED: Final = (
    b"-DENIED Redis is running in protected mode because protected mode is enabled and no password"
    b" is set for the default user. Clients on other hosts are refused until one of these is done:"
    b" 1) set a password with requirepass, the best choice; 2) send 'CONFIG SET protected-mode no'"
    b" from this server's own host, and CONFIG REWRITE to keep it; 3) write 'protected-mode no' in"
    b" the configuration file; 4) start with --protected-mode no. Do 2 to 4 only where nobody from"
    b" outside can reach this port.\r\n"
)
# A family the machine has not, or an address it lacks: what a leading - in `bind` forgives.
ABSENT: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ENOPROTOOPT)

_log = structlog.get_logger("server")


class CannotListen(Exception):
    """An address cannot be had; the text says which and why."""


class Server:
    """All listening sockets and all client connections of one node."""

    def __init__(self, config: Config, engine: Engine) -> None:
        self.config = config
        self.engine = engine
        self.hub = Hub(engine, self._call_soon, self._welcome, self._notice, self._failed)
        self.port = config.number("port")
        self.addresses: list[str] = []
        self.max_clients = config.number("maxclients")
        self._sockets: list[socket.socket] = []
        self._unix: socket.socket | None = None
        self._listeners: list[asyncio.AbstractServer] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self.configure()

    # --- listening ----------------------------------------------------------------------------

    def bind(self) -> None:
        """Takes the addresses of `bind` and `unixsocket`. CannotListen: one of them is not free."""
        try:
            if self.port != 0:
                for address in self.config.words("bind") or ["*"]:
                    self._bind_address(address)
                if not self._sockets:
                    raise CannotListen(
                        f"no address of `bind {self.config.printed('bind')}` exists here"
                    )
            path = self.config.text("unixsocket")
            if path:
                self._bind_unix(path)
        except BaseException:
            self._close_sockets()
            raise

    def _bind_address(self, address: str) -> None:
        optional = address.startswith("-")
        host = address.removeprefix("-")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        shown = host.replace("::*", "::")
        place = f"[{shown}]:{self.port}" if ":" in shown else f"{shown}:{self.port}"
        try:
            found = socket.getaddrinfo(
                None if host in ("*", "::*") else host,
                self.port,
                family,
                socket.SOCK_STREAM,
                flags=socket.AI_PASSIVE,
            )
            listener = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            if optional:
                return
            raise CannotListen(f"{place}: {error.strerror}; check `bind`") from error
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(found[0][4])
        except OSError as error:
            listener.close()
            if optional and error.errno in ABSENT:
                return
            raise CannotListen(
                f"{place}: {str(error.strerror).lower()}; stop what uses the port, or choose"
                " another with --port"
            ) from error
        listener.setblocking(False)
        self._sockets.append(listener)
        self.addresses.append(place)

    def _bind_unix(self, path: str) -> None:
        try:
            if os.path.exists(path):
                os.unlink(path)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._unix = listener
            listener.bind(path)
            mode = self.config.number("unixsocketperm")
            if mode:
                os.chmod(path, mode)
        except OSError as error:
            raise CannotListen(f"{path}: {str(error.strerror).lower()}") from error
        listener.setblocking(False)

    async def listen(self) -> None:
        """From now on clients can connect."""
        loop = asyncio.get_running_loop()
        self._loop = loop
        backlog = self.config.number("tcp-backlog")
        for listener in self._sockets:
            self._listeners.append(
                await loop.create_server(self._connection, sock=listener, backlog=backlog)
            )
        if self._unix is not None:
            self._listeners.append(
                await loop.create_unix_server(self._connection, sock=self._unix, backlog=backlog)
            )

    def _connection(self) -> Any:
        return Connection(self.hub)

    def _close_sockets(self) -> None:
        for listener in self._sockets:
            listener.close()
        self._sockets = []
        if self._unix is not None:
            self._unix.close()

    # --- clients ------------------------------------------------------------------------------

    def _call_soon(self, callback: Callable[[], None]) -> object:
        assert self._loop is not None
        return self._loop.call_soon(callback)

    def _welcome(self, connection: Connection) -> bytes:
        transport = connection.transport
        peer = transport.get_extra_info("peername")
        unix = not isinstance(peer, tuple)
        if unix:
            path = self.config.text("unixsocket")
            connection.peer = connection.own = f"{path}:0"
        else:
            own = transport.get_extra_info("sockname")
            connection.peer = printed_address(peer)
            connection.own = printed_address(own)
        if len(self.hub.connections) >= self.max_clients:
            return FULL
        if not unix:
            if self.is_denied(peer[0]):
                return DENIED
            self._keep_alive(transport.get_extra_info("socket"))
        _log.debug("client accepted", peer=connection.peer)
        return b""

    def is_denied(self, host: str) -> bool:
        """Does protected mode refuse a client from this address?"""
        if not self.config.yes("protected-mode") or self.engine.password:
            return False
        return not (host.startswith("127.") or host == "::1")

    def _keep_alive(self, client: Any) -> None:
        seconds = self.config.number("tcp-keepalive")
        if seconds == 0 or client is None:
            return
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, seconds)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, seconds // 3))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)

    def _notice(self, what: str, connection: Connection, details: str) -> None:
        _log.warning(what, peer=connection.peer, id=int(connection.number), details=details)

    def _failed(self, connection: Connection, error: Exception) -> None:
        command = connection.session.last_command.decode("latin-1")
        _log.error("command failed inside", peer=connection.peer, after=command, exc_info=error)

    # --- directives ---------------------------------------------------------------------------

    def configure(self) -> None:
        """Takes over the directives that may change at run time."""
        config = self.config
        hub = self.hub
        hub.bulk_max = config.number("proto-max-bulk-len")
        hub.query_max = config.number("client-query-buffer-limit")
        for kind, hard, soft, seconds in config.rows("client-output-buffer-limit"):
            if kind in ("normal", "pubsub"):
                limits = hub.normal if kind == "normal" else hub.pubsub
                limits.hard = int(hard)
                limits.soft = int(soft)
                limits.soft_s = float(seconds)
        for connection in hub.connections.values():
            connection.parser.max_bulk = hub.bulk_max
        self.set_max_clients(config.number("maxclients"))

    def set_max_clients(self, wanted: int) -> bool:
        """Makes room for so many clients; False, with a lower limit, where there is less."""
        needed = wanted + RESERVED_FILES
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY and soft < needed:
            allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
                soft = allowed
            except (OSError, ValueError):
                pass  # the present limit stays
            if soft < needed:
                self.max_clients = max(1, soft - RESERVED_FILES)
                _log.warning(
                    "fewer clients than maxclients: the limit on open files is too low",
                    maxclients=wanted, possible=self.max_clients, open_files=soft,
                )  # fmt: skip
                return False
        self.max_clients = wanted
        return True

    def counters(self) -> dict[str, int]:
        """What was counted since the start or the last reset, by the names of INFO stats."""
        hub = self.hub
        return {
            "total_connections_received": int(hub.received),
            "rejected_connections": int(hub.refused),
            "total_net_input_bytes": int(hub.input_bytes),
            "total_net_output_bytes": int(hub.output_bytes),
            "total_reads_processed": int(hub.reads),
            "total_writes_processed": int(hub.writes),
            "client_query_buffer_limit_disconnections": int(hub.query_limit_closed),
            "client_output_buffer_limit_disconnections": int(hub.output_limit_closed),
        }

    def reset_counters(self) -> None:
        """CONFIG RESETSTAT."""
        hub = self.hub
        hub.received = 0
        hub.refused = 0
        hub.input_bytes = 0
        hub.output_bytes = 0
        hub.reads = 0
        hub.writes = 0
        hub.query_limit_closed = 0
        hub.output_limit_closed = 0

    # --- upkeep and end -----------------------------------------------------------------------

    def sweep(self) -> None:
        """Once a second: closes idle clients, and those that do not read what closes them."""
        engine = self.engine
        hub = self.hub
        timeout = self.config.number("timeout")
        for connection in list(hub.closing.values()):
            if engine.time_s - connection.closing_s > LINGER_S:
                connection.abort()
        for connection in list(hub.connections.values()):
            session = connection.session
            if connection.behind:
                connection.check_output()
            if timeout and engine.time_s - session.active_s > timeout:
                waits = session.flags & (BLOCKED | FOLLOWER) or connection.receiver is not None
                if not waits and not session.channels and not session.patterns:
                    connection.close("idle")

    def quit(self) -> None:
        """At once: nobody is accepted and no further command is executed."""
        for listener in self._listeners:
            listener.close()
        self.hub.stopped = True
        for connection in self.hub.connections.values():
            if connection.busy:  # the client of SHUTDOWN: what it sent behind that is not run
                connection.session.flags |= CLOSING

    async def stop(self) -> None:
        """Sends what is waiting, within a limit, and closes every connection."""
        self.quit()
        hub = self.hub
        empty = asyncio.Event()
        hub.left = empty.set
        for connection in list(hub.connections.values()):
            connection.close("")
        try:
            if hub.connections:
                await asyncio.wait_for(empty.wait(), FLUSH_S)
        except TimeoutError:
            pass  # who has not read by now is cut off
        for connection in list(hub.connections.values()):
            connection.abort()
        self._close_sockets()
        path = self.config.text("unixsocket")
        if path and os.path.exists(path):
            os.unlink(path)


def printed_address(address: Any) -> str:
    """host:port, with brackets around IPv6."""
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
