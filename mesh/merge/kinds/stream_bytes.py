"""What is remembered of a stream, to bytes and back: dots of the entries, claims, groups.
[compiled]

The record or DUMP beside it has the entries that show and the groups with their consumers; what is
pending stands here with its dots, since hidden groups are in no record.
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter, write_i32_le, write_i64_le
from mypy_extensions import i32, i64

from mesh.packing import Source, put_dot, put_text
from node.store.entry import Dot
from node.store.values.group_changes import (
    deliveries_of,
    found_group,
    group_memory,
    set_place,
    settle_group,
)
from node.store.values.group_dots import Delivery, GroupMemory
from node.store.values.groups import Group
from node.store.values.stream_changes import settle
from node.store.values.stream_dots import Peak, Peaks, Rival, StampLog, StreamMemory
from node.store.values.stream_nodes import DELETED
from node.store.values.streams import StreamValue, live_dots, note_dot

ID_BYTES: Final = 16
NO_MEMORY: Final = 0
MEMORY: Final = 1


def put_stream(out: BytesWriter, value: StreamValue) -> None:
    """All of it."""
    memory = value.memory
    if memory is None:
        out.append(NO_MEMORY)
        return
    out.append(MEMORY)
    put_entry_dots(out, value)
    write_i32_le(out, i32(len(memory.rivals)))
    for number, rivals in memory.rivals.items():
        put_id(out, number)
        write_i32_le(out, i32(len(rivals)))
        for rival in rivals:
            put_dot(out, rival.stamp, rival.origin)
            write_i32_le(out, i32(len(rival.items)))
            for item in rival.items:
                put_text(out, item)
    put_peaks(out, memory.made.claims)
    put_peaks(out, memory.tops.claims)
    put_peaks(out, memory.deleted.claims)
    put_peaks(out, memory.tally.bases)
    write_i64_le(out, i64(memory.tally.stable))
    write_i32_le(out, i32(len(memory.tally.logs)))
    for origin, log in memory.tally.logs.items():
        stamps = log.stamps()
        put_dot(out, i64(stamps[0]), i64(origin))
        write_i32_le(out, i32(len(stamps) - 1))
        for stamp in stamps[1:]:
            write_i64_le(out, i64(stamp))
    groups = [*value.groups_in_order(), *value.hidden_groups.values()]
    write_i32_le(out, i32(len(groups)))
    for group in groups:
        put_group(out, group)


def put_entry_dots(out: BytesWriter, value: StreamValue) -> None:
    """Runs of entries with one dot."""
    write_i32_le(out, i32(value.length))
    count: i64 = 0
    last = Dot(0, 0)
    place = value.head
    while place < len(value.nodes):
        node = value.nodes[place]
        place += 1
        each = [Dot(0, 0)] * int(node.live)
        if node.dots is not None:
            each = live_dots(node, value.opened(node))
        for dot in each:
            if count != 0 and (dot.stamp != last.stamp or dot.origin != last.origin):
                write_i32_le(out, i32(count))
                put_dot(out, last.stamp, last.origin)
                count = 0
            last = dot
            count += 1
    if count != 0:
        write_i32_le(out, i32(count))
        put_dot(out, last.stamp, last.origin)


def put_id(out: BytesWriter, number: int) -> None:
    """An ID."""
    out.write(number.to_bytes(ID_BYTES, "big"))


def put_peaks(out: BytesWriter, claims: list[Peak]) -> None:
    """Claims."""
    write_i32_le(out, i32(len(claims)))
    for each in claims:
        put_dot(out, each.stamp, each.origin)
        put_id(out, each.number)
        write_i64_le(out, i64(each.reads))


def put_group(out: BytesWriter, group: Group) -> None:
    """A group with all that is pending in it."""
    memory = group_memory(group)
    put_text(out, group.name)
    put_peaks(out, memory.made.claims)
    put_peaks(out, memory.lasts.claims)
    put_peaks(out, memory.reads.claims)
    write_i32_le(out, i32(len(memory.consumers)))
    for name, peaks in memory.consumers.items():
        put_text(out, name)
        put_peaks(out, peaks.claims)
    numbers = list(dict.fromkeys([*group.order.all(), *memory.contested, *memory.acks]))
    write_i32_le(out, i32(len(numbers)))
    for number in numbers:
        put_id(out, number)
        deliveries = deliveries_of(group, number)
        write_i32_le(out, i32(len(deliveries)))
        for each in deliveries:
            put_dot(out, each.stamp, each.origin)
            put_text(out, each.consumer)
            write_i64_le(out, i64(each.time_ms))
            write_i64_le(out, i64(each.count))
        acks = memory.acks.get(number, [])
        write_i32_le(out, i32(len(acks)))
        for ack in acks:
            put_dot(out, ack.stamp, ack.origin)


# --- reading ------------------------------------------------------------------------------------


def read_stream(source: Source, value: StreamValue) -> None:
    """The reverse of put_stream. ValueError where the bytes do not fit the stream."""
    if source.byte() == NO_MEMORY:
        return
    read_entry_dots(source, value)
    memory = StreamMemory()
    value.memory = memory
    for _ in range(int(source.count())):
        number = read_id(source)
        rivals: list[Rival] = []
        for _ in range(int(source.count())):
            dot = read_dot(source)
            items = [source.text() for _ in range(int(source.count()))]
            rivals.append(Rival(dot.stamp, dot.origin, items))
        memory.rivals[number] = rivals
    memory.made = read_peaks(source)
    memory.tops = read_peaks(source)
    memory.deleted = read_peaks(source)
    memory.tally.bases = read_peaks(source).claims
    memory.tally.stable = int(source.number())
    for _ in range(int(source.count())):
        first = read_dot(source)
        log = StampLog()
        log.do_set(
            [int(first.stamp), *[int(source.number()) for _ in range(int(source.count()))]]
        )
        memory.tally.logs[int(first.origin)] = log
    for _ in range(int(source.count())):
        read_group(source, value)
    settle(value)


def read_entry_dots(source: Source, value: StreamValue) -> None:
    """The dots of the entries, which are there already."""
    if source.count() != value.length:
        raise ValueError("a plexis-dots field counts other entries than the stream has")
    left: i64 = 0
    dot = Dot(0, 0)
    place = value.head
    while place < len(value.nodes):
        node = value.nodes[place]
        place += 1
        found = value.opened(node)
        at: i64 = 0
        n: i64 = len(found.ids)
        while at < n:
            if found.flags[at] & DELETED:
                note_dot(node, 0, 0, at)
            else:
                if left == 0:
                    left = source.count()
                    dot = read_dot(source)
                    if left <= 0:
                        raise ValueError("a plexis-dots field's runs do not fit the stream")
                note_dot(node, dot.stamp, dot.origin, at)
                left -= 1
            at += 1
    if left != 0:
        raise ValueError("a plexis-dots field's runs do not fit the stream")


def read_dot(source: Source) -> Dot:
    """One dot."""
    source.dot()
    return Dot(source.stamp, source.origin)


def read_id(source: Source) -> int:
    """An ID."""
    place = source.need(ID_BYTES)
    return int.from_bytes(source.data[place : place + ID_BYTES], "big")


def read_peaks(source: Source) -> Peaks:
    """The reverse of put_peaks."""
    peaks = Peaks()
    for _ in range(int(source.count())):
        dot = read_dot(source)
        number = read_id(source)
        peaks.claims.append(Peak(dot.stamp, dot.origin, number, int(source.number())))
    return peaks


def read_group(source: Source, value: StreamValue) -> None:
    """The reverse of put_group."""
    group = found_group(value, source.text())
    memory = GroupMemory()
    group.memory = memory
    memory.made = read_peaks(source)
    memory.lasts = read_peaks(source)
    memory.reads = read_peaks(source)
    for _ in range(int(source.count())):
        name = source.text()
        memory.consumers[name] = read_peaks(source)
        group.do_consumer(name, 0)
    for _ in range(int(source.count())):
        number = read_id(source)
        deliveries: list[Delivery] = []
        for _ in range(int(source.count())):
            dot = read_dot(source)
            consumer = source.text()
            time_ms = int(source.number())
            count = int(source.number())
            deliveries.append(Delivery(dot.stamp, dot.origin, consumer, time_ms, count))
        acks = [read_dot(source) for _ in range(int(source.count()))]
        set_place(group, number, deliveries, acks)
    settle_group(value, group)
