"""DUMP and RESTORE: effects, events, versions, and payloads that mean harm."""

import random

import pytest

from node.persist.rdb_codes import crc64
from node.resp.replies import Failure
from tests.support.local import LocalNode

MAKING = (
    "SET k hello",
    "RPUSH k a b c 1 2 3 70000 " + "x" * 100,
    "SADD k 1 2 70000",
    "SADD k a b 3",
    "SADD k " + " ".join(f"m{n}" for n in range(200)),
    "HSET k f v g w",
    "HSET k f v g " + "w" * 100,
    "ZADD k 1 a 2.5 b -inf c",
    "ZADD k " + " ".join(f"{n} m{n}" for n in range(200)),
    "XADD k 1-1 f v g w",
)


def payload(node: LocalNode) -> bytes:
    """What DUMP gives for k."""
    found = node("DUMP k")
    assert isinstance(found, bytes)
    return found


def sealed(body: bytes, version: int) -> bytes:
    """A payload with a right checksum around any bytes."""
    body += version.to_bytes(2, "little")
    return body + crc64(body).to_bytes(8, "little")


def restore(node: LocalNode, key: bytes, data: bytes, *options: bytes) -> object:
    return node.call(0, [b"RESTORE", key, b"0", data, *options])


def test_restore_is_a_put_and_its_event_is_restore() -> None:
    node = LocalNode(directives=("--notify-keyspace-events", "KEA"))
    node("SADD k a b")
    data = payload(node)
    listener = node.session()
    node.call(listener, [b"PSUBSCRIBE", b"__keyevent@0__:*"])
    node.effects()
    restore(node, b"other", data)
    assert node.call(0, [b"RESTORE", b"other", b"5000", data, b"REPLACE"]).text == b"OK"  # type: ignore[attr-defined]
    puts = [line for line in node.effects() if line.startswith("PUT other")]
    assert len(puts) == 2 and puts[1].endswith(str(int(node.time_s * 1000) + 5000))
    told = [push.items[2:] for push in node.inbox(listener).pushed]  # type: ignore[attr-defined]
    assert [b"__keyevent@0__:restore", b"other"] in told


def test_restore_with_a_passed_deadline_drops_what_was_there() -> None:
    node = LocalNode()
    node("SET k v")
    data = payload(node)
    node.effects()
    node.call(0, [b"RESTORE", b"k", b"1", data, b"REPLACE", b"ABSTTL"])
    node.call(0, [b"RESTORE", b"k", b"1", data, b"ABSTTL"])
    assert node.effects() == ["DROP k"]


@pytest.mark.parametrize("version", [9, 10, 11, 12])
@pytest.mark.parametrize("making", MAKING)
def test_a_payload_of_every_version_is_read(making: str, version: int) -> None:
    node = LocalNode(directives=("--rdb-version", str(version)))
    node(making)
    data = payload(node)
    assert int.from_bytes(data[-10:-8], "little") == version
    restore(node, b"copy", data)
    values = node.engine.databases[0]
    first, second = values.glance(b"k"), values.glance(b"copy")
    assert type(first) is type(second)
    if not making.startswith("XADD"):  # a stream of version 9 has lost its counters
        assert node("DEBUG DIGEST-VALUE k") is not None
        node("DEL k")
        restore(node, b"k", data)
        assert payload(node) == data or "m199" in making or "w" * 100 in making


def test_a_copy_is_dumped_alike() -> None:
    """The past of a value, which its encoding tells, goes with COPY and RENAME."""
    node = LocalNode(directives=("--set-max-listpack-entries", "3"))
    node("SADD k a b c d")
    node("SREM k d")
    data = payload(node)
    node("COPY k twin")
    assert node("DUMP twin") == data
    node("RENAME twin third")
    assert node("DUMP third") == data
    restore(node, b"fresh", data)
    assert node("OBJECT ENCODING fresh") == b"listpack"


def test_idle_time_and_use_are_taken_over() -> None:
    node = LocalNode()
    node("SET k v")
    data = payload(node)
    restore(node, b"idle", data, b"IDLETIME", b"500")
    assert node("OBJECT IDLETIME idle") == 500
    node("CONFIG SET maxmemory-policy allkeys-lfu")
    restore(node, b"used", data, b"FREQ", b"200")
    assert node("OBJECT FREQ used") == 200


@pytest.mark.parametrize("version", [0, 13, 79, 81, 65535])
def test_an_unknown_version_is_told_as_redis_does(version: int) -> None:
    reply = restore(LocalNode(), b"k", sealed(b"\x00\x01v", version))
    assert isinstance(reply, Failure)
    assert reply.text == b"ERR DUMP payload version or checksum are wrong"


@pytest.mark.parametrize(
    "body",
    [
        b"\x00",
        b"\x00\x05abc",
        b"\x02\x00",  # a set of none
        b"\x02\x81\x7f\xff\xff\xff\xff\xff\xff\xff",  # of 2**63 members, none of which is there
        b"\x04\x02\x01a\x01b\x01a\x01c",  # a field twice
        b"\x05\x01\x01m\x00\x00\x00\x00\x00\x00\xf8\x7f",  # a score that is not a number
        b"\x06\x00",
        b"\x0b\x08\x03\x00\x00\x00\x01\x00\x00\x00",  # an intset of width 3
        b"\x12\x01\x03\x01a",  # a node in no known container
        b"\x15\x01\x10" + b"\x00" * 16,  # a stream cut short
        b"\xc3\x05\x90\x00\x00",
        b"\x00\xc3\x03\x8f\xff\xff\xff\xff\x01\x02\x03",  # three bytes that would be four billion
        b"\x40\x00",  # KeyDB's cron job
        b"\x7f",
        b"\xff",
    ],
)
def test_damage_is_a_bad_format(body: bytes) -> None:
    node = LocalNode()
    reply = restore(node, b"k", sealed(body, 12))
    assert isinstance(reply, Failure)
    assert reply.text == b"ERR Bad data format"
    assert node("DBSIZE") == 0


@pytest.mark.parametrize("making", MAKING)
def test_a_payload_that_was_tampered_with_does_no_harm(making: str) -> None:
    """Whatever its bytes, it is refused or gives a value that all commands can read."""
    node = LocalNode()
    node(making)
    whole = payload(node)[:-10]
    dice = random.Random(making)
    for _ in range(300):
        body = bytearray(whole)
        for _ in range(dice.randrange(1, 4)):
            place = dice.randrange(len(body))
            body[place] = dice.choice((0, 1, 127, 128, 195, 255, dice.randrange(256)))
        if dice.randrange(3) == 0:
            del body[dice.randrange(len(body)) :]
        version = dice.choice((9, 10, 12, 80))
        reply = restore(node, b"other", sealed(bytes(body), version), b"REPLACE")
        if isinstance(reply, Failure):
            assert reply.text.startswith(b"ERR ")
            continue
        node("DUMP other")
        node("OBJECT ENCODING other")
        node("COPY other again REPLACE")
        node("XINFO STREAM other FULL")
        node("DEL other")
