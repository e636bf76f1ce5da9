"""Runs: identities of list elements that stand side by side, and lists of them.  [compiled]

An element's identity is a stream and a number: each stream counts what it inserts into lists.
Neighbours with neighbouring numbers are one Run, so that a queue of a million elements costs a few
runs and not a million names. A list of runs says of some elements in order who they are; elements
without identity (a node alone) are a run whose `first` is 0.
"""

from __future__ import annotations

from bisect import bisect_right

from mypy_extensions import i64, mypyc_attr


@mypyc_attr(acyclic=True)
class Run:
    """Identities of elements that stand side by side: `origin` is the stream that inserted them.

    Numbers count the stream's list inserts: first, first + step, ... (`count` of them; step 1 or
    -1, the latter where LPUSH put each before the last). An element's identity never changes.
    """

    __slots__ = ("count", "first", "origin", "step")

    def __init__(self, origin: i64, first: i64, step: i64, count: i64) -> None:
        self.origin: i64 = origin
        self.first: i64 = first
        self.step: i64 = step
        self.count: i64 = count


def nameless(count: i64) -> Run:
    """So many elements without identity."""
    return Run(0, 0, 0, count)


def part_of(run: Run, skip: i64, count: i64) -> Run:
    """`count` of a run's elements, without its first `skip`; a Run of its own."""
    step = run.step if count > 1 or run.first == 0 else 1
    return Run(run.origin, run.first + run.step * skip, step, count)


def step_to(before: Run, after: Run) -> i64:
    """The step of the one run that both are, side by side in this order; 0 where they are two.

    Two nameless ones are one run too, which has no step: 2 stands for that.
    """
    if before.origin != after.origin:
        return 0
    if before.first == 0 or after.first == 0:
        return 2 if before.first == after.first else 0
    last = before.first
    if before.count > 1:
        last += before.step * (before.count - 1)
    step = after.first - last
    if step != 1 and step != -1:
        return 0
    if before.count > 1 and before.step != step:
        return 0
    if after.count > 1 and after.step != step:
        return 0
    return step


def add_run(runs: list[Run], run: Run) -> None:
    """The run's elements follow those of `runs`. `run` belongs to the list from now on."""
    n = len(runs)
    if n > 0:
        last = runs[n - 1]
        step = step_to(last, run)
        if step != 0:
            last.count += run.count
            if step != 2:
                last.step = step
            return
    runs.append(run)


def add_before(runs: list[Run], run: Run) -> None:
    """The run's elements stand before those of `runs`. `run` belongs to the list from now on."""
    if runs:
        first = runs[0]
        step = step_to(run, first)
        if step != 0:
            first.count += run.count
            if step != 2:
                first.first = run.first
                first.step = step
            return
    runs.insert(0, run)


def add_runs(runs: list[Run], more: list[Run]) -> None:
    """As `add_run` for each of `more`, which is given away."""
    for run in more:
        add_run(runs, run)


def drop_first(runs: list[Run]) -> Run:
    """Takes the first element's identity out; a Run of its own."""
    run = runs[0]
    if run.count == 1:
        return runs.pop(0)
    single = part_of(run, 0, 1)
    run.first += run.step
    run.count -= 1
    return single


def drop_last(runs: list[Run]) -> Run:
    """Takes the last element's identity out; a Run of its own."""
    run = runs[len(runs) - 1]
    if run.count == 1:
        return runs.pop()
    run.count -= 1
    return part_of(run, run.count, 1)


def run_at(runs: list[Run], place: i64) -> Run:
    """The identity of the element at `place`; a Run of its own."""
    for run in runs:
        if place < run.count:
            return part_of(run, place, 1)
        place -= run.count
    return nameless(1)


def deal(runs: list[Run], bounds: list[i64], even: list[Run], odd: list[Run]) -> None:
    """Deals elements out: those before bounds[0] to `even`, the next before bounds[1] to `odd`,
    and so on in turn. Bounds ascend; the runs are left as they are."""
    i = 0
    used: i64 = 0
    at: i64 = 0
    to = even
    for bound in bounds:
        while at < bound:
            run = runs[i]
            take = run.count - used
            if take > bound - at:
                take = bound - at
            add_run(to, part_of(run, used, take))
            used += take
            at += take
            if used == run.count:
                i += 1
                used = 0
        to = odd if to is even else even


def total(runs: list[Run]) -> i64:
    """How many elements the runs stand for."""
    count: i64 = 0
    for run in runs:
        count += run.count
    return count


def turn(run: Run) -> None:
    """The run's elements in the opposite order: each was put before the one before it."""
    if run.count > 1:
        run.first += run.step * (run.count - 1)
        run.step = -run.step


def any_nameless(runs: list[Run]) -> bool:
    """Are elements without identity among these?"""
    return any([run.first == 0 for run in runs])


def named_only(runs: list[Run]) -> list[Run]:
    """Without the elements that have no identity."""
    if any_nameless(runs):
        return [run for run in runs if run.first != 0]
    return runs


class Wanted:
    """Identities to look for: for each stream its numbers as intervals, ascending and apart."""

    def __init__(self, runs: list[Run]) -> None:
        self.count = 0
        self.lows: dict[int, list[int]] = {}
        self.highs: dict[int, list[int]] = {}
        intervals: list[tuple[int, int, int]] = []
        for run in runs:
            if run.first == 0 or run.count < 1:
                continue
            last = run.first + run.step * (run.count - 1)
            low = run.first if run.first < last else last
            intervals.append((int(run.origin), int(low), int(low + run.count - 1)))
        intervals.sort()
        for origin, low_number, high_number in intervals:
            self._add(origin, low_number, high_number)

    def _add(self, origin: int, low: int, high: int) -> None:
        lows = self.lows.setdefault(origin, [])
        highs = self.highs.setdefault(origin, [])
        if highs and low <= highs[-1]:
            # Named twice; each element is there once.
            low = highs[-1] + 1
            if low > high:
                return
        lows.append(low)
        highs.append(high)
        self.count += high - low + 1

    def has(self, origin: int, number: int) -> bool:
        """Is this element wanted?"""
        lows = self.lows.get(origin)
        if lows is None:
            return False
        at = bisect_right(lows, number) - 1
        return at >= 0 and number <= self.highs[origin][at]

    def find(self, runs: list[Run], begin: int, spans: list[tuple[int, int]]) -> int:
        """Adds where the wanted elements stand among `runs`, the first of which is at `begin`.

        Returns how many there are. Spans are (position, count), ascending; what touches the last
        one becomes part of it.
        """
        found = 0
        at = begin
        for run in runs:
            count = int(run.count)
            lows = self.lows.get(int(run.origin))
            if lows is not None and run.first != 0:
                found += self._find_in(run, lows, at, spans)
            at += count
        return found

    def _find_in(self, run: Run, lows: list[int], at: int, spans: list[tuple[int, int]]) -> int:
        highs = self.highs[int(run.origin)]
        first = int(run.first)
        count = int(run.count)
        falls = count > 1 and run.step < 0
        low = first - count + 1 if falls else first
        high = low + count - 1
        places: list[tuple[int, int]] = []
        i = bisect_right(lows, low) - 1
        if i < 0 or highs[i] < low:
            i += 1
        while i < len(lows) and lows[i] <= high:
            begin = max(lows[i], low)
            end = min(highs[i], high)
            place = at + (first - end if falls else begin - first)
            places.append((place, end - begin + 1))
            i += 1
        if falls:
            places.reverse()
        found = 0
        for place, size in places:
            add_span(spans, place, size)
            found += size
        return found


def add_span(spans: list[tuple[int, int]], position: int, count: int) -> None:
    """Adds elements at `position` behind all others; what touches the last span joins it."""
    if spans:
        before, size = spans[-1]
        if before + size == position:
            spans[-1] = (before, size + count)
            return
    spans.append((position, count))
