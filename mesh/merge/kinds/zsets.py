"""ZSetKind: a sorted set member by member, each with its registers and increments.  [compiled]"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from librt.strings import BytesWriter
from mypy_extensions import i64

from mesh.dots import Streams
from mesh.merge.covers import Cover
from mesh.merge.kinds.kind import Joining, Kind, Scope
from mesh.merge.kinds.zset_bytes import put_scores, read_scores
from mesh.merge.kinds.zset_join import ZSetJoin, ZSetKeep
from mesh.merge.kinds.zset_members import (
    covers_all,
    keep_unseen,
    revise,
    take_out,
    unseen_claims,
)
from mesh.packing import Source
from mesh.removals import SCORE, Removals
from node.store.effect import Effect
from node.store.values.scored import SET, ScoreRegister
from node.store.values.value import Value
from node.store.values.zsets import ZSetValue


class ZSetKind(Kind):
    """Sorted sets, by places."""

    def __init__(self) -> None:
        super().__init__()
        self.by_places = True

    def remembers(self, value: Value) -> bool:
        return value.is_shown() or cast(ZSetValue, value).remembers()

    def is_covered(self, value: Value, cover: Cover) -> bool:
        return covers_all(cast(ZSetValue, value), cover)

    def clear(self, value: Value, cover: Cover) -> None:
        zset = cast(ZSetValue, value)
        claims = unseen_claims(zset, cover)
        keep_unseen(zset, cover)
        for member, left in claims:
            zset.do_claim(member, left if left else None)

    def clear_scopes(
        self, value: Value, scopes: list[Scope], cover: Cover, streams: Streams
    ) -> None:
        zset = cast(ZSetValue, value)
        for kind, place in scopes:
            if kind == SCORE:
                take_out(zset, place, cover)

    def overwrite(self, here: Value | None, effect: Effect, cover: Cover, late: Removals) -> Value:
        new = cast(ZSetValue, effect.value)
        gone = late_members(new, effect, late)
        if here is None or self.is_covered(here, cover):
            made = new.copy()
            made.do_give_dots(effect.stamp, effect.origin)
            if gone:
                made.do_remove(gone, 0)
            return made
        zset = cast(ZSetValue, here)
        self.clear(zset, cover)
        dropped = set(gone)
        for member in new.names():
            if member not in dropped:
                register = ScoreRegister(new.score(member), effect.stamp, effect.origin, SET)
                revise(zset, member, cover, register, late.streams)
        return zset

    def written(self, effect: Effect) -> list[bytes]:
        return cast(ZSetValue, effect.value).names()

    def joining(
        self, here: Value | None, there: Value | None, mine: Cover, theirs: Cover,
        streams: Streams, takes_theirs: bool,
    ) -> Joining:  # fmt: skip
        if there is None:
            return ZSetKeep(cast(ZSetValue, here), theirs)
        if here is None:
            return ZSetKeep(cast(ZSetValue, there), mine)
        return ZSetJoin(cast(ZSetValue, here), cast(ZSetValue, there), mine, theirs, streams)

    def putting(self, out: BytesWriter, value: Value, places: i64) -> Iterator[None]:
        yield from put_scores(out, cast(ZSetValue, value), places)

    def reading(self, source: Source, value: Value, places: i64) -> Iterator[None]:
        yield from read_scores(source, cast(ZSetValue, value), places)

    def give_dots(self, value: Value, stamp: i64, origin: i64, first: i64) -> i64:
        cast(ZSetValue, value).do_give_dots(stamp, origin)
        return 0


def late_members(new: ZSetValue, effect: Effect, late: Removals) -> list[bytes]:
    """The members of a PUT that were removed before it arrived."""
    if not late.touches(effect.db, effect.key):
        return []
    return [
        member for member in new.names()
        if late.drops(effect.db, effect.key, [(SCORE, member)], effect.stamp, effect.origin)
    ]  # fmt: skip
