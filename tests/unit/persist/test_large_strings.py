"""A long string is one unit of a file, but neither who writes the file nor who reads it has all its
work at once: it goes out in slices, and the checksum is taken with each piece."""

from __future__ import annotations

import random

import pytest

from node.persist.rdb_codes import RdbError
from node.persist.rdb_input import LARGE_UNIT
from node.persist.rdb_reader import RdbReader
from node.persist.rdb_records import KeyRecord
from node.persist.sinks import Sink
from node.persist.snapshot import SLICE_BYTES, Snapshots, SnapshotWalk
from node.ports import Metadata
from tests.support.local import LocalNode

CHECKSUM_BYTES = 8
LONG = bytes(range(256)) * (5 * SLICE_BYTES // 512)  # two slices and a half


def node() -> LocalNode:
    """Two long strings and some short ones."""
    found = LocalNode()
    for key, value in ((b"a", b"1"), (b"b", LONG), (b"c", b"2"), (b"d", LONG[1:]), (b"e", b"3")):
        found.call(0, [b"SET", key, value])
    return found


def walk(found: LocalNode) -> SnapshotWalk:
    """A walk over it, begun now."""
    return SnapshotWalk(found.engine.writer, found.engine.databases, Metadata(), [])


def pieces_of(found: LocalNode) -> list[bytes]:
    """The file, step by step."""
    made = walk(found)
    pieces: list[bytes] = []
    while (chunks := made.step(1000)) is not None:
        assert sum(map(len, chunks)) <= SLICE_BYTES + CHECKSUM_BYTES
        pieces += chunks
    assert made.written and made.done and found.engine.writer.walk is None
    return pieces


def read(data: bytes, sizes: random.Random | None) -> dict[bytes, object]:
    """What a reader that is given pieces finds; in one piece without a generator."""
    reader = RdbReader()
    found: dict[bytes, object] = {}
    at = 0
    while at < len(data):
        size = len(data) if sizes is None else sizes.choice((1, 7, 4_000, 70_000, LARGE_UNIT * 2))
        for record in reader.feed(data[at : at + size]):
            if isinstance(record, KeyRecord):
                found[record.key] = record.value
        at += size
    assert reader.done and reader.checksum_ok
    return found


def test_no_step_gives_more_than_a_slice_and_the_file_is_whole() -> None:
    found = node()
    data = b"".join(pieces_of(found))
    expected = read(data, None)
    assert (expected[b"b"], expected[b"d"]) == (LONG, LONG[1:])
    for seed in range(4):
        assert read(data, random.Random(seed)) == expected


def test_what_is_damaged_within_a_long_string_is_noticed() -> None:
    data = bytearray(b"".join(pieces_of(node())))
    data[data.index(LONG) + SLICE_BYTES] ^= 1
    for sizes in (None, random.Random(1)):
        with pytest.raises(RdbError, match="checksum"):
            read(bytes(data), sizes)


def test_a_write_between_two_slices_is_not_in_the_file() -> None:
    found = node()
    made = walk(found)
    data = b""
    while (chunks := made.step(1)) is not None:
        data += b"".join(chunks)
        found.call(0, [b"SET", b"b", b"later"])
        found.call(0, [b"DEL", b"d"])
    shown = read(data, None)
    assert (shown[b"b"], shown[b"d"]) == (LONG, LONG[1:])


class Leaving(Sink):
    """Takes one slice of a string, and then no more."""

    def __init__(self, snapshots: Snapshots) -> None:
        self.snapshots = snapshots
        self.taken = 0

    def write(self, data: bytes) -> None:
        self.taken += len(data)
        if self.taken >= SLICE_BYTES:
            self.snapshots.cancel(self)

    def end(self, error: str) -> None:
        raise AssertionError("it has left")


def test_who_leaves_between_two_slices_leaves_nothing_behind() -> None:
    found = node()
    soon: list[object] = []
    engine = found.engine
    snapshots = Snapshots(
        engine.writer, engine.databases, Metadata(), list, lambda call: soon.append(call), 1000
    )
    snapshots.request(Leaving(snapshots))
    for _ in range(100):
        if not soon:
            break
        call = soon.pop(0)
        assert callable(call)
        call()
    assert not soon and not snapshots.running and engine.writer.walk is None
