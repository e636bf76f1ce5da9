"""Order: where a list's elements stand, those removed too, the same on every node.  [compiled]

Each element is a left or right child of the element it was put next to (docs/decisions/0018), so
the order is a function of what was ever put in, whatever came first. Elements that were put in one
behind the other, or one before the other, are one Span, so a queue is one span however many have
gone through it. Removed elements stay here as anchors: others may be put next to them by who has
not seen the removal. What is alive stands in the list's chunks alone.

An element whose parent is not here yet stands under a stand-in of the parent, which is a child of
the list itself until the parent comes.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from mypy_extensions import i64

from node.store.values.spans import GONE, NONE, Mark, Numbers, Ranks, Span

__all__ = ["NONE", "Mark", "Numbers", "Order", "Ranks", "Span"]


class Order:
    """The tree of a list's elements as spans in order. `ranks` says which of two streams is first.

    The right children of an element hang on spans' last elements and the left ones on their first:
    a span is split where it is not so.
    """

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks
        self.spans: list[Span] = []
        self.head: i64 = NONE
        self.tail: i64 = NONE
        self.numbers: dict[int, Numbers] = {}
        self.kids: dict[tuple[int, int, bool], list[int]] = {}
        self.next_number: i64 = 0  # of this process's stream, up to `numbers_end`
        self.numbers_end: i64 = 0
        self.given: i64 = 0
        self.strangers: i64 = 0  # spans that are not known
        self.free: list[int] = []  # places of spans that were forgotten
        self.mark: Mark | None = None  # what may be forgotten once it is stable
        self.removed: dict[int, int] = {}  # by stream, the stamp of its last removal here
        self.unclear: i64 = 0  # when elements were last removed without note, in heartbeats
        self.waits = False  # something can be forgotten when more is stable
        # Elements that were moved here and are removed, as far as that is known.
        self.gone: list[tuple[int, int]] = []

    def note_removal(self, origin: i64, stamp: i64) -> None:
        """A write of this stream has removed elements."""
        self.removed[int(origin)] = int(stamp)

    def note_unclear(self) -> None:
        """Elements were removed, by writes that are applied here: who knows which."""
        self.unclear = self.ranks.beats if self.ranks.beats > 0 else 1

    def is_settled(self) -> bool:
        """Is no element removed that is still to be forgotten, and none expected? What is there of
        removed ones then holds living ones apart, and stays as long as they do."""
        has_parents = self.strangers == 0
        return has_parents and self.mark is None and self.unclear == 0 and not self.removed

    # --- looking up -----------------------------------------------------------------------------

    def of(self, origin: i64) -> Numbers:
        """The numbers of a stream."""
        found = self.numbers.get(int(origin))
        if found is None:
            found = Numbers()
            self.numbers[int(origin)] = found
        return found

    def find(self, origin: i64, number: i64) -> i64:
        """The span with this element, NONE where there is none."""
        numbers = self.numbers.get(int(origin))
        if numbers is None:
            return NONE
        at = bisect_right(numbers.lows, number) - 1
        if at < 0:
            return NONE
        place = i64(numbers.places[at])
        return place if self.spans[place].has(origin, number) else NONE

    def knows(self, origin: i64, number: i64) -> bool:
        """Was this element ever put into the list, as far as it is known here?"""
        place = self.find(origin, number)
        return place != NONE and self.spans[place].known

    def in_order(self) -> list[Span]:
        """All spans in order."""
        found: list[Span] = []
        at = self.head
        while at != NONE:
            span = self.spans[at]
            found.append(span)
            at = span.after
        return found

    def parents_first(self) -> list[Span]:
        """All spans, each behind the one that it hangs on."""
        found: list[Span] = []
        waiting = list(self.kids.get((0, 0, False), []))
        while waiting:
            span = self.spans[waiting.pop()]
            found.append(span)
            waiting += self.kids.get((int(span.origin), int(span.first()), True), [])
            waiting += self.kids.get((int(span.origin), int(span.last()), False), [])
        return found

    def goes_left(self, left_origin: i64, left: i64, right_origin: i64, right: i64) -> bool:
        """Does what is put between two elements hang on the right one, being its left child?

        So it is where the right one is below the left one's right side; number 0: there is none.
        """
        if right == 0:
            return False
        if left == 0:
            return True
        origin = right_origin
        number = right
        steps = len(self.spans) + 1
        while steps > 0:
            steps -= 1
            place = self.find(origin, number)
            if place == NONE:
                return False
            span = self.spans[place]
            if span.rises and span.count > 1 and span.has(left_origin, left) and left < number:
                return True
            if span.parent_origin == left_origin and span.parent == left:
                return not span.left
            if span.parent == 0:
                return False
            origin = span.parent_origin
            number = span.parent
        return False

    # --- putting in -----------------------------------------------------------------------------

    def put(
        self, origin: i64, first: i64, count: i64, parent_origin: i64, parent: i64, left: bool
    ) -> i64:
        """Elements first, first + 1, ... are put next to a parent: the first is its left or right
        child, each other on that side of the one before. Returns the span that the first is in.

        Parent 0 is the list itself, which has right children only, whatever the side of the others.
        What the order has already is passed over; what was only named so far goes to its place.
        """
        numbers = self.of(origin)
        lows = numbers.lows
        newest = len(lows) - 1
        top: i64 = 0
        if newest >= 0:
            last = i64(numbers.places[newest])
            top = self.spans[last].low + self.spans[last].count
            if top == first and self._goes_on(last, first, parent_origin, parent, left):
                return self._extend(last, count, left)
        if top <= first:
            return self.add(origin, first, count, parent_origin, parent, left, origin, first)
        end = first + count
        place = NONE
        number = first
        while number < end:
            size: i64 = 1
            found = self.find(origin, number)
            if found == NONE:
                size = self._unknown(origin, number, end)
                before = self.find(origin, number - 1)
                if before != NONE and self._goes_on(before, number, parent_origin, parent, left):
                    found = self._extend(before, size, left)
                else:
                    found = self.add(
                        origin, number, size, parent_origin, parent, left, origin, number
                    )
            elif not self.spans[found].known:
                self._adopt(found, parent_origin, parent, left)
            if place == NONE:
                place = found
            number += size
            parent_origin = origin
            parent = number - 1
        return place

    def _goes_on(
        self, place: i64, first: i64, parent_origin: i64, parent: i64, left: bool
    ) -> bool:
        """Do elements that follow a span's by number go on from its last one, on the side that the
        others do?"""
        span = self.spans[place]
        return (
            parent + 1 == first
            and parent_origin == span.origin
            and span.known
            and (span.count == 1 or span.rises != left)
            and (int(parent_origin), int(parent), left) not in self.kids
        )

    def _extend(self, place: i64, count: i64, left: bool) -> i64:
        """So many elements more are part of a span."""
        span = self.spans[place]
        span.rises = not left
        span.count += count
        return place

    def add(
        self, origin: i64, first: i64, count: i64, parent_origin: i64, parent: i64, left: bool,
        rank_origin: i64, rank: i64,
    ) -> i64:  # fmt: skip
        """As `put`, for elements of which none is known, with their rank among siblings."""
        span = Span(origin, first, count, not left)
        span.rank_origin = rank_origin
        span.rank = rank
        if parent == 0:
            left = False
        place = self._place(span)
        numbers = self.of(origin)
        at = bisect_left(numbers.lows, first)
        numbers.lows.insert(at, int(first))
        numbers.places.insert(at, int(place))
        at_kid = self._hang(place, parent_origin, parent, left)
        self._link(place, place, self._behind(place, at_kid))
        return place

    def _place(self, span: Span) -> i64:
        """A place for a new span."""
        if self.free:
            place = i64(self.free.pop())
            self.spans[place] = span
            return place
        self.spans.append(span)
        return len(self.spans) - 1

    def size(self) -> i64:
        """How many spans there are."""
        return len(self.spans) - len(self.free)

    def _hang(self, place: i64, parent_origin: i64, parent: i64, left: bool) -> i64:
        """Makes a span the child of an element, the how manieth; splits where it must."""
        span = self.spans[place]
        span.parent_origin = parent_origin
        span.parent = parent
        span.left = left
        if parent != 0:
            above = self.find(parent_origin, parent)
            if above == NONE:
                above = self.add(
                    parent_origin, parent, 1, 0, 0, False, parent_origin, parent
                )
                self.spans[above].known = False
                self.strangers += 1
            self._split(above, parent, left)
        else:
            span.parent_origin = 0
        name = (int(span.parent_origin), int(parent), left)
        kids = self.kids.get(name)
        if kids is None:
            self.kids[name] = [int(place)]
            return 0
        low: i64 = 0
        high: i64 = len(kids)
        while low < high:
            middle = (low + high) >> 1
            if self._precedes(self.spans[kids[middle]], span):
                low = middle + 1
            else:
                high = middle
        kids.insert(low, int(place))
        return low

    def _precedes(self, one: Span, other: Span) -> bool:
        """The order of siblings: by stream, then by number."""
        if one.rank_origin != other.rank_origin:
            return self.ranks.precedes(one.rank_origin, other.rank_origin)
        return one.rank < other.rank

    def _split(self, place: i64, number: i64, left: bool) -> None:
        """Splits a span so that this element's children of a side can hang between the parts."""
        span = self.spans[place]
        if number == (span.first() if left else span.last()):
            return
        # The part with the higher numbers becomes a span of its own.
        upper = number if left == span.rises else number + 1
        rest = Span(span.origin, upper, span.low + span.count - upper, span.rises)
        rest.parent_origin = span.origin
        rest.parent = upper - 1
        rest.left = not span.rises
        span.count = upper - span.low
        at = self._place(rest)
        numbers = self.of(span.origin)
        i = bisect_left(numbers.lows, upper)
        numbers.lows.insert(i, int(upper))
        numbers.places.insert(i, int(at))
        self.kids[int(span.origin), int(upper - 1), rest.left] = [int(at)]
        self._link(at, at, span.after if span.rises else place)

    def _adopt(self, place: i64, parent_origin: i64, parent: i64, left: bool) -> None:
        """A parent that was only named has come: it goes to its place, all below it with it."""
        span = self.spans[place]
        span.known = True
        self.strangers -= 1
        own = span.rank == span.low and span.rank_origin == span.origin
        if (parent == 0 and own) or self._is_below(parent_origin, parent, place):
            return
        kids = self.kids[0, 0, False]
        kids.remove(int(place))
        if not kids:
            del self.kids[0, 0, False]
        begin = self.first_below(place)
        end = self.last_below(place)
        before = self.spans[begin].before
        after = self.spans[end].after
        if before == NONE:
            self.head = after
        else:
            self.spans[before].after = after
        if after == NONE:
            self.tail = before
        else:
            self.spans[after].before = before
        at_kid = self._hang(place, parent_origin, parent, left)
        self._link(begin, end, self._behind(place, at_kid))

    def _is_below(self, origin: i64, number: i64, place: i64) -> bool:
        """Is an element in or below a span? Only a damaged frame makes an element its own
        ancestor."""
        steps = len(self.spans) + 1
        while number != 0 and steps > 0:
            steps -= 1
            at = self.find(origin, number)
            if at == NONE:
                return False
            if at == place:
                return True
            origin = self.spans[at].parent_origin
            number = self.spans[at].parent
        return number != 0

    def _behind(self, place: i64, at: i64) -> i64:
        """The span before which a span goes that is its parent's child number `at`; NONE: behind
        all."""
        span = self.spans[place]
        kids = self.kids[int(span.parent_origin), int(span.parent), span.left]
        if at > 0:
            return self.spans[self.last_below(i64(kids[at - 1]))].after
        if at + 1 < len(kids):
            return self.first_below(i64(kids[at + 1]))
        if span.parent == 0:
            return self.head
        above = self.find(span.parent_origin, span.parent)
        return above if span.left else self.spans[above].after

    def last_below(self, place: i64) -> i64:
        """The span that stands last of all below a span's first-born element, itself included."""
        while True:
            span = self.spans[place]
            last = span.last()
            kids = self.kids.get((int(span.origin), int(last), False))
            if kids is None:
                return place
            place = i64(kids[len(kids) - 1])

    def first_below(self, place: i64) -> i64:
        """As `last_below`, the one that stands first."""
        while True:
            span = self.spans[place]
            first = span.first()
            kids = self.kids.get((int(span.origin), int(first), True))
            if kids is None:
                return place
            place = i64(kids[0])

    def unite(self, span: Span) -> None:
        """Puts in what another node's order has in a span, as far as it is not known here."""
        origin = span.origin
        end = span.low + span.count
        left = not span.rises
        number = span.low
        while number < end:
            place = self.find(origin, number)
            if place != NONE and self.spans[place].known:
                number = self.spans[place].low + self.spans[place].count
                continue
            if number > span.low:
                count = self._unknown(origin, number, end)
                self.put(origin, number, count, origin, number - 1, left)
            elif place == NONE:
                count = self._unknown(origin, number, end)
                if span.parent == 0 or span.rank != span.low or span.rank_origin != origin:
                    rises = not left
                    place = self.add(
                        origin, number, count, span.parent_origin, span.parent, span.left,
                        span.rank_origin, span.rank,
                    )  # fmt: skip
                    self.spans[place].rises = rises
                else:
                    self.put(origin, number, 1, span.parent_origin, span.parent, span.left)
            else:
                self.spans[place].rank_origin = span.rank_origin
                self.spans[place].rank = span.rank
                self.put(origin, number, 1, span.parent_origin, span.parent, span.left)

    def _unknown(self, origin: i64, number: i64, end: i64) -> i64:
        """How many elements from `number` on, before `end`, no span has."""
        lows = self.of(origin).lows
        at = bisect_right(lows, number)
        if at < len(lows) and lows[at] < end:
            end = lows[at]
        return end - number

    # --- forgetting -----------------------------------------------------------------------------

    def forget(self, place: i64) -> bool:
        """Forgets a span that nobody can name any more; False: it holds others apart and stays.

        Its one child takes its place, also in the order of siblings.
        """
        span = self.spans[place]
        if not span.known:
            return False
        heads = (int(span.origin), int(span.first()), True)
        tails = (int(span.origin), int(span.last()), False)
        below = [*self.kids.get(heads, []), *self.kids.get(tails, [])]
        if len(below) > 1:
            return False
        name = (int(span.parent_origin), int(span.parent), span.left)
        siblings = self.kids[name]
        at = siblings.index(int(place))
        if below:
            self.kids.pop(heads, None)
            self.kids.pop(tails, None)
            kid = self.spans[below[0]]
            kid.parent_origin = span.parent_origin
            kid.parent = span.parent
            kid.left = span.left
            kid.rank_origin = span.rank_origin
            kid.rank = span.rank
            siblings[at] = below[0]
        else:
            siblings.pop(at)
            if not siblings:
                del self.kids[name]
        self._unlink(place)
        numbers = self.of(span.origin)
        i = bisect_left(numbers.lows, span.low)
        numbers.lows.pop(i)
        numbers.places.pop(i)
        self.free.append(int(place))
        self.spans[place] = GONE
        return True

    def take_lost(self) -> None:
        """Elements that were only named and will never come are as removed ones."""
        if self.strangers == 0:
            return
        at = self.head
        while at != NONE:
            span = self.spans[at]
            if not span.known and self.ranks.is_lost(span.origin):
                span.known = True
                self.strangers -= 1
                self.note_unclear()
            at = span.after

    def shed(self) -> None:
        """Nothing is kept of streams of which the list has no element."""
        for origin in [each for each, numbers in self.numbers.items() if numbers.is_empty()]:
            del self.numbers[origin]

    def _unlink(self, place: i64) -> None:
        """Takes a span out of the row."""
        span = self.spans[place]
        if span.before == NONE:
            self.head = span.after
        else:
            self.spans[span.before].after = span.after
        if span.after == NONE:
            self.tail = span.before
        else:
            self.spans[span.after].before = span.before

    def _link(self, begin: i64, end: i64, behind: i64) -> None:
        """Puts linked spans before the span `behind`."""
        before = self.tail if behind == NONE else self.spans[behind].before
        self.spans[begin].before = before
        self.spans[end].after = behind
        if before == NONE:
            self.head = begin
        else:
            self.spans[before].after = begin
        if behind == NONE:
            self.tail = end
        else:
            self.spans[behind].before = end
