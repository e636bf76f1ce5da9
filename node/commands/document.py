"""docs/commands.md, made from the command table.

`python -m node.commands.document` writes it; a test fails while it is stale.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from node.commands.command import ADMIN, READONLY, WRITE, Command
from node.commands.differences import DIFFERS
from node.commands.specs import categories
from node.commands.table import MODULES

MARKDOWN_PATH: Final = Path(__file__).resolve().parents[2] / "docs" / "commands.md"

# The order of the chapters; a group that is not here follows at the end.
GROUPS: Final = {
    "string": "Strings",
    "bitmap": "Bitmaps",
    "hyperloglog": "HyperLogLog",
    "list": "Lists",
    "hash": "Hashes",
    "set": "Sets",
    "sorted-set": "Sorted sets",
    "geo": "Geo",
    "stream": "Streams",
    "generic": "Keys",
    "transactions": "Transactions",
    "pubsub": "Publish and subscribe",
    "connection": "Connection",
    "server": "Server",
}

HEAD: Final = """\
# Commands

<!-- Made by `python -m node.commands.document`. Edit the COMMANDS of the handlers instead. -->

What a node understands. A command that Redis 8.2 has too takes the same arguments, gives the same
replies and errors in RESP2 and RESP3, and shows the same in `COMMAND INFO`; the transcripts in
`tests/commands` run on both.

`[x]` may be left out, `a | b` is one of them, `...` repeats what its brackets hold. "Since" is the
Redis version that brought the command. Kind: R reads keys, W writes keys, A is for administrators.

The last column says what differs from Redis 8.2.3; nothing does where it is empty. Of all commands:
large values are freed in slices between commands, whoever drops them; cursors of the SCAN family
are our own; a write made while a transaction watches the key spoils it also where it changes
nothing that a client could see. An active mesh refuses what has no meaning under concurrent writes.
"""


def markdown() -> str:
    """The text of docs/commands.md."""
    parts = [HEAD]
    for group, commands in grouped():
        parts.append(f"\n## {GROUPS.get(group, group.capitalize())}\n\n")
        parts.append("| Command | Kind | Meaning | Cost | Since | Differs |\n")
        parts.append("| --- | --- | --- | --- | --- | --- |\n")
        parts += [row(command) + "\n" for command in commands]
    return "".join(parts)


def grouped() -> Iterator[tuple[str, list[Command]]]:
    """The groups in order, each with its commands by name; an extension's are not among them."""
    found: dict[str, list[Command]] = {group: [] for group in GROUPS}
    for module in MODULES:
        for command in module:
            found.setdefault(command.group, []).append(command)
    for group, commands in found.items():
        if commands:
            yield group, sorted(commands, key=lambda command: bytes(command.fullname))


def row(command: Command) -> str:
    """One line of a table."""
    about = command.about[:1].upper() + command.about[1:]
    differs = DIFFERS.get(bytes(command.fullname).decode(), "")
    cells = [f"`{command.syntax}`", kind(command), about, command.cost, command.since, differs]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def kind(command: Command) -> str:
    """R, W or A, or nothing."""
    flags = command.flags
    letters = "R" if flags & READONLY else "W" if flags & WRITE else ""
    return letters + ("A" if flags & ADMIN or "admin" in categories(command) else "")


def main() -> None:
    """Writes the file."""
    MARKDOWN_PATH.write_text(markdown(), encoding="utf-8")


if __name__ == "__main__":
    main()
