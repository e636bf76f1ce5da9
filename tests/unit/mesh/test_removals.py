"""Removals that wait are forgotten as soon as, and not before, all they waited for is here."""

from __future__ import annotations

import time
import uuid

from mesh.dots import Stream, Streams, row_of, unpack_row
from mesh.removals import KEY, MEMBER, Pending, Removals


def streams_of(count: int) -> tuple[Streams, list[Stream]]:
    """The own stream and `count` others."""
    streams = Streams(uuid.UUID(int=1).bytes)
    return streams, [streams.of(uuid.UUID(int=2 + number).bytes) for number in range(count)]


def pending(stamp: int, *row: int) -> Pending:
    """A removal of the second stream whose writer had seen this of each."""
    return Pending(stamp, 1, row_of(list(row)), [(KEY, b"")])


def test_a_removal_waits_for_every_stream_it_names() -> None:
    streams, (first, second) = streams_of(2)
    removals = Removals(streams)
    removals.add(0, b"k", pending(9, 0, 5, 7))
    first.seen = 5
    removals.settle()
    assert removals.count == 1 and removals.touches(0, b"k")
    second.seen = 6
    removals.settle()
    assert removals.drops(0, b"k", [(MEMBER, b"m")], 7, 2), "the seventh is still to come"
    second.seen = 7
    removals.settle()
    assert removals.count == 0 and not removals.touches(0, b"k")
    assert removals.by_key == {}


def test_of_many_only_those_that_are_past_go() -> None:
    streams, (first, _) = streams_of(2)
    removals = Removals(streams)
    for stamp in (30, 10, 20):
        removals.add(0, b"k", pending(99, 0, stamp, 0))
        removals.add_flush(3, pending(99, 0, stamp, 0))
    first.seen = 20
    removals.settle()
    assert removals.count == 2
    assert [len(each) for each in (removals.by_key[0, b"k"], removals.flushes[3])] == [1, 1]
    first.seen = 30
    removals.settle()
    assert removals.count == 0 and not removals.by_key and not removals.flushes


def test_what_waits_for_nothing_goes_at_once() -> None:
    streams, (first, _) = streams_of(2)
    first.seen = 50
    removals = Removals(streams)
    removals.add(0, b"k", pending(99, 0, 50, 0))
    removals.settle()
    assert removals.count == 0


def test_frames_cost_no_more_when_thousands_wait() -> None:
    """A link of three nodes is cut: as many frames come as removals wait, not their product."""
    count = 3_000
    streams, (first, second) = streams_of(2)
    removals = Removals(streams)
    for stamp in range(1, count + 1):
        removals.add(0, b"%d" % stamp, pending(stamp, 0, 0, stamp))
    began_s = time.process_time()
    for stamp in range(1, count + 1):
        first.seen = stamp
        removals.settle()
    assert time.process_time() - began_s < 1.0, "some milliseconds if nothing is looked at"
    assert removals.count == count
    second.seen = count // 2
    removals.settle()
    assert removals.count == count // 2


def test_what_is_said_of_the_own_stream_goes_with_it_when_that_gets_a_number() -> None:
    own = Pending(50, 0, row_of([7, 8]), [(KEY, b"")])
    own.renumber(3)
    assert own.origin == 3 and unpack_row(own.row) == [0, 8, 0, 7]
    other = pending(50, 7, 8, 9, 10, 11)
    other.renumber(3)
    assert other.origin == 1 and unpack_row(other.row) == [0, 8, 9, 7, 11]
