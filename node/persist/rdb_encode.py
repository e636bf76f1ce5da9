"""Keys and values to RDB bytes, appended to a BytesWriter.  [compiled]

What is small is written at once (`put_small`); what is large is written by a generator that pauses
whenever a piece is ready (`put_large`). The encodings are those Redis chooses for the same value.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, cast

from librt.strings import BytesWriter, write_f64_le, write_i64_le
from mypy_extensions import i64, u8

from node.persist import rdb_codes as codes
from node.persist import rdb_packed as packed
from node.persist.rdb_codes import RdbError
from node.persist.rdb_records import CronJob, Opaque

# A piece is ready above this size: large enough to make a write() worthwhile, small enough to
# take well below a millisecond to make.
PIECE_BYTES: Final = 65536
# Elements measured before a list's first piece: the same bound on work where no bytes come out.
_MEASURED_ELEMENTS: Final = 8192


class Thresholds:
    """Up to which size a collection is packed; the defaults are those of Redis 8.2."""

    def __init__(
        self,
        set_intset_entries: i64 = 512,
        set_listpack_entries: i64 = 128,
        set_listpack_value: i64 = 64,
        hash_listpack_entries: i64 = 512,
        hash_listpack_value: i64 = 64,
        zset_listpack_entries: i64 = 128,
        zset_listpack_value: i64 = 64,
        list_node_bytes: i64 = 8192,
    ) -> None:
        self.set_intset_entries: i64 = set_intset_entries
        self.set_listpack_entries: i64 = set_listpack_entries
        self.set_listpack_value: i64 = set_listpack_value
        self.hash_listpack_entries: i64 = hash_listpack_entries
        self.hash_listpack_value: i64 = hash_listpack_value
        self.zset_listpack_entries: i64 = zset_listpack_entries
        self.zset_listpack_value: i64 = zset_listpack_value
        self.list_node_bytes: i64 = list_node_bytes


# --- primitives ------------------------------------------------------------------------------


def put_length(out: BytesWriter, number: i64) -> None:
    if number < 64:
        out.append(u8(number))
        return
    if number < 16384:
        out.append(u8(64 | (number >> 8)))
        out.append(u8(number & 255))
        return
    size: i64 = 4 if number < 0x1_0000_0000 else 8
    out.append(0x80 if size == 4 else 0x81)
    while size > 0:
        size -= 1
        out.append(u8((number >> (size << 3)) & 255))


def put_bytes(out: BytesWriter, text: bytes) -> None:
    put_length(out, len(text))
    out.write(text)


def put_string(out: BytesWriter, text: bytes) -> None:
    """A string, as a number where Redis does: decimal, and within 32 bits."""
    if 0 < len(text) <= 11 and packed.is_integer(text):
        number = packed.to_integer(text)
        if -0x8000_0000 <= number < 0x8000_0000:
            size: i64 = 4
            encoding: i64 = codes.ENCODING_INT32
            if -128 <= number < 128:
                size = 1
                encoding = codes.ENCODING_INT8
            elif -0x8000 <= number < 0x8000:
                size = 2
                encoding = codes.ENCODING_INT16
            out.append(u8(0xC0 | encoding))
            while size > 0:
                out.append(u8(number & 255))
                number >>= 8
                size -= 1
            return
    put_bytes(out, text)


def put_aux(out: BytesWriter, name: bytes, value: bytes) -> None:
    out.append(codes.OP_AUX)
    put_bytes(out, name)
    put_string(out, value)


def put_before(out: BytesWriter, deadline_ms: i64, aux: list[tuple[bytes, bytes]]) -> None:
    if deadline_ms != 0:
        out.append(codes.OP_EXPIRE_MS)
        write_i64_le(out, deadline_ms)
    for name, value in aux:
        if name != codes.AUX_MEMBER and name != codes.AUX_MEMBER_DEADLINE:
            put_aux(out, name, value)


def has_after(kind: bytes, aux: list[tuple[bytes, bytes]], version: i64) -> bool:
    """Does something follow the value?"""
    if kind == codes.KIND_HASH_TTL and version < codes.VERSION_FIELD_TTL:
        return True
    return any(name == codes.AUX_MEMBER or name == codes.AUX_MEMBER_DEADLINE for name, _ in aux)


def put_after(
    out: BytesWriter, kind: bytes, value: object, aux: list[tuple[bytes, bytes]], version: i64
) -> Iterator[None]:
    """Writes KeyDB's member TTLs, and as such the field TTLs that an old version cannot hold."""
    for name, text in aux:
        if name == codes.AUX_MEMBER or name == codes.AUX_MEMBER_DEADLINE:
            put_aux(out, name, text)
            if len(out) >= PIECE_BYTES:
                yield None
    if kind == codes.KIND_HASH_TTL and version < codes.VERSION_FIELD_TTL:
        for field, _, deadline in cast(list[tuple[bytes, bytes, int]], value):
            if deadline != 0:
                put_aux(out, codes.AUX_MEMBER, field)
                put_aux(out, codes.AUX_MEMBER_DEADLINE, b"%d" % deadline)
            if len(out) >= PIECE_BYTES:
                yield None


def put_type(out: BytesWriter, type_number: i64, key: bytes | None) -> None:
    """The type and the key; a DUMP payload has no key."""
    out.append(u8(type_number))
    if key is not None:
        put_string(out, key)


# --- values that are one piece ---------------------------------------------------------------


def put_small(
    out: BytesWriter,
    kind: bytes,
    key: bytes | None,
    value: object,
    version: i64,
    limits: Thresholds,
) -> bool:
    """Writes what needs no cutting; False for a collection that is large or has no packed form."""
    if kind == codes.KIND_STRING:
        put_type(out, codes.TYPE_STRING, key)
        text = value if isinstance(value, bytes) else b"%d" % cast(int, value)
        put_string(out, text)
        return True
    if kind == codes.KIND_STREAM or kind == codes.KIND_MODULE:
        _put_opaque(out, key, cast(Opaque, value), version)
        return True
    if kind == codes.KIND_CRON:
        _put_cron(out, key, cast(CronJob, value))
        return True
    if not isinstance(value, list) or len(value) == 0:
        raise RdbError(f"the {kind.decode()} {key!r} has no element: an empty key is not written")
    if kind == codes.KIND_SET:
        return _put_small_set(out, key, cast(list[bytes], value), version, limits)
    if version >= codes.VERSION_LISTPACK:
        if kind == codes.KIND_HASH:
            pairs = cast(list[tuple[bytes, bytes]], value)
            return _put_small_hash(out, key, pairs, limits)
        if kind == codes.KIND_ZSET:
            scores = cast(list[tuple[bytes, float]], value)
            return _put_small_zset(out, key, scores, limits)
    return False


def _put_opaque(out: BytesWriter, key: bytes | None, value: Opaque, version: i64) -> None:
    number = value.type_number
    if (number == codes.TYPE_STREAM_2 and version < codes.VERSION_LISTPACK) or (
        number == codes.TYPE_STREAM_3 and version < codes.VERSION_SET_LISTPACK
    ):
        raise RdbError(f"the key {key!r} of type {number} does not fit RDB version {version}")
    put_type(out, number, key)
    out.write(value.data)


def _put_cron(out: BytesWriter, key: bytes | None, job: CronJob) -> None:
    put_type(out, codes.TYPE_KEYDB_CRON, key)
    put_string(out, job.script)
    write_i64_le(out, job.start_ms)
    write_i64_le(out, job.interval_ms)
    put_length(out, len(job.keys))
    for name in job.keys:
        put_string(out, name)
    put_length(out, len(job.args))
    for text in job.args:
        put_string(out, text)


def _put_small_set(
    out: BytesWriter, key: bytes | None, members: list[bytes], version: i64, limits: Thresholds
) -> bool:
    count: i64 = len(members)
    if count <= limits.set_intset_entries:
        numbers = True
        for member in members:
            if not packed.is_integer(member):
                numbers = False
                break
        if numbers:
            put_type(out, codes.TYPE_SET_INTSET, key)
            put_bytes(out, packed.write_intset(members))
            return True
    if version < codes.VERSION_SET_LISTPACK or count > limits.set_listpack_entries:
        return False
    for member in members:
        if len(member) > limits.set_listpack_value:
            return False
    put_type(out, codes.TYPE_SET_LISTPACK, key)
    put_bytes(out, packed.write_listpack(members, 0, count))
    return True


def _put_small_hash(
    out: BytesWriter, key: bytes | None, pairs: list[tuple[bytes, bytes]], limits: Thresholds
) -> bool:
    if len(pairs) > limits.hash_listpack_entries:
        return False
    flat: list[bytes] = []
    for field, text in pairs:
        if len(field) > limits.hash_listpack_value or len(text) > limits.hash_listpack_value:
            return False
        flat.append(field)
        flat.append(text)
    put_type(out, codes.TYPE_HASH_LISTPACK, key)
    put_bytes(out, packed.write_listpack(flat, 0, len(flat)))
    return True


def _put_small_zset(
    out: BytesWriter, key: bytes | None, scores: list[tuple[bytes, float]], limits: Thresholds
) -> bool:
    if len(scores) > limits.zset_listpack_entries:
        return False
    ordered: list[tuple[float, bytes]] = []
    for member, score in scores:
        if len(member) > limits.zset_listpack_value:
            return False
        _check_score(score)
        ordered.append((score, member))
    ordered.sort()  # Redis uses the packed form as it stands: by score, then member
    flat: list[bytes] = []
    for score, member in ordered:
        flat.append(member)
        flat.append(_score_text(score))
    put_type(out, codes.TYPE_ZSET_LISTPACK, key)
    put_bytes(out, packed.write_listpack(flat, 0, len(flat)))
    return True


def _check_score(score: float) -> None:
    if score != score:
        raise RdbError("a sorted set has a score that is not a number: it is not written")


def _score_text(score: float) -> bytes:
    """The shortest text that gives the same double: whole numbers without a point."""
    if -1e15 < score < 1e15 and score == int(score):
        return b"%d" % int(score) if score != 0 or not str(score).startswith("-") else b"-0"
    return str(score).encode()


# --- large collections, cut into pieces ------------------------------------------------------


def put_large(
    out: BytesWriter,
    kind: bytes,
    key: bytes | None,
    value: object,
    version: i64,
    limits: Thresholds,
) -> Iterator[None]:
    """Writes a collection and pauses whenever a piece of it is in out."""
    if kind == codes.KIND_LIST:
        yield from _put_list(out, key, cast(list[bytes], value), version, limits)
    elif kind == codes.KIND_SET:
        members = cast(list[bytes], value)
        put_type(out, codes.TYPE_SET, key)
        put_length(out, len(members))
        for member in members:
            put_string(out, member)
            if len(out) >= PIECE_BYTES:
                yield None
    elif kind == codes.KIND_ZSET:
        scores = cast(list[tuple[bytes, float]], value)
        put_type(out, codes.TYPE_ZSET_2, key)
        put_length(out, len(scores))
        for member, score in scores:
            _check_score(score)
            put_string(out, member)
            write_f64_le(out, score)
            if len(out) >= PIECE_BYTES:
                yield None
    elif kind == codes.KIND_HASH:
        pairs = cast(list[tuple[bytes, bytes]], value)
        put_type(out, codes.TYPE_HASH, key)
        put_length(out, len(pairs))
        for field, text in pairs:
            put_string(out, field)
            put_string(out, text)
            if len(out) >= PIECE_BYTES:
                yield None
    elif kind == codes.KIND_HASH_TTL:
        yield from _put_hash_ttl(out, key, cast(list[tuple[bytes, bytes, int]], value), version)
    else:
        raise RdbError(f"{kind!r} is no kind of value")


def _put_hash_ttl(
    out: BytesWriter, key: bytes | None, fields: list[tuple[bytes, bytes, int]], version: i64
) -> Iterator[None]:
    with_ttl = version >= codes.VERSION_FIELD_TTL
    least: i64 = 0
    if with_ttl:
        for _, _, deadline in fields:
            if deadline != 0 and (least == 0 or deadline < least):
                least = deadline
    if with_ttl and least != 0:
        put_type(out, codes.TYPE_HASH_METADATA, key)
        write_i64_le(out, least)
    else:
        put_type(out, codes.TYPE_HASH, key)
    put_length(out, len(fields))
    for field, text, deadline in fields:
        if least != 0:
            put_length(out, 0 if deadline == 0 else deadline - least + 1)
        put_string(out, field)
        put_string(out, text)
        if len(out) >= PIECE_BYTES:
            yield None


def _put_list(
    out: BytesWriter, key: bytes | None, items: list[bytes], version: i64, limits: Thresholds
) -> Iterator[None]:
    """A list as nodes of at most `list_node_bytes`; a larger element is a node of its own."""
    ends: list[int] = []
    count: i64 = len(items)
    size: i64 = 0
    at: i64 = 0
    while at < count:  # first the nodes, since their number comes before them
        room = i64(len(items[at])) + 11  # the most that stands around an element
        if at > 0 and size + room > limits.list_node_bytes:
            ends.append(int(at))
            size = 0
        size += room
        at += 1
        if at % _MEASURED_ELEMENTS == 0:
            yield None
    ends.append(int(count))
    old = version < codes.VERSION_LISTPACK
    put_type(out, codes.TYPE_LIST_QUICKLIST if old else codes.TYPE_LIST_QUICKLIST_2, key)
    put_length(out, len(ends))
    start: i64 = 0
    for end in ends:
        stop: i64 = end
        if old:
            put_bytes(out, packed.write_ziplist(items, start, stop))
        elif stop - start == 1 and len(items[start]) > limits.list_node_bytes:
            put_length(out, codes.NODE_PLAIN)
            put_bytes(out, items[start])
        else:
            put_length(out, codes.NODE_PACKED)
            put_bytes(out, packed.write_listpack(items, start, stop))
        start = stop
        if len(out) >= PIECE_BYTES:
            yield None
