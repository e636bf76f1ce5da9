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

# The usual event of each op, in the order of node/store/effect.py; 0 where there is none.
USUAL: Final = (
    SET, DEL, EXPIRE_SET, INCRBY, SADD_EVENT, SREM_EVENT, HSET_EVENT, HDEL_EVENT, HINCRBY, 0, 0,
    EXPIRED,
)  # fmt: skip
