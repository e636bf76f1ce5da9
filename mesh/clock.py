"""HybridClock: stamps in KeyDB's format, 44 bits of milliseconds and 20 of counter.  [compiled]

Never behind the wall clock, never at or below a stamp given or observed, so a write that has seen
another is stamped above it whatever the clocks say (semantics.md 2).
"""

from __future__ import annotations

from mypy_extensions import i64

from node.ports import Clock


class HybridClock(Clock):
    """The node's one source of stamps; `now_ms` is the wall clock, set by engine.wake."""

    def next(self) -> i64:
        """max(last + 1, now)."""
        stamp = self.last + 1
        wall = self.now_ms << 20
        if wall > stamp:
            stamp = wall
        self.last = stamp
        return stamp
