"""Canon of string effects: the command of each, and the same effect read back."""

from __future__ import annotations

import pytest

from node.persist import canon
from node.persist.canon_words import CanonError
from node.store.effect import APPEND, BITINCR, PFMERGE, SETBITS, SETRANGE, Effect
from node.store.mutate_strings import COUNTED, FORM_ONLY, TO_DENSE, merge_number

EFFECTS: list[tuple[int, object, int, list[bytes]]] = [
    (APPEND, b"tail", 0, [b"APPEND", b"k", b"tail"]),
    (APPEND, b"", 0, [b"APPEND", b"k", b""]),
    (SETRANGE, b"piece", 7, [b"SETRANGE", b"k", b"7", b"piece"]),
    (SETBITS, None, 15, [b"SETBIT", b"k", b"7", b"1"]),
    (SETBITS, None, 8589934590, [b"SETBIT", b"k", b"4294967295", b"0"]),
    (SETBITS, [b"u8", b"12", b"255"], 0, [b"BITFIELD", b"k", b"SET", b"u8", b"12", b"255"]),
    (
        BITINCR, [b"i5", b"100", b"-3", b"SAT"], 0,
        [b"BITFIELD", b"k", b"OVERFLOW", b"SAT", b"INCRBY", b"i5", b"100", b"-3"],
    ),
    (PFMERGE, b"\0\5\3", merge_number(0, 3000), [b"MESH.PFMERGE", b"k", b"\0\5\3", b"3000"]),
    (PFMERGE, b"", merge_number(COUNTED, 0), [b"MESH.PFMERGE", b"k", b"", b"0", b"COUNT"]),
    (
        PFMERGE, b"", merge_number(TO_DENSE | FORM_ONLY, 0),
        [b"MESH.PFMERGE", b"k", b"", b"0", b"DENSE", b"FORM"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("op", "value", "number", "words"), EFFECTS)
def test_an_effect_is_written_and_read_back(
    op: int, value: object, number: int, words: list[bytes]
) -> None:
    assert canon.command_of(Effect(op, 2, b"k", value, number, 9, 1, 3)) == words
    read = canon.effect_of(words, 2, 9, 1, 3)
    assert read is not None
    assert (int(read.op), read.key, read.value, int(read.number)) == (op, b"k", value, number)
    assert (int(read.db), int(read.stamp), int(read.origin), int(read.index)) == (2, 9, 1, 3)


def test_elements_of_a_pfadd() -> None:
    words = [b"PFADD", b"k", b"a", b"b"]
    assert canon.command_of(Effect(PFMERGE, 0, b"k", words, 2, 9, 1, 0)) == words
    read = canon.effect_of(words, 0, 9, 1, 0)
    assert read is not None
    assert read.value == words
    assert int(read.number) == 2
    assert canon.command_of(Effect(PFMERGE, 0, b"k", [b"a"], 0, 9, 1, 0)) == words[:3]


@pytest.mark.parametrize(
    "line",
    [
        "APPEND k", "SETRANGE k x v", "SETRANGE k -1 v", "SETRANGE k 9000000000000 v",
        "SETBIT k 1 2", "SETBIT k -1 1", "SETBIT k 99999999999999 1", "BITFIELD k GET u8 0 1",
        "BITFIELD k SET u64 0 1", "BITFIELD k SET u8 #1 1", "BITFIELD k SET u8 -1 1",
        "BITFIELD k SET u8 0 x", "BITFIELD k OVERFLOW FOO INCRBY u8 0 1",
        "BITFIELD k OVERFLOW SAT INCRBY u8 0 x", "PFADD", "MESH.PFMERGE k x", "MESH.PFMERGE k x -1",
        "MESH.PFMERGE k x 3000 WHAT",
    ],
)  # fmt: skip
def test_what_says_no_effect(line: str) -> None:
    with pytest.raises(CanonError):
        canon.effect_of([word.encode() for word in line.split()], 0, 1, 0, 0)
