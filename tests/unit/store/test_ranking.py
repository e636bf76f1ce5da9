"""Ranking against a plain sorted list, with enough members that blocks split and join."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right, insort

import pytest

from node.store.values.ranking import BLOCK_FILLED, BLOCK_MAX, BLOCK_MIN, Ranking

Pairs = list[tuple[float, bytes]]


def pairs_of(ranking: Ranking) -> Pairs:
    """Everything in it, in order."""
    size = int(ranking.size)
    return list(zip(ranking.scores(0, size), ranking.members(0, size), strict=True))


def agree(ranking: Ranking, model: Pairs, rng: random.Random) -> None:
    """Each question gets the answer that the sorted list gives."""
    assert ranking.size == len(model)
    assert pairs_of(ranking) == model
    for _ in range(20):
        score = float(rng.randrange(60))
        member = b"%d" % rng.randrange(5000)
        assert ranking.below(score) == bisect_left(model, (score, b""))
        assert ranking.up_to(score) == bisect_right(model, (score, b"\xff"))
        assert ranking.rank_of(score, member) == bisect_left(model, (score, member))
        start = rng.randrange(len(model) + 1)
        stop = rng.randrange(start, len(model) + 1)
        assert ranking.members(start, stop) == [member for _, member in model[start:stop]]
        assert ranking.scores(start, stop) == [score for score, _ in model[start:stop]]


@pytest.mark.parametrize("scores", [1, 50, 10_000])
def test_it_answers_as_a_sorted_list_does(scores: int) -> None:
    rng = random.Random(scores)
    ranking = Ranking()
    model: Pairs = []
    for grows in (0.9, 0.2, 0.7, 0.0):
        for _ in range(6 * BLOCK_MAX):
            if rng.random() < grows or not model:
                pair = (float(rng.randrange(scores)), b"%d" % rng.randrange(1 << 30))
                if (place := bisect_left(model, pair)) < len(model) and model[place] == pair:
                    continue
                insort(model, pair)
                ranking.add(*pair)
            else:
                pair = model.pop(rng.randrange(len(model)))
                assert ranking.remove(*pair) == pair[1]
            if rng.random() < 0.01:
                assert ranking.rank_of(*pair) == bisect_left(model, pair)
        if model:
            agree(ranking, model, rng)
    assert model == []
    assert ranking.members(0, 0) == []
    assert ranking.rank_of(1.0, b"m") == ranking.below(1.0) == ranking.up_to(1.0) == 0


@pytest.mark.parametrize("from_end", [False, True])
def test_a_queue_is_popped_to_its_end(from_end: bool) -> None:
    ranking = Ranking()
    count = 5 * BLOCK_MAX
    for i in range(count):
        ranking.add(float(i), b"%d" % i)
    for i in range(count):
        n = count - 1 - i if from_end else i
        rank = ranking.size - 1 if from_end else 0
        (member,) = ranking.members(rank, rank + 1)
        assert member == b"%d" % n
        ranking.remove(float(n), member)
    assert ranking.size == 0


def test_blocks_stay_within_their_bounds() -> None:
    """Small blocks are joined, so a set that shrank does not keep many blocks."""
    ranking = Ranking()
    count = 20 * BLOCK_MAX
    for i in range(count):
        ranking.add(float(i), b"%d" % i)
    for i in range(count):
        if i % 100:
            ranking.remove(float(i), b"%d" % i)
    sizes = [len(block.members) for block in ranking._blocks]
    assert sum(sizes) == ranking.size == len(range(0, count, 100))
    assert max(sizes) <= BLOCK_MAX
    assert len(sizes) <= ranking.size / BLOCK_MIN * 2 + 1


def test_filled_at_once_copied_and_thinned_out() -> None:
    rng = random.Random(7)
    members = [b"%06d" % i for i in range(3 * BLOCK_FILLED + 1)]
    scores = [float(i // 10) for i in range(len(members))]
    ranking = Ranking()
    ranking.fill(scores, members)
    model = list(zip(scores, members, strict=True))
    agree(ranking, model, rng)
    twin = ranking.copy()
    ranking.remove_all(set(members) - set(members[::7]))
    agree(ranking, model[::7], rng)
    agree(twin, model, rng)
    twin.release(len(members))
    assert twin._blocks == []


def test_the_object_that_is_held_is_given_back() -> None:
    """So that an update keeps one bytes object for a member, not two."""
    ranking = Ranking()
    held = bytes(bytearray(b"member"))
    ranking.add(1.0, held)
    assert ranking.remove(1.0, bytes(bytearray(b"member"))) is held
