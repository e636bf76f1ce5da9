"""What is dropped large is freed in slices, whatever dropped it."""

from __future__ import annotations

import pytest

from node.ports import Seen
from node.resp.replies import Failure
from node.store.effect import DROP, PUT, Effect
from node.store.entry import Dots, Entry
from node.store.trash import SLOW_FREE, discard, discard_entry, discard_lost, free
from node.store.values.hashes import HashValue
from node.store.values.lists import ListValue, list_of
from node.store.values.sets import SetValue
from node.store.values.streams import StreamValue
from node.store.values.value import Value
from node.store.values.zsets import zset_of
from node.store.writer import BeforeChange
from tests.support.local import LocalNode

SIZE = 2 * SLOW_FREE + 500
SLICE = 1000
NAMES = [b"name %d" % number for number in range(SIZE)]


def a_set(size: int = SIZE) -> SetValue:
    value = SetValue()
    value.do_fill_names(NAMES[:size], None)
    return value


def a_hash() -> HashValue:
    value = HashValue()
    value.do_fill_names(NAMES, b"v")
    return value


def a_stream() -> StreamValue:
    node = LocalNode()
    for number in range(SIZE):
        node.call(0, [b"XADD", b"x", b"%d-1" % (number + 1), b"f", b"v"])
    node("XGROUP CREATE x g 0")
    node(f"XREADGROUP GROUP g c COUNT {SIZE} STREAMS x >")
    value = glance(node, b"x")
    assert isinstance(value, StreamValue)
    return value


MAKERS = [
    a_set,
    a_hash,
    lambda: list_of(list(NAMES)),
    lambda: zset_of({name: float(number) for number, name in enumerate(NAMES)}),
    a_stream,
]


@pytest.fixture
def node() -> LocalNode:
    return LocalNode()


def glance(node: LocalNode, key: bytes) -> object:
    """The value of a key, untouched."""
    return node.engine.databases[0].glance(key)


def fill(node: LocalNode, key: str) -> None:
    """A large set."""
    node.call(0, [b"SADD", key.encode(), *NAMES])


def slices(trash: list[object]) -> int:
    """Frees everything; in how many slices."""
    count = 1
    while free(trash, SLICE):
        count += 1
    return count


@pytest.mark.parametrize("make", MAKERS)
def test_every_type_is_freed_place_by_place(make: object) -> None:
    assert callable(make)
    value = make()
    assert isinstance(value, Value)
    trash: list[object] = []
    discard(trash, value)
    assert trash == [value]
    before = value.held()
    free(trash, SLICE)
    assert 0 < before - value.held() <= 5 * SLICE
    slices(trash)
    assert value.held() == 0 and trash == []


def test_a_zset_with_its_ranking_is_freed_place_by_place() -> None:
    value = zset_of({name: float(number) for number, name in enumerate(NAMES)})
    assert value.rank_of(NAMES[7]) == 7
    trash: list[object] = [value]
    assert slices(trash) > SIZE // SLICE
    assert value.held() == 0


def test_deadlines_are_freed_in_slices_too(node: LocalNode) -> None:
    fill(node, "s")
    for name in NAMES[:3000]:
        node.call(0, [b"EXPIREMEMBER", b"s", name, b"1000"])
    value = glance(node, b"s")
    assert isinstance(value, SetValue)
    node("DEL s")
    assert value.held() > 2 * SIZE
    assert slices(node.engine.writer.trash) > 2 * SIZE // SLICE
    assert not value.has_deadlines()


def test_small_values_go_at_once() -> None:
    trash: list[object] = []
    for value in (a_set(SLOW_FREE), b"x" * 10_000, 5, None, ListValue()):
        discard(trash, value)
    assert trash == []


def test_what_is_handed_over_twice_is_freed_once() -> None:
    value = a_set()
    trash: list[object] = [value, value]
    slices(trash)
    assert trash == [] and value.size() == 0


def test_a_dict_of_keys_is_freed_with_the_large_values_in_it() -> None:
    keys = {name: Entry(b"v", 0, 0) for name in NAMES[:10]}
    value = a_set()
    keys[b"large"] = Entry(value, 0, 0)
    keys[b"last"] = Entry(b"v", 0, 0)
    trash: list[object] = [keys]
    assert free(trash, 2)
    assert value.size() == SIZE and trash == [keys, value]
    assert slices(trash) >= SIZE // SLICE
    assert value.size() == 0 and not keys


def test_hidden_values_go_with_their_entry() -> None:
    shown, hidden, kept = a_set(), a_hash(), list_of(list(NAMES))
    entry = Entry(shown, 0, 0)
    entry.dots = Dots()
    entry.dots.hidden = [hidden, kept]
    trash: list[object] = []
    discard_entry(trash, entry)
    assert trash == [shown, hidden, kept]
    trash = []
    before = entry.dots.hidden
    entry.value = kept
    entry.dots = None
    discard_lost(trash, entry, shown, before)
    assert trash == [shown, hidden], "what became visible is kept"
    trash = []
    entry.dots = Dots()
    entry.dots.hidden = [kept]
    entry.value = b"v"
    discard_lost(trash, entry, kept, None)
    assert trash == [], "what became hidden is kept"


DROPPING = [
    "DEL big", "UNLINK big", "SET big v", "FLUSHDB", "FLUSHALL SYNC",
    "FLUSHALL ASYNC", "RENAME small big", "COPY small big REPLACE", "SUNIONSTORE big small",
    "SINTERSTORE big small nothing", "ZUNIONSTORE big 1 z", "SORT l STORE big", "RENAME big other",
    "BITOP NOT big str", "GEOSEARCHSTORE big geo FROMLONLAT 0 0 BYRADIUS 9 km",
]  # fmt: skip


@pytest.mark.parametrize("command", DROPPING)
@pytest.mark.parametrize("walking", [False, True])
def test_whatever_drops_a_large_value_leaves_it_to_be_freed(
    node: LocalNode, command: str, walking: bool
) -> None:
    node("SADD small x y")
    node("ZADD z 1 a")
    node("RPUSH l 2 1")
    node("SET str abc")
    node("GEOADD geo 0 0 here")
    fill(node, "big")
    value = glance(node, b"big")
    if walking:
        begin_walk(node)
    trash = node.engine.writer.trash
    assert not isinstance(node(command), Failure)
    if command.startswith("FLUSH") and walking:
        return  # the walk has the old maps until it ends: tests/unit/persist/test_snapshot.py
    assert isinstance(value, SetValue) and value.size() == SIZE, "nothing is freed at once"
    slices(trash)
    assert value.size() == 0
    if command == "RENAME big other":
        assert node("SCARD other") == SIZE


def begin_walk(node: LocalNode) -> None:
    """A snapshot walk that reads nothing."""
    node.engine.writer.walk = BeforeChange()


@pytest.mark.parametrize(
    ("filled", "command"),
    [
        ("RPUSH", "LTRIM big 1 0"),
        ("ZADD", "ZREMRANGEBYRANK big 0 -1"),
        ("ZADD", "ZREMRANGEBYSCORE big -inf +inf"),
        ("SADD", "PEXPIREAT big 1"),
    ],
)
def test_what_is_emptied_by_one_range_is_freed_in_slices(
    node: LocalNode, filled: str, command: str
) -> None:
    arguments = NAMES
    if filled == "ZADD":
        arguments = [word for name in NAMES for word in (b"1", name)]
    node.call(0, [filled.encode(), b"big", *arguments])
    value = glance(node, b"big")
    assert isinstance(value, Value)
    node(command)
    assert node("EXISTS big") == 0
    assert value.size() == SIZE
    slices(node.engine.writer.trash)
    assert value.size() == 0


def test_a_key_that_expires_is_freed_in_slices(node: LocalNode) -> None:
    fill(node, "big")
    fill(node, "touched")
    one, other = glance(node, b"big"), glance(node, b"touched")
    node("PEXPIRE big 10")
    node("PEXPIRE touched 10")
    node.time_s += 1.0
    assert node("SADD touched fresh") == 1
    node.engine.tick(node.time_s)
    assert isinstance(one, SetValue) and isinstance(other, SetValue)
    assert other.size() + one.size() > SIZE, "a tick frees a part"
    while node.engine.tick(node.time_s):
        pass
    assert one.size() == 0 and other.size() == 0


def test_the_payload_of_a_restore_is_freed_in_slices(node: LocalNode) -> None:
    fill(node, "big")
    payload = node("DUMP big")
    assert isinstance(payload, bytes)
    assert node.call(0, [b"RESTORE", b"other", b"0", payload])
    trash = node.engine.writer.trash
    assert [each.size() for each in trash if isinstance(each, SetValue)] == [SIZE]
    slices(trash)
    assert node("SCARD other") == SIZE and node("SCARD big") == SIZE


def test_a_transaction_that_renames_and_copies_keeps_what_it_made(node: LocalNode) -> None:
    fill(node, "big")
    for command in ("MULTI", "COPY big twin", "RENAME big other", "SADD other x", "EXEC"):
        node(command)
    slices(node.engine.writer.trash)
    assert node("SCARD other") == SIZE + 1 and node("SCARD twin") == SIZE


@pytest.mark.parametrize("op", [PUT, DROP])
def test_a_peers_drop_and_put_leave_it_to_be_freed(node: LocalNode, op: int) -> None:
    fill(node, "big")
    value = glance(node, b"big")
    payload = b"v" if op == PUT else None
    node.engine.replay(0, [Effect(op, 0, b"big", payload, 0, 1 << 40, 1, 0)], Seen())
    assert isinstance(value, SetValue) and value.size() == SIZE
    slices(node.engine.writer.trash)
    assert value.size() == 0
