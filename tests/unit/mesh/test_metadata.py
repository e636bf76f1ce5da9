"""What a file carries for the mesh: streams, vector, rows and waiting removals come back."""

from __future__ import annotations

import json

import pytest

from mesh.dots import Streams, unpack_row
from mesh.merge.rule import Memory
from mesh.metadata import HEAD, Incoming, head_field, take_removals
from mesh.removals import KEY, MEMBER, Pending
from tests.support.simnode import SimNode
from tests.support.simulation import World

OWN, PEER, THIRD = (bytes([number]) * 16 for number in (1, 2, 3))


def memory() -> Memory:
    """Three streams: the own one, one that has seen the third, the third."""
    streams = Streams(OWN)
    streams.own.seen = 10
    streams.own.member = b"a" * 32
    peer, third = streams.of(PEER), streams.of(THIRD)
    peer.seen, third.seen = 20, 30
    streams.join_row(peer, {OWN: 9, THIRD: 28})
    found = Memory(streams)
    row = bytes(peer.row)
    found.removals.add(2, b"s", Pending(20, 1, row, [(MEMBER, b"x"), (MEMBER, b"\xff")]))
    found.removals.add_flush(0, Pending(21, 2, row, [(KEY, b"")]))
    return found


def read(data: bytes, own: bytes = b"\x09" * 16) -> Incoming:
    """By another process, which numbers streams its own way."""
    streams = Streams(own)
    streams.of(THIRD)
    incoming = Incoming(streams)
    incoming.head(data)
    return incoming


def test_the_head_says_who_wrote_what_and_had_seen_what() -> None:
    incoming = read(head_field(memory(), b"a" * 32, {PEER: 5, THIRD: 6}))
    assert incoming.member_id == b"a" * 32
    assert incoming.vector == {OWN: 10, PEER: 20, THIRD: 30}
    assert incoming.rows == {OWN: {PEER: 5, THIRD: 6}, PEER: {OWN: 9, THIRD: 28}, THIRD: {}}
    assert incoming.members == {OWN: b"a" * 32, PEER: b"", THIRD: b""}
    assert incoming.origins == [2, 3, 1], "the file's numbers in ours"


def test_waiting_removals_come_in_the_readers_numbers() -> None:
    incoming = read(head_field(memory(), b"a" * 32, {}))
    (db, key, one), (flushed, nothing, all_) = incoming.removals
    assert (db, key, int(one.stamp), int(one.origin)) == (2, b"s", 20, 3)
    assert one.scopes == [(MEMBER, b"x"), (MEMBER, b"\xff")]
    assert unpack_row(one.row)[:4] == [0, 28, 9, 0]
    assert one.covers(28, 1) and not one.covers(29, 1) and one.covers(9, 2)
    assert (flushed, nothing, int(all_.stamp)) == (0, None, 21)
    there = Memory(incoming.streams)
    take_removals(there, incoming)
    assert there.removals.count == 2
    assert there.removals.touches(2, b"s") and there.removals.touches(0, b"anything")
    assert not there.removals.touches(1, b"s")


@pytest.mark.parametrize("part", ["member", "streams", "vector", "members", "rows", "removals"])
def test_a_head_without_one_of_its_parts_is_refused(part: str) -> None:
    fields = json.loads(head_field(memory(), b"a" * 32, {}))
    del fields[part]
    with pytest.raises((ValueError, KeyError)):
        read(json.dumps(fields).encode())


def node() -> SimNode:
    """One that has a peer's data too."""
    world = World(1, nodes=2)
    first, second = world.nodes
    first("SET", "k", "v")
    first("SADD", "s", "x")
    second("DEL", "k")
    second("HINCRBY", "h", "f", "3")
    world.settle()
    return first


def test_a_save_that_is_loaded_has_the_same_vector_rows_and_data() -> None:
    found = node()
    vector, shown, hidden = found.member.vector(), found.shown(), found.hidden()
    rows = {each.uuid: found.streams.row_marks(each) for each in found.streams.all}
    own = found.streams.own.uuid
    rows[own] = found.member.backlog.marked()
    found.save()
    found.boot(found.saves[-1])
    assert found.member.vector() == vector
    assert found.shown() == shown and found.hidden() == hidden
    for uuid, row in rows.items():
        stream = found.streams.known(uuid)
        assert stream is not None and found.streams.row_marks(stream) == row
    assert found.streams.own.uuid != own and found.streams.own.seen == 0


def test_a_node_that_is_not_active_reads_the_data_and_nothing_else() -> None:
    found = node()
    found.save()
    shown = found.shown()
    found.boot(found.saves[-1], active=False)
    assert found.shown() == shown
    assert found.member.vector() == {} and found.hidden() == 0
    assert found.member.metadata.undotted_keys == len(shown)
    found.save()
    assert HEAD not in found.saves[-1]


def test_a_file_written_alone_has_stamps_and_joins_later() -> None:
    world = World(1, nodes=0)
    found = world.add("alone", active=False)
    found("SET", "k", "v")
    stamp = int(found.engine.clock.last)
    found.save()
    found.boot(found.saves[-1])
    assert found.engine.clock.last >= stamp
    assert found.member.metadata.undotted_keys == 1
    found.activate()
    assert found.streams.own.seen > stamp
