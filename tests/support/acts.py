"""What a node publishes, in the oracle's words: effects become acts, a unit with its context a
Unit.

What a stand-in rule decides has no such words (mesh/merge/__init__.py): the keys that it touches
are named as beyond the oracle. Also here: how a node's data looks from outside (`shown_value`), and
how data that it held before it became active enters the log: as ordinary writes of its stream under
the dots it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mesh.dots import Streams
from mesh.merge import RULE, STAND_IN
from node.engine import Engine
from node.journal import Commit
from node.ports import Reader
from node.store.effect import CREATION, HINCR, INCR, OP_NAMES, PUT, WAS_STRING, Effect
from node.store.values.hashes import HashValue
from node.store.values.sets import SetValue
from node.store.values.strings import shown
from node.store.values.value import Value
from tests.support.oracle import Act, Unit

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
    elif effect.op == HINCR:
        if isinstance(value, bytes):
            args = (value, number)
        else:
            assert isinstance(value, list)
            name, args = "HINCRF", tuple(value)
    elif name in ("SADD", "SREM", "HDEL"):
        assert isinstance(value, list)
        args = tuple(value[number:])
    elif name == "HSET":
        assert isinstance(value, list)
        rest = value[number:]
        args = tuple(zip(rest[::2], rest[1::2], strict=True))
    creation = bool(effect.flags & CREATION)
    return (Act(name, int(effect.db), effect.key, args, creation),)


def is_beyond(effect: Effect) -> bool:
    """Does the oracle not know what such an effect makes of its key?"""
    return RULE[int(effect.op)] == STAND_IN or is_strange(effect.value)


def is_strange(value: object) -> bool:
    """Is this a value of a type that the oracle does not know, or one of deadlines of its own?"""
    if isinstance(value, (SetValue, HashValue)):
        return value.deadlines is not None
    return isinstance(value, Value)


def whole_value(value: object) -> object:
    """A value as an oracle's PUT has it."""
    if isinstance(value, SetValue):
        return frozenset(value.names())
    if isinstance(value, HashValue):
        return tuple(value.items())
    return shown(value)


def shown_value(value: object) -> tuple[str, object]:
    """A value's type in Redis's words, and its content without any order of its own."""
    if isinstance(value, SetValue):
        return "set", frozenset(value.names())
    if isinstance(value, HashValue):
        return "hash", tuple(sorted(value.items()))
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
