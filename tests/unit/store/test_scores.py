"""Scores as text: what Redis reads is read, what it refuses is nan, texts read back the same."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.store.values.scores import is_decimal, read_score, score_text

INFINITY = math.inf


@pytest.mark.parametrize(
    ("text", "score"),
    [
        (b"1", 1.0), (b"+5", 5.0), (b"-.5", -0.5), (b"5.", 5.0), (b"007", 7.0), (b"1e3", 1000.0),
        (b"1E+2", 100.0), (b"0e999", 0.0), (b"-0", 0.0), (b"4.9e-324", 5e-324),
        (b"inf", INFINITY), (b"+Inf", INFINITY), (b"-INFINITY", -INFINITY), (b"0x10", 16.0),
        (b"-0x1p-2", -0.25), (b"0X.8", 0.5), (b"0x0p9", 0.0), (b"0" * 500 + b"1", 1.0),
    ],
)  # fmt: skip
def test_what_is_a_score(text: bytes, score: float) -> None:
    assert read_score(text) == score


@pytest.mark.parametrize(
    "text",
    [
        b"", b" 1", b"1 ", b"1_0", b"x", b"nan", b"-nan", b"1e", b".", b"+", b"--1", b"+-1", b"0x",
        b"0xg", b"0x1x", b"0x 1", b"1e400", b"-1e400", b"1e-400", b"0." + b"0" * 400 + b"1",
        b"0x1p2000", b"0x1p-2000", b"infinit", b"1\x002", b"1d5", b"\xff", b"1\n",
    ],
)  # fmt: skip
def test_what_is_none(text: bytes) -> None:
    assert math.isnan(read_score(text))


@given(st.floats(allow_nan=False))
def test_a_score_reads_back_the_same(score: float) -> None:
    assert read_score(score_text(score)) == score


def test_whole_scores_are_written_without_a_point() -> None:
    assert score_text(3.0) == b"3"
    assert score_text(-9007199254740992.0) == b"-9007199254740992"
    assert score_text(0.1) == b"0.1"
    assert score_text(-INFINITY) == b"-inf"


def test_what_other_servers_read_alike() -> None:
    assert is_decimal(b"-1.5e3")
    assert not is_decimal(b"0x10")
    assert not is_decimal(b"inf")
