"""The decimal digits of a double, by the Grisu2 algorithm (Loitsch, "Printing Floating-Point
Numbers Quickly and Accurately with Integers", PLDI 2010).

Redis 8 prints scores by it. What it gives always reads back the same, but in about one of two
thousand cases has a digit more than the shortest, which is what `repr` gives: only the same
algorithm prints the same bytes. The fixed points of it (64-bit fractions, every eighth power of
ten, the target range of exponents) are therefore not free to choose.
"""

from __future__ import annotations

import struct
from typing import Final

# Of a double: the highest bit of a fraction, which is not stored; its exponent's offset.
HIDDEN_BIT: Final = 1 << 52
EXPONENT_BIAS: Final = 1075
WIDTH: Final = 64
# Powers of ten: from 10**-348 up, every eighth, so that any double meets one within the range.
POWER_FIRST: Final = -348
POWER_STEP: Final = 8
POWER_COUNT: Final = 87
# The table in common use, and in Redis, has these one unit too high in the last place.
POWERS_ABOVE: Final = (180, 244)
# The scaled number's binary exponent: its whole part fits 32 bits, and its fraction times ten 64.
EXPONENT_MIN: Final = -60
EXPONENT_MAX: Final = -32


def power_of_ten(power: int) -> tuple[int, int]:
    """10**`power` as (fraction of 64 bits, binary exponent), rounded to the nearest."""
    if power >= 0:
        numerator, denominator = 10**power, 1
    else:
        numerator, denominator = 1, 10**-power
    exponent = numerator.bit_length() - denominator.bit_length() - WIDTH
    if numerator << max(-exponent, 0) < (denominator << max(exponent, 0)) << (WIDTH - 1):
        exponent -= 1
    numerator <<= max(-exponent, 0)
    denominator <<= max(exponent, 0)
    fraction = (2 * numerator + denominator) // (2 * denominator)
    if fraction >> WIDTH:
        fraction >>= 1
        exponent += 1
    if power in POWERS_ABOVE:
        fraction += 1
    return fraction, exponent


POWERS: Final = [power_of_ten(POWER_FIRST + POWER_STEP * i) for i in range(POWER_COUNT)]


def decimal_digits(value: float) -> tuple[str, int]:
    """(digits, power): `value`, finite and above zero, is digits times ten to the power."""
    (bits,) = struct.unpack("<Q", struct.pack("<d", value))
    fraction = bits & (HIDDEN_BIT - 1)
    exponent = bits >> 52
    if exponent > 0:
        fraction |= HIDDEN_BIT
        exponent -= EXPONENT_BIAS
    else:
        exponent = 1 - EXPONENT_BIAS
    # The half-way points to the neighbours, all three numbers with the upper one's exponent.
    upper = 2 * fraction + 1
    shift = WIDTH - upper.bit_length()
    below = 2 if fraction == HIDDEN_BIT else 1
    lower = ((fraction << below) - 1) << (shift + 1 - below)
    middle = fraction << (shift + 1)
    upper <<= shift
    exponent -= shift + 1
    index = power_index(exponent)
    scale, scale_exponent = POWERS[index]
    half = 1 << (WIDTH - 1)
    # One unit is given away on both sides for what the products are rounded by.
    upper = ((upper * scale + half) >> WIDTH) - 1
    lower = ((lower * scale + half) >> WIDTH) + 1
    middle = (middle * scale + half) >> WIDTH
    digits, power = generate(upper, lower, middle, -(exponent + scale_exponent + WIDTH))
    return digits, power - (POWER_FIRST + POWER_STEP * index)


def power_index(exponent: int) -> int:
    """Which of POWERS brings a number with this binary exponent into the target range."""
    guess = int(-(exponent + POWER_COUNT) * 0.30102999566398114)
    index = int((guess - POWER_FIRST) / POWER_STEP)
    while True:
        scaled = exponent + POWERS[index][1] + WIDTH
        if scaled < EXPONENT_MIN:
            index += 1
        elif scaled > EXPONENT_MAX:
            index -= 1
        else:
            return index


def generate(upper: int, lower: int, middle: int, point: int) -> tuple[str, int]:
    """As few digits as lie between `lower` and `upper`, drawn towards `middle`; all three have
    `point` binary places.
    """
    width = upper - lower
    distance = upper - middle
    rest = upper & ((1 << point) - 1)
    whole = str(upper >> point)
    power = len(whole)
    left = int(whole)
    number = 0
    for digit in whole:
        power -= 1
        unit = 10**power
        number = number * 10 + int(digit)
        left -= int(digit) * unit
        remainder = (left << point) + rest
        if remainder <= width:
            return str(drawn(number, width, remainder, unit << point, distance)), power
    mask = (1 << point) - 1
    while True:
        rest *= 10
        width *= 10
        distance *= 10
        power -= 1
        number = number * 10 + (rest >> point)
        rest &= mask
        if rest < width:
            return str(drawn(number, width, rest, 1 << point, distance)), power


def drawn(number: int, width: int, remainder: int, unit: int, distance: int) -> int:
    """`number` with its last digit lowered as long as that brings it nearer to the middle."""
    while (
        remainder < distance
        and width - remainder >= unit
        and (remainder + unit < distance or distance - remainder > remainder + unit - distance)
    ):
        number -= 1
        remainder += unit
    return number
