"""The backlog: frames as they are written, what a follower lacks, and what is gone."""

from __future__ import annotations

from mesh.backlog import PING, Backlog, Follower
from mesh.clock import HybridClock
from mesh.dots import Streams, pack_marks
from mesh.rreplay import FrameReader, control, frame_bytes, stamps_of
from mesh.topology import Relaying
from node.journal import BACKLOG
from tests.support.local import LocalNode

OWN = b"\x0a" * 16
PEER = b"\x0b" * 16
THIRD = b"\x0c" * 16
LIMIT = 1 << 20


class Sent(Follower):
    """Keeps what it was sent."""

    def __init__(self) -> None:
        self.pieces: list[tuple[bytes, int]] = []

    def send(self, data: bytes, last: int) -> None:
        self.pieces.append((data, int(last)))


def backlog(limit: int = LIMIT) -> Backlog:
    """One that knows two peers."""
    streams = Streams(OWN)
    streams.of(PEER)
    streams.of(THIRD)
    return Backlog(streams, limit)


def foreign(number: int, uuid: bytes = PEER) -> bytes:
    """A frame of a peer with this stamp, after the one before."""
    streams = Streams(uuid)
    return frame_bytes(streams.own.text, PING, 0, number, number - 1, b"", b"")


def stamps(parts: list[bytes] | None) -> list[int]:
    """The stamps of the frames in some parts."""
    assert parts is not None
    return [stamp for stamp, _, _ in stamps_of(b"".join(parts))]


def written(count: int, limit: int = LIMIT) -> Backlog:
    """A backlog with that many heartbeats of its own, stamps from 1 on, a chunk each."""
    found = backlog(limit)
    for stamp in range(1, count + 1):
        found.heartbeat(stamp)
        found.flush()
    return found


def test_the_quick_way_writes_the_same_bytes_as_the_long_one() -> None:
    """A client's own bytes go into the frame; stamps and databases of all sizes."""
    node = LocalNode(clock=HybridClock())
    found = backlog()
    found.vector_moved = False
    found.heartbeat(node.engine.clock.next())
    node.engine.journal.wake(BACKLOG, found)
    expected: list[bytes] = []
    session = node.sessions[0]
    for number in range(300):
        node.time_s += (0.0, 0.001, 0.07, 1.0, 1000.0)[number % 5]
        node.engine.wake(node.time_s)
        db = number * 7 % 16
        node(f"SELECT {db}")
        previous = int(found.own.seen)
        words = [b"SET", b"k%d" % number, b"v" * (number % 40)]
        data = b"junk" + control(words) + b"junk"
        node.engine.execute(session, 0, list(words), data, 4, len(data) - 4)
        expected.append(
            frame_bytes(
                found.own.text, control(words), db, found.own.seen, previous, b"", b"c"
            )
        )
    found.flush()
    parts = found.resume({}, b"")
    assert parts is not None
    assert b"".join(parts).endswith(b"".join(expected))


def test_what_one_tick_wrote_goes_to_the_followers_as_one_piece() -> None:
    found = backlog()
    follower = Sent()
    found.followers.append(follower)
    for stamp in (1, 2, 3):
        found.heartbeat(stamp)
    assert follower.pieces == []
    found.flush()
    found.flush()
    [(data, last)] = follower.pieces
    assert last == 3 and stamps([data]) == [1, 2, 3]
    assert found.chunks[-1].data is data


def test_marks_are_what_changed_since_the_frame_before() -> None:
    found = backlog()
    peer, third = found.streams.of(PEER), found.streams.of(THIRD)
    marks: list[bytes] = []
    for stamp, seen in ((1, (5, 0)), (2, (5, 0)), (3, (6, 9)), (4, (6, 9))):
        moved = (int(peer.seen), int(third.seen)) != seen
        peer.seen, third.seen = seen
        found.vector_moved = found.vector_moved or moved
        found.heartbeat(stamp)
        found.flush()
        reader = FrameReader()
        reader.open(found.chunks[-1].data, 0)
        assert reader.next()
        marks.append(reader.frame.marks)
    assert marks == [pack_marks({PEER: 5}), b"", pack_marks({PEER: 6, THIRD: 9}), b""]
    assert found.marked() == {PEER: 6, THIRD: 9}


def test_a_follower_gets_what_it_lacks_of_every_stream_in_order_of_arrival() -> None:
    found = written(3)
    found.keep(1, 1, 2, foreign(1) + foreign(2))
    found.streams.of(PEER).seen = 2
    found.heartbeat(4)
    assert stamps(found.resume({}, b"")) == [1, 2, 3, 1, 2, 4]
    assert stamps(found.resume({OWN: 2}, b"")) == [3, 1, 2, 4]
    assert stamps(found.resume({OWN: 3, PEER: 1}, b"")) == [2, 4], "in the middle of a chunk"
    assert found.resume({OWN: 4, PEER: 2}, b"") == []
    assert found.resume({OWN: 4, PEER: 2, THIRD: 99}, b"") == []


def test_much_of_one_stream_does_not_push_out_the_little_of_another() -> None:
    """Else whoever lacks a heartbeat of a busy mesh compares all keys, and lacks nothing."""
    found = written(3, 20_000)
    for stamp in range(1, 1001):
        found.keep(1, stamp, stamp, foreign(stamp))
    found.streams.of(PEER).seen = 1000
    found.heartbeat(4)
    assert found.held <= 20_000
    assert stamps(found.resume({PEER: 1000}, b"")) == [1, 2, 3, 4]
    assert stamps(found.resume({OWN: 4, PEER: 990}, b"")) == list(range(991, 1001))
    assert found.resume({OWN: 4, PEER: 1}, b"") is None, "the oldest of the many are gone"


def test_a_stream_that_has_ended_everywhere_keeps_no_room() -> None:
    found = written(3, 20_000)
    found.own.retired = True
    for stamp in range(1, 1001):
        found.keep(1, stamp, stamp, foreign(stamp))
    assert {int(chunk.origin) for chunk in found.chunks} == {1}


def test_a_followers_own_frames_are_left_out() -> None:
    found = written(1)
    found.keep(1, 1, 2, foreign(1) + foreign(2))
    found.streams.of(PEER).seen = 2
    assert stamps(found.resume({PEER: 1}, PEER)) == [1]
    found.hole(1, 2)
    assert stamps(found.resume({}, PEER)) == [1], "not even a hole in them matters"


def test_what_comes_elsewhere_is_neither_sent_nor_missed() -> None:
    found = written(1)
    found.keep(1, 1, 2, foreign(1) + foreign(2))
    found.streams.of(PEER).seen = 2
    assert stamps(found.resume({}, THIRD, frozenset({PEER, OWN}))) == [1], "the own one comes here"
    found.hole(1, 2)
    assert found.resume({}, THIRD) is None
    assert stamps(found.resume({}, THIRD, frozenset({PEER}))) == [1]


def test_what_was_dropped_is_gone_for_those_who_lack_it() -> None:
    size = len(written(1).chunks[0].data)
    found = written(100, limit=40 * size)
    assert found.held <= 40 * size
    kept = stamps([chunk.data for chunk in found.chunks])
    assert kept == list(range(kept[0], 101)) and 1 < kept[0] < 100
    assert found.resume({}, b"") is None
    assert found.resume({OWN: kept[0] - 2}, b"") is None
    assert stamps(found.resume({OWN: kept[0] - 1}, b"")) == kept


def test_the_newest_chunk_is_kept_however_large() -> None:
    found = backlog(limit=10)
    found.write(control([b"SET", b"k", b"x" * 1000]), 0, 1, b"")
    found.flush()
    assert stamps(found.resume({}, b"")) == [1]


def test_a_hole_is_for_those_who_were_not_behind_it() -> None:
    found = written(1)
    found.streams.of(PEER).seen = 10
    found.hole(1, 10)
    found.keep(1, 11, 11, foreign(11))
    found.streams.of(PEER).seen = 11
    assert found.resume({OWN: 1, PEER: 9}, b"") is None
    assert stamps(found.resume({OWN: 1, PEER: 10}, b"")) == [11]
    assert found.resume({OWN: 1, PEER: 11}, b"") == []
    found.hole(1, 5)
    assert found.resume({OWN: 1, PEER: 9}, b"") is None, "a hole never shrinks"


def test_frames_of_a_state_that_was_put_aside_are_sent_to_nobody() -> None:
    found = written(1)
    found.keep(1, 10, 11, foreign(10) + foreign(11))
    found.streams.of(PEER).seen = 11
    found.put_aside()
    found.streams.of(PEER).seen = 10  # the state that took its place has less
    for vector in ({OWN: 1, PEER: 10}, {OWN: 1, PEER: 11}):
        assert found.resume(vector, PEER) == []
        assert found.resume(vector, b"") == []
    assert found.resume({PEER: 10}, b"") is None
    assert found.resume({OWN: 1}, b"") is None


def test_a_new_own_stream_begins_with_its_first_frame() -> None:
    found = written(3)
    found.put_aside()
    former = int(found.streams.renew(b"\x0d" * 16).number)
    found.renewed(former)
    found.heartbeat(9)
    found.heartbeat(10)
    parts = found.resume({OWN: 3}, PEER)
    assert stamps(parts) == [9, 10]
    data = b"".join(parts or [])
    assert found.streams.own.text in data and data.count(b"$1\r\n0\r\n$1\r\n9") == 1
    assert found.floors == {former: 3}


def test_dropping_what_is_older_than_a_hole_does_not_make_the_hole_smaller() -> None:
    size = len(foreign(1))
    found = backlog(limit=3 * size)
    peer = found.streams.of(PEER)
    found.keep(1, 1, 1, foreign(1))
    found.hole(1, 50)
    for stamp in range(51, 60):
        found.keep(1, stamp, stamp, foreign(stamp))
        peer.seen = stamp
        assert found.resume({PEER: 1}, b"") is None
        assert found.tail(1, 1) is None


def test_the_tail_of_one_stream_is_what_lies_above_a_stamp() -> None:
    found = written(2)
    found.keep(1, 1, 3, foreign(1) + foreign(2) + foreign(3))
    found.streams.of(PEER).seen = 3
    assert stamps(found.tail(1, 0)) == [1, 2, 3]
    assert stamps(found.tail(1, 2)) == [3]
    assert found.tail(1, 3) == found.tail(2, 0) == []


class Relayed(Sent):
    """Keeps what it was relayed, too."""

    def relay(self, data: bytes) -> None:
        self.pieces.append((data, -1))


def test_a_stream_is_relayed_to_those_who_asked_and_to_nobody_else() -> None:
    found = backlog()
    peer, third = found.streams.of(PEER), found.streams.of(THIRD)
    follower = Relayed()
    relaying = Relaying(found, follower, THIRD)
    found.keep(1, 1, 1, foreign(1))
    peer.seen = 1
    relaying.began({})
    found.keep(1, 2, 2, foreign(2))
    peer.seen = 2
    assert follower.pieces == []
    assert stamps(relaying.ask(frozenset({PEER, THIRD}), {})) == [2], "the first was sent before"
    found.keep(1, 3, 3, foreign(3))
    peer.seen = 3
    found.keep(2, 1, 1, foreign(1, THIRD))
    third.seen = 1
    assert follower.pieces == [(foreign(3), -1)], "its own stream never, though it asked"
    assert relaying.ask(frozenset(), {}) == []
    found.keep(1, 4, 4, foreign(4))
    peer.seen = 4
    assert stamps(relaying.ask(frozenset({PEER}), {PEER: 2})) == [4], "from where it was sent last"
    relaying.end()
    assert found.relays == {}
    found.hole(1, 9)
    peer.seen = 9
    assert relaying.ask(frozenset({PEER}), {}) is None


def test_what_a_snapshot_in_flight_goes_on_with_is_kept() -> None:
    size = len(written(1).chunks[0].data)
    found = written(10, limit=20 * size)
    found.pin_limit = 1 << 20
    pinned = found.pin()
    for stamp in range(11, 100):
        found.heartbeat(stamp)
        found.flush()
    assert stamps(found.resume({OWN: 10}, b"")) == list(range(11, 100))
    found.unpin(pinned)
    assert found.held <= 20 * size
    assert found.resume({OWN: 10}, b"") is None
