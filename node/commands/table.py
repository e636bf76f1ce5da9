"""The command table: all handler modules in order, loaded once.

Registration is this function and nothing else: importing a handler module registers nothing.
"""

from __future__ import annotations

from node.commands import (
    admin,
    client,
    config,
    connection,
    debug,
    expire,
    hashes,
    introspect,
    keys,
    pubsub,
    scan,
    sets,
    strings,
    transactions,
)  # fmt: skip
from node.commands.command import TABLE, Command, register

MODULES = (
    strings.COMMANDS, hashes.COMMANDS, sets.COMMANDS, keys.COMMANDS, expire.COMMANDS, scan.COMMANDS,
    transactions.COMMANDS, pubsub.COMMANDS, connection.COMMANDS, client.COMMANDS, config.COMMANDS,
    introspect.COMMANDS, admin.COMMANDS, debug.COMMANDS,
)  # fmt: skip


def load(more: tuple[Command, ...] = ()) -> None:
    """Fills the table; `more` are an extension's commands (the mesh's). Loading twice is
    harmless."""
    if not TABLE:
        for commands in MODULES:
            for command in commands:
                register(command)
    for command in more:
        if command.fullname not in TABLE:
            register(command)
