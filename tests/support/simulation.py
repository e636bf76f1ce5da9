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

from mesh.backlog import NOWHERE, Follower
from mesh.dots import unpack_row
from mesh.inbox import FORKED, GAP, MORE, OTHER, Inbox
from mesh.rreplay import FRAME_HEAD, stamps_of
from mesh.staging import Staging, StagingError
from mesh.topology import Relaying, Taker, Way, routes_at, routes_command, unpack_offers
from node.persist.rdb_reader import RdbReader
from node.persist.snapshot import Sink
from node.store.values.strings import shown
from tests.support.oracle import Oracle, Unit, decimal_text
from tests.support.remembered import remembered
from tests.support.simnode import Shown, SimNode

START_S = 1_700_000_000.0
WORDS = {GAP: "a gap", FORKED: "forked"}


class Wire(Follower, Sink):
    """One direction between two nodes: bytes in flight, and what the receiver has not used yet."""

    checksum = False

    def __init__(self, source: SimNode, target: SimNode) -> None:
        self.source = source
        self.target = target
        self.open = False
        self.asked: dict[bytes, int] | None = None
        self.elsewhere: frozenset[bytes] = NOWHERE
        self.asks_all = False
        self.vector: dict[bytes, int] = {}
        self.flight: list[bytes] = []
        self.buffer = b""
        self.inbox: Inbox = target.member.inbox()
        self.reader: RdbReader | None = None
        self.staging: Staging | None = None
        self.pinned = -1
        self.sent_bytes = 0
        self.applied = 0
        self.resumes = 0
        self.refused = False  # the source must save before its snapshot is taken
        self.way: Way | None = None  # while frames flow
        self.taker: Taker | None = None
        self.relaying: Relaying | None = None
        self.requests: list[tuple[frozenset[bytes], dict[bytes, int]]] = []  # on their way back
        self.carried: list[bytes] | None = None  # what was sent, where a test counts frames

    # --- the source's half, as mesh/feed.py does it ---------------------------------------------

    def send(self, data: bytes, last: int) -> None:
        self.relay(data)

    def relay(self, data: bytes) -> None:
        echo = FRAME_HEAD + self.target.streams.own.text
        assert echo not in data, "a frame is sent back to its origin"
        self.sent_bytes += len(data)
        self.flight.append(data)
        if self.carried is not None:
            self.carried.append(data)

    def frames(self) -> list[tuple[bytes, int]]:
        """Stream and stamp of every frame that was sent since `carried` was set."""
        found: list[tuple[bytes, int]] = []
        for data in self.carried or []:
            for stamp, start, _ in stamps_of(data):
                start += len(FRAME_HEAD)
                found.append((data[start : start + 36], stamp))
        return found

    def begin(self) -> None:
        backlog = self.source.member.backlog
        self.vector = self.source.member.vector()
        backlog.flush()
        self.pinned = backlog.pin()

    def write(self, data: bytes) -> None:
        self.flight.append(data)

    def end(self, error: str) -> None:
        assert not error, error
        parts = self.source.member.backlog.resume(self.vector, self.target.streams.own.uuid)
        self._unpin()
        if parts is None:
            self.cut()  # a transfer or many writes since: the backlog has a hole there
        else:
            self._go_live(parts, self.vector, NOWHERE)

    def _unpin(self) -> None:
        if self.pinned >= 0:
            self.source.member.backlog.unpin(self.pinned)
            self.pinned = -1

    def _go_live(
        self, parts: list[bytes], vector: dict[bytes, int], elsewhere: frozenset[bytes]
    ) -> None:
        for part in parts:
            self.send(part, 0)
        member = self.source.member
        member.backlog.followers.append(self)
        target = self.target
        stream = target.streams.own.uuid
        self.relaying = Relaying(member.backlog, self, stream)
        self.relaying.began(vector, elsewhere)
        self.taker = Taker(
            target.member_id, stream, lambda offers: self.flight.append(routes_command(offers))
        )
        member.routes.add_taker(self.taker)
        self.source.settle_routes()

    def _serve(self) -> bool:
        """The source hears which streams of others the target wants."""
        if not self.requests or self.relaying is None:
            return False
        parts = self.relaying.ask(*self.requests.pop(0))
        if parts is None:
            self.cut()
            return True
        for part in parts:
            self.relay(part)
        return True

    # --- the target's half, as mesh/link.py does it ---------------------------------------------

    def connect(self) -> bool:
        """The target asks for what it lacks, unless it takes in a snapshot or is not active yet."""
        source, target = self.source, self.target
        if not (source.member.started and target.member.started) or target.incoming is not None:
            return False
        if self.refused:
            return False
        self.asked = target.member.vector()
        others = frozenset(target.member.routes.paths()) - {source.streams.own.uuid}
        self.elsewhere = NOWHERE if self.asks_all else others
        self.asks_all = False
        self.flight = []
        self.buffer = b""
        self.inbox = target.member.inbox()
        self.inbox.peer_member = source.member_id
        self.open = True
        return True

    def answer(self) -> None:
        """The source goes on from there, or sends a snapshot."""
        assert self.asked is not None
        asked = self.asked
        own = self.target.streams.own.uuid
        parts = self.source.member.backlog.resume(asked, own, self.elsewhere)
        self.asked = None
        if parts is not None:
            self.resumes += 1
            self._go_live(parts, asked, self.elsewhere)
        elif self.target.incoming is not None:
            self.cut()  # another transfer runs
        else:
            self.reader = RdbReader()
            self.staging = self.target.member.stage()
            self.target.incoming = self
            self.source.snapshots.request(self)
            self.source.world.counts["resync"] += 1

    def lacks(self) -> bool:
        """Has the source something that the target has not, from whomever?"""
        source = self.source.member.vector()
        target = self.target.member.vector()
        return any(stamp > target.get(name, 0) for name, stamp in source.items())

    def cut(self) -> None:
        """What is in flight is lost."""
        if not self.open:
            return
        self.open = False
        self.asked = None
        followers = self.source.member.backlog.followers
        if self in followers:
            followers.remove(self)
        self.source.snapshots.cancel(self)
        self._unpin()
        if self.staging is not None:
            self.target.member.abandon()
            self.target.incoming = None
        self.reader = None
        self.staging = None
        self.flight = []
        self.buffer = b""
        self.requests = []
        if self.relaying is not None and self.taker is not None:
            self.relaying.end()
            self.source.member.routes.remove_taker(self.taker)
        self.relaying = self.taker = None
        if self.way is not None:
            self.asks_all = self.asks_all or bool(self.way.asked)
            self.target.member.routes.remove_way(self.way)
            self.way = None
            self.target.settle_routes()
        self.source.settle_routes()

    def _up(self) -> Way:
        """Frames flow: from now on others' streams may be asked for."""
        source = self.source
        vector = self.target.member.vector
        way = Way(
            source.member_id, source.streams.own.uuid,
            lambda streams: self.requests.append((streams, vector())),
        )  # fmt: skip
        self.way = way
        self.target.member.routes.add_way(way)
        self.target.settle_routes()
        return way

    def deliver(self, piece: Callable[[int], int]) -> bool:
        """Some of what is in flight arrives, cut anywhere. False: nothing could."""
        incoming = self.target.incoming
        if self._serve():
            return True
        if not self.flight or (incoming is not None and incoming is not self):
            return False  # while a snapshot is taken in other links are not read
        if incoming is self and self.reader is None and self.target.member.staging is not None:
            return False  # nor this one, between the last key and the switch
        data = b"".join(self.flight)
        if not data:
            self.flight = []
            return False
        size = piece(len(data))
        self.flight = [data[size:]] if size < len(data) else []
        data = data[:size]
        reader = self.reader
        if reader is None:
            self._take(data)
            return True
        assert self.staging is not None
        try:
            for record in reader.feed(data):
                self.staging.add(record)
        except StagingError:
            self.source.world.counts["refused"] += 1
            self.cut()
            self.refused = True
            return True
        if reader.done:
            self.flight.insert(0, reader.rest)
            self.reader = None
            self.staging = None
        return True

    @property
    def staged(self) -> bool:
        """Is the whole snapshot here? The switch comes when no walk of the target's own runs."""
        return self.target.incoming is self and self.reader is None

    def _take(self, data: bytes) -> None:
        self.buffer += data
        way = self.way or self._up()
        while True:
            result = self.inbox.take(self.buffer, 0)
            self.buffer = self.buffer[self.inbox.pos :]
            if result != OTHER:
                break
            routes = routes_at(self.buffer, 0)
            if routes is None:
                return
            self.buffer = self.buffer[routes[1] :]
            way.offers = unpack_offers(routes[0])
            self.target.settle_routes()
        self.target.member.backlog.flush()
        if self.target.world.forgets == "frame":
            self.target.forget_now()
        if result == GAP and self.target.member.transfers + self.source.member.transfers:
            self.cut()  # a transfer took the place of frames that would have been relayed
            return
        # A feed goes on from the vector that was asked with: no frame can be missing.
        assert result == MORE, (WORDS.get(result, "no frame"), self.buffer)


class World:
    """Nodes, links between all of them, and what was published."""

    def __init__(
        self, seed: int, nodes: int = 2, backlog_bytes: int = 0, forgets: str = ""
    ) -> None:
        self.seed = seed
        self.forgets = forgets  # "": nothing; "frame": after every frame; "random": at times
        self.random = random.Random(seed)
        self.time_s = START_S
        self.backlog_bytes = backlog_bytes
        self.log: list[Unit] = []
        self.beyond: set[tuple[int, bytes]] = set()  # keys of which the oracle knows nothing
        self.nodes: list[SimNode] = []
        self.wires: dict[tuple[int, int], Wire] = {}
        self.down: set[tuple[int, int]] = set()
        self.missing: set[tuple[int, int]] = set()  # no link at all, also when all is healed
        self.counts = {"cut": 0, "crash": 0, "resync": 0, "writes": 0, "watched": 0, "spoiled": 0}
        self.counts["refused"] = 0
        for number in range(nodes):
            self.add(f"n{number}", self.random.randrange(-400, 400))

    def members(self) -> frozenset[bytes] | None:
        """Who must hold what is to be stable."""
        return frozenset(node.member_id for node in self.nodes)

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

    def crash(self, at: int, data: bytes | None, active: bool = True) -> None:
        """A node dies at once and is started again with what this save holds."""
        node = self.nodes[at]
        for (source, target), wire in self.wires.items():
            if at in (source, target):
                wire.cut()
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
        for _ in range(4000):
            busy = False
            for node in self.nodes:
                node.wake()
                busy = node.work() or busy
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
        oracle = Oracle()
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

    def check_forgotten(self) -> None:
        """Two heartbeats after all hold everything nothing is remembered; what shows is the same.

        A minute passes before, so that no deadline and no clock that is ahead is in the way.
        """
        self.time_s += 60.0
        for _ in range(3):
            self.settle()
        for node in self.nodes:
            for _ in range(2):
                node.save()
                node.beat()
                self.flow()
        for _ in range(2):
            for node in self.nodes:
                node.beat()
            self.flow()
        for node in self.nodes:
            node.forget()
            left = remembered(node.engine.databases, node.member.memory)
            if node.sums_beyond():  # exact sums that 64 bits do not hold have no other form
                left["increments"] = left["rare"] = left["fields"] = 0
            assert not any(left.values()), f"{self}: {node.name} remembers {left}"
            assert not node.member.stability.open, f"{self}: {node.name}: a stream is not closed"
        self.check()

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
                row = unpack_row(pending.row)
                assert any(
                    row[int(each.number)] > each.seen
                    for each in node.streams.all if int(each.number) < len(row)
                ), f"{self}: a removal waits for nothing"  # fmt: skip

    def __str__(self) -> str:
        return f"seed {self.seed} (PYTHONHASHSEED={os.environ.get('PYTHONHASHSEED', 'random')})"
