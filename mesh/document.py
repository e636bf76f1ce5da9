"""docs/mesh_commands.md, made from the tables of the mesh's commands.

`python -m mesh.document` writes it; a test fails while it is stale.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import conf
from mesh.agent import Agent
from mesh.clock import HybridClock
from mesh.dots import Streams
from mesh.merge.resolver import StampResolver
from node.commands.command import Command
from node.commands.document import row
from node.commands.table import load
from node.engine import Engine

MARKDOWN_PATH: Final = Path(__file__).resolve().parents[1] / "docs" / "mesh_commands.md"

HEAD: Final = """\
# Commands of the mesh

<!-- Made by `python -m mesh.document`. Edit the commands of the handlers in mesh/ instead. -->

Beside [those of a single node](commands.md), whose notation this page has. Replies with names are
maps in RESP3 and flat arrays in RESP2. Times in milliseconds; `at-ms` is Unix time by the clock of
who wrote.

A *member* is named by its id, its `node-name` or `host:port`, as `MESH PEERS` shows them. A wait
is never longer than `mesh-wait-max-ms`, which also stands for a timeout of 0; inside MULTI and
scripts the answer is that of the moment. A member that follows this node through others counts as
well, and says how far it is with its heartbeats: up to two of them later. To read on another node
what was written here: `MESH TOKEN` here, and `MESH WAITFOR token timeout` there before the read.

`MESH CONFLICTS` and `MESH EXPLAIN` tell what this node remembers: run them on each node to compare.
They show data, so they are for administrators, and so are the first `mesh-conflicts-value-bytes` of
values that conflicts keep.

| Command | Kind | Meaning | Cost | Since | Differs |
| --- | --- | --- | --- | --- | --- |
"""


def markdown() -> str:
    """The text of docs/mesh_commands.md."""
    found = sorted(commands(), key=lambda command: bytes(command.fullname))
    return HEAD + "".join(row(command) + "\n" for command in found)


def commands() -> tuple[Command, ...]:
    """All that an agent brings."""
    load()
    with TemporaryDirectory() as folder:
        config = conf.load([]).config
        streams = Streams(bytes(16))
        resolver = StampResolver(streams)
        engine = Engine(config, HybridClock(), resolver)
        return Agent(config, engine, resolver, streams, folder).commands


def main() -> None:
    """Writes the file."""
    MARKDOWN_PATH.write_text(markdown(), encoding="utf-8")


if __name__ == "__main__":
    main()
