"""What transcripts and generated commands run against: our engine without sockets, a real Redis."""

import io

from librt.strings import BytesWriter

from node.commands.context import Parked
from node.resp.encoder import encode
from tests.support.local import LocalNode
from tests.support.servers import Client, RealRedis
from tests.support.transcript import Shown, read_shown


class EngineTarget:
    """Our engine. What it would write to each connection goes through the real encoder."""

    def __init__(self) -> None:
        self.node = LocalNode(directives=("--enable-debug-command", "yes"))
        self.sessions: dict[int, int] = {1: 0}  # LocalNode begins with one client
        self.unread: dict[int, list[Shown]] = {}

    def call(self, client: int, argv: list[bytes]) -> Shown:
        """As a connection does it: what is pushed meanwhile comes before the reply."""
        if client not in self.sessions:
            self.sessions[client] = self.node.session()
        reply = self.node.call(self.sessions[client], argv)
        self.collect()
        waiting = self.unread.setdefault(client, [])
        if not isinstance(reply, Parked):
            waiting += self.written(client, reply)
        confirms = argv[0].lower().endswith(b"subscribe")
        for place, shown in enumerate(waiting):
            if shown.kind != "push" or confirms:
                return waiting.pop(place)
        raise AssertionError(f"{argv!r} has no reply yet: a client would wait here")

    def receive(self, client: int) -> Shown:
        """The oldest message the client has not read."""
        self.collect()
        waiting = self.unread.get(client)
        assert waiting, f"nothing was delivered to connection {client}"
        return waiting.pop(0)

    def collect(self) -> None:
        """Moves what was sent to clients outside their commands to what they have to read."""
        for client, session in self.sessions.items():
            inbox = self.node.inbox(session)
            for reply in [*inbox.pushed, *inbox.resumed]:
                self.unread.setdefault(client, []).extend(self.written(client, reply))
            inbox.pushed.clear()
            inbox.resumed.clear()

    def written(self, client: int, reply: object) -> list[Shown]:
        """The reply as it would come out of the connection; empty where nothing is written."""
        out = BytesWriter()
        encode(out, reply, self.node.sessions[self.sessions[client]].resp)
        stream = io.BytesIO(out.getvalue())
        return [read_shown(stream)] if stream.getbuffer() else []


class RedisTarget:
    """A running Redis, emptied first, with one socket for each connection of the transcript."""

    def __init__(self, server: RealRedis) -> None:
        self.server = server
        self.clients: dict[int, Client] = {1: server.client()}
        self.clients[1].call("FLUSHALL")

    def call(self, client: int, argv: list[bytes]) -> Shown:
        """Sends one command and waits for its reply."""
        if client not in self.clients:
            self.clients[client] = self.server.client()
        return self.clients[client].call(*argv)

    def receive(self, client: int) -> Shown:
        """Waits for the next message."""
        return self.clients[client].receive()

    def close(self) -> None:
        """Closes the sockets."""
        for client in self.clients.values():
            client.close()
