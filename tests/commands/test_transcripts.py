"""Runs every tests/commands/*.txt on our engine, without sockets, and on a real Redis 8.2.3.

The same file with the same expectations on both: a reply that is wrong in the file fails on Redis,
a reply that is wrong in the engine fails on ours. `make rewrite` prints what would have to change.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers import RealRedis
from tests.support.targets import EngineTarget, RedisTarget
from tests.support.transcript import (
    Shown,
    Target,
    mismatches,
    read_transcript,
    render,
    report,
    rewritten,
    split_command,
)

FILES = sorted(Path(__file__).parent.glob("*.txt"))


def check(path: Path, target: Target) -> None:
    """Runs one file; fails with every wrong reply. Prints the changed file if so asked."""
    transcript = read_transcript(path)
    wrong = mismatches(transcript, target)
    if wrong and os.environ.get("PLEXIS_REWRITE") == "1":
        print("\n" + rewritten(transcript, wrong))
    assert not wrong, "\n" + report(transcript, wrong)


@pytest.fixture(scope="module")
def redis() -> Iterator[RealRedis]:
    """One Redis for all files; DEBUG is on, as it is on ours."""
    with RealRedis("--enable-debug-command", "yes") as server:
        yield server


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_on_our_engine(path: Path) -> None:
    check(path, EngineTarget())


@pytest.mark.wire
@pytest.mark.parametrize(
    "path", [path for path in FILES if not read_transcript(path).ours], ids=lambda path: path.stem
)
def test_on_redis(path: Path, redis: RealRedis) -> None:
    target = RedisTarget(redis)
    try:
        check(path, target)
    finally:
        target.close()


@pytest.mark.wire
@pytest.mark.parametrize("version", ["2", "3"])
def test_replies_are_printed_as_redis_cli_prints_them(redis: RealRedis, version: str) -> None:
    """Goal: a transcript can be pasted from a terminal. Method: ask both, byte for byte."""
    with redis.client() as client:
        client.call("HELLO", version)
        client.call("DEL", "h", "l", "s", "z", "q")
        client.call("HSET", "h", "a", "1", "b", "2")
        client.call("RPUSH", "l", *map(str, range(11)))
        client.call("SADD", "s", "one")
        client.call("ZADD", "z", "1.5", "a")
        client.call("SET", "q", b'a\x00\x1b\n\t"\\\xff')
        for line in (
            *("GET q", "GET none", "HGETALL h", "LRANGE l 0 -1", "SMEMBERS s", "ZSCORE z a"),
            *("LRANGE none 0 -1", "HGETALL none", "SMEMBERS none", "EXISTS q", "NOSUCH", "PING"),
            *("COMMAND DOCS GET", r'ECHO "a\x00\"b"', "ECHO 'it\\'s'", "DEBUG PROTOCOL TRUE"),
        ):
            printed = subprocess.run(
                ["redis-cli", "--no-raw", f"-{version}", "-p", str(redis.port)],
                input=f"{line}\n".encode(),
                capture_output=True,
                timeout=10,
                check=True,
            ).stdout.decode()
            expected = [each.rstrip() for each in printed.removesuffix("\n").split("\n")]
            assert render(client.call(*split_command(line))) == expected, line


def test_a_transcript_that_is_not_understood_names_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "odd.txt"
    file.write_text("> GET k\n(nil)\n\n(nil)\n")
    with pytest.raises(ValueError, match=r"odd\.txt:4: belongs to no command"):
        read_transcript(file)


def test_marks_hold_for_one_reply_and_differences_are_told(tmp_path: Path) -> None:
    class Fixed:
        def call(self, client: int, argv: list[bytes]) -> Shown:
            return Shown("array", items=(Shown("bulk", b"b"), Shown("bulk", b"a")))

        def receive(self, client: int) -> Shown:
            return Shown("simple", b"message")

    file = tmp_path / "few.txt"
    both = '> KEYS *\n1) "a"\n2) "b"\n\n'
    file.write_text(f"sorted\n{both}{both}any\n> KEYS *\n\n@2 <\nmessage\n")
    transcript = read_transcript(file)
    wrong = mismatches(transcript, Fixed())
    assert [step.line for step, _ in wrong] == [6]
    assert "few.txt:6: > KEYS *" in report(transcript, wrong)
    assert '-1) "a"' in rewritten(transcript, wrong)
