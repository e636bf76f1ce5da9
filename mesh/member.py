"""Member: this node as a member of a mesh, without sockets: the agent and the simulation drive it.

It owns what the mesh knows: streams and vector, rules, backlog; it becomes active, answers "may
this follower continue?", takes in snapshots by staging and switching, and beats once a second.
"""

from __future__ import annotations

from collections.abc import Callable

from mypy_extensions import i64

from conf import Config
from mesh.activation import Activation
from mesh.backlog import Backlog
from mesh.cap import Cap
from mesh.dots import Stream, Streams, unpack_marks
from mesh.forget import Forgetter
from mesh.holding import REPORT
from mesh.inbox import Inbox
from mesh.lease_words import LEASE
from mesh.membership import MEMBER, Membership, MembershipError
from mesh.merge.resolver import StampResolver
from mesh.merge_walk import MergeWalk
from mesh.metadata import MeshMetadata, nothing
from mesh.ownership import Ownership
from mesh.policy import policy_of
from mesh.range_follower import RangeFollower
from mesh.ranges import LEAVES_LEAST
from mesh.reissue import Reissue
from mesh.rejoin import has_state, put_aside
from mesh.rreplay import FrameError
from mesh.seat import Seat
from mesh.shelf import PART, Shelf
from mesh.spill import Spill
from mesh.stability import END, Stability
from mesh.staging import LARGE, Staging
from mesh.topology import Routes
from node.engine import Engine
from node.journal import BACKLOG, FORGET
from node.store.effect import MERGE, QUIET, Effect

# Redis's default backlog is 1 MB; a mesh's frames are some 180 bytes each, and an outage of minutes
# must not cost a transfer. What the operator sets counts.
MESH_BACKLOG_BYTES = 64 * 1024 * 1024
START = b"MESH.START"
LACKED = b"-"  # before a stream that has ended and of which some is not here
ANEW = b"+"  # this stream begins since the state was replaced: what was reported before is void


class Member(Seat):
    """The mesh side of one node. `active` False: a node alone, without dots and frames."""

    def __init__(
        self, config: Config, engine: Engine, resolver: StampResolver, member_id: bytes
    ) -> None:
        super().__init__()
        self.config = config
        self.engine = engine
        self.resolver = resolver
        self.memory = resolver.memory
        self.memory.conflicts.clock = engine.clock
        self.set_policy()
        self.streams: Streams = resolver.streams
        self.member_id = member_id
        self.streams.own.member = member_id
        engine.member = member_id
        self.backlog = Backlog(self.streams, backlog_bytes(config))
        self.routes = Routes(member_id, self.streams.own.uuid)
        self.membership = Membership(member_id)
        self.describe: Callable[[], dict[str, object]] = dict  # what this node says of itself
        self.metadata = MeshMetadata(resolver, engine.databases, config.yes("active-replica"))
        self.metadata.member_id = member_id
        self.stability = Stability(self.memory, member_id)
        self.stability.announce = self.say
        self.stability.departures.say_closed = self._say_closed
        self.stability.may_say = self._may_say
        self.stability.merging = lambda: self.merging is not None
        self.membership.departed = self._departed
        self.metadata.stability = self.stability
        self.forgetter = Forgetter(engine, self.memory)
        self.cap = Cap(self)
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
        self.least_leaves = LEAVES_LEAST  # that a comparison by digests has
        self.large = LARGE  # values of more places are merged so many places at a time
        self.slice_places = PART
        self.reissues: list[Reissue] = []
        self.replaced: Callable[[dict[bytes, int]], None] = unheard
        self.ownership = Ownership(self)
        self.ownership.configure()
        self.rejoined_at = 0  # the own stream's stamp behind which all was written anew

    def set_policy(self) -> None:
        """conflict-policy has a value: what clients remove from now on goes by it."""
        self.memory.policy = policy_of(self.config.rows("conflict-policy"))

    def owner_rules(self) -> str:
        return self.ownership.rules.name

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

    def _begin_stream(self) -> int:
        """The own stream's first frame, which names the older ones; its stamp."""
        own = self.streams.own.uuid
        named = [each.uuid for each in self.streams.all if each.member == self.member_id]
        older = [
            uuid for uuid in dict.fromkeys([*named, *self.older])
            if uuid != own and not self.streams.of(uuid).ended
        ]  # fmt: skip
        stamp = self.engine.clock.next()
        names = [uuid.hex().encode() for uuid in older]
        if self.is_anew:
            names.append(ANEW)
        names += [
            LACKED + each.uuid.hex().encode() for each in self.streams.all
            if each.ended and each.seen < each.end
        ]  # fmt: skip
        self.backlog.control([START, self.member_id, *names], stamp)
        self.stability.start(int(stamp), older)
        return int(stamp)

    def _start_stream(self, holds_data: bool) -> None:
        self.note_holes()
        stamp = self._begin_stream()
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
            if ANEW in words:
                self.began_anew(words[1], stream.uuid)
            older, lacked = split_names([each for each in words[2:] if each != ANEW])
            self.stability.began(words[1], older)
            self.streams.complete_row(stream, stamp, lacked)
        elif words[0] == REPORT and len(words) > 1:
            self.stability.reported(stream, words[1], words[2:])
        elif words[0] == END and len(words) == 2:
            self.stability.ended(unpack_marks(words[1]), stream.uuid, int(stamp))
        elif words[0] == MEMBER:
            try:
                self.membership.apply(words[1:], int(stamp), stream.uuid)
            except MembershipError as error:
                raise FrameError(str(error)) from error
            self._count_members(words[1:])
        elif words[0] == LEASE and len(words) == 2:
            self.ownership.hear(stream, words[1])

    def may_take(self, stream: Stream, stamp: i64, peer: bytes) -> bool:
        """May a frame of a stream whose process has ended be taken from this member?"""
        return self.stability.may_take(stream, int(stamp), peer)

    def say(self, words: list[bytes]) -> None:
        """A `MESH.*` frame of the own stream. Never inside a unit."""
        self.backlog.control(words, self.engine.clock.next())

    def heartbeat(self) -> None:
        """Once a second: what this node holds is said, or that it is idle; marks travel with it.

        The stable cut moves then, but not while a snapshot is taken in.
        """
        if not self.started:
            return
        if self.staging is None:
            self._join_or_not()
        self._announce()
        self.expel_earlier()
        self.spend()
        self._settle_slot()
        has_said = self.ownership.beat()
        if not self.stability.report() and not has_said:
            self.backlog.heartbeat(self.engine.clock.next())
        if self.config.yes("mesh-stream-stable-reads"):
            self.engine.blocking.look_again()  # what was held back may be settled by now
        self.advance()
        if self.stability.active:
            self.forgetter.beat()
            self.cap.beat()

    def advance(self) -> bool:
        """The stable cut moves as far as what members have said allows; True: it has moved.

        Not while a snapshot is taken in or merged.
        """
        taking_in = self.staging is not None or self.merging is not None
        if not self.started or not self.stability.active or taking_in:
            return False
        moved = self.stability.advance()
        self.stability.retire()
        return moved

    def tell_held(self) -> bool:
        """Between two heartbeats: says what is held if that is all that was noted, and was not said
        yet; True: the stable cut has moved."""
        epochs = self.forgetter.epochs
        if not self.started or not epochs or not self.stability.has_to_say(epochs[-1].row):
            return False
        self.stability.report()
        return self.advance()

    def forget_step(self, budget: int) -> bool:
        """Forgets a slice of what is stable; True: nothing is to be done now.

        Never while data is compared with a peer's, or a snapshot is taken in or merged: what they
        see would not fit the cut that was said at their beginning.
        """
        taking_in = self.staging is not None or self.merging is not None
        if not self.stability.active or taking_in:
            return True
        walk = self.engine.writer.walk
        if walk is not None and not walk.may_forget():
            return True
        is_forgotten = self.forgetter.step(budget)
        is_counted = self.forgetter.meter.step(self.cap.count_budget(budget))
        if not is_forgotten or not is_counted:
            return False
        # What only waits for the walk is asked for again and again: it may be there for seconds.
        self.forgetter.beside.halted = len(self.forgetter.behind) > 0
        return not self.forgetter.behind

    # --- taking in a snapshot -------------------------------------------------------------------

    def has_keys(self) -> bool:
        """Is there anything here that could be compared with what a peer has?"""
        if self.void:
            return False
        return any(db.keys.size or db.hidden for db in self.engine.databases)

    def stage(self, salt: bytes = b"", leaves: int = 0) -> Staging:
        """Begins to take in a peer's snapshot: nothing of it shows before `switch`.

        With `leaves` what both have is compared by digests first. RangeError where a peer wants
        more leaves than there may be.
        """
        assert self.staging is None
        ranges = None
        if leaves:
            ranges = RangeFollower(self.engine, self.memory, salt, leaves)
        limit_bytes = self.config.number("mesh-staging-memory")
        shelf = Shelf(len(self.engine.databases), limit_bytes, self.open_spill)
        self.staging = Staging(self.engine, self.memory, self.backlog, shelf, self.large)
        self.staging.guard = self.guard
        self.staging.stability = self.stability
        self.staging.ranges = ranges
        self.staging.must_replace = self.void
        self.staging.is_void = self.becomes_void
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
        source = None
        if staging.replaces:
            self.stability.unsponsor()
            if has_state(self) or self.lent or self.backlog.wrote:
                source = put_aside(self, staging.incoming)
        self.merging = staging.switch(self.slice_places)
        self.membership.join(staging.incoming.membership)
        if source is not None:
            self._said = {}
            self.is_anew = True
            self._begin_stream()
            self.ownership.begin_anew()
            self.replaced(staging.incoming.vector)
            self.reissues.append(Reissue(self.engine, self.memory, source))
            self.say_ends(source.ends)
        if staging.replaces:
            self.stability.tell()  # as the one who let this node in has for it
            self.void = ""
            self.void_is_foreign = False
            self.forget_lent()  # what they have is void, too
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
        while self.reissues:
            if not self.reissues[0].step(max(budget // 4, 1)):
                return False
            del self.reissues[0]
            self.rejoined_at = int(self.streams.own.seen)
        self.merging = None
        self.forgetter.look_at_all()
        return True

    def finish_merging(self) -> None:
        """Merges all that is left now: a save at once, the end of the process."""
        while not self.merge_step(1 << 30):
            pass


def unheard(vector: dict[bytes, int]) -> None:
    """Nobody wants to know that a state of this vector has taken the place of the own."""


def split_names(words: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """The streams that MESH.START names: the member's own older ones, and ended ones of which it
    lacks some. ValueError where a word is no uuid."""
    older = [each for each in words if not each.startswith(LACKED)]
    lacked = [each[len(LACKED) :] for each in words if each.startswith(LACKED)]
    names = [[bytes.fromhex(each.decode()) for each in group] for group in (older, lacked)]
    return names[0], names[1]


def backlog_bytes(config: Config) -> int:
    """The most that the backlog holds: repl-backlog-size where it is set, else a mesh's default."""
    if config.changed("repl-backlog-size") or config.place("repl-backlog-size") is not None:
        return config.number("repl-backlog-size")
    return MESH_BACKLOG_BYTES
