"""Values that are read in one go: packed collections, cron jobs; and the shape of walked ones.
[compiled]
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter, read_f64_le
from mypy_extensions import i64

from node.persist import rdb_codes as codes
from node.persist import rdb_packed as packed
from node.persist.rdb_codes import RdbError
from node.persist.rdb_input import RdbInput
from node.persist.rdb_put import put_text
from node.persist.rdb_records import CronJob

INFINITY: Final = float("inf")

# The shape of values that are walked over, as a program. s: a string, n: a number, m: 8 bytes (a
# time), i: 16 bytes (a stream id), (...): a number, then that many times what is inside.
# A stream: nodes; length and ids; groups of name, last id, pending entries, consumers.
STREAM: Final = b"(ss)nnn(snn(imn)(sm(i)))"
STREAM_2: Final = b"(ss)nnnnnnnn(snnn(imn)(sm(i)))"
STREAM_3: Final = b"(ss)nnnnnnnn(snnn(imn)(smm(i)))"
CRON: Final = b"smm(s)(s)"
SIGN_OPEN: Final = 40
SIGN_CLOSE: Final = 41
SIGN_STRING: Final = 115
SIGN_NUMBER: Final = 110
SIGN_TIME: Final = 109


def program_of(type_number: i64) -> bytes:
    """The shape of a value of this type, b"" for types that are not walked over."""
    if type_number == codes.TYPE_STREAM_3:
        return STREAM_3
    if type_number == codes.TYPE_STREAM_2:
        return STREAM_2
    if type_number == codes.TYPE_STREAM:
        return STREAM
    return CRON if type_number == codes.TYPE_KEYDB_CRON else b""


def behind_loop(program: bytes, at: i64) -> i64:
    """The place behind the loop whose inside begins at `at`."""
    depth: i64 = 1
    while depth > 0:
        sign: i64 = program[at]
        if sign == SIGN_OPEN:
            depth += 1
        elif sign == SIGN_CLOSE:
            depth -= 1
        at += 1
    return at


class Walker:
    """Follows one program over bytes that come in pieces."""

    def __init__(self, program: bytes) -> None:
        self._program = program
        self._at: i64 = 0
        self._loops: list[tuple[int, int]] = []  # where the inside begins, rounds left

    def follow(self, source: RdbInput) -> None:
        """Goes as far as the bytes reach; the mark moves behind each sign of the program."""
        program = self._program
        while self._at < len(program):
            sign: i64 = program[self._at]
            at = self._at + 1
            if sign == SIGN_OPEN:
                times = source.length()
                if times == 0:
                    at = behind_loop(program, at)
                else:
                    self._loops.append((int(at), int(times)))
            elif sign == SIGN_CLOSE:
                start, left = self._loops.pop()
                if left > 1:
                    self._loops.append((start, left - 1))
                    at = start
            elif sign == SIGN_STRING:
                source.skip_string()
            elif sign == SIGN_NUMBER:
                source.number()
            else:
                source.skip(8 if sign == SIGN_TIME else 16)
            self._at = at
            source.mark = source.pos


def put_walked(out: BytesWriter, program: bytes, data: bytes) -> None:
    """Writes a walked value again, its strings compressed as DUMP does; `data` is whole."""
    source = RdbInput()
    source.open(data)
    loops: list[tuple[int, int]] = []
    at: i64 = 0
    while at < len(program):
        sign: i64 = program[at]
        at += 1
        start = source.pos
        if sign == SIGN_STRING:
            put_text(out, source.string(), True)
            continue
        if sign == SIGN_CLOSE:
            inside, left = loops.pop()
            if left > 1:
                loops.append((inside, left - 1))
                at = inside
            continue
        if sign == SIGN_OPEN:
            times = source.length()
            if times == 0:
                at = behind_loop(program, at)
            else:
                loops.append((int(at), int(times)))
        elif sign == SIGN_NUMBER:
            source.number()
        else:
            source.skip(8 if sign == SIGN_TIME else 16)
        out.write(data[start : source.pos])


def is_packed(type_number: i64) -> bool:
    """Is a value of this type one blob?"""
    return (
        codes.TYPE_HASH_ZIPMAP <= type_number <= codes.TYPE_HASH_ZIPLIST
        or type_number == codes.TYPE_HASH_LISTPACK
        or type_number == codes.TYPE_ZSET_LISTPACK
        or type_number == codes.TYPE_SET_LISTPACK
        or type_number == codes.TYPE_HASH_LISTPACK_EX
        or type_number == codes.TYPE_HASH_LISTPACK_EX_PRE_GA
    )


def kind_of(type_number: i64) -> bytes:
    """The kind of a collection's type."""
    t = type_number
    if (
        t == codes.TYPE_LIST
        or t == codes.TYPE_LIST_ZIPLIST
        or t == codes.TYPE_LIST_QUICKLIST
        or t == codes.TYPE_LIST_QUICKLIST_2
    ):
        return codes.KIND_LIST
    if t == codes.TYPE_SET or t == codes.TYPE_SET_INTSET or t == codes.TYPE_SET_LISTPACK:
        return codes.KIND_SET
    if (
        t == codes.TYPE_ZSET
        or t == codes.TYPE_ZSET_2
        or t == codes.TYPE_ZSET_ZIPLIST
        or t == codes.TYPE_ZSET_LISTPACK
    ):
        return codes.KIND_ZSET
    if (
        t == codes.TYPE_HASH
        or t == codes.TYPE_HASH_ZIPMAP
        or t == codes.TYPE_HASH_ZIPLIST
        or t == codes.TYPE_HASH_LISTPACK
    ):
        return codes.KIND_HASH
    return codes.KIND_HASH_TTL


def unpack(type_number: i64, blob: bytes) -> object:
    """The value of a packed collection, in the form KeyRecord has for its kind."""
    if type_number == codes.TYPE_SET_INTSET:
        return packed.read_intset(blob)
    if type_number == codes.TYPE_HASH_ZIPMAP:
        items = packed.read_zipmap(blob)
    elif type_number <= codes.TYPE_HASH_ZIPLIST:
        items = packed.read_ziplist(blob)
    else:
        items = packed.read_listpack(blob)
    kind = kind_of(type_number)
    if kind == codes.KIND_LIST or kind == codes.KIND_SET:
        return items
    width: i64 = 3 if kind == codes.KIND_HASH_TTL else 2
    size: i64 = len(items)
    if size % width != 0:
        raise RdbError("a packed collection ends inside an element")
    at: i64 = 0
    if kind == codes.KIND_HASH:
        pairs: list[tuple[bytes, bytes]] = []
        while at < size:
            pairs.append((items[at], items[at + 1]))
            at += 2
        return pairs
    if kind == codes.KIND_ZSET:
        scores: list[tuple[bytes, float]] = []
        while at < size:
            scores.append((items[at], to_score(items[at + 1])))
            at += 2
        return scores
    fields: list[tuple[bytes, bytes, int]] = []
    while at < size:
        fields.append((items[at], items[at + 1], int(to_field_deadline(items[at + 2]))))
        at += 3
    return fields


def read_score(source: RdbInput, type_number: i64) -> float:
    """The score that follows a member of a sorted set of type 3 or 5."""
    if type_number == codes.TYPE_ZSET_2:
        score = read_f64_le(source.buf, source.skip(8))
        if score != score:
            raise source.error("the score of a sorted set is not a number")
        return score
    size = source.byte()
    if size == 255:
        return -INFINITY
    if size == 254:
        return INFINITY
    start = source.skip(size if size < 253 else 0)  # 253: not a number
    try:
        return to_score(source.buf[start : source.pos])
    except RdbError as error:
        raise source.error(str(error)) from None


def read_node(source: RdbInput, type_number: i64) -> list[bytes]:
    """The elements of one node of a list of type 14 or 18."""
    container: i64 = codes.NODE_PACKED
    if type_number == codes.TYPE_LIST_QUICKLIST_2:
        container = source.length()
    blob = source.string()
    try:
        if type_number == codes.TYPE_LIST_QUICKLIST:
            return packed.read_ziplist(blob)
        if container == codes.NODE_PACKED:
            return packed.read_listpack(blob)
    except RdbError as error:
        raise source.error(str(error)) from None
    if container != codes.NODE_PLAIN:
        raise source.error(f"a list node in the unknown container {container}")
    return [blob]


def to_score(text: bytes) -> float:
    """A sorted set's score from its text. RdbError: no number."""
    if len(text) < 16 and packed.is_integer(text):
        return float(packed.to_integer(text))  # the common case; a double holds it exactly
    try:
        score = float(text)
    except ValueError:
        raise RdbError(f"the score {text[:40]!r} is no number") from None
    if score != score:
        raise RdbError("the score of a sorted set is not a number")
    return score


def to_field_deadline(text: bytes) -> i64:
    """A hash field's deadline in ms from its text, 0 none. RdbError: none that Redis would keep."""
    if packed.is_integer(text):
        deadline = packed.to_integer(text)
        if 0 <= deadline <= codes.FIELD_DEADLINE_MAX_MS:
            return deadline
    raise RdbError(f"the field deadline {text[:40]!r} is out of range")


def read_cron(data: bytes) -> CronJob:
    """The job in KeyDB's value of type 64, which was walked over whole before."""
    source = RdbInput()
    source.open(data)
    script = source.string()
    start_ms = source.ms()
    interval_ms = source.ms()
    keys = _strings(source)
    return CronJob(script, start_ms, interval_ms, keys, _strings(source))


def _strings(source: RdbInput) -> list[bytes]:
    left = source.length()
    out: list[bytes] = []
    while left > 0:
        out.append(source.string())
        left -= 1
    return out
