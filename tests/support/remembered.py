"""What a node remembers beside its data, counted one by one."""

from __future__ import annotations

from mesh.fold import values_of
from mesh.merge.rule import Memory
from node.store.entry import COUNTED, Field
from node.store.keyspace import Database
from node.store.values.hashes import HashValue
from node.store.values.scored import Scored, SpelledScore
from node.store.values.sets import SetValue
from node.store.values.zsets import ZSetValue


def remembered(databases: list[Database], memory: Memory) -> dict[str, int]:
    """How many of each sort of metadata are there, counted one by one: for tests."""
    found = {
        "increments": memory.ledger.records(), "removals": int(memory.removals.count),
        "hidden": 0, "rare": 0, "members": 0, "fields": 0, "scores": 0,
    }  # fmt: skip
    for db in databases:
        found["hidden"] += len(db.hidden)
        for shard in [*db.keys.dicts, db.hidden]:
            for entry in shard.values():
                found["rare"] += entry.dots is not None or entry.flags & COUNTED != 0
                for value in values_of(entry):
                    if isinstance(value, SetValue):
                        for chunk in value.chunks():
                            found["members"] += sum(1 for slot in chunk.values() if slot)
                    elif isinstance(value, ZSetValue):
                        for chunk in value.chunks():
                            found["scores"] += sum(1 for slot in chunk.values() if has_dots(slot))
                    elif isinstance(value, HashValue):
                        for chunk in value.chunks():
                            found["fields"] += sum(
                                1 for slot in chunk.values() if isinstance(slot, Field)
                            )
    return found

def has_dots(slot: object) -> bool:
    """Is more known of a sorted set's member than its score? A sum of increments that is no float
    has no other form."""
    return isinstance(slot, Scored) and not (isinstance(slot, SpelledScore) and slot.is_folded())
