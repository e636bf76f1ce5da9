"""Vectors: of each stream, by uuid, a stamp up to which something holds."""

from __future__ import annotations

Vector = dict[bytes, int]


def join(here: Vector, there: Vector) -> Vector:
    """By stream the greater of the two; a new vector."""
    joined = dict(here)
    for uuid, stamp in there.items():
        if stamp > joined.get(uuid, 0):
            joined[uuid] = stamp
    return joined


def least(rows: list[Vector]) -> Vector:
    """By stream the least of all rows; what one of them lacks is not in it."""
    found: Vector = {}
    for uuid in rows[0]:
        stamp = min(row.get(uuid, 0) for row in rows)
        if stamp > 0:
            found[uuid] = stamp
    return found


def moves(before: Vector, now: Vector) -> bool:
    """Is there more in `now`?"""
    return any(stamp > before.get(uuid, 0) for uuid, stamp in now.items())


def covers(here: Vector, there: Vector, ends: Vector) -> bool:
    """Is all of `there` in `here`? What an ended stream has lost counts as covered."""
    for uuid, stamp in there.items():
        if min(stamp, ends.get(uuid, stamp)) > here.get(uuid, 0):
            return False
    return True
