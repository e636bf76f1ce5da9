"""DecidedHere: says in the log that clients take locks which hold on this node only."""

from __future__ import annotations

from typing import Final

import structlog

from node.engine import Engine

LOG = structlog.get_logger()
# Once a minute is enough to be found, and does not fill a disk.
AGAIN_S: Final = 60.0


class DecidedHere:
    """Looks once a second at what `mesh-nx-policy warn` has counted."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._told = 0
        self._next_s = 0.0

    def beat(self, now_s: float) -> bool:
        """Time passes; True: it was told now."""
        count = int(self.engine.decided_here)
        if count == self._told or now_s < self._next_s:
            return False
        LOG.warning(
            "mesh_decided_here", commands=count - self._told,
            text="SETNX, SET NX and their kin are decided on this node alone: another node may have"
            " said yes at the same time; mesh-nx-policy reject refuses them, allow is silent",
        )  # fmt: skip
        self._told = count
        self._next_s = now_s + AGAIN_S
        return True
