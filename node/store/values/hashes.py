"""HashValue: fields with their values, each a Field with its dot while the mesh is on.
[compiled]"""

from __future__ import annotations

from node.store.entry import Field
from node.store.values.container import Container
from node.store.values.strings import shown


class HashValue(Container):
    """A hash: the slot of a field is bytes, or a Field where a dot or a counter is kept."""

    def kind(self) -> bytes:
        return b"hash"

    def get(self, field: bytes) -> bytes | None:
        """HGET: the value as a client sees it, None where the field is absent."""
        value = self.slot(field)
        if value is None:
            return None
        if isinstance(value, bytes):
            return value
        if isinstance(value, Field):
            return shown(value.value)
        return shown(value)

    def items(self) -> list[tuple[bytes, bytes]]:
        """HGETALL, in the order of `names`."""
        found: list[tuple[bytes, bytes]] = []
        for chunk in self.chunks():
            for field, value in chunk.items():
                found.append((field, plain(value)))
        return found

    def content(self) -> object:
        return self.items()

    def parts(self) -> list[bytes]:
        found: list[bytes] = []
        for field, text in sorted(self.items()):
            found.append(field)
            found.append(text)
        return found + self.deadline_parts()

    def items_with_deadlines(self) -> list[tuple[bytes, bytes, int]]:
        """As `items`, each with its deadline in ms or 0: RDB's kind hash_ttl."""
        return [(field, text, self.deadline_of(field)) for field, text in self.items()]

    def copy(self) -> HashValue:
        """The same fields and deadlines without dots, counters as their sum: what COPY puts."""
        twin = HashValue()
        chunks = self.chunks()
        twin.do_fill_as(
            self, [{field: plain(slot) for field, slot in chunk.items()} for chunk in chunks]
        )
        twin.deadlines = self.deadlines_copy()
        twin.take_past(self)
        return twin


def plain(value: object) -> bytes:
    """A field's slot as a client sees it."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, Field):
        return shown(value.value)
    return shown(value)
