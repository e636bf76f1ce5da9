"""Small RDB files for the tests, and the recorded ones."""

from __future__ import annotations

import re
from pathlib import Path

from node.persist.rdb_codes import crc64
from node.persist.rdb_reader import RdbReader
from node.persist.rdb_records import (
    Aux,
    CronJob,
    Eof,
    Function,
    KeyRecord,
    ModuleAux,
    Opaque,
    Record,
    Resize,
    SelectDb,
)

RECORDINGS = Path(__file__).resolve().parents[2] / "data" / "keydb"


def rdb_file(body: bytes, version: int = 9, magic: bytes = b"") -> bytes:
    """A whole file around what stands between its version and its EOF opcode."""
    data = (magic or b"REDIS%04d" % version) + body + b"\xff"
    return data + crc64(data).to_bytes(8, "little")


def read_all(data: bytes, piece_bytes: int = 0) -> list[Record]:
    """All records of a file that is given whole, or in pieces of that size."""
    reader = RdbReader()
    step = piece_bytes or max(len(data), 1)
    records: list[Record] = []
    for start in range(0, len(data), step):
        records += reader.feed(data[start : start + step])
    reader.finish()
    assert reader.checksum_ok
    return records


def keys_of(records: list[Record]) -> list[KeyRecord]:
    return [record for record in records if isinstance(record, KeyRecord)]


def only_key(body: bytes, version: int = 9, magic: bytes = b"") -> KeyRecord:
    """The one key of a file with this body, read whole and byte by byte."""
    data = rdb_file(body, version, magic)
    (whole,) = keys_of(read_all(data))
    (cut,) = keys_of(read_all(data, 1))
    assert shown(whole) == shown(cut)
    return whole


# Written out, since a compiled class does not say its fields.
FIELDS: dict[type, tuple[str, ...]] = {
    Aux: ("name", "value"),
    SelectDb: ("number",),
    Resize: ("keys", "expires"),
    Function: ("code",),
    ModuleAux: ("module_id", "when", "data"),
    Eof: (),
    KeyRecord: ("db", "key", "kind", "value", "deadline_ms", "idle", "freq", "aux"),
    Opaque: ("type_number", "data"),
    CronJob: ("script", "start_ms", "interval_ms", "keys", "args"),
}


def shown(record: object) -> object:
    """Something that compares: the type's name and the fields, inside values too."""
    names = FIELDS.get(type(record))
    if names is None:
        return record
    return type(record).__name__, [(name, shown(getattr(record, name))) for name in names]


def sent_rdb(recording: str) -> bytes:
    """The RDB file inside what a recorded master sent, after its `$<length>` line."""
    data = (RECORDINGS / recording).read_bytes()
    header = re.search(rb"\r\n\$(\d+)\r\n(?=REDIS)", data)
    assert header is not None
    return data[header.end() : header.end() + int(header[1])]
