"""A mesh of real engines in one thread and virtual time: seeded delay, loss, cuts and crashes.

Every link carries the bytes of a real feed in random pieces; a cut loses what is in flight; a link
comes back by version vector, or by a snapshot where the backlog is too short. Snapshots are the
product's own walk in small steps, writes between them. A crashed node comes back from one of its
saves, with a new stream. What each node published is given to the oracle, which knows nothing of
the product; after healing every node must show what it says.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from fractions import Fraction

from node.store.values.strings import shown
from tests.support.acts import Recorder
from tests.support.oracle import Oracle, Unit
from tests.support.oracle_text import decimal_text
from tests.support.remembered import remembered
from tests.support.simnode import Shown, SimNode
from tests.support.simwire import Wire

START_S = 1_700_000_000.0
WORK_AT_ONCE = 50  # steps of a walk, while nothing is written: most are over an empty shard


class World:
    """Nodes, links between all of them, and what was published."""

    def __init__(
        self, seed: int, nodes: int = 2, backlog_bytes: int = 0, forgets: str = ""
    ) -> None:
        self.seed = seed
        # "": nothing; "frame": after every frame; "random": at times; "mixed": some nodes after
        # every frame, others at times or never, so that it makes no difference.
        self.forgets = forgets
        self.random = random.Random(seed)
        self.time_s = START_S
        self.backlog_bytes = backlog_bytes
        self.disks: dict[str, str] = {}  # a node's name -> appendfsync, where it has a log
        self.recorder: Callable[..., Recorder] | None = None
        self.voided = False  # a node's state was replaced by a peer's
        self.by_membership = False  # who must hold what is to be stable: by the mesh's own map
        self.log: list[Unit] = []
        self.beyond: set[tuple[int, bytes]] = set()  # keys of which the oracle knows nothing
        self.policies: dict[str, tuple[str, ...]] = {}  # conflict-policy, by the node's name
        self.owners: tuple[str, ...] = ()  # mesh-owner of all nodes
        self.nodes: list[SimNode] = []
        self.wires: dict[tuple[int, int], Wire] = {}
        self.down: set[tuple[int, int]] = set()
        self.missing: set[tuple[int, int]] = set()  # no link at all, also when all is healed
        self.counts = {"cut": 0, "crash": 0, "resync": 0, "writes": 0, "watched": 0, "spoiled": 0}
        self.counts["refused"] = self.counts["ahead"] = self.counts["ranges"] = 0
        self.backlog_limit = 0  # less than repl-backlog-size can say
        self.whole_each = 4  # of so many transfers one is of the whole state
        for number in range(nodes):
            self.add(f"n{number}", self.random.randrange(-400, 400))

    def found(self) -> None:
        """Where nodes forget they are one mesh before anybody writes: else each would be one of
        its own, and all but one join with what they have (mesh/rejoin.py)."""
        if self.forgets:
            self.settle()

    def members(self) -> frozenset[bytes] | None:
        """Who must hold what is to be stable."""
        return frozenset(node.member_id for node in self.nodes)

    def admit(self, sponsor: SimNode, node: SimNode) -> None:
        """One node tells the mesh that another is a member; it takes the place of who was there
        under another member id before."""
        sponsor.wake()
        sponsor.member.admit(node.member_id, node.name, 7000, self.is_here)
        sponsor.member.backlog.flush()

    def may_meet(self, source: SimNode, target: SimNode) -> bool:
        """Is there a link to be between the two, now?"""
        return True

    def is_here(self, member: bytes) -> bool:
        """Is there a node of this member id?"""
        return any(node.member_id == member for node in self.nodes)

    def new_uuid(self) -> bytes:
        """A stream's uuid, from the seed."""
        return self.random.getrandbits(128).to_bytes(16, "big")

    def add(self, name: str, skew_ms: int = 0, active: bool = True) -> SimNode:
        """One more node, linked with all others."""
        node = SimNode(self, name, skew_ms)
        if active:
            node.activate()
        at = len(self.nodes)
        self.nodes.append(node)
        for other in range(at):
            self.wires[at, other] = Wire(node, self.nodes[other])
            self.wires[other, at] = Wire(self.nodes[other], node)
        return node

    def set_policy(self, node: SimNode, *rows: str) -> None:
        """conflict-policy of this node from now on, also after a crash."""
        self.policies[node.name] = rows
        node.member.config.set_rows("conflict-policy", [row.split() for row in rows])
        node.member.set_policy()

    def cut(self, source: int, target: int) -> None:
        """One direction between two nodes goes down."""
        self.down.add((source, target))
        self.wires[source, target].cut()
        self.counts["cut"] += 1

    def part(self, a: int, b: int) -> None:
        """Both directions between two nodes go down."""
        self.cut(a, b)
        self.cut(b, a)

    def no_link(self, a: int, b: int) -> None:
        """These two are never linked."""
        self.missing |= {(a, b), (b, a)}
        self.down |= self.missing

    def meet_anew(self, node: SimNode) -> None:
        """All links of a node go down, and come up again by a handshake."""
        for wire in self.wires.values():
            if node in (wire.source, wire.target):
                wire.cut()

    def crash(self, at: int, data: bytes | None, active: bool = True) -> None:
        """A node dies at once and is started again with what this save holds."""
        node = self.nodes[at]
        self.meet_anew(node)
        node.boot(data, active)
        self.counts["crash"] += 1

    def restart(self, at: int) -> None:
        """A node is saved, dies, and starts again from that; it is active at once."""
        node = self.nodes[at]
        node.save()
        self.crash(at, node.saves[-1])
        node.activate()

    def restart_alike(self, at: int) -> None:
        """As `restart`; what it shows before it hears of anybody is what it showed."""
        node = self.nodes[at]
        node.save()
        before = node.shown()
        self.crash(at, node.saves[-1])
        node.engine.now.ms = max(int(each.engine.now.ms) for each in self.nodes)
        self.compare(f"{node.name} after a restart", node.shown(), before)
        node.activate()

    def shake(
        self, event: float, node: SimNode, pairs: list[tuple[int, int]],
        cuts_from: float = 0.85, heals_from: float = 0.95,
    ) -> None:  # fmt: skip
        """What the network does at a random number: something moves (and the node works), a
        direction goes down, or comes up."""
        if event < cuts_from:
            self.step(self.random.choice(pairs))
            node.work()
        elif event < heals_from:
            self.cut(*self.random.choice(pairs))
        else:
            self.down.discard(self.random.choice(pairs))

    def step(self, pair: tuple[int, int]) -> None:
        """A link does something: connects, answers, or delivers."""
        if pair in self.down or pair in self.missing:
            return
        wire = self.wires[pair]
        wire.target.wake()
        wire.source.wake()
        if not wire.open:
            wire.refused = False
            wire.connect()
        elif wire.asked is not None:
            wire.answer()
        else:
            wire.deliver(lambda size: self.random.randint(1, size))

    def flow(self) -> None:
        """All links that are not down carry everything, until nothing more happens."""
        for _ in range(10_000):
            busy = False
            for node in self.nodes:
                node.wake()
                for _ in range(WORK_AT_ONCE):
                    if not node.work():
                        break
                    busy = True
                if node.activating:
                    busy = not node.activation_step() or busy
            for pair, wire in self.wires.items():
                if pair in self.down:
                    continue
                if not wire.open:
                    busy = wire.connect() or busy
                elif wire.asked is not None:
                    wire.answer()
                    busy = True
                else:
                    busy = wire.deliver(lambda size: size) or busy
            if not busy:
                return
        raise AssertionError(f"{self}: the links never come to rest")

    def settle(self, rounds: int = 12) -> None:
        """All links up, until every node has everything."""
        self.down = set(self.missing)
        for node in self.nodes:
            while not node.resolver.active and not node.activate():
                node.work()
        for number in range(rounds):
            self.time_s += 0.01
            self.flow()
            if number == 0 or self.forgets:
                for node in self.nodes:
                    if self.forgets:
                        node.save()
                    node.beat()
                self.flow()
            if self.is_level():
                return
            for pair, wire in self.wires.items():
                wire.refused = False
                if pair not in self.down and wire.lacks():
                    wire.cut()
                    wire.asks_all = True
        raise AssertionError(f"{self}: the vectors did not become equal")

    def is_level(self) -> bool:
        """Has every node applied the same?"""
        return len({tuple(sorted(node.member.vector().items())) for node in self.nodes}) == 1

    def only_links(self, *pairs: tuple[int, int]) -> None:
        """These pairs of nodes are linked in both directions, and no others."""
        for a in range(len(self.nodes)):
            for b in range(a):
                if (a, b) not in pairs and (b, a) not in pairs:
                    self.no_link(a, b)

    def count_frames(self) -> None:
        """From now on every link remembers what it carries."""
        for wire in self.wires.values():
            wire.carried = []

    def oracle(self) -> Oracle:
        """Everything that the nodes have by their vector."""
        oracle = Oracle(named_only=True)
        vector = self.nodes[0].member.vector()
        for unit in self.log:
            if unit.stamp <= vector.get(unit.stream, 0):
                oracle.record(unit)
        return oracle

    def check(self) -> None:
        """Every node shows what the oracle says, its counters are exact, and nothing waits.

        Keys beyond the oracle must only be equal everywhere.
        """
        latest = max(int(node.engine.now.ms) for node in self.nodes)
        latest = max(latest, *(int(node.engine.clock.last) >> 20 for node in self.nodes))
        oracle = self.oracle()
        expected = oracle.expected(latest)
        counters = oracle.expected_counters(latest)
        for node in self.nodes:
            node.engine.now.ms = latest
        first = self.nodes[0].shown()
        for name in self.beyond:
            expected.pop(name, None)
            if name in first:
                expected[name] = first[name]
        for node in self.nodes:
            self.compare(node.name, node.shown(), expected)
            for (db, key, field), exact in counters.items():
                if (db, key) in self.beyond:
                    continue
                value = node.number(db, key, field)
                text = b"%d" % value if isinstance(value, int) else shown(value)
                assert text == decimal_text(Fraction(exact)), (
                    f"{self}: {node.name} counts {text!r} at {key!r} {field!r} in {db}, not {exact}"
                )
            self.check_books(node)
            self.check_waiting(node)

    def forgets_at(self, node: SimNode) -> str:
        """When this node forgets; "" for never."""
        if self.forgets != "mixed" or node not in self.nodes:
            return self.forgets
        return ("", "frame", "random")[self.nodes.index(node) % 3]

    def check_forgotten(self, check: Callable[[], None] | None = None) -> None:
        """Two heartbeats after all hold everything nothing is remembered; what shows is the same.

        A minute passes before, so that no deadline and no clock that is ahead is in the way.
        """
        self.time_s += 60.0
        self.forgets = "random" if self.forgets == "mixed" else self.forgets
        for _ in range(3):
            self.settle()
        for node in self.nodes:
            for _ in range(2):
                node.save()
                node.beat()
                self.flow()
        self.beat_all(2)
        found = [self.left(node) for node in self.nodes]  # of all: to look is to forget
        if any("deadlines" in each and each.keys() <= {"deadlines", "hidden"} for each in found):
            # Claims of a place that was taken go in three steps, each as slow as any other thing,
            # and a key that has nothing else with them.
            for _ in range(2):
                for node in self.nodes:
                    node.save()
                self.beat_all(3)
        for node in self.nodes:
            left = self.left(node)
            assert not left, f"{self}: {node.name} remembers {left}"
            stability = node.member.stability
            closing = stability.open or stability.closers
            assert not closing, f"{self}: {node.name}: a stream is not closed"
            assert node.member.memory.cut.violations == 0
        (check or self.check)()

    def beat_all(self, times: int) -> None:
        """So many heartbeats of all nodes, each heard by all."""
        for _ in range(times):
            for node in self.nodes:
                node.beat()
            self.flow()

    def left(self, node: SimNode) -> dict[str, int]:
        """What a node still remembers that it should not, by kind."""
        node.forget()
        found = remembered(node.engine.databases, node.member.memory)
        if node.sums_beyond():  # exact sums that 64 bits do not hold have no other form
            found["increments"] = found["rare"] = found["fields"] = 0
        return {kind: count for kind, count in found.items() if count}

    def compare(self, name: str, seen: Shown, expected: Shown) -> None:
        """AssertionError with every key that differs."""
        if seen != expected:
            wrong = sorted(key for key in {*seen, *expected} if seen.get(key) != expected.get(key))
            raise AssertionError(
                f"{self}: {name} shows another value than the oracle:\n"
                + "\n".join(
                    f"  {key}: {seen.get(key)} instead of {expected.get(key)}" for key in wrong
                )
            )

    def check_books(self, node: SimNode) -> None:
        """What a database counts beside its maps is right, and no key is in two of them."""
        for db in node.engine.databases:
            entries = [entry for shard in db.keys.dicts for entry in shard.values()]
            timed = sum(1 for entry in entries if entry.deadline)
            assert db.keys.size == len(entries), f"{self}: {node.name} miscounts its keys"
            assert db.expires == timed, f"{self}: {node.name} miscounts keys with a deadline"
            assert db.deadlines.size() == timed, f"{self}: {node.name}: stray deadlines"
            both = [key for key in db.hidden if db.keys.get(key) is not None]
            assert not both, f"{self}: {node.name}: shown and hidden at once: {both}"

    def check_waiting(self, node: SimNode) -> None:
        """A removal waits only for writes that no node has: lost in a crash, their stream not
        closed."""
        removals = node.member.memory.removals
        for waiting in [*removals.by_key.values(), *removals.flushes.values()]:
            for pending in waiting:
                assert any(
                    pending.waits_for(each) != 0 for each in node.streams.all
                ), f"{self}: a removal waits for nothing"

    def __str__(self) -> str:
        return f"seed {self.seed} (PYTHONHASHSEED={os.environ.get('PYTHONHASHSEED', 'random')})"
