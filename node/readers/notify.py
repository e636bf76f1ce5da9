"""Keyspace events: what happened to a key, told to subscribers (notify-keyspace-events).

A Reader of the journal, awake only while the directive asks for something. Effects of peers are
told like those of clients. Each event goes to __keyspace@<db>__:<key> with its name (class K), then
to __keyevent@<db>__:<name> with the key (class E), as in Redis.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.journal import NOTIFY, Commit, Journal
from node.ports import Publisher, Reader
from node.store.effect import (
    APPEARS,
    CREATION,
    EMPTIED,
    OVERWRITES,
    QUIET,
    RETYPES,
    UNCHANGED,
    Effect,
)  # fmt: skip
from node.store.events import (
    COPY_TO,
    DEL,
    EVENTS,
    GEORADIUSSTORE,
    GEOSEARCHSTORE,
    KEYMISS,
    MOVE_FROM,
    MOVE_TO,
    NEW,
    NO_EVENT,
    OVERWRITTEN,
    RENAME_FROM,
    RENAME_TO,
    RESTORE,
    SDIFFSTORE,
    SET,
    SINTERSTORE,
    SORTSTORE,
    SUNIONSTORE,
    TYPE_CHANGED,
    ZDIFFSTORE,
    ZINTERSTORE,
    ZRANGESTORE,
    ZUNIONSTORE,
)  # fmt: skip
from node.store.keyspace import Database, Missed
from node.store.usual import usual

ALL_CLASSES: Final = "g$lshzxetd"  # what A stands for
# Events of commands that put a value in place of another: told before the event itself.
REPLACING: Final = (
    SET, SINTERSTORE, SUNIONSTORE, SDIFFSTORE, RESTORE, ZUNIONSTORE, ZINTERSTORE, ZDIFFSTORE,
    ZRANGESTORE, GEOSEARCHSTORE, GEORADIUSSTORE, SORTSTORE,
)  # fmt: skip
# These delete their target first: it is new to Redis, and told as overwritten at the end.
DELETING: Final = (RENAME_TO, COPY_TO)


class Misses(Missed):
    """Event keymiss: look-ups of commands that only read."""

    def __init__(self, notify: Notify) -> None:
        self._notify = notify

    def missed(self, db: Database, key: bytes) -> None:
        if not self._notify.writing:
            self._notify.fire(int(db.number), KEYMISS, key)


class Notify(Reader):
    """Makes the messages. `writing` is set by the engine while a command that writes runs."""

    def __init__(self, journal: Journal, pubsub: Publisher) -> None:
        self._journal = journal
        self._pubsub = pubsub
        self._classes = frozenset[str]()
        self.writing = False

    def configure(self, letters: str, databases: list[Database]) -> None:
        """The directive's value: from now on events of these classes are told."""
        self._classes = frozenset(letters.replace("A", ALL_CLASSES))
        places = self._classes & {"K", "E"}
        if places and self._classes != places:
            self._journal.wake(NOTIFY, self)
        else:
            self._classes = places  # events of no class are told all the same
            self._journal.rest(NOTIFY)
        misses = Misses(self) if "m" in self._classes else None
        for db in databases:
            db.missed = misses

    def read(self, commit: Commit) -> None:
        """Tells the events of a unit, in the order of its effects."""
        first = commit.first
        if first is None or not self._pubsub.is_heard():
            return
        if not commit.rest:
            self._read_effect(first)
            return
        effects = commit.effects()
        count = len(effects)
        for i in range(count):
            moves = i + 1 < count and is_move(effects[i], effects[i + 1])
            if moves and codes(effects[i + 1])[0] == NEW:
                # Told first, as Redis makes the new key before it deletes the old one.
                self.fire(int(effects[i + 1].db), NEW, effects[i + 1].key)
            self._read_effect(effects[i], i > 0 and is_move(effects[i - 1], effects[i]))

    def read_missed(self, number: int, key: bytes) -> None:
        """A command that writes did not find a key that it only reads (a source of SUNIONSTORE)."""
        if self.writing and "m" in self._classes:
            self.fire(number, KEYMISS, key)

    def _read_effect(self, effect: Effect, is_known: bool = False) -> None:
        """Tells an effect's events; where the key `is_known` already, all but that it is new."""
        if effect.flags & (UNCHANGED | QUIET):
            return
        db = int(effect.db)
        for code in codes(effect):
            if code != NEW or not is_known:
                self.fire(db, code, effect.key)

    def fire(self, number: int, code: int, key: bytes) -> None:
        """Publishes one event, where its class is asked for."""
        letter, text = EVENTS[code]
        classes = self._classes
        if letter not in classes:
            return
        if "K" in classes:
            self._pubsub.publish(b"__keyspace@%d__:%b" % (number, key), text)
        if "E" in classes:
            self._pubsub.publish(b"__keyevent@%d__:%b" % (number, text), key)


def is_move(leaving: Effect, coming: Effect) -> bool:
    """Are these the two effects of a RENAME or MOVE?"""
    return leaving.events in (RENAME_FROM, MOVE_FROM) and coming.events in (RENAME_TO, MOVE_TO)


def codes(effect: Effect) -> list[int]:
    """The codes of an effect's events, in Redis's order."""
    own = named(effect.events) if effect.events != 0 else usual(effect)
    if not own or own[0] == NO_EVENT:
        return []
    flags = effect.flags
    replaced: list[int] = []
    if flags & OVERWRITES:
        replaced.append(OVERWRITTEN)
        if flags & RETYPES:
            replaced.append(TYPE_CHANGED)
    if own[0] in DELETING:
        return [NEW, *own, *replaced]
    found: list[int] = []
    if flags & (APPEARS if effect.origin != 0 else CREATION) and own[0] != NEW:
        found.append(NEW)
    if own[0] in REPLACING:
        found += replaced
    found += own
    if flags & EMPTIED:
        found.append(DEL)
    return found


def named(events: i64) -> list[int]:
    """The up to four codes that a handler gave."""
    found: list[int] = []
    while events > 0:
        found.append(int(events & 255))
        events = events >> 8
    return found
