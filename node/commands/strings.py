"""Strings: GET, SET and its family, counters, ranges.  [compiled]

SET, GET and INCR are the hottest commands there are: each has a Command of its own, which calls its
handler directly.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.commands import lcs
from node.commands.args import (
    Options,
    deadline_ms,
    decimal,
    integer,
    invalid_expire,
    syntax_error,
)  # fmt: skip
from node.commands.command import DENYOOM, FAST, READONLY, WRITE, Command, at, span
from node.commands.context import Context
from node.commands.exclusive import decides_here
from node.resp.numbers import SMALL
from node.resp.replies import OK, Failure
from node.store.effect import APPEND, DROP, EXPIRE, INCR, PUT, SETRANGE
from node.store.events import EXPIRE_SET, INCRBYFLOAT, PERSIST, SET
from node.store.values.strings import (
    I64_MAX,
    I64_MIN,
    NEAR,
    add_exactly,
    integer_of,
    is_infinite,
    overflows,
    shown,
)  # fmt: skip

SMALL_COUNT: Final = 10000  # how many texts SMALL holds
SET_AND_EXPIRE: Final[i64] = SET | (EXPIRE_SET << 8)
LIMIT_MIN: Final = 1048576  # proto-max-bulk-len cannot be set below it
OVERFLOW: Final = b"ERR increment or decrement would overflow"
NOT_FINITE: Final = b"ERR increment would produce NaN or Infinity"
TOO_LONG: Final = b"ERR string exceeds maximum allowed size (proto-max-bulk-len)"
UNITS_MS: Final = {b"EX": 1000, b"PX": 1, b"EXAT": 1000, b"PXAT": 1}


class StringOptions:
    """What stands behind SET's value or GETEX's key."""

    def __init__(self) -> None:
        self.condition = b""  # NX, XX
        self.get = False
        self.keep = False
        self.persist = False
        self.unit = b""  # EX, PX, EXAT, PXAT
        self.time = b""

    def deadline(self, ctx: Context, command: bytes) -> int:
        """The deadline in ms that was asked for, 0 where none was."""
        if not self.unit:
            return 0
        base = 0 if self.unit.endswith(b"AT") else int(ctx.now_ms())
        return future_ms(self.time, UNITS_MS[self.unit], base, command)


def string_options(args: list[bytes], begin: int, setting: bool) -> StringOptions:
    """Reads the options of SET (`setting`) or GETEX. One unit may be repeated, as Redis allows."""
    found = StringOptions()
    options = Options(args, begin)
    while options.more():
        word = options.word()
        timed = found.keep or found.persist
        if setting and word in (b"NX", b"XX") and found.condition in (b"", word):
            found.condition = word
        elif setting and word == b"GET":
            found.get = True
        elif setting and word == b"KEEPTTL" and not found.unit:
            found.keep = True
        elif not setting and word == b"PERSIST" and not found.unit:
            found.persist = True
        elif word in UNITS_MS and found.unit in (b"", word) and not timed and options.has_value():
            found.unit = word
            found.time = options.value()
        else:
            raise syntax_error()
    return found


def future_ms(arg: bytes, unit_ms: int, base_ms: int, command: bytes) -> int:
    """A deadline argument that must be above zero, as absolute ms."""
    if integer(arg) <= 0:
        raise invalid_expire(command)
    return deadline_ms(arg, unit_ms, base_ms, command)


def set_(ctx: Context, args: list[bytes]) -> object:
    """SET."""
    if len(args) == 3:
        ctx.emit(PUT, args[1], args[2])
        return OK
    options = string_options(args, 3, True)
    key = args[1]
    deadline = options.deadline(ctx, b"set")
    if options.condition:
        decides_here(ctx, b"SET with NX or XX")
    old = read(ctx, key) if options.get else ctx.find(key)
    if (options.condition == b"NX" and old is not None) or (
        options.condition == b"XX" and old is None
    ):
        return shown(old) if options.get and old is not None else None
    if options.keep:
        deadline = kept(ctx, key)
    answer = shown(old) if options.get and old is not None else None
    ctx.reworded()
    ctx.emit(PUT, key, args[2], deadline, SET_AND_EXPIRE if options.unit else SET)
    return answer if options.get else OK


def kept(ctx: Context, key: bytes) -> int:
    """The key's present deadline as a PUT keeps it: 0 where it has none or is absent."""
    deadline = int(ctx.deadline(key))
    return deadline if deadline > 0 else 0


def setex(ctx: Context, args: list[bytes]) -> object:
    """SETEX."""
    return set_until(ctx, args, 1000, b"setex")


def psetex(ctx: Context, args: list[bytes]) -> object:
    """PSETEX."""
    return set_until(ctx, args, 1, b"psetex")


def set_until(ctx: Context, args: list[bytes], unit_ms: int, command: bytes) -> object:
    """SETEX and PSETEX: key, time to live, value."""
    deadline = future_ms(args[2], unit_ms, int(ctx.now_ms()), command)
    ctx.reworded()
    ctx.emit(PUT, args[1], args[3], deadline, SET_AND_EXPIRE)
    return OK


def setnx(ctx: Context, args: list[bytes]) -> object:
    """SETNX."""
    decides_here(ctx, b"SETNX")
    if ctx.find(args[1]) is not None:
        return 0
    ctx.reworded()
    ctx.emit(PUT, args[1], args[2])
    return 1


def get(ctx: Context, args: list[bytes]) -> object:
    """GET."""
    value = ctx.string(args[1])
    if isinstance(value, bytes):
        return value
    if isinstance(value, int):
        if 0 <= value < SMALL_COUNT:
            return SMALL[value]
        return shown(value)
    return None


def read(ctx: Context, key: bytes) -> object:
    """The string that a writing command answers; told as event keymiss where it is absent."""
    value = ctx.string(key)
    if value is None:
        ctx.services.notify.read_missed(int(ctx.db.number), key)
    return value


def getset(ctx: Context, args: list[bytes]) -> object:
    """GETSET."""
    decides_here(ctx, b"GETSET")
    old = read(ctx, args[1])
    answer = None if old is None else shown(old)
    ctx.reworded()
    ctx.emit(PUT, args[1], args[2])
    return answer


def getdel(ctx: Context, args: list[bytes]) -> object:
    """GETDEL."""
    old = read(ctx, args[1])
    if old is None:
        return None
    answer = shown(old)
    ctx.reworded()
    ctx.emit(DROP, args[1])
    return answer


def getex(ctx: Context, args: list[bytes]) -> object:
    """GETEX: the effect is the one of EXPIRE or PERSIST; a deadline in the past deletes."""
    options = string_options(args, 2, False)
    key = args[1]
    value = read(ctx, key)
    if value is None:
        return None
    answer = shown(value)
    deadline = options.deadline(ctx, b"getex")
    ctx.reworded()
    if options.unit.endswith(b"AT") and deadline <= ctx.now_ms():
        ctx.emit(DROP, key)
    elif options.unit:
        ctx.emit(EXPIRE, key, None, deadline)
    elif options.persist and ctx.deadline(key) > 0:
        ctx.emit(EXPIRE, key, None, 0, PERSIST)
    return answer


def mget(ctx: Context, args: list[bytes]) -> object:
    """MGET: what is no string reads as absent."""
    found: list[object] = []
    i: i64 = 1
    n: i64 = len(args)
    while i < n:
        value = ctx.find(args[i])
        if isinstance(value, bytes):
            found.append(value)
        elif isinstance(value, int):
            found.append(shown(value))
        else:
            found.append(None)
        i += 1
    return found


def mset(ctx: Context, args: list[bytes]) -> object:
    """MSET."""
    put_pairs(ctx, args, b"mset")
    return OK


def msetnx(ctx: Context, args: list[bytes]) -> object:
    """MSETNX: all keys, or none where one of them exists."""
    check_pairs(args, b"msetnx")
    decides_here(ctx, b"MSETNX")
    i: i64 = 1
    n: i64 = len(args)
    while i < n:
        if ctx.find(args[i]) is not None:
            return 0
        i += 2
    put_pairs(ctx, args, b"msetnx")
    return 1


def check_pairs(args: list[bytes], command: bytes) -> None:
    """Refuses a key without a value."""
    if len(args) % 2 == 0:
        raise Failure(b"ERR wrong number of arguments for '%s' command" % command)


def put_pairs(ctx: Context, args: list[bytes], command: bytes) -> None:
    """One PUT for each key and value."""
    check_pairs(args, command)
    ctx.reworded()
    i: i64 = 1
    n: i64 = len(args)
    while i < n:
        ctx.emit(PUT, args[i], args[i + 1])
        i += 2


def append(ctx: Context, args: list[bytes]) -> object:
    """APPEND: the new length."""
    old = ctx.string(args[1])
    if old is not None:
        check_length(ctx, len(shown(old)) + len(args[2]))
    return ctx.emit(APPEND, args[1], args[2])


def check_length(ctx: Context, size: int) -> None:
    """Refuses a string of more bytes than proto-max-bulk-len."""
    if size > LIMIT_MIN and size > ctx.services.config.number("proto-max-bulk-len"):
        raise Failure(TOO_LONG)


def strlen(ctx: Context, args: list[bytes]) -> object:
    """STRLEN."""
    value = ctx.string(args[1])
    return 0 if value is None else len(shown(value))


def getrange(ctx: Context, args: list[bytes]) -> object:
    """GETRANGE and SUBSTR: both ends are included, negative ones count from the end."""
    start = integer(args[2])
    end = integer(args[3])
    value = ctx.string(args[1])
    if value is None:
        return b""
    text = shown(value)
    size = len(text)
    if start < 0 and end < 0 and start > end:
        return b""
    start = max(start + size, 0) if start < 0 else start
    end = max(end + size, 0) if end < 0 else end
    return text[start : end + 1] if start <= end else b""


def setrange(ctx: Context, args: list[bytes]) -> object:
    """SETRANGE: the new length. A gap is filled with zero bytes; an empty piece changes nothing."""
    offset = integer(args[2])
    if offset < 0:
        raise Failure(b"ERR offset is out of range")
    old = ctx.string(args[1])
    piece = args[3]
    if not piece:
        return len(shown(old))
    check_length(ctx, offset + len(piece))
    return ctx.emit(SETRANGE, args[1], piece, i64(offset))


def incr(ctx: Context, args: list[bytes]) -> object:
    """INCR."""
    value = ctx.string(args[1])
    if value is None or (isinstance(value, int) and -NEAR < value < NEAR):
        return int(ctx.emit(INCR, args[1], None, 1))
    return add(ctx, args[1], 1)


def decr(ctx: Context, args: list[bytes]) -> object:
    """DECR."""
    return add(ctx, args[1], -1)


def incrby(ctx: Context, args: list[bytes]) -> object:
    """INCRBY."""
    return add(ctx, args[1], integer(args[2]))


def decrby(ctx: Context, args: list[bytes]) -> object:
    """DECRBY."""
    number = integer(args[2])
    if number == I64_MIN:
        raise Failure(b"ERR decrement would overflow")
    return add(ctx, args[1], -number)


def add(ctx: Context, key: bytes, delta: int) -> object:
    """Adds to a counter; Failure where it is no integer, or would leave 64 bits."""
    value = ctx.string(key)
    if value is not None:
        before = integer_of(value)
        if before is None:
            raise Failure(b"ERR value is not an integer or out of range")
        total = before + delta
        if total > I64_MAX or total < I64_MIN:
            raise Failure(OVERFLOW)
    return int(ctx.emit(INCR, key, None, i64(delta)))


def incrbyfloat(ctx: Context, args: list[bytes]) -> object:
    """INCRBYFLOAT: the effect carries the exact decimal, so totals do not depend on the order."""
    key = args[1]
    value = ctx.string(key)
    old = b"0" if value is None else shown(value)
    before = None if is_infinite(old) else decimal(old)
    delta = None if is_infinite(args[2]) else decimal(args[2])
    if before is None or delta is None or overflows(add_exactly(before, delta)):
        raise Failure(NOT_FINITE)
    ctx.reworded()
    ctx.emit(INCR, key, str(delta).encode(), 0, INCRBYFLOAT)
    return shown(ctx.string(key))


class Set(Command):
    """SET, called directly."""

    def run(self, ctx: Context, args: list[bytes]) -> object:
        """Runs the handler."""
        return set_(ctx, args)


class Get(Command):
    """GET, called directly."""

    def run(self, ctx: Context, args: list[bytes]) -> object:
        """Runs the handler."""
        return get(ctx, args)


class Incr(Command):
    """INCR, called directly."""

    def run(self, ctx: Context, args: list[bytes]) -> object:
        """Runs the handler."""
        return incr(ctx, args)


COMMANDS: tuple[Command, ...] = (
    Set(
        "SET key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds |"
        " PXAT unix-time-milliseconds | KEEPTTL]",
        set_, WRITE | DENYOOM, keys=(at(1, "RW", "ACCESS", "UPDATE", "VARIABLE_FLAGS"),),
        group="string", about="Sets a key to a string, whatever it held before.",
    ),
    Get(
        "GET key", get, READONLY | FAST, keys=(at(1, "RO", "ACCESS"),), group="string",
        about="Answers a key's string.",
    ),
    Command(
        "SETEX key seconds value", setex, WRITE | DENYOOM, keys=(at(1, "OW", "UPDATE"),),
        group="string", since="2.0.0", about="Sets a string that lives for so many seconds.",
    ),
    Command(
        "PSETEX key milliseconds value", psetex, WRITE | DENYOOM, keys=(at(1, "OW", "UPDATE"),),
        group="string", since="2.6.0", about="Sets a string that lives for so many milliseconds.",
    ),
    Command(
        "SETNX key value", setnx, WRITE | DENYOOM | FAST, keys=(at(1, "OW", "INSERT"),),
        group="string", about="Sets a string only where the key is absent.",
    ),
    Command(
        "GETSET key value", getset, WRITE | DENYOOM | FAST,
        keys=(at(1, "RW", "ACCESS", "UPDATE"),), group="string",
        about="Sets a string and answers the one before it.",
    ),
    Command(
        "GETDEL key", getdel, WRITE | FAST, keys=(at(1, "RW", "ACCESS", "DELETE"),),
        group="string", since="6.2.0", about="Answers a string and deletes its key.",
    ),
    Command(
        "GETEX key [EX seconds | PX milliseconds | EXAT unix-time-seconds |"
        " PXAT unix-time-milliseconds | PERSIST]",
        getex, WRITE | FAST, keys=(at(1, "RW", "ACCESS", "UPDATE"),), group="string",
        since="6.2.0", about="Answers a string and changes how long its key lives.",
    ),
    Command(
        "MGET key [key ...]", mget, READONLY | FAST, keys=(span(1, -1, 1, "RO", "ACCESS"),),
        group="string", cost="O(N) for N keys", about="Answers the strings of several keys.",
        tips=("request_policy:multi_shard",),
    ),
    Command(
        "MSET key value [key value ...]", mset, WRITE | DENYOOM,
        keys=(span(1, -1, 2, "OW", "UPDATE"),), group="string", since="1.0.1",
        cost="O(N) for N keys", about="Sets several keys to strings at once.",
        tips=("request_policy:multi_shard", "response_policy:all_succeeded"),
    ),
    Command(
        "MSETNX key value [key value ...]", msetnx, WRITE | DENYOOM,
        keys=(span(1, -1, 2, "OW", "INSERT"),), group="string", since="1.0.1",
        cost="O(N) for N keys", about="Sets several keys, only where all of them are absent.",
    ),
    Command(
        "APPEND key value", append, WRITE | DENYOOM | FAST, keys=(at(1, "RW", "INSERT"),),
        group="string", since="2.0.0", cost="O(N) for N bytes held",
        about="Adds bytes to a string's end.",
    ),
    Command(
        "STRLEN key", strlen, READONLY | FAST, keys=(at(1, "RO"),), group="string",
        since="2.2.0", about="Answers how many bytes a string has.",
    ),
    Command(
        "SUBSTR key start end", getrange, READONLY, keys=(at(1, "RO", "ACCESS"),),
        group="string", cost="O(N) for N bytes answered", about="The old name of GETRANGE.",
    ),
    Command(
        "GETRANGE key start end", getrange, READONLY, keys=(at(1, "RO", "ACCESS"),),
        group="string", since="2.4.0", cost="O(N) for N bytes answered",
        about="Answers a piece of a string.",
    ),
    Command(
        "SETRANGE key offset value", setrange, WRITE | DENYOOM, keys=(at(1, "RW", "UPDATE"),),
        group="string", since="2.2.0", cost="O(N) for N bytes held",
        about="Writes over a piece of a string.",
    ),
    *lcs.COMMANDS,
    Incr(
        "INCR key", incr, WRITE | DENYOOM | FAST, keys=(at(1, "RW", "ACCESS", "UPDATE"),),
        group="string", about="Adds one to a counter.",
    ),
    Command(
        "DECR key", decr, WRITE | DENYOOM | FAST, keys=(at(1, "RW", "ACCESS", "UPDATE"),),
        group="string", about="Takes one from a counter.",
    ),
    Command(
        "INCRBY key increment", incrby, WRITE | DENYOOM | FAST,
        keys=(at(1, "RW", "ACCESS", "UPDATE"),), group="string", about="Adds to a counter.",
    ),
    Command(
        "DECRBY key decrement", decrby, WRITE | DENYOOM | FAST,
        keys=(at(1, "RW", "ACCESS", "UPDATE"),), group="string", about="Takes from a counter.",
    ),
    Command(
        "INCRBYFLOAT key increment", incrbyfloat, WRITE | DENYOOM | FAST,
        keys=(at(1, "RW", "ACCESS", "UPDATE"),), group="string", since="2.6.0",
        about="Adds a decimal number to a counter, exactly.",
    ),
)  # fmt: skip
