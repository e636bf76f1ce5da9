"""Statuses of all nodes -> what a page shows: words, grades, edges, problems. Pure.

The union of what all nodes report, so that each node and each directed link appears exactly once,
also those that never connected and those that are gone. Of two views of a link the follower's
counts, because only the follower knows what it has applied; a fresh view counts before a stale
one; what the better view does not know is taken from the other. Every state has a word and a
grade; the page gives each grade a colour, a line style and an icon, so none of them stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from admin_ui.identity import Directory
from admin_ui.link_views import LinkView, link_view
from admin_ui.node_views import NodeView, is_configured, node_view, worst
from admin_ui.problems import Problem, problems_of
from admin_ui.source import NodeReport
from mesh.status import FOLLOWER, NEVER, LinkStatus, MeshStatus
from node.status import Record


@dataclass(frozen=True, slots=True)
class Summary(Record):
    """The one line that says whether somebody has to get up, and the totals below it."""

    state: str = "OK"
    grade: str = "ok"
    sentence: str = ""
    nodes_up: int = 0
    nodes_total: int = 0
    links_up: int = 0
    links_total: int = 0
    keys: int = 0
    """Of the node that has most of them."""
    keys_spread: int = 0
    """How many fewer the node with least has; nodes that were not reached do not count."""
    ops_per_second: float = 0.0
    apply_lag_ms: float | None = None
    heartbeat_age_ms: float | None = None
    backlog_bytes: int = 0
    clock_skew_ms: float | None = None
    conflicts: int = 0


@dataclass(frozen=True, slots=True)
class MeshView(Record):
    """All that the Overview shows, and the answer of GET /api/v1/mesh."""

    NESTED: ClassVar[Mapping[str, type[Record]]] = {
        "summary": Summary,
        "nodes": NodeView,
        "links": LinkView,
        "problems": Problem,
    }

    name: str = ""
    topology: str = ""
    node: str = ""
    """The node that answers."""
    generated_at_ms: int = 0
    summary: Summary = Summary()
    nodes: tuple[NodeView, ...] = ()
    links: tuple[LinkView, ...] = ()
    problems: tuple[Problem, ...] = ()


def mesh_view(reports: Sequence[NodeReport]) -> MeshView:
    """What the page shows; the first report is this node's own and must have its statuses."""
    own = reports[0]
    assert own.node is not None and own.mesh is not None
    directory = Directory(reports)
    links = _links(directory, own.mesh)
    self_name = directory.names[0]
    errors = {
        directory.resolve(self_name, report.asked): report for report in reports[1:] if report.asked
    }
    names = directory.names
    nodes = tuple(node_view(name, directory, errors.get(name), links) for name in names)
    problems = problems_of(nodes, links)
    return MeshView(
        name=own.mesh.name,
        topology=own.mesh.topology,
        node=self_name,
        generated_at_ms=own.node.taken_at_ms,
        summary=_summary(nodes, links, problems),
        nodes=nodes,
        links=links,
        problems=problems,
    )


def _links(directory: Directory, own: MeshStatus) -> tuple[LinkView, ...]:
    told: dict[tuple[str, str], list[tuple[int, LinkStatus, NodeReport]]] = {}
    for reporter, report in directory.reports.items():
        if report.mesh is None:
            continue
        for link in report.mesh.links:
            source = directory.resolve(reporter, link.source)
            target = directory.resolve(reporter, link.target)
            if source == target:
                continue
            preference = (2 if report.stale else 0) + (0 if link.view == FOLLOWER else 1)
            told.setdefault((source, target), []).append((preference, link, report))
    if own.topology == "full":
        for pair in _pairs_of_full_mesh(directory):
            told.setdefault(pair, [])
    place = {name: index for index, name in enumerate(directory.names)}
    views = []
    for pair in sorted(told, key=lambda pair: (place[pair[0]], place[pair[1]])):
        views_told = [(link, report) for _, link, report in sorted(told[pair], key=_first)]
        views.append(link_view(*pair, views_told, own))
    return tuple(views)


def _first(told: tuple[int, LinkStatus, NodeReport]) -> int:
    return told[0]


def _pairs_of_full_mesh(directory: Directory) -> list[tuple[str, str]]:
    """Both directions between every two nodes that are in the configuration."""
    members = [name for name in directory.names if is_configured(name, directory)]
    return [(source, target) for source in members for target in members if source != target]


def _summary(
    nodes: Sequence[NodeView], links: Sequence[LinkView], problems: Sequence[Problem]
) -> Summary:
    links_up = sum(link.is_live for link in links)
    nodes_up = sum(node.grade in ("ok", "ghost") for node in nodes)
    if not problems:
        state, grade = "OK", "ok"
    elif any(problem.severity == "critical" for problem in problems):
        state, grade = "DEGRADED", "down"
    else:
        state, grade = "ATTENTION", "warn"
    skews = [abs(link.clock_skew_ms) for link in links if link.clock_skew_ms is not None]
    keys = [node.keys for node in nodes if node.keys is not None and not node.stale]
    live = [link for link in links if link.is_live]
    return Summary(
        state=state,
        grade=grade,
        sentence=_sentence(links, links_up, problems),
        nodes_up=nodes_up,
        nodes_total=len(nodes),
        links_up=links_up,
        links_total=len(links),
        keys=int(max(keys, default=0)),
        keys_spread=int(max(keys, default=0) - min(keys, default=0)),
        ops_per_second=sum(node.ops_per_second or 0 for node in nodes if not node.stale),
        apply_lag_ms=worst([link.apply_lag_ms for link in live]),
        heartbeat_age_ms=worst([link.heartbeat_age_ms for link in links]),
        backlog_bytes=int(sum(link.backlog_bytes or 0 for link in links)),
        clock_skew_ms=max(skews) if skews else None,
        conflicts=int(sum(node.conflicts or 0 for node in nodes)),
    )


def _sentence(links: Sequence[LinkView], links_up: int, problems: Sequence[Problem]) -> str:
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return problems[0].text + more
    if not links:
        return "One node, no links"
    if NEVER in [link.state for link in links]:
        return f"{links_up} of {len(links)} links carry writes"
    return f"All {len(links)} links carry writes"
