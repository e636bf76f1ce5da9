"""Contents: every value is what it was after it has been a record, in every version."""

import pytest
from mypy_extensions import i64

from node.digest import hexadecimal, value_digest
from node.persist import rdb_codes as codes
from node.persist.contents import (
    Reading,
    content_of,
    in_order_of_redis,
    large_content_of,
    member_fields,
    value_of,
)
from node.persist.rdb_codes import RdbError
from node.persist.rdb_reader import RdbReader
from node.persist.rdb_records import KeyRecord
from node.persist.rdb_writer import RdbWriter
from node.store.values.hashes import HashValue
from node.store.values.sets import SetValue
from node.store.values.value import Value
from node.store.values.zsets import ZSetValue
from tests.support.local import LocalNode

LATER_MS = 1_800_000_000_000
MANY = range(5000)
COMMANDS = {
    "string": ["SET k text"],
    "counter": ["SET k 10", "INCR k"],
    "list": ["RPUSH k a b 3", "LPUSH k first"],
    "long list": ["RPUSH k " + " ".join(f"item-{n}" for n in MANY)],
    "set": ["SADD k a b 3"],
    "large set": ["SADD k " + " ".join(map(str, MANY))],
    "timed set": ["SADD k a b", f"PEXPIREMEMBERAT k a {LATER_MS}"],
    "zset": ["ZADD k 1 a -inf b 0.1 c"],
    "large zset": ["ZADD k " + " ".join(f"{n * 7 % 100} m{n}" for n in MANY)],
    "timed zset": ["ZADD k 1 a 2 b", f"PEXPIREMEMBERAT k b {LATER_MS}"],
    "hash": ["HSET k f v g w"],
    "large hash": ["HSET k " + " ".join(f"f{n} {n}" for n in MANY)],
    "timed hash": ["HSET k f v g w", f"HPEXPIREAT k {LATER_MS} FIELDS 1 g"],
    "large timed hash": [
        "HSET k " + " ".join(f"f{n} {n}" for n in MANY),
        f"HPEXPIREAT k {LATER_MS} FIELDS 2 f7 f8",
        f"HPEXPIREAT k {LATER_MS - 5} FIELDS 1 f9",
    ],
    "stream": ["XADD k 1-1 f v", "XADD k 2-1 f w g x", "XGROUP CREATE k group 0"],
}


def made(name: str) -> object:
    """The value that these commands make."""
    node = LocalNode()
    for command in COMMANDS[name]:
        node(command)
    return node.engine.databases[0].glance(b"k")


def shown(value: object) -> bytes:
    """What clients can see of it, in one text."""
    return hexadecimal(value_digest(value))


# A stream of version 9, Redis 5's, does not say how many entries were ever added.
WHOLE = [
    (name, version)
    for name in COMMANDS
    for version in (9, 10, 11, 12)
    if version > 9 or name != "stream"
]


@pytest.mark.parametrize(("name", "version"), WHOLE)
def test_a_value_is_the_same_after_a_file(name: str, version: int) -> None:
    value = made(name)
    writer = RdbWriter(i64(version))
    kind, content = content_of(value, i64(version))
    data = writer.header([]) + writer.key(kind, b"k", content, 0, member_fields(value))
    assert shown(read(data + writer.end())) == shown(value)


@pytest.mark.parametrize(("name", "version"), WHOLE)
def test_a_large_value_in_pieces_is_the_same(name: str, version: int) -> None:
    value = made(name)
    if not isinstance(value, Value):
        return
    writer = RdbWriter(i64(version))
    kind, content = large_content_of(value, i64(version))
    pieces = writer.pieces(kind, b"k", content, i64(0), member_fields(value))
    assert shown(read(b"".join([writer.header([]), *pieces, writer.end()]))) == shown(value)


def read(data: bytes) -> object:
    """The value of a file's one key."""
    (record,) = [each for each in RdbReader().feed(data) if isinstance(each, KeyRecord)]
    return value_of(record.kind, record.value, record.aux)


def test_what_is_frozen_stays_while_the_value_changes() -> None:
    """What was not read yet is as it was at the freeze, fields counted on in place among it."""
    node = LocalNode()
    node("HSET h f 1 g 2")
    node("HINCRBY h n 10")
    node("SADD s a b")
    node("ZADD z 1 a 2 b")
    frozen: list[Reading] = []
    for key in (b"h", b"s", b"z"):
        value = node.engine.databases[0].glance(key)
        assert isinstance(value, (HashValue, SetValue, ZSetValue))
        content = large_content_of(value, i64(12))[1]
        assert isinstance(content, Reading)
        frozen.append(content)
    first = [each.slice(i64(0), i64(1)) for each in frozen]
    assert first == [[(b"f", b"1")], [b"a"], [(b"a", 1.0)]]
    for each in frozen:
        each.freeze()
    for command in ("HINCRBY h n 5", "HDEL h g", "SREM s a", "SADD s c", "ZADD z 7 a", "ZREM z b"):
        node(command)
    rest = [each.slice(i64(1), i64(9)) for each in frozen]
    assert rest == [[(b"g", b"2"), (b"n", b"10")], [b"b"], [(b"b", 2.0)]]


def test_sorted_sets_stand_with_the_greatest_first() -> None:
    kind, content = content_of(made("zset"), i64(12))
    assert kind == codes.KIND_ZSET
    assert content == [(b"a", 1.0), (b"c", 0.1), (b"b", float("-inf"))]


def test_members_that_were_an_intset_stand_sorted_before_the_rest() -> None:
    assert in_order_of_redis([b"30", b"4", b"x", b"1"]) == [b"4", b"30", b"x", b"1"]
    assert in_order_of_redis([b"x", b"4", b"1"]) == [b"x", b"4", b"1"]
    assert in_order_of_redis([b"3", b"1"]) == [b"1", b"3"]


def test_deadlines_of_members_are_given_by_fields() -> None:
    aux = [
        (codes.AUX_STAMP, b"7"),
        (codes.AUX_MEMBER, b"a"), (codes.AUX_MEMBER_DEADLINE, b"%d" % LATER_MS),
        (codes.AUX_MEMBER, b"gone"), (codes.AUX_MEMBER_DEADLINE, b"%d" % LATER_MS),
    ]  # fmt: skip
    value = value_of(codes.KIND_SET, [b"a", b"b"], aux)
    assert isinstance(value, SetValue)
    assert value.deadline_items() == [(b"a", LATER_MS)]


@pytest.mark.parametrize("deadline", [b"", b"x", b"0", b"-5", b"1e3", b"99999999999999999"])
def test_a_deadline_out_of_range_is_damage(deadline: bytes) -> None:
    aux = [(codes.AUX_MEMBER, b"a"), (codes.AUX_MEMBER_DEADLINE, deadline)]
    with pytest.raises(RdbError, match="out of range"):
        value_of(codes.KIND_SET, [b"a"], aux)


def test_what_is_no_value_is_refused() -> None:
    with pytest.raises(RdbError, match="a module is no value"):
        value_of(codes.KIND_MODULE, None, [])
