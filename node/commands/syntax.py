"""A command's syntax line as a tree: its name, its arity and its arguments.

    SET key value [NX | XX] [EX seconds | KEEPTTL]      [x] optional, a | b one of them
    CLIENT REPLY <ON | OFF | SKIP>                      <a | b> one of them, required
    MSET key value [key value ...]                      ... what the brackets hold, repeated

Words in capitals and signs are typed as they stand, all others name an argument. Redis writes its
manual in the same notation. Knows nothing of Command: a line is all that is needed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

WORDS: Final = re.compile(r"\.\.\.|[\[\]<>|]|[^\s\[\]<>|]+")
SIGNS: Final = ("=", "~", "*", "$")
UNBOUNDED: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Part:
    """A word, a sequence of parts, or a choice between parts; a word has no parts."""

    word: str = ""
    parts: tuple[Part, ...] = ()
    is_choice: bool = False
    is_optional: bool = False
    is_multiple: bool = False

    def least(self) -> int:
        """How many arguments there are at least."""
        if self.is_optional:
            return 0
        if self.word:
            return 1
        sizes = [part.least() for part in self.parts]
        return min(sizes) if self.is_choice else sum(sizes)

    def most(self) -> int:
        """How many arguments there are at most."""
        if self.is_multiple:
            return UNBOUNDED
        if self.word:
            return 1
        sizes = [part.most() for part in self.parts]
        return max(sizes) if self.is_choice else sum(sizes)

    def is_token(self) -> bool:
        """Is it a word that is typed as it stands?"""
        return self.word != "" and is_token(self.word)


def is_token(word: str) -> bool:
    """A word in capitals, or a sign, as against the name of an argument."""
    return word in SIGNS or (word == word.upper() and any(letter.isalpha() for letter in word))


def parse(line: str) -> tuple[Part, ...]:
    """The parts of a syntax line, the name among them. ValueError where brackets do not match."""
    words = WORDS.findall(line)
    parts, end = sequence(words, 0)
    if end != len(words):
        raise ValueError(f"syntax line {line!r}: {words[end]!r} has no counterpart")
    return parts


def sequence(words: list[str], begin: int) -> tuple[tuple[Part, ...], int]:
    """The parts from `begin` to a closing bracket, a bar or the end, and where that stands."""
    parts: list[Part] = []
    at = begin
    while at < len(words) and words[at] not in ("]", ">", "|"):
        if words[at] in ("[", "<"):
            part, at = group(words, at)
            parts.append(part)
        elif words[at] == "...":
            # Repeats what the innermost brackets hold: `group` reads it off this mark.
            parts.append(Part("..."))
            at += 1
        else:
            parts.append(Part(words[at]))
            at += 1
    return tuple(parts), at


def group(words: list[str], begin: int) -> tuple[Part, int]:
    """What stands in the brackets that open at `begin`, and where it goes on behind them."""
    closing = "]" if words[begin] == "[" else ">"
    choices: list[Part] = []
    is_multiple = False
    at = begin
    while at < len(words) and (at == begin or words[at] == "|"):
        inner, at = sequence(words, at + 1)
        kept = tuple(part for part in inner if part.word != "...")
        is_multiple = is_multiple or len(kept) < len(inner)
        choices.append(kept[0] if len(kept) == 1 else Part(parts=kept))
    if at == len(words) or words[at] != closing:
        raise ValueError(f"syntax line {' '.join(words)!r}: {words[begin]!r} is never closed")
    parts = tuple(choices)
    if len(choices) == 1 and choices[0].parts and not choices[0].is_optional:
        parts = choices[0].parts
    found = Part(
        parts=parts,
        is_choice=len(choices) > 1,
        is_optional=closing == "]",
        is_multiple=is_multiple,
    )
    return found, at + 1


def name_words(line: str) -> list[str]:
    """The one or two words that are the name: a second one in capitals is a subcommand.

    An option in second place does not occur in Redis's syntax but in brackets.
    """
    words = line.split()
    if len(words) > 1 and words[1][0].isalpha() and is_token(words[1]):
        return words[:2]
    return words[:1]


def arity_of(line: str) -> int:
    """Redis's arity, the name counted: negative where more arguments may follow."""
    parts = parse(line)
    least = sum(part.least() for part in parts)
    most = sum(part.most() for part in parts)
    return least if least == most else -least


def arguments_of(line: str) -> tuple[Part, ...]:
    """The parts behind the name."""
    return parse(line)[len(name_words(line)) :]
