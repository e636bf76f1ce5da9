"""INFO: the sections, their fields in Redis's order, and who knows each.

What the engine counts is worked out here; what only the outside knows (sockets, files, the process,
the mesh) comes from `services.shell.info(section)` and takes its place among the rest. A field that
nobody knows is left out rather than made up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from conf import PLEXIS_VERSION, REDIS_VERSION
from node.commands.command import TABLE, Command
from node.commands.context import Services
from node.session import FOLLOWER
from node.store.keyspace import Database
from node.store.writer import Writer

Fields: TypeAlias = list[tuple[str, object]]
Source: TypeAlias = Callable[[Services, Writer], Fields]

# Fields of Redis in its order. What Redis has and the node has not (forks, jemalloc, functions) is
# missing.
ORDER: Final[dict[str, str]] = {
    "server": "redis_version redis_git_sha1 redis_git_dirty redis_build_id plexis_version"
    " redis_mode os arch_bits monotonic_clock multiplexing_api process_id process_supervised run_id"
    " tcp_port server_time_usec uptime_in_seconds uptime_in_days hz configured_hz lru_clock"
    " executable config_file io_threads_active",
    "clients": "connected_clients cluster_connections maxclients client_recent_max_input_buffer"
    " client_recent_max_output_buffer blocked_clients tracking_clients pubsub_clients"
    " watching_clients clients_in_timeout_table total_watched_keys total_blocking_keys"
    " total_blocking_keys_on_nokey",
    "memory": "used_memory used_memory_human used_memory_rss used_memory_rss_human"
    " used_memory_peak used_memory_peak_human used_memory_peak_time used_memory_peak_perc"
    " used_memory_overhead used_memory_startup used_memory_dataset used_memory_dataset_perc"
    " total_system_memory total_system_memory_human maxmemory maxmemory_human maxmemory_policy"
    " mem_fragmentation_ratio mem_fragmentation_bytes mem_replication_backlog"
    " mem_total_replication_buffers mem_clients_slaves mem_clients_normal mem_aof_buffer"
    " mem_allocator lazyfree_pending_objects",
    "persistence": "loading async_loading rdb_changes_since_last_save rdb_bgsave_in_progress"
    " rdb_last_save_time rdb_last_bgsave_status rdb_last_bgsave_time_sec"
    " rdb_current_bgsave_time_sec rdb_saves rdb_last_load_keys_expired rdb_last_load_keys_loaded"
    " aof_enabled aof_rewrite_in_progress aof_rewrite_scheduled aof_last_rewrite_time_sec"
    " aof_current_rewrite_time_sec aof_last_bgrewrite_status aof_rewrites"
    " aof_rewrites_consecutive_failures aof_last_write_status aof_current_size aof_base_size"
    " aof_pending_rewrite aof_buffer_length aof_pending_bio_fsync aof_delayed_fsync",
    "stats": "total_connections_received total_commands_processed instantaneous_ops_per_sec"
    " total_net_input_bytes total_net_output_bytes total_net_repl_input_bytes"
    " total_net_repl_output_bytes instantaneous_input_kbps instantaneous_output_kbps"
    " instantaneous_input_repl_kbps instantaneous_output_repl_kbps rejected_connections sync_full"
    " sync_partial_ok sync_partial_err expired_subkeys expired_keys evicted_keys evicted_clients"
    " keyspace_hits keyspace_misses pubsub_channels pubsub_patterns pubsubshard_channels"
    " total_error_replies total_reads_processed total_writes_processed"
    " client_query_buffer_limit_disconnections client_output_buffer_limit_disconnections"
    " acl_access_denied_auth",
    "replication": "",
    "cpu": "used_cpu_sys used_cpu_user used_cpu_sys_children used_cpu_user_children"
    " used_cpu_sys_main_thread used_cpu_user_main_thread",
    "modules": "",
    "commandstats": "",
    "errorstats": "",
    "cluster": "cluster_enabled",
    "mesh": "",
    "keyspace": "",
}
TITLES: Final = {"cpu": "CPU"}
ON_REQUEST: Final = frozenset({"commandstats"})
EVERYTHING: Final = frozenset({"all", "everything"})
UNITS: Final = ("B", "K", "M", "G", "T", "P")


def render(services: Services, writer: Writer, wanted: list[str]) -> bytes:
    """INFO's text for section names in lower case; none for the default. Others are ignored."""
    parts: list[str] = []
    for section in chosen(wanted):
        fields = fields_of(services, writer, section)
        if not fields and section == "mesh":
            continue
        lines = [f"# {TITLES.get(section, section.capitalize())}"]
        lines += [f"{name}:{printed(value)}" for name, value in fields]
        parts.append("".join(line + "\r\n" for line in lines))
    return "\r\n".join(parts).encode("utf-8", "surrogateescape")


def chosen(wanted: list[str]) -> list[str]:
    """The sections asked for, each once, in the order of INFO."""
    names = set(wanted)
    if names & EVERYTHING:
        return list(ORDER)
    if not names or "default" in names:
        names |= set(ORDER) - ON_REQUEST
    return [section for section in ORDER if section in names]


def fields_of(services: Services, writer: Writer, section: str) -> Fields:
    """The fields of one section: the engine's and the shell's, in Redis's order, others behind."""
    outside = services.shell.info(section)
    if section == "replication":
        return outside or alone()
    source = SOURCES.get(section)
    inside = source(services, writer) if source is not None else []
    order = ORDER[section].split()
    if not order:
        return [*inside, *outside]
    known = dict(inside)
    known.update(outside)
    placed: Fields = [(name, known.pop(name)) for name in order if name in known]
    return placed + list(known.items())


def printed(value: object) -> str:
    """A value as INFO shows it: truth as 1 or 0, rates with two places."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return str(value)


def human(size_bytes: int) -> str:
    """A size as Redis abbreviates it: 512B, 2.48M."""
    if size_bytes < 1024:
        return f"{size_bytes}B"
    size = float(size_bytes)
    unit = 0
    while size >= 1024 and unit < len(UNITS) - 1:
        size /= 1024
        unit += 1
    return f"{size:.2f}{UNITS[unit]}"


def server(services: Services, writer: Writer) -> Fields:
    """Who it is. Redis's version is the one whose behaviour is promised."""
    now_s = services.time_s
    return [
        ("redis_version", REDIS_VERSION),
        ("redis_git_sha1", "00000000"),
        ("redis_git_dirty", 0),
        ("plexis_version", PLEXIS_VERSION),
        ("redis_mode", "standalone"),
        ("arch_bits", 64),
        ("tcp_port", services.config.number("port")),
        ("server_time_usec", int(now_s * 1_000_000)),
        ("hz", services.config.number("hz")),
        ("configured_hz", services.config.number("hz")),
        ("lru_clock", int(now_s) & 0xFFFFFF),
        ("config_file", services.config.file),
    ]


def clients(services: Services, writer: Writer) -> Fields:
    """Connections of clients; those of followers are counted under replication."""
    sessions = [each for each in services.sessions.values() if not each.flags & FOLLOWER]
    watched = {place for session in sessions for place in session.watched}
    timed = sum(1 for parked in services.parked.values() if parked.until_ms)
    return [
        ("connected_clients", len(sessions)),
        ("cluster_connections", 0),
        ("maxclients", services.config.number("maxclients")),
        ("blocked_clients", len(services.parked)),
        ("tracking_clients", 0),
        ("pubsub_clients", sum(1 for each in sessions if each.channels or each.patterns)),
        ("watching_clients", sum(1 for each in sessions if each.watched)),
        ("clients_in_timeout_table", timed),
        ("total_watched_keys", len(watched)),
    ]


def memory(services: Services, writer: Writer) -> Fields:
    """What is configured; what is used the shell knows."""
    limit = services.config.number("maxmemory")
    return [
        ("maxmemory", limit),
        ("maxmemory_human", human(limit)),
        ("maxmemory_policy", services.config.text("maxmemory-policy")),
        ("lazyfree_pending_objects", len(writer.trash)),
    ]


def persistence(services: Services, writer: Writer) -> Fields:
    """What an engine without files can say."""
    return [
        ("loading", 0),
        ("async_loading", 0),
        ("rdb_changes_since_last_save", int(writer.dirty)),
        ("rdb_bgsave_in_progress", 0),
        ("rdb_last_save_time", services.shell.last_save_s()),
        ("aof_enabled", 0),
    ]


def stats(services: Services, writer: Writer) -> Fields:
    """Counters since the start or CONFIG RESETSTAT."""
    return [
        ("total_commands_processed", int(services.processed)),
        ("expired_subkeys", int(writer.expired_places)),
        ("expired_keys", int(writer.expired_keys)),
        ("evicted_keys", int(services.evicted_keys)),
        ("evicted_clients", 0),
        ("keyspace_hits", sum(int(db.hits) for db in services.databases)),
        ("keyspace_misses", sum(int(db.misses) for db in services.databases)),
        ("pubsub_channels", len(services.pubsub.channels)),
        ("pubsub_patterns", len(services.pubsub.patterns)),
        ("pubsubshard_channels", 0),
        ("total_error_replies", sum(services.errors.values())),
        ("acl_access_denied_auth", int(services.auth_denied)),
        ("cron_jobs", sum(db.jobs.size() for db in services.databases)),
        ("cron_runs", int(services.cron_runs)),
        ("cron_failures", int(services.cron_failures)),
    ]


def alone() -> Fields:
    """INFO replication of a node that neither follows nor is followed."""
    return [
        ("role", "master"),
        ("connected_slaves", 0),
        ("master_failover_state", "no-failover"),
        ("master_replid", "0" * 40),
        ("master_replid2", "0" * 40),
        ("master_repl_offset", 0),
        ("second_repl_offset", -1),
        ("repl_backlog_active", 0),
        ("repl_backlog_size", 0),
        ("repl_backlog_first_byte_offset", 0),
        ("repl_backlog_histlen", 0),
    ]


def commandstats(services: Services, writer: Writer) -> Fields:
    """A line for each command that was called or refused."""
    found: Fields = []
    for command in TABLE.values():
        for each in (command, *(command.subcommands or {}).values()):
            if each.calls or each.rejected:
                found.append((f"cmdstat_{each.fullname.decode()}", statistics(each)))
    return found


def statistics(command: Command) -> str:
    """The numbers of one command."""
    microseconds = int(command.seconds * 1_000_000)
    each = microseconds / command.calls if command.calls else 0.0
    return (
        f"calls={command.calls},usec={microseconds},usec_per_call={each:.2f},"
        f"rejected_calls={command.rejected},failed_calls={command.failed}"
    )


def errorstats(services: Services, writer: Writer) -> Fields:
    """A line for each first word of error replies, in alphabetical order."""
    return [
        (f"errorstat_{code.decode('latin-1')}", f"count={count}")
        for code, count in sorted(services.errors.items())
    ]


def cluster(services: Services, writer: Writer) -> Fields:
    """Redis Cluster is not spoken."""
    return [("cluster_enabled", 0)]


def keyspace(services: Services, writer: Writer) -> Fields:
    """A line for each database that has keys."""
    return [
        (f"db{db.number}", f"keys={db.keys.size},{lifetimes(db)},subexpiry={db.timed.size()}")
        for db in services.databases
        if db.keys.size
    ]


def lifetimes(db: Database) -> str:
    """How many keys of a database have a deadline, and how far that is on average."""
    average_ms = db.deadlines.average_ms(int(db.now.ms))
    return f"expires={db.expires},avg_ttl={average_ms}"


SOURCES: Final[dict[str, Source]] = {
    "server": server,
    "clients": clients,
    "memory": memory,
    "persistence": persistence,
    "stats": stats,
    "commandstats": commandstats,
    "errorstats": errorstats,
    "cluster": cluster,
    "keyspace": keyspace,
}
