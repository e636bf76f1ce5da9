"""Streams, vectors, rows and marks."""

from __future__ import annotations

import pytest
from librt.strings import read_i64_le

from mesh.dots import (
    ROW_STEP,
    Streams,
    pack_marks,
    unpack_marks,
    unpack_row,
    uuid_bytes,
    uuid_text,
)


def uuid(number: int) -> bytes:
    """A stream's uuid."""
    return number.to_bytes(16, "big")


def test_the_own_stream_is_number_zero_and_each_uuid_has_one_number() -> None:
    streams = Streams(uuid(9))
    assert streams.own.number == 0
    assert streams.of(uuid(5)).number == 1
    assert streams.of(uuid(7)).number == 2
    assert streams.of(uuid(5)) is streams.all[1]
    assert streams.known(uuid(6)) is None


def test_dots_go_by_stamp_and_then_by_uuid_never_by_number() -> None:
    streams = Streams(uuid(9))
    streams.of(uuid(5))
    streams.of(uuid(200))
    assert streams.newer(2, 1, 1, 0)
    assert not streams.newer(1, 0, 2, 1)
    assert streams.newer(1, 0, 1, 1), "9 is above 5"
    assert streams.newer(1, 2, 1, 0), "200 is above 9"
    assert not streams.newer(1, 0, 1, 0)


def test_marks_are_sorted_by_uuid_and_come_back() -> None:
    stamps = {uuid(3): 7, uuid(1): 2**62, uuid(2): 1}
    packed = pack_marks(stamps)
    assert len(packed) == 72
    assert packed[:16] == uuid(1) and packed[16:24] == (2**62).to_bytes(8, "big")
    assert unpack_marks(packed) == stamps
    assert unpack_marks(b"") == {}
    with pytest.raises(ValueError, match="multiple of 24"):
        unpack_marks(packed[:-1])


def test_the_row_of_a_stream_is_the_highest_of_all_its_marks() -> None:
    streams = Streams(uuid(1))
    peer = streams.of(uuid(2))
    streams.add_marks(peer, pack_marks({uuid(3): 10, uuid(4): 5}))
    streams.add_marks(peer, pack_marks({uuid(3): 8, uuid(4): 6}))
    assert streams.row_marks(peer) == {uuid(3): 10, uuid(4): 6}
    streams.join_row(peer, {uuid(3): 11, uuid(5): 1})
    assert streams.row_marks(peer) == {uuid(3): 11, uuid(4): 6, uuid(5): 1}


def test_rows_widen_when_more_streams_come_than_fit() -> None:
    streams = Streams(uuid(1))
    peer = streams.of(uuid(2))
    many = {uuid(number): number for number in range(3, 3 + 3 * ROW_STEP)}
    streams.add_marks(peer, pack_marks(many))
    assert streams.row_marks(peer) == many
    last = streams.of(uuid(2 + 3 * ROW_STEP))
    assert read_i64_le(peer.row, last.number << 3) == 2 + 3 * ROW_STEP
    assert all(len(each.row) == 8 * streams.width for each in streams.all)
    assert unpack_row(streams.own.row) == [0] * streams.width


def test_a_stream_is_covered_when_all_it_names_is_here() -> None:
    streams = Streams(uuid(1))
    peer, third = streams.of(uuid(2)), streams.of(uuid(3))
    streams.add_marks(peer, pack_marks({uuid(3): 10}))
    assert not streams.covers(peer)
    third.seen = 9
    assert not streams.covers(peer)
    third.seen = 10
    assert streams.covers(peer)


def test_the_vector_names_what_was_applied() -> None:
    streams = Streams(uuid(1))
    streams.own.seen = 5
    streams.of(uuid(2))
    streams.of(uuid(3)).seen = 7
    assert unpack_marks(streams.marks()) == {uuid(1): 5, uuid(3): 7}
    assert unpack_row(streams.vector_row())[:3] == [5, 0, 7]
    streams.of(uuid(3)).wrote = 6
    assert unpack_row(streams.write_row())[:3] == [0, 0, 6]


def test_uuids_are_36_characters_on_the_wire() -> None:
    text = b"b1c3f0ef-eb0e-4587-acb1-85aebfe087bb"
    assert uuid_text(uuid_bytes(text)) == text
    for wrong in (b"", text[:-1], text + b"0", b"g" + text[1:], b"-" * 36, b"\xff" * 36):
        with pytest.raises(ValueError):
            uuid_bytes(wrong)


def test_a_new_own_stream_leaves_the_one_before_among_the_others() -> None:
    streams = Streams(uuid(9))
    own = streams.own
    own.member = b"a"
    own.seen = 7
    other = streams.of(uuid(5))
    former = streams.renew(uuid(3))
    assert streams.own is own and own.number == 0 and own.seen == 0
    assert own.uuid == uuid(3) and own.text == uuid_text(uuid(3)) and own.member == b"a"
    assert former is streams.of(uuid(9)) and former.number == 2 and former.seen == 0
    assert former.member == b"a"
    assert streams.of(uuid(3)) is own and streams.of(uuid(5)) is other
