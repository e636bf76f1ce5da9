"""Reload: every value through its file form and back, in place (DEBUG RELOAD).

What the file form would lose is lost; deadlines and stamps stay. For tests of the persistence of
each type: a node alone, without a walk under way.
"""

from __future__ import annotations

from node.persist import rdb_codes as codes
from node.persist.contents import content_of, member_fields, value_of
from node.persist.rdb_codes import RdbError
from node.persist.rdb_reader import RdbReader
from node.persist.rdb_records import KeyRecord
from node.persist.rdb_writer import RdbWriter
from node.store.entry import ENCODED, Entry
from node.store.keyspace import Database


def reload(databases: list[Database]) -> int:
    """Replaces each value by what a file of it would hold; how many keys. RdbError."""
    count = 0
    for db in databases:
        db.merge_all()
        for shard in db.keys.dicts:
            for key, entry in shard.items():
                entry.value = reread(key, entry)
                entry.flags = entry.flags & ~ENCODED
                count += 1
    return count


def reread(key: bytes, entry: Entry) -> object:
    """A key's value, written into a file of its own and read from it."""
    writer = RdbWriter(codes.VERSION_MAX)
    kind, content = content_of(entry.value, codes.VERSION_MAX)
    fields = member_fields(entry.value)
    parts = [writer.header([]), *writer.pieces(kind, key, content, 0, fields), writer.end()]
    for record in RdbReader().feed(b"".join(parts)):
        if isinstance(record, KeyRecord) and record.key == key:
            return value_of(record.kind, record.value, record.aux)
    raise RdbError(f"the key {key!r} is not in the file that was written of it")
