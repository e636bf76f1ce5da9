"""Resync by digest: only what differs travels, and nodes are equal whatever is written meanwhile.

Stories play one order of events each; seeds play types, cuts, crashes and writes between all slices
of a comparison, with every transfer that can be one by digests.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from mesh.status import DIGEST, TRANSFER
from tests.mesh.stories import Mesh
from tests.mesh.test_types_converge import MIXES, OfSome, equal
from tests.support.remembered import remembered
from tests.support.seeds import seeds
from tests.support.simnode import SimNode
from tests.support.simulation import World
from tests.support.simwire import Wire

SEEDS = seeds()
FEWEST = 4  # among so many at least one compares
SMALL_BACKLOG = 3_000
EVER = 1 << 30
COMMON = 60


def small(names: str) -> Mesh:
    """Nodes whose backlogs hold a few writes only, and which compare where they can."""
    mesh = Mesh("")
    mesh.backlog_limit = SMALL_BACKLOG
    mesh.whole_each = EVER
    for name in names:
        mesh.add(name)
    mesh.heal()
    return mesh


def apart(common: int = COMMON) -> tuple[Mesh, SimNode, SimNode]:
    """Two nodes with common keys that have lost each other's tail; a transfer is due."""
    mesh = small("ab")
    a, b = mesh.nodes
    for number in range(common):
        a("SET", f"common{number}", f"value {number}")
    mesh.heal()
    mesh.cut_all()
    for node in mesh.nodes:
        for _ in range(60):
            node("SET", f"of {node.name}", "x" * 40)
    return mesh, a, b


def asks(mesh: Mesh, source: int, target: int) -> Wire:
    """The target asks, and the comparison begins at the source."""
    mesh.down.discard((source, target))
    wire = mesh.wires[source, target]
    assert wire.connect()
    wire.answer()
    assert wire.outflow is not None, "the story needs a transfer"
    assert mesh.nodes[source].work()
    return wire


def until(mesh: Mesh, wire: Wire, reached: Callable[[], bool]) -> None:
    """The link and both nodes work until this holds; no other link carries anything."""
    for _ in range(5000):
        if reached():
            return
        wire.deliver(lambda size: size)
        if reached():
            return
        for node in mesh.nodes:
            node.work()
    raise AssertionError("that never came")


def staged_keys(wire: Wire) -> int:
    """How many keys came of the transfer that runs."""
    assert wire.intake is not None
    return wire.intake.staging.records


def test_only_what_differs_travels() -> None:
    mesh, a, b = apart()
    a("SET", "common3", "changed at a")
    a("DEL", "common4")
    b("SET", "common5", "changed at b")
    b("DEL", "common6")
    a("SET", "new at a", "1")
    b("SET", "new at b", "1")
    wire = asks(mesh, 0, 1)
    until(mesh, wire, lambda: wire.staged)
    staging = b.member.staging
    assert staging is not None and staging.ranges is not None
    # What a has otherwise than b: 3 and 4, 5 and 6 as they were, its own two keys.
    assert staging.records == staging.chosen == 6
    # What b has otherwise than a, and may have to let go.
    assert len(staging.ranges.lone) == 6
    assert b("GET", "common3") == b"value 3", "nothing shows before the switch"
    mesh.heal()
    assert mesh.both("MGET", "common3", "common4", "common5", "common6") == frozenset(
        {b"changed at a", b"changed at b", None}
    )
    assert mesh.both("MGET", "new at a", "new at b") == frozenset({b"1"})


def test_two_that_differ_in_nothing_send_no_key() -> None:
    """A tail that is gone says nothing of what is in it: here it was written over on both sides."""
    mesh, a, b = apart()
    mesh.heal()
    a.save()
    mesh.cut_all()
    mesh.crash(0, a.saves[-1])
    a.activate()
    a.member.backlog.hole(0, a.streams.own.seen)
    wire = asks(mesh, 0, 1)
    until(mesh, wire, lambda: wire.staged)
    staging = b.member.staging
    assert staging is not None and staging.records == 0
    mesh.heal()


def test_the_bytes_of_equal_keys_do_not_travel() -> None:
    mesh, _, _ = apart(common=400)
    wire = asks(mesh, 0, 1)
    until(mesh, wire, lambda: wire.staged)
    compared = wire.transfer_bytes
    mesh.heal()
    mesh, _, _ = apart(common=400)
    mesh.whole_each = 1
    wire = asks(mesh, 0, 1)
    until(mesh, wire, lambda: wire.staged)
    assert compared * 4 < wire.transfer_bytes


class OneForgets(Mesh):
    """Both nodes know what is stable; only the one of this name has got round to forgetting it."""

    def __init__(self, forgetful: str) -> None:
        super().__init__("", forgets="beat")
        self.forgetful = forgetful
        self.backlog_limit = SMALL_BACKLOG
        self.whole_each = EVER
        for name in "ab":
            self.add(name)
        self.heal()

    def forgets_at(self, node: SimNode) -> str:
        return "beat" if node.name == self.forgetful else ""


@pytest.mark.parametrize("forgetful", ["a", "b"])
def test_what_one_has_forgotten_and_the_other_not_yet_does_not_travel(forgetful: str) -> None:
    """Of all types, shown and deleted: only when a dot is forgotten is a node's own affair."""
    mesh = OneForgets(forgetful)
    a, b = mesh.nodes
    for number in range(20):
        a("SET", f"string{number}", "7")
        a("DEL", f"string{number}")
        a("SET", f"text{number}", "7")
        a("APPEND", f"text{number}", "7")
        a("INCRBY", f"number{number}", "7")
        a("SADD", f"set{number}", "7")
        a("RPUSH", f"list{number}", "7")
        b("HSET", f"hash{number}", "f", "v")
        b("HINCRBY", f"hash{number}", "n", "5")
        b("ZADD", f"zset{number}", "1", "m")
        b("XADD", f"stream{number}", "1-1", "f", "v")
        mesh.heal()
        b("APPEND", f"text{number}", "8")
        b("SREM", f"set{number}", "7")
        b("LPOP", f"list{number}")
    mesh.heal()
    for _ in range(3):
        mesh.time_s += 60.0
        for node in mesh.nodes:
            node.save()
            node.beat()
        mesh.flow()
    left = {node.name: remembered(node.engine.databases, node.member.memory)
            for node in mesh.nodes}  # fmt: skip
    other = "b" if forgetful == "a" else "a"
    assert not any(left[forgetful].values()), left
    assert sum(left[other].values()) > 100, left
    mesh.cut_all()
    for node in mesh.nodes:
        for _ in range(60):
            node("SET", f"of {node.name}", "x" * 40)
    wire = asks(mesh, 0, 1)
    until(mesh, wire, lambda: wire.staged)
    staging = b.member.staging
    assert staging is not None and staging.ranges is not None
    assert staging.records == 1, "only what was written since: of a"
    assert staging.ranges.lone == {(0, b"of b")}
    mesh.heal()


@pytest.mark.parametrize("phase", ["answer", DIGEST, "asked", TRANSFER, "staged"])
def test_a_comparison_that_breaks_leaves_nothing_behind(phase: str) -> None:
    mesh, a, b = apart()
    a("SET", "common3", "changed at a")
    wire = asks(mesh, 0, 1)

    def reached() -> bool:
        intake = wire.intake
        if phase == "answer":
            return True
        if phase == "staged":
            return wire.staged
        if intake is None:
            return False
        if phase == DIGEST:
            return intake.progress is not None and intake.progress > 0.3
        if phase == "asked":
            assert intake.ranges is not None
            return intake.ranges.compared
        return intake.phase == TRANSFER

    until(mesh, wire, reached)
    vector, shown = b.member.vector(), b.shown()
    wire.cut()
    while a.work():
        pass
    assert a.engine.writer.walk is None and not a.member.backlog.pins
    if phase != "staged":
        assert b.member.staging is None and b.incoming is None
        assert b.member.vector() == vector and b.shown() == shown
    mesh.heal()
    assert mesh.both("GET", "common3") == b"changed at a"


PLACES = ("answer", "digests", "prints", "wanted", "transfer", "staged", "merging")


def write(node: SimNode, at: str, name: str) -> None:
    """Each kind of change there is, to keys of its own, by one node at one point."""
    node("SET", f"common{PLACES.index(at)}", f"by {name} at {at}")
    node("DEL", f"common{PLACES.index(at) + 10}")
    node("SET", f"new {at}", name)
    node("SADD", "set", f"{name} {at}")
    node("SREM", "set", f"old {PLACES.index(at)}")
    node("RPUSH", "list", f"{name} {at}")
    node("INCR", "count")
    node("HSET", f"hash {at}", name, at)
    node("DEL", f"hash {at}")
    node("EXPIRE", f"common{PLACES.index(at) + 20}", "1000")


@pytest.mark.parametrize("only", ["a", "b", "ab"])
@pytest.mark.parametrize("back", [False, True], ids=["one way", "both ways"])
def test_writes_between_all_phases_are_kept(only: str, back: bool) -> None:
    """Whatever was compared already, or was not: on both sides, with frames to the server too."""
    mesh, a, b = apart()
    for number in range(10):
        a("SADD", "set", f"old {number}")
    mesh.heal()
    mesh.cut_all()
    for node in mesh.nodes:
        for _ in range(60):
            node("SET", f"of {node.name}", "x" * 40)
    if back:
        mesh.up(b, a)
    wire = asks(mesh, 0, 1)
    reached: list[Callable[[], bool]] = [
        lambda: True,
        lambda: wire.intake is not None and (wire.intake.progress or 0.0) > 0.2,
        lambda: bool(wire.intake and wire.intake.ranges and wire.intake.ranges.differing),
        lambda: bool(wire.intake and wire.intake.ranges and wire.intake.ranges.compared),
        lambda: wire.intake is not None and wire.intake.phase == TRANSFER,
        lambda: wire.staged,
        lambda: b.member.merging is not None,
    ]
    for at, condition in zip(PLACES, reached, strict=True):
        until(mesh, wire, condition)
        for node in mesh.nodes:
            if node.name in only:
                write(node, at, node.name)
        if back:
            mesh.wires[1, 0].deliver(lambda size: size)
    mesh.heal()


def test_a_flush_at_the_server_breaks_the_comparison_and_the_next_one_is_right() -> None:
    mesh, a, b = apart()
    wire = asks(mesh, 0, 1)
    until(mesh, wire, lambda: wire.intake is not None)
    a("FLUSHALL")
    b("SET", "after", "1")
    while a.work():
        pass
    assert not wire.open
    mesh.heal()
    assert a("DBSIZE") == b("DBSIZE")


def test_a_flush_at_the_follower_removes_what_it_had_seen() -> None:
    mesh, a, b = apart()
    a("SET", "of a alone", "1")
    wire = asks(mesh, 0, 1)
    until(mesh, wire, lambda: wire.intake is not None and (wire.intake.progress or 0.0) > 0.2)
    b("FLUSHALL")
    b("SET", "after", "1")
    mesh.heal()
    assert mesh.both("MGET", "common1", "of b") == frozenset({None})
    assert mesh.both("MGET", "of a alone", "after") == frozenset({b"1"})


def test_a_server_compares_with_one_follower_after_another() -> None:
    mesh = small("abc")
    a = mesh.nodes[0]
    for number in range(COMMON):
        a("SET", f"common{number}", "v")
    mesh.heal()
    mesh.cut_all()
    for _ in range(60):
        a("SET", "of a", "x" * 40)
    first, second = asks(mesh, 0, 1), mesh.wires[0, 2]
    mesh.down.discard((0, 2))
    assert second.connect()
    second.answer()
    until(mesh, first, lambda: first.intake is not None)
    assert second.outflow is not None and second.outflow.ranges is not None
    assert not second.outflow.ranges.begun
    second.outflow.keepalive()
    assert second.flight[-1] == b"\n"
    mesh.heal()
    assert mesh.counts["resync"] == 2


def test_who_comes_back_empty_gets_the_whole_state() -> None:
    mesh, a, b = apart()
    mesh.crash(1, None)
    b.activate()
    mesh.heal()
    assert mesh.counts["ranges"] < mesh.counts["resync"]
    assert a("DBSIZE") == b("DBSIZE")


def test_a_whole_state_tells_how_much_of_it_has_come() -> None:
    mesh, a, b = apart()
    a("DEL", "common3")  # what shows nothing travels as well
    mesh.crash(1, None)
    b.activate()
    wire = asks(mesh, 0, 1)
    told: list[list[float]] = [[], []]

    def noted() -> bool:
        for told_by, half in zip(told, (wire.outflow, wire.intake), strict=True):
            if half is not None and half.progress is not None:
                assert half.phase == TRANSFER
                told_by.append(half.progress)
        return wire.staged

    until(mesh, wire, noted)
    for shares in told:
        assert shares[0] < 0.1 and shares[-1] > 0.9, shares
        assert shares == sorted(shares) and len(set(shares)) > 10
    mesh.heal()


def test_of_four_that_restart_at_once_each_takes_one_transfer_at_most() -> None:
    """And none takes one that lacks nothing."""
    mesh = small("abcd")
    for at, node in enumerate(mesh.nodes):
        for number in range(20):
            node("SET", f"{at} {number}", "v")
    mesh.heal()
    for node in mesh.nodes:
        node.save()
    mesh.cut_all()
    for _ in range(60):
        mesh.nodes[0]("SET", "late", "x" * 40)
    mesh.nodes[0].save()
    for at, node in enumerate(mesh.nodes):
        mesh.crash(at, node.saves[-1])
        node.activate()
    mesh.heal()
    taken = [node.member.transfers for node in mesh.nodes]
    assert taken[0] == 0 and max(taken) == 1, taken


# --- seeds --------------------------------------------------------------------------------------


def compared(seed: int, forgets: str = "") -> World:
    """Writes everywhere while nodes compare; backlogs hold next to nothing, links break."""
    kinds = MIXES[seed % len(MIXES)]
    world = World(seed, nodes=0, forgets=forgets)
    world.backlog_limit = (400, 1_500, 4_000)[seed // 2 % 3]
    world.whole_each = EVER if seed % 4 else 3
    for number in range(2 + seed % 2):
        world.add(f"n{number}", world.random.randrange(-400, 400))
    rng = world.random
    client = OfSome(rng, seed, kinds)
    pairs = list(world.wires)
    try:
        for _ in range(3):
            for _ in range(120):
                event(world, client, rng, pairs)
                world.time_s += rng.randrange(3) / 1000.0
            world.settle()
            equal(world)
    except Exception as error:
        raise AssertionError(f"{world}, {kinds}: {type(error).__name__}: {error}") from error
    return world


def event(
    world: World, client: OfSome, rng: random.Random, pairs: list[tuple[int, int]]
) -> None:
    """One thing that happens somewhere; much goes on between two breaks."""
    node = rng.choice(world.nodes)
    pick = rng.random()
    if pick < 0.35:
        client.write(node)
    elif pick < 0.92:
        for _ in range(4):
            world.step(rng.choice(pairs))
            node.work()
    elif pick < 0.95:
        world.cut(*rng.choice(pairs))
    elif pick < 0.985:
        world.down.discard(rng.choice(pairs))
    elif pick < 0.99 and node.saves:
        saves = node.saves[-1:] if world.forgets else node.saves  # an older one must join anew
        world.crash(world.nodes.index(node), rng.choice(saves))
        node.activate()
    elif world.forgets:
        node.save()
        node.beat()
    else:
        node.begin_save()


@pytest.mark.parametrize("mix", range(len(MIXES)), ids=["+".join(each) for each in MIXES])
def test_what_is_compared_while_all_write_is_equal(mix: int) -> None:
    ranges = 0
    for seed in range(mix, max(SEEDS // 25, 3 * len(MIXES)), len(MIXES)):
        world = compared(seed)
        ranges += world.counts["ranges"]
        assert world.counts["ranges"] <= world.counts["resync"]
    assert ranges > SEEDS // 500


@pytest.mark.parametrize("forgets", ["frame", "random"])
def test_nodes_that_forgot_differently_compare_and_are_equal(forgets: str) -> None:
    ranges = 0
    for seed in range(max(SEEDS // 50, FEWEST)):
        ranges += compared(seed, forgets).counts["ranges"]
    assert ranges > 0
