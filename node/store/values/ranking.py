"""Ranking: members in the order of their scores, by blocks.  [compiled]

The ordered half of a sorted set. Equal scores are ordered by the members' bytes. Adding, removing
and looking up by score or by rank cost O(log n), apart from moving pointers inside one block; the
first of many ranks asked for after a block was split costs one step for each block.
"""

from __future__ import annotations

from typing import Any, Final

from mypy_extensions import i64

# A block is split above the one size, and joined to a neighbour below the other. Moving half of
# 512 pointers takes less time than finding the place.
BLOCK_MAX: Final = 512
BLOCK_MIN: Final = 64
BLOCK_FILLED: Final = 256  # blocks made at once leave room to grow


class Block:
    """A run of members with their scores.

    Scores are Any, which keeps them the very float objects that the sorted set's dict holds.
    """

    __slots__ = ("members", "scores")

    def __init__(self, scores: list[Any], members: list[bytes]) -> None:
        self.scores = scores
        self.members = members


class Ranking:
    """Ranks are counted from 0, the lowest score."""

    def __init__(self) -> None:
        self.size: i64 = 0
        self._blocks: list[Block] = []
        # What each block begins with.
        self._first_scores: list[Any] = []
        self._first_members: list[bytes] = []
        # How many members blocks have, summed as a Fenwick tree ("A New Data Structure for
        # Cumulative Frequency Tables", 1994); None where it is to be made again.
        self._tree: list[int] | None = None

    def fill(self, scores: list[Any], members: list[bytes]) -> None:
        """Takes in all members at once, in order. Nothing must be there."""
        n = len(members)
        for begin in range(0, n, BLOCK_FILLED):
            end = min(begin + BLOCK_FILLED, n)
            self._append(Block(scores[begin:end], members[begin:end]))
        self.size = n

    def copy(self) -> Ranking:
        """The same ranking, independent of this one."""
        twin = Ranking()
        for block in self._blocks:
            twin._append(Block(block.scores[:], block.members[:]))
        twin.size = self.size
        return twin

    def add(self, score: Any, member: bytes) -> None:
        """Puts in a member that is not there."""
        self.size += 1
        if not self._blocks:
            self._append(Block([score], [member]))
            self._tree = None
            return
        at = self._block_of(score, member)
        block = self._blocks[at]
        place = place_in(block, score, member)
        block.scores.insert(place, score)
        block.members.insert(place, member)
        if place == 0:
            self._first_scores[at] = score
            self._first_members[at] = member
        if len(block.members) > BLOCK_MAX:
            self._split(at)
        elif self._tree is not None:
            self._count(at, 1)

    def remove(self, score: Any, member: bytes) -> bytes:
        """Takes out a member with the score it has here; returns the object that was held."""
        at = self._block_of(score, member)
        block = self._blocks[at]
        place = place_in(block, score, member)
        block.scores.pop(place)
        held = block.members.pop(place)
        assert held == member, "the ranking has another member where this one should be"
        self.size -= 1
        left = len(block.members)
        if left == 0:
            self._drop(at)
            return held
        if place == 0:
            self._first_scores[at] = block.scores[0]
            self._first_members[at] = block.members[0]
        if left < BLOCK_MIN and self._join(at):
            return held
        if self._tree is not None:
            self._count(at, -1)
        return held

    def remove_all(self, gone: set[bytes]) -> None:
        """Takes out all these members in one walk, for many at once."""
        blocks = self._blocks
        self._blocks = []
        self._first_scores = []
        self._first_members = []
        self._tree = None
        self.size = 0
        for block in blocks:
            held = block.members
            scores = [score for i, score in enumerate(block.scores) if held[i] not in gone]
            if scores:
                members = [member for member in held if member not in gone]
                self._append(Block(scores, members))
                self.size += len(members)

    def is_all(self, arguments: list[bytes], begin: i64) -> bool:
        """Are the arguments from `begin` on all members in order: the very objects held here?"""
        if len(arguments) - begin != self.size:
            return False
        i = begin
        for block in self._blocks:
            for member in block.members:
                if arguments[i] is not member:
                    return False
                i += 1
        return True

    def release(self, places: i64) -> i64:
        """Frees blocks of about so many members; how many are left. The ranking is not to be used
        any more."""
        blocks = self._blocks
        while blocks and places > 0:
            size: i64 = len(blocks.pop().members)
            places -= size
            self.size -= size
        if not blocks:
            self.size = 0
        return self.size

    def rank_of(self, score: Any, member: bytes) -> i64:
        """How many stand before a member of this score, whether or not it is there."""
        if not self._blocks:
            return 0
        at = self._block_of(score, member)
        return self._before(at) + place_in(self._blocks[at], score, member)

    def below(self, score: Any) -> i64:
        """How many have a lower score."""
        at = first_not_below(self._first_scores, score, len(self._first_scores))
        if at == 0:
            return 0
        scores = self._blocks[at - 1].scores
        place = first_not_below(scores, score, len(scores))
        return self._before(at - 1) + place

    def up_to(self, score: Any) -> i64:
        """How many have this score or a lower one."""
        at = first_above(self._first_scores, score, 0)
        if at == 0:
            return 0
        place = first_above(self._blocks[at - 1].scores, score, 0)
        return self._before(at - 1) + place

    def members(self, start: i64, stop: i64) -> list[bytes]:
        """The members of the ranks from `start` to before `stop`; both must be in range."""
        found: list[bytes] = []
        left = stop - start
        if left <= 0:
            return found
        at, place = self._locate(start)
        while left > 0:
            part = self._blocks[at].members[place : place + left]
            left -= len(part)
            if not found:
                found = part
            else:
                found.extend(part)
            place = 0
            at += 1
        return found

    def scores(self, start: i64, stop: i64) -> list[Any]:
        """The scores of these ranks."""
        found: list[Any] = []
        left = stop - start
        if left <= 0:
            return found
        at, place = self._locate(start)
        while left > 0:
            part = self._blocks[at].scores[place : place + left]
            left -= len(part)
            if not found:
                found = part
            else:
                found.extend(part)
            place = 0
            at += 1
        return found

    def _append(self, block: Block) -> None:
        self._blocks.append(block)
        self._first_scores.append(block.scores[0])
        self._first_members.append(block.members[0])

    def _block_of(self, score: Any, member: bytes) -> i64:
        """The last block that does not begin behind the member, else the first."""
        end = place_among(self._first_scores, self._first_members, score, member)
        if end < len(self._first_scores) and self._first_members[end] == member:
            return end
        return end - 1 if end > 0 else 0

    def _split(self, at: i64) -> None:
        block = self._blocks[at]
        half = len(block.members) // 2
        right = Block(block.scores[half:], block.members[half:])
        del block.scores[half:]
        del block.members[half:]
        self._blocks.insert(at + 1, right)
        self._first_scores.insert(at + 1, right.scores[0])
        self._first_members.insert(at + 1, right.members[0])
        self._tree = None

    def _drop(self, at: i64) -> None:
        self._blocks.pop(at)
        self._first_scores.pop(at)
        self._first_members.pop(at)
        self._tree = None

    def _join(self, at: i64) -> bool:
        """Joins a block that has become small to the next, or the last to the one before.

        False where the two would be too large for one.
        """
        if at == len(self._blocks) - 1:
            at -= 1
        if at < 0:
            return False
        block = self._blocks[at]
        following = self._blocks[at + 1]
        if len(block.members) + len(following.members) > BLOCK_MAX:
            return False
        block.scores.extend(following.scores)
        block.members.extend(following.members)
        self._drop(at + 1)
        return True

    def _counts(self) -> list[int]:
        """The Fenwick tree, made where there is none; entry i+1 belongs to block i."""
        tree = self._tree
        if tree is None:
            n: i64 = len(self._blocks)
            tree = [0] * (n + 1)
            i: i64 = 1
            while i <= n:
                tree[i] += len(self._blocks[i - 1].members)
                above = i + (i & -i)
                if above <= n:
                    tree[above] += tree[i]
                i += 1
            self._tree = tree
        return tree

    def _count(self, at: i64, step: int) -> None:
        """The block has one more or one less."""
        tree = self._counts()
        n: i64 = len(tree)
        i = at + 1
        while i < n:
            tree[i] += step
            i += i & -i

    def _before(self, at: i64) -> i64:
        """How many members stand in the blocks before this one."""
        if at == 0:
            return 0
        tree = self._counts()
        total: i64 = 0
        i = at
        while i > 0:
            total += tree[i]
            i -= i & -i
        return total

    def _locate(self, rank: i64) -> tuple[i64, i64]:
        """The block of a rank, and the place in it. Both ends are found without the tree."""
        if rank < len(self._blocks[0].members):
            return 0, rank
        n: i64 = len(self._blocks)
        last: i64 = len(self._blocks[n - 1].members)
        if rank >= self.size - last:
            return n - 1, rank - (self.size - last)
        tree = self._counts()
        step: i64 = 1
        while step * 2 <= n:
            step *= 2
        at: i64 = 0
        while step > 0:
            if at + step <= n and tree[at + step] <= rank:
                at += step
                rank -= tree[at]
            step = step // 2
        return at, rank


def place_in(block: Block, score: Any, member: bytes) -> i64:
    """Where in the block a member of this score stands, or would."""
    return place_among(block.scores, block.members, score, member)


def place_among(scores: list[Any], members: list[bytes], score: Any, member: bytes) -> i64:
    """How many of the members stand before one of this score; both lists are in order."""
    wanted: float = score
    low: i64 = 0
    high: i64 = len(scores)
    while low < high:
        middle = (low + high) >> 1
        found: float = scores[middle]
        if found < wanted or (found == wanted and members[middle] < member):
            low = middle + 1
        else:
            high = middle
    return low


def first_not_below(scores: list[Any], score: Any, high: i64) -> i64:
    """How many of the scores, which are in order, are lower than this one."""
    wanted: float = score
    low: i64 = 0
    while low < high:
        middle = (low + high) >> 1
        found: float = scores[middle]
        if found < wanted:
            low = middle + 1
        else:
            high = middle
    return low


def first_above(scores: list[Any], score: Any, low: i64) -> i64:
    """How many of the scores, which are in order, are not higher than this one."""
    wanted: float = score
    high: i64 = len(scores)
    while low < high:
        middle = (low + high) >> 1
        found: float = scores[middle]
        if found <= wanted:
            low = middle + 1
        else:
            high = middle
    return low
