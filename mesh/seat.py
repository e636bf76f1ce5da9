"""Seat: a member's place in its mesh: what it says of itself, whom it takes in and expels, and
whether its state can become one with another member's. The half of Member that knows the
membership.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

import structlog
from librt.strings import read_i64_le

from conf import Config
from mesh.backlog import Backlog
from mesh.dots import Streams, unpack_marks
from mesh.forget import Forgetter
from mesh.identity import IdentityError
from mesh.inbox import Control
from mesh.membership import END as MEMBER_END
from mesh.membership import EXPELLED, JOIN, JOINED, WHO, Change, Membership, expulsion
from mesh.merge.rule import Memory
from mesh.metadata import MeshMetadata
from mesh.promises import Promises
from mesh.rejoin import JOIN as JOIN_MESH
from mesh.rejoin import STAY, WAIT, Card, card_of, stays, unpack_card, verdict
from mesh.stability import Stability
from mesh.topology import Routes
from node.engine import Engine

LOG = structlog.get_logger()

# Peers whose word is remembered between two steps of a handshake.
CALLERS_MOST: Final = 256
# A node alone begins to forget once it remembers so much, or this share of mesh-unstable-max-bytes:
# from then on the next one that it meets is not joined by dots.
ALONE_BYTES: Final = 64 * 1024 * 1024
ALONE_SHARE: Final = 10
JOINS: Final = "it joins a mesh that stays"
# So many heartbeats somebody is waited for whose state can be taken: links come up within a second.
JOINING_BEATS: Final = 10


class Seat(Control):
    """Told of by Member, which makes what it needs."""

    config: Config
    engine: Engine
    forgetter: Forgetter
    memory: Memory
    streams: Streams
    member_id: bytes
    backlog: Backlog
    membership: Membership
    metadata: MeshMetadata
    stability: Stability
    rejoined_at: int
    describe: Callable[[], dict[str, object]]  # what this node says of itself
    started: bool
    routes: Routes

    def __init__(self) -> None:
        self._said: dict[str, object] = {}
        # Why what stands here cannot become one with the mesh's state: it is written anew after
        # that has taken its place (mesh/rejoin.py). "": it can.
        self.void = ""
        self.void_is_foreign = False  # it was that of another mesh
        self.is_anew = False  # the own stream began as the state was replaced
        self.anew: set[bytes] = set()  # streams of others of which this is known
        self._beats_joining = 0  # since it looks for a state to take, or has met one that it can
        # Of those whose mesh-of was heard last: will the two states become one by their dots?
        self.by_dots: dict[bytes, bool] = {}
        # Who has followed this node, or was followed while both states could be one.
        self.lent: set[bytes] = set()
        self.promises = Promises()
        self.alone_bytes = ALONE_BYTES
        self.expects_link: Callable[[], bool] = no_link  # is one to come up for the first time?
        # A new stream's uuid, noted where the next process finds it; asked where this node's state
        # is replaced, so that what it has said before is closed like what a process has said.
        self.make_stream: Callable[[], bytes] = no_stream
        self.became_void: Callable[[], None] = silent  # nobody may have what is written from now on
        self.meet_anew: Callable[[], None] = silent  # all links are to begin with a handshake

    # --- what is promised -----------------------------------------------------------------------

    def remember(self, promises: Promises) -> None:
        """What the processes before this one have let others rely on, and where it is noted."""
        self.promises = promises
        self.lent.update(promises.lent)
        self.stability.has_told = promises.told
        self.stability.lent = lambda: frozenset(promises.lent)
        self.stability.promise = self._promise
        self.stability.redeem = self._redeem

    def _promise(self, memory: bool) -> bool:
        try:
            self.promises.tell(memory)
        except IdentityError as error:
            LOG.error("nothing_is_forgotten", reason=str(error))
            return False
        return True

    def _redeem(self) -> None:
        with noted():
            self.promises.redeem()

    def lend(self, member: bytes) -> None:
        """This member may have our frames from now on."""
        self.lent.add(member)
        if self.stability.active and self.membership.entry(member) is not None:
            departed = [name for name in self.promises.lent if self.membership.refusal(name)]
            with noted():
                self.promises.lend(member, departed)

    def forget_lent(self) -> None:
        """What others have of us is void, as all that was here."""
        self.lent.clear()
        with noted():
            self.promises.take_back()

    def spend(self, acked: int = 0) -> None:
        """Once a heartbeat, and where a follower says how far it is in our stream: what was written
        anew has reached another member, so the file that it was loaded from brings it no second
        time. Who keeps nothing makes no new file."""
        if not self.rejoined_at:
            return
        heard = max(
            (int(read_i64_le(each.row, 0)) for each in self.streams.all if each.number != 0),
            default=0,
        )
        if max(acked, heard) >= self.rejoined_at:
            mine = {self.member_id, *self.earlier_ids}
            loaded = self.metadata.incoming
            with noted():
                self.promises.spend({
                    uuid: stamp for uuid, stamp in loaded.vector.items()
                    if loaded.members.get(uuid) in mine
                })  # fmt: skip

    def expel_earlier(self) -> None:
        """Once a heartbeat: members that this node was before are none any more."""
        for name in list(self.promises.was):
            entry = self.membership.entry(name)
            if entry is None:
                continue
            if entry.state == JOINED:
                own = self.member_id.decode()
                self.expel(name, f"it kept nothing on disk, and has started again as member {own}")
            elif self.membership.departures()[name].closed:
                with noted():
                    self.promises.is_gone(name)

    # --- the membership -------------------------------------------------------------------------

    def vector(self) -> dict[bytes, int]:
        """What this node has applied, by stream."""
        return {each.uuid: int(each.seen) for each in self.streams.all if each.seen != 0}

    def change_membership(self, changes: list[Change]) -> None:
        """An op of our stream, behind which every node knows of it. Never inside a unit."""
        words = self.membership.words(changes)
        stamp = self.engine.clock.next()
        self.backlog.control(words, stamp)
        self.membership.apply(words[1:], int(stamp), self.streams.own.uuid)
        self._count_members(words[1:])

    def _count_members(self, words: list[bytes]) -> None:
        """Who takes a sponsor's state will hold all that is stable now. Of who comes with a state
        that becomes one with the mesh's nothing is known before it reports."""
        for name in words[::2]:
            member, dot, kind = name.rpartition(b".")
            entry = self.membership.entry(member)
            if dot + kind == JOIN and (entry is None or not entry.by_dots):
                self.stability.joined(member)

    def _may_say(self) -> bool:
        """May this node say what it holds? Alone it waits until it is worth it, and while a link
        that it is to have is still to come up: once it was said, the next one it meets has to
        take its state, or it that of the next one (mesh/rejoin.py)."""
        stability = self.stability
        if stability.told is not None or stability.member_ids() != frozenset((self.member_id,)):
            return True
        limit = self.config.number("mesh-unstable-max-bytes") // ALONE_SHARE
        worth = min(limit, self.alone_bytes) if limit > 0 else self.alone_bytes
        expects = self.expects_link()
        return not expects and self.forgetter.meter.measure().unstable() >= worth

    def _departed(self) -> None:
        """The membership has changed: the streams of who has departed are closed."""
        self.stability.departures.learn(self.membership.departures())

    def _settle_slot(self) -> None:
        """Entries of streams made here end with our slot of the membership, once our claim of it
        is stable: then nobody can have claimed it at the same time (semantics.md 4.8)."""
        own = self.membership.entry(self.member_id)
        slot = self.membership.slot(self.member_id)
        stable = not self.stability.active or self.membership.is_said_behind(
            self.member_id, self.stability.cut
        )
        is_ours = own is not None and own.claim == slot and slot >= 0
        self.memory.claimed_slot = slot if is_ours and stable else -1

    def _say_closed(self, member: bytes) -> None:
        """All streams of a departed member are ended: it holds nothing up any more."""
        self.change_membership([self.membership.closed(member)])

    def expel(self, member: bytes, why: str) -> None:
        """Takes a member out of the mesh, for good: its streams are closed, and the stable cut
        waits for it no more. It may come back by a rejoin (mesh/rejoin.py).

        Nothing happens where it is no member any more. Never inside a unit.
        """
        entry = self.membership.entry(member)
        own = self.member_id
        if not self.started or member == own or (entry is not None and entry.state != JOINED):
            return
        what: dict[str, object] = {"state": EXPELLED, "by": own.decode(), "why": why}
        changes: list[Change] = [(member + MEMBER_END, what)]
        self.change_membership(changes)

    def say_ends(self, ends: dict[bytes, dict[str, object]]) -> None:
        """These members have left or were expelled, by ops that were lost: it is said again, where
        the mesh still counts them."""
        changes: list[Change] = []
        for member, end in ends.items():
            entry = self.membership.entry(member)
            if entry is not None and entry.state == JOINED and member != self.member_id:
                what: dict[str, object] = {"by": self.member_id.decode()}
                what |= {name: end[name] for name in ("state", "why") if name in end}
                changes.append((member + MEMBER_END, what))
        if changes:
            self.change_membership(changes)

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
            joins: dict[str, object] = {"host": host, "port": port, "by": own}
            if self.by_dots.pop(member_id, False):
                joins["dots"] = True
            changes.append((member_id + JOIN, joins))
            for old in self.membership.predecessors(member_id, host, port):
                if not is_here(old.member_id):
                    changes.append(expulsion(old.member_id, self.member_id, f"{host}:{port}"))
        if changes:
            self.stability.meets()
            self.change_membership(changes)

    @property
    def earlier_ids(self) -> frozenset[bytes]:
        """The member ids that this node had before."""
        return frozenset((*self.promises.was, *self._loaded_as))

    @property
    def _loaded_as(self) -> frozenset[bytes]:
        """The member id under which what was loaded here was written, where it was another."""
        loaded = self.metadata.incoming.member_id
        return frozenset() if loaded in (b"", self.member_id) else frozenset((loaded,))

    def loaded(self) -> None:
        """The own file was read: is it this member's, or was this node another one before?"""
        if self.stability.active and self._loaded_as and self.metadata.loaded_dots:
            self.becomes_void("what it has was written by another member id")

    def becomes_void(self, reason: str) -> None:
        """What stands here cannot become one with the mesh's state: the next transfer takes its
        place."""
        if not self.void:
            self.void = reason
            self._looks_for_a_state()

    def _looks_for_a_state(self) -> None:
        """Another member's state is to take the place of the own one: nobody may follow this node
        until then."""
        self._beats_joining = 0
        self.became_void()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Around what a peer says: where the own state is void by it, another one is looked for."""
        was_void = bool(self.void)
        yield
        if self.void and not was_void:
            self._looks_for_a_state()

    def meet(self, packed: bytes) -> tuple[str, bool]:
        """A peer that this node is about to follow says what its mesh is.

        Why it may not be followed (now), "" where it may; True: another attempt does not help soon.
        ValueError where the card is damaged.
        """
        theirs = unpack_card(packed)
        with self._told():
            own, what, refusal = self._judge(theirs)
            if not refusal and what == JOIN_MESH and not self.void:
                self.void = JOINS
            if what == JOIN_MESH and not theirs.must_replace:
                self._beats_joining = 0
        if refusal:
            return refusal, True
        if what == WAIT:
            return "takes our mesh's state before we follow it: it must follow this node", False
        self._will_admit(own, theirs, what)
        return "", False

    def _judge(self, theirs: Card) -> tuple[Card, str, str]:
        """What this node says of itself, what it does with that peer, and why not if so."""
        self._note_reported(theirs)
        own = self.card()
        what, refusal = verdict(own, theirs)
        if what == WAIT and theirs.must_replace:
            if not stays(own, theirs):
                self._beats_joining = 0  # that one is to stay, unless it goes for good
            elif self._beats_joining > JOINING_BEATS:
                self.void = ""  # if it was: one has to stay, for there is no third that does
        return own, what, refusal

    def called_by(self, packed: bytes) -> tuple[bool, bool]:
        """A peer that is about to follow this node says what its mesh is. Two questions: must this
        node follow it first, to take its state; and is it to be admitted now, before it is
        answered: for until then this node might say what it holds to a mesh without it.

        ValueError where the card is damaged.
        """
        theirs = unpack_card(packed)
        with self._told():
            own, what, refusal = self._judge(theirs)
        self._will_admit(own, theirs, what)
        return what == JOIN_MESH and not refusal, bool(self.by_dots.get(theirs.member_id))

    def _join_or_not(self) -> None:
        """Once a heartbeat: the mesh that this node was about to join may be gone for good. Who is
        left may join each other; all meet anew, for nobody may have been told otherwise."""
        self._beats_joining += 1
        if self.void == JOINS and self._beats_joining > JOINING_BEATS:
            self.void = ""
            self.meet_anew()

    def may_be_followed(self, member: bytes) -> bool:
        """Not by another mesh's member while what stands here is to be replaced: nobody else may
        have it then."""
        return not (self.void and self.membership.entry(member) is None)

    def _will_admit(self, own: Card, theirs: Card, what: str) -> None:
        """Notes how the two states become one, should that member be admitted."""
        self.by_dots.pop(theirs.member_id, None)
        if own.forgets and theirs.forgets and what == STAY:
            self.by_dots[theirs.member_id] = True
            self.lend(theirs.member_id)
        while len(self.by_dots) > CALLERS_MOST:
            del self.by_dots[next(iter(self.by_dots))]

    def hear(self, card: Card) -> None:
        """A peer says of its mesh, and of what this node has said that its disk holds."""
        with self._told():
            self._note_reported(card)

    def began_anew(self, member: bytes, uuid: bytes) -> None:
        """A member's state was replaced, and this stream of it began then: it holds all that is
        stable, or it is to be replaced again; what it had said of more was of another state."""
        if uuid in self.anew or member == self.member_id:
            return
        self.anew.add(uuid)
        stability = self.stability
        stability.disks.pop(member, None)
        stability.sponsored.discard(member)
        if member in stability.rows:
            stability.rows[member] = dict(stability.cut)
        for other in list(stability.waiting):
            if other != uuid and self.streams.of(other).member == member:
                del stability.waiting[other]

    def _note_reported(self, card: Card) -> None:
        if card.anew:
            self.began_anew(card.member_id, card.anew)
        vector = self.vector()
        if not self.void and any(
            stamp > vector.get(name, 0) for name, stamp in unpack_marks(card.reported).items()
        ):
            self.void = "this node has less than it had said that its disk holds"

    def card(self, to: bytes = b"") -> Card:
        """What this node says of its mesh to whom it is about to be linked with."""
        if self.started:
            self._announce()
        return card_of(self, to)

    def owner_rules(self) -> str:
        """The name of this node's mesh-owner, "" where it has none."""
        return ""

    def _announce(self) -> None:
        """Tells the mesh what has changed of what this node says of itself."""
        own = self.membership.entry(self.member_id)
        if own is not None and own.state != JOINED:
            return
        said = self.describe()
        said["since"] = int(self.engine.clock.last) if own is None else own.since
        said["slot"] = max(self.membership.slot(self.member_id), 0)
        owners = self.owner_rules()
        if owners:
            said["owners"] = owners
        if said != self._said:
            self._said = said
            self.change_membership([(self.member_id + WHO, said)])


@contextlib.contextmanager
def noted() -> Iterator[None]:
    """What is noted for the next process is less than it could be where that cannot be written:
    it takes a longer way then, and nothing is lost."""
    try:
        yield
    except IdentityError as error:
        LOG.warning("not_noted", reason=str(error))


def no_link() -> bool:
    """None is to come."""
    return False


def no_stream() -> bytes:
    """Nobody replaces the state of a node that has no place in a mesh."""
    raise RuntimeError("make_stream is not set: who runs this member must say how streams are made")


def silent() -> None:
    """Nobody follows this node."""
