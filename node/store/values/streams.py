"""StreamValue: entries in Redis's nodes.  [compiled]

An append takes constant time, finding an ID O(log n), trimming from the head one step for each node
that goes. Consumer groups are in groups.py, what a mesh adds to it in stream_changes.py.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

from mypy_extensions import i64

from node.store.entry import Dot
from node.store.values.groups import UNKNOWN_READS, Group
from node.store.values.stream_dots import NodeDots, StreamMemory
from node.store.values.stream_ids import ID_MAX, id_text
from node.store.values.stream_nodes import (
    DELETED,
    NODE_BYTES,
    USUAL_LIMITS,
    Node,
    NodeLimits,
    OpenNode,
    first_node,
    is_full,
    packed,
    radix_nodes,
)
from node.store.values.stream_payloads import NO_LIMIT as NO_LIMIT
from node.store.values.stream_payloads import Added as Added
from node.store.values.stream_payloads import Deleted as Deleted
from node.store.values.stream_payloads import Positions as Positions
from node.store.values.value import Value

STREAM_BYTES: Final = 200
GROUP_BYTES: Final = 500
CONSUMER_BYTES: Final = 300
PENDING_BYTES: Final = 180  # the record, its ID, and its places in a dict and two orders
# Freed at once with a node: bytes objects cost the same whatever is in them.
PLACES_OF_NODE: Final = 20
NO_DOT: Final = Dot(0, 0)
GONE: Final = Node(0)  # stands where a node was trimmed until the list is cut


class StreamValue(Value):
    """A stream. It stays when its last entry goes."""

    def __init__(self) -> None:
        self.length: i64 = 0
        self.last_id = 0
        self.first_id = 0  # of the first entry, 0 where there is none
        self.max_deleted_id = 0
        self.entries_added = 0
        self.groups: dict[bytes, Group] = {}
        self.hidden_groups: dict[bytes, Group] = {}  # gone, but a mesh remembers something of them
        self.memory: StreamMemory | None = None
        self.nodes: list[Node] = []
        self.head: i64 = 0  # what stands before it was trimmed
        self._masters: list[int] = []
        # Nodes that were read through: the last of all, and of the others the last two asked for,
        # so that neither trimming nor a reader on its way spoils what the other goes by.
        self._tail: OpenNode | None = None
        self._open: OpenNode | None = None
        self._open_before: OpenNode | None = None
        self._rax_nodes: i64 = 0  # 0: not counted since the nodes changed

    def kind(self) -> bytes:
        return b"stream"

    def size(self) -> int:
        """Places: the entries, and what is pending in the groups."""
        found = self.length
        return int(found) + sum([len(group.pending) for group in self.groups.values()])

    def is_shown(self) -> bool:
        memory = self.memory
        return memory is None or len(memory.made.claims) > 0

    # --- reading ------------------------------------------------------------------------------

    def node_count(self) -> i64:
        """XINFO's radix-tree-keys."""
        return len(self.nodes) - self.head

    def opened(self, node: Node) -> OpenNode:
        """The node read through; a few are kept so."""
        found = self._tail
        if found is not None and found.node is node:
            return found
        found = self._open
        if found is not None and found.node is node:
            return found
        found = self._open_before
        if found is not None and found.node is node:
            return found
        found = OpenNode(node)
        if node is self.nodes[len(self.nodes) - 1]:
            self._tail = found
        else:
            self._open_before = self._open
            self._open = found
        return found

    def _close(self) -> None:
        """Nodes have changed their places, or their bytes, or are gone."""
        self._tail = None
        self._open = None
        self._open_before = None

    def node_at(self, number: int) -> i64:
        """The node in which the ID stands or would stand, -1 where it is before all of them."""
        place: i64 = bisect_right(self._masters, number, int(self.head))
        return place - 1 if place > self.head else -1

    def has(self, number: int) -> bool:
        """Is there an entry with this ID?"""
        place = self.node_at(number)
        if place < 0 or number > self.nodes[place].last:
            return False
        return self.opened(self.nodes[place]).place_of(number) >= 0

    def entry(self, number: int) -> list[bytes] | None:
        """Field, value, ... of the entry with this ID; None where there is none."""
        place = self.node_at(number)
        if place < 0 or number > self.nodes[place].last:
            return None
        node = self.opened(self.nodes[place])
        at = node.place_of(number)
        return None if at < 0 else node.fields(at)

    def last_entry_id(self) -> int:
        """The highest ID of an entry that is there, 0 where there is none."""
        place: i64 = i64(len(self.nodes)) - 1
        while place >= self.head:
            node = self.nodes[place]
            if node.live > 0:
                if node.dead == 0:
                    return node.last
                found = self.opened(node)
                at: i64 = i64(len(found.ids)) - 1
                while found.flags[at] & DELETED:
                    at -= 1
                return found.ids[at]
            place -= 1
        return 0

    def collect(
        self, start: int, end: int, count: i64, ids: list[int], fields: list[list[bytes]]
    ) -> None:
        """Appends entries from `start` to `end`, both included, at most `count` (0: all)."""
        place = self.node_at(start)
        if place < 0:
            place = self.head
        left = count if count > 0 else self.length
        while place < len(self.nodes) and left > 0:
            node = self.nodes[place]
            if node.master > end:
                return
            if node.last >= start and node.live > 0:
                found = self.opened(node)
                at: i64 = bisect_right(found.ids, start - 1)
                n: i64 = len(found.ids)
                while at < n and left > 0:
                    number = found.ids[at]
                    if number > end:
                        return
                    if found.flags[at] & DELETED == 0:
                        ids.append(number)
                        fields.append(found.fields(at))
                        left -= 1
                    at += 1
            place += 1

    def collect_back(
        self, start: int, end: int, count: i64, ids: list[int], fields: list[list[bytes]]
    ) -> None:
        """As `collect`, the highest ID first."""
        place = self.node_at(end)
        left = count if count > 0 else self.length
        while place >= self.head and left > 0:
            node = self.nodes[place]
            if node.last < start:
                return
            if node.live > 0:
                found = self.opened(node)
                at: i64 = i64(bisect_right(found.ids, end)) - 1
                while at >= 0 and left > 0:
                    number = found.ids[at]
                    if number < start:
                        return
                    if found.flags[at] & DELETED == 0:
                        ids.append(number)
                        fields.append(found.fields(at))
                        left -= 1
                    at -= 1
            place -= 1

    def groups_in_order(self) -> list[Group]:
        """The groups by name, as Redis lists them."""
        return [self.groups[name] for name in sorted(self.groups)]

    def rax_nodes(self) -> i64:
        """XINFO's radix-tree-nodes: those of a radix tree over the nodes' IDs."""
        if self._rax_nodes == 0:
            self._rax_nodes = radix_nodes(self._masters, self.head)
        return self._rax_nodes

    def has_gaps(self, start: int) -> bool:
        """May an entry from this ID on have been deleted?"""
        return self.length > 0 and self.max_deleted_id != 0 and start <= self.max_deleted_id

    def distance(self, number: int) -> int:
        """How many entries were ever added up to this ID, UNKNOWN_READS where nobody can tell."""
        added = self.entries_added
        if added == 0 or (self.length == 0 and number <= self.last_id):
            return added
        if number != 0 and number < self.max_deleted_id:
            return UNKNOWN_READS
        if number >= self.last_id:
            return added if number == self.last_id else UNKNOWN_READS
        if self.max_deleted_id == 0 or self.max_deleted_id < self.first_id:
            if number < self.first_id:
                return added - int(self.length)
            if number == self.first_id:
                return added - int(self.length) + 1
        return UNKNOWN_READS

    # --- changing: for mutations and for who reads a file ---------------------------------------

    def do_add(
        self, number: int, items: list[bytes], begin: i64, limits: NodeLimits,
        dot: Dot | None = None,
    ) -> None:  # fmt: skip
        """Adds the entry `items[begin:]`; a peer's may belong between others, or replace one."""
        if number > self.last_id:
            self.last_id = number
        nodes = self.nodes
        if len(nodes) > self.head and number <= nodes[len(nodes) - 1].last:
            self._insert(number, items[int(begin) :], limits, dot)
            return
        self.entries_added += 1
        self.length += 1
        if self.length == 1:
            self.first_id = number
        if len(nodes) > self.head:
            tail = nodes[len(nodes) - 1]
            if not is_full(tail, items, begin, limits):
                if dot is not None:
                    note_dot(tail, dot.stamp, dot.origin, tail.live + tail.dead)
                self.opened(tail).append(number, items, begin)
                return
            tail.seal()
        node = first_node(number, items, begin)
        if dot is not None:
            note_dot(node, dot.stamp, dot.origin, 0)
        self.do_take_node(node)

    def do_take_node(self, node: Node) -> None:
        """Puts a node behind all others; what is in it is counted by the caller."""
        self.nodes.append(node)
        self._masters.append(node.master)
        self._rax_nodes = 0

    def _insert(
        self, number: int, items: list[bytes], limits: NodeLimits, dot: Dot | None
    ) -> None:
        """An entry below the highest one: its node is written anew."""
        place = self.node_at(number)
        ids: list[int] = []
        fields: list[list[bytes]] = []
        dots: list[Dot] = []
        end = self.head
        if place >= 0:
            node = self.nodes[place]
            self.collect(node.master, node.last, 0, ids, fields)
            if dot is not None or node.dots is not None:
                dots = live_dots(node, self.opened(node))
            end = place + 1
        else:
            place = self.head
        at: i64 = bisect_right(ids, number)
        if at > 0 and ids[at - 1] == number:
            fields[at - 1] = items
            if dots:
                dots[at - 1] = NO_DOT if dot is None else dot
        else:
            ids.insert(int(at), number)
            fields.insert(int(at), items)
            if dot is not None or dots:
                dots.insert(int(at), NO_DOT if dot is None else dot)
            self.length += 1
            self.entries_added += 1
        made = packed(ids, fields, limits)
        if dots:
            spread(made, dots)
        self._do_set_nodes(place, end, made)
        self.do_find_first()

    def _do_set_nodes(self, begin: i64, end: i64, made: list[Node]) -> None:
        self.nodes[int(begin) : int(end)] = made
        self._masters[int(begin) : int(end)] = [node.master for node in made]
        self._close()
        self._rax_nodes = 0

    def do_drop_deleted_behind(self, last: int) -> None:
        """No node ends with deleted entries above this ID; all others are below it."""
        while len(self.nodes) > self.head and self.nodes[len(self.nodes) - 1].last > last:
            place: i64 = i64(len(self.nodes)) - 1
            node = self.nodes[place]
            ids: list[int] = []
            fields: list[list[bytes]] = []
            self.collect(node.master, node.last, 0, ids, fields)
            made = packed(ids, fields, USUAL_LIMITS)
            if node.dots is not None:
                spread(made, live_dots(node, self.opened(node)))
            self._do_set_nodes(place, place + 1, made)

    def do_delete(self, ids: list[int], is_trim: bool, limit: int = NO_LIMIT) -> i64:
        """Takes out the entries of these IDs; how many there were. See `Deleted`."""
        deleted: i64 = 0
        for number in ids:
            place = self.node_at(number)
            if place < 0 or number > self.nodes[place].last:
                continue
            node = self.nodes[place]
            found = self.opened(node)
            at = found.place_of(number)
            if at < 0:
                continue
            deleted += 1
            self.length -= 1
            if not is_trim and number > self.max_deleted_id:
                self.max_deleted_id = number
            if node.live == 1 and node.last < limit:
                self._close()
                del self.nodes[int(place)]
                del self._masters[int(place)]
                self._rax_nodes = 0
            else:
                found.mark(at)
        if deleted > 0:
            self.do_find_first()
        return deleted

    def do_trim(self, below: int) -> i64:
        """Takes out all entries before this ID, as Redis's MINID does; how many there were.

        A node goes when all of it, deleted entries too, is before the ID.
        """
        deleted: i64 = 0
        nodes = self.nodes
        while self.head < len(nodes):
            node = nodes[self.head]
            if node.last < below:
                deleted += node.live
                nodes[self.head] = GONE
                self.head += 1
                self._rax_nodes = 0
                continue
            if node.master < below:
                found = self.opened(node)
                at: i64 = 0
                while found.ids[at] < below:
                    if found.flags[at] & DELETED == 0:
                        found.mark(at)
                        deleted += 1
                    at += 1
            break
        if self.head * 2 > len(nodes):  # each is moved once for each that went
            del nodes[: int(self.head)]
            del self._masters[: int(self.head)]
            self.head = 0
        if deleted > 0:
            self.length -= deleted
            self.do_find_first()
        return deleted

    def do_find_first(self) -> None:
        """The first entry may have changed."""
        if self.length == 0:
            self.first_id = 0
            return
        place = self.head
        while self.nodes[place].live == 0:
            place += 1
        node = self.nodes[place]
        if node.dead == 0:
            self.first_id = node.master
            return
        found = self.opened(node)
        at: i64 = 0
        while found.flags[at] & DELETED:
            at += 1
        self.first_id = found.ids[at]

    # --- what all values have -----------------------------------------------------------------

    def copy(self) -> StreamValue:
        """The same with all groups; the bytes of the entries are shared, they do not change."""
        twin = StreamValue()
        twin.length = self.length
        twin.last_id = self.last_id
        twin.first_id = self.first_id
        twin.max_deleted_id = self.max_deleted_id
        twin.entries_added = self.entries_added
        twin.nodes = [node.copy() for node in self.nodes[int(self.head) :]]
        twin._masters = self._masters[int(self.head) :]
        twin.groups = {name: group.copy() for name, group in self.groups.items()}
        return twin

    def content(self) -> object:
        return self.copy()

    def parts(self) -> list[bytes]:
        found = [
            id_text(self.last_id), id_text(self.max_deleted_id), b"%d" % self.entries_added,
            b"%d" % self.length,
        ]  # fmt: skip
        ids: list[int] = []
        fields: list[list[bytes]] = []
        self.collect(0, ID_MAX, 0, ids, fields)
        for number, entry in zip(ids, fields, strict=True):
            found += [id_text(number), b"%d" % len(entry), *entry]
        for group in self.groups_in_order():
            found += group.parts()
        return found

    def release(self, places: i64) -> i64:
        """Frees nodes from the end, then pending entries."""
        self._close()
        self.memory = None
        self.hidden_groups = {}
        while places > 0 and len(self.nodes) > self.head:
            node = self.nodes.pop()
            self.length -= node.live
            places -= PLACES_OF_NODE
        for group in self.groups.values():
            before = places
            while places > 0 and group.pending:
                group.pending.popitem()
                places -= 1
            group.order.drop_last(before - places)
            for consumer in group.consumers.values():
                consumer.pending.drop_last(before - places)
        return self.size()

    def footprint(self, samples: int) -> int:
        """Nodes are measured whole, whatever `samples` says: their sizes are known."""
        found = STREAM_BYTES
        for node in self.nodes[int(self.head) :]:
            found += int(node.size()) + NODE_BYTES
        for name, group in self.groups.items():
            found += GROUP_BYTES + len(name) + len(group.pending) * PENDING_BYTES
            for consumer in group.consumers.values():
                found += CONSUMER_BYTES + len(consumer.name)
        return found


def note_dot(node: Node, stamp: i64, origin: i64, before: i64) -> None:
    """The dot of the entry that comes behind `before` others of the node."""
    dots = node.dots
    if dots is None:
        dots = NodeDots(0, 0)
        node.dots = dots
    dots.do_add(stamp, origin, before)


def live_dots(node: Node, found: OpenNode) -> list[Dot]:
    """The dots of a node's entries that are not deleted."""
    kept: list[Dot] = []
    dots = node.dots
    at: i64 = 0
    n: i64 = len(found.ids)
    while at < n:
        if found.flags[at] & DELETED == 0:
            kept.append(NO_DOT if dots is None else Dot(dots.stamp_at(at), dots.origin_at(at)))
        at += 1
    return kept


def spread(nodes: list[Node], dots: list[Dot]) -> None:
    """Gives the entries of these nodes, none of them deleted, their dots in order."""
    at: i64 = 0
    for node in nodes:
        before: i64 = 0
        while before < node.live:
            dot = dots[at]
            note_dot(node, dot.stamp, dot.origin, before)
            before += 1
            at += 1
