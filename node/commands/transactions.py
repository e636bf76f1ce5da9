"""MULTI, EXEC, DISCARD, WATCH and UNWATCH.

What EXEC runs is one unit: all its effects have one stamp and are published together when it ends.
An error in it is an element of the reply and undoes nothing. That commands are queued after MULTI
is the work of node/gates.py.
"""

from __future__ import annotations

from librt.strings import BytesWriter
from mypy_extensions import i64

from node.commands.command import (
    ALLOW_BUSY,
    FAST,
    LOADING,
    NOSCRIPT,
    QUEUE_CONTROL,
    SKIP_SLOWLOG,
    STALE,
    Command,
    span,
)  # fmt: skip
from node.commands.context import Context
from node.resp.encoder import encode
from node.resp.replies import NULL_ARRAY, OK, Failure, Fixed


def multi(ctx: Context, args: list[bytes]) -> object:
    """MULTI: what follows is queued."""
    session = ctx.client()
    if session.in_multi():
        raise Failure(b"ERR MULTI calls can not be nested")
    session.enter_multi()
    return OK


def exec_(ctx: Context, args: list[bytes]) -> object:
    """EXEC: the replies of what was queued; null where a watched key was touched."""
    session = ctx.client()
    if not session.in_multi():
        raise Failure(b"ERR EXEC without MULTI")
    services = ctx.services
    find_expired(ctx)
    queued = session.queued
    failed = session.queue_failed
    spoiled = session.spoiled
    services.discard(session)
    if failed:
        raise Failure(b"EXECABORT Transaction discarded because of previous errors.")
    if spoiled:
        return NULL_ARRAY
    replies: list[object] = []
    resp = session.resp
    for command in queued:
        reply = services.call(session, command)
        if session.resp != resp:
            # HELLO: what came before it is written as the client was then spoken to.
            replies = [written(each, resp) for each in replies]
            resp = session.resp
        replies.append(reply)
    return replies


def written(reply: object, resp: i64) -> Fixed:
    """A reply as it is in this version of the protocol, whichever it is sent in."""
    out = BytesWriter()
    encode(out, reply, resp)
    wire = out.getvalue()
    return Fixed(wire, wire)


def discard(ctx: Context, args: list[bytes]) -> object:
    """DISCARD: forgets what was queued, and the watches."""
    session = ctx.client()
    if not session.in_multi():
        raise Failure(b"ERR DISCARD without MULTI")
    ctx.services.discard(session)
    return OK


def watch(ctx: Context, args: list[bytes]) -> object:
    """WATCH: the next EXEC is refused if one of the keys is touched before it."""
    session = ctx.client()
    if session.in_multi():
        raise Failure(b"ERR WATCH inside MULTI is not allowed")
    if session.spoiled:
        return OK
    db = ctx.db
    for key in args[1:]:
        ctx.services.watch.add(session, int(db.number), key, db.present(key))
    return OK


def unwatch(ctx: Context, args: list[bytes]) -> object:
    """UNWATCH: forgets the watches, and that a key was touched."""
    ctx.services.forget_watches(ctx.client())
    return OK


def find_expired(ctx: Context) -> None:
    """A watched key whose deadline has passed since is touched, though nobody looked at it yet."""
    session = ctx.client()
    services = ctx.services
    for number, key in list(session.watched):
        if session.spoiled:
            return
        existed = services.watch.existed(session, number, key)
        if existed and not services.databases[number].present(key):
            session.spoiled = True


COMMANDS: tuple[Command, ...] = (
    Command(
        "MULTI", multi, NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY | QUEUE_CONTROL,
        group="transactions", since="1.2.0", about="Begins a transaction.",
    ),
    Command(
        "EXEC", exec_, NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG | QUEUE_CONTROL,
        group="transactions", since="1.2.0", cost="that of the queued commands",
        about="Runs a transaction as one.",
    ),
    Command(
        "DISCARD", discard, NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY | QUEUE_CONTROL,
        group="transactions", since="2.0.0", cost="O(N) with N the number of queued commands",
        about="Forgets a transaction.",
    ),
    Command(
        "WATCH key [key ...]", watch,
        NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY | QUEUE_CONTROL,
        keys=(span(1, -1, 1, "RO"),), group="transactions", since="2.2.0", cost="O(1) for each key",
        about="Lets the next transaction run only if the keys stay as they are.",
    ),
    Command(
        "UNWATCH", unwatch, NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY,
        group="transactions", since="2.2.0", about="Forgets all watched keys.",
    ),
)  # fmt: skip
