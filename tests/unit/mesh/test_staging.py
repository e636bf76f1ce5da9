"""Taking in a snapshot: nothing of it shows before the switch, all of it does from then on."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.merge_walk import MergeWalk
from mesh.metadata import HEAD, HIDDEN
from mesh.spill import FileSpill, Spill
from mesh.staging import Staging, StagingError
from node.persist.rdb_reader import RdbReader
from node.persist.rdb_records import Aux, KeyRecord, Record
from tests.support.simnode import HeldSpill, SimNode
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


class Full(Spill):
    """A disk without room."""

    def append(self, data: bytes) -> int:
        raise OSError(28, "No space left on device")


def test_a_full_disk_breaks_the_transfer_and_nothing_else() -> None:
    source, target = two()
    target.member.config.set("mesh-staging-memory", ["0"])
    target.member.open_spill = Full
    before = target.shown()
    with pytest.raises(StagingError, match=r"No space left.*mesh-staging-memory"):
        staged(target, source)
    target.member.abandon()
    assert target.shown() == before and target.member.staging is None
    target.member.config.set("mesh-staging-memory", [str(1 << 30)])
    staged(target, source)
    target.member.switch()
    target.member.finish_merging()
    assert target("DBSIZE") == 302


def test_a_snapshot_in_a_file_is_merged_as_one_in_memory() -> None:
    source, target = two()
    target.member.config.set("mesh-staging-memory", ["1000"])
    staging = staged(target, source)
    assert staging.shelf.records_aside > 250
    target.member.switch()
    assert target("GET", "k7") == b"source" and target("SCARD", "s") == 2
    assert target("EXISTS", "dead") == 0
    names = target("KEYS", "*")
    assert isinstance(names, list) and len(names) == 302


def test_an_abandoned_file_is_closed(tmp_path: Path) -> None:
    source, target = two()
    made: list[FileSpill] = []

    def opened() -> FileSpill:
        made.append(FileSpill(str(tmp_path)))
        return made[-1]

    target.member.config.set("mesh-staging-memory", ["0"])
    target.member.open_spill = opened
    staged(target, source)
    target.member.abandon()
    staged(target, source)
    target.member.switch()
    target.member.finish_merging()
    assert len(made) == 2 and list(tmp_path.iterdir()) == []
    for each in made:
        with pytest.raises(ValueError, match="closed"):
            each.read(0, 1)


SIZE = 40
LARGE_KEYS = ("set", "hash", "zset", "list", "stream", "counters", "timed")


def large(node: SimNode, tag: str) -> None:
    """Keys that are large here (SimNode.member.large), half of their places on both nodes."""
    for number in range(SIZE):
        name = f"{tag}{number}" if number % 2 else f"{number}"
        node("SADD", "set", name)
        node("HSET", "hash", name, f"by {tag}")
        node("ZADD", "zset", str(number), name)
        node("RPUSH", "list", name)
        node("XADD", "stream", f"{number + 1}-1", "f", name)
        node("HINCRBY", "counters", name, "3")
        node("HSET", "timed", name, f"by {tag}")
        node("HPEXPIREAT", "timed", str(1_900_000_000_000 + number), "FIELDS", "1", name)


def merged(slices: bool, limit: str = "1000000000") -> SimNode:
    """A node that has merged another's large keys, in slices or each at once."""
    world = World(3, nodes=2)
    source, target = world.nodes
    large(source, "a")
    source("SREM", "set", "0")
    source("HDEL", "hash", "2")
    large(target, "b")
    target("SREM", "set", "4")
    target.member.large = 2 if slices else 1000
    target.member.config.set("mesh-staging-memory", [limit])
    staged(target, source)
    target.member.switch()
    return target


@pytest.mark.parametrize("limit", ["0", "1000000000"])
def test_a_large_key_is_merged_in_slices_as_at_once(limit: str) -> None:
    one = merged(False)
    one.member.finish_merging()
    other = merged(True, limit)
    steps = 1
    while not other.member.merge_step(200):
        steps += 1
    assert steps > 6 * SIZE, "a slice is a step"
    assert other.shown() == one.shown()
    assert one("SCARD", "set") == SIZE + SIZE // 2


def begun_key(walk: MergeWalk) -> bytes | None:
    """The large key that the walk is in the middle of."""
    return None if walk._begun is None else walk._begun.key


@pytest.mark.parametrize("touching", LARGE_KEYS)
def test_a_touch_finishes_what_was_begun(touching: str) -> None:
    one = merged(False)
    one.member.finish_merging()
    other = merged(True)
    walk = other.member.merging
    assert walk is not None
    while begun_key(walk) != touching.encode():
        assert not other.member.merge_step(1)
    other.member.merge_step(1)
    assert begun_key(walk) == touching.encode()
    assert other.member.merging is not None
    assert other("EXISTS", touching) == 1
    assert walk._begun is None
    assert other.shown_key(0, touching.encode()) == one.shown_key(0, touching.encode())
    other.member.finish_merging()
    assert other.shown() == one.shown()


@pytest.mark.parametrize("command", ["FLUSHALL", "KEYS *", "SCAN 0 COUNT 1000"])
def test_whoever_looks_at_all_keys_finishes_what_was_begun(command: str) -> None:
    other = merged(True)
    walk = other.member.merging
    assert walk is not None
    for _ in range(SIZE // 2):
        while walk._begun is None:
            assert not other.member.merge_step(1)
        other.member.merge_step(1)
    other(*command.split())
    assert walk._begun is None
    other("SADD", "set", "after")
    other.member.finish_merging()
    if command == "FLUSHALL":
        assert set(other.shown()) == {(0, b"set")}
        assert other("SCARD", "set") == 1
    else:
        one = merged(False)
        one.member.finish_merging()
        one("SADD", "set", "after")
        assert other.shown() == one.shown()


def test_no_key_expires_by_the_clock_before_it_is_merged() -> None:
    world = World(5, nodes=2)
    source, target = world.nodes
    source("SADD", "s", "x", "y", "z")
    target("SADD", "s", "v", "w", "u")
    target("PEXPIRE", "s", "50")
    source("PEXPIRE", "s", "500000")
    staged(target, source)
    target.member.switch()
    world.time_s += 1.0
    target.engine.tick(world.time_s)
    assert int(target.engine.writer.expired_keys) == 0
    target.member.finish_merging()
    assert target("SCARD", "s") == 6, "the later deadline counts"


def test_a_record_that_cannot_be_read_is_told_and_leaves_the_key_as_it_is() -> None:
    source, target = two()
    target.member.config.set("mesh-staging-memory", ["0"])
    spill = HeldSpill()
    target.member.open_spill = lambda: spill
    staged(target, source)
    target.member.switch()
    walk = target.member.merging
    assert walk is not None
    spill.data[:] = bytes(len(spill.data))
    assert target("SCARD", "s") == target("SISMEMBER", "s", "target") == 1
    target.member.finish_merging()
    assert "key b's' in database 0" in walk.damaged[0]
    assert len(walk.damaged) > 250, "the walk ends all the same"
