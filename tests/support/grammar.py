"""Random commands, valid and invalid, from the argument trees that a server's COMMAND DOCS gives.

The tree says what may stand where (tokens, choices, blocks, repetition) and of which kind each
value is; tests/support/grammar_values.py adds values that are likely to meet. Everything comes from
one random.Random, so a number repeats a command.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.support.grammar_calls import CALLS
from tests.support.grammar_values import MEMBERS, ODD_FLOATS, ODD_INTEGERS, ODD_MEMBERS, value_of
from tests.support.transcript import Shown

# How often a command's own maker (tests/support/grammar_calls.py) makes the call, and not its tree.
OWN_SHARE = 0.7


@dataclass(frozen=True)
class Argument:
    """One node of a command's argument tree."""

    name: str
    kind: str
    token: str = ""
    flags: frozenset[str] = frozenset()
    inner: tuple[Argument, ...] = ()


@dataclass(frozen=True)
class Documented:
    """A command or subcommand as COMMAND DOCS describes it."""

    words: tuple[bytes, ...]
    group: str
    arguments: tuple[Argument, ...] = ()
    more: tuple[Documented, ...] = field(default=())


def text_map(shown: Shown) -> dict[str, Shown]:
    """A map reply by its keys."""
    items = shown.items
    return {items[i].text.decode(): items[i + 1] for i in range(0, len(items), 2)}


def read_argument(shown: Shown) -> Argument:
    """One argument of COMMAND DOCS."""
    says = text_map(shown)
    flags = says["flags"].items if "flags" in says else ()
    inner = says["arguments"].items if "arguments" in says else ()
    return Argument(
        says["name"].text.decode(),
        says["type"].text.decode(),
        says["token"].text.decode() if "token" in says else "",
        frozenset(flag.text.decode() for flag in flags),
        tuple(read_argument(each) for each in inner),
    )


def read_docs(docs: Shown) -> list[Documented]:
    """Every command and subcommand of a COMMAND DOCS reply (RESP3), containers spelled out."""
    found: list[Documented] = []
    for name, shown in text_map(docs).items():
        says = text_map(shown)
        words = tuple(word.encode() for word in name.split("|"))
        if "subcommands" in says:
            found += read_docs(says["subcommands"])
            continue
        arguments = says["arguments"].items if "arguments" in says else ()
        found.append(
            Documented(
                words,
                says["group"].text.decode(),
                tuple(read_argument(each) for each in arguments),
            )
        )
    return found


class Maker:
    """Makes one call of a command; the same random numbers make the same call.

    `step` is the place in a run: IDs of streams ascend with it.
    """

    def __init__(self, rng: random.Random, command: Documented, step: int = 0) -> None:
        self.rng = rng
        self.command = command
        self.step = step
        self.count = 0  # how many items the last numkeys, numfields or numids announced

    def make(self) -> list[bytes]:
        """Name and arguments; one call in ten is bent out of shape."""
        own = CALLS.get(self.command.words)
        if own is not None and self.rng.random() < OWN_SHARE:
            args = own(self.rng, self.step)
        else:
            args = self.all_of(self.command.arguments)
        words = list(self.command.words)
        if self.rng.random() < 0.1:
            args = self.bent(args)
        if self.command.words[0].endswith(b"scan"):
            args += [b"COUNT", b"1000"]  # all of it: cursors are our own
        if self.rng.random() < 0.2:
            words = [word.swapcase() for word in words]
        return words + self.hurried(args)

    def hurried(self, args: list[bytes]) -> list[bytes]:
        """No client waits for more than a moment: a timeout of many seconds, or of none, is cut."""
        name = self.command.words[0].lower()
        places = {b"blmpop": [0], b"bzmpop": [0]}.get(name, [len(args) - 1])
        if name.startswith(b"xread"):
            places = [at + 1 for at, arg in enumerate(args) if arg.upper() == b"BLOCK"]
        elif not name.startswith((b"bl", b"br", b"bz")):
            return args
        for at in places:
            if 0 <= at < len(args) and is_long(args[at]):
                args[at] = b"10" if name.startswith(b"xread") else b"0.01"
        return args

    def bent(self, args: list[bytes]) -> list[bytes]:
        """An argument lost, doubled, swapped, or something odd in its place."""
        args = list(args)
        rng = self.rng
        at = rng.randrange(len(args)) if args else 0
        way = rng.randrange(4)
        if not args or way == 0:
            args.insert(at, rng.choice([b"", b"FOO", b"1", b"WITHSCORES", b"COUNT", b"LIMIT"]))
        elif way == 1:
            del args[at]
        elif way == 2:
            args[at] = rng.choice(ODD_INTEGERS + ODD_FLOATS + MEMBERS + ODD_MEMBERS)
        else:
            other = rng.randrange(len(args))
            args[at], args[other] = args[other], args[at]
        return args

    def all_of(self, arguments: tuple[Argument, ...]) -> list[bytes]:
        """A sequence of arguments. An optional one is there in one case of three."""
        words: list[bytes] = []
        for argument in arguments:
            if "optional" in argument.flags and self.rng.random() > 0.34:
                continue
            words += self.repeated(argument)
        return words

    def repeated(self, argument: Argument) -> list[bytes]:
        """An argument with its token, as often as it may stand."""
        rng = self.rng
        times = 1
        if "multiple" in argument.flags or "multiple_token" in argument.flags:
            times = rng.choice([1, 1, 2, 2, 3])
        announced = argument.name in ("key", "field", "id", "data", "weight")
        if self.count and announced and "multiple" in argument.flags:
            times = self.count if rng.random() < 0.95 else times
            if argument.name != "key":
                self.count = 0
        words: list[bytes] = []
        for number in range(times):
            if argument.token and (number == 0 or "multiple_token" in argument.flags):
                words.append(self.cased(argument.token))
            words += self.one(argument)
        return words

    def cased(self, token: str) -> bytes:
        """A token in capitals, sometimes not."""
        return (token if self.rng.random() < 0.9 else token.lower()).encode()

    def one(self, argument: Argument) -> list[bytes]:
        """One value of an argument, without its token."""
        if argument.kind == "pure-token":
            return []
        if argument.kind == "oneof":
            return self.repeated(self.rng.choice(argument.inner))
        if argument.kind == "block":
            return self.all_of(argument.inner)
        if argument.name in ("numkeys", "numfields", "numids"):
            self.count = self.rng.choice([1, 2, 3])
            return [b"%d" % self.count]
        command = self.command
        name = argument.name
        return [value_of(self.rng, command.words, command.group, name, argument.kind)]


def is_long(arg: bytes) -> bool:
    """A timeout for which a test would wait: more than a moment, or for ever."""
    try:
        seconds = float.fromhex(arg.decode()) if b"x" in arg.lower() else float(arg)
    except (ValueError, OverflowError):
        return False
    return seconds == 0.0 or seconds > 0.05
