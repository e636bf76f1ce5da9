"""When a node may get traffic."""

from __future__ import annotations

from typing import Any

import pytest

from admin_ui import health
from mesh.status import DOWN, MERGING, SYNCING, MeshStatus
from tests.admin_ui.fakes import link_status, node_status

LINKS = (
    link_status("b", "a", apply_lag_ms=700),
    link_status("c", "a", state=DOWN, apply_lag_ms=None),
    link_status("a", "b", view="sender"),
)


def ready(node: dict[str, Any], mesh: dict[str, Any], **options: str) -> tuple[int, str]:
    status = MeshStatus(**{"links": LINKS, **mesh})
    checks = health.readiness(node_status("a", 1, **node), status, options)
    return health.render(checks, verbose=False)


@pytest.mark.parametrize(
    ("node", "mesh", "options", "answer"),
    [
        ({}, {}, {}, (200, "ok\n")),
        ({"state": "loading", "state_detail": "12 %"}, {}, {}, (503, "[-]data 12 %\n")),
        ({"state": "stopping"}, {}, {}, (503, "[-]running stopping\n")),
        ({"state": "odd"}, {}, {}, (503, "[-]state odd\n")),
        ({"state": "syncing"}, {}, {}, (503, "[-]sync syncing\n")),
        ({}, {"initial_sync_done": False}, {}, (503, "[-]sync first sync not done\n")),
        (
            {"state": "syncing"},
            {"links": (link_status("b", "a", state=SYNCING, progress=0.43),)},
            {},
            (503, "[-]sync syncing 43 %\n"),
        ),
        ({}, {"links": (link_status("b", "a", state=MERGING),)}, {}, (200, "ok\n")),
        ({}, {}, {"max_lag": "700ms"}, (200, "ok\n")),
        ({}, {}, {"max_lag": "0.5s"}, (503, "[-]lag 700 ms\n")),
        ({}, {}, {"min_peers": "1"}, (200, "ok\n")),
        (
            {},
            {},
            {"min_peers": "2"},
            (503, "[-]peers 1 of 2 incoming links carry writes\n"),
        ),
        ({"state": "syncing"}, {}, {"exclude": "sync"}, (200, "ok\n")),
    ],
)
def test_readiness(
    node: dict[str, Any], mesh: dict[str, Any], options: dict[str, str], answer: tuple[int, str]
) -> None:
    assert ready(node, mesh, **options) == answer


@pytest.mark.parametrize(
    "options", [{"max_lag": "soon"}, {"max_lag": "-1s"}, {"max_lag": "nan"}, {"min_peers": "-1"}]
)
def test_an_option_that_cannot_be_read_is_an_error(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        ready({}, {}, **options)


def test_verbose_lists_every_check() -> None:
    checks = health.readiness(node_status("a", 1), MeshStatus(), {})
    text = "[+]data loaded\n[+]running yes\n[+]sync done\nreadyz check passed\n"
    assert health.render(checks, verbose=True) == (200, text)
