"""Peers made by hand: a follower and a master that speak the links' protocol over raw sockets."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Self, cast

from mesh.rejoin import Card
from tests.support.servers import CALL_TIMEOUT_S, Client
from tests.support.transcript import Shown, read_shown
from tests.wire.mesh_support import Words, encoded

MARK_BYTES = 24
GETACK = encoded(["REPLCONF", "GETACK", "*"])


def now_stamp() -> int:
    """A stamp of this moment: milliseconds and no counter."""
    return time.time_ns() // 1_000_000 << 20


def stream_uuid() -> str:
    """A new stream's uuid."""
    return str(uuid.uuid4())


def packed_vector(vector: dict[str, int]) -> bytes:
    """Stamps by uuid as marks."""
    pairs = sorted((uuid.UUID(name).bytes, stamp) for name, stamp in vector.items())
    return b"".join(name + stamp.to_bytes(8, "big") for name, stamp in pairs)


def unpacked_vector(marks: bytes) -> dict[str, int]:
    """The reverse."""
    assert len(marks) % MARK_BYTES == 0
    parts = [marks[at : at + MARK_BYTES] for at in range(0, len(marks), MARK_BYTES)]
    assert parts == sorted(parts), "marks are not in ascending order"
    return {str(uuid.UUID(bytes=part[:16])): int.from_bytes(part[16:], "big") for part in parts}


@dataclass(frozen=True)
class WireFrame:
    """One RREPLAY frame with nine arguments."""

    stream: str
    inner: bytes
    stamp: int
    previous: int
    db: int = 0
    marks: bytes = b""
    flags: bytes = b""

    def parts(self) -> list[bytes]:
        """Its arguments."""
        return [
            b"RREPLAY", self.stream.encode(), self.inner, b"%d" % self.db, b"%d" % self.stamp,
            b"v1", b"%d" % self.previous, self.marks, self.flags,
        ]  # fmt: skip

    def encoded(self) -> bytes:
        """Its bytes."""
        return encoded(self.parts())


def frame_of(shown: Shown) -> WireFrame:
    """A frame that was received; fails where it has another form."""
    assert shown.kind == "array" and {each.kind for each in shown.items} == {"bulk"}, shown
    name, stream, inner, db, stamp, version, previous, marks, flags = (
        each.text for each in shown.items
    )
    assert (name, version) == (b"RREPLAY", b"v1")
    assert str(uuid.UUID(stream.decode())).encode() == stream, "not a uuid in lower case"
    return WireFrame(
        stream.decode(), inner, int(stamp), int(previous), int(db), marks, flags
    )


class Follower:
    """Follows a node as a member of its own making would; `vector` is what it says it has.

    `snapshot` tells that the node answered with FULLRESYNC.
    """

    def __init__(self, port: int, vector: dict[str, int] | None = None) -> None:
        self.member = uuid.uuid4().hex
        self.stream = stream_uuid()
        self.client = Client(port)
        call = self.client.call
        assert call("REPLPING").text == b"PONG"
        assert call("REPLCONF", "listening-port", "1").text == b"OK"
        capabilities = ("capa", "eof", "capa", "psync2", "capa", "activeExpire", "capa", "mesh1")
        assert call("REPLCONF", *capabilities).text == b"OK active-replica mesh1"
        self.peer_stream = call("REPLCONF", "uuid", self.stream).text.decode()
        self.peer_member = call("REPLCONF", "mesh-member", self.member).text.decode()
        answer = call("PSYNC", "mesh1", packed_vector(vector or {})).text
        self.snapshot = answer.startswith(b"FULLRESYNC ")
        assert self.snapshot or answer == b"CONTINUE", answer

    def frame(self) -> WireFrame:
        """The next frame. TimeoutError when none comes."""
        while True:
            shown = read_shown(self.client.stream)
            if shown.items[0].text != b"REPLCONF":  # GETACK, MESH-ROUTES: not for this one
                return frame_of(shown)

    def frame_with(self, inner: bytes) -> WireFrame:
        """The next frame with these inner commands."""
        while (frame := self.frame()).inner != inner:
            pass
        return frame

    def read_snapshot(self) -> bytes:
        """The snapshot's bytes, from behind its head to before its mark."""
        stream = self.client.stream
        line = stream.readline()
        while line == b"\n":
            line = stream.readline()
        assert line.startswith(b"$EOF:")
        mark = line[5:-2]
        data = b""
        while not data.endswith(mark):
            data += stream.read1(65536)  # type: ignore[attr-defined]
        return data[: -len(mark)]

    def close(self) -> None:
        """Ends the connection."""
        self.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Connection:
    """A node that follows the scripted master, after the handshake."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self.stream = cast(BinaryIO, end.makefile("rb"))
        self.vector: dict[str, int] = {}
        self.member = ""

    def command(self) -> list[bytes]:
        """The next command of the node."""
        return [each.text for each in read_shown(self.stream).items]

    def send(self, data: bytes) -> None:
        """Some bytes; a node that has closed already is no error."""
        try:
            self.socket.sendall(data)
        except OSError:
            return

    def finish(self) -> None:
        """Says that nothing more will come; what the node says can still be read."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            return  # the node was faster

    def await_end(self) -> bool:
        """Did the node close the connection, in time?"""
        try:
            while self.socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            return True
        return True

    def await_ack(self, offset: int) -> None:
        """Asks for an ACK; returns when the node has applied so many bytes behind the handshake."""
        self.send(GETACK)
        while True:
            words = self.command()
            if words[:2] == [b"REPLCONF", b"ACK"] and int(words[2]) >= offset:
                return

    def close(self) -> None:
        """Ends the connection."""
        self.stream.close()
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Master:
    """A member that a node follows: answers the handshake as one of ours does."""

    def __init__(self) -> None:
        self.stream = stream_uuid()
        self.member = uuid.uuid4().hex
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(CALL_TIMEOUT_S)
        self.port = int(self.listener.getsockname()[1])

    def accept(self, answer: bytes = b"+CONTINUE\r\n") -> Connection:
        """The next connection of the node; `answer` is the reply to its PSYNC."""
        while True:
            end, _ = self.listener.accept()
            end.settimeout(CALL_TIMEOUT_S)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                return self.shake(Connection(end), answer)
            except (EOFError, OSError):
                end.close()  # an attempt that the node has given up since

    def shake(self, connection: Connection, answer: bytes) -> Connection:
        """The handshake, up to the reply to PSYNC."""
        while True:
            words = connection.command()
            name = words[0].upper()
            if name == b"PSYNC":
                assert words[1] == b"mesh1"
                connection.vector = unpacked_vector(words[2])
                connection.socket.sendall(answer)
                return connection
            connection.socket.sendall(self.reply(connection, name, words))

    def reply(self, connection: Connection, name: bytes, words: list[bytes]) -> bytes:
        """The answer to one command of the handshake."""
        if name == b"REPLPING":
            return b"+PONG\r\n"
        assert name == b"REPLCONF", words
        option = words[1].lower()
        if option == b"capa":
            assert b"mesh1" in words
            return b"+OK active-replica mesh1\r\n"
        if option == b"uuid":
            return b"+" + self.stream.encode() + b"\r\n"
        if option == b"mesh-member":
            connection.member = words[2].decode()
            return b"+" + self.member.encode() + b"\r\n"
        if option == b"mesh-of":
            card = Card(self.member.encode(), frozenset((self.member.encode(),)), 1, False, False,
                        False)  # fmt: skip
            return b"+" + card.pack() + b"\r\n"
        return b"+OK\r\n"

    def close(self) -> None:
        """Listens no more."""
        self.listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Writer:
    """The stream of a scripted master: frames that follow one another."""

    def __init__(self, stream: str, stamp: int = 0) -> None:
        self.stream = stream
        self.stamp = stamp or now_stamp()
        self.previous = 0

    def frame(self, *commands: Words, flags: bytes = b"") -> WireFrame:
        """The next frame of the stream, around these commands; it is not counted as sent."""
        inner = b"".join(encoded(words) for words in commands)
        if len(commands) > 1:
            inner = encoded(["MULTI"]) + inner + encoded(["EXEC"])
        return WireFrame(self.stream, inner, self.stamp, self.previous, flags=flags)

    def sent(self) -> None:
        """The frame was sent and has arrived: the next one follows it."""
        self.previous = self.stamp
        self.stamp += 1


def snapshot_stream(data: bytes) -> bytes:
    """A snapshot as it travels behind FULLRESYNC."""
    mark = os.urandom(20).hex().encode()
    return b"$EOF:" + mark + b"\r\n" + data + mark


def until(condition: Callable[[WireFrame], bool], follower: Follower) -> WireFrame:
    """The next frame for which this is so."""
    while not condition(frame := follower.frame()):
        pass
    return frame
