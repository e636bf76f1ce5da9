"""Member: this node as a member of a mesh, without sockets: the agent and the simulation drive it.

It owns what the mesh knows: streams and vector, rules, backlog; it becomes active, answers "may
this follower continue?", takes in snapshots by staging and switching, and beats once a second.
"""

from __future__ import annotations

from collections.abc import Callable

from mypy_extensions import i64

from conf import Config
from mesh.backlog import Backlog
from mesh.dots import Stream, Streams
from mesh.inbox import Control, Inbox
from mesh.merge.kinds.table import KINDS
from mesh.merge.resolver import StampResolver
from mesh.merge.rule import Memory
from mesh.merge.slots import is_opaque, slot_of
from mesh.metadata import MeshMetadata
from mesh.shelf import PART, Shelf
from mesh.spill import Spill
from mesh.staging import LARGE, MergeWalk, Staging
from node.engine import Engine
from node.journal import BACKLOG
from node.store.effect import MERGE, QUIET, Effect
from node.store.entry import HELD, Claim, Dot, Dots, Entry
from node.store.keyspace import Database
from node.store.mutate import give_dots
from node.store.values.value import Value
from node.store.writer import BeforeChange, other_phase

# Redis's default backlog is 1 MB; a mesh's frames are some 180 bytes each, and an outage of minutes
# must not cost a transfer. What the operator sets counts.
MESH_BACKLOG_BYTES = 64 * 1024 * 1024
START = b"MESH.START"


class Activation(BeforeChange):
    """The walk that gives dots to data written alone: in slices, each key before its next
    change."""

    def __init__(self, engine: Engine, memory: Memory, loaded_dots: bool) -> None:
        self.engine = engine
        self.memory = memory
        self.loaded_dots = loaded_dots
        writer = engine.writer
        writer.phase = other_phase(writer.phase)
        self.phase = writer.phase
        self.given = 0
        self._shards: list[tuple[Database, dict[bytes, Entry]]] = [
            (db, shard) for db in engine.databases for shard in [*db.keys.dicts, db.hidden] if shard
        ]
        self._keys: list[bytes] = []
        self._at: tuple[Database, dict[bytes, Entry]] | None = None
        writer.walk = self

    def before(self, db: Database, key: bytes, entry: Entry) -> None:
        if entry.flags & HELD == self.phase:
            return
        entry.flags = (entry.flags & ~HELD) | self.phase
        if entry.dots is not None:
            return  # loaded with its dots
        if not self.loaded_dots:
            self.given += 1
        if entry.stamp == 0:
            entry.stamp = self.engine.clock.next()
        memory = self.memory
        give_dots(entry, Dot(entry.stamp, 0))
        value = entry.value
        if isinstance(value, Value):
            slot = slot_of(value)
            if is_opaque(slot):
                first = memory.list_inserts + 1
                memory.list_inserts += KINDS[slot].give_dots(value, entry.stamp, 0, first)
            dots = Dots()
            dots.ttls = [Claim(entry.stamp, 0, entry.deadline)]
            entry.dots = dots

    def flushed(
        self, db: Database, old: list[dict[bytes, Entry]], hidden: dict[bytes, Entry]
    ) -> None:
        self.given += 1  # what was there is gone, but no frame will ever say so
        self.engine.writer.trash.extend(old)
        self.engine.writer.trash.append(hidden)

    def step(self, budget: int) -> bool:
        """Walks over `budget` keys; True when the last was seen."""
        while budget > 0:
            if not self._keys:
                if not self._shards:
                    self.engine.writer.walk = None
                    return True
                self._at = self._shards.pop()
                self._keys = list(self._at[1])
                continue
            assert self._at is not None
            db, shard = self._at
            key = self._keys.pop()
            budget -= 1
            entry = shard.get(key)
            if entry is not None:
                self.before(db, key, entry)
        return False


class Member(Control):
    """The mesh side of one node. `active` False: a node alone, without dots and frames."""

    def __init__(
        self, config: Config, engine: Engine, resolver: StampResolver, member_id: bytes
    ) -> None:
        self.config = config
        self.engine = engine
        self.resolver = resolver
        self.memory = resolver.memory
        self.streams: Streams = resolver.streams
        self.member_id = member_id
        self.streams.own.member = member_id
        engine.member = member_id
        self.backlog = Backlog(self.streams, backlog_bytes(config))
        self.metadata = MeshMetadata(resolver, engine.databases, config.yes("active-replica"))
        self.metadata.member_id = member_id
        self.metadata.row_of_own = self.backlog.marked
        self.metadata.before_file = self.finish_merging
        self.activation: Activation | None = None
        self.staging: Staging | None = None
        self.merging: MergeWalk | None = None
        self.started = False
        self.transfers = 0
        self.guard: Callable[[int], str] | None = None
        self.open_spill: Callable[[], Spill] | None = None  # where staged records go, past a limit
        self.large = LARGE  # values of more places are merged so many places at a time
        self.slice_places = PART

    def resize_backlog(self) -> None:
        """repl-backlog-size has a new value; what is too much goes with the next frame."""
        self.backlog.limit = self.config.number("repl-backlog-size")

    # --- becoming active ------------------------------------------------------------------------

    def activate(self) -> None:
        """Dots from now on; `activation_step` until it is True, then the stream starts."""
        self.metadata.active = True
        self.resolver.active = True
        if self._lacks_no_dots():
            # Before the next write, or its frame would be missing: no walk, nothing to transfer.
            self._start_stream(False)
        else:
            self.activation = Activation(self.engine, self.memory, self.metadata.loaded_dots)

    def _lacks_no_dots(self) -> bool:
        """Was everything that is here loaded with its dots, or is nothing here?"""
        if self.metadata.loaded_dots:
            return self.metadata.undotted_keys == 0
        return not any(db.keys.size for db in self.engine.databases)

    def activation_step(self, budget: int) -> bool:
        """A slice of the walk; True when the own stream has started and links may open."""
        if self.started:
            return True
        activation = self.activation
        assert activation is not None
        if not activation.step(budget):
            return False
        self.activation = None
        self._start_stream(activation.given > 0 or self.metadata.undotted_keys > 0)
        return True

    def _start_stream(self, holds_data: bool) -> None:
        older = [
            each.uuid.hex().encode() for each in self.streams.all
            if each is not self.streams.own and each.member == self.member_id
        ]  # fmt: skip
        for each in self.streams.all:
            if each is not self.streams.own and each.seen != 0:
                self.backlog.hole(each.number, each.seen)
        stamp = self.engine.clock.next()
        self.backlog.control([START, self.member_id, *older], stamp)
        if holds_data:
            self.backlog.hole(0, stamp)  # data from before travels by transfer, never as frames
        self.engine.journal.wake(BACKLOG, self.backlog)
        self.started = True

    # --- streams --------------------------------------------------------------------------------

    def inbox(self) -> Inbox:
        """A new link's way in."""
        inbox = Inbox(self.engine, self.streams, self.memory, self.backlog, self)
        inbox.guard = self.guard
        return inbox

    def control(self, stream: Stream, stamp: i64, words: list[bytes]) -> None:
        """A `MESH.*` frame of a peer's stream."""
        if words[0] == START and len(words) > 1:
            stream.member = words[1]
            for older in words[2:]:
                self.streams.of(bytes.fromhex(older.decode())).member = words[1]

    def heartbeat(self) -> None:
        """An idle stream says so, and marks travel; called once a second."""
        if self.started:
            self.backlog.heartbeat(self.engine.clock.next())

    def vector(self) -> dict[bytes, int]:
        """What this node has applied, by stream."""
        return {each.uuid: int(each.seen) for each in self.streams.all if each.seen != 0}

    # --- taking in a snapshot -------------------------------------------------------------------

    def stage(self) -> Staging:
        """Begins to take in a peer's snapshot: nothing of it shows before `switch`."""
        assert self.staging is None
        limit_bytes = self.config.number("mesh-staging-memory")
        shelf = Shelf(len(self.engine.databases), limit_bytes, self.open_spill)
        self.staging = Staging(self.engine, self.memory, self.backlog, shelf, self.large)
        self.staging.guard = self.guard
        return self.staging

    def abandon(self) -> None:
        """The transfer broke: nothing has happened."""
        if self.staging is not None:
            self.staging.close()
        self.staging = None

    def switch(self) -> None:
        """The last key is staged: from now on both states are one (semantics.md 7).

        `merge_step` until it is True merges what nobody touches before.
        """
        staging = self.staging
        assert staging is not None and self.merging is None
        self.staging = None
        self.merging = staging.switch(self.slice_places)
        self.transfers += 1
        for number, key in self.engine.watch.watched_keys():
            self.merging.touch(self.engine.databases[number], key)
            changed = Effect(MERGE, number, key, None, 0, self.engine.clock.last, 0, 0)
            changed.flags = QUIET
            self.engine.writer.record(changed)
        self.engine.publish()

    def merge_step(self, budget: int) -> bool:
        """Merges a slice of what is left; True when nothing is."""
        merging = self.merging
        if merging is None:
            return True
        if not merging.step(budget):
            return False
        self.merging = None
        return True

    def finish_merging(self) -> None:
        """Merges all that is left now: a save at once, the end of the process."""
        while not self.merge_step(1 << 30):
            pass


def backlog_bytes(config: Config) -> int:
    """The most that the backlog holds: repl-backlog-size where it is set, else a mesh's default."""
    if config.changed("repl-backlog-size") or config.place("repl-backlog-size") is not None:
        return config.number("repl-backlog-size")
    return MESH_BACKLOG_BYTES
