"""Command: one entry of the command table, and the look-up by name.  [compiled]

A handler has one signature, `(ctx, args)`, with args[0] the name. The ten hottest commands subclass
Command to call their handler directly (1 ns instead of 11).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mypy_extensions import i64

from node.commands.context import Context
from node.commands.syntax import arity_of, name_words

Handler = Callable[[Context, list[bytes]], object]

# Flags, Redis's words.
WRITE: Final[i64] = 1
READONLY: Final[i64] = 2
DENYOOM: Final[i64] = 4
FAST: Final[i64] = 8
ADMIN: Final[i64] = 16
PUBSUB: Final[i64] = 32
NOSCRIPT: Final[i64] = 64
BLOCKING: Final[i64] = 128
LOADING: Final[i64] = 256  # may run while data is loaded
STALE: Final[i64] = 512  # may run while a replica's data is stale
NO_AUTH: Final[i64] = 1024  # may run before authentication
NO_MULTI: Final[i64] = 2048  # refused inside MULTI
SKIP_MONITOR: Final[i64] = 4096
SKIP_SLOWLOG: Final[i64] = 8192
ALLOW_BUSY: Final[i64] = 16384
MAY_REPLICATE: Final[i64] = 32768
NO_ASYNC_LOADING: Final[i64] = 65536
NO_MANDATORY_KEYS: Final[i64] = 131072
MOVABLE_KEYS: Final[i64] = 262144
QUEUE_CONTROL: Final[i64] = 524288  # EXEC, DISCARD, MULTI, WATCH, QUIT, RESET: run, not queued
SUBSCRIBER: Final[i64] = 1048576  # allowed in RESP2 subscribe mode
TOUCHES_ARBITRARY_KEYS: Final[i64] = 2097152
ASKING: Final[i64] = 4194304  # may run on a slot that is being imported; shown, and no more

MULTIPLIER: Final[i64] = 0x1E3779B97F4A7C15
CODES_MASK: Final[i64] = 4095


class KeySpec:
    """Where a command's keys stand.

    `first`, `last` (negative: from the end), `step`; or, with `count_at` >= 0, the number of keys
    stands at that argument and they begin at `first`. With a `keyword` they stand behind that word,
    which is looked for from `first` on, `last` counted from the first key; `limit` 2 halves what
    follows (STREAMS). `unknown`, a reason: no rule says where they are, see specs.py. `flags` are
    Redis's key spec flags by name.
    """

    def __init__(
        self,
        first: int,
        last: int,
        step: int,
        flags: tuple[str, ...],
        count_at: int = -1,
        keyword: str = "",
        limit: int = 0,
        unknown: str = "",
    ) -> None:
        self.first = first
        self.last = last
        self.step = step
        self.flags = flags
        self.count_at = count_at
        self.keyword = keyword
        self.limit = limit
        self.unknown = unknown


def at(first: int, *flags: str) -> KeySpec:
    """One key, at this argument."""
    return KeySpec(first, first, 1, flags)


def span(first: int, last: int, step: int, *flags: str) -> KeySpec:
    """Keys from `first` to `last`, `last` negative from the end."""
    return KeySpec(first, last, step, flags)


def counted(count_at: int, first: int, *flags: str) -> KeySpec:
    """Argument `count_at` says how many keys there are from `first` on."""
    return KeySpec(first, -1, 1, flags, count_at)


def behind(keyword: str, first: int, last: int, limit: int, *flags: str) -> KeySpec:
    """Keys behind a word that is looked for from argument `first` on."""
    return KeySpec(first, last, 1, flags, keyword=keyword, limit=limit)


def unknown(reason: str, *flags: str) -> KeySpec:
    """Keys that no rule finds: the reason is Redis's note on the key spec."""
    return KeySpec(0, 0, 1, flags, unknown=reason)


class Command:
    """One command or subcommand: its syntax line is where arity and names come from."""

    def __init__(
        self,
        syntax: str,
        handler: Handler,
        flags: int,
        *,
        keys: tuple[KeySpec, ...] = (),
        group: str = "generic",
        since: str = "1.0.0",
        cost: str = "O(1)",
        about: str = "",
        arity: int = 0,
        accepts: int = 0,
        categories: tuple[str, ...] = (),
        tips: tuple[str, ...] = (),
    ) -> None:
        words = name_words(syntax)
        self.syntax = syntax
        self.name = words[0].lower().encode()
        self.subname = words[1].lower().encode() if len(words) > 1 else b""
        self.fullname = self.name + (b"|" + self.subname if self.subname else b"")
        self.handler = handler
        self.flags: i64 = i64(flags)
        self.shown_arity: i64 = i64(arity if arity != 0 else arity_of(syntax))
        # What calls are held to: `accepts` where more is taken than Redis's arity says.
        self.arity: i64 = i64(accepts) if accepts != 0 else self.shown_arity
        self.code: i64 = -1
        self.keys = keys
        self.group = group
        self.since = since
        self.cost = cost
        self.about = about
        self.categories = categories
        self.tips = tips
        self.subcommands: dict[bytes, Command] | None = None
        self.calls: i64 = 0
        self.seconds: float = 0.0
        self.rejected: i64 = 0
        self.failed: i64 = 0

    def run(self, ctx: Context, args: list[bytes]) -> object:
        """Runs the handler."""
        return self.handler(ctx, args)


def unavailable(ctx: Context, args: list[bytes]) -> object:
    """The handler of the empty place in the code table; never called."""
    return None


NONE: Final = Command("-", unavailable, 0)
TABLE: Final[dict[bytes, Command]] = {}
CODES: Final[list[Command]] = [NONE] * 4096


def code_of(name: bytes) -> i64:
    """A lower-cased name of up to eight letters as a number, as the parser makes it."""
    code: i64 = 0
    i: i64 = len(name)
    while i > 0:
        i -= 1
        code = (code << 8) | i64(name[i] | 0x20)
    return code


def place_of(code: i64) -> i64:
    """Where in CODES a name's code stands."""
    return (((code ^ (code >> 31)) & 0x3FFFFFFF) * 0x9E3779B1 >> 18) & CODES_MASK


def register(command: Command) -> None:
    """Adds a command or a subcommand to the table."""
    if command.subname:
        parent = TABLE.get(command.name)
        if parent is None:
            name = command.name.decode().upper()
            parent = Command(
                name, unavailable, 0, group=command.group, since=command.since, arity=-2,
                cost="that of the subcommand", about="Has subcommands.",
            )  # fmt: skip
            register(parent)
        if parent.subcommands is None:
            parent.subcommands = {}
        if version_of(command.since) < version_of(parent.since):
            parent.since = command.since
        parent.subcommands[command.subname] = command
        return
    TABLE[command.name] = command
    if len(command.name) <= 8 and command.name.isalpha():
        command.code = code_of(command.name)
        place = place_of(command.code)
        if CODES[place] is NONE:
            CODES[place] = command


def version_of(text: str) -> list[int]:
    """A version such as 2.8.13 as numbers, to be compared."""
    return [int(part) for part in text.split(".")]


def find(code: i64, name: bytes) -> Command | None:
    """The command of this name; `code` is the parser's number for it, 0 where it has none."""
    if code != 0:
        command = CODES[place_of(code)]
        if command.code == code:
            return command
    return TABLE.get(name.lower())
