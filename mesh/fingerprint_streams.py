"""Streams in a fingerprint: entries with their dots, claims of positions, groups.  [compiled]

A stream of which every member has all has no memory, or one whose claims have no dots: the two are
the same. When a consumer was last seen is a node's own knowledge and no part of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

from librt.strings import BytesWriter, write_i32_le, write_i64_le
from mypy_extensions import i32, i64, u8

from mesh.fingerprint_hash import HASH_BYTES, Mixer, Sum
from mesh.packing import put_text
from node.store.entry import Dot
from node.store.values.group_dots import Delivery, GroupMemory
from node.store.values.groups import Group
from node.store.values.stream_dots import Peak, StreamMemory, is_above
from node.store.values.stream_nodes import DELETED
from node.store.values.streams import StreamValue

ENTRIES: Final = 1
RIVALS: Final = 2
MADE: Final = 3
TOPS: Final = 4
GONE: Final = 5
BASES: Final = 6
LOGS: Final = 7
STABLE: Final = 8
GROUPS: Final = 9
LASTS: Final = 10
READS: Final = 11
CONSUMERS: Final = 12
PLACES: Final = 13
ACKS: Final = 14
ID_BYTES: Final = 16


def put_stream(
    out: BytesWriter, mixer: Mixer, value: StreamValue, places: i64
) -> Iterator[None]:
    """All that is known of a stream."""
    if value.length != 0:
        yield from put_entries(out, mixer, value, places)
    memory = value.memory
    if memory is None:
        memory = StreamMemory()
        claim(memory, value)
    rivals: list[bytes] = []
    for number, held in memory.rivals.items():
        one = BytesWriter()
        put_id(one, number)
        items: list[bytes] = []
        for rival in held:
            words = BytesWriter()
            mixer.put_dot(words, rival.stamp, rival.origin)
            for word in rival.items:
                put_text(words, word)
            items.append(words.getvalue())
        mixer.put_items(one, RIVALS, items)
        rivals.append(one.getvalue())
    mixer.put_items(out, RIVALS, rivals)
    put_peaks(out, mixer, MADE, memory.made.claims)
    put_peaks(out, mixer, TOPS, memory.tops.claims)
    put_peaks(out, mixer, GONE, memory.deleted.claims)
    put_peaks(out, mixer, BASES, memory.tally.bases)
    logs: list[bytes] = []
    stable: i64 = memory.tally.stable
    for origin, log in memory.tally.logs.items():
        one = BytesWriter()
        one.write(mixer.streams.all[origin].uuid)
        kept: i64 = 0
        for stamp in log.stamps():
            if mixer.is_stable(i64(stamp), i64(origin)):
                stable += 1
            else:
                write_i64_le(one, i64(stamp))
                kept += 1
        if kept != 0:
            logs.append(one.getvalue())
    mixer.put_items(out, LOGS, logs)
    if stable != 0:
        out.append(u8(STABLE))
        write_i64_le(out, stable)
    groups: list[bytes] = []
    for group in [*value.groups.values(), *value.hidden_groups.values()]:
        one = BytesWriter()
        yield from put_group(one, mixer, group, places)
        if len(one) != 0:
            name = BytesWriter()
            put_text(name, group.name)
            groups.append(name.getvalue() + one.getvalue())
    mixer.put_items(out, GROUPS, groups)


def claim(memory: StreamMemory, value: StreamValue) -> None:
    """What a stream shows, as claims that every member has (values/stream_changes.py)."""
    memory.made.claims.append(Peak(0, 0, 0))
    memory.tops.claims.append(Peak(0, 0, value.last_id))
    if value.max_deleted_id:
        memory.deleted.claims.append(Peak(0, 0, value.max_deleted_id))
    memory.tally.bases.append(Peak(0, 0, value.entries_added))


def put_entries(
    out: BytesWriter, mixer: Mixer, value: StreamValue, places: i64
) -> Iterator[None]:
    """Every entry: its ID, its fields, its dot."""
    hashed = blake2b(digest_size=HASH_BYTES, salt=mixer.salt)
    done: i64 = 0
    for node in value.nodes[int(value.head) :]:
        found = value.opened(node)
        part = BytesWriter()
        at: i64 = 0
        n: i64 = len(found.ids)
        while at < n:
            if found.flags[at] & DELETED == 0:
                put_id(part, found.ids[at])
                items = found.fields(at)
                write_i32_le(part, i32(len(items)))
                for item in items:
                    put_text(part, item)
                dots = node.dots
                if dots is None:
                    mixer.put_dot(part, 0, 0)
                else:
                    mixer.put_dot(part, dots.stamp_at(at), dots.origin_at(at))
            at += 1
        hashed.update(part.getvalue())
        done += n
        if done >= places:
            done = 0
            yield None
    out.append(u8(ENTRIES))
    write_i64_le(out, value.length)
    out.write(hashed.digest())


def put_id(out: BytesWriter, number: int) -> None:
    """An ID."""
    out.write(number.to_bytes(ID_BYTES, "big"))


def put_peaks(out: BytesWriter, mixer: Mixer, tag: i64, claims: list[Peak]) -> None:
    """Claims of a position; of the stable ones the highest."""
    items: list[bytes] = []
    best: Peak | None = None
    for each in claims:
        if mixer.is_stable(each.stamp, each.origin):
            if best is None or is_above(each, best.number, best.reads):
                best = each
            continue
        one = BytesWriter()
        mixer.put_dot(one, each.stamp, each.origin)
        put_id(one, each.number)
        write_i64_le(one, i64(each.reads))
        items.append(one.getvalue())
    if best is not None:
        one = BytesWriter()
        mixer.put_dot(one, 0, 0)
        put_id(one, best.number)
        write_i64_le(one, i64(best.reads))
        items.append(one.getvalue())
    mixer.put_items(out, tag, items)


def put_group(out: BytesWriter, mixer: Mixer, group: Group, places: i64) -> Iterator[None]:
    """A group with its consumers and all that is pending."""
    memory = group.memory
    if memory is None:
        memory = GroupMemory()
        memory.made.claims.append(Peak(0, 0, 0))
        memory.lasts.claims.append(Peak(0, 0, group.last_id))
        memory.reads.claims.append(Peak(0, 0, group.last_id, group.entries_read))
        names = list(group.consumers)
    else:
        names = []
    put_peaks(out, mixer, MADE, memory.made.claims)
    put_peaks(out, mixer, LASTS, memory.lasts.claims)
    put_peaks(out, mixer, READS, memory.reads.claims)
    consumers: list[bytes] = []
    for name in names:
        consumers.append(consumer_bytes(mixer, name, [Peak(0, 0, 0)]))
    for name, peaks in memory.consumers.items():
        consumers.append(consumer_bytes(mixer, name, peaks.claims))
    mixer.put_items(out, CONSUMERS, consumers)
    pending = Sum()
    done: i64 = 0
    for number in list(dict.fromkeys([*group.pending, *memory.contested, *memory.acks])):
        known = place_bytes(mixer, group, memory, number)
        if known:
            pending.add(mixer.hash(known))
        done += 1
        if done >= places:
            done = 0
            yield None
    if pending.count != 0:
        out.append(u8(PLACES))
        write_i64_le(out, pending.count)
        write_i64_le(out, pending.total)


def consumer_bytes(mixer: Mixer, name: bytes, claims: list[Peak]) -> bytes:
    """A consumer with its claims."""
    out = BytesWriter()
    put_text(out, name)
    put_peaks(out, mixer, CONSUMERS, claims)
    return out.getvalue()


def place_bytes(mixer: Mixer, group: Group, memory: GroupMemory, number: int) -> bytes:
    """An entry that is pending or was acknowledged; nothing where every member knows the latter."""
    out = BytesWriter()
    put_id(out, number)
    acks = memory.acks.get(number, [])
    contested = memory.contested.get(number)
    deliveries: list[Delivery] = []
    if contested is not None and not is_settled(mixer, contested, acks):
        deliveries = contested
    else:
        known = group.pending.get(number)
        if known is not None:
            deliveries.append(
                Delivery(known.stamp, known.origin, known.consumer.name, known.time_ms, known.count)
            )
    items: list[bytes] = []
    for each in deliveries:
        one = BytesWriter()
        mixer.put_dot(one, each.stamp, each.origin)
        put_text(one, each.consumer)
        write_i64_le(one, i64(each.time_ms))
        write_i64_le(one, i64(each.count))
        items.append(one.getvalue())
    mixer.put_items(out, PLACES, items)
    if not is_settled(mixer, deliveries, acks):
        mixer.put_items(out, ACKS, [mixer.dot(each.stamp, each.origin) for each in acks])
    elif not deliveries:
        return b""
    return out.getvalue()


def is_settled(mixer: Mixer, deliveries: list[Delivery], acks: list[Dot]) -> bool:
    """Has every member all that is known of an entry?"""
    for each in deliveries:
        if not mixer.is_stable(each.stamp, each.origin):
            return False
    for ack in acks:  # noqa: SIM110 a generator costs more than it saves
        if not mixer.is_stable(ack.stamp, ack.origin):
            return False
    return True
