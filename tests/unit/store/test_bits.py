"""Strings as rows of bits: checked against plain lists of bits and against Python's integers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.store.values.bits import (
    COMBINATIONS,
    FAIL,
    SATURATE,
    WRAP,
    FieldType,
    bit_at,
    combined,
    count_bits,
    field_at,
    field_type,
    find_bit,
    overwritten,
    shifted,
    shifted_size,
    with_bit,
    with_field,
)

TEXTS = st.binary(max_size=40) | st.builds(
    lambda filler, count, tail: bytes((filler,)) * count + tail,
    st.sampled_from([0, 255]),
    st.integers(min_value=0, max_value=9000),
    st.binary(max_size=3),
)
KINDS = st.builds(FieldType, st.just(True), st.integers(1, 64)) | st.builds(
    FieldType, st.just(False), st.integers(1, 63)
)


def bits_of(text: bytes) -> list[int]:
    """The string as a list of bits."""
    return [(byte >> (7 - place)) & 1 for byte in text for place in range(8)]


@given(TEXTS, st.integers(0, 3000), st.binary(min_size=1, max_size=2000))
def test_overwriting_fills_a_gap_with_zeros(text: bytes, offset: int, piece: bytes) -> None:
    expected = bytearray(text.ljust(offset + len(piece), b"\0"))
    expected[offset : offset + len(piece)] = piece
    assert overwritten(text, offset, piece) == bytes(expected)


@given(TEXTS, st.integers(0, 500), st.integers(0, 1))
def test_a_bit_that_was_set_is_read_again(text: bytes, offset: int, bit: int) -> None:
    after = with_bit(text, offset, bit)
    assert bit_at(after, offset) == bit
    expected = bits_of(text.ljust(offset // 8 + 1, b"\0"))
    expected[offset] = bit
    assert bits_of(after) == expected


@given(TEXTS, st.integers(0, 72000), st.integers(0, 72000))
def test_bits_are_counted_and_found_within_a_range(text: bytes, first: int, last: int) -> None:
    total = len(text) * 8
    if total == 0:
        return
    first, last = first % total, last % total
    bits = bits_of(text)
    assert count_bits(text, first, last) == sum(bits[first : last + 1])
    for bit in (0, 1):
        places = [place for place in range(first, last + 1) if bits[place] == bit]
        assert find_bit(text, bit, first, last) == (places[0] if places else -1)


def test_a_long_run_is_passed_over() -> None:
    text = bytes(300_000) + b"\x10" + bytes(300_000)
    assert find_bit(text, 1, 0, len(text) * 8 - 1) == 300_000 * 8 + 3
    assert find_bit(text, 1, 5, 300_000 * 8 + 2) == -1
    assert count_bits(text, 0, len(text) * 8 - 1) == 1


@given(TEXTS, st.integers(0, 400), KINDS, st.integers(-(2**63), 2**63 - 1))
def test_a_field_that_was_written_is_read_again(
    text: bytes, offset: int, kind: FieldType, number: int
) -> None:
    value = kind.fitted(number, WRAP)
    assert value is not None
    assert kind.least() <= value <= kind.most()
    assert (value - number) % (1 << kind.width) == 0
    after = with_field(text, offset, kind, value)
    assert field_at(after, offset, kind) == value
    before = bits_of(text.ljust((offset + kind.width + 7) // 8, b"\0"))
    untouched = bits_of(after)
    untouched[offset : offset + kind.width] = before[offset : offset + kind.width]
    assert untouched == before


@pytest.mark.parametrize(
    ("name", "number", "mode", "expected"),
    [
        (b"u8", 256, WRAP, 0), (b"u8", 300, SATURATE, 255), (b"u8", -1, SATURATE, 0),
        (b"u8", -1, FAIL, None), (b"u8", 255, FAIL, 255), (b"i8", 128, WRAP, -128),
        (b"i8", -129, WRAP, 127), (b"i8", -129, SATURATE, -128), (b"i8", 200, SATURATE, 127),
        (b"i64", 2**63, WRAP, -(2**63)), (b"i1", 1, WRAP, -1),
    ],
)  # fmt: skip
def test_what_overflows_is_wrapped_capped_or_refused(
    name: bytes, number: int, mode: bytes, expected: int | None
) -> None:
    kind = field_type(name)
    assert kind is not None
    assert kind.fitted(number, mode) == expected


def test_an_assignment_reckons_in_64_bits_as_redis_does() -> None:
    assert FieldType(False, 8).assigned(-1, SATURATE) == 255
    assert FieldType(False, 8).assigned(-1, FAIL) is None
    assert FieldType(True, 8).assigned(-(2**63), SATURATE) == 127
    assert FieldType(True, 8).assigned(-129, SATURATE) == -128
    assert FieldType(True, 64).assigned(-(2**63), SATURATE) == -(2**63)


@pytest.mark.parametrize(
    "name", [b"", b"u", b"i0", b"u0", b"i65", b"u64", b"i08", b"x8", b"U8", b"i+8", b"i8 ", b"i100"]
)
def test_what_is_no_type(name: bytes) -> None:
    assert field_type(name) is None


def expected_bit(operation: bytes, column: list[int]) -> int:
    """BITOP of one bit of each source."""
    first, others = column[0], max(column[1:], default=0)
    return {
        b"AND": min(column),
        b"OR": max(column),
        b"XOR": sum(column) % 2,
        b"NOT": 1 - first,
        b"DIFF": first & (1 - others),
        b"DIFF1": (1 - first) & others,
        b"ANDOR": first & others,
        b"ONE": int(sum(column) == 1),
    }[operation]


@given(st.sampled_from(COMBINATIONS), st.lists(st.binary(max_size=6), min_size=2, max_size=4))
def test_combinations_bit_by_bit(operation: bytes, sources: list[bytes]) -> None:
    if operation == b"NOT":
        sources = sources[:1]
    size = max(len(source) for source in sources)
    rows = [bits_of(source.ljust(size, b"\0")) for source in sources]
    expected = [expected_bit(operation, list(column)) for column in zip(*rows, strict=True)]
    assert bits_of(combined(operation, sources)) == expected


def test_long_strings_are_combined_in_pieces() -> None:
    left = bytes(range(256)) * 1000
    right = left[1:70_000]
    expected = bytes(a ^ b for a, b in zip(left, right.ljust(len(left), b"\0"), strict=True))
    assert combined(b"XOR", [left, right]) == expected


@pytest.mark.parametrize(
    ("text", "shift", "expected"),
    [
        (b"abcdefg", 8, b"\0abcdefg"), (b"\xaa", 4, b"\xa0\x0a"), (b"\xaa", -3, b"\x15"),
        (b"\xff", 1, b"\xfe\x01"), (b"\x00\xff", -1, b"\x80\x7f"), (b" ", -8, b""),
        (b" ", -65, b""), (b"", 9, b"\0\0"), (b"ab", 0, b"ab"), (b"abc", -8, b"ab"),
    ],
)  # fmt: skip
def test_shifts_are_those_of_keydb(text: bytes, shift: int, expected: bytes) -> None:
    assert shifted(text, shift) == expected
    assert shifted_size(len(text), shift) == len(expected)


def test_a_shift_and_its_reverse() -> None:
    assert shifted(shifted(b"abcdefg", 14), -14) == b"abcdefg\0"
