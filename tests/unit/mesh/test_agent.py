"""The agent's decisions that need no socket."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import conf
from mesh.agent import Agent
from mesh.clock import HybridClock
from mesh.dots import Streams, pack_marks, row_of
from mesh.forget_task import BESIDE_PLACES, FORGET_PAUSE_S, FORGET_PLACES, GATHER_HEARTBEATS
from mesh.link import Link
from mesh.merge.resolver import StampResolver
from mesh.removals import KEY, Pending
from node.commands.table import load
from node.engine import Engine
from node.store.writer import BeforeChange


def agent(folder: Path) -> Agent:
    """One of an active node, not started."""
    load()
    config = conf.load(["--active-replica", "yes", "--databases", "1"]).config
    streams = Streams(b"\x01" * 16)
    resolver = StampResolver(streams)
    engine = Engine(config, HybridClock(), resolver)
    return Agent(config, engine, resolver, streams, str(folder))


def test_a_link_asks_for_nothing_while_a_snapshot_is_taken_in(tmp_path: Path) -> None:
    """Not even the link that brought it: it may be lost and come back before the switch."""
    found = agent(tmp_path)
    found.member.activate()
    link, other = (Link(found, "127.0.0.1", port, True) for port in (1, 2))
    assert found.may_resume(link) and found.may_resume(other)
    found.member.stage()
    found.staging_began(link)
    assert not found.may_resume(link) and not found.may_resume(other)
    assert found.may_read(link) and not found.may_read(other)
    found.member.abandon()
    found.staging_ended()
    assert found.may_resume(link) and found.may_resume(other)


def test_the_status_counts_removals_that_wait(tmp_path: Path) -> None:
    found = agent(tmp_path)
    found.member.activate()
    assert found.status().tombstones == 0
    found.member.memory.removals.add(0, b"k", Pending(50, 0, row_of([7, 8]), [(KEY, b"")]))
    assert found.status().tombstones == 1


def test_forgetting_rests_between_two_slices_only_while_there_is_other_work(tmp_path: Path) -> None:
    found = agent(tmp_path)
    found.forgetting.pause_s()
    assert found.forgetting.pause_s() == 0.0
    found.engine.processed += 1  # a client's command
    assert found.forgetting.pause_s() == FORGET_PAUSE_S
    assert found.forgetting.pause_s() == 0.0
    found.engine.clock.next()  # a write, or a peer's frame
    assert found.forgetting.pause_s() == FORGET_PAUSE_S


def test_slices_beside_a_walk_are_as_long_as_its_own_while_there_is_no_other_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = agent(tmp_path)
    timers: list[Callable[[], None]] = []
    slices: list[int] = []
    monkeypatch.setattr(found, "call_later", lambda _delay_s, call: timers.append(call))
    monkeypatch.setattr(found.member, "forget_step", slices.append)  # None: there is more to do
    found.engine.processed += 1
    found.forgetting.begin()
    timers.pop()()
    timers.pop()()
    found.engine.writer.walk = BeforeChange()
    timers.pop()()
    timers.pop()()
    found.engine.processed += 1
    timers.pop()()
    timers.pop()()
    few, many = FORGET_PLACES, BESIDE_PLACES
    assert slices == [few, few, few, many, many, many, few]


def test_what_peers_report_is_looked_at_soon_and_once_for_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else who reports just behind our heartbeat would be heard with the next one only."""
    found = agent(tmp_path)
    found.member.activate()
    timers: list[tuple[float, Callable[[], None]]] = []
    monkeypatch.setattr(found, "call_later", lambda delay_s, call: timers.append((delay_s, call)))
    found.forgetting.pause_s()
    found.engine.clock.next()
    found.after_frames()
    assert not timers  # nobody has reported
    peer = found.streams.of(b"\x02" * 16)
    peer.member = b"peer"
    found.member.stability.reported(peer, pack_marks({peer.uuid: 1}), [])
    found.after_frames()
    found.after_frames()
    assert [delay_s for delay_s, _ in timers] == [GATHER_HEARTBEATS * found.heartbeat_s]
    monkeypatch.setattr(found.member.stability, "advance", lambda: True)
    monkeypatch.setattr(found.member, "forget_step", lambda budget: False)  # there is more to do
    timers.pop()[1]()
    assert [delay_s for delay_s, _ in timers] == [FORGET_PAUSE_S]


def test_what_peers_report_while_a_snapshot_is_taken_in_moves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = agent(tmp_path)
    found.member.activate()
    monkeypatch.setattr(found.member.stability, "advance", lambda: True)
    assert found.member.advance()
    found.member.stage()
    assert not found.member.advance()
    found.member.abandon()
    assert found.member.advance()


def test_what_the_disk_has_is_said_soon_where_nobody_writes_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it is said with the next heartbeat, and looked at by peers with theirs."""
    found = agent(tmp_path)
    timers: list[tuple[float, Callable[[], None]]] = []
    monkeypatch.setattr(found, "call_later", lambda delay_s, call: timers.append((delay_s, call)))
    monkeypatch.setattr(found.forgetting, "begin", lambda: None)
    found.engine.wake(1_700_000_000.0)
    found.member.activate()
    while not found.member.activation_step(100):
        pass
    own, stability = found.streams.own, found.member.stability
    stability.members = lambda: frozenset([found.member.member_id])
    stability.may_say = lambda: True
    disk: dict[bytes, int] = {}
    found.held_on_disk = lambda: disk
    session = found.engine.session()

    def write() -> int:
        found.engine.execute(session, 0, [b"SADD", b"s", b"a"], b"", 0, 0)
        return int(own.seen)

    def waits() -> bool:
        """Fires the timer, if there is one; is there another then?"""
        for delay_s, call in timers.copy():
            assert delay_s == GATHER_HEARTBEATS * found.heartbeat_s
            del timers[0]
            call()
        return bool(timers)

    found.log_moved()
    assert not waits()
    written = write()
    found.member.heartbeat()
    found.log_moved()  # it is not on the disk yet
    assert not waits() and stability.said.get(own.uuid, 0) < written
    disk[own.uuid] = int(own.seen)
    found.log_moved()
    found.log_moved()
    write()
    assert waits() and stability.said.get(own.uuid, 0) < written  # somebody writes
    assert not waits() and stability.said[own.uuid] >= written
    said = int(own.seen)
    disk[own.uuid] = said
    found.log_moved()
    assert not waits() and own.seen == said  # there is nothing to be told any more
