"""The commands of replication: REPLICAOF, REPLCONF, PSYNC, ROLE, WAIT, MESH STATUS; INFO
replication.

They read and steer the agent. REPLICAOF behaves as KeyDB's: without multi-master it replaces the
one master, with it it adds; REMOVE takes one away; NO ONE all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mesh.backlog import NOWHERE
from mesh.clock_guard import CLOCK
from mesh.dots import unpack_marks, uuid_bytes
from mesh.feed import Feed
from mesh.handshake import CAPABILITY, MESH_OF, RANGES, REPLACE, TAKEN_PREFIX
from mesh.link import Link
from mesh.membership import ID_BYTES_MOST
from mesh.rejoin import has_lost
from mesh.status import (
    CONNECTING,
    DOWN,
    HANDSHAKE,
    IN_SYNC,
    LAGGING,
    MERGING,
    NEVER,
    REFUSED,
    SYNCING,
)  # fmt: skip
from mesh.topology import unpack_streams
from node.commands.args import integer
from node.commands.command import (
    ADMIN,
    ALLOW_BUSY,
    BLOCKING,
    LOADING,
    NO_ASYNC_LOADING,
    NO_MULTI,
    NOSCRIPT,
    STALE,
    Command,
)  # fmt: skip
from node.commands.context import Context
from node.resp.replies import NO_REPLY, OK, Failure, Simple
from node.session import FOLLOWER
from node.status import NodeStatus

if TYPE_CHECKING:
    from mesh.agent import Agent

# Not final: the process before a restart may seem to be there for a moment.
TAKEN = (
    TAKEN_PREFIX + b" with this member id is connected: one of the two data directories is a copy;"
    b" stop one of them, delete its member id file, and start it again"
)

ROLE_STATES = {
    NEVER: b"connect",
    DOWN: b"connect",
    REFUSED: b"connect",
    CONNECTING: b"connecting",
    HANDSHAKE: b"handshake",
    SYNCING: b"sync",
    MERGING: b"sync",
}


class PeerInfo:
    """What a connection has said of itself by REPLCONF."""

    def __init__(self) -> None:
        self.port = 0
        self.host = ""
        self.address = ""  # where it calls from
        self.capabilities: set[bytes] = set()
        self.stream = b""
        self.member_id = b""
        self.told = b""  # which stream it was told to be ours


class Replication:
    """The handlers; one object per agent."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        flags = ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING
        self.commands: tuple[Command, ...] = (
            Command("REPLICAOF host port", self.replicaof, flags, group="server", since="5.0.0",
                    arity=-3, about="Follows another active node, or stops doing so."),
            Command("SLAVEOF host port", self.replicaof, flags, group="server", since="1.0.0",
                    arity=-3, about="The older name of REPLICAOF."),
            Command("REPLCONF [option value ...]", self.replconf,
                    ADMIN | NOSCRIPT | LOADING | STALE | ALLOW_BUSY, group="server", since="3.0.0",
                    arity=-1,
                    about="What nodes say of themselves before they replicate."),
            Command("PSYNC replicationid offset", self.psync,
                    ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI, group="server",
                    since="2.8.0", arity=-3,
                    about="Begins a feed: from a version vector, or by a snapshot."),
            Command("WAIT numreplicas timeout", agent.waits.wait, BLOCKING, group="generic",
                    since="3.0.0", categories=("connection",),
                    tips=("request_policy:all_shards", "response_policy:agg_min"),
                    about="Waits until this many members have applied the client's writes."),
            Command("WAITAOF numlocal numreplicas timeout", agent.waits.wait_aof, BLOCKING,
                    group="generic", since="7.2.0", categories=("connection",),
                    tips=("request_policy:all_shards", "response_policy:agg_min"),
                    about="Waits until the client's writes are on the disk here, and at this many"
                    " members."),
            Command("MESH STATUS", self.mesh_status, ADMIN | LOADING | STALE, group="server",
                    since="8.2.0", about="This node's and its mesh's numbers, as JSON."),
        )  # fmt: skip

    # --- REPLICAOF ------------------------------------------------------------------------------

    def replicaof(self, ctx: Context, args: list[bytes]) -> object:
        """REPLICAOF host port | NO ONE | REMOVE host port."""
        agent = self.agent
        first = args[1].lower()
        if len(args) == 4 and first == b"remove":
            return self._remove(args[2].decode(), self._port(args[3]))
        if len(args) != 3:
            raise Failure(b"ERR Invalid arguments")
        if first == b"no" and args[2].lower() == b"one":
            for link in list(agent.links):
                agent.remove_link(link)
            agent.roster.forget_dialed()
            agent.config.set_rows("replicaof", [])
            return OK
        host = args[1].decode("utf-8", "backslashreplace")
        port = self._port(args[2])
        if not agent.config.yes("active-replica"):
            raise Failure(
                b"ERR this node is not active: CONFIG SET active-replica yes first (replicas that"
                b" only follow come in a later version)"
            )
        if agent.roster.outside():
            raise Failure(b"ERR " + agent.roster.outside().encode())
        for link in agent.links:
            if (link.host, link.port) == (host, port):
                link.configured = True
                return Simple(b"OK Already connected to specified master")
        if not agent.config.yes("multi-master"):
            for link in list(agent.links):
                agent.remove_link(link)
        agent.roster.undialed.clear()
        agent.add_link(host, port, True)
        rows = [[link.host, str(link.port)] for link in agent.links if link.configured]
        agent.config.set_rows("replicaof", rows)
        return OK

    def _remove(self, host: str, port: int) -> object:
        agent = self.agent
        for link in list(agent.links):
            if (link.host, link.port) == (host, port):
                if link.peer_member:
                    agent.roster.undialed.add(link.peer_member)
                agent.remove_link(link)
                rows = [[each.host, str(each.port)] for each in agent.links if each.configured]
                agent.config.set_rows("replicaof", rows)
                return OK
        raise Failure(b"ERR Master not found")

    def _port(self, arg: bytes) -> int:
        port = integer(arg)
        if port < 0 or port > 65535:
            raise Failure(b"ERR Invalid master port")
        return port

    # --- the handshake, as the one who is followed ----------------------------------------------

    def replconf(self, ctx: Context, args: list[bytes]) -> object:
        """REPLCONF option value ...: answered as KeyDB does, plus `mesh1` and `mesh-member`."""
        if len(args) % 2 == 0:
            raise Failure(b"ERR syntax error")
        session = ctx.client()
        info = session.link
        if not isinstance(info, PeerInfo):
            info = PeerInfo()
            session.link = info
        info.address = remote_host(session.outlet.address()[0])
        reply: object = OK
        for at in range(1, len(args), 2):
            reply = self._option(info, args[at].lower(), args[at + 1])
        return reply

    def _meet(self, info: PeerInfo, card: bytes) -> None:
        """A peer's mesh-of: from now on it may count, or this node has to follow it first."""
        agent = self.agent
        host = info.host or info.address
        follows, admits = agent.member.called_by(card)
        if admits and agent.roster.may_hear(info.member_id, info.stream):
            agent.member.admit(info.member_id, host, info.port, agent.roster.is_here)
        if follows:
            agent.roster.call(info.member_id, host, info.port)

    def _option(self, info: PeerInfo, name: bytes, value: bytes) -> object:
        agent = self.agent
        if name == b"listening-port":
            info.port = integer(value)
        elif name == b"ip-address":
            info.host = value.decode("utf-8", "backslashreplace")
        elif name == b"capa":
            info.capabilities.add(value)
            if not agent.config.yes("active-replica"):
                return OK
            mesh = b" mesh1" if CAPABILITY in info.capabilities else b""
            return Simple(b"OK active-replica" + mesh)
        elif name == b"uuid":
            try:
                info.stream = uuid_bytes(value)
            except ValueError as error:
                raise Failure(b"ERR Invalid UUID") from error
            info.told = agent.streams.own.text
            return Simple(info.told)
        elif name == b"mesh-member":
            if value == agent.member.member_id:
                raise Failure(
                    b"ERR that is this node's own member id: one of the two data directories is a"
                    b" copy"
                )
            if agent.roster.outside():
                raise Failure(b"ERR " + agent.roster.outside().encode())
            refusal = agent.member.membership.refusal(value)
            entry = agent.member.membership.entry(value)
            if refusal and entry is not None:  # the code tells it what it is to us
                raise Failure(entry.state.upper().encode() + b" " + refusal.encode())
            if not 0 < len(value) <= ID_BYTES_MOST or not value.isalnum():
                raise Failure(b"ERR a member id has 32 hexadecimal digits")
            if agent.roster.is_taken(value, info.stream):
                raise Failure(TAKEN)
            info.member_id = value
            agent.streams.of(info.stream).member = value
            return Simple(agent.member.member_id)
        elif name == MESH_OF:
            try:
                self._meet(info, value)
            except ValueError as error:
                raise Failure(b"ERR REPLCONF mesh-of: " + str(error).encode()) from error
            return Simple(agent.member.card(info.member_id).pack())
        elif name == CLOCK:
            return Simple(b"%d" % agent.now_us())
        elif name == b"ack":
            return NO_REPLY
        else:
            raise Failure(b"ERR Unrecognized REPLCONF option: " + name)
        return OK

    def psync(self, ctx: Context, args: list[bytes]) -> object:
        """PSYNC mesh1 <vector> [<streams that come elsewhere> [replace]]."""
        agent = self.agent
        session = ctx.client()
        info = session.link
        if args[1] != CAPABILITY or not isinstance(info, PeerInfo) or not info.member_id:
            raise Failure(
                b"ERR this version is followed by active Plexis nodes only (PSYNC mesh1); feeds for"
                b" Redis and KeyDB replicas come in a later one"
            )
        if info.member_id in agent.roster.paused:
            raise Failure(b"ERR MESH PAUSE allows no link with this member")
        if not agent.member.may_be_followed(info.member_id):
            raise Failure(b"LOADING this node is about to take another mesh's state")
        if not agent.member.started:
            raise Failure(b"LOADING this node is still becoming active")
        if info.told != agent.streams.own.text:
            raise Failure(b"LOADING this node's state was replaced meanwhile: connect anew")
        try:
            vector = agent.streams.completed(unpack_marks(args[2]))
            elsewhere = unpack_streams(args[3]) if len(args) > 3 else NOWHERE
        except ValueError as error:
            raise Failure(b"ERR PSYNC mesh1: " + str(error).encode()) from error
        outlet = session.outlet
        host = info.host or remote_host(outlet.address()[0])
        compares = RANGES in info.capabilities
        feed = Feed(agent, host, info.port, info.member_id, info.stream, compares)
        for other in list(agent.feeds):
            if other.member_id == info.member_id:
                other.close("its member has connected anew")
        session.flags |= FOLLOWER
        whole = len(args) > 4 and args[4] == REPLACE
        whole = whole or has_lost(agent.member, info.member_id, vector)
        if agent.roster.may_hear(info.member_id, info.stream):
            agent.member.admit(info.member_id, host, info.port, agent.roster.is_here)
        agent.member.lend(info.member_id)
        agent.feeds.append(feed)
        outlet.hand_over(feed)
        feed.start(vector, elsewhere, whole)
        return NO_REPLY

    # --- what is told ---------------------------------------------------------------------------

    def role(self) -> list[object]:
        """ROLE, as KeyDB answers it."""
        agent = self.agent
        offset = int(agent.member.backlog.offset)
        if not agent.links:
            replicas: list[object] = [
                [feed.host.encode(), b"%d" % feed.port, b"%d" % feed.acked_offset]
                for feed in agent.feeds if feed.state == IN_SYNC
            ]  # fmt: skip
            return [b"master", offset, replicas]
        rows: list[object] = [
            [b"active-replica", link.host.encode(), link.port,
             ROLE_STATES.get(link.state, b"connected"), link.offset]
            for link in agent.links
        ]  # fmt: skip
        first = rows[0]
        return first if len(rows) == 1 and isinstance(first, list) else rows

    def info(self) -> list[tuple[str, object]]:
        """INFO replication: KeyDB's fields in KeyDB's order, then ours."""
        agent = self.agent
        up = [link.state in (IN_SYNC, LAGGING) for link in agent.links]
        fields: list[tuple[str, object]] = [("role", "active-replica" if agent.links else "master")]
        if agent.links:
            fields.append(("master_global_link_status", "up" if all(up) else "down"))
            fields.append(("connected_masters", len(agent.links)))
        for number, link in enumerate(agent.links):
            fields += self._link_fields("master" if number == 0 else f"master_{number}", link)
        fields += [("slave_priority", 100), ("slave_read_only", 0), ("replica_announced", 1),
                   ("connected_slaves", len(agent.feeds))]  # fmt: skip
        for number, feed in enumerate(agent.feeds):
            state = "online" if feed.state == IN_SYNC else "send_bulk"
            lag = int(agent.loop_s() - feed.last_ack_s)
            fields.append((
                f"slave{number}",
                f"ip={feed.host},port={feed.port},state={state},offset={feed.acked_offset},lag={lag}",
            ))  # fmt: skip
        backlog = agent.member.backlog
        fields += [
            ("master_failover_state", "no-failover"),
            ("master_replid", agent.replication_id.decode()),
            ("master_replid2", "0" * 40),
            ("master_repl_offset", int(backlog.offset)),
            ("second_repl_offset", -1),
            ("repl_backlog_active", 1 if agent.member.started else 0),
            ("repl_backlog_size", int(backlog.limit)),
            ("repl_backlog_first_byte_offset", int(backlog.offset - backlog.held)),
            ("repl_backlog_histlen", int(backlog.held)),
        ]
        return fields + self._mesh_fields()

    def with_followers(self, status: NodeStatus) -> NodeStatus:
        """The same for metrics and the admin page."""
        agent = self.agent
        backlog = agent.member.backlog
        return replace(
            status, connected_followers=len(agent.feeds), replication_offset=int(backlog.offset),
            replication_id=agent.replication_id.decode(), backlog_active=agent.member.started,
            backlog_size_bytes=int(backlog.limit),
            backlog_first_offset=int(backlog.offset - backlog.held),
            backlog_history_bytes=int(backlog.held),
            resyncs_full=agent.given.full, resyncs_partial_accepted=agent.given.partial,
            resyncs_partial_refused=agent.given.refused,
        )  # fmt: skip

    def _link_fields(self, prefix: str, link: Link) -> list[tuple[str, object]]:
        agent = self.agent
        idle = int(agent.loop_s() - link.last_io_s) if link.last_io_s else -1
        is_up = link.state in (IN_SYNC, LAGGING)
        syncing = link.state in (SYNCING, MERGING)
        fields: list[tuple[str, object]] = [
            (f"{prefix}_host", link.host),
            (f"{prefix}_port", link.port),
            (f"{prefix}_link_status", "up" if is_up else "down"),
            (f"{prefix}_last_io_seconds_ago", idle if is_up else -1),
            (f"{prefix}_sync_in_progress", 1 if syncing else 0),
            ("slave_read_repl_offset", link.offset),
            ("slave_repl_offset", link.offset),
        ]
        fields.append((f"{prefix}_sync_phase", link.resync.phase.replace(" ", "-")))
        if syncing:
            fields.append((f"{prefix}_sync_read_bytes", link.resync.bytes_taken))
        progress = link.resync.progress
        if progress is not None:
            fields.append((f"{prefix}_sync_progress", f"{progress:.3f}"))
        if not is_up:
            down_s = (agent.now_ms() - link.since_ms) // 1000
            fields.append((f"{prefix}_link_down_since_seconds", down_s))
        return fields

    def _mesh_fields(self) -> list[tuple[str, object]]:
        agent = self.agent
        counts = agent.member.memory.conflicts.counts
        fields: list[tuple[str, object]] = [
            ("mesh_member_id", agent.member.member_id.decode()),
            ("mesh_stream", agent.streams.own.text.decode()),
            ("mesh_active", 1 if agent.member.started else 0),
            *agent.member.cap.info(agent.now_ms()),
            ("limbo_keys", agent.limbo_keys()),
            ("mesh_decided_here", int(agent.engine.decided_here)),
            *agent.member.ownership.info(),
            ("mesh_pending_removals", int(agent.member.memory.removals.count)),
            ("mesh_transfers_in", agent.member.transfers),
            ("mesh_large_units", int(agent.member.backlog.large_units)),
            ("mesh_must_replace", agent.member.void or "no"),
            ("mesh_not_heard_by", agent.roster.not_heard_by()),
            ("mesh_import", agent.joining.info()),
            *agent.anti_entropy.fields(),
            ("mesh_resync_partial", agent.taken.partial),
            ("mesh_resync_range", agent.taken.range),
            ("mesh_resync_full", agent.taken.full),
            ("mesh_resync_range_bytes", agent.taken.range_bytes),
            ("mesh_resync_full_bytes", agent.taken.full_bytes),
            ("mesh_resync_range_sent", agent.given.range),
            ("mesh_resync_range_sent_bytes", agent.given.range_bytes),
            ("mesh_resync_full_sent_bytes", agent.given.full_bytes),
        ]
        fields += agent.clocks.info()
        fields += [(f"mesh_conflict_{kind}", counts[kind]) for kind in counts]
        return fields

    def mesh_status(self, ctx: Context, args: list[bytes]) -> object:
        """MESH STATUS: one bulk string of JSON, for the admin page of another node."""
        status = self.agent.packed_status
        if status is None:
            raise Failure(b"ERR MESH STATUS is not available on this node")
        return status()


def remote_host(address: str) -> str:
    """The host of `host:port` or `[host]:port`."""
    return address.rpartition(":")[0].strip("[]")
