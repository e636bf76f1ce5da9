"""Changes of a stream in a mesh, entry by entry and claim by claim.  [compiled]

Each has a dot, its own, and a sight, what its writer had seen: it takes away that alone. A client's
has seen everything here. A stream without a memory is one that all members have.
"""

from __future__ import annotations

from mypy_extensions import i64

from node.store.entry import Dot
from node.store.values.stream_dots import (
    ADDED,
    ALL_SEEN,
    LAST_ID,
    MAX_DELETED,
    WHOLE_KEY,
    NodeDots,
    Peak,
    Rival,
    Sight,
    StreamMemory,
    newest_rival,
)
from node.store.values.stream_ids import ID_MAX
from node.store.values.stream_nodes import USUAL_LIMITS, Node, NodeLimits
from node.store.values.stream_payloads import Added, Deleted, Positions
from node.store.values.streams import StreamValue


def new_stream() -> StreamValue:
    """A stream of which nothing is known yet: no key is shown for it."""
    value = StreamValue()
    value.memory = StreamMemory()
    return value


def memory_of(value: StreamValue) -> StreamMemory:
    """What is remembered of the stream; made of what shows where all members have all of it."""
    memory = value.memory
    if memory is None:
        memory = StreamMemory()
        claim_positions(memory, value, 0, 0)
        value.memory = memory
    return memory


def claim_positions(memory: StreamMemory, value: StreamValue, stamp: i64, origin: i64) -> None:
    """The stream's positions as claims under this dot."""
    memory.made.do_claim(stamp, origin, 0)
    memory.tops.do_claim(stamp, origin, value.last_id)
    if value.max_deleted_id:
        memory.deleted.do_claim(stamp, origin, value.max_deleted_id)
    memory.tally.bases.append(Peak(stamp, origin, value.entries_added))


def give_entry_dots(value: StreamValue, stamp: i64, origin: i64) -> None:
    """A whole stream was written by one write: every entry has its dot."""
    for node in value.nodes[int(value.head) :]:
        node.dots = NodeDots(stamp, origin)
    memory = StreamMemory()
    claim_positions(memory, value, stamp, origin)
    value.memory = memory


def settle(value: StreamValue) -> None:
    """The positions are what the claims that are left say, and never behind the entries."""
    memory = memory_of(value)
    value.last_id = max(memory.tops.number(), value.last_entry_id())
    value.do_drop_deleted_behind(value.last_id)
    value.max_deleted_id = memory.deleted.number()
    value.entries_added = max(memory.tally.total(), int(value.length))


# --- entries ------------------------------------------------------------------------------------


def add_entry(value: StreamValue, added: Added, dot: Dot, sight: Sight) -> bool:
    """XADD. True where another entry has this ID that its writer had not seen."""
    memory = memory_of(value)
    number = added.number
    nodes = value.nodes
    memory.do_note_add(number, dot.stamp, dot.origin, sight)
    if sight.entry_gone(number):
        settle(value)
        return False
    behind = len(nodes) == value.head or number > nodes[len(nodes) - 1].last
    if behind or dot_of(value, number) is None:
        value.do_add(number, added.items, added.begin, added.limits, dot)
        if not behind or sight is not ALL_SEEN:
            settle(value)
        return False
    kept = [each for each in rivals_of(value, number) if not sight.has(each.stamp, each.origin)]
    contested = len(kept) > 0
    kept.append(Rival(dot.stamp, dot.origin, added.items[int(added.begin) :]))
    set_entry(value, number, kept, added.limits)
    settle(value)
    return contested


def delete_entries(value: StreamValue, deleted: Deleted, dot: Dot, sight: Sight) -> i64:
    """XDEL, XTRIM: takes the entries that the writer had seen; how many are gone."""
    memory = memory_of(value)
    before = value.length
    if deleted.below != 0:
        if sees_below(value, deleted.below, sight):
            drop_rivals_below(memory, deleted.below)
            value.do_trim(deleted.below)
        else:
            ids: list[int] = []
            value.collect(0, deleted.below - 1, 0, ids, [])
            take_seen(value, ids, sight)
    if deleted.ids:
        if sight is ALL_SEEN:
            for number in deleted.ids:
                memory.rivals.pop(number, None)
            value.do_delete(deleted.ids, deleted.is_trim, deleted.limit)
        else:
            take_seen(value, deleted.ids, sight)
        if not deleted.is_trim and not sight.gone(MAX_DELETED):
            memory.deleted.do_claim(dot.stamp, dot.origin, max(deleted.ids))
    settle(value)
    return before - value.length


def drop_rivals_below(memory: StreamMemory, below: int) -> None:
    """Hidden entries before this ID go too."""
    if memory.rivals:
        for number in list(memory.rivals):
            if number < below:
                del memory.rivals[number]


def sees_below(value: StreamValue, below: int, sight: Sight) -> bool:
    """Had a write seen every entry before this ID?"""
    if sight is ALL_SEEN:
        return True
    memory = memory_of(value)
    for number, rivals in memory.rivals.items():
        if number < below:
            for each in rivals:
                if not sight.has(each.stamp, each.origin):
                    return False
    place = value.head
    while place < len(value.nodes) and value.nodes[place].master < below:
        if not sees_node(value, value.nodes[place], below, sight):
            return False
        place += 1
    return True


def sees_node(value: StreamValue, node: Node, below: int, sight: Sight) -> bool:
    """Had a write seen a node's entries before this ID?"""
    dots = node.dots
    if dots is None:
        return sight.has(0, 0)
    if node.last < below:
        return dots.are_seen(node.live + node.dead, sight)
    ids = value.opened(node).ids
    count: i64 = 0
    while ids[count] < below:
        count += 1
    return dots.are_seen(count, sight)


def take_seen(value: StreamValue, ids: list[int], sight: Sight) -> None:
    """Of these entries those go that a write had seen."""
    gone: list[int] = []
    rivals = memory_of(value).rivals
    for number in ids:
        dot = dot_of(value, number)
        if dot is None:
            continue
        if number in rivals:
            kept = [
                each for each in rivals_of(value, number)
                if not sight.has(each.stamp, each.origin)
            ]  # fmt: skip
            set_entry(value, number, kept, USUAL_LIMITS)
        elif sight.has(dot.stamp, dot.origin):
            gone.append(number)
    if gone:
        value.do_delete(gone, True)


def dot_of(value: StreamValue, number: int) -> Dot | None:
    """The dot of the entry that shows under an ID; None where there is none."""
    place = value.node_at(number)
    if place < 0:
        return None
    node = value.nodes[place]
    if number > node.last:
        return None
    at = value.opened(node).place_of(number)
    if at < 0:
        return None
    dots = node.dots
    return Dot(0, 0) if dots is None else Dot(dots.stamp_at(at), dots.origin_at(at))


def rivals_of(value: StreamValue, number: int) -> list[Rival]:
    """All entries of one ID, the one that shows first; it is there."""
    dot = dot_of(value, number)
    items = value.entry(number)
    if dot is None or items is None:
        return []
    return [Rival(dot.stamp, dot.origin, items), *memory_of(value).rivals.get(number, [])]


def set_entry(value: StreamValue, number: int, rivals: list[Rival], limits: NodeLimits) -> None:
    """Makes these the entries of one ID: the newest shows."""
    hidden = memory_of(value).rivals
    hidden.pop(number, None)
    if not rivals:
        value.do_delete([number], True)
        return
    best = newest_rival(rivals)
    dot = dot_of(value, number)
    if dot is None or dot.stamp != best.stamp or dot.origin != best.origin:
        last_id = value.last_id
        value.do_add(number, best.items, 0, limits, Dot(best.stamp, best.origin))
        value.last_id = last_id
    if len(rivals) > 1:
        hidden[number] = [each for each in rivals if each is not best]


def set_positions(value: StreamValue, positions: Positions, dot: Dot, sight: Sight) -> None:
    """XSETID."""
    memory = memory_of(value)
    memory.tops.do_clear(sight)
    if not sight.gone(LAST_ID):
        memory.tops.do_claim(dot.stamp, dot.origin, positions.last_id)
    if positions.entries_added >= 0:
        memory.tally.do_clear(sight)
        if not sight.gone(ADDED):
            memory.tally.bases.append(Peak(dot.stamp, dot.origin, positions.entries_added))
    if positions.max_deleted_id != 0:
        memory.deleted.do_clear(sight)
        if not sight.gone(MAX_DELETED):
            memory.deleted.do_claim(dot.stamp, dot.origin, positions.max_deleted_id)
    settle(value)


def clear_stream(value: StreamValue, sight: Sight) -> None:
    """A write that replaces the key takes all that it had seen; groups are group_changes.py's."""
    memory = memory_of(value)
    memory.do_clear(sight)
    if sees_below(value, ID_MAX + 1, sight):
        memory.rivals = {}
        value.do_trim(ID_MAX + 1)
    else:
        ids: list[int] = []
        value.collect(0, ID_MAX, 0, ids, [])
        take_seen(value, ids, sight)
    settle(value)


def put_entries(value: StreamValue, put: StreamValue, dot: Dot, sight: Sight) -> None:
    """The entries and positions of a whole stream are written over what is left of another."""
    memory = memory_of(value)
    ids: list[int] = []
    fields: list[list[bytes]] = []
    put.collect(0, ID_MAX, 0, ids, fields)
    for at, number in enumerate(ids):
        if sight.entry_gone(number):
            continue
        kept: list[Rival] = []
        if dot_of(value, number) is not None:
            kept = rivals_of(value, number)
        kept.append(Rival(dot.stamp, dot.origin, fields[at]))
        set_entry(value, number, kept, USUAL_LIMITS)
    if not sight.gone(WHOLE_KEY):
        claimed = StreamMemory()
        claim_positions(claimed, put, dot.stamp, dot.origin)
        memory.made.claims += claimed.made.claims
        if not sight.gone(LAST_ID):
            memory.tops.claims += claimed.tops.claims
        if not sight.gone(MAX_DELETED):
            memory.deleted.claims += claimed.deleted.claims
        if not sight.gone(ADDED):
            memory.tally.bases += claimed.tally.bases
    settle(value)
