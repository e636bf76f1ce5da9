"""Who belongs to the mesh: a map that every member has, last writer wins, on the `crdts` package.

Three things are known of a member, each a register of its own, so that none can undo another:

    <member id>.who    what it says of itself: name, address, whom it follows, slot, since when
    <member id>.join   that a member took it in, and where it was seen to listen
    <member id>.end    that it has left or was expelled; nothing revives this member id

A change is a `MESH.MEMBER` frame in the stream of who makes it, written under that frame's stamp
and stream: so every node knows the membership behind its cut, and of two writers the later one
wins, everywhere alike. The map travels with snapshots and stands in the RDB's head.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from crdts import LWWMap, StateUpdate

MEMBER: Final = b"MESH.MEMBER"
WHO: Final = b".who"
JOIN: Final = b".join"
END: Final = b".end"
LEFT: Final = "left"
EXPELLED: Final = "expelled"
JOINED: Final = "joined"
# Slots are twelve bits of the sequence of a stream's entry ids (semantics.md 4.8).
SLOTS: Final = 4096
# Longest value and most registers of one frame that are taken from a peer.
VALUE_BYTES_MOST: Final = 65_536
REGISTERS_MOST: Final = 4096
ID_BYTES_MOST: Final = 64
CLOCK: Final = b"plexis-membership"

Change = tuple[bytes, dict[str, object]]
Row = tuple[bytes, int, bytes, bytes]  # register, stamp, stream, value


class MembershipError(Exception):
    """A peer sent what no change of the membership is, or an order cannot be followed."""


class StampClock:
    """The clock of the map: our 64-bit stamps, which each change brings with it."""

    def __init__(self) -> None:
        self.uuid = CLOCK
        self.default_ts = 0
        self.last = 0

    def read(self) -> int:
        """The highest stamp seen."""
        return self.last

    def update(self, data: int) -> int:
        """A change with this stamp was taken in."""
        self.last = max(self.last, data)
        return self.last

    @staticmethod
    def is_later(ts1: int, ts2: int) -> bool:
        """Is the first stamp above the second?"""
        return ts1 > ts2

    @staticmethod
    def are_concurrent(ts1: int, ts2: int) -> bool:
        """Are they one stamp? Then the streams' uuids decide, as for all writes."""
        return ts1 == ts2

    @staticmethod
    def compare(ts1: int, ts2: int) -> int:
        """1, 0 or -1."""
        return (ts1 > ts2) - (ts1 < ts2)

    def pack(self) -> bytes:
        """The clock as bytes; the map itself is packed by its rows."""
        return self.last.to_bytes(8, "big")

    @classmethod
    def unpack(cls, data: bytes, inject: object = None) -> StampClock:
        """The reverse of pack."""
        clock = cls()
        clock.last = int.from_bytes(data, "big")
        return clock


@dataclass(frozen=True, slots=True)
class Departure:
    """How the streams of a member that has left or was expelled are closed (mesh/departures.py)."""

    closer: bytes  # the member that says where they end
    ops: dict[bytes, int]  # what every member must have seen before that: stream and stamp
    closed: bool  # it has said so
    left_in: bytes = b""  # a leaver's last stream, which ends with the frame that said so
    left_at: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One member, as far as the map knows it. `state` is joined, left or expelled."""

    member_id: bytes
    state: str = JOINED
    name: str = ""
    host: str = ""
    port: int = 0
    since: int = 0
    claim: int = 0
    links: tuple[bytes, ...] = ()
    why: str = ""
    by: str = ""
    full: bool = False  # it is linked with every member
    by_dots: bool = False  # it came with a state that became one with the mesh's
    owners: str = ""  # the name of its mesh-owner, "" for none (mesh/ownership.py)
    announced: bool = False  # the address is the member's own word, not where it was seen

    @property
    def address(self) -> str:
        """host:port, "" where it is not known."""
        return f"{self.host}:{self.port}" if self.host and self.port else ""


class Membership:
    """The map, and what follows from it. `departed`, then `changed` are called after each
    change."""

    def __init__(self, own: bytes) -> None:
        self.own = own
        self.changed: Callable[[], None] = nothing
        self.departed: Callable[[], None] = nothing  # told before `changed`
        self.changes = 0  # how often it has changed
        self._map = LWWMap(clock=StampClock())
        self._entries: dict[bytes, Entry] = {}
        self._slots: dict[bytes, int] = {}
        self._endings: dict[bytes, dict[str, object]] = {}

    # --- changes --------------------------------------------------------------------------------

    def apply(self, words: list[bytes], stamp: int, stream: bytes) -> None:
        """Takes in what follows MESH.MEMBER: register, value, register, value ... of one frame.

        MembershipError, and nothing is changed, where it is malformed.
        """
        if not words or len(words) % 2 or len(words) > 2 * REGISTERS_MOST:
            raise MembershipError("MESH.MEMBER names registers and values in pairs")
        pairs = list(zip(words[::2], words[1::2], strict=True))
        for name, value in pairs:
            check_register(name, value)
        for name, value in pairs:
            self._write(name, value, stamp, stream)
        self._refresh()

    def rows(self) -> list[list[object]]:
        """The whole map, for snapshots: register, stamp, stream, value."""
        return [
            [name.decode(), register.last_update, register.last_writer.hex(),
             register.value.decode()]
            for name, register in sorted(self._map.registers.items())
        ]  # fmt: skip

    def join(self, rows: Iterable[Row]) -> None:
        """Takes in a snapshot's map."""
        for name, stamp, stream, value in rows:
            self._write(name, value, stamp, stream)
        self._refresh()

    def put_aside(self, stays: Callable[[bytes, int], bool]) -> dict[bytes, dict[str, object]]:
        """Only changes of which `stays` (stream, stamp) is true were made: the others are void,
        since their frames will never come to anybody. Returns the ends of members that were."""
        rows = self.rows()
        gone = [row for row in rows_of(rows) if not stays(row[2], row[1])]
        ends = {
            row[0].removesuffix(END): self._endings[row[0].removesuffix(END)]
            for row in gone if row[0].endswith(END)
        }  # fmt: skip
        if gone:
            clock = self._map.clock
            self._map = LWWMap(clock=clock)
            self.join(row for row in rows_of(rows) if stays(row[2], row[1]))
        return ends

    def _write(self, name: bytes, value: bytes, stamp: int, stream: bytes) -> None:
        self._map.update(StateUpdate(CLOCK, stamp, ("o", name, stream, value)))

    def _refresh(self) -> None:
        known: dict[bytes, dict[bytes, dict[str, object]]] = {}
        stamps: dict[bytes, int] = {}
        for name, register in self._map.registers.items():
            member, dot, kind = name.rpartition(b".")
            known.setdefault(member, {})[dot + kind] = json.loads(register.value)
            stamps[member] = min(stamps.get(member, register.last_update), register.last_update)
        self._entries = {
            member: entry_of(member, parts, stamps[member]) for member, parts in known.items()
        }
        self._slots = slots_of(self._entries.values())
        self._endings = {
            member: parts[END] for member, parts in known.items() if END in parts
        }
        self.changes += 1
        self.departed()
        self.changed()

    # --- questions ------------------------------------------------------------------------------

    def entries(self) -> list[Entry]:
        """All that were ever known, joined ones first, the older before the younger."""
        return sorted(
            self._entries.values(), key=lambda each: (each.state != JOINED, each.since,
                                                      each.member_id)
        )  # fmt: skip

    def entry(self, member_id: bytes) -> Entry | None:
        """What is known of a member."""
        return self._entries.get(member_id)

    def ids(self) -> frozenset[bytes]:
        """The members whose reports count for stability: those who joined and did not end."""
        found = {name for name, each in self._entries.items() if each.state == JOINED}
        own = self._entries.get(self.own)
        if own is None:
            found.add(self.own)
        return frozenset(found)

    def departures(self) -> dict[bytes, Departure]:
        """Those who have left or were expelled, and who closes their streams.

        It is who expelled them, or whoever closes that one's streams. Where that leads nowhere, as
        with a member that has left by itself, it is the member with the smallest id.
        """
        found: dict[bytes, Departure] = {}
        for member, fields in self._endings.items():
            ops: dict[bytes, int] = {}
            at = member
            while at in self._endings:
                register = self._map.registers[at + END]
                if register.last_writer in ops:
                    break
                ops[register.last_writer] = register.last_update
                by = text(self._endings[at], "by").encode()
                if by == at:
                    break
                at = by
            if at in self._endings:
                at = min(self.ids(), default=self.own)
            own = self._map.registers[member + END]
            has_left = fields.get("state") == LEFT and not fields.get("closed")
            found[member] = Departure(
                at, ops, bool(fields.get("closed")),
                own.last_writer if has_left else b"", own.last_update if has_left else 0,
            )  # fmt: skip
        return found

    def has(self, register: bytes) -> bool:
        """Was this register ever written?"""
        return register in self._map.registers

    def closed(self, member_id: bytes) -> Change:
        """The change that says: this departed member's streams are ended."""
        return member_id + END, {**self._endings[member_id], "closed": True}

    def is_said_behind(self, member_id: bytes, cut: dict[bytes, int]) -> bool:
        """Does this stable cut cover what the member last said of itself?"""
        register = self._map.registers.get(member_id + WHO)
        return register is not None and register.last_update <= cut.get(register.last_writer, 0)

    def slot(self, member_id: bytes) -> int:
        """Its place in stream ids, 0 to 4095; -1 where it is not known (yet)."""
        return self._slots.get(member_id, -1)

    def refusal(self, member_id: bytes) -> str:
        """Why this member may not be linked with; "" where it may."""
        entry = self._entries.get(member_id)
        if entry is None or entry.state == JOINED:
            return ""
        what = f"was expelled ({entry.why})" if entry.state == EXPELLED else "has left"
        name = member_id.decode(errors="replace")
        if entry.name:
            name = f"{entry.name} ({name[:8]})"
        return (
            f"member {name} {what}: to come back, run MESH REJOIN on it and restart it: it joins as"
            " a new member"
        )

    def find(self, text: bytes) -> Entry:
        """A member by its id, the beginning of its id, its name or its address.

        MembershipError where none is called so, or more than one.
        """
        word = text.decode(errors="replace")
        found = [
            each for each in self._entries.values()
            if each.state == JOINED
            and (word in (each.name, each.address) or each.member_id == text)
        ]  # fmt: skip
        if not found and len(text) >= 4:
            found = [
                each for each in self._entries.values()
                if each.state == JOINED and each.member_id.startswith(text)
            ]
        if len(found) != 1:
            kind = "more than one member is" if found else "no member is"
            raise MembershipError(f"{kind} called {word}: MESH PEERS lists them")
        return found[0]

    def predecessors(self, member_id: bytes, host: str, port: int) -> list[Entry]:
        """Members at this address beside the one that is there now."""
        return [
            each for each in self._entries.values()
            if each.state == JOINED and each.member_id not in (member_id, self.own)
            and host and port and (each.host, each.port) == (host, port)
        ]  # fmt: skip

    def words(self, changes: list[Change]) -> list[bytes]:
        """Changes as the words of a MESH.MEMBER command."""
        out = [MEMBER]
        for name, value in changes:
            out += [name, json.dumps(value, separators=(",", ":"), sort_keys=True).encode()]
        return out


def nothing() -> None:
    """Nobody has to be told."""


def rows_of(rows: Iterable[list[object]]) -> list[Row]:
    """What `Membership.rows` wrote, checked. ValueError where it is damaged."""
    found: list[Row] = []
    for name, stamp, stream, value in rows:
        if not isinstance(stamp, int):
            raise ValueError("a row of the membership has no stamp")
        row = (str(name).encode(), stamp, bytes.fromhex(str(stream)), str(value).encode())
        try:
            check_register(row[0], row[3])
        except MembershipError as error:
            raise ValueError(str(error)) from error
        found.append(row)
    return found


def check_register(name: bytes, value: bytes) -> None:
    """MembershipError where these are no register and value of the map."""
    member, dot, kind = name.rpartition(b".")
    if not 0 < len(member) <= ID_BYTES_MOST or dot + kind not in (WHO, JOIN, END):
        raise MembershipError(f"the membership has no register {name[:80]!r}")
    if len(value) > VALUE_BYTES_MOST:
        raise MembershipError(f"a value of {len(value)} bytes in the membership")
    try:
        name.decode("ascii")
        fields = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise MembershipError(f"a value of the membership is no JSON: {error}") from error
    if not isinstance(fields, dict):
        raise MembershipError("a value of the membership is no JSON object")


def entry_of(member: bytes, parts: dict[bytes, dict[str, object]], first: int) -> Entry:
    """What the registers of one member say together. Fields of a wrong type count as missing."""
    who = parts.get(WHO, {})
    end = parts.get(END)
    announced = bool(text(who, "host")) and number(who, "port") > 0
    place = who if announced else parts.get(JOIN, {})
    links = who.get("links")
    state = JOINED
    if end is not None:
        state = LEFT if end.get("state") == LEFT else EXPELLED
    return Entry(
        member, state, text(who, "name"), text(place, "host"), number(place, "port"),
        number(who, "since") or first, number(who, "slot"),
        tuple(each.encode() for each in links if isinstance(each, str))
        if isinstance(links, list) else (),
        text(end or {}, "why"), text(end or {}, "by"), bool(who.get("full")),
        bool(parts.get(JOIN, {}).get("dots")), text(who, "owners"), announced,
    )  # fmt: skip


def expulsion(member: bytes, by: bytes, address: str) -> Change:
    """A member is expelled since another one has its address."""
    why = f"{address} is another member now"
    return member + END, {"state": EXPELLED, "by": by.decode(), "why": why}


def text(fields: dict[str, object], name: str) -> str:
    """A text of a JSON object, "" where there is none."""
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def number(fields: dict[str, object], name: str) -> int:
    """A whole number of a JSON object, 0 where there is none."""
    value = fields.get(name)
    return value if isinstance(value, int) else 0


def slots_of(entries: Iterable[Entry]) -> dict[bytes, int]:
    """A slot for each member: its claim, unless an older one has it; else the lowest that is free.

    Those of ended members are given again only when no other is left: their ids may still stand in
    streams.
    """
    every = sorted(entries, key=by_age)
    joined = [each for each in every if each.state == JOINED]
    taken = {each.claim for each in every if each.state != JOINED and 0 < each.claim < SLOTS}
    if len(joined) + len(taken) > SLOTS - 1:
        taken.clear()
    slots: dict[bytes, int] = {}
    late: list[Entry] = []
    for each in joined:
        if 0 < each.claim < SLOTS and each.claim not in taken:
            slots[each.member_id] = each.claim
            taken.add(each.claim)
        else:
            late.append(each)
    free = (slot for slot in range(1, SLOTS) if slot not in taken)
    for each in late:
        slot = next(free, -1)
        slots[each.member_id] = slot
    return slots


def by_age(entry: Entry) -> tuple[int, bytes]:
    """The older first."""
    return entry.since, entry.member_id
