"""ListValue: the items of a plain list and the identities beside them, whatever is done to it."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from node.store.effect import INSERT, LSET, PUSH, REMOVE, Effect
from node.store.entry import Entry
from node.store.mutate import MUTATE
from node.store.values.lists import (
    EDGE,
    Assigned,
    Inserted,
    ListValue,
    Pushed,
    Removed,
    Run,
    list_of,
)
from node.store.values.order import Ranks

KEY = b"k"

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


def check(value: ListValue, items: list[bytes], identities: list[Identity] | None) -> None:
    """The value holds exactly this, and its parts fit together."""
    assert items_of(value) == items
    assert value.size() == len(items)
    assert all(chunk.items for chunk in value.chunks)
    if identities is not None:
        assert names(value.runs()) == identities
        for chunk in value.chunks:
            assert chunk.runs is not None
            assert sum(run.count for run in chunk.runs) == len(chunk.items)
        order = value.order
        assert order is not None
        stands: dict[Identity, int] = {}
        for span in order.in_order():
            numbers = range(span.low, span.low + span.count)
            for number in numbers if span.rises else reversed(numbers):
                stands[span.origin, number] = len(stands)
        places = [stands[each] for each in identities]
        assert places == sorted(places), "they stand in the order of the tree"


class Model:
    """A plain list beside an entry: every effect is carried out on both."""

    def __init__(self, identified: bool) -> None:
        self.entry = Entry(None, 1, 0)
        self.items: list[bytes] = []
        self.names: list[Identity] = []
        self.next = 1 if identified else 0

    def take_numbers(self, count: int) -> int:
        first = self.next
        if first:
            self.next += count
        return first

    def push(self, items: list[bytes], at_head: bool) -> None:
        first = self.take_numbers(len(items))
        pushed = Pushed([b"", *items], 1, at_head)
        pushed.first = first
        pushed.ranks = Ranks() if first else None
        before = list(self.names)
        fresh = [(0, first + i if first else 0) for i in range(len(items))]
        if at_head:
            self.items[:0] = items[::-1]
            self.names[:0] = fresh[::-1]
        else:
            self.items += items
            self.names += fresh
        assert applied(self.entry, PUSH, pushed) == len(self.items)
        beside = (before[0] if at_head else before[-1]) if before and first else None
        assert name(pushed.beside) == beside

    def insert(self, position: int, item: bytes) -> None:
        position %= len(self.items) + 1
        inserted = Inserted(item, position)
        inserted.first = self.take_numbers(1)
        inserted.ranks = Ranks() if inserted.first else None
        around = [None, *self.names, None] if inserted.first else [None] * (len(self.items) + 2)
        self.items.insert(position, item)
        self.names.insert(position, (0, inserted.first))
        assert applied(self.entry, INSERT, inserted) == len(self.items)
        told = {name(inserted.left), name(inserted.right)} - {None}
        assert told <= {around[position], around[position + 1]}, "it names a neighbour"
        assert len(told) == (1 if inserted.first and len(self.items) > 1 else 0)

    def remove(self, positions: list[int]) -> None:
        gone = sorted({position % len(self.items) for position in positions})
        removed = Removed([(position, 1) for position in gone])
        if gone == list(range(gone[0], gone[-1] + 1)):
            removed = Removed([(gone[0], len(gone))])
        lost = [self.names[i] for i in gone]
        assert applied(self.entry, REMOVE, removed) == len(gone)
        assert removed.length == len(self.items)
        assert names(removed.runs) == (lost if self.next else [])
        self.items = [item for i, item in enumerate(self.items) if i not in gone]
        self.names = [each for i, each in enumerate(self.names) if i not in gone]

    def assign(self, position: int, item: bytes) -> None:
        position %= len(self.items)
        assigned = Assigned(item, position)
        self.items[position] = item
        assert applied(self.entry, LSET, assigned) == 1
        assert name(assigned.run) == (self.names[position] if self.next else None)

    def check(self) -> None:
        value = self.entry.value
        if not self.items:
            assert value is None
            return
        assert isinstance(value, ListValue)
        check(value, self.items, self.names if self.next else None)


positions = st.integers(0, 2000)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.integers(1, 200), st.booleans()),
        st.tuples(st.just("insert"), positions, st.integers(1, 5)),
        st.tuples(st.just("remove"), st.lists(positions, min_size=1, max_size=12), st.just(0)),
        st.tuples(st.just("range"), positions, st.integers(1, 300)),
        st.tuples(st.just("assign"), positions, st.just(0)),
        st.tuples(st.just("pop"), st.integers(1, 40), st.booleans()),
    ),
    max_size=25,
)


@given(steps, st.booleans())
@settings(max_examples=120, deadline=None)
def test_it_is_a_plain_list_with_identities(changes: list[tuple], identified: bool) -> None:  # type: ignore[type-arg]
    model = Model(identified)
    for number, (kind, first, second) in enumerate(changes):
        if kind == "push":
            model.push([b"%d-%d" % (number, i) for i in range(first)], second)
        elif not model.items:
            continue
        elif kind == "insert":
            for i in range(second):
                model.insert(first + i, b"i%d-%d" % (number, i))
        elif kind == "remove":
            model.remove(first)
        elif kind == "range":
            model.remove(list(range(first, first + second)))
        elif kind == "assign":
            model.assign(first, b"a%d" % number)
        else:
            for _ in range(min(first, len(model.items))):
                model.remove([0 if second else len(model.items) - 1])
        model.check()


def test_every_place_and_range_is_found() -> None:
    items = numbered(1000)
    value = list_of(items)
    assert [value.get(i) for i in range(1000)] == items
    for begin, end in ((0, 0), (5, 3), (0, 1000), (127, 129), (128, 512), (999, 1000)):
        assert value.range(begin, end) == items[begin:end]


def test_equal_items_are_found_from_both_ends() -> None:
    items = [b"x" if i % 7 == 0 else b"y" for i in range(700)]
    value = list_of(items)
    places = [i for i in range(700) if i % 7 == 0]
    assert value.matches(b"x", True, 0, 0) == places
    assert value.matches(b"x", False, 0, 0) == places[::-1]
    assert value.matches(b"x", True, 3, 0) == places[:3]
    assert value.matches(b"x", False, 3, 0) == places[:-4:-1]
    assert value.matches(b"x", True, 0, 8) == [0, 7]
    assert value.matches(b"x", False, 0, 7) == [693]
    assert value.matches(b"z", True, 0, 0) == []


def test_large_lists_have_chunks_of_about_their_square_root() -> None:
    """Goal: O(sqrt n) in the middle. Method: chunks are counted, however the list was made."""
    count = 200_000
    by_tail = ListValue()
    by_head = ListValue()
    by_middle = list_of(numbered(100_000))
    for _ in range(0, count, 10):
        by_tail.do_push([b"x"] * 10, 0, False, None)
        by_head.do_push([b"x"] * 10, 0, True, None)
    places = random.Random(1)
    for _ in range(20_000):
        by_middle.do_insert(places.randrange(by_middle.size()), b"y", None)
    for value in (list_of([b"x"] * count), by_tail, by_head, by_middle):
        root = int(value.size() ** 0.5)
        assert len(value.chunks) <= 6 * root
        assert max(len(chunk.items) for chunk in value.chunks) <= 2 * max(root, EDGE)


def test_a_queue_keeps_its_chunks_few() -> None:
    value = list_of(numbered(20_000))
    for i in range(50_000):
        value.do_push([b"%d" % i], 0, False, None)
        value.do_pop(True)
    assert value.size() == 20_000
    assert items_of(value)[-1] == b"49999"
    assert len(value.chunks) < 400
    assert len(value.chunks[0].items) <= 2 * EDGE


def test_many_removals_in_the_middle_join_small_chunks() -> None:
    value = list_of(numbered(50_000))
    value.do_remove([(i, 9) for i in range(0, 50_000, 10)])
    assert items_of(value) == [b"%d" % i for i in range(9, 50_000, 10)]
    assert len(value.chunks) <= 100


def test_a_copy_is_of_its_own_and_has_no_identities() -> None:
    value = list_of([b"a", b"b"])
    value.do_identify(0, 1)
    twin = value.copy()
    value.do_assign(0, b"c")
    assert items_of(twin) == [b"a", b"b"]
    assert twin.runs() == []
    content = value.content()
    assert isinstance(content, list)
    content.append(b"z")
    assert value.parts() == [b"c", b"b"]
    assert value.kind() == b"list"


def test_it_is_freed_in_slices() -> None:
    value = list_of(numbered(1000))
    before = value.size()
    rounds = 0
    while value.release(300):
        assert before - value.size() == 300
        before = value.size()
        rounds += 1
    assert rounds == 3
    assert value.size() == 0


def test_its_footprint_grows_with_items_and_identities() -> None:
    small = list_of([b"x" * 10] * 100)
    large = list_of([b"x" * 1000] * 100)
    assert large.footprint(5) - small.footprint(5) == 99_000
    assert large.footprint(0) == large.footprint(5)
    bare = small.footprint(5)
    small.do_identify(0, 1)
    assert small.footprint(5) > bare
    assert ListValue().footprint(5) > 0
