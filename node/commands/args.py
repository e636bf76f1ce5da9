"""Reading arguments: converters with Redis's exact errors, and a reader of options.

A handler says what it accepts; what is refused, and how that is worded, is decided here once.
"""

from __future__ import annotations

from decimal import Decimal

from node.resp.replies import Failure
from node.store.values.strings import I64_MAX, decimal_of, integer_of

NOT_AN_INTEGER = b"ERR value is not an integer or out of range"
NOT_A_FLOAT = b"ERR value is not a valid float"
SYNTAX_ERROR = b"ERR syntax error"
INVALID_CURSOR = b"ERR invalid cursor"
DB_OUT_OF_RANGE = b"ERR DB index is out of range"

I32_MAX = 2147483647
I32_MIN = -2147483648
CURSOR_MAX = 18446744073709551615
CURSOR_DIGITS = 40  # leading zeros count; what is longer is no cursor that anybody was given


class Options:
    """Walks over the words behind a command's fixed arguments, from the left.

    while options.more():
        word = options.word()
        if word == b"COUNT" and options.has_value(): count = integer(options.value())
        else: raise syntax_error()
    """

    def __init__(self, args: list[bytes], begin: int) -> None:
        self._args = args
        self._at = begin

    def more(self) -> bool:
        """Is there a word left?"""
        return self._at < len(self._args)

    def word(self) -> bytes:
        """The next word in upper case: the name of an option."""
        word = self._args[self._at].upper()
        self._at += 1
        return word

    def has_value(self, values: int = 1) -> bool:
        """Do so many arguments follow? An option without its value is a syntax error in Redis."""
        return self._at + values <= len(self._args)

    def value(self) -> bytes:
        """The next argument as it was sent; syntax error where there is none."""
        if self._at >= len(self._args):
            raise syntax_error()
        value = self._args[self._at]
        self._at += 1
        return value


def integer(arg: bytes, text: bytes = NOT_AN_INTEGER) -> int:
    """A signed 64-bit integer, as Redis reads them; Failure(text) otherwise."""
    number = integer_of(arg)
    if number is None:
        raise Failure(text)
    return number


def small_integer(arg: bytes) -> int:
    """A signed 32-bit integer, as Redis reads database numbers; its two errors otherwise."""
    number = integer(arg)
    if number < I32_MIN or number > I32_MAX:
        raise Failure(
            b"ERR value is out of range, value must between %d and %d" % (I32_MIN, I32_MAX)
        )
    return number


def positive(arg: bytes, text: bytes) -> int:
    """An integer of at least 1; Failure(text) where it is less."""
    number = integer(arg)
    if number < 1:
        raise Failure(text)
    return number


def in_range(arg: bytes, low: int, high: int, text: bytes) -> int:
    """An integer from `low` to `high`; Failure(text) for others and for what is no integer."""
    number = integer(arg, text)
    if number < low or number > high:
        raise Failure(text)
    return number


def decimal(arg: bytes, text: bytes = NOT_A_FLOAT) -> Decimal:
    """An exact decimal, as INCRBYFLOAT reads them; Failure(text) otherwise.

    Infinity is refused too: ask `is_infinite` of node/store/values/strings.py before, where Redis
    has an error of its own for it.
    """
    number = decimal_of(arg)
    if number is None:
        raise Failure(text)
    return number


def cursor(arg: bytes) -> int:
    """The cursor of a SCAN: an unsigned 64-bit number.

    Redis falls back on strtoull: blanks and a sign may stand in front, a minus counts from 2**64.
    """
    digits = arg.lstrip(b" \t\n\v\f\r")
    negative = digits[:1] == b"-"
    if integer_of(arg) is None and digits[:1] in (b"-", b"+"):
        digits = digits[1:]
    if not digits.isdigit() or len(digits) > CURSOR_DIGITS:
        raise Failure(INVALID_CURSOR)
    number = int(digits)
    if number > CURSOR_MAX:
        raise Failure(INVALID_CURSOR)
    return CURSOR_MAX + 1 - number if negative and number else number


def echoed(arg: bytes, most: int = 0) -> bytes:
    """An argument as error texts repeat it: up to its first zero byte, and to `most` bytes."""
    end = arg.find(b"\0")
    text = arg if end < 0 else arg[:end]
    return text[:most] if most else text


def syntax_error() -> Failure:
    """The error for a word that stands where it may not."""
    return Failure(SYNTAX_ERROR)


def invalid_expire(command: bytes) -> Failure:
    """The error for a deadline that overflows, or is not above zero where it must be."""
    return Failure(b"ERR invalid expire time in '%s' command" % command)


def deadline_ms(arg: bytes, unit_ms: int, base_ms: int, command: bytes) -> int:
    """An expire argument as absolute ms: `arg` times `unit_ms`, after `base_ms` (0: absolute).

    Failure as Redis words it where it is no integer or overflows. May be in the past or negative.
    """
    number = integer(arg)
    most = I64_MAX // unit_ms
    if unit_ms > 1 and (number > most or number < -most):
        raise invalid_expire(command)
    number *= unit_ms
    if number > I64_MAX - base_ms:
        raise invalid_expire(command)
    return number + base_ms
