"""LZF: what is compressed comes back, and is compressed as Redis does it."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.persist.rdb_codes import lzf_decompress
from node.persist.rdb_lzf import BYTES_MAX, lzf_compress


def unpacked(data: bytes, size: int) -> bytes:
    """The way back."""
    return lzf_decompress(data, 0, len(data), size)


@pytest.mark.parametrize(
    ("data", "packed"),
    [
        (b"x" * 21, "017878e00a00"),
        (b"x" * 100, "017878e05700017878"),
        (b"abc" * 10, "0361626361e00f02016263"),
    ],
)
def test_the_bytes_are_those_of_redis(data: bytes, packed: str) -> None:
    found = lzf_compress(data)
    assert found is not None
    assert found.hex() == packed


def test_what_is_short_or_gains_nothing_stays_as_it_is() -> None:
    assert lzf_compress(b"x" * 20) is None
    assert lzf_compress(bytes(range(256))) is None
    assert lzf_compress(random.Random(1).randbytes(1000)) is None
    assert lzf_compress(b"x" * (BYTES_MAX + 1)) is None


@given(st.lists(st.sampled_from([b"a", b"b", b"abc", b"\x00", b"hello world", b"x" * 300])))
def test_what_is_compressed_comes_back(parts: list[bytes]) -> None:
    data = b"".join(parts)
    packed = lzf_compress(data)
    if packed is not None:
        assert len(packed) <= len(data) - 4
        assert unpacked(packed, len(data)) == data


@pytest.mark.parametrize("seed", range(20))
def test_long_data_comes_back(seed: int) -> None:
    """References reach back 8 kB at most: the data is longer, and repeats itself from afar."""
    dice = random.Random(seed)
    words = [dice.randbytes(dice.randrange(3, 400)) for _ in range(40)]
    data = b"".join(dice.choices(words, k=200))
    packed = lzf_compress(data)
    assert packed is not None
    assert unpacked(packed, len(data)) == data
