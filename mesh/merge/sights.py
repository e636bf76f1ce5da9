"""Sights: what a peer's write of a stream had seen, and what of it was removed before it came.
[compiled]"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from mesh.merge.covers import Cover
from mesh.removals import KEY, PLACE, SPAN, Pending, Removals
from node.store.effect import Effect
from node.store.values.stream_dots import Sight

ID_BYTES: Final = 16


class CoverSight(Sight):
    """What a context covers."""

    def __init__(self, cover: Cover) -> None:
        super().__init__()
        self.cover = cover

    def has(self, stamp: i64, origin: i64) -> bool:
        return self.cover.has(stamp, origin)

    def forgot(self, stamp: i64, origin: i64) -> bool:
        return self.cover.forgot(stamp, origin)


class LateSight(CoverSight):
    """As that, of an effect that comes after removals which had seen it and wait for it."""

    def __init__(self, cover: Cover, removals: Removals, effect: Effect) -> None:
        super().__init__(cover)
        self.waiting: list[Pending] = []
        if removals.touches(effect.db, effect.key):
            for pending in removals.waiting(effect.db, effect.key):
                # The same unit's removals are in order with its adds.
                same = pending.stamp == effect.stamp and pending.origin == effect.origin
                if not same and pending.covers(effect.stamp, effect.origin):
                    self.waiting.append(pending)
        self.late = len(self.waiting) > 0

    def gone(self, places: list[bytes]) -> bool:
        for pending in self.waiting:
            for kind, place in pending.scopes:
                if kind == KEY or (kind == PLACE and place in places):
                    return True
        return False

    def entry_gone(self, number: int) -> bool:
        name = number.to_bytes(ID_BYTES, "big")
        for pending in self.waiting:
            for kind, place in pending.scopes:
                if kind == KEY:
                    return True
                if (
                    kind == SPAN
                    and len(place) == 2 * ID_BYTES
                    and place[:ID_BYTES] <= name <= place[ID_BYTES:]
                ):
                    return True
        return False
