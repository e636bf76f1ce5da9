"""SetValue: members, each with the dot of its last add (None: no mesh).  [compiled]"""

from __future__ import annotations

from typing import cast

from node.store.entry import Dot
from node.store.values.container import Container


class SetValue(Container):
    """A set: the dot lies in the slot that a write touches anyway."""

    def kind(self) -> bytes:
        return b"set"

    def dot_of(self, member: bytes) -> Dot | None:
        """The dot of a member's last add; None where there is none, or no such member."""
        return cast("Dot | None", self.slot(member))

    def content(self) -> object:
        return self.names()

    def parts(self) -> list[bytes]:
        if not self.has_deadlines():
            return sorted(self.names())
        # An empty text behind the first place is no member: what follows are the deadlines.
        return [*sorted(self.names()), b"", *self.deadline_parts()]

    def copy(self) -> SetValue:
        """The same members and deadlines without dots: what COPY, RENAME and *STORE put."""
        twin = SetValue()
        twin.do_fill_as(self, [dict.fromkeys(chunk) for chunk in self.chunks()])
        twin.deadlines = self.deadlines_copy()
        twin.take_past(self)
        return twin


def set_of(members: list[bytes]) -> SetValue:
    """A new set of these members, without dots."""
    value = SetValue()
    value.do_fill_names(members, None)
    return value
