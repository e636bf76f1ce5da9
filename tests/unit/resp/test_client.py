"""Replies come out of the bytes of a server, and commands go in."""

from __future__ import annotations

import pytest

from node.resp.client import DEPTH_MAX, INCOMPLETE, LINE_MAX, ReplyParser, command
from node.resp.parser import ProtocolError
from node.resp.replies import NULL_ARRAY, OK, BigNumber, Double, Failure, Map, Simple, Verbatim


def read(data: bytes) -> object:
    """The one reply in `data`, fed whole, byte by byte and with more behind: all the same."""
    whole = ReplyParser()
    whole.feed(data)
    reply = whole.next()
    assert whole.next() is INCOMPLETE and whole.pending() == 0
    single = ReplyParser()
    for byte in data[:-1]:
        single.feed(bytes([byte]))
        assert single.next() is INCOMPLETE
    single.feed(data[-1:])
    assert type(single.next()) is type(reply)
    trailed = ReplyParser()
    trailed.feed(data + b":42\r\n")
    assert type(trailed.next()) is type(reply)
    assert trailed.next() == 42
    return reply


def test_command() -> None:
    assert command(b"SET", b"k", b"") == b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n"


def test_plain_replies() -> None:
    assert read(b"+OK\r\n") is OK
    assert read(b"$5\r\nab\r\nc\r\n") == b"ab\r\nc"
    assert read(b"$-1\r\n") is None
    assert read(b"_\r\n") is None
    assert read(b"*-1\r\n") is NULL_ARRAY
    assert read(b":-17\r\n") == -17
    assert read(b":+17\r\n") == 17
    assert read(b"*0\r\n") == []
    assert read(b"*2\r\n*1\r\n:1\r\n$-1\r\n") == [[1], None]


def test_replies_that_are_objects() -> None:
    simple = read(b"+CONTINUE\r\n")
    assert isinstance(simple, Simple) and simple.text == b"CONTINUE"
    failure = read(b"-NOAUTH Authentication required.\r\n")
    assert isinstance(failure, Failure) and failure.text == b"NOAUTH Authentication required."
    blob = read(b"!8\r\nERR a\r\nb\r\n")
    assert isinstance(blob, Failure) and blob.text == b"ERR a  b"
    double = read(b",1.5e3\r\n")
    assert isinstance(double, Double) and double.value == 1500.0
    number = read(b"(-123456789012345678901234567890\r\n")
    assert isinstance(number, BigNumber) and number.text.endswith(b"890")
    verbatim = read(b"=8\r\nmkd:text\r\n")
    assert isinstance(verbatim, Verbatim) and (verbatim.kind, verbatim.text) == (b"mkd", b"text")


def test_attributes_are_left_out() -> None:
    assert read(b"|1\r\n+ttl\r\n:3600\r\n$1\r\nv\r\n") == b"v"
    assert read(b"*2\r\n:1\r\n|1\r\n$1\r\na\r\n*1\r\n:7\r\n:2\r\n") == [1, 2]
    assert read(b"|0\r\n:5\r\n") == 5
    inside = read(b"%1\r\n|1\r\n+a\r\n+b\r\n+key\r\n:1\r\n")
    assert isinstance(inside, Map) and len(inside.items) == 2


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"hello\r\n", b"expected a reply, got 'h'"),
        (b"\r\n", b"expected a reply, got ' '"),
        (b":x\r\n", b"invalid integer"),
        (b":9223372036854775808\r\n", b"invalid integer"),
        (b"$x\r\n", b"invalid bulk length"),
        (b"$-2\r\n", b"invalid bulk length"),
        (b"$536870913\r\n", b"invalid bulk length"),
        (b"$?\r\n", b"invalid bulk length"),
        (b"=-1\r\n", b"invalid length"),
        (b"%-1\r\n", b"invalid length"),
        (b"*2147483648\r\n", b"invalid multibulk length"),
        (b"*?\r\n", b"invalid multibulk length"),
        (b"$1\r\nabc", b"a bulk string is not followed by CR LF"),
        (b"#x\r\n", b"invalid value behind '#'"),
        (b"_x\r\n", b"invalid value behind '_'"),
        (b",1_0\r\n", b"invalid value behind ','"),
        (b",infinity\r\n", b"invalid value behind ','"),
        (b"(1.5\r\n", b"invalid value behind '('"),
        (b"=3\r\ntxt\r\n", b"invalid verbatim string"),
        (b"*1\r\n" * (DEPTH_MAX + 1) + b":1\r\n", b"reply is nested too deeply"),
        (b"+" + b"x" * (LINE_MAX + 2), b"too long a line"),
        (b"+" + b"x" * (LINE_MAX + 2) + b"\r\n", b"too long a line"),
    ],
)
def test_garbage_is_refused(data: bytes, text: bytes) -> None:
    parser = ReplyParser()
    parser.feed(data)
    for _ in range(2):
        with pytest.raises(ProtocolError) as caught:
            parser.next()
        assert caught.value.text == b"ERR Protocol error: " + text
        parser.feed(b":1\r\n")
        assert parser.pending() == 0


def test_the_deepest_reply() -> None:
    reply = read(b"*1\r\n" * DEPTH_MAX + b":1\r\n")
    for _ in range(DEPTH_MAX):
        assert isinstance(reply, list)
        (reply,) = reply
    assert reply == 1


def test_what_follows_the_last_reply_can_be_taken() -> None:
    parser = ReplyParser()
    parser.feed(b"+FULLRESYNC 0123 17\r\n$5\r\nREDIS")
    reply = parser.next()
    assert isinstance(reply, Simple) and reply.text == b"FULLRESYNC 0123 17"
    assert parser.rest() == b"$5\r\nREDIS"
    assert parser.pending() == 0
    parser.feed(b":1\r\n")
    assert parser.next() == 1


def test_announced_elements_are_not_allocated_before_they_come() -> None:
    parser = ReplyParser()
    parser.feed(b"*2147483647\r\n%2147483647\r\n$536870912\r\n")
    assert parser.next() is INCOMPLETE
    assert parser.pending() == 0


def test_a_long_bulk_string_in_pieces() -> None:
    parser = ReplyParser()
    parser.feed(b"$1000000\r\n")
    for _ in range(1000):
        assert parser.next() is INCOMPLETE
        parser.feed(b"x" * 1000)
    assert parser.next() is INCOMPLETE
    parser.feed(b"\r\n:1\r\n")
    assert parser.next() == b"x" * 1000000
    assert parser.next() == 1
