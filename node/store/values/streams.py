"""StreamValue.  [compiled]"""

from __future__ import annotations

from node.store.values.value import Value


class StreamValue(Value):
    def kind(self) -> bytes:
        return b"stream"
