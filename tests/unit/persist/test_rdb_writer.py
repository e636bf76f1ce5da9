"""What the writer makes of values: the right encoding on both sides of every limit, read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.persist import rdb_codes as codes
from node.persist.rdb_codes import RdbError, crc64
from node.persist.rdb_reader import read_dump
from node.persist.rdb_records import Aux, CronJob, KeyRecord, Opaque
from node.persist.rdb_writer import RdbWriter, Thresholds, dump_payload
from tests.unit.persist.rdb_files import RECORDINGS, keys_of, read_all, shown

VERSIONS = [9, 10, 11, 12]
WORDS = [b"member-%d" % number for number in range(2000)]


def encoded(kind: bytes, value: object, version: int = 11, deadline_ms: int = 0) -> bytes:
    return RdbWriter(version).key(kind, b"k", value, deadline_ms, [])


def through_file(
    kind: bytes, value: object, version: int = 11, thresholds: Thresholds | None = None
) -> KeyRecord:
    """The value written into a whole file, and read back from it in pieces."""
    writer = RdbWriter(version, thresholds)
    data = writer.header([]) + writer.select(0, 1, 0)
    data += writer.key(kind, b"k", value, 0, [])
    data += writer.end()
    (record,) = keys_of(read_all(data, 1009))
    return record


# --- the file --------------------------------------------------------------------------------


def test_a_file_is_header_databases_and_end() -> None:
    writer = RdbWriter(9)
    data = writer.header([(b"redis-ver", b"6.2.0"), (b"redis-bits", b"64")])
    data += writer.select(3, 1, 1)
    data += writer.key(
        b"string", b"k", b"v", 1234567890123, [(b"mvcc-tstamp", b"1882462777574948866")]
    )
    data += writer.aux(b"lua", b"return 1")
    data += writer.end()
    body = (
        b"REDIS0009\xfa\x09redis-ver\x056.2.0\xfa\x0aredis-bits\xc0\x40\xfe\x03\xfb\x01\x01"
        b"\xfc\xcb\x04\xfb\x71\x1f\x01\x00\x00\xfa\x0bmvcc-tstamp\x131882462777574948866\x00\x01k\x01v"
        b"\xfa\x03lua\x08return 1\xff"
    )
    assert data == body + crc64(body).to_bytes(8, "little")


def test_the_checksum_can_be_switched_off() -> None:
    writer = RdbWriter(checksum=False)
    data = writer.header([]) + writer.key(b"string", b"k", b"v", 0, []) + writer.end()
    assert data.endswith(b"\xff" + bytes(8))
    assert len(keys_of(read_all(data))) == 1


@pytest.mark.parametrize("version", [0, 8, 13, 80])
def test_other_versions_are_not_written(version: int) -> None:
    with pytest.raises(RdbError, match="choose one from 9 to 12"):
        RdbWriter(version)
    with pytest.raises(RdbError, match="choose one from 9 to 12"):
        dump_payload(b"string", b"v", version)


def test_fields_come_back_with_their_key() -> None:
    before = [(b"mvcc-tstamp", b"7x"), (b"plexis-dots", b"D" * 300)]
    behind = [(b"keydb-subexpire-key", b"m"), (b"keydb-subexpire-when", b"1795356404634")]
    writer = RdbWriter(9)
    data = writer.header([(b"plexis-vector", b"V")]) + writer.select(0, 2, 1)
    data += writer.key(b"set", b"s", [b"m"], 99, [behind[0], before[0], behind[1], before[1]])
    data += writer.aux(b"plexis-hidden", b"H")
    data += writer.key(b"string", b"t", b"v", 0, [(b"mvcc-tstamp", b"8x")])
    records = read_all(data + writer.end())
    s, t = keys_of(records)
    assert (s.deadline_ms, s.aux) == (99, before + behind)
    assert t.aux == [(b"mvcc-tstamp", b"8x")]
    assert [shown(record) for record in records if isinstance(record, Aux)] == [
        shown(Aux(b"plexis-vector", b"V")),
        shown(Aux(b"plexis-hidden", b"H")),
    ]


def test_a_function_library_is_written_from_version_10_on() -> None:
    assert RdbWriter(10).function(b"#!lua name=m") == b"\xf5\x0c#!lua name=m"
    with pytest.raises(RdbError, match="version 9 has no functions"):
        RdbWriter(9).function(b"#!lua name=m")


# --- strings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (b"", b"\x00"),
        (b"0", b"\xc0\x00"),
        (b"-0", b"\x02-0"),
        (b"007", b"\x03007"),
        (b"127", b"\xc0\x7f"),
        (b"128", b"\xc1\x80\x00"),
        (b"-128", b"\xc0\x80"),
        (b"-129", b"\xc1\x7f\xff"),
        (b"32767", b"\xc1\xff\x7f"),
        (b"32768", b"\xc2\x00\x80\x00\x00"),
        (b"-32768", b"\xc1\x00\x80"),
        (b"-32769", b"\xc2\xff\x7f\xff\xff"),
        (b"2147483647", b"\xc2\xff\xff\xff\x7f"),
        (b"-2147483648", b"\xc2\x00\x00\x00\x80"),
        (b"2147483648", b"\x0a2147483648"),
        (b"-2147483649", b"\x0b-2147483649"),
        (7, b"\xc0\x07"),
        (-(2**63), b"\x14-9223372036854775808"),
        (b"x" * 63, b"\x3f" + b"x" * 63),
        (b"x" * 64, b"\x40\x40" + b"x" * 64),
        (b"x" * 16383, b"\x7f\xff" + b"x" * 16383),
        (b"x" * 16384, b"\x80\x00\x00\x40\x00" + b"x" * 16384),
    ],
)
def test_strings_are_stored_as_redis_stores_them(value: bytes | int, stored: bytes) -> None:
    assert encoded(b"string", value) == b"\x00\x01k" + stored
    text = value if isinstance(value, bytes) else b"%d" % value
    assert through_file(b"string", value).value == text


# --- collections, on both sides of each limit ------------------------------------------------


@pytest.mark.parametrize(
    ("members", "version", "type_number"),
    [
        ([b"1", b"-2"], 9, codes.TYPE_SET_INTSET),
        ([b"%d" % n for n in range(512)], 11, codes.TYPE_SET_INTSET),
        ([b"%d" % n for n in range(513)], 11, codes.TYPE_SET),
        ([b"1", b"01"], 9, codes.TYPE_SET),
        ([b"1", b"01"], 10, codes.TYPE_SET),
        ([b"1", b"01"], 11, codes.TYPE_SET_LISTPACK),
        (WORDS[:128], 12, codes.TYPE_SET_LISTPACK),
        (WORDS[:129], 12, codes.TYPE_SET),
        ([b"x" * 64], 11, codes.TYPE_SET_LISTPACK),
        ([b"x" * 65], 11, codes.TYPE_SET),
    ],
)
def test_sets(members: list[bytes], version: int, type_number: int) -> None:
    assert encoded(b"set", members, version)[0] == type_number
    record = through_file(b"set", members, version)
    assert record.kind == b"set"
    assert isinstance(record.value, list)
    assert sorted(record.value) == sorted(members)


@pytest.mark.parametrize(
    ("pairs", "version", "type_number"),
    [
        ([(b"f", b"v")], 9, codes.TYPE_HASH),
        ([(b"f", b"v")], 10, codes.TYPE_HASH_LISTPACK),
        ([(word, b"1") for word in WORDS[:512]], 11, codes.TYPE_HASH_LISTPACK),
        ([(word, b"1") for word in WORDS[:513]], 11, codes.TYPE_HASH),
        ([(b"f" * 64, b"v" * 64)], 11, codes.TYPE_HASH_LISTPACK),
        ([(b"f" * 65, b"v")], 11, codes.TYPE_HASH),
        ([(b"f", b"v" * 65)], 11, codes.TYPE_HASH),
    ],
)
def test_hashes(pairs: list[tuple[bytes, bytes]], version: int, type_number: int) -> None:
    assert encoded(b"hash", pairs, version)[0] == type_number
    record = through_file(b"hash", pairs, version)
    assert (record.kind, record.value) == (b"hash", pairs)


@pytest.mark.parametrize(
    ("scores", "version", "type_number"),
    [
        ([(b"a", 1.0)], 9, codes.TYPE_ZSET_2),
        ([(b"a", 1.0)], 10, codes.TYPE_ZSET_LISTPACK),
        ([(word, float(n)) for n, word in enumerate(WORDS[:128])], 11, codes.TYPE_ZSET_LISTPACK),
        ([(word, float(n)) for n, word in enumerate(WORDS[:129])], 11, codes.TYPE_ZSET_2),
        ([(b"m" * 64, 1.5)], 11, codes.TYPE_ZSET_LISTPACK),
        ([(b"m" * 65, 1.5)], 11, codes.TYPE_ZSET_2),
    ],
)
def test_sorted_sets(scores: list[tuple[bytes, float]], version: int, type_number: int) -> None:
    assert encoded(b"zset", scores, version)[0] == type_number
    record = through_file(b"zset", scores, version)
    assert (record.kind, record.value) == (b"zset", scores)


def test_packed_sorted_sets_are_in_the_order_of_redis() -> None:
    scores = [(b"b", 2.0), (b"z", 1.0), (b"a", 2.0), (b"i", float("-inf")), (b"y", -1.5)]
    record = through_file(b"zset", scores)
    assert record.value == [
        (b"i", float("-inf")), (b"y", -1.5), (b"z", 1.0), (b"a", 2.0), (b"b", 2.0),
    ]  # fmt: skip


@given(st.floats(allow_nan=False))
def test_every_score_comes_back_exactly(score: float) -> None:
    for version in (9, 11):
        record = through_file(b"zset", [(b"m", score)], version)
        assert repr(record.value) == repr([(b"m", score)])


def test_a_score_that_is_no_number_is_not_written() -> None:
    for version in (9, 11):
        with pytest.raises(RdbError, match="not a number"):
            encoded(b"zset", [(b"m", float("nan"))], version)


@pytest.mark.parametrize(
    ("items", "nodes"),
    [
        ([b"a"], 1),
        ([b"x" * 81] * 97, 1),  # 84 bytes each, 7 around all: as near to 8192 as it goes
        ([b"x" * 81] * 98, 2),
        ([b"x" * 8181], 1),
        ([b"x" * 8192], 1),
        ([b"x" * 8193], 1),
        ([b"a", b"x" * 9000, b"b"], 3),
        ([b"%d" % n for n in range(5000)], 2),
    ],
)
def test_lists(items: list[bytes], nodes: int) -> None:
    for version, type_number in ((9, 14), (10, 18), (11, 18), (12, 18)):
        data = encoded(b"list", items, version)
        assert data[:4] == bytes([type_number]) + b"\x01k" + bytes([nodes])
        record = through_file(b"list", items, version)
        assert (record.kind, record.value) == (b"list", items)


def test_only_an_element_above_the_limit_is_a_node_without_packing() -> None:
    assert encoded(b"list", [b"x" * 8192])[4] == codes.NODE_PACKED
    assert encoded(b"list", [b"x" * 8193])[4] == codes.NODE_PLAIN


def test_the_limits_can_be_set() -> None:
    limits = Thresholds(
        set_intset_entries=1, set_listpack_entries=2, set_listpack_value=3,
        hash_listpack_entries=1, hash_listpack_value=3, zset_listpack_entries=1,
        zset_listpack_value=3, list_fill=2,
    )  # fmt: skip

    def type_of(kind: bytes, value: object) -> int:
        return RdbWriter(11, limits).key(kind, b"k", value, 0, [])[0]

    assert type_of(b"set", [b"1"]) == codes.TYPE_SET_INTSET
    assert type_of(b"set", [b"1", b"2"]) == codes.TYPE_SET_LISTPACK
    assert type_of(b"set", [b"1", b"2", b"3"]) == codes.TYPE_SET
    assert type_of(b"set", [b"1", b"long"]) == codes.TYPE_SET
    assert type_of(b"hash", [(b"f", b"v"), (b"g", b"v")]) == codes.TYPE_HASH
    assert type_of(b"zset", [(b"f", 1.0), (b"g", 1.0)]) == codes.TYPE_ZSET_2
    assert RdbWriter(11, limits).key(b"list", b"k", [b"x" * 10] * 4, 0, [])[3] == 2


@pytest.mark.parametrize("kind", [b"list", b"set", b"hash", b"zset", b"hash_ttl"])
@pytest.mark.parametrize("version", VERSIONS)
def test_an_empty_collection_is_not_written(kind: bytes, version: int) -> None:
    writer = RdbWriter(version)
    with pytest.raises(RdbError, match="no element"):
        writer.key(kind, b"k", [], 5, [(b"mvcc-tstamp", b"7")])
    assert writer.key(b"string", b"k", b"v", 0, []) == b"\x00\x01k\x01v"


def test_an_unknown_kind_is_not_written() -> None:
    with pytest.raises(RdbError, match="no kind of value"):
        encoded(b"tree", [b"x"])


# --- fields with a TTL -----------------------------------------------------------------------

FIELDS = [(b"f", b"v", 1900000000123), (b"g", b"2", 0), (b"h", b"w", 1900000000100)]


def test_field_deadlines_are_written_in_version_12() -> None:
    for fields, type_number in (
        (FIELDS, codes.TYPE_HASH_LISTPACK_EX),
        ([*FIELDS, (b"i", b"x" * 65, 0)], codes.TYPE_HASH_METADATA),
    ):
        data = encoded(b"hash_ttl", fields, 12)
        assert data[0] == type_number
        assert data[3:11] == (1900000000100).to_bytes(8, "little")
        record = through_file(b"hash_ttl", fields, 12)
        assert record.kind == b"hash_ttl"
        assert isinstance(record.value, list) and sorted(record.value) == sorted(fields)


def test_a_packed_hash_with_deadlines_is_in_the_order_of_redis() -> None:
    record = through_file(b"hash_ttl", FIELDS, 12)
    assert record.value == [FIELDS[2], FIELDS[0], FIELDS[1]]


@pytest.mark.parametrize("version", [9, 10, 11])
def test_field_deadlines_are_member_deadlines_of_keydb_in_older_versions(version: int) -> None:
    in_file = through_file(b"hash_ttl", FIELDS, version)
    for record in (in_file, read_dump(dump_payload(b"hash_ttl", FIELDS, version))):
        assert (record.kind, record.value) == (b"hash", [(f, v) for f, v, _ in FIELDS])
        assert record.aux == [
            (b"keydb-subexpire-key", b"f"),
            (b"keydb-subexpire-when", b"1900000000123"),
            (b"keydb-subexpire-key", b"h"),
            (b"keydb-subexpire-when", b"1900000000100"),
        ]


def test_a_hash_without_any_field_deadline_is_a_plain_one() -> None:
    assert encoded(b"hash_ttl", [(b"f", b"v", 0)], 12)[0] == codes.TYPE_HASH_LISTPACK
    assert encoded(b"hash_ttl", [(b"f", b"v" * 65, 0)], 12)[0] == codes.TYPE_HASH


# --- values that are passed on ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["keydb-active.rdb", "keydb-plain.rdb"])
def test_a_file_of_keydb_is_the_same_after_reading_and_writing(name: str) -> None:
    records = read_all((RECORDINGS / name).read_bytes())
    writer = RdbWriter(9)
    data = writer.header([])
    db = -1
    for key in keys_of(records):
        if key.db != db:
            db = key.db
            data += writer.select(db, 0, 0)
        data += writer.key(key.kind, key.key, key.value, key.deadline_ms, key.aux)
    again = read_all(data + writer.end())
    assert list(map(shown, keys_of(again))) == list(map(shown, keys_of(records)))


@pytest.mark.parametrize(("type_number", "version"), [(15, 9), (19, 10), (21, 11)])
def test_a_stream_goes_only_into_versions_that_know_its_type(
    type_number: int, version: int
) -> None:
    value = Opaque(type_number, b"\x00" * (9 if type_number > 15 else 4) + b"\x00")
    record = through_file(b"stream", value, version)
    assert shown(record.value) == shown(value)
    if version > 9:
        with pytest.raises(RdbError, match=f"does not fit RDB version {version - 1}"):
            encoded(b"stream", value, version - 1)


def test_modules_and_cron_jobs_come_back() -> None:
    module = Opaque(codes.TYPE_MODULE_2, b"\x05\x02\x07\x00")
    assert shown(through_file(b"module", module).value) == shown(module)
    job = CronJob(b"redis.call('incr', KEYS[1])", 1795256402601, 100000, [b"n"], [b"1", b"x"])
    assert shown(through_file(b"cron", job, 9).value) == shown(job)


# --- pieces ----------------------------------------------------------------------------------

LARGE: dict[bytes, object] = {
    b"string": b"x" * 100_000,
    b"list": [b"element-%d" % n for n in range(12_000)],
    b"set": [b"element-%d" % n for n in range(12_000)],
    b"zset": [(b"element-%d" % n, n / 7) for n in range(12_000)],
    b"hash": [(b"element-%d" % n, b"%d" % n) for n in range(12_000)],
    b"hash_ttl": [(b"element-%d" % n, b"%d" % n, 1900000000000 + n % 3) for n in range(12_000)],
}


@pytest.mark.parametrize("kind", LARGE)
@pytest.mark.parametrize("version", [9, 12])
def test_pieces_are_the_same_bytes_in_small_amounts(kind: bytes, version: int) -> None:
    whole, cut = RdbWriter(version), RdbWriter(version)
    aux = [(b"mvcc-tstamp", b"7"), (b"keydb-subexpire-key", b"m"), (b"keydb-subexpire-when", b"9")]
    pieces = list(cut.pieces(kind, b"k", LARGE[kind], 5, aux))
    assert b"".join(pieces) == whole.key(kind, b"k", LARGE[kind], 5, aux)
    assert cut.end() == whole.end()
    if kind != b"string":
        assert len(pieces) > 2
        assert max(map(len, pieces)) < 80_000


def test_a_small_value_is_one_piece() -> None:
    assert list(RdbWriter().pieces(b"set", b"k", [b"1"], 0, [])) == [encoded(b"set", [b"1"])]


@pytest.mark.parametrize("kind", [kind for kind in LARGE if kind != b"hash_ttl"])
@pytest.mark.parametrize("version", VERSIONS)
def test_large_values_come_back(kind: bytes, version: int) -> None:
    assert through_file(kind, LARGE[kind], version).value == LARGE[kind]


# --- DUMP ------------------------------------------------------------------------------------


def test_a_dump_payload_is_that_of_redis() -> None:
    # DUMP of HSET h a 1 b 2 c 3 on Redis 7.0.15.
    payload = b"\x10\x16\x16\x00\x00\x00\x06\x00\x81a\x02\x01\x01\x81b\x02\x02\x01\x81c\x02\x03\x01"
    payload += b"\xff\n\x00\xb8\x9b\x87\xb6\r^\xbe^"
    assert dump_payload(b"hash", [(b"a", b"1"), (b"b", b"2"), (b"c", b"3")], 10) == payload


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (b"string", b"v"),
        (b"string", b"12"),
        (b"list", [b"a", b"1"]),
        (b"set", [b"1", b"2"]),
        (b"set", WORDS),
        (b"hash", [(b"f", b"v")]),
        (b"zset", [(b"a", 1.5)]),
    ],
)
def test_dump_payloads_come_back(version: int, kind: bytes, value: object) -> None:
    record = read_dump(dump_payload(kind, value, version))
    assert (record.kind, record.value, record.key, record.aux) == (kind, value, b"", [])


def test_a_dump_payload_carries_the_stamp_for_keydb() -> None:
    stamp = [(b"mvcc-tstamp", b"1882462777574948866")]
    payload = dump_payload(b"string", b"v", 9, stamp)
    assert payload[:-8] == b"\x00\x01v\xfa\x0bmvcc-tstamp\x131882462777574948866\x09\x00"
    assert read_dump(payload).aux == stamp
