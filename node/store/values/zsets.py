"""ZSetValue: members with their scores, and the order of these.  [compiled]

Places answer for members, a Ranking for order; a slot is a float, or while the mesh is on what
values/scored.py says. A value that was filled at once (read from a
file, the result of ZUNIONSTORE) gets its Ranking when a rank or range is first asked for.
"""

from __future__ import annotations

from sys import getsizeof
from typing import Any, Final, cast

from mypy_extensions import i64

from node.store.values.container import Container
from node.store.values.ranking import Ranking
from node.store.values.scored import SET, Scored, ScoreRegister, SpelledScore, score_in
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
    """A sorted set. No score is ever nan or minus zero."""

    def __init__(self) -> None:
        super().__init__()
        self._ranking: Ranking | None = Ranking()
        self.dotted = False  # a slot may be Scored; False: all are floats

    def kind(self) -> bytes:
        return b"zset"

    def score_of(self, member: bytes) -> float | None:
        """ZSCORE: None where it is no member."""
        return cast("float | None", score_in(self.slot(member)))

    def score(self, member: bytes) -> float:
        """The score of a member that is there."""
        return cast(float, score_in(self.slot(member)))

    def rank_of(self, member: bytes) -> int:
        """ZRANK: -1 where it is no member."""
        score: Any = score_in(self.slot(member))
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
                if self.dotted:
                    scores.extend([score_in(slot) for slot in chunk.values()])
                else:
                    scores.extend(chunk.values())
            ranking = ranked(self.names(), scores)
            self._ranking = ranking
        return ranking

    def score_chunks(self) -> list[dict[bytes, float]]:
        """All members with their scores, in dicts that are to be read only."""
        chunks = self.chunks()
        if not self.dotted:
            return cast(list[dict[bytes, float]], chunks)
        return [{member: score_in(slot) for member, slot in chunk.items()} for chunk in chunks]

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
        """The same members, scores and deadlines without dots: what COPY, RENAME and *STORE put."""
        twin = ZSetValue()
        twin.take_past(self)
        if self.dotted:
            twin.do_fill_as(self, cast(list[dict[bytes, object]], self.score_chunks()))
        else:
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
        """Gives a member its score, and no dot; ADDED, CHANGED or SAME. `score` must not be nan."""
        # Any keeps the float object, which the slot and the ranking both hold.
        held: Any = score + 0.0  # minus zero becomes zero
        old: Any = score_in(self.slot(member))
        ranking = self._ranking
        if old is None:
            self.do_place(member, held)
            if ranking is not None:
                ranking.add(held, member)
            return ADDED
        if old == held:
            if self.dotted:
                self.do_place(member, old)
            return SAME
        self.do_place(member, held)
        if ranking is not None:
            ranking.add(held, ranking.remove(old, member))
        return CHANGED

    def do_write(self, member: bytes, slot: Scored, old: Any) -> i64:
        """Puts a score with its dots under a member; ADDED, CHANGED or SAME.

        `old` is the score that the member had, None of a new one: a SpelledScore changes in place.
        """
        held = slot.score
        ranking = self._ranking
        self.dotted = True
        if old is not None and old == held:
            slot.score = old  # the object that the ranking holds
            self.do_place(member, slot)
            return SAME
        self.do_place(member, slot)
        if old is None:
            if ranking is not None:
                ranking.add(held, member)
            if self.deadlines is not None:
                self.do_show_claims([member], 0)
            return ADDED
        if ranking is not None:
            ranking.add(held, ranking.remove(old, member))
        return CHANGED

    def do_count(self, member: bytes, amount: float, stamp: i64, origin: i64) -> i64:
        """ZINCRBY that is remembered as a step of this dot; ADDED, CHANGED or SAME."""
        slot: Any = self.slot(member)
        old: Any = score_in(slot)
        if isinstance(slot, SpelledScore):
            spelled = slot
        else:
            spelled = SpelledScore()
            if isinstance(slot, Scored):
                before = ScoreRegister(slot.score, slot.stamp, i64(slot.origin), slot.how)
                spelled.registers = [before]
            elif slot is not None:
                spelled.registers = [ScoreRegister(slot, 0, 0, SET)]
        spelled.add(amount, stamp, origin)
        spelled.show()
        return self.do_write(member, spelled, old)

    def do_give_dots(self, stamp: i64, origin: i64) -> None:
        """Every member without a dot gets this one."""
        for chunk in self.chunks():
            self.do_give_dots_to(chunk, stamp, origin)

    def do_give_dots_to(self, chunk: dict[bytes, object], stamp: i64, origin: i64) -> None:
        """The same for one of `chunks`."""
        self.dotted = True
        for member, slot in chunk.items():
            if not isinstance(slot, Scored):
                chunk[member] = Scored(slot, stamp, origin, SET)

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
                old: Any = score_in(self.do_take(member))
                if old is not None and ranking is not None:
                    ranking.remove(old, member)
                i += 1
        if self.deadlines is not None:
            self.lost(arguments, int(begin))
        left: i64 = self.size()
        return before - left

    def do_hide(self, place: bytes) -> None:
        """Takes a member out that is kept elsewhere, and leaves what is remembered of it."""
        old: Any = score_in(self.do_take(place))
        if old is not None and self._ranking is not None:
            self._ranking.remove(old, place)

    def do_restore(self, place: bytes, slot: object) -> None:
        """The reverse of `do_hide`."""
        score: Any = score_in(slot)
        if isinstance(slot, Scored):
            self.dotted = True
        self.do_place(place, slot)
        if self._ranking is not None:
            self._ranking.add(score, place)

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
        self.dotted = False
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
