"""Deadlines of fields and members (HEXPIRE): of each place on its own the longest claim wins.
[compiled]

Each write of a place's deadline clears the claims it had seen and adds its own, as for keys
(semantics.md 4.11). HSET writes "none" with the field's value; HDEL, SREM and DEL clear; SADD and
HINCRBY leave deadlines alone. A claim lives by itself: it may be there before its place is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

from mypy_extensions import i64

from mesh.merge.covers import Cover
from mesh.merge.elements import crowded
from mesh.merge.peer_key import PeerKey
from mesh.merge.rule import Rule, saw_deadlines
from mesh.merge.slots import HASH_SLOT, SET_SLOT, TIMED_SLOTS, ZSET_SLOT, empty_value, slot_of
from mesh.merge.state import KeyState
from mesh.removals import FIELD, deadline_scope
from node.ports import Seen
from node.store.effect import Effect
from node.store.entry import STABLE, Claim, Dot, Entry, Field
from node.store.values.container import Container
from node.store.values.hashes import HashValue
from node.store.values.member_deadlines import Timed, latest
from node.store.values.sets import SetValue

Scope = tuple[int, bytes]
JoinClaims = Callable[[list[Claim], list[Claim], Cover, Cover], list[Claim]]


def timed_slot(effect: Effect) -> int:
    """The type whose places get the deadline."""
    timed = cast(Timed, effect.value)
    if timed.of_hash:
        return HASH_SLOT
    return ZSET_SLOT if timed.of_zset else SET_SLOT


class PlaceDeadlines(Rule):
    """HEXPIRE, HPERSIST, EXPIREMEMBER."""

    def local(self, effect: Effect, entry: Entry, fresh: bool) -> None:
        effect.dot = Dot(effect.stamp, 0)

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        value = entry.value
        names = cast(Timed, effect.value).names
        if (
            self.plain(effect)
            and not crowded(entry)
            and isinstance(value, Container)
            and slot_of(value) == timed_slot(effect)
            and saw_deadlines(value, names, 0, 1, seen.row, effect.origin, True)
        ):
            known = True
            for name in names:
                known = known and value.has(name)
            if known:
                effect.dot = Dot(effect.stamp, effect.origin)
                return effect
        return self.general(effect, entry, fresh, seen)

    def scopes(self, effect: Effect) -> list[Scope]:
        slot = timed_slot(effect)
        return [deadline_scope(slot, name) for name in cast(Timed, effect.value).names]

    def change(self, state: KeyState, effect: Effect, cover: Cover) -> None:
        slot = timed_slot(effect)
        value = state.container(slot)
        state.text_stays = True
        for name in dict.fromkeys(cast(Timed, effect.value).names):
            claims = [
                each for each in state.place_claims(slot, name)
                if not cover.has(each.stamp, each.origin)
            ]  # fmt: skip
            scopes = [deadline_scope(slot, name)]
            if slot == HASH_SLOT:
                scopes.append((FIELD, name))
            if not self.drops(effect, scopes):
                claims.append(Claim(effect.stamp, effect.origin, effect.number))
            if value is None:
                if not claims:
                    continue
                value = made_container(state, slot)
            state.claim_place(value, slot, name, claims)


def made_container(state: KeyState, slot: int) -> Container:
    """An empty value for claims that come before their places."""
    value = empty_value(slot)
    if isinstance(value, HashValue):
        state.hash = value
    elif isinstance(value, SetValue):
        state.set = value
    else:
        state.opaque[slot] = value
    return cast(Container, value)


class PlacesJoin:
    """What two nodes know of one key's places' deadlines, on its way to be one.

    `collect` before the places are joined, since a field's claim may be its register's; `steps`
    after.
    """

    def __init__(
        self, state: KeyState, peer: PeerKey, mine: Cover, theirs: Cover, join: JoinClaims
    ) -> None:
        self.state = state
        self.peer = peer
        self.mine = mine
        self.theirs = theirs
        self.join = join
        self.joined: list[tuple[int, bytes, list[Claim]]] = []

    def collect(self, places: i64) -> Iterator[None]:
        """Joins the claims of every place that has any; yields after so many of them."""
        done: i64 = 0
        for slot in TIMED_SLOTS:
            for name in self._names(slot):
                here = self.state.place_claims(slot, name)
                there = peer_claims(self.peer, slot, name)
                joined = self.join(here, there, self.mine, self.theirs)
                self.joined.append((slot, name, joined))
                done += 1
                if done >= places:
                    done = 0
                    yield None

    def _names(self, slot: int) -> list[bytes]:
        """The places of a type of which anything is written down on either side."""
        names: dict[bytes, None] = {}
        own = self.state.container(slot)
        theirs = self.peer.opaque.get(slot)
        for value in (own, theirs):
            if isinstance(value, Container) and value.deadlines is not None:
                names.update(dict.fromkeys(value.deadlines.of))
                names.update(dict.fromkeys(value.deadlines.claims))
        for its_slot, name in self.peer.deadlines:
            if its_slot == slot:
                names[name] = None
        for its_slot, name in self.peer.place_claims:
            if its_slot == slot:
                names[name] = None
        return list(names)

    def finish(self) -> None:
        """The steps that give each place its claims, behind those that make the places."""
        state = self.state
        for slot, name, claims in self.joined:
            value = state.container(slot)
            if value is None:
                if not claims:
                    continue
                value = made_container(state, slot)
            state.claim_place(value, slot, name, claims)


def peer_claims(peer: PeerKey, slot: int, place: bytes) -> list[Claim]:
    """What a peer's snapshot says of a place's deadline."""
    found = peer.place_claims.get((slot, place))
    if found is not None:
        return found
    deadline_ms = peer.deadlines.get((slot, place), 0)
    value = peer.opaque.get(slot)
    if deadline_ms == 0 and isinstance(value, Container):
        deadline_ms = value.deadline_of(place)
    if deadline_ms != 0:
        return [Claim(0, 0, deadline_ms)]
    if slot != HASH_SLOT:
        return []
    field = peer.field(place)
    if field is None:
        return []
    return [Claim(each.stamp, each.origin, 0) for each in field.registers]


def fold_claims(value: Container, place: bytes, cut: Cover) -> bool:
    """Every member has all claims of a place: they become one without a dot, which the value's own
    deadline says. False: there are none, or not all are stable yet, or the place is not there."""
    deadlines = value.deadlines
    if deadlines is None:
        return False
    claims = deadlines.claims.get(place)
    if claims is None or not value.has(place):
        return False
    for each in claims:
        if not cut.has(each.stamp, each.origin):
            return False
    slot = value.slot(place)
    if (
        isinstance(slot, Field) and not slot.flags & STABLE
        and not cut.has(slot.stamp, i64(slot.origin))
    ):  # fmt: skip
        return False  # without a deadline of its own it would have its register's claim
    if latest(claims) == 0:
        value.do_claim(place, None)
    else:
        deadlines.claims.pop(place, None)
    return True
