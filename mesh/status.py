"""What one node knows of the mesh: frozen numbers for INFO, MESH STATUS and the admin page.

A `MeshStatus` is one node's view: its peers, the links that end or begin at it, and what it keeps
for conflict resolution. The admin page joins the views of all nodes; nothing here does.

Three numbers are never called by one name "lag": the *heartbeat age* (how long since anything
arrived), the *apply lag* (how far the newest applied write lies behind) and the *backlog* (what is
still to be sent). Besides them stands the *clock skew*.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from node.status import NodeStatus, Record

NEVER: Final = "never"
CONNECTING: Final = "connecting"
HANDSHAKE: Final = "handshake"
SYNCING: Final = "syncing"
MERGING: Final = "merging"
LAGGING: Final = "lagging"
IN_SYNC: Final = "in sync"
DOWN: Final = "down"
REFUSED: Final = "refused"

LINK_STATES: Final = (
    IN_SYNC,
    LAGGING,
    MERGING,
    SYNCING,
    HANDSHAKE,
    CONNECTING,
    DOWN,
    REFUSED,
    NEVER,
)
"""All words `LinkStatus.state` may have, from good to bad. "merging" follows "syncing": the bytes
are here, but not yet all in the keyspace; only "in sync" and "lagging" carry live writes."""

CONNECT: Final = "connect"
DIGEST: Final = "digest"
TRANSFER: Final = "transfer"
MERGE: Final = "merge"
CATCH_UP: Final = "catch up"

SYNC_PHASES: Final = (CONNECT, DIGEST, TRANSFER, MERGE, CATCH_UP)
"""All words `LinkStatus.phase` may have while two nodes become level, in this order; "" when frames
flow, or nothing does. A resync from the backlog goes from "connect" to "catch up"; a whole snapshot
has no "digest"."""

FOLLOWER: Final = "follower"
SENDER: Final = "sender"


@dataclass(frozen=True, slots=True)
class LinkStatus(Record):
    """One direction of replication: `target` applies what `source` sends.

    Told by the follower (`view` = "follower", the node is `target`) or by the sender ("sender", it
    is `source`); the follower knows apply lag and errors, the sender knows the backlog. `source`
    and `target` are node names as this node knows them, else "host:port". None is "not known".
    """

    source: str = ""
    target: str = ""
    view: str = FOLLOWER
    state: str = NEVER
    since_ms: int = 0
    """Unix milliseconds on the reporter's clock at which `state` began; 0 is unknown."""
    heartbeat_age_ms: float | None = None
    """Since the last byte of any kind arrived (follower) or the last ACK (sender)."""
    apply_lag_ms: float | None = None
    """This node's clock minus the millisecond part of the newest stamp applied or heartbeat seen
    on the link when something waits to be applied; 0 when nothing does."""
    rtt_ms: float | None = None
    backlog_bytes: int | None = None
    backlog_ops: int | None = None
    clock_skew_ms: float | None = None
    """The other side's clock minus this node's; positive: it is ahead."""
    phase: str = ""
    """What of a resync is going on: a word of SYNC_PHASES, or "" for none."""
    progress: float | None = None
    """Share done of the current phase, 0 to 1; None when its size is not known."""
    resync_full: int = 0
    resync_range: int = 0
    """How often what differs was found by digests, and that alone was sent."""
    resync_partial: int = 0
    resync_full_bytes: int = 0
    resync_range_bytes: int = 0
    reconnects: int = 0
    ops_applied: int = 0
    ops_ignored: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    offset: int = 0
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class PeerStatus(Record):
    """Another node of the mesh: one that is configured, or one that was seen without being so.

    `configured`: it stands in this node's configuration; `joined`: it is a member of the mesh, as
    one that was called back is, or has joined by naming another member.
    `address` is "host:port" as this node dials it. `member_id` is empty until the first handshake.
    `node` holds the peer's own numbers when somebody has asked it, else None.
    """

    NESTED: ClassVar[Mapping[str, type[Record]]] = {"node": NodeStatus}

    name: str = ""
    address: str = ""
    member_id: str = ""
    kind: str = "plexis"
    """"plexis", or "keydb" for a real KeyDB, which has no MESH STATUS to ask for."""
    configured: bool = True
    joined: bool = False
    last_seen_age_ms: float | None = None
    node: NodeStatus | None = None


@dataclass(frozen=True, slots=True)
class CountStatus(Record):
    """How often something of this kind happened since the start of the process."""

    kind: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True)
class StreamStatus(Record):
    """One entry of the version vector: the highest stamp applied of one write stream."""

    stream: str = ""
    stamp: int = 0


@dataclass(frozen=True, slots=True)
class MeshStatus(Record):
    """One node's view of the mesh at one moment.

    `nodes` are the other nodes. `links` are the links that end here (followers' view) and those
    that begin here (senders' view); each configured link is listed even if it never connected.
    `initial_sync_done` is true once this node needs no state of others before it may serve: a
    quorum of its links finished a sync since it was started empty, or it had its own data.
    """

    NESTED: ClassVar[Mapping[str, type[Record]]] = {
        "nodes": PeerStatus,
        "links": LinkStatus,
        "conflicts": CountStatus,
        "vector": StreamStatus,
    }

    name: str = ""
    topology: str = "full"
    taken_at_ms: int = 0
    initial_sync_done: bool = True
    warn_lag_ms: int = 1_000
    critical_lag_ms: int = 10_000
    down_after_ms: int = 5_000
    nodes: tuple[PeerStatus, ...] = ()
    links: tuple[LinkStatus, ...] = ()
    conflicts: tuple[CountStatus, ...] = ()
    clock_alarms: int = 0
    """How often a clock was found farther off than `mesh-clock-guard-ms`."""
    clock_refusals: int = 0
    """How often a peer was not followed because its clock is ahead: `mesh-clock-refuse-ms`."""
    clock_fenced: str = ""
    """Why this node refuses its clients' writes: its own clock is ahead. Empty while it is not."""
    over_cap: str = ""
    """Why it refuses them for what it remembers: `mesh-unstable-max-bytes`. Empty while not."""
    outside: str = ""
    """Why this node is no member of its mesh any more: it has left, say. Empty while it is one."""
    repairs: int = 0
    """How many keys this node wrote anew because a member held them differently without any write
    to explain it: anything but 0 is a defect, of the program or of the machine."""
    unstable_bytes: int = 0
    """Memory held for writes that not every member is known to have (semantics: the unstable
    window); it is bounded by `mesh-unstable-max-bytes`."""
    limbo_keys: int = 0
    """Keys that show nothing and are remembered: deleted or expired ones, until all have heard."""
    tombstones: int = 0
    """Removals that wait for writes which they had seen and which are not here yet."""
    stable_age_ms: float | None = None
    """How far behind now the oldest stamp lies that every member is known to have."""
    held_up_by: str = ""
    """Member id of the one whose report of what its disk has is the oldest: for its sake is
    remembered what is. Empty where nothing is."""
    not_heard_by: str = ""
    """Addresses of peers that this node follows and that take nothing of what it writes, separated
    by commas: it is no member of their mesh. Empty where there are none."""
    vector: tuple[StreamStatus, ...] = ()


STATUS_BYTES_MAX: Final = 4_000_000
"""Longest reply to MESH STATUS that is accepted: a thousand nodes fit, a broken peer does not."""


def pack_status(node: NodeStatus, mesh: MeshStatus) -> bytes:
    """The reply to MESH STATUS, one bulk string: JSON `{"node": {...}, "mesh": {...}}`."""
    plain = {"node": node.to_json(), "mesh": mesh.to_json()}
    return json.dumps(plain, separators=(",", ":"), allow_nan=False).encode()


def unpack_status(packed: bytes) -> tuple[NodeStatus, MeshStatus]:
    """The two records in a reply to MESH STATUS; `ValueError` says what is wrong with it."""
    if len(packed) > STATUS_BYTES_MAX:
        raise ValueError(f"MESH STATUS reply has {len(packed)} bytes, at most {STATUS_BYTES_MAX}")
    try:
        plain = json.loads(packed)
    except RecursionError as error:
        raise ValueError("MESH STATUS reply is nested too deeply") from error
    if not isinstance(plain, dict):
        raise ValueError(f"MESH STATUS reply is not an object but {type(plain).__name__}")
    return NodeStatus.from_json(plain.get("node")), MeshStatus.from_json(plain.get("mesh"))
