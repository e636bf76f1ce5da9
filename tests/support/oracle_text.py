"""What text and numbers show once increments and writes in place are counted in: the oracle's
arithmetic, which shares no code with the product."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any, Final

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
INTEGER: Final = re.compile(rb"0|-?[1-9][0-9]*")
DECIMAL: Final = re.compile(rb"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def counted(text: bytes | None, deltas: list[Any]) -> bytes | None:
    """A register after increments; text that is no number hides them."""
    base = Fraction(0) if text is None else as_number(text)
    if base is None or not deltas:
        return text
    total = base + sum(Fraction(delta) for delta in deltas)
    if all(isinstance(delta, int) for delta in deltas) and (text is None or is_int64(text)):
        return b"%d" % max(INT64_MIN, min(INT64_MAX, int(total)))
    return decimal_text(total)


def patched(text: bytes, kind: str, *args: Any) -> bytes:
    """A text after one write in place."""
    if kind == "append":
        return text + bytes(args[0])
    if kind == "range":
        start, piece = args
        return text[:start].ljust(start, b"\0") + bytes(piece) + text[start + len(piece) :]
    first, width = args[0], args[1]
    size = max(len(text), (first + width + 7) // 8)
    shift = size * 8 - first - width
    whole = int.from_bytes(text.ljust(size, b"\0"), "big")
    old = whole >> shift & ((1 << width) - 1)
    new = args[2]
    if kind == "count":
        signed, delta, mode = args[2:]
        least, most = (-(1 << width - 1), (1 << width - 1) - 1) if signed else (0, (1 << width) - 1)
        new = (old - (1 << width) if old > most else old) + delta
        if not least <= new <= most:
            if mode == "FAIL":
                return text
            if mode == "SAT":
                new = most if new > most else least
    made = int(whole + ((new & ((1 << width) - 1)) - old << shift))
    return made.to_bytes(size, "big")


def text_of(decimal: str | bytes) -> str:
    """A decimal as text, however the recorder kept it."""
    return decimal.decode() if isinstance(decimal, bytes) else decimal


def is_int64(text: bytes) -> bool:
    """Whether INCR would count on this text (Redis's string2ll)."""
    return bool(INTEGER.fullmatch(text)) and INT64_MIN <= int(text) <= INT64_MAX


def as_number(text: bytes) -> Fraction | None:
    """The number a register holds, exactly; None if it holds none, or one beyond a long double."""
    found = DECIMAL.fullmatch(text)
    if found is None or abs(int((found[2] or b"e0")[1:])) > 4900:
        return None
    return Fraction(text.decode())


def decimal_text(number: Fraction) -> bytes:
    """A number as Redis prints a long double: 17 places, rounded half to even, zeros trimmed."""
    digits = str(abs(round(number * 10**17))).rjust(18, "0")
    text = f"{digits[:-17]}.{digits[-17:]}".rstrip("0").rstrip(".")
    return ("-" + text if number < 0 and text != "0" else text).encode()


def score_text(score: float) -> bytes:
    """A score as Redis prints it."""
    whole = abs(score) <= 2**53 and score == int(score)
    return b"%d" % int(score) if whole else repr(score).encode()
