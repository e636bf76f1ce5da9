"""Expiry: when a key goes, said, asked and taken back.  [compiled]

Whatever form was used, the effect is one EXPIRE with an absolute deadline in ms, or a DROP where
that deadline has passed already. TTL, PTTL and PERSIST take a second name, as in KeyDB: that of a
hash field, or of a member of a set or sorted set.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.commands.args import deadline_ms, echoed
from node.commands.command import FAST, READONLY, WRITE, Command, at
from node.commands.context import Context
from node.resp.replies import Failure
from node.store.effect import DROP, EXPIRE, HEXPIRE
from node.store.events import PERSIST
from node.store.values.container import Container, timed
from node.store.values.cron import CronValue

NX: Final[i64] = 1
XX: Final[i64] = 2
GT: Final[i64] = 4
LT: Final[i64] = 8


def expire(ctx: Context, args: list[bytes]) -> object:
    """EXPIRE."""
    return set_deadline(ctx, args, 1000, int(ctx.now_ms()), b"expire")


def pexpire(ctx: Context, args: list[bytes]) -> object:
    """PEXPIRE."""
    return set_deadline(ctx, args, 1, int(ctx.now_ms()), b"pexpire")


def expireat(ctx: Context, args: list[bytes]) -> object:
    """EXPIREAT."""
    return set_deadline(ctx, args, 1000, 0, b"expireat")


def pexpireat(ctx: Context, args: list[bytes]) -> object:
    """PEXPIREAT."""
    return set_deadline(ctx, args, 1, 0, b"pexpireat")


def conditions(args: list[bytes]) -> i64:
    """NX, XX, GT, LT as bits; Failure where they contradict each other or are something else."""
    found: i64 = 0
    for arg in args[3:]:
        word = arg.upper()
        if word == b"NX":
            found |= NX
        elif word == b"XX":
            found |= XX
        elif word == b"GT":
            found |= GT
        elif word == b"LT":
            found |= LT
        else:
            raise Failure(b"ERR Unsupported option %s" % echoed(arg))
    if found & NX and found & (XX | GT | LT):
        raise Failure(b"ERR NX and XX, GT or LT options at the same time are not compatible")
    if found & GT and found & LT:
        raise Failure(b"ERR GT and LT options at the same time are not compatible")
    return found


def refused(found: i64, current: int, deadline: int) -> bool:
    """Do the conditions forbid `deadline` where `current` (0: none) stands? None is endless."""
    if found & NX and current != 0:
        return True
    if found & XX and current == 0:
        return True
    if found & GT and (current == 0 or deadline <= current):
        return True
    return bool(found & LT and current != 0 and deadline >= current)


def set_deadline(
    ctx: Context, args: list[bytes], unit_ms: int, base_ms: int, command: bytes
) -> object:
    """All four EXPIRE forms."""
    found = conditions(args) if len(args) > 3 else 0
    deadline = deadline_ms(args[2], unit_ms, base_ms, command)
    key = args[1]
    current = int(ctx.deadline(key))
    if current < 0 or (found != 0 and refused(found, current, deadline)):
        return 0
    ctx.reworded()
    if deadline <= ctx.now_ms():
        ctx.emit(DROP, key)
    else:
        ctx.emit(EXPIRE, key, None, i64(deadline))
    return 1


def subkey(args: list[bytes]) -> bytes | None:
    """The field or member that is named behind the key; None where none is."""
    if len(args) > 3:
        name = args[0].lower()
        raise Failure(b"ERR wrong number of arguments for '%s' command" % name)
    return args[2] if len(args) == 3 else None


def persist(ctx: Context, args: list[bytes]) -> object:
    """PERSIST."""
    place = subkey(args)
    if place is not None:
        value = ctx.find(args[1])
        if not isinstance(value, Container) or value.deadline_of(place) == 0:
            return 0
        ctx.reworded()
        ctx.emit(HEXPIRE, args[1], timed(value, place), 0, PERSIST)
        return 1
    if ctx.deadline(args[1]) <= 0:
        return 0
    ctx.emit(EXPIRE, args[1], None, 0, PERSIST)
    return 1


def ttl(ctx: Context, args: list[bytes]) -> object:
    """TTL: seconds left, rounded; -1 without a deadline, -2 where the key is absent."""
    left = left_ms(ctx, args)
    return left if left < 0 else (left + 500) // 1000


def pttl(ctx: Context, args: list[bytes]) -> object:
    """PTTL: milliseconds left."""
    return left_ms(ctx, args)


def left_ms(ctx: Context, args: list[bytes]) -> int:
    """Milliseconds until the key's deadline, or that of the field or member that is named.

    A job of KEYDB.CRON has a member of its own name, whose deadline is when it runs next.
    -1 without one, also where the key has no such field or member; -2 where the key is absent.
    """
    place = subkey(args)
    deadline = ctx.deadline(args[1])
    if place is not None and deadline >= 0:
        value = ctx.peek(args[1])
        if isinstance(value, CronValue) and place == args[1]:
            deadline = value.next_ms(ctx.now_ms())
        else:
            deadline = value.deadline_of(place) if isinstance(value, Container) else 0
    if deadline <= 0:
        return -1 if deadline == 0 else -2
    return int(deadline - ctx.now_ms())


def expiretime(ctx: Context, args: list[bytes]) -> object:
    """EXPIRETIME: the deadline in Unix seconds, rounded."""
    deadline = int(ctx.deadline(args[1]))
    if deadline <= 0:
        return -1 if deadline == 0 else -2
    return (deadline + 500) // 1000


def pexpiretime(ctx: Context, args: list[bytes]) -> object:
    """PEXPIRETIME: the deadline in Unix milliseconds."""
    deadline = int(ctx.deadline(args[1]))
    if deadline <= 0:
        return -1 if deadline == 0 else -2
    return deadline


COMMANDS: tuple[Command, ...] = (
    Command(
        "EXPIRE key seconds [NX | XX | GT | LT]", expire, WRITE | FAST,
        keys=(at(1, "RW", "UPDATE"),), about="Lets a key live for so many seconds from now.",
    ),
    Command(
        "PEXPIRE key milliseconds [NX | XX | GT | LT]", pexpire, WRITE | FAST,
        keys=(at(1, "RW", "UPDATE"),), since="2.6.0",
        about="Lets a key live for so many milliseconds from now.",
    ),
    Command(
        "EXPIREAT key unix-time-seconds [NX | XX | GT | LT]", expireat, WRITE | FAST,
        keys=(at(1, "RW", "UPDATE"),), since="1.2.0", about="Lets a key live until a Unix time.",
    ),
    Command(
        "PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT]", pexpireat, WRITE | FAST,
        keys=(at(1, "RW", "UPDATE"),), since="2.6.0",
        about="Lets a key live until a Unix time in milliseconds.",
    ),
    Command(
        "PERSIST key", persist, WRITE | FAST, accepts=-2, keys=(at(1, "RW", "UPDATE"),),
        since="2.2.0",
        about="Takes a key's deadline away.",
    ),
    Command(
        "TTL key", ttl, READONLY | FAST, accepts=-2, keys=(at(1, "RO", "ACCESS"),),
        about="Answers how many seconds a key will live.", tips=("nondeterministic_output",),
    ),
    Command(
        "PTTL key", pttl, READONLY | FAST, accepts=-2, keys=(at(1, "RO", "ACCESS"),),
        since="2.6.0",
        about="Answers how many milliseconds a key will live.", tips=("nondeterministic_output",),
    ),
    Command(
        "EXPIRETIME key", expiretime, READONLY | FAST, keys=(at(1, "RO", "ACCESS"),),
        since="7.0.0", about="Answers the Unix time at which a key goes.",
    ),
    Command(
        "PEXPIRETIME key", pexpiretime, READONLY | FAST, keys=(at(1, "RO", "ACCESS"),),
        since="7.0.0", about="Answers the Unix time in milliseconds at which a key goes.",
    ),
)  # fmt: skip
