"""Streams in RDB: what real servers write is read, what is written they load; damage is found."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import cast

import pytest

from node.persist.rdb_codes import RdbError
from node.persist.rdb_reader import read_dump
from node.persist.rdb_records import Opaque
from node.persist.rdb_streams import opaque_of, stream_of
from node.persist.rdb_writer import dump_payload
from node.store.values.groups import Group
from node.store.values.stream_ids import ID_MAX, id_of
from node.store.values.stream_nodes import NodeLimits
from node.store.values.streams import StreamValue
from tests.support.servers import Client, DebianRedis, RealRedis, Server, Valkey
from tests.support.transcript import Shown

TYPES = {9: 15, 10: 19, 11: 21, 12: 21}


@pytest.fixture(scope="module")
def redis_8() -> Iterator[Client]:
    # Damage inside nodes is searched for too, and strings stay as they are.
    options = ("--sanitize-dump-payload", "yes", "--rdbcompression", "no")
    with RealRedis(*options) as server, server.client() as client:
        yield client


@pytest.fixture(scope="module", params=[RealRedis, Valkey, DebianRedis], ids=lambda s: s.__name__)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with request.param() as running:
        yield running


def sample() -> StreamValue:
    """Several nodes, deleted entries, numbers and long texts, two groups with pending entries."""
    source = random.Random(4)
    stream = StreamValue()
    limits = NodeLimits(7, 4096)
    for i in range(1, 60):
        items = [b"f", b"%d" % source.choice([i, -i, 10**i % 2**63, -(2**62)]), b"g", b"x" * i * 9]
        if i % 5 == 0:
            items = [b"other", b"007"]
        stream.do_add(id_of(1700000000000 + i // 3, i), items, 0, limits)
    stream.do_add(id_of(2**63 + 5, 2**64 - 1), [b"", b""], 0, limits)
    stream.do_delete([id_of(1700000000000 + i // 3, i) for i in (1, 9, 10, 30)], False)
    stream.do_trim(id_of(1700000000001, 0))
    for name, reads in ((b"group", 12), (b"12", -1)):
        group = Group(name, id_of(1700000000005, 15), reads)
        stream.groups[name] = group
        for consumer, first in ((b"alice", 9), (b"bob", 12)):
            for i in range(first, first + 3):
                number = id_of(1700000000000 + i // 3, i)
                group.do_deliver(group.do_consumer(consumer, 1700000000500), number, 999, i)
        group.do_consumer(b"idle", 5)
    return stream


def payload_of(stream: StreamValue, version: int) -> bytes:
    return dump_payload(b"stream", opaque_of(stream, version), version)


def stream_from(payload: bytes) -> StreamValue:
    record = read_dump(payload)
    assert record.kind == b"stream"
    return stream_of(cast(Opaque, record.value))


@pytest.mark.parametrize("version", [10, 11, 12])
def test_a_stream_comes_back_whole(version: int) -> None:
    stream = sample()
    opaque = opaque_of(stream, version)
    assert opaque.type_number == TYPES[version]
    back = stream_of(opaque)
    assert back.parts() == stream.parts()
    assert back.first_id == stream.first_id
    assert opaque_of(back, version).data == opaque.data


def test_times_come_back_too() -> None:
    stream = sample()
    group = stream.groups[b"group"]
    group.consumers[b"alice"].active_ms = 1700000000600
    back = stream_of(opaque_of(stream, 12)).groups[b"group"]
    assert [each.seen_ms for each in back.in_order()] == [1700000000500, 1700000000500, 5]
    assert [each.active_ms for each in back.in_order()] == [1700000000600, -1, -1]
    assert back.pending[back.order.first()].time_ms == 999


def test_the_oldest_form_counts_anew() -> None:
    """Redis 5 and KeyDB keep neither what was ever added nor what was deleted."""
    stream = sample()
    back = stream_of(opaque_of(stream, 9))
    assert back.entries_added == stream.length
    assert back.max_deleted_id == 0
    assert back.last_id == stream.last_id
    assert back.first_id == stream.first_id
    assert list(back.groups[b"group"].pending) == list(stream.groups[b"group"].pending)


def test_an_empty_stream_and_one_of_the_last_id() -> None:
    stream = StreamValue()
    assert stream_of(opaque_of(stream, 12)).parts() == stream.parts()
    stream.do_add(ID_MAX, [b"f", b"v"], 0, NodeLimits())
    back = stream_of(opaque_of(stream, 12))
    assert back.parts() == stream.parts()
    assert back.last_id == ID_MAX


def test_a_stream_that_was_read_grows_on() -> None:
    stream = sample()
    back = stream_of(opaque_of(stream, 12))
    for each in (stream, back):
        each.do_add(id_of(2**63 + 9, 0), [b"f", b"v"], 0, NodeLimits(7, 4096))
        each.do_delete([each.last_entry_id()], False)
        each.do_add(id_of(2**63 + 10, 0), [b"f", b"v"], 0, NodeLimits(7, 4096))
    assert back.parts() == stream.parts()


def test_damage_is_an_rdb_error_and_nothing_else() -> None:
    """Goal: no byte can make another exception, or a stream that fails later. Method: change each
    byte of a small stream, and use what is still read."""
    stream = StreamValue()
    for i in range(1, 6):
        stream.do_add(id_of(i, i), [b"f", b"v%d" % i], 0, NodeLimits(2, 4096))
    group = Group(b"g", id_of(2, 2), 2)
    stream.groups[b"g"] = group
    group.do_deliver(group.do_consumer(b"c", 7), id_of(2, 2), 9, 1)
    data = opaque_of(stream, 12).data
    refused = 0
    for at in range(len(data)):
        for flip in (1, 0x80, 0xFF):
            changed = data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]
            try:
                back = stream_of(Opaque(21, changed))
            except RdbError:
                refused += 1
                continue
            back.parts()
            back.do_delete([id_of(3, 3)], False)
            back.do_add(ID_MAX, [b"f", b"v"], 0, NodeLimits())
            assert stream_of(opaque_of(back, 12)).parts() == back.parts()
    assert refused > len(data)
    for end in range(len(data)):
        with pytest.raises(RdbError):
            stream_of(Opaque(21, data[:end]))
    with pytest.raises(RdbError, match="goes on behind its end"):
        stream_of(Opaque(21, data + b"\0"))


# --- real servers ---------------------------------------------------------------------------------


def fill(client: Client, key: str) -> None:
    """A stream with much of what a stream can have."""
    client.call("DEL", key)
    for i in range(1, 250):
        fields = ("f", str(i), "g", "x" * (i % 70)) if i % 4 else ("other", str(-i * 10**12))
        client.call("XADD", key, f"{i // 3}-{i}", *fields)
    client.call("XTRIM", key, "MAXLEN", "200")
    client.call("XDEL", key, "20-60", "20-61", "83-249")
    client.call("XGROUP", "CREATE", key, "g", "0")
    client.call("XGROUP", "CREATE", key, "h", "$")
    client.call("XREADGROUP", "GROUP", "g", "c", "COUNT", "5", "STREAMS", key, ">")
    client.call("XREADGROUP", "GROUP", "g", "d", "COUNT", "2", "STREAMS", key, ">")
    client.call("XGROUP", "CREATECONSUMER", key, "g", "idle")


def shown(client: Client, key: str) -> list[Shown]:
    """All that the server tells of a stream but times."""
    return [
        client.call("XRANGE", key, "-", "+"), client.call("XINFO", "STREAM", key),
        client.call("XINFO", "GROUPS", key), client.call("XPENDING", key, "g"),
    ]  # fmt: skip


def restore(client: Client, key: str, payload: bytes) -> None:
    reply = client.call("RESTORE", key, "0", payload, "REPLACE")
    assert reply.text == b"OK", reply


def test_what_a_server_dumps_is_read_and_can_be_restored(server: Server) -> None:
    with server.client() as client:
        fill(client, "s")
        stream = stream_from(client.call("DUMP", "s").text)
        assert stream.length == int(client.call("XLEN", "s").text)
        assert len(stream.groups[b"g"].pending) == 7
        version = 10 if isinstance(server, DebianRedis) else 11
        restore(client, "copy", payload_of(stream, version))
        assert shown(client, "copy") == shown(client, "s")


def test_redis_has_the_same_bytes(redis_8: Client) -> None:
    fill(redis_8, "s")
    theirs = redis_8.call("DUMP", "s").text
    assert payload_of(stream_from(theirs), 12) == theirs


def test_a_stream_made_here_is_in_redis_the_same_bytes(redis_8: Client) -> None:
    """Goal: nodes are closed and entries packed as Redis does it. Method: the same commands."""
    stream = StreamValue()
    redis_8.call("DEL", "s")
    for i in range(1, 300):
        fields = [b"f", b"%d" % (i * 7919), b"g", b"x" * (i % 90)]
        if i % 7 == 0:
            fields = [b"1", b"-12345678901"]
        redis_8.call("XADD", "s", f"{i}-{i % 3}", *fields)
        stream.do_add(id_of(i, i % 3), fields, 0, NodeLimits())
    redis_8.call("XDEL", "s", "50-2", "299-2", "1-1")
    stream.do_delete([id_of(50, 2), id_of(299, 2), id_of(1, 1)], False)
    redis_8.call("XTRIM", "s", "MINID", "20")
    stream.do_trim(id_of(20, 0))
    assert payload_of(stream, 12) == redis_8.call("DUMP", "s").text


@pytest.mark.parametrize("version", [9, 10, 11, 12])
def test_redis_takes_our_payloads(redis_8: Client, version: int) -> None:
    stream = sample()
    restore(redis_8, "ours", payload_of(stream, version))
    back = stream_from(redis_8.call("DUMP", "ours").text)
    if version > 9:
        assert back.parts() == stream.parts()
    assert stream.length == int(redis_8.call("XLEN", "ours").text)
