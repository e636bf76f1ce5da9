"""Counted: the counters whose increments wait until they are stable, by generation.  [compiled]

Increments that were applied in one span of time are a generation. It is sealed, and when all of it
is stable each key that was counted up in it is looked at once, however often it was; then its
chunks of the ledger go unread. At most one generation is sealed, beside the one that is written, so
two bits in an entry's flags say to which of the two its newest increment belongs (0: look it up),
and two more that its increments of the sealed one have become part of its register already, though
their records are still there.

The generations of string keys and those of hash fields are apart. A field has these bits in its
Field; 0 in one that has no register says that it has the one increment it was made by.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i16, i64

from node.store.entry import COUNT_FOLDED, COUNT_MARK, Entry, Field

# By the generation's number modulo 3.
MARKS: Final[list[i16]] = [256, 512, 768]
FOLDED: Final[list[i16]] = [1024, 2048, 3072]
# Sums of smaller steps than this, 2**32, are far from what 64 bits hold.
MODEST: Final[i64] = 4294967296
# A generation has so many increments to each key at least before it is sealed, unless it is so
# many heartbeats old, or fewer than so many came since somebody asked.
WORTH: Final[i64] = 10
BEATS_MOST: Final[i64] = 5
BUSY: Final[i64] = 5000


class Generation:
    """What was counted up in one span of time."""

    def __init__(self, number: i64) -> None:
        self.number: i64 = number
        self.mark: i16 = MARKS[number % 3]
        self.folded: i16 = FOLDED[number % 3]
        self.top: i64 = 0  # of a sealed one: the highest stamp of an increment
        self.beats: i64 = 0  # heartbeats since it began
        self.large = False  # a step that is not MODEST
        # Keys whose flags have the mark, each with its entry: the very object that is in the
        # database for as long as one of these increments counts.
        self.dbs: list[i64] = []
        self.keys: list[bytes] = []
        self.entries: list[Entry] = []
        # Of fields the key is a place, as the ledger's records have it: those hold it anyway. And
        # the slots likewise; None: the one that it made.
        self.slots: list[Field | None] = []
        # Fields that the generation before has left to this one: most are counted up in it too.
        self.left: list[tuple[int, bytes, Field]] = []
        # Keys that are to be spelled out: steps that are no integers, increments that moved.
        self.odd: dict[tuple[int, bytes], None] = {}

    def put_field(self, db: i64, place: bytes, slot: Field | None) -> None:
        """One more field of those that were counted up."""
        self.dbs.append(db)
        self.keys.append(place)
        self.slots.append(slot)

    def leave(self, db: i64, place: bytes, slot: Field) -> None:
        """A field of the generation before is left to this one: it is looked at with it, whether it
        is counted up or not."""
        slot.flags = slot.flags & ~COUNT_MARK | self.mark
        self.left.append((int(db), place, slot))

    def is_odd(self, db: i64, key: bytes) -> bool:
        """Is the key to be spelled out?"""
        return len(self.odd) > 0 and (int(db), key) in self.odd


class Counted:
    """The generation that is written and the one that is sealed."""

    def __init__(self) -> None:
        self.now = Generation(1)
        self.mark: i16 = self.now.mark
        self.sealed: Generation | None = None
        self.top: i64 = 0  # its highest stamp; 0: there is none, or it is looked at
        self.folding: i16 = 0  # while the sealed one is looked at: what marks an entry as done
        self.floor: i64 = 0  # its number
        self.records: i64 = 0  # of the present one, when it was last asked whether it is due

    def note(self, db: i64, key: bytes, entry: Entry) -> None:
        """A key is counted up for the first time in this generation."""
        now = self.now
        flags = entry.flags & ~(COUNT_MARK | COUNT_FOLDED) | now.mark
        if self.folding != 0 and entry.flags & COUNT_FOLDED == self.folding:
            flags |= self.folding
        entry.flags = flags
        now.dbs.append(db)
        now.keys.append(key)
        now.entries.append(entry)

    def note_late(self, db: i64, key: bytes, entry: Entry) -> i64:
        """A key is counted up with a stamp of the sealed generation, which is its number.

        What folds of a key is what has a stamp up to some bound, on every node, so that of two
        nodes' sums one is always a part of the other.
        """
        sealed = self.sealed
        if sealed is None:
            return self.now.number
        newest = entry.flags & COUNT_MARK
        if newest != sealed.mark:
            if newest != self.mark:
                entry.flags = entry.flags & ~(COUNT_MARK | COUNT_FOLDED) | sealed.mark
            sealed.dbs.append(db)
            sealed.keys.append(key)
            sealed.entries.append(entry)
        return sealed.number

    def note_field(self, db: i64, place: bytes, slot: Field | None) -> None:
        """A field is counted up for the first time in this generation; None: it is being made."""
        now = self.now
        if slot is not None:
            flags = slot.flags & ~(COUNT_MARK | COUNT_FOLDED) | now.mark
            if self.folding != 0 and slot.flags & COUNT_FOLDED == self.folding:
                flags |= self.folding
            slot.flags = flags
        now.put_field(db, place, slot)

    def note_late_field(self, db: i64, place: bytes, slot: Field | None) -> i64:
        """As note_late."""
        sealed = self.sealed
        if sealed is None:
            return self.now.number
        if slot is not None:
            newest = slot.flags & COUNT_MARK
            if newest == sealed.mark:
                return sealed.number
            if newest == 0 and slot.stamp > sealed.top:
                self.note_field(db, place, slot)  # it was made since
            elif newest != self.mark:
                slot.flags = slot.flags & ~(COUNT_MARK | COUNT_FOLDED) | sealed.mark
        sealed.put_field(db, place, slot)
        return sealed.number

    def see(self, db: i64, key: bytes) -> None:
        """A key has increments of which its entry's flags do not tell enough; of fields a place."""
        self.now.odd[int(db), key] = None

    def is_due(self, records: i64) -> bool:
        """Is the present generation, of so many increments, to be sealed?

        Not while each key has few of them, and much is counted: the work is one look at each key.
        """
        now = self.now
        lately = records - self.records
        self.records = records
        return (
            lately < BUSY or now.beats >= BEATS_MOST
            or records >= len(now.keys) * WORTH
        )  # fmt: skip

    def seal(self, top: i64) -> None:
        """The present generation ends; `top` is its highest stamp. There is no sealed one."""
        sealed = self.now
        sealed.top = top
        self.top = top
        self.records = 0
        self.sealed = sealed
        self.now = Generation(sealed.number + 1)
        self.mark = self.now.mark

    def begin(self) -> None:
        """The sealed generation is looked at from now on."""
        sealed = self.sealed
        if sealed is not None:
            self.top = 0  # everything up to there is here
            self.folding = sealed.folded
            self.floor = sealed.number

    def end(self) -> None:
        """Nothing is left of the sealed generation."""
        self.sealed = None
        self.top = 0
        self.folding = 0
        self.floor = 0

    def below(self, flags: i16) -> i64:
        """Increments up to this generation are part of their register already, of an entry with
        these flags; 0: none."""
        if self.folding == 0 or flags & COUNT_FOLDED != self.folding:
            return 0
        return self.floor
