"""CronValue: its times, and what it shows of itself."""

from __future__ import annotations

import pytest

from node.store.values.cron import CronValue


@pytest.mark.parametrize(
    ("start_ms", "interval_ms", "now_ms", "due_ms"),
    [
        (1000, 100, 1100, 1200),
        (1000, 100, 1199, 1200),
        (1000, 100, 1200, 1300),
        (1000, 100, 5050, 5100),
        (0, 100, 5050, 5150),  # began at 0: from its first run
        (-500, 100, 5050, 5101),  # long past is 1
        (1000, 2**62, 5050, 2**60),  # for ever
    ],
)
def test_the_next_time_is_the_first_after_now(
    start_ms: int, interval_ms: int, now_ms: int, due_ms: int
) -> None:
    job = CronValue(b"", [], [], start_ms, interval_ms)
    assert job.after(now_ms).due_ms == due_ms
    assert job.due_ms == max(1, start_ms + interval_ms)


def test_a_job_that_has_run_goes_on_at_its_own_times() -> None:
    job = CronValue(b"", [], [], 0, 100).after(5050)
    assert job.after(5150).due_ms == 5250 and job.after(5255).due_ms == 5350
    assert job.next_ms(100) == 5150 and job.next_ms(5200) == 5250


def test_what_it_shows() -> None:
    job = CronValue(b"return 1", [b"k"], [b"a"], 1000, 100)
    assert (job.kind(), job.size(), job.is_shown()) == (b"unknown", 1, True)
    assert job.copy() is job
    assert job.footprint(0) > 100
    assert job.release(10) == 0
    twin = job.given_to(b"somebody").after(10_000)
    assert twin.parts() == job.parts() == [b"return 1", b"1000 100 0", b"k", b"", b"a"]
    assert twin.author == b"somebody"
    other = CronValue(b"return 1", [], [b"k", b"a"], 1000, 100)
    assert other.parts() != job.parts()
    single = job.given_to(b"")
    single.is_single = True
    assert single.parts() != job.parts() and single.next_ms(10_000) == 1100
    assert not CronValue(b"", [], [], 0, 0).is_shown()
