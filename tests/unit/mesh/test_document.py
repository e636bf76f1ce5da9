"""docs/mesh_commands.md says what the tables say."""

from __future__ import annotations

from mesh.document import MARKDOWN_PATH, commands, markdown


def test_the_document_is_not_stale() -> None:
    assert MARKDOWN_PATH.read_text(encoding="utf-8") == markdown(), "run python -m mesh.document"


def test_every_command_of_the_mesh_says_what_it_does() -> None:
    for command in commands():
        assert command.about.endswith("."), command.syntax
