"""Kind: what the content of a type means to the mesh, beside strings, sets and hashes.  [compiled]

A key has one slot per type (semantics.md 2). The default Kind is one value: it lives exactly as
long as a claim of its type does, and of two that meet the one that knows more stays, or the newer.
A kind `by_places` knows who wrote each element, member or entry; what it remembers stands in the
value itself. Then the value is cleared, joined and overwritten place by place, whatever the claims
say, and stays while anything of it is remembered.
"""

from __future__ import annotations

from librt.strings import BytesWriter
from mypy_extensions import i64

from mesh.dots import Streams
from mesh.merge.covers import Cover
from mesh.packing import Source
from mesh.removals import Removals
from node.store.effect import Effect
from node.store.values.value import Value

Scope = tuple[int, bytes]


class Kind:
    """One type's content. What is asked only of kinds by places says so."""

    def __init__(self) -> None:
        self.by_places = False

    def remembers(self, value: Value) -> bool:
        """Is anything left of it: something to show, or something that must be known?"""
        return value.is_shown()

    def clear(self, value: Value, cover: Cover) -> None:
        """By places: clears, in the value, what a write that replaces the key had seen of it."""

    def clear_scopes(
        self, value: Value, scopes: list[Scope], cover: Cover, streams: Streams
    ) -> None:
        """By places: clears what lies in the scopes of a removal and was seen by it."""

    def overwrite(self, here: Value | None, effect: Effect, cover: Cover, late: Removals) -> Value:
        """By places: a PUT of this type (COPY, RENAME, *STORE) clears what it had seen of `here`
        and adds its places under its own dot, without those that a removal waits for.

        Returns `here` changed, or a new value; the effect's own stays as it is.
        """
        return Value()

    def join(
        self, here: Value | None, there: Value | None, mine: Cover, theirs: Cover, streams: Streams
    ) -> Value | None:
        """By places: two nodes' knowledge become one (semantics.md 2, "State merge").

        `there` is given away. Returns None where nothing is left.
        """
        return None

    def differs(self, here: Value | None, there: Value | None) -> int:
        """By places, before `join`: how many places have two values that had not met."""
        return 0

    def put(self, out: BytesWriter, value: Value) -> None:
        """What is remembered of the value beside what a file's record or DUMP has."""

    def read(self, source: Source, value: Value) -> None:
        """The reverse of `put`. ValueError where the bytes do not fit the value."""

    def give_dots(self, value: Value, stamp: i64, origin: i64, first: i64) -> i64:
        """A node becomes active: every place without a dot gets this one. Lists number their
        elements from `first` on and return how many were numbered."""
        return 0
