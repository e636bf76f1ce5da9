"""Leases: which member holds which seat. A seat is one member's share of the keys owned by `hash`.

Everybody claims its own seat, and that of a member which has fallen silent if it comes first in the
seat's order. A seat is held while more than half of the members have promised it to nobody else:

    promise   counts from when the claim was heard, for `lease_s`
    held      counts from when that claim was *said*, for `lease_s` less a tenth

so the holder stops before anybody is free to promise the seat anew, if clocks run at rates that
differ by less than a tenth. Times are of a clock that is never set (`now_s`); none travels. Who has
begun, or counts by other members than before, has forgotten what it promised and promises nothing
for a lease and a tenth. A new holder has what the members that let it had seen (docs/decisions/
0030).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mesh.lease_words import Grant, LeaseWords
from mesh.vectors import Vector

NEVER_S = float("-inf")


@dataclass(slots=True)
class Promise:
    """A seat is promised to what this process of a member has claimed."""

    member: str
    stream: str
    epoch: int
    round: int
    until_s: float


@dataclass(slots=True)
class Heard:
    """What a member said last, when it came, and what it had seen when it said so."""

    stream: str
    said: LeaseWords
    at_s: float
    row: Vector


class Leases:
    """One member's part. `covers` says whether all of a vector is applied here."""

    def __init__(
        self, own: str, stream: str, lease_s: float, covers: Callable[[Vector], bool],
        stamp_ms: Callable[[], int],
    ) -> None:  # fmt: skip
        self.own = own
        self.stream = stream
        self.lease_s = lease_s
        self.margin_s = lease_s / 10.0
        self.covers = covers
        self.stamp_ms = stamp_ms  # epochs begin there, so that no restart says one again
        self.sees = ""
        self.plan = ""
        self.members: tuple[str, ...] = ()  # of the plan
        self.heard: dict[str, Heard] = {}
        self.claims: dict[str, int] = {}
        self.began_s: float | None = None
        self.taken = 0  # seats that this node has come to hold
        self._known: frozenset[str] = frozenset()
        self._round = 0
        self._said_at_s: dict[int, float] = {}
        self._promises: dict[str, Promise] = {}
        self._epochs: dict[str, int] = {}  # the highest heard of
        self._quiet_until_s = float("inf")
        self._granted: dict[str, dict[str, int]] = {}  # by seat, of the epoch claimed now: round
        self._rows: dict[str, dict[str, Vector]] = {}  # what who granted had seen, likewise
        self._ready: set[str] = set()  # held, and all of that is here
        self._echoed: dict[str, Vector] = {}  # what a member had seen that first heard of us
        self._caught_up = False

    # --- members --------------------------------------------------------------------------------

    def know(self, members: Iterable[str], rules: str) -> None:
        """These are the members, and what they have said of mesh-owner."""
        self._known = frozenset(members)
        words = [rules, *sorted(self._known)]
        self.sees = hashlib.sha256("\n".join(words).encode()).hexdigest()[:24]

    def _settle_plan(self, now_s: float) -> None:
        """Counts by the members known now, once most of those before that still are members do
        so: two sides of a cut mesh cannot both come to count by what only one of them knows."""
        if self.sees == self.plan:
            return
        base = (frozenset(self.members) & self._known) or self._known
        agreed = sum(
            1 for each in base
            if each == self.own
            or (each in self.heard and self.heard[each].said.sees == self.sees)
        )  # fmt: skip
        if 2 * agreed <= len(base):
            return
        self.plan = self.sees
        self.members = tuple(sorted(self._known))
        self._quiet_until_s = now_s + self.lease_s + self.margin_s
        for seat in list(self.claims):
            self._drop(seat)
        self._promises.clear()
        self.heard = {name: each for name, each in self.heard.items() if name in self._known}
        self._epochs = {
            seat: epoch for seat, epoch in self._epochs.items() if seat in self._known
        }

    def seat_of(self, key: bytes) -> str:
        """Whose share the key is, as the members counted by say; "" where there are none."""
        return self._first(key, self.members)

    def _first(self, key: bytes, members: Iterable[str]) -> str:
        return max(members, key=lambda each: weight(key, each), default="")

    # --- questions ------------------------------------------------------------------------------

    def holds(self, seat: str, now_s: float) -> bool:
        """May this node act for the seat now?"""
        if seat not in self.claims:
            return False
        if self._held_until_s(seat) <= now_s:
            self._lapse(seat)
            return False
        if seat in self._ready:
            return True
        if not all(self.covers(row) for row in self._rows.get(seat, {}).values()):
            return False
        self._ready.add(seat)
        self.taken += 1
        return True

    def _lapse(self, seat: str) -> None:
        """It was not renewed in time, so somebody else may have had it: it is claimed anew."""
        if seat in self._ready:
            self._drop(seat)

    def _drop(self, seat: str) -> None:
        self.claims.pop(seat, None)
        self._granted.pop(seat, None)
        self._rows.pop(seat, None)
        self._ready.discard(seat)
        promise = self._promises.get(seat)
        if promise is not None and promise.member == self.own:
            del self._promises[seat]

    def _held_until_s(self, seat: str) -> float:
        """When the promises of more than half end, at the earliest."""
        times = [
            self._said_at_s.get(at, NEVER_S)
            for member, at in self._granted.get(seat, {}).items() if member in self.members
        ]  # fmt: skip
        needed = len(self.members) // 2 + 1
        if len(times) < needed:
            return NEVER_S
        times.sort(reverse=True)
        return times[needed - 1] + self.lease_s - self.margin_s

    def caught_up(self, now_s: float) -> bool:
        """Is here what the members have of what this node wrote before it began anew? Who cannot
        be reached is waited for as long as a promise may run."""
        if self._caught_up:
            return True
        for member in self._known - {self.own}:
            row = self._echoed.get(member)
            if self._is_fresh(member, now_s) if row is None else not self.covers(row):
                return False
        self._caught_up = self.began_s is not None
        return self._caught_up

    def epoch(self, seat: str) -> int:
        """Of the own claim; 0 where there is none."""
        return self.claims.get(seat, 0)

    def holder(self, seat: str, now_s: float) -> str:
        """Who held the seat when it said so last, of late; "" where nobody is known."""
        found = ""
        epoch = -1
        for member, each in self.heard.items():
            said = each.said
            if seat in said.holds and self._is_fresh(member, now_s):
                claimed = said.claims.get(seat, 0)
                if claimed > epoch:
                    found, epoch = member, claimed
        return found

    def _is_fresh(self, member: str, now_s: float) -> bool:
        """Was this member heard within a lease? Who was never heard counts from our beginning."""
        each = self.heard.get(member)
        began_s = now_s if self.began_s is None else self.began_s
        return now_s - (began_s if each is None else each.at_s) < self.lease_s + self.margin_s

    # --- hearing --------------------------------------------------------------------------------

    def hear(self, member: str, stream: str, said: LeaseWords, row: Vector, now_s: float) -> None:
        """A member has spoken; `row` is what it had seen when it did."""
        if member == self.own or member not in self._known:
            return
        if self.stream in said.heard:
            self._echoed.setdefault(member, row)
        self.heard[member] = Heard(stream, said, now_s, row)
        for seat, epoch in said.claims.items():
            self._epochs[seat] = max(self._epochs.get(seat, 0), epoch)
        if said.plan != self.plan:
            return
        self._promise(member, stream, said, now_s)
        for seat in list(self.claims):
            if self._held_until_s(seat) <= now_s:
                self._lapse(seat)
            self._count(seat, member, said, row)
        if member in self.claims and member in said.claims:
            self._drop(member)  # it is back, and has its own seat again

    def _promise(self, member: str, stream: str, said: LeaseWords, now_s: float) -> None:
        """Promises what it claims, where nobody else has the promise; forgets what it gave back."""
        for seat, promise in list(self._promises.items()):
            gave_back = promise.member == member and promise.stream == stream
            if gave_back and seat not in said.claims:
                del self._promises[seat]
        if now_s < self._quiet_until_s or member not in self.members:
            return
        for seat, epoch in said.claims.items():
            if seat in self.members and self._may_promise(seat, member, stream, epoch, now_s):
                self._promises[seat] = Promise(
                    member, stream, epoch, said.round, now_s + self.lease_s
                )

    def _may_promise(
        self, seat: str, member: str, stream: str, epoch: int, now_s: float
    ) -> bool:
        """Whose promise still runs has it again, whatever others claim; else it is free for the
        highest epoch."""
        held = self._promises.get(seat)
        if held is None or held.until_s <= now_s:
            return epoch >= self._epochs.get(seat, 0)
        return (held.member, held.stream) == (member, stream) and epoch >= held.epoch

    def _count(self, seat: str, member: str, said: LeaseWords, row: Vector) -> None:
        """Did it promise us this seat, as we claim it now?"""
        grant: Grant | None = said.grants.get(seat)
        if grant is None or grant[:2] != (self.stream, self.claims.get(seat)):
            return
        if seat not in self._ready:  # how much it had seen matters until the seat is ours
            self._rows.setdefault(seat, {})[member] = row
        self._granted.setdefault(seat, {})[member] = grant[2]

    # --- speaking -------------------------------------------------------------------------------

    def beat(self, now_s: float) -> LeaseWords:
        """Once a heartbeat: what this member says of leases."""
        if self.began_s is None:
            self.began_s = now_s
        self._settle_plan(now_s)
        for seat in list(self.claims):
            if self._held_until_s(seat) <= now_s:
                self._lapse(seat)
        self._choose(now_s)
        self._round += 1
        self._said_at_s[self._round] = now_s
        for at in [at for at, said_s in self._said_at_s.items() if said_s < now_s - self.lease_s]:
            del self._said_at_s[at]
        for seat, epoch in self.claims.items():
            self._promise_self(seat, epoch, now_s)
        return LeaseWords(
            self.sees, self.plan, self._round, dict(self.claims),
            frozenset(seat for seat in list(self.claims) if self.holds(seat, now_s)),
            {
                seat: (each.stream, each.epoch, each.round)
                for seat, each in self._promises.items() if each.until_s > now_s
            },
            frozenset(
                each.stream for name, each in self.heard.items() if self._is_fresh(name, now_s)
            ),
        )  # fmt: skip

    def _promise_self(self, seat: str, epoch: int, now_s: float) -> None:
        may = now_s >= self._quiet_until_s
        if may and self._may_promise(seat, self.own, self.stream, epoch, now_s):
            self._epochs[seat] = max(self._epochs.get(seat, 0), epoch)
            until_s = now_s + self.lease_s
            self._promises[seat] = Promise(self.own, self.stream, epoch, self._round, until_s)
            self._granted.setdefault(seat, {})[self.own] = self._round

    def _choose(self, now_s: float) -> None:
        """Which seats to claim: the own one, and those of silent members where we come first."""
        if self.own not in self.members or self.sees != self.plan:
            for seat in list(self.claims):
                self._drop(seat)
            return
        here = [each for each in self.members if each == self.own or self._is_fresh(each, now_s)]
        for seat in self.members:
            held = self.holds(seat, now_s)
            other = self.holder(seat, now_s)
            wants = seat == self.own or (
                seat not in here
                and (held or (not other and self._first(seat.encode(), here) == self.own))
            )
            if not wants:
                if seat in self.claims:
                    self._drop(seat)
                continue
            known = self._epochs.get(seat, 0)
            if seat not in self.claims or (not held and self.claims[seat] < known):
                self._drop(seat)
                self.claims[seat] = max(known + 1, self.stamp_ms())


def weight(key: bytes, member: str) -> bytes:
    """The member with the greatest has the key: who joins or leaves moves its own share only."""
    return hashlib.sha256(key + b"\0" + member.encode()).digest()
