"""HashValue: fields with their values, each a Field with its dot while the mesh is on.
[compiled]"""

from __future__ import annotations

from node.store.entry import Field
from node.store.values.picks import Container
from node.store.values.strings import shown


class HashValue(Container):
    """A hash as one dict: field -> bytes, or -> Field where a dot or a counter is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[bytes, object] = {}

    def kind(self) -> bytes:
        return b"hash"

    def size(self) -> int:
        """HLEN."""
        return len(self.fields)

    def get(self, field: bytes) -> bytes | None:
        """HGET: the value as a client sees it, None where the field is absent."""
        value = self.fields.get(field)
        if value is None:
            return None
        if isinstance(value, bytes):
            return value
        if isinstance(value, Field):
            return shown(value.value)
        return shown(value)

    def has(self, field: bytes) -> bool:
        """HEXISTS."""
        return field in self.fields

    def items(self) -> list[tuple[bytes, bytes]]:
        """HGETALL, in the order the fields were made."""
        return [(field, plain(value)) for field, value in self.fields.items()]

    def places(self) -> dict[bytes, object]:
        """The fields, to be read only."""
        return self.fields

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
        return [
            (field, plain(value), self.deadline_of(field)) for field, value in self.fields.items()
        ]

    def copy(self) -> HashValue:
        """The same fields and deadlines without dots, counters as their sum: what COPY puts."""
        twin = HashValue()
        twin.fields = {field: plain(value) for field, value in self.fields.items()}
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
