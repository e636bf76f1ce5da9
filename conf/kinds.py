"""Kinds of values: how the words of a directive are read, checked, shown and written back.

A kind turns words into one immutable value (`parse`), the value into the text of CONFIG GET
(`printed`) and into the words of configuration lines (`lines`). What `lines` gives, `parse`
reads back to the same value. Failures are ConfigErrors whose text is Redis 8.2's own reason,
because operators and client libraries match on it. Kinds of more than one word (save points,
buffer limits, peers) are in conf/kinds_of_lists.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from conf.errors import ConfigError

Value: TypeAlias = bool | int | str | tuple[str, ...] | tuple[tuple[str, ...], ...]

WRONG_NUMBER: Final = "wrong number of arguments"
INT_MAX: Final = 2**31 - 1
UINT_MAX: Final = 2**32 - 1
LONG_MAX: Final = 2**63 - 1

_INTEGER: Final = re.compile(r"(?:0|-?[1-9][0-9]*)\Z", re.ASCII)
_MEMORY: Final = re.compile(r"([0-9]+)([a-z]*)\Z", re.ASCII | re.IGNORECASE)
_UNITS: Final = {
    "": 1,
    "b": 1,
    "k": 1000,
    "kb": 1 << 10,
    "m": 1000**2,
    "mb": 1 << 20,
    "g": 1000**3,
    "gb": 1 << 30,
}


def memory_bytes(word: str) -> int | None:
    """Bytes in a size such as 64mb, 1k (1000) or 1kb (1024); None if it is not a size."""
    match = _MEMORY.match(word)
    unit = _UNITS.get(match[2].lower()) if match else None
    return None if match is None or unit is None else int(match[1]) * unit


def memory_text(size_bytes: int) -> str:
    """The shortest exact form for a file: 67108864 -> 64mb, 1500 -> 1500."""
    for unit in ("gb", "mb", "kb"):
        if size_bytes and size_bytes % _UNITS[unit] == 0:
            return f"{size_bytes // _UNITS[unit]}{unit}"
    return str(size_bytes)


class Kind:
    """What all kinds share. A plain kind takes exactly one word."""

    many = False
    """Takes several words; one word with blanks in it is then split at the blanks."""
    merges = False
    """A further line changes or extends the value instead of replacing it."""
    restarts = False
    """With `merges`: the first line of a load still begins from nothing (`save`)."""

    def parse(self, words: Sequence[str], before: Value | None = None) -> Value:
        """The value of these words; `before` is the present one, for kinds that merge."""
        raise AssertionError(f"{type(self).__name__} has no parse")

    def printed(self, value: Value) -> str:
        """The text CONFIG GET shows."""
        return str(value)

    def lines(self, value: Value) -> list[list[str]]:
        """The words after the name, one list per configuration line."""
        return [[self.printed(value)]]

    def describe(self) -> str:
        """What may be written, for the documentation."""
        raise AssertionError(f"{type(self).__name__} has no description")


def one_word(words: Sequence[str]) -> str:
    """The only word; ConfigError when there are none or several."""
    if len(words) != 1:
        raise ConfigError(WRONG_NUMBER)
    return words[0]


class YesNo(Kind):
    def parse(self, words: Sequence[str], before: Value | None = None) -> Value:
        word = one_word(words).lower()
        if word not in ("yes", "no"):
            raise ConfigError("argument must be 'yes' or 'no'")
        return word == "yes"

    def printed(self, value: Value) -> str:
        return "yes" if value else "no"

    def describe(self) -> str:
        return "`yes` or `no`"


class Integer(Kind):
    """A whole number. `clamp` is the range a legal value is silently brought into (hz).

    `unsigned` is how Redis stores it, which shows in its wording for negative numbers.
    """

    def __init__(
        self, low: int, high: int, unsigned: bool = False, clamp: tuple[int, int] | None = None
    ) -> None:
        self.low = low
        self.high = high
        self.unsigned = unsigned
        self.clamp = clamp

    def parse(self, words: Sequence[str], before: Value | None = None) -> Value:
        word = one_word(words)
        if not _INTEGER.match(word) or abs(int(word)) > LONG_MAX:
            raise ConfigError("argument couldn't be parsed into an integer")
        return self.checked(int(word))

    def checked(self, number: int) -> int:
        """The number itself if it is in range (brought into the clamp), else ConfigError."""
        if not self.low <= number <= self.high:
            low, high = self.number_text(self.low), self.number_text(self.high)
            if self.unsigned and not 0 <= number <= LONG_MAX:
                raise ConfigError("argument must be greater or equal to 0")
            raise ConfigError(f"argument must be between {low} and {high} inclusive")
        if self.clamp is None:
            return number
        return min(max(number, self.clamp[0]), self.clamp[1])

    def number_text(self, number: int) -> str:
        return str(number)

    def describe(self) -> str:
        low, high = self.clamp if self.clamp is not None else (self.low, self.high)
        if high >= INT_MAX:
            return f"a number from {low}" if low > -INT_MAX else "a number"
        return f"a number, {low} to {high}"


class Octal(Integer):
    """File permissions, written and shown in octal."""

    def parse(self, words: Sequence[str], before: Value | None = None) -> Value:
        word = one_word(words)
        if not re.fullmatch(r"[0-7]+", word, re.ASCII):
            raise ConfigError("argument couldn't be parsed as an octal number")
        return self.checked(int(word, 8))

    def printed(self, value: Value) -> str:
        assert isinstance(value, int)
        return self.number_text(value)

    def number_text(self, number: int) -> str:
        return f"{number:o}"

    def describe(self) -> str:
        return "octal permissions such as `700`"


class Memory(Integer):
    """Bytes, with a unit if one likes. CONFIG GET shows plain bytes, a file the largest unit."""

    def parse(self, words: Sequence[str], before: Value | None = None) -> Value:
        word = one_word(words)
        size_bytes = memory_bytes(word) if word else 0  # empty is zero, as in Redis
        if size_bytes is None:
            raise ConfigError("argument must be a memory value")
        return self.checked(size_bytes)

    def lines(self, value: Value) -> list[list[str]]:
        assert isinstance(value, int)
        return [[memory_text(value)]]

    def describe(self) -> str:
        return "a size such as `64mb`"


class MemoryOrPercent(Memory):
    """A size, or a share of maxmemory; a percentage is held as a negative number, as in Redis."""

    PERCENT_MAX: Final = 100

    def parse(self, words: Sequence[str], before: Value | None = None) -> Value:
        word = one_word(words)
        size_bytes = memory_bytes(word)
        if size_bytes is not None:
            return self.checked(size_bytes)
        match = re.fullmatch(r"(0|[1-9][0-9]*)%", word, re.ASCII)
        if match is None:
            raise ConfigError("argument must be a memory or percent value")
        if int(match[1]) > self.PERCENT_MAX:
            raise ConfigError(f"percentage argument must be less or equal to {self.PERCENT_MAX}")
        return -int(match[1])

    def printed(self, value: Value) -> str:
        assert isinstance(value, int)
        return f"{-value}%" if value < 0 else str(value)

    def lines(self, value: Value) -> list[list[str]]:
        assert isinstance(value, int)
        return [[self.printed(value)]] if value < 0 else super().lines(value)

    def describe(self) -> str:
        return "a size such as `64mb`, or a percentage such as `5%`"


class Enum(Kind):
    """One of a few names. `same` maps a further spelling to the name it stands for."""

    def __init__(self, names: Sequence[str], same: dict[str, str] | None = None) -> None:
        self.names = tuple(names)
        self.same = same or {}

    def parse(self, words: Sequence[str], before: Value | None = None) -> Value:
        return self.member(one_word(words))

    def member(self, word: str) -> str:
        """The name as the table spells it, whatever its case; ConfigError for any other word."""
        name = word.lower()
        if name in self.names:
            return self.same.get(name, name)
        choices = ", ".join(self.names)
        raise ConfigError(f"argument(s) must be one of the following: {choices}")

    def describe(self) -> str:
        return ", ".join(f"`{name}`" for name in self.names)


class Text(Kind):
    """Any one word, also an empty one."""

    def __init__(self, check: Callable[[str], str] | None = None, what: str = "text") -> None:
        self.check = check
        self.what = what

    def parse(self, words: Sequence[str], before: Value | None = None) -> Value:
        word = one_word(words)
        reason = self.check(word) if self.check is not None else ""
        if reason:
            raise ConfigError(reason)
        return word

    def describe(self) -> str:
        return self.what


def file_name_reason(directive: str, noun: str, may_be_empty: bool) -> Callable[[str], str]:
    """A check that a word is a bare name without directories, in Redis's words."""

    def check(word: str) -> str:
        if word == "" and not may_be_empty:
            return f"{directive} can't be empty"
        if "/" in word:
            return f"{directive} can't be a path, just a {noun}"
        return ""

    return check


def listen_address_reason(word: str) -> str:
    """Why a word is not host:port ("" = it is, or it is empty, which means off)."""
    host, colon, port = word.rpartition(":")
    if word == "":
        return ""
    if not colon or not host or (":" in host and not host.startswith("[")):
        return 'argument must be host:port, such as 127.0.0.1:8379 or [::1]:8379, or "" for off'
    if not _INTEGER.match(port) or not 0 <= int(port) <= 65535:
        return "the port in the argument must be between 0 and 65535 inclusive"
    return ""


def node_name_reason(word: str) -> str:
    """Why a word cannot name a node ("" = it can, or it is empty, which means unnamed)."""
    if word == "" or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", word, re.ASCII):
        return ""
    return "argument must be 1 to 63 letters, digits, dots, dashes or underscores"
