"""What MESH EXPLAIN tells of a sorted set's member, a list's element and a stream's entry.

They remember in their values who wrote each place (docs/decisions/0017). A place is named as a
client names it: the member, the element's index, the entry's ID.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mesh.conflicts import NAME_BYTES
from mesh.dots import Streams
from mesh.merge.kinds.zset_members import registers_of
from node.resp.replies import Map
from node.store.entry import Register
from node.store.values.lists import ListValue
from node.store.values.scored import SpelledScore, score_in, shown_register
from node.store.values.scores import score_text
from node.store.values.streams import StreamValue
from node.store.values.value import Value
from node.store.values.zsets import ZSetValue

# Members of a sorted set that are looked at for contested ones: some 10 ms.
LOOKED_MAX: Final = 100_000
# Of a number of 64 bits: no index and no part of an ID is longer.
DIGITS_MOST: Final = 20

Pairs = Callable[[dict[str, object]], Map]
Told = Callable[[Register, bool], Map]


def told_place(
    value: Value | None, place: bytes, streams: Streams, told: Told, pairs: Pairs
) -> dict[str, object]:
    """What is remembered of one place of this value; {} where it has none of this name."""
    if isinstance(value, ZSetValue):
        return told_member(value, place, told, pairs)
    if isinstance(value, ListValue):
        return told_element(value, place, streams, told)
    if isinstance(value, StreamValue):
        return told_entry(value, place, told)
    return {}


def contested_places(
    value: Value | None, most: int, streams: Streams, told: Told, pairs: Pairs
) -> list[object]:
    """Places with registers or increments that had not seen one another, at most so many."""
    found: list[object] = []
    if isinstance(value, ListValue):
        for (origin, number), registers in (value.registers or {}).items():
            if len(registers) > 1 and len(found) < most:
                found.append(pairs({
                    "kind": "element",
                    "name": b"%d of stream %b" % (number, streams.all[origin].text),
                    "dots": told_registers(registers, told),
                }))  # fmt: skip
    elif isinstance(value, ZSetValue):
        looked = 0
        for chunk in value.chunks():
            for member, slot in chunk.items():
                looked += 1
                if looked > LOOKED_MAX or len(found) >= most:
                    return found
                if isinstance(slot, SpelledScore) and len(slot.registers) > 1:
                    found.append(pairs({
                        "kind": "member", "name": member[:NAME_BYTES],
                        "dots": scores_of(slot, told),
                    }))  # fmt: skip
    return found


def told_member(value: ZSetValue, member: bytes, told: Told, pairs: Pairs) -> dict[str, object]:
    """A member's scores and increments."""
    slot = value.slot(member)
    if slot is None:
        return {}
    fields: dict[str, object] = {
        "score": score_text(score_in(slot)), "scores": scores_of(slot, told),
    }  # fmt: skip
    if isinstance(slot, SpelledScore) and slot.streams:
        fields["score-increments"] = sum(len(each.steps) for each in slot.streams)
    return fields


def scores_of(slot: object, told: Told) -> list[object]:
    """A member's registers, the newest first. Which of them shows is not always the first: of
    those of ZADD GT it is the greatest."""
    registers = registers_of(slot)
    shown = shown_register(registers)
    return [
        told(Register(each.stamp, each.origin, score_text(each.score)), each is shown)
        for each in registers
    ]


def told_registers(registers: list[Register], told: Told) -> list[object]:
    """What was assigned to an element: the newest, which shows, stands last in the value."""
    return [told(each, at == 0) for at, each in enumerate(reversed(registers))]


def told_element(value: ListValue, place: bytes, streams: Streams, told: Told) -> dict[str, object]:
    """An element's identity, and who assigned its value."""
    digits = place.removeprefix(b"-")
    index = int(place) if digits.isdigit() and len(digits) <= DIGITS_MOST else value.length
    position = index + value.length if index < 0 else index
    if not 0 <= position < value.length:
        return {}
    run = value.identity_at(position)
    fields: dict[str, object] = {"index": int(position)}
    if run is not None:
        stream = streams.all[run.origin]
        fields |= {
            "element": int(run.first), "inserted-by": stream.member or None,
            "inserted-in": stream.text,
        }  # fmt: skip
        registers = (value.registers or {}).get((int(run.origin), int(run.first)), [])
        fields["assigned"] = told_registers(registers, told)
    return fields


def told_entry(value: StreamValue, place: bytes, told: Told) -> dict[str, object]:
    """Who added an entry."""
    ms, _, sequence = place.partition(b"-")
    if not (ms.isdigit() and sequence.isdigit()) or len(place) > 2 * DIGITS_MOST + 1:
        return {}
    number = int(ms) << 64 | int(sequence)
    if not value.has(number):
        return {}
    node = value.nodes[value.node_at(number)]
    opened = value.opened(node)
    at = opened.place_of(number)
    dots = node.dots
    dot = Register(0, 0, None)
    if dots is not None:
        dot = Register(dots.stamp_at(at), dots.origin_at(at), None)
    return {"entry": [told(dot, True)]}
