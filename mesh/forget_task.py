"""Forgetting: when a node forgets what has become stable, by the agent's timers.

Behind each heartbeat, and soon after a peer has said that its disk has more: who says so just
behind our heartbeat is not left to the next one. Where nobody writes any more it is said as soon as
all is on the disk, or two heartbeats could go by until all know. In slices, between which clients
and peers have the processor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from node.gates import IS_FENCED

if TYPE_CHECKING:
    from mesh.agent import Agent

# Places looked at in one slice, about half a millisecond, and the pause after it.
FORGET_PLACES: Final = 500
FORGET_PAUSE_S: Final = 0.002
# Places in a slice beside a walk over the data, where clients and peers asked for nothing since the
# last one: as long as the walk's own step, which has every second turn of the loop.
BESIDE_PLACES: Final = 16 * FORGET_PLACES
# Nothing can be forgotten before a walk over the data has gone on: it has the loop's turns.
HALT_PAUSE_S: Final = 0.01
# How long what peers say is gathered, in heartbeats: their reports come at any time, each of many
# members' once a heartbeat, and to find what all of them hold takes all their rows.
GATHER_HEARTBEATS: Final = 0.1


class Forgetting:
    """When slices of forgetting are done, on one node."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self._gathers = False  # reports that have come are to be looked at
        self._waits_to_tell = False  # what is on the disk is to be said once nobody writes
        self._newest = 0  # the newest stamp when that was asked last
        self._runs = False
        self._is_quiet = False
        self._done_before = 0, 0  # commands, and the newest stamp, when a slice was done last

    def heard(self) -> None:
        """Frames of a peer were applied: where they said what is on disks, the stable cut may move
        soon."""
        agent = self.agent
        if not self._gathers and agent.member.stability.is_told_more:
            self._gathers = True
            agent.call_later(agent.heartbeat_s * GATHER_HEARTBEATS, self._advance)

    def _advance(self) -> None:
        self._gathers = False
        if not self.agent.stopped and self.agent.member.advance():
            self.begin()

    def held_more(self) -> None:
        """More is on the disk here."""
        agent = self.agent
        member = agent.member
        if self._waits_to_tell or not member.started or not member.forgetter.epochs:
            return
        self._waits_to_tell = True
        self._newest = int(agent.engine.clock.last)
        agent.call_later(agent.heartbeat_s * GATHER_HEARTBEATS, self._tell)

    def _tell(self) -> None:
        """Says what the disk has, once nobody has written for a while: as long as somebody does
        each heartbeat says it, with what has come since."""
        self._waits_to_tell = False
        agent = self.agent
        if agent.stopped or agent.engine.closed & IS_FENCED:
            return
        if int(agent.engine.clock.last) != self._newest:
            self.held_more()
        elif agent.member.tell_held():
            self.begin()

    def begin(self) -> None:
        """Forgets what is stable now, from the next slice on."""
        if not self._runs:
            self._runs = True
            self._is_quiet = False
            self._slice()

    def _slice(self) -> None:
        """A slice, and when the next one is due."""
        agent = self.agent
        beside = self._is_quiet and agent.engine.writer.walk is not None
        if agent.stopped or agent.member.forget_step(BESIDE_PLACES if beside else FORGET_PLACES):
            self._runs = False
        else:
            agent.call_later(self.pause_s(), self._slice)

    def pause_s(self) -> float:
        """How long clients and peers have the processor between two slices: none where they asked
        for nothing since the last one."""
        engine = self.agent.engine
        done = int(engine.processed), int(engine.clock.last)
        self._is_quiet = done == self._done_before
        self._done_before = done
        if self.agent.member.forgetter.beside.halted:
            return HALT_PAUSE_S
        return 0.0 if self._is_quiet else FORGET_PAUSE_S
