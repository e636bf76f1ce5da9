"""mesh.toml: what it means for each node, and a report of all that is wrong with it at once."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import conf
from conf.errors import ConfigError
from conf.mesh_file import parse_mesh
from conf.mesh_model import Thresholds

MESH = """\
schema = 1
version = 7

[mesh]
name = "shop"
environment = "production"

[defaults]
port = 6379
dir = "/data/{node}"
maxmemory = "2gb"

[defaults.link]
warn_lag = "500ms"
critical_lag = "1m"
heartbeat = "2s"
backlog = "64mb"

[[node]]
name = "fra-1"
addr = "10.0.0.2:6379"
region = "eu"
site = [50.1, 8.7]

[[node]]
name = "iad-1"
addr = "[fd00::2]:6379"
region = "us"
maxmemory = "4gb"
admin = ""

[[node]]
name = "old"
addr = "10.2.0.9:6379"
kind = "keydb"
region = "us"

[[link]]
from = "fra-1"
to = "iad-1"
warn_lag = "3s"

[admin]
bind = "0.0.0.0:8400"
"""


def report(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_mesh(text, "mesh.toml")
    return str(caught.value)


def minimal(*lines: str, mesh: str = "", node: str = "") -> str:
    """A good file of one node, with lines added to [mesh], to [[node]] and after both."""
    head = f'schema = 1\n[mesh]\nname = "m"\n{mesh}\n[[node]]\nname = "a"\naddr = "h:1"\n{node}\n'
    return head + "\n".join(lines)


def test_a_file_becomes_frozen_values_with_defaults_filled_in() -> None:
    mesh = parse_mesh(MESH, "mesh.toml")
    assert (mesh.version, mesh.mesh.name, mesh.mesh.environment) == (7, "shop", "production")
    assert (mesh.mesh.topology, mesh.mesh.conflict_policy) == ("full", "observed-remove")
    fra, iad, old = mesh.nodes
    assert (fra.host, fra.peer_port, fra.port, fra.site) == ("10.0.0.2", 6379, 6379, (50.1, 8.7))
    assert (fra.dir, fra.maxmemory_bytes, fra.admin) == ("/data/fra-1", 2 << 30, "0.0.0.0:8400")
    assert (iad.host, iad.maxmemory_bytes, iad.admin) == ("fd00::2", 4 << 30, "")
    assert old.kind == "keydb"
    assert mesh.warnings == []
    with pytest.raises(dataclasses.FrozenInstanceError):
        fra.name = "x"  # type: ignore[misc]


def test_the_mesh_has_one_policy_for_what_clients_remove() -> None:
    mesh = parse_mesh(minimal(mesh='conflict_policy = "newest-wins"'), "mesh.toml")
    assert ["conflict-policy", "newest-wins"] in mesh.directives_for("a")
    usual = parse_mesh(minimal(), "mesh.toml").directives_for("a")
    assert not [row for row in usual if row[0] == "conflict-policy"]


def test_full_means_a_link_in_both_directions_between_every_two_nodes() -> None:
    mesh = parse_mesh(MESH, "mesh.toml")
    links = {(link.source, link.target): link.thresholds for link in mesh.links}
    assert len(mesh.links) == len(links) == 6
    common = Thresholds(500, 60_000, 5_000)
    assert links["fra-1", "iad-1"] == Thresholds(3_000, 60_000, 5_000)
    assert [pair for pair, own in links.items() if own != common] == [("fra-1", "iad-1")]


def shaped(count: int, mesh: str, *links: tuple[str, str]) -> conf.MeshConfig:
    """Nodes a, b, c ... in a shape; a link for each pair given."""
    names = "abcdefgh"[:count]
    nodes = "".join(f'[[node]]\nname = "{name}"\naddr = "{name}:1"\n' for name in names)
    own = "".join(f'[[link]]\nfrom = "{a}"\nto = "{b}"\n' for a, b in links)
    return parse_mesh(f'schema = 1\n[mesh]\nname = "m"\n{mesh}\n{nodes}{own}', "mesh.toml")


def joined(mesh: conf.MeshConfig) -> set[str]:
    """Each link as its two ends."""
    return {link.source + link.target for link in mesh.links}


def test_a_ring_links_each_node_with_the_one_before_and_the_one_after() -> None:
    mesh = shaped(4, 'topology = "ring"')
    assert joined(mesh) == {"ab", "ba", "bc", "cb", "cd", "dc", "da", "ad"}
    assert [row for row in mesh.directives_for("a") if row[0] == "replicaof"] == [
        ["replicaof", "b", "1"], ["replicaof", "d", "1"],
    ]  # fmt: skip


def test_hubs_are_linked_with_all_and_spokes_with_hubs() -> None:
    mesh = shaped(4, 'topology = "hub"\nhub = ["a", "b"]')
    assert joined(mesh) == {"ab", "ba", "ac", "ca", "ad", "da", "bc", "cb", "bd", "db"}
    assert mesh.warnings == []
    alone = shaped(3, 'topology = "hub"\nhub = ["a"]')
    assert joined(alone) == {"ab", "ba", "ac", "ca"}
    assert "the others do not hear of each other" in alone.warnings[0]


def test_custom_has_the_links_of_the_file_which_may_be_one_way() -> None:
    mesh = shaped(3, 'topology = "custom"', ("a", "b"), ("b", "c"), ("c", "a"))
    assert joined(mesh) == {"ab", "bc", "ca"}
    assert ["mesh-dial-back", "no"] in mesh.directives_for("a"), "no link is made beside them"


def test_a_link_that_the_shape_lacks_is_an_error() -> None:
    with pytest.raises(ConfigError) as caught:
        shaped(4, 'topology = "ring"', ("a", "c"))
    assert 'topology "ring" has no link from "a" to "c"' in str(caught.value)


def test_the_directives_of_a_node_are_what_one_would_write_by_hand() -> None:
    mesh = parse_mesh(MESH, "mesh.toml")
    assert mesh.directives_for("iad-1") == [
        ["node-name", "iad-1"],
        ["port", "6379"],
        ["active-replica", "yes"],
        ["multi-master", "yes"],
        ["replica-announce-ip", "fd00::2"],
        ["replica-announce-port", "6379"],
        ["admin-bind", ""],
        ["dir", "/data/iad-1"],
        ["maxmemory", "4gb"],
        ["mesh-heartbeat-ms", "2000"],
        ["repl-backlog-size", "64mb"],
        ["replicaof", "10.0.0.2", "6379"],
        ["replicaof", "10.2.0.9", "6379"],
    ]
    config = conf.Config()
    for words in mesh.directives_for("iad-1"):
        config.set(words[0], words[1:])
    assert config.rows("replicaof") == [["10.0.0.2", "6379"], ["10.2.0.9", "6379"]]


def test_a_small_file_is_enough() -> None:
    mesh = parse_mesh(minimal(), "mesh.toml")
    assert mesh.directives_for("a") == [
        ["node-name", "a"],
        ["port", "1"],
        ["active-replica", "yes"],
        ["multi-master", "yes"],
        ["replica-announce-ip", "h"],
        ["replica-announce-port", "1"],
        ["admin-bind", "127.0.0.1:8379"],
    ]
    assert mesh.links == ()


def test_the_password_comes_from_the_first_line_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("s3 cret\r\nsecond line\n")
    mesh = parse_mesh(minimal("[auth]", f'password_file = "{path}"'), "mesh.toml")
    rows = mesh.directives_for("a")
    assert ["masterauth", "s3 cret"] in rows and ["requirepass", "s3 cret"] in rows
    path.write_text("\n")
    with pytest.raises(ConfigError, match="is empty; it must be the password"):
        mesh.directives_for("a")
    path.unlink()
    with pytest.raises(ConfigError, match=f"can't open password file '{path}'"):
        mesh.directives_for("a")


def test_a_keydb_server_takes_no_directives_from_here() -> None:
    with pytest.raises(ConfigError, match='node "old" is a KeyDB server'):
        parse_mesh(MESH, "mesh.toml").directives_for("old")


def test_an_unknown_node_is_answered_with_the_names_there_are() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_mesh(MESH, "mesh.toml").directives_for("fra-2")
    assert str(caught.value) == (
        'mesh.toml: no node is called "fra-2"; did you mean "fra-1"? (nodes: fra-1, iad-1, old)'
    )


WRONG = """\
schema = 1
[mesh]
name = "shop"
topology = "rings"
polcy = "x"

[defaults.link]
warn_lag = "10s"
critical_lag = "5s"
heartbeat = 5

[auth]
password = "hush"

[[node]]
name = "fra-1"
addr = "10.0.0.2:99999"

[[node]]
name = "fra-1"
addr = "10.0.0.3:6379"
maxmemory = "4 gb"

[[node]]
addr = "10.0.0.4"

[[link]]
from = "fra-1"
to = "fra-9"
warnlag = "1s"
"""

WRONG_REPORT = """\
mesh.toml:4: error: [mesh]: topology "rings" is not one of full, ring, hub, custom; did you mean \
"ring"?
       4 | topology = "rings"
         |            ^^^^^^^
mesh.toml:5: error: unknown key "polcy" in [mesh]; did you mean "topology"?
       5 | polcy = "x"
         | ^^^^^
mesh.toml:8: error: [defaults.link]: warn_lag (10000 ms) must be below critical_lag (5000 ms)
       8 | warn_lag = "10s"
         |            ^^^^^
mesh.toml:10: error: [defaults.link]: heartbeat must be a duration in quotes, such as "500ms" or \
"10s"
      10 | heartbeat = 5
         |             ^
mesh.toml:13: error: [auth]: a password is not written here; put it in a file: password_file = ...
      13 | password = (not shown)
         |            ^^^^^^
mesh.toml:17: error: [[node]] "fra-1": addr port 99999 is out of range 1..65535
      17 | addr = "10.0.0.2:99999"
         |        ^^^^^^^^^^^^^^^^
mesh.toml:20: error: [[node]] "fra-1": name "fra-1" is used twice
      20 | name = "fra-1"
         |        ^^^^^^^
mesh.toml:22: error: [[node]] "fra-1": maxmemory "4 gb" is not a size such as "64kb", "256mb" or \
"2gb"
      22 | maxmemory = "4 gb"
         |             ^^^^^^
mesh.toml:24: error: [[node]]: name is missing
      24 | [[node]]
         | ^^^^^^^^
mesh.toml:25: error: [[node]]: addr "10.0.0.4" is not host:port; write IPv6 as [::1]:6379
      25 | addr = "10.0.0.4"
         |        ^^^^^^^^^^
mesh.toml:29: error: [[link]]: no node is called "fra-9"; did you mean "fra-1"?
      29 | to = "fra-9"
         |      ^^^^^^^
mesh.toml:30: error: unknown key "warnlag" in [[link]]; did you mean "warn_lag"?
      30 | warnlag = "1s"
         | ^^^^^^^
mesh.toml: 12 errors"""


def test_all_errors_are_reported_at_once_with_line_text_and_carets() -> None:
    assert report(WRONG) == WRONG_REPORT


def test_warnings_are_counted_beside_errors() -> None:
    text = minimal(
        '[[node]]\nname = "b"\naddr = "h:2"\nregion = "eu"\nadmin = ""', "[admin]", "bnd = 1"
    )
    assert report(text) == (
        'mesh.toml:5: warning: [[node]] "a": region is missing, though other nodes have one\n'
        "       5 | [[node]]\n"
        "         | ^^^^^^^^\n"
        'mesh.toml:15: error: unknown key "bnd" in [admin]; did you mean "bind"?\n'
        "      15 | bnd = 1\n"
        "         | ^^^\n"
        "mesh.toml: 1 warning, 1 error"
    )


def test_text_that_is_not_toml_is_shown_at_its_place() -> None:
    assert report("schema = 1\nschema = 2\n") == (
        "mesh.toml:2: error: Cannot overwrite a value\n"
        "       2 | schema = 2\n"
        "         |           ^\n"
        "mesh.toml: 1 error"
    )
    assert report("a = [1,\n").splitlines()[-1] == "mesh.toml: 1 error"
    assert "mesh.toml:1: error:" in report("= 1")


ONE_ERROR = [
    ("", "mesh.toml: error: schema is missing; write `schema = 1` on the first line"),
    ("schema = 2", "mesh.toml:1: error: schema 2 is not known; this release reads 1"),
    ("schema = true", "mesh.toml:1: error: schema must be a whole number"),
    ("schema = 1", "mesh.toml: error: [mesh] is missing; it gives the mesh its name"),
    ("schema = 1\n[mesh]", "mesh.toml:2: error: [mesh]: name is missing"),
    ("schema = 1", "mesh.toml: error: there is no [[node]]; a mesh needs at least one"),
    (minimal("tls = 1"), 'unknown key "tls" in [[node]] "a"'),
    (minimal("[tls]"), "error: tls comes in a later release; remove it"),
    (minimal("[conflicts]"), "error: conflicts comes in a later release; remove it"),
    (minimal(mesh='topology = "hub"'), 'topology "hub" needs hub = ["..."], the nodes in the'),
    (minimal(mesh='topology = "hub"\nhub = ["b"]'), 'no node is called "b"'),
    (minimal(mesh="hub = 5"), "hub must be a list of node names"),
    (minimal(mesh='topology = "ring"'), 'a ring has at least 3 nodes; use "full"'),
    (
        minimal('[[node]]\nname = "b"\naddr = "k:1"', mesh='topology = "custom"'),
        'nothing that "a" writes comes to "b": no path of links leads there',
    ),
    (
        minimal('[[node]]\nname = "b"\naddr = "k:1"\nkind = "keydb"',
                mesh='topology = "hub"\nhub = ["b"]'),
        'hub "b" is a KeyDB server, which relays nothing',
    ),
    (minimal(mesh='topology = "fulll"'), "is not one of full, ring, hub, custom; did you mean"),
    (minimal(mesh='hub = ["a"]'), 'hub has no meaning with topology "full"; remove it'),
    (minimal(mesh='conflict_policy = "newest"'), "is not one of observed-remove, newest-wins"),
    (minimal(mesh='bootstrap = "empty"'), 'bootstrap "empty" comes in a later release'),
    (minimal("[defaults.link]", "tls = true"), "tls comes in a later release; links are not"),
    (minimal("[defaults.link]", 'compression = "zstd"'), '"zstd" comes in a later release'),
    (minimal("[defaults]", 'dir = "/d/{name}"'), 'dir: "{name}" is not known; "{node}" is the'),
    (minimal("[auth]", 'user = "mesh"'), 'user "mesh": links that log in as an ACL user comes'),
    (minimal("[admin]", 'metrics_auth = "token"'), 'metrics_auth "token" comes in a later'),
    (minimal("[[admin.user]]", 'name = "ops"'), "[admin]: user comes in a later release"),
    (minimal("[admin]", 'bind = "8379"'), 'bind "8379" is not host:port'),
    (minimal("admin = 5"), "admin must be text in quotes"),
    (minimal(node='admin = "127.0.0.1:1"'), "takes the port that clients use, 1"),
    (minimal(node="site = [91, 0]"), "site must be [latitude, longitude] in degrees"),
    (minimal(node="port = 0"), "port 0 is out of range 1..65535"),
    (minimal(node='kind = "redis"'), 'kind "redis" is not one of mesh, keydb'),
    (minimal(node='kind = "keydb"'), 'every node is "keydb"; at least one must be a Plexis node'),
    (minimal('[[node]]\nname = "a b"\naddr = "k:1"'), 'name "a b": argument must be 1 to 63'),
    (minimal('[[node]]\nname = ""\naddr = "k:1"'), "[[node]]: name is empty"),
    (minimal('[[node]]\nname = "b"'), "addr is missing; it is what peers dial"),
    (
        minimal('[[node]]\nname = "b"\naddr = "h:1"'),
        '[[node]] "b": addr is the same as that of "a"',
    ),
    (
        minimal('[[node]]\nname = "b"\naddr = "h:2"'),
        'the admin page listens on 127.0.0.1:8379 of h, as that of "a" does; give each its own',
    ),
    (
        minimal('[[node]]\nname = "b"\naddr = "h:2"\nport = 1\nadmin = ""'),
        'listens on port 1 of h, as "a" does',
    ),
    (
        minimal('[[node]]\nname = "b"\naddr = "h:2"\nadmin = ""\n[defaults]\ndir = "/d"'),
        'dir /d of h is also that of "a"; use {node} in it',
    ),
    (minimal('[[link]]\nfrom = "a"\nto = "a"'), 'a link from "a" to itself'),
    (minimal('[[link]]\nfrom = "a"'), "[[link]]: to is missing"),
    (
        minimal(
            '[[node]]\nname = "b"\naddr = "k:1"',
            '[[link]]\nfrom = "a"\nto = "b"\n[[link]]\nfrom = "a"\nto = "b"',
        ),
        'the link from "a" to "b" is given twice',
    ),
    (
        minimal('[[node]]\nname = "b"\naddr = "k:1"\n[[link]]\nfrom="a"\nto="b"\npaused=true'),
        "a link that starts paused comes in a later release",
    ),
    (minimal("[node.tls]"), 'unknown key "tls" in [[node]] "a"'),
    ("schema = 1\nmesh = 1", "mesh must be a table, written [mesh]"),
    ("schema = 1\n[node]\nname = 1", "node must be written [[node]], once for each"),
    (
        "schema = 1\n" + "".join(f'[[node]]\nname="n{i}"\naddr="h{i}:1"\n' for i in range(65)),
        "a mesh has at most 64 nodes",
    ),
]


@pytest.mark.parametrize(("text", "message"), ONE_ERROR)
def test_each_mistake_is_named(text: str, message: str) -> None:
    assert message in report(text)


def test_what_is_only_doubtful_is_a_warning() -> None:
    text = minimal(
        '[[node]]\nname = "b"\naddr = "k:7"\nkind = "keydb"\nport = 7',
        '[[node]]\nname = "c"\naddr = "l:7"\nport = 8',
    )
    assert parse_mesh(text, "mesh.toml").warnings == [
        'mesh.toml:13: warning: [[node]] "b": port has no effect: a KeyDB node has its own'
        " keydb.conf",
        'mesh.toml:17: warning: [[node]] "c": listens on port 8, but peers dial 7; right only'
        " behind address translation",
    ]


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"can't open config file '/no/mesh.toml'"):
        conf.read_mesh_file("/no/mesh.toml")


def test_owners_of_keys_become_lines_for_a_node() -> None:
    text = minimal(mesh='owner_policy = "refuse"') + (
        '[[owner]]\nkeys = "jobs:*"\nnode = "hash"\n[[owner]]\nkeys = "locks:*"\nnode = "a"\n'
    )
    rows = parse_mesh(text, "mesh.toml").directives_for("a")
    assert ["mesh-owner", "jobs:*", "hash"] in rows
    assert ["mesh-owner", "locks:*", "a"] in rows
    assert ["mesh-owner-policy", "refuse"] in rows


def test_an_owner_must_be_a_node() -> None:
    with pytest.raises(ConfigError, match='no Plexis node is called "aa"'):
        parse_mesh(minimal() + '[[owner]]\nkeys = "jobs:*"\nnode = "aa"\n', "mesh.toml")
    with pytest.raises(ConfigError, match="keys is missing"):
        parse_mesh(minimal() + '[[owner]]\nnode = "a"\n', "mesh.toml")
