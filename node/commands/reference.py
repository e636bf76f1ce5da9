"""COMMAND DOCS: what a command does and takes, worked out from its syntax line.

redis-cli and client libraries show it as a hint while one types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from node.commands.command import Command
from node.commands.syntax import Part, arguments_of
from node.resp.replies import Map, SetReply, Simple

KEY_NAMES: Final = frozenset({"key", "newkey", "source", "destination", "key1", "key2"})
INTEGER_NAMES: Final = frozenset(
    {
        "bit", "client-id", "count", "cursor", "db", "decrement", "destination-db", "end", "freq",
        "idle-time-seconds", "index", "len", "limit", "maxage", "milliseconds", "min-match-len",
        "numfields", "numkeys", "numreplicas", "offset", "protover", "seconds", "start", "timeout",
        "ttl", "version",
    }
)  # fmt: skip


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
        if flags:
            items += [b"flags", SetReply(flags)]
        if self.inner:
            items += [b"arguments", [argument.reply() for argument in self.inner]]
        return Map(items)


class Arguments:
    """Turns the parts of one command's syntax line into arguments; counts its keys."""

    def __init__(self, command: Command) -> None:
        self.specs = len(command.keys)
        self.is_float = command.fullname.endswith(b"float")
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
            if values == 1 and len(parts) > 1 and parts[1].is_choice and not parts[1].is_optional:
                return 2, self.one(parts[1], first.word)
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
        kind = self.type_of(name)
        key = self.key_index(name) if kind == "key" else None
        return Argument(name, kind, token, key_spec=key)

    def block(self, parts: Sequence[Part], token: str) -> Argument:
        """Several arguments that belong together."""
        return Argument(token.lower() or "data", "block", token, self.all_of(parts))

    def type_of(self, name: str) -> str:
        """The type of an argument, told by its name."""
        if self.specs and name in KEY_NAMES:
            return "key"
        if name == "pattern":
            return "pattern"
        if name.startswith("unix-time"):
            return "unix-time"
        if name == "increment":
            return "double" if self.is_float else "integer"
        return "integer" if name in INTEGER_NAMES else "string"

    def key_index(self, name: str) -> int:
        """Which of the command's key specs the argument belongs to."""
        if name not in self.keys:
            self.keys.append(name)
        return min(self.keys.index(name), self.specs - 1)


def repeats(parts: Sequence[Part]) -> bool:
    """Is the last part `[a b ...]` and the parts before it are a and b?"""
    *before, last = parts
    return last.is_optional and last.is_multiple and list(last.parts) == before


def name_of(part: Part) -> str:
    """A name for brackets: their first word."""
    while not part.word:
        part = part.parts[0]
    return part.word.lower()
