"""Conflicts: how many writes met others they had not seen, by kind.  [compiled]

Kinds: `overwrite` (two concurrent values of one place, the newer shows), `type_clash` (a key has
two types), `removed_unseen` (a removal left what it had not seen), `import_conflict` (two data sets
joined that differ here), `counter_overflow` (a sum beyond 64 bits, shown clipped),
`stand_in_conflict` (a write that a stand-in rule decides met one that it had not seen: it was
applied all the same, and nodes may differ in this key until it is written anew).
"""

from __future__ import annotations

from typing import Final

OVERWRITE: Final = "overwrite"
TYPE_CLASH: Final = "type_clash"
REMOVED_UNSEEN: Final = "removed_unseen"
IMPORT_CONFLICT: Final = "import_conflict"
COUNTER_OVERFLOW: Final = "counter_overflow"
STAND_IN_CONFLICT: Final = "stand_in_conflict"

KINDS: Final = (
    OVERWRITE, TYPE_CLASH, REMOVED_UNSEEN, IMPORT_CONFLICT, COUNTER_OVERFLOW, STAND_IN_CONFLICT,
)  # fmt: skip


class Conflicts:
    """Counts since the process started."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = dict.fromkeys(KINDS, 0)

    def count(self, kind: str) -> None:
        """One more of this kind."""
        self.counts[kind] += 1
