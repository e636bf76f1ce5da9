"""Canon's commands for streams: see node/persist/canon.py.  [compiled]

What Redis's own replication says is said so; MESH.XDEL and MESH.XDELIVER are what it has no
words for: trimming single entries, and several deliveries with the group's new position.
"""

from __future__ import annotations

from typing import Final, cast

from mypy_extensions import i64

from node.persist.canon_words import CanonError, integer
from node.store.effect import OP_NAMES, XACK, XADD, XDEL, XDELIVER, XGROUP, XSETID, Effect
from node.store.values.groups import (
    CREATE,
    CREATE_CONSUMER,
    DELETE_CONSUMER,
    DESTROY,
    KEEP_READS,
    SETID,
    UNKNOWN_READS,
    Acknowledged,
    Delivered,
    GroupChange,
)
from node.store.values.stream_ids import id_text, read_id
from node.store.values.streams import Added, Deleted, Positions

NAMES: Final[frozenset[bytes]] = frozenset(
    (
        b"XADD", b"XDEL", b"XTRIM", b"XSETID", b"XGROUP", b"XCLAIM", b"XACK", b"MESH.XDEL",
        b"MESH.XDELIVER",
    )
)  # fmt: skip
WORDS_OF_XCLAIM: Final = 14


def command_of(effect: Effect) -> list[bytes]:
    """The command that replays an effect of these ops."""
    op = effect.op
    key = effect.key
    if op == XADD:
        added = cast(Added, effect.value)
        return [b"XADD", key, id_text(added.number), *added.items[int(added.begin) :]]
    if op == XDEL:
        return deleted_words(key, cast(Deleted, effect.value))
    if op == XSETID:
        positions = cast(Positions, effect.value)
        words = [b"XSETID", key, id_text(positions.last_id)]
        if positions.entries_added >= 0:
            words += [b"ENTRIESADDED", b"%d" % positions.entries_added]
        if positions.max_deleted_id:
            words += [b"MAXDELETEDID", id_text(positions.max_deleted_id)]
        return words
    if op == XGROUP:
        return group_words(key, cast(GroupChange, effect.value))
    if op == XDELIVER:
        return delivered_words(key, cast(Delivered, effect.value))
    if op == XACK:
        acknowledged = cast(Acknowledged, effect.value)
        return [b"XACK", key, acknowledged.group, *texts(acknowledged.ids)]
    raise CanonError(f"no command for {OP_NAMES[int(op)]}")


def texts(ids: list[int]) -> list[bytes]:
    """IDs as words."""
    return [id_text(number) for number in ids]


def deleted_words(key: bytes, deleted: Deleted) -> list[bytes]:
    """XTRIM up to an ID, XDEL, or MESH.XDEL where entries were trimmed one by one."""
    if deleted.below and not deleted.ids:
        return [b"XTRIM", key, b"MINID", b"=", id_text(deleted.below)]
    if deleted.is_trim:
        return [b"MESH.XDEL", key, id_text(deleted.below), *texts(deleted.ids)]
    return [b"XDEL", key, *texts(deleted.ids)]


def group_words(key: bytes, change: GroupChange) -> list[bytes]:
    """XGROUP."""
    kind = change.kind
    if kind == DESTROY:
        return [b"XGROUP", b"DESTROY", key, change.group]
    if kind == CREATE_CONSUMER:
        return [b"XGROUP", b"CREATECONSUMER", key, change.group, change.consumer]
    if kind == DELETE_CONSUMER:
        return [b"XGROUP", b"DELCONSUMER", key, change.group, change.consumer]
    reads = [b"ENTRIESREAD", b"%d" % change.entries_read]
    number = id_text(change.number)
    if kind == SETID:
        return [b"XGROUP", b"SETID", key, change.group, number, *reads]
    return [b"XGROUP", b"CREATE", key, change.group, number, b"MKSTREAM", *reads]


def delivered_words(key: bytes, given: Delivered) -> list[bytes]:
    """XCLAIM for one delivery that leaves entries_read alone, else MESH.XDELIVER."""
    deliveries = given.deliveries
    last_id = id_text(given.last_id)
    if len(deliveries) == 1 and given.entries_read == KEEP_READS:
        number, time_ms, count = deliveries[0]
        return [
            b"XCLAIM", key, given.group, given.consumer, b"0", id_text(number),
            b"TIME", b"%d" % time_ms, b"RETRYCOUNT", b"%d" % count,
            b"FORCE", b"JUSTID", b"LASTID", last_id,
        ]  # fmt: skip
    reads = b"%d" % given.entries_read
    words = [b"MESH.XDELIVER", key, given.group, given.consumer, last_id, reads]
    for number, time_ms, count in deliveries:
        words += [id_text(number), b"%d" % time_ms, b"%d" % count]
    return words


def effect_of(
    name: bytes, words: list[bytes], db: i64, stamp: i64, origin: i64, index: i64
) -> Effect:
    """The effect that a command named in NAMES says. CanonError where it is malformed."""
    n = len(words)
    op = XACK
    payload: object = None
    if name == b"XADD" and n >= 5 and n % 2 == 1:
        op = XADD
        payload = Added(number(words, 2), words, 3)
    elif name == b"XDEL" and n >= 3:
        op = XDEL
        payload = Deleted(numbers(words, 2))
    elif name == b"XTRIM" and n == 5 and words[2].upper() == b"MINID" and words[3] == b"=":
        op = XDEL
        payload = Deleted([], number(words, 4), True)
    elif name == b"MESH.XDEL" and n >= 3:
        op = XDEL
        payload = Deleted(numbers(words, 3), number(words, 2), True)
    elif name == b"XSETID" and n in (3, 5, 7):
        op = XSETID
        payload = positions_of(words)
    elif name == b"XGROUP" and n >= 4:
        op = XGROUP
        payload = change_of(words)
    elif name == b"XCLAIM" and n == WORDS_OF_XCLAIM:
        op = XDELIVER
        given = [(number(words, 5), int(integer(words, 7)), int(integer(words, 9)))]
        payload = Delivered(words[2], words[3], given, number(words, 13))
    elif name == b"MESH.XDELIVER" and n >= 6 and n % 3 == 0:
        op = XDELIVER
        payload = delivered_of(words)
    elif name == b"XACK" and n >= 4:
        payload = Acknowledged(words[2], numbers(words, 3))
    if payload is None:
        raise CanonError(
            f"{name.decode('latin-1')!r} with {len(words) - 1} arguments says no effect"
        )
    return Effect(op, db, words[1] if op != XGROUP else words[2], payload, 0, stamp, origin, index)


def number(words: list[bytes], at: int) -> int:
    """An ID. CanonError where it is none."""
    found = read_id(words[at])
    if found is None:
        raise CanonError(f"argument {at} of {words[0].decode('latin-1')!r} is no stream ID")
    return found


def numbers(words: list[bytes], begin: int) -> list[int]:
    """The IDs from there on."""
    return [number(words, at) for at in range(begin, len(words))]


def positions_of(words: list[bytes]) -> Positions:
    """What XSETID sets."""
    positions = Positions(number(words, 2), -1, 0)
    for at in range(3, len(words), 2):
        if words[at].upper() == b"ENTRIESADDED":
            positions.entries_added = int(integer(words, at + 1))
        elif words[at].upper() == b"MAXDELETEDID":
            positions.max_deleted_id = number(words, at + 1)
        else:
            raise CanonError(f"XSETID has no option {words[at].decode('latin-1')!r}")
    return positions


def change_of(words: list[bytes]) -> GroupChange | None:
    """What an XGROUP command does; None where it is none of canon's."""
    kind = words[1].upper()
    n = len(words)
    if kind == b"DESTROY" and n == 4:
        return GroupChange(DESTROY, words[3])
    if kind == b"CREATECONSUMER" and n == 5:
        return GroupChange(CREATE_CONSUMER, words[3], 0, 0, words[4])
    if kind == b"DELCONSUMER" and n == 5:
        return GroupChange(DELETE_CONSUMER, words[3], 0, 0, words[4])
    if (kind != b"CREATE" and kind != b"SETID") or n < 5:
        return None
    reads = UNKNOWN_READS
    at = 5
    while at < n:
        word = words[at].upper()
        if word == b"ENTRIESREAD" and at + 1 < n:
            reads = int(integer(words, at + 1))
            at += 1
        elif word != b"MKSTREAM":
            return None
        at += 1
    which = CREATE if kind == b"CREATE" else SETID
    return GroupChange(which, words[3], number(words, 4), reads)


def delivered_of(words: list[bytes]) -> Delivered:
    """What MESH.XDELIVER gives."""
    given: list[tuple[int, int, int]] = []
    for at in range(6, len(words), 3):
        given.append((number(words, at), int(integer(words, at + 1)), int(integer(words, at + 2))))
    return Delivered(words[2], words[3], given, number(words, 4), int(integer(words, 5)))
