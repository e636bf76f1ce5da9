"""Places that are past their deadline in a mesh: out of sight, and back where they live longer."""

from __future__ import annotations

from node.store.effect import HINCR, HSET, LAPSE, PUT, SADD, ZADD, Effect
from node.store.entry import Claim, Entry
from node.store.mutate import MUTATE
from node.store.parking import forgotten_places, named_places, still_known, unpark, unpark_all
from node.store.values.hashes import HashValue
from node.store.values.member_deadlines import Lapsed, latest

ROW = (500 << 20).to_bytes(8, "little") * 4


def parked() -> Entry:
    """A hash of field b whose field a is past its deadline of 100 ms, by a claim of stream 1."""
    value = HashValue()
    value.do_place(b"a", b"1")
    value.do_place(b"b", b"2")
    value.do_claim(b"a", [Claim(7, 1, 100)])
    entry = Entry(value, 1, 0)
    lapsed = Lapsed(101, 10)
    lapsed.parks = True
    effect = Effect(LAPSE, 0, b"k", lapsed, 0, 0, 0, 0)
    assert MUTATE[LAPSE].apply(entry, effect) == 1
    assert lapsed.names == [b"a"]
    return entry


def write(op: int, value: object, stamp_ms: int = 50, number: int = 0) -> Effect:
    """A peer's effect of stream 2."""
    return Effect(op, 0, b"k", value, number, stamp_ms << 20, 2, 0)


def test_a_parked_place_is_out_of_sight_and_remembered() -> None:
    value = parked().value
    assert isinstance(value, HashValue)
    assert value.names() == [b"b"] and value.size() == 1
    assert not value.has_deadlines() and value.remembers()
    assert value.parts() == [b"b", b"2"]
    assert value.copy().deadlines is None


def test_a_peers_write_of_another_place_leaves_it_where_it_is() -> None:
    entry = parked()
    assert unpark(entry, write(HINCR, b"b"), ROW) == []


def test_a_peers_write_that_had_not_seen_it_pass_finds_it_and_it_is_parked_again() -> None:
    entry = parked()
    value = entry.value
    assert isinstance(value, HashValue)
    found = unpark(entry, write(HINCR, b"a"), ROW)
    assert value.get(b"a") == b"1" and value.deadline_of(b"a") == 100
    found[0].park(101)
    assert value.get(b"a") is None and value.remembers()
    for each in unpark(entry, write(HINCR, b"a"), ROW):
        value.do_claim(b"a", [Claim(9, 2, 900)])
        each.park(101)
    assert value.get(b"a") == b"1" and value.deadline_of(b"a") == 900


def test_whoever_saw_it_pass_makes_it_anew() -> None:
    entry = parked()
    assert unpark(entry, write(HINCR, b"a", stamp_ms=200), ROW) == []
    value = entry.value
    assert isinstance(value, HashValue) and value.deadlines is None


def test_a_write_of_the_whole_key_finds_all_places() -> None:
    entry = parked()
    assert len(unpark(entry, write(PUT, b"text"), ROW)) == 1
    entry = parked()
    unpark_all(entry)
    value = entry.value
    assert isinstance(value, HashValue) and value.size() == 2


def test_a_client_that_makes_it_anew_removes_it_first() -> None:
    value = parked().value
    assert forgotten_places(value, write(HINCR, b"a")) == [b"a"]
    assert forgotten_places(value, write(HINCR, b"b")) == []
    assert forgotten_places(HashValue(), write(HINCR, b"a")) == []


def test_what_an_effect_names() -> None:
    assert named_places(write(SADD, [b"SADD", b"k", b"m", b"n"], number=2)) == [b"m", b"n"]
    assert named_places(write(HSET, [b"f", b"1", b"g", b"2"])) == [b"f", b"g"]
    assert named_places(write(ZADD, [b"1", b"m", b"2", b"n"])) == [b"m", b"n"]
    assert named_places(write(PUT, b"x")) == []


def test_a_value_whose_last_place_went_is_kept_for_what_it_remembers() -> None:
    entry = parked()
    value = entry.value
    entry.value = None
    assert still_known(entry, value) and entry.value is value
    other = Entry(None, 1, 0)
    assert not still_known(other, HashValue())


def test_the_longest_claim_shows_and_none_at_all_is_the_longest() -> None:
    assert latest([]) == 0
    assert latest([Claim(1, 0, 5), Claim(2, 0, 9), Claim(3, 0, 7)]) == 9
    assert latest([Claim(1, 0, 5), Claim(2, 0, 0)]) == 0
