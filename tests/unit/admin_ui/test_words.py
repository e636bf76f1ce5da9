"""Numbers as people read them."""

from __future__ import annotations

import pytest

from admin_ui import words


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (None, "-"),
        (0, "0 ms"),
        (3.4, "3 ms"),
        (999, "999 ms"),
        (999.6, "1.0 s"),
        (2_400, "2.4 s"),
        (9_960, "10 s"),
        (38_000, "38 s"),
        (180_000, "3 m"),
        (7_200_000, "2 h"),
        (9 * 86_400_000, "9 d"),
        (-1_500, "-1.5 s"),
    ],
)
def test_duration(ms: float | None, text: str) -> None:
    assert words.duration(ms) == text


@pytest.mark.parametrize(
    ("count_bytes", "text"),
    [(None, "-"), (0, "0 B"), (1_023, "1023 B"), (93_184, "91.0 KB"), (2**31, "2.0 GB")],
)
def test_size(count_bytes: int | None, text: str) -> None:
    assert words.size(count_bytes) == text


def test_count_and_skew_and_percent() -> None:
    assert words.count(9_999) == "9,999"
    assert words.count(1_200_000) == "1.2 M"
    assert [words.skew(ms) for ms in (0.2, 4, -4, None)] == ["0 ms", "+4 ms", "-4 ms", "-"]
    assert [words.percent(share) for share in (0.439, 0.999, 1, 2)] == ["43 %", "99 %"] + [
        "100 %"
    ] * 2
