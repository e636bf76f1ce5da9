"""Two nodes' knowledge of one stream become one: see mesh/merge/whole.py.  [compiled]

A dot is kept that both have, or that one has and the other's vector does not cover.
"""

from __future__ import annotations

from mypy_extensions import i64

from node.store.entry import Dot
from node.store.values.group_changes import (
    deliveries_of,
    found_group,
    group_memory,
    set_place,
    settle_group,
)
from node.store.values.group_dots import Delivery, GroupMemory
from node.store.values.groups import UNKNOWN_READS, Group
from node.store.values.stream_changes import memory_of, rivals_of, set_entry, settle
from node.store.values.stream_dots import Peaks, Rival, Sight, is_same
from node.store.values.stream_nodes import DELETED, USUAL_LIMITS
from node.store.values.streams import StreamValue, live_dots


def join_streams(here: StreamValue, there: StreamValue, mine: Sight, theirs: Sight) -> None:
    """`here` becomes what both know; `there` is given away."""
    join_entries(here, there, mine, theirs)
    memory = memory_of(here)
    other = memory_of(there)
    memory.made.do_join(other.made, mine, theirs)
    memory.tops.do_join(other.tops, mine, theirs)
    memory.deleted.do_join(other.deleted, mine, theirs)
    memory.tally.do_join(other.tally, mine, theirs)
    names = [*here.groups, *here.hidden_groups, *there.groups, *there.hidden_groups]
    for name in dict.fromkeys(names):
        join_group(here, there, name, mine, theirs)
    settle(here)


# --- entries ------------------------------------------------------------------------------------


class Walk:
    """The entries of a stream in order, with their dots."""

    def __init__(self, value: StreamValue) -> None:
        self.ids: list[int] = []
        self.dots: list[Dot] = []
        for node in value.nodes[int(value.head) :]:
            found = value.opened(node)
            for at, number in enumerate(found.ids):
                if found.flags[at] & DELETED == 0:
                    self.ids.append(number)
            self.dots += live_dots(node, found)


def join_entries(here: StreamValue, there: StreamValue, mine: Sight, theirs: Sight) -> None:
    """Entry by entry; those of one dot on both sides are not looked at twice."""
    ours = Walk(here)
    others = Walk(there)
    rare = {*memory_of(here).rivals, *memory_of(there).rivals}
    gone: list[int] = []
    spelled: list[int] = []
    added: list[int] = []
    at: i64 = 0
    n: i64 = len(ours.ids)
    other: i64 = 0
    m: i64 = len(others.ids)
    while at < n or other < m:
        if other == m or (at < n and ours.ids[at] < others.ids[other]):
            number = ours.ids[at]
            dot = ours.dots[at]
            if number in rare:
                spelled.append(number)
            elif theirs.has(dot.stamp, dot.origin):
                gone.append(number)
            at += 1
        elif at == n or ours.ids[at] > others.ids[other]:
            number = others.ids[other]
            dot = others.dots[other]
            if number in rare:
                spelled.append(number)
            elif not mine.has(dot.stamp, dot.origin):
                added.append(number)
            other += 1
        else:
            number = ours.ids[at]
            dot = ours.dots[at]
            same = others.dots[other]
            if number in rare or dot.stamp != same.stamp or dot.origin != same.origin:
                spelled.append(number)
            at += 1
            other += 1
    if gone:
        here.do_delete(gone, True)
    for number in added:
        set_entry(here, number, rivals_of(there, number), USUAL_LIMITS)
    for number in spelled:
        joined = join_rivals(rivals_of(here, number), rivals_of(there, number), mine, theirs)
        set_entry(here, number, joined, USUAL_LIMITS)


def join_rivals(
    here: list[Rival], there: list[Rival], mine: Sight, theirs: Sight
) -> list[Rival]:
    """The entries of one ID."""
    kept = [
        each for each in here
        if is_rival(each, there, mine, theirs) or not theirs.has(each.stamp, each.origin)
    ]  # fmt: skip
    for each in there:
        if not is_rival(each, here, theirs, mine) and not mine.has(each.stamp, each.origin):
            kept.append(each)
    return kept


def is_rival(rival: Rival, others: list[Rival], mine: Sight, theirs: Sight) -> bool:
    """Has the other node this dot, or one that either has forgotten?"""
    return any(
        is_same(rival.stamp, rival.origin, each.stamp, each.origin, mine, theirs)
        for each in others
    )


def two_values(here: StreamValue, there: StreamValue) -> int:
    """How many IDs both have with different dots and fields."""
    ours = Walk(here)
    others = Walk(there)
    dots: dict[int, Dot] = {}
    for at, number in enumerate(ours.ids):
        dots[number] = ours.dots[at]
    found = 0
    for at, number in enumerate(others.ids):
        dot = dots.get(number)
        other = others.dots[at]
        if (
            dot is not None
            and (dot.stamp != other.stamp or dot.origin != other.origin)
            and here.entry(number) != there.entry(number)
        ):
            found += 1
    return found


# --- groups -------------------------------------------------------------------------------------


def join_group(
    here: StreamValue, there: StreamValue, name: bytes, mine: Sight, theirs: Sight
) -> None:
    """One group, shown or only remembered on either side."""
    group = found_group(here, name)
    memory = group_memory(group)
    other = there.groups.get(name)
    if other is None:
        other = there.hidden_groups.get(name)
    if other is None:
        other = Group(name, 0, UNKNOWN_READS)
        other.memory = GroupMemory()
    others = group_memory(other)
    memory.made.do_join(others.made, mine, theirs)
    memory.lasts.do_join(others.lasts, mine, theirs)
    memory.reads.do_join(others.reads, mine, theirs)
    for consumer in dict.fromkeys([*memory.consumers, *others.consumers]):
        join_consumer(group, other, consumer, mine, theirs)
    numbers = [*group.order.all(), *memory.contested, *memory.acks]
    numbers += [*other.order.all(), *others.contested, *others.acks]
    for number in dict.fromkeys(numbers):
        deliveries = join_deliveries(
            deliveries_of(group, number), deliveries_of(other, number), mine, theirs
        )
        acks = join_dots(
            memory.acks.get(number, []), others.acks.get(number, []), mine, theirs
        )
        set_place(group, number, deliveries, acks)
    for consumer in list(group.consumers):
        if consumer not in memory.consumers:
            group.do_forget(consumer)
    settle_group(here, group)


def join_consumer(group: Group, other: Group, name: bytes, mine: Sight, theirs: Sight) -> None:
    """A consumer; what is pending with it is looked at later."""
    memory = group_memory(group)
    peaks = memory.consumers.get(name, Peaks())
    peaks.do_join(group_memory(other).consumers.get(name, Peaks()), mine, theirs)
    if not peaks.claims:
        memory.consumers.pop(name, None)
        return
    memory.consumers[name] = peaks
    if name not in group.consumers:
        known = other.consumers.get(name)
        consumer = group.do_consumer(name, 0 if known is None else known.seen_ms)
        if known is not None:
            consumer.active_ms = known.active_ms


def join_deliveries(
    here: list[Delivery], there: list[Delivery], mine: Sight, theirs: Sight
) -> list[Delivery]:
    """The deliveries of one entry."""
    kept = [
        each for each in here
        if is_delivery(each, there, mine, theirs) or not theirs.has(each.stamp, each.origin)
    ]  # fmt: skip
    for each in there:
        if not is_delivery(each, here, theirs, mine) and not mine.has(each.stamp, each.origin):
            kept.append(each)
    return kept


def is_delivery(delivery: Delivery, others: list[Delivery], mine: Sight, theirs: Sight) -> bool:
    """Has the other node this delivery, or one to this consumer that either has forgotten?"""
    return any(
        delivery.consumer == each.consumer
        and is_same(delivery.stamp, delivery.origin, each.stamp, each.origin, mine, theirs)
        for each in others
    )


def join_dots(here: list[Dot], there: list[Dot], mine: Sight, theirs: Sight) -> list[Dot]:
    """The acknowledgements of one entry."""
    kept = [each for each in here if stays(each, there, mine, theirs)]
    return kept + [each for each in there if comes(each, here, mine, theirs)]


def stays(dot: Dot, others: list[Dot], mine: Sight, theirs: Sight) -> bool:
    """Is a dot of ours kept: the other node has it too, or has not seen it?"""
    return has_dot(dot, others, mine, theirs) or not theirs.has(dot.stamp, dot.origin)


def comes(dot: Dot, ours: list[Dot], mine: Sight, theirs: Sight) -> bool:
    """Is a dot of the other node taken: we have not seen it?"""
    return not has_dot(dot, ours, theirs, mine) and not mine.has(dot.stamp, dot.origin)


def has_dot(dot: Dot, others: list[Dot], mine: Sight, theirs: Sight) -> bool:
    """Has the other node this dot, or one that either has forgotten?"""
    return any(
        is_same(dot.stamp, dot.origin, each.stamp, each.origin, mine, theirs) for each in others
    )
