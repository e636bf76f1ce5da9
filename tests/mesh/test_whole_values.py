"""Lists, sorted sets and streams as wholes: types, deadlines and removals of keys."""

from __future__ import annotations

import pytest

from tests.mesh.stories import Mesh, conflicts, identities, pair, trio


def test_deleting_a_list_takes_what_a_concurrent_pop_left() -> None:
    """A removal is no claim: what DEL had seen goes, whatever was removed meanwhile."""
    mesh, a, b = pair()
    a("RPUSH", "l", "x", "y")
    a("ZADD", "z", "1", "x", "2", "y")
    mesh.heal()
    mesh.cut_all()
    a("DEL", "l", "z")
    b("LPOP", "l")
    b("ZREM", "z", "x")
    mesh.heal()
    assert mesh.both("EXISTS", "l", "z") == 0
    assert a.hidden() == b.hidden() == 1, "of the list its anchors are remembered"


def test_deleting_a_list_leaves_a_push_that_it_had_not_seen() -> None:
    mesh, a, b = pair()
    a("RPUSH", "l", "x")
    mesh.heal()
    mesh.cut_all()
    a("DEL", "l")
    b("RPUSH", "l", "y")
    mesh.heal()
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"y"]
    a("DEL", "l")
    mesh.heal()
    assert mesh.both("EXISTS", "l") == 0


def test_a_deletion_that_arrives_before_the_push_waits_for_it() -> None:
    mesh, a, b, c = trio()
    mesh.cut(0, 2)
    a("RPUSH", "l", "x")
    a("XADD", "s", "1-1", "f", "v")
    mesh.flow()
    b("DEL", "l", "s")
    mesh.flow()
    assert c.member.memory.removals.count == 2
    mesh.up(a, c)
    assert c.member.memory.removals.count == 0
    assert c("EXISTS", "l", "s") == 0
    mesh.heal()


ADDS_AND_REMOVALS = [
    (("RPUSH", "k", "x", "y"), ("LPOP", "k"), ("LRANGE", "k", "0", "-1"), [b"y"]),
    (("RPUSH", "k", "x", "y"), ("LTRIM", "k", "5", "9"), ("EXISTS", "k"), 0),
    (("ZADD", "k", "1", "x", "2", "y"), ("ZREM", "k", "x"), ("ZRANGE", "k", "0", "-1"), [b"y"]),
    (("ZADD", "k", "1", "x"), ("ZPOPMIN", "k"), ("EXISTS", "k"), 0),
    (("XADD", "k", "1-1", "f", "v"), ("XDEL", "k", "1-1"), ("XLEN", "k"), 0),
    (("XADD", "k", "1-1", "f", "v"), ("XTRIM", "k", "MAXLEN", "0"), ("XLEN", "k"), 0),
]


@pytest.mark.parametrize(("add", "removal", "look", "left"), ADDS_AND_REMOVALS)
def test_a_removal_that_arrives_before_what_it_removes_waits_for_it(
    add: tuple[str, ...], removal: tuple[str, ...], look: tuple[str, ...], left: object
) -> None:
    """As SE6, for elements, scores and entries."""
    mesh, a, b, c = trio()
    mesh.cut(0, 2)
    a(*add)
    mesh.flow()
    b(*removal)
    mesh.flow()
    assert c.member.memory.removals.count == 1
    assert c("EXISTS", "k") == 0
    c.save()
    mesh.cut(1, 2)
    mesh.crash(2, c.saves[-1])
    c.activate()
    assert c.member.memory.removals.count == 1
    mesh.up(a, c)
    assert c.member.memory.removals.count == 0
    assert c(*look) == left
    mesh.heal()


@pytest.mark.parametrize(("add", "removal", "look", "left"), ADDS_AND_REMOVALS)
def test_a_removal_that_waits_hits_what_a_transfer_brings(
    add: tuple[str, ...], removal: tuple[str, ...], look: tuple[str, ...], left: object
) -> None:
    mesh = Mesh("abcd")
    a, b, c, d = mesh.nodes
    for pair_ in ((0, 2), (1, 3), (2, 3), (3, 2)):
        mesh.cut(*pair_)
    a(*add)
    mesh.flow()
    b(*removal)
    mesh.flow()
    assert c.member.memory.removals.count == 1
    mesh.cut(0, 3)
    d.save()
    mesh.crash(3, d.saves[-1])  # from now on it has no frames to serve
    d.activate()
    mesh.up(d, c)
    assert mesh.counts["resync"] == 1
    assert c(*look) == left
    assert c.member.memory.removals.count == 0
    mesh.heal()


def test_a_flush_that_arrives_before_the_push_waits_for_it() -> None:
    mesh, a, b, c = trio()
    mesh.cut(0, 2)
    a("RPUSH", "l", "x")
    a("ZADD", "z", "1", "m")
    mesh.flow()
    b("FLUSHALL")
    mesh.flow()
    mesh.up(a, c)
    assert c("DBSIZE") == 0
    mesh.heal()


def test_a_flush_leaves_a_list_it_had_not_seen() -> None:
    mesh, a, b = pair()
    a("RPUSH", "old", "x")
    mesh.heal()
    mesh.cut_all()
    a("FLUSHALL")
    b("RPUSH", "new", "y")
    mesh.heal()
    assert mesh.both("KEYS", "*") == {b"new"}


def test_a_list_made_anew_has_no_deadline_of_the_old_one() -> None:
    """T5 and T6, with lists."""
    mesh, a, b = pair()
    a("RPUSH", "l", "old")
    mesh.heal()
    mesh.cut_all()
    a("DEL", "l")
    b("PEXPIREAT", "l", mesh.deadline(90_000))
    mesh.heal()
    a("RPUSH", "l", "new")
    mesh.heal()
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"new"]
    assert mesh.both("PTTL", "l") == -1


def test_the_longest_deadline_of_a_list_wins() -> None:
    mesh, a, b = pair()
    a("RPUSH", "l", "x")
    mesh.heal()
    mesh.cut_all()
    a("PEXPIREAT", "l", mesh.deadline(50_000))
    b("PEXPIREAT", "l", mesh.deadline(90_000))
    b("RPUSH", "l", "y")
    mesh.heal()
    assert mesh.both("PEXPIRETIME", "l") == int(mesh.deadline(90_000))


def test_of_two_types_the_later_shows_and_the_list_is_hidden_or_shown() -> None:
    """K1 and K2 as in semantics 4.7."""
    mesh, a, b = pair()
    mesh.cut_all()
    mesh.at(1000)
    a("SADD", "k", "a")
    mesh.at(1001)
    b("LPUSH", "k", "b")
    mesh.heal()
    assert mesh.ordered("LRANGE", "k", "0", "-1") == [b"b"]
    assert conflicts(a, "type_clash") == conflicts(b, "type_clash") == 1
    b("LPOP", "k")
    mesh.heal()
    assert mesh.both("EXISTS", "k") == 0, "the type does not flip because the list was emptied"
    a("RPUSH", "k", "fresh")
    mesh.heal()
    assert mesh.ordered("LRANGE", "k", "0", "-1") == [b"fresh"]


@pytest.mark.parametrize("first", [("RPUSH", "k", "x"), ("ZADD", "k", "1", "x"),
                                   ("XADD", "k", "1-1", "f", "v")])  # fmt: skip
def test_a_later_string_hides_a_value_and_a_deletion_takes_both(first: tuple[str, ...]) -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    mesh.at(1000)
    a(*first)
    mesh.at(1001)
    b("SET", "k", "v")
    mesh.heal()
    assert mesh.both("GET", "k") == b"v"
    entry = a.engine.databases[0].keys.get(b"k")
    assert entry is not None and entry.dots is not None and entry.dots.hidden
    b("DEL", "k")
    mesh.heal()
    assert mesh.both("EXISTS", "k") == 0
    dots = a.engine.databases[0].hidden[b"k"].dots
    if first[0] == "RPUSH":
        assert dots is not None and dots.hidden is not None
        assert [value.size() for value in dots.hidden] == [0]  # type: ignore[attr-defined]
    else:
        assert dots is None, "nothing but the deleted string is remembered"


def test_what_is_hidden_comes_back_when_what_hid_it_is_cleared_alone() -> None:
    """C had not seen the list: its DEL takes the string only."""
    mesh, a, b, c = trio()
    mesh.cut_all()
    mesh.at(1000)
    a("RPUSH", "k", "x")
    mesh.at(1001)
    b("SADD", "k", "m")
    mesh.up(b, c)
    c("DEL", "k")
    mesh.heal()
    assert mesh.ordered("LRANGE", "k", "0", "-1") == [b"x"]


def test_of_two_whole_lists_all_elements_stay() -> None:
    mesh, a, b = pair()
    a("RPUSH", "one", "1")
    a("RPUSH", "two", "2")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    a("COPY", "one", "d")
    mesh.at(1001)
    b("COPY", "two", "d")
    mesh.heal()
    items = mesh.ordered("LRANGE", "d", "0", "-1")
    assert isinstance(items, list) and sorted(items) == [b"1", b"2"]


def test_a_list_that_is_hidden_survives_a_restart() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    mesh.at(1000)
    a("RPUSH", "k", "x", "y")
    mesh.at(1001)
    b("SET", "k", "v")
    mesh.heal()
    a.save()
    mesh.crash(0, a.saves[-1])
    a.activate()
    entry = a.engine.databases[0].keys.get(b"k")
    assert entry is not None and entry.dots is not None and entry.dots.hidden
    assert entry.dots.hidden[0].parts() == [b"x", b"y"]  # type: ignore[attr-defined]
    mesh.heal()


def test_names_of_elements_survive_a_restart_and_a_transfer() -> None:
    mesh, a, b = pair()
    a("RPUSH", "l", "x", "y", "z")
    mesh.heal()
    b("LPUSH", "l", "w")
    mesh.heal()
    names = identities(b, "l")
    a.save()
    mesh.crash(0, a.saves[-1])
    a.activate()
    assert identities(a, "l") == names
    mesh.heal()
    mesh.cut(0, 1)
    mesh.cut(1, 0)
    a("LREM", "l", "1", "y")
    b("LPUSH", "l", "v")
    mesh.heal()
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"v", b"w", b"x", b"z"]


def test_lists_written_alone_get_names_when_the_node_joins() -> None:
    mesh = Mesh("a")
    a = mesh.nodes[0]
    b = mesh.add("b", active=False)
    b("RPUSH", "l", "x", "y", "z")
    b("RPUSH", "m", "1")
    b("ZADD", "z", "1", "x")
    b("XADD", "s", "1-1", "f", "v")
    b.activate()
    b("RPUSH", "m", "2")
    mesh.heal()
    names = identities(b, "l") + identities(b, "m")
    assert len(set(names)) == 5
    assert identities(a, "l") + identities(a, "m") == names
    mesh.cut_all()
    a("LREM", "l", "1", "y")
    b("LPUSH", "l", "w")
    mesh.heal()
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"w", b"x", b"z"]
    assert mesh.ordered("ZRANGE", "z", "0", "-1") == [b"x"]
    assert mesh.both("XLEN", "s") == 1


def test_two_lists_written_alone_become_one_and_it_is_told() -> None:
    mesh = Mesh("")
    a, b = mesh.add("a", active=False), mesh.add("b", active=False)
    mesh.at(1000)
    a("RPUSH", "l", "older")
    mesh.at(1001)
    b("RPUSH", "l", "newer")
    a.activate()
    b.activate()
    mesh.heal()
    items = mesh.ordered("LRANGE", "l", "0", "-1")
    assert isinstance(items, list) and sorted(items) == [b"newer", b"older"]
    assert conflicts(a, "import_conflict") + conflicts(b, "import_conflict") >= 1
