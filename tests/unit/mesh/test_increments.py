"""The logs of increments: each counts on one register, or on none any more."""

from __future__ import annotations

import random

import pytest

from mesh.merge.increments import CHUNK_RECORDS, DEAD, Increment, Log, base_of, field_place
from mesh.merge.ledger import Ledger
from mesh.merge.totals import beyond, keeps_text, total, without

BASE = base_of(7, 0)


def deltas(ledger: Ledger, key: bytes, over: int) -> list[int]:
    """What counts on a register, of all streams."""
    return sorted(int(each.delta) for each in ledger.strings.live(0, key, over, 0))


def test_increments_are_found_by_database_place_and_register() -> None:
    ledger = Ledger()
    ledger.strings.log(0, 0).append(b"k", 10, 5, BASE)
    ledger.strings.log(0, 3).append(b"k", 11, 6, BASE)
    ledger.strings.log(0, 0).append(b"l", 12, 7, BASE)
    ledger.strings.log(1, 0).append(b"k", 13, 8, BASE)
    ledger.strings.log(0, 0).append(b"k", 14, 9, base_of(8, 0))
    assert deltas(ledger, b"k", BASE) == [5, 6]
    assert deltas(ledger, b"k", base_of(8, 0)) == [9]
    assert deltas(ledger, b"nothing", BASE) == []
    assert ledger.strings.live(5, b"k", BASE, 0) == []
    assert ledger.records() == 5


def test_what_was_appended_since_a_look_is_found_by_the_next() -> None:
    ledger = Ledger()
    log = ledger.strings.log(0, 0)
    for number in range(3):
        log.append(b"k", number, number, BASE)
        assert deltas(ledger, b"k", BASE) == list(range(number + 1))


def test_an_increment_that_moves_counts_on_another_register() -> None:
    ledger = Ledger()
    ledger.strings.log(0, 0).append(b"k", 10, 5, BASE)
    [one] = ledger.strings.live(0, b"k", BASE, 0)
    one.move(base_of(9, 1))
    assert deltas(ledger, b"k", BASE) == []
    assert deltas(ledger, b"k", base_of(9, 1)) == [5]
    one.move(DEAD)
    assert deltas(ledger, b"k", base_of(9, 1)) == []


def test_a_buried_register_has_no_increments() -> None:
    ledger = Ledger()
    ledger.strings.log(0, 0).append(b"k", 10, 5, BASE)
    ledger.fields.log(0, 0).append(field_place(b"h", b"f"), 10, 5, BASE)
    ledger.strings.bury(0, b"k", BASE)
    ledger.fields.bury(0, field_place(b"h", b"f"), BASE)
    assert deltas(ledger, b"k", BASE) == []
    assert ledger.fields.live(0, field_place(b"h", b"f"), BASE, 0) == []


def test_full_chunks_are_searched_as_the_newest_is() -> None:
    ledger = Ledger()
    log = ledger.strings.log(0, 0)
    for number in range(2 * CHUNK_RECORDS + 10):
        log.append(b"k%d" % (number % 100), number + 1, 1, BASE)
    assert len(log.chunks) == 3
    found = ledger.strings.live(0, b"k7", BASE, 0)
    assert len(found) == len([n for n in range(2 * CHUNK_RECORDS + 10) if n % 100 == 7])
    found[0].move(DEAD)
    found[-1].move(DEAD)
    assert len(ledger.strings.live(0, b"k7", BASE, 0)) == len(found) - 2


@pytest.mark.parametrize("seed", range(6))
def test_a_place_is_found_in_whatever_chunks_it_stands(seed: int) -> None:
    """Those that come late, that were searched before they were full, and that were dropped."""
    rng = random.Random(seed)
    log = Log(0, 1)
    stood: list[tuple[bytes, int, int]] = []  # place, stamp, generation
    generation = 1
    stamp = 0
    sealed = False  # a generation waits behind the one that is written
    for _ in range(60):
        for _ in range(rng.choice((1, 50, CHUNK_RECORDS // 2, CHUNK_RECORDS + 1))):
            stamp += 1
            often = rng.random() < 0.5
            place = b"k%d" % (rng.randrange(9) if often else rng.randrange(seed + 1, 10**6))
            if sealed and rng.random() < 0.2:
                log.append_late(place, stamp, stamp, BASE, generation - 1)
                stood.append((place, stamp, generation - 1))
            else:
                log.append(place, stamp, stamp, BASE)
                stood.append((place, stamp, generation))
        event = rng.random()
        if event < 0.3 and not sealed:
            sealed = True
            generation += 1
            log.begin(generation)
        elif event < 0.3:
            sealed = False
            while log.drop_one(generation - 1) is not None:
                pass
            stood = [each for each in stood if each[2] == generation]
            while log.free():
                pass
        elif event < 0.33:
            log = log.take()
        if rng.random() < 0.5:
            continue  # nobody searches
        slices = rng.choice((0, 3, 10**6))
        while slices > 0 and log.list_some(rng.randrange(1, CHUNK_RECORDS)):
            slices -= 1
        for number in range(10):
            place = b"k%d" % number
            found: list[Increment] = []
            log.live(place, BASE, 0, found)
            expected = sorted(each[1] for each in stood if each[0] == place)
            assert sorted(int(each.stamp) for each in found) == expected
            assert log.sum_after(place, BASE, 0, 0) == (len(expected),) * 2 + (sum(expected),)
    assert log.records == len(stood)
    generation += 1
    log.begin(generation)
    while log.drop_one(generation) is not None:
        if not log.records:
            break
    log.begin(generation + 1)
    while log.free():
        pass
    assert not log._where


def test_a_search_among_many_begins_in_slices() -> None:
    """Listed at once, some millions take seconds in which nobody is served."""
    ledger = Ledger()
    for book in (ledger.strings, ledger.fields):
        for number in range(3 * CHUNK_RECORDS):
            book.log(0, 0).append(b"k%d" % (number % 7), number + 1, 1, BASE)
    slices = 1
    while ledger.list_some(1000):
        slices += 1
    assert slices > 2 * 2 * CHUNK_RECORDS // 1000
    log = ledger.fields.log(0, 0)
    assert [len(each.places) - each.listed for each in log.chunks] == [0, 0, CHUNK_RECORDS]
    assert len(ledger.fields.live(0, b"k0", BASE, 0)) == 3 * CHUNK_RECORDS // 7 + 1


def test_decimals_are_kept_exactly() -> None:
    ledger = Ledger()
    ledger.strings.log(0, 0).append_decimal(b"k", 10, b"0.10000000000000001", BASE)
    [one] = ledger.strings.live(0, b"k", BASE, 0)
    assert one.decimal == b"0.10000000000000001"


def test_places_of_fields_are_unambiguous() -> None:
    places = {field_place(b"ab", b"c"), field_place(b"a", b"bc"), field_place(b"", b"abc")}
    assert len(places) == 3


def test_equal_stamps_of_two_streams_are_two_bases() -> None:
    assert base_of(7, 0) != base_of(7, 1) != base_of(8, 0)
    assert all(0 <= base_of(stamp, 40) < 2**62 for stamp in (0, 1, 2**62, 2**63 - 1))


def test_totals_add_what_counts_and_give_the_register_back() -> None:
    ledger = Ledger()
    log = ledger.strings.log(0, 0)
    log.append(b"k", 1, 5, BASE)
    log.append_decimal(b"k", 2, b"0.5", BASE)
    some = ledger.strings.live(0, b"k", BASE, 0)
    whole = [each for each in some if each.decimal is None]
    assert total(b"10", whole) == 15 and without(15, whole) == 10
    assert total(None, whole) == 5 and total(b"text", whole) == b"text"
    assert total(b"10", some) == b"15.5" and without(b"15.5", some) == b"10"
    assert total(b"10.50", whole) == b"15.5" and keeps_text(b"10.50")
    assert not keeps_text(b"10") and not keeps_text(b"10.5") and keeps_text(b"text")
    assert total(b"92233720368547758067", whole) == b"92233720368547758072"
    assert without(b"92233720368547758072", whole) == b"92233720368547758067"


def test_only_sums_beyond_64_bits_are_beyond() -> None:
    assert beyond(2**63) and beyond(-(2**63) - 1)
    assert not beyond(2**63 - 1) and not beyond(-(2**63)) and not beyond(b"9" * 30)
