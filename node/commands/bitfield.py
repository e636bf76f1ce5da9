"""BITFIELD: integers of any width within a string.  [compiled]

Each write is an effect of its own, since concurrent increments of one field add up where
assignments do not; what a BITFIELD only reads, or leaves as it was, is none.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.commands.args import integer, syntax_error
from node.commands.command import DENYOOM, FAST, READONLY, WRITE, Command, at
from node.commands.context import Context
from node.resp.replies import Failure
from node.store.effect import BITINCR, SETBITS
from node.store.events import NEW, NO_EVENT, SETBIT
from node.store.values.bits import (
    FAIL,
    SATURATE,
    U64_MAX,
    WRAP,
    FieldType,
    field_at,
    field_type,
)  # fmt: skip
from node.store.values.strings import integer_of, shown

BAD_OFFSET: Final = b"ERR bit offset is not an integer or out of range"
BAD_TYPE: Final = (
    b"ERR Invalid bitfield type. Use something like i16 u8."
    b" Note that u64 is not supported but i64 is."
)


def bit_offset(ctx: Context, arg: bytes, width: int) -> int:
    """An offset in bits; after `#` it counts fields of `width` bits. Ends at proto-max-bulk-len."""
    by_field = width > 0 and arg[:1] == b"#"
    number = integer_of(arg[1:] if by_field else arg)
    if number is None:
        raise Failure(BAD_OFFSET)
    if by_field:
        number = (number * width) & U64_MAX  # wraps in Redis too
    if number < 0 or number >> 3 >= ctx.services.config.number("proto-max-bulk-len"):
        raise Failure(BAD_OFFSET)
    return number


class Part:
    """One GET, SET or INCRBY of a BITFIELD."""

    def __init__(self, name: bytes, kind: FieldType, offset: int, number: int, mode: bytes) -> None:
        self.name = name
        self.kind = kind
        self.offset = offset
        self.number = number
        self.mode = mode

    def end(self) -> int:
        """How many bytes a string must have to hold the field."""
        return (self.offset + self.kind.width + 7) >> 3


def parts_of(ctx: Context, args: list[bytes]) -> list[Part]:
    """What a BITFIELD asks for, in order."""
    parts: list[Part] = []
    mode = WRAP
    place = 2
    n = len(args)
    while place < n:
        name = args[place].upper()
        following = n - place - 1
        if name == b"OVERFLOW" and following >= 1:
            mode = args[place + 1].upper()
            if mode not in (WRAP, SATURATE, FAIL):
                raise Failure(b"ERR Invalid OVERFLOW type specified")
            place += 2
            continue
        takes = 2 if name == b"GET" else 3
        if name not in (b"GET", b"SET", b"INCRBY") or following < takes:
            raise syntax_error()
        kind = field_type(args[place + 1])
        if kind is None:
            raise Failure(BAD_TYPE)
        offset = bit_offset(ctx, args[place + 2], kind.width)
        number = integer(args[place + 3]) if takes == 3 else 0
        parts.append(Part(name, kind, offset, number, mode))
        place += 1 + takes
    return parts


def bitfield(ctx: Context, args: list[bytes]) -> object:
    """BITFIELD: what each part found (GET, SET) or made (INCRBY); nil for one that FAILed."""
    parts = parts_of(ctx, args)
    if all(part.name == b"GET" for part in parts):
        value = ctx.string(args[1])
        if value is None:
            ctx.services.notify.read_missed(int(ctx.db.number), args[1])
        return read(shown(value), parts)
    ctx.string(args[1])
    return Change(ctx, args[1]).carry_out(parts)


def read(text: bytes, parts: list[Part]) -> object:
    """The replies to parts that are all GET."""
    return [field_at(text, part.offset, part.kind) for part in parts]


class Change:
    """A BITFIELD that writes: its effects, of which the first one that counts tells `setbit`."""

    def __init__(self, ctx: Context, key: bytes) -> None:
        self.ctx = ctx
        self.key = key
        value = ctx.string(key)
        self.existed = value is not None
        self.text = shown(value)
        self.told = False

    def carry_out(self, parts: list[Part]) -> object:
        """Does the parts in order. Redis makes room for all of them, also for one that FAILs."""
        room = max([part.end() for part in parts if part.name != b"GET"])
        grows = len(self.text) < room
        succeeded = False
        replies: list[object] = []
        self.ctx.reworded()
        for part in parts:
            before = field_at(self.text, part.offset, part.kind)
            if part.name == b"GET":
                replies.append(before)
                continue
            after = self.after(part, before)
            if after is None:
                replies.append(None)
                continue
            succeeded = True
            replies.append(before if part.name == b"SET" else after)
            if after != before or len(self.text) < part.end():
                self.write(part, after)
        if len(self.text) < room:
            bit = [b"u1", b"%d" % (room * 8 - 1), b"0"]
            if grows and succeeded:
                self.emit(SETBITS, bit, SETBIT)
            else:
                self.emit(SETBITS, bit, NO_EVENT if self.existed else NEW)
        self.ctx.db.set_raw(self.key)  # also where nothing has changed
        return replies

    def after(self, part: Part, before: int) -> int | None:
        """What the field will hold; None where that does not fit and the mode is FAIL."""
        if part.name == b"SET":
            return part.kind.assigned(part.number, part.mode)
        return part.kind.fitted(before + part.number, part.mode)

    def write(self, part: Part, after: int) -> None:
        """The effect of one part."""
        kind = (b"i%d" if part.kind.signed else b"u%d") % part.kind.width
        offset = b"%d" % part.offset
        if part.name == b"SET":
            self.emit(SETBITS, [kind, offset, b"%d" % after], SETBIT)
        else:
            self.emit(BITINCR, [kind, offset, b"%d" % part.number, part.mode], SETBIT)

    def emit(self, op: i64, payload: list[bytes], event: i64) -> None:
        """Emits, and looks at the string anew."""
        self.ctx.emit(op, self.key, payload, 0, NO_EVENT if self.told else event)
        self.told = self.told or event == SETBIT
        self.text = shown(self.ctx.peek(self.key))


def bitfield_ro(ctx: Context, args: list[bytes]) -> object:
    """BITFIELD_RO: GET only."""
    parts = parts_of(ctx, args)
    if any(part.name != b"GET" for part in parts):
        raise Failure(b"ERR BITFIELD_RO only supports the GET subcommand")
    return read(shown(ctx.string(args[1])), parts)


COMMANDS: tuple[Command, ...] = (
    Command(
        "BITFIELD key [GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>]"
        " <SET encoding offset value | INCRBY encoding offset increment> ...]",
        bitfield, WRITE | DENYOOM, keys=(at(1, "RW", "ACCESS", "UPDATE", "VARIABLE_FLAGS"),),
        group="bitmap", since="3.2.0",
        cost="O(1) for each part that reads, O(N) with N the string's size for one that writes",
        about="Reads and writes integers of any width within a string.",
    ),
    Command(
        "BITFIELD_RO key [GET encoding offset [GET encoding offset ...]]", bitfield_ro,
        READONLY | FAST, keys=(at(1, "RO", "ACCESS"),), group="bitmap", since="6.0.0",
        cost="O(1) for each part", about="Reads integers of any width within a string.",
    ),
)  # fmt: skip
