"""What must hold between the parts of a mesh file: no two nodes in one another's way, no link
into nowhere. Each check notes its finding in the table concerned and goes on."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from conf.errors import suggestion
from conf.mesh_model import MeshNode
from conf.mesh_table import MeshTable

_OWN_FILE_KEYS = ("port", "admin", "dir", "maxmemory")


def check_nodes(nodes: Sequence[MeshNode], tables: Sequence[MeshTable]) -> None:
    """Check all nodes against one another; `tables` are theirs, in the same order."""
    for index, (node, table) in enumerate(zip(nodes, tables, strict=False)):
        for other in nodes[:index]:
            _check_pair(node, other, table)
        _check_alone(node, table)
    regions = [bool(node.region) for node in nodes]
    if any(regions) and not all(regions):
        for has_region, table in zip(regions, tables, strict=False):
            if not has_region:
                table.warning("", "region is missing, though other nodes have one")
    if nodes and all(node.kind == "keydb" for node in nodes):
        tables[0].error("kind", 'every node is "keydb"; at least one must be a Plexis node')


def _check_alone(node: MeshNode, table: MeshTable) -> None:
    if node.kind == "keydb":
        for key in _OWN_FILE_KEYS:
            if table.has(key):
                table.warning(key, f"{key} has no effect: a KeyDB node has its own keydb.conf")
        return
    if node.host and node.port != node.peer_port:
        table.warning(
            "port" if table.has("port") else "addr",
            f"listens on port {node.port}, but peers dial {node.peer_port};"
            " right only behind address translation",
        )
    if node.admin and node.admin.rpartition(":")[2] == str(node.port):
        table.error(
            "admin" if table.has("admin") else "",
            f"admin {node.admin} takes the port that clients use, {node.port}",
        )


def _check_pair(node: MeshNode, other: MeshNode, table: MeshTable) -> None:
    """Two nodes: names and addresses are unique, one host's ports and directories not shared."""
    if node.name and node.name == other.name:
        table.error("name", f'name "{node.name}" is used twice')
        return
    if not node.host or node.host != other.host:
        return
    if node.peer_port == other.peer_port:
        table.error("addr", f'addr is the same as that of "{other.name}"')
        return
    if "keydb" in (node.kind, other.kind):
        return
    if node.port == other.port:
        table.error(
            "port" if table.has("port") else "addr",
            f'listens on port {node.port} of {node.host}, as "{other.name}" does',
        )
    if node.admin and node.admin == other.admin:
        table.error(
            "admin" if table.has("admin") else "addr",
            f'the admin page listens on {node.admin} of {node.host}, as that of "{other.name}"'
            ' does; give each its own admin, or "" for off',
        )
    if node.dir and node.dir == other.dir:
        table.error(
            "dir" if table.has("dir") else "addr",
            f'dir {node.dir} of {node.host} is also that of "{other.name}"; use {{node}} in it',
        )


def check_links(
    ends: tuple[str, str],
    earlier: Collection[tuple[str, str]],
    nodes: Sequence[MeshNode],
    table: MeshTable,
) -> None:
    """Check one [[link]]: both ends exist and differ, and no earlier [[link]] has the same."""
    names = [node.name for node in nodes]
    for key, name in zip(("from", "to"), ends, strict=True):
        if name and name not in names:
            close = suggestion(name, names)
            hint = f'; did you mean "{close}"?' if close else ""
            table.error(key, f'no node is called "{name}"{hint}')
    if ends[0] and ends[0] == ends[1]:
        table.error("to", f'a link from "{ends[0]}" to itself')
    elif ends in earlier:
        table.error("from", f'the link from "{ends[0]}" to "{ends[1]}" is given twice')


def owners_of(
    tables: Sequence[MeshTable], nodes: Sequence[MeshNode]
) -> tuple[tuple[str, str], ...]:
    """The patterns of [[owner]] and whose keys they are: `hash`, or a node of ours."""
    names = [node.name for node in nodes if node.kind == "mesh"]
    found: list[tuple[str, str]] = []
    for table in tables:
        keys = table.needed_text("keys")
        owner = table.needed_text("node")
        if owner and owner != "hash" and owner not in names:
            close = suggestion(owner, names)
            hint = f'; did you mean "{close}"?' if close else ""
            table.error("node", f'no Plexis node is called "{owner}", and it is not "hash"{hint}')
        table.finish()
        found.append((keys, owner))
    return tuple(found)
