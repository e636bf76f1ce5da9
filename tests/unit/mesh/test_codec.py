"""What is remembered of a key, to bytes and back; damaged bytes are refused, never half read."""

from __future__ import annotations

import pytest

from mesh.codec import key_bytes
from mesh.dots import Streams
from mesh.key_reader import read_key
from mesh.merge.peer_key import PeerKey
from mesh.merge.resolver import StampResolver
from mesh.merge.rule import Memory
from mesh.merge.state import Cover
from mesh.merge.whole import NOBODY, merge_key
from mesh.metadata import Incoming, hidden_bytes, read_hidden
from node.store.entry import COUNTED, Entry
from node.store.keyspace import Database
from node.store.mutate import MUTATE
from node.store.values.container import Container
from node.store.values.hashes import HashValue
from node.store.values.lists import ListValue
from node.store.values.sets import SetValue
from node.store.values.streams import StreamValue
from node.store.values.strings import shown
from node.store.values.value import Value
from node.store.values.zsets import ZSetValue
from tests.support.acts import shown_value
from tests.support.simnode import SimNode
from tests.support.simulation import World

MAKES_TIMED: tuple[tuple[str, ...], ...] = (
    ("HSET", "timed hash", "a", "1", "b", "2"),
    ("SADD", "timed set", "a", "b"),
    ("ZADD", "timed zset", "1", "a", "2", "b"),
)


def contested() -> SimNode:
    """A node whose keys hold all there is: rivals, counters, claims, hidden values and keys."""
    world = World(3, nodes=3)
    first = world.nodes[0]
    first("SET", "gone", "v")
    first("HSET", "text", "f", "10.50", "n", "1")
    first("SET", "float", "10.50")
    first("RPUSH", "list", "x", "y", "z")
    first("HSET", "timed", "b", "1", "a", "2", "c", "3")
    first("HPEXPIRE", "timed", "90000", "FIELDS", "2", "c", "b")
    first("SET", "patched", "5")
    for making in MAKES_TIMED:
        first(*making)
    world.settle()
    for pair in world.wires:
        world.cut(*pair)
    clash = (("SADD", "clash", "m", "n"), ("HSET", "clash", "f", "v"), ("SET", "clash", "v"))
    for node, words in zip(world.nodes, clash, strict=True):
        world.time_s += 0.001
        node(*words)
        node("SADD", "set", "same", f"of {node.name}")
        node("HSET", "hash", "same", f"of {node.name}", node.name, "1")
        node("HINCRBY", "hash", "count", "3")
        node("HINCRBYFLOAT", "text", "f", "0.25")
        node("HINCRBY", "text", "n", "2")
        node("SET", "string", node.name)
        node("INCRBY", "count", "5")
        node("INCRBYFLOAT", "float", "0.1")
        node("PEXPIRE", "set", str(100_000 + len(node.name)))
        node("DEL", "gone")
        node("SELECT", "2")
        node("SADD", "far", node.name)
        node("SELECT", "0")
        others = (("HSET", "types", "f", "v"), ("ZADD", "types", "1", "m"), ("RPUSH", "types", "x"))
        at = world.nodes.index(node)
        node(*others[at])
        node("HPEXPIRE", "types", "90000", "FIELDS", "1", "f")
        node("LPUSH", "list", f"of {node.name}")
        node("XADD", "stream", f"{at + 1}-1", "f", "v")
        node("SADD", "members", f"of {node.name}")
        node("PEXPIREMEMBERAT", "members", f"of {node.name}", "1700000090000")
        node("INCR", "patched")
        node("APPEND", "patched", str(at))
        node("SETBIT", "bits", str(at), "1")
        node("BITFIELD", "bits", "OVERFLOW", "SAT", "INCRBY", "u4", "8", "3")
        node("PFADD", "sketch", node.name)
        for making in MAKES_TIMED:
            node("PEXPIREMEMBERAT", making[1], "a", str(1700000000030 + at))
            node("PEXPIREMEMBERAT", making[1], "b", str(1700000090000 + at))
    first("LREM", "list", "1", "y")
    first("RPUSH", "emptied", "x")
    first("LPOP", "emptied")
    first("SET", "count", "7")
    first("INCR", "count")
    world.settle()
    world.time_s += 1.0
    for making in MAKES_TIMED:
        first("EXISTS", making[1])  # one place of each is past its deadline
    return first


def record(value: object) -> object:
    """A value as it comes out of an RDB record: without dots."""
    if isinstance(value, Value):
        return value.copy()
    return None if value is None else shown(value)


def spelled(peer: PeerKey) -> object:
    """All that a PeerKey says."""
    return (
        peer.db,
        peer.key,
        sorted((each.stamp, each.origin, str(each.value)) for each in peer.registers),
        sorted((each.stamp, each.origin, each.delta, each.decimal) for each in peer.increments),
        sorted((each.stamp, each.origin, each.number) for each in peer.claims),
        sorted((each.stamp, each.origin, each.number) for each in peer.ttls),
        {
            member: sorted((each.stamp, each.origin) for each in peer.dots(member))
            for member in peer.members.names()
        },
        {
            field: (
                sorted((each.stamp, each.origin, str(each.value)) for each in state.registers),
                sorted((each.stamp, each.origin, each.delta) for each in state.increments),
            )
            for field in [*peer.fields.names(), *peer.texts.names()]
            if (state := peer.field(field)) is not None
        },
        {slot: (value.parts(), runs_of(value)) for slot, value in peer.opaque.items()},
        peer.deadlines,
        [
            (each.stamp, each.origin, each.index, each.op, each.value, each.number)
            for each in peer.patches
        ],
        {
            place: sorted((each.stamp, each.origin, each.number) for each in claims)
            for place, claims in peer.place_claims.items()
        },
    )


def runs_of(value: Value) -> list[tuple[int, int, int, int]]:
    """The identities of a list's elements."""
    if not isinstance(value, ListValue):
        return []
    return [
        (int(run.origin), int(run.first), int(run.step), int(run.count)) for run in value.runs()
    ]


def entries(node: SimNode) -> list[tuple[Database, bytes, Entry, bool]]:
    """Every key of a node, and whether it shows."""
    found = []
    for db in node.engine.databases:
        found += [(db, key, entry, True) for each in db.keys.dicts for key, entry in each.items()]
        found += [(db, key, entry, False) for key, entry in db.hidden.items()]
    return found


def peer_key(node: SimNode, db: Database, key: bytes, entry: Entry, visible: bool) -> PeerKey:
    """A key of a node, through bytes, in the node's own stream numbers."""
    memory = node.member.memory
    number = int(db.number)
    origins = list(range(len(node.streams.all)))
    if visible:
        data = key_bytes(memory, number, key, entry)
        return read_key(data, origins, number, key, record(entry.value))
    incoming = Incoming(node.streams)
    incoming.origins = origins
    return read_hidden(hidden_bytes(memory, number, key, entry), incoming)


def test_the_node_of_these_tests_has_all_there_is() -> None:
    node = contested()
    known = entries(node)
    rare = [entry.dots for _, _, entry, _ in known if entry.dots is not None]
    assert any(not visible for *_, visible in known)
    assert any(dots.rivals for dots in rare)
    assert any(dots.claims for dots in rare)
    assert any(dots.hidden for dots in rare)
    assert any(dots.registers for dots in rare)
    hidden = [value for dots in rare for value in dots.hidden or []]
    assert any(isinstance(value, (ListValue, ZSetValue, StreamValue)) for value in hidden)
    assert any(isinstance(value, HashValue) and value.deadlines for value in hidden)
    shown = [entry.value for _, _, entry, visible in known if visible]
    assert any(isinstance(value, ListValue) and value.runs() for value in shown)
    assert any(isinstance(value, HashValue) and value.deadlines for value in shown)
    assert any(isinstance(value, SetValue) and value.deadlines for value in shown)
    emptied = [entry.value for _, _, entry, visible in known if not visible]
    assert any(isinstance(value, ListValue) for value in emptied)
    assert any(entry.flags & COUNTED for _, _, entry, _ in known)
    assert any(dots.patches for dots in rare)
    parked = [value for value in shown if isinstance(value, Container) and value.remembers()]
    assert {value.kind() for value in parked} == {b"hash", b"set", b"zset"}


def test_a_key_that_went_through_bytes_is_remembered_as_before() -> None:
    """Out of the bytes into an empty entry, and that into bytes again."""
    node = contested()
    nothing = Cover(bytes(8), NOBODY)
    for db, key, entry, visible in entries(node):
        first = peer_key(node, db, key, entry, visible)
        memory = Memory(node.streams)
        twin = Entry(None, 0, 0)
        effect = merge_key(memory, twin, True, first, nothing, nothing)
        MUTATE[effect.op].apply(twin, effect)
        if entry.value is None or isinstance(entry.value, Value):
            assert type(twin.value) is type(entry.value)
        assert shown_value(twin.value) == shown_value(entry.value)
        assert twin.deadline == entry.deadline
        number = int(db.number)
        origins = list(range(len(node.streams.all)))
        again = read_key(
            key_bytes(memory, number, key, twin), origins, number, key, record(twin.value)
        )
        first = peer_key(node, db, key, entry, visible)
        assert spelled(again) == spelled(first)


def test_a_field_that_is_cut_short_is_refused_at_every_length() -> None:
    node = contested()
    for db, key, entry, visible in entries(node)[:12]:
        if not visible:
            continue
        number = int(db.number)
        data = key_bytes(node.member.memory, number, key, entry)
        origins = list(range(len(node.streams.all)))
        for size in range(len(data)):
            with pytest.raises(ValueError):
                read_key(data[:size], origins, number, key, record(entry.value))


def test_an_unknown_format_or_stream_is_refused() -> None:
    resolver = StampResolver(Streams(b"\x01" * 16))
    entry = Entry(b"v", 5, 0)
    data = key_bytes(resolver.memory, 0, b"k", entry)
    with pytest.raises(ValueError, match="newer version"):
        read_key(b"\x09" + data[1:], [0], 0, b"k", b"v")
    with pytest.raises(ValueError, match="stream 0"):
        read_key(data, [], 0, b"k", b"v")


def test_dots_that_do_not_fit_the_value_are_refused() -> None:
    resolver = StampResolver(Streams(b"\x01" * 16))
    value = SetValue()
    value.do_fill_names([b"a", b"b"], None)
    data = key_bytes(resolver.memory, 0, b"s", Entry(value, 5, 0))
    other = SetValue()
    other.do_fill_names([b"a"], None)
    with pytest.raises(ValueError, match="other members"):
        read_key(data, [0], 0, b"s", other)
    fields = HashValue()
    fields.do_place(b"f", b"v")
    data = key_bytes(resolver.memory, 0, b"h", Entry(fields, 5, 0))
    with pytest.raises(ValueError, match="other fields"):
        read_key(data, [0], 0, b"h", HashValue())
