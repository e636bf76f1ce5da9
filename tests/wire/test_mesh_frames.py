"""The bytes on the wire: what a follower gets, and what becomes of a master's broken frames."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from string import ascii_letters
from typing import Any

import pytest

from tests.support.servers import wait_until
from tests.wire.mesh_peers import (
    Connection,
    Follower,
    Master,
    WireFrame,
    Writer,
    now_stamp,
    snapshot_stream,
    unpacked_vector,
    until,
)
from tests.wire.mesh_support import ACTIVE, Node, encoded, run_all, scaled

pytestmark = pytest.mark.wire

# The peers here write without having seen anything: what is stable must not be held against them.
LONELY = (*ACTIVE, "--mesh-dial-back", "no", "--mesh-forget", "no")
PING = encoded(["PING"])
CUTS = scaled(300)
FLIPS = scaled(300)
SNAPSHOT_FLIPS = scaled(100)
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with Node(*LONELY) as running:
        yield running


@pytest.fixture
def master(node: Node) -> Iterator[Master]:
    with Master() as running:
        yield running
    node.ask("REPLICAOF", "NO", "ONE")


def follow(node: Node, master: Master) -> None:
    """The node connects at once: a link that was closed would wait before it tries again."""
    node.ask("REPLICAOF", "NO", "ONE")
    node.ask("REPLICAOF", "127.0.0.1", str(master.port))


# --- what a follower gets -------------------------------------------------------------------------


def test_the_frame_of_a_write_byte_for_byte(node: Node) -> None:
    with Follower(node.port, node.vector()) as follower:
        node.ask("SET", "frame:k", "v")
        frame = follower.frame_with(encoded(["SET", "frame:k", "v"]))
        assert frame.stream == node.stream() == follower.peer_stream
        assert (frame.db, frame.flags) == (0, b"c"), "creation clears the whole key"
        assert frame.stamp > frame.previous > 0
        assert frame.encoded() == b"".join([
            b"*9\r\n$7\r\nRREPLAY\r\n$36\r\n", frame.stream.encode(),
            b"\r\n$33\r\n*3\r\n$3\r\nSET\r\n$7\r\nframe:k\r\n$1\r\nv\r\n\r\n$1\r\n0\r\n$19\r\n",
            b"%d\r\n$2\r\nv1\r\n$19\r\n%d\r\n" % (frame.stamp, frame.previous),
            b"$%d\r\n%b\r\n$1\r\nc\r\n" % (len(frame.marks), frame.marks),
        ])  # fmt: skip


def test_a_transaction_is_one_frame_with_flags_per_effect(node: Node) -> None:
    with node.client() as client, Follower(node.port, node.vector()) as follower:
        run_all(client, [["SET", "multi:k", "v"], ["MULTI"], ["SADD", "multi:s", "x"]])
        run_all(client, [["DEL", "multi:k"], ["EXEC"]])
        frame = until(lambda each: b"MULTI" in each.inner, follower)
        commands = (["MULTI"], ["SADD", "multi:s", "x"], ["DEL", "multi:k"], ["EXEC"])
        assert frame.inner == b"".join(encoded(words) for words in commands)
        assert frame.flags == b"c,a", "a creation, then the removal of a string"


def test_effects_travel_resolved(node: Node) -> None:
    """Deadlines are absolute, what a handler decided is not decided again, a select is spelled."""
    with node.client() as client, Follower(node.port, node.vector()) as follower:
        began_ms = now_stamp() >> 20
        run_all(client, [["SET", "effect:t", "v", "PX", "50000"], ["SETNX", "effect:t", "w"]])
        frame = until(lambda each: b"effect:t" in each.inner, follower)
        assert b"PXAT" in frame.inner
        deadline = int(frame.inner.split(b"\r\n")[-2])
        assert 50_000 <= deadline - began_ms < 60_000
        node.ask("DEL", "effect:t")
        run_all(client, [["INCRBY", "effect:n", "5"], ["SELECT", "3"], ["SET", "effect:d", "v"]])
        frame = follower.frame_with(encoded(["INCRBY", "effect:n", "5"]))
        assert (frame.db, frame.flags) == (0, b"c")
        frame = follower.frame_with(encoded(["SET", "effect:d", "v"]))
        assert frame.db == 3


def test_heartbeats_keep_an_idle_stream_moving_without_gaps(node: Node) -> None:
    with Follower(node.port, node.vector()) as follower:
        frames = [follower.frame_with(PING)]
        began_s = time.monotonic()
        frames += [follower.frame() for _ in range(3)]
        assert 1.8 < time.monotonic() - began_s < 6.0, "one a second"
        assert [each.inner for each in frames] == [PING] * 4
        for earlier, later in pairwise(frames):
            assert later.previous == earlier.stamp < later.stamp
        stamps_ms = [each.stamp >> 20 for each in frames]
        assert abs(stamps_ms[-1] - (now_stamp() >> 20)) < 5_000


def test_no_link_of_the_chain_is_missing_under_load(node: Node) -> None:
    count = scaled(5_000)
    with node.client() as client, Follower(node.port, node.vector()) as follower:
        previous = follower.frame().stamp
        run_all(client, ([b"INCR", b"chain"] for _ in range(count)))
        for _ in range(count):
            frame = follower.frame()
            assert frame.previous == previous < frame.stamp
            previous = frame.stamp


def test_a_new_stream_begins_with_its_member_and_a_resumed_one_where_asked() -> None:
    with Node(*LONELY) as fresh:
        with Follower(fresh.port) as follower:
            assert not follower.snapshot
            first = follower.frame()
            assert first.previous == 0
            assert first.inner == encoded(["MESH.START", follower.peer_member])
            later = [follower.frame() for _ in range(2)]
        with Follower(fresh.port, {first.stream: first.stamp}) as follower:
            assert follower.frame() == later[0]


def test_marks_name_what_was_applied_since_the_frame_before(node: Node, master: Master) -> None:
    with Follower(node.port, node.vector()) as follower:
        follow(node, master)
        writer = Writer(master.stream)
        with master.accept() as connection:
            for at in range(3):
                frame = writer.frame(["SADD", "marks", b"%d" % at])
                connection.send(frame.encoded())
                writer.sent()
            connection.await_ack(1)
            node.ask("SADD", "marks", "own")
            own = encoded(["SADD", "marks", "own"])
            got = follower.frame()
            last = 0
            while got.inner != own:
                last = max(last, unpacked_vector(got.marks).get(master.stream, 0))
                got = follower.frame()
            last = max(last, unpacked_vector(got.marks).get(master.stream, 0))
            assert last == writer.previous
            assert node.stream() not in unpacked_vector(got.marks), "the own stream never"
            node.ask("SADD", "marks", "more")
            assert follower.frame_with(encoded(["SADD", "marks", "more"])).marks == b""


# --- what a master may not send -------------------------------------------------------------------


def test_a_good_frame_is_applied_once(node: Node, master: Master) -> None:
    follow(node, master)
    writer = Writer(master.stream)
    with master.accept() as connection:
        frame = writer.frame(["INCRBY", "once", "5"], ["SADD", "good", "m"], flags=b"c,c").encoded()
        connection.send(frame + frame)
        connection.await_ack(2 * len(frame))
        assert node.ask("GET", "once").text == b"5"
        assert node.vector()[master.stream] == writer.stamp


class Target:
    """A node with known data that follows a scripted master; says whether anything has changed."""

    def __init__(self, node: Node, master: Master) -> None:
        self.node = node
        self.master = master
        self.writer = Writer(master.stream)
        with self.connect() as connection:
            frame = self.writer.frame(["SADD", "fuzzed", "a", "b"]).encoded()
            connection.send(frame)
            connection.await_ack(len(frame))
        self.writer.sent()
        self.digest = node.digest()

    def connect(self) -> Connection:
        """A new connection of the node."""
        follow(self.node, self.master)
        return self.master.accept()

    def check(self, what: str) -> None:
        """Data and vector are as before."""
        assert self.node.digest() == self.digest, what
        assert self.node.vector()[self.master.stream] == self.writer.previous, what

    def finish(self) -> None:
        """The stream goes on as if nothing had been."""
        with self.connect() as connection:
            frame = self.writer.frame(["SADD", "fuzzed", "c"]).encoded()
            connection.send(frame)
            connection.await_ack(len(frame))
        assert self.node.ask("SISMEMBER", "fuzzed", "c").text == b"1"
        text = self.node.output()
        assert "Traceback" not in text and "Fatal error" not in text, text


@pytest.fixture
def target(node: Node, master: Master) -> Target:
    return Target(node, master)


def test_a_frame_cut_anywhere_changes_nothing(target: Target) -> None:
    commands = (["SREM", "fuzzed", "a"], ["SET", "fuzzed:k", "v" * 50], ["INCRBY", "fuzzed:n", "7"])
    frame = target.writer.frame(*commands, flags=b",c,c").encoded()
    chance = random.Random(1)
    for _ in range(CUTS):
        size = chance.randrange(1, len(frame))
        with target.connect() as connection:
            connection.send(frame[:size])
        target.check(f"cut after {size} bytes")
    target.finish()


def flips(frame: WireFrame) -> list[tuple[int, str]]:
    """The places where another byte makes the frame malformed, and which bytes would not.

    Keys, values and marks may be any bytes, numbers any digits; the ends of lines inside `inner`
    are not looked at, as Redis does not.
    """
    places: list[tuple[int, str]] = []
    data = frame.encoded()
    at = data.index(b"\r\n") + 2
    places += [(place, "") for place in range(at)]
    for number, part in enumerate(frame.parts()):
        body = data.index(b"\r\n", at) + 2
        places += [(place, "") for place in range(at, body)]
        end = body + len(part)
        places += [(place, "") for place in range(end, end + 2)]
        if number in (0, 1, 5, 6):  # the name, the stream, v1, the previous stamp
            places += [(place, "") for place in range(body, end)]
        elif number in (3, 4):  # the database and the stamp
            places += [(place, "0123456789") for place in range(body, end)]
        elif number == 2:
            places += inner_flips(part, body)
        at = end + 2
    return places


def inner_flips(inner: bytes, start: int) -> list[tuple[int, str]]:
    """The same for the commands inside: counts, lengths and names."""
    places: list[tuple[int, str]] = []
    at = 0
    is_name = False
    while at < len(inner):
        end = inner.index(b"\r\n", at)
        places += [(start + place, "") for place in range(at, end)]
        body = end + 2
        if inner[at] == ord("*"):
            is_name = True
            at = body
            continue
        size = int(inner[at + 1 : end])
        if is_name:
            places += [(start + place, ascii_letters) for place in range(body, body + size)]
        is_name = False
        at = body + size + 2
    return places


def test_a_frame_with_one_wrong_byte_closes_the_link_and_changes_nothing(target: Target) -> None:
    commands = (["SREM", "fuzzed", "a"], ["SADD", "fuzzed:s", "x"], ["INCRBY", "fuzzed:n", "7"])
    frame = target.writer.frame(*commands)
    good = frame.encoded()
    # What a wrong length makes the node wait for comes, and is not what it should be.
    behind = b"".join([
        WireFrame(frame.stream, PING, frame.stamp + 1 + at, frame.stamp + at).encoded()
        for at in range(6)
    ])  # fmt: skip
    places = flips(frame)
    chance = random.Random(2)
    for _ in range(FLIPS):
        place, allowed = chance.choice(places)
        byte = chance.choice([
            each for each in range(256) if each != good[place] and chr(each) not in allowed
        ])  # fmt: skip
        wrong = good[:place] + bytes([byte]) + good[place + 1 :]
        what = f"{good[place : place + 1]!r} at {place} became {bytes([byte])!r} in {good!r}"
        with target.connect() as connection:
            connection.send(wrong + behind)
            assert connection.await_end(), f"still connected: {what}"
        target.check(what)
    target.finish()


DAMAGED = b"\x02\x01\x01a" + bytes(10)
WRONG_FRAMES: dict[str, dict[str, Any]] = {
    "a gap": {"previous": 2},
    "a fork": {"previous": -1},
    "an unknown flag": {"flags": b"z"},
    "marks of odd length": {"marks": b"x" * 23},
    "a database that is not here": {"db": 99},
    "a command that is no effect": {"inner": encoded(["FLUSHALL", "SYNC"])},
    "a command for clients": {"inner": encoded(["CONFIG", "SET", "requirepass", "x"])},
    "an inner command cut short": {"inner": b"*2\r\n$4\r\nSREM\r\n$6\r\nfuz"},
    "a damaged payload": {
        "inner": encoded(["RESTORE", "fuzzed", "0", DAMAGED, "REPLACE", "ABSTTL"])
    },
    "a control command of no sense": {
        "inner": encoded(["MESH.START", "0" * 32, "not hexadecimal"])
    },
    "a number too large": {"inner": encoded(["INCRBY", "fuzzed:n", "9" * 30])},
    "fields without values": {"inner": encoded(["HSET", "fuzzed:h", "f"])},
    "a select of no number": {
        "inner": encoded(["MULTI"]) + encoded(["SELECT", "x"]) + encoded(["EXEC"])
    },
}


@pytest.mark.parametrize("what", WRONG_FRAMES)
def test_a_well_formed_frame_that_says_nonsense_is_refused(target: Target, what: str) -> None:
    writer = target.writer
    fields: dict[str, Any] = {
        "stream": writer.stream, "inner": encoded(["SREM", "fuzzed", "a"]), "stamp": writer.stamp,
        "previous": writer.previous,
    }  # fmt: skip
    fields |= WRONG_FRAMES[what]
    if "previous" in WRONG_FRAMES[what]:
        fields |= {"previous": writer.previous + fields["previous"], "stamp": writer.stamp + 10}
    frame = WireFrame(**fields)
    with target.connect() as connection:
        connection.send(frame.encoded())
        assert connection.await_end(), what
    target.check(what)
    target.finish()


def test_a_stamp_of_an_hour_ahead_is_refused(target: Target) -> None:
    node = target.node
    ahead = Writer(target.master.stream, now_stamp() + (HOUR_MS << 20))
    ahead.previous = target.writer.previous
    with target.connect() as connection:
        connection.send(ahead.frame(["SREM", "fuzzed", "a"]).encoded())
        assert connection.await_end()
    target.check("a frame from an hour ahead")
    assert "newest stamps are farther ahead of our clock" in node.last_errors()
    node.ask("SET", "clock", "v")
    with Follower(node.port, node.vector()) as follower:
        stamp_ms = follower.frame().stamp >> 20
        assert stamp_ms - (now_stamp() >> 20) < 60_000, "the node's own clock was moved"
    target.finish()


# --- snapshots ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def snapshot() -> bytes:
    """A snapshot of a member with data of every type."""
    with Node(*LONELY) as source:
        with source.client() as client:
            run_all(client, [["SET", "snap:k", "v"], ["SADD", "snap:s", "x", "y"]])
            run_all(client, [["HSET", "snap:h", "f", "v"], ["SET", "snap:t", "v", "EX", "9999"]])
            run_all(client, [["INCR", "snap:n"], ["HINCRBY", "snap:h", "n", "3"]])
        source.ask("SAVE")
        source.restart()  # what was loaded is no frame any more
        with Follower(source.port) as follower:
            assert follower.snapshot
            return follower.read_snapshot()


def take(target: Target, data: bytes) -> Connection:
    """The node is sent this as a snapshot."""
    follow(target.node, target.master)
    connection = target.master.accept(b"+FULLRESYNC %b 0\r\n" % (b"0" * 40))
    connection.send(data)
    return connection


def test_a_snapshot_with_one_wrong_byte_changes_nothing(target: Target, snapshot: bytes) -> None:
    before = target.node.transfers()
    chance = random.Random(3)
    for _ in range(SNAPSHOT_FLIPS):
        place = chance.randrange(len(snapshot))
        wrong = bytearray(snapshot)
        wrong[place] ^= 1 << chance.randrange(8)
        with take(target, snapshot_stream(bytes(wrong))) as connection:
            connection.finish()  # a length that is wrong makes the node wait for more
            assert connection.await_end(), f"still connected: byte {place} of {snapshot!r}"
        target.check(f"a snapshot with another byte {place}")
    assert target.node.transfers() == before
    target.finish()


def test_a_snapshot_cut_anywhere_changes_nothing(target: Target, snapshot: bytes) -> None:
    before = target.node.transfers()
    whole = snapshot_stream(snapshot)
    chance = random.Random(4)
    for _ in range(SNAPSHOT_FLIPS):
        take(target, whole[: chance.randrange(len(whole))]).close()
        target.check("a snapshot cut short")
    assert target.node.transfers() == before
    target.finish()


def test_a_snapshot_from_an_hour_ahead_is_refused(target: Target, snapshot: bytes) -> None:
    """Its vector would drag the node's own clock along, and with it the whole mesh."""
    node = target.node
    before = node.transfers()
    ahead = future(snapshot, now_stamp() + (HOUR_MS << 20))
    with take(target, snapshot_stream(ahead)) as connection:
        assert connection.await_end()
    assert node.transfers() == before
    target.check("a snapshot from an hour ahead")
    assert "newest stamps are farther ahead of our clock" in node.last_errors()
    target.finish()


def future(snapshot: bytes, stamp: int) -> bytes:
    """The snapshot with a vector that ends at another stamp; without a checksum, which may be 0."""
    start = snapshot.index(b'"vector":[') + len(b'"vector":[')
    first = snapshot[start:].split(b"]")[0].split(b",")
    latest = max(first, key=int)
    assert len(latest) == len(b"%d" % stamp)
    return snapshot[:-8].replace(latest, b"%d" % stamp) + bytes(8)


def test_the_whole_snapshot_is_taken_in(target: Target, snapshot: bytes) -> None:
    before = target.node.transfers()[1]
    with take(target, snapshot_stream(snapshot)):
        wait_until(partial(has_key, target.node, "snap:k"), "the snapshot to be merged")
    assert target.node.transfers()[1] == before + 1
    assert target.node.ask("SCARD", "snap:s").text == b"2"
    assert target.node.ask("SISMEMBER", "fuzzed", "a").text == b"1", "own data stays"


def has_key(node: Node, key: str) -> bool:
    """Is there such a key?"""
    return node.ask("EXISTS", key).text == b"1"
