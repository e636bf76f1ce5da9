"""What the stream commands share: IDs and intervals as clients write them, entries as replies.
[compiled]
"""

from __future__ import annotations

from typing import Final

from node.commands.context import Context
from node.resp.replies import Failure
from node.store.values.groups import Group
from node.store.values.stream_ids import ID_MAX, SEQUENCE_MAX, id_text, read_id
from node.store.values.streams import StreamValue

INVALID_ID: Final = b"ERR Invalid stream ID specified as stream command argument"
INVALID_START: Final = b"ERR invalid start ID for the interval"
INVALID_END: Final = b"ERR invalid end ID for the interval"


def stream_id(arg: bytes) -> int:
    """An ID; where the sequence is left out it is 0. Failure for - and + too."""
    number = read_id(arg)
    if number is None:
        raise Failure(INVALID_ID)
    return number


def bound(arg: bytes, missing: int) -> int:
    """As `stream_id`, with - and + for the least and the greatest ID, `missing` a sequence."""
    if arg == b"-":
        return 0
    if arg == b"+":
        return ID_MAX
    number = read_id(arg, missing)
    if number is None:
        raise Failure(INVALID_ID)
    return number


def interval_start(arg: bytes) -> int:
    """The first ID of an interval; `(id` excludes the one it names."""
    if len(arg) > 1 and arg[:1] == b"(":
        number = stream_id(arg[1:])
        if number == ID_MAX:
            raise Failure(INVALID_START)
        return number + 1
    return bound(arg, 0)


def interval_end(arg: bytes) -> int:
    """The last ID of an interval; `(id` excludes the one it names."""
    if len(arg) > 1 and arg[:1] == b"(":
        number = read_id(arg[1:], SEQUENCE_MAX)
        if number is None:
            raise Failure(INVALID_ID)
        if number == 0:
            raise Failure(INVALID_END)
        return number - 1
    return bound(arg, SEQUENCE_MAX)


def stream_ids(args: list[bytes], begin: int, end: int) -> list[int]:
    """The IDs at these arguments."""
    return [stream_id(args[i]) for i in range(begin, end)]


def entries_reply(ids: list[int], fields: list[list[bytes]]) -> list[object]:
    """Entries as [ID, [field, value, ...]]."""
    found: list[object] = []
    for i in range(len(ids)):
        found.append([id_text(ids[i]), fields[i]])
    return found


def entry_reply(number: int, fields: list[bytes]) -> list[object]:
    """One entry."""
    return [id_text(number), fields]


def group_of(ctx: Context, key: bytes, name: bytes) -> tuple[StreamValue | None, Group | None]:
    """The stream of this key and its group; WRONGTYPE where the key is no stream."""
    value = ctx.stream(key)
    if value is None:
        ctx.services.notify.read_missed(int(ctx.db.number), key)
        return None, None
    return value, value.groups.get(name)
