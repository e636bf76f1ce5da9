"""Unions, intersections and differences of sorted sets, and of plain sets, whose members have the
score 1.  [compiled]

Scores are added up in the order Redis adds them (the smallest set first), since the order of sums
of floats matters. A sum or product that is no number counts as 0.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.commands.args import Options, in_range, integer, syntax_error
from node.commands.command import DENYOOM, READONLY, WRITE, Command, at, counted
from node.commands.context import Context, wrong_type
from node.commands.zsets import score_of, scored, stored
from node.resp.replies import Failure
from node.store.events import ZDIFFSTORE, ZINTERSTORE, ZUNIONSTORE
from node.store.values.sets import SetValue
from node.store.values.strings import I64_MAX
from node.store.values.zsets import ZSetValue, ranked

NOT_A_WEIGHT: Final = b"ERR weight value is not a float"
BAD_LIMIT: Final = b"ERR LIMIT can't be negative"

SUM: Final[i64] = 0
MIN: Final[i64] = 1
MAX: Final[i64] = 2


class Source:
    """One input: a sorted set or a plain set, nothing where the key is not there; its weight."""

    def __init__(self, value: object) -> None:
        self.scored: ZSetValue | None = None
        self.members: SetValue | None = None
        self.weight = 1.0
        if isinstance(value, ZSetValue):
            self.scored = value
        elif isinstance(value, SetValue):
            self.members = value

    def size(self) -> int:
        """How many members."""
        if self.scored is not None:
            return self.scored.size()
        return 0 if self.members is None else self.members.size()

    def score_of(self, member: bytes) -> float | None:
        """A member's score without the weight, None where it is none."""
        if self.scored is not None:
            return self.scored.score_of(member)
        return 1.0 if self.members is not None and self.members.has(member) else None

    def chunks(self) -> list[dict[bytes, float]]:
        """All members with their scores, in dicts to be read only."""
        if self.scored is not None:
            return self.scored.score_chunks()
        if self.members is None:
            return []
        return [dict.fromkeys(chunk, 1.0) for chunk in self.members.chunks()]

    def names(self) -> list[bytes]:
        """All members."""
        if self.scored is not None:
            return self.scored.names()
        return [] if self.members is None else self.members.names()


class Request:
    """What ZUNION and its kin ask for."""

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.aggregate: i64 = SUM
        self.with_scores = False
        self.limit = 0

    def by_size(self) -> list[Source]:
        """The sources, the smallest first."""
        return sorted(self.sources, key=Source.size)


def sources_of(ctx: Context, args: list[bytes], first: int, writes: bool) -> list[Source]:
    """numkeys and the keys, from args[first] on; each is looked up, WRONGTYPE at the first."""
    count = integer(args[first])
    if count < 1:
        name = args[0].lower()
        raise Failure(b"ERR at least 1 input key is needed for '%b' command" % name)
    if count > len(args) - first - 1:
        raise syntax_error()
    sources: list[Source] = []
    for key in args[first + 1 : first + 1 + count]:
        value = ctx.find(key)
        if value is None and writes:
            ctx.services.notify.read_missed(int(ctx.db.number), key)
        elif value is not None and not isinstance(value, (ZSetValue, SetValue)):
            raise wrong_type()
        sources.append(Source(value))
    return sources


def request_of(ctx: Context, args: list[bytes], first: int, weighs: bool, stores: bool) -> Request:
    """numkeys key [key ...] and the options; `weighs`: WEIGHTS and AGGREGATE are among these."""
    request = Request()
    request.sources = sources_of(ctx, args, first, stores)
    count = len(request.sources)
    options = Options(args, first + 1 + count)
    while options.more():
        word = options.word()
        if word == b"WEIGHTS" and weighs and options.has_value(count):
            for source in request.sources:
                source.weight = score_of(options.value(), NOT_A_WEIGHT)
        elif word == b"AGGREGATE" and weighs and options.has_value():
            request.aggregate = aggregate_of(options.value())
        elif word == b"WITHSCORES" and not stores:
            request.with_scores = True
        else:
            raise syntax_error()
    return request


def aggregate_of(word: bytes) -> i64:
    """SUM, MIN or MAX; syntax error for another word."""
    upper = word.upper()
    if upper == b"SUM":
        return SUM
    if upper == b"MIN":
        return MIN
    if upper == b"MAX":
        return MAX
    raise syntax_error()


def together(score: float, more: float, aggregate: i64) -> float:
    """Two scores of one member as one."""
    if aggregate == MIN:
        return more if more < score else score
    if aggregate == MAX:
        return more if more > score else score
    total = score + more
    return total if total == total else 0.0


def united(request: Request) -> dict[bytes, float]:
    """The members that any source has."""
    found: dict[bytes, float] = {}
    aggregate = request.aggregate
    for source in request.by_size():
        weight = source.weight
        for chunk in source.chunks():
            for member, plain in chunk.items():
                score = weight * plain
                if score != score:
                    score = 0.0
                old = found.get(member)
                found[member] = score if old is None else together(old, score, aggregate)
    return found


def intersected(request: Request) -> dict[bytes, float]:
    """The members that all sources have, found by walking the smallest."""
    found: dict[bytes, float] = {}
    aggregate = request.aggregate
    ordered = request.by_size()
    smallest = ordered[0]
    others = ordered[1:]
    weight = smallest.weight
    for member in smallest.names():
        plain = smallest.score_of(member)
        assert plain is not None, "a member has no score"
        score = weight * plain
        if score != score:
            score = 0.0
        everywhere = True
        for source in others:
            more = source.score_of(member)
            if more is None:
                everywhere = False
                break
            score = together(score, more * source.weight, aggregate)
        if everywhere:
            found[member] = score
    return found


def subtracted(request: Request) -> dict[bytes, float]:
    """The members of the first source that no other has."""
    found: dict[bytes, float] = {}
    for chunk in request.sources[0].chunks():
        found.update(chunk)
    for source in request.sources[1:]:
        if source.size() > len(found):
            found = {
                member: score for member, score in found.items() if source.score_of(member) is None
            }
        else:
            for member in source.names():
                found.pop(member, None)
    return found


def shown(ctx: Context, request: Request, pairs: dict[bytes, float]) -> object:
    """The result in order of scores."""
    ranking = ranked(list(pairs), list(pairs.values()))
    members = ranking.members(0, len(pairs))
    if not request.with_scores:
        return members
    return scored(ctx, members, ranking.scores(0, len(pairs)))


def zunion(ctx: Context, args: list[bytes]) -> object:
    """ZUNION."""
    request = request_of(ctx, args, 1, True, False)
    return shown(ctx, request, united(request))


def zinter(ctx: Context, args: list[bytes]) -> object:
    """ZINTER."""
    request = request_of(ctx, args, 1, True, False)
    return shown(ctx, request, intersected(request))


def zdiff(ctx: Context, args: list[bytes]) -> object:
    """ZDIFF."""
    request = request_of(ctx, args, 1, False, False)
    return shown(ctx, request, subtracted(request))


def zunionstore(ctx: Context, args: list[bytes]) -> object:
    """ZUNIONSTORE: the size of the result."""
    return stored(ctx, args[1], united(request_of(ctx, args, 2, True, True)), ZUNIONSTORE)


def zinterstore(ctx: Context, args: list[bytes]) -> object:
    """ZINTERSTORE: the size of the result."""
    return stored(ctx, args[1], intersected(request_of(ctx, args, 2, True, True)), ZINTERSTORE)


def zdiffstore(ctx: Context, args: list[bytes]) -> object:
    """ZDIFFSTORE: the size of the result."""
    return stored(ctx, args[1], subtracted(request_of(ctx, args, 2, False, True)), ZDIFFSTORE)


def zintercard(ctx: Context, args: list[bytes]) -> object:
    """ZINTERCARD: how many members all have, counted up to LIMIT (0: no limit)."""
    request = Request()
    request.sources = sources_of(ctx, args, 1, False)
    options = Options(args, 2 + len(request.sources))
    while options.more():
        if options.word() != b"LIMIT" or not options.has_value():
            raise syntax_error()
        request.limit = in_range(options.value(), 0, I64_MAX, BAD_LIMIT)
    ordered = request.by_size()
    others = ordered[1:]
    found = 0
    for member in ordered[0].names():
        everywhere = True
        for source in others:
            if source.score_of(member) is None:
                everywhere = False
                break
        if everywhere:
            found += 1
            if found == request.limit:
                break
    return found


UNION_COST: Final = "O(N + M * log M) with N all members of the inputs and M those of the result"
INTER_COST: Final = (
    "O(N * K + M * log M) with N the smallest input, K their number and M the result's members"
)
DIFF_COST: Final = "O(N + M * log M) with N all members of the inputs and M those of the result"

COMMANDS: tuple[Command, ...] = (
    Command(
        "ZUNION numkeys key [key ...] [WEIGHTS weight [weight ...]] "
        "[AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]", zunion, READONLY,
        keys=(counted(1, 2, "RO", "ACCESS"),), group="sorted-set", since="6.2.0", cost=UNION_COST,
        about="Shows the members of several sorted sets together.",
    ),
    Command(
        "ZINTER numkeys key [key ...] [WEIGHTS weight [weight ...]] "
        "[AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]", zinter, READONLY,
        keys=(counted(1, 2, "RO", "ACCESS"),), group="sorted-set", since="6.2.0", cost=INTER_COST,
        about="Shows what several sorted sets have in common.",
    ),
    Command(
        "ZDIFF numkeys key [key ...] [WITHSCORES]", zdiff, READONLY,
        keys=(counted(1, 2, "RO", "ACCESS"),), group="sorted-set", since="6.2.0", cost=DIFF_COST,
        about="Shows the members of the first sorted set that no other has.",
    ),
    Command(
        "ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] "
        "[AGGREGATE <SUM | MIN | MAX>]", zunionstore, WRITE | DENYOOM,
        keys=(at(1, "OW", "UPDATE"), counted(2, 3, "RO", "ACCESS")),
        group="sorted-set", since="2.0.0", cost=UNION_COST,
        about="Keeps the members of several sorted sets together under a key.",
    ),
    Command(
        "ZINTERSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] "
        "[AGGREGATE <SUM | MIN | MAX>]", zinterstore, WRITE | DENYOOM,
        keys=(at(1, "OW", "UPDATE"), counted(2, 3, "RO", "ACCESS")),
        group="sorted-set", since="2.0.0", cost=INTER_COST,
        about="Keeps what several sorted sets have in common under a key.",
    ),
    Command(
        "ZDIFFSTORE destination numkeys key [key ...]", zdiffstore, WRITE | DENYOOM,
        keys=(at(1, "OW", "UPDATE"), counted(2, 3, "RO", "ACCESS")),
        group="sorted-set", since="6.2.0", cost=DIFF_COST,
        about="Keeps the members of the first sorted set that no other has under a key.",
    ),
    Command(
        "ZINTERCARD numkeys key [key ...] [LIMIT limit]", zintercard, READONLY,
        keys=(counted(1, 2, "RO", "ACCESS"),), group="sorted-set", since="7.0.0", cost=INTER_COST,
        about="Counts what several sorted sets have in common, up to a limit.",
    ),
)  # fmt: skip
