"""The two version numbers a node speaks of: our own, and the Redis whose behaviour it promises."""

from __future__ import annotations

from typing import Final

PLEXIS_VERSION: Final = "0.1.0"
"""The release of this server; the same as in pyproject.toml (a test compares them)."""

REDIS_VERSION: Final = "8.2.3"
"""The Redis that clients see in HELLO, INFO and `--version`."""
