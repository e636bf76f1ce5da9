"""SimNode: one member of a simulated mesh, a real engine with the mesh's core, without sockets.

It is what mesh/agent.py makes of Member, Snapshots and a clock, driven step by step: it becomes
active in slices, saves in slices, crashes when told and starts again from what a save holds.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import conf
from mesh.clock import HybridClock
from mesh.dots import Streams
from mesh.member import Member
from mesh.merge.resolver import StampResolver
from mesh.merge.totals import beyond
from mesh.promises import Promises
from mesh.spill import Spill
from node.commands.context import Parked
from node.commands.table import load
from node.engine import Engine
from node.persist.contents import value_of
from node.persist.rdb_reader import RdbReader
from node.persist.rdb_records import Aux, KeyRecord
from node.persist.sinks import Sink
from node.persist.snapshot import Snapshots
from node.resp.client import command as encoded
from node.resp.parser import Parser
from node.session import Session
from node.store.entry import Entry, Field
from node.store.keyspace import Database
from node.store.values.hashes import HashValue
from tests.support.acts import RECORDER_PLACE, Recorder, imported, shown_value
from tests.support.simlog import SimLog

if TYPE_CHECKING:
    from tests.support.simulation import World
    from tests.support.simwire import Wire

DATABASES = 3
WALK_KEYS = 2  # of a snapshot's walk in one step, so that writes come between
ACTIVATION_KEYS = 2
SAVES_KEPT = 4
LEAST_LEAVES = 8
LARGE = 2  # values of more places are merged in slices of one place
GUARD_MS = 60_000  # mesh-clock-refuse-ms
Shown = dict[tuple[int, bytes], tuple[str, object, int]]


class HeldSpill(Spill):
    """A file that is none."""

    def __init__(self) -> None:
        self.data = bytearray()

    def append(self, data: bytes) -> int:
        self.data += data
        return len(self.data) - len(data)

    def read(self, place: int, size: int) -> bytes:
        return bytes(self.data[place : place + size])


class Save(Sink):
    """A save that is being written; a node that crashes meanwhile does not have it."""

    checksum = False

    def __init__(self, node: SimNode) -> None:
        self.node = node
        self.saves = node.saves
        self.parts: list[bytes] = []
        self.vector: dict[bytes, int] = {}

    def begin(self) -> None:
        self.vector = self.node.member.vector()

    def write(self, data: bytes) -> None:
        self.parts.append(data)

    def end(self, error: str) -> None:
        assert not error, error
        self.node.held = self.vector
        self.saves.append(b"".join(self.parts))
        del self.saves[:-SAVES_KEPT]


class SimNode:
    """One member: a real engine with the mesh's core, a clock with its own skew, and two
    clients."""

    def __init__(self, world: World, name: str, skew_ms: int) -> None:
        self.world = world
        self.name = name
        self.skew_ms = skew_ms
        self.member_id = uuid.UUID(int=world.random.getrandbits(128)).hex.encode()
        self.rate = (1.0, 0.97, 1.03)[len(world.nodes) % 3]
        self.saves: list[bytes] = []
        self.held: dict[bytes, int] = {}  # the vector of the last save
        self.promises = Promises()  # as the file beside the member id has them
        self.past: list[bytes] = []  # its earlier streams, as the member id's file names them
        # Every other node stages what it takes in in a file: nothing may stay in memory there.
        self.staging_bytes = 0 if len(world.nodes) % 2 else 1 << 40
        policy = world.disks.get(name, "")
        self.log = SimLog(self, policy) if policy else None
        self.boot(None)

    def boot(self, data: bytes | None, active: bool = True) -> None:
        """A process start: a new stream, and what a save holds, or, where there is one, the log.
        Not active yet."""
        load()
        if self.log is not None:
            self.log.crash(1000)
        words = ["--active-replica", "yes" if active else "no", "--databases", str(DATABASES)]
        if self.world.backlog_bytes:
            words += ["--repl-backlog-size", str(self.world.backlog_bytes)]
        words += ["--mesh-staging-memory", str(self.staging_bytes)]
        if self.log is not None:
            words += self.log.directives()
        for row in self.world.policies.get(self.name, ()):
            words += ["--conflict-policy", *row.split()]
        if self.world.owners:
            words += ["--mesh-owner", *self.world.owners, "--mesh-owner-policy", "refuse"]
        config = conf.load(words).config
        self.streams = Streams(self.world.new_uuid())
        self.resolver = StampResolver(self.streams)
        seed = self.world.random.getrandbits(32)
        self.engine = Engine(config, HybridClock(), self.resolver, seed=seed)
        self.member = Member(config, self.engine, self.resolver, self.member_id)
        self.member.guard = self.guard
        self.member.ownership.clock_s = self.monotonic_s
        self.member.replaced = self.own_writes_are_void
        self.member.routes.hope = self.hopes_for
        self.member.open_spill = HeldSpill
        self.member.large = LARGE
        self.member.slice_places = 1
        self.member.least_leaves = LEAST_LEAVES
        if self.world.backlog_limit:
            self.member.backlog.limit = self.world.backlog_limit
        self.held = {}
        self.member.older = list(self.past)
        self.past.append(self.streams.own.uuid)
        self.member.make_stream = self.new_stream
        self.member.became_void = self.feed_nobody
        self.member.meet_anew = lambda: self.world.meet_anew(self)
        if self.world.forgets:
            self.member.stability.active = True
            self.member.stability.members = self.world.members
            if self.world.by_membership:
                self.member.stability.members = self.member.membership.ids
                self.member.remember(self.promises)
            self.member.stability.held = self.on_disk
        self.incoming: Wire | None = None  # the link whose snapshot is staged or merged
        self.queue: deque[Callable[[], None]] = deque()
        self.snapshots = Snapshots(
            self.engine.writer, self.engine.databases, self.member.metadata, list,
            self.queue.append, WALK_KEYS,
        )  # fmt: skip
        self.snapshots.large = LARGE
        self.wake()
        if self.log is not None:
            self.log.boot()
        elif data is not None:
            self.load(data)
        self.parser = Parser()
        self.session: Session = self.engine.session()
        self.watcher: Session = self.engine.session()

    # --- life -----------------------------------------------------------------------------------

    def activate(self, at_once: bool = True) -> bool:
        """The node becomes active; its units are recorded from then on. False: not while it
        saves."""
        if self.engine.writer.walk is not None:
            return False
        if not self.member.metadata.loaded_dots:
            self.world.log.extend(
                imported(self.engine, self.streams.own.uuid, self.world.beyond.add)
            )
        made = self.world.recorder or Recorder
        recorder = made(self.streams, self.world.log.append, self.world.beyond.add)
        self.engine.journal.wake(RECORDER_PLACE, recorder)
        self.member.activate()
        while at_once and not self.activation_step():
            pass
        if self.log is not None and self.member.started:
            self.log.started()
        return True

    def activation_step(self) -> bool:
        """A slice of the walk that gives dots. True: the stream has started."""
        self.wake()
        done = self.member.activation_step(ACTIVATION_KEYS)
        self.member.backlog.flush()
        if done and self.log is not None:
            self.log.started()
        return done

    @property
    def activating(self) -> bool:
        """Is the walk that gives dots under way?"""
        return self.resolver.active and not self.member.started

    def monotonic_s(self) -> float:
        """A clock that nobody sets; each goes at a rate of its own."""
        return self.world.time_s * self.rate

    def wake(self) -> None:
        """The engine sees this node's time."""
        self.engine.wake(self.world.time_s + self.skew_ms / 1000.0)

    def own_writes_are_void(self, vector: dict[bytes, int]) -> None:
        """A peer's state of this vector took the place of this node's: what it had written before
        and the peer had not seen was no write of the mesh."""
        former = self.past[-2]
        self.world.voided = True
        self.world.log[:] = [
            unit for unit in self.world.log
            if unit.stream != former or unit.stamp <= vector.get(former, 0)
        ]
        self.world.meet_anew(self)

    def new_stream(self) -> bytes:
        """The uuid of a stream that this process begins beside its first, noted as that is."""
        self.past.append(self.world.new_uuid())
        return self.past[-1]

    def feed_nobody(self) -> None:
        """What stands here is to be replaced: nobody may have what is written until then."""
        for wire in self.world.wires.values():
            if wire.source is self:
                wire.cut()

    def guard(self, stamp: int) -> str:
        """The agent's clock guard."""
        ahead_ms = (stamp >> 20) - int(self.engine.clock.now_ms)
        return f"{ahead_ms} ms ahead" if ahead_ms > GUARD_MS else ""

    def work(self) -> bool:
        """One step of what is done in slices: the switch, the merge after it, a snapshot's walk."""
        self.wake()
        member = self.member
        if member.merging is not None:
            if member.merge_step(WALK_KEYS):
                self.incoming = None
                self.snapshots.go_on()
            return True
        incoming = self.incoming
        if self.engine.writer.walk is None and incoming is not None and incoming.staged:
            member.switch()
            return True
        intake = None if incoming is None else incoming.intake
        if incoming is not None and intake is not None and incoming.attend(intake, b"", WALK_KEYS):
            return True
        if self.log is not None and self.log.work():
            return True
        if not self.queue:
            return False
        self.queue.popleft()()
        return True

    def hopes_for(self, member: bytes) -> bool:
        """May a link to this member still come up by itself? As the agent sees one that is cut."""
        return any(
            wire.target is self and wire.source.member_id == member and wire.way is None
            for pair, wire in self.world.wires.items() if pair not in self.world.missing
        )

    def settle_routes(self) -> None:
        """A link or an offer has changed: which streams come over which link now?"""
        self.member.routes.settle(self.world.time_s)

    def beat(self) -> None:
        """The heartbeat of once a second."""
        self.wake()
        self.settle_routes()
        self.member.heartbeat()
        self.member.backlog.flush()
        at_times = self.world.forgets_at(self) == "random"
        self.forget(self.world.random.randrange(0, 20) if at_times else 0)

    def forget(self, budget: int = 0) -> None:
        """Forgets what is stable: so many places, or all."""
        if not self.world.forgets_at(self) or not self.member.started:
            return
        while not self.member.forget_step(budget or 1000) and not budget:
            if self.member.forgetter.beside.halted:
                return

    def forget_now(self) -> None:
        """As a heartbeat does it, but without saying anything."""
        member = self.member
        if member.started and member.staging is None and member.merging is None:
            member.advance()
            member.forgetter.beat()
            self.forget()

    def begin_save(self) -> None:
        """A save of this moment; what survives a crash is there when its walk has ended."""
        self.snapshots.request(Save(self))

    def save(self) -> None:
        """A save, from beginning to end; with a log all is in that."""
        if self.log is not None:
            self.log.save()
        self.begin_save()
        while self.work():
            pass

    def load(self, data: bytes) -> None:
        """Reads a save at start."""
        metadata = self.member.metadata
        metadata.load_begin()
        reader = RdbReader(False)
        records = reader.feed(data)
        reader.finish()
        for record in records:
            if isinstance(record, Aux):
                metadata.load_file_field(record.name, record.value)
            elif isinstance(record, KeyRecord):
                entry = Entry(value_of(record.kind, record.value, record.aux), 0, 0)
                entry.deadline = record.deadline_ms
                fields = dict(record.aux)
                if not metadata.load_key(int(record.db), record.key, entry, fields):
                    self.engine.databases[int(record.db)].put(record.key, entry)
                self.engine.clock.observe(entry.stamp)
        metadata.load_end()
        self.member.loaded()
        self.held = self.member.vector()
        for stream in self.streams.all:
            self.engine.clock.observe(stream.seen)

    # --- clients --------------------------------------------------------------------------------

    def __call__(self, *words: str | bytes) -> object:
        return self.run(self.session, *words)

    def on_disk(self) -> dict[bytes, int]:
        """What a restart would bring back, by stream."""
        return self.held if self.log is None else self.log.held()

    def run(self, session: Session, *words: str | bytes) -> object:
        """One command of a client that does not wait."""
        reply = self.attempt(session, *words)
        assert not isinstance(reply, Parked)
        return reply

    def attempt(self, session: Session, *words: str | bytes) -> object:
        """One command of a client, from its bytes, as node/net/connection.py takes it; a Parked
        where it waits."""
        self.wake()
        parser = self.parser
        engine = self.engine
        parser.feed(encoded(*[word.encode() if isinstance(word, str) else word for word in words]))
        args = parser.next()
        assert args is not None
        end = parser.pos if parser.exact else 0
        known = engine.quick(parser.code)
        if known is not None and session.flags == 0:
            reply = engine.perform(session, known, args, parser.data, parser.start, end)
        else:
            if not args[0]:
                args[0] = parser.name()
            reply = engine.execute(session, parser.code, args, parser.data, parser.start, end)
        self.member.backlog.flush()
        return reply

    def shows(self, db: Database, entry: Entry | None) -> tuple[str, object, int] | None:
        """What a client could see of an entry: type, content, deadline."""
        if entry is None or 0 < entry.deadline < db.now.ms:
            return None
        return (*shown_value(entry.value), int(entry.deadline))

    def shown_key(self, number: int, key: bytes) -> tuple[str, object, int] | None:
        """What a client could see of one key."""
        db = self.engine.databases[number]
        return self.shows(db, db.keys.get(key))

    def shown(self) -> Shown:
        """What a client could see: (db, key) -> type, content, deadline."""
        found: Shown = {}
        for db in self.engine.databases:
            if db.timed.first_ms < db.now.ms:
                db.merge_all()  # members past their deadline go before anybody looks
            for shard in db.keys.dicts:
                for key, entry in shard.items():
                    seen = self.shows(db, entry)
                    if seen is not None:
                        found[int(db.number), key] = seen
        return found

    def number(self, db: int, key: bytes, field: bytes | None) -> object:
        """What a counter holds, not clipped to 64 bits where it is an integer."""
        entry = self.engine.databases[db].keys.get(key)
        value = None if entry is None else entry.value
        if field is not None and isinstance(value, HashValue):
            slot = value.slot(field)
            value = slot.value if isinstance(slot, Field) else slot
        return value

    def sums_beyond(self) -> bool:
        """Is a counter here beyond 64 bits?"""
        for db in self.engine.databases:
            for shard in [*db.keys.dicts, db.hidden]:
                for entry in shard.values():
                    values: list[object] = [entry.value]
                    if isinstance(entry.value, HashValue):
                        values = [slot for chunk in entry.value.chunks() for slot in chunk.values()]
                    for value in values:
                        if beyond(value.value if isinstance(value, Field) else value):
                            return True
        return False

    def hidden(self) -> int:
        """How many keys are remembered that show nothing."""
        return sum(len(db.hidden) for db in self.engine.databases)
