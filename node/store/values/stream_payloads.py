"""The payloads of a stream's effects.  [compiled]"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.store.values.stream_ids import ID_MAX, id_text
from node.store.values.stream_nodes import USUAL_LIMITS, NodeLimits

NO_LIMIT: Final = ID_MAX + 1


class Added:
    """XADD: the entry `items[begin:]`, field, value, ..., under this ID.

    `limits` say where this node's own stream begins a new node; they do not travel.
    """

    def __init__(
        self, number: int, items: list[bytes], begin: i64, limits: NodeLimits = USUAL_LIMITS
    ) -> None:
        self.number = number
        self.items = items
        self.begin: i64 = begin
        self.limits = limits

    def __str__(self) -> str:
        words = [id_text(self.number), *self.items[int(self.begin) :]]
        return " ".join([word.decode("latin-1") for word in words])


class Deleted:
    """XDEL: the entries of these IDs, or (`below` not 0) all up to it, itself not among them.

    `is_trim`: they were trimmed, which leaves max-deleted-entry-id alone. A node that is left
    without entries goes where it ends before `limit`, which does not travel.
    """

    def __init__(
        self, ids: list[int], below: int = 0, is_trim: bool = False, limit: int = NO_LIMIT
    ) -> None:
        self.ids = ids
        self.below = below
        self.is_trim = is_trim
        self.limit = limit

    def __str__(self) -> str:
        words = ["trim"] if self.is_trim else []
        if self.below:
            words.append("<" + id_text(self.below).decode())
        return " ".join([*words, *[id_text(number).decode() for number in self.ids]])


class Positions:
    """XSETID: the ID given last, and what is set beside it (-1 and 0: stays as it is)."""

    def __init__(self, last_id: int, entries_added: int, max_deleted_id: int) -> None:
        self.last_id = last_id
        self.entries_added = entries_added
        self.max_deleted_id = max_deleted_id

    def __str__(self) -> str:
        last, highest = id_text(self.last_id).decode(), id_text(self.max_deleted_id).decode()
        return f"{last} {self.entries_added} {highest}"
