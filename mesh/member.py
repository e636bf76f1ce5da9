"""Member: this node as a member of a mesh, without sockets: the agent and the simulation drive it.

It owns what the mesh knows: streams and vector, rules, backlog; it becomes active, answers "may
this follower continue?", takes in snapshots by staging and switching, and beats once a second.
"""

from __future__ import annotations

from collections.abc import Callable

from mypy_extensions import i64

from conf import Config
from mesh.backlog import Backlog
from mesh.dots import Stream, Streams, unpack_marks
from mesh.forget import Forgetter
from mesh.inbox import Control, Inbox
from mesh.membership import END as MEMBER_END
from mesh.membership import (
    JOIN,
    JOINED,
    MEMBER,
    WHO,
    Change,
    Membership,
    MembershipError,
    expulsion,
)
from mesh.merge.kinds.table import KINDS
from mesh.merge.resolver import StampResolver
from mesh.merge.rule import Memory
from mesh.merge.slots import is_opaque, slot_of
from mesh.metadata import MeshMetadata, nothing
from mesh.rreplay import FrameError
from mesh.shelf import PART, Shelf
from mesh.spill import Spill
from mesh.stability import END, REPORT, Stability
from mesh.staging import LARGE, MergeWalk, Staging
from mesh.topology import Routes
from node.engine import Engine
from node.journal import BACKLOG, FORGET
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
        self.memory.conflicts.clock = engine.clock
        self.streams: Streams = resolver.streams
        self.member_id = member_id
        self.streams.own.member = member_id
        engine.member = member_id
        self.backlog = Backlog(self.streams, backlog_bytes(config))
        self.routes = Routes(member_id, self.streams.own.uuid)
        self.membership = Membership(member_id)
        self.describe: Callable[[], dict[str, object]] = dict  # what this node says of itself
        self._said: dict[str, object] = {}
        self.metadata = MeshMetadata(resolver, engine.databases, config.yes("active-replica"))
        self.metadata.member_id = member_id
        self.stability = Stability(self.memory, member_id)
        self.stability.announce = self._say
        self.metadata.stability = self.stability
        self.forgetter = Forgetter(engine, self.memory)
        self.older: list[bytes] = []  # streams of earlier processes that the data may not name
        self.metadata.membership = self.membership
        self.metadata.row_of_own = self.backlog.marked
        self.metadata.before_file = self.finish_merging
        self.activation: Activation | None = None
        self.staging: Staging | None = None
        self.merging: MergeWalk | None = None
        self.started = False
        self.stream_started: Callable[[], None] = nothing
        self.make_durable: Callable[[], None] = nothing  # all that was written here, now
        self._holes_noted = False
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
        own = self.streams.own.uuid
        named = [each.uuid for each in self.streams.all if each.member == self.member_id]
        older = [
            uuid for uuid in dict.fromkeys([*named, *self.older])
            if uuid != own and not self.streams.of(uuid).ended
        ]  # fmt: skip
        self.note_holes()
        stamp = self.engine.clock.next()
        names = [uuid.hex().encode() for uuid in older]
        self.backlog.control([START, self.member_id, *names], stamp)
        self.stability.start(int(stamp), older)
        if holds_data:
            self.backlog.hole(0, stamp)  # data from before travels by transfer, never as frames
        self.engine.journal.wake(BACKLOG, self.backlog)
        if self.stability.active:
            self.engine.journal.wake(FORGET, self.forgetter)
        self.started = True
        self.stream_started()

    def note_holes(self) -> None:
        """What was loaded as data is not here as frames; frames that are loaded after it are."""
        if self._holes_noted:
            return
        self._holes_noted = True
        for each in self.streams.all:
            if each is not self.streams.own and each.seen != 0:
                self.backlog.hole(each.number, each.seen)

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
            self.stability.began(words[1], [bytes.fromhex(each.decode()) for each in words[2:]])
        elif words[0] == REPORT and len(words) > 1:
            self.stability.reported(stream, words[1], words[2] if len(words) > 2 else b"")
        elif words[0] == END and len(words) == 2:
            self.stability.ended(unpack_marks(words[1]))
        elif words[0] == MEMBER:
            try:
                self.membership.apply(words[1:], int(stamp), stream.uuid)
            except MembershipError as error:
                raise FrameError(str(error)) from error
            seen = {**self.streams.row_marks(stream), stream.uuid: int(stamp)}
            self._count_members(words[1::2], seen)

    def may_take(self, stream: Stream, stamp: i64, peer: bytes) -> bool:
        """May a frame of a stream whose process has ended be taken from this member?"""
        return self.stability.may_take(stream, int(stamp), peer)

    def _say(self, words: list[bytes]) -> None:
        self.backlog.control(words, self.engine.clock.next())

    def heartbeat(self) -> None:
        """Once a second: what this node holds is said, or that it is idle; marks travel with it.

        The stable cut moves then, but not while a snapshot is taken in.
        """
        if not self.started:
            return
        self._announce()
        if not self.stability.report():
            self.backlog.heartbeat(self.engine.clock.next())
        if self.stability.active:
            if self.staging is None and self.merging is None:
                self.stability.advance()
            self.forgetter.beat()

    def forget_step(self, budget: int) -> bool:
        """Forgets a slice of what is stable; True: nothing is to be done now.

        Never while somebody walks over the data, a snapshot is taken in or merged: what they see
        would not fit the cut that was said at their beginning.
        """
        taking_in = self.staging is not None or self.merging is not None
        if not self.stability.active or taking_in or self.engine.writer.walk is not None:
            return True
        return self.forgetter.step(budget)

    # --- membership -----------------------------------------------------------------------------

    def change_membership(self, changes: list[Change]) -> None:
        """An op of our stream, behind which every node knows of it. Never inside a unit."""
        words = self.membership.words(changes)
        stamp = self.engine.clock.next()
        self.backlog.control(words, stamp)
        self.membership.apply(words[1:], int(stamp), self.streams.own.uuid)
        self._count_members(words[1::2], self.vector())

    def _count_members(self, registers: list[bytes], seen: dict[bytes, int]) -> None:
        """Who joins holds what its sponsor had seen then; who ends holds nothing up any more."""
        for name in registers:
            member, dot, kind = name.rpartition(b".")
            if dot + kind == JOIN:
                self.stability.joined(member, seen)
            elif dot + kind == MEMBER_END:
                self.stability.left(member)

    def admit(
        self, member_id: bytes, host: str, port: int, is_here: Callable[[bytes], bool]
    ) -> None:
        """A member is about to be sent our data, or to send us its own: from now on it counts.

        A member that it takes the place of, one with the same address that is not `is_here`, is
        expelled in the same op (semantics.md 7).
        """
        if not self.started or self.membership.refusal(member_id):
            return
        changes: list[Change] = []
        own = self.member_id.decode()
        if self.membership.entry(member_id) is None:
            changes.append((member_id + JOIN, {"host": host, "port": port, "by": own}))
            for old in self.membership.predecessors(member_id, host, port):
                if not is_here(old.member_id):
                    changes.append(expulsion(old.member_id, self.member_id, f"{host}:{port}"))
        if changes:
            self.change_membership(changes)

    def _announce(self) -> None:
        """Tells the mesh what has changed of what this node says of itself."""
        own = self.membership.entry(self.member_id)
        if own is not None and own.state != JOINED:
            return
        said = self.describe()
        said["since"] = int(self.engine.clock.last) if own is None else own.since
        said["slot"] = max(self.membership.slot(self.member_id), 0)
        if said != self._said:
            self._said = said
            self.change_membership([(self.member_id + WHO, said)])

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
        self.staging.stability = self.stability
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
        self.membership.join(staging.incoming.membership)
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
        self.forgetter.look_at_all()
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
