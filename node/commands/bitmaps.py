"""Bitmaps: SETBIT, GETBIT, BITCOUNT, BITPOS and BITOP; BITFIELD is in bitfield.py.  [compiled]

A bitmap is a string; what lies behind its end reads as zero bits. BITOP has KeyDB's LSHIFT and
RSHIFT beside Redis's operations.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.commands import bitfield
from node.commands.args import integer, syntax_error
from node.commands.bitfield import bit_offset
from node.commands.command import DENYOOM, FAST, READONLY, WRITE, Command, at, span
from node.commands.context import Context
from node.commands.strings import TOO_LONG
from node.resp.replies import Failure
from node.store.effect import DROP, PUT, SETBITS
from node.store.values.bits import (
    COMBINATIONS,
    SHIFTS,
    bit_at,
    combined,
    count_bits,
    find_bit,
    shifted,
    shifted_size,
)  # fmt: skip
from node.store.values.strings import shown

NOT_A_BIT: Final = b"ERR bit is not an integer or out of range"
SEVERAL_SOURCES: Final = (b"DIFF", b"DIFF1", b"ANDOR")


def setbit(ctx: Context, args: list[bytes]) -> object:
    """SETBIT: the bit before. Where it is set already and the string is long enough: no effect."""
    offset = bit_offset(ctx, args[2], 0)
    bit = integer(args[3], NOT_A_BIT)
    if bit != 0 and bit != 1:
        raise Failure(NOT_A_BIT)
    value = ctx.string(args[1])
    text = shown(value)
    before = int(bit_at(text, i64(offset)))
    if before != bit or len(text) <= offset >> 3:
        ctx.emit(SETBITS, args[1], None, i64(offset) * 2 + i64(bit))
    elif value is not None:
        ctx.db.set_raw(args[1])
    return before


def getbit(ctx: Context, args: list[bytes]) -> object:
    """GETBIT."""
    offset = bit_offset(ctx, args[2], 0)
    return int(bit_at(shown(ctx.string(args[1])), i64(offset)))


def is_in_bits(word: bytes) -> bool:
    """The unit of a range: BIT, or BYTE."""
    unit = word.upper()
    if unit != b"BIT" and unit != b"BYTE":
        raise syntax_error()
    return unit == b"BIT"


def bit_range(size: int, start: int, end: int, in_bits: bool) -> tuple[int, int]:
    """First and last bit of a range, both included; negative ends count from the string's end.

    Empty where the first is above the last.
    """
    total = size * 8 if in_bits else size
    start = max(start + total, 0) if start < 0 else start
    end = max(end + total, 0) if end < 0 else end
    end = min(end, total - 1)
    if in_bits:
        return start, end
    return start * 8, end * 8 + 7


def bitcount(ctx: Context, args: list[bytes]) -> object:
    """BITCOUNT."""
    n = len(args)
    if n != 2 and n != 4 and n != 5:
        raise syntax_error()
    start = integer(args[2]) if n > 2 else 0
    end = integer(args[3]) if n > 2 else -1
    in_bits = n == 5 and is_in_bits(args[4])
    value = ctx.string(args[1])
    if value is None or (start < 0 and end < 0 and start > end):
        return 0
    text = shown(value)
    first, last = bit_range(len(text), start, end, in_bits)
    return count_bits(text, i64(first), i64(last)) if first <= last else 0


def bitpos(ctx: Context, args: list[bytes]) -> object:
    """BITPOS: -1 where there is none. Without an end, zeros follow behind the string."""
    n = len(args)
    bit = integer(args[2])
    if bit != 0 and bit != 1:
        raise Failure(b"ERR The bit argument must be 1 or 0.")
    if n > 6:
        raise syntax_error()
    start = integer(args[3]) if n > 3 else 0
    in_bits = n == 6 and is_in_bits(args[5])
    end = integer(args[4]) if n > 4 else -1
    value = ctx.string(args[1])
    if value is None:
        return -1 if bit else 0
    text = shown(value)
    first, last = bit_range(len(text), start, end, in_bits)
    if first > last:
        return -1
    found = find_bit(text, i64(bit), i64(first), i64(last))
    if found < 0 and bit == 0 and n < 5:
        return len(text) * 8
    return found


def bitop(ctx: Context, args: list[bytes]) -> object:
    """BITOP: the size of the result, which replaces the destination; an empty one deletes it."""
    operation = args[1].upper()
    text = shift(ctx, args, operation) if operation in SHIFTS else combine(ctx, args, operation)
    ctx.reworded()
    if text:
        ctx.emit(PUT, args[2], text)
        ctx.db.set_raw(args[2])
    elif ctx.peek(args[2]) is not None:
        ctx.emit(DROP, args[2])
    return len(text)


def combine(ctx: Context, args: list[bytes], operation: bytes) -> bytes:
    """The result of Redis's operations."""
    if operation not in COMBINATIONS:
        raise syntax_error()
    if operation == b"NOT" and len(args) != 4:
        raise Failure(b"ERR BITOP NOT must be called with a single source key.")
    if operation in SEVERAL_SOURCES and len(args) < 5:
        raise Failure(b"ERR BITOP %b must be called with at least two source keys." % operation)
    return combined(operation, [source(ctx, key) for key in args[3:]])


def shift(ctx: Context, args: list[bytes], operation: bytes) -> bytes:
    """The result of KeyDB's LSHIFT and RSHIFT; refuses one above proto-max-bulk-len."""
    if len(args) != 5:
        raise Failure(
            b"ERR BITOP SHIFT must be called with a single source key and an integer shift."
        )
    places = integer(args[4], b"ERR BITOP SHIFT's last parameter must be an integer")
    if operation == b"RSHIFT":
        places = -places
    text = source(ctx, args[3])
    if shifted_size(len(text), places) > ctx.services.config.number("proto-max-bulk-len"):
        raise Failure(TOO_LONG)
    return shifted(text, places)


def source(ctx: Context, key: bytes) -> bytes:
    """A source of BITOP; one that is not there is empty, and told as event keymiss."""
    value = ctx.string(key)
    if value is None:
        ctx.services.notify.read_missed(int(ctx.db.number), key)
        return b""
    return shown(value)


BITS_COUNTED: Final = "O(N) for N bytes of the range"

COMMANDS: tuple[Command, ...] = (
    Command(
        "SETBIT key offset value", setbit, WRITE | DENYOOM, keys=(at(1, "RW", "ACCESS", "UPDATE"),),
        group="bitmap", since="2.2.0", cost="O(N) for N bytes held",
        about="Sets one bit of a string and answers what it was.",
    ),
    Command(
        "GETBIT key offset", getbit, READONLY | FAST, keys=(at(1, "RO", "ACCESS"),),
        group="bitmap", since="2.2.0", about="Answers one bit of a string.",
    ),
    Command(
        "BITCOUNT key [start end [BYTE | BIT]]", bitcount, READONLY, keys=(at(1, "RO", "ACCESS"),),
        group="bitmap", since="2.6.0", cost=BITS_COUNTED,
        about="Counts the bits of a string that are 1.",
    ),
    Command(
        "BITPOS key bit [start [end [BYTE | BIT]]]", bitpos, READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="bitmap", since="2.8.7", cost=BITS_COUNTED,
        about="Finds the first bit of a string that is 1, or 0.",
    ),
    Command(
        "BITOP <AND | OR | XOR | NOT | DIFF | DIFF1 | ANDOR | ONE> destkey key [key ...]", bitop,
        WRITE | DENYOOM, keys=(at(2, "OW", "UPDATE"), span(3, -1, 1, "RO", "ACCESS")),
        group="bitmap", since="2.6.0", cost="O(N) for N bytes of the longest string",
        about="Keeps under a key what several strings give bit by bit. KeyDB's LSHIFT and RSHIFT"
        " take a key and a number of bits instead.",
    ),
    *bitfield.COMMANDS,
)  # fmt: skip
