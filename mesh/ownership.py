"""Ownership: which node pops, and takes locks, of keys that `mesh-owner` names.

    node   a member that is named: it alone, always; where it is away nobody does
    hash   each key has a member by its name; whose lease ends has a stand-in (mesh/leases.py)

All members must have said the same `mesh-owner` of themselves, in the membership: as long as one
has another, nobody acts. So a change travels behind what was done under the rules before it, and of
two nodes with different rules none does what the other may do as well (docs/decisions/0030).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from mesh.dots import Stream
from mesh.lease_words import LEASE, LeaseError, unpack
from mesh.leases import Leases
from mesh.membership import JOINED, Entry, MembershipError
from mesh.rreplay import FrameError
from mesh.vectors import Vector
from node.gates import HAS_OWNERS
from node.ports import Client, Owners
from node.resp.replies import Failure
from node.session import Session
from node.store.glob import matches

if TYPE_CHECKING:
    from mesh.member import Member

HASH: Final = "hash"
FORWARD: Final = "forward"
REFUSE: Final = "refuse"
AT_LEAST_ONCE: Final = "at-least-once"
# A lease has to outlast some heartbeats, or every late one would end it.
BEATS_LEAST: Final = 5
HERE: Final = ""  # the reason why this node may act

# Asks the member to run a command for a client; the parked client, or why it cannot be asked.
Forward = Callable[[Session, bytes, list[bytes]], object]


class Asked:
    """The `link` of a session whose command comes from another member: it is not passed on."""


class OwnerRules:
    """The rows of `mesh-owner`; of those that name a key the last counts."""

    def __init__(self, rows: Sequence[Sequence[str]], lease_ms: int) -> None:
        self.rows = [(row[0].encode("utf-8", "surrogateescape"), row[1]) for row in rows]
        self.has_hash = any(owner == HASH for _, owner in self.rows)
        # What a member says of itself, so that all can tell whether they have the same.
        words = json.dumps([lease_ms, [list(row) for row in rows]])
        self.name = hashlib.sha256(words.encode()).hexdigest()[:16] if self.rows else ""

    def owner(self, key: bytes) -> str:
        """Who owns the key, as it was written; "" where nobody does."""
        for pattern, owner in reversed(self.rows):
            if matches(pattern, key):
                return owner
        return ""


class Ownership(Owners):
    """One node's view; its Member tells it what it hears, and asks it once a heartbeat."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.clock_s: Callable[[], float] = no_clock
        self.forward: Forward | None = None
        self.refused = 0
        self.asked = 0
        self.ran_here = 0  # by at-least-once, though another owns the key
        self.rules = OwnerRules([], 0)
        self.leases = self._new_leases()
        self._agreed_at = -1
        self._disagrees = ""

    def configure(self) -> None:
        """mesh-owner or its lease has a value: nothing is done by it before it was said."""
        config = self.member.config
        rules = OwnerRules(config.rows("mesh-owner"), config.number("mesh-owner-lease-ms"))
        engine = self.member.engine
        engine.owners = self
        if rules.name:
            engine.closed |= HAS_OWNERS
        else:
            engine.closed &= ~HAS_OWNERS
        if rules.name != self.rules.name:
            if self._lease_s() != self.leases.lease_s:
                self.leases = self._new_leases()
            self.rules = rules
            self._agreed_at = -1

    def _lease_s(self) -> float:
        return self.member.config.number("mesh-owner-lease-ms") / 1000.0

    def _new_leases(self) -> Leases:
        member = self.member
        return Leases(
            member.member_id.decode(), member.streams.own.uuid.hex(), self._lease_s(),
            self._covers, lambda: int(member.engine.clock.last) >> 20,
        )  # fmt: skip

    def begin_anew(self) -> None:
        """The own stream is another one: what was claimed and promised in the former is void, as
        after a restart."""
        self.leases = self._new_leases()

    def _covers(self, vector: Vector) -> bool:
        streams = self.member.streams
        return not any(streams.of(uuid).lacks(stamp) for uuid, stamp in vector.items())

    # --- heartbeats -----------------------------------------------------------------------------

    def beat(self) -> bool:
        """Once a heartbeat: says what there is to say of leases. False: nothing."""
        if not self.rules.name:
            return False
        ids = [each.decode() for each in self.member.membership.ids()]
        self.leases.know(ids, self.rules.name)
        words = self.leases.beat(self.clock_s())
        self.member.say([LEASE, words.pack()])
        return True

    def hear(self, stream: Stream, words: bytes) -> None:
        """A member's MESH.LEASE. FrameError where it cannot be read."""
        try:
            said = unpack(words)
        except LeaseError as error:
            raise FrameError(str(error)) from error
        if not self.member.started or not self.rules.name or not stream.member:
            return
        row = self.member.streams.row_marks(stream)
        name = stream.member.decode(errors="replace")
        self.leases.hear(name, stream.uuid.hex(), said, row, self.clock_s())

    # --- who owns -------------------------------------------------------------------------------

    def place(self, keys: list[bytes]) -> tuple[bytes, str]:
        """Who may act on these keys together: a member, b"" for nobody, and why this node may not;
        HERE where it may."""
        owners: dict[str, bytes] = {}
        for key in keys:
            owner = self.rules.owner(key)
            if owner == HASH:
                owners[f"{HASH} {self.leases.seat_of(key)}"] = key
            elif owner:
                owners[owner] = key
        if not owners:
            return self.member.member_id, HERE
        reason = self._fault()
        if reason:
            return b"", reason
        places = [self._place(owner) for owner in owners]
        if any(place[0] != places[0][0] for place in places):
            return b"", "its keys have different owners"
        faults = [reason for _, reason in places if reason]
        return places[0][0], faults[0] if faults else HERE

    def _place(self, owner: str) -> tuple[bytes, str]:
        own = self.member.member_id
        now_s = self.clock_s()
        if owner.startswith(f"{HASH} "):
            seat = owner[len(HASH) + 1 :]
            if not seat:
                return b"", "members have not agreed who they are yet"
            if self.leases.holds(seat, now_s):
                return own, HERE
            holder = self.leases.holder(seat, now_s).encode()
            return holder, "it has the lease" if holder else "nobody has the lease now"
        try:
            entry = self.member.membership.find(owner.encode("utf-8", "surrogateescape"))
        except MembershipError as error:
            return b"", str(error)
        if entry.member_id != own:
            return entry.member_id, "mesh-owner names it"
        if not self.leases.caught_up(now_s):
            return b"", "its owner has just begun and asks the others what it has done before"
        return own, HERE

    def _fault(self) -> str:
        """Why nobody may act by what this node knows; "" where somebody may."""
        member = self.member
        if member.void:
            return "this node's data are to be replaced by the mesh's"
        if self._lease_s() * 1000.0 < BEATS_LEAST * member.config.number("mesh-heartbeat-ms"):
            return "mesh-owner-lease-ms is less than five times mesh-heartbeat-ms"
        membership = member.membership
        if self._agreed_at != membership.changes:
            self._agreed_at = membership.changes
            joined = [each for each in membership.entries() if each.state == JOINED]
            others = [called(each) for each in joined if each.owners != self.rules.name]
            self._disagrees = ""
            if others:
                self._disagrees = "with another mesh-owner, or none yet: " + ", ".join(others[:5])
            elif not any(each.member_id == member.member_id for each in joined):
                self._disagrees = "this node is no member"
        return self._disagrees

    # --- the node's side ------------------------------------------------------------------------

    def elsewhere(self, client: Client, args: list[bytes], keys: list[bytes]) -> object:
        if not self._counts():
            return None
        owner, reason = self.place(keys)
        if reason == HERE:
            return None
        policy = self.member.config.text("mesh-owner-policy")
        assert isinstance(client, Session)
        if isinstance(client.link, Asked):
            policy = REFUSE
        if policy != REFUSE and owner and owner != self.member.member_id:
            parked = None if self.forward is None else self.forward(client, owner, args)
            if isinstance(parked, str):
                reason = parked
            elif parked is not None:
                self.asked += 1
                return parked
        if policy == AT_LEAST_ONCE:
            self.ran_here += 1
            return None
        self.refused += 1
        return Failure(self._text(owner, reason))

    def refusal(self, keys: list[bytes]) -> bytes:
        if not self._counts():
            return b""
        owner, reason = self.place(keys)
        if reason == HERE:
            return b""
        if self.member.config.text("mesh-owner-policy") == AT_LEAST_ONCE:
            self.ran_here += 1
            return b""
        self.refused += 1
        return self._text(owner, reason)

    def _counts(self) -> bool:
        """A node alone owns everything."""
        return bool(self.rules.name) and self.member.resolver.active

    def _text(self, owner: bytes, reason: str) -> bytes:
        entry = self.member.membership.entry(owner) if owner else None
        where = "-" if entry is None or not entry.address else entry.address
        who = "nobody" if not owner else owner.decode() if entry is None else called(entry)
        return f"NOOWNER {where} {who} may do this now: {reason}".encode()

    def info(self) -> list[tuple[str, object]]:
        """INFO replication's fields."""
        if not self.rules.name:
            return []
        now_s = self.clock_s()
        leases = self.leases
        held = [seat for seat in list(leases.claims) if leases.holds(seat, now_s)]
        return [
            ("mesh_owner_ready", 0 if self._fault() else 1),
            ("mesh_owner_fault", self._fault() or "no"),
            ("mesh_owner_seats", len(held)),
            ("mesh_owner_leases_taken", leases.taken),
            ("mesh_owner_asked", self.asked),
            ("mesh_owner_refused", self.refused),
            ("mesh_owner_ran_here", self.ran_here),
        ]


def called(entry: Entry) -> str:
    """A member's name, or its id where it has none."""
    return entry.name or entry.member_id.decode(errors="replace")


def no_clock() -> float:
    """Without a clock time stands still: no lease is ever granted."""
    return 0.0
