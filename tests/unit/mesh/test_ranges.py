"""Leaves, walks and the two sides of a comparison, without a link between them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mesh.intake import Intake
from mesh.outflow import ALIVE
from mesh.range_follower import RangeFollower
from mesh.range_server import CUT, DIFFERENT, SNAPSHOT, WANTED, RangeError, RangeServer
from mesh.ranges import (
    KEYS_PER_LEAF,
    LEAVES_LEAST,
    LEAVES_MOST,
    PRINT_BYTES,
    LeafWalk,
    PrintWalk,
    is_leaf_count,
    leaf_of,
    leaves_for,
    set_bit,
)
from mesh.staging import StagingError
from tests.support.simnode import SimNode
from tests.support.simulation import World

SALT = b"s" * 16
LEAVES = 256


def two(keys: int = 300) -> tuple[SimNode, SimNode]:
    """Two nodes with the same keys, by frames."""
    world = World(0, nodes=2)
    a, b = world.nodes
    for number in range(keys):
        a("SET", f"k{number}", str(number))
    a("SADD", "s", *[str(number) for number in range(2500)])
    a("SET", "gone", "v")
    a("DEL", "gone")
    world.settle()
    world.part(0, 1)
    return a, b


def sums(node: SimNode, salt: bytes = SALT, budget: int = 7) -> list[int]:
    """The digests of all leaves."""
    walk = LeafWalk(node.member.memory, node.engine.databases, salt, LEAVES)
    while not walk.step(budget):
        assert 0.0 <= walk.progress < 1.0
    assert walk.progress == 1.0
    return list(walk.sums)


def test_leaves_are_a_power_of_two_by_the_number_of_keys() -> None:
    assert leaves_for(0) == LEAVES_LEAST
    assert leaves_for(LEAVES_LEAST * KEYS_PER_LEAF + 1) == 2 * LEAVES_LEAST
    assert leaves_for(10**9) == LEAVES_MOST
    assert [count for count in range(300) if is_leaf_count(count)] == [8, 16, 32, 64, 128, 256]
    assert not is_leaf_count(2 * LEAVES_MOST)


def test_keys_are_spread_over_the_leaves_alike_in_every_process() -> None:
    counts = [0] * LEAVES
    for number in range(10_000):
        counts[leaf_of(0, b"key:%012d" % number, LEAVES)] += 1
    assert 15 < min(counts) <= max(counts) < 80
    assert leaf_of(0, b"k", LEAVES) == 93 and leaf_of(1, b"k", LEAVES) == 203


def test_equal_nodes_have_equal_digests_whatever_the_slices() -> None:
    a, b = two()
    assert sums(a) == sums(b, budget=1000)
    assert sums(a) != sums(a, b"another salt")


def test_a_change_changes_one_leaf_and_its_way_back_another_dot() -> None:
    a, b = two()
    b("SET", "k7", "other")
    differ = [at for at, (one, other) in enumerate(zip(sums(a), sums(b), strict=True))
              if one != other]  # fmt: skip
    assert differ == [leaf_of(0, b"k7", LEAVES)]
    b("SET", "k7", "7")
    assert sums(a) != sums(b), "the same value, but by another write"


def test_a_walk_meets_hidden_keys_and_large_ones() -> None:
    a, _ = two()
    chosen = bytearray(LEAVES // 8)
    for name in (b"gone", b"s"):
        set_bit(chosen, leaf_of(0, name, LEAVES))
    walk = PrintWalk(a.member.memory, a.engine.databases, SALT, chosen)
    while not walk.step(3):
        pass
    names = {name for known in walk.prints.values() for _, name in known.values()}
    assert {b"gone", b"s"} <= names and len(names) < 30


def test_a_key_that_vanishes_meanwhile_is_met_once() -> None:
    a, _ = two(keys=40)
    walk = PrintWalk(a.member.memory, a.engine.databases, SALT, bytearray(b"\xff" * (LEAVES // 8)))
    walk.step(300)
    for number in range(40):
        a("DEL", f"k{number}")
    while not walk.step(3):
        pass
    found = [name for known in walk.prints.values() for name in known.values()]
    assert len(found) == len(set(found)) == 42


def compared(
    server: SimNode, follower: SimNode, between: Callable[[], object] = lambda: None
) -> tuple[RangeServer, RangeFollower]:
    """A whole comparison, `between` called after each step."""
    there = follower.member
    to_follower: list[bytes] = []
    sending = RangeServer(server.engine, server.member.memory, SALT, to_follower.append)
    sending.begin()
    server.engine.writer.walk = sending.noted
    taking = RangeFollower(there.engine, there.memory, SALT, sending.leaves)
    for _ in range(20_000):
        sending.step(20)
        taking.step(20)
        if to_follower:
            taking.take(to_follower.pop(0))
        if taking.out:
            sending.take(taking.out.pop(0))
        between()
        if sending.wanted_all:
            server.engine.writer.walk = None
            return sending, taking
    raise AssertionError("the comparison never ends")


def test_what_only_one_has_and_what_differs_is_found() -> None:
    a, b = two()
    a("SET", "k1", "a")
    a("SET", "of a", "v")
    a("DEL", "k2")
    b("SET", "of b", "v")
    b("HSET", "h", "f", "v")
    sending, taking = compared(a, b)
    assert sending.chosen() == {(0, b"k1"), (0, b"of a"), (0, b"k2")}
    assert taking.lone == {(0, b"k1"), (0, b"k2"), (0, b"of b"), (0, b"h")}
    assert taking.progress == 1.0 and taking.wanted == 3


def test_every_key_that_changes_while_two_compare_is_chosen() -> None:
    a, b = two()
    written: set[tuple[int, bytes]] = set()

    def write() -> None:
        number = len(written)
        if number < 200:
            key = f"k{number}" if number % 2 else f"new {number}"
            a("SET", key, "meanwhile")
            written.add((0, key.encode()))

    sending, _ = compared(a, b, write)
    assert len(written) > 20 and written <= sending.chosen()
    sending.end()
    a("SET", "after", "v")
    assert (0, b"after") not in sending.noted.names


def test_too_many_changes_and_flushes_end_the_comparison() -> None:
    a, _ = two(keys=5)
    sending = RangeServer(a.engine, a.member.memory, SALT, lambda message: None)
    sending.begin()
    a("FLUSHALL")
    with pytest.raises(RangeError, match="database"):
        sending.step(1)
    sending.end()
    full = RangeServer(a.engine, a.member.memory, SALT, lambda message: None)
    full.noted.most = 2
    for key in (b"one", b"another", b"one more"):
        full.noted.note((0, key))
    with pytest.raises(RangeError, match="too many"):
        full.chosen()


@pytest.mark.parametrize(
    "message",
    [b"?", b"", SNAPSHOT, CUT, CUT + bytes(5), DIFFERENT + bytes(4),
     DIFFERENT + b"\x00\x00\x00\x01ab",
     DIFFERENT + bytes(4 + LEAVES), WANTED + bytes(10), b"w", WANTED + b"short"],
)  # fmt: skip
def test_a_server_refuses_what_makes_no_sense(message: bytes) -> None:
    a, _ = two(keys=5)
    sending = RangeServer(a.engine, a.member.memory, SALT, lambda message: None)
    sending.begin()
    sending.take(CUT)
    with pytest.raises(RangeError):
        sending.take(message)
    sending.end()


@pytest.mark.parametrize(
    "data",
    [b"$1\r\n?\r\n", b"$4\r\nCabc\r\n", b"+OK\r\n", b"$1\r\nS\r\n", b"$1\r\np\r\n",
     b"$5\r\nP1234\r\n",
     b"$11\r\nD\x00\x00\x00\x09123456\r\n", b"$99999999999\r\n", b"nonsense\r\n"],
)  # fmt: skip
def test_a_follower_refuses_what_makes_no_sense(data: bytes) -> None:
    _, b = two(keys=5)
    intake = Intake(b.member.stage(SALT, LEAVES), lambda message: None)
    with pytest.raises(StagingError):
        intake.take(data)
    b.member.abandon()


def test_a_follower_takes_signs_of_life_and_refuses_absurd_leaves() -> None:
    _, b = two(keys=5)
    intake = Intake(b.member.stage(SALT, LEAVES), lambda message: None)
    intake.take(ALIVE + ALIVE[:3])
    intake.take(ALIVE[3:])
    assert intake.phase == "digest" and not intake.staged
    b.member.abandon()
    for leaves in (1, 255, 2 * LEAVES_MOST):
        with pytest.raises(RangeError):
            b.member.stage(SALT, leaves)
    assert b.member.staging is None


def test_digests_in_the_wrong_order_or_too_many_are_refused() -> None:
    _, b = two(keys=5)
    taking = RangeFollower(b.engine, b.member.memory, SALT, 8)
    with pytest.raises(RangeError, match="not what comes next"):
        taking.take(b"D" + bytes(4) + bytes(8 * PRINT_BYTES))
    taking.take(CUT)
    with pytest.raises(RangeError, match="not what comes next"):
        taking.take(CUT)
    with pytest.raises(RangeError, match="there are not"):
        taking.take(b"D" + bytes(4) + bytes(9 * PRINT_BYTES))


def test_a_snapshot_of_all_is_refused_where_some_keys_were_asked_for() -> None:
    a, b = two(keys=5)
    _, taking = compared(a, b)
    a.save()
    staging = b.member.stage()
    staging.ranges = taking
    taking.ended = True
    intake = Intake(staging, lambda message: None)
    with pytest.raises(StagingError, match="not of the keys"):
        intake.take(b"$EOF:" + b"m" * 40 + b"\r\n" + a.saves[-1])
    b.member.abandon()
