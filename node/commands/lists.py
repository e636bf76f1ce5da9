"""Lists: LPUSH, LPOP, LRANGE, LSET, LINSERT, LREM, LTRIM, LPOS and what is like them.  [compiled]

What moves elements between lists, and what waits for them, is in list_moves.py and
list_blocking.py.
"""

from __future__ import annotations

from typing import Final

from node.commands.args import I32_MAX, in_range, integer, syntax_error
from node.commands.command import DENYOOM, FAST, READONLY, WRITE, Command, at
from node.commands.context import Context
from node.resp.replies import NULL_ARRAY, OK, Failure
from node.store.effect import INSERT, LSET, PUSH, REMOVE
from node.store.events import LPOP, LPUSH, LREM, LTRIM, RPOP, RPUSH
from node.store.values.lists import Assigned, Inserted, ListValue, Pushed, Removed
from node.store.values.strings import I64_MAX

NOT_POSITIVE: Final = b"ERR value is out of range, must be positive"
TOO_FAR: Final = (
    b"ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"
)
RANK_ZERO: Final = (
    b"ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use "
    b"negative to start from the end of the list"
)
WRONG_ARITY: Final = b"ERR wrong number of arguments for '%s' command"


def lpush(ctx: Context, args: list[bytes]) -> object:
    """LPUSH: the new length. Of several elements the last is the first of the list."""
    ctx.list(args[1])
    return ctx.emit(PUSH, args[1], Pushed(args, 2, True), 0, LPUSH)


def rpush(ctx: Context, args: list[bytes]) -> object:
    """RPUSH: the new length."""
    ctx.list(args[1])
    return ctx.emit(PUSH, args[1], Pushed(args, 2, False), 0, RPUSH)


def lpushx(ctx: Context, args: list[bytes]) -> object:
    """LPUSHX: as LPUSH, 0 where there is no list."""
    if ctx.list(args[1]) is None:
        return 0
    ctx.reworded()
    return lpush(ctx, args)


def rpushx(ctx: Context, args: list[bytes]) -> object:
    """RPUSHX: as RPUSH, 0 where there is no list."""
    if ctx.list(args[1]) is None:
        return 0
    ctx.reworded()
    return rpush(ctx, args)


def take_one(ctx: Context, key: bytes, value: ListValue, at_head: bool) -> bytes:
    """Takes out the first or the last element of the list under `key`."""
    if at_head:
        item = value.get(0)
        ctx.emit(REMOVE, key, Removed([(0, 1)]), 0, LPOP)
        return item
    last = value.length - 1
    item = value.get(last)
    ctx.emit(REMOVE, key, Removed([(int(last), 1)]), 0, RPOP)
    return item


def take(ctx: Context, key: bytes, value: ListValue, at_head: bool, count: int) -> list[bytes]:
    """Takes up to `count` elements, at least one, out at an end; in the order they were popped."""
    length = int(value.length)
    if count > length:
        count = length
    if at_head:
        items = value.range(0, count)
        ctx.emit(REMOVE, key, Removed([(0, count)]), 0, LPOP)
        return items
    items = value.range(length - count, length)
    items.reverse()
    ctx.emit(REMOVE, key, Removed([(length - count, count)]), 0, RPOP)
    return items


def popped(ctx: Context, args: list[bytes], at_head: bool) -> object:
    """LPOP and RPOP."""
    if len(args) == 2:
        value = ctx.list(args[1])
        return None if value is None else take_one(ctx, args[1], value, at_head)
    if len(args) > 3:
        raise Failure(WRONG_ARITY % args[0].lower())
    count = in_range(args[2], 0, I64_MAX, NOT_POSITIVE)
    value = ctx.list(args[1])
    if value is None:
        return NULL_ARRAY
    if count == 0:
        return []
    if count > value.length:
        ctx.reworded()
    return take(ctx, args[1], value, at_head, count)


def lpop(ctx: Context, args: list[bytes]) -> object:
    """LPOP: the first element, or with a count up to so many of them."""
    return popped(ctx, args, True)


def rpop(ctx: Context, args: list[bytes]) -> object:
    """RPOP: the last element, or with a count up to so many of them, the last one first."""
    return popped(ctx, args, False)


def llen(ctx: Context, args: list[bytes]) -> object:
    """LLEN."""
    value = ctx.list(args[1])
    return 0 if value is None else value.size()


def lindex(ctx: Context, args: list[bytes]) -> object:
    """LINDEX: the element at an index, negative from the end."""
    value = ctx.list(args[1])
    if value is None:
        return None
    index = integer(args[2])
    if index < 0:
        index += value.size()
    return value.get(index) if 0 <= index < value.length else None


def lrange(ctx: Context, args: list[bytes]) -> object:
    """LRANGE: the elements from one index to another, both included, negative from the end."""
    start = integer(args[2])
    stop = integer(args[3])
    value = ctx.list(args[1])
    if value is None:
        return []
    begin, end = bounds(start, stop, value.size())
    return value.range(begin, end)


def bounds(start: int, stop: int, length: int) -> tuple[int, int]:
    """Two indexes as LRANGE and LTRIM take them: where the range begins, and where it has ended.

    An empty range is (0, 0).
    """
    if start < 0:
        start = max(start + length, 0)
    if stop < 0:
        stop += length
    if start > stop or start >= length:
        return 0, 0
    return start, min(stop, length - 1) + 1


def lset(ctx: Context, args: list[bytes]) -> object:
    """LSET: another value for the element at an index.

    Redis looks at the lower 32 bits of the index alone, unlike LINDEX.
    """
    value = ctx.list(args[1])
    if value is None:
        raise Failure(b"ERR no such key")
    index = integer(args[2])
    if index > I32_MAX or index < -I32_MAX:
        index = ((index + I32_MAX + 1) & 0xFFFFFFFF) - I32_MAX - 1
        ctx.reworded()
    if index < 0:
        index += value.size()
    if index < 0 or index >= value.length:
        raise Failure(b"ERR index out of range")
    ctx.emit(LSET, args[1], Assigned(args[3], index))
    return OK


def linsert(ctx: Context, args: list[bytes]) -> object:
    """LINSERT: the new length; -1 where the pivot is not there, 0 where the list is not."""
    where = args[2].upper()
    if where != b"BEFORE" and where != b"AFTER":
        raise syntax_error()
    value = ctx.list(args[1])
    if value is None:
        return 0
    found = value.matches(args[3], True, 1, 0)
    if not found:
        return -1
    ctx.reworded()
    position = found[0] if where == b"BEFORE" else found[0] + 1
    return ctx.emit(INSERT, args[1], Inserted(args[4], position))


def lrem(ctx: Context, args: list[bytes]) -> object:
    """LREM: how many equal elements were removed; the first `count`, negative: the last, 0: all."""
    count = far_integer(args[2])
    value = ctx.list(args[1])
    if value is None:
        return 0
    found = value.matches(args[3], count >= 0, abs(count), 0)
    if not found:
        return 0
    if count < 0:
        found.reverse()
    ctx.reworded()
    return ctx.emit(REMOVE, args[1], Removed(spans_of(found)), 0, LREM)


def far_integer(arg: bytes) -> int:
    """An integer whose negative is one too."""
    number = integer(arg)
    if number < -I64_MAX:
        raise Failure(TOO_FAR)
    return number


def spans_of(positions: list[int]) -> list[tuple[int, int]]:
    """Ascending positions as spans (position, count)."""
    spans: list[tuple[int, int]] = []
    begin = positions[0]
    end = begin
    for position in positions:
        if position != end:
            spans.append((begin, end - begin))
            begin = position
        end = position + 1
    spans.append((begin, end - begin))
    return spans


def ltrim(ctx: Context, args: list[bytes]) -> object:
    """LTRIM: keeps the elements from one index to another, both included.

    Where it removes nothing it is told all the same, and spoils a WATCH, as in Redis.
    """
    start = integer(args[2])
    stop = integer(args[3])
    value = ctx.list(args[1])
    if value is None:
        return OK
    length = value.size()
    begin, end = bounds(start, stop, length)
    spans: list[tuple[int, int]] = []
    if begin == end:
        spans.append((0, length))
    else:
        if begin > 0:
            spans.append((0, begin))
        if end < length:
            spans.append((end, length - end))
    ctx.reworded()
    ctx.emit(REMOVE, args[1], Removed(spans), 0, LTRIM)
    return OK


def lpos(ctx: Context, args: list[bytes]) -> object:
    """LPOS: the index of an equal element, or with COUNT of several (0: of all)."""
    rank = 1
    count = -1
    places = 0
    for i in range(3, len(args), 2):
        word = args[i].upper()
        if i + 1 == len(args):
            raise syntax_error()
        if word == b"RANK":
            rank = far_integer(args[i + 1])
            if rank == 0:
                raise Failure(RANK_ZERO)
        elif word == b"COUNT":
            count = in_range(args[i + 1], 0, I64_MAX, b"ERR COUNT can't be negative")
        elif word == b"MAXLEN":
            places = in_range(args[i + 1], 0, I64_MAX, b"ERR MAXLEN can't be negative")
        else:
            raise syntax_error()
    value = ctx.list(args[1])
    if value is None:
        return None if count < 0 else []
    skipped = abs(rank) - 1
    most = 0 if count == 0 else skipped + abs(count)
    found = value.matches(args[2], rank > 0, most, places)[skipped:]
    if count >= 0:
        return found
    return found[0] if found else None


class LpushCommand(Command):
    """Calls its handler directly."""

    def run(self, ctx: Context, args: list[bytes]) -> object:
        return lpush(ctx, args)


class RpushCommand(Command):
    """Calls its handler directly."""

    def run(self, ctx: Context, args: list[bytes]) -> object:
        return rpush(ctx, args)


class LpopCommand(Command):
    """Calls its handler directly."""

    def run(self, ctx: Context, args: list[bytes]) -> object:
        return popped(ctx, args, True)


class RpopCommand(Command):
    """Calls its handler directly."""

    def run(self, ctx: Context, args: list[bytes]) -> object:
        return popped(ctx, args, False)


MIDDLE: Final = "O(sqrt(N)) with N the list's length; O(1) at both ends"

COMMANDS: tuple[Command, ...] = (
    LpushCommand(
        "LPUSH key element [element ...]", lpush, WRITE | DENYOOM | FAST,
        keys=(at(1, "RW", "INSERT"),), group="list", since="1.0.0", cost="O(1) for each element",
        about="Puts elements before the first of a list, one after another.",
    ),
    RpushCommand(
        "RPUSH key element [element ...]", rpush, WRITE | DENYOOM | FAST,
        keys=(at(1, "RW", "INSERT"),), group="list", since="1.0.0", cost="O(1) for each element",
        about="Puts elements behind the last of a list, one after another.",
    ),
    Command(
        "LPUSHX key element [element ...]", lpushx, WRITE | DENYOOM | FAST,
        keys=(at(1, "RW", "INSERT"),), group="list", since="2.2.0", cost="O(1) for each element",
        about="As LPUSH, but only where there is a list already.",
    ),
    Command(
        "RPUSHX key element [element ...]", rpushx, WRITE | DENYOOM | FAST,
        keys=(at(1, "RW", "INSERT"),), group="list", since="2.2.0", cost="O(1) for each element",
        about="As RPUSH, but only where there is a list already.",
    ),
    LpopCommand(
        "LPOP key [count]", lpop, WRITE | FAST,
        keys=(at(1, "RW", "ACCESS", "DELETE"),), group="list", since="1.0.0",
        cost="O(1) for each element", about="Takes the first elements out of a list.",
    ),
    RpopCommand(
        "RPOP key [count]", rpop, WRITE | FAST,
        keys=(at(1, "RW", "ACCESS", "DELETE"),), group="list", since="1.0.0",
        cost="O(1) for each element", about="Takes the last elements out of a list.",
    ),
    Command(
        "LLEN key", llen, READONLY | FAST,
        keys=(at(1, "RO"),), group="list", since="1.0.0", cost="O(1)",
        about="Counts the elements of a list.",
    ),
    Command(
        "LINDEX key index", lindex, READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="list", since="1.0.0", cost=MIDDLE,
        about="Shows the element at an index.",
    ),
    Command(
        "LRANGE key start stop", lrange, READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="list", since="1.0.0",
        cost="O(1) for each element returned, and O(sqrt(N)) to find the first",
        about="Shows the elements from one index to another.",
    ),
    Command(
        "LSET key index element", lset, WRITE | DENYOOM,
        keys=(at(1, "RW", "UPDATE"),), group="list", since="1.0.0", cost=MIDDLE,
        about="Gives the element at an index another value.",
    ),
    Command(
        "LINSERT key <BEFORE | AFTER> pivot element", linsert, WRITE | DENYOOM,
        keys=(at(1, "RW", "INSERT"),), group="list", since="2.2.0",
        cost="O(N) with N the elements before the pivot",
        about="Puts an element beside the first one that equals the pivot.",
    ),
    Command(
        "LREM key count element", lrem, WRITE,
        keys=(at(1, "RW", "DELETE"),), group="list", since="1.0.0",
        cost="O(N) with N the list's length",
        about="Removes equal elements, counted from either end, or all of them.",
    ),
    Command(
        "LTRIM key start stop", ltrim, WRITE,
        keys=(at(1, "RW", "DELETE"),), group="list", since="1.0.0",
        cost="O(1) for each element removed, and O(sqrt(N))",
        about="Removes all but the elements from one index to another.",
    ),
    Command(
        "LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]", lpos, READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="list", since="6.0.6",
        cost="O(N) with N the elements looked at",
        about="Finds the indexes of equal elements.",
    ),
)  # fmt: skip
