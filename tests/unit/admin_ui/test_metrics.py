"""/metrics is what Prometheus reads: valid, with redis_exporter's names, and nothing twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from admin_ui.metrics import metrics_text
from mesh.status import DOWN, CountStatus, MeshStatus, PeerStatus
from node.status import ErrorStatus
from tests.admin_ui.fakes import FakeMesh, link_status, node_status

# What the widespread Redis dashboard and the alerts of the mixin ask for.
DASHBOARD = {
    "redis_up",
    "redis_uptime_in_seconds",
    "redis_connected_clients",
    "redis_blocked_clients",
    "redis_max_clients",
    "redis_memory_used_bytes",
    "redis_memory_max_bytes",
    "redis_memory_used_rss_bytes",
    "redis_commands_total",
    "redis_commands_duration_seconds_total",
    "redis_commands_processed_total",
    "redis_keyspace_hits_total",
    "redis_keyspace_misses_total",
    "redis_net_input_bytes_total",
    "redis_net_output_bytes_total",
    "redis_db_keys",
    "redis_db_keys_expiring",
    "redis_expired_keys_total",
    "redis_evicted_keys_total",
    "redis_connected_slaves",
    "redis_master_last_io_seconds_ago",
    "redis_master_link_up",
    "redis_rejected_connections_total",
    "redis_instance_info",
    "redis_start_time_seconds",
    "redis_rdb_last_bgsave_status",
    "redis_replica_resyncs_full",
}


def samples_of(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by name and labels; a sample that appears twice is an error."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, key
            found[key] = sample.value
    return found


def sample(text: str, name: str, **labels: str) -> float:
    return samples_of(text)[name, tuple(sorted(labels.items()))]


def metrics_of(mesh: FakeMesh, **node: Any) -> str:
    own, status = mesh.status("a")
    return metrics_text(replace(own, **node), status, 2)


def test_the_dashboards_find_their_names() -> None:
    text = metrics_of(FakeMesh({"a": 1, "b": 2}))
    assert not DASHBOARD - {name for name, _ in samples_of(text)}


def test_numbers_units_and_labels() -> None:
    mesh = FakeMesh({"a": 1, "b": 2})
    mesh.change_link("b", "a", apply_lag_ms=2_500, clock_skew_ms=-3)
    text = metrics_of(mesh)
    assert sample(text, "redis_db_keys", db="db0") == 1_200
    assert sample(text, "redis_db_avg_ttl_seconds", db="db0") == 5.5
    assert sample(text, "redis_commands_duration_seconds_total", cmd="get") == 0.00125
    assert sample(text, "redis_master_link_up", master_host="127.0.0.1", master_port="2") == 1
    assert sample(text, "mesh_link_apply_lag_seconds", peer="b", direction="in") == 2.5
    assert sample(text, "mesh_clock_skew_seconds", peer="b", direction="in") == -0.003
    assert sample(text, "mesh_conflicts_total", kind="string") == 3
    assert sample(text, "mesh_admin_sse_clients") == 2
    assert sample(text, "mesh_node_state", node="a", state="ok") == 1
    assert sample(text, "mesh_link_state", peer="b", direction="out", state="in_sync") == 1


def test_unknown_numbers_are_left_out_and_a_lost_link_is_down() -> None:
    mesh = FakeMesh({"a": 1, "b": 2})
    mesh.change_link("b", "a", state=DOWN, apply_lag_ms=None)
    text = metrics_of(mesh)
    lag = ("mesh_link_apply_lag_seconds", (("direction", "in"), ("peer", "b")))
    assert lag not in samples_of(text)
    assert sample(text, "mesh_link_up", peer="b", direction="in") == 0


def test_odd_names_are_escaped_and_repeated_links_are_not_repeated() -> None:
    odd = 'q"uo\\te\nline'
    links = (link_status(odd, "a"), link_status(odd, "a"))
    own = node_status("a", 1, error_stats=(ErrorStatus("ERR", 4),), state="odd")
    mesh = MeshStatus(name=odd, nodes=(PeerStatus(odd, "no port"),), links=links)
    text = metrics_text(own, replace(mesh, conflicts=(CountStatus(odd, 1),)), 0)
    assert sample(text, "mesh_link_up", peer=odd, direction="in") == 1
    assert sample(text, "redis_errors_total", err="ERR") == 4
    assert sample(text, "mesh_node_state", node="a", state="odd") == 1
