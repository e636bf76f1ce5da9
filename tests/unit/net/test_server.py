"""Addresses, protected mode, limits and upkeep of the server, without waiting for anything."""

import socket
from pathlib import Path

import pytest

import conf
from mesh.clock import HybridClock
from node.commands.table import load
from node.engine import Engine
from node.net.cron import Rate
from node.net.server import LINGER_S, CannotListen, Server, printed_address
from node.ports import Resolver
from tests.support.ports import free_port
from tests.unit.net.wires import FakeTransport, request


def server_of(*directives: str) -> Server:
    """A server that does not listen."""
    load()
    config = conf.load([*directives]).config
    return Server(config, Engine(config, HybridClock(), Resolver()))


def bound(*directives: str) -> list[str]:
    """The addresses a server takes; they are let go at once."""
    server = server_of(*directives)
    server.bind()
    server._close_sockets()
    return server.addresses


def test_it_binds_all_named_addresses() -> None:
    port = str(free_port())
    assert bound("--port", port, "--bind", "127.0.0.1 127.0.0.2") == [
        f"127.0.0.1:{port}",
        f"127.0.0.2:{port}",
    ]


def test_an_address_with_a_hyphen_may_be_absent() -> None:
    port = str(free_port())
    assert bound("--port", port, "--bind", "127.0.0.1 -192.0.2.1 -2001:db8::1") == [
        f"127.0.0.1:{port}"
    ]


def test_an_address_without_it_may_not() -> None:
    with pytest.raises(CannotListen, match=r"192\.0\.2\.1:\d+: cannot assign"):
        bound("--port", str(free_port()), "--bind", "127.0.0.1 192.0.2.1")


def test_the_default_is_every_address() -> None:
    port = str(free_port())
    assert f"*:{port}" in bound("--port", port)


def test_a_port_that_is_taken_is_named_with_a_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(CannotListen, match=f"127.0.0.1:{port}: address already in use; stop"):
            bound("--port", str(port), "--bind", "127.0.0.1")


def test_a_unix_socket_replaces_a_stale_file_and_has_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("left behind")
    server = server_of("--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700")
    server.bind()
    assert path.is_socket() and path.stat().st_mode & 0o777 == 0o700
    server._close_sockets()


@pytest.mark.parametrize(
    ("directives", "host", "denied"),
    [
        ((), "127.0.0.1", False),
        ((), "127.1.2.3", False),
        ((), "::1", False),
        ((), "10.0.0.1", True),
        ((), "2001:db8::1", True),
        (("--protected-mode", "no"), "10.0.0.1", False),
        (("--requirepass", "secret"), "10.0.0.1", False),
    ],
)
def test_protected_mode(directives: tuple[str, ...], host: str, denied: bool) -> None:
    assert server_of(*directives).is_denied(host) is denied


def test_limits_come_from_the_directives_and_change_with_them() -> None:
    server = server_of("--client-output-buffer-limit", "pubsub 1mb 512kb 7")
    assert (server.hub.pubsub.hard, server.hub.pubsub.soft, server.hub.pubsub.soft_s) == (
        1048576,
        524288,
        7.0,
    )
    server.config.set("client-query-buffer-limit", ["2mb"])
    server.configure()
    assert server.hub.query_max == 2097152


def test_more_clients_than_the_system_allows_are_not_promised() -> None:
    server = server_of()
    assert not server.set_max_clients(2**31)
    assert 0 < server.max_clients < 2**31


def connect(server: Server) -> FakeTransport:
    """A client of the server."""
    connection = server._connection()
    transport = FakeTransport()
    connection.connection_made(transport)
    transport.connection = connection  # type: ignore[attr-defined]
    return transport


def test_idle_clients_are_closed_and_subscribers_are_not() -> None:
    server = server_of("--timeout", "10")
    server.engine.wake(1000.0)
    idle, subscriber, busy = connect(server), connect(server), connect(server)
    subscriber.connection.data_received(request(b"SUBSCRIBE", b"c"))  # type: ignore[attr-defined]
    start_s = server.engine.time_s
    server.engine.wake(start_s + 11.0)
    busy.connection.session.active_s = start_s + 5.0  # type: ignore[attr-defined]
    server.sweep()
    assert (idle.closed, subscriber.closed, busy.closed) == (True, False, False)


def test_a_closing_client_that_does_not_read_is_dropped() -> None:
    server = server_of()
    transport = connect(server)
    transport.connection.close("killed")  # type: ignore[attr-defined]
    server.engine.wake(server.engine.time_s + LINGER_S - 1)
    server.sweep()
    assert not transport.aborted
    server.engine.wake(server.engine.time_s + 2)
    server.sweep()
    assert transport.aborted


def test_addresses_are_printed_as_redis_does() -> None:
    assert printed_address(("10.0.0.1", 6379)) == "10.0.0.1:6379"
    assert printed_address(("::1", 6379, 0, 0)) == "[::1]:6379"


def test_a_rate_is_the_growth_per_second_and_survives_a_reset() -> None:
    rate = Rate()
    assert rate.per_second() == 0.0
    rate.sample(10.0, 0)
    rate.sample(12.0, 500)
    assert rate.per_second() == 250.0
    rate.sample(13.0, 3)
    assert rate.per_second() == 0.0
