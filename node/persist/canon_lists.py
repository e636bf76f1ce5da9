"""Canon's commands for lists: see node/persist/canon.py.  [compiled]

What is taken from the ends is LPOP, RPOP or LTRIM; MESH.LREMOVE names positions in the middle, as
no command of Redis does. MESH.LINSERT puts elements before a position: also those of a peer's push
that came to stand at no end here. Identities are no part of it: they travel in the frame's flags.
"""

from __future__ import annotations

from typing import Final, cast

from mypy_extensions import i64

from node.persist.canon_words import CanonError, integer
from node.store.effect import INSERT, LSET, PUSH, REMOVE, Effect
from node.store.values.list_effects import AT_END, Assigned, Inserted, Pushed, Removed

NAMES: Final[frozenset[bytes]] = frozenset(
    (
        b"LPUSH",
        b"RPUSH",
        b"LPOP",
        b"RPOP",
        b"LTRIM",
        b"LSET",
        b"MESH.LINSERT",
        b"MESH.LREMOVE",
    )
)
# So many elements no list has: sums of positions stay far below 2**62.
FAR: Final = 1 << 60


def command_of(effect: Effect) -> list[bytes]:
    """The command that replays an effect of these ops."""
    op = effect.op
    key = effect.key
    if op == PUSH:
        pushed = cast(Pushed, effect.value)
        if pushed.position != AT_END:
            items = pushed.items[int(pushed.begin) :]
            if pushed.at_head:
                items.reverse()
            return [b"MESH.LINSERT", key, b"%d" % pushed.position, *items]
        name = b"LPUSH" if pushed.at_head else b"RPUSH"
        return [name, key, *pushed.items[int(pushed.begin) :]]
    if op == INSERT:
        inserted = cast(Inserted, effect.value)
        return [b"MESH.LINSERT", key, b"%d" % inserted.position, inserted.item]
    if op == LSET:
        assigned = cast(Assigned, effect.value)
        return [b"LSET", key, b"%d" % assigned.position, assigned.item]
    return remove_words(key, cast(Removed, effect.value))


def remove_words(key: bytes, removed: Removed) -> list[bytes]:
    """REMOVE: by the plainest command that says it. LTRIM key 0 -1 takes nothing."""
    spans = removed.spans
    length = int(removed.length)
    if not spans:
        return [b"LTRIM", key, b"0", b"-1"]
    begin, count = spans[0]
    last_begin, last_count = spans[-1]
    ends = last_begin + last_count == (length if last_begin >= 0 else 0)
    if len(spans) == 1 and (begin == 0 or ends):
        name = b"LPOP" if begin == 0 else b"RPOP"
        return [name, key] if count == 1 else [name, key, b"%d" % count]
    if len(spans) == 2 and begin == 0 and ends:
        return [b"LTRIM", key, b"%d" % count, b"%d" % (-1 - last_count)]
    words = [b"MESH.LREMOVE", key]
    for position, size in spans:
        words.append(b"%d" % position)
        words.append(b"%d" % size)
    return words


def effect_of(
    name: bytes, words: list[bytes], db: i64, stamp: i64, origin: i64, index: i64
) -> Effect:
    """The effect that a command named in NAMES says. CanonError where it is malformed."""
    n = len(words)
    key = words[1] if n > 1 else b""
    if (name == b"RPUSH" or name == b"LPUSH") and n >= 3:
        pushed = Pushed(words, 2, name == b"LPUSH")
        return Effect(PUSH, db, key, pushed, 0, stamp, origin, index)
    if name == b"LSET" and n == 4:
        assigned = Assigned(words[3], integer(words, 2))
        return Effect(LSET, db, key, assigned, 0, stamp, origin, index)
    if name == b"MESH.LINSERT" and n == 4:
        inserted = Inserted(words[3], integer(words, 2))
        return Effect(INSERT, db, key, inserted, 0, stamp, origin, index)
    if name == b"MESH.LINSERT" and n > 4:
        pushed = Pushed(words, 3, False)
        pushed.position = place(words, 2, 0)
        return Effect(PUSH, db, key, pushed, 0, stamp, origin, index)
    spans: list[tuple[int, int]] | None = None
    if (name == b"LPOP" or name == b"RPOP") and (n == 2 or n == 3):
        count = 1 if n == 2 else place(words, 2, 1)
        spans = [(0, count) if name == b"LPOP" else (-count, count)]
    elif name == b"LTRIM" and n == 4:
        spans = trimmed_spans(place(words, 2, 0), place(words, 3, -FAR))
    elif name == b"MESH.LREMOVE" and n >= 4 and n % 2 == 0:
        spans = named_spans(words)
    if spans is None:
        raise CanonError(f"{name.decode('latin-1')!r} with {n - 1} arguments says no effect")
    return Effect(REMOVE, db, key, Removed(spans), 0, stamp, origin, index)


def trimmed_spans(start: int, stop: int) -> list[tuple[int, int]]:
    """What LTRIM takes from both ends, `stop` counted from the end. CanonError where it is not:
    canon always counts so."""
    if stop >= 0:
        raise CanonError(f"LTRIM to {stop} does not count from the end")
    spans: list[tuple[int, int]] = []
    if start > 0:
        spans.append((0, start))
    if stop < -1:
        spans.append((stop + 1, -1 - stop))
    return spans


def named_spans(words: list[bytes]) -> list[tuple[int, int]]:
    """The positions and counts of MESH.LREMOVE. CanonError where they do not ascend."""
    spans: list[tuple[int, int]] = []
    after = 0
    for i in range(2, len(words), 2):
        position = place(words, i, 0)
        count = place(words, i + 1, 1)
        if position < after:
            raise CanonError(f"MESH.LREMOVE: position {position} is before {after}")
        spans.append((position, count))
        after = position + count
    return spans


def place(words: list[bytes], at: int, least: int) -> int:
    """A position or count, at least so much. CanonError where it is none."""
    number = int(integer(words, at))
    if number < least or number > FAR:
        raise CanonError(f"argument {at} of {words[0].decode('latin-1')!r} is out of range")
    return number
