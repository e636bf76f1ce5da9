"""Bare places: what has no dot any more, for every member has it (mesh/stability.py), in the merge
of two nodes' knowledge.  [compiled]

One that both have stays. One that a single side has was removed by the other and goes, unless the
other still has dots of that place which the first may have forgotten: then it is the same, and
the bare form has all of them in it (semantics.md 2, "State merge").
"""

from __future__ import annotations

from typing import Final

from mesh.merge.covers import Cover
from mesh.merge.increments import Increment
from node.store.entry import Claim, Patch, Register

GONE: Final = 0
HERE: Final = 1
THERE: Final = 2
DotName = tuple[int, int]


def whose(
    here: bool, there: bool, ours: list[DotName], others: list[DotName], mine: Cover, theirs: Cover
) -> int:
    """Whose bare place stays. `here`, `there`: who has one; `ours`, `others`: the dots beside."""
    if here and there:
        return THERE if forgotten(ours, others, theirs) else HERE
    if there:
        return THERE if not mine.has(0, 0) or forgotten(ours, others, theirs) else GONE
    if here:
        return HERE if not theirs.has(0, 0) or forgotten(others, ours, mine) else GONE
    return GONE


def forgotten(dots: list[DotName], others: list[DotName], side: Cover) -> bool:
    """Has one side dots that the other, which lacks them, may have made its bare place of?"""
    return any(side.forgot(each[0], each[1]) for each in dots if each not in others)


def registers_of(registers: list[Register]) -> list[DotName]:
    """The dots of registers, or of a member."""
    return [(int(each.stamp), int(each.origin)) for each in registers if each.stamp != 0]


def beside(increments: list[Increment], patches: list[Patch] | None = None) -> list[DotName]:
    """The dots of what counts on a register."""
    found = [(int(each.stamp), int(each.origin)) for each in increments]
    if patches:
        found += [(int(each.stamp), int(each.origin)) for each in patches]
    return found


def bare_register(registers: list[Register]) -> Register | None:
    """The register without a dot, None where there is none."""
    for each in registers:
        if each.stamp == 0:
            return each
    return None


def bare_claim(claims: list[Claim]) -> Claim | None:
    """The claim without a dot, None where there is none."""
    for each in claims:
        if each.stamp == 0:
            return each
    return None


def join_bare_registers(
    here: list[Register], there: list[Register], ours: list[DotName], others: list[DotName],
    mine: Cover, theirs: Cover,
) -> list[Register]:
    """What stays of the registers without a dot; `ours` and `others`: dots beside the registers."""
    one = bare_register(here)
    other = bare_register(there)
    if one is None and other is None:
        return []
    choice = whose(
        one is not None, other is not None, registers_of(here) + ours, registers_of(there) + others,
        mine, theirs,
    )  # fmt: skip
    if choice == HERE and one is not None:
        return [one]
    return [other] if choice == THERE and other is not None else []


def join_bare_claims(
    here: list[Claim], there: list[Claim], mine: Cover, theirs: Cover
) -> list[Claim]:
    """What stays of the claims without a dot."""
    one = bare_claim(here)
    other = bare_claim(there)
    if one is None and other is None:
        return []
    ours = [(int(each.stamp), int(each.origin)) for each in here if each.stamp != 0]
    others = [(int(each.stamp), int(each.origin)) for each in there if each.stamp != 0]
    choice = whose(one is not None, other is not None, ours, others, mine, theirs)
    if choice == HERE and one is not None:
        return [one]
    return [other] if choice == THERE and other is not None else []
