"""mesh.toml: one file for the whole mesh, byte-identical on every node.

`read_mesh_file` reads and checks it: every error is reported at once, each with its line, and an
unknown key is an error. The result is frozen. `MeshConfig.directives_for("fra-1")` says in
directives what the file means for one node, so that a node behaves the same whether it was
configured by this file or by the lines it stands for.

Direction: a link from A to B carries data from A to B, so B has the line `replicaof A`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from conf.errors import ConfigError, suggestion
from conf.kinds import memory_text, node_name_reason
from conf.mesh_checks import check_links, check_nodes, owners_of
from conf.mesh_model import (
    KINDS,
    MeshAdmin,
    MeshAuth,
    MeshInfo,
    MeshLink,
    MeshNode,
    Thresholds,
)
from conf.mesh_shapes import SHAPES, check_hub, check_shape, hub_names, pairs_of
from conf.mesh_table import LATER, MeshTable
from conf.parse import read_file
from conf.toml_lines import Problems, find_spans

SCHEMA: Final = 1
NODES_MAX: Final = 64
"""Links grow with the square of the nodes; a mesh of more than this is a mistake."""
DEFAULT_PORT: Final = 6379
DEFAULT_ADMIN: Final = ("127.0.0.1", 8379)
_VERSION_MAX: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class MeshConfig:
    """A checked mesh file. `version` is the operator's own count of edits."""

    file: str
    version: int
    mesh: MeshInfo
    nodes: tuple[MeshNode, ...]
    links: tuple[MeshLink, ...]
    admin: MeshAdmin
    auth: MeshAuth
    heartbeat_ms: int
    backlog_bytes: int
    owners: tuple[tuple[str, str], ...]
    warnings: list[str] = field(default_factory=list)

    def node(self, name: str) -> MeshNode:
        """The node of this name; raises ConfigError that lists the names there are."""
        for node in self.nodes:
            if node.name == name:
                return node
        close = suggestion(name, [node.name for node in self.nodes])
        hint = f'; did you mean "{close}"?' if close else ""
        names = ", ".join(node.name for node in self.nodes)
        raise ConfigError(f'{self.file}: no node is called "{name}"{hint} (nodes: {names})')

    def directives_for(
        self, node_name: str, read_secret: Callable[[str], str] | None = None
    ) -> list[list[str]]:
        """The directives the file means for one node, as rows of words.

        `read_secret` gives the text of the password file (its first line is the password).
        Raises ConfigError for an unknown node, a node that is a KeyDB server, or a password file
        that cannot be read.
        """
        node = self.node(node_name)
        if node.kind != "mesh":
            raise ConfigError(
                f'{self.file}: node "{node_name}" is a KeyDB server (kind = "{node.kind}");'
                " it is configured by its own keydb.conf"
            )
        rows = [
            ["node-name", node.name],
            ["port", str(node.port)],
            ["active-replica", "yes"],
            ["multi-master", "yes"],
            ["replica-announce-ip", node.host],
            ["replica-announce-port", str(node.peer_port)],
            ["admin-bind", node.admin],
        ]
        if self.mesh.topology == "custom":  # whose links may be one-way: no others are made
            rows += [["mesh-dial-back", "no"]]
        if self.mesh.conflict_policy != "observed-remove":
            rows += [["conflict-policy", self.mesh.conflict_policy]]
        rows += [["mesh-owner", keys, owner] for keys, owner in self.owners]
        if self.mesh.owner_policy != "forward":
            rows += [["mesh-owner-policy", self.mesh.owner_policy]]
        rows += [["dir", node.dir]] if node.dir else []
        rows += [["maxmemory", memory_text(node.maxmemory_bytes)]] if node.maxmemory_bytes else []
        rows += [["mesh-heartbeat-ms", str(self.heartbeat_ms)]] if self.heartbeat_ms else []
        if self.backlog_bytes:
            rows += [["repl-backlog-size", memory_text(self.backlog_bytes)]]
        if self.auth.password_file:
            password = (read_secret or read_password)(self.auth.password_file).split("\n")[0]
            password = password.rstrip("\r")
            if not password:
                raise ConfigError(
                    f"{self.file}: the first line of password_file {self.auth.password_file}"
                    " is empty; it must be the password"
                )
            rows += [["masterauth", password], ["requirepass", password]]
        sources = {link.source for link in self.links if link.target == node_name}
        rows += [
            ["replicaof", other.host, str(other.peer_port)]
            for other in self.nodes
            if other.name in sources
        ]
        return rows


def read_password(path: str) -> str:
    """The text of a password file; raises ConfigError that names it."""
    try:
        return read_file(path)
    except ConfigError as error:
        raise ConfigError(str(error).replace("config file", "password file")) from None


def read_mesh_file(path: str) -> MeshConfig:
    """Read and check a mesh file; raises ConfigError with the report of all problems."""
    return parse_mesh(read_file(path), path)


def parse_mesh(text: str, file: str) -> MeshConfig:
    """Check the text of a mesh file; `file` is the name used in messages."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problems = Problems(file, text, find_spans(""))
        problems.syntax_error(str(error))
        raise ConfigError(problems.report()) from None
    problems = Problems(file, text, find_spans(text))
    config = _Reader(data, problems).read(file)
    if problems.has_errors():
        raise ConfigError(problems.report())
    return config


class _Reader:
    """Takes the parsed data apart, top to bottom."""

    def __init__(self, data: dict[str, Any], problems: Problems) -> None:
        self.problems = problems
        self.top = MeshTable(data, (), "", problems)
        self.defaults = self._table(self.top, "defaults", "[defaults]")
        self.link_defaults = self._table(self.defaults, "link", "[defaults.link]")

    def read(self, file: str) -> MeshConfig:
        version = self._schema_and_version()
        mesh = self._mesh()
        auth = self._auth()
        admin_default = self.defaults.address("admin", DEFAULT_ADMIN)
        admin = self._admin(admin_default)
        nodes = self._nodes(admin.bind)
        heartbeat_ms = self.link_defaults.duration_ms("heartbeat", 0)
        backlog_bytes = self.link_defaults.size_bytes("backlog", 0)
        common = thresholds_of(self.link_defaults, Thresholds())
        self.link_defaults.choice("compression", ("none",), ("zstd",))
        if self.link_defaults.yes("tls", False):
            self.link_defaults.error("tls", f"tls {LATER}; links are not encrypted yet")
        links = self._links(mesh, nodes, common)
        owners = owners_of(self._array("owner"), nodes)
        self.top.later("tls", "conflicts")
        for table in (self.defaults, self.link_defaults, self.top):
            table.finish()
        warnings = self.problems.warnings()
        return MeshConfig(
            file, version, mesh, nodes, links, admin, auth, heartbeat_ms, backlog_bytes, owners,
            warnings,
        )  # fmt: skip

    def _schema_and_version(self) -> int:
        schema = self.top.number("schema", 0, 0, _VERSION_MAX)
        if not self.top.has("schema"):
            self.problems.error((), "schema is missing; write `schema = 1` on the first line")
        elif schema != SCHEMA and isinstance(self.top.data["schema"], int):
            self.top.error("schema", f"schema {schema} is not known; this release reads 1")
        return self.top.number("version", 0, 0, _VERSION_MAX)

    def _mesh(self) -> MeshInfo:
        table = self._table(self.top, "mesh", "[mesh]")
        if not self.top.has("mesh"):
            self.problems.error((), "[mesh] is missing; it gives the mesh its name")
            return MeshInfo("", "development", "full", (), "observed-remove", "merge")
        topology = table.choice("topology", SHAPES)
        info = MeshInfo(
            name=table.needed_text("name"),
            environment=table.choice("environment", ("development", "staging", "production")),
            topology=topology,
            hub=hub_names(table, topology),
            conflict_policy=table.choice("conflict_policy", ("observed-remove", "newest-wins")),
            bootstrap=table.choice("bootstrap", ("merge",), ("empty",)),
            owner_policy=table.choice("owner_policy", ("forward", "refuse", "at-least-once")),
        )
        table.finish()
        return info

    def _auth(self) -> MeshAuth:
        table = self._table(self.top, "auth", "[auth]")
        user = table.text("user", "default")
        if user != "default":
            table.error("user", f'user "{user}": links that log in as an ACL user {LATER}')
        table.known("password")
        if table.has("password"):
            table.error(
                "password", "a password is not written here; put it in a file: password_file = ..."
            )
        auth = MeshAuth(table.text("password_file"))
        table.finish()
        return auth

    def _admin(self, default: tuple[str, int]) -> MeshAdmin:
        table = self._table(self.top, "admin", "[admin]")
        host, port = table.address("bind", default)
        table.choice("metrics_auth", ("none",), ("token",))
        table.later("tls_cert", "tls_key", "trusted_proxies", "session_idle", "user")
        table.finish()
        return MeshAdmin(listen_text(host, port))

    def _nodes(self, admin: str) -> tuple[MeshNode, ...]:
        common_port = self.defaults.number("port", 0, 1, 65535)
        common_dir = self.defaults.text("dir")
        common_memory = self.defaults.size_bytes("maxmemory", 0)
        tables = self._array("node")
        nodes: list[MeshNode] = []
        for table in tables[:NODES_MAX]:
            host, peer_port = table.address("addr", ("", 0))
            if not table.has("addr"):
                table.error("", 'addr is missing; it is what peers dial, such as "10.0.0.2:6379"')
            name = table.needed_text("name")
            if node_name_reason(name):
                table.error("name", f'name "{name}": {node_name_reason(name)}')
            port = common_port or peer_port or DEFAULT_PORT
            node_admin = admin
            if table.has("admin"):
                node_admin = listen_text(*table.address("admin", DEFAULT_ADMIN))
            nodes.append(
                MeshNode(
                    name=name,
                    host=host,
                    peer_port=peer_port,
                    port=table.number("port", port, 1, 65535),
                    region=table.text("region"),
                    zone=table.text("zone"),
                    site=self._site(table),
                    kind=table.choice("kind", KINDS),
                    admin=node_admin,
                    dir=self._dir(table, common_dir, name),
                    maxmemory_bytes=table.size_bytes("maxmemory", common_memory),
                )
            )
            table.finish()
        if len(tables) > NODES_MAX:
            tables[NODES_MAX].error("", f"a mesh has at most {NODES_MAX} nodes")
        if not tables:
            self.problems.error((), "there is no [[node]]; a mesh needs at least one")
        check_nodes(nodes, tables)
        return tuple(nodes)

    def _dir(self, table: MeshTable, common: str, name: str) -> str:
        own = table if table.has("dir") else self.defaults
        pattern = table.text("dir", common)
        for found in re.findall(r"\{[^}]*\}?", pattern):
            if found != "{node}":
                own.error("dir", f'dir: "{found}" is not known; "{{node}}" is the only placeholder')
        return pattern.replace("{node}", name)

    def _site(self, table: MeshTable) -> tuple[float, float] | None:
        table.known("site")
        site = table.data.get("site")
        if site is None:
            return None
        numbers = isinstance(site, list) and all(type(n) in (int, float) for n in site)
        if numbers and len(site) == 2 and abs(site[0]) <= 90 and abs(site[1]) <= 180:
            return float(site[0]), float(site[1])
        table.error("site", "site must be [latitude, longitude] in degrees")
        return None

    def _links(
        self, mesh: MeshInfo, nodes: tuple[MeshNode, ...], common: Thresholds
    ) -> tuple[MeshLink, ...]:
        """The links of the shape; a [[link]] changes one's thresholds, or makes it if `custom`."""
        own: dict[tuple[str, str], Thresholds] = {}
        tables = self._array("link")
        for table in tables:
            ends = (table.needed_text("from"), table.needed_text("to"))
            if table.yes("paused", False):
                table.error("paused", f"a link that starts paused {LATER}; remove it")
            check_links(ends, own, nodes, table)
            own[ends] = thresholds_of(table, common)
            table.finish()
        pairs = pairs_of(mesh.topology, mesh.hub, nodes, own)
        names = {node.name for node in nodes}
        for table, ends in zip(tables, own, strict=False):
            if ends not in pairs and set(ends) <= names and ends[0] != ends[1]:
                table.error(
                    "from",
                    f'topology "{mesh.topology}" has no link from "{ends[0]}" to "{ends[1]}"',
                )
        head = self._table(self.top, "mesh", "[mesh]")
        check_hub(mesh.hub, nodes, head)
        if not self.problems.has_errors():
            check_shape(mesh.topology, nodes, pairs, head)
        return tuple(MeshLink(*pair, own.get(pair, common)) for pair in pairs)

    def _table(self, parent: MeshTable, key: str, label: str) -> MeshTable:
        """A table inside another; an absent one is empty."""
        parent.known(key)
        data = parent.data.get(key, {})
        if not isinstance(data, dict):
            parent.error(key, f"{key} must be a table, written {label}")
            data = {}
        return MeshTable(data, (*parent.path, key), label, self.problems)

    def _array(self, key: str) -> list[MeshTable]:
        """The tables of an array such as [[node]]; the label tells which one by its name."""
        self.top.known(key)
        items = self.top.data.get(key, [])
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            self.top.error(key, f"{key} must be written [[{key}]], once for each")
            return []
        tables = []
        for index, item in enumerate(items):
            name = item.get("name")
            label = f'[[{key}]] "{name}"' if isinstance(name, str) and name else f"[[{key}]]"
            tables.append(MeshTable(item, (key, index), label, self.problems))
        return tables


def thresholds_of(table: MeshTable, common: Thresholds) -> Thresholds:
    """The lag thresholds a table gives; what it leaves out comes from `common`."""
    given = Thresholds(
        table.duration_ms("warn_lag", common.warn_lag_ms),
        table.duration_ms("critical_lag", common.critical_lag_ms),
        table.duration_ms("down_after", common.down_after_ms),
    )
    own = [key for key in ("warn_lag", "critical_lag") if table.has(key)]
    if own and given.warn_lag_ms >= given.critical_lag_ms:
        table.error(
            own[0],
            f"warn_lag ({given.warn_lag_ms} ms) must be below critical_lag"
            f" ({given.critical_lag_ms} ms)",
        )
    return given


def listen_text(host: str, port: int) -> str:
    """host:port as admin-bind takes it; "" for off."""
    if not host:
        return ""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
