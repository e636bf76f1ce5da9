"""The agent's decisions that need no socket."""

from __future__ import annotations

from pathlib import Path

import conf
from mesh.agent import Agent
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
