"""ReplyGate: replies wait until what they rely on is on the disk (appendfsync always).

From a write of this node on every reply waits, also that of a client which only read, until the
group that the write belongs to is durable: nobody is shown what a crash could take back. One list
of waiting connections belongs to the group that is still being collected, one to what is under way
to the disk; a connection stands there once for each piece that it holds (Connection.held).
"""

from __future__ import annotations

from node.net.connection import Connection, Hub


class ReplyGate:
    """The gate of one node's clients; open unless `mark` was called."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._marked = False
        self._stuck = False
        self._collecting: list[Connection] = hub.held
        self._under_way: list[Connection] = []

    def mark(self) -> None:
        """A write of this node has happened: replies from now on wait for its group."""
        if not self._marked:
            self._marked = True
            self._hub.held = self._collecting
            self._hub.holds = not self._stuck

    def seal(self) -> None:
        """What was collected is on its way to the disk."""
        self._marked = False
        self._under_way += self._collecting
        self._collecting = []
        self._hub.held = self._under_way

    def release(self) -> None:
        """It has arrived: its replies go out."""
        done = self._under_way
        self._under_way = []
        self._stuck = False
        self._hub.held = self._collecting if self._marked else self._under_way
        self._hub.holds = self._marked
        for connection in done:
            connection.release()

    def block(self) -> None:
        """The disk takes nothing: who has written goes on waiting, who only read waits no more."""
        self._stuck = True
        self._hub.holds = False
        for waiting in (self._under_way, self._collecting):
            readers = [each for each in waiting if not each.bound]
            waiting[:] = [each for each in waiting if each.bound]
            for each in readers:
                each.release()

    def unblock(self) -> None:
        """The disk takes what it is given again."""
        self._stuck = False
        self._hub.holds = self._marked or bool(self._under_way)
