"""Agent: the mesh side of a node with sockets; starts, wires and stops what is below (asyncio).

    Member    what the mesh knows (mesh/member.py)
    Link      one per peer that we follow (mesh/link.py)
    Feed      one per member that follows us (mesh/feed.py)
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Callable

import structlog
from librt.time import time as now_s

from conf import Config
from mesh.anti_entropy_task import AntiEntropy
from mesh.asking import Asking
from mesh.clocks import Clocks
from mesh.conflicts import set_conflict_limits
from mesh.decided import DecidedHere
from mesh.dots import Streams
from mesh.feed import Feed
from mesh.forget_task import Forgetting
from mesh.handshake import Identity
from mesh.identity import earlier_streams
from mesh.joining import Joining
from mesh.link import Link
from mesh.member import Member
from mesh.merge.resolver import StampResolver
from mesh.mesh_commands import MeshCommands
from mesh.metadata import MeshMetadata
from mesh.peers_commands import PeersCommands
from mesh.promises import begin
from mesh.replication import Replication
from mesh.report import mesh_status
from mesh.roster import Roster
from mesh.spill import FileSpill
from mesh.staging import StagingError
from mesh.status import IN_SYNC, LAGGING, MeshStatus
from mesh.sync_counts import SyncCounts
from mesh.waiting import Waits
from node.commands.command import Command
from node.engine import Engine
from node.persist.snapshot import Snapshots
from node.ports import Extension

LOG = structlog.get_logger()

ACTIVATION_KEYS = 2000  # in one slice of the walk that gives dots: about 2 ms
# A write after a quiet moment goes to the followers at once; under load what a millisecond wrote
# goes together, since each send costs both sides more than the frames in it.
FLUSH_S = 0.001
# Keys merged in one slice after a switch: about a millisecond.
MERGE_KEYS = 200
# A switch waits for our own walk (a save, a snapshot for another) by looking this often.
WALK_POLL_S = 0.01
WARN_LAG_MS = 1000.0
BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Agent(Extension):
    """The node's mesh. Made before the data is loaded; `start` opens the links."""

    def __init__(
        self,
        config: Config,
        engine: Engine,
        resolver: StampResolver,
        streams: Streams,
        data_dir: str,
    ) -> None:
        self.config = config
        self.engine = engine
        self.streams = streams
        path = os.path.join(data_dir, config.text("mesh-member-id-file"))
        member_id, promises = begin(path, config.yes("mesh-forget"))
        self.member = Member(config, engine, resolver, member_id)
        self.member.remember(promises)
        self.metadata: MeshMetadata = self.member.metadata
        self.snapshots: Snapshots
        self.links: list[Link] = []
        self.feeds: list[Feed] = []
        self.given = SyncCounts()  # to followers
        self.taken = SyncCounts()  # of peers
        self.replication_id = os.urandom(20).hex().encode()
        self.timeout_s = 5.0
        self.warn_lag_ms = WARN_LAG_MS
        self.clocks = Clocks(self)
        set_conflict_limits(config, self.member.memory.conflicts)
        self.feed_limit_bytes = 0
        self._set_feed_limit()
        self.identity = self.own_identity()
        self.held_data = False
        self._heartbeat_s = 0.0
        self.silence_s = 0.0
        self.awake_since_s = 0.0
        self._beat_s = 0.0
        self._flushed_s = 0.0
        self._set_heartbeat()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._staging_link: Link | None = None
        self.stopped = False
        self.forgetting = Forgetting(self)
        # What this node's disk has, by stream; None where that is not known.
        self.held_on_disk: Callable[[], dict[bytes, int] | None] = dict
        self.keeps: Callable[[], bool] = always  # is what is written put on a disk at all?
        if config.yes("mesh-forget"):
            self._forget_what_is_stable(f"{path}.streams")
        self.roster = Roster(self)
        self.decided = DecidedHere(engine)
        self.joining = Joining(self, path)
        self.waits = Waits(self)
        self.asking = Asking(self)
        self.member.ownership.clock_s = unset_s
        self.member.ownership.forward = self.asking.ask
        self.replication = Replication(self)
        self.mesh_commands = MeshCommands(self)
        self.anti_entropy = AntiEntropy(self)
        self.commands: tuple[Command, ...] = (
            *self.replication.commands, *self.mesh_commands.commands, *PeersCommands(self).commands,
            *self.joining.commands,
            *self.anti_entropy.commands,
        )  # fmt: skip
        self.member.guard = self.clocks.stamp
        self.member.cap.clock_s = self.loop_s
        self.member.open_spill = self._open_spill
        self.packed_status: Callable[[], bytes] | None = None

    def own_identity(self) -> Identity:
        """What this node says of itself in a handshake, now."""
        config = self.config
        port = config.number("replica-announce-port") or config.number("port")
        return Identity(
            self.streams.own.text, self.member.member_id,
            config.text("replica-announce-ip").encode(), port,
            config.text("masteruser").encode(), config.text("masterauth").encode(),
        )  # fmt: skip

    # --- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.identity = self.own_identity()
        self.member.backlog.wake_flush = self._flush_soon
        for host, port in self.config.rows("replicaof"):
            self.add_link(host, int(port), True)
        self.joining.start()
        self.held_data = any(db.keys.size for db in self.engine.databases)
        if self.config.yes("active-replica"):
            self.become_active()
        self.anti_entropy.start()
        self._beat()

    async def stop(self) -> None:
        self.stopped = True
        self.anti_entropy.stop()
        if self._timer is not None:
            self._timer.cancel()
        self.member.backlog.flush()
        for link in self.links:
            link.close()
        deadline = self.loop_s() + 1.0  # followers get the last writes, but shutdown does not hang
        while self.loop_s() < deadline and any(feed.unsent_bytes() for feed in self.feeds):
            await asyncio.sleep(0.01)
        for feed in list(self.feeds):
            if feed.transport is not None:
                feed.transport.close()

    def saved(self) -> None:
        """The process has ended its work: is all that was said of it on the disk?"""
        if self.member.stability.active:
            self.member.stability.redeem_all()

    def _flush_soon(self) -> None:
        loop = self._loop
        assert loop is not None
        if loop.time() - self._flushed_s >= FLUSH_S:
            loop.call_soon(self._flush)
        else:
            loop.call_later(FLUSH_S, self._flush)

    def _flush(self) -> None:
        assert self._loop is not None
        self._flushed_s = self._loop.time()
        self.member.backlog.flush()

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> None:
        """Calls it after a while, in the running loop."""
        if self._loop is not None:
            self._loop.call_later(delay_s, callback)

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Calls it in one of the next turns of the running loop."""
        if self._loop is not None:
            self._loop.call_soon(callback)

    def become_active(self) -> None:
        """Dots for what is here, in slices; the links open when the walk has ended."""
        if self.member.resolver.active:
            return
        if self.engine.writer.walk is not None:  # a save walks: the next beat tries again
            assert self._loop is not None
            self._loop.call_later(0.05, self.become_active)
            return
        self.member.activate()
        self._activate()

    def activate_now(self) -> None:
        """Gives dots to all that was loaded, at once: no client is served yet."""
        while self.member.activation is not None and not self.member.activation_step(1 << 30):
            pass

    def configure(self, name: str) -> str:
        """CONFIG SET has changed a directive: acts on the mesh's own. Why it cannot be, or ""."""
        config = self.config
        if name == "active-replica":
            if config.yes(name):
                self.become_active()
            elif self.member.resolver.active:
                return "this node has joined its mesh for as long as it runs: restart it without"
        elif name == "repl-backlog-size":
            self.member.resize_backlog()
        elif name == "conflict-policy":
            self.member.set_policy()
        elif name.startswith("mesh-owner"):
            self.member.ownership.configure()
        elif name == "mesh-heartbeat-ms":
            self._set_heartbeat()
        self.clocks.configure()
        set_conflict_limits(config, self.member.memory.conflicts)
        self._set_feed_limit()
        self.identity = self.own_identity()
        return ""

    def _set_feed_limit(self) -> None:
        self.feed_limit_bytes = feed_limit(self.config)
        self.member.backlog.pin_limit = self.feed_limit_bytes
        self.member.backlog.large = self.config.number("mesh-max-unit-bytes")

    def _set_heartbeat(self) -> None:
        self._heartbeat_s = self.config.number("mesh-heartbeat-ms") / 1000.0
        self.silence_s = max(5.0 * self._heartbeat_s, 3.0)

    def _activate(self) -> None:
        assert self._loop is not None
        if not self.member.activation_step(ACTIVATION_KEYS):
            self._loop.call_soon(self._activate)
            return
        LOG.info("mesh_active", member=self.member.member_id.decode(),
                 stream=self.streams.own.text.decode(), links=len(self.links))  # fmt: skip
        self.snapshots.go_on()
        for link in self.links:
            link.start()

    def _beat(self) -> None:
        """Once a second: heartbeat, ACKs, silence, what is lacked, who should be called back."""
        if self.stopped:
            return
        assert self._loop is not None
        self._timer = self._loop.call_later(self._heartbeat_s, self._beat)
        beat_s = self.loop_s()
        if beat_s - self._beat_s > 2.0 * self._heartbeat_s:
            self.awake_since_s = beat_s  # we stood still: what peers said is still to be read
        self._beat_s = beat_s
        self.wake()
        if not self.member.started:
            return
        if self.clocks.settle():  # else its stamps would go farther ahead with each one
            self.member.heartbeat()
        for link in self.links:
            link.ack()
            link.ask_time()
            link.check_silence()
        for feed in self.feeds:
            feed.keepalive()
        self.roster.beat()
        self.decided.beat(beat_s)
        self.joining.beat()
        self.forgetting.begin()

    def log_moved(self) -> None:
        """More of the append-only file is on the disk, or there is none any more."""
        self.waits.log_moved()
        self.forgetting.held_more()

    def _forget_what_is_stable(self, streams_path: str) -> None:
        """From now on writes are noted, and what all members have on disk is forgotten."""
        member = self.member
        stability = member.stability
        stability.active = True
        stability.members = member.membership.ids
        stability.held = lambda: self.held_on_disk() or {}
        stability.keeps = lambda: self.keeps()
        member.older = earlier_streams(streams_path, self.streams.own.uuid)

    @property
    def heartbeat_s(self) -> float:
        """Seconds between two heartbeats."""
        return self._heartbeat_s

    def wake(self) -> None:
        """The engine sees the time."""
        self.engine.wake(now_s())

    def now_ms(self) -> int:
        """Wall clock."""
        return time.time_ns() // 1_000_000

    def now_us(self) -> int:
        """Wall clock in microseconds."""
        return time.time_ns() // 1000

    def loop_s(self) -> float:
        """The loop's own clock."""
        return time.monotonic()

    # --- links ----------------------------------------------------------------------------------

    def add_link(self, host: str, port: int, configured: bool) -> Link:
        """A new link; it connects when this node is active."""
        link = Link(self, host, port, configured)
        self.links.append(link)
        if self.member.started:
            link.start()
        return link

    def remove_link(self, link: Link) -> None:
        """Follows that peer no more."""
        link.close()
        self.links.remove(link)
        if self._staging_link is link:
            self.staging_ended()

    def link_is_up(self, link: Link) -> None:
        """Two links to one member: the one that nobody configured goes."""
        for other in list(self.links):
            if other is not link and other.peer_member == link.peer_member and other.live:
                extra = other if not other.configured else link
                if not extra.configured:
                    LOG.info("second_link_closed", peer=extra.address)
                    self.remove_link(extra)
                    return

    def link_of(self, member: bytes) -> Link | None:
        """A link to this member."""
        for link in self.links:
            if link.peer_member == member:
                return link
        return None

    # --- transfers ------------------------------------------------------------------------------

    def may_resume(self, link: Link) -> bool:
        """May this link ask for frames now, or is a snapshot being taken in?

        Also the link that brought it must wait, where it was lost and came back before the switch.
        """
        member = self.member
        return member.staging is None and member.merging is None and self.may_read(link)

    def may_read(self, link: Link) -> bool:
        """May bytes of this link be taken, or is another one's snapshot being staged?"""
        return self._staging_link is None or self._staging_link is link

    def staging_began(self, link: Link) -> None:
        """The other links are not read until it ends."""
        self._staging_link = link
        for other in self.links:
            if other is not link:
                other.stand_back()

    def staging_ended(self) -> None:
        """Done or broken: the others go on."""
        self._staging_link = None
        for other in self.links:
            other.pause(False)
            other.resume()

    def switch(self, link: Link) -> None:
        """The snapshot is complete: as soon as no walk of ours runs, it counts."""
        assert self._loop is not None
        if self.stopped:
            return
        if self.engine.writer.walk is not None:
            self._loop.call_later(WALK_POLL_S, self.switch, link)
            return
        try:
            if self.member.staging is not None and not self.member.staging.work():
                self._loop.call_soon(self.switch, link)
                return
        except StagingError as error:
            self.member.abandon()
            self.staging_ended()
            link.unstaged(error)
            return
        self.wake()
        self.member.switch()
        self.waits.applied()
        self._merge(link)
        link.switched()

    def _merge(self, link: Link) -> None:
        assert self._loop is not None
        merging = self.member.merging
        if not self.member.merge_step(MERGE_KEYS):
            self._loop.call_soon(self._merge, link)
            return
        for problem in merging.damaged if merging is not None else ():
            LOG.error("staged_key_lost", peer=link.address, reason=problem)
        gc.freeze()  # what was loaded is data now: the collector need not look at it again
        LOG.info("transfer_merged", peer=link.address)
        for each in self.links:
            each.merged()
        self.staging_ended()
        self.snapshots.go_on()

    def _open_spill(self) -> FileSpill:
        """Where a snapshot is staged that would take too much memory: in `dir`."""
        directory = self.config.text("dir")
        LOG.info("transfer_spills", directory=directory)
        return FileSpill(directory)

    # --- feeds ----------------------------------------------------------------------------------

    def after_frames(self) -> None:
        """Frames of a peer were applied: whoever waits for our vector looks again."""
        self.waits.applied()
        self.forgetting.heard()

    def acked(self) -> None:
        """A follower said how far it is."""
        self.waits.acked()

    def feed_lost(self, feed: Feed) -> None:
        """A follower is gone."""
        if feed in self.feeds:
            self.feeds.remove(feed)
        followers = self.member.backlog.followers
        if feed in followers:
            followers.remove(feed)
        self.roster.settle_routes()

    # --- numbers --------------------------------------------------------------------------------

    def unstable_bytes(self) -> int:
        """What the mesh remembers beyond the data, identities of live list elements apart."""
        member = self.member
        if member.stability.active:
            return member.cap.usage.unstable()
        return member.forgetter.meter.measure().unstable()

    def limbo_keys(self) -> int:
        """Keys that show nothing but are remembered."""
        return sum(len(db.hidden) for db in self.engine.databases)

    def status(self) -> MeshStatus:
        """The mesh as this node sees it now."""
        return mesh_status(self)

    def links_up(self) -> int:
        """How many links carry frames."""
        return sum(1 for link in self.links if link.state in (IN_SYNC, LAGGING))

    def name(self) -> str:
        """What this node is called: node-name, else host:port."""
        name = self.config.text("node-name")
        return name or f"127.0.0.1:{self.config.number('port')}"


def unset_s() -> float:
    """A clock that nobody sets, and that goes on while the machine sleeps, where it has one."""
    return time.clock_gettime(BOOT_CLOCK)


def always() -> bool:
    """All is."""
    return True


def feed_limit(config: Config) -> int:
    """The hard limit of client-output-buffer-limit replica, in bytes."""
    words = config.printed("client-output-buffer-limit").split()
    for at in range(0, len(words) - 3, 4):
        if words[at] in ("replica", "slave"):
            return int(words[at + 1]) or 1 << 40
    return 256 * 1024 * 1024

