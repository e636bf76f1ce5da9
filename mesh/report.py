"""MeshStatus of this moment, from the agent's links and feeds: for MESH STATUS and the admin
page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh.dots import uuid_text
from mesh.feed import Feed
from mesh.link import Link
from mesh.membership import JOINED
from mesh.status import (
    FOLLOWER,
    IN_SYNC,
    LAGGING,
    SENDER,
    SYNCING,
    CountStatus,
    LinkStatus,
    MeshStatus,
    PeerStatus,
    StreamStatus,
)  # fmt: skip
from mesh.topology import shape_of

if TYPE_CHECKING:
    from mesh.agent import Agent


def mesh_status(agent: Agent) -> MeshStatus:
    """One node's view: every configured peer and link is in it, also those that never connected."""
    own = agent.name()
    joined = [each for each in agent.member.membership.entries() if each.state == JOINED]
    members = {each.member_id for each in joined}
    memory = agent.member.memory
    peers: dict[str, PeerStatus] = {}
    for link in agent.links:
        peers[link.address] = PeerStatus(
            name=link.address, address=link.address, member_id=link.peer_member.decode(),
            configured=link.configured, joined=link.peer_member in members,
            last_seen_age_ms=age_ms(agent, link.last_io_s),
        )  # fmt: skip
    known = {link.peer_member for link in agent.links}
    for feed in agent.feeds:
        if feed.member_id not in known and feed.address not in peers:
            peers[feed.address] = PeerStatus(
                name=feed.address, address=feed.address, member_id=feed.member_id.decode(),
                configured=False, joined=feed.member_id in members,
                last_seen_age_ms=age_ms(agent, feed.last_ack_s),
            )  # fmt: skip
    links = [follower_view(agent, link, own) for link in agent.links]
    links += [sender_view(agent, feed, own) for feed in agent.feeds]
    return MeshStatus(
        name=own,
        topology=shape_of(joined) if len(joined) > 1 else "full",
        taken_at_ms=agent.now_ms(),
        initial_sync_done=initial_sync_done(agent),
        warn_lag_ms=int(agent.warn_lag_ms),
        nodes=tuple(peers.values()),
        links=tuple(links),
        conflicts=tuple(
            CountStatus(kind=kind, count=count)
            for kind, count in memory.conflicts.counts.items()
        ),
        clock_alarms=agent.clocks.guard.alarms,
        clock_refusals=agent.clocks.guard.refusals,
        clock_fenced=agent.clocks.guard.fenced,
        over_cap=agent.member.cap.fenced,
        outside=agent.roster.warning(),
        repairs=agent.anti_entropy.totals.repaired,
        unstable_bytes=agent.unstable_bytes(),
        limbo_keys=agent.limbo_keys(),
        tombstones=int(memory.removals.count),
        stable_age_ms=float(agent.member.cap.held_up_ms(agent.now_ms())),
        held_up_by=agent.member.cap.held_up_by().decode(),
        not_heard_by=agent.roster.not_heard_by(),
        vector=tuple(
            StreamStatus(stream=uuid_text(each.uuid).decode(), stamp=int(each.seen))
            for each in agent.streams.all if each.seen and not each.retired
        ),
    )  # fmt: skip


def follower_view(agent: Agent, link: Link, own: str) -> LinkStatus:
    """A link that ends here: this node applies what the peer writes."""
    up = link.state in (IN_SYNC, LAGGING)
    return LinkStatus(
        source=link.address, target=own, view=FOLLOWER, state=link.state, since_ms=link.since_ms,
        heartbeat_age_ms=age_ms(agent, link.last_io_s),
        apply_lag_ms=link.apply_lag_ms if up else None,
        clock_skew_ms=link.meter.skew_ms if up else None,
        rtt_ms=link.meter.rtt_ms if up else None,
        phase=link.resync.phase, progress=rounded(link.resync.progress),
        resync_full=link.resync.full, resync_range=link.resync.range,
        resync_partial=link.resync.partial, resync_full_bytes=link.resync.full_bytes,
        resync_range_bytes=link.resync.range_bytes,
        reconnects=link.reconnects, ops_applied=int(link.inbox.applied),
        ops_ignored=int(link.inbox.duplicates), bytes_received=link.bytes_received,
        offset=link.offset, last_error=link.last_error,
    )  # fmt: skip


def sender_view(agent: Agent, feed: Feed, own: str) -> LinkStatus:
    """A link that begins here: the follower applies what this node writes."""
    outflow = feed.outflow
    return LinkStatus(
        source=own, target=feed.address, view=SENDER, state=feed.state, since_ms=feed.since_ms,
        heartbeat_age_ms=age_ms(agent, feed.last_ack_s),
        backlog_bytes=feed.backlog_bytes, bytes_sent=feed.offset, offset=feed.acked_offset,
        resync_full=1 if feed.full else 0,
        phase="" if outflow is None else outflow.phase,
        progress=None if outflow is None else rounded(outflow.progress),
    )  # fmt: skip


def rounded(share: float | None) -> float | None:
    """A share to a tenth of a percent."""
    return None if share is None else round(share, 3)


def age_ms(agent: Agent, at_s: float) -> float | None:
    """How long ago that was; None for never."""
    if not at_s:
        return None
    return round((agent.loop_s() - at_s) * 1000.0, 1)


def initial_sync_done(agent: Agent) -> bool:
    """May clients rely on what is here? Not while a node that began empty takes in its first
    data."""
    if not agent.config.yes("active-replica"):
        return True
    if not agent.member.started:
        return False
    if agent.held_data or not agent.links:
        return True
    return any(link.state in (IN_SYNC, LAGGING) for link in agent.links) or not any(
        link.state in (SYNCING, "merging") for link in agent.links
    )
