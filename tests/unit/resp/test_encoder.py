"""Every reply kind in both protocol versions, byte for byte, and read back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from librt.strings import BytesWriter

from node.resp.client import INCOMPLETE, ReplyParser
from node.resp.encoder import MAX_DEPTH, encode
from node.resp.replies import (
    EMPTY,
    NO_REPLY,
    NULL_ARRAY,
    OK,
    PONG,
    QUEUED,
    BigNumber,
    Boolean,
    Double,
    Failure,
    Fixed,
    Map,
    Push,
    SetReply,
    Simple,
    Verbatim,
)


def wire(reply: object, resp: int) -> bytes:
    out = BytesWriter()
    encode(out, reply, resp)
    return out.getvalue()


def plain(reply: object) -> object:
    """What two equal replies have in common, as comparable values."""
    if isinstance(reply, Simple | Failure | BigNumber):
        return (type(reply).__name__, reply.text)
    if isinstance(reply, Fixed):
        return ("Fixed", reply.resp3)
    if isinstance(reply, Verbatim):
        return ("Verbatim", reply.kind, reply.text)
    if isinstance(reply, Double):
        return ("Double", "nan" if math.isnan(reply.value) else reply.value)
    if isinstance(reply, Boolean):
        return ("Boolean", reply.value)
    if isinstance(reply, Map | SetReply | Push):
        return (type(reply).__name__, [plain(item) for item in reply.items])
    if isinstance(reply, list):
        return [plain(item) for item in reply]
    return reply


# reply, RESP2, RESP3
KINDS: dict[str, tuple[object, bytes, bytes]] = {
    "ok": (OK, b"+OK\r\n", b"+OK\r\n"),
    "pong": (PONG, b"+PONG\r\n", b"+PONG\r\n"),
    "queued": (QUEUED, b"+QUEUED\r\n", b"+QUEUED\r\n"),
    "simple": (Simple(b"Background saving started"),) + (b"+Background saving started\r\n",) * 2,
    "simple of two lines": (Simple(b"a\r\nb"), b"+a  b\r\n", b"+a  b\r\n"),
    "failure": (Failure(b"ERR syntax error"),) + (b"-ERR syntax error\r\n",) * 2,
    "failure of two lines": (Failure(b"ERR a\nb\rc"),) + (b"-ERR a b c\r\n",) * 2,
    "null": (None, b"$-1\r\n", b"_\r\n"),
    "null array": (NULL_ARRAY, b"*-1\r\n", b"_\r\n"),
    "empty": (EMPTY, b"*0\r\n", b"*0\r\n"),
    "no reply": (NO_REPLY, b"", b""),
    "bulk": (b"hello", b"$5\r\nhello\r\n", b"$5\r\nhello\r\n"),
    "empty bulk": (b"", b"$0\r\n\r\n", b"$0\r\n\r\n"),
    "integer": (7, b":7\r\n", b":7\r\n"),
    "big integer": (1234567890123,) + (b":1234567890123\r\n",) * 2,
    "negative integer": (-1, b":-1\r\n", b":-1\r\n"),
    "largest": (2**63 - 1,) + (b":9223372036854775807\r\n",) * 2,
    "smallest": (-(2**63),) + (b":-9223372036854775808\r\n",) * 2,
    "empty list": ([], b"*0\r\n", b"*0\r\n"),
    "list": ([1, b"a", None, OK], b"*4\r\n:1\r\n$1\r\na\r\n$-1\r\n+OK\r\n",
             b"*4\r\n:1\r\n$1\r\na\r\n_\r\n+OK\r\n"),
    "nested": ([[1], [], [[b"x"]]],) + (b"*3\r\n*1\r\n:1\r\n*0\r\n*1\r\n*1\r\n$1\r\nx\r\n",) * 2,
    "error in a list": ([Failure(b"ERR x"), 1],) + (b"*2\r\n-ERR x\r\n:1\r\n",) * 2,
    "map": (Map([b"a", 1, b"b", None]), b"*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n$-1\r\n",
            b"%2\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n_\r\n"),
    "empty map": (Map([]), b"*0\r\n", b"%0\r\n"),
    "map in a list": ([Map([b"a", [1]])], b"*1\r\n*2\r\n$1\r\na\r\n*1\r\n:1\r\n",
                      b"*1\r\n%1\r\n$1\r\na\r\n*1\r\n:1\r\n"),
    "set": (SetReply([b"a", b"b"]),
            b"*2\r\n$1\r\na\r\n$1\r\nb\r\n", b"~2\r\n$1\r\na\r\n$1\r\nb\r\n"),
    "push": (Push([b"message", b"c", b"m"]),
             b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n",
             b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n"),
    "double": (Double(3.25), b"$4\r\n3.25\r\n", b",3.25\r\n"),
    "whole double": (Double(10.0), b"$2\r\n10\r\n", b",10\r\n"),
    "infinite": (Double(math.inf), b"$3\r\ninf\r\n", b",inf\r\n"),
    "minus infinite": (Double(-math.inf), b"$4\r\n-inf\r\n", b",-inf\r\n"),
    "not a number": (Double(math.nan), b"$3\r\nnan\r\n", b",nan\r\n"),
    "verbatim": (Verbatim(b"txt", b"Some\r\nstring"), b"$12\r\nSome\r\nstring\r\n",
                 b"=16\r\ntxt:Some\r\nstring\r\n"),
    "true": (Boolean(True), b":1\r\n", b"#t\r\n"),
    "false": (Boolean(False), b":0\r\n", b"#f\r\n"),
    "big number": (BigNumber(b"-" + b"9" * 30),
                   b"$31\r\n-" + b"9" * 30 + b"\r\n", b"(-" + b"9" * 30 + b"\r\n"),
}  # fmt: skip


@pytest.mark.parametrize(("reply", "resp2", "resp3"), KINDS.values(), ids=KINDS)
def test_encoding(reply: object, resp2: bytes, resp3: bytes) -> None:
    assert wire(reply, 2) == resp2
    assert wire(reply, 3) == resp3


@pytest.mark.parametrize("size", [0, 9, 10, 99, 100, 1024, 1025, 9999, 10000, 100000])
def test_bulk_headers(size: int) -> None:
    assert wire(b"x" * size, 2) == b"$%d\r\n" % size + b"x" * size + b"\r\n"


def test_every_digit_count_of_an_integer() -> None:
    for digits in range(1, 19):
        for value in (10 ** (digits - 1), 10**digits - 1):
            assert wire(value, 2) == b":%d\r\n" % value
            assert wire(-value, 3) == b":-%d\r\n" % value


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 2**70])
def test_an_integer_beyond_int64_is_refused(value: int) -> None:
    with pytest.raises(ValueError):
        wire(value, 2)


@pytest.mark.parametrize("reply", ["text", 1.5, (1, 2), {b"a": 1}, bytearray(b"x"), object()])
def test_what_is_no_reply_is_refused(reply: object) -> None:
    with pytest.raises(TypeError, match="is not a reply"):
        wire(reply, 2)
    with pytest.raises(TypeError, match="is not a reply"):
        wire([reply], 3)


def test_a_map_needs_pairs() -> None:
    with pytest.raises(AssertionError):
        wire(Map([b"a"]), 3)


def nested(depth: int) -> list[object]:
    reply: list[object] = [1]
    for _ in range(depth - 1):
        reply = [reply]
    return reply


def test_nesting_up_to_the_limit() -> None:
    assert wire(nested(MAX_DEPTH), 2) == b"*1\r\n" * MAX_DEPTH + b":1\r\n"


def test_nesting_beyond_the_limit_is_an_error_in_its_place() -> None:
    error = b"-ERR reply is nested too deeply\r\n"
    assert wire([nested(5000), 2], 3) == b"*2\r\n" + b"*1\r\n" * (MAX_DEPTH - 1) + error + b":2\r\n"
    for around in (Map([b"k", nested(5000)]), SetReply([nested(5000)]), Push([nested(5000)])):
        assert wire(around, 3).endswith(error)


LINE = st.binary(max_size=30).filter(lambda text: b"\r" not in text and b"\n" not in text)
SCALARS = st.one_of(
    st.none(),
    st.binary(max_size=60),
    st.integers(-(2**63), 2**63 - 1),
    LINE.map(Simple),
    LINE.map(Failure),
    st.floats().map(Double),
    st.booleans().map(Boolean),
    st.integers().map(lambda number: BigNumber(b"%d" % number)),
    st.builds(Verbatim, st.sampled_from([b"txt", b"mkd"]), st.binary(max_size=30)),
)
REPLIES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(SetReply),
        st.lists(inner, max_size=4).map(Push),
        st.lists(st.tuples(inner, inner), max_size=3).map(
            lambda pairs: Map([item for pair in pairs for item in pair])
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(REPLIES, min_size=1, max_size=4))
def test_any_replies_read_back_the_same_in_resp3(replies: list[object]) -> None:
    data = b"".join(wire(reply, 3) for reply in replies)
    parser = ReplyParser()
    parser.feed(data)
    assert [plain(parser.next()) for _ in replies] == [plain(reply) for reply in replies]
    assert parser.next() is INCOMPLETE
    taken: list[object] = []
    for byte in data:
        parser.feed(bytes([byte]))
        while (reply := parser.next()) is not INCOMPLETE:
            taken.append(plain(reply))
    assert taken == [plain(reply) for reply in replies]
    assert parser.pending() == 0


@settings(max_examples=100, deadline=None)
@given(REPLIES)
def test_any_reply_is_one_reply_in_resp2(reply: object) -> None:
    parser = ReplyParser()
    parser.feed(wire(reply, 2))
    assert parser.next() is not INCOMPLETE
    assert parser.pending() == 0
