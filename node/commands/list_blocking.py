"""Pops and moves that wait until a list has an element: BLPOP, BRPOP, BLMOVE, BRPOPLPUSH, BLMPOP.
[compiled]

A client that waits is served, in order of arrival, as if it had sent its command when the list was
made: the keys count in the order it gave them, and a key of another type before the list is
WRONGTYPE. As long as the key that was written is no list, it goes on waiting.
"""

from __future__ import annotations

from node.commands.blocked import STILL, Blocked, block, deadline_of
from node.commands.command import BLOCKING, DENYOOM, WRITE, Command, at, counted, span
from node.commands.context import Context
from node.commands.list_moves import ManyPops, Move, is_head, many_pops, pop_first
from node.store.values.lists import ListValue


class WaitingPop(Blocked):
    """BLPOP and BRPOP."""

    def __init__(self, ctx: Context, keys: list[bytes], until_ms: int, at_head: bool) -> None:
        super().__init__(ctx, keys, until_ms)
        self.at_head = at_head

    def retry(self, ctx: Context, key: bytes) -> object:
        if not is_list(ctx, key):
            return STILL
        reply = pop_first(ctx, self.keys, self.at_head)
        return STILL if reply is None else reply


class WaitingPops(Blocked):
    """BLMPOP."""

    def __init__(self, ctx: Context, pops: ManyPops, until_ms: int) -> None:
        super().__init__(ctx, pops.keys, until_ms)
        self.pops = pops

    def retry(self, ctx: Context, key: bytes) -> object:
        if not is_list(ctx, key):
            return STILL
        reply = self.pops.run(ctx)
        return STILL if reply is None else reply


class WaitingMove(Blocked):
    """BLMOVE and BRPOPLPUSH."""

    def __init__(self, ctx: Context, move: Move, until_ms: int) -> None:
        super().__init__(ctx, [move.source], until_ms)
        self.move = move

    def retry(self, ctx: Context, key: bytes) -> object:
        return self.move.run(ctx) if is_list(ctx, key) else STILL


def is_list(ctx: Context, key: bytes) -> bool:
    """Is there a list under the key now? Who waits does not use it."""
    return isinstance(ctx.db.glance(key), ListValue)


def pop_or_wait(ctx: Context, args: list[bytes], at_head: bool) -> object:
    """BLPOP and BRPOP: the key and its element."""
    until_ms = deadline_of(ctx, args[-1])
    ctx.reworded()
    keys = args[1:-1]
    reply = pop_first(ctx, keys, at_head)
    return block(ctx, WaitingPop(ctx, keys, until_ms, at_head)) if reply is None else reply


def blpop(ctx: Context, args: list[bytes]) -> object:
    """BLPOP: the first element of the first list that is there."""
    return pop_or_wait(ctx, args, True)


def brpop(ctx: Context, args: list[bytes]) -> object:
    """BRPOP: the last element of the first list that is there."""
    return pop_or_wait(ctx, args, False)


def blmpop(ctx: Context, args: list[bytes]) -> object:
    """BLMPOP: as LMPOP."""
    pops = many_pops(args, 2)
    until_ms = deadline_of(ctx, args[1])
    ctx.reworded()
    reply = pops.run(ctx)
    return block(ctx, WaitingPops(ctx, pops, until_ms)) if reply is None else reply


def move_or_wait(ctx: Context, move: Move, timeout: bytes) -> object:
    """BLMOVE and BRPOPLPUSH: the element moved.

    Inside MULTI the null bulk where there is none; after a timeout it is the null array.
    """
    until_ms = deadline_of(ctx, timeout)
    ctx.reworded()
    item = move.run(ctx)
    if item is not None or ctx.services.nested != 0:
        return item
    return block(ctx, WaitingMove(ctx, move, until_ms))


def blmove(ctx: Context, args: list[bytes]) -> object:
    """BLMOVE: as LMOVE."""
    from_head = is_head(args[3])
    move = Move(args[1], args[2], from_head, is_head(args[4]))
    return move_or_wait(ctx, move, args[5])


def brpoplpush(ctx: Context, args: list[bytes]) -> object:
    """BRPOPLPUSH: as RPOPLPUSH."""
    return move_or_wait(ctx, Move(args[1], args[2], False, True), args[3])


COMMANDS: tuple[Command, ...] = (
    Command(
        "BLPOP key [key ...] timeout", blpop, WRITE | BLOCKING,
        keys=(span(1, -2, 1, "RW", "ACCESS", "DELETE"),),
        group="list", since="2.0.0", cost="O(1) for each key",
        about="Takes the first element of the first list that is there, or waits for one.",
    ),
    Command(
        "BRPOP key [key ...] timeout", brpop, WRITE | BLOCKING,
        keys=(span(1, -2, 1, "RW", "ACCESS", "DELETE"),),
        group="list", since="2.0.0", cost="O(1) for each key",
        about="Takes the last element of the first list that is there, or waits for one.",
    ),
    Command(
        "BLMPOP timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]", blmpop,
        WRITE | BLOCKING,
        keys=(counted(2, 3, "RW", "ACCESS", "DELETE"),),
        group="list", since="7.0.0", cost="O(1) for each key and each element",
        about="As LMPOP, but waits until one of the lists is there.",
    ),
    Command(
        "BLMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout", blmove,
        WRITE | DENYOOM | BLOCKING,
        keys=(at(1, "RW", "ACCESS", "DELETE"), at(2, "RW", "INSERT")),
        group="list", since="6.2.0", cost="O(1)",
        about="As LMOVE, but waits until the source has an element.",
    ),
    Command(
        "BRPOPLPUSH source destination timeout", brpoplpush,
        WRITE | DENYOOM | BLOCKING,
        keys=(at(1, "RW", "ACCESS", "DELETE"), at(2, "RW", "INSERT")),
        group="list", since="2.2.0", cost="O(1)",
        about="As RPOPLPUSH, but waits until the source has an element.",
    ),
)  # fmt: skip
