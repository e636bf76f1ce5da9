"""The main schedule: every write command of the table, of all types, and every trouble a mesh can
have, on 2 to 5 nodes. After healing all nodes are equal and show what the oracles say.

PLEXIS_SEEDS is how many plans are played. A plan that fails prints the shortest story that fails
alike, as a test to be pasted into test_found_stories.py.
"""

from __future__ import annotations

import random

import pytest

from node.commands.command import TABLE, WRITE
from node.commands.table import load
from node.journal import Commit
from node.ports import Reader
from node.resp.replies import Failure
from node.store.effect import LAPSE
from tests.support.every_write import BY_KIND, KINDS, Speaker, said
from tests.support.plan import EVENTS, TROUBLES, Plan, drawn, event_of
from tests.support.play import Violation, play, told
from tests.support.seeds import seeds
from tests.support.shrink import shortest
from tests.support.simnode import SimNode
from tests.support.simulation import World
from tests.support.write_examples import EXEMPT

SEEDS = seeds()
SHARDS = 16
PLACE = 98


def plan_of(seed: int) -> Plan:
    """The plan of a seed in this run."""
    return drawn(seed)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_write_and_every_trouble_end_equal(shard: int) -> None:
    for seed in range(shard, SEEDS, SHARDS):
        try:
            play(plan_of(seed))
        except Violation as violation:
            pytest.fail(shortest(violation), pytrace=False)


def writes_of_the_table() -> set[str]:
    """All write commands, subcommands by their full name."""
    load()
    names = {
        name.decode() for name, command in TABLE.items()
        if command.flags & WRITE and not command.subcommands
    }  # fmt: skip
    for container in TABLE.values():
        names |= {
            each.fullname.decode() for each in (container.subcommands or {}).values()
            if each.flags & WRITE
        }  # fmt: skip
    return names - EXEMPT.keys()


def test_every_write_command_of_the_table_has_a_template() -> None:
    named = {name for templates in BY_KIND.values() for name in templates}
    assert writes_of_the_table() - named == set(), "no template in every_write.py"
    assert named - writes_of_the_table() == set(), "no such write command"


def test_every_write_command_and_every_trouble_is_drawn() -> None:
    said_words: set[str] = set()
    troubles: set[str] = set()
    for seed in range(150):
        plan = drawn(seed)
        troubles |= set(plan.troubles)
        for event in plan.events:
            for line in event.words.split(" ; "):
                words = line.lower().split()[:2]
                said_words |= {words[0], "|".join(words)} if words else set()
    assert writes_of_the_table() - said_words == set()
    assert troubles == set(TROUBLES)


class Writes(Reader):
    """How many effects of its own a node has published."""

    def __init__(self) -> None:
        self.effects = 0

    def read(self, commit: Commit) -> None:
        self.effects += sum(effect.op != LAPSE for effect in commit.effects())


@pytest.mark.parametrize("kind", BY_KIND)
def test_every_template_changes_something_at_times(kind: str) -> None:
    world = World(1, nodes=1)
    node = world.nodes[0]
    writes = Writes()
    node.engine.journal.wake(PLACE, writes)
    homes = KINDS if kind == "whole" else (kind,)
    speaker = Speaker(random.Random(5), (*homes, kind, "whole"), 0.0, keys=2, members=3)
    idle = {(name, each) for name, templates in BY_KIND[kind].items() for each in templates}
    for _ in range(400):
        if not idle:
            break
        for name, template in sorted(idle):
            for _ in range(12):  # something that it can work on
                tell(node, speaker.line())
            home = speaker.rng.choice(homes)
            before = writes.effects
            speaker.now_ms = int(world.time_s * 1000)
            reply = tell(node, speaker.filled(template, home))
            if not isinstance(reply, Failure) and writes.effects > before:
                idle.discard((name, template))
    assert not idle, "these never change anything"


def tell(node: SimNode, line: str) -> object:
    """A line by a client of its own, for it may wait."""
    node.world.time_s += 0.001
    return node.attempt(node.engine.session(), *said(node, 0, line))


@pytest.mark.parametrize("seed", range(6))
def test_a_plan_written_down_is_the_same_plan(seed: int) -> None:
    plan = drawn(seed, events=EVENTS // 2, forgets="")
    assert tuple(event_of(each.text()) for each in plan.events) == plan.events
    one = play(plan)
    other = told(plan, "\n".join(each.text() for each in plan.events))
    assert one.nodes[0].shown() == other.nodes[0].shown()
    assert one.nodes[0].member.vector() == other.nodes[0].member.vector()
    assert one.counts == other.counts
