"""How far the clocks of the mesh are apart, and what follows from it (semantics.md 2, "Clock
guard"); no sockets, no clock.

SkewMeter measures one peer by questions and answers over its link, as NTP does: the peer's time
lies between sending and receiving, and the quickest of the last answers knows best.

ClockGuard decides. A peer ahead by up to `alarm_ms` is nothing; above, its writes are still taken
(order must hold) and it is told once, and counted; above `refuse_ms` it is not followed, so nothing
that it stamps can make a key here unwritable. The node whose clock is that far ahead of most of its
peers closes its own gate for clients' writes, for no peer would take them: until its clock is right
and no stamp that it has given lies so far ahead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from node.resp.client import command

CLOCK: Final = b"mesh-clock"
DIGITS: Final = 16  # of a time in microseconds, with zeros in front: good until the year 2286
REPLY_HEAD: Final = b"*4\r\n$8\r\nREPLCONF\r\n$10\r\nMESH-CLOCK\r\n$16\r\n"
REPLY_BYTES: Final = len(REPLY_HEAD) + DIGITS + len(b"\r\n$16\r\n") + DIGITS + 2
# Answers that are remembered: with a heartbeat a second, a quick one among them is likely, and a
# clock that drifts by 50 ppm has moved by less than half a millisecond.
SAMPLES: Final = 8
# Two measures farther apart than their errors and this are a clock that was set meanwhile.
DRIFT_US: Final = 1000
# An answer that took longer says too little.
TRIP_MAX_US: Final = 10_000_000
# The own clock was set back where it has moved by more than this against the loop's within a
# heartbeat. Forward is no sign: so it looks as well when the machine has slept.
STEP_MS: Final = 100.0
# The peer's clock may be right by now. No number, so that the log tells it once for each link.
STAMPS_AHEAD: Final = (
    "the peer's newest stamps are farther ahead of our clock than mesh-clock-refuse-ms allows: its"
    " clock was, or still is; it is followed once they are past (mesh_clock_stamps_ahead_ms in its"
    " INFO replication)"
)
# A member that was not measured for so long says nothing about our clock any more.
MEASURE_KEPT_S: Final = 3600.0


def question(now_us: int) -> bytes:
    """REPLCONF MESH-CLOCK, which a follower sends among its ACKs: its time when it asked."""
    return command(b"REPLCONF", CLOCK.upper(), digits(now_us))


def answer(asked: bytes, now_us: int) -> bytes:
    """The answer among the frames: when it was asked, and the time here. b"" to nonsense."""
    if len(asked) != DIGITS or not asked.isdigit():
        return b""
    return REPLY_HEAD + asked + b"\r\n$16\r\n" + digits(now_us) + b"\r\n"


def answer_at(data: bytes, start: int) -> tuple[int, int, int] | None:
    """The answer that begins at `start`: when it was asked, the peer's time, and where it ends (0:
    more bytes are needed). None where something else stands there."""
    head = data[start : start + len(REPLY_HEAD)]
    if not REPLY_HEAD.startswith(head):
        return None
    if len(data) - start < REPLY_BYTES:
        return 0, 0, 0
    at = start + len(REPLY_HEAD)
    asked = data[at : at + DIGITS]
    told = data[start + REPLY_BYTES - DIGITS - 2 : start + REPLY_BYTES - 2]
    if not (asked.isdigit() and told.isdigit()):
        return None
    return int(asked), int(told), start + REPLY_BYTES


def digits(us: int) -> bytes:
    """A time in microseconds, always as long."""
    return b"%016d" % us


class SkewMeter:
    """One peer's clock against ours."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, int]] = deque(maxlen=SAMPLES)  # round trip, offset

    def sample(self, asked_us: int, peer_us: int, now_us: int) -> bool:
        """An answer has come; False where it is of no use (our clock was set, or we stood still,
        meanwhile)."""
        trip_us = now_us - asked_us
        if not 0 <= trip_us <= TRIP_MAX_US:
            return False
        offset_us = peer_us - (asked_us + now_us) // 2
        if self._samples:
            best_trip, best_offset = min(self._samples)
            if abs(offset_us - best_offset) > (trip_us + best_trip) // 2 + DRIFT_US:
                self._samples.clear()
        self._samples.append((trip_us, offset_us))
        return True

    def reset(self) -> None:
        """One of the clocks was set: nothing is known."""
        self._samples.clear()

    @property
    def skew_ms(self) -> float | None:
        """The peer's clock minus ours, by the quickest answer; None before the first."""
        return min(self._samples)[1] / 1000.0 if self._samples else None

    @property
    def error_ms(self) -> float:
        """How far `skew_ms` may be from the truth: half of the quickest round trip."""
        return min(self._samples)[0] / 2000.0 if self._samples else 0.0

    @property
    def rtt_ms(self) -> float | None:
        """The newest round trip."""
        return self._samples[-1][0] / 1000.0 if self._samples else None


@dataclass(slots=True)
class Skew:
    """A member's clock minus ours, give or take an error, and when it was measured."""

    ms: float
    error_ms: float
    at_s: float


class ClockGuard:
    """What this node makes of its peers' clocks and of its own."""

    def __init__(self, alarm_ms: float, refuse_ms: float) -> None:
        self.alarm_ms = alarm_ms
        self.refuse_ms = refuse_ms
        self.alarms = 0
        self.refusals = 0
        self.fenced = ""  # why clients' writes are refused here; "" where they are not
        self.tell: Callable[[str, str], None] = silent  # an event's name and its reason
        self._skews: dict[bytes, Skew] = {}
        self._alarmed: set[bytes] = set()
        self._clock: tuple[float, float] | None = None  # our clock and the loop's, ms

    # --- peers ----------------------------------------------------------------------------------

    def measured(self, member: bytes, skew_ms: float, loop_s: float, error_ms: float = 0.0) -> str:
        """A member's clock was measured, give or take `error_ms`: what is in doubt counts for
        nothing. Why it cannot be followed, or ""."""
        self._skews[member] = Skew(skew_ms, error_ms, loop_s)
        if skew_ms - error_ms > self.refuse_ms:
            self.refusals += 1
            return (
                f"the peer's clock is {skew_ms / 1000:.0f} s ahead of ours, more than"
                " mesh-clock-refuse-ms: set its clock"
            )
        wrong = abs(skew_ms) - error_ms > self.alarm_ms
        self._alarm(member, wrong, f"its clock differs by {skew_ms:.0f} ms")
        return ""

    def frame(self, ahead_ms: float) -> str:
        """A peer's stamp is so far ahead of our clock. Why it is refused, or ""."""
        if ahead_ms > self.refuse_ms:
            self.refusals += 1
            return STAMPS_AHEAD
        if ahead_ms > self.alarm_ms:
            self._alarm(b"", True, f"a peer's stamp is {ahead_ms:.0f} ms ahead of our clock")
        return ""

    def forget(self, member: bytes) -> None:
        """The member is none any more."""
        self._skews.pop(member, None)
        self._alarmed.discard(member)

    @property
    def skews_ms(self) -> dict[bytes, float]:
        """Each measured member's clock minus ours."""
        return {member: skew.ms for member, skew in self._skews.items()}

    @property
    def worst_ms(self) -> float | None:
        """The largest difference that was measured, with its sign; None without any."""
        return max(self.skews_ms.values(), key=abs, default=None)

    @property
    def alarm(self) -> bool:
        """Is a clock farther off than `mesh-clock-guard-ms` now?"""
        return bool(self._alarmed)

    def _alarm(self, member: bytes, wrong: bool, reason: str) -> None:
        if not wrong:
            self._alarmed.discard(member)
        elif member not in self._alarmed:
            self._alarmed.add(member)
            self.alarms += 1
            self.tell("clock_alarm", f"{member.decode() or 'mesh'}: {reason}")

    # --- the own clock --------------------------------------------------------------------------

    def settle(self, wall_ms: float, hybrid_ms: float, loop_s: float) -> bool:
        """Once a heartbeat: our clock, our newest stamp, the loop's clock. May clients write now?

        Where not, `fenced` tells why. A clock that was set back moves all measures with it, so the
        gate opens at once, whether peers can be reached or not.
        """
        before = self._clock
        self._clock = (wall_ms, loop_s * 1000.0)
        if before is not None:
            step_ms = (wall_ms - before[0]) - (loop_s * 1000.0 - before[1])
            if step_ms < -STEP_MS:
                for skew in self._skews.values():
                    skew.ms -= step_ms
        for member in list(self._skews):
            if loop_s - self._skews[member].at_s >= MEASURE_KEPT_S:
                del self._skews[member]
        ahead_ms = hybrid_ms - wall_ms
        if ahead_ms <= self.alarm_ms:
            self._alarmed.discard(b"")
        reason = self._own_fault(ahead_ms)
        if reason != self.fenced:
            if bool(reason) != bool(self.fenced):
                self.tell("clock_fenced" if reason else "clock_right", reason or "writes go on")
            self.fenced = reason
        return not reason

    def _own_fault(self, ahead_ms: float) -> str:
        """Are we ourselves the one that is ahead? Of two nodes the one ahead, else who is so of
        more than half of the others."""
        skews = self._skews.values()
        if not skews:
            return ""
        behind = [skew.ms for skew in skews if skew.ms + skew.error_ms < -self.refuse_ms]
        if 2 * len(behind) > len(skews):
            return f"this node's clock is {-max(behind) / 1000:.0f} s ahead of its peers': set it"
        if ahead_ms > self.refuse_ms:
            return (
                "this node's clock was ahead of its peers', and so are its newest stamps, by"
                f" {ahead_ms / 1000:.0f} s: wait until the clock has passed them, or let it join"
                " anew with an empty data directory"
            )
        return ""


def silent(event: str, reason: str) -> None:
    """Nobody is told."""
