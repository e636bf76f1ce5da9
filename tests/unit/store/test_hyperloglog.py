"""HyperLogLog: the bytes Redis makes, and that registers say the same in every form.

That long series of commands leave equal bytes is checked against a real server in
tests/commands/hyperloglog.txt and by the differential test.
"""

from __future__ import annotations

import random

import pytest

from node.store.values.hyperloglog import (
    DENSE_SIZE,
    REGISTERS,
    SPARSE_MAX,
    as_dense,
    cached,
    canonical,
    cardinality,
    fresh,
    highest,
    is_dense,
    is_sketch,
    is_sound,
    murmur64,
    pack,
    place_of,
    raised,
    rank_at,
    ranks_of,
    with_cache,
    with_elements,
    with_registers,
    with_stale_cache,
)


def sketch_of(elements: list[bytes], sparse_max: int = SPARSE_MAX) -> bytes:
    """What PFADD makes of these."""
    return with_stale_cache(with_elements(fresh(), elements, 0, sparse_max)[0])


def numbered(count: int) -> list[bytes]:
    """Different elements."""
    return [b"element:%d" % number for number in range(count)]


def test_the_hash_is_murmur64a_with_redis_seed() -> None:
    assert murmur64(b"") == 0xD8DFEA6585BC9732
    assert murmur64(b"a") & 0x3FFF == 12711
    assert place_of(b"a") == (12711, 2)
    assert place_of(b"b") == (15780, 1)


def test_an_empty_sketch_is_one_run_of_zeros() -> None:
    text = fresh()
    assert text == b"HYLL\x01\0\0\0" + bytes(8) + b"\x7f\xff"
    assert cached(text) == 0
    assert ranks_of(text) == bytes(REGISTERS)


def test_three_elements_as_redis_holds_them() -> None:
    runs = b"\x60\xf3\x80\x50\xb1\x84\x4b\xfb\x80\x42\x5a"
    assert sketch_of([b"a", b"b", b"c"]) == b"HYLL\x01\0\0\0" + bytes(7) + b"\x80" + runs


def test_both_forms_hold_the_same_registers() -> None:
    elements = numbered(300)
    sparse = sketch_of(elements)
    dense = sketch_of(elements, 100)
    assert not is_dense(sparse)
    assert is_dense(dense)
    assert len(dense) == DENSE_SIZE
    assert ranks_of(sparse) == ranks_of(dense)
    assert as_dense(sparse) == dense
    ranks = ranks_of(sparse)
    assert ranks is not None
    for index in [*range(0, REGISTERS, 97), REGISTERS - 1]:
        assert rank_at(sparse, index) == rank_at(dense, index) == ranks[index]


def test_a_register_only_rises() -> None:
    for text in (fresh(), as_dense(fresh())):
        assert text is not None
        higher = raised(text, 77, 5, SPARSE_MAX)
        assert higher is not None
        assert rank_at(higher, 77) == 5
        assert raised(higher, 77, 5, SPARSE_MAX) is higher
        assert raised(higher, 77, 4, SPARSE_MAX) is higher


def test_every_register_can_be_raised_in_any_order() -> None:
    source = random.Random(1)
    for sparse_max in (SPARSE_MAX, 40):
        text = fresh()
        expected = bytearray(REGISTERS)
        for _ in range(400):
            index = source.choice([source.randrange(REGISTERS), source.randrange(12), 16383])
            rank = source.randrange(1, 33)
            after = raised(text, index, rank, sparse_max)
            assert after is not None
            text = after
            expected[index] = max(expected[index], rank)
            assert is_sound(text)
        assert ranks_of(text) == bytes(expected)


def test_neighbours_of_one_rank_share_a_run() -> None:
    text = fresh()
    for index in (3, 1, 2, 4):
        after = raised(text, index, 7, SPARSE_MAX)
        assert after is not None
        text = after
    assert text[16:] == b"\x00" + bytes((0x80 | 6 << 2 | 3,)) + b"\x7f\xfa"


def test_a_rank_that_no_run_can_say_makes_it_dense() -> None:
    text = raised(fresh(), 0, 33, SPARSE_MAX)
    assert text is not None
    assert is_dense(text)
    assert rank_at(text, 0) == 33


def test_a_sketch_beyond_the_limit_becomes_dense() -> None:
    text = fresh()
    for element in numbered(400):
        before = text
        text = with_elements(text, [element], 0, 500)[0]
        if is_dense(text):
            break
        assert len(text) <= 500
    assert is_dense(text)
    assert len(before) > 500 - 5


@pytest.mark.parametrize("count", [0, 1, 10, 100, 1000, 10_000])
def test_the_estimate_is_near(count: int) -> None:
    ranks = ranks_of(sketch_of(numbered(count), 100))
    assert ranks is not None
    assert abs(cardinality(ranks) - count) <= max(1, count * 0.03)


def test_registers_that_no_elements_leave_are_estimated_too() -> None:
    assert cardinality(bytes((51,)) * REGISTERS) > 2**62
    assert cardinality(bytes((63,)) * REGISTERS) == 2**63


def test_the_cached_cardinality() -> None:
    text = with_cache(sketch_of([b"a"]), 258)
    assert cached(text) == 258
    assert text[8:16] == b"\x02\x01\0\0\0\0\0\0"
    assert cached(with_stale_cache(text)) == -1
    assert with_stale_cache(text)[8:10] == b"\x02\x01"


@pytest.mark.parametrize(
    "value",
    [
        None, 12, b"", b"HYLL", b"HYLL\x01" + bytes(10), b"hyll" + bytes(20),
        b"HYLL\x02" + bytes(20), b"HYLL\x00" + bytes(20),
    ],
)  # fmt: skip
def test_what_is_no_sketch(value: object) -> None:
    assert not is_sketch(value)


@pytest.mark.parametrize("runs", [b"", b"\x00", b"\x7f", b"\x7f\xff\x00", b"\x7f\xfe\x83"])
def test_runs_that_make_no_sense_are_noticed(runs: bytes) -> None:
    text = fresh()[:16] + runs
    assert is_sketch(text)
    assert not is_sound(text)
    assert ranks_of(text) is None
    assert as_dense(text) is None
    assert raised(text, 5, 40, SPARSE_MAX) is None


def test_an_element_whose_register_the_runs_do_not_reach_ends_a_pfadd() -> None:
    text = fresh()[:16] + b"\x00"
    assert raised(text, 1, 1, SPARSE_MAX) is None
    assert rank_at(text, 1) == -1
    assert with_elements(text, [b"a", b"b"], 0, SPARSE_MAX) == (text, 0)


def test_packed_registers_say_what_elements_say() -> None:
    elements = numbered(1000)
    for sparse_max in (SPARSE_MAX, 500):
        text = fresh()
        changes: list[tuple[int, int]] = []
        for element in elements:
            index, rank = place_of(element)
            after = raised(text, index, rank, sparse_max)
            assert after is not None
            if after is not text:
                changes.append((int(index), int(rank)))
                text = after
        assert with_registers(fresh(), pack(changes), sparse_max) == text


def test_packed_registers_that_cannot_be_are_passed_over() -> None:
    odd = pack([(20_000, 3), (5, 0), (5, 60)]) + b"\x01"
    assert with_registers(fresh(), odd, SPARSE_MAX) == fresh()
    dense = as_dense(fresh())
    assert dense is not None
    assert with_registers(dense, odd, SPARSE_MAX) == dense


def test_a_union_and_its_one_form() -> None:
    elements = numbered(300)
    left, right = ranks_of(sketch_of(elements[:200])), ranks_of(sketch_of(elements[100:]))
    assert left is not None
    assert right is not None
    union = highest(left, right)
    assert union == ranks_of(sketch_of(elements)) == highest(right, left)
    source = random.Random(2)
    for _ in range(3):
        source.shuffle(elements)
        assert ranks_of(sketch_of(elements)) == union
    text = canonical(union)
    assert not is_dense(text)
    assert ranks_of(text) == union
    assert cached(text) == -1
    crowded = ranks_of(sketch_of(numbered(5000), 100))
    assert crowded is not None
    assert is_dense(canonical(crowded))
    assert ranks_of(canonical(crowded)) == crowded
    assert is_dense(canonical(bytes((40,)) + bytes(REGISTERS - 1)))
