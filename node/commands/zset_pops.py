"""Pops of sorted sets: ZPOPMIN, ZPOPMAX, ZMPOP, and BZPOPMIN, BZPOPMAX, BZMPOP, which wait.
[compiled]

What was popped is removed by name. A client that waits is served, in order of arrival, as if it
had sent its command when the set was made: the keys count in the order it gave them, and a key of
another type before the set is WRONGTYPE. As long as the key that was written is no sorted set, it
goes on waiting.
"""

from __future__ import annotations

from typing import Final

from node.commands.args import Options, in_range, syntax_error
from node.commands.blocked import STILL, Blocked, block, deadline_of
from node.commands.command import BLOCKING, FAST, WRITE, Command, at, counted, span
from node.commands.context import Context
from node.commands.sets import NOT_POSITIVE
from node.commands.zsets import in_turn, nested
from node.resp.replies import NULL_ARRAY
from node.store.effect import ZREM
from node.store.events import ZPOPMAX, ZPOPMIN
from node.store.values.strings import I64_MAX
from node.store.values.zsets import ZSetValue

NO_NUMKEYS: Final = b"ERR numkeys should be greater than 0"
NO_COUNT: Final = b"ERR count should be greater than 0"


class Popped:
    """Members that were popped, with their scores."""

    def __init__(self, members: list[bytes], scores: list[float]) -> None:
        self.members = members
        self.scores = scores


def pop(ctx: Context, key: bytes, value: ZSetValue, count: int, lowest: bool) -> Popped:
    """Takes out up to `count` members, at least one, from one end."""
    size = value.size()
    count = min(count, size)
    start = 0 if lowest else size - count
    popped = Popped(value.members(start, start + count), value.scores(start, start + count))
    if not lowest:
        popped.members.reverse()
        popped.scores.reverse()
    ctx.reworded()
    ctx.emit(ZREM, key, popped.members, 0, ZPOPMIN if lowest else ZPOPMAX)
    return popped


def zpopmin(ctx: Context, args: list[bytes]) -> object:
    """ZPOPMIN: the members with the lowest scores."""
    return pop_reply(ctx, args, True)


def zpopmax(ctx: Context, args: list[bytes]) -> object:
    """ZPOPMAX: the members with the highest scores."""
    return pop_reply(ctx, args, False)


def pop_reply(ctx: Context, args: list[bytes], lowest: bool) -> object:
    """One member with its score; with a count RESP3 has pairs."""
    if len(args) > 3:
        raise syntax_error()
    count = in_range(args[2], 0, I64_MAX, NOT_POSITIVE) if len(args) == 3 else 1
    value = ctx.zset(args[1])
    if value is None or count == 0:
        return []
    popped = pop(ctx, args[1], value, count, lowest)
    if len(args) == 3 and ctx.client().resp != 2:
        return nested(popped.members, popped.scores)
    return in_turn(popped.members, popped.scores)


class ManyPops:
    """What ZMPOP and BZMPOP ask for: up to `count` members of the first sorted set there is."""

    def __init__(self, keys: list[bytes], lowest: bool, count: int) -> None:
        self.keys = keys
        self.lowest = lowest
        self.count = count

    def run(self, ctx: Context) -> object:
        """The key, and the members with their scores as pairs; None where there is no set."""
        for key in self.keys:
            value = ctx.zset(key)
            if value is not None:
                popped = pop(ctx, key, value, self.count, self.lowest)
                return [key, nested(popped.members, popped.scores)]
        return None


def many_pops(args: list[bytes], first: int) -> ManyPops:
    """numkeys key [key ...] <MIN | MAX> [COUNT count], from args[first] on."""
    number = in_range(args[first], 1, I64_MAX, NO_NUMKEYS)
    end = first + 1 + number
    if end >= len(args):
        raise syntax_error()
    word = args[end].upper()
    if word != b"MIN" and word != b"MAX":
        raise syntax_error()
    count = 0
    options = Options(args, end + 1)
    while options.more():
        if options.word() != b"COUNT" or count != 0 or not options.has_value():
            raise syntax_error()
        count = in_range(options.value(), 1, I64_MAX, NO_COUNT)
    return ManyPops(args[first + 1 : end], word == b"MIN", max(count, 1))


def zmpop(ctx: Context, args: list[bytes]) -> object:
    """ZMPOP: pops from the first sorted set that is there; the null array where none is."""
    reply = many_pops(args, 1).run(ctx)
    return NULL_ARRAY if reply is None else reply


def pop_first(ctx: Context, keys: list[bytes], lowest: bool) -> object:
    """The key, a member and its score, of the first sorted set that is there; else None."""
    for key in keys:
        value = ctx.zset(key)
        if value is not None:
            popped = pop(ctx, key, value, 1, lowest)
            return [key, *in_turn(popped.members, popped.scores)]
    return None


class WaitingPop(Blocked):
    """BZPOPMIN and BZPOPMAX."""

    def __init__(self, ctx: Context, keys: list[bytes], until_ms: int, lowest: bool) -> None:
        super().__init__(ctx, keys, until_ms)
        self.given = keys
        self.lowest = lowest

    def retry(self, ctx: Context, key: bytes) -> object:
        if not is_zset(ctx, key):
            return STILL
        reply = pop_first(ctx, self.given, self.lowest)
        return STILL if reply is None else reply


class WaitingPops(Blocked):
    """BZMPOP."""

    def __init__(self, ctx: Context, pops: ManyPops, until_ms: int) -> None:
        super().__init__(ctx, pops.keys, until_ms)
        self.pops = pops

    def retry(self, ctx: Context, key: bytes) -> object:
        if not is_zset(ctx, key):
            return STILL
        reply = self.pops.run(ctx)
        return STILL if reply is None else reply


def is_zset(ctx: Context, key: bytes) -> bool:
    """Is there a sorted set under the key now? Who waits does not use it."""
    return isinstance(ctx.db.glance(key), ZSetValue)


def pop_or_wait(ctx: Context, args: list[bytes], lowest: bool) -> object:
    """BZPOPMIN and BZPOPMAX: the key, the member and its score."""
    until_ms = deadline_of(ctx, args[-1])
    keys = args[1:-1]
    reply = pop_first(ctx, keys, lowest)
    return block(ctx, WaitingPop(ctx, keys, until_ms, lowest)) if reply is None else reply


def bzpopmin(ctx: Context, args: list[bytes]) -> object:
    """BZPOPMIN: the member with the lowest score of the first sorted set that is there."""
    return pop_or_wait(ctx, args, True)


def bzpopmax(ctx: Context, args: list[bytes]) -> object:
    """BZPOPMAX: the member with the highest score of the first sorted set that is there."""
    return pop_or_wait(ctx, args, False)


def bzmpop(ctx: Context, args: list[bytes]) -> object:
    """BZMPOP: as ZMPOP."""
    pops = many_pops(args, 2)
    until_ms = deadline_of(ctx, args[1])
    reply = pops.run(ctx)
    return block(ctx, WaitingPops(ctx, pops, until_ms)) if reply is None else reply


class ZpopminCommand(Command):
    """Calls its handler directly."""

    def run(self, ctx: Context, args: list[bytes]) -> object:
        return zpopmin(ctx, args)


EACH_LOG: Final = "O(log N) for each member popped"

COMMANDS: tuple[Command, ...] = (
    ZpopminCommand(
        "ZPOPMIN key [count]", zpopmin, WRITE | FAST,
        keys=(at(1, "RW", "ACCESS", "DELETE"),), group="sorted-set", since="5.0.0", cost=EACH_LOG,
        about="Takes out the members with the lowest scores.",
    ),
    Command(
        "ZPOPMAX key [count]", zpopmax, WRITE | FAST,
        keys=(at(1, "RW", "ACCESS", "DELETE"),), group="sorted-set", since="5.0.0", cost=EACH_LOG,
        about="Takes out the members with the highest scores.",
    ),
    Command(
        "ZMPOP numkeys key [key ...] <MIN | MAX> [COUNT count]", zmpop, WRITE,
        keys=(counted(1, 2, "RW", "ACCESS", "DELETE"),), group="sorted-set", since="7.0.0",
        cost="O(1) for each key and O(log N) for each member popped",
        about="Takes members out of the first of several sorted sets that is there.",
    ),
    Command(
        "BZPOPMIN key [key ...] timeout", bzpopmin, WRITE | BLOCKING | FAST,
        keys=(span(1, -2, 1, "RW", "ACCESS", "DELETE"),), group="sorted-set", since="5.0.0",
        cost="O(1) for each key and O(log N)",
        about="Takes out the member with the lowest score, or waits for one.",
    ),
    Command(
        "BZPOPMAX key [key ...] timeout", bzpopmax, WRITE | BLOCKING | FAST,
        keys=(span(1, -2, 1, "RW", "ACCESS", "DELETE"),), group="sorted-set", since="5.0.0",
        cost="O(1) for each key and O(log N)",
        about="Takes out the member with the highest score, or waits for one.",
    ),
    Command(
        "BZMPOP timeout numkeys key [key ...] <MIN | MAX> [COUNT count]", bzmpop,
        WRITE | BLOCKING,
        keys=(counted(2, 3, "RW", "ACCESS", "DELETE"),), group="sorted-set", since="7.0.0",
        cost="O(1) for each key and O(log N) for each member popped",
        about="As ZMPOP, but waits until one of the sorted sets is there.",
    ),
)  # fmt: skip
