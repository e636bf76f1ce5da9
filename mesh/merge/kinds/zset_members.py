"""One member of a sorted set: its registers and increments, cleared and added to.  [compiled]

What is remembered stands in the members' slots (node/store/values/scored.py). `revise` is the heart
of every rule: clear what a write had seen of a member, then add its register. A register without a
dot (stamp 0) is one that every node has: any removal clears it.
"""

from __future__ import annotations

from typing import Any, cast

from mypy_extensions import i64

from mesh.dots import Streams
from mesh.merge.covers import Cover, Cut
from node.store.entry import Claim
from node.store.values.member_deadlines import MemberDeadlines
from node.store.values.scored import SET, Scored, ScoreRegister, SpelledScore, score_in
from node.store.values.zsets import ZSetValue


def registers_of(slot: object) -> list[ScoreRegister]:
    """A slot's registers, the newest first; a new list."""
    if isinstance(slot, SpelledScore):
        return list(slot.registers)
    if isinstance(slot, Scored):
        return [ScoreRegister(slot.score, slot.stamp, i64(slot.origin), slot.how)]
    if slot is None:
        return []
    return [ScoreRegister(cast(float, slot), 0, 0, SET)]


def has_bare(registers: list[ScoreRegister]) -> bool:
    """Is one of them without a dot? It is the oldest."""
    return len(registers) > 0 and registers[-1].stamp == 0


def unseen_registers(slot: object, cover: Cover) -> list[ScoreRegister]:
    """The registers of a slot that the cover lacks, the newest first."""
    return [each for each in registers_of(slot) if not cover.has(each.stamp, each.origin)]


def is_covered(slot: object, cover: Cover) -> bool:
    """Has the cover all that is remembered of a member?"""
    if isinstance(slot, SpelledScore):
        for register in slot.registers:
            if not cover.has(register.stamp, register.origin):
                return False
        return all(cover.has(each.steps[-1].stamp, each.origin) for each in slot.streams)
    if isinstance(slot, Scored):
        return cover.has(slot.stamp, i64(slot.origin))
    return cover.has(0, 0)


def covers_all(value: ZSetValue, cover: Cover) -> bool:
    """Has the cover all that is remembered of the value? One look at each member."""
    if not value.dotted:
        return cover.has(0, 0)
    for chunk in value.chunks():
        for slot in chunk.values():
            if not is_covered(slot, cover):
                return False
    return True


def unseen_claims(value: ZSetValue, cover: Cover) -> list[tuple[bytes, list[Claim]]]:
    """What the cover lacks of the claims of members' deadlines, of each member that has any."""
    deadlines = value.deadlines
    if deadlines is None:
        return []
    return [
        (member, claims_left(deadlines, member, cover))
        for member in dict.fromkeys([*deadlines.claims, *deadlines.of])
    ]


def claims_left(deadlines: MemberDeadlines, member: bytes, cover: Cover) -> list[Claim]:
    """What the cover lacks of the claims of a member's deadline, of which something is known."""
    claims = deadlines.claims.get(member)
    if claims is None:
        claims = [Claim(0, 0, deadlines.get(member))]
    return [each for each in claims if not cover.has(each.stamp, each.origin)]


def take_out(value: ZSetValue, member: bytes, cover: Cover) -> None:
    """Clears what the cover has of a member and of its deadline."""
    deadlines = value.deadlines
    if deadlines is None or not deadlines.knows(member):
        revise(value, member, cover, None, None)
        return
    claims = claims_left(deadlines, member, cover)
    revise(value, member, cover, None, None)
    value.do_claim(member, claims if claims else None)


def keep_unseen(value: ZSetValue, cover: Cover) -> None:
    """Clears what the cover has of every member."""
    gone: list[bytes] = []
    rest: list[bytes] = []
    for chunk in value.chunks():
        for member, slot in chunk.items():
            if is_covered(slot, cover):
                gone.append(member)
            elif isinstance(slot, SpelledScore):
                rest.append(member)
    if gone:
        value.do_remove(gone, 0)
    for member in rest:
        revise(value, member, cover, None, None)


def revise(
    value: ZSetValue,
    member: bytes,
    cover: Cover,
    register: ScoreRegister | None,
    streams: Streams | None,
) -> None:
    """Clears what `cover` has of a member, then adds a register if there is one, for which
    `streams` are needed."""
    slot: object = value.slot(member)
    if slot is None:
        if register is not None:
            write(value, member, [register], None, None)
        return
    old: Any = score_in(slot)
    left = unseen_registers(slot, cover)
    spelled: SpelledScore | None = None
    if isinstance(slot, SpelledScore):
        spelled = slot
        clear_steps(spelled, cover)
    if register is not None:
        assert streams is not None
        add_register(left, register, streams)
    elif left and spelled is None:
        return  # one register, and it stays
    write(value, member, left, spelled, old)


def clear_steps(spelled: SpelledScore, cover: Cover) -> None:
    """Takes back the steps that a write had seen: of each stream the first ones."""
    emptied = False
    for each in spelled.streams:
        n: i64 = 0
        for step in each.steps:
            if not cover.has(step.stamp, each.origin):
                break
            n += 1
        if n > 0:
            spelled.drop_first(each, n)
            emptied = emptied or len(each.steps) == 0
    if emptied:
        spelled.tidy()


def add_register(
    registers: list[ScoreRegister], register: ScoreRegister, streams: Streams
) -> None:
    """Puts a register among others, which stand the newest first."""
    at = 0
    for each in registers:
        if streams.newer(register.stamp, register.origin, each.stamp, each.origin):
            break
        at += 1
    registers.insert(at, register)


def write(
    value: ZSetValue,
    member: bytes,
    registers: list[ScoreRegister],
    spelled: SpelledScore | None,
    old: Any,
) -> None:
    """Makes these registers and the steps of `spelled` the member, as compactly as may be.

    `old` is the score that it shows now, None of a new one.
    """
    counted = False
    if spelled is not None:
        if spelled.tail and not has_bare(registers):
            spelled.set_tail([])
            spelled.tidy()
        counted = spelled.is_counted() or len(spelled.tail) > 0
    if counted or len(registers) > 1:
        if spelled is None:
            spelled = SpelledScore()
        spelled.registers = registers
        spelled.show()
        value.do_write(member, spelled, old)
    elif registers:
        only = registers[0]
        if only.stamp == 0:
            value.do_put(member, only.score)
        else:
            slot = Scored(only.score, only.stamp, only.origin, only.how)
            value.do_write(member, slot, old)
    elif old is not None:
        value.do_remove([member], 0)


def fold_member(value: ZSetValue, member: bytes, cut: Cut) -> bool:
    """Every member has what the cut covers: it needs no dot. False: to be looked at again, for
    increments that the cut has not passed yet."""
    slot: object = value.slot(member)
    if isinstance(slot, SpelledScore):
        for each in slot.registers:
            if not cut.has(each.stamp, each.origin):
                return True  # what wrote it will be looked at
        old: Any = slot.score
        if slot.fold(cut.before):
            write(value, member, slot.registers, slot, old)
        return not slot.is_counted()
    if isinstance(slot, Scored) and cut.has(slot.stamp, i64(slot.origin)):
        value.do_put(member, slot.score)
    return True
