"""Places: one map whether small or large; scans that miss nothing and fair picks, whatever else
changes; what a copy, a mutation and a file see."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from node.store.effect import HDEL, HINCR, HSET, PUT, SADD, SREM, Effect
from node.store.entry import Dot, Entry, Field
from node.store.mutate import MUTATE, give_dots
from node.store.shards import CURSOR_MAX, MASK, MULTIPLIER, hash_of
from node.store.values.hashes import HashValue
from node.store.values.places import LARGE, MOST_BITS, SHARE_MAX, Places
from node.store.values.sets import SetValue
from node.store.values.zsets import ZSetValue

SIZES = [0, 1, 200, int(LARGE), int(LARGE) + 1, 6_500]


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


def test_up_to_two_thousand_names_keep_the_order_in_which_they_were_made() -> None:
    names = names_of(int(LARGE))
    random.Random(1).shuffle(names)
    places = Places()
    places.do_fill_names(names, None)
    assert places.names() == names
    assert len(places.chunks()) == 1
    places.do_place(b"one more", None)
    assert len(places.chunks()) > 8


def test_no_dict_of_a_large_value_is_large() -> None:
    places = Places()
    for i in range(20_000):
        places.do_place(b"m%d" % i, None)
        if i % 997 == 0 and i > LARGE:
            assert max(len(chunk) for chunk in places.chunks()) <= SHARE_MAX
    assert len(places.chunks()) < 20_000 * 3 // SHARE_MAX


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
    again.do_fill_as(places, [chunk.copy() for chunk in places.chunks()])
    at_once = Places()
    at_once.do_fill_dict(dict.fromkeys(names))
    for other in (by_name, by_pair, one_by_one, again, at_once):
        assert other.names() == names
        assert other.size() == len(names)
        assert (len(other.chunks()) == 1) == (len(names) <= LARGE)


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


def draws(places: Places, count: int, rng: random.Random) -> list[bytes]:
    found: list[bytes] = []
    tries = 0
    while len(found) < count:
        tries += 1
        name = places.drawn(rng.getrandbits(62))
        if name is not None:
            found.append(name)
    assert tries < 8 * count
    return found


@pytest.mark.parametrize("size", [2_001, 2_700, 3_500])
def test_draws_are_fair_however_often_the_dicts_were_divided(size: int) -> None:
    places = filled(size)
    rounds = 40
    counts = Counter(draws(places, rounds * size, random.Random(size)))
    assert len(counts) == size
    # Far beyond five deviations of a fair draw.
    assert min(counts.values()) > rounds - 6 * rounds**0.5 + 5
    assert max(counts.values()) < rounds + 6 * rounds**0.5 + 5
    by_dict = [sum(counts[name] for name in chunk) / len(chunk) for chunk in places.chunks()]
    assert max(abs(mean - rounds) for mean in by_dict) < rounds * 0.15


def name_of_hash(place: int) -> bytes:
    """A name of eight bytes that has this hash."""
    place ^= place >> 33
    place = place * pow(int(MULTIPLIER), -1, 1 << 62) & int(MASK)
    place ^= place >> 31
    return (place ^ 8).to_bytes(8, "little")


def test_names_made_to_have_like_hashes_do_no_harm() -> None:
    """Their dict is not divided for ever; all goes on working."""
    alike = [name_of_hash((77 << 54) + number) for number in range(700)]
    assert [hash_of(name) for name in alike[:3]] == [77 << 54, (77 << 54) + 1, (77 << 54) + 2]
    names = names_of(1_500) + alike
    places = Places()
    places.do_fill_names(names, 1)
    assert max(len(chunk) for chunk in places.chunks()) >= 700
    assert places.table_bytes() < 9 * 2**MOST_BITS + 100 * len(names)
    assert sorted(places.names()) == sorted(names)
    assert all(places.has(name) for name in names)
    assert sorted(whole(places, 100)) == sorted(names)
    assert sorted(places.at(list(range(2_200)))) == sorted(names)
    again = Places()
    again.do_fill_names(places.names(), 1)
    assert again.names() == places.names()


# --- scans --------------------------------------------------------------------------------------


def whole(places: Places, count: int) -> list[bytes]:
    cursor, found = places.scan(0, count)
    while cursor != 0:
        cursor, more = places.scan(cursor, count)
        found += more
    return found


@pytest.mark.parametrize("size", [0, 1, 300, 2_000, 3_000])
@pytest.mark.parametrize("count", [2, 13, 5_000])
def test_a_scan_returns_each_name_once(size: int, count: int) -> None:
    places = filled(size)
    found = whole(places, count)
    assert len(found) == size
    assert sorted(found) == sorted(places.names())


@pytest.mark.parametrize("size", [700, 4_000])
@pytest.mark.parametrize("count", [1, 10, 100, 300])
def test_a_call_returns_what_was_asked_for_and_little_more(size: int, count: int) -> None:
    places = filled(size)
    cursor, found = places.scan(0, count)
    calls = 1
    while cursor != 0:
        assert count <= len(found) <= 2 * count + 30
        cursor, found = places.scan(cursor, count)
        calls += 1
    assert calls > size / (count * 1.5 + 8)


@pytest.mark.parametrize("size", [700, 1_990, 4_000])
def test_what_stays_is_returned_once_whatever_else_changes(size: int) -> None:
    """Others come and go, the value grows large, and several scan at once."""
    places = filled(size)
    stays = set(places.names()[::2])
    rng = random.Random(size)
    under_way: list[tuple[int, list[bytes]]] = [(0, []) for _ in range(5)]
    done = 0
    step = 0
    while done < 8:
        at = rng.randrange(len(under_way))
        cursor, seen = under_way[at]
        cursor, names = places.scan(cursor, rng.choice([1, 50, 300]))
        assert all(places.has(name) for name in names)
        seen += names
        if cursor == 0:
            assert sorted(name for name in seen if name in stays) == sorted(stays)
            done += 1
            seen = []
        under_way[at] = (cursor, seen)
        step += 1
        if step % 3 == 0:
            places.do_place(b"new%d" % step, None)
        else:
            name = places.nth(rng.randrange(places.size()))
            if name not in stays:
                places.do_take(name)


@pytest.mark.parametrize("cursor", [-1, CURSOR_MAX + 1, 1 << 70])
def test_a_cursor_that_is_none_ends_the_scan(cursor: int) -> None:
    assert filled(300).scan(cursor, 10) == (0, [])


@pytest.mark.parametrize("size", [300, 12_000])
def test_any_cursor_goes_on_at_its_hash(size: int) -> None:
    places = filled(size)
    rng = random.Random(5)
    hashes = {name: hash_of(name) for name in places.names()}
    for _ in range(50):
        cursor = rng.randrange(CURSOR_MAX + 1)
        after, found = places.scan(cursor, 20)
        end = after or CURSOR_MAX + 1
        assert sorted(found) == sorted(n for n, place in hashes.items() if cursor <= place < end)


# --- freeing and measuring ----------------------------------------------------------------------


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
    give_dots(Entry(members, 1, 0), Dot(9, 0))
    known = members.dot_of(b"known")
    other = members.dot_of(b"m1")
    assert known is not None
    assert other is not None
    assert (known.stamp, other.stamp) == (3, 9)
    fields = HashValue()
    fields.do_fill_names(names_of(size), b"v")
    give_dots(Entry(fields, 1, 0), Dot(9, 0))
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
