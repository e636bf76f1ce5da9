"""What every list must show once a mesh has healed, worked out from the published effects alone.

A pure function of the set of effects, slow and short on purpose: an element lives unless a REMOVE
names it or a write that clears its key had seen it; the order is that of docs/decisions/0018, built
anew from every insert; of the assignments that no later one had seen the newest shows. Of the
places that an element was moved to the newest counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mesh.dots import Streams
from node.journal import Commit
from node.store.effect import CREATION, DROP, FLUSH, PUT, Effect
from node.store.values.list_effects import Assigned, Inserted, Pushed, Removed
from node.store.values.lists import ListValue, Run

Name = tuple[bytes, int]
Place = tuple[int, bytes]
ROOT: Name = (b"", 0)


@dataclass
class Act:
    """One effect: what it adds, names, clears. `when` orders the acts of one stream."""

    stream: bytes
    when: tuple[int, int]
    context: Mapping[bytes, int]
    key: Place
    puts: list[tuple[Name, Name, bool, bytes]] = field(default_factory=list)
    removes: list[Name] = field(default_factory=list)
    assigns: tuple[Name, bytes] | None = None
    moved: Name | None = None
    clears_key: bool = False
    clears_db: bool = False

    def saw(self, other: Act) -> bool:
        if other.stream == self.stream:
            return other.when < self.when
        return other.when[0] <= self.context.get(other.stream, 0)

    @property
    def rank(self) -> tuple[int, bytes, int]:
        return (self.when[0], self.stream, self.when[1])


def acts_of(commit: Commit, streams: Streams) -> list[Act]:
    """What a node publishes of its own; [] for all else."""
    if commit.origin != 0:
        return []
    own = streams.own.uuid
    context = {each.uuid: int(each.seen) for each in streams.all if each is not streams.own}
    found = []
    for effect in commit.effects():
        act = act_of(effect, streams, own, context)
        if act is not None:
            found.append(act)
    return found


def act_of(
    effect: Effect, streams: Streams, own: bytes, context: Mapping[bytes, int]
) -> Act | None:
    when = (int(effect.stamp), int(effect.index))
    act = Act(own, when, context, (int(effect.db), effect.key))
    act.clears_key = bool(effect.flags & CREATION) or effect.op in (PUT, DROP)
    act.clears_db = effect.op == FLUSH
    value = effect.value
    if isinstance(value, Pushed):
        items = value.items[int(value.begin) :]
        act.puts = chain(own, value.first, one(value.beside, streams), value.at_head, items)
        act.moved = one(value.kept, streams) if value.kept is not None else None
    elif isinstance(value, Inserted):
        left = value.right is not None
        parent = one(value.right if left else value.left, streams)
        act.puts = chain(own, value.first, parent, left, [value.item])
    elif effect.op == PUT and isinstance(value, ListValue):
        assert effect.dot is not None
        act.puts = chain(own, effect.dot.stamp, ROOT, False, value.range(0, value.length))
    elif isinstance(value, Removed):
        act.removes = [name for run in value.runs for name in names(run, streams)]
    elif isinstance(value, Assigned):
        act.assigns = (one(value.run, streams), value.item)
    elif not act.clears_key and not act.clears_db:
        return None
    return act


def chain(
    own: bytes, first: int, parent: Name, left: bool, items: list[bytes]
) -> list[tuple[Name, Name, bool, bytes]]:
    found = []
    for i, item in enumerate(items):
        found.append(((own, int(first) + i), parent, left and parent != ROOT, item))
        parent = (own, int(first) + i)
    return found


def one(run: Run | None, streams: Streams) -> Name:
    return ROOT if run is None else names(run, streams)[0]


def names(run: Run, streams: Streams) -> list[Name]:
    uuid = streams.all[int(run.origin)].uuid
    return [(uuid, int(run.first + run.step * i)) for i in range(int(run.count))]


def expected(acts: list[Act], vector: Mapping[bytes, int]) -> dict[Place, list[bytes]]:
    """What the lists show on a node that has applied all that the vector names."""
    acts = [act for act in acts if act.when[0] <= vector.get(act.stream, 0)]
    removed = {name for act in acts for name in act.removes}
    moves: dict[Name, Act] = {}
    for act in acts:
        if act.moved is not None and (
            act.moved not in moves or act.rank > moves[act.moved].rank
        ):
            moves[act.moved] = act
    shown = {}
    for key in {act.key for act in acts if act.puts}:
        mine = [act for act in acts if act.key == key and act.puts]
        clears = [
            act for act in acts
            if (act.clears_key and act.key == key) or (act.clears_db and act.key[0] == key[0])
        ]  # fmt: skip
        alive = {}
        for act in mine:
            cleared = any(each.saw(act) for each in clears if each is not act)
            late = act.moved is not None and moves[act.moved] is not act
            for name, _, _, item in act.puts:
                if name not in removed and not cleared and not late:
                    alive[name] = item
        for name in alive:
            mine_too = [act for act in acts if act.assigns is not None and act.assigns[0] == name]
            left = [
                act for act in mine_too if not any(each.saw(act) for each in mine_too)
            ]  # fmt: skip
            if left:
                newest = max(left, key=lambda act: act.rank)
                assert newest.assigns is not None
                alive[name] = newest.assigns[1]
        items = [alive[name] for name in ordered(mine) if name in alive]
        if items:
            shown[key] = items
    return shown


def ordered(acts: list[Act]) -> list[Name]:
    """All elements that were ever put into a list, in order."""
    kids: dict[tuple[Name, bool], list[Name]] = {}
    puts = [put for act in acts for put in act.puts]
    known = {put[0] for put in puts}
    for name, parent, left, _ in puts:
        kids.setdefault((parent, left), []).append(name)
    for name in {put[1] for put in puts} - known - {ROOT}:
        kids.setdefault((ROOT, False), []).append(name)
    found: list[Name] = []
    stack = [(ROOT, False)]
    while stack:
        name, is_open = stack.pop()
        if is_open:
            found.append(name)
            continue
        stack += [(kid, False) for kid in sorted(kids.get((name, False), []), reverse=True)]
        stack.append((name, True))
        stack += [(kid, False) for kid in sorted(kids.get((name, True), []), reverse=True)]
    return found
