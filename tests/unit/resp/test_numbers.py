"""Numbers are accepted and written as by Redis."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from librt.strings import BytesWriter

from node.resp.numbers import BAD, SMALL, format_double, parse_int, put_uint, string_to_i64

INT64 = st.integers(-(2**63), 2**63 - 1)


@given(st.integers(0, 2**62))
@example(0)
@example(9999)
@example(10000)
@example(100010001)
def test_put_uint_writes_decimal(value: int) -> None:
    out = BytesWriter()
    put_uint(out, value)
    assert out.getvalue() == b"%d" % value


def test_put_uint_of_every_small_number() -> None:
    for value in range(20000):
        out = BytesWriter()
        put_uint(out, value)
        assert out.getvalue() == b"%d" % value
    assert SMALL[0] == b"0" and SMALL[9999] == b"9999" and len(SMALL) == 10000


REFUSED = [
    b"", b"-", b"+1", b" 1", b"1 ", b"01", b"-0", b"-01", b"00", b"1.0", b"0x1", b"1e3", b"--1",
    b"1_000", b"9223372036854775808", b"-9223372036854775809", b"18446744073709551615",
    b"09223372036854775807", b"-0922337203685477580", b"111111111111111111111", b"\xb2", b"1\0",
    b"123456789012345678x", b"-", b"-1234567890123456789x", "\u0661".encode(),
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_integer_for_redis(text: bytes) -> None:
    assert string_to_i64(text) is None
    assert parse_int(text) == BAD


@given(INT64)
@example(-(2**63))
@example(2**63 - 1)
@example(0)
@example(BAD)
def test_every_int64_is_accepted(value: int) -> None:
    text = b"%d" % value
    assert string_to_i64(text) == value
    assert parse_int(text) == (value if len(text) <= 18 else BAD)


@given(st.text("0123456789-+ ", max_size=22).map(str.encode))
def test_accepted_is_what_would_be_written(text: bytes) -> None:
    value = string_to_i64(text)
    if value is not None:
        assert b"%d" % value == text
    elif text and text.isdigit() and (text == b"0" or text[0] != 48):
        assert int(text) > 2**63 - 1


DOUBLES = [
    (0.0, b"0"),
    (-0.0, b"-0"),
    (1.0, b"1"),
    (-17.0, b"-17"),
    (3.5, b"3.5"),
    (-3.5, b"-3.5"),
    (0.1, b"0.1"),
    (0.30000000000000004, b"0.30000000000000004"),
    (3.141592653589793, b"3.141592653589793"),
    (1234.56789012345, b"1234.56789012345"),
    (12345.678901, b"12345.678901"),
    (12345.6789012, b"1.23456789012e+4"),
    (1e-5, b"0.00001"),
    (1e-6, b"0.000001"),
    (1e-7, b"1e-7"),
    (1.5e-7, b"1.5e-7"),
    (1e17, b"100000000000000000"),
    (2.0**62, b"4611686018427387904"),
    (-(2.0**62), b"-4611686018427387904"),
    (2.0**63, b"9223372036854776000"),
    (1e20, b"1e+20"),
    (1.2345e22, b"1.2345e+22"),
    (1.5e100, b"1.5e+100"),
    (1e-10, b"1e-10"),
    (1.7976931348623157e308, b"1.7976931348623157e+308"),
    (-1.7976931348623157e308, b"-1.7976931348623157e+308"),
    (2.2250738585072014e-308, b"2.2250738585072014e-308"),
    (5e-324, b"5e-324"),
    # Not the shortest digits, but the ones Redis 8.2.3 answers to ZSCORE.
    (-257315.34087, b"-2.5731534087000001e+5"),
    (6568.09903108556, b"6568.0990310855595"),
    (0.003276944755721996, b"0.0032769447557219958"),
    (7.86937541090336e18, b"7869375410903359000"),
    (9.80107114403919e-178, b"9.80107114403919e-178"),
    (5.260748744363301e-242, b"5.2607487443633014e-242"),
    (7.113578243725634e-249, b"7.1135782437256335e-249"),
    (math.inf, b"inf"),
    (-math.inf, b"-inf"),
    (math.nan, b"nan"),
]


@pytest.mark.parametrize(("value", "text"), DOUBLES)
def test_doubles(value: float, text: bytes) -> None:
    assert format_double(value) == text


@given(st.floats(allow_nan=False))
def test_a_double_reads_back_the_same(value: float) -> None:
    text = format_double(value)
    assert float(text) == value
    assert math.copysign(1, float(text)) == math.copysign(1, value)
    assert len(text) <= 24
