"""Contents: between the values of the store and what an RDB record holds of them.  [compiled]

The one place that knows both. Snapshot, loader, DUMP, RESTORE and the effects of whole collections
go through it; `rdb_records.KeyRecord` says what a record's value is for each kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice, repeat
from typing import Final, cast

from mypy_extensions import i64

from node.persist import rdb_codes as codes
from node.persist.cron_jobs import job_content, job_fields, job_value
from node.persist.rdb_codes import RdbError
from node.persist.rdb_encode import Slices
from node.persist.rdb_packed import is_integer, to_integer
from node.persist.rdb_records import Opaque
from node.persist.rdb_streams import StreamNodes, opaque_of, stream_of
from node.store.entry import Field
from node.store.values.container import Container
from node.store.values.cron import CronValue
from node.store.values.hashes import HashValue, plain
from node.store.values.lists import ListValue, list_of
from node.store.values.scored import score_in
from node.store.values.sets import SetValue
from node.store.values.streams import StreamValue
from node.store.values.strings import shown
from node.store.values.value import Value
from node.store.values.zsets import ZSetValue

# Sets up to this size are written sorted: as an intset they would come back in an order of their
# own anyway, and what Metadata says of the members counts on the order in the file.
SORTED_MAX: Final = 512
# The kinds of record that `value_of` takes.
KINDS: Final = frozenset(
    (
        codes.KIND_STRING, codes.KIND_LIST, codes.KIND_SET, codes.KIND_ZSET, codes.KIND_HASH,
        codes.KIND_HASH_TTL, codes.KIND_STREAM, codes.KIND_CRON,
    )
)  # fmt: skip


def file_order(value: SetValue) -> list[bytes]:
    """A set's members in the order in which they are written."""
    members = value.names()
    return sorted(members) if len(members) <= SORTED_MAX else members


def content_of(value: object, version: i64) -> tuple[bytes, object]:
    """A value as a record of this RDB version has it: kind and content, a copy.

    Sorted sets have the greatest score first, as Redis writes them. Deadlines of the members of
    sets and sorted sets are not in it: see `member_fields`.
    """
    if isinstance(value, SetValue):
        return codes.KIND_SET, file_order(value)
    if isinstance(value, HashValue):
        if value.has_deadlines():
            return codes.KIND_HASH_TTL, value.items_with_deadlines()
        return codes.KIND_HASH, value.items()
    if isinstance(value, ListValue):
        return codes.KIND_LIST, value.content()
    if isinstance(value, ZSetValue):
        scores = cast(list[tuple[bytes, float]], value.content())
        scores.reverse()
        return codes.KIND_ZSET, scores
    if isinstance(value, StreamValue):
        return codes.KIND_STREAM, opaque_of(value, version)
    if isinstance(value, CronValue):
        return codes.KIND_CRON, job_content(value)
    return codes.KIND_STRING, shown(value)


class Reading(Slices):
    """The places of a large set, hash or sorted set, read a few at a time in the names' order.

    `freeze` must be called before the value changes: it copies what was not read yet, and is not
    needed for a value that nobody writes meanwhile.
    """

    def __init__(self, value: Container, kind: bytes) -> None:
        super().__init__([])
        self.kind = kind
        self.size = value.size()
        self.deadlines = dict(value.deadline_items())
        self.is_live = True
        self._chunks = value.chunks()
        self._chunks.reverse()
        self._left: Iterator[tuple[bytes, object]] = iter(())  # of the chunk that is being read

    def freeze(self) -> None:
        """The value may change from now on.

        Two lists, no pairs: the garbage collector would look at millions of these again and again
        while they are made. 60 ms for a million members, and everybody waits for it.
        """
        if not self.is_live:
            return
        self.is_live = False
        names: list[bytes] = []
        values: list[object] = []
        for name, slot in self._left:
            names.append(name)
            values.append(as_it_is(slot))
        chunks = self._chunks
        self._chunks = []
        while chunks:
            chunk = chunks.pop()
            names.extend(chunk)
            if self.kind == codes.KIND_SET:
                continue  # a name is all there is to a member
            # A slot may be counted on in place; what shows of it now does not change itself.
            for slot in chunk.values():
                values.append(as_it_is(slot))
        shown: Iterable[object] = repeat(None) if self.kind == codes.KIND_SET else values
        self._left = zip(names, shown, strict=False)

    def slice(self, start: i64, stop: i64) -> list[object]:
        """The next places; they can be had once, from the first on."""
        found: list[object] = []
        left = int(stop - start)
        self._read(left, found)
        while len(found) < left and self._chunks:
            self._left = iter(self._chunks.pop().items())
            self._read(left - len(found), found)
        return found

    def _read(self, most: int, found: list[object]) -> None:
        """So many places at most, of the chunk that is being read."""
        for name, slot in islice(self._left, most):
            if self.kind == codes.KIND_SET:
                found.append(name)
            elif self.kind == codes.KIND_ZSET:
                found.append((name, score_in(slot)))
            elif self.kind == codes.KIND_HASH:
                found.append((name, plain(slot)))
            else:
                found.append((name, plain(slot), self.deadlines.get(name, 0)))

    def least_deadline(self) -> i64:
        return min(self.deadlines.values()) if self.deadlines else 0


def as_it_is(slot: object) -> object:
    """What shows of a field's or member's slot."""
    if isinstance(slot, Field):
        return slot.value
    return score_in(slot)


def large_content_of(value: Value, version: i64) -> tuple[bytes, object]:
    """As `content_of`, for a large value that is written in pieces: a set, hash or sorted set is
    Reading, in any order, a stream StreamNodes.

    A hash with deadlines for a version that has none is a copy: it is gone through twice.
    """
    if isinstance(value, SetValue):
        return codes.KIND_SET, Reading(value, codes.KIND_SET)
    if isinstance(value, HashValue) and not value.has_deadlines():
        return codes.KIND_HASH, Reading(value, codes.KIND_HASH)
    if isinstance(value, HashValue) and version >= codes.VERSION_FIELD_TTL:
        return codes.KIND_HASH_TTL, Reading(value, codes.KIND_HASH_TTL)
    if isinstance(value, ZSetValue):
        return codes.KIND_ZSET, Reading(value, codes.KIND_ZSET)
    if isinstance(value, StreamValue):
        return codes.KIND_STREAM, StreamNodes(value, version)
    return content_of(value, version)


def member_fields(value: object) -> list[tuple[bytes, bytes]]:
    """KeyDB's fields for members with a deadline, two for each; a hash has its own way. A job has
    one field of ours."""
    fields: list[tuple[bytes, bytes]] = []
    if isinstance(value, (SetValue, ZSetValue)):
        for member, deadline_ms in value.deadline_items():
            fields.append((codes.AUX_MEMBER, member))
            fields.append((codes.AUX_MEMBER_DEADLINE, b"%d" % deadline_ms))
    elif isinstance(value, CronValue):
        fields = job_fields(value)
    return fields


def in_order_of_redis(members: list[bytes]) -> list[bytes]:
    """Members of a small set as Redis's listpack has them, given in the order they were added.

    The numbers that came before everything else were an intset, which is sorted.
    """
    numbers = 0
    while numbers < len(members) and is_integer(members[numbers]):
        numbers += 1
    ordered = sorted([int(to_integer(member)) for member in members[:numbers]])
    return [b"%d" % number for number in ordered] + members[numbers:]


def value_of(kind: bytes, content: object, aux: list[tuple[bytes, bytes]]) -> object:
    """A record's value as the store has it; `aux` are the record's fields.

    RdbError: a kind that is none of KINDS, a member twice, a damaged stream, job or deadline.
    """
    if kind == codes.KIND_STRING:
        return content
    if kind == codes.KIND_LIST:
        return list_of(cast(list[bytes], content))
    if kind == codes.KIND_STREAM:
        return stream_of(cast(Opaque, content))
    if kind == codes.KIND_CRON:
        return job_value(content, aux)
    found: Container
    if kind == codes.KIND_SET:
        found = set_of(cast(list[bytes], content))
    elif kind == codes.KIND_ZSET:
        found = zset_of(cast(list[tuple[bytes, float]], content))
    elif kind == codes.KIND_HASH:
        found = hash_of(cast(list[tuple[bytes, bytes]], content))
    elif kind == codes.KIND_HASH_TTL:
        found = hash_ttl_of(cast(list[tuple[bytes, bytes, int]], content))
    else:
        raise RdbError(f"a {kind.decode()} is no value of this server")
    take_member_deadlines(found, aux)
    return found


def set_of(members: list[bytes]) -> SetValue:
    """A set of members, each once."""
    value = SetValue()
    value.do_fill_names(members, None)
    if value.size() != len(members):
        raise twice("set")
    return value


def zset_of(scores: list[tuple[bytes, float]]) -> ZSetValue:
    """A sorted set of members, each once."""
    value = ZSetValue()
    pairs = dict(scores)
    if len(pairs) != len(scores):
        raise twice("sorted set")
    value.do_fill(pairs)
    return value


def hash_of(pairs: list[tuple[bytes, bytes]]) -> HashValue:
    """A hash of fields, each once."""
    value = HashValue()
    value.do_fill_pairs(cast(list[tuple[bytes, object]], pairs))
    if value.size() != len(pairs):
        raise twice("hash")
    return value


def hash_ttl_of(fields: list[tuple[bytes, bytes, int]]) -> HashValue:
    """A hash of fields with deadlines in ms, 0 none."""
    value = HashValue()
    for field, text, deadline_ms in fields:
        value.do_place(field, text)
        if deadline_ms != 0:
            value.do_set_deadline(field, deadline_ms)
    if value.size() != len(fields):
        raise twice("hash")
    return value


def take_member_deadlines(value: Container, aux: list[tuple[bytes, bytes]]) -> None:
    """Gives members the deadlines that KeyDB's fields say; one of no member is let pass.

    KeyDB has them for every type alike, and may keep one of a member that is gone.
    """
    member = b""
    for name, text in aux:
        if name == codes.AUX_MEMBER:
            member = text
        elif name == codes.AUX_MEMBER_DEADLINE and value.has(member):
            if not is_integer(text) or not 0 < to_integer(text) <= codes.FIELD_DEADLINE_MAX_MS:
                raise RdbError(f"the deadline {text[:40]!r} of a member is out of range")
            value.do_set_deadline(member, int(to_integer(text)))


def twice(kind: str) -> RdbError:
    """The error for a member that is there twice."""
    return RdbError(f"a {kind} has a member twice: the data is damaged")
