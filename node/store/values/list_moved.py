"""Which elements of a list came from other lists.  [compiled]"""

from __future__ import annotations

from mypy_extensions import i64

from node.store.values.runs import Run


class Moved:
    """Of an element that was moved into a list: its identity before its first move, and the place
    of the move in its unit."""

    __slots__ = ("index", "number", "origin")

    def __init__(self, origin: i64, number: i64, index: i64) -> None:
        self.origin: i64 = origin
        self.number: i64 = number
        self.index: i64 = index


def moved_among(
    moved: dict[tuple[int, int], Moved], runs: list[Run]
) -> list[tuple[int, int]]:
    """Which of these elements were moved into the list."""
    found: list[tuple[int, int]] = []
    for run in runs:
        for at in range(int(run.count)):
            name = (int(run.origin), int(run.first + run.step * at))
            if name in moved:
                found.append(name)
    return found
