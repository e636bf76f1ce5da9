"""Numbers as people read them: durations, sizes, counts. Pure; used by views and the terminal."""

from __future__ import annotations

from typing import Final

UNKNOWN: Final = "-"
_BYTE_UNITS: Final = ("B", "KB", "MB", "GB", "TB", "PB")
_COUNT_UNITS: Final = ("", " k", " M", " G", " T")


def duration(ms: float | None) -> str:
    """`ms` milliseconds with two or three digits and one unit: "3 ms", "2.4 s", "12 m", "9 d"."""
    if ms is None:
        return UNKNOWN
    if ms < 0:
        return "-" + duration(-ms)
    if ms < 999.5:
        return f"{ms:.0f} ms"
    seconds = ms / 1000
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    if minutes < 99.5:
        return f"{minutes:.0f} m"
    hours = minutes / 60
    return f"{hours:.0f} h" if hours < 47.5 else f"{hours / 24:.0f} d"


def skew(ms: float | None) -> str:
    """A clock skew with its sign, since the direction says which clock to look at."""
    if ms is None:
        return UNKNOWN
    return f"{'+' if ms > 0 else ''}{duration(ms)}" if abs(ms) >= 0.5 else "0 ms"


def size(count_bytes: float | None) -> str:
    """A size in bytes with steps of 1024, as Redis's `used_memory_human` has them."""
    if count_bytes is None:
        return UNKNOWN
    return _scaled(count_bytes, 1024, _BYTE_UNITS, " ")


def count(number: float | None) -> str:
    """A count; from 10,000 on with three digits and a unit."""
    if number is None:
        return UNKNOWN
    if number < 10_000:
        return f"{number:,.0f}"
    return _scaled(number, 1000, _COUNT_UNITS, "")


def percent(share: float) -> str:
    """A share of 0 to 1, rounded down, so that 100 % means finished."""
    return f"{int(min(max(share, 0.0), 1.0) * 100)} %"


def _scaled(number: float, step: int, units: tuple[str, ...], gap: str) -> str:
    index = 0
    while number >= step and index < len(units) - 1:
        number /= step
        index += 1
    digits = f"{number:.0f}" if index == 0 or number >= 99.95 else f"{number:.1f}"
    return f"{digits}{gap}{units[index]}"
