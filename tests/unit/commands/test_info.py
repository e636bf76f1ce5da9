"""INFO: sections by name, fields in Redis's order, and what the shell adds."""

import re

import pytest

from node.commands.context import Shell
from node.info import ORDER, human
from node.resp.replies import Verbatim
from tests.support.local import START_S, LocalNode

DEFAULT = [section for section in ORDER if section not in ("commandstats", "mesh")]


def info(node: LocalNode, sections: str = "") -> str:
    """INFO's text."""
    reply = node(f"INFO {sections}")
    assert isinstance(reply, Verbatim)
    assert reply.kind == b"txt"
    return reply.text.decode()


def fields(node: LocalNode, section: str) -> dict[str, str]:
    """The fields of one section."""
    lines = info(node, section).splitlines()[1:]
    return dict(line.split(":", 1) for line in lines)


def headings(text: str) -> list[str]:
    """The sections in a text."""
    return [line[2:].lower() for line in text.splitlines() if line.startswith("# ")]


@pytest.mark.parametrize("word", ["", "default", "DEFAULT keyspace", "default nosuch"])
def test_the_default_leaves_command_statistics_out(node: LocalNode, word: str) -> None:
    assert headings(info(node, word)) == DEFAULT


@pytest.mark.parametrize("word", ["all", "everything", "server ALL"])
def test_all_is_everything(node: LocalNode, word: str) -> None:
    assert headings(info(node, word)) == [section for section in ORDER if section != "mesh"]


def test_sections_come_in_redis_order_each_once(node: LocalNode) -> None:
    assert headings(info(node, "keyspace SERVER nosuch cpu server")) == [
        "server",
        "cpu",
        "keyspace",
    ]
    assert info(node, "nosuch") == ""


def test_sections_are_parted_by_an_empty_line(node: LocalNode) -> None:
    assert info(node, "cluster keyspace") == "# Cluster\r\ncluster_enabled:0\r\n\r\n# Keyspace\r\n"


def test_server_says_whose_behaviour_is_promised(node: LocalNode) -> None:
    found = fields(node, "server")
    assert found["redis_version"] == "8.2.3"
    assert re.fullmatch(r"\d+\.\d+\.\d+", found["plexis_version"])
    assert (found["redis_mode"], found["tcp_port"]) == ("standalone", "6379")
    assert found["server_time_usec"] == str(int(START_S) * 1_000_000)


def test_clients_and_stats_count_what_happened(node: LocalNode) -> None:
    listener, watcher = node.session(), node.session()
    node("CONFIG RESETSTAT")
    node("SUBSCRIBE a b", client=listener)
    node("PSUBSCRIBE c*", client=listener)
    node("WATCH a b", client=watcher)
    node("WATCH a")
    node("SET k v PX 10")
    node("GET k")
    node("GET none")
    node.advance(1)
    node("NOSUCH")
    node("HGET s")
    clients = fields(node, "clients")
    assert (clients["connected_clients"], clients["pubsub_clients"]) == ("3", "1")
    assert (clients["watching_clients"], clients["total_watched_keys"]) == ("2", "2")
    stats = fields(node, "stats")
    assert (stats["keyspace_hits"], stats["keyspace_misses"]) == ("1", "1")
    assert (stats["expired_keys"], stats["total_error_replies"]) == ("1", "2")
    assert (stats["pubsub_channels"], stats["pubsub_patterns"]) == ("2", "1")
    assert stats["total_commands_processed"] == "9"
    assert fields(node, "errorstats") == {"errorstat_ERR": "count=2"}


def test_commandstats_count_calls_refusals_and_failures(node: LocalNode) -> None:
    node("CONFIG RESETSTAT")
    node("SET k v")
    node("SADD k m")
    node("SADD k")
    node("CONFIG GET port")
    found = fields(node, "commandstats")
    numbers = r"usec=\d+,usec_per_call=\d+\.\d\d"
    for name, calls, rejected, failed in (
        *(("set", 1, 0, 0), ("sadd", 1, 1, 1)),
        *(("config|get", 1, 0, 0), ("config|resetstat", 1, 0, 0)),
    ):
        pattern = f"calls={calls},{numbers},rejected_calls={rejected},failed_calls={failed}"
        assert re.fullmatch(pattern, found.pop(f"cmdstat_{name}"))
    assert found == {}


def test_keyspace_names_databases_with_keys(node: LocalNode) -> None:
    node("SET a 1")
    node("SET b 1 EX 1000")
    node("SELECT 3")
    node("SADD s x")
    found = fields(node, "keyspace")
    assert found["db3"] == "keys=1,expires=0,avg_ttl=0,subexpiry=0"
    match = re.fullmatch(r"keys=2,expires=1,avg_ttl=(\d+),subexpiry=0", found["db0"])
    assert match is not None
    assert abs(int(match[1]) - 1_000_000) < 128  # deadlines are averaged by buckets of 128 ms


class Outside(Shell):
    """Knows a few fields."""

    def info(self, section: str) -> list[tuple[str, object]]:
        known: dict[str, list[tuple[str, object]]] = {
            "server": [("uptime_in_seconds", 5), ("process_id", 77), ("config_file", "a.conf")],
            "stats": [("ours", True), ("instantaneous_ops_per_sec", 3)],
            "cpu": [("used_cpu_user", 1.5)],
            "replication": [("role", "active-replica"), ("master_global_link_status", "up")],
            "mesh": [("mesh_members", 3)],
        }
        return known.get(section, [])


def test_fields_of_the_shell_take_their_places(node: LocalNode) -> None:
    node.engine.shell = Outside()
    server = list(fields(node, "server"))
    assert server.index("process_id") < server.index("tcp_port") < server.index("uptime_in_seconds")
    assert fields(node, "server")["config_file"] == "a.conf"
    stats = fields(node, "stats")
    assert (list(stats)[1], list(stats)[-1]) == ("instantaneous_ops_per_sec", "ours")
    assert stats["ours"] == "1"
    assert fields(node, "cpu") == {"used_cpu_user": "1.50"}
    assert list(fields(node, "replication")) == ["role", "master_global_link_status"]
    assert fields(node, "mesh") == {"mesh_members": "3"}
    assert headings(info(node)) == [section for section in ORDER if section != "commandstats"]


@pytest.mark.parametrize(
    ("size", "shown"), [(0, "0B"), (1023, "1023B"), (1024, "1.00K"), (2603016, "2.48M")]
)
def test_sizes_for_people(size: int, shown: str) -> None:
    assert human(size) == shown
