"""The connection itself: AUTH, ECHO, HELLO, PING, QUIT, RESET, SELECT.

There is one user, `default`, whose password is `requirepass`; without one it may do everything and
any password is right, as for Redis's user of that name.
"""

from __future__ import annotations

from hmac import compare_digest

from conf import REDIS_VERSION
from node.commands.args import DB_OUT_OF_RANGE, echoed, integer, small_integer, syntax_error
from node.commands.command import (
    ALLOW_BUSY,
    FAST,
    LOADING,
    NO_AUTH,
    NOSCRIPT,
    QUEUE_CONTROL,
    STALE,
    SUBSCRIBER,
    Command,
)
from node.commands.context import Context, QuietContext
from node.resp.replies import OK, PONG, Failure, Map, Simple
from node.session import CLOSING, FOLLOWER, NOAUTH, SUBSCRIBED, Session

DEFAULT_USER = b"default"

WRONG_PASSWORD = b"WRONGPASS invalid username-password pair or user is disabled."
NO_PASSWORD = (
    b"ERR AUTH <password> called without any password configured for the default user. "
    b"Are you sure your configuration is correct?"
)
BAD_NAME = b"ERR %s cannot contain spaces, newlines or special characters."
NOT_AUTHENTICATED = (
    b"NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
    b"<proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP "
    b"protocol version at the same time"
)


def authenticate(ctx: Context, user: bytes, password: bytes) -> None:
    """Makes the session the user's; WRONGPASS where the password is another or there is no user."""
    services = ctx.services
    known = user == DEFAULT_USER
    if not known or (services.password and not compare_digest(password, services.password)):
        services.auth_denied += 1
        raise Failure(WRONG_PASSWORD)
    session = ctx.client()
    session.user = DEFAULT_USER
    session.flags &= ~NOAUTH


def printable(name: bytes, what: bytes) -> bytes:
    """A name without blanks and control characters up to its first zero byte: CLIENT LIST shows
    so much of it."""
    if any(byte < 33 or byte > 126 for byte in echoed(name)):
        raise Failure(BAD_NAME % what)
    return name


def auth(ctx: Context, args: list[bytes]) -> object:
    """AUTH [username] password."""
    if len(args) > 3:
        raise syntax_error()
    if len(args) == 3:
        authenticate(ctx, args[1], args[2])
        return OK
    if not ctx.services.password:
        raise Failure(NO_PASSWORD)
    authenticate(ctx, DEFAULT_USER, args[1])
    return OK


def keep_clocks(session: Session, keeps: bool) -> None:
    """CLIENT NO-TOUCH: from now on the session's handlers read without using, or not."""
    if session.keeps_clocks == keeps:
        return
    before = session.ctx
    kind = QuietContext if keeps else Context
    session.ctx = kind(before.db, before.writer, before.services)
    session.ctx.session = session
    session.keeps_clocks = keeps


def echo(ctx: Context, args: list[bytes]) -> object:
    """ECHO."""
    return args[1]


def ping(ctx: Context, args: list[bytes]) -> object:
    """PING [message]; a subscriber of RESP2 is answered in the form of a message."""
    if len(args) > 2:
        raise Failure(b"ERR wrong number of arguments for 'ping' command")
    session = ctx.client()
    if session.resp == 2 and session.flags & SUBSCRIBED:
        return [b"pong", args[1] if len(args) == 2 else b""]
    return args[1] if len(args) == 2 else PONG


def hello(ctx: Context, args: list[bytes]) -> object:
    """HELLO: who speaks, and in which version of the protocol from this reply on."""
    session = ctx.client()
    version = int(session.resp)
    credentials: tuple[bytes, bytes] | None = None
    name: bytes | None = None
    if len(args) > 1:
        version = protocol_version(args[1])
    at = 2
    while at < len(args):
        word = args[at].upper()
        left = len(args) - at - 1
        if word == b"AUTH" and left >= 2:
            credentials = (args[at + 1], args[at + 2])
            at += 3
        elif word == b"SETNAME" and left >= 1:
            name = printable(args[at + 1], b"Client names")
            at += 2
        else:
            raise Failure(b"ERR Syntax error in HELLO option '%s'" % echoed(args[at]))
    if credentials is not None:
        authenticate(ctx, credentials[0], credentials[1])
    if session.flags & NOAUTH:
        raise Failure(NOT_AUTHENTICATED)
    if name is not None:
        session.name = name
    session.resp = version
    return greeting(ctx, session)


def protocol_version(arg: bytes) -> int:
    """2 or 3; NOPROTO for other numbers."""
    number = integer(arg, b"ERR Protocol version is not an integer or out of range")
    if number not in (2, 3):
        raise Failure(b"NOPROTO unsupported protocol version")
    return number


def greeting(ctx: Context, session: Session) -> object:
    """HELLO's reply: what client libraries read, and nothing else."""
    follows = ctx.services.shell.role()[0] == b"slave"
    return Map(
        [
            b"server",
            b"redis",
            b"version",
            REDIS_VERSION.encode(),
            b"proto",
            int(session.resp),
            b"id",
            int(session.id),
            b"mode",
            b"standalone",
            b"role",
            b"replica" if follows else b"master",
            b"modules",
            [],
        ]
    )


def select(ctx: Context, args: list[bytes]) -> object:
    """SELECT: the database for all further commands of the connection."""
    number = small_integer(args[1])
    databases = ctx.services.databases
    if number < 0 or number >= len(databases):
        raise Failure(DB_OUT_OF_RANGE)
    ctx.db = databases[number]
    return OK


def reset(ctx: Context, args: list[bytes]) -> object:
    """RESET: the connection is as if it were new; what a library said of itself stays."""
    services = ctx.services
    session = ctx.client()
    if session.flags & FOLLOWER:
        raise Failure(b"ERR can only reset normal client connections")
    services.discard(session)
    services.pubsub.leave(session)
    ctx.db = services.databases[0]
    session.resp = 2
    session.name = b""
    session.user = DEFAULT_USER
    session.replies = True
    session.skip_reply = False
    session.keeps_memory = False
    keep_clocks(session, False)
    if services.password:
        session.flags |= NOAUTH
    return Simple(b"RESET")


def quit_(ctx: Context, args: list[bytes]) -> object:
    """QUIT: the connection ends when this reply has been sent."""
    ctx.client().flags |= CLOSING
    return OK


ANYTIME = LOADING | STALE | FAST
BEFORE_AUTH = NOSCRIPT | ANYTIME | NO_AUTH | ALLOW_BUSY

COMMANDS: tuple[Command, ...] = (
    Command(
        "AUTH [username] password", auth, BEFORE_AUTH, group="connection",
        cost="O(1)", about="Names the user of the connection and proves it by a password.",
    ),
    Command(
        "ECHO message", echo, ANYTIME, group="connection", about="Answers what it was given.",
    ),
    Command(
        "HELLO [protover [AUTH username password] [SETNAME clientname]]", hello, BEFORE_AUTH,
        group="connection", since="6.0.0",
        about="Chooses the protocol version and tells who answers.",
    ),
    Command(
        "PING [message]", ping, FAST | SUBSCRIBER, group="connection",
        about="Answers PONG or the message: the server is alive.",
        tips=("request_policy:all_shards", "response_policy:all_succeeded"),
    ),
    Command(
        "QUIT", quit_, BEFORE_AUTH | QUEUE_CONTROL | SUBSCRIBER, group="connection", arity=-1,
        about="Ends the connection.",
    ),
    Command(
        "RESET", reset, BEFORE_AUTH | QUEUE_CONTROL | SUBSCRIBER, group="connection",
        since="6.2.0", about="Puts the connection back to what it was when it began.",
    ),
    Command(
        "SELECT index", select, ANYTIME, group="connection",
        about="Chooses the database for what follows.",
    ),
)  # fmt: skip
