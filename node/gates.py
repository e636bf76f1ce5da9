"""What is checked before a command runs, in Redis's order, one function each.  [compiled]

Reached only when a bit of the session or of the engine is up; nearly always nothing is in the way
and the engine compares once. Texts are Redis's.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.commands.command import (
    DENYOOM,
    LOADING,
    NO_AUTH,
    NO_MULTI,
    QUEUE_CONTROL,
    STALE,
    SUBSCRIBER,
    WRITE,
    Command,
    find,
)  # fmt: skip
from node.commands.owned import OWNED, owned_keys
from node.resp.replies import QUEUED, Failure
from node.session import FOLLOWER, MULTI, NOAUTH, SUBSCRIBED, Session

# Engine.closed: which gates are shut for everybody.
IS_LOADING: Final[i64] = 1
IS_MISCONFIGURED: Final[i64] = 2  # the last save failed and stop-writes-on-bgsave-error is set
IS_OUT_OF_MEMORY: Final[i64] = 4
IS_READONLY: Final[i64] = 8  # a replica that is not active
IS_STALE: Final[i64] = 16  # a replica without its master, replica-serve-stale-data no
TOO_FEW_REPLICAS: Final[i64] = 32
IS_LOG_BROKEN: Final[i64] = 64  # the append-only file cannot be written (Services.log_error)
IS_FENCED: Final[i64] = 128  # the mesh's own clock is too far ahead (mesh/clock_guard.py)
IS_OVER_CAP: Final[i64] = 256  # too much is remembered for members who are away (mesh/cap.py)
HAS_OWNERS: Final[i64] = 512  # of some keys one node alone may take (mesh/ownership.py)

NO_AUTHENTICATION: Final = Failure(b"NOAUTH Authentication required.")
STILL_LOADING: Final = Failure(b"LOADING Redis is loading the dataset in memory")
OUT_OF_MEMORY: Final = Failure(b"OOM command not allowed when used memory > 'maxmemory'.")
MISCONFIGURED: Final = Failure(
    b"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to"
    b" disk. Commands that may modify the data set are disabled, because this instance is"
    b" configured to report errors during writes if RDB snapshotting fails"
    b" (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the"
    b" RDB error."
)
READ_ONLY: Final = Failure(b"READONLY You can't write against a read only replica.")
MASTER_DOWN: Final = Failure(
    b"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
)
FEW_REPLICAS: Final = Failure(b"NOREPLICAS Not enough good replicas to write.")
# EXEC itself was refused: the transaction is over.
ABORTED: Final = b"EXECABORT Transaction discarded because of: %b"
CLOCK_AHEAD: Final = Failure(
    b"CLOCKAHEAD This node's clock is ahead of its peers' by more than mesh-clock-refuse-ms allows,"
    b" so none of them would take a write from here. Set its clock (NTP); INFO replication says"
    b" more (mesh_clock_fenced_reason). Reads go on."
)
OVER_CAP: Final = Failure(
    b"MESHFULL What is remembered for members who are away has reached mesh-unstable-max-bytes, and"
    b" the members who are here are too few to expel them. Bring them back, or MESH FORGET them;"
    b" INFO replication says more (mesh_over_cap_reason). Reads go on."
)
FEED_ONLY: Final = Failure(b"ERR Replica can't interact with the keyspace")


def check(closed: i64, session: Session, command: Command, args: list[bytes]) -> object:
    """None where the command may run; else what the client is answered."""
    flags = command.flags
    if session.queued_flags and command.name == b"exec":
        flags |= session.queued_flags & (WRITE | DENYOOM)
    refusal = refused(closed, session, command, flags)
    if refusal is not None:
        if command.name == b"exec":
            session.ctx.services.discard(session)
            return Failure(ABORTED % refusal.text)
        if session.flags & MULTI and not command.flags & QUEUE_CONTROL:
            session.queue_failed = True
        return refusal
    if session.flags & MULTI and not command.flags & QUEUE_CONTROL:
        if command.flags & NO_MULTI:
            session.queue_failed = True
            return Failure(b"ERR Command not allowed inside a transaction")
        if closed & HAS_OWNERS:
            refusal = not_ours(session, command, args)
            if refusal is not None:
                session.queue_failed = True
                return refusal
        session.queued.append(args)
        session.queued_flags |= flags
        return QUEUED
    if closed & HAS_OWNERS:
        return owned_elsewhere(session, command, args)
    return None


def owned_elsewhere(session: Session, command: Command, args: list[bytes]) -> object:
    """None where this node may take what the command takes; else the reply, or who is parked."""
    services = session.ctx.services
    if command.name == b"exec":
        for queued in session.queued:
            later = find(0, queued[0])
            refusal = None if later is None else not_ours(session, later, queued)
            if refusal is not None:
                services.discard(session)
                return Failure(ABORTED % refusal.text)
        return None
    keys = owned_keys(command.name, args, services.config)
    if not keys:
        return None
    if not args[0]:  # the parser leaves out names that it has made a number of
        args[0] = command.name
    return services.owners.elsewhere(session, args, keys)


def not_ours(session: Session, command: Command, args: list[bytes]) -> Failure | None:
    """Why this node may not take what the command takes, where nobody else can be asked."""
    services = session.ctx.services
    keys = owned_keys(command.name, args, services.config)
    text = services.owners.refusal(keys) if keys else b""
    return Failure(text) if text else None


def lost_by(session: Session, keys: list[bytes]) -> Failure | None:
    """As `not_ours`, for who has waited for these keys since they were this node's."""
    if session.last_command not in OWNED:
        return None
    text = session.ctx.services.owners.refusal(keys)
    return Failure(text) if text else None


def refused(closed: i64, session: Session, command: Command, flags: i64) -> Failure | None:
    """The first gate that is shut for this command, in Redis's order.

    `flags` are the command's, and of EXEC those of what is queued too.
    """
    if session.flags & NOAUTH and not command.flags & NO_AUTH:
        return NO_AUTHENTICATION
    if closed & IS_OUT_OF_MEMORY and flags & DENYOOM:
        return OUT_OF_MEMORY
    if flags & WRITE:
        if closed & IS_MISCONFIGURED:
            return MISCONFIGURED
        if closed & IS_LOG_BROKEN:
            return Failure(
                b"MISCONF Errors writing to the AOF file: " + session.ctx.services.log_error
            )
        if closed & TOO_FEW_REPLICAS:
            return FEW_REPLICAS
        if closed & IS_READONLY:
            return READ_ONLY
        if closed & IS_FENCED:
            return CLOCK_AHEAD
        if closed & IS_OVER_CAP:
            return OVER_CAP
    if session.flags & SUBSCRIBED and session.resp == 2 and not command.flags & SUBSCRIBER:
        return Failure(
            b"ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT /"
            b" RESET are allowed in this context" % command.fullname
        )
    if closed & IS_STALE and not command.flags & STALE:
        return MASTER_DOWN
    if closed & IS_LOADING and not command.flags & LOADING:
        return STILL_LOADING
    if session.flags & FOLLOWER and command.keys:
        return FEED_ONLY
    return None
