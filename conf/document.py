"""docs/configuration.md and conf/examples/full.conf, both made from THE TABLE.

`python -m conf.document` writes the two files; tests fail while they are stale.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from conf.directives import TABLE, Directive
from conf.kinds_of_lists import LineRows
from conf.words import join_words

ROOT: Final = Path(__file__).resolve().parent.parent
MARKDOWN_PATH: Final = ROOT / "docs" / "configuration.md"
FULL_CONF_PATH: Final = ROOT / "conf" / "examples" / "full.conf"

_WHEN: Final = {
    "runtime": "at run time",
    "guarded": "at run time, guarded",
    "start": "at start",
    "hidden": "at run time",
    "file": "in a file",
}

_MARKDOWN_HEAD: Final = """\
# Configuration

<!-- Made by `python -m conf.document`. Edit conf/table_text.py or conf/document.py instead. -->

Plexis reads the configuration files of Redis 8.2 and KeyDB 6.3 as they are. Every directive of
both is known; a word that is none stops the start with the file, the line and the nearest name.
What is marked "no effect" is accepted and checked, shown by `CONFIG GET`, and named in one
warning at the start if its value asks for something else than the default.

    plexis-server [file.conf] [--directive word ...] [-] [--mesh file --node name]

- A line is a directive and its words. `#` begins a comment line. Words in double quotes know
  `\\xHH \\n \\r \\t \\b \\a`; words in single quotes stand as they are.
- `include path` reads another file; a pattern such as `conf.d/*.conf` reads all it matches.
- The command line counts after the file: `--port 6380 --replicaof 10.0.0.2 6379`. `-`, first or
  last, reads further lines from standard input, between the two. `--save` alone means no save
  points.
- Sizes: `1k` is 1000 bytes, `1kb` 1024, likewise `m`, `mb`, `g`, `gb`, in any case.
- `replicaof` may be repeated, and it does not matter whether `active-replica` and `multi-master`
  stand before or after it.
- "Set" says when a value may change: *at run time* with `CONFIG SET`; *guarded* only if
  `enable-protected-configs` allows; *at start* only in the file or on the command line.

`conf/examples/minimal.conf` is enough for one node, `conf/examples/full.conf` has every
directive with its default, `conf/examples/mesh.toml` describes a whole mesh in one file.
"""

_FULL_CONF_HEAD: Final = """\
# Every directive with its default. Made by `python -m conf.document` from conf/table_text.py.
# Take out the # before a directive to change it; docs/configuration.md explains the format.
# "No effect" marks what is accepted for the sake of existing files and does nothing here.
"""


def markdown() -> str:
    """The text of docs/configuration.md."""
    parts = [_MARKDOWN_HEAD]
    for group, directives in _groups():
        rows = [
            f"\n## {group}\n",
            "| Directive | Value | Default | Set | Meaning |",
            "| --- | --- | --- | --- | --- |",
            *(_markdown_row(directive) for directive in directives),
            "",
        ]
        parts.append("\n".join(rows))
    return "".join(parts)


def full_conf() -> str:
    """The text of conf/examples/full.conf."""
    lines = [_FULL_CONF_HEAD]
    for group, directives in _groups():
        lines.append(f"# ---- {group} {'-' * (88 - len(group))}\n")
        for directive in directives:
            note = "" if directive.built else " (no effect)"
            lines.append(f"# {_sentence(directive.help)}{note}")
            lines += [f"# {line}" for line in example_lines(directive)]
            lines.append("")
    return "\n".join(lines)


def example_lines(directive: Directive) -> list[str]:
    """Configuration lines that say the default, or show the form where there is none."""
    if isinstance(directive.kind, LineRows):
        return [_FORMS[directive.name]]
    rows = directive.kind.lines(directive.default)
    return [f"{directive.name} {join_words(words)}" for words in rows]


_FORMS: Final = {
    "replicaof": "replicaof 10.0.0.2 6379",
    "user": "user worker on >secret ~jobs:* +@all",
    "loadmodule": "loadmodule /path/to/module.so",
    "rename-command": 'rename-command KEYS ""',
    "storage-provider": "storage-provider flash /path/to/directory",
    "rdbfuzz-mode": "rdbfuzz-mode",
    "is-flash-enabled": "is-flash-enabled",
    "sentinel": "sentinel",
}


def _groups() -> Iterator[tuple[str, list[Directive]]]:
    names = dict.fromkeys(directive.group for directive in TABLE.values())
    for group in names:
        yield group, [directive for directive in TABLE.values() if directive.group == group]


def _markdown_row(directive: Directive) -> str:
    name = f"`{directive.name}`"
    if directive.aliases:
        name += " (" + ", ".join(f"`{alias}`" for alias in directive.aliases) + ")"
    default = ""
    if not isinstance(directive.kind, LineRows):
        lines = [join_words(words) for words in directive.kind.lines(directive.default)]
        default = "<br>".join(f"`{line}`" for line in lines)
    meaning = _sentence(directive.help) + ("" if directive.built else " *No effect.*")
    cells = [name, directive.kind.describe(), default, _WHEN[directive.when], meaning]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def main() -> None:
    """Write both files."""
    MARKDOWN_PATH.write_text(markdown(), encoding="utf-8")
    FULL_CONF_PATH.write_text(full_conf(), encoding="utf-8")


if __name__ == "__main__":
    main()
