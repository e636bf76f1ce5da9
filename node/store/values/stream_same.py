"""A stream as every node of a mesh has it: for DUMP.  [compiled]

Where nodes end, which deleted entries are still in them and when a consumer was last seen are each
node's own.
"""

from __future__ import annotations

from node.store.values.groups import Group
from node.store.values.stream_ids import ID_MAX
from node.store.values.stream_nodes import USUAL_LIMITS, packed
from node.store.values.streams import StreamValue


def as_all_have_it(value: StreamValue) -> StreamValue:
    """A copy with the entries in full nodes, and times that the deliveries say."""
    twin = StreamValue()
    ids: list[int] = []
    fields: list[list[bytes]] = []
    value.collect(0, ID_MAX, 0, ids, fields)
    for node in packed(ids, fields, USUAL_LIMITS):
        twin.do_take_node(node)
    twin.length = value.length
    twin.first_id = value.first_id
    twin.last_id = value.last_id
    twin.max_deleted_id = value.max_deleted_id
    twin.entries_added = value.entries_added
    for name in sorted(value.groups):
        twin.groups[name] = same_group(value.groups[name])
    return twin


def same_group(group: Group) -> Group:
    """A consumer was last seen, and last active, when it was given the last of what is pending
    with it."""
    twin = group.copy()
    twin.consumers = {name: twin.consumers[name] for name in sorted(twin.consumers)}
    for consumer in twin.consumers.values():
        last_ms = 0
        for number in consumer.pending.all():
            last_ms = max(last_ms, twin.pending[number].time_ms)
        consumer.seen_ms = last_ms
        consumer.active_ms = last_ms
    return twin
