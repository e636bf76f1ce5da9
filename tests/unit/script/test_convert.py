"""Replies into Lua and out of it. That all of it is Redis's way is compared in tests/wire."""

from __future__ import annotations

import math

import pytest

from node.resp.replies import (
    EMPTY,
    NULL_ARRAY,
    OK,
    BigNumber,
    Boolean,
    Double,
    Failure,
    Map,
    Push,
    SetReply,
    Simple,
    Verbatim,
)
from node.script.convert import integer_of, reply_of, to_lua, word_of


def made(content: object) -> object:
    """A table as what it is made of."""
    return content


@pytest.mark.parametrize(
    ("reply", "resp2", "resp3"),
    [
        (5, 5, 5),
        (b"text", b"text", b"text"),
        (None, False, None),
        (NULL_ARRAY, False, None),
        (EMPTY, [], []),
        (OK, {b"ok": b"OK"}, {b"ok": b"OK"}),
        (Failure(b"ERR no"), {b"err": b"ERR no"}, {b"err": b"ERR no"}),
        ([1, [None, b"x"]], [1, [False, b"x"]], [1, [None, b"x"]]),
        (Push([b"a", 1]), [b"a", 1], [b"a", 1]),
        (Map([b"f", b"v", b"g", None]), [b"f", b"v", b"g", False],
         {b"map": {b"f": b"v", b"g": None}}),
        (SetReply([b"a", b"b"]), [b"a", b"b"], {b"set": {b"a": True, b"b": True}}),
        (Double(1.5), b"1.5", {b"double": 1.5}),
        (Boolean(True), 1, True),
        (Boolean(False), 0, False),
        (BigNumber(b"123"), b"123", {b"big_number": b"123"}),
        (Verbatim(b"txt", b"hi"), b"hi",
         {b"verbatim_string": {b"format": b"txt", b"string": b"hi"}}),
    ],
)  # fmt: skip
def test_a_reply_is_a_value_of_its_protocol(reply: object, resp2: object, resp3: object) -> None:
    assert to_lua(reply, made, 2) == resp2
    assert to_lua(reply, made, 3) == resp3


def test_what_is_no_reply_is_refused() -> None:
    with pytest.raises(TypeError, match="object is no reply"):
        to_lua(object(), made)


class Table(dict[int, object]):
    """A Lua table: counted from 1."""

    def __init__(self, *items: object) -> None:
        super().__init__(enumerate(items, 1))


def test_what_a_script_returns_is_a_reply() -> None:
    assert reply_of(b"text") == b"text"
    assert (reply_of(True), reply_of(False)) == (1, None)
    assert reply_of(Table(b"null")) is None
    array = Table(b"array", 1.9, Table(b"array"), True, False)
    assert reply_of(array) == [1, [], 1, None]
    status = reply_of(Table(b"status", b"a\r\nb"))
    assert isinstance(status, Simple) and status.text == b"a  b"
    failure = reply_of(Table(b"error", b"MY error"))
    assert isinstance(failure, Failure) and failure.text == b"MY error"
    double = reply_of(Table(b"double", 2))
    assert isinstance(double, Double) and double.value == 2.0
    big = reply_of(Table(b"big number", b"1\n2"))
    assert isinstance(big, BigNumber) and big.text == b"1 2"
    verbatim = reply_of(Table(b"verbatim", b"txt", b"hi"))
    assert isinstance(verbatim, Verbatim) and verbatim.text == b"hi"
    pairs = reply_of(Table(b"map", b"a", 1))
    assert isinstance(pairs, Map) and pairs.items == [b"a", 1]
    members = reply_of(Table(b"set", b"a"))
    assert isinstance(members, SetReply) and members.items == [b"a"]


def test_in_resp3_a_boolean_stays_one() -> None:
    yes, no = reply_of(True, 3), reply_of(False, 3)
    assert isinstance(yes, Boolean) and yes.value
    assert isinstance(no, Boolean) and not no.value


@pytest.mark.parametrize(
    ("number", "integer"),
    [
        (2.9, 2), (-2.9, -2), (-0.0, 0), (2**53, 2**53), (-(2.0**63), -(2**63)),
        (2.0**63, -(2**63)), (1e300, -(2**63)), (math.nan, -(2**63)), (math.inf, -(2**63)),
    ],
)  # fmt: skip
def test_a_number_loses_its_fraction(number: float, integer: int) -> None:
    assert integer_of(number) == integer


@pytest.mark.parametrize(
    ("value", "word"),
    [(b"x\0", b"x\0"), (5, b"5"), (1e15, b"1000000000000000"), (0.1, b"0.1"), (1e20, b"1e+20")],
)
def test_an_argument_is_printed_as_redis_prints_doubles(value: object, word: bytes) -> None:
    assert word_of(value) == word
