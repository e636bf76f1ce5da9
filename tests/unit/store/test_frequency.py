"""The counter of OBJECT FREQ: rises ever more slowly, falls with time."""

import pytest
from mypy_extensions import i64

from node.store.frequency import Frequency

HOUR_S = 3600


def raised(frequency: Frequency, uses: int, clock: int, at_s: int) -> int:
    """The clock after so many uses at one time."""
    for _ in range(uses):
        clock = frequency.used(i64(clock), i64(at_s))
    return int(clock)


def test_a_new_key_begins_with_five() -> None:
    frequency = Frequency(i64(10), i64(1))
    assert frequency.counter(i64(frequency.new(i64(HOUR_S))), i64(HOUR_S)) == 5


# The figures of Redis's own documentation, which are averages.
@pytest.mark.parametrize(
    ("factor", "uses", "low", "high"),
    [(0, 100, 105, 105), (0, 1000, 255, 255), (1, 1000, 40, 60), (10, 100, 8, 14),
     (10, 1000, 14, 24), (100, 1000, 8, 13)],
)  # fmt: skip
def test_it_rises_as_the_factor_says(factor: int, uses: int, low: int, high: int) -> None:
    frequency = Frequency(i64(factor), i64(1))
    clock = raised(frequency, uses, frequency.new(i64(0)), 0)
    assert low <= frequency.counter(i64(clock), i64(0)) <= high


def test_it_falls_by_one_for_each_period_without_use() -> None:
    frequency = Frequency(i64(0), i64(2))
    clock = raised(frequency, 20, frequency.new(i64(0)), 0)
    assert frequency.counter(i64(clock), i64(0)) == 25
    assert frequency.counter(i64(clock), i64(119)) == 25
    assert frequency.counter(i64(clock), i64(120)) == 24
    assert frequency.counter(i64(clock), i64(10 * 120)) == 15
    assert frequency.counter(i64(clock), i64(100 * 120)) == 0


def test_it_does_not_fall_where_that_is_switched_off() -> None:
    frequency = Frequency(i64(0), i64(0))
    clock = raised(frequency, 3, frequency.new(i64(0)), 0)
    assert frequency.counter(i64(clock), i64(HOUR_S)) == 8


def test_minutes_go_round_after_45_days() -> None:
    frequency = Frequency(i64(0), i64(1))
    late_s = 60 * 65535
    clock = frequency.new(i64(late_s))
    assert frequency.counter(i64(clock), i64(late_s + 120)) == 3
