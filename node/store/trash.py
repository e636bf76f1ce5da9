"""Trash: large values that nobody has any more, freed in slices between commands.  [compiled]

Freeing a million members takes some 50 ms, which no client is to wait for. So whatever drops a
value hands it to the list that `Writer.trash` is, and a tick frees a part of it. A snapshot walk
does not read a value that is here: it was shown the entry before, and took what it needs.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.store.entry import Entry
from node.store.values.value import Value

# Values of more places than this are freed in slices.
SLOW_FREE: Final = 2000


def discard(trash: list[object], value: object) -> None:
    """A value that nobody has any more: kept for freeing if it is large, else gone at once.

    What is asked for twice is freed once.
    """
    if isinstance(value, Value) and value.held() > SLOW_FREE:
        trash.append(value)


def discard_list(trash: list[object], places: list[bytes]) -> None:
    """Likewise a list of names that only its effect has."""
    if len(places) > SLOW_FREE:
        trash.append(places)


def discard_entry(trash: list[object], entry: Entry) -> None:
    """An entry is forgotten: its value goes, and what was hidden under it."""
    discard(trash, entry.value)
    dots = entry.dots
    if dots is not None and dots.hidden is not None:
        for value in dots.hidden:
            discard(trash, value)


def discard_lost(
    trash: list[object], entry: Entry, before: object, hidden: list[object] | None
) -> None:
    """An entry was changed that had this value, and these hidden ones: those it has no more go."""
    if not has(entry, before):
        discard(trash, before)
    if hidden is not None:
        for value in hidden:
            if not has(entry, value):
                discard(trash, value)


def has(entry: Entry, value: object) -> bool:
    """Is it the entry's value, or hidden under it?"""
    if entry.value is value:
        return True
    dots = entry.dots
    if dots is not None and dots.hidden is not None:
        for each in dots.hidden:
            if each is value:
                return True
    return False


def free(trash: list[object], places: i64) -> bool:
    """Frees about so many keys or members of what is in the trash; True: more is waiting."""
    while trash and places > 0:
        top = len(trash)
        last = trash[top - 1]
        if isinstance(last, Value):
            before = last.held()
            left = last.release(places)
            places -= before - left if before > left else 1
            if left == 0:
                trash.pop()
        elif isinstance(last, dict):
            # A large value among the keys comes on top, and is freed before the rest.
            while last and places > 0 and len(trash) == top:
                gone: object = last.popitem()[1]
                if isinstance(gone, Entry):
                    discard_entry(trash, gone)
                places -= 1
            if not last and len(trash) == top:
                trash.pop()
        elif isinstance(last, list):
            size: i64 = len(last)
            if size > places:
                del last[size - places :]
            else:
                trash.pop()
            places -= size
        else:
            trash.pop()
    return len(trash) > 0
