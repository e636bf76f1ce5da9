"""The snapshot walk: what it writes is the state at its beginning, whatever happens meanwhile."""

import random
from collections.abc import Callable

import pytest
from mypy_extensions import i64

from node.persist.contents import value_of
from node.persist.rdb_reader import RdbReader
from node.persist.rdb_records import Aux, KeyRecord, Record
from node.persist.sinks import Sink
from node.persist.snapshot import LARGE, Snapshots, SnapshotWalk
from node.ports import Metadata, Resolver
from node.store.effect import Effect
from node.store.entry import Entry
from node.store.values.strings import shown
from node.store.values.value import Value
from tests.support.local import LocalNode

State = dict[tuple[int, bytes], tuple[object, int]]


def plain(value: object) -> object:
    """What clients can see of a value; nothing of it changes with the value."""
    if isinstance(value, Value):
        return value.kind(), value.parts()
    return shown(value)


def state_of(node: LocalNode) -> State:
    """Every key of the maps with value and deadline, past ones too."""
    return {
        (int(db.number), key): (plain(entry.value), int(entry.deadline))
        for db in node.engine.databases
        for shard in db.keys.dicts
        for key, entry in shard.items()
    }


def hidden_of(node: LocalNode) -> set[bytes]:
    """What is remembered but not shown, named as Remembering writes it."""
    return {
        b"%d/%b" % (db.number, key) for db in node.engine.databases for key in db.hidden
    }


def records_of(data: bytes) -> list[Record]:
    """A whole file's records; its checksum must be right."""
    reader = RdbReader()
    records = reader.feed(data)
    assert reader.done and reader.rest == b"", "the file is not whole"
    return records


def state_in(data: bytes) -> State:
    """The keys of a file; each may be there once only."""
    found: State = {}
    for record in records_of(data):
        if isinstance(record, KeyRecord):
            place = (int(record.db), record.key)
            assert place not in found, f"{place} is in the file twice"
            value = value_of(record.kind, record.value, record.aux)
            found[place] = (plain(value), int(record.deadline_ms))
    return found


def hidden_in(data: bytes) -> set[bytes]:
    """The `plexis-hidden` fields of a file."""
    return {
        each.value
        for each in records_of(data)
        if isinstance(each, Aux) and each.name == b"plexis-hidden"
    }


class Remembering(Resolver):
    """Remembers all that goes, as an active node does."""

    def vanished(self, effect: Effect, entry: Entry) -> bool:
        return True

    def lapsed(self, entry: Entry) -> bool:
        return True


class Naming(Metadata):
    """Names the hidden keys; counts at which moment the file's fields were asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def file_fields(self) -> list[tuple[bytes, bytes]]:
        self.asked += 1
        return [(b"plexis-mesh", b"at the beginning")]

    def hidden_field(self, number: i64, key: bytes, entry: Entry) -> bytes | None:
        return b"%d/%b" % (number, key)


def begin(node: LocalNode, metadata: Metadata | None = None, version: int = 11) -> SnapshotWalk:
    """A walk over the node, begun now."""
    engine = node.engine
    return SnapshotWalk(
        engine.writer, engine.databases, metadata or Metadata(), [(b"redis-ver", b"8.2.3")], version
    )


def finish(walk: SnapshotWalk, budget: int = 100) -> bytes:
    """All further bytes of the walk."""
    data = b""
    while (chunks := walk.step(budget)) is not None:
        data += b"".join(chunks)
    return data


def some_write(node: LocalNode, dice: random.Random) -> None:
    """One random command of one of two clients in one of three databases."""
    key = f"k{dice.randrange(60)}"
    kind = dice.randrange(100)
    if kind < 25:
        node(f"SET {key} {dice.randrange(10**6)}")
    elif kind < 35:
        node(f"INCR {key}")
    elif kind < 45:
        node(f"SADD {key} {dice.randrange(30)} {dice.randrange(30)}")
    elif kind < 48:
        node(f"SREM {key} {dice.randrange(30)}")
    elif kind < 52:
        node(f"HSET {key} f{dice.randrange(9)} {dice.randrange(99)}")
    elif kind < 54:
        node(f"HDEL {key} f{dice.randrange(9)}")
    elif kind < 67:
        more_writes(node, key, dice)
    elif kind < 77:
        node(f"DEL {key}")
    elif kind < 85:
        node(f"PEXPIRE {key} {dice.randrange(1, 3000)}")
    elif kind < 90:
        node(f"RENAME {key} k{dice.randrange(60)}")
    elif kind < 94:
        node.advance(dice.random())
    elif kind < 95:
        node(f"SWAPDB {dice.randrange(3)} {dice.randrange(3)}")
    elif kind < 98:
        node(f"SELECT {dice.randrange(3)}")
    else:
        node("FLUSHALL" if dice.randrange(4) == 0 else "FLUSHDB")


def more_writes(node: LocalNode, key: str, dice: random.Random) -> None:
    """One random write to a list, sorted set or stream, or to a member's deadline."""
    number = dice.randrange(30)
    node(
        dice.choice((
            f"RPUSH {key} {number} x", f"LPUSH {key} {number}", f"LPOP {key} 2",
            f"LSET {key} 0 {number}", f"ZADD {key} {number} m{number % 7}",
            f"ZREM {key} m{number % 7}", f"ZINCRBY {key} 1.5 m1", f"XADD {key} * f {number}",
            f"XTRIM {key} MAXLEN 3", f"XGROUP CREATE {key} g{number % 3} 0 MKSTREAM",
            f"XREADGROUP GROUP g1 c COUNT 1 STREAMS {key} >", f"HINCRBY {key} n {number}",
            f"PEXPIREMEMBER {key} {number} 90000", f"HPEXPIRE {key} 90000 FIELDS 1 f{number % 9}",
            f"APPEND {key} {number}", f"SETBIT {key} {number} 1",
        ))
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_a_file_holds_the_state_of_its_beginning(seed: int) -> None:
    # Several walks in a row: the marks that one leaves must be right for the next.
    dice = random.Random(seed)
    metadata = Naming()
    node = LocalNode(resolver=Remembering() if seed % 2 else Resolver(), seed=seed)
    for _ in range(4):
        for _ in range(200):
            some_write(node, dice)
        before = state_of(node)
        hidden = hidden_of(node)
        walk = begin(node, metadata, version=dice.choice((10, 11, 12)))
        data = b""
        while (chunks := walk.step(dice.randrange(1, 12))) is not None:
            data += b"".join(chunks)
            for _ in range(dice.randrange(4)):
                some_write(node, dice)
        assert walk.error == ""
        assert state_in(data) == before
        assert hidden_in(data) == hidden
        assert node.engine.writer.walk is None


def test_what_was_made_since_is_not_in_the_file() -> None:
    node = LocalNode()
    node("SET old 1")
    walk = begin(node)
    node("SET new 2")
    node("SADD newset a")
    assert state_in(finish(walk)) == {(0, b"old"): (b"1", 0)}


def test_what_was_deleted_and_made_anew_is_in_it_as_it_was() -> None:
    node = LocalNode()
    node("SET k old")
    walk = begin(node)
    node("DEL k")
    node("SADD k x")
    node("DEL k")
    node("SET k new")
    assert state_in(finish(walk)) == {(0, b"k"): (b"old", 0)}


def test_flushed_data_is_in_it_and_is_freed_in_slices_afterwards() -> None:
    node = LocalNode()
    for number in range(50):
        node(f"SET k{number} {number}")
    before = state_of(node)
    walk = begin(node)
    data = b"".join(walk.step(5) or [])
    node("FLUSHALL")
    node("SET k1 new")
    node("FLUSHALL")
    assert state_in(data + finish(walk)) == before
    assert node.engine.writer.trash, "the old maps were not handed over for freeing"
    while node.engine.writer.free(i64(1000)):
        pass
    assert node("DBSIZE") == 0


def test_a_key_past_its_deadline_is_written_with_it() -> None:
    node = LocalNode()
    node("SET k v PX 100")
    before = state_of(node)
    node.time_s += 10.0  # no tick: nobody has looked at the key
    assert state_in(finish(begin(node))) == before


@pytest.mark.parametrize("version", [11, 12])
@pytest.mark.parametrize("writes_first", [True, False])
def test_a_large_value_is_written_in_pieces_as_it_was(version: int, writes_first: bool) -> None:
    node = LocalNode()
    size = LARGE * 4
    members = " ".join(f"member-{number}" for number in range(size))
    node(f"SADD big {members}")
    node("HSET other " + " ".join(f"f{number} value-{number}" for number in range(size)))
    node("ZADD board " + " ".join(f"{number % 50} m{number}" for number in range(size)))
    node("RPUSH queue " + " ".join(f"item-{number}" for number in range(size)))
    node("HSET timed " + " ".join(f"f{number} {number}" for number in range(size)))
    node("HPEXPIRE timed 90000 FIELDS 2 f1 f2")
    for number in range(LARGE + 1):
        node(f"XADD stream {number + 1}-0 f {number}")
    node("SET small 1")
    before = state_of(node)
    walk = begin(node, version=version)
    if writes_first:
        node("SADD big one-more")
        node("HSET other f0 changed")
        node("ZADD board 7 one-more")
        node("RPUSH queue one-more")
    data = b""
    steps = 0
    while (chunks := walk.step(100)) is not None:
        data += b"".join(chunks)
        steps += 1
        node(f"SREM big member-{steps}")
        node(f"HINCRBY other n{steps} 1")
        node(f"HDEL timed f{steps}")
        node(f"ZINCRBY board 3 m{steps}")
        node("LPOP queue")
        node("XADD stream * f v")
        node("INCR small")
    assert steps > 12, "the large values were not cut"
    assert state_in(data) == before


def test_the_fields_of_the_file_are_those_of_the_beginning() -> None:
    node = LocalNode()
    metadata = Naming()
    walk = begin(node, metadata)
    assert metadata.asked == 1
    node("SET k v")
    fields = [each for each in records_of(finish(walk)) if isinstance(each, Aux)]
    assert [(each.name, each.value) for each in fields] == [
        (b"redis-ver", b"8.2.3"),
        (b"plexis-mesh", b"at the beginning"),
    ]


def test_members_stand_sorted_up_to_512_and_else_as_the_set_iterates() -> None:
    node = LocalNode()
    node("SADD numbers 30 4 100")
    node("SADD words pear apple fig")
    node("SADD many " + " ".join(f"m{number}" for number in range(600, 0, -1)))
    orders = {
        record.key: record.value
        for record in records_of(finish(begin(node)))
        if isinstance(record, KeyRecord)
    }
    assert orders[b"words"] == [b"apple", b"fig", b"pear"]
    assert orders[b"numbers"] == [b"4", b"30", b"100"]  # an intset: by number
    assert orders[b"many"] == [b"m%d" % number for number in range(600, 0, -1)]


def test_a_walk_that_nobody_wants_leaves_the_marks_right() -> None:
    node = LocalNode()
    for number in range(100):
        node(f"SET k{number} {number}")
    walk = begin(node)
    walk.step(10)
    walk.abandon()
    node("SET k50 changed")
    assert finish(walk) == b""
    before = state_of(node)
    assert state_in(finish(begin(node))) == before


def test_an_error_ends_the_file_but_neither_the_write_nor_the_walk() -> None:
    class Broken(Metadata):
        def key_fields(self, number: i64, key: bytes, entry: Entry) -> list[tuple[bytes, bytes]]:
            if key == b"bad":
                raise ValueError("this key's dots are damaged")
            return []

    node = LocalNode()
    for number in range(20):
        node(f"SET k{number} {number}")
    node("SET bad 1")
    walk = begin(node, Broken())
    assert node("INCR bad") == 2
    assert "damaged" in walk.error
    assert finish(walk) == b""
    before = state_of(node)
    assert state_in(finish(begin(node))) == before


# --- several who want one --------------------------------------------------------------------


class Loop:
    """`call_soon` without a loop."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def soon(self, callback: Callable[[], None]) -> None:
        self.waiting.append(callback)

    def turn(self) -> bool:
        """Runs what waits; False when nothing did."""
        waiting, self.waiting = self.waiting, []
        for callback in waiting:
            callback()
        return bool(waiting)


class Taker(Sink):
    """Keeps what it is given."""

    def __init__(self, node: LocalNode, version: int = 11) -> None:
        self.version = version
        self.node = node
        self.open = True
        self.data = b""
        self.began: State | None = None
        self.ended: str | None = None

    def begin(self) -> None:
        self.began = state_of(self.node)

    def ready(self) -> bool:
        return self.open

    def write(self, data: bytes) -> None:
        self.data += data

    def end(self, error: str) -> None:
        self.ended = error


def snapshots_of(node: LocalNode, loop: Loop, metadata: Metadata | None = None) -> Snapshots:
    engine = node.engine
    return Snapshots(
        engine.writer, engine.databases, metadata or Metadata(), lambda: [], loop.soon, 10
    )


def filled(count: int = 100) -> LocalNode:
    node = LocalNode()
    for number in range(count):
        node(f"SET k{number} {number}")
    return node


def test_one_walk_serves_all_who_wait_and_a_later_one_gets_the_next() -> None:
    node = filled()
    loop = Loop()
    snapshots = snapshots_of(node, loop)
    first, second, late = Taker(node), Taker(node), Taker(node)
    snapshots.request(first)
    snapshots.request(second)
    loop.turn()
    snapshots.request(late)
    node("SET k1 changed")
    while loop.turn():
        pass
    assert first.data == second.data
    assert first.ended == second.ended == late.ended == ""
    assert first.began is not None and state_in(first.data) == first.began
    assert late.began is not None and state_in(late.data) == late.began != first.began


def test_another_version_is_another_walk() -> None:
    node = filled()
    loop = Loop()
    snapshots = snapshots_of(node, loop)
    ours, keydb = Taker(node), Taker(node, version=9)
    snapshots.request(ours)
    snapshots.request(keydb)
    while loop.turn():
        pass
    assert ours.data[:9] == b"REDIS0011" and keydb.data[:9] == b"REDIS0009"
    assert state_in(ours.data) == state_in(keydb.data)


def test_a_walk_waits_for_who_is_not_ready() -> None:
    node = filled()
    loop = Loop()
    snapshots = snapshots_of(node, loop)
    taker = Taker(node)
    snapshots.request(taker)
    loop.turn()
    taker.open = False
    while loop.turn():
        pass
    assert taker.ended is None
    taker.open = True
    snapshots.go_on()
    while loop.turn():
        pass
    assert taker.ended == "" and len(state_in(taker.data)) == 100


def test_who_cancels_gets_nothing_more_and_the_next_gets_all() -> None:
    node = filled()
    loop = Loop()
    snapshots = snapshots_of(node, loop)
    gone, after = Taker(node), Taker(node)
    snapshots.request(gone)
    loop.turn()
    taken = len(gone.data)
    snapshots.cancel(gone)
    snapshots.request(after)
    while loop.turn():
        pass
    assert len(gone.data) == taken and gone.ended is None
    assert len(state_in(after.data)) == 100


def test_the_whole_state_at_once_does_not_disturb_a_walk() -> None:
    node = filled()
    loop = Loop()
    snapshots = snapshots_of(node, loop)
    taker = Taker(node)
    snapshots.request(taker)
    loop.turn()
    node("SET k1 changed")
    assert state_in(b"".join(snapshots.whole(True))) == state_of(node)
    while loop.turn():
        pass
    assert taker.began == state_in(taker.data)
