"""How Redis would hold a value under the configured thresholds: OBJECT ENCODING, DUMP, DEBUG.
[compiled]

Nothing here is held that way; clients and tests ask all the same, and a DUMP payload shows it. A
large value is judged by its size, members are looked at only while there are few. As in Redis, a
set, hash or sorted set that was large stays unpacked when it shrinks; the past of a list, and the
width of an intset's numbers that are gone, are not remembered.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from conf import Config
from node.commands.context import Context
from node.persist import rdb_codes as codes
from node.persist.rdb_lists import Nodes
from node.persist.rdb_put import Thresholds
from node.persist.rdb_writer import UNPACKED
from node.store.entry import RAW, TEXT
from node.store.values.container import Container
from node.store.values.cron import CronValue
from node.store.values.hashes import HashValue, plain
from node.store.values.lists import ListValue
from node.store.values.sets import SetValue
from node.store.values.streams import StreamValue
from node.store.values.strings import EMBEDDED_DEADLINE, EMBEDDED_MAX, integer_of, shown
from node.store.values.value import Value
from node.store.values.zsets import ZSetValue

# More elements than fit into the largest node that can be configured, at two bytes each.
NODE_ELEMENTS_MAX: Final = 32768
LISTPACK: Final = b"listpack"
HASHTABLE: Final = b"hashtable"


def thresholds_of(config: Config) -> Thresholds:
    """The configured limits, as DUMP uses them."""
    return Thresholds(
        config.number("set-max-intset-entries"),
        config.number("set-max-listpack-entries"),
        config.number("set-max-listpack-value"),
        config.number("hash-max-listpack-entries"),
        config.number("hash-max-listpack-value"),
        config.number("zset-max-listpack-entries"),
        config.number("zset-max-listpack-value"),
        config.number("list-max-listpack-size"),
        config.yes("rdbcompression"),
    )


def encoding_at(ctx: Context, key: bytes, value: object, limits: Thresholds) -> bytes:
    """OBJECT ENCODING's answer for a key that holds this value."""
    if isinstance(value, Value):
        return encoding_of_collection(value, limits)
    return encoding_of_string(key, value, ctx.deadline(key), ctx.db.text_flags(key))


def encoding_of_string(key: bytes, value: object, deadline_ms: i64, flags: i64) -> bytes:
    """int, embstr or raw; `flags` are RAW and TEXT of node/store/entry.py."""
    if flags & i64(RAW):
        return b"raw"
    if not flags & i64(TEXT) and integer_of(value) is not None:
        return b"int"
    size = len(key) + len(shown(value))
    if deadline_ms > 0:
        size += EMBEDDED_DEADLINE
    return b"embstr" if size <= EMBEDDED_MAX else b"raw"


def encoding_of_collection(value: Value, limits: Thresholds) -> bytes:
    """The encoding of what is no string."""
    if isinstance(value, SetValue):
        return encoding_of_set(value, limits)
    if isinstance(value, HashValue):
        if is_small_hash(value, limits):
            return b"listpackex" if value.was_timed else LISTPACK
        return HASHTABLE
    if isinstance(value, ZSetValue):
        return LISTPACK if is_small_zset(value, limits) else b"skiplist"
    if isinstance(value, ListValue):
        return LISTPACK if is_small_list(value, limits) else b"quicklist"
    return value.kind() if isinstance(value, StreamValue) else b"raw"


def encoding_of_set(value: SetValue, limits: Thresholds) -> bytes:
    """intset, listpack or hashtable."""
    size = size_once(value)
    if size <= limits.set_intset_entries and not value.had_words and all_numbers(value):
        return b"intset"
    if size > limits.set_listpack_entries or value.longest > limits.set_listpack_value:
        return HASHTABLE
    for member in value.names():
        if len(member) > limits.set_listpack_value:
            return HASHTABLE
    return LISTPACK


def size_once(value: Container) -> i64:
    """The largest size it had, as far as Redis would not have forgotten it."""
    size: i64 = value.size()
    return size if size > value.most else value.most


def all_numbers(value: SetValue) -> bool:
    """Is every member a 64-bit integer?"""
    return all(integer_of(member) is not None for member in value.names())


def is_small_hash(value: HashValue, limits: Thresholds) -> bool:
    """Few fields, all short and with short values."""
    longest = limits.hash_listpack_value
    if size_once(value) > limits.hash_listpack_entries or value.longest > longest:
        return False
    for chunk in value.chunks():
        for field, slot in chunk.items():
            if len(field) > longest or len(plain(slot)) > longest:
                return False
    return True


def is_small_zset(value: ZSetValue, limits: Thresholds) -> bool:
    """Few members, all short."""
    longest = limits.zset_listpack_value
    if size_once(value) > limits.zset_listpack_entries or value.longest > longest:
        return False
    return all(len(member) <= longest for member in value.names())


def is_small_list(value: ListValue, limits: Thresholds) -> bool:
    """Does one node hold all of it?"""
    size = value.size()
    if size > NODE_ELEMENTS_MAX:
        return False
    nodes = Nodes(limits.list_fill)
    for item in value.range(0, size):
        nodes.add(item)
        if nodes.is_chain:
            return False
    return True


def packed_type_of(encoding: bytes, value: object, version: i64) -> i64:
    """The RDB type of a collection in this encoding, UNPACKED where it has no packed form."""
    if encoding == b"intset":
        return codes.TYPE_SET_INTSET
    if version < codes.VERSION_LISTPACK:
        return UNPACKED
    if encoding == b"listpackex":
        if version >= codes.VERSION_FIELD_TTL:
            return codes.TYPE_HASH_LISTPACK_EX
        return codes.TYPE_HASH_LISTPACK
    if encoding == LISTPACK:
        if isinstance(value, HashValue):
            return codes.TYPE_HASH_LISTPACK
        if isinstance(value, ZSetValue):
            return codes.TYPE_ZSET_LISTPACK
        if isinstance(value, SetValue) and version >= codes.VERSION_SET_LISTPACK:
            return codes.TYPE_SET_LISTPACK
    return UNPACKED


def has_form_of_its_own(value: object) -> bool:
    """Strings, streams and jobs: there is one way to write them."""
    return not isinstance(value, Value) or isinstance(value, (StreamValue, CronValue))
