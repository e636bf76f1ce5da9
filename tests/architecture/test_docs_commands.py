"""docs/commands.md is made from the command table; it must be current.
`python -m node.commands.document` writes it."""

from __future__ import annotations

from node.commands.command import TABLE
from node.commands.document import MARKDOWN_PATH, markdown
from node.commands.specs import CATEGORIES, CATEGORY_OF_GROUP


def test_commands_md_is_current() -> None:
    stale = f"{MARKDOWN_PATH} is stale: run `python -m node.commands.document`"
    assert MARKDOWN_PATH.read_text(encoding="utf-8") == markdown(), stale


def test_every_command_and_subcommand_is_documented() -> None:
    text = markdown()
    for command in TABLE.values():
        for each in (command, *(command.subcommands or {}).values()):
            if each is command and each.subcommands and not each.flags:
                continue  # a container: its subcommands stand for it
            line = each.syntax.replace("|", "\\|")
            assert f"`{line}`" in text, each.syntax


def test_every_command_says_what_it_does_and_belongs_to_a_known_group() -> None:
    markdown()  # loads the table
    groups = {*CATEGORY_OF_GROUP, "pubsub", "server", "mesh"}
    for command in TABLE.values():
        for each in (command, *(command.subcommands or {}).values()):
            assert each.about.endswith("."), each.syntax
            assert each.group in groups, each.syntax
            assert set(each.categories) <= set(CATEGORIES), each.syntax
