"""What a node publishes, in the oracle's words: effects become acts, a unit with its context a
Unit.

Also here: how a node's data looks from outside (`shown_value`), and how data that it held before it
became active enters the log: as ordinary writes of its stream under the dots it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mesh.dots import Streams
from node.engine import Engine
from node.journal import Commit
from node.ports import Reader
from node.store.effect import CREATION, HINCR, INCR, OP_NAMES, PUT, WAS_STRING, Effect
from node.store.values.hashes import HashValue
from node.store.values.sets import SetValue
from node.store.values.strings import shown
from tests.support.oracle import Act, Unit

RECORDER_PLACE = 0  # before the backlog, which moves the own stream


class Recorder(Reader):
    """Gives each unit a node publishes of its own to `log`."""

    def __init__(self, streams: Streams, log: Callable[[Unit], None]) -> None:
        self.streams = streams
        self.log = log

    def read(self, commit: Commit) -> None:
        if commit.origin != 0:
            return
        acts = tuple(act for effect in commit.effects() for act in acts_of(effect))
        if acts:
            stamp = int(commit.stamp)
            own = self.streams.own
            context = {each.uuid: int(each.seen) for each in self.streams.all if each.seen}
            # All that this stream wrote before, also what no frame of it ever said (an import).
            context[own.uuid] = stamp - 1
            self.log(Unit(own.uuid, stamp, context, acts))


def acts_of(effect: Effect) -> Iterable[Act]:
    """An effect in the oracle's words; nothing for what every node does by itself."""
    name = OP_NAMES[int(effect.op)]
    if name in ("LAPSE", "MERGE"):
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


def whole_value(value: object) -> object:
    """A value as an oracle's PUT has it."""
    if isinstance(value, SetValue):
        return frozenset(value.members)
    if isinstance(value, HashValue):
        return tuple(value.items())
    return shown(value)


def shown_value(value: object) -> tuple[str, object]:
    """A value's type in Redis's words, and its content without any order of its own."""
    if isinstance(value, SetValue):
        return "set", frozenset(value.members)
    if isinstance(value, HashValue):
        return "hash", tuple(sorted(value.items()))
    return "string", shown(value)


def imported(engine: Engine, stream: bytes) -> list[Unit]:
    """The data of this moment, written alone, as writes of `stream`."""
    units: dict[int, list[Act]] = {}
    for db in engine.databases:
        for shard in db.keys.dicts:
            for key, entry in shard.items():
                data = (whole_value(entry.value), int(entry.deadline))
                act = Act("PUT", int(db.number), key, data)
                units.setdefault(int(entry.stamp), []).append(act)
    return [Unit(stream, stamp, {}, tuple(acts)) for stamp, acts in sorted(units.items())]
