"""One directed link as shown: the best of what both ends say, with a word and a grade. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from admin_ui import words
from admin_ui.source import NodeReport
from mesh import status as link_state
from mesh.status import FOLLOWER, LinkStatus, MeshStatus
from node.status import Record

SILENT: Final = "silent"
STALE: Final = "stale"
# A real KeyDB pings every 10 s; being silent for less says nothing about it.
KEYDB_SILENT_AFTER_MS: Final = 12_000
# A node's heartbeats come each second. Three fifths of `down_after_ms` leaves time to ask, compare
# and draw before five seconds are over, with the default of 5 s.
SILENT_SHARE: Final = 0.6

_GRADES: Final = {
    link_state.MERGING: "busy",
    link_state.SYNCING: "busy",
    link_state.HANDSHAKE: "busy",
    link_state.CONNECTING: "warn",
    link_state.DOWN: "down",
    link_state.REFUSED: "down",
    link_state.NEVER: "never",
}


@dataclass(frozen=True, slots=True)
class LinkView(Record):
    """`target` applies what `source` writes. `text` is the state in few words, with its number;
    `label` is a whole sentence for who cannot see the drawing."""

    id: str = ""
    source: str = ""
    target: str = ""
    state: str = link_state.NEVER
    grade: str = "never"
    text: str = ""
    label: str = ""
    is_live: bool = False
    """Whether live writes flow: in sync or lagging, with a fresh reading."""
    view: str = ""
    """Who said so: "follower", "sender", or empty when nobody knows the link."""
    stale: bool = False
    for_ms: float | None = None
    heartbeat_age_ms: float | None = None
    rtt_ms: float | None = None
    apply_lag_ms: float | None = None
    backlog_bytes: float | None = None
    backlog_ops: float | None = None
    clock_skew_ms: float | None = None
    """The source's clock minus the target's."""
    progress: float | None = None
    resync_full: int = 0
    resync_partial: int = 0
    reconnects: int = 0
    last_error: str = ""


def link_view(
    source: str,
    target: str,
    told: Sequence[tuple[LinkStatus, NodeReport]],
    own: MeshStatus,
) -> LinkView:
    """The link from what is told about it, best view first; with none it was never seen."""
    if not told:
        text = "never connected"
        label = f"link from {source} to {target}: {text}"
        return LinkView(f"{source}>{target}", source, target, text=text, label=label)
    best, report = told[0]
    links = [link for link, _ in told]
    heartbeat_age_ms = _aged(best, report)
    lag_ms = _first_number([link.apply_lag_ms for link in links])
    state, grade = _state(best, report, heartbeat_age_ms, lag_ms, own)
    taken_at_ms = report.mesh.taken_at_ms if report.mesh is not None else 0
    for_ms = taken_at_ms - best.since_ms if best.since_ms and taken_at_ms else None
    seen_ms = report.age_ms if state == STALE else heartbeat_age_ms
    progress = _first_number([link.progress for link in links])
    text = state_text(state, lag_ms, seen_ms, for_ms, progress)
    backlog_bytes = _first_number([link.backlog_bytes for link in links])
    backlog_ops = _first_number([link.backlog_ops for link in links])
    error = next((link.last_error for link in links if link.last_error), "")
    return LinkView(
        id=f"{source}>{target}",
        source=source,
        target=target,
        state=state,
        grade=grade,
        text=text,
        label=_label(source, target, text, lag_ms, backlog_bytes, error),
        is_live=state in (link_state.IN_SYNC, link_state.LAGGING),
        view=best.view,
        stale=report.stale,
        for_ms=max(for_ms, 0) if for_ms is not None else None,
        heartbeat_age_ms=heartbeat_age_ms,
        rtt_ms=_first_number([link.rtt_ms for link in links]),
        apply_lag_ms=lag_ms,
        backlog_bytes=backlog_bytes,
        backlog_ops=backlog_ops,
        clock_skew_ms=_skew(links),
        progress=progress,
        resync_full=max(link.resync_full for link in links),
        resync_partial=max(link.resync_partial for link in links),
        reconnects=max(link.reconnects for link in links),
        last_error=error,
    )


def state_text(
    state: str,
    lag_ms: float | None,
    seen_ms: float | None,
    for_ms: float | None,
    progress: float | None,
) -> str:
    """The state in a few words with the one number that matters for it."""
    if state == link_state.LAGGING:
        return f"{words.duration(lag_ms)} behind" if lag_ms is not None else "lagging"
    if state in (link_state.SYNCING, link_state.MERGING):
        return f"{state} {words.percent(progress)}" if progress is not None else state
    if state == SILENT:
        return f"silent {words.duration(seen_ms)}"
    if state == STALE:
        return f"seen {words.duration(seen_ms)} ago"
    if state == link_state.NEVER:
        return "never connected"
    if state == link_state.DOWN and for_ms is not None and for_ms >= 1000:
        return f"down {words.duration(for_ms)}"
    return state


def _state(
    link: LinkStatus,
    report: NodeReport,
    heartbeat_age_ms: float | None,
    lag_ms: float | None,
    own: MeshStatus,
) -> tuple[str, str]:
    """The word and the grade. A link that says it is fine but hears nothing is not believed."""
    if report.stale:
        return STALE, "stale"
    if link.state not in (link_state.IN_SYNC, link_state.LAGGING):
        return link.state, _GRADES.get(link.state, "warn")
    if heartbeat_age_ms is not None and heartbeat_age_ms >= _silent_after_ms(link, report, own):
        return SILENT, "critical"
    if lag_ms is not None and lag_ms >= own.critical_lag_ms:
        return link_state.LAGGING, "critical"
    if link.state == link_state.LAGGING or (lag_ms is not None and lag_ms >= own.warn_lag_ms):
        return link_state.LAGGING, "warn"
    return link_state.IN_SYNC, "ok"


def _silent_after_ms(link: LinkStatus, report: NodeReport, own: MeshStatus) -> float:
    other = link.source if link.view == FOLLOWER else link.target
    for peer in report.mesh.nodes if report.mesh is not None else ():
        if other in (peer.name, peer.address) and peer.kind == "keydb":
            return max(KEYDB_SILENT_AFTER_MS, own.down_after_ms)
    return own.down_after_ms * SILENT_SHARE


def _aged(link: LinkStatus, report: NodeReport) -> float | None:
    """The heartbeat is at least as old as the answer that tells it."""
    if link.heartbeat_age_ms is None:
        return None
    return link.heartbeat_age_ms + report.age_ms


def _skew(links: Sequence[LinkStatus]) -> float | None:
    for link in links:
        if link.clock_skew_ms is not None:
            return link.clock_skew_ms if link.view == FOLLOWER else -link.clock_skew_ms
    return None


def _first_number(numbers: Sequence[float | None]) -> float | None:
    return next((number for number in numbers if number is not None), None)


def _label(
    source: str,
    target: str,
    text: str,
    lag_ms: float | None,
    backlog_bytes: float | None,
    error: str,
) -> str:
    parts = [f"link from {source} to {target}: {text}"]
    if lag_ms is not None:
        parts.append(f"apply lag {words.duration(lag_ms)}")
    if backlog_bytes:
        parts.append(f"backlog {words.size(backlog_bytes)}")
    if error:
        parts.append(f"last error: {error}")
    return ", ".join(parts)
