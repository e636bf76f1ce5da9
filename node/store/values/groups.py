"""Consumer groups of a stream, and the payloads of their effects.  [compiled]

What is delivered and not acknowledged yet is pending: once in the group, with its consumer, and by
ID in that consumer's own order. When a consumer was last seen is this node's own knowledge.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64, mypyc_attr

from node.store.values.group_dots import GroupMemory
from node.store.values.stream_ids import IdOrder, id_text

UNKNOWN_READS: Final = -1  # entries_read where nobody can tell
KEEP_READS: Final = -2  # in Delivered: entries_read stays as it is
NEVER: Final = -1  # active_ms of a consumer that was given nothing yet

# GroupChange.kind
CREATE: Final[i64] = 0
DESTROY: Final[i64] = 1
SETID: Final[i64] = 2
CREATE_CONSUMER: Final[i64] = 3
DELETE_CONSUMER: Final[i64] = 4
KIND_NAMES: Final = ("CREATE", "DESTROY", "SETID", "CREATECONSUMER", "DELCONSUMER")


class GroupChange:
    """XGROUP. `number` (last delivered ID) and `entries_read` matter to CREATE, which makes the
    stream too, and to SETID; `consumer` to the others; `time_ms` (now) to CREATE_CONSUMER."""

    def __init__(
        self, kind: i64, group: bytes, number: int = 0, entries_read: int = UNKNOWN_READS,
        consumer: bytes = b"", time_ms: int = 0,
    ) -> None:  # fmt: skip
        self.kind: i64 = kind
        self.group = group
        self.number = number
        self.entries_read = entries_read
        self.consumer = consumer
        self.time_ms = time_ms

    def __str__(self) -> str:
        words = [KIND_NAMES[int(self.kind)], self.group.decode("latin-1")]
        if self.kind == CREATE or self.kind == SETID:
            words += [id_text(self.number).decode(), str(self.entries_read)]
        elif self.kind != DESTROY:
            words.append(self.consumer.decode("latin-1"))
        return " ".join(words)


class Delivered:
    """XDELIVER: entries given to a consumer: ID, time in ms, how often by now.

    `last_id` is what the group has delivered last, where that is further than what it had;
    `entries_read` goes with it (KEEP_READS: as it is).
    """

    def __init__(
        self, group: bytes, consumer: bytes, deliveries: list[tuple[int, int, int]],
        last_id: int = 0, entries_read: int = KEEP_READS,
    ) -> None:  # fmt: skip
        self.group = group
        self.consumer = consumer
        self.deliveries = deliveries
        self.last_id = last_id
        self.entries_read = entries_read

    def __str__(self) -> str:
        given = [f"{id_text(number).decode()}x{count}" for number, _, count in self.deliveries]
        words = [self.group.decode("latin-1"), self.consumer.decode("latin-1"), *given]
        if self.last_id:
            words.append(f"last={id_text(self.last_id).decode()}")
        if self.entries_read != KEEP_READS:
            words.append(f"read={self.entries_read}")
        return " ".join(words)


class Acknowledged:
    """XACK: entries that are no longer pending in the group."""

    def __init__(self, group: bytes, ids: list[int]) -> None:
        self.group = group
        self.ids = ids

    def __str__(self) -> str:
        return " ".join([self.group.decode("latin-1"), *[id_text(n).decode() for n in self.ids]])


class Consumer:
    """Who reads in a group; `pending` are the IDs given to it. Times in ms."""

    def __init__(self, name: bytes, seen_ms: int) -> None:
        self.name = name
        self.seen_ms = seen_ms
        self.active_ms = NEVER
        self.pending = IdOrder()


@mypyc_attr(acyclic=True)
class Pending:
    """An entry that was delivered and not acknowledged: to whom, when (ms), how often; and the dot
    of the delivery."""

    __slots__ = ("consumer", "count", "origin", "stamp", "time_ms")

    def __init__(self, consumer: Consumer, time_ms: int, count: int) -> None:
        self.consumer = consumer
        self.time_ms = time_ms
        self.count = count
        self.stamp: i64 = 0
        self.origin: i64 = 0


class Group:
    """A consumer group. `entries_read` is UNKNOWN_READS where it cannot be told."""

    def __init__(self, name: bytes, last_id: int, entries_read: int) -> None:
        self.name = name
        self.last_id = last_id
        self.entries_read = entries_read
        self.consumers: dict[bytes, Consumer] = {}
        self.pending: dict[int, Pending] = {}
        self.order = IdOrder()
        self.memory: GroupMemory | None = None

    def in_order(self) -> list[Consumer]:
        """The consumers by name, as Redis lists them."""
        return [self.consumers[name] for name in sorted(self.consumers)]

    def do_consumer(self, name: bytes, time_ms: int) -> Consumer:
        """The consumer of this name, made where there is none."""
        consumer = self.consumers.get(name)
        if consumer is None:
            consumer = Consumer(name, time_ms)
            self.consumers[name] = consumer
        return consumer

    def do_deliver(self, consumer: Consumer, number: int, time_ms: int, count: int) -> None:
        """The entry is pending with this consumer, whoever had it before."""
        known = self.pending.get(number)
        if known is None:
            self.pending[number] = Pending(consumer, time_ms, count)
            self.order.add(number)
            consumer.pending.add(number)
            return
        if known.consumer is not consumer:
            known.consumer.pending.remove(number)
            consumer.pending.add(number)
            known.consumer = consumer
        known.time_ms = time_ms
        known.count = count

    def do_acknowledge(self, number: int) -> bool:
        """The entry is pending no more. Was it?"""
        known = self.pending.pop(number, None)
        if known is None:
            return False
        self.order.remove(number)
        known.consumer.pending.remove(number)
        return True

    def do_forget(self, name: bytes) -> i64:
        """The consumer goes, and what is pending with it; how much that was, -1: no consumer."""
        consumer = self.consumers.pop(name, None)
        if consumer is None:
            return -1
        for number in consumer.pending.all():
            self.pending.pop(number, None)
            self.order.remove(number)
        return consumer.pending.count

    def copy(self) -> Group:
        """A group of its own with the same in it."""
        twin = Group(self.name, self.last_id, self.entries_read)
        for name, consumer in self.consumers.items():
            other = Consumer(name, consumer.seen_ms)
            other.active_ms = consumer.active_ms
            twin.consumers[name] = other
        for number in self.order.all():
            known = self.pending[number]
            twin.do_deliver(twin.consumers[known.consumer.name], number, known.time_ms, known.count)
        return twin

    def parts(self) -> list[bytes]:
        """What is the same on all nodes: no times, since each node has its own."""
        found = [self.name, id_text(self.last_id), b"%d" % self.entries_read]
        found.append(b"%d" % len(self.consumers))
        for consumer in self.in_order():
            found.append(consumer.name)
        found.append(b"%d" % self.order.count)
        for number in self.order.all():
            known = self.pending[number]
            found.append(id_text(number))
            found.append(known.consumer.name)
            found.append(b"%d" % known.count)
        return found
