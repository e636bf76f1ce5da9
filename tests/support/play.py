"""Plays a plan on real engines, and judges what is left of it: `play(plan)`, `told(story)`.

Every event is carried out as it stands in the plan, with the random numbers of its own `dice`; an
event that cannot happen (its node is not there, its link is down) does nothing. At the end, and
where the plan says so, all links come up; then the nodes must be equal and show what the oracles
say (tests/support/judge.py). A violation names the plan, and `kind` says in what way it fails.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

import structlog

from mesh.membership import END, LEFT
from mesh.rejoin import natives_of
from node.resp.replies import Failure
from tests.support.every_write import BLOCKING, said
from tests.support.judge import Judged
from tests.support.plan import NODES_MOST, Event, Plan, event_of
from tests.support.simnode import GUARD_MS, SimNode
from tests.support.simulation import START_S

ROUNDS = 40  # of healing: five nodes in a line need some
SILENT = structlog.make_filtering_bound_logger(logging.CRITICAL)
WAITED_S = 1.0  # longer than any client waits
# What a node holds that joins with data of its own.
OWN_DATA = ("SET st0 own", "INCRBY co0 3", "SADD se0 own m0", "HSET ha0 m0 1 own 2", "RPUSH li0 o",
            "ZADD zs0 3 own 1 m1", "PFADD bih0 own", "XADD xs0 4-1 f own")  # fmt: skip


class Violation(AssertionError):
    """A plan ended wrong. `kind` tells ways to end wrong apart."""

    def __init__(self, plan: Plan, error: BaseException) -> None:
        super().__init__(f"seed {plan.seed}: {type(error).__name__}: {error}")
        self.plan = plan
        frames = traceback.extract_tb(error.__traceback__)
        self.kind = f"{type(error).__name__} in {frames[-1].name if frames else '?'}"


class Stage(Judged):
    """A plan's mesh."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan.seed, plan.backlog_bytes, plan.forgets)
        self.plan = plan
        self.paused: dict[SimNode, list[Event]] = {}
        # Who forgets asks the mesh's own map who is a member.
        self.by_membership = bool(plan.forgets)
        self.gone: set[SimNode] = set()  # left or expelled, and without links until they return
        self.newcomers: set[SimNode] = set()  # and those that came back: no member yet
        for number, (skew_ms, disk) in enumerate(zip(plan.skews, plan.disks, strict=True)):
            self.random.seed(f"{plan.seed}/{number}")
            self.disks[f"n{number}"] = disk
            self.welcome(self.add(f"n{number}", skew_ms))
        if self.by_membership:  # who has said nothing of its disk yet could not come back to it
            for node in self.nodes:
                node.save()
        self.voided = False

    # --- events -----------------------------------------------------------------------------------

    def carry_out(self, event: Event) -> None:
        """One event of the plan."""
        self.random.seed(event.dice)
        self.time_s = max(self.time_s, START_S + event.at_ms / 1000.0)
        if event.node < len(self.nodes):
            ACTIONS[event.what](self, event)
            node = self.nodes[event.node]
            if node.activating and node not in self.paused:
                node.activation_step()

    def say(self, event: Event) -> None:
        """A client's command; one that may wait is another client's."""
        node = self.nodes[event.node]
        if node in self.paused:
            self.paused[node].append(event)
            return
        words = said(node, event.other, event.words)
        if words[0].decode() in BLOCKING or b"BLOCK" in words:
            session = node.engine.session()
            node.run(session, "SELECT", str(event.other))
            fine(node.attempt(session, *words))
            return
        self.select(node, event.other)
        fine(node(*words))

    def unit(self, event: Event) -> None:
        """A transaction."""
        node = self.nodes[event.node]
        if node in self.paused:
            self.paused[node].append(event)
            return
        self.select(node, event.other)
        node("MULTI")
        for line in event.words.split(" ; "):
            node(*said(node, event.other, line))
        fine(node("EXEC"))

    def link(self, event: Event) -> None:
        """Something moves between two nodes; at times the receiver works at what it has got."""
        pair = (event.node, event.other)
        if pair not in self.wires or self.is_paused(*pair):
            return
        self.step(pair)
        if event.dice & 1:
            self.nodes[event.other].work()

    def is_paused(self, *numbers: int) -> bool:
        """Does one of these nodes stand still?"""
        return any(self.nodes[number] in self.paused for number in numbers)

    def work(self, event: Event) -> None:
        if not self.is_paused(event.node):
            self.nodes[event.node].work()

    def beat(self, event: Event) -> None:
        if not self.is_paused(event.node):
            self.nodes[event.node].beat()

    def tick(self, event: Event) -> None:
        if not self.is_paused(event.node):
            self.tick_one(self.nodes[event.node])

    def tick_one(self, node: SimNode) -> None:
        """What a node does several times a second."""
        node.engine.tick(self.time_s + node.skew_ms / 1000.0)
        node.member.backlog.flush()
        if node.log is not None:
            node.log.tick()

    def forget_some(self, event: Event) -> None:
        if self.forgets and not self.is_paused(event.node):
            self.nodes[event.node].forget_now()

    def save(self, event: Event) -> None:
        if not self.is_paused(event.node) and not self.nodes[event.node].activating:
            self.nodes[event.node].save()

    def begin_save(self, event: Event) -> None:
        if not self.is_paused(event.node):
            self.nodes[event.node].begin_save()

    def cut_one(self, event: Event) -> None:
        if (event.node, event.other) in self.wires:
            self.cut(event.node, event.other)

    def cut_both(self, event: Event) -> None:
        if (event.node, event.other) in self.wires:
            self.part(event.node, event.other)

    def up(self, event: Event) -> None:
        pair = (event.node, event.other)
        if pair not in self.missing:
            self.down.discard(pair)
            if event.dice & 1:
                self.down.discard(pair[::-1])
                self.down |= self.missing

    def ask(self, event: Event) -> None:
        """A link is opened anew, and asks from the vector of this moment."""
        wire = self.wires.get((event.node, event.other))
        if wire is not None and wire.lacks() and not self.is_paused(event.node, event.other):
            wire.cut()

    def pause(self, event: Event) -> None:
        self.paused.setdefault(self.nodes[event.node], [])

    def resume(self, event: Event) -> None:
        self.go_on(self.nodes[event.node])

    def go_on(self, node: SimNode) -> None:
        """A node that stood still does all that has come meanwhile."""
        for event in self.paused.pop(node, []):
            ACTIONS[event.what](self, event)

    def die(self, event: Event) -> None:
        """The process ends, and starts again with its last save or its log."""
        self.start_again(event, -1)

    def restore(self, event: Event) -> None:
        """As a crash, with an older save."""
        node = self.nodes[event.node]
        if node.log is not None or not node.saves:
            return
        self.inexact = self.inexact or bool(self.forgets)  # it must rejoin: the mesh wins
        self.start_again(event, -1 - min(event.other, len(node.saves) - 1))

    def start_again(self, event: Event, save: int) -> None:
        node = self.nodes[event.node]
        self.paused.pop(node, None)
        self.databases.pop(node, None)
        if node.log is not None:
            node.log.crash(event.other)
        self.crash(event.node, node.saves[save] if node.saves else None)
        node.activate(at_once=bool(event.dice & 1))

    def clock(self, event: Event) -> None:
        self.nodes[event.node].skew_ms = event.other

    def join(self, event: Event) -> None:
        """One more node, with data of its own or without."""
        if len(self.nodes) >= NODES_MOST:
            return
        alone = event.words == "alone"
        node = self.add(f"n{len(self.nodes)}", event.other, active=not alone)
        self.newcomers.add(node)
        self.inexact = self.inexact or bool(alone and self.forgets)
        if alone:
            self.imports = True
            for line in OWN_DATA:
                node(*line.split())
            node.activate(at_once=bool(event.dice & 1))
        self.missing |= self.cut_off()
        self.down |= self.missing

    # --- membership -------------------------------------------------------------------------------

    def welcome(self, node: SimNode) -> None:
        """A node of the beginning joins, one after another."""
        self.missing = {pair for pair in self.plan.missing if pair in self.wires}
        self.down = set(self.missing)
        if self.by_membership:
            self.introduce()

    def introduce(self) -> None:
        """All that is linked meets, and is known everywhere."""
        self.flow()
        for node in self.nodes:
            node.beat()
        self.flow()

    def may_meet(self, source: SimNode, target: SimNode) -> bool:
        """Newcomers hear of each other by the mesh that they join: two that met before would be
        another mesh, of two members, which may not become one with it (mesh/rejoin.py)."""
        for node in list(self.newcomers):
            known = natives_of(node.member.membership)
            if any(each.member_id in known for each in self.nodes if each not in self.newcomers):
                self.newcomers.discard(node)
        strangers = {source, target} <= self.newcomers
        return not strangers or self.newcomers | self.gone >= {*self.nodes}

    def expel(self, event: Event) -> None:
        """The first of a pair expels the second, which is not heard of for a while."""
        node, other = self.nodes[event.node], event.other
        if other >= len(self.nodes) or self.nodes[other] in self.gone or node in self.gone:
            return
        if not self.by_membership or node in self.paused or not node.member.started:
            return
        node.wake()
        node.member.expel(self.nodes[other].member_id, "a story")
        node.member.backlog.flush()
        self.goes(other)

    def leave(self, event: Event) -> None:
        """A node says that it leaves; what is on its way may still arrive."""
        node = self.nodes[event.node]
        if not self.by_membership or node in self.paused or node in self.gone:
            return
        if node.member.started and len(self.nodes) - len(self.gone) > 1:
            node.wake()
            left: dict[str, object] = {"state": LEFT, "by": node.member_id.decode()}
            node.member.change_membership([(node.member_id + END, left)])
            node.member.backlog.flush()
            if event.dice & 1:
                self.flow()
            self.goes(event.node)

    def goes(self, at: int) -> None:
        """This node has no links any more."""
        self.gone.add(self.nodes[at])
        self.inexact = True
        for other in range(len(self.nodes)):
            if other != at:
                self.no_link(at, other)
                self.wires[at, other].cut()
                self.wires[other, at].cut()

    def cut_off(self) -> set[tuple[int, int]]:
        """The links of those who are gone."""
        away = {self.nodes.index(each) for each in self.gone}
        return {pair for pair in self.wires if away & {*pair}}

    def come_back(self, event: Event) -> None:
        """A node that was gone starts again under another member id, with its data or without."""
        node = self.nodes[event.node]
        if node not in self.gone:
            return
        self.gone.discard(node)
        self.newcomers.add(node)
        node.promises.become_another(node.member_id)  # MESH REJOIN
        node.promises.forget()
        node.member_id = f"{event.dice:032x}".encode()
        node.past = []
        self.missing = {pair for pair in self.plan.missing if pair in self.wires}
        self.missing |= self.cut_off()
        self.down -= {pair for pair in self.wires if event.node in pair}
        self.down |= self.missing
        if node.log is not None and event.dice & 2:
            node.log.wipe()
        elif event.dice & 2:
            node.saves.clear()
        self.start_again(event, -1)

    def policy(self, event: Event) -> None:
        """The node's conflict-policy; lists' and streams' oracles do not know of one."""
        self.imports = True
        rows = tuple(row for row in event.words.split(" ; ") if row)
        self.set_policy(self.nodes[event.node], *rows)

    # --- healing and judging ----------------------------------------------------------------------

    def heal(self, event: Event | None = None) -> None:
        """Nobody stands still, clocks are right, all links are up; then `judge`."""
        for node in list(self.paused):
            self.go_on(node)
        self.time_s += WAITED_S
        if "an hour ahead" in self.plan.troubles:
            self.wait_for_clocks()
        for node in self.nodes:
            self.tick_one(node)
        self.return_all()
        self.settle(ROUNDS)
        self.judge()

    def return_all(self) -> None:
        """Who was gone comes back, and everybody is known to everybody."""
        for at in [self.nodes.index(each) for each in self.nodes if each in self.gone]:
            self.come_back(Event(0, "return", at, 1000, self.random.getrandbits(30)))
        if self.by_membership:
            self.down = set(self.missing)
            self.introduce()

    def wait_for_clocks(self) -> None:
        """Clocks far off are set, and the time of every stamp comes."""
        for node in self.nodes:
            if abs(node.skew_ms) > GUARD_MS:
                node.skew_ms = 0
        newest_ms = max(int(node.engine.clock.last) >> 20 for node in self.nodes)
        least_ms = self.time_s * 1000 + min(node.skew_ms for node in self.nodes)
        if newest_ms > least_ms + GUARD_MS:
            self.time_s += (newest_ms - least_ms) / 1000.0

    def end(self) -> None:
        """Everything heals; nothing is remembered where all is forgotten; a restart changes
        nothing."""
        self.heal()
        if self.forgets:
            self.check_forgotten()
            self.judge()
        self.random.seed(self.plan.seed)
        at = self.random.randrange(len(self.nodes))
        self.databases.pop(self.nodes[at], None)
        self.restart_alike(at)
        self.settle(ROUNDS)
        self.judge()

    def close(self) -> None:
        """The disks are not needed any more."""
        for node in self.nodes:
            if node.log is not None:
                node.log.close()


ACTIONS: dict[str, Callable[[Stage, Event], None]] = {
    "say": Stage.say, "wait": Stage.say, "unit": Stage.unit, "link": Stage.link,
    "work": Stage.work, "beat": Stage.beat, "tick": Stage.tick, "forget": Stage.forget_some,
    "save": Stage.save, "begin-save": Stage.begin_save, "cut": Stage.cut_one,
    "part": Stage.cut_both, "up": Stage.up, "ask": Stage.ask, "pause": Stage.pause,
    "resume": Stage.resume, "crash": Stage.die, "restore": Stage.restore, "clock": Stage.clock,
    "join": Stage.join, "heal": Stage.heal, "expel": Stage.expel, "leave": Stage.leave,
    "return": Stage.come_back, "policy": Stage.policy,
}  # fmt: skip


def fine(reply: object) -> None:
    """What a client did wrong is refused; what the node did wrong is not."""
    assert not (isinstance(reply, Failure) and reply.text.startswith(b"ERR internal")), reply


def play(plan: Plan) -> Stage:
    """The whole plan. Violation where it ends wrong."""
    stage: Stage | None = None
    before = structlog.get_config()
    structlog.configure(wrapper_class=SILENT)
    try:
        stage = Stage(plan)
        for event in plan.events:
            stage.carry_out(event)
        stage.end()
    except Exception as error:
        raise Violation(plan, error) from error
    finally:
        if stage is not None:
            stage.close()
        structlog.configure(**before)
    return stage


def told(plan: Plan, story: str) -> Stage:
    """A story that was found and written down: a mesh, and its events line by line."""
    lines = [line.strip() for line in story.strip().splitlines()]
    return play(plan.without_events(tuple(event_of(line) for line in lines)))


