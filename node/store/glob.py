"""Redis's glob patterns: `*`, `?`, `[a-c]`, `[^x]` and backslash, on bytes.

A pattern is matched without recursion: time is at most its length times the text's, whatever stars
a client puts in it.
"""

from __future__ import annotations

from typing import Final

STAR: Final = 42
QUESTION: Final = 63
OPEN: Final = 91
CLOSE: Final = 93
CARET: Final = 94
DASH: Final = 45
BACKSLASH: Final = 92


def matches(pattern: bytes, text: bytes) -> bool:
    """Does the whole text fit the pattern? As in SSCAN MATCH and PSUBSCRIBE.

    Only the empty pattern fits an empty text, as in Redis's stringmatchlen.
    """
    size = len(pattern)
    length = len(text)
    if length == 0:
        return size == 0
    if pattern == b"*":
        return True
    at = 0
    i = 0
    star = -1  # where the last star stands: it can always take one byte more
    taken = 0
    while i < length:
        if at < size and pattern[at] == STAR:
            star = at
            taken = i
            at += 1
            continue
        after = fits(pattern, at, text[i]) if at < size else -1
        if after >= 0:
            at = after
            i += 1
        elif star >= 0:
            taken += 1
            i = taken
            at = star + 1
        else:
            return False
    while at < size and pattern[at] == STAR:
        at += 1
    return at == size


def fits(pattern: bytes, at: int, byte: int) -> int:
    """Where the pattern goes on after its element at `at` took `byte`; -1 where it does not."""
    mark = pattern[at]
    if mark == QUESTION:
        return at + 1
    if mark == OPEN:
        return fits_class(pattern, at + 1, byte)
    if mark == BACKSLASH and at + 1 < len(pattern):
        at += 1
        mark = pattern[at]
    return at + 1 if mark == byte else -1


def fits_class(pattern: bytes, at: int, byte: int) -> int:
    """As `fits`, for what follows an opening bracket; one never closed ends with the pattern."""
    size = len(pattern)
    negated = at < size and pattern[at] == CARET
    if negated:
        at += 1
    found = False
    while at < size and pattern[at] != CLOSE:
        if pattern[at] == BACKSLASH and at + 1 < size:
            at += 1
            found = found or pattern[at] == byte
        elif at + 2 < size and pattern[at + 1] == DASH:
            low = pattern[at]
            high = pattern[at + 2]
            if low > high:
                low, high = high, low
            found = found or low <= byte <= high
            at += 2
        else:
            found = found or pattern[at] == byte
        at += 1
    if found == negated:
        return -1
    return min(at + 1, size)
