"""The arguments of plexis-server, which are those of redis-server and keydb-server.

    plexis-server [file.conf] [--directive words ...] [-] [--mesh mesh.toml --node name]

An argument that begins with `--` begins a directive, unless the directive before it still has no
word: then it is that word (Redis 7). `--save` alone means no save points. One argument may hold
directive and words (`"--port 6380"`). `-`, first or last, reads more lines from standard input.
The file counts first, then standard input, then the directives of the command line.

argparse cannot read this language, since any number of words may follow any directive.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from conf.config import Config, Place
from conf.directives import find
from conf.errors import ConfigError
from conf.kinds_of_lists import LineRows
from conf.mesh_file import MeshConfig, read_mesh_file
from conf.parse import fatal, read_file, read_line, read_text, settle
from conf.version import PLEXIS_VERSION, REDIS_VERSION
from conf.words import plain_or_quoted, quote_word, split_words

_ACTIONS: Final = {"-v": "version", "--version": "version", "-h": "help", "--help": "help"}
_NOT_OFFERED: Final = ("--test-memory", "--check-system")

USAGE: Final = """\
usage: plexis-server [file.conf] [--directive word ...] [-] [--mesh file --node name]

  file.conf          configuration in the format of redis.conf and keydb.conf
  --directive word   any line of that file; counts after the file
  -                  first or last: read further lines from standard input
  --mesh file        a mesh.toml, the same on every node of the mesh
  --node name        which node of it this is
  -v, --version      print the version
  -h, --help         print this

  plexis-server --port 6380 --active-replica yes --multi-master yes --replicaof 10.0.0.2 6379
  plexis-server /etc/plexis/plexis.conf --loglevel verbose
  plexis-server --mesh mesh.toml --node fra-1

docs/configuration.md lists every directive.
"""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the command line asked for.

    `action` is run, version or help; for the last two only `text` counts, which is to be printed
    before the process exits with status 0. `warnings` are for the log. `mesh` and `node` are the
    mesh file and this node's name in it, if given.
    """

    config: Config
    warnings: list[str] = field(default_factory=list)
    mesh: MeshConfig | None = None
    node: str = ""
    action: str = "run"
    text: str = ""


@dataclass(slots=True)
class _Arguments:
    """The command line, cut up but not yet judged."""

    file: str = ""
    stdin: bool = False
    rows: list[list[str]] = field(default_factory=list)
    mesh: str = ""
    node: str = ""


def wants_stdin(argv: Sequence[str]) -> bool:
    """Whether `load` needs the text of standard input for these arguments (a `-` among them)."""
    if argv and (argv[0] in _ACTIONS or argv[0] in _NOT_OFFERED):
        return False
    return _cut_up(list(argv)).stdin


def load(argv: Sequence[str], stdin_text: str | None = None) -> Loaded:
    """Read the configuration these arguments ask for (argv without the program's name).

    `stdin_text` is all of standard input if `wants_stdin(argv)`. Raises ConfigError, whose text
    is complete; print it and exit with status 1.
    """
    if argv and argv[0] in _ACTIONS:
        action = _ACTIONS[argv[0]]
        text = version_text() if action == "version" else USAGE
        return Loaded(Config(), action=action, text=text)
    if argv and argv[0] in _NOT_OFFERED:
        raise ConfigError(f"plexis-server does not offer {argv[0]}; see plexis-server --help")
    arguments = _cut_up(list(argv))
    config = Config()
    lines_before = _read_file_and_stdin(config, arguments, stdin_text)
    for index, words in enumerate(arguments.rows):
        text = " ".join([words[0], *(quote_word(word) for word in words[1:])])
        # Redis counts options on from the end of the file, after one empty line.
        read_line(config, words, Place("option", "", lines_before + 2 + index, text))
    mesh, warnings = None, []
    if arguments.mesh or arguments.node:
        mesh = _mesh_of(arguments)
        warnings += mesh.warnings
        _take_mesh(config, mesh, arguments)
    return Loaded(config, warnings + settle(config), mesh, arguments.node)


def version_text() -> str:
    """One line for --version; the `v=` is what scripts look for in redis-server's."""
    return f"Plexis server v={PLEXIS_VERSION} (speaks Redis {REDIS_VERSION})\n"


def _cut_up(argv: list[str]) -> _Arguments:
    """Arguments -> file, directives with their words, mesh file and node name."""
    arguments = _Arguments()
    if argv and not argv[0].startswith("-"):
        arguments.file = os.path.abspath(argv.pop(0))
    waiting = False  # the last directive has no word yet, so the next argument is its word
    for index, argument in enumerate(argv):
        last = index == len(argv) - 1
        if argument == "-" and (last or (index == 0 and not arguments.file)):
            arguments.stdin = True
        elif argument.startswith("--") and not waiting:
            words = _option_words(argument)
            waiting = len(words) == 1
            if words == ["save"] and (last or argv[index + 1].startswith("--")):
                words.append("")
                waiting = False
            arguments.rows.append(words)
        elif not arguments.rows:
            raise ConfigError(
                f"plexis-server: argument {plain_or_quoted(argument)} belongs to no directive;"
                " a configuration file is the first argument, a directive begins with --"
            )
        else:
            arguments.rows[-1].append(argument)
            waiting = False
    _take_out_mesh(arguments)
    return arguments


def _option_words(argument: str) -> list[str]:
    try:
        words = split_words(argument[2:])
    except ConfigError as error:
        raise fatal(Place("option", "", 1, argument[2:]), str(error)) from None
    if not words:
        raise ConfigError(f"plexis-server: {plain_or_quoted(argument)} names no directive")
    return words


def _take_out_mesh(arguments: _Arguments) -> None:
    """--mesh and --node are no directives; keep them apart from those."""
    for name in ("mesh", "node"):
        for words in [row for row in arguments.rows if row[0] == name]:
            if len(words) != 2 or not words[1]:
                raise ConfigError(f"plexis-server: --{name} takes exactly one word")
            setattr(arguments, name, words[1])
            arguments.rows.remove(words)


def _read_file_and_stdin(config: Config, arguments: _Arguments, stdin_text: str | None) -> int:
    """Returns how many lines there were, from which Redis numbers the options on."""
    lines = 0
    if arguments.file:
        config.file = arguments.file
        text = read_file(arguments.file)
        read_text(config, text, Place("file", arguments.file))
        lines += text.count("\n")
    if arguments.stdin:
        if stdin_text is None:
            raise ConfigError("plexis-server: '-' asks for standard input, but there is none")
        read_text(config, stdin_text, Place("stdin", ""))
        lines += stdin_text.count("\n")
    return lines


def _mesh_of(arguments: _Arguments) -> MeshConfig:
    if not arguments.mesh:
        raise ConfigError(
            "plexis-server: --node names a node of a mesh file; give that with --mesh,"
            " or name this node with --node-name"
        )
    mesh = read_mesh_file(arguments.mesh)
    if not arguments.node:
        names = ", ".join(node.name for node in mesh.nodes)
        raise ConfigError(
            f"plexis-server: --mesh needs --node to say which node of {arguments.mesh} this is:"
            f" {names}"
        )
    return mesh


def _take_mesh(config: Config, mesh: MeshConfig, arguments: _Arguments) -> None:
    """Add what the mesh file says; links add up, and other contradictions are errors.

    A line of a configuration file that only repeats a default (the files Redis ships do that for
    port and dir) gives way to the mesh file; anything on the command line does not.
    """
    place = Place("mesh", mesh.file)
    clashes: list[str] = []
    for words in mesh.directives_for(arguments.node):
        name, values = words[0], words[1:]
        directive = find(name)
        assert directive is not None, f"a mesh file cannot give {name}"
        given = config.place(name)
        explicit = given is not None and (given.origin == "option" or config.changed(name))
        if isinstance(directive.kind, LineRows) or not explicit:
            config.assign(name, values, place)
        elif config.value(name) != directive.kind.parse(values):
            assert given is not None
            shown = "(another value)" if directive.sensitive else config.printed(name)
            wanted = "(a value)" if directive.sensitive else " ".join(values)
            clashes.append(
                f"  {name} is {wanted} in {mesh.file} for node {arguments.node},"
                f" but {shown} {given.describe()}"
            )
    if clashes:
        raise ConfigError(
            "\n".join(["The mesh file and other settings contradict each other:", *clashes])
            + "\nRemove one of the two."
        )
