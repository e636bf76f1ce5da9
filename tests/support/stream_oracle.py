"""What every stream must show once a mesh has healed, worked out from the published effects alone.

A pure function of the set of effects, slow and short on purpose: what an effect added at a place
lives unless another that had seen it clears that place. The places of a stream:

    made                      the stream exists
    last, deleted             an ID: the highest shows
    base, one                 entries-added as XSETID set it, and each entry that was added
    entry, id                 fields: the newest shows
    group, name, made         the group exists
    group, name, last|reads   where it stands
    group, name, consumer, c  the consumer exists
    group, name, given, id    a delivery: (consumer, time, count)
    group, name, ack, id      an acknowledgement
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mesh.dots import Streams
from node.journal import Commit
from node.store.effect import (
    CREATION,
    DROP,
    FLUSH,
    PUT,
    XACK,
    XADD,
    XDEL,
    XDELIVER,
    XGROUP,
    XSETID,
    Effect,
)  # fmt: skip
from node.store.values import groups as g
from node.store.values.stream_ids import id_text
from node.store.values.streams import StreamValue

Place = tuple[Any, ...]
Key = tuple[int, bytes]


@dataclass
class Act:
    """One effect: what it adds to a stream, and what it clears. `when` orders one writer's acts."""

    stream: bytes
    when: tuple[int, int]
    context: Mapping[bytes, int]
    key: Key
    adds: list[tuple[Place, Any]] = field(default_factory=list)
    clears: list[Place] = field(default_factory=list)  # what begins so; "below" and "owner" apart
    clears_key: bool = False
    clears_db: bool = False

    def saw(self, other: Act) -> bool:
        """Had this act's writer seen the other?"""
        if other.stream == self.stream:
            return other.when < self.when
        return other.when[0] <= self.context.get(other.stream, 0)

    def removes(self, key: Key, place: Place, payload: Any) -> bool:
        """Does it clear what stands at this place of a key?"""
        if self.clears_db:
            return self.key[0] == key[0]
        if self.key != key:
            return False
        return self.clears_key or any(lies_in(place, payload, each) for each in self.clears)


def lies_in(place: Place, payload: Any, scope: Place) -> bool:
    """Is a place in the scope?"""
    if scope[0] == "below":
        return bool(place[0] == "entry" and place[1] < scope[1])
    if scope[0] == "owner":
        return place[:3] == ("group", scope[1], "given") and payload[0] == scope[2]
    return place[: len(scope)] == scope


def acts_of(commit: Commit, streams: Streams) -> list[Act]:
    """What a node publishes of its own; [] for all else."""
    if commit.origin != 0:
        return []
    own = streams.own.uuid
    context = {each.uuid: int(each.seen) for each in streams.all if each is not streams.own}
    found = []
    for effect in commit.effects():
        when = (int(effect.stamp), int(effect.index))
        act = Act(own, when, context, (int(effect.db), effect.key))
        act.clears_db = effect.op == FLUSH
        act.clears_key = effect.op in (PUT, DROP) or bool(effect.flags & CREATION)
        describe(act, effect)
        if act.adds or act.clears or act.clears_db or act.clears_key:
            found.append(act)
    return found


def describe(act: Act, effect: Effect) -> None:
    """What an effect adds and clears."""
    value: Any = effect.value
    if effect.op == PUT and isinstance(value, StreamValue):
        act.adds = list(whole(value))
    elif effect.op == XADD:
        number = value.number
        act.adds = [(("made",), True), (("last",), number), (("one",), 1),
                    (("entry", number), value.items[int(value.begin) :])]  # fmt: skip
    elif effect.op == XDEL:
        act.clears = [("entry", number) for number in value.ids]
        if value.below:
            act.clears.append(("below", value.below))
        if value.ids and not value.is_trim:
            act.adds = [(("deleted",), max(value.ids))]
    elif effect.op == XSETID:
        act.clears = [("last",)]
        act.adds = [(("last",), value.last_id)]
        if value.entries_added >= 0:
            act.clears += [("base",), ("one",)]
            act.adds.append((("base",), value.entries_added))
        if value.max_deleted_id:
            act.clears.append(("deleted",))
            act.adds.append((("deleted",), value.max_deleted_id))
    elif effect.op == XGROUP:
        describe_group(act, value)
    elif effect.op == XDELIVER:
        group = ("group", value.group)
        if value.last_id:
            act.adds.append(((*group, "last"), value.last_id))
            if value.entries_read != g.KEEP_READS:
                act.adds.append(((*group, "reads"), (value.last_id, value.entries_read)))
        if value.deliveries:
            act.adds.append(((*group, "consumer", value.consumer), True))
        given = {number: (value.consumer, ms, count) for number, ms, count in value.deliveries}
        for number, delivery in given.items():
            act.clears += [(*group, "given", number), (*group, "ack", number)]
            act.adds.append(((*group, "given", number), delivery))
    elif effect.op == XACK:
        for number in value.ids:
            group = ("group", value.group)
            act.clears += [(*group, "given", number), (*group, "ack", number)]
            act.adds.append(((*group, "ack", number), True))


def describe_group(act: Act, change: g.GroupChange) -> None:
    """XGROUP."""
    group = ("group", change.group)
    stand = [((*group, "last"), change.number),
             ((*group, "reads"), (change.number, change.entries_read))]  # fmt: skip
    if change.kind == g.CREATE:
        act.clears = [group]
        act.adds = [(("made",), True), ((*group, "made"), True), *stand]
    elif change.kind == g.DESTROY:
        act.clears = [group]
    elif change.kind == g.SETID:
        act.clears = [(*group, "last"), (*group, "reads")]
        act.adds = list(stand)
    elif change.kind == g.CREATE_CONSUMER:
        act.adds = [((*group, "consumer", change.consumer), True)]
    else:
        act.clears = [(*group, "consumer", change.consumer), ("owner", *group[1:], change.consumer)]


def whole(value: StreamValue) -> Iterable[tuple[Place, Any]]:
    """A stream that is put."""
    yield ("made",), True
    yield ("last",), value.last_id
    yield ("base",), value.entries_added
    if value.max_deleted_id:
        yield ("deleted",), value.max_deleted_id
    ids: list[int] = []
    fields: list[list[bytes]] = []
    value.collect(0, 1 << 128, 0, ids, fields)
    for number, items in zip(ids, fields, strict=True):
        yield ("entry", number), items
    for group in value.groups.values():
        name = ("group", group.name)
        yield (*name, "made"), True
        yield (*name, "last"), group.last_id
        yield (*name, "reads"), (group.last_id, group.entries_read)
        for consumer in group.consumers:
            yield (*name, "consumer", consumer), True
        for number, known in group.pending.items():
            yield (*name, "given", number), (known.consumer.name, known.time_ms, known.count)


# --- what shows ---------------------------------------------------------------------------------


def living(acts: list[Act], key: Key) -> dict[Place, list[tuple[tuple[int, Any], Any]]]:
    """What nobody who had seen it has cleared: place -> (stamp, payload) each."""
    found: dict[Place, list[tuple[tuple[int, Any], Any]]] = {}
    for act in acts:
        if act.key != key:
            continue
        for place, payload in act.adds:
            if not any(by.saw(act) and by.removes(key, place, payload) for by in acts):
                found.setdefault(place, []).append(((act.when[0], payload), payload))
    return found


def expected(acts: list[Act], key: Key) -> tuple[bytes, ...] | None:
    """A stream as StreamValue.parts() tells it; None where there is none."""
    dots = living(acts, key)
    if ("made",) not in dots:
        return None
    entries = {
        place[1]: max(found)[1] for place, found in sorted(dots.items()) if place[0] == "entry"
    }
    last_id = max([payload for _, payload in dots.get(("last",), [])] + list(entries) + [0])
    deleted = max([payload for _, payload in dots.get(("deleted",), [])] + [0])
    base = max(dots.get(("base",), [((0, 0), 0)]))[1]
    added = max(base + len(dots.get(("one",), [])), len(entries))
    parts = [id_text(last_id), id_text(deleted), b"%d" % added, b"%d" % len(entries)]
    for number in sorted(entries):
        parts += [id_text(number), b"%d" % len(entries[number]), *entries[number]]
    for name in sorted({place[1] for place in dots if place[0] == "group"}):
        if ("group", name, "made") in dots:
            parts += group_parts(dots, name)
    return tuple(parts)


def group_parts(
    dots: dict[Place, list[tuple[tuple[int, Any], Any]]], name: bytes
) -> list[bytes]:
    """A group as Group.parts() tells it."""
    group = ("group", name)
    last_id = max([payload for _, payload in dots.get((*group, "last"), [])] + [0])
    reads = max([payload for _, payload in dots.get((*group, "reads"), [])] + [(-1, -1)])[1]
    consumers = sorted(place[3] for place in dots if place[:3] == (*group, "consumer"))
    parts = [name, id_text(last_id), b"%d" % reads, b"%d" % len(consumers), *consumers]
    pending = sorted(
        place[3] for place in dots
        if place[:3] == (*group, "given") and (*group, "ack", place[3]) not in dots
    )  # fmt: skip
    parts.append(b"%d" % len(pending))
    for number in pending:
        given = dots[(*group, "given", number)]
        count = max(payload[2] for _, payload in given) + len(given) - 1
        parts += [id_text(number), max(given)[1][0], b"%d" % count]
    return parts
