"""What a list remembers: to bytes and back, joined with another node's, cleared, forgotten."""

from __future__ import annotations

import random

import pytest
from librt.strings import BytesWriter

from mesh.dots import Streams, row_of
from mesh.merge.covers import Cover, Cut, Late
from mesh.merge.kinds.lists import ListKind, seen_spans
from mesh.merge.whole import NOBODY
from mesh.packing import Source
from mesh.removals import KEY, Pending
from node.store.entry import Register
from node.store.values.list_moved import Moved
from node.store.values.list_places import put_anywhere
from node.store.values.lists import ListValue, list_of
from node.store.values.order import Order
from node.store.values.runs import Run

KIND = ListKind()


def streams() -> Streams:
    found = Streams(b"\x05" * 16)
    for byte in (b"\x01", b"\x09"):
        found.of(byte * 16)
    return found


def fresh() -> ListValue:
    value = ListValue()
    value.order = Order(streams())
    return value


def add(value: ListValue, origin: int, number: int, stamp: int, beside: Run | None) -> None:
    """One element behind another, or in the list itself."""
    order = value.order
    assert order is not None
    order.of(origin).note(number, stamp)
    item = b"%d.%d" % (origin, number)
    put_anywhere(value, order, [item], 0, Run(origin, number, 1, 1), beside, False)


def random_list(seed: int) -> ListValue:
    """Elements of three streams put next to each other, some to ones that are not here; some are
    removed, some assigned to, some moved here."""
    rng = random.Random(seed)
    value = fresh()
    known: list[Run] = []
    for number in range(1, 30):
        origin = rng.randrange(3)
        beside = rng.choice([None, *known[-3:], Run(rng.randrange(3), 500 + number, 1, 1)])
        add(value, origin, number * 2, number, beside)
        known.append(Run(origin, number * 2, 1, 1))
    spans = [(at, 1) for at in range(0, value.size(), 3)]
    value.do_remove(spans)
    value.registers = {(1, 2): [Register(9, 1, b"p"), Register(10, 2, b"q")]}
    value.moved = {(0, 4): Moved(1, 7, 2)}
    return value


def spelled(value: ListValue) -> object:
    order = value.order
    assert order is not None
    registers = value.registers or {}
    return (
        value.content(),
        [(run.origin, run.first, run.count) for run in value.runs()],
        [tuple(getattr(span, name) for name in sorted(
            ("origin", "low", "count", "left", "parent", "parent_origin", "rank", "known")
        )) for span in order.in_order()],
        {origin: (list(each.births), list(each.stamps)) for origin, each in order.numbers.items()
         if each.births},
        {name: [(each.stamp, each.origin, each.value) for each in registers[name]]
         for name in registers},
        {name: (each.origin, each.number, each.index)
         for name, each in (value.moved or {}).items()},
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_a_list_comes_back_from_bytes_as_it_was(seed: int) -> None:
    value = random_list(seed)
    out = BytesWriter()
    KIND.put(out, value)
    data = out.getvalue()
    twin = list_of(value.range(0, value.size()))
    source = Source(data, [0, 1, 2])
    KIND.read(source, twin)
    assert source.pos == len(data)
    assert spelled(twin) == spelled(value)
    assert twin.order is not None and value.order is not None
    assert twin.order.strangers == value.order.strangers
    for size in range(0, len(data), 7):
        with pytest.raises(ValueError, match=r"cut short|identities|without elements|twice"):
            KIND.read(Source(data[:size], [0, 1, 2]), list_of(value.range(0, value.size())))


def test_a_list_of_a_node_alone_has_no_order() -> None:
    out = BytesWriter()
    KIND.put(out, list_of([b"x"]))
    twin = list_of([b"x"])
    KIND.read(Source(out.getvalue(), [0]), twin)
    assert twin.order is None and twin.runs() == []


def cover(*stamps: int) -> Cover:
    return Cover(row_of(list(stamps)), NOBODY)


def test_a_write_had_seen_the_elements_up_to_its_context() -> None:
    value = fresh()
    add(value, 1, 1, 10, None)
    add(value, 1, 2, 20, Run(1, 1, 1, 1))
    add(value, 2, 1, 15, Run(1, 2, 1, 1))
    assert seen_spans(value, cover(0, 10, 0), True) == [(0, 1)]
    assert seen_spans(value, cover(0, 10, 0), False) == [(1, 1), (2, 1)]
    assert seen_spans(value, cover(0, 20, 14), True) == [(0, 2)]
    assert not KIND.is_covered(value, cover(0, 20, 14))
    assert KIND.is_covered(value, cover(0, 20, 15))
    KIND.clear(value, cover(0, 19, 99))
    assert value.content() == [b"1.2"]
    assert KIND.remembers(value)


def test_a_removal_that_waits_has_not_seen_what_nobody_knows_the_time_of() -> None:
    """Where all members have an element it was removed here already, had the removal seen it."""
    value = fresh()
    beside: Run | None = None
    for number, stamp in ((1, 10), (2, 20), (3, 30)):
        add(value, 1, number, stamp, beside)
        beside = Run(1, number, 1, 1)
    for number in (1, 2, 3):
        add(value, 2, number, number, None)
        add(value, 0, number, number, Run(0, number - 1, 1, 1) if number > 1 else None)
    order = value.order
    assert order is not None
    for origin in (0, 1):
        order.of(origin).forget_below(1)
    order.of(2).forget_below(3)
    late = Late(Pending(99, 0, row_of([1, 20, 99]), [(KEY, b"")]))
    shown = value.content()
    assert isinstance(shown, list)
    for seen in (True, False):
        spans = seen_spans(value, late, seen)
        found = {item for at, count in spans for item in shown[at : at + count]}
        assert found == ({b"1.2"} if seen else set(shown) - {b"1.2"})
    assert not KIND.is_covered(value, late)
    assert {b"0.1", b"1.1", b"1.2", b"1.3"} <= set(shown)


def test_joined_lists_keep_what_both_have_and_what_one_had_not_seen() -> None:
    here, there = fresh(), fresh()
    for value in (here, there):
        add(value, 1, 1, 10, None)
        add(value, 1, 2, 11, Run(1, 1, 1, 1))
    here.do_remove([(0, 1)])  # the other has not seen this
    add(there, 2, 1, 20, Run(1, 1, 1, 1))  # nor this one here that
    add(here, 0, 1, 30, Run(1, 2, 1, 1))
    joined = KIND.join(here, there, cover(30, 11, 0), cover(0, 11, 20), streams())
    assert isinstance(joined, ListValue)
    # Both hang on 1.1 and stand by their streams' uuids.
    assert joined.content() == [b"1.2", b"0.1", b"2.1"]


def test_what_was_put_next_to_an_unknown_element_goes_along_when_lists_are_joined() -> None:
    here, there = fresh(), fresh()
    add(here, 0, 1, 5, None)
    add(here, 2, 1, 20, Run(1, 7, 1, 1))
    add(there, 0, 1, 5, None)
    add(there, 1, 7, 9, Run(0, 1, 1, 1))
    add(there, 0, 2, 6, Run(1, 7, 1, 1))
    assert here.content() == [b"0.1", b"2.1"] or here.content() == [b"2.1", b"0.1"]
    joined = KIND.join(here, there, cover(5, 0, 20), cover(6, 9, 0), streams())
    assert isinstance(joined, ListValue)
    assert joined.content() == [b"0.1", b"1.7", b"0.2", b"2.1"]
    assert joined.order is not None and joined.order.strangers == 0


def test_a_joined_list_has_no_more_spans_than_the_other() -> None:
    """Whatever the order is in which the other's spans come."""
    there = fresh()
    order = there.order
    assert order is not None
    order.put(1, 1, 40, 0, 0, False)
    order.put(1, 41, 40, 1, 1, True)  # before the first, from behind
    order.put(2, 1, 30, 1, 40, False)
    order.put(1, 81, 20, 2, 30, False)
    order.put(2, 31, 30, 1, 80, True)
    assert order.size() == 5
    here = fresh()
    assert here.order is not None
    here.order.put(1, 1, 3, 0, 0, False)
    KIND.join(here, there, cover(0, 3, 0), cover(0, 99, 99), streams())
    assert here.order.size() == 5
    assert [tuple(getattr(span, name) for name in ("origin", "low", "count"))
            for span in here.order.in_order()] == [
        (span.origin, span.low, span.count) for span in order.in_order()]  # fmt: skip


def test_lists_that_share_nothing_are_told_to_differ() -> None:
    here, there = fresh(), fresh()
    add(here, 0, 1, 5, None)
    add(there, 1, 1, 5, None)
    assert KIND.differs(here, there) == 1
    add(there, 0, 1, 5, None)
    assert KIND.differs(here, there) == 0


def test_stable_births_and_assignments_are_forgotten_and_anchors_when_they_can_be() -> None:
    value = fresh()
    for number in range(1, 6):
        add(value, 1 + number % 2, number, number, None)
    value.registers = {(2, 1): [Register(3, 1, b"p")]}
    value.do_remove([(0, 4)])
    order = value.order
    assert order is not None
    order.note_unclear()
    cut = Cut()
    cut.move(row_of([0, 9, 9]), 0)
    KIND.forget(value, cut)
    assert value.registers is None
    assert all(not each.births for each in order.numbers.values())
    assert KIND.waits(value), "who knows when they were removed"
    KIND.forget(value, cut)
    assert order.size() == value.size() == 1
    assert not KIND.waits(value)


def test_an_anchor_that_holds_two_apart_waits_for_its_own_removal() -> None:
    """It holds no two apart any more when one of them goes; that says nothing of its own removal,
    of which nothing is known but that it was before the third heartbeat."""
    value = fresh()
    order = value.order
    assert order is not None
    add(value, 1, 1, 10, None)
    add(value, 2, 1, 11, Run(1, 1, 1, 1))
    add(value, 0, 1, 12, Run(1, 1, 1, 1))
    order.ranks.beats = 3
    value.do_remove([(0, 1)])
    order.note_unclear()
    cut = Cut()
    cut.move(row_of([12, 10, 11]), 0)
    KIND.forget(value, cut)
    assert order.size() == 3
    value.do_remove([(0, 1)])
    order.note_removal(1, 10)
    cut.beats = 2
    KIND.forget(value, cut)
    assert order.size() == 3 and KIND.waits(value)
    cut.beats = 3
    KIND.forget(value, cut)
    assert order.size() == 1 and not KIND.waits(value)


def test_a_list_that_is_always_written_forgets_what_was_removed_a_while_ago() -> None:
    value = fresh()
    order = value.order
    assert order is not None
    names = order.ranks
    assert isinstance(names, Streams)
    cut = Cut()
    for number in range(1, 60):
        origin = number % 3
        names.all[origin].seen = number
        add(value, origin, number, number, None)
        value.do_remove([(0, 1)] if number > 1 else [])
        order.note_removal(origin, number)
        if number > 12:  # the other members are so far behind
            behind = range(number - 12, number - 9)
            cut.move(row_of(sorted(behind, key=lambda each: each % 3)), 0)
        KIND.forget(value, cut)
        assert order.size() < 40 and value.size() == 1
        assert sum(len(each.births) for each in order.numbers.values()) < 15
