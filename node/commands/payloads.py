"""DUMP and RESTORE: a value as bytes that Redis, Valkey and KeyDB understand.  [compiled]

The payload is what Redis 8.2 gives for the same value, byte for byte where its order is defined.
`rdb-version` says for which servers it is written. What RESTORE is given is read with every check,
whatever `sanitize-dump-payload` says.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.commands.args import Options, integer, syntax_error
from node.commands.command import ASKING, DENYOOM, READONLY, WRITE, Command, at
from node.commands.context import Context
from node.commands.encodings import (
    LISTPACK,
    encoding_of_collection,
    has_form_of_its_own,
    packed_type_of,
    thresholds_of,
)  # fmt: skip
from node.persist.contents import content_of, in_order_of_redis, member_fields, value_of
from node.persist.rdb_codes import KIND_HASH_TTL, RdbError
from node.persist.rdb_put import Thresholds
from node.persist.rdb_reader import dump_version, read_body
from node.persist.rdb_writer import BY_SIZE, dump_payload
from node.resp.replies import OK, Failure
from node.store.effect import DROP, PUT
from node.store.events import RESTORE
from node.store.values.cron import CronValue
from node.store.values.hashes import HashValue
from node.store.values.sets import SetValue
from node.store.values.stream_same import as_all_have_it
from node.store.values.streams import StreamValue
from node.store.values.strings import I64_MAX
from node.store.values.value import Value

BUSY: Final = b"BUSYKEY Target key name already exists."
NOT_WHOLE: Final = b"ERR DUMP payload version or checksum are wrong"
BAD_FORMAT: Final = b"ERR Bad data format"
BAD_TTL: Final = b"ERR Invalid TTL value, must be >= 0"
BAD_IDLETIME: Final = b"ERR Invalid IDLETIME value, must be >= 0"
BAD_FREQ: Final = b"ERR Invalid FREQ value, must be >= 0 and <= 255"
FREQ_MAX: Final = 255


def dump(ctx: Context, args: list[bytes]) -> object:
    """DUMP."""
    value = ctx.find(args[1])
    if value is None:
        return None
    config = ctx.services.config
    if isinstance(value, StreamValue) and value.memory is not None:
        value = as_all_have_it(value)
    try:
        return payload_of(value, config.number("rdb-version"), thresholds_of(config))
    except RdbError as error:
        raise Failure(b"ERR " + str(error).encode()) from error


def payload_of(value: object, version: i64, limits: Thresholds) -> bytes:
    """A value's payload for servers that read this RDB version. RdbError: it cannot hold it."""
    kind, content = content_of(value, version)
    if has_form_of_its_own(value) or not isinstance(value, Value):
        return dump_payload(kind, content, version, member_fields(value), limits, BY_SIZE)
    encoding = encoding_of_collection(value, limits)
    if encoding == LISTPACK and isinstance(value, SetValue):
        content = in_order_of_redis(value.names())
    elif encoding == b"listpackex" and isinstance(value, HashValue):
        kind = KIND_HASH_TTL  # also where the last deadline is gone
        content = value.items_with_deadlines()
    type_number = packed_type_of(encoding, value, version)
    return dump_payload(kind, content, version, member_fields(value), limits, type_number)


class Wanted:
    """RESTORE's options."""

    def __init__(self, args: list[bytes]) -> None:
        self.replaces = False
        self.is_absolute = False
        self.idle_s = -1
        self.freq = -1
        options = Options(args, 4)
        while options.more():
            word = options.word()
            if word == b"REPLACE":
                self.replaces = True
            elif word == b"ABSTTL":
                self.is_absolute = True
            elif word == b"IDLETIME" and options.has_value() and self.freq < 0:
                self.idle_s = integer(options.value())
                if self.idle_s < 0:
                    raise Failure(BAD_IDLETIME)
            elif word == b"FREQ" and options.has_value() and self.idle_s < 0:
                self.freq = integer(options.value())
                if not 0 <= self.freq <= FREQ_MAX:
                    raise Failure(BAD_FREQ)
            else:
                raise syntax_error()


def restore(ctx: Context, args: list[bytes]) -> object:
    """RESTORE."""
    key = args[1]
    wanted = Wanted(args)
    old = ctx.find(key)
    if old is not None and not wanted.replaces:
        raise Failure(BUSY)
    deadline_ms = integer(args[2])
    if deadline_ms < 0:
        raise Failure(BAD_TTL)
    value = restored(args[3], ctx)
    if deadline_ms > 0 and not wanted.is_absolute:
        deadline_ms = min(deadline_ms + int(ctx.now_ms()), I64_MAX)
    ctx.reworded()
    if 0 < deadline_ms <= ctx.now_ms():
        if old is not None:
            ctx.emit(DROP, key)
        return OK
    ctx.emit(PUT, key, value, deadline_ms, RESTORE)
    if wanted.idle_s > 0:
        ctx.db.set_idle(key, wanted.idle_s)
    elif wanted.freq >= 0:
        ctx.db.set_uses(key, wanted.freq)
    return OK


def restored(payload: bytes, ctx: Context) -> object:
    """The value of a payload; Failure with Redis's two errors. A job is run by this node."""
    try:
        version = dump_version(payload)
    except RdbError as error:
        raise Failure(NOT_WHOLE) from error
    try:
        record = read_body(payload, version)
        value = value_of(record.kind, record.value, record.aux)
    except RdbError as error:
        raise Failure(BAD_FORMAT) from error
    if isinstance(value, CronValue):
        return value.given_to(ctx.services.member)
    return value


WRITES = (at(1, "OW", "UPDATE"),)

COMMANDS: tuple[Command, ...] = (
    Command(
        "DUMP key", dump, READONLY, keys=(at(1, "RO", "ACCESS"),), since="2.6.0",
        cost="O(1) to find the key, O(N) for N members",
        about="Answers a value as bytes that RESTORE takes.", tips=("nondeterministic_output",),
    ),
    Command(
        "RESTORE key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
        restore, WRITE | DENYOOM, keys=WRITES, since="2.6.0",
        cost="O(1) to make the key, O(N) for N members; O(N*log(N)) for a sorted set",
        about="Makes a key from the bytes that DUMP gave.", categories=("dangerous",),
    ),
    Command(
        "RESTORE-ASKING key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds]"
        " [FREQ frequency]",
        restore, WRITE | DENYOOM | ASKING, keys=WRITES, since="3.0.0", group="server",
        cost="O(1) to make the key, O(N) for N members; O(N*log(N)) for a sorted set",
        about="As RESTORE, between the nodes of a cluster.",
        categories=("dangerous", "keyspace"),
    ),
)  # fmt: skip
