"""Counts of how two nodes became level, of all links there ever were: none goes with its link.

One object for what this node was given by the peers it follows, one for what it gave its followers.
"""

from __future__ import annotations


class SyncCounts:
    """How often, and with how many bytes, since the node started."""

    def __init__(self) -> None:
        self.full = 0  # a whole state
        self.range = 0  # what differed alone, found by digests
        self.partial = 0  # frames from where the follower was
        self.refused = 0  # frames were asked for, and some of them were gone
        self.full_bytes = 0
        self.range_bytes = 0

    def reset(self) -> None:
        """CONFIG RESETSTAT: what Redis counts too begins anew."""
        self.full = 0
        self.partial = 0
        self.refused = 0
