"""The lines of THE TABLE. conf/directives.py says how a line is read and turns them into objects.

The text stands alone so that adding a directive is adding one line, and a diff shows just that.
"""

from __future__ import annotations

from typing import Final

TABLE_TEXT: Final = """\
## Network
+ port | int 0..65535 | 6379 | start | TCP port for clients and peers; 0 = no TCP
+ bind | addresses | * -::* | start | addresses to listen on; a leading - lets one be absent
+ bind-source-addr | text | "" | runtime | local address of outgoing links
+ protected-mode | yes-no | yes | runtime | refuse remote clients while no password is set
+ tcp-backlog | int 0..max | 511 | start | queue of connections not yet accepted
+ unixsocket | path | "" | start | path of a Unix socket to listen on as well
+ unixsocketperm | octal 0..777 | 0 | start | permissions of that socket; 0 = as umask gives
+ timeout | int 0..max | 0 | runtime | seconds until an idle client is closed; 0 = never
+ tcp-keepalive | int 0..max | 300 | runtime | seconds between keepalive probes; 0 = off
- socket-mark-id | uint 0..umax | 0 | start | mark put on listening sockets
- max-new-connections-per-cycle | uint 1..1000 | 10 | runtime | accepts in one turn of the loop
- max-new-tls-connections-per-cycle | uint 1..1000 | 1 | runtime | TLS accepts in one turn

## TLS
- tls-port | int 0..65535 | 0 | runtime | port for TLS clients; 0 = none
- tls-cert-file | path | "" | runtime | certificate of the server
- tls-key-file | path | "" | runtime | its private key
- tls-key-file-pass | text | "" | runtime | pass phrase of that key
- tls-client-cert-file | path | "" | runtime | certificate for outgoing links
- tls-client-key-file | path | "" | runtime | its private key
- tls-client-key-file-pass | text | "" | runtime | pass phrase of that key
- tls-dh-params-file | path | "" | runtime | Diffie-Hellman parameters
- tls-ca-cert-file | path | "" | runtime | certificates of trusted authorities
- tls-ca-cert-dir | path | "" | runtime | directory of such certificates
- tls-auth-clients | enum no yes optional | yes | runtime | whether clients show a certificate
- tls-replication | yes-no | no | runtime | TLS on links to peers
- tls-cluster | yes-no | no | runtime | TLS on the cluster bus
- tls-protocols | text | "" | runtime | TLS versions to offer
- tls-ciphers | text | "" | runtime | ciphers up to TLS 1.2
- tls-ciphersuites | text | "" | runtime | cipher suites of TLS 1.3
- tls-prefer-server-ciphers | yes-no | no | runtime | the server's order of ciphers wins
- tls-session-caching | yes-no | yes | runtime | let clients resume sessions
- tls-session-cache-size | int 0..max | 20480 | runtime | sessions kept; 0 = no limit
- tls-session-cache-timeout | int 0..max | 300 | runtime | seconds a session is kept
- tls-allowlist | names | "" | file | KeyDB: names a client certificate may carry
- tls-auditlog-blocklist | names | "" | file | KeyDB: certificate names left out of the audit log
- tls-rotation | yes-no | no | runtime | KeyDB: watch certificates and reload them

## Process
+ daemonize | yes-no | no | start | only no: a supervisor runs the process
- supervised | enum upstart systemd auto no | no | start | tell an init system when ready
+ pidfile | path | "" | start | file that holds the process number while it runs
+ loglevel | enum debug verbose notice warning nothing | notice | runtime | how much is logged
+ logfile | path | "" | start | file to log to; empty = standard output
- syslog-enabled | yes-no | no | start | log to syslog too
- syslog-ident | text | redis | start | name used in syslog
- syslog-facility | enum user local0 local1 local2 local3 local4 local5 local6 local7 | local0 \
| start | syslog facility
+ crash-log-enabled | yes-no | yes | runtime | log the stack of a fatal error
- crash-memcheck-enabled | yes-no | yes | runtime | test memory after a crash
- use-exit-on-panic | yes-no | no | hidden | leave without a core file after a failed assertion
+ databases | int 1..max | 16 | start | how many databases SELECT knows
+ always-show-logo | yes-no | no | start | accepted: there is no banner
- hide-user-data-from-log | yes-no | no | runtime | keep keys and values out of the log
- set-proc-title | yes-no | yes | start | show state in the process title
- proc-title-template | text | "{title} {listen-addr} {server-mode}" | runtime | that title
- locale-collate | text | "" | runtime | collation of SORT ALPHA
- disable-thp | yes-no | yes | start | turn transparent huge pages off for the process
- oom-score-adj | enum no yes relative absolute | no | runtime | steer the kernel's OOM killer
- oom-score-adj-values | score-adjustments | 0 200 800 | runtime | its scores, by role
- server-cpulist server_cpulist | text | "" | start | CPUs of the main thread
- bio-cpulist bio_cpulist | text | "" | start | CPUs of background threads
- aof-rewrite-cpulist aof_rewrite_cpulist | text | "" | start | CPUs of AOF rewriting
- bgsave-cpulist bgsave_cpulist | text | "" | start | CPUs of background saving
- ignore-warnings | text | "" | runtime | start warnings to leave out
- watchdog-period | int 0..max | 0 | hidden | milliseconds after which a stall is logged
+ io-threads | int 1..128 | 1 | start | accepted: one core serves all clients
- io-threads-do-reads | yes-no | no | hidden | Redis before 8: read in threads
+ hz | frequency | 10 | runtime | turns of background work a second, 1 to 500
- dynamic-hz | yes-no | yes | runtime | more turns when there are many clients
- shutdown-timeout | int 0..max | 10 | runtime | seconds to wait for replicas at shutdown
+ shutdown-on-sigint | signal-options | default | runtime | what SIGINT does
+ shutdown-on-sigterm | signal-options | default | runtime | what SIGTERM does

## Snapshots
+ save | save-points | 3600 1 300 100 60 10000 | runtime | save after seconds with changes
+ stop-writes-on-bgsave-error | yes-no | yes | runtime | refuse writes while saving fails
+ rdbcompression | yes-no | yes | runtime | compress in DUMP payloads; files stay uncompressed
+ rdb-version | int 9..12 | 12 | runtime | of DUMP payloads: 9 KeyDB, 10 Redis 7.0, 11 Redis 7.2
+ rdbchecksum | yes-no | yes | start | end the file with a checksum and verify it
+ sanitize-dump-payload | enum no yes clients | no | runtime | accepted: RESTORE checks everything
+ dbfilename | file-name dbfilename filename | dump.rdb | guarded | name of the snapshot in dir
+ dir | path | ./ | guarded | directory of all data files
- rdb-del-sync-files | yes-no | no | runtime | delete snapshots made only for replicas
- rdb-save-incremental-fsync | yes-no | yes | runtime | flush while writing
- rdb-key-save-delay | int min..max | 0 | hidden | test aid: microseconds to wait per saved key
- key-load-delay | int min..max | 0 | hidden | test aid: microseconds to wait per loaded key
- loading-process-events-interval-bytes | memory 0..long | 2mb | hidden | serve after this much
- loading-process-events-interval-keys | memory 0..long | 8192 | hidden | KeyDB: same, in keys
- propagation-error-behavior | enum ignore panic panic-on-replicas | ignore | runtime \
| what a failing command from a master or file does
- allow-rdb-resize-op | yes-no | yes | hidden | KeyDB: believe the size hints of a snapshot
- multithread-load-enabled | yes-no | no | hidden | KeyDB: load a snapshot in threads
- use-fork | yes-no | yes | hidden | KeyDB: save in a child process
- db-s3-object | text | "" | hidden | KeyDB: keep the snapshot in S3
- rdbfuzz-mode | rows 0 16 | - | file | KeyDB: test aid

## Append-only file
+ appendonly | yes-no | no | runtime | log every write to a file
+ appendfilename | file-name appendfilename filename | appendonly.aof | start | its base name
+ appenddirname | file-name appenddirname dirname | appendonlydir | start | its directory in dir
+ appendfsync | enum everysec always no | everysec | runtime | when the log is flushed to disk
+ no-appendfsync-on-rewrite | yes-no | no | runtime | do not flush during a rewrite
+ auto-aof-rewrite-percentage | int 0..max | 100 | runtime | growth that starts a rewrite
+ auto-aof-rewrite-min-size | memory 0..long | 64mb | runtime | smallest log that is rewritten
+ aof-load-truncated | yes-no | yes | runtime | load a log whose end is cut off
- aof-use-rdb-preamble | yes-no | yes | runtime | begin a rewritten log with a snapshot
- aof-rewrite-incremental-fsync | yes-no | yes | runtime | flush while rewriting
- aof-timestamp-enabled | yes-no | no | runtime | write times into the log
- aof-disable-auto-gc | yes-no | no | hidden | keep superseded log files

## Replication
+ replicaof slaveof | peers | - | start | follow this node
+ masterauth | text | "" | runtime | password sent to the nodes followed
+ masteruser | text | "" | runtime | user name sent with it
+ replica-serve-stale-data slave-serve-stale-data | yes-no | yes | runtime | accepted: it does
+ replica-read-only slave-read-only | yes-no | yes | runtime | refuse writes on a plain replica
+ repl-diskless-sync | yes-no | yes | runtime | accepted: snapshots need no file
+ repl-diskless-sync-delay | int 0..max | 5 | runtime | accepted: nobody is waited for
+ repl-diskless-sync-max-replicas | int 0..max | 0 | runtime | accepted: likewise
- repl-diskless-load | enum disabled on-empty-db swapdb | disabled | runtime | load from the socket
- repl-rdb-channel | yes-no | no | hidden | send the snapshot on a connection of its own
+ repl-ping-replica-period repl-ping-slave-period | int 1..max | 10 | runtime | \
accepted: mesh-heartbeat-ms says how often
+ repl-timeout | int 1..max | 60 | runtime | accepted: five heartbeats of silence, 3 s at least
- repl-disable-tcp-nodelay | yes-no | no | runtime | fewer, larger packets on links
+ repl-backlog-size | backlog-size | 1mb | runtime | stream kept for links that come back
+ repl-backlog-ttl | int 0..long | 3600 | runtime | accepted: it is always kept
- replica-full-sync-buffer-limit | memory 0..long | 0 | runtime | stream held during a full sync
- replica-lazy-flush slave-lazy-flush | yes-no | no | runtime | empty in background before a sync
- replica-ignore-maxmemory slave-ignore-maxmemory | yes-no | yes | runtime | replicas never evict
- replica-ignore-disk-write-errors | yes-no | no | runtime | replicate even if the disk fails
- replica-priority slave-priority | int 0..max | 100 | runtime | rank for promotion; 0 = never
- replica-announced | yes-no | yes | runtime | be visible to Sentinel
+ replica-announce-ip slave-announce-ip | text | "" | runtime | address told to the other side
+ replica-announce-port slave-announce-port | int 0..65535 | 0 | runtime | port told; 0 = own port
- min-replicas-to-write min-slaves-to-write | int 0..max | 0 | runtime | good replicas a write needs
- min-replicas-max-lag min-slaves-max-lag | int 0..max | 10 | runtime | seconds a good one may lag

## Mesh
+ active-replica | yes-no | no | runtime | accept writes while following others (KeyDB)
+ multi-master | yes-no | no | start | follow several nodes; needs active-replica (KeyDB)
+ multi-master-no-forward | yes-no | no | runtime | accepted: only what is asked for is passed on
+ node-name | node-name | "" | start | name of this node in the admin page and log
+ admin-bind | listen-address | 127.0.0.1:8379 | start | where the admin page listens
+ admin-password | text | "" | start | password of the admin page
+ mesh-dial-back | yes-no | yes | runtime | link back to active nodes that dial us
+ mesh-unstable-max-bytes | memory 0..long | 256mb | runtime | \
metadata for members who are away, at most; 0 = no limit
+ mesh-peer-expel-after | int 0..max | 0 | runtime | \
seconds until a member that is away is expelled; 0 = never
+ mesh-expel-quorum | enum majority any | majority | runtime | \
which side of a cut mesh may expel: most members, or any
+ mesh-anti-entropy-seconds | int 0..max | 600 | runtime | \
between comparisons of all data with each member; 0 = never
+ mesh-join | listen-address | "" | start | join the mesh of the member that listens there
+ mesh-forget | yes-no | yes | start | forget what all members have on disk; alike on all nodes
+ mesh-staging-memory | memory 0..long | 256mb | runtime | of a snapshot taken in; more goes to dir
+ mesh-max-unit-bytes | memory 1kb..long | 64mb | runtime | larger units are counted in INFO
+ mesh-clock-guard-ms | int 0..max | 500 | runtime | peer clock ahead by more: alarm
+ mesh-clock-refuse-ms | int 0..max | 60000 | runtime | peer clock ahead by more: no link
+ conflict-policy | key-policies | observed-remove | runtime | \
of which keys removals take older unseen writes too
+ mesh-eviction | enum replicate | replicate | runtime | evictions go to all nodes as removals do
+ mesh-stream-stable-reads | yes-no | no | runtime | XREAD shows nothing that may get predecessors
+ mesh-nx-policy | enum allow warn reject owner | allow | runtime | \
SETNX and locks: one node decides
+ mesh-owner | key-owners | "" | runtime | \
which one node pops and locks these keys; alike on all nodes
+ mesh-owner-policy | enum forward refuse at-least-once | forward | runtime | \
what other nodes do with a pop
+ mesh-owner-lease-ms | int 1000..600000 | 5000 | runtime | \
of a key owned by hash; alike on all nodes
+ mesh-xadd-mode | enum strict semi liberal | semi | runtime | which stream IDs clients may choose
+ mesh-conflicts-max | int 0..1000000 | 1000 | runtime | last conflicts to remember; 0 = none
+ mesh-conflicts-value-bytes | int 0..65536 | 128 | runtime | of each value in a conflict to keep
+ mesh-wait-max-ms | int 1..max | 300000 | runtime | longest WAIT, WAITAOF, MESH WAIT; stands for 0
+ mesh-heartbeat-ms | int 10..max | 1000 | runtime | milliseconds between heartbeats
+ mesh-member-id-file | file-name mesh-member-id-file filename | plexis-member.id | start \
| file in dir with this member's identity

## KeyDB
+ server-threads | int 1..128 | 1 | start | accepted: one core serves all clients
- server-thread-affinity | text | false | start | pin threads to cores
- min-clients-per-thread | int 0..400 | 20 | runtime | fill a thread before the next is used
- active-client-balancing | yes-no | yes | runtime | move clients to the least loaded thread
- replica-weighting-factor | int 1..max | 2 | runtime | a replica counts as this many clients
- replica-quorum | int -1..max | -1 | runtime | links that must be up; -1 = all
- allow-write-during-load | yes-no | no | runtime | accept writes during a full sync
- enable-keydb-fastsync | yes-no | no | runtime | KeyDB's own snapshot stream
- repl-backlog-disk-reserve | memory 0..long | 0 | start | disk space for backlog overflow
- force-backlog-disk-reserve | yes-no | no | runtime | always use it
- enable-async-commands | yes-no | no | runtime | read from a snapshot in other threads
- max-snapshot-slip | int 0..5000 | 400 | runtime | milliseconds such a snapshot may be old
- prefetch-enabled | yes-no | yes | runtime | prefetch keys before a batch
- enable-async-rehash | yes-no | yes | runtime | grow tables in another thread
- time-thread-priority | yes-no | no | start | higher priority for the clock thread
- storage-provider | rows 1 3 | - | file | FLASH storage
- storage-provider-options | text | "" | start | options of FLASH storage
- storage-cache-mode | enum writeback writethrough | writethrough | start | FLASH cache mode
- storage-flush-period | uint 1..10000 | 500 | runtime | milliseconds between FLASH flushes
- flash-disable-key-cache | yes-no | no | runtime | no key cache over FLASH
- delete-on-evict | yes-no | no | runtime | delete from FLASH when evicting
- maxstorage | memory 0..long | 0 | runtime | evict above this much FLASH
- scratch-file-path | path | "" | file | file behind extended memory
- semi-ordered-set-bucket-size | int 0..1024 | 0 | runtime | layout of sets
- max-rand-count | int 0..long | 4611686018427387903 | runtime | members one RAND* may ask for
- overload-protect-percent | int 0..200 | 0 | runtime | shed clients above this CPU load
- force-eviction-percent | int 0..100 | 0 | runtime | evict when the host has less free memory
- maxclients-reserved | int 0..100 | 0 | runtime | connections kept for local clients
- soft-shutdown | yes-no | no | runtime | wait for clients to leave at shutdown
- availability-zone | text | "" | runtime | zone shown in INFO
- version-override | text | "" | file | version to show
- enable-motd | yes-no | yes | start | fetch the message of the day
- lua-replicate-commands | yes-no | yes | hidden | replicate effects of scripts
- testmode | yes-no | no | file | test aid
- is-flash-enabled | rows 0 16 | - | file | probe for FLASH support

## Security and clients
+ requirepass | text | "" | runtime | password of the default user
- aclfile | path | "" | start | file of ACL users
- user | rows 1 1024 | - | file | an ACL user
- acl-pubsub-default | enum allchannels resetchannels | resetchannels | runtime | of new users
- acllog-max-len | int 0..long | 128 | runtime | refusals kept by ACL LOG
- rename-command | rows 2 2 | - | file | rename a command, or remove it
+ enable-protected-configs | enum no yes local | no | start | let CONFIG SET change dir, dbfilename
+ enable-debug-command | enum no yes local | no | start | who may use DEBUG
- enable-module-command | enum no yes local | no | start | who may use MODULE
+ maxclients | uint 1..umax | 10000 | runtime | clients at the same time
+ client-output-buffer-limit | buffer-limits | normal 0 0 0 slave 256mb 64mb 60 pubsub 32mb 8mb 60 \
| runtime | close a client that does not read
+ client-query-buffer-limit | memory 1mb..long | 1gb | runtime | bytes of one unfinished command
+ proto-max-bulk-len | memory 1mb..long | 512mb | runtime | longest argument of a command
- client-default-resp | int 2..3 | 2 | hidden | protocol of a new connection
- tracking-table-max-keys | uint 0..long | 1000000 | runtime | keys remembered for client caches

## Memory
+ maxmemory | memory 0..any | 0 | runtime | most bytes of data; eviction from 90 % on; 0 = any
+ maxmemory-policy | enum volatile-lru volatile-lfu volatile-random volatile-ttl allkeys-lru \
allkeys-lfu allkeys-random noeviction | noeviction | runtime | what is evicted
+ maxmemory-samples | int 1..64 | 5 | runtime | keys compared per eviction
- maxmemory-eviction-tenacity | int 0..100 | 10 | runtime | effort per eviction
- maxmemory-clients | size-or-percent 0..long | 0 | runtime | memory of all client buffers
+ lfu-log-factor | int 0..max | 10 | runtime | how fast the LFU counter saturates
+ lfu-decay-time | int 0..max | 1 | runtime | minutes until it is halved
- active-expire-effort | int 1..10 | 1 | runtime | effort spent on expired keys
+ lazyfree-lazy-eviction | yes-no | no | runtime | accepted: large values are always freed in steps
+ lazyfree-lazy-expire | yes-no | no | runtime | accepted: likewise
+ lazyfree-lazy-server-del | yes-no | no | runtime | accepted: likewise
+ lazyfree-lazy-user-del | yes-no | no | runtime | accepted: likewise
+ lazyfree-lazy-user-flush | yes-no | no | runtime | accepted: likewise
- jemalloc-bg-thread | yes-no | yes | runtime | purge freed memory in a thread
- activerehashing | yes-no | yes | runtime | spend idle time on growing tables
- activedefrag | yes-no | no | runtime | move values to reduce fragmentation
- active-defrag-cycle-min | int 1..99 | 1 | runtime | least CPU percentage for it
- active-defrag-cycle-max | int 1..99 | 25 | runtime | most CPU percentage for it
- active-defrag-threshold-lower | int 0..1000 | 10 | runtime | fragmentation at which it begins
- active-defrag-threshold-upper | int 0..1000 | 100 | runtime | at which it is at full effort
- active-defrag-ignore-bytes | memory 1..any | 100mb | runtime | waste that is left alone
- active-defrag-max-scan-fields | int 1..long | 1000 | runtime | larger values in own turns
- prefetch-batch-max-size | int 0..128 | 16 | hidden | keys prefetched for one batch

## Encodings
+ hash-max-listpack-entries hash-max-ziplist-entries | uint 0..long | 512 | runtime | in listpack
+ hash-max-listpack-value hash-max-ziplist-value | memory 0..any | 64 | runtime | bytes: listpack
+ list-max-listpack-size list-max-ziplist-size | int min..max | -2 | runtime | of a list's node
+ list-compress-depth | int 0..max | 0 | runtime | accepted: lists are not compressed in memory
+ set-max-intset-entries | uint 0..long | 512 | runtime | numbers in a set: intset
+ set-max-listpack-entries | uint 0..long | 128 | runtime | members in a set: listpack
+ set-max-listpack-value | uint 0..long | 64 | runtime | bytes in a set: listpack
+ zset-max-listpack-entries zset-max-ziplist-entries | uint 0..long | 128 | runtime | in listpack
+ zset-max-listpack-value zset-max-ziplist-value | memory 0..any | 64 | runtime | bytes: listpack
+ hll-sparse-max-bytes | memory 0..any | 3000 | runtime | HyperLogLog: bytes while sparse
+ stream-node-max-bytes | memory 0..any | 4096 | runtime | bytes in a stream's node
+ stream-node-max-entries | int 0..long | 100 | runtime | entries in a stream's node
- list-max-ziplist-entries | int min..max | 512 | file | before Redis 3.2
- list-max-ziplist-value | int min..max | 64 | file | before Redis 3.2

## Events and diagnosis
+ notify-keyspace-events | event-classes | "" | runtime | keyspace events to publish
- slowlog-log-slower-than | int -1..long | 10000 | runtime | microseconds; 0 = all, -1 = off
- slowlog-max-len | int 0..long | 128 | runtime | entries kept by the slow log
- latency-tracking | yes-no | yes | runtime | keep latency histograms per command
- latency-tracking-info-percentiles | percentiles | 50 99 99.9 | runtime | shown in INFO
- latency-monitor-threshold | int 0..long | 0 | runtime | milliseconds LATENCY notes; 0 = off
- busy-reply-threshold lua-time-limit | int 0..long | 5000 | runtime | milliseconds until BUSY

## Cluster and modules
- cluster-enabled | yes-no | no | start | run as a Redis Cluster node
- cluster-config-file | path | nodes.conf | start | state file of the cluster
- cluster-node-timeout | int 0..long | 15000 | runtime | milliseconds until a node has failed
- cluster-port | int 0..65535 | 0 | start | bus port; 0 = port + 10000
- cluster-replica-validity-factor cluster-slave-validity-factor | int 0..max | 10 | runtime | age
- cluster-migration-barrier | int 0..max | 1 | runtime | replicas a master keeps
- cluster-allow-replica-migration | yes-no | yes | runtime | replicas move to orphans
- cluster-require-full-coverage | yes-no | yes | runtime | stop when slots are missing
- cluster-replica-no-failover cluster-slave-no-failover | yes-no | no | runtime | never take over
- cluster-allow-reads-when-down | yes-no | no | runtime | read although the cluster is down
- cluster-allow-pubsubshard-when-down | yes-no | yes | runtime | shard channels likewise
- cluster-link-sendbuf-limit | memory 0..any | 0 | runtime | buffer of a bus link; 0 = no limit
- cluster-announce-ip | text | "" | runtime | address told to the cluster
- cluster-announce-port | int 0..65535 | 0 | runtime | port told
- cluster-announce-tls-port | int 0..65535 | 0 | runtime | TLS port told
- cluster-announce-bus-port | int 0..65535 | 0 | runtime | bus port told
- cluster-announce-hostname | text | "" | runtime | host name told
- cluster-announce-human-nodename | text | "" | runtime | name shown in logs
- cluster-preferred-endpoint-type | enum ip hostname unknown-endpoint | ip | runtime | in redirects
- cluster-compatibility-sample-ratio | int 0..100 | 0 | runtime | percentage of commands checked
- cluster-slot-stats-enabled | yes-no | no | runtime | statistics per slot
- cluster-ping-interval | int 0..long | 0 | hidden | milliseconds between bus pings
- loadmodule | rows 1 1024 | - | file | load a module
- sentinel | rows 0 1024 | - | file | Sentinel mode
"""
