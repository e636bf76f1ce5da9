"""DEBUG: what test suites ask of a server. Allowed as `enable-debug-command` says.

SLEEP makes the client wait, not the server: one thread serves all clients, and a mesh must not lose
its links because of one of them. Sizes of Redis's encodings and other insides are not here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mypy_extensions import i64

from conf.kinds import memory_bytes
from node.commands.command import ADMIN, LOADING, NOSCRIPT, STALE, Command
from node.commands.context import Context, Parked
from node.commands.help import help_reply
from node.commands.keys import object_encoding
from node.digest import digest_of, hexadecimal, value_digest
from node.resp.replies import OK, Failure, Simple
from node.store.values.hashes import HashValue
from node.store.values.sets import SetValue
from node.store.values.strings import decimal_of, shown

Subcommand = Callable[[Context, list[bytes]], object]

# Longer than any test waits; Redis would be stopped for as long as is asked.
SLEEP_MAX_S: Final = 86_400
THRESHOLD_MAX: Final = 4 << 30

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
    "OBJECT <key>",
    "    How a value is held.",
    "QUICKLIST-PACKED-THRESHOLD <size>",
    "    Accepted; there are no quicklists.",
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
            % args[1][:128]
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
        raise Failure(b"ERR no such key")
    encoding = object_encoding(ctx, [b"OBJECT", b"ENCODING", args[2]])
    assert isinstance(encoding, bytes)
    idle_s = int(ctx.idle_s(args[2]))
    used_s = (int(ctx.now_ms()) // 1000 - idle_s) & 0xFFFFFF
    return Simple(
        b"Value at:0x%x refcount:1 encoding:%b serializedlength:%d lru:%d lru_seconds_idle:%d"
        % (id(value), encoding, serialized_bytes(value), used_s, idle_s)
    )


def serialized_bytes(value: object) -> int:
    """About how long the value is in an RDB file: a length byte before each string."""
    if isinstance(value, SetValue):
        return 1 + sum(len(member) + 1 for member in value.members)
    if isinstance(value, HashValue):
        return 1 + sum(len(field) + len(text) + 2 for field, text in value.items())
    return len(shown(value)) + 1


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
    b"OBJECT": (3, 3, object_),
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
