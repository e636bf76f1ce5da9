"""What a node remembers beside its data, counted one by one."""

from __future__ import annotations

from mesh.fold import values_of
from mesh.merge.kinds.list_forget import may_go
from mesh.merge.rule import Memory
from mesh.usage import stream_size
from node.store.entry import COUNTED, Field
from node.store.keyspace import Database
from node.store.values.container import Container
from node.store.values.hashes import HashValue
from node.store.values.list_places import Living
from node.store.values.lists import ListValue
from node.store.values.runs import Wanted
from node.store.values.scored import Scored, SpelledScore
from node.store.values.sets import SetValue
from node.store.values.streams import StreamValue
from node.store.values.zsets import ZSetValue


def remembered(databases: list[Database], memory: Memory) -> dict[str, int]:
    """How many of each sort of metadata are there, counted one by one: for tests."""
    found = {
        "increments": memory.ledger.records(), "removals": int(memory.removals.count),
        "hidden": 0, "rare": 0, "members": 0, "fields": 0, "scores": 0,
        "deadlines": 0, "streams": 0, "lists": 0,
    }  # fmt: skip
    for db in databases:
        found["hidden"] += len(db.hidden)
        for shard in [*db.keys.dicts, db.hidden]:
            for entry in shard.values():
                found["rare"] += entry.dots is not None or entry.flags & COUNTED != 0
                for value in values_of(entry):
                    if isinstance(value, StreamValue):
                        found["streams"] += stream_size(value)
                    if isinstance(value, Container) and value.deadlines is not None:
                        found["deadlines"] += len(value.deadlines.claims)
                        found["deadlines"] += len(value.deadlines.parked)
                    if isinstance(value, ListValue):
                        found["lists"] += of_list(value)
                    if isinstance(value, SetValue):
                        for chunk in value.chunks():
                            found["members"] += sum(1 for slot in chunk.values() if slot)
                    elif isinstance(value, ZSetValue):
                        for chunk in value.chunks():
                            found["scores"] += sum(1 for slot in chunk.values() if has_dots(slot))
                    elif isinstance(value, HashValue):
                        for chunk in value.chunks():
                            found["fields"] += sum(
                                1 for slot in chunk.values() if isinstance(slot, Field)
                            )
    return found


def of_list(value: ListValue) -> int:
    """What a list knows beside its elements: when they were put in, what was assigned to them,
    where those that are removed came from, and anchors that hold no two others apart."""
    order = value.order
    found = len(value.registers or {})
    if order is None:
        return found
    alive = Wanted(value.runs())
    found += sum(1 for name in value.moved or {} if not alive.has(*name))
    found += sum(len(each.births) for each in order.numbers.values())
    living = Living(value.chunks, True)
    at = order.head
    while at >= 0:
        span = order.spans[at]
        if living.pass_over(span) == 0:
            found += not span.known or may_go(order, at)
        at = span.after
    return found


def has_dots(slot: object) -> bool:
    """Is more known of a sorted set's member than its score? A sum of increments that is no float
    has no other form."""
    return isinstance(slot, Scored) and not (isinstance(slot, SpelledScore) and slot.is_folded())
