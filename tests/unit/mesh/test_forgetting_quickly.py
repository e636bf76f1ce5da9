"""The quick ways of forgetting do what the general ones do (mesh/fold.py, mesh/touched.py)."""

from __future__ import annotations

import pytest

from mesh.fold import fold_counter, fold_state, install
from mesh.merge.opening import open_state
from mesh.touched import Epoch
from node.store.effect import PUSH, PUT, SADD
from node.store.entry import COUNT_BITS
from tests.mesh.stories import Mesh
from tests.support.simnode import SimNode

STORIES: dict[str, list[tuple[str, ...]]] = {
    "made by INCR": [("a", "INCR", "n"), ("b", "INCR", "n"), ("a", "INCR", "n")],
    "on a register": [("a", "SET", "n", "10"), ("a", "INCR", "n"), ("b", "DECR", "n")],
    "with a deadline": [("a", "SETEX", "n", "900", "1"), ("a", "INCR", "n"), ("b", "INCR", "n")],
    "to nothing": [("a", "INCR", "n"), ("b", "DECR", "n")],
}


def told(commands: list[tuple[str, ...]], behind: int) -> tuple[Mesh, SimNode]:
    """Two nodes have all of a story; the cut of the first lacks the last `behind` stamps."""
    mesh = Mesh("ab", forgets="beat")
    nodes = {"a": mesh.nodes[0], "b": mesh.nodes[1]}
    stamps: list[int] = []
    for at, command in enumerate(commands):
        mesh.at(at + 1)
        nodes[command[0]](*command[1:])
        mesh.flow()
        stamps.append(int(nodes[command[0]].engine.clock.last))
    vector = {uuid: min(stamp, stamps[-1 - behind])
              for uuid, stamp in nodes["a"].member.vector().items()}  # fmt: skip
    nodes["a"].member.stability.take_cut(vector)
    nodes["a"].member.memory.cut.before = stamps[-1 - behind]
    return mesh, nodes["a"]


@pytest.mark.parametrize("behind", range(3))
@pytest.mark.parametrize("name", STORIES)
def test_a_plain_counter_folds_as_one_that_is_spelled_out(name: str, behind: int) -> None:
    if behind >= len(STORIES[name]):
        return
    found: list[object] = []
    for quickly in (True, False):
        _, node = told(STORIES[name], behind)
        memory = node.member.memory
        db = node.engine.databases[0]
        entry = db.raw(b"n")
        assert entry is not None
        done = False
        if quickly:
            done = fold_counter(memory, db, b"n", entry)
            assert done or behind > 0
        if not done:
            state = open_state(entry, 0, b"n", False, memory.streams, memory.ledger)
            if fold_state(state, memory.cut):
                install([], state, entry)
        left = open_state(entry, 0, b"n", False, memory.streams, memory.ledger)
        found.append((
            node("GET", "n"), entry.value, int(entry.flags & ~COUNT_BITS), int(entry.deadline),
            entry.dots is None, sorted(int(each.delta) for each in left.increments),
            [each.value for each in left.registers],
        ))  # fmt: skip
    assert found[0] == found[1]


def test_a_key_that_is_written_again_is_one_that_was_touched() -> None:
    epoch = Epoch(1)
    assert epoch.touch(SADD, 0, b"s", [b"x", b"y"], False) == 3
    assert epoch.touch(SADD, 0, b"s", [b"z"], False) == 1
    assert epoch.touch(SADD, 1, b"s", [b"x"], False) == 2
    assert [each.names for each in epoch.touched] == [[b"x", b"y", b"z"], [b"x"]]


def test_of_a_key_that_is_looked_at_whole_nothing_more_is_noted() -> None:
    epoch = Epoch(1)
    assert epoch.touch(PUT, 0, b"s", [], True) == 1
    assert epoch.touch(SADD, 0, b"s", [b"x"], False) == 0
    assert epoch.touch(PUT, 0, b"s", [], True) == 0
    assert [(each.names, each.whole) for each in epoch.touched] == [([], True)]


def test_a_list_above_a_set_is_noted_for_itself() -> None:
    """What it remembers is measured, what a set does is counted."""
    epoch = Epoch(1)
    assert epoch.touch(SADD, 0, b"k", [b"x"], False) == 2
    assert epoch.touch(PUSH, 0, b"k", [], False) == 1
    assert epoch.touch(PUSH, 0, b"k", [], False) == 0
    assert [int(each.op) for each in epoch.touched] == [SADD, PUSH]
