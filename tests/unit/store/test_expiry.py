"""Deadlines: what is due is found, what is not stays, and nothing is left behind."""

from __future__ import annotations

from node.store.expiry import EARLY_MAX, Deadlines
from tests.support.local import LocalNode


def test_only_what_may_be_due_is_handed_out() -> None:
    deadlines = Deadlines()
    deadlines.add(b"early", 1_000)
    deadlines.add(b"late", 10_000)
    assert deadlines.due(500, 10) == []
    assert deadlines.due(1_000, 10) == [b"early"]
    assert deadlines.due(1_000, 10) == []
    assert deadlines.due(10_128, 10) == [b"late"]
    assert deadlines.size() == 0


def test_no_more_than_asked_for() -> None:
    deadlines = Deadlines()
    for number in range(10):
        deadlines.add(b"%d" % number, number * 1_000)
    assert len(deadlines.due(100_000, 4)) == 4
    assert len(deadlines.due(100_000, 100)) == 6


def test_a_deadline_taken_back_leaves_nothing() -> None:
    deadlines = Deadlines()
    for number in range(1_000):
        deadlines.add(b"k", number * 1_000)
        deadlines.remove(b"k", number * 1_000)
    assert deadlines.size() == 0
    assert deadlines.due(10**9, 10) == []


def test_taking_back_what_is_not_there_does_nothing() -> None:
    deadlines = Deadlines()
    deadlines.add(b"a", 1_000)
    deadlines.remove(b"b", 1_000)
    deadlines.remove(b"a", 5_000)
    assert deadlines.size() == 1


def test_many_keys_of_the_present_128_ms_wait_for_its_end() -> None:
    """Else a tick would take out and put back all that is not due yet."""
    deadlines = Deadlines()
    for number in range(EARLY_MAX + 1):
        deadlines.add(b"%d" % number, 1_280)
    assert deadlines.due(1_300, 10_000) == []
    assert len(deadlines.due(1_408, 10_000)) == EARLY_MAX + 1


def test_clear_forgets_all() -> None:
    deadlines = Deadlines()
    deadlines.add(b"a", 1_000)
    deadlines.clear()
    assert deadlines.size() == 0


def test_a_database_keeps_one_place_for_each_key(node: LocalNode) -> None:
    """Sessions are touched again and again: their old deadlines must not pile up."""
    deadlines = node.engine.databases[0].deadlines
    for seconds in range(100, 200):
        node(f"SET a 1 EX {seconds}")
        node(f"EXPIRE b {seconds}")
        node("DEL c")
        node(f"SETEX c {seconds} 1")
        node("SADD b x")
    assert deadlines.size() == 3
    node("PERSIST a")
    node("SET b 1")
    node("RENAME c d")
    assert deadlines.size() == 1
    node("DEL d")
    assert deadlines.size() == 0


def test_a_key_goes_by_itself_at_its_time(node: LocalNode) -> None:
    node("SET a 1 PX 1500")
    node("SET b 1 PX 1600")
    node.effects()
    node.advance(1.49)
    assert node.effects() == []
    node.advance(0.02)
    assert [line.split()[:2] for line in node.effects()] == [["LAPSE", "a"]]
    assert node("DBSIZE") == 1
