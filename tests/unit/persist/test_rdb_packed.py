"""The packed forms of small collections, against bytes that Redis and KeyDB made."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.persist import rdb_packed as packed
from node.persist.rdb_codes import RdbError

# Every width of a number begins and ends at these.
EDGES = sorted(
    {
        sign * (1 << bits) + near
        for bits in (0, 3, 4, 6, 7, 8, 12, 13, 15, 16, 23, 24, 31, 32, 53, 62)
        for sign in (1, -1)
        for near in (-1, 0, 1)
    }
    | {12, 13, 2**63 - 1, -(2**63)}
)
LENGTHS = [0, 1, 63, 64, 65, 125, 126, 127, 252, 253, 254, 4095, 4096, 16377, 16378, 16379, 16384]
READERS: list[Callable[[bytes], list[bytes]]] = [
    packed.read_listpack,
    packed.read_ziplist,
    packed.read_intset,
    packed.read_zipmap,
]


def listpack(items: list[bytes]) -> bytes:
    return packed.write_listpack(items, 0, len(items))


def ziplist(items: list[bytes]) -> bytes:
    return packed.write_ziplist(items, 0, len(items))


@pytest.mark.parametrize("number", [*EDGES])
def test_the_decimal_form_of_a_number_is_a_number(number: int) -> None:
    text = str(number).encode()
    assert packed.is_integer(text)
    assert packed.to_integer(text) == number


@pytest.mark.parametrize(
    "text",
    [
        b"", b"-", b"+1", b"01", b"-0", b"00", b" 1", b"1 ", b"1.0", b"1e3", b"--1", b"-01",
        b"9223372036854775808", b"-9223372036854775809", b"18446744073709551616", b"1" * 21,
    ],
)  # fmt: skip
def test_other_texts_are_no_numbers(text: bytes) -> None:
    assert not packed.is_integer(text)


def test_listpacks_are_byte_for_byte_those_of_redis() -> None:
    # OBJECT ENCODING listpack, out of DUMP of HSET h a 1 b 2 c 3 on Redis 7.0.15.
    assert listpack([b"a", b"1", b"b", b"2", b"c", b"3"]) == (
        b"\x16\x00\x00\x00\x06\x00\x81a\x02\x01\x01\x81b\x02\x02\x01\x81c\x02\x03\x01\xff"
    )
    # A deadline of a field in Redis 8.2.3: a number of 64 bits.
    assert b"\xf4{8\xd3`\xba\x01\x00\x00\x09" in listpack([b"1900000000123"])


def test_ziplists_are_byte_for_byte_those_of_keydb() -> None:
    # RPUSH pre:list a b c and ZADD pre:zset 1 a 2.5 b, from keydb-plain.rdb.
    assert ziplist([b"a", b"b", b"c"]) == (
        b"\x14\x00\x00\x00\x10\x00\x00\x00\x03\x00\x00\x01a\x03\x01b\x03\x01c\xff"
    )
    assert ziplist([b"a", b"1", b"b", b"2.5"]) == (
        b"\x18\x00\x00\x00\x12\x00\x00\x00\x04\x00\x00\x01a\x03\xf2\x02\x01b\x03\x032.5\xff"
    )


@pytest.mark.parametrize("write", [listpack, ziplist])
def test_numbers_and_strings_of_every_width_come_back(
    write: Callable[[list[bytes]], bytes],
) -> None:
    read = packed.read_listpack if write is listpack else packed.read_ziplist
    items = [str(number).encode() for number in EDGES] + [b"x" * length for length in LENGTHS]
    assert read(write(items)) == items
    for item in items:
        assert read(write([item, b"next"])) == [item, b"next"]


@given(st.lists(st.one_of(st.binary(max_size=300), st.integers().map(lambda n: b"%d" % n))))
def test_any_elements_come_back(items: list[bytes]) -> None:
    assert packed.read_listpack(listpack(items)) == items
    assert packed.read_ziplist(ziplist(items)) == items


def test_a_slice_is_packed_without_its_neighbours() -> None:
    assert packed.read_listpack(packed.write_listpack([b"a", b"b", b"c"], 1, 2)) == [b"b"]
    assert packed.read_ziplist(packed.write_ziplist([b"a", b"b", b"c"], 1, 2)) == [b"b"]


def test_more_elements_than_the_count_can_say_are_walked() -> None:
    items = [b"1"] * 70_000
    assert packed.read_listpack(listpack(items)) == items
    assert packed.read_ziplist(ziplist(items)) == items


@pytest.mark.parametrize(
    ("numbers", "width"),
    [
        ([3, 1, 2], 2),
        ([-(2**15), 2**15 - 1], 2),
        ([2**15], 4),
        ([-(2**15) - 1], 4),
        ([2**31 - 1, -(2**31)], 4),
        ([2**31], 8),
        ([-(2**63), 2**63 - 1, 0], 8),
    ],
)
def test_an_intset_is_sorted_and_as_narrow_as_can_be(numbers: list[int], width: int) -> None:
    blob = packed.write_intset([str(number).encode() for number in numbers])
    assert blob[:8] == bytes([width, 0, 0, 0, len(numbers), 0, 0, 0])
    assert len(blob) == 8 + width * len(numbers)
    assert packed.read_intset(blob) == [str(number).encode() for number in sorted(numbers)]


def test_zipmaps_of_old_files_are_read() -> None:
    long = b"v" * 300
    blob = b"\x02" + b"\x01f" + b"\x01\x02v??" + b"\x01g"
    blob += b"\xfe" + len(long).to_bytes(4, "little") + b"\x00" + long + b"\xff"
    assert packed.read_zipmap(blob) == [b"f", b"v", b"g", long]


@pytest.mark.parametrize("read", READERS)
@given(blob=st.binary(max_size=40))
def test_random_bytes_are_refused_or_read(
    read: Callable[[bytes], list[bytes]], blob: bytes
) -> None:
    framed = (len(blob) + 5).to_bytes(4, "little") + blob + b"\xff"
    for data in (blob, framed):
        try:
            assert all(isinstance(item, bytes) for item in read(data))
        except RdbError:
            pass


WHOLE = [b"", b"1", b"-70000", b"x" * 70, b"123456789012", b"y" * 300, b"300"]


@pytest.mark.parametrize(
    ("read", "blob"),
    [
        (packed.read_listpack, listpack(WHOLE)),
        (packed.read_ziplist, ziplist(WHOLE)),
        (packed.read_intset, packed.write_intset([b"1", b"70000"])),
    ],
    ids=["listpack", "ziplist", "intset"],
)
def test_damage_anywhere_is_refused_or_gives_other_elements(
    read: Callable[[bytes], list[bytes]], blob: bytes
) -> None:
    for cut in range(len(blob)):
        with pytest.raises(RdbError):
            read(blob[:cut])
    for place in range(len(blob)):
        for byte in (0, 1, 0x7F, 0x80, 0xC0, 0xE0, 0xF0, 0xF4, 0xFE, 0xFF):
            try:
                read(blob[:place] + bytes([byte]) + blob[place + 1 :])
            except RdbError:
                pass


@pytest.mark.parametrize(
    ("read", "blob", "message"),
    [
        (packed.read_listpack, b"\x08\0\0\0\x01\0\xf5\xff", "no encoding"),
        (packed.read_listpack, b"\x09\0\0\0\x02\0\x01\x01\xff", "entries it announces"),
        (packed.read_listpack, b"\x09\0\0\0\x01\0\x01\x01\x00", "not closed"),
        (packed.read_ziplist, b"\x0d\0\0\0\x0a\0\0\0\x01\0\x00\xc1\xff", "no encoding"),
        (packed.read_ziplist, b"\x0d\0\0\0\x0a\0\0\0\x02\0\x00\xf1\xff", "entries it announces"),
        (packed.read_intset, b"\x03\0\0\0\x01\0\0\0abc", "size it announces"),
        (packed.read_zipmap, b"\x01\x01f\xff", "without a value"),
    ],
)
def test_the_error_says_what_is_wrong(
    read: Callable[[bytes], list[bytes]], blob: bytes, message: str
) -> None:
    with pytest.raises(RdbError, match=message):
        read(blob)
