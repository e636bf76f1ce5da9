"""KeyDB's commands: their effects, and what nested hashes are made of.

What the replies look like is in tests/commands/keydb.txt.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.commands.nested import DEPTH_MAX, TOO_DEEP, packed, unpacked
from node.resp.replies import Failure
from tests.support.local import START_S, LocalNode

START_MS = int(START_S * 1000)


@pytest.mark.parametrize(
    ("line", "effects"),
    [
        ("EXPIREMEMBER s a 10", [f"HEXPIRE s a {START_MS + 10_000}"]),
        ("EXPIREMEMBER z a 10 ms", [f"HEXPIRE z a {START_MS + 10}"]),
        ("EXPIREMEMBERAT h a 4000000000", ["HEXPIRE h a 4000000000000"]),
        ("PEXPIREMEMBERAT h a 4000000000001", ["HEXPIRE h a 4000000000001"]),
        ("EXPIREMEMBER s a 0", ["SREM s a"]),
        ("EXPIREMEMBER z a -1", ["ZREM z a"]),
        ("PEXPIREMEMBERAT h a 1", ["HDEL h a"]),
        ("EXPIREMEMBER s none 10", []),
        ("EXPIREMEMBER none a 10", []),
        ("PERSIST s t", ["HEXPIRE s t"]),
        ("PERSIST s a", []),
        ("KEYDB.HRENAME h a c", ["HSET h c 1", "HDEL h a"]),
        ("KEYDB.HRENAME h t c", ["HSET h c 3", "HEXPIRE h c 4000000000000", "HDEL h t"]),
        ("KEYDB.HRENAME h a a", []),
        ("KEYDB.HRENAME h none a", []),
        ("KEYDB.NHSET new.a.b 1", ["HSET new a.b 1"]),
        ("KEYDB.NHSET n.a 1", ["HSET n a 1", "HDEL n a.b a.c."]),
        ("KEYDB.NHSET n.a.b.c 1", ["HSET n a.b.c 1", "HDEL n a.b"]),
        ("KEYDB.NHSET n.a.c.d 1", ["HSET n a.c.d 1", "HDEL n a.c."]),
        ("KEYDB.NHSET n.a.c 1", ["HSET n a.c 1", "HDEL n a.c."]),
        ("KEYDB.NHSET n v", ["PUT n v"]),
        ("KEYDB.NHSET s.a 1", ["DROP s", "HSET s a 1"]),
    ],
)
def test_the_effects_of(node: LocalNode, line: str, effects: list[str]) -> None:
    for text in (
        "SADD s a b t", "ZADD z 1 a 2 b", "HSET h a 1 b 2 t 3", "PEXPIREMEMBERAT s t 4000000000000",
        "HPEXPIREAT h 4000000000000 FIELDS 1 t", "KEYDB.NHSET n.a.b 1", "KEYDB.NHSET n.a.c 1 2",
    ):  # fmt: skip
        node(text)
    node.effects()
    node(line)
    assert node.effects() == effects


def test_members_go_from_what_is_made_of_them(node: LocalNode) -> None:
    node("ZADD z 1 a 2 b 3 c")
    node("EXPIREMEMBER z b 1")
    node("SADD s a b c")
    node("EXPIREMEMBER s b 1")
    node.time_s += 1.001
    assert node("ZRANK z c") == 1
    assert node("SRANDMEMBER s 5") == [b"a", b"c"]
    assert node("SINTERCARD 1 s") == 2


def test_lastmodified_counts_from_the_newest_write(node: LocalNode) -> None:
    node("SET k v")
    node.advance(7.5)
    assert node("OBJECT LASTMODIFIED k") == 7
    node("GET k")
    assert node("OBJECT LASTMODIFIED k") == 7
    node("APPEND k w")
    assert node("OBJECT LASTMODIFIED k") == 0


def test_mvccrestore_compares_stamps(node: LocalNode) -> None:
    node("SADD s a")
    payload = node("DUMP s")
    assert isinstance(payload, bytes)
    node("SET k v")
    stamp = (START_MS << 20) + (1 << 19)
    node.effects()
    call = [b"KEYDB.MVCCRESTORE", b"k", b"%d" % (stamp - (1 << 20)), b"-1", payload]
    node.call(0, call)
    assert node.effects() == []
    call[2] = b"%d" % stamp
    node.call(0, call)
    assert node("SMEMBERS k") is not None
    assert [line.split()[:2] for line in node.effects()] == [["PUT", "k"]]


@given(st.lists(st.binary(max_size=12), min_size=2, max_size=6))
def test_a_list_in_a_field_comes_back(items: list[bytes]) -> None:
    assert unpacked(packed(items)) == items


@given(st.binary(max_size=24))
def test_what_is_no_list_is_none(text: bytes) -> None:
    items = unpacked(text)
    assert items is None or packed(items) == text


@pytest.mark.parametrize(
    "text",
    [
        b"*2\r\n$1\r\na\r\n", b"*1\r\n$1\r\na\r\nx", b"*1\r\n$9\r\na\r\n", b"*-1\r\n",
        b"*1\r\n",
    ],
)  # fmt: skip
def test_half_a_list_is_none(text: bytes) -> None:
    assert unpacked(text) is None


def test_the_deepest_path_can_be_shown_and_a_deeper_one_is_refused(node: LocalNode) -> None:
    path = b".".join([b"w"] * DEPTH_MAX)
    assert node.call(0, [b"KEYDB.NHSET", path, b"1", b"2"]) == 0
    shown = node.call(0, [b"KEYDB.NHGET", b"w"])
    for _ in range(DEPTH_MAX - 1):
        assert isinstance(shown, list)
        assert shown[0] == b"w"
        shown = shown[1]
    assert shown == [b"1", b"2"]
    refused = node.call(0, [b"KEYDB.NHSET", path + b".w", b"1"])
    assert isinstance(refused, Failure)
    assert refused.text == TOO_DEEP


def test_a_hash_hides_the_value_that_a_concurrent_write_left_there(node: LocalNode) -> None:
    node("HSET n a 1 a.b 2")
    assert node("KEYDB.NHGET json n") == b'{"a" : {"b" : "2"}}'
    assert node("KEYDB.NHGET n.a") == [b"b", b"2"]
