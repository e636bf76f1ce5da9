"""FLUSHALL's effects, and what is handed to the shell. Replies are in tests/commands."""

import pytest

from node.commands.context import Shell
from node.journal import BACKLOG, Commit
from node.ports import Reader
from node.resp.replies import NO_REPLY, OK, Failure
from tests.support.local import START_S, LocalNode


class Recording(Shell):
    """Notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    def save(self, background: bool, schedule: bool = False) -> object:
        self.asked.append(("save", background, schedule))
        return OK

    def last_save_s(self) -> int:
        return 1_600_000_000

    def shutdown(self, save: bool | None, now: bool, force: bool) -> object:
        self.asked.append(("shutdown", save, now, force))
        return Failure(b"ERR Errors trying to SHUTDOWN. Check logs.") if save else None

    def role(self) -> list[object]:
        return [b"slave", b"10.0.0.2", 6379, b"connected", 0]


@pytest.fixture
def shell(node: LocalNode) -> Recording:
    node.engine.shell = Recording()
    return node.engine.shell


def test_flushall_is_one_unit_and_says_nothing_of_empty_databases(node: LocalNode) -> None:
    node("SET a 1")
    node("SELECT 3")
    node("SADD s x")
    node.recorder.units.clear()
    assert node("FLUSHALL") is OK
    (unit,) = node.recorder.units
    assert [int(effect.db) for effect in unit] == [0, 3]
    assert len({effect.stamp for effect in unit}) == 1
    assert node.effects() == ["FLUSH ", "FLUSH "]
    assert node("FLUSHALL") is OK
    assert node.effects() == []


def test_flushdb_is_replayed_as_it_was_sent_unless_it_has_options(node: LocalNode) -> None:
    bytes_of: list[tuple[bytes, int]] = []

    class Noting(Reader):
        def read(self, commit: Commit) -> None:
            bytes_of.append((commit.data, int(commit.end)))

    node.engine.journal.wake(BACKLOG, Noting())
    for line in (b"FLUSHDB", b"FLUSHDB ASYNC", b"FLUSHALL"):
        node("SET a 1")
        node.engine.execute(node.sessions[0], 0, line.split(), line, 0, len(line))
    assert [end for data, end in bytes_of if data] == [len(b"FLUSHDB"), 0, 0]
    assert node.effects() == ["PUT a 1", "FLUSH "] * 3


def test_time_is_that_of_the_read(node: LocalNode) -> None:
    assert node("TIME") == [b"%d" % START_S, b"0"]
    node.advance(0.25)
    assert node("TIME") == [b"%d" % START_S, b"250000"]


def test_saving_and_ending_are_left_to_the_shell(node: LocalNode, shell: Recording) -> None:
    assert node("SAVE") is OK
    assert node("BGSAVE SCHEDULE") is OK
    assert node("LASTSAVE") == 1_600_000_000
    assert node("SHUTDOWN") is NO_REPLY
    assert node("SHUTDOWN nosave NOW") is NO_REPLY
    assert isinstance(node("SHUTDOWN FORCE SAVE"), Failure)
    assert shell.asked == [
        ("save", False, False),
        ("save", True, True),
        ("shutdown", None, False, False),
        ("shutdown", False, True, False),
        ("shutdown", True, False, True),
    ]
    assert node("ROLE") == [b"slave", b"10.0.0.2", 6379, b"connected", 0]


def test_memory_usage_grows_with_the_value_and_samples_stretch(node: LocalNode) -> None:
    def usage(line: str) -> int:
        reply = node(f"MEMORY USAGE {line}")
        assert isinstance(reply, int)
        return reply

    node("SET small v")
    node(f"SET large {'x' * 10_000}")
    assert usage("large") - usage("small") == 9_999
    node("SADD s " + " ".join(f"m{number:04}" for number in range(1000)))
    assert usage("s") == usage("s SAMPLES 0") > 1000 * len("m0000")
    node("HSET h f v")
    assert usage("h") > usage("small")
