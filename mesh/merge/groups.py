"""Consumer groups (XGROUP, XDELIVER, XACK): groups and consumers survive a removal that had not
seen them, an acknowledgement wins over deliveries that had not seen it.  [compiled]"""

from __future__ import annotations

from typing import cast

from mesh.conflicts import REMOVED_TWICE
from mesh.merge.streams import Scope, StreamRule
from mesh.removals import PLACE
from node.store.effect import Effect
from node.store.entry import Dot
from node.store.values.group_changes import (
    acknowledge,
    change_group,
    deliver,
    deliveries_of,
    group_memory,
    pending_name,
    place_name,
)
from node.store.values.groups import (
    CREATE,
    CREATE_CONSUMER,
    DELETE_CONSUMER,
    SETID,
    Acknowledged,
    Delivered,
    Group,
    GroupChange,
)
from node.store.values.stream_dots import Sight
from node.store.values.stream_ids import id_text
from node.store.values.streams import StreamValue


class Groups(StreamRule):
    """XGROUP."""

    def adds(self, effect: Effect) -> bool:
        return cast(GroupChange, effect.value).kind == CREATE

    def is_quick(self, value: StreamValue, effect: Effect, sight: Sight) -> bool:
        change = cast(GroupChange, effect.value)
        name = change.group
        if change.kind == CREATE:
            return name not in value.groups and name not in value.hidden_groups
        return change.kind == CREATE_CONSUMER and name in value.groups

    def cleared(self, effect: Effect) -> list[Scope]:
        change = cast(GroupChange, effect.value)
        if change.kind == CREATE_CONSUMER:
            return []
        if change.kind == DELETE_CONSUMER:
            return [(PLACE, place_name(b"c", change.group, change.consumer))]
        return [(PLACE, place_name(b"s" if change.kind == SETID else b"g", change.group))]

    def carry_out(self, value: StreamValue, effect: Effect, dot: Dot, sight: Sight) -> None:
        change_group(value, cast(GroupChange, effect.value), dot, effect.stamp, sight)


class Deliveries(StreamRule):
    """XDELIVER: takes the deliveries and acknowledgements of its entries that it had seen."""

    def is_quick(self, value: StreamValue, effect: Effect, sight: Sight) -> bool:
        delivered = cast(Delivered, effect.value)
        group = value.groups.get(delivered.group)
        if group is None:
            return False
        numbers = [number for number, _, _ in delivered.deliveries]
        return sees_places(group, numbers, sight)

    def cleared(self, effect: Effect) -> list[Scope]:
        delivered = cast(Delivered, effect.value)
        name = delivered.group
        return [(PLACE, pending_name(name, number)) for number, _, _ in delivered.deliveries]

    def carry_out(self, value: StreamValue, effect: Effect, dot: Dot, sight: Sight) -> None:
        delivered = cast(Delivered, effect.value)
        group = value.groups.get(delivered.group)
        twice: list[int] = []
        if group is not None:
            for number, _, _ in delivered.deliveries:
                if was_given(group, number, sight) and not sight.gone(
                    [pending_name(delivered.group, number)]
                ):
                    twice.append(number)
        deliver(value, delivered, dot, sight)
        for number in twice:
            assert group is not None
            known = group.pending.get(number)
            shows = known is not None and known.stamp == dot.stamp and known.origin == dot.origin
            self.memory.conflicts.notice(REMOVED_TWICE, effect, id_text(number), shows)


class Acknowledgements(StreamRule):
    """XACK: takes the deliveries that it had seen, and stays, for those it had not."""

    def is_quick(self, value: StreamValue, effect: Effect, sight: Sight) -> bool:
        acknowledged = cast(Acknowledged, effect.value)
        group = value.groups.get(acknowledged.group)
        return group is not None and sees_places(group, acknowledged.ids, sight)

    def cleared(self, effect: Effect) -> list[Scope]:
        acknowledged = cast(Acknowledged, effect.value)
        name = acknowledged.group
        return [(PLACE, pending_name(name, number)) for number in acknowledged.ids]

    def carry_out(self, value: StreamValue, effect: Effect, dot: Dot, sight: Sight) -> None:
        acknowledge(value, cast(Acknowledged, effect.value), dot, sight)


def was_given(group: Group, number: int, sight: Sight) -> bool:
    """Was an entry given to somebody, or acknowledged, by a write that another had not seen?"""
    for each in deliveries_of(group, number):
        if not sight.has(each.stamp, each.origin):
            return True
    for ack in group_memory(group).acks.get(number, []):
        if not sight.has(ack.stamp, ack.origin):
            return True
    return False


def sees_places(group: Group, numbers: list[int], sight: Sight) -> bool:
    """Had a write seen all deliveries and acknowledgements of these entries?"""
    memory = group_memory(group)
    for number in numbers:
        if number in memory.contested:
            return False
        for ack in memory.acks.get(number, []):
            if not sight.has(ack.stamp, ack.origin):
                return False
        known = group.pending.get(number)
        if known is not None and not sight.has(known.stamp, known.origin):
            return False
    return True
