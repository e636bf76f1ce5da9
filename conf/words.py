"""One configuration line <-> its words, by the quoting rules of redis.conf.

A word in double quotes knows the escapes \\xHH \\n \\r \\t \\b \\a and takes any other escaped
character as itself; a word in single quotes knows only \\'. A closing quote must be followed by
a blank or the end of the line. The rules are those of Redis's sdssplitargs, so that a file that
Redis reads is read the same way here.

Text is bytes decoded as UTF-8 with surrogateescape: `split_words(quote_word(w)) == [w]` holds
for every text that came from bytes, printable or not.
"""

from __future__ import annotations

from typing import Final

from conf.errors import ConfigError

UNBALANCED: Final = "Unbalanced quotes in configuration line"

_BLANKS: Final = b" \n\r\t\v\f"
_WORD_ENDS: Final = b" \n\r\t\x00"
_HEX: Final = b"0123456789abcdefABCDEF"
_ESCAPES: Final = {ord("n"): 10, ord("r"): 13, ord("t"): 9, ord("b"): 8, ord("a"): 7}
_NAMED: Final = {10: "\\n", 13: "\\r", 9: "\\t", 8: "\\b", 7: "\\a", 34: '\\"', 92: "\\\\"}


def split_words(line: str) -> list[str]:
    """The words of one line; raises ConfigError when a quote is not closed as it must be."""
    data = line.encode("utf-8", "surrogateescape")
    words: list[str] = []
    at = 0
    while True:
        while at < len(data) and data[at] in _BLANKS:
            at += 1
        if at >= len(data) or data[at] == 0:
            return words
        word, at = _next_word(data, at)
        words.append(word.decode("utf-8", "surrogateescape"))


def _next_word(data: bytes, at: int) -> tuple[bytes, int]:
    """The word that begins at `at` and the place after it. A quote may open inside a word."""
    word = bytearray()
    while at < len(data) and data[at] not in _WORD_ENDS:
        if data[at] == ord('"'):
            return _double_quoted(data, at + 1, word)
        if data[at] == ord("'"):
            return _single_quoted(data, at + 1, word)
        word.append(data[at])
        at += 1
    return bytes(word), at


def _double_quoted(data: bytes, at: int, word: bytearray) -> tuple[bytes, int]:
    while at < len(data):
        byte = data[at]
        if byte == ord('"'):
            return bytes(word), _after_closing_quote(data, at)
        if byte != ord("\\") or at + 1 >= len(data):
            word.append(byte)
            at += 1
        elif _is_hex_escape(data, at):
            word.append(int(data[at + 2 : at + 4], 16))
            at += 4
        else:
            word.append(_ESCAPES.get(data[at + 1], data[at + 1]))
            at += 2
    raise ConfigError(UNBALANCED)


def _single_quoted(data: bytes, at: int, word: bytearray) -> tuple[bytes, int]:
    while at < len(data):
        if data[at : at + 2] == b"\\'":
            word.append(ord("'"))
            at += 2
        elif data[at] == ord("'"):
            return bytes(word), _after_closing_quote(data, at)
        else:
            word.append(data[at])
            at += 1
    raise ConfigError(UNBALANCED)


def _is_hex_escape(data: bytes, at: int) -> bool:
    """Whether \\xHH stands at `at`; a short or non-hex one is an escaped plain x instead."""
    digits = data[at + 2 : at + 4]
    return data[at + 1] == ord("x") and len(digits) == 2 and all(d in _HEX for d in digits)


def _after_closing_quote(data: bytes, at: int) -> int:
    at += 1
    if at < len(data) and data[at] not in _BLANKS and data[at] != 0:
        raise ConfigError(UNBALANCED)
    return at


def quote_word(word: str) -> str:
    """The word in double quotes with its escapes, as Redis prints it in error lines."""
    parts = ['"']
    for char in word:
        code = ord(char)
        if code in _NAMED:
            parts.append(_NAMED[code])
        elif char.isprintable():
            parts.append(char)
        else:
            parts.extend(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
    parts.append('"')
    return "".join(parts)


def plain_or_quoted(word: str) -> str:
    """The word as a person would write it in a file: bare where that is safe."""
    safe = word != "" and word.isprintable() and not any(c in " \"'\\#" for c in word)
    return word if safe else quote_word(word)


def join_words(words: list[str]) -> str:
    """One configuration line from its words; the inverse of split_words."""
    return " ".join(plain_or_quoted(word) for word in words)
