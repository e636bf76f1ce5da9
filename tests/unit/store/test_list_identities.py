"""Identities of list elements: kept through every change, found again, and meant by peers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from node.store.effect import INSERT, LSET, PUSH, REMOVE, Effect
from node.store.entry import Entry
from node.store.mutate import MUTATE
from node.store.values.list_places import identify
from node.store.values.lists import (
    Assigned,
    Inserted,
    ListValue,
    Pushed,
    Removed,
    Run,
    list_of,
)
from node.store.values.order import Order, Ranks
from node.store.values.sets import SetValue

KEY = b"k"
PEER = 3

Identity = tuple[int, int]


def names(runs: list[Run]) -> list[Identity]:
    """Each element's stream and number."""
    return [
        (run.origin, run.first + run.step * i if run.first else 0)
        for run in runs
        for i in range(run.count)
    ]


def name(run: Run | None) -> Identity | None:
    """One element's stream and number."""
    return None if run is None else names([run])[0]


def applied(entry: Entry, op: int, payload: object, origin: int = 0) -> int:
    """Carries an effect out; the number it returns."""
    return MUTATE[op].apply(entry, Effect(op, 0, KEY, payload, 0, 1, origin, 0))


def items_of(value: ListValue) -> list[bytes]:
    content = value.content()
    assert isinstance(content, list)
    return content


def numbered(count: int) -> list[bytes]:
    return [b"%d" % i for i in range(count)]


def identified(*runs: Run) -> ListValue:
    """A list of elements with these identities."""
    value = list_of(numbered(sum(run.count for run in runs)))
    value.do_set_runs(list(runs))
    return value


def test_a_queue_of_one_stream_is_one_run() -> None:
    entry = Entry(None, 1, 0)
    for i in range(1, 1001):
        pushed = Pushed([b"x"], 0, False)
        pushed.first = i
        applied(entry, PUSH, pushed)
    value = entry.value
    assert isinstance(value, ListValue)
    (run,) = value.runs()
    assert (run.origin, run.first, run.step, run.count) == (0, 1, 1, 1000)
    assert sum(len(chunk.runs or []) for chunk in value.chunks) == len(value.chunks)


def test_elements_pushed_at_the_head_are_one_falling_run() -> None:
    entry = Entry(None, 1, 0)
    for first in (1, 2, 4):
        pushed = Pushed([b"x"] * (1 if first == 1 else 2), 0, True)
        pushed.first = first
        applied(entry, PUSH, pushed)
    value = entry.value
    assert isinstance(value, ListValue)
    (run,) = value.runs()
    assert (run.first, run.step, run.count) == (5, -1, 5)


def test_runs_come_back_as_they_were_given() -> None:
    runs = [Run(1, 10, 1, 300), Run(2, 500, -1, 200), Run(1, 5, 1, 1), Run(1, 7, 1, 1)]
    value = identified(*runs)
    assert names(value.runs()) == names(runs)
    assert len(value.runs()) == 4
    assert name(value.identity_at(0)) == (1, 10)
    assert name(value.identity_at(300)) == (2, 500)
    assert name(value.identity_at(499)) == (2, 301)
    assert value.identity_at(502) is None
    assert value.identity_at(-1) is None
    value.do_set_runs([])
    assert value.runs() == []
    assert value.identity_at(0) is None


def test_runs_must_be_as_many_as_the_elements() -> None:
    with pytest.raises(ValueError, match="3 elements cannot have 2 identities"):
        list_of([b"a", b"b", b"c"]).do_set_runs([Run(1, 1, 1, 2)])


def test_elements_are_found_by_identity() -> None:
    value = identified(Run(1, 100, 1, 200), Run(2, 300, -1, 200), Run(1, 400, 1, 100))
    assert value.positions_of([Run(1, 100, 1, 1)]) == [(0, 1)]
    assert value.positions_of([Run(1, 499, 1, 1)]) == [(499, 1)]
    assert value.positions_of([Run(1, 298, 1, 104)]) == [(198, 2), (400, 2)]
    assert value.positions_of([Run(2, 101, 1, 3)]) == [(397, 3)]
    assert value.positions_of([Run(2, 103, -1, 3), Run(2, 300, 1, 1)]) == [(200, 1), (397, 3)]
    assert value.positions_of([Run(1, 299, 1, 1), Run(2, 300, 1, 1)]) == [(199, 2)]
    assert value.positions_of([Run(1, 50, 1, 60), Run(1, 105, 1, 10)]) == [(0, 15)]
    assert value.positions_of([Run(3, 1, 1, 500), Run(1, 1, 1, 5)]) == []
    assert value.positions_of([]) == []
    assert ListValue().positions_of([Run(1, 1, 1, 1)]) == []
    assert list_of([b"a"]).positions_of([Run(1, 1, 1, 1)]) == []


def test_many_identities_in_a_list_of_many_runs_are_found() -> None:
    """Goal: no search of everything for each. Method: 20,000 runs, half of them asked for."""
    runs = [Run(i % 5, 1 + 2 * i, 1, 1) for i in range(20_000)]
    value = identified(*runs)
    spans = value.positions_of(runs[::2])
    assert spans == [(i, 1) for i in range(0, 20_000, 2)]


def test_a_node_that_becomes_active_names_what_has_no_name() -> None:
    value = list_of(numbered(300))
    assert value.do_identify(0, 1) == 300
    assert names(value.runs()) == [(0, i) for i in range(1, 301)]
    assert value.do_identify(0, 301) == 0
    value.do_push([b"x", b"y"], 0, True, None)
    value.do_push([b"z"], 0, False, None)
    assert names(value.runs())[:3] == [(0, 0), (0, 0), (0, 1)]
    assert value.do_identify(4, 7) == 3
    assert names(value.runs()) == [(4, 7), (4, 8), *((0, i) for i in range(1, 301)), (4, 9)]
    assert ListValue().do_identify(0, 1) == 0


def test_nameless_elements_are_no_part_of_what_was_removed() -> None:
    entry = Entry(list_of([b"a", b"b"]), 1, 0)
    pushed = Pushed([b"c"], 0, False)
    pushed.first = 9
    applied(entry, PUSH, pushed)
    assert pushed.beside is None
    removed = Removed([(1, 2)])
    assert applied(entry, REMOVE, removed) == 2
    assert names(removed.runs) == [(0, 9)]
    pushed.first = 10
    applied(entry, PUSH, pushed)
    rest = Removed([(0, 2)])
    applied(entry, REMOVE, rest)
    assert names(rest.runs) == [(0, 10)]
    assert entry.value is None


# --- effects of peers -----------------------------------------------------------------------------


def three() -> Entry:
    """The list a b c whose elements are 1, 2 and 3 of the peer's stream."""
    value = list_of([b"a", b"b", b"c"])
    assert identify(value, Order(Ranks()), PEER, 1, 1) == 3
    return Entry(value, 1, 0)


def shown(entry: Entry) -> list[bytes]:
    assert isinstance(entry.value, ListValue)
    return items_of(entry.value)


def test_a_peers_removal_is_by_identity_wherever_the_elements_are() -> None:
    entry = three()
    applied(entry, PUSH, Pushed([b"new"], 0, True))
    removed = Removed([(0, 1)])
    removed.runs = [Run(PEER, 1, 1, 2)]
    assert applied(entry, REMOVE, removed, PEER) == 2
    assert shown(entry) == [b"new", b"c"]
    assert removed.spans == [(1, 2)]
    assert names(removed.runs) == [(PEER, 1), (PEER, 2)]
    again = Removed([])
    again.runs = [Run(PEER, 1, 1, 1)]
    assert applied(entry, REMOVE, again, PEER) == 0
    assert shown(entry) == [b"new", b"c"]


def test_a_peers_push_has_the_peers_identities() -> None:
    entry = three()
    pushed = Pushed([b"d", b"e"], 0, False)
    pushed.first = 4
    pushed.ranks = Ranks()
    assert applied(entry, PUSH, pushed, PEER) == 5
    assert pushed.beside is None  # what it stood beside is for the peer to say
    assert isinstance(entry.value, ListValue)
    assert names(entry.value.runs()) == [(PEER, i) for i in range(1, 6)]


def test_a_moved_element_keeps_its_identity() -> None:
    entry = Entry(None, 1, 0)
    pushed = Pushed([b"x"], 0, False)
    pushed.kept = Run(7, 42, 1, 1)
    applied(entry, PUSH, pushed, PEER)
    assert isinstance(entry.value, ListValue)
    assert name(entry.value.identity_at(0)) == (7, 42)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (None, Run(PEER, 3, 1, 1), b"abXc"),
        (None, Run(PEER, 2, 1, 1), b"aXbc"),
        (Run(PEER, 3, 1, 1), None, b"abcX"),
        (None, Run(PEER, 1, 1, 1), b"Xabc"),
        (Run(8, 1, 1, 1), None, b"abcX"),  # that one is not here yet: a child of the list itself
        (None, None, b"abcX"),
    ],
)
def test_a_peers_insertion_goes_next_to_its_neighbour(
    left: Run | None, right: Run | None, expected: bytes
) -> None:
    entry = three()
    inserted = Inserted(b"X", 50)
    inserted.ranks = Ranks()
    inserted.first = 4
    inserted.left = left
    inserted.right = right
    assert applied(entry, INSERT, inserted, PEER) == 4
    assert b"".join(shown(entry)) == expected
    assert inserted.position == expected.index(b"X")


def test_a_peers_assignment_finds_its_element_or_does_nothing() -> None:
    entry = three()
    assigned = Assigned(b"X", 0)
    assigned.run = Run(PEER, 2, 1, 1)
    assert applied(entry, LSET, assigned, PEER) == 1
    assert assigned.position == 1
    assigned = Assigned(b"Y", 0)
    assigned.run = Run(PEER, 20, 1, 1)
    assert applied(entry, LSET, assigned, PEER) == 0
    assert shown(entry) == [b"a", b"X", b"c"]


@pytest.mark.parametrize(
    ("spans", "left"),
    [
        ([(-1, 1)], b"ab"),
        ([(-2, 2)], b"a"),
        ([(0, 1), (-1, 1)], b"b"),
        ([(1, 100)], b"a"),
        ([(5, 1)], b"abc"),
        ([(0, 2), (-2, 2)], b""),
        ([(-9, 9)], b""),
        ([], b"abc"),
    ],
)
def test_spans_from_the_end_and_beyond_it(spans: list[tuple[int, int]], left: bytes) -> None:
    entry = Entry(list_of([b"a", b"b", b"c"]), 1, 0)
    removed = Removed(spans)
    assert applied(entry, REMOVE, removed) == 3 - len(left)
    if left:
        assert b"".join(shown(entry)) == left
    else:
        assert entry.value is None
    assert all(position >= 0 for position, _ in removed.spans)


def test_positions_beyond_the_list_assign_nothing() -> None:
    entry = Entry(list_of([b"a", b"b"]), 1, 0)
    assert applied(entry, LSET, Assigned(b"x", 2)) == 0
    assert applied(entry, LSET, Assigned(b"x", -3)) == 0
    assert applied(entry, LSET, Assigned(b"x", -1)) == 1
    assert shown(entry) == [b"a", b"x"]


@pytest.mark.parametrize(
    ("op", "make", "expected"),
    [
        (PUSH, lambda: Pushed([b"x"], 0, True), [b"x"]),
        (INSERT, lambda: Inserted(b"x", 5), [b"x"]),
        (REMOVE, lambda: Removed([(0, 1)]), None),
        (LSET, lambda: Assigned(b"x", 0), None),
    ],
)
def test_a_key_of_another_type_is_replaced_by_what_adds(
    op: int, make: Callable[[], object], expected: list[bytes] | None
) -> None:
    entry = Entry(SetValue(), 1, 0)
    applied(entry, op, make(), PEER)
    if expected is None:
        assert isinstance(entry.value, SetValue)
    else:
        assert shown(entry) == expected
