"""Debian's word list goes into one node by redis-cli --pipe while a client writes to the other."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.servers import Client, unavailable
from tests.wire.mesh_support import CATCH_UP_S, Mesh, encoded, mapping, members, run_all, scaled

pytestmark = pytest.mark.wire

WORD_LIST = Path("/usr/share/dict/american-english")
WORDS = scaled(104_000)
COUNTERS = 10
FIELDS = 500


def words() -> list[bytes]:
    """The words, from all over the list where the count is scaled down."""
    if not WORD_LIST.exists():
        unavailable("the word list of wamerican", "run `make system`")
    found = WORD_LIST.read_bytes().split()
    step = max(1, len(found) // WORDS)
    return found[::step]


def load_file(folder: Path, found: list[bytes]) -> Path:
    """Each word as a string, a member and a field, as redis-cli --pipe reads it."""
    path = folder / "words.resp"
    with path.open("wb") as file:
        for word in found:
            size = b"%d" % len(word)
            file.write(encoded([b"SET", b"word:" + word, size]))
            file.write(encoded([b"SADD", b"words", word]))
            file.write(encoded([b"HSET", b"lengths", word, size]))
    return path


def test_both_nodes_end_with_the_word_list_and_exact_sums(tmp_path: Path) -> None:
    if shutil.which("redis-cli") is None:
        unavailable("redis-cli", "run `make system`")
    found = words()
    with Mesh(2) as mesh, load_file(tmp_path, found).open("rb") as file:
        a, b = mesh.nodes
        with subprocess.Popen(
            ["redis-cli", "-p", str(a.port), "--pipe"], stdin=file, stdout=subprocess.PIPE
        ) as pipe:
            rounds, slowest_s = 0, 0.0
            with Client(b.port, CATCH_UP_S) as client:
                while pipe.poll() is None:
                    began_s = time.monotonic()
                    run_all(client, one_round(rounds))
                    slowest_s = max(slowest_s, time.monotonic() - began_s)
                    rounds += 1
            output, _ = pipe.communicate()
        print(f"{rounds} rounds of the second client, the slowest in {slowest_s:.3f} s")
        assert pipe.returncode == 0
        assert re.search(rb"errors: 0, replies: %d\b" % (3 * len(found)), output), output
        assert rounds > 1, "nothing was written to the second node meanwhile"
        mesh.await_equal()
        for node in mesh.nodes:
            with node.client() as client:
                check(client, found, rounds)


def one_round(number: int) -> list[list[bytes]]:
    """What the second client writes again and again: increments, and fields of the same hash."""
    commands = [[b"INCRBY", b"count:%d" % at, b"%d" % (at + 1)] for at in range(COUNTERS)]
    commands += [[b"HINCRBY", b"tally", b"%d" % at, b"3"] for at in range(COUNTERS)]
    # A capital Z and a digit: no word of the list.
    field = b"Z%d" % (number % FIELDS)
    return [*commands, [b"HSET", b"lengths", field, b"%d" % number]]


def check(client: Client, found: list[bytes], rounds: int) -> None:
    """Everything that either client wrote is here, and the sums are exact."""
    sums = [client.call("GET", b"count:%d" % at).text for at in range(COUNTERS)]
    assert sums == [b"%d" % (rounds * (at + 1)) for at in range(COUNTERS)]
    tally = mapping(client.call("HGETALL", "tally"))
    assert tally == {b"%d" % at: b"%d" % (3 * rounds) for at in range(COUNTERS)}
    size = len(found)
    assert client.call("SCARD", "words").text == b"%d" % size
    assert client.call("HLEN", "lengths").text == b"%d" % (size + min(rounds, FIELDS))
    assert client.call("DBSIZE").text == b"%d" % (size + 2 + COUNTERS + 1)
    some = found[:: max(1, size // 100)]
    wanted = [b"%d" % len(word) for word in some]
    strings = client.call("MGET", *(b"word:" + word for word in some))
    fields = client.call("HMGET", "lengths", *some)
    assert [each.text for each in strings.items] == wanted
    assert [each.text for each in fields.items] == wanted
    assert members(client.call("SMISMEMBER", "words", *some)) == {b"1"}
