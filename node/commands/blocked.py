"""Blocked commands: what BLPOP, BLMOVE, BLMPOP, BZPOPMIN, BZMPOP, XREAD and XREADGROUP share.

A handler first tries what it would do without blocking. Where there is nothing yet it returns
`block(ctx, blocked)`: the client is parked, and `retry` runs each time one of the keys was
written, in order of arrival. Inside MULTI nothing blocks: the reply is that of a timeout.
"""

from __future__ import annotations

from decimal import ROUND_CEILING
from typing import Final

from mypy_extensions import mypyc_attr

from node.commands.context import Context, Parked
from node.resp.replies import NULL_ARRAY, Failure
from node.store.values.strings import I64_MAX, decimal_of, is_infinite

NOT_A_FLOAT: Final = Failure(b"ERR timeout is not a float or out of range")
OUT_OF_RANGE: Final = Failure(b"ERR timeout is out of range")
NEGATIVE: Final = Failure(b"ERR timeout is negative")


class Still:
    """`retry`'s answer where there is still nothing."""


STILL: Final = Still()


@mypyc_attr(allow_interpreted_subclasses=True)
class Blocked(Parked):
    """A command that waits for its keys; the subclasses say how it tries again."""

    def __init__(self, ctx: Context, keys: list[bytes], until_ms: int) -> None:
        super().__init__(until_ms)
        self.ctx = ctx
        self.number = ctx.db.number
        self.keys = list(dict.fromkeys(keys))
        self.needs_key = True  # False: a key that has gone may answer it too (XREADGROUP)

    def retry(self, ctx: Context, key: bytes) -> object:
        """The reply, after the effects it takes; STILL where there is nothing yet.

        `key` was written. A Failure that is raised is the reply.
        """
        return STILL

    def timeout_reply(self) -> object:
        return NULL_ARRAY

    def attempt(self, key: bytes) -> None:
        ctx = self.ctx
        if self.needs_key and ctx.db.glance(key) is None:
            return  # somebody before took the last of it
        services = ctx.services
        if services.closed != 0 and ctx.session is not None:
            refusal = services.refusal(ctx.session)
            if refusal is not None:
                services.resume(self, refusal)
                return
        ctx.reworded()
        services.notify.writing = True
        reply: object
        try:
            reply = self.retry(ctx, key)
        except Failure as failure:
            reply = failure
        services.notify.writing = False
        session = ctx.session
        if session is not None and ctx.writer.commit.count != 0:
            session.last_write = ctx.writer.commit.stamp
        services.publish()
        if not isinstance(reply, Still):
            services.resume(self, reply)

    def cancelled(self) -> None:
        self.ctx.services.blocking.release(self)


def block(ctx: Context, blocked: Blocked) -> object:
    """Parks the client, or answers as if its time were up where nothing may park (MULTI)."""
    if ctx.services.nested != 0:
        return blocked.timeout_reply()
    ctx.services.blocking.add(blocked)
    return blocked


def deadline_of(ctx: Context, arg: bytes) -> int:
    """A timeout in seconds, possibly with a fraction, as a deadline in ms; 0: for ever.

    Failure with Redis's text where it is none. A part of a millisecond counts as a whole one.
    """
    if is_infinite(arg):
        raise NEGATIVE if arg[:1] == b"-" else OUT_OF_RANGE
    seconds = decimal_of(arg)
    if seconds is None:
        raise NOT_A_FLOAT
    timeout_ms = int((seconds * 1000).to_integral_value(ROUND_CEILING))
    if timeout_ms > I64_MAX:
        raise OUT_OF_RANGE
    return deadline_after(ctx, timeout_ms)


def deadline_after(ctx: Context, timeout_ms: int) -> int:
    """A timeout in ms as a deadline; 0: for ever. Failure where it is negative or too far."""
    if timeout_ms < 0:
        raise NEGATIVE
    if timeout_ms == 0:
        return 0
    deadline_ms = int(ctx.services.time_s * 1000.0) + timeout_ms
    if deadline_ms > I64_MAX:
        raise OUT_OF_RANGE
    return deadline_ms
