"""Canon's commands for sorted sets: see node/persist/canon.py.  [compiled]

Redis's own: ZADD, with GT or LT first for ZMAX and ZMIN, ZREM, ZINCRBY. Scores keep the text that
the effect has; whoever made it saw to it that it reads back as the same score everywhere.
"""

from __future__ import annotations

from typing import Final, cast

from mypy_extensions import i64

from node.persist.canon_words import CanonError
from node.store.effect import OP_NAMES, ZADD, ZINCR, ZMAX, ZMIN, ZREM, Effect
from node.store.values.scores import read_score

NAMES: Final[frozenset[bytes]] = frozenset((b"ZADD", b"ZREM", b"ZINCRBY"))


def command_of(effect: Effect) -> list[bytes]:
    """The command that replays an effect of these ops."""
    op = effect.op
    key = effect.key
    words = cast(list[bytes], effect.value)
    begin = int(effect.number)
    if op == ZADD:
        return [b"ZADD", key, *words[begin:]]
    if op == ZMAX:
        return [b"ZADD", key, b"GT", *words[begin:]]
    if op == ZMIN:
        return [b"ZADD", key, b"LT", *words[begin:]]
    if op == ZREM:
        return [b"ZREM", key, *words[begin:]]
    if op == ZINCR:
        return [b"ZINCRBY", key, *words]
    raise CanonError(f"no command for {OP_NAMES[int(op)]}")


def effect_of(
    name: bytes, words: list[bytes], db: i64, stamp: i64, origin: i64, index: i64
) -> Effect:
    """The effect that a command named in NAMES says. CanonError where it is malformed."""
    n = len(words)
    if name == b"ZREM" and n >= 3:
        return Effect(ZREM, db, words[1], words, 2, stamp, origin, index)
    if name == b"ZINCRBY" and n == 4:
        check_scores(words, 2, 3)
        return Effect(ZINCR, db, words[1], words[2:], 0, stamp, origin, index)
    if name == b"ZADD" and n >= 4:
        op = ZADD
        option = words[2].upper()
        if option == b"GT":
            op = ZMAX
        elif option == b"LT":
            op = ZMIN
        begin = 2 if op == ZADD else 3
        if n > begin and (n - begin) % 2 == 0:
            check_scores(words, begin, n)
            return Effect(op, db, words[1], words, begin, stamp, origin, index)
    raise CanonError(f"{name.decode('latin-1')!r} with {n - 1} arguments says no effect")


def check_scores(words: list[bytes], begin: int, end: int) -> None:
    """CanonError where one of every two words from `begin` on is no score."""
    for at in range(begin, end, 2):
        score = read_score(words[at])
        if score != score:
            raise CanonError(f"argument {at} of {words[0].decode('latin-1')!r} is no score")
