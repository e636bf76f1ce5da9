"""The agent's decisions that need no socket."""

from __future__ import annotations

from pathlib import Path

import conf
from mesh.agent import FORGET_PAUSE_S, Agent
from mesh.clock import HybridClock
from mesh.dots import Streams, row_of
from mesh.link import Link
from mesh.merge.resolver import StampResolver
from mesh.removals import KEY, Pending
from node.commands.table import load
from node.engine import Engine


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
    found.forget_pause_s()
    assert found.forget_pause_s() == 0.0
    found.engine.processed += 1  # a client's command
    assert found.forget_pause_s() == FORGET_PAUSE_S
    assert found.forget_pause_s() == 0.0
    found.engine.clock.next()  # a write, or a peer's frame
    assert found.forget_pause_s() == FORGET_PAUSE_S
