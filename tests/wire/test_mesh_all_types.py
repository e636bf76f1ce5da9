"""Two real nodes, every type: what is written on one side ends with equal digests on both."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from mesh.conflicts import COUNTER_OVERFLOW, KINDS
from node.commands.command import TABLE, WRITE
from node.commands.table import load
from tests.support.grammar import Documented, Maker, read_docs
from tests.support.servers import Client
from tests.support.write_examples import EXAMPLES, words_of
from tests.wire.mesh_support import Mesh, scaled

pytestmark = pytest.mark.wire

COMMANDS = scaled(20_000)
SEED = 4
# These empty what the others have written, or are no business of a load.
LEFT_OUT = ("flushall", "flushdb", "swapdb", "restore", "restore-asking", "keydb.mvccrestore")


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    with Mesh(2) as found:
        yield found


def conflicts(mesh: Mesh) -> list[int]:
    """How often a write met one that it had not seen."""
    kinds = [kind for kind in KINDS if kind != COUNTER_OVERFLOW]
    infos = [node.info("replication") for node in mesh.nodes]
    return [sum(int(info[f"mesh_conflict_{kind}"]) for kind in kinds) for info in infos]


def test_an_example_of_every_write_command_is_the_same_on_both_nodes(mesh: Mesh) -> None:
    with mesh.nodes[0].client() as client:
        for command, examples in EXAMPLES.items():
            for number, lines in enumerate(examples):
                for line in lines:
                    reply = client.call(*words_of(line, f"{command}{number}"))
                    assert reply.kind != "error", f"{line}: {reply.text!r}"
                client.call("SELECT", "0")
    mesh.await_equal()
    assert conflicts(mesh) == [0, 0]


def written(client: Client) -> list[Documented]:
    """The write commands of the table, as the node's COMMAND DOCS describes them."""
    load()
    client.call("HELLO", "3")
    found = []
    for each in read_docs(client.call("COMMAND", "DOCS")):
        entry = TABLE.get(each.words[0])
        if entry is None or each.words[0].decode() in LEFT_OUT:
            continue
        if len(each.words) > 1 and entry.subcommands is not None:
            entry = entry.subcommands[each.words[1]]
        if entry.flags & WRITE:
            found.append(each)
    return found


def test_generated_writes_of_every_command_are_the_same_on_both_nodes(mesh: Mesh) -> None:
    """Valid and invalid ones, each for one of a few keys; then the second node restarts."""
    a, b = mesh.nodes
    print(f"seed {SEED}, {COMMANDS} commands")
    with a.client() as client:
        rng = random.Random(SEED)
        commands = written(client)
        assert len(commands) > 80
        refused = 0
        for _ in range(COMMANDS):
            reply = client.call(*Maker(rng, rng.choice(commands)).make())
            refused += reply.kind == "error"
        assert refused < COMMANDS // 2, "most of the load was refused"
    digest = mesh.await_equal()
    assert conflicts(mesh) == [0, 0]
    b.restart()
    mesh.await_links()
    assert mesh.await_equal() == digest
