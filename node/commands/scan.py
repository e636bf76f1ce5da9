"""Walking the keys: SCAN, KEYS, RANDOMKEY, DBSIZE; glob patterns.

`glob` reads a pattern once for many keys; node/store/glob.py decides alike for a single text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from node.commands.args import Options, cursor, integer, syntax_error
from node.commands.command import FAST, READONLY, TOUCHES_ARBITRARY_KEYS, Command
from node.commands.context import Context
from node.commands.keys import type_of
from node.resp.replies import Failure

DEFAULT_COUNT = 10
# Keys looked at in one call, whatever COUNT asks for: some 50 ms.
COUNT_MAX = 100_000
# RANDOMKEY looks at so many keys for one that is not past its deadline before it looks at all.
RANDOM_TRIES = 100
SPECIAL = frozenset(b"*?[\\")


def glob(pattern: bytes, nocase: bool = False) -> Callable[[bytes], bool]:
    """A function that tells whether a text matches the pattern (`*`, `?`, `[a-z]`, `[^a]`, `\\`).

    An empty text matches the empty pattern alone, not even `*`, as in Redis.
    """
    pieces = glob_pieces(pattern)
    # Between two stars the leftmost match is as good as any, so it is never reconsidered: (?>...)
    # keeps a pattern of many stars from taking exponential time.
    middle = b"".join(b"(?>.*?" + piece + b")" for piece in pieces[1:-1] if piece)
    source = pieces[0] + (middle + b".*" + pieces[-1] if len(pieces) > 1 else b"")
    found = re.compile(source, re.DOTALL | (re.IGNORECASE if nocase else 0)).fullmatch

    def matches(text: bytes) -> bool:
        return found(text) is not None and (text != b"" or pattern == b"")

    return matches


def glob_pieces(pattern: bytes) -> list[bytes]:
    """The pattern cut at its stars, each piece as a regular expression."""
    pieces: list[bytes] = []
    piece = bytearray()
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == 42:
            pieces.append(bytes(piece))
            piece = bytearray()
        elif char == 63:
            piece += b"."
        elif char == 91:
            source, at = glob_class(pattern, at)
            piece += source
        else:
            if char == 92 and at < len(pattern):
                char = pattern[at]
                at += 1
            piece += b"\\x%02x" % char
    pieces.append(bytes(piece))
    return pieces


def glob_class(pattern: bytes, at: int) -> tuple[bytes, int]:
    """The class whose inside begins at `at`, and where it ends; one never closed ends at the end.

    In a range the third character counts whatever it is: in `[a-]b]` it is the bracket.
    """
    negated = pattern[at : at + 1] == b"^"
    if negated:
        at += 1
    inside = bytearray()
    while at < len(pattern):
        char = pattern[at]
        if char == 92 and at + 1 < len(pattern):
            inside += b"\\x%02x" % pattern[at + 1]
            at += 2
        elif char == 93:
            at += 1
            break
        elif at + 2 < len(pattern) and pattern[at + 1] == 45:
            low, high = sorted((char, pattern[at + 2]))
            inside += b"\\x%02x-\\x%02x" % (low, high)
            at += 3
        else:
            inside += b"\\x%02x" % char
            at += 1
    if not inside:
        return (b"." if negated else b"(?!)"), at
    return b"[" + (b"^" if negated else b"") + bytes(inside) + b"]", at


NO_TYPE: Final = b"?"  # TYPE "": the name of no type, told from no TYPE at all


class ScanOptions:
    """What stands behind SCAN's cursor."""

    def __init__(self) -> None:
        self.match: Callable[[bytes], bool] | None = None
        self.count = DEFAULT_COUNT
        self.type = b""


def scan_options(args: list[bytes]) -> ScanOptions:
    """Reads MATCH, COUNT and TYPE; the last of each kind counts. No type has an unknown name."""
    found = ScanOptions()
    options = Options(args, 2)
    while options.more():
        word = options.word()
        if word == b"COUNT" and options.has_value():
            found.count = integer(options.value())
            if found.count < 1:
                raise syntax_error()
        elif word == b"MATCH" and options.has_value():
            pattern = options.value()
            found.match = None if pattern == b"*" else glob(pattern)
        elif word == b"TYPE" and options.has_value():
            found.type = options.value().lower() or NO_TYPE
        elif word == b"NOVALUES":
            raise Failure(b"ERR NOVALUES option can only be used in HSCAN")
        else:
            raise syntax_error()
    return found


def scan(ctx: Context, args: list[bytes]) -> object:
    """SCAN: a key that is here during the whole scan is returned, each at most once."""
    position = cursor(args[1])
    options = scan_options(args)
    following, keys = ctx.db.scan(position, min(options.count, COUNT_MAX))
    found: list[object] = []
    for key in keys:
        # One past its deadline goes, whether it was asked for or not.
        if not ctx.db.present(key) or (options.match is not None and not options.match(key)):
            continue
        if not options.type or options.type == type_of(ctx.db.glance(key)).text:
            found.append(key)
    return [b"%d" % following, found]


def keys(ctx: Context, args: list[bytes]) -> object:
    """KEYS. A pattern without special characters is looked up."""
    pattern = args[1]
    if pattern == b"*":
        return ctx.db.names()
    if SPECIAL.isdisjoint(pattern):
        return [pattern] if ctx.db.glance(pattern) is not None else []
    matches = glob(pattern)
    return [key for key in ctx.db.names() if matches(key)]


def randomkey(ctx: Context, args: list[bytes]) -> object:
    """RANDOMKEY: every key equally likely."""
    ctx.db.merge_all()
    draw = ctx.services.random
    for _ in range(RANDOM_TRIES):
        key = ctx.db.keys.sample(draw.getrandbits(62))
        if key is None:
            return None
        if ctx.db.glance(key) is not None:
            return key
    left = ctx.db.names()
    return left[draw.randrange(len(left))] if left else None


def dbsize(ctx: Context, args: list[bytes]) -> object:
    """DBSIZE."""
    return int(ctx.db.keys.size)


COMMANDS: tuple[Command, ...] = (
    Command(
        "SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]", scan,
        READONLY | TOUCHES_ARBITRARY_KEYS, since="2.8.0",
        cost="O(count) for each call, O(N) for a whole scan", about="Walks the keys in steps.",
        tips=("nondeterministic_output", "request_policy:special", "response_policy:special"),
    ),
    Command(
        "KEYS pattern", keys, READONLY | TOUCHES_ARBITRARY_KEYS, cost="O(N) for N keys",
        about="Lists the keys whose names match a pattern.", categories=("dangerous",),
        tips=("request_policy:all_shards", "nondeterministic_output_order"),
    ),
    Command(
        "RANDOMKEY", randomkey, READONLY | TOUCHES_ARBITRARY_KEYS, cost="O(1)",
        about="Picks any key.",
        tips=("request_policy:all_shards", "response_policy:special", "nondeterministic_output"),
    ),
    Command(
        "DBSIZE", dbsize, READONLY | FAST, group="server", about="Counts the keys.",
        tips=("request_policy:all_shards", "response_policy:agg_sum"), categories=("keyspace",),
    ),
)  # fmt: skip
