"""Files and DUMP payloads exchanged with real servers, in both directions.

Redis 8.2.3 is the behaviour that is promised; Valkey and the system's older Redis write other
versions of the format. A server that is not installed fails the test in CI.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import cast

import pytest
import redis

from node.persist.rdb_reader import read_dump
from node.persist.rdb_records import Aux, Function, KeyRecord, Opaque, Record
from node.persist.rdb_writer import RdbWriter, dump_payload
from tests.support.servers import DebianRedis, RealRedis, Server, Valkey
from tests.unit.persist.rdb_files import keys_of, read_all

AT_MS = 1900000000123  # a deadline in 2030
WORDS = [b"member-%d" % number for number in range(600)]
# Both sides of every limit of every collection.
STRINGS = [
    b"", b"0", b"-1", b"007", b"127", b"-128", b"128", b"32768", b"2147483647", b"-2147483648",
    b"2147483648", b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808",
    b"x" * 63, b"x" * 64, b"abc" * 6000, bytes(range(256)) * 80,
]  # fmt: skip
LISTS = [
    [b"a"], [b"%d" % n for n in range(5000)], [b"x" * 8192], [b"x" * 8193], [b"", b"-0", b"00"],
    [b"a", b"x" * 20000, b"b"], [b"y" * 70] * 400, [b"%d" % (3**n) for n in range(41)],
    [b"x" * 16381, b"x" * 126, b"x" * 127, b"x" * 4095, b"x" * 4096],
]  # fmt: skip
SETS = [
    [b"1"], [b"-32769", b"32767"], [b"-9223372036854775808", b"9223372036854775807"],
    [b"%d" % n for n in range(512)], [b"%d" % n for n in range(513)], [b"1", b"01"],
    WORDS[:128], WORDS[:129], [b"x" * 64], [b"x" * 65],
]  # fmt: skip
HASHES = [
    [(b"f", b"v"), (b"", b"")], [(word, b"1") for word in WORDS[:512]],
    [(word, b"1") for word in WORDS[:513]], [(b"f", b"v" * 64)], [(b"f", b"v" * 65)],
]  # fmt: skip
ZSETS = [
    [(b"a", 1.0), (b"b", -2.5), (b"i", float("inf")), (b"j", float("-inf")), (b"z", 0.1)],
    [(b"b", 1.0), (b"a", 1.0), (b"c", 1e17), (b"d", 123456789012345.0), (b"e", 5e-324)],
    [(word, n / 3) for n, word in enumerate(WORDS[:128])],
    [(word, n / 3) for n, word in enumerate(WORDS[:129])],
    [(b"m" * 65, 1.0)],
]  # fmt: skip
VALUES: list[tuple[bytes, object]] = [
    *[(b"string", value) for value in STRINGS],
    *[(b"list", value) for value in LISTS],
    *[(b"set", value) for value in SETS],
    *[(b"hash", value) for value in HASHES],
    *[(b"zset", value) for value in ZSETS],
]


@pytest.fixture(scope="module")
def redis_8() -> Iterator[Server]:
    # Damage inside packed values is searched for, not only around them.
    with RealRedis("--sanitize-dump-payload", "yes") as server:
        yield server


@pytest.fixture(scope="module", params=[RealRedis, Valkey, DebianRedis], ids=lambda s: s.__name__)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with request.param() as running:
        yield running


def client_of(server: Server, db: int = 0) -> redis.Redis:
    return redis.Redis(port=server.port, db=db, protocol=2)


def sorted_value(kind: bytes, value: object) -> object:
    """The value in an order of its own where the server's means nothing."""
    return value if kind in (b"string", b"list") else sorted(cast(list[tuple[bytes, bytes]], value))


def value_at(client: redis.Redis, kind: bytes, key: bytes) -> object:
    """What the server shows under a key, in the form of KeyRecord."""
    if kind == b"string":
        return client.get(key)
    if kind == b"list":
        return client.lrange(key, 0, -1)
    if kind == b"set":
        return sorted(client.smembers(key))
    if kind == b"hash":
        return sorted(client.hgetall(key).items())
    return sorted(client.zrange(key, 0, -1, withscores=True))


def everything(client: redis.Redis) -> dict[bytes, object]:
    keys = cast(list[bytes], client.keys("*"))
    return {key: value_at(client, cast(bytes, client.type(key)), key) for key in keys}


def put(client: redis.Redis, kind: bytes, key: bytes, value: object) -> None:
    if kind == b"string":
        client.set(key, cast(bytes, value))
    elif kind == b"list":
        client.rpush(key, *cast(list[bytes], value))
    elif kind == b"set":
        client.sadd(key, *cast(list[bytes], value))
    elif kind == b"hash":
        client.hset(key, mapping=dict(cast(list[tuple[bytes, bytes]], value)))
    else:
        client.zadd(key, dict(cast(list[tuple[bytes, float]], value)))


def written_file(version: int) -> bytes:
    """Every value of VALUES in database 0, some with a deadline; one key in database 5."""
    writer = RdbWriter(version)
    data = writer.header([(b"redis-ver", b"8.2.3"), (b"plexis-vector", b"\x00\x01")])
    data += writer.select(0, len(VALUES), 1)
    for number, (kind, value) in enumerate(VALUES):
        aux = [(b"mvcc-tstamp", b"1882462777574948866"), (b"plexis-dots", b"d" * 40)]
        deadline_ms = AT_MS if number % 3 == 0 else 0
        pieces = writer.pieces(kind, b"k%d" % number, value, deadline_ms, aux)
        data += b"".join(pieces)
    data += writer.aux(b"plexis-hidden", b"h") + writer.select(5, 1, 0)
    data += writer.key(b"string", b"five", b"5", 0, [])
    return data + writer.end()


def load(server: Server, data: bytes) -> None:
    """Has the server start from this file."""
    (server.folder / "dump.rdb").write_bytes(data)
    server.restart()


def saved_file(server: Server) -> bytes:
    client_of(server).save()
    return (server.folder / "dump.rdb").read_bytes()


@pytest.mark.parametrize("version", [9, 10, 11, 12])
def test_redis_8_loads_our_files(redis_8: Server, version: int) -> None:
    load(redis_8, written_file(version))
    client = client_of(redis_8)
    assert client.dbsize() == len(VALUES)
    for number, (kind, value) in enumerate(VALUES):
        key = b"k%d" % number
        assert value_at(client, kind, key) == sorted_value(kind, value), key
        assert client.pexpiretime(key.decode()) == (AT_MS if number % 3 == 0 else -1)
    assert client_of(redis_8, 5).get("five") == b"5"
    # It can work on what it loaded, not only show it.
    for number, (kind, _) in enumerate(VALUES):
        if kind == b"list":
            assert client.lpop(f"k{number}") is not None
            client.rpush(f"k{number}", b"new")
        elif kind == b"zset":
            assert client.zadd(f"k{number}", {b"new": 0.5}) == 1
        elif kind == b"hash":
            assert client.hset(f"k{number}", b"new", b"v" * 100) == 1
        elif kind == b"set":
            assert client.sadd(f"k{number}", b"new") == 1


def test_other_servers_load_our_files_of_their_version(server: Server) -> None:
    load(server, written_file(10))
    client = client_of(server)
    for number, (kind, value) in enumerate(VALUES):
        key = b"k%d" % number
        assert value_at(client, kind, key) == sorted_value(kind, value), key


@pytest.mark.parametrize("version", [9, 10, 11, 12])
def test_redis_8_restores_our_dump_payloads(redis_8: Server, version: int) -> None:
    client = client_of(redis_8)
    for kind, value in VALUES:
        stamp = [(b"mvcc-tstamp", b"1882462777574948866")] if version == 9 else []
        client.restore("r", 0, dump_payload(kind, value, version, stamp), replace=True)
        assert value_at(client, kind, b"r") == sorted_value(kind, value)


def test_redis_8_keeps_the_field_deadlines_we_write(redis_8: Server) -> None:
    fields = [(b"f%d" % n, b"v" * (n % 80), AT_MS + n if n % 2 else 0) for n in range(600)]
    writer = RdbWriter(12)
    data = writer.header([]) + writer.select(0, 2, 0)
    data += writer.key(b"hash_ttl", b"small", fields[:9], 0, [])
    data += writer.key(b"hash_ttl", b"large", fields, 0, []) + writer.end()
    load(redis_8, data)
    client = client_of(redis_8)
    for key, part in ((b"small", fields[:9]), (b"large", fields)):
        names = [name for name, _, _ in part]
        assert client.hgetall(key) == {name: value for name, value, _ in part}
        assert client.hpexpiretime(key, *names) == [at or -1 for _, _, at in part]
    again = {key.key: key for key in keys_of(read_all(saved_file(redis_8), 4096))}
    assert sorted(cast(list[tuple[bytes, bytes, int]], again[b"large"].value)) == sorted(fields)
    assert sorted(cast(list[tuple[bytes, bytes, int]], again[b"small"].value)) == sorted(fields[:9])


def fill(client: redis.Redis) -> None:
    """VALUES, and what is read but not made here: streams with groups, a function."""
    client.flushall()
    for number, (kind, value) in enumerate(VALUES):
        put(client, kind, b"k%d" % number, value)
        if number % 3 == 0:
            client.pexpireat(b"k%d" % number, AT_MS)
    client.function_load("#!lua name=m\nredis.register_function('f', function() end)", replace=True)
    for number in range(300):
        client.xadd("stream", {b"field": b"%d" % number}, id=f"{number + 1}-1")
    client.xdel("stream", "7-1")
    for group in ("g", "h"):
        client.xgroup_create("stream", group, "0")
        client.xreadgroup(group, "c", {"stream": ">"}, count=40)
        client.xreadgroup(group, "d", {"stream": ">"}, count=4)


@pytest.mark.parametrize("compressed", ["yes", "no"])
def test_files_of_real_servers_are_read(server: Server, compressed: str) -> None:
    client = client_of(server)
    client.config_set("rdbcompression", compressed)
    fill(client)
    data = saved_file(server)
    records = read_all(data, 1013)
    keys = {key.key: key for key in keys_of(records)}
    assert len(keys) == len(VALUES) + 1
    for number, (kind, value) in enumerate(VALUES):
        key = keys[b"k%d" % number]
        assert (key.kind, key.deadline_ms) == (kind, AT_MS if number % 3 == 0 else 0)
        assert sorted_value(kind, key.value) == sorted_value(kind, value)
    stream = keys[b"stream"]
    assert stream.kind == b"stream"
    assert isinstance(stream.value, Opaque)
    assert [type(record) for record in records].count(Function) == 1
    assert isinstance(records[0], Aux)
    assert records[0].name in (b"redis-ver", b"valkey-ver")


def test_dump_payloads_of_real_servers_are_read(server: Server) -> None:
    client = client_of(server)
    fill(client)
    for number, (kind, value) in enumerate(VALUES):
        record = read_dump(cast(bytes, client.dump(b"k%d" % number)))
        assert record.kind == kind
        assert sorted_value(kind, record.value) == sorted_value(kind, value)


def test_a_stream_goes_through_us_unchanged(server: Server) -> None:
    client = client_of(server)
    fill(client)
    before = stream_view(client)
    record = read_dump(cast(bytes, client.dump("stream")))
    version = 10 if cast(Opaque, record.value).type_number == 19 else 11
    client.restore("stream", 0, dump_payload(b"stream", record.value, version), replace=True)
    assert stream_view(client) == before
    writer = RdbWriter(version)
    data = writer.header([]) + writer.key(b"stream", b"stream", record.value, 0, []) + writer.end()
    load(server, data)
    assert stream_view(client_of(server)) == before


def stream_view(client: redis.Redis) -> list[object]:
    return [
        client.xrange("stream"),
        [
            (entry["message_id"], entry["consumer"], entry["times_delivered"])
            for entry in client.xpending_range("stream", "g", "-", "+", 10_000)
        ],
        [(group["name"], group["pending"]) for group in client.xinfo_groups("stream")],
        sorted(consumer["name"] for consumer in client.xinfo_consumers("stream", "h")),
    ]


@pytest.mark.parametrize("kind", [RealRedis, Valkey])
def test_hash_fields_with_deadlines_are_read(kind: type[Server]) -> None:
    with kind() as server:
        client = client_of(server)
        fields = {b"f%d" % number: b"v" * (number % 70) for number in range(700)}
        for key, names in ((b"small", list(fields)[:5]), (b"large", list(fields))):
            client.hset(key, mapping={name: fields[name] for name in names})
            for number, name in enumerate(names[::2]):
                client.hpexpireat(key, AT_MS + number, name)
        for record in [
            *keys_of(read_all(saved_file(server), 997)),
            read_dump(cast(bytes, client.dump("small"))),
            read_dump(cast(bytes, client.dump("large"))),
        ]:
            assert record.kind == b"hash_ttl"
            value = cast(list[tuple[bytes, bytes, int]], record.value)
            names = list(fields)[: len(value)]
            assert {name: text for name, text, _ in value} == {n: fields[n] for n in names}
            deadlines = {name: at for name, _, at in value if at}
            assert deadlines == {name: AT_MS + n for n, name in enumerate(names[::2])}


def test_idle_times_and_frequencies_are_read() -> None:
    for policy, field in (("allkeys-lru", "idle"), ("allkeys-lfu", "freq")):
        with RealRedis("--maxmemory-policy", policy) as server:
            client_of(server).set("k", "v")
            (key,) = keys_of(read_all(saved_file(server)))
            assert getattr(key, field) >= 0
            assert key.value == b"v"


def test_a_full_sync_without_a_disk_is_read(redis_8: Server) -> None:
    """What a replica gets: the file in the $EOF form, here taken from the connection."""
    client = client_of(redis_8)
    fill(client)
    client.config_set("repl-diskless-sync-delay", 0)
    with redis_8.client() as link:
        link.send([b"REPLCONF", b"capa", b"eof"])
        assert link.stream.readline() == b"+OK\r\n"
        link.send([b"PSYNC", b"?", b"-1"])
        assert link.stream.readline().startswith(b"+FULLRESYNC ")
        while (line := link.stream.readline()) == b"\n":
            pass
        assert line.startswith(b"$EOF:")
        mark = line[5:-2]
        received = b""
        while not received.endswith(mark):
            received += link.stream.read(1)
    records: list[Record] = read_all(received[: -len(mark)], 333)
    assert len([record for record in records if isinstance(record, KeyRecord)]) == len(VALUES) + 1


def test_what_redis_saved_goes_through_us_unchanged(redis_8: Server) -> None:
    """Reads what Redis saved, writes it, has Redis load that: it shows the same data."""
    client = client_of(redis_8)
    client.flushall()
    dice = random.Random(20261121)
    for _ in range(400):
        kind, value = dice.choice(VALUES)
        put(client, kind, b"%b%d" % (kind, dice.randrange(60)), value)
    before = everything(client)
    writer = RdbWriter(11)
    data = writer.header([]) + writer.select(0, len(before), 0)
    for key in keys_of(read_all(saved_file(redis_8))):
        data += writer.key(key.kind, key.key, key.value, key.deadline_ms, key.aux)
    load(redis_8, data + writer.end())
    assert everything(client_of(redis_8)) == before
