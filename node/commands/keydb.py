"""KeyDB's own commands: member deadlines, KEYDB.*, OBJECT LASTMODIFIED, REPLPING.  [compiled]

Unlike KeyDB's they replicate as everything does, by their effects. A member's deadline belongs to
the member: it goes when the member is removed, and moves with a field that is renamed. It is the
same mechanism as Redis's HEXPIRE (node/commands/hash_expiry.py).
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.commands import nested
from node.commands.args import integer, invalid_expire
from node.commands.command import DENYOOM, FAST, READONLY, STALE, WRITE, Command, at, span
from node.commands.connection import ping
from node.commands.context import Context
from node.commands.payloads import restored
from node.resp.replies import OK, Boolean, Failure
from node.store.effect import DROP, HDEL, HEXPIRE, HSET, PUT, SREM, ZREM
from node.store.events import HEXPIRE as HEXPIRE_EVENT
from node.store.events import NO_EVENT, RESTORE
from node.store.values.container import Container, timed
from node.store.values.hashes import HashValue
from node.store.values.member_deadlines import LATEST_MS, Timed
from node.store.values.sets import SetValue
from node.store.values.strings import I64_MAX

U64_MAX: Final = 18446744073709551615
NO_FIELD: Final = b"ERR hash key doesn't exist"


def expiremember(ctx: Context, args: list[bytes]) -> object:
    """EXPIREMEMBER: the unit, s or ms, may stand behind the number."""
    number = integer(args[3])
    if len(args) > 5:
        raise Failure(b"ERR Invalid number of arguments")
    unit = args[4].lower() if len(args) == 5 else b"s"
    if unit != b"s" and unit != b"ms":
        raise Failure(b"ERR Invalid unit arg")
    now_ms = int(ctx.now_ms())
    return expire_member(ctx, args, number * (1000 if unit == b"s" else 1) + now_ms)


def expirememberat(ctx: Context, args: list[bytes]) -> object:
    """EXPIREMEMBERAT: Unix time in seconds."""
    return expire_member(ctx, args, integer(args[3]) * 1000)


def pexpirememberat(ctx: Context, args: list[bytes]) -> object:
    """PEXPIREMEMBERAT: Unix time in milliseconds."""
    return expire_member(ctx, args, integer(args[3]))


def expire_member(ctx: Context, args: list[bytes], deadline: int) -> int:
    """All three: 1 where the deadline was set or has passed, 0 where there is no such member."""
    if deadline > LATEST_MS:
        raise invalid_expire(args[0].lower())
    key = args[1]
    value = ctx.find(key)
    if value is None:
        return 0
    if not isinstance(value, Container):
        raise Failure(b"ERR object type is unsupported")
    if not value.has(args[2]):
        return 0
    ctx.reworded()
    of_hash = isinstance(value, HashValue)
    if deadline > ctx.now_ms():
        event = HEXPIRE_EVENT if of_hash else NO_EVENT
        ctx.emit(HEXPIRE, key, timed(value, args[2]), i64(deadline), event)
    else:
        op = HDEL if of_hash else SREM if isinstance(value, SetValue) else ZREM
        ctx.emit(op, key, [args[2]], 0)
    return 1


def mexists(ctx: Context, args: list[bytes]) -> object:
    """KEYDB.MEXISTS: for each key whether it is there."""
    return [Boolean(ctx.touch(key)) for key in args[1:]]


def hrename(ctx: Context, args: list[bytes]) -> object:
    """KEYDB.HRENAME: 1. What had the new name is replaced; value and deadline move."""
    value = ctx.hash(args[1])
    if value is None:
        return None
    text = value.get(args[2])
    if text is None:
        raise Failure(NO_FIELD)
    if args[2] == args[3]:
        return 1
    deadline = value.deadline_of(args[2])
    ctx.reworded()
    ctx.emit(HSET, args[1], [args[3], text], 0)
    if deadline != 0:
        ctx.emit(HEXPIRE, args[1], Timed([args[3]], True), i64(deadline), NO_EVENT)
    ctx.emit(HDEL, args[1], [args[2]], 0)
    return 1


def mvccrestore(ctx: Context, args: list[bytes]) -> object:
    """KEYDB.MVCCRESTORE: a whole key, taken where its stamp is not older than that of the key here.

    It becomes a write of this node, with a stamp of its own. A deadline below 0 or of 2**63 - 1 is
    none (KeyDB sends the latter).
    """
    if not args[2].isdigit() or len(args[2]) > 20 or int(args[2]) > U64_MAX:
        raise Failure(b"ERR Invalid MVCC Tstamp")
    deadline = integer(args[3], b"ERR Invalid expire")
    value = restored(args[4], ctx)
    key = args[1]
    if ctx.stamp(key) > int(args[2]):
        return OK
    old = ctx.find(key)
    ctx.reworded()
    if deadline < 0 or deadline == I64_MAX:
        deadline = 0
    elif deadline <= ctx.now_ms():
        if old is not None:
            ctx.emit(DROP, key)
        return OK
    ctx.emit(PUT, key, value, i64(deadline), RESTORE)
    return OK


def object_lastmodified(ctx: Context, args: list[bytes]) -> object:
    """OBJECT LASTMODIFIED: seconds since the key was last written."""
    stamp = int(ctx.stamp(args[2]))
    if stamp < 0:
        return None
    return max(0, int(ctx.now_ms()) - (stamp >> 20)) // 1000


MEMBER: Final = "O(log N) with N the members that have a deadline"
CHANGES: Final = (at(1, "RW", "UPDATE"),)

COMMANDS: tuple[Command, ...] = (
    Command(
        "EXPIREMEMBER key member time [S | MS]", expiremember, WRITE | FAST, accepts=-4,
        keys=CHANGES, cost=MEMBER,
        about="Lets a member of a set or sorted set, or a hash field, live for so long from now.",
    ),
    Command(
        "EXPIREMEMBERAT key member unix-time-seconds", expirememberat, WRITE | FAST,
        keys=CHANGES, cost=MEMBER, about="Lets a member or field live until a Unix time.",
    ),
    Command(
        "PEXPIREMEMBERAT key member unix-time-milliseconds", pexpirememberat, WRITE | FAST,
        keys=CHANGES, cost=MEMBER,
        about="Lets a member or field live until a Unix time in milliseconds.",
    ),
    Command(
        "KEYDB.MEXISTS key [key ...]", mexists, READONLY | FAST, keys=(span(1, -1, 1, "RO"),),
        cost="O(N) for N keys", about="Tells of each key whether it exists.",
    ),
    Command(
        "KEYDB.HRENAME key field newfield", hrename, WRITE | FAST, keys=CHANGES, group="hash",
        about="Gives a field of a hash another name; what had it is replaced.",
    ),
    Command(
        "KEYDB.MVCCRESTORE key mvcc-timestamp unix-time-milliseconds serialized-value",
        mvccrestore, WRITE | DENYOOM, keys=(at(1, "OW", "UPDATE"),),
        cost="O(N) for N members", categories=("dangerous",),
        about="Takes over a key as DUMP gives it, unless the key here was written later.",
    ),
    Command(
        "OBJECT LASTMODIFIED key", object_lastmodified, READONLY, keys=(at(2, "RO"),),
        since="2.2.3", about="Answers how many seconds ago a key was written.",
        tips=("nondeterministic_output",),
    ),
    Command(
        "REPLPING", ping, FAST | STALE, group="connection", accepts=-1,
        about="PING, as KeyDB's replicas send it.",
    ),
    *nested.COMMANDS,
)  # fmt: skip
