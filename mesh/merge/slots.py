"""Slots: a key has one for each type, and the newest type claim says which of them shows.
[compiled]

Strings, hashes and sets are spelled out in KeyState, place by place. Lists, sorted sets, streams
and jobs are opaque slots: one value under the claims of its type, which lives exactly as long as
one of these claims does.
"""

from __future__ import annotations

from typing import Final

from node.store.values.cron import CronValue
from node.store.values.hashes import HashValue
from node.store.values.lists import ListValue
from node.store.values.sets import SetValue
from node.store.values.stream_changes import new_stream
from node.store.values.streams import StreamValue
from node.store.values.value import Value
from node.store.values.zsets import ZSetValue

# The numbers stand in files and in snapshots: they never change.
STRING_SLOT: Final = 0
HASH_SLOT: Final = 1
SET_SLOT: Final = 2
LIST_SLOT: Final = 3
ZSET_SLOT: Final = 4
STREAM_SLOT: Final = 5
CRON_SLOT: Final = 6

OPAQUE_SLOTS: Final = (LIST_SLOT, ZSET_SLOT, STREAM_SLOT, CRON_SLOT)
# Whose places may have deadlines of their own.
TIMED_SLOTS: Final = (HASH_SLOT, SET_SLOT, ZSET_SLOT)
# A key without claims shows the first of these that is not empty.
SHOWN_ORDER: Final = (
    STRING_SLOT, HASH_SLOT, LIST_SLOT, SET_SLOT, ZSET_SLOT, STREAM_SLOT, CRON_SLOT,
)  # fmt: skip


def slot_of(value: object) -> int:
    """The slot of a value's type; the string's also where there is no value."""
    if isinstance(value, SetValue):
        return SET_SLOT
    if isinstance(value, HashValue):
        return HASH_SLOT
    if isinstance(value, ListValue):
        return LIST_SLOT
    if isinstance(value, ZSetValue):
        return ZSET_SLOT
    if isinstance(value, StreamValue):
        return STREAM_SLOT
    if isinstance(value, CronValue):
        return CRON_SLOT
    return STRING_SLOT


def is_opaque(slot: int) -> bool:
    """Is the value of this slot one thing to the mesh, not many places?"""
    return slot >= LIST_SLOT


def empty_value(slot: int) -> Value:
    """A value of this slot's type with nothing in it. A string has none: ValueError."""
    if slot == SET_SLOT:
        return SetValue()
    if slot == HASH_SLOT:
        return HashValue()
    if slot == LIST_SLOT:
        return ListValue()
    if slot == ZSET_SLOT:
        return ZSetValue()
    if slot == STREAM_SLOT:
        return new_stream()
    if slot == CRON_SLOT:
        return CronValue(b"", [], [], 0, 0)
    raise ValueError(f"slot {slot} has no empty value")
