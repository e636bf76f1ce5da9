"""What is remembered of a stream between writes and nodes: to bytes and back, joined, forgotten."""

from __future__ import annotations

import pytest
from librt.strings import BytesWriter

from mesh.dots import Streams, row_of
from mesh.merge.covers import Cover, Cut
from mesh.merge.kinds.table import KINDS
from mesh.merge.sights import CoverSight
from mesh.merge.slots import STREAM_SLOT
from mesh.packing import Source
from mesh.removals import PLACE, SPAN
from node.persist.canon import payload_of, restored
from node.store.entry import Dot
from node.store.values.group_changes import acknowledge, change_group, deliver, place_name
from node.store.values.groups import (
    CREATE,
    DESTROY,
    Acknowledged,
    Delivered,
    GroupChange,
)
from node.store.values.stream_changes import (
    add_entry,
    delete_entries,
    dot_of,
    new_stream,
    rivals_of,
    set_positions,
)
from node.store.values.stream_dots import ALL_SEEN, NodeDots, Peaks, Sight
from node.store.values.streams import Added, Deleted, Positions, StreamValue

KIND = KINDS[STREAM_SLOT]
NOBODY = -1
NONE_SEEN = Cover(b"", NOBODY)
ONE = 1 << 64 | 1
STREAMS = Streams(bytes(16))
for number in (1, 2):
    STREAMS.of(bytes([number]) * 16)


def seen(*stamps: int) -> Cover:
    """A context, or a node's vector: by stream the stamp up to which it was seen."""
    return Cover(row_of(list(stamps)), NOBODY)


def sight(*stamps: int) -> Sight:
    """The same as a stream's changes want it."""
    return CoverSight(seen(*stamps))


def add(value: StreamValue, ms: int, dot: Dot, had_seen: Sight = ALL_SEEN) -> bool:
    """XADD ms-1."""
    return add_entry(value, Added(ms << 64 | 1, [b"f", b"%d" % dot.stamp], 0), dot, had_seen)


def busy() -> StreamValue:
    """A stream with all there can be: rivals, deleted entries, groups that are gone."""
    value = new_stream()
    for ms in range(1, 250):
        add(value, ms, Dot(100 + ms // 3, ms % 2))
    assert add(value, 7, Dot(900, 2), sight())
    delete_entries(value, Deleted([3 << 64 | 1]), Dot(401, 1), ALL_SEEN)
    delete_entries(value, Deleted([], 5 << 64, True), Dot(402, 1), ALL_SEEN)
    set_positions(value, Positions(999 << 64, 700, 0), Dot(403, 1), sight(150, 150, 0))
    for name in (b"g", b"gone"):
        change_group(value, GroupChange(CREATE, name, ONE, 1), Dot(410, 0), 410, ALL_SEEN)
    given = [(ms << 64 | 1, 5000, 1) for ms in range(6, 10)]
    deliver(value, Delivered(b"g", b"c", given, 9 << 64 | 1, 9), Dot(411, 0), ALL_SEEN)
    deliver(value, Delivered(b"g", b"d", given[:2], 8 << 64 | 1, 8), Dot(412, 1), sight())
    acknowledge(value, Acknowledged(b"g", [6 << 64 | 1]), Dot(413, 1), sight(0, 412, 0))
    change_group(value, GroupChange(DESTROY, b"gone"), Dot(414, 1), 414, ALL_SEEN)
    acknowledge(value, Acknowledged(b"gone", [6 << 64 | 1]), Dot(415, 2), ALL_SEEN)
    assert b"gone" in value.hidden_groups
    return value


def to_bytes(value: StreamValue) -> bytes:
    """What is remembered, as a snapshot has it."""
    out = BytesWriter()
    KIND.put(out, value)
    return out.getvalue()


def read_back(value: StreamValue) -> StreamValue:
    """The value as another node reads it from a snapshot."""
    twin = restored(payload_of(value))
    assert isinstance(twin, StreamValue)
    source = Source(to_bytes(value), [0, 1, 2])
    KIND.read(source, twin)
    assert source.pos == len(source.data)
    return twin


def test_a_stream_that_went_through_bytes_is_remembered_as_before() -> None:
    value = busy()
    twin = read_back(value)
    assert twin.parts() == value.parts()
    assert to_bytes(twin) == to_bytes(value)
    assert [each.stamp for each in rivals_of(twin, 7 << 64 | 1)] == [900, 102]


def test_damaged_bytes_are_refused() -> None:
    value = busy()
    data = to_bytes(value)
    for size in range(0, len(data), 97):
        twin = restored(payload_of(value))
        assert isinstance(twin, StreamValue)
        with pytest.raises(ValueError, match="plexis-dots"):
            KIND.read(Source(data[:size], [0, 1, 2]), twin)


def test_a_join_with_a_node_that_has_nothing_gives_the_same() -> None:
    value = busy()
    nothing = NONE_SEEN
    joined = KIND.join(None, read_back(value), nothing, seen(999, 999, 999), STREAMS)
    assert isinstance(joined, StreamValue)
    assert joined.parts() == value.parts()
    joined = KIND.join(read_back(value), None, seen(999, 999, 999), nothing, STREAMS)
    assert isinstance(joined, StreamValue)
    assert joined.parts() == value.parts()


def test_a_join_with_a_node_that_has_seen_and_removed_all_leaves_nothing() -> None:
    value = busy()
    everything = seen(999, 999, 999)
    assert KIND.join(read_back(value), None, everything, everything, STREAMS) is None
    assert KIND.is_covered(new_stream(), everything)


def test_a_join_keeps_what_the_other_had_not_seen() -> None:
    here, there = new_stream(), new_stream()
    for value in (here, there):
        add(value, 1, Dot(10, 0))
    delete_entries(there, Deleted([ONE]), Dot(20, 1), ALL_SEEN)
    add(there, 3, Dot(21, 1))
    add(here, 2, Dot(22, 0))
    joined = KIND.join(here, there, seen(22, 0), seen(10, 21), STREAMS)
    assert isinstance(joined, StreamValue)
    ids: list[int] = []
    joined.collect(0, 1 << 100, 0, ids, [])
    assert ids == [2 << 64 | 1, 3 << 64 | 1]
    assert (joined.entries_added, joined.max_deleted_id) == (3, ONE)


def test_what_is_stable_has_no_dots_and_shows_the_same() -> None:
    value = busy()
    before = value.parts()
    cut = Cut()
    cut.move(row_of([999, 999, 999]), 999)
    KIND.forget(value, cut)
    assert value.parts() == before
    assert all(node.dots is None for node in value.nodes[int(value.head) :])
    assert value.memory is not None
    assert not value.memory.rivals
    assert not value.memory.tally.logs
    assert not value.hidden_groups
    assert not value.groups[b"g"].memory.acks  # type: ignore[union-attr]
    dot = dot_of(value, 9 << 64 | 1)
    assert dot is not None
    assert dot.stamp == 0
    assert read_back(value).parts() == before


def test_a_side_that_has_forgotten_joins_with_one_that_has_not() -> None:
    for folded in ("here", "there"):
        here, there = read_back(busy()), read_back(busy())
        shown = here.parts()
        row = row_of([405, 405, 405])
        cut = Cut()
        cut.move(row, 405)
        KIND.forget(here if folded == "here" else there, cut)
        mine, theirs = seen(999, 999, 999), seen(999, 999, 999)
        (mine if folded == "here" else theirs).cut = row
        joined = KIND.join(here, there, mine, theirs, STREAMS)
        assert isinstance(joined, StreamValue)
        assert joined.parts() == shown


def test_a_stream_that_only_orphans_are_left_of_is_remembered_and_not_shown() -> None:
    value = new_stream()
    acknowledge(value, Acknowledged(b"g", [ONE]), Dot(5, 1), ALL_SEEN)
    assert not value.is_shown()
    assert KIND.remembers(value)
    KIND.clear(value, seen(9, 9, 9))
    assert not KIND.remembers(value)


def test_removals_that_wait_clear_by_name() -> None:
    value = busy()
    cover = seen(999, 999, 999)
    scopes = [
        (SPAN, (7 << 64 | 1).to_bytes(16, "big") * 2),
        (PLACE, b"d"), (PLACE, place_name(b"c", b"g", b"c")), (PLACE, place_name(b"g", b"gone")),
    ]  # fmt: skip
    KIND.clear_scopes(value, scopes, cover, STREAMS)
    assert dot_of(value, 7 << 64 | 1) is None
    assert value.max_deleted_id == 0
    assert list(value.groups[b"g"].consumers) == [b"d"]
    assert not value.hidden_groups


def test_claims_of_one_writer_are_kept_only_while_no_later_one_reaches_them() -> None:
    peaks = Peaks()
    for stamp, number in ((1, 5), (2, 9), (3, 4), (4, 6)):
        peaks.do_claim(stamp, 0, number)
    assert [(each.stamp, each.number) for each in peaks.claims] == [(2, 9), (4, 6)]
    peaks.do_clear(sight(3))
    assert peaks.number() == 6


def test_dots_of_a_node_take_ten_bytes_each_only_where_they_differ() -> None:
    dots = NodeDots(0, 0)
    for at in range(3):
        dots.do_add(7, 1, at)
    assert dots.are_seen(3, sight(0, 7))
    dots.do_add(8, 2, 3)
    assert [(dots.stamp_at(at), dots.origin_at(at)) for at in range(4)] == [
        (7, 1), (7, 1), (7, 1), (8, 2),
    ]  # fmt: skip
    assert dots.are_seen(3, sight(0, 7))
    assert not dots.are_seen(4, sight(0, 7))
