"""Between replies and Lua values, by Redis's rules.

Into Lua: an integer is a number, a bulk string a string, an array a table, a status {ok=}, an error
{err=}, RESP2's nulls are false. Out of it: a number loses its fraction, true is 1, false and nil
are null, a table with `err` or `ok` is an error or a status, any other an array up to its first
nil. In RESP3 (redis.setresp) maps, sets, doubles, booleans and null have forms of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from node.resp.numbers import INT64_MAX, INT64_MIN, format_double
from node.resp.replies import (
    EMPTY,
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

# Makes a Lua table of a list or a dict; the runtime gives it.
MakeTable = Callable[[Any], object]

RESP2: Final = 2
RESP3: Final = 3


# --- into Lua -----------------------------------------------------------------------------------


def to_lua(reply: object, make: MakeTable, resp: int = RESP2) -> object:
    """What redis.call gives a script for a reply. TypeError: it is no reply kind."""
    if isinstance(reply, bytes | int):
        return reply
    if reply is None:
        return False if resp == RESP2 else None
    if isinstance(reply, list):
        return make([to_lua(each, make, resp) for each in reply])
    if isinstance(reply, Simple):
        return make({b"ok": reply.text})
    if isinstance(reply, Failure):
        return error_table(reply.text, make)
    if isinstance(reply, Fixed):
        if reply is EMPTY:
            return make([])
        return False if resp == RESP2 else None  # the null array; nothing else is fixed
    return to_lua_by_version(reply, make, resp)


def to_lua_by_version(reply: object, make: MakeTable, resp: int) -> object:
    """The kinds that RESP2 does not know."""
    if isinstance(reply, Map):
        items = [to_lua(each, make, resp) for each in reply.items]
        if resp == RESP2:
            return make(items)
        return make({b"map": make(dict(zip(items[::2], items[1::2], strict=True)))})
    if isinstance(reply, SetReply):
        members = [to_lua(each, make, resp) for each in reply.items]
        if resp == RESP2:
            return make(members)
        return make({b"set": make(dict.fromkeys(members, True))})
    if isinstance(reply, Push):
        return make([to_lua(each, make, resp) for each in reply.items])
    if isinstance(reply, Double):
        if resp == RESP2:
            return format_double(reply.value)
        return make({b"double": reply.value})
    if isinstance(reply, Boolean):
        return int(reply.value) if resp == RESP2 else reply.value
    if isinstance(reply, BigNumber):
        return reply.text if resp == RESP2 else make({b"big_number": reply.text})
    if isinstance(reply, Verbatim):
        if resp == RESP2:
            return reply.text
        return make({b"verbatim_string": make({b"format": reply.kind, b"string": reply.text})})
    raise TypeError(f"{type(reply).__name__} is no reply")


def error_table(text: bytes, make: MakeTable) -> object:
    """An error as a script sees it."""
    return make({b"err": text})


def word_of(value: object) -> bytes:
    """An argument of redis.call: a string as it is, a number as Redis prints doubles."""
    if isinstance(value, bytes):
        return value
    return format_double(float(cast(float, value)))


# --- out of Lua ---------------------------------------------------------------------------------


def reply_of(shaped: Any, resp: int = RESP2) -> object:
    """A script's result, as node/script/sandbox.py has shaped it, as a reply.

    `resp` is what the script asked for by redis.setresp: in RESP3 a boolean stays one.
    """
    if isinstance(shaped, bytes):
        return shaped
    if isinstance(shaped, bool):
        if resp == RESP3:
            return Boolean(shaped)
        return 1 if shaped else None
    if isinstance(shaped, int | float):
        return integer_of(shaped)
    kind = shaped[1]
    if kind == b"array":
        return [reply_of(shaped[at], resp) for at in range(2, len(shaped) + 1)]
    if kind == b"error":
        return Failure(shaped[2])
    if kind == b"status":
        return Simple(shaped[2])
    if kind == b"double":
        return Double(float(shaped[2]))
    if kind == b"big number":
        return BigNumber(shaped[2].replace(b"\r", b" ").replace(b"\n", b" "))
    if kind == b"verbatim":
        return Verbatim(shaped[2], shaped[3])
    if kind == b"map":
        return Map([reply_of(shaped[at], resp) for at in range(2, len(shaped) + 1)])
    if kind == b"set":
        return SetReply([reply_of(shaped[at], resp) for at in range(2, len(shaped) + 1)])
    return None


def integer_of(number: int | float) -> int:
    """A Lua number as an integer reply: towards zero; what no int64 holds is the smallest one."""
    if isinstance(number, float):
        if not -9.3e18 < number < 9.3e18:  # nan too
            return INT64_MIN
        number = int(number)
    return number if INT64_MIN <= number <= INT64_MAX else INT64_MIN
