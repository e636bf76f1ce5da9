"""Replies to bytes, for RESP2 and RESP3. Compiled.

Promises: every reply kind is written completely and in one pass, and what is written is well
formed whatever a script nested. The kinds are tried in the order in which they are common.
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter, write_i16_le, write_i32_le
from mypy_extensions import i16, i32, i64, u8

from node.resp.numbers import INT64_MAX, INT64_MIN, format_double, put_uint
from node.resp.replies import (
    OK,
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

# Little-endian words of whole lines. A length or value below ten is added to the second byte.
OK_WORD: Final[i32] = 0x0D4B4F2B  # "+OK\r", without its LF
NULL_WORD: Final[i32] = 0x0D312D24  # "$-1\r", without its LF
EMPTY_BULK_WORD: Final[i64] = 0x0A0D3024  # "$0\r\n"
ZERO_WORD: Final[i64] = 0x0A0D303A  # ":0\r\n"
CRLF: Final[i16] = 0x0A0D
# Most bulk strings are short: one table look-up instead of formatting the length.
BULK_HEADERS: Final[list[bytes]] = [b"$%d\r\n" % i for i in range(1025)]
# put_uint takes values below this; what is above is rare enough for the general formatting.
PLAIN_MAX: Final[i64] = 0x3FFF_FFFF_FFFF_FFFF

ARRAY: Final[i64] = 42  # '*'
MAP: Final[i64] = 37  # '%'
SET: Final[i64] = 126  # '~'
PUSH: Final[i64] = 62  # '>'

# Only a script's tables can nest this far. Each level costs a C stack frame here and in most
# clients' parsers, and our deepest own reply (COMMAND DOCS) has fewer than ten.
MAX_DEPTH: Final[i64] = 128
TOO_DEEP: Final = Failure(b"ERR reply is nested too deeply")


def put_bulk(out: BytesWriter, text: bytes) -> None:
    """Append `text` as a bulk string."""
    size: i64 = len(text)
    if size < 10:
        write_i32_le(out, i32(EMPTY_BULK_WORD + (size << 8)))
    elif size <= 1024:
        out.write(BULK_HEADERS[size])
    else:
        out.append(36)
        put_uint(out, size)
        write_i16_le(out, CRLF)
    out.write(text)
    write_i16_le(out, CRLF)


def put_header(out: BytesWriter, kind: i64, count: i64) -> None:
    """Append an aggregate's header: its kind's byte and how many elements follow."""
    out.append(u8(kind))
    put_uint(out, count)
    write_i16_le(out, CRLF)


def put_integer(out: BytesWriter, number: int) -> None:
    """Append an integer reply; ValueError when it is not an int64."""
    value = i64(number)
    if 0 <= value < 10:
        write_i32_le(out, i32(ZERO_WORD + (value << 8)))
        return
    out.append(58)
    if 0 <= value <= PLAIN_MAX:
        put_uint(out, value)
    elif -PLAIN_MAX <= value < 0:
        out.append(45)
        put_uint(out, -value)
    else:
        if number > INT64_MAX or number < INT64_MIN:
            raise ValueError(f"integer reply {number} is not an int64")
        out.write(b"%d" % number)
    write_i16_le(out, CRLF)


def encode(out: BytesWriter, reply: object, resp: i64) -> None:
    """Append `reply` in protocol version `resp` (2 or 3); TypeError when it is no reply kind."""
    if reply is OK:
        write_i32_le(out, OK_WORD)
        out.append(10)
    elif isinstance(reply, bytes):
        put_bulk(out, reply)
    elif reply is None:
        put_null(out, resp)
    elif isinstance(reply, int):
        put_integer(out, reply)
    else:
        encode_other(out, reply, resp, 0)


def put_null(out: BytesWriter, resp: i64) -> None:
    """Append the null bulk string of RESP2 or RESP3's null."""
    if resp == 2:
        write_i32_le(out, NULL_WORD)
        out.append(10)
    else:
        out.write(b"_\r\n")


def encode_other(out: BytesWriter, reply: object, resp: i64, depth: i64) -> None:
    """Append a reply that is not a plain scalar; `depth` aggregates are around it."""
    if isinstance(reply, list):
        encode_items(out, ARRAY, len(reply), reply, resp, depth)
    elif isinstance(reply, Simple):
        out.write(reply.wire)
    elif isinstance(reply, Fixed):
        out.write(reply.resp2 if resp == 2 else reply.resp3)
    elif isinstance(reply, Failure):
        out.write(reply.wire)
    elif isinstance(reply, Map):
        items = reply.items
        size: i64 = len(items)
        assert size & 1 == 0, "a Map needs a value for each key"
        if resp == 2:
            encode_items(out, ARRAY, size, items, resp, depth)
        else:
            encode_items(out, MAP, size >> 1, items, resp, depth)
    elif isinstance(reply, SetReply):
        kind = ARRAY if resp == 2 else SET
        encode_items(out, kind, len(reply.items), reply.items, resp, depth)
    elif isinstance(reply, Push):
        kind = ARRAY if resp == 2 else PUSH
        encode_items(out, kind, len(reply.items), reply.items, resp, depth)
    else:
        encode_rare(out, reply, resp)


def encode_items(
    out: BytesWriter, kind: i64, count: i64, items: list[object], resp: i64, depth: i64
) -> None:
    """Append an aggregate, or TOO_DEEP in its place: the reply around it stays well formed."""
    if depth >= MAX_DEPTH:
        out.write(TOO_DEEP.wire)
        return
    put_header(out, kind, count)
    for item in items:
        if isinstance(item, bytes):
            put_bulk(out, item)
        elif item is None:
            put_null(out, resp)
        elif isinstance(item, int):
            put_integer(out, item)
        else:
            encode_other(out, item, resp, depth + 1)


def encode_rare(out: BytesWriter, reply: object, resp: i64) -> None:
    """Append a scalar kind that RESP2 does not know, as Redis writes it for RESP2 clients."""
    if isinstance(reply, Double):
        digits = format_double(reply.value)
        if resp == 2:
            put_bulk(out, digits)
        else:
            put_line(out, 44, digits)
    elif isinstance(reply, Verbatim):
        if resp == 2:
            put_bulk(out, reply.text)
        else:
            put_header(out, 61, len(reply.text) + 4)
            out.write(reply.kind)
            out.append(58)
            out.write(reply.text)
            write_i16_le(out, CRLF)
    elif isinstance(reply, Boolean):
        if resp == 2:
            out.write(b":1\r\n" if reply.value else b":0\r\n")
        else:
            out.write(b"#t\r\n" if reply.value else b"#f\r\n")
    elif isinstance(reply, BigNumber):
        if resp == 2:
            put_bulk(out, reply.text)
        else:
            put_line(out, 40, reply.text)
    else:
        raise TypeError(f"{type(reply).__name__} is not a reply: see node.resp.replies")


def put_line(out: BytesWriter, kind: u8, text: bytes) -> None:
    """Append a line reply: its kind's byte, `text`, CR LF."""
    out.append(kind)
    out.write(text)
    write_i16_le(out, CRLF)
