"""The command table: all handler modules in order, loaded once.

Registration is this function and nothing else: importing a handler module registers nothing.
"""

from __future__ import annotations

from node.commands import (
    admin,
    bitmaps,
    client,
    config,
    connection,
    cron,
    debug,
    expire,
    geo,
    hash_expiry,
    hashes,
    hyperloglog,
    introspect,
    keydb,
    keys,
    list_blocking,
    list_moves,
    lists,
    payloads,
    pubsub,
    scan,
    sets,
    sort,
    stream_groups,
    stream_info,
    streams,
    strings,
    transactions,
    zset_algebra,
    zset_pops,
    zset_ranges,
    zsets,
)  # fmt: skip
from node.commands.command import TABLE, Command, register

MODULES = (
    strings.COMMANDS, bitmaps.COMMANDS, hyperloglog.COMMANDS, lists.COMMANDS, list_moves.COMMANDS,
    list_blocking.COMMANDS,
    hashes.COMMANDS, hash_expiry.COMMANDS, sets.COMMANDS, zsets.COMMANDS, zset_ranges.COMMANDS,
    zset_pops.COMMANDS, zset_algebra.COMMANDS, geo.COMMANDS, streams.COMMANDS,
    stream_groups.COMMANDS, stream_info.COMMANDS, keys.COMMANDS, payloads.COMMANDS,
    sort.COMMANDS, expire.COMMANDS,
    scan.COMMANDS, keydb.COMMANDS, cron.COMMANDS,
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
