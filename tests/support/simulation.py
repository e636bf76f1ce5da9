"""A mesh of real engines in one thread and virtual time: seeded delay, loss, cuts, crashes, transfers.

Every link carries the bytes of a real feed in random pieces; a cut loses what is in flight; a link
comes back by version vector, or by a snapshot where the backlog is too short. A crashed node comes
back from its last save, with a new stream. What each node published is given to the oracle, which
knows nothing of the product; after healing every node must show what it says.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterable

import conf
from mesh.backlog import Follower
from mesh.clock import HybridClock
from mesh.dots import Streams, unpack_row
from mesh.inbox import FORKED, GAP, MORE, Inbox
from mesh.member import Member
from mesh.merge.resolver import StampResolver
from mesh.metadata import HIDDEN
from mesh.staging import Staging
from node.commands.context import Parked
from node.commands.table import load
from node.engine import Engine
from node.journal import Commit
from node.persist.rdb_reader import RdbReader
from node.persist.rdb_records import Aux, KeyRecord
from node.persist.rdb_writer import RdbWriter
from node.ports import Reader
from node.session import Session
from node.store.effect import CREATION, HINCR, INCR, OP_NAMES, PUT, WAS_STRING, Effect
from node.store.entry import Entry
from node.store.values.hashes import HashValue
from node.store.values.sets import SetValue
from node.store.values.strings import shown
from tests.support.oracle import Act, Oracle, Unit

START_S = 1_700_000_000.0
RECORDER_PLACE = 0  # before the backlog, which moves the own stream
Shown = dict[tuple[int, bytes], tuple[str, object, int]]


class Recorder(Reader):
    """Gives each unit a node publishes of its own to the oracle's log."""

    def __init__(self, node: SimNode, log: list[Unit]) -> None:
        self.node = node
        self.log = log

    def read(self, commit: Commit) -> None:
        if commit.origin != 0:
            return
        acts = tuple(act for effect in commit.effects() for act in acts_of(effect))
        if acts:
            own = self.node.streams.own
            context = {each.uuid: int(each.seen) for each in self.node.streams.all if each.seen}
            self.log.append(Unit(own.uuid, int(commit.stamp), context, acts))


def acts_of(effect: Effect) -> Iterable[Act]:
    """An effect in the oracle's words; nothing for what every node does by itself."""
    name = OP_NAMES[int(effect.op)]
    if name in ("LAPSE", "MERGE"):
        return ()
    value = effect.value
    number = int(effect.number)
    args: tuple[object, ...] = ()
    if effect.op == PUT:
        plain_value: object = shown(value)
        if isinstance(value, SetValue):
            plain_value = frozenset(value.members)
        elif isinstance(value, HashValue):
            plain_value = tuple(value.items())
        args = (plain_value, number)
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


class Wire(Follower):
    """One direction between two nodes: bytes in flight, and what the receiver has not used yet."""

    def __init__(self, source: SimNode, target: SimNode) -> None:
        self.source = source
        self.target = target
        self.open = False
        self.flight: list[bytes] = []
        self.buffer = b""
        self.inbox: Inbox | None = None
        self.transfer: list[object] | None = None
        self.staging: Staging | None = None
        self.resyncs = 0

    def send(self, data: bytes, last: int) -> None:
        self.flight.append(data)

    def connect(self) -> None:
        """The target asks for what it lacks; the source goes on from there, or sends a snapshot."""
        source, target = self.source, self.target
        parts = source.member.backlog.resume(target.member.vector())
        if parts is None:
            if target.member.staging is not None or target.member.merging is not None:
                return
            self.transfer = list(read_snapshot(source.snapshot()))
            self.staging = target.member.stage()
            self.resyncs += 1
            source.world.counts["resync"] += 1
            parts = []
        self.flight = [*parts]
        self.buffer = b""
        self.inbox = target.member.inbox()
        source.member.backlog.followers.append(self)
        self.open = True

    def lacks(self) -> bool:
        """Has the source something by its marks that the target has not, from whomever?"""
        source = self.source.member.vector()
        target = self.target.member.vector()
        return any(stamp > target.get(name, 0) for name, stamp in source.items())

    def cut(self) -> None:
        """What is in flight is lost."""
        if self.open:
            self.open = False
            followers = self.source.member.backlog.followers
            if self in followers:
                followers.remove(self)
            if self.staging is not None and self.target.member.staging is self.staging:
                self.target.member.abandon()
            self.transfer = None
            self.staging = None
            self.flight = []

    def deliver(self, piece: Callable[[int], int], most: int) -> None:
        """Some of what is in flight arrives, cut anywhere."""
        if self.transfer is not None:
            assert self.staging is not None
            for record in self.transfer[:most]:
                assert isinstance(record, Aux | KeyRecord)
                self.staging.add(record)
            del self.transfer[:most]
            if not self.transfer:
                self.transfer = None
                self.staging = None
                self.target.member.switch()
            return
        if self.target.member.staging is not None:
            return  # a transfer runs: other links are not read
        if not self.flight:
            return
        data = b"".join(self.flight)
        size = piece(len(data))
        self.flight = [data[size:]] if size < len(data) else []
        self.buffer += data[:size]
        assert self.inbox is not None
        result = self.inbox.take(self.buffer, 0)
        self.buffer = self.buffer[self.inbox.pos :]
        self.target.member.backlog.flush()
        assert result in (MORE, GAP), ("forked" if result == FORKED else "no frame", self.buffer)
        if result == GAP:
            self.cut()


class SimNode:
    """One member: a real engine with the mesh's core, a clock with its own skew, and one client."""

    def __init__(self, world: World, name: str, skew_ms: int, active: bool = True) -> None:
        self.world = world
        self.name = name
        self.skew_ms = skew_ms
        self.member_id = uuid.UUID(int=world.random.getrandbits(128)).hex.encode()
        self.saved: bytes | None = None
        self.boot(None, active)

    def boot(self, data: bytes | None, active: bool) -> None:
        """A process start: a new stream, and what the last save holds."""
        load()
        words = ["--active-replica", "yes" if active else "no"]
        if self.world.backlog_bytes:
            words += ["--repl-backlog-size", str(self.world.backlog_bytes)]
        config = conf.load(words).config
        self.streams = Streams(self.world.new_uuid())
        self.resolver = StampResolver(self.streams)
        seed = self.world.random.getrandbits(32)
        self.engine = Engine(config, HybridClock(), self.resolver, seed=seed)
        self.member = Member(config, self.engine, self.resolver, self.member_id)
        self.wake()
        if data is not None:
            self.load(data)
        if active:
            self.activate()
        self.session: Session = self.engine.session()

    def activate(self) -> None:
        """The node becomes active; its units are recorded from then on."""
        self.member.activate()
        while not self.member.activation_step(3):
            pass
        own = self.streams.own
        self.world.import_units(self)
        self.engine.journal.wake(RECORDER_PLACE, Recorder(self, self.world.log))
        assert own.seen > 0

    def wake(self) -> None:
        """The engine sees this node's time."""
        self.engine.wake(self.world.time_s + self.skew_ms / 1000.0)

    def __call__(self, *words: str | bytes) -> object:
        self.wake()
        args = [word.encode() if isinstance(word, str) else word for word in words]
        reply = self.engine.execute(self.session, 0, args, b"", 0, 0)
        assert not isinstance(reply, Parked)
        self.member.backlog.flush()
        return reply

    def snapshot(self) -> bytes:
        """The whole state at this point, as a peer or a save gets it."""
        self.member.backlog.flush()
        return snapshot_bytes(self.engine, self.member)

    def save(self) -> None:
        """What survives a crash."""
        self.saved = self.snapshot()

    def load(self, data: bytes) -> None:
        """Reads a save at start."""
        metadata = self.member.metadata
        metadata.load_begin()
        for record in read_snapshot(data):
            if isinstance(record, Aux):
                metadata.load_file_field(record.name, record.value)
            elif isinstance(record, KeyRecord):
                entry = Entry(loaded_value(record.value), 0, 0)
                entry.deadline = record.deadline_ms
                fields = dict(record.aux)
                if not metadata.load_key(int(record.db), record.key, entry, fields):
                    self.engine.databases[int(record.db)].put(record.key, entry)
        metadata.load_end()
        for stream in self.streams.all:
            self.engine.clock.observe(stream.seen)

    def shown(self) -> Shown:
        """What a client could see: (db, key) -> type, canonical value, deadline."""
        found: Shown = {}
        now_ms = int(self.engine.now.ms)
        for db in self.engine.databases:
            for shard in db.keys.dicts:
                for key, entry in shard.items():
                    deadline = int(entry.deadline)
                    if deadline != 0 and deadline < now_ms:
                        continue
                    value = entry.value
                    if isinstance(value, SetValue):
                        seen: tuple[str, object, int] = ("set", frozenset(value.members), deadline)
                    elif isinstance(value, HashValue):
                        seen = ("hash", tuple(sorted(value.items())), deadline)
                    else:
                        seen = ("string", shown(value), deadline)
                    found[int(db.number), key] = seen
        return found


def loaded_value(value: object) -> object:
    """An RDB record's value as the store keeps it."""
    if isinstance(value, list):
        if value and isinstance(value[0], tuple):
            fields = HashValue()
            fields.fields = dict(value)
            return fields
        members = SetValue()
        members.members = dict.fromkeys(value)
        return members
    return value


def snapshot_bytes(engine: Engine, member: Member) -> bytes:
    """An RDB of everything, at once."""
    metadata = member.metadata
    writer = RdbWriter()
    parts = [writer.header(metadata.file_fields())]
    for db in engine.databases:
        if db.keys.size:
            parts.append(writer.select(db.number, db.keys.size, db.expires))
        for shard in db.keys.dicts:
            for key, entry in shard.items():
                value = entry.value
                number = int(db.number)
                fields = metadata.key_fields(number, key, entry)
                data: object = shown(value)
                kind = b"string"
                if isinstance(value, SetValue):
                    kind, data = b"set", list(value.members)
                elif isinstance(value, HashValue):
                    kind, data = b"hash", value.items()
                parts.append(writer.key(kind, key, data, entry.deadline, fields))
        for key, entry in db.hidden.items():
            hidden = metadata.hidden_field(int(db.number), key, entry)
            if hidden is not None:
                parts.append(writer.aux(HIDDEN, hidden))
    parts.append(writer.end())
    return b"".join(parts)


def read_snapshot(data: bytes) -> list[object]:
    """The records of a snapshot that matter."""
    reader = RdbReader()
    records = reader.feed(data)
    reader.finish()
    return [each for each in records if isinstance(each, Aux | KeyRecord)]


class World:
    """Nodes, links between all of them, and what was published."""

    def __init__(self, seed: int, nodes: int = 2, backlog_bytes: int = 0) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.time_s = START_S
        self.backlog_bytes = backlog_bytes
        self.log: list[Unit] = []
        self.nodes: list[SimNode] = []
        self.wires: dict[tuple[int, int], Wire] = {}
        self.down: set[tuple[int, int]] = set()
        self.counts = {"cut": 0, "crash": 0, "resync": 0, "writes": 0}
        for number in range(nodes):
            self.add(f"n{number}", self.random.randrange(-400, 400))

    def new_uuid(self) -> bytes:
        """A stream's uuid, from the seed."""
        return self.random.getrandbits(128).to_bytes(16, "big")

    def add(self, name: str, skew_ms: int = 0, active: bool = True) -> SimNode:
        """One more node, linked with all others."""
        node = SimNode(self, name, skew_ms, active)
        at = len(self.nodes)
        self.nodes.append(node)
        for other in range(at):
            self.wires[at, other] = Wire(node, self.nodes[other])
            self.wires[other, at] = Wire(self.nodes[other], node)
        return node

    def import_units(self, node: SimNode) -> None:
        """Data that a node held before it became active: as the oracle knows it, by its dots."""
        if not node.member.metadata.loaded_dots:
            self.log.extend(imported(node))

    def cut(self, a: int, b: int) -> None:
        """Both directions between two nodes go down."""
        for pair in ((a, b), (b, a)):
            self.down.add(pair)
            self.wires[pair].cut()

    def crash(self, at: int) -> None:
        """A node dies at once and comes back from its last save."""
        node = self.nodes[at]
        for (source, target), wire in self.wires.items():
            if at in (source, target):
                wire.cut()
        node.boot(node.saved, True)
        self.counts["crash"] += 1

    def step(self, pair: tuple[int, int]) -> None:
        """A link does something: connects, or delivers; a merge walk goes on a little."""
        self.nodes[pair[1]].member.merge_step(self.random.randrange(2))
        if pair in self.down:
            return
        wire = self.wires[pair]
        wire.target.wake()
        wire.source.wake()
        if not wire.open:
            wire.connect()
        else:
            wire.deliver(lambda size: self.random.randint(1, size), self.random.choice([1, 5, 99]))

    def settle(self, rounds: int = 12) -> None:
        """All links up, until every node has everything."""
        self.down.clear()
        for _ in range(rounds):
            self.time_s += 0.01
            for node in self.nodes:
                node.wake()
                node.member.finish_merging()
                node.member.heartbeat()
                node.member.backlog.flush()
            for _ in range(400):
                busy = False
                for wire in self.wires.values():
                    if not wire.open:
                        wire.connect()
                        busy = True
                    elif wire.flight or wire.transfer is not None:
                        wire.deliver(lambda size: size, 1 << 30)
                        busy = True
                if not busy:
                    break
            if len({tuple(sorted(node.member.vector().items())) for node in self.nodes}) == 1:
                return
            for wire in self.wires.values():
                if wire.open and wire.lacks():
                    wire.cut()
        raise AssertionError(f"seed {self.seed}: the vectors did not become equal")

    def check(self) -> None:
        """Every node shows what the oracle says, and nothing waits."""
        latest = max(int(node.engine.now.ms) for node in self.nodes)
        latest = max(latest, *(int(node.engine.clock.last) >> 20 for node in self.nodes))
        oracle = Oracle()
        vector = self.nodes[0].member.vector()
        for unit in self.log:
            if unit.stamp <= vector.get(unit.stream, 0):
                oracle.record(unit)
        expected = oracle.expected(latest)
        for node in self.nodes:
            node.member.finish_merging()
            node.engine.now.ms = latest
            seen = node.shown()
            if seen != expected:
                wrong = sorted(
                    key for key in {*seen, *expected} if seen.get(key) != expected.get(key)
                )
                raise AssertionError(
                    f"seed {self.seed}: {node.name} shows another value than the oracle:\n"
                    + "\n".join(
                        f"  {key}: {seen.get(key)} instead of {expected.get(key)}" for key in wrong
                    )
                )
            self.check_waiting(node)

    def check_waiting(self, node: SimNode) -> None:
        """A removal waits only for writes that no node has: lost in a crash, their stream not closed."""
        removals = node.member.memory.removals
        for waiting in [*removals.by_key.values(), *removals.flushes.values()]:
            for pending in waiting:
                row = unpack_row(pending.row)
                assert any(
                    row[int(each.number)] > each.seen
                    for each in node.streams.all if int(each.number) < len(row)
                ), f"seed {self.seed}: a removal waits for nothing"  # fmt: skip


def imported(node: SimNode) -> list[Unit]:
    """Data written alone, as ordinary writes under the dots it was given."""
    units: dict[int, list[Act]] = {}
    for db in node.engine.databases:
        for shard in db.keys.dicts:
            for key, entry in shard.items():
                value = entry.value
                data: object = shown(value)
                if isinstance(value, SetValue):
                    data = frozenset(value.members)
                elif isinstance(value, HashValue):
                    data = tuple(value.items())
                act = Act("PUT", int(db.number), key, (data, int(entry.deadline)))
                units.setdefault(int(entry.stamp), []).append(act)
    own = node.streams.own.uuid
    return [Unit(own, stamp, {}, tuple(acts)) for stamp, acts in sorted(units.items())]

