"""Strings are registers: of concurrent writes the newest shows, a write that has seen wins."""

from __future__ import annotations

from node.resp.replies import Simple
from tests.mesh.stories import conflicts, pair, trio


def test_of_two_concurrent_sets_the_later_shows() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    mesh.at(1000)
    a("SET", "k", "a")
    mesh.at(1001)
    b("SET", "k", "b")
    mesh.heal()
    assert mesh.both("GET", "k") == b"b"
    assert conflicts(a, "overwrite") == conflicts(b, "overwrite") == 1


def test_two_sets_in_one_millisecond_go_by_the_streams_uuid() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    mesh.at(50)
    a("SET", "k", "a")
    b("SET", "k", "b")
    stamps = {int(node.member.streams.own.seen) for node in mesh.nodes}
    assert len(stamps) == 1, "the story needs one stamp on both"
    mesh.heal()
    higher = max(mesh.nodes, key=lambda node: node.streams.own.uuid)
    assert mesh.both("GET", "k") == higher.name.encode()


def test_a_later_delete_beats_a_set_it_has_not_seen() -> None:
    mesh, a, b = pair()
    a("SET", "k", "v")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1005)
    a("DEL", "k")
    mesh.at(1001)
    b("SET", "k", "w")
    mesh.heal()
    assert mesh.both("EXISTS", "k") == 0


def test_an_earlier_delete_loses_to_a_set_it_has_not_seen() -> None:
    mesh, a, b = pair()
    a("SET", "k", "v")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1001)
    a("DEL", "k")
    mesh.at(1005)
    b("SET", "k", "w")
    mesh.heal()
    assert mesh.both("GET", "k") == b"w"


def test_a_slow_clock_deletes_what_it_has_seen() -> None:
    mesh, a, b = pair()
    b.skew_ms = -500
    mesh.at(2000)
    a("SET", "k", "v")
    mesh.heal()
    mesh.at(2001)
    b("DEL", "k")
    mesh.heal()
    assert mesh.both("EXISTS", "k") == 0


def test_rename_carries_the_value_and_leaves_a_concurrent_set() -> None:
    mesh, a, b = pair()
    a("SET", "old", "x")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    a("RENAME", "old", "new")
    mesh.at(1001)
    b("SET", "old", "z")
    mesh.heal()
    assert mesh.both("GET", "new") == b"x"
    assert mesh.both("GET", "old") == b"z"


def test_setnx_is_decided_by_each_node_and_the_later_shows() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    mesh.at(1000)
    assert a("SETNX", "lock", "a") == 1
    mesh.at(1001)
    assert b("SETNX", "lock", "b") == 1
    mesh.heal()
    assert mesh.both("GET", "lock") == b"b"
    assert conflicts(a, "overwrite") == 1


def test_a_third_node_that_saw_both_replaces_both() -> None:
    mesh, a, b, c = trio()
    mesh.cut_all()
    mesh.at(1000)
    a("SET", "k", "a")
    mesh.at(1001)
    b("SET", "k", "b")
    mesh.up(a, c)
    mesh.up(b, c)
    mesh.at(900)
    c("SET", "k", "c")
    mesh.heal()
    assert mesh.both("GET", "k") == b"c"


def test_getdel_and_getset_are_register_writes() -> None:
    mesh, a, b = pair()
    a("SET", "k", "v")
    a("SET", "l", "v")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1001)
    assert a("GETDEL", "k") == b"v"
    assert a("GETSET", "l", "a") == b"v"
    mesh.at(1000)
    b("SET", "k", "b")
    b("SET", "l", "b")
    mesh.heal()
    assert mesh.both("EXISTS", "k") == 0
    assert mesh.both("GET", "l") == b"a"


def test_a_long_number_is_never_clipped_by_increments_it_has_not_seen() -> None:
    """Twenty digits are no integer for INCR; they are text that an unseen INCRBY meets."""
    mesh, a, b = pair()
    a("SET", "k", "5")
    mesh.heal()
    mesh.cut_all()
    a("SET", "k", "92233720368547758067")
    b("INCRBY", "k", "3")
    mesh.heal()
    assert mesh.both("GET", "k") == b"92233720368547758070"


def test_mset_is_one_unit_and_each_key_goes_by_its_own_rule() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    mesh.at(1000)
    assert isinstance(a("MSET", "k", "a", "l", "a"), Simple)
    mesh.at(1001)
    b("SET", "k", "b")
    mesh.heal()
    assert mesh.both("GET", "k") == b"b"
    assert mesh.both("GET", "l") == b"a"
