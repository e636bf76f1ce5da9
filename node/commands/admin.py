"""The server: INFO, FLUSHALL, SAVE, SHUTDOWN, TIME and the like, and MEMORY USAGE."""

from __future__ import annotations

from node.commands.args import DB_OUT_OF_RANGE, I32_MAX, I32_MIN, in_range, integer, syntax_error
from node.commands.command import (
    ADMIN,
    ALLOW_BUSY,
    FAST,
    LOADING,
    NO_ASYNC_LOADING,
    NO_MULTI,
    NOSCRIPT,
    READONLY,
    STALE,
    WRITE,
    Command,
    at,
)
from node.commands.context import Context
from node.commands.footprint import SAMPLES, footprint
from node.commands.help import help_reply
from node.commands.keys import object_value
from node.commands.lolwut import picture
from node.info import render
from node.resp.replies import NO_REPLY, OK, Failure, Verbatim
from node.store.keyspace import Database

SWAP_REFUSED = (
    b"ERR SWAPDB is not supported while active-replica is on: writes of other nodes that are under"
    b" way would reach the wrong database. Copy the keys with COPY key key DB number instead."
)
MEMORY_HELP = (
    "USAGE <key> [SAMPLES <count>]",
    "    About how many bytes a key and its value take. Of a large value so many members are",
    "    looked at (5 if not said, 0 for all).",
)


def dbsize(ctx: Context, args: list[bytes]) -> object:
    """DBSIZE."""
    return int(ctx.db.keys.size)


def flush_mode(args: list[bytes]) -> None:
    """ASYNC or SYNC: both free the memory in slices, between commands."""
    if len(args) > 2 or (len(args) == 2 and args[1].upper() not in (b"ASYNC", b"SYNC")):
        raise syntax_error()


def flush(ctx: Context, databases: list[Database]) -> object:
    """Empties databases as one unit; one that is empty is not mentioned to anybody."""
    for db in databases:
        if db.keys.size:
            ctx.writer.flush(db)
    return OK


def flushdb(ctx: Context, args: list[bytes]) -> object:
    """FLUSHDB [ASYNC | SYNC]."""
    flush_mode(args)
    if len(args) > 1:
        ctx.reworded()
    return flush(ctx, [ctx.db])


def flushall(ctx: Context, args: list[bytes]) -> object:
    """FLUSHALL [ASYNC | SYNC]."""
    flush_mode(args)
    ctx.reworded()
    return flush(ctx, ctx.services.databases)


def swapdb(ctx: Context, args: list[bytes]) -> object:
    """SWAPDB: two databases change their contents; no key is touched, watched ones count as such.

    Refused while the mesh is on: what the nodes remember of keys goes by the database's number,
    and writes that are under way to or from a peer would land in the other one.
    """
    first = in_range(args[1], I32_MIN, I32_MAX, b"ERR invalid first DB index")
    second = in_range(args[2], I32_MIN, I32_MAX, b"ERR invalid second DB index")
    databases = ctx.services.databases
    if not (0 <= first < len(databases) and 0 <= second < len(databases)):
        raise Failure(DB_OUT_OF_RANGE)
    if not ctx.writer.resolver.may_swap():
        raise Failure(SWAP_REFUSED)
    if first != second:
        ctx.writer.swap(databases[first], databases[second])
    return OK


def info(ctx: Context, args: list[bytes]) -> object:
    """INFO [section ...]."""
    wanted = [arg.lower().decode("latin-1") for arg in args[1:]]
    return Verbatim(b"txt", render(ctx.services, ctx.writer, wanted))


def time_(ctx: Context, args: list[bytes]) -> object:
    """TIME: seconds and microseconds."""
    microseconds = int(ctx.services.time_s * 1_000_000)
    return [b"%d" % (microseconds // 1_000_000), b"%d" % (microseconds % 1_000_000)]


def lastsave(ctx: Context, args: list[bytes]) -> object:
    """LASTSAVE."""
    return ctx.services.shell.last_save_s()


def save(ctx: Context, args: list[bytes]) -> object:
    """SAVE."""
    return ctx.services.shell.save(background=False)


def bgsave(ctx: Context, args: list[bytes]) -> object:
    """BGSAVE [SCHEDULE]."""
    if len(args) > 2 or (len(args) == 2 and args[1].upper() != b"SCHEDULE"):
        raise syntax_error()
    return ctx.services.shell.save(background=True, schedule=len(args) == 2)


def shutdown(ctx: Context, args: list[bytes]) -> object:
    """SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]: there is no reply where it works.

    The end is not put off here for the sake of followers, so there is never one to be aborted.
    """
    words = [arg.upper() for arg in args[1:]]
    known = {b"NOSAVE", b"SAVE", b"NOW", b"FORCE", b"ABORT"}
    if not known.issuperset(words) or {b"NOSAVE", b"SAVE"}.issubset(words):
        raise syntax_error()
    if b"ABORT" in words:
        if len(words) > 1:
            raise syntax_error()
        raise Failure(b"ERR No shutdown in progress.")
    saves: bool | None = None
    if b"SAVE" in words or b"NOSAVE" in words:
        saves = b"SAVE" in words
    reply = ctx.services.shell.shutdown(saves, b"NOW" in words, b"FORCE" in words)
    return NO_REPLY if reply is None else reply


def role(ctx: Context, args: list[bytes]) -> object:
    """ROLE."""
    return ctx.services.shell.role()


def lolwut(ctx: Context, args: list[bytes]) -> object:
    """LOLWUT [VERSION version]: a picture; there is one for all versions."""
    if len(args) > 2 and args[1].upper() == b"VERSION":
        integer(args[2])
    return Verbatim(b"txt", picture(ctx.services.random))


def memory_usage(ctx: Context, args: list[bytes]) -> object:
    """MEMORY USAGE key [SAMPLES count]."""
    samples = SAMPLES
    place = 3
    while place < len(args):
        if args[place].upper() != b"SAMPLES" or place + 1 == len(args):
            raise syntax_error()
        samples = integer(args[place + 1])
        if samples < 0:
            raise syntax_error()
        place += 2
    value = object_value(ctx, args)
    return None if value is None else footprint(args[2], value, samples)


def memory_help(ctx: Context, args: list[bytes]) -> object:
    """MEMORY HELP."""
    return help_reply("MEMORY", MEMORY_HELP)


EVERY_SHARD = ("request_policy:all_shards", "response_policy:all_succeeded")
RARE = ("admin", "dangerous")

COMMANDS: tuple[Command, ...] = (
    Command(
        "DBSIZE", dbsize, READONLY | FAST, group="server", about="Counts the keys of a database.",
        categories=("keyspace",), tips=("request_policy:all_shards", "response_policy:agg_sum"),
    ),
    Command(
        "FLUSHDB [ASYNC | SYNC]", flushdb, WRITE, group="server",
        cost="O(1); the memory is freed in slices", about="Deletes all keys of a database.",
        categories=("keyspace", "dangerous"), tips=EVERY_SHARD,
    ),
    Command(
        "FLUSHALL [ASYNC | SYNC]", flushall, WRITE, group="server",
        cost="O(1) for each database; the memory is freed in slices",
        about="Deletes all keys of all databases.",
        categories=("keyspace", "dangerous"), tips=EVERY_SHARD,
    ),
    Command(
        "SWAPDB index1 index2", swapdb, WRITE | FAST, group="server", since="4.0.0",
        cost="O(N) with N the watched keys and those that clients wait for",
        about="Lets two databases change their contents.", categories=("keyspace", "dangerous"),
    ),
    Command(
        "INFO [section [section ...]]", info, LOADING | STALE, group="server",
        about="Tells how the server is and what it has done.", categories=("dangerous",),
        tips=("nondeterministic_output", "request_policy:all_shards", "response_policy:special"),
    ),
    Command(
        "TIME", time_, LOADING | STALE | FAST, group="server", since="2.6.0",
        about="Tells the time.", tips=("nondeterministic_output",),
    ),
    Command(
        "LASTSAVE", lastsave, LOADING | STALE | FAST, group="server",
        about="Tells when data was last saved.", categories=RARE,
        tips=("nondeterministic_output",),
    ),
    Command(
        "SAVE", save, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI, group="server",
        cost="O(N) with N all keys", about="Saves all data and answers when it is done.",
    ),
    Command(
        "BGSAVE [SCHEDULE]", bgsave, ADMIN | NOSCRIPT | NO_ASYNC_LOADING, group="server",
        about="Saves all data in the background.",
    ),
    Command(
        "SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]", shutdown,
        ADMIN | NOSCRIPT | LOADING | STALE | NO_MULTI | ALLOW_BUSY, group="server",
        cost="O(N) with N all keys where they are saved", about="Ends the server.",
    ),
    Command(
        "ROLE", role, NOSCRIPT | LOADING | STALE | FAST, group="server", since="2.8.12",
        about="Tells whom the node follows and who follows it.", categories=RARE,
    ),
    Command(
        "LOLWUT [VERSION version]", lolwut, READONLY | FAST, group="server", since="5.0.0",
        about="Draws a picture.",
    ),
    Command(
        "MEMORY USAGE key [SAMPLES count]", memory_usage, READONLY, keys=(at(2, "RO"),),
        group="server", since="4.0.0", cost="O(N) with N the samples",
        about="Estimates the memory of a key.",
    ),
    Command(
        "MEMORY HELP", memory_help, LOADING | STALE, group="server", since="4.0.0",
        about="Describes the subcommands.",
    ),
)  # fmt: skip
