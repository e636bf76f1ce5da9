"""Counters in hashes that fold by generations: what is written, told or taken away meanwhile
(mesh/forget_counters.py); and counters of every kind that two nodes seal apart, in random order."""

from __future__ import annotations

import random

import pytest

from mesh.merge.counted import Generation
from mesh.merge.increments import field_place, key_and_field
from mesh.merge.ledger import Ledger
from node.digest import digest_of
from node.store.entry import COUNT_FOLDED, COUNT_MARK, COUNTED, NO_REGISTER, STABLE, Field
from node.store.values.hashes import HashValue
from tests.mesh.stories import Mesh
from tests.mesh.test_forgetting_in_slices import SLICES, heartbeat, hold, left, pair, say, slices
from tests.mesh.test_stability import no_log
from tests.support.seeds import seeds
from tests.support.simnode import SimNode

SEEDS = seeds(80)
SHARDS = 4
MANY = 30  # fields: more than one slice folds


def sealed(node: SimNode) -> None:
    """What was counted up until now is a generation of its own."""
    node.member.memory.ledger.fields.seal()


def slot_of(node: SimNode, field: str, key: str = "h") -> object:
    """What stands at a field."""
    entry = node.engine.databases[0].raw(key.encode())
    assert entry is not None and isinstance(entry.value, HashValue)
    return entry.value.slot(field.encode())


def names_of(generation: Generation) -> list[bytes]:
    """The fields that were counted up in it."""
    return [key_and_field(place)[1] for place in generation.keys]


def told(mesh: Mesh) -> None:
    """All nodes are equal, show what the oracle says, and end with nothing remembered."""
    mesh.heal()
    hold(mesh)
    hold(mesh)
    assert len({digest_of(node.engine.databases) for node in mesh.nodes}) == 1
    for node in mesh.nodes:
        assert left(node) == {}
    mesh.check()


@pytest.mark.parametrize("count", SLICES)
@pytest.mark.parametrize("first", ["HSET", "HINCRBY"])
@pytest.mark.parametrize("more", [0, 2])
@pytest.mark.parametrize("held", [False, True])
def test_a_set_meets_a_field_that_is_being_folded(
    count: int, first: str, more: int, held: bool
) -> None:
    mesh, a, b = pair()
    a(first, "h", "n", "10")
    if held:
        hold(mesh)
    for _ in range(3):
        a("HINCRBY", "h", "n", "1")
        b("HINCRBY", "h", "other", "1")
    mesh.flow()
    for node in (a, b):
        sealed(node)
    say(mesh)
    mesh.cut_all()
    mesh.time_s += 1.0
    b("HSET", "h", "n", "100")  # it has seen these, and none of the others
    for _ in range(more):
        a("HINCRBY", "h", "n", "1")
    slices(a, count)
    for _ in range(more):
        a("HINCRBY", "h", "n", "1")
    mesh.time_s += 1.0
    mesh.heal()
    assert mesh.both("HGET", "h", "n") == b"%d" % (100 + 2 * more)
    told(mesh)
    assert mesh.both("HGET", "h", "n") == b"%d" % (100 + 2 * more)


@pytest.mark.parametrize("hot", [False, True])
def test_what_is_folded_already_is_told_once(hot: bool) -> None:
    """A transfer in the middle: the increments of fields that were looked at are still there."""
    mesh, a, b = pair()
    for number in range(MANY):
        for _ in range(3):
            a("HINCRBY", "h", f"{number}", "1")
    mesh.flow()
    sealed(a)
    say(mesh)
    if hot:
        for number in range(MANY):
            a("HINCRBY", "h", f"{number}", "1")
    counted = a.member.memory.ledger.fields.counted
    while counted.folding == 0:
        slices(a, 1)
    assert a.member.memory.ledger.records() >= 3 * MANY
    mesh.cut_all()
    mesh.time_s += 1.0
    b("HINCRBY", "h", "0", "5")
    b("HDEL", "h", "1", f"{MANY - 1}")
    a("HINCRBY", "h", "2", "1")
    a("HINCRBYFLOAT", "h", "3", "0.5")
    no_log(a)
    mesh.heal()
    assert mesh.counts["resync"] > 0
    here = 4 if hot else 3
    assert mesh.ordered("HMGET", "h", "0", "2", "3", "4") == [
        b"%d" % (here + 5), b"%d" % (here + 1), b"%d.5" % here, b"%d" % here
    ]
    assert mesh.ordered("HMGET", "h", "1", f"{MANY - 1}") == (
        [b"1", b"1"] if hot else [None, None]
    )
    told(mesh)


@pytest.mark.parametrize("count", SLICES)
def test_what_is_taken_from_a_field_that_is_being_folded_is_exact(count: int) -> None:
    mesh, a, b = pair()
    names = ("deleted", "float", "large", "late", "timed")
    for name in names:
        for _ in range(3):
            a("HINCRBY", "h", name, "1")
    mesh.flow()
    for node in (a, b):
        sealed(node)
    say(mesh)
    for name in ("deleted", "float", "large"):
        a("HINCRBY", "h", name, "1")
    slices(a, count)
    mesh.cut_all()
    mesh.time_s += 1.0
    b("HDEL", "h", "deleted")
    b("HINCRBYFLOAT", "h", "float", "0.5")
    a("HINCRBYFLOAT", "h", "float", "0.25")
    a("HINCRBY", "h", "large", str(2**62))
    a("HINCRBY", "h", "late", "1")
    b("HPEXPIRE", "h", "1000000", "FIELDS", "1", "timed")
    slices(a, count)
    mesh.heal()
    expected = [b"1", b"4.75", b"%d" % (4 + 2**62), b"4", b"3"]
    assert mesh.ordered("HMGET", "h", *names) == expected
    hold(mesh)
    hold(mesh)
    assert mesh.ordered("HMGET", "h", *names) == expected
    assert len({digest_of(node.engine.databases) for node in mesh.nodes}) == 1
    assert left(a) == left(b) == {}


@pytest.mark.parametrize("words", [("INCR", "n"), ("HINCRBY", "h", "n", "1")])
@pytest.mark.parametrize(("records", "looks"), [(3, 6), (2000, 110)])
def test_increments_are_freed_in_as_many_looks_as_they_are_worth(
    words: tuple[str, ...], records: int, looks: int
) -> None:
    """Few increments must not hold up what is to be looked at after them: where a node has the time
    for few looks in a heartbeat, all else was kept until they had gone."""
    mesh, a, b = pair()
    for _ in range(records):
        a(*words)
    a("HSET", "timed", "x", "1", "y", "2")
    a("HPEXPIRE", "timed", "100", "FIELDS", "1", "x")
    say(mesh)
    for node in (a, b):
        node.member.forgetter.beat()
        taken = 0
        while not node.member.forget_step(1):
            taken += 1
        assert node.member.memory.ledger.records() == 0
        assert taken <= looks
    told(mesh)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("after", ["FLUSHALL", "DEL", "SET", "replaced"])
def test_all_may_go_while_fields_are_folded(count: int, after: str) -> None:
    mesh, a, _ = pair()
    for number in range(MANY):
        a("HINCRBY", "h", f"{number}", "1")
    mesh.flow()
    sealed(a)
    say(mesh)
    for number in range(0, MANY, 2):
        a("HINCRBY", "h", f"{number}", "1")
    slices(a, count)
    memory = a.member.memory
    if after == "replaced":
        taken = memory.ledger.take()
        assert taken.fields.counted is not memory.ledger.fields.counted
        assert memory.ledger.records() == 0
        slices(a, 1000)
        assert memory.ledger.fields.counted.folding == 0
        return
    a(*([after] if after == "FLUSHALL" else [after, "h"] if after == "DEL" else [after, "h", "x"]))
    slices(a, 1)
    if after != "SET":
        a("HINCRBY", "h", "1", "7")
        a("HINCRBY", "h", "2", "7")
    slices(a, 1000)
    mesh.heal()
    if after != "SET":
        assert mesh.ordered("HMGET", "h", "0", "1", "2") == [None, b"7", b"7"]
    told(mesh)


def test_a_field_that_is_counted_again_counts_on_a_name_of_its_own() -> None:
    """What every member had of it is not searched, and what counted on it before stays dead."""
    mesh, a, b = pair()
    a("HSET", "h", "n", "1")
    hold(mesh)
    a("HINCRBY", "h", "n", "10")
    slot = slot_of(a, "n")
    assert isinstance(slot, Field) and slot.flags & (COUNTED | STABLE) == COUNTED | STABLE
    a("HSET", "h", "n", "2")
    mesh.flow()
    for node in (a, b):
        say(mesh)
        node.forget_now()
    a("HINCRBY", "h", "n", "100")
    mesh.heal()
    assert mesh.both("HGET", "h", "n") == b"102"
    mesh.restart_alike(0)
    mesh.heal()
    assert mesh.both("HGET", "h", "n") == b"102"
    told(mesh)
    assert slot_of(a, "n") == 102


def test_a_forgotten_field_that_is_counted_again_is_noted_alike_on_its_peers() -> None:
    """Spelled out there, by the first increment of each generation, it took a peer four times as
    long to apply them as without forgetting."""
    mesh, a, b = pair()
    a("HINCRBY", "h", "n", "1")
    told(mesh)
    a("HINCRBY", "h", "n", "1")
    mesh.flow()
    here, there = slot_of(a, "n"), slot_of(b, "n")
    assert isinstance(here, Field) and isinstance(there, Field)
    assert there.flags & COUNT_MARK and there.flags == here.flags
    b("HINCRBY", "h", "n", "1")
    told(mesh)
    assert slot_of(a, "n") == slot_of(b, "n") == 3


def test_a_unit_that_counts_a_field_twice_has_one_dot_for_both() -> None:
    mesh, a, _ = pair()
    a("HSET", "h", "n", "1")
    hold(mesh)
    session = a.session
    for words in (
        ("MULTI",), ("HINCRBY", "h", "n", "10"), ("HDEL", "h", "n"), ("HINCRBY", "h", "n", "3"),
        ("HDEL", "h", "n"), ("HINCRBY", "h", "n", "4"), ("EXEC",),
    ):  # fmt: skip
        a.run(session, *words)
    told(mesh)
    assert mesh.both("HGET", "h", "n") == b"4"


def test_a_field_that_is_made_again_is_not_taken_for_the_one_before() -> None:
    mesh, a, b = pair()
    for name in ("once", "twice", "again", "kept"):
        a("HINCRBY", "h", name, "1")
    a("HINCRBY", "h", "twice", "1")
    mesh.flow()
    for node in (a, b):
        sealed(node)
    a("HDEL", "h", "again")
    a("HINCRBY", "h", "again", "7")
    a("HINCRBY", "h", "kept", "1")
    a("HINCRBY", "h", "new", "1")
    counted = a.member.memory.ledger.fields.counted
    assert counted.sealed is not None
    assert names_of(counted.sealed) == [b"once", b"twice", b"again", b"kept", b"twice"]
    assert names_of(counted.now) == [b"again", b"kept", b"new"]
    again, new = slot_of(a, "again"), slot_of(a, "new")
    say(mesh)
    a("HINCRBY", "h", "now", "1")  # so that what is written now is not all stable
    slices(a, 1000)
    twice = slot_of(a, "twice")  # left to the present generation
    assert slot_of(a, "once") == 1 and isinstance(twice, Field) and twice.flags & COUNT_FOLDED
    assert [slot for _, _, slot in counted.sealed.left] == [twice]
    assert slot_of(a, "again") is again and slot_of(a, "new") is new
    assert isinstance(new, Field) and new.flags == COUNTED | NO_REGISTER
    kept = slot_of(a, "kept")
    assert isinstance(kept, Field) and kept.flags & STABLE and kept.flags & COUNT_MARK
    assert a.member.memory.ledger.records() == 4
    told(mesh)
    assert slot_of(a, "twice") == 2
    assert mesh.ordered("HMGET", "h", "once", "twice", "again", "kept", "new") == [
        b"1", b"2", b"7", b"2", b"1"
    ]  # fmt: skip


def test_fields_that_are_counted_again_and_again_go_on_to_be_counters() -> None:
    """Also those that were not counted since their generation ended, once; nothing is remembered of
    any of them as soon as nobody counts any more."""
    mesh, a, b = pair()
    slots: dict[str, Field] = {}
    for beat in range(30):
        for name in range(MANY):
            if name % 3 != beat % 3:  # not in each heartbeat
                a("HINCRBY", "h", f"{name}", "1")
        a("HINCRBY", "h", f"once {beat}", "1")
        heartbeat(mesh)
        if beat > 6:
            for field in map(str, range(MANY)):
                slot = slot_of(a, field)
                assert isinstance(slot, Field) and slots.setdefault(field, slot) is slot
    kept = [beat for beat in range(30) if isinstance(slot_of(a, f"once {beat}"), Field)]
    assert len(kept) <= 16 and kept[-1] == 29
    told(mesh)
    assert slot_of(a, "0") == slot_of(b, "0") == 20 and slot_of(a, "once 29") == 1


@pytest.mark.parametrize("words", [
    ("HSET", "h", "n", "5"), ("HDEL", "h", "n"), ("HINCRBY", "h", "n", "9"), ("DEL", "h"),
    ("HINCRBYFLOAT", "h", "n", "0.5"), ("HEXPIRE", "h", "900", "FIELDS", "1", "n"),
])  # fmt: skip
@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize("held", [False, True])
def test_what_a_field_meets_that_was_left_to_the_next_generation(
    words: tuple[str, ...], who: int, held: bool
) -> None:
    mesh, a, _ = pair()
    for _ in range(2):
        for name in ("m", "n"):
            a("HINCRBY", "h", name, "1")
    mesh.flow()
    for node in mesh.nodes:
        sealed(node)
    a("HINCRBY", "h", "m", "1")
    say(mesh)
    a("HINCRBY", "h", "m", "1")  # so that what is written now is not all stable
    if held:
        mesh.cut(0, 1)
    slices(a, 1000)
    left_slot = slot_of(a, "n")
    assert isinstance(left_slot, Field) and left_slot.flags & COUNT_FOLDED
    mesh.nodes[who](*words)
    slices(a, 1000)
    told(mesh)


def test_a_late_increment_of_a_field_made_since_leaves_it_in_its_generation() -> None:
    ledger = Ledger()
    counted = ledger.fields.counted
    log = ledger.fields.log(0, 0)
    log.append(b"p", 10, 1, 7)
    ledger.fields.seal()
    made = Field(3, 20, 0)
    made.flags = COUNTED | NO_REGISTER
    counted.note_field(0, field_place(b"h", b"n"), None)
    sealed_number = counted.note_late_field(0, field_place(b"h", b"n"), made)
    assert sealed_number == 1 and made.flags & COUNT_MARK == counted.mark
    assert counted.sealed is not None
    assert counted.sealed.slots == [made] and counted.now.slots == [None, made]
    old = Field(3, 5, 0)
    old.flags = COUNTED | STABLE
    counted.note_late_field(0, field_place(b"h", b"m"), old)
    assert old.flags & COUNT_MARK == counted.sealed.mark


@pytest.mark.parametrize("generations", [0, 1, 2])
def test_a_field_that_is_made_late_is_noted_in_any_generation(generations: int) -> None:
    """Each has a mark of its own, of three."""
    ledger = Ledger()
    counted = ledger.fields.counted
    log = ledger.fields.log(0, 0)
    for number in range(generations):
        log.append(b"p", 10 + number, 1, 7)
        ledger.fields.seal()
        counted.begin()
        counted.end()
    log.append(b"p", 20, 1, 7)
    ledger.fields.seal()
    assert counted.note_late_field(0, field_place(b"h", b"n"), None) == generations + 1
    assert counted.sealed is not None
    assert names_of(counted.sealed) == [b"n"]


def test_hidden_timed_and_contested_fields_fold_as_well() -> None:
    mesh, a, b = pair()
    for name in ("timed", "parked", "rivals"):
        a("HINCRBY", "h", name, "1")
    a("HINCRBY", "hidden", "n", "1")
    mesh.flow()
    mesh.cut_all()
    mesh.time_s += 1.0
    a("HINCRBY", "hidden", "n", "1")
    a("HSET", "h", "rivals", "10")
    mesh.time_s += 1.0
    b("HSET", "h", "rivals", "20")
    mesh.time_s += 1.0
    b("SADD", "hidden", "x")
    a("HPEXPIRE", "h", "1000000", "FIELDS", "1", "timed")
    a("HPEXPIRE", "h", "100", "FIELDS", "1", "parked")
    mesh.settle()
    a("HINCRBY", "h", "rivals", "1")
    a("HINCRBY", "h", "timed", "1")
    mesh.flow()
    mesh.time_s += 1.0
    told(mesh)
    assert mesh.ordered("HMGET", "h", "timed", "parked", "rivals") == [b"2", None, b"21"]


class Apart(Mesh):
    """Random counters and all that meets them, of nodes that seal, save and forget as it comes."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        super().__init__("abc"[: self.chance.choice((2, 2, 3))], forgets="beat")
        hold(self)

    def write(self) -> None:
        """One write of a counter."""
        rng = self.chance
        node = rng.choice(self.nodes)
        step = str(rng.choice((1, 1, 1, -1, 5)))
        key, field = rng.choice("st"), rng.choice("fgh")
        kind = rng.random()
        if kind < 0.35:
            node("INCRBY", key, step)
        elif kind < 0.85:
            node("HINCRBY", "h", field, step)
        elif kind < 0.88:
            node("HSET", "h", field, step)
        elif kind < 0.91:
            node("HDEL", "h", field)
        elif kind < 0.93:
            node("HINCRBYFLOAT", "h", "x", "0.5")
        elif kind < 0.95:
            node("SET", key, step)
        elif kind < 0.97:
            node("DEL", rng.choice((key, "h")))
        elif kind < 0.98:
            node("HPEXPIRE", "h", str(rng.choice((50, 100_000))), "FIELDS", "1", field)

    def writes(self) -> None:
        """Some of them, a little later each, that go to others as it comes."""
        for _ in range(self.chance.randrange(7)):
            self.write()
            self.time_s += self.chance.choice((0.0, 0.001, 0.3))
            if self.chance.random() < 0.2:
                self.flow()

    def disturb(self) -> None:
        """Something that is no write."""
        rng = self.chance
        node = rng.choice(self.nodes)
        kind = rng.random()
        ledger = node.member.memory.ledger
        if kind < 0.5:
            if ledger.strings.counted.sealed is None and ledger.strings.filled():
                ledger.strings.seal()
            if ledger.fields.counted.sealed is None and ledger.fields.filled():
                ledger.fields.seal()
        elif kind < 0.6:
            slices(node, rng.choice((1, 2, 5, 50)))
        elif kind < 0.7:
            say(self)
        elif kind < 0.75:
            node.beat()
        elif kind < 0.9:
            self.cut_all()
        else:
            self.settle()

    def round(self) -> None:
        """Generations end apart, what they hold becomes stable and folds in part, and a transfer
        joins what was written since."""
        rng = self.chance
        self.cut_all()
        for _ in range(5):
            self.writes()
            self.disturb()
        self.settle()
        say(self)
        self.time_s += 1.0
        self.writes()
        self.flow()
        for node in self.nodes:
            slices(node, rng.choice((0, 1, 5, 1000)))
        self.cut_all()
        self.writes()
        if rng.random() < 0.7:
            no_log(*rng.sample(self.nodes, rng.choice((1, len(self.nodes)))))


@pytest.mark.parametrize("shard", range(SHARDS))
def test_counters_of_nodes_that_seal_apart_lose_nothing(shard: int) -> None:
    for seed in range(shard, SEEDS, SHARDS):
        print(f"seed {seed}")
        mesh = Apart(seed)
        for _ in range(6):
            mesh.round()
            mesh.time_s += 1.0
            mesh.heal()
        told(mesh)
