"""Taking in a snapshot: nothing of it shows before the switch, all of it does from then on."""

from __future__ import annotations

import pytest

from mesh.metadata import HEAD, HIDDEN
from mesh.staging import Staging, StagingError
from node.persist.rdb_reader import RdbReader
from node.persist.rdb_records import Aux, KeyRecord, Record
from tests.support.simnode import SimNode
from tests.support.simulation import World


def records_of(node: SimNode) -> list[Record]:
    """What a snapshot of the node says."""
    node.save()
    reader = RdbReader(False)
    found = reader.feed(node.saves[-1])
    reader.finish()
    return [each for each in found if isinstance(each, Aux | KeyRecord)]


def staged(target: SimNode, source: SimNode) -> Staging:
    """The source's whole snapshot, not switched to yet."""
    staging = target.member.stage()
    for each in records_of(source):
        staging.add(each)
    return staging


def two() -> tuple[SimNode, SimNode]:
    """Two nodes that never met, with data on both."""
    world = World(0, nodes=2)
    source, target = world.nodes
    for number in range(300):
        source("SET", f"k{number}", "source")
    source("SADD", "s", "source")
    source("SET", "dead", "v")
    source("DEL", "dead")
    target("SADD", "s", "target")
    target("SET", "own", "v")
    return source, target


def test_nothing_shows_before_the_switch_and_everything_after_it() -> None:
    source, target = two()
    staged(target, source)
    before, vector = target.shown(), target.member.vector()
    target("SET", "meanwhile", "v")
    assert target("DBSIZE") == len(before) + 1
    target.member.switch()
    assert target.member.vector() == {
        **vector,
        source.streams.own.uuid: int(source.streams.own.seen),
        target.streams.own.uuid: int(target.streams.own.seen),
    }
    assert target("GET", "k7") == b"source", "merged at its first touch"
    assert target("SCARD", "s") == 2
    assert target("EXISTS", "dead") == 0
    while not target.member.merge_step(10):
        assert target.engine.writer.walk is not None
    assert target.engine.writer.walk is None
    assert target("DBSIZE") == 300 + 3


def test_keys_names_and_sizes_are_right_while_keys_are_still_merged() -> None:
    source, target = two()
    staged(target, source)
    target.member.switch()
    target.member.merge_step(5)
    names = target("KEYS", "*")
    assert isinstance(names, list) and len(names) == 302
    assert target("RENAMENX", "own", "k3") == 0


def test_a_flush_takes_what_is_still_to_be_merged() -> None:
    source, target = two()
    staged(target, source)
    target.member.switch()
    target("FLUSHALL")
    target("SET", "after", "v")
    while not target.member.merge_step(1000):
        pass
    assert set(target.shown()) == {(0, b"after")}


def test_writes_between_the_slices_are_kept() -> None:
    source, target = two()
    staged(target, source)
    target.member.switch()
    for number in range(0, 300, 7):
        target("APPEND", f"k{number}", "+")
        target("DEL", f"k{299 - number}")
        target.member.merge_step(3)
    while not target.member.merge_step(1000):
        pass
    assert target("GET", "k0") == b"source+"
    assert target("EXISTS", "k299") == 0


def test_an_abandoned_snapshot_leaves_nothing() -> None:
    source, target = two()
    before, vector = target.shown(), target.member.vector()
    staged(target, source)
    target.member.abandon()
    assert target.shown() == before and target.member.vector() == vector
    staged(target, source)
    target.member.switch()
    target.member.finish_merging()
    assert target("DBSIZE") == 302


def test_what_came_by_transfer_is_not_served_as_frames() -> None:
    source, target = two()
    staged(target, source)
    target.member.switch()
    target.member.finish_merging()
    assert target.member.backlog.resume({}, b"") is None
    known = {source.streams.own.uuid: int(source.streams.own.seen)}
    assert target.member.backlog.resume(known, b"") is not None


def test_a_snapshot_of_no_member_is_refused() -> None:
    source, target = two()
    staging = target.member.stage()
    records = records_of(source)
    key = next(each for each in records if isinstance(each, KeyRecord))
    with pytest.raises(StagingError, match="no member"):
        staging.add(key)
    with pytest.raises(StagingError, match="no member"):
        staging.switch()


def test_a_key_without_dots_or_in_a_database_too_many_is_refused() -> None:
    source, target = two()
    staging = target.member.stage()
    for each in records_of(source):
        if isinstance(each, Aux):
            staging.add(each)
            continue
        assert isinstance(each, KeyRecord)
        far = each
        break
    far.db = 99
    with pytest.raises(StagingError, match="database 99"):
        staging.add(far)
    far.db = 0
    far.aux = []
    with pytest.raises(StagingError, match="no member"):
        staging.add(far)


def test_a_damaged_head_is_refused() -> None:
    _, target = two()
    staging = target.member.stage()
    for wrong in (b"", b"{}", b"[]", b'{"streams":["xx"]}'):
        with pytest.raises(StagingError, match="plexis-mesh field is damaged"):
            staging.add(Aux(HEAD, wrong))
    for wrong in (b"", b"\0\0\0\x02{}", b"\0\0\0\xff{}"):
        with pytest.raises(StagingError, match="plexis-hidden field is damaged"):
            staging.add(Aux(HIDDEN, wrong))


def test_a_snapshot_from_far_ahead_of_our_clock_is_refused() -> None:
    source, target = two()
    source.skew_ms = 61_000
    source("SET", "k", "ahead")
    staging = target.member.stage()
    with pytest.raises(StagingError, match="ahead"):
        for each in records_of(source):
            staging.add(each)
