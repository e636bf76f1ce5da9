"""Keyspace events as small codes: an Effect carries up to four, eight bits each, in order.

A code names the event's class letter (as in notify-keyspace-events) and its text;
node/readers/notify.py makes the messages. Code 0 means: the usual event of the op.
"""

from __future__ import annotations

from typing import Final

EVENTS: Final[tuple[tuple[str, bytes], ...]] = (
    ("", b""),
    ("$", b"set"),
    ("g", b"del"),
    ("g", b"expire"),
    ("g", b"persist"),
    ("$", b"incrby"),
    ("$", b"incrbyfloat"),
    ("$", b"append"),
    ("$", b"setrange"),
    ("s", b"sadd"),
    ("s", b"srem"),
    ("s", b"spop"),
    ("s", b"sinterstore"),
    ("s", b"sunionstore"),
    ("s", b"sdiffstore"),
    ("h", b"hset"),
    ("h", b"hdel"),
    ("h", b"hincrby"),
    ("h", b"hincrbyfloat"),
    ("g", b"rename_from"),
    ("g", b"rename_to"),
    ("g", b"move_from"),
    ("g", b"move_to"),
    ("g", b"copy_to"),
    ("g", b"restore"),
    ("x", b"expired"),
    ("e", b"evicted"),
    ("n", b"new"),
    ("o", b"overwritten"),
    ("c", b"type_changed"),
    ("m", b"keymiss"),
    ("$", b"setbit"),
    ("$", b"pfadd"),
    ("h", b"hexpire"),
    ("h", b"hpersist"),
    ("h", b"hexpired"),
    ("l", b"lpush"),
    ("l", b"rpush"),
    ("l", b"lpop"),
    ("l", b"rpop"),
    ("l", b"linsert"),
    ("l", b"lset"),
    ("l", b"lrem"),
    ("l", b"ltrim"),
    ("l", b"sortstore"),
    ("z", b"zadd"),
    ("z", b"zincr"),
    ("z", b"zrem"),
    ("z", b"zpopmin"),
    ("z", b"zpopmax"),
    ("z", b"zremrangebyrank"),
    ("z", b"zremrangebyscore"),
    ("z", b"zremrangebylex"),
    ("z", b"zunionstore"),
    ("z", b"zinterstore"),
    ("z", b"zdiffstore"),
    ("z", b"zrangestore"),
    ("z", b"geosearchstore"),
    ("z", b"georadiusstore"),
    ("t", b"xadd"),
    ("t", b"xtrim"),
    ("t", b"xdel"),
    ("t", b"xsetid"),
    ("t", b"xgroup-create"),
    ("t", b"xgroup-createconsumer"),
    ("t", b"xgroup-delconsumer"),
    ("t", b"xgroup-destroy"),
    ("t", b"xgroup-setid"),
    ("E", b"CRON Executed"),  # KeyDB's: of no class, told to whoever asks for key events
)
NO_EVENT: Final = 255  # the effect fires nothing

SET: Final = 1
DEL: Final = 2
EXPIRE_SET: Final = 3
PERSIST: Final = 4
INCRBY: Final = 5
INCRBYFLOAT: Final = 6
APPEND: Final = 7
SETRANGE: Final = 8
SADD_EVENT: Final = 9
SREM_EVENT: Final = 10
SPOP: Final = 11
SINTERSTORE: Final = 12
SUNIONSTORE: Final = 13
SDIFFSTORE: Final = 14
HSET_EVENT: Final = 15
HDEL_EVENT: Final = 16
HINCRBY: Final = 17
HINCRBYFLOAT: Final = 18
RENAME_FROM: Final = 19
RENAME_TO: Final = 20
MOVE_FROM: Final = 21
MOVE_TO: Final = 22
COPY_TO: Final = 23
RESTORE: Final = 24
EXPIRED: Final = 25
EVICTED: Final = 26
NEW: Final = 27
OVERWRITTEN: Final = 28
TYPE_CHANGED: Final = 29
KEYMISS: Final = 30
SETBIT: Final = 31
PFADD: Final = 32
HEXPIRE: Final = 33
HPERSIST: Final = 34
HEXPIRED: Final = 35
LPUSH: Final = 36
RPUSH: Final = 37
LPOP: Final = 38
RPOP: Final = 39
LINSERT: Final = 40
LSET: Final = 41
LREM: Final = 42
LTRIM: Final = 43
SORTSTORE: Final = 44
ZADD: Final = 45
ZINCR: Final = 46
ZREM: Final = 47
ZPOPMIN: Final = 48
ZPOPMAX: Final = 49
ZREMRANGEBYRANK: Final = 50
ZREMRANGEBYSCORE: Final = 51
ZREMRANGEBYLEX: Final = 52
ZUNIONSTORE: Final = 53
ZINTERSTORE: Final = 54
ZDIFFSTORE: Final = 55
ZRANGESTORE: Final = 56
GEOSEARCHSTORE: Final = 57
GEORADIUSSTORE: Final = 58
XADD: Final = 59
XTRIM: Final = 60
XDEL: Final = 61
XSETID: Final = 62
XGROUP_CREATE: Final = 63
XGROUP_CREATECONSUMER: Final = 64
XGROUP_DELCONSUMER: Final = 65
XGROUP_DESTROY: Final = 66
XGROUP_SETID: Final = 67
CRON_EXECUTED: Final = 68

# The usual event of each op, in the order of node/store/effect.py; 0 where there is none.
USUAL: Final = (
    SET, DEL, EXPIRE_SET, INCRBY, SADD_EVENT, SREM_EVENT, HSET_EVENT, HDEL_EVENT, HINCRBY, 0, 0,
    EXPIRED, APPEND, SETRANGE, SETBIT, SETBIT, PFADD, RPUSH, LINSERT, 0, LSET, ZADD, ZADD, ZADD,
    ZREM, ZINCR, HEXPIRE, XADD, XDEL, XSETID, 0, 0, 0, 0,
)  # fmt: skip
