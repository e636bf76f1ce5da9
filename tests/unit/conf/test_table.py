"""THE TABLE: complete for Redis 8.2 and KeyDB 6.3, with Redis's defaults, and sound in itself."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from conf.config import Config
from conf.directives import BY_ANY_NAME, PROTECTIVE, SENSITIVE, TABLE, find, kind_of
from conf.version import PLEXIS_VERSION

ROOT = Path(__file__).resolve().parents[3]

# What Redis 8.2.3 answers to CONFIG GET * when it is started without a file, but for port, save,
# dir and unixsocket, which say how it was started.
REDIS_ANSWERS = """\
acl-pubsub-default resetchannels
aclfile
acllog-max-len 128
active-defrag-cycle-max 25
active-defrag-cycle-min 1
active-defrag-ignore-bytes 104857600
active-defrag-max-scan-fields 1000
active-defrag-threshold-lower 10
active-defrag-threshold-upper 100
active-expire-effort 1
activedefrag no
activerehashing yes
always-show-logo no
aof-load-truncated yes
aof-rewrite-cpulist
aof-rewrite-incremental-fsync yes
aof-timestamp-enabled no
aof-use-rdb-preamble yes
aof_rewrite_cpulist
appenddirname appendonlydir
appendfilename appendonly.aof
appendfsync everysec
appendonly no
auto-aof-rewrite-min-size 67108864
auto-aof-rewrite-percentage 100
bgsave-cpulist
bgsave_cpulist
bind * -::*
bind-source-addr
bio-cpulist
bio_cpulist
busy-reply-threshold 5000
client-output-buffer-limit normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60
client-query-buffer-limit 1073741824
cluster-allow-pubsubshard-when-down yes
cluster-allow-reads-when-down no
cluster-allow-replica-migration yes
cluster-announce-bus-port 0
cluster-announce-hostname
cluster-announce-human-nodename
cluster-announce-ip
cluster-announce-port 0
cluster-announce-tls-port 0
cluster-compatibility-sample-ratio 0
cluster-config-file nodes.conf
cluster-enabled no
cluster-link-sendbuf-limit 0
cluster-migration-barrier 1
cluster-node-timeout 15000
cluster-port 0
cluster-preferred-endpoint-type ip
cluster-replica-no-failover no
cluster-replica-validity-factor 10
cluster-require-full-coverage yes
cluster-slave-no-failover no
cluster-slave-validity-factor 10
cluster-slot-stats-enabled no
crash-log-enabled yes
crash-memcheck-enabled yes
daemonize no
databases 16
dbfilename dump.rdb
disable-thp yes
dynamic-hz yes
enable-debug-command no
enable-module-command no
enable-protected-configs no
hash-max-listpack-entries 512
hash-max-listpack-value 64
hash-max-ziplist-entries 512
hash-max-ziplist-value 64
hide-user-data-from-log no
hll-sparse-max-bytes 3000
hz 10
ignore-warnings
io-threads 1
jemalloc-bg-thread yes
latency-monitor-threshold 0
latency-tracking yes
latency-tracking-info-percentiles 50 99 99.9
lazyfree-lazy-eviction no
lazyfree-lazy-expire no
lazyfree-lazy-server-del no
lazyfree-lazy-user-del no
lazyfree-lazy-user-flush no
lfu-decay-time 1
lfu-log-factor 10
list-compress-depth 0
list-max-listpack-size -2
list-max-ziplist-size -2
locale-collate
logfile
loglevel notice
lua-time-limit 5000
masterauth
masteruser
max-new-connections-per-cycle 10
max-new-tls-connections-per-cycle 1
maxclients 10000
maxmemory 0
maxmemory-clients 0
maxmemory-eviction-tenacity 10
maxmemory-policy noeviction
maxmemory-samples 5
min-replicas-max-lag 10
min-replicas-to-write 0
min-slaves-max-lag 10
min-slaves-to-write 0
no-appendfsync-on-rewrite no
notify-keyspace-events
oom-score-adj no
oom-score-adj-values 0 200 800
pidfile
proc-title-template {title} {listen-addr} {server-mode}
propagation-error-behavior ignore
protected-mode yes
proto-max-bulk-len 536870912
rdb-del-sync-files no
rdb-save-incremental-fsync yes
rdbchecksum yes
rdbcompression yes
repl-backlog-size 1048576
repl-backlog-ttl 3600
repl-disable-tcp-nodelay no
repl-diskless-load disabled
repl-diskless-sync yes
repl-diskless-sync-delay 5
repl-diskless-sync-max-replicas 0
repl-ping-replica-period 10
repl-ping-slave-period 10
repl-timeout 60
replica-announce-ip
replica-announce-port 0
replica-announced yes
replica-full-sync-buffer-limit 0
replica-ignore-disk-write-errors no
replica-ignore-maxmemory yes
replica-lazy-flush no
replica-priority 100
replica-read-only yes
replica-serve-stale-data yes
replicaof
requirepass
sanitize-dump-payload no
server-cpulist
server_cpulist
set-max-intset-entries 512
set-max-listpack-entries 128
set-max-listpack-value 64
set-proc-title yes
shutdown-on-sigint default
shutdown-on-sigterm default
shutdown-timeout 10
slave-announce-ip
slave-announce-port 0
slave-ignore-maxmemory yes
slave-lazy-flush no
slave-priority 100
slave-read-only yes
slave-serve-stale-data yes
slaveof
slowlog-log-slower-than 10000
slowlog-max-len 128
socket-mark-id 0
stop-writes-on-bgsave-error yes
stream-node-max-bytes 4096
stream-node-max-entries 100
supervised no
syslog-enabled no
syslog-facility local0
syslog-ident redis
tcp-backlog 511
tcp-keepalive 300
timeout 0
tls-auth-clients yes
tls-ca-cert-dir
tls-ca-cert-file
tls-cert-file
tls-ciphers
tls-ciphersuites
tls-client-cert-file
tls-client-key-file
tls-client-key-file-pass
tls-cluster no
tls-dh-params-file
tls-key-file
tls-key-file-pass
tls-port 0
tls-prefer-server-ciphers no
tls-protocols
tls-replication no
tls-session-cache-size 20480
tls-session-cache-timeout 300
tls-session-caching yes
tracking-table-max-keys 1000000
unixsocketperm 0
zset-max-listpack-entries 128
zset-max-listpack-value 64
zset-max-ziplist-entries 128
zset-max-ziplist-value 64
"""

# Directives that KeyDB 6.3 has and Redis 8.2 does not.
KEYDB_ONLY = """
active-client-balancing active-replica allow-rdb-resize-op allow-write-during-load
availability-zone db-s3-object delete-on-evict enable-async-commands enable-async-rehash
enable-keydb-fastsync enable-motd flash-disable-key-cache force-backlog-disk-reserve
force-eviction-percent is-flash-enabled list-max-ziplist-entries list-max-ziplist-value
loading-process-events-interval-keys lua-replicate-commands max-rand-count max-snapshot-slip
maxclients-reserved maxstorage min-clients-per-thread multi-master multi-master-no-forward
multithread-load-enabled overload-protect-percent prefetch-enabled rdbfuzz-mode
repl-backlog-disk-reserve replica-quorum replica-weighting-factor scratch-file-path
semi-ordered-set-bucket-size server-thread-affinity server-threads soft-shutdown
storage-cache-mode storage-flush-period storage-provider storage-provider-options testmode
time-thread-priority tls-allowlist tls-auditlog-blocklist tls-rotation use-fork version-override
"""

# Directives that CONFIG GET of Redis does not know, but its files may hold.
FILE_ONLY = ["loadmodule", "rename-command", "sentinel", "user"]

# What this release acts on (or accepts because it has nothing to do).
BUILT = """
port bind bind-source-addr protected-mode tcp-backlog unixsocket unixsocketperm timeout
tcp-keepalive daemonize always-show-logo
pidfile loglevel logfile databases save dbfilename dir stop-writes-on-bgsave-error rdbchecksum
rdbcompression maxclients requirepass masterauth masteruser replicaof active-replica multi-master
multi-master-no-forward replica-read-only replica-serve-stale-data replica-announce-ip
replica-announce-port repl-timeout repl-ping-replica-period repl-backlog-size repl-backlog-ttl
repl-diskless-sync repl-diskless-sync-delay repl-diskless-sync-max-replicas
notify-keyspace-events proto-max-bulk-len
client-query-buffer-limit client-output-buffer-limit hz hash-max-listpack-entries
hash-max-listpack-value set-max-intset-entries set-max-listpack-entries set-max-listpack-value
zset-max-listpack-entries zset-max-listpack-value list-max-listpack-size list-compress-depth
hll-sparse-max-bytes stream-node-max-bytes stream-node-max-entries lfu-log-factor lfu-decay-time
rdb-version sanitize-dump-payload
lazyfree-lazy-eviction lazyfree-lazy-expire lazyfree-lazy-server-del lazyfree-lazy-user-del
lazyfree-lazy-user-flush shutdown-on-sigint shutdown-on-sigterm
enable-debug-command enable-protected-configs
crash-log-enabled server-threads io-threads admin-bind admin-password
appendonly appendfilename appenddirname appendfsync no-appendfsync-on-rewrite
auto-aof-rewrite-percentage auto-aof-rewrite-min-size aof-load-truncated
mesh-dial-back mesh-join mesh-unstable-max-bytes mesh-peer-expel-after mesh-expel-quorum
mesh-anti-entropy-seconds mesh-forget mesh-staging-memory mesh-max-unit-bytes
mesh-clock-guard-ms mesh-clock-refuse-ms mesh-xadd-mode mesh-conflicts-max
conflict-policy mesh-nx-policy mesh-stream-stable-reads mesh-eviction
mesh-owner mesh-owner-policy mesh-owner-lease-ms
maxmemory maxmemory-policy maxmemory-samples
mesh-conflicts-value-bytes mesh-wait-max-ms mesh-heartbeat-ms node-name mesh-member-id-file
"""


@pytest.mark.parametrize("answer", REDIS_ANSWERS.splitlines())
def test_config_get_answers_like_redis(answer: str) -> None:
    name, _, value = answer.partition(" ")
    config = Config()
    assert name in config.names()
    assert config.printed(name) == value


@pytest.mark.parametrize("name", [*KEYDB_ONLY.split(), *FILE_ONLY])
def test_the_directives_of_keydb_and_of_files_are_known(name: str) -> None:
    assert find(name) is not None


def test_what_is_built_is_what_the_release_promises() -> None:
    assert sorted(name for name, entry in TABLE.items() if entry.built) == sorted(BUILT.split())


def test_what_is_built_is_read_somewhere() -> None:
    """Else it must say so: that it has no effect, or why the value is only accepted."""
    code = "".join(
        path.read_text(encoding="utf-8")
        for package in ("node", "mesh", "conf", "admin_ui")
        for path in (ROOT / package).rglob("*.py") if path.name != "table_text.py"
    )
    idle = {
        entry.name for entry in TABLE.values()
        if entry.built and not entry.help.startswith("accepted: ")
        and not any(f'"{name}"' in code for name in (entry.name, *entry.aliases))
    }
    # Read by a name that is put together; and one with a single value.
    assert idle == {"shutdown-on-sigint", "shutdown-on-sigterm", "mesh-eviction"}


def test_save_port_and_dir_have_the_defaults_of_redis() -> None:
    config = Config()
    assert config.printed("save") == "3600 1 300 100 60 10000"
    assert config.number("port") == 6379
    assert config.text("dir") == "./"


def test_plexis_own_directives_have_their_defaults() -> None:
    config = Config()
    assert config.text("admin-bind") == "127.0.0.1:8379"
    assert config.text("admin-password") == ""
    assert config.yes("mesh-dial-back")
    assert config.number("mesh-unstable-max-bytes") == 256 << 20
    assert config.yes("mesh-forget")
    assert config.number("mesh-anti-entropy-seconds") == 600
    assert config.number("mesh-staging-memory") == 256 << 20
    assert config.number("mesh-max-unit-bytes") == 64 << 20
    assert config.number("mesh-clock-guard-ms") == 500
    assert config.number("mesh-clock-refuse-ms") == 60_000
    assert config.text("mesh-xadd-mode") == "semi"
    assert config.number("mesh-conflicts-max") == 1000
    assert config.number("mesh-conflicts-value-bytes") == 128
    assert config.number("mesh-wait-max-ms") == 300_000
    assert config.number("mesh-heartbeat-ms") == 1000
    assert config.text("node-name") == ""
    assert config.text("mesh-member-id-file") == "plexis-member.id"


def test_no_name_is_an_alias_of_another_directive() -> None:
    names = [name for entry in TABLE.values() for name in (entry.name, *entry.aliases)]
    assert len(names) == len(set(names)) == len(BY_ANY_NAME)
    assert all(name == name.lower() for name in names)


def test_every_directive_says_what_it_does_in_a_few_words() -> None:
    for entry in TABLE.values():
        assert 2 <= len(entry.help) <= 60, entry.name
        assert not entry.help.endswith("."), entry.name
        assert entry.group and entry.kind.describe()


def test_the_sets_of_names_hold_known_names_only() -> None:
    assert set(TABLE) >= SENSITIVE | PROTECTIVE


def test_every_password_is_sensitive() -> None:
    for name in TABLE:
        if name.endswith(("pass", "auth", "password")):
            assert TABLE[name].sensitive, name


@pytest.mark.parametrize("spec", ["number", "enum-of a b", "yes-no 1", ""])
def test_a_kind_the_table_cannot_name_is_an_error(spec: str) -> None:
    with pytest.raises((KeyError, ValueError)):
        kind_of(spec)


def test_the_version_is_that_of_the_distribution() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == PLEXIS_VERSION
