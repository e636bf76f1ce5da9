"""Stability: reports, the cut, ended streams, what a head carries; the list of earlier streams."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.dots import Stream, Streams, pack_marks, unpack_marks
from mesh.holding import MEMORY
from mesh.identity import IdentityError, earlier_streams
from mesh.merge.rule import Memory
from mesh.said import Said
from mesh.stability import Stability
from mesh.vectors import covers, join, least

A, B, OLD = b"a" * 16, b"b" * 16, b"o" * 16


def member() -> tuple[Stability, Stream]:
    """Member `one` of two; the other's stream is B."""
    memory = Memory(Streams(A))
    stability = Stability(memory, b"one")
    stability.active = True
    stability.members = lambda: frozenset({b"one", b"two"})
    stability.held = lambda: {A: 10, B: 20}
    peer = memory.streams.of(B)
    peer.member = b"two"
    peer.seen = peer.wrote = 30
    memory.streams.own.seen = memory.streams.own.wrote = 10
    memory.streams.own.member = b"one"
    return stability, peer


def test_vectors_are_joined_met_and_compared_by_stream() -> None:
    assert join({A: 1, B: 5}, {B: 3, OLD: 2}) == {A: 1, B: 5, OLD: 2}
    assert least([{A: 4, B: 5}, {A: 7}]) == {A: 4}
    assert covers({A: 4}, {A: 3, OLD: 9}, {OLD: 0})
    assert not covers({A: 4}, {A: 5}, {})


def test_the_cut_is_the_least_that_all_hold() -> None:
    stability, peer = member()
    assert not stability.advance()
    assert stability.laggard() in (b"one", b"two")
    stability.reported(peer, pack_marks({A: 7, B: 25}), [])
    assert stability.advance()
    assert stability.cut == {A: 7, B: 20}
    assert stability.memory.cut.before == 7
    assert stability.laggard() == b"two"
    stability.members = lambda: frozenset({b"one"})
    assert stability.advance()
    assert stability.cut == {A: 10, B: 20}


def test_an_ended_stream_holds_the_cut_s_stamp_down_until_all_of_it_is_stable() -> None:
    # What counts up to that stamp folds; the last of what the ended one wrote would come too late.
    stability, peer = member()
    older = stability.streams.of(OLD)
    older.member = b"two"
    older.seen = older.wrote = 9
    stability.held = lambda: {A: 10, B: 20, OLD: 9}
    stability.ended({OLD: 9})
    stability.reported(peer, pack_marks({A: 10, B: 25, OLD: 5}), [])
    assert stability.advance()
    assert stability.memory.cut.before == 5
    assert stability.laggard() == b"two"
    stability.reported(peer, pack_marks({OLD: 9}), [])
    assert stability.advance()
    assert stability.memory.cut.before == 10


def test_what_is_settled_goes_on_where_nothing_more_was_written() -> None:
    stability, peer = member()
    own = stability.streams.own
    own.wrote, peer.wrote = 4, 17
    own.seen, peer.seen = 40, 30
    stability.held = lambda: {A: 7, B: 20}
    stability.reported(peer, pack_marks({A: 9, B: 18}), [])
    assert stability.advance()
    # All writes of both are in it: none is older than what the oldest of all disks knows of any.
    assert (stability.cut, stability.memory.cut.before) == ({A: 7, B: 18}, 18)
    assert stability.memory.cut.newest == 18
    peer.wrote = 19
    own.wrote = 8
    stability.held = lambda: {A: 9, B: 18}
    assert stability.advance()
    assert (stability.cut, stability.memory.cut.before) == ({A: 9, B: 18}, 18)
    own.wrote = 41
    stability.held = lambda: {A: 9, B: 30}
    stability.reported(peer, pack_marks({B: 30}), [])
    assert stability.advance()
    assert (stability.cut, stability.memory.cut.before) == ({A: 9, B: 30}, 9)


def test_what_is_settled_moves_with_what_is_heard_though_no_disk_does() -> None:
    stability, peer = member()
    third = stability.streams.of(OLD)
    third.seen, third.wrote = 5, 4
    stability.streams.own.seen = 40
    stability.held = lambda: {A: 10, B: 20, OLD: 5}
    stability.reported(peer, pack_marks({A: 10, B: 25, OLD: 4}), [])
    assert stability.advance()
    assert stability.memory.cut.before == 5  # more may come of the third stream
    moves = stability.memory.cut.moves
    third.seen = 15
    assert stability.advance()
    assert (stability.memory.cut.before, stability.memory.cut.moves) == (15, moves + 1)
    assert not stability.advance()
    assert stability.cut == {A: 10, B: 20, OLD: 4}


def test_a_report_counts_once_its_members_older_streams_are_here() -> None:
    stability, peer = member()
    older = stability.streams.of(OLD)
    older.member = b"two"
    stability.reported(peer, pack_marks({A: 7, OLD: 5}), [])
    assert not stability.advance()
    older.seen = 5
    assert stability.advance()


def test_frames_of_an_ended_process_come_from_its_closer_or_from_disk() -> None:
    stability, _ = member()
    stability.began(b"two", [OLD])
    older = stability.streams.of(OLD)
    assert older.closing
    assert stability.may_take(older, 9, b"two")
    assert not stability.may_take(older, 9, b"three")
    third = stability.streams.of(b"t" * 16)
    third.member = b"three"
    stability.reported(third, pack_marks({}), [pack_marks({OLD: 9})])
    assert stability.may_take(older, 9, b"three")
    assert not stability.may_take(older, 10, b"three")
    stability.ended({OLD: 9})
    assert stability.may_take(older, 9, b"four")
    assert not stability.may_take(older, 10, b"two")
    assert not older.lacks(9) or older.seen < 9


def test_what_a_head_says_is_read_back() -> None:
    stability, peer = member()
    stability.reported(peer, pack_marks({A: 7}), [])
    stability.advance()
    stability.began(b"two", [OLD])
    said = Said()
    said.read(stability.fields())  # type: ignore[arg-type]
    other = Stability(Memory(Streams(b"x" * 16)), b"one")
    other.active = True
    other.load(said)
    assert (other.cut, other.rows, other.closers) == ({A: 7}, stability.rows, {OLD: b"two"})
    assert other.started_with == {A: 10, B: 30}


def test_a_node_that_does_not_forget_says_nothing_and_refuses_nothing() -> None:
    stability, _ = member()
    stability.active = False
    said: list[list[bytes]] = []
    stability.announce = said.append
    stability.began(b"two", [OLD])
    assert not stability.report()
    assert not said
    assert not stability.streams.of(OLD).closing


def test_the_streams_of_earlier_processes_are_listed(tmp_path: Path) -> None:
    path = str(tmp_path / "plexis-member.id.streams")
    assert earlier_streams(path, A) == []
    assert earlier_streams(path, B) == [A]
    assert earlier_streams(path, OLD) == [A, B]
    Path(path).write_text("no hexadecimal\n")
    with pytest.raises(IdentityError, match="list of streams"):
        earlier_streams(path, A)


def test_streams_of_which_the_disk_lacks_something_are_counted() -> None:
    stability, _ = member()
    assert stability.not_held() == 1  # 20 of the peer's 30 are on the disk
    stability.held = lambda: {A: 10, B: 30}
    assert stability.not_held() == 0


def test_who_keeps_nothing_on_disk_holds_what_it_has_applied() -> None:
    stability, _ = member()
    said: list[list[bytes]] = []
    stability.announce = said.append
    stability.keeps = lambda: False
    stability.streams.of(B).seen = 30
    merging = False
    stability.merging = lambda: merging
    assert stability.report()
    assert unpack_marks(said[-1][1])[B] == 30 and said[-1][2:] == [b"", MEMORY]
    assert stability.on_disk() == {}
    merging = True
    stability.streams.of(B).seen = 40
    assert not stability.report()  # not what is still being merged
    merging = False
    assert stability.report() and unpack_marks(said[-1][1])[B] == 40
    stability.keeps = lambda: True
    assert stability.report()
    assert unpack_marks(said[-1][2])[B] == 20  # of what was said so much is on the disk


def test_nothing_is_said_that_the_next_process_would_not_know_of() -> None:
    stability, _ = member()
    asked: list[bool] = []

    def promise(memory: bool) -> bool:
        asked.append(memory)
        return False

    stability.promise = promise
    stability.keeps = lambda: False
    assert not stability.report() and stability.told is None
    stability.members = lambda: frozenset({b"one"})
    assert stability.report()  # nobody relies on what it says alone
    assert asked == [True]
    stability.meets()
    assert asked == [True, True]


def test_a_closer_takes_frames_from_everybody_others_from_a_disk() -> None:
    stability, peer = member()
    older = stability.streams.of(OLD)
    stability.close(OLD, b"one")
    assert stability.may_take(older, 9, b"two")
    stability.reported(peer, pack_marks({OLD: 9}), [b"", MEMORY])
    assert stability.may_take(older, 9, b"two")
    stability.close(OLD, b"three")
    assert not stability.may_take(older, 9, b"two")
    stability.reported(peer, pack_marks({OLD: 9}), [])
    assert stability.may_take(older, 9, b"two")
