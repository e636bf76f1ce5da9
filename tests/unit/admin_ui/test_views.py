"""What the page shows, as tables of cases: who says what, and what is made of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from admin_ui.source import NodeReport
from admin_ui.views import MeshView, mesh_view
from mesh.status import (
    CONNECTING,
    DOWN,
    HANDSHAKE,
    IN_SYNC,
    LAGGING,
    MERGING,
    NEVER,
    REFUSED,
    SENDER,
    SYNCING,
    LinkStatus,
    MeshStatus,
    PeerStatus,
)
from tests.admin_ui.fakes import NOW_MS, FakeMesh, link_status, node_status


def reports_of(mesh: FakeMesh) -> list[NodeReport]:
    """Everybody answers, the first node is the one that asks."""
    reports = []
    for index, (name, port) in enumerate(mesh.ports.items()):
        node, status = mesh.status(name)
        asked = f"127.0.0.1:{port}" if index else ""
        reports.append(NodeReport(asked=asked, node=node, mesh=status))
    return reports


def pair() -> FakeMesh:
    return FakeMesh({"a": 7001, "b": 7002})


def link_of(view: MeshView, name: str) -> Any:
    return {link.id: link for link in view.links}[name]


def node_of(view: MeshView, name: str) -> Any:
    return {node.id: node for node in view.nodes}[name]


@pytest.mark.parametrize(
    ("changes", "state", "grade", "text"),
    [
        ({}, "in sync", "ok", "in sync"),
        ({"apply_lag_ms": 999}, "in sync", "ok", "in sync"),
        ({"apply_lag_ms": 2_400}, "lagging", "warn", "2.4 s behind"),
        ({"apply_lag_ms": 38_000}, "lagging", "critical", "38 s behind"),
        ({"state": LAGGING, "apply_lag_ms": 400}, "lagging", "warn", "400 ms behind"),
        ({"state": LAGGING, "apply_lag_ms": None}, "lagging", "warn", "lagging"),
        ({"state": SYNCING, "progress": 0.43}, "syncing", "busy", "syncing 43 %"),
        ({"state": SYNCING, "progress": None}, "syncing", "busy", "syncing"),
        ({"state": MERGING, "progress": 0.71}, "merging", "busy", "merging 71 %"),
        ({"state": CONNECTING}, "connecting", "warn", "connecting"),
        ({"state": HANDSHAKE}, "handshake", "busy", "handshake"),
        ({"state": REFUSED}, "refused", "down", "refused"),
        ({"state": NEVER}, "never", "never", "never connected"),
        ({"state": DOWN, "since_ms": NOW_MS - 180_000}, "down", "down", "down 3 m"),
        ({"state": DOWN, "since_ms": 0}, "down", "down", "down"),
        ({"heartbeat_age_ms": 2_900}, "in sync", "ok", "in sync"),
        ({"heartbeat_age_ms": 3_200}, "silent", "critical", "silent 3.2 s"),
    ],
)
def test_link_states(changes: dict[str, Any], state: str, grade: str, text: str) -> None:
    mesh = pair()
    mesh.change_link("b", "a", **changes)
    link = link_of(mesh_view(reports_of(mesh)), "b>a")
    assert (link.state, link.grade, link.text) == (state, grade, text)
    assert link.is_live == (state in (IN_SYNC, LAGGING))
    assert link.label.startswith(f"link from b to a: {text}")


def test_each_direction_appears_once_though_both_ends_report_it() -> None:
    view = mesh_view(reports_of(FakeMesh({"a": 1, "b": 2, "c": 3})))
    pairs = ["a>b", "a>c", "b>a", "b>c", "c>a", "c>b"]
    assert [link.id for link in view.links] == pairs
    assert [node.id for node in view.nodes] == ["a", "b", "c"]
    assert view.summary.sentence == "All 6 links carry writes"


def test_the_followers_view_is_preferred_and_the_sender_adds_what_only_it_knows() -> None:
    mesh = pair()
    mesh.change_link("b", "a", backlog_bytes=None)
    reports = reports_of(mesh)
    sender = link_status("b", "a", view=SENDER, state=DOWN, backlog_bytes=512, apply_lag_ms=None)
    assert reports[1].mesh is not None
    reports[1] = replace(reports[1], mesh=replace(reports[1].mesh, links=(sender,)))
    link = link_of(mesh_view(reports), "b>a")
    assert (link.state, link.view, link.backlog_bytes) == ("in sync", "follower", 512)


def test_a_fresh_sender_is_believed_before_a_stale_follower() -> None:
    mesh = pair()
    reports = reports_of(mesh)
    reports[1] = replace(reports[1], stale=True, age_ms=9_000, error="no answer")
    own = reports[0].mesh
    assert own is not None
    sent = link_status("a", "b", view=SENDER, state=DOWN, since_ms=NOW_MS - 7_000)
    reports[0] = replace(reports[0], mesh=replace(own, links=(sent,)))
    link = link_of(mesh_view(reports), "a>b")
    assert (link.state, link.text) == ("down", "down 7.0 s")


def test_a_link_known_from_a_stale_reading_alone_says_how_old_it_is() -> None:
    mesh = FakeMesh({"a": 1, "b": 2, "c": 3})
    reports = reports_of(mesh)
    for index in (1, 2):
        reports[index] = replace(reports[index], stale=True, age_ms=40_000, error="no answer")
    view = mesh_view(reports)
    assert (link_of(view, "b>c").grade, link_of(view, "b>c").text) == ("stale", "seen 40 s ago")
    node = node_of(view, "b")
    assert (node.state, node.grade, node.keys) == ("unreachable", "down", 1_200)
    assert node.detail == "no answer; the numbers are 40 s old"


def test_configured_nodes_that_never_answered_are_drawn_with_their_links() -> None:
    own = MeshStatus(nodes=(PeerStatus(address="10.0.0.9:6379"),))
    reports = [
        NodeReport(node=node_status("a", 7001), mesh=own),
        NodeReport(asked="10.0.0.9:6379", stale=True, error="connection refused"),
    ]
    view = mesh_view(reports)
    node = node_of(view, "10.0.0.9:6379")
    assert (node.state, node.grade, node.keys) == ("never seen", "never", None)
    assert [link.id for link in view.links] == ["a>10.0.0.9:6379", "10.0.0.9:6379>a"]
    assert {link.text for link in view.links} == {"never connected"}
    assert [problem.kind for problem in view.problems] == ["never"]
    assert view.problems[0].text == "10.0.0.9:6379 was never seen: connection refused"
    assert view.summary.state == "DEGRADED"


def test_links_nobody_configured_are_not_invented_in_a_custom_topology() -> None:
    mesh = pair()
    reports = reports_of(mesh)
    one_way = MeshStatus(topology="custom", nodes=(PeerStatus("b", "127.0.0.1:7002"),))
    reports[0] = replace(reports[0], mesh=replace(one_way, links=(link_status("b", "a"),)))
    reports[1] = replace(reports[1], mesh=MeshStatus(topology="custom"))
    assert [link.id for link in mesh_view(reports).links] == ["b>a"]


def test_a_node_that_takes_part_without_being_configured_is_a_ghost() -> None:
    mesh = pair()
    reports = reports_of(mesh)
    own = reports[0].mesh
    assert own is not None
    stranger = replace(own.nodes[0], configured=False)
    reports[0] = replace(reports[0], mesh=replace(own, nodes=(stranger,)))
    assert reports[1].mesh is not None
    view = mesh_view(reports)
    assert (node_of(view, "b").state, node_of(view, "b").grade) == ("not in config", "ghost")
    assert "not in config" in [problem.kind for problem in view.problems]


@pytest.mark.parametrize(
    ("own_host", "asked", "peer_calls_us"),
    [
        ("127.0.0.1", "127.0.0.1:7002", "127.0.0.1:7001"),
        ("0.0.0.0", "127.0.0.1:7002", "localhost:7001"),
        ("", "localhost:7002", "127.0.0.1:7001"),
    ],
)
def test_nodes_are_recognised_by_address_before_any_handshake(
    own_host: str, asked: str, peer_calls_us: str
) -> None:
    ours = node_status("", 7001, host=own_host, member_id="")
    theirs = node_status("", 7002, member_id="")
    down = LinkStatus(source=asked, target=f"{own_host}:7001", state=DOWN)
    back = LinkStatus(source=peer_calls_us, target="127.0.0.1:7002", state=DOWN)
    reports = [
        NodeReport("", ours, MeshStatus(nodes=(PeerStatus(address=asked),), links=(down,))),
        NodeReport(
            asked, theirs, MeshStatus(nodes=(PeerStatus(address=peer_calls_us),), links=(back,))
        ),
    ]
    view = mesh_view(reports)
    assert [node.id for node in view.nodes] == ["127.0.0.1:7001", "127.0.0.1:7002"]
    assert [link.state for link in view.links] == ["down", "down"]


def test_the_member_id_recognises_a_node_behind_another_address() -> None:
    mesh = pair()
    reports = reports_of(mesh)
    theirs = reports[1].mesh
    assert theirs is not None
    behind = replace(theirs.nodes[0], name="", address="172.17.0.1:49153")
    links = (link_status("172.17.0.1:49153", "b"),)
    reports[1] = replace(reports[1], mesh=replace(theirs, nodes=(behind,), links=links))
    view = mesh_view(reports)
    assert [node.id for node in view.nodes] == ["a", "b"]
    assert link_of(view, "a>b").view == "follower"


def test_two_nodes_of_one_name_are_told_apart() -> None:
    reports = [
        NodeReport("", node_status("a", 7001, member_id="x"), MeshStatus()),
        NodeReport("h:7002", node_status("a", 7002, member_id="y", host="h"), MeshStatus()),
    ]
    assert [node.id for node in mesh_view(reports).nodes] == ["a", "a (h:7002)"]


def test_a_keydb_peer_is_shown_by_its_links_and_may_be_silent_longer() -> None:
    keydb = PeerStatus("old", "h:1", kind="keydb", last_seen_age_ms=8_000)
    link = link_status("old", "a", heartbeat_age_ms=8_000)
    own = MeshStatus(topology="custom", nodes=(keydb,), links=(link,), taken_at_ms=NOW_MS)
    view = mesh_view([NodeReport("", node_status("a", 7001), own)])
    assert node_of(view, "old").state == "KeyDB"
    assert link_of(view, "old>a").state == "in sync"
    assert view.summary.state == "OK"


def test_skew_is_shown_as_the_other_clock_minus_ours() -> None:
    mesh = pair()
    mesh.change_link("b", "a", clock_skew_ms=400)
    view = mesh_view(reports_of(mesh))
    assert node_of(view, "b").clock_skew_ms == 400
    assert [problem.text for problem in view.problems] == [
        "The clock of b is 400 ms ahead of this node's"
    ]
    assert view.summary.state == "ATTENTION"


def test_who_holds_the_cut_up_is_told_by_the_others_though_it_is_away() -> None:
    mesh = FakeMesh({"a": 1, "b": 2, "c": 3})
    assert [node.holds_up_ms for node in mesh_view(reports_of(mesh)).nodes] == [None] * 3
    mesh.held_up = ("member-c", 65_000)
    reports = reports_of(mesh)
    own = reports[0].mesh
    assert own is not None
    reports[0] = replace(reports[0], mesh=replace(own, stable_age_ms=66_000))
    reports[2] = replace(reports[2], stale=True, age_ms=64_000, error="no answer")
    found = {node.id: node.holds_up_ms for node in mesh_view(reports).nodes}
    assert found == {"a": None, "b": None, "c": 66_000}


def test_a_key_that_was_repaired_is_a_problem() -> None:
    mesh = pair()
    reports = reports_of(mesh)
    assert reports[1].mesh is not None
    reports[1] = replace(reports[1], mesh=replace(reports[1].mesh, repairs=2))
    view = mesh_view(reports)
    assert [(each.kind, each.where) for each in view.problems] == [("repaired", "b")]
    assert "2 keys anew" in view.problems[0].text


@pytest.mark.parametrize(
    ("field", "kind"),
    [("over_cap", "refuses writes"), ("clock_fenced", "refuses writes"), ("outside", "no member")],
)
def test_a_node_that_refuses_writes_or_has_left_its_mesh_is_a_problem(
    field: str, kind: str
) -> None:
    mesh = pair()
    reports = reports_of(mesh)
    assert reports[1].mesh is not None
    said = replace(reports[1].mesh, **{field: "because"})  # type: ignore[arg-type]
    reports[1] = replace(reports[1], mesh=said)
    view = mesh_view(reports)
    assert [(each.kind, each.where) for each in view.problems] == [(kind, "b")]
    assert "because" in view.problems[0].text and view.summary.sentence.endswith("because")


def test_a_node_that_only_follows_is_a_problem() -> None:
    reports = reports_of(pair())
    assert reports[1].mesh is not None
    lonely = replace(reports[1].mesh, not_heard_by="h:1,h:2")
    reports[1] = replace(reports[1], mesh=lonely)
    view = mesh_view(reports)
    assert [(each.kind, each.where) for each in view.problems] == [("one way", "b")]
    assert "b follows h:1, h:2, where nothing" in view.problems[0].text


def test_problems_are_listed_worst_first_and_links_of_a_lost_node_are_not_repeated() -> None:
    mesh = FakeMesh({"a": 1, "b": 2, "c": 3, "d": 4})
    mesh.change_link("b", "a", apply_lag_ms=2_000)
    mesh.change_link("c", "a", state=DOWN, last_error="timeout")
    mesh.change_link("d", "a", state=DOWN)
    reports = reports_of(mesh)
    reports[3] = replace(reports[3], stale=True, age_ms=5_000, error="no answer")
    view = mesh_view(reports)
    assert [problem.kind for problem in view.problems] == ["unreachable", "down", "lagging"]
    assert view.problems[1].where == "c>a"
    assert view.summary.sentence.endswith("(and 2 more)")


def test_totals() -> None:
    mesh = pair()
    mesh.nodes["b"] = replace(mesh.nodes["b"], keys=1_180)
    mesh.change_link("a", "b", apply_lag_ms=700)
    summary = mesh_view(reports_of(mesh)).summary
    assert (summary.keys, summary.keys_spread) == (1_200, 20)
    assert (summary.ops_per_second, summary.apply_lag_ms, summary.conflicts) == (12_200, 700, 6)
    assert (summary.nodes_up, summary.links_up, summary.links_total) == (2, 2, 2)


def test_one_node_alone_is_fine() -> None:
    view = mesh_view([NodeReport("", node_status("a", 7001), MeshStatus())])
    assert (view.summary.state, view.summary.sentence) == ("OK", "One node, no links")


def test_the_view_survives_json() -> None:
    view = mesh_view(reports_of(pair()))
    assert MeshView.from_json(view.to_json()) == view
