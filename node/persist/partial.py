"""A snapshot of some keys alone: as the whole one, but only what was chosen is in it.

For a resync by digest (docs/decisions/0024): it says that it is partial, and names the chosen keys
that are absent. The last byte is out when the chosen keys are; the walk itself goes on to the end,
since the marks of all entries must be set before another one begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from node.persist import rdb_codes as codes
from node.persist.snapshot import SnapshotWalk
from node.ports import Metadata
from node.store.entry import HELD, Entry
from node.store.keyspace import Database
from node.store.shards import SHARDS, shard_of
from node.store.writer import Writer

# Names of absent keys in one field, at most about so many bytes.
ABSENT_BYTES: Final = 20_000
NUMBER_BYTES: Final = 4
MARKS_AT_ONCE: Final = 16  # count as one key in a step's budget


class PartialWalk(SnapshotWalk):
    """A walk over chosen keys: (database, key)."""

    def __init__(
        self,
        writer: Writer,
        databases: list[Database],
        metadata: Metadata,
        chosen: set[tuple[int, bytes]],
        checksum: bool = True,
    ) -> None:
        self._left = chosen
        self.keys_chosen = len(chosen)
        head = (codes.AUX_PARTIAL, b"%d" % len(chosen))
        super().__init__(writer, databases, metadata, [head], checksum=checksum)

    def before(self, db: Database, key: bytes, entry: Entry) -> None:
        if entry.flags & HELD != self.phase and (self._number_of(db), key) not in self._left:
            self._mark(entry)
            return
        super().before(db, key, entry)

    @property
    def progress(self) -> float:
        """The share of the chosen keys that were met, 0 to 1."""
        return 1.0 if self.written else 1.0 - len(self._left) / max(self.keys_chosen, 1)

    def _walk(self) -> Iterator[int]:
        absent: list[bytes] = []
        size = 0
        while self._left:
            number, key = self._left.pop()
            entry = self._dicts[number][shard_of(key)].get(key)
            visible = entry is not None
            if entry is None:
                entry = self._hidden[number].get(key)
            if entry is not None and entry.flags & HELD != self.phase:
                self._visit(number, key, entry, visible)
            else:  # or it was made since: `before` has taken out what was changed
                name = number.to_bytes(NUMBER_BYTES, "big") + len(key).to_bytes(NUMBER_BYTES, "big")
                absent.append(name + key)
                size += len(key)
            yield 1
            if size >= ABSENT_BYTES or (absent and not self._left):
                self._early.append((-1, self._small.aux(codes.AUX_ABSENT, b"".join(absent))))
                absent, size = [], 0
                yield 1
        self._finish()
        yield 1
        yield from self._set_marks()

    def _save(self, number: int, key: bytes, entry: Entry, visible: bool) -> None:
        self._left.discard((number, key))
        super()._save(number, key, entry, visible)

    def _set_marks(self) -> Iterator[int]:
        """Of everything that was not chosen."""
        shards = [dicts[number] for dicts in self._dicts for number in range(SHARDS)]
        for entries in [*shards, *self._hidden]:
            for at, entry in enumerate(list(entries.values())):
                self._mark(entry)
                if at % MARKS_AT_ONCE == 0:
                    yield 1


def absent_names(field: bytes) -> list[tuple[int, bytes]]:
    """The reverse of an AUX_ABSENT field. ValueError where it is cut short."""
    names: list[tuple[int, bytes]] = []
    at = 0
    while at < len(field):
        start = at + 2 * NUMBER_BYTES
        end = start + int.from_bytes(field[at + NUMBER_BYTES : start], "big")
        if end > len(field):
            raise ValueError("the names of absent keys are cut short")
        names.append((int.from_bytes(field[at : at + NUMBER_BYTES], "big"), field[start:end]))
        at = end
    return names
