"""plexis-server takes the arguments of redis-server and keydb-server, and a mesh file."""

from __future__ import annotations

from pathlib import Path

import pytest

import conf
from conf.errors import ConfigError
from conf.version import PLEXIS_VERSION, REDIS_VERSION

FATAL = f"*** FATAL CONFIG FILE ERROR (Plexis {PLEXIS_VERSION}) ***"
MESH = """\
schema = 1
[mesh]
name = "m"
[[node]]
name = "a"
addr = "10.0.0.1:7001"
[[node]]
name = "b"
addr = "10.0.0.2:7002"
"""


def load(*argv: str, stdin: str | None = None) -> conf.Loaded:
    return conf.load(list(argv), stdin)


def error_of(*argv: str, stdin: str | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(*argv, stdin=stdin)
    return str(caught.value)


@pytest.fixture
def mesh_file(tmp_path: Path) -> str:
    path = tmp_path / "mesh.toml"
    path.write_text(MESH)
    return str(path)


def test_no_arguments_give_the_defaults() -> None:
    loaded = load()
    assert (loaded.action, loaded.warnings, loaded.mesh, loaded.node) == ("run", [], None, "")
    assert loaded.config.number("port") == 6379
    assert loaded.config.file == ""


def test_each_option_takes_the_words_up_to_the_next() -> None:
    loaded = load(
        *("--port", "6380", "--multi-master", "yes", "--active-replica", "yes"),
        *("--replicaof", "h", "1", "--replicaof", "h2", "2", "--bind", "127.0.0.1", "::1"),
    )
    assert loaded.config.number("port") == 6380
    assert loaded.config.rows("replicaof") == [["h", "1"], ["h2", "2"]]
    assert loaded.config.words("bind") == ["127.0.0.1", "::1"]
    assert loaded.warnings == []


def test_replicaof_no_one_clears_the_list_so_far() -> None:
    loaded = load("--replicaof", "h", "1", "--replicaof", "no", "one", "--replicaof", "k", "2")
    assert loaded.config.rows("replicaof") == [["k", "2"]]


def test_option_and_words_may_be_one_argument() -> None:
    assert load("--port 6380").config.number("port") == 6380
    assert load("--port 6380", "--hz", "50").config.number("hz") == 50
    assert load("--replicaof", "h 1").config.rows("replicaof") == [["h", "1"]]
    assert load("--PORT", "1").config.number("port") == 1


def test_words_of_options_are_not_split_or_unquoted_again() -> None:
    assert load("--requirepass", 'a "b').config.text("requirepass") == 'a "b'
    assert load("--logfile", "").config.text("logfile") == ""


@pytest.mark.parametrize(
    ("argv", "rows"),
    [
        (["--save"], []),
        (["--save", "--port", "1"], []),
        (["--save", ""], []),
        (["--save", "60", "1"], [["60", "1"]]),
        (["--save", "60 1 30 2"], [["60", "1"], ["30", "2"]]),
        (["--save", "60", "1", "--save", "30", "2"], [["60", "1"], ["30", "2"]]),
    ],
)
def test_save_without_words_means_no_save_points(argv: list[str], rows: list[list[str]]) -> None:
    assert load(*argv).config.rows("save") == rows


def test_a_word_with_dashes_belongs_to_an_option_that_has_none_yet() -> None:
    loaded = load("--requirepass", "--port", "--port", "7")
    assert loaded.config.text("requirepass") == "--port"
    assert loaded.config.number("port") == 7


def test_the_arguments_of_keydb_s_helm_chart_are_accepted() -> None:
    loaded = load(
        *("--bind", "0.0.0.0", "--port", "6379", "--dir", "/data", "--requirepass", "p"),
        *("--masterauth", "p", "--server-threads", "2", "--multi-master", "yes"),
        *("--active-replica", "yes", "--protected-mode", "no", "--appendonly", "no"),
        *("--replicaof", "k-1.k-headless.ns.svc", "6379"),
        *("--replicaof", "k-2.k-headless.ns.svc", "6379"),
    )
    assert len(loaded.config.rows("replicaof")) == 2
    assert loaded.warnings == ["server-threads accepted, but one core serves all clients"]


def test_the_file_counts_first_then_standard_input_then_options(tmp_path: Path) -> None:
    path = tmp_path / "plexis.conf"
    path.write_text("port 1\ntimeout 1\nhz 11\nsave 900 1\n")
    argv = [str(path), "--hz", "13", "--save", "60", "2", "-"]
    assert conf.wants_stdin(argv)
    config = load(*argv, stdin="timeout 2\nhz 12\n").config
    assert (config.number("port"), config.number("timeout"), config.number("hz")) == (1, 2, 13)
    assert config.printed("save") == "900 1 60 2"
    assert config.file == str(path)


def test_a_dash_first_or_last_is_standard_input_and_a_word_elsewhere() -> None:
    assert load("-", "--hz", "20", stdin="port 5\n").config.number("port") == 5
    assert load("--hz", "20", "-", stdin="port 5\n").config.number("port") == 5
    assert not conf.wants_stdin(["--requirepass", "-", "--port", "1"])
    assert load("--requirepass", "-", "--port", "1").config.text("requirepass") == "-"
    assert not conf.wants_stdin([]) and not conf.wants_stdin(["--version", "-"])
    assert "there is none" in error_of("-")


@pytest.mark.parametrize("argument", ["-v", "--version"])
def test_version_is_an_action(argument: str) -> None:
    loaded = load(argument)
    assert loaded.action == "version"
    assert loaded.text == f"Plexis server v={PLEXIS_VERSION} (speaks Redis {REDIS_VERSION})\n"


@pytest.mark.parametrize("argument", ["-h", "--help"])
def test_help_is_an_action(argument: str) -> None:
    loaded = load(argument)
    assert loaded.action == "help"
    assert loaded.text.startswith("usage: plexis-server [file.conf]")


ERRORS = [
    (
        ["--prot", "1"],
        f"{FATAL}\nReading the configuration file, at line 2\n>>> 'prot \"1\"'\n"
        'Bad directive or wrong number of arguments\nDid you mean "port"?\nOn the command line',
    ),
    (
        ["--hz", "1", "--loglevel", "--port", "0"],
        f"{FATAL}\nReading the configuration file, at line 3\n"
        '>>> \'loglevel "--port" "0"\'\nwrong number of arguments\nOn the command line',
    ),
    (
        ["--requirepass", "a", "b"],
        f"{FATAL}\nReading the configuration file, at line 2\n"
        ">>> 'requirepass (value not shown)'\nwrong number of arguments\nOn the command line",
    ),
    (
        ["/no/such.conf"],
        "Fatal error, can't open config file '/no/such.conf': No such file or directory",
    ),
    (
        ["-x", "y"],
        "plexis-server: argument -x belongs to no directive; a configuration file is the first"
        " argument, a directive begins with --",
    ),
    (["--"], "plexis-server: -- names no directive"),
    (
        ["--test-memory", "1"],
        "plexis-server does not offer --test-memory; see plexis-server --help",
    ),
    (["--mesh"], "plexis-server: --mesh takes exactly one word"),
    (
        ["--node", "a"],
        "plexis-server: --node names a node of a mesh file; give that with --mesh,"
        " or name this node with --node-name",
    ),
]


@pytest.mark.parametrize(("argv", "message"), ERRORS)
def test_errors_say_what_where_and_what_to_do(argv: list[str], message: str) -> None:
    assert error_of(*argv) == message


def test_an_error_on_standard_input_says_so() -> None:
    assert error_of("-", stdin="port 1\nport x\n").endswith(
        "at line 2\n>>> 'port x'\nargument couldn't be parsed into an integer\nOn standard input"
    )


def test_a_mesh_file_configures_the_node_it_names(mesh_file: str) -> None:
    loaded = load("--mesh", mesh_file, "--node", "a")
    assert loaded.node == "a" and loaded.mesh is not None
    config = loaded.config
    assert config.text("node-name") == "a"
    assert config.number("port") == 7001
    assert config.yes("active-replica") and config.yes("multi-master")
    assert config.rows("replicaof") == [["10.0.0.2", "7002"]]
    assert loaded.warnings == []


def test_links_on_the_command_line_are_added_to_those_of_the_mesh(mesh_file: str) -> None:
    loaded = load(
        "--mesh",
        mesh_file,
        "--node",
        "a",
        "--replicaof",
        "10.0.0.2",
        "7002",
        "--replicaof",
        "h",
        "1",
    )
    assert sorted(loaded.config.rows("replicaof")) == [["10.0.0.2", "7002"], ["h", "1"]]


def test_the_mesh_file_and_an_option_that_contradicts_it_are_both_named(mesh_file: str) -> None:
    assert error_of("--mesh", mesh_file, "--node", "a", "--port", "6379") == (
        "The mesh file and other settings contradict each other:\n"
        f"  port is 7001 in {mesh_file} for node a, but 6379 on the command line\n"
        "Remove one of the two."
    )


def test_a_file_may_repeat_defaults_beside_a_mesh_file(mesh_file: str, tmp_path: Path) -> None:
    path = tmp_path / "redis.conf"
    path.write_text("port 6379\n")
    config = load(str(path), "--mesh", mesh_file, "--node", "a").config
    assert config.number("port") == 7001
    path.write_text("timeout 1\nport 6380\n")
    assert f"but 6380 in {path}:2\n" in error_of(str(path), "--mesh", mesh_file, "--node", "a")


def test_a_mesh_file_needs_a_node_of_it(mesh_file: str) -> None:
    assert error_of("--mesh", mesh_file) == (
        f"plexis-server: --mesh needs --node to say which node of {mesh_file} this is: a, b"
    )
    assert error_of("--mesh", mesh_file, "--node", "c") == (
        f'{mesh_file}: no node is called "c" (nodes: a, b)'
    )
