"""StreamKind: a stream entry by entry, with its positions and groups.  [compiled]"""

from __future__ import annotations

from typing import cast

from librt.strings import BytesWriter
from mypy_extensions import i64

from mesh.dots import Streams
from mesh.merge.covers import Cover
from mesh.merge.kinds.kind import Kind, Scope
from mesh.merge.kinds.stream_bytes import put_stream, read_stream
from mesh.merge.kinds.stream_join import join_streams, two_values
from mesh.merge.sights import ID_BYTES, CoverSight, LateSight
from mesh.packing import Source
from mesh.removals import PLACE, SPAN, Removals
from node.store.effect import Effect
from node.store.entry import Dot
from node.store.values.group_changes import (
    NAME_BYTES,
    clear_consumer,
    clear_group,
    clear_groups,
    clear_place,
    clear_position,
    found_group,
    give_stream_dots,
    put_groups,
    settle_group,
)
from node.store.values.stream_changes import (
    clear_stream,
    delete_entries,
    memory_of,
    new_stream,
    put_entries,
    sees_below,
    settle,
)
from node.store.values.stream_dots import Sight
from node.store.values.stream_ids import ID_MAX
from node.store.values.stream_payloads import Deleted
from node.store.values.stream_stable import forget_stream
from node.store.values.streams import StreamValue
from node.store.values.value import Value


class StreamKind(Kind):
    """Streams, by places."""

    def __init__(self) -> None:
        super().__init__()
        self.by_places = True

    def remembers(self, value: Value) -> bool:
        stream = cast(StreamValue, value)
        memory = stream.memory
        return (
            memory is None
            or not memory.is_empty()
            or stream.length > 0
            or len(stream.groups) + len(stream.hidden_groups) > 0
        )

    def is_covered(self, value: Value, cover: Cover) -> bool:
        stream = cast(StreamValue, value)
        memory = stream.memory
        if memory is None:
            return cover.has(0, 0)
        if stream.groups or stream.hidden_groups:
            return False
        sight = CoverSight(cover)
        if memory.tally.stable and not cover.has(0, 0):
            return False
        for base in memory.tally.bases:
            if not cover.has(base.stamp, base.origin):
                return False
        for origin, log in memory.tally.logs.items():
            if not cover.has(log.last(), i64(origin)):
                return False
        return (
            memory.made.is_seen(sight)
            and memory.tops.is_seen(sight)
            and memory.deleted.is_seen(sight)
            and sees_below(stream, ID_MAX + 1, sight)
        )

    def clear(self, value: Value, cover: Cover) -> None:
        clear_all(cast(StreamValue, value), CoverSight(cover))

    def clear_scopes(
        self, value: Value, scopes: list[Scope], cover: Cover, streams: Streams
    ) -> None:
        stream = cast(StreamValue, value)
        sight = CoverSight(cover)
        for kind, place in scopes:
            if kind == PLACE:
                clear_named(stream, place, sight)
            elif kind == SPAN and len(place) == 2 * ID_BYTES:
                low = int.from_bytes(place[:ID_BYTES], "big")
                high = int.from_bytes(place[ID_BYTES:], "big")
                entries = Deleted([low], 0, True)
                if low != high:
                    entries = Deleted([], high + 1, True)
                delete_entries(stream, entries, Dot(0, 0), sight)

    def overwrite(self, here: Value | None, effect: Effect, cover: Cover, late: Removals) -> Value:
        put = cast(StreamValue, effect.value)
        dot = Dot(effect.stamp, effect.origin)
        sight = LateSight(cover, late, effect)
        if not sight.waiting and (here is None or self.is_covered(here, cover)):
            made = put.copy()
            give_stream_dots(made, dot.stamp, dot.origin)
            return made
        stream = new_stream() if here is None else cast(StreamValue, here)
        clear_all(stream, sight)
        put_entries(stream, put, dot, sight)
        put_groups(stream, put, dot, sight)
        return stream

    def differs(self, here: Value | None, there: Value | None) -> int:
        if here is None or there is None:
            return 0
        return two_values(cast(StreamValue, here), cast(StreamValue, there))

    def join(
        self, here: Value | None, there: Value | None, mine: Cover, theirs: Cover, streams: Streams
    ) -> Value | None:
        ours = new_stream() if here is None else cast(StreamValue, here)
        others = new_stream() if there is None else cast(StreamValue, there)
        join_streams(ours, others, CoverSight(mine), CoverSight(theirs))
        return ours if self.remembers(ours) else None

    def forget(self, value: Value, cut: Cover) -> None:
        forget_stream(cast(StreamValue, value), CoverSight(cut))

    def put(self, out: BytesWriter, value: Value) -> None:
        put_stream(out, cast(StreamValue, value))

    def read(self, source: Source, value: Value) -> None:
        read_stream(source, cast(StreamValue, value))

    def give_dots(self, value: Value, stamp: i64, origin: i64, first: i64) -> i64:
        stream = cast(StreamValue, value)
        if stream.memory is None:
            give_stream_dots(stream, stamp, origin)
        return 0


def clear_all(stream: StreamValue, sight: Sight) -> None:
    """Everything that a write which replaces the key had seen."""
    clear_groups(stream, sight)
    clear_stream(stream, sight)


def clear_named(stream: StreamValue, place: bytes, sight: Sight) -> None:
    """One place by its name: see node/store/values/group_changes.py."""
    memory = memory_of(stream)
    what = place[:1]
    if what == b"l":
        memory.tops.do_clear(sight)
    elif what == b"d":
        memory.deleted.do_clear(sight)
    elif what == b"a":
        memory.tally.do_clear(sight)
    else:
        end = 1 + NAME_BYTES + int.from_bytes(place[1 : 1 + NAME_BYTES], "big")
        group = found_group(stream, place[1 + NAME_BYTES : end])
        if what == b"g":
            clear_group(stream, group, sight)
        elif what == b"s":
            clear_position(group, sight)
        elif what == b"c":
            clear_consumer(group, place[end:], sight)
        else:
            clear_place(group, int.from_bytes(place[end:], "big"), sight)
        settle_group(stream, group)
    settle(stream)
