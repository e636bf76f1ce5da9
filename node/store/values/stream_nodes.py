"""Nodes of a stream: Redis's own, a listpack of up to some hundred entries each.  [compiled]

A node keeps the bytes that Redis keeps: a master entry, whose fields the others need not repeat,
then the entries with IDs relative to the node's own; a deleted entry stays, marked. So memory is
Redis's, and what depends on where nodes end (approximate trimming, XINFO, DUMP) agrees with it.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from librt.strings import BytesWriter, write_i16_le, write_i32_le
from mypy_extensions import i16, i32, i64, u8

from node.store.values.listpack import (
    COUNT_UNKNOWN,
    END,
    HEADER_BYTES,
    behind,
    number_at,
    number_bytes,
    put_number,
    put_text,
    text_at,
)
from node.store.values.stream_dots import NodeDots
from node.store.values.stream_ids import SEQUENCE_MAX

DELETED: Final = 1  # flags of an entry
SAME_FIELDS: Final = 2
NODE_BYTES_MAX: Final = 1 << 30
WRAP: Final = SEQUENCE_MAX + 1
I64_TOP: Final = 0x7FFF_FFFF_FFFF_FFFF
ID_BYTES: Final = 16
NODE_BYTES: Final = 120  # a Node and its place in the stream's lists, without the entries


class NodeLimits:
    """When a node is full: stream-node-max-entries and stream-node-max-bytes, 0 for no limit."""

    def __init__(self, entries: i64 = 100, size: i64 = 4096) -> None:
        self.entries: i64 = entries
        self.size: i64 = size


USUAL_LIMITS: Final = NodeLimits()


class Node:
    """Entries that follow one another. `master` is the node's ID, `last` that of its last entry,
    deleted or not; `live` and `dead` count them. `dots` are what a mesh knows of them."""

    def __init__(self, master: int) -> None:
        self.master = master
        self.last = master
        self.live: i64 = 0
        self.dead: i64 = 0
        self.elements: i64 = 0  # of the listpack, without the two counts
        self.dots: NodeDots | None = None
        self._body = b""
        self._grown: BytesWriter | None = None  # of the node that is appended to
        self._stale = False  # what has grown is ahead of the body

    def begin(self, items: list[bytes], start: i64) -> None:
        """Writes the master entry: the fields of the entry `items[start:]` that comes first."""
        out = BytesWriter()
        n: i64 = len(items)
        put_number(out, (n - start) // 2)
        at = start
        while at < n:
            put_text(out, items[at])
            at += 2
        put_number(out, 0)
        self.elements = (n - start) // 2 + 2
        self._grown = out
        self._stale = True

    def size(self) -> i64:
        """Bytes of the listpack."""
        grown = self._grown
        body: i64 = len(self._body) if grown is None else len(grown)
        return HEADER_BYTES + number_bytes(self.live) + number_bytes(self.dead) + body + 1

    def grown(self) -> BytesWriter:
        """The body to be appended to."""
        grown = self._grown
        if grown is None:
            grown = BytesWriter()
            grown.write(self._body)
            self._grown = grown
        self._stale = True
        return grown

    def body(self) -> bytes:
        """The listpack behind its two counts, without the closing byte."""
        grown = self._grown
        if self._stale and grown is not None:
            self._body = grown.getvalue()
            self._stale = False
        return self._body

    def seal(self) -> None:
        """Nothing is appended any more."""
        self._body = self.body()
        self._grown = None

    def append(self, number: int, items: list[bytes], start: i64, same: bool) -> i64:
        """Adds the entry `items[start:]`; where it begins in the body. `same`: fields as master."""
        out = self.grown()
        place: i64 = len(out)
        n: i64 = len(items)
        fields = (n - start) // 2
        put_number(out, SAME_FIELDS if same else 0)
        put_number(out, signed((number >> 64) - (self.master >> 64)))
        put_number(out, signed((number & SEQUENCE_MAX) - (self.master & SEQUENCE_MAX)))
        pieces = fields + 3
        at = start
        if same:
            while at < n:
                put_text(out, items[at + 1])
                at += 2
        else:
            pieces += fields + 1
            put_number(out, fields)
            while at < n:
                put_text(out, items[at])
                at += 1
        put_number(out, pieces)
        self.elements += pieces + 1
        self.live += 1
        self.last = number
        return place

    def mark(self, place: i64, flags: i64) -> None:
        """The entry at `place` with these flags is deleted from now on."""
        grown = self._grown
        if grown is not None:
            grown[place] = u8(flags | DELETED)
            self._stale = True
        else:
            body = self._body
            self._body = body[:place] + bytes([int(flags | DELETED)]) + body[place + 1 :]
        self.live -= 1
        self.dead += 1

    def listpack(self) -> bytes:
        """The node as Redis has it."""
        body = self.body()
        out = BytesWriter()
        write_i32_le(out, i32(self.size()))
        count = self.elements + 2
        write_i16_le(out, i16(signed_16(count if count < COUNT_UNKNOWN else COUNT_UNKNOWN)))
        put_number(out, self.live)
        put_number(out, self.dead)
        out.write(body)
        out.append(END)
        return out.getvalue()

    def take(self, body: bytes, last: int, live: i64, dead: i64, elements: i64) -> None:
        """Becomes a node that was read from a file."""
        self._body = body
        self.last = last
        self.live = live
        self.dead = dead
        self.elements = elements

    def copy(self) -> Node:
        """The same, sharing bytes that do not change."""
        twin = Node(self.master)
        twin.take(self.body(), self.last, self.live, self.dead, self.elements)
        return twin


def signed(delta: int) -> i64:
    """A difference of two 64-bit numbers as a signed one, modulo 2**64."""
    if -I64_TOP <= delta <= I64_TOP:
        return i64(delta)
    delta &= SEQUENCE_MAX
    return i64(delta - WRAP if delta > I64_TOP else delta)


def signed_16(number: i64) -> i64:
    """The signed number that has the same 16 bits."""
    return number - 65536 if number > 32767 else number


class OpenNode:
    """A node that was read through: where each of its entries begins, deleted ones too."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.names: list[bytes] = []
        self.ids: list[int] = []
        self.places: list[int] = []
        self.flags: list[int] = []
        body = node.body()
        ms = node.master >> 64
        sequence = node.master & SEQUENCE_MAX
        count = number_at(body, 0)
        at = behind(body, 0)
        while count > 0:
            self.names.append(text_at(body, at))
            at = behind(body, at)
            count -= 1
        at = behind(body, at)
        end: i64 = len(body)
        fields: i64 = len(self.names)
        while at < end:
            self.places.append(int(at))
            flags = number_at(body, at)
            self.flags.append(int(flags))
            at = behind(body, at)
            entry_ms = ms + int(number_at(body, at))
            at = behind(body, at)
            entry_sequence = sequence + int(number_at(body, at))
            at = behind(body, at)
            self.ids.append((entry_ms & SEQUENCE_MAX) << 64 | (entry_sequence & SEQUENCE_MAX))
            left = fields
            if flags & SAME_FIELDS == 0:
                left = 2 * number_at(body, at)
                at = behind(body, at)
            while left >= 0:  # and the entry's count of elements
                at = behind(body, at)
                left -= 1

    def append(self, number: int, items: list[bytes], start: i64) -> None:
        """Adds an entry behind all others."""
        same = same_fields(self.names, items, start)
        place = self.node.append(number, items, start, same)
        self.ids.append(number)
        self.places.append(int(place))
        self.flags.append(SAME_FIELDS if same else 0)

    def place_of(self, number: int) -> i64:
        """Which of the entries has this ID, -1 where it is not there or deleted."""
        at: i64 = bisect_left(self.ids, number)
        if at == len(self.ids) or self.ids[at] != number or self.flags[at] & DELETED:
            return -1
        return at

    def mark(self, at: i64) -> None:
        """The entry of this place is deleted."""
        flags = self.flags[at]
        self.node.mark(self.places[at], flags)
        self.flags[at] = flags | DELETED

    def fields(self, at: i64) -> list[bytes]:
        """Field, value, ... of the entry of this place."""
        body = self.node.body()
        place: i64 = self.places[at]
        place = behind(body, behind(body, behind(body, place)))
        found: list[bytes] = []
        if self.flags[at] & SAME_FIELDS:
            for name in self.names:
                found.append(name)
                found.append(text_at(body, place))
                place = behind(body, place)
            return found
        left = 2 * number_at(body, place)
        place = behind(body, place)
        while left > 0:
            found.append(text_at(body, place))
            place = behind(body, place)
            left -= 1
        return found


def same_fields(names: list[bytes], items: list[bytes], start: i64) -> bool:
    """Has the entry `items[start:]` these fields, in this order?"""
    n: i64 = len(items)
    if (n - start) // 2 != len(names):
        return False
    at = start
    for name in names:
        if items[at] != name:
            return False
        at += 2
    return True


def is_full(node: Node, items: list[bytes], begin: i64, limits: NodeLimits) -> bool:
    """Does the entry `items[begin:]` begin a new node after this one?"""
    size = limits.size
    if size <= 0 or size > NODE_BYTES_MAX:
        size = NODE_BYTES_MAX
    total = node.size()
    at = begin
    n: i64 = len(items)
    while at < n:
        total += len(items[at])
        at += 1
    if total >= size:
        return True
    return limits.entries > 0 and node.live + node.dead >= limits.entries


def first_node(number: int, items: list[bytes], begin: i64) -> Node:
    """A node with this entry in it."""
    node = Node(number)
    node.begin(items, begin)
    node.append(number, items, begin, True)
    return node


def packed(ids: list[int], fields: list[list[bytes]], limits: NodeLimits) -> list[Node]:
    """Nodes with these entries, as if they had been added one after another."""
    made: list[Node] = []
    node: Node | None = None
    names: list[bytes] = []
    at: i64 = 0
    n: i64 = len(ids)
    while at < n:
        items = fields[at]
        if node is None or is_full(node, items, 0, limits):
            node = first_node(ids[at], items, 0)
            names = items[::2]
            made.append(node)
        else:
            node.append(ids[at], items, 0, same_fields(names, items, 0))
        at += 1
    for each in made:
        each.seal()
    return made


def radix_nodes(keys: list[int], begin: i64) -> i64:
    """How many nodes a compressed radix tree over these ascending 16-byte keys has.

    A leaf for each key, a node where keys part, and one for each run of bytes between those.
    """
    n: i64 = len(keys)
    if begin >= n:
        return 1
    leaves = n - begin
    found = leaves
    path: list[int] = []  # depths at which keys part, on the way to the last key
    at = begin + 1
    while at <= n:
        shared: i64 = -1
        if at < n:
            bits: i64 = (keys[at - 1] ^ keys[at]).bit_length()
            shared = ID_BYTES - ((bits + 7) >> 3)
        depth: i64 = ID_BYTES  # of what hangs on the path's end: the key before first
        while path and path[len(path) - 1] > shared:
            parting: i64 = path.pop()
            if depth > parting + 1:
                found += 1
            depth = parting
        if shared >= 0:
            if not path or path[len(path) - 1] < shared:
                path.append(int(shared))
                found += 1
            if depth > shared + 1:
                found += 1
        elif depth > 0:
            found += 1
        at += 1
    return found
