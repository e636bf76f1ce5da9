"""The composition root: configuration, engine, mesh agent, files, sockets, admin page, and the end.

    python -m node conf/examples/minimal.conf --port 7000

Exit status 0 after SHUTDOWN or a signal, 1 when the start failed or a second SIGINT insisted.
"""

from __future__ import annotations

import asyncio
import contextlib
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
from mesh.aof import AppendOnly
from mesh.aof_load import LogLoader
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
from node.net.gate import ReplyGate
from node.net.server import CannotListen, Server
from node.persist.aof_files import AofError
from node.persist.aof_store import AofStore
from node.persist.aof_worker import Worker
from node.persist.loader import Loaded, Loader, LoadError
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
        self.aof = AppendOnly(
            config, self.engine, self.mesh.member, ReplyGate(self.server.hub), self._soon,
            self._later, time.monotonic,
        )  # fmt: skip
        self.worker = Worker(self._from_thread)
        self.aof.store = AofStore(
            config, self.snapshots, self.worker, self._in_thread, time.monotonic, self.aof,
            self.pid,
        )  # fmt: skip
        self.shell = NodeShell(config, self.engine, self.saver, self)
        self.engine.shell = self.shell
        self.mesh.snapshots = self.snapshots
        self.mesh.held_on_disk = self._held
        self.mesh.keeps = self._keeps
        self.mesh.member.cap.save = self._save_for_the_cut
        self.mesh.waits.logged = self.aof.logged
        self.aof.moved = self.mesh.log_moved
        self.saver.vector = self.mesh.member.vector
        self.mesh.joining.save = self._save_if_kept
        self.mesh.packed_status = lambda: pack_status(self.shell.status(), self.mesh_status())
        self.cron = Cron(self.engine, self.server, self._tick)
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
        try:
            self._load_data()
        except (AofError, LoadError) as error:
            raise StartError(f"cannot load the data: {error}") from error
        settle_memory()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        await self._start_admin()
        try:
            # Before the first client: every write of an active node has a dot.
            await self.mesh.start()
            if self.config.yes("appendonly"):
                self.mesh.activate_now()
        except AofError as error:
            raise StartError(f"cannot begin the append-only file: {error}") from error
        self.aof.started()
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
        self.mesh.saved()
        self.aof.close()
        self.worker.close()
        await self.server.stop()
        _log.info("Plexis is now ready to exit, bye bye")

    def _load_data(self) -> None:
        """The append-only file where it is on and there is one, else the RDB file.

        LoadError, AofError.
        """
        began_s = time.monotonic()
        told_s = began_s

        def progress(file: str, done: int) -> None:
            nonlocal told_s
            if time.monotonic() - told_s >= PROGRESS_S:
                told_s = time.monotonic()
                _log.info("loading", file=file, bytes=done)

        log_on = self.config.yes("appendonly")
        folder = self.aof.store.folder
        manifest = folder.read() if log_on else None
        if manifest is None:
            path = self.saver.path()
            found = self._load_file(path, progress)
        else:
            path = folder.manifest_path
            loader = LogLoader(
                self.config, self.engine, self.mesh.member, folder, file_head, progress
            )
            found = loader.load(manifest)
            _log.info("replayed", frames=loader.frames)
        if found is not None:
            _log.info(
                "loaded", file=str(path), expired=found.expired,
                keys=sum(int(db.keys.size) for db in self.engine.databases),
                bytes=found.bytes, seconds=round(time.monotonic() - began_s, 3),
            )  # fmt: skip
        if log_on:
            self.aof.start(manifest)

    def _load_file(self, path: Path, progress: Callable[[str, int], None]) -> Loaded | None:
        """The RDB file; None where there is none. LoadError."""
        loader = Loader(
            self.engine.databases, self.mesh.metadata, int(self.engine.now.ms),
            keep_expired=self.config.yes("active-replica"), phase=int(self.engine.writer.phase),
            verify_checksum=self.config.yes("rdbchecksum"), member=self.mesh.member.member_id,
        )  # fmt: skip
        try:
            found = loader.load(path, lambda done, total: progress(str(path), done))
        except FileNotFoundError:
            return None
        self.engine.clock.observe(found.last_stamp)
        if self.mesh.metadata.loaded_dots:
            self.saver.saved_vector = self.mesh.member.vector()
        self.saver.last_save_s = path.stat().st_mtime
        return found

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
        if name == "appendonly":
            if self.config.yes(name):
                return self.aof.turn_on()
            self.aof.turn_off()
        self.aof.store.configure()
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
        self.mesh.given.reset()

    def log_state(self) -> tuple[bool, bool, int]:
        store = self.aof.store
        return store.on, not store.log.broken, store.size_bytes

    def mesh_info(self, section: str) -> Fields:
        if section == "persistence":
            return self.aof.store.info()
        if section == "replication":
            return self.mesh.replication.info()
        if section == "stats":
            given = self.mesh.given
            return [
                ("sync_full", given.full), ("sync_partial_ok", given.partial),
                ("sync_partial_err", given.refused),
            ]  # fmt: skip
        return []

    def with_followers(self, status: NodeStatus) -> NodeStatus:
        return self.mesh.replication.with_followers(status)

    def mesh_role(self) -> list[object] | None:
        return self.mesh.replication.role()

    def held_more(self) -> None:
        self.mesh.forgetting.held_more()

    def _save_if_kept(self) -> None:
        """The state was replaced: a node that saves at times does so now."""
        if self.config.rows("save") and not self.saver.in_progress:
            self.saver.save_in_background()

    def _held(self) -> dict[bytes, int] | None:
        """What a restart would find, by stream: the append-only file's, else the last save's."""
        held = self.aof.held_vector()
        return self.saver.saved_vector if held is None else held

    def _keeps(self) -> bool:
        """Is what is written kept on the disk at all? What is saved by hand is of one day."""
        return self.aof.store.on or bool(self.config.rows("save"))

    def _save_for_the_cut(self) -> None:
        """The mesh waits for our disk; a log moves on by itself."""
        if self.config.yes("appendonly") or not self._keeps() or self.saver.in_progress:
            return
        _log.info("saving, since the mesh remembers much for what is not on our disk")
        with contextlib.suppress(SaveError):  # noted and logged by the saver
            self.saver.save_in_background()

    def mesh_status(self) -> MeshStatus:
        """The mesh's numbers of this moment."""
        return self.mesh.status()

    # --- the loop, for those who do not know it -----------------------------------------------

    def _tick(self) -> None:
        self.shell.tick()
        self.aof.tick()

    def _soon(self, callback: Callable[[], None]) -> object:
        assert self._loop is not None
        return self._loop.call_soon(callback)

    def _later(self, seconds: float, callback: Callable[[], None]) -> object:
        assert self._loop is not None
        return self._loop.call_later(seconds, callback)

    def _from_thread(self, callback: Callable[[], None]) -> object:
        assert self._loop is not None
        return None if self._loop.is_closed() else self._loop.call_soon_threadsafe(callback)

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
