"""NodeShell: the commands' way to files, sockets and process (the Shell of commands/context.py).

It knows no loop and no socket itself: `Outside` is what the composition root fills in. So SAVE,
SHUTDOWN and CONFIG SET behave the same over a socket and in a test that fills in its own.
"""

from __future__ import annotations

import os
import platform
import resource
from pathlib import Path
from typing import Final

from mypy_extensions import i64

from conf import PLEXIS_VERSION, REDIS_VERSION, Config
from conf.rewrite import rewrite
from node import log
from node.build import compiled
from node.commands.command import TABLE
from node.commands.context import Shell
from node.engine import Engine
from node.gates import IS_LOADING, IS_MISCONFIGURED
from node.info import human
from node.persist.saver import SaveError, Saver
from node.resp.replies import OK, Failure, Simple
from node.session import BLOCKED
from node.status import CommandStatus, DatabaseStatus, ErrorStatus, NodeStatus

STARTED: Final = Simple(b"Background saving started")
SCHEDULED: Final = Simple(b"Background saving scheduled")
IN_PROGRESS: Final = b"ERR Background save already in progress"
NOT_SAVED: Final = b"ERR the snapshot could not be written: %s"
STAYS: Final = Failure(b"ERR Errors trying to SHUTDOWN. Check logs.")

_log = log.logger("shell")
Fields = list[tuple[str, object]]


class Outside:
    """Facts and powers that only the composition root has."""

    def __init__(self) -> None:
        self.run_id = ""
        self.pid = 0
        self.executable = ""
        self.started_s = 0.0
        self.port = 0
        self.addresses: list[str] = []
        self.host = "127.0.0.1"
        self.name = ""
        self.member_id = ""
        self.stream = ""
        self.stopping = False

    def stop(self) -> None:
        """The process ends: no further command runs, at once."""

    def configure(self, name: str) -> str:
        """A directive about sockets or timers has a new value; why not, or ""."""
        return ""

    def memory(self) -> tuple[int, int]:
        """Resident memory now and at its highest, in bytes."""
        return 0, 0

    def lag_ms(self) -> float:
        """How late the last tick was."""
        return 0.0

    def counters(self) -> dict[str, float]:
        """What sockets have counted, and rates, by the names of INFO stats."""
        return {}

    def reset_counters(self) -> None:
        """CONFIG RESETSTAT."""

    def wake_at(self, ms: int) -> None:
        """The engine's `time_out` is due at this Unix time in ms."""

    def mesh_info(self, section: str) -> Fields:
        """What the mesh adds to a section of INFO."""
        return []

    def with_followers(self, status: NodeStatus) -> NodeStatus:
        """The status with what the mesh knows of those who follow this node."""
        return status

    def log_state(self) -> tuple[bool, bool, int]:
        """The append-only file: is there one, did the last write work, its bytes."""
        return False, True, 0

    def mesh_role(self) -> list[object] | None:
        """ROLE's reply where the mesh knows it."""
        return None

    def held_more(self) -> None:
        """A save is on the disk."""


class NodeShell(Shell):
    """One node's shell."""

    def __init__(self, config: Config, engine: Engine, saver: Saver, outside: Outside) -> None:
        self.config = config
        self.engine = engine
        self.saver = saver
        self.outside = outside
        saver.settled = self.saved

    def wake_at(self, ms: i64) -> None:
        self.outside.wake_at(int(ms))

    def script_said(self, level: int, text: bytes) -> None:
        say = (_log.debug, _log.debug, _log.info, _log.warning)[level]
        say("a script says", text=text.decode("utf-8", "backslashreplace"))

    def job_failed(self, number: int, key: bytes, error: bytes) -> None:
        _log.warning(
            "a job has ended in an error", job=repr(key)[1:], db=number,
            reason=error.decode("utf-8", "backslashreplace"),
        )  # fmt: skip

    # --- saving -------------------------------------------------------------------------------

    def save(self, background: bool, schedule: bool = False) -> object:
        """SAVE and BGSAVE. A background save that must wait for another walk is scheduled."""
        saver = self.saver
        if saver.in_progress:
            return Failure(IN_PROGRESS)
        try:
            if not background:
                saver.save()
                return OK
            waits = self.engine.writer.walk is not None
            saver.save_in_background()
        except SaveError as error:
            return Failure(NOT_SAVED % str(error).encode("utf-8", "surrogateescape"))
        return SCHEDULED if waits else STARTED

    def saved(self) -> None:
        """A save has ended, well or not: says so, and shuts or opens the gate for writes."""
        saver = self.saver
        if saver.last_ok:
            _log.info(
                "saved", file=str(saver.path()), bytes=saver.last_bytes,
                seconds=round(saver.last_duration_s, 3),
            )  # fmt: skip
            self.outside.held_more()
        else:
            _log.error("save failed", reason=saver.last_error)
        self._set_gate()

    def _set_gate(self) -> None:
        """stop-writes-on-bgsave-error, which counts only while there are save points."""
        config = self.config
        stop = config.yes("stop-writes-on-bgsave-error") and bool(config.rows("save"))
        if stop and not self.saver.last_ok:
            self.engine.closed |= IS_MISCONFIGURED
        else:
            self.engine.closed &= ~IS_MISCONFIGURED

    def last_save_s(self) -> int:
        return int(self.saver.last_save_s)

    def tick(self) -> None:
        """Called by the clock: begins a save that a save point asks for."""
        if self.saver.is_due(self.engine.time_s) and not self.outside.stopping:
            _log.info("save point reached", changes=int(self.engine.writer.dirty))
            try:
                self.saver.save_in_background()
            except SaveError:
                pass  # noted and logged by `saved`; tried again after a while

    # --- the end ------------------------------------------------------------------------------

    def shutdown(self, save: bool | None, now: bool, force: bool) -> object:
        """Saves if asked, or if there are save points; then the process ends (None).

        An error, and the process goes on, where saving failed and `force` is off.
        """
        wanted = bool(self.config.rows("save")) if save is None else save
        self.saver.cancel()
        if wanted:
            _log.info("saving before the end")
            try:
                self.saver.save()
            except SaveError as error:
                if not force:
                    _log.error("not ending, because the data cannot be saved", reason=str(error))
                    return STAYS
                _log.error("ending without the data saved", reason=str(error))
        self.outside.stop()
        return None

    # --- directives ---------------------------------------------------------------------------

    def apply(self, name: str) -> None:
        """Acts on CONFIG SET. Failure: the system does not allow the new value."""
        config = self.config
        if name == "loglevel":
            log.set_level(config.text(name))
        elif name in ("save", "stop-writes-on-bgsave-error"):
            self._set_gate()
        elif name == "dir":
            try:
                os.chdir(config.text(name))
            except OSError as error:
                raise Failure(b"ERR " + str(error.strerror).encode()) from error
            config.set(name, [str(Path.cwd())])
        else:
            problem = self.outside.configure(name)
            if problem:
                raise Failure(b"ERR " + problem.encode())

    def rewrite_config(self) -> None:
        """CONFIG REWRITE: the file is replaced as a whole."""
        path = Path(self.config.file)
        temporary = path.with_name(f"{path.name}.{self.outside.pid}.tmp")
        try:
            old = path.read_text("utf-8", "surrogateescape") if path.exists() else ""
            text = rewrite(old, self.config)
            with temporary.open("w", encoding="utf-8", errors="surrogateescape") as file:
                if path.exists():
                    os.fchmod(file.fileno(), path.stat().st_mode & 0o777)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            _log.error("configuration file not rewritten", file=str(path), reason=str(error))
            reason = str(error.strerror).encode()
            raise Failure(b"ERR Rewriting config file: " + reason) from error
        _log.info("configuration file rewritten", file=str(path))

    def reset_stats(self) -> None:
        self.outside.reset_counters()

    # --- what it says of itself ---------------------------------------------------------------

    def role(self) -> list[object]:
        return self.outside.mesh_role() or [b"master", 0, []]

    def info(self, section: str) -> Fields:
        """The fields of one section that the engine does not know."""
        fields: Fields = []
        if section == "server":
            fields = self._server()
        elif section == "clients":
            fields = [("maxclients", self.config.number("maxclients"))]
        elif section == "memory":
            fields = self._memory()
        elif section == "persistence":
            fields = self._persistence()
        elif section == "cpu":
            fields = self._cpu()
        elif section == "stats":
            fields = list(self.outside.counters().items())
        return fields + self.outside.mesh_info(section)

    def _server(self) -> Fields:
        outside = self.outside
        now_s = self.engine.time_s
        uptime_s = max(0, int(now_s - outside.started_s))
        fields: Fields = [
            ("plexis_version", PLEXIS_VERSION),
            ("plexis_build", "compiled" if compiled() else "pure"),
            ("os", f"{platform.system()} {platform.release()} {platform.machine()}"),
            ("arch_bits", 64),
            ("multiplexing_api", "uvloop"),
            ("process_id", outside.pid),
            ("run_id", outside.run_id),
            ("tcp_port", outside.port),
            ("server_time_usec", int(now_s * 1_000_000)),
            ("uptime_in_seconds", uptime_s),
            ("uptime_in_days", uptime_s // 86400),
            ("hz", self.config.number("hz")),
            ("configured_hz", self.config.number("hz")),
            ("executable", outside.executable),
            ("config_file", self.config.file),
        ]
        for number, address in enumerate(outside.addresses):
            host, _, port = address.rpartition(":")
            fields.append((f"listener{number}", f"name=tcp,bind={host},port={port}"))
        return fields

    def _memory(self) -> Fields:
        now, peak = self.outside.memory()
        return [
            ("used_memory", now),
            ("used_memory_human", human(now)),
            ("used_memory_rss", now),
            ("used_memory_rss_human", human(now)),
            ("used_memory_peak", peak),
            ("used_memory_peak_human", human(peak)),
            ("used_memory_peak_perc", f"{100.0 * now / peak if peak else 0.0:.2f}%"),
            ("mem_allocator", "python"),
        ]

    def _persistence(self) -> Fields:
        saver = self.saver
        running_s = self.engine.time_s - saver.started_s if saver.in_progress else -1.0
        return [
            ("loading", 1 if self.engine.closed & IS_LOADING else 0),
            ("async_loading", 0),
            ("rdb_changes_since_last_save", int(self.engine.writer.dirty)),
            ("rdb_bgsave_in_progress", 1 if saver.in_progress else 0),
            ("rdb_last_save_time", int(saver.last_save_s)),
            ("rdb_last_bgsave_status", "ok" if saver.last_ok else "err"),
            ("rdb_last_bgsave_time_sec", int(saver.last_duration_s)),
            ("rdb_current_bgsave_time_sec", int(running_s)),
            ("rdb_saves", saver.saves),
            ("aof_enabled", 0),
        ]

    def _cpu(self) -> Fields:
        own = resource.getrusage(resource.RUSAGE_SELF)
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return [
            ("used_cpu_sys", f"{own.ru_stime:.6f}"),
            ("used_cpu_user", f"{own.ru_utime:.6f}"),
            ("used_cpu_sys_children", f"{children.ru_stime:.6f}"),
            ("used_cpu_user_children", f"{children.ru_utime:.6f}"),
        ]

    def status(self) -> NodeStatus:
        """All numbers of this moment, for the admin page and MESH STATUS; visits no key."""
        outside = self.outside
        engine = self.engine
        config = self.config
        saver = self.saver
        counters = self.outside.counters()
        count = {name: int(value) for name, value in counters.items()}
        now, peak = outside.memory()
        log_on, log_ok, log_bytes = outside.log_state()
        cpu = resource.getrusage(resource.RUSAGE_SELF)
        databases = tuple(
            DatabaseStatus(int(db.number), int(db.keys.size), int(db.expires))
            for db in engine.databases
            if db.keys.size
        )
        sessions = list(engine.sessions.values())
        status = NodeStatus(
            name=outside.name or f"{outside.host}:{outside.port}",
            member_id=outside.member_id,
            stream=outside.stream,
            run_id=outside.run_id,
            host=outside.host,
            port=outside.port,
            state="stopping" if outside.stopping else "ok",
            redis_version=REDIS_VERSION,
            plexis_version=PLEXIS_VERSION,
            compiled=compiled(),
            os=f"{platform.system()} {platform.release()} {platform.machine()}",
            process_id=outside.pid,
            uptime_seconds=max(0, int(engine.time_s - outside.started_s)),
            taken_at_ms=int(engine.time_s * 1000),
            event_loop_lag_ms=outside.lag_ms(),
            keys=sum(each.keys for each in databases),
            databases=databases,
            ops_per_second=float(counters.get("instantaneous_ops_per_sec", 0.0)),
            commands_processed=int(engine.processed),
            total_error_replies=sum(engine.errors.values()),
            command_stats=command_statuses(),
            error_stats=tuple(
                ErrorStatus(code.decode("latin-1"), count) for code, count in engine.errors.items()
            ),
            keyspace_hits=sum(int(db.hits) for db in engine.databases),
            keyspace_misses=sum(int(db.misses) for db in engine.databases),
            expired_keys=int(engine.writer.expired_keys),
            evicted_keys=int(engine.evicted_keys),
            connected_clients=len(sessions),
            blocked_clients=sum(1 for each in sessions if each.flags & BLOCKED),
            pubsub_clients=sum(1 for each in sessions if each.channels or each.patterns),
            maxclients=config.number("maxclients"),
            connections_received=count.get("total_connections_received", 0),
            rejected_connections=count.get("rejected_connections", 0),
            net_input_bytes=count.get("total_net_input_bytes", 0),
            net_output_bytes=count.get("total_net_output_bytes", 0),
            net_repl_input_bytes=count.get("total_net_repl_input_bytes", 0),
            net_repl_output_bytes=count.get("total_net_repl_output_bytes", 0),
            memory_used_bytes=now,
            memory_peak_bytes=peak,
            memory_rss_bytes=now,
            maxmemory_bytes=config.number("maxmemory"),
            maxmemory_policy=config.text("maxmemory-policy"),
            rdb_changes_since_last_save=int(engine.writer.dirty),
            rdb_last_save_time=int(saver.last_save_s),
            rdb_bgsave_in_progress=saver.in_progress,
            rdb_last_bgsave_ok=saver.last_ok,
            rdb_last_bgsave_seconds=int(saver.last_duration_s),
            aof_enabled=log_on, aof_last_write_ok=log_ok, aof_current_size_bytes=log_bytes,
            cpu_user_seconds=cpu.ru_utime, cpu_system_seconds=cpu.ru_stime,
        )
        return outside.with_followers(status)


def command_statuses() -> tuple[CommandStatus, ...]:
    """Every command that was called or refused since the start."""
    found = []
    for command in TABLE.values():
        for each in (command, *(command.subcommands or {}).values()):
            if each.calls or each.rejected:
                found.append(
                    CommandStatus(
                        each.fullname.decode(), int(each.calls), int(each.seconds * 1_000_000),
                        int(each.rejected), int(each.failed),
                    )
                )  # fmt: skip
    return tuple(found)

