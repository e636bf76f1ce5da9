"""Mutations of strings in place: APPEND, SETRANGE, bits, HyperLogLog registers.  [compiled]

A counter becomes its text first; where there is no string, one begins empty, whatever else was
under the key. The deadline stays.
"""

from __future__ import annotations

from typing import Final, cast

from mypy_extensions import i64

from node.store.effect import Effect
from node.store.entry import RAW, Entry
from node.store.mutation import Mutation
from node.store.values.bits import field_at, field_type, overwritten, with_bit, with_field
from node.store.values.hyperloglog import (
    SPARSE_LARGEST,
    SPARSE_MAX,
    as_dense,
    cardinality,
    fresh,
    is_sketch,
    pack,
    place_of,
    ranks_of,
    with_cache,
    with_elements,
    with_registers,
    with_stale_cache,
)  # fmt: skip
from node.store.values.strings import shown

# The number of a PFMERGE of registers: one of these, and hll-sparse-max-bytes times LIMIT_UNIT.
TO_DENSE: Final[i64] = 1  # becomes dense first (a source was; PFDEBUG)
COUNTED: Final[i64] = 2  # no register rises: the cardinality is cached (PFCOUNT)
FORM_ONLY: Final[i64] = 4  # no register rises, the cache stays as it is (PFDEBUG)
LIMIT_UNIT: Final[i64] = 8
# Or this: the registers are those of a PFADD's elements (`packed_elements`).
ELEMENTS: Final[i64] = -1


def merge_number(flags: i64, sparse_max: int) -> i64:
    """The number of a PFMERGE of registers. The limit travels, so that all nodes make equal
    bytes."""
    return flags + i64(min(sparse_max, SPARSE_LARGEST)) * LIMIT_UNIT


class Append(Mutation):
    """Returns the new length."""

    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = entry.value
        if value is not None:
            entry.flags = entry.flags | RAW
        after = shown(value) + cast(bytes, effect.value)
        entry.value = after
        return len(after)


class SetRange(Mutation):
    """Returns the new length."""

    def apply(self, entry: Entry, effect: Effect) -> i64:
        after = overwritten(shown(entry.value), effect.number, cast(bytes, effect.value))
        entry.value = after
        entry.flags = entry.flags | RAW
        return len(after)


class SetBits(Mutation):
    """One bit, or one field of BITFIELD; a field of a type that is none changes nothing."""

    def apply(self, entry: Entry, effect: Effect) -> i64:
        text = shown(entry.value)
        entry.flags = entry.flags | RAW
        if effect.value is None:
            entry.value = with_bit(text, effect.number >> 1, effect.number & 1)
            return 1
        words = cast(list[bytes], effect.value)
        kind = field_type(words[0])
        if kind is None:
            return 0
        entry.value = with_field(text, int(words[1]), kind, int(words[2]))
        return 1


class BitIncrement(Mutation):
    """An increment of one field, with its overflow mode; FAIL leaves the field as it is."""

    def apply(self, entry: Entry, effect: Effect) -> i64:
        words = cast(list[bytes], effect.value)
        kind = field_type(words[0])
        if kind is None:
            return 0
        text = shown(entry.value)
        offset = int(words[1])
        total = kind.fitted(field_at(text, offset, kind) + int(words[2]), words[3])
        if total is None:
            return 0
        entry.value = with_field(text, offset, kind, total)
        entry.flags = entry.flags | RAW
        return 1


class RaiseRegisters(Mutation):
    """PFADD's elements or a merge's registers; returns how many of the elements raised one.

    A string that is no HyperLogLog stays as it is: whoever writes one here had not seen it.
    """

    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = entry.value
        payload = effect.value
        if (isinstance(value, bytes) or isinstance(value, int)) and not is_sketch(value):
            return 0
        entry.flags = entry.flags | RAW
        if isinstance(payload, bytes):
            if effect.number == ELEMENTS:
                entry.value = with_ranks(value, payload)
            elif is_sketch(value):
                entry.value = remade(cast(bytes, value), payload, effect.number)
            elif effect.number & (COUNTED | FORM_ONLY) == 0:
                entry.value = remade(fresh(), payload, effect.number)
            return 1
        text = cast(bytes, value) if is_sketch(value) else fresh()
        text, raised = with_elements(text, cast(list[bytes], payload), effect.number, SPARSE_MAX)
        if text is not value:
            entry.value = with_stale_cache(text)
        return raised


def with_ranks(value: object, packed: bytes) -> bytes:
    """A sketch after a PFADD whose elements are registers and ranks by now."""
    before = cast(bytes, value) if is_sketch(value) else fresh()
    after = with_registers(before, packed, SPARSE_MAX)
    if after == before and before is value:
        return before
    return with_stale_cache(after)


def packed_elements(elements: list[bytes], begin: i64) -> bytes:
    """The registers and ranks of a PFADD's elements: what a mesh remembers of it."""
    changes: list[tuple[int, int]] = []
    for at in range(int(begin), len(elements)):
        index, rank = place_of(elements[at])
        changes.append((int(index), int(rank)))
    return pack(changes)


def remade(text: bytes, packed: bytes, number: i64) -> bytes:
    """A sketch after a PFMERGE of registers; one whose runs make no sense stays."""
    if number & COUNTED:
        ranks = ranks_of(text)
        return text if ranks is None else with_cache(text, cardinality(ranks))
    if number & TO_DENSE:
        dense = as_dense(text)
        if dense is None:
            return text
        text = dense
    if number & FORM_ONLY:
        return text
    return with_stale_cache(with_registers(text, packed, number // LIMIT_UNIT))
