"""The list of problems, worst first: each says what, where and what to look at. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from admin_ui import words
from admin_ui.link_views import SILENT, LinkView
from admin_ui.node_views import NodeView
from mesh import status as link_state
from node.status import Record

# Below this, two clocks kept by NTP over the internet and the error of measuring them through a
# busy event loop are not told apart.
SKEW_WARN_MS: Final = 250

_ORDER: Final = (
    "unreachable",
    "refuses writes",
    "down",
    "refused",
    "silent",
    "repaired",
    "one way",
    "critical lag",
    "no member",
    "never",
    "clock skew",
    "syncing",
    "lagging",
    "not in config",
    "state",
)


@dataclass(frozen=True, slots=True)
class Problem(Record):
    """`where` is the id of the node or link in the same view, to find it on the page."""

    kind: str = ""
    severity: str = "warning"
    where: str = ""
    text: str = ""


def problems_of(nodes: Sequence[NodeView], links: Sequence[LinkView]) -> tuple[Problem, ...]:
    """All problems of the mesh, worst first; links of a node that is gone are not repeated."""
    found = [problem for node in nodes for problem in _of_node(node)]
    gone = {node.id for node in nodes if node.state in ("unreachable", "never seen")}
    for link in links:
        if link.source not in gone and link.target not in gone:
            found += _of_link(link)
    found += _of_skew(nodes)
    found += [_of_repairs(node) for node in nodes if node.repairs]
    for node in nodes:
        if node.refuses_writes:
            text = f"{node.id} refuses its clients' writes: {node.refuses_writes}"
            found.append(Problem("refuses writes", "critical", node.id, text))
        if node.outside:
            found.append(Problem("no member", "warning", node.id, f"{node.id}: {node.outside}"))
    found += [_of_one_way(node) for node in nodes if node.not_heard_by]
    return tuple(sorted(found, key=lambda problem: _ORDER.index(problem.kind)))


def _of_node(node: NodeView) -> list[Problem]:
    name = node.id
    if node.state == "unreachable":
        return [Problem("unreachable", "critical", name, f"{name} is unreachable: {node.detail}")]
    if node.state == "never seen":
        return [Problem("never", "critical", name, f"{name} was never seen: {node.detail}")]
    if node.grade == "ghost":
        text = f"{name} takes part but is not in the configuration"
        return [Problem("not in config", "warning", name, text)]
    if node.grade == "busy":
        text = f"{name} is {node.state}" + (f": {node.detail}" if node.detail else "")
        return [Problem("syncing", "warning", name, text)]
    if node.grade != "ok":
        return [Problem("state", "warning", name, f"{name} is {node.state}")]
    return []


def _of_link(link: LinkView) -> list[Problem]:
    pair = f"{link.source} → {link.target}"
    reason = f": {link.last_error}" if link.last_error else ""
    if link.state == link_state.DOWN:
        return [Problem("down", "critical", link.id, f"Link {pair} is {link.text}{reason}")]
    if link.state == link_state.REFUSED:
        return [Problem("refused", "critical", link.id, f"Link {pair} is refused{reason}")]
    if link.state == SILENT:
        return [Problem("silent", "critical", link.id, f"Link {pair} is {link.text}{reason}")]
    if link.state == link_state.CONNECTING:
        return [Problem("down", "critical", link.id, f"Link {pair} is connecting{reason}")]
    if link.state == link_state.NEVER:
        return [Problem("never", "warning", link.id, f"Link {pair} never connected{reason}")]
    if link.grade == "critical":
        return [Problem("critical lag", "critical", link.id, f"Link {pair} is {link.text}")]
    if link.grade == "warn":
        return [Problem("lagging", "warning", link.id, f"Link {pair} is {link.text}")]
    if link.grade == "busy":
        return [Problem("syncing", "warning", link.id, f"Link {pair}: {link.text}")]
    return []


def _of_repairs(node: NodeView) -> Problem:
    text = (
        f"{node.id} wrote {node.repairs} {'key' if node.repairs == 1 else 'keys'} anew that members"
        " held differently without any write to explain it: see MESH CONFLICTS KIND repaired there"
    )
    return Problem("repaired", "critical", node.id, text)


def _of_one_way(node: NodeView) -> Problem:
    text = (
        f"{node.id} follows {node.not_heard_by.replace(',', ', ')}, where nothing of what it writes"
        " arrives: it is no member there"
    )
    return Problem("one way", "warning", node.id, text)


def _of_skew(nodes: Sequence[NodeView]) -> list[Problem]:
    found = []
    for node in nodes:
        skew_ms = node.clock_skew_ms
        if skew_ms is not None and abs(skew_ms) >= SKEW_WARN_MS:
            side = "ahead of" if skew_ms > 0 else "behind"
            text = f"The clock of {node.id} is {words.duration(abs(skew_ms))} {side} this node's"
            found.append(Problem("clock skew", "warning", node.id, text))
    return found
