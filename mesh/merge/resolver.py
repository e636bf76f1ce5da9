"""StampResolver: the node's Resolver port, RULE[op] for each effect.  [compiled]"""

from __future__ import annotations

from mypy_extensions import i64

from mesh.dots import Streams
from mesh.merge.counters import Counters
from mesh.merge.elements import MemberRemovals, Members
from mesh.merge.fields import FieldCounters, FieldRemovals, Fields
from mesh.merge.registers import Deadlines, Registers
from mesh.merge.rule import Memory, Rule, waiting_row
from mesh.removals import KEY, Pending
from node.ports import Resolver, Seen
from node.store.effect import DROP as DROP_OP
from node.store.effect import HDEL, SREM, WAS_STRING, Effect
from node.store.entry import ABSENT, Entry
from node.store.values.hashes import HashValue
from node.store.values.sets import SetValue


class Admitted(Rule):
    """FLUSH, LAPSE and MERGE: decided elsewhere, carried out as they come."""

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        return effect


class StampResolver(Resolver):
    """Decides by dots. While `active` is False it only keeps stamps, as a node alone does."""

    def __init__(self, streams: Streams) -> None:
        self.streams = streams
        memory = Memory(streams)
        self.memory = memory
        self.active = False
        whole = Registers(memory)
        other = Admitted(memory)
        # In the order of node/store/effect.py.
        self.rules: list[Rule] = [
            whole, whole, Deadlines(memory), Counters(memory), Members(memory),
            MemberRemovals(memory), Fields(memory), FieldRemovals(memory), FieldCounters(memory),
            other, other, other,
        ]  # fmt: skip

    def local(self, effect: Effect, entry: Entry, fresh: bool) -> None:
        if self.active:
            self.rules[effect.op].local(effect, entry, fresh)
        else:
            entry.stamp = effect.stamp
            entry.origin = 0

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        return self.rules[effect.op].remote(effect, entry, fresh, seen)

    def vanished(self, effect: Effect, entry: Entry) -> bool:
        if not self.active:
            return False
        if effect.op == DROP_OP:
            return (effect.flags & WAS_STRING) != 0
        if effect.op == SREM:
            entry.value = SetValue()
            return True
        if effect.op == HDEL:
            entry.value = HashValue()
            return True
        return (entry.flags & ABSENT) != 0 or entry.dots is not None

    def lapsed(self, entry: Entry) -> bool:
        return self.active

    def flush(self, effect: Effect, seen: Seen | None) -> bool:
        if seen is None or not self.active:
            return False
        memory = self.memory
        if memory.uncovered:
            memory.removals.add_flush(
                effect.db,
                Pending(
                    effect.stamp, effect.origin, waiting_row(seen.row, effect.origin), [(KEY, b"")]
                ),
            )
        return True


def unstable_bytes(memory: Memory, keys: i64) -> int:
    """A careful estimate of what the mesh's metadata takes: 32 bytes an increment, 49 a place."""
    return memory.ledger.records() * 32 + int(keys) * 49 + int(memory.removals.count) * 200
