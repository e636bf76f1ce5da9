"""The gate of `appendfsync always`: no reply before the disk has what it relies on, order kept."""

from __future__ import annotations

import pytest

from node.net.connection import STOP_BYTES
from node.net.gate import ReplyGate
from tests.unit.net.wires import Wires, request

PING = request(b"PING")
SET = request(b"SET", b"k", b"v")
GET = request(b"GET", b"k")


@pytest.fixture
def wires() -> Wires:
    return Wires()


def test_an_open_gate_holds_nothing(wires: Wires) -> None:
    ReplyGate(wires.hub)
    client, transport = wires.connect()
    client.data_received(SET)
    assert transport.sent == b"+OK\r\n"


def test_replies_wait_for_the_group_of_the_write(wires: Wires) -> None:
    gate = ReplyGate(wires.hub)
    writer, to_writer = wires.connect()
    reader, to_reader = wires.connect()
    gate.mark()
    writer.data_received(SET)
    reader.data_received(GET)
    gate.seal()
    assert to_writer.sent == b"" and to_reader.sent == b""
    gate.release()
    assert to_writer.sent == b"+OK\r\n" and to_reader.sent == b"$1\r\nv\r\n"
    reader.data_received(GET)
    assert to_reader.writes == 2, "the gate is open again"


def test_who_reads_while_a_group_is_under_way_waits_for_it_alone(wires: Wires) -> None:
    gate = ReplyGate(wires.hub)
    writer, to_writer = wires.connect()
    reader, to_reader = wires.connect()
    gate.mark()
    writer.data_received(SET)
    gate.seal()
    reader.data_received(GET)
    gate.mark()
    writer.data_received(SET)
    gate.release()
    assert to_writer.sent == b"+OK\r\n" and to_reader.sent == b"$1\r\nv\r\n"
    gate.seal()
    gate.release()
    assert to_writer.sent == b"+OK\r\n" * 2


def test_the_order_of_a_clients_replies_is_kept_over_several_groups(wires: Wires) -> None:
    gate = ReplyGate(wires.hub)
    client, transport = wires.connect()
    gate.mark()
    client.data_received(request(b"ECHO", b"1"))
    gate.seal()
    gate.mark()
    client.data_received(request(b"ECHO", b"2"))
    gate.release()
    assert transport.sent == b"$1\r\n1\r\n"
    client.data_received(request(b"ECHO", b"3"))
    gate.seal()
    gate.release()
    assert transport.sent == b"".join(b"$1\r\n%d\r\n" % number for number in (1, 2, 3))


def test_while_the_disk_takes_nothing_reads_are_answered_and_writers_wait(wires: Wires) -> None:
    gate = ReplyGate(wires.hub)
    writer, to_writer = wires.connect()
    reader, to_reader = wires.connect()
    gate.mark()
    writer.data_received(SET)
    reader.data_received(GET)
    gate.seal()
    gate.block()
    assert to_reader.sent == b"$1\r\nv\r\n", "who had only read is let go"
    reader.data_received(GET)
    assert to_reader.sent == b"$1\r\nv\r\n" * 2
    writer.data_received(PING)
    assert to_writer.sent == b"", "its replies keep their order"
    gate.unblock()
    gate.mark()
    reader.data_received(SET)
    gate.release()
    assert to_writer.sent == b"+OK\r\n+PONG\r\n"
    assert not to_reader.sent.endswith(b"+OK\r\n"), "its own write belongs to the next group"


def test_a_client_that_quits_gets_what_it_waits_for_first(wires: Wires) -> None:
    gate = ReplyGate(wires.hub)
    client, transport = wires.connect()
    gate.mark()
    client.data_received(SET + request(b"QUIT"))
    gate.seal()
    assert not transport.closed
    gate.release()
    assert transport.sent == b"+OK\r\n+OK\r\n" and transport.closed


def test_a_client_that_is_gone_is_sent_nothing(wires: Wires) -> None:
    gate = ReplyGate(wires.hub)
    client, transport = wires.connect()
    gate.mark()
    client.data_received(SET)
    client.connection_lost(None)
    gate.seal()
    gate.release()
    assert transport.sent == b""


def test_what_is_held_back_counts_as_output(wires: Wires) -> None:
    gate = ReplyGate(wires.hub)
    client, transport = wires.connect()
    large = b"x" * int(STOP_BYTES // 4)
    client.data_received(request(b"SET", b"k", large))
    sent = len(transport.sent)
    gate.mark()
    for _ in range(5):
        client.data_received(GET)
    assert client.buffered()[1] > STOP_BYTES and not transport.reading
    gate.seal()
    gate.release()
    while wires.turn():
        pass
    assert len(transport.sent) - sent > 5 * len(large) and transport.reading
