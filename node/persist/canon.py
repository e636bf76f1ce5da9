"""Canon: an effect as the one command that replays it on any Redis, and that command read back.
[compiled]

Peers of ours and the append-only file are written and read by it, never by handlers: what a handler
decided once is not decided again. Deadlines are absolute, KEEPTTL is resolved, a whole
collection is RESTORE with Redis's own payload. LAPSE and MERGE have no command: they happen on each
node by itself.
"""

from __future__ import annotations

from typing import Final, cast

from librt.strings import BytesWriter
from mypy_extensions import i64

from node.persist import canon_hashes, canon_lists, canon_streams, canon_strings, canon_zsets
from node.persist.canon_words import CanonError, integer
from node.persist.contents import KINDS, content_of, member_fields, value_of
from node.persist.rdb_codes import VERSION_FIELD_TTL
from node.persist.rdb_reader import read_dump
from node.persist.rdb_writer import dump_payload
from node.resp.encoder import put_bulk
from node.resp.numbers import put_uint
from node.store.effect import (
    DROP,
    EXPIRE,
    FLUSH,
    HDEL,
    HEXPIRE,
    HINCR,
    HSET,
    INCR,
    LAPSE,
    LSET,
    MERGE,
    PFMERGE,
    PUT,
    SADD,
    SREM,
    SWAP,
    ZINCR,
    Effect,
)  # fmt: skip
from node.store.values.hashes import HashValue
from node.store.values.strings import shown
from node.store.values.value import Value

# RESTORE payloads between our nodes: readable by Redis 7.2 and later, and by Valkey. Hashes with
# field TTLs, which those lack, have the version that brought them.
DUMP_VERSION: Final = 11
CRLF: Final = b"\r\n"


def put_command(out: BytesWriter, words: list[bytes]) -> None:
    """One command as a RESP array of bulks."""
    out.append(42)
    put_uint(out, len(words))
    out.write(CRLF)
    for word in words:
        put_bulk(out, word)


def command_of(effect: Effect) -> list[bytes] | None:
    """The command that replays an effect; None for those that happen on each node by itself."""
    op = effect.op
    key = effect.key
    value = effect.value
    number = effect.number
    if op == PUT:
        return put_words(key, value, number)
    if op == DROP:
        return [b"DEL", key]
    if op == EXPIRE:
        if number == 0:
            return [b"PERSIST", key]
        return [b"PEXPIREAT", key, b"%d" % number]
    if op == INCR:
        if isinstance(value, bytes):
            return [b"INCRBYFLOAT", key, value]
        return [b"INCRBY", key, b"%d" % number]
    if op == HINCR:
        if isinstance(value, bytes):
            return [b"HINCRBY", key, value, b"%d" % number]
        return [b"HINCRBYFLOAT", key, *cast(list[bytes], value)]
    if op == SADD:
        return [b"SADD", key, *cast(list[bytes], value)[int(number) :]]
    if op == SREM:
        return [b"SREM", key, *cast(list[bytes], value)[int(number) :]]
    if op == HSET:
        return [b"HSET", key, *cast(list[bytes], value)[int(number) :]]
    if op == HDEL:
        return [b"HDEL", key, *cast(list[bytes], value)[int(number) :]]
    if op == FLUSH:
        return [b"FLUSHDB"]
    if op == LAPSE or op == MERGE:
        return None
    if op <= PFMERGE:
        return canon_strings.command_of(effect)
    if op <= LSET:
        return canon_lists.command_of(effect)
    if op <= ZINCR:
        return canon_zsets.command_of(effect)
    if op == HEXPIRE:
        return canon_hashes.command_of(effect)
    if op == SWAP:
        return [b"SWAPDB", b"%d" % effect.db, b"%d" % number]
    return canon_streams.command_of(effect)


def put_words(key: bytes, value: object, deadline_ms: i64) -> list[bytes]:
    """PUT: SET with an absolute deadline, or RESTORE of a collection."""
    if isinstance(value, Value):
        payload = payload_of(value)
        return [b"RESTORE", key, b"%d" % deadline_ms, payload, b"REPLACE", b"ABSTTL"]
    if deadline_ms == 0:
        return [b"SET", key, shown(value)]
    return [b"SET", key, shown(value), b"PXAT", b"%d" % deadline_ms]


def payload_of(value: Value) -> bytes:
    """A collection as our nodes send it to each other: the reverse of `restored`."""
    version: i64 = DUMP_VERSION
    if isinstance(value, HashValue) and value.has_deadlines():
        version = VERSION_FIELD_TTL
    kind, content = content_of(value, version)
    return dump_payload(kind, content, version, member_fields(value))


def effect_of(words: list[bytes], db: i64, stamp: i64, origin: i64, index: i64) -> Effect | None:
    """The effect that a command of canon's form says; None for PING, which says nothing.

    CanonError where the command is none of canon's, or malformed.
    """
    name = words[0].upper()
    n = len(words)
    if name == b"SET" and n == 3:
        return Effect(PUT, db, words[1], words[2], 0, stamp, origin, index)
    if name == b"SADD" and n >= 3:
        return Effect(SADD, db, words[1], words, 2, stamp, origin, index)
    if (name == b"HSET" or name == b"HMSET") and n >= 4 and n % 2 == 0:
        return Effect(HSET, db, words[1], words, 2, stamp, origin, index)
    if name == b"INCRBY" and n == 3:
        return Effect(INCR, db, words[1], None, integer(words, 2), stamp, origin, index)
    if name == b"INCR" and n == 2:
        return Effect(INCR, db, words[1], None, 1, stamp, origin, index)
    if name == b"SREM" and n >= 3:
        return Effect(SREM, db, words[1], words, 2, stamp, origin, index)
    if name == b"HDEL" and n >= 3:
        return Effect(HDEL, db, words[1], words, 2, stamp, origin, index)
    return rarer_effect(name, words, db, stamp, origin, index)


def rarer_effect(
    name: bytes, words: list[bytes], db: i64, stamp: i64, origin: i64, index: i64
) -> Effect | None:
    """The commands that come less often; see effect_of."""
    n = len(words)
    if name == b"SET" and n == 5 and words[3].upper() == b"PXAT":
        return Effect(PUT, db, words[1], words[2], integer(words, 4), stamp, origin, index)
    if (name == b"DEL" or name == b"UNLINK") and n == 2:
        return Effect(DROP, db, words[1], None, 0, stamp, origin, index)
    if name == b"PEXPIREAT" and n == 3:
        return Effect(EXPIRE, db, words[1], None, integer(words, 2), stamp, origin, index)
    if name == b"PERSIST" and n == 2:
        return Effect(EXPIRE, db, words[1], None, 0, stamp, origin, index)
    if name == b"DECR" and n == 2:
        return Effect(INCR, db, words[1], None, -1, stamp, origin, index)
    if name == b"DECRBY" and n == 3:
        return Effect(INCR, db, words[1], None, -integer(words, 2), stamp, origin, index)
    if name == b"INCRBYFLOAT" and n == 3:
        return Effect(INCR, db, words[1], words[2], 0, stamp, origin, index)
    if name == b"HINCRBY" and n == 4:
        return Effect(HINCR, db, words[1], words[2], integer(words, 3), stamp, origin, index)
    if name == b"HINCRBYFLOAT" and n == 4:
        return Effect(HINCR, db, words[1], words[2:], 0, stamp, origin, index)
    if name == b"RESTORE" and n == 6:
        return Effect(
            PUT, db, words[1], restored(words[3]), integer(words, 2), stamp, origin, index
        )
    if name == b"FLUSHDB" and (n == 1 or n == 2):
        return Effect(FLUSH, db, b"", None, 0, stamp, origin, index)
    if name == b"SWAPDB" and n == 3:
        return Effect(
            SWAP, integer(words, 1), b"", None, integer(words, 2), stamp, origin, index
        )
    if name == b"PING" and n == 1:
        return None
    if name in canon_strings.NAMES:
        return canon_strings.effect_of(name, words, db, stamp, origin, index)
    if name in canon_hashes.NAMES:
        return canon_hashes.effect_of(name, words, db, stamp, origin, index)
    if name in canon_lists.NAMES:
        return canon_lists.effect_of(name, words, db, stamp, origin, index)
    if name in canon_zsets.NAMES:
        return canon_zsets.effect_of(name, words, db, stamp, origin, index)
    if name in canon_streams.NAMES:
        return canon_streams.effect_of(name, words, db, stamp, origin, index)
    raise CanonError(f"{name.decode('latin-1')!r} with {n - 1} arguments says no effect")


def restored(payload: bytes) -> object:
    """The collection of a RESTORE payload. CanonError where it is none of ours."""
    record = read_dump(payload)
    if record.kind not in KINDS:
        raise CanonError(f"RESTORE of a {record.kind.decode()} says no effect")
    return value_of(record.kind, record.value, record.aux)
