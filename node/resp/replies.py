"""Reply kinds a command handler may return beyond the plain Python ones.

A handler's reply is `object`: bytes is a bulk string, int an integer, None the null bulk, list an
array, and the classes here are everything else. The classes carry content only; how each is
written in RESP2 and RESP3 is `node.resp.encoder`'s concern. Python's bool is not a reply: use
`Boolean` or the integers 0 and 1.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import mypyc_attr


def one_line(text: bytes) -> bytes:
    """`text` with CR and LF replaced by spaces, since either would end a line reply early."""
    if b"\r" in text or b"\n" in text:
        return text.replace(b"\r", b" ").replace(b"\n", b" ")
    return text


class Simple:
    """A status line, `+text`. `wire` is its complete encoding, equal in RESP2 and RESP3."""

    def __init__(self, text: bytes) -> None:
        self.text: Final[bytes] = one_line(text)
        self.wire: Final[bytes] = b"+" + self.text + b"\r\n"


# Not a native class: mypyc 2.4.1 frees a compiled exception without clearing its weak references,
# so taking one corrupts memory. Errors are off the fast path, nothing is lost.
@mypyc_attr(native_class=False)
class Failure(Exception):
    """An error reply, `-text`: raised by handlers, or returned where one is an element.

    `text` starts with the error code, as in b"ERR syntax error"; `wire` is its complete encoding,
    equal in RESP2 and RESP3. Newlines at the end, of an argument that it repeats, go.
    """

    def __init__(self, text: bytes) -> None:
        line = one_line(text.rstrip(b"\r\n"))
        super().__init__(line.decode("utf-8", "backslashreplace"))
        self.text: bytes = line
        self.wire: bytes = b"-" + line + b"\r\n"


class Fixed:
    """A reply whose bytes are known beforehand, one encoding for each protocol version."""

    def __init__(self, resp2: bytes, resp3: bytes) -> None:
        self.resp2: Final[bytes] = resp2
        self.resp3: Final[bytes] = resp3


class Map:
    """Key and value pairs in one flat alternating list: RESP3 map, RESP2 flat array."""

    def __init__(self, items: list[object]) -> None:
        self.items: Final[list[object]] = items


class SetReply:
    """An unordered collection: RESP3 set, RESP2 array."""

    def __init__(self, items: list[object]) -> None:
        self.items: Final[list[object]] = items


class Push:
    """An out-of-band message (pub/sub, invalidation): RESP3 push, RESP2 array."""

    def __init__(self, items: list[object]) -> None:
        self.items: Final[list[object]] = items


class Double:
    """A floating point number: RESP3 double, RESP2 bulk string of the same digits."""

    def __init__(self, value: float) -> None:
        self.value: Final[float] = value


class Verbatim:
    """Text with a three byte format name such as b"txt": RESP3 verbatim string, RESP2 bulk."""

    def __init__(self, kind: bytes, text: bytes) -> None:
        self.kind: Final[bytes] = kind[:3].ljust(3)
        self.text: Final[bytes] = text


class Boolean:
    """A truth value: RESP3 `#t` or `#f`, RESP2 integer 1 or 0."""

    def __init__(self, value: bool) -> None:
        self.value: Final[bool] = value


class BigNumber:
    """A decimal integer of any length, as digits: RESP3 big number, RESP2 bulk string."""

    def __init__(self, text: bytes) -> None:
        self.text: Final[bytes] = text


OK: Final = Simple(b"OK")
PONG: Final = Simple(b"PONG")
QUEUED: Final = Simple(b"QUEUED")
# The absent array, as of an aborted EXEC or a timed out BLPOP.
NULL_ARRAY: Final = Fixed(b"*-1\r\n", b"_\r\n")
EMPTY: Final = Fixed(b"*0\r\n", b"*0\r\n")
# Nothing is written: the command replies later or never.
NO_REPLY: Final = Fixed(b"", b"")
