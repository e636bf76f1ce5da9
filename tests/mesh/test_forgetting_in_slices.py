"""What is written while a node is in the midst of forgetting: counters by generations, large values
by dicts (mesh/forget_counters.py, mesh/forget.py)."""

from __future__ import annotations

import pytest

from mesh.merge.counted import BEATS_MOST, BUSY, WORTH, Counted
from mesh.merge.increments import CHUNK_RECORDS
from mesh.merge.ledger import Ledger
from mesh.touched import PUT_OFF_MOST
from node.digest import digest_of
from node.store.entry import Entry
from node.store.values.sets import SetValue
from tests.mesh.stories import Mesh
from tests.mesh.test_stability import no_log
from tests.support.remembered import remembered
from tests.support.simnode import SimNode

# Slices before the disturbance: none, each of those in which keys are looked at and chunks go, all.
SLICES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 1000)
LARGE = 2500


def pair() -> tuple[Mesh, SimNode, SimNode]:
    """A mesh of two that have looked at all they began with."""
    mesh = Mesh("ab", forgets="beat")
    hold(mesh)
    return mesh, mesh.nodes[0], mesh.nodes[1]


def say(mesh: Mesh) -> None:
    """All that was written until now becomes stable, and nobody forgets it yet."""
    mesh.flow()
    for _ in range(3):
        mesh.time_s += 1.0
        for node in mesh.nodes:
            node.save()
            node.wake()
            node.settle_routes()
            node.member.heartbeat()
            node.member.backlog.flush()
        mesh.flow()
    for node in mesh.nodes:
        node.member.stability.advance()


def heartbeat(mesh: Mesh) -> None:
    """What was written arrives and is saved, and all say so."""
    mesh.flow()
    mesh.time_s += 1.0
    for node in mesh.nodes:
        node.save()
        node.beat()
    mesh.flow()


def hold(mesh: Mesh) -> None:
    """All save, say so, and forget what is stable then."""
    for _ in range(2):
        say(mesh)
        for node in mesh.nodes:
            node.forget_now()


def left(node: SimNode) -> dict[str, int]:
    """What a node remembers, by kind, without what it does not."""
    found = remembered(node.engine.databases, node.member.memory)
    return {kind: count for kind, count in found.items() if count}


def sealed(node: SimNode) -> None:
    """What was counted up until now is a generation of its own."""
    node.member.memory.ledger.strings.seal()


def slices(node: SimNode, count: int) -> None:
    """So many of the least slices of forgetting."""
    for _ in range(count):
        node.member.forget_step(1)


@pytest.mark.parametrize("count", SLICES)
@pytest.mark.parametrize("first", ["SET", "INCR"])
@pytest.mark.parametrize("more", [0, 2])
@pytest.mark.parametrize("held", [False, True])
def test_a_set_meets_a_counter_that_is_being_folded(
    count: int, first: str, more: int, held: bool
) -> None:
    mesh, a, b = pair()
    a(*([first, "n", "10"] if first == "SET" else [first, "n"]))
    if held:
        hold(mesh)
    for _ in range(3):
        a("INCR", "n")
        b("INCR", "other")
    mesh.flow()
    for node in (a, b):
        sealed(node)
    say(mesh)
    mesh.cut_all()
    mesh.time_s += 1.0
    b("SET", "n", "100")  # it has seen three, and none of the others
    for _ in range(more):
        a("INCR", "n")
    slices(a, count)
    for _ in range(more):
        a("INCR", "n")
    mesh.time_s += 1.0
    mesh.heal()
    assert mesh.both("GET", "n") == b"%d" % (100 + 2 * more)
    hold(mesh)
    assert mesh.both("GET", "n") == b"%d" % (100 + 2 * more)
    assert left(a) == left(b) == {}
    assert a.member.memory.ledger.records() == b.member.memory.ledger.records() == 0


@pytest.mark.parametrize("hot", [False, True])
def test_what_is_folded_already_does_not_count_beside_its_register(hot: bool) -> None:
    """Between the look at a key and the end of its generation its increments are still there."""
    mesh, a, b = pair()
    names = ("text", "hidden", "counted")
    for name in names:
        for _ in range(3):
            a("INCR", name)
    mesh.flow()
    sealed(a)
    say(mesh)
    if hot:
        for name in names:
            a("INCR", name)
    counted = a.member.memory.ledger.strings.counted
    while counted.folding == 0:
        slices(a, 1)
    assert a.member.memory.ledger.records() >= 9
    mesh.cut_all()
    mesh.time_s += 1.0
    a("APPEND", "text", "0")
    a("INCR", "counted")
    b("DEL", "hidden")
    b("SADD", "hidden", "x")  # newer than what `a` has
    mesh.settle()
    a.forget_now()
    assert counted.folding == 0
    b("SREM", "hidden", "x")
    hold(mesh)
    for node in (a, b):
        node("INCR", "text")
        mesh.flow()
    hold(mesh)
    assert mesh.both("GET", "text") == (b"42" if hot else b"32")
    assert mesh.both("GET", "counted") == (b"5" if hot else b"4")
    assert left(a) == left(b) == {}


@pytest.mark.parametrize("count", SLICES)
def test_what_is_taken_from_a_counter_that_is_being_folded_is_exact(count: int) -> None:
    """A delete, a float, text behind the number: each needs to know what is folded already."""
    mesh, a, b = pair()
    for name in ("deleted", "float", "text", "large", "late"):
        for _ in range(3):
            a("INCR", name)
    mesh.flow()
    for node in (a, b):
        sealed(node)
    say(mesh)
    for name in ("deleted", "float", "text", "large"):
        a("INCR", name)
    slices(a, count)
    mesh.cut_all()
    mesh.time_s += 1.0
    b("DEL", "deleted")
    b("INCRBYFLOAT", "float", "0.5")
    b("APPEND", "text", "7")
    a("INCRBYFLOAT", "float", "0.25")
    a("APPEND", "text", "8")
    a("INCRBY", "large", str(2**62))
    a("INCR", "late")
    slices(a, count)
    mesh.heal()
    shown = [mesh.both("GET", name) for name in ("deleted", "float", "large", "late")]
    assert shown == [b"1", b"4.75", b"%d" % (4 + 2**62), b"4"]
    hold(mesh)
    assert [mesh.both("GET", name) for name in ("deleted", "float", "large", "late")] == shown
    assert len({digest_of(node.engine.databases) for node in mesh.nodes}) == 1
    assert left(a) == left(b) == {}


@pytest.mark.parametrize("lost", ["a", "b", "ab"])
def test_two_that_seal_their_generations_apart_fold_no_increment_the_other_lacks(lost: str) -> None:
    """What folds has a stamp up to some bound: else each of two sums had something that the other
    had not, and a transfer left some of them out."""
    mesh, a, b = pair()
    a("INCR", "n")
    hold(mesh)
    mesh.cut_all()
    for node in (a, b):
        for _ in range(3):
            node("INCR", "n")
        node("INCR", f"of-{node.name}")
        sealed(node)
    mesh.settle()
    say(mesh)
    mesh.time_s += 1.0
    a("INCR", "n")
    mesh.flow()
    for node in (a, b):
        node.forget_now()
        assert node.member.memory.ledger.records() == 1
    mesh.cut_all()
    for node in (a, b):
        node("INCR", "n")
        if node.name in lost:
            no_log(node)
    mesh.heal()
    assert mesh.counts["resync"] > 0
    assert mesh.both("GET", "n") == b"10"
    hold(mesh)
    assert mesh.both("GET", "n") == b"10"
    assert left(a) == left(b) == {}


def test_increments_that_come_late_to_their_generation_are_found_and_go_with_it() -> None:
    ledger = Ledger()
    log = ledger.strings.log(0, 0)
    log.append(b"n", 10, 1, 7)
    ledger.strings.seal()
    log.append(b"n", 20, 2, 7)
    counted = ledger.strings.counted
    entry = Entry(1, 1, 0)
    for number in range(CHUNK_RECORDS + 1):
        late = counted.note_late(0, b"n" if number == 0 else b"m", entry)
        log.append_late(b"n" if number == 0 else b"m", 5, 3, 7, late)
    assert sorted(int(each.delta) for each in ledger.strings.live(0, b"n", 7, 0)) == [1, 2, 3]
    assert len(ledger.strings.live(0, b"m", 7, 0)) == CHUNK_RECORDS
    assert ledger.records() == CHUNK_RECORDS + 3
    assert counted.sealed is not None
    assert counted.sealed.keys == [b"n"]
    while log.drop_one(counted.sealed.number):
        pass
    assert [int(each.delta) for each in ledger.strings.live(0, b"n", 7, 0)] == [2]
    assert log.late is None and ledger.records() == 1


def test_a_counter_is_noted_once_in_a_generation() -> None:
    _, a, _ = pair()
    for _ in range(100):
        a("INCR", "n")
        a("INCR", "m")
    assert a.member.memory.ledger.strings.counted.now.keys == [b"n", b"m"]


def test_a_set_that_is_written_again_and_again_is_noted_as_a_whole() -> None:
    mesh, a, _ = pair()
    for number in range(1000):
        a("SADD", "few", f"{number % 100}")
        a("SADD", "many", f"{number}")
    a.member.forgetter.beat()
    begun = a.member.forgetter.epochs[-1]
    assert [each.key for each in begun.small] == [b"few", b"many"]  # so they began
    for number in range(70):
        a("SADD", "many", f"{number}")
    a.member.forgetter.beat()
    [note] = a.member.forgetter.epochs[-1].touched
    assert (note.whole, len(note.names)) == (False, 70)
    for number in range(1000):
        a("SADD", "few", f"{number % 100}")
        a("SADD", "many", f"{number}")
    a.member.forgetter.beat()
    notes = a.member.forgetter.epochs[-1].touched
    assert [(each.key, each.whole) for each in notes] == [(b"few", True), (b"many", True)]
    mesh.heal()
    hold(mesh)
    assert left(a) == {}


@pytest.mark.parametrize("count", [1, 20, 60, 150])
@pytest.mark.parametrize("after", ["DEL", "SET", "SADD"])
def test_a_large_value_that_is_being_looked_at_may_be_freed(count: int, after: str) -> None:
    mesh, a, b = pair()
    for begin in range(0, LARGE, 500):
        a("SADD", "s", *[str(number) for number in range(begin, begin + 500)])
        a("ZADD", "z", *[str(number // 2) for number in range(2 * begin, 2 * begin + 1000)])
    say(mesh)
    a.member.forgetter.beat()
    say(mesh)
    slices(a, count)
    for key in ("s", "z"):
        if after == "SET":
            a("SET", key, "text")
        else:
            a("DEL", key)
        if after == "SADD":
            a("SADD", key, "x")
        while a.engine.writer.free(700):
            slices(a, 1)
    slices(a, 1000)
    mesh.heal()
    hold(mesh)
    assert left(a) == left(b) == {}


def write_again(node: SimNode, beat: int, kept: list[int]) -> None:
    """A heartbeat's writes of a set, and its member "cold" again once that has no dot any more:
    `kept` says for how many heartbeats it had one, each time."""
    if not kept or dot_of(node, b"s", b"cold") is None:
        node("SADD", "s", "cold")
        kept.append(0)
    kept[-1] += 1
    for number in range(100):
        node("SADD", "s", f"{number}", f"{beat}")


def test_a_set_that_is_always_written_is_looked_at_once_in_some_heartbeats() -> None:
    """Its places are written over anyway; one that is not must not keep its dot for ever."""
    mesh, a, b = pair()
    kept: list[int] = []
    for beat in range(4 * (PUT_OFF_MOST + 1)):
        write_again(a, beat, kept)
        mesh.time_s += 1.0
        for node in (a, b):
            node.save()
            node.beat()
        mesh.flow()
        a.forget_now()
        assert a.member.forgetter.meter.dotted() >= dots(a)
    assert max(kept) <= 2 * (PUT_OFF_MOST + 1) + 2
    assert any(each > PUT_OFF_MOST for each in kept)
    hold(mesh)
    assert left(a) == left(b) == {}


def test_what_is_written_again_in_each_heartbeat_is_left_alone() -> None:
    """Its dot is stable soon, but to take it away, and to make it anew with the next write, would
    be all that comes of that."""
    mesh, a, b = pair()
    forgotten: set[int] = set()
    for beat in range(3 * (PUT_OFF_MOST + 1)):
        for number in range(100):
            a("HSET", "h", f"{number}", f"{beat}")
            a("ZADD", "z", f"{beat}", f"{number}")
            a("SADD", "s", f"{number}")
        heartbeat(mesh)  # what is written is stable before the next one
        for words in (("HSET", "h", "0", "v"), ("ZADD", "z", "-1", "0"), ("SADD", "s", "0")):
            a(*words)
        mesh.flow()
        for node in (a, b):
            assert node.member.advance()
            node.forget()
            forgotten.add(int(node.member.forgetter.forgotten))
    assert len(forgotten) == 1  # as they began
    hold(mesh)
    assert left(a) == left(b) == {}
    forgotten.add(int(b.member.forgetter.forgotten) - 300)
    assert len(forgotten) == 1


def test_so_it_is_where_it_is_written_in_bursts() -> None:
    """It is looked at between two of them, and was not written yet in the heartbeat that has
    begun. When no burst follows nothing is remembered a heartbeat later than else."""
    mesh, a, b = pair()

    def beat() -> None:
        mesh.flow()
        mesh.time_s += 1.0
        for _ in range(2):  # all is on disks before the heartbeat, and said
            for node in (a, b):
                node.save()
                node.member.stability.report()
                node.member.backlog.flush()
            mesh.flow()
        for node in (a, b):
            node.beat()
            assert node.member.forgetter.meter.dotted() >= dots(node)
        mesh.flow()

    forgotten: list[int] = []
    for _ in range(4 * (PUT_OFF_MOST + 1)):
        for number in range(100):
            a("SADD", "s", f"{number}")
        beat()
        forgotten.append(int(a.member.forgetter.forgotten))
    assert len(set(forgotten[2:])) == 1 and dots(a) == dots(b) == 100
    for _ in range(2):
        for number in range(100):
            a("HSET", "another", f"{number}", "v")
        beat()
    assert dots(a) == dots(b) == 0
    hold(mesh)
    assert left(a) == left(b) == {}


def test_a_large_set_of_which_little_is_written_is_looked_at_where_it_is() -> None:
    """Though it was once written as a whole. Else all of it counted as remembered for as long as
    some of it is written, and is gone through again and again."""
    mesh, a, b = pair()
    for beat in range(3 * (PUT_OFF_MOST + 1)):
        for number in range(1000 if beat < 2 else 90):
            a("SADD", "s", f"{number}")
        heartbeat(mesh)
        for node in (a, b):
            remembered_here = node.member.forgetter.meter.dotted()
            assert dots(node) <= remembered_here and (beat < 4 or remembered_here < 400)
    hold(mesh)
    assert left(a) == left(b) == {}


def test_so_it_is_where_all_is_on_disks_before_the_next_heartbeat() -> None:
    """Then the heartbeat to which it is left has not ended; any write of the set in it will do."""
    mesh, a, b = pair()
    kept: list[int] = []
    for beat in range(4 * (PUT_OFF_MOST + 1)):
        write_again(a, beat, kept)
        heartbeat(mesh)
        a("SADD", "s", "0")
        assert a.member.advance()
        a.forget()
        not_told = 1  # what was written since the heartbeat is told with the next one
        assert a.member.forgetter.meter.dotted() + not_told >= dots(a)
    assert PUT_OFF_MOST <= max(kept) <= 2 * (PUT_OFF_MOST + 1) + 2
    assert len(kept) <= 5
    hold(mesh)
    assert left(a) == left(b) == {}


def dot_of(node: SimNode, key: bytes, member: bytes) -> object:
    """The dot of a set's member."""
    entry = node.engine.databases[0].raw(key)
    value = None if entry is None else entry.value
    return value.slot(member) if isinstance(value, SetValue) else None


def dots(node: SimNode) -> int:
    """How many members of sets have a dot."""
    return remembered(node.engine.databases, node.member.memory)["members"]


def test_a_generation_is_worth_its_looks() -> None:
    """Keys that are counted up again soon wait for it; at rest none does."""
    counted = Counted()
    entry = Entry(1, 1, 0)
    counted.note(0, b"n", entry)
    counted.now.keys *= 10_000
    assert not counted.is_due(20_000)
    assert not counted.is_due(40_000)
    assert counted.is_due(10_000 * WORTH)
    counted.records = 20_000
    assert counted.is_due(20_000 + BUSY - 1)  # few came
    counted.records = 0
    counted.now.beats = BEATS_MOST
    assert counted.is_due(20_000)


@pytest.mark.parametrize("then", ["RENAME h g", "COPY h g", "DEL h", "MOVE h 1", "HSET h f0 again"])
def test_a_small_collection_is_noted_once_wherever_it_goes(then: str) -> None:
    mesh, a, b = pair()
    noted = a.member.forgetter.noted
    for number in range(50):
        a("HSET", "h", f"f{number % 5}", f"v{number}")
        a("HSET", "other", f"f{number % 3}", "v")
    assert a.member.forgetter.noted - noted < 10
    a(*then.split())
    a("HSET", "h", "f1", "after", "f2", "after")
    a("HSET", "g", "f3", "after")
    hold(mesh)
    assert left(a) == left(b) == {}
    assert mesh.both("HGET", "h", "f1") == b"after"
    a("HSET", "h", "f4", "of the next heartbeat")
    b("SADD", "s", "m")
    hold(mesh)
    assert left(a) == left(b) == {}
