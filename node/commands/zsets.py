"""Sorted sets, member by member: ZADD, ZREM, ZSCORE, ZRANK, ZRANDMEMBER, ZSCAN.  [compiled]

Ranges are in zset_ranges.py, pops in zset_pops.py, unions and intersections in zset_algebra.py.
What ZADD's options decide is decided here: an effect names the pairs that apply, and no others.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.commands.args import cursor, syntax_error
from node.commands.command import DENYOOM, FAST, READONLY, WRITE, Command, at
from node.commands.context import Context
from node.commands.encodings import is_small_zset, thresholds_of
from node.commands.member_picks import picked, picked_again
from node.commands.member_scan import scan_members, scan_options
from node.commands.sets import OUT_OF_RANGE, PICKS_MAX, random_count
from node.resp.numbers import format_double
from node.resp.replies import NULL_ARRAY, Double, Failure
from node.store.effect import DROP, PUT, ZADD, ZINCR, ZMAX, ZMIN, ZREM
from node.store.values.scores import is_decimal, read_score, score_text
from node.store.values.strings import I64_MAX
from node.store.values.zsets import ZSetValue, added_of, zset_of

NOT_A_FLOAT: Final = b"ERR value is not a valid float"
NOT_A_NUMBER: Final = b"ERR resulting score is not a number (NaN)"
NX_AND_XX: Final = b"ERR XX and NX options at the same time are not compatible"
GT_LT_NX: Final = b"ERR GT, LT, and/or NX options at the same time are not compatible"
ONE_INCREMENT: Final = b"ERR INCR option supports a single increment-element pair"

NX: Final[i64] = 1
XX: Final[i64] = 2
GT: Final[i64] = 4
LT: Final[i64] = 8
CH: Final[i64] = 16
INCR: Final[i64] = 32
OPTIONS: Final[dict[bytes, i64]] = {
    b"NX": NX, b"XX": XX, b"GT": GT, b"LT": LT, b"CH": CH, b"INCR": INCR,
}  # fmt: skip


def score_of(text: bytes, problem: bytes = NOT_A_FLOAT) -> float:
    """A score, weight or coordinate as Redis reads doubles; Failure(problem) otherwise."""
    score = read_score(text)
    if score != score:
        raise Failure(problem)
    return score


def zadd(ctx: Context, args: list[bytes]) -> object:
    """ZADD: how many members are new. Scores that stay as they are get a new dot all the same."""
    if args[2] >= b"A":  # a letter: an option, or inf
        return zadd_with_options(ctx, args)
    check_pairs(args, 2)
    ctx.zset(args[1])
    return added_of(ctx.emit(ZADD, args[1], args, 2))


def check_pairs(args: list[bytes], first: i64) -> None:
    """Pairs of score and member from `first` on; Failure where they are none."""
    n: i64 = len(args)
    if n == first or (n - first) & 1:
        raise syntax_error()
    i = first
    while i < n:
        score_of(args[i])
        i += 2


def zadd_with_options(ctx: Context, args: list[bytes]) -> object:
    """ZADD with what may stand before the first score."""
    options: i64 = 0
    first: i64 = 2
    n: i64 = len(args)
    while first < n:
        option = OPTIONS.get(args[first].upper(), 0)
        if option == 0:
            break
        options = options | option
        first += 1
    if n == first or (n - first) & 1:
        raise syntax_error()
    if options & NX and options & XX:
        raise Failure(NX_AND_XX)
    if (options & GT and options & LT) or (options & NX and options & (GT | LT)):
        raise Failure(GT_LT_NX)
    if options & INCR and n - first > 2:
        raise Failure(ONE_INCREMENT)
    check_pairs(args, first)
    value = ctx.zset(args[1])
    if options & INCR:
        return increment(ctx, args[1], args[first], args[first + 1], options)
    if options == 0:
        return added_of(ctx.emit(ZADD, args[1], args, first))
    return add_some(ctx, args, first, options, value)


def add_some(
    ctx: Context, args: list[bytes], first: i64, options: i64, value: ZSetValue | None
) -> int:
    """Adds the pairs to which the options apply, each seeing what those before it have done."""
    done: dict[bytes, float] = {}
    pairs: list[bytes] = []
    new = 0
    changed = 0
    i = first
    n: i64 = len(args)
    while i < n:
        score = score_of(args[i])
        member = args[i + 1]
        i += 2
        old = done.get(member)
        if old is None and value is not None:
            old = value.score_of(member)
        if not applies(options, old, score):
            continue
        if old is None:
            new += 1
        elif old != score:
            changed += 1
        done[member] = score
        pairs.append(args[i - 2])
        pairs.append(member)
    if pairs:
        ctx.reworded()
        op = ZMAX if options & GT else ZMIN if options & LT else ZADD
        ctx.emit(op, args[1], pairs, 0)
    return new + changed if options & CH else new


def applies(options: i64, old: float | None, score: float) -> bool:
    """Do ZADD's options let a member with this score have that one?"""
    if old is None:
        return options & XX == 0
    if options & NX:
        return False
    if options & GT:
        return score > old
    return score < old if options & LT else True


def zincrby(ctx: Context, args: list[bytes]) -> object:
    """ZINCRBY: the new score. To Redis it is ZADD INCR, so ZADD's options are no numbers here."""
    if args[2].upper() in OPTIONS:
        raise syntax_error()
    return increment(ctx, args[1], args[2], args[3], 0)


def increment(ctx: Context, key: bytes, text: bytes, member: bytes, options: i64) -> object:
    """Adds to a member's score; None where ZADD's options do not let it."""
    step = score_of(text)
    value = ctx.zset(key)
    old = None if value is None else value.score_of(member)
    total = step if old is None else old + step
    if total != total:
        raise Failure(NOT_A_NUMBER)
    if not applies(options, old, total):
        return None
    if options != 0 or not is_decimal(text):
        ctx.reworded()
    ctx.emit(ZINCR, key, [text if is_decimal(text) else score_text(step), member])
    if value is not None and old is not None:
        total = value.score(member)  # in a mesh all increments are added up, rounded once
    return Double(total)


def zrem(ctx: Context, args: list[bytes]) -> object:
    """ZREM: how many members there were."""
    value = ctx.zset(args[1])
    if value is None:
        return 0
    present = [member for member in args[2:] if value.has(member)]
    if not present:
        return 0
    if len(present) == len(args) - 2:
        return ctx.emit(ZREM, args[1], args, 2)
    ctx.reworded()
    return ctx.emit(ZREM, args[1], present, 0)


def zcard(ctx: Context, args: list[bytes]) -> object:
    """ZCARD: how many members."""
    value = ctx.zset(args[1])
    return 0 if value is None else value.size()


def zscore(ctx: Context, args: list[bytes]) -> object:
    """ZSCORE: a member's score."""
    value = ctx.zset(args[1])
    return None if value is None else shown(value.score_of(args[2]))


def zmscore(ctx: Context, args: list[bytes]) -> object:
    """ZMSCORE: the scores of several members."""
    value = ctx.zset(args[1])
    replies: list[object] = []
    for member in args[2:]:
        replies.append(None if value is None else shown(value.score_of(member)))
    return replies


def shown(score: float | None) -> object:
    """A score as a reply."""
    return None if score is None else Double(score)


def zrank(ctx: Context, args: list[bytes]) -> object:
    """ZRANK: how many members stand before it."""
    return rank_reply(ctx, args, False)


def zrevrank(ctx: Context, args: list[bytes]) -> object:
    """ZREVRANK: how many members stand behind it."""
    return rank_reply(ctx, args, True)


def rank_reply(ctx: Context, args: list[bytes], reverse: bool) -> object:
    """A member's rank, with its score where that is asked for."""
    if len(args) > 4:
        name = args[0].lower()
        raise Failure(b"ERR wrong number of arguments for '%b' command" % name)
    with_score = len(args) == 4
    if with_score and args[3].upper() != b"WITHSCORE":
        raise syntax_error()
    value = ctx.zset(args[1])
    rank = -1 if value is None else value.rank_of(args[2])
    if value is None or rank < 0:
        return NULL_ARRAY if with_score else None
    if reverse:
        rank = value.size() - 1 - rank
    return [rank, Double(value.score(args[2]))] if with_score else rank


def scored(ctx: Context, members: list[bytes], scores: list[float]) -> list[object]:
    """Members with their scores: pairs in RESP3, in turn in RESP2."""
    if ctx.client().resp != 2:
        return nested(members, scores)
    return in_turn(members, scores)


def nested(members: list[bytes], scores: list[float]) -> list[object]:
    """Members with their scores as pairs."""
    found: list[object] = []
    for i in range(len(members)):
        found.append([members[i], Double(scores[i])])
    return found


def in_turn(members: list[bytes], scores: list[float]) -> list[object]:
    """Members with their scores in turn."""
    found: list[object] = []
    for i in range(len(members)):
        found.append(members[i])
        found.append(Double(scores[i]))
    return found


def stored(ctx: Context, key: bytes, pairs: dict[bytes, float], event: i64) -> int:
    """Puts the result in place of whatever `key` was; an empty one deletes it."""
    ctx.reworded()
    if pairs:
        ctx.emit(PUT, key, zset_of(pairs), 0, event)
    elif ctx.peek(key) is not None:
        ctx.emit(DROP, key)
    return len(pairs)


def zrandmember(ctx: Context, args: list[bytes]) -> object:
    """ZRANDMEMBER: one, up to count different ones, or -count with repetition."""
    if len(args) == 2:
        value = ctx.zset(args[1])
        return None if value is None else picked(ctx, value, 1)[0]
    count = random_count(args[2])
    if len(args) > 4 or (len(args) == 4 and args[3].upper() != b"WITHSCORES"):
        raise syntax_error()
    if len(args) == 4 and not -(I64_MAX // 2) <= count <= I64_MAX // 2:
        raise Failure(OUT_OF_RANGE)
    value = ctx.zset(args[1])
    if value is None or count == 0:
        return []
    if count < -PICKS_MAX:
        raise Failure(OUT_OF_RANGE)
    if count < 0:
        members = picked_again(ctx, value, -count)
    elif count > 1 and count >= value.size():
        members = value.members(0, value.size())
        members.reverse()
    else:
        members = picked(ctx, value, count)
    if len(args) == 3:
        return members
    return scored(ctx, members, [value.score(member) for member in members])


def zscan(ctx: Context, args: list[bytes]) -> object:
    """ZSCAN: the next cursor and some members with scores. Up to the packed size: all in one go.

    Redis prints the scores of a set that it does not keep packed with 17 digits, and so does this.
    """
    place = cursor(args[2])
    value = ctx.zset(args[1])
    if value is None:
        return [b"0", []]
    options = scan_options(args, 3, False)
    limits = thresholds_of(ctx.services.config)
    after, members = scan_members(ctx, value, place, options, int(limits.zset_listpack_entries))
    found: list[object] = []
    if is_small_zset(value, limits):
        members.sort(key=value.rank_of)
        for member in members:
            found.append(member)
            found.append(format_double(value.score(member)))
    else:
        for member in members:
            found.append(member)
            found.append(b"%.17g" % value.score(member))
    return [after, found]


class ZaddCommand(Command):
    """Calls its handler directly."""

    def run(self, ctx: Context, args: list[bytes]) -> object:
        return zadd(ctx, args)


EACH_LOG: Final = "O(log N) for each member"
RANDOM: Final = ("nondeterministic_output",)

COMMANDS: tuple[Command, ...] = (
    ZaddCommand(
        "ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]", zadd,
        WRITE | DENYOOM | FAST,
        keys=(at(1, "RW", "UPDATE"),), group="sorted-set", since="1.2.0", cost=EACH_LOG,
        about="Gives members of a sorted set their scores and makes the set where there is none.",
    ),
    Command(
        "ZINCRBY key increment member", zincrby, WRITE | DENYOOM | FAST,
        keys=(at(1, "RW", "ACCESS", "UPDATE"),), group="sorted-set", since="1.2.0",
        cost="O(log N)", about="Adds to the score of a member.",
    ),
    Command(
        "ZREM key member [member ...]", zrem, WRITE | FAST,
        keys=(at(1, "RW", "DELETE"),), group="sorted-set", since="1.2.0", cost=EACH_LOG,
        about="Removes members from a sorted set; the key goes with the last one.",
    ),
    Command(
        "ZCARD key", zcard, READONLY | FAST,
        keys=(at(1, "RO"),), group="sorted-set", since="1.2.0", cost="O(1)",
        about="Counts the members of a sorted set.",
    ),
    Command(
        "ZSCORE key member", zscore, READONLY | FAST,
        keys=(at(1, "RO", "ACCESS"),), group="sorted-set", since="1.2.0", cost="O(1)",
        about="Shows the score of a member.",
    ),
    Command(
        "ZMSCORE key member [member ...]", zmscore, READONLY | FAST,
        keys=(at(1, "RO", "ACCESS"),), group="sorted-set", since="6.2.0",
        cost="O(1) for each member", about="Shows the scores of several members.",
    ),
    Command(
        "ZRANK key member [WITHSCORE]", zrank, READONLY | FAST,
        keys=(at(1, "RO", "ACCESS"),), group="sorted-set", since="2.0.0", cost="O(log N)",
        about="Shows how many members have a lower place than one.",
    ),
    Command(
        "ZREVRANK key member [WITHSCORE]", zrevrank, READONLY | FAST,
        keys=(at(1, "RO", "ACCESS"),), group="sorted-set", since="2.0.0", cost="O(log N)",
        about="Shows how many members have a higher place than one.",
    ),
    Command(
        "ZRANDMEMBER key [count [WITHSCORES]]", zrandmember, READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="sorted-set", since="6.2.0",
        cost="O(1) for each member returned",
        about="Shows random members of a sorted set.", tips=RANDOM,
    ),
    Command(
        "ZSCAN key cursor [MATCH pattern] [COUNT count]", zscan, READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="sorted-set", since="2.8.0",
        cost="O(1) for each member returned",
        about="Goes through the members of a sorted set in several calls.", tips=RANDOM,
    ),
)  # fmt: skip
