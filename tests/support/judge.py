"""A mesh with all its oracles, and what must hold in it once it has healed (`judge`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mesh.dots import Streams
from node.digest import digest_of
from node.journal import Commit
from tests.support.acts import Recorder
from tests.support.list_oracle import Act as ListAct
from tests.support.list_oracle import acts_of as list_acts_of
from tests.support.list_oracle import expected as expected_lists
from tests.support.oracle import Unit
from tests.support.simnode import Shown, SimNode
from tests.support.simulation import World
from tests.support.stream_oracle import Act as StreamAct
from tests.support.stream_oracle import acts_of as stream_acts_of
from tests.support.stream_oracle import expected as expected_stream

# DUMP of these has an order that is part of the value. A hash or set has that of its additions, as
# in Redis, a stream's nodes that of its past.
BYTE_EQUAL = ("string", "list", "zset")


class Acts:
    """What lists and streams were told, for their own oracles."""

    def __init__(self) -> None:
        self.lists: list[ListAct] = []
        self.streams: list[StreamAct] = []


class FullRecorder(Recorder):
    """Notes what every oracle wants to know."""

    acts: Acts

    def read(self, commit: Commit) -> None:
        super().read(commit)
        self.acts.lists += list_acts_of(commit, self.streams)
        self.acts.streams += stream_acts_of(commit, self.streams)


class Judged(World):
    """A mesh without nodes yet."""

    def __init__(self, seed: int, backlog_bytes: int = 0, forgets: str = "") -> None:
        super().__init__(seed, 0, backlog_bytes, forgets)
        self.acts = Acts()
        self.recorder = self.recorded
        self.databases: dict[SimNode, int] = {}  # which one a node's client has selected
        self.imports = False  # data from before was brought in: lists' oracles do not know it
        self.inexact = False  # a node's state was replaced: no oracle knows what it writes anew

    def recorded(
        self, streams: Streams, log: Callable[[Unit], None],
        beyond: Callable[[tuple[int, bytes]], None],
    ) -> Recorder:  # fmt: skip
        """A node's recorder."""
        recorder = FullRecorder(streams, log, beyond)
        recorder.acts = self.acts
        return recorder

    def select(self, node: SimNode, db: int) -> None:
        """The node's client takes this database."""
        if self.databases.get(node, 0) != db:
            node("SELECT", str(db))
            self.databases[node] = db

    def check(self) -> None:
        """As for every mesh; equal only, where no oracle knows what must show."""
        if not self.inexact and not self.voided:
            super().check()
            return
        latest = max(int(node.engine.clock.last) >> 20 for node in self.nodes)
        latest = max(latest, *(int(node.engine.now.ms) for node in self.nodes))
        for node in self.nodes:
            node.engine.now.ms = latest
            self.check_books(node)
            self.check_waiting(node)

    def judge(self) -> None:
        """All nodes are equal, and show what the oracles say."""
        self.check()
        vector = self.nodes[0].member.vector()
        if not self.inexact and not self.voided:
            self.check_acknowledged(vector)
        first = self.nodes[0].shown()
        for node in self.nodes[1:]:
            self.compare(node.name, node.shown(), first)
        if not self.imports and not self.inexact and not self.voided:
            self.check_ordered(vector, first)
        digests = {digest_of(node.engine.databases) for node in self.nodes}
        assert len(digests) == 1, "the digests differ"
        self.check_dumps(first)

    def check_acknowledged(self, vector: Mapping[bytes, int]) -> None:
        """What a node with `appendfsync always` has said yes to is everywhere."""
        streams = {
            uuid for node in self.nodes if node.log is not None and node.log.policy == "always"
            for uuid in node.past
        }  # fmt: skip
        for unit in self.log:
            if unit.stream in streams:
                assert unit.stamp <= vector.get(unit.stream, 0), f"lost: {unit}"

    def check_ordered(self, vector: Mapping[bytes, int], shown: Shown) -> None:
        """Lists and streams are what their own oracles say, elements in their order."""
        lists = expected_lists(self.acts.lists, vector)
        streams = [each for each in self.acts.streams if each.when[0] <= vector.get(each.stream, 0)]
        for name, (kind, content, _) in shown.items():
            if kind == "list":
                assert isinstance(content, tuple)
                wanted = lists.get(name, [])
                assert list(content) == wanted, f"list {name}: {content} instead of {wanted}"
            elif kind == "stream":
                entries = expected_stream(streams, name)
                assert content == entries, f"stream {name}: {content} instead of {entries}"

    def check_dumps(self, shown: Shown) -> None:
        """DUMP says the same bytes everywhere, where the value's bytes are its meaning."""
        for (db, key), (kind, _, _) in shown.items():
            if kind not in BYTE_EQUAL:
                continue
            dumps = set()
            for node in self.nodes:
                self.select(node, db)
                dumps.add(node("DUMP", key))
            assert len(dumps) == 1, f"DUMP of {key!r} in {db} differs: {dumps}"
