"""Small collections are noted as a whole, once for as long as they are written again and again
(mesh/noting.py); and yet what they remember is bounded, and goes when they come to rest."""

from __future__ import annotations

import pytest

from mesh.fold import values_of
from mesh.touched import PUT_OFF_MOST
from node.store.entry import Field
from node.store.values.container import Container
from node.store.values.hashes import HashValue
from tests.mesh.stories import Mesh
from tests.mesh.test_forgetting_in_slices import dots, hold, pair, say
from tests.mesh.test_forgetting_in_slices import left as left_of
from tests.support.simnode import SimNode

KEYS = 6
# What makes another of a key that waits to be looked at, and is written again afterwards.
CHANGES: dict[str, list[tuple[str, ...]]] = {
    "goes": [("DEL", "h1")],
    "goes and comes": [("DEL", "h1"), ("HSET", "h1", "f", "v")],
    "moves": [("RENAME", "h1", "h2")],
    "is written over": [("SET", "h1", "text")],
    "becomes a set": [("DEL", "h1"), ("SADD", "h1", "x", "y")],
    "grows": [("HSET", "h1", *[f"{number // 2}" for number in range(200)])],
    "has a deadline": [("EXPIRE", "h1", "900")],
    "has a field with a deadline": [("HEXPIRE", "h1", "900", "FIELDS", "1", "cold")],
    "loses a field": [("HDEL", "h1", "cold")],
    "counts": [("HINCRBY", "h1", "n", "5")],
}


def beat(mesh: Mesh) -> None:
    """One heartbeat of all, behind which what is stable is forgotten."""
    mesh.time_s += 1.0
    for node in mesh.nodes:
        node.save()
        node.beat()
    mesh.flow()
    for node in mesh.nodes:
        node.forget_now()


def write(node: SimNode, number: int) -> None:
    """Some places of all keys, other ones each time."""
    for key in range(KEYS):
        for part in range(3):
            node("HSET", f"h{key}", f"f{(number + part) % 7}", f"{number}")
        node("SADD", f"s{key}", f"m{number % 9}", f"m{number % 5}")
        node("ZADD", f"z{key}", f"{number}", f"m{number % 6}")


def left(node: SimNode) -> dict[str, int]:
    """What a node remembers, by kind, and how many values have a mark."""
    found = left_of(node)
    marked = 0
    for db in node.engine.databases:
        for shard in [*db.keys.dicts, db.hidden]:
            for entry in shard.values():
                for value in values_of(entry):
                    marked += isinstance(value, Container) and value.mark is not None
    if marked:
        found["marks"] = marked
    return found


def beats_to_forget(mesh: Mesh) -> int:
    """Heartbeats until nothing is remembered."""
    for beats in range(1, 20):
        beat(mesh)
        if not any(left(node) for node in mesh.nodes):
            return beats
    raise AssertionError([left(node) for node in mesh.nodes])


def test_what_was_written_for_long_is_forgotten_as_soon_as_what_was_written_once() -> None:
    """By all nodes: `once` is the number of heartbeats until all know that all have it on disk."""
    mesh, a, b = pair()
    write(a, 0)
    once = beats_to_forget(mesh)
    assert once <= 4
    for heartbeats in (1, 2, 3, *range(PUT_OFF_MOST - 1, PUT_OFF_MOST + 4), 2 * PUT_OFF_MOST + 3):
        for number in range(heartbeats):
            write(a, number)
            if number % 3 == 0:
                write(b, number)
            beat(mesh)
        assert beats_to_forget(mesh) <= once, heartbeats
        for node in (a, b):
            assert not node.member.forgetter.epochs and node.member.forgetter.noted == 0


def test_it_is_noted_once_however_long_it_is_written() -> None:
    mesh, a, b = pair()
    for number in range(4 * PUT_OFF_MOST):
        write(a, number)
        for node in (a, b):
            forgetter = node.member.forgetter
            assert forgetter.noted <= 3 * KEYS + len(forgetter.epochs)
            assert not any(epoch.touched for epoch in forgetter.epochs)
        beat(mesh)
        for node in (a, b):
            assert node.member.forgetter.meter.dotted() >= dots(node)
    hold(mesh)
    assert left(a) == left(b) == {}


def test_a_field_that_is_written_no_more_keeps_its_dot_for_some_heartbeats() -> None:
    """Though its key is written in each."""
    mesh, a, b = pair()
    kept: list[int] = []
    for number in range(6 * PUT_OFF_MOST):
        if not kept or dot_of(a) is None:
            a("HSET", "h", "cold", "v")
            kept.append(0)
        kept[-1] += 1
        a("HSET", "h", "hot", f"{number}")
        beat(mesh)
    assert max(kept) <= PUT_OFF_MOST + 4
    hold(mesh)
    assert left(a) == left(b) == {}


def dot_of(node: SimNode) -> object:
    """The dot of the field that is written seldom."""
    entry = node.engine.databases[0].raw(b"h")
    value = None if entry is None else entry.value
    assert isinstance(value, HashValue)
    slot = value.slot(b"cold")
    return slot if isinstance(slot, Field) else None


@pytest.mark.parametrize("at", ["before", "in the midst", "waiting"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_key_that_waits_may_become_another(change: str, at: str) -> None:
    mesh, a, b = pair()
    a("HSET", "h1", "cold", "v")
    for number in range(2):
        write(a, number)
        if at == "waiting":
            say(mesh)
        if number == 1 or at == "waiting":
            for command in CHANGES[change]:
                a(*command)
        if at == "in the midst":
            a.forget(5)
        if "SET" not in CHANGES[change][-1] and change != "becomes a set":
            a("HSET", "h1", "after", "v")
        b("SADD", "s1", "other")
        beat(mesh)
    hold(mesh)
    assert left(a) == left(b) == {}
    assert a.shown() == b.shown()


@pytest.mark.parametrize("most", [2, 10, 25])
def test_where_too_much_waits_all_keys_are_looked_at(most: int) -> None:
    """A member is away, then it is back; meanwhile the same keys are written all the time."""
    mesh, a, b = pair()
    for node in (a, b):
        node.member.forgetter.noted_max = most
    for cycle in range(3):
        mesh.cut_all()
        for number in range(5):
            write(a, number)
            b("HSET", f"h{number}", "other", f"{cycle}")
            for node in (a, b):
                node.beat()
                assert node.member.forgetter.noted <= most + 2
        mesh.heal()
        for number in range(3):
            write(a, number)
            a.forget(7)
            beat(mesh)
    hold(mesh)
    assert left(a) == left(b) == {}


def test_a_member_that_is_long_away_does_not_make_epochs_pile_up() -> None:
    """One epoch in each heartbeat in which something was written waits as a note does."""
    mesh, a, b = pair()
    a.member.forgetter.noted_max = 10
    mesh.cut_all()
    for number in range(40):
        a("HSET", "h", "f", f"{number}")
        a.beat()
        assert len(a.member.forgetter.epochs) <= 12
    mesh.heal()
    hold(mesh)
    assert left(a) == left(b) == {}
