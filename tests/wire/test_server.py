"""A real process on real sockets: raw bytes, limits, refusals, signals, redis-benchmark."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers import ROOT, Client, Ours, wait_until

pytestmark = pytest.mark.wire
QUIET = ("--admin-bind", "", "--save", "")


@pytest.fixture(scope="module")
def server() -> Iterator[Ours]:
    with Ours(*QUIET, "--enable-debug-command", "yes") as running:
        yield running


def raw(port: int) -> socket.socket:
    """A plain socket to the server."""
    return socket.create_connection(("127.0.0.1", port), timeout=10.0)


def read_all(line: socket.socket) -> bytes:
    """Everything until the server closes."""
    data = b""
    while piece := line.recv(65536):
        data += piece
    return data


def read_exactly(line: socket.socket, size: int) -> bytes:
    """So many bytes."""
    data = b""
    while len(data) < size:
        piece = line.recv(min(65536, size - len(data)))
        assert piece, f"closed after {data!r}"
        data += piece
    return data


def info(port: int, section: str) -> dict[str, str]:
    """One section of INFO."""
    with Client(port) as client:
        text = client.call("INFO", section).text.decode()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


def test_pipelines_and_inline_commands_are_answered_in_order(server: Ours) -> None:
    with raw(server.port) as line:
        line.sendall(b"SET raw 1\r\nINCR raw\r\n*2\r\n$3\r\nGET\r\n$3\r\nraw\r\nPING\r\n")
        assert read_exactly(line, 21) == b"+OK\r\n:2\r\n$1\r\n2\r\n+PONG"


def test_a_command_may_come_byte_by_byte(server: Ours) -> None:
    with raw(server.port) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n":
            line.sendall(bytes([byte]))
        assert read_exactly(line, 11) == b"$5\r\nhello\r\n"


def test_a_hundred_thousand_commands_sent_before_anything_is_read(server: Ours) -> None:
    # Clients do this: the server must neither stop reading nor lose a reply.
    count = 100_000
    with raw(server.port) as line:
        line.sendall(b"PING\r\n" * count)
        assert read_exactly(line, 7 * count) == b"+PONG\r\n" * count


def test_others_are_served_while_one_client_s_pipeline_runs(server: Ours) -> None:
    with raw(server.port) as busy, server.client() as other:
        busy.sendall(b"PING\r\n" * 200_000)
        assert other.call("PING").text == b"PONG"
        served = int(info(server.port, "stats")["total_commands_processed"])
        assert served < 200_000, "the pipeline ran as one piece"
        read_exactly(busy, 7 * 200_000)


def test_a_value_of_megabytes_comes_back(server: Ours) -> None:
    value = os.urandom(1 << 20) * 8
    with server.client() as client:
        assert client.call("SET", "large", value).text == b"OK"
        assert client.call("GET", "large").text == value


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"*1\r\n:5\r\n", b"-ERR Protocol error: expected '$', got ':'\r\n"),
        (b"*99999999999\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1\r\n$-5\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (b'SET "unbalanced\r\n', b"-ERR Protocol error: unbalanced quotes in request\r\n"),
        (b"x" * 70_000, b"-ERR Protocol error: too big inline request\r\n"),
    ],
)
def test_a_protocol_error_is_named_and_ends_the_connection(
    server: Ours, sent: bytes, answered: bytes
) -> None:
    with raw(server.port) as line:
        line.sendall(sent)
        assert read_all(line) == answered


def test_a_client_that_does_not_read_is_held_back_and_loses_nothing(server: Ours) -> None:
    # 200 MB of replies: more than the server is willing to hold for one client.
    value = b"v" * 1_000_000
    with server.client() as client:
        client.call("SET", "v", value)
    with raw(server.port) as line:
        line.sendall(b"GET v\r\n" * 200)
        with server.client() as other:
            listed = other.call("CLIENT", "LIST").text.decode()
        waiting = max(int(found) for found in re.findall(r"omem=(\d+)", listed))
        assert waiting < 80_000_000
        reply = b"$1000000\r\n" + value + b"\r\n"
        for _ in range(200):
            assert read_exactly(line, len(reply)) == reply


def test_the_output_limit_closes_a_client_that_does_not_read() -> None:
    limit = ("--client-output-buffer-limit", "normal 5mb 0 0")
    with Ours(*QUIET, *limit) as server, server.client() as other:
        other.call("SET", "v", b"v" * 1_000_000)
        with raw(server.port) as line:
            line.sendall(b"GET v\r\n" * 100)
            wait_until(
                lambda: info(server.port, "stats")["client_output_buffer_limit_disconnections"]
                == "1",
                "the client to be closed",
            )
            with pytest.raises((ConnectionError, AssertionError)):
                read_exactly(line, 100 * 1_000_000)
        assert "client-output-buffer-limit" in server.output()


def test_too_many_clients_are_told_so() -> None:
    with Ours(*QUIET, "--maxclients", "2") as server:
        with server.client() as first, server.client() as second:
            first.call("PING")
            second.call("PING")
            with raw(server.port) as third:
                assert read_all(third) == b"-ERR max number of clients reached\r\n"
            assert first.call("CONFIG", "SET", "maxclients", "3").text == b"OK"
            with server.client() as third_again:
                assert third_again.call("PING").text == b"PONG"


def test_without_the_password_there_is_little_to_do() -> None:
    with Ours(*QUIET, "--requirepass", "secret") as server, server.client() as client:
        assert client.call("GET", "k").text == b"NOAUTH Authentication required."
        assert client.call("AUTH", "wrong").text.startswith(b"WRONGPASS")
        assert client.call("AUTH", "secret").text == b"OK"
        assert client.call("CONFIG", "SET", "requirepass", "other").text == b"OK"
        with server.client() as later:
            assert later.call("AUTH", "secret").text.startswith(b"WRONGPASS")
            assert later.call("AUTH", "other").text == b"OK"


def own_address() -> str:
    """An address of this machine that is not loopback, "" where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def test_protected_mode_answers_clients_of_other_hosts_with_denied() -> None:
    address = own_address()
    if address == "":
        address = "127.0.0.1"  # alone on the machine: the unit test has the rule, this the wire
    with Ours(*QUIET, "--bind", "0.0.0.0") as server:
        with socket.create_connection((address, server.port), timeout=10.0) as line:
            if address.startswith("127."):
                line.sendall(b"PING\r\n")
                assert read_exactly(line, 7) == b"+PONG\r\n"
            else:
                assert read_all(line).startswith(b"-DENIED Redis is running in protected mode")


def test_a_unix_socket_serves_too(tmp_path: Path) -> None:
    path = tmp_path / "node.sock"
    with Ours(*QUIET, "--unixsocket", str(path)) as server:
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(path))
            line.sendall(b"PING\r\n")
            assert read_exactly(line, 7) == b"+PONG\r\n"
        server.terminate()
        assert not path.exists()


def test_idle_clients_are_closed_after_the_timeout() -> None:
    with Ours(*QUIET, "--timeout", "1") as server, raw(server.port) as line:
        assert read_all(line) == b""


def test_killed_clients_are_closed(server: Ours) -> None:
    with server.client() as victim, server.client() as client:
        number = victim.call("CLIENT", "ID").text
        assert client.call("CLIENT", "KILL", "ID", number).text == b"1"
        assert read_all(victim.socket) == b""


def test_messages_reach_subscribers_on_other_connections(server: Ours) -> None:
    with server.client() as subscriber, server.client() as publisher:
        subscriber.call("SUBSCRIBE", "news")
        assert publisher.call("PUBLISH", "news", "hello").text == b"1"
        assert subscriber.receive().items[2].text == b"hello"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(how: signal.Signals) -> None:
    with Ours(*QUIET) as server, raw(server.port) as line:
        line.sendall(b"PING\r\n")
        assert read_exactly(line, 7) == b"+PONG\r\n"
        assert server.end(how) == 0
        assert read_all(line) == b""


def test_a_port_that_is_taken_ends_the_start_with_status_1(server: Ours, tmp_path: Path) -> None:
    again = start("--port", str(server.port), "--bind", "127.0.0.1", "--dir", str(tmp_path))
    assert again.returncode == 1
    assert f"cannot listen on 127.0.0.1:{server.port}: address already in use" in again.stderr


def test_a_directive_that_is_wrong_ends_the_start_with_status_1(tmp_path: Path) -> None:
    wrong = start("--port", "many", "--dir", str(tmp_path))
    assert wrong.returncode == 1 and "many" in wrong.stderr


def test_the_version_is_printed_as_scripts_expect_it() -> None:
    shown = start("--version")
    assert shown.returncode == 0 and re.search(r" v=\d+\.\d+\.\d+ ", shown.stdout)


def start(*words: str) -> subprocess.CompletedProcess[str]:
    """Runs the node until it ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "node", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30.0,
        check=False,
    )


def test_config_rewrite_brings_the_file_up_to_date_and_it_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "node.conf"
    path.write_text("# kept\nmaxclients 50\n")
    with Ours(str(path), *QUIET) as server:
        with server.client() as client:
            assert client.call("CONFIG", "SET", "maxclients", "77").text == b"OK"
            assert client.call("CONFIG", "SET", "timeout", "300").text == b"OK"
            assert client.call("CONFIG", "REWRITE").text == b"OK"
        text = path.read_text()
        assert text.startswith("# kept\nmaxclients 77\n") and "\ntimeout 300\n" in text
        server.restart()
        with server.client() as client:
            assert client.call("CONFIG", "GET", "timeout").items[-1].text == b"300"


def test_info_tells_what_only_the_process_knows(server: Ours) -> None:
    about = info(server.port, "server")
    assert int(about["process_id"]) == server.pid
    assert about["tcp_port"] == str(server.port) and len(about["run_id"]) == 40
    assert int(info(server.port, "memory")["used_memory_rss"]) > 1_000_000
    assert int(info(server.port, "stats")["total_connections_received"]) > 1


def test_redis_benchmark_runs_to_its_end(server: Ours) -> None:
    program = shutil.which("redis-benchmark")
    if program is None:
        assert not os.environ.get("CI"), "redis-benchmark is missing: run `make system`"
        return
    words = [program, "-p", str(server.port), "-t", "ping,set,get,incr,sadd,hset,mset"]
    done = subprocess.run(
        [*words, "-n", "2000", "-P", "4", "--csv"],
        capture_output=True,
        text=True,
        timeout=60.0,
        check=True,
    )
    rows = [line.split(",")[0].strip('"') for line in done.stdout.splitlines()[1:]]
    assert rows[1:7] == ["PING_MBULK", "SET", "GET", "INCR", "SADD", "HSET"]
    assert "WARNING" not in done.stderr

