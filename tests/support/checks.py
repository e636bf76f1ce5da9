"""What must hold at any moment of a schedule, not only after healing; else an AssertionError.

A schedule calls them between two events: `law` for one node, `causal` once all are level,
`replayed` where all frames are still at hand.
"""

from __future__ import annotations

import random

from mesh.inbox import MORE
from mesh.rreplay import FRAME_HEAD, stamps_of
from node.digest import digest_of
from tests.support.oracle import Oracle
from tests.support.simnode import SimNode
from tests.support.simulation import World


def law(world: World, node: SimNode) -> None:
    """The state is exactly the effect of the ops that the node's vector names (semantics.md 2).

    So nothing that was acknowledged and has come here is missing, nothing that was deleted is back,
    no increment counts twice: also with links cut, during transfers and after a restart.
    """
    if node.activating or not node.resolver.active or node.member.merging is not None:
        return
    vector = node.member.vector()
    oracle = Oracle(named_only=True)
    for unit in world.log:
        if unit.stamp <= vector.get(unit.stream, 0):
            oracle.record(unit)
    node.wake()
    shown = node.shown()
    expected = oracle.expected(int(node.engine.now.ms))
    for name in world.beyond:
        expected.pop(name, None)
        shown.pop(name, None)
    world.compare(f"{node.name}, whatever the others have", shown, expected)


def causal(world: World) -> None:
    """What shows of a string was not yet overwritten by somebody who had seen it."""
    node = world.nodes[0]
    written: dict[tuple[int, bytes], list[tuple[bytes, int, dict[bytes, int], object]]] = {}
    for unit in world.log:
        for act in unit.acts:
            if act.op == "PUT":
                written.setdefault((act.db, act.key), []).append(
                    (unit.stream, unit.stamp, dict(unit.context), act.args[0])
                )
    for name, (kind, value, _) in node.shown().items():
        writes = written.get(name, [])
        shows = [each for each in writes if each[3] == value]
        if kind != "string" or len(shows) != 1:
            continue
        stream, stamp, _, _ = shows[0]
        later = [each for each in writes if each[2].get(stream, 0) >= stamp and each[1] != stamp]
        assert not later, f"{world}: {name} shows what {later[0][3]!r} had replaced"


def frames_of(world: World) -> dict[bytes, list[bytes]]:
    """All frames of every stream that the first node has; only where it dropped none."""
    frames: dict[bytes, list[bytes]] = {}
    node = world.nodes[0]
    parts = node.member.backlog.resume({}, b"")
    assert parts is not None, f"{node.name} has no longer all frames"
    data = b"".join(parts)
    for _, start, end in stamps_of(data):
        stream = data[start + len(FRAME_HEAD) :][:36]
        frames.setdefault(stream, []).append(data[start:end])
    return frames


def replayed(world: World, rng: random.Random) -> bytes:
    """The digest of a node that is given all frames: streams in any turn, many of them twice."""
    frames = frames_of(world)
    node = SimNode(world, "replays", 0)
    node.activate()
    inbox = node.member.inbox()
    inbox.guard = None
    at = dict.fromkeys(frames, 0)
    while at:
        stream = rng.choice(list(at))
        begin, end = at[stream], at[stream] + rng.randrange(1, 6)
        if rng.random() < 0.3:
            begin = 0  # all that came before comes again
        assert inbox.take(b"".join(frames[stream][begin:end]), 0) == MORE
        at[stream] = end
        if end >= len(frames[stream]):
            del at[stream]
    latest = max(int(each.engine.now.ms) for each in (*world.nodes, node))
    for each in (*world.nodes, node):
        each.engine.now.ms = latest
    assert node.member.memory.removals.count == 0
    return digest_of(node.engine.databases)
