"""Frames: read from any pieces, refused with a reason when they are none."""

from __future__ import annotations

import pytest

from mesh.dots import Streams
from mesh.rreplay import (
    FrameError,
    FrameReader,
    Inner,
    control,
    frame_bytes,
    stamps_of,
)
from node.store.effect import CREATION, NEWEST_WINS, PUT, WAS_STRING, Effect
from tests.unit.mesh import wire_doc

UUID = b"b1c3f0ef-eb0e-4587-acb1-85aebfe087bb"
SET = control([b"SET", b"k", b"v"])


def frame(inner: bytes = SET, db: int = 0, marks: bytes = b"", flags: bytes = b"") -> bytes:
    """One frame with stamp 20 after 10."""
    return frame_bytes(UUID, inner, db, 20, 10, marks, flags)


def read(data: bytes, databases: int = 16) -> list[Effect]:
    """The effects of the one frame in `data`."""
    reader = FrameReader()
    reader.open(data, 0)
    assert reader.next()
    return Inner(Streams(wire_doc.FIRST)).read(data, reader.frame, 1, databases)


@pytest.mark.parametrize("number", range(7))
def test_a_frame_is_read_only_when_it_is_whole(number: int) -> None:
    data = wire_doc.frames()[number]
    reader = FrameReader()
    for size in range(len(data)):
        reader.open(data[:size], 0)
        assert reader.at_frame()
        assert not reader.next()
        assert reader.pos == 0, "it is read again from its beginning"
    reader.open(data, 0)
    assert reader.next()


def test_frames_follow_each_other_and_keep_their_places() -> None:
    data = b"".join(wire_doc.frames())
    places = stamps_of(data)
    assert [data[start:end] for _, start, end in places] == wire_doc.frames()
    with pytest.raises(FrameError, match="cut short"):
        stamps_of(data[:-1])


def test_what_is_no_frame_is_told_from_one_that_is_not_whole() -> None:
    reader = FrameReader()
    other_head = b"*9\r\n$7\r\nRREPLAX\r\n$36\r\n"
    for other in (b"+OK\r\n", b"*3\r\n$8\r\nREPLCONF\r\n", b"\n", other_head):
        reader.open(other, 0)
        assert not reader.at_frame()


@pytest.mark.parametrize(
    "wrong",
    [
        frame().replace(b"$2\r\nv1", b"$2\r\nv2"),
        frame().replace(b"$2\r\n20", b"$2\r\n2x"),
        frame().replace(b"$2\r\n20", b"$0\r\n"),
        frame().replace(b"$2\r\n20", b"$20\r\n" + b"9" * 20),
        frame().replace(b"$2\r\n20", b"$19\r\n9999999999999999999"),
        frame().replace(b"$2\r\n10", b"$2\r\n-1"),
        frame().replace(b"$1\r\n0", b":1\r\n0"),
        frame().replace(b"$1\r\n0", b"$x\r\n0"),
        frame().replace(b"$1\r\n0", b"$99999999999999\r\n0"),
    ],
)
def test_a_malformed_frame_is_refused(wrong: bytes) -> None:
    reader = FrameReader()
    reader.open(wrong, 0)
    with pytest.raises(FrameError):
        reader.next()


@pytest.mark.parametrize(
    "inner",
    [
        control([b"SET", b"k"]),
        control([b"SET", b"k", b"v", b"EX", b"10"]),
        control([b"BLPOP", b"l", b"0"]),
        control([b"GET", b"k"]),
        control([b"INCRBY", b"k", b"x"]),
        control([b"HSET", b"h", b"f"]),
        control([b"RESTORE", b"k", b"0", b"no dump", b"REPLACE", b"ABSTTL"]),
        control([b"SELECT", b"x"]),
        SET[:-1],
        b"*1\r\n$-1\r\n",
        b"*1\r\n:1\r\n",
    ],
)
def test_an_inner_command_that_says_no_effect_is_refused(inner: bytes) -> None:
    with pytest.raises(FrameError, match="inner command"):
        read(frame(inner))


def test_a_database_that_is_not_there_is_named() -> None:
    with pytest.raises(FrameError, match="database 16 is out of range"):
        read(frame(db=16))
    with pytest.raises(FrameError, match="database 4"):
        read(frame(control([b"SELECT", b"4"]) + SET), databases=4)


def test_flags_stand_for_each_effect_in_order() -> None:
    inner = control([b"MULTI"]) + SET * 3 + control([b"EXEC"])
    found = read(frame(inner, flags=b"c,,an"))
    assert [int(each.flags) for each in found] == [CREATION, 0, WAS_STRING | NEWEST_WINS]
    assert [int(each.index) for each in found] == [0, 1, 2]
    assert all(each.op == PUT and each.origin == 1 and each.stamp == 20 for each in found)


def test_an_unknown_flag_is_named() -> None:
    with pytest.raises(FrameError, match="'z'"):
        read(frame(flags=b"cz"))


def test_names_in_any_case_and_large_values_are_read() -> None:
    assert read(frame(control([b"set", b"k", b"v"])))[0].op == PUT
    big = b"x" * (3 << 20)
    found = read(frame(control([b"SET", b"k", big])))
    assert found[0].value == big
    many = [b"%d" % number for number in range(5000)]
    [added] = read(frame(control([b"SADD", b"s", *many])))
    assert added.value == [b"SADD", b"s", *many]


def test_an_error_in_one_frame_leaves_nothing_for_the_next() -> None:
    inner = Inner(Streams(wire_doc.FIRST))
    good = frame()
    for data in (frame(SET + b"*3\r\n$3\r\nSET"), good):
        reader = FrameReader()
        reader.open(data, 0)
        assert reader.next()
        if data is good:
            assert len(Inner(Streams(wire_doc.FIRST)).read(data, reader.frame, 1, 16)) == 1
        else:
            with pytest.raises(FrameError, match="cut short"):
                inner.read(data, reader.frame, 1, 16)


def test_a_frame_that_is_not_whole_says_how_much_of_it_is_wanted() -> None:
    whole = frame_bytes(b"0" * 8 + b"-0000" * 3 + b"-" + b"0" * 12, b"x" * 5000, 0, 1, 0, b"", b"")
    reader = FrameReader()
    reader.open(whole[:200], 0)
    assert not reader.next()
    assert 5000 < reader.wants <= len(whole)
    reader.open(whole, 0)
    assert reader.next()
    assert reader.wants == 0
