"""Bitmaps: which effects and events a command leaves, and KeyDB's shifts.

What the replies look like is in tests/commands/bitmaps.txt.
"""

from __future__ import annotations

import pytest

from node.resp.replies import Failure
from node.store.effect import Effect
from node.store.events import NEW, NO_EVENT, SETBIT
from tests.support.local import LocalNode


def last_unit(node: LocalNode) -> list[Effect]:
    """The effects of the last unit."""
    return node.recorder.units[-1]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("SETBIT new 9 1", ["SETBITS new 19"]),
        ("SETBIT new 0 0", ["SETBITS new"]),
        ("SETBIT k 1 1", []),
        ("SETBIT k 2 1", []),
        ("SETBIT k 0 1", ["SETBITS k 1"]),
        ("BITFIELD k GET u8 0", []),
        ("BITFIELD new GET u8 0", []),
        ("BITFIELD k SET u8 0 97", []),
        ("BITFIELD k SET u8 0 98", ["SETBITS k u8 0 98"]),
        ("BITFIELD k SET u8 #1 300", ["SETBITS k u8 8 44"]),
        ("BITFIELD k INCRBY i4 3 2", ["BITINCR k i4 3 2 WRAP"]),
        ("BITFIELD k INCRBY u8 0 0", []),
        ("BITFIELD k OVERFLOW SAT INCRBY u8 0 1000", ["BITINCR k u8 0 1000 SAT"]),
        ("BITFIELD k OVERFLOW FAIL INCRBY u8 0 1000", []),
        ("BITFIELD new OVERFLOW FAIL INCRBY u8 3 1000", ["SETBITS new u1 15 0"]),
        ("BITOP NOT d k", ["PUT d \x9e"]),
        ("BITOP AND k none nothing", ["DROP k"]),
        ("BITOP AND new none nothing", []),
        ("BITCOUNT k", []),
    ],
)
def test_the_effects_of(node: LocalNode, line: str, expected: list[str]) -> None:
    node("SET k a")
    node.effects()
    assert not isinstance(node(line), Failure)
    assert node.effects() == expected


def test_each_write_of_a_bitfield_is_an_effect_and_one_event_is_told(node: LocalNode) -> None:
    assert node("BITFIELD k SET u8 0 5 INCRBY u8 0 1 GET u8 0 INCRBY u8 0 0 SET u8 24 0") == [
        0, 6, 6, 6, 0,
    ]  # fmt: skip
    unit = last_unit(node)
    assert [int(effect.events) for effect in unit] == [SETBIT, NO_EVENT, NO_EVENT]
    assert node.effects() == ["SETBITS k u8 0 5", "BITINCR k u8 0 1 WRAP", "SETBITS k u8 24 0"]


def test_a_bitfield_that_only_makes_room_tells_of_a_new_key(node: LocalNode) -> None:
    node("BITFIELD k OVERFLOW FAIL INCRBY u8 0 300")
    assert [int(effect.events) for effect in last_unit(node)] == [NEW]
    node("SET k aaaa")
    node("BITFIELD k OVERFLOW FAIL INCRBY u8 40 300")
    assert [int(effect.events) for effect in last_unit(node)] == [NO_EVENT]
    node("SET k aaaa")
    node("BITFIELD k SET u8 0 97 OVERFLOW FAIL INCRBY u8 40 300")
    assert [int(effect.events) for effect in last_unit(node)] == [SETBIT]
    assert node("STRLEN k") == 6


def test_the_number_set_is_what_the_field_holds(node: LocalNode) -> None:
    node("BITFIELD k OVERFLOW SAT SET i8 0 -9223372036854775808 SET u8 8 -1")
    assert node.effects() == ["SETBITS k i8 0 127", "SETBITS k u8 8 255"]


def test_offsets_end_at_the_longest_string(node: LocalNode) -> None:
    node("CONFIG SET proto-max-bulk-len 1mb")
    assert node("SETBIT k 8388607 1") == 0
    for line in ("SETBIT k 8388608 1", "GETBIT k 8388608", "BITFIELD k GET u8 #1048576"):
        reply = node(line)
        assert isinstance(reply, Failure)
        assert reply.text == b"ERR bit offset is not an integer or out of range"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("BITOP LSHIFT d k 4", b"\x10\x06"),
        ("BITOP lshift d k 8", b"\0a"),
        ("BITOP RSHIFT d k 1", b"0"),
        ("BITOP RSHIFT d k -1", b"\xc2\0"),
        ("BITOP LSHIFT d none 9", b"\0\0"),
    ],
)
def test_shifts(node: LocalNode, line: str, expected: bytes) -> None:
    node("SET k a")
    assert node(line) == len(expected)
    assert node("GET d") == expected


def test_a_shift_to_nothing_deletes(node: LocalNode) -> None:
    node("SET k a")
    assert node("BITOP RSHIFT k k 8") == 0
    assert node("EXISTS k") == 0


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("BITOP LSHIFT d k", b"ERR BITOP SHIFT must be called with a single source key and an"
                             b" integer shift."),
        ("BITOP LSHIFT d k k 1", b"ERR BITOP SHIFT must be called with a single source key and an"
                                 b" integer shift."),
        ("BITOP RSHIFT d k x", b"ERR BITOP SHIFT's last parameter must be an integer"),
        ("BITOP LSHIFT d k 99999999999", b"ERR string exceeds maximum allowed size"
                                         b" (proto-max-bulk-len)"),
        ("BITOP LSHIFT d set 1", b"WRONGTYPE Operation against a key holding the wrong kind of"
                                 b" value"),
    ],
)  # fmt: skip
def test_what_shifts_refuse(node: LocalNode, line: str, text: bytes) -> None:
    node("SET k a")
    node("SADD set a")
    reply = node(line)
    assert isinstance(reply, Failure)
    assert reply.text == text
