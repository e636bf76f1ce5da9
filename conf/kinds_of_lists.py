"""Kinds whose value is a list: save points, buffer limits, event classes, peers and so on.

They follow the same contract as conf/kinds.py and hold their value as nested tuples of words,
or as one word whose letters or names are the members.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from conf.errors import ConfigError
from conf.kinds import WRONG_NUMBER, Enum, Kind, Value, memory_bytes, memory_text, one_word

Rows = tuple[tuple[str, ...], ...]

_NUMBER: Final = re.compile(r"-?[0-9]+\Z", re.ASCII)


def rows_of(value: Value | None) -> Rows:
    """The value as rows of words; nothing at all is no rows."""
    if value is None:
        return ()
    assert isinstance(value, tuple)
    return tuple(row if isinstance(row, tuple) else (row,) for row in value)


def words_of(value: Value) -> tuple[str, ...]:
    """The value as a flat list of words."""
    assert isinstance(value, tuple)
    return tuple(word for row in rows_of(value) for word in row)


def blank(words: Sequence[str]) -> bool:
    """Whether the words are the one empty word that stands for an empty list."""
    return len(words) == 1 and words[0] == ""


class Words(Kind):
    """Up to `most` words; one empty word is the empty list."""

    many = True

    def __init__(self, most: int, too_many: str, what: str) -> None:
        self.most = most
        self.too_many = too_many
        self.what = what

    def parse(self, words: Sequence[str], before: Value | None = None) -> Value:
        if blank(words):
            return ()
        if not words:
            raise ConfigError(WRONG_NUMBER)
        if len(words) > self.most:
            raise ConfigError(self.too_many)
        return tuple(words)

    def printed(self, value: Value) -> str:
        return " ".join(words_of(value))

    def lines(self, value: Value) -> list[list[str]]:
        return [list(words_of(value)) or [""]]

    def describe(self) -> str:
        return self.what


class Percentiles(Words):
    """Percentiles of latency, each 0 to 100; shown without needless zeros."""

    BAD: Final = "Invalid latency-tracking-info-percentiles parameters"
    RANGE: Final = "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"
    MOST: Final = 64  # more distinct percentiles than this say nothing new about one command

    def __init__(self) -> None:
        super().__init__(self.MOST, self.BAD, "percentiles, each 0 to 100")

    def parse(self, words: Sequence[str], before: Value | None = None) -> Value:
        found = words_of(super().parse(words, before))
        return tuple(self._one(word) for word in found)

    def _one(self, word: str) -> str:
        if not re.fullmatch(r"[0-9]+(\.[0-9]*)?", word, re.ASCII):
            raise ConfigError(self.RANGE if _NUMBER.match(word) else self.BAD)
        if float(word) > 100.0:
            raise ConfigError(self.RANGE)
        return f"{float(word):.17g}" if len(word) > 15 else f"{float(word):g}"


class ScoreAdjustments(Words):
    """Three OOM scores: of a master, of a replica, of a child process."""

    COUNT: Final = 3
    BAD: Final = "Invalid oom-score-adj-values, elements must be between -2000 and 2000."

    def __init__(self) -> None:
        super().__init__(self.COUNT, WRONG_NUMBER, "three numbers, -2000 to 2000")

    def parse(self, words: Sequence[str], before: Value | None = None) -> Value:
        if len(words) != self.COUNT:
            raise ConfigError(WRONG_NUMBER)
        for word in words:
            if not _NUMBER.match(word) or abs(int(word)) > 2000:
                raise ConfigError(self.BAD)
        return tuple(str(int(word)) for word in words)


class SignalOptions(Enum):
    """What a shutdown signal does: `default`, or some of save, nosave, now, force."""

    many = True

    def __init__(self) -> None:
        super().__init__(("default", "save", "nosave", "now", "force"))

    def parse(self, words: Sequence[str], before: Value | None = None) -> Value:
        if not words:
            raise ConfigError(WRONG_NUMBER)
        given = {self.member(word) for word in words} - {"default"}
        if {"save", "nosave"} <= given:
            raise ConfigError("shutdown options SAVE and NOSAVE can't be used simultaneously")
        return tuple(name for name in self.names if name in given) or ("default",)

    def printed(self, value: Value) -> str:
        return " ".join(words_of(value))

    def lines(self, value: Value) -> list[list[str]]:
        return [list(words_of(value))]

    def describe(self) -> str:
        return "`default`, or some of `save`, `nosave`, `now`, `force`"


class SavePoints(Kind):
    """Pairs of seconds and changes. Further `save` lines of one load add points."""

    many = True
    merges = True
    restarts = True
    BAD: Final = "Invalid save parameters"

    def parse(self, words: Sequence[str], before: Value | None = None) -> Value:
        if blank(words):
            return ()
        numbers = [int(word) for word in words if _NUMBER.match(word)]
        if len(numbers) != len(words) or len(words) % 2:
            raise ConfigError(self.BAD)
        points = tuple(zip(numbers[0::2], numbers[1::2], strict=True))
        if any(seconds < 1 or changes < 0 for seconds, changes in points):
            raise ConfigError(self.BAD)
        return rows_of(before) + tuple((str(seconds), str(changes)) for seconds, changes in points)

    def printed(self, value: Value) -> str:
        return " ".join(words_of(value))

    def lines(self, value: Value) -> list[list[str]]:
        return [list(row) for row in rows_of(value)] or [[""]]

    def describe(self) -> str:
        return 'pairs of seconds and changes, or `""`'


class BufferLimits(Kind):
    """Per client class: hard limit and soft limit in bytes, seconds over the soft limit."""

    many = True
    merges = True
    CLASSES: Final = ("normal", "slave", "pubsub")
    BAD_COUNT: Final = "Wrong number of arguments in buffer limit configuration."
    BAD_CLASS: Final = "Invalid client class specified in buffer limit configuration."
    BAD_LIMIT: Final = "Error in hard, soft or soft_seconds setting in buffer limit configuration."

    def parse(self, words: Sequence[str], before: Value | None = None) -> Value:
        if len(words) % 4 and not blank(words):
            raise ConfigError(self.BAD_COUNT)
        words = [] if blank(words) else words  # nothing given changes nothing, as in Redis
        limits = {row[0]: row for row in rows_of(before)}
        for at in range(0, len(words), 4):
            row = self._row(words[at : at + 4])
            limits[row[0]] = row
        return tuple(limits[name] for name in self.CLASSES if name in limits)

    def _row(self, words: Sequence[str]) -> tuple[str, ...]:
        name = "slave" if words[0].lower() == "replica" else words[0].lower()
        if name not in self.CLASSES:
            raise ConfigError(self.BAD_CLASS)
        hard, soft = memory_bytes(words[1]), memory_bytes(words[2])
        if hard is None or soft is None or not re.fullmatch("[0-9]+", words[3], re.ASCII):
            raise ConfigError(self.BAD_LIMIT)
        return (name, str(hard), str(soft), str(int(words[3])))

    def printed(self, value: Value) -> str:
        return " ".join(words_of(value))

    def lines(self, value: Value) -> list[list[str]]:
        return [
            [
                "replica" if row[0] == "slave" else row[0],
                memory_text(int(row[1])),
                memory_text(int(row[2])),
                row[3],
            ]
            for row in rows_of(value)
        ]

    def describe(self) -> str:
        return "class, hard limit, soft limit, seconds; classes `normal`, `replica`, `pubsub`"


class EventClasses(Kind):
    """The letters of notify-keyspace-events; the value keeps them all, in Redis's order."""

    ALL: Final = "g$lshzxetd"
    RARE: Final = "noc"  # never part of A
    PLACES: Final = "KEm"
    BAD: Final = "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."

    def parse(self, words: Sequence[str], before: Value | None = None) -> Value:
        letters = set(one_word(words))
        if not letters <= set("A" + self.ALL + self.RARE + self.PLACES):
            raise ConfigError(self.BAD)
        everything = "A" in letters or letters >= set(self.ALL)
        first = "A" if everything else _kept(self.ALL, letters)
        return first + _kept(self.RARE, letters) + _kept(self.PLACES, letters)

    def printed(self, value: Value) -> str:
        """Redis 8.2 leaves n, o and c out beside A; a file line keeps them."""
        text = str(value)
        return "".join(c for c in text if c not in self.RARE) if "A" in text else text

    def lines(self, value: Value) -> list[list[str]]:
        return [[str(value)]]

    def describe(self) -> str:
        return "letters out of `Ag$lshzxetdnocKEm`"


def _kept(order: str, letters: set[str]) -> str:
    return "".join(letter for letter in order if letter in letters)


class LineRows(Kind):
    """Lines that may be repeated, each kept as it stands (user, loadmodule, rename-command)."""

    merges = True

    def __init__(self, least: int, most: int, what: str) -> None:
        self.least = least
        self.most = most
        self.what = what

    def parse(self, words: Sequence[str], before: Value | None = None) -> Value:
        if not self.least <= len(words) <= self.most:
            raise ConfigError(WRONG_NUMBER)
        row = tuple(words)
        rows = rows_of(before)
        return rows if row in rows else (*rows, row)

    def printed(self, value: Value) -> str:
        return " ".join(words_of(value))

    def lines(self, value: Value) -> list[list[str]]:
        return [list(row) for row in rows_of(value)]

    def describe(self) -> str:
        return self.what


class KeyPolicies(Words):
    """Policies, each with patterns of keys behind it, or for all keys; the last that names a key
    counts. Lines add up."""

    merges = True
    restarts = True

    def __init__(self, names: Sequence[str], most: int) -> None:
        self.names = tuple(names)
        super().__init__(
            most, "wrong number of arguments",
            " or ".join(f"`{name}`" for name in names) + ", each with patterns of keys, or for all",
        )  # fmt: skip

    def parse(self, words: Sequence[str], before: Value | None = None) -> Value:
        found = words_of(super().parse(words))
        if found and found[0] not in self.names:
            raise ConfigError(f"must begin with one of: {', '.join(self.names)}")
        rows: list[tuple[str, ...]] = list(rows_of(before))
        for word in found:
            if word in self.names:
                rows.append((word,))
            else:
                rows[-1] = (*rows[-1], word)
        return tuple(rows)

    def lines(self, value: Value) -> list[list[str]]:
        return [list(row) for row in rows_of(value)] or [[""]]


class KeyOwners(Words):
    """Pairs of a pattern of keys and who owns them, `hash` or a member; the last that names a key
    counts. Lines add up."""

    merges = True
    restarts = True
    FIRST_WRITER: Final = "first-writer"

    def __init__(self, most: int) -> None:
        super().__init__(
            most, WRONG_NUMBER, "pairs of a pattern of keys and `hash` or a member's name, address"
            " or id; lines add up",
        )  # fmt: skip

    def parse(self, words: Sequence[str], before: Value | None = None) -> Value:
        found = words_of(super().parse(words))
        if len(found) % 2:
            raise ConfigError("must be pairs: a pattern of keys, and hash or a member")
        rows: list[tuple[str, ...]] = list(rows_of(before))
        for pattern, owner in zip(found[::2], found[1::2], strict=True):
            if owner.lower() == self.FIRST_WRITER:
                raise ConfigError(
                    "first-writer is no owner: two nodes can both be the first to write a key;"
                    " name hash or a member"
                )
            if not pattern or not owner:
                raise ConfigError("an empty pattern or owner names nothing")
            rows.append((pattern, "hash" if owner.lower() == "hash" else owner))
        return tuple(rows)

    def lines(self, value: Value) -> list[list[str]]:
        return [list(row) for row in rows_of(value)] or [[""]]


class Peers(LineRows):
    """host and port of the nodes to follow. `no one` clears what was given so far (KeyDB)."""

    many = True

    def __init__(self) -> None:
        super().__init__(2, 2, "host and port; may be repeated; `no one` clears the list")

    def parse(self, words: Sequence[str], before: Value | None = None) -> Value:
        if blank(words):
            return ()
        if len(words) != 2:
            raise ConfigError(WRONG_NUMBER)
        if [word.lower() for word in words] == ["no", "one"]:
            return ()
        if not re.fullmatch("[0-9]+", words[1], re.ASCII) or int(words[1]) > 65535:
            raise ConfigError("Invalid master port")
        return super().parse((words[0], str(int(words[1]))), before)
