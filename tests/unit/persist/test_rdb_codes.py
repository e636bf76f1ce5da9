"""Checksum and string compression of the RDB format."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.persist.rdb_codes import RdbError, crc64, crc64_update, lzf_decompress


def bitwise_crc64(data: bytes, crc: int = 0) -> int:
    """The definition: polynomial ad93d23594c935a9, input and output reflected, nothing inverted."""
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0x95AC9329AC4BC9B5 if crc & 1 else crc >> 1
    return crc


def test_the_check_value_is_the_one_redis_publishes() -> None:
    assert crc64(b"123456789") == 0xE9C6D914C4B8D9CA


@given(st.binary(max_size=60), st.integers(0, 2**64 - 1))
def test_slicing_gives_what_the_definition_gives(data: bytes, start: int) -> None:
    assert crc64(data, start) == bitwise_crc64(data, start)


@given(st.binary(max_size=60), st.integers(0, 60))
def test_a_checksum_can_be_continued(data: bytes, cut: int) -> None:
    assert crc64(data[cut:], crc64(data[:cut])) == crc64(data)
    part = min(cut, len(data))
    assert crc64_update(data, part, len(data), crc64_update(data, 0, part, 0)) in (
        crc64(data),
        crc64(data) - 2**64,
    )


@pytest.mark.parametrize(
    ("packed", "text"),
    [
        (b"\x02abc", b"abc"),
        (b"\x00a\xe0\x01\x00", b"a" * 11),  # a run that overlaps what it makes
        (b"\x02abc\x20\x02", b"abcabc"),  # the shortest reference, three bytes back
        (b"\x1f" + bytes(range(32)) + b"\x01\xfe\xff", bytes(range(32)) + b"\xfe\xff"),
    ],
)
def test_lzf_strings_are_unpacked(packed: bytes, text: bytes) -> None:
    assert lzf_decompress(b"<" + packed + b">", 1, 1 + len(packed), len(text)) == text


@pytest.mark.parametrize(
    ("packed", "size", "message"),
    [
        (b"\x05abc", 6, "run reaches"),
        (b"\x02abc", 2, "run reaches"),
        (b"\x02abc", 4, "length it announces"),
        (b"\x00a\x20", 4, "cut short"),
        (b"\x00a\xe0", 14, "cut short"),
        (b"\x00a\xe0\x05", 14, "cut short"),
        (b"\x00a\x20\x01", 4, "outside"),
        (b"\x00a\xe0\x05\x00", 5, "outside"),
    ],
)
def test_a_damaged_lzf_string_is_refused(packed: bytes, size: int, message: str) -> None:
    with pytest.raises(RdbError, match=message):
        lzf_decompress(packed, 0, len(packed), size)


@given(st.binary(max_size=40), st.integers(0, 300))
def test_no_lzf_bytes_give_anything_but_the_size_or_an_error(packed: bytes, size: int) -> None:
    try:
        assert len(lzf_decompress(packed, 0, len(packed), size)) == size
    except RdbError:
        pass
