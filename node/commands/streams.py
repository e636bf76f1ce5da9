"""Streams: adding, reading by range, deleting, trimming.  [compiled]

Groups are in stream_groups.py, XREAD and XREADGROUP in stream_reads.py.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.commands.args import Options, integer, syntax_error
from node.commands.command import (
    BLOCKING,
    DENYOOM,
    FAST,
    READONLY,
    WRITE,
    Command,
    at,
    behind,
)
from node.commands.context import Context
from node.commands.stream_args import (
    entries_reply,
    interval_end,
    interval_start,
    stream_id,
    stream_ids,
)
from node.commands.stream_reads import xread
from node.commands.stream_trim import (
    ACKED,
    DROP,
    NO_TRIM,
    DeleteOptions,
    TrimOptions,
    is_referenced,
    trimmed,
    unreferenced,
)
from node.resp.replies import EMPTY, NULL_ARRAY, OK, Failure
from node.store.effect import XADD, XDEL, XSETID
from node.store.values.stream_ids import ID_MAX, SEQUENCE_MAX, id_text, next_id_of_slot
from node.store.values.streams import Added, Deleted, Positions, StreamValue

NOT_THERE: Final = -1  # replies of XDELEX and XACKDEL for each ID
DELETED: Final = 1
REFERENCED: Final = 2

NO_SUCH_KEY: Final = b"ERR no such key"
ARITY: Final = b"ERR wrong number of arguments for 'xadd' command"
ZERO_ID: Final = b"ERR The ID specified in XADD must be greater than 0-0"
LAST_ID: Final = b"ERR The stream has exhausted the last possible ID, unable to add more items"
SMALL_ID: Final = (
    b"ERR The ID specified in XADD is equal or smaller than the target stream top item"
)
TOO_LARGE: Final = b"ERR Elements are too large to be stored"
ENTRY_BYTES_MAX: Final = 1 << 30
XADD_MODE: Final = "mesh-xadd-mode"
STRICT: Final = "strict"
LIBERAL: Final = "liberal"
FULL_ID: Final = (
    b"ERR mesh-xadd-mode is strict: give * or the milliseconds alone, or two nodes may give one ID"
)
BELOW_DELETED: Final = (
    b"ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id"
)
BELOW_KNOWN_DELETED: Final = (
    b"ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"
)
BELOW_TOP: Final = b"ERR The ID specified in XSETID is smaller than the target stream top item"
BELOW_LENGTH: Final = (
    b"ERR The entries_added specified in XSETID is smaller than the target stream length"
)


def next_id(ctx: Context, last: int) -> int:
    """The ID that * stands for: this millisecond, or the one after the last. The one place where
    IDs are made.

    In a mesh it is the hybrid clock's millisecond, and the sequence says who made it.
    """
    now_ms = int(ctx.now_ms())
    slot = int(ctx.writer.resolver.slot())
    if slot >= 0:
        return next_id_of_slot(last, slot, max(now_ms, int(ctx.writer.clock.last) >> 20))
    return now_ms << 64 if now_ms > last >> 64 else last + 1


def chosen_id(ctx: Context, options: TrimOptions | None, last: int) -> int:
    """The new entry's ID; Failure where it is not above the last."""
    if last == ID_MAX:
        raise Failure(LAST_ID)
    if options is None or options.number < 0:
        number = next_id(ctx, last)
        if number > ID_MAX:
            raise Failure(LAST_ID)
        return number
    number = options.number
    slot = int(ctx.writer.resolver.slot())
    if slot >= 0:
        mode = ctx.services.config.text(XADD_MODE)
        if mode != LIBERAL and (options.asks_sequence or options.lacks_sequence):
            number = next_id_of_slot(last, slot, number >> 64)
            if number >> 64 != options.number >> 64:
                raise Failure(SMALL_ID)
            return number
        if mode == STRICT:
            raise Failure(FULL_ID)
    if options.asks_sequence and last >> 64 == number >> 64:
        if last & SEQUENCE_MAX == SEQUENCE_MAX:
            raise Failure(SMALL_ID)
        return last + 1
    if number <= last:
        raise Failure(SMALL_ID)
    return number


def xadd(ctx: Context, args: list[bytes]) -> object:
    """XADD: the new entry's ID; nil where NOMKSTREAM finds no stream."""
    options: TrimOptions | None = None
    limits = ctx.services.stream_limits
    place = 2
    if args[2] != b"*":
        options = TrimOptions()
        options.read(args, True, limits.entries)
        place = options.at
    fields = len(args) - place - 1
    if fields < 2 or fields % 2 == 1:
        raise Failure(ARITY)
    if options is not None and options.number == 0 and not options.asks_sequence:
        raise Failure(ZERO_ID)
    value = ctx.stream(args[1])
    if value is None and options is not None and options.no_stream:
        return None
    number = chosen_id(ctx, options, 0 if value is None else value.last_id)
    size: i64 = 0
    i: i64 = place + 1
    n: i64 = len(args)
    while i < n:
        size += len(args[i])
        i += 1
    if size > ENTRY_BYTES_MAX:
        raise Failure(TOO_LARGE)
    ctx.reworded()
    ctx.emit(XADD, args[1], Added(number, args, place + 1, limits))
    if options is not None and options.strategy != NO_TRIM:
        value = ctx.stream(args[1])
        if value is not None:
            trimmed(ctx, args[1], value, options)
    return id_text(number)


def xlen(ctx: Context, args: list[bytes]) -> object:
    """XLEN: how many entries."""
    value = ctx.stream(args[1])
    return 0 if value is None else int(value.length)


def xrange(ctx: Context, args: list[bytes]) -> object:
    """XRANGE: entries from start to end."""
    return ranged(ctx, args, interval_start(args[2]), interval_end(args[3]), False)


def xrevrange(ctx: Context, args: list[bytes]) -> object:
    """XREVRANGE: entries from end back to start."""
    start = interval_start(args[3])
    return ranged(ctx, args, start, interval_end(args[2]), True)


def ranged(ctx: Context, args: list[bytes], start: int, end: int, is_back: bool) -> object:
    """The entries of an interval, at most COUNT."""
    count = -1
    options = Options(args, 4)
    while options.more():
        if options.word() != b"COUNT" or not options.has_value():
            raise syntax_error()
        count = max(integer(options.value()), 0)
    value = ctx.stream(args[1])
    if value is None:
        return EMPTY
    if count == 0:
        return NULL_ARRAY
    ids: list[int] = []
    fields: list[list[bytes]] = []
    if is_back:
        value.collect_back(start, end, count, ids, fields)
    else:
        value.collect(start, end, count, ids, fields)
    return entries_reply(ids, fields)


def xdel(ctx: Context, args: list[bytes]) -> object:
    """XDEL: how many of these entries there were."""
    value = ctx.stream(args[1])
    if value is None:
        return 0
    asked = dict.fromkeys(stream_ids(args, 2, len(args)))
    present = [number for number in asked if value.has(number)]
    if not present:
        return 0
    ctx.reworded()
    return ctx.emit(XDEL, args[1], Deleted(present))


def xdelex(ctx: Context, args: list[bytes]) -> object:
    """XDELEX: for each ID 1 deleted, 2 still referenced (ACKED), -1 not there."""
    value = ctx.stream(args[1])
    options = DeleteOptions(args, 2)
    if value is None:
        return [NOT_THERE] * options.count
    ids = options.ids(args)
    gone: dict[int, None] = {}
    replies: list[object] = []
    for number in ids:
        if options.references == ACKED and is_referenced(value, number, None):
            replies.append(REFERENCED)
        elif number not in gone and value.has(number):
            gone[number] = None
            replies.append(DELETED)
        else:
            replies.append(NOT_THERE)
    ctx.reworded()
    if gone:
        ctx.emit(XDEL, args[1], Deleted(list(gone)))
    if options.references == DROP:
        unreferenced(ctx, args[1], value, list(dict.fromkeys(ids)))
    return replies


def xtrim(ctx: Context, args: list[bytes]) -> object:
    """XTRIM: how many entries went."""
    options = TrimOptions()
    options.read(args, False, ctx.services.stream_limits.entries)
    value = ctx.stream(args[1])
    if value is None:
        return 0
    ctx.reworded()
    return trimmed(ctx, args[1], value, options)


def xsetid(ctx: Context, args: list[bytes]) -> object:
    """XSETID: OK."""
    number = stream_id(args[2])
    added = -1
    max_deleted = 0
    options = Options(args, 3)
    while options.more():
        word = options.word()
        if word == b"ENTRIESADDED" and options.has_value():
            added = integer(options.value())
            if added < 0:
                raise Failure(b"ERR entries_added must be positive")
        elif word == b"MAXDELETEDID" and options.has_value():
            max_deleted = stream_id(options.value())
            if number < max_deleted:
                raise Failure(BELOW_DELETED)
        else:
            raise syntax_error()
    value = ctx.stream(args[1])
    if value is None:
        raise Failure(NO_SUCH_KEY)
    check_positions(value, number, added)
    ctx.reworded()
    ctx.emit(XSETID, args[1], Positions(number, added, max_deleted))
    return OK


def check_positions(value: StreamValue, number: int, added: int) -> None:
    """Failure where XSETID would set a stream back behind what is in it."""
    if number < value.max_deleted_id:
        raise Failure(BELOW_KNOWN_DELETED)
    if value.length > 0:
        if number < value.last_entry_id():
            raise Failure(BELOW_TOP)
        if added >= 0 and value.length > added:
            raise Failure(BELOW_LENGTH)


class XaddCommand(Command):
    """Calls its handler directly."""

    def run(self, ctx: Context, args: list[bytes]) -> object:
        return xadd(ctx, args)


RANDOM: Final = ("nondeterministic_output",)

COMMANDS: tuple[Command, ...] = (
    XaddCommand(
        "XADD key [NOMKSTREAM] [KEEPREF | DELREF | ACKED] [<MAXLEN | MINID> [= | ~] threshold"
        " [LIMIT count]] <* | id> field value [field value ...]",
        xadd, WRITE | DENYOOM | FAST,
        keys=(at(1, "RW", "UPDATE"),), group="stream", since="5.0.0",
        cost="O(1) to add, O(N) to trim with N the entries that go",
        about="Adds an entry to a stream and makes the stream where there is none.", tips=RANDOM,
    ),
    Command(
        "XLEN key", xlen, READONLY | FAST,
        keys=(at(1, "RO"),), group="stream", since="5.0.0", cost="O(1)",
        about="Counts the entries of a stream.",
    ),
    Command(
        "XRANGE key start end [COUNT count]", xrange, READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="stream", since="5.0.0",
        cost="O(log N + M) with N the stream's nodes and M the entries returned",
        about="Shows the entries of a stream between two IDs.",
    ),
    Command(
        "XREVRANGE key end start [COUNT count]", xrevrange, READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="stream", since="5.0.0",
        cost="O(log N + M) with N the stream's nodes and M the entries returned",
        about="Shows the entries of a stream between two IDs, the last one first.",
    ),
    Command(
        "XREAD [COUNT count] [BLOCK milliseconds] <STREAMS key [key ...] id [id ...]>",
        xread, READONLY | BLOCKING,
        keys=(behind("STREAMS", 1, -1, 2, "RO", "ACCESS"),), group="stream", since="5.0.0",
        cost="O(log N + M) for each stream with M the entries returned",
        about="Reads what follows given IDs in several streams, or waits for it.",
    ),
    Command(
        "XDEL key id [id ...]", xdel, WRITE | FAST,
        keys=(at(1, "RW", "DELETE"),), group="stream", since="5.0.0",
        cost="O(log N) for each ID with N the stream's nodes",
        about="Deletes entries from a stream.",
    ),
    Command(
        "XDELEX key [KEEPREF | DELREF | ACKED] <IDS numids id [id ...]>", xdelex, WRITE | FAST,
        keys=(at(1, "RW", "DELETE"),), group="stream", since="8.2.0",
        cost="O(log N) for each ID with N the stream's nodes", arity=-5,
        about="Deletes entries from a stream, and says what becomes of groups' references to them.",
    ),
    Command(
        "XTRIM key <<MAXLEN | MINID> [= | ~] threshold [LIMIT count] [KEEPREF | DELREF | ACKED]>",
        xtrim, WRITE,
        keys=(at(1, "RW", "DELETE"),), group="stream", since="5.0.0",
        cost="O(N) with N the nodes that go",
        about="Takes the oldest entries out of a stream.", tips=RANDOM,
    ),
    Command(
        "XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]",
        xsetid, WRITE | DENYOOM | FAST,
        keys=(at(1, "RW", "UPDATE"),), group="stream", since="5.0.0", cost="O(1)",
        about="Sets the last ID of a stream, for copies of one.",
    ),
)  # fmt: skip
