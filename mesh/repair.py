"""Repair: a key that two members hold differently, though no write explains it, is written anew.

Such keys cannot be merged: each side would take the other's lone dots for removed. So one of the
two writes what it shows as an ordinary overwrite, as RESTORE REPLACE does: it is stamped,
replicated and kept like a client's write, it clears everything both had under the key, and what
others write meanwhile survives it by the usual rules. docs/decisions/0025 has the argument.
"""

from __future__ import annotations

from mesh.anti_entropy import Facts, Ground
from mesh.conflicts import REPAIRED, Side
from node.store.effect import DROP, PUT
from node.store.entry import Entry
from node.store.events import NO_EVENT, RESTORE
from node.store.keyspace import Database
from node.store.values.strings import shown
from node.store.values.value import Value


def repair(ground: Ground, db: Database, key: bytes, other: Facts | None = None) -> None:
    """Writes the key anew with what it shows here; where it shows nothing, deletes it anew.

    `other` is what the other member has, for the record among the conflicts. To be called between
    commands only.
    """
    writer = ground.engine.writer
    entry = db.raw(key)
    before = 0 if entry is None else int(entry.stamp)
    value = shown_value(db, key)
    deadline_ms = 0 if entry is None or value is None else int(entry.deadline)
    ground.engine.commit.end = 0  # nothing of a client's bytes says this
    if value is None:
        # Nothing is shown, but something is remembered: a key that was there and is deleted.
        writer.emit(db, PUT, key, b"", 0, NO_EVENT)
        writer.emit(db, DROP, key, None, 0, NO_EVENT)
    else:
        writer.emit(db, PUT, key, value, deadline_ms, RESTORE)
    stamp = int(ground.engine.commit.stamp)
    ground.engine.publish()
    conflicts = ground.memory.conflicts
    conflicts.count(REPAIRED)
    loser = Side(before if other is None else other.stamp, 0, None)
    conflicts.remember(
        REPAIRED, db.number, key, b"", Side(stamp, 0, conflicts.cut(value)), loser
    )


def shown_value(db: Database, key: bytes) -> object:
    """What the key shows, a copy that may be put; None where it shows nothing."""
    entry: Entry | None = db.keys.get(key)
    if entry is None or 0 < entry.deadline < db.now.ms:
        return None
    value = entry.value
    if isinstance(value, Value):
        return value.copy() if value.is_shown() else None
    return shown(value)
