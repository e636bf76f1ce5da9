"""Database: find a key, insert it, drop it; what is visible and what is only remembered.
[compiled]

`find` is the one look-up of every command: it knows deadlines and remembers its last answer by the
identity of the key object, so that a read and the write after it look up once. Everybody who
inserts or removes keeps that answer right.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i16, i32, i64, mypyc_attr

from node.store.entry import ENCODED, RAW, Entry
from node.store.expiry import Deadlines, TimedKeys
from node.store.frequency import Frequency, clock_of
from node.store.shards import SHARD_SHIFT, SHARDS, Shards, shard_of
from node.store.values.container import Container
from node.store.values.cron import CronValue

ALL: Final[i64] = 1152921504606846976  # as many as there are


class Now:
    """The time that all databases go by: hybrid milliseconds, and coarse seconds for access clocks.

    Set once per read of a socket, so all commands of one read see one time. It never runs behind a
    stamp given or observed: a key that is past its deadline here was so for every later write.
    """

    def __init__(self) -> None:
        self.ms: i64 = 0
        self.seconds: i32 = 0


class Lapse:
    """Who is told that a key's deadline was found to have passed."""

    def lapse(self, db: Database, key: bytes, entry: Entry) -> None:
        """Takes the key out of sight."""

    def lapse_places(self, db: Database, key: bytes, entry: Entry) -> bool:
        """Takes out members or fields past their deadlines; True: the last one was among them."""
        return False

    def lapse_due(self, db: Database, most: i64) -> i64:
        """The same for all keys that have such members, up to `most`; returns how many went."""
        return 0


class Missed:
    """Who is told of each look-up that found nothing."""

    def missed(self, db: Database, key: bytes) -> None:
        """Event keymiss; a look-up before a write is told too."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Merging:
    """A peer's snapshot that is being merged key by key, each at its first touch."""

    def touch(self, db: Database, key: bytes) -> None:
        """Somebody is about to look at the key: it is merged now if it was not yet."""

    def shard(self, db: Database, number: int) -> None:
        """Somebody is about to list this shard."""

    def whole(self, db: Database) -> None:
        """Somebody is about to look at every key."""

    def finish(self) -> None:
        """The maps are about to be emptied: a key that is half merged is merged now."""


class Database:
    """One numbered database. While `merging` is set, DBSIZE counts what was merged so far."""

    def __init__(self, number: i64, lapse: Lapse, now: Now) -> None:
        self.number: i64 = number
        self.now = now
        self.keys = Shards()
        self.hidden: dict[bytes, Entry] = {}
        self.deadlines = Deadlines()
        self.timed = TimedKeys()
        self.jobs = TimedKeys()  # by when they run next
        self.expires: i64 = 0
        self.hits: i64 = 0
        self.misses: i64 = 0
        self.missed: Missed | None = None
        self.frequency: Frequency | None = None  # set under an LFU policy
        self.merging: Merging | None = None
        self._lapse = lapse
        self._last_key: bytes | None = None
        self._last: Entry | None = None

    def find(self, key: bytes) -> Entry | None:
        """The key's entry if it is visible now; touches the access clock."""
        entry = self.peek(key)
        if entry is not None:
            frequency = self.frequency
            if frequency is None:
                entry.clock = self.now.seconds
            else:
                entry.clock = frequency.used(i64(entry.clock), i64(self.now.seconds))
        return entry

    def peek(self, key: bytes) -> Entry | None:
        """As `find`, for commands that look at a key without using it: TTL, TYPE, OBJECT."""
        entry: Entry | None
        if self.merging is not None:
            self.merging.touch(self, key)
        if key is self._last_key:
            entry = self._last
        else:
            entry = self.keys.dicts[shard_of(key)].get(key)
            self._last_key = key
            self._last = entry
        if entry is None:
            self.misses += 1
            if self.missed is not None:
                self.missed.missed(self, key)
            return None
        if entry.deadline != 0 and entry.deadline < self.now.ms:
            self._lapse.lapse(self, key, entry)
            self.misses += 1
            if self.missed is not None:
                self.missed.missed(self, key)
            return None
        if self.timed.first_ms < self.now.ms and self._lapse.lapse_places(self, key, entry):
            self.misses += 1
            if self.missed is not None:
                self.missed.missed(self, key)
            return None
        self.hits += 1
        return entry

    def seek(self, key: bytes) -> Entry | None:
        """The key's entry if it is in sight, whatever its deadline; nothing is counted or touched.
        It is remembered as the last answer."""
        entry = self.keys.dicts[shard_of(key)].get(key)
        self._last_key = key
        self._last = entry
        return entry

    def recent(self, key: bytes) -> Entry | None:
        """As `seek`, of a key that was perhaps looked up or written just now."""
        return self._last if key is self._last_key else self.keys.get(key)

    def is_recent(self, key: bytes, entry: Entry) -> bool:
        """Was this entry looked up, or written, just now as this key's? By identity: nothing is
        compared, and False may be wrong."""
        return key is self._last_key and self._last is entry

    def glance(self, key: bytes) -> object:
        """The value a key shows now, None where it is absent; nothing is counted or touched."""
        if self.merging is not None:
            self.merging.touch(self, key)
        entry = self.keys.get(key)
        if entry is None or (entry.deadline != 0 and entry.deadline < self.now.ms):
            return None
        return entry.value

    def present(self, key: bytes) -> bool:
        """Is the key visible now? Nothing is counted or touched, but a passed deadline is
        noticed."""
        if self.merging is not None:
            self.merging.touch(self, key)
        entry = self.keys.get(key)
        if entry is None:
            return False
        if entry.deadline != 0 and entry.deadline < self.now.ms:
            self._lapse.lapse(self, key, entry)
            return False
        return not (
            self.timed.first_ms < self.now.ms and self._lapse.lapse_places(self, key, entry)
        )

    def names(self) -> list[bytes]:
        """Every key that is visible now."""
        self.merge_all()
        now_ms = self.now.ms
        found: list[bytes] = []
        for shard in self.keys.dicts:
            for key, entry in shard.items():
                if entry.deadline == 0 or entry.deadline > now_ms:
                    found.append(key)
        return found

    def merge_all(self) -> None:
        """Before every key is looked at: what is to be merged is, members that are due go."""
        if self.merging is not None:
            self.merging.whole(self)
        if self.timed.first_ms < self.now.ms:
            self._lapse.lapse_due(self, ALL)

    def scan(self, position: int, count: int) -> tuple[int, list[bytes]]:
        """As Shards.scan; shards that are still to be merged are merged before they are listed."""
        merging = self.merging
        if merging is None:
            return self.keys.scan(position, count)
        until = int(position >> SHARD_SHIFT)
        while True:
            merging.shard(self, until)
            following, found = self.keys.scan(position, count)
            reached = SHARDS - 1 if following == 0 else int(following >> SHARD_SHIFT)
            if until >= reached:
                return following, found
            until += 1

    def set_idle(self, key: bytes, idle_s: int) -> None:
        """The key, if it is there, counts as not used for so long (RESTORE IDLETIME)."""
        entry = self.keys.get(key)
        if entry is not None and self.frequency is None:
            entry.clock = i32(max(0, self.now.seconds - idle_s))

    def set_uses(self, key: bytes, counter: int) -> None:
        """Sets the counter of OBJECT FREQ (RESTORE FREQ), where it is kept."""
        entry = self.keys.get(key)
        if entry is not None and self.frequency is not None:
            entry.clock = clock_of(i64(self.now.seconds), i64(counter))

    def uses(self, key: bytes) -> int:
        """The counter of OBJECT FREQ; 0 where there is no such key, or none is kept."""
        entry = self.keys.get(key)
        frequency = self.frequency
        if entry is None or frequency is None:
            return 0
        return int(frequency.counter(i64(entry.clock), i64(self.now.seconds)))

    def text_flags(self, key: bytes) -> i64:
        """RAW and TEXT of a string; 0 where there is no such key."""
        entry = self.keys.get(key)
        return 0 if entry is None else i64(entry.flags & ENCODED)

    def set_text_flags(self, key: bytes, flags: i64) -> None:
        """A string that was put is that of another key: it is RAW or TEXT as that was (RENAME)."""
        entry = self.keys.get(key)
        if entry is not None and flags != 0:
            entry.flags = entry.flags | i16(flags)

    def set_raw(self, key: bytes) -> None:
        """A string was made or looked at by a command after which Redis does not encode it (BITOP,
        SETBIT)."""
        self.set_text_flags(key, i64(RAW))

    def raw(self, key: bytes) -> Entry | None:
        """The key's entry, visible or only remembered, whatever its deadline."""
        entry = self.keys.get(key)
        if entry is None and self.hidden:
            entry = self.hidden.get(key)
        return entry

    def put(self, key: bytes, entry: Entry) -> None:
        """A new visible key."""
        self.keys.put(key, entry)
        if entry.clock == 0:
            frequency = self.frequency
            now_s = self.now.seconds
            entry.clock = now_s if frequency is None else frequency.new(i64(now_s))
        self._last_key = key
        self._last = entry
        if entry.deadline != 0:
            self.expires += 1
            self.deadlines.add(key, entry.deadline)
        value = entry.value
        if isinstance(value, Container):
            if value.deadlines is not None:
                self.note_places(key, value)
        elif isinstance(value, CronValue):
            self.note_places(key, value)

    def note_places(self, key: bytes, value: object) -> None:
        """A visible key's value was put, its members' deadlines have changed, or a job's time."""
        if isinstance(value, Container) and value.deadlines is not None and value.deadlines.of:
            self.timed.note(key, int(value.deadlines.earliest_ms()))
        elif self.timed.size() != 0:
            self.timed.forget(key)
        if isinstance(value, CronValue):
            self.jobs.note(key, int(value.due_ms))
        elif self.jobs.size() != 0:
            self.jobs.forget(key)

    def drop(self, key: bytes) -> Entry | None:
        """The key is visible no more."""
        entry = self.keys.pop(key)
        self._last_key = None
        self._last = None
        if entry is not None and entry.deadline != 0:
            self.expires -= 1
            self.deadlines.remove(key, entry.deadline)
        if self.timed.size() != 0:
            self.timed.forget(key)
        if self.jobs.size() != 0:
            self.jobs.forget(key)
        return entry

    def hide(self, key: bytes, entry: Entry) -> None:
        """The key shows nothing but is remembered: no command counts or lists it."""
        self.hidden[key] = entry

    def retime(self, key: bytes, before: i64, after: i64) -> None:
        """A visible key's deadline has changed from `before` to `after` (0: none)."""
        if before == 0:
            self.expires += 1
        else:
            self.deadlines.remove(key, before)
            if after == 0:
                self.expires -= 1
        if after != 0:
            self.deadlines.add(key, after)

    def clear(self) -> list[dict[bytes, Entry]]:
        """Every visible key goes at once; the old dicts are for whoever frees them."""
        old = self.keys.clear()
        self.deadlines.clear()
        self.timed.clear()
        self.jobs.clear()
        self.expires = 0
        self._last_key = None
        self._last = None
        return old

    def exchange(self, other: Database) -> None:
        """The two databases change all they hold, remembered keys too (SWAPDB)."""
        self.keys, other.keys = other.keys, self.keys
        self.hidden, other.hidden = other.hidden, self.hidden
        self.deadlines, other.deadlines = other.deadlines, self.deadlines
        self.timed, other.timed = other.timed, self.timed
        self.jobs, other.jobs = other.jobs, self.jobs
        self.expires, other.expires = other.expires, self.expires
        self.forget_last()
        other.forget_last()

    def holds_last(self) -> bool:
        """Does the map hold the key looked up last, though it may not show it any more?"""
        return self._last is not None

    def forget_last(self) -> None:
        """Somebody changed the maps directly (load, swap)."""
        self._last_key = None
        self._last = None
