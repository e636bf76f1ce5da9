"""Plays a worked example of the conflict rules on real engines, in every way two writes can meet.

An Example is a row: what there is, what A and B write without knowing of each other, and what every
node answers then. The ways: two more nodes take in the frames, one A's first and one B's; A takes
B's state in by a whole transfer, and B A's; both have crashed meanwhile. After each of them a node
is started again from its save and a new one joins, and the answers are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from node.resp.numbers import format_double
from node.resp.replies import Double, Failure, Map, SetReply, Simple
from tests.mesh.stories import Mesh, conflicts, plain
from tests.support.simnode import SimNode

Words = tuple[str, ...]
Shown = object | Callable[[object], bool]
WAYS = ("frames", "a transfer to b", "a transfer to a", "restarts")
A_LATER = (1001, 1000)
B_LATER = (1000, 1001)


@dataclass(frozen=True)
class Example:
    """One row. `times`: when A and B write, in ms, of each play; `then`: what A writes after all
    have met, and `last` what all answer after that. An expected answer may be a test of it.
    `counted`: kinds of conflict of which some node has counted one."""

    before: Sequence[Words]
    a: Sequence[Words]
    b: Sequence[Words]
    shows: dict[Words, Shown]
    times: Sequence[tuple[int, int]] = (B_LATER, A_LATER)
    replies: tuple[object, object] | None = None  # of the last command of A and of B
    then: Sequence[Words] = ()
    last: dict[Words, Shown] | None = None
    counted: Sequence[str] = ()
    directives: Sequence[tuple[str, str]] = ()
    beyond_oracle: bool = False  # the answers are all that is checked


def play(example: Example, way: str, times: tuple[int, int]) -> Mesh:
    """The example in one way, with what must hold."""
    mesh = Mesh("abcd" if way == "frames" else "ab")
    # A whole state to B; to A only what differs, as far as both have something.
    mesh.whole_each = 1 if way == "a transfer to b" else 1 << 30
    a = mesh.nodes[0]
    for name, value in example.directives:
        for node in mesh.nodes:
            done(node, ("CONFIG", "SET", name, value))
    mesh.at(0)
    for words in example.before:
        done(a, words)
    settle(mesh, example)
    mesh.cut_all()
    replies = write(mesh, example, times)
    if example.replies is not None:
        assert tuple(in_words(each) for each in replies) == example.replies
    meet(mesh, way, example)
    settle(mesh, example)
    for kind in example.counted if way == "frames" else ():
        assert any(conflicts(node, kind) for node in mesh.nodes), f"nobody has counted a {kind}"
    expect(mesh, example.shows)
    live_on(mesh, example)
    if example.last is not None:
        for words in example.then:
            done(a, words)
        settle(mesh, example)
        expect(mesh, example.last)
    return mesh


def settle(mesh: Mesh, example: Example) -> None:
    """All links up until all nodes are level, with what `heal` checks."""
    if example.beyond_oracle:
        mesh.heal_apart()
    else:
        mesh.heal()


def write(mesh: Mesh, example: Example, times: tuple[int, int]) -> tuple[object, object]:
    """What A and B write, and the replies to the last command of each."""
    replies: list[object] = []
    for node, writes, at_ms in zip(mesh.nodes, (example.a, example.b), times, strict=False):
        mesh.at(at_ms)
        reply: object = None
        for words in writes:
            reply = done(node, words)
        replies.append(reply)
    mesh.at(max(*times) + 1)
    return replies[0], replies[1]


def meet(mesh: Mesh, way: str, example: Example) -> None:
    """The writes of A and B come together."""
    a, b = mesh.nodes[:2]
    if way == "frames":
        c, d = mesh.nodes[2:4]
        mesh.up(a, c)
        mesh.up(b, c)
        mesh.up(b, d)
        mesh.up(a, d)
    elif way == "a transfer to b":
        restart(mesh, a)
        mesh.up(a, b)
        assert (mesh.counts["resync"] > 0) == bool(example.a), mesh.counts
    elif way == "a transfer to a":
        restart(mesh, b)
        mesh.up(b, a)
        assert (mesh.counts["resync"] > 0) == bool(example.b), mesh.counts
    else:
        restart(mesh, b)
        restart(mesh, a)


def live_on(mesh: Mesh, example: Example) -> None:
    """A node starts again from its save, and a new node takes in everything."""
    restart(mesh, mesh.nodes[1])
    mesh.add("late")
    settle(mesh, example)
    expect(mesh, example.shows)


def restart(mesh: Mesh, node: SimNode) -> None:
    """A node is started again from a save of this moment; it has no frames to serve then."""
    node.save()
    mesh.crash(mesh.nodes.index(node), node.saves[-1])
    node.activate()


def done(node: SimNode, words: Words) -> object:
    """The reply to a command that is no failure."""
    reply = node(*words)
    assert not isinstance(reply, Failure), (words, reply)
    return reply


def in_words(reply: object) -> object:
    """A reply that can be compared: scores as text, maps as dicts, states as text."""
    if isinstance(reply, Double):
        return format_double(reply.value)
    if isinstance(reply, Simple):
        return reply.text
    if isinstance(reply, Map):
        items = [in_words(each) for each in reply.items]
        return dict(zip(items[::2], items[1::2], strict=True))
    if isinstance(reply, SetReply):
        return frozenset(reply.items)
    return [in_words(each) for each in reply] if isinstance(reply, list) else reply


def expect(mesh: Mesh, shows: dict[Words, Shown]) -> None:
    """Every node answers so."""
    for words, expected in shows.items():
        replies = [in_words(node(*words)) for node in mesh.nodes]
        if isinstance(expected, frozenset):
            replies = [plain(reply) for reply in replies]
        assert all(reply == replies[0] for reply in replies), (words, replies)
        if callable(expected):
            assert expected(replies[0]), (words, replies[0])
        else:
            assert replies[0] == expected, (words, replies[0], expected)
