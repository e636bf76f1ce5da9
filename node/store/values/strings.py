"""Strings and numbers as values: what is shown of them, how they are read.  [compiled]

A string's value is bytes, or an int while it is a counter. Counters are summed without limit (an
increment is never lost) and shown clipped to 64 bits (semantics.md 4.2). Float totals are exact
decimals, rounded once, when they are shown.
"""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Final

from librt.strings import BytesWriter, read_i32_le, write_i32_le
from mypy_extensions import i32, i64

I64_MAX: Final = 9223372036854775807
I64_MIN: Final = -9223372036854775808
# Redis 8.2 keeps a short string in one piece of 64 bytes with its key and deadline: so many bytes
# are left for the two, a deadline takes eight of them (observed).
EMBEDDED_MAX: Final = 41
EMBEDDED_DEADLINE: Final = 8
NEAR: Final = 2305843009213693951  # below it no test for 64 bits is needed (2**61 - 1)

# What a long double of x86 holds: Redis refuses what is outside as "not a valid float".
FLOAT_MAX: Final = Decimal("1.18973149535723176505e4932")
FLOAT_MIN: Final = Decimal("1.82259976594123730127e-4951")
# The longest text that Redis reads as a float; its own longest total is shorter.
FLOAT_TEXT_MAX: Final = 5119
# Places of a float counter, as INCRBYFLOAT prints them.
PLACES: Final = Decimal(1).scaleb(-17)
# Enough digits to add any two numbers in that range exactly.
EXACT: Final = Context(prec=10400, Emax=20000, Emin=-20000)


def clipped(number: int) -> int:
    """A counter's sum as a client sees it."""
    if number > I64_MAX:
        return I64_MAX
    if number < I64_MIN:
        return I64_MIN
    return number


def shown(value: object) -> bytes:
    """A string value as GET answers it."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, int):
        if value > NEAR or value < -NEAR:
            return b"%d" % clipped(value)
        return b"%d" % value
    return b""


def integer_of(value: object) -> int | None:
    """The integer that INCR counts on: exactly what Redis's string2ll accepts, else None."""
    if isinstance(value, bytes):
        n: i64 = len(value)
        if n == 0 or n > 20:
            return None
        i: i64 = 0
        first: i64 = i64(value[0])
        negative = first == 45
        if negative:
            if n == 1:
                return None
            i = 1
            first = i64(value[1])
        if first == 48 and n > 1:
            return None
        total: i64 = 0
        if n <= 18:
            while i < n:
                c: i64 = i64(value[i])
                if c < 48 or c > 57:
                    return None
                total = total * 10 + (c - 48)
                i += 1
            return int(-total) if negative else int(total)
        while i < n:
            if value[i] < 48 or value[i] > 57:
                return None
            i += 1
        long = int(value)
        if long > I64_MAX or long < I64_MIN:
            return None
        return long
    if isinstance(value, int):
        return clipped(value)
    return None


def decimal_of(value: object) -> Decimal | None:
    """The number that INCRBYFLOAT counts on, exactly; None where Redis says "not a valid float".

    Redis reads with strtold, so hexadecimal floats are numbers too. Infinity, which it reads and
    then refuses as a total, is None here (see `is_infinite`).
    """
    if isinstance(value, int):
        return Decimal(value)
    if not isinstance(value, bytes) or len(value) == 0 or len(value) > FLOAT_TEXT_MAX:
        return None
    text = value.decode("latin-1")
    digits = text[1:] if text[0] in "+-" else text
    number: Decimal | None = None
    if digits[:2] in ("0x", "0X"):
        number = hexadecimal(digits[2:])
        if number is not None and text[0] == "-":
            number = number.copy_negate()
    elif all(c in "0123456789+-.eE" for c in text):
        number = plain_decimal(text)
    if number is None or number.is_zero():
        return number
    if overflows(number) or number.copy_abs() < FLOAT_MIN:
        return None
    return number


def overflows(number: Decimal) -> bool:
    """Is a total beyond a long double? Redis refuses the increment that leads there."""
    return number.copy_abs() > FLOAT_MAX


def plain_decimal(text: str) -> Decimal | None:
    """A decimal number, also where its exponent is beyond every limit but its digits are zeros."""
    try:
        return Decimal(text)
    except ArithmeticError:
        mantissa, _, exponent = text.lower().partition("e")
        if exponent.lstrip("+-").isdigit() and mantissa.strip("+-0.") == "":
            return plain_decimal(mantissa) if mantissa else None
        return None


def hexadecimal(text: str) -> Decimal | None:
    """A C hexadecimal float without sign and `0x`: `1.8p3` is 12; None where it is none."""
    mantissa, mark, power = text.lower().partition("p")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    if not digits or not all(c in "0123456789abcdef" for c in digits):
        return None
    exponent = 0
    if mark:
        unsigned = power[1:] if power[:1] in ("+", "-") else power
        if not (unsigned.isascii() and unsigned.isdigit()) or len(unsigned) > 6:
            return None
        exponent = int(power)
    exponent -= 4 * len(fraction)
    if exponent > 20000 or exponent < -20000:
        return None
    number = Decimal(int(digits, 16))
    return EXACT.multiply(number, EXACT.power(Decimal(2), Decimal(exponent)))


def is_infinite(text: bytes) -> bool:
    """Would strtold read it as infinity? Redis accepts such words and then refuses the total."""
    word = text.lower()
    if word[:1] in (b"+", b"-"):
        word = word[1:]
    return word == b"inf" or word == b"infinity"


def add_exactly(left: Decimal, right: Decimal) -> Decimal:
    """The sum without rounding, so that the order of increments cannot matter."""
    return EXACT.add(left, right)


def counted(number: Decimal) -> Decimal:
    """A number as counters add it: at 17 places, what INCRBYFLOAT prints.

    Rounding each summand, and no sum, makes totals independent of the order of increments.
    """
    return EXACT.quantize(number, PLACES)


def format_decimal(number: Decimal) -> bytes:
    """A float total as Redis prints a long double: 17 places, trailing zeros cut."""
    text = f"{number:.17f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if text == "-0":
        text = "0"
    return text.encode()


def lcs_rows(a: bytes, b: bytes) -> list[bytes]:
    """The table of the longest common subsequence: row i, 32 bits a cell, is for a[:i] with b."""
    rows: list[bytes] = [bytes(4 * (len(b) + 1))]
    width: i64 = len(b)
    for letter in a:
        above = rows[-1]
        row = BytesWriter()
        left: i32 = 0
        write_i32_le(row, left)
        j: i64 = 0
        while j < width:
            if b[j] == letter:
                left = read_i32_le(above, j * 4) + 1
            else:
                up: i32 = read_i32_le(above, j * 4 + 4)
                if up > left:
                    left = up
            write_i32_le(row, left)
            j += 1
        rows.append(row.getvalue())
    return rows


def lcs_length(a: bytes, b: bytes, rows: list[bytes]) -> int:
    """The length of the longest common subsequence, from its table."""
    return int(read_i32_le(rows[len(a)], 4 * len(b)))


def lcs_matches(a: bytes, b: bytes, rows: list[bytes]) -> list[tuple[int, int, int]]:
    """The runs that make up the longest common subsequence: where in a, where in b, how long.

    From the last to the first, and of several equally long subsequences the one Redis gives.
    """
    found: list[tuple[int, int, int]] = []
    i: i64 = len(a)
    j: i64 = len(b)
    run: i64 = 0
    while i > 0 and j > 0:
        if a[i - 1] == b[j - 1]:
            i -= 1
            j -= 1
            run += 1
            continue
        if run > 0:
            found.append((int(i), int(j), int(run)))
            run = 0
        if read_i32_le(rows[i - 1], 4 * j) > read_i32_le(rows[i], 4 * (j - 1)):
            i -= 1
        else:
            j -= 1
    if run > 0:
        found.append((int(i), int(j), int(run)))
    return found
