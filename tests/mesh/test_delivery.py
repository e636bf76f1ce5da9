"""Delivery: each frame counts once, in order, in one piece; none goes back to its origin."""

from __future__ import annotations

import pytest

from mesh.dots import uuid_bytes
from mesh.inbox import FORKED, GAP, MORE
from mesh.rreplay import FrameError, FrameReader, frame_bytes, stamps_of
from node.resp.replies import NULL_ARRAY
from tests.mesh.stories import Mesh, pair, trio
from tests.support.local import Inbox as Outbox
from tests.support.simnode import SimNode


def frames_of(node: SimNode) -> bytes:
    """Everything that a node's backlog holds of its own stream."""
    parts = node.member.backlog.resume({}, b"")
    assert parts is not None
    data = b"".join(parts)
    return b"".join(
        data[start:end] for _, start, end in stamps_of(data)
        if data[start + 22 : start + 58] == node.streams.own.text
    )  # fmt: skip


def state_of(node: SimNode) -> object:
    """All that a frame could change."""
    return node.shown(), node.member.vector(), node.hidden(), len(node.member.backlog.chunks)


def listening(node: SimNode) -> Outbox:
    """What the node's second client is told of keyspace events from now on."""
    node("CONFIG", "SET", "notify-keyspace-events", "KEA")
    outlet = Outbox()
    node.watcher.outlet = outlet
    node.run(node.watcher, "PSUBSCRIBE", "__key*__:*")
    outlet.pushed.clear()
    return outlet


def test_a_frame_that_comes_again_changes_nothing_and_tells_nobody() -> None:
    mesh, a, b = pair()
    outlet = listening(b)
    a("SET", "k", "v")
    a("SADD", "s", "x")
    a("INCR", "n")
    mesh.flow()
    assert len(outlet.pushed) == 6  # set, sadd, incrby, each on both kinds of channel
    outlet.pushed.clear()
    b("WATCH", "k", "s", "n")
    before = state_of(b)
    dirty = int(b.engine.writer.dirty)
    inbox = b.member.inbox()
    data = frames_of(a)
    assert inbox.take(data, 0) == MORE
    assert inbox.pos == len(data)
    assert inbox.duplicates == len(stamps_of(data))
    assert inbox.applied == 0
    assert state_of(b) == before
    assert outlet.pushed == []
    assert b.engine.writer.dirty == dirty
    b("MULTI")
    assert b("EXEC") == []


def test_a_replicated_change_spoils_a_watch() -> None:
    mesh, a, b = pair()
    b("WATCH", "k")
    a("SET", "k", "v")
    mesh.flow()
    b("MULTI")
    assert b("EXEC") is NULL_ARRAY


def test_adding_a_member_that_is_there_spoils_nothing_anywhere() -> None:
    mesh, a, b = pair()
    a("SADD", "s", "x")
    mesh.heal()
    outlet = listening(b)
    b("WATCH", "s")
    assert a("SADD", "s", "x") == 0
    mesh.flow()
    b("MULTI")
    assert b("EXEC") == []
    assert outlet.pushed == []


def test_a_missing_frame_is_a_gap_and_nothing_behind_it_is_applied() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    a("SET", "k", "1")
    a("SET", "l", "2")
    a("SET", "m", "3")
    data = frames_of(a)
    places = stamps_of(data)
    lost = places[-2]
    torn = data[: lost[1]] + data[lost[2] :]
    inbox = b.member.inbox()
    assert inbox.take(torn, 0) == GAP
    assert inbox.pos == lost[1], "the frame behind the gap is not used up"
    assert b("MGET", "k", "l", "m") == [b"1", None, None]
    mesh.heal()
    assert b("MGET", "k", "l", "m") == [b"1", b"2", b"3"]


def test_a_stream_that_two_have_written_is_refused() -> None:
    mesh, a, b = pair()
    a("SET", "k", "v")
    mesh.heal()
    own = a.streams.own
    reader = FrameReader()
    data = frames_of(a)
    reader.open(data, 0)
    first = 0
    while reader.pos < len(data):
        assert reader.next()
        first = int(reader.frame.previous) or first
    forked = frame_bytes(
        own.text, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nx\r\n", 0, own.seen + 5, first, b"", b"c"
    )
    before = state_of(b)
    inbox = b.member.inbox()
    assert inbox.take(forked, 0) == FORKED
    assert state_of(b) == before


def test_a_nodes_own_frames_are_dropped_where_they_come_back() -> None:
    mesh, a, _b = pair()
    a("INCR", "n")
    mesh.heal()
    inbox = a.member.inbox()
    before = state_of(a)
    data = frames_of(a)
    assert inbox.take(data, 0) == MORE
    assert inbox.duplicates == len(stamps_of(data))
    assert state_of(a) == before


def test_what_a_follower_wrote_since_it_asked_is_not_sent_back() -> None:
    """Its frames may be here by the other direction before its request is answered."""
    mesh, a, b = pair()
    there, back = mesh.wires[0, 1], mesh.wires[1, 0]
    there.cut()
    assert there.connect()
    b("SET", "k", "v")
    while back.deliver(lambda size: size):
        pass
    assert a("GET", "k") == b"v"
    there.answer()  # `send` asserts that no frame goes back to its origin
    assert b"SET" not in b"".join(there.flight)
    mesh.heal()


def test_what_a_follower_wrote_during_a_transfer_is_not_sent_back() -> None:
    mesh = Mesh("a", backlog_bytes=20_000)
    a = mesh.nodes[0]
    for number in range(400):
        a("SET", f"k{number}", "x" * 40)
    b = mesh.add("b")
    there, back = mesh.wires[0, 1], mesh.wires[1, 0]
    there.connect()
    there.answer()
    assert there.outflow is not None, "the story needs a transfer"
    back.connect()
    back.answer()
    for number in range(20):
        b("SET", f"own{number}", "v")
        a.work()
        back.deliver(lambda size: size)
    assert a("EXISTS", "own3") == 1
    mesh.heal()
    assert a("DBSIZE") == b("DBSIZE") == 420


def test_a_third_node_serves_frames_byte_for_byte() -> None:
    mesh, a, b, c = trio()
    mesh.cut(0, 2)
    a("SET", "k", "v")
    a("SADD", "s", "x", "y")
    mesh.flow()
    parts = b.member.backlog.resume(c.member.vector(), c.streams.own.uuid)
    assert parts is not None
    relayed = b"".join(parts)
    mine = stamps_of(frames_of(a))
    behind = [
        frames_of(a)[start:end] for stamp, start, end in mine
        if stamp > c.member.vector()[a.streams.own.uuid]
    ]  # fmt: skip
    assert behind and all(frame in relayed for frame in behind)
    mesh.heal()


def test_idle_nodes_send_one_heartbeat_each_and_nothing_else() -> None:
    mesh, *nodes = trio()
    mesh.heal()
    sent = {pair: wire.sent_bytes for pair, wire in mesh.wires.items()}
    frames = [int(node.member.backlog.frames) for node in nodes]
    applied = {pair: int(wire.inbox.applied) for pair, wire in mesh.wires.items()}
    beats = 5
    for _ in range(beats):
        mesh.time_s += 1.0
        for node in nodes:
            node.beat()
            node.engine.tick(mesh.time_s)
        mesh.flow()
    for at, node in enumerate(nodes):
        assert node.member.backlog.frames == frames[at] + beats
        last = frames_of(node)[stamps_of(frames_of(node))[-1][1] :]
        assert b"\r\n$14\r\n*1\r\n$4\r\nPING\r\n\r\n" in last
    for pair_, wire in mesh.wires.items():
        assert wire.inbox.applied == applied[pair_] + beats, "a frame came more than once"
        assert wire.sent_bytes - sent[pair_] < beats * 300


def test_a_reader_never_sees_half_a_transaction() -> None:
    mesh, a, b = pair()
    a("MSET", "left", "0", "right", "0")
    mesh.heal()
    wire = mesh.wires[0, 1]
    for number in range(1, 4):
        a("MULTI")
        a("SET", "left", str(number))
        a("SADD", "s", str(number))
        a("SELECT", "1")
        a("SET", "far", str(number))
        a("SELECT", "0")
        a("SET", "right", str(number))
        a("EXEC")
        seen = set()
        while wire.flight:
            wire.deliver(lambda size: 1)
            left, right = b("GET", "left"), b("GET", "right")
            assert left == right
            assert b("SISMEMBER", "s", str(number)) == (left == b"%d" % number)
            b("SELECT", "1")
            far = b("GET", "far")
            b("SELECT", "0")
            assert (far or b"0") == left
            seen.add(left)
        assert seen == {b"%d" % (number - 1), b"%d" % number}
    mesh.heal()


def test_frames_flow_in_one_direction_while_the_other_is_cut() -> None:
    mesh, a, b = pair()
    mesh.cut(0, 1)
    a("SET", "k", "a")
    b("SET", "l", "b")
    mesh.flow()
    assert a("GET", "l") == b"b"
    assert b("EXISTS", "k") == 0
    a("APPEND", "l", "+a")
    mesh.heal()
    assert mesh.both("GET", "l") == b"b+a"


def test_a_write_that_has_seen_wins_however_far_the_clock_was_ahead() -> None:
    mesh, a, b = pair()
    a.skew_ms = 10_000
    a("SET", "k", "ahead")
    mesh.heal()
    b("SET", "k", "after")
    a.skew_ms = -10_000
    mesh.heal()
    assert mesh.both("GET", "k") == b"after"
    a("SET", "k", "again")
    mesh.heal()
    assert mesh.both("GET", "k") == b"again"


def test_a_write_is_stamped_above_all_that_its_node_has_seen() -> None:
    mesh, a, b = pair()
    a.skew_ms = 10_000
    a("SET", "k", "ahead")
    mesh.flow()
    b("SET", "k", "behind")
    assert b.streams.own.seen > a.streams.own.seen
    mesh.heal()


def test_a_stamp_a_minute_ahead_is_refused_and_poisons_nothing() -> None:
    _mesh, a, b = pair()
    a.skew_ms = 61_000
    a("SET", "k", "ahead")
    inbox = b.member.inbox()
    last = int(b.engine.clock.last)
    with pytest.raises(FrameError, match="ahead"):
        inbox.take(frames_of(a), 0)
    assert b.engine.clock.last == last
    assert b("EXISTS", "k") == 0
    assert int(b.streams.of(uuid_bytes(a.streams.own.text)).seen) >> 20 <= last >> 20
