"""Session: what the engine knows about one client, connected or simulated.  [compiled]

`flags` 0 means that nothing is in the way of a command: the gates are one comparison then.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64, mypyc_attr

from node.commands.context import Context
from node.ports import Client

NOAUTH: Final[i64] = 1  # has not authenticated yet
MULTI: Final[i64] = 2  # commands are queued
SUBSCRIBED: Final[i64] = 4  # RESP2 subscriber: only a few commands
FOLLOWER: Final[i64] = 8  # a replication feed was started here: no commands on the keyspace
BLOCKED: Final[i64] = 16  # parked; the connection reads no further commands
CLOSING: Final[i64] = 32  # close after the reply


@mypyc_attr(allow_interpreted_subclasses=True)
class Outlet:
    """How something reaches a client outside its own commands; the connection fills it in."""

    def push(self, reply: object) -> None:
        """Sends a reply or push message now."""

    def resume(self, reply: object) -> None:
        """A parked command has its reply: send it and read on."""

    def hand_over(self, receiver: object) -> None:
        """The socket belongs to `receiver` from now on (a feed that begins at PSYNC)."""

    def close(self, reason: str) -> None:
        """Ends the connection when what is waiting has been sent."""

    def address(self) -> tuple[str, str]:
        """The client's address and ours, as CLIENT LIST prints them."""
        return "", ""

    def buffered(self) -> tuple[int, int, int]:
        """Bytes of query buffer, of output waiting, and of pushed output waiting."""
        return 0, 0, 0

    def traffic(self) -> tuple[int, int]:
        """Bytes received from and sent to the client since it connected."""
        return 0, 0

    def descriptor(self) -> int:
        """The socket's file descriptor, -1 where there is none."""
        return -1


class Session(Client):
    """One client's state; `id` is CLIENT ID, `ctx` what its handlers may touch."""

    def __init__(self, number: i64, ctx: Context) -> None:
        super().__init__(number)
        self.ctx = ctx
        self.flags: i64 = 0
        self.resp: i64 = 2
        self.outlet = Outlet()
        self.name = b""
        self.library_name = b""
        self.library_version = b""
        self.user = b"default"
        self.created_s: float = 0.0
        self.active_s: float = 0.0
        self.last_command = b""
        self.queued: list[list[bytes]] = []
        self.queued_flags: i64 = 0  # those of all queued commands together
        self.queue_failed = False  # a queued command was refused: EXEC answers EXECABORT
        self.last_write: i64 = 0  # stamp of the client's last write, for WAIT
        self.replies = True  # CLIENT REPLY
        self.skip_reply = False  # CLIENT REPLY SKIP: the next command's reply is not sent
        self.keeps_memory = False  # CLIENT NO-EVICT
        self.keeps_clocks = False  # CLIENT NO-TOUCH
        self.link: object | None = None  # the mesh's own record of a follower or peer
        self.commands: i64 = 0

    def deliver(self, message: object) -> None:
        """Sends what is no answer to a command."""
        self.outlet.push(message)

    def note_subscriptions(self) -> None:
        """Subscribers are restricted to a few commands (those that speak RESP2)."""
        if self.channels or self.patterns:
            self.flags |= SUBSCRIBED
        else:
            self.flags &= ~SUBSCRIBED

    def is_local(self) -> bool:
        """Did the client connect from this host? By loopback or a Unix socket (`path:0`)."""
        address = self.outlet.address()[0]
        return address.startswith(("127.", "[::1]:", "/"))

    def in_multi(self) -> bool:
        """Are commands queued?"""
        return (self.flags & MULTI) != 0

    def enter_multi(self) -> None:
        """Commands are queued from now on."""
        self.flags |= MULTI

    def leave_multi(self) -> None:
        """What was queued is forgotten; watches are not this one's concern."""
        self.flags &= ~MULTI
        self.queued = []
        self.queued_flags = 0
        self.queue_failed = False
