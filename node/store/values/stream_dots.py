"""What a mesh remembers of a stream: who added which entry, and the claims its positions are made
of.  [compiled]

A node alone keeps none of this. A dot of stamp 0 means that every member of the mesh has what it
stands for: each removal has seen it.
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter, read_i16_le, read_i64_le, write_i16_le, write_i64_le
from mypy_extensions import i16, i64, mypyc_attr

DOT_BYTES: Final = 10
STAMP_BYTES: Final = 8


class Sight:
    """What the writer of a change had seen; a client here has seen everything.

    `gone` and `entry_gone` say what of a change that comes late was removed before it came; nothing
    where `late` is False.
    """

    def __init__(self) -> None:
        self.late = False

    def has(self, stamp: i64, origin: i64) -> bool:
        """Had it seen the dot?"""
        return True

    def forgot(self, stamp: i64, origin: i64) -> bool:
        """Of a whole node's knowledge: may it have made this dot one of stamp 0?"""
        return False

    def gone(self, places: list[bytes]) -> bool:
        """Is a new dot that lies in all of these places removed already?"""
        return False

    def entry_gone(self, number: int) -> bool:
        """Is a new entry of this ID removed already?"""
        return False


ALL_SEEN: Final = Sight()


@mypyc_attr(acyclic=True)
class Peak:
    """A claim: a number under a dot. `reads` goes with the last ID that a group delivered."""

    __slots__ = ("number", "origin", "reads", "stamp")

    def __init__(self, stamp: i64, origin: i64, number: int, reads: int = 0) -> None:
        self.stamp: i64 = stamp
        self.origin: i64 = origin
        self.number = number
        self.reads = reads


class Peaks:
    """Claims of which the highest counts.

    Of one writer only those are kept that no later one of its own reaches: whoever has seen the
    later has seen them too.
    """

    def __init__(self) -> None:
        self.claims: list[Peak] = []

    def do_claim(self, stamp: i64, origin: i64, number: int, reads: int = 0) -> None:
        """One more claim; each writer's come in the order of their stamps."""
        found: Peak | None = None
        more = False
        for each in self.claims:
            if each.origin == origin and not is_above(each, number, reads):
                more = more or found is not None
                found = each
        if found is None:
            self.claims.append(Peak(stamp, origin, number, reads))
            return
        if more:
            self.claims = [
                each for each in self.claims
                if each is found or each.origin != origin or is_above(each, number, reads)
            ]  # fmt: skip
        found.stamp = stamp
        found.number = number
        found.reads = reads

    def do_clear(self, sight: Sight) -> None:
        """Takes away what a write had seen."""
        claims = self.claims
        if claims:
            self.claims = [each for each in claims if not sight.has(each.stamp, each.origin)]

    def highest(self) -> Peak | None:
        """The claim that counts; None where there is none."""
        best: Peak | None = None
        for each in self.claims:
            if best is None or is_above(each, best.number, best.reads):
                best = each
        return best

    def number(self) -> int:
        """The highest number claimed, 0 where there is none."""
        best = self.highest()
        return 0 if best is None else best.number

    def is_seen(self, sight: Sight) -> bool:
        """Had a write seen all of them?"""
        for each in self.claims:  # noqa: SIM110 a generator costs more than it saves
            if not sight.has(each.stamp, each.origin):
                return False
        return True

    def do_forget(self, cut: Sight) -> None:
        """What every member has needs no dot any more."""
        stable: Peak | None = None
        kept: list[Peak] = []
        for each in self.claims:
            if not cut.has(each.stamp, each.origin):
                kept.append(each)
            elif stable is None or is_above(each, stable.number, stable.reads):
                stable = Peak(0, 0, each.number, each.reads)
        if stable is not None:
            kept.append(stable)
        self.claims = kept

    def do_join(self, other: Peaks, mine: Sight, theirs: Sight) -> None:
        """Two nodes' claims become one's: see mesh/merge/whole.py."""
        cut = EitherForgot(mine, theirs)
        self.do_forget(cut)
        other.do_forget(cut)
        kept: list[Peak] = []
        for each in self.claims:
            same = among(each, other.claims)
            if same is not None:
                # Of two stable ones each is the highest of what removals have left: both are.
                kept.append(same if is_above(each, same.number, same.reads) else each)
            elif not theirs.has(each.stamp, each.origin):
                kept.append(each)
        for each in other.claims:
            if among(each, self.claims) is None and not mine.has(each.stamp, each.origin):
                kept.append(each)
        self.claims = without_lower(kept)


def is_above(claim: Peak, number: int, reads: int) -> bool:
    """Does the claim exceed this number?"""
    return claim.number > number or (claim.number == number and claim.reads > reads)


def among(claim: Peak, others: list[Peak]) -> Peak | None:
    """The claim of the same dot in the list; None where there is none."""
    for each in others:
        if each.stamp == claim.stamp and each.origin == claim.origin:
            return each
    return None


def is_same(
    stamp: i64, origin: i64, other_stamp: i64, other_origin: i64, sight: Sight, others: Sight
) -> bool:
    """Do two nodes mean one dot, which one of them may have forgotten?"""
    if stamp == other_stamp and origin == other_origin:
        return True
    if other_stamp == 0:
        return others.forgot(stamp, origin)
    return stamp == 0 and sight.forgot(other_stamp, other_origin)


class EitherForgot(Sight):
    """What one of two nodes may have forgotten the dots of."""

    def __init__(self, mine: Sight, theirs: Sight) -> None:
        super().__init__()
        self.mine = mine
        self.theirs = theirs

    def has(self, stamp: i64, origin: i64) -> bool:
        return (
            stamp == 0 or self.mine.forgot(stamp, origin) or self.theirs.forgot(stamp, origin)
        )


def without_lower(claims: list[Peak]) -> list[Peak]:
    """The claims but those that a later one of the same writer reaches."""
    kept: list[Peak] = []
    for each in claims:
        lower = False
        for other in claims:
            if other.origin == each.origin and other.stamp > each.stamp:
                lower = lower or not is_above(each, other.number, other.reads)
        if not lower:
            kept.append(each)
    return kept


class StampLog:
    """Ascending stamps of one writer: one for each entry that it added."""

    def __init__(self) -> None:
        self._log = BytesWriter()

    def count(self) -> i64:
        """How many there are."""
        return len(self._log) // STAMP_BYTES

    def do_add(self, stamp: i64) -> None:
        """One more, not below the last."""
        write_i64_le(self._log, stamp)

    def last(self) -> i64:
        """The highest of them; there is one."""
        data = self._log.getvalue()
        return read_i64_le(data, len(data) - STAMP_BYTES)

    def stamps(self) -> list[int]:
        """All of them."""
        data = self._log.getvalue()
        return [int(read_i64_le(data, at)) for at in range(0, len(data), STAMP_BYTES)]

    def do_set(self, stamps: list[int]) -> None:
        """Becomes these."""
        log = BytesWriter()
        for each in stamps:
            write_i64_le(log, i64(each))
        self._log = log


class Tally:
    """entries-added: a counter. What XSETID set, the newest of it, and the entries added since."""

    def __init__(self) -> None:
        self.bases: list[Peak] = []
        self.logs: dict[int, StampLog] = {}
        self.stable = 0  # entries that every member has counted

    def do_add(self, stamp: i64, origin: i64) -> None:
        """One more entry."""
        log = self.logs.get(int(origin))
        if log is None:
            log = StampLog()
            self.logs[int(origin)] = log
        log.do_add(stamp)

    def total(self) -> int:
        """What shows."""
        base: Peak | None = None
        for each in self.bases:
            if (
                base is None
                or each.stamp > base.stamp
                or (each.stamp == base.stamp and each.number > base.number)
            ):
                base = each
        found = self.stable if base is None else self.stable + base.number
        return found + self.counted()

    def do_clear(self, sight: Sight) -> None:
        """Takes away what a write had seen."""
        self.bases = [each for each in self.bases if not sight.has(each.stamp, each.origin)]
        self._do_clear_logs(sight)
        if sight.has(0, 0):
            self.stable = 0

    def _do_clear_logs(self, sight: Sight) -> None:
        for origin in list(self.logs):
            log = self.logs[origin]
            left = [each for each in log.stamps() if not sight.has(i64(each), i64(origin))]
            if not left:
                del self.logs[origin]
            elif len(left) < log.count():
                log.do_set(left)

    def do_forget(self, cut: Sight) -> None:
        """What every member has needs no dot any more."""
        before = self.counted()
        self._do_clear_logs(cut)
        self.stable += before - self.counted()
        if not self.bases:
            return
        best = self.bases[0]
        for each in self.bases:
            if not cut.has(each.stamp, each.origin):
                return
            if each.stamp > best.stamp or (
                each.stamp == best.stamp and each.number > best.number
            ):
                best = each
        self.bases = [Peak(0, 0, best.number)]

    def counted(self) -> int:
        """How many entries are counted one by one."""
        found = 0
        for log in self.logs.values():
            found += int(log.count())
        return found

    def do_join(self, other: Tally, mine: Sight, theirs: Sight) -> None:
        """Two nodes' counts become one's."""
        kept: list[Peak] = []
        for each in self.bases:
            if has_same(each, other.bases, mine, theirs) or not theirs.has(
                each.stamp, each.origin
            ):
                kept.append(each)
        for each in other.bases:
            if not has_same(each, self.bases, theirs, mine) and not mine.has(
                each.stamp, each.origin
            ):
                kept.append(each)
        self.bases = kept
        cut = EitherForgot(mine, theirs)
        for tally in (self, other):
            before = tally.counted()
            tally._do_clear_logs(cut)
            tally.stable += before - tally.counted()
        if self.stable == 0 and not mine.has(0, 0):
            self.stable = other.stable  # a node that knows nothing yet
        elif other.stable != 0 or theirs.has(0, 0):
            self.stable = min(self.stable, other.stable)
        for origin in sorted({*self.logs, *other.logs}):
            here = self.logs.get(origin)
            there = other.logs.get(origin)
            joined = join_stamps(
                [] if here is None else here.stamps(), [] if there is None else there.stamps(),
                i64(origin), mine, theirs,
            )  # fmt: skip
            if joined:
                log = StampLog()
                log.do_set(joined)
                self.logs[origin] = log
            elif here is not None:
                del self.logs[origin]


def has_same(claim: Peak, others: list[Peak], sight: Sight, theirs: Sight) -> bool:
    """Has the other node this dot, or one that either has forgotten?"""
    for each in others:
        if is_same(claim.stamp, claim.origin, each.stamp, each.origin, sight, theirs):
            return True
    return False


def join_stamps(
    here: list[int], there: list[int], origin: i64, mine: Sight, theirs: Sight
) -> list[int]:
    """Ascending stamps of one writer on two nodes. A unit's are on a node all or not at all."""
    ours = set(here)
    others = set(there)
    kept = [each for each in here if each in others or not theirs.has(i64(each), origin)]
    kept += [each for each in there if each not in ours and not mine.has(i64(each), origin)]
    kept.sort()
    return kept


class NodeDots:
    """The dots of a node's entries in their order, deleted ones too: one for all while they are
    equal, else ten bytes for each."""

    def __init__(self, stamp: i64, origin: i64) -> None:
        self.stamp: i64 = stamp
        self.origin: i64 = origin
        self._each: BytesWriter | None = None
        self._flat = b""

    def do_add(self, stamp: i64, origin: i64, before: i64) -> None:
        """The dot of one more entry, behind `before` others."""
        each = self._each
        if each is None:
            if before == 0:
                self.stamp = stamp
                self.origin = origin
            if stamp == self.stamp and origin == self.origin:
                return
            each = BytesWriter()
            left = before
            while left > 0:
                put(each, self.stamp, self.origin)
                left -= 1
            self._each = each
        put(each, stamp, origin)
        self._flat = b""

    def is_one(self) -> bool:
        """Have all entries the same dot?"""
        return self._each is None

    def _bytes(self) -> bytes:
        flat = self._flat
        each = self._each
        if not flat and each is not None:
            flat = each.getvalue()
            self._flat = flat
        return flat

    def stamp_at(self, at: i64) -> i64:
        """The stamp of the entry at this place."""
        return self.stamp if self._each is None else read_i64_le(self._bytes(), at * DOT_BYTES)

    def origin_at(self, at: i64) -> i64:
        """The writer of the entry at this place."""
        if self._each is None:
            return self.origin
        return i64(read_i16_le(self._bytes(), at * DOT_BYTES + STAMP_BYTES))

    def are_seen(self, count: i64, sight: Sight) -> bool:
        """Had a write seen the first `count` of them?"""
        if self._each is None:
            return sight.has(self.stamp, self.origin)
        data = self._bytes()
        end = count * DOT_BYTES
        at: i64 = 0
        while at < end:
            if not sight.has(read_i64_le(data, at), i64(read_i16_le(data, at + STAMP_BYTES))):
                return False
            at += DOT_BYTES
        return True


def put(out: BytesWriter, stamp: i64, origin: i64) -> None:
    """One dot."""
    write_i64_le(out, stamp)
    write_i16_le(out, i16(origin))


@mypyc_attr(acyclic=True)
class Rival:
    """An entry with its dot, spelled out: the one that shows, or one hidden behind it."""

    __slots__ = ("items", "origin", "stamp")

    def __init__(self, stamp: i64, origin: i64, items: list[bytes]) -> None:
        self.stamp: i64 = stamp
        self.origin: i64 = origin
        self.items = items


def newest_rival(rivals: list[Rival]) -> Rival:
    """The one that shows: the highest stamp; of equal ones, which only two writers who chose one ID
    in one millisecond can have, the greater fields."""
    best = rivals[0]
    for each in rivals:
        if each.stamp > best.stamp or (each.stamp == best.stamp and each.items > best.items):
            best = each
    return best


class StreamMemory:
    """What is remembered of a stream beside the dots of its entries.

    The stream exists while there is a claim in `made`: an entry or a group was made that no
    deletion of the key has seen.
    """

    def __init__(self) -> None:
        self.made = Peaks()
        self.tops = Peaks()
        self.deleted = Peaks()
        self.tally = Tally()
        self.rivals: dict[int, list[Rival]] = {}

    def is_empty(self) -> bool:
        """Is there nothing to remember, groups aside?"""
        return not (
            self.made.claims
            or self.tops.claims
            or self.deleted.claims
            or self.tally.bases
            or self.tally.logs
            or self.tally.stable
            or self.rivals
        )

    def do_note_add(self, number: int, stamp: i64, origin: i64, sight: Sight) -> None:
        """XADD of this ID: what it claims."""
        if sight.gone(WHOLE_KEY):
            return
        self.made.do_claim(stamp, origin, 0)
        if not sight.gone(LAST_ID):
            self.tops.do_claim(stamp, origin, number)
        if not sight.gone(ADDED):
            self.tally.do_add(stamp, origin)

    def do_clear(self, sight: Sight) -> None:
        """A write that replaces the whole key takes what it had seen; entries are another's."""
        self.made.do_clear(sight)
        self.tops.do_clear(sight)
        self.deleted.do_clear(sight)
        self.tally.do_clear(sight)


# Places of a stream, as removals name them (mesh/removals.py).
WHOLE_KEY: Final[list[bytes]] = []
LAST_ID: Final = [b"l"]
MAX_DELETED: Final = [b"d"]
ADDED: Final = [b"a"]

