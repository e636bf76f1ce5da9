"""ListValue: chunks of items; the payloads of a list's effects.  [compiled]"""

from __future__ import annotations

from mypy_extensions import i64, mypyc_attr

from node.store.values.value import Value


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


class Pushed:
    """PUSH: `items[begin:]` put one after another at an end of the list.

    `first` is the number of the first, 0 where no mesh is; `beside` is the identity of the element
    that was at that end (None: the list was empty, or no mesh). `kept`: the element was moved and
    keeps its identity. The merge sets `first`, the mutation `beside`.
    """

    def __init__(self, items: list[bytes], begin: i64, at_head: bool) -> None:
        self.items = items
        self.begin: i64 = begin
        self.at_head = at_head
        self.first: i64 = 0
        self.beside: Run | None = None
        self.kept: Run | None = None


class Inserted:
    """INSERT: one element before the one at `position` (LINSERT), between two known neighbours."""

    def __init__(self, item: bytes, position: i64) -> None:
        self.item = item
        self.position: i64 = position
        self.first: i64 = 0
        self.left: Run | None = None
        self.right: Run | None = None


class Removed:
    """REMOVE: elements at these spans (position, count), ascending and apart, as positions before.

    `runs` are their identities, set when they are removed; a peer's effect has only these.
    """

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        self.spans = spans
        self.runs: list[Run] = []


class Assigned:
    """LSET: the element at `position` has another value; its identity stays."""

    def __init__(self, item: bytes, position: i64) -> None:
        self.item = item
        self.position: i64 = position
        self.run: Run | None = None


class ListValue(Value):
    """A list."""

    def kind(self) -> bytes:
        return b"list"
