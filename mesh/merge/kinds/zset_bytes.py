"""What is remembered of a sorted set's members, to bytes and back, so many at a time.  [compiled]

The dot that most members have, then by name those that have another or are spelled out: the order
of members is neither the file's nor the same in two processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from librt.strings import BytesWriter, read_f64_le, write_f64_le, write_i32_le
from mypy_extensions import i16, i32, i64, u8

from mesh.merge.kinds.zset_members import write
from mesh.packing import Source, put_dot, put_text
from node.store.values.scored import LOWERED, SET, Scored, ScoreRegister, SpelledScore, score_in
from node.store.values.zsets import ZSetValue

ONE_REGISTER: Final = 0
SPELLED: Final = 1


def put_scores(out: BytesWriter, value: ZSetValue, places: i64) -> Iterator[None]:
    """Writes it, and yields after each so many members."""
    counted = Commonest()
    others: list[tuple[bytes, object]] = []
    if value.dotted:
        done: i64 = 0
        for chunk in value.chunks():
            counted.look(list(chunk.values()))
            done += len(chunk)
            if done >= places:
                done = 0
                yield None
        for chunk in value.chunks():
            others += counted.others(list(chunk.items()))
            done += len(chunk)
            if done >= places:
                done = 0
                yield None
    put_dot(out, counted.stamp, counted.origin)
    write_i32_le(out, i32(len(others)))
    at: i64 = 0
    while at < len(others):
        for member, slot in others[at : at + places]:
            put_text(out, member)
            put_slot(out, slot)
        at += places
        if at < len(others):
            yield None


class Commonest:
    """Finds a dot that more than half of the members have, if there is one, else any."""

    def __init__(self) -> None:
        self.stamp: i64 = 0
        self.origin: i64 = 0
        self._lead: i64 = 0

    def look(self, slots: list[Any]) -> None:
        """Some members more (Boyer and Moore's vote, 1981)."""
        for slot in slots:
            stamp: i64 = 0
            origin: i64 = 0
            if isinstance(slot, Scored):
                stamp = slot.stamp
                origin = i64(slot.origin)
            if stamp == self.stamp and origin == self.origin:
                self._lead += 1
            elif self._lead == 0:
                self.stamp = stamp
                self.origin = origin
                self._lead = 1
            else:
                self._lead -= 1

    def others(self, members: list[tuple[bytes, object]]) -> list[tuple[bytes, object]]:
        """Those of which this dot is not all there is to say."""
        found: list[tuple[bytes, object]] = []
        for pair in members:
            slot = pair[1]
            if isinstance(slot, SpelledScore):
                found.append(pair)
            elif isinstance(slot, Scored):
                same = slot.stamp == self.stamp and i64(slot.origin) == self.origin
                if not same or slot.how != SET:
                    found.append(pair)
            elif self.stamp != 0:
                found.append(pair)
        return found


def put_slot(out: BytesWriter, slot: object) -> None:
    """A member's registers and steps; the score of one register stands in the record."""
    if isinstance(slot, SpelledScore):
        out.append(u8(SPELLED))
        write_i32_le(out, i32(len(slot.registers)))
        for register in slot.registers:
            put_dot(out, register.stamp, register.origin)
            out.append(u8(i64(register.how)))
            write_f64_le(out, register.score)
        write_i32_le(out, i32(len(slot.tail)))
        for amount in slot.tail:
            write_f64_le(out, amount)
        write_i32_le(out, i32(sum([len(each.steps) for each in slot.streams])))
        for each in slot.streams:
            for step in each.steps:
                put_dot(out, step.stamp, each.origin)
                write_f64_le(out, step.amount)
        return
    stamp: i64 = 0
    origin: i64 = 0
    how: i64 = i64(SET)
    if isinstance(slot, Scored):
        stamp = slot.stamp
        origin = i64(slot.origin)
        how = i64(slot.how)
    out.append(u8(ONE_REGISTER))
    put_dot(out, stamp, origin)
    out.append(u8(how))


def read_scores(source: Source, value: ZSetValue, places: i64) -> Iterator[None]:
    """The reverse of put_scores. ValueError where the bytes do not fit the value."""
    source.dot()
    done: i64 = 0
    if source.stamp != 0:
        stamp = source.stamp
        origin = source.origin
        for chunk in value.chunks():
            value.do_give_dots_to(chunk, stamp, origin)
            done += len(chunk)
            if done >= places:
                done = 0
                yield None
    left = source.count()
    while left > 0:
        read_member(source, value)
        left -= 1
        done += 1
        if done >= places:
            done = 0
            yield None


def read_member(source: Source, value: ZSetValue) -> None:
    """One member that is written by name."""
    member = source.text()
    if not value.has(member):
        raise ValueError("a plexis-dots field names a member that the sorted set lacks")
    old: Any = score_in(value.slot(member))
    form = source.byte()
    if form == ONE_REGISTER:
        source.dot()
        how = read_how(source)
        write(value, member, [ScoreRegister(old, source.stamp, source.origin, how)], None, old)
        return
    if form != SPELLED:
        raise ValueError("a plexis-dots field has a member of an unknown form")
    registers: list[ScoreRegister] = []
    for _ in range(int(source.count())):
        source.dot()
        stamp = source.stamp
        origin = source.origin
        how = read_how(source)
        registers.append(ScoreRegister(read_float(source), stamp, origin, how))
    spelled = SpelledScore()
    spelled.set_tail([read_float(source) for _ in range(int(source.count()))])
    for _ in range(int(source.count())):
        source.dot()
        stamp = source.stamp
        origin = source.origin
        spelled.add(read_float(source), stamp, origin)
    if not registers and not spelled.is_counted():
        raise ValueError("a plexis-dots field has a member that nobody wrote")
    write(value, member, registers, spelled, old)


def read_how(source: Source) -> i16:
    """How a register was written."""
    how = source.byte()
    if how > i64(LOWERED):
        raise ValueError("a plexis-dots field has a score that was written in an unknown way")
    return i16(how)


def read_float(source: Source) -> float:
    """Eight bytes of a score or an increment."""
    number = read_f64_le(source.data, source.need(8))
    if number != number:
        raise ValueError("a plexis-dots field has a score that is no number")
    return number
