"""A plan: everything that happens to a mesh in one story, drawn from a seed before any of it runs.

A story is its plan and nothing else: no event depends on how the others went, each carries the time
at which it happens and the number from which whatever is random in it is drawn (`dice`). So any
part of a plan is a plan (tests/support/shrink.py leaves events out) and a plan can be written
down: each event is a line of text (`Event.text`), which tests/support/play.py carries out.

Each seed draws which troubles its mesh has, so that a story stays short enough to be understood.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.support.every_write import KINDS, START_MS, Speaker

EVENTS = 230
NODES_MOST = 5
HOUR_MS = 3_600_000
STEP_MS = 10_000
Pairs = tuple[tuple[int, int], ...]

TROUBLES = ("cuts", "parts", "slow", "pauses", "crashes", "old saves", "overflow", "clock steps",
            "an hour ahead", "joins", "departures", "forgetting", "shape", "waits", "logs",
            "resets", "newest wins")  # fmt: skip
# How often each kind of event is drawn; a trouble adds its own.
CALM = {"say": 42, "unit": 3, "link": 42, "work": 6, "beat": 2, "tick": 2, "begin-save": 1}
ADDED: dict[str, dict[str, int]] = {
    "cuts": {"cut": 3, "up": 3}, "parts": {"part": 2, "up": 4}, "slow": {"up": 1},
    "pauses": {"pause": 2, "resume": 3}, "crashes": {"crash": 1, "save": 2, "begin-save": 1},
    "old saves": {"restore": 1, "save": 3}, "overflow": {"cut": 1, "up": 1, "say": 20},
    "clock steps": {"clock": 2}, "an hour ahead": {"clock": 1}, "joins": {"join": 1},
    "forgetting": {"save": 4, "beat": 5, "forget": 3}, "shape": {"beat": 3}, "waits": {"wait": 5},
    "logs": {"crash": 1, "work": 6}, "resets": {"ask": 2}, "newest wins": {"policy": 1},
    "departures": {"expel": 1, "leave": 1, "return": 1, "save": 4, "beat": 6},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happens: so many ms after the start, to a node, with another or a number."""

    at_ms: int
    what: str
    node: int
    other: int
    dice: int
    words: str = ""

    def text(self) -> str:
        """As one line: `12 say 0 0 831 SET st0 v1`."""
        line = f"{self.at_ms} {self.what} {self.node} {self.other} {self.dice}"
        return f"{line} {self.words}" if self.words else line


def event_of(line: str) -> Event:
    """The reverse of Event.text."""
    at_ms, what, node, other, dice, *words = line.split(" ", 5)
    return Event(int(at_ms), what, int(node), int(other), int(dice), *words)


@dataclass(frozen=True)
class Plan:
    """A mesh, and what happens to it. All links are up at the start and again at the end."""

    seed: int
    skews: tuple[int, ...]  # of each node's clock, in ms; as many as there are nodes
    disks: tuple[str, ...]  # of each: "" for saves only, else what `appendfsync` says
    missing: Pairs = ()  # pairs that are never linked
    backlog_bytes: int = 0
    forgets: str = ""
    troubles: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()

    def without_events(self, events: tuple[Event, ...]) -> Plan:
        """The same mesh with these events only."""
        return replace(self, events=events)


# By kind of event: what else is drawn.
Maker = Callable[["Draft"], tuple[int, int, str]]


class Draft:
    """Draws one plan."""

    def __init__(self, seed: int, forgets: str | None, departs: bool) -> None:
        self.rng = random.Random(seed)
        rng = self.rng
        troubles = set(rng.sample(TROUBLES, rng.choice([0, 1, 2, 3, 3, 4])))
        if forgets is not None:
            troubles.discard("forgetting")
        if forgets == "" or not departs:
            troubles.discard("departures")  # only who forgets asks who is a member
        if forgets or "departures" in troubles:
            troubles.add("forgetting")
        self.seed = seed
        self.troubles = tuple(each for each in TROUBLES if each in troubles)
        self.forgets = ""
        if "forgetting" in troubles:
            self.forgets = forgets or rng.choice(["random", "frame"])
        self.nodes = rng.choice([2, 2, 3, 3, 3, 4]) if "shape" not in troubles else rng.choice(
            [3, 4, 5]
        )
        wide = rng.choice([0, 400, 400])
        self.skews = [rng.randrange(-wide, wide + 1) for _ in range(self.nodes)]
        self.disks = [""] * self.nodes
        if "logs" in troubles:
            self.disks = [rng.choice(["", "always", "everysec"]) for _ in range(self.nodes)]
        self.backlog_bytes = rng.choice([2_500, 5_000]) if "overflow" in troubles else 0
        self.missing = self.shape() if "shape" in troubles else ()
        self.pairs = [
            (a, b) for a in range(self.nodes) for b in range(self.nodes)
            if a != b and (a, b) not in self.missing
        ]  # fmt: skip
        self.weights = [1.0 if "slow" not in troubles else rng.choice([1.0, 0.3, 0.03])
                        for _ in self.pairs]  # fmt: skip
        self.speaker = self.tongue()
        self.databases = (0,) if rng.random() < 0.7 else (0, 0, 1, 2)
        self.skews_now = list(self.skews)
        self.at_ms = 0
        self.hour_ahead = rng.randrange(self.nodes)

    def shape(self) -> Pairs:
        """A ring, a hub, a line: the pairs that are not linked, in both directions."""
        count = self.nodes
        ring = {(at, (at + 1) % count) for at in range(count)}
        linked = self.rng.choice([
            ring, {(0, at) for at in range(1, count)}, {(at, at + 1) for at in range(count - 1)},
        ])  # fmt: skip
        return tuple(
            (a, b) for a in range(count) for b in range(count)
            if a != b and (a, b) not in linked and (b, a) not in linked
        )  # fmt: skip

    def tongue(self) -> Speaker:
        """What the clients speak about: one kind, a few, or all."""
        rng = self.rng
        pick = rng.random()
        if pick < 0.45:
            home = rng.choice(KINDS)
            kinds: tuple[str, ...] = (home, home, "whole")
        elif pick < 0.65:
            kinds = (*rng.sample(KINDS, 2), "whole")
        else:
            kinds = (*KINDS, "whole")
        strays = rng.choice([0.0, 0.0, 0.1, 0.3])
        keys, members = rng.choice([1, 2, 2, 4]), rng.choice([2, 4, 9])
        return Speaker(rng, kinds, strays, keys, members)

    def plan(self, events: int = EVENTS) -> Plan:
        """The whole plan."""
        weights = dict(CALM)
        for trouble in self.troubles:
            for what, weight in ADDED[trouble].items():
                weights[what] = weights.get(what, 0) + weight
        whats, odds = list(weights), list(weights.values())
        rng = self.rng
        drawn: list[Event] = []
        crashes = 0
        for what in rng.choices(whats, odds, k=events):
            self.at_ms += rng.choice([0, 0, 1, 2, 3])
            if what in ("crash", "restore"):
                crashes += 1
                if crashes > 4:  # each is one more stream
                    continue
            node, other, words = MAKERS[what](self)
            drawn.append(Event(self.at_ms, what, node, other, rng.getrandbits(30), words))
            if rng.random() < 0.006:
                drawn.append(Event(self.at_ms, "heal", 0, 0, rng.getrandbits(30)))
        return Plan(
            self.seed, tuple(self.skews), tuple(self.disks), self.missing, self.backlog_bytes,
            self.forgets, self.troubles, self.speaker.kinds, tuple(drawn),
        )  # fmt: skip

    # --- events -----------------------------------------------------------------------------------

    def node(self) -> int:
        """Any node."""
        return self.rng.randrange(self.nodes)

    def some_node(self) -> tuple[int, int, str]:
        return self.node(), 0, ""

    def some_pair(self) -> tuple[int, int, str]:
        return *self.rng.choices(self.pairs, self.weights)[0], ""

    def line(self, node: int) -> str:
        """What a client of that node says now."""
        self.speaker.now_ms = START_MS + self.at_ms + self.skews_now[node]
        return self.speaker.line()

    def say(self) -> tuple[int, int, str]:
        node = self.node()
        return node, self.rng.choice(self.databases), self.line(node)

    def unit(self) -> tuple[int, int, str]:
        node = self.node()
        lines = [self.line(node) for _ in range(self.rng.choice([1, 2, 3, 4]))]
        return node, self.rng.choice(self.databases), " ; ".join(lines)

    def crash(self) -> tuple[int, int, str]:
        """`other`: how much of the log's tail stays, in per mille."""
        node = self.node()
        return node, self.rng.choice([0, 1000, self.rng.randrange(1001)]), "last"

    def restore(self) -> tuple[int, int, str]:
        """`other`: how many saves ago."""
        return self.node(), self.rng.choice([1, 2, 3, 9]), "old"

    def policy(self) -> tuple[int, int, str]:
        """The node's conflict-policy from now on: of all keys, some, all but some, or none."""
        row = self.rng.choice(["", "newest-wins", "newest-wins s* h* l*",
                               "newest-wins ; observed-remove h* z*"])  # fmt: skip
        return self.node(), 0, row

    def clock(self) -> tuple[int, int, str]:
        """`other`: by how many ms the clock is off from now on."""
        rng = self.rng
        node = self.node()
        skew_ms = rng.choice([-STEP_MS, 0, STEP_MS]) + rng.randrange(-400, 400)
        if "an hour ahead" in self.troubles and rng.random() < 0.5:
            node = self.hour_ahead
            skew_ms = rng.choice([HOUR_MS, 0])
        self.skews_now[node] = skew_ms  # deadlines that its clients name follow its clock
        return node, skew_ms, ""

    def wait(self) -> tuple[int, int, str]:
        """A client that may wait for what others will write."""
        node = self.node()
        return node, self.rng.choice(self.databases), self.speaker.waiting()

    def join(self) -> tuple[int, int, str]:
        """`other`: how far its clock is off; it has data of its own or none."""
        skew_ms = self.rng.randrange(-400, 400)
        if self.nodes < NODES_MOST:
            self.pairs += [(a, self.nodes) for a in range(self.nodes)]
            self.pairs += [(self.nodes, a) for a in range(self.nodes)]
            self.weights += [1.0] * (2 * self.nodes)
            self.skews_now.append(skew_ms)
            self.nodes += 1
        return 0, skew_ms, self.rng.choice(["empty", "empty", "alone"])


MAKERS: dict[str, Maker] = {
    "say": Draft.say, "wait": Draft.wait, "unit": Draft.unit, "link": Draft.some_pair,
    "work": Draft.some_node, "beat": Draft.some_node, "tick": Draft.some_node,
    "save": Draft.some_node, "begin-save": Draft.some_node, "cut": Draft.some_pair,
    "part": Draft.some_pair, "up": Draft.some_pair, "ask": Draft.some_pair,
    "pause": Draft.some_node, "resume": Draft.some_node, "crash": Draft.crash,
    "restore": Draft.restore, "clock": Draft.clock, "join": Draft.join, "forget": Draft.some_node,
    "expel": Draft.some_pair, "leave": Draft.some_node, "return": Draft.some_node,
    "policy": Draft.policy,
}  # fmt: skip


def drawn(
    seed: int, events: int = EVENTS, forgets: str | None = None, departs: bool = True
) -> Plan:
    """The plan of a seed. `forgets` None: as the seed says; `departs`: members may leave and be
    expelled."""
    return Draft(seed, forgets, departs).plan(events)
