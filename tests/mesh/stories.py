"""A small mesh to tell a story with: `a("SADD", "s", "x"); mesh.cut_all(); ...; mesh.heal()`.

Every story begins synced, or is synced by `heal`, which also checks: all nodes show what the oracle
says and have one digest, no removal waits. `at` sets the time, so that stamps are known.
"""

from __future__ import annotations

from mesh.inbox import GAP, MORE
from mesh.rreplay import stamps_of
from node.digest import digest_of
from node.resp.replies import Map, SetReply
from tests.support.simnode import SimNode
from tests.support.simulation import START_S, World


class Mesh(World):
    """A World whose nodes have clocks without skew, and names."""

    def __init__(self, names: str = "ab", backlog_bytes: int = 0, forgets: str = "") -> None:
        super().__init__(seed=0, nodes=0, backlog_bytes=backlog_bytes, forgets=forgets)
        for name in names:
            self.add(name)
        if names:
            self.heal()

    def at(self, ms: int) -> None:
        """The wall clocks of all nodes say so many ms after the start."""
        self.time_s = START_S + ms / 1000.0

    def deadline(self, ms: int) -> str:
        """A deadline, as `at` counts."""
        return str(int(START_S * 1000) + ms)

    def cut_all(self) -> None:
        """Nothing goes between any two nodes."""
        for pair in self.wires:
            self.cut(*pair)

    def up(self, source: SimNode, target: SimNode) -> None:
        """One direction carries again, and all it can carry arrives."""
        self.down.discard((self.nodes.index(source), self.nodes.index(target)))
        self.flow()

    def heal(self) -> None:
        """All links come up; the nodes are equal then, and show what the oracle says."""
        self.settle()
        self.check()
        digests = {digest_of(node.engine.databases) for node in self.nodes}
        assert len(digests) == 1, "the digests differ"
        for node in self.nodes:
            removals = node.member.memory.removals
            assert removals.count == 0, f"{node.name} has removals that wait"

    def heal_apart(self) -> None:
        """All links come up; the caller says what must show then."""
        self.settle()
        for node in self.nodes:
            self.check_books(node)
            assert node.member.memory.removals.count == 0, f"{node.name} has removals that wait"

    def ordered(self, *words: str) -> object:
        """As `both`, for replies whose order counts."""
        replies = [node(*words) for node in self.nodes]
        assert all(reply == replies[0] for reply in replies), replies
        return replies[0]

    def both(self, *words: str) -> object:
        """The reply that all nodes give to a reading command; they must give the same."""
        replies = [plain(node(*words)) for node in self.nodes]
        assert all(reply == replies[0] for reply in replies), replies
        return replies[0]


def pair() -> tuple[Mesh, SimNode, SimNode]:
    """A mesh of two, and its nodes."""
    mesh = Mesh("ab")
    return mesh, mesh.nodes[0], mesh.nodes[1]


def trio() -> tuple[Mesh, SimNode, SimNode, SimNode]:
    """A mesh of three, and its nodes."""
    mesh = Mesh("abc")
    return mesh, mesh.nodes[0], mesh.nodes[1], mesh.nodes[2]


def plain(reply: object) -> object:
    """A reply that can be compared: sets and maps without order."""
    if isinstance(reply, Map):
        return dict(zip(reply.items[::2], reply.items[1::2], strict=True))
    if isinstance(reply, SetReply):
        return frozenset(reply.items)
    return frozenset(reply) if isinstance(reply, list) else reply


def overtake(source: SimNode, target: SimNode) -> None:
    """What a node itself has written comes before what it had seen of others."""
    parts = source.member.backlog.resume({}, b"")
    if parts is None or target.incoming is not None or target.member.merging is not None:
        return
    data = b"".join(parts)
    own = b"".join(
        data[start:end] for _, start, end in stamps_of(data)
        if data[start + 22 : start + 58] == source.streams.own.text
    )  # fmt: skip
    target.wake()
    assert target.member.inbox().take(own, 0) in (MORE, GAP)
    target.member.backlog.flush()


def conflicts(node: SimNode, kind: str) -> int:
    """How many conflicts of this kind the node has counted."""
    return node.member.memory.conflicts.counts[kind]


def identities(node: SimNode, key: str) -> list[tuple[bytes, int]]:
    """Who a list's elements are: stream and number of each."""
    entry = node.engine.databases[0].keys.get(key.encode())
    assert entry is not None
    found: list[tuple[bytes, int]] = []
    for run in entry.value.runs():  # type: ignore[attr-defined]
        uuid = node.streams.all[int(run.origin)].uuid
        found += [(uuid, int(run.first + run.step * at)) for at in range(int(run.count))]
    return found
