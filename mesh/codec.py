"""What the mesh remembers of a key, to bytes: for snapshots and RDB files. key_reader.py reads
them.  [compiled]

An AUX field beside the key's plain value, which other servers skip. Streams stand in it by number
in the writing process; the file's head names them. The order of a shown set is the file's: sorted
up to 512 members, else that of its names, which the set has again when it is read; a hash is in the
order of its fields, or by their names where some have deadlines, since the file has them in another
order then.
"""

from __future__ import annotations

from typing import Final

from librt.strings import (
    BytesWriter,
    write_i16_le,
    write_i32_le,
    write_i64_le,
)  # fmt: skip
from mypy_extensions import i16, i32, i64, u8

from mesh.merge.increments import Increment
from mesh.merge.opening import open_state
from mesh.merge.rule import Memory
from mesh.merge.slots import HASH_SLOT, OPAQUE_SLOTS, SET_SLOT
from mesh.merge.state import FIELD_RIVALS, SET_RIVALS, FieldState, KeyState
from node.persist.canon import payload_of
from node.persist.contents import file_order
from node.store.entry import COUNTED, Claim, Entry, Field
from node.store.values.lists import ListValue
from node.store.values.sets import SetValue
from node.store.values.strings import shown
from node.store.values.value import Value

FORMAT: Final = 1
# With what a key of strings, sets and hashes without hidden deadlines does not need.
FORMAT_OPAQUE: Final = 2
ABSENT_VALUE: Final = 0
OWN_VALUE: Final = 1
SHOWN_VALUE: Final = 2
NO_PLACES: Final = 0
SHOWN_PLACES: Final = 1
OWN_PLACES: Final = 2
SORTED_PLACES: Final = 3


def key_bytes(memory: Memory, db: i64, key: bytes, entry: Entry) -> bytes:
    """Everything remembered of a key. What the RDB record says as well is only referred to."""
    state = open_state(entry, db, key, False, memory.streams, memory.ledger)
    opaque = [slot for slot in OPAQUE_SLOTS if is_kept(state.opaque.get(slot))]
    deadlines = hidden_deadlines(state, entry.value)
    more = len(opaque) > 0 or len(deadlines) > 0
    out = BytesWriter()
    out.append(u8(FORMAT_OPAQUE if more else FORMAT))
    text: bytes | None = None
    if not state.increments and not isinstance(entry.value, Value):
        text = None if entry.value is None else shown(entry.value)
    write_i32_le(out, i32(len(state.registers)))
    for register in state.registers:
        put_dot(out, register.stamp, register.origin)
        value = register.value
        if value is None:
            out.append(ABSENT_VALUE)
        elif text is not None and shown(value) == text:
            out.append(SHOWN_VALUE)
        else:
            out.append(OWN_VALUE)
            put_text(out, shown(value))
    put_increments(out, state.increments)
    put_claims(out, state.claims)
    put_claims(out, state.ttls)
    put_set(out, state, entry.value is state.set)
    put_hash(out, state, entry.value is state.hash)
    if more:
        out.append(u8(len(opaque)))
        for slot in opaque:
            put_opaque(out, slot, state.opaque[slot], state.opaque[slot] is entry.value)
        write_i32_le(out, i32(len(deadlines)))
        for slot, place, deadline_ms in deadlines:
            out.append(u8(slot))
            put_text(out, place)
            write_i64_le(out, i64(deadline_ms))
    return out.getvalue()


def is_kept(value: Value | None) -> bool:
    """Is there a value to write? One that was emptied is known by its claim."""
    return value is not None and value.is_shown()


def hidden_deadlines(state: KeyState, shown_value: object) -> list[tuple[int, bytes, int]]:
    """Deadlines of members and fields that the record does not show: slot, place, ms."""
    found: list[tuple[int, bytes, int]] = []
    for slot in (HASH_SLOT, SET_SLOT):
        value = state.set if slot == SET_SLOT else state.hash
        if value is not None and value is not shown_value:
            found += [(slot, place, ms) for place, ms in value.deadline_items()]
    return found


def put_dot(out: BytesWriter, stamp: i64, origin: i64) -> None:
    """Eight bytes of stamp, two of stream number."""
    write_i64_le(out, stamp)
    write_i16_le(out, i16(origin))


def put_text(out: BytesWriter, text: bytes) -> None:
    """Four bytes of length, then the text."""
    write_i32_le(out, i32(len(text)))
    out.write(text)


def put_increments(out: BytesWriter, increments: list[Increment]) -> None:
    """Dots with deltas or exact decimals."""
    write_i32_le(out, i32(len(increments)))
    for each in increments:
        put_dot(out, each.stamp, each.origin)
        write_i64_le(out, each.delta)
        decimal = each.decimal
        put_text(out, b"" if decimal is None else decimal)


def put_claims(out: BytesWriter, claims: list[Claim]) -> None:
    """Dots with a slot or a deadline."""
    write_i32_le(out, i32(len(claims)))
    for each in claims:
        put_dot(out, each.stamp, each.origin)
        write_i64_le(out, each.number)


def put_set(out: BytesWriter, state: KeyState, is_shown: bool) -> None:
    """The members' dots: in runs where the file shows the set, with the members where it does
    not."""
    value = state.set
    if value is None or value.size() == 0:
        out.append(NO_PLACES)
    else:
        out.append(u8(SHOWN_PLACES if is_shown else OWN_PLACES))
        write_i32_le(out, i32(value.size()))
        if is_shown:
            put_runs(out, value)
        else:
            for member in value.names():
                dot = value.dot_of(member)
                put_text(out, member)
                put_dot(out, 0 if dot is None else dot.stamp, 0 if dot is None else dot.origin)
    rivals = [name for name in state.rivals if name.startswith(SET_RIVALS)]
    write_i32_le(out, i32(len(rivals)))
    for name in rivals:
        put_text(out, name[1:])
        registers = state.rivals[name].registers
        write_i32_le(out, i32(len(registers)))
        for each in registers:
            put_dot(out, each.stamp, each.origin)


def put_runs(out: BytesWriter, value: SetValue) -> None:
    """Members that follow each other with one dot are one run: (how many, dot)."""
    run: i64 = 0
    stamp: i64 = 0
    origin: i64 = 0
    for member in file_order(value):
        dot = value.dot_of(member)
        its_stamp: i64 = 0 if dot is None else dot.stamp
        its_origin: i64 = 0 if dot is None else dot.origin
        if run != 0 and (its_stamp != stamp or its_origin != origin):
            write_i32_le(out, i32(run))
            put_dot(out, stamp, origin)
            run = 0
        stamp = its_stamp
        origin = its_origin
        run += 1
    if run != 0:
        write_i32_le(out, i32(run))
        put_dot(out, stamp, origin)


def put_opaque(out: BytesWriter, slot: int, value: Value, is_shown: bool) -> None:
    """A list with its identities, a sorted set or stream: as the record shows it, or as DUMP."""
    out.append(u8(slot))
    if is_shown:
        out.append(SHOWN_PLACES)
    else:
        out.append(OWN_PLACES)
        put_text(out, payload_of(value))
    if isinstance(value, ListValue):
        runs = value.runs()
        write_i32_le(out, i32(len(runs)))
        for run in runs:
            put_dot(out, run.first, run.origin)
            write_i32_le(out, i32(run.count if run.step >= 0 else -run.count))


def put_hash(out: BytesWriter, state: KeyState, is_shown: bool) -> None:
    """The fields' dots; a contested, counted or hidden field is spelled out."""
    value = state.hash
    if value is None or value.size() == 0:
        out.append(NO_PLACES)
        return
    fields: list[tuple[bytes, object]] = []
    for chunk in value.chunks():
        fields += chunk.items()
    if not is_shown:
        out.append(OWN_PLACES)
    elif value.has_deadlines():
        out.append(SORTED_PLACES)
        fields.sort(key=first_of)
    else:
        out.append(SHOWN_PLACES)
    write_i32_le(out, i32(len(fields)))
    for field, slot in fields:
        if not is_shown:
            put_text(out, field)
        elif isinstance(slot, Field):
            if not slot.flags & COUNTED and FIELD_RIVALS + field not in state.rivals:
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
