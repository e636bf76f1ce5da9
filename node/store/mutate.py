"""MUTATE[op]: the only code that changes a value.  [compiled]

Each Mutation carries out one effect on one entry and returns what the handler needs for its reply
(how many were new, the new total). It sets entry.value to None where the key shows nothing any
more; the writer then takes the entry out of sight.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, cast

from mypy_extensions import i16, i64

from node.store.effect import Effect
from node.store.entry import (
    COUNTED,
    ENCODED,
    HELD,
    LATER,
    NO_REGISTER,
    RAW,
    STABLE,
    TEXT,
    Claim,
    Dot,
    Entry,
    Field,
)  # fmt: skip
from node.store.mutate_fields import ExpireFields, LapsePlaces
from node.store.mutate_lists import Assign, Insert, Push, Remove
from node.store.mutate_streams import Acknowledge, Deliver, Regroup, Reposition, Xadd, Xdel
from node.store.mutate_strings import Append, BitIncrement, RaiseRegisters, SetBits, SetRange
from node.store.mutate_zsets import Zadd, Zincr, Zmax, Zmin, Zrem
from node.store.mutation import Mutation
from node.store.values.container import Container
from node.store.values.group_changes import give_stream_dots
from node.store.values.hashes import HashValue, plain
from node.store.values.list_places import identify
from node.store.values.lists import ListValue
from node.store.values.places import LARGE
from node.store.values.sets import SetValue
from node.store.values.streams import StreamValue
from node.store.values.strings import (
    EMBEDDED_DEADLINE,
    EMBEDDED_MAX,
    NEAR,
    add_exactly,
    clipped,
    counted,
    decimal_of,
    format_decimal,
    integer_of,
)  # fmt: skip
from node.store.values.value import Value
from node.store.values.zsets import ZSetValue


class Put(Mutation):
    """Installs a copy of a collection: the effect is read after later effects of its unit."""

    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = effect.value
        if isinstance(value, SetValue):
            members = SetValue()
            dot: object = effect.dot
            members.do_fill_as(value, [dict.fromkeys(chunk, dot) for chunk in value.chunks()])
            members.deadlines = value.deadlines_copy()
            members.take_past(value)
            entry.value = members
        elif isinstance(value, HashValue):
            fields = value.copy()
            if effect.dot is not None:
                fields.do_fill_as(
                    fields,
                    [
                        {field: dotted(slot, effect) for field, slot in chunk.items()}
                        for chunk in fields.chunks()
                    ],
                )
            entry.value = fields
        elif isinstance(value, Value):
            twin = value.copy()
            dot = effect.dot
            if dot is not None and isinstance(twin, ListValue):
                # The dot is the identity of its first element.
                put = cast(ListValue, value)
                twin.moved = put.moved
                twin.registers = put.registers
                if put.order is None:
                    twin.do_identify(dot.origin, dot.stamp)
                else:
                    identify(twin, put.order, dot.origin, dot.stamp, effect.stamp)
            elif dot is not None and isinstance(twin, StreamValue):
                give_stream_dots(twin, dot.stamp, dot.origin)
            elif dot is not None and isinstance(twin, ZSetValue):
                twin.do_give_dots(dot.stamp, dot.origin)
            entry.value = twin
        else:
            entry.value = value
            entry.flags = entry.flags & ~ENCODED
        made = entry.value
        if effect.dot is not None and isinstance(made, Container):
            made.do_claim_all(effect.stamp, effect.origin)
        entry.deadline = effect.number
        return 1


def dotted(slot: object, effect: Effect) -> Field:
    """A field of a whole hash that was put, with the effect's dot."""
    field = Field(slot, effect.stamp, effect.origin)
    if effect.index != 0:
        field.flags = LATER
    return field


class Drop(Mutation):
    def apply(self, entry: Entry, effect: Effect) -> i64:
        entry.value = None
        return 1


class Expire(Mutation):
    """As in Redis, a short string that its deadline made too long for one piece stays `raw`."""

    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = entry.value
        if effect.number == 0 and entry.deadline != 0 and isinstance(value, bytes):
            size = len(effect.key) + len(value) + EMBEDDED_DEADLINE
            if size > EMBEDDED_MAX and integer_of(value) is None:
                entry.flags |= RAW
        entry.deadline = effect.number
        return 1


def added(value: object, effect: Effect) -> object:
    """The counter `value` (None: nothing yet) after an integer or exact decimal increment."""
    if effect.value is None:
        if value is None:
            return int(effect.number)
        whole = integer_of(value) if not isinstance(value, int) else value
        if whole is not None:
            return whole + int(effect.number)
        total = decimal_of(value)
        if total is None:
            return value
        return format_decimal(add_exactly(counted(total), Decimal(int(effect.number))))
    text = effect.value
    step = text if isinstance(text, bytes) else cast(list[bytes], text)[1]
    before = decimal_of(b"0" if value is None else value)
    after = decimal_of(step)
    if before is None or after is None:
        return value
    return format_decimal(add_exactly(counted(before), counted(after)))


class Incr(Mutation):
    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = entry.value
        if effect.value is None:
            if isinstance(value, int):
                if -NEAR < value < NEAR and -NEAR < effect.number < NEAR:
                    total: i64 = i64(value) + effect.number
                    entry.value = int(total)
                    return total
            elif value is None:
                entry.value = int(effect.number)
                return effect.number
        entry.value = added(value, effect)
        entry.flags = entry.flags & ~ENCODED
        if effect.value is not None:
            entry.flags = entry.flags | TEXT
        shown = entry.value
        return i64(clipped(shown)) if isinstance(shown, int) else 0


class Sadd(Mutation):
    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = entry.value
        if not isinstance(value, SetValue):
            value = SetValue()
            entry.value = value
        arguments = cast(list[bytes], effect.value)
        i: i64 = effect.number
        n: i64 = len(arguments)
        dot = effect.dot
        small = value.small
        if small is None or len(small) + n - i > LARGE:
            return add_to_large(value, arguments, i, dot)
        members: dict[bytes, object] = small
        before: i64 = len(members)
        while i < n:
            members[arguments[i]] = dot
            i += 1
        if value.deadlines is not None:
            value.do_show_claims(arguments, int(effect.number))
        return len(members) - before


def add_to_large(value: SetValue, arguments: list[bytes], begin: i64, dot: Dot | None) -> i64:
    """SADD where a set is large, or may become so."""
    before: i64 = value.size()
    i = begin
    n: i64 = len(arguments)
    while i < n:
        value.do_place(arguments[i], dot)
        i += 1
    if value.deadlines is not None:
        value.do_show_claims(arguments, int(begin))
    after: i64 = value.size()
    return after - before


class Srem(Mutation):
    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = entry.value
        if not isinstance(value, SetValue):
            return 0
        before: i64 = value.size()
        arguments = cast(list[bytes], effect.value)
        i: i64 = effect.number
        n: i64 = len(arguments)
        value.do_remember(arguments, i, before)
        while i < n:
            if not value.had_words and integer_of(arguments[i]) is None:
                value.had_words = value.has(arguments[i])
            value.do_take(arguments[i])
            i += 1
        if value.deadlines is not None:
            value.lost(arguments, int(effect.number))
        left: i64 = value.size()
        if left == 0:
            entry.value = None
        return before - left


class Hset(Mutation):
    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = entry.value
        if not isinstance(value, HashValue):
            value = HashValue()
            entry.value = value
        arguments = cast(list[bytes], effect.value)
        i: i64 = effect.number
        n: i64 = len(arguments)
        small = value.small
        if small is None or len(small) + n - i > LARGE:
            return set_in_large(value, effect, arguments)
        fields: dict[bytes, object] = small
        before: i64 = len(fields)
        longest = value.longest
        if effect.dot is None:
            while i + 1 < n:
                text = arguments[i + 1]
                if len(text) > longest:
                    longest = len(text)
                fields[arguments[i]] = text
                i += 2
        else:
            stamp = effect.stamp
            origin = effect.origin
            while i + 1 < n:
                text = arguments[i + 1]
                if len(text) > longest:
                    longest = len(text)
                slot = Field(text, stamp, origin)
                if effect.index != 0:
                    slot.flags = LATER
                fields[arguments[i]] = slot
                i += 2
        value.longest = longest
        if value.deadlines is not None:
            value.do_persist(arguments, int(effect.number), 2)
        return len(fields) - before


def set_in_large(value: HashValue, effect: Effect, arguments: list[bytes]) -> i64:
    """HSET where a hash is large, or may become so."""
    before: i64 = value.size()
    i: i64 = effect.number
    n: i64 = len(arguments)
    while i + 1 < n:
        text = arguments[i + 1]
        if len(text) > value.longest:
            value.longest = len(text)
        slot = value.slot(arguments[i])
        if isinstance(slot, Field) and slot.flags == 0 and effect.dot is not None:
            # Nobody else has it, and another one would lie elsewhere.
            slot.value = text
            slot.stamp = effect.stamp
            slot.origin = i16(effect.origin)
            if effect.index != 0:
                slot.flags = LATER
        else:
            value.do_place(arguments[i], text if effect.dot is None else dotted(text, effect))
        i += 2
    if value.deadlines is not None:
        value.do_persist(arguments, int(effect.number), 2)
    after: i64 = value.size()
    return after - before


class Hdel(Mutation):
    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = entry.value
        if not isinstance(value, HashValue):
            return 0
        before: i64 = value.size()
        arguments = cast(list[bytes], effect.value)
        i: i64 = effect.number
        n: i64 = len(arguments)
        value.do_remember(arguments, i, before)
        while i < n:
            value.do_take(arguments[i])
            i += 1
        if value.deadlines is not None:
            value.lost(arguments, int(effect.number))
        left: i64 = value.size()
        if left == 0:
            entry.value = None
        return before - left


class Hincr(Mutation):
    def apply(self, entry: Entry, effect: Effect) -> i64:
        value = entry.value
        if not isinstance(value, HashValue):
            value = HashValue()
            entry.value = value
        named = effect.value
        name = named if isinstance(named, bytes) else cast(list[bytes], named)[0]
        single = Effect(
            effect.op, effect.db, name, None if isinstance(named, bytes) else named, effect.number,
            effect.stamp, effect.origin, effect.index,
        )  # fmt: skip
        slot = value.slot(name)
        if isinstance(slot, Field):
            slot.value = added(slot.value, single)
            total = slot.value
        else:
            total = added(slot, single)
            if effect.dot is None:
                value.do_place(name, total)
            else:
                field = Field(total, effect.stamp, effect.origin)
                field.flags = COUNTED | NO_REGISTER
                value.do_place(name, field)
            if value.deadlines is not None:
                value.do_show_claims([name], 0)
        return i64(clipped(total)) if isinstance(total, int) else 0


class Outcome:
    """What the merge decided for a whole key: the value of a MERGE effect.

    The header is installed as it is; `steps` are changes of single members and fields, carried
    out on the value objects they name.
    """

    def __init__(self) -> None:
        self.result = Entry(None, 0, 0)
        self.steps: list[Step] = []


class Step:
    """One place of a set or hash gets a slot, or loses it (`slot` None and `gone`)."""

    def __init__(self, target: Container, place: bytes, slot: object, gone: bool) -> None:
        self.target = target
        self.place = place
        self.slot = slot
        self.gone = gone

    def carry_out(self) -> None:
        """Changes the place."""
        target = self.target
        if self.gone:
            target.do_take(self.place)
            target.lost([self.place], 0)
        else:
            target.do_place(self.place, self.slot)


class Told(Step):
    """One place that was changed in place already: said for those who ask which ones were."""

    def __init__(self, target: Container, place: bytes) -> None:
        super().__init__(target, place, None, False)

    def carry_out(self) -> None:
        """Nothing is left to be done."""


class DeadlineStep(Step):
    """One place of a set, hash or sorted set has these claims of a deadline, be it there or not
    once the steps before are carried out."""

    def __init__(self, target: Container, place: bytes, claims: list[Claim]) -> None:
        super().__init__(target, place, None, False)
        self.claims = claims

    def carry_out(self) -> None:
        target = self.target
        claims = self.claims
        slot = target.slot(self.place)
        unsaid = len(claims) == 0
        if isinstance(slot, bytes) and len(claims) == 1:
            unsaid = claims[0].number == 0 and claims[0].stamp == 0
        elif isinstance(slot, Field) and not (unsaid and slot.flags & NO_REGISTER):
            # A field's claim "none" under the dot of its register needs not be written down.
            bare = slot.flags & STABLE != 0
            unsaid = len(claims) == 1 and (
                claims[0].number == 0
                and claims[0].stamp == (0 if bare else slot.stamp)
                and claims[0].origin == (0 if bare else i64(slot.origin))
                and not slot.flags & NO_REGISTER
            )
        target.do_claim(self.place, None if unsaid else claims)


class ShowDeadline(Step):
    """A place has appeared: its deadline is what its claims say by now."""

    def __init__(self, target: Container, place: bytes) -> None:
        super().__init__(target, place, None, False)

    def carry_out(self) -> None:
        self.target.do_show_claims([self.place], 0)


class Merge(Mutation):
    def apply(self, entry: Entry, effect: Effect) -> i64:
        outcome = cast(Outcome, effect.value)
        for step in outcome.steps:
            step.carry_out()
        result = outcome.result
        entry.value = result.value
        entry.dots = result.dots
        entry.deadline = result.deadline
        entry.stamp = result.stamp
        entry.origin = result.origin
        keep = entry.flags & HELD
        entry.flags = (result.flags & ~HELD) | keep
        return 1


# In the order of node/store/effect.py. FLUSH and SWAP never reach an entry, nor does LAPSE of a
# whole key.
MUTATE: Final[list[Mutation]] = [
    Put(), Drop(), Expire(), Incr(), Sadd(), Srem(), Hset(), Hdel(), Hincr(), Mutation(), Merge(),
    LapsePlaces(), Append(), SetRange(), SetBits(), BitIncrement(), RaiseRegisters(), Push(),
    Insert(), Remove(), Assign(), Zadd(), Zmax(), Zmin(), Zrem(), Zincr(), ExpireFields(), Xadd(),
    Xdel(), Reposition(), Regroup(), Deliver(), Acknowledge(), Mutation(),
]  # fmt: skip


def give_dots(entry: Entry, dot: Dot) -> None:
    """A node becomes active: every member or field of the entry without a dot gets this one.

    A counter becomes a register: its value stays, with the entry's stamp (semantics.md 7).
    """
    value = entry.value
    if isinstance(value, Container):
        value.do_claim_all(dot.stamp, dot.origin)
    if isinstance(value, SetValue):
        value.do_fill_as(
            value,
            [
                {member: dot if known is None else known for member, known in chunk.items()}
                for chunk in value.chunks()
            ],
        )
    elif isinstance(value, HashValue):
        value.do_fill_as(
            value,
            [
                {
                    field: slot
                    if isinstance(slot, Field)
                    else Field(plain(slot), dot.stamp, dot.origin)
                    for field, slot in chunk.items()
                }
                for chunk in value.chunks()
            ],
        )
