"""Rejoin: a node whose state cannot become one with the mesh's takes that over whole, and writes
anew what the mesh has not of its own (semantics.md 7).

Three are such: a member that was expelled and comes back as a new one; one that holds less than it
had said (an old state was restored there); and a node of another mesh, of one member, that joins.
The own state is put aside at the switch: its stamps were given without knowing what the members
have forgotten, so as frames nobody may take it. Of two meshes the one with more members stays, then
the one with data, then the older, then the one with the smaller id.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mesh.dots import pack_marks
from mesh.membership import JOINED, WHO, Membership
from mesh.merge.covers import Cover
from mesh.merge.whole import NOBODY
from mesh.metadata import Incoming
from mesh.reissue import Source
from mesh.stability import cut_row
from mesh.vectors import join
from node.store.entry import Entry

if TYPE_CHECKING:
    from mesh.seat import Seat

# What two nodes say to each other before they are linked: `Member.card`.
CARD_BYTES_MOST: Final = 65_536
STAY: Final = "stay"
JOIN: Final = "join"
WAIT: Final = "wait"
YOUNGEST: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Card:
    """What a node says of its mesh: who is in it by their own word, and since when."""

    member_id: bytes
    members: frozenset[bytes]
    since: int
    has_data: bool
    forgets: bool
    must_replace: bool  # its state is void: it takes that of another member of its mesh
    reported: bytes = b""  # what the one it is told to has said that its disk holds, as marks
    # Whom it knew as members whenever it said what it holds; None: it never has.
    told: frozenset[bytes] | None = frozenset()
    lent: frozenset[bytes] = frozenset()  # the members that may have its frames, or it has theirs
    earlier: frozenset[bytes] = frozenset()  # the members that it was before
    anew: bytes = b""  # its stream, where that began as its state was replaced: not what was before

    def pack(self) -> bytes:
        """As JSON: one word of REPLCONF."""
        return json.dumps({
            "member": self.member_id.decode(),
            "members": names_of(self.members),
            "since": self.since,
            "data": self.has_data,
            "forgets": self.forgets,
            "void": self.must_replace,
            "reported": self.reported.hex(),
            "told": None if self.told is None else names_of(self.told),
            "lent": names_of(self.lent),
            "earlier": names_of(self.earlier),
            "anew": self.anew.hex(),
        }, separators=(",", ":")).encode()  # fmt: skip


def names_of(members: frozenset[bytes]) -> list[str]:
    """Member ids as JSON takes them."""
    return sorted(each.decode() for each in members)


def unpack_card(packed: bytes) -> Card:
    """The reverse of `Card.pack`. ValueError where it is damaged."""
    if len(packed) > CARD_BYTES_MOST:
        raise ValueError("what it says of its mesh is too long")
    try:
        fields = json.loads(packed)
        members, told, lent, earlier = (
            None if fields[name] is None else frozenset(str(each).encode() for each in fields[name])
            for name in ("members", "told", "lent", "earlier")
        )
        if members is None or lent is None or earlier is None:
            raise TypeError("no members")
        return Card(
            str(fields["member"]).encode(), members,
            int(fields["since"]), bool(fields["data"]), bool(fields["forgets"]),
            bool(fields["void"]), bytes.fromhex(str(fields["reported"])), told, lent, earlier,
            bytes.fromhex(str(fields["anew"])),
        )  # fmt: skip
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"what it says of its mesh is damaged: {error!r}") from error


def card_of(member: Seat, to: bytes = b"") -> Card:
    """This node's, for another member."""
    membership = member.membership
    natives = natives_of(membership) - member.earlier_ids  # this node is in no mesh twice
    since = min(
        (entry.since for entry in membership.entries() if entry.member_id in natives),
        default=YOUNGEST,
    )
    has_data = any(db.keys.size for db in member.engine.databases)
    return Card(
        member.member_id, natives | {member.member_id}, since, has_data,
        member.stability.active, bool(member.void), pack_marks(reported_by(member, to)),
        member.stability.told,
        frozenset(each for each in member.lent if not membership.refusal(each)),
        member.earlier_ids,
        member.streams.own.uuid if member.is_anew else b"",
    )  # fmt: skip


def natives_of(membership: Membership) -> frozenset[bytes]:
    """The members that have said who they are, or whose state became one with the mesh's by dots:
    who was only admitted may be of another mesh."""
    return frozenset(
        entry.member_id for entry in membership.entries()
        if entry.state == JOINED and (entry.by_dots or membership.has(entry.member_id + WHO))
    )  # fmt: skip


def by_dots(own: Card, theirs: Card) -> bool:
    """May two that know nothing of each other become one by their dots, as members do? Nobody may
    have forgotten, or be about to forget, what the other has not seen: neither has ever told a
    mesh without the other what it holds, and without that nothing is stable there."""
    return (own.told is None or theirs.member_id in own.told) and (
        theirs.told is None or own.member_id in theirs.told
    )


def verdict(own: Card, theirs: Card) -> tuple[str, str]:
    """What this node does with that peer: STAY (they are of one mesh, or may become one), JOIN
    (it takes the peer's state whole), WAIT (the peer does); and a refusal, "" where there is none.
    """
    if are_one(own, theirs):
        # A void state is nobody's, not even another void one's: who took it would be given one
        # void state after another, each less than what it has said by another one.
        if theirs.must_replace:
            return WAIT, ""
        return (JOIN if own.must_replace else STAY), ""
    if not (own.forgets and theirs.forgets):
        return STAY, ""
    wins = rank(own, theirs) < rank(theirs, own)
    loser, winner = (theirs, own) if wins else (own, theirs)
    if size(loser, winner) > 1 and not is_fresh(loser) and not is_kin(loser, winner):
        return WAIT, (
            f"the peer's mesh and ours have {size(theirs, own)} and {size(own, theirs)} members:"
            " only a mesh of one member can join another; let the members of one of them leave"
            " (MESH LEAVE) and join one by one"
        )
    return (WAIT if wins else JOIN), ""


def are_one(own: Card, theirs: Card) -> bool:
    """Are both of one mesh, or can their states become one by dots?"""
    forget = own.forgets and theirs.forgets
    return bool(own.members & theirs.members) or (forget and by_dots(own, theirs))


def stays(own: Card, theirs: Card) -> bool:
    """Both states are void and there is no third that is not: does this node keep its own? Of two
    of one mesh the one with the smaller id; else `verdict` has said so by WAIT."""
    return own.member_id < theirs.member_id or not are_one(own, theirs)


def size(card: Card, other: Card) -> int:
    """How many may have frames of this mesh. Who has become a member of the other one since it
    followed has none."""
    return len(card.members | (card.lent - other.members - {other.member_id}))


def is_kin(card: Card, other: Card) -> bool:
    """Was one of them in the other's mesh before? Then who is replaced loses no mesh of its own."""
    return bool(card.earlier & other.members or other.earlier & card.members)


def is_fresh(card: Card) -> bool:
    """Has it nothing, and never said what it holds? Then nothing of it can be doubled or denied."""
    return card.told is None and not card.has_data


def rank(card: Card, other: Card) -> tuple[bool, int, bool, int, bytes]:
    """Of two meshes the one with the lower rank stays."""
    alone = size(card, other) == 1 or is_kin(card, other)
    yields = is_fresh(card) or (card.must_replace and alone)
    return yields, -size(card, other), not card.has_data, card.since, min(card.members)


def adopt(source: Source, number: int, key: bytes, entry: Entry) -> None:
    """One key of a file is to be written anew."""
    if not source.keys or source.keys[-1][0] != number:
        source.keys.append((number, {}))
    source.keys[-1][1][key] = entry


# --- the switch ---------------------------------------------------------------------------------


def has_state(member: Seat) -> bool:
    """Does anything stand here that a peer's state would have to take the place of? What was
    stable while this node was alone would be denied by every frame of the mesh."""
    if member.stability.cut:
        return True
    if any(db.keys.size or db.hidden for db in member.engine.databases):
        return True
    return any(stream.number != 0 and stream.seen != 0 for stream in member.streams.all)


def put_aside(member: Seat, incoming: Incoming) -> Source:
    """At the switch: nothing that stands here counts any more. Returns it, to be written anew.

    The own stream has ended, too: others may have what it has said, or some of it, and what is said
    from now on is said knowing another state. A new one takes its place.
    """
    engine = member.engine
    memory = member.memory
    streams = member.streams
    natives = frozenset(
        name.rpartition(b".")[0] for name, _, _, _ in incoming.membership if name.endswith(WHO)
    )
    mine = {member.member_id, *member.earlier_ids}
    if not natives & (natives_of(member.membership) | mine):
        member.void_is_foreign = True
    foreign = member.void_is_foreign
    seen = join(incoming.vector, member.promises.spent)
    known = None if foreign else Cover(incoming.row(seen), NOBODY)
    own = frozenset(
        int(stream.number) for stream in streams.all
        if stream.number == 0 or stream.member in mine
    )
    source = Source(streams, known, own)
    source.newest_stable = max(incoming.said.cut.values(), default=0)
    for db in engine.databases:
        source.keys += [(int(db.number), shard) for shard in db.clear() if shard]
        engine.writer.trash.append(db.hidden)
        db.hidden = {}
    source.ledger = memory.ledger.take()
    memory.removals.reset()
    memory.locations.reset()
    member.backlog.put_aside()
    nothing = bytes(8 * streams.width)
    for stream in streams.all:
        if stream.number != 0:
            stream.seen = 0
            stream.wrote = 0
        stream.row = nothing  # sums of marks that are to come again
    former = int(streams.renew(member.make_stream()).number)
    incoming.renumber(former)
    member.backlog.renewed(former)
    member.backlog.say_all_again()
    member.routes.stream = streams.own.uuid
    forget_reports(member, incoming)
    source.ends = put_aside_changes(member, incoming)
    return source


def put_aside_changes(member: Seat, incoming: Incoming) -> dict[bytes, dict[str, object]]:
    """What the membership says by frames that the mesh has not is void with the state: a stream
    does not end with a frame that nobody has. Returns the ends of members that were said by such
    ones: they hold all the same, so this node says them again."""
    return member.membership.put_aside(
        lambda stream, stamp: stamp <= incoming.vector.get(stream, 0)
    )


def forget_reports(member: Seat, incoming: Incoming) -> None:
    """What was known of who holds what was another state's."""
    stability = member.stability
    stability.say_anew()
    stability.rows = {}
    stability.sponsored = set()
    stability.waiting = {}
    stability.disks = {}
    stability.cut = {}
    member.memory.cut.move(cut_row(member.streams, {}), 0)
    for stream in member.streams.all:
        stream.checked = 0
        # By whom it was ended here, and that all have that, was said to the members of before.
        stream.enders = []
        stream.retired = False
        if stream.uuid not in incoming.said.ends:
            stream.ended = False
            stream.end = 0
            stability.ends.pop(stream.uuid, None)
        stream.closing = stream.ended
    stability.closers = {}
    kept = {uuid for uuid in stability.open if uuid in incoming.vector}
    stability.started_with = {
        uuid: min(stamp, incoming.vector.get(uuid, 0))
        for uuid, stamp in stability.started_with.items() if incoming.vector.get(uuid, 0)
    }
    stability.open = kept
    stability.closed = {
        uuid: stamp for uuid, stamp in stability.closed.items() if uuid in incoming.vector
    }
    stability.rows[member.member_id] = join({}, stability.started_with)


def has_lost(member: Seat, follower: bytes, vector: dict[bytes, int]) -> bool:
    """Does a follower with this vector lack what it had said it holds? An older state was restored
    there: it must take ours whole."""
    return any(
        stamp > vector.get(uuid, 0) for uuid, stamp in reported_by(member, follower).items()
    )


def reported_by(member: Seat, other: bytes) -> dict[bytes, int]:
    """What another member has on disk by its own word, or, if it has said nothing yet, by that of
    all members together; as far as that is not lost for all.

    Who has lost what it was given before it had said anything may not go on without it: what it
    writes would not have seen what is stable.
    """
    stability = member.stability
    if not stability.active:
        return {}
    held = stability.cut if other in stability.sponsored else stability.rows.get(other, {})
    for name, report in stability.waiting.items():  # it will count, though it does not yet
        if member.streams.of(name).member == other:
            held = join(held, report)
    return {uuid: min(stamp, stability.ends.get(uuid, stamp)) for uuid, stamp in held.items()}
