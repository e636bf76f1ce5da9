"""Tags: what stands behind `:` in a frame's flags, the identities that a list's effect names.
[compiled]

An element's identity is its stream and a number (node/store/values/runs.py). In a tag the stream is
32 hexadecimal digits and a dot before the number, nothing where it is the frame's own; `+3` or
`-3` behind the number stands for a run of three that ascends or descends. Parts are kept apart by
`/`, an empty one is none. What each op says:

    PUSH     first, beside, kept     its first element's number; the element that was at that end,
                                     which it is the right (RPUSH) or left child of; the element
                                     that was moved here
    INSERT   first, left, right      its number, and the neighbour that it is the right or left
                                     child of (the other part is empty)
    REMOVE   run, run ...            what was removed
    LSET     run                     what was assigned to
    PUT      first                   a whole list: its first element's number
"""

from __future__ import annotations

from typing import Final, cast

from mypy_extensions import i64, mypyc_attr

from mesh.dots import Streams
from node.store.effect import INSERT, LSET, PUSH, PUT, REMOVE, Effect
from node.store.entry import Dot
from node.store.values.lists import Assigned, Inserted, ListValue, Pushed, Removed
from node.store.values.runs import Run

# Digits of a stream's uuid.
UUID_DIGITS: Final = 32
# A number has at most 19 digits, a run's length too.
DIGITS_MAX: Final = 19
SLASH: Final = b"/"


@mypyc_attr(native_class=False)
class TagError(ValueError):
    """What no tag of this op can be."""


# --- writing ------------------------------------------------------------------------------------


def has_tag(effect: Effect) -> bool:
    """Does the effect name elements of a list?"""
    op = effect.op
    if op == PUT:
        return isinstance(effect.value, ListValue)
    return PUSH <= op <= LSET


def tag_of(effect: Effect, streams: Streams) -> bytes:
    """The tag of an effect; b"" where it names nothing."""
    op = effect.op
    value = effect.value
    parts: list[bytes] = []
    if op == PUSH:
        pushed = cast(Pushed, value)
        first = number_text(pushed.first)
        parts = [first, run_text(pushed.beside, effect, streams)]
        parts.append(run_text(pushed.kept, effect, streams))
    elif op == INSERT:
        inserted = cast(Inserted, value)
        parts = [number_text(inserted.first), run_text(inserted.left, effect, streams)]
        parts.append(run_text(inserted.right, effect, streams))
    elif op == REMOVE:
        parts = [run_text(run, effect, streams) for run in cast(Removed, value).runs]
    elif op == LSET:
        parts = [run_text(cast(Assigned, value).run, effect, streams)]
    elif op == PUT and isinstance(value, ListValue):
        dot = effect.dot
        parts = [b"" if dot is None else number_text(dot.stamp)]
    return SLASH.join(parts).rstrip(SLASH)


def number_text(number: i64) -> bytes:
    """A number that is above 0; b"" for none."""
    return b"" if number == 0 else b"%d" % number


def run_text(run: Run | None, effect: Effect, streams: Streams) -> bytes:
    """A run as a part; b"" where there is none, or only nameless elements."""
    if run is None or run.first == 0:
        return b""
    text = b"%d" % run.first
    if run.origin != effect.origin:
        text = streams.all[run.origin].uuid.hex().encode() + b"." + text
    if run.count > 1:
        text += b"%+d" % (run.count if run.step > 0 else -run.count)
    return text


# --- reading ------------------------------------------------------------------------------------


def take_tag(effect: Effect, tag: bytes, streams: Streams) -> None:
    """Puts what a tag says into the effect's payload. TagError where it is none of this op's."""
    if not has_tag(effect):
        raise TagError(f"an effect of op {effect.op} has no tag, got {tag[:40]!r}")
    op = effect.op
    parts = tag.split(SLASH)
    if op != REMOVE:
        most = 1 if op == LSET or op == PUT else 3
        if len(parts) > most:
            raise TagError(f"a tag of {len(parts)} parts where there are at most {most}")
        while len(parts) < most:
            parts.append(b"")
    if op == PUSH:
        pushed = cast(Pushed, effect.value)
        pushed.first = number_of(parts[0]) if parts[0] else 0
        pushed.beside = single_of(parts[1], effect, streams)
        pushed.kept = single_of(parts[2], effect, streams)
        if pushed.first == 0:
            raise TagError(f"{tag[:60]!r} numbers no element")
    elif op == INSERT:
        inserted = cast(Inserted, effect.value)
        inserted.first = number_of(parts[0])
        inserted.left = single_of(parts[1], effect, streams)
        inserted.right = single_of(parts[2], effect, streams)
        if inserted.left is not None and inserted.right is not None:
            raise TagError(f"{tag[:60]!r} puts an element next to two")
    elif op == REMOVE:
        cast(Removed, effect.value).runs = [run_of(part, effect, streams) for part in parts]
    elif op == LSET:
        cast(Assigned, effect.value).run = single_of(parts[0], effect, streams)
    else:
        effect.dot = Dot(number_of(parts[0]), effect.origin)


def number_of(text: bytes) -> i64:
    """A number above 0, as it is printed."""
    if not text.isdigit() or len(text) > DIGITS_MAX or text[0] == 48:
        raise TagError(f"{text[:40]!r} is no number of an element")
    number = int(text)
    if number >= 1 << 62:
        raise TagError(f"{text!r} is too large for the number of an element")
    return i64(number)


def single_of(text: bytes, effect: Effect, streams: Streams) -> Run | None:
    """One element, None where the part is empty."""
    if not text:
        return None
    run = run_of(text, effect, streams)
    if run.count != 1:
        raise TagError(f"{text[:60]!r} is a run where one element is meant")
    return run


def run_of(text: bytes, effect: Effect, streams: Streams) -> Run:
    """A part as a run."""
    origin = effect.origin
    rest = text
    dot = text.find(b".")
    if dot >= 0:
        if dot != UUID_DIGITS:
            raise TagError(f"{text[:60]!r} names no stream")
        try:
            uuid = bytes.fromhex(text[:dot].decode("ascii"))
        except ValueError as error:
            raise TagError(f"{text[:60]!r} names no stream") from error
        if len(uuid) * 2 != UUID_DIGITS:
            raise TagError(f"{text[:60]!r} names no stream")
        origin = streams.of(uuid).number
        rest = text[dot + 1 :]
    step: i64 = 1
    sign = rest.find(b"+")
    if sign < 0:
        sign = rest.find(b"-")
        step = -1
    if sign < 0:
        return Run(origin, number_of(rest), 1, 1)
    count = number_of(rest[sign + 1 :])
    first = number_of(rest[:sign])
    if count < 2 or (step < 0 and count > first):
        raise TagError(f"{text[:60]!r} is no run of elements")
    return Run(origin, first, step, count)
