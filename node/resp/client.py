"""Bytes to replies, for links to peers and for tests; and a command to bytes.

Promises: every reply kind of RESP2 and RESP3 comes out as the kind `node.resp.encoder` writes it
from, however the bytes were cut; each byte is looked at a bounded number of times; nothing a peer
announces is allocated before it has come.
"""

from __future__ import annotations

import re
from typing import Final, NoReturn

from node.resp.numbers import string_to_i64
from node.resp.parser import ProtocolError
from node.resp.replies import (
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

# Longest line: a status or error message, a length. Redis's limit for lines in the other direction.
LINE_MAX: Final = 65536
# Redis's default of proto-max-bulk-len, which its own replies keep to.
BULK_MAX: Final = 536870912
ITEMS_MAX: Final = 2147483647
# As deep as node.resp.encoder writes.
DEPTH_MAX: Final = 128
# Bytes already used are cut off the buffer when there are this many: not for each small reply.
CUT_SIZE: Final = 65536

DOUBLE_TEXT: Final = re.compile(rb"[+-]?(inf|nan|[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?)")
BIG_NUMBER_TEXT: Final = re.compile(rb"[+-]?[0-9]+")


class Incomplete:
    """The kind of INCOMPLETE, which is no reply."""


# More bytes are needed. Not None, since that is the null reply.
INCOMPLETE: Final = Incomplete()


class Aggregate:
    """An array, map, set, push or attribute of which some elements are still to come."""

    def __init__(self, kind: bytes, missing: int) -> None:
        self.kind: Final = kind
        self.missing = missing
        self.items: list[object] = []


def command(*args: bytes) -> bytes:
    """A command as a multibulk request."""
    parts = [b"*%d\r\n" % len(args)]
    parts.extend(b"$%d\r\n%b\r\n" % (len(arg), arg) for arg in args)
    return b"".join(parts)


class ReplyParser:
    """Replies out of one server's bytes: `feed` what was read, then `next` until INCOMPLETE.

    Errors come out as Failure objects, not raised; attributes (`|`) are left out.
    """

    def __init__(self, max_bulk: int = BULK_MAX) -> None:
        self.max_bulk = max_bulk
        self.buffer = bytearray()
        self.pos = 0
        self.scanned = 0  # no line ends between pos and here
        self.bulk_size = -1  # of the bulk whose header has been read
        self.bulk_kind = b""
        self.open: list[Aggregate] = []
        self.whole: object = None  # the reply just finished
        self.failure: ProtocolError | None = None

    def feed(self, data: bytes) -> None:
        """Take bytes just read. After a protocol error they are thrown away."""
        if self.failure is None:
            self.buffer += data

    def pending(self) -> int:
        """Bytes fed that no reply or element has used up."""
        return len(self.buffer) - self.pos

    def rest(self) -> bytes:
        """Take away the bytes behind the last reply, where another protocol follows it, as the
        RDB follows `+FULLRESYNC`.
        """
        assert not self.open and self.bulk_size < 0, "the reply before is not finished"
        rest = bytes(self.buffer[self.pos :])
        self.buffer.clear()
        self.pos = 0
        self.scanned = 0
        return rest

    def next(self) -> object:
        """The next reply, INCOMPLETE when more bytes are needed.

        ProtocolError, now and ever after, when the bytes are no reply.
        """
        if self.failure is not None:
            raise ProtocolError(self.failure.text)
        while True:
            item = self.read_item()
            if item is INCOMPLETE:
                self.cut()
                return INCOMPLETE
            if isinstance(item, Aggregate):
                if item.missing > 0:
                    if len(self.open) == DEPTH_MAX:
                        self.fail(b"reply is nested too deeply")
                    self.open.append(item)
                    continue
                if item.kind == b"|":
                    continue
                item = finished(item)
            if self.place(item):
                self.cut()
                return self.whole

    def place(self, item: object) -> bool:
        """Put a finished item into the aggregate around it; True when the reply is `whole`."""
        while self.open:
            around = self.open[-1]
            around.items.append(item)
            around.missing -= 1
            if around.missing > 0:
                return False
            self.open.pop()
            if around.kind == b"|":
                return False
            item = finished(around)
        self.whole = item
        return True

    def read_item(self) -> object:
        """The next scalar, or the beginning of an aggregate, or INCOMPLETE."""
        if self.bulk_size >= 0:
            return self.read_bulk()
        line = self.read_line()
        if line is None:
            return INCOMPLETE
        kind = line[:1]
        text = line[1:]
        if kind in (b"$", b"=", b"!"):
            size = self.length(text, self.max_bulk, b"invalid bulk length")
            if size < 0:
                return self.null(kind == b"$", None)
            self.bulk_size = size
            self.bulk_kind = kind
            return self.read_bulk()
        if kind in (b"*", b"%", b"~", b">", b"|"):
            count = self.length(text, ITEMS_MAX, b"invalid multibulk length")
            if count < 0:
                return self.null(kind == b"*", NULL_ARRAY)
            return Aggregate(kind, count * 2 if kind in (b"%", b"|") else count)
        return self.scalar(kind, text)

    def null(self, is_allowed: bool, value: object) -> object:
        """`value` for a length of -1, which only `$` and `*` may have."""
        if not is_allowed:
            self.fail(b"invalid length")
        return value

    def scalar(self, kind: bytes, text: bytes) -> object:
        """The reply that is one line."""
        if kind == b"+":
            return OK if text == b"OK" else Simple(text)
        if kind == b"-":
            return Failure(text)
        if kind == b":":
            number = string_to_i64(text.removeprefix(b"+"))
            if number is None:
                self.fail(b"invalid integer")
            return number
        if kind == b"_" and text == b"":
            return None
        if kind == b"#" and text in (b"t", b"f"):
            return Boolean(text == b"t")
        if kind == b"," and DOUBLE_TEXT.fullmatch(text):
            return Double(float(text))
        if kind == b"(" and BIG_NUMBER_TEXT.fullmatch(text):
            return BigNumber(text)
        if kind in (b"_", b"#", b",", b"("):
            self.fail(b"invalid value behind '" + kind + b"'")
        self.fail(b"expected a reply, got '" + (kind or b" ") + b"'")

    def length(self, text: bytes, limit: int, error: bytes) -> int:
        """A length or count up to `limit`; -1 for a null."""
        value = string_to_i64(text)
        if value is None or value < -1 or value > limit:
            self.fail(error)
        return value

    def read_line(self) -> bytes | None:
        """The line at `pos` without its CR LF; None when it is not all here."""
        end = self.buffer.find(b"\r\n", self.scanned)
        if end - self.pos > LINE_MAX or (end < 0 and self.pending() > LINE_MAX + 1):
            self.fail(b"too long a line")
        if end < 0:
            self.scanned = max(self.pos, len(self.buffer) - 1)
            return None
        line = bytes(self.buffer[self.pos : end])
        self.pos = self.scanned = end + 2
        return line

    def read_bulk(self) -> object:
        """The bulk string whose header has been read, or INCOMPLETE."""
        end = self.pos + self.bulk_size
        if end + 2 > len(self.buffer):
            return INCOMPLETE
        if self.buffer[end : end + 2] != b"\r\n":
            self.fail(b"a bulk string is not followed by CR LF")
        text = bytes(self.buffer[self.pos : end])
        self.pos = self.scanned = end + 2
        self.bulk_size = -1
        if self.bulk_kind == b"!":
            return Failure(text)
        if self.bulk_kind == b"=":
            if text[3:4] != b":":
                self.fail(b"invalid verbatim string")
            return Verbatim(text[:3], text[4:])
        return text

    def cut(self) -> None:
        """Let go of used bytes, now and then."""
        if self.pos >= CUT_SIZE or self.pos == len(self.buffer):
            del self.buffer[: self.pos]
            self.scanned -= self.pos
            self.pos = 0

    def fail(self, what: bytes) -> NoReturn:
        """Raise ProtocolError, at every further `next` too, and let go of all that is held."""
        self.failure = ProtocolError(b"ERR Protocol error: " + what)
        self.buffer.clear()
        self.open.clear()
        self.pos = 0
        raise self.failure


def finished(aggregate: Aggregate) -> object:
    """The reply made of an aggregate's elements."""
    items = aggregate.items
    if aggregate.kind == b"%":
        return Map(items)
    if aggregate.kind == b"~":
        return SetReply(items)
    if aggregate.kind == b">":
        return Push(items)
    return items
