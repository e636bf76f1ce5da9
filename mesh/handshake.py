"""The follower's half of the handshake as a table of states; no sockets.

KeyDB's own sequence, with two steps of ours when both sides say `mesh1` (semantics.md W2a): bytes
to send come out, replies go in. What the other side must not be is refused in words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mesh.backlog import NOWHERE
from mesh.clock_guard import CLOCK
from mesh.dots import pack_marks, uuid_bytes
from mesh.membership import EXPELLED, ID_BYTES_MOST, LEFT
from node.resp.client import command
from node.resp.replies import Failure, Simple

CAPABILITY = b"mesh1"
MESH_OF = b"mesh-of"
REPLACE = b"replace"
TAKEN_PREFIX = b"ERR another process"
# Said by who has data and can compare digests: it need not be sent all that its peer has.
RANGES = b"mesh-ranges"
COMPARED = b"mesh-compared"  # REPLCONF option: a message of the comparison


class HandshakeError(Exception):
    """The peer cannot be followed; `final` says that trying again at once is of no use.

    `state`: to the peer this node is no member any more, but one that has left or was expelled.
    """

    def __init__(self, text: str, final: bool = False, state: str = "") -> None:
        super().__init__(text)
        self.final = final
        self.state = state


@dataclass(frozen=True)
class Identity:
    """What a node says of itself."""

    stream_text: bytes
    member_id: bytes
    announce_ip: bytes
    announce_port: int
    user: bytes
    password: bytes


class Handshake:
    """One attempt. Feed replies to `reply`; it returns what to send next."""

    def __init__(self, own: Identity, vector: Callable[[], dict[bytes, int]]) -> None:
        self.own = own
        self.vector = vector
        self.peer_stream = b""
        self.peer_member = b""
        self.full = False
        self.compares = False  # set by who has data: says so
        self.salt = b""  # of a comparison by digests, which the peer has begun
        self.leaves = 0
        self.done = False
        self.asked = False  # PSYNC was sent
        self._steps: list[tuple[bytes, Callable[[object], bytes]]] = []
        self._mesh = False
        self.now_us: Callable[[], int] | None = None  # set by who wants clocks to be compared
        self.judge: Callable[[bytes, int, int], str] = no_objection
        self.card: Callable[[bytes], bytes] | None = None  # what we say of our mesh to a member
        self.meet: Callable[[bytes], tuple[str, bool]] = no_mesh
        self.is_void: Callable[[], bool] = has_state  # must the peer's whole state come?
        self._asked_us = 0

    def begin(self) -> bytes:
        """The first bytes."""
        return self._ask([b"REPLPING"], self._pong)

    def reply(self, reply: object) -> bytes:
        """Takes the next reply; returns the bytes to send, often none. HandshakeError to give
        up."""
        if not self._steps:
            raise HandshakeError(f"a reply to nothing: {text_of(reply)}")
        _, handler = self._steps.pop(0)
        return handler(reply)

    def _ask(self, words: list[bytes], handler: Callable[[object], bytes]) -> bytes:
        self._steps.append((words[0], handler))
        return command(*words)

    def _pong(self, reply: object) -> bytes:
        if isinstance(reply, Failure):
            if reply.text.startswith(b"ERR unknown command"):
                return self._ask([b"PING"], self._pong)
            if not reply.text.startswith((b"NOAUTH", b"NOPERM", b"ERR operation not permitted")):
                raise HandshakeError(f"answered REPLPING with: {text_of(reply)}")
        own = self.own
        out = b""
        if own.password:
            words = [b"AUTH", own.user, own.password] if own.user else [b"AUTH", own.password]
            out += self._ask(words, self._authenticated)
        port = b"%d" % own.announce_port
        out += self._ask([b"REPLCONF", b"listening-port", port], self._any)
        if own.announce_ip:
            out += self._ask([b"REPLCONF", b"ip-address", own.announce_ip], self._any)
        capabilities = [b"capa", b"eof", b"capa", b"psync2", b"capa", b"activeExpire"]
        capabilities += [b"capa", RANGES] if self.compares else []
        out += self._ask([b"REPLCONF", *capabilities, b"capa", CAPABILITY], self._capable)
        return out + self._ask([b"REPLCONF", b"uuid", own.stream_text], self._stream)

    def _authenticated(self, reply: object) -> bytes:
        if isinstance(reply, Failure):
            raise HandshakeError(
                f"refused our masterauth: {text_of(reply)}; set masterauth to its requirepass", True
            )
        return b""

    def _any(self, reply: object) -> bytes:
        if isinstance(reply, Failure) and reply.text.startswith(b"NOAUTH"):
            raise HandshakeError("asks for a password: set masterauth to its requirepass", True)
        return b""

    def _capable(self, reply: object) -> bytes:
        words = reply.text.split(b" ") if isinstance(reply, Simple) else []
        self._mesh = CAPABILITY in words
        return b""

    def _stream(self, reply: object) -> bytes:
        if not self._mesh or not isinstance(reply, Simple):
            raise HandshakeError(
                "is no Plexis node, or not active (active-replica yes): this version follows only"
                " active Plexis nodes; following KeyDB and Redis comes in a later one", True,
            )  # fmt: skip
        try:
            self.peer_stream = uuid_bytes(reply.text)
        except ValueError as error:
            raise HandshakeError(f"answered REPLCONF uuid with: {text_of(reply)}") from error
        if reply.text == self.own.stream_text:
            raise HandshakeError("is this very node", True)
        words = [b"REPLCONF", b"mesh-member", self.own.member_id]
        out = self._ask(words, self._member)
        if self.now_us is not None:
            self._asked_us = self.now_us()
            asked = b"%d" % self._asked_us
            out += self._ask([b"REPLCONF", CLOCK, asked], self._time)
        return out

    def _time(self, reply: object) -> bytes:
        """The peer's clock, in microseconds; a peer that tells none is not measured."""
        if isinstance(reply, Simple) and reply.text.isdigit():
            refusal = self.judge(self.peer_member, self._asked_us, int(reply.text))
            if refusal:
                raise HandshakeError(refusal, True)
        return b""

    def _member(self, reply: object) -> bytes:
        if not isinstance(reply, Simple):
            final = not (isinstance(reply, Failure) and reply.text.startswith(TAKEN_PREFIX))
            why = text_of(reply)
            state = why.partition(" ")[0].lower()
            if state in (EXPELLED, LEFT):
                why = why.partition(" ")[2]
                raise HandshakeError(f"refused this member: {why}", True, state)
            raise HandshakeError(f"refused this member: {why}", final)
        if not 0 < len(reply.text) <= ID_BYTES_MOST or not reply.text.isalnum():
            raise HandshakeError(f"has no member id: {text_of(reply)}", True)
        self.peer_member = reply.text
        if reply.text == self.own.member_id:
            raise HandshakeError(
                "has our member id: one of the two data directories is a copy; stop one node,"
                " delete its member id file, and start it again", True,
            )  # fmt: skip
        if self.card is None:
            return b""
        return self._ask([b"REPLCONF", MESH_OF, self.card(reply.text)], self._mesh_of)

    def _mesh_of(self, reply: object) -> bytes:
        """What the peer says of its mesh: may the two be linked, and who takes whose state?"""
        if not isinstance(reply, Simple):
            raise HandshakeError(f"says nothing of its mesh: {text_of(reply)}", True)
        try:
            refusal, final = self.meet(reply.text)
        except ValueError as error:
            raise HandshakeError(str(error), True) from error
        if refusal:
            raise HandshakeError(refusal, final)
        return b""

    def psync(self, elsewhere: frozenset[bytes] = NOWHERE) -> bytes:
        """Asks for what is lacked, but of the streams that come over other links; called when
        nothing else is being taken in."""
        words = [b"PSYNC", CAPABILITY, pack_marks(self.vector())]
        if self.is_void():
            words += [b"", REPLACE]
        elif elsewhere:
            words.append(b"".join(sorted(elsewhere)))
        self.asked = True
        return self._ask(words, self._synced)

    def _synced(self, reply: object) -> bytes:
        if not isinstance(reply, Simple):
            raise HandshakeError(f"answered PSYNC with: {text_of(reply)}")
        words = reply.text.split(b" ")
        if words[0] == b"CONTINUE":
            self.done = True
        elif words[0] == b"FULLRESYNC":
            self.full = True
            self.done = True
        elif words[0] == b"RANGES" and len(words) == 5 and self.compares:
            try:
                self.salt = bytes.fromhex(words[3].decode("ascii"))
                self.leaves = int(words[4])
            except ValueError as error:
                raise HandshakeError(f"answered PSYNC with: {text_of(reply)}") from error
            self.full = True
            self.done = True
        else:
            raise HandshakeError(f"answered PSYNC with: {text_of(reply)}")
        return b""

    @property
    def waiting(self) -> bool:
        """Is a reply still to come?"""
        return len(self._steps) > 0


def no_mesh(card: bytes) -> tuple[str, bool]:
    """Any mesh will do."""
    return "", False


def has_state() -> bool:
    """What stands here may be joined with the peer's state."""
    return False


def no_objection(member: bytes, asked_us: int, peer_us: int) -> str:
    """Any clock will do."""
    return ""


def text_of(reply: object) -> str:
    """A reply in words, for errors."""
    if isinstance(reply, Simple | Failure):
        return reply.text[:300].decode("utf-8", "backslashreplace")
    return repr(reply)[:200]
