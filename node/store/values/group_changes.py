"""Changes of consumer groups in a mesh: see stream_changes.py.  [compiled]

A group and a consumer are there while a claim of theirs is: an add survives a removal that had not
seen it. An entry is pending while it has a delivery and no acknowledgement.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.store.entry import Dot
from node.store.values.group_dots import (
    Delivery,
    GroupMemory,
    delivered_count,
    newest_delivery,
    unseen_deliveries,
    unseen_dots,
)
from node.store.values.groups import (
    CREATE,
    CREATE_CONSUMER,
    DESTROY,
    KEEP_READS,
    SETID,
    UNKNOWN_READS,
    Acknowledged,
    Consumer,
    Delivered,
    Group,
    GroupChange,
)
from node.store.values.stream_changes import give_entry_dots, memory_of, settle
from node.store.values.stream_dots import ALL_SEEN, WHOLE_KEY, Peaks, Sight
from node.store.values.streams import StreamValue

NAME_BYTES: Final = 4


def place_name(what: bytes, group: bytes, rest: bytes = b"") -> bytes:
    """A place of a group as removals name it: `g` all of it, `s` its position, `c` a consumer,
    `p` what is pending of an entry."""
    return what + len(group).to_bytes(NAME_BYTES, "big") + group + rest


def pending_name(group: bytes, number: int) -> bytes:
    """The place of an entry that may be pending."""
    return place_name(b"p", group, number.to_bytes(16, "big"))


def group_memory(group: Group) -> GroupMemory:
    """What is remembered of the group; made of what shows where all members have all of it."""
    memory = group.memory
    if memory is None:
        memory = GroupMemory()
        group.memory = memory
        claim_group(group, memory, 0, 0)
    return memory


def claim_group(group: Group, memory: GroupMemory, stamp: i64, origin: i64) -> None:
    """All that a group shows as claims under this dot."""
    memory.made.do_claim(stamp, origin, 0)
    memory.lasts.do_claim(stamp, origin, group.last_id)
    memory.reads.do_claim(stamp, origin, group.last_id, group.entries_read)
    for name in group.consumers:
        peaks = Peaks()
        peaks.do_claim(stamp, origin, 0)
        memory.consumers[name] = peaks
    if stamp != 0:
        for number, pending in group.pending.items():
            pending.stamp = stamp
            pending.origin = origin
            memory.recent[number] = None


def give_stream_dots(value: StreamValue, stamp: i64, origin: i64) -> None:
    """A whole stream was written by one write, with its groups."""
    give_entry_dots(value, stamp, origin)
    for group in value.groups.values():
        memory = GroupMemory()
        group.memory = memory
        claim_group(group, memory, stamp, origin)


def found_group(value: StreamValue, name: bytes) -> Group:
    """The group, shown or only remembered, or a new one of which nothing is known."""
    group = value.groups.get(name)
    if group is None:
        group = value.hidden_groups.get(name)
    if group is None:
        group = Group(name, 0, UNKNOWN_READS)
        group.memory = GroupMemory()
        value.hidden_groups[name] = group
    return group


def settle_group(value: StreamValue, group: Group) -> None:
    """The group shows what its claims say; it goes where nothing is remembered of it."""
    memory = group_memory(group)
    name = group.name
    group.last_id = memory.lasts.number()
    reads = memory.reads.highest()
    group.entries_read = UNKNOWN_READS if reads is None else reads.reads
    if memory.made.claims:
        value.groups[name] = group
        value.hidden_groups.pop(name, None)
        return
    value.groups.pop(name, None)
    if memory.is_empty() and not group.pending:
        value.hidden_groups.pop(name, None)
    else:
        value.hidden_groups[name] = group


# --- what is pending ----------------------------------------------------------------------------


def deliveries_of(group: Group, number: int) -> list[Delivery]:
    """All deliveries of an entry; not to be changed."""
    contested = group_memory(group).contested.get(number)
    if contested is not None:
        return contested
    known = group.pending.get(number)
    if known is None:
        return []
    return [
        Delivery(known.stamp, known.origin, known.consumer.name, known.time_ms, known.count)
    ]


def set_place(
    group: Group, number: int, deliveries: list[Delivery], acks: list[Dot]
) -> None:
    """Makes these an entry's deliveries and acknowledgements."""
    memory = group_memory(group)
    if acks:
        memory.acks[number] = acks
    else:
        memory.acks.pop(number, None)
    if deliveries and (acks or len(deliveries) > 1):
        memory.contested[number] = deliveries
    else:
        memory.contested.pop(number, None)
    if acks or not deliveries:
        group.do_acknowledge(number)
        return
    newest = newest_delivery(deliveries)
    time_ms = newest.time_ms
    for each in deliveries:
        time_ms = max(time_ms, each.time_ms)
    consumer = group.do_consumer(newest.consumer, newest.time_ms)
    group.do_deliver(consumer, number, time_ms, delivered_count(deliveries))
    known = group.pending[number]
    known.stamp = newest.stamp
    known.origin = newest.origin
    if newest.stamp != 0:
        memory.recent[number] = None


def set_only(
    group: Group, memory: GroupMemory, number: int, consumer: Consumer, time_ms: int, count: int,
    dot: Dot,
) -> None:  # fmt: skip
    """As `set_place`, by a write that had seen all there is of the entry."""
    memory.contested.pop(number, None)
    memory.acks.pop(number, None)
    group.do_deliver(consumer, number, time_ms, count)
    known = group.pending[number]
    known.stamp = dot.stamp
    known.origin = dot.origin
    if dot.stamp != 0:
        memory.recent[number] = None


def clear_place(group: Group, number: int, sight: Sight) -> None:
    """Takes the deliveries and acknowledgements of an entry that a write had seen."""
    acks = group_memory(group).acks.get(number, [])
    kept = unseen_deliveries(deliveries_of(group, number), sight)
    set_place(group, number, kept, unseen_dots(acks, sight))


def deliver(value: StreamValue, delivered: Delivered, dot: Dot, sight: Sight) -> i64:
    """XDELIVER: how many entries were given."""
    group = found_group(value, delivered.group)
    memory = group_memory(group)
    name = delivered.group
    stamp = dot.stamp
    origin = dot.origin
    late = sight.late
    is_gone = late and (sight.gone(WHOLE_KEY) or sight.gone([place_name(b"g", name)]))
    moved = delivered.last_id != 0 and not is_gone
    if moved and not (late and sight.gone([place_name(b"s", name)])):
        memory.lasts.do_claim(stamp, origin, delivered.last_id)
        if delivered.entries_read != KEEP_READS:
            memory.reads.do_claim(stamp, origin, delivered.last_id, delivered.entries_read)
    given = delivered.deliveries
    if late and not is_gone:
        is_gone = sight.gone([place_name(b"c", name, delivered.consumer)])
    if given and not is_gone:
        claim_consumer(group, delivered.consumer, given[0][1], stamp, origin)
    for number, time_ms, count in given:
        if sight is ALL_SEEN:
            consumer = group.consumers[delivered.consumer]
            set_only(group, memory, number, consumer, time_ms, count, dot)
            continue
        kept = unseen_deliveries(deliveries_of(group, number), sight)
        if not is_gone and not (late and sight.gone([pending_name(name, number)])):
            kept.append(Delivery(stamp, origin, delivered.consumer, time_ms, count))
        acks = memory.acks.get(number)
        set_place(group, number, kept, [] if acks is None else unseen_dots(acks, sight))
    settle_group(value, group)
    return len(given)


def acknowledge(value: StreamValue, acknowledged: Acknowledged, dot: Dot, sight: Sight) -> i64:
    """XACK: how many entries were pending."""
    name = acknowledged.group
    group = found_group(value, name)
    memory = group_memory(group)
    before = len(group.pending)
    late = sight.late
    is_gone = late and (sight.gone(WHOLE_KEY) or sight.gone([place_name(b"g", name)]))
    for number in acknowledged.ids:
        if sight is ALL_SEEN:
            memory.contested.pop(number, None)
            memory.acks[number] = [dot]
            group.do_acknowledge(number)
            continue
        deliveries = unseen_deliveries(deliveries_of(group, number), sight)
        acks = unseen_dots(memory.acks.get(number, []), sight)
        if not is_gone and not (late and sight.gone([pending_name(name, number)])):
            acks.append(dot)
        set_place(group, number, deliveries, acks)
    settle_group(value, group)
    return before - len(group.pending)


# --- groups and consumers -----------------------------------------------------------------------


def claim_consumer(group: Group, name: bytes, time_ms: int, stamp: i64, origin: i64) -> None:
    """The consumer is there."""
    consumers = group_memory(group).consumers
    peaks = consumers.get(name)
    if peaks is None:
        peaks = Peaks()
        consumers[name] = peaks
    peaks.do_claim(stamp, origin, 0)
    group.do_consumer(name, time_ms)


def clear_consumer(group: Group, name: bytes, sight: Sight) -> i64:
    """DELCONSUMER: takes what the writer had seen of the consumer; how much was pending with it,
    -1 where it was not there."""
    consumer = group.consumers.get(name)
    before: i64 = -1 if consumer is None else consumer.pending.count
    memory = group_memory(group)
    numbers = [] if consumer is None else consumer.pending.all()
    for number, deliveries in memory.contested.items():
        for each in deliveries:
            if each.consumer == name:
                numbers.append(number)
                break
    for number in dict.fromkeys(numbers):
        kept = [
            each for each in deliveries_of(group, number)
            if each.consumer != name or not sight.has(each.stamp, each.origin)
        ]  # fmt: skip
        set_place(group, number, kept, memory.acks.get(number, []))
    peaks = memory.consumers.get(name)
    if peaks is not None:
        peaks.do_clear(sight)
        if not peaks.claims:
            del memory.consumers[name]
            group.do_forget(name)
    return before


def clear_group(value: StreamValue, group: Group, sight: Sight) -> None:
    """DESTROY: takes what the writer had seen of the group."""
    memory = group_memory(group)
    memory.made.do_clear(sight)
    clear_position(group, sight)
    for number in dict.fromkeys([*group.order.all(), *memory.contested, *memory.acks]):
        clear_place(group, number, sight)
    for name in list(memory.consumers):
        clear_consumer(group, name, sight)
    settle_group(value, group)


def clear_position(group: Group, sight: Sight) -> None:
    """SETID: takes the positions that the writer had seen."""
    memory = group_memory(group)
    memory.lasts.do_clear(sight)
    memory.reads.do_clear(sight)


def clear_groups(value: StreamValue, sight: Sight) -> None:
    """A write that replaces the key takes of all groups what it had seen."""
    for group in [*value.groups.values(), *value.hidden_groups.values()]:
        clear_group(value, group, sight)


def change_group(
    value: StreamValue, change: GroupChange, dot: Dot, stamp: i64, sight: Sight
) -> i64:
    """XGROUP: as node/store/mutate_streams.py's Regroup. `stamp` says when the write was made."""
    name = change.group
    group = found_group(value, name)
    was_shown = name in value.groups
    result: i64 = 0
    if change.kind == DESTROY:
        clear_group(value, group, sight)
        return 1 if was_shown else 0
    whole_gone = sight.gone(WHOLE_KEY) or sight.gone([place_name(b"g", name)])
    if change.kind == CREATE:
        clear_group(value, group, sight)
        if not sight.gone(WHOLE_KEY):
            memory_of(value).made.do_claim(dot.stamp, dot.origin, 0)
        if not whole_gone:
            group_memory(group).made.do_claim(dot.stamp, dot.origin, 0)
            claim_position(group, change, dot, sight)
        settle(value)
        result = 0 if was_shown else 1
    elif change.kind == SETID:
        clear_position(group, sight)
        if not whole_gone:
            claim_position(group, change, dot, sight)
        result = 1 if was_shown else 0
    elif change.kind == CREATE_CONSUMER:
        if change.consumer not in group.consumers:
            result = 1
        if not whole_gone and not sight.gone([place_name(b"c", name, change.consumer)]):
            # A command read back does not say the time, but its stamp does.
            time_ms = change.time_ms if change.time_ms else int(stamp >> 20)
            claim_consumer(group, change.consumer, time_ms, dot.stamp, dot.origin)
    else:
        result = clear_consumer(group, change.consumer, sight)
    settle_group(value, group)
    return result


def claim_position(group: Group, change: GroupChange, dot: Dot, sight: Sight) -> None:
    """CREATE and SETID: where the group stands."""
    if sight.gone([place_name(b"s", group.name)]):
        return
    memory = group_memory(group)
    memory.lasts.do_claim(dot.stamp, dot.origin, change.number)
    memory.reads.do_claim(dot.stamp, dot.origin, change.number, change.entries_read)


def put_groups(value: StreamValue, put: StreamValue, dot: Dot, sight: Sight) -> None:
    """The groups of a whole stream are written over what is left of others."""
    for name, other in put.groups.items():
        create = GroupChange(CREATE, name, other.last_id, other.entries_read)
        if sight.gone(WHOLE_KEY) or sight.gone([place_name(b"g", name)]):
            continue
        group = found_group(value, name)
        memory = group_memory(group)
        memory.made.do_claim(dot.stamp, dot.origin, 0)
        claim_position(group, create, dot, sight)
        for consumer in other.consumers.values():
            if not sight.gone([place_name(b"c", name, consumer.name)]):
                claim_consumer(group, consumer.name, consumer.seen_ms, dot.stamp, dot.origin)
        for number in other.order.all():
            known = other.pending[number]
            owner = place_name(b"c", name, known.consumer.name)
            if sight.gone([owner]) or sight.gone([pending_name(name, number)]):
                continue
            mine = Delivery(
                dot.stamp, dot.origin, known.consumer.name, known.time_ms, known.count
            )
            deliveries = [*deliveries_of(group, number), mine]
            set_place(group, number, deliveries, memory.acks.get(number, []))
        settle_group(value, group)
