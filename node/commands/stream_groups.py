"""Consumer groups: XGROUP, XACK, XACKDEL; the table also has XREADGROUP and the claims.
[compiled]
"""

from __future__ import annotations

from typing import Final

from node.commands.args import echoed, integer
from node.commands.command import (
    BLOCKING,
    DENYOOM,
    FAST,
    LOADING,
    READONLY,
    STALE,
    WRITE,
    Command,
    at,
    behind,
)
from node.commands.context import Context
from node.commands.help import help_reply
from node.commands.stream_args import bound, group_of, stream_id, stream_ids
from node.commands.stream_claims import xautoclaim, xclaim, xpending
from node.commands.stream_reads import xreadgroup
from node.commands.stream_trim import ACKED, DROP, DeleteOptions, is_referenced, unreferenced
from node.commands.streams import DELETED, NOT_THERE, RANDOM, REFERENCED
from node.resp.replies import OK, Failure
from node.store.effect import XACK, XDEL, XGROUP
from node.store.events import (
    NO_EVENT,
    XGROUP_CREATE,
    XGROUP_CREATECONSUMER,
    XGROUP_DELCONSUMER,
    XGROUP_DESTROY,
    XGROUP_SETID,
)
from node.store.values.groups import (
    CREATE,
    CREATE_CONSUMER,
    DELETE_CONSUMER,
    DESTROY,
    SETID,
    UNKNOWN_READS,
    Acknowledged,
    Group,
    GroupChange,
)
from node.store.values.streams import Deleted, StreamValue

NO_KEY: Final = (
    b"ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to "
    b"use the MKSTREAM option to create an empty stream automatically."
)
NO_GROUP: Final = b"NOGROUP No such consumer group '%b' for key name '%b'"
BUSY: Final = b"BUSYGROUP Consumer Group name already exists"
BAD_READS: Final = b"ERR value for ENTRIESREAD must be positive or -1"
ARGUMENTS_OF_CREATE_MAX: Final = 8
HELP: Final = (
    "CREATE <key> <groupname> <id|$> [option]",
    "    Create a new consumer group. Options are:",
    "    * MKSTREAM",
    "      Create the empty stream if it does not exist.",
    "    * ENTRIESREAD entries_read",
    "      Set the group's entries_read counter (internal use).",
    "CREATECONSUMER <key> <groupname> <consumer>",
    "    Create a new consumer in the specified group.",
    "DELCONSUMER <key> <groupname> <consumer>",
    "    Remove the specified consumer.",
    "DESTROY <key> <groupname>",
    "    Remove the specified group.",
    "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
    "    Set the current group ID and entries_read counter.",
)


def wrong_subcommand(args: list[bytes]) -> Failure:
    """The error for options that a subcommand does not have."""
    return Failure(
        b"ERR unknown subcommand or wrong number of arguments for '%b'. Try %b HELP."
        % (echoed(args[1], 128), args[0].upper())
    )


def group_options(args: list[bytes], is_create: bool) -> tuple[bool, int]:
    """[MKSTREAM] [ENTRIESREAD n] of CREATE and SETID."""
    makes = False
    reads = UNKNOWN_READS
    i = 5
    while i < len(args):
        word = args[i].upper()
        if is_create and word == b"MKSTREAM":
            makes = True
            i += 1
        elif word == b"ENTRIESREAD" and i + 1 < len(args):
            reads = integer(args[i + 1])
            if reads < UNKNOWN_READS:
                raise Failure(BAD_READS)
            i += 2
        else:
            raise wrong_subcommand(args)
    return makes, reads


def xgroup_create(ctx: Context, args: list[bytes]) -> object:
    """XGROUP CREATE: OK, or BUSYGROUP."""
    makes, reads = group_options(args, True)
    value = ctx.stream(args[2])
    if value is None and not makes:
        raise Failure(NO_KEY)
    if len(args) > ARGUMENTS_OF_CREATE_MAX:
        raise wrong_subcommand(args)
    last = 0 if value is None else value.last_id
    number = last if args[4] == b"$" else stream_id(args[4])
    if value is not None and args[3] in value.groups:
        raise Failure(BUSY)
    reads = min(reads, 0 if value is None else value.entries_added)
    ctx.reworded()
    ctx.emit(XGROUP, args[2], GroupChange(CREATE, args[3], number, reads), 0, XGROUP_CREATE)
    return OK


def stream_of_group(ctx: Context, args: list[bytes]) -> StreamValue:
    """The stream that XGROUP's other subcommands need."""
    value = ctx.stream(args[2])
    if value is None:
        raise Failure(NO_KEY)
    return value


def known_group(ctx: Context, args: list[bytes]) -> tuple[StreamValue, Group]:
    """The stream and its group; Failure where one is lacking."""
    value = stream_of_group(ctx, args)
    group = value.groups.get(args[3])
    if group is None:
        raise Failure(NO_GROUP % (echoed(args[3]), echoed(args[2])))
    return value, group


def xgroup_setid(ctx: Context, args: list[bytes]) -> object:
    """XGROUP SETID: OK."""
    _, reads = group_options(args, False)
    value, _ = known_group(ctx, args)
    if len(args) > 7:
        raise wrong_subcommand(args)
    number = value.last_id if args[4] == b"$" else bound(args[4], 0)
    reads = min(reads, value.entries_added)
    ctx.reworded()
    ctx.emit(XGROUP, args[2], GroupChange(SETID, args[3], number, reads), 0, XGROUP_SETID)
    return OK


def xgroup_destroy(ctx: Context, args: list[bytes]) -> object:
    """XGROUP DESTROY: 1 where there was such a group."""
    value = stream_of_group(ctx, args)
    if args[3] not in value.groups:
        return 0
    return ctx.emit(XGROUP, args[2], GroupChange(DESTROY, args[3]), 0, XGROUP_DESTROY)


def xgroup_createconsumer(ctx: Context, args: list[bytes]) -> object:
    """XGROUP CREATECONSUMER: 1 where it is new."""
    _, group = known_group(ctx, args)
    if args[4] in group.consumers:
        return 0
    ctx.reworded()
    change = GroupChange(CREATE_CONSUMER, args[3], 0, 0, args[4], int(ctx.now_ms()))
    return ctx.emit(XGROUP, args[2], change, 0, XGROUP_CREATECONSUMER)


def xgroup_delconsumer(ctx: Context, args: list[bytes]) -> object:
    """XGROUP DELCONSUMER: how much was pending with it."""
    _, group = known_group(ctx, args)
    if args[4] not in group.consumers:
        return 0
    change = GroupChange(DELETE_CONSUMER, args[3], 0, 0, args[4])
    return ctx.emit(XGROUP, args[2], change, 0, XGROUP_DELCONSUMER)


def xgroup_help(ctx: Context, args: list[bytes]) -> object:
    """XGROUP HELP."""
    return help_reply("XGROUP", HELP)


def xack(ctx: Context, args: list[bytes]) -> object:
    """XACK: how many of these entries were pending."""
    _, group = group_of(ctx, args[1], args[2])
    if group is None:
        return 0
    pending = group.pending
    asked = dict.fromkeys(stream_ids(args, 3, len(args)))
    held = [number for number in asked if number in pending]
    if not held:
        return 0
    ctx.reworded()
    return ctx.emit(XACK, args[1], Acknowledged(args[2], held), 0, NO_EVENT)


def xackdel(ctx: Context, args: list[bytes]) -> object:
    """XACKDEL: for each ID 1 deleted, 2 acknowledged but still referenced, -1 not pending."""
    value, group = group_of(ctx, args[1], args[2])
    options = DeleteOptions(args, 3)
    if value is None or group is None:
        return [NOT_THERE] * options.count
    ids = options.ids(args)
    acknowledged: dict[int, None] = {}
    gone: list[int] = []
    replies: list[object] = []
    for number in ids:
        if number in acknowledged or number not in group.pending:
            replies.append(NOT_THERE)
            continue
        acknowledged[number] = None
        if options.references == ACKED and is_referenced(value, number, group):
            replies.append(REFERENCED)
            continue
        replies.append(DELETED)
        gone.append(number)
    if not acknowledged:
        return replies
    ctx.reworded()
    ctx.emit(XACK, args[1], Acknowledged(args[2], list(acknowledged)), 0, NO_EVENT)
    present = [number for number in gone if value.has(number)]
    if present:
        ctx.emit(XDEL, args[1], Deleted(present))
    if options.references == DROP:
        unreferenced(ctx, args[1], value, gone)
    return replies


COMMANDS: tuple[Command, ...] = (
    Command(
        "XGROUP CREATE key group <id | $> [MKSTREAM] [ENTRIESREAD entries-read]",
        xgroup_create, WRITE | DENYOOM,
        keys=(at(2, "RW", "INSERT"),), group="stream", since="5.0.0", cost="O(1)",
        about="Makes a consumer group.",
    ),
    Command(
        "XGROUP SETID key group <id | $> [ENTRIESREAD entries-read]", xgroup_setid, WRITE,
        keys=(at(2, "RW", "UPDATE"),), group="stream", since="5.0.0", cost="O(1)",
        about="Sets behind which entry a consumer group goes on.",
    ),
    Command(
        "XGROUP DESTROY key group", xgroup_destroy, WRITE,
        keys=(at(2, "RW", "DELETE"),), group="stream", since="5.0.0",
        cost="O(N) with N the entries pending in the group",
        about="Removes a consumer group with all its consumers.",
    ),
    Command(
        "XGROUP CREATECONSUMER key group consumer", xgroup_createconsumer, WRITE | DENYOOM,
        keys=(at(2, "RW", "INSERT"),), group="stream", since="6.2.0", cost="O(1)",
        about="Makes a consumer in a group.",
    ),
    Command(
        "XGROUP DELCONSUMER key group consumer", xgroup_delconsumer, WRITE,
        keys=(at(2, "RW", "DELETE"),), group="stream", since="5.0.0",
        cost="O(N) with N the entries pending with the consumer",
        about="Removes a consumer, and what is pending with it.",
    ),
    Command(
        "XGROUP HELP", xgroup_help, LOADING | STALE, group="stream", since="5.0.0", cost="O(1)",
        about="Lists the subcommands.", categories=("stream",),
    ),
    Command(
        "XREADGROUP <GROUP group consumer> [COUNT count] [BLOCK milliseconds] [NOACK]"
        " <STREAMS key [key ...] id [id ...]>",
        xreadgroup, WRITE | BLOCKING,
        keys=(behind("STREAMS", 4, -1, 2, "RO", "ACCESS"),), group="stream", since="5.0.0",
        cost="O(log N + M) for each stream with M the entries returned",
        about="Gives a consumer of a group new entries, or shows what it has pending.",
    ),
    Command(
        "XACK key group id [id ...]", xack, WRITE | FAST,
        keys=(at(1, "RW", "UPDATE"),), group="stream", since="5.0.0",
        cost="O(log N) for each ID with N the entries pending",
        about="Says that entries given to a consumer are done with.",
    ),
    Command(
        "XACKDEL key group [KEEPREF | DELREF | ACKED] <IDS numids id [id ...]>",
        xackdel, WRITE | FAST,
        keys=(at(1, "RW", "UPDATE", "DELETE"),), group="stream", since="8.2.0",
        cost="O(log N) for each ID with N the entries pending", arity=-6,
        about="Says that entries are done with, and deletes them.",
    ),
    Command(
        "XPENDING key group [[IDLE min-idle-time] start end count [consumer]]",
        xpending, READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="stream", since="5.0.0",
        cost="O(log N + M) with M the entries looked at; the summary takes O(consumers)",
        about="Shows what is given to consumers and not done with.", tips=RANDOM,
    ),
    Command(
        "XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms]"
        " [TIME unix-time-milliseconds] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID lastid]",
        xclaim, WRITE | FAST,
        keys=(at(1, "RW", "UPDATE"),), group="stream", since="5.0.0",
        cost="O(log N) for each ID with N the entries pending",
        about="Gives pending entries to another consumer.", tips=RANDOM,
    ),
    Command(
        "XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]",
        xautoclaim, WRITE | FAST,
        keys=(at(1, "RW", "DELETE"),), group="stream", since="6.2.0",
        cost="O(log N + M) with M at most ten times COUNT",
        about="Gives entries that have been pending for long to another consumer.", tips=RANDOM,
    ),
)  # fmt: skip
