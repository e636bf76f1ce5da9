"""Seeds: random writes on random networks end with equal nodes that show what the oracle says.

PLEXIS_SEEDS is 32 times how many; the seed in a failure repeats it (`run(seed)`), under the
PYTHONHASHSEED that is printed beside it.
"""

from __future__ import annotations

import pytest

from tests.mesh.commands import Client
from tests.support.seeds import seeds
from tests.support.simnode import SimNode
from tests.support.simulation import World

SEEDS = seeds()
SHARDS = 16
CLOCK_STEP_MS = 10_000


class Schedule:
    """One seed: what kind of world it is, and one random event after the other."""

    def __init__(self, seed: int, forgets: str = "") -> None:
        backlog = (4_000, 0, 0, 12_000, 0, 0)[seed % 6]
        self.world = World(seed, nodes=2 + seed % 2, backlog_bytes=backlog, forgets=forgets)
        self.random = self.world.random
        self.client = Client(self.random, seed)
        self.steps_clocks = seed % 4 == 1
        self.crash_from = 0.93 if seed % 11 == 4 else 0.985  # each crash is one more stream
        if seed % 4 == 0:  # clocks that agree give many stamps twice
            for node in self.world.nodes:
                node.skew_ms = 0
        if seed % 5 == 2 and not forgets:  # one more holds data of its own before it joins
            self.world.add("late", self.random.randrange(-400, 400), active=False)
        if len(self.world.nodes) > 2 and self.random.random() < 0.4:
            self.world.no_link(0, 1)  # these two learn of each other through the third
        self.world.found()
        self.pairs = list(self.world.wires)
        self.weights = [self.random.choice([1.0, 1.0, 0.5, 0.05]) for _ in self.pairs]

    def run(self, phases: int, events: int) -> None:
        """Random events, then healing, then what must hold; several times."""
        for _ in range(phases):
            for _ in range(events):
                self.world.time_s += self.random.randrange(0, 4) / 1000.0
                self.event()
            self.world.settle()
            self.world.check()
        if self.world.forgets:
            self.world.check_forgotten()
        self.restart_one()

    def event(self) -> None:
        """One thing that happens somewhere."""
        world, rng = self.world, self.random
        node = rng.choice(world.nodes)
        pick = rng.random()
        if pick >= self.crash_from:
            self.crash(node)
        elif pick < 0.06 and world.forgets and not node.activating:
            node.save()
            node.beat()
        elif pick < 0.46:
            self.client.write(node)
            world.counts["writes"] += 1
        elif pick < 0.80:
            world.step(*rng.choices(self.pairs, self.weights))
        elif pick < 0.86:
            node.work()
        elif pick < 0.89:
            self.toggle()
        elif pick < 0.92:
            node.beat()
        elif pick < 0.94:
            node.begin_save()
        elif pick < 0.96:
            node.engine.tick(world.time_s + node.skew_ms / 1000.0)
        else:
            self.rarer(node)
        if node.activating:
            node.activation_step()

    def rarer(self, node: SimNode) -> None:
        """A watched transaction, a clock that is set, a node that becomes active."""
        rng = self.random
        if not node.resolver.active:
            node.activate(at_once=False)
        elif self.steps_clocks and rng.random() < 0.3:
            node.skew_ms = rng.choice([-CLOCK_STEP_MS, 0, CLOCK_STEP_MS]) + rng.randrange(-400, 400)
        else:
            refused = self.client.watch(node)
            if refused is not None:
                self.world.counts["spoiled" if refused else "watched"] += 1

    def toggle(self) -> None:
        """A direction between two nodes goes down or comes up; at times a peer is asked again."""
        world = self.world
        pair = self.random.choice(self.pairs)
        if pair in world.down:
            world.down.discard(pair)
        elif self.random.random() < 0.7:
            world.cut(*pair)
        elif world.wires[pair].lacks():
            world.wires[pair].cut()  # comes back by vector, with what third nodes wrote

    def crash(self, node: SimNode) -> None:
        """A node dies and starts again, mostly from its last save, at times from an older one."""
        saves = node.saves
        data = None
        if saves:
            data = saves[-1]
            if self.random.random() >= 0.7 and not self.world.forgets:
                data = self.random.choice(saves)
        self.client.forget(node)
        self.world.crash(self.world.nodes.index(node), data)
        node.activate(at_once=self.random.random() < 0.5)

    def restart_one(self) -> None:
        """A save of one node, loaded again, shows the same."""
        world = self.world
        at = self.random.randrange(len(world.nodes))
        node = world.nodes[at]
        before, vector = node.shown(), node.member.vector()
        node.save()
        world.crash(at, node.saves[-1])
        now_ms = max(int(each.engine.now.ms) for each in world.nodes)
        node.engine.now.ms = now_ms
        world.compare(f"{node.name} after a restart", node.shown(), before)
        assert node.member.vector() == vector, f"{world}: a restart changes the vector"


def run(seed: int, phases: int = 4, events: int = 80, forgets: str = "") -> World:
    """One schedule from beginning to end."""
    schedule = Schedule(seed, forgets)
    try:
        schedule.run(phases, events)
    except AssertionError as error:
        raise AssertionError(f"{schedule.world}: {error}") from error
    except Exception as error:
        raise AssertionError(f"{schedule.world}: {type(error).__name__}: {error}") from error
    return schedule.world


@pytest.mark.parametrize("shard", range(SHARDS))
def test_random_schedules_converge_to_what_the_oracle_says(shard: int) -> None:
    for seed in range(shard, SEEDS // 32, SHARDS):
        run(seed)
