"""The keys of some leaves with their fingerprints: for who compares two nodes key by key.
[compiled]

mesh/ranges.py walks over the keys and sums up the leaves.
"""

from __future__ import annotations

from mypy_extensions import i64

from mesh.merge.rule import Memory
from mesh.ranges import PRINT_BYTES, KeyWalk
from node.store.keyspace import Database


class FoundWalk(KeyWalk):
    """Lists up to `most` keys of some leaves, by database and name."""

    def __init__(
        self, memory: Memory, databases: list[Database], salt: bytes, leaves: int, cut: bytes,
        chosen: set[int], most: int,
    ) -> None:  # fmt: skip
        super().__init__(memory, databases, salt, leaves, cut)
        self.chosen = chosen
        self.most = most
        self.found: dict[tuple[int, bytes], int] = {}

    def wants(self, leaf: i64) -> bool:
        return int(leaf) in self.chosen

    def meet(self, leaf: i64, print: i64, number: int, key: bytes) -> None:
        if print != 0 and len(self.found) < self.most:
            self.found[number, key] = int(print)


def differing(mine: bytes, theirs: bytes) -> list[int]:
    """The numbers of the leaves whose digests differ, PRINT_BYTES each. ValueError where they are
    not as many."""
    if len(mine) != len(theirs):
        raise ValueError(f"{len(theirs)} bytes of leaves where there are {len(mine)}")
    if mine == theirs:
        return []
    found: list[int] = []
    for at in range(0, len(mine), PRINT_BYTES):
        if mine[at : at + PRINT_BYTES] != theirs[at : at + PRINT_BYTES]:
            found.append(at // PRINT_BYTES)
    return found
