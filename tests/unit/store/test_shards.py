"""Shards: the hash is the same everywhere and spreads keys; SCAN keeps its promise; fair picks."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.store.entry import Entry
from node.store.shards import MASK, SHARDS, Shards, hash_of, shard_of

VECTORS = [
    (b"", 0x0000000000000000),
    (b"a", 0x2a7ed8c8908a7491),
    (b"b", 0x08b6528200a4bc4b),
    (b"k1", 0x2bf1d34a62b06ea0),
    (b"1234567", 0x3483e31315330d2c),
    (b"12345678", 0x39fcb93f5aa8ac50),
    (b"123456789", 0x056984c2e0400dee),
    (b"user:1000000", 0x03287110c898357f),
    (b"\xff" * 7, 0x100b583eb805ac1f),
    (b"\xff" * 8, 0x2dfb9724a2d62f01),
    (bytes(8), 0x31bbcdcbe28e064d),
    (bytes(16), 0x3dfe21f427e8ac91),
    (b"\xff" * 33, 0x1928f0cce30d9c83),
]


def filled(keys: list[bytes]) -> Shards:
    shards = Shards()
    for key in keys:
        shards.put(key, Entry(b"", 0, 0))
    return shards


def whole_scan(shards: Shards, count: int) -> list[bytes]:
    cursor, found = shards.scan(0, count)
    while cursor != 0:
        cursor, more = shards.scan(cursor, count)
        found += more
    return found


@pytest.mark.parametrize(("key", "expected"), VECTORS)
def test_the_hash_is_what_it_was(key: bytes, expected: int) -> None:
    """Cursors and digests of other nodes, in either build, go by these numbers."""
    assert hash_of(key) == expected


@given(st.binary(max_size=100))
def test_a_hash_has_62_bits(key: bytes) -> None:
    assert 0 <= hash_of(key) <= MASK
    assert 0 <= shard_of(key) < SHARDS


@pytest.mark.parametrize("size", [1, 3, 7, 8, 9, 15, 16, 17, 24, 40])
def test_every_bit_of_a_key_counts(size: int) -> None:
    key = bytes(range(60, 60 + size))
    number = int.from_bytes(key, "little")
    others = {(number ^ (1 << bit)).to_bytes(size, "little") for bit in range(8 * size)}
    assert len({hash_of(other) for other in others} | {hash_of(key)}) == 8 * size + 1


@pytest.mark.parametrize(
    "form", ["%d", "key:%d", "key:%012d", "user:%d:session", "{tag}%08d", "0123456789abcdef%d"]
)
def test_numbered_keys_are_spread(form: str) -> None:
    """No two of 50,000 names share a hash; no shard has much more than its 195 of them."""
    keys = [(form % number).encode() for number in range(50_000)]
    assert len({hash_of(key) for key in keys}) == len(keys)
    sizes = Counter(shard_of(key) for key in keys)
    assert len(sizes) == SHARDS
    assert max(sizes.values()) < 300
    assert min(sizes.values()) > 100


def test_letters_that_differ_in_the_highest_bits_are_told_apart() -> None:
    """The two bits of each eighth byte that do not fit in 62 tell `0` from `p` and `P`."""
    letters = [b"0", b"P", b"p", b"\xb0"]
    keys = [b"0000000" + a + b"1111111" + b for a in letters for b in letters]
    assert len({hash_of(key) for key in keys}) == len(keys)


def test_a_map_of_keys() -> None:
    shards = Shards()
    first = Entry(b"1", 0, 0)
    shards.put(b"a", first)
    shards.put(b"b", Entry(b"2", 0, 0))
    assert shards.get(b"a") is first
    assert shards.get(b"c") is None
    assert shards.size == 2
    assert shards.pop(b"a") is first
    assert shards.pop(b"a") is None
    assert shards.size == 1


def test_a_key_that_is_put_again_counts_once() -> None:
    shards = filled([b"a"])
    newer = Entry(b"2", 0, 0)
    shards.put(b"a", newer)
    assert shards.size == 1
    assert shards.get(b"a") is newer


@pytest.mark.parametrize("count", [1, 2, 10, 1000, 10**9])
def test_a_scan_returns_each_key_once(count: int) -> None:
    keys = [b"k%d" % number for number in range(3000)]
    assert sorted(whole_scan(filled(keys), count)) == sorted(keys)


@pytest.mark.parametrize("count", [1, 7, 100])
def test_a_call_of_scan_returns_what_was_asked_for(count: int) -> None:
    shards = filled([b"k%d" % number for number in range(3000)])
    cursor, found = shards.scan(0, count)
    assert cursor != 0
    assert len(found) == count


def test_an_empty_map_is_scanned_in_one_call() -> None:
    assert Shards().scan(0, 10) == (0, [])


@pytest.mark.parametrize("cursor", [-1, MASK + 1, 2**64])
def test_a_cursor_that_was_never_given_ends_the_scan(cursor: int) -> None:
    assert filled([b"a"]).scan(cursor, 10) == (0, [])


@given(st.integers(0, 2**32), st.integers(1, 20))
def test_a_key_present_during_a_whole_scan_is_returned(seed: int, count: int) -> None:
    """Whatever comes and goes meanwhile, and nothing is returned twice unless it came again."""
    rng = random.Random(seed)
    steady = [b"s%d" % number for number in range(rng.randrange(120))]
    passing = [b"p%d" % number for number in range(120)]
    shards = filled([*steady, *passing[:60]])
    cursor, found = shards.scan(0, count)
    while cursor != 0:
        for key in rng.sample(passing, 10):
            if rng.random() < 0.5:
                shards.pop(key)
            elif shards.get(key) is None:
                shards.put(key, Entry(b"", 0, 0))
        cursor, more = shards.scan(cursor, count)
        found += more
    returned = Counter(found)
    assert all(returned[key] == 1 for key in steady)


def test_scans_at_several_places_at_once() -> None:
    keys = [b"k%d" % number for number in range(2000)]
    shards = filled(keys)
    cursors = [shards.scan(0, start)[0] for start in (1, 300, 600, 900, 1200, 1500)]
    for cursor in cursors:
        expected = sorted(hash_of(key) for key in keys if hash_of(key) >= cursor)
        found: list[bytes] = []
        while cursor != 0:
            cursor, more = shards.scan(cursor, 50)
            found += more
        assert [hash_of(key) for key in found] == expected


def test_every_key_is_picked_equally_often() -> None:
    keys = [b"k%d" % number for number in range(50)]
    shards = filled(keys)
    assert Counter(shards.sample(number) for number in range(500)) == Counter(keys * 10)


def test_nothing_is_picked_from_an_empty_map() -> None:
    assert Shards().sample(7) is None


def test_clear_gives_the_old_dicts_away() -> None:
    shards = filled([b"a", b"b"])
    shards.scan(0, 1)
    old = shards.clear()
    assert sum(len(keys) for keys in old) == 2
    assert shards.size == 0
    assert shards.get(b"a") is None
    assert shards.scan(0, 10) == (0, [])
    shards.put(b"a", Entry(b"", 0, 0))
    assert shards.scan(0, 10) == (0, [b"a"])
