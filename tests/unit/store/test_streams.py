"""Streams as values: IDs, nodes, ranges, deletion, trimming, groups; against a plain model."""

from __future__ import annotations

import random
from bisect import bisect_left, insort

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.store.effect import XACK, XADD, XDEL, XDELIVER, XGROUP, XSETID, Effect
from node.store.entry import Entry
from node.store.mutate import MUTATE
from node.store.values.groups import (
    CREATE,
    CREATE_CONSUMER,
    DELETE_CONSUMER,
    DESTROY,
    SETID,
    Acknowledged,
    Delivered,
    Group,
    GroupChange,
)
from node.store.values.stream_ids import (
    CHUNK,
    ID_MAX,
    SEQUENCE_MAX,
    IdOrder,
    id_of,
    id_text,
    next_id_of_slot,
    read_id,
)
from node.store.values.stream_nodes import NodeLimits, radix_nodes
from node.store.values.streams import Added, Deleted, Positions, StreamValue

Entries = list[tuple[int, list[bytes]]]
SMALL = NodeLimits(3, 4096)


def filled(count: int, limits: NodeLimits = SMALL) -> StreamValue:
    """A stream with the entries 1-0, 2-0, ..."""
    stream = StreamValue()
    for i in range(1, count + 1):
        stream.do_add(id_of(i, 0), [b"f", b"%d" % i], 0, limits)
    return stream


def ids_of(stream: StreamValue) -> list[int]:
    """The milliseconds of all entries' IDs."""
    return [number >> 64 for number, _ in entries(stream)]


def entries(stream: StreamValue, start: int = 0, end: int = ID_MAX, count: int = 0) -> Entries:
    """The entries of an interval."""
    ids: list[int] = []
    fields: list[list[bytes]] = []
    stream.collect(start, end, count, ids, fields)
    return list(zip(ids, fields, strict=True))


def back(stream: StreamValue, start: int = 0, end: int = ID_MAX, count: int = 0) -> Entries:
    """The same, the highest ID first."""
    ids: list[int] = []
    fields: list[list[bytes]] = []
    stream.collect_back(start, end, count, ids, fields)
    return list(zip(ids, fields, strict=True))


def change(entry: Entry, op: int, payload: object) -> int:
    """Carries out an effect as a peer's would be."""
    effect = Effect(op, 0, b"s", payload, 0, 5 << 20, 1, 0)
    return int(MUTATE[op].apply(entry, effect))


def holding(value: object) -> Entry:
    return Entry(value, 0, 0)


@pytest.mark.parametrize(
    ("text", "ms", "sequence"),
    [
        (b"0", 0, 7),
        (b"5-3", 5, 3),
        (b"18446744073709551615-18446744073709551615", SEQUENCE_MAX, SEQUENCE_MAX),
        (b"007-+4", 7, 4),
        (b" 5-\t6", 5, 6),
        (b"5-\v-6", 5, SEQUENCE_MAX - 5),  # strtoull negates
        (b"5\0rest", 5, 7),
    ],
)
def test_ids_are_read_as_redis_reads_them(text: bytes, ms: int, sequence: int) -> None:
    assert read_id(text, 7) == id_of(ms, sequence)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"-", b"+", b"x", b"-5", b"5-", b"5--3", b"5-x", b"5-3-1", b"1.5", b"5-*",
        b"18446744073709551616", b"5-18446744073709551616", b"0" * 128,
    ],
)  # fmt: skip
def test_what_is_no_id_is_none(text: bytes) -> None:
    assert read_id(text) is None


def test_an_id_is_written_with_both_parts() -> None:
    assert id_text(id_of(1526919030474, 55)) == b"1526919030474-55"
    assert id_text(ID_MAX) == b"18446744073709551615-18446744073709551615"


@pytest.mark.parametrize("seed", range(3))
def test_id_order_is_a_sorted_list(seed: int) -> None:
    source = random.Random(seed)
    order = IdOrder()
    model: list[int] = []
    for step in range(6000):
        number = source.choice([step << 64, source.randrange(6000) << 64])
        at = bisect_left(model, number)
        present = at < len(model) and model[at] == number
        if present and source.random() < 0.8:
            order.remove(number)
            del model[at]
        elif not present:
            order.add(number)
            insort(model, number)
    order.remove(ID_MAX)
    order.remove(1)
    assert order.all() == model
    assert order.count == len(model)
    assert (order.first(), order.last()) == (model[0], model[-1])
    for start in (0, model[5], model[5] + 1, model[-1], model[-1] + 1):
        at = bisect_left(model, start)
        for count in (0, 1, 7, CHUNK * 3):
            assert order.from_id(start, count) == model[at : at + count]


TEXTS = st.one_of(
    st.binary(max_size=80),
    st.integers(-(2**63), 2**63 - 1).map(lambda number: b"%d" % number),
    st.sampled_from([b"007", b"-0", b"x" * 63, b"x" * 64, b"y" * 4095, b"y" * 4096, b"z" * 20000]),
)
PAIRS = st.lists(st.tuples(st.sampled_from([b"f", b"g", b"1"]), TEXTS), min_size=1, max_size=4)
PART = st.one_of(st.integers(0, 5), st.integers(0, SEQUENCE_MAX), st.just(SEQUENCE_MAX))


@given(st.lists(st.tuples(PART, PART, PAIRS), max_size=30), st.integers(0, 4))
def test_entries_come_back_as_they_were_given(
    given_: list[tuple[int, int, list[tuple[bytes, bytes]]]], node_entries: int
) -> None:
    """Goal: any ID in any order, any text. Method: a peer's entries need not ascend."""
    stream = StreamValue()
    model: dict[int, list[bytes]] = {}
    limits = NodeLimits(node_entries, 300)
    for ms, sequence, pairs in given_:
        number = id_of(ms, sequence)
        items = [text for pair in pairs for text in pair]
        stream.do_add(number, [b"XADD", *items], 1, limits)
        model[number] = items
    expected = sorted(model.items())
    assert entries(stream) == expected
    assert back(stream) == expected[::-1]
    assert stream.length == len(model)
    assert stream.last_id == max(model, default=0)
    assert stream.first_id == min(model, default=0)
    for number, items in expected:
        assert stream.entry(number) == items


@pytest.mark.parametrize("seed", range(4))
def test_a_stream_behaves_as_a_sorted_dict(seed: int) -> None:
    source = random.Random(seed)
    stream = StreamValue()
    model: dict[int, list[bytes]] = {}
    limits = NodeLimits(source.choice([1, 3, 10]), 4096)
    top = 0
    for _ in range(1500):
        action = source.random()
        if action < 0.6:
            top += source.choice([1, 1, 5, 1 << 64])
            items = [source.choice([b"f", b"g"]), b"%d" % top]
            stream.do_add(top, items, 0, limits)
            model[top] = items
        elif action < 0.8:
            ids = [*source.sample(sorted(model), min(len(model), 3)), top + 1]
            assert stream.do_delete(ids, False) == len(ids) - 1
            for number in ids:
                model.pop(number, None)
        elif action < 0.83 and model:
            below = source.choice(sorted(model)) + source.choice([0, 1])
            gone = [number for number in model if number < below]
            assert stream.do_trim(below) == len(gone)
            for number in gone:
                del model[number]
        expected = sorted(model.items())
        start, end = sorted((source.randrange(top + 2), source.randrange(top + 2)))
        inside = [pair for pair in expected if start <= pair[0] <= end]
        count = source.choice([0, 1, 4])
        cut = slice(count if count else None)
        assert entries(stream, start, end, count) == inside[cut]
        assert back(stream, start, end, count) == inside[::-1][cut]
        assert stream.length == len(model)
        assert stream.first_id == min(model, default=0)
        assert stream.last_entry_id() == max(model, default=0)


def test_a_node_is_closed_where_redis_closes_it() -> None:
    assert filled(10).node_count() == 4
    assert filled(10, NodeLimits(0, 0)).node_count() == 1
    assert filled(10, NodeLimits(0, 40)).node_count() > 1


def test_a_node_goes_with_its_last_entry() -> None:
    stream = filled(6)
    assert stream.do_delete([id_of(4, 0), id_of(6, 0), id_of(5, 0)], False) == 3
    assert stream.node_count() == 1
    assert stream.max_deleted_id == id_of(6, 0)
    assert stream.last_id == id_of(6, 0)


def test_trimming_leaves_the_highest_deleted_id_alone() -> None:
    stream = filled(6)
    assert stream.do_trim(id_of(5, 0)) == 4
    assert stream.do_delete([id_of(5, 0)], True) == 1
    assert stream.max_deleted_id == 0
    assert ids_of(stream) == [6]


def test_trimming_node_by_node_keeps_every_place_right() -> None:
    stream = filled(300)
    for below in range(1, 302, 2):
        stream.do_trim(id_of(below, 0))
        assert ids_of(stream) == list(range(below, 301))
        assert stream.has(id_of(300, 0)) == (below <= 300)
        assert not stream.has(id_of(below - 1, 0))
    assert stream.is_shown()
    assert stream.first_id == 0


def test_radix_nodes_of_a_few_trees() -> None:
    """The figures are what XINFO STREAM of Redis 8.2.3 shows for nodes with these IDs."""
    assert radix_nodes([], 0) == 1
    assert radix_nodes([id_of(5, 0)], 0) == 2
    assert radix_nodes([id_of(1, 0), id_of(4, 0), id_of(7, 0), id_of(10, 0)], 0) == 10
    assert radix_nodes([0, id_of(1, 0), id_of(4, 0)], 1) == 6


def test_a_copy_is_a_stream_of_its_own() -> None:
    stream = filled(4)
    entry = holding(stream)
    change(entry, XGROUP, GroupChange(CREATE, b"g", 0, 0))
    change(entry, XDELIVER, Delivered(b"g", b"c", [(id_of(1, 0), 9, 2)], id_of(1, 0), 1))
    twin = stream.copy()
    before = twin.parts()
    assert before == stream.parts()
    change(entry, XADD, Added(id_of(9, 0), [b"f", b"v"], 0))
    change(entry, XDEL, Deleted([id_of(4, 0)]))
    change(entry, XACK, Acknowledged(b"g", [id_of(1, 0)]))
    assert twin.parts() == before
    assert stream.parts() != before
    assert isinstance(stream.content(), StreamValue)


def test_times_are_no_part_of_what_nodes_compare() -> None:
    streams: list[StreamValue] = []
    for time_ms in (1000, 2000):
        stream = filled(2)
        entry = holding(stream)
        change(entry, XGROUP, GroupChange(CREATE, b"g", 0, 0))
        change(entry, XDELIVER, Delivered(b"g", b"c", [(id_of(1, 0), time_ms, 1)]))
        streams.append(stream)
    assert streams[0].parts() == streams[1].parts()
    change(holding(streams[0]), XDELIVER, Delivered(b"g", b"c", [(id_of(1, 0), 1000, 2)]))
    assert streams[0].parts() != streams[1].parts()


def test_size_and_footprint_count_what_is_pending() -> None:
    stream = filled(3)
    small = stream.footprint(5)
    assert stream.size() == 3
    entry = holding(stream)
    change(entry, XGROUP, GroupChange(CREATE, b"g", 0, 0))
    change(entry, XDELIVER, Delivered(b"g", b"c", [(id_of(1, 0), 9, 1)]))
    assert stream.size() == 4
    assert stream.footprint(0) > small


def test_a_large_stream_is_freed_in_slices() -> None:
    stream = filled(500)
    entry = holding(stream)
    change(entry, XGROUP, GroupChange(CREATE, b"g", 0, 0))
    given_ = [(id_of(i, 0), 9, 1) for i in range(1, 501)]
    change(entry, XDELIVER, Delivered(b"g", b"c", given_))
    steps = 0
    while stream.release(100) > 0:
        steps += 1
        assert steps < 100
    assert steps > 5
    assert stream.size() == 0


# --- effects of a peer that knows another stream --------------------------------------------------


def test_a_key_of_another_type_becomes_a_stream_only_where_something_is_added() -> None:
    entry = holding(b"text")
    for op, payload in (
        (XDEL, Deleted([1])),
        (XSETID, Positions(5, -1, 0)),
        (XGROUP, GroupChange(SETID, b"g", 5)),
        (XDELIVER, Delivered(b"g", b"c", [(1, 1, 1)])),
        (XACK, Acknowledged(b"g", [1])),
    ):
        assert change(entry, op, payload) == 0
        assert entry.value == b"text"
    change(entry, XGROUP, GroupChange(CREATE, b"g", 5))
    assert isinstance(entry.value, StreamValue)
    entry = holding(b"text")
    change(entry, XADD, Added(5, [b"f", b"v"], 0))
    assert isinstance(entry.value, StreamValue)


def test_what_is_lacking_is_passed_over() -> None:
    stream = filled(2)
    entry = holding(stream)
    before = stream.parts()
    assert change(entry, XDEL, Deleted([id_of(7, 0)])) == 0
    assert change(entry, XDEL, Deleted([], id_of(1, 0), True)) == 0
    assert change(entry, XACK, Acknowledged(b"g", [id_of(1, 0)])) == 0
    assert change(entry, XDELIVER, Delivered(b"g", b"c", [(1, 1, 1)], 5, 5)) == 0
    for kind in (DESTROY, SETID, CREATE_CONSUMER, DELETE_CONSUMER):
        assert change(entry, XGROUP, GroupChange(kind, b"g", 0, 0, b"c")) == 0
    assert stream.parts() == before


def group_in(entry: Entry) -> Group:
    value = entry.value
    assert isinstance(value, StreamValue)
    return value.groups[b"g"]


def test_a_delivery_makes_the_consumer_and_may_be_of_an_entry_that_is_gone() -> None:
    entry = holding(filled(1))
    change(entry, XGROUP, GroupChange(CREATE, b"g", 0, 0))
    change(entry, XDELIVER, Delivered(b"g", b"c", [(id_of(8, 0), 77, 3)], id_of(8, 0), 1))
    group = group_in(entry)
    assert group.consumers[b"c"].seen_ms == 77
    assert group.last_id == id_of(8, 0)
    assert (group.pending[id_of(8, 0)].count, group.order.count) == (3, 1)


def test_the_last_delivered_id_never_goes_back_but_by_setid() -> None:
    entry = holding(filled(1))
    change(entry, XGROUP, GroupChange(CREATE, b"g", 10, 4))
    change(entry, XDELIVER, Delivered(b"g", b"c", [(3, 1, 1)], 3, 1))
    change(entry, XGROUP, GroupChange(CREATE, b"g", 9, 9))
    assert (group_in(entry).last_id, group_in(entry).entries_read) == (10, 4)
    assert change(entry, XGROUP, GroupChange(CREATE, b"g", 12, 5)) == 0
    assert (group_in(entry).last_id, group_in(entry).entries_read) == (12, 5)
    change(entry, XGROUP, GroupChange(SETID, b"g", 2, 1))
    assert (group_in(entry).last_id, group_in(entry).entries_read) == (2, 1)


def test_a_claimed_entry_is_pending_with_one_consumer() -> None:
    entry = holding(filled(3))
    change(entry, XGROUP, GroupChange(CREATE, b"g", 0, 0))
    change(entry, XDELIVER, Delivered(b"g", b"a", [(2, 1, 1), (1, 1, 1), (3, 1, 1)]))
    change(entry, XDELIVER, Delivered(b"g", b"b", [(2, 5, 2)]))
    group = group_in(entry)
    assert group.consumers[b"a"].pending.all() == [1, 3]
    assert group.consumers[b"b"].pending.all() == [2]
    assert group.order.all() == [1, 2, 3]
    assert change(entry, XGROUP, GroupChange(DELETE_CONSUMER, b"g", 0, 0, b"a")) == 2
    assert group.order.all() == [2]
    assert change(entry, XACK, Acknowledged(b"g", [2, 2, 9])) == 1
    assert not group.pending


def test_a_consumer_made_by_a_command_read_back_was_seen_when_its_effect_was_made() -> None:
    entry = holding(filled(1))
    change(entry, XGROUP, GroupChange(CREATE, b"g", 0, 0))
    assert change(entry, XGROUP, GroupChange(CREATE_CONSUMER, b"g", 0, 0, b"c")) == 1
    assert group_in(entry).consumers[b"c"].seen_ms == 5


def test_setid_does_not_go_below_an_entry_that_is_there() -> None:
    stream = filled(5)
    change(holding(stream), XSETID, Positions(id_of(2, 0), 9, id_of(1, 0)))
    assert (stream.last_id, stream.entries_added) == (id_of(5, 0), 9)
    assert stream.max_deleted_id == id_of(1, 0)


def test_ids_of_a_mesh_end_with_the_slot_and_are_above_the_last() -> None:
    last = id_of(100, 0)
    assert next_id_of_slot(last, 7, 101) == id_of(101, 7)
    assert next_id_of_slot(last, 7, 99) == id_of(100, 7)
    assert next_id_of_slot(id_of(100, 7), 7, 100) == id_of(100, 4103)
    assert next_id_of_slot(id_of(100, 8), 7, 100) == id_of(100, 4103)
    assert next_id_of_slot(id_of(100, 6), 7, 100) == id_of(100, 7)
    assert next_id_of_slot(id_of(100, 2**64 - 2), 7, 100) == id_of(101, 7)
