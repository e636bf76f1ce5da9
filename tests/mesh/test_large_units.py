"""One command may be as large as clients may send it: what a node has done, its peers and its own
log take."""

from __future__ import annotations

from pathlib import Path

from tests.mesh.stories import pair
from tests.mesh.test_worked_stories import give
from tests.support.lognode import LogNode

LOG = ("--active-replica", "yes", "--appendfsync", "always", "--repl-backlog-size", "1gb")
# Longer than frames once were allowed to be.
LARGE = 130 << 20


def test_a_large_value_comes_to_peers_and_back_from_the_log(tmp_path: Path) -> None:
    _, _, peer = pair()
    node = LogNode(tmp_path, *LOG)
    node("SET", "before", "1")
    node("SET", "k", "x" * LARGE)
    node("SET", "after", "1")
    give(node.member, peer.member)
    assert peer("STRLEN", "k") == LARGE
    assert peer("GET", "after") == b"1"
    again = LogNode(tmp_path, *LOG)
    assert again("STRLEN", "k") == LARGE
    assert again("GET", "after") == b"1"


def test_units_above_what_is_set_are_counted() -> None:
    mesh, a, b = pair()
    a.member.backlog.large = 1000
    a("SET", "k", "x" * 900)
    assert a.member.backlog.large_units == 0
    a("SET", "k", "x" * 1001)
    a("MULTI")
    a("SET", "k", "x" * 600)
    a("SET", "o", "x" * 600)
    a("EXEC")
    mesh.heal()
    assert a.member.backlog.large_units == 2
    assert b.member.backlog.large_units == 0, "of what others write nothing is counted"
