"""The parts of a mesh as mesh.toml describes them. Frozen values, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

KINDS: Final = ("mesh", "keydb")
"""What a node can be: one of ours, or a real KeyDB server that speaks RREPLAY only."""


@dataclass(frozen=True, slots=True)
class MeshInfo:
    """[mesh]: the name on the admin page and the rules all nodes share."""

    name: str
    environment: str
    topology: str
    hub: tuple[str, ...]
    conflict_policy: str
    bootstrap: str
    owner_policy: str = "forward"


@dataclass(frozen=True, slots=True)
class MeshNode:
    """One [[node]], with the defaults filled in.

    `host` and `peer_port` are what peers dial, `port` is what the node listens on (they differ
    behind address translation). `maxmemory_bytes` is 0 for no limit, `admin` is "" for off.
    """

    name: str
    host: str
    peer_port: int
    port: int
    region: str
    zone: str
    site: tuple[float, float] | None
    kind: str
    admin: str
    dir: str
    maxmemory_bytes: int


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When the admin page calls a link slow, very slow, or down."""

    warn_lag_ms: int = 1_000
    critical_lag_ms: int = 10_000
    down_after_ms: int = 5_000


@dataclass(frozen=True, slots=True)
class MeshLink:
    """Data flows from `source` to `target`: the target has the line `replicaof source`."""

    source: str
    target: str
    thresholds: Thresholds


@dataclass(frozen=True, slots=True)
class MeshAuth:
    """[auth]: the file whose first line is the password of all links; "" for none."""

    password_file: str


@dataclass(frozen=True, slots=True)
class MeshAdmin:
    """[admin]: where the admin page listens unless a node says otherwise; "" for off."""

    bind: str
