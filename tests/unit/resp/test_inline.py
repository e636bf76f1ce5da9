"""Lines are split into words as Redis splits them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.resp.inline import split_line

LINES = [
    (b"", []),
    (b" \t ", []),
    (b"PING", [b"PING"]),
    (b"  SET  k\tv ", [b"SET", b"k", b"v"]),
    (b'SET "a b" c', [b"SET", b"a b", b"c"]),
    (b"SET 'a b' c", [b"SET", b"a b", b"c"]),
    (b'SET k ""', [b"SET", b"k", b""]),
    (b"SET k ''", [b"SET", b"k", b""]),
    (rb'"\n\r\t\b\a"', [b"\n\r\t\b\a"]),
    (rb'"\x00\xfF\x4"', [b"\x00\xffx4"]),
    (rb'"\"\\\q"', [b'"\\q']),
    (rb"'\n\' \\ '", [rb"\n' \\ "]),
    (b'foo"bar"', [b"foobar"]),
    (b"it's' ok", [b"its", b"ok"]),
    (b"a\vb", [b"a\vb"]),
    (b"\va\f", [b"a\f"]),
    (b'"a"\vb', [b"a", b"b"]),
    (b'"a', None),
    (b"'a", None),
    (b'"a\\', None),
    (b'"a\\"', None),
    (b"'a\\'", None),
    (b'"a"b', None),
    (b"'a''b'", None),
    (b'a"', None),
]


@pytest.mark.parametrize(("line", "words"), LINES)
def test_split(line: bytes, words: list[bytes] | None) -> None:
    assert split_line(line) == words


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_words_quoted_byte_by_byte_come_out_again(words: list[bytes]) -> None:
    quoted = [b'"' + b"".join(b"\\x%02x" % byte for byte in word) + b'"' for word in words]
    assert split_line(b" ".join(quoted)) == words
