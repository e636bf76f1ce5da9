"""Writes of every built type on nodes that do not hear each other, and what must show afterwards.

The writes are made so that the rules leave one answer: side 0's, then side 1's, as one server would
have run them. Only the keys `race:*` are written by both sides at once: one of the two last wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.support.servers import Client
from tests.wire.mesh_support import mapping, members, run_all

KEYS = 53  # hashes, sets and counters that each side spreads its writes over
RACES = 7
RARE = 10  # of so many writes one is of each rare kind

Command = list[bytes]
Value = bytes | set[bytes] | dict[bytes, bytes]


def base(count: int) -> Iterator[Command]:
    """What both nodes hold before the cut: `count` is that of `writes`."""
    for at in range(2 * (count // RARE + 1)):
        yield [b"SET", b"gone:%d" % at, b"base"]
        yield [b"HSET", b"hash:base", b"gone:%d" % at, b"base", b"met:%d" % at, b"base"]
        yield [b"SADD", b"set:base", b"gone:%d" % at, b"met:%d" % at]
        yield [b"INCRBY", b"met:%d" % at, b"10"]
    for at in range(KEYS):
        yield [b"HINCRBY", b"tally:%d" % at, b"1", b"1000"]


def writes(side: int, first: int, last: int) -> Iterator[Command]:
    """One write of each type for each number from `first` to below `last`, by side 0 or 1."""
    for number in range(first, last):
        kind = number % RARE
        tenth = number // RARE
        own = b"%d:%d" % (side, number)
        key = b"%d" % (number % KEYS)
        yield string(side, number, own)
        yield counter(side, kind, tenth, key, number)
        yield [b"HINCRBY", b"tally:" + key, b"%d" % (number % 7), b"%d" % (number % 13 - 3)]
        if kind == 9:  # what both have seen, removed by one
            gone = b"gone:%d" % (2 * tenth + side)
            yield [b"HDEL", b"hash:base", gone]
            yield [b"SREM", b"set:base", gone]
        elif kind == 8:  # removed by one, added by the other meanwhile: it stays
            met = b"met:%d" % tenth
            yield [b"HDEL", b"hash:base", met] if side == 0 else [b"HSET", b"hash:base", met, own]
            yield [b"SADD" if side else b"SREM", b"set:base", met]
        elif kind == 7:  # its own of a moment ago
            earlier = b"%d" % ((number - 7) % KEYS)
            yield [b"HDEL", b"hash:" + earlier, b"%d:%d" % (side, number - 7)]
            yield [b"SREM", b"set:" + earlier, b"%d:%d" % (side, number - 7)]
        else:
            yield [b"HSET", b"hash:" + key, own, b"v" + own]
            yield [b"SADD", b"set:" + key, own]


def string(side: int, number: int, own: bytes) -> Command:
    """A write of a string or its removal."""
    kind = number % RARE
    if kind == 9:
        return [b"DEL", b"gone:%d" % (2 * (number // RARE) + side)]
    if kind == 8:
        return [b"SET", b"race:%d" % (number // RARE % RACES), own]
    if kind == 7:
        return [b"DEL", b"str:%d:%d" % (side, number - 7)]
    return [b"SET", b"str:" + own, b"v" + own]


def counter(side: int, kind: int, tenth: int, key: bytes, number: int) -> Command:
    """An increment; some counters are deleted by one side while the other counts on."""
    if kind == 8:
        met = b"met:%d" % tenth
        return [b"INCRBY", met, b"7"] if side else [b"DEL", met]
    return [b"INCRBY", b"count:" + key, b"%d" % (number % 13 - 3)]


class Expected:
    """The data that must show; fed with the writes that may not be lost."""

    def __init__(self) -> None:
        self.data: dict[bytes, Value] = {}
        self.races: dict[bytes, set[bytes]] = {}

    def apply(self, commands: Iterable[Command]) -> None:
        """Runs one side's commands."""
        last: dict[bytes, bytes] = {}
        for words in commands:
            if words[1].startswith(b"race:"):
                last[words[1]] = words[2]
            else:
                self.run(words)
        for key, value in last.items():
            self.races.setdefault(key, set()).add(value)

    def run(self, words: Command) -> None:
        """One command on plain Python values."""
        name, key, *rest = words
        if name == b"SET":
            self.data[key] = rest[0]
        elif name == b"DEL":
            self.data.pop(key, None)
        elif name == b"INCRBY":
            held = self.data.get(key, b"0")
            assert isinstance(held, bytes)
            self.data[key] = b"%d" % (int(held) + int(rest[0]))
        elif name in (b"SADD", b"SREM"):
            value = self.data.setdefault(key, set())
            assert isinstance(value, set)
            value.update(rest) if name == b"SADD" else value.difference_update(rest)
        else:
            fields = self.data.setdefault(key, {})
            assert isinstance(fields, dict)
            if name == b"HSET":
                fields.update(zip(rest[::2], rest[1::2], strict=True))
            elif name == b"HINCRBY":
                fields[rest[0]] = b"%d" % (int(fields.get(rest[0], b"0")) + int(rest[1]))
            else:
                assert name == b"HDEL"
                for field in rest:
                    fields.pop(field, None)

    def check(self, client: Client) -> None:
        """The node shows this and nothing else."""
        held = {key: value for key, value in self.data.items() if value}
        reads = {bytes: b"GET", set: b"SMEMBERS", dict: b"HGETALL"}
        replies = run_all(client, ([reads[type(value)], key] for key, value in held.items()))
        for (key, value), reply in zip(held.items(), replies, strict=True):
            shown: Value = reply.text
            if isinstance(value, set):
                shown = members(reply)
            elif isinstance(value, dict):
                shown = mapping(reply)
            assert shown == value, (key, difference(shown, value))
        for key, values in self.races.items():
            assert client.call("GET", key).text in values, key
        keys = members(client.call("KEYS", "*"))
        wanted = {*held, *self.races}
        assert keys == wanted, difference(keys, wanted)


def difference(shown: Value, wanted: Value) -> str:
    """A few of the places that differ, in words."""
    if isinstance(shown, bytes) or isinstance(wanted, bytes):
        return f"{shown!r} is not {wanted!r}"
    ours = set(shown.items()) if isinstance(shown, dict) else set(shown)
    theirs = set(wanted.items()) if isinstance(wanted, dict) else set(wanted)
    more, less = ours - theirs, theirs - ours
    return f"{len(more)} too many: {list(more)[:3]}; {len(less)} missing: {list(less)[:3]}"
