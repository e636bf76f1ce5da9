"""Inline commands: a line typed by a person, split into words the way Redis does.

Words are separated by blanks. In double quotes the escapes are `\\n \\r \\t \\b \\a`, `\\xHH` and a
backslash before any other byte; in single quotes only `\\'`. A closing quote must end its word.
"""

from __future__ import annotations

from typing import Final

BLANKS: Final = b" \t\n\v\f\r"
# A word outside quotes ends at fewer bytes than are skipped before it, as in Redis.
WORD_ENDS: Final = b" \t\n\r"
HEX_DIGITS: Final = b"0123456789abcdefABCDEF"
ESCAPES: Final[dict[int, int]] = {0x6E: 10, 0x72: 13, 0x74: 9, 0x62: 8, 0x61: 7}
BACKSLASH: Final = 0x5C
SINGLE_QUOTE: Final = 0x27
DOUBLE_QUOTE: Final = 0x22


def split_line(line: bytes) -> list[bytes] | None:
    """The words of `line`, which has no line end and no NUL; None when quotes do not balance."""
    words: list[bytes] = []
    at = 0
    size = len(line)
    while True:
        while at < size and line[at] in BLANKS:
            at += 1
        if at == size:
            return words
        word = bytearray()
        at = read_word(line, at, word)
        if at < 0:
            return None
        words.append(bytes(word))


def read_word(line: bytes, at: int, word: bytearray) -> int:
    """Add the word at `at` to `word`; where it ends, or -1 when its quotes do not balance."""
    size = len(line)
    while at < size:
        byte = line[at]
        if byte in (DOUBLE_QUOTE, SINGLE_QUOTE):
            read_quoted = read_double if byte == DOUBLE_QUOTE else read_single
            at = read_quoted(line, at + 1, word)
            if at < 0 or (at < size and line[at] not in BLANKS):
                return -1
            return at
        if byte in WORD_ENDS:
            return at
        word.append(byte)
        at += 1
    return at


def read_double(line: bytes, at: int, word: bytearray) -> int:
    """Add what stands before the closing double quote; where it goes on behind, or -1."""
    size = len(line)
    while at < size:
        byte = line[at]
        if byte == DOUBLE_QUOTE:
            return at + 1
        if byte == BACKSLASH and at + 1 < size:
            pair = line[at + 2 : at + 4]
            if line[at + 1] == 0x78 and len(pair) == 2 and all(c in HEX_DIGITS for c in pair):
                word.append(int(pair, 16))
                at += 4
            else:
                word.append(ESCAPES.get(line[at + 1], line[at + 1]))
                at += 2
            continue
        word.append(byte)
        at += 1
    return -1


def read_single(line: bytes, at: int, word: bytearray) -> int:
    """Add what stands before the closing single quote; where it goes on behind, or -1."""
    size = len(line)
    while at < size:
        byte = line[at]
        if byte == SINGLE_QUOTE:
            return at + 1
        if byte == BACKSLASH and line[at + 1 : at + 2] == b"'":
            byte = SINGLE_QUOTE
            at += 1
        word.append(byte)
        at += 1
    return -1
