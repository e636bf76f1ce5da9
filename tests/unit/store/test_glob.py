"""Glob patterns as Redis reads them."""

import pytest

from node.store.glob import matches


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (b"", b"", True),
        (b"", b"a", False),
        (b"*", b"", False),
        (b"*", b"anything", True),
        (b"a*c", b"abbbc", True),
        (b"a*c", b"abbbd", False),
        (b"a*b*c*", b"a1b2c3", True),
        (b"**a**", b"xxa", True),
        (b"a?c", b"abc", True),
        (b"a?c", b"ac", False),
        (b"?", b"", False),
        (b"[abc]", b"b", True),
        (b"[abc]", b"d", False),
        (b"[^abc]", b"d", True),
        (b"[^abc]", b"a", False),
        (b"[a-c]x", b"bx", True),
        (b"[c-a]x", b"bx", True),
        (b"[a-]", b"_", True),  # a range up to the bracket, as Redis has it
        (b"[a-]", b"-", False),
        (b"[]", b"a", False),
        (b"[^]", b"a", True),
        (b"[ab", b"b", True),
        (b"[ab", b"bc", False),
        (b"[\\]]", b"]", True),
        (b"[\\-a]", b"-", True),
        (b"\\*", b"*", True),
        (b"\\*", b"a", False),
        (b"\\?x", b"?x", True),
        (b"a\\", b"a\\", True),
        (b"h[ae]llo", b"hello", True),
        (b"h[ae]llo", b"hillo", False),
        (b"\x00*\xff", b"\x00mid\xff", True),
        (b"*[0-9]z", b"1a2z", True),
    ],
)
def test_patterns(pattern: bytes, text: bytes, expected: bool) -> None:
    assert matches(pattern, text) is expected


def test_many_stars_do_not_take_exponential_time() -> None:
    assert not matches(b"a*" * 60 + b"b", b"a" * 2000)
