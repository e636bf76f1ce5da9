"""Sets and hashes: a member or field goes only by a write that had seen it; types never mix."""

from __future__ import annotations

from tests.mesh.stories import Mesh, conflicts, overtake, pair, trio


def test_a_removal_leaves_what_it_had_not_seen() -> None:
    """SE1."""
    mesh, a, b = pair()
    a("SADD", "s", "a", "b")
    mesh.heal()
    mesh.cut_all()
    assert a("SREM", "s", "a") == 1
    assert a("SREM", "s", "c") == 0
    b("SADD", "s", "c")
    mesh.heal()
    assert mesh.both("SMEMBERS", "s") == {b"b", b"c"}


def test_adding_again_wins_over_a_concurrent_removal() -> None:
    """SE2, whatever the clocks say."""
    for added_at in (999, 1001):
        mesh, a, b = pair()
        a("SADD", "s", "a")
        mesh.heal()
        mesh.cut_all()
        mesh.at(1000)
        a("SREM", "s", "a")
        mesh.at(added_at)
        assert b("SADD", "s", "a") == 0
        mesh.heal()
        assert mesh.both("SMEMBERS", "s") == {b"a"}


def test_deleting_a_set_leaves_members_it_had_not_seen() -> None:
    """SE3."""
    mesh, a, b = pair()
    a("SADD", "s", "a")
    mesh.heal()
    mesh.cut_all()
    mesh.at(2000)
    a("DEL", "s")
    mesh.at(1000)
    b("SADD", "s", "z")
    mesh.heal()
    assert mesh.both("SMEMBERS", "s") == {b"z"}


def test_two_pops_of_one_member_take_it_once() -> None:
    """SE4: both clients got it, the set has lost it."""
    mesh, a, b = pair()
    a("SADD", "s", "a")
    mesh.heal()
    mesh.cut_all()
    assert a("SPOP", "s") == b("SPOP", "s") == b"a"
    mesh.heal()
    assert mesh.both("EXISTS", "s") == 0


def test_two_moves_of_one_member_give_it_to_both_targets() -> None:
    """SE5."""
    mesh, a, b = pair()
    a("SADD", "s", "m", "n")
    mesh.heal()
    mesh.cut_all()
    assert a("SMOVE", "s", "x", "m") == b("SMOVE", "s", "y", "m") == 1
    mesh.heal()
    assert mesh.both("SMEMBERS", "s") == {b"n"}
    assert mesh.both("SMEMBERS", "x") == mesh.both("SMEMBERS", "y") == {b"m"}


def test_a_removal_that_arrives_before_its_add_waits_for_it() -> None:
    """SE6."""
    mesh, a, b, c = trio()
    mesh.cut_all()
    a("SADD", "s", "a")
    mesh.up(a, b)
    b("SREM", "s", "a")
    mesh.up(b, c)  # b resumes c with all that it has, a's frame first
    assert c("EXISTS", "s") == 0
    mesh.heal()
    assert mesh.both("EXISTS", "s") == 0


def test_a_removal_waits_while_only_its_own_stream_flows() -> None:
    """SE6: b's frames alone reach c, a's come later and find the removal waiting."""
    mesh, a, b, c = trio()
    mesh.cut(0, 2)
    a("SADD", "s", "a")
    mesh.flow()
    assert b("SREM", "s", "a") == 1
    mesh.flow()
    removals = c.member.memory.removals
    assert removals.count == 1
    assert c("EXISTS", "s") == 0
    mesh.up(a, c)
    assert removals.count == 0
    assert c("EXISTS", "s") == 0
    mesh.heal()


def test_a_waiting_removal_survives_a_restart() -> None:
    mesh, a, b, c = trio()
    mesh.cut(0, 2)
    a("SADD", "s", "a", "keep")
    mesh.flow()
    b("SREM", "s", "a")
    mesh.flow()
    c.save()
    mesh.crash(2, c.saves[-1])
    c.activate()
    assert c.member.memory.removals.count == 1
    mesh.heal()
    assert mesh.both("SMEMBERS", "s") == {b"keep"}


def test_a_removal_waits_for_what_its_writer_had_seen_before_a_restart() -> None:
    """The marks that named it came before; the frame after the restart names nothing anew."""
    mesh, a, b, c = trio()
    mesh.cut(0, 2)
    a("SADD", "s", "x", "y")
    mesh.flow()
    b("SREM", "s", "x")
    mesh.flow()
    c.save()
    mesh.cut_all()
    mesh.crash(2, c.saves[-1])
    c.activate()
    b("SREM", "s", "y")
    overtake(b, c)
    assert c.member.memory.removals.count == 2
    mesh.heal()
    assert mesh.both("EXISTS", "s") == 0


def test_a_waiting_removal_travels_with_a_transfer() -> None:
    mesh, a, b, c = trio()
    mesh.cut(0, 2)
    a("SADD", "s", "a", "keep")
    mesh.flow()
    b("SREM", "s", "a")
    mesh.flow()
    c.save()
    mesh.cut(1, 2)  # or c would have a's frame from b
    mesh.crash(2, c.saves[-1])  # from now on it has no frames to serve
    c.activate()
    d = mesh.add("d")
    mesh.cut(0, 3)
    mesh.cut(1, 3)
    mesh.flow()
    assert mesh.counts["resync"] == 1
    assert d.member.memory.removals.count == 1
    assert d("EXISTS", "s") == 0
    mesh.up(a, d)
    assert d("SISMEMBER", "s", "a") == 0
    mesh.heal()


def test_a_waiting_removal_hits_what_a_transfer_brings() -> None:
    mesh = Mesh("abcd")
    a, b, c, d = mesh.nodes
    for pair_ in ((0, 2), (1, 3), (2, 3), (3, 2)):
        mesh.cut(*pair_)
    a("SADD", "s", "gone", "keep")
    mesh.flow()
    b("SREM", "s", "gone")
    mesh.flow()
    assert c.member.memory.removals.count == 1
    assert d("SCARD", "s") == 2, "it has not seen the removal"
    mesh.cut(0, 3)
    d.save()
    mesh.crash(3, d.saves[-1])  # from now on it has no frames to serve
    d.activate()
    mesh.up(d, c)
    assert mesh.counts["resync"] == 1
    assert c("SISMEMBER", "s", "keep") == 1
    assert c("SISMEMBER", "s", "gone") == 0
    assert c.member.memory.removals.count == 0
    mesh.heal()


def test_stored_results_replace_what_was_seen() -> None:
    mesh, a, b = pair()
    a("SADD", "s", "a", "b")
    a("SADD", "t", "b", "c")
    a("SADD", "d", "old")
    mesh.heal()
    mesh.cut_all()
    assert a("SINTERSTORE", "d", "s", "t") == 1
    b("SADD", "d", "new")
    mesh.heal()
    assert mesh.both("SMEMBERS", "d") == {b"b", b"new"}


def test_fields_of_two_nodes_are_both_kept() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    a("HSET", "h", "f1", "a")
    b("HSET", "h", "f2", "b")
    mesh.heal()
    assert mesh.both("HGETALL", "h") == {b"f1": b"a", b"f2": b"b"}


def test_a_field_set_again_survives_a_concurrent_hdel() -> None:
    mesh, a, b = pair()
    a("HSET", "h", "f", "v")
    mesh.heal()
    mesh.cut_all()
    mesh.at(2000)
    a("HDEL", "h", "f")
    mesh.at(1000)
    b("HSET", "h", "f", "v2")
    mesh.heal()
    assert mesh.both("HGETALL", "h") == {b"f": b"v2"}


def test_hdel_keeps_an_increment_it_had_not_seen() -> None:
    mesh, a, b = pair()
    a("HSET", "h", "f", "5")
    mesh.heal()
    mesh.cut_all()
    a("HDEL", "h", "f")
    b("HINCRBY", "h", "f", "2")
    mesh.heal()
    assert mesh.both("HGETALL", "h") == {b"f": b"2"}


def test_deleting_a_hash_leaves_fields_it_had_not_seen() -> None:
    mesh, a, b = pair()
    a("HSET", "h", "f", "v")
    mesh.heal()
    mesh.cut_all()
    a("DEL", "h")
    b("HSET", "h", "g", "1")
    mesh.heal()
    assert mesh.both("HGETALL", "h") == {b"g": b"1"}


def test_text_over_a_counter_field_hides_the_increment() -> None:
    mesh, a, b = pair()
    a("HSET", "h", "f", "3")
    mesh.heal()
    mesh.cut_all()
    a("HSET", "h", "f", "a")
    b("HINCRBY", "h", "f", "1")
    mesh.heal()
    assert mesh.both("HGET", "h", "f") == b"a"


def test_hset_of_a_counter_field_absorbs_what_it_saw() -> None:
    mesh, a, b = pair()
    a("HINCRBY", "h", "f", "4")
    mesh.heal()
    b("HSET", "h", "f", "100")
    a("HINCRBY", "h", "f", "1")
    mesh.heal()
    assert mesh.both("HGET", "h", "f") == b"101"


def test_hsetnx_is_decided_by_each_node() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    mesh.at(1000)
    assert a("HSETNX", "h", "f", "a") == 1
    mesh.at(1001)
    assert b("HSETNX", "h", "f", "b") == 1
    mesh.heal()
    assert mesh.both("HGET", "h", "f") == b"b"


def test_of_two_types_the_later_shows_and_the_other_is_hidden() -> None:
    """K1, with a hash against a set."""
    mesh, a, b = pair()
    mesh.cut_all()
    mesh.at(1000)
    a("SADD", "k", "a")
    mesh.at(1001)
    b("HSET", "k", "f", "b")
    mesh.heal()
    assert mesh.both("HGETALL", "k") == {b"f": b"b"}
    assert conflicts(a, "type_clash") >= 1
    assert conflicts(b, "type_clash") >= 1
    b("DEL", "k")
    mesh.heal()
    assert mesh.both("EXISTS", "k") == 0
    a("SADD", "k", "new")
    mesh.heal()
    assert mesh.both("SMEMBERS", "k") == {b"new"}


def test_a_type_does_not_flip_when_what_shows_is_emptied() -> None:
    """K2: the set stays hidden, the next creation clears it."""
    mesh, a, b, c = trio()
    mesh.cut_all()
    mesh.at(1000)
    a("SADD", "k", "a")
    mesh.at(1001)
    b("HSET", "k", "f", "b")
    mesh.heal()
    c("HDEL", "k", "f")
    mesh.heal()
    assert mesh.both("EXISTS", "k") == 0
    b("SADD", "k", "fresh")
    mesh.heal()
    assert mesh.both("SMEMBERS", "k") == {b"fresh"}


def test_a_string_against_a_set_shows_the_later() -> None:
    """K1 and K2, with a string that is deleted then."""
    mesh, a, b = pair()
    mesh.cut_all()
    mesh.at(1000)
    a("SADD", "k", "a")
    mesh.at(1001)
    b("SET", "k", "b")
    mesh.heal()
    assert mesh.both("GET", "k") == b"b"
    a("DEL", "k")
    mesh.heal()
    assert mesh.both("EXISTS", "k") == 0


def test_a_later_set_hides_a_string_and_its_increments() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    mesh.at(1000)
    a("INCR", "k")
    mesh.at(1001)
    b("SADD", "k", "m")
    mesh.heal()
    assert mesh.both("SMEMBERS", "k") == {b"m"}
    b("SREM", "k", "m")
    mesh.heal()
    assert mesh.both("EXISTS", "k") == 0
    a("INCR", "k")
    mesh.heal()
    assert mesh.both("GET", "k") == b"1"
