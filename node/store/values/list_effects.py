"""What the effects of lists say: Pushed, Inserted, Removed, Assigned.  [compiled]

Where the mesh is on they name elements by identity (node/store/values/runs.py) and say next to
whom an element was put (node/store/values/order.py). `ranks` is set by the merge, here and on every
peer: without it no order is kept, as on a node alone.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.store.values.order import Ranks
from node.store.values.runs import Run

AT_END: Final[i64] = -1


class Pushed:
    """PUSH: `items[begin:]` put one after another at an end of the list.

    `first` is the number of the first, 0 where no mesh is; `beside` is the identity of the element
    that was at that end (None: the list was empty, or no mesh). `kept`: the element was moved, and
    this is the identity that it had before its first move. The merge sets `first`, the mutation
    `beside`, and `position` where the elements are not at that end here (a peer's effect).
    """

    def __init__(self, items: list[bytes], begin: i64, at_head: bool) -> None:
        self.items = items
        self.begin: i64 = begin
        self.at_head = at_head
        self.first: i64 = 0
        self.beside: Run | None = None
        self.kept: Run | None = None
        self.position: i64 = AT_END
        self.ranks: Ranks | None = None


class Inserted:
    """INSERT: one element before the one at `position` (LINSERT), next to a known neighbour.

    The mutation sets `left` where the element is the right child of its left neighbour, else
    `right` (None both: no mesh). A peer's effect has one, and `position` becomes what it is here.
    """

    def __init__(self, item: bytes, position: i64) -> None:
        self.item = item
        self.position: i64 = position
        self.first: i64 = 0
        self.left: Run | None = None
        self.right: Run | None = None
        self.ranks: Ranks | None = None


class Removed:
    """REMOVE: elements at these spans (position, count), ascending and apart, as positions before.

    A negative position counts from the end, as in a command read back; the mutation makes it a
    plain one and sets `length`, the list's length before. `runs` are the elements' identities, set
    when they are removed; where they are set before (a peer's effect), the elements that have them
    are meant, and the spans become where those were here. `left` is the list where nothing is left
    in it but its order.
    """

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        self.spans = spans
        self.runs: list[Run] = []
        self.length: i64 = 0
        self.located = False  # the spans are already those of the runs
        self.left: object = None
        self.elsewhere = False  # the element is in another list by now: nobody was given it


class Assigned:
    """LSET: the element at `position` has another value; its identity stays.

    A negative position counts from the end. `run` is the element's identity, set by the mutation;
    where it is set before (a peer's effect), that element is meant.
    """

    def __init__(self, item: bytes, position: i64) -> None:
        self.item = item
        self.position: i64 = position
        self.run: Run | None = None
