"""One link's way in: each frame once, in order, whole; what is refused leaves no hole."""

from __future__ import annotations

import pytest

from mesh.backlog import PING
from mesh.dots import Streams, pack_marks
from mesh.inbox import FORKED, GAP, MORE, OTHER, Inbox
from mesh.rreplay import FrameError, control, frame_bytes, stamps_of
from tests.support.simnode import SimNode
from tests.support.simulation import START_S, World

BASE = int(START_S * 1000) << 20
PEER = Streams(b"\x0b" * 16).own
THIRD = Streams(b"\x0c" * 16).own


def node() -> SimNode:
    """One active node."""
    return World(0, nodes=1).nodes[0]


def frame(
    at: int, previous: int | None = None, inner: bytes = PING, marks: bytes = b"",
    text: bytes = PEER.text, flags: bytes = b"c",
) -> bytes:  # fmt: skip
    """A frame of the peer: stamp `at`, after at - 1 (0: the first)."""
    before = at - 1 if previous is None else previous
    return frame_bytes(text, inner, 0, BASE + at, BASE + before if before else 0, marks, flags)


def sets(key: bytes) -> bytes:
    """The inner command SET key v."""
    return control([b"SET", key, b"v"])


def seen(found: SimNode, uuid: bytes = PEER.uuid) -> int:
    """How far the peer's stream was applied, as `frame` counts."""
    stamp = found.member.vector().get(uuid, 0)
    return stamp - BASE if stamp else 0


def taken(found: SimNode, data: bytes) -> tuple[int, Inbox]:
    """A new inbox takes it."""
    inbox = found.member.inbox()
    return inbox.take(data, 0), inbox


def test_frames_are_applied_in_any_pieces() -> None:
    found = node()
    data = b"".join(frame(at, inner=sets(b"k%d" % at)) for at in range(1, 6))
    inbox = found.member.inbox()
    buffer = b""
    for at in range(len(data)):
        buffer += data[at : at + 1]
        assert inbox.take(buffer, 0) == MORE
        buffer = buffer[inbox.pos :]
    assert buffer == b"" and inbox.applied == 5 and seen(found) == 5
    assert found("DBSIZE") == 5
    parts = found.member.backlog.resume({}, found.streams.own.uuid)
    assert parts is not None and b"".join(parts) == data


def test_the_bytes_before_start_are_not_looked_at() -> None:
    found = node()
    inbox = found.member.inbox()
    data = b"+junk" + frame(1)
    assert inbox.take(data, 5) == MORE
    assert inbox.pos == len(data) and seen(found) == 1


def test_duplicates_between_new_frames_are_dropped() -> None:
    found = node()
    data = frame(1) + frame(2) + frame(1) + frame(2) + frame(3)
    result, inbox = taken(found, data)
    assert (result, inbox.applied, inbox.duplicates) == (MORE, 3, 2)
    parts = found.member.backlog.resume({}, found.streams.own.uuid)
    assert parts is not None
    assert [stamp - BASE for stamp, _, _ in stamps_of(b"".join(parts))] == [1, 2, 3]


def test_a_gap_and_a_fork_are_told_apart() -> None:
    found = node()
    assert taken(found, frame(1) + frame(5, 4))[0] == GAP
    assert seen(found) == 1
    assert taken(found, frame(2) + frame(3) + frame(4, 2))[0] == FORKED
    assert seen(found) == 3


def test_what_is_no_frame_is_left_to_the_link() -> None:
    found = node()
    result, inbox = taken(found, frame(1) + b"*3\r\n$8\r\nREPLCONF\r\n")
    assert result == OTHER and inbox.pos == len(frame(1))


def test_the_own_stream_is_dropped() -> None:
    found = node()
    own = found.streams.own
    result, inbox = taken(found, frame(10**6, text=own.text) + frame(1))
    assert (result, inbox.applied, inbox.duplicates) == (MORE, 1, 1)


def test_two_streams_in_one_piece_are_kept_apart() -> None:
    found = node()
    data = frame(1) + frame(1, text=THIRD.text) + frame(2) + frame(2, text=THIRD.text)
    assert taken(found, data)[0] == MORE
    backlog = found.member.backlog
    parts = backlog.resume({PEER.uuid: BASE + 2}, found.streams.own.uuid)
    assert parts is not None
    assert b"".join(parts) == frame(1, text=THIRD.text) + frame(2, text=THIRD.text)


@pytest.mark.parametrize(
    "bad",
    [
        frame(3, inner=control([b"BLPOP", b"l", b"0"])),
        frame(3, flags=b"z", inner=sets(b"k")),
        frame(3, marks=b"short"),
        frame(3).replace(b"$2\r\nv1", b"$2\r\nv9"),
        frame_bytes(PEER.text, PING, 0, BASE + (61_000 << 20), BASE + 2, b"", b""),
        frame(1, text=b"x" * 36),
    ],
    ids=["command", "flag", "marks", "version", "clock", "uuid"],
)
def test_what_came_before_a_refused_frame_is_kept_for_others(bad: bytes) -> None:
    found = node()
    good = frame(1, inner=sets(b"a")) + frame(2, inner=sets(b"b"))
    before = int(found.engine.clock.last)
    with pytest.raises(FrameError):
        taken(found, good + bad)
    assert seen(found) == 2 and found("DBSIZE") == 2
    assert int(found.engine.clock.last) <= max(before, BASE + 3)
    parts = found.member.backlog.resume({}, found.streams.own.uuid)
    assert parts is not None and b"".join(parts) == good, "no hole for those who follow"
    assert taken(found, frame(3))[0] == MORE


def test_marks_are_the_context_and_say_what_is_not_here_yet() -> None:
    found = node()
    marks = pack_marks({THIRD.uuid: BASE + 7})
    assert taken(found, frame(1, inner=control([b"SREM", b"s", b"x"]), marks=marks))[0] == MORE
    assert found.streams.of(PEER.uuid).uncovered
    assert found.member.memory.removals.count == 1
    assert taken(found, frame(7, 0, text=THIRD.text))[0] == MORE
    assert found.member.memory.removals.count == 0
    assert taken(found, frame(2))[0] == MORE
    assert not found.streams.of(PEER.uuid).uncovered


def test_a_stream_says_whose_it_is_and_which_were_before_it() -> None:
    found = node()
    start = control([b"MESH.START", b"5" * 32, THIRD.uuid.hex().encode()])
    assert taken(found, frame(1, inner=start))[0] == MORE
    assert found.streams.of(PEER.uuid).member == b"5" * 32
    assert found.streams.of(THIRD.uuid).member == b"5" * 32


def test_the_clock_is_above_what_was_applied() -> None:
    found = node()
    taken(found, frame(5_000 << 20, 0))
    found("SET", "k", "v")
    assert found.streams.own.seen > BASE + (5_000 << 20)
