"""Cap: what bounds the metadata that a mesh keeps for members who are away (semantics.md 2, "Dead
peer"; docs/decisions/0029).

    at 80 % of mesh-unstable-max-bytes   a warning; a member whose disk is behind saves, so that its
                                         report moves on
    at the cap                           members who are away are expelled; the cut moves on
    after mesh-peer-expel-after          a member who is away so long is expelled whatever there is

At the cap is who would pass it within a heartbeat. Where less than half of it was counted
(mesh/usage.py), the rest may be one place, noted again and again: then nobody is expelled before a
count has ended, or a fifth more was noted.

Only the side with the majority of the members expels, of two equal halves that with the oldest
member, so no two sides ever expel each other. The other side takes no more writes of clients at the
cap: it would be overruled anyway, and what it keeps stays bounded. A member who is here but holds
the cut up (its saves fail) is never expelled by itself: it is named, again and again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog

from mesh.membership import JOINED
from mesh.stability import has_all
from mesh.usage import PLACE_BYTES, Usage
from mesh.vectors import moves
from node.gates import IS_OVER_CAP

if TYPE_CHECKING:
    from mesh.member import Member

LOG = structlog.get_logger()

OK: Final = "ok"
NEAR: Final = "near"
FULL: Final = "full"
# A member of whom nothing was heard for so many heartbeats, and so long, is away.
SILENT_BEATS: Final = 5
SILENT_S: Final = 3.0
# Between two saves that are made to let the cut move on, and two warnings that are alike.
AGAIN_S: Final = 60.0
# All places are counted one by one so often (mesh/usage.py), since it walks over all data; and
# sooner where what was noted since comes to so much of the cap.
COUNT_AGAIN_S: Final = 30.0
UNCOUNTED_PERCENT: Final = 20
COUNTED_PERCENT: Final = 50
NEAR_PERCENT: Final = 80
# The next heartbeat is expected to bring as much as the last one, but at most so much of the cap:
# the last one may have been the last of many writes.
GROWTH_PERCENT: Final = 10
# Where most was only noted nobody is expelled below so much of the cap: a count is under way, which
# takes some seconds for a million keys.
NOTED_PERCENT: Final = 120
# Near the cap a slice of a count takes as long as to forget so many places, about 4 ms.
COUNT_PLACES: Final = 4000
# Who is fenced takes writes again below this share of the cap.
REOPEN_PERCENT: Final = 90


class Cap:
    """One per member. `beat` is called with each heartbeat."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.clock_s: Callable[[], float] = no_clock  # a clock that nobody sets
        self.save: Callable[[], None] = nothing  # in the background, unless a log makes it needless
        self.usage = Usage()
        self.uncounted_bytes = 0  # of `usage`: places that were noted and not counted yet
        self.growth_bytes = 0  # of the last heartbeat
        self.peak_bytes = 0
        self.state = OK
        self.fenced = ""  # why clients' writes are refused here; "" where they are not
        self.expelled = 0  # members that this node has expelled by itself
        self.saves = 0
        self._tops: dict[bytes, int] = {}  # the newest stamp of each member
        self._heard_s: dict[bytes, float] = {}
        self._beat_s = -1.0
        self._saved_s = -AGAIN_S
        self._told_s = -AGAIN_S
        self._counted_s = -COUNT_AGAIN_S

    @property
    def limit_bytes(self) -> int:
        """The cap; 0 is none."""
        return self.member.config.number("mesh-unstable-max-bytes")

    def beat(self) -> None:
        """Measures, and does what is due."""
        now_s = self.clock_s()
        self._listen(now_s)
        self._measure(now_s)
        limit_bytes = self.limit_bytes
        used = self.usage.unstable()
        state = self.standing()
        self._tell(state, now_s)
        if state != OK:
            self._save(now_s)
        why = ""
        if state == FULL and not self._expel(self.away(), now_s, "at mesh-unstable-max-bytes"):
            why = self._fence_reason()
        if why or used < limit_bytes * REOPEN_PERCENT // 100 or state == OK:
            self._fence(why)
        after_s = self.member.config.number("mesh-peer-expel-after")
        if after_s > 0:
            late = [each for each in self.away() if self.silent_s(each, now_s) >= after_s]
            self._expel(late, now_s, "after mesh-peer-expel-after")

    def count_budget(self, budget: int) -> int:
        """How long a slice of a count takes, in places that are forgotten: longer where the cap may
        be reached before its end."""
        return budget if self.state == OK else max(budget, COUNT_PLACES)

    # --- who is here ----------------------------------------------------------------------------

    def _listen(self, now_s: float) -> None:
        """Whoever's stream has moved since the last heartbeat is here."""
        beat_ms = self.member.config.number("mesh-heartbeat-ms")
        gap_s = now_s - self._beat_s
        if self._beat_s >= 0.0 and gap_s > 2.5 * beat_ms / 1000.0:
            # We stood still: what the others said meanwhile is still to be read.
            for name in self._heard_s:
                self._heard_s[name] += gap_s
        self._beat_s = now_s
        tops: dict[bytes, int] = {}
        for stream in self.member.streams.all:
            if stream.member:
                tops[stream.member] = max(tops.get(stream.member, 0), int(stream.seen))
        members = self._members()
        for name in members:
            top = tops.get(name, 0)
            if name not in self._heard_s or top > self._tops.get(name, 0):
                self._heard_s[name] = now_s
            self._tops[name] = top
        for name in [each for each in self._heard_s if each not in members]:
            del self._heard_s[name]
            self._tops.pop(name, None)

    def _members(self) -> frozenset[bytes]:
        return self.member.stability.member_ids() or frozenset()

    def silent_s(self, member: bytes, now_s: float) -> float:
        """How long nothing was heard of a member."""
        return now_s - self._heard_s.get(member, now_s)

    def away(self) -> list[bytes]:
        """The members of whom nothing was heard for a while, by whatever path."""
        limit_s = max(SILENT_S, SILENT_BEATS * self.member.config.number("mesh-heartbeat-ms") / 1e3)
        own = self.member.member_id
        return [
            each for each in sorted(self._members())
            if each != own and self.silent_s(each, self._beat_s) > limit_s
        ]  # fmt: skip

    def may_expel(self) -> bool:
        """Are those who are here the side that decides?"""
        if self.member.config.text("mesh-expel-quorum") == "any":
            return True
        members = self._members()
        here = members - frozenset(self.away())
        if 2 * len(here) != len(members):
            return 2 * len(here) > len(members)
        membership = self.member.membership
        ages: list[tuple[int, bytes]] = []
        for each in members:
            entry = membership.entry(each)
            ages.append((0 if entry is None else entry.since, each))
        return min(ages)[1] in here

    # --- what is done ---------------------------------------------------------------------------

    def _measure(self, now_s: float) -> None:
        meter = self.member.forgetter.meter
        stability = self.member.stability
        meter.closing = len(stability.closers)
        before = self.usage.unstable()
        self.usage = meter.measure()
        used = self.usage.unstable()
        self.peak_bytes = max(self.peak_bytes, used)
        self.uncounted_bytes = int(meter.uncounted()) * PLACE_BYTES
        limit_bytes = self.limit_bytes
        self.growth_bytes = max(used - before, 0)
        much = self.uncounted_bytes >= limit_bytes * UNCOUNTED_PERCENT // 100
        if used * 2 > limit_bytes > 0 and (much or now_s - self._counted_s >= COUNT_AGAIN_S):
            self._counted_s = now_s
            meter.count()

    def standing(self) -> str:
        """Where what is remembered stands."""
        used = self.usage.unstable()
        limit_bytes = self.limit_bytes
        if limit_bytes == 0 or used < limit_bytes * NEAR_PERCENT // 100:
            return OK
        if used - self.uncounted_bytes < limit_bytes * COUNTED_PERCENT // 100:
            return FULL if used >= limit_bytes * NOTED_PERCENT // 100 else NEAR
        expected = used + min(self.growth_bytes, limit_bytes * GROWTH_PERCENT // 100)
        return FULL if expected >= limit_bytes else NEAR

    def _tell(self, state: str, now_s: float) -> None:
        """The log, once for each change and again while it lasts."""
        if state == OK and self.state == OK:
            return
        if state == self.state and now_s - self._told_s < AGAIN_S:
            return
        self.state = state
        self._told_s = now_s
        tell = LOG.info if state == OK else LOG.warning if state == NEAR else LOG.error
        tell(
            "mesh_unstable_bytes", state=state, bytes=self.usage.unstable(),
            limit=self.limit_bytes, held_up_by=self.held_up_by().decode(),
            away=[each.decode() for each in self.away()],
        )  # fmt: skip

    def _save(self, now_s: float) -> None:
        """Our own disk holds the cut up, perhaps: only a save makes our report move on."""
        row = self.member.forgetter.waiting_row()
        if not row or now_s - self._saved_s < AGAIN_S:
            return
        stability = self.member.stability
        if moves(stability.holds(), stability.marks_of(row)):
            self._saved_s = now_s
            self.saves += 1
            self.save()

    def _expel(self, members: list[bytes], now_s: float, why: str) -> bool:
        """True: they are expelled, or nobody is to be."""
        if not members:
            return True
        if not self.may_expel():
            return False
        for each in members:
            silent_s = self.silent_s(each, now_s)
            self.expelled += 1
            self.member.expel(each, f"nothing was heard of it for {silent_s:.0f} s, {why}")
        return True

    def _fence_reason(self) -> str:
        member = self.member
        own = member.membership.entry(member.member_id)
        if own is not None and own.state != JOINED:
            return (
                f"this node is no member any more ({own.state}), and what it has written since, to"
                f" bring it along, takes {self.usage.unstable()} bytes of {self.limit_bytes}"
                " (mesh-unstable-max-bytes): run MESH REJOIN and restart it"
            )
        return (
            f"{self.usage.unstable()} bytes are remembered for members who are away, of"
            f" {self.limit_bytes} (mesh-unstable-max-bytes), and those who are here are too few to"
            " expel them: bring them back, or MESH FORGET them"
        )

    def _fence(self, why: str) -> None:
        engine = self.member.engine
        if bool(why) != bool(self.fenced):
            LOG.error("mesh_over_cap", reason=why) if why else LOG.info("mesh_below_cap")
        self.fenced = why
        if why:
            engine.closed |= IS_OVER_CAP
        else:
            engine.closed &= ~IS_OVER_CAP

    # --- numbers --------------------------------------------------------------------------------

    def held_up_by(self) -> bytes:
        """The member that holds the cut up; b"" where nothing is to be forgotten."""
        if not self.member.forgetter.waiting_row():
            return b""
        return self.member.stability.laggard()

    def held_up_ms(self, now_ms: int) -> int:
        """How old the oldest stamp is that not every member is known to have; 0: none is."""
        if not self.member.forgetter.waiting_row():
            return 0
        stability = self.member.stability
        stamps = [
            stability.cut.get(each.uuid, 0) for each in self.member.streams.all
            if not has_all(stability.cut, each) and each.seen != 0 and each.uuid in stability.cut
        ]  # fmt: skip
        return max(0, now_ms - (min(stamps) >> 20)) if stamps else 0

    def info(self, now_ms: int) -> list[tuple[str, object]]:
        """INFO replication's fields about metadata."""
        usage = self.usage
        return [
            ("mesh_unstable_bytes", usage.unstable()),
            ("mesh_unstable_max_bytes", self.limit_bytes),
            ("mesh_unstable_peak_bytes", self.peak_bytes),
            ("mesh_unstable_state", self.state),
            ("mesh_metadata_dots_bytes", usage.dots),
            ("mesh_metadata_lists_bytes", usage.lists),
            ("mesh_metadata_streams_bytes", usage.streams),
            ("mesh_metadata_strings_bytes", usage.strings),
            ("mesh_metadata_removals_bytes", usage.removals),
            ("mesh_metadata_closings_bytes", usage.closings),
            ("mesh_list_span_bytes", usage.spans),
            ("mesh_held_up_by", self.held_up_by().decode()),
            ("mesh_held_up_ms", self.held_up_ms(now_ms)),
            ("mesh_streams_not_held", self.member.stability.not_held()),
            ("mesh_members_away", len(self.away())),
            ("mesh_members_expelled", self.expelled),
            ("mesh_over_cap_reason", self.fenced),
        ]


def nothing() -> None:
    """Nobody saves."""


def no_clock() -> float:
    """Nobody has set a clock."""
    return 0.0
