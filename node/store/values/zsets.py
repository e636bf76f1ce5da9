"""ZSetValue: members with their scores, and the order of these.  [compiled]

Places answer for members, a Ranking for order. A value that was filled at once (read from a
file, the result of ZUNIONSTORE) gets its Ranking when a rank or range is first asked for.
"""

from __future__ import annotations

from sys import getsizeof
from typing import Any, Final, cast

from mypy_extensions import i64

from node.store.values.container import Container
from node.store.values.ranking import Ranking
from node.store.values.scores import score_text

# What `do_put` returns: how many were changed, new ones counted, and above 32 bits how many new.
SAME: Final[i64] = 0
CHANGED: Final[i64] = 1
ADDED: Final[i64] = 4294967297
NEW_SHIFT: Final[i64] = 32
CHANGED_MASK: Final[i64] = 4294967295
# Of so many members removed at once, or an eighth of all, the ranking is walked once.
MANY: Final = 64
RANKED_BYTES: Final = 18  # two pointers in a Ranking, and some room


class ZSetValue(Container):
    """A sorted set: the slot of a member is its score, never nan, and never minus zero."""

    def __init__(self) -> None:
        super().__init__()
        self._ranking: Ranking | None = Ranking()

    def kind(self) -> bytes:
        return b"zset"

    def score_of(self, member: bytes) -> float | None:
        """ZSCORE: None where it is no member."""
        return cast("float | None", self.slot(member))

    def score(self, member: bytes) -> float:
        """The score of a member that is there."""
        return cast(float, self.slot(member))

    def rank_of(self, member: bytes) -> int:
        """ZRANK: -1 where it is no member."""
        score: Any = self.slot(member)
        if score is None:
            return -1
        return int(self.ranking().rank_of(score, member))

    def members(self, start: i64, stop: i64) -> list[bytes]:
        """The members from rank `start` to before `stop`, the lowest score first."""
        return self.ranking().members(start, stop)

    def scores(self, start: i64, stop: i64) -> list[float]:
        """The scores from rank `start` to before `stop`."""
        return self.ranking().scores(start, stop)

    def below(self, score: float) -> i64:
        """How many members have a lower score."""
        return self.ranking().below(score)

    def up_to(self, score: float) -> i64:
        """How many members have this score or a lower one."""
        return self.ranking().up_to(score)

    def before(self, score: float, member: bytes) -> i64:
        """How many stand before a member of this score, whether or not it is there."""
        return self.ranking().rank_of(score, member)

    def ranking(self) -> Ranking:
        """The order, made where it was not needed so far."""
        ranking = self._ranking
        if ranking is None:
            scores: list[Any] = []
            for chunk in self.chunks():
                scores.extend(chunk.values())
            ranking = ranked(self.names(), scores)
            self._ranking = ranking
        return ranking

    def content(self) -> object:
        size = self.size()
        return list(zip(self.members(0, size), self.scores(0, size), strict=True))

    def parts(self) -> list[bytes]:
        found: list[bytes] = []
        size = self.size()
        scores = self.scores(0, size)
        for i, member in enumerate(self.members(0, size)):
            found.append(member)
            found.append(score_text(scores[i]))
        found.extend(self.deadline_parts())
        return found

    def copy(self) -> ZSetValue:
        """The same members, scores and deadlines: what COPY, RENAME and *STORE put."""
        twin = ZSetValue()
        twin.take_past(self)
        twin.do_fill_as(self, [chunk.copy() for chunk in self.chunks()])
        ranking = self._ranking
        twin._ranking = None if ranking is None else ranking.copy()
        twin.deadlines = self.deadlines_copy()
        return twin

    def held(self) -> i64:
        found = super().held()
        return found if self._ranking is None else found + self._ranking.size

    def release(self, places: i64) -> i64:
        ranking = self._ranking
        if ranking is not None and ranking.release(places) == 0:
            self._ranking = None
        self.release_beside(self.release_places(places))
        return self.held()

    def footprint(self, samples: int) -> int:
        size = super().footprint(samples)
        return size + self.size() * (RANKED_BYTES + getsizeof(0.0))

    def do_put(self, member: bytes, score: float) -> i64:
        """Gives a member its score; ADDED, CHANGED or SAME. `score` must not be nan."""
        # Any keeps the float object, which the slot and the ranking both hold.
        held: Any = score + 0.0  # minus zero becomes zero
        old: Any = self.slot(member)
        ranking = self._ranking
        if old is None:
            self.do_place(member, held)
            if ranking is not None:
                ranking.add(held, member)
            return ADDED
        if old == held:
            return SAME
        self.do_place(member, held)
        if ranking is not None:
            ranking.add(held, ranking.remove(old, member))
        return CHANGED

    def do_remove(self, arguments: list[bytes], begin: i64) -> i64:
        """Takes out the members from `begin` on; returns how many there were."""
        before: i64 = self.size()
        self.do_remember(arguments, begin, before)
        n: i64 = len(arguments)
        ranking = self._ranking
        i = begin
        if n - begin > MANY and (n - begin) * 8 > before:
            gone: set[bytes] = set()
            while i < n:
                if self.do_take(arguments[i]) is not None:
                    gone.add(arguments[i])
                i += 1
            if ranking is not None:
                ranking.remove_all(gone)
        else:
            while i < n:
                member = arguments[i]
                old: Any = self.do_take(member)
                if old is not None and ranking is not None:
                    ranking.remove(old, member)
                i += 1
        if self.deadlines is not None:
            self.lost(arguments, int(begin))
        left: i64 = self.size()
        return before - left

    def names_all(self, arguments: list[bytes], begin: i64) -> bool:
        """Are the arguments from `begin` on what `members` gave of the whole value?

        Found by comparing objects, without a look at their bytes; False may also mean: not known.
        """
        ranking = self._ranking
        return ranking is not None and ranking.is_all(arguments, begin)

    def do_fill(self, pairs: dict[bytes, float]) -> None:
        """Takes the pairs as the whole content; the dict belongs to the value from then on.

        No score may be nan. Made for new values: the order is worked out when it is asked for.
        """
        for member, score in pairs.items():
            if score == 0.0:
                pairs[member] = 0.0
        self.do_fill_dict(cast(dict[bytes, object], pairs))
        self._ranking = None


def zset_of(pairs: dict[bytes, float]) -> ZSetValue:
    """A new sorted set of these pairs; the dict is its own from then on. No score may be nan."""
    value = ZSetValue()
    value.do_fill(pairs)
    return value


def ranked(members: list[bytes], scores: list[Any]) -> Ranking:
    """A ranking of all pairs, whose lists are its own from then on. Pairs that come in order of
    score, or in reverse, are not sorted."""
    direction = direction_of(scores)
    if direction < 0:
        members.reverse()
        scores.reverse()
    elif direction == 0:
        order = sorted(range(len(scores)), key=scores.__getitem__)
        members = [members[place] for place in order]
        scores = [scores[place] for place in order]
    order_equals(scores, members)
    ranking = Ranking()
    ranking.fill(scores, members)
    return ranking


def direction_of(scores: list[Any]) -> i64:
    """1 where the scores rise, -1 where they fall (equal ones are either), 0 where neither."""
    rises = falls = True
    n: i64 = len(scores)
    if n == 0:
        return 1
    before: float = scores[0]
    i: i64 = 1
    while i < n and (rises or falls):
        score: float = scores[i]
        if score < before:
            rises = False
        elif score > before:
            falls = False
        before = score
        i += 1
    return 1 if rises else -1 if falls else 0


def order_equals(scores: list[Any], members: list[bytes]) -> None:
    """Puts runs of equal scores in order of their members."""
    n: i64 = len(scores)
    begin: i64 = 0
    i: i64 = 1
    while i <= n:
        if i < n:
            first: float = scores[begin]
            score: float = scores[i]
            if score == first:
                i += 1
                continue
        if i - begin > 1:
            # Each member keeps its own float object, which its slot holds too.
            run = sorted(zip(members[begin:i], scores[begin:i], strict=True))
            members[begin:i] = [member for member, _ in run]
            scores[begin:i] = [score for _, score in run]
        begin = i
        i += 1


def added_of(outcome: i64) -> int:
    """How many members are new, of what ZADD's mutations return."""
    return int(outcome >> NEW_SHIFT)


def changed_of(outcome: i64) -> int:
    """How many members are new or have another score, of what ZADD's mutations return."""
    return int(outcome & CHANGED_MASK)
