"""AppendLog: what is written when, what counts as on the disk, and what a failing disk changes."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import cast

import pytest

from node.persist.aof import ALWAYS, EVERYSEC, NO, AppendLog, LogFile, LogWatcher
from node.persist.aof_worker import Work, Worker
from tests.support.jobs import StepWorker


class Disk(LogFile):
    """A file in memory that may have room for so many bytes only; `durable` survives a crash."""

    def __init__(self) -> None:
        self.start = 0
        self.data = b""
        self.durable = b""
        self.room = 1 << 30
        self.sync_fails = False
        self.calls: list[str] = []

    def write(self, data: bytes) -> int:
        taken = data[: self.room - len(self.data)]
        self.calls.append("write")
        if not taken:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.data += taken
        return len(taken)

    def sync(self) -> None:
        self.calls.append("sync")
        if self.sync_fails:
            raise OSError(errno.EIO, "Input/output error")
        self.durable = self.data

    def truncate(self, size: int) -> None:
        self.calls.append("truncate")
        self.data = self.data[:size]

    def close(self) -> None:
        self.calls.append("close")


class Told(LogWatcher):
    """What the log says, in order; `before` is called at `collect`."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.late = b""
        self.log: AppendLog

    def collect(self) -> None:
        if self.late:
            late, self.late = self.late, b""
            self.log.append(late)

    def sealed(self) -> None:
        self.words.append("sealed")

    def durable(self) -> None:
        self.words.append("durable")

    def failed(self, error: OSError) -> None:
        self.words.append("failed")

    def healed(self) -> None:
        self.words.append("healed")


class Bench:
    """A log on a disk of the test's own, and its clock."""

    def __init__(self, policy: str) -> None:
        self.now_s = 100.0
        self.worker = StepWorker(steps=True)
        self.told = Told()
        self.disk = Disk()
        self.log = AppendLog(self.worker, lambda: self.now_s, self.told)
        self.told.log = self.log
        self.log.policy = policy
        self.log.open(self.disk)

    def later(self, seconds: float) -> None:
        """Time passes; the log is told."""
        self.now_s += seconds
        self.log.tick()


def test_always_makes_groups_and_says_when_each_is_durable() -> None:
    bench = Bench(ALWAYS)
    bench.log.append(b"one")
    bench.log.append(b"two")
    bench.log.append(b"three")
    assert bench.disk.data == b"" and bench.told.words == ["sealed"]
    bench.worker.step()
    assert bench.disk.durable == b"one"
    assert bench.told.words == ["sealed", "durable", "sealed"], "the next group is what came since"
    bench.worker.step()
    assert bench.disk.durable == b"onetwothree" and bench.log.size == 11
    assert bench.disk.calls == ["write", "sync", "write", "sync"]
    assert bench.told.words[-1] == "durable" and not bench.worker.jobs


def test_a_group_takes_what_was_written_up_to_the_moment_it_is_sealed() -> None:
    bench = Bench(ALWAYS)
    bench.log.append(b"a")
    bench.told.late = b"b"
    bench.log.append(b"c")
    bench.worker.step()
    bench.worker.step()
    assert bench.disk.durable == b"acb" and not bench.worker.jobs


def test_always_on_a_full_disk_acknowledges_nothing_until_all_of_it_is_there() -> None:
    bench = Bench(ALWAYS)
    bench.log.append(b"kept.")
    bench.worker.step()
    bench.disk.room = 8
    bench.log.append(b"group")
    bench.log.append(b"next.")
    bench.worker.step()
    assert bench.told.words[-1] == "failed"
    bench.later(0.5)
    assert not bench.worker.jobs, "tried again once a second"
    bench.later(0.6)
    bench.worker.step()
    assert bench.log.broken and bench.disk.durable == b"kept."
    bench.disk.room = 100
    bench.later(1.1)
    bench.worker.wait()
    assert bench.disk.durable == b"kept.group" + b"next.", "no half of the group stands before it"
    assert bench.told.words[-5:] == ["failed", "healed", "durable", "sealed", "durable"]
    assert not bench.log.broken


def test_a_flush_that_fails_is_no_flush_and_the_group_is_written_again() -> None:
    """After a failed fsync the kernel may call pages clean that never arrived."""
    bench = Bench(ALWAYS)
    bench.disk.sync_fails = True
    bench.log.append(b"group")
    bench.worker.step()
    assert "durable" not in bench.told.words
    bench.disk.sync_fails = False
    bench.later(1.1)
    bench.worker.step()
    assert bench.disk.calls == ["write", "sync", "truncate", "write", "sync"]
    assert bench.disk.durable == b"group" and bench.told.words[-1] == "durable"


def test_everysec_writes_at_once_and_flushes_once_a_second() -> None:
    bench = Bench(EVERYSEC)
    bench.log.append(b"a")
    assert bench.disk.data == b"a" and bench.disk.durable == b""
    bench.later(0.5)
    assert not bench.worker.jobs
    bench.later(0.6)
    bench.worker.step()
    assert bench.disk.durable == b"a" and bench.told.words == ["sealed", "durable"]
    bench.later(1.1)
    assert not bench.worker.jobs, "there is nothing new"


def test_everysec_waits_two_seconds_for_a_slow_flush_then_writes_and_counts() -> None:
    bench = Bench(EVERYSEC)
    bench.log.append(b"a")
    bench.later(1.1)
    bench.log.append(b"b")
    bench.later(1.0)
    assert bench.disk.data == b"a" and bench.log.buffered_bytes == 1
    bench.later(1.1)
    assert bench.disk.data == b"ab" and bench.log.delayed_fsync == 1
    bench.worker.step()
    bench.later(1.1)
    bench.worker.step()
    assert bench.disk.durable == b"ab"


def test_what_waited_for_a_flush_is_written_when_it_ends() -> None:
    bench = Bench(EVERYSEC)
    bench.log.append(b"a")
    bench.later(1.1)
    bench.log.append(b"b")
    bench.worker.step()
    assert bench.disk.data == b"ab" and bench.log.delayed_fsync == 0


def test_everysec_keeps_what_a_full_disk_does_not_take() -> None:
    bench = Bench(EVERYSEC)
    bench.disk.room = 3
    bench.log.append(b"abcde")
    assert bench.told.words == ["failed"] and bench.log.buffered_bytes == 2
    bench.log.append(b"f")
    bench.later(1.1)
    assert bench.told.words == ["failed", "failed"]
    bench.disk.room = 100
    bench.later(1.1)
    assert bench.disk.data == b"abcdef" and bench.told.words[-1] == "healed"
    assert bench.log.size == 6


def test_a_failed_flush_of_everysec_shuts_and_a_good_one_opens() -> None:
    bench = Bench(EVERYSEC)
    bench.disk.sync_fails = True
    bench.log.append(b"a")
    bench.later(1.1)
    bench.worker.step()
    assert bench.told.words[-1] == "failed"
    bench.disk.sync_fails = False
    bench.later(1.1)
    bench.worker.step()
    assert bench.told.words[-2:] == ["healed", "durable"] and bench.disk.durable == b"a"


def test_no_leaves_it_to_the_kernel_nearly_always() -> None:
    bench = Bench(NO)
    bench.log.append(b"a")
    bench.later(20.0)
    assert bench.disk.data == b"a" and not bench.worker.jobs
    bench.later(11.0)
    bench.worker.step()
    assert bench.disk.durable == b"a"


def test_no_flush_while_a_rewrite_runs_where_that_is_wanted() -> None:
    bench = Bench(EVERYSEC)
    bench.log.flushing_rests = True
    bench.log.append(b"a")
    bench.later(5.0)
    assert not bench.worker.jobs
    bench.log.flushing_rests = False
    bench.later(0.1)
    assert bench.worker.jobs


@pytest.mark.parametrize("policy", [ALWAYS, EVERYSEC, NO])
def test_settle_brings_everything_to_the_disk(policy: str) -> None:
    bench = Bench(policy)
    bench.log.append(b"a")
    bench.log.append(b"b")
    bench.told.late = b"c"
    bench.log.settle()
    assert bench.disk.durable == b"abc" and bench.told.words[-1] == "durable"
    assert not bench.worker.jobs and bench.log.buffered_bytes == 0


def test_settle_on_a_full_disk_says_so_and_keeps_all() -> None:
    bench = Bench(ALWAYS)
    bench.disk.room = 1
    bench.log.append(b"a")
    bench.log.append(b"b")
    with pytest.raises(OSError, match="No space"):
        bench.log.settle()
    bench.disk.room = 100
    bench.log.settle()
    assert bench.disk.durable == b"ab"


def test_a_change_of_policy_takes_what_is_waiting_along() -> None:
    bench = Bench(ALWAYS)
    bench.log.append(b"a")
    bench.log.append(b"b")
    bench.log.policy = EVERYSEC
    bench.log.append(b"c")
    assert bench.disk.data == b"", "the thread writes: the loop must not"
    bench.worker.step()
    assert bench.disk.data == b"abc"


def test_a_log_file_appends_and_knows_where_it_began(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"old")
    file = LogFile(path, 3)
    assert file.write(b"new") == 3
    file.sync()
    file.truncate(4)
    assert file.write(b"!") == 1
    file.close()
    assert path.read_bytes() == b"oldn!"


def test_the_worker_keeps_the_order_and_tells_the_loop() -> None:
    posted: list[Work] = []
    done: list[object] = []
    worker = Worker(posted.append)

    def fails() -> None:
        raise OSError(errno.EIO, "Input/output error")

    for number in range(20):
        worker.submit(lambda number=number: done.append(number), lambda error: None)  # type: ignore[misc]
    worker.submit(fails, done.append)
    worker.wait()
    assert done[:20] == list(range(20))
    assert cast(OSError, done[20]).errno == errno.EIO
    worker.close()
    assert len(posted) == 21


def test_what_is_no_error_of_the_disk_is_not_swallowed() -> None:
    worker = Worker(lambda callback: None)

    def wrong() -> None:
        raise ValueError("a job is wrong")

    worker.submit(wrong, lambda error: None)
    with pytest.raises(ValueError, match="a job is wrong"):
        worker.wait()
