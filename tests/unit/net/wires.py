"""A connection without a socket: a transport that keeps what is written, a loop turned by hand."""

from collections.abc import Callable
from typing import Any

import conf
from mesh.clock import HybridClock
from node.commands.table import load
from node.engine import Engine
from node.net.connection import Connection, Hub
from node.ports import Resolver


class FakeTransport:
    """What a connection needs of a transport."""

    def __init__(self) -> None:
        self.sent = b""
        self.writes = 0
        self.waiting = 0  # bytes that the client has not taken
        self.reading = True
        self.closed = False
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.sent += data
        self.writes += 1

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        self.high = high

    def pause_reading(self) -> None:
        assert self.reading, "paused twice"
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading, "resumed twice"
        self.reading = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def get_extra_info(self, name: str) -> Any:
        return {"peername": ("127.0.0.1", 50000), "sockname": ("127.0.0.1", 6379)}.get(name)


class Wires:
    """An engine with connections; the loop's turns are `turn()`."""

    def __init__(self, *directives: str) -> None:
        load()
        config = conf.load([*directives]).config
        self.engine = Engine(config, HybridClock(), Resolver())
        self.callbacks: list[Callable[[], None]] = []
        self.notices: list[str] = []
        self.failures: list[Exception] = []
        self.refusal = b""
        self.hub = Hub(
            self.engine,
            self.callbacks.append,
            lambda connection: self.refusal,
            lambda what, connection, details: self.notices.append(what),
            lambda connection, error: self.failures.append(error),
        )

    def connect(self) -> tuple[Connection, FakeTransport]:
        """A new client."""
        connection = Connection(self.hub)
        transport = FakeTransport()
        connection.connection_made(transport)
        return connection, transport

    def turn(self) -> bool:
        """One turn of the loop; False when nothing was scheduled."""
        waiting, self.callbacks[:] = list(self.callbacks), []
        for callback in waiting:
            callback()
        return bool(waiting)


def request(*words: bytes) -> bytes:
    """One command as a client sends it."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words)
