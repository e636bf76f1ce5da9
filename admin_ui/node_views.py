"""One node as shown: what it says itself, else what its peers know of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from admin_ui import words
from admin_ui.identity import Directory
from admin_ui.link_views import LinkView
from admin_ui.source import NodeReport
from mesh.status import PeerStatus
from node.status import NodeStatus, Record

STATE_WORDS: Final = {
    "ok": ("healthy", "ok"),
    "loading": ("loading", "busy"),
    "syncing": ("syncing", "busy"),
    "stopping": ("stopping", "warn"),
}
"""Words and grades for `NodeStatus.state`; a state that is not listed is shown as it is."""


@dataclass(frozen=True, slots=True)
class NodeView(Record):
    """One node as shown. Numbers are None when no reading exists, not zero."""

    id: str = ""
    address: str = ""
    member_id: str = ""
    is_self: bool = False
    configured: bool = True
    grade: str = "never"
    state: str = "never seen"
    detail: str = ""
    stale: bool = False
    reading_age_ms: float | None = None
    role: str = ""
    redis_version: str = ""
    plexis_version: str = ""
    compiled: bool = False
    uptime_seconds: float | None = None
    keys: float | None = None
    ops_per_second: float | None = None
    connected_clients: float | None = None
    memory_used_bytes: float | None = None
    maxmemory_bytes: float | None = None
    conflicts: float | None = None
    repairs: int = 0
    refuses_writes: str = ""
    """Why it refuses its clients' writes, empty where it does not."""
    outside: str = ""
    """Why it is no member of its mesh any more, empty where it is one."""
    not_heard_by: str = ""
    unstable_bytes: float | None = None
    limbo_keys: float | None = None
    holds_up_ms: float | None = None
    """For how long others remember writes for its sake, whose disk has not told of them: the mesh
    waits for this member alone. None for all others."""
    heartbeat_age_ms: float | None = None
    apply_lag_ms: float | None = None
    backlog_bytes: float | None = None
    clock_skew_ms: float | None = None
    links_up: int = 0
    links_total: int = 0


def node_view(
    name: str,
    directory: Directory,
    asked: NodeReport | None,
    links: tuple[LinkView, ...],
) -> NodeView:
    report = directory.reports.get(name)
    told = directory.peers.get(name, [])
    is_self = name == directory.names[0]
    status = report.node if report is not None else _number_from_peers(told)
    mesh = report.mesh if report is not None else None
    error = asked.error if asked is not None else ""
    configured = is_configured(name, directory)
    member_id = status.member_id if status is not None else _member_id(told)
    state, grade, detail = _node_state(report, status, told, error, configured)
    incoming = [link for link in links if link.target == name]
    own_name = directory.names[0]
    return NodeView(
        id=name,
        address=status.address if status is not None else _address(name, told),
        member_id=member_id,
        is_self=is_self,
        configured=configured,
        grade=grade,
        state=state,
        detail=detail,
        stale=report is not None and report.stale,
        reading_age_ms=report.age_ms if report is not None else None,
        role=status.role if status is not None else "",
        redis_version=status.redis_version if status is not None else "",
        plexis_version=status.plexis_version if status is not None else "",
        compiled=status.compiled if status is not None else False,
        uptime_seconds=status.uptime_seconds if status is not None else None,
        keys=status.keys if status is not None else None,
        ops_per_second=status.ops_per_second if status is not None else None,
        connected_clients=status.connected_clients if status is not None else None,
        memory_used_bytes=status.memory_used_bytes if status is not None else None,
        maxmemory_bytes=status.maxmemory_bytes if status is not None else None,
        conflicts=sum(kind.count for kind in mesh.conflicts) if mesh is not None else None,
        repairs=mesh.repairs if mesh is not None else 0,
        refuses_writes=(mesh.over_cap or mesh.clock_fenced) if mesh is not None else "",
        outside=mesh.outside if mesh is not None else "",
        not_heard_by=mesh.not_heard_by if mesh is not None else "",
        unstable_bytes=mesh.unstable_bytes if mesh is not None else None,
        limbo_keys=mesh.limbo_keys if mesh is not None else None,
        holds_up_ms=_holds_up_ms(member_id, directory),
        heartbeat_age_ms=worst([link.heartbeat_age_ms for link in incoming]),
        apply_lag_ms=worst([link.apply_lag_ms for link in incoming]),
        backlog_bytes=worst([link.backlog_bytes for link in links if link.source == name]),
        clock_skew_ms=0.0 if is_self else _skew_to(own_name, name, links),
        links_up=sum(link.is_live for link in incoming),
        links_total=len(incoming),
    )


def _node_state(
    report: NodeReport | None,
    status: NodeStatus | None,
    told: Sequence[PeerStatus],
    error: str,
    configured: bool,
) -> tuple[str, str, str]:
    """The word, the grade and the reason of one node."""
    if status is None and told and told[0].kind == "keydb":
        return _state_of_keydb(told[0])
    if status is None:
        seen = [peer.last_seen_age_ms for peer in told if peer.last_seen_age_ms is not None]
        if seen:
            return "unreachable", "down", error or f"seen {words.duration(min(seen))} ago"
        return "never seen", "never", error or "it never answered since this node was started"
    if report is not None and report.stale:
        age = words.duration(report.age_ms)
        return "unreachable", "down", f"{error}; the numbers are {age} old"
    if not configured:
        return "not in config", "ghost", "this node answers but is not in the configuration"
    word, grade = STATE_WORDS.get(status.state, (status.state, "warn"))
    return word, grade, status.state_detail


def _state_of_keydb(peer: PeerStatus) -> tuple[str, str, str]:
    if peer.last_seen_age_ms is None:
        return "never seen", "never", "a KeyDB that never connected"
    return "KeyDB", "ok", "a KeyDB has no MESH STATUS: only its links can be shown"


def _number_from_peers(told: Sequence[PeerStatus]) -> NodeStatus | None:
    return next((peer.node for peer in told if peer.node is not None), None)


def _address(name: str, told: Sequence[PeerStatus]) -> str:
    return next((peer.address for peer in told if peer.address), name)


def _member_id(told: Sequence[PeerStatus]) -> str:
    return next((peer.member_id for peer in told if peer.member_id), "")


def _holds_up_ms(member_id: str, directory: Directory) -> float | None:
    """The longest that any node says, of those that were reached; the member itself may be away."""
    return worst([
        report.mesh.stable_age_ms for report in directory.reports.values()
        if report.mesh is not None and not report.stale
        and member_id and report.mesh.held_up_by == member_id
    ])  # fmt: skip


def is_configured(name: str, directory: Directory) -> bool:
    told = directory.peers.get(name, [])
    return name == directory.names[0] or any(peer.configured or peer.joined for peer in told)


def worst(numbers: Sequence[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return max(known) if known else None


def _skew_to(own: str, other: str, links: Sequence[LinkView]) -> float | None:
    """The other node's clock minus this node's; this node's own reading before the other's."""
    found = {(link.source, link.target): link.clock_skew_ms for link in links}
    incoming = found.get((other, own))
    outgoing = found.get((own, other))
    if incoming is not None or outgoing is None:
        return incoming
    return -outgoing
