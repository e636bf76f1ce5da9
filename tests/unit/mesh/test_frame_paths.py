"""The quick ways to read a frame and its command say what the careful ones say, or leave it."""

from __future__ import annotations

import random

import pytest

from mesh.backlog import Backlog, Follower
from mesh.dots import Streams, uuid_text
from mesh.rreplay import FrameError, FrameReader, Inner, control, frame_bytes
from node.journal import Commit
from node.resp.client import command
from node.store.effect import CREATION, NEWEST_WINS, PUT, Effect

STREAMS = Streams(bytes(range(16)))
UUID = b"b1c3f0ef-eb0e-4587-acb1-85aebfe087bb"
STAMP = 1_850_000_000_000_000_123
USUAL = frame_bytes(UUID, command(b"SET", b"key", b"v"), 0, STAMP, STAMP - 9, b"", b"")
COMMANDS = (
    (b"SET", b"key", b"value"),
    (b"set", b"key", b"value"),
    (b"SET", b"key", b"value", b"PXAT", b"1700000000000"),
    (b"SADD", b"key", b"a", b"b"),
    (b"HSET", b"key", b"f", b"v", b"g", b"w"),
    (b"INCR", b"key"),
    (b"INCRBY", b"key", b"-12"),
    (b"INCRBY", b"key", b"9223372036854775807"),
    (b"DEL", b"key"),
    (b"PING",),
)


def seen(reader: FrameReader) -> tuple[object, ...]:
    """What a reader says of the frame it has read."""
    frame = reader.frame
    return (
        frame.uuid_text, frame.inner_start, frame.inner_end, frame.db, frame.stamp,
        frame.previous, frame.marks, frame.flags, frame.start, frame.end, reader.pos,
    )  # fmt: skip


def carefully(data: bytes, at: int = 0) -> object:
    """What the careful way says: the frame, that more is needed, or why it is none."""
    reader = FrameReader()
    reader.open(data, at)
    try:
        return seen(reader) if reader.careful() else "more"
    except FrameError as error:
        return str(error)


@pytest.mark.parametrize("size", [10, 14, 99, 100, 999, 1000, 20000])
@pytest.mark.parametrize("flags", [b"", b"c", b"cn", b"c,c"])
@pytest.mark.parametrize("db", [0, 9, 10])
@pytest.mark.parametrize("stamp", [20, 10**18 - 1, STAMP, 2**62 + 7, 9_223_372_036_854_775_789])
def test_both_ways_read_the_same(size: int, flags: bytes, db: int, stamp: int) -> None:
    for marks in (b"", bytes(24)):
        data = frame_bytes(UUID, b"x" * size, db, stamp, stamp - 10, marks, flags)
        reader = FrameReader()
        reader.open(data, 0)
        usual = size < 1000 and len(flags) < 2 and not marks and db < 10
        assert reader.quick(data, 0) == (usual and 10**18 < stamp < 2**62)
        reader.open(data, 0)
        assert reader.next()
        assert seen(reader) == carefully(data)


def test_frames_in_a_row_are_read_by_what_the_last_one_said() -> None:
    rng = random.Random(7)
    stamp = STAMP
    parts: list[bytes] = []
    for number in range(300):
        previous = stamp if number % 7 else stamp - 3
        stamp += rng.choice((1, 2, 10**5, 10**8, 3 * 10**11))
        uuid = UUID if number % 5 else uuid_text(bytes([number % 256]) * 16)
        parts.append(frame_bytes(uuid, b"y" * rng.randrange(10, 300), 0, stamp, previous, b"",
                                 rng.choice((b"", b"c"))))  # fmt: skip
    data = b"".join(parts)
    reader = FrameReader()
    reader.usual.expect(UUID)
    reader.open(data, 0)
    for _ in parts:
        at = reader.pos
        assert reader.quick(data, at)
        assert seen(reader) == carefully(data, at)
        assert (reader.frame.uuid_text is reader.usual.known) == (reader.frame.uuid_text == UUID)


def test_a_changed_byte_is_never_read_otherwise() -> None:
    for at in range(len(USUAL)):
        for other in (0, 10, 13, 36, 48, 49, 57, 58, 97, 255):
            data = USUAL[:at] + bytes([other]) + USUAL[at + 1 :]
            reader = FrameReader()
            reader.open(data, 0)
            if reader.quick(data, 0):
                assert seen(reader) == carefully(data), (at, other)
            else:
                assert reader.pos == 0


def test_a_cut_frame_is_left_to_the_careful_way() -> None:
    reader = FrameReader()
    for size in range(len(USUAL)):
        reader.open(USUAL[:size], 0)
        assert not reader.quick(USUAL[:size], 0)


def test_a_stamp_after_one_that_was_refused_is_read_afresh() -> None:
    broken = frame_bytes(UUID, b"x" * 20, 0, STAMP + 5 * 10**9, 10**18, b"", b"")
    broken = broken.replace(b"1000000000000000000", b"100000000000000000x")
    good = frame_bytes(UUID, b"x" * 20, 0, STAMP + 1, STAMP, b"", b"")
    reader = FrameReader()
    for data, fine in ((USUAL, True), (broken, False), (good, True)):
        reader.open(data, 0)
        assert reader.quick(data, 0) == fine
    assert reader.frame.stamp == STAMP + 1


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize("flags", [b"", b"c", b"n"])
def test_an_effect_made_without_the_name_is_the_same(
    words: tuple[bytes, ...], flags: bytes
) -> None:
    data = frame_bytes(UUID, command(*words), 3, STAMP, STAMP - 1, b"", flags)
    reader = FrameReader()
    reader.open(data, 0)
    assert reader.next()
    effects = Inner(STREAMS).read(data, reader.frame, 2, 16)
    inner = Inner(STREAMS)
    one = inner.one(data, reader.frame, 2, 16)
    plain = words[0].upper() in (b"SET", b"SADD", b"HSET", b"INCR", b"INCRBY")
    if plain and len(words) != 5 and flags != b"n" and words[-1] != b"9223372036854775807":
        assert one is not None
    if one is not None:
        assert told(one) == told(effects[0])
    assert [told(each) for each in inner.read(data, reader.frame, 2, 16)] == [
        told(each) for each in effects
    ], "the quick way leaves nothing behind"


def told(effect: Effect) -> tuple[object, ...]:
    """All that an effect says."""
    value = effect.value[1:] if isinstance(effect.value, list) else effect.value
    return (
        effect.op, effect.db, effect.key, value, effect.number, effect.stamp, effect.origin,
        effect.index, effect.flags,
    )  # fmt: skip


def test_a_unit_and_a_database_out_of_range_are_left_to_the_careful_way() -> None:
    unit = control([b"MULTI"]) + command(b"SET", b"k", b"v") + control([b"EXEC"])
    for inner, databases in ((unit, 16), (command(b"SET", b"k", b"v") * 2, 16),
                             (command(b"SET", b"k", b"v"), 3), (b"SET k v\r\n", 16)):  # fmt: skip
        data = frame_bytes(UUID, inner, 3, STAMP, STAMP - 1, b"", b"")
        reader = FrameReader()
        reader.open(data, 0)
        assert reader.next()
        assert Inner(STREAMS).one(data, reader.frame, 2, databases) is None


class Captured(Follower):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.data = b""

    def send(self, data: bytes, last: int) -> None:
        self.data += data


def test_frames_written_from_clients_bytes_are_those_spelled_out() -> None:
    backlog = Backlog(STREAMS, 1 << 20)
    follower = Captured()
    backlog.followers.append(follower)
    rng = random.Random(3)
    stamp = STAMP
    spelled = b""
    previous = 0
    for number in range(200):
        stamp += rng.choice((1, 2, 10**5, 10**8))
        before, after = rng.choice(((b"", b""), (b"*1\r\n$4\r\nPING\r\n", b"*1")))
        words = command(b"SET", b"k%d" % number, b"v" * rng.choice((1, 5, 60, 95, 2000)))
        if number % 11 == 0:
            backlog.heartbeat(stamp)
            inner = control([b"PING"])
            flags = b""
        else:
            commit = Commit()
            effect = Effect(PUT, number // 50, b"k", b"v", 0, stamp, 0, 0)
            effect.flags = rng.choice((0, 0, CREATION, NEWEST_WINS))
            flags = {0: b"", CREATION: b"c", NEWEST_WINS: b"n"}[int(effect.flags)]
            commit.first = effect
            commit.count = 1
            commit.stamp = stamp
            commit.data = before + words + after
            commit.start = len(before)
            commit.end = len(before) + len(words)
            inner = words
            backlog.read(commit)
        db = 0 if number % 11 == 0 else number // 50
        spelled += frame_bytes(uuid_text(bytes(range(16))), inner, db, stamp, previous, b"", flags)
        previous = stamp
        if rng.random() < 0.2:
            backlog.flush()
            assert follower.data == spelled
    backlog.flush()
    assert follower.data == spelled
    assert b"".join(chunk.data for chunk in backlog.chunks) == spelled


def test_digits_of_a_stamp_are_looked_at_in_the_first_frame_too() -> None:
    for filler in (b"\0", b"\xff"):
        digits = b"%d" % STAMP
        data = USUAL.replace(digits, filler * 11 + digits[11:])
        reader = FrameReader()
        reader.open(data, 0)
        assert not reader.quick(data, 0)
