"""A key's record: its value, its deadline, and what the mesh remembers of it.  [compiled]

Only keyspace, writer, mutate, merge and persist know an Entry; handlers are given values. All
classes here are acyclic (no collector header: a million keys must not slow the collector), so
none of them may be part of a cycle or of a chain.

The compact form (`dots` is None) says: a string with one register and its TTL claim under the same
dot, or, on a node alone, any type without dots. Everything rarer hangs on `dots`.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i16, i32, i64, mypyc_attr

# Entry.flags
COUNTED: Final[i16] = 1  # the streams' logs may hold live increments of this key
NO_REGISTER: Final[i16] = 2  # a counter made by INCR: `stamp` names what its increments count on
ABSENT: Final[i16] = 4  # the register says: deleted (the entry is in Database.hidden)
LATER: Final[i16] = 16  # written by a later effect of its unit: its dot may have been a base before
HELD: Final[i16] = 8  # the snapshot walk has this entry, or it was made after the walk began
RAW: Final[i16] = 32  # a string that was changed in place: OBJECT ENCODING says raw
TEXT: Final[i16] = 64  # a float counter: OBJECT ENCODING does not say int
STABLE: Final[i16] = 128  # a string all members have: neither register nor TTL claim has a dot
ENCODED: Final[i16] = 96  # these two: only OBJECT ENCODING asks for them
# In which generation the newest increment is, and up to which they are folded: two numbers of two
# bits (mesh/merge/counted.py). Neither says anything where COUNTED is not set.
COUNT_MARK: Final[i16] = 768
COUNT_FOLDED: Final[i16] = 3072
COUNT_BITS: Final[i16] = 3840  # both


@mypyc_attr(acyclic=True)
class Dot:
    """Who wrote this place and when; one object per unit, shared by all places the unit wrote."""

    __slots__ = ("origin", "stamp")

    def __init__(self, stamp: i64, origin: i64) -> None:
        self.stamp: i64 = stamp
        self.origin: i64 = origin


@mypyc_attr(acyclic=True)
class Field:
    """A hash field's value with its register's dot; plain bytes where no dot is kept.

    `flags` has COUNTED, NO_REGISTER, LATER, STABLE and COUNT_BITS as in an Entry. `value` is an int
    while it is a counter. STABLE, of a counter alone: `stamp` is not the register's dot, which has
    none, but what the increments count on.
    """

    __slots__ = ("flags", "origin", "stamp", "value")

    def __init__(self, value: object, stamp: i64, origin: i64) -> None:
        self.value = value
        self.stamp: i64 = stamp
        self.origin: i16 = i16(origin)
        self.flags: i16 = 0


@mypyc_attr(acyclic=True)
class Register:
    """A string register that is not the newest: hidden until something that saw it clears it.

    `value` None is ABSENT.
    """

    __slots__ = ("origin", "stamp", "value")

    def __init__(self, stamp: i64, origin: i64, value: object) -> None:
        self.stamp: i64 = stamp
        self.origin: i64 = origin
        self.value = value


@mypyc_attr(acyclic=True)
class Claim:
    """A dot that claims something for the whole key: a type (`number` = slot) or a deadline in
    ms."""

    __slots__ = ("number", "origin", "stamp")

    def __init__(self, stamp: i64, origin: i64, number: i64) -> None:
        self.stamp: i64 = stamp
        self.origin: i64 = origin
        self.number: i64 = number


@mypyc_attr(acyclic=True)
class Rivals:
    """Dots of one member or field beyond the one in its slot: concurrent adds not yet cleared."""

    __slots__ = ("registers",)

    def __init__(self) -> None:
        self.registers: list[Register] = []


@mypyc_attr(acyclic=True)
class Patch:
    """A write of a string in place that counts on whatever register shows: APPEND, SETRANGE, bits.

    `op`, `value` and `number` are its effect's; `index` its place in its unit.
    """

    __slots__ = ("index", "number", "op", "origin", "stamp", "value")

    def __init__(
        self, stamp: i64, origin: i64, index: i64, op: i64, value: object, number: i64
    ) -> None:
        self.stamp: i64 = stamp
        self.origin: i64 = origin
        self.index: i64 = index
        self.op: i64 = op
        self.value = value
        self.number: i64 = number


@mypyc_attr(acyclic=True)
class Mark:
    """What whoever follows the journal keeps with a value: `number` says when that was written."""

    __slots__ = ("number",)

    def __init__(self, number: i64) -> None:
        self.number: i64 = number


@mypyc_attr(acyclic=True)
class Dots:
    """What is seldom there: hidden registers, other type claims, TTL claims, hidden values, rivals.

    `ttls` None means the compact rule holds: the TTL claim is the register's own dot. `base` is the
    register's text where the counter's total would not give it back ("10.50"), and always where
    there are `patches` of it, which stand in the order of their stamps; `over` is what the
    increments of a hidden string count on.
    """

    __slots__ = ("base", "claims", "hidden", "over", "patches", "registers", "rivals", "ttls")

    def __init__(self) -> None:
        self.registers: list[Register] | None = None
        self.claims: list[Claim] | None = None
        self.ttls: list[Claim] | None = None
        self.hidden: list[object] | None = None
        self.rivals: dict[bytes, Rivals] | None = None
        self.base: object = None
        self.patches: list[Patch] | None = None
        self.over: i64 = 0


@mypyc_attr(acyclic=True)
class Entry:
    """64 bytes: value, rare dots, deadline in ms (0: none), newest dot, flags, access clock (s)."""

    __slots__ = ("clock", "deadline", "dots", "flags", "origin", "stamp", "value")

    def __init__(self, value: object, stamp: i64, origin: i64) -> None:
        self.value = value
        self.dots: Dots | None = None
        self.deadline: i64 = 0
        self.stamp: i64 = stamp
        self.origin: i16 = i16(origin)
        self.flags: i16 = 0
        self.clock: i32 = 0
