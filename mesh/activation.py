"""Activation: data that was written alone is given dots when its node becomes active."""

from __future__ import annotations

from mesh.merge.kinds.table import KINDS
from mesh.merge.rule import Memory
from mesh.merge.slots import is_opaque, slot_of
from node.engine import Engine
from node.store.entry import HELD, Claim, Dot, Dots, Entry
from node.store.keyspace import Database
from node.store.mutate import give_dots
from node.store.values.value import Value
from node.store.writer import BeforeChange, other_phase


class Activation(BeforeChange):
    """The walk that gives dots to data written alone: in slices, each key before its next
    change."""

    def __init__(self, engine: Engine, memory: Memory, loaded_dots: bool) -> None:
        self.engine = engine
        self.memory = memory
        self.loaded_dots = loaded_dots
        writer = engine.writer
        writer.phase = other_phase(writer.phase)
        self.phase = writer.phase
        self.given = 0
        self._shards: list[tuple[Database, dict[bytes, Entry]]] = [
            (db, shard) for db in engine.databases for shard in [*db.keys.dicts, db.hidden] if shard
        ]
        self._keys: list[bytes] = []
        self._at: tuple[Database, dict[bytes, Entry]] | None = None
        writer.walk = self

    def before(self, db: Database, key: bytes, entry: Entry) -> None:
        if entry.flags & HELD == self.phase:
            return
        entry.flags = (entry.flags & ~HELD) | self.phase
        if entry.dots is not None:
            return  # loaded with its dots
        if not self.loaded_dots:
            self.given += 1
        if entry.stamp == 0:
            entry.stamp = self.engine.clock.next()
        memory = self.memory
        give_dots(entry, Dot(entry.stamp, 0))
        value = entry.value
        if isinstance(value, Value):
            slot = slot_of(value)
            if is_opaque(slot):
                first = memory.list_inserts + 1
                memory.list_inserts += KINDS[slot].give_dots(value, entry.stamp, 0, first)
            dots = Dots()
            dots.ttls = [Claim(entry.stamp, 0, entry.deadline)]
            entry.dots = dots

    def flushed(
        self, db: Database, old: list[dict[bytes, Entry]], hidden: dict[bytes, Entry]
    ) -> None:
        self.given += 1  # what was there is gone, but no frame will ever say so
        self.engine.writer.trash.extend(old)
        self.engine.writer.trash.append(hidden)

    def step(self, budget: int) -> bool:
        """Walks over `budget` keys; True when the last was seen."""
        while budget > 0:
            if not self._keys:
                if not self._shards:
                    self.engine.writer.walk = None
                    return True
                self._at = self._shards.pop()
                self._keys = list(self._at[1])
                continue
            assert self._at is not None
            db, shard = self._at
            key = self._keys.pop()
            budget -= 1
            entry = shard.get(key)
            if entry is not None:
                self.before(db, key, entry)
        return False
