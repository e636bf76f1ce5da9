"""CLIENT: what is known of the connections, and what can be done to them.

CLIENT PAUSE, TRACKING and the rest of client-side caching are not here.
"""

from __future__ import annotations

from node.commands.args import echoed, integer, syntax_error
from node.commands.clients import TYPES, Filter, describe, kind_of
from node.commands.command import ADMIN, LOADING, NOSCRIPT, STALE, Command
from node.commands.connection import DEFAULT_USER, keep_clocks, printable
from node.commands.context import Context
from node.commands.help import help_reply
from node.resp.replies import NO_REPLY, OK, Failure, Verbatim
from node.session import CLOSING, Session

UNBLOCKED = b"UNBLOCKED client unblocked via CLIENT UNBLOCK"

HELP = (
    "GETNAME",
    "    The name of this connection.",
    "ID",
    "    The number of this connection; a later one has a higher number.",
    "INFO",
    "    What CLIENT LIST says of this connection.",
    "KILL <ip:port>",
    "    End the connection from that address.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    End the connections that fit all options:",
    "    * ADDR (<ip:port>|<unixsocket>:0)",
    "    * LADDR (<ip:port>|<unixsocket>:0)",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "    * USER <username>",
    "    * SKIPME (YES|NO): spare this connection, the default",
    "    * ID <client-id>",
    "    * MAXAGE <seconds>: only those that are at least so old",
    "LIST [options ...]",
    "    A line for each connection. Options:",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "    * ID <client-id> [<client-id> [...]]",
    "NO-EVICT (ON|OFF)",
    "    Spare this connection when connections are closed to save memory.",
    "NO-TOUCH (ON|OFF)",
    "    What this connection reads does not count as used.",
    "REPLY (ON|OFF|SKIP)",
    "    Whether replies are sent to this connection.",
    "SETINFO <option> <value>",
    "    What the client library says of itself: LIB-NAME or LIB-VER.",
    "SETNAME <name>",
    "    Give this connection a name.",
    "UNBLOCK <client-id> [TIMEOUT|ERROR]",
    "    Wake a blocked connection, as if its time were up or with an error.",
)


def client_id(ctx: Context, args: list[bytes]) -> object:
    """CLIENT ID."""
    return int(ctx.client().id)


def client_getname(ctx: Context, args: list[bytes]) -> object:
    """CLIENT GETNAME."""
    return ctx.client().name or None


def client_setname(ctx: Context, args: list[bytes]) -> object:
    """CLIENT SETNAME: an empty name takes it away."""
    ctx.client().name = printable(args[2], b"Client names")
    return OK


def client_setinfo(ctx: Context, args: list[bytes]) -> object:
    """CLIENT SETINFO LIB-NAME or LIB-VER."""
    session = ctx.client()
    option = args[2].lower()
    if option == b"lib-name":
        session.library_name = printable(args[3], args[2])
    elif option == b"lib-ver":
        session.library_version = printable(args[3], args[2])
    else:
        raise Failure(b"ERR Unrecognized option '%s'" % echoed(args[2]))
    return OK


def client_info(ctx: Context, args: list[bytes]) -> object:
    """CLIENT INFO: the connection's own line."""
    session = ctx.client()
    session.last_command = b"client|info"
    return Verbatim(b"txt", describe(session, ctx.services.time_s) + b"\n")


def client_list(ctx: Context, args: list[bytes]) -> object:
    """CLIENT LIST [TYPE type | ID client-id ...]: a line for each connection, oldest first."""
    services = ctx.services
    chosen: list[Session] = list(services.sessions.values())
    option = args[2].upper() if len(args) > 2 else b""
    if len(args) == 4 and option == b"TYPE":
        wanted = client_type(args[3])
        chosen = [session for session in chosen if kind_of(session) == wanted]
    elif len(args) > 3 and option == b"ID":
        numbers = [integer(arg, b"ERR Invalid client ID") for arg in args[3:]]
        found = (services.sessions.get(number) for number in numbers)
        chosen = [session for session in found if session is not None]
    elif len(args) > 2:
        raise syntax_error()
    ctx.client().last_command = b"client|list"
    now_s = services.time_s
    return Verbatim(b"txt", b"".join(describe(session, now_s) + b"\n" for session in chosen))


def client_type(arg: bytes) -> str:
    """The kind of client a word names; `slave` is the old word for replica."""
    kind = TYPES.get(arg.lower())
    if kind is None:
        raise Failure(b"ERR Unknown client type '%s'" % echoed(arg))
    return kind


def client_kill(ctx: Context, args: list[bytes]) -> object:
    """CLIENT KILL: by an address alone OK or an error, by options how many were ended."""
    by_address = len(args) == 3
    wanted = Filter(address=args[2], skips_me=False) if by_address else kill_options(args)
    mine = ctx.client()
    killed = 0
    for session in list(ctx.services.sessions.values()):
        if (session is mine and wanted.skips_me) or not wanted.fits(session, ctx.services.time_s):
            continue
        killed += 1
        if session is mine:
            session.flags |= CLOSING
        else:
            session.outlet.close("CLIENT KILL")
    if by_address:
        if killed == 0:
            raise Failure(b"ERR No such client")
        return OK
    return killed


def kill_options(args: list[bytes]) -> Filter:
    """The options of the new form: pairs of a word and its value, in any order."""
    wanted = Filter()
    at = 2
    while at < len(args):
        word = args[at].upper()
        if at + 1 == len(args):
            raise syntax_error()
        value = args[at + 1]
        if word == b"ID":
            wanted.number = above_zero(value, b"client-id", b"should be greater than 0")
        elif word == b"TYPE":
            wanted.kind = client_type(value)
        elif word == b"ADDR":
            wanted.address = value
        elif word == b"LADDR":
            wanted.local_address = value
        elif word == b"USER":
            if value != DEFAULT_USER:
                raise Failure(b"ERR No such user '%s'" % echoed(value))
            wanted.user = value
        elif word == b"SKIPME" and value.lower() in (b"yes", b"no"):
            wanted.skips_me = value.lower() == b"yes"
        elif word == b"MAXAGE":
            wanted.age_s = above_zero(value, b"maxage", b"is not an integer or out of range")
        else:
            raise syntax_error()
        at += 2
    return wanted


def above_zero(arg: bytes, name: bytes, not_a_number: bytes) -> int:
    """A positive number, with the errors of CLIENT KILL's options."""
    number = integer(arg, b"ERR %s %s" % (name, not_a_number))
    if number < 1:
        raise Failure(b"ERR %s should be greater than 0" % name)
    return number


def client_reply(ctx: Context, args: list[bytes]) -> object:
    """CLIENT REPLY: the network layer sends what the session lets through."""
    session = ctx.client()
    word = args[2].upper()
    if word == b"ON":
        session.replies = True
        session.skip_reply = False
        return OK
    if word == b"OFF":
        session.replies = False
    elif word == b"SKIP":
        session.skip_reply = session.replies
    else:
        raise syntax_error()
    return NO_REPLY


def on_or_off(arg: bytes) -> bool:
    """ON or OFF; a syntax error else."""
    word = arg.upper()
    if word not in (b"ON", b"OFF"):
        raise syntax_error()
    return word == b"ON"


def client_no_evict(ctx: Context, args: list[bytes]) -> object:
    """CLIENT NO-EVICT: noted; no client is closed here to save memory."""
    ctx.client().keeps_memory = on_or_off(args[2])
    return OK


def client_no_touch(ctx: Context, args: list[bytes]) -> object:
    """CLIENT NO-TOUCH."""
    keep_clocks(ctx.client(), on_or_off(args[2]))
    return OK


def client_unblock(ctx: Context, args: list[bytes]) -> object:
    """CLIENT UNBLOCK: 1 where a client was waiting, 0 where there is none or it is not."""
    reason = args[3].upper() if len(args) == 4 else b"TIMEOUT"
    if len(args) > 4:
        raise Failure(
            b"ERR unknown subcommand or wrong number of arguments for '%s'. Try CLIENT HELP."
            % echoed(args[1], 128)
        )
    if reason not in (b"TIMEOUT", b"ERROR"):
        raise Failure(b"ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
    parked = ctx.services.parked.get(integer(args[2]))
    if parked is None:
        return 0
    reply = Failure(UNBLOCKED) if reason == b"ERROR" else parked.timeout_reply()
    parked.cancelled()
    ctx.services.resume(parked, reply)
    return 1


def client_help(ctx: Context, args: list[bytes]) -> object:
    """CLIENT HELP."""
    return help_reply("CLIENT", HELP)


ANYTIME = NOSCRIPT | LOADING | STALE
SET_TIPS = ("request_policy:all_nodes", "response_policy:all_succeeded")

COMMANDS: tuple[Command, ...] = (
    Command(
        "CLIENT ID", client_id, ANYTIME, group="connection", since="5.0.0",
        about="Answers the number of the connection.",
    ),
    Command(
        "CLIENT INFO", client_info, ANYTIME, group="connection", since="6.2.0",
        about="Describes the connection.", tips=("nondeterministic_output",),
    ),
    Command(
        "CLIENT LIST [TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]",
        client_list, ADMIN | ANYTIME, group="connection", since="2.4.0",
        cost="O(N) with N the number of connections", about="Describes all connections.",
        tips=("nondeterministic_output",),
    ),
    Command(
        "CLIENT GETNAME", client_getname, ANYTIME, group="connection", since="2.6.9",
        about="Answers the name of the connection.",
    ),
    Command(
        "CLIENT SETNAME connection-name", client_setname, ANYTIME, group="connection",
        since="2.6.9", about="Gives the connection a name.", tips=SET_TIPS,
    ),
    Command(
        "CLIENT SETINFO <LIB-NAME libname | LIB-VER libver>", client_setinfo, ANYTIME,
        group="connection", since="7.2.0", about="Keeps what a client library says of itself.",
        tips=SET_TIPS,
    ),
    Command(
        "CLIENT KILL <ip:port | [ID client-id] [TYPE <NORMAL | MASTER | REPLICA | PUBSUB>]"
        " [USER username] [ADDR ip:port] [LADDR ip:port] [SKIPME <YES | NO>] [MAXAGE maxage]>",
        client_kill, ADMIN | ANYTIME, group="connection", since="2.4.0", arity=-3,
        cost="O(N) with N the number of connections", about="Ends connections.",
    ),
    Command(
        "CLIENT REPLY <ON | OFF | SKIP>", client_reply, ANYTIME, group="connection",
        since="3.2.0", about="Tells whether the connection wants replies.",
    ),
    Command(
        "CLIENT NO-EVICT <ON | OFF>", client_no_evict, ADMIN | ANYTIME, group="connection",
        since="7.0.0", about="Spares the connection when memory is short.",
    ),
    Command(
        "CLIENT NO-TOUCH <ON | OFF>", client_no_touch, ANYTIME, group="connection",
        since="7.2.0", about="Lets what the connection reads count as unused.",
    ),
    Command(
        "CLIENT UNBLOCK client-id [TIMEOUT | ERROR]", client_unblock, ADMIN | ANYTIME,
        group="connection", since="5.0.0", about="Wakes a connection that waits in a command.",
    ),
    Command(
        "CLIENT HELP", client_help, LOADING | STALE, group="connection", since="5.0.0",
        about="Describes the subcommands.",
    ),
)  # fmt: skip
