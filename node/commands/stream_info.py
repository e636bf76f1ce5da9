"""XINFO: what there is to know of a stream, its groups and their consumers."""

from __future__ import annotations

from typing import Final

from node.commands.args import echoed, integer
from node.commands.command import LOADING, READONLY, STALE, Command, at
from node.commands.context import Context
from node.commands.help import help_reply
from node.commands.stream_args import entries_reply, entry_reply
from node.commands.stream_groups import NO_GROUP, wrong_subcommand
from node.commands.streams import NO_SUCH_KEY, RANDOM
from node.resp.replies import Failure, Map
from node.store.values.groups import NEVER, UNKNOWN_READS, Consumer, Group
from node.store.values.stream_ids import ID_MAX, id_text
from node.store.values.streams import StreamValue

SHOWN: Final = 10  # entries and pending ones in FULL without COUNT
HELP: Final = (
    "CONSUMERS <key> <groupname>",
    "    Show consumers of <groupname>.",
    "GROUPS <key>",
    "    Show the stream consumer groups.",
    "STREAM <key> [FULL [COUNT <count>]",
    "    Show information about the stream.",
)


def known_stream(ctx: Context, key: bytes) -> StreamValue:
    """The stream; Failure where there is none."""
    value = ctx.stream(key)
    if value is None:
        raise Failure(NO_SUCH_KEY)
    return value


def xinfo_stream(ctx: Context, args: list[bytes]) -> object:
    """XINFO STREAM, with FULL also entries, groups and what is pending."""
    value = known_stream(ctx, args[2])
    count = SHOWN
    if len(args) > 3:
        if len(args) not in (4, 6) or args[3].upper() != b"FULL":
            raise wrong_subcommand(args)
        if len(args) == 6:
            if args[4].upper() != b"COUNT":
                raise wrong_subcommand(args)
            count = integer(args[5])
            if count < 0:
                count = SHOWN
    found: list[object] = [
        b"length", int(value.length),
        b"radix-tree-keys", int(value.node_count()),
        b"radix-tree-nodes", int(value.rax_nodes()),
        b"last-generated-id", id_text(value.last_id),
        b"max-deleted-entry-id", id_text(value.max_deleted_id),
        b"entries-added", value.entries_added,
        b"recorded-first-entry-id", id_text(value.first_id),
    ]  # fmt: skip
    if len(args) == 3:
        found += [
            b"groups", len(value.groups),
            b"first-entry", edge(value, False),
            b"last-entry", edge(value, True),
        ]  # fmt: skip
        return Map(found)
    ids: list[int] = []
    fields: list[list[bytes]] = []
    value.collect(0, ID_MAX, count, ids, fields)
    groups: list[object] = [full_group(value, group, count) for group in value.groups_in_order()]
    found += [b"entries", entries_reply(ids, fields), b"groups", groups]
    return Map(found)


def edge(value: StreamValue, is_last: bool) -> object:
    """The first or the last entry, nil where there is none."""
    ids: list[int] = []
    fields: list[list[bytes]] = []
    if is_last:
        value.collect_back(0, ID_MAX, 1, ids, fields)
    else:
        value.collect(0, ID_MAX, 1, ids, fields)
    return entry_reply(ids[0], fields[0]) if ids else None


def full_group(value: StreamValue, group: Group, count: int) -> Map:
    """A group as FULL has it; `count` bounds the pending entries, 0: all."""
    shown = count if count > 0 else group.order.count
    pending: list[object] = []
    for number in group.order.from_id(0, shown):
        known = group.pending[number]
        pending.append([id_text(number), known.consumer.name, known.time_ms, known.count])
    consumers: list[object] = [full_consumer(group, each, count) for each in group.in_order()]
    return Map(
        [
            b"name", group.name,
            b"last-delivered-id", id_text(group.last_id),
            b"entries-read", reads_reply(group),
            b"lag", lag(value, group),
            b"pel-count", int(group.order.count),
            b"pending", pending,
            b"consumers", consumers,
        ]
    )  # fmt: skip


def full_consumer(group: Group, consumer: Consumer, count: int) -> Map:
    """A consumer as FULL has it."""
    shown = count if count > 0 else consumer.pending.count
    pending: list[object] = []
    for number in consumer.pending.from_id(0, shown):
        known = group.pending[number]
        pending.append([id_text(number), known.time_ms, known.count])
    return Map(
        [
            b"name", consumer.name,
            b"seen-time", consumer.seen_ms,
            b"active-time", consumer.active_ms,
            b"pel-count", int(consumer.pending.count),
            b"pending", pending,
        ]
    )  # fmt: skip


def reads_reply(group: Group) -> object:
    """entries-read, nil where it cannot be told."""
    return None if group.entries_read == UNKNOWN_READS else group.entries_read


def lag(value: StreamValue, group: Group) -> object:
    """How many entries the group has not delivered yet, nil where that cannot be told."""
    added = value.entries_added
    if added == 0 or value.length == 0:
        return 0
    if group.last_id < value.first_id and value.max_deleted_id < value.first_id:
        return int(value.length)
    if group.entries_read != UNKNOWN_READS and not value.has_gaps(group.last_id):
        return added - group.entries_read
    reads = value.distance(group.last_id)
    return None if reads == UNKNOWN_READS else added - reads


def xinfo_groups(ctx: Context, args: list[bytes]) -> object:
    """XINFO GROUPS: each group with its progress."""
    value = known_stream(ctx, args[2])
    found: list[object] = []
    for group in value.groups_in_order():
        found.append(
            Map(
                [
                    b"name", group.name,
                    b"consumers", len(group.consumers),
                    b"pending", int(group.order.count),
                    b"last-delivered-id", id_text(group.last_id),
                    b"entries-read", reads_reply(group),
                    b"lag", lag(value, group),
                ]
            )
        )  # fmt: skip
    return found


def xinfo_consumers(ctx: Context, args: list[bytes]) -> object:
    """XINFO CONSUMERS: each consumer of a group; times in ms."""
    value = known_stream(ctx, args[2])
    group = value.groups.get(args[3])
    if group is None:
        raise Failure(NO_GROUP % (echoed(args[3]), echoed(args[2])))
    now_ms = int(ctx.now_ms())
    found: list[object] = []
    for consumer in group.in_order():
        active_ms = consumer.active_ms
        found.append(
            Map(
                [
                    b"name", consumer.name,
                    b"pending", int(consumer.pending.count),
                    b"idle", max(now_ms - consumer.seen_ms, 0),
                    b"inactive", NEVER if active_ms == NEVER else now_ms - active_ms,
                ]
            )
        )  # fmt: skip
    return found


def xinfo_help(ctx: Context, args: list[bytes]) -> object:
    """XINFO HELP."""
    return help_reply("XINFO", HELP)


COMMANDS: tuple[Command, ...] = (
    Command(
        "XINFO STREAM key [FULL [COUNT count]]", xinfo_stream, READONLY,
        keys=(at(2, "RO", "ACCESS"),), group="stream", since="5.0.0",
        cost="O(1); O(N) with N the stream's nodes for the first call after their number changed",
        about="Describes a stream.",
    ),
    Command(
        "XINFO GROUPS key", xinfo_groups, READONLY,
        keys=(at(2, "RO", "ACCESS"),), group="stream", since="5.0.0",
        cost="O(N) with N the groups", about="Describes the consumer groups of a stream.",
    ),
    Command(
        "XINFO CONSUMERS key group", xinfo_consumers, READONLY,
        keys=(at(2, "RO", "ACCESS"),), group="stream", since="5.0.0",
        cost="O(N) with N the consumers", about="Describes the consumers of a group.",
        tips=RANDOM,
    ),
    Command(
        "XINFO HELP", xinfo_help, LOADING | STALE, group="stream", since="5.0.0", cost="O(1)",
        about="Lists the subcommands.", categories=("stream",),
    ),
)  # fmt: skip
