"""ZSetValue.  [compiled]"""

from __future__ import annotations

from node.store.values.value import Value


class ZSetValue(Value):
    def kind(self) -> bytes:
        return b"zset"
