"""What every measurement prints with: tables in plain text, medians, percentiles, and
BenchError."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


class BenchError(Exception):
    """A measurement cannot be made here; the text says why and what to do."""


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned by spaces, the first row a heading; numbers to the right, words to the
    left."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    numeric = [
        any(row[at] for row in rows[1:])
        and all(row[at][:1] in "+-0123456789" for row in rows[1:])
        for at in range(len(rows[0]))
    ]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(row, widths, numeric, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def middle(values: Sequence[float], digits: int = 2) -> str:
    """The median with the least and the greatest: `0.81 [0.70-0.93]`."""
    least, most = min(values), max(values)
    return f"{statistics.median(values):.{digits}f} [{least:.{digits}f}-{most:.{digits}f}]"


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that `percent` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]
