"""Which nodes of a mesh file are linked: full, ring, hub, or exactly the [[link]]s of the file.

A pair is (source, target): data flows from source to target. All shapes but `custom` link in both
directions. In every shape each Plexis node must be reached from each other over Plexis nodes, since
they alone relay what others wrote.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from conf.errors import suggestion
from conf.mesh_model import MeshNode
from conf.mesh_table import MeshTable

SHAPES: Final = ("full", "ring", "hub", "custom")
RING_NODES_LEAST: Final = 3

Pair = tuple[str, str]


def hub_names(table: MeshTable, topology: str) -> tuple[str, ...]:
    """The `hub = [...]` of [mesh], which belongs to the shape "hub" and to no other."""
    table.known("hub")
    hub = table.data.get("hub", [])
    if not isinstance(hub, list) or not all(isinstance(name, str) for name in hub):
        table.error("hub", 'hub must be a list of node names, such as ["fra-1"]')
        return ()
    if topology == "hub" and not hub:
        table.error("topology", 'topology "hub" needs hub = ["..."], the nodes in the middle')
    if topology != "hub" and hub:
        table.error("hub", f'hub has no meaning with topology "{topology}"; remove it')
    return tuple(hub)


def check_hub(hub: Sequence[str], nodes: Sequence[MeshNode], table: MeshTable) -> None:
    """Every hub is a Plexis node of the file."""
    names = [node.name for node in nodes]
    for name in hub:
        if name not in names:
            close = suggestion(name, names)
            hint = f'; did you mean "{close}"?' if close else ""
            table.error("hub", f'no node is called "{name}"{hint}')
        elif any(node.name == name and node.kind == "keydb" for node in nodes):
            table.error("hub", f'hub "{name}" is a KeyDB server, which relays nothing')
    if len(hub) == 1 and len(nodes) > 2:
        table.warning(
            "hub", f'while the only hub "{hub[0]}" is down, the others do not hear of each other'
        )


def pairs_of(
    topology: str, hub: Sequence[str], nodes: Sequence[MeshNode], given: Collection[Pair]
) -> list[Pair]:
    """All links, by target and then by source, in the order of the nodes."""
    names = [node.name for node in nodes]
    wanted = set(given) if topology == "custom" else _both_ways(topology, hub, names)
    return [
        (source, target) for target in names for source in names if (source, target) in wanted
    ]


def _both_ways(topology: str, hub: Sequence[str], names: Sequence[str]) -> set[Pair]:
    if topology == "ring":
        once = {(name, names[at - 1]) for at, name in enumerate(names)}
    else:
        once = {
            (a, b) for a in names for b in names if topology == "full" or a in hub
        }
    return {pair for a, b in once if a != b for pair in ((a, b), (b, a))}


def check_shape(
    topology: str, nodes: Sequence[MeshNode], pairs: Collection[Pair], table: MeshTable
) -> None:
    """A ring is one, and every Plexis node hears of every other."""
    if topology == "ring" and len(nodes) < RING_NODES_LEAST:
        table.error("topology", f'a ring has at least {RING_NODES_LEAST} nodes; use "full"')
        return
    ours = [node.name for node in nodes if node.kind == "mesh"]
    for first in ours:
        reached = reached_from(first, pairs, ours)
        for name in ours:
            if name not in reached:
                table.error(
                    "topology",
                    f'nothing that "{first}" writes comes to "{name}": no path of links leads'
                    " there over Plexis nodes",
                )
                return


def reached_from(first: str, pairs: Collection[Pair], relays: Collection[str]) -> set[str]:
    """Where the data of `first` comes, over nodes that relay."""
    reached = {first}
    todo = [first]
    while todo:
        source = todo.pop()
        for start, end in pairs:
            if start == source and end not in reached:
                reached.add(end)
                if end in relays:
                    todo.append(end)
    return reached
