"""One connection without a socket: order, slices, parking, limits, closing, handing over."""

import pytest
from mypy_extensions import i64

from node.commands.command import TABLE, Command, register
from node.commands.context import Context, Parked
from node.net.connection import AHEAD_BYTES, SLICE, STOP_BYTES
from node.resp.replies import NO_REPLY, Push
from tests.unit.net.wires import Wires, request

PING = request(b"PING")
PARKED: list[Parked] = []


def park(ctx: Context, args: list[bytes]) -> object:
    PARKED.append(Parked(i64(0)))
    return PARKED[-1]


def fail(ctx: Context, args: list[bytes]) -> object:
    raise ValueError("a handler is wrong")



@pytest.fixture
def wires() -> Wires:
    made = Wires()
    for command in (Command("TESTPARK", park, 0), Command("TESTFAIL", fail, 0)):
        if command.name not in TABLE:
            register(command)
    PARKED.clear()
    return made


def test_replies_of_one_read_are_one_write_in_order(wires: Wires) -> None:
    client, transport = wires.connect()
    client.data_received(
        request(b"SET", b"k", b"v") + request(b"GET", b"k") + b"PING hello\r\n" + PING
    )
    assert transport.sent == b"+OK\r\n$1\r\nv\r\n$5\r\nhello\r\n+PONG\r\n"
    assert transport.writes == 1


@pytest.mark.parametrize("size", [1, 2, 7, 19])
def test_it_does_not_matter_how_the_bytes_are_cut(wires: Wires, size: int) -> None:
    client, transport = wires.connect()
    data = request(b"SET", b"k", b"v" * 40) + request(b"STRLEN", b"k") + PING
    for at in range(0, len(data), size):
        client.data_received(data[at : at + size])
    assert transport.sent == b"+OK\r\n:40\r\n+PONG\r\n"


def test_names_reach_the_errors_that_quote_them(wires: Wires) -> None:
    client, transport = wires.connect()
    client.data_received(request(b"FooBar", b"x") + request(b"Client", b"FooBar"))
    assert transport.sent == (
        b"-ERR unknown command 'FooBar', with args beginning with: 'x' \r\n"
        b"-ERR unknown subcommand 'FooBar'. Try CLIENT HELP.\r\n"
    )


def test_queued_commands_keep_their_names(wires: Wires) -> None:
    client, transport = wires.connect()
    client.data_received(
        request(b"MULTI") + request(b"SET", b"k", b"1") + request(b"INCR", b"k") + request(b"EXEC")
    )
    assert transport.sent == b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:2\r\n"


def test_a_long_pipeline_is_cut_so_that_others_are_served(wires: Wires) -> None:
    client, transport = wires.connect()
    other, answered = wires.connect()
    client.data_received(PING * (3 * SLICE))
    assert transport.sent.count(b"+PONG") == SLICE
    assert not transport.reading, "more is read than is executed"
    other.data_received(PING)
    assert answered.sent == b"+PONG\r\n"
    while wires.turn():
        pass
    assert transport.sent == b"+PONG\r\n" * (3 * SLICE)
    assert transport.reading


def test_commands_behind_a_parked_one_wait_for_its_reply(wires: Wires) -> None:
    client, transport = wires.connect()
    client.data_received(PING + request(b"TESTPARK") + request(b"ECHO", b"a"))
    client.data_received(request(b"ECHO", b"b"))
    assert transport.sent == b"+PONG\r\n"
    wires.engine.resume(PARKED[0], 7)
    while wires.turn():
        pass
    assert transport.sent == b"+PONG\r\n:7\r\n$1\r\na\r\n$1\r\nb\r\n"


def test_what_a_parked_client_sends_ahead_is_limited(wires: Wires) -> None:
    client, transport = wires.connect()
    client.data_received(request(b"TESTPARK"))
    client.data_received(b"x" * (AHEAD_BYTES + 1))
    assert not transport.reading


def test_a_parked_client_that_leaves_is_forgotten(wires: Wires) -> None:
    client, _ = wires.connect()
    client.data_received(request(b"TESTPARK"))
    client.connection_lost(None)
    assert PARKED[0].done and not wires.engine.sessions and not wires.hub.connections
    wires.engine.resume(PARKED[0], 7)  # too late, and harmless


def test_a_protocol_error_is_answered_and_ends_the_connection(wires: Wires) -> None:
    client, transport = wires.connect()
    client.data_received(PING + b"*1\r\n:5\r\n" + PING)
    assert transport.sent == b"+PONG\r\n-ERR Protocol error: expected '$', got ':'\r\n"
    assert transport.closed
    client.data_received(PING)
    assert transport.sent.count(b"PONG") == 1


def test_quit_answers_and_closes_and_nothing_behind_it_runs(wires: Wires) -> None:
    client, transport = wires.connect()
    client.data_received(request(b"QUIT") + request(b"SET", b"k", b"v"))
    assert transport.sent == b"+OK\r\n" and transport.closed
    assert wires.engine.databases[0].keys.size == 0


def test_an_exception_of_a_handler_ends_that_client_alone(wires: Wires) -> None:
    client, transport = wires.connect()
    other, answered = wires.connect()
    client.data_received(request(b"TESTFAIL"))
    assert transport.sent.startswith(b"-ERR internal error") and transport.closed
    assert [str(error) for error in wires.failures] == ["a handler is wrong"]
    other.data_received(PING)
    assert answered.sent == b"+PONG\r\n"


def test_client_reply_off_skip_and_on(wires: Wires) -> None:
    client, transport = wires.connect()
    client.data_received(
        request(b"CLIENT", b"REPLY", b"SKIP") + request(b"ECHO", b"1") + request(b"ECHO", b"2")
    )
    assert transport.sent == b"$1\r\n2\r\n"
    client.data_received(request(b"CLIENT", b"REPLY", b"OFF") + PING)
    client.data_received(PING)
    client.data_received(request(b"CLIENT", b"REPLY", b"ON") + PING)
    assert transport.sent == b"$1\r\n2\r\n+OK\r\n+PONG\r\n"


def test_authentication_lifts_the_limits_of_guests() -> None:
    wires = Wires("--requirepass", "secret")
    client, transport = wires.connect()
    long = request(b"SET", b"k", b"v" * 20000)
    client.data_received(request(b"AUTH", b"secret") + long)
    assert transport.sent == b"+OK\r\n+OK\r\n"
    guest, refused = wires.connect()
    guest.data_received(PING)
    guest.data_received(long)
    assert refused.sent == (
        b"-NOAUTH Authentication required.\r\n"
        b"-ERR Protocol error: unauthenticated bulk length\r\n"
    )


# --- limits ----------------------------------------------------------------------------------


def test_a_query_above_the_limit_closes(wires: Wires) -> None:
    wires.hub.query_max = i64(1000)
    client, transport = wires.connect()
    client.data_received(b"*1\r\n$100000\r\n" + b"x" * 2000)
    assert transport.aborted and transport.sent == b""
    assert wires.notices == ["query buffer above client-query-buffer-limit"]


def test_a_client_that_does_not_read_is_not_read_from(wires: Wires) -> None:
    client, transport = wires.connect()
    transport.waiting = STOP_BYTES + 1
    client.pause_writing()
    client.data_received(PING)
    assert transport.sent == b"+PONG\r\n" and not transport.reading
    transport.waiting = 0
    client.resume_writing()
    wires.turn()
    assert transport.reading
    client.data_received(PING)
    assert transport.sent == b"+PONG\r\n" * 2


def test_its_pipeline_stops_where_its_replies_do_not_fit(wires: Wires) -> None:
    client, transport = wires.connect()
    client.data_received(request(b"SET", b"k", b"v" * 300_000))
    transport.waiting = STOP_BYTES + 1
    client.pause_writing()
    client.data_received(request(b"GET", b"k") * 50)
    assert transport.sent.count(b"$300000") == 1
    transport.waiting = 0
    client.resume_writing()
    while wires.turn():
        pass
    assert transport.sent.count(b"$300000") == 50


def test_the_hard_limit_of_normal_clients_closes(wires: Wires) -> None:
    wires.hub.normal.hard = i64(10_000)
    client, transport = wires.connect()
    transport.waiting = 10_001
    client.pause_writing()
    client.data_received(PING)
    assert transport.aborted
    assert wires.notices == ["output buffer above client-output-buffer-limit"]


def test_the_soft_limit_of_subscribers_closes_after_its_time(wires: Wires) -> None:
    wires.hub.pubsub.soft = i64(1000)
    wires.hub.pubsub.soft_s = 5.0
    client, transport = wires.connect()
    client.data_received(request(b"SUBSCRIBE", b"c"))
    transport.waiting = 1001
    client.pause_writing()
    client.check_output()
    start_s = wires.engine.time_s
    wires.engine.wake(start_s + 4.0)
    client.check_output()
    assert not transport.aborted
    wires.engine.wake(start_s + 6.0)
    client.check_output()
    assert transport.aborted


def test_a_soft_limit_that_was_left_counts_from_anew(wires: Wires) -> None:
    wires.hub.normal.soft = i64(1000)
    wires.hub.normal.soft_s = 5.0
    client, transport = wires.connect()
    for _ in range(3):
        transport.waiting = 1001
        client.pause_writing()
        client.check_output()
        wires.engine.wake(wires.engine.time_s + 4.0)
        client.resume_writing()
        wires.turn()
    assert not transport.aborted


# --- the outlet ------------------------------------------------------------------------------


def test_messages_of_one_turn_are_one_write(wires: Wires) -> None:
    client, transport = wires.connect()
    for text in (b"a", b"b"):
        client.push(Push([text]))
    assert transport.sent == b""
    wires.turn()
    assert transport.sent == b"*1\r\n$1\r\na\r\n*1\r\n$1\r\nb\r\n" and transport.writes == 1


def test_a_message_caused_by_the_client_itself_stands_before_the_reply(wires: Wires) -> None:
    client, transport = wires.connect()
    client.data_received(request(b"HELLO", b"3"))
    client.data_received(request(b"SUBSCRIBE", b"c"))
    transport.sent = b""
    client.data_received(request(b"PUBLISH", b"c", b"m"))
    assert transport.sent == b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n:1\r\n"


def test_closing_sends_what_waits(wires: Wires) -> None:
    client, transport = wires.connect()
    client.push(Push([b"a"]))
    client.close("killed")
    assert transport.sent == b"*1\r\n$1\r\na\r\n" and transport.closed and not transport.aborted
    assert wires.notices == ["client closed"]


def test_traffic_and_buffers_are_counted(wires: Wires) -> None:
    client, transport = wires.connect()
    client.data_received(PING + b"*2\r\n$4\r\nECHO\r\n")
    transport.waiting = 7
    assert client.traffic() == (len(PING) + 14, 7)
    assert client.buffered() == (14, 7, 0)
    assert (wires.hub.input_bytes, wires.hub.output_bytes) == (len(PING) + 14, 7)


def test_a_refused_connection_is_told_and_has_no_session(wires: Wires) -> None:
    wires.refusal = b"-ERR max number of clients reached\r\n"
    client, transport = wires.connect()
    assert transport.sent == wires.refusal and transport.closed
    client.data_received(PING)
    client.connection_lost(None)
    assert transport.sent == wires.refusal and not wires.engine.sessions


# --- handing over ----------------------------------------------------------------------------


class Receiver:
    """Who takes the socket."""

    def __init__(self) -> None:
        self.transport: object = None
        self.data = b""
        self.lost = False
        self.paused: list[bool] = []

    def data_received(self, data: bytes) -> None:
        self.data += data

    def pause_writing(self) -> None:
        self.paused.append(True)

    def resume_writing(self) -> None:
        self.paused.append(False)

    def connection_lost(self) -> None:
        self.lost = True


def test_a_handed_over_socket_belongs_to_the_receiver(wires: Wires) -> None:
    receiver = Receiver()

    def take(ctx: Context, args: list[bytes]) -> object:
        ctx.client().outlet.hand_over(receiver)
        return NO_REPLY

    name = b"testtake"
    TABLE.pop(name, None)
    TABLE[name] = Command("TESTTAKE", take, 0)
    client, transport = wires.connect()
    client.data_received(PING + request(b"TESTTAKE") + b"rest of the read")
    assert transport.sent == b"+PONG\r\n"
    assert receiver.transport is transport and receiver.data == b"rest of the read"
    client.data_received(b", more")
    client.push(Push([b"not for a follower"]))
    wires.turn()
    client.pause_writing()
    client.resume_writing()
    assert receiver.data == b"rest of the read, more" and receiver.paused == [True, False]
    assert transport.sent == b"+PONG\r\n"
    client.connection_lost(None)
    assert receiver.lost and not wires.engine.sessions
