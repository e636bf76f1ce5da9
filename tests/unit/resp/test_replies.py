"""What the reply kinds promise besides their encoding."""

from __future__ import annotations

import weakref

import pytest

from node.resp.parser import ProtocolError
from node.resp.replies import Failure, Simple, Verbatim


@pytest.mark.parametrize("kind", [Failure, ProtocolError])
def test_an_error_can_be_referenced_weakly(kind: type[Failure]) -> None:
    # A compiled exception class that gets this wrong corrupts memory: see node.resp.replies.
    for _ in range(100):
        error = kind(b"ERR x")
        reference = weakref.ref(error)
        assert reference() is error
        del error
        assert reference() is None


def test_an_error_can_be_raised_with_its_text() -> None:
    with pytest.raises(Failure, match=r"^ERR wrong \\xff kind$") as caught:
        raise Failure(b"ERR wrong \xff\nkind")
    assert caught.value.text == b"ERR wrong \xff kind"
    assert caught.value.wire == b"-ERR wrong \xff kind\r\n"


def test_line_ends_become_spaces() -> None:
    assert Simple(b"a\nb\r").text == b"a b "
    assert Failure(b"a\r\nb").text == b"a  b"


def test_a_format_name_has_three_bytes() -> None:
    assert Verbatim(b"t", b"x").kind == b"t  "
    assert Verbatim(b"text", b"x").kind == b"tex"
