"""MESH EXPLAIN: everything that this node remembers of one key, and why it shows what it shows.

Reads the key's entry as a rule would (mesh/merge/opening.py) and changes nothing. What is long is
cut: LISTED_MAX dots or places of a kind are told, and how many there are. A dot that is forgotten
because every member has it is `stable`.
"""

from __future__ import annotations

from typing import Final

from mesh.conflicts import Conflict, Conflicts, Side
from mesh.dots import Streams
from mesh.explain_places import contested_places, told_place
from mesh.merge.increments import Increment
from mesh.merge.noted import SLOT_NAMES, type_claims
from mesh.merge.opening import open_state
from mesh.merge.rule import Memory
from mesh.merge.slots import HASH_SLOT, OPAQUE_SLOTS, SET_SLOT, STRING_SLOT
from mesh.merge.state import SET_RIVALS, KeyState, newest_claim, newest_of
from mesh.removals import FIELD, KEY, MEMBER, SPAN, TTL, TYPE, Pending
from node.resp.replies import Boolean, Double, Map
from node.store.entry import Claim, Entry, Patch, Register
from node.store.keyspace import Database
from node.store.values.value import Value

LISTED_MAX: Final = 100
SCOPE_NAMES: Final = {
    KEY: "key", TYPE: "type", TTL: "deadline", MEMBER: "member", FIELD: "field", SPAN: "span",
}  # fmt: skip

NOTHING: Final = "nothing is known of this key here"
DELETED: Final = "deleted: the newest write of the string is a DEL"
EMPTY: Final = "nothing is left of the type that was claimed last"
EXPIRED: Final = "its deadline has passed; kept until no later deadline can be on its way"
ONLY: Final = "one write, which had seen all others"
NEWEST: Final = "the highest stamp of {count} writes that had not seen one another"
COUNTED: Final = "{base} and {count} increments, each of which counts"
PATCHED: Final = "{base} and {count} patches (APPEND, SETRANGE, SETBIT ...) in order of stamps"
PLACES: Final = "each place on its own: what was added stays until a removal that had seen it"
TYPES: Final = "the newest of {count} type claims; hidden: {hidden}"
STABLE: Final = "every member has it; nothing is remembered"


def pairs(fields: dict[str, object]) -> Map:
    """A map reply."""
    items: list[object] = []
    for name, value in fields.items():
        items += [name.encode(), value.encode() if isinstance(value, str) else value]
    return Map(items)


class Explainer:
    """Tells of keys; one object per question."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.streams: Streams = memory.streams

    def explain(self, db: Database, key: bytes, place: bytes | None) -> Map:
        """All about one key, and of its places about `place` alone where one is named."""
        if db.merging is not None:
            db.merging.touch(db, key)
        entry = db.keys.get(key)
        hidden = entry is None
        if entry is None:
            entry = db.hidden.get(key)
        fields: dict[str, object] = {"db": int(db.number), "key": key}
        if entry is None:
            fields |= {"type": "none", "shown": Boolean(False), "why": NOTHING}
        else:
            fields |= self._known(db, key, entry, hidden, place)
        waiting = self.memory.removals.waiting(db.number, key)
        if waiting:
            fields["removals-waiting"] = [self._pending(each) for each in waiting[:LISTED_MAX]]
        conflicts = self.memory.conflicts
        last = [each for each in conflicts.last if each.key == key and each.db == db.number]
        if last:
            fields["conflicts"] = [
                conflict_map(each, conflicts, self.streams) for each in reversed(last[-LISTED_MAX:])
            ]
        return pairs(fields)

    # --- the key --------------------------------------------------------------------------------

    def _known(
        self, db: Database, key: bytes, entry: Entry, hidden: bool, place: bytes | None
    ) -> dict[str, object]:
        memory = self.memory
        state = open_state(entry, db.number, key, False, memory.streams, memory.ledger)
        slot = state.visible_slot()
        expired = 0 < entry.deadline < db.now.ms
        shown = not hidden and not expired
        fields: dict[str, object] = {
            "type": SLOT_NAMES[slot] if shown else "none",
            "shown": Boolean(shown),
            "why": self._why(state, slot, shown, expired),
        }
        claims = type_claims(state)
        if claims:
            fields["type-claims"] = self._claims(claims, SLOT_NAMES)
        if state.registers:
            newest = newest_of(state.registers, self.streams)
            fields["registers"] = [
                self._register(each, each is newest and slot == STRING_SLOT)
                for each in by_newest(state.registers, self.streams)[:LISTED_MAX]
            ]
        if state.increments:
            fields["increments"] = self._increments(state.increments)
        if state.patches:
            fields["patches"] = pairs({
                "count": len(state.patches),
                "last": [
                    pairs(self._dot(each)) for each in reversed(state.patches[-LISTED_MAX:])
                ],
            })  # fmt: skip
        fields["deadline-ms"] = int(entry.deadline) if entry.deadline else None
        if state.ttls:
            fields["deadline-claims"] = [
                pairs({"deadline-ms": int(each.number) or None, **self._dot(each)})
                for each in state.ttls[:LISTED_MAX]
            ]
        slots = self._slots(state, slot if shown else -1)
        if slots:
            fields["values"] = slots
        if place is not None:
            fields["place"] = self._place(state, place)
        else:
            contested = [self._rivals(state, name) for name in list(state.rivals)[:LISTED_MAX]]
            for value in state.opaque.values():
                contested += contested_places(
                    value, LISTED_MAX, self.streams, self._register, pairs
                )
            if contested:
                fields["contested"] = contested
        return fields

    def _why(self, state: KeyState, slot: int, shown: bool, expired: bool) -> str:
        """Which rule made the visible value win, in words."""
        if expired:
            return EXPIRED
        if not shown:
            deleted = slot == STRING_SLOT and len(state.registers) > 0
            return DELETED if deleted else EMPTY
        kinds = {int(each.number) for each in type_claims(state)} | held_slots(state)
        reason = ""
        if len(kinds) > 1:
            others = ", ".join(SLOT_NAMES[each] for each in sorted(kinds - {slot}))
            reason = TYPES.format(count=len(type_claims(state)), hidden=others) + "; "
        if slot != STRING_SLOT:
            return reason + PLACES
        count = len(state.registers)
        value = NEWEST.format(count=count) if count > 1 else ONLY
        if state.increments:
            base = "nothing before it" if count == 0 else value
            value = COUNTED.format(base=base, count=len(state.increments))
        if state.patches:
            base = "nothing before them" if count == 0 else value
            value = PATCHED.format(base=base, count=len(state.patches))
        elif count == 0 and not state.increments:
            value = STABLE
        return reason + value

    def _slots(self, state: KeyState, shown_slot: int) -> list[object]:
        """The collections under the key, those that another type hides as well."""
        found: list[object] = []
        for slot in (SET_SLOT, HASH_SLOT, *OPAQUE_SLOTS):
            value = state.value_of(slot)
            if isinstance(value, Value) and value.is_shown():
                found.append(pairs({
                    "type": SLOT_NAMES[slot],
                    "size": value.size(),
                    "shown": Boolean(slot == shown_slot),
                }))  # fmt: skip
        return found

    # --- places ---------------------------------------------------------------------------------

    def _place(self, state: KeyState, place: bytes) -> Map:
        """What is remembered of one member and one field of this name."""
        fields: dict[str, object] = {"name": place}
        dots = state.member_dots(place)
        if dots:
            newest = by_newest(dots, self.streams)
            fields["member"] = [self._register(each, True) for each in newest]
        field = state.field_state(place)
        if field.registers or field.increments:
            fields["field"] = [
                self._register(each, at == 0)
                for at, each in enumerate(by_newest(field.registers, self.streams))
            ]
            if field.increments:
                fields["increments"] = self._increments(field.increments)
        for value in state.opaque.values():
            fields |= told_place(value, place, self.streams, self._register, pairs)
        return pairs(fields)

    def _rivals(self, state: KeyState, name: bytes) -> object:
        """A place with more than one dot."""
        place = name[1:]
        if name.startswith(SET_RIVALS):
            kind, dots = "member", state.member_dots(place)
        else:
            kind, dots = "field", state.field_state(place).registers
        return pairs({
            "kind": kind, "name": self.memory.conflicts.cut(place),
            "dots": [
                self._register(each, at == 0)
                for at, each in enumerate(by_newest(dots, self.streams)[:LISTED_MAX])
            ],
        })  # fmt: skip

    # --- dots -----------------------------------------------------------------------------------

    def _dot(self, dot: Claim | Register | Increment | Patch) -> dict[str, object]:
        return dot_fields(int(dot.stamp), int(dot.origin), self.streams)

    def _claims(self, claims: list[Claim], names: tuple[str, ...]) -> list[object]:
        newest = newest_claim(claims, self.streams)
        return [
            pairs({"type": names[each.number], "wins": Boolean(each is newest), **self._dot(each)})
            for each in claims[:LISTED_MAX]
        ]

    def _register(self, register: Register, shown: bool) -> Map:
        value = self.memory.conflicts.cut(register.value)
        return pairs({"value": value, "shown": Boolean(shown), **self._dot(register)})

    def _increments(self, increments: list[Increment]) -> Map:
        listed = increments[-LISTED_MAX:]
        return pairs({
            "count": len(increments),
            "last": [
                pairs({
                    "by": int(each.delta) if each.decimal is None else each.decimal,
                    **self._dot(each),
                })
                for each in listed
            ],
        })  # fmt: skip

    def _pending(self, pending: Pending) -> Map:
        """A removal that waits for writes which it had seen and which are not here."""
        missing = [
            stream for stream in self.streams.all if pending.waits_for(stream) != 0
        ]
        return pairs({
            **dot_fields(int(pending.stamp), int(pending.origin), self.streams),
            "clears": [SCOPE_NAMES.get(kind, "place").encode() for kind, _ in pending.scopes[:10]],
            "waits-for": [each.member or each.text for each in missing],
        })  # fmt: skip


def by_newest(registers: list[Register], streams: Streams) -> list[Register]:
    """The newest first: by stamp, then by the stream's uuid."""
    return sorted(
        registers,
        key=lambda each: (int(each.stamp), streams.all[each.origin].uuid),
        reverse=True,
    )


def held_slots(state: KeyState) -> set[int]:
    """The types of which there is something under the key."""
    found = {
        slot
        for slot in (SET_SLOT, HASH_SLOT, *OPAQUE_SLOTS)
        if (value := state.value_of(slot)) is not None and value.is_shown()
    }
    if state.increments or state.patches or any(each.value is not None for each in state.registers):
        found.add(STRING_SLOT)
    return found


def dot_fields(stamp: int, origin: int, streams: Streams) -> dict[str, object]:
    """A dot in words: its stamp, when that was by its writer's clock, and who wrote it."""
    if stamp == 0:
        return {"stamp": "stable", "at-ms": None, "member": None, "stream": None}
    stream = streams.all[origin]
    return {
        "stamp": b"%d" % stamp, "at-ms": stamp >> 20,
        "member": stream.member or None, "stream": stream.text,
    }  # fmt: skip


def side_map(side: Side, streams: Streams) -> Map:
    """One of two writes that met."""
    return pairs({"value": side.value, **dot_fields(int(side.stamp), int(side.origin), streams)})


def conflict_map(conflict: Conflict, conflicts: Conflicts, streams: Streams) -> Map:
    """A conflict as MESH CONFLICTS tells it."""
    known = conflict.winner.stamp != 0 and conflict.loser.stamp != 0
    return pairs({
        "id": conflict.number,
        "at-ms": int(conflict.at_ms),
        "kind": conflict.kind,
        "db": int(conflict.db),
        "key": conflict.key,
        "place": conflict.place or None,
        "rule": conflicts.rule_of(conflict.kind),
        "winner": side_map(conflict.winner, streams),
        "loser": side_map(conflict.loser, streams),
        "margin-ms": int(conflict.margin_ms()) if known else None,
        "skew-ms": Double(conflict.skew_ms) if conflict.measured else None,
        "by-skew": Boolean(conflict.by_skew()),
    })  # fmt: skip
