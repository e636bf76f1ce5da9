"""StampResolver: the node's Resolver port; mesh/merge/__init__.py says which rule decides what.
[compiled]"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from mesh.dots import Streams
from mesh.merge import RULE, STAND_IN
from mesh.merge.counters import Counters
from mesh.merge.elements import MemberRemovals, Members
from mesh.merge.fields import FieldCounters, FieldRemovals, Fields
from mesh.merge.registers import Deadlines, Registers
from mesh.merge.rule import Memory, Rule, waiting_row
from mesh.merge.slots import HASH_SLOT, LIST_SLOT, SET_SLOT, ZSET_SLOT, empty_value
from mesh.merge.stand_in import stand_in
from mesh.removals import KEY, Pending
from node.ports import Resolver, Seen
from node.store.effect import DROP, HDEL, OPS, REMOVE, SREM, WAS_STRING, ZREM, Effect
from node.store.entry import ABSENT, Entry

# What is left, empty, when one of these takes the last place.
EMPTIED_SLOT: Final[dict[int, int]] = {
    SREM: SET_SLOT, HDEL: HASH_SLOT, REMOVE: LIST_SLOT, ZREM: ZSET_SLOT,
}  # fmt: skip


class Admitted(Rule):
    """FLUSH, LAPSE, MERGE and SWAP: decided elsewhere, carried out as they come."""

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        return effect


class StampResolver(Resolver):
    """Decides by dots. While `active` is False it only keeps stamps, as a node alone does."""

    def __init__(self, streams: Streams) -> None:
        self.streams = streams
        memory = Memory(streams)
        self.memory = memory
        self.active = False
        known: dict[str, Rule] = {
            "registers": Registers(memory), "deadlines": Deadlines(memory),
            "counters": Counters(memory), "members": Members(memory),
            "member removals": MemberRemovals(memory), "fields": Fields(memory),
            "field removals": FieldRemovals(memory), "field counters": FieldCounters(memory),
            "everywhere": Admitted(memory),
        }  # fmt: skip
        self.rules: list[Rule] = [
            stand_in(op, memory) if RULE[op] == STAND_IN else known[RULE[op]]
            for op in range(int(OPS))
        ]

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
        if effect.op == DROP:
            return (effect.flags & WAS_STRING) != 0
        if effect.op in EMPTIED_SLOT:
            # The type is still claimed: it does not flip because the last place was removed.
            entry.value = empty_value(EMPTIED_SLOT[int(effect.op)])
            return True
        return (entry.flags & ABSENT) != 0 or entry.dots is not None

    def lapsed(self, entry: Entry) -> bool:
        return self.active

    def may_swap(self) -> bool:
        return not self.active

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
