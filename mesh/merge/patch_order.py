"""What a string shows that was written in place: its register, increments and patches, in order.
[compiled]

A patch (APPEND, SETRANGE, SETBIT, BITFIELD, PFADD) counts on whatever register shows, as an
increment does (semantics.md 3). Increments and patches are carried out one after another, by stamp,
then by the stream's uuid, then by the place in the unit; so the text is a function of the set of
them, in whatever order they came. Increments alone add up and need no order (totals.py).

An increment knows no place in its unit: it stands before the patches of its unit. One that was
written after such a patch is remembered as a patch itself.
"""

from __future__ import annotations

from typing import Final, cast

from mypy_extensions import i64

from mesh.dots import Streams
from mesh.merge.covers import Cover
from mesh.merge.increments import Increment
from mesh.merge.totals import total
from node.store.effect import APPEND, BITINCR, PFMERGE, SETBITS, SETRANGE, Effect
from node.store.entry import Entry, Patch
from node.store.mutate import MUTATE
from node.store.mutate_strings import COUNTED, ELEMENTS, FORM_ONLY, packed_elements
from node.store.values.bits import field_type
from node.store.values.hyperloglog import is_dense, is_sketch
from node.store.values.strings import shown

# Of a PFMERGE: it does not say that the cached cardinality is out of date.
KEEPS_CACHE: Final[i64] = COUNTED + FORM_ONLY
# What a patch concerns that no span of bits says.
ALL_BITS: Final[i64] = -1


def patch_of(effect: Effect) -> Patch:
    """What is remembered of an effect that writes a string in place; of a PFADD's elements their
    registers and ranks."""
    value = effect.value
    if effect.op == PFMERGE and isinstance(value, list):
        packed = packed_elements(value, effect.number)
        return Patch(effect.stamp, effect.origin, effect.index, PFMERGE, packed, ELEMENTS)
    return Patch(
        effect.stamp, effect.origin, effect.index, effect.op, effect.value, effect.number
    )


def follows(one: Patch, other: Patch, streams: Streams) -> bool:
    """Is `one` carried out after `other`?"""
    if one.stamp == other.stamp and one.origin == other.origin:
        return one.index > other.index
    return streams.newer(one.stamp, one.origin, other.stamp, other.origin)


def place_of(patches: list[Patch], patch: Patch, streams: Streams) -> i64:
    """How many of the patches, which are in order, stand before this one."""
    low: i64 = 0
    high: i64 = len(patches)
    while low < high:
        middle: i64 = (low + high) >> 1
        if follows(patch, patches[middle], streams):
            low = middle + 1
        else:
            high = middle
    return low


def place_patch(patches: list[Patch], patch: Patch, streams: Streams) -> None:
    """Puts a patch among others, which are in order."""
    patches.insert(int(place_of(patches, patch, streams)), patch)


def replayed(
    base: object, increments: list[Increment], patches: list[Patch], streams: Streams
) -> object:
    """What shows of a register (None: there is none, or it says deleted) after all of them."""
    value = base
    waiting = in_order(increments, streams)
    at: i64 = 0
    n: i64 = len(waiting)
    pieces: list[bytes] = []
    for patch in patches:
        begin = at
        while at < n and not stands_before(patch, waiting[at], streams):
            at += 1
        if at > begin:
            value = total(joined(value, pieces), waiting[begin:at])
            pieces = []
        piece = patch.value
        if patch.op == APPEND and isinstance(piece, bytes):
            pieces.append(piece)
            continue
        value = carried(joined(value, pieces), patch)
        pieces = []
    value = joined(value, pieces)
    return total(value, waiting[at:]) if at < n else value


def joined(value: object, pieces: list[bytes]) -> object:
    """A text and what was appended to it."""
    return b"".join([shown(value), *pieces]) if pieces else value


def carried(value: object, patch: Patch) -> object:
    """A text after one patch."""
    scratch = Entry(value, 0, 0)
    effect = Effect(
        patch.op, 0, b"", patch.value, patch.number, patch.stamp, patch.origin, patch.index
    )
    MUTATE[patch.op].apply(scratch, effect)
    return scratch.value


def in_order(increments: list[Increment], streams: Streams) -> list[Increment]:
    """Increments by stamp, then by the stream's uuid."""
    if len(increments) < 2:
        return increments
    named = [
        (int(each.stamp), streams.all[each.origin].uuid, number)
        for number, each in enumerate(increments)
    ]
    named.sort()
    return [increments[number] for _, _, number in named]


def stands_before(patch: Patch, one: Increment, streams: Streams) -> bool:
    """Is a patch carried out before an increment? Never before one of its own unit."""
    return streams.newer(one.stamp, one.origin, patch.stamp, patch.origin)


def of_unit(patches: list[Patch], stamp: i64, origin: i64) -> bool:
    """Is one of the patches of this unit?"""
    at: i64 = len(patches)
    while at > 0:
        at -= 1
        each = patches[at]
        if each.stamp < stamp:
            return False
        if each.stamp == stamp and each.origin == origin:
            return True
    return False


def spliced(
    text: object, patches: list[Patch], patch: Patch, streams: Streams
) -> bytes | None:
    """What shows when a chunk comes that stands among others, all of them chunks; None else.

    Without replaying them: the chunks after it say where its place is.
    """
    piece = patch.value
    if patch.op != APPEND or not isinstance(piece, bytes) or not isinstance(text, bytes):
        return None
    at: i64 = len(patches)
    behind: i64 = 0
    while at > 0 and not follows(patch, patches[at - 1], streams):
        at -= 1
        other = patches[at].value
        if patches[at].op != APPEND or not isinstance(other, bytes):
            return None
        behind += len(other)
    cut: i64 = len(text) - behind
    return b"".join([text[:cut], piece, text[cut:]])


def commutes(patches: list[Patch], patch: Patch, streams: Streams) -> bool:
    """May a patch be carried out after those that stand behind it? Where no bit is of both."""
    first, last = span_of(patch)
    if first == ALL_BITS:
        return False
    at: i64 = len(patches)
    while at > 0 and not follows(patch, patches[at - 1], streams):
        at -= 1
        other_first, other_last = span_of(patches[at])
        if other_first == ALL_BITS or (other_first < last and first < other_last):
            return False
    return True


def raises(base: object, text: object, patches: list[Patch], patch: Patch) -> bool:
    """May registers be raised out of their order? Where all patches do that to a sketch that is
    dense already, and none after it counts: the higher register stays, whoever comes first."""
    if patch.op != PFMERGE or not is_sketch(base) or not is_sketch(text):
        return False
    if not is_dense(cast(bytes, base)) or not is_dense(cast(bytes, text)):
        return False
    for each in (*patches, patch):
        if each.op != PFMERGE or (each.number > 0 and each.number & KEEPS_CACHE != 0):
            return False
    return True


def span_of(patch: Patch) -> tuple[i64, i64]:
    """The bits that a patch writes, and reads: first, and the one behind the last."""
    value = patch.value
    if patch.op == SETRANGE and isinstance(value, bytes):
        first: i64 = patch.number * 8
        return first, first + len(value) * 8
    if patch.op == SETBITS and value is None:
        bit: i64 = patch.number >> 1
        return bit, bit + 1
    if (patch.op == SETBITS or patch.op == BITINCR) and isinstance(value, list):
        kind = field_type(value[0])
        if kind is not None:
            begin: i64 = int(value[1])
            return begin, begin + kind.width
    return ALL_BITS, ALL_BITS


def join_patches(
    here: list[Patch], there: list[Patch], mine: Cover, theirs: Cover, streams: Streams
) -> list[Patch]:
    """Two nodes' patches become one list: see whole.py."""
    if not here and not there:
        return []
    ours = {(each.stamp, each.origin, each.index) for each in here}
    others = {(each.stamp, each.origin, each.index) for each in there}
    kept = [
        each for each in here
        if (each.stamp, each.origin, each.index) in others
        or not theirs.has(each.stamp, each.origin)
    ]  # fmt: skip
    kept += [
        each for each in there
        if (each.stamp, each.origin, each.index) not in ours
        and not mine.has(each.stamp, each.origin)
    ]  # fmt: skip
    named = [
        (int(each.stamp), streams.all[each.origin].uuid, int(each.index), number)
        for number, each in enumerate(kept)
    ]
    named.sort()
    return [kept[number] for _, _, _, number in named]
