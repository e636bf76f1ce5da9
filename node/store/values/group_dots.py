"""What a mesh remembers of a consumer group: claims, contested deliveries, acknowledgements.
[compiled]"""

from __future__ import annotations

from mypy_extensions import i64, mypyc_attr

from node.store.entry import Dot
from node.store.values.stream_dots import Peaks, Sight


@mypyc_attr(acyclic=True)
class Delivery:
    """An entry given to a consumer by one write: its dot, when (ms), how often by then."""

    __slots__ = ("consumer", "count", "origin", "stamp", "time_ms")

    def __init__(
        self, stamp: i64, origin: i64, consumer: bytes, time_ms: int, count: int
    ) -> None:
        self.stamp: i64 = stamp
        self.origin: i64 = origin
        self.consumer = consumer
        self.time_ms = time_ms
        self.count = count


class GroupMemory:
    """The group exists while there is a claim in `made`; a consumer while it has one of its own.

    `contested` has all deliveries of an entry where there is more than one, or where one is
    acknowledged; `acks` the acknowledgements, which win over deliveries that had not seen them.
    """

    def __init__(self) -> None:
        self.made = Peaks()
        self.lasts = Peaks()
        self.reads = Peaks()
        self.consumers: dict[bytes, Peaks] = {}
        self.contested: dict[int, list[Delivery]] = {}
        self.acks: dict[int, list[Dot]] = {}
        self.recent: dict[int, None] = {}  # pending entries whose deliveries may have dots

    def is_empty(self) -> bool:
        """Is there nothing to remember, what is pending aside?"""
        return not (
            self.made.claims
            or self.lasts.claims
            or self.reads.claims
            or self.consumers
            or self.contested
            or self.acks
        )


def newest_delivery(deliveries: list[Delivery]) -> Delivery:
    """The delivery whose consumer has the entry: the highest stamp; of equal ones the greater
    name, of those that every member has the first."""
    best = deliveries[0]
    for each in deliveries:
        if each.stamp > best.stamp or (
            each.stamp == best.stamp and each.stamp != 0 and each.consumer > best.consumer
        ):
            best = each
    return best


def delivered_count(deliveries: list[Delivery]) -> int:
    """How often an entry was given by concurrent deliveries: each counts what it saw and itself,
    so what they saw in common is counted once."""
    most = 0
    for each in deliveries:
        most = max(most, each.count)
    return most + len(deliveries) - 1


def unseen_deliveries(deliveries: list[Delivery], sight: Sight) -> list[Delivery]:
    """Those that a write had not seen."""
    return [each for each in deliveries if not sight.has(each.stamp, each.origin)]


def unseen_dots(dots: list[Dot], sight: Sight) -> list[Dot]:
    """Those that a write had not seen."""
    return [each for each in dots if not sight.has(each.stamp, each.origin)]
