"""A snapshot of some keys: what was chosen as it was at the beginning, and nothing else."""

from __future__ import annotations

import random

import pytest

from node.persist.partial import PartialWalk, absent_names
from node.persist.rdb_codes import AUX_ABSENT, AUX_PARTIAL
from node.persist.rdb_records import Aux
from node.store.entry import HELD
from node.store.writer import BeforeChange
from tests.support.local import LocalNode
from tests.unit.persist.test_snapshot import (
    Loop,
    Naming,
    Remembering,
    State,
    Taker,
    begin,
    finish,
    hidden_in,
    records_of,
    snapshots_of,
    some_write,
    state_in,
    state_of,
)

Name = tuple[int, bytes]


def chosen_walk(node: LocalNode, chosen: set[Name]) -> PartialWalk:
    """A walk over these keys, begun now."""
    engine = node.engine
    return PartialWalk(engine.writer, engine.databases, Naming(), set(chosen))


def absent_in(data: bytes) -> list[Name]:
    """The keys that are said to be absent."""
    found: list[Name] = []
    for each in records_of(data):
        if isinstance(each, Aux) and each.name == AUX_ABSENT:
            found += absent_names(each.value)
    return found


def of(state: State, chosen: set[Name]) -> State:
    """The part of a state that was chosen."""
    return {name: value for name, value in state.items() if name in chosen}


def test_only_the_chosen_keys_are_in_it_and_absent_ones_are_named() -> None:
    node = LocalNode()
    for number in range(20):
        node(f"SET k{number} {number}")
    chosen = {(0, b"k3"), (0, b"k7"), (0, b"none"), (1, b"k3")}
    data = finish(chosen_walk(node, chosen))
    assert set(state_in(data)) == {(0, b"k3"), (0, b"k7")}
    assert sorted(absent_in(data)) == [(0, b"none"), (1, b"k3")]
    first = records_of(data)[0]
    assert isinstance(first, Aux) and (first.name, first.value) == (AUX_PARTIAL, b"4")


def test_many_absent_keys_are_named_in_pieces() -> None:
    node = LocalNode()
    chosen = {(0, b"none:%0100d" % number) for number in range(1000)}
    data = finish(chosen_walk(node, chosen))
    fields = [
        each for each in records_of(data) if isinstance(each, Aux) and each.name == AUX_ABSENT
    ]
    assert len(fields) > 3 and max(len(each.value) for each in fields) < 30_000
    assert set(absent_in(data)) == chosen


def test_names_that_are_cut_short_are_an_error() -> None:
    with pytest.raises(ValueError):
        absent_names(bytes(4) + b"\x00\x00\x00\x05abc")


@pytest.mark.parametrize("seed", range(20))
def test_what_changes_meanwhile_is_in_it_as_it_was(seed: int) -> None:
    dice = random.Random(seed)
    node = LocalNode(resolver=Remembering()) if seed % 2 else LocalNode()
    for _ in range(150):
        some_write(node, dice)
    before = state_of(node)
    names = [(0, f"k{number}".encode()) for number in range(60)]
    chosen = set(dice.sample(names, 30))
    hidden = {name for name in chosen if name[1] in node.engine.databases[0].hidden}
    walk = chosen_walk(node, chosen)
    data = b""
    while (chunks := walk.step(1)) is not None:
        data += b"".join(chunks)
        some_write(node, dice)
    assert state_in(data) == of(before, chosen)
    assert hidden_in(data) == {b"%d/%b" % name for name in hidden}
    assert set(absent_in(data)) == chosen - set(of(before, chosen)) - hidden
    # All marks are set, or the next walk could not tell what it has had.
    assert node.engine.writer.walk is None
    phase = node.engine.writer.phase
    for db in node.engine.databases:
        for shard in [*db.keys.dicts, db.hidden]:
            assert all(entry.flags & HELD == phase for entry in shard.values())
    after = state_of(node)
    assert state_in(finish(begin(node))) == after


def test_it_is_whole_before_all_marks_are_set() -> None:
    node = LocalNode()
    for number in range(3000):
        node(f"SET k{number} {number}")
    walk = chosen_walk(node, {(0, b"k3")})
    data = b""
    while not walk.written:
        data += b"".join(walk.step(5) or [])
    assert set(state_in(data)) == {(0, b"k3")}
    assert not walk.done and walk.progress == 1.0
    assert finish(walk) == b"" and walk.done


class Holder(Taker):
    """Looks at what changes before it says what it wants."""

    holds = True

    def __init__(self, node: LocalNode) -> None:
        super().__init__(node)
        self.turn = False

    def hold(self) -> BeforeChange:
        self.turn = True
        return BeforeChange()


def test_who_holds_the_data_lets_others_wait_until_it_has_chosen() -> None:
    node = LocalNode()
    node("SET k v")
    loop = Loop()
    snapshots = snapshots_of(node, loop)
    holder, other = Holder(node), Taker(node)
    snapshots.request(holder)
    snapshots.request(other)
    while loop.turn():
        pass
    assert holder.turn and other.began is None, "nothing is done meanwhile, and the loop rests"
    snapshots.choose(holder, lambda writer: chosen_walk(node, {(0, b"k")}))
    while loop.turn():
        pass
    assert set(state_in(holder.data)) == {(0, b"k")} and holder.ended == ""
    assert other.ended == "" and set(state_in(other.data)) == {(0, b"k")}


def test_who_held_the_data_and_is_gone_lets_the_next_one_in() -> None:
    node = LocalNode()
    node("SET k v")
    loop = Loop()
    snapshots = snapshots_of(node, loop)
    holder, other = Holder(node), Taker(node)
    snapshots.request(holder)
    snapshots.request(other)
    while loop.turn():
        pass
    snapshots.cancel(holder)
    while loop.turn():
        pass
    assert holder.ended is None and other.ended == ""
