"""Ranges of sorted sets: ZRANGE and its ancestors, ZCOUNT, ZLEXCOUNT, ZREMRANGEBY*.  [compiled]

A range is two bounds (node/store/values/zset_bounds.py), which give the ranks in between; what is
then done with these ranks is the same for all.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.commands.args import Options, integer, syntax_error
from node.commands.command import DENYOOM, FAST, READONLY, WRITE, Command, at
from node.commands.context import Context
from node.commands.zsets import scored, stored
from node.resp.replies import Failure
from node.store.effect import ZREM
from node.store.events import ZRANGESTORE, ZREMRANGEBYLEX, ZREMRANGEBYRANK, ZREMRANGEBYSCORE
from node.store.values.scores import DECIMAL, INFINITY, NO_SCORE
from node.store.values.zset_bounds import (
    GREATEST,
    LEAST,
    TEXT,
    Bounds,
    LexBound,
    LexBounds,
    RankBounds,
    ScoreBounds,
)
from node.store.values.zsets import ZSetValue

NOT_FLOATS: Final = b"ERR min or max is not a float"
NOT_STRINGS: Final = b"ERR min or max not valid string range item"
LIMIT_OF_RANKS: Final = (
    b"ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"
)
SCORES_OF_LEX: Final = b"ERR syntax error, WITHSCORES not supported in combination with BYLEX"

# What bounds are.
ANY: Final[i64] = 0  # said by an option
RANK: Final[i64] = 1
SCORE: Final[i64] = 2
LEX: Final[i64] = 3


class Query:
    """One range: where its arguments begin, what its options say."""

    def __init__(self, kind: i64, reverse: bool) -> None:
        self.kind: i64 = kind
        self.reverse = reverse
        self.with_scores = False
        self.offset = 0
        self.limit = -1
        self.bounds = Bounds()

    def ranks(self, value: ZSetValue) -> tuple[i64, i64]:
        """The ranks asked for, from the first to before the second, LIMIT applied."""
        start, stop = self.bounds.span(value, self.reverse, self.offset)
        if self.kind == RANK or self.limit < 0 or self.limit >= stop - start:
            return start, stop
        if self.reverse:
            return stop - self.limit, stop
        return start, start + self.limit


def query_of(args: list[bytes], first: int, kind: i64, reverse: bool, stores: bool) -> Query:
    """key min max and what follows, the key at args[first]; Failures in Redis's order.

    With `kind` ANY and not `reverse` the options may say both.
    """
    query = Query(kind, reverse)
    options = Options(args, first + 3)
    while options.more():
        word = options.word()
        if word == b"WITHSCORES" and not stores:
            query.with_scores = True
        elif word == b"LIMIT" and options.has_value(2):
            query.offset = integer(options.value())
            query.limit = integer(options.value())
        elif word == b"REV" and kind == ANY and not query.reverse:
            query.reverse = True
        elif word == b"BYLEX" and query.kind == ANY:
            query.kind = LEX
        elif word == b"BYSCORE" and query.kind == ANY:
            query.kind = SCORE
        else:
            raise syntax_error()
    if query.kind == ANY:
        query.kind = RANK
    if query.limit != -1 and query.kind == RANK:
        raise Failure(LIMIT_OF_RANKS)
    if query.with_scores and query.kind == LEX:
        raise Failure(SCORES_OF_LEX)
    low = args[first + 1]
    high = args[first + 2]
    if query.reverse and query.kind != RANK:
        low, high = high, low
    query.bounds = bounds_of(query.kind, low, high)
    return query


def bounds_of(kind: i64, low: bytes, high: bytes) -> Bounds:
    """Two bounds of this kind; Failure where they are none."""
    if kind == SCORE:
        return score_bounds(low, high)
    if kind == LEX:
        return LexBounds(lex_bound(low), lex_bound(high))
    start = integer(low)
    return RankBounds(start, integer(high))


def score_bounds(low: bytes, high: bytes) -> ScoreBounds:
    """Two scores, an open end behind a bracket."""
    low_open = low[:1] == b"("
    lowest = bound_score(low[1:] if low_open else low)
    high_open = high[:1] == b"("
    highest = bound_score(high[1:] if high_open else high)
    return ScoreBounds(lowest, low_open, highest, high_open)


def bound_score(text: bytes) -> float:
    """A score in a range. Redis reads up to a NUL, nothing as 0, and no hexadecimal floats."""
    text = text.partition(b"\0")[0]
    if not text:
        return 0.0
    score = NO_SCORE
    if not text.translate(None, DECIMAL):
        try:
            score = float(text)
        except ValueError:
            pass
    else:
        word = text.lower()
        negative = word[:1] == b"-"
        if negative or word[:1] == b"+":
            word = word[1:]
        if word == b"inf" or word == b"infinity":
            score = -INFINITY if negative else INFINITY
    if score != score:
        raise Failure(NOT_FLOATS)
    return score


def lex_bound(text: bytes) -> LexBound:
    """`-`, `+`, `[member` or `(member`. A lone sign may be followed by a NUL, as in Redis."""
    sign = text[:1]
    if sign == b"[" or sign == b"(":
        return LexBound(TEXT, text[1:], sign == b"(")
    if (sign == b"-" or sign == b"+") and text[1:2] in (b"", b"\0"):
        return LexBound(LEAST if sign == b"-" else GREATEST, b"", True)
    raise Failure(NOT_STRINGS)


def shown(ctx: Context, args: list[bytes], kind: i64, reverse: bool) -> object:
    """The members of a range, with their scores where these are asked for."""
    query = query_of(args, 1, kind, reverse, False)
    value = ctx.zset(args[1])
    if value is None:
        return []
    start, stop = query.ranks(value)
    members = value.members(start, stop)
    if query.reverse:
        members.reverse()
    if not query.with_scores:
        return members
    scores = value.scores(start, stop)
    if query.reverse:
        scores.reverse()
    return scored(ctx, members, scores)


def zrange(ctx: Context, args: list[bytes]) -> object:
    """ZRANGE, by rank, score or member, in both directions."""
    return shown(ctx, args, ANY, False)


def zrevrange(ctx: Context, args: list[bytes]) -> object:
    """ZREVRANGE: by rank from the highest score."""
    return shown(ctx, args, RANK, True)


def zrangebyscore(ctx: Context, args: list[bytes]) -> object:
    """ZRANGEBYSCORE."""
    return shown(ctx, args, SCORE, False)


def zrevrangebyscore(ctx: Context, args: list[bytes]) -> object:
    """ZREVRANGEBYSCORE."""
    return shown(ctx, args, SCORE, True)


def zrangebylex(ctx: Context, args: list[bytes]) -> object:
    """ZRANGEBYLEX."""
    return shown(ctx, args, LEX, False)


def zrevrangebylex(ctx: Context, args: list[bytes]) -> object:
    """ZREVRANGEBYLEX."""
    return shown(ctx, args, LEX, True)


def zrangestore(ctx: Context, args: list[bytes]) -> object:
    """ZRANGESTORE: how many members the range has, which is put under another key."""
    query = query_of(args, 2, ANY, False, True)
    value = ctx.zset(args[2])
    pairs: dict[bytes, float] = {}
    if value is None:
        ctx.services.notify.read_missed(int(ctx.db.number), args[2])
    else:
        start, stop = query.ranks(value)
        members = value.members(start, stop)
        pairs = dict(zip(members, value.scores(start, stop), strict=True))
    return stored(ctx, args[1], pairs, ZRANGESTORE)


def counted(ctx: Context, args: list[bytes], kind: i64) -> int:
    """How many members are in a range."""
    bounds = bounds_of(kind, args[2], args[3])
    value = ctx.zset(args[1])
    if value is None:
        return 0
    start, stop = bounds.span(value, False, 0)
    return int(stop - start)


def zcount(ctx: Context, args: list[bytes]) -> object:
    """ZCOUNT: by score."""
    return counted(ctx, args, SCORE)


def zlexcount(ctx: Context, args: list[bytes]) -> object:
    """ZLEXCOUNT: by member."""
    return counted(ctx, args, LEX)


def removed(ctx: Context, args: list[bytes], kind: i64, event: i64) -> int:
    """Removes the members of a range by their names; how many there were."""
    bounds = bounds_of(kind, args[2], args[3])
    value = ctx.zset(args[1])
    if value is None:
        return 0
    start, stop = bounds.span(value, False, 0)
    members = value.members(start, stop)
    if not members:
        return 0
    ctx.reworded()
    return int(ctx.emit(ZREM, args[1], members, 0, event))


def zremrangebyrank(ctx: Context, args: list[bytes]) -> object:
    """ZREMRANGEBYRANK."""
    return removed(ctx, args, RANK, ZREMRANGEBYRANK)


def zremrangebyscore(ctx: Context, args: list[bytes]) -> object:
    """ZREMRANGEBYSCORE."""
    return removed(ctx, args, SCORE, ZREMRANGEBYSCORE)


def zremrangebylex(ctx: Context, args: list[bytes]) -> object:
    """ZREMRANGEBYLEX."""
    return removed(ctx, args, LEX, ZREMRANGEBYLEX)


FIND: Final = "O(log N)"
FIND_AND_SHOW: Final = "O(log N + M) with M the members returned"
FIND_AND_REMOVE: Final = "O(log N + M * log N) with M the members removed"

COMMANDS: tuple[Command, ...] = (
    Command(
        "ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]", zrange,
        READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="sorted-set", since="1.2.0", cost=FIND_AND_SHOW,
        about="Shows the members in a range of ranks, scores or members.",
    ),
    Command(
        "ZREVRANGE key start stop [WITHSCORES]", zrevrange, READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="sorted-set", since="1.2.0", cost=FIND_AND_SHOW,
        about="Shows the members in a range of ranks, counted from the highest; see ZRANGE.",
    ),
    Command(
        "ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]", zrangebyscore, READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="sorted-set", since="1.0.5", cost=FIND_AND_SHOW,
        about="Shows the members in a range of scores; see ZRANGE.",
    ),
    Command(
        "ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]", zrevrangebyscore,
        READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="sorted-set", since="2.2.0", cost=FIND_AND_SHOW,
        about="Shows the members in a range of scores, the highest first; see ZRANGE.",
    ),
    Command(
        "ZRANGEBYLEX key min max [LIMIT offset count]", zrangebylex, READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="sorted-set", since="2.8.9", cost=FIND_AND_SHOW,
        about="Shows the members between two members of one score; see ZRANGE.",
    ),
    Command(
        "ZREVRANGEBYLEX key max min [LIMIT offset count]", zrevrangebylex, READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="sorted-set", since="2.8.9", cost=FIND_AND_SHOW,
        about="Shows the members between two members of one score, the last first; see ZRANGE.",
    ),
    Command(
        "ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]", zrangestore,
        WRITE | DENYOOM,
        keys=(at(1, "OW", "UPDATE"), at(2, "RO", "ACCESS")), group="sorted-set", since="6.2.0",
        cost="O(log N + M) with M the members stored",
        about="Keeps the members in a range under another key.",
    ),
    Command(
        "ZCOUNT key min max", zcount, READONLY | FAST,
        keys=(at(1, "RO", "ACCESS"),), group="sorted-set", since="2.0.0", cost=FIND,
        about="Counts the members in a range of scores.",
    ),
    Command(
        "ZLEXCOUNT key min max", zlexcount, READONLY | FAST,
        keys=(at(1, "RO", "ACCESS"),), group="sorted-set", since="2.8.9", cost=FIND,
        about="Counts the members between two members of one score.",
    ),
    Command(
        "ZREMRANGEBYRANK key start stop", zremrangebyrank, WRITE,
        keys=(at(1, "RW", "DELETE"),), group="sorted-set", since="2.0.0", cost=FIND_AND_REMOVE,
        about="Removes the members in a range of ranks.",
    ),
    Command(
        "ZREMRANGEBYSCORE key min max", zremrangebyscore, WRITE,
        keys=(at(1, "RW", "DELETE"),), group="sorted-set", since="1.2.0", cost=FIND_AND_REMOVE,
        about="Removes the members in a range of scores.",
    ),
    Command(
        "ZREMRANGEBYLEX key min max", zremrangebylex, WRITE,
        keys=(at(1, "RW", "DELETE"),), group="sorted-set", since="2.8.9", cost=FIND_AND_REMOVE,
        about="Removes the members between two members of one score.",
    ),
)  # fmt: skip
