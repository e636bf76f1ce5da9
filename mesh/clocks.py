"""Clocks: asks peers for their time, and lets ClockGuard decide; the part of it with links.

Each link asks once a heartbeat (mesh/clock_guard.py has the words), the handshake asks before
anything else is taken. What is measured goes to the conflicts, which tell whether skew decided one,
and to INFO and MESH STATUS.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from mesh.clock_guard import ClockGuard, SkewMeter, answer, answer_at
from mesh.handshake import Handshake
from node.gates import IS_FENCED

if TYPE_CHECKING:
    from mesh.agent import Agent
    from mesh.link import Link

LOG = structlog.get_logger()


class Clocks:
    """One node's look at the clocks of its mesh; one object per agent."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.guard = ClockGuard(0.0, 0.0)
        self.guard.tell = tell
        self.configure()

    def configure(self) -> None:
        """Reads the limits."""
        config = self.agent.config
        self.guard.alarm_ms = float(config.number("mesh-clock-guard-ms"))
        self.guard.refuse_ms = float(config.number("mesh-clock-refuse-ms"))

    # --- links ----------------------------------------------------------------------------------

    def watch(self, handshake: Handshake, meter: SkewMeter) -> None:
        """The handshake compares the clocks before it asks for anything."""
        meter.reset()
        handshake.now_us = self.agent.now_us
        handshake.judge = partial(self._told, meter)

    def _told(self, meter: SkewMeter, member: bytes, asked_us: int, peer_us: int) -> str:
        """A peer has told its time. Why it cannot be followed, or ""."""
        if not meter.sample(asked_us, peer_us, self.agent.now_us()):
            return ""
        skew_ms = meter.skew_ms
        assert skew_ms is not None
        return self.measured(member, skew_ms, meter.error_ms)

    def answered(self, link: Link, data: bytes, start: int) -> int | None:
        """Takes the answer that begins at `start`; where it ends, 0: more bytes are needed. None
        where something else stands there."""
        found = answer_at(data, start)
        if found is None:
            return None
        asked_us, peer_us, end = found
        if end:
            refusal = self._told(link.meter, link.peer_member, asked_us, peer_us)
            if refusal:
                link.refuse(refusal)
        return end

    def answer(self, asked: bytes) -> bytes:
        """What a follower that asks is told."""
        return answer(asked, self.agent.now_us())

    def measured(self, member: bytes, skew_ms: float, error_ms: float = 0.0) -> str:
        """A member's clock was measured. Why it cannot be followed, or ""."""
        refusal = self.guard.measured(member, skew_ms, self.agent.loop_s(), error_ms)
        self.agent.member.memory.conflicts.skews_ms[member] = skew_ms
        self.settle()
        return refusal

    def stamp(self, stamp: int) -> str:
        """Why a peer's stamp is refused; "" where it is fine."""
        return self.guard.frame(float((stamp >> 20) - int(self.agent.engine.clock.now_ms)))

    # --- this node ------------------------------------------------------------------------------

    def settle(self) -> bool:
        """Once a heartbeat: may clients write? Opens or closes the gate."""
        agent = self.agent
        self._forget_who_left()
        wall_ms = self.agent.now_us() / 1000.0
        hybrid_ms = float(int(agent.engine.clock.last) >> 20)
        is_right = self.guard.settle(wall_ms, hybrid_ms, agent.loop_s())
        if is_right:
            agent.engine.closed &= ~IS_FENCED
        else:
            agent.engine.closed |= IS_FENCED
        return is_right

    def _forget_who_left(self) -> None:
        """Members that left or were expelled say nothing about our clock."""
        membership = self.agent.member.membership
        for member in self.guard.skews_ms:
            if membership.refusal(member):
                self.guard.forget(member)
                self.agent.member.memory.conflicts.skews_ms.pop(member, None)

    def info(self) -> list[tuple[str, object]]:
        """INFO replication's fields about clocks."""
        guard = self.guard
        worst_ms = guard.worst_ms
        ahead_ms = (int(self.agent.engine.clock.last) >> 20) - self.agent.now_ms()
        return [
            ("mesh_clock_skew_ms", 0 if worst_ms is None else round(worst_ms, 3)),
            ("mesh_clock_stamps_ahead_ms", max(0, ahead_ms)),
            ("mesh_clock_alarm", 1 if guard.alarm else 0),
            ("mesh_clock_alarms", guard.alarms),
            ("mesh_clock_refusals", guard.refusals),
            ("mesh_clock_fenced", 1 if guard.fenced else 0),
            ("mesh_clock_fenced_reason", guard.fenced),
        ]


def tell(event: str, reason: str) -> None:
    """The log."""
    if event == "clock_right":
        LOG.info(event, reason=reason)
    else:
        LOG.warning(event, reason=reason)
