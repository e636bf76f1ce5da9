"""The order of list elements: an executable model of the rule, and the product's Order beside it.

The model is the rule itself (docs/decisions/0018): an element is a left or right child of the one
it was put next to, siblings stand by stream and number. `Writer` is a node that puts and removes.
"""

from __future__ import annotations

import random
from itertools import permutations

import pytest

from node.store.values.order import Order, Ranks, Span

Name = tuple[int, int]
ROOT: Name = (0, 0)


class Put:
    """What one insert says: who, next to whom, on which side."""

    def __init__(self, name: Name, parent: Name, left: bool) -> None:
        self.name = name
        self.parent = parent
        self.left = left


class Model:
    """The rule: the order is a function of the set of inserts."""

    def __init__(self, puts: list[Put]) -> None:
        known = {put.name for put in puts}
        named = {put.parent for put in puts} - known - {ROOT}
        strangers = [Put(name, ROOT, False) for name in named]
        self.kids: dict[tuple[Name, bool], list[Name]] = {}
        for put in [*puts, *strangers]:
            self.kids.setdefault((put.parent, put.left), []).append(put.name)
        self.order: list[Name] = []
        self.place(ROOT)
        self.order = [name for name in self.order if name in known]

    def place(self, root: Name) -> None:
        stack = [(root, False)]
        while stack:
            name, is_open = stack.pop()
            if is_open:
                if name != ROOT:
                    self.order.append(name)
                continue
            stack += [(kid, False) for kid in sorted(self.kids.get((name, False), []))[::-1]]
            stack.append((name, True))
            stack += [(kid, False) for kid in sorted(self.kids.get((name, True), []))[::-1]]


class Writer:
    """A node: the product's order, and what is alive in it."""

    def __init__(self, origin: int) -> None:
        self.origin = origin
        self.order = Order(Ranks())
        self.alive: set[Name] = set()
        self.number = 0
        self.puts: list[Put] = []

    def visible(self) -> list[Name]:
        return [name for name in names(self.order) if name in self.alive]

    def insert(self, at: int) -> Put:
        """Puts one element so that it is at this place of what is alive."""
        seen = self.visible()
        left = seen[at - 1] if at > 0 else ROOT
        right = seen[at] if at < len(seen) else ROOT
        goes_left = self.order.goes_left(*left, *right)
        self.number += 1
        put = Put((self.origin, self.number), right if goes_left else left, goes_left)
        self.take(put)
        assert self.visible()[at] == put.name, "it stands where its writer put it"
        return put

    def take(self, put: Put) -> None:
        self.order.put(*put.name, 1, *put.parent, put.left)
        self.alive.add(put.name)
        self.puts.append(put)


def names(order: Order) -> list[Name]:
    """All elements that were put in, in order."""
    found: list[Name] = []
    for span in order.in_order():
        if span.known:
            numbers = range(span.low, span.low + span.count)
            found += [(span.origin, i) for i in (numbers if span.rises else reversed(numbers))]
    return found


def check(order: Order) -> None:
    """The links in both directions and the tables agree."""
    spans = order.in_order()
    assert len(spans) == len(order.spans)
    assert [order.spans[at] for each in order.numbers.values() for at in each.places]
    for numbers in order.numbers.values():
        assert numbers.lows == sorted(numbers.lows)
        for low, at in zip(numbers.lows, numbers.places, strict=True):
            assert order.spans[at].low == low
    at = order.tail
    for span in reversed(spans):
        assert order.spans[at] is span
        at = span.before
    assert sum(len(kids) for kids in order.kids.values()) == len(spans)
    assert order.strangers == sum(1 for span in spans if not span.known)


def delivered(puts: list[Put]) -> Order:
    order = Order(Ranks())
    for put in puts:
        order.put(*put.name, 1, *put.parent, put.left)
    return order


def shuffled(rng: random.Random, puts: list[Put]) -> list[Put]:
    """In an order in which they may arrive: each stream's in turn, the streams as it comes."""
    streams: dict[int, list[Put]] = {}
    for put in puts:
        streams.setdefault(put.name[0], []).append(put)
    mixed: list[Put] = []
    while streams:
        origin = rng.choice(sorted(streams))
        mixed.append(streams[origin].pop(0))
        if not streams[origin]:
            del streams[origin]
    return mixed


def history(seed: int) -> list[Put]:
    """Three nodes that insert, remove, and see some of what the others did."""
    rng = random.Random(seed)
    nodes = [Writer(origin) for origin in (1, 2, 3)]
    for _ in range(40):
        node = rng.choice(nodes)
        event = rng.random()
        size = len(node.alive)
        if event < 0.5:
            at = rng.choice([0, size, rng.randrange(size + 1)])
            for _ in range(rng.choice([1, 1, 3])):
                node.insert(at)
                at += rng.choice([0, 1])
        elif event < 0.75 and size:
            node.alive.discard(rng.choice([node.visible()[0], rng.choice(node.visible())]))
        else:
            other = rng.choice(nodes)
            known = {put.name for put in node.puts}
            for put in [put for put in other.puts if put.name not in known]:
                node.take(put)
    puts = {put.name: put for node in nodes for put in node.puts}
    return list(puts.values())


@pytest.mark.parametrize("seed", range(60))
def test_every_order_of_arrival_ends_in_the_order_of_the_model(seed: int) -> None:
    rng = random.Random(seed)
    puts = history(seed)
    expected = Model(puts).order
    for _ in range(6):
        arrived = shuffled(rng, puts)
        order = delivered(arrived)
        check(order)
        assert names(order) == expected
        half = arrived[: len(arrived) // 2]
        assert names(delivered(half)) == Model(half).order, "also while some are missing"


@pytest.mark.parametrize("seed", range(20))
def test_all_orders_of_arrival_of_few_inserts(seed: int) -> None:
    """Method: every permutation, also of one stream's own, which no link would deliver."""
    puts = history(seed)[:5]
    expected = Model(puts).order
    for arrived in permutations(puts):
        order = delivered(list(arrived))
        check(order)
        assert names(order) == expected


@pytest.mark.parametrize("at_head", [False, True])
@pytest.mark.parametrize("removed", [0, 2])
def test_concurrent_runs_stay_whole(at_head: bool, removed: int) -> None:
    """L2, L12: two nodes push three each, one by one, at one end of what both have seen."""
    one, other = Writer(1), Writer(2)
    for at in range(4):
        other.take(one.insert(at))
    for name in one.visible()[:removed] if at_head else one.visible()[4 - removed :]:
        other.alive.discard(name)  # one of them has not seen this
    runs = []
    for node in (one, other):
        run = []
        for _ in range(3):
            run.append(node.insert(0 if at_head else len(node.alive)))
        runs.append(run)
    for order in (delivered(one.puts + runs[1]), delivered(other.puts + runs[0])):
        found = [name for name in names(order) if name in {p.name for p in runs[0] + runs[1]}]
        assert {name[0] for name in found[:3]} in ({1}, {2})
        assert {name[0] for name in found[3:]} in ({1}, {2})


def test_a_queue_is_one_span_however_many_went_through() -> None:
    order = Order(Ranks())
    order.put(1, 1, 1, 0, 0, False)
    for number in range(2, 2000):
        order.put(1, number, 1, 1, number - 1, False)
    assert [(span.low, span.count, span.rises) for span in order.spans] == [(1, 1999, True)]
    order = Order(Ranks())
    order.put(1, 1, 500, 0, 0, True)
    order.put(1, 501, 500, 1, 500, True)
    assert [(span.low, span.count, span.rises) for span in order.spans] == [(1, 1000, False)]
    assert order.find(1, 1000) == 0
    assert order.find(1, 1001) == order.find(2, 1) == -1


def test_when_an_element_was_put_in_is_known_by_its_number() -> None:
    numbers = Order(Ranks()).of(1)
    assert numbers.stamp_of(7) == 0
    assert numbers.seen_below(0) == -1
    for first, stamp in ((10, 100), (12, 100), (14, 200), (20, 300)):
        numbers.note(first, stamp)
    assert list(numbers.births) == [10, 14, 20]
    assert [numbers.stamp_of(each) for each in (9, 10, 13, 14, 19, 20, 99)] == [
        0, 100, 100, 200, 200, 300, 300,
    ]  # fmt: skip
    assert [numbers.seen_below(each) for each in (99, 100, 250, 300)] == [10, 14, 20, -1]
    numbers.note(14, 200)
    numbers.note(5, 50)
    assert list(numbers.births) == [5, 10, 14, 20]


def test_a_damaged_frame_cannot_make_an_element_its_own_ancestor() -> None:
    order = Order(Ranks())
    order.put(1, 1, 1, 2, 1, False)
    order.put(2, 1, 1, 1, 1, True)
    assert sorted(names(order)) == [(1, 1), (2, 1)]
    assert isinstance(order.in_order()[0], Span)


@pytest.mark.parametrize("seed", range(80))
def test_forgetting_what_is_removed_changes_no_order(seed: int) -> None:
    """Goal: a node that has forgotten anchors and one that has not agree on all that comes later.

    Method: inserts that name living elements, as whoever has seen the removals writes them.
    """
    rng = random.Random(seed)
    puts = history(seed)
    kept = delivered(puts)
    short = delivered(puts)
    alive = {put.name for put in puts if rng.random() < rng.choice([0.1, 0.5])}
    for _ in range(3):
        for at in rng.sample(range(len(short.spans)), len(short.spans)):
            span = short.spans[at]
            dead = all((span.origin, span.low + i) not in alive for i in range(span.count))
            if span.count and dead and span.known:
                short.forget(at)
    shown = [name for name in names(kept) if name in alive]
    assert [name for name in names(short) if name in alive] == shown
    assert short.size() <= kept.size()
    later: list[Put] = []
    for number in range(1, 12):
        for origin in (1, 2, 3, 4):
            parent, left = ROOT, False
            if shown:
                at = rng.randrange(len(shown) + 1)
                before = shown[at - 1] if at else ROOT
                behind = shown[at] if at < len(shown) else ROOT
                left = kept.goes_left(*before, *behind)
                assert short.goes_left(*before, *behind) == left
                parent = behind if left else before
            later.append(Put((origin, 1000 + number), parent, left))
    for order in (kept, short):
        for put in shuffled(rng, later):
            order.put(*put.name, 1, *put.parent, put.left)
    alive |= {put.name for put in later}
    assert [name for name in names(short) if name in alive] == [
        name for name in names(kept) if name in alive
    ]
    united = Order(Ranks())
    for order in rng.sample([kept, short], 2):
        for span in order.in_order():
            if span.known:
                united.unite(span)
    assert [name for name in names(united) if name in alive] == [
        name for name in names(kept) if name in alive
    ], "also where the two meet"
