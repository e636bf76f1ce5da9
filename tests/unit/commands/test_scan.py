"""Walking the keys: globs as Redis reads them, SCAN's bounds, fair random keys."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.commands.scan import COUNT_MAX, glob
from node.store.glob import matches
from tests.support.local import LocalNode

# Observed on Redis 8.2.3, with KEYS.
GLOBS = [
    (b"*", b"a", True), (b"*", b"", False), (b"**", b"", False), (b"", b"", True),
    (b"", b"a", False), (b"?", b"", False), (b"a*", b"a", True), (b"a**", b"a", True),
    (b"a?", b"a", False), (b"a*b*c", b"aXbYbZc", True), (b"a*b*c", b"aXbYbZ", False),
    (b"*a*a*b", b"aab", True), (b"*aa", b"aaa", True), (b"[abc]", b"b", True),
    (b"[^abc]", b"b", False), (b"[^abc]", b"d", True), (b"[a-c]", b"b", True),
    (b"[c-a]", b"b", True), (b"[a-]", b"a", True), (b"[a-]", b"_", True), (b"[a-]", b"-", False),
    (b"[a-]b]", b"b", True), (b"[]", b"a", False), (b"[]a]", b"a]", False), (b"[^]", b"a", True),
    (b"[^]a]", b"aa]", True), (b"[ab", b"b", True), (b"[", b"[", False), (b"[^", b"x", True),
    (b"[\\]]", b"]", True), (b"[\\", b"\\", True), (b"[-a]", b"-", True), (b"[--a]", b".", True),
    (b"\\*", b"*", True), (b"\\*", b"a", False), (b"\\", b"\\", True), (b"\\a", b"a", True),
    (b"a\\", b"a\\", True), (b"\n?", b"\n\n", True), (b"*", b"\n", True),
    (b"\xff*", b"\xff\x00", True), (b"]", b"]", True), (b"-", b"-", True),
    (b"a.c", b"abc", False), (b"(a|b)+$", b"(a|b)+$", True),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "text", "expected"), GLOBS)
def test_a_glob(pattern: bytes, text: bytes, expected: bool) -> None:
    assert glob(pattern)(text) is expected


@given(st.text("ab-]^[\\*?", max_size=8), st.text("abc-]^[*\\", max_size=5))
def test_a_glob_decides_as_for_channels(pattern: str, text: str) -> None:
    assert glob(pattern.encode())(text.encode()) == matches(pattern.encode(), text.encode())


def test_a_glob_without_regard_to_case() -> None:
    assert glob(b"MaX[a-c]*", nocase=True)(b"mAxB-y")
    assert not glob(b"MaX*")(b"max")


def test_many_stars_take_no_exponential_time() -> None:
    assert not glob(b"a*" * 40 + b"b")(b"a" * 5_000)


def test_scan_looks_at_a_bounded_number_of_keys(node: LocalNode) -> None:
    node.call(0, [b"MSET", *[b"%d" % (n // 2) for n in range(2 * COUNT_MAX + 2)]])
    reply = node(f"SCAN 0 MATCH nothing COUNT {10**12}")
    assert isinstance(reply, list)
    assert reply[0] != b"0"
    assert reply[1] == []


def test_scan_returns_each_key_once(node: LocalNode) -> None:
    node.call(0, [b"MSET", *[b"%d" % (n // 2) for n in range(2_000)]])
    found: list[bytes] = []
    cursor = b"0"
    for _ in range(1_000):
        reply = node.call(0, [b"SCAN", cursor])
        assert isinstance(reply, list)
        assert len(reply[1]) <= 10
        cursor = reply[0]
        found += reply[1]
        if cursor == b"0":
            break
    assert sorted(found) == sorted(b"%d" % n for n in range(1_000))


def test_every_key_is_picked(node: LocalNode) -> None:
    node("MSET a 1 b 2 c 3")
    picked = Counter(node("RANDOMKEY") for _ in range(300))
    assert set(picked) == {b"a", b"b", b"c"}
    assert min(picked.values()) > 60


def test_randomkey_passes_over_keys_past_their_deadline(node: LocalNode) -> None:
    node.engine.active_expire = False
    for number in range(500):
        node.call(0, [b"SET", b"%d" % number, b"v", b"PX", b"10"])
    node("SET alive v")
    node.advance(1)
    assert node("RANDOMKEY") == b"alive"
    node("DEL alive")
    assert node("RANDOMKEY") is None
