"""hash_expiry."""

from __future__ import annotations

from node.commands.command import Command

COMMANDS: tuple[Command, ...] = ()
