"""COMMAND DOCS: what a command does and takes, worked out from its syntax line.

redis-cli and client libraries show it as a hint while one types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from node.commands.argument_types import type_of
from node.commands.command import Command
from node.commands.syntax import Part, arguments_of
from node.resp.replies import Map, SetReply, Simple

# Pattern arguments that name keys: of SORT, whose second key spec stands for them.
KEY_PATTERNS: Final = frozenset({"by-pattern", "get-pattern"})
PATTERNS: Final = "pattern"


def documentation(command: Command) -> object:
    """The map that COMMAND DOCS gives for one command."""
    items: list[object] = [
        b"summary",
        command.about.encode(),
        b"since",
        command.since.encode(),
        b"group",
        command.group.encode(),
        b"complexity",
        command.cost.encode(),
    ]
    parts = arguments_of(command.syntax)
    if parts:
        found = Arguments(command).all_of(parts)
        items += [b"arguments", [argument.reply() for argument in found]]
    subcommands = (command.subcommands or {}).values()
    if subcommands:
        inner: list[object] = []
        for each in subcommands:
            inner += [each.fullname, documentation(each)]
        items += [b"subcommands", Map(inner)]
    return Map(items)


@dataclass
class Argument:
    """One argument, or several that belong together (`inner`)."""

    name: str
    kind: str
    token: str = ""
    inner: list[Argument] = field(default_factory=list)
    is_optional: bool = False
    is_multiple: bool = False
    repeats_token: bool = False
    key_spec: int | None = None

    def reply(self) -> object:
        """The argument as a map, its fields in Redis's order."""
        items: list[object] = [b"name", self.name.encode(), b"type", self.kind.encode()]
        if not self.inner:
            items += [b"display_text", self.name.encode()]
        if self.key_spec is not None:
            items += [b"key_spec_index", self.key_spec]
        if self.token:
            items += [b"token", self.token.encode()]
        flags: list[object] = []
        if self.is_optional:
            flags.append(Simple(b"optional"))
        if self.is_multiple:
            flags.append(Simple(b"multiple"))
        if self.repeats_token:
            flags.append(Simple(b"multiple_token"))
        if flags:
            items += [b"flags", SetReply(flags)]
        if self.inner:
            items += [b"arguments", [argument.reply() for argument in self.inner]]
        return Map(items)


class Arguments:
    """Turns the parts of one command's syntax line into arguments; counts its keys."""

    def __init__(self, command: Command) -> None:
        self.specs = len(command.keys)
        self.command = command
        self.keys: list[str] = []

    def all_of(self, parts: Sequence[Part]) -> list[Argument]:
        """The arguments of a sequence."""
        found: list[Argument] = []
        at = 0
        while at < len(parts):
            taken, argument = self.first_of(parts[at:])
            found.append(argument)
            at += taken
        return found

    def first_of(self, parts: Sequence[Part]) -> tuple[int, Argument]:
        """The argument that a sequence begins with, and how many parts it takes.

        `member [member ...]` is one argument that may be repeated, `field value [field value ...]`
        a block of two; a word in capitals goes with the words behind it.
        """
        first = parts[0]
        values = 1 if first.is_token() else 0
        while values < len(parts) and parts[values].word and not parts[values].is_token():
            values += 1
        if first.is_token():
            if values == 1 and len(parts) > 1 and is_demanded(parts[1]):
                return 2, self.one(parts[1], first.word)
            if values > 2 and repeats(parts[values - 2 : values + 1]):
                return values + 1, self.block(parts[1 : values + 1], first.word)
            if values > 1 and goes_on(parts, values):
                return len(parts), self.block(parts[1:], first.word)
            if values > 2 and len(parts) > values and is_demanded(parts[values]):
                inner = self.all_of(parts[1 : values + 1])
                inner[0].token = first.word
                return values + 1, Argument(first.word.lower(), "block", "", inner)
            if values > 1 and repeats(parts[values - 1 : values + 1]):
                argument = self.argument(parts[1:values], first.word)
                (argument.inner or [argument])[-1].is_multiple = True
                return values + 1, argument
            return values, self.argument(parts[1:values], first.word)
        for size in range(1, values + 1):
            if repeats(parts[: size + 1]):
                argument = self.argument(parts[:size], "")
                argument.is_multiple = True
                return size + 1, argument
        return 1, self.one(first)

    def one(self, part: Part, token: str = "") -> Argument:
        """An argument for a word, or for what stands in brackets."""
        if part.word and not part.is_choice:
            return self.argument((part,), token)
        if part.is_choice:
            choices = [self.choice(inner) for inner in part.parts]
            argument = Argument(token.lower() or name_of(part), "oneof", token, choices)
        elif is_repeated_whole(part):
            argument = self.first_of(part.parts[:-1])[1]
            argument.is_multiple = True
            argument.repeats_token = part.parts[0].is_token()
        else:
            inner = self.all_of(part.parts)
            argument = inner[0]
            if len(inner) > 1:
                argument = Argument(name_of(part), "block", token, inner)
        argument.is_optional = argument.is_optional or part.is_optional
        argument.is_multiple = argument.is_multiple or part.is_multiple
        return argument

    def choice(self, part: Part) -> Argument:
        """One of several."""
        if part.is_token() or part.is_choice:
            return self.first_of((part,))[1]
        inner = self.all_of(part.parts or (part,))
        return inner[0] if len(inner) == 1 else Argument(name_of(part), "block", "", inner)

    def argument(self, words: Sequence[Part], token: str) -> Argument:
        """A token alone, a value with or without one, or a block of several values."""
        if not words:
            return Argument(token.lower(), "pure-token", token)
        if len(words) > 1:
            return self.block(words, token)
        name = words[0].word
        kind = type_of(self.command.fullname, self.command.group, name, self.specs > 0)
        is_key = kind == "key" or (name in KEY_PATTERNS and self.specs > 0)
        key = self.key_index(name, token != "") if is_key else None
        return Argument(name, kind, token, key_spec=key)

    def block(self, parts: Sequence[Part], token: str) -> Argument:
        """Several arguments that belong together."""
        return Argument(token.lower() or "data", "block", token, self.all_of(parts))

    def key_index(self, name: str, is_option: bool) -> int:
        """Which of the command's key specs the argument belongs to.

        A key behind a word of its own is another one (GEORADIUS key ... STORE key).
        """
        if name in KEY_PATTERNS:
            name = PATTERNS
            is_option = False
        if is_option or name not in self.keys:
            self.keys.append(name)
            place = len(self.keys) - 1
        else:
            place = self.keys.index(name)
        return min(place, self.specs - 1)


def repeats(parts: Sequence[Part]) -> bool:
    """Is the last part `[a b ...]` and the parts before it are a and b?"""
    *before, last = parts
    return last.is_optional and last.is_multiple and list(last.parts) == before


def goes_on(parts: Sequence[Part], values: int) -> bool:
    """Does a repeated value follow a repeated one: STREAMS key [key ...] id [id ...]?"""
    return len(parts) == values + 3 and repeats(parts[values - 1 : values + 1])


def is_demanded(part: Part) -> bool:
    """Is it a choice that must be made: BYBOX width height <M | KM>?"""
    return part.is_choice and not part.is_optional


def is_repeated_whole(part: Part) -> bool:
    """Is it `[WORD a [WORD a ...]]`?"""
    return part.is_optional and len(part.parts) > 1 and repeats(part.parts)


def name_of(part: Part) -> str:
    """A name for brackets: their first word."""
    while not part.word:
        part = part.parts[0]
    return part.word.lower()
