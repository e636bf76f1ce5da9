"""The example files are read without an error or a warning, and mean what they say."""

from __future__ import annotations

from pathlib import Path

import conf
from conf.config import Config, Place
from conf.directives import TABLE
from conf.document import example_lines
from conf.kinds_of_lists import LineRows
from conf.parse import read_text

EXAMPLES = Path(conf.__file__).parent / "examples"


def test_minimal_conf_gives_one_node() -> None:
    loaded = conf.load([str(EXAMPLES / "minimal.conf")])
    assert loaded.warnings == []
    assert loaded.config.number("port") == 6379
    assert loaded.config.rows("replicaof") == []


def test_full_conf_as_it_stands_changes_nothing() -> None:
    loaded = conf.load([str(EXAMPLES / "full.conf")])
    assert loaded.warnings == []
    assert not [name for name in TABLE if loaded.config.changed(name)]


def test_full_conf_holds_every_directive_and_each_line_is_right() -> None:
    text = (EXAMPLES / "full.conf").read_text(encoding="utf-8")
    for name, directive in TABLE.items():
        lines = example_lines(directive)
        for line in lines:
            assert f"\n# {line}\n" in text, name
        if name != "sentinel":
            config = Config()
            read_text(config, "\n".join(lines), Place("file"))
            assert config.changed(name) is isinstance(directive.kind, LineRows), name


def test_mesh_toml_gives_every_node_its_links() -> None:
    path = str(EXAMPLES / "mesh.toml")
    for node in conf.read_mesh_file(path).nodes:
        loaded = conf.load(["--mesh", path, "--node", node.name])
        assert loaded.warnings == []
        assert len(loaded.config.rows("replicaof")) == 2
        assert loaded.config.text("dir") == f"/var/lib/plexis/{node.name}"
