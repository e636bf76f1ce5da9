"""The hybrid clock: never behind the wall, never at or below a stamp given or observed."""

from __future__ import annotations

from mesh.clock import HybridClock


def test_stamps_are_milliseconds_and_a_counter() -> None:
    clock = HybridClock()
    clock.now_ms = 1000
    assert clock.next() == 1000 << 20
    assert clock.next() == (1000 << 20) + 1
    clock.now_ms = 1001
    assert clock.next() == 1001 << 20


def test_a_clock_that_is_set_back_still_counts_up() -> None:
    clock = HybridClock()
    clock.now_ms = 1000
    first = clock.next()
    clock.now_ms = 10
    assert clock.next() == first + 1


def test_what_was_observed_is_passed() -> None:
    clock = HybridClock()
    clock.now_ms = 1000
    clock.observe(5000 << 20)
    assert clock.next() == (5000 << 20) + 1
    clock.observe(10)
    assert clock.next() == (5000 << 20) + 2


def test_a_counter_that_is_full_runs_into_the_next_millisecond() -> None:
    clock = HybridClock()
    clock.now_ms = 1000
    clock.observe((1000 << 20) + (1 << 20) - 1)
    assert clock.next() == 1001 << 20
