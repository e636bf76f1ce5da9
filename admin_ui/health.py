"""Health checks: may this process live, may it get traffic. Pure; `app.py` gives the HTTP shape.

`/livez` asks no peer and looks at no data, so that a partition never restarts a node. `/readyz`
is for load balancers: a node that is still to receive the mesh's data must not answer reads from
an empty keyspace, so a PING is not enough.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from admin_ui import words
from mesh import status as link_state
from mesh.status import FOLLOWER, MeshStatus
from node.status import NodeStatus

_LIVE: Final = (link_state.IN_SYNC, link_state.LAGGING)
_UNITS: Final = {"ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of readiness."""

    name: str
    ok: bool
    text: str


def readiness(node: NodeStatus, mesh: MeshStatus, options: Mapping[str, str]) -> list[Check]:
    """The conditions for getting traffic. `options`: `max_lag` ("500ms"), `min_peers` ("1"),
    `exclude` (names, with commas). `ValueError` names an option that cannot be read."""
    incoming = [link for link in mesh.links if link.view == FOLLOWER]
    live = [link for link in incoming if link.state in _LIVE]
    detail = node.state_detail or node.state
    checks = [
        Check("data", node.state != "loading", "loaded" if node.state != "loading" else detail),
        Check("running", node.state != "stopping", detail if node.state == "stopping" else "yes"),
        _sync_check(node, mesh, detail),
    ]
    if node.state not in ("ok", "loading", "syncing", "stopping"):
        checks.append(Check("state", False, detail))
    if "max_lag" in options:
        limit_ms = parse_duration_ms(options["max_lag"])
        lags = [link.apply_lag_ms for link in live if link.apply_lag_ms is not None]
        worst_ms = max(lags, default=0.0)
        checks.append(Check("lag", worst_ms <= limit_ms, words.duration(worst_ms)))
    if "min_peers" in options:
        wanted = options["min_peers"]
        if not wanted.isascii() or not wanted.isdigit():
            raise ValueError(f'min_peers: "{wanted}" is not a whole number')
        text = f"{len(live)} of {len(incoming)} incoming links carry writes"
        checks.append(Check("peers", len(live) >= int(wanted), text))
    excluded = {name.strip() for name in options.get("exclude", "").split(",")}
    return [check for check in checks if check.name not in excluded]


def parse_duration_ms(text: str) -> float:
    """ "500ms", "2s", "1m" or a plain number of milliseconds."""
    unit = next((unit for unit in _UNITS if text.endswith(unit)), "")
    try:
        value = float(text.removesuffix(unit)) * _UNITS.get(unit, 1.0)
    except ValueError:
        value = math.nan
    if not value >= 0:
        raise ValueError(f'max_lag: "{text}" is not a duration such as 500ms or 2s')
    return value


def render(checks: Sequence[Check], verbose: bool) -> tuple[int, str]:
    """Status code and text; not ready always tells its reasons."""
    failed = [check for check in checks if not check.ok]
    code = 503 if failed else 200
    if not verbose:
        return code, "".join(f"{_line(check)}\n" for check in failed) or "ok\n"
    lines = [_line(check) for check in checks]
    lines.append("readyz check failed" if failed else "readyz check passed")
    return code, "\n".join(lines) + "\n"


def _line(check: Check) -> str:
    return f"[{'+' if check.ok else '-'}]{check.name} {check.text}"


def _sync_check(node: NodeStatus, mesh: MeshStatus, detail: str) -> Check:
    busy = [link for link in mesh.links if link.state in (link_state.SYNCING, link_state.MERGING)]
    if node.state == "syncing" or not mesh.initial_sync_done:
        if busy and busy[0].progress is not None:
            return Check("sync", False, f"{busy[0].state} {words.percent(busy[0].progress)}")
        return Check("sync", False, detail if node.state == "syncing" else "first sync not done")
    return Check("sync", True, "done")
