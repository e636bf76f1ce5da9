"""A sorted set's members between writes and nodes: cleared, joined, to bytes and back."""

from __future__ import annotations

import random

import pytest
from librt.strings import BytesWriter

from mesh.dots import Streams, row_of
from mesh.merge.covers import Cover, Cut
from mesh.merge.kinds.table import KINDS
from mesh.merge.kinds.zset_members import (
    covers_all,
    fold_member,
    keep_unseen,
    registers_of,
    revise,
)
from mesh.merge.slots import ZSET_SLOT
from mesh.packing import Source
from mesh.removals import SCORE
from node.store.values.scored import LOWERED, RAISED, SET, Scored, ScoreRegister, SpelledScore
from node.store.values.zsets import ZSetValue

KIND = KINDS[ZSET_SLOT]
NOBODY = -1
ALL_SEEN = Cover(row_of([1 << 40] * 8), NOBODY)
NONE_SEEN = Cover(b"", NOBODY)


def streams(count: int = 3) -> Streams:
    """Streams with ascending uuids; number 0 is the own one."""
    made = Streams(bytes(16))
    for number in range(1, count):
        made.of(bytes([number]) * 16)
    return made


def seen(*stamps: int) -> Cover:
    """A context: by stream the stamp up to which it was seen."""
    return Cover(row_of(list(stamps)), NOBODY)


def spelled(value: ZSetValue) -> dict[bytes, object]:
    """All that is remembered, and the score that shows."""
    found: dict[bytes, object] = {}
    for member in value.names():
        slot = value.slot(member)
        registers = [
            (int(each.stamp), int(each.origin), each.score, int(each.how))
            for each in registers_of(slot)
        ]
        steps = []
        if isinstance(slot, SpelledScore):
            steps = [
                (int(step.stamp), int(each.origin), step.amount)
                for each in slot.streams for step in each.steps
            ]  # fmt: skip
            steps += [(0, 0, amount) for amount in slot.tail]
        found[member] = (value.score(member), registers, sorted(steps))
    size = value.size()
    pairs = list(zip(value.scores(0, size), value.members(0, size), strict=True))
    assert pairs == sorted((value.score(member), member) for member in value.names())
    return found


def register(
    value: ZSetValue, member: bytes, score: float, stamp: int, origin: int = 0, how: int = SET,
    cover: Cover = NONE_SEEN,
) -> None:  # fmt: skip
    """A ZADD with this dot."""
    revise(value, member, cover, ScoreRegister(score, stamp, origin, how), streams())


def round_trip(value: ZSetValue) -> ZSetValue:
    """What a file's record and its field make of the value."""
    out = BytesWriter()
    for _ in KIND.putting(out, value, 2):
        pass
    twin = value.copy()
    source = Source(out.getvalue(), list(range(8)))
    for _ in KIND.reading(source, twin, 2):
        pass
    assert int(source.pos) == len(source.data)
    return twin


def random_value(rng: random.Random) -> ZSetValue:
    """Some members without a dot, with one, and spelled out."""
    value = ZSetValue()
    for number in range(rng.randrange(12)):
        value.do_put(b"m%d" % number, float(rng.randrange(5)))
    if rng.random() < 0.5:
        value.do_give_dots(7, 1)
    for number in range(rng.randrange(30)):
        member = b"m%d" % rng.randrange(14)
        if rng.random() < 0.5:
            how = rng.choice([SET, RAISED, LOWERED])
            cover = rng.choice([NONE_SEEN, ALL_SEEN])
            register(value, member, rng.random(), 10 + number, rng.randrange(3), how, cover)
        else:
            value.do_count(member, rng.choice([0.1, 0.2, -3.5]), 10 + number, rng.randrange(3))
    return value


def test_the_newest_of_concurrent_registers_shows() -> None:
    value = ZSetValue()
    register(value, b"x", 1.0, 10)
    register(value, b"x", 3.0, 30, 1)
    register(value, b"x", 2.0, 20, 2)
    assert value.score(b"x") == 3.0
    assert [int(each.stamp) for each in registers_of(value.slot(b"x"))] == [30, 20, 10]


def test_of_equal_stamps_the_stream_with_the_higher_uuid_shows() -> None:
    for order in ((1, 2), (2, 1)):
        value = ZSetValue()
        for origin in order:
            register(value, b"x", float(origin), 10, origin)
        assert value.score(b"x") == 2.0


@pytest.mark.parametrize(("how", "shown"), [(RAISED, 7.0), (LOWERED, 5.0)])
def test_raised_and_lowered_registers(how: int, shown: float) -> None:
    value = ZSetValue()
    register(value, b"x", 7.0, 10, 0, how)
    register(value, b"x", 5.0, 20, 1, how)
    register(value, b"x", 6.0, 30, 2, how)
    assert value.score(b"x") == shown
    revise(value, b"x", seen(15, 25), None, None)
    assert value.score(b"x") == 6.0
    register(value, b"x", 1.0, 40, 0, SET)
    assert value.score(b"x") == 1.0, "of different kinds the newest shows"


def test_a_removal_takes_the_registers_and_increments_it_had_seen() -> None:
    value = ZSetValue()
    register(value, b"x", 4.0, 10)
    value.do_count(b"x", 1.0, 11, 0)
    value.do_count(b"x", 2.0, 12, 0)
    value.do_count(b"x", 0.5, 10, 1)
    revise(value, b"x", seen(11, 0), None, None)
    assert spelled(value) == {b"x": (2.5, [], [(10, 1, 0.5), (12, 0, 2.0)])}
    revise(value, b"x", seen(12, 10), None, None)
    assert value.size() == 0


def test_a_place_without_a_dot_is_cleared_by_any_removal() -> None:
    value = ZSetValue()
    value.do_put(b"x", 1.0)
    value.do_put(b"y", 1.0)
    register(value, b"y", 2.0, 10)
    revise(value, b"x", seen(0), None, None)
    revise(value, b"y", seen(0), None, None)
    assert spelled(value) == {b"y": (2.0, [(10, 0, 2.0, SET)], [])}


def test_clearing_takes_what_was_seen_of_every_member() -> None:
    value = ZSetValue()
    for number in range(100):
        register(value, b"%d" % number, 1.0, 10 + number)
    value.do_count(b"3", 5.0, 90, 1)
    assert not covers_all(value, seen(50, 90))
    keep_unseen(value, seen(50, 80))
    assert set(value.names()) == {b"3", *(b"%d" % number for number in range(41, 100))}
    assert value.score(b"3") == 5.0
    assert covers_all(value, seen(200, 90))


def test_scopes_of_a_waiting_removal() -> None:
    value = ZSetValue()
    register(value, b"x", 1.0, 10)
    register(value, b"y", 1.0, 10)
    KIND.clear_scopes(value, [(SCORE, b"x"), (SCORE, b"gone"), (3, b"y")], seen(10), streams())
    assert value.names() == [b"y"]


def test_bytes_and_back() -> None:
    rng = random.Random(5)
    for _ in range(200):
        value = random_value(rng)
        before = spelled(value)
        assert spelled(round_trip(value)) == before
        assert spelled(value) == before


def test_members_of_one_unit_take_no_room() -> None:
    value = ZSetValue()
    for number in range(1000):
        value.do_put(b"member %d" % number, 1.0)
    value.do_give_dots(7, 1)
    register(value, b"one", 2.0, 10)
    out = BytesWriter()
    for _ in KIND.putting(out, value, 100):
        pass
    assert len(out.getvalue()) < 50


def test_damaged_bytes_are_refused() -> None:
    rng = random.Random(6)
    value = random_value(rng)
    register(value, b"x", 1.0, 90)
    register(value, b"x", 2.0, 91, 1)
    value.do_count(b"x", 1.0, 92, 0)
    out = BytesWriter()
    for _ in KIND.putting(out, value, 100):
        pass
    data = out.getvalue()
    for size in range(len(data)):
        with pytest.raises(ValueError, match="plexis-dots"):
            for _ in KIND.reading(Source(data[:size], list(range(8))), value.copy(), 100):
                pass
    with pytest.raises(ValueError, match="lacks"):
        for _ in KIND.reading(Source(data, list(range(8))), ZSetValue(), 100):
            pass


def joined(
    here: ZSetValue | None, there: ZSetValue | None, mine: Cover, theirs: Cover
) -> dict[bytes, object]:
    """Both sides as one, a member at a time."""
    joining = KIND.joining(here, there, mine, theirs, streams(), False)
    while not joining.step(1):
        pass
    if joining.value is None:
        return {}
    assert isinstance(joining.value, ZSetValue)
    return spelled(joining.value)


def test_a_join_keeps_what_both_have_and_what_is_new_to_the_other() -> None:
    here, there = ZSetValue(), ZSetValue()
    for value in (here, there):
        register(value, b"both", 1.0, 10)
        register(value, b"gone here", 1.0, 11)
        register(value, b"gone there", 1.0, 12)
    revise(here, b"gone here", ALL_SEEN, None, None)
    revise(there, b"gone there", ALL_SEEN, None, None)
    register(here, b"new here", 2.0, 20, 1)
    register(there, b"new there", 3.0, 20, 2)
    here.do_count(b"both", 0.1, 21, 1)
    there.do_count(b"both", 0.2, 21, 2)
    assert joined(here, there, seen(12, 21, 0), seen(12, 0, 21)) == {
        b"both": (1.3, [(10, 0, 1.0, SET)], [(21, 1, 0.1), (21, 2, 0.2)]),
        b"new here": (2.0, [(20, 1, 2.0, SET)], []),
        b"new there": (3.0, [(20, 2, 3.0, SET)], []),
    }


def test_a_join_with_a_side_that_has_nothing() -> None:
    for mine, theirs in ((seen(15), seen(99)), (seen(99), seen(15))):
        value = ZSetValue()
        register(value, b"old", 1.0, 10)
        register(value, b"new", 1.0, 20)
        here, there = (None, value) if theirs.has(99, 0) else (value, None)
        assert list(joined(here, there, mine, theirs)) == [b"new"]


def test_a_member_without_a_dot_stays_where_both_have_it() -> None:
    here, there = ZSetValue(), ZSetValue()
    here.do_put(b"both", 1.0)
    there.do_put(b"both", 1.0)
    here.do_put(b"removed there", 1.0)
    there.do_put(b"removed here", 1.0)
    assert joined(here, there, seen(9, 9), seen(9, 9)) == {b"both": (1.0, [(0, 0, 1.0, SET)], [])}


@pytest.mark.parametrize("swapped", [False, True])
def test_a_side_that_has_forgotten_dots_stands_for_them(swapped: bool) -> None:
    """One side has folded a register and one increment into its own, the other has not; it has an
    increment that is new."""
    folded, whole = ZSetValue(), ZSetValue()
    knows = seen(0, 11, 0)
    knows.cut = row_of([0, 11, 0])
    folded.do_put(b"x", 5.0)
    register(whole, b"x", 3.0, 10, 1)
    whole.do_count(b"x", 2.0, 11, 1)
    whole.do_count(b"x", 0.5, 12, 2)
    folded.do_put(b"written anew", 1.0)
    register(whole, b"written anew", 7.0, 30, 2)
    sides = (folded, whole), (knows, seen(0, 11, 30))
    if swapped:
        sides = (whole, folded), (seen(0, 11, 30), knows)
    (here, there), (mine, theirs) = sides
    assert joined(here, there, mine, theirs) == {
        b"x": (5.5, [(0, 0, 5.0, SET)], [(12, 2, 0.5)]),
        b"written anew": (7.0, [(30, 2, 7.0, SET)], []),
    }


@pytest.mark.parametrize("swapped", [False, True])
def test_of_two_sides_that_have_forgotten_the_one_that_folded_more_stands(swapped: bool) -> None:
    more, less = ZSetValue(), ZSetValue()
    more.do_put(b"x", 5.0)
    less.do_put(b"x", 3.0)
    for value, steps in ((more, (12,)), (less, (11, 12))):
        for stamp in steps:
            value.do_count(b"x", float(stamp), stamp, 1)
    # 11 is folded into `more`: 3 + 11 is not 5, so that one sees which of them is taken.
    knows = seen(0, 12)
    knows.cut = row_of([0, 11])
    here, there = (less, more) if swapped else (more, less)
    mine, theirs = (seen(0, 12), knows) if swapped else (knows, seen(0, 12))
    assert joined(here, there, mine, theirs) == {
        b"x": (17.0, [(0, 0, 5.0, SET)], [(12, 1, 12.0)])
    }


def test_joins_in_any_order_are_equal() -> None:
    """Three nodes that have written apart, joined pairwise in both orders."""
    rng = random.Random(9)
    for _ in range(60):
        values = []
        for origin in range(3):
            value = ZSetValue()
            for member in (b"x", b"y", b"z"):
                register(value, member, 1.0, 5)
            for stamp in range(10, 10 + rng.randrange(6)):
                member = rng.choice([b"x", b"y", b"z"])
                cover = Cover(row_of([5, 0, 0]), origin)
                pick = rng.random()
                if pick < 0.4:
                    value.do_count(member, rng.random(), stamp, origin)
                elif pick < 0.7:
                    how = rng.choice([SET, RAISED])
                    register(value, member, rng.random(), stamp, origin, how, cover)
                else:
                    revise(value, member, cover, None, None)
            values.append(value)
        covers = [seen(*[50 if number == origin else 5 for number in range(3)])
                  for origin in range(3)]  # fmt: skip
        covers[0] = seen(50, 0, 0)
        results = []
        for first, second in ((0, 1), (1, 0)):
            ours, others = round_trip(values[first]), round_trip(values[second])
            results.append(joined(ours, others, covers[first], covers[second]))
        assert results[0] == results[1]


def test_slots_are_compact_again_when_nothing_contests_them() -> None:
    value = ZSetValue()
    register(value, b"x", 1.0, 10)
    value.do_count(b"x", 1.0, 11, 0)
    register(value, b"x", 5.0, 12, 0, RAISED, ALL_SEEN)
    slot = value.slot(b"x")
    assert isinstance(slot, Scored)
    assert not isinstance(slot, SpelledScore)
    assert (slot.stamp, slot.origin, slot.how, slot.score) == (12, 0, RAISED, 5.0)


def stable(row: list[int], before: int) -> Cut:
    """What every member has on disk."""
    cut = Cut()
    cut.move(row_of(row), before)
    return cut


def test_what_every_member_has_needs_no_dot() -> None:
    value = ZSetValue()
    register(value, b"stable", 1.0, 10)
    register(value, b"new", 2.0, 20)
    register(value, b"contested", 3.0, 10)
    register(value, b"contested", 4.0, 9, 1)
    register(value, b"half", 5.0, 10)
    register(value, b"half", 6.0, 30, 1)
    value.do_count(b"counted", 1.5, 10, 0)
    value.do_count(b"counted", 2.0, 11, 1)
    value.do_count(b"counted", 4.0, 30, 1)
    before = {member: value.score(member) for member in value.names()}
    cut = stable([15, 15], 15)
    again = [member for member in value.names() if not fold_member(value, member, cut)]
    assert again == [b"counted"]
    assert {member: value.score(member) for member in value.names()} == before
    assert spelled(value) == {
        b"stable": (1.0, [(0, 0, 1.0, SET)], []),
        b"new": (2.0, [(20, 0, 2.0, SET)], []),
        b"contested": (3.0, [(0, 0, 3.0, SET)], []),
        b"half": (6.0, [(30, 1, 6.0, SET), (10, 0, 5.0, SET)], []),
        b"counted": (7.5, [(0, 0, 3.5, SET)], [(30, 1, 4.0)]),
    }
    for member in value.names():
        assert fold_member(value, member, stable([40, 40], 40))
        assert isinstance(value.slot(member), float)
    assert {member: value.score(member) for member in value.names()} == before


def test_a_sum_that_no_float_holds_stays_exact_when_it_is_folded() -> None:
    """Nodes fold at different times: what comes later must be added to the same."""
    rng = random.Random(3)
    amounts = [0.1, 0.2, 0.3, -0.7, 1e17, -1e17, 3e-320, 1e308]
    for _ in range(100):
        folded, whole = ZSetValue(), ZSetValue()
        for stamp in range(10, 30):
            amount = rng.choice(amounts)
            for value in (folded, whole):
                value.do_count(b"x", amount, stamp, 0)
            if rng.random() < 0.3:
                fold_member(folded, b"x", stable([stamp], stamp))
                folded = round_trip(folded)
            assert folded.score(b"x") == whole.score(b"x")
    endless = ZSetValue()
    for stamp, amount in enumerate((1.0, float("inf"), float("-inf"), 5.0), 10):
        endless.do_count(b"x", amount, stamp, 0)
        fold_member(endless, b"x", stable([stamp], stamp))
    assert endless.score(b"x") == 0.0


def test_a_removal_takes_a_folded_sum_with_its_tail() -> None:
    value = ZSetValue()
    for stamp in range(10, 20):
        value.do_count(b"x", 0.1, stamp, 0)
    fold_member(value, b"x", stable([15], 15))
    value.do_count(b"x", 8.0, 3, 1)
    revise(value, b"x", seen(19, 0), None, None)
    assert spelled(value) == {b"x": (8.0, [], [(3, 1, 8.0)])}
