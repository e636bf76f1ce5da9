"""How many seeded schedules a test plays: a share of PLEXIS_SEEDS."""

from __future__ import annotations

import os

from node.build import compiled

# Where nobody says how many: what somebody waits for who runs one file.
USUAL = 2000 if compiled() else 200


def seeds(one_in: int = 1, least: int = 1) -> int:
    """One in so many of PLEXIS_SEEDS, at least `least`."""
    return max(int(os.environ.get("PLEXIS_SEEDS", str(USUAL))) // one_in, least)
