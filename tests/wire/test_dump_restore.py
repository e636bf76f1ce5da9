"""DUMP of Redis 8.2.3, Valkey and Debian's Redis, RESTOREd here, and ours there.

Every type and encoding, at sizes around each threshold; compared by reading the data. Redis 8.2.3's
payloads are ours byte for byte, but where its hash tables iterate in an order of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.support.servers import Client, DebianRedis, Ours, RealRedis, Server, Valkey
from tests.support.transcript import Shown

pytestmark = pytest.mark.wire

Step = tuple[str | float, ...]
KEY = "k"
COPY = "copy"
# Far enough not to pass while the test runs.
LATER_MS = 4_000_000_000_000


@dataclass(frozen=True)
class Sample:
    """A value that commands make. `since` is the RDB version that holds all of it; `exact`: its
    payload is the same everywhere."""

    name: str
    steps: tuple[Step, ...]
    since: int = 9
    exact: bool = True


def text(size: int) -> str:
    """Text that LZF cannot compress away entirely, and no number."""
    return "".join(chr(97 + (n * n + 3 * n) % 26) for n in range(size))


def strings() -> Iterator[Sample]:
    values = (
        "", "0", "-1", "127", "128", "-129", "32767", "32768", "-32769", "2147483647",
        "2147483648", "9223372036854775807", "9223372036854775808", "-0", "007", "1e3", "1.50",
        *(text(size) for size in (1, 20, 21, 44, 45, 63, 64, 16383, 16384)),
        "ab" * 5000, "x" * 100_000,
    )  # fmt: skip
    for number, value in enumerate(values):
        yield Sample(f"string-{number}-of-{len(value)}", (("SET", KEY, value),))


def lists() -> Iterator[Sample]:
    for count in (1, 2, 127, 128, 1000, 5000):
        yield Sample(f"list-of-{count}-numbers", tuple(("RPUSH", KEY, n) for n in range(count)))
    for count in (1, 97, 98, 500):  # 97 fill a node of 8 kB
        pushes = (("RPUSH", KEY, text(81)) for _ in range(count))
        yield Sample(f"list-of-{count}-texts", tuple(pushes))
    for size in (63, 64, 4095, 4096, 8192, 8193, 70_000):
        yield Sample(
            f"list-of-an-element-of-{size}",
            (("RPUSH", KEY, "first"), ("RPUSH", KEY, text(size)), ("RPUSH", KEY, "last")),
            exact=size < 4096,
        )
    numbers = (-1, 127, 128, -4096, 4095, 4096, -(2**15), 2**15, -(2**23), 2**23, 2**31, 2**63 - 1)
    yield Sample("list-of-widths", tuple(("RPUSH", KEY, n) for n in numbers))


def sets() -> Iterator[Sample]:
    for count in (1, 511, 512, 513):
        yield Sample(f"set-of-{count}-numbers", (("SADD", KEY, *range(count)),), exact=count < 513)
    for wide in (32767, 32768, 2147483647, 2147483648, -(2**63)):
        yield Sample(f"intset-with-{wide}", (("SADD", KEY, 5, wide, -7),))
    for count in (1, 127, 128, 129):
        members = (f"m{n}" for n in range(count))
        yield Sample(f"set-of-{count}-texts", (("SADD", KEY, *members),), exact=count < 129)
    for size in (63, 64, 65):
        yield Sample(f"set-with-a-text-of-{size}", (("SADD", KEY, text(size)),))
    yield Sample("set-that-was-an-intset", (("SADD", KEY, 30, 4), ("SADD", KEY, "x", 1)))


def hashes() -> Iterator[Sample]:
    for count in (1, 127, 128, 129, 511, 512, 513):
        pairs = [word for n in range(count) for word in (f"f{n}", n)]
        yield Sample(f"hash-of-{count}", (("HSET", KEY, *pairs),), exact=count < 513)
    for size in (63, 64, 65):
        yield Sample(f"hash-with-a-field-of-{size}", (("HSET", KEY, text(size), "v"),))
        yield Sample(f"hash-with-a-value-of-{size}", (("HSET", KEY, "f", text(size)),))


def timed_hashes() -> Iterator[Sample]:
    for count in (1, 5, 512, 513):
        pairs = [word for n in range(count) for word in (f"f{n}", n)]
        yield Sample(
            f"hash-of-{count}-with-deadlines",
            (
                ("HSET", KEY, *pairs),
                ("HPEXPIREAT", KEY, LATER_MS, "FIELDS", 1, "f0"),
                *((("HPEXPIREAT", KEY, LATER_MS + 90_000, "FIELDS", 1, "f4"),) * (count > 4)),
            ),
            exact=count < 513,
        )


def sorted_sets() -> Iterator[Sample]:
    for count in (1, 127, 128, 129, 1000):
        scores = [(n * 7 % 50 + n % 3 / 4, f"m{n}") for n in range(count)]
        pairs = [word for pair in scores for word in pair]
        yield Sample(f"zset-of-{count}", (("ZADD", KEY, *pairs),))
    for size in (63, 64, 65):
        yield Sample(f"zset-with-a-member-of-{size}", (("ZADD", KEY, 1, text(size)),))
    spelled = (
        "-inf", "inf", "0", "1.5", "0.1", "3.14159265358979", "1e20", "1e-7", "4611686018427387904",
        "9007199254740993", "1.7976931348623157e308", "5e-324", "-2.5e-9", "123456789012.5",
    )  # fmt: skip
    named = [word for n, score in enumerate(spelled) for word in (score, f"m{n}")]
    yield Sample("zset-of-scores", (("ZADD", KEY, *named),))
    yield Sample("skiplist-of-scores", (("ZADD", KEY, *named, 7, text(65)),))


def streams() -> Iterator[Sample]:
    for count in (1, 99, 100, 101, 500):
        yield Sample(
            f"stream-of-{count}",
            tuple(("XADD", KEY, f"{n + 1}-1", "field", n, "other", f"v{n}") for n in range(count)),
        )
    yield Sample(
        "stream-that-is-empty",
        (("XADD", KEY, "5-1", "f", "v"), ("XDEL", KEY, "5-1")),
        since=10,
    )
    yield Sample(
        "stream-with-groups",
        (
            *(("XADD", KEY, f"{n}-{n}", "f", n) for n in range(1, 8)),
            ("XADD", KEY, "9-0", "another", "x", "form", "y"),
            ("XDEL", KEY, "3-3"),
            ("XGROUP", "CREATE", KEY, "g", "0"),
            ("XGROUP", "CREATE", KEY, "h", "$"),
            ("XREADGROUP", "GROUP", "g", "alice", "COUNT", 3, "STREAMS", KEY, ">"),
            ("XREADGROUP", "GROUP", "g", "bob", "COUNT", 2, "STREAMS", KEY, ">"),
            ("XACK", KEY, "g", "1-1"),
            ("XGROUP", "CREATECONSUMER", KEY, "h", "carol"),
        ),
        since=10,
        exact=False,  # has times in it
    )


PLAIN = (*strings(), *lists(), *sets(), *hashes(), *sorted_sets(), *streams())
TIMED = tuple(timed_hashes())
# The version that a server reads, and to which ours is set for it.
SERVERS: tuple[tuple[type[Server], int], ...] = ((RealRedis, 12), (Valkey, 11), (DebianRedis, 10))


class Both:
    """A node of ours and another server, with a connection to each."""

    def __init__(self, ours: Client, theirs: Client, version: int) -> None:
        self.ours = ours
        self.theirs = theirs
        self.version = version
        done(ours.call("CONFIG", "SET", "rdb-version", str(version)))

    def make(self, there: Client, sample: Sample) -> bytes:
        """Makes the value at one of the two and returns its payload."""
        there.call("DEL", KEY)
        for step in sample.steps:
            there.send([str(word).encode() for word in step])
        for step in sample.steps:
            reply = there.receive()
            assert reply.kind != "error", (step[:3], reply.text)
        payload = there.call("DUMP", KEY)
        assert payload.kind == "bulk", payload
        return payload.text


@pytest.fixture(scope="module", params=SERVERS, ids=lambda param: param[0].name)
def both(request: pytest.FixtureRequest) -> Iterator[Both]:
    other, version = request.param
    with ExitStack() as stack:
        ours = stack.enter_context(Ours("--save", "", "--admin-bind", ""))
        theirs = stack.enter_context(other())
        yield Both(
            stack.enter_context(ours.client()), stack.enter_context(theirs.client()), version
        )


def done(reply: Shown) -> None:
    """The command was carried out."""
    assert reply.kind == "simple" and reply.text == b"OK", reply


def read(client: Client, key: str) -> object:
    """All that can be read of a key, in a form that does not depend on iteration."""
    kind = client.call("TYPE", key).text
    if kind == b"string":
        return kind, client.call("GET", key).text
    if kind == b"list":
        return kind, texts(client.call("LRANGE", key, "0", "-1"))
    if kind == b"set":
        return kind, sorted(texts(client.call("SMEMBERS", key)))
    if kind == b"zset":
        flat = texts(client.call("ZRANGE", key, "0", "-1", "WITHSCORES"))
        # Redis before 8 prints the same double with other digits.
        return kind, list(zip(flat[::2], map(float, flat[1::2]), strict=True))
    if kind == b"hash":
        flat = texts(client.call("HGETALL", key))
        pairs = sorted(zip(flat[::2], flat[1::2], strict=True))
        fields = [field for field, _ in pairs]
        times = client.call("HPEXPIRETIME", key, "FIELDS", str(len(fields)), *fields)
        # Redis before 7.4 has no such command, and no such deadlines.
        return kind, pairs, [b"-1"] * len(fields) if times.kind == "error" else texts(times)
    assert kind == b"stream", kind
    return kind, stream_of(client, key)


def stream_of(client: Client, key: str) -> object:
    """A stream with its groups, without what depends on the time or on how nodes are cut."""
    info = client.call("XINFO", "STREAM", key, "FULL", "COUNT", "0")
    return shown(info, drop=(b"radix-tree-keys", b"radix-tree-nodes", b"seen-time", b"active-time"))


def shown(reply: Shown, drop: tuple[bytes, ...]) -> object:
    """A reply as plain data, without the fields named; delivery times are left out too."""
    if not reply.items:
        return reply.text
    out: list[object] = []
    at = 0
    items = reply.items
    while at < len(items):
        if items[at].text in drop:
            at += 2
            continue
        out.append(shown(items[at], drop))
        at += 1
    if len(out) == 4 and reply.items[2].kind == "integer" and len(reply.items[0].items) == 0:
        out[2] = b"a time"  # an entry of a group's list: id, consumer, time, deliveries
    if len(out) == 3 and reply.items[1].kind == "integer" and reply.items[2].kind == "integer":
        out[1] = b"a time"  # likewise of a consumer's
    return out


def texts(reply: Shown) -> list[bytes]:
    """The texts of an array."""
    assert reply.kind in ("array", "map", "set"), reply
    return [item.text for item in reply.items]


def cross(source: Client, target: Client, payload: bytes, sample: Sample) -> None:
    """A payload of the one is restored at the other; both read the same."""
    done(target.call("RESTORE", COPY, "0", payload, "REPLACE"))
    assert read(target, COPY) == read(source, KEY), sample.name


@pytest.mark.parametrize("sample", PLAIN, ids=lambda sample: sample.name)
def test_a_payload_goes_both_ways(both: Both, sample: Sample) -> None:
    theirs = both.make(both.theirs, sample)
    cross(both.theirs, both.ours, theirs, sample)
    ours = both.make(both.ours, sample)
    cross(both.ours, both.theirs, ours, sample)
    if sample.exact and both.version == 12:
        assert ours == theirs


@pytest.mark.parametrize("sample", TIMED, ids=lambda sample: sample.name)
def test_a_payload_with_field_deadlines_goes_both_ways(both: Both, sample: Sample) -> None:
    if both.version < 12:
        # These servers have no such command, or no such payload: what they get is the fields.
        ours = both.make(both.ours, sample)
        done(both.theirs.call("RESTORE", COPY, "0", ours, "REPLACE"))
        assert texts(both.theirs.call("HVALS", COPY)) != []
        done(both.ours.call("RESTORE", COPY, "0", ours, "REPLACE"))
        assert read(both.ours, COPY) == read(both.ours, KEY)
        return
    test_a_payload_goes_both_ways(both, sample)


@pytest.mark.parametrize("version", [9, 10, 11, 12])
def test_what_a_node_wrote_it_reads_in_every_version(both: Both, version: int) -> None:
    done(both.ours.call("CONFIG", "SET", "rdb-version", str(version)))
    try:
        for sample in (*PLAIN, *TIMED):
            if version < sample.since:
                continue
            payload = both.make(both.ours, sample)
            done(both.ours.call("RESTORE", COPY, "0", payload, "REPLACE"))
            assert read(both.ours, COPY) == read(both.ours, KEY), sample.name
    finally:
        done(both.ours.call("CONFIG", "SET", "rdb-version", str(both.version)))
