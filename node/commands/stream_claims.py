"""XPENDING, XCLAIM, XAUTOCLAIM: what is pending in a group, and who takes it over.  [compiled]"""

from __future__ import annotations

from typing import Final

from node.commands.args import Options, echoed, in_range, integer, syntax_error
from node.commands.context import Context
from node.commands.stream_args import (
    entry_reply,
    group_of,
    interval_end,
    interval_start,
    stream_id,
)
from node.resp.replies import NULL_ARRAY, Failure
from node.store.effect import XACK, XDELIVER, XGROUP
from node.store.events import NO_EVENT, XGROUP_CREATECONSUMER
from node.store.values.groups import (
    CREATE_CONSUMER,
    KEEP_READS,
    Acknowledged,
    Consumer,
    Delivered,
    Group,
    GroupChange,
)
from node.store.values.stream_ids import id_text, read_id
from node.store.values.streams import StreamValue
from node.store.values.strings import I64_MAX

NO_GROUP: Final = b"NOGROUP No such key '%b' or consumer group '%b'"
BAD_IDLE: Final = b"ERR Invalid min-idle-time argument for %s"
BAD_OPTION: Final = b"ERR Invalid %s option argument for XCLAIM"
TOO_MANY: Final = b"ERR Insufficient memory, failed allocating transient memory, COUNT too high."
CLAIMS: Final = 100  # of XAUTOCLAIM without COUNT
ATTEMPTS: Final = 10  # entries looked at for each that may be claimed
COUNT_MAX: Final = I64_MAX // 16
COUNT_THAT_FITS: Final = 1 << 42  # a list of so many IDs is more than any memory
SCANNED_AT_ONCE: Final = 1000


def xpending(ctx: Context, args: list[bytes]) -> object:
    """XPENDING: a summary, or the entries of an interval."""
    n = len(args)
    if n != 3 and (n < 6 or n > 9):
        raise syntax_error()
    if n == 3:
        return summary(pending_group(ctx, args))
    begin = 3
    least_idle = 0
    if args[3].upper() == b"IDLE":
        least_idle = integer(args[4])
        if n < 8:
            raise syntax_error()
        begin = 5
    count = max(integer(args[begin + 2]), 0)
    start = interval_start(args[begin])
    end = interval_end(args[begin + 1])
    group = pending_group(ctx, args)
    order = group.order
    if begin + 3 < n:
        consumer = group.consumers.get(args[begin + 3])
        if consumer is None:
            return []
        order = consumer.pending
    now_ms = int(ctx.now_ms())
    found: list[object] = []
    while count > len(found):
        wanted = count - len(found)
        if least_idle or wanted > SCANNED_AT_ONCE:
            wanted = SCANNED_AT_ONCE
        ids = order.from_id(start, wanted)
        for number in ids:
            if number > end:
                return found
            known = group.pending[number]
            idle = now_ms - known.time_ms
            if least_idle and idle < least_idle:
                continue
            found.append([id_text(number), known.consumer.name, max(idle, 0), known.count])
        if not ids:
            return found
        start = ids[len(ids) - 1] + 1
    return found


def pending_group(ctx: Context, args: list[bytes]) -> Group:
    """The group; Failure where it or its key is lacking."""
    _, group = group_of(ctx, args[1], args[2])
    if group is None:
        raise Failure(NO_GROUP % (echoed(args[1]), echoed(args[2])))
    return group


def summary(group: Group) -> list[object]:
    """How many entries are pending, the first and the last of them, and how many with whom."""
    if group.order.count == 0:
        return [0, None, None, NULL_ARRAY]
    holders: list[object] = []
    for consumer in group.in_order():
        if consumer.pending.count:
            holders.append([consumer.name, b"%d" % consumer.pending.count])
    order = group.order
    return [int(order.count), id_text(order.first()), id_text(order.last()), holders]


class ClaimOptions:
    """XCLAIM's options, behind its IDs. Times in ms; -1: not given."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.time_ms = -1
        self.retries = -1
        self.force = False
        self.just_id = False
        self.last_id = 0

    def read(self, args: list[bytes], begin: int) -> None:
        """Failure with Redis's texts."""
        at = begin
        while at < len(args):
            word = args[at].upper()
            more = at + 1 < len(args)
            if word == b"FORCE":
                self.force = True
            elif word == b"JUSTID":
                self.just_id = True
            elif word in (b"IDLE", b"TIME", b"RETRYCOUNT") and more:
                at += 1
                number = integer(args[at], BAD_OPTION % word)
                if word == b"IDLE":
                    self.time_ms = self.now_ms - number
                elif word == b"TIME":
                    self.time_ms = number
                else:
                    self.retries = number
            elif word == b"LASTID" and more:
                at += 1
                self.last_id = stream_id(args[at])
            else:
                raise Failure(b"ERR Unrecognized XCLAIM option '%b'" % echoed(args[at]))
            at += 1
        # A time that cannot be is now: clients' clocks differ.
        if self.time_ms < 0 or self.time_ms > self.now_ms:
            self.time_ms = self.now_ms


class Claim:
    """What one XCLAIM or XAUTOCLAIM takes over, gathered to be one effect of each kind."""

    def __init__(self, value: StreamValue, group: Group, just_id: bool) -> None:
        self.value = value
        self.group = group
        self.just_id = just_id
        self.deliveries: list[tuple[int, int, int]] = []
        self.lost: list[int] = []
        self.replies: list[object] = []

    def take(self, number: int, time_ms: int, count: int, fields: list[bytes]) -> None:
        """The entry goes to the consumer."""
        self.deliveries.append((number, time_ms, count))
        self.replies.append(id_text(number) if self.just_id else entry_reply(number, fields))

    def carry_out(self, ctx: Context, key: bytes, name: bytes, last_id: int) -> None:
        """Emits the effects: a new consumer, what it is given, what is pending no more."""
        group = self.group
        now_ms = int(ctx.now_ms())
        ctx.reworded()
        consumer = consumer_of(ctx, key, group, name, now_ms)
        consumer.seen_ms = now_ms
        if self.lost:
            ctx.emit(XACK, key, Acknowledged(group.name, self.lost), 0, NO_EVENT)
        if self.deliveries or last_id > group.last_id:
            given = Delivered(group.name, name, self.deliveries, last_id, KEEP_READS)
            ctx.emit(XDELIVER, key, given, 0, NO_EVENT)
        if self.deliveries:
            consumer.active_ms = now_ms


def consumer_of(ctx: Context, key: bytes, group: Group, name: bytes, now_ms: int) -> Consumer:
    """The consumer of this name; where there is none it is made, as an effect."""
    consumer = group.consumers.get(name)
    if consumer is not None:
        return consumer
    change = GroupChange(CREATE_CONSUMER, group.name, 0, 0, name, now_ms)
    ctx.emit(XGROUP, key, change, 0, XGROUP_CREATECONSUMER)
    return group.consumers[name]


def xclaim(ctx: Context, args: list[bytes]) -> object:
    """XCLAIM: the entries taken over."""
    value, group = group_of(ctx, args[1], args[2])
    if value is None or group is None:
        raise Failure(NO_GROUP % (echoed(args[1]), echoed(args[2])))
    least_idle = max(integer(args[4], BAD_IDLE % b"XCLAIM"), 0)
    ids: list[int] = []
    place = 5
    while place < len(args):
        number = read_id(args[place])
        if number is None:
            break
        ids.append(number)
        place += 1
    now_ms = int(ctx.now_ms())
    options = ClaimOptions(now_ms)
    options.read(args, place)
    claim = Claim(value, group, options.just_id)
    counts: dict[int, int] = {}  # of entries taken before in this very call
    for number in ids:
        if number in counts:
            known_count, idle = counts[number], now_ms - options.time_ms
        else:
            known = group.pending.get(number)
            known_count = -1 if known is None else known.count
            idle = 0 if known is None else now_ms - known.time_ms
        fields = value.entry(number)
        if fields is None:
            if known_count >= 0 and number not in claim.lost:
                claim.lost.append(number)
            continue
        if known_count < 0:
            if not options.force:
                continue
            known_count = 1
        elif least_idle and idle < least_idle:
            continue
        if options.retries >= 0:
            known_count = options.retries
        elif not options.just_id:
            known_count += 1
        counts[number] = known_count
        claim.take(number, options.time_ms, known_count, fields)
    claim.carry_out(ctx, args[1], args[3], options.last_id)
    return claim.replies


def xautoclaim(ctx: Context, args: list[bytes]) -> object:
    """XAUTOCLAIM: where to go on, the entries taken over, and those that are gone.

    The key is looked up before anything else, the group behind the options.
    """
    is_absent = ctx.find(args[1]) is None
    if is_absent:
        ctx.services.notify.read_missed(int(ctx.db.number), args[1])
    least_idle = max(integer(args[4], BAD_IDLE % b"XAUTOCLAIM"), 0)
    start = interval_start(args[5])
    count = CLAIMS
    just_id = False
    options = Options(args, 6)
    while options.more():
        word = options.word()
        if word == b"COUNT" and options.has_value():
            count = in_range(options.value(), 1, COUNT_MAX, b"ERR COUNT must be > 0")
        elif word == b"JUSTID":
            just_id = True
        else:
            raise syntax_error()
    value, group = (None, None) if is_absent else group_of(ctx, args[1], args[2])
    if value is None or group is None:
        raise Failure(NO_GROUP % (echoed(args[1]), echoed(args[2])))
    if count > COUNT_THAT_FITS:
        raise Failure(TOO_MANY)
    now_ms = int(ctx.now_ms())
    claim = Claim(value, group, just_id)
    attempts = count * ATTEMPTS
    after = 0
    for number in group.order.from_id(start, min(attempts, group.order.count) + 1):
        if attempts == 0 or count == 0:
            after = number
            break
        attempts -= 1
        known = group.pending[number]
        fields = value.entry(number)
        if fields is None:
            claim.lost.append(number)
            count -= 1
        elif not least_idle or now_ms - known.time_ms >= least_idle:
            claim.take(number, now_ms, known.count + (0 if just_id else 1), fields)
            count -= 1
    claim.carry_out(ctx, args[1], args[3], 0)
    lost: list[object] = [id_text(number) for number in claim.lost]
    return [id_text(after), claim.replies, lost]
