"""Clients that wait for others to have applied what they wrote, or for this node to have applied
what they have seen elsewhere: WAIT, WAITAOF, MESH WAIT, MESH TOKEN, MESH WAITFOR.

A token is a version vector as text: all that this node had applied and written when it was asked.
Nobody waits for ever: a timeout of 0 is `mesh-wait-max-ms`. Inside MULTI and scripts the answer is
that of the moment.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from librt.strings import read_i64_le

from mesh.dots import Streams, pack_marks, unpack_marks
from mesh.status import IN_SYNC
from node.commands.args import integer
from node.commands.context import Context, Parked
from node.resp.replies import Failure

if TYPE_CHECKING:
    from mesh.agent import Agent

# A token names at most so many streams (32 characters each): a mesh of 64 members that have all
# been restarted 30 times since anything was stable.
TOKEN_STREAMS_MAX: Final = 2048
TOKEN_HEAD: Final = b"v1."
BAD_TOKEN: Final = Failure(b"ERR that is no token: MESH TOKEN on another node gives one")
NO_LOG: Final = Failure(
    b"ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."
)
NOT_POSITIVE: Final = b"ERR value is out of range, must be positive"
BAD_TIMEOUT: Final = b"ERR timeout is not an integer or out of range"


class Waiting(Parked):
    """A client that waits; `answer` is None as long as it must."""

    def __init__(self, waits: Waits, until_ms: int) -> None:
        super().__init__(until_ms)
        self.waits = waits

    def answer(self) -> object:
        """The reply, once what is waited for has happened; None before."""
        return None

    def late(self) -> object:
        """The reply where it has not."""
        return 0

    def timeout_reply(self) -> object:
        self.waits.release(self)
        return self.late()

    def cancelled(self) -> None:
        self.waits.release(self)


class ForSome(Waiting):
    """WAIT: for so many members, whichever they are."""

    def __init__(self, waits: Waits, until_ms: int, stamp: int, needed: int) -> None:
        super().__init__(waits, until_ms)
        self.stamp = stamp
        self.needed = needed

    def answer(self) -> int | None:
        done = self.late()
        return done if done >= self.needed else None

    def late(self) -> int:
        return self.waits.reached(self.stamp)


class ForMembers(Waiting):
    """MESH WAIT: for `needed` of these members; for none that leaves or is expelled meanwhile."""

    def __init__(
        self, waits: Waits, until_ms: int, stamp: int, members: set[bytes], needed: int
    ) -> None:
        super().__init__(waits, until_ms)
        self.stamp = stamp
        self.members = members
        self.needed = needed

    def answer(self) -> int | None:
        refusal = self.waits.agent.member.membership.refusal
        members = [member for member in self.members if not refusal(member)]
        has = sum(1 for member in members if self.waits.has_applied(member, self.stamp))
        return 1 if has >= min(self.needed, len(members)) else None


class ForDisks(Waiting):
    """WAITAOF: for the own append-only file, where `local` is 1, and for so many members' disks."""

    def __init__(self, waits: Waits, stamp: int, local: int, needed: int) -> None:
        super().__init__(waits, 0)
        self.stamp = stamp
        self.local = local
        self.needed = needed

    def answer(self) -> list[int] | Failure | None:
        if self.local and self.waits.logged() is None:
            return NO_LOG  # it was switched off meanwhile
        done = self.late()
        return done if done[0] >= self.local and done[1] >= self.needed else None

    def late(self) -> list[int]:
        logged = self.waits.logged()
        here = logged is not None and logged >= self.stamp
        return [1 if here else 0, self.waits.on_disk(self.stamp)]


class ForVector(Waiting):
    """MESH WAITFOR: for this node to have applied what a token names."""

    def __init__(self, waits: Waits, until_ms: int, vector: dict[bytes, int]) -> None:
        super().__init__(waits, until_ms)
        self.vector = vector

    def answer(self) -> int | None:
        return 1 if covers(self.waits.streams, self.vector) else None


class Waits:
    """All who wait, and the handlers that let them."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.streams = agent.streams
        # Who is looked at when a follower has said how far it is, and when frames were applied
        # here, in the order in which they came.
        self.for_acks: dict[Waiting, None] = {}
        self.for_frames: dict[Waiting, None] = {}
        self.for_log: dict[Waiting, None] = {}
        # Up to which stamp own writes are in the append-only file and on the disk, -1 while the
        # first file is being begun; None where there is none.
        self.logged: Callable[[], int | None] = no_log

    # --- commands -------------------------------------------------------------------------------

    def wait(self, ctx: Context, args: list[bytes]) -> object:
        """WAIT numreplicas timeout: how many members have applied the client's last write."""
        needed = integer(args[1])
        timeout_ms = self._timeout(args[2])
        stamp = int(ctx.client().last_write)
        done = self.reached(stamp)
        if done >= needed or ctx.services.nested > 0:
            return done
        self._until(timeout_ms)  # Redis's error where the sum is beyond 64 bits
        until_ms = self._until(min(timeout_ms or self._most_ms(), self._most_ms()))
        return self._ask_and_park(ForSome(self, until_ms, stamp, needed))

    def wait_aof(self, ctx: Context, args: list[bytes]) -> object:
        """WAITAOF numlocal numreplicas timeout: whether the own append-only file has the client's
        last write on the disk, and how many members have said that theirs has it.

        A member says so in its stream, once a heartbeat, and counts whatever it keeps its data in.
        """
        local = integer(args[1])
        if local not in (0, 1):
            raise Failure(b"ERR value is out of range, value must between 0 and 1")
        needed = integer(args[2], NOT_POSITIVE)
        if needed < 0:
            raise Failure(NOT_POSITIVE)
        timeout_ms = self._timeout(args[3])
        self._until(timeout_ms)
        parked = ForDisks(self, int(ctx.client().last_write), local, needed)
        done = parked.answer()
        if done is not None:
            return done
        if ctx.services.nested > 0:
            return parked.late()
        parked.until_ms = self._until(min(timeout_ms or self._most_ms(), self._most_ms()))
        self.for_log[parked] = None
        self.for_frames[parked] = None
        return parked

    def mesh_wait(self, ctx: Context, args: list[bytes]) -> object:
        """MESH WAIT all | majority | peer [peer ...] timeout: 1 once these members have applied the
        client's last write, 0 where the time is up before."""
        timeout_ms = self._timeout(args[-1])
        stamp = int(ctx.client().last_write)
        others = others_of(self.agent)
        words = args[2:-1]
        first = words[0].lower() if len(words) == 1 else b""
        if first == b"all":
            members = set(others)
            needed = len(members)
        elif first == b"majority":
            members = set(others)
            needed = (len(members) + 1) // 2  # with this node: more than half of all
        else:
            members = {self._member(word, others) for word in words}
            needed = len(members)
        parked = ForMembers(self, 0, stamp, members, needed)
        done = 1 if stamp == 0 else parked.answer()
        if done is not None or ctx.services.nested > 0:
            return done or 0
        parked.until_ms = self._until(min(timeout_ms or self._most_ms(), self._most_ms()))
        return self._ask_and_park(parked)

    def token(self, ctx: Context, args: list[bytes]) -> object:
        """MESH TOKEN: all that a client may have read or written here, as text for WAITFOR."""
        return token_of(self.agent.streams.told())

    def wait_for(self, ctx: Context, args: list[bytes]) -> object:
        """MESH WAITFOR token timeout: 1 once this node has applied all that the token names, 0
        where the time is up before."""
        vector = vector_of(args[2])
        timeout_ms = self._timeout(args[3])
        if covers(self.streams, vector):
            return 1
        if ctx.services.nested > 0:
            return 0
        until_ms = self._until(min(timeout_ms or self._most_ms(), self._most_ms()))
        parked = ForVector(self, until_ms, vector)
        self.for_frames[parked] = None
        return parked

    # --- who has what ---------------------------------------------------------------------------

    def reached(self, stamp: int) -> int:
        """How many members are known to have applied our stream up to `stamp`, be it through
        another; of who wrote nothing (0), how many have applied anything."""
        members = {
            feed.member_id for feed in self.agent.feeds
            if feed.state == IN_SYNC and feed.acked_stamp >= stamp
        }  # fmt: skip
        refusal = self.agent.member.membership.refusal
        members |= {member for member in self._marked(max(stamp, 1)) if not refusal(member)}
        return len(members)

    def on_disk(self, stamp: int) -> int:
        """How many other members have said that their disk has our stream up to `stamp`; of who
        wrote nothing (0), whose has anything of it."""
        member = self.agent.member
        own = self.streams.own.uuid
        return sum(
            1 for each, row in member.stability.disks.items()
            if each != member.member_id and row.get(own, 0) >= max(stamp, 1)
            and not member.membership.refusal(each)
        )  # fmt: skip

    def has_applied(self, member: bytes, stamp: int) -> bool:
        """Is this member known to have applied our stream up to `stamp`? It says so by ACK where it
        follows us, and to all by the marks in its stream."""
        if member == self.agent.member.member_id:
            return True
        for feed in self.agent.feeds:
            if feed.member_id == member and feed.acked_stamp >= stamp:
                return True
        return member in self._marked(stamp)

    def _marked(self, stamp: int) -> set[bytes]:
        """The other members whose marks say that they have applied our stream up to `stamp`. What a
        process had that has ended says nothing: the next one may have lost it."""
        own = int(self.streams.own.number) << 3
        return {
            stream.member for stream in self.streams.all
            if stream.member and stream.member != self.agent.member.member_id
            and not (stream.closing or stream.ended)
            and read_i64_le(stream.row, own) >= stamp
        }  # fmt: skip

    def acked(self) -> None:
        """A follower has said how far it is: who waited for that?"""
        if self.for_acks:
            self._look(self.for_acks)

    def log_moved(self) -> None:
        """More is on our own disk, or there is no append-only file any more: who waited?"""
        if self.for_log:
            self._look(self.for_log)

    def applied(self) -> None:
        """Frames of peers, or a snapshot, have been applied here: who waited for that?"""
        if self.for_frames:
            self._look(self.for_frames)

    def release(self, parked: Waiting) -> None:
        """It waits no more."""
        self.for_acks.pop(parked, None)
        self.for_frames.pop(parked, None)
        self.for_log.pop(parked, None)

    def _look(self, waiting: dict[Waiting, None]) -> None:
        for parked in list(waiting):
            done = parked.answer()
            if done is not None:
                self.release(parked)
                self.agent.engine.resume(parked, done)

    # --- parts ----------------------------------------------------------------------------------

    def _ask_and_park(self, parked: Waiting) -> Waiting:
        """The followers are asked at once, not only with their next heartbeat."""
        self.for_acks[parked] = None
        self.for_frames[parked] = None  # marks say how far members are that do not follow us
        self.agent.member.backlog.flush()
        for feed in self.agent.feeds:
            feed.ask_ack()
        return parked

    def _timeout(self, arg: bytes) -> int:
        timeout_ms = integer(arg, BAD_TIMEOUT)
        if timeout_ms < 0:
            raise Failure(b"ERR timeout is negative")
        return timeout_ms

    def _most_ms(self) -> int:
        return self.agent.config.number("mesh-wait-max-ms")

    def _until(self, timeout_ms: int) -> int:
        now_ms = int(self.agent.engine.clock.now_ms)
        if timeout_ms > (1 << 63) - 1 - now_ms:
            raise Failure(b"ERR timeout is out of range")
        return now_ms + timeout_ms

    def _member(self, word: bytes, others: dict[bytes, set[bytes]]) -> bytes:
        """The member of this id, name or address."""
        for member, names in others.items():
            if word == member or word in names:
                return member
        own = self.agent.member.member_id
        if word in (own, *names_of(self.agent, own)):
            return own
        raise Failure(
            b"ERR no member of the mesh is called '" + word[:128] + b"': give a name, host:port or"
            b" member id as MESH STATUS shows it"
        )


def no_log() -> int | None:
    """There is no append-only file."""
    return None


def others_of(agent: Agent) -> dict[bytes, set[bytes]]:
    """The other members by id, with the names each is known by.

    A configured peer that never answered has its address for an id: it has applied nothing yet.
    """
    membership = agent.member.membership
    found: dict[bytes, set[bytes]] = {member: set() for member in membership.ids()}
    found.pop(agent.member.member_id, None)
    for feed in agent.feeds:
        if not membership.refusal(feed.member_id):
            found.setdefault(feed.member_id, set()).add(feed.address.encode())
    for member, names in found.items():
        names |= names_of(agent, member)
    for link in agent.links:
        address = link.address.encode()
        if link.peer_member:
            if not membership.refusal(link.peer_member):
                found.setdefault(link.peer_member, set()).add(address)
        elif not any(address in names for names in found.values()):
            found[address] = {address}
    return found


def names_of(agent: Agent, member: bytes) -> set[bytes]:
    """The name and the address of a member, as far as the mesh knows them."""
    entry = agent.member.membership.entry(member)
    if entry is None:
        return set()
    return {word.encode() for word in (entry.name, entry.address) if word}


def token_of(vector: dict[bytes, int]) -> bytes:
    """A version vector as text: `v1.` and base64 (of RFC 4648 for URLs) of its marks."""
    return TOKEN_HEAD + base64.urlsafe_b64encode(pack_marks(vector))


def vector_of(token: bytes) -> dict[bytes, int]:
    """The reverse of token_of. Failure where it is no token."""
    if not token.startswith(TOKEN_HEAD) or len(token) > 3 + 32 * TOKEN_STREAMS_MAX:
        raise BAD_TOKEN
    try:
        vector = unpack_marks(base64.b64decode(token[3:], altchars=b"-_", validate=True))
    except (ValueError, binascii.Error) as error:
        raise BAD_TOKEN from error
    if any(stamp >= 1 << 63 for stamp in vector.values()):
        raise BAD_TOKEN
    return vector


def covers(streams: Streams, vector: dict[bytes, int]) -> bool:
    """Is all that the vector names applied here? Streams that have ended count as reached."""
    for uuid, stamp in vector.items():
        stream = streams.known(uuid)
        if stream is None or stream.lacks(stamp):
            return False
    return True
