"""What is forgotten while the data is written out: the file says what its head says, and forgetting
does not wait for the end of it (mesh/forget_beside.py, node/persist/snapshot.py)."""

from __future__ import annotations

import pytest

from node.digest import digest_of
from node.persist.rdb_reader import RdbReader
from node.persist.rdb_records import Aux, KeyRecord, Opaque, Record
from node.persist.snapshot import EARLY_PER_STEP, SnapshotWalk
from node.store.entry import HELD
from node.store.writer import READY, BeforeChange
from tests.mesh.stories import Mesh
from tests.mesh.test_forgetting_in_slices import hold, left, pair, say
from tests.mesh.test_quiet import STORIES, write
from tests.support.simnode import LARGE as LARGE_OF_STORIES
from tests.support.simnode import SimNode

LARGE = 2500  # places: more than are encoded at once


def walk_over(node: SimNode, large: int) -> SnapshotWalk:
    """A walk over all that a node has, as a save begins it."""
    metadata = node.member.metadata
    walk = SnapshotWalk(node.engine.writer, node.engine.databases, metadata, [])
    walk.large = large
    return walk


def rest_of(walk: SnapshotWalk) -> bytes:
    """All that is left of a walk."""
    found: list[bytes] = []
    while (chunks := walk.step(1)) is not None:
        found += chunks
    assert not walk.error
    return b"".join(found)


def records(data: bytes) -> list[str]:
    """What a file says, in an order that does not depend on that in which it was written."""
    reader = RdbReader(False)
    found = [shown(each) for each in reader.feed(data)]
    reader.finish()
    return sorted(found)


def shown(record: Record) -> str:
    """A key with all that is known of it, or a field of the file."""
    if isinstance(record, KeyRecord):
        value = record.value.data if isinstance(record.value, Opaque) else record.value
        return f"{record.db} {record.key!r} {value} {record.deadline_ms} {sorted(record.aux)}"
    if isinstance(record, Aux):
        return f"{record.name!r} {record.value!r}"
    return type(record).__name__


@pytest.mark.parametrize("kind", STORIES)
@pytest.mark.parametrize("names", ["ab", "abc"])
@pytest.mark.parametrize("every", [1, 3])
def test_a_file_says_the_same_whatever_is_forgotten_meanwhile(
    kind: str, names: str, every: int
) -> None:
    mesh = Mesh(names, forgets="beat")
    write(mesh, kind)
    say(mesh)
    a = mesh.nodes[0]
    before = rest_of(walk_over(a, LARGE_OF_STORIES))
    had = left(a)
    assert had
    walk = walk_over(a, LARGE_OF_STORIES)
    data: list[bytes] = []
    a.member.forgetter.beat()
    steps = 0
    while (chunks := walk.step(1)) is not None:
        data += chunks
        steps += 1
        if steps % every == 0:
            a.member.forget_step(1)
    assert not walk.error
    assert records(b"".join(data)) == records(before)
    assert a.engine.writer.walk is None
    digest = digest_of(a.engine.databases)
    for _ in range(3):
        hold(mesh)
    assert left(a) == {}
    assert {digest_of(node.engine.databases) for node in mesh.nodes} == {digest}


def dotted(a: SimNode, b: SimNode, mesh: Mesh, count: int = LARGE) -> None:
    """A large set whose members have dots, all stable; nothing of it is forgotten."""
    a("SADD", "large", *(f"m{number}" for number in range(count)))
    b("SADD", "small", "member")
    say(mesh)
    a.member.forgetter.beat()


def forget(node: SimNode) -> bool:
    """Slices until nothing is to be done now (True), or until it halts."""
    while not node.member.forget_step(1000):
        if node.member.forgetter.beside.halted:
            return False
    return True


def written_beside(node: SimNode, walk: SnapshotWalk, keys: int) -> bytes:
    """All that is left of a walk; after each step, of so many keys, is forgotten what can be."""
    data: list[bytes] = []
    while (chunks := walk.step(keys)) is not None:
        data += chunks
        forget(node)
    assert not walk.error
    return b"".join(data)


def members(node: SimNode) -> int:
    """How many members of sets have a dot."""
    return left(node).get("members", 0)


def test_a_large_value_is_forgotten_when_what_is_known_of_it_was_written() -> None:
    """Not before, since it would be copied; and not only when its last piece is written."""
    mesh, a, b = pair()
    dotted(a, b, mesh)
    before = records(rest_of(walk_over(a, 2000)))
    walk = walk_over(a, 2000)
    assert not forget(a)
    assert members(a) == LARGE  # the other one is forgotten
    data: list[bytes] = []
    while members(a) == LARGE:
        chunks = walk.step(1)
        assert chunks is not None, "it waits for the end of the walk"
        data += chunks
        forget(a)
    assert members(a) == 0 and not walk.done
    data.append(rest_of(walk))
    found = records(b"".join(data))
    assert found == before
    hold(mesh)
    assert left(a) == left(b) == {}


def slices(node: SimNode, places: int) -> int:
    """Of so many places, until nothing is to be done now."""
    done = 1
    while not node.member.forget_step(places):
        done += 1
        assert done < LARGE, "it does not come to an end"
    return done


@pytest.mark.parametrize("everything", [False, True])
def test_what_a_walk_has_had_is_forgotten_as_quickly_as_without_one(everything: bool) -> None:
    """A large set took until the end of the walk, whose steps came between many small slices."""
    took: list[int] = []
    for walks in (False, True):
        mesh, a, b = pair()
        dotted(a, b, mesh)
        if everything:
            a.member.forgetter.look_at_all()
            say(mesh)
            a.member.forgetter.beat()
        if walks:
            walk = walk_over(a, 2000)
            db = a.engine.databases[0]
            entry = db.raw(b"large")
            assert entry is not None
            while walk.forgetting(db, b"large", entry) != READY:
                assert walk.step(1) is not None, "it waits for the end of the walk"
        took.append(slices(a, 20))
        assert members(a) == 0
    assert took[0] > 3 and took[1] <= took[0] + 1


def test_a_slice_shows_few_keys_and_fewer_the_larger_they_are() -> None:
    shown: list[int] = []
    for size in (1, 400):
        mesh, a, _ = pair()
        for number in range(600):
            a("SADD", f"s{number}", *(f"m{each}" for each in range(size)))
        say(mesh)
        a.member.forgetter.beat()
        walk = walk_over(a, 2000)
        assert not a.member.forget_step(20)
        shown.append(600 - waiting(walk, a))
        rest_of(walk)
    assert 0 < shown[1] <= 3 < shown[0] <= 40


def waiting(walk: SnapshotWalk, node: SimNode) -> int:
    """How many keys the walk has not had."""
    shards = node.engine.databases[0].keys.dicts
    return sum(entry.flags & HELD != walk.phase for shard in shards for entry in shard.values())


def test_a_value_that_was_read_and_is_written_meanwhile_is_as_it_was_in_the_file() -> None:
    mesh, a, b = pair()
    dotted(a, b, mesh)
    before = records(rest_of(walk_over(a, 2000)))
    walk = walk_over(a, 2000)
    data: list[bytes] = []
    while members(a) == LARGE:
        data += walk.step(1) or []
        forget(a)
    a("SREM", "large", "m7", "m8")
    a("SADD", "large", "new")
    data.append(rest_of(walk))
    assert records(b"".join(data)) == before


def test_nothing_is_shown_to_a_walk_that_has_much_to_write_out() -> None:
    mesh, a, _ = pair()
    for number in range(EARLY_PER_STEP + 500):
        a("INCR", f"n{number}")
    say(mesh)
    a.member.memory.ledger.strings.seal()
    a.member.forgetter.beat()
    before = records(rest_of(walk_over(a, 2000)))
    walk = walk_over(a, 2000)
    assert not forget(a)
    assert left(a)["rare"] >= 500
    assert records(written_beside(a, walk, 100)) == before
    assert forget(a) and left(a) == {}


def test_the_fields_of_a_hash_that_is_read_fold_when_that_was_done() -> None:
    """Their increments are of one generation with those of others: no chunk of it goes before."""
    mesh, a, _ = pair()
    for number in range(LARGE):
        a("HINCRBY", "large", f"f{number}", "1")
    a("HINCRBY", "small", "f", "1")
    say(mesh)
    a.member.memory.ledger.fields.seal()
    a.member.forgetter.beat()
    before = records(rest_of(walk_over(a, 2000)))
    walk = walk_over(a, 2000)
    assert not forget(a) and left(a)["increments"] == LARGE + 1
    assert records(written_beside(a, walk, 1)) == before
    assert forget(a) and "increments" not in left(a)
    hold(mesh)
    assert left(a) == {}


def test_everything_is_looked_at_beside_a_walk_and_nothing_is_left_out() -> None:
    mesh, a, b = pair()
    dotted(a, b, mesh)
    a.member.forgetter.look_at_all()
    say(mesh)
    a.member.forgetter.beat()
    before = records(rest_of(walk_over(a, 2000)))
    walk = walk_over(a, 2000)
    assert records(written_beside(a, walk, 1)) == before
    assert forget(a) and left(a) == {}


def test_nothing_is_forgotten_while_data_is_compared() -> None:
    mesh, a, b = pair()
    dotted(a, b, mesh)
    a.engine.writer.walk = BeforeChange()
    assert a.member.forget_step(1000) and members(a) == LARGE + 1
    a.engine.writer.walk = None
    assert forget(a) and left(a) == {}


def test_what_is_put_off_is_still_counted() -> None:
    mesh, a, b = pair()
    dotted(a, b, mesh)
    walk = walk_over(a, 2000)
    for _ in range(3):
        assert not forget(a)
        assert a.member.forgetter.meter.dotted() >= members(a) == LARGE
        a.member.heartbeat()
    rest_of(walk)
    hold(mesh)
    assert left(a) == {} and a.member.forgetter.meter.dotted() == 0
