"""Value: what all types but strings have in common.  [compiled]

Where a type makes no difference (snapshot, digest, freeing, COPY, TYPE) code asks these methods and
names no type. Strings are plain bytes, or an int while they are counters.
"""

from __future__ import annotations

from mypy_extensions import i64


class Value:
    """A list, set, hash, sorted set or stream; the subclasses say what is in it."""

    def kind(self) -> bytes:
        """The type as TYPE names it."""
        return b""

    def size(self) -> int:
        """How many elements, members, fields or entries."""
        return 0

    def is_shown(self) -> bool:
        """Is there a key for it? An empty collection is none, an empty stream is."""
        return self.size() > 0

    def copy(self) -> Value:
        """The same without dots: what COPY, RENAME and *STORE put. Shares nothing that changes."""
        return self

    def content(self) -> object:
        """As a KeyRecord has it, by kind (node/persist/rdb_records.py); a copy."""
        return None

    def parts(self) -> list[bytes]:
        """What clients can see of it, as texts in an order equal on all nodes: for the digest."""
        return []

    def held(self) -> i64:
        """How many places `release` has to free: also what is kept beside the members."""
        return self.size()

    def release(self, places: i64) -> i64:
        """Frees about so many places of a value that nobody has any more; how many are left."""
        return 0

    def footprint(self, samples: int) -> int:
        """Bytes in memory; estimated from so many of the places, 0: from all of them."""
        return 0
