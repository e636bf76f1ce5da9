"""Forgetting beside a walk over the data: a save, the append-only file anew, a snapshot for another
node.  [compiled]

The head of what is written says up to where its writer had forgotten when it began. So who forgets
shows an entry first, as who writes does. Nobody waits for it, so it is put off where it would cost:
a large value until it was read, all others while much that was shown is still to be written out.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from mesh.touched import Epoch
from node.engine import Engine
from node.store.values.value import Value
from node.store.writer import HALT, LATER, READY, SHOWN

# Places that are encoded in the time that one step of who forgets takes.
PLACES_ENCODED: Final = 16
# Of so many epochs, and of so many keys of each, it is asked each time whether the walk had them.
ASKED_MOST: Final = 8


class Beside:
    """What may be forgotten now."""

    def __init__(self, engine: Engine) -> None:
        self.writer = engine.writer
        self.databases = engine.databases
        self.halted = False  # nothing can be done for a moment: the slice ends
        self.shown: i64 = 0  # what it took to show entries, in steps of who forgets

    def stand(self, number: i64, key: bytes, waits: bool) -> i64:
        """READY: metadata of this key may be forgotten until the next yield; LATER: not before the
        walk has had it, which may be at its end; HALT: ask again, and the slice ends. Whoever
        `waits` is told to halt instead of to come later."""
        walk = self.writer.walk
        if walk is None:
            return READY
        db = self.databases[number]
        entry = db.raw(key)
        if entry is None:
            return READY
        found = walk.forgetting(db, key, entry)
        if found == SHOWN:
            self.shown += steps_of(entry.value)
            return READY
        if found == HALT or (waits and found == LATER):
            self.halted = True
            return HALT
        return found

    def were_written(self, behind: list[Epoch]) -> bool:
        """Has the walk had some of the keys that wait for it? A few of them are asked for."""
        for epoch in behind[:ASKED_MOST]:
            for each in epoch.touched[:ASKED_MOST]:
                if self.stand(each.db, each.key, False) == READY:
                    return True
        return False


def steps_of(value: object) -> i64:
    """As many steps of who forgets as it takes to encode the value."""
    return 1 + value.size() // PLACES_ENCODED if isinstance(value, Value) else 1
