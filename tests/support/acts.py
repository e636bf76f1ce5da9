"""What a node publishes, in the oracle's words: effects become acts, a unit with its context a
Unit.

Lists and streams have no such words (they have oracles of their own): the keys of these are named
as beyond the oracle. Also here: how a node's data looks from outside (`shown_value`), and
how data that it held before it became active enters the log: as ordinary writes of its stream under
the dots it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mesh.dots import Streams
from node.engine import Engine
from node.journal import Commit
from node.ports import Reader
from node.store.effect import (
    APPEND,
    CREATION,
    HEXPIRE,
    HINCR,
    INCR,
    LSET,
    NEWEST_WINS,
    OP_NAMES,
    PFMERGE,
    PUSH,
    PUT,
    SETBITS,
    SETRANGE,
    WAS_STRING,
    XACK,
    XADD,
    Effect,
)  # fmt: skip
from node.store.values.container import Container
from node.store.values.hashes import HashValue
from node.store.values.member_deadlines import Timed
from node.store.values.sets import SetValue
from node.store.values.strings import shown
from node.store.values.value import Value
from node.store.values.zsets import ZSetValue
from tests.support.oracle import Act, Unit

HOW = {"ZADD": "set", "ZMAX": "gt", "ZMIN": "lt"}
PATCHES = ("APPEND", "SETRANGE", "SETBITS", "BITINCR")
RECORDER_PLACE = 0  # before the backlog, which moves the own stream


class Recorder(Reader):
    """Gives each unit a node publishes of its own to `log`, and keys beyond the oracle to
    `beyond`."""

    def __init__(
        self,
        streams: Streams,
        log: Callable[[Unit], None],
        beyond: Callable[[tuple[int, bytes]], None],
    ) -> None:
        self.streams = streams
        self.log = log
        self.beyond = beyond

    def read(self, commit: Commit) -> None:
        if commit.origin != 0:
            return
        for effect in commit.effects():
            if is_beyond(effect):
                self.beyond((int(effect.db), effect.key))
        acts = tuple(act for effect in commit.effects() for act in acts_of(effect))
        if acts:
            stamp = int(commit.stamp)
            own = self.streams.own
            context = {each.uuid: int(each.seen) for each in self.streams.all if each.seen}
            # All that this stream wrote before, also what no frame of it ever said (an import).
            context[own.uuid] = stamp - 1
            self.log(Unit(own.uuid, stamp, context, acts))


def acts_of(effect: Effect) -> Iterable[Act]:
    """An effect in the oracle's words; nothing for what it does not know or need not."""
    name = OP_NAMES[int(effect.op)]
    if name in ("LAPSE", "MERGE") or is_beyond(effect):
        return ()
    value = effect.value
    number = int(effect.number)
    args: tuple[object, ...] = ()
    if effect.op == PUT:
        args = (whole_value(value), number)
    elif name == "DROP":
        args = (bool(effect.flags & WAS_STRING),)
    elif name == "EXPIRE":
        args = (number,)
    elif effect.op == INCR:
        if isinstance(value, bytes):
            name, args = "INCRF", (value,)
        else:
            args = (number,)
    elif effect.op == HEXPIRE:
        assert isinstance(value, Timed)
        slot = "hash" if value.of_hash else "zset" if value.of_zset else "set"
        args = (slot, number, *value.names)
    elif name in PATCHES:
        name, args = "PATCH", patch_of(effect)
    elif effect.op == HINCR:
        if isinstance(value, bytes):
            args = (value, number)
        else:
            assert isinstance(value, list)
            name, args = "HINCRF", tuple(value)
    elif name in HOW:
        assert isinstance(value, list)
        pairs = zip(value[number + 1 :: 2], value[number::2], strict=True)
        name, args = "ZADD", (HOW[name], *((member, float(score)) for member, score in pairs))
    elif name == "ZINCR":
        assert isinstance(value, list)
        args = (value[1], float(value[0]))
    elif name in ("SADD", "SREM", "HDEL", "ZREM"):
        assert isinstance(value, list)
        args = tuple(value[number:])
    elif name == "HSET":
        assert isinstance(value, list)
        rest = value[number:]
        args = tuple(zip(rest[::2], rest[1::2], strict=True))
    creation = bool(effect.flags & CREATION)
    newest = bool(effect.flags & NEWEST_WINS)
    act = Act(name, int(effect.db), effect.key, args, creation, newest)
    return (act, *deadlines_of(effect))


def deadlines_of(effect: Effect) -> list[Act]:
    """What a PUT says of its places' deadlines."""
    value = effect.value
    if effect.op != PUT or not isinstance(value, Container):
        return []
    slot = value.kind().decode()
    return [
        Act("HEXPIRE", int(effect.db), effect.key, (slot, deadline_ms, place))
        for place, deadline_ms in value.deadline_items()
    ]


def is_beyond(effect: Effect) -> bool:
    """Does the oracle not know what such an effect makes of its key?"""
    return (
        effect.op == PFMERGE
        or PUSH <= effect.op <= LSET
        or XADD <= effect.op <= XACK
        or is_strange(effect.value)
    )


def patch_of(effect: Effect) -> tuple[object, ...]:
    """A write of a string in place, as an oracle's PATCH has it."""
    value = effect.value
    number = int(effect.number)
    if effect.op == APPEND:
        return ("append", value)
    if effect.op == SETRANGE:
        return ("range", number, value)
    if value is None:
        return ("bits", number >> 1, 1, number & 1)
    assert isinstance(value, list)
    kind, width, first = value[0][:1], int(value[0][1:]), int(value[1])
    if effect.op == SETBITS:
        return ("bits", first, width, int(value[2]))
    return ("count", first, width, kind == b"i", int(value[2]), value[3].decode())


def is_strange(value: object) -> bool:
    """Is this a value of a type that the oracle does not know?"""
    return isinstance(value, Value) and not isinstance(value, Container)


def whole_value(value: object) -> object:
    """A value as an oracle's PUT has it."""
    if isinstance(value, SetValue):
        return frozenset(value.names())
    if isinstance(value, HashValue):
        return tuple(value.items())
    if isinstance(value, ZSetValue):
        return {member: value.score(member) for member in value.names()}
    return shown(value)


def shown_value(value: object) -> tuple[str, object]:
    """A value's type in Redis's words, and its content without any order of its own."""
    if isinstance(value, SetValue):
        return "set", frozenset(value.names())
    if isinstance(value, HashValue):
        return "hash", tuple(sorted(value.items()))
    if isinstance(value, ZSetValue):
        parts = value.parts()
        return "zset", tuple(parts[: len(parts) - len(value.deadline_parts())])
    if isinstance(value, Value):
        return value.kind().decode(), tuple(value.parts())
    return "string", shown(value)


def imported(
    engine: Engine, stream: bytes, beyond: Callable[[tuple[int, bytes]], None]
) -> list[Unit]:
    """The data of this moment, written alone, as writes of `stream`."""
    units: dict[int, list[Act]] = {}
    for db in engine.databases:
        for shard in db.keys.dicts:
            for key, entry in shard.items():
                if is_strange(entry.value):
                    beyond((int(db.number), key))
                    continue
                data = (whole_value(entry.value), int(entry.deadline))
                act = Act("PUT", int(db.number), key, data)
                units.setdefault(int(entry.stamp), []).append(act)
    return [Unit(stream, stamp, {}, tuple(acts)) for stamp, acts in sorted(units.items())]
