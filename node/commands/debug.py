"""DEBUG: what test suites ask of a server. Allowed as `enable-debug-command` says.

SLEEP makes the client wait, not the server: one thread serves all clients, and a mesh must not lose
its links because of one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mypy_extensions import i64

from conf import Config
from conf.kinds import memory_bytes
from node.commands.args import echoed, integer
from node.commands.command import ADMIN, LOADING, NOSCRIPT, STALE, Command
from node.commands.context import Context, Parked
from node.commands.encodings import encoding_at, encoding_of_collection, thresholds_of
from node.commands.help import help_reply
from node.commands.keys import NO_SUCH_KEY
from node.commands.payloads import payload_of
from node.digest import digest_of, hexadecimal, value_digest
from node.persist import rdb_codes as codes
from node.persist.rdb_codes import RdbError
from node.persist.rdb_lists import LISTPACK_EMPTY_BYTES, Nodes
from node.persist.rdb_packed import listpack_entry_bytes
from node.persist.reload import reload
from node.resp.replies import OK, Failure, Simple
from node.store.effect import PUT
from node.store.events import NO_EVENT
from node.store.values.lists import ListValue
from node.store.values.strings import decimal_of

Subcommand = Callable[[Context, list[bytes]], object]

# Longer than any test waits; Redis would be stopped for as long as is asked.
SLEEP_MAX_S: Final = 86_400
THRESHOLD_MAX: Final = 4 << 30
# The keys are made in one go: tests ask for up to a million.
POPULATE_MAX: Final = 10_000_000
PAYLOAD_FRAME_BYTES: Final = 11

NOT_ALLOWED: Final = (
    b'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you '
    b"can run it from a local connection, otherwise you need to set this option in the "
    b"configuration file, and then restart the server."
)

HELP: Final = (
    "DIGEST",
    "    One number for all visible data; equal on nodes that show the same.",
    "DIGEST-VALUE <key> [<key> ...]",
    "    The same for each value.",
    "LISTPACK <key>",
    "    Whether Redis would hold a value as a listpack.",
    "OBJECT <key>",
    "    How Redis would hold a value.",
    "POPULATE <count> [<prefix>] [<size>]",
    "    Makes so many strings.",
    "QUICKLIST <key>",
    "    The nodes in which Redis would hold a list.",
    "QUICKLIST-PACKED-THRESHOLD <size>",
    "    Accepted; there are no quicklists.",
    "RELOAD",
    "    Writes every value as in a file, and reads it back.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Whether keys past their deadline are looked for, or go when they are touched.",
    "SLEEP <seconds>",
    "    This client waits so long; others do not.",
)


class Asleep(Parked):
    """DEBUG SLEEP: the reply is OK when the time is over."""

    def timeout_reply(self) -> object:
        """OK."""
        return OK


def debug(ctx: Context, args: list[bytes]) -> object:
    """DEBUG: one command with a word behind it, not a container, as in Redis."""
    allowed = ctx.services.config.text("enable-debug-command")
    if allowed != "yes" and not (allowed == "local" and ctx.client().is_local()):
        raise Failure(NOT_ALLOWED)
    name = args[1].upper()
    found = SUBCOMMANDS.get(name)
    if found is None or not found[0] <= len(args) <= found[1]:
        raise Failure(
            b"ERR unknown subcommand or wrong number of arguments for '%s'. Try DEBUG HELP."
            % echoed(args[1], 128)
        )
    return found[2](ctx, args)


def sleep(ctx: Context, args: list[bytes]) -> object:
    """DEBUG SLEEP seconds: what is no number counts as 0, as in C."""
    number = decimal_of(args[2])
    seconds = 0.0 if number is None else min(float(number), SLEEP_MAX_S)
    if seconds <= 0 or ctx.services.nested:
        return OK
    return Asleep(i64(int((ctx.services.time_s + seconds) * 1000)))


def object_(ctx: Context, args: list[bytes]) -> object:
    """DEBUG OBJECT: Redis's line; the address is that of no memory, and tells values apart."""
    value = ctx.peek(args[2])
    if value is None:
        raise Failure(NO_SUCH_KEY)
    limits = thresholds_of(ctx.services.config)
    encoding = encoding_at(ctx, args[2], value, limits)
    # A payload has the type before the value and ten bytes of footer behind it.
    size = len(payload_of(value, codes.VERSION_MAX, limits)) - PAYLOAD_FRAME_BYTES
    idle_s = int(ctx.idle_s(args[2]))
    used_s = (int(ctx.now_ms()) // 1000 - idle_s) & 0xFFFFFF
    line = (
        b"Value at:0x%x refcount:1 encoding:%b serializedlength:%d lru:%d lru_seconds_idle:%d"
        % (id(value), encoding, size, used_s, idle_s)
    )
    if encoding == b"quicklist" and isinstance(value, ListValue):
        line += nodes_line(value, ctx.services.config)
    return Simple(line)


def nodes_line(value: ListValue, config: Config) -> bytes:
    """What DEBUG OBJECT says of a quicklist: its nodes, as DUMP writes them."""
    fill = config.number("list-max-listpack-size")
    nodes = Nodes(fill)
    count = 1
    total = LISTPACK_EMPTY_BYTES
    size = value.size()
    for item in value.range(0, size):
        if nodes.add(item):
            count += 1
            total += LISTPACK_EMPTY_BYTES
        total += int(listpack_entry_bytes(item))
    compressed = config.number("list-compress-depth") != 0
    return (
        b" ql_nodes:%d ql_avg_node:%.2f ql_listpack_max:%d ql_compressed:%d"
        b" ql_uncompressed_size:%d" % (count, size / count, fill, compressed, total)
    )


def listpack(ctx: Context, args: list[bytes]) -> object:
    """DEBUG LISTPACK: the elements of a value that Redis would hold as one listpack.

    Redis prints them on its standard output, which a node of ours does not have.
    """
    value = ctx.peek(args[2])
    if value is None:
        raise Failure(NO_SUCH_KEY)
    limits = thresholds_of(ctx.services.config)
    encoding = encoding_at(ctx, args[2], value, limits)
    if not encoding.startswith(b"listpack"):
        raise Failure(b"ERR Not a listpack encoded object.")
    size = len(payload_of(value, codes.VERSION_MAX, limits)) - PAYLOAD_FRAME_BYTES
    return Simple(b"A listpack, %d bytes in DUMP" % size)


def quicklist(ctx: Context, args: list[bytes]) -> object:
    """DEBUG QUICKLIST: the nodes of a value that Redis would hold as a quicklist."""
    value = ctx.peek(args[2])
    if value is None:
        raise Failure(NO_SUCH_KEY)
    config = ctx.services.config
    if (
        not isinstance(value, ListValue)
        or encoding_of_collection(value, thresholds_of(config)) != b"quicklist"
    ):
        raise Failure(b"ERR Not a quicklist encoded object.")
    return Simple(nodes_line(value, config).strip())


def reload_(ctx: Context, args: list[bytes]) -> object:
    """DEBUG RELOAD: every value is written as in a file and read back; no file is touched.

    NOSAVE, NOFLUSH and MERGE ask for an existing file, which this does not read.
    """
    for word in args[2:]:
        if word.upper() in (b"MERGE", b"NOFLUSH", b"NOSAVE"):
            raise Failure(
                b"ERR DEBUG RELOAD writes and reads in memory: there is no file for NOSAVE,"
                b" NOFLUSH and MERGE"
            )
        raise Failure(b"ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
    if ctx.services.config.yes("active-replica"):
        raise Failure(
            b"ERR DEBUG RELOAD would forget what an active node knows of its peers: restart it"
        )
    if ctx.writer.walk is not None:
        raise Failure(b"ERR a snapshot is being written: try DEBUG RELOAD again when it is done")
    try:
        reload(ctx.services.databases)
    except RdbError as error:
        raise Failure(b"ERR DEBUG RELOAD: " + str(error).encode()) from error
    return OK


def populate(ctx: Context, args: list[bytes]) -> object:
    """DEBUG POPULATE count [prefix] [size]: keys that are there stay as they are."""
    count = positive_long(args[2])
    prefix = args[3] if len(args) > 3 else b"key"
    size = positive_long(args[4]) if len(args) > 4 else 0
    if count > POPULATE_MAX or size > THRESHOLD_MAX:
        raise Failure(b"ERR DEBUG POPULATE makes %d keys at most" % POPULATE_MAX)
    ctx.reworded()
    for number in range(count):
        key = b"%b:%d" % (prefix, number)
        if ctx.peek(key) is None:
            value = b"value:%d" % number
            if size:
                value = value[:size].ljust(size, b"\0")
            ctx.emit(PUT, key, value, 0, NO_EVENT)
    return OK


def positive_long(arg: bytes) -> int:
    """An integer that may not be below zero, with Redis's errors."""
    number = integer(arg)
    if number < 0:
        raise Failure(b"ERR value is out of range, must be positive")
    return number


def set_active_expire(ctx: Context, args: list[bytes]) -> object:
    """DEBUG SET-ACTIVE-EXPIRE."""
    number = decimal_of(args[2])
    ctx.services.active_expire = number is not None and int(number) != 0
    return OK


def digest(ctx: Context, args: list[bytes]) -> object:
    """DEBUG DIGEST."""
    return Simple(hexadecimal(digest_of(ctx.services.databases)))


def digest_value(ctx: Context, args: list[bytes]) -> object:
    """DEBUG DIGEST-VALUE: zeros for a key that is absent."""
    return [Simple(hexadecimal(value_digest(ctx.peek(key)))) for key in args[2:]]


def packed_threshold(ctx: Context, args: list[bytes]) -> object:
    """DEBUG QUICKLIST-PACKED-THRESHOLD: checked and forgotten."""
    size = memory_bytes(args[2].decode("latin-1"))
    if size is None or size > THRESHOLD_MAX:
        raise Failure(b"ERR argument must be a memory value bigger than 1 and smaller than 4gb")
    return OK


def help_(ctx: Context, args: list[bytes]) -> object:
    """DEBUG HELP."""
    return help_reply("DEBUG", HELP)


MANY: Final = 1 << 30
# Least and most arguments, the two names counted.
SUBCOMMANDS: Final[dict[bytes, tuple[int, int, Subcommand]]] = {
    b"DIGEST": (2, 2, digest),
    b"DIGEST-VALUE": (2, MANY, digest_value),
    b"HELP": (2, 2, help_),
    b"LISTPACK": (3, 3, listpack),
    b"OBJECT": (3, 3, object_),
    b"POPULATE": (3, 5, populate),
    b"QUICKLIST": (3, 4, quicklist),
    b"RELOAD": (2, MANY, reload_),
    b"QUICKLIST-PACKED-THRESHOLD": (3, 3, packed_threshold),
    b"SET-ACTIVE-EXPIRE": (3, 3, set_active_expire),
    b"SLEEP": (3, 3, sleep),
}

COMMANDS: tuple[Command, ...] = (
    Command(
        "DEBUG subcommand [argument [argument ...]]", debug,
        ADMIN | NOSCRIPT | LOADING | STALE, group="server",
        cost="depends on the subcommand", about="Helps those who test the server.",
    ),
)  # fmt: skip
