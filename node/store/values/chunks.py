"""Chunk: some items of a list in order, with their identities.  [compiled]

A list is a list of chunks (node/store/values/lists.py), each small enough that all of it may move
when one item comes or goes.
"""

from __future__ import annotations

from mypy_extensions import i64, mypyc_attr

from node.store.values.runs import Run, Wanted, add_run, add_runs, any_nameless, deal, nameless


@mypyc_attr(acyclic=True)
class Chunk:
    """Some items in order; `runs` are the identities of all of them, None where none has one."""

    __slots__ = ("items", "runs")

    def __init__(self, items: list[bytes], runs: list[Run] | None) -> None:
        self.items = items
        self.runs = runs

    def named(self) -> list[Run]:
        """The identities; from now on there are some, if only of nameless elements."""
        runs = self.runs
        if runs is None:
            runs = []
            if self.items:
                runs.append(nameless(len(self.items)))
            self.runs = runs
        return runs

    def identify(self, origin: i64, first: i64) -> i64:
        """Gives nameless elements the numbers first, first + 1, ...; returns to how many."""
        runs = self.named()
        if not any_nameless(runs):
            return 0
        given: i64 = 0
        named: list[Run] = []
        for run in runs:
            if run.first == 0:
                run = Run(origin, first + given, 1, run.count)
                given += run.count
            add_run(named, run)
        self.runs = named
        return given

    def split(self, at: i64) -> Chunk:
        """Keeps the items before `at`; the chunk of the others."""
        rest = Chunk(self.items[at:], None)
        runs = self.runs
        if runs is not None:
            kept: list[Run] = []
            moved: list[Run] = []
            deal(runs, [at, len(self.items)], kept, moved)
            self.runs = kept
            rest.runs = moved
        del self.items[at:]
        return rest

    def join(self, other: Chunk) -> None:
        """The items of `other`, which is given away, follow."""
        if other.runs is not None or self.runs is not None:
            add_runs(self.named(), other.named())
        self.items.extend(other.items)

    def cut(self, at: i64, spans: list[tuple[int, int]], number: i64, removed: list[Run]) -> i64:
        """Takes out what spans[number:] cover of it, its first item being at position `at`.

        Returns the number of the first span that reaches beyond the chunk's end.
        """
        items = self.items
        size: i64 = len(items)
        n: i64 = len(spans)
        kept: list[bytes] = []
        bounds: list[i64] = []
        place: i64 = 0
        while number < n:
            span = spans[number]
            begin = i64(span[0]) - at
            end = begin + i64(span[1])
            if begin >= size:
                break
            if begin < place:
                begin = place
            kept.extend(items[place:begin])
            bounds.append(begin)
            place = end if end < size else size
            bounds.append(place)
            if end > size:
                break
            number += 1
        kept.extend(items[place:])
        bounds.append(size)
        runs = self.runs
        if runs is not None:
            left: list[Run] = []
            deal(runs, bounds, left, removed)
            self.runs = left
        self.items = kept
        return number


def look(wanted: Wanted, chunk: Chunk, begin: i64, spans: list[tuple[int, int]]) -> int:
    """Adds where wanted elements stand in a chunk; how many they are."""
    runs = chunk.runs
    if runs is None:
        return 0
    return wanted.find(runs, int(begin), spans)
