"""Streams between the store and RDB: types 15 (Redis 5), 19 (Redis 7.0) and 21 (7.2 and later).
[compiled]

The nodes of the store are the file's own, so writing copies bytes. Reading checks every length and
number in them, and that IDs ascend: the store trusts what it holds.
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter, read_i16_le, read_i32_le, write_i64_le
from mypy_extensions import i64

from node.persist import rdb_codes as codes
from node.persist.rdb_codes import RdbError
from node.persist.rdb_input import NeedMore, RdbInput
from node.persist.rdb_put import put_bytes, put_length, put_string
from node.persist.rdb_records import Opaque
from node.store.values.groups import NEVER, UNKNOWN_READS, Group
from node.store.values.listpack import (
    COUNT_UNKNOWN,
    END,
    HEADER_BYTES,
    backlen_bytes,
    number_at,
)
from node.store.values.stream_ids import SEQUENCE_MAX
from node.store.values.stream_nodes import DELETED, SAME_FIELDS, Node
from node.store.values.streams import StreamValue

ID_BYTES: Final = 16
ALL_NODES: Final[i64] = 1152921504606846976


def type_for(version: i64) -> int:
    """The type that a stream is written as in this RDB version."""
    if version >= codes.VERSION_SET_LISTPACK:
        return codes.TYPE_STREAM_3
    return codes.TYPE_STREAM_2 if version >= codes.VERSION_LISTPACK else codes.TYPE_STREAM


def opaque_of(stream: StreamValue, version: i64) -> Opaque:
    """The stream as a file of this version has it."""
    type_number = type_for(version)
    out = BytesWriter()
    put_length(out, stream.node_count())
    for node in stream.nodes[int(stream.head) :]:
        put_node(out, node)
    put_tail(out, stream, type_number)
    return Opaque(type_number, out.getvalue())


class StreamNodes:
    """A large stream as it is now, for a file: its nodes are written a few at a time.

    The copies share their bytes with the stream, which does not change bytes but replaces them.
    """

    def __init__(self, stream: StreamValue, version: i64) -> None:
        self.type_number = type_for(version)
        self.nodes = [node.copy() for node in stream.nodes[int(stream.head) :]]
        out = BytesWriter()
        put_tail(out, stream, self.type_number)
        self.tail = out.getvalue()


def put_node(out: BytesWriter, node: Node) -> None:
    """A node with its ID."""
    put_bytes(out, raw_id(node.master))
    put_bytes(out, node.listpack())


def put_tail(out: BytesWriter, stream: StreamValue, type_number: int) -> None:
    """What follows the nodes: positions, groups."""
    put_length(out, stream.length)
    put_id(out, stream.last_id)
    if type_number != codes.TYPE_STREAM:
        put_id(out, stream.first_id)
        put_id(out, stream.max_deleted_id)
        put_length(out, unsigned_to_i64(stream.entries_added))
    put_length(out, len(stream.groups))
    for group in stream.groups_in_order():
        put_group(out, group, type_number)


def raw_id(number: int) -> bytes:
    """An ID as 16 bytes, highest first."""
    return number.to_bytes(ID_BYTES, "big")


def unsigned_to_i64(number: int) -> i64:
    """The signed number with the bits of an unsigned one."""
    number &= SEQUENCE_MAX
    return i64(number - SEQUENCE_MAX - 1 if number >> 63 else number)


def put_id(out: BytesWriter, number: int) -> None:
    """An ID as two lengths."""
    put_length(out, unsigned_to_i64(number >> 64))
    put_length(out, unsigned_to_i64(number))


def put_group(out: BytesWriter, group: Group, type_number: int) -> None:
    """A group with its pending entries and its consumers."""
    put_string(out, group.name)
    put_id(out, group.last_id)
    if type_number != codes.TYPE_STREAM:
        put_length(out, unsigned_to_i64(group.entries_read))
    put_length(out, group.order.count)
    for number in group.order.all():
        known = group.pending[number]
        out.write(raw_id(number))
        write_i64_le(out, known.time_ms)
        put_length(out, known.count)
    put_length(out, len(group.consumers))
    for consumer in group.in_order():
        put_string(out, consumer.name)
        write_i64_le(out, consumer.seen_ms)
        if type_number == codes.TYPE_STREAM_3:
            write_i64_le(out, consumer.active_ms)
        put_length(out, consumer.pending.count)
        for number in consumer.pending.all():
            out.write(raw_id(number))


def stream_of(opaque: Opaque) -> StreamValue:
    """The stream that a file's bytes say. RdbError where they are damaged."""
    reading = StreamReading(opaque)
    while not reading.step(ALL_NODES):
        pass
    return reading.stream


class StreamReading:
    """A stream on its way from a file's bytes. RdbError where they are damaged."""

    def __init__(self, opaque: Opaque) -> None:
        self.stream = StreamValue()
        self._type = opaque.type_number
        self._source = RdbInput()
        self._source.open(opaque.data)
        self._left: i64 = -1
        self._before = -1

    def step(self, nodes: i64) -> bool:
        """Reads so many nodes; True: `stream` is whole."""
        source = self._source
        try:
            if self._left < 0:
                self._left = source.length()
            while self._left > 0 and nodes > 0:
                self._node()
                nodes -= 1
            if self._left > 0:
                return False
            read_rest(source, self.stream, self._before, self._type)
        except NeedMore:
            raise RdbError("a stream ends before its end: the data is damaged") from None
        if source.pos != source.end:
            raise RdbError("a stream goes on behind its end: the data is damaged")
        return True

    def _node(self) -> None:
        source = self._source
        stream = self.stream
        key = source.string()
        if len(key) != ID_BYTES:
            raise RdbError("a stream's node has no ID")
        node = read_node(int.from_bytes(key, "big"), source.string())
        if node.master <= self._before:
            raise RdbError("the nodes of a stream are out of order")
        self._before = node.last
        stream.do_take_node(node)
        stream.length += node.live
        self._left -= 1


def read_rest(source: RdbInput, stream: StreamValue, before: int, type_number: i64) -> None:
    """What follows the nodes, the last of whose IDs is `before`: positions, groups."""
    length = source.length()
    if length > 0 and not stream.nodes:
        raise RdbError("a stream announces entries and has none")
    stream.last_id = read_two(source)
    if type_number == codes.TYPE_STREAM:
        stream.entries_added = int(stream.length)
    else:
        read_two(source)  # the first ID, which is known from the nodes
        stream.max_deleted_id = read_two(source)
        stream.entries_added = int(source.number()) & SEQUENCE_MAX
    if before > stream.last_id:
        raise RdbError("a stream has an entry above its last ID")
    stream.do_find_first()
    left = source.length()
    while left > 0:
        group = read_group(source, stream, type_number)
        if group.name in stream.groups:
            raise RdbError("a stream has a group twice")
        stream.groups[group.name] = group
        left -= 1


def read_two(source: RdbInput) -> int:
    """An ID from two lengths."""
    ms = int(source.number()) & SEQUENCE_MAX
    return ms << 64 | int(source.number()) & SEQUENCE_MAX


def read_raw(source: RdbInput) -> int:
    """An ID from 16 bytes."""
    at = source.skip(ID_BYTES)
    return int.from_bytes(source.buf[at : at + ID_BYTES], "big")


def read_group(source: RdbInput, stream: StreamValue, type_number: i64) -> Group:
    """A group; each pending entry must be with one consumer."""
    name = source.string()
    last_id = read_two(source)
    if type_number == codes.TYPE_STREAM:
        group = Group(name, last_id, stream.distance(last_id))
    else:
        group = Group(name, last_id, max(int(source.number()), UNKNOWN_READS))
    given: dict[int, tuple[int, int]] = {}
    left = source.length()
    while left > 0:
        number = read_raw(source)
        time_ms = int(source.ms())
        given[number] = (time_ms, int(source.length()))
        left -= 1
    left = source.length()
    while left > 0:
        consumer_name = source.string()
        if consumer_name in group.consumers:
            raise RdbError("a group of a stream has a consumer twice")
        seen_ms = int(source.ms())
        consumer = group.do_consumer(consumer_name, seen_ms)
        consumer.active_ms = seen_ms
        if type_number == codes.TYPE_STREAM_3:
            consumer.active_ms = max(int(source.ms()), NEVER)
        held = source.length()
        while held > 0:
            number = read_raw(source)
            known = given.pop(number, None)
            if known is None:
                raise RdbError("a consumer has an entry pending that its group has not")
            group.do_deliver(consumer, number, known[0], known[1])
            held -= 1
        left -= 1
    if given:
        raise RdbError("a group has an entry pending that no consumer has")
    return group


def read_node(master: int, blob: bytes) -> Node:
    """A node from its listpack, checked from end to end."""
    walk = NodeWalk(blob)
    live = walk.number()
    dead = walk.number()
    begin = walk.at
    fields = walk.number()
    if live < 0 or dead < 0 or fields < 0:
        raise damaged()
    walk.skip(fields)
    if walk.number() != 0:
        raise damaged()
    ms = master >> 64
    sequence = master & SEQUENCE_MAX
    last = -1
    alive: i64 = 0
    marked: i64 = 0
    while walk.at < walk.end:
        flags = walk.flags()
        entry_ms = ms + int(walk.number()) & SEQUENCE_MAX
        number = entry_ms << 64 | sequence + int(walk.number()) & SEQUENCE_MAX
        pieces = fields + 3
        if flags & SAME_FIELDS:
            walk.skip(fields)
        else:
            own = walk.number()
            if own < 0:
                raise damaged()
            walk.skip(2 * own)
            pieces = 2 * own + 4
        if walk.number() != pieces or number <= last or number < master:
            raise damaged()
        last = number
        if flags & DELETED:
            marked += 1
        else:
            alive += 1
    if alive != live or marked != dead or alive + marked == 0:
        raise damaged()
    walk.finish()
    node = Node(master)
    node.take(blob[begin : walk.end], last, live, dead, walk.count - 2)
    return node


def damaged() -> RdbError:
    """The error for a node that is none."""
    return RdbError("a node of a stream is damaged")


class NodeWalk:
    """Goes over the elements of a listpack; RdbError where one is not what is asked for."""

    def __init__(self, blob: bytes) -> None:
        self.blob = blob
        self.at: i64 = HEADER_BYTES
        self.end: i64 = i64(len(blob)) - 1
        self.count: i64 = 0
        if len(blob) < HEADER_BYTES + 1 or blob[self.end] != END:
            raise damaged()
        if (i64(read_i32_le(blob, 0)) & 0xFFFF_FFFF) != len(blob):
            raise damaged()

    def step(self) -> i64:
        """Moves over an element; what its first byte is."""
        at = self.at
        end = self.end
        blob = self.blob
        if at >= end:
            raise damaged()
        first: i64 = blob[at]
        head: i64 = 1
        if 0xC0 <= first < 0xF0:
            head = 2
        elif first == 0xF0:
            head = 5
        elif first >= 0xF1:
            head = 9 if first == 0xF4 else first - 0xF0 + 2
            if first > 0xF4:
                raise damaged()
        if at + head > end:
            raise damaged()
        size = head
        if 0x80 <= first < 0xC0:
            size += first & 63
        elif 0xE0 <= first < 0xF0:
            size += ((first & 15) << 8) | i64(blob[at + 1])
        elif first == 0xF0:
            size += i64(read_i32_le(blob, at + 1)) & 0xFFFF_FFFF
        self.at = at + size + backlen_bytes(size)
        if self.at > end:
            raise damaged()
        self.count += 1
        return first

    def skip(self, elements: i64) -> None:
        """Moves over so many."""
        while elements > 0:
            self.step()
            elements -= 1

    def number(self) -> i64:
        """An element that is a number."""
        at = self.at
        first = self.step()
        if 0x80 <= first < 0xC0 or 0xE0 <= first < 0xF1:
            raise damaged()
        return number_at(self.blob, at)

    def flags(self) -> i64:
        """The flags of an entry: one byte, so that it can be marked where it stands."""
        flags = self.step()
        if flags > DELETED | SAME_FIELDS:
            raise damaged()
        return flags

    def finish(self) -> None:
        """All elements were walked over: are there as many as the header says?"""
        said: i64 = i64(read_i16_le(self.blob, 4)) & 0xFFFF
        if said != COUNT_UNKNOWN and said != self.count:
            raise damaged()
