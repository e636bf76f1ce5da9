"""Where Redis begins the nodes of a list."""

import pytest
from mypy_extensions import i64

from node.persist.rdb_lists import Nodes, node_bytes_max, node_entries_max
from node.persist.rdb_packed import listpack_entry_bytes, write_listpack


def sizes(items: list[bytes], fill: int) -> list[int]:
    """How many elements each node has."""
    nodes = Nodes(i64(fill))
    found = [0]
    for item in items:
        if nodes.add(item):
            found.append(0)
        found[-1] += 1
    return found


def test_limits_follow_the_directive() -> None:
    assert [node_bytes_max(i64(fill)) for fill in (-1, -2, -3, -4, -5, -9)] == [
        4096, 8192, 16384, 32768, 65536, 65536,
    ]  # fmt: skip
    assert [node_entries_max(i64(fill)) for fill in (0, 1, 7)] == [1, 1, 7]


def test_nodes_are_cut_by_entries() -> None:
    assert sizes([b"a"] * 7, 3) == [3, 3, 1]
    assert sizes([b"a"] * 3, 0) == [1, 1, 1]


def test_nodes_are_cut_by_bytes() -> None:
    """The first may be filled to the byte, being no part of a chain yet (seen with Redis 8.2.3)."""
    assert sizes([b"x" * 81] * 97, -2) == [97]
    assert sizes([b"x" * 81] * 300, -2) == [97, 97, 97, 9]
    assert sizes([b"x" * 5000] * 3, 100) == [1, 1, 1]


def test_an_element_above_the_limit_is_alone() -> None:
    assert sizes([b"a", b"x" * 8193, b"b", b"c"], -2) == [1, 1, 2]
    assert sizes([b"x" * 8193, b"x" * 8193], -2) == [1, 1]
    assert sizes([b"x" * 8193, b"b"], 5) == [1, 1]


@pytest.mark.parametrize(
    "item",
    [b"", b"0", b"127", b"128", b"-1", b"-4096", b"4095", b"4096", b"-32769", b"8388608",
     b"2147483648", b"9223372036854775807", b"9223372036854775808", b"x" * 63, b"x" * 64,
     b"x" * 4095, b"x" * 4096, b"x" * 16380, b"x" * 20000],
)  # fmt: skip
def test_what_an_element_takes_is_what_it_is_written_in(item: bytes) -> None:
    assert listpack_entry_bytes(item) == len(write_listpack([item], i64(0), i64(1))) - 7
