"""Reading configuration files: whole files of Redis and KeyDB, include, and the error block."""

from __future__ import annotations

from pathlib import Path

import pytest

from conf.config import Config, Place
from conf.errors import ConfigError
from conf.parse import read_text, settle
from conf.version import PLEXIS_VERSION


def read(text: str) -> Config:
    config = Config()
    read_text(config, text, Place("file", "plexis.conf"))
    return config


def error_of(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        settle(read(text))
    return str(caught.value)


def block(line: int, text: str, *reasons: str) -> str:
    head = f"*** FATAL CONFIG FILE ERROR (Plexis {PLEXIS_VERSION}) ***"
    place = f"Reading the configuration file, at line {line}"
    return "\n".join([head, place, f">>> '{text}'", *reasons, "In plexis.conf"])


# A file as packages of Redis 8 install it, shortened to its directives and some comments.
REDIS_CONF = r"""
# Redis configuration file example.
#
bind 127.0.0.1 -::1
protected-mode yes
port 6380
tcp-backlog 511
timeout 0
tcp-keepalive 300
daemonize no
pidfile "/run/redis/redis-server.pid"
loglevel notice
logfile /var/log/redis/redis-server.log
databases 16
always-show-logo no
set-proc-title yes
proc-title-template "{title} {listen-addr} {server-mode}"
locale-collate ""
save 900 1 300 10
save 60 10000
stop-writes-on-bgsave-error yes
rdbcompression yes
rdbchecksum yes
dbfilename dump.rdb
rdb-del-sync-files no
dir /var/lib/redis
replica-serve-stale-data yes
replica-read-only yes
repl-diskless-sync yes
repl-diskless-sync-delay 5
repl-diskless-load disabled
repl-disable-tcp-nodelay no
replica-priority 100
acllog-max-len 128
requirepass "p\"w d\x21"
maxmemory 100mb
maxmemory-policy allkeys-lru
lazyfree-lazy-eviction no
replica-lazy-flush no
oom-score-adj no
oom-score-adj-values 0 200 800
disable-thp yes
appendonly yes
appendfilename "appendonly.aof"
appenddirname "appendonlydir"
appendfsync everysec
auto-aof-rewrite-min-size 64mb
aof-use-rdb-preamble yes
slowlog-log-slower-than 10000
latency-monitor-threshold 0
notify-keyspace-events ""
hash-max-listpack-entries 512
list-max-listpack-size -2
hll-sparse-max-bytes 3000
client-output-buffer-limit normal 0 0 0
client-output-buffer-limit replica 256mb 64mb 60
client-output-buffer-limit pubsub 32mb 8mb 60
hz 10
dynamic-hz yes
jemalloc-bg-thread yes
# bio_cpulist 1,3
user worker on >secret ~jobs:* +@all
"""

# A file as KeyDB 6.3 ships it, with the lines of an active-active node at its end.
KEYDB_CONF = """
bind 127.0.0.1 -::1
port 6379
daemonize no
supervised no
pidfile /var/run/keydb_6379.pid
always-show-logo yes
save 900 1
save 300 10
dir ./
repl-diskless-sync no
slave-serve-stale-data yes
slave-priority 100
lua-time-limit 5000
hash-max-ziplist-entries 256
hash-max-ziplist-value 32
list-max-ziplist-size -2
lua-replicate-commands yes
io-threads-do-reads no
server-threads 2
server-thread-affinity true
replica-weighting-factor 2
active-client-balancing yes
min-clients-per-thread 50
replicaof 10.0.0.2 6379
slaveof 10.0.0.3 6379
multi-master yes
active-replica yes
multi-master-no-forward no
storage-provider flash /var/lib/keydb/flash
"""


def test_a_file_of_redis_is_read() -> None:
    config = read(REDIS_CONF)
    assert config.words("bind") == ["127.0.0.1", "-::1"]
    assert config.number("port") == 6380
    assert config.printed("save") == "900 1 300 10 60 10000"
    assert config.text("requirepass") == 'p"w d!'
    assert config.number("maxmemory") == 100 << 20
    assert config.printed("client-output-buffer-limit") == Config().printed(
        "client-output-buffer-limit"
    )


def test_one_warning_names_what_has_no_effect_and_what_does_not_protect() -> None:
    assert settle(read(REDIS_CONF)) == [
        "accepted without effect in this release: user."
        " ATTENTION, this does not restrict access here: user"
    ]


def test_a_file_of_keydb_is_read_whatever_the_order_of_its_lines() -> None:
    config = read(KEYDB_CONF)
    warnings = settle(config)
    assert config.rows("replicaof") == [["10.0.0.2", "6379"], ["10.0.0.3", "6379"]]
    assert config.yes("active-replica") and config.yes("multi-master")
    assert config.number("hash-max-listpack-entries") == 256
    assert config.number("busy-reply-threshold") == 5000
    assert warnings == [
        "server-threads accepted, but one core serves all clients",
        "accepted without effect in this release: server-thread-affinity,"
        " min-clients-per-thread, storage-provider",
    ]


def test_settings_of_redis_modules_are_accepted_unread() -> None:
    config = read("loadmodule /m/search.so\nsearch-timeout 500\nbf-error-rate 0.01\nm.x 1 2\n")
    assert settle(config) == [
        "accepted without effect in this release: loadmodule, bf-error-rate, m.x, search-timeout"
    ]


def test_an_active_replica_is_never_read_only() -> None:
    config = read("active-replica yes\n")
    assert settle(config) == []
    assert config.yes("replica-read-only") is False
    config = read("active-replica yes\nreplica-read-only yes\n")
    assert settle(config) == ["'active-replica yes' implies 'replica-read-only no'"]


def test_without_multi_master_the_last_replicaof_counts_and_a_warning_tells() -> None:
    config = read("replicaof a 1\nreplicaof b 2\nreplicaof c 3\n")
    assert settle(config) == [
        "replicaof is given 3 times without 'multi-master yes': only the last, c:3, is followed,"
        " not a:1, b:2"
    ]
    assert config.rows("replicaof") == [["c", "3"]]


def test_no_one_clears_the_nodes_given_so_far() -> None:
    config = read("replicaof a 1\nreplicaof no one\nreplicaof b 2\n")
    assert settle(config) == []
    assert config.rows("replicaof") == [["b", "2"]]


def test_lines_with_crlf_comments_and_blanks_are_read() -> None:
    config = read("\r\n # comment\r\n\tPORT 1 \r\n#port 2\r\nlogfile ''\r\n")
    assert config.number("port") == 1
    assert config.place("port") == Place("file", "plexis.conf", 3, "PORT 1")


def test_the_last_line_of_a_directive_counts() -> None:
    assert read("port 1\nport 2").number("port") == 2


def test_several_words_may_stand_in_one_pair_of_quotes() -> None:
    assert read('replicaof "host 6379"').rows("replicaof") == [["host", "6379"]]
    assert read('bind "a b"').words("bind") == ["a", "b"]


ERRORS = [
    (
        "port 1\n\nprot 6379",
        block(
            3,
            "prot 6379",
            "Bad directive or wrong number of arguments",
            'Did you mean "port"?',
        ),
    ),
    ("qqqq 1", block(1, "qqqq 1", "Bad directive or wrong number of arguments")),
    ("appendonly maybe", block(1, "appendonly maybe", "argument must be 'yes' or 'no'")),
    ("port", block(1, "port", "wrong number of arguments")),
    ("port 1 2", block(1, "port 1 2", "wrong number of arguments")),
    (
        "port 65536",
        block(1, "port 65536", "argument must be between 0 and 65535 inclusive"),
    ),
    ('logfile "a', block(1, 'logfile "a', "Unbalanced quotes in configuration line")),
    ("save 60", block(1, "save 60", "Invalid save parameters")),
    (
        "slave-reed-only yes",
        block(
            1,
            "slave-reed-only yes",
            "Bad directive or wrong number of arguments",
            'Did you mean "slave-read-only"?',
        ),
    ),
    (
        "sentinel monitor a 1 2 3",
        block(1, "sentinel monitor a 1 2 3", "sentinel directive while not in sentinel mode"),
    ),
    ("search-timeout", block(1, "search-timeout", "Module config specified without value")),
    (
        "port 1\ndaemonize yes",
        block(
            2,
            "daemonize yes",
            "plexis-server stays in the foreground: use 'daemonize no' and let a supervisor"
            " (systemd, a container runtime) run it",
        ),
    ),
    (
        "multi-master yes\nport 1",
        block(1, "multi-master yes", "multi-master needs 'active-replica yes'"),
    ),
    (
        "requirepass two words",
        block(1, "requirepass (value not shown)", "wrong number of arguments"),
    ),
    (
        'requirepass "secret',
        block(1, "requirepass (value not shown)", "Unbalanced quotes in configuration line"),
    ),
    ("include", block(1, "include", "Bad directive or wrong number of arguments")),
    (
        "includ a.conf",
        block(
            1,
            "includ a.conf",
            "Bad directive or wrong number of arguments",
            'Did you mean "include"?',
        ),
    ),
]


@pytest.mark.parametrize(("text", "message"), ERRORS)
def test_an_error_shows_the_line_and_the_reason(text: str, message: str) -> None:
    assert error_of(text) == message


def test_included_files_are_read_in_place_and_in_order(tmp_path: Path) -> None:
    (tmp_path / "b.conf").write_text("timeout 2\nmaxclients 20\n")
    (tmp_path / "a.conf").write_text("timeout 1\n")
    config = read(f"maxclients 1\ninclude {tmp_path}/*.conf\nport 7\n")
    assert config.number("timeout") == 2
    assert config.number("maxclients") == 20
    assert config.number("port") == 7
    place = config.place("timeout")
    assert place is not None and (place.origin, place.line) == ("include", 1)


def test_a_pattern_may_match_nothing_but_a_plain_name_must_exist(tmp_path: Path) -> None:
    read(f"include {tmp_path}/*.conf")
    path = f"{tmp_path}/none.conf"
    assert error_of(f"port 1\ninclude {path}") == block(
        2,
        f"include {path}",
        f"Fatal error, can't open config file '{path}': No such file or directory",
    )


def test_an_error_in_an_included_file_names_that_file(tmp_path: Path) -> None:
    path = tmp_path / "inner.conf"
    path.write_text("\nport x\n")
    message = error_of(f"include {path}")
    assert "at line 2\n>>> 'port x'" in message
    assert message.endswith(f"In {path}")


def test_files_that_include_one_another_are_found(tmp_path: Path) -> None:
    path = tmp_path / "loop.conf"
    path.write_text(f"include {path}\n")
    assert "include is nested more than 16 deep" in error_of(f"include {path}")


def test_bytes_that_are_not_utf_8_survive(tmp_path: Path) -> None:
    path = tmp_path / "latin.conf"
    path.write_bytes(b"masterauth \xe4\xf6\n")
    config = read(f"include {path}")
    assert config.text("masterauth").encode("utf-8", "surrogateescape") == b"\xe4\xf6"
