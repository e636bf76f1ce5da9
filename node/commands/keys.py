"""Keys of any type: deleting, asking, renaming, copying, OBJECT.  [compiled]"""

from __future__ import annotations

from mypy_extensions import i64

from node.commands.args import DB_OUT_OF_RANGE, Options, small_integer, syntax_error
from node.commands.command import (
    DENYOOM,
    FAST,
    LOADING,
    READONLY,
    STALE,
    WRITE,
    Command,
    at,
    span,
)  # fmt: skip
from node.commands.context import Context
from node.commands.encodings import encoding_at, encoding_of_string, thresholds_of
from node.resp.replies import OK, Failure, Simple
from node.store.effect import DROP, PUT
from node.store.entry import RAW
from node.store.events import COPY_TO, MOVE_FROM, MOVE_TO, RENAME_FROM, RENAME_TO
from node.store.values.strings import shown
from node.store.values.value import Value

NO_SUCH_KEY = b"ERR no such key"
SAME_OBJECT = b"ERR source and destination objects are the same"
LFU_HINT = (
    b" Please note that when switching between policies at runtime LRU and LFU data will take"
    b" some time to adjust."
)
STRING = Simple(b"string")
ABSENT = Simple(b"none")


def del_(ctx: Context, args: list[bytes]) -> object:
    """DEL and UNLINK: a large value is freed in slices afterwards, whichever was sent."""
    if len(args) != 2:
        ctx.reworded()
    deleted = 0
    i: i64 = 1
    n: i64 = len(args)
    while i < n:
        value = ctx.find(args[i])
        if value is not None:
            ctx.emit(DROP, args[i])
            deleted += 1
        i += 1
    return deleted


def expdel(ctx: Context, args: list[bytes]) -> object:
    """EXPDEL: KeyDB alone knows the word, so its effects are told as DEL."""
    ctx.reworded()
    return del_(ctx, args)


def exists(ctx: Context, args: list[bytes]) -> object:
    """EXISTS: a key named twice counts twice."""
    found = 0
    i: i64 = 1
    n: i64 = len(args)
    while i < n:
        if ctx.peek(args[i]) is not None:
            found += 1
        i += 1
    return found


def touch(ctx: Context, args: list[bytes]) -> object:
    """TOUCH."""
    found = 0
    for key in args[1:]:
        if ctx.touch(key):
            found += 1
    return found


def type_(ctx: Context, args: list[bytes]) -> object:
    """TYPE."""
    return type_of(ctx.peek(args[1]))


def type_of(value: object) -> Simple:
    """A value's type as TYPE names it."""
    if value is None:
        return ABSENT
    if isinstance(value, Value):
        return Simple(value.kind())
    return STRING


def rename(ctx: Context, args: list[bytes]) -> object:
    """RENAME."""
    if ctx.find(args[1]) is None:
        raise Failure(NO_SUCH_KEY)
    if args[1] != args[2]:
        transfer(ctx, args[1], ctx, args[2], RENAME_FROM, RENAME_TO)
    return OK


def renamenx(ctx: Context, args: list[bytes]) -> object:
    """RENAMENX."""
    if ctx.find(args[1]) is None:
        raise Failure(NO_SUCH_KEY)
    if args[1] == args[2] or ctx.find(args[2]) is not None:
        return 0
    transfer(ctx, args[1], ctx, args[2], RENAME_FROM, RENAME_TO)
    return 1


def transfer(
    ctx: Context, source: bytes, there: Context, target: bytes, leaving: i64, coming: i64
) -> None:
    """Moves a key that is known to be here: dropped under one name, put under the other."""
    there.find(target)  # one past its deadline goes now, as a unit of its own
    value = ctx.find(source)
    deadline = ctx.deadline(source)
    flags = form_of(ctx, source, value)
    ctx.reworded()
    ctx.emit(DROP, source, None, 0, leaving)
    there.emit(PUT, target, carried(value), deadline, coming)
    there.db.set_text_flags(target, flags)


def form_of(ctx: Context, key: bytes, value: object) -> i64:
    """What OBJECT ENCODING must know of a string that gets another key: one that is raw stays so,
    also where it would fit into the new key's piece."""
    flags = ctx.db.text_flags(key)
    if isinstance(value, Value):
        return flags
    if encoding_of_string(key, value, ctx.deadline(key), flags) == b"raw":
        return flags | i64(RAW)
    return flags


def carried(value: object) -> object:
    """A value as a PUT carries it: a counter as its text; the PUT copies a collection."""
    return shown(value) if isinstance(value, int) else value


def other_database(ctx: Context, arg: bytes) -> int:
    """The number of a database, named by an argument."""
    number = small_integer(arg)
    if number < 0 or number >= len(ctx.services.databases):
        raise Failure(DB_OUT_OF_RANGE)
    return number


def context_of(ctx: Context, number: int) -> Context:
    """The same client's context in another database."""
    return Context(ctx.services.databases[number], ctx.writer, ctx.services)


def move(ctx: Context, args: list[bytes]) -> object:
    """MOVE."""
    number = other_database(ctx, args[2])
    if number == ctx.db.number:
        raise Failure(SAME_OBJECT)
    there = context_of(ctx, number)
    if ctx.find(args[1]) is None or there.find(args[1]) is not None:
        return 0
    transfer(ctx, args[1], there, args[1], MOVE_FROM, MOVE_TO)
    return 1


def copy(ctx: Context, args: list[bytes]) -> object:
    """COPY."""
    number = int(ctx.db.number)
    replace = False
    options = Options(args, 3)
    while options.more():
        word = options.word()
        if word == b"REPLACE":
            replace = True
        elif word == b"DB" and options.has_value():
            number = other_database(ctx, options.value())
        else:
            raise syntax_error()
    if number == ctx.db.number and args[1] == args[2]:
        raise Failure(SAME_OBJECT)
    there = context_of(ctx, number)
    value = ctx.find(args[1])
    if value is None:
        ctx.services.notify.read_missed(int(ctx.db.number), args[1])
        return 0
    if there.find(args[2]) is not None and not replace:
        return 0
    deadline = ctx.deadline(args[1])
    ctx.reworded()
    twin = carried(value)
    if isinstance(twin, Value):
        twin = twin.copy()  # later commands of a transaction may change the source
    there.emit(PUT, args[2], twin, deadline, COPY_TO)
    there.db.set_text_flags(args[2], form_of(ctx, args[1], value))
    return 1


def object_value(ctx: Context, args: list[bytes]) -> object:
    """The value that an OBJECT subcommand asks about, None where the key is absent: no event
    tells of it."""
    notify = ctx.services.notify
    before = notify.writing
    notify.writing = True
    value = ctx.peek(args[2])
    notify.writing = before
    return value


def object_encoding(ctx: Context, args: list[bytes]) -> object:
    """OBJECT ENCODING: how Redis would hold such a value under the configured thresholds."""
    value = object_value(ctx, args)
    if value is None:
        return None
    return encoding_at(ctx, args[2], value, thresholds_of(ctx.services.config))


def object_refcount(ctx: Context, args: list[bytes]) -> object:
    """OBJECT REFCOUNT: values are never shared here."""
    return None if object_value(ctx, args) is None else 1


def counts_frequency(ctx: Context) -> bool:
    """Is an LFU policy configured?"""
    return "lfu" in ctx.services.config.text("maxmemory-policy")


def object_idletime(ctx: Context, args: list[bytes]) -> object:
    """OBJECT IDLETIME: seconds since the key was last used."""
    if object_value(ctx, args) is None:
        return None
    idle_s = int(ctx.idle_s(args[2]))
    if counts_frequency(ctx):
        raise Failure(b"ERR An LFU maxmemory policy is selected, idle time not tracked." + LFU_HINT)
    return idle_s


def object_freq(ctx: Context, args: list[bytes]) -> object:
    """OBJECT FREQ: the logarithmic counter of uses, kept under an LFU policy only."""
    if object_value(ctx, args) is None:
        return None
    if not counts_frequency(ctx):
        raise Failure(
            b"ERR An LFU maxmemory policy is not selected, access frequency not tracked." + LFU_HINT
        )
    return ctx.db.uses(args[2])


def object_help(ctx: Context, args: list[bytes]) -> object:
    """OBJECT HELP."""
    return [
        Simple(line)
        for line in (
            b"OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            b"ENCODING <key>",
            b"    How Redis would hold the value in memory.",
            b"FREQ <key>",
            b"    How often the key is used, under an LFU policy.",
            b"IDLETIME <key>",
            b"    Seconds since the key was last used.",
            b"REFCOUNT <key>",
            b"    How many references the value has.",
            b"HELP",
            b"    These lines.",
        )
    ]


INSPECTED = (at(2, "RO"),)

COMMANDS: tuple[Command, ...] = (
    Command(
        "DEL key [key ...]", del_, WRITE, keys=(span(1, -1, 1, "RM", "DELETE"),),
        cost="O(1) for each key", about="Deletes keys.",
        tips=("request_policy:multi_shard", "response_policy:agg_sum"),
    ),
    Command(
        "UNLINK key [key ...]", del_, WRITE | FAST, keys=(span(1, -1, 1, "RM", "DELETE"),),
        since="4.0.0", cost="O(1) for each key", about="Deletes keys.",
        tips=("request_policy:multi_shard", "response_policy:agg_sum"),
    ),
    Command(
        "EXPDEL key [key ...]", expdel, WRITE, keys=(span(1, -1, 1, "RM", "DELETE"),),
        cost="O(1) for each key", about="KeyDB's other name of DEL.",
    ),
    Command(
        "EXISTS key [key ...]", exists, READONLY | FAST, keys=(span(1, -1, 1, "RO"),),
        cost="O(N) for N keys", about="Counts how many of the keys exist.",
        tips=("request_policy:multi_shard", "response_policy:agg_sum"),
    ),
    Command(
        "TOUCH key [key ...]", touch, READONLY | FAST, keys=(span(1, -1, 1, "RO"),),
        since="3.2.1", cost="O(N) for N keys", about="Marks keys as used just now.",
        tips=("request_policy:multi_shard", "response_policy:agg_sum"),
    ),
    Command(
        "TYPE key", type_, READONLY | FAST, keys=(at(1, "RO"),), about="Answers a value's type.",
    ),
    Command(
        "RENAME key newkey", rename, WRITE,
        keys=(at(1, "RW", "ACCESS", "DELETE"), at(2, "OW", "UPDATE")),
        cost="O(N) for N members", about="Gives a key another name; what had it is replaced.",
    ),
    Command(
        "RENAMENX key newkey", renamenx, WRITE | FAST,
        keys=(at(1, "RW", "ACCESS", "DELETE"), at(2, "OW", "INSERT")),
        cost="O(N) for N members", about="Gives a key another name that is free.",
    ),
    Command(
        "COPY source destination [DB destination-db] [REPLACE]", copy, WRITE | DENYOOM,
        keys=(at(1, "RO", "ACCESS"), at(2, "OW", "UPDATE")), since="6.2.0",
        cost="O(N) for N members", about="Copies a value to another key.",
    ),
    Command(
        "MOVE key db", move, WRITE | FAST, keys=(at(1, "RW", "ACCESS", "UPDATE"),),
        cost="O(N) for N members", about="Moves a key to another database.",
    ),
    Command(
        "OBJECT ENCODING key", object_encoding, READONLY, keys=INSPECTED, since="2.2.3",
        cost="O(N) for few members, else O(1)", about="Answers how Redis would hold the value.",
        tips=("nondeterministic_output",),
    ),
    Command(
        "OBJECT FREQ key", object_freq, READONLY, keys=INSPECTED, since="4.0.0",
        about="Answers how often a key is used.", tips=("nondeterministic_output",),
    ),
    Command(
        "OBJECT IDLETIME key", object_idletime, READONLY, keys=INSPECTED, since="2.2.3",
        about="Answers how long a key was not used.", tips=("nondeterministic_output",),
    ),
    Command(
        "OBJECT REFCOUNT key", object_refcount, READONLY, keys=INSPECTED, since="2.2.3",
        about="Answers how many references a value has.", tips=("nondeterministic_output",),
    ),
    Command(
        "OBJECT HELP", object_help, LOADING | STALE, since="6.2.0",
        about="Lists the subcommands.",
    ),
)  # fmt: skip
