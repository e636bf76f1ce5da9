"""Deadlines: the longest of concurrent ones wins; a key that has expired is gone for every later
write, without a message; a flush takes what was seen."""

from __future__ import annotations

from node.persist.rdb_reader import RdbReader
from node.persist.rdb_records import KeyRecord
from tests.mesh.stories import pair, trio


def test_the_longer_of_two_concurrent_deadlines_wins() -> None:
    """T1, whichever was written later."""
    for first, second in (("10000", "50000"), ("50000", "10000")):
        mesh, a, b = pair()
        a("SET", "k", "v")
        mesh.heal()
        mesh.cut_all()
        mesh.at(100)
        a("PEXPIREAT", "k", mesh.deadline(int(first)))
        mesh.at(101)
        b("PEXPIREAT", "k", mesh.deadline(int(second)))
        mesh.heal()
        assert mesh.both("PEXPIRETIME", "k") == int(mesh.deadline(50_000))


def test_a_set_without_deadline_beats_one_it_had_not_seen() -> None:
    """T2."""
    mesh, a, b = pair()
    a("SET", "k", "v", "EX", "10")
    mesh.heal()
    mesh.cut_all()
    a("SET", "k", "w")
    b("EXPIRE", "k", "50")
    mesh.heal()
    assert mesh.both("GET", "k") == b"w"
    assert mesh.both("TTL", "k") == -1


def test_a_key_that_has_expired_here_lives_where_it_was_extended_in_time() -> None:
    """T3."""
    mesh, a, b = pair()
    a("SET", "k", "v", "PXAT", mesh.deadline(1000))
    mesh.heal()
    mesh.cut_all()
    mesh.at(999)
    b("PEXPIREAT", "k", mesh.deadline(2000))
    mesh.at(1500)
    assert a("EXISTS", "k") == 0
    assert b("EXISTS", "k") == 1
    mesh.heal()
    assert mesh.both("GET", "k") == b"v"
    assert mesh.both("PEXPIRETIME", "k") == int(mesh.deadline(2000))


def test_expiry_sends_nothing() -> None:
    """T4."""
    mesh, a, _b = pair()
    a("SET", "k", "v", "PXAT", mesh.deadline(1000))
    a("SADD", "s", "x")
    a("PEXPIREAT", "s", mesh.deadline(1000))
    mesh.heal()
    frames = [int(node.member.backlog.frames) for node in mesh.nodes]
    mesh.at(1001)
    for node in mesh.nodes:
        node.engine.tick(mesh.time_s)
        assert node("EXISTS", "k", "s") == 0
        node.member.backlog.flush()
    assert [int(node.member.backlog.frames) for node in mesh.nodes] == frames
    mesh.heal()


def test_a_write_after_the_deadline_sees_an_empty_key() -> None:
    """T5."""
    mesh, a, b = pair()
    a("SADD", "k", "old")
    a("PEXPIREAT", "k", mesh.deadline(1000))
    mesh.heal()
    mesh.cut_all()
    b("SADD", "k", "seen")
    mesh.up(b, a)
    mesh.cut_all()
    mesh.at(1001)
    assert a("SADD", "k", "x") == 1
    mesh.heal()
    assert mesh.both("SMEMBERS", "k") == {b"x"}
    assert mesh.both("TTL", "k") == -1


def test_an_orphan_deadline_does_not_hit_a_key_made_later() -> None:
    """T6."""
    mesh, a, b = pair()
    a("SADD", "k", "old")
    mesh.heal()
    mesh.cut_all()
    a("DEL", "k")
    b("EXPIRE", "k", "10")
    mesh.heal()
    assert mesh.both("EXISTS", "k") == 0
    a("SADD", "k", "y")
    mesh.heal()
    assert mesh.both("SMEMBERS", "k") == {b"y"}
    assert mesh.both("TTL", "k") == -1


def test_a_deadline_that_the_creator_had_not_seen_does_not_hit_the_new_key() -> None:
    """T9."""
    mesh, a, b, c = trio()
    a("SADD", "k", "old")
    mesh.heal()
    mesh.cut_all()
    a("DEL", "k")
    b("EXPIRE", "k", "10")
    mesh.up(a, c)
    assert c("SADD", "k", "y") == 1
    mesh.heal()
    assert mesh.both("SMEMBERS", "k") == {b"y"}
    assert mesh.both("TTL", "k") == -1


def test_persist_wins_over_a_concurrent_deadline() -> None:
    """T7."""
    mesh, a, b = pair()
    a("SET", "k", "v", "EX", "100")
    mesh.heal()
    mesh.cut_all()
    assert a("PERSIST", "k") == 1
    b("EXPIRE", "k", "10")
    mesh.heal()
    assert mesh.both("TTL", "k") == -1


def test_what_expired_does_not_come_back_with_a_restart() -> None:
    """T8."""
    mesh, a, _b = pair()
    for kind, words in {"k": ("SET", "k", "v"), "s": ("SADD", "s", "x")}.items():
        a(*words)
        a("PEXPIREAT", kind, mesh.deadline(1000))
    mesh.heal()
    early = a.saves
    a.save()
    mesh.at(1001)
    assert a("EXISTS", "k", "s") == 0
    a.save()
    for data in early:
        mesh.crash(0, data)
        assert a("EXISTS", "k", "s") == 0
        a.activate()
        mesh.heal()
        assert mesh.both("EXISTS", "k", "s") == 0


def test_what_is_in_limbo_is_saved() -> None:
    """What is in limbo is saved, though no other server would see it."""
    mesh, a, b = pair()
    a("SET", "k", "v", "PXAT", mesh.deadline(1000))
    mesh.heal()
    mesh.cut_all()
    mesh.at(999)
    b("PEXPIREAT", "k", mesh.deadline(5000))
    mesh.at(1500)
    assert a("EXISTS", "k") == 0
    a.save()
    reader = RdbReader(False)
    records = reader.feed(a.saves[-1])
    assert not [each for each in records if isinstance(each, KeyRecord)]
    mesh.crash(0, a.saves[-1])
    a.activate()
    mesh.heal()
    assert mesh.both("GET", "k") == b"v"


def test_the_longer_deadline_wins_over_a_set_with_one() -> None:
    """T10: w for 50 s."""
    mesh, a, b = pair()
    a("SET", "k", "v")
    mesh.heal()
    mesh.cut_all()
    a("SET", "k", "w", "PXAT", mesh.deadline(10_000))
    b("PEXPIREAT", "k", mesh.deadline(50_000))
    mesh.heal()
    assert mesh.both("GET", "k") == b"w"
    assert mesh.both("PEXPIRETIME", "k") == int(mesh.deadline(50_000))


def test_getex_and_keepttl_are_deadline_writes() -> None:
    mesh, a, b = pair()
    a("SET", "k", "v", "PXAT", mesh.deadline(10_000))
    a("SET", "l", "v", "PXAT", mesh.deadline(10_000))
    mesh.heal()
    mesh.cut_all()
    assert a("GETEX", "k", "PERSIST") == b"v"
    b("PEXPIREAT", "k", mesh.deadline(20_000))
    a("SET", "l", "w", "KEEPTTL")
    b("PEXPIREAT", "l", mesh.deadline(20_000))
    mesh.heal()
    assert mesh.both("PEXPIRETIME", "k") == -1
    assert mesh.both("GET", "l") == b"w"
    assert mesh.both("PEXPIRETIME", "l") == int(mesh.deadline(20_000))


def test_a_flush_leaves_a_set_it_had_not_seen() -> None:
    """4.13."""
    mesh, a, b = pair()
    a("MSET", "k", "old", "l", "old", "m", "old")
    a("SADD", "s", "x")
    mesh.heal()
    mesh.cut_all()
    mesh.at(2000)
    a("FLUSHALL")
    mesh.at(1000)
    b("SET", "k", "v")
    b("SADD", "s", "y")
    mesh.heal()
    assert mesh.both("KEYS", "*") == {b"k", b"s"}
    assert mesh.both("GET", "k") == b"v"
    assert mesh.both("SMEMBERS", "s") == {b"y"}


def test_a_flush_waits_for_what_its_origin_had_seen() -> None:
    mesh, a, b, c = trio()
    mesh.cut(0, 2)
    a("SET", "k", "v")
    a("SELECT", "1")
    a("SET", "other", "v")
    mesh.flow()
    b("FLUSHDB")
    mesh.flow()
    assert c.member.memory.removals.count == 1
    mesh.up(a, c)
    assert c("EXISTS", "k") == 0
    mesh.heal()
    c("SELECT", "1")
    assert c("EXISTS", "other") == 1


def test_move_is_one_unit_over_two_databases() -> None:
    mesh, a, b = pair()
    a("SET", "k", "v")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    assert a("MOVE", "k", "1") == 1
    mesh.at(1001)
    b("SET", "k", "w")
    mesh.heal()
    assert mesh.both("GET", "k") == b"w"
    for node in mesh.nodes:
        node("SELECT", "1")
    assert mesh.both("GET", "k") == b"v"
