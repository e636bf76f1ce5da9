"""What the mesh remembers of a key, to bytes: for snapshots and RDB files. key_reader.py reads
them.  [compiled]

An AUX field beside the key's plain value, which other servers skip. Streams stand in it by number
in the writing process; the file's head names them. The order of a shown set is the file's: sorted
up to 512 members, else that of its names, which the set has again when it is read; a hash is in the
order of its fields, or by their names where some have deadlines, since the file has them in another
order then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, cast

from librt.strings import (
    BytesWriter,
    write_i32_le,
    write_i64_le,
)  # fmt: skip
from mypy_extensions import i32, i64, u8

from mesh.merge.increments import Increment
from mesh.merge.kinds.table import KINDS
from mesh.merge.opening import open_state
from mesh.merge.rule import Memory
from mesh.merge.slots import HASH_SLOT, OPAQUE_SLOTS, SET_SLOT, TIMED_SLOTS, ZSET_SLOT
from mesh.merge.state import FIELD_RIVALS, SET_RIVALS, FieldState, KeyState
from mesh.packing import put_dot, put_text
from node.persist.canon import payload_of
from node.persist.contents import SORTED_MAX, file_order
from node.store.entry import COUNTED, Claim, Dot, Entry, Field, Patch
from node.store.keyspace import ALL
from node.store.parking import parked_scores
from node.store.values.member_deadlines import MemberDeadlines
from node.store.values.strings import shown
from node.store.values.value import Value

FORMAT: Final = 1
# With what a key of strings, sets and hashes without hidden deadlines does not need.
FORMAT_OPAQUE: Final = 2
# As that, with strings that were written in place and what claims deadlines of places.
FORMAT_PATCHED: Final = 3
# What a patch carries.
NO_PAYLOAD: Final = 0
TEXT_PAYLOAD: Final = 1
WORDS_PAYLOAD: Final = 2
ABSENT_VALUE: Final = 0
OWN_VALUE: Final = 1
SHOWN_VALUE: Final = 2
NO_PLACES: Final = 0
SHOWN_PLACES: Final = 1
OWN_PLACES: Final = 2
SORTED_PLACES: Final = 3


class KeyBytes:
    """Everything remembered of a key, on its way to bytes; nobody may change the key meanwhile."""

    def __init__(self, memory: Memory, db: i64, key: bytes, entry: Entry) -> None:
        self.out = BytesWriter()
        self._state = open_state(entry, db, key, False, memory.streams, memory.ledger)
        self._value = entry.value

    def slices(self, places: i64) -> Iterator[None]:
        """Writes it, and yields after each so many members or fields.

        What the RDB record says as well is only referred to.
        """
        out, state, value = self.out, self._state, self._value
        opaque = [slot for slot in OPAQUE_SLOTS if is_kept(slot, state.opaque.get(slot))]
        deadlines = hidden_deadlines(state, value)
        timed = timed_values(state)
        patched = len(state.patches) > 0 or len(timed) > 0
        more = len(opaque) > 0 or len(deadlines) > 0 or patched
        form = FORMAT_OPAQUE if more else FORMAT
        out.append(u8(FORMAT_PATCHED if patched else form))
        put_registers(out, state, value)
        put_increments(out, state.increments)
        put_claims(out, state.claims)
        put_claims(out, state.ttls)
        for _ in put_set(out, state, value is state.set, places):
            yield None
        for _ in put_hash(out, state, value is state.hash, places):
            yield None
        if more:
            out.append(u8(len(opaque)))
            for slot in opaque:
                known = state.opaque[slot]
                put_opaque(out, slot, known, known is value)
                for _ in KINDS[slot].putting(out, known, places):
                    yield None
            write_i32_le(out, i32(len(deadlines)))
            for slot, place, deadline_ms in deadlines:
                out.append(u8(slot))
                put_text(out, place)
                write_i64_le(out, i64(deadline_ms))
        if patched:
            put_patches(out, state.patches)
            out.append(u8(len(timed)))
            for slot, held in timed:
                for _ in put_place_claims(out, state, slot, held, places):
                    yield None


def key_bytes(memory: Memory, db: i64, key: bytes, entry: Entry) -> bytes:
    """As KeyBytes, at once."""
    made = KeyBytes(memory, db, key, entry)
    for _ in made.slices(ALL):
        pass
    return made.out.getvalue()


def put_registers(out: BytesWriter, state: KeyState, value: object) -> None:
    """The registers of a string; a text that the record shows is not repeated."""
    text: bytes | None = None
    if not state.increments and not isinstance(value, Value):
        text = None if value is None else shown(value)
    write_i32_le(out, i32(len(state.registers)))
    for register in state.registers:
        put_dot(out, register.stamp, register.origin)
        held = register.value
        if held is None:
            out.append(ABSENT_VALUE)
        elif text is not None and shown(held) == text:
            out.append(SHOWN_VALUE)
        else:
            out.append(OWN_VALUE)
            put_text(out, shown(held))


def is_kept(slot: int, value: Value | None) -> bool:
    """Is there a value to write? One that was emptied is known by its claim."""
    return value is not None and KINDS[slot].remembers(value)


def hidden_deadlines(state: KeyState, shown_value: object) -> list[tuple[int, bytes, int]]:
    """Deadlines of members and fields that the record does not show: slot, place, ms."""
    found: list[tuple[int, bytes, int]] = []
    for slot in (HASH_SLOT, SET_SLOT):
        value = state.set if slot == SET_SLOT else state.hash
        if value is not None and value is not shown_value:
            found += [(slot, place, ms) for place, ms in value.deadline_items()]
    return found


def timed_values(state: KeyState) -> list[tuple[int, MemberDeadlines]]:
    """The values that remember who wrote their places' deadlines, by slot."""
    found: list[tuple[int, MemberDeadlines]] = []
    for slot in TIMED_SLOTS:
        value = state.container(slot)
        deadlines = None if value is None else value.deadlines
        if deadlines is not None and deadlines.remembers():
            found.append((slot, deadlines))
    return found


def put_place_claims(
    out: BytesWriter, state: KeyState, slot: int, held: MemberDeadlines, places: i64
) -> Iterator[None]:
    """A value's claims by place, and its places that are past their deadline."""
    out.append(u8(slot))
    write_i32_le(out, i32(len(held.claims)))
    done: i64 = 0
    for place, claims in held.claims.items():
        put_text(out, place)
        put_claims(out, claims)
        done += 1
        if done >= places:
            done = 0
            yield None
    if slot == ZSET_SLOT:
        for _ in put_parked_scores(out, held, places):
            yield None
        return
    write_i32_le(out, i32(len(held.parked)))
    for place, parked in held.parked.items():
        put_text(out, place)
        if slot == HASH_SLOT:
            put_field(out, state.field_of(place, parked))
        else:
            dot = cast("Dot | None", parked)
            put_dot(out, 0 if dot is None else dot.stamp, 0 if dot is None else dot.origin)
        done += 1
        if done >= places:
            done = 0
            yield None


def put_parked_scores(
    out: BytesWriter, held: MemberDeadlines, places: i64
) -> Iterator[None]:
    """A sorted set's members that are past their deadline, as a sorted set of their own."""
    write_i32_le(out, i32(1 if held.parked else 0))
    if held.parked:
        value = parked_scores(held)
        put_text(out, payload_of(value))
        yield from KINDS[ZSET_SLOT].putting(out, value, places)


def put_increments(out: BytesWriter, increments: list[Increment]) -> None:
    """Dots with deltas or exact decimals."""
    write_i32_le(out, i32(len(increments)))
    for each in increments:
        put_dot(out, each.stamp, each.origin)
        write_i64_le(out, each.delta)
        decimal = each.decimal
        put_text(out, b"" if decimal is None else decimal)


def put_patches(out: BytesWriter, patches: list[Patch]) -> None:
    """Dots with what was written, in order."""
    write_i32_le(out, i32(len(patches)))
    for each in patches:
        put_dot(out, each.stamp, each.origin)
        write_i32_le(out, i32(each.index))
        out.append(u8(each.op))
        write_i64_le(out, each.number)
        value = each.value
        if isinstance(value, bytes):
            out.append(TEXT_PAYLOAD)
            put_text(out, value)
        elif isinstance(value, list):
            out.append(WORDS_PAYLOAD)
            write_i32_le(out, i32(len(value)))
            for word in value:
                put_text(out, word)
        else:
            out.append(NO_PAYLOAD)


def put_claims(out: BytesWriter, claims: list[Claim]) -> None:
    """Dots with a slot or a deadline."""
    write_i32_le(out, i32(len(claims)))
    for each in claims:
        put_dot(out, each.stamp, each.origin)
        write_i64_le(out, each.number)


def put_set(
    out: BytesWriter, state: KeyState, is_shown: bool, places: i64
) -> Iterator[None]:
    """The members' dots: in runs where the file shows the set, with the members where it does
    not."""
    value = state.set
    if value is None or value.size() == 0:
        out.append(NO_PLACES)
    else:
        out.append(u8(SHOWN_PLACES if is_shown else OWN_PLACES))
        write_i32_le(out, i32(value.size()))
        runs = Runs()
        done: i64 = 0
        for chunk in value.chunks():
            slots = list(chunk.values())
            if not is_shown:
                put_members(out, list(chunk), slots)
            elif value.size() <= SORTED_MAX:
                runs.put(out, [value.dot_of(member) for member in file_order(value)])
            else:  # the file's order is that of the dicts
                runs.put(out, slots)
            done += len(slots)
            if done >= places:
                done = 0
                yield None
        runs.end(out)
    rivals = [name for name in state.rivals if name.startswith(SET_RIVALS)]
    write_i32_le(out, i32(len(rivals)))
    for name in rivals:
        put_text(out, name[1:])
        registers = state.rivals[name].registers
        write_i32_le(out, i32(len(registers)))
        for each in registers:
            put_dot(out, each.stamp, each.origin)


def put_members(out: BytesWriter, members: list[bytes], slots: list[object]) -> None:
    """Members with their dots."""
    for number, member in enumerate(members):
        dot = cast("Dot | None", slots[number])
        put_text(out, member)
        put_dot(out, 0 if dot is None else dot.stamp, 0 if dot is None else dot.origin)


class Runs:
    """Members that follow each other with one dot are one run: (how many, dot)."""

    def __init__(self) -> None:
        self.count: i64 = 0
        self.stamp: i64 = 0
        self.origin: i64 = 0

    def put(self, out: BytesWriter, slots: Sequence[object]) -> None:
        """The dots of the next members."""
        last: object = self
        for slot in slots:
            if slot is last:
                self.count += 1
                continue
            last = slot
            dot = cast("Dot | None", slot)
            stamp: i64 = 0 if dot is None else dot.stamp
            origin: i64 = 0 if dot is None else dot.origin
            if stamp != self.stamp or origin != self.origin:
                self.end(out)
                self.stamp = stamp
                self.origin = origin
            self.count += 1

    def end(self, out: BytesWriter) -> None:
        """The run ends here."""
        if self.count != 0:
            write_i32_le(out, i32(self.count))
            put_dot(out, self.stamp, self.origin)
            self.count = 0


def put_opaque(out: BytesWriter, slot: int, value: Value, is_shown: bool) -> None:
    """A list, sorted set or stream: as the record shows it, or as DUMP; what its kind remembers
    follows."""
    out.append(u8(slot))
    if not value.is_shown():
        out.append(NO_PLACES)  # nothing is in it, but something is remembered
    elif is_shown:
        out.append(SHOWN_PLACES)
    else:
        out.append(OWN_PLACES)
        put_text(out, payload_of(value))


def put_hash(
    out: BytesWriter, state: KeyState, is_shown: bool, places: i64
) -> Iterator[None]:
    """The fields' dots; a contested, counted or hidden field is spelled out."""
    value = state.hash
    if value is None or value.size() == 0:
        out.append(NO_PLACES)
        return
    if is_shown and value.has_deadlines():
        out.append(SORTED_PLACES)
        write_i32_le(out, i32(value.size()))
        fields: list[tuple[bytes, object]] = []
        for chunk in value.chunks():
            fields += chunk.items()
        fields.sort(key=first_of)
        put_fields(out, state, fields, True)
        return
    out.append(u8(SHOWN_PLACES if is_shown else OWN_PLACES))
    write_i32_le(out, i32(value.size()))
    done: i64 = 0
    for chunk in value.chunks():
        put_fields(out, state, list(chunk.items()), is_shown)
        done += len(chunk)
        if done >= places:
            done = 0
            yield None


def put_fields(
    out: BytesWriter, state: KeyState, fields: list[tuple[bytes, object]], is_shown: bool
) -> None:
    """Fields in the order of the file."""
    contested = len(state.rivals) > 0
    for field, slot in fields:
        if not is_shown:
            put_text(out, field)
        elif isinstance(slot, Field):
            if not slot.flags & COUNTED and not (
                contested and FIELD_RIVALS + field in state.rivals
            ):
                out.append(0)
                put_dot(out, slot.stamp, i64(slot.origin))
                continue
            out.append(1)
        else:
            out.append(0)
            put_dot(out, 0, 0)
            continue
        put_field(out, state.field_state(field))


def first_of(pair: tuple[bytes, object]) -> bytes:
    """A field's name, to sort by."""
    return pair[0]


def put_field(out: BytesWriter, field: FieldState) -> None:
    """A field's registers and increments."""
    write_i32_le(out, i32(len(field.registers)))
    for register in field.registers:
        put_dot(out, register.stamp, register.origin)
        put_text(out, shown(register.value))
    put_increments(out, field.increments)
