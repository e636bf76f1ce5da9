"""The usual keyspace events of an effect: those of one whose maker named none.  [compiled]

A frame says what happened, not which command asked for it: a peer tells what the payload shows,
before it is carried out or after. SPOP is told as srem there, RENAME as del and set.
"""

from __future__ import annotations

from typing import Final, cast

from mypy_extensions import i64

from node.store.effect import (
    EXPIRE,
    HEXPIRE,
    HINCR,
    INCR,
    PFMERGE,
    PUSH,
    PUT,
    REMOVE,
    XDEL,
    XGROUP,
    Effect,
)  # fmt: skip
from node.store.events import (
    EXPIRE_SET,
    HINCRBYFLOAT,
    HPERSIST,
    HSET_EVENT,
    INCRBYFLOAT,
    LPOP,
    LPUSH,
    LREM,
    LTRIM,
    NO_EVENT,
    PERSIST,
    RPOP,
    RPUSH,
    SADD_EVENT,
    SET,
    USUAL,
    XADD,
    XGROUP_CREATE,
    XGROUP_CREATECONSUMER,
    XGROUP_DELCONSUMER,
    XGROUP_DESTROY,
    XGROUP_SETID,
    XTRIM,
    ZADD,
)  # fmt: skip
from node.store.events import HEXPIRE as HEXPIRE_EVENT
from node.store.events import XDEL as XDEL_EVENT
from node.store.mutate_strings import COUNTED, FORM_ONLY
from node.store.values.cron import CronValue
from node.store.values.groups import (
    CREATE,
    CREATE_CONSUMER,
    DELETE_CONSUMER,
    DESTROY,
    SETID,
    GroupChange,
)
from node.store.values.lists import Pushed, Removed
from node.store.values.member_deadlines import Timed
from node.store.values.streams import Deleted
from node.store.values.value import Value

# A collection that is put as a whole is told as if its content had been added.
PUT_EVENTS: Final = {
    b"list": RPUSH, b"set": SADD_EVENT, b"hash": HSET_EVENT, b"zset": ZADD, b"stream": XADD,
}  # fmt: skip
GROUP_EVENTS: Final = {
    CREATE: XGROUP_CREATE, DESTROY: XGROUP_DESTROY, SETID: XGROUP_SETID,
    CREATE_CONSUMER: XGROUP_CREATECONSUMER, DELETE_CONSUMER: XGROUP_DELCONSUMER,
}  # fmt: skip


def usual(effect: Effect) -> list[int]:
    """The codes of node/store/events.py; none where the op has no event."""
    op = effect.op
    value = effect.value
    if op == PUT:
        if isinstance(value, Value):
            if isinstance(value, CronValue):
                return []
            return with_deadline(PUT_EVENTS[value.kind()], effect.number)
        return with_deadline(SET, effect.number)
    if op == EXPIRE and effect.number == 0:
        return [PERSIST]
    if op == INCR and value is not None:
        return [INCRBYFLOAT]
    if op == HINCR and not isinstance(value, bytes):
        return [HINCRBYFLOAT]
    if op == PUSH:
        return [LPUSH if cast(Pushed, value).at_head else RPUSH]
    if op == REMOVE:
        return [removal_event(cast(Removed, value))]
    if op == HEXPIRE:
        if not cast(Timed, value).of_hash:
            return []
        return [HPERSIST if effect.number == 0 else HEXPIRE_EVENT]
    if op == PFMERGE and isinstance(value, bytes) and effect.number & (COUNTED | FORM_ONLY):
        return []
    if op == XDEL:
        deleted = cast(Deleted, value)
        return [XTRIM if deleted.is_trim or deleted.below != 0 else XDEL_EVENT]
    if op == XGROUP:
        return [GROUP_EVENTS[cast(GroupChange, value).kind]]
    code = USUAL[int(op)]
    return [code] if code else []


def with_deadline(code: int, deadline_ms: i64) -> list[int]:
    """A PUT's event, and that of its deadline."""
    return [code] if deadline_ms == 0 else [code, EXPIRE_SET]


def removal_event(removed: Removed) -> int:
    """lpop, rpop, ltrim or lrem: by where the elements were, head first where both would do."""
    spans = removed.spans
    if not spans:
        return LTRIM
    begin = spans[0][0]
    last, count = spans[-1]
    ends = last + count == (int(removed.length) if last >= 0 else 0)
    if len(spans) == 1 and (begin == 0 or ends):
        return LPOP if begin == 0 else RPOP
    return LTRIM if len(spans) == 2 and begin == 0 and ends else LREM


def packed(codes: list[int]) -> i64:
    """The codes as Effect.events has them; NO_EVENT where there are none."""
    if not codes:
        return NO_EVENT
    events: i64 = 0
    for code in reversed(codes):
        events = (events << 8) | i64(code)
    return events
