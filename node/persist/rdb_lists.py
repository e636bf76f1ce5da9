"""A list as the nodes Redis would cut it into.  [compiled]

Redis keeps a list as one listpack up to a limit, then as a chain of them; RDB files and DUMP show
the nodes. Where they begin depends on how a list was made: here it is as one RPUSH after another
makes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from librt.strings import BytesWriter
from mypy_extensions import i64

from node.persist import rdb_codes as codes
from node.persist import rdb_packed as packed
from node.persist.rdb_put import Thresholds, put_length, put_text, put_type

# Elements measured before a list's first piece: a bound on work where no bytes come out.
MEASURED_ELEMENTS: Final = 8192
PIECE_BYTES: Final = 65536
# Limits of a node in bytes for a fill of -1 to -5; a node counted by entries has the second's.
SIZE_CLASSES: Final = [4096, 8192, 16384, 32768, 65536]
COUNTED_NODE_BYTES: Final = 8192
# What Redis reckons for the bytes around an element that goes into a node of a chain.
AROUND_ELEMENT: Final = 8
LISTPACK_EMPTY_BYTES: Final = 7


def node_bytes_max(fill: i64) -> i64:
    """The size limit of a node."""
    if fill >= 0:
        return COUNTED_NODE_BYTES
    return SIZE_CLASSES[-fill - 1 if fill >= -5 else 4]


def node_entries_max(fill: i64) -> i64:
    """The limit of elements of a node; 0 in the configuration means 1, as in Redis."""
    if fill < 0:
        return 1 << 40
    return fill if fill > 0 else 1


class Nodes:
    """Cuts a list: is told element by element, and knows whether a new node begins."""

    def __init__(self, fill: i64) -> None:
        self.bytes_max: i64 = node_bytes_max(fill)
        self.entries_max: i64 = node_entries_max(fill)
        self.is_chain = False
        self.bytes: i64 = LISTPACK_EMPTY_BYTES
        self.count: i64 = 0
        self.is_plain = False

    def add(self, item: bytes) -> bool:
        """Takes the next element; True where it begins a node (the first element does not)."""
        size: i64 = len(item)
        around: i64 = AROUND_ELEMENT if self.is_chain else 0
        begins = False
        if (
            self.is_plain
            or size > self.bytes_max
            or self.bytes + size + around > self.bytes_max
            or self.count + 1 > self.entries_max
        ):
            self.is_chain = True
            begins = self.count > 0
            self.bytes = LISTPACK_EMPTY_BYTES
            self.count = 0
        self.is_plain = size > self.bytes_max
        self.bytes += packed.listpack_entry_bytes(item)
        self.count += 1
        return begins


def put_list(
    out: BytesWriter, key: bytes | None, items: list[bytes], version: i64, limits: Thresholds
) -> Iterator[None]:
    """Writes a list; pauses whenever a piece of it is in `out`, or much was measured."""
    ends: list[int] = []
    count: i64 = len(items)
    at: i64 = 0
    nodes = Nodes(limits.list_fill)
    while at < count:  # first the nodes, since their number comes before them
        if nodes.add(items[at]):
            ends.append(int(at))
        at += 1
        if at % MEASURED_ELEMENTS == 0:
            yield None
    ends.append(int(count))
    old = version < codes.VERSION_LISTPACK
    put_type(out, codes.TYPE_LIST_QUICKLIST if old else codes.TYPE_LIST_QUICKLIST_2, key)
    put_length(out, len(ends))
    start: i64 = 0
    for end in ends:
        stop: i64 = end
        if old:
            put_text(out, packed.write_ziplist(items, start, stop), limits.compress)
        elif stop - start == 1 and len(items[start]) > nodes.bytes_max:
            put_length(out, codes.NODE_PLAIN)
            put_text(out, items[start], limits.compress)
        else:
            put_length(out, codes.NODE_PACKED)
            put_text(out, packed.write_listpack(items, start, stop), limits.compress)
        start = stop
        if len(out) >= PIECE_BYTES:
            yield None
