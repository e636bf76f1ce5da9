"""Conflicts: writes that met others they had not seen, counted by kind, the last ones remembered.
[compiled]

Kinds: `overwrite` (two concurrent values of one place, the newer shows), `type_clash` (a key has
two types), `removed_unseen` (a removal left what it had not seen), `import_conflict` (two data sets
joined that differ here), `counter_overflow` (a sum beyond 64 bits, shown clipped),
`removed_twice` (an element of a list or a member was removed by two, or an entry of a stream given
to two consumers: both clients may have been given it), `stream_dup_id` (two entries of a stream
were given one ID), `stream_late_entry` (an entry came behind what a group has delivered already:
`>` will not give it), `rejoin_dropped` (a node that was out of the mesh brings an older write of a
place: it is not written anew), `repaired` (two members held a key differently though no write
explains it: anti-entropy wrote it anew).

A write without conflict never comes here. What is remembered has two limits: so many conflicts
(`mesh-conflicts-max`, the oldest goes first), and so many bytes of each value
(`mesh-conflicts-value-bytes`); keys and places are cut after NAME_BYTES.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from mypy_extensions import i64

from conf import Config
from mesh.dots import Streams
from node.ports import Clock
from node.store.effect import Effect
from node.store.values.strings import shown
from node.store.values.value import Value

OVERWRITE: Final = "overwrite"
TYPE_CLASH: Final = "type_clash"
REMOVED_UNSEEN: Final = "removed_unseen"
IMPORT_CONFLICT: Final = "import_conflict"
COUNTER_OVERFLOW: Final = "counter_overflow"
REMOVED_TWICE: Final = "removed_twice"
STREAM_DUP_ID: Final = "stream_dup_id"
STREAM_LATE_ENTRY: Final = "stream_late_entry"
REJOIN_DROPPED: Final = "rejoin_dropped"
REPAIRED: Final = "repaired"

KINDS: Final = (
    OVERWRITE, TYPE_CLASH, REMOVED_UNSEEN, IMPORT_CONFLICT, COUNTER_OVERFLOW,
    STREAM_DUP_ID, STREAM_LATE_ENTRY, REMOVED_TWICE, REJOIN_DROPPED, REPAIRED,
)  # fmt: skip

# Why the winner shows, by kind.
RULES: Final[dict[str, str]] = {
    OVERWRITE: "of concurrent writes the one with the highest stamp shows",
    TYPE_CLASH: "of concurrent types the newest claim shows, the others are hidden",
    REMOVED_UNSEEN: "a removal takes only what its writer had seen",
    IMPORT_CONFLICT: "of two values that had not met the one with the highest stamp shows",
    COUNTER_OVERFLOW: "every increment counts, a sum beyond 64 bits is shown clipped",
    REMOVED_TWICE: "it is removed, or pending, once, but two clients may have been given it",
    STREAM_DUP_ID: "of two entries with one ID the one with the highest stamp shows",
    REPAIRED: "two members held the key differently without a write to explain it: written anew",
    REJOIN_DROPPED: "what the mesh wrote meanwhile stays, unless the own write is newer",
    STREAM_LATE_ENTRY: "the entry stands in its place, which the group has passed",
}

# Of a key or place that is remembered: longer ones are cut, so 1,000 conflicts stay below 3 MB.
NAME_BYTES: Final = 1024
# The defaults of mesh-conflicts-max (an operator reads the last few hundred; a storm of them must
# not cost memory) and of mesh-conflicts-value-bytes (enough to recognise a value).
CONFLICTS_MAX: Final = 1000
VALUE_BYTES: Final = 128


class Side:
    """One of the two writes: its dot and its value, cut; `value` None is a removal or not known."""

    def __init__(self, stamp: i64, origin: i64, value: bytes | None) -> None:
        self.stamp: i64 = stamp
        self.origin: i64 = origin
        self.value = value


class Conflict:
    """Two writes that met. `skew_ms` is the winner's clock minus the loser's, as far as `measured`.

    A side with stamp 0 is not known, or was forgotten because every member has it.
    """

    def __init__(
        self, number: int, kind: str, db: i64, key: bytes, place: bytes, winner: Side, loser: Side,
    ) -> None:  # fmt: skip
        self.number = number
        self.kind = kind
        self.db: i64 = db
        self.key = key
        self.place = place
        self.winner = winner
        self.loser = loser
        self.at_ms: i64 = 0
        self.skew_ms: float = 0.0
        self.measured = False

    def margin_ms(self) -> i64:
        """By how much the winner's stamp is above the loser's; below 0 where stamps did not
        decide. 0 also where one of them is not known."""
        if self.winner.stamp == 0 or self.loser.stamp == 0:
            return 0
        return (self.winner.stamp >> 20) - (self.loser.stamp >> 20)

    def by_skew(self) -> bool:
        """Would the other write show if both clocks were right, as far as they are measured?"""
        if not self.measured or self.winner.stamp == 0 or self.loser.stamp == 0:
            return False
        decided = self.kind != REMOVED_UNSEEN and self.kind != COUNTER_OVERFLOW
        return decided and float(self.margin_ms()) < self.skew_ms


class Conflicts:
    """Counts since the process started, and the last conflicts."""

    def __init__(self, streams: Streams) -> None:
        self.streams = streams
        self.clock = Clock()  # says when a conflict was found; the node's own once it has one
        self.counts: dict[str, int] = dict.fromkeys(KINDS, 0)
        self.by_origin: dict[int, dict[str, int]] = {}  # by the stream whose write met another
        self.skews_ms: dict[bytes, float] = {}  # a member's clock minus ours, as links measure it
        self.value_bytes = VALUE_BYTES
        self.last: deque[Conflict] = deque(maxlen=CONFLICTS_MAX)
        self.found: i64 = 0  # how many were remembered so far

    def limit(self, conflicts: int, value_bytes: int) -> None:
        """Remembers so many conflicts, and so many bytes of each value; 0 for none."""
        self.value_bytes = value_bytes
        if self.last.maxlen != conflicts:
            self.last = deque(self.last, maxlen=conflicts)

    def count(self, kind: str, origin: i64 = -1) -> None:
        """One more of this kind, by a write of this stream (-1: not known); not remembered."""
        self.counts[kind] += 1
        if origin < 0:
            return
        mine = self.by_origin.get(int(origin))
        if mine is None:
            mine = {}
            self.by_origin[int(origin)] = mine
        mine[kind] = mine.get(kind, 0) + 1

    def note(
        self, kind: str, effect: Effect, place: bytes, value: object, stamp: i64, origin: i64,
        other: object, won: bool,
    ) -> None:  # fmt: skip
        """A peer's `effect`, which writes `value` (None: it removes), met the dot (stamp, origin)
        with the value `other`, which its writer had not seen; `won`: the effect's value shows."""
        self.count(kind, effect.origin)
        mine = Side(effect.stamp, effect.origin, self.cut(value))
        others = Side(stamp, origin, self.cut(other))
        if won:
            self.remember(kind, effect.db, effect.key, place, mine, others)
        else:
            self.remember(kind, effect.db, effect.key, place, others, mine)

    def notice(self, kind: str, effect: Effect, place: bytes, shows: bool) -> None:
        """As `note`, where the other write is not known or is none; `shows`: the effect's does."""
        self.note(kind, effect, place, None, 0, 0, None, shows)

    def overwrite(
        self, effect: Effect, place: bytes, value: object, stamp: i64, origin: i64, other: object
    ) -> None:
        """As `note`, for two values of one place (`overwrite`): the newer dot shows."""
        won = self.streams.newer(effect.stamp, effect.origin, stamp, origin)
        self.note(OVERWRITE, effect, place, value, stamp, origin, other, won)

    def remember(
        self, kind: str, db: i64, key: bytes, place: bytes, winner: Side, loser: Side
    ) -> None:
        """Keeps a conflict, which is counted elsewhere, among the last ones."""
        if self.last.maxlen == 0:
            return
        self.found += 1
        found = Conflict(
            int(self.found), kind, db, key[:NAME_BYTES], place[:NAME_BYTES], winner, loser
        )
        found.at_ms = self.clock.now_ms
        if winner.stamp != 0 and loser.stamp != 0:
            first = self._skew_ms(winner.origin)
            second = self._skew_ms(loser.origin)
            if first is not None and second is not None:
                found.measured = True
                found.skew_ms = first - second
        self.last.append(found)

    def forget(self, kind: str) -> None:
        """Conflicts of this kind were none (a file that was loaded joins nothing)."""
        self.counts[kind] = 0
        for mine in self.by_origin.values():
            mine.pop(kind, None)
        self.last = deque(
            [each for each in self.last if each.kind != kind], maxlen=self.last.maxlen
        )

    def reset(self) -> None:
        """All counts and all that is remembered begin anew."""
        self.counts = dict.fromkeys(KINDS, 0)
        self.by_origin = {}
        self.last.clear()

    def rule_of(self, kind: str) -> str:
        """Why the winner of such a conflict shows, in words."""
        return RULES.get(kind, "")

    def cut(self, value: object) -> bytes | None:
        """A value as far as it is remembered; of a collection what it is."""
        if value is None:
            return None
        if isinstance(value, Value):
            return b"(%b of %d)" % (value.kind(), value.size())
        return bytes(shown(value)[: self.value_bytes])

    def _skew_ms(self, origin: i64) -> float | None:
        """A stream's clock minus ours; None where no link has measured it."""
        if origin == 0:
            return 0.0
        member = self.streams.all[origin].member
        if member == self.streams.own.member:
            return 0.0
        return self.skews_ms.get(member)


def set_conflict_limits(config: Config, conflicts: Conflicts) -> None:
    """As many conflicts and bytes as the configuration says."""
    conflicts.limit(
        config.number("mesh-conflicts-max"), config.number("mesh-conflicts-value-bytes")
    )
