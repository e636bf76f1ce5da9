"""Keys and values to RDB bytes, appended to a BytesWriter.  [compiled]

What is small is written at once, packed in one blob (`packed_type`, `put_packed`); what is large is
written by a generator that pauses whenever a piece is ready (`put_large`). The encodings are those
Redis chooses for the same value, unless the caller names one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, cast

from librt.strings import BytesWriter, write_f64_le, write_i64_le
from mypy_extensions import i64

from node.persist import rdb_codes as codes
from node.persist import rdb_packed as packed
from node.persist.rdb_codes import RdbError
from node.persist.rdb_lists import put_list
from node.persist.rdb_put import (
    Thresholds,
    put_aux,
    put_length,
    put_string,
    put_text,
    put_type,
)  # fmt: skip
from node.persist.rdb_records import CronJob, Opaque
from node.persist.rdb_values import program_of, put_walked
from node.resp.numbers import format_double

# A piece is ready above this size: large enough to make a write() worthwhile, small enough to
# take well below a millisecond to make.
PIECE_BYTES: Final = 65536
# Elements of a large collection that are looked at together.
SLICE: Final = 512
# A score up to this is kept as an integer where it is one, in the packed form.
WHOLE_SCORE_MAX: Final = 4611686018427387904.0


class Slices:
    """The elements of a large collection, given out a few at a time in the form of its kind.

    This one has them in a list; others make them when they are asked for.
    """

    def __init__(self, items: list[object]) -> None:
        self.size: i64 = len(items)
        self.items = items

    def slice(self, start: i64, stop: i64) -> list[object]:
        """The elements from `start` to before `stop`."""
        return self.items[start:stop]

    def least_deadline(self) -> i64:
        """Of a hash_ttl: the first deadline of all, 0 where no field has one."""
        return least_deadline(cast(list[tuple[bytes, bytes, int]], self.items))


def slices_of(value: object) -> Slices:
    """A collection's elements."""
    return value if isinstance(value, Slices) else Slices(cast(list[object], value))


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
        slices = slices_of(value)
        start: i64 = 0
        while start < slices.size:
            for each in slices.slice(start, start + SLICE):
                field, _, deadline = cast(tuple[bytes, bytes, int], each)
                if deadline != 0:
                    put_aux(out, codes.AUX_MEMBER, field)
                    put_aux(out, codes.AUX_MEMBER_DEADLINE, b"%d" % deadline)
                if len(out) >= PIECE_BYTES:
                    yield None
            start += SLICE


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
        put_text(out, value if isinstance(value, bytes) else b"%d" % cast(int, value),
                 limits.compress)  # fmt: skip
        return True
    if kind == codes.KIND_STREAM or kind == codes.KIND_MODULE:
        put_opaque(out, key, cast(Opaque, value), version, limits.compress)
        return True
    if kind == codes.KIND_CRON:
        put_cron(out, key, cast(CronJob, value))
        return True
    if isinstance(value, Slices):
        return False
    if not isinstance(value, list) or len(value) == 0:
        raise RdbError(f"the {kind.decode()} {key!r} has no element: an empty key is not written")
    type_number = packed_type(kind, value, version, limits)
    if type_number < 0:
        return False
    put_packed(out, type_number, key, value, limits.compress)
    return True


def put_opaque(
    out: BytesWriter, key: bytes | None, value: Opaque, version: i64, compress: bool
) -> None:
    """A stream or a module's value; a stream's strings are compressed if so asked."""
    number = value.type_number
    if (number == codes.TYPE_STREAM_2 and version < codes.VERSION_LISTPACK) or (
        number == codes.TYPE_STREAM_3 and version < codes.VERSION_SET_LISTPACK
    ):
        raise RdbError(f"the key {key!r} of type {number} does not fit RDB version {version}")
    put_type(out, number, key)
    program = program_of(number)
    if compress and program:
        put_walked(out, program, value.data)
    else:
        out.write(value.data)


def put_cron(out: BytesWriter, key: bytes | None, job: CronJob) -> None:
    """KeyDB's job."""
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


def packed_type(kind: bytes, value: object, version: i64, limits: Thresholds) -> i64:
    """The type of the packed form that Redis would choose; -1 where it would choose none.

    A list has none: one node is a chain of one.
    """
    if kind == codes.KIND_SET:
        return packed_set(cast(list[bytes], value), version, limits)
    if version < codes.VERSION_LISTPACK:
        return -1
    if kind == codes.KIND_HASH:
        pairs = cast(list[tuple[bytes, bytes]], value)
        longest = limits.hash_listpack_value
        if len(pairs) > limits.hash_listpack_entries:
            return -1
        for field, text in pairs:
            if len(field) > longest or len(text) > longest:
                return -1
        return codes.TYPE_HASH_LISTPACK
    if kind == codes.KIND_HASH_TTL:
        return packed_hash_ttl(cast(list[tuple[bytes, bytes, int]], value), version, limits)
    if kind == codes.KIND_ZSET:
        scores = cast(list[tuple[bytes, float]], value)
        if len(scores) > limits.zset_listpack_entries:
            return -1
        for member, _ in scores:
            if len(member) > limits.zset_listpack_value:
                return -1
        return codes.TYPE_ZSET_LISTPACK
    return -1


def packed_set(members: list[bytes], version: i64, limits: Thresholds) -> i64:
    """A set's packed type: numbers alone, or few and short members."""
    count: i64 = len(members)
    if count <= limits.set_intset_entries:
        numbers = True
        for member in members:
            if not packed.is_integer(member):
                numbers = False
                break
        if numbers:
            return codes.TYPE_SET_INTSET
    if version < codes.VERSION_SET_LISTPACK or count > limits.set_listpack_entries:
        return -1
    for member in members:
        if len(member) > limits.set_listpack_value:
            return -1
    return codes.TYPE_SET_LISTPACK


def packed_hash_ttl(
    fields: list[tuple[bytes, bytes, int]], version: i64, limits: Thresholds
) -> i64:
    """The packed type of a hash with field TTLs: without them in a version that has none."""
    longest = limits.hash_listpack_value
    if len(fields) > limits.hash_listpack_entries:
        return -1
    for field, text, _ in fields:
        if len(field) > longest or len(text) > longest:
            return -1
    if version < codes.VERSION_FIELD_TTL or least_deadline(fields) == 0:
        return codes.TYPE_HASH_LISTPACK
    return codes.TYPE_HASH_LISTPACK_EX


def put_packed(
    out: BytesWriter, type_number: i64, key: bytes | None, value: object, compress: bool
) -> None:
    """Writes a collection as one blob of this type, whatever its size."""
    put_type(out, type_number, key)
    if type_number == codes.TYPE_SET_INTSET:
        put_text(out, packed.write_intset(cast(list[bytes], value)), compress)
        return
    if type_number == codes.TYPE_SET_LISTPACK:
        flat = cast(list[bytes], value)
    elif type_number == codes.TYPE_ZSET_LISTPACK:
        flat = flat_scores(cast(list[tuple[bytes, float]], value), compress)
    elif type_number == codes.TYPE_HASH_LISTPACK_EX:
        fields = cast(list[tuple[bytes, bytes, int]], value)
        write_i64_le(out, least_deadline(fields))
        flat = flat_deadlines(fields)
    else:
        flat = []
        for each in cast(list[tuple[object, ...]], value):
            flat.append(cast(bytes, each[0]))
            flat.append(cast(bytes, each[1]))
    put_text(out, packed.write_listpack(flat, 0, len(flat)), compress)


def least_deadline(fields: list[tuple[bytes, bytes, int]]) -> i64:
    """The first deadline of all, 0 where no field has one."""
    least: i64 = 0
    for _, _, deadline in fields:
        if deadline != 0 and (least == 0 or deadline < least):
            least = deadline
    return least


def flat_deadlines(fields: list[tuple[bytes, bytes, int]]) -> list[bytes]:
    """Fields, values and deadlines in turn, in Redis's order: by deadline, those without last."""
    ordered: list[tuple[int, int]] = []
    for place, each in enumerate(fields):
        ordered.append((each[2] if each[2] != 0 else codes.FIELD_DEADLINE_MAX_MS + 1, place))
    ordered.sort()
    flat: list[bytes] = []
    for _, place in ordered:
        field, text, deadline = fields[place]
        flat.append(field)
        flat.append(text)
        flat.append(b"%d" % deadline)
    return flat


def flat_scores(scores: list[tuple[bytes, float]], as_redis: bool) -> list[bytes]:
    """Members and scores in turn. Redis uses the packed form as it stands: by score, then member.

    `as_redis`: without a -0, which it does not keep there.
    """
    ordered: list[tuple[float, bytes]] = []
    for member, score in scores:
        check_score(score)
        ordered.append((score, member))
    ordered.sort()
    flat: list[bytes] = []
    for score, member in ordered:
        flat.append(member)
        flat.append(score_text(score if score != 0 or not as_redis else 0.0))
    return flat


def check_score(score: float) -> None:
    """RdbError where it is not a number."""
    if score != score:
        raise RdbError("a sorted set has a score that is not a number: it is not written")


def score_text(score: float) -> bytes:
    """A score in a listpack: a whole one as an integer, any other as Redis prints it."""
    if -WHOLE_SCORE_MAX <= score <= WHOLE_SCORE_MAX and score == int(score) and score != 0:
        return b"%d" % int(score)
    return format_double(score)


# --- large collections, cut into pieces ------------------------------------------------------


def put_large(
    out: BytesWriter,
    kind: bytes,
    key: bytes | None,
    value: object,
    version: i64,
    limits: Thresholds,
) -> Iterator[None]:
    """Writes a collection and pauses whenever a piece of it is in out.

    `value` is the list of its elements, or, for all but a list, Slices of them.
    """
    if kind == codes.KIND_LIST:
        yield from put_list(out, key, cast(list[bytes], value), version, limits)
        return
    slices = slices_of(value)
    least: i64 = 0
    if kind == codes.KIND_HASH_TTL and version >= codes.VERSION_FIELD_TTL:
        least = slices.least_deadline()
    put_type(out, large_type(kind, least), key)
    if least != 0:
        write_i64_le(out, least)
    put_length(out, slices.size)
    start: i64 = 0
    while start < slices.size:
        for each in slices.slice(start, start + SLICE):
            put_element(out, kind, each, least, limits.compress)
            if len(out) >= PIECE_BYTES:
                yield None
        start += SLICE


def large_type(kind: bytes, least_ms: i64) -> i64:
    """The type of a collection's plain form. RdbError where there is none of this kind."""
    if kind == codes.KIND_SET:
        return codes.TYPE_SET
    if kind == codes.KIND_ZSET:
        return codes.TYPE_ZSET_2
    if kind == codes.KIND_HASH or kind == codes.KIND_HASH_TTL:
        return codes.TYPE_HASH if least_ms == 0 else codes.TYPE_HASH_METADATA
    raise RdbError(f"{kind!r} is no kind of value")


def put_element(out: BytesWriter, kind: bytes, each: object, least_ms: i64, compress: bool) -> None:
    """A member; a member and its score; a field, its value and maybe its deadline.

    Deadlines are distances from the least of all, one above; 0 for none.
    """
    if kind == codes.KIND_SET:
        put_text(out, cast(bytes, each), compress)
    elif kind == codes.KIND_ZSET:
        member, score = cast(tuple[bytes, float], each)
        check_score(score)
        put_text(out, member, compress)
        write_f64_le(out, score)
    elif kind == codes.KIND_HASH:
        name, value = cast(tuple[bytes, bytes], each)
        put_text(out, name, compress)
        put_text(out, value, compress)
    else:
        field, text, deadline = cast(tuple[bytes, bytes, int], each)
        if least_ms != 0:
            put_length(out, 0 if deadline == 0 else deadline - least_ms + 1)
        put_text(out, field, compress)
        put_text(out, text, compress)
