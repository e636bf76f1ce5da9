"""Random commands, valid and invalid, from the argument trees that a server's COMMAND DOCS gives.

The tree says what may stand where (tokens, choices, blocks, repetition) and of which kind each
value is; this file adds values that are likely to meet: few keys, few members, edges of integers.
Everything comes from one random.Random, so a number repeats a command.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.support.transcript import Shown

# Keys by the group of commands that makes them; two of each, so that sources and targets meet.
KEYS = {
    "string": [b"str1", b"str2", b"num"],
    "bitmap": [b"bits1", b"bits2"],
    "hyperloglog": [b"hll1", b"hll2"],
    "list": [b"list1", b"list2"],
    "set": [b"set1", b"set2", b"ints"],
    "hash": [b"hash1", b"hash2"],
    "sorted-set": [b"zset1", b"zset2"],
    "geo": [b"geo1", b"geo2"],
    "stream": [b"stream1", b"stream2"],
}
EVERY_KEY = [key for keys in KEYS.values() for key in keys] + [b"none"]
MEMBERS = [b"a", b"b", b"c", b"d", b"1", b"2", b"17", b"-5", b"", b"a\x00\xff", b"x" * 70]
INTEGERS = [b"0", b"1", b"2", b"3", b"5", b"-1", b"-2", b"10", b"100"]
ODD_INTEGERS = [
    b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808", b"abc", b"", b"1.5",
    b" 1", b"01", b"+1", b"2147483648", b"4294967296", b"-0",
]  # fmt: skip
FLOATS = [b"0", b"1", b"-1", b"1.5", b"2.25", b"3", b"10", b"0.1", b"-2.5"]
ODD_FLOATS = [
    b"inf", b"-inf", b"+inf", b"nan", b"1e5", b"1e308", b"-0", b"abc", b"", b"0x10", b"1e-7",
    b"3.0000000000000001", b"123456789.123",
]  # fmt: skip
IDS = [b"0", b"1-1", b"1-2", b"2-1", b"2-2", b"3", b"3-0", b"5-5", b"7-1", b"0-1"]
ODD_IDS = [b"-", b"+", b"$", b">", b"(1-1", b"abc", b"1-", b"0-0", b"18446744073709551615", b"9-*"]
SCORE_BOUNDS = [b"-inf", b"+inf", b"(1", b"1", b"2", b"(2.5", b"0", b"3", b"10"]
LEX_BOUNDS = [b"-", b"+", b"[a", b"(a", b"[c", b"(d", b"[", b"[x"]
PATTERNS = [b"*", b"s*", b"*1", b"[a-l]*", b"?", b"w_*", b"#", b"hash1->a", b"zset?", b"\\a"]
BIT_TYPES = [b"u8", b"i8", b"u1", b"i64", b"u63", b"i5", b"u16"]
ODD_BIT_TYPES = [b"u64", b"i65", b"u0", b"8", b"x8"]
# Deadlines are far off, so that both servers see them as such, or long past.
FAR_S = [b"4102444800", b"4102444801", b"4202444800"]
FAR_MS = [b"4102444800000", b"4102444800001", b"4202444800000"]
PAST = [b"0", b"1", b"-1"]


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
    """Makes one call of a command; the same random numbers make the same call."""

    def __init__(self, rng: random.Random, command: Documented) -> None:
        self.rng = rng
        self.command = command
        self.count = 0  # how many items the last numkeys, numfields or numids announced

    def make(self) -> list[bytes]:
        """Name and arguments; one call in eight is bent out of shape."""
        args = self.all_of(self.command.arguments)
        words = list(self.command.words)
        if self.rng.random() < 0.12:
            args = self.bent(args)
        if self.command.words == (b"scan",) and len(args) % 2:
            args += [b"COUNT", b"1000"]
        if self.rng.random() < 0.2:
            words = [word.swapcase() for word in words]
        return words + args

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
            args[at] = rng.choice(ODD_INTEGERS + ODD_FLOATS + MEMBERS)
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
        return [self.value(argument)]

    def value(self, argument: Argument) -> bytes:
        """A value of this name and type."""
        name = argument.name
        kind = argument.kind
        if kind == "key":
            return self.key()
        if kind == "pattern":
            return self.rng.choice(PATTERNS)
        if name.startswith("unix-time"):
            return self.mixed(FAR_S if name.endswith("seconds") else FAR_MS, PAST, 0.1)
        if name in ("seconds", "milliseconds", "ttl"):
            return self.duration(name)
        special = self.special(name)
        if special is not None:
            return special
        if kind == "integer":
            return self.mixed(INTEGERS, ODD_INTEGERS, 0.08)
        if kind == "double":
            return self.mixed(FLOATS, ODD_FLOATS, 0.12)
        return self.rng.choice(MEMBERS)

    def special(self, name: str) -> bytes | None:
        """Values that only their name tells; None for all others."""
        rng = self.rng
        group = self.command.group
        if name == "timeout":
            return self.mixed([b"0.01"], [b"-1", b"abc", b"1e400"], 0.1)
        if name in ("min", "max", "start", "stop", "end") and group in ("sorted-set", "stream"):
            if group == "stream":
                return self.mixed([*IDS, b"-", b"+", b"(1-1"], ODD_IDS, 0.1)
            if b"lex" in self.command.words[0]:
                return self.mixed(LEX_BOUNDS, [b"a", b""], 0.1)
            if name in ("min", "max") and "rank" not in self.command.words[0].decode():
                return self.mixed(SCORE_BOUNDS, ODD_FLOATS + LEX_BOUNDS, 0.1)
            return self.mixed(INTEGERS + SCORE_BOUNDS + LEX_BOUNDS, ODD_INTEGERS, 0.1)
        if name in ("id", "last-id", "lastid", "max-deleted-id", "id-selector", "threshold"):
            return self.mixed(IDS, [*ODD_IDS, b"*"] if name != "id" else ODD_IDS, 0.12)
        if name in ("group", "consumer"):
            return rng.choice([b"g1", b"g2"] if name == "group" else [b"alice", b"bob"])
        if name == "offset" and group == "bitmap":
            return self.mixed([b"0", b"1", b"7", b"8", b"100", b"#1", b"#0"], ODD_INTEGERS, 0.1)
        if name == "encoding":
            return self.mixed(BIT_TYPES, ODD_BIT_TYPES, 0.1)
        if name in ("longitude", "latitude"):
            return self.mixed([b"13.361389", b"38.115556", b"15.08", b"37.5", b"0"], FLOATS, 0.2)
        if name in ("radius", "width", "height"):
            return self.mixed([b"100", b"200", b"500", b"1000"], ODD_FLOATS, 0.1)
        if name == "count" and self.command.words[0].endswith(b"scan"):
            return self.mixed([b"1000"], ODD_INTEGERS[2:5], 0.1)  # all of it: cursors are our own
        if name == "cursor":
            return self.mixed([b"0"], [b"abc", b"-1", b"1x"], 0.05)
        if name == "index" and self.command.words == (b"select",):
            return self.mixed([b"0", b"0", b"1"], ODD_INTEGERS, 0.1)
        if name in ("db", "destination-db", "index1", "index2"):
            return self.mixed([b"0", b"1", b"2"], [b"16", b"-1", b"abc"], 0.1)
        if name == "value" and group == "bitmap":
            return self.mixed([b"0", b"1"], INTEGERS, 0.2)
        if name == "offset":
            return self.mixed(INTEGERS, [b"-1", b"abc", b"536870912"], 0.1)
        if name in ("min-idle-time", "ms"):
            return self.mixed([b"0", b"0", b"1000000"], ODD_INTEGERS, 0.1)
        return None

    def duration(self, name: str) -> bytes:
        """A time to live of an hour and more, rarely one that has passed or is none."""
        if name == "milliseconds" and self.command.words[0].startswith(b"xread"):
            return b"10"
        usual = [b"10000", b"20000"] if name == "seconds" else [b"10000000", b"20000000"]
        return self.mixed(usual, [b"0", b"-1", b"abc", b"9223372036854775807"], 0.12)

    def key(self) -> bytes:
        """A key, mostly one of the type that the command is about."""
        own = KEYS.get(self.command.group)
        if own is None or self.rng.random() < 0.1:
            return self.rng.choice(EVERY_KEY)
        return self.rng.choice(own)

    def mixed(self, usual: list[bytes], odd: list[bytes], share: float) -> bytes:
        """Mostly a usual value."""
        return self.rng.choice(odd if self.rng.random() < share else usual)
