"""The executable model keeps the rules: worked examples, random schedules, and mutants caught.

PLEXIS_SEEDS sets how many random schedules are played (800 unless said).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.support.model import MS_SHIFT, Path, Removal, Replica, Vector, covers, join, run
from tests.support.oracle import Act, Dot, Oracle, Unit

END_MS = 5000


def seeds(default: int) -> range:
    """The seeds to play: as many as PLEXIS_SEEDS says, or the default."""
    return range(int(os.environ.get("PLEXIS_SEEDS", default)))


class Story:
    """A few replicas whose units travel as the story says, and the oracle's word on the end."""

    def __init__(self, size: int = 2, replica: type[Replica] = Replica) -> None:
        streams = tuple(name.encode() * 16 for name in "abcd"[:size])
        self.nodes = [replica(stream, streams) for stream in streams]

    def carry(self, source: int, target: int) -> None:
        """The target takes in all of the source's own units that it lacks."""
        for unit in self.nodes[source].log:
            self.nodes[target].apply(unit)

    def sync(self) -> None:
        for source in range(len(self.nodes)):
            for target in range(len(self.nodes)):
                self.carry(source, target)

    def tell(self, script: str) -> None:
        """Run the steps of a script, parted by lines or `|`.

        `a 1000 SET k v` is a command at a node at a time, with `+` between the commands of one
        unit; `a 1000 beat` a heartbeat, `a>b` a delivery, `sync` a delivery of everything.
        """
        for line in script.replace("|", "\n").splitlines():
            words = line.split()
            if words == ["sync"]:
                self.sync()
            elif words and ">" in words[0]:
                self.carry(*("abcd".index(name) for name in words[0].split(">")))
            elif words:
                node = self.nodes["abcd".index(words[0])]
                if words[2:] == ["beat"]:
                    node.beat(int(words[1]))
                else:
                    made = node.do(int(words[1]), *" ".join(words[2:]).split("+"))
                    assert made is not None, f"{line.strip()} changed nothing"

    def final(self, now_ms: int = END_MS) -> dict[str, Any]:
        """Heal; all replicas and the oracle must agree. Gives the values, (value, deadline)
        where there is one.
        """
        self.sync()
        oracle = Oracle()
        for node in self.nodes:
            for unit in node.log:
                oracle.record(unit)
        shown = [node.visible(now_ms) for node in self.nodes]
        assert shown == [oracle.expected(now_ms)] * len(shown)
        assert not [node.pending for node in self.nodes if node.pending]
        return {
            key.decode(): (value, at) if at else value
            for (_, key), (_, value, at) in shown[0].items()
        }


EXAMPLES = {
    "S1": ("a 1000 SET k a | b 1001 SET k b", {"k": b"b"}),
    "S2": ("a 1000 SET k v | sync | a 1005 DEL k | b 1001 SET k w", {}),
    "S2b": ("a 1000 SET k v | sync | a 1001 DEL k | b 1005 SET k w", {"k": b"w"}),
    "S3": ("a 2000 SET k v | sync | b 1501 DEL k", {}),
    "SETNX": ("a 1000 SETNX l a | b 1001 SETNX l b", {"l": b"b"}),
    "RENAME": (
        "a 1 SET a old | sync | a 2 RENAME a b | b 3 SET a z",
        {"a": b"z", "b": b"old"},
    ),
    "RENAME, earlier SET": ("a 1 SET a old | sync | a 3 RENAME a b | b 2 SET a z", {"b": b"old"}),
    "C1": ("a 1 SET k 10 | sync | a 2 INCRBY k 5 | b 2 INCRBY k 7", {"k": b"22"}),
    "C2": ("a 1 SET k 10 | sync | a 2 SET k 100 | b 2 INCRBY k 7", {"k": b"107"}),
    "C3": ("a 1 SET k 10 | sync | a 2 DEL k | b 2 INCRBY k 7", {"k": b"7"}),
    "C4": ("a 1 SET k 1 | b 2 SET k 2 | b 3 INCRBY k 1", {"k": b"3"}),
    "C5": (
        "a 1 SET k 0 | sync |" + "a 2 INCRBY k 1 | b 2 INCRBY k 1 |" * 50,
        {"k": b"100"},
    ),
    "C6": (
        "a 1 SET k 0 | sync |" + "a 2 INCRBYFLOAT k 0.1 |" * 3 + "b 2 INCRBYFLOAT k 0.2",
        {"k": b"0.5"},
    ),
    "C7": (
        "a 1 SET k 9223372036854775806 | sync | a 2 INCRBY k 1 | b 2 INCRBY k 1",
        {"k": b"9223372036854775807"},
    ),
    "C7, then DECR twice": (
        "a 1 SET k 9223372036854775806 | sync | a 2 INCRBY k 1 | b 2 INCRBY k 1 | sync |"
        "a 3 INCRBY k -1 | a 4 INCRBY k -1",
        {"k": b"9223372036854775806"},
    ),
    "C8": (
        "a 1 SET k 0 | sync | a 2 INCRBY k 1 | a>b | a 3 INCRBY k 1 | b 4 SET k 100",
        {"k": b"101"},
    ),
    "text hides increments": ("a 1 SET k 3 | sync | a 2 SET k x | b 2 INCRBY k 1", {"k": b"x"}),
    "SE1": (
        "a 1 SADD s a b | sync | a 3 SREM s a | b 3 SADD s c",
        {"s": {b"b", b"c"}},
    ),
    "SE2": ("a 1 SADD s a | sync | a 2 SREM s a | b 2 SADD s a", {"s": {b"a"}}),
    "SE3": ("a 1 SADD s a | sync | a 9 DEL s | b 2 SADD s z", {"s": {b"z"}}),
    "SE4": ("a 1 SADD s a b | sync | a 2 SPOP s | b 2 SPOP s", {"s": {b"b"}}),
    "SE5": (
        "a 1 SADD s m n | sync | a 2 SMOVE s x m | b 2 SMOVE s y m",
        {"s": {b"n"}, "x": {b"m"}, "y": {b"m"}},
    ),
    "H1": (
        "a 1 HSET h f1 1 | b 1 HSET h f2 2",
        {"h": ((b"f1", b"1"), (b"f2", b"2"))},
    ),
    "H2": ("a 1 HSET h f v | sync | a 2 HDEL h f | b 2 HSET h f v2", {"h": ((b"f", b"v2"),)}),
    "H3": ("a 1 HSET h f 5 | sync | a 2 HDEL h f | b 2 HINCRBY h f 2", {"h": ((b"f", b"2"),)}),
    "H4": ("a 1 HSET h f 1 | sync | a 2 DEL h | b 2 HSET h g 1", {"h": ((b"g", b"1"),)}),
    "H5": ("a 1 HSET h f 3 | sync | a 2 HSET h f a | b 3 HINCRBY h f 1", {"h": ((b"f", b"a"),)}),
    "H6": ("a 1 HINCRBY h f 5 | sync | b 2 HSET h f 1", {"h": ((b"f", b"1"),)}),
    "K1": ("a 1 SADD k a | b 2 HSET k f v", {"k": ((b"f", b"v"),)}),
    "K1, DEL clears both": ("a 1 SADD k a | b 2 HSET k f v | sync | a 3 DEL k", {}),
    "K2": ("a 1 SADD k a | b 2 HSET k f v | sync | a 3 HDEL k f", {}),
    "K2, next creation": (
        "a 1 SADD k a | b 2 HSET k f v | sync | a 3 HDEL k f | a 4 SADD k z",
        {"k": {b"z"}},
    ),
    "T1": (
        "a 1 SET k v | sync | a 2 PEXPIREAT k 9010 | b 3 PEXPIREAT k 9050",
        {"k": (b"v", 9050)},
    ),
    "T2": ("a 1 SET k v PXAT 9010 | sync | a 2 SET k w | b 3 PEXPIREAT k 9050", {"k": b"w"}),
    "T3": (
        "a 1 SET k v PXAT 100 | sync | a 200 SET q 1 | b 99 PEXPIREAT k 9000",
        {"k": (b"v", 9000), "q": b"1"},
    ),
    "T4": ("a 1 SET k v PXAT 100 | sync", {}),
    "T5": ("a 1 SADD k old + PEXPIREAT k 100 | sync | a 200 SADD k x", {"k": {b"x"}}),
    "T5, the other extends": (
        "a 1 SADD k old + PEXPIREAT k 100 | sync | a 200 SADD k x | b 99 PEXPIREAT k 9000",
        {"k": {b"x"}},
    ),
    "T6": (
        "a 1 SADD k a | sync | a 2 DEL k | b 2 PEXPIREAT k 10 | sync | a 3 SADD k y",
        {"k": {b"y"}},
    ),
    "T7": (
        "a 1 SET k v PXAT 9000 | sync | a 2 PERSIST k | b 2 PEXPIREAT k 9010",
        {"k": b"v"},
    ),
    "T10": (
        "a 1 SET k v | sync | a 2 SET k w PXAT 9010 | b 2 PEXPIREAT k 9050",
        {"k": (b"w", 9050)},
    ),
    "FLUSH": ("a 1 SET p 1 + SADD s m | sync | a 3 FLUSHALL | b 2 SET k v", {"k": b"v"}),
    "unit": ("a 1 SADD k x y + SREM k x + SADD k z | sync", {"k": {b"y", b"z"}}),
    "unit, DEL and new": (
        "a 1 SADD k x | sync | a 3 SADD k y + DEL k + SET k 1 + INCRBY k 1 | b 2 SADD k z",
        {"k": b"2"},
    ),
}


@pytest.mark.parametrize(("script", "shown"), EXAMPLES.values(), ids=EXAMPLES.keys())
def test_worked_example(script: str, shown: dict[str, Any]) -> None:
    story = Story()
    story.tell(script)
    assert story.final() == shown


def test_se6_a_removal_that_comes_before_the_add_waits_for_it() -> None:
    story = Story(3)
    story.tell("a 1 SADD s a | a>b | b 2 SREM s a | b>c")
    assert len(story.nodes[2].pending) == 1
    story.carry(0, 2)
    assert not story.nodes[2].pending
    assert story.final() == {}


def test_t9_a_deadline_the_creator_had_not_seen_does_not_hit_the_new_key() -> None:
    story = Story(3)
    story.tell("a 1 SADD k a | sync | a 2 DEL k | b 2 PEXPIREAT k 10 | a>c | c 3 SADD k y")
    assert story.final() == {"k": {b"y"}}


def test_a_flush_waits_for_the_writes_it_had_seen() -> None:
    story = Story(3)
    story.tell("a 1 SET k 1 | a>b | b 2 FLUSHDB | b>c | b 3 SET l 1 | b>c")
    assert ((0,),) in [removal.scopes for removal in story.nodes[2].pending]
    assert story.final() == {"l": b"1"}


def test_newest_wins_remembers_its_cut_until_nothing_older_can_come() -> None:
    story = Story(3)
    story.tell("a 1 SADD k a | sync")
    story.nodes[0].do(9, "DEL k", newest_wins=True)
    story.tell("b 7 SADD k z | a>c | b>c")
    assert story.nodes[2].show(0, b"k", 10) is None
    story.tell("b 10 beat | c 10 beat")
    assert story.final() == {}


def test_a_key_is_hidden_as_of_the_stamp_that_a_write_will_get() -> None:
    """A stamp from a fast clock takes the slow node past the deadline: its write is a creation."""
    story = Story()
    story.tell("a 100 SADD k old + PEXPIREAT k 110 | b 120 SET q 1 | sync | a 105 SADD k x")
    assert story.nodes[0].log[-1].acts[0].creation
    assert story.final() == {"k": {b"x"}, "q": b"1"}


@pytest.mark.parametrize("start", range(4))
def test_random_schedules_end_as_the_oracle_says(start: int) -> None:
    """Random commands, units, delays, one-way cuts, merges, heartbeats and sweeps."""
    for seed in seeds(800)[start::4]:
        try:
            run(seed)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


# --- mutants: each breaks one rule, and something must notice ---


class NoPendingRemovals(Replica):
    def remember(self, removal: Removal) -> None:
        pass


class PendingHitsItsOwnUnit(Replica):
    """Keeps a removal with the unit's stamp, not the previous one, for the own stream."""

    def remember(self, removal: Removal) -> None:
        context = {**removal.context, removal.by.stream: removal.by.stamp}
        super().remember(replace(removal, context=context))


class ForgetsTheStampCut(Replica):
    def remember(self, removal: Removal) -> None:
        if not covers(self.vv, removal.context):
            super().remember(removal)


class MergeIsUnion(Replica):
    def merged(self, other: Replica) -> dict[tuple[Dot, Path], Any]:
        return self.live | other.live


class MergeIgnoresPendingRemovals(Replica):
    def clear_pending(self) -> None:
        pass


class FlushClearsTheUnseen(Replica):
    """Clears whatever is here when it arrives."""

    def removal(self, dot: Dot, context: Mapping[bytes, int], act: Act) -> Removal:
        seen = join(context, self.vv) if act.op == "FLUSH" else context
        return super().removal(dot, seen, act)


class UnitClearsNothingOfItsOwn(Replica):
    def removal(self, dot: Dot, context: Mapping[bytes, int], act: Act) -> Removal:
        made = super().removal(dot, context, act)
        return replace(made, by=dot._replace(position=0))


class CreationClearsNothing(Replica):
    def removal(self, dot: Dot, context: Mapping[bytes, int], act: Act) -> Removal:
        return super().removal(dot, context, replace(act, creation=False))


class CreationLeavesTheDeadline(Replica):
    def additions(self, act: Act) -> Iterator[tuple[Path, Any]]:
        return super().additions(replace(act, creation=False))


class DelLeavesNoAbsent(Replica):
    def additions(self, act: Act) -> Iterator[tuple[Path, Any]]:
        return iter(()) if act.op == "DROP" else super().additions(act)


class LastArrivedShows(Replica):
    def by_age(self, db: int, key: bytes) -> Iterator[tuple[Path, Any]]:
        yield from ((p[2:], x) for (_, p), x in self.live.items() if p[:2] == (db, key))


class WallClockHides(Replica):
    """Looks at deadlines by the wall clock, behind the stamp that the write gets."""

    behind_ms = 0

    def do(
        self, now_ms: int, *commands: str, db: int = 0, newest_wins: bool = False
    ) -> Unit | None:
        self.behind_ms = (self.next_stamp(now_ms) >> MS_SHIFT) - (now_ms + self.skew_ms)
        unit = super().do(now_ms, *commands, db=db, newest_wins=newest_wins)
        self.behind_ms = 0
        return unit

    def show(self, db: int, key: bytes, hybrid_ms: int | None) -> tuple[str, Any, int] | None:
        return super().show(db, key, None if hybrid_ms is None else hybrid_ms - self.behind_ms)


class FreesWhenTheVectorHasPassed(Replica):
    """Frees expired content as soon as no extension can be in flight."""

    def may_free(self, name: tuple[int, bytes], seen: Vector) -> bool:
        return True


class FreesWhatIsBelowTheCut(Replica):
    """Frees it when all that is left of the key is stable, though a removal is not."""

    def may_free(self, name: tuple[int, bytes], seen: Vector) -> bool:
        cut = self.cut()
        return all(d.stamp <= cut.get(d.stream, 0) for d, p in self.live if p[:2] == name)


def late_creation(replica: type[Replica]) -> None:
    """c creates an expired key without having seen its content; a has freed that, b has not."""
    story = Story(3, replica)
    story.tell("a 1000 SADD k z + PEXPIREAT k 1010 | a 1020 beat | b 1020 beat | c 1020 beat")
    story.tell("b>a | c>a | a>b")
    story.nodes[0].sweep(1020)
    story.tell("c 1021 SADD k x")
    assert story.final() == {"k": {b"x", b"z"}}


def unseen_del(replica: type[Replica]) -> None:
    """d still sees a long deadline, which b's DEL has cleared at a; so d's write is no creation."""
    story = Story(4, replica)
    story.tell("a 1000 SADD k q | sync | d 1001 PEXPIREAT k 1999 | d>b | b 1003 DEL k")
    story.tell("c 1002 SADD k z + PEXPIREAT k 1010 | c>b | c>d")
    story.tell("a 1020 beat | b 1020 beat | c 1020 beat | d 1020 beat | b>a | c>a | d>a")
    story.nodes[0].sweep(1020)
    story.tell("d 1021 SADD k x")
    assert story.final() == {}


def waiting_removal(replica: type[Replica]) -> None:
    """c has only the removal of what a added; a, who has the add, merges c's state."""
    story = Story(3, replica)
    story.tell("a 1 SADD k m | a>b | b 2 DEL k | b>c")
    story.nodes[0].merge(story.nodes[2])
    assert story.final() == {}


def slow_wall_clock(replica: type[Replica]) -> None:
    """c's wall clock is before the deadline, all stamps it has seen are past it; a has freed."""
    story = Story(3, replica)
    story.tell("a 1000 SADD k z + PEXPIREAT k 1010 | sync")
    for _ in range(2):
        story.tell("a 1020 beat | b 1020 beat | c 1020 beat | sync")
        story.nodes[0].sweep(1020)
    assert not story.nodes[0].live
    story.tell("c 1005 SADD k x")
    assert story.final() == {"k": {b"x"}}


STORIES: dict[type[Replica], Callable[[type[Replica]], None]] = {
    FreesWhenTheVectorHasPassed: late_creation,
    FreesWhatIsBelowTheCut: unseen_del,
    MergeIgnoresPendingRemovals: waiting_removal,
    WallClockHides: slow_wall_clock,
}


@pytest.mark.parametrize("story", STORIES.values())
def test_a_story_too_rare_for_random_schedules(story: Callable[[type[Replica]], None]) -> None:
    story(Replica)


@pytest.mark.parametrize("mutant", STORIES.keys())
def test_a_mutant_is_caught_by_its_story(mutant: type[Replica]) -> None:
    with pytest.raises(AssertionError):
        STORIES[mutant](mutant)


@pytest.mark.parametrize("mutant", [m for m in Replica.__subclasses__() if m not in STORIES])
def test_a_mutant_is_caught_by_random_schedules(mutant: type[Replica]) -> None:
    assert any(is_caught(mutant, seed) for seed in range(200))


def is_caught(mutant: type[Replica], seed: int) -> bool:
    try:
        run(seed, mutant)
    except AssertionError:
        return True
    return False
