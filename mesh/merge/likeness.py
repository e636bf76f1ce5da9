"""Likeness: do two values show the same to clients? Found out in slices.  [compiled]

As comparing their `parts`, but without spelling a million members out.
"""

from __future__ import annotations

from mypy_extensions import i64

from mesh.merge.slots import slot_of
from node.store.values.lists import ListValue
from node.store.values.stream_ids import ID_MAX
from node.store.values.streams import StreamValue
from node.store.values.value import Value
from node.store.values.zsets import ZSetValue


class Likeness:
    """Two lists, two sorted sets or two streams; None stands for an empty one."""

    def __init__(self, here: Value | None, there: Value | None) -> None:
        self.here = here
        self.there = there
        self.same = True
        self._at: i64 = 0
        self._next_id = 0

    def step(self, places: i64) -> bool:
        """Compares so many elements, members or entries; True: `same` is known."""
        here = self.here
        there = self.there
        if here is None or there is None or slot_of(here) != slot_of(there):
            self.same = spelled(here) == spelled(there)
            return True
        done = True
        if isinstance(here, ListValue) and isinstance(there, ListValue):
            done = self._lists(here, there, places)
        elif isinstance(here, ZSetValue) and isinstance(there, ZSetValue):
            done = self._zsets(here, there, places)
        elif isinstance(here, StreamValue) and isinstance(there, StreamValue):
            done = self._streams(here, there, places)
        else:
            self.same = here.parts() == there.parts()
        return done or not self.same

    def _lists(self, here: ListValue, there: ListValue, places: i64) -> bool:
        if here.length != there.length:
            self.same = False
            return True
        at = self._at
        end = here.length if here.length - at < places else at + places
        self.same = here.range(at, end) == there.range(at, end)
        self._at = end
        return end == here.length

    def _zsets(self, here: ZSetValue, there: ZSetValue, places: i64) -> bool:
        if self._at == 0 and (
            here.size() != there.size() or here.deadline_parts() != there.deadline_parts()
        ):
            self.same = False
            return True
        chunks = here.chunks()
        count: i64 = 0
        while self._at < len(chunks) and count < places:
            chunk = chunks[self._at]
            for member, score in chunk.items():
                if there.slot(member) != score:
                    self.same = False
                    return True
            count += len(chunk)
            self._at += 1
        return self._at >= len(chunks)

    def _streams(self, here: StreamValue, there: StreamValue, places: i64) -> bool:
        if self._at == 0 and heads(here) != heads(there):
            self.same = False
            return True
        ids: list[int] = []
        fields: list[list[bytes]] = []
        here.collect(self._next_id, ID_MAX, places, ids, fields)
        other_ids: list[int] = []
        other_fields: list[list[bytes]] = []
        there.collect(self._next_id, ID_MAX, places, other_ids, other_fields)
        self.same = ids == other_ids and fields == other_fields
        self._at += len(ids)
        if ids:
            self._next_id = ids[-1] + 1
        return self._at >= here.length or not ids


def heads(value: StreamValue) -> tuple[int, int, int, int, list[list[bytes]]]:
    """What a stream's `parts` say beside its entries."""
    groups = [group.parts() for group in value.groups_in_order()]
    return value.last_id, value.max_deleted_id, value.entries_added, int(value.length), groups


def spelled(value: Value | None) -> list[bytes]:
    """What clients can see of a value that may have been emptied."""
    return [] if value is None else value.parts()
