"""Strings as numbers: what Redis's string2ll and strtold take, exact sums, LCS."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.store.values.strings import (
    I64_MAX,
    I64_MIN,
    add_exactly,
    clipped,
    decimal_of,
    format_decimal,
    integer_of,
    is_infinite,
    lcs_length,
    lcs_matches,
    lcs_rows,
    overflows,
    shown,
)


@given(st.integers(I64_MIN, I64_MAX))
def test_every_64_bit_number_is_an_integer(number: int) -> None:
    assert integer_of(b"%d" % number) == number


@pytest.mark.parametrize(
    "text",
    [
        b"", b"-", b"+1", b"-0", b"00", b"01", b"-01", b" 1", b"1 ", b"1.0", b"1e3", b"0x1", b"a",
        b"1a", b"9223372036854775808", b"-9223372036854775809", b"99999999999999999999",
        b"-99999999999999999999", b"100000000000000000000", b"1_000", b"1\x00", b"\xb2",
        b"123456789012345678a", b"--1", b"-123456789012345678a",
    ],
)  # fmt: skip
def test_what_is_no_integer(text: bytes) -> None:
    assert integer_of(text) is None


@given(st.text("-+0123456789 .", max_size=22))
def test_an_integer_is_exactly_what_prints_the_same(text: str) -> None:
    expected = None
    if text.lstrip("-").isdigit() and str(int(text.lstrip("-"))) == text.lstrip("-"):
        number = int(text) if text.count("-") < 2 else I64_MAX + 1
        if str(number) == text and I64_MIN <= number <= I64_MAX:
            expected = number
    assert integer_of(text.encode()) == expected


def test_a_counter_is_shown_clipped() -> None:
    assert shown(10**30) == b"9223372036854775807"
    assert shown(-(10**30)) == b"-9223372036854775808"
    assert shown(I64_MAX) == b"9223372036854775807"
    assert shown(0) == b"0"
    assert shown(-12345) == b"-12345"
    assert shown(b"text") == b"text"
    assert integer_of(10**30) == I64_MAX
    assert clipped(-(10**30)) == I64_MIN


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"1", "1"), (b"-1.5", "-1.5"), (b"+.5", "0.5"), (b"5.", "5"), (b"1e3", "1000"),
        (b"0x10", "16"), (b"0X1.8P3", "12"), (b"-0x1p-1", "-0.5"), (b"0x.8", "0.5"),
        (b"0e99999", "0"), (b"-0e99999999999999999999999", "0"),
        (b"0.1", "0.1"), (b"1e-17", "0.00000000000000001"),
    ],
)  # fmt: skip
def test_what_is_a_float(text: bytes, expected: str) -> None:
    number = decimal_of(text)
    assert number is not None
    assert format_decimal(number) == expected.encode()


@pytest.mark.parametrize(
    "text",
    [
        b"", b" 1", b"1 ", b".", b"e5", b"1e", b"1e+", b"0x", b"0xp1", b"0x1p", b"0x1pz", b"1_0",
        b"--1", b"nan", b"inf", b"-Infinity", b"abc", b"1.2.3", b"1e5000", b"-1e5000", b"1e-5000",
        b"1e999999999999999999999", b"0x1p99999", b"0x1p-99999", b"0x1p\xb2", b"1" * 6000,
    ],
)  # fmt: skip
def test_what_is_no_float(text: bytes) -> None:
    assert decimal_of(text) is None


def test_infinity_is_known_by_its_names() -> None:
    for text in (b"inf", b"-inf", b"+INF", b"Infinity", b"-infinity"):
        assert is_infinite(text)
    for text in (b"", b"-", b"nan", b"infin", b"1", b"--inf"):
        assert not is_infinite(text)


def test_a_total_has_the_range_of_a_long_double() -> None:
    assert not overflows(Decimal("1.1e4932"))
    assert overflows(Decimal("1.2e4932"))
    assert overflows(Decimal("-1.2e4932"))


@given(st.lists(st.decimals(-(10**20), 10**20, places=17), min_size=3, max_size=3))
def test_the_order_of_increments_does_not_matter(numbers: list[Decimal]) -> None:
    sums = set()
    for a, b, c in itertools.permutations(numbers):
        sums.add(format_decimal(add_exactly(add_exactly(a, b), c)))
    assert len(sums) == 1


def test_sums_of_very_different_sizes_are_exact() -> None:
    total = add_exactly(Decimal("1e4000"), Decimal("1e-17"))
    assert format_decimal(total) == b"1" + b"0" * 4000 + b".00000000000000001"


def is_subsequence(piece: bytes, text: bytes) -> bool:
    rest = iter(text)
    return all(letter in rest for letter in piece)


def longest(a: bytes, b: bytes) -> int:
    best = 0
    for size in range(len(a) + 1):
        for piece in itertools.combinations(a, size):
            if is_subsequence(bytes(piece), b):
                best = size
                break
    return best


@given(st.text("abc", max_size=8), st.text("abc", max_size=8))
def test_the_longest_common_subsequence(first: str, second: str) -> None:
    a = first.encode()
    b = second.encode()
    rows = lcs_rows(a, b)
    matches = lcs_matches(a, b, rows)
    assert lcs_length(a, b, rows) == longest(a, b)
    assert sum(size for _, _, size in matches) == longest(a, b)
    end_a, end_b = len(a), len(b)
    for at_a, at_b, size in matches:
        assert a[at_a : at_a + size] == b[at_b : at_b + size]
        assert at_a + size <= end_a
        assert at_b + size <= end_b
        end_a, end_b = at_a, at_b
