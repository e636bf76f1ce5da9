"""Forgetting what was remembered of places' deadlines (semantics.md 2 and 4.11).  [compiled]

    a place that is there          its claims become one without a dot, which its deadline says
    a place past its deadline      goes with all that is known of it, when it is stable and every
                                   live stream has passed the deadline: nothing can extend it
    claims whose place was taken   go in two steps, once the removal is stable too. First a mark
                                   stays in their place: a client that makes the place anew removes
                                   them for all, as long as anybody may still have them. It goes
                                   when everybody has what this node knew when it was made.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from mesh.merge.covers import Cut
from mesh.merge.place_deadlines import fold_claims
from mesh.merge.slots import slot_of
from mesh.merge.state import FIELD_BASE, FIELD_RIVALS, SET_RIVALS
from node.store.effect import LAPSE, Effect
from node.store.entry import Claim, Dot, Entry, Field
from node.store.parking import Unparked, named_places, parking_values
from node.store.values.container import Container
from node.store.values.member_deadlines import Lapsed, MemberDeadlines, latest
from node.store.values.scored import Scored

# The number of a claim that says nothing but that there were claims, and their place was removed.
TAKEN: Final = -1

Name = tuple[int, bytes, int, bytes]  # database, key, type, place


class PlaceForgetter:
    """Which claims are left of places that are not there, and since when."""

    def __init__(self) -> None:
        self.dropped = False  # has a place gone since somebody asked?
        self.active = False  # were deadlines of places ever written here?
        self._taken: dict[Name, int] = {}

    def note(self, effect: Effect, entry: Entry | None, epoch: int) -> list[bytes]:
        """What an effect has left of claims without a place; the places whose deadlines it has
        touched in a way that no other look at it finds."""
        payload = effect.value
        if effect.op == LAPSE:
            self.active = self.active or isinstance(payload, Lapsed)
            return list(payload.names) if isinstance(payload, Lapsed) else []
        value = None if entry is None else entry.value
        if not isinstance(value, Container) or value.deadlines is None:
            return []
        self.active = True
        deadlines = value.deadlines
        found: list[bytes] = []
        if deadlines.claims:
            slot = slot_of(value)
            for name in named_places(effect):
                if name in deadlines.claims:
                    found.append(name)
                    if is_taken(value, deadlines, name):
                        self._taken[int(effect.db), effect.key, slot, name] = epoch
        return found

    def begin_anew(self, epoch: int) -> None:
        """Everything is looked at from now on: nothing is known to have been taken earlier."""
        for name in self._taken:
            self._taken[name] = epoch

    def forget(
        self, db: i64, key: bytes, entry: Entry, value: Container, names: list[bytes],
        cut: Cut, oldest_ms: i64, visited: int, epoch: int, late: list[bytes],
    ) -> list[bytes]:  # fmt: skip
        """What is stable of these places; those that must be looked at again with `epoch`. Those
        that must be once the cut has moved are added to `late`.

        `visited` is the epoch that has become stable. All dots of the places were folded before.
        """
        again: list[bytes] = []
        slot = slot_of(value)
        self.active = True
        for name in names:
            deadlines = value.deadlines
            if deadlines is None:
                return again
            if name in deadlines.parked:
                if not self._drop(entry, value, deadlines, name, cut, oldest_ms):
                    late.append(name)
            elif name in deadlines.claims:
                claims = deadlines.claims[name]
                if value.has(name):
                    # The increment that made the field is not stable, and is noted nowhere else.
                    if are_stable(claims, cut):
                        late.append(name)
                elif self._forget_taken(
                    (int(db), key, slot, name), value, claims, cut, visited, epoch
                ):
                    again.append(name)
        return again

    def _drop(
        self, entry: Entry, value: Container, deadlines: MemberDeadlines, name: bytes, cut: Cut,
        oldest_ms: i64,
    ) -> bool:  # fmt: skip
        """A place past its deadline; False: it stays for now."""
        claims = deadlines.claims.get(name, [])
        if not are_stable(claims, cut) or latest(claims) >= oldest_ms:
            return False
        if has_dot(deadlines.parked[name]) or is_contested(entry, name):
            return False
        value.lost([name], 0)
        self.dropped = True
        return True

    def _forget_taken(
        self, name: Name, value: Container, claims: list[Claim], cut: Cut, visited: int, epoch: int
    ) -> bool:
        """Claims without a place; True: to be looked at again."""
        since = self._taken.get(name, 0)
        if since == 0:
            self._taken[name] = epoch
            return True
        if since > visited:
            return False  # noted again since
        if not are_stable(claims, cut):
            return True
        if len(claims) != 1 or claims[0].number != TAKEN:
            value.do_claim(name[3], [Claim(0, 0, TAKEN)])
            self._taken[name] = epoch
            return True
        self._taken.pop(name, None)
        value.do_claim(name[3], None)
        self.dropped = True
        return False


def is_taken(value: Container, deadlines: MemberDeadlines, name: bytes) -> bool:
    """Is a place that has claims not there, nor parked?"""
    return not value.has(name) and name not in deadlines.parked


def are_stable(claims: list[Claim], cut: Cut) -> bool:
    """Does the cut cover all of them?"""
    return all(cut.has(each.stamp, each.origin) for each in claims)


def has_dot(slot: object) -> bool:
    """Is more known of a parked place than its value?"""
    return isinstance(slot, (Dot, Field, Scored))


def is_contested(entry: Entry, name: bytes) -> bool:
    """Has a place rivals, or a base that increments count on?"""
    dots = entry.dots
    rivals = None if dots is None else dots.rivals
    return rivals is not None and (
        SET_RIVALS + name in rivals or FIELD_RIVALS + name in rivals or FIELD_BASE + name in rivals
    )


def in_sight(entry: Entry, names: list[bytes]) -> list[Unparked]:
    """Places of a key that were parked, to be looked at as others are; all of the types that are
    hidden, which may go as a whole."""
    found: list[Unparked] = []
    for value in parking_values(entry):
        deadlines = value.deadlines
        wanted = names if value is entry.value or deadlines is None else list(deadlines.parked)
        found.append(in_sight_of(value, wanted))
    return found


def in_sight_of(value: Container, names: list[bytes]) -> Unparked:
    """The same of one value."""
    return Unparked(value, [name for name in names if value.do_unpark(name)])


def fold_deadlines(value: Container, names: list[bytes], cut: Cut) -> None:
    """The claims of those places that are there."""
    for name in names:
        fold_claims(value, name, cut)


def remembered_places(value: object) -> list[bytes]:
    """All places of whose deadlines more is known than what shows."""
    if not isinstance(value, Container) or value.deadlines is None:
        return []
    return list(dict.fromkeys([*value.deadlines.claims, *value.deadlines.parked]))
