"""Forgetting in streams: what every member of a mesh has needs no dot any more.  [compiled]

All dots of one entry, or of one pending entry, are forgotten together or not at all. What shows
stays as it is.
"""

from __future__ import annotations

from mypy_extensions import i64

from node.store.values.group_changes import (
    deliveries_of,
    group_memory,
    set_place,
    settle_group,
)
from node.store.values.group_dots import Delivery, newest_delivery
from node.store.values.groups import Group
from node.store.values.stream_changes import rivals_of
from node.store.values.stream_dots import Sight, StreamMemory
from node.store.values.streams import StreamValue


def forget_stream(value: StreamValue, cut: Sight) -> None:
    """Forgets the dots that `cut` has; nothing is left of a stream that does not exist."""
    memory = value.memory
    if memory is None:
        return
    forget_entries(value, memory, cut)
    memory.made.do_forget(cut)
    memory.tops.do_forget(cut)
    memory.deleted.do_forget(cut)
    memory.tally.do_forget(cut)
    for group in [*value.groups.values(), *value.hidden_groups.values()]:
        forget_group(value, group, cut)
    if not memory.made.claims and not value.hidden_groups and value.length == 0:
        memory.tops.do_clear(cut)
        memory.deleted.do_clear(cut)
        memory.tally.do_clear(cut)


def forget_entries(value: StreamValue, memory: StreamMemory, cut: Sight) -> None:
    """Node by node; one with an entry that is still contested keeps its dots."""
    held: set[int] = set()
    for number in list(memory.rivals):
        if all(cut.has(each.stamp, each.origin) for each in rivals_of(value, number)):
            del memory.rivals[number]
        else:
            held.add(int(value.node_at(number)))
    place: i64 = value.head
    while place < len(value.nodes):
        node = value.nodes[place]
        dots = node.dots
        if dots is not None and dots.are_seen(node.live + node.dead, cut) and not (
            held and int(place) in held
        ):  # fmt: skip
            node.dots = None
        place += 1


def forget_group(value: StreamValue, group: Group, cut: Sight) -> None:
    """Its claims, consumers, and what is pending; all of it where the group does not exist."""
    memory = group_memory(group)
    memory.made.do_forget(cut)
    memory.lasts.do_forget(cut)
    memory.reads.do_forget(cut)
    for peaks in memory.consumers.values():
        peaks.do_forget(cut)
    for number in list(dict.fromkeys([*memory.contested, *memory.acks])):
        forget_place(group, number, cut)
    for number in list(memory.recent):
        pending = group.pending.get(number)
        if pending is None or pending.stamp == 0:
            del memory.recent[number]
        elif number not in memory.contested and cut.has(pending.stamp, pending.origin):
            pending.stamp = 0
            pending.origin = 0
            del memory.recent[number]
    if not memory.made.claims and not memory.contested and not memory.acks:
        forget_gone(value, group, cut)


def forget_place(group: Group, number: int, cut: Sight) -> None:
    """An entry that is contested or acknowledged.

    Deliveries to several consumers stay apart, though without dots: a consumer's deletion takes
    only its own, and some members may still have them all.
    """
    memory = group_memory(group)
    acks = memory.acks.get(number, [])
    deliveries = deliveries_of(group, number)
    for each in deliveries:
        if not cut.has(each.stamp, each.origin):
            return
    for ack in acks:
        if not cut.has(ack.stamp, ack.origin):
            return
    if not acks and memory.made.claims and len({each.consumer for each in deliveries}) > 1:
        set_place(group, number, without_dots(deliveries), [])
        return
    memory.contested.pop(number, None)
    memory.acks.pop(number, None)


def without_dots(deliveries: list[Delivery]) -> list[Delivery]:
    """Deliveries that every member has, the newest first: it shows."""
    found: list[Delivery] = []
    left = list(deliveries)
    while left:
        newest = newest_delivery(left)
        left.remove(newest)
        found.append(Delivery(0, 0, newest.consumer, newest.time_ms, newest.count))
    return found


def forget_gone(value: StreamValue, group: Group, cut: Sight) -> None:
    """A group that does not exist goes once all that is remembered of it is stable."""
    memory = group_memory(group)
    peaks = [memory.lasts, memory.reads, *memory.consumers.values()]
    for each in peaks:
        if not each.is_seen(cut):
            return
    if memory.recent:
        return
    for name in list(memory.consumers):
        del memory.consumers[name]
        group.do_forget(name)
    memory.lasts.do_clear(cut)
    memory.reads.do_clear(cut)
    settle_group(value, group)
