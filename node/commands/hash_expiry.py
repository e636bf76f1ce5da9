"""Hash fields with a time to live: the HEXPIRE family, HGETEX, HSETEX.  [compiled]

Whatever form was used, the effect is one HEXPIRE with an absolute deadline in ms (0: none), or an
HDEL where that deadline has passed already. A field past its deadline is gone for every command:
the database has it taken out before a handler sees the hash.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.commands.args import echoed, in_range, integer, invalid_expire
from node.commands.command import DENYOOM, FAST, READONLY, WRITE, Command, at
from node.commands.context import Context
from node.commands.expire import GT, LT, NX, XX, refused
from node.resp.replies import Failure
from node.store.effect import HDEL, HEXPIRE, HSET
from node.store.events import HPERSIST, NO_EVENT
from node.store.values.hashes import HashValue
from node.store.values.member_deadlines import LATEST_MS, Timed
from node.store.values.strings import I64_MAX

NO_FIELD: Final = -2
NO_DEADLINE: Final = -1
NOT_MET: Final = 0
SET: Final = 1
DELETED: Final = 2  # the deadline had passed
FEW_FIELDS: Final = b"ERR Parameter `numFields` should be greater than 0"
NO_FIELDS: Final = b"ERR Number of fields must be a positive integer"
NOT_FIELDS: Final = b"ERR Mandatory argument FIELDS is missing or not at the right position"
OTHER_COUNT: Final = b"ERR The `numfields` parameter must match the number of arguments"
NEGATIVE: Final = b"ERR invalid expire time, must be >= 0"
ONE_CONDITION: Final = b"ERR Only one of FXX or FNX arguments can be specified"
ONE_DEADLINE: Final = b"ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"
FIELDS_MAX: Final = 2147483647  # HSETEX reads its count as a C int
CONDITIONS: Final[dict[bytes, i64]] = {b"NX": NX, b"XX": XX, b"GT": GT, b"LT": LT}
# Option -> ms in one unit, and whether it counts from now.
UNITS: Final[dict[bytes, tuple[int, bool]]] = {
    b"EX": (1000, True), b"PX": (1, True), b"EXAT": (1000, False), b"PXAT": (1, False),
}  # fmt: skip


def named_fields(args: list[bytes], begin: int, too_few: bytes) -> list[bytes]:
    """The fields of `FIELDS numfields field ...` at `begin`, to the end of the arguments."""
    if args[begin].upper() != b"FIELDS":
        raise Failure(NOT_FIELDS)
    if in_range(args[begin + 1], 1, I64_MAX, too_few) != len(args) - begin - 2:
        raise Failure(OTHER_COUNT)
    return args[begin + 2 :]


def field_deadline(arg: bytes, unit_ms: int, base_ms: int, command: bytes) -> int:
    """A field's deadline as absolute ms; Failure where it is negative, or after LATEST_MS."""
    number = integer(arg)
    if number < 0:
        raise Failure(NEGATIVE)
    if number > LATEST_MS // unit_ms or number * unit_ms > LATEST_MS - base_ms:
        raise invalid_expire(command)
    return number * unit_ms + base_ms


def option_deadline(ctx: Context, option: bytes, arg: bytes, command: bytes) -> int:
    """The same for EX, PX, EXAT and PXAT."""
    unit_ms, from_now = UNITS[option]
    return field_deadline(arg, unit_ms, int(ctx.now_ms()) if from_now else 0, command)


def hexpire(ctx: Context, args: list[bytes]) -> object:
    """HEXPIRE."""
    return expire_fields(ctx, args, 1000, int(ctx.now_ms()), b"hexpire")


def hpexpire(ctx: Context, args: list[bytes]) -> object:
    """HPEXPIRE."""
    return expire_fields(ctx, args, 1, int(ctx.now_ms()), b"hpexpire")


def hexpireat(ctx: Context, args: list[bytes]) -> object:
    """HEXPIREAT."""
    return expire_fields(ctx, args, 1000, 0, b"hexpireat")


def hpexpireat(ctx: Context, args: list[bytes]) -> object:
    """HPEXPIREAT."""
    return expire_fields(ctx, args, 1, 0, b"hpexpireat")


def expire_fields(
    ctx: Context, args: list[bytes], unit_ms: int, base_ms: int, command: bytes
) -> object:
    """All four: for each field whether its deadline was set, or what was in the way."""
    value = ctx.hash(args[1])
    deadline = field_deadline(args[2], unit_ms, base_ms, command)
    condition = CONDITIONS.get(args[3].upper(), 0)
    fields = named_fields(args, 3 if condition == 0 else 4, FEW_FIELDS)
    if value is None:
        return [NO_FIELD for _ in fields]
    value.note_timed()
    passed = deadline <= ctx.now_ms()
    changed: dict[bytes, None] = {}
    replies: list[object] = []
    for field in fields:
        if field in changed:
            # Named again: it is gone by now, or has this very deadline.
            current = deadline
            known = not passed
        else:
            current = value.deadline_of(field)
            known = value.has(field)
        if not known:
            replies.append(NO_FIELD)
        elif condition != 0 and refused(condition, current, deadline):
            replies.append(NOT_MET)
        else:
            changed[field] = None
            replies.append(DELETED if passed else SET)
    give_deadline(ctx, args[1], list(changed), deadline)
    return replies


def give_deadline(ctx: Context, key: bytes, fields: list[bytes], deadline: int) -> None:
    """Fields that are there get a deadline, or go where it has passed."""
    if not fields:
        return
    ctx.reworded()
    if deadline <= ctx.now_ms():
        ctx.emit(HDEL, key, fields, 0)
    else:
        ctx.emit(HEXPIRE, key, Timed(fields, True), i64(deadline))


def hpersist(ctx: Context, args: list[bytes]) -> object:
    """HPERSIST: for each field whether it had a deadline."""
    value = ctx.hash(args[1])
    fields = named_fields(args, 2, NO_FIELDS)
    replies: list[object] = []
    endless: dict[bytes, None] = {}
    for field in fields:
        if value is None or not value.has(field):
            replies.append(NO_FIELD)
        elif value.deadline_of(field) == 0 or field in endless:
            replies.append(NO_DEADLINE)
        else:
            endless[field] = None
            replies.append(SET)
    persist_fields(ctx, args[1], list(endless))
    return replies


def persist_fields(ctx: Context, key: bytes, fields: list[bytes]) -> None:
    """Fields that have a deadline lose it."""
    if fields:
        ctx.reworded()
        ctx.emit(HEXPIRE, key, Timed(fields, True), 0, HPERSIST)


def httl(ctx: Context, args: list[bytes]) -> object:
    """HTTL: seconds left, begun ones counted."""
    return deadlines_of(ctx, args, int(ctx.now_ms()), 1000)


def hpttl(ctx: Context, args: list[bytes]) -> object:
    """HPTTL: milliseconds left."""
    return deadlines_of(ctx, args, int(ctx.now_ms()), 1)


def hexpiretime(ctx: Context, args: list[bytes]) -> object:
    """HEXPIRETIME: the deadline in Unix seconds, a begun one counted."""
    return deadlines_of(ctx, args, 0, 1000)


def hpexpiretime(ctx: Context, args: list[bytes]) -> object:
    """HPEXPIRETIME: the deadline in Unix milliseconds."""
    return deadlines_of(ctx, args, 0, 1)


def deadlines_of(ctx: Context, args: list[bytes], base_ms: int, unit_ms: int) -> object:
    """Each field's deadline after `base_ms`, in units, rounded up; or -1 none, -2 no field."""
    value = ctx.hash(args[1])
    fields = named_fields(args, 2, NO_FIELDS)
    replies: list[object] = []
    for field in fields:
        if value is None or not value.has(field):
            replies.append(NO_FIELD)
            continue
        deadline = value.deadline_of(field)
        if deadline == 0:
            replies.append(NO_DEADLINE)
        else:
            replies.append((deadline - base_ms + unit_ms - 1) // unit_ms)
    return replies


def hgetex(ctx: Context, args: list[bytes]) -> object:
    """HGETEX: the fields' values; those that are there get a deadline, or lose it (PERSIST)."""
    value = ctx.hash(args[1])
    option = args[2].upper()
    begin = 2
    deadline = 0
    if option in UNITS:
        deadline = option_deadline(ctx, option, args[3], b"hgetex")
        begin = 4
    elif option == b"PERSIST":
        begin = 3
    if begin + 1 >= len(args):
        raise Failure(b"ERR wrong number of arguments for 'hgetex' command")
    fields = named_fields(args, begin, NO_FIELDS)
    if value is not None and begin > 2:
        value.note_timed()
    goes = begin == 4 and deadline <= ctx.now_ms()
    replies: list[object] = []
    present: dict[bytes, None] = {}
    for field in fields:
        found = None if value is None or (goes and field in present) else value.get(field)
        replies.append(found)
        if found is not None:
            present[field] = None
    if begin == 4:
        give_deadline(ctx, args[1], list(present), deadline)
    elif begin == 3 and value is not None:
        persist_fields(ctx, args[1], [field for field in present if value.deadline_of(field)])
    return replies


class SetOptions:
    """What stands before FIELDS in HSETEX; `begin` is where the first field is."""

    def __init__(self) -> None:
        self.condition = b""
        self.expiration = b""
        self.deadline = 0
        self.begin = 0


def set_options(ctx: Context, args: list[bytes]) -> SetOptions:
    """Reads them from the left; the first that is wrong is told."""
    found = SetOptions()
    n = len(args)
    i = 2
    while i < n:
        word = args[i].upper()
        if word == b"FIELDS" and i + 3 < n:
            count = in_range(args[i + 1], 1, FIELDS_MAX, b"ERR invalid number of fields")
            if n - i - 2 != count * 2:
                break
            found.begin = i + 2
            return found
        if word == b"FIELDS":
            break
        if word == b"FNX" or word == b"FXX":
            if found.condition:
                raise Failure(ONE_CONDITION)
            found.condition = word
        elif word == b"KEEPTTL" or word in UNITS:
            if found.expiration:
                raise Failure(ONE_DEADLINE)
            found.expiration = word
            if word != b"KEEPTTL":
                i += 1
                if i == n:
                    break
                found.deadline = option_deadline(ctx, word, args[i], b"hsetex")
        else:
            raise Failure(b"ERR unknown argument: %s" % echoed(args[i]))
        i += 1
    raise Failure(b"ERR wrong number of arguments for 'hsetex' command")


def hsetex(ctx: Context, args: list[bytes]) -> object:
    """HSETEX: 1 where all fields were set, 0 where FNX or FXX was in the way of one."""
    options = set_options(ctx, args)
    value = ctx.hash(args[1])
    fields = list(dict.fromkeys(args[options.begin :: 2]))
    if options.condition:
        wanted = options.condition == b"FXX"
        for field in fields:
            if (value is not None and value.has(field)) != wanted:
                return 0
    kept = kept_deadlines(value, fields) if options.expiration == b"KEEPTTL" else {}
    most = most_one_by_one(value, fields)
    ctx.reworded()
    ctx.emit(HSET, args[1], args, options.begin)
    for deadline, those in kept.items():
        ctx.emit(HEXPIRE, args[1], Timed(those, True), i64(deadline), NO_EVENT)
    if options.expiration in UNITS:
        written = ctx.hash(args[1])
        if written is not None:
            written.note_timed()
        give_deadline(ctx, args[1], fields, options.deadline)
        written = ctx.hash(args[1])
        if written is not None and options.deadline <= ctx.now_ms():
            written.note_most(most)
    return 1


def most_one_by_one(value: HashValue | None, fields: list[bytes]) -> i64:
    """The most places that a hash ever had where each of these fields is set and goes before the
    next one is set, as Redis does it: OBJECT ENCODING tells."""
    if value is None:
        return 1
    size: i64 = value.size()
    most = max(value.most, size)
    for field in fields:
        if value.has(field):
            size -= 1
        else:
            most = max(most, size + 1)
    return most


def kept_deadlines(value: HashValue | None, fields: list[bytes]) -> dict[int, list[bytes]]:
    """The deadlines that KEEPTTL keeps, each with its fields: HSET takes them away."""
    kept: dict[int, list[bytes]] = {}
    if value is not None and value.has_deadlines():
        for field in fields:
            deadline = value.deadline_of(field)
            if deadline != 0:
                kept.setdefault(deadline, []).append(field)
    return kept


EACH: Final = "O(1) for each field; O(log N) where it gets a deadline, N fields having one"
CHANGES: Final = (at(1, "RW", "UPDATE"),)
ASKS: Final = (at(1, "RO", "ACCESS"),)
TIMED: Final = ("nondeterministic_output",)

COMMANDS: tuple[Command, ...] = (
    Command(
        "HEXPIRE key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
        hexpire, WRITE | FAST, keys=CHANGES, group="hash", since="7.4.0", cost=EACH,
        about="Lets fields of a hash live for so many seconds from now.",
    ),
    Command(
        "HPEXPIRE key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
        hpexpire, WRITE | FAST, keys=CHANGES, group="hash", since="7.4.0", cost=EACH,
        about="Lets fields of a hash live for so many milliseconds from now.",
    ),
    Command(
        "HEXPIREAT key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
        hexpireat, WRITE | FAST, keys=CHANGES, group="hash", since="7.4.0", cost=EACH,
        about="Lets fields of a hash live until a Unix time.",
    ),
    Command(
        "HPEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field "
        "[field ...]",
        hpexpireat, WRITE | FAST, keys=CHANGES, group="hash", since="7.4.0", cost=EACH,
        about="Lets fields of a hash live until a Unix time in milliseconds.",
    ),
    Command(
        "HPERSIST key FIELDS numfields field [field ...]", hpersist, WRITE | FAST, keys=CHANGES,
        group="hash", since="7.4.0", cost="O(1) for each field",
        about="Takes the deadlines of fields away.",
    ),
    Command(
        "HTTL key FIELDS numfields field [field ...]", httl, READONLY | FAST, keys=ASKS,
        group="hash", since="7.4.0", cost="O(1) for each field", tips=TIMED,
        about="Answers how many seconds fields will live.",
    ),
    Command(
        "HPTTL key FIELDS numfields field [field ...]", hpttl, READONLY | FAST, keys=ASKS,
        group="hash", since="7.4.0", cost="O(1) for each field", tips=TIMED,
        about="Answers how many milliseconds fields will live.",
    ),
    Command(
        "HEXPIRETIME key FIELDS numfields field [field ...]", hexpiretime, READONLY | FAST,
        keys=ASKS, group="hash", since="7.4.0", cost="O(1) for each field",
        about="Answers the Unix times at which fields go.",
    ),
    Command(
        "HPEXPIRETIME key FIELDS numfields field [field ...]", hpexpiretime, READONLY | FAST,
        keys=ASKS, group="hash", since="7.4.0", cost="O(1) for each field",
        about="Answers the Unix times in milliseconds at which fields go.",
    ),
    Command(
        "HGETEX key [EX seconds | PX milliseconds | EXAT unix-time-seconds | "
        "PXAT unix-time-milliseconds | PERSIST] FIELDS numfields field [field ...]",
        hgetex, WRITE | FAST, keys=(at(1, "RW", "ACCESS", "UPDATE"),), group="hash",
        since="8.0.0", cost=EACH,
        about="Shows the values of fields and sets or takes away their deadlines.",
    ),
    Command(
        "HSETEX key [FNX | FXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | "
        "PXAT unix-time-milliseconds | KEEPTTL] FIELDS numfields field value [field value ...]",
        hsetex, WRITE | DENYOOM | FAST, keys=CHANGES, group="hash", since="8.0.0", cost=EACH,
        about="Sets fields together with their deadline, all of them or none.",
    ),
)  # fmt: skip
