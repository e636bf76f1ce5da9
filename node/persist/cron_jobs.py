"""Jobs of KEYDB.CRON in RDB: KeyDB's value, and beside it what that lacks.  [compiled]

KeyDB writes script, start, interval, keys and arguments, and when the job runs next as the TTL of a
member named like the key. A job that it has loaded repeats, whatever it was before. Our field
`plexis-cron` says three words: single or repeat, the next time in Unix milliseconds, and the member
id of the node that runs the job, if one was named.
"""

from __future__ import annotations

from typing import cast

from mypy_extensions import i64

from node.persist import rdb_codes as codes
from node.persist.rdb_codes import RdbError
from node.persist.rdb_packed import is_integer, to_integer
from node.persist.rdb_records import CronJob
from node.store.values.cron import CronValue
from node.store.values.strings import I64_MAX


def job_content(value: CronValue) -> CronJob:
    """The job as a record has it."""
    return CronJob(value.script, value.start_ms, value.interval_ms, value.keys, value.args)


def job_fields(value: CronValue) -> list[tuple[bytes, bytes]]:
    """Our field, in a file and in a DUMP payload."""
    word = b"single" if value.is_single else b"repeat"
    return [(codes.AUX_JOB, b"%b %d %b" % (word, value.due_ms, value.author))]


def keydb_fields(key: bytes, value: CronValue) -> list[tuple[bytes, bytes]]:
    """What KeyDB needs beside the value, in a file, or it would never run the job."""
    return [(codes.AUX_MEMBER, key), (codes.AUX_MEMBER_DEADLINE, b"%d" % value.due_ms)]


def job_value(content: object, aux: list[tuple[bytes, bytes]]) -> CronValue:
    """The reverse; without our field as KeyDB reads it. RdbError: an interval or time is none."""
    job = cast(CronJob, content)
    if job.interval_ms <= 0 or job.start_ms > I64_MAX - job.interval_ms:
        raise RdbError(f"a job has the interval {job.interval_ms} from {job.start_ms}")
    value = CronValue(job.script, job.keys, job.args, job.start_ms, job.interval_ms)
    ours: bytes | None = None
    for name, text in aux:
        if name == codes.AUX_MEMBER_DEADLINE:
            value.due_ms = time_of(text)
        elif name == codes.AUX_JOB:
            ours = text
    if ours is not None:
        words = ours.split(b" ")
        if len(words) != 3 or (words[0] != b"single" and words[0] != b"repeat"):
            raise RdbError(f"a job's field {ours[:40]!r} is damaged")
        value.is_single = words[0] == b"single"
        value.due_ms = time_of(words[1])
        value.author = words[2]
    return value


def time_of(text: bytes) -> i64:
    """A job's next time; one long past is 1."""
    if not is_integer(text):
        raise RdbError(f"the time {text[:40]!r} of a job is no number")
    due_ms = to_integer(text)
    return due_ms if due_ms > 0 else 1
