"""What a counter shows: its register and the increments that count on it, exactly.  [compiled]

Integers add without limit, floats as decimals of 17 places each, so totals do not depend on order
(semantics.md 4.2); a register that is no number hides its increments.
"""

from __future__ import annotations

from decimal import Decimal

from mesh.merge.increments import Increment
from node.store.values.strings import (
    I64_MAX,
    I64_MIN,
    add_exactly,
    counted,
    decimal_of,
    format_decimal,
    integer_of,
)


def exact_sum(increments: list[Increment]) -> Decimal | None:
    """The contributions as an exact decimal; None where all are integers (see whole_sum)."""
    exact: Decimal | None = None
    for each in increments:
        text = each.decimal
        if text is None:
            continue
        step = decimal_of(text)
        if step is not None:
            step = counted(step)
            exact = step if exact is None else add_exactly(exact, step)
    if exact is None:
        return None
    return add_exactly(exact, Decimal(whole_sum(increments)))


def whole_sum(increments: list[Increment]) -> int:
    """The sum of the integer contributions."""
    total = 0
    for each in increments:
        total += int(each.delta)
    return total


def total(base: object, increments: list[Increment]) -> object:
    """What a counter shows: register (0 if none) plus contributions; other text hides them."""
    if not increments:
        return base
    exact = exact_sum(increments)
    number = 0
    if isinstance(base, int):
        number = base
    elif isinstance(base, bytes):
        whole = integer_text(base)
        if whole is None:
            start = decimal_of(base)
            if start is None:
                return base
            step = Decimal(whole_sum(increments)) if exact is None else exact
            return format_decimal(add_exactly(counted(start), step))
        number = whole
    if exact is None:
        return number + whole_sum(increments)
    return format_decimal(add_exactly(Decimal(number), exact))


def without(value: object, increments: list[Increment]) -> object:
    """A register's own value, from what the counter shows: the reverse of `total`."""
    if not increments:
        return value
    exact = exact_sum(increments)
    if isinstance(value, int) and exact is None:
        return value - whole_sum(increments)
    shown_number = decimal_of(value)
    if shown_number is None:
        return value
    step = Decimal(whole_sum(increments)) if exact is None else exact
    return format_decimal(add_exactly(shown_number, -step))


def integer_text(text: bytes) -> int | None:
    """The integer that INCR would count on, exactly as it is printed; None beyond 64 bits.

    A longer number is one for INCRBYFLOAT only: it counts as a decimal and is never clipped.
    """
    number = integer_of(text)
    return number if number is not None and b"%d" % number == text else None


def beyond(value: object) -> bool:
    """Is this a sum that 64 bits do not hold? It is kept exactly and shown clipped."""
    return isinstance(value, int) and (value > I64_MAX or value < I64_MIN)


def keeps_text(base: object) -> bool:
    """Must a register's text be kept beside its counter, since the total would not give it back?"""
    if not isinstance(base, bytes):
        return False
    if integer_text(base) is not None:
        return False
    number = decimal_of(base)
    return number is None or format_decimal(number) != base
