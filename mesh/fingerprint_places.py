"""Sets, hashes and sorted sets in a fingerprint: a sum over places, each with its dots. [compiled]

A place past its deadline counts as one that is there: when a node takes it out of sight is its own
affair (node/store/parking.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, cast

from librt.strings import BytesWriter, write_f64_le, write_i32_le, write_i64_le
from mypy_extensions import i32, i64, u8

from mesh.fingerprint_hash import Mixer, Sum, exact_text
from mesh.merge.slots import HASH_SLOT, SET_SLOT
from mesh.merge.state import FIELD_BASE, FIELD_RIVALS, SET_RIVALS, KeyState, newest_of
from mesh.merge.totals import total
from mesh.packing import put_text
from node.store.entry import COUNTED, NO_REGISTER, Claim, Dot, Field, Register
from node.store.values.container import Container
from node.store.values.hashes import HashValue
from node.store.values.member_deadlines import MemberDeadlines
from node.store.values.scored import SET, Scored, ScoreRegister, SpelledScore
from node.store.values.sets import SetValue
from node.store.values.zsets import ZSetValue

MEMBER: Final = 1
FIELD: Final = 2
SCORE: Final = 3
DEADLINE: Final = 4
# Sections of a contested field or member.
REGISTERS: Final = 1
INCREMENTS: Final = 2
TAIL: Final = 3
RARE: Final = COUNTED | NO_REGISTER


def put_sums(out: BytesWriter, members: Sum, deadlines: Sum) -> None:
    """What was summed up; nothing where nothing is known."""
    if members.count != 0 or deadlines.count != 0:
        write_i64_le(out, members.count)
        write_i64_le(out, members.total)
        write_i64_le(out, deadlines.count)
        write_i64_le(out, deadlines.total)


def parked_of(value: Container) -> list[tuple[bytes, object]]:
    """The places that are out of sight."""
    deadlines = value.deadlines
    return [] if deadlines is None else list(deadlines.parked.items())


# --- sets ---------------------------------------------------------------------------------------


def put_set(
    out: BytesWriter, mixer: Mixer, state: KeyState, value: SetValue, places: i64
) -> Iterator[None]:
    """Members with their dots."""
    found = Sum()
    done: i64 = 0
    for chunk in value.chunks():
        add_members(found, mixer, state, list(chunk.items()))
        done += len(chunk)
        if done >= places:
            done = 0
            yield None
    add_members(found, mixer, state, parked_of(value))
    timed = Sum()
    yield from add_deadlines(timed, mixer, state, SET_SLOT, value, places)
    put_sums(out, found, timed)


def add_members(
    found: Sum, mixer: Mixer, state: KeyState, members: list[tuple[bytes, object]]
) -> None:
    """Some members more."""
    contested = len(state.rivals) > 0
    last: Dot | None = None
    dots = mixer.dot(0, 0)
    none = dots
    for member, slot in members:
        dot = cast("Dot | None", slot)
        if dot is not last:  # those of one unit share one object
            last = dot
            dots = none if dot is None else mixer.dot(dot.stamp, dot.origin)
        out = BytesWriter()
        out.append(u8(MEMBER))
        put_text(out, member)
        if contested:
            rivals = state.rivals.get(SET_RIVALS + member)
            if rivals is not None and (dots != none or not mixer.are_stable(rivals.registers, [])):
                all_dots = [dots]
                all_dots += [mixer.dot(each.stamp, each.origin) for each in rivals.registers]
                mixer.put_items(out, REGISTERS, all_dots)
                found.add(mixer.hash(out.getvalue()))
                continue
        out.write(dots)
        found.add(mixer.hash(out.getvalue()))


# --- hashes -------------------------------------------------------------------------------------


def put_hash(
    out: BytesWriter, mixer: Mixer, state: KeyState, value: HashValue, places: i64
) -> Iterator[None]:
    """Fields with their registers and increments."""
    found = Sum()
    done: i64 = 0
    for chunk in value.chunks():
        add_fields(found, mixer, state, list(chunk.items()))
        done += len(chunk)
        if done >= places:
            done = 0
            yield None
    add_fields(found, mixer, state, parked_of(value))
    timed = Sum()
    yield from add_deadlines(timed, mixer, state, HASH_SLOT, value, places)
    put_sums(out, found, timed)


def add_fields(
    found: Sum, mixer: Mixer, state: KeyState, fields: list[tuple[bytes, object]]
) -> None:
    """Some fields more."""
    contested = len(state.rivals) > 0
    for field, slot in fields:
        out = BytesWriter()
        out.append(u8(FIELD))
        put_text(out, field)
        if is_plain(state, field, slot, contested):
            stamp: i64 = 0
            origin: i64 = 0
            value = slot
            if isinstance(slot, Field):
                stamp = slot.stamp
                origin = i64(slot.origin)
                value = slot.value
            out.write(field_register(mixer, stamp, origin, value))
        else:
            spelled = state.field_of(field, slot)
            registers = spelled.registers
            if mixer.are_stable(registers, spelled.increments):
                base: object = None
                if registers:
                    base = newest_of(registers, state.streams).value
                out.write(field_register(mixer, 0, 0, total(base, spelled.increments)))
            elif len(registers) == 1 and not spelled.increments:
                only: Register = registers[0]
                out.write(field_register(mixer, only.stamp, only.origin, only.value))
            else:
                items = [
                    field_register(mixer, each.stamp, each.origin, each.value) for each in registers
                ]
                mixer.put_items(out, REGISTERS, items)
                mixer.put_items(out, INCREMENTS, mixer.increments(spelled.increments))
        found.add(mixer.hash(out.getvalue()))


def is_plain(state: KeyState, field: bytes, slot: object, contested: bool) -> bool:
    """Is one register all that is known of a field?"""
    if isinstance(slot, Field) and slot.flags & RARE:
        return False
    return not contested or (
        FIELD_RIVALS + field not in state.rivals and FIELD_BASE + field not in state.rivals
    )


def field_register(mixer: Mixer, stamp: i64, origin: i64, value: object) -> bytes:
    """A register of a field."""
    out = BytesWriter()
    mixer.put_dot(out, stamp, origin)
    put_text(out, exact_text(value))
    return out.getvalue()


# --- sorted sets --------------------------------------------------------------------------------


def put_zset(
    out: BytesWriter, mixer: Mixer, value: ZSetValue, places: i64
) -> Iterator[None]:
    """Members with their scores."""
    found = Sum()
    done: i64 = 0
    for chunk in value.chunks():
        add_scores(found, mixer, list(chunk.items()))
        done += len(chunk)
        if done >= places:
            done = 0
            yield None
    add_scores(found, mixer, parked_of(value))
    timed = Sum()
    deadlines = value.deadlines
    if deadlines is not None:
        for place in timed_places(deadlines):
            claims = known_claims(deadlines, place)
            if claims:
                timed.add(deadline_hash(mixer, place, claims))
            done += 1
            if done >= places:
                done = 0
                yield None
    put_sums(out, found, timed)


def add_scores(found: Sum, mixer: Mixer, members: list[tuple[bytes, object]]) -> None:
    """Some members more."""
    for member, slot in members:
        out = BytesWriter()
        out.append(u8(SCORE))
        put_text(out, member)
        if isinstance(slot, SpelledScore):
            put_spelled(out, mixer, slot)
        elif isinstance(slot, Scored):
            stamp = slot.stamp
            how: i64 = i64(slot.how)
            if mixer.is_stable(stamp, i64(slot.origin)):
                how = i64(SET)  # how is of no use to who has seen it
            put_score(out, mixer, stamp, i64(slot.origin), how, slot.score)
        else:
            put_score(out, mixer, 0, 0, i64(SET), cast(float, slot))
        found.add(mixer.hash(out.getvalue()))


def put_score(
    out: BytesWriter, mixer: Mixer, stamp: i64, origin: i64, how: i64, score: float
) -> None:
    """One register of a member."""
    mixer.put_dot(out, stamp, origin)
    out.append(u8(how))
    write_f64_le(out, score)


def put_spelled(out: BytesWriter, mixer: Mixer, slot: SpelledScore) -> None:
    """A member with several registers, or with increments."""
    if len(slot.registers) == 1 and not slot.streams and not slot.tail:
        only: ScoreRegister = slot.registers[0]
        put_score(out, mixer, only.stamp, only.origin, i64(only.how), only.score)
        return
    registers: list[bytes] = []
    for register in slot.registers:
        one = BytesWriter()
        put_score(one, mixer, register.stamp, register.origin, i64(register.how), register.score)
        registers.append(one.getvalue())
    mixer.put_items(out, REGISTERS, registers)
    steps: list[bytes] = []
    for each in slot.streams:
        for step in each.steps:
            one = BytesWriter()
            mixer.put_dot(one, step.stamp, each.origin)
            write_f64_le(one, step.amount)
            steps.append(one.getvalue())
    mixer.put_items(out, INCREMENTS, steps)
    tail: list[bytes] = []
    for amount in slot.tail:
        one = BytesWriter()
        write_f64_le(one, amount)
        tail.append(one.getvalue())
    mixer.put_items(out, TAIL, tail)


# --- deadlines of places ------------------------------------------------------------------------


def add_deadlines(
    timed: Sum, mixer: Mixer, state: KeyState, slot: int, value: Container, places: i64
) -> Iterator[None]:
    """The claims of places' deadlines, where they say more than the place itself does."""
    deadlines = value.deadlines
    if deadlines is None:
        return
    done: i64 = 0
    for place in timed_places(deadlines):
        claims = known_claims(deadlines, place)
        if slot == HASH_SLOT:
            held = value.slot(place)
            if held is None:
                held = deadlines.parked.get(place)
            registers = state.field_of(place, held).registers
            implied = [Claim(each.stamp, each.origin, 0) for each in registers]
            mine = mixer.claims(claims)
            mine.sort()
            usual = mixer.claims(implied)
            usual.sort()
            if mine != usual:
                timed.add(deadline_hash(mixer, place, claims))
        elif claims:
            timed.add(deadline_hash(mixer, place, claims))
        done += 1
        if done >= places:
            done = 0
            yield None


def timed_places(deadlines: MemberDeadlines) -> list[bytes]:
    """The places of whose deadlines anything is written down."""
    return list(dict.fromkeys([*deadlines.claims, *deadlines.of]))


def known_claims(deadlines: MemberDeadlines, place: bytes) -> list[Claim]:
    """What is written down of a place's deadline."""
    found = deadlines.claims.get(place)
    if found is not None:
        return found
    return [Claim(0, 0, deadlines.get(place))]


def deadline_hash(mixer: Mixer, place: bytes, claims: list[Claim]) -> i64:
    """A place with the claims of its deadline."""
    out = BytesWriter()
    out.append(u8(DEADLINE))
    put_text(out, place)
    write_i32_le(out, i32(len(claims)))
    mixer.put_items(out, REGISTERS, mixer.claims(claims))
    return mixer.hash(out.getvalue())
