"""Requests that are none are refused with Redis's texts, whenever it is clear that they are."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.resp.client import command
from node.resp.parser import LINE_MAX, Parser, ProtocolError
from node.resp.replies import Failure
from tests.unit.resp.feeding import outcome, run

PING = command(b"PING")
NO_COUNT = b"invalid multibulk length"
NO_SIZE = b"invalid bulk length"

# request, the text behind "ERR Protocol error: "
ERRORS = {
    "count is no number": (b"*x\r\n", NO_COUNT),
    "count is missing": (b"*\r\n", NO_COUNT),
    "count with a zero in front": (b"*03\r\n", NO_COUNT),
    "count with a plus": (b"*+3\r\n", NO_COUNT),
    "count with a blank": (b"* 3\r\n", NO_COUNT),
    "count above an int": (b"*2147483648\r\n", NO_COUNT),
    "count above int64": (b"*9223372036854775808\r\n", NO_COUNT),
    "count with a digit's neighbour": (b"*:\r\n$4\r\nPING\r\n", NO_COUNT),
    "size is no number": (b"*1\r\n$x\r\n", NO_SIZE),
    "size is missing": (b"*1\r\n$\r\n", NO_SIZE),
    "size is negative": (b"*2\r\n$4\r\nECHO\r\n$-1\r\n", NO_SIZE),
    "size with a zero in front": (b"*2\r\n$4\r\nECHO\r\n$05\r\nhello\r\n", NO_SIZE),
    "size with a digit's neighbour": (b"*2\r\n$4\r\nECHO\r\n$:\r\n0123456789\r\n", NO_SIZE),
    "size of two with a neighbour": (b"*2\r\n$4\r\nECHO\r\n$1;\r\n0123456789\r\n", NO_SIZE),
    "size of three with a letter": (b"*2\r\n$4\r\nECHO\r\n$10a\r\n0123456789\r\n", NO_SIZE),
    "size above the limit": (b"*1\r\n$536870913\r\n", NO_SIZE),
    "size above int64": (b"*1\r\n$99999999999999999999\r\n", NO_SIZE),
    "name's size with a zero in front": (b"*1\r\n$04\r\nPING\r\n", NO_SIZE),
    "no dollar": (b"*1\r\n:4\r\n", b"expected '$', got ':'"),
    "no dollar at the second": (b"*2\r\n$4\r\nECHO\r\nhello\r\n", b"expected '$', got 'h'"),
    "a line end for a dollar": (b"*1\r\n\r\n\r\n", b"expected '$', got ' '"),
    "double quote left open": (b'GET "k\r\n', b"unbalanced quotes in request"),
    "single quote left open": (b"GET 'k\r\n", b"unbalanced quotes in request"),
    "word behind a quote": (b'GET "k"x\r\n', b"unbalanced quotes in request"),
}


@pytest.mark.parametrize(("data", "text"), ERRORS.values(), ids=ERRORS)
def test_error_text(data: bytes, text: bytes) -> None:
    assert outcome(data) == ([], b"ERR Protocol error: " + text)


@pytest.mark.parametrize(("data", "text"), ERRORS.values(), ids=ERRORS)
def test_commands_before_the_error_are_kept(data: bytes, text: bytes) -> None:
    assert outcome(PING * 2 + data) == ([[b"PING"]] * 2, b"ERR Protocol error: " + text)


@pytest.mark.parametrize(
    ("begin", "text"),
    [
        (b"GET ", b"too big inline request"),
        (b"*", b"too big mbulk count string"),
        (b"*1\r\n$", b"too big bulk count string"),
    ],
)
@pytest.mark.parametrize("piece", [1 << 20, 1000, 4096])
def test_a_line_without_an_end(begin: bytes, text: bytes, piece: int) -> None:
    line = begin + b"1" * (LINE_MAX + 8)
    parser = Parser()
    with pytest.raises(ProtocolError) as caught:
        for at in range(0, len(line), piece):
            parser.feed(line[at : at + piece])
            assert parser.next() is None
    assert caught.value.text == b"ERR Protocol error: " + text


def test_the_longest_inline_request() -> None:
    run_length = LINE_MAX - 4
    parser = Parser()
    parser.feed(b"GET " + b"x" * run_length)
    assert parser.next() is None
    parser.feed(b"\n")
    assert parser.next() == [b"GET", b"x" * run_length]
    parser.feed(b"GET " + b"x" * (run_length + 1) + b"\n")
    with pytest.raises(ProtocolError, match="too big inline request"):
        parser.next()


def test_a_guest_may_send_ten_arguments_of_16_kb() -> None:
    limit = command(b"AUTH", *[b"x"] * 9)
    assert outcome(limit, authenticated=False) == ([[b"AUTH", *[b"x"] * 9]], None)
    request = command(b"AUTH", b"x" * 16384)
    assert outcome(request, authenticated=False) == ([[b"AUTH", b"x" * 16384]], None)


def test_a_guest_may_not_send_more() -> None:
    text = b"ERR Protocol error: unauthenticated multibulk length"
    assert outcome(command(*[b"x"] * 11), authenticated=False) == ([], text)
    text = b"ERR Protocol error: unauthenticated bulk length"
    assert outcome(b"*2\r\n$4\r\nAUTH\r\n$16385\r\n", authenticated=False) == ([], text)


def test_authentication_lifts_the_limits() -> None:
    parser = Parser()
    parser.authenticated = False
    parser.feed(command(b"AUTH", b"secret") + command(b"DEL", *[b"k"] * 20))
    assert parser.next() is not None
    parser.authenticated = True
    assert parser.next() == [b"DEL", *[b"k"] * 20]


def test_max_bulk_is_the_limit_for_an_argument() -> None:
    limit = 1 << 20
    head = b"*2\r\n$4\r\nECHO\r\n"
    parser = Parser()
    parser.max_bulk = limit
    parser.feed(command(b"ECHO", b"x" * limit))
    assert parser.next() is not None
    text = b"ERR Protocol error: invalid bulk length"
    assert outcome(head + b"$%d\r\n" % (limit + 1), max_bulk=limit) == ([], text)


def test_no_limit_lets_positions_overflow() -> None:
    text = b"ERR Protocol error: invalid bulk length"
    head = b"*2\r\n$4\r\nECHO\r\n$9223372036854775807\r\n"
    assert outcome(head, max_bulk=9223372036854775807) == ([], text)


def test_a_failed_parser_stays_failed() -> None:
    parser = Parser()
    parser.feed(b"*x\r\n" + PING)
    for _ in range(3):
        with pytest.raises(ProtocolError, match="invalid multibulk length"):
            parser.next()
        parser.feed(PING)
        assert parser.pending() == 0


def test_a_protocol_error_is_a_reply() -> None:
    error = ProtocolError(b"ERR Protocol error: x")
    assert isinstance(error, Failure)
    assert error.wire == b"-ERR Protocol error: x\r\n"


def test_a_line_with_a_nul_never_ends() -> None:
    parser = Parser()
    parser.feed(b"GET\0 k\r\n" + PING)
    assert parser.next() is None
    parser.feed(b"x" * LINE_MAX)
    with pytest.raises(ProtocolError, match="too big inline request"):
        parser.next()


PARTS = [b"*", b"$", b"1", b"2", b"0", b"-", b"\r", b"\n", b"\r\n", b"a", b'"', b"'", b" ", b"\0"]
PARTS += [
    PING,
    command(b"GET", b"k"),
    b"*2\r\n",
    b"*3\r\n$3\r\nSET\r\n",
    b"$1\r\nk\r\n",
    b"$10\r\n",
]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(PARTS), max_size=30), st.lists(st.integers(0, 200), max_size=8))
def test_garbage_cut_anywhere_has_one_outcome(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[begin:end] for begin, end in pairwise(edges)]
    assert run(pieces) == run([data])
    assert run(pieces, authenticated=False) == run([data], authenticated=False)
