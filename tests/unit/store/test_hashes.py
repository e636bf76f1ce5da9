"""Hashes and the deadlines of places: what values keep, what copies share, what mutations do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.digest import value_digest
from node.store.effect import HDEL, HEXPIRE, HSET, LAPSE, PUT, SADD, SREM, Effect
from node.store.entry import Dot, Entry, Field
from node.store.mutate import MUTATE
from node.store.values.container import Container
from node.store.values.hashes import HashValue
from node.store.values.member_deadlines import NEVER, STALE_MIN, Lapsed, MemberDeadlines, Timed
from node.store.values.sets import SetValue

MANY = 1 << 40


def hash_of(**fields: str) -> HashValue:
    """A hash of plain fields."""
    value = HashValue()
    value.do_fill_pairs([(name.encode(), text.encode()) for name, text in fields.items()])
    return value


def set_of(*members: bytes) -> SetValue:
    """A set without dots."""
    value = SetValue()
    value.do_fill_names([*members], None)
    return value


def apply(entry: Entry, op: int, value: object, number: int = 0, dot: Dot | None = None) -> int:
    """One effect of a peer, carried out as it comes."""
    effect = Effect(op, 0, b"k", value, number, 5, 0, 0)
    effect.dot = dot
    return int(MUTATE[op].apply(entry, effect))


def deadlines_of(entry: Entry) -> list[tuple[bytes, int]]:
    """What the entry's value says."""
    assert isinstance(entry.value, Container)
    return entry.value.deadline_items()


def test_a_value_has_deadlines_only_while_a_place_has_one() -> None:
    value = hash_of(a="1", b="2")
    assert not value.has_deadlines()
    assert value.deadline_of(b"a") == 0
    value.do_set_deadline(b"a", 0)
    assert value.deadlines is None
    value.do_set_deadline(b"a", 100)
    assert value.has_deadlines()
    assert value.items_with_deadlines() == [(b"a", b"1", 100), (b"b", b"2", 0)]
    assert value.items() == [(b"a", b"1"), (b"b", b"2")]
    value.do_set_deadline(b"a", 0)
    assert value.deadlines is None


@pytest.mark.parametrize("value", [hash_of(a="1", b="2"), set_of(b"a", b"b")])
def test_a_copy_has_deadlines_of_its_own(value: Container) -> None:
    value.do_set_deadline(b"a", 100)
    twin = value.copy()
    assert isinstance(twin, Container)
    twin.do_set_deadline(b"b", 50)
    value.do_set_deadline(b"a", 0)
    assert twin.deadline_items() == [(b"a", 100), (b"b", 50)]
    assert twin.deadlines is not None
    assert twin.deadlines.earliest_ms() == 50
    assert not value.has_deadlines()


def test_the_digest_covers_deadlines_and_not_their_history() -> None:
    for value in (hash_of(a="1", b="2"), set_of(b"a", b"b")):
        plain = value_digest(value)
        value.do_set_deadline(b"b", 9)
        value.do_set_deadline(b"a", 7)
        one = value_digest(value)
        value.do_set_deadline(b"a", 0)
        value.do_set_deadline(b"a", 8)
        other = value_digest(value)
        value.do_set_deadline(b"a", 7)
        assert value_digest(value) == one
        assert len({plain, one, other}) == 3


def test_no_member_looks_like_a_deadline_to_the_digest() -> None:
    value = set_of(b"", b"a")
    value.do_set_deadline(b"a", 7)
    others = [set_of(b"", b"a"), set_of(b"", b"a", b"7 1 a"), set_of(b"a", b"7 1 a")]
    assert value_digest(value) not in [value_digest(each) for each in others]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 40)), max_size=80))
def test_deadlines_agree_with_a_plain_map(changes: list[tuple[str, int]]) -> None:
    deadlines = MemberDeadlines()
    model: dict[bytes, int] = {}
    for name, deadline_ms in changes:
        if deadline_ms == 0:
            deadlines.do_clear(name.encode())
            model.pop(name.encode(), None)
        elif deadline_ms > 35:
            now_ms = deadline_ms - 20
            gone = deadlines.do_take_due(now_ms, MANY)
            assert sorted(gone) == sorted(name for name, at in model.items() if at < now_ms)
            model = {name: at for name, at in model.items() if at >= now_ms}
        else:
            deadlines.do_set(name.encode(), deadline_ms)
            model[name.encode()] = deadline_ms
        assert deadlines.of == model
        assert deadlines.earliest_ms() == min(model.values(), default=NEVER)


def test_what_is_due_comes_in_order_and_no_more_than_asked_for() -> None:
    deadlines = MemberDeadlines()
    for number in (5, 3, 9, 1, 7):
        deadlines.do_set(b"%d" % number, number)
    assert deadlines.do_take_due(8, 2) == [b"1", b"3"]
    assert deadlines.do_take_due(8, MANY) == [b"5", b"7"]
    assert deadlines.do_take_due(8, MANY) == []
    assert deadlines.get(b"9") == 9


def test_moving_deadlines_about_takes_no_more_memory() -> None:
    deadlines = MemberDeadlines()
    deadlines.do_set(b"a", 1)
    small = deadlines.footprint()
    for number in range(100_000):
        deadlines.do_set(b"a", 1_000_000 - number)
    assert deadlines.footprint() < small + (STALE_MIN + 8) * 200
    assert deadlines.do_take_due(MANY, MANY) == [b"a"]


def test_hexpire_names_places_that_are_there() -> None:
    entry = Entry(hash_of(a="1", b="2"), 1, 0)
    assert apply(entry, HEXPIRE, Timed([b"a", b"none", b"b"], True), 100) == 2
    assert deadlines_of(entry) == [(b"a", 100), (b"b", 100)]
    assert apply(entry, HEXPIRE, Timed([b"a"], True), 0) == 1
    assert deadlines_of(entry) == [(b"b", 100)]


@pytest.mark.parametrize("value", [None, b"string", 7])
def test_hexpire_and_lapse_of_anything_else_do_nothing(value: object) -> None:
    entry = Entry(value, 1, 0)
    assert apply(entry, HEXPIRE, Timed([b"a"], True), 100) == 0
    assert apply(entry, LAPSE, Lapsed(MANY, MANY)) == 0
    assert entry.value == value


@pytest.mark.parametrize("dot", [None, Dot(7, 1)])
def test_what_is_written_anew_or_removed_has_no_deadline(dot: Dot | None) -> None:
    entry = Entry(hash_of(a="1", b="2", c="3"), 1, 0)
    apply(entry, HEXPIRE, Timed([b"a", b"b", b"c"], True), 100)
    apply(entry, HSET, [b"HSET", b"h", b"a", b"9", b"d", b"9"], 2, dot)
    assert deadlines_of(entry) == [(b"b", 100), (b"c", 100)]
    apply(entry, HDEL, [b"b"], 0)
    apply(entry, HSET, [b"b", b"9"], 0, dot)
    assert deadlines_of(entry) == [(b"c", 100)]


def test_a_member_keeps_its_deadline_when_it_is_added_again() -> None:
    entry = Entry(set_of(b"a", b"b"), 1, 0)
    apply(entry, HEXPIRE, Timed([b"a", b"b"], False), 100)
    apply(entry, SADD, [b"a"], 0)
    apply(entry, SREM, [b"b"], 0)
    apply(entry, SADD, [b"b"], 0)
    assert deadlines_of(entry) == [(b"a", 100)]


@pytest.mark.parametrize("value", [hash_of(a="1", b="2"), set_of(b"a", b"b")])
def test_put_takes_deadlines_over_and_shares_none(value: Container) -> None:
    value.do_set_deadline(b"a", 100)
    entry = Entry(None, 1, 0)
    apply(entry, PUT, value, 0, Dot(7, 1))
    apply(entry, HEXPIRE, Timed([b"b"], True), 50)
    assert deadlines_of(entry) == [(b"a", 100), (b"b", 50)]
    assert value.deadline_items() == [(b"a", 100)]


def test_lapse_takes_out_what_is_past_its_deadline_and_says_what() -> None:
    entry = Entry(hash_of(a="1", b="2", c="3"), 1, 0)
    apply(entry, HEXPIRE, Timed([b"a", b"c"], True), 100)
    at_deadline = Lapsed(100, MANY)
    assert apply(entry, LAPSE, at_deadline) == 0
    assert at_deadline.names == []
    after = Lapsed(101, MANY)
    assert apply(entry, LAPSE, after) == 2
    assert sorted(after.names) == [b"a", b"c"]
    assert isinstance(entry.value, HashValue)
    assert entry.value.items() == [(b"b", b"2")]
    assert entry.value.deadlines is None


def test_lapse_of_the_last_place_leaves_no_value() -> None:
    entry = Entry(set_of(b"a"), 1, 0)
    apply(entry, HEXPIRE, Timed([b"a"], False), 100)
    assert apply(entry, LAPSE, Lapsed(101, MANY)) == 1
    assert entry.value is None


def test_a_field_is_shown_without_its_dot() -> None:
    value = HashValue()
    value.do_fill_pairs([(b"f", Field(b"v", 5, 1)), (b"n", Field(7, 5, 1)), (b"m", 8)])
    assert value.items() == [(b"f", b"v"), (b"n", b"7"), (b"m", b"8")]
    assert [value.get(name) for name in (b"f", b"n", b"m", b"none")] == [b"v", b"7", b"8", None]
    assert value.copy().chunks() == [{b"f": b"v", b"n": b"7", b"m": b"8"}]
    assert value.kind() == b"hash"
    assert value.size() == 3


def test_deadlines_count_in_the_footprint_and_a_value_is_freed_in_slices() -> None:
    value = HashValue()
    value.do_fill_names([b"%d" % number for number in range(100)], b"v")
    before = value.footprint(0)
    for number in range(100):
        value.do_set_deadline(b"%d" % number, 1000)
    assert value.footprint(0) > before + 100 * 50
    left = value.held()
    assert left == 300, "fields, their deadlines, and the order of these"
    while left:
        after = value.release(60)
        assert left - 2 * 60 <= after < left
        left = after
    assert value.size() == 0 and not value.has_deadlines()
