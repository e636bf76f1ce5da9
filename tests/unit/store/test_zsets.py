"""ZSetValue: members and their order agree, whatever is done to it; and its mutations."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.store.effect import SADD, ZADD, ZINCR, ZMAX, ZMIN, ZREM, Effect
from node.store.entry import Entry
from node.store.mutate import MUTATE
from node.store.values.sets import SetValue
from node.store.values.zsets import ADDED, CHANGED, SAME, ZSetValue, added_of, changed_of

KEY = b"k"


def applied(entry: Entry, op: int, payload: list[bytes], begin: int = 0) -> int:
    """Carries an effect out; the number it returns."""
    return MUTATE[op].apply(entry, Effect(op, 0, KEY, payload, begin, 1, 0, 0))


def content(value: object) -> list[tuple[bytes, float]]:
    """A sorted set in order."""
    assert isinstance(value, ZSetValue)
    pairs = value.content()
    assert isinstance(pairs, list)
    return pairs


def entry_of(**scores: float) -> Entry:
    """An entry with these members."""
    value = ZSetValue()
    for member, score in scores.items():
        value.do_put(member.encode(), score)
    return Entry(value, 1, 0)


def in_order(model: dict[bytes, float]) -> list[tuple[bytes, float]]:
    """As a sorted set has them."""
    return sorted(model.items(), key=lambda pair: (pair[1], pair[0]))


SCORES = st.floats(allow_nan=False)
MEMBERS = st.sampled_from([b"a", b"b", b"c", b"", b"\xff", b"ab"])
STEPS = st.lists(st.tuples(MEMBERS, SCORES | st.none()), max_size=60)


@given(STEPS, st.booleans())
def test_it_is_a_dict_in_order(steps: list[tuple[bytes, float | None]], filled: bool) -> None:
    value = ZSetValue()
    model: dict[bytes, float] = {}
    if filled:
        model = {b"a": 2.0, b"x": 2.0, b"b": 1.0}
        value.do_fill(dict(model))
    for member, score in steps:
        if score is None:
            assert value.do_remove([b"skipped", member], 1) == (member in model)
            model.pop(member, None)
        else:
            old = model.get(member)
            expected = ADDED if old is None else SAME if old == score else CHANGED
            assert value.do_put(member, score) == expected
            model[member] = score
    assert content(value) == in_order(model)
    assert value.size() == len(model)
    for rank, (member, score) in enumerate(in_order(model)):
        assert value.rank_of(member) == rank
        assert value.score_of(member) == value.score(member) == score
    assert value.rank_of(b"nobody") == -1
    assert value.score_of(b"nobody") is None


@pytest.mark.parametrize("order", ["rising", "falling", "random", "equal"])
def test_filled_at_once_it_is_in_order(order: str) -> None:
    rng = random.Random(3)
    count = 3000
    scores = [float(i // 3) for i in range(count)]
    if order == "random":
        rng.shuffle(scores)
    elif order == "falling":
        scores.reverse()
    elif order == "equal":
        scores = [1.0] * count
    model = {b"%d" % rng.randrange(1 << 40): score for score in scores}
    value = ZSetValue()
    value.do_fill(dict(model))
    assert value.do_put(b"later", 500.0) == ADDED
    model[b"later"] = 500.0
    assert content(value) == in_order(model)


def test_minus_zero_is_zero() -> None:
    value = ZSetValue()
    value.do_put(b"a", -0.0)
    value.do_fill({b"a": value.score(b"a"), b"b": -0.0})
    assert [math.copysign(1.0, score) for _, score in content(value)] == [1.0, 1.0]


@pytest.mark.parametrize("taken", [1, 100, 2999, 3000])
def test_many_members_go_at_once(taken: int) -> None:
    model = {b"%d" % i: float(i % 100) for i in range(3000)}
    value = ZSetValue()
    for member, score in model.items():
        value.do_put(member, score)
    names = list(model)[:taken]
    assert value.do_remove(names, 0) == taken
    for member in names:
        del model[member]
    assert content(value) == in_order(model)


def test_a_copy_is_independent() -> None:
    value = ZSetValue()
    value.do_put(b"a", 1.0)
    value.do_set_deadline(b"a", 5000)
    twin = value.copy()
    value.do_put(b"a", 3.0)
    value.do_put(b"b", 2.0)
    assert content(twin) == [(b"a", 1.0)]
    assert twin.deadline_of(b"a") == 5000
    assert content(value) == [(b"b", 2.0), (b"a", 3.0)]


def test_parts_are_the_same_however_it_was_made() -> None:
    one = ZSetValue()
    one.do_put(b"b", 1.5)
    one.do_put(b"a", 3.0)
    other = ZSetValue()
    other.do_fill({b"a": 3.0, b"b": 1.5})
    assert one.parts() == other.parts() == [b"b", b"1.5", b"a", b"3"]
    assert one.kind() == b"zset"
    one.do_set_deadline(b"a", 5000)
    assert one.parts() != other.parts()


def test_it_is_freed_in_slices() -> None:
    value = ZSetValue()
    for i in range(2000):
        value.do_put(b"%d" % i, float(i))
    left = value.held()
    assert left == 4000, "each member stands in the dict and in the ranking"
    while left:
        after = value.release(300)
        assert left - 2 * 512 <= after < left
        left = after
    assert value.size() == 0


def test_what_it_gave_of_itself_is_known_to_be_all_of_it() -> None:
    value = ZSetValue()
    for i in range(2000):
        value.do_put(b"%d" % i, float(i))
    names = value.members(0, 2000)
    assert value.names_all(names, 0)
    assert value.names_all([b"ZREM", b"z", *names], 2)
    assert not value.names_all(names[1:], 0)
    assert not value.names_all([*names[1:], names[0]], 0)


def test_its_footprint_grows_with_it() -> None:
    small = ZSetValue()
    large = ZSetValue()
    for i in range(1000):
        large.do_put(b"member:%d" % i, float(i))
    assert small.footprint(5) < 500
    assert 50_000 < large.footprint(0) < 300_000
    assert abs(large.footprint(5) - large.footprint(0)) < 20_000


# --- mutations ----------------------------------------------------------------------------------


def test_zadd_tells_how_many_are_new_and_how_many_changed() -> None:
    entry = Entry(None, 1, 0)
    n = applied(entry, ZADD, [b"ZADD", b"k", b"1", b"a", b"2", b"b", b"3", b"a"], 2)
    assert (added_of(n), changed_of(n)) == (2, 3)
    assert content(entry.value) == [(b"b", 2.0), (b"a", 3.0)]
    n = applied(entry, ZADD, [b"3", b"a"])
    assert n == 0


def test_zmax_and_zmin_keep_what_is_better() -> None:
    entry = entry_of(a=5, b=5)
    n = applied(entry, ZMAX, [b"4", b"a", b"6", b"b", b"1", b"new"])
    assert (added_of(n), changed_of(n)) == (1, 2)
    assert content(entry.value) == [(b"new", 1.0), (b"a", 5.0), (b"b", 6.0)]
    n = applied(entry, ZMIN, [b"4", b"a", b"7", b"b", b"0.5", b"new"])
    assert changed_of(n) == 2
    assert content(entry.value) == [(b"new", 0.5), (b"a", 4.0), (b"b", 6.0)]


def test_zincr_adds_to_what_is_there() -> None:
    entry = Entry(None, 1, 0)
    assert added_of(applied(entry, ZINCR, [b"1.5", b"a"])) == 1
    assert changed_of(applied(entry, ZINCR, [b"2", b"a"])) == 1
    assert applied(entry, ZINCR, [b"0", b"a"]) == 0
    assert content(entry.value) == [(b"a", 3.5)]
    applied(entry, ZINCR, [b"inf", b"a"])
    assert applied(entry, ZINCR, [b"-inf", b"a"]) == 0
    assert content(entry.value) == [(b"a", math.inf)]


def test_zrem_of_the_last_member_leaves_nothing() -> None:
    entry = entry_of(a=1, b=2)
    assert applied(entry, ZREM, [b"a", b"z", b"a"]) == 1
    assert applied(entry, ZREM, [b"b"]) == 1
    assert entry.value is None
    assert applied(entry, ZREM, [b"b"]) == 0


@pytest.mark.parametrize(("op", "payload"), [(ZADD, [b"1", b"a"]), (ZINCR, [b"1", b"a"])])
def test_a_value_of_another_type_makes_room(op: int, payload: list[bytes]) -> None:
    entry = Entry(None, 1, 0)
    applied(entry, SADD, [b"x"])
    assert isinstance(entry.value, SetValue)
    assert applied(entry, ZREM, [b"x"]) == 0
    applied(entry, op, payload)
    assert content(entry.value) == [(b"a", 1.0)]


@pytest.mark.parametrize("op", [ZADD, ZMAX, ZMIN, ZINCR])
def test_what_is_no_score_changes_nothing(op: int) -> None:
    entry = Entry(None, 1, 0)
    assert applied(entry, op, [b"x", b"a"]) == 0
    assert entry.value is None
