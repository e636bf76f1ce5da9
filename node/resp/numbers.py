"""Numbers as text, the way Redis writes and accepts them. Compiled; knows no protocol.

Promises: integers are accepted exactly when Redis accepts them (no sign but `-`, no leading zero,
no space, int64), and doubles are written as Redis 8.2 writes scores.
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter, read_i32_le, write_i16_le, write_i32_le
from mypy_extensions import i16, i32, i64, u8

from node.resp.doubles import decimal_digits

# All four-digit groups in one string: one 4-byte read writes four digits.
DIGITS4: Final = b"".join([b"%04d" % i for i in range(10000)])
# The decimal text of 0 to 9999: most counters and lengths need no formatting at all.
SMALL: Final[list[bytes]] = [b"%d" % i for i in range(10000)]
# What parse_int gives for text it does not take. It has 19 digits, so no accepted text means it.
BAD: Final[i64] = -0x3FFF_FFFF_FFFF_FFFF

INT64_MAX: Final[int] = 9223372036854775807
INT64_MIN: Final[int] = -9223372036854775808
# Redis prints whole doubles up to this size as integers, larger ones by their leading digits.
WHOLE_MAX: Final[float] = 4611686018427387904.0
INFINITY: Final[float] = float("inf")


def put_uint(out: BytesWriter, value: i64) -> None:
    """Append `value`, which must not be negative, in decimal."""
    if value < 10:
        out.append(u8(48 + value))
    elif value < 100:
        tens: i64 = value // 10
        write_i16_le(out, i16((48 + tens) | ((48 + value - tens * 10) << 8)))
    elif value < 10000:
        group: i64 = i64(read_i32_le(DIGITS4, value * 4))
        if value < 1000:
            group = group >> 8
            write_i16_le(out, i16(group & 0x7FFF))
            out.append(u8((group >> 16) & 255))
        else:
            write_i32_le(out, i32(group))
    else:
        put_uint(out, value // 10000)
        write_i32_le(out, read_i32_le(DIGITS4, (value % 10000) * 4))


def parse_int(text: bytes) -> i64:
    """The integer `text` means, or BAD when it is none or has more than 18 characters."""
    size: i64 = len(text)
    if size == 0 or size > 18:
        return BAD
    at: i64 = 0
    first: i64 = text[0]
    if first == 45:
        if size == 1:
            return BAD
        at = 1
        if text[1] == 48:
            return BAD
    elif first == 48 and size > 1:
        return BAD
    value: i64 = 0
    while at < size:
        digit: i64 = text[at]
        if digit < 48 or digit > 57:
            return BAD
        value = value * 10 + (digit - 48)
        at += 1
    return -value if first == 45 else value


def string_to_i64(text: bytes) -> int | None:
    """The int64 `text` means, None when Redis's string2ll would refuse it."""
    value = parse_int(text)
    if value != BAD:
        return value
    size = len(text)
    if size < 19 or size > 20:
        return None
    digits = text[1:] if text[0] == 45 else text
    if not digits.isdigit() or digits[0] == 48:
        return None
    number = int(text)
    if number > INT64_MAX or number < INT64_MIN:
        return None
    return number


def format_double(value: float) -> bytes:
    """`value` as Redis 8.2 writes it: whole numbers as integers, else digits that read back the
    same, with an exponent where Redis uses one; `inf`, `-inf`, `nan`.
    """
    if value != value:
        return b"nan"
    if -WHOLE_MAX <= value <= WHOLE_MAX and value == int(value):
        if value == 0.0 and repr(value) == "-0.0":
            return b"-0"
        return b"%d" % int(value)
    if value < 0.0:
        return b"-" + format_double(-value)
    if value == INFINITY:
        return b"inf"
    digits, power = decimal_digits(value)
    return place_point(digits, power).encode()


def place_point(digits: str, exponent: int) -> str:
    """`digits` times ten to the `exponent`, plain or scientific by the rule of Redis's fpconv."""
    count = len(digits)
    scientific = exponent + count - 1
    size = abs(scientific)
    if exponent >= 0 and size < count + 7:
        return digits + "0" * exponent
    if exponent < 0 and (exponent > -7 or size < 4):
        point = count + exponent
        if point <= 0:
            return "0." + "0" * -point + digits
        return digits[:point] + "." + digits[point:]
    mantissa = digits[0] + ("." + digits[1:] if count > 1 else "")
    return f"{mantissa}e{'-' if scientific < 0 else '+'}{size}"
