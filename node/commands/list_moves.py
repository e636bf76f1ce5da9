"""Elements from one list to another, and pops of the first list that has some: LMOVE, LMPOP.
[compiled]

A move is one unit of two effects: the element is pushed with the identity it has and removed from
its source; in one list it is removed first.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.commands.args import Options, in_range, syntax_error
from node.commands.command import DENYOOM, WRITE, Command, at, counted
from node.commands.context import Context
from node.commands.lists import take, take_one
from node.resp.replies import NULL_ARRAY
from node.store.effect import PUSH, REMOVE
from node.store.events import LPOP, LPUSH, NO_EVENT, RPOP, RPUSH
from node.store.values.lists import ListValue, Pushed, Removed, Run
from node.store.values.strings import I64_MAX

NO_NUMKEYS: Final = b"ERR numkeys should be greater than 0"
NO_COUNT: Final = b"ERR count should be greater than 0"


class Move:
    """What LMOVE, RPOPLPUSH and their blocking forms ask for."""

    def __init__(self, source: bytes, target: bytes, from_head: bool, to_head: bool) -> None:
        self.source = source
        self.target = target
        self.from_head = from_head
        self.to_head = to_head

    def run(self, ctx: Context) -> object:
        """The element moved; None where the source is not there."""
        value = ctx.list(self.source)
        if value is None:
            return None
        ctx.list(self.target)
        ctx.reworded()
        if self.source == self.target:
            return self.turn(ctx, value)
        place = 0 if self.from_head else int(value.length) - 1
        item = value.get(place)
        # In Redis's order: told as a push, then as a pop.
        self.push(ctx, item, value.element_at(place), LPUSH if self.to_head else RPUSH)
        removed = Removed([(place, 1)])
        ctx.emit(REMOVE, self.source, removed, 0, LPOP if self.from_head else RPOP)
        return item

    def turn(self, ctx: Context, value: ListValue) -> bytes:
        """Moves an element of a list to an end of the same list.

        Where that changes nothing it is told all the same, and spoils a WATCH, as in Redis.
        """
        last = int(value.length) - 1
        place = 0 if self.from_head else last
        item = value.get(place)
        events: i64 = LPUSH if self.to_head else RPUSH
        events = events | ((LPOP if self.from_head else RPOP) << 8)
        if last == 0 or self.from_head == self.to_head:
            ctx.emit(REMOVE, self.source, Removed([]), 0, events)
            return item
        identity = value.element_at(place)
        ctx.emit(REMOVE, self.source, Removed([(place, 1)]), 0, NO_EVENT)
        self.push(ctx, item, identity, events)
        return item

    def push(self, ctx: Context, item: bytes, identity: Run | None, events: i64) -> None:
        """The half of a move that puts the element where it goes, with the identity it has."""
        pushed = Pushed([item], 0, self.to_head)
        pushed.kept = identity
        ctx.emit(PUSH, self.target, pushed, 0, events)


def is_head(word: bytes) -> bool:
    """LEFT or RIGHT; syntax error for another word."""
    side = word.upper()
    if side == b"LEFT":
        return True
    if side != b"RIGHT":
        raise syntax_error()
    return False


def lmove(ctx: Context, args: list[bytes]) -> object:
    """LMOVE: the element moved, None where there is none."""
    from_head = is_head(args[3])
    return Move(args[1], args[2], from_head, is_head(args[4])).run(ctx)


def rpoplpush(ctx: Context, args: list[bytes]) -> object:
    """RPOPLPUSH: as LMOVE RIGHT LEFT."""
    return Move(args[1], args[2], False, True).run(ctx)


class ManyPops:
    """What LMPOP and BLMPOP ask for: up to `count` elements of the first list that is there."""

    def __init__(self, keys: list[bytes], at_head: bool, count: int) -> None:
        self.keys = keys
        self.at_head = at_head
        self.count = count

    def run(self, ctx: Context) -> list[object] | None:
        """The list's key and the elements; None where there is no list."""
        for key in self.keys:
            value = ctx.list(key)
            if value is not None:
                ctx.reworded()
                return [key, take(ctx, key, value, self.at_head, self.count)]
        return None


def many_pops(args: list[bytes], first: int) -> ManyPops:
    """numkeys key [key ...] <LEFT | RIGHT> [COUNT count], from args[first] on."""
    number = in_range(args[first], 1, I64_MAX, NO_NUMKEYS)
    side = first + 1 + number
    if side >= len(args):
        raise syntax_error()
    at_head = is_head(args[side])
    count = 0
    options = Options(args, side + 1)
    while options.more():
        if options.word() != b"COUNT" or count != 0 or not options.has_value():
            raise syntax_error()
        count = in_range(options.value(), 1, I64_MAX, NO_COUNT)
    return ManyPops(args[first + 1 : side], at_head, max(count, 1))


def lmpop(ctx: Context, args: list[bytes]) -> object:
    """LMPOP: pops from the first list that is there; the null array where none is."""
    reply = many_pops(args, 1).run(ctx)
    return NULL_ARRAY if reply is None else reply


def pop_first(ctx: Context, keys: list[bytes], at_head: bool) -> list[object] | None:
    """BLPOP and BRPOP: the key and an element of the first list that is there; else None."""
    for key in keys:
        value = ctx.list(key)
        if value is not None:
            ctx.reworded()
            return [key, take_one(ctx, key, value, at_head)]
    return None


COMMANDS: tuple[Command, ...] = (
    Command(
        "LMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT>", lmove, WRITE | DENYOOM,
        keys=(at(1, "RW", "ACCESS", "DELETE"), at(2, "RW", "INSERT")),
        group="list", since="6.2.0", cost="O(1)",
        about="Takes an element from an end of one list and puts it at an end of another.",
    ),
    Command(
        "RPOPLPUSH source destination", rpoplpush, WRITE | DENYOOM,
        keys=(at(1, "RW", "ACCESS", "DELETE"), at(2, "RW", "INSERT")),
        group="list", since="1.2.0", cost="O(1)",
        about="Takes the last element of one list and puts it before the first of another.",
    ),
    Command(
        "LMPOP numkeys key [key ...] <LEFT | RIGHT> [COUNT count]", lmpop, WRITE,
        keys=(counted(1, 2, "RW", "ACCESS", "DELETE"),),
        group="list", since="7.0.0", cost="O(1) for each key and each element",
        about="Takes elements out of the first of several lists that is there.",
    ),
)  # fmt: skip
