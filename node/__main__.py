"""The composition root: configuration, engine, mesh agent, files, sockets, admin page, and the end.

    python -m node conf/examples/minimal.conf --port 7000

Exit status 0 after SHUTDOWN or a signal, 1 when the start failed or a second SIGINT insisted.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

import structlog
import uvloop

import conf
from admin_ui import app as admin_page
from admin_ui.auth import BindRefused
from admin_ui.source import PeerAccess, StatusSource
from conf import PLEXIS_VERSION, REDIS_VERSION, Config, ConfigError
from mesh.agent import Agent
from mesh.clock import HybridClock
from mesh.dots import Streams
from mesh.identity import IdentityError, stream_uuid
from mesh.merge.resolver import StampResolver
from mesh.status import MeshStatus, pack_status
from node import log
from node.build import compiled
from node.commands.table import load as load_commands
from node.engine import Engine
from node.net.cron import Cron, settle_memory
from node.net.server import CannotListen, Server
from node.persist.loader import Loader, LoadError
from node.persist.saver import SaveError, Saver
from node.persist.snapshot import Snapshots
from node.shell import Fields, NodeShell, Outside
from node.status import NodeStatus

# Keys of one slice of a snapshot: below a millisecond, so that clients do not notice.
SNAPSHOT_KEYS: Final = 2000 if compiled() else 200
# A long load says how far it is, this often.
PROGRESS_S: Final = 5.0

_log = structlog.get_logger("node")


class StartError(Exception):
    """The node cannot start; the text says why and what to do."""


class Node(Outside):
    """One node, put together by its constructor; `run` is its whole life."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.run_id = secrets.token_hex(20)
        self.pid = os.getpid()
        self.executable = sys.executable
        self.started_s = time.time()
        uuid = stream_uuid()
        self.stream = uuid.hex()
        streams = Streams(uuid)
        resolver = StampResolver(streams)
        self.engine = Engine(config, HybridClock(), resolver, seed=secrets.randbits(62))
        self.engine.wake(self.started_s)
        self.mesh = Agent(config, self.engine, resolver, streams, config.text("dir"))
        self.member_id = self.mesh.member.member_id.decode()
        self.name = self.mesh.name()
        load_commands(self.mesh.commands)
        self.server = Server(config, self.engine)
        self.port = config.number("port")
        self.host = config.text("replica-announce-ip") or self.host
        self.snapshots = Snapshots(
            self.engine.writer, self.engine.databases, self.mesh.metadata, file_head, self._soon,
            SNAPSHOT_KEYS,
        )  # fmt: skip
        self.saver = Saver(
            config, self.engine.writer, self.snapshots, self._in_thread, time.time, self.pid
        )
        self.shell = NodeShell(config, self.engine, self.saver, self)
        self.engine.shell = self.shell
        self.mesh.snapshots = self.snapshots
        self.mesh.packed_status = lambda: pack_status(self.shell.status(), self.mesh_status())
        self.cron = Cron(self.engine, self.server, self.shell.tick)
        self.admin: admin_page.Handle | None = None
        self._ended = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._interrupted = False
        self._tasks: set[asyncio.Task[None]] = set()

    # --- from start to end --------------------------------------------------------------------

    async def run(self) -> None:
        """Starts, serves until it is told to stop, and ends in good order. StartError."""
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(log_failure)
        _log.info(
            "Plexis is starting", version=PLEXIS_VERSION, speaks=f"Redis {REDIS_VERSION}",
            build="compiled" if compiled() else "pure Python", pid=self.pid, port=self.port,
            config=self.config.file or "none",
        )  # fmt: skip
        try:
            self.server.bind()
        except CannotListen as error:
            raise StartError(f"cannot listen on {error}") from error
        self.addresses = self.server.addresses
        self._load_data()
        settle_memory()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        await self._start_admin()
        await self.mesh.start()  # before the first client: every write of an active node has a dot
        await self.server.listen()
        self.cron.start()
        _log.info("Ready to accept connections", addresses=", ".join(self.addresses))
        tell_supervisor(self.config.text("supervised"))
        await self._ended.wait()
        await self._end()

    async def _end(self) -> None:
        self.cron.stop()
        if self.admin is not None:
            await self.admin.stop()
        await self.mesh.stop()
        if self.engine.writer.dirty and self.saver.saves and self.config.rows("save"):
            try:
                self.saver.save()  # what peers sent while we took leave
            except SaveError as error:
                _log.warning("the last changes of peers are not saved", reason=str(error))
        await self.server.stop()
        _log.info("Plexis is now ready to exit, bye bye")

    def _load_data(self) -> None:
        path = self.saver.path()
        loader = Loader(
            self.engine.databases, self.mesh.metadata, int(self.engine.now.ms),
            keep_expired=self.config.yes("active-replica"), phase=int(self.engine.writer.phase),
            verify_checksum=self.config.yes("rdbchecksum"), member=self.mesh.member.member_id,
        )  # fmt: skip
        began_s = time.monotonic()
        told_s = began_s

        def progress(done: int, total: int) -> None:
            nonlocal told_s
            if time.monotonic() - told_s >= PROGRESS_S:
                told_s = time.monotonic()
                _log.info("loading", file=str(path), percent=100 * done // max(total, 1))

        try:
            found = loader.load(path, progress)
        except FileNotFoundError:
            return
        except LoadError as error:
            raise StartError(f"cannot load the data: {error}") from error
        self.engine.clock.observe(found.last_stamp)
        self.saver.last_save_s = path.stat().st_mtime
        _log.info(
            "loaded", file=str(path), keys=found.keys, expired=found.expired, bytes=found.bytes,
            seconds=round(time.monotonic() - began_s, 3),
        )  # fmt: skip

    async def _start_admin(self) -> None:
        bind = self.config.text("admin-bind")
        if not bind:
            return
        password = self.config.text("admin-password")
        access = PeerAccess(self.config.text("masteruser"), self.config.text("masterauth"))
        try:
            self.admin = await admin_page.start(Source(self), bind, password, peers=access)
        except BindRefused as error:
            raise StartError(f"admin page: {error}") from error
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            problem = f"the admin page cannot listen on {bind}: {reason.lower()}"
            if self.config.place("admin-bind") is not None:
                raise StartError(f'{problem}; choose another admin-bind, or "" for none') from error
            _log.warning(f"{problem}; the node runs without it")

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """An end in good order, in the loop; a second SIGINT ends at once, also in a save."""
        if number == signal.SIGINT and self._interrupted:
            _log.warning("second SIGINT: exiting now")
            self.saver.clear()
            os._exit(1)
        self._interrupted = number == signal.SIGINT
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._asked_to_end, number)

    def _asked_to_end(self, number: int) -> None:
        if self.stopping:
            return
        name = signal.Signals(number).name
        _log.warning("received a signal, shutting down", signal=name)
        options = self.config.words(f"shutdown-on-{name.lower()}")
        save = True if "save" in options else False if "nosave" in options else None
        self.shell.shutdown(save, "now" in options, "force" in options)
        self._interrupted = self.stopping and self._interrupted

    # --- Outside ------------------------------------------------------------------------------

    def stop(self) -> None:
        self.stopping = True
        self.server.quit()
        self._ended.set()

    def configure(self, name: str) -> str:
        server = self.server
        server.configure()
        if name == "maxclients" and server.max_clients < self.config.number(name):
            return (
                "The operating system is not able to handle the specified number of clients, try"
                f" with {server.max_clients}"
            )
        self.cron.hz = self.config.number("hz")
        return self.mesh.configure(name)

    def memory(self) -> tuple[int, int]:
        return self.cron.memory_bytes, self.cron.memory_peak_bytes

    def wake_at(self, ms: int) -> None:
        self.cron.wake_at(ms)

    def lag_ms(self) -> float:
        return self.cron.loop_lag_ms

    def counters(self) -> dict[str, float]:
        return {**self.server.counters(), **self.cron.rates()}

    def reset_counters(self) -> None:
        self.server.reset_counters()

    def mesh_info(self, section: str) -> Fields:
        if section == "replication":
            return self.mesh.replication.info()
        if section == "stats":
            return [
                ("sync_full", self.mesh.sync_full),
                ("sync_partial_ok", self.mesh.sync_partial_ok),
            ]
        return []

    def mesh_role(self) -> list[object] | None:
        return self.mesh.replication.role()

    def mesh_status(self) -> MeshStatus:
        """The mesh's numbers of this moment."""
        return self.mesh.status()

    # --- the loop, for those who do not know it -----------------------------------------------

    def _soon(self, callback: Callable[[], None]) -> object:
        assert self._loop is not None
        return self._loop.call_soon(callback)

    def _in_thread(
        self, work: Callable[[], None], then: Callable[[OSError | None], None]
    ) -> None:
        async def carry_out() -> None:
            assert self._loop is not None
            problem: OSError | None = None
            try:
                await self._loop.run_in_executor(None, work)
            except OSError as error:
                problem = error
            then(problem)

        assert self._loop is not None
        task = self._loop.create_task(carry_out())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Source(StatusSource):
    """What the admin page shows of this node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def snapshot(self) -> tuple[NodeStatus, MeshStatus]:
        return self._node.shell.status(), self._node.mesh_status()


def log_failure(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What nobody caught goes to the log with its stack; the node goes on."""
    error = context.get("exception")
    _log.error("failure inside", what=str(context.get("message", "")), exc_info=error)


def file_head() -> list[tuple[bytes, bytes]]:
    """The fields at the head of a data file that say who wrote it."""
    return [
        (b"redis-ver", REDIS_VERSION.encode()),
        (b"redis-bits", b"64"),
        (b"ctime", b"%d" % int(time.time())),
        (b"plexis-ver", PLEXIS_VERSION.encode()),
    ]


def tell_supervisor(kind: str) -> None:
    """Tells systemd that the node is ready (`supervised systemd` or auto; sd_notify(3))."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if kind not in ("systemd", "auto") or not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.sendto(b"READY=1\nSTATUS=Ready to accept connections\n", address)
    except OSError as error:
        _log.warning("systemd could not be told that the node is ready", reason=str(error))


async def serve(config: Config) -> int:
    """One node's life; the exit status."""
    try:
        await Node(config).run()
    except (StartError, IdentityError) as error:
        _log.error(str(error))
        print(f"plexis-server: {error}", file=sys.stderr)
        return 1
    return 0


def enter_folder(config: Config) -> None:
    """Makes `dir` the working directory, as Redis does. StartError."""
    try:
        os.chdir(config.text("dir"))
    except OSError as error:
        raise StartError(
            f"cannot enter the data directory {config.text('dir')}: {str(error.strerror).lower()}"
        ) from error
    config.set("dir", [str(Path.cwd())])


def main(argv: list[str] | None = None) -> int:
    """plexis-server: the exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        stdin = sys.stdin.read() if conf.wants_stdin(arguments) else None
        loaded = conf.load(arguments, stdin)
        if loaded.action != "run":
            print(loaded.text, end="")
            return 0
        config = loaded.config
        enter_folder(config)
        log.set_up(config.text("loglevel"), config.text("logfile"))
        pid_file = config.text("pidfile")
        if pid_file:
            Path(pid_file).write_text(f"{os.getpid()}\n")
    except (ConfigError, StartError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"plexis-server: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    if config.yes("crash-log-enabled"):
        faulthandler.enable()
    for warning in loaded.warnings:
        _log.warning(warning)
    try:
        return uvloop.run(serve(config))
    finally:
        if pid_file:
            Path(pid_file).unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
