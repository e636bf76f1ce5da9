"""The reply of the HELP subcommands: one form, told apart by its lines."""

from __future__ import annotations

from collections.abc import Sequence

from node.resp.replies import Simple


def help_reply(command: str, lines: Sequence[str]) -> list[object]:
    """The head that Redis's HELP has, these lines, and HELP itself."""
    head = f"{command} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    return [Simple(line.encode()) for line in (head, *lines, "HELP", "    Print this help.")]
