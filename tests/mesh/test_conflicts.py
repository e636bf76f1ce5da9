"""Conflicts are remembered with winner, loser and rule."""

from __future__ import annotations

import pytest

from mesh.conflicts import Conflict, Conflicts
from mesh.dots import Streams
from mesh.explain import conflict_map
from node.resp.replies import Boolean, Map
from tests.mesh.stories import Mesh, conflicts, pair, trio
from tests.support.simnode import SimNode


def last_of(node: SimNode, kind: str) -> list[Conflict]:
    """What the node remembers of this kind, the oldest first."""
    return [each for each in node.member.memory.conflicts.last if each.kind == kind]


def fields_of(reply: object) -> dict[str, object]:
    """A map reply by its names; Booleans as Python's."""
    assert isinstance(reply, Map)
    names = reply.items[::2]
    return {
        name.decode(): value.value if isinstance(value, Boolean) else value  # type: ignore[attr-defined]
        for name, value in zip(names, reply.items[1::2], strict=True)
    }


def two_sets() -> tuple[Mesh, SimNode, SimNode]:
    """Both have set k, a 1 ms before b."""
    mesh, a, b = pair()
    mesh.cut_all()
    mesh.at(1000)
    a("SET", "k", "from a")
    mesh.at(1001)
    b("SET", "k", "from b")
    mesh.heal()
    return mesh, a, b


def test_an_overwrite_names_winner_loser_and_margin_on_both_nodes() -> None:
    mesh, a, b = two_sets()
    for node in mesh.nodes:
        (found,) = last_of(node, "overwrite")
        assert (found.key, found.place, int(found.db)) == (b"k", b"", 0)
        assert (found.winner.value, found.loser.value) == (b"from b", b"from a")
        assert node.streams.all[found.winner.origin].member == b.member_id
        assert node.streams.all[found.loser.origin].member == a.member_id
        assert found.winner.stamp == b.engine.databases[0].keys.get(b"k").stamp  # type: ignore[union-attr]
        assert int(found.margin_ms()) == 1
        assert found.at_ms > 0


def test_what_was_written_with_knowledge_is_no_conflict() -> None:
    mesh, a, b = pair()
    a("SET", "k", "1")
    a("SADD", "s", "x")
    a("HSET", "h", "f", "1")
    mesh.heal()
    b("SET", "k", "2")
    b("SREM", "s", "x")
    b("HSET", "h", "f", "2")
    mesh.heal()
    assert not a.member.memory.conflicts.last and not b.member.memory.conflicts.last


def test_skew_decided_where_the_winners_clock_was_farther_ahead_than_the_margin() -> None:
    mesh, a, b = pair()
    a.member.memory.conflicts.skews_ms[b.member_id] = 5.0  # b's clock is ahead
    b.member.memory.conflicts.skews_ms[a.member_id] = 5.0  # as b sees it, a's is
    mesh.cut_all()
    mesh.at(1000)
    a("SET", "k", "from a")
    mesh.at(1001)
    b("SET", "k", "from b")
    mesh.heal()
    (at_a,) = last_of(a, "overwrite")
    (at_b,) = last_of(b, "overwrite")
    assert at_a.measured and at_a.skew_ms == 5.0 and at_a.by_skew()
    assert at_b.measured and at_b.skew_ms == -5.0 and not at_b.by_skew()


def test_unmeasured_clocks_decide_nothing() -> None:
    _, a, _ = two_sets()
    (found,) = last_of(a, "overwrite")
    assert not found.measured and not found.by_skew()


def test_a_field_is_named_with_both_values() -> None:
    mesh, a, b = pair()
    a("HSET", "h", "f", "old", "g", "1")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    a("HSET", "h", "f", "from a")
    mesh.at(1003)
    b("HSET", "h", "f", "from b")
    mesh.heal()
    (found,) = last_of(a, "overwrite")
    assert (found.key, found.place) == (b"h", b"f")
    assert (found.winner.value, found.loser.value) == (b"from b", b"from a")
    assert conflicts(b, "overwrite") == 1


@pytest.mark.parametrize("words", [("SREM", "s", "x"), ("DEL", "s")])
def test_a_removal_that_had_not_seen_an_add_is_the_loser(words: tuple[str, ...]) -> None:
    mesh, a, b = pair()
    a("SADD", "s", "x", "y")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    a("SADD", "s", "x")
    mesh.at(2000)
    b(*words)
    mesh.heal()
    assert mesh.both("SISMEMBER", "s", "x") == 1
    (found,) = last_of(a, "removed_unseen")
    assert a.streams.all[found.winner.origin].member == a.member_id
    assert a.streams.all[found.loser.origin].member == b.member_id
    assert found.loser.value is None
    assert not found.by_skew()


def test_a_removed_field_that_was_written_meanwhile_is_noted() -> None:
    mesh, a, b = pair()
    a("HSET", "h", "f", "old")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    a("HSET", "h", "f", "new")
    b("HDEL", "h", "f")
    mesh.heal()
    assert mesh.both("HGET", "h", "f") == b"new"
    (found,) = last_of(a, "removed_unseen")
    assert (found.place, found.winner.value) == (b"f", b"new")


def test_a_type_clash_names_both_types() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    mesh.at(1000)
    a("SADD", "k", "m")
    mesh.at(1001)
    b("HSET", "k", "f", "v")
    mesh.heal()
    for node in mesh.nodes:
        (found,) = last_of(node, "type_clash")
        assert (found.winner.value, found.loser.value) == (b"hash", b"set")
        assert int(found.margin_ms()) == 1


def test_an_overflow_names_the_increment_and_no_loser() -> None:
    mesh, a, b = pair()
    a("SET", "n", str((1 << 63) - 2))
    mesh.heal()
    mesh.cut_all()
    a("INCR", "n")
    b("INCR", "n")
    mesh.heal()
    (found,) = last_of(a, "counter_overflow")
    assert found.key == b"n" and found.loser.stamp == 0
    assert found.winner.value == b"%d" % ((1 << 63) - 1)


def test_counts_go_by_the_member_whose_write_met_another() -> None:
    _, a, b = two_sets()
    at_a = a.member.memory.conflicts
    (origin,) = at_a.by_origin
    assert a.streams.all[origin].member == b.member_id
    assert at_a.by_origin[origin] == {"overwrite": 1}


def test_only_so_many_are_kept_and_so_much_of_a_value() -> None:
    mesh, a, b = pair()
    for node in mesh.nodes:
        node.member.memory.conflicts.limit(2, 4)
    for number in range(4):
        mesh.cut_all()
        mesh.at(1000 * (number + 1))
        a("SET", f"k{number}", "from a")
        b("SET", f"k{number}", "from b")
        mesh.heal()
    kept = a.member.memory.conflicts
    assert [each.key for each in kept.last] == [b"k2", b"k3"]
    assert [each.number for each in kept.last] == [3, 4]
    assert {each.winner.value for each in kept.last} == {b"from"}
    assert kept.counts["overwrite"] == 4


def test_none_are_kept_where_the_limit_is_none_but_all_are_counted() -> None:
    mesh, a, b = pair()
    a.member.memory.conflicts.limit(0, 4)
    mesh.cut_all()
    a("SET", "k", "from a")
    b("SET", "k", "from b")
    mesh.heal()
    assert not a.member.memory.conflicts.last and conflicts(a, "overwrite") == 1


def test_long_keys_are_cut() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    a("SET", "k" * 5000, "a")
    b("SET", "k" * 5000, "b")
    mesh.heal()
    (found,) = last_of(a, "overwrite")
    assert found.key == b"k" * 1024


def test_reset_begins_anew() -> None:
    _, a, _ = two_sets()
    found = a.member.memory.conflicts
    found.reset()
    assert not found.last and not found.by_origin and found.counts["overwrite"] == 0


def test_a_save_that_is_loaded_holds_no_conflicts() -> None:
    mesh, a, b = two_sets()
    mesh.cut_all()
    mesh.at(5000)
    a("HSET", "h", "f", "1")
    b("HSET", "h", "f", "2")
    mesh.heal()
    a.save()
    mesh.crash(0, a.saves[-1])
    mesh.heal()
    assert conflicts(a, "import_conflict") == 0
    assert not last_of(a, "import_conflict")


def test_two_data_sets_that_are_joined_tell_where_they_differ() -> None:
    mesh = Mesh("")
    a = mesh.add("a", active=False)
    b = mesh.add("b", active=False)
    mesh.at(1000)
    a("SET", "k", "from a")
    a("HSET", "h", "f", "from a")
    mesh.at(1001)
    b("SET", "k", "from b")
    b("HSET", "h", "f", "from b")
    for node in mesh.nodes:
        node.activate()
    mesh.heal()
    found = last_of(a, "import_conflict") + last_of(b, "import_conflict")
    assert {(each.key, each.place) for each in found} == {(b"k", b""), (b"h", b"f")}
    assert {each.winner.value for each in found} == {b"from b"}
    assert {each.loser.value for each in found} == {b"from a"}


def test_every_kind_says_why_the_winner_shows() -> None:
    found = Conflicts(Streams(b"\x01" * 16))
    assert all(found.rule_of(kind) for kind in found.counts)


def test_what_a_stream_or_list_only_counts_names_the_key_and_the_write() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    a("XADD", "x", "5-1", "f", "from a")
    b("XADD", "x", "5-1", "f", "from b")
    a("RPUSH", "l", "x")
    mesh.heal()
    for node in mesh.nodes:
        (found,) = last_of(node, "stream_dup_id")
        assert (found.key, found.place) == (b"x", b"5-1")
    mesh.cut_all()
    a("LPOP", "l")
    b("LPOP", "l")
    mesh.heal()
    (found,) = last_of(a, "removed_twice")
    assert found.key == b"l" and a.streams.all[found.winner.origin].member == b.member_id


def test_of_two_moves_of_one_element_both_nodes_tell_which_counts() -> None:
    mesh, a, b = pair()
    a("RPUSH", "s", "x")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    a("LMOVE", "s", "d1", "LEFT", "LEFT")
    mesh.at(1003)
    b("LMOVE", "s", "d2", "LEFT", "LEFT")
    mesh.heal()
    assert mesh.both("LLEN", "d1") == 0 and mesh.both("LLEN", "d2") == 1
    for node in mesh.nodes:
        (found,) = last_of(node, "overwrite")
        assert (found.winner.value, found.loser.value) == (b"d2", b"d1")
        assert (found.key, int(found.margin_ms())) == (b"d2", 3)
        assert conflicts(node, "overwrite") == 1


@pytest.mark.parametrize("acknowledged", [False, True])
def test_an_entry_that_two_consumers_were_given_is_told_by_both_nodes(acknowledged: bool) -> None:
    mesh, a, b = pair()
    a("XADD", "x", "5-1", "f", "v")
    a("XGROUP", "CREATE", "x", "g", "0")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    a("XREADGROUP", "GROUP", "g", "at a", "STREAMS", "x", ">")
    if acknowledged:
        a("XACK", "x", "g", "5-1")
    mesh.at(1003)
    b("XREADGROUP", "GROUP", "g", "at b", "STREAMS", "x", ">")
    mesh.heal()
    for node in mesh.nodes:
        (found,) = last_of(node, "removed_twice")
        assert (found.key, found.place) == (b"x", b"5-1")
        assert conflicts(node, "removed_twice") == 1


def test_an_entry_that_is_claimed_by_who_knew_its_delivery_was_given_to_nobody_twice() -> None:
    """Also where the claim comes before the delivery that it had seen."""
    mesh, a, b, c = trio()
    a("XADD", "x", "5-1", "f", "v")
    a("XGROUP", "CREATE", "x", "g", "0")
    mesh.heal()
    mesh.cut_all()
    a("XREADGROUP", "GROUP", "g", "first", "STREAMS", "x", ">")
    mesh.up(a, b)
    b("XCLAIM", "x", "g", "second", "0", "5-1")
    mesh.up(b, c)
    mesh.heal()
    assert not any(conflicts(node, "removed_twice") for node in mesh.nodes)


def test_a_move_that_comes_behind_one_that_had_seen_it_is_no_conflict() -> None:
    mesh, a, b, c = trio()
    a("RPUSH", "s", "x")
    mesh.heal()
    mesh.cut_all()
    a("LMOVE", "s", "d1", "LEFT", "LEFT")
    mesh.up(a, b)
    b("LMOVE", "d1", "d2", "LEFT", "LEFT")
    mesh.up(b, c)
    mesh.heal()
    assert mesh.both("LLEN", "d2") == 1
    assert not any(conflicts(node, "overwrite") for node in mesh.nodes)


# --- what is told of one --------------------------------------------------------------------------


def test_a_conflict_is_told_with_stamps_members_and_rule() -> None:
    _, a, b = two_sets()
    kept = a.member.memory.conflicts
    told = fields_of(conflict_map(kept.last[0], kept, a.streams))
    winner = fields_of(told["winner"])
    assert (told["kind"], told["key"], told["place"]) == (b"overwrite", b"k", None)
    assert (told["margin-ms"], told["skew-ms"], told["by-skew"]) == (1, None, False)
    assert b"highest stamp" in told["rule"]  # type: ignore[operator]
    assert (winner["value"], winner["member"]) == (b"from b", b.member_id)
    assert winner["stream"] == b.streams.own.text
    assert int(winner["stamp"]) >> 20 == winner["at-ms"]  # type: ignore[call-overload]
