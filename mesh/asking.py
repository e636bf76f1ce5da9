"""Asking: a command that another member owns is run there, over the link that follows it.

    asks     REPLCONF MESH-ASK <number> <db> <resp> <command> <argument>...   among the ACKs
    cancels  REPLCONF MESH-CANCEL <number>                                   its client has gone
    answers  REPLCONF MESH-ANSWER <number> <reply>                           between two frames

The answer stands in the feed behind the frames of what the command did. So when the client has its
reply the effect is here too, and whoever is lost in between, nothing was told that did not happen.
Who waits at the owner (BLPOP) waits there in the order of all; the owner ends that when the client
or the link goes. A link that breaks with commands on it fails them: they may have been done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog
from librt.strings import BytesWriter

from mesh.ownership import Asked, called
from node.commands.command import BLOCKING, find
from node.commands.context import Parked
from node.net.connection import INTERNAL
from node.resp.client import command
from node.resp.encoder import encode
from node.resp.replies import Failure, Fixed
from node.session import NOAUTH, Outlet, Session

if TYPE_CHECKING:
    from mesh.agent import Agent
    from mesh.link import Link

LOG = structlog.get_logger()

ASK: Final = b"mesh-ask"
CANCEL: Final = b"mesh-cancel"
DIGITS: Final = 16
ANSWER_HEAD: Final = b"*4\r\n$8\r\nREPLCONF\r\n$11\r\nMESH-ANSWER\r\n$16\r\n"
SIZE_DIGITS: Final = 12
# Commands on their way over one link, those of clients that wait at the owner among them: each is a
# session there. More than that many workers on one node should talk to the owner.
ASKS_MOST: Final = 4096
# A command that does not wait for keys is answered at once, or its owner stands still.
TIMEOUT_MS: Final = 5000
LOST: Final = b"the link to its owner was lost before the answer came: it may have been done"
SLOW: Final = b"its owner has not answered for 5 s: it may have been done"


class Waiting(Parked):
    """A client here whose command runs at another member."""

    def __init__(self, asking: Asking, link: Link, number: int, until_ms: int) -> None:
        super().__init__(until_ms)
        self.asking = asking
        self.link = link
        self.number = number

    def timeout_reply(self) -> object:
        self.asking.give_up(self)
        return Failure(b"NOOWNER %s %s" % (self.link.address.encode(), SLOW))

    def cancelled(self) -> None:
        self.asking.give_up(self)


class Asking:
    """This node's clients at other members; one object per agent."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.waiting: dict[int, Waiting] = {}
        self._by_link: dict[Link, int] = {}
        self._number = 0

    def ask(self, session: Session, member: bytes, args: list[bytes]) -> object:
        """Has the member run the command: the client to be parked, or why it cannot be asked."""
        link = self.agent.link_of(member)
        if link is None or not link.live:
            entry = self.agent.member.membership.entry(member)
            return f"{'it' if entry is None else called(entry)} owns it, and no link to it is up"
        if self._by_link.get(link, 0) >= ASKS_MOST:
            return f"{ASKS_MOST} commands of this node's clients wait at its owner"
        self._number += 1
        known = find(0, args[0])
        waits = known is not None and known.flags & BLOCKING != 0
        until_ms = 0 if waits else int(self.agent.now_ms()) + TIMEOUT_MS
        parked = Waiting(self, link, self._number, until_ms)
        self.waiting[self._number] = parked
        self._by_link[link] = self._by_link.get(link, 0) + 1
        link.send(command(
            b"REPLCONF", ASK.upper(), b"%d" % self._number, b"%d" % session.ctx.db.number,
            b"%d" % session.resp, *args,
        ))  # fmt: skip
        return parked

    def answered(self, data: bytes, start: int) -> int | None:
        """Takes the answer that begins at `start`; where it ends, 0: more bytes are needed. None
        where something else stands there."""
        found = answer_at(data, start)
        if found is None:
            return None
        number, reply, end = found
        parked = self._take(number) if end else None
        if parked is not None:
            self.agent.engine.resume(parked, Fixed(reply, reply))
        return end

    def give_up(self, parked: Waiting) -> None:
        """Its client waits no more: the owner need not go on."""
        if self._take(parked.number) is not None and parked.link.live:
            parked.link.send(command(b"REPLCONF", CANCEL.upper(), b"%d" % parked.number))

    def lost(self, link: Link) -> None:
        """The link has broken: whether what was asked was done nobody can say."""
        for parked in [each for each in self.waiting.values() if each.link is link]:
            self._take(parked.number)
            text = b"NOOWNER %s %s" % (link.address.encode(), LOST)
            self.agent.engine.resume(parked, Failure(text))

    def _take(self, number: int) -> Waiting | None:
        parked = self.waiting.pop(number, None)
        if parked is not None:
            left = self._by_link[parked.link] - 1
            self._by_link[parked.link] = left
            if left == 0:
                del self._by_link[parked.link]
        return parked


class Sent(Outlet):
    """Where the reply of a command that waited here for another member's client goes."""

    def __init__(self, answering: Answering, number: int) -> None:
        self.answering = answering
        self.number = number

    def resume(self, reply: object) -> None:
        self.answering.answer(self.number, reply)


class Answering:
    """Another member's clients here; one object per feed. `write` puts bytes into that."""

    def __init__(self, agent: Agent, write: Callable[[bytes], None]) -> None:
        self.agent = agent
        self.write = write
        self.sessions: dict[int, Session] = {}

    def take(self, words: list[bytes]) -> None:
        """MESH-ASK: runs it, and answers, unless the client waits. ValueError where the words are
        none."""
        if len(words) < 6:
            raise ValueError("MESH-ASK names number, db, resp and a command")
        number, db, resp = int(words[2]), int(words[3]), int(words[4])
        engine = self.agent.engine
        if not 0 <= db < len(engine.databases) or resp not in (2, 3) or number in self.sessions:
            raise ValueError(f"MESH-ASK of database {db} in RESP{resp}")
        if len(self.sessions) >= ASKS_MOST:
            raise ValueError("more commands wait here than a member may have")
        self.agent.wake()
        session = engine.session()
        session.ctx.db = engine.databases[db]
        session.resp = resp
        session.flags &= ~NOAUTH  # the member has said the password, its client did so there
        session.link = Asked()
        session.outlet = Sent(self, number)
        session.name = b"mesh-ask"
        self.sessions[number] = session
        reply: object
        try:
            reply = engine.execute(session, 0, words[5:], b"", 0, 0)
        except Exception as error:  # as for a client's command: one bug must not cost the link
            LOG.error("internal_error", command=words[5], error=repr(error), exc_info=True)
            engine.publish()
            reply = INTERNAL
        if not isinstance(reply, Parked):
            self.answer(number, reply)

    def answer(self, number: int, reply: object) -> None:
        """Writes the reply, unless nobody waits for it any more."""
        session = self.sessions.pop(number, None)
        if session is None:
            return
        out = BytesWriter()
        encode(out, reply, session.resp)
        self.agent.engine.end(session)
        self.agent.member.backlog.flush()  # what it did stands before the answer
        self.write(answer(number, out.getvalue()))

    def cancel(self, number: int) -> None:
        """The client has gone."""
        session = self.sessions.pop(number, None)
        if session is not None:
            self.agent.engine.end(session)

    def close(self) -> None:
        """The member has gone."""
        for number in list(self.sessions):
            self.cancel(number)


def answer(number: int, reply: bytes) -> bytes:
    """REPLCONF MESH-ANSWER."""
    return b"%b%016d\r\n$%d\r\n%b\r\n" % (ANSWER_HEAD, number, len(reply), reply)


def answer_at(data: bytes, start: int) -> tuple[int, bytes, int] | None:
    """The MESH-ANSWER that begins at `start`: its number, the reply, and where it ends (0: more
    bytes are needed). None where something else stands there. ValueError where it is damaged."""
    head = data[start : start + len(ANSWER_HEAD)]
    if not ANSWER_HEAD.startswith(head):
        return None
    at = start + len(ANSWER_HEAD)
    size_at = at + DIGITS + 3
    line = data.find(b"\r\n", size_at, size_at + SIZE_DIGITS + 2)
    if line < 0:
        if len(data) > size_at + SIZE_DIGITS + 2:
            raise ValueError("the size of MESH-ANSWER is no number")
        return 0, b"", 0
    number, size = data[at : at + DIGITS], data[size_at:line]
    if not number.isdigit() or not size.isdigit():
        raise ValueError(f"MESH-ANSWER of {number!r} with a size of {size!r}")
    end = line + 2 + int(size)
    if len(data) < end + 2:
        return 0, b"", 0
    return int(number), data[line + 2 : end], end + 2
