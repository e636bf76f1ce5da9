"""Connection: one client's socket. Bytes to parser to engine to encoder to bytes.  [compiled]

Promises: replies leave in the order of the commands; all replies of one read are one write; what a
client makes us hold has a limit in both directions; one client's pipeline is cut into slices, so
that others are served in between. It has the shape of an asyncio Protocol and knows no loop: what
it needs of one (`call_soon`) the Hub has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from librt.strings import BytesWriter
from librt.time import time as now_s
from mypy_extensions import i64

from node.engine import Engine
from node.resp.encoder import encode
from node.resp.parser import Parser, ProtocolError
from node.resp.replies import NO_REPLY, Failure
from node.session import BLOCKED, CLOSING, NOAUTH, Outlet, Session

# Commands of one client that run before others get their turn: about a millisecond of plain ones.
SLICE: Final[i64] = 512
# Replies are handed to the transport when there are so many bytes, not only when the read is done.
WRITE_BYTES: Final[i64] = 262144
# A buffer that grew above this for one reply is not kept.
KEPT_BYTES: Final[i64] = 1048576
# The transport says `pause_writing` above the first and `resume_writing` below the second.
HIGH_WATER: Final = 65536
LOW_WATER: Final = 16384
# A client that does not read its replies is not read from above this. So high, because many clients
# send a whole pipeline before they read: its replies must fit, or both sides would wait for ever.
STOP_BYTES: Final[i64] = 67108864
# What a client may send while its command is parked or its replies wait, before it is not read.
AHEAD_BYTES: Final[i64] = 1048576

INTERNAL: Final = Failure(b"ERR internal error, the server's log has the details")


class Limits:
    """client-output-buffer-limit of one class; 0 is none."""

    def __init__(self) -> None:
        self.hard: i64 = 0
        self.soft: i64 = 0
        self.soft_s: float = 0.0


class Hub:
    """What all connections share: the engine, limits, counters, and who is told of their life.

    `welcome` returns the error line for a connection that is refused, b"" for one that is taken;
    `failed` is told of an exception that no handler meant.
    """

    def __init__(
        self,
        engine: Engine,
        call_soon: Callable[[Callable[[], None]], object],
        welcome: Callable[[Connection], bytes],
        notice: Callable[[str, Connection, str], None],
        failed: Callable[[Connection, Exception], None],
    ) -> None:
        self.engine = engine
        self.call_soon = call_soon
        self.welcome = welcome
        self.notice = notice
        self.failed = failed
        self.connections: dict[int, Connection] = {}
        self.closing: dict[int, Connection] = {}  # told to close, but output is still waiting
        self.stopped = False  # no further command runs: the process is about to end
        self.left: Callable[[], None] = nobody_waits  # called when the last client is gone
        self.holds = False  # replies wait for the disk (node/net/gate.py)
        self.held: list[Connection] = []  # who waits: once for each piece
        self.bulk_max: i64 = 536870912
        self.query_max: i64 = 1073741824
        self.normal = Limits()
        self.pubsub = Limits()
        self.input_bytes: i64 = 0
        self.output_bytes: i64 = 0
        self.reads: i64 = 0
        self.writes: i64 = 0
        self.received: i64 = 0
        self.refused: i64 = 0
        self.query_limit_closed: i64 = 0
        self.output_limit_closed: i64 = 0


def nobody_waits() -> None:
    """Hub.left, until the server waits for the last client."""


class Connection(Outlet):
    """One client. Also the session's Outlet."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.engine = hub.engine
        self.parser = Parser()
        self.out = BytesWriter()
        self.number: i64 = 0  # the session's; 0 before and after there is one
        self.transport: Any = None
        self.write: Any = None
        self.receiver: Any = None  # who has the socket now (hand_over)
        self.peer = ""
        self.own = ""
        self.busy = False  # commands of this client are being executed
        self.flushing = False  # a flush is scheduled
        self.scheduled = False  # the next slice is scheduled
        self.reading = True
        self.behind = False  # the transport's buffer is above HIGH_WATER
        self.closed = False  # no command is executed any more
        self.leaving = False  # closes when what is held back has been sent
        self.held: list[bytes] = []  # replies that wait for the disk, a piece for each flush
        self.held_bytes: i64 = 0
        self.told_write: i64 = 0  # the session's last write when a reply was held back last
        self.bound = False  # replies to own writes are among what is held
        self.soft_since_s: float = 0.0
        self.closing_s: float = 0.0
        self.input_bytes: i64 = 0
        self.output_bytes: i64 = 0

    # --- the protocol's side ------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """A client has connected."""
        self.transport = transport
        self.write = transport.write
        hub = self.hub
        refusal = hub.welcome(self)
        if refusal:
            hub.refused += 1
            self.closed = True
            transport.write(refusal)
            transport.close()
            return
        transport.set_write_buffer_limits(HIGH_WATER, LOW_WATER)
        hub.received += 1
        self.engine.wake(now_s())
        session = self.engine.session()
        session.outlet = self
        self.session: Session = session
        self.number = session.id
        self.parser.max_bulk = hub.bulk_max
        self.parser.authenticated = (session.flags & NOAUTH) == 0
        hub.connections[int(session.id)] = self

    def data_received(self, data: bytes) -> None:
        """Bytes of the client."""
        if self.receiver is not None:
            self.receiver.data_received(data)
            return
        hub = self.hub
        if self.closed or hub.stopped:
            return
        size: i64 = len(data)
        hub.input_bytes += size
        self.input_bytes += size
        hub.reads += 1
        self.parser.feed(data)
        if self.scheduled or (self.session.flags & BLOCKED) != 0:
            self.hold_back()
            return
        self.run()

    def eof_received(self) -> None:
        """The client sends no more: the transport closes when what is waiting has been sent."""

    def connection_lost(self, error: object) -> None:
        """The socket is gone."""
        self.closed = True
        self.drop_held()
        receiver = self.receiver
        hub = self.hub
        number = int(self.number)
        if number != 0:
            self.number = 0
            hub.connections.pop(number, None)
            hub.closing.pop(number, None)
            self.engine.end(self.session)
            if not hub.connections:
                hub.left()
        if receiver is not None:
            self.receiver = None
            receiver.connection_lost()

    def pause_writing(self) -> None:
        """The client does not read as fast as replies come."""
        self.behind = True
        if self.receiver is not None:
            self.receiver.pause_writing()

    def resume_writing(self) -> None:
        """It has caught up."""
        self.behind = False
        self.soft_since_s = 0.0
        if self.receiver is not None:
            self.receiver.resume_writing()
        elif not self.closed and not self.reading:
            self.go_on_soon()

    # --- executing ----------------------------------------------------------------------------

    def run(self) -> None:
        """Executes what is here, up to a slice, and writes the replies."""
        engine = self.engine
        session = self.session
        engine.wake(now_s())
        session.active_s = engine.time_s
        self.busy = True
        try:
            self.execute_slice(engine, session)
        except ProtocolError as broken:
            self.refuse(Failure(broken.text))
        except Exception as error:
            self.hub.failed(self, error)
            engine.publish()
            self.refuse(INTERNAL)
        self.busy = False
        if self.receiver is not None:
            return
        self.flush()
        if session.flags & CLOSING and not self.closed:
            self.close("")
            return
        if not self.closed and not self.scheduled and not self.reading and not self.is_stalled():
            self.reading = True
            self.transport.resume_reading()

    def execute_slice(self, engine: Engine, session: Session) -> None:
        """Runs commands until the slice, the bytes or the client's right to be served end."""
        parser = self.parser
        out = self.out
        left = SLICE
        while True:
            args = parser.next()
            if args is None:
                if parser.pending() > self.hub.query_max:
                    self.query_too_long()
                return
            before = session.flags
            skip = session.skip_reply
            end: i64 = 0
            if parser.exact:
                end = parser.pos
            command = engine.quick(parser.code)
            if command is not None and before == 0:
                reply = engine.perform(session, command, args, parser.data, parser.start, end)
            else:
                if not args[0]:
                    args[0] = parser.name()
                reply = engine.execute(
                    session, parser.code, args, parser.data, parser.start, end
                )
            flags = session.flags
            if (before | flags) != 0:
                parser.authenticated = (flags & NOAUTH) == 0
                if flags & BLOCKED:
                    return
            if session.replies and not skip:
                encode(out, reply, session.resp)
            elif skip and session.skip_reply and reply is not NO_REPLY:
                session.skip_reply = False
            if self.receiver is not None:
                self.pass_rest()
                return
            if flags & CLOSING or self.is_closed():
                return
            if len(out) >= WRITE_BYTES:
                self.flush()
                out = self.out
                if self.is_closed() or self.is_stalled():
                    self.pause()
                    return
            left -= 1
            if left == 0:
                self.go_on_soon()
                return

    def go_on_soon(self) -> None:
        """The next slice runs in the next turn of the loop; until then nothing is read."""
        if not self.scheduled:
            self.scheduled = True
            self.pause()
            self.hub.call_soon(self.go_on)

    def go_on(self) -> None:
        """The next slice of what is here."""
        self.scheduled = False
        if self.closed or self.receiver is not None or self.hub.stopped:
            return
        if (self.session.flags & BLOCKED) != 0 or self.is_stalled():
            return
        self.run()

    def pause(self) -> None:
        """Nothing more is read from the client for now: TCP makes it wait."""
        if self.reading and not self.closed:
            self.reading = False
            self.transport.pause_reading()

    def hold_back(self) -> None:
        """Bytes came while commands may not run: a limited amount is taken."""
        if self.parser.pending() > AHEAD_BYTES:
            self.pause()

    def is_closed(self) -> bool:
        """Was it closed meanwhile? A command may do that to any client, its own too."""
        return self.closed

    def is_stalled(self) -> bool:
        """Does so much output wait that no further command may run?"""
        return self.held_bytes > STOP_BYTES or (
            self.behind and i64(self.transport.get_write_buffer_size()) > STOP_BYTES
        )

    def refuse(self, failure: Failure) -> None:
        """The last reply: an error, after which the connection closes."""
        encode(self.out, failure, self.session.resp)
        self.session.flags |= CLOSING

    def query_too_long(self) -> None:
        """client-query-buffer-limit: Redis closes without a reply."""
        self.hub.query_limit_closed += 1
        self.hub.notice("query buffer above client-query-buffer-limit", self, "")
        self.abort()

    # --- output -------------------------------------------------------------------------------

    def flush(self) -> None:
        """Hands the replies to the transport."""
        out = self.out
        size: i64 = len(out)
        if size == 0 or self.closed:
            return
        data = out.getvalue()
        if size > KEPT_BYTES:
            self.out = BytesWriter()
        else:
            out.truncate(0)
        hub = self.hub
        hub.output_bytes += size
        self.output_bytes += size
        hub.writes += 1
        if hub.holds or self.held_bytes != 0:
            self.held.append(data)
            self.held_bytes += size
            hub.held.append(self)
            written = self.session.last_write
            if written != self.told_write:
                self.told_write = written
                self.bound = True
            if self.held_bytes > HIGH_WATER:
                self.check_output()
            return
        self.write(data)
        if self.behind:
            self.check_output()

    def release(self) -> None:
        """What a reply relied on is on the disk: the piece that has waited longest goes out."""
        held = self.held
        if not held:
            return
        data = held.pop(0)
        self.held_bytes -= len(data)
        self.write(data)
        if self.held_bytes == 0:
            self.bound = False
        if self.leaving and self.held_bytes == 0:
            self.leaving = False
            self.transport.close()
        elif not self.reading and not self.closed and not self.is_stalled():
            self.go_on_soon()

    def drop_held(self) -> None:
        """What was held back can reach nobody."""
        self.held = []
        self.held_bytes = 0

    def flush_pushed(self) -> None:
        """The scheduled flush of what was pushed in this turn."""
        self.flushing = False
        if self.receiver is None:
            self.flush()

    def check_output(self) -> None:
        """client-output-buffer-limit, and the limit above which the client is not read from."""
        if self.closed:
            return
        session = self.session
        limits = self.hub.normal
        if session.channels or session.patterns:
            limits = self.hub.pubsub
        size = i64(self.transport.get_write_buffer_size()) + i64(len(self.out)) + self.held_bytes
        over = limits.hard != 0 and size > limits.hard
        if limits.soft != 0 and size > limits.soft:
            if self.soft_since_s == 0.0:
                self.soft_since_s = self.engine.time_s
            elif self.engine.time_s - self.soft_since_s > limits.soft_s:
                over = True
        else:
            self.soft_since_s = 0.0
        if over:
            self.hub.output_limit_closed += 1
            self.hub.notice("output buffer above client-output-buffer-limit", self, str(int(size)))
            self.abort()
        elif size > STOP_BYTES:
            self.pause()

    # --- the outlet ---------------------------------------------------------------------------

    def push(self, reply: object) -> None:
        """Sends a message: with the replies of this read, or at the end of the loop's turn."""
        if self.closed or self.receiver is not None:
            return
        encode(self.out, reply, self.session.resp)
        if self.busy:
            return
        if len(self.out) >= WRITE_BYTES:
            self.flush()
        elif not self.flushing:
            self.flushing = True
            self.hub.call_soon(self.flush_pushed)

    def resume(self, reply: object) -> None:
        """The reply of the parked command, then whatever was sent behind it."""
        if self.closed:
            return
        session = self.session
        if session.replies and not session.skip_reply:
            encode(self.out, reply, session.resp)
        session.skip_reply = False
        if not self.busy:
            self.flush()
        self.go_on_soon()

    def close(self, reason: str) -> None:
        """Ends the connection when what is waiting has been sent; a `reason` is logged."""
        if self.closed:
            return
        if self.busy:
            self.session.flags |= CLOSING
            return
        self.flush()
        if self.closed:
            return
        if reason:
            self.hub.notice("client closed", self, reason)
        self.leaving = self.held_bytes != 0
        self.pause()
        self.closed = True
        self.closing_s = self.engine.time_s
        self.hub.closing[int(self.number)] = self
        if not self.leaving:
            self.transport.close()

    def abort(self) -> None:
        """Ends the connection at once; what is waiting is thrown away."""
        self.closed = True
        self.drop_held()
        self.transport.abort()

    def address(self) -> tuple[str, str]:
        """The client's address and ours, as CLIENT LIST prints them."""
        return self.peer, self.own

    def buffered(self) -> tuple[int, int, int]:
        """Bytes of commands not yet executed, of replies and messages waiting, 0."""
        waiting = 0 if self.closed else cast(int, self.transport.get_write_buffer_size())
        waiting += int(self.held_bytes)
        return int(self.parser.pending()), waiting + len(self.out), 0

    def traffic(self) -> tuple[int, int]:
        """Bytes received from and sent to the client since it connected."""
        return int(self.input_bytes), int(self.output_bytes)

    def descriptor(self) -> int:
        """The socket's file descriptor, -1 where there is none."""
        socket = None if self.closed else self.transport.get_extra_info("socket")
        return -1 if socket is None else cast(int, socket.fileno())

    def hand_over(self, receiver: Any) -> None:
        """The socket belongs to `receiver` from now on; replies so far are written before.

        It gets the attribute `transport`, then the bytes behind the running command and all that
        comes by `data_received(bytes)`, and `pause_writing()`, `resume_writing()`,
        `connection_lost()`. The session lives until the connection is lost; its replies go nowhere.
        """
        self.flush()
        self.write(b"".join(self.held))  # the receiver's bytes come behind these
        self.drop_held()
        self.receiver = receiver
        receiver.transport = self.transport
        if not self.busy:
            self.pass_rest()

    def pass_rest(self) -> None:
        """Gives the receiver what the parser holds, and reads on."""
        parser = self.parser
        rest = parser.data[parser.pos :] + b"".join(parser.later)
        self.parser = Parser()
        self.out.truncate(0)
        if not self.reading:
            self.reading = True
            self.transport.resume_reading()
        if rest:
            self.receiver.data_received(rest)
