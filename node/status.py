"""What one node says about itself: frozen numbers for INFO, /metrics and the admin page.

A status is taken in one step between two commands and never changes afterwards, so whoever holds
one may keep it, compare it and send it. Building one visits no key: every number is a counter that
the node keeps anyway. Every field has a default, hence a node fills in what it knows.

`to_json` and `from_json` translate to plain dicts of JSON's own types. Reading is lenient in what
an upgrade changes (unknown names are ignored, missing ones get their default) and strict in types:
a wrong type is a `ValueError` that names the field. Imports the standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

# A reply with more entries than this is not a status: 10,000 is far above the number of Redis
# databases, commands or mesh members in use, and bounds the work that a broken peer can cause.
ENTRIES_MAX = 10_000


class Record:
    """Base of all status dataclasses: conversion to and from plain JSON types.

    A field whose default is None holds a number or None. A field listed in `NESTED` holds a tuple
    of that record class; all others hold the type of their default.
    """

    __slots__ = ()

    NESTED: ClassVar[Mapping[str, type[Record]]] = {}

    def to_json(self) -> dict[str, Any]:
        """The record as a dict that `json.dumps` accepts."""
        plain: dict[str, Any] = {}
        for field in fields(self):  # type: ignore[arg-type]
            plain[field.name] = _to_plain(getattr(self, field.name))
        return plain

    @classmethod
    def from_json(cls, plain: object) -> Self:
        """The record of such a dict; `ValueError` names the first field of a wrong type."""
        if not isinstance(plain, Mapping):
            raise ValueError(f"{cls.__name__}: expected an object, got {type(plain).__name__}")
        values: dict[str, Any] = {}
        for field in fields(cls):  # type: ignore[arg-type]
            if field.name in plain:
                where = f"{cls.__name__}.{field.name}"
                values[field.name] = cls._read(where, field.name, field.default, plain[field.name])
        return cls(**values)

    @classmethod
    def _read(cls, where: str, name: str, default: object, given: object) -> object:
        nested = cls.NESTED.get(name)
        if nested is not None and isinstance(default, tuple):
            return tuple(nested.from_json(entry) for entry in _entries(where, given))
        if nested is not None:
            return None if given is None else nested.from_json(given)
        return _checked(where, default, given)


def _to_plain(value: object) -> object:
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, tuple):
        return [_to_plain(entry) for entry in value]
    return value


def _entries(where: str, given: object) -> Sequence[object]:
    if not isinstance(given, list | tuple):
        raise ValueError(f"{where}: expected a list, got {type(given).__name__}")
    if len(given) > ENTRIES_MAX:
        raise ValueError(f"{where}: {len(given)} entries, at most {ENTRIES_MAX} are accepted")
    return given


def _checked(where: str, default: object, given: object) -> object:
    """`given` when it is of the default's type; an int passes for a float, never a bool for one."""
    number = isinstance(given, int | float) and not isinstance(given, bool)
    if default is None:
        accepted = given is None or number
    elif isinstance(default, bool):
        accepted = isinstance(given, bool)
    elif isinstance(default, float):
        accepted = number
    elif isinstance(default, int):
        accepted = isinstance(given, int) and not isinstance(given, bool)
    else:
        accepted = isinstance(given, type(default))
    if not accepted:
        wanted = "a number or null" if default is None else type(default).__name__
        raise ValueError(f"{where}: expected {wanted}, got {type(given).__name__}")
    return given


@dataclass(frozen=True, slots=True)
class DatabaseStatus(Record):
    """One database that has keys, as in INFO's `db0:keys=..,expires=..,avg_ttl=..`."""

    number: int = 0
    keys: int = 0
    expires: int = 0
    avg_ttl_ms: int = 0


@dataclass(frozen=True, slots=True)
class CommandStatus(Record):
    """One command that was called at least once, as in INFO commandstats."""

    name: str = ""
    calls: int = 0
    usec: int = 0
    rejected_calls: int = 0
    failed_calls: int = 0


@dataclass(frozen=True, slots=True)
class ErrorStatus(Record):
    """How often replies with this error prefix were sent, as in INFO errorstats."""

    prefix: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True)
class NodeStatus(Record):
    """The numbers of one node at one moment.

    `state` is "ok" (serves reads and writes), "loading" (reads its files), "syncing" (its first
    full sync is not finished) or "stopping". `name` is the configured name, else "host:port".
    `member_id` stays over restarts, `stream` and `run_id` are new at each start. Times named
    `_time` are Unix seconds, `taken_at_ms` is Unix milliseconds of this node's clock. Fields named
    as in INFO mean what INFO says.
    """

    NESTED: ClassVar[Mapping[str, type[Record]]] = {
        "databases": DatabaseStatus,
        "command_stats": CommandStatus,
        "error_stats": ErrorStatus,
    }

    name: str = ""
    member_id: str = ""
    stream: str = ""
    run_id: str = ""
    host: str = ""
    port: int = 0
    role: str = "master"
    state: str = "ok"
    state_detail: str = ""
    """Words for people about `state`, such as "43 % of the full sync"; empty when ok."""
    redis_version: str = ""
    plexis_version: str = ""
    compiled: bool = False
    os: str = ""
    process_id: int = 0
    uptime_seconds: int = 0
    taken_at_ms: int = 0
    event_loop_lag_ms: float = 0.0

    keys: int = 0
    databases: tuple[DatabaseStatus, ...] = ()
    ops_per_second: float = 0.0
    commands_processed: int = 0
    total_error_replies: int = 0
    command_stats: tuple[CommandStatus, ...] = ()
    error_stats: tuple[ErrorStatus, ...] = ()
    keyspace_hits: int = 0
    keyspace_misses: int = 0
    expired_keys: int = 0
    evicted_keys: int = 0
    pubsub_channels: int = 0
    pubsub_patterns: int = 0
    slowlog_length: int = 0
    slowlog_last_id: int = 0

    connected_clients: int = 0
    blocked_clients: int = 0
    tracking_clients: int = 0
    pubsub_clients: int = 0
    watching_clients: int = 0
    maxclients: int = 0
    connections_received: int = 0
    rejected_connections: int = 0
    net_input_bytes: int = 0
    net_output_bytes: int = 0
    net_repl_input_bytes: int = 0
    net_repl_output_bytes: int = 0

    memory_used_bytes: int = 0
    memory_peak_bytes: int = 0
    memory_rss_bytes: int = 0
    maxmemory_bytes: int = 0
    maxmemory_policy: str = "noeviction"

    rdb_changes_since_last_save: int = 0
    rdb_last_save_time: int = 0
    rdb_bgsave_in_progress: bool = False
    rdb_last_bgsave_ok: bool = True
    rdb_last_bgsave_seconds: int = -1
    aof_enabled: bool = False
    aof_last_write_ok: bool = True
    aof_current_size_bytes: int = 0

    connected_followers: int = 0
    replication_offset: int = 0
    replication_id: str = ""
    backlog_active: bool = False
    backlog_size_bytes: int = 0
    backlog_first_offset: int = 0
    backlog_history_bytes: int = 0
    resyncs_full: int = 0
    resyncs_partial_accepted: int = 0
    resyncs_partial_refused: int = 0

    cpu_user_seconds: float = 0.0
    cpu_system_seconds: float = 0.0

    @property
    def address(self) -> str:
        """Where clients and peers reach the node: "host:port"."""
        return f"{self.host}:{self.port}"
