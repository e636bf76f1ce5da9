"""The shortest story: leaves out of a plan that fails whatever it can, and writes the rest down.

Delta debugging: halves, quarters ... single events are left out as long as what is left fails in
the same way (`Violation.kind`); then whole nodes, what is special about the mesh, and the commands
of a transaction. The result is a test that can be pasted (`as_test`). Bounded in time: what has
been found by then is the answer.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from tests.support.plan import NODES_MOST, Event, Plan
from tests.support.play import Violation, play

SHRINK_S = 60.0


@dataclass
class Found:
    """The shortest plan so far, how it fails, and how many were tried."""

    plan: Plan
    violation: Violation
    tried: int = 0


class Shrinker:
    """One search. `clock` gives seconds of any beginning."""

    def __init__(
        self, violation: Violation, seconds: float = SHRINK_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.found = Found(violation.plan, violation)
        self.kind = violation.kind
        self.clock = clock
        self.until_s = clock() + seconds

    def late(self) -> bool:
        """Is the time over?"""
        return self.clock() >= self.until_s

    def search(self) -> Found:
        """Shorter and shorter, until nothing can be left out any more."""
        size = -1
        while size != weight(self.found.plan) and not self.late():
            size = weight(self.found.plan)
            self.drop_events()
            for simpler in (fewer_nodes, plainer, fewer_lines):
                self.try_all(simpler)
        return self.found

    def fails(self, plan: Plan) -> bool:
        """Does it still fail in the same way? Then it is the shortest so far."""
        self.found.tried += 1
        try:
            play(plan)
        except Violation as violation:
            if violation.kind != self.kind:
                return False
            self.found.plan = plan
            self.found.violation = violation
            return True
        return False

    def drop_events(self) -> None:
        """Leaves out ever smaller pieces."""
        piece = max(len(self.found.plan.events) // 2, 1)
        while not self.late():
            at = 0
            while at < len(self.found.plan.events) and not self.late():
                events = self.found.plan.events
                if not self.fails(self.found.plan.without_events(
                    events[:at] + events[at + piece :]
                )):  # fmt: skip
                    at += piece
            if piece == 1:
                return
            piece //= 2

    def try_all(self, simpler: Callable[[Plan], Iterator[Plan]]) -> None:
        """Takes each simpler plan that still fails, until none does."""
        again = True
        while again and not self.late():
            again = any(not self.late() and self.fails(each) for each in simpler(self.found.plan))


def weight(plan: Plan) -> int:
    """How long a plan is."""
    return sum(1 + each.words.count(" ; ") for each in plan.events) + len(plan.skews) + len(
        plan.missing
    )


def fewer_nodes(plan: Plan) -> Iterator[Plan]:
    """The plan without one of its nodes: what happens to it does not, or happens to another."""
    count = len(plan.skews)
    if count < 3:
        return
    for gone in reversed(range(count)):
        for instead in (None, *(each for each in range(count) if each != gone)):
            names = {at: at - (at > gone) for at in range(NODES_MOST + 1)}
            if instead is None:
                del names[gone]
            else:
                names[gone] = names[instead]
            yield replace(
                plan,
                skews=plan.skews[:gone] + plan.skews[gone + 1 :],
                disks=plan.disks[:gone] + plan.disks[gone + 1 :],
                missing=tuple(
                    (names[a], names[b]) for a, b in plan.missing if gone not in (a, b)
                ),
                events=tuple(each for event in plan.events for each in renamed(event, names)),
            )


PAIRED = ("link", "cut", "part", "up", "ask")  # `other` is a node


def renamed(event: Event, names: dict[int, int]) -> list[Event]:
    """An event with the nodes' new numbers; [] where one of them is gone, or both are one."""
    node, other = names.get(event.node), event.other
    if event.what in PAIRED:
        other = names.get(event.other, -1)
        if other in (-1, node):
            return []
    return [] if node is None else [replace(event, node=node, other=other)]


def plainer(plan: Plan) -> Iterator[Plan]:
    """The plan with one thing less that is special about its mesh."""
    if plan.missing:
        yield replace(plan, missing=())
    if plan.backlog_bytes:
        yield replace(plan, backlog_bytes=0)
    if any(plan.skews):
        yield replace(plan, skews=tuple(0 for _ in plan.skews))
    for at, disk in enumerate(plan.disks):
        if disk:
            yield replace(plan, disks=(*plan.disks[:at], "", *plan.disks[at + 1 :]))
    if plan.forgets == "random":
        yield replace(plan, forgets="frame")


def fewer_lines(plan: Plan) -> Iterator[Plan]:
    """The plan with one line less in one of its transactions."""
    for at, event in enumerate(plan.events):
        lines = event.words.split(" ; ")
        for line in range(len(lines)) if len(lines) > 1 else ():
            words = " ; ".join(lines[:line] + lines[line + 1 :])
            changed = replace(event, words=words)
            yield plan.without_events((*plan.events[:at], changed, *plan.events[at + 1 :]))


def as_test(found: Found) -> str:
    """The story as a test to be pasted into tests/mesh/test_found_stories.py."""
    plan = found.plan
    words = [f"seed={plan.seed}", f"skews={plan.skews!r}", f"disks={plan.disks!r}"]
    if plan.missing:
        words.append(f"missing={plan.missing!r}")
    if plan.backlog_bytes:
        words.append(f"backlog_bytes={plan.backlog_bytes}")
    if plan.forgets:
        words.append(f"forgets={plan.forgets!r}")
    if "an hour ahead" in plan.troubles:
        words.append("troubles=('an hour ahead',)")
    seed = os.environ.get("PYTHONHASHSEED", "random")
    reason = re.sub(r"\s+", " ", str(found.violation))[:300]
    lines = "\n".join(f"        {each.text()}" for each in plan.events)
    return (
        f"def test_seed_{plan.seed}() -> None:\n"
        f"    # PYTHONHASHSEED={seed}: {found.violation.kind}: {reason}\n"
        f"    told(Plan({', '.join(words)}), \"\"\"\n{lines}\n    \"\"\")\n"
    )


def shortest(violation: Violation, seconds: float = SHRINK_S) -> str:
    """What is told of a plan that fails: its seed, and the shortest story that fails alike."""
    found = Shrinker(violation, seconds).search()
    before, after = len(violation.plan.events), len(found.plan.events)
    return (
        f"{violation}\n\n{violation.plan.troubles} {violation.plan.kinds}\n"
        f"The shortest story that fails alike: {after} of {before} events, {len(found.plan.skews)}"
        f" nodes ({found.tried} tried):\n\n{as_test(found)}"
    )
