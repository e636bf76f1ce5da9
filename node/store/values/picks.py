"""Picks: the members of a large set or hash by number, so that one is picked in constant time.

Made at the first random pick of a large value and kept right from then on: `lose` is called when
members go, and what was added is found when it is needed, because a dict keeps the order of
insertion and what is new stands at its end.
"""

from __future__ import annotations

from itertools import islice
from sys import getsizeof
from typing import Final

from mypy_extensions import i64

from node.store.entry import Field
from node.store.values.value import Value

FIELD_BYTES: Final = 40


class Picks:
    """Every member once, in any order, with its place."""

    def __init__(self) -> None:
        self.order: list[bytes] = []
        self.places: dict[bytes, int] = {}

    def catch_up(self, members: dict[bytes, object]) -> list[bytes]:
        """The members in numbered order; takes in those added since the last call."""
        fresh = len(members) - len(self.order)
        if fresh < 0:  # members went without being named here
            self.order = []
            self.places = {}
            fresh = len(members)
        if fresh > 0:
            newest = list(islice(reversed(members), fresh))
            newest.reverse()
            for member in newest:
                self.places[member] = len(self.order)
                self.order.append(member)
        return self.order

    def lose(self, arguments: list[bytes], begin: int) -> None:
        """The members from `begin` on are gone: the last ones take their places."""
        order = self.order
        for i in range(begin, len(arguments)):
            place = self.places.pop(arguments[i], -1)
            if place >= 0:
                last = order.pop()
                if place < len(order):
                    order[place] = last
                    self.places[last] = place


class Container(Value):
    """A value of many places, one dict: what SetValue and HashValue share."""

    def __init__(self) -> None:
        self.picks: Picks | None = None

    def release(self, places: i64) -> i64:
        own = self.places()
        while own and places > 0:
            own.popitem()
            places -= 1
        return len(own)

    def footprint(self, samples: int) -> int:
        return measured(self.places(), samples)

    def places(self) -> dict[bytes, object]:
        """The value's own dict, to be read only."""
        return {}

    def lost(self, arguments: list[bytes], begin: int) -> None:
        """Places from `begin` on were taken out."""
        picks = self.picks
        if picks is not None:
            picks.lose(arguments, begin)


def measured(places: dict[bytes, object], samples: int) -> int:
    """A dict, and its members as far as they are measured, stretched to all of them."""
    size = getsizeof(places)
    count = len(places)
    looked_at = count if samples == 0 else min(samples, count)
    if looked_at == 0:
        return size
    some = islice(places.items(), looked_at)
    found = sum(getsizeof(name) + slot_bytes(slot) for name, slot in some)
    return size + found * count // looked_at


def slot_bytes(slot: object) -> int:
    """What stands behind a member or field; a dot is shared and not counted."""
    if isinstance(slot, Field):
        return FIELD_BYTES + getsizeof(slot.value)
    return getsizeof(slot) if isinstance(slot, (bytes, int)) else 0
