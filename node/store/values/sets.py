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
        return sorted(self.members)

    def copy(self) -> SetValue:
        """The same members without dots: what COPY, RENAME and *STORE put."""
        twin = SetValue()
        twin.members = dict.fromkeys(self.members)
        return twin
