"""What the reader makes of files: recorded ones, hand-made ones, cut and damaged ones."""

from __future__ import annotations

import random

import pytest

from node.persist.rdb_codes import RdbError, crc64
from node.persist.rdb_reader import RdbReader, read_dump
from node.persist.rdb_records import (
    Aux,
    CronJob,
    Eof,
    Function,
    KeyRecord,
    ModuleAux,
    Opaque,
    Resize,
    SelectDb,
)
from tests.unit.persist.rdb_files import (
    RECORDINGS,
    keys_of,
    only_key,
    rdb_file,
    read_all,
    sent_rdb,
    shown,
)

STAMP = b"\xfa\x0bmvcc-tstamp\x0318x"


def aux(name: bytes, value: bytes) -> bytes:
    return b"\xfa" + bytes([len(name)]) + name + bytes([len(value)]) + value


# --- recorded files --------------------------------------------------------------------------


def test_a_file_of_an_active_keydb_is_read_whole() -> None:
    records = read_all((RECORDINGS / "keydb-active.rdb").read_bytes())
    keys = {(key.db, key.key): key for key in keys_of(records)}
    assert len(keys) == 40
    assert {key.kind for key in keys.values()} == {
        b"string", b"list", b"set", b"zset", b"hash", b"stream", b"cron",
    }  # fmt: skip
    assert all(key.aux[0][0] == b"mvcc-tstamp" for key in keys.values())
    assert keys[3, b"p:db3"].aux == [(b"mvcc-tstamp", b"1882462777625280537")]
    assert keys[5, b"p:aa"].value == b"2"
    assert keys[0, b"p:b"].deadline_ms == 1795256902615
    assert keys[0, b"pre:zset"].value == [(b"a", 1.0), (b"b", 2.5)]
    assert keys[0, b"pre:longlist"].value == [b"%d" % n for n in range(300)]
    assert sorted(keys[0, b"pre:longhash"].value)[:2] == [(b"f0", b"0"), (b"f1", b"1")]  # type: ignore[call-overload]
    assert keys[0, b"p:em"].aux[1:] == [
        (b"keydb-subexpire-key", b"m"),
        (b"keydb-subexpire-when", b"1795256502587"),
        (b"keydb-subexpire-key", b"n"),
        (b"keydb-subexpire-when", b"4000000000000"),
    ]
    last = records[-2]
    assert isinstance(last, Aux)
    assert last.name == b"lua"
    assert isinstance(records[-1], Eof)


def test_a_cron_job_of_keydb_is_read() -> None:
    records = read_all((RECORDINGS / "keydb-active.rdb").read_bytes())
    (cron,) = [key for key in keys_of(records) if key.kind == b"cron"]
    assert cron.aux[1:] == [
        (b"keydb-subexpire-key", b"p:cron"),
        (b"keydb-subexpire-when", b"1795256502601"),
    ]
    job = cron.value
    assert isinstance(job, CronJob)
    assert (job.start_ms, job.interval_ms, job.keys, job.args) == (1795256402601, 100000, [], [])


def test_a_file_of_a_plain_keydb_has_no_stamps() -> None:
    records = read_all((RECORDINGS / "keydb-plain.rdb").read_bytes())
    keys = {key.key: key for key in keys_of(records)}
    assert len(keys) == 15
    assert keys.pop(b"pre:sub").aux == [
        (b"keydb-subexpire-key", b"m1"),
        (b"keydb-subexpire-when", b"1795356404687"),
    ]
    assert all(key.aux == [] for key in keys.values())


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("pair-b-from-a.0.master.bin", 15),
        ("pair-a-from-b.0.master.bin", 15),
        ("plain-from-c.0.master.bin", 3),
    ],
)
def test_the_file_inside_a_full_sync_is_read_and_the_stream_behind_it_left(
    name: str, count: int
) -> None:
    data = sent_rdb(name)
    reader = RdbReader()
    records = reader.feed(data + b"*1\r\n$4\r\nPING\r\n")
    assert reader.done
    assert reader.checksum_ok
    assert reader.version == 9
    assert reader.rest == b"*1\r\n$4\r\nPING\r\n"
    assert reader.offset == len(data)
    keys = keys_of(records)
    assert len(keys) == count
    assert all(int(dict(key.aux)[b"mvcc-tstamp"]) >> 20 > 1_795_000_000_000 for key in keys)


@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 7, 64, 1000])
def test_cuts_change_nothing(piece_bytes: int) -> None:
    for name in ("keydb-active.rdb", "keydb-plain.rdb"):
        data = (RECORDINGS / name).read_bytes()
        assert list(map(shown, read_all(data, piece_bytes))) == list(map(shown, read_all(data)))


# --- the records of a file -------------------------------------------------------------------


def test_the_records_come_in_the_order_of_the_file() -> None:
    body = aux(b"redis-ver", b"8.2.3") + b"\xf5\x04code"
    body += b"\xfe\x02\xfb\x01\x00" + b"\x00\x01k\x01v"
    assert list(map(shown, read_all(rdb_file(body)))) == list(
        map(
            shown,
            [
                Aux(b"redis-ver", b"8.2.3"),
                Function(b"code"),
                SelectDb(2),
                Resize(1, 0),
                KeyRecord(2, b"k", b"string", b"v", 0, -1, -1, []),
                Eof(),
            ],
        )
    )


def test_deadline_idle_time_and_frequency_belong_to_the_next_key_alone() -> None:
    body = b"\xfc" + (1234567890123).to_bytes(8, "little") + b"\xf8\x41\x00" + b"\x00\x01a\x011"
    body += b"\xf9\x07\x00\x01b\x011" + b"\xfd" + (77).to_bytes(4, "little") + b"\x00\x01c\x011"
    a, b, c = keys_of(read_all(rdb_file(body)))
    assert (a.deadline_ms, a.idle, a.freq) == (1234567890123, 256, -1)
    assert (b.deadline_ms, b.idle, b.freq) == (0, -1, 7)
    assert (c.deadline_ms, c.idle, c.freq) == (77000, -1, -1)


@pytest.mark.parametrize(
    ("stored", "deadline_ms"), [(-1, 0), (0, 1), (-5, 1), (2**63 - 1, 0), (5, 5)]
)
def test_odd_deadlines_are_none_or_long_past(stored: int, deadline_ms: int) -> None:
    body = b"\xfc" + stored.to_bytes(8, "little", signed=True) + b"\x00\x01a\x011"
    assert only_key(body).deadline_ms == deadline_ms


@pytest.mark.parametrize(
    ("encoded", "text"),
    [
        (b"\x00", b""),
        (b"\xc0\x80", b"-128"),
        (b"\xc1\x00\x80", b"-32768"),
        (b"\xc2\x00\x00\x00\x80", b"-2147483648"),
        (b"\xc2\xff\xff\xff\x7f", b"2147483647"),
        (b"\xc3\x05\x0b\x00a\xe0\x01\x00", b"a" * 11),
        (b"\x40\x41" + b"x" * 65, b"x" * 65),
        (b"\x80\x00\x00\x00\x03abc", b"abc"),
        (b"\x81" + bytes(7) + b"\x03abc", b"abc"),
    ],
)
def test_strings_in_every_encoding_are_read(encoded: bytes, text: bytes) -> None:
    assert only_key(b"\x00\x01k" + encoded).value == text
    assert only_key(b"\x00" + encoded + b"\x01v").key == text


ZIPLIST = b"\x0f\x0f\x00\x00\x00\x0c\x00\x00\x00\x02\x00\x00\xf2\x02\xf3\xff"  # 1, 2
LISTPACK = b"\x0b\x0b\x00\x00\x00\x02\x00\x01\x01\x02\x01\xff"  # 1, 2


@pytest.mark.parametrize(
    ("type_and_body", "kind", "value"),
    [
        ((1, b"\x02\x01a\xc0\x05"), b"list", [b"a", b"5"]),
        ((2, b"\x01\x01a"), b"set", [b"a"]),
        ((3, b"\x03\x01a\x031.5\x01b\xfe\x01c\xff"), b"zset",
         [(b"a", 1.5), (b"b", float("inf")), (b"c", float("-inf"))]),
        ((4, b"\x01\x01f\x01v"), b"hash", [(b"f", b"v")]),
        ((5, b"\x01\x01a" + b"\x00" * 6 + b"\xf8\x3f"), b"zset", [(b"a", 1.5)]),
        ((9, b"\x09\x01\x01f\x02\x01vw?\xff"), b"hash", [(b"f", b"vw")]),
        ((10, ZIPLIST), b"list", [b"1", b"2"]),
        ((11, b"\x0a\x02\0\0\0\x01\0\0\0\xff\xff"), b"set", [b"-1"]),
        ((12, ZIPLIST), b"zset", [(b"1", 2.0)]),
        ((13, ZIPLIST), b"hash", [(b"1", b"2")]),
        ((14, b"\x02" + ZIPLIST + ZIPLIST), b"list", [b"1", b"2", b"1", b"2"]),
        ((16, LISTPACK), b"hash", [(b"1", b"2")]),
        ((17, LISTPACK), b"zset", [(b"1", 2.0)]),
        ((18, b"\x02\x02" + LISTPACK + b"\x01\x03big"), b"list", [b"1", b"2", b"big"]),
        ((20, LISTPACK), b"set", [b"1", b"2"]),
        ((22, b"\x02\x07\x01f\x01v\x00\x01g\x01w"), b"hash_ttl",
         [(b"f", b"v", 7), (b"g", b"w", 0)]),
        ((23, b"\x0d\x0d\0\0\0\x03\0\x01\x01\x02\x01\x07\x01\xff"), b"hash_ttl", [(b"1", b"2", 7)]),
        ((24, b"\x64" + bytes(7) + b"\x02\x01\x01f\x01v\x00\x01g\x01w"), b"hash_ttl",
         [(b"f", b"v", 100), (b"g", b"w", 0)]),
        ((25, bytes(8) + b"\x0d\x0d\0\0\0\x03\0\x01\x01\x02\x01\x07\x01\xff"), b"hash_ttl",
         [(b"1", b"2", 7)]),
    ],
)  # fmt: skip
def test_every_type_is_read(type_and_body: tuple[int, bytes], kind: bytes, value: object) -> None:
    number, body = type_and_body
    key = only_key(bytes([number]) + b"\x01k" + body, 12)
    assert (key.kind, key.value) == (kind, value)


def test_type_22_is_another_one_in_files_of_valkey() -> None:
    none = b"\xff" * 8
    body = b"\x16\x01h\x02\x01f\x01v" + (1900000000123).to_bytes(8, "little") + b"\x01g\x01w" + none
    for magic in (b"VALKEY080", b"REDIS0080"):
        key = only_key(body, 80, magic)
        assert key.kind == b"hash_ttl"
        assert key.value == [(b"f", b"v", 1900000000123), (b"g", b"w", 0)]


STREAMS = {
    15: b"\x01\x10" + bytes(16) + b"\x02lp" + b"\x01\x01\x00"
    + b"\x01\x01g\x01\x00\x01" + bytes(24) + b"\x01\x01\x01c" + bytes(8) + b"\x01" + bytes(16),
    19: b"\x00" + b"\x00" * 8 + b"\x01\x01g\x01\x00\x05\x00\x00",
    21: b"\x00" + b"\x00\x81" + b"\xff" * 8 + b"\x00" * 6
    + b"\x01\x01g\x01\x00\x05\x00\x02\x01c" + bytes(16) + b"\x00\x01d" + bytes(16) + b"\x00",
}  # fmt: skip


@pytest.mark.parametrize("number", STREAMS)
def test_streams_are_handed_over_as_they_stand(number: int) -> None:
    key = only_key(bytes([number]) + b"\x01s" + STREAMS[number], 11)
    assert key.kind == b"stream"
    assert isinstance(key.value, Opaque)
    assert (key.value.type_number, key.value.data) == (number, STREAMS[number])


# A signed and an unsigned number, a float, a double, a string, a compressed one; the end.
MODULE = b"\x01\x05\x02\x07\x03" + bytes(4) + b"\x04" + bytes(8)
MODULE += b"\x05\x02ab\x05\xc3\x05\x0b\x00a\xe0\x01\x00\x00"


def test_module_values_are_handed_over_as_they_stand() -> None:
    data = b"\x81" + b"\xfe" * 8 + MODULE
    key = only_key(b"\x07\x01m" + data)
    assert key.kind == b"module"
    assert isinstance(key.value, Opaque)
    assert (key.value.type_number, key.value.data) == (7, data)


def test_data_of_modules_is_a_record() -> None:
    body = b"\x00\x01k\x01v" + b"\xf7\x81" + b"\xfe" * 8 + b"\x02\x01" + MODULE + b"\x00\x01l\x01v"
    for step in (0, 1):
        records = read_all(rdb_file(body), step)
        expected = ModuleAux(0xFEFE_FEFE_FEFE_FEFE, 1, MODULE)
        assert shown(records[1]) == shown(expected)
        assert [key.key for key in keys_of(records)] == [b"k", b"l"]


def test_slot_hints_are_passed_over() -> None:
    assert only_key(b"\xf4\x05\x01\x00\x00\x01k\x01v", 12).key == b"k"


def test_collections_without_elements_are_left_out_with_what_was_said_of_them() -> None:
    body = b"\xfc" + bytes([9] + [0] * 7) + b"\x02\x01e\x00" + b"\x00\x01k\x01v"
    reader = RdbReader()
    (key,) = keys_of(reader.feed(rdb_file(body)))
    assert (key.key, key.deadline_ms) == (b"k", 0)
    assert reader.empty_keys == 1


# --- whose field an AUX is -------------------------------------------------------------------


def test_a_stamp_holds_for_the_keys_that_follow_until_the_next() -> None:
    body = b"\x00\x01a\x011" + aux(b"mvcc-tstamp", b"7x") + b"\x00\x01b\x011\xfe\x01\x00\x01c\x011"
    body += aux(b"mvcc-tstamp", b"8x") + b"\x00\x01d\x011"
    stamps = {key.key: key.aux for key in keys_of(read_all(rdb_file(body)))}
    assert stamps == {
        b"a": [],
        b"b": [(b"mvcc-tstamp", b"7x")],
        b"c": [(b"mvcc-tstamp", b"7x")],
        b"d": [(b"mvcc-tstamp", b"8x")],
    }


def test_our_fields_belong_to_the_key_after_them_whatever_stands_between() -> None:
    body = aux(b"plexis-dots", b"D") + b"\xfc" + bytes([9] + [0] * 7) + aux(b"mvcc-tstamp", b"7x")
    body += aux(b"other", b"O") + b"\x00\x01a\x011" + b"\x00\x01b\x011"
    records = read_all(rdb_file(body))
    a, b = keys_of(records)
    assert a.aux == [(b"mvcc-tstamp", b"7x"), (b"plexis-dots", b"D")]
    assert a.deadline_ms == 9
    assert b.aux == [(b"mvcc-tstamp", b"7x")]
    assert shown(records[0]) == shown(Aux(b"other", b"O"))


def test_our_fields_without_a_key_after_them_are_records() -> None:
    body = aux(b"plexis-vector", b"V") + b"\xfe\x00\x00\x01a\x011" + aux(b"plexis-end", b"E")
    records = read_all(rdb_file(body))
    assert [type(record).__name__ for record in records] == [
        "Aux", "SelectDb", "KeyRecord", "Aux", "Eof",
    ]  # fmt: skip
    assert keys_of(records)[0].aux == []


def test_a_hidden_key_is_a_record_of_its_own_in_its_place() -> None:
    body = b"\x00\x01a\x011" + aux(b"plexis-dots", b"D") + aux(b"plexis-hidden", b"H")
    body += b"\x00\x01b\x011"
    records = read_all(rdb_file(body))
    assert [type(record).__name__ for record in records] == ["KeyRecord", "Aux", "KeyRecord", "Eof"]
    assert keys_of(records)[1].aux == [(b"plexis-dots", b"D")]


def test_member_deadlines_belong_to_the_key_before_them() -> None:
    pair = aux(b"keydb-subexpire-key", b"m") + aux(b"keydb-subexpire-when", b"99")
    body = b"\x02\x01s\x01\x01m" + pair + b"\x00\x01b\x011"
    for step in (0, 1):
        s, b = keys_of(read_all(rdb_file(body), step))
        assert s.aux == [(b"keydb-subexpire-key", b"m"), (b"keydb-subexpire-when", b"99")]
        assert b.aux == []


def test_a_key_is_held_only_until_it_is_known_that_no_more_belongs_to_it() -> None:
    data = rdb_file(b"\x00\x01a\x011" + b"\x00\x01b\x011")
    reader = RdbReader()
    cut = data.index(b"\x00\x01b")
    assert keys_of(reader.feed(data[:cut])) == []
    assert [key.key for key in keys_of(reader.feed(data[cut : cut + 5]))] == [b"a"]


# --- size and cost ---------------------------------------------------------------------------


def test_a_long_string_is_joined_once_however_many_pieces_it_came_in() -> None:
    size = 1_000_000
    body = b"\x00\x01k\x80" + size.to_bytes(4, "big") + b"x" * size
    data = rdb_file(body)
    reader = RdbReader()
    opened = []
    for start in range(0, len(data), 1000):
        reader.feed(data[start : start + 1000])
        opened.append(reader.offset)
    assert reader.done
    assert len(set(opened)) <= 3  # the magic, the key, the end


def test_the_elements_of_a_long_set_are_kept_from_piece_to_piece() -> None:
    body = b"\x02\x01s\x80" + (50_000).to_bytes(4, "big") + b"\x05abcde" * 50_000
    reader = RdbReader()
    data = rdb_file(body)
    before = 0
    for start in range(0, len(data), 1000):
        reader.feed(data[start : start + 1000])
        assert len(data[: start + 1000]) - reader.offset < 10 or reader.done
        assert reader.offset >= before
        before = reader.offset
    assert reader.done


# --- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "offset", "message"),
    [
        (b"\xf3", 10, "unknown opcode 243.*RDB version 12 or lower"),
        (b"\xf6", 10, "release candidate"),
        (b"\x08\x01k\x00", 12, "unknown value type 8"),
        (b"\x06\x01k\x00", 12, "unknown value type 6"),
        (b"\x1a\x01k\x00", 12, "unknown value type 26"),
        (b"\x00\xc4", 11, "unknown encoding 4"),
        (b"\x00\x01k\x82", 13, "cannot begin with 130"),
        (b"\x00\x01k\x81\xff" + bytes(7), 21, "above 2"),
        (b"\x00\x01k\x81\x00\x10" + bytes(6), 21, "limit of 1 GB"),
        (b"\x00\x01k\xc3\x01\x41\x00x", 15, "announces 256"),
        (b"\x00\x01k\xc3\x02\x01\x20\x00", 17, "outside its string"),
        (b"\xfe\x80\xff\xff\xff\xff", 15, "database number"),
        (b"\x05\x01z\x01\x01m" + b"\x00" * 6 + b"\xf8\x7f", 23, "not a number"),
        (b"\x03\x01z\x01\x01m\xfd", 16, "no number"),
        (b"\x03\x01z\x01\x01m\x02x1", 18, "no number"),
        (b"\x10\x01h" + LISTPACK[:-1] + b"\xfe", 24, "not closed"),
        (b"\x11\x01z\x0d\x0c\0\0\0\x01\0\x83abc\x04\xff", 26, "size it announces"),
        (b"\x12\x01l\x01\x03\x01x", 16, "unknown container 3"),
        (b"\x07\x01m\x01\x09", 14, "unknown opcode 9 in a module"),
        (b"\xf7\x01\x01\x01", 12, "does not begin with its time"),
        (b"\x18\x01h" + b"\xff" * 8 + b"\x01", 20, "out of range"),
    ],
)
def test_the_error_names_the_place_and_what_to_do(body: bytes, offset: int, message: str) -> None:
    with pytest.raises(RdbError, match=f"(?s)RDB byte .*{message}") as caught:
        read_all(rdb_file(body, 12))
    assert ";" in str(caught.value)
    place = int(str(caught.value).split()[2].rstrip(":"))
    assert abs(place - offset) <= 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"*1\r\n$4\r\n", "does not begin with"),
        (b"REDIX0009", "does not begin with"),
        (b"REDIS0013\xff", "RDB version 13, and 1 to 12 and 80 are known"),
        (b"REDIS0000\xff", "RDB version 0"),
        (b"REDISabcd\xff", "RDB version 0"),
        (b"VALKEY081\xff", "RDB version 81"),
    ],
)
def test_what_is_no_file_or_a_newer_one_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(RdbError, match=message):
        RdbReader().feed(data)


def test_a_wrong_checksum_is_refused_or_told() -> None:
    data = rdb_file(b"\x00\x01k\x01v")
    damaged = data.replace(b"\x01v", b"\x01w")
    with pytest.raises(RdbError, match=r"the checksum is [0-9a-f]{16}, the file says"):
        RdbReader().feed(damaged)
    reader = RdbReader(verify_checksum=False)
    assert len(reader.feed(damaged)) == 2
    assert reader.done
    assert not reader.checksum_ok


def test_files_without_a_checksum_are_taken() -> None:
    assert len(read_all(rdb_file(b"\x00\x01k\x01v")[:-8] + bytes(8))) == 2
    old = RdbReader()
    old.feed(b"REDIS0004\x00\x01k\x01v\xff")
    assert old.done
    assert old.checksum_ok


def test_a_reader_that_is_done_or_failed_takes_no_more() -> None:
    done = RdbReader()
    done.feed(rdb_file(b""))
    failed = RdbReader()
    with pytest.raises(RdbError):
        failed.feed(b"nonsense!")
    for reader in (done, failed):
        with pytest.raises(RdbError, match="use another reader"):
            reader.feed(b"x")


@pytest.mark.parametrize("name", ["keydb-plain.rdb", "all types"])
def test_a_file_cut_anywhere_is_not_done_and_says_so(name: str) -> None:
    data = sample_file() if name == "all types" else (RECORDINGS / name).read_bytes()
    reader = RdbReader()
    for place in range(len(data) - 1):
        reader.feed(data[place : place + 1])
        assert not reader.done
    with pytest.raises(RdbError, match=f"RDB byte {len(data) - 1}: the data ends inside"):
        reader.finish()
    for cut in range(0, len(data), max(1, len(data) // 200)):
        part = RdbReader()
        part.feed(data[:cut])
        with pytest.raises(RdbError, match=f"RDB byte {cut}: the data ends inside"):
            part.finish()


def sample_file() -> bytes:
    """One key of each kind, small."""
    body = aux(b"redis-ver", b"1") + b"\xfe\x00\xfb\x05\x00" + STAMP + b"\x00\x01k\x01v"
    body += b"\x02\x01s\x01\x01m\x03\x01z\x01\x01m\x0225\x04\x01h\x01\x01f\x01v"
    body += b"\x12\x01l\x01\x02" + LISTPACK + b"\x0e\x01L\x01" + ZIPLIST
    body += b"\x0b\x01i\x0a\x02\0\0\0\x01\0\0\0\xff\xff"
    body += b"\x18\x01H\x64" + bytes(7) + b"\x01\x01\x01f\x01v"
    body += b"".join(bytes([number]) + b"\x01x" + data for number, data in STREAMS.items())
    body += b"\x07\x01m\x05" + MODULE + b"\xf7\x05\x02\x01" + MODULE
    body += b"\x40\x01c\x02ab" + bytes(16) + b"\x01\x01k\x01\x01a"
    return rdb_file(body, 12)


def test_every_changed_byte_is_an_rdb_error_and_nothing_else() -> None:
    data = sample_file()
    assert len(keys_of(read_all(data))) == 13
    for place in range(len(data)):
        for byte in (0x00, 0x01, 0x3F, 0x7F, 0x80, 0x81, 0xC0, 0xC3, 0xFA, 0xFE, 0xFF):
            if data[place] != byte:
                with pytest.raises(RdbError):
                    read_all(data[:place] + bytes([byte]) + data[place + 1 :])


def test_random_damage_is_an_rdb_error_even_when_the_checksum_agrees() -> None:
    dice = random.Random(20261121)
    data = sample_file()[:-9]
    for _ in range(3000):
        body = bytearray(data[9:])
        for _ in range(dice.randint(1, 4)):
            body[dice.randrange(len(body))] = dice.randrange(256)
        try:
            read_all(rdb_file(bytes(body), 12), dice.choice([0, 0, 5]))
        except RdbError:
            pass


# --- DUMP ------------------------------------------------------------------------------------


def test_a_dump_payload_of_redis_is_read() -> None:
    # DUMP of HSET h a 1 b 2 c 3 on Redis 7.0.15, and on 8.2.3 with two deadlines.
    plain = b"\x10\x16\x16\x00\x00\x00\x06\x00\x81a\x02\x01\x01\x81b\x02\x02\x01\x81c\x02\x03\x01"
    plain += b"\xff\n\x00\xb8\x9b\x87\xb6\r^\xbe^"
    assert read_dump(plain).value == [(b"a", b"1"), (b"b", b"2"), (b"c", b"3")]
    timed = (
        b"\x19{8\xd3`\xba\x01\x00\x00,,\x00\x00\x00\t\x00\x81b\x02\x02\x01\xf4{8\xd3`\xba\x01\x00"
        b"\x00\t\x81a\x02\x01\x01\xf4{8\xd3`\xba\x01\x00\x00\t\x81c\x02\x03\x01\x00\x01\xff\x0c\x00"
        b'J"q\xa5\xcd\xf9>\x11'
    )
    record = read_dump(timed)
    at = 1900000000123
    assert record.kind == b"hash_ttl"
    assert record.value == [(b"b", b"2", at), (b"a", b"1", at), (b"c", b"3", 0)]


def test_a_dump_payload_of_valkey_is_read() -> None:
    payload = (
        b"\x16\x03\x01a\xc0\x01{8\xd3`\xba\x01\x00\x00\x01b\xc0\x02{8\xd3`\xba\x01\x00\x00\x01c\xc0"
        b"\x03\xff\xff\xff\xff\xff\xff\xff\xffP\x00\x0e\xb3s\xef\x06\xdf\xbe\x8b"
    )
    at = 1900000000123
    assert read_dump(payload).value == [(b"a", b"1", at), (b"b", b"2", at), (b"c", b"3", 0)]


def test_restores_that_keydb_sent_carry_their_stamp() -> None:
    data = (RECORDINGS / "pair-a-from-b.0.master.bin").read_bytes()
    parts = data.split(b"KEYDB.MVCCRESTORE\r\n")[1:]
    assert len(parts) > 10
    for part in parts:
        fields = []
        for _ in range(4):
            length, _, part = part[1:].partition(b"\r\n")
            fields.append(part[: int(length)])
            part = part[int(length) + 2 :]
        assert read_dump(fields[3]).aux == [(b"mvcc-tstamp", fields[1])]


def test_payloads_with_a_bad_footer_are_refused() -> None:
    good = b"\x10\x16\x16\x00\x00\x00\x06\x00\x81a\x02\x01\x01\x81b\x02\x02\x01\x81c\x02\x03\x01"
    good += b"\xff\n\x00\xb8\x9b\x87\xb6\r^\xbe^"
    for cut in range(11):
        with pytest.raises(RdbError, match=f"of {cut} bytes is cut short"):
            read_dump(good[:cut])
    with pytest.raises(RdbError, match="DUMP payload has RDB version 13"):
        read_dump(good[:-10] + b"\x0d\x00" + good[-8:])
    with pytest.raises(RdbError, match="checksum of the DUMP payload is wrong"):
        read_dump(good[:5] + b"?" + good[6:])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\x00\x05ab", "ends inside the value"),
        (b"\x02\x00", "empty collection"),
        (b"\x00\x01a\x00", "something follows"),
        (b"\x01\x02\x01a", "ends inside the value"),
    ],
)
def test_payloads_with_a_bad_value_are_refused(body: bytes, message: str) -> None:
    whole = body + b"\x0b\x00"
    with pytest.raises(RdbError, match=message):
        read_dump(whole + crc64(whole).to_bytes(8, "little"))
