"""The cut by which two members compare what they have: what either of them knows to be stable.

When a node forgets the dot of a stable write is its own affair. Under a cut that both go by a dot
counts as forgotten on both, whichever of them has got round to it (mesh/fingerprint.py).
"""

from __future__ import annotations

from mesh.dots import Streams, row_of, unpack_row
from mesh.merge.rule import Memory


def cut_of(memory: Memory) -> dict[bytes, int]:
    """What this node knows to be stable, by stream."""
    row = unpack_row(memory.cut.row)
    return {
        each.uuid: row[each.number] for each in memory.streams.all
        if each.number < len(row) and row[each.number] != 0
    }  # fmt: skip


def agreed(mine: dict[bytes, int], theirs: dict[bytes, int]) -> dict[bytes, int]:
    """What two members know to be stable, together. The higher stamp counts: what lies below it
    may be forgotten on one side already, and every member has it."""
    return {
        uuid: max(mine.get(uuid, 0), theirs.get(uuid, 0)) for uuid in {*mine, *theirs}
    }


def row_in(streams: Streams, stamps: dict[bytes, int]) -> bytes:
    """Stamps by stream as a row in this node's numbers; streams that are unknown here do not
    count."""
    return row_of([stamps.get(each.uuid, 0) for each in streams.all])
