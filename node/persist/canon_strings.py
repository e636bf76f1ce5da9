"""Canon for APPEND, SETRANGE, bits and HyperLogLog: see node/persist/canon.py.  [compiled]

What Redis has no command for, MESH.PFMERGE says: registers raised, three bytes each, and under
which limit a sparse HyperLogLog stays sparse. Words behind these say what else is done: DENSE,
COUNT, FORM (node/store/mutate_strings.py).
"""

from __future__ import annotations

from typing import Final, cast

from mypy_extensions import i64

from node.persist.canon_words import CanonError, integer
from node.store.effect import (
    APPEND,
    BITINCR,
    OP_NAMES,
    PFMERGE,
    SETBITS,
    SETRANGE,
    Effect,
)  # fmt: skip
from node.store.mutate_strings import COUNTED, FORM_ONLY, LIMIT_UNIT, TO_DENSE, merge_number
from node.store.values.bits import FAIL, SATURATE, WRAP, field_type

NAMES: Final = frozenset(
    (b"APPEND", b"SETRANGE", b"SETBIT", b"BITFIELD", b"PFADD", b"MESH.PFMERGE")
)
FLAG_WORDS: Final = ((TO_DENSE, b"DENSE"), (COUNTED, b"COUNT"), (FORM_ONLY, b"FORM"))
# Sixteen times what proto-max-bulk-len allows by default: what lies beyond is no effect of ours,
# and would fill the memory.
BYTES_MAX: Final = 1 << 33
BITS_MAX: Final = BYTES_MAX * 8


def command_of(effect: Effect) -> list[bytes]:
    """The command that replays an effect of these ops."""
    op = effect.op
    key = effect.key
    value = effect.value
    number = effect.number
    if op == APPEND:
        return [b"APPEND", key, cast(bytes, value)]
    if op == SETRANGE:
        return [b"SETRANGE", key, b"%d" % number, cast(bytes, value)]
    if op == SETBITS:
        if value is None:
            return [b"SETBIT", key, b"%d" % (number >> 1), b"%d" % (number & 1)]
        return [b"BITFIELD", key, b"SET", *cast(list[bytes], value)]
    if op == BITINCR:
        words = cast(list[bytes], value)
        return [b"BITFIELD", key, b"OVERFLOW", words[3], b"INCRBY", *words[:3]]
    if op == PFMERGE:
        if isinstance(value, bytes):
            limit = b"%d" % (number // LIMIT_UNIT)
            words = [word for flag, word in FLAG_WORDS if number & flag]
            return [b"MESH.PFMERGE", key, value, limit, *words]
        return [b"PFADD", key, *cast(list[bytes], value)[int(number) :]]
    raise CanonError(f"no command for {OP_NAMES[int(op)]}")


def effect_of(
    name: bytes, words: list[bytes], db: i64, stamp: i64, origin: i64, index: i64
) -> Effect:
    """The effect that a command named in NAMES says. CanonError where it is malformed."""
    n = len(words)
    if name == b"APPEND" and n == 3:
        return Effect(APPEND, db, words[1], words[2], 0, stamp, origin, index)
    if name == b"SETRANGE" and n == 4:
        begin = place(words, 2, BYTES_MAX)
        return Effect(SETRANGE, db, words[1], words[3], begin, stamp, origin, index)
    if name == b"SETBIT" and n == 4:
        bit = integer(words, 3)
        if bit == 0 or bit == 1:
            number = place(words, 2, BITS_MAX) * 2 + bit
            return Effect(SETBITS, db, words[1], None, number, stamp, origin, index)
    if name == b"BITFIELD" and n == 6 and words[2].upper() == b"SET":
        payload = field(words, 3)
        return Effect(SETBITS, db, words[1], payload, 0, stamp, origin, index)
    if name == b"BITFIELD" and n == 8 and words[4].upper() == b"INCRBY":
        mode = words[3].upper()
        if words[2].upper() == b"OVERFLOW" and mode in (WRAP, SATURATE, FAIL):
            payload = [*field(words, 5), mode]
            return Effect(BITINCR, db, words[1], payload, 0, stamp, origin, index)
    if name == b"PFADD" and n >= 2:
        return Effect(PFMERGE, db, words[1], words, 2, stamp, origin, index)
    if name == b"MESH.PFMERGE" and n >= 4:
        number = merge_number(flags_of(words), int(place(words, 3, BYTES_MAX)))
        return Effect(PFMERGE, db, words[1], words[2], number, stamp, origin, index)
    raise CanonError(f"{name.decode('latin-1')!r} with {n - 1} arguments says no effect")


def place(words: list[bytes], at: int, most: i64) -> i64:
    """An integer argument from 0 up to, not including, `most`."""
    number = integer(words, at)
    if number < 0 or number >= most:
        raise CanonError(f"argument {at} of {words[0].decode('latin-1')!r} is out of range")
    return number


def field(words: list[bytes], at: int) -> list[bytes]:
    """Type, absolute offset and number of a BITFIELD."""
    if field_type(words[at]) is None:
        raise CanonError(f"{words[at].decode('latin-1')!r} is no type of BITFIELD")
    place(words, at + 1, BITS_MAX)
    integer(words, at + 2)
    return words[at : at + 3]


def flags_of(words: list[bytes]) -> i64:
    """The words behind MESH.PFMERGE's limit."""
    flags: i64 = 0
    for word in words[4:]:
        known = [flag for flag, text in FLAG_WORDS if text == word.upper()]
        if not known:
            raise CanonError(f"MESH.PFMERGE does not know {word.decode('latin-1')!r}")
        flags |= known[0]
    return flags
