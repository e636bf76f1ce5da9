"""Fingerprints: equal on nodes that have applied the same, whatever came first and however it is
held; another one after any change that a merge could see."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from mesh.dots import row_of, unpack_row
from mesh.fingerprint import KeyFingerprint, key_fingerprint
from mesh.fingerprint_leaves import FoundWalk, differing
from mesh.merge.opening import open_state
from mesh.ranges import PRINT_BYTES, PRINT_MASK, LeafWalk, leaf_of
from mesh.removals import MEMBER, Pending
from node.store.entry import Claim, Dot, Dots, Entry, Patch, Register
from node.store.values.hashes import HashValue
from node.store.values.lists import ListValue
from node.store.values.sets import SetValue
from node.store.values.streams import StreamValue
from node.store.values.zsets import ZSetValue
from tests.mesh.test_types_converge import MIXES, OfSome, event
from tests.support.seeds import seeds
from tests.support.simnode import SimNode
from tests.support.simulation import World

SEEDS = seeds(100, least=len(MIXES))
SALT = b"a salt of a mesh"


def fingerprint(node: SimNode, key: bytes, db: int = 0, cut: bytes = b"") -> int:
    entry = node.engine.databases[db].raw(key)
    return key_fingerprint(node.member.memory, db, key, entry, SALT, cut)


def known(node: SimNode) -> set[tuple[int, bytes]]:
    """Every key of which anything is known."""
    found = set(node.member.memory.removals.by_key)
    for db in node.engine.databases:
        for keys in (*db.keys.dicts, db.hidden):
            found |= {(int(db.number), key) for key in keys}
    return found


def check_equal(world: World) -> None:
    """All nodes have the same fingerprint of every key."""
    for db, key in set().union(*(known(node) for node in world.nodes)):
        found = {fingerprint(node, key, db) for node in world.nodes}
        assert len(found) == 1, f"{world}: {key!r} in {db}"
    walks = []
    for node in world.nodes:
        walk = LeafWalk(node.member.memory, node.engine.databases, SALT, 256)
        while not walk.step(5):
            pass
        walks.append(walk.digests(0, 256))
    assert len(set(walks)) == 1, f"{world}: the leaves differ"


@pytest.mark.parametrize("mix", range(len(MIXES)), ids=["+".join(each) for each in MIXES])
def test_nodes_that_have_applied_the_same_have_equal_fingerprints(mix: int) -> None:
    for seed in range(mix, SEEDS, len(MIXES)):
        world = World(seed, nodes=2 + seed % 2, backlog_bytes=(0, 4_000, 0, 9_000)[seed // 2 % 4])
        client = OfSome(world.random, seed, MIXES[mix])
        pairs = list(world.wires)
        for _ in range(3):
            for _ in range(90):
                event(world, client, world.random.choice(world.nodes), pairs, False)
                world.time_s += world.random.randrange(3) / 1000.0
            world.settle()
            check_equal(world)
            if world.random.random() < 0.3:
                world.restart(world.random.randrange(len(world.nodes)))
                world.settle()
                check_equal(world)


def filled(nodes: int = 1) -> World:
    """Keys of all types; every place has a dot."""
    world = World(5, nodes=nodes)
    node = world.nodes[0]
    node("SET", "string", "a value", "PXAT", str(int(world.time_s * 1000) + 900_000))
    node("INCRBY", "counter", "5")
    node("SET", "patched", "some")
    node("APPEND", "patched", " text")
    node("SADD", "set", "a", "b", "c")
    node("HSET", "hash", "f", "1", "g", "2")
    node("HINCRBY", "hash", "n", "3")
    node("HPEXPIREAT", "hash", str(int(world.time_s * 1000) + 900_000), "FIELDS", "1", "f")
    node("RPUSH", "list", "x", "y", "z")
    node("LSET", "list", "1", "assigned")
    node("ZADD", "zset", "1", "one", "2", "two")
    node("ZINCRBY", "zset", "2", "one")
    node("XADD", "stream", "1-1", "f", "v")
    node("XGROUP", "CREATE", "stream", "group", "0")
    node("XREADGROUP", "GROUP", "group", "reader", "STREAMS", "stream", ">")
    node("SET", "gone", "v")
    node("DEL", "gone")
    world.settle()
    return world


def dots_of(entry: Entry) -> Dots:
    if entry.dots is None:
        entry.dots = Dots()
    return entry.dots


def claim_of_list(entry: Entry) -> None:
    dots_of(entry).claims = [Claim(1 << 40, 0, 3)]


def rival_register(entry: Entry) -> None:
    dots_of(entry).registers = [Register(1 << 40, 0, b"other")]


def later_deadline(entry: Entry) -> None:
    entry.deadline += 1


def newer_stamp(entry: Entry) -> None:
    entry.stamp += 1


def another_patch(entry: Entry) -> None:
    patch = cast(list[Patch], dots_of(entry).patches)[0]
    patch.value = b" texx"


def hidden_set(entry: Entry) -> None:
    value = SetValue()
    value.do_place(b"hidden", Dot(1 << 40, 0))
    dots_of(entry).hidden = [value]


def another_dot(entry: Entry) -> None:
    cast(SetValue, entry.value).do_place(b"b", Dot(1 << 40, 0))


def without_dot(entry: Entry) -> None:
    cast(SetValue, entry.value).do_place(b"b", None)


def member_gone(entry: Entry) -> None:
    cast(SetValue, entry.value).do_take(b"b")


def field_without_dot(entry: Entry) -> None:
    cast(HashValue, entry.value).do_place(b"g", b"2")


def field_deadline(entry: Entry) -> None:
    cast(HashValue, entry.value).do_set_deadline(b"g", 1_900_000_000_000)


def no_field_deadline(entry: Entry) -> None:
    cast(HashValue, entry.value).do_claim(b"f", None)


def swapped_items(entry: Entry) -> None:
    value = cast(ListValue, entry.value)
    value.do_assign(0, b"z")
    value.do_assign(2, b"x")


def no_assignment(entry: Entry) -> None:
    cast(ListValue, entry.value).registers = None


def no_order(entry: Entry) -> None:
    cast(ListValue, entry.value).order = None


def other_identities(entry: Entry) -> None:
    value = cast(ListValue, entry.value)
    runs = value.runs()
    runs[0].first += 100
    value.do_set_runs(runs)


def other_score(entry: Entry) -> None:
    value = cast(ZSetValue, entry.value)
    value.do_remove([b"two"], 0)
    value.do_put(b"two", 2.5)


def fewer_steps(entry: Entry) -> None:
    slot = cast(ZSetValue, entry.value).slot(b"one")
    slot.streams[0].steps.pop()  # type: ignore[attr-defined]


def acknowledged(entry: Entry) -> None:
    group = cast(StreamValue, entry.value).groups[b"group"]
    group.do_acknowledge(1 << 64 | 1)


def fewer_claims(entry: Entry) -> None:
    memory = cast(StreamValue, entry.value).memory
    assert memory is not None
    memory.tops.claims.pop()


MUTATIONS: list[tuple[str, Callable[[Entry], None]]] = [
    ("string", claim_of_list), ("string", rival_register), ("string", later_deadline),
    ("string", newer_stamp), ("string", hidden_set), ("gone", newer_stamp),
    ("counter", newer_stamp), ("patched", another_patch), ("set", newer_stamp),
    ("set", another_dot), ("set", without_dot), ("set", member_gone), ("set", hidden_set),
    ("hash", field_without_dot), ("hash", field_deadline), ("hash", no_field_deadline),
    ("list", swapped_items), ("list", no_assignment), ("list", no_order),
    ("list", other_identities), ("zset", other_score), ("zset", fewer_steps),
    ("stream", acknowledged), ("stream", fewer_claims),
]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "mutate"), MUTATIONS, ids=[f"{key}: {each.__name__}" for key, each in MUTATIONS]
)
def test_any_change_makes_another_fingerprint(
    key: str, mutate: Callable[[Entry], None]
) -> None:
    node = filled().nodes[0]
    entry = node.engine.databases[0].raw(key.encode())
    assert entry is not None
    before = fingerprint(node, key.encode())
    mutate(entry)
    assert fingerprint(node, key.encode()) != before


def test_the_quick_way_of_strings_is_the_same_as_the_long_one() -> None:
    world = filled()
    node = world.nodes[0]
    entry = node.engine.databases[0].raw(b"string")
    assert entry is not None and entry.dots is None
    before = fingerprint(node, b"string")
    state = open_state(entry, 0, b"string", False, node.streams, node.member.memory.ledger)
    entry.dots = Dots()
    entry.dots.ttls = list(state.ttls)
    assert fingerprint(node, b"string") == before


def test_a_key_of_which_nothing_is_known_is_0() -> None:
    node = filled().nodes[0]
    assert fingerprint(node, b"never there") == 0
    assert fingerprint(node, b"gone") != 0
    empty = Entry(None, 0, 0)
    assert key_fingerprint(node.member.memory, 0, b"k", empty, SALT) == 0


def test_the_name_the_database_and_the_salt_count() -> None:
    node = filled().nodes[0]
    node("SET", "one", "v")
    node("SELECT", "1")
    node("SET", "one", "v")
    memory = node.member.memory
    entry = node.engine.databases[0].raw(b"one")
    assert fingerprint(node, b"one") != fingerprint(node, b"one", 1)
    assert key_fingerprint(memory, 0, b"one", entry, b"s") != fingerprint(node, b"one")
    assert key_fingerprint(memory, 0, b"two", entry, SALT) != fingerprint(node, b"one")


def test_a_field_takes_no_parked_member_of_its_name() -> None:
    """A member past its deadline, hidden under a hash, stays remembered where its name is counted
    as a field."""
    world = World(2, nodes=2)
    one, other = world.nodes
    world.part(0, 1)
    one("SADD", "key", "place")
    one("PEXPIREMEMBERAT", "key", "place", str(int(world.time_s * 1000) + 100))
    world.time_s += 2.0
    assert one("EXISTS", "key") == 0
    other("HSET", "key", "field", "value")
    world.settle()
    check_equal(world)
    other("HINCRBY", "key", "place", "1")
    world.settle()
    check_equal(world)


def test_a_list_that_is_put_over_another_remembers_what_was_moved_there() -> None:
    """Else a restart of that node would let an older move of the element bring it back there."""
    world = World(2, nodes=2)
    one, other = world.nodes
    one("RPUSH", "source", "x")
    one("LMOVE", "source", "target", "LEFT", "RIGHT")
    other("RPUSH", "numbers", "2", "1")
    world.settle()
    other("SORT", "numbers", "STORE", "target")
    world.settle()
    check_equal(world)
    for node in world.nodes:
        value = cast(ListValue, cast(Entry, node.engine.databases[0].raw(b"target")).value)
        assert value.moved is not None


def test_a_waiting_removal_counts() -> None:
    node = filled().nodes[0]
    removals = node.member.memory.removals
    other = node.streams.of(bytes(15) + b"\1")
    found = [fingerprint(node, b"set"), fingerprint(node, b"never there")]
    row = row_of([0] * other.number + [7 << 40])
    for key in (b"set", b"never there"):
        removals.add(0, key, Pending(5 << 40, other.number, row, [(MEMBER, b"a")]))
        found.append(fingerprint(node, key))
    removals.by_key[0, b"set"][0].scopes.append((MEMBER, b"b"))
    found.append(fingerprint(node, b"set"))
    assert len(set(found)) == 5


def test_what_is_stable_needs_not_be_forgotten_to_be_equal() -> None:
    """One node has forgotten its dots, the other not yet."""
    world = World(11, nodes=2, forgets="random")
    one, other = world.nodes
    one("SET", "string", "v")
    one("SADD", "set", "a", "b")
    one("HSET", "hash", "f", "v")
    one("HINCRBY", "hash", "n", "5")
    one("INCRBY", "counter", "3")
    one("INCRBY", "counter", "4")
    one("ZADD", "zset", "1", "m")
    one("XADD", "stream", "1-1", "f", "v")
    one("APPEND", "patched", "text")
    for _ in range(6):
        world.settle()
    for _ in range(3):
        for node in world.nodes:
            node.save()
            node.member.heartbeat()
            node.member.backlog.flush()
        world.flow()
    one.forget()
    row = unpack_row(one.member.memory.cut.row)
    stable = {each.uuid: row[each.number] for each in one.streams.all if each.number < len(row)}
    cut = row_of([stable.get(each.uuid, 0) for each in other.streams.all])
    mine = row_of([stable.get(each.uuid, 0) for each in one.streams.all])
    for key in (b"string", b"set", b"hash", b"counter", b"zset", b"stream", b"patched"):
        assert fingerprint(one, key, 0, mine) == fingerprint(other, key, 0, cut), key


def test_a_large_value_is_done_in_slices() -> None:
    node = filled().nodes[0]
    node("SADD", "large", *[f"m{number}" for number in range(5000)])
    entry = node.engine.databases[0].raw(b"large")
    made = KeyFingerprint(node.member.memory, 0, b"large", entry, SALT)
    slices = sum(1 for _ in made.slices(400))
    assert slices > 5
    assert made.number == fingerprint(node, b"large")


# --- leaves -------------------------------------------------------------------------------------


def test_leaves_tell_where_two_nodes_differ() -> None:
    world = filled(2)
    found = []
    for node in world.nodes:
        walk = LeafWalk(node.member.memory, node.engine.databases, SALT, 256)
        while not walk.step(5):
            pass
        found.append(walk.digests(0, 256))
    assert differing(*found) == []
    world.nodes[1]("SADD", "set", "more")
    walk = LeafWalk(node.member.memory, node.engine.databases, SALT, 256)
    while not walk.step(5):
        pass
    assert differing(found[0], walk.digests(0, 256)) == [leaf_of(0, b"set", 256)]
    with pytest.raises(ValueError, match="leaves"):
        differing(found[0], bytes(PRINT_BYTES))


def test_the_keys_of_some_leaves_are_listed() -> None:
    node = filled().nodes[0]
    node("SADD", "large", *[f"m{number}" for number in range(3000)])
    chosen = {int(leaf_of(0, key, 256)) for key in (b"set", b"gone", b"large")}
    walk = FoundWalk(node.member.memory, node.engine.databases, SALT, 256, b"", chosen, 100)
    while not walk.step(5):
        pass
    assert {b"set", b"gone", b"large"} <= {key for _, key in walk.found}
    for (db, key), number in walk.found.items():
        assert leaf_of(db, key, 256) in chosen
        assert number == fingerprint(node, key, db) & PRINT_MASK
    few = FoundWalk(node.member.memory, node.engine.databases, SALT, 256, b"", chosen, 1)
    while not few.step(5):
        pass
    assert len(few.found) == 1
