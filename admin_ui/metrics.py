"""/metrics: this node's numbers in the Prometheus text format, version 0.0.4. Pure.

Names are those that redis_exporter gives to INFO, so dashboards and alerts for Redis work
unchanged; what Redis has no word for begins with `mesh_`. Each link metric has the labels `peer`
(a node's name) and `direction`: "in" is what this node applies, "out" what it sends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from admin_ui.source import split_address
from mesh import status as link_state
from mesh.status import FOLLOWER, LINK_STATES, LinkStatus, MeshStatus
from node.status import NodeStatus

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_LIVE: Final = (link_state.IN_SYNC, link_state.LAGGING)
_NODE_STATES: Final = ("ok", "loading", "syncing", "stopping")
Labels = Mapping[str, str]
Sample = tuple[Labels, float]

# Metric, type, field of NodeStatus, help.
_NODE_METRICS: Final = (
    ("redis_uptime_in_seconds", "gauge", "uptime_seconds", "Seconds since the process started"),
    ("redis_process_id", "gauge", "process_id", "Process id"),
    ("redis_connected_clients", "gauge", "connected_clients", "Client connections"),
    ("redis_blocked_clients", "gauge", "blocked_clients", "Clients waiting in a blocking call"),
    ("redis_tracking_clients", "gauge", "tracking_clients", "Clients with CLIENT TRACKING on"),
    ("redis_pubsub_clients", "gauge", "pubsub_clients", "Clients in subscriber mode"),
    ("redis_watching_clients", "gauge", "watching_clients", "Clients that watch keys"),
    ("redis_max_clients", "gauge", "maxclients", "Limit of client connections"),
    ("redis_connections_received_total", "counter", "connections_received", "Accepted connections"),
    ("redis_rejected_connections_total", "counter", "rejected_connections", "Above maxclients"),
    ("redis_memory_used_bytes", "gauge", "memory_used_bytes", "Memory used"),
    ("redis_memory_used_peak_bytes", "gauge", "memory_peak_bytes", "Most memory used so far"),
    ("redis_memory_used_rss_bytes", "gauge", "memory_rss_bytes", "Resident memory"),
    ("redis_memory_max_bytes", "gauge", "maxmemory_bytes", "Directive maxmemory, 0 is no limit"),
    ("redis_keyspace_hits_total", "counter", "keyspace_hits", "Reads that found their key"),
    ("redis_keyspace_misses_total", "counter", "keyspace_misses", "Reads that found none"),
    ("redis_expired_keys_total", "counter", "expired_keys", "Keys removed at their deadline"),
    ("redis_evicted_keys_total", "counter", "evicted_keys", "Keys removed for memory"),
    ("redis_pubsub_channels", "gauge", "pubsub_channels", "Channels with subscribers"),
    ("redis_pubsub_patterns", "gauge", "pubsub_patterns", "Patterns with subscribers"),
    ("redis_commands_processed_total", "counter", "commands_processed", "Commands executed"),
    ("redis_instantaneous_ops_per_sec", "gauge", "ops_per_second", "Commands per second now"),
    ("redis_total_error_replies", "counter", "total_error_replies", "Error replies sent"),
    ("redis_slowlog_length", "gauge", "slowlog_length", "Entries in the slow log"),
    ("redis_slowlog_last_id", "gauge", "slowlog_last_id", "Id of the newest slow log entry"),
    ("redis_net_input_bytes_total", "counter", "net_input_bytes", "Bytes read from clients"),
    ("redis_net_output_bytes_total", "counter", "net_output_bytes", "Bytes written to clients"),
    ("redis_net_repl_input_bytes_total", "counter", "net_repl_input_bytes", "Read from peers"),
    ("redis_net_repl_output_bytes_total", "counter", "net_repl_output_bytes", "Sent to peers"),
    (
        "redis_rdb_changes_since_last_save",
        "gauge",
        "rdb_changes_since_last_save",
        "Changes that no snapshot file has",
    ),
    ("redis_rdb_bgsave_in_progress", "gauge", "rdb_bgsave_in_progress", "A snapshot is written"),
    ("redis_rdb_last_save_timestamp_seconds", "gauge", "rdb_last_save_time", "Last good snapshot"),
    ("redis_rdb_last_bgsave_status", "gauge", "rdb_last_bgsave_ok", "1 when the last one worked"),
    ("redis_rdb_last_bgsave_duration_sec", "gauge", "rdb_last_bgsave_seconds", "Its duration"),
    ("redis_aof_enabled", "gauge", "aof_enabled", "Directive appendonly"),
    ("redis_aof_last_write_status", "gauge", "aof_last_write_ok", "1 when the last write worked"),
    ("redis_aof_current_size_bytes", "gauge", "aof_current_size_bytes", "Size of the AOF"),
    ("redis_connected_slaves", "gauge", "connected_followers", "Peers that follow this node"),
    ("redis_master_repl_offset", "gauge", "replication_offset", "Offset of this node's stream"),
    ("redis_repl_backlog_is_active", "gauge", "backlog_active", "Whether there is a backlog"),
    ("redis_replication_backlog_bytes", "gauge", "backlog_size_bytes", "Directive's size"),
    (
        "redis_repl_backlog_first_byte_offset",
        "gauge",
        "backlog_first_offset",
        "Oldest offset at which a peer can continue",
    ),
    ("redis_repl_backlog_history_bytes", "gauge", "backlog_history_bytes", "Bytes in the backlog"),
    ("redis_replica_resyncs_full", "gauge", "resyncs_full", "Full syncs given"),
    (
        "redis_replica_partial_resync_accepted",
        "gauge",
        "resyncs_partial_accepted",
        "Partial syncs given",
    ),
    (
        "redis_replica_partial_resync_denied",
        "gauge",
        "resyncs_partial_refused",
        "Partial syncs that had to become full ones",
    ),
    ("redis_cpu_user_seconds_total", "counter", "cpu_user_seconds", "CPU time in user mode"),
    ("redis_cpu_sys_seconds_total", "counter", "cpu_system_seconds", "CPU time in the kernel"),
)

# Metric, type, field of LinkStatus, factor to the metric's unit, help. Unknown numbers are left
# out: a gap in a chart is true, a zero is not.
_LINK_METRICS: Final = (
    ("mesh_link_rtt_seconds", "gauge", "rtt_ms", 0.001, "Round trip time"),
    ("mesh_link_heartbeat_age_seconds", "gauge", "heartbeat_age_ms", 0.001, "Since last heard"),
    ("mesh_link_apply_lag_seconds", "gauge", "apply_lag_ms", 0.001, "How far behind applying is"),
    ("mesh_link_backlog_bytes", "gauge", "backlog_bytes", 1, "Still to be sent"),
    ("mesh_link_backlog_ops", "gauge", "backlog_ops", 1, "Still to be sent"),
    ("mesh_clock_skew_seconds", "gauge", "clock_skew_ms", 0.001, "Peer's clock minus this one's"),
    ("mesh_ops_applied_total", "counter", "ops_applied", 1, "Writes applied"),
    (
        "mesh_ops_ignored_total",
        "counter",
        "ops_ignored",
        1,
        "Writes that did not win or came again",
    ),
    ("mesh_bytes_sent_total", "counter", "bytes_sent", 1, "Bytes sent"),
    ("mesh_bytes_received_total", "counter", "bytes_received", 1, "Bytes received"),
    ("mesh_full_syncs_total", "counter", "resync_full", 1, "Full syncs"),
    ("mesh_partial_syncs_total", "counter", "resync_partial", 1, "Partial syncs"),
    ("mesh_range_syncs_total", "counter", "resync_range", 1, "Syncs of what differed alone"),
    ("mesh_reconnects_total", "counter", "reconnects", 1, "Connections after the first"),
    ("mesh_sync_progress_ratio", "gauge", "progress", 1, "Share done of the running sync"),
)


@dataclass(frozen=True, slots=True)
class _Peer:
    """The other end of a link, in the labels of both families of names."""

    name: str
    host: str
    port: str
    direction: str
    link: LinkStatus

    @property
    def labels(self) -> Labels:
        return {"peer": self.name, "direction": self.direction}


class Exposition:
    """Collects metric families in the order in which they are added."""

    def __init__(self) -> None:
        self._lines: Final[list[str]] = []

    def add(self, name: str, kind: str, text: str, samples: Sequence[Sample]) -> None:
        """One family; a family without samples is left out."""
        if not samples:
            return
        self._lines.extend((f"# HELP {name} {text}", f"# TYPE {name} {kind}"))
        for labels, value in samples:
            pairs = ",".join(f'{label}="{_escaped(given)}"' for label, given in labels.items())
            braces = f"{{{pairs}}}" if pairs else ""
            self._lines.append(f"{name}{braces} {_number(value)}")

    def render(self) -> str:
        """The whole text."""
        return "\n".join(self._lines) + "\n"


def metrics_text(node: NodeStatus, mesh: MeshStatus, stream_count: int) -> str:
    """The answer to GET /metrics; `stream_count` is the number of open event streams."""
    out = Exposition()
    out.add("redis_up", "gauge", "1: the node answers", [({}, 1)])
    _add_node(out, node)
    _add_commands(out, node)
    peers = _peers(mesh)
    _add_replication(out, node, peers)
    _add_mesh(out, node, mesh, stream_count)
    _add_links(out, peers)
    return out.render()


def _add_node(out: Exposition, node: NodeStatus) -> None:
    info = {
        "role": node.role,
        "redis_version": node.redis_version,
        "redis_mode": "standalone",
        "os": node.os,
        "maxmemory_policy": node.maxmemory_policy,
        "tcp_port": str(node.port),
        "run_id": node.run_id,
        "process_id": str(node.process_id),
        "master_replid": node.replication_id,
    }
    out.add("redis_instance_info", "gauge", "What runs here", [(info, 1)])
    started = node.taken_at_ms / 1000 - node.uptime_seconds if node.taken_at_ms else 0
    out.add("redis_start_time_seconds", "gauge", "When the process started", [({}, started)])
    loading = float(node.state == "loading")
    out.add("redis_loading_dump_file", "gauge", "1 while files are read", [({}, loading)])
    for name, kind, field, text in _NODE_METRICS:
        out.add(name, kind, text, [({}, float(getattr(node, field)))])
    databases = [({"db": f"db{database.number}"}, database) for database in node.databases]
    keys: list[Sample] = [(labels, database.keys) for labels, database in databases]
    expires: list[Sample] = [(labels, database.expires) for labels, database in databases]
    ttls: list[Sample] = [(labels, database.avg_ttl_ms / 1000) for labels, database in databases]
    out.add("redis_db_keys", "gauge", "Keys in the database", keys)
    out.add("redis_db_keys_expiring", "gauge", "Keys with a time to live", expires)
    out.add("redis_db_avg_ttl_seconds", "gauge", "Their mean time to live", ttls)


def _add_commands(out: Exposition, node: NodeStatus) -> None:
    stats = [({"cmd": command.name}, command) for command in node.command_stats]
    families: list[tuple[str, str, list[Sample]]] = [
        ("redis_commands_total", "Calls", [(cmd, stat.calls) for cmd, stat in stats]),
        (
            "redis_commands_duration_seconds_total",
            "Time spent",
            [(cmd, stat.usec / 1e6) for cmd, stat in stats],
        ),
        (
            "redis_commands_rejected_calls_total",
            "Refused before execution",
            [(cmd, stat.rejected_calls) for cmd, stat in stats],
        ),
        (
            "redis_commands_failed_calls_total",
            "Failed in execution",
            [(cmd, stat.failed_calls) for cmd, stat in stats],
        ),
        (
            "redis_errors_total",
            "Error replies by prefix",
            [({"err": error.prefix}, error.count) for error in node.error_stats],
        ),
    ]
    for name, text, samples in families:
        out.add(name, "counter", text, samples)


def _add_replication(out: Exposition, node: NodeStatus, peers: Sequence[_Peer]) -> None:
    """The names that redis_exporter makes of `slaveN:` and `master_N_host:` lines."""
    lags: list[Sample] = []
    offsets: list[Sample] = []
    up: list[Sample] = []
    last_io: list[Sample] = []
    syncing: list[Sample] = []
    followed: list[Sample] = []
    info: list[Sample] = []
    for peer in peers:
        link = peer.link
        age_seconds = link.heartbeat_age_ms / 1000 if link.heartbeat_age_ms is not None else None
        if peer.direction == "out":
            state = "online" if link.state in _LIVE else "wait_bgsave"
            labels = {"slave_ip": peer.host, "slave_port": peer.port, "slave_state": state}
            if age_seconds is not None:
                lags.append((labels, age_seconds))
                offsets.append((labels, link.offset))
            continue
        labels = {"master_host": peer.host, "master_port": peer.port}
        up.append((labels, float(link.state in _LIVE)))
        in_sync = link.state in (link_state.SYNCING, link_state.MERGING)
        syncing.append((labels, float(in_sync)))
        followed.append((labels, link.offset))
        info.append(({**labels, "read_only": "0"}, 1))
        if age_seconds is not None:
            last_io.append((labels, age_seconds))
    out.add("redis_connected_slave_lag_seconds", "gauge", "Since the follower's last ACK", lags)
    out.add("redis_connected_slave_offset_bytes", "gauge", "Offset it acknowledged", offsets)
    out.add("redis_master_link_up", "gauge", "1 when writes of the peer arrive", up)
    out.add("redis_master_last_io_seconds_ago", "gauge", "Since the peer was heard", last_io)
    out.add("redis_master_sync_in_progress", "gauge", "1 during a sync from it", syncing)
    out.add("redis_slave_repl_offset", "gauge", "Offset read from the peer", followed)
    out.add("redis_slave_info", "gauge", "Peers this node follows", info)


def _add_mesh(out: Exposition, node: NodeStatus, mesh: MeshStatus, stream_count: int) -> None:
    info = {
        "node": node.name or node.address,
        "mesh": mesh.name,
        "member_id": node.member_id,
        "version": node.plexis_version,
        "compiled": "yes" if node.compiled else "no",
        "topology": mesh.topology,
    }
    out.add("mesh_info", "gauge", "Which node this is", [(info, 1)])
    states = _NODE_STATES if node.state in _NODE_STATES else (*_NODE_STATES, node.state)
    own = node.name or node.address
    one_hot: list[Sample] = [
        ({"node": own, "state": state}, float(state == node.state)) for state in states
    ]
    out.add("mesh_node_state", "gauge", "1 at the state the node is in", one_hot)
    kinds: list[Sample] = [({"kind": kind.kind}, kind.count) for kind in mesh.conflicts]
    out.add("mesh_conflicts_total", "counter", "Concurrent writes that met, by kind", kinds)
    synced = float(mesh.initial_sync_done)
    unconfigured = sum(not peer.configured for peer in mesh.nodes)
    gauges: list[tuple[str, str, float]] = [
        ("mesh_initial_sync_done", "1 once the node needs no first sync", synced),
        ("mesh_unstable_bytes", "Held for writes not everybody has", mesh.unstable_bytes),
        ("mesh_limbo_keys", "Keys that show nothing, remembered", mesh.limbo_keys),
        ("mesh_tombstones", "Removals that wait for late writes", mesh.tombstones),
        ("mesh_unconfigured_peers", "Peers not in the configuration", unconfigured),
        ("mesh_admin_sse_clients", "Open event streams of the admin page", stream_count),
        ("mesh_event_loop_lag_seconds", "Delay of the event loop", node.event_loop_lag_ms / 1000),
    ]
    if mesh.stable_age_ms is not None:
        age = mesh.stable_age_ms / 1000
        gauges.append(("mesh_stable_age_seconds", "Age of the oldest stamp not held by all", age))
    for name, text, value in gauges:
        out.add(name, "gauge", text, [({}, value)])


def _add_links(out: Exposition, peers: Sequence[_Peer]) -> None:
    up: list[Sample] = [(peer.labels, float(peer.link.state in _LIVE)) for peer in peers]
    out.add("mesh_link_up", "gauge", "1 when the link carries live writes", up)
    states: list[Sample] = [
        ({**peer.labels, "state": state.replace(" ", "_")}, float(peer.link.state == state))
        for peer in peers
        for state in LINK_STATES
    ]
    out.add("mesh_link_state", "gauge", "1 at the state the link is in", states)
    for name, kind, field, factor, text in _LINK_METRICS:
        samples: list[Sample] = []
        for peer in peers:
            value = getattr(peer.link, field)
            if value is not None:
                samples.append((peer.labels, value * factor))
        out.add(name, kind, text, samples)


def _peers(mesh: MeshStatus) -> list[_Peer]:
    """One entry per link and direction; a repeated one would make the whole text invalid."""
    addresses = {peer.name: peer.address for peer in mesh.nodes if peer.name}
    found: dict[tuple[str, str], _Peer] = {}
    for link in mesh.links:
        follows = link.view == FOLLOWER
        name = link.source if follows else link.target
        try:
            host, port = split_address(addresses.get(name, name))
        except ValueError:
            host, port = name, 0
        direction = "in" if follows else "out"
        found.setdefault((name, direction), _Peer(name, host, str(port), direction, link))
    return list(found.values())


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
