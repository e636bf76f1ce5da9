"""Canon's commands for deadlines of fields and members: see node/persist/canon.py.  [compiled]

    HPEXPIREAT key ms FIELDS n field ...      of hash fields, Redis's words
    HPERSIST key FIELDS n field ...
    MESH.MEXPIREAT key ms member ...          of a set's members; ms 0: none
    MESH.ZEXPIREAT key ms member ...          of a sorted set's members; ms 0: none

KeyDB's PEXPIREMEMBERAT, which names one member or field, is read too.
"""

from __future__ import annotations

from typing import Final, cast

from mypy_extensions import i64

from node.persist.canon_words import CanonError, integer
from node.store.effect import HEXPIRE, Effect
from node.store.values.member_deadlines import Timed

NAMES: Final[frozenset[bytes]] = frozenset(
    (b"HPEXPIREAT", b"HPERSIST", b"MESH.MEXPIREAT", b"MESH.ZEXPIREAT", b"PEXPIREMEMBERAT")
)


def command_of(effect: Effect) -> list[bytes]:
    """The command that replays a HEXPIRE."""
    timed = cast(Timed, effect.value)
    names = timed.names
    deadline = b"%d" % effect.number
    if not timed.of_hash:
        word = b"MESH.ZEXPIREAT" if timed.of_zset else b"MESH.MEXPIREAT"
        return [word, effect.key, deadline, *names]
    count = b"%d" % len(names)
    if effect.number == 0:
        return [b"HPERSIST", effect.key, b"FIELDS", count, *names]
    return [b"HPEXPIREAT", effect.key, deadline, b"FIELDS", count, *names]


def effect_of(
    name: bytes, words: list[bytes], db: i64, stamp: i64, origin: i64, index: i64
) -> Effect:
    """The HEXPIRE that a command named in NAMES says. CanonError where it is malformed."""
    n = len(words)
    deadline: i64 = 0
    if name == b"HPEXPIREAT" and n >= 6:
        deadline = integer(words, 2)
        timed = Timed(fields(words, 3), True)
    elif name == b"HPERSIST" and n >= 5:
        timed = Timed(fields(words, 2), True)
    elif (name == b"MESH.MEXPIREAT" or name == b"MESH.ZEXPIREAT") and n >= 4:
        deadline = integer(words, 2)
        timed = Timed(words[3:], False, name == b"MESH.ZEXPIREAT")
    elif name == b"PEXPIREMEMBERAT" and n == 4:
        deadline = integer(words, 3)
        timed = Timed([words[2]], False)
    else:
        raise CanonError(f"{name.decode('latin-1')!r} with {n - 1} arguments says no effect")
    if deadline < 0 or (deadline == 0 and name.endswith(b"AT") and name[:5] != b"MESH."):
        deadline = 1  # long past: 0 would say that there is none
    return Effect(HEXPIRE, db, words[1], timed, deadline, stamp, origin, index)


def fields(words: list[bytes], at: int) -> list[bytes]:
    """The names behind FIELDS, which stands at `at`. CanonError where their number is wrong."""
    if words[at].upper() != b"FIELDS" or integer(words, at + 1) != len(words) - at - 2:
        raise CanonError(f"{words[0].decode('latin-1')!r} does not say which fields it names")
    return words[at + 2 :]
