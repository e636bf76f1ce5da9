"""Scans of a large value's names: nothing that stays is missed, whatever else changes."""

from __future__ import annotations

import random

import pytest

from node.store.shards import CURSOR_MAX, hash_of
from node.store.values.places import Places
from node.store.values.scans import KEPT_MAX, Scans


def filled(size: int) -> Places:
    places = Places()
    places.do_fill_names([b"m%d" % i for i in range(size)], None)
    return places


def whole(scans: Scans, places: Places, count: int) -> list[bytes]:
    cursor, found = scans.scan(places, 0, count)
    while cursor != 0:
        cursor, more = scans.scan(places, cursor, count)
        found += more
    return found


@pytest.mark.parametrize("size", [0, 1, 700, 12_000])
@pytest.mark.parametrize("count", [1, 13, 5_000])
def test_each_name_comes_once_in_the_order_of_the_hashes(size: int, count: int) -> None:
    places = filled(size)
    found = whole(Scans(), places, count)
    assert sorted(found) == sorted(places.names())
    assert found == sorted(found, key=hash_of)


@pytest.mark.parametrize("size", [700, 12_000])
def test_a_call_returns_what_was_asked_for(size: int) -> None:
    places = filled(size)
    scans = Scans()
    cursor, found = scans.scan(places, 0, 10)
    while cursor != 0:
        assert len(found) == 10
        cursor, found = scans.scan(places, cursor, 10)


@pytest.mark.parametrize("size", [700, 9_900, 12_000])
def test_what_stays_is_returned_by_several_scans_at_once(size: int) -> None:
    """Others come and go, the value grows large, and more scan than orders are kept for."""
    places = filled(size)
    stays = set(places.names()[::2])
    scans = Scans()
    rng = random.Random(size)
    under_way: list[tuple[int, set[bytes]]] = [(0, set()) for _ in range(KEPT_MAX + 4)]
    done = 0
    for step in range(200_000):
        at = rng.randrange(len(under_way))
        cursor, seen = under_way[at]
        cursor, names = scans.scan(places, cursor, rng.choice([1, 50, 300]))
        for name in names:
            assert places.has(name)
        seen.update(names)
        if cursor == 0:
            assert stays <= seen
            done += 1
            if done == 24:
                return
            seen = set()
        under_way[at] = (cursor, seen)
        if step % 3 == 0:
            places.do_place(b"new%d" % step, None)
        else:
            name = places.nth(rng.randrange(places.size()))
            if name not in stays:
                places.do_take(name)
    raise AssertionError("the scans do not end")


def test_a_name_that_went_is_not_returned_and_a_new_scan_has_new_ones() -> None:
    places = filled(300)
    scans = Scans()
    cursor, found = scans.scan(places, 0, 10)
    gone = next(name for name in places.names() if name not in found)
    places.do_take(gone)
    assert gone not in scans.scan(places, cursor, 1000)[1]
    places.do_place(b"late", None)
    assert b"late" in scans.scan(places, 0, 1000)[1]


@pytest.mark.parametrize("cursor", [-1, CURSOR_MAX + 1, 1 << 70])
def test_a_cursor_that_is_none_ends_the_scan(cursor: int) -> None:
    assert Scans().scan(filled(300), cursor, 10) == (0, [])


@pytest.mark.parametrize("size", [300, 12_000])
def test_any_cursor_goes_on_at_its_hash(size: int) -> None:
    places = filled(size)
    rng = random.Random(5)
    for _ in range(20):
        cursor = rng.randrange(CURSOR_MAX + 1)
        after, found = Scans().scan(places, cursor, 20)
        wanted = sorted((name for name in places.names() if hash_of(name) >= cursor), key=hash_of)
        assert found == wanted[: len(found)]
        assert len(found) >= min(20, len(wanted))
        assert after == 0 or after >= cursor


def test_few_orders_are_kept() -> None:
    scans = Scans()
    for _ in range(3 * KEPT_MAX):
        scans.scan(filled(200), 0, 10)
    assert len(scans._kept) == KEPT_MAX
