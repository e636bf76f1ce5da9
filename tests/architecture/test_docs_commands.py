"""docs/commands.md is made from the command table; it must be current.
`python -m node.commands.document` writes it."""

from __future__ import annotations

from node.commands.differences import DIFFERS
from node.commands.document import MARKDOWN_PATH, markdown
from node.commands.specs import CATEGORIES, CATEGORY_OF_GROUP
from node.commands.table import MODULES

STALE = "is stale: run `python -m node.commands.document`"


def test_commands_md_is_current() -> None:
    assert MARKDOWN_PATH.read_text(encoding="utf-8") == markdown(), f"{MARKDOWN_PATH} {STALE}"


def test_every_command_says_what_it_does_and_belongs_to_a_known_group() -> None:
    groups = {*CATEGORY_OF_GROUP, "pubsub", "server"}
    for command in (command for commands in MODULES for command in commands):
        assert command.about.endswith("."), command.syntax
        assert command.group in groups, command.syntax
        assert set(command.categories) <= set(CATEGORIES), command.syntax


def test_only_commands_of_the_table_differ() -> None:
    here = {bytes(command.fullname).decode() for commands in MODULES for command in commands}
    assert not set(DIFFERS) - here
