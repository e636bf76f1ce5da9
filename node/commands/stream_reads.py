"""XREAD and XREADGROUP: reading on from an ID in several streams, or waiting for more.  [compiled]

Who waits tries the whole command again when one of its keys was written, as Redis does: what it is
told then may be the entries of several streams, or that its group is gone.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.commands.args import echoed, integer, syntax_error
from node.commands.blocked import STILL, Blocked, block, deadline_after
from node.commands.context import Context
from node.commands.stream_args import entries_reply, stream_id
from node.resp.replies import NULL_ARRAY, Failure, Map
from node.store.effect import XDELIVER, XGROUP
from node.store.events import NO_EVENT, XGROUP_CREATECONSUMER
from node.store.values.groups import (
    CREATE_CONSUMER,
    KEEP_READS,
    UNKNOWN_READS,
    Consumer,
    Delivered,
    Group,
    GroupChange,
)
from node.store.values.stream_ids import ID_MAX, id_text
from node.store.values.streams import StreamValue

STABLE_READS: Final = "mesh-stream-stable-reads"
NO_INTEGER: Final = b"ERR timeout is not an integer or out of range"
ONLY_GROUP: Final = b"ERR The %s option is only supported by XREADGROUP. You called XREAD instead."
MEANINGLESS: Final = (
    b"ERR The %s ID is meaningless in the context of XREADGROUP: you want to read the history of "
    b"this consumer by specifying a proper ID, or use the > ID to get new messages. The %s ID "
    b"would just return an empty result set."
)
ONLY_GREATER: Final = (
    b"ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> "
    b"<consumer> option."
)
NO_GROUP: Final = b"NOGROUP No such key '%b' or consumer group '%b' in XREADGROUP with GROUP option"
UNBALANCED: Final = (
    b"ERR Unbalanced '%s' list of streams: for each stream key an %s must be specified."
)
NEW: Final = ID_MAX  # the ID > of XREADGROUP, as in Redis


class Request:
    """One XREAD or XREADGROUP, read: also what is tried again while it waits."""

    def __init__(self, args: list[bytes], is_group: bool) -> None:
        self.args = args
        self.is_group = is_group
        self.group = b""
        self.consumer = b""
        self.has_group = False
        self.no_ack = False
        self.count: i64 = 0
        self.until_ms = -1  # -1: does not wait
        self.first = 0  # where the keys begin
        self.streams = 0
        self.last = ID_MAX  # no entry behind this ID is shown

    def read(self, ctx: Context) -> None:
        """Reads the options; Failure with Redis's texts."""
        args = self.args
        n = len(args)
        at = 1
        while at < n and self.first == 0:
            word = args[at].upper()
            more = n - at - 1
            if word == b"BLOCK" and more:
                at += 1
                self.until_ms = deadline_after(ctx, integer(args[at], NO_INTEGER))
            elif word == b"COUNT" and more:
                at += 1
                self.count = max(integer(args[at]), 0)
            elif word == b"STREAMS" and more:
                self._read_streams(at + 1)
            elif word == b"GROUP" and more >= 2:
                if not self.is_group:
                    raise Failure(ONLY_GROUP % b"GROUP")
                self.group = args[at + 1]
                self.consumer = args[at + 2]
                self.has_group = True
                at += 2
            elif word == b"NOACK":
                if not self.is_group:
                    raise Failure(ONLY_GROUP % b"NOACK")
                self.no_ack = True
            else:
                raise syntax_error()
            at += 1
        if self.first == 0:
            raise syntax_error()
        if self.is_group and not self.has_group:
            raise Failure(b"ERR Missing GROUP option for XREADGROUP")

    def _read_streams(self, first: int) -> None:
        words = len(self.args) - first
        if words % 2:
            name = b"xreadgroup" if self.is_group else b"xread"
            what = b"ID or '>'" if self.is_group else b"ID, '+', or '$'"
            raise Failure(UNBALANCED % (name, what))
        self.first = first
        self.streams = words // 2

    def keys(self) -> list[bytes]:
        """The streams' keys."""
        return self.args[self.first : self.first + self.streams]

    def fix(self, ids: list[int]) -> None:
        """While it waits, $ stays what it was."""
        args = list(self.args)
        for i in range(self.streams):
            place = self.first + self.streams + i
            if args[place] == b"$":
                args[place] = id_text(ids[i])
        self.args = args

    def ids(self, ctx: Context) -> list[int]:
        """Behind which ID each stream is read; WRONGTYPE, NOGROUP."""
        found: list[int] = []
        for i in range(self.streams):
            key = self.args[self.first + i]
            value = ctx.stream(key)
            if value is None:
                ctx.services.notify.read_missed(int(ctx.db.number), key)
            if self.is_group and (value is None or self.group not in value.groups):
                raise Failure(NO_GROUP % (echoed(key), echoed(self.group)))
            found.append(self._id(value, self.args[self.first + self.streams + i]))
        return found

    def _id(self, value: StreamValue | None, arg: bytes) -> int:
        if arg == b"$" or arg == b"+":
            if self.is_group:
                raise Failure(MEANINGLESS % (arg, arg))
            if value is None:
                return 0
            if arg == b"+" and value.length > 0:
                return value.last_entry_id() - 1
            return value.last_id
        if arg == b">":
            if not self.is_group:
                raise Failure(ONLY_GREATER)
            return NEW
        return stream_id(arg)

    def serve(self, ctx: Context, ids: list[int]) -> object:
        """What there is in the streams; STILL where there is nothing."""
        self.last = last_readable(ctx)
        found: list[object] = []
        for i in range(self.streams):
            key = self.args[self.first + i]
            value = ctx.stream(key)
            if value is None:
                continue
            entries = (
                self._given(ctx, key, value, ids[i]) if self.is_group
                else self._newer(value, ids[i])
            )  # fmt: skip
            if entries is not None:
                found.append(key)
                found.append(entries)
        if not found:
            return STILL
        if ctx.client().resp >= 3:
            return Map(found)
        pairs: list[object] = []
        for i in range(0, len(found), 2):
            pairs.append([found[i], found[i + 1]])
        return pairs

    def _newer(self, value: StreamValue, after: int) -> list[object] | None:
        """XREAD's entries behind an ID."""
        if value.length == 0 or after >= self.last or value.last_entry_id() <= after:
            return None
        ids: list[int] = []
        fields: list[list[bytes]] = []
        value.collect(after + 1, self.last, self.count, ids, fields)
        return entries_reply(ids, fields) if ids else None

    def _given(
        self, ctx: Context, key: bytes, value: StreamValue, after: int
    ) -> list[object] | None:
        """XREADGROUP's entries: new ones for `>`, else what this consumer has pending."""
        group = value.groups[self.group]
        now_ms = int(ctx.now_ms())
        consumer = group.consumers.get(self.consumer)
        if consumer is None:
            change = GroupChange(CREATE_CONSUMER, self.group, 0, 0, self.consumer, now_ms)
            ctx.emit(XGROUP, key, change, 0, XGROUP_CREATECONSUMER)
            consumer = group.consumers[self.consumer]
        consumer.seen_ms = now_ms
        if after == NEW:
            return self._given_new(ctx, key, value, group, consumer)
        return self._given_again(ctx, key, value, group, consumer, after + 1)

    def _given_new(
        self, ctx: Context, key: bytes, value: StreamValue, group: Group, consumer: Consumer
    ) -> list[object] | None:
        if (
            value.length == 0 or group.last_id >= self.last
            or value.last_entry_id() <= group.last_id
        ):  # fmt: skip
            return None
        now_ms = int(ctx.now_ms())
        ids: list[int] = []
        fields: list[list[bytes]] = []
        value.collect(group.last_id + 1, self.last, self.count, ids, fields)
        if not ids:
            return None
        reads = reads_after(value, group, ids)
        deliveries: list[tuple[int, int, int]] = []
        if not self.no_ack:
            for number in ids:
                deliveries.append((number, now_ms, 1))
            consumer.active_ms = now_ms
        given = Delivered(self.group, self.consumer, deliveries, ids[len(ids) - 1], reads)
        ctx.emit(XDELIVER, key, given, 0, NO_EVENT)
        return entries_reply(ids, fields)

    def _given_again(
        self,
        ctx: Context,
        key: bytes,
        value: StreamValue,
        group: Group,
        consumer: Consumer,
        start: int,
    ) -> list[object]:
        """The history: entries that are gone come with nil in place of their fields."""
        now_ms = int(ctx.now_ms())
        count = self.count if self.count > 0 else consumer.pending.count
        found: list[object] = []
        deliveries: list[tuple[int, int, int]] = []
        for number in consumer.pending.from_id(start, count):
            fields = value.entry(number)
            if fields is None:
                found.append([id_text(number), NULL_ARRAY])
            else:
                found.append([id_text(number), fields])
                deliveries.append((number, now_ms, group.pending[number].count + 1))
        if deliveries:
            again = Delivered(self.group, self.consumer, deliveries, 0, KEEP_READS)
            ctx.emit(XDELIVER, key, again, 0, NO_EVENT)
        return found


class Reader(Blocked):
    """A client that waits in XREAD or XREADGROUP."""

    def __init__(self, ctx: Context, request: Request) -> None:
        super().__init__(ctx, request.keys(), request.until_ms)
        self.request = request
        self.needs_key = not request.is_group

    def retry(self, ctx: Context, key: bytes) -> object:
        request = self.request
        if not request.is_group and not isinstance(ctx.db.glance(key), StreamValue):
            return STILL
        return request.serve(ctx, request.ids(ctx))


def last_readable(ctx: Context) -> int:
    """The last ID that may be read: with mesh-stream-stable-reads none behind which an entry of a
    peer may still come to stand, so that no reader's position ever passes one."""
    if not ctx.services.config.yes(STABLE_READS):
        return ID_MAX
    settled_ms = int(ctx.writer.resolver.settled_ms())
    return ID_MAX if settled_ms < 0 else (settled_ms << 64) - 1


def reads_after(value: StreamValue, group: Group, ids: list[int]) -> int:
    """The group's entries_read when it has delivered these entries too."""
    reads = group.entries_read
    last = group.last_id
    for number in ids:
        if reads != UNKNOWN_READS and last >= value.first_id and not value.has_gaps(last):
            reads += 1
        elif value.entries_added:
            reads = value.distance(number)
        last = number
    return reads


def xread(ctx: Context, args: list[bytes]) -> object:
    """XREAD: what is new in the streams; nil where there is nothing in time."""
    return read(ctx, Request(args, False))


def xreadgroup(ctx: Context, args: list[bytes]) -> object:
    """XREADGROUP: what is given to this consumer."""
    ctx.reworded()
    return read(ctx, Request(args, True))


def read(ctx: Context, request: Request) -> object:
    """Serves the request now, or lets the client wait."""
    request.read(ctx)
    ids = request.ids(ctx)
    reply = request.serve(ctx, ids)
    if reply is not STILL:
        return reply
    if request.until_ms < 0:
        return NULL_ARRAY
    request.fix(ids)
    return block(ctx, Reader(ctx, request))
