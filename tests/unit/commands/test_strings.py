"""Strings: which effects, events and bytes a command leaves for those who read the journal."""

from __future__ import annotations

import pytest

from node.journal import Commit
from node.ports import Reader
from node.resp.numbers import SMALL
from node.resp.replies import OK, Failure
from node.store.effect import INCR, PUT, Effect
from node.store.events import EXPIRE_SET, INCRBYFLOAT, PERSIST, SET
from tests.support.local import START_S, LocalNode

START_MS = int(START_S * 1000)
LISTENER_PLACE = 98


class Listener(Reader):
    """What each unit says of itself."""

    def __init__(self) -> None:
        self.exact: list[bool] = []
        self.events: list[int] = []

    def read(self, commit: Commit) -> None:
        self.exact.append(commit.end != 0)
        self.events += [int(effect.events) for effect in commit.effects()]


def listened(node: LocalNode, line: str) -> Listener:
    """Runs a command as if its own bytes were known."""
    listener = Listener()
    node.engine.journal.wake(LISTENER_PLACE, listener)
    node.engine.wake(node.time_s)
    args = [word.encode() for word in line.split()]
    node.engine.execute(node.sessions[0], 0, args, b"bytes", 0, 5)
    node.engine.journal.rest(LISTENER_PLACE)
    return listener


@pytest.mark.parametrize(
    "line",
    ["SET k v", "INCR n", "DECR n", "INCRBY n 5", "DECRBY n 5", "APPEND k v", "SETRANGE k 1 v"],
)
def test_a_command_that_is_its_effect_travels_as_it_came(node: LocalNode, line: str) -> None:
    assert listened(node, line).exact == [True]


@pytest.mark.parametrize(
    "line",
    [
        "SET k v EX 10", "SET new v NX", "SET k v XX", "SET k v GET", "SET k v KEEPTTL",
        "SETEX k 10 v", "PSETEX k 10 v", "SETNX new v", "GETSET k v", "GETDEL k", "GETEX k EX 10",
        "MSET a 1 b 2", "MSETNX a 1 b 2", "INCRBYFLOAT n 1.5",
    ],
)  # fmt: skip
def test_a_command_that_is_not_its_effect_is_said_anew(node: LocalNode, line: str) -> None:
    node("SET k old")
    assert listened(node, line).exact == [False]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("SET k v", "PUT k v"),
        ("SET k v EX 10", f"PUT k v {START_MS + 10_000}"),
        ("SET k v PXAT 4000000000123", "PUT k v 4000000000123"),
        ("SETEX k 10 v", f"PUT k v {START_MS + 10_000}"),
        ("PSETEX k 10 v", f"PUT k v {START_MS + 10}"),
        ("GETSET k v", "PUT k v"),
        ("GETDEL k", "DROP k"),
        ("GETEX k PX 10", f"EXPIRE k {START_MS + 10}"),
        ("GETEX k EXAT 1", "DROP k"),
        ("APPEND k v", "APPEND k v"),
        ("SETRANGE k 1 XX", "SETRANGE k XX 1"),
        ("INCR n", "INCR n 1"),
        ("DECR n", "INCR n -1"),
        ("INCRBY n 5", "INCR n 5"),
        ("DECRBY n 5", "INCR n -5"),
        ("INCRBYFLOAT n 1.50", "INCR n 1.50"),
        ("INCRBYFLOAT n 0x10", "INCR n 16"),
    ],
)
def test_the_effect_of(node: LocalNode, line: str, expected: str) -> None:
    node("SET k old")
    node.effects()
    node(line)
    assert node.effects() == [expected]


@pytest.mark.parametrize(
    "line",
    [
        "SET k v NX", "SET absent v XX", "SETNX k v", "GET k", "GETDEL absent", "GETEX k",
        "GETEX k PERSIST", "GETEX absent EX 10", "SETRANGE k 0 \"\"", "MSETNX new 1 k 2",
        "INCR k", "INCRBYFLOAT k 1", "SET k v EX 0", "SET k v FOO", "STRLEN k", "LCS k k",
    ],
)  # fmt: skip
def test_what_changes_nothing_has_no_effect(node: LocalNode, line: str) -> None:
    node("SET k old")
    node.effects()
    node(line)
    assert node.effects() == []


@pytest.mark.parametrize("line", ["APPEND k 1", "SETRANGE k 0 1", "SET k 1 KEEPTTL"])
def test_the_deadline_is_kept(node: LocalNode, line: str) -> None:
    node("SET k 10 EX 100")
    node(line)
    assert node("PEXPIRETIME k") == START_MS + 100_000


@pytest.mark.parametrize(
    ("line", "expected"), [("APPEND n 5", b"125"), ("SETRANGE n 1 9", b"19"), ("APPEND no 5", b"5")]
)
def test_a_counter_is_its_text_to_what_writes_into_it(
    node: LocalNode, line: str, expected: bytes
) -> None:
    node("INCRBY n 12")
    assert node(line) == len(expected)
    assert node(f"GET {line.split()[1]}") == expected


def test_a_string_above_the_limit_is_refused_before_anything_happens(node: LocalNode) -> None:
    node("CONFIG SET proto-max-bulk-len 1mb")
    node.call(0, [b"SET", b"k", bytes(1048576)])
    node.effects()
    for line in ("APPEND k x", "SETRANGE k 1048576 x", "SETRANGE new 1048576 x"):
        reply = node(line)
        assert isinstance(reply, Failure)
        assert reply.text.startswith(b"ERR string exceeds maximum allowed size")
    assert node.effects() == []


def test_increments_leave_the_deadline_alone(node: LocalNode) -> None:
    node("SET k 10 EX 100")
    node("INCR k")
    node("INCRBYFLOAT k 0.5")
    assert node("TTL k") == 100


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("SET k v", 0), ("SET k v EX 10", SET | EXPIRE_SET << 8), ("SET k v KEEPTTL", SET),
        ("SETEX k 10 v", SET | EXPIRE_SET << 8), ("APPEND k v", 0),
        ("SETRANGE k 0 v", 0), ("INCR n", 0), ("INCRBYFLOAT n 1", INCRBYFLOAT),
        ("GETDEL k", 0), ("GETEX k EX 10", 0),
        ("GETEX k PERSIST", PERSIST),
    ],
)  # fmt: skip
def test_the_events_of(node: LocalNode, line: str, expected: int) -> None:
    node("SET k v EX 100")
    assert listened(node, line).events == [expected]


def test_mset_is_one_unit(node: LocalNode) -> None:
    node("MSET a 1 b 2 a 3")
    assert node.effects() == ["PUT a 1", "PUT b 2", "PUT a 3"]
    assert listened(node, "MSET a 1 b 2").exact == [False]


def test_a_key_past_its_deadline_inside_a_unit_is_counted_once(node: LocalNode) -> None:
    """The first pair makes a unit, so the second key cannot lapse by itself."""
    node("SET old 1 PX 10")
    node.engine.active_expire = False
    node.advance(1)
    node("MSET new 1 old 2")
    database = node.engine.databases[0]
    assert node("DBSIZE") == 2
    assert database.expires == 0
    assert database.deadlines.size() == 0


def test_get_answers_the_very_bytes(node: LocalNode) -> None:
    value = b"x" * 100
    node.call(0, [b"SET", b"k", value])
    assert node.call(0, [b"GET", b"k"]) is value


def test_get_of_a_small_counter_formats_nothing(node: LocalNode) -> None:
    node("INCRBY n 9999")
    assert node("GET n") is SMALL[9999]
    node("INCR n")
    assert node("GET n") == b"10000"
    node("SET n -1")
    node("INCRBY n -1")
    assert node("GET n") == b"-2"


def test_a_counter_that_peers_took_beyond_64_bits_is_shown_clipped(node: LocalNode) -> None:
    """Increments add up without limit; a client is answered 2**63 - 1 and may go down again."""
    node("SET n 9223372036854775807")
    context = node.sessions[0].ctx
    context.emit(INCR, b"n", None, 10)
    context.services.publish()
    assert node("GET n") == b"9223372036854775807"
    reply = node("INCR n")
    assert isinstance(reply, Failure)
    assert b"overflow" in reply.text
    node("DECRBY n 11")
    assert node("GET n") == b"9223372036854775806"


def test_incr_of_text_makes_a_counter(node: LocalNode) -> None:
    node("SET n 10")
    assert node("INCR n") == 11
    assert node("INCR n") == 12
    assert node("GET n") == b"12"


def test_floats_add_up_exactly(node: LocalNode) -> None:
    for _ in range(10):
        node("INCRBYFLOAT f 0.1")
    assert node("GET f") == b"1"


def test_append_is_limited(node: LocalNode) -> None:
    small = LocalNode(directives=("--proto-max-bulk-len", "1048576"))
    small.call(0, [b"SET", b"k", b"x" * 1048576])
    reply = small("APPEND k y")
    assert isinstance(reply, Failure)
    assert reply.text == b"ERR string exceeds maximum allowed size (proto-max-bulk-len)"
    assert small("SET k y") is OK


def test_lcs_is_limited_by_its_table(node: LocalNode) -> None:
    small = LocalNode(directives=("--proto-max-bulk-len", "1048576"))
    small.call(0, [b"SET", b"k", b"x" * 600])
    reply = small("LCS k k")
    assert isinstance(reply, Failure)
    assert b"exceeds proto-max-bulk-len" in reply.text


def test_a_put_of_a_collection_is_not_changed_by_what_comes_after(node: LocalNode) -> None:
    """Readers see the effects of a unit when it has ended; each must be as it was made."""
    node("HSET h f 1")
    node("COPY h twin")
    effect = made(node)
    node("HINCRBY twin f 5")
    assert effect.op == PUT
    assert effect.value is not None
    assert effect.value.get(b"f") == b"1"  # type: ignore[attr-defined]


def made(node: LocalNode) -> Effect:
    return node.recorder.units[-1][-1]
