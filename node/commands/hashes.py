"""Hashes: HSET, HGET, counters in fields, random fields, HSCAN.  [compiled]

Replies in any order come in the order in which fields were made, up to 2,000
(node/store/values/places.py).
"""

from __future__ import annotations

from typing import Final

from node.commands.args import cursor, decimal, in_range, integer, syntax_error
from node.commands.command import DENYOOM, FAST, READONLY, WRITE, Command, at
from node.commands.context import Context
from node.commands.exclusive import decides_here
from node.commands.member_picks import picked, picked_again
from node.commands.member_scan import scan_members, scan_options
from node.commands.sets import OUT_OF_RANGE, PICKS_MAX, random_count
from node.resp.replies import OK, Failure, Map
from node.store.effect import HDEL, HINCR, HSET
from node.store.events import HINCRBYFLOAT
from node.store.values.hashes import HashValue, plain
from node.store.values.strings import (
    I64_MAX,
    I64_MIN,
    add_exactly,
    decimal_of,
    integer_of,
    is_infinite,
)  # fmt: skip

OVERFLOW: Final = b"ERR increment or decrement would overflow"
NOT_FINITE: Final = b"ERR increment would produce NaN or Infinity"
EXPONENT_MAX: Final = 4932  # the largest power of ten of Redis's totals (a long double)


def hset(ctx: Context, args: list[bytes]) -> object:
    """HSET: how many fields are new."""
    if len(args) & 1:
        raise Failure(b"ERR wrong number of arguments for 'hset' command")
    ctx.hash(args[1])
    return ctx.emit(HSET, args[1], args, 2)


def hmset(ctx: Context, args: list[bytes]) -> object:
    """HMSET: as HSET, with the reply of old."""
    if len(args) & 1:
        raise Failure(b"ERR wrong number of arguments for 'hmset' command")
    ctx.hash(args[1])
    ctx.reworded()
    ctx.emit(HSET, args[1], args, 2)
    return OK


def hsetnx(ctx: Context, args: list[bytes]) -> object:
    """HSETNX: 1 where the field was made."""
    decides_here(ctx, b"HSETNX")
    value = ctx.hash(args[1])
    if value is not None and value.has(args[2]):
        return 0
    ctx.reworded()
    ctx.emit(HSET, args[1], args, 2)
    return 1


def hget(ctx: Context, args: list[bytes]) -> object:
    """HGET: the field's value."""
    value = ctx.hash(args[1])
    return None if value is None else value.get(args[2])


def hmget(ctx: Context, args: list[bytes]) -> object:
    """HMGET: the fields' values, null for those that are not there."""
    value = ctx.hash(args[1])
    replies: list[object] = []
    for i in range(2, len(args)):
        replies.append(None if value is None else value.get(args[i]))
    return replies


def hgetall(ctx: Context, args: list[bytes]) -> object:
    """HGETALL: a map of all fields."""
    value = ctx.hash(args[1])
    return Map([] if value is None else pairs(value, value.names()))


def hdel(ctx: Context, args: list[bytes]) -> object:
    """HDEL: how many fields there were."""
    value = ctx.hash(args[1])
    if value is None:
        return 0
    present = [field for field in args[2:] if value.has(field)]
    if not present:
        return 0
    if len(present) == len(args) - 2:
        return ctx.emit(HDEL, args[1], args, 2)
    ctx.reworded()
    return ctx.emit(HDEL, args[1], present, 0)


def hgetdel(ctx: Context, args: list[bytes]) -> object:
    """HGETDEL: the fields' values, and the fields are gone."""
    value = ctx.hash(args[1])
    if args[2].upper() != b"FIELDS":
        raise Failure(b"ERR Mandatory argument FIELDS is missing or not at the right position")
    count = in_range(args[3], 1, I64_MAX, b"ERR Number of fields must be a positive integer")
    if count != len(args) - 4:
        raise Failure(b"ERR The `numfields` parameter must match the number of arguments")
    replies: list[object] = []
    present: dict[bytes, None] = {}
    for field in args[4:]:
        found = None if value is None or field in present else value.get(field)
        replies.append(found)
        if found is not None:
            present[field] = None
    if present:
        ctx.reworded()
        ctx.emit(HDEL, args[1], list(present), 0)
    return replies


def hlen(ctx: Context, args: list[bytes]) -> object:
    """HLEN: how many fields."""
    value = ctx.hash(args[1])
    return 0 if value is None else value.size()


def hexists(ctx: Context, args: list[bytes]) -> object:
    """HEXISTS: 1 or 0."""
    value = ctx.hash(args[1])
    return 1 if value is not None and value.has(args[2]) else 0


def hkeys(ctx: Context, args: list[bytes]) -> object:
    """HKEYS: the fields' names."""
    value = ctx.hash(args[1])
    return [] if value is None else value.names()


def hvals(ctx: Context, args: list[bytes]) -> object:
    """HVALS: the fields' values."""
    value = ctx.hash(args[1])
    texts: list[bytes] = []
    if value is not None:
        for chunk in value.chunks():
            texts += [plain(slot) for slot in chunk.values()]
    return texts


def hstrlen(ctx: Context, args: list[bytes]) -> object:
    """HSTRLEN: the length of a field's value in bytes."""
    value = ctx.hash(args[1])
    found = None if value is None else value.get(args[2])
    return 0 if found is None else len(found)


def hincrby(ctx: Context, args: list[bytes]) -> object:
    """HINCRBY: the field's new total."""
    delta = integer(args[3])
    value = ctx.hash(args[1])
    found = None if value is None else value.get(args[2])
    total = delta
    if found is not None:
        before = integer_of(found)
        if before is None:
            raise Failure(b"ERR hash value is not an integer")
        total += before
    if total > I64_MAX or total < I64_MIN:
        raise Failure(OVERFLOW)
    ctx.emit(HINCR, args[1], args[2], delta)
    return total


def hincrbyfloat(ctx: Context, args: list[bytes]) -> object:
    """HINCRBYFLOAT: the effect carries the exact decimal, so totals do not depend on the order."""
    if is_infinite(args[3]):
        raise Failure(b"ERR value is NaN or Infinity")
    delta = decimal(args[3])
    value = ctx.hash(args[1])
    found = None if value is None else value.get(args[2])
    if found is not None:
        if is_infinite(found):
            raise Failure(NOT_FINITE)
        before = decimal_of(found)
        if before is None:
            raise Failure(b"ERR hash value is not a float")
        if add_exactly(before, delta).adjusted() > EXPONENT_MAX:
            raise Failure(NOT_FINITE)
    ctx.reworded()
    ctx.emit(HINCR, args[1], [args[2], str(delta).encode()], 0, HINCRBYFLOAT)
    value = ctx.hash(args[1])
    assert value is not None, "HINCRBYFLOAT has just made the hash"
    return value.get(args[2])


def hrandfield(ctx: Context, args: list[bytes]) -> object:
    """HRANDFIELD: one field, up to count different ones, or -count with repetition."""
    if len(args) == 2:
        value = ctx.hash(args[1])
        return None if value is None else picked(ctx, value, 1)[0]
    count = random_count(args[2])
    if len(args) > 4 or (len(args) == 4 and args[3].upper() != b"WITHVALUES"):
        raise syntax_error()
    if len(args) == 4 and not -(I64_MAX // 2) <= count <= I64_MAX // 2:
        raise Failure(OUT_OF_RANGE)
    value = ctx.hash(args[1])
    if value is None or count == 0:
        return []
    if count < -PICKS_MAX:
        raise Failure(OUT_OF_RANGE)
    if count < 0:
        fields = picked_again(ctx, value, -count)
    elif count >= value.size():
        fields = value.names()
    else:
        fields = picked(ctx, value, count)
    if len(args) == 3:
        return fields
    if ctx.client().resp == 2:
        return pairs(value, fields)
    return [[field, value.get(field)] for field in fields]


def hscan(ctx: Context, args: list[bytes]) -> object:
    """HSCAN: the next cursor and some fields with values. Up to the packed size: all in one go."""
    place = cursor(args[2])
    value = ctx.hash(args[1])
    if value is None:
        return [b"0", []]
    options = scan_options(args, 3, True)
    packed = ctx.services.config.number("hash-max-listpack-entries")
    after, fields = scan_members(ctx, value, place, options, packed)
    if not options.with_values:
        return [after, fields]
    return [after, pairs(value, fields)]


def pairs(value: HashValue, fields: list[bytes]) -> list[object]:
    """Each field followed by its value."""
    flat: list[object] = []
    for field in fields:
        flat.append(field)
        flat.append(value.get(field))
    return flat


class HsetCommand(Command):
    """Calls its handler directly."""

    def run(self, ctx: Context, args: list[bytes]) -> object:
        return hset(ctx, args)


ANY_ORDER: Final = ("nondeterministic_output_order",)
RANDOM: Final = ("nondeterministic_output",)

COMMANDS: tuple[Command, ...] = (
    HsetCommand(
        "HSET key field value [field value ...]", hset, WRITE | DENYOOM | FAST,
        keys=(at(1, "RW", "UPDATE"),), group="hash", since="2.0.0", cost="O(1) for each field",
        about="Sets fields of a hash and makes the hash where there is none.",
    ),
    Command(
        "HSETNX key field value", hsetnx, WRITE | DENYOOM | FAST,
        keys=(at(1, "RW", "INSERT"),), group="hash", since="2.0.0", cost="O(1)",
        about="Sets a field of a hash unless it is there already.",
    ),
    Command(
        "HMSET key field value [field value ...]", hmset, WRITE | DENYOOM | FAST,
        keys=(at(1, "RW", "UPDATE"),), group="hash", since="2.0.0", cost="O(1) for each field",
        about="Sets fields of a hash; HSET has replaced it.",
    ),
    Command(
        "HGET key field", hget, READONLY | FAST,
        keys=(at(1, "RO", "ACCESS"),), group="hash", since="2.0.0", cost="O(1)",
        about="Shows the value of a field.",
    ),
    Command(
        "HMGET key field [field ...]", hmget, READONLY | FAST,
        keys=(at(1, "RO", "ACCESS"),), group="hash", since="2.0.0", cost="O(1) for each field",
        about="Shows the values of several fields.",
    ),
    Command(
        "HGETALL key", hgetall, READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="hash", since="2.0.0",
        cost="O(N) with N the hash's size", about="Shows all fields with their values.",
        tips=ANY_ORDER,
    ),
    Command(
        "HDEL key field [field ...]", hdel, WRITE | FAST,
        keys=(at(1, "RW", "DELETE"),), group="hash", since="2.0.0", cost="O(1) for each field",
        about="Deletes fields; the key goes with the last one.",
    ),
    Command(
        "HGETDEL key FIELDS numfields field [field ...]", hgetdel, WRITE | FAST,
        keys=(at(1, "RW", "ACCESS", "DELETE"),), group="hash", since="8.0.0",
        cost="O(1) for each field", about="Shows the values of fields and deletes these.",
    ),
    Command(
        "HLEN key", hlen, READONLY | FAST,
        keys=(at(1, "RO"),), group="hash", since="2.0.0", cost="O(1)",
        about="Counts the fields of a hash.",
    ),
    Command(
        "HEXISTS key field", hexists, READONLY | FAST,
        keys=(at(1, "RO"),), group="hash", since="2.0.0", cost="O(1)",
        about="Tells whether a hash has a field.",
    ),
    Command(
        "HKEYS key", hkeys, READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="hash", since="2.0.0",
        cost="O(N) with N the hash's size", about="Lists the names of all fields.", tips=ANY_ORDER,
    ),
    Command(
        "HVALS key", hvals, READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="hash", since="2.0.0",
        cost="O(N) with N the hash's size", about="Lists the values of all fields.",
        tips=ANY_ORDER,
    ),
    Command(
        "HSTRLEN key field", hstrlen, READONLY | FAST,
        keys=(at(1, "RO"),), group="hash", since="3.2.0", cost="O(1)",
        about="Shows how many bytes a field's value has.",
    ),
    Command(
        "HINCRBY key field increment", hincrby, WRITE | DENYOOM | FAST,
        keys=(at(1, "RW", "ACCESS", "UPDATE"),), group="hash", since="2.0.0", cost="O(1)",
        about="Adds an integer to the counter in a field.",
    ),
    Command(
        "HINCRBYFLOAT key field increment", hincrbyfloat, WRITE | DENYOOM | FAST,
        keys=(at(1, "RW", "ACCESS", "UPDATE"),), group="hash", since="2.6.0", cost="O(1)",
        about="Adds a decimal number to the counter in a field, exactly.",
    ),
    Command(
        "HRANDFIELD key [count [WITHVALUES]]", hrandfield, READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="hash", since="6.2.0",
        cost="O(1) for each field returned",
        about="Shows random fields of a hash.", tips=RANDOM,
    ),
    Command(
        "HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]", hscan, READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="hash", since="2.8.0",
        cost="O(1) for each field returned",
        about="Goes through the fields of a hash in several calls.", tips=RANDOM,
    ),
)  # fmt: skip
