"""Jobs in RDB: every one comes back, KeyDB's as KeyDB reads it, damage is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.persist import rdb_codes as codes
from node.persist.canon import command_of, effect_of, payload_of, restored
from node.persist.contents import content_of, member_fields, value_of
from node.persist.cron_jobs import job_value, keydb_fields
from node.persist.rdb_codes import RdbError
from node.persist.rdb_records import CronJob
from node.store.effect import PUT, Effect
from node.store.values.cron import CronValue

TEXT = st.binary(max_size=20)
MS = st.integers(-(2**60), 2**60)


@st.composite
def jobs(draw: st.DrawFn) -> CronValue:
    """Any job."""
    interval_ms = draw(st.integers(1, 2**60))
    texts = draw(st.lists(TEXT, max_size=3)), draw(st.lists(TEXT, max_size=3))
    job = CronValue(draw(TEXT), *texts, draw(MS), interval_ms)
    job.is_single = draw(st.booleans())
    job.author = draw(st.sampled_from([b"", b"0123456789abcdef0123456789abcdef"]))
    return job.after(draw(st.integers(0, 2**59))) if draw(st.booleans()) else job


def spelled(value: object) -> tuple[object, ...]:
    """Everything of a job."""
    assert isinstance(value, CronValue)
    return (
        value.script, value.keys, value.args, value.start_ms, value.interval_ms, value.due_ms,
        value.is_single, value.author,
    )  # fmt: skip


@given(jobs(), st.integers(9, 12))
def test_a_job_comes_back_from_every_form(job: CronValue, version: int) -> None:
    kind, content = content_of(job, version)
    assert kind == codes.KIND_CRON
    assert spelled(value_of(kind, content, member_fields(job))) == spelled(job)
    assert spelled(restored(payload_of(job))) == spelled(job)
    effect = Effect(PUT, 0, b"k", job, 5, 1, 0, 0)
    words = command_of(effect)
    assert words is not None and words[0] == b"RESTORE"
    back = effect_of(words, 0, 1, 0, 0)
    assert back is not None and back.number == 5
    assert spelled(back.value) == spelled(job)


def test_without_our_field_a_job_repeats_and_the_members_time_counts() -> None:
    job = CronJob(b"return 1", 1000, 10, [b"k"], [b"a"])
    value = job_value(job, [(codes.AUX_MEMBER, b"job"), (codes.AUX_MEMBER_DEADLINE, b"1020")])
    assert spelled(value) == (b"return 1", [b"k"], [b"a"], 1000, 10, 1020, False, b"")
    assert job_value(job, []).due_ms == 1010
    assert keydb_fields(b"job", value)[1] == (codes.AUX_MEMBER_DEADLINE, b"1020")


@pytest.mark.parametrize(
    ("start_ms", "interval_ms", "name", "text"),
    [
        (0, 0, b"", b""),
        (0, -1, b"", b""),
        (2**63 - 1, 1, b"", b""),
        (0, 1, codes.AUX_MEMBER_DEADLINE, b"soon"),
        (0, 1, codes.AUX_JOB, b"single"),
        (0, 1, codes.AUX_JOB, b"often 5 "),
        (0, 1, codes.AUX_JOB, b"single x "),
        (0, 1, codes.AUX_JOB, b"single 5 a b"),
    ],
)
def test_damage_is_told(start_ms: int, interval_ms: int, name: bytes, text: bytes) -> None:
    with pytest.raises(RdbError, match="a job"):
        job_value(CronJob(b"", start_ms, interval_ms, [], []), [(name, text)])
