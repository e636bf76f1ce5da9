"""KEYDB.CRON: when jobs run, what they do, and what ends them."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.commands.context import Shell
from node.commands.cron import RUNS_PER_TICK
from node.persist.loader import Loader
from node.persist.snapshot import Snapshots
from node.ports import Metadata
from node.resp.replies import Failure, Push, Simple
from node.store.values.cron import CronValue
from tests.support.local import START_S, LocalNode
from tests.unit.persist.rdb_files import RECORDINGS

START_MS = int(START_S * 1000)
COUNTS = 'redis.call("incr", "n")'


class Told(Shell):
    """A shell that keeps what jobs tell it."""

    def __init__(self) -> None:
        self.said: list[tuple[int, bytes]] = []
        self.failed: list[tuple[int, bytes, bytes]] = []

    def script_said(self, level: int, text: bytes) -> None:
        self.said.append((level, text))

    def job_failed(self, number: int, key: bytes, error: bytes) -> None:
        self.failed.append((number, key, error))


def cron(node: LocalNode, *words: object) -> None:
    """A job that is taken."""
    reply = node.call(0, [b"KEYDB.CRON", *(str(word).encode() for word in words)])
    assert isinstance(reply, Simple), reply


def loaded(tmp_path: Path, node: LocalNode, member: bytes = b"", mesh: bool = False) -> LocalNode:
    """A node that begins with what this one holds, at the same time."""
    engine = node.engine
    snapshots = Snapshots(
        engine.writer, engine.databases, Metadata(), lambda: [], lambda callback: None, 10
    )
    path = tmp_path / "dump.rdb"
    path.write_bytes(b"".join(snapshots.whole(True)))
    again = LocalNode()
    again.engine.member = member
    again.time_s = node.time_s
    again.engine.wake(again.time_s)
    Loader(
        again.engine.databases, Metadata(), START_MS, keep_expired=mesh, member=member
    ).load(path)
    return again


# --- time ---------------------------------------------------------------------------------------


def test_a_repeating_job_runs_after_each_interval() -> None:
    node = LocalNode()
    cron(node, "job", "REPEAT", 1000, COUNTS)
    node.advance(0.999)
    assert node("GET n") is None
    for count in (b"1", b"2", b"3"):
        node.advance(0.001)
        assert node("GET n") == count
        node.advance(0.999)
        assert node("GET n") == count
    assert node("EXISTS job") == 1 and node("PTTL job job") == 1


def test_a_single_job_runs_once_and_goes() -> None:
    node = LocalNode()
    cron(node, "job", "SINGLE", 1000, COUNTS)
    node.advance(1.0)
    assert node("GET n") == b"1" and node("EXISTS job") == 0
    node.advance(10.0)
    assert node("GET n") == b"1"


def test_what_is_past_runs_at_once() -> None:
    node = LocalNode()
    cron(node, "single", "SINGLE", 0, 1, COUNTS)
    cron(node, "repeat", "REPEAT", 0, 1_000_000, COUNTS)
    node.advance(0.0)
    assert node("GET n") == b"2" and node("EXISTS single repeat") == 1
    assert node("PTTL repeat repeat") == 1_000_000  # one that began at 0 goes on from now


def test_what_was_missed_runs_once_and_the_times_stay() -> None:
    node = LocalNode()
    cron(node, "job", "REPEAT", START_MS + 500, 1000, COUNTS)
    assert node("PTTL job job") == 1500
    node.advance(4.7)
    assert node("GET n") == b"1" and node("PTTL job job") == 800
    node.advance(0.8)
    assert node("GET n") == b"2" and node("PTTL job job") == 1000


def test_a_job_whose_key_is_deleted_replaced_or_past_its_deadline_does_not_run() -> None:
    node = LocalNode()
    for name in ("deleted", "overwritten", "expired", "flushed"):
        cron(node, name, "SINGLE", 1000, COUNTS)
    cron(node, "replaced", "SINGLE", 1000, COUNTS)
    cron(node, "replaced", "SINGLE", 1000, 'redis.call("set", "other", "x")')
    node("DEL deleted")
    node("SET overwritten x")
    node("PEXPIRE expired 900")
    node.advance(2.0)
    assert node("GET n") == b"1" and node("GET other") == b"x"  # that of `flushed`
    cron(node, "flushed", "SINGLE", 1000, COUNTS)
    node("FLUSHALL")
    node.advance(2.0)
    assert node("DBSIZE") == 0 and node.engine.databases[0].jobs.size() == 0


def test_a_job_goes_where_its_key_goes() -> None:
    node = LocalNode()
    cron(node, "job", "REPEAT", 1000, COUNTS)
    node("RENAME job other")
    node("MOVE other 3")
    node.advance(1.0)
    assert node("GET n") is None
    node("SELECT 3")
    assert node("GET n") == b"1"
    node("COPY other twin")
    node.advance(1.0)
    assert node("GET n") == b"3"
    node("SWAPDB 3 5")
    node.advance(1.0)
    node("SELECT 5")
    assert node("GET n") == b"5"


def test_many_jobs_are_run_a_few_at_a_time() -> None:
    node = LocalNode()
    for number in range(RUNS_PER_TICK + 5):
        cron(node, f"job:{number}", "SINGLE", 1000, COUNTS)
    node.time_s += 2.0
    assert node.engine.tick(node.time_s)
    assert node("GET n") == b"%d" % RUNS_PER_TICK
    assert not node.engine.tick(node.time_s)
    assert node("GET n") == b"%d" % (RUNS_PER_TICK + 5) and node("DBSIZE") == 1


# --- what they do -------------------------------------------------------------------------------


def test_a_run_is_one_unit_with_the_end_of_a_single_job_in_it() -> None:
    node = LocalNode()
    script = 'redis.call("set", KEYS[1], ARGV[1]) redis.call("sadd", KEYS[2], ARGV[2])'
    cron(node, "job", "SINGLE", 1000, script, 2, "a", "b", "x", "y")
    node.effects()
    node.advance(1.0)
    (unit,) = node.recorder.units
    assert {effect.stamp for effect in unit} == {unit[0].stamp}
    assert node.effects() == ["PUT a x", "SADD b y", "DROP job"]


def test_a_repeating_job_tells_nobody_when_it_runs_next() -> None:
    node = LocalNode()
    cron(node, "job", "REPEAT", 1000, "return 1")
    node.effects()
    node.advance(1.0)
    assert node.effects() == []


def test_an_error_is_counted_and_told_and_what_was_done_stays() -> None:
    node = LocalNode()
    shell = Told()
    node.engine.shell = shell
    cron(node, "job", "REPEAT", 1000, 'redis.call("set", "a", "x")\nredis.call("lpush", "a", 1)')
    node.advance(1.0)
    assert node("GET a") == b"x" and node("PTTL job job") == 1000
    ((number, key, error),) = shell.failed
    assert (number, key) == (0, b"job")
    assert error.startswith(b"WRONGTYPE Operation against a key")
    assert error.endswith(b", on @user_script:2.")
    info = node("INFO stats")
    assert b"cron_jobs:1\r\ncron_runs:1\r\ncron_failures:1\r\n" in info.text  # type: ignore[attr-defined]


def test_what_is_no_lua_is_told_when_it_would_run() -> None:
    node = LocalNode()
    shell = Told()
    node.engine.shell = shell
    cron(node, "job", "SINGLE", 1000, "syntax error(")
    node.advance(1.0)
    assert shell.failed[0][2].startswith(b"ERR Error compiling script (new function): user_script")
    assert node("EXISTS job") == 0


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ('"nosuch"', b"ERR Unknown Redis command called from script"),
        ('"get"', b"ERR Wrong number of args calling Redis command from script"),
        ('"config"', b"ERR Wrong number of args calling Redis command from script"),
        ('"config", "nosuch"', b"ERR Unknown Redis command called from script"),
        ('"multi"', b"ERR This Redis command is not allowed from script"),
        ('"config", "get", "hz"', b"ERR This Redis command is not allowed from script"),
        ('"subscribe", "a"', b"ERR This Redis command is not allowed from script"),
    ],
)
def test_what_scripts_may_not_call(call: str, error: bytes) -> None:
    node = LocalNode()
    shell = Told()
    node.engine.shell = shell
    cron(node, "job", "SINGLE", 1000, f"return redis.call({call})")
    node.advance(1.0)
    assert shell.failed[0][2].startswith(error + b" script: ")


def test_nothing_waits_in_a_script_and_served_waiters_are_units_of_their_own() -> None:
    node = LocalNode()
    waiter = node.session()
    node("BLPOP list 0", client=waiter)
    script = 'redis.call("rpush", "list", type(redis.call("blpop", "list", 0)))'
    cron(node, "job", "SINGLE", 1000, script)
    node.effects()
    node.advance(1.0)
    assert node.inbox(waiter).resumed == [[b"list", b"boolean"]]
    assert [len(unit) for unit in node.recorder.units] == [2, 1]


def test_a_script_may_replace_its_own_job() -> None:
    node = LocalNode()
    again = 'redis.call("incr", "n") redis.call("keydb.cron", "job", "single", 500, ARGV[1], 0)'
    cron(node, "job", "SINGLE", 1000, again, 0, COUNTS)
    node.advance(1.0)
    assert node("GET n") == b"1" and node("PTTL job job") == 500
    node.advance(0.5)
    assert node("GET n") == b"2" and node("EXISTS job") == 0


def test_a_run_is_told_to_who_asks_for_key_events() -> None:
    node = LocalNode(directives=("--notify-keyspace-events", "KE"))
    hearer = node.session()
    node("PSUBSCRIBE __key*", client=hearer)
    cron(node, "job", "SINGLE", 1000, COUNTS)
    node.advance(1.0)
    told = [each.items[2:] for each in node.inbox(hearer).pushed if isinstance(each, Push)]
    assert told[-2:] == [
        [b"__keyspace@0__:job", b"CRON Executed"], [b"__keyevent@0__:CRON Executed", b"job"],
    ]  # fmt: skip


def test_redis_log_goes_to_the_shell() -> None:
    node = LocalNode()
    shell = Told()
    node.engine.shell = shell
    cron(node, "job", "SINGLE", 1000, 'redis.log(redis.LOG_WARNING, "low on", 5)')
    node.advance(1.0)
    assert shell.said == [(3, b"low on 5")]


# --- kept ---------------------------------------------------------------------------------------


def test_a_restart_keeps_jobs_and_their_times(tmp_path: Path) -> None:
    node = LocalNode()
    cron(node, "repeat", "REPEAT", 1000, COUNTS)
    cron(node, "single", "SINGLE", 5000, COUNTS, 1, "key", "arg")
    node.advance(1.25)
    again = loaded(tmp_path, node)
    assert again("PTTL repeat repeat") == 750 and again("PTTL single single") == 3750
    again.advance(4.0)
    assert again("GET n") == b"3" and again("EXISTS single repeat") == 1
    again.advance(1.0)
    assert again("GET n") == b"4"


def test_what_was_due_while_the_node_was_down_runs_at_its_start(tmp_path: Path) -> None:
    node = LocalNode()
    cron(node, "job", "REPEAT", 1000, COUNTS)
    again = loaded(tmp_path, node)
    again.advance(9.5)
    assert again("GET n") == b"1" and again("PTTL job job") == 500


def test_dump_and_restore_keep_a_job_and_its_time() -> None:
    node = LocalNode()
    cron(node, "job", "SINGLE", 1000, COUNTS, 1, "key", "arg")
    payload = node("DUMP job")
    assert isinstance(payload, bytes)
    node("DEL job")
    assert isinstance(node.call(0, [b"RESTORE", b"other", b"0", payload]), Simple)
    node.advance(0.5)
    assert node("GET n") is None and node("PTTL other other") == 500
    node.advance(0.5)
    assert node("GET n") == b"1" and node("EXISTS other") == 0


def test_a_file_of_keydb_is_loaded_with_its_job() -> None:
    node = LocalNode()
    engine = node.engine
    path = RECORDINGS / "keydb-active.rdb"
    assert Loader(engine.databases, Metadata(), START_MS, member=b"me").load(path).keys == 40
    job = engine.databases[0].glance(b"p:cron")
    assert isinstance(job, CronValue)
    assert (job.interval_ms, job.due_ms, job.author) == (100000, 1795256502601, b"me")
    engine.member = b"me"
    node.advance(1795256502.601 - START_S + 0.01)
    assert node("GET x") == b"y" and node("PTTL p:cron p:cron") == 99_990


# --- whose they are -----------------------------------------------------------------------------


def test_a_job_runs_at_the_node_that_took_it_alone() -> None:
    node = LocalNode()
    cron(node, "job", "REPEAT", 1000, COUNTS)
    node.engine.member = b"another"
    node.advance(5.5)
    assert node("GET n") is None and node("EXISTS job") == 1
    assert node("PTTL job job") == 500  # where it may just have run


@pytest.mark.parametrize(
    ("mesh", "author", "runs"),
    [(False, b"gone", b"1"), (True, b"gone", None), (True, b"", b"1"), (True, b"me", b"1")],
)
def test_a_file_says_whose_a_job_is_and_a_node_alone_runs_them_all(
    tmp_path: Path, mesh: bool, author: bytes, runs: bytes | None
) -> None:
    node = LocalNode()
    node.engine.member = author
    cron(node, "job", "SINGLE", 1000, COUNTS)
    again = loaded(tmp_path, node, b"me", mesh)
    again.advance(2.0)
    assert again("GET n") == runs


def test_restore_gives_a_job_to_the_node_that_was_asked() -> None:
    node = LocalNode()
    node.engine.member = b"another"
    cron(node, "job", "SINGLE", 1000, COUNTS)
    payload = node("DUMP job")
    node.engine.member = b"me"
    assert isinstance(payload, bytes)
    assert not isinstance(node.call(0, [b"RESTORE", b"mine", b"0", payload]), Failure)
    node.advance(2.0)
    assert node("GET n") == b"1" and node("EXISTS job mine") == 1
