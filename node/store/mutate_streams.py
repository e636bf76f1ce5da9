"""Mutations of streams and their groups.  [compiled]

What a peer names and this node lacks is passed over; a consumer that is lacking is made. A key of
another type becomes a stream where something is added. In a mesh an effect has a dot, and changes
what is remembered too (node/store/values/stream_changes.py); what has no dot all members have.
"""

from __future__ import annotations

from typing import Final, cast

from mypy_extensions import i64

from node.store.effect import Effect
from node.store.entry import Dot, Entry
from node.store.mutation import Mutation
from node.store.values.group_changes import acknowledge, change_group, deliver
from node.store.values.groups import (
    CREATE,
    CREATE_CONSUMER,
    DESTROY,
    KEEP_READS,
    SETID,
    Acknowledged,
    Delivered,
    Group,
    GroupChange,
)
from node.store.values.stream_changes import (
    add_entry,
    delete_entries,
    new_stream,
    set_positions,
)
from node.store.values.stream_dots import ALL_SEEN
from node.store.values.streams import Added, Deleted, Positions, StreamValue

NO_DOT: Final = Dot(0, 0)


def has_memory(value: StreamValue, effect: Effect) -> bool:
    """Is more than what shows to be changed?"""
    return effect.dot is not None or value.memory is not None


def dot_of(effect: Effect) -> Dot:
    """The effect's dot; where it has none all members have what it adds."""
    dot = effect.dot
    return NO_DOT if dot is None else dot


class Xadd(Mutation):
    """XADD."""

    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = entry.value
        if not isinstance(value, StreamValue):
            value = StreamValue() if effect.dot is None else new_stream()
            entry.value = value
        added = cast(Added, effect.value)
        if has_memory(value, effect):
            add_entry(value, added, dot_of(effect), ALL_SEEN)
            return 1
        value.do_add(added.number, added.items, added.begin, added.limits)
        return 1


class Xdel(Mutation):
    """Returns how many entries there were."""

    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = entry.value
        if not isinstance(value, StreamValue):
            return 0
        deleted = cast(Deleted, effect.value)
        if has_memory(value, effect):
            return delete_entries(value, deleted, dot_of(effect), ALL_SEEN)
        count: i64 = 0
        if deleted.below != 0:
            count = value.do_trim(deleted.below)
        if deleted.ids:
            count += value.do_delete(deleted.ids, deleted.is_trim, deleted.limit)
        return count


class Reposition(Mutation):
    """XSETID. A peer may have added a higher ID meanwhile, which stays."""

    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = entry.value
        if not isinstance(value, StreamValue):
            return 0
        positions = cast(Positions, effect.value)
        if has_memory(value, effect):
            set_positions(value, positions, dot_of(effect), ALL_SEEN)
            return 1
        value.last_id = max(positions.last_id, value.last_entry_id())
        if positions.entries_added >= 0:
            value.entries_added = positions.entries_added
        if positions.max_deleted_id != 0:
            value.max_deleted_id = positions.max_deleted_id
        return 1


class Regroup(Mutation):
    """XGROUP. Returns 1 for a group made or gone or a consumer made, else 0; for a consumer that
    goes how much was pending with it, -1 where it was not there."""

    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = entry.value
        change = cast(GroupChange, effect.value)
        if effect.dot is not None and change.kind == CREATE and not isinstance(value, StreamValue):
            value = new_stream()
            entry.value = value
        if isinstance(value, StreamValue) and has_memory(value, effect):
            return change_group(value, change, dot_of(effect), effect.stamp, ALL_SEEN)
        if change.kind == CREATE:
            return self.create(entry, change)
        if not isinstance(value, StreamValue):
            return 0
        group = value.groups.get(change.group)
        if group is None:
            return 0
        if change.kind == DESTROY:
            del value.groups[change.group]
            return 1
        if change.kind == SETID:
            group.last_id = change.number
            group.entries_read = change.entries_read
            return 1
        if change.kind == CREATE_CONSUMER:
            if change.consumer in group.consumers:
                return 0
            # A command read back does not say the time, but its stamp does.
            time_ms = change.time_ms if change.time_ms else int(effect.stamp >> 20)
            group.do_consumer(change.consumer, time_ms)
            return 1
        return group.do_forget(change.consumer)

    def create(self, entry: Entry, change: GroupChange) -> i64:
        """A new group; of two that were made at once the further one stays."""
        value = entry.value
        if not isinstance(value, StreamValue):
            value = StreamValue()
            entry.value = value
        group = value.groups.get(change.group)
        if group is None:
            value.groups[change.group] = Group(change.group, change.number, change.entries_read)
            return 1
        if change.number > group.last_id:
            group.last_id = change.number
            group.entries_read = change.entries_read
        return 0


class Deliver(Mutation):
    """XDELIVER. Returns how many entries were given."""

    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = entry.value
        if not isinstance(value, StreamValue):
            return 0
        delivered = cast(Delivered, effect.value)
        if has_memory(value, effect):
            return deliver(value, delivered, dot_of(effect), ALL_SEEN)
        group = value.groups.get(delivered.group)
        if group is None:
            return 0
        if delivered.last_id > group.last_id:
            group.last_id = delivered.last_id
            if delivered.entries_read != KEEP_READS:
                group.entries_read = delivered.entries_read
        if not delivered.deliveries:
            return 0
        consumer = group.do_consumer(delivered.consumer, delivered.deliveries[0][1])
        for number, time_ms, count in delivered.deliveries:
            group.do_deliver(consumer, number, time_ms, count)
        return len(delivered.deliveries)


class Acknowledge(Mutation):
    """XACK. Returns how many were pending."""

    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = entry.value
        if not isinstance(value, StreamValue):
            return 0
        acknowledged = cast(Acknowledged, effect.value)
        if has_memory(value, effect):
            return acknowledge(value, acknowledged, dot_of(effect), ALL_SEEN)
        group = value.groups.get(acknowledged.group)
        if group is None:
            return 0
        count: i64 = 0
        for number in acknowledged.ids:
            if group.do_acknowledge(number):
                count += 1
        return count
