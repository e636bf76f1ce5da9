"""Saving to a file: whole or not at all, at once or in slices; what is known of it afterwards."""

from collections.abc import Callable
from pathlib import Path

import pytest

import conf
from node.persist.loader import Loader
from node.persist.saver import RETRY_S, SaveError, Saver
from node.persist.snapshot import Snapshots
from node.ports import Metadata
from tests.support.jobs import carry_out
from tests.support.local import LocalNode

Work = Callable[[], None]


class Bench:
    """A node with a saver, its loop turned by hand and its threads run when asked."""

    def __init__(self, folder: Path, *directives: str) -> None:
        self.node = LocalNode()
        self.config = conf.load(["--dir", str(folder), *directives]).config
        self.callbacks: list[Work] = []
        self.threads: list[tuple[Work, Callable[[OSError | None], None]]] = []
        self.now_s = 1000.0
        engine = self.node.engine
        self.snapshots = Snapshots(
            engine.writer, engine.databases, Metadata(), lambda: [], self.callbacks.append, 10
        )
        self.saver = Saver(
            self.config,
            engine.writer,
            self.snapshots,
            lambda work, then: self.threads.append((work, then)),
            lambda: self.now_s,
            4711,
        )

    def turn(self) -> bool:
        """One turn of the loop, without the threads."""
        waiting, self.callbacks[:] = list(self.callbacks), []
        for callback in waiting:
            callback()
        return bool(waiting)

    def settle(self) -> None:
        """Everything to its end."""
        while self.turn() or self.threads:
            for work, then in self.threads[:]:
                self.threads.remove((work, then))
                carry_out(work, then)

    def keys_in_file(self) -> int:
        """How many keys the data file has."""
        return Loader(LocalNode().engine.databases, Metadata(), 0).load(self.saver.path()).keys


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    for number in range(100):
        made.node(f"SET k{number} {number}")
    return made


def test_save_writes_everything_at_once(bench: Bench) -> None:
    bench.now_s = 2000.0
    bench.saver.save()
    assert bench.keys_in_file() == 100
    assert bench.node.engine.writer.dirty == 0
    assert bench.saver.last_save_s == 2000.0
    assert [each.name for each in bench.saver.path().parent.iterdir()] == ["dump.rdb"]


def test_a_background_save_is_named_only_when_it_is_on_the_disk(bench: Bench) -> None:
    bench.saver.save_in_background()
    while bench.turn():
        pass
    assert bench.saver.in_progress and not bench.saver.path().exists()
    bench.settle()
    assert not bench.saver.in_progress and bench.saver.last_ok
    assert bench.keys_in_file() == 100


def test_changes_during_a_background_save_stay_unsaved(bench: Bench) -> None:
    bench.saver.save_in_background()
    bench.turn()
    bench.node("SET late 1")
    bench.settle()
    assert bench.keys_in_file() == 100
    assert bench.node.engine.writer.dirty == 1


def test_a_folder_that_is_not_there_is_told_and_changes_nothing(bench: Bench) -> None:
    bench.config.set("dir", [str(bench.saver.path().parent / "missing")])
    told: list[bool] = []
    bench.saver.settled = lambda: told.append(bench.saver.last_ok)
    for save in (bench.saver.save, bench.saver.save_in_background):
        with pytest.raises(SaveError, match=r"missing/temp-.*4711.rdb: no such file"):
            save()
    assert told == [False, False]
    assert bench.node.engine.writer.dirty == 100 and not bench.saver.in_progress


def test_an_error_while_writing_keeps_the_old_file(bench: Bench) -> None:
    bench.saver.save()
    old = bench.saver.path().read_bytes()
    bench.node("SET more 1")
    bench.saver.save_in_background()
    while bench.turn():
        pass
    work, then = bench.threads.pop()
    work()
    then(OSError(28, "No space left on device"))
    bench.settle()
    assert not bench.saver.last_ok and "no space left" in bench.saver.last_error
    assert bench.saver.path().read_bytes() == old
    assert [each.name for each in bench.saver.path().parent.iterdir()] == ["dump.rdb"]
    assert bench.node.engine.writer.dirty == 1


def test_a_cancelled_background_save_leaves_nothing(bench: Bench) -> None:
    bench.saver.save_in_background()
    bench.turn()
    bench.saver.cancel()
    bench.node("SET late 1")
    bench.saver.save()  # as SHUTDOWN does
    bench.settle()
    assert bench.keys_in_file() == 101
    assert [each.name for each in bench.saver.path().parent.iterdir()] == ["dump.rdb"]


def test_one_that_is_cancelled_while_it_is_flushed_does_not_replace_a_newer_file(
    bench: Bench,
) -> None:
    bench.saver.save_in_background()
    while bench.turn():
        pass
    assert bench.threads, "it is not being flushed"
    bench.saver.cancel()
    bench.node("SET late 1")
    bench.saver.save()
    bench.settle()
    assert bench.keys_in_file() == 101
    assert [each.name for each in bench.saver.path().parent.iterdir()] == ["dump.rdb"]


@pytest.mark.parametrize(
    ("changes", "after_s", "due"),
    [(1, 60, False), (1, 3601, True), (100, 301, True), (10_000, 61, True), (10_000, 59, False)],
)
def test_save_points_are_redis_s(tmp_path: Path, changes: int, after_s: int, due: bool) -> None:
    bench = Bench(tmp_path)
    bench.node.engine.writer.dirty = changes
    assert bench.saver.is_due(bench.saver.last_save_s + after_s) is due


def test_nothing_is_due_without_changes_or_save_points(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "--save", "")
    bench.node("SET k v")
    assert not bench.saver.is_due(10.0**9)
    assert not Bench(tmp_path).saver.is_due(10.0**9)


def test_after_a_failure_save_points_wait_a_little(bench: Bench) -> None:
    bench.config.set("dir", [str(bench.saver.path().parent / "missing")])
    bench.now_s = 10_000.0
    with pytest.raises(SaveError):
        bench.saver.save_in_background()
    assert not bench.saver.is_due(bench.now_s + RETRY_S)
    assert bench.saver.is_due(bench.now_s + RETRY_S + 1)
