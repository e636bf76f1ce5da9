"""Commit, the record of one unit, and the journal, the ordered list of those who read it.
[compiled]

One Commit object per engine, refilled: a reader may keep its Effects, never the Commit. The order
of readers is written here once: watch, tracking, blocking, notify, aof, backlog, forget, resync.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mypy_extensions import i64

from node.store.effect import Effect

if TYPE_CHECKING:
    from node.ports import Reader

WATCH: Final = 1
TRACKING: Final = 2
BLOCKING: Final = 3
NOTIFY: Final = 4
AOF: Final = 5
BACKLOG: Final = 6
FORGET: Final = 7
RESYNC: Final = 8


class Commit:
    """All effects of one command, script, transaction or frame, under one stamp.

    `data[start:end]` are the client's own bytes where they say exactly the first and only effect;
    `end` 0 means that they do not. `origin` is 0 for a unit of this node.
    """

    def __init__(self) -> None:
        self.count: i64 = 0
        self.stamp: i64 = 0
        self.origin: i64 = 0
        self.first: Effect | None = None
        self.rest: list[Effect] = []
        self.data: bytes = b""
        self.start: i64 = 0
        self.end: i64 = 0

    def effects(self) -> list[Effect]:
        """The effects in index order."""
        first = self.first
        if self.count == 0 or first is None:
            return []
        return [first, *self.rest]


class Awake:
    """A reader that somebody needs now, and the next one.

    A chain, since what is taken from a list is looked for in the classes of its reader each time:
    2 % of a write for each reader, whether it has anything to do or not.
    """

    def __init__(self, reader: Reader, after: Awake | None) -> None:
        self.reader = reader
        self.after = after


class Journal:
    """Hands each commit to the readers that somebody needs now, in the written order."""

    def __init__(self) -> None:
        self._first: Awake | None = None
        self._places: dict[int, Reader] = {}

    @property
    def awake(self) -> list[Reader]:
        """Those who are told, in order."""
        return [self._places[place] for place in sorted(self._places)]

    def wake(self, place: int, reader: Reader) -> None:
        """Somebody needs this reader from now on."""
        if self._places.get(place) is not reader:
            self._places[place] = reader
            self._chain()

    def rest(self, place: int) -> None:
        """Nobody needs the reader of this place any more."""
        if self._places.pop(place, None) is not None:
            self._chain()

    def _chain(self) -> None:
        """A new chain: the old one may be gone through right now."""
        first: Awake | None = None
        for reader in reversed(self.awake):
            first = Awake(reader, first)
        self._first = first

    def publish(self, commit: Commit) -> None:
        """Tells the awake readers, then empties the commit for the next unit."""
        awake = self._first
        while awake is not None:
            awake.reader.read(commit)
            awake = awake.after
        commit.count = 0
        commit.end = 0
        commit.origin = 0
        commit.first = None
        if commit.rest:
            commit.rest = []
