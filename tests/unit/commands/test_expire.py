"""Expiry: one effect with an absolute deadline, or a DROP; who is due is hidden at once."""

from __future__ import annotations

import pytest

from tests.support.local import START_S, LocalNode

START_MS = int(START_S * 1000)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("EXPIRE k 10", f"EXPIRE k {START_MS + 10_000}"),
        ("PEXPIRE k 10", f"EXPIRE k {START_MS + 10}"),
        ("EXPIREAT k 4000000000", "EXPIRE k 4000000000000"),
        ("PEXPIREAT k 4000000000123", "EXPIRE k 4000000000123"),
        ("EXPIRE k 0", "DROP k"),
        ("EXPIRE k -1", "DROP k"),
        ("PEXPIREAT k 1", "DROP k"),
        (f"PEXPIREAT k {START_MS}", "DROP k"),
        (f"PEXPIREAT k {START_MS + 1}", f"EXPIRE k {START_MS + 1}"),
    ],
)
def test_the_effect_of(node: LocalNode, line: str, expected: str) -> None:
    node("SET k v")
    node.effects()
    assert node(line) == 1
    assert node.effects() == [expected]


@pytest.mark.parametrize(
    "line",
    ["EXPIRE k 10 XX", "EXPIRE k 10 GT", "EXPIRE nothing 10", "PERSIST k", "PERSIST nothing"],
)
def test_what_is_refused_has_no_effect(node: LocalNode, line: str) -> None:
    node("SET k v")
    node.effects()
    assert node(line) == 0
    assert node.effects() == []


def test_persist(node: LocalNode) -> None:
    node("SET k v EX 10")
    node.effects()
    assert node("PERSIST k") == 1
    assert node.effects() == ["EXPIRE k"]
    node.advance(100)
    assert node("GET k") == b"v"


def test_a_key_is_absent_from_its_millisecond_on(node: LocalNode) -> None:
    node.engine.active_expire = False
    node("SET k v PX 500")
    node.advance(0.499)
    assert node("GET k") == b"v"
    node.advance(0.002)
    assert node("GET k") is None
    assert node("EXISTS k") == 0
    assert node("TTL k") == -2
    assert node("KEYS *") == []
    assert node("SCAN 0") == [b"0", []]
    assert node("RANDOMKEY") is None


def test_a_new_key_does_not_inherit_a_deadline_that_has_passed(node: LocalNode) -> None:
    node.engine.active_expire = False
    node("SET k v PX 500")
    node.advance(1)
    node("SADD k a")
    assert node("TTL k") == -1
    assert node("DBSIZE") == 1


def test_ttl_is_rounded(node: LocalNode) -> None:
    node("SET k v PX 1499")
    assert node("TTL k") == 1
    assert node("PTTL k") == 1499
    node("PEXPIRE k 1500")
    assert node("TTL k") == 2


def test_many_keys_go_in_bounded_steps(node: LocalNode) -> None:
    for number in range(5_000):
        node.call(0, [b"SET", b"%d" % number, b"v", b"PX", b"100"])
    node.advance(1)
    assert 0 < node.engine.databases[0].keys.size < 5_000
    while node.engine.tick(node.time_s):
        pass
    assert node.engine.databases[0].keys.size == 0
    assert node.engine.databases[0].expires == 0
