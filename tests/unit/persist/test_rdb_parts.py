"""Long fields before a key come in parts, so that nobody has to hold or check them at once."""

from __future__ import annotations

import pytest

from mesh.metadata import PART_BYTES, PARTS_MOST, in_parts
from node.persist.rdb_codes import KIND_STRING
from node.persist.rdb_reader import RdbReader
from node.persist.rdb_records import Aux, KeyRecord, Record
from node.persist.rdb_writer import RdbWriter

NAME = b"plexis-dots"
LONG = bytes(range(256)) * 1024


def read(data: bytes, step: int) -> list[Record]:
    """The records of a file that comes in pieces of this size."""
    reader = RdbReader()
    found: list[Record] = []
    for at in range(0, len(data), step):
        found += reader.feed(data[at : at + step])
    reader.finish()
    return found


@pytest.mark.parametrize("step", [1000, 65_536, 1 << 20])
def test_parts_of_a_field_are_one_field(step: int) -> None:
    writer = RdbWriter(12)
    fields = [(b"plexis-a", b"x"), *in_parts(NAME, LONG), (b"plexis-b", b"y")]
    assert len(fields) > 4
    pieces = list(writer.pieces(KIND_STRING, b"k", b"v", 7, fields))
    assert max(len(piece) for piece in pieces) < 2 * PART_BYTES
    writer = RdbWriter(12)
    data = writer.header([])
    data += b"".join(writer.pieces(KIND_STRING, b"k", b"v", 7, fields))
    data += writer.key(KIND_STRING, b"after", b"w", 0, [(NAME, b"short")]) + writer.end()
    keys = [each for each in read(data, step) if isinstance(each, KeyRecord)]
    assert [each.key for each in keys] == [b"k", b"after"]
    assert keys[0].aux == [(b"plexis-a", b"x"), (NAME, LONG), (b"plexis-b", b"y")]
    assert keys[1].aux == [(NAME, b"short")]


def test_parts_without_a_key_are_one_field_of_nobody() -> None:
    writer = RdbWriter(12)
    data = writer.header([]) + b"".join(writer.aux(*each) for each in in_parts(NAME, LONG))
    found = [each for each in read(data + writer.end(), 4096) if isinstance(each, Aux)]
    assert [(each.name, each.value) for each in found] == [(NAME, LONG)]


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, PART_BYTES + 1, PART_BYTES * PARTS_MOST * 2])
def test_a_field_has_never_more_parts_than_a_reader_takes(size: int) -> None:
    value = bytes(size)
    parts = in_parts(NAME, value)
    assert 1 <= len(parts) <= PARTS_MOST + 1
    assert sum(len(part) for _, part in parts) == size
