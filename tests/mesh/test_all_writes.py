"""Every write command of the table works in a mesh: it has an effect, the effect has a rule, and a
load of all of them, one after another, ends with equal digests on all nodes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mesh.merge import RULE
from node.commands.command import TABLE, WRITE
from node.commands.table import load
from node.journal import Commit
from node.ports import Reader
from node.resp.replies import Failure
from node.store.effect import LAPSE, OPS, Effect
from tests.mesh.stories import Mesh, conflicts, pair
from tests.support.simnode import SimNode
from tests.support.write_examples import EXAMPLES, EXEMPT, Lines, words_of

PLACE = 98
# Of the others a whole load would leave nothing to compare.
EMPTYING = ("flushall", "flushdb")
EACH = [(name, lines) for name, all_ in EXAMPLES.items() for lines in all_]
NAMES = [f"{name}-{number}" for name, all_ in EXAMPLES.items() for number in range(len(all_))]

load()


class Published(Reader):
    """The effects that a node publishes of its own."""

    def __init__(self) -> None:
        self.effects: list[Effect] = []

    def read(self, commit: Commit) -> None:
        if commit.origin == 0:
            self.effects += [effect for effect in commit.effects() if effect.op != LAPSE]


def tell(node: SimNode, line: str, name: str) -> object:
    """One line of an example; an error reply is a failure of the example."""
    reply = node(*words_of(line, name))
    assert not isinstance(reply, Failure), f"{line}: {reply.text!r}"
    return reply


def everything() -> Iterator[tuple[str, Lines]]:
    """All examples that can stand in one load, each with a name for its keys."""
    for number, (name, lines) in enumerate(EACH):
        if name not in EMPTYING:
            yield f"{name}{number}", lines


def play(node: SimNode) -> None:
    """The whole load on one node."""
    for name, lines in everything():
        for line in lines:
            tell(node, line, name)


def check(mesh: Mesh) -> None:
    """All nodes are equal, and no write met one that it had not seen."""
    mesh.heal()
    for node in mesh.nodes:
        assert conflicts(node, "import_conflict") == 0, node.name


def test_every_write_command_of_the_table_has_an_example() -> None:
    writes = {
        name.decode() for name, command in TABLE.items()
        if command.flags & WRITE and not command.subcommands
    }  # fmt: skip
    for container in TABLE.values():
        for each in (container.subcommands or {}).values():
            if each.flags & WRITE:
                writes.add(each.fullname.decode())
    assert writes - EXAMPLES.keys() - EXEMPT.keys() == set(), "no example in write_examples.py"
    assert (EXAMPLES.keys() | EXEMPT.keys()) - writes == set(), "no such write command"


def test_every_op_has_a_rule() -> None:
    assert set(RULE) == set(range(int(OPS)))


@pytest.mark.parametrize(("name", "lines"), EACH, ids=NAMES)
def test_a_write_command_has_an_effect_that_both_nodes_carry_out(name: str, lines: Lines) -> None:
    mesh, a, b = pair()
    published = Published()
    for line in lines[:-1]:
        tell(a, line, name)
    mesh.heal()
    tell(a, "SET @marks said", name)  # the next frame has none, and the client's bytes may be in it
    a.engine.journal.wake(PLACE, published)
    tell(a, lines[-1], name)
    assert published.effects, f"{name} emits no effect in its example"
    assert all(int(effect.op) in RULE for effect in published.effects)
    check(mesh)
    assert b.shown() == a.shown()


@pytest.mark.parametrize(("name", "lines"), EACH, ids=NAMES)
def test_a_write_command_works_in_a_transaction(name: str, lines: Lines) -> None:
    mesh, a, _b = pair()
    for line in ("MULTI", "INCR @before", *lines, "INCR @after"):
        tell(a, line, name)
    tell(a, "EXEC", name)
    check(mesh)


def test_a_load_of_all_writes_on_one_node_ends_with_equal_digests() -> None:
    mesh, a, _b = pair()
    play(a)
    check(mesh)
    assert len(a.shown()) > len(EXAMPLES) // 2


def test_a_load_of_all_writes_from_both_sides_in_turn_ends_with_equal_digests() -> None:
    mesh, a, b = pair()
    nodes = [a, b]
    for name, lines in everything():
        for line in lines:
            tell(nodes[0], line, name)
            mesh.flow()
            nodes.reverse()
    check(mesh)


def test_a_node_that_comes_later_gets_all_of_it_by_a_transfer() -> None:
    mesh = Mesh("a")
    a = mesh.nodes[0]
    play(a)
    a.save()
    mesh.crash(0, a.saves[-1])  # from now on it has no frames to serve
    a.activate()
    shown = a.shown()
    b = mesh.add("b")
    check(mesh)
    assert mesh.counts["resync"] == 1
    assert b.shown() == a.shown() == shown
    play_more(mesh)


def test_data_of_all_types_written_alone_joins_a_mesh() -> None:
    mesh = Mesh("a")
    b = mesh.add("b", active=False)
    play(b)
    shown = b.shown()
    b.activate()
    check(mesh)
    assert mesh.nodes[0].shown() == shown
    play_more(mesh)


def test_a_node_that_restarts_has_all_of_it_and_gets_the_rest() -> None:
    mesh, a, b = pair()
    play(a)
    check(mesh)
    b.save()
    shown = b.shown()
    mesh.crash(1, b.saves[-1])
    assert b.shown() == shown
    b.activate()
    mesh.cut_all()
    a("RPUSH", "rest", "x")
    a("ZADD", "rest of zadd", "1", "x")
    check(mesh)
    assert mesh.counts["resync"] == 0
    play_more(mesh)


def play_more(mesh: Mesh) -> None:
    """Everything that is there is written to once more, from the node that has it second hand."""
    a, b = mesh.nodes
    for number, key in sorted(b.shown()):
        b("SELECT", str(number))
        kind = b.shown()[number, key][0]
        words = {
            "string": ("APPEND", key, "more"), "list": ("LSET", key, "0", "more"),
            "set": ("SADD", key, "more"), "hash": ("HSET", key, "more", "more"),
            "zset": ("ZINCRBY", key, "5", "more"), "stream": ("XADD", key, "*", "f", "more"),
            "unknown": ("EXPIRE", key, "1000"),  # a job
        }  # fmt: skip
        reply = b(*words[kind])
        assert not isinstance(reply, Failure), (key, reply)
    check(mesh)
    assert a.shown() == b.shown()
