"""The invariants of a mesh as checks: docs/consistency.md lists which test asserts each of them."""

from __future__ import annotations

import random

import pytest

from mesh.inbox import FORKED, GAP, MORE, OTHER
from mesh.rreplay import FrameError
from node.digest import digest_of
from node.resp.parser import ProtocolError
from tests.mesh.all_commands import AllTypes
from tests.mesh.commands import Client
from tests.mesh.stories import conflicts, pair, trio
from tests.mesh.test_convergence import Schedule
from tests.support.checks import causal, frames_of, law, replayed
from tests.support.seeds import seeds
from tests.support.simnode import SimNode
from tests.support.simulation import World

SEEDS = seeds()
PAIR = ("x", "y")


class Watched(Schedule):
    """A schedule whose nodes are looked at while the network is broken."""

    def event(self) -> None:
        super().event()
        if self.random.random() < 0.15:
            law(self.world, self.random.choice(self.world.nodes))


@pytest.mark.parametrize("shard", range(4))
def test_what_a_node_shows_is_what_has_come_to_it_at_any_moment(shard: int) -> None:
    """2 to 5 and 7: on each node, at any time, with links cut, transfers and crashes."""
    for seed in range(shard, SEEDS // 100, 4):
        schedule = Watched(seed)
        try:
            schedule.run(2, 80)
        except Exception as error:
            raise AssertionError(f"{schedule.world}: {type(error).__name__}: {error}") from error


@pytest.mark.parametrize("shard", range(4))
def test_a_write_that_has_seen_another_is_never_beaten_by_it(shard: int) -> None:
    """9: clocks step by ten seconds both ways, every value is written once."""
    for seed in range(shard, SEEDS // 100, 4):
        world = World(seed, nodes=3)
        rng = world.random
        for at in range(150):
            node = rng.choice(world.nodes)
            if rng.random() < 0.1:
                node.skew_ms = rng.choice([-10_000, 0, 10_000]) + rng.randrange(-400, 400)
            key = f"k{rng.randrange(3)}"
            seen = node("GET", key)
            node("SET", key, f"v{at}")
            assert node("GET", key) == b"v%d" % at, f"{world}: {seen!r} beats what has seen it"
            world.shake(rng.random(), node, list(world.wires))
            world.time_s += rng.randrange(3) / 1000.0
        world.settle()
        world.check()
        causal(world)


@pytest.mark.parametrize("kinds", ["strings, counters, sets and hashes", "all types"])
def test_frames_in_any_order_and_twice_give_the_same(kinds: str) -> None:
    """10: a node that is given every frame, streams in any turn, prefixes again and again."""
    for seed in range(SEEDS // 100):
        world = World(seed, nodes=3)
        rng = world.random
        client = Client(rng, seed) if kinds.startswith("strings") else AllTypes(rng, seed)
        for _ in range(120):
            node = rng.choice(world.nodes)
            client.write(node)
            world.shake(rng.random(), node, list(world.wires))
            world.time_s += rng.randrange(3) / 1000.0
        world.settle()
        digest = replayed(world, rng)
        digests = {digest_of(node.engine.databases) for node in world.nodes}
        assert digests == {digest}, f"{world}: another order gives another state"


def test_no_reader_sees_half_a_transaction_anywhere() -> None:
    """17: frames in pieces, relays, crashes and transfers; two keys that are always written at
    once are equal on every node whenever somebody looks."""
    for seed in range(SEEDS // 100):
        world = World(seed, nodes=2 + seed % 2, backlog_bytes=(0, 4_000)[seed // 2 % 2])
        rng = world.random
        for at in range(120):
            node = rng.choice(world.nodes)
            if rng.random() < 0.4 and not node.activating:
                node("MULTI")
                for key in PAIR:
                    node("SET", key, f"{seed}-{at}")
                node("EXEC")
            world.shake(rng.random(), node, list(world.wires))
            if rng.random() < 0.02:
                node.begin_save()
            if rng.random() < 0.01 and node.saves:
                world.crash(world.nodes.index(node), node.saves[-1])
                node.activate()
            reader = rng.choice(world.nodes)
            values = [reader("GET", key) for key in PAIR]
            assert values[0] == values[1], f"{world}: {reader.name} shows half: {values}"
            world.time_s += rng.randrange(3) / 1000.0
        world.settle()
        world.check()


def test_with_all_linked_nobody_hands_on_what_another_wrote() -> None:
    """14: each frame goes once from its writer to each of the others, and when nothing is written
    heartbeats are all that goes."""
    mesh, a, b, c = trio()
    mesh.count_frames()
    for at, node in enumerate((a, b, c)):
        node("SET", f"k{at}", "v")
    mesh.flow()
    streams = [node.streams.own.text for node in mesh.nodes]
    for (source, _), wire in mesh.wires.items():
        assert {stream for stream, _ in wire.frames()} == {streams[source]}
        assert len(wire.frames()) == 1
    mesh.count_frames()
    mesh.time_s += 1.0
    for node in mesh.nodes:
        node.beat()
    mesh.flow()
    assert all(len(wire.frames()) == 1 for wire in mesh.wires.values())
    mesh.heal()


def test_conflicts_are_counted_as_often_as_they_happened() -> None:
    """18: two nodes write the same keys while they are cut; each counts every write of the other
    that meets one of its own, and each key that got two types."""
    for seed in range(max(3, SEEDS // 100)):
        mesh, a, b = pair()
        rng = random.Random(seed)
        overwrites = {a.name: 0, b.name: 0}
        clashes = 0
        for at in range(6):
            mesh.cut_all()
            wrote: dict[str, dict[str, int]] = {a.name: {}, b.name: {}}
            for write in range(rng.randrange(1, 12)):
                node, key = rng.choice((a, b)), f"k{rng.randrange(3)}"
                node("SET", key, f"{at}-{write}")
                wrote[node.name][key] = wrote[node.name].get(key, 0) + 1
            for one, other in ((a, b), (b, a)):
                mine, others = wrote[one.name], wrote[other.name]
                overwrites[one.name] += sum(n for key, n in others.items() if key in mine)
            if rng.random() < 0.5:
                a("SADD", f"t{at}", "x")
                b("LPUSH", f"t{at}", "x")
                clashes += 1
            mesh.heal()
            for node in (a, b):
                assert conflicts(node, "overwrite") == overwrites[node.name]
                assert conflicts(node, "type_clash") == clashes


def bent(frame: bytes, rng: random.Random) -> bytes:
    """A frame with something wrong in it, or cut short, or with something in its middle."""
    at = rng.randrange(len(frame))
    match rng.randrange(4):
        case 0:
            return frame[:at] + bytes([rng.randrange(256)]) + frame[at + 1 :]
        case 1:
            return frame[:at] + frame[at + rng.randrange(1, 9) :]
        case 2:
            return frame[:at] + rng.randbytes(rng.randrange(1, 9)) + frame[at:]
        case _:
            return frame[:at] + b"$99999999999999999999\r\n" + frame[at:]


def given(node: SimNode, data: bytes) -> str:
    """What a link makes of these bytes: more, or why it closes."""
    inbox = node.member.inbox()
    try:
        result = inbox.take(data, 0)
    except (FrameError, ProtocolError, ValueError) as error:
        return str(error) or "refused"
    finally:
        node.member.backlog.flush()
    assert result in (MORE, GAP, FORKED, OTHER)
    return "" if result == MORE else "closed"


def test_a_damaged_frame_changes_nothing_or_is_no_damage() -> None:
    """22: nothing else than a refusal comes of it, the state and the vector are as before, and the
    frame itself is taken after it."""
    for seed in range(SEEDS // 100):
        world = World(seed, nodes=2)
        rng = world.random
        client = AllTypes(rng, seed)
        world.cut(0, 1)
        for _ in range(60):
            client.write(world.nodes[0])
        node = world.nodes[1]
        (stream,) = frames_of(world)
        world.nodes[0].member.backlog.flush()
        for frame in frames_of(world)[stream]:
            before = digest_of(node.engine.databases), node.member.vector()
            for _ in range(3):
                wrong = bent(frame, rng)
                why = given(node, wrong)
                after = digest_of(node.engine.databases), node.member.vector()
                if why:
                    assert after == before, f"{world}: {wrong!r} was refused and did something"
                elif after != before:  # a frame that says something else, and is whole
                    node.boot(None)
                    node.activate()
                    for earlier in frames_of(world)[stream]:
                        if earlier == frame:
                            break
                        assert given(node, earlier) == ""
                    before = digest_of(node.engine.databases), node.member.vector()
            assert given(node, frame) == ""


def test_a_clone_is_refused() -> None:
    """21: two processes that write one stream are told apart by the frames' chain."""
    mesh, a, b = pair()
    a("SET", "k", "1")
    mesh.heal()
    mesh.cut_all()
    frame = frames_of(mesh)[a.streams.own.text][-1]
    a("SET", "k", "2")
    a.member.backlog.flush()
    given(b, b"".join(frames_of(mesh)[a.streams.own.text]))
    last, seen = frames_of(mesh)[a.streams.own.text][-1], int(a.streams.own.seen)
    other = last.replace(b"%d" % seen, b"%d" % (seen + 9), 1)
    before = digest_of(b.engine.databases)
    assert given(b, other) == "closed"
    assert given(b, frame) == ""
    assert digest_of(b.engine.databases) == before
