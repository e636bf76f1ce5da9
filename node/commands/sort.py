"""SORT and SORT_RO: the elements of a list, set or sorted set in order.  [compiled]

Elements that compare equal stay in the order they came in, where Redis leaves that open. Letters
compare as bytes, as Redis does in the C locale.
"""

from __future__ import annotations

import re
from operator import itemgetter
from typing import Final

from mypy_extensions import i64

from node.commands.args import Options, integer, syntax_error
from node.commands.command import DENYOOM, READONLY, WRITE, Command, at, unknown
from node.commands.context import Context, wrong_type
from node.resp.replies import Failure
from node.store.effect import DROP, PUT
from node.store.events import SORTSTORE
from node.store.values.hashes import HashValue
from node.store.values.lists import ListValue, list_of
from node.store.values.sets import SetValue
from node.store.values.strings import shown
from node.store.values.zsets import ZSetValue

NOT_NUMBERS: Final = b"ERR One or more scores can't be converted into double"
# What Redis reads as a weight: no blanks, no hexadecimal; beyond the range of a double it is
# infinite or zero.
NUMBER: Final = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
INFINITY: Final = re.compile(rb"[+-]?inf(?:inity)?", re.IGNORECASE)


class SortOptions:
    """What stands behind SORT's key."""

    def __init__(self) -> None:
        self.descending = False
        self.alpha = False
        self.start = 0
        self.count = -1  # all
        self.by: bytes | None = None
        self.sorts = True  # False: BY names no key, the elements stay in their order
        self.gets: list[bytes] = []
        self.target: bytes | None = None


def sort_options(args: list[bytes], may_store: bool) -> SortOptions:
    """Reads the options; of one that is repeated the last counts, GET adds up."""
    found = SortOptions()
    options = Options(args, 2)
    while options.more():
        word = options.word()
        if word == b"ASC":
            found.descending = False
        elif word == b"DESC":
            found.descending = True
        elif word == b"ALPHA":
            found.alpha = True
        elif word == b"LIMIT" and options.has_value(2):
            found.start = integer(options.value())
            found.count = integer(options.value())
        elif word == b"STORE" and may_store and options.has_value():
            found.target = options.value()
        elif word == b"BY" and options.has_value():
            found.by = options.value()
            found.sorts = found.sorts and has_star(found.by)
        elif word == b"GET" and options.has_value():
            found.gets.append(options.value())
        else:
            raise syntax_error()
    return found


def looked_up(ctx: Context, key: bytes) -> object:
    """A key that SORT reads; told as event keymiss where it is absent."""
    value = ctx.find(key)
    if value is None and ctx.services.notify.writing:
        ctx.services.notify.read_missed(int(ctx.db.number), key)
    return value


def has_star(pattern: bytes) -> bool:
    """Does it name a key for each element? Redis looks for the star up to a zero byte."""
    return b"*" in pattern.partition(b"\0")[0]


def by_pattern(ctx: Context, pattern: bytes, element: bytes) -> bytes | None:
    """What a pattern of BY or GET names for an element: itself for `#`, else the string or, behind
    `->`, the hash field under the key that has the element for the first star. None without a star.
    """
    if pattern == b"#":
        return element
    if not has_star(pattern):
        return None
    prefix, _, postfix = pattern.partition(b"*")
    field = b""
    arrow = postfix.partition(b"\0")[0].find(b"->")
    if arrow >= 0 and postfix[arrow + 2 : arrow + 3] not in (b"", b"\0"):
        field = postfix[arrow + 2 :]
        postfix = postfix[:arrow]
    value = looked_up(ctx, prefix + element + postfix)
    if field:
        return value.get(field) if isinstance(value, HashValue) else None
    return shown(value) if isinstance(value, (bytes, int)) else None


def weight_of(text: bytes) -> float:
    """The number that an element sorts by; Failure where it is none."""
    word = text.partition(b"\0")[0]
    if not word:
        return 0.0
    if NUMBER.fullmatch(word) or INFINITY.fullmatch(word):
        return float(word)
    raise Failure(NOT_NUMBERS)


def in_order(ctx: Context, elements: list[bytes], options: SortOptions) -> list[bytes]:
    """All elements, sorted. Equal weights go by the elements themselves."""
    pattern = options.by
    if options.alpha:
        if pattern is None:
            return sorted(elements, reverse=options.descending)
        # Elements without a text come first: an empty key sorts before one with a mark.
        keyed: list[tuple[bytes, bytes]] = []
        for element in elements:
            text = by_pattern(ctx, pattern, element)
            keyed.append((b"" if text is None else b"\1" + text, element))
        keyed.sort(key=itemgetter(0), reverse=options.descending)
        return [pair[1] for pair in keyed]
    weighed: list[tuple[float, bytes]] = []
    for element in elements:
        text = element if pattern is None else by_pattern(ctx, pattern, element)
        weighed.append((0.0 if text is None else weight_of(text), element))
    weighed.sort(reverse=options.descending)
    return [pair[1] for pair in weighed]


def bounds(options: SortOptions, size: int) -> tuple[int, int]:
    """LIMIT as first and behind-the-last place of `size` elements."""
    start = min(max(options.start, 0), size)
    count = size if options.count < 0 else options.count
    return start, min(start + count, size)


def in_own_order(value: object, options: SortOptions) -> list[bytes]:
    """The wanted elements of what stays unsorted; DESC is from the end, but for sets."""
    if isinstance(value, ListValue) or isinstance(value, ZSetValue):
        size = value.size()
    elif isinstance(value, SetValue):
        start, end = bounds(options, value.size())
        return value.names()[start:end]
    else:
        return []
    start, end = bounds(options, size)
    if options.descending:
        start, end = size - end, size - start
    if isinstance(value, ListValue):
        found = value.range(i64(start), i64(end))
    else:
        found = value.members(i64(start), i64(end))
    if options.descending:
        found.reverse()
    return found


def elements_of(value: object) -> list[bytes]:
    """All elements; WRONGTYPE for what cannot be sorted."""
    if value is None:
        return []
    if isinstance(value, ListValue):
        return value.range(0, value.length)
    if isinstance(value, (SetValue, ZSetValue)):
        return value.names()
    raise wrong_type()


def wanted(ctx: Context, key: bytes, options: SortOptions) -> list[bytes]:
    """The elements within LIMIT, in order."""
    value = looked_up(ctx, key)
    if value is not None and not isinstance(value, (ListValue, SetValue, ZSetValue)):
        raise wrong_type()
    if not options.sorts:
        if not isinstance(value, SetValue) or options.target is None:
            return in_own_order(value, options)
        # What is kept must be equal wherever the command runs: a set has no order of its own.
        options.by = None
        options.alpha = True
    elements = elements_of(value)
    start, end = bounds(options, len(elements))
    return in_order(ctx, elements, options)[start:end]


def gathered(ctx: Context, elements: list[bytes], gets: list[bytes]) -> list[bytes | None]:
    """What is answered: the elements, or for each of them what the GETs name."""
    if not gets:
        return [*elements]
    return [by_pattern(ctx, pattern, element) for element in elements for pattern in gets]


def sort(ctx: Context, args: list[bytes]) -> object:
    """SORT: the elements, or with STORE how many were kept; nothing to keep deletes the target."""
    options = sort_options(args, True)
    found = gathered(ctx, wanted(ctx, args[1], options), options.gets)
    target = options.target
    if target is None:
        return found
    ctx.reworded()
    if found:
        items = [b"" if item is None else item for item in found]
        ctx.emit(PUT, target, list_of(items), 0, SORTSTORE)
    elif ctx.peek(target) is not None:
        ctx.emit(DROP, target)
    return len(found)


def sort_ro(ctx: Context, args: list[bytes]) -> object:
    """SORT_RO: SORT without STORE."""
    options = sort_options(args, False)
    return gathered(ctx, wanted(ctx, args[1], options), options.gets)


SORTING: Final = "O(N+M*log(M)) with N elements, M of them answered; O(N) where none is sorted"
CATEGORIES: Final = ("set", "sortedset", "list", "dangerous")
READ_BY_PATTERN: Final = unknown("BY and GET: the elements say which keys", "RO", "ACCESS")

COMMANDS: tuple[Command, ...] = (
    Command(
        "SORT key [BY by-pattern] [LIMIT offset count] [GET get-pattern [GET get-pattern ...]]"
        " [ASC | DESC] [ALPHA] [STORE destination]",
        sort, WRITE | DENYOOM,
        keys=(
            at(1, "RO", "ACCESS"), READ_BY_PATTERN,
            unknown("STORE may stand anywhere", "OW", "UPDATE"),
        ),
        since="1.0.0", cost=SORTING, categories=CATEGORIES,
        about="Sorts the elements of a list, set or sorted set, and answers or keeps them.",
    ),
    Command(
        "SORT_RO key [BY by-pattern] [LIMIT offset count] [GET get-pattern [GET get-pattern ...]]"
        " [ASC | DESC] [ALPHA]",
        sort_ro, READONLY, keys=(at(1, "RO", "ACCESS"), READ_BY_PATTERN),
        since="7.0.0", cost=SORTING, categories=CATEGORIES,
        about="Sorts the elements of a list, set or sorted set.",
    ),
)  # fmt: skip
