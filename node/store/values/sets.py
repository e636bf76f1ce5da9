"""SetValue: members, each with the dot of its last add (None: no mesh).  [compiled]"""

from __future__ import annotations

from typing import cast

from node.store.entry import Dot
from node.store.values.picks import Container


class SetValue(Container):
    """A set as one dict: the dot lies in the slot that a write touches anyway."""

    def __init__(self) -> None:
        super().__init__()
        self.members: dict[bytes, Dot | None] = {}

    def kind(self) -> bytes:
        return b"set"

    def size(self) -> int:
        """SCARD."""
        return len(self.members)

    def has(self, member: bytes) -> bool:
        """SISMEMBER."""
        return member in self.members

    def places(self) -> dict[bytes, object]:
        """The members, to be read only."""
        return cast(dict[bytes, object], self.members)

    def content(self) -> object:
        return list(self.members)

    def parts(self) -> list[bytes]:
        if self.deadlines is None:
            return sorted(self.members)
        # An empty text behind the first place is no member: what follows are the deadlines.
        return [*sorted(self.members), b"", *self.deadline_parts()]

    def copy(self) -> SetValue:
        """The same members and deadlines without dots: what COPY, RENAME and *STORE put."""
        twin = SetValue()
        twin.members = dict.fromkeys(self.members)
        twin.deadlines = self.deadlines_copy()
        twin.take_past(self)
        return twin
