"""StampResolver: the node's Resolver port; mesh/merge/__init__.py says which rule decides what.
[compiled]"""

from __future__ import annotations

from typing import Final, cast

from mypy_extensions import i64

from mesh.dots import Streams
from mesh.merge import RULE
from mesh.merge.anchors import keep_anchors, kept_shell, survivors
from mesh.merge.counters import Counters
from mesh.merge.elements import MemberRemovals, Members
from mesh.merge.fields import FieldCounters, FieldRemovals, Fields
from mesh.merge.groups import Acknowledgements, Deliveries, Groups
from mesh.merge.lists import Assignments, ListAdds, ListRemovals
from mesh.merge.patches import Patches
from mesh.merge.place_deadlines import PlaceDeadlines
from mesh.merge.registers import Deadlines, Registers
from mesh.merge.rule import Memory, Rule, waiting_row
from mesh.merge.slots import HASH_SLOT, LIST_SLOT, SET_SLOT, ZSET_SLOT, empty_value
from mesh.merge.streams import StreamEntries, StreamPositions, StreamRemovals
from mesh.merge.zsets import ScoreCounters, ScoreRemovals, Scores
from mesh.removals import KEY, Pending
from node.ports import Resolver, Seen
from node.store.effect import (
    DROP,
    HDEL,
    NEWEST_WINS,
    OPS,
    REMOVE,
    SREM,
    WAS_STRING,
    ZREM,
    Effect,
)  # fmt: skip
from node.store.entry import ABSENT, Entry
from node.store.events import EVICTED
from node.store.values.list_effects import Removed
from node.store.values.value import Value

# What is left, empty, when one of these takes the last place.
EMPTIED_SLOT: Final[dict[int, int]] = {
    SREM: SET_SLOT, HDEL: HASH_SLOT, ZREM: ZSET_SLOT,
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
            "place deadlines": PlaceDeadlines(memory),
            "counters": Counters(memory), "patches": Patches(memory), "members": Members(memory),
            "member removals": MemberRemovals(memory), "fields": Fields(memory),
            "field removals": FieldRemovals(memory), "field counters": FieldCounters(memory),
            "scores": Scores(memory), "score removals": ScoreRemovals(memory),
            "score counters": ScoreCounters(memory), "everywhere": Admitted(memory),
            "entries": StreamEntries(memory), "entry removals": StreamRemovals(memory),
            "elements": ListAdds(memory), "element removals": ListRemovals(memory),
            "assignments": Assignments(memory),
            "positions": StreamPositions(memory), "groups": Groups(memory),
            "deliveries": Deliveries(memory), "acknowledgements": Acknowledgements(memory),
        }  # fmt: skip
        self.rules: list[Rule] = [known[RULE[op]] for op in range(int(OPS))]

    def local(self, effect: Effect, entry: Entry, fresh: bool) -> None:
        if self.active:
            self.rules[effect.op].local(effect, entry, fresh)
            policy = self.memory.policy
            if (
                policy is not None and effect.events != EVICTED
                and policy.overrules(effect.op, effect.key)
            ):  # fmt: skip
                self._overrule(effect)
        else:
            entry.stamp = effect.stamp
            entry.origin = 0

    def _overrule(self, effect: Effect) -> None:
        """A client's removal under newest-wins: older writes that come later are dropped."""
        memory = self.memory
        effect.flags |= NEWEST_WINS
        scopes = self.rules[effect.op].scopes(effect)
        row = waiting_row(self.streams.vector_row(), 0)
        pending = Pending(effect.stamp, 0, row, scopes, memory.streams)
        memory.removals.add(effect.db, effect.key, pending)

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        return self.rules[effect.op].remote(effect, entry, fresh, seen)

    def vanished(self, effect: Effect, entry: Entry) -> bool:
        if not self.active:
            return False
        if effect.op == DROP:
            return (effect.flags & WAS_STRING) != 0 or entry.dots is not None
        if effect.op == REMOVE:
            # What is removed stays as anchors, which others may have named.
            left = cast(Removed, effect.value).left
            entry.value = empty_value(LIST_SLOT) if left is None else left
            return True
        if effect.op in EMPTIED_SLOT:
            # The type is still claimed: it does not flip because the last place was removed.
            if entry.value is None:
                entry.value = empty_value(EMPTIED_SLOT[int(effect.op)])
            return True
        return (entry.flags & ABSENT) != 0 or entry.dots is not None

    def kept(self, entry: Entry) -> Value | None:
        return kept_shell(entry) if self.active else None

    def keep(self, effect: Effect, entry: Entry, value: Value) -> None:
        keep_anchors(effect, entry, value)

    def survivors(self, shards: list[dict[bytes, Entry]]) -> list[tuple[bytes, Value]]:
        return survivors(shards) if self.active else []

    def taken(self) -> list[Effect]:
        return self.memory.locations.take()

    def lapsed(self, entry: Entry) -> bool:
        return self.active

    def slot(self) -> i64:
        return self.memory.slot_number() if self.active else -1

    def settled_ms(self) -> i64:
        if not self.active:
            return -1
        settled: i64 = -1
        for stream in self.streams.all:
            if stream.number == 0 or stream.is_over():
                continue
            at_ms = stream.seen >> 20  # an ID's time is never below the clock of its writer
            if settled < 0 or at_ms < settled:
                settled = at_ms
        return settled

    def may_swap(self) -> bool:
        return not self.active

    def flush(self, effect: Effect, seen: Seen | None) -> bool:
        if not self.active:
            return False
        memory = self.memory
        if seen is not None:
            row = waiting_row(seen.row, effect.origin)
        else:
            row = waiting_row(self.streams.vector_row(), 0)
            if memory.policy is not None and memory.policy.everywhere:
                effect.flags |= NEWEST_WINS
        newest = (effect.flags & NEWEST_WINS) != 0
        if newest or (seen is not None and memory.uncovered):
            ranks = memory.streams if newest else None
            memory.removals.add_flush(
                effect.db, Pending(effect.stamp, effect.origin, row, [(KEY, b"")], ranks)
            )
        return seen is not None
