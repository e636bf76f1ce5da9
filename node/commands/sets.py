"""Sets: SADD, SREM, SPOP, the algebra and SSCAN.  [compiled]

Replies in any order come in the order in which members were added, up to 2,000
(node/store/values/places.py).
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.commands.args import cursor, in_range, integer, syntax_error
from node.commands.command import DENYOOM, FAST, READONLY, WRITE, Command, at, counted, span
from node.commands.context import Context
from node.commands.member_picks import picked, picked_again
from node.commands.member_scan import scan_members, scan_options
from node.resp.replies import Failure, SetReply
from node.store.effect import DROP, PUT, SADD, SREM
from node.store.events import SDIFFSTORE, SINTERSTORE, SPOP, SUNIONSTORE
from node.store.values.sets import SetValue, set_of
from node.store.values.strings import I64_MAX

NOT_POSITIVE: Final = b"ERR value is out of range, must be positive"
TOO_FAR: Final = (
    b"ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"
)
OUT_OF_RANGE: Final = b"ERR value is out of range"
# A negative count asks for so many picks with repetition: the reply's list is 8 bytes for each, and
# the server stands still while it is made (about 2 s).
PICKS_MAX: Final = 4_000_000


def sadd(ctx: Context, args: list[bytes]) -> object:
    """SADD: how many members are new. Present ones are added too, for their dots."""
    ctx.set(args[1])
    return ctx.emit(SADD, args[1], args, 2)


def srem(ctx: Context, args: list[bytes]) -> object:
    """SREM: how many members there were."""
    value = ctx.set(args[1])
    if value is None:
        return 0
    present = [member for member in args[2:] if value.has(member)]
    if not present:
        return 0
    if len(present) == len(args) - 2:
        return ctx.emit(SREM, args[1], args, 2)
    ctx.reworded()
    return ctx.emit(SREM, args[1], present, 0)


def sismember(ctx: Context, args: list[bytes]) -> object:
    """SISMEMBER: 1 or 0."""
    value = ctx.set(args[1])
    return 1 if value is not None and value.has(args[2]) else 0


def smismember(ctx: Context, args: list[bytes]) -> object:
    """SMISMEMBER: 1 or 0 for each."""
    value = ctx.set(args[1])
    replies: list[object] = []
    for i in range(2, len(args)):
        replies.append(1 if value is not None and value.has(args[i]) else 0)
    return replies


def scard(ctx: Context, args: list[bytes]) -> object:
    """SCARD: how many members."""
    value = ctx.set(args[1])
    return 0 if value is None else value.size()


def smembers(ctx: Context, args: list[bytes]) -> object:
    """SMEMBERS: all of them."""
    value = ctx.set(args[1])
    return set_reply([] if value is None else value.names())


def smove(ctx: Context, args: list[bytes]) -> object:
    """SMOVE: 1 where the member was in the source. Of one key: nothing changes."""
    value = ctx.set(args[1])
    if value is None:
        return 0
    ctx.set(args[2])
    if not value.has(args[3]):
        return 0
    if args[1] == args[2]:
        return 1
    ctx.reworded()
    moved = [args[3]]
    ctx.emit(SREM, args[1], moved, 0)
    ctx.emit(SADD, args[2], moved, 0)
    return 1


def spop(ctx: Context, args: list[bytes]) -> object:
    """SPOP: one random member, or up to count of them; what was popped is removed by name."""
    if len(args) > 3:
        raise syntax_error()
    count = in_range(args[2], 0, I64_MAX, NOT_POSITIVE) if len(args) == 3 else -1
    value = ctx.set(args[1])
    if value is None:
        return None if count < 0 else set_reply([])
    if count == 0:
        return set_reply([])
    if count >= value.size():
        popped = value.names()
    else:
        popped = picked(ctx, value, 1 if count < 0 else count)
    ctx.reworded()
    ctx.emit(SREM, args[1], popped, 0, SPOP)
    return popped[0] if count < 0 else set_reply(popped)


def srandmember(ctx: Context, args: list[bytes]) -> object:
    """SRANDMEMBER: one, up to count different ones, or -count with repetition."""
    if len(args) > 3:
        raise syntax_error()
    count = random_count(args[2]) if len(args) == 3 else 1
    value = ctx.set(args[1])
    if len(args) == 2:
        return None if value is None else picked(ctx, value, 1)[0]
    if value is None or count == 0:
        return []
    if count < 0:
        if count < -PICKS_MAX:
            raise Failure(OUT_OF_RANGE)
        return picked_again(ctx, value, -count)
    if count >= value.size():
        return value.names()
    return picked(ctx, value, count)


def random_count(arg: bytes) -> int:
    """The count of SRANDMEMBER and HRANDFIELD."""
    count = integer(arg)
    if count < -I64_MAX:
        raise Failure(TOO_FAR)
    return count


def set_reply(members: list[bytes]) -> SetReply:
    """Members as a RESP3 set, or an array."""
    return SetReply([*members])


def sources(ctx: Context, args: list[bytes], first: int, last: int) -> list[SetValue | None]:
    """The sets at these arguments; WRONGTYPE comes before anything else is decided.

    For a command that writes (*STORE) event keymiss tells of those that are not there.
    """
    found: list[SetValue | None] = []
    for i in range(first, last):
        value = ctx.set(args[i])
        if value is None:
            ctx.services.notify.read_missed(int(ctx.db.number), args[i])
        found.append(value)
    return found


def intersected(values: list[SetValue | None]) -> list[bytes]:
    """The members that all have, found by walking the smallest."""
    present = [value for value in values if value is not None]
    if len(present) < len(values):
        return []
    present.sort(key=SetValue.size)
    found = present[0].names()
    for value in present[1:]:
        found = [member for member in found if value.has(member)]
    return found


def united(values: list[SetValue | None]) -> list[bytes]:
    """The members that any has."""
    union: dict[bytes, None] = {}
    for value in values:
        if value is not None:
            for chunk in value.chunks():
                union.update(dict.fromkeys(chunk))
    return list(union)


def subtracted(values: list[SetValue | None]) -> list[bytes]:
    """The members of the first that no other has."""
    first = values[0]
    if first is None:
        return []
    found = first.names()
    for value in values[1:]:
        if value is not None:
            found = [member for member in found if not value.has(member)]
    return found


def sinter(ctx: Context, args: list[bytes]) -> object:
    """SINTER."""
    return set_reply(intersected(sources(ctx, args, 1, len(args))))


def sunion(ctx: Context, args: list[bytes]) -> object:
    """SUNION."""
    return set_reply(united(sources(ctx, args, 1, len(args))))


def sdiff(ctx: Context, args: list[bytes]) -> object:
    """SDIFF."""
    return set_reply(subtracted(sources(ctx, args, 1, len(args))))


def sintercard(ctx: Context, args: list[bytes]) -> object:
    """SINTERCARD: how many members all have, counted up to LIMIT (0: no limit)."""
    count = in_range(args[1], 1, I64_MAX, b"ERR numkeys should be greater than 0")
    if count > len(args) - 2:
        raise Failure(b"ERR Number of keys can't be greater than number of args")
    limit = 0
    for i in range(2 + count, len(args), 2):
        if args[i].upper() != b"LIMIT" or i + 1 == len(args):
            raise syntax_error()
        limit = in_range(args[i + 1], 0, I64_MAX, b"ERR LIMIT can't be negative")
    present = [value for value in sources(ctx, args, 2, 2 + count) if value is not None]
    if len(present) < count:
        return 0
    present.sort(key=SetValue.size)
    others = present[1:]
    found = 0
    for member in present[0].names():
        if all(value.has(member) for value in others):
            found += 1
            if found == limit:
                break
    return found


def stored(ctx: Context, key: bytes, members: list[bytes], event: i64) -> int:
    """Puts the result in place of whatever `key` was; an empty one deletes it."""
    ctx.reworded()
    if members:
        ctx.emit(PUT, key, set_of(members), 0, event)
    elif ctx.find(key) is not None:
        ctx.emit(DROP, key)
    return len(members)


def sinterstore(ctx: Context, args: list[bytes]) -> object:
    """SINTERSTORE: the size of the result."""
    return stored(ctx, args[1], intersected(sources(ctx, args, 2, len(args))), SINTERSTORE)


def sunionstore(ctx: Context, args: list[bytes]) -> object:
    """SUNIONSTORE: the size of the result."""
    return stored(ctx, args[1], united(sources(ctx, args, 2, len(args))), SUNIONSTORE)


def sdiffstore(ctx: Context, args: list[bytes]) -> object:
    """SDIFFSTORE: the size of the result."""
    return stored(ctx, args[1], subtracted(sources(ctx, args, 2, len(args))), SDIFFSTORE)


def sscan(ctx: Context, args: list[bytes]) -> object:
    """SSCAN: the next cursor and some members. A value of up to the packed size comes in one go."""
    place = cursor(args[2])
    value = ctx.set(args[1])
    if value is None:
        return [b"0", []]
    options = scan_options(args, 3, False)
    packed = ctx.services.config.number("set-max-listpack-entries")
    after, members = scan_members(ctx, value, place, options, packed)
    return [after, members]


class SaddCommand(Command):
    """Calls its handler directly."""

    def run(self, ctx: Context, args: list[bytes]) -> object:
        return sadd(ctx, args)


ANY_ORDER: Final = ("nondeterministic_output_order",)
RANDOM: Final = ("nondeterministic_output",)
WORST_INTER: Final = "O(N*M) with N the size of the smallest set and M the number of sets"
ALL_MEMBERS: Final = "O(N) with N the members of all given sets together"

COMMANDS: tuple[Command, ...] = (
    SaddCommand(
        "SADD key member [member ...]", sadd, WRITE | DENYOOM | FAST,
        keys=(at(1, "RW", "INSERT"),), group="set", since="1.0.0", cost="O(1) for each member",
        about="Adds members to a set and makes the set where there is none.",
    ),
    Command(
        "SREM key member [member ...]", srem, WRITE | FAST,
        keys=(at(1, "RW", "DELETE"),), group="set", since="1.0.0", cost="O(1) for each member",
        about="Removes members from a set; the key goes with the last one.",
    ),
    Command(
        "SISMEMBER key member", sismember, READONLY | FAST,
        keys=(at(1, "RO"),), group="set", since="1.0.0", cost="O(1)",
        about="Tells whether a set has a member.",
    ),
    Command(
        "SMISMEMBER key member [member ...]", smismember, READONLY | FAST,
        keys=(at(1, "RO", "ACCESS"),), group="set", since="6.2.0", cost="O(1) for each member",
        about="Tells of each of several members whether a set has it.",
    ),
    Command(
        "SCARD key", scard, READONLY | FAST,
        keys=(at(1, "RO"),), group="set", since="1.0.0", cost="O(1)",
        about="Counts the members of a set.",
    ),
    Command(
        "SMEMBERS key", smembers, READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="set", since="1.0.0",
        cost="O(N) with N the set's size", about="Lists all members of a set.", tips=ANY_ORDER,
    ),
    Command(
        "SMOVE source destination member", smove, WRITE | FAST,
        keys=(at(1, "RW", "ACCESS", "DELETE"), at(2, "RW", "INSERT")),
        group="set", since="1.0.0", cost="O(1)",
        about="Takes a member out of one set and puts it into another.",
    ),
    Command(
        "SPOP key [count]", spop, WRITE | FAST,
        keys=(at(1, "RW", "ACCESS", "DELETE"),), group="set", since="1.0.0",
        cost="O(1) for each member popped",
        about="Takes random members out of a set.", tips=RANDOM,
    ),
    Command(
        "SRANDMEMBER key [count]", srandmember, READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="set", since="1.0.0",
        cost="O(1) for each member returned",
        about="Shows random members of a set.", tips=RANDOM,
    ),
    Command(
        "SINTER key [key ...]", sinter, READONLY,
        keys=(span(1, -1, 1, "RO", "ACCESS"),), group="set", since="1.0.0", cost=WORST_INTER,
        about="Shows what several sets have in common.", tips=ANY_ORDER,
    ),
    Command(
        "SINTERCARD numkeys key [key ...] [LIMIT limit]", sintercard, READONLY,
        keys=(counted(1, 2, "RO", "ACCESS"),), group="set", since="7.0.0", cost=WORST_INTER,
        about="Counts what several sets have in common, up to a limit.",
    ),
    Command(
        "SINTERSTORE destination key [key ...]", sinterstore, WRITE | DENYOOM,
        keys=(at(1, "OW", "UPDATE"), span(2, -1, 1, "RO", "ACCESS")),
        group="set", since="1.0.0", cost=WORST_INTER,
        about="Keeps what several sets have in common under a key.",
    ),
    Command(
        "SUNION key [key ...]", sunion, READONLY,
        keys=(span(1, -1, 1, "RO", "ACCESS"),), group="set", since="1.0.0", cost=ALL_MEMBERS,
        about="Shows the members of several sets together.", tips=ANY_ORDER,
    ),
    Command(
        "SUNIONSTORE destination key [key ...]", sunionstore, WRITE | DENYOOM,
        keys=(at(1, "OW", "UPDATE"), span(2, -1, 1, "RO", "ACCESS")),
        group="set", since="1.0.0", cost=ALL_MEMBERS,
        about="Keeps the members of several sets together under a key.",
    ),
    Command(
        "SDIFF key [key ...]", sdiff, READONLY,
        keys=(span(1, -1, 1, "RO", "ACCESS"),), group="set", since="1.0.0", cost=ALL_MEMBERS,
        about="Shows the members of the first set that no other has.", tips=ANY_ORDER,
    ),
    Command(
        "SDIFFSTORE destination key [key ...]", sdiffstore, WRITE | DENYOOM,
        keys=(at(1, "OW", "UPDATE"), span(2, -1, 1, "RO", "ACCESS")),
        group="set", since="1.0.0", cost=ALL_MEMBERS,
        about="Keeps the members of the first set that no other has under a key.",
    ),
    Command(
        "SSCAN key cursor [MATCH pattern] [COUNT count]", sscan, READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="set", since="2.8.0",
        cost="O(1) for each member returned",
        about="Goes through the members of a set in several calls.", tips=RANDOM,
    ),
)  # fmt: skip
