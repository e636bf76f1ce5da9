"""Places: one map whether small or large; fair picks; what a copy, a mutation and a file see."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from node.store.effect import HDEL, HINCR, HSET, PUT, SADD, SREM, Effect
from node.store.entry import Dot, Entry, Field
from node.store.mutate import MUTATE, give_dots
from node.store.shards import SHARDS
from node.store.values.hashes import HashValue
from node.store.values.places import LARGE, Places
from node.store.values.sets import SetValue
from node.store.values.zsets import ZSetValue

SIZES = [0, 1, 200, int(LARGE), int(LARGE) + 1, 15_000]


def names_of(size: int) -> list[bytes]:
    return [b"m%d" % i for i in range(size)]


def filled(size: int) -> Places:
    places = Places()
    for i, name in enumerate(names_of(size)):
        places.do_place(name, i)
    return places


def content(places: Places) -> dict[bytes, object]:
    found: dict[bytes, object] = {}
    for chunk in places.chunks():
        found.update(chunk)
    return found


@pytest.mark.parametrize("size", SIZES)
def test_it_is_a_map(size: int) -> None:
    places = filled(size)
    model: dict[bytes, object] = {name: i for i, name in enumerate(names_of(size))}
    rng = random.Random(size)
    for step in range(3000):
        name = b"m%d" % rng.randrange(size + 50)
        if rng.random() < 0.5:
            places.do_place(name, step)
            model[name] = step
        else:
            assert places.slot(name) == model.get(name)
            assert places.has(name) == (name in model)
            assert places.do_take(name) == model.pop(name, None)
    assert places.size() == len(model)
    assert content(places) == model
    assert sorted(places.names()) == sorted(model)


def test_a_slot_may_be_none() -> None:
    for size in (5, LARGE + 5):
        places = Places()
        places.do_fill_names(names_of(int(size)), None)
        assert places.has(b"m1")
        assert places.slot(b"m1") is None
        assert places.do_take(b"m1") is None
        assert not places.has(b"m1")
        assert places.size() == size - 1


def test_up_to_ten_thousand_names_keep_the_order_in_which_they_were_made() -> None:
    names = names_of(int(LARGE))
    random.Random(1).shuffle(names)
    places = Places()
    places.do_fill_names(names, None)
    assert places.names() == names
    assert len(places.chunks()) == 1
    places.do_place(b"one more", None)
    assert len(places.chunks()) == SHARDS
    assert max(len(chunk) for chunk in places.chunks()) < 100


@pytest.mark.parametrize("size", SIZES)
def test_the_order_of_the_names_is_had_again_by_what_is_filled_with_them(size: int) -> None:
    """A file has the names in this order, and beside them their dots in the same one."""
    places = filled(size)
    for i in range(0, size, 3):
        places.do_take(b"m%d" % i)
    names = places.names()
    by_name = Places()
    by_name.do_fill_names(names, None)
    by_pair = Places()
    by_pair.do_fill_pairs([(name, 1) for name in names])
    one_by_one = Places()
    for name in names:
        one_by_one.do_place(name, 1)
    again = Places()
    again.do_fill_chunks([chunk.copy() for chunk in places.chunks()])
    at_once = Places()
    at_once.do_fill_chunks([dict.fromkeys(names)])
    for other in (by_name, by_pair, one_by_one, again, at_once):
        assert other.names() == names
        assert other.size() == len(names)
        assert len(other.chunks()) == (1 if len(names) <= LARGE else SHARDS)


def test_a_name_given_twice_is_one() -> None:
    for size in (10, LARGE + 10):
        twice = [*names_of(int(size)), b"m0"]
        places = Places()
        places.do_fill_names(twice, None)
        assert places.size() == size
        places.do_fill_pairs([(name, 1) for name in twice])
        assert places.size() == size


@pytest.mark.parametrize("size", [3, 300, 12_000])
def test_every_number_is_one_name(size: int) -> None:
    places = filled(size)
    numbers = random.Random(2).sample(range(size), min(size, 500))
    one_by_one = [places.nth(number) for number in numbers]
    assert places.at(numbers) == one_by_one
    assert len(set(one_by_one)) == len(numbers)
    assert sorted(places.at(list(range(size)))) == sorted(places.names())
    assert places.at([size - 1, 0, size - 1]) == [
        places.nth(size - 1), places.nth(0), places.nth(size - 1),
    ]  # fmt: skip


def test_picks_are_fair_where_the_dicts_are_of_different_sizes() -> None:
    places = filled(11_000)
    for name in places.names()[20:]:
        places.do_take(name)
    rng = random.Random(3)
    counts = Counter(places.nth(rng.randrange(20)) for _ in range(10_000))
    assert len(counts) == 20
    assert min(counts.values()) > 350
    assert max(counts.values()) < 650


@pytest.mark.parametrize("size", [1000, 12_000])
def test_it_is_freed_in_slices(size: int) -> None:
    value = SetValue()
    value.do_fill_names(names_of(size), None)
    left = size
    while left:
        after = value.release(900)
        assert left - 900 <= after < left
        left = int(after)
    assert value.size() == 0


def test_a_footprint_is_about_the_same_by_samples() -> None:
    value = SetValue()
    value.do_fill_names(names_of(20_000), None)
    whole = value.footprint(0)
    assert 20_000 * 50 < whole < 20_000 * 200
    assert abs(value.footprint(5) - whole) < whole // 10


# --- what mutations do with large values --------------------------------------------------------


def apply(entry: Entry, op: int, value: object, number: int = 0, dot: Dot | None = None) -> int:
    effect = Effect(op, 0, b"k", value, number, 5, 1, 0)
    effect.dot = dot
    return int(MUTATE[op].apply(entry, effect))


def test_a_set_grows_large_and_shrinks_to_nothing() -> None:
    entry = Entry(None, 1, 0)
    names = names_of(25_000)
    assert apply(entry, SADD, [b"SADD", b"k", *names[:9_990]], 2) == 9_990
    assert apply(entry, SADD, names[9_980:10_020]) == 30
    assert apply(entry, SADD, names) == 25_000 - 10_020
    value = entry.value
    assert isinstance(value, SetValue)
    assert value.parts() == sorted(names)
    assert value.copy().parts() == sorted(names)
    assert apply(entry, SREM, [*names[5:], b"none"]) == 24_995
    assert sorted(value.names()) == sorted(names[:5])
    assert apply(entry, SREM, names) == 5
    assert entry.value is None


def test_a_hash_grows_large_and_counts_and_is_copied_small_again() -> None:
    entry = Entry(None, 1, 0)
    pairs = [word for name in names_of(12_000) for word in (name, b"1")]
    dot = Dot(5, 1)
    assert apply(entry, HSET, pairs, 0, dot) == 12_000
    assert apply(entry, HSET, [b"m7", b"8", b"new", b"9"], 0, dot) == 1
    assert apply(entry, HINCR, b"m7", 2, dot) == 10
    assert apply(entry, HINCR, b"fresh", 3, dot) == 3
    value = entry.value
    assert isinstance(value, HashValue)
    assert value.get(b"m7") == b"10"
    assert value.size() == 12_002
    assert apply(entry, HDEL, names_of(11_000)) == 11_000
    copy = value.copy()
    assert len(copy.chunks()) == 1
    assert sorted(copy.items()) == sorted(value.items())
    assert copy.parts() == value.parts()


@pytest.mark.parametrize("size", [3, 12_000])
def test_what_is_put_has_the_dot_everywhere(size: int) -> None:
    given = SetValue()
    given.do_fill_names(names_of(size), None)
    entry = Entry(None, 1, 0)
    apply(entry, PUT, given, 0, Dot(7, 2))
    value = entry.value
    assert isinstance(value, SetValue)
    dots = [value.dot_of(name) for name in names_of(size)]
    assert {(dot.stamp, dot.origin) for dot in dots if dot is not None} == {(7, 2)}
    assert None not in dots


@pytest.mark.parametrize("size", [3, 12_000])
def test_an_activated_node_gives_dots_to_all_who_have_none(size: int) -> None:
    members = SetValue()
    members.do_fill_names(names_of(size), None)
    members.do_place(b"known", Dot(3, 4))
    give_dots(Entry(members, 1, 0), Dot(9, 0), 1)
    known = members.dot_of(b"known")
    other = members.dot_of(b"m1")
    assert known is not None
    assert other is not None
    assert (known.stamp, other.stamp) == (3, 9)
    fields = HashValue()
    fields.do_fill_names(names_of(size), b"v")
    give_dots(Entry(fields, 1, 0), Dot(9, 0), 1)
    slot = fields.slot(b"m2")
    assert isinstance(slot, Field)
    assert (slot.value, slot.stamp) == (b"v", 9)


def test_a_large_sorted_set_answers_by_member_and_by_rank() -> None:
    value = ZSetValue()
    value.do_fill({name: float(i % 100) for i, name in enumerate(names_of(12_000))})
    for i in range(12_000, 12_100):
        value.do_put(b"m%d" % i, float(i % 100))
    assert value.size() == 12_100
    assert value.score_of(b"m12050") == 50.0
    assert value.score_of(b"none") is None
    ranked = value.members(0, 12_100)
    assert [value.rank_of(member) for member in ranked[::1000]] == list(range(0, 12_100, 1000))
    assert value.do_remove(names_of(11_000), 0) == 11_000
    assert value.members(0, value.size()) == [m for m in ranked if int(m[1:]) >= 11_000]
    copy = value.copy()
    assert copy.parts() == value.parts()
    assert len(copy.chunks()) == 1
