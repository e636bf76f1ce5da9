"""Kind: what the content of a type means to the mesh, beside strings, sets and hashes.  [compiled]

A key has one slot per type (semantics.md 2). The default Kind is one value: it lives exactly as
long as a claim of its type does, and of two that meet the one that knows more stays, or the newer.
A kind `by_places` knows who wrote each element, member or entry; what it remembers stands in the
value itself. Then the value is cleared, joined and overwritten place by place, whatever the claims
say, and stays while anything of it is remembered.
"""

from __future__ import annotations

from collections.abc import Iterator

from librt.strings import BytesWriter
from mypy_extensions import i64

from mesh.dots import Streams
from mesh.merge.covers import Cover
from mesh.packing import Source
from mesh.removals import Removals
from node.store.effect import Effect
from node.store.values.value import Value

Scope = tuple[int, bytes]


class Joining:
    """Two nodes' knowledge of one value on its way to be one, a slice of its places at a time."""

    def __init__(self) -> None:
        self.value: Value | None = None  # once it is done; None where nothing is left
        self.differs = 0  # places that had two values which had not met

    def step(self, places: i64) -> bool:
        """Joins so many places; True when all are."""
        return True


class Kind:
    """One type's content. What is asked only of kinds by places says so."""

    def __init__(self) -> None:
        self.by_places = False

    def remembers(self, value: Value) -> bool:
        """Is anything left of it: something to show, or something that must be known?"""
        return value.is_shown()

    def is_covered(self, value: Value, cover: Cover) -> bool:
        """By places: had a write seen all of it? Then it goes as it is, to be freed in slices."""
        return False

    def remains(self, value: Value) -> Value | None:
        """By places: what must be known of a value that `is_covered`, as a value of its own."""
        return None

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

    def written(self, effect: Effect) -> list[bytes]:
        """By places: the places that a PUT writes, where they are forgotten one by one
        (mesh/forget.py), not by `forget`."""
        return []

    def join(
        self, here: Value | None, there: Value | None, mine: Cover, theirs: Cover, streams: Streams
    ) -> Value | None:
        """By places: two nodes' knowledge become one (semantics.md 2, "State merge").

        `there` is given away. Returns None where nothing is left.
        """
        return None

    def joining(
        self, here: Value | None, there: Value | None, mine: Cover, theirs: Cover,
        streams: Streams, takes_theirs: bool,
    ) -> Joining:  # fmt: skip
        """By places: `join` and `differs` in slices; one side has a value. `takes_theirs`: of a
        place's deadline on both sides the peer's is that of who knows more."""
        done = Joining()
        done.differs = self.differs(here, there)
        done.value = self.join(here, there, mine, theirs, streams)
        return done

    def differs(self, here: Value | None, there: Value | None) -> int:
        """By places, before `join`: how many places have two values that had not met."""
        return 0

    def put(self, out: BytesWriter, value: Value) -> None:
        """What is remembered of the value beside what a file's record or DUMP has."""

    def read(self, source: Source, value: Value) -> None:
        """The reverse of `put`. ValueError where the bytes do not fit the value."""

    def putting(self, out: BytesWriter, value: Value, places: i64) -> Iterator[None]:
        """`put` in slices of so many places."""
        self.put(out, value)
        yield None

    def reading(self, source: Source, value: Value, places: i64) -> Iterator[None]:
        """`read` in slices."""
        self.read(source, value)
        yield None

    def forget(self, value: Value, cut: Cover) -> None:
        """By places: what `cut` covers every member has on disk, so it needs no dots any more.

        All dots of one place go together or none; what shows stays. Called for values that were
        written lately, so it should go by what was written, not through the whole value.
        """

    def waits(self, value: Value) -> bool:
        """By places, after `forget`: is there more to forget once more is stable?"""
        return False

    def give_dots(self, value: Value, stamp: i64, origin: i64, first: i64) -> i64:
        """A node becomes active: every place without a dot gets this one. Lists number their
        elements from `first` on and return how many were numbered."""
        return 0
